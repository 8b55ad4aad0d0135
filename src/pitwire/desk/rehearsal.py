"""Rehearsals: an order that never leaves goes the way of one that does, so that the way is warm.

A firing is rare, and code that has not run for some milliseconds has left the processor's caches:
it takes twice as long. A loop that polls has a core to burn, so while it has nothing to do, a wish
of no rule is judged, written down, encoded and signed now and then, and thrown away.

Code is half of it: what the desk's own gate looks at (limits, positions, open orders) is met cold,
too, so that is asked beforehand whether such an order would pass. And what is kept of a symbol and
of a kind of order is met cold where another was rehearsed: so what is rehearsed is what the desk
has placed of late.

House rules: nothing that the desk, its session or the venue knows is changed (a life with
rehearsals is held beside one without, byte for byte). Screen, ledger, journal, slate and order ids
are its own; what it shares with the desk (books, quotes, instruments, the codec of the orders line)
it only reads.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import Protocol, TypeAlias, cast

import msgspec

from pitwire.desk.backstage import Backstage
from pitwire.desk.gateway import Gateway, Outlet
from pitwire.desk.timings import Timings
from pitwire.model.clock import MILLISECOND, SECOND, Clock
from pitwire.model.events import Quote, Trade, Update
from pitwire.model.instruments import Instrument
from pitwire.model.orders import Command, Order, OrderType, Side, TimeInForce, UpdateKind
from pitwire.store.slate import Slate
from pitwire.trading.engine import Engine
from pitwire.trading.ids import OrderIds
from pitwire.trading.journal import Decided, Record
from pitwire.trading.ledger import OrderLedger
from pitwire.trading.limits import Limits
from pitwire.trading.risk import Screen
from pitwire.trading.rules import FunctionRule, Rule, trades
from pitwire.trading.state import State
from pitwire.trading.wishes import Draft, Wish, buy, sell
from pitwire.wire.polling import PollingLoop

logger = logging.getLogger("pitwire.desk")

EVERY_NS = MILLISECOND // 10
"""A piece of a rehearsal each, seven of which are a whole one: a frame that comes meanwhile has to
wait for the end of that piece. Oftener makes no order quicker (measured)."""
PIECES = 7
_END = 4
"""Which piece is the end of an order."""
_AMPLE = 1.5
"""So many times the least that the venue takes."""
_AT_ONCE = 2
"""In so many symbols the desk's own gate is asked each time."""
_HABITS = 4
"""So many kinds of orders that were placed of late are rehearsed, by turns."""
_USUAL = frozenset((OrderType.MARKET, OrderType.LIMIT, OrderType.POST_ONLY))
_OPENING = 16
"""In so many symbols every form of an order is rehearsed at the start."""
_MADE_UP_TICKS = 10_000
"""A price of so many ticks, where there is none yet."""
_LASTS = 60 * SECOND
"""What it is asked is asked for so long: each new number is remembered there."""


_Kind: TypeAlias = tuple[str, Side, OrderType, TimeInForce]
"""What orders have in common whose text differs by its numbers alone."""


class Stage(Protocol):
    """What an order goes through behind the gateway: a session."""

    @property
    def may_trade(self) -> bool: ...

    @property
    def last_placed(self) -> Order | None: ...

    def rehearse(self, order: Order, now: int) -> None: ...

    def recite(self, now: int) -> None: ...


class Rehearsal:
    """The way of an order for show. `engine` is whose screen and state it is modelled on; what it
    sees is the desk's market, or one that is `made_up`."""

    def __init__(
        self, engine: Engine, stage: Stage, clock: Clock, *, made_up: bool = False
    ) -> None:
        self._screen, self._state = engine.screen, engine.state
        self._stage, self._clock = stage, clock
        self._scratch = _Scratch()
        self._wished: Draft | None = None
        firing = FunctionRule(self._stand_in, trades(), name="rehearsal")
        self._engine = _modelled_on(engine, self._scratch, firing, made_up=made_up)
        self._gateway = Gateway(
            cast(Outlet, _Curtain(stage)),
            self._engine,
            clock=clock,
            timings=Timings(1),
            file=self._scratch,
        )
        self._asked: dict[str, Draft] = {}
        """Symbol → what the desk's own gate is asked about it."""
        self._asked_until = 0
        self._commands: list[Command] = []
        self._open: list[Order] = []
        self._pieces: tuple[Callable[[int], bool], ...] = (
            self._hear, self._decide, self._send, self._write, self._end, self._ask_gate,
            self._speak,
        )  # fmt: skip
        """What a whole rehearsal consists of, in the order in which an order goes; before the first
        of the next one a frame is read."""
        self._next = self._turn = self._asking = 0
        self._habits: dict[_Kind, Order] = {}
        """Kind → the last order of that kind, of those placed of late, the latest last."""
        self._habit: _Kind | None = None
        """Which of them is being rehearsed."""
        self._habits_turn = 0
        self._placed: Order | None = None
        self._failed = False
        self._backstage: Backstage | None = None
        self._opening: asyncio.Task[None] | None = None

    def walk(self) -> bool:
        """Go the way once; whether an order came to its end."""
        first, *others = self._pieces
        walked = self._tried(first) and [self._tried(piece) for piece in others]
        return bool(walked and walked[_END - 1])

    def step(self) -> bool:
        """One piece of it, by turns; whether it was the end of an order."""
        at = self._next
        went = self._tried(self._pieces[at])
        if at or went:  # where there is nothing to hear, nothing comes of it
            self._next = (at + 1) % len(self._pieces)
        return went and at == _END

    def forms(self) -> int:
        """Every form of an order in a few symbols, in a market made up for it; how many went."""
        listed, walked = self._state.instruments.values(), 0
        for one in [one for one in listed if not one.viewable_only][:_OPENING]:
            self._screen.clearance(one)  # reckoned once, and that is now
            touch = self._state.touch(one.symbol)
            price = touch[0] if touch else float(one.tick) * _MADE_UP_TICKS
            for draft in _forms(one.symbol, price, _size(one, price)):
                walked += self._tried(partial(self._show, one, draft, price))
        return walked

    def _show(self, one: Instrument, draft: Draft, price: float, now: int) -> bool:
        bid_and_ask = price, 1.0, price + float(one.tick), 1.0
        self._engine.apply(Quote(one.venue, one.symbol, 0, now, *bid_and_ask))
        self._wished = draft
        self._engine.state.offset = self._state.offset
        self._engine.apply(Trade(one.venue, one.symbol, 0, now, price, 1.0, Side.BUY, 1))
        self._decide(now)
        self._send(now)
        return self._end(now)

    def _tried(self, act: Callable[[int], bool]) -> bool:
        """What raises is over: it raises once, and never again."""
        screen = self._screen
        if self._failed or screen.halted or not (screen.armed and self._stage.may_trade):
            return False
        self._failed = True
        walked = act(self._clock.now())
        self._failed = False
        return walked

    def _speak(self, now: int) -> bool:
        """A frame is read that is nobody's."""
        if self._backstage is not None and self._backstage.stands:
            self._backstage.speak()
        else:
            self._recite()
        return True

    def _hear(self, now: int) -> bool:
        """A trade comes, and a rule fires."""
        cue = self._familiar(now) or self._cue(now)
        if cue is not None:
            self._engine.state.offset = self._state.offset
            self._engine.apply(cue)
        return cue is not None

    def _decide(self, now: int) -> bool:
        """The wish is judged and written down."""
        self._commands += self._engine.decide(now)  # one may wait whose turn a halt or a loss took
        if not self._commands and self._habit is not None:
            self._habits.pop(self._habit, None)  # it would be refused by now: until the next one
        return bool(self._commands)

    def _send(self, now: int) -> bool:
        """The order goes as far as it may."""
        commands, self._commands = self._commands, []
        for command in commands:
            self._gateway.send(command, now)
            if isinstance(command, Order):
                self._open.append(command)
        return bool(commands)

    def _write(self, now: int) -> bool:
        """As many bytes leave as an order has."""
        if self._backstage is not None and self._open:
            self._backstage.answer()
        return bool(self._open)

    def _recite(self) -> None:
        self._stage.recite(self._clock.now())

    def go_backstage(self, loop: PollingLoop) -> None:
        """Hear and say it all over a socket from now on, as soon as there is one."""
        self._backstage = Backstage(loop, self._recite)
        self._opening = loop.create_task(self._backstage.open())

    def close(self) -> None:
        """It is over; the socket is closed."""
        self._failed = True
        if self._opening is not None:
            self._opening.cancel()
        if self._backstage is not None:
            self._backstage.close()

    def _end(self, now: int) -> bool:
        """Forget all of it, a refusal, too; whether there was an order."""
        orders, self._open = self._open, []
        for order in orders:
            self._engine.apply(_over(order, now))
        self._scratch.settle()
        return bool(orders)

    def _stand_in(self, state: State, _now: int) -> Iterator[Wish]:
        """What a rule does that fires: it buys what has just traded, at that price."""
        cue = state.event
        if isinstance(cue, Trade):
            if self._habit is not None:
                yield _alike(self._habits[self._habit], cue.price)
            else:
                yield self._wished or buy(cue.symbol, cue.size, price=cue.price)

    def _ask_gate(self, now: int) -> bool:
        """Whether an order would pass in the next symbols in which the desk has ordered."""
        screen, asked = self._screen, self._asked
        if now >= self._asked_until:
            asked.clear()
            self._asked_until = now + _LASTS
        symbols = tuple(self._state.ledger.tally.by_symbol)
        for _ in range(min(_AT_ONCE, len(symbols))):
            self._asking = (self._asking + 1) % len(symbols)
            symbol = symbols[self._asking]
            if symbol not in asked and (cue := self._in(symbol, now)) is not None:
                asked[symbol] = buy(symbol, cue.size, price=cue.price)
            if symbol in asked:
                screen.would_admit(asked[symbol], self._state, now)
        return bool(symbols)

    def _familiar(self, now: int) -> Trade | None:
        """A trade where the desk has ordered of late, at which the stand-in wishes for an order of
        that kind; None where there is no such thing."""
        self._note_habit()
        kinds = tuple(self._habits)
        self._habit = None
        if not kinds:
            return None
        self._habits_turn = (self._habits_turn + 1) % len(kinds)
        kind = kinds[self._habits_turn]
        cue = self._in(self._habits[kind].symbol, now)
        if cue is None:
            del self._habits[kind]
        else:
            self._habit = kind
        return cue

    def _note_habit(self) -> None:
        """Remember of what kind the last order was, beside the latest others."""
        placed, habits = self._stage.last_placed, self._habits
        if placed is None or placed is self._placed:
            return
        self._placed = placed
        if placed.type in _USUAL and placed.size is not None and not placed.reduce_only:
            kind = placed.symbol, placed.side, placed.type, placed.time_in_force
            habits.pop(kind, None)
            habits[kind] = placed
            if len(habits) > _HABITS:
                del habits[next(iter(habits))]

    def _cue(self, now: int) -> Trade | None:
        """A trade at the best bid of the next symbol: what the stand-in buys for."""
        symbols = tuple(self._state.instruments)
        if not symbols:
            return None
        self._turn = (self._turn + 1) % len(symbols)
        return self._in(symbols[self._turn], now)

    def _in(self, symbol: str, now: int) -> Trade | None:
        one, touch = self._state.instruments.get(symbol), self._state.touch(symbol)
        if one is None or touch is None:
            return None
        size = _size(one, touch[0])
        return Trade(one.venue, symbol, 0, now, touch[0], size, Side.BUY, 1)


class _Curtain:
    """An outlet from which nothing leaves."""

    encoded_at = 0

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def place(self, order: Order, now: int) -> int:
        self._stage.rehearse(order, now)
        return now


class _Scratch:
    """A journal with a slate of its own in memory; both are wiped when a rehearsal ends."""

    def __init__(self) -> None:
        self._slate = Slate(None, (0, 0), bytes(8), over=self._take)
        pen = self._slate.pen
        self.write: Callable[[Record], None] = self._take if pen is None else pen.write
        self.commit: Callable[[], str] = str if pen is None else pen.commit
        if pen is not None:
            pen.is_open = True

    def _take(self, record: Record) -> None:
        if type(record) is Decided:
            self._slate.note(record)

    failed = ""
    behind_seconds = 0.0

    def settle(self) -> None:
        self._slate.wipe((0, 0), bytes(8))

    def tend(self, now: int) -> None: ...


def _alike(order: Order, price: float) -> Draft:
    """A wish for another order of its kind and size, at this price where it had one."""
    wish = buy if order.side is Side.BUY else sell
    size = None if order.size is None else float(order.size)
    if order.type is OrderType.POST_ONLY:
        return wish(order.symbol, size, price=price, post_only=True)
    if order.type is OrderType.MARKET:
        return wish(order.symbol, size)
    return wish(order.symbol, size, price=price, time_in_force=order.time_in_force)


def _size(one: Instrument, price: float) -> float:
    """A little more than the least that the venue takes."""
    return _AMPLE * max(float(one.min_size), float(one.lot), float(one.min_notional) / price)


def _forms(symbol: str, price: float, size: float) -> Iterator[Draft]:
    """What rules mostly wish."""
    for order in (buy, sell):
        yield order(symbol, size)
        yield order(symbol, size, price=price)
        yield order(symbol, size, price=price, time_in_force="ioc")
        yield order(symbol, size, price=price, post_only=True)


def _modelled_on(engine: Engine, scratch: _Scratch, firing: Rule, *, made_up: bool) -> Engine:
    """An engine of its own that looks at the same market, or at none yet."""
    screen, real = engine.screen, engine.state
    ids = OrderIds(screen.prefix, screen.epoch)
    state = State(ledger=OrderLedger(is_ours=ids.is_ours, keep_finished=1, keep_trades=1))
    state.instruments, limits = real.instruments, _unpaced(screen.limits)
    if made_up:
        limits = msgspec.structs.replace(limits, check_funds=False)
    else:
        state.books, state.quotes, state.partials = real.books, real.quotes, real.partials
        state.stale, state.statuses = real.stale, real.statuses
    return Engine([firing], Screen(limits, ids, scratch, armed=True), state, scratch)


def _unpaced(limits: Limits) -> Limits:
    """The same limits, but those on how many orders there were before, and on what is held: here
    that is nothing."""
    return msgspec.structs.replace(
        limits,
        allow_short=True,
        max_orders_per_second=1 << 30,
        max_orders_per_ten_seconds=1 << 30,
        max_rule_orders_per_ten_seconds=None,
        max_day_orders=None,
        max_day_notional=None,
        max_cancel_ratio=None,
        duplicate_seconds=0.0,
    )


def _over(order: Order, now: int) -> Update:
    return Update("", order.symbol, 0, now, order.id, "", UpdateKind.EXPIRED)


def rehearse_forms(engine: Engine, stage: Stage, clock: Clock) -> int:
    """Go the way of every form of an order once, on any loop, so that no firing is the first of
    its kind: that takes several times as long. How many went; none where nothing may leave yet.

    What raises here keeps no desk from beginning: it is told, and the rest is left out.
    """
    rehearsal = Rehearsal(engine, stage, clock, made_up=True)
    try:
        return rehearsal.forms()
    except Exception:
        logger.exception("no form of an order is rehearsed any more")
        return 0


def keep_warm(engine: Engine, stage: Stage, clock: Clock) -> Rehearsal | None:
    """Rehearse whenever the running loop, one that polls, has nothing to do, until it is closed;
    None on any other."""
    loop = asyncio.get_running_loop()
    if not isinstance(loop, PollingLoop):
        return None
    rehearsal = Rehearsal(engine, stage, clock)
    rehearsal.go_backstage(loop)
    loop.when_idle(rehearsal.step, EVERY_NS)
    return rehearsal
