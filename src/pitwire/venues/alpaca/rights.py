"""Which account a key is of: its number, as `GET /v2/account` has it (alpaca §5.9).

What a key may do is not said: a trading key moves no money out.
"""

from __future__ import annotations

import msgspec

from pitwire.model.credentials import Credentials
from pitwire.model.errors import MalformedFrame
from pitwire.venues.alpaca import frames as wire
from pitwire.venues.alpaca.reading import VENUE
from pitwire.venues.alpaca.rest import key_headers
from pitwire.venues.venue import AskAccount, HttpRequest

_decode = msgspec.json.Decoder(wire.Account).decode


def ask_account(credentials: Credentials, _now: int) -> HttpRequest:
    """The question."""
    return HttpRequest("account", "GET", "/v2/account", headers=key_headers(credentials))


def read_account(body: bytes) -> str:
    """The number in the answer, "" where there is none; raises `MalformedFrame`."""
    try:
        return _decode(body).account_number
    except msgspec.MsgspecError as error:
        raise MalformedFrame(venue=VENUE, channel="account", path=str(error)) from None


ACCOUNT = AskAccount(ask_account, read_account)
