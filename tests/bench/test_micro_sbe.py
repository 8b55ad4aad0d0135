"""The two spellings that are measured against each other say the same."""

from __future__ import annotations

from msgspec.structs import replace

from bench import micro_sbe
from bench.micro_decode import NOW, _frames
from pitwire.venues.binance import BINANCE, BINANCE_SBE
from pitwire.venues.venue import CodecOptions, Role


def test_both_spellings_are_the_same_event() -> None:
    text, binary = (venue.codec(CodecOptions(role=Role.MARKET)) for venue in (BINANCE, BINANCE_SBE))
    for in_json, raw in zip(_frames(), micro_sbe.binary_frames(), strict=True):
        [one] = text.decode(in_json, NOW)
        [other] = binary.decode(raw, NOW)
        # JSON has no time in quotes.
        assert replace(one, venue_time=0) == replace(other, venue_time=0)  # type: ignore[type-var]


def test_each_kind_is_measured() -> None:
    rows = micro_sbe.rows()
    assert [name for name, _, _ in rows] == [
        f"decode: {kind}, JSON over binary" for kind in micro_sbe.KINDS
    ]
    assert all(ratio > 0 for _, ratio, _ in rows)
