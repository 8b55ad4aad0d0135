"""What a key may do, by the wallet's REST API, which all of these venues share:
`GET /sapi/v1/account/apiRestrictions` (weight 1).

House rules: a right that is not named is one that the key has, but for trading.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

import msgspec

from pitwire.model.clock import MILLISECOND
from pitwire.model.credentials import Credentials
from pitwire.model.errors import MalformedFrame
from pitwire.venues.mbx.signing import signed_query, signer_for
from pitwire.venues.venue import HttpRequest

_PATH = "/sapi/v1/account/apiRestrictions"
_WINDOW_MS = 10_000


class Restrictions(msgspec.Struct, rename="camel"):
    """What the wallet says of a key, as far as it concerns a desk."""

    enable_withdrawals: bool = True
    enable_spot_and_margin_trading: bool = False
    enable_futures: bool = False


_decode = msgspec.json.Decoder(Restrictions).decode


def ask_rights(credentials: Credentials, now: int) -> HttpRequest:
    """The signed question."""
    return signed("rights", _PATH, {}, credentials, now)


def read_restrictions(body: bytes, venue: str) -> Restrictions:
    """The answer to it; raises `MalformedFrame` of this venue."""
    try:
        return _decode(body)
    except msgspec.MsgspecError as error:
        raise MalformedFrame(venue=venue, channel="apiRestrictions", path=str(error)) from None


def signed(
    kind: str,
    path: str,
    params: Mapping[str, str],
    credentials: Credentials,
    now: int,
    weight: int = 1,
) -> HttpRequest:
    """A signed question by GET."""
    stamp = {"recvWindow": _WINDOW_MS, "timestamp": now // MILLISECOND}
    query = signed_query(signer_for(credentials), urlencode({**params, **stamp}))
    return HttpRequest(kind, "GET", path, query, {"X-MBX-APIKEY": credentials.key}, weight=weight)
