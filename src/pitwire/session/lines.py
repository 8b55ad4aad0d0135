"""The connections of one session: how many there are, who carries what, and who waits for what."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeAlias

import msgspec

from pitwire.model import errors
from pitwire.model.clock import SECOND, Clock
from pitwire.model.credentials import Credentials
from pitwire.model.entropy import Entropy
from pitwire.model.events import Event
from pitwire.model.recovery import Halt, Reconnect, Recovery, recovery_for
from pitwire.session.audience import Audience, OnEvent, OnEvents
from pitwire.session.backoff import Backoff
from pitwire.session.chores import Skew
from pitwire.session.conversation import PATIENCE_SECONDS, Conversation, ConversationOptions
from pitwire.session.ear import Tap
from pitwire.session.line import Line, Route
from pitwire.session.outbox import Settled
from pitwire.session.pacing import Pacing
from pitwire.session.pending import Waited
from pitwire.venues.venue import Ask, Endpoints, Limit, Role, Venue
from pitwire.wire.link import Dial, Fetch

KeyFinder: TypeAlias = Callable[[], Credentials | None]
"""Looks for credentials once they are needed."""
OnError: TypeAlias = Callable[[BaseException], Recovery | None]
"""Decides what to do about an error; None leaves it to the session."""

_SHARED = ("weight", "orders", "dials")
"""Limits that hold for all connections of a session together."""
_UNNAMED = -1.0


class Closed(msgspec.Struct, frozen=True):
    """Why a session ended."""

    reason: str
    error: BaseException | None = None


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """All that a session is made of."""

    venue: Venue
    endpoints: Endpoints
    dial: Dial
    fetch: Fetch
    clock: Clock
    entropy: Entropy
    credentials: Credentials | KeyFinder | None = None
    on_event: OnEvent | None = None
    on_events: OnEvents | None = None
    on_error: OnError | None = None
    tap: Tap | None = None
    lap: Clock | None = None
    time_unit: str = "ms"
    book_option: str = ""
    keep_books: bool = True
    connect_attempts: int = 1
    patience_seconds: float = PATIENCE_SECONDS
    asks_time: bool = True
    backfill: bool = True
    release: Callable[[], Awaitable[None]] | None = None
    """Called last of all: what was opened for this session alone is closed here."""


class Lines:
    """Market lines as many as the asks need, one orders line when it is wanted."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self.market: list[Line] = []
        self.orders: Line | None = None
        self.pacing = Pacing([limit for limit in setup.venue.limits if limit.scope in _SHARED])
        self.audience = Audience(
            setup.venue.name,
            keep_books=setup.keep_books,
            on_event=setup.on_event,
            on_events=setup.on_events,
            on_raised=self._raised,
            tell_soon=self._tell_soon,
            pause=self._pause,
            resume=self._resume,
        )
        self.deliver = self.audience.deliver
        self.ended: asyncio.Future[Closed] = asyncio.get_running_loop().create_future()
        self._skew = Skew()
        self._lock = asyncio.Lock()
        self._waiters: dict[Waited, list[asyncio.Future[None]]] = {}
        self._capacity = _streams_limit(setup.venue.limits)
        self._stopping: set[asyncio.Task[None]] = set()
        self._full = self._held = False

    def __iter__(self) -> Iterator[Line]:
        yield from self.market
        if self.orders is not None:
            yield self.orders

    # ── who carries what ──

    async def market_line(self) -> Line:
        """The first market line, opened if need be; raises `DialFailed`."""
        async with self._lock:
            return self.market[0] if self.market else await self._add(Role.MARKET)

    async def orders_line(self) -> Line:
        """The orders line, opened if need be; raises `DialFailed`."""
        async with self._lock:
            return self.orders or await self._add(Role.ORDERS)

    async def assign(self, asks: Sequence[Ask]) -> None:
        """Give each ask that nobody carries to a line with room for it."""
        async with self._lock:
            left = [ask for ask in dict.fromkeys(asks) if self.carrier(ask) is None]
            for ask in left:
                self.market[0].conversation.codec.check(ask)
            for line in self.market:
                left = self._fill(line, left)
            while left:
                left = self._fill(await self._add(Role.MARKET), left)

    async def withdraw(self, asks: Sequence[Ask]) -> None:
        """Take these asks from whoever carries them, or is about to."""
        async with self._lock:
            now = self._setup.clock.now()
            for line in self.market:
                line.conversation.unwant(asks, now)
                line.flush(now)
                line.tell()

    def carrier(self, ask: Ask) -> Line | None:
        """The line that carries this ask."""
        for line in self.market:
            if line.conversation.carries(ask):
                return line
        return None

    def is_confirmed(self, ask: Ask) -> bool:
        """Whether the venue has confirmed this ask on a connection that stands."""
        line = self.carrier(ask)
        return line is not None and line.conversation.is_confirmed(ask)

    def _fill(self, line: Line, asks: list[Ask]) -> list[Ask]:
        room = max(0, self._capacity - line.conversation.streams)
        now = self._setup.clock.now()
        if asks[:room]:
            line.conversation.want(asks[:room], now)
            line.flush(now)
        return asks[room:]

    async def _add(self, role: Role) -> Line:
        self.demand_open("connect")
        line = self._new_line(role)
        await line.open(self._setup.connect_attempts)
        if self.ended.done():  # while it was dialled, so that nobody else knows of it
            await line.close()
            raise self._over("connect")
        if role is Role.ORDERS:
            self.orders = line
        else:
            self.market.append(line)
        if self._held and role is Role.MARKET:
            line.pause()
        return line

    def _new_line(self, role: Role) -> Line:
        setup = self._setup
        name = "orders" if role is Role.ORDERS else f"market-{len(self.market) + 1}"
        path = setup.venue.orders_path if role is Role.ORDERS else setup.venue.stream_path
        chance = setup.entropy.stream(f"books/{setup.venue.name}/{name}")
        conversation = Conversation(
            setup.venue,
            ConversationOptions(
                link=name,
                role=role,
                time_unit=setup.time_unit,
                book_option=setup.book_option,
                patience_seconds=setup.patience_seconds,
                asks_time=setup.asks_time and role is Role.MARKET and not self.market,
                backfill=setup.backfill,
            ),
            pacing=self.pacing,
            skew=self._skew,
            chance=chance,
        )
        route = Route(
            url=path(setup.endpoints, setup.time_unit),
            http_root=setup.endpoints.http,
            dial=setup.dial,
            fetch=setup.fetch,
            clock=setup.clock,
            pacing=self.pacing,
            tap=setup.tap,
        )
        backoff = Backoff(setup.entropy.stream(f"backoff/{setup.venue.name}/{name}"))
        return Line(name, conversation, self, route=route, backoff=backoff)

    # ── who waits for what ──

    def wait_for(self, key: Waited) -> asyncio.Future[None]:
        """A future that ends when the venue has said yes or no."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.ended.done():
            waiter.set_exception(self._over(str(key)))
        else:
            self._waiters.setdefault(key, []).append(waiter)
            waiter.add_done_callback(lambda _: self._waited(key, waiter))
            self._hold_or_read()
        return waiter

    def settle(self, settled: Sequence[Settled]) -> None:
        """The venue has said yes or no."""
        for key, error in settled:
            for waiter in self._waiters.pop(key, ()):
                _answer(waiter, error)

    def _waited(self, key: Waited, waiter: asyncio.Future[None]) -> None:
        waiters = self._waiters.get(key, [])
        if waiter in waiters:  # given up, not settled
            waiters.remove(waiter)
            if not waiters:
                del self._waiters[key]
        self._hold_or_read()

    def demand_open(self, verb: str) -> None:
        """Raise `StateError` when the session is over."""
        if self.ended.done():
            raise self._over(verb)

    def _over(self, verb: str) -> errors.StateError:
        reason = self.ended.result().reason
        return errors.StateError(verb=verb, state=f"closed ({reason})", expected="an open session")

    # ── what goes wrong ──

    def judge(self, error: BaseException, line: Line) -> Recovery:
        """What to do about an error of this line."""
        return self._decided(error) or self.recovery(error, line.backoff)

    def recovery(self, error: BaseException, backoff: Backoff) -> Recovery:
        """The session's own answer: the table of recoveries, the venue's close codes, the delay."""
        now = self._setup.clock.now()
        if isinstance(error, errors.ConnectionLost):
            halt = self._close_code(error, backoff, now)
            if halt is not None:
                return halt
        recovery = recovery_for(error, delay_seconds=_UNNAMED)
        if not isinstance(recovery, Reconnect):
            return recovery
        # A time that the venue names is a least time; our own delay may be longer.
        return Reconnect(max(recovery.after_seconds, backoff.delay_seconds(now)))

    def _close_code(self, error: errors.ConnectionLost, backoff: Backoff, now: int) -> Halt | None:
        match self._setup.venue.close_codes.get(error.code):
            case "halt":
                return Halt(str(error))
            case "policy" if backoff.policy_strike(now):
                return Halt(f"{error}: the third time in ten minutes")
            case _:
                return None

    def halted(self, reason: str, error: BaseException) -> None:
        """Stop for good; the orders line stays open for cancels until `close`."""
        self._finish(Closed(reason, error))
        for line in self.market:
            task = asyncio.get_running_loop().create_task(line.close())
            self._stopping.add(task)
            task.add_done_callback(self._stopping.discard)

    def _raised(self, error: Exception) -> None:
        # By a function of the caller: no line is to blame, so a reconnect would mend nothing.
        recovery = self._decided(error) or recovery_for(error)
        if isinstance(recovery, Halt):
            self.halted(recovery.reason, error)

    def _tell_soon(self, event: Event) -> None:
        # Not in the middle of a burst: a stream may be taking it in.
        asyncio.get_running_loop().call_soon(self._tell, event)

    def _tell(self, event: Event) -> None:
        try:
            self.deliver((event,), self._setup.clock.now(), True)
        except Exception as error:  # noqa: BLE001 — the callback edge: what a listener raises
            self._raised(error)

    def _decided(self, error: BaseException) -> Recovery | None:
        if self._setup.on_error is None:
            return None
        try:
            return self._setup.on_error(error)
        except Exception as raised:  # noqa: BLE001 — the callback edge: who decides may fail too
            return Halt(
                f"on_error raised {type(raised).__name__}: {raised}, when asked about {error}"
            )

    # ── the end ──

    async def close(self) -> None:
        """Say goodbye on every connection."""
        self._finish(Closed("closed by us"))
        await asyncio.gather(*(line.close() for line in self), *self._stopping)
        if self._setup.release is not None:
            await self._setup.release()

    def _finish(self, closed: Closed) -> None:
        if self.ended.done():
            return
        self.ended.set_result(closed)
        self.audience.end()
        for key, waiters in self._waiters.items():
            for waiter in waiters:
                _answer(waiter, self._over(str(key)))
        self._waiters.clear()

    def _pause(self) -> None:
        self._full = True
        self._hold_or_read()

    def _resume(self) -> None:
        self._full = False
        self._hold_or_read()

    def _hold_or_read(self) -> None:
        # An answer that somebody waits for is read for, though a stream is full: it may be the
        # stream's own reader who waits.
        hold = self._full and not self._waiters
        if hold is self._held:
            return
        self._held = hold
        for line in self.market:
            if hold:
                line.pause()
            else:
                line.resume()

    async def await_weight(self, weight: int) -> None:
        """Wait until this much request weight may be spent, and spend it."""
        while True:
            now = self._setup.clock.now()
            if self.pacing.try_spend("weight", now, cost=weight):
                return
            ready = self.pacing.ready_at("weight", now, cost=weight)
            await asyncio.sleep((ready - now) / SECOND)


def _answer(waiter: asyncio.Future[None], error: BaseException | None) -> None:
    if waiter.done():
        return
    if error is None:
        waiter.set_result(None)
    else:
        waiter.set_exception(error)


def _streams_limit(limits: Sequence[Limit]) -> int:
    return min((limit.count for limit in limits if limit.scope == "streams"), default=1024)
