"""Every golden frame of the futures gives exactly the events written beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pitwire.conformance.golden import NOW, Frame, Golden, expected, written
from pitwire.venues.binance_futures import BINANCE_USDM
from pitwire.venues.venue import CodecOptions, Role

FOLDER = Path(__file__).resolve().parents[2] / "golden" / "binance-usdm"


GOLDEN = Golden(FOLDER)


@pytest.mark.parametrize("row", GOLDEN.frames, ids=lambda row: row.name)
def test_a_golden_frame(row: Frame) -> None:
    codec = BINANCE_USDM.codec(CodecOptions(role=row.role or Role.MARKET))
    GOLDEN.prepare(codec, row.before)
    assert [written(one) for one in codec.decode(row.payload, NOW)] == expected(row)


def test_there_is_one_of_every_kind() -> None:
    told = {event["kind"] for row in GOLDEN.frames for event in row.events}
    assert {
        "AggregateTrade", "Trade", "Quote", "BookDelta", "Bar", "Ticker", "MarkPrice", "Funding",
        "Liquidation", "Update", "Fill", "Balance", "Position", "Leverage", "MarginCall", "Reply",
        "Rejected",
    } <= told  # fmt: skip
