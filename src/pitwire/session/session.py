"""`Session`: the verbs, over as many connections as they need.

Frames are handled in the callback that read them, whether or not anybody waits in
`process_incoming_data`; after a loss each connection comes back by itself and asks again for
everything that is wanted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Self

from pitwire.market.book import OrderBook
from pitwire.model import errors
from pitwire.model.clock import SECOND
from pitwire.model.credentials import Credentials, mask
from pitwire.model.events import Event
from pitwire.model.instruments import Instrument
from pitwire.model.orders import AmendOrder, CancelOrder, Order, OrderType, ReplaceOrder
from pitwire.model.recovery import Recovery
from pitwire.session.backoff import Backoff
from pitwire.session.copies import LineHealth
from pitwire.session.line import Line
from pitwire.session.lines import Lines
from pitwire.session.pending import Probe, What
from pitwire.session.placing import Placing, Understudy
from pitwire.session.setup import Closed, Setup, key_of
from pitwire.session.stream import (
    SPILL_LIMIT,
    EventStream,
    Policy,
    SpillOr,
    StreamCounts,
    StreamOptions,
)
from pitwire.venues.venue import Ask, Further, HttpRequest, Reply


class Session:
    """An open session with a venue; made by `connect_to_websocket`."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self.venue = setup.venue
        self._clock, self._credentials = setup.clock, setup.credentials
        self._lines = Lines(setup)
        self._backoff = Backoff(setup.entropy.stream(f"backoff/{setup.venue.name}/session"))
        self._instruments: dict[str, Instrument] = {}
        self._closing: asyncio.Task[None] | None = None
        self.encoded_at = 0
        """With a `lap` clock: when the last order's bytes were ready, before the write."""
        self.last_placed: Order | None = None
        """The last order that was given to `place`."""
        self._places_on: Line | None = None
        self._placing: Placing | None = None
        self._understudy: Understudy | None = None

    # ── the six verbs, and their siblings ──

    async def open(self) -> Self:
        """Make the first connection; `connect_to_websocket` does this. Raises `DialFailed`."""
        await self._lines.market_line()
        self._lines.watch()
        return self

    async def authenticate_websocket(self, credentials: Credentials | None = None) -> None:
        """Log in, now and after every loss; raises `AuthenticationFailed`."""
        credentials = key_of(self._setup, credentials or self._credentials)
        if credentials is None:
            raise errors.ConfigError(
                where="credentials", found=None, expected="an API key and its secret"
            )
        line = await self._lines.orders_line()
        waiter = self._lines.wait_for(What.LOGIN)
        now = self._clock.now()
        try:
            line.conversation.authenticate(credentials, now)
            line.flush(now)
            await waiter
        except errors.AuthenticationFailed as error:
            error.key = mask(credentials.key)
            raise
        except errors.RemoteError as error:
            text = error.text or str(error)
            raise errors.AuthenticationFailed(
                venue=self.venue.name, code=error.code, text=text
            ) from error
        finally:
            waiter.cancel()
        self._credentials = credentials
        self._lines.adopt(credentials)

    async def subscribe_to_ticker(self, *symbols: str) -> None:
        """Best bid and ask, as `Quote`s."""
        await self.subscribe("ticker", *symbols)

    async def subscribe_to_trades(self, *symbols: str) -> None:
        """Every trade, as `Trade`s."""
        await self.subscribe("trades", *symbols)

    async def subscribe_to_book(self, *symbols: str, option: str = "") -> None:
        """The order book: a `BookSnapshot`, then `BookDelta`s without a gap, or `BookStale`."""
        await self.subscribe("book", *symbols, option=option)

    async def subscribe_to_partial_book(self, *symbols: str, option: str = "") -> None:
        """The top levels, complete in each `PartialBook`."""
        await self.subscribe("partial_book", *symbols, option=option)

    async def subscribe_to_bars(self, *symbols: str, interval: str = "1m") -> None:
        """Open, high, low, close, as `Bar`s."""
        await self.subscribe("bars", *symbols, option=interval)

    async def subscribe_to_stats(self, *symbols: str) -> None:
        """Rolling statistics, as `Ticker`s."""
        await self.subscribe("stats", *symbols)

    async def subscribe(self, channel: str, *symbols: str, option: str = "") -> None:
        """Want a channel for these symbols, now and after every loss; returns when confirmed.

        Raises `SubscriptionRejected` for the first that the venue refuses; the others stay.
        """
        asks = self._asks(channel, symbols, option)
        if self.venue.listed_first and (new := set(symbols) - self._instruments.keys()):
            await self.load_instruments(sorted(new))
            self._demand_listed(new)
        waiters = [self._lines.wait_for(ask) for ask in asks if not self._lines.is_confirmed(ask)]
        try:
            await self._lines.assign(asks)
        except BaseException:
            for waiter in waiters:
                waiter.cancel()
            raise
        results = await asyncio.gather(*waiters, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def unsubscribe(self, channel: str, *symbols: str, option: str = "") -> None:
        """Want a channel no more; a book that was kept from it is stale at once."""
        await self._lines.withdraw(self._asks(channel, symbols, option))

    async def subscribe_to_order_updates(self) -> None:
        """The private stream of our orders and balances, after the login; logs in if need be."""
        line = await self._lines.orders_line()
        if not line.conversation.commands.admitted:
            await self.authenticate_websocket()
        if line.conversation.watches_orders:
            return
        waiter = self._lines.wait_for(What.WATCH)
        now = self._clock.now()
        line.conversation.watch_orders(now)
        line.flush(now)
        await waiter

    async def process_incoming_data(self) -> Closed:
        """Wait until the session is over for good, and say why."""
        return await asyncio.shield(self._lines.ended)

    def handle_websocket_error(self, error: BaseException) -> Recovery:
        """What to do about any error at all; a reconnect comes with the delay that is due.

        Each call counts as one attempt. To decide otherwise, pass `on_error=`.
        """
        return self._lines.recovery(error, self._backoff)

    async def roll(self) -> None:
        """Replace every connection by a new one, one after another, and lose nothing."""
        self._lines.demand_open("roll")
        await self._lines.rolls.roll("asked for")

    async def close(self) -> None:
        """End the session: say goodbye on every connection."""
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._lines.close())
        await asyncio.shield(self._closing)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    # ── looking ──

    def _demand_listed(self, symbols: Iterable[str]) -> None:
        for symbol in sorted(set(symbols) - self._instruments.keys()):
            expected = f"a symbol that {self.venue.name} lists"
            raise errors.ConfigError(where="symbol", found=symbol, expected=expected)

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """What `load_instruments` has learned, by symbol."""
        return MappingProxyType(self._instruments)

    async def load_instruments(self, symbols: Iterable[str] = ()) -> Mapping[str, Instrument]:
        """Ask the venue for the rules of these symbols (none: of all it lists)."""
        self._lines.demand_open("load_instruments")
        codec = (await self._lines.market_line()).conversation.codec
        waiting, learned = [codec.ask_instruments(tuple(symbols))], list[Instrument]()
        while waiting:
            request = waiting.pop(0)
            await self._await_weight(request.weight)
            url = f"{self._setup.endpoints.http}{request.path}"
            url += f"?{request.query}" if request.query else ""
            status, headers, body = await self._setup.fetch(
                request.method, url, request.headers, request.body
            )
            for item in codec.decode_response(request, status, headers, body, self._clock.now()):
                if isinstance(item, Reply) and item.error is not None:
                    raise item.error
                if isinstance(item, Further) and isinstance(item.outgoing, HttpRequest):
                    waiting.append(item.outgoing)
            learned += codec.decode_instruments(body)
        self._instruments.update((found.symbol, found) for found in learned)
        self._lines.learn(learned)
        return self.instruments

    @property
    def lines(self) -> tuple[LineHealth, ...]:
        """The connections, and of several that carry the same how far each is behind."""
        return self._lines.health()

    def budget(self, scope: str, now: int) -> tuple[int, int, float] | None:
        """(left, limit, seconds) of the venue's limit on `weight` or `orders` that binds now."""
        return self._lines.pacing.left(scope, now)

    def book(self, symbol: str) -> OrderBook:
        """The order book of a symbol: `ready` only while it is known to be right. Else it is empty,
        or keeps its levels and names in `stale` why they may be old, as `FeedStale` does."""
        return self._lines.audience.book(symbol)

    def resync_book(self, symbol: str, reason: str = "asked for") -> None:
        """Distrust a book: it is stale from now on, and fetched again."""
        self._lines.resync(symbol, reason)

    def stream(
        self,
        *kinds: type[Event],
        symbols: Iterable[str] = (),
        policy: Policy = "wait",
        capacity: int = 1000,
        spill_dir: str | Path | None = None,
        spill_limit: int = SPILL_LIMIT,
        spill_or: SpillOr = "drop",
    ) -> EventStream:
        """Events of these kinds and symbols (none: all) as an asynchronous iterator.

        `policy` says what happens when the reader is slow: `wait`, `conflate`, `drop` or `spill`;
        see `pitwire.session.stream`. `spill` keeps `capacity` events in memory and the others in
        a nameless file in `spill_dir`, up to `spill_limit` bytes; if the disk refuses, `spill_or`
        (`drop` or `wait`) holds. Events of the account and the session overtake market events.
        """
        options = StreamOptions(
            policy=policy,
            capacity=capacity,
            spill_dir=spill_dir,
            spill_limit=spill_limit,
            spill_or=spill_or,
        )
        if options.may_wait and not all(line.can_pause for line in self._lines.market):
            raise errors.StateError(
                verb="stream", state="on a link that cannot pause", expected="conflate or drop"
            )
        return self._lines.audience.stream(kinds, symbols=symbols, options=options)

    def stream_counts(self) -> tuple[StreamCounts, ...]:
        """What became of the events of each stream that is still held: lost, delayed, waiting."""
        return self._lines.audience.counts()

    # ── commands: no await, no queue; the bytes leave in this call when limits allow ──

    @property
    def may_trade(self) -> bool:
        """Whether a command would be accepted now: connected and logged in."""
        line = self._lines.orders
        return line is not None and line.conversation.commands.admitted

    @property
    def hears_orders(self) -> bool:
        """Whether our order updates come, or will again: not once they were refused for good."""
        line = self._lines.orders
        return line is not None and line.conversation.wants_orders

    @property
    def asks_fills(self) -> bool:
        """Whether the venue may still be about to tell what traded: asked, and not answered."""
        line = self._lines.orders
        return line is None or line.conversation.commands.asks(What.FILLS)

    @property
    def asks_account(self) -> bool:
        """The same of what the account holds: what was told before is of before."""
        line = self._lines.orders
        return line is None or line.conversation.commands.asks(What.ACCOUNT)

    def has_room(self, weight: int, now: int) -> bool:
        """Whether the venue's limit leaves enough for orders and cancels behind a question that
        costs so much and can wait."""
        line = self._lines.orders
        return line is not None and line.conversation.commands.budget.has_room(weight, now)

    def place(self, order: Order, now: int) -> int:
        """Send an order; returns when it was written, 0 without a `lap` clock or when it waits."""
        line, placing = self._lines.orders or self._trading("place"), self._placing
        if placing is None or line is not self._places_on:
            commands, self._places_on = line.conversation.commands, line
            placing = self._placing = Placing(commands, line.pen, self._setup.lap)
        written = placing.place(order, now)
        self.encoded_at, self.last_placed = placing.encoded_at, order
        line.after_command(now)
        return written

    def rehearse(self, order: Order, now: int) -> None:
        """Go the way of `place` up to the write with an order that never leaves; nothing is
        remembered. Where no order could leave, nothing is done."""
        line = self._lines.orders
        if line is not None:
            commands, understudy = line.conversation.commands, self._understudy
            if understudy is None or understudy.real is not commands:
                understudy = Understudy(self.venue, commands, self._setup.lap)
                self._understudy = understudy
            understudy.rehearse(order, now)

    def recite(self, now: int) -> None:
        """Go the way of a frame with one that never came, and nothing in it; nothing is kept."""
        for market in self._lines.market[:1]:
            # What a `RecitingCodec` has: to ask for all of that protocol takes 10 µs.
            recite: Callable[[int], None] | None
            recite = getattr(market.conversation.codec, "recite", None)
            if recite is not None:
                recite(now)
        self._lines.deliver((), now, False)

    def cancel(self, command: CancelOrder, now: int) -> None:
        """Send a cancel; an order that still waits for the venue's limit is dropped instead."""
        line = self._trading("cancel")
        line.conversation.commands.cancel(command, now)
        line.flush(now)

    def drop_waiting(self, now: int) -> None:
        """Orders that wait for the venue's limit never leave; each is told as never sent."""
        line = self._lines.orders
        if line is not None and line.conversation.commands.drop_waiting(now):
            line.flush(now)

    def cancel_all(self, symbol: str, now: int) -> None:
        """Cancel whatever is open in a symbol, ours or not."""
        line = self._trading("cancel_all")
        line.conversation.commands.cancel_all(symbol, now)
        line.flush(now)

    def replace(self, command: ReplaceOrder, now: int) -> None:
        """Cancel one order and place another in one request."""
        line = self._trading("replace")
        line.conversation.commands.replace(command, now)
        line.flush(now)

    def amend(self, command: AmendOrder, now: int) -> None:
        """Make an order smaller and keep its place in the queue."""
        line = self._trading("amend")
        line.conversation.commands.amend(command, now)
        line.flush(now)

    def ask_status(
        self,
        symbol: str,
        order_id: str,
        now: int,
        venue_id: str = "",
        type: OrderType | None = None,
    ) -> None:
        """Ask what became of an order; the answer is an `Update`, or `Unanswered`.

        `type` is the order's own, for venues that keep conditional orders apart.
        """
        line = self._trading("ask_status")
        line.conversation.commands.ask_status(symbol, order_id, now, venue_id, type)
        line.flush(now)

    def ask_fills(self, symbol: str, order_id: str, venue_id: str, now: int) -> None:
        """Ask what an order traded; the answer is a `Fill` for each time it did."""
        line = self._trading("ask_fills")
        line.conversation.commands.ask_fills(symbol, order_id, venue_id, now)
        line.flush(now)

    def ask_fills_since(self, symbol: str, trade_id: str, since: int, now: int) -> None:
        """Ask what the account traded in a symbol: a `Fill` for each time.

        From this trade on; where none is known (""), after `since`, ns of the venue's time.
        """
        line = self._trading("ask_fills_since")
        line.conversation.commands.ask_fills_since(symbol, trade_id, since, now)
        line.flush(now)

    def ask_open_orders(self, symbol: str, now: int) -> None:
        """Ask which orders are open in a symbol, or in all ("")."""
        line = self._trading("ask_open_orders")
        line.conversation.commands.ask_open_orders(symbol, now)
        line.flush(now)

    def ask_account(self, now: int) -> None:
        """Ask what the account holds; the answer is `Balance`s."""
        line = self._trading("ask_account")
        line.conversation.commands.ask_account(now)
        line.flush(now)

    def set_leverage(self, symbol: str, leverage: int, now: int) -> None:
        """Have positions in a symbol held on this multiple of what they cost, where that is."""
        line = self._trading("set_leverage")
        line.conversation.commands.set_leverage(symbol, leverage, now)
        line.flush(now)

    def arm_countdown(self, symbol: str, seconds: float, now: int) -> None:
        """Wind the venue's own dead man's timer, where it has one: all that is open in the symbol
        is cancelled there after this long, unless it is wound again; 0 stops it."""
        line = self._trading("arm_countdown")
        line.conversation.commands.arm_countdown(symbol, seconds, now)
        line.flush(now)

    async def test_order(self, order: Order) -> None:
        """Have the venue check an order by its own rules; nothing is placed.

        Returns when the venue would take it, raises `OrderRejected` when it would not, and
        `Stalled` when it does not say.
        """
        line = self._trading("test_order")
        waiter = self._lines.wait_for(Probe(order.id))
        now = self._clock.now()
        try:
            line.conversation.commands.test(order, now)
            line.flush(now)
            await waiter
        finally:
            waiter.cancel()

    # ── within ──

    def _trading(self, verb: str) -> Line:
        line = self._lines.orders
        if line is None:
            state = self._lines.barred or "without an orders connection"
            raise errors.StateError(verb=verb, state=state, expected="an accepted login")
        return line

    async def _await_weight(self, weight: int) -> None:
        """Wait until this much request weight may be spent, and spend it."""
        pacing = self._lines.pacing
        while not pacing.try_spend("weight", now := self._clock.now(), cost=weight):
            await asyncio.sleep((pacing.ready_at("weight", now, cost=weight) - now) / SECOND)

    def _asks(self, channel: str, symbols: tuple[str, ...], option: str) -> list[Ask]:
        row = self.venue.channels.get(channel)
        if row is None:
            names = ", ".join(sorted(self.venue.channels))
            raise errors.ConfigError(where="channel", found=channel, expected=f"one of {names}")
        if not symbols:
            raise errors.ConfigError(where="symbols", found="none", expected="at least one symbol")
        usual = self._setup.book_option if channel == "book" else ""
        option = option or usual or row.default_option
        return [Ask(channel, symbol, option) for symbol in dict.fromkeys(symbols)]
