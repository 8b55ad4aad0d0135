"""A venue of our own for tests: plain JSON both ways, and a server that remembers everything."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pitwire.market.sequence import ByRange
from pitwire.model import errors
from pitwire.model.credentials import Credentials
from pitwire.model.errors import DialFailed
from pitwire.model.events import (
    BookDelta,
    BookSnapshot,
    Event,
    Malformed,
    Quote,
    Trade,
    Update,
    VenueShutdown,
)
from pitwire.model.instruments import Instrument
from pitwire.model.orders import AmendOrder, CancelOrder, Order, ReplaceOrder, Side, UpdateKind
from pitwire.venues.venue import (
    Ask,
    Buffer,
    Can,
    Channel,
    CodecOptions,
    Decoded,
    Endpoints,
    Heartbeat,
    HttpRequest,
    Limit,
    Reply,
    Role,
    Venue,
)
from pitwire.wire.link import HttpAnswer
from pitwire.wire.memory import MemoryLink

REFUSALS: Mapping[str, Callable[[str], errors.RemoteError]] = {
    "rejected": lambda text: errors.OrderRejected(
        venue="toy", code=1, text=text, reason="would_take"
    ),
    "unknown_order": lambda text: errors.OrderRejected(
        venue="toy", code=2, text=text, reason="unknown_order"
    ),
    "auth": lambda text: errors.AuthenticationFailed(venue="toy", code=3, text=text, hint="key"),
    "clock": lambda text: errors.AuthenticationFailed(venue="toy", code=4, text=text, hint="clock"),
    "limited": lambda text: errors.RateLimited(venue="toy", code=5, until=int(text or 0)),
    "unknown": lambda text: errors.OutcomeUnknown(venue="toy", code=6, text=text),
    "bad": lambda text: errors.RequestRejected(venue="toy", code=7, text=text),
}


class ToyCodec:
    """Names are spelled as we spell them; a frame is one JSON object."""

    def __init__(self, options: CodecOptions) -> None:
        self.options = options

    def decode(self, frame: Buffer, now: int) -> Sequence[Decoded]:
        try:
            said = json.loads(bytes(frame))
        except ValueError:
            return (Malformed("toy", "", 0, now, "", "$", bytes(frame)[:20].decode("latin-1")),)
        if "id" in said:
            return (self._reply(said, now),)
        return (_event(said, now),)

    def _reply(self, said: dict[str, Any], now: int) -> Reply:
        error = REFUSALS[said["error"]](said.get("text", "")) if "error" in said else None
        told = tuple(_event(one, now) for one in said.get("events", ()))
        return Reply(said["id"], error, told, said.get("used", -1), said.get("time", 0))

    def decode_response(
        self,
        request: HttpRequest,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        now: int,
    ) -> Sequence[Decoded]:
        if status == 429:
            until = now + int(headers.get("retry-after", "1")) * 1_000_000_000
            return (Reply(0, errors.RateLimited(venue="toy", code=429, until=until)),)
        if status != 200:
            return (Reply(0, errors.VenueUnavailable(venue="toy", code=status)),)
        said = json.loads(body)
        if request.purpose == "time":
            return (Reply(0, server_time=said["time"]),)
        if request.purpose == "instruments":
            return (Reply(0),)
        return (_event(said, now), Reply(0))

    def decode_instruments(self, body: bytes) -> Sequence[Instrument]:
        return [_instrument(symbol) for symbol in json.loads(body)]

    def learn(self, instruments: Sequence[Instrument]) -> None:
        self.learned = [instrument.symbol for instrument in instruments]

    def check(self, ask: Ask) -> None:
        if not ask.symbol.isupper():
            raise errors.ConfigError(where="symbol", found=ask.symbol, expected="capitals")

    def subscribe(self, asks: Sequence[Ask], request_id: int) -> bytes:
        return _frame(id=request_id, do="subscribe", asks=[list(_key(a)) for a in asks])

    def unsubscribe(self, asks: Sequence[Ask], request_id: int) -> bytes:
        return _frame(id=request_id, do="unsubscribe", asks=[list(_key(a)) for a in asks])

    def ask_of(self, event: Event) -> Ask | None:
        return None

    def login(self, credentials: Credentials, now: int, request_id: int) -> bytes:
        return _frame(id=request_id, do="login", key=credentials.key, at=now)

    def watch_orders(self, now: int, request_id: int) -> bytes:
        return _frame(id=request_id, do="watch")

    def place(self, order: Order, now: int, request_id: int) -> bytes:
        return _frame(id=request_id, do="place", order=order.id, at=now)

    def test_place(self, order: Order, now: int, request_id: int) -> bytes:
        return _frame(id=request_id, do="test", order=order.id)

    def cancel(self, command: CancelOrder, now: int, request_id: int) -> bytes:
        return _frame(id=request_id, do="cancel", order=command.order_id)

    def cancel_all(self, symbol: str, now: int, request_id: int) -> bytes:
        return _frame(id=request_id, do="cancel_all", symbol=symbol)

    def replace(self, command: ReplaceOrder, now: int, request_id: int) -> bytes:
        return _frame(id=request_id, do="replace", old=command.order_id, order=command.order.id)

    def amend(self, command: AmendOrder, now: int, request_id: int) -> bytes:
        return _frame(id=request_id, do="amend", order=command.order_id)

    def order_status(
        self, symbol: str, order_id: str, now: int, request_id: int, venue_id: str = ""
    ) -> bytes:
        return _frame(id=request_id, do="status", order=order_id)

    def fills_since(
        self, symbol: str, trade_id: str, since: int, now: int, request_id: int
    ) -> bytes:
        return _frame(id=request_id, do="fills", symbol=symbol, trade_id=trade_id)

    def order_fills(
        self, symbol: str, order_id: str, venue_id: str, now: int, request_id: int
    ) -> bytes:
        return _frame(id=request_id, do="fills", order=order_id, venue_id=venue_id)

    def open_orders(self, symbol: str, now: int, request_id: int) -> bytes:
        return _frame(id=request_id, do="open_orders", symbol=symbol)

    def account(self, now: int, request_id: int) -> bytes:
        return _frame(id=request_id, do="account")

    def server_time(self, now: int, request_id: int) -> bytes:
        return _frame(id=request_id, do="time")

    def ask_instruments(self, symbols: Sequence[str]) -> HttpRequest:
        return HttpRequest("instruments", "GET", "/instruments", query=",".join(symbols))

    def ask_snapshot(self, symbol: str, depth: int) -> HttpRequest:
        return HttpRequest("snapshot", "GET", "/depth", query=symbol, weight=50, symbol=symbol)

    def ask_trades(self, symbol: str, from_id: int, count: int) -> HttpRequest:
        query = f"{symbol},{from_id},{count}"
        return HttpRequest("trades", "GET", "/trades", query=query, weight=25, symbol=symbol)

    def ask_aggregates(self, symbol: str, from_id: int, count: int) -> HttpRequest:
        query = f"{symbol},{from_id},{count}"
        return HttpRequest(
            "aggregate_trades", "GET", "/aggregates", query=query, weight=4, symbol=symbol
        )

    def ask_time(self) -> HttpRequest:
        return HttpRequest("time", "GET", "/time")


def _frame(**said: object) -> bytes:
    return json.dumps(said).encode()


def _key(ask: Ask) -> tuple[str, str, str]:
    return ask.channel, ask.symbol, ask.option


def _levels(pairs: Sequence[Sequence[float]]) -> tuple[tuple[float, float], ...]:
    return tuple((price, size) for price, size in pairs)


def _event(said: dict[str, Any], now: int) -> Event:
    symbol = said.get("s", "")
    match said["e"]:
        case "quote":
            return Quote("toy", symbol, 0, now, said["bid"], 1.0, said["bid"] + 1, 1.0)
        case "trade":
            at = said.get("T", 0)
            return Trade("toy", symbol, at, now, said["p"], 1.0, Side.BUY, said.get("t", 0))
        case "delta":
            bids, asks = _levels(said["b"]), _levels(said["a"])
            return BookDelta("toy", symbol, 0, now, said["U"], said["u"], bids, asks)
        case "snapshot":
            return BookSnapshot(
                "toy", symbol, 0, now, said["id_"], _levels(said["b"]), _levels(said["a"])
            )
        case "update":
            return Update("toy", symbol, 0, now, said["order"], "v", UpdateKind(said["kind"]))
        case _:
            return VenueShutdown("toy", "", 0, now, "")


def _instrument(symbol: str) -> Instrument:
    base, _, quote = symbol.partition("-")
    from decimal import Decimal

    return Instrument(
        venue="toy",
        symbol=symbol,
        native=symbol,
        base=base,
        quote=quote,
        tick=Decimal("0.01"),
        lot=Decimal("0.001"),
    )


LIMITS = (
    Limit("messages", 3, 1.0, per="market connection"),
    Limit("streams", 4, 0.0),
    Limit("dials", 300, 300.0),
    Limit("weight", 600, 60.0),
    Limit("orders", 5, 10.0),
)

TOY = Venue(
    name="toy",
    endpoints=Endpoints(market="toy://market", orders="toy://orders", http="toy://http"),
    testnet=None,
    channels={
        "ticker": Channel("ticker", "{symbol}", event="Quote", busy=True),
        "trades": Channel("trades", "{symbol}", event="Trade"),
        "book": Channel("book", "{symbol}", event="BookDelta"),
    },
    continuity=ByRange(),
    limits=LIMITS,
    heartbeat=Heartbeat(20.0, 5.0, 5.0, 86400.0),
    can=Can(),
    codec=ToyCodec,
    close_codes={1008: "policy", 4000: "halt"},
    stream_path=lambda endpoints, _: endpoints.market,
    orders_path=lambda endpoints, _: endpoints.orders,
    snapshot_depth=10,
)


def order(order_id: str, symbol: str = "BTC-USDT") -> Order:
    """An order, made here because a test may."""
    from decimal import Decimal

    from pitwire.model.orders import OrderType

    return Order(
        id=order_id, symbol=symbol, side=Side.BUY, type=OrderType.MARKET, size=Decimal("1")
    )


class ToyConnection:
    """The server's end of one connection."""

    def __init__(self, server: ToyServer, url: str, link: MemoryLink) -> None:
        self.server, self.url, self.link = server, url, link
        self.said: list[dict[str, Any]] = []
        self.asks: list[tuple[str, str, str]] = []
        self.lost: errors.ConnectionLost | None = None

    def on_frame(self, frame: Buffer, drained: bool) -> None:
        said = json.loads(bytes(frame))
        self.said.append(said)
        self.server.log.append((self.url, said["do"]))
        if said["do"] == "subscribe":
            self.asks += [tuple(ask) for ask in said["asks"]]
        answer = self.server.answer(self, said)
        if answer is not None:
            self.tell(**{"id": said["id"], **answer})

    def tell(self, **said: object) -> None:
        self.link.send(_frame(**said))

    def on_drained(self) -> None: ...

    def on_ping(self, payload: bytes) -> None: ...

    def on_pong(self, payload: bytes) -> None: ...

    def on_lost(self, error: errors.ConnectionLost) -> None:
        self.lost = error


class ToyServer:
    """Answers yes to everything, unless `refuse` says otherwise for a verb."""

    def __init__(self) -> None:
        self.connections: list[ToyConnection] = []
        self.log: list[tuple[str, str]] = []
        self.refuse: dict[str, Callable[[dict[str, Any]], dict[str, Any] | None]] = {}
        self.down = False
        self.dials = 0
        self.books: dict[str, dict[str, Any]] = {}
        self.fetched: list[str] = []
        self.now: Callable[[], int] = lambda: 0

    def welcome(self, url: str, link: MemoryLink) -> ToyConnection:
        self.dials += 1
        if self.down:
            raise DialFailed(address=url, cause="connection refused")
        connection = ToyConnection(self, url, link)
        self.connections.append(connection)
        return connection

    def answer(self, connection: ToyConnection, said: dict[str, Any]) -> dict[str, Any] | None:
        if said["do"] in self.refuse:
            return self.refuse[said["do"]](said)
        if said["do"] == "time":
            return {"time": self.now()}
        if said["do"] == "place":
            told = {"e": "update", "s": "BTC-USDT", "order": said["order"], "kind": "accepted"}
            return {"events": [told]}
        return {}

    async def fetch(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> HttpAnswer:
        path, _, query = url.removeprefix("toy://http").partition("?")
        self.fetched.append(path)
        if path == "/time":
            return 200, {}, _frame(time=self.now())
        if path == "/instruments":
            return 200, {}, json.dumps(query.split(",")).encode()
        if query not in self.books:
            return 503, {}, b"<html>closed</html>"
        return 200, {}, _frame(e="snapshot", s=query, **self.books[query])

    @property
    def market(self) -> ToyConnection:
        return [c for c in self.connections if c.url == "toy://market"][-1]

    @property
    def orders(self) -> ToyConnection:
        return [c for c in self.connections if c.url == "toy://orders"][-1]


ROLES = Role
