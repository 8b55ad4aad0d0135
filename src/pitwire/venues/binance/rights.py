"""What a key may do, by the wallet's REST API: `GET /sapi/v1/account/apiRestrictions` (weight 1);
and which account it is of: the `uid` in `GET /api/v3/account` (binance §5.7, §5.13, weight 20).

House rules: a right that the venue does not name is one that the key has, but for trading.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

import msgspec

from pitwire.model.clock import MILLISECOND
from pitwire.model.credentials import Credentials
from pitwire.model.errors import MalformedFrame
from pitwire.venues.binance.symbols import VENUE
from pitwire.venues.mbx.signing import signed_query, signer_for
from pitwire.venues.venue import AskAccount, AskRights, HttpRequest, KeyRights

_PATH = "/sapi/v1/account/apiRestrictions"
_ACCOUNT_PATH = "/api/v3/account"
_ACCOUNT_WEIGHT = 20
_WINDOW_MS = 10_000


class _Restrictions(msgspec.Struct, rename="camel"):
    enable_withdrawals: bool = True
    enable_spot_and_margin_trading: bool = False


class _Account(msgspec.Struct):
    uid: int = 0


_decode = msgspec.json.Decoder(_Restrictions).decode
_decode_account = msgspec.json.Decoder(_Account).decode


def ask_rights(credentials: Credentials, now: int) -> HttpRequest:
    """The signed question."""
    return _signed("rights", _PATH, {}, credentials, now)


def read_rights(body: bytes) -> KeyRights:
    """The answer to it; raises `MalformedFrame`."""
    try:
        found = _decode(body)
    except msgspec.MsgspecError as error:
        raise MalformedFrame(venue=VENUE, channel="apiRestrictions", path=str(error)) from None
    return KeyRights(
        may_trade=found.enable_spot_and_margin_trading, may_withdraw=found.enable_withdrawals
    )


def ask_account(credentials: Credentials, now: int) -> HttpRequest:
    """The signed question, without what the account owns."""
    return _signed(
        "account", _ACCOUNT_PATH, {"omitZeroBalances": "true"}, credentials, now, _ACCOUNT_WEIGHT
    )


def read_account(body: bytes) -> str:
    """The `uid` in the answer, "" where there is none; raises `MalformedFrame`."""
    try:
        found = _decode_account(body)
    except msgspec.MsgspecError as error:
        raise MalformedFrame(venue=VENUE, channel="account", path=str(error)) from None
    return str(found.uid) if found.uid else ""


def _signed(
    kind: str,
    path: str,
    params: Mapping[str, str],
    credentials: Credentials,
    now: int,
    weight: int = 1,
) -> HttpRequest:
    stamp = {"recvWindow": _WINDOW_MS, "timestamp": now // MILLISECOND}
    query = signed_query(signer_for(credentials), urlencode({**params, **stamp}))
    return HttpRequest(kind, "GET", path, query, {"X-MBX-APIKEY": credentials.key}, weight=weight)


RIGHTS = AskRights(ask_rights, read_rights)
ACCOUNT = AskAccount(ask_account, read_account)
