"""How an account holds positions: `GET positionSide/dual` (weight 30).

House rules: a desk counts one position a symbol; an account that may hold two is not traded.
"""

from __future__ import annotations

from urllib.parse import urlencode

import msgspec

from pitwire.model.clock import MILLISECOND
from pitwire.model.credentials import Credentials
from pitwire.model.errors import MalformedFrame
from pitwire.venues.binance_futures.house import USDM
from pitwire.venues.mbx.signing import signed_query, signer_for
from pitwire.venues.venue import AskMode, HttpRequest

_PATH = f"{USDM.root}/positionSide/dual"
_WINDOW_MS = 10_000


class _Mode(msgspec.Struct, rename="camel"):
    dual_side_position: bool


_decode = msgspec.json.Decoder(_Mode).decode


def ask_mode(credentials: Credentials, now: int) -> HttpRequest:
    """The signed question."""
    plain = urlencode({"recvWindow": _WINDOW_MS, "timestamp": now // MILLISECOND})
    query = signed_query(signer_for(credentials), plain)
    return HttpRequest("mode", "GET", _PATH, query, {"X-MBX-APIKEY": credentials.key}, weight=30)


def read_mode(body: bytes) -> str:
    """In which mode the account is, where that is one that a desk cannot count; else ""."""
    try:
        found = _decode(body)
    except msgspec.MsgspecError as error:
        raise MalformedFrame(venue=USDM.name, channel="positionSide", path=str(error)) from None
    return "hedge mode" if found.dual_side_position else ""


MODE = AskMode(ask_mode, read_mode, expected="one-way mode: one position a symbol")
