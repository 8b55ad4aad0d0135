"""The connections of one session: how many there are, who carries what, and who waits for what."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from functools import partial

from pitwire.market.checksum import Checksum
from pitwire.model import errors
from pitwire.model.credentials import Credentials
from pitwire.model.events import Event, Lagging
from pitwire.model.instruments import Instrument
from pitwire.model.recovery import Halt, Recovery, recovery_for
from pitwire.session.audience import Audience
from pitwire.session.backoff import Backoff
from pitwire.session.copies import LineHealth
from pitwire.session.feed import Feed
from pitwire.session.holding import Holding
from pitwire.session.line import Line
from pitwire.session.obedience import account_over, recovered
from pitwire.session.outbox import Settled
from pitwire.session.pacing import Pacing
from pitwire.session.pending import Waited, What
from pitwire.session.private import NAME as PRIVATE
from pitwire.session.private import PrivateLine
from pitwire.session.rolls import Rolls
from pitwire.session.route import Route
from pitwire.session.schedule import Schedule
from pitwire.session.scout import Scouts
from pitwire.session.setup import (
    Closed,
    Setup,
    connections_limit,
    dial_of,
    market_key,
    new_conversation,
    new_feed,
    new_sentinel,
    streams_limit,
    url_of,
)
from pitwire.session.skew import Skew
from pitwire.session.waiters import Waiters
from pitwire.venues.venue import Ask, Role

_APART = ("messages", "streams")
"""Limits that hold for each connection; all others are for those of a session together."""
ORDERS = "orders"
"""The name of the orders line; a successor has a number after it."""
_LETTERS = "bcd"
"""Tell the copies of a feed apart, from the second on."""
COPY_AFTER_SECONDS = 1.0
"""How long after one copy of a feed the next is dialled, at most."""


class Lines:
    """Market lines as many as the asks need, one orders line when it is wanted."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self.market: list[Line] = []
        self.orders: Line | None = None
        self.barred = ""
        """Why the venue let the account in no more; "" where it did not, or does again."""
        private = setup.venue.private
        self.private = (
            None
            if private is None
            else PrivateLine(self._new_private, partial(private.path, setup.endpoints))
        )
        self.pacing = Pacing([one for one in setup.venue.limits if one.scope not in _APART])
        self.pacing.begin(setup.clock.now())
        setup.bans.join(self.pacing, setup.endpoints)
        self._scouts = Scouts()
        self._checksums: dict[str, Checksum] = {}
        self.audience = Audience(
            setup.venue.name,
            keep_books=setup.keep_books,
            on_event=setup.on_event,
            on_events=setup.on_events,
            on_raised=self._raised,
            on_flaw=self.resync,
            checksums=self._checksums,
            tell_soon=self._tell_soon,
            pause=self._pause,
            resume=self._resume,
        )
        self.deliver = self.audience.deliver
        self.ended: asyncio.Future[Closed] = asyncio.get_running_loop().create_future()
        self._skew = Skew()
        self._lock = asyncio.Lock()
        self._waiters = Waiters(self._hold_or_read)
        self._capacity = streams_limit(setup.venue.limits)
        self._stopping: set[asyncio.Task[None]] = set()
        self._feeds: list[Feed] = []
        self._made = 0
        self._learned: list[Instrument] = []
        self._key: Credentials | None = None
        """Who market connections log in as, where they do."""
        chance = setup.entropy.stream(f"rolls/{setup.venue.name}")
        life = setup.venue.heartbeat.max_life_seconds
        schedule = Schedule(life_seconds=life, roll_at=setup.roll_at, chance=chance)
        self.rolls = Rolls(self, venue=setup.venue.name, clock=setup.clock, schedule=schedule)
        self._full = False
        self._holding = Holding(
            hold=self._hold, full=lambda: self.audience.full, told=self._held_up
        )
        self._sentinel = new_sentinel(setup, told=self._held_up, died=self._raised)

    def watch(self) -> None:
        """Notice from now on when somebody holds the loop up."""
        if self._sentinel is not None and not self.ended.done():
            self._sentinel.start()

    def __iter__(self) -> Iterator[Line]:
        yield from self.market
        if self.orders is not None:
            yield self.orders
        if self.private is not None and self.private.line is not None:
            yield self.private.line

    # ── who carries what ──

    async def market_line(self) -> Line:
        """The first market line, opened if need be; raises `DialFailed`."""
        async with self._lock:
            if not self.market:
                await self._add_feed()
            return self.market[0]

    async def orders_line(self) -> Line:
        """The orders line, opened if need be; raises `DialFailed`."""
        async with self._lock:
            if self.orders is None:
                if not self._setup.venue.can.orders:
                    watched = f"with {self._setup.venue.name}, which is only watched"
                    raise errors.StateError(
                        verb="log in", state=watched, expected="a venue that takes orders"
                    )
                line = self._new_line(Role.ORDERS, ORDERS, None)
                await self._open(line)
                self.orders, self.barred = line, ""
            return self.orders

    async def assign(self, asks: Sequence[Ask]) -> None:
        """Give each ask that nobody carries to a feed with room for it."""
        async with self._lock:
            left = [ask for ask in dict.fromkeys(asks) if not self.is_wanted(ask)]
            for ask in left:
                self.market[0].conversation.codec.check(ask)
            for feed in self._feeds:
                left = self._fill(feed, left)
            while left:
                left = self._fill(await self._add_feed(self._route_of(left[0])), left)

    async def withdraw(self, asks: Sequence[Ask]) -> None:
        """Take these asks from whoever carries them, or is about to."""
        async with self._lock:
            now = self._setup.clock.now()
            for line in self.market:
                line.conversation.unwant(asks, now)
                line.flush(now)
                line.tell()

    def is_wanted(self, ask: Ask) -> bool:
        """Whether any line carries this ask, or will."""
        return any(line.conversation.carries(ask) for line in self.market)

    def is_confirmed(self, ask: Ask) -> bool:
        """Whether the venue has confirmed this ask on a connection that stands."""
        return any(line.conversation.is_confirmed(ask) for line in self.market)

    def adopt(self, credentials: Credentials) -> None:
        """Market connections that log in do so by this key from their next one on."""
        if self._setup.venue.market_login:
            self._key = credentials
            for line in self.market:
                line.conversation.errands.adopt(credentials)

    def learn(self, instruments: Sequence[Instrument]) -> None:
        """Teach every translator, those of later lines too."""
        self._learned += instruments
        codecs = [line.conversation.codec for line in self]
        for codec in codecs + [feed.codec for feed in self._feeds]:
            codec.learn(instruments)
        if self._setup.venue.checksum is not None:
            rule = self._setup.venue.checksum
            self._checksums.update((one.symbol, rule(one)) for one in instruments)

    def resync(self, symbol: str, reason: str) -> None:
        """A book was found wrong: it is stale, and fetched again."""
        now = self._setup.clock.now()
        for line in self.market:
            if line.stands and line.conversation.feed.books.has(symbol):
                line.conversation.outbox.tell(*line.conversation.resync(symbol, reason, now))
                line.flush(now)
                return

    def _fill(self, feed: Feed, asks: list[Ask]) -> list[Ask]:
        now = self._setup.clock.now()
        carriers = self._carriers(feed)
        room = max(0, self._capacity - max(line.conversation.streams for line in carriers))
        taken = [ask for ask in asks if self._route_of(ask) == feed.route][:room]
        if not taken:
            return asks
        for line in carriers:
            line.conversation.want(taken, now)
            line.flush(now)
        there = set(taken)
        return [ask for ask in asks if ask not in there]

    def _route_of(self, ask: Ask) -> str:
        return self._setup.venue.channels[ask.channel].route

    def _carriers(self, feed: Feed) -> list[Line]:
        return [line for line in self.market if line.conversation.feed is feed]

    async def _add_feed(self, route: str = "") -> Feed:
        """One more feed: its first line now, its other copies a little later."""
        self._made += 1
        name = f"market-{self._made}"
        feed = new_feed(self._setup, name, pacing=self.pacing, kept=self.audience.kept_book)
        feed.route = route
        feed.codec.learn(self._learned)
        first = self._new_line(Role.MARKET, name, feed)
        await self._open(first)
        self.market.append(first)
        self._feeds.append(feed)
        chance = self._setup.entropy.stream(f"copies/{self._setup.venue.name}/{name}")
        after = 0.0
        for letter in _LETTERS[: self._setup.redundancy - 1]:
            copy = self._new_line(Role.MARKET, f"{name}{letter}", feed)
            self.market.append(copy)
            after += chance.uniform(COPY_AFTER_SECONDS / 2, COPY_AFTER_SECONDS)
            copy.start(after)
        if self._holding.on:
            for line in self._carriers(feed):
                line.pause()
        return feed

    async def _open(self, line: Line) -> None:
        if self.ended.done():
            raise self._why_not()
        await line.open(self._setup.connect_attempts)
        if self.ended.done():  # while it was dialled, so that nobody else knows of it
            await line.close()
            raise self._why_not()

    def _new_private(self, name: str, url: str) -> Line:
        return self._new_line(Role.PRIVATE, name, None, url)

    def _new_line(self, role: Role, name: str, feed: Feed | None, url: str = "") -> Line:
        setup = self._setup
        conversation = new_conversation(
            setup, name, role, feed, pacing=self.pacing, skew=self._skew
        )
        conversation.codec.learn(self._learned)
        if setup.venue.market_login and role is Role.MARKET:
            self._key = self._key or market_key(setup)
            conversation.authenticate(self._key, setup.clock.now())
        route = Route(
            url=url or url_of(setup, role, "" if feed is None else feed.route),
            http_root=setup.endpoints.http,
            dial=dial_of(setup, role),
            fetch=setup.fetch,
            clock=setup.clock,
            pacing=self.pacing,
            scouts=self._scouts,
            tap=setup.tap,
            witness=setup.witness,
            permission=self.private.permission if self.private and url else None,
            on_written=setup.on_written,
        )
        chance = setup.entropy.stream(f"backoff/{setup.venue.name}/{name}")
        backoff = Backoff(chance, self._scouts.failures(route.address))
        return Line(name, conversation, self, route=route, backoff=backoff)

    def health(self) -> tuple[LineHealth, ...]:
        """How each line does."""
        return tuple(line.health() for line in self)

    # ── a line gives way to another (see `Rolls`) ──

    def place_of(self, line: Line) -> int:
        """Which of its feed's copies a line is; the orders line comes after them all."""
        stem = line.name.partition("/")[0]
        if stem in (ORDERS, PRIVATE):
            return self._setup.redundancy
        return _LETTERS.find(stem[-1]) + 1

    def is_sole(self, line: Line) -> bool:
        """Whether the venue lets in no other connection beside it."""
        most = connections_limit(self._setup.venue)
        return line in self.market and 0 < most <= len(self.market)

    def successor(self, line: Line) -> Line:
        """A line that will do all that this one does, not dialled yet."""
        stem, _, number = line.name.partition("/")
        name = f"{stem}/{int(number or 1) + 1}"
        now, old = self._setup.clock.now(), line.conversation
        if self.private is not None and stem == PRIVATE:
            return self.private.successor(name)
        if line not in self.market:
            new = self._new_line(Role.ORDERS, name, None)
            if old.credentials is not None:
                new.conversation.authenticate(old.credentials, now)
            if old.wants_orders:
                new.conversation.watch_orders(now)
            return new
        new = self._new_line(Role.MARKET, name, old.feed)
        new.conversation.want(old.asks, now)
        self.market.insert(self.market.index(line) + 1, new)
        if self._holding.on:
            new.pause()
        return new

    def hand_over(self, old: Line, new: Line) -> None:
        """From now on the new line does what the old one did."""
        if self.orders is old:
            self.orders = new
        elif self.private is not None and self.private.line is old:
            self.private.line = new

    async def retire(self, line: Line) -> None:
        """Close a line that is needed no more."""
        try:
            await line.close()
        finally:
            now = self._setup.clock.now()
            if line in self.market:
                self.market.remove(line)
                line.conversation.leave(now)
            self.fell(line)

    def stood(self, line: Line) -> None:
        """A connection was opened."""
        self.rolls.opened(line)
        if self.private is not None and line is self.private.line:
            self.private.stood(self._setup.clock.now())

    def led(self, line: Line, key: str, now: int) -> None:
        """The venue named the key of the private stream, which has a connection of its own."""
        if self.private is not None and not self.ended.done():
            self.private.granted(line, key, now)

    def fell(self, line: Line) -> None:
        """A connection is gone; what it leaves undone falls to the others of its feed."""
        self.rolls.forget(line)
        now = self._setup.clock.now()
        if self.private is not None:
            self.private.fell(line, now)
        for other in self._carriers(line.conversation.feed):
            if other is not line and other.stands:
                other.take_over(now)

    def announced(self, line: Line) -> None:
        """The venue said that it will drop this connection."""
        self.rolls.announced(line)

    def tell(self, event: Event) -> None:
        """Tell something of the session's own."""
        try:
            self.deliver((event,), event.received, True)
        except Exception as error:  # noqa: BLE001 — the callback edge: what a listener raises
            self._raised(error)

    # ── who waits for what ──

    def wait_for(self, key: Waited) -> asyncio.Future[None]:
        """A future that ends when the venue has said yes or no."""
        if not self.ended.done():
            return self._waiters.add(key)
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiter.set_exception(self._over(str(key)))
        return waiter

    def settle(self, settled: Sequence[Settled]) -> None:
        """The venue has said yes or no."""
        self._waiters.settle(settled)

    def demand_open(self, verb: str) -> None:
        """Raise `StateError` when the session is over."""
        if self.ended.done():
            raise self._over(verb)

    def _over(self, verb: str) -> errors.StateError:
        reason = self.ended.result().reason
        return errors.StateError(verb=verb, state=f"closed ({reason})", expected="an open session")

    def _why_not(self) -> BaseException:
        """Why nothing is dialled any more: a refused key is told as that."""
        error = self.ended.result().error
        return error if isinstance(error, errors.AuthenticationFailed) else self._over("connect")

    # ── what goes wrong ──

    def judge(self, error: BaseException, line: Line) -> Recovery:
        """What to do about an error of this line; one that ends the account's leaves the others."""
        if isinstance(error, errors.SlowReader):
            self.audience.shed(self._setup.clock.now())
        if (decided := self._decided(error)) is not None:
            return decided
        recovery = self.recovery(error, line.backoff)
        if isinstance(recovery, Halt) and line not in self.market:
            return Halt(recovery.reason, account=True)
        return recovery

    def recovery(self, error: BaseException, backoff: Backoff) -> Recovery:
        """The session's own answer: the table of recoveries, the venue's close codes, the delay."""
        now, venue = self._setup.clock.now(), self._setup.venue
        return recovered(error, backoff, now, venue=venue, pacing=self.pacing)

    def halted(self, reason: str, error: BaseException) -> None:
        """Stop for good; the orders line stays open for cancels until `close`."""
        self._finish(Closed(reason, error))
        self.rolls.stop()
        for line in self.market:
            self._stop(line)

    def turned_away(self, line: Line, reason: str, error: BaseException) -> None:
        """The account's connection is over, and is not dialled again until somebody logs in."""
        self.barred = f"turned away: {reason}"
        if line is self.orders:
            self.orders = None
        if isinstance(error, errors.PitwireError):
            self.settle(((What.WATCH, error),))
        self._stop(line)
        venue, now = self._setup.venue.name, self._setup.clock.now()
        self.tell(account_over(venue, line.name, reason, error, now))

    def _stop(self, line: Line) -> None:
        task = asyncio.get_running_loop().create_task(line.close())
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)

    def _raised(self, error: Exception) -> None:
        # By a function of the caller: no line is to blame, so a reconnect would mend nothing.
        recovery = self._decided(error) or recovery_for(error)
        if isinstance(recovery, Halt):
            self.halted(recovery.reason, error)

    def _held_up(self, who: str, seconds: float) -> None:
        self.tell(Lagging(self._setup.venue.name, "", 0, self._setup.clock.now(), who, seconds))

    def _tell_soon(self, event: Event) -> None:
        # Not in the middle of a burst: a stream may be taking it in.
        asyncio.get_running_loop().call_soon(self.tell, event)

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
        await self.rolls.close()
        await asyncio.gather(*(line.close() for line in self), *self._stopping)
        if self._setup.release is not None:
            await self._setup.release()

    def _finish(self, closed: Closed) -> None:
        if self.ended.done():
            return
        self.ended.set_result(closed)
        self._holding.stop()
        if self._sentinel is not None:
            self._sentinel.stop()
        self.audience.end()
        self._waiters.end(self._over)

    def _pause(self) -> None:
        self._full = True
        self._hold_or_read()

    def _resume(self) -> None:
        self._full = False
        self._hold_or_read()

    def _hold_or_read(self) -> None:
        # An answer that somebody waits for is read for, though a stream is full: it may be the
        # stream's own reader who waits.
        self._holding.turn(self._full and not self._waiters)

    def _hold(self, on: bool) -> None:
        for line in self.market:
            if on:
                line.pause()
            else:
                line.resume()
