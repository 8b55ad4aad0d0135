"""What a key may do, by the wallet's REST API: `GET /sapi/v1/account/apiRestrictions` (weight 1).

House rules: a right that the venue does not name is one that the key has, but for trading.
"""

from __future__ import annotations

from urllib.parse import urlencode

import msgspec

from pitwire.model.clock import MILLISECOND
from pitwire.model.credentials import Credentials
from pitwire.model.errors import MalformedFrame
from pitwire.venues.binance.symbols import VENUE
from pitwire.venues.mbx.signing import signed_query, signer_for
from pitwire.venues.venue import AskRights, HttpRequest, KeyRights

_PATH = "/sapi/v1/account/apiRestrictions"
_WINDOW_MS = 10_000


class _Restrictions(msgspec.Struct, rename="camel"):
    enable_withdrawals: bool = True
    enable_spot_and_margin_trading: bool = False


_decode = msgspec.json.Decoder(_Restrictions).decode


def ask_rights(credentials: Credentials, now: int) -> HttpRequest:
    """The signed question."""
    plain = urlencode({"recvWindow": _WINDOW_MS, "timestamp": now // MILLISECOND})
    query = signed_query(signer_for(credentials), plain)
    headers = {"X-MBX-APIKEY": credentials.key}
    return HttpRequest("rights", "GET", _PATH, query, headers)


def read_rights(body: bytes) -> KeyRights:
    """The answer to it; raises `MalformedFrame`."""
    try:
        found = _decode(body)
    except msgspec.MsgspecError as error:
        raise MalformedFrame(venue=VENUE, channel="apiRestrictions", path=str(error)) from None
    return KeyRights(
        may_trade=found.enable_spot_and_margin_trading, may_withdraw=found.enable_withdrawals
    )


RIGHTS = AskRights(ask_rights, read_rights)
