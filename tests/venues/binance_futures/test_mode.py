"""How an account of the futures holds positions."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest

from pitwire.model.credentials import Credentials
from pitwire.model.errors import MalformedFrame
from pitwire.venues.binance_futures import BINANCE_COINM, BINANCE_USDM
from pitwire.venues.binance_futures.mode import ask_mode, read_mode

KEY = Credentials("theKey", "theSecret", kind="hmac")


def test_the_question_is_signed() -> None:
    asked = ask_mode(KEY, 1_700_000_000_123_456_789)
    assert (asked.method, asked.path) == ("GET", "/fapi/v1/positionSide/dual")
    assert (asked.weight, dict(asked.headers)) == (30, {"X-MBX-APIKEY": "theKey"})
    query = dict(parse_qsl(asked.query))
    assert len(query.pop("signature")) == 64
    assert query == {"recvWindow": "10000", "timestamp": "1700000000123"}


def test_the_answer() -> None:
    assert read_mode(b'{"dualSidePosition":false}') == ""
    assert read_mode(b'{"dualSidePosition":true}') == "hedge mode"
    for body in (b"{}", b"<html>", b'{"dualSidePosition":"true"}'):
        with pytest.raises(MalformedFrame, match="positionSide"):
            read_mode(body)


def test_who_is_only_watched_is_not_asked() -> None:
    assert BINANCE_USDM.mode is not None
    assert BINANCE_COINM.mode is None
