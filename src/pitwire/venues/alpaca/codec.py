"""The translator of one connection to Alpaca's crypto.

House rules: decoding never raises, whatever the bytes; encoding raises `LocalError`s alone; time is
an argument.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NoReturn

import msgspec

from pitwire.model.credentials import Credentials
from pitwire.model.errors import (
    AuthenticationFailed,
    ConfigError,
    RequestRejected,
    StateError,
)
from pitwire.model.events import Event
from pitwire.model.instruments import Instrument
from pitwire.model.orders import AmendOrder, CancelOrder, Order, ReplaceOrder
from pitwire.venues.alpaca import account, rest
from pitwire.venues.alpaca import frames as wire
from pitwire.venues.alpaca.decode import MarketDecoder
from pitwire.venues.alpaca.encode import order_body
from pitwire.venues.alpaca.reading import VENUE, malformed, unhandled
from pitwire.venues.alpaca.rest import Answers, Requests, key_headers
from pitwire.venues.alpaca.streams import Streams
from pitwire.venues.alpaca.symbols import Symbols
from pitwire.venues.reading import UNREADABLE, refuse_doubled_keys
from pitwire.venues.venue import Ask, Buffer, CodecOptions, Decoded, HttpRequest, Reply, Role

_UPDATES = "trade_updates"

_orders_message = msgspec.json.Decoder(wire.OrdersMessage).decode
_authorization = msgspec.json.Decoder(wire.AuthorizationMessage).decode
_listening = msgspec.json.Decoder(wire.ListeningMessage).decode
_trade_update = msgspec.json.Decoder(wire.TradeUpdateMessage).decode


class AlpacaCodec:
    """Frames and answers in, events and replies out; asks in, bytes out; commands in, requests out.

    Orders go over REST and what becomes of them comes over the order stream. A cancel wants the
    venue's id of the order: where it is not known, the order is looked up first under the same
    request. A book's ids are counted here (`Venue.streamed_books`).
    """

    def __init__(self, options: CodecOptions) -> None:
        self.options = options
        self._symbols = Symbols()
        self._streams = Streams(self._symbols)
        self._market = MarketDecoder(self._symbols, self._streams.control)
        self._requests = Requests(self._symbols)
        self._answers = Answers(self._symbols, self._requests)
        self._login = self._watch = 0

    # ── in ──

    def decode(self, frame: Buffer, now: int) -> Sequence[Decoded]:
        """A frame → events and replies, in order. Never raises.

        Paper trading sends its JSON in binary frames (§4.1); what it is goes by its first byte.
        """
        data = frame if frame.__class__ is bytes else bytes(frame)
        try:
            if self.options.role is Role.MARKET:
                return self._market.decode(data, now)
            return self._of_orders(data, now)
        except UNREADABLE as error:
            if self.options.role is Role.MARKET or data[:1] == b"[":
                return self._market.decode_unusual(data, now)
            return (malformed(data, now, error, "orders"),)

    def decode_response(
        self,
        request: HttpRequest,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        now: int,
    ) -> Sequence[Decoded]:
        """A REST answer → events and its `Reply`, last, or a `Further` request. Never raises."""
        return self._answers.decode(request, status, headers, body, now)

    def decode_instruments(self, body: bytes) -> Sequence[Instrument]:
        """The body of the `instruments` request; raises `MalformedFrame` when it is not one."""
        return rest.decode_instruments(body)

    def _of_orders(self, frame: bytes, now: int) -> Sequence[Decoded]:
        stream = _orders_message(frame).stream
        refuse_doubled_keys(frame)
        match stream:
            case "trade_updates":
                data = _trade_update(frame).data
                if not data.order.symbol:  # of several legs, which are options
                    return (unhandled(frame, now, stream),)
                told = account.events(data, self._symbols, now)
                self._answers.ids.learn(data.order)
                return told
            case "authorization":
                return self._authorized(_authorization(frame).data)
            case "listening":
                return self._listens(_listening(frame).data)
            case _:
                return (unhandled(frame, now, stream),)

    def _authorized(self, data: wire.Authorization) -> Sequence[Decoded]:
        if data.action == "listen" and data.status != "authorized":
            watch, self._watch = self._watch or -1, 0
            return (Reply(watch, _denied(data)),)
        login, self._login = self._login or -1, 0
        return (Reply(login, None if data.status == "authorized" else _denied(data)),)

    def _listens(self, data: wire.Listening) -> Sequence[Decoded]:
        watch, self._watch = self._watch, 0
        if not watch:
            return ()
        if _UPDATES in data.streams:
            return (Reply(watch),)
        text = f"listens to {', '.join(data.streams) or 'nothing'}"
        return (Reply(watch, RequestRejected(venue=VENUE, text=text, request="orders")),)

    # ── streams ──

    def learn(self, instruments: Sequence[Instrument]) -> None:
        """Add symbol spellings (both ways) to what the codec knows."""
        for instrument in instruments:
            self._symbols.learn(instrument.symbol, instrument.native)

    def check(self, ask: Ask) -> None:
        """Raise `ConfigError` naming field, value and what was expected if it cannot be asked."""
        self._streams.check(ask)

    def subscribe(self, asks: Sequence[Ask], request_id: int) -> bytes:
        """One `subscribe` for all of them (§2.3)."""
        return self._streams.subscribe(asks, request_id)

    def unsubscribe(self, asks: Sequence[Ask], request_id: int) -> bytes:
        """One `unsubscribe` for all of them."""
        return self._streams.unsubscribe(asks, request_id)

    def ask_of(self, event: Event) -> Ask | None:
        """Which ask a decoded market event answers, as it was given; None where it cannot tell."""
        return self._streams.ask_of(event)

    # ── login and the private stream ──

    def login(self, credentials: Credentials, now: int, request_id: int) -> bytes:
        """`auth` on a market connection (§2.2), `authenticate` on that of orders (§4.2)."""
        self._requests.headers = key_headers(credentials)
        key, secret = credentials.key, credentials.secret.reveal()
        if self.options.role is Role.MARKET:
            return self._streams.login(key, secret, request_id)
        self._login, self._watch = request_id, 0
        return msgspec.json.encode(
            {"action": "authenticate", "data": {"key_id": key, "secret_key": secret}}
        )

    def watch_orders(self, now: int, request_id: int) -> bytes:
        """`listen`, which names all that is listened to (§4.2)."""
        self._watch = request_id
        return msgspec.json.encode({"action": "listen", "data": {"streams": [_UPDATES]}})

    # ── commands ──

    def place(self, order: Order, now: int, request_id: int) -> HttpRequest:
        """`POST /v2/orders` under our id."""
        self._demand_key("place")
        body = order_body(order, self._symbols)
        return self._requests.place(body, order.symbol, request_id)

    def rehearse(self, order: Order, now: int) -> HttpRequest:
        """The same for an order that never leaves; nothing is remembered of either."""
        return self.place(order, now, 0)

    def test_place(self, order: Order, now: int, request_id: int) -> NoReturn:
        """The venue checks no orders."""
        raise _missing("test_place", "an order that is placed")

    def cancel(self, command: CancelOrder, now: int, request_id: int) -> HttpRequest:
        """`DELETE` by the venue's id, or the question after it first."""
        self._demand_key("cancel")
        symbol = command.symbol
        venue_id = command.venue_id or self._answers.ids.theirs(command.order_id)
        if venue_id:
            return self._requests.cancel(venue_id, symbol, request_id)
        return self._requests.by_client_id("cancel_lookup", command.order_id, symbol, request_id)

    def cancel_all(self, symbol: str, now: int, request_id: int) -> NoReturn:
        """The venue cancels all of every symbol or none at once (§5.3)."""
        raise _missing("cancel_all", "cancels of single orders")

    def replace(self, command: ReplaceOrder, now: int, request_id: int) -> NoReturn:
        """A replacement there is a wish, and the old order may trade on meanwhile (§5.6)."""
        raise _missing("replace", "a cancel and an order")

    def amend(self, command: AmendOrder, now: int, request_id: int) -> NoReturn:
        """The size of an order with fractions cannot change (§5.6)."""
        raise _missing("amend", "a cancel and an order")

    # ── questions ──

    def order_status(
        self, symbol: str, order_id: str, now: int, request_id: int, venue_id: str = ""
    ) -> HttpRequest:
        """One order, by the venue's id where that is given, else by ours (§5.3)."""
        self._demand_key("order_status")
        if venue_id:
            return self._requests.by_venue_id(venue_id, symbol, request_id)
        return self._requests.by_client_id("status", order_id, symbol, request_id)

    def order_fills(
        self, symbol: str, order_id: str, venue_id: str, now: int, request_id: int
    ) -> HttpRequest:
        """What one order traded: the account's fills of its id."""
        self._demand_key("order_fills")
        venue_id = venue_id or self._answers.ids.theirs(order_id)
        if not venue_id:
            return self._requests.by_client_id("fills_lookup", order_id, symbol, request_id)
        self._answers.want_fills(request_id, venue_id)
        return self._requests.fills("order_fills", symbol, request_id, venue_id=venue_id)

    def fills_since(
        self, symbol: str, trade_id: str, since: int, now: int, request_id: int
    ) -> HttpRequest:
        """What the account traded after a time; its trades have no numbers to begin from."""
        self._demand_key("fills_since")
        return self._requests.fills("fills", symbol, request_id, after=since)

    def open_orders(self, symbol: str, now: int, request_id: int) -> HttpRequest:
        """What is open in a symbol, or in all."""
        self._demand_key("open_orders")
        return self._requests.open_orders(symbol, request_id)

    def account(self, now: int, request_id: int) -> HttpRequest:
        """The money, and then what is held beside it."""
        self._demand_key("account")
        return self._requests.account(request_id)

    def server_time(self, now: int, request_id: int) -> HttpRequest:
        """The venue's clock."""
        return self._requests.clock(request_id)

    # ── REST ──

    def ask_instruments(self, symbols: Sequence[str]) -> HttpRequest:
        """The rules of one symbol, or of all."""
        return self._requests.instruments(symbols)

    def ask_snapshot(self, symbol: str, depth: int) -> NoReturn:
        """Books begin on their stream."""
        raise _missing("snapshot", "the book that the stream begins with")

    def ask_trades(self, symbol: str, from_id: int, count: int) -> NoReturn:
        """Trades are not told by their ids."""
        raise _missing("trades by id", "the trades that the stream brings")

    def ask_aggregates(self, symbol: str, from_id: int, count: int) -> NoReturn:
        """There are none."""
        raise _missing("aggregate trades", "trades")

    def ask_time(self) -> HttpRequest:
        """The venue's clock, as whoever logged in here."""
        return self._requests.clock()

    def _demand_key(self, verb: str) -> None:
        if not self._requests.headers:
            raise StateError(
                verb=verb, state="without credentials", expected="a login on this connection first"
            )


def _denied(data: wire.Authorization) -> AuthenticationFailed:
    text = data.message or data.status
    return AuthenticationFailed(venue=VENUE, code=401, text=text, hint="key")


def _missing(what: str, expected: str) -> ConfigError:
    return ConfigError(where=what, found=VENUE, expected=expected)
