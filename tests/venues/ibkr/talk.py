"""A codec brought to where a gateway would have it, with answers of the papers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from pitwire.model.credentials import Credentials
from pitwire.model.instruments import Instrument
from pitwire.model.orders import Order, OrderType, Side, TimeInForce
from pitwire.venues.codec import CodecOptions, Decoded, Further, HttpRequest, Reply, Role
from pitwire.venues.ibkr.codec import IbkrCodec
from pitwire.venues.ibkr.settings import Settings

NOW = 1_700_000_000_000_000_000
ACCOUNT = "DU1234567"
FINE = {"authenticated": True, "established": True, "competing": False, "connected": True}
TAKEN = {**FINE, "authenticated": False, "competing": True}
CLOSED = {**FINE, "authenticated": False, "established": False}
ACCOUNTS = {"accounts": [ACCOUNT, "DU7654321"], "selectedAccount": ACCOUNT, "isPaper": True}
PLACED = [{"order_id": "1370093239", "order_status": "PreSubmitted", "encrypt_message": "1"}]
NO_DATA = (
    "You are submitting an order without market data. We strongly recommend against this as it may "
    "result in erroneous and unexpected trades.\nAre you sure you want to submit this order?"
)
QUESTION = [
    {
        "id": "99097238-9824-4830-84ef-46979aa22593",
        "message": [NO_DATA],
        "isSuppressed": False,
        "messageIds": ["o354"],
        "messageOptions": ["Yes", "No"],
    }
]
KEY = Credentials("", "")


def stock(ticker: str, conid: int) -> Instrument:
    return Instrument(
        venue="ibkr",
        symbol=f"{ticker}-USD",
        native=str(conid),
        base=ticker,
        quote="USD",
        tick=Decimal("0.01"),
        lot=Decimal(1),
    )


AAPL, IBM = stock("AAPL", 265598), stock("IBM", 8314)


def fresh(role: Role = Role.ORDERS, settings: Settings | None = None) -> IbkrCodec:
    codec = IbkrCodec(CodecOptions(role), settings)
    codec.learn([AAPL, IBM])
    return codec


def tickled(status: dict[str, Any] = FINE, session: str = "s" * 32) -> dict[str, Any]:
    return {"session": session, "hmds": {"error": "no bridge"}, "iserver": {"authStatus": status}}


def answer(
    codec: IbkrCodec, request: HttpRequest, body: Any, status: int = 200, now: int = NOW
) -> Sequence[Decoded]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return codec.decode_response(request, status, {}, raw, now)


def further(decoded: Sequence[Decoded]) -> HttpRequest:
    """The one request that is wanted next."""
    [item] = [one for one in decoded if not isinstance(one, Reply)]
    assert isinstance(item, Further)
    assert isinstance(item.outgoing, HttpRequest)
    return item.outgoing


def reply(decoded: Sequence[Decoded]) -> Reply:
    [found] = [one for one in decoded if isinstance(one, Reply)]
    return found


def frame(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def log_in(codec: IbkrCodec, now: int = NOW) -> Sequence[Decoded]:
    """All of a login, on a socket that has to be told whose it is."""
    codec.decode(frame(message="waiting for session"), now)
    request = codec.login(KEY, now, 1)
    accounts = further(answer(codec, request, tickled(), now=now))
    [named] = answer(codec, accounts, ACCOUNTS, now=now)
    assert isinstance(named, Further)
    assert named.outgoing == b'{"session":"%b"}' % (b"s" * 32)
    return codec.decode(frame(topic="sts", args=FINE), now)


def ready(role: Role = Role.ORDERS, settings: Settings | None = None) -> IbkrCodec:
    codec = fresh(role, settings)
    assert reply(log_in(codec)).error is None
    return codec


def order(
    id: str = "my-1",
    *,
    type: OrderType = OrderType.LIMIT,
    size: str = "100",
    price: str | None = "165.5",
    **more: Any,
) -> Order:
    return Order(
        id=id,
        symbol="AAPL-USD",
        side=Side.BUY,
        type=type,
        size=Decimal(size),
        price=None if price is None else Decimal(price),
        time_in_force=more.pop("time_in_force", TimeInForce.DAY),
        **more,
    )
