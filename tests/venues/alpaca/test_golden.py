"""Frames and bytes from the venue's documents against what they mean, field by field.

`pitwire examine alpaca` reads them, too.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pitwire.conformance.golden import NOW, Frame, Golden, Sent, called, make, written
from pitwire.venues.alpaca import ALPACA
from pitwire.venues.venue import Codec, CodecOptions, HttpRequest, Role

GOLDEN = Golden(Path(__file__).parents[2] / "golden" / "alpaca")
MARKET_CALLS = ("subscribe", "unsubscribe", "server_time")


def codec(role: Role) -> Codec:
    return ALPACA.codec(CodecOptions(role))


@pytest.mark.parametrize("row", [pytest.param(one, id=one.name) for one in GOLDEN.frames])
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_frame_means_what_is_written_beside_it(row: Frame, kind: type) -> None:
    assert row.role is not None
    ours = codec(row.role)
    GOLDEN.prepare(ours, row.before)
    found = [written(item) for item in ours.decode(kind(row.payload), NOW)]
    assert found == [{k: v for k, v in one.items() if k != "excerpt"} for one in row.events]


@pytest.mark.parametrize("row", [pytest.param(one, id=one.name) for one in GOLDEN.sent])
def test_a_call_makes_these_bytes(row: Sent) -> None:
    is_market = row.call in MARKET_CALLS or row.call.startswith("ask_")
    ours = codec(Role.MARKET if is_market else Role.ORDERS)
    if row.login:
        GOLDEN.log_in(ours, row.login, row.now)
    assert make(ours, row) == row.bytes


def test_every_request_bears_the_key_and_no_address_does() -> None:
    login = GOLDEN.papers.logins["paper"]
    looked = 0
    for row in GOLDEN.sent:
        if not row.login:
            continue
        ours = codec(Role.ORDERS)
        GOLDEN.log_in(ours, row.login, row.now)
        asked = called(ours, row)
        if isinstance(asked, HttpRequest):
            looked += 1
            assert asked.headers["APCA-API-KEY-ID"] == login.key
            assert asked.headers["APCA-API-SECRET-KEY"] == login.secret
            assert login.secret not in f"{asked.path}{asked.query}{asked.body!r}"
            assert login.key not in f"{asked.path}{asked.query}{asked.body!r}"
    assert looked > 15
