"""What a key may do, by the wallet's REST API (`mbx/rights.py`); and which account it is of: the
`uid` in `GET /api/v3/account` (binance §5.7, §5.13, weight 20).
"""

from __future__ import annotations

import msgspec

from pitwire.model.credentials import Credentials
from pitwire.model.errors import MalformedFrame
from pitwire.venues.binance.symbols import VENUE
from pitwire.venues.mbx.rights import ask_rights, read_restrictions, signed
from pitwire.venues.venue import AskAccount, AskRights, HttpRequest, KeyRights

_ACCOUNT_PATH = "/api/v3/account"
_ACCOUNT_WEIGHT = 20


class _Account(msgspec.Struct):
    uid: int = 0


_decode_account = msgspec.json.Decoder(_Account).decode


def read_rights(body: bytes) -> KeyRights:
    """The wallet's answer; raises `MalformedFrame`."""
    found = read_restrictions(body, VENUE)
    return KeyRights(
        may_trade=found.enable_spot_and_margin_trading, may_withdraw=found.enable_withdrawals
    )


def ask_account(credentials: Credentials, now: int) -> HttpRequest:
    """The signed question, without what the account owns."""
    params = {"omitZeroBalances": "true"}
    return signed("account", _ACCOUNT_PATH, params, credentials, now, _ACCOUNT_WEIGHT)


def read_account(body: bytes) -> str:
    """The `uid` in the answer, "" where there is none; raises `MalformedFrame`."""
    try:
        found = _decode_account(body)
    except msgspec.MsgspecError as error:
        raise MalformedFrame(venue=VENUE, channel="account", path=str(error)) from None
    return str(found.uid) if found.uid else ""


RIGHTS = AskRights(ask_rights, read_rights)
ACCOUNT = AskAccount(ask_account, read_account)
