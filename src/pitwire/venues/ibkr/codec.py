"""The translator of one connection to the Client Portal gateway.

House rules: decoding never raises, whatever the bytes; encoding raises `LocalError`s alone; time is
an argument.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from pitwire.model.clock import SECOND
from pitwire.model.credentials import Credentials
from pitwire.model.errors import ConfigError, ConnectionLost, StateError
from pitwire.model.events import Event, Malformed
from pitwire.model.instruments import Instrument
from pitwire.model.orders import AmendOrder, CancelOrder, Order, ReplaceOrder
from pitwire.venues.codec import (
    Ask,
    Buffer,
    CodecOptions,
    Decoded,
    Doubted,
    Ended,
    Further,
    HttpRequest,
    Outgoing,
    Reply,
    Role,
)
from pitwire.venues.ibkr import encode
from pitwire.venues.ibkr import frames as wire
from pitwire.venues.ibkr.account import AccountReader
from pitwire.venues.ibkr.answers import About, AnswerDecoder
from pitwire.venues.ibkr.decode import MarketDecoder
from pitwire.venues.ibkr.login import Login
from pitwire.venues.ibkr.notices import CODES, Remedy, code_of
from pitwire.venues.ibkr.orders import Memory
from pitwire.venues.ibkr.questions import Policy
from pitwire.venues.ibkr.reading import NAME, UNREADABLE, instant, malformed, unhandled
from pitwire.venues.ibkr.settings import Settings
from pitwire.venues.ibkr.streams import IDLE, Streams
from pitwire.venues.ibkr.symbols import Symbols, check, read_instruments, ticker_of

_WAITING = "waiting for session"
_SILENT = frozenset(("system", "act", "blt", "ntf", "spl", "ssd", "sld", "smh"))
"""Topics that call for nothing, as far as no code of ours is in them."""
_ACCOUNT_ONLY = frozenset((1101, 1100, 2110))
"""Codes that are about orders, too; those of farms are about market data."""
_DAY = 86_400 * SECOND
_MOST_DAYS = 7

_frame = msgspec.json.Decoder(wire.Frame).decode
_each = msgspec.json.Decoder(list[msgspec.Raw]).decode
_row = msgspec.json.Decoder(wire.OrderRow).decode
_execution = msgspec.json.Decoder(wire.Execution).decode


class IbkrCodec:
    """Streams go over the socket as words; everything else is asked over REST.

    An order may be answered with a question, which is answered by a table of what somebody has
    agreed to by name, and refused otherwise. An order is known to the venue by our id (`cOID`)
    when it is placed and by its own number ever after: what is asked by ours alone is looked for in
    the list of orders.
    """

    def __init__(self, options: CodecOptions, settings: Settings | None = None) -> None:
        if options.time_unit != "ms":
            found = options.time_unit
            raise ConfigError(where="time_unit", found=found, expected=f"ms, on {NAME}")
        settings = settings or Settings()
        self._role = options.role
        self._symbols = Symbols()
        self._streams = Streams(self._symbols)
        self._market = MarketDecoder(self._symbols, self._streams, delayed=settings.delayed)
        self._memory = Memory()
        self._account = AccountReader(self._symbols, self._memory)
        self._login = Login(settings)
        self._answers = AnswerDecoder(self._account, self._login, Policy(settings.answers))
        self._time_asked: list[int] = []

    # ── in ──

    def decode(self, frame: Buffer, now: int) -> Sequence[Decoded]:
        """A frame → events and replies, in order. Never raises."""
        data = frame if type(frame) is bytes else bytes(frame)
        topic = ""
        try:
            if b'"topic":"smd+' in data:
                topic = "smd"
                return self._market.data(msgspec.json.decode(data, type=dict[str, object]), now)
            found = _frame(data)
            topic = found.topic.partition("+")[0]
            return self._by_topic(topic, found, data, now)
        except UNREADABLE as error:
            return (malformed(data, now, error, topic or self._role.value),)

    def _by_topic(self, topic: str, found: wire.Frame, data: bytes, now: int) -> Sequence[Decoded]:
        match topic:
            case "smd":
                return self._market.data(msgspec.json.decode(data, type=dict[str, object]), now)
            case "sbd":
                return self._market.depth(found.topic, bytes(found.data), now)
            case "sor":
                return self._orders(found.args, now)
            case "str":
                return self._executions(found.args, now)
            case "sts":
                return self._login.status(bytes(found.args), now)
            case "tic":
                return self._ticked(data)
        noticed = self._noticed(found)
        if noticed is not None:
            return noticed
        if found.message == _WAITING:
            return self._login.waits()
        if topic in _SILENT or (not topic and (found.message or found.result)):
            return ()
        return (unhandled(data, now, found.topic),)

    def _orders(self, args: msgspec.Raw, now: int) -> Sequence[Decoded]:
        """Each order by itself: one that cannot be read hides none of the others."""
        told: list[Decoded] = []
        broken: list[Decoded] = []
        for raw in _each(args):
            try:
                if (one := self._account.row(_row(raw), now)) is not None:
                    told.append(one)
            except UNREADABLE as error:
                broken.append(malformed(bytes(raw), now, error, "sor"))
        return [*told, *broken[:1]]  # it is one frame, whatever is in it

    def _executions(self, args: msgspec.Raw, now: int) -> Sequence[Decoded]:
        """The same of executions."""
        rows, broken = [], []
        for raw in _each(args):
            try:
                rows.append(_execution(raw))
            except UNREADABLE as error:
                broken.append(malformed(bytes(raw), now, error, "str"))
        told = self._account.fills(rows, now)
        broken += [one for one in told if isinstance(one, Malformed)]
        return [*(one for one in told if not isinstance(one, Malformed)), *broken[:1]]

    def _noticed(self, found: wire.Frame) -> Sequence[Decoded] | None:
        """What a notice with a code of the table calls for; None where there is none."""
        code = code_of(found.code)
        if not code and bytes(found.args)[:1] == b"{":
            args = msgspec.json.decode(found.args, type=dict[str, object])
            code = code_of(args.get("code", args.get("id")))
        remedy, text = CODES.get(code, (Remedy.TELL, ""))
        if not text:
            return None
        if self._role is not Role.MARKET:
            lost = code in _ACCOUNT_ONLY
            return (Ended(ConnectionLost(code=1012, reason=f"{text} ({code})")),) if lost else ()
        match remedy:
            case Remedy.DROP:
                return (Ended(ConnectionLost(code=1012, reason=f"{text} ({code})")),)
            case Remedy.DOUBT:
                return (Doubted(),)
            case Remedy.RENEW:
                return tuple(Further(0, one) for one in self._streams.renewals())
            case _:
                return ()

    def _ticked(self, data: bytes) -> Sequence[Decoded]:
        """Our `tic` was heard; several copies come (§8.2), of which the first answers."""
        found = msgspec.json.decode(data, type=dict[str, object])
        if not self._time_asked:
            return ()
        request_id = self._time_asked.pop(0)
        return (Reply(request_id, server_time=instant(found.get("lastAccessed"), "lastAccessed")),)

    def decode_response(
        self,
        request: HttpRequest,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        now: int,
    ) -> Sequence[Decoded]:
        """The facts of a REST answer, then its `Reply` or what is wanted before one."""
        told = self._answers.decode(request, status, body, now)
        self._streams.account = self._account.account = self._login.account
        return told

    def decode_instruments(self, body: bytes) -> Sequence[Instrument]:
        """A listing, which names contracts, or one contract's rules; raises `MalformedFrame`."""
        return read_instruments(body)

    # ── streams ──

    def learn(self, instruments: Sequence[Instrument]) -> None:
        """Add symbol spellings (both ways) to what the codec knows."""
        for one in instruments:
            self._symbols.learn(one.symbol, one.native)

    def check(self, ask: Ask) -> None:
        """Raise `ConfigError` naming field, value and what was expected if it cannot be asked."""
        self._streams.check(ask)

    def subscribe(self, asks: Sequence[Ask], request_id: int) -> bytes:
        """`smd` or `sbd` of one contract; the first word of it confirms that."""
        frame = self._streams.begin(asks)
        for ask in asks:
            self._market.asked(self._symbols.conid(ask.symbol), ask.channel, request_id)
        return frame

    def unsubscribe(self, asks: Sequence[Ask], request_id: int) -> bytes:
        """`umd` or `ubd`, or what is left of a subscription."""
        return self._streams.end(asks)

    def ask_of(self, event: Event) -> Ask | None:
        """Which ask a decoded market event answers."""
        return self._streams.ask_of(event)

    def chore(self, name: str, now: int) -> Sequence[Outgoing]:
        """Keep the session, the socket, and the subscriptions."""
        match name:
            case "tickle":
                return (encode.request("tickle", "POST", "/tickle", scope="tickle"),)
            case "tic":
                return (IDLE,)
            case _:
                return self._streams.renewals()

    # ── login and the private stream ──

    def login(self, credentials: Credentials, now: int, request_id: int) -> HttpRequest:
        """The steps of `Login`; a person has logged in at the gateway, so no key is sent."""
        self._answers.session_began()
        self._market.login()
        self._streams.wanted.clear()
        self._time_asked.clear()
        return self._login.begin(request_id)

    def watch_orders(self, now: int, request_id: int) -> HttpRequest:
        """The state of the session, then `sor` and `str`."""
        return encode.request("watch", "POST", "/iserver/auth/status", request_id)

    # ── commands ──

    def place(self, order: Order, now: int, request_id: int) -> HttpRequest:
        """One order, with our id as `cOID`; its questions are answered under the same number."""
        made = self._order(order, "place", request_id)
        self._memory.placed(order)
        self._answers.note(request_id, About(order.symbol, order.id))
        return made

    def rehearse(self, order: Order, now: int) -> HttpRequest:
        """The same of one that never leaves."""
        return self._order(order, "place", 0)

    def test_place(self, order: Order, now: int, request_id: int) -> HttpRequest:
        """`whatif`: nothing is placed."""
        self._answers.note(request_id, About(order.symbol, order.id))
        return self._order(order, "test", request_id, "/whatif")

    def cancel(self, command: CancelOrder, now: int, request_id: int) -> HttpRequest:
        """By the venue's number; where that is not known, it is looked for first."""
        known = self._memory.venue_id(command.order_id, command.venue_id)
        self._answers.note(request_id, About(command.symbol, command.order_id, known))
        if not known:
            return encode.order_list("cancel.find", request_id, command.symbol)
        path = encode.order_path(self._demand_account("cancel"), known)
        return encode.request("cancel", "DELETE", path, request_id, symbol=command.symbol)

    def cancel_all(self, symbol: str, now: int, request_id: int) -> HttpRequest:
        """The venue knows only all orders of the account, which is not what is asked."""
        raise StateError(verb="cancel_all", state=f"with {NAME}", expected="cancels one by one")

    def replace(self, command: ReplaceOrder, now: int, request_id: int) -> HttpRequest:
        """The venue has no such command."""
        raise StateError(verb="replace", state=f"with {NAME}", expected="a cancel and an order")

    def amend(self, command: AmendOrder, now: int, request_id: int) -> HttpRequest:
        """§7.3: the whole order again, with another size."""
        venue_id = self._memory.venue_id(command.order_id, command.venue_id)
        if not venue_id:
            raise StateError(
                verb="amend", state="without the venue's number", expected="an order it has told"
            )
        known = self._memory.at(venue_id)
        self._memory.name(known, command.order_id)
        known.conid = known.conid or self._symbols.conid(command.symbol)
        account = self._demand_account("amend")
        body = encode.amended_body(known, account, command.size)
        self._answers.note(request_id, About(command.symbol, command.order_id, venue_id))
        path = encode.order_path(account, venue_id)
        return encode.request("amend", "POST", path, request_id, body=body, symbol=command.symbol)

    # ── questions ──

    def order_status(
        self, symbol: str, order_id: str, now: int, request_id: int, venue_id: str = ""
    ) -> HttpRequest:
        """By the venue's number; where that is not known, in the list, by ours."""
        known = self._memory.venue_id(order_id, venue_id)
        self._answers.note(request_id, About(symbol, order_id, known))
        if not known:
            return encode.order_list("status.find", request_id, symbol)
        path = f"/iserver/account/order/status/{known}"
        return encode.request("status", "GET", path, request_id, symbol=symbol)

    def order_fills(
        self, symbol: str, order_id: str, venue_id: str, now: int, request_id: int
    ) -> HttpRequest:
        """Of the last seven days, which is all there is (§7.7)."""
        known = self._memory.venue_id(order_id, venue_id)
        self._answers.note(request_id, About(symbol, order_id, known))
        return encode.trade_list(request_id, _MOST_DAYS, symbol)

    def fills_since(
        self, symbol: str, trade_id: str, since: int, now: int, request_id: int
    ) -> HttpRequest:
        """Of the days since then and one more, since a day may be one of the calendar; seven at
        most; those before come again."""
        self._answers.note(request_id, About(symbol))
        days = min(_MOST_DAYS, max(0, now - since) // _DAY + 2) if since else _MOST_DAYS
        return encode.trade_list(request_id, days, symbol)

    def open_orders(self, symbol: str, now: int, request_id: int) -> HttpRequest:
        """The list, of which those that are over are left out."""
        self._answers.note(request_id, About(symbol))
        return encode.order_list("open_orders", request_id, symbol)

    def account(self, now: int, request_id: int) -> HttpRequest:
        """Positions and cash, fresh: four requests (§4.3)."""
        self._answers.note(request_id, About())
        return encode.request(
            "account", "GET", "/portfolio/accounts", request_id, scope=encode.PORTFOLIO
        )

    def server_time(self, now: int, request_id: int) -> bytes:
        """`tic`, whose answer says when the session was used last: just now."""
        self._time_asked.append(request_id)
        return IDLE

    # ── REST ──

    def ask_instruments(self, symbols: Sequence[str]) -> HttpRequest:
        """The contracts of these stocks, then the rules of each; raises `ConfigError` for all."""
        if not symbols:
            raise ConfigError(where="symbols", found="none", expected="the stocks that are meant")
        for symbol in symbols:
            check(symbol)
        tickers = ",".join(ticker_of(symbol) for symbol in symbols)
        return encode.request("instruments", "GET", "/trsrv/stocks", query=f"symbols={tickers}")

    def ask_snapshot(self, symbol: str, depth: int) -> HttpRequest:
        """There is no book that could be kept."""
        raise ConfigError(where="channel", found="book", expected="partial_book, on ibkr")

    def ask_trades(self, symbol: str, from_id: int, count: int) -> HttpRequest:
        """The venue tells no trades."""
        raise ConfigError(where="channel", found="trades", expected="ticker or stats, on ibkr")

    def ask_aggregates(self, symbol: str, from_id: int, count: int) -> HttpRequest:
        """The same."""
        return self.ask_trades(symbol, from_id, count)

    def ask_time(self) -> HttpRequest:
        """Who is logged in, and when they were heard last (§2.4): once a minute at most."""
        return encode.request("time", "GET", "/sso/validate", scope="validate")

    # ── pieces ──

    def _order(self, order: Order, purpose: str, request_id: int, tail: str = "") -> HttpRequest:
        account = self._demand_account("place")
        body = encode.order_body(order, account, self._symbols.conid(order.symbol))
        path = f"{encode.order_path(account)}{tail}"
        return encode.request(purpose, "POST", path, request_id, body=body, symbol=order.symbol)

    def _demand_account(self, verb: str) -> str:
        if not self._login.account:
            raise StateError(verb=verb, state="before a login", expected="a known account")
        return self._login.account
