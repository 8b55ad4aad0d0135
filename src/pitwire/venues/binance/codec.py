"""The translator of one connection to Binance spot.

House rules: decoding never raises, whatever the bytes; encoding raises `LocalError`s alone; time
is an argument.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from pitwire.model.clock import MILLISECOND
from pitwire.model.credentials import Credentials
from pitwire.model.events import Event
from pitwire.model.instruments import Instrument
from pitwire.model.orders import AmendOrder, CancelOrder, Order, ReplaceOrder
from pitwire.venues.binance import rest
from pitwire.venues.binance.answers import USER_KINDS, AnswerDecoder
from pitwire.venues.binance.decode import COMPILED, MarketDecoder, malformed
from pitwire.venues.binance.encode import COMPILED as WRITING
from pitwire.venues.binance.encode import Encoder
from pitwire.venues.binance.glance import HEAD_BYTES, Glance, head_of
from pitwire.venues.binance.streams import CHANNELS, Streams
from pitwire.venues.binance.symbols import Symbols
from pitwire.venues.mbx.history import MOST_TRADES
from pitwire.venues.mbx.requests import client_id, control, decimal, order_reference, plain
from pitwire.venues.reading import UNREADABLE
from pitwire.venues.venue import Ask, Buffer, Channel, CodecOptions, Decoded, HttpRequest, Role

_ANSWERS = (b'{"id":', b'{"result":', b'{"error":', b'{"code":')
_USER = (b'{"subscriptionId":', b'{"event":', b'{"e":"executionReport"', b'{"e":"outbound')
_RECITED = (
    b'{"stream":"%b@trade","data":{"e":"trade","E":1700000000000,"s":"%b","t":1,"p":"1.00000000",'
    b'"q":"1.00000000","T":1700000000000,"m":true,"M":true}}'
)
_ANSWER_KEYS = frozenset({"id", "result", "error", "code"})


class BinanceCodec:
    """Frames in, events and replies out; asks and commands in, bytes out.

    Times are read in ms or µs by their magnitude (binance §5.5), so a connection may speak either.
    A refusal of a command is `OrderRejected` with the order's id in `order_id`; a question about
    one order that the venue does not know is `OrderRejected` with reason `unknown_order` and has
    no events. A replacement's answer: see `AnswerDecoder`. A watched number is never NaN, except
    the fields of a `Ticker` for which the venue writes 0 or nothing; a quote with an empty side
    has a price of 0 and is `Malformed`, because no number would be right there.
    """

    def __init__(self, options: CodecOptions, channels: Mapping[str, Channel] = CHANNELS) -> None:
        self.options = options
        self._symbols = Symbols()
        self._streams = Streams(self._symbols, channels)
        self._market = MarketDecoder(self._symbols, self._streams.partial)
        self._encoder = Encoder(self._symbols, WRITING)
        self._answers = AnswerDecoder(self._symbols, self._encoder.requests)
        self.glance, self.head, self.head_bytes = Glance(self._symbols).at, head_of, HEAD_BYTES
        """What the head of a depth diff says, without its levels; None of other frames."""
        private = options.role is Role.ORDERS
        self._read = self._decode_other if private else self._market.decode
        self._quick = None if private else COMPILED

    # ── in ──

    def decode(self, frame: Buffer, now: int) -> Sequence[Decoded]:
        """A frame → events and replies, in order. Never raises."""
        data = frame if frame.__class__ is bytes else bytes(frame)
        try:
            if self._quick is not None:  # says nothing of what it does not know
                return self._quick(data, now, self._symbols) or self._read(data, now)
            return self._read(data, now)
        except UNREADABLE:
            return self._decode_other(data, now)

    def _decode_other(self, frame: bytes, now: int) -> Sequence[Decoded]:
        """Answers, user data, and market frames that are not as the venue usually writes them."""
        try:
            if frame.startswith(_ANSWERS):
                return self._answers.decode(frame, now)
            if frame.startswith(_USER):
                return self._answers.decode_user(frame, now)
            keys = _keys(frame)
            if "event" in keys or USER_KINDS & keys:
                return self._answers.decode_user(frame, now, bare="event" not in keys)
            if "e" not in keys and keys & _ANSWER_KEYS:
                return self._answers.decode(frame, now)
        except UNREADABLE as error:
            return (malformed(frame, now, error, channel=self.options.role.value),)
        return self._market.decode_unusual(frame, now)

    def decode_response(
        self,
        request: HttpRequest,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        now: int,
    ) -> Sequence[Decoded]:
        """A REST answer → events and exactly one `Reply` with id 0, last. Never raises."""
        return rest.decode_response(request, status, headers, body, now)

    def decode_instruments(self, body: bytes) -> Sequence[Instrument]:
        """The body of the `instruments` request; raises `MalformedFrame` when it is not one."""
        return rest.decode_instruments(body)

    def recite(self, now: int) -> None:
        """Read a trade that never was, of a symbol that is known; nothing is remembered of it."""
        for native in self._symbols:
            frame = _RECITED % (native.lower().encode(), native.encode())
            self.decode(frame, now)
            return

    # ── streams ──

    def learn(self, instruments: Sequence[Instrument]) -> None:
        """Add symbol spellings (both ways) to what the codec knows."""
        for instrument in instruments:
            self._symbols.learn(instrument.symbol, instrument.native)

    def check(self, ask: Ask) -> None:
        """Raise `ConfigError` naming field, value and what was expected if it cannot be asked."""
        self._streams.check(ask)

    def subscribe(self, asks: Sequence[Ask], request_id: int) -> bytes:
        """One SUBSCRIBE for all of them (§2: pack many, there are few messages a second)."""
        return control("SUBSCRIBE", self._streams.note(asks), request_id)

    def unsubscribe(self, asks: Sequence[Ask], request_id: int) -> bytes:
        """One UNSUBSCRIBE for all of them."""
        return control("UNSUBSCRIBE", self._streams.drop(asks), request_id)

    def ask_of(self, event: Event) -> Ask | None:
        """Which ask a decoded market event answers, as it was given; None where it cannot tell."""
        return self._streams.ask_of(event)

    # ── login and the private stream ──

    def login(self, credentials: Credentials, now: int, request_id: int) -> bytes:
        """`session.logon` for Ed25519; for HMAC and RSA a signed `account.status`."""
        return self._encoder.login(credentials, now, request_id)

    def watch_orders(self, now: int, request_id: int) -> bytes:
        """The private stream of the account that is logged in."""
        return self._encoder.watch_orders(now, request_id)

    # ── commands ──

    def place(self, order: Order, now: int, request_id: int) -> bytes:
        """`order.place`, answered in full."""
        frame = self._encoder.order(order, "order.place", f"p{request_id}", now)
        self._answers.note(request_id, (order.symbol, order.id, ""))
        return frame

    def rehearse(self, order: Order, now: int) -> bytes:
        """`order.place` for an order that never leaves; its answer is not waited for."""
        if not self._answers.has_room:
            return self._encoder.order(order, "order.place", "p0", now)
        frame = self.place(order, now, 0)
        self._answers.forget(0)
        return frame

    def test_place(self, order: Order, now: int, request_id: int) -> bytes:
        """`order.test`: signature, parameters and filters are checked, nothing is placed."""
        frame = self._encoder.order(order, "order.test", f"t{request_id}", now)
        self._note(request_id, order.symbol, order.id)
        return frame

    def cancel(self, command: CancelOrder, now: int, request_id: int) -> bytes:
        """`order.cancel`, by the venue's id where it is known."""
        which = order_reference(command.order_id, command.venue_id)
        params = {**which, "symbol": self._symbols.native(command.symbol)}
        frame = self._ask("order.cancel", params, f"c{request_id}", now)
        self._note(request_id, command.symbol, command.order_id)
        return frame

    def cancel_all(self, symbol: str, now: int, request_id: int) -> bytes:
        """`openOrders.cancelAll` of one symbol."""
        params = {"symbol": self._symbols.native(symbol)}
        frame = self._ask("openOrders.cancelAll", params, f"x{request_id}", now)
        self._note(request_id, symbol)
        return frame

    def replace(self, command: ReplaceOrder, now: int, request_id: int) -> bytes:
        """`order.cancelReplace`: the new order is placed only if the old one was cancelled.

        And that only if nothing of it has traded, where the command says so (§5.11).
        """
        extra = {"cancelReplaceMode": "STOP_ON_FAILURE"}
        if command.untouched:
            extra["cancelRestrictions"] = "ONLY_NEW"
        which = order_reference(
            command.order_id,
            command.venue_id,
            client="cancelOrigClientOrderId",
            venue="cancelOrderId",
        )
        frame = self._encoder.order(
            command.order,
            "order.cancelReplace",
            f"r{request_id}",
            now,
            extra={**which, **extra},
        )
        self._note(request_id, command.order.symbol, command.order_id, command.order.id)
        return frame

    def amend(self, command: AmendOrder, now: int, request_id: int) -> bytes:
        """`order.amend.keepPriority`; the order keeps its client id."""
        params = {
            **order_reference(command.order_id, command.venue_id),
            "newClientOrderId": client_id(command.order_id, "order_id"),
            "newQty": decimal(command.size, "size"),
            "symbol": self._symbols.native(command.symbol),
        }
        frame = self._ask("order.amend.keepPriority", params, f"a{request_id}", now)
        self._note(request_id, command.symbol, command.order_id)
        return frame

    # ── questions ──

    def order_status(
        self, symbol: str, order_id: str, now: int, request_id: int, venue_id: str = ""
    ) -> bytes:
        """`order.status` by the id the order was placed with, or by the venue's own."""
        params = {**order_reference(order_id, venue_id), "symbol": self._symbols.native(symbol)}
        frame = self._ask("order.status", params, f"q{request_id}", now)
        self._note(request_id, symbol, order_id)
        return frame

    def order_fills(
        self, symbol: str, order_id: str, venue_id: str, now: int, request_id: int
    ) -> bytes:
        """`myTrades` of one order, which the venue finds by its own id alone (§5.7)."""
        params: dict[str, str | int] = {
            **order_reference(order_id, venue_id),
            "limit": MOST_TRADES,
            "symbol": self._symbols.native(symbol),
        }
        frame = self._ask("myTrades", params, f"f{request_id}", now)
        self._note(request_id, symbol, order_id)
        return frame

    def fills_since(
        self, symbol: str, trade_id: str, since: int, now: int, request_id: int
    ) -> bytes:
        """`myTrades` from a trade on, which comes again, or after a time (§5.13)."""
        begin = {"fromId": int(trade_id)} if trade_id else {"startTime": since // MILLISECOND + 1}
        params: dict[str, str | int] = {
            **begin,
            "limit": MOST_TRADES,
            "symbol": self._symbols.native(symbol),
        }
        frame = self._ask("myTrades", params, f"f{request_id}", now)
        self._note(request_id, symbol, "")
        return frame

    def open_orders(self, symbol: str, now: int, request_id: int) -> bytes:
        """`openOrders.status`; `symbol` "" asks for all symbols, at 80 weight instead of 6."""
        params = {"symbol": self._symbols.native(symbol)} if symbol else {}
        frame = self._ask("openOrders.status", params, f"o{request_id}", now)
        self._note(request_id, symbol)
        return frame

    def account(self, now: int, request_id: int) -> bytes:
        """`account.status` with the zero balances, so that what went to zero is told."""
        return self._ask("account.status", {}, f"b{request_id}", now)

    def server_time(self, now: int, request_id: int) -> bytes:
        """`time`; needs no login."""
        return plain("time", {}, f"h{request_id}")

    # ── REST ──

    def ask_instruments(self, symbols: Sequence[str]) -> HttpRequest:
        """`exchangeInfo` of these symbols; of all when none is named."""
        return rest.ask_instruments(self._symbols, symbols)

    def ask_snapshot(self, symbol: str, depth: int) -> HttpRequest:
        """The book to `depth` levels a side (1 to 5000)."""
        return rest.ask_snapshot(self._symbols, symbol, depth)

    def ask_trades(self, symbol: str, from_id: int, count: int) -> HttpRequest:
        """Public trades by id, at most a thousand."""
        return rest.ask_trades(self._symbols, symbol, from_id, count)

    def ask_aggregates(self, symbol: str, from_id: int, count: int) -> HttpRequest:
        """Aggregate trades by their own ids, at most a thousand."""
        return rest.ask_aggregates(self._symbols, symbol, from_id, count)

    def ask_aggregates_since(self, symbol: str, since: int, count: int) -> HttpRequest:
        """The first aggregate trades from a time on, at most a thousand."""
        return rest.ask_aggregates_since(self._symbols, symbol, since, count)

    def ask_time(self) -> HttpRequest:
        """The venue's clock."""
        return rest.ask_time()

    # ── pieces ──

    def _ask(self, method: str, params: Mapping[str, str | int], json_id: str, now: int) -> bytes:
        return self._encoder.requests.ask(method, params, json_id, now)

    def _note(self, request_id: int, symbol: str, order_id: str = "", new_id: str = "") -> None:
        self._answers.note(request_id, (symbol, order_id, new_id))


def _keys(frame: bytes) -> frozenset[str]:
    """Keys of the object a frame is, with the event type of a bare event among them."""
    found = msgspec.json.decode(frame)
    if not isinstance(found, dict):
        return frozenset()
    kind = found.get("e")
    return frozenset(found) | ({kind} if isinstance(kind, str) else frozenset())
