"""The translator of one connection to Binance's futures (binance §11).

House rules: decoding never raises, whatever the bytes; encoding raises `LocalError`s alone; time
is an argument.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.model.credentials import Credentials
from pitwire.model.errors import ConfigError, MalformedFrame, StateError
from pitwire.model.events import Event
from pitwire.model.instruments import Instrument
from pitwire.model.orders import CONDITIONAL, AmendOrder, CancelOrder, Order, ReplaceOrder
from pitwire.venues.binance_futures import conditional, encode, rest
from pitwire.venues.binance_futures import frames as wire
from pitwire.venues.binance_futures.account import AccountReader, Lites
from pitwire.venues.binance_futures.answers import AnswerDecoder, Request
from pitwire.venues.binance_futures.decode import MarketDecoder
from pitwire.venues.binance_futures.house import House
from pitwire.venues.binance_futures.streams import Streams
from pitwire.venues.binance_futures.symbols import Symbols, instrument
from pitwire.venues.mbx.history import MOST_TRADES
from pitwire.venues.mbx.reading import malformed
from pitwire.venues.mbx.requests import Params, Requests, Value, control, order_reference, plain
from pitwire.venues.reading import UNREADABLE
from pitwire.venues.venue import Ask, Buffer, CodecOptions, Decoded, HttpRequest, Outgoing, Role

_ANSWER_KEYS = frozenset({"id", "result", "error", "code"})
_MOST_LEVERAGE = 125

_info = msgspec.json.Decoder(wire.ExchangeInfo).decode


class FuturesCodec:
    """Frames in, events and replies out; asks and commands in, bytes or REST requests out.

    Over the socket go orders, modifications, cancels and questions about one order and the account;
    over REST what has no socket method: all open orders, all cancels, fills, leverage, countdown,
    a test, and every question about conditional orders, which the venue keeps apart.
    A position is told in one-way mode alone.
    """

    def __init__(self, house: House, options: CodecOptions) -> None:
        if options.time_unit != "ms":
            raise ConfigError(
                where="time_unit", found=options.time_unit, expected=f"ms, on {house.name}"
            )
        self._house, self._role = house, options.role
        self._symbols = Symbols(house)
        self._streams = Streams(self._symbols)
        self._market = MarketDecoder(house, self._symbols)
        self._requests = Requests()
        reader = AccountReader(house, self._symbols, Lites())
        self._answers = AnswerDecoder(house, reader, self._requests)

    # ── in ──

    def decode(self, frame: Buffer, now: int) -> Sequence[Decoded]:
        """A frame → events and replies, in order. Never raises."""
        data = frame if type(frame) is bytes else bytes(frame)
        if self._role is Role.MARKET:
            try:
                return self._market.decode(data, now)
            except UNREADABLE:
                pass
        try:
            found = msgspec.json.decode(data)
            if isinstance(found, dict) and "e" not in found and found.keys() & _ANSWER_KEYS:
                return self._answers.decode(data, now)
            if self._role is Role.PRIVATE:
                return self._answers.decode_user(data, now)
        except UNREADABLE as error:
            return (malformed(self._house.name, data, now, error, channel=self._role.value),)
        return self._market.decode_unusual(data, now)

    def decode_response(
        self,
        request: HttpRequest,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        now: int,
    ) -> Sequence[Decoded]:
        """A REST answer → events and exactly one `Reply` with the request's id, last."""
        return self._answers.decode_response(request, status, headers, body, now)

    def decode_instruments(self, body: bytes) -> Sequence[Instrument]:
        """The body of the `instruments` request; raises `MalformedFrame` when it is not one."""
        venue = self._house.name
        try:
            return [instrument(row, self._house) for row in _info(body).symbols]
        except UNREADABLE as error:
            broken = malformed(venue, body, 0, error, channel="instruments")
            raise MalformedFrame(
                venue=venue,
                text="not an exchangeInfo answer",
                channel="instruments",
                path=broken.path,
                excerpt=broken.excerpt,
            ) from None

    # ── streams ──

    def learn(self, instruments: Sequence[Instrument]) -> None:
        """Add symbol spellings (both ways) to what the codec knows."""
        for one in instruments:
            self._symbols.learn(one.symbol, one.native)

    def check(self, ask: Ask) -> None:
        """Raise `ConfigError` naming field, value and what was expected if it cannot be asked."""
        self._streams.check(ask)

    def subscribe(self, asks: Sequence[Ask], request_id: int) -> bytes:
        """One SUBSCRIBE for all of them."""
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
        return self._requests.login(credentials, now, request_id, proof="account.status")

    def watch_orders(self, now: int, request_id: int) -> bytes:
        """`userDataStream.start`: the key of the private stream, and an hour more for it."""
        self._requests.signer("watch_orders")
        return plain("userDataStream.start", {"apiKey": self._requests.key}, f"w{request_id}")

    # ── commands ──

    def place(self, order: Order, now: int, request_id: int) -> bytes:
        """`order.place`, or `algoOrder.place` for a conditional order."""
        method, letter, params = self._placing(order)
        return self._ask(method, params, f"{letter}{request_id}", now, order.symbol, order.id)

    def rehearse(self, order: Order, now: int) -> bytes:
        """The same for an order that never leaves; its answer is not waited for."""
        method, letter, params = self._placing(order)
        return self._requests.ask(method, params, f"{letter}0", now)

    def _placing(self, order: Order) -> tuple[str, str, Params]:
        if order.type in CONDITIONAL:
            return "algoOrder.place", "s", conditional.order_params(order, self._symbols)
        return "order.place", "p", encode.order_params(order, self._symbols)

    def test_place(self, order: Order, now: int, request_id: int) -> HttpRequest:
        """`POST order/test`; of conditional orders the venue checks none."""
        params = encode.order_params(order, self._symbols)
        return self._rest(
            "test", "POST", "order/test", params, now, request_id, order.symbol, order.id
        )

    def cancel(self, command: CancelOrder, now: int, request_id: int) -> bytes:
        """`order.cancel`, by the venue's id where it is known; `algoOrder.cancel` of what waits."""
        if command.type in CONDITIONAL and not command.venue_id:
            method, letter = "algoOrder.cancel", "u"
            params = conditional.reference(command.order_id)
        else:
            method, letter = "order.cancel", "c"
            params = encode.cancel_params(command, self._symbols)
        json_id = f"{letter}{request_id}"
        return self._ask(method, params, json_id, now, command.symbol, command.order_id)

    def cancel_all(self, symbol: str, now: int, request_id: int) -> HttpRequest:
        """`DELETE allOpenOrders` of one symbol."""
        params = {"symbol": self._symbols.native(symbol)}
        return self._rest("cancel_all", "DELETE", "allOpenOrders", params, now, request_id, symbol)

    def cancel_all_conditional(self, symbol: str, now: int, request_id: int) -> HttpRequest:
        """`DELETE algoOpenOrders` of one symbol."""
        params = {"symbol": self._symbols.native(symbol)}
        return self._rest("cancel_all", "DELETE", "algoOpenOrders", params, now, request_id, symbol)

    def replace(self, command: ReplaceOrder, now: int, request_id: int) -> Outgoing:
        """Not offered: a cancel and an order are two requests here."""
        raise StateError(
            verb="replace",
            state=f"with {self._house.name}",
            expected="a cancel, then an order; or an amendment, which changes the size",
        )

    def amend(self, command: AmendOrder, now: int, request_id: int) -> bytes:
        """`order.modify`; the order goes to the end of the queue."""
        params = encode.amend_params(command, self._symbols)
        json_id = f"a{request_id}"
        return self._ask("order.modify", params, json_id, now, command.symbol, command.order_id)

    def set_leverage(self, symbol: str, leverage: int, now: int, request_id: int) -> HttpRequest:
        """`POST leverage`, 1 to 125."""
        if type(leverage) is not int or not 1 <= leverage <= _MOST_LEVERAGE:
            raise ConfigError(where="leverage", found=leverage, expected=f"1 to {_MOST_LEVERAGE}")
        params: Params = {"symbol": self._symbols.native(symbol), "leverage": leverage}
        return self._rest("leverage", "POST", "leverage", params, now, request_id, symbol)

    def arm_countdown(self, symbol: str, seconds: float, now: int, request_id: int) -> HttpRequest:
        """`POST countdownCancelAll`; 0 stops it (§11.5)."""
        if not 0 <= seconds <= 86_400:
            raise ConfigError(where="seconds", found=seconds, expected="0 to 86400")
        params: Params = {
            "symbol": self._symbols.native(symbol),
            "countdownTime": round(seconds * (SECOND // MILLISECOND)),
        }
        route = "countdownCancelAll"
        return self._rest("countdown", "POST", route, params, now, request_id, symbol, weight=10)

    # ── questions ──

    def order_status(
        self, symbol: str, order_id: str, now: int, request_id: int, venue_id: str = ""
    ) -> bytes:
        """`order.status` by the id the order was placed with, or by the venue's own."""
        params = {**order_reference(order_id, venue_id), "symbol": self._symbols.native(symbol)}
        return self._ask("order.status", params, f"q{request_id}", now, symbol, order_id)

    def conditional_status(
        self, symbol: str, order_id: str, now: int, request_id: int
    ) -> HttpRequest:
        """`GET algoOrder`: whether one waits, or which order on the book it became."""
        params, purpose = conditional.reference(order_id), "conditional_status"
        return self._rest(purpose, "GET", "algoOrder", params, now, request_id, symbol, order_id)

    def order_fills(
        self, symbol: str, order_id: str, venue_id: str, now: int, request_id: int
    ) -> HttpRequest:
        """`userTrades` of one order, which the venue finds by its own id alone."""
        params = {"limit": MOST_TRADES, **order_reference(order_id, venue_id)}
        return self._trades(params, symbol, now, request_id, order_id)

    def fills_since(
        self, symbol: str, trade_id: str, since: int, now: int, request_id: int
    ) -> HttpRequest:
        """`userTrades` from a trade on, which comes again, or after a time."""
        begin = {"fromId": int(trade_id)} if trade_id else {"startTime": since // MILLISECOND + 1}
        return self._trades({**begin, "limit": MOST_TRADES}, symbol, now, request_id, "")

    def open_orders(self, symbol: str, now: int, request_id: int) -> HttpRequest:
        """`openOrders`; `symbol` "" asks for all symbols, at 40 weight instead of 1."""
        params: Params = {"symbol": self._symbols.native(symbol)} if symbol else {}
        weight = 1 if symbol else 40
        return self._rest(
            "open_orders", "GET", "openOrders", params, now, request_id, symbol, weight=weight
        )

    def open_conditional(self, symbol: str, now: int, request_id: int) -> HttpRequest:
        """`openAlgoOrders`; `symbol` "" asks for all symbols, at 40 weight instead of 1."""
        params: Params = {"symbol": self._symbols.native(symbol)} if symbol else {}
        purpose, weight = "open_conditional", 1 if symbol else 40
        return self._rest(
            purpose, "GET", "openAlgoOrders", params, now, request_id, symbol, weight=weight
        )

    def account(self, now: int, request_id: int) -> bytes:
        """`account.status`: what the wallet holds, and every position."""
        return self._ask("account.status", {}, f"b{request_id}", now, "", "")

    def server_time(self, now: int, request_id: int) -> Outgoing:
        """The venue's clock, over REST: the socket has no method for it."""
        return rest.ask_time(self._house, request_id)

    # ── REST ──

    def ask_instruments(self, symbols: Sequence[str]) -> HttpRequest:
        """`exchangeInfo`: always of all symbols."""
        return rest.ask_instruments(self._house)

    def ask_snapshot(self, symbol: str, depth: int) -> HttpRequest:
        """The book to at least `depth` levels a side (1 to 1000)."""
        return rest.ask_snapshot(self._house, self._symbols, symbol, depth)

    def ask_trades(self, symbol: str, from_id: int, count: int) -> HttpRequest:
        """Public trades by id, at most a thousand; the venue wants a key for it."""
        return rest.ask_trades(self._house, self._symbols, symbol, from_id, count, aggregate=False)

    def ask_aggregates(self, symbol: str, from_id: int, count: int) -> HttpRequest:
        """Aggregate trades by their own ids, at most a thousand."""
        return rest.ask_trades(self._house, self._symbols, symbol, from_id, count, aggregate=True)

    def ask_aggregates_since(self, symbol: str, since: int, count: int) -> HttpRequest:
        """The first aggregate trades from a time on, at most a thousand."""
        return rest.ask_aggregates_since(self._house, self._symbols, symbol, since, count)

    def ask_time(self) -> HttpRequest:
        """The venue's clock."""
        return rest.ask_time(self._house)

    # ── pieces ──

    def _ask(
        self, method: str, params: Params, json_id: str, now: int, symbol: str, order_id: str
    ) -> bytes:
        frame = self._requests.ask(method, params, json_id, now)
        self._answers.note(int(json_id[1:]), Request(symbol, order_id))
        return frame

    def _trades(
        self, params: Mapping[str, Value], symbol: str, now: int, request_id: int, order_id: str
    ) -> HttpRequest:
        query = {**params, "symbol": self._symbols.native(symbol)}
        return self._rest(
            "fills", "GET", "userTrades", query, now, request_id, symbol, order_id, weight=5
        )

    def _rest(
        self,
        purpose: str,
        method: str,
        route: str,
        params: Params,
        now: int,
        request_id: int,
        symbol: str,
        order_id: str = "",
        *,
        weight: int = 1,
    ) -> HttpRequest:
        request = rest.private(
            self._house,
            self._requests,
            purpose,
            method,
            route,
            params,
            now=now,
            request_id=request_id,
            weight=weight,
        )
        self._answers.note(request_id, Request(symbol, order_id))
        return msgspec.structs.replace(request, symbol=symbol)
