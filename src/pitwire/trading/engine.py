"""The engine: events in, approved commands out.

House rules: `apply` for every event, `decide` once a burst; a rule costs only the events it
watches; what a rule raises is caught here and nowhere else, benches that rule, and nothing more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from heapq import heappop, heappush
from typing import Any, cast

import msgspec

from pitwire.model import events as ev
from pitwire.model.errors import ConfigError
from pitwire.model.events import EVENTS, Event
from pitwire.model.orders import (
    AmendOrder,
    CancelOrder,
    Cause,
    Command,
    Order,
    Replace,
    ReplaceOrder,
)
from pitwire.trading import journal as records
from pitwire.trading.journal import NOTED, Came, Journal, Noted
from pitwire.trading.limits import day_marks
from pitwire.trading.oversight import Oversight
from pitwire.trading.risk import Screen
from pitwire.trading.rules import FunctionRule, Rule, Watch
from pitwire.trading.state import State
from pitwire.trading.tracked import Change, Question
from pitwire.trading.wishes import Draft, DraftReplace, Wish, check_wish, is_plain_draft, is_text

_DAY = 86_400_000_000_000
_SOONEST = 1_000_000
"""A rule that is awake sleeps at least this long, ns."""
_SPARE = 64
"""Wakes that are over may wait for the next sweep, this many beyond two a rule."""


class _Seat:
    """A rule in the engine."""

    __slots__ = ("benched", "each", "number", "rule", "wake", "wake_of")

    def __init__(self, rule: Rule, number: int) -> None:
        if not is_text(rule.name):
            raise ConfigError(where="rule", found=rule.name, expected="a name that is text")
        self.rule = rule
        self.number = number
        self.benched = False
        self.wake: int | None = None
        self.wake_of: Callable[[], int | None] | None = getattr(rule, "next_wake", None)
        if type(rule) is FunctionRule and not rule.by_clock:
            self.wake_of = None  # never: nobody need ask


class _Row:
    """Who is concerned by one type of event."""

    __slots__ = ("anyone", "by_symbol", "marked", "noted", "take")

    def __init__(
        self, take: Callable[[Any], Change | None], *, noted: bool, marked: bool = False
    ) -> None:
        self.take = take
        """What the state does with it."""
        self.noted = noted
        self.marked = marked
        """Whether such an event may be history."""
        self.by_symbol: dict[str, tuple[tuple[_Seat, Watch], ...]] = {}
        self.anyone: tuple[tuple[_Seat, Watch], ...] = ()


def _untouched(_event: Event) -> None:
    """The state knows nothing of this kind."""


class Engine:
    """State, rules, screen and journal, and the few lines that join them."""

    __slots__ = (
        "_day", "_due", "_nobody", "_oversight", "_rows", "_seats", "_tomorrow", "_wakes",
        "_wishes", "hearing", "journal", "screen", "state",
    )  # fmt: skip

    def __init__(
        self, rules: Iterable[Rule], screen: Screen, state: State, journal: Journal
    ) -> None:
        self.state = state
        self.screen = screen
        self.journal = journal
        self._oversight = Oversight(screen, state, journal)
        self._seats = [_Seat(rule, number) for number, rule in enumerate(rules)]
        self._rows: dict[type[Event], _Row] = {}
        self._nobody = _Row(_untouched, noted=False)
        self._wishes: list[Wish] = []
        self._due: dict[_Seat, Event] = {}
        self._wakes: list[tuple[int, int]] = []
        self._day, self._tomorrow = -1, 0
        self.hearing: Rule | None = None
        """The rule whose turn it is now; another thread may ask who holds everything up."""
        self._index()
        for seat in self._seats:
            if seat.wake_of is not None:
                self._note_wake(seat, seat.wake_of(), 0)

    @property
    def rules(self) -> list[Rule]:
        """The rules that are heard; benched ones are not among them."""
        return [seat.rule for seat in self._seats if not seat.benched]

    def apply(self, event: Event) -> Change | None:
        """Take one event: the state changes, and rules that watch each one are shown it."""
        row = self._rows.get(event.__class__, self._nobody)
        if row.noted:  # what the venue said is written before it changes anything
            self.journal.write(Came(at=event.received, event=cast(Noted, event)))
        state = self.state  # as `State.apply` has it, without looking its taker up again
        state.event = event
        state.now = event.received
        change = row.take(event)
        if row.noted:
            if change is not None:
                self.journal.write(change)
            self._write_disagreements()
            if change is None and isinstance(event, ev.Fill | ev.Update):
                return None  # a copy, or about nobody: a rule that hedges must not hedge twice
        seats = row.by_symbol.get(event.symbol, row.anyone)
        if not seats:
            return change
        history = row.marked and event.backfilled  # type: ignore[attr-defined]
        for seat, watch in seats:
            if history and not watch.history:
                continue
            if watch.option and getattr(event, "interval", "") != watch.option:
                continue
            if watch.each:
                self._hear(seat, event, event.received)
            else:
                self._due[seat] = event
        return change

    def decide(self, now: int) -> list[Command]:
        """Ask the rules that look at the state alone, then let risk choose."""
        if now < self._tomorrow and not (self._due or self._wakes):
            if not self._wishes:
                return []  # nearly every burst
            wishes, self._wishes = self._wishes, []  # as `_collect` would, with nobody to ask
        else:
            wishes = self._collect(now)
        if self.state.portfolio.unpriced:
            self._price_day(now)
        return self.screen.admit(wishes, self.state, now) if wishes else []

    def next_wake(self) -> int | None:
        """When `decide` should be called though nothing came; None when nobody waits."""
        while self._wakes and self._is_over(*self._wakes[0]):
            heappop(self._wakes)
        return self._wakes[0][0] if self._wakes else None

    def may_leave(self, command: Command, now: int) -> bool:
        """Whether this command was decided and has not left yet; asked once, before it is sent.

        What was not decided by the screen, or was sent before, never leaves, and is a halt.
        """
        wrong = self.screen.conduct.leaving(command)
        if wrong:
            self.screen.throw(wrong, "engine", now)
        return not wrong

    def sent(self, command: Command, now: int, sent: int = 0) -> None:
        """The bytes of this command left, at `sent` by our clock (0: they wait for their turn)."""
        self.state.ledger.sent(command, now)
        self.journal.write(records.Left(at=now, command=command, sent=sent))
        self._write_disagreements()

    def written(self, order_id: str, at: int) -> None:
        """The bytes of an order that went over HTTP were given to the socket then."""
        tracked = self.state.ledger.find(order_id)
        symbol = "" if tracked is None else tracked.symbol
        self.journal.write(records.Written(at=at, order_id=order_id, symbol=symbol))

    def unanswered(self, command: Command, now: int) -> None:
        """Nobody waits for an answer to this command, which may have left: the venue is asked."""
        what, order_id, symbol = _asked(command)
        self.apply(ev.Unanswered("", symbol, 0, now, order_id, what, 0.0))

    def dropped(self, command: Command, why: str, now: int) -> Change | None:
        """This command will never leave."""
        self.screen.conduct.dropped(command)
        self.journal.write(records.Dropped(at=now, command=command, why=why))
        change = self.state.ledger.dropped(command, now, why)
        if change is not None:
            self.journal.write(change)
        return change

    def lost(self, now: int) -> list[Change]:
        """The order connection broke: what was sent and not answered is unknown."""
        self.journal.write(records.OrdersLost(at=now))
        changes = self.state.ledger.lost(now)
        for change in changes:
            self.journal.write(change)
        return changes

    def halt(self, reason: str, by: str, now: int) -> list[Command]:
        """A person throws the kill switch; the cancels to send."""
        commands = self.screen.halt(reason, by, self.state, now)
        for command in commands:
            self.journal.write(records.Decided(at=now, command=command))
        return commands

    def tend(self, now: int) -> list[Command]:
        """Time has passed: what that alone brings about; the cancels to send."""
        if self.state.portfolio.unpriced:
            self._price_day(now)
        commands = self._oversight.tend(now)
        for command in commands:
            self.journal.write(records.Decided(at=now, command=command))
        wishes = self.state.ledger.pursuit.due(self.state.reached_at)
        return commands + self.screen.admit(wishes, self.state, now) if wishes else commands

    def differed(self, what: str, name: str, ours: Decimal, theirs: Decimal, now: int) -> None:
        """Our count and the venue's do not agree, or agree again."""
        self.journal.write(records.Differed(at=now, what=what, name=name, ours=ours, theirs=theirs))

    def questions(self, now: int, most: int = 1_000_000) -> list[Question]:
        """Orders that the venue must be asked about now; `state.ledger.next_question` says when."""
        questions = self.state.ledger.due_questions(now, most)
        self._write_disagreements()
        return questions

    # ── hearing rules ─────────────────────────────────────────────────────────────────────────

    def _collect(self, now: int) -> list[Wish]:
        """Everything wished since the last burst."""
        day = now // _DAY
        if day != self._day:
            self._start_day(day, now)
        due, self._due = self._due, {}
        for seat, event in due.items():
            self._hear(seat, event, now)
        if self._wakes:
            for seat in self._awake(now):
                self._hear(seat, None, now)
        wishes, self._wishes = self._wishes, []
        return wishes

    def _hear(self, seat: _Seat, event: Event | None, now: int) -> None:
        if seat.benched:
            return
        self.state.event = event
        self.hearing = seat.rule
        try:
            wishes = list(seat.rule.react(self.state, now))
            for wish in wishes:
                if not is_plain_draft(wish):
                    check_wish(wish)
            if seat.wake_of is not None:
                self._note_wake(seat, seat.wake_of(), now + _SOONEST)
        except Exception as error:  # noqa: BLE001 - the border around a user's rule
            self._bench(seat, error, event, now)
            return
        finally:
            self.hearing = None
        if wishes:
            cause, name = cause_of(event, now), seat.rule.name
            for wish in wishes:
                self._wishes.append(_signed(wish, name, cause))

    def _bench(self, seat: _Seat, error: Exception, event: Event | None, now: int) -> None:
        seat.benched = True
        self.journal.write(
            records.Benched(
                at=now,
                rule=seat.rule.name,
                error=type(error).__name__,
                text=str(error),
                event="" if event is None else type(event).__name__,
                symbol="" if event is None else event.symbol,
            )
        )
        text = f"rule {seat.rule.name} is benched: {type(error).__name__}: {error}"
        self.journal.write(records.Alerted(at=now, text=text, level="error", rule=seat.rule.name))

    # ── timers ────────────────────────────────────────────────────────────────────────────────

    def _note_wake(self, seat: _Seat, wake: int | None, soonest: int) -> None:
        """When a rule wants to wake. A time that has passed must not become a busy loop."""
        if wake is not None and wake < soonest:
            wake = soonest
        if wake != seat.wake:
            seat.wake = wake
            if wake is not None:
                heappush(self._wakes, (wake, seat.number))
                if len(self._wakes) > 2 * len(self._seats) + _SPARE:
                    self._sweep()

    def _sweep(self) -> None:
        """Forget times that nobody waits for any more; one a rule is left."""
        self._wakes = sorted({one for one in self._wakes if not self._is_over(*one)})

    def _is_over(self, wake: int, number: int) -> bool:
        seat = self._seats[number]
        return seat.benched or seat.wake != wake

    def _awake(self, now: int) -> list[_Seat]:
        awake = []
        while (wake := self.next_wake()) is not None and wake <= now:
            seat = self._seats[heappop(self._wakes)[1]]
            seat.wake = None
            awake.append(seat)
        return awake

    def _start_day(self, day: int, now: int) -> None:
        self._day, self._tomorrow = day, (day + 1) * _DAY
        if self.state.portfolio.start_day(day, day_marks(self.state)):
            self._write_day(now)

    def _price_day(self, now: int) -> None:
        """Some positions had no price when the day began, as where a desk starts with them."""
        portfolio = self.state.portfolio
        if portfolio.price_day(day_marks(self.state, portfolio.unpriced)):
            self._write_day(now)

    def _write_day(self, now: int) -> None:
        portfolio = self.state.portfolio
        begun = records.DayStarted(
            at=now,
            day=portfolio.day,
            results=portfolio.day_starts(),
            unpriced=tuple(sorted(portfolio.unpriced)),
            left=portfolio.left,
        )
        self.journal.write(begun)

    # ── writing ───────────────────────────────────────────────────────────────────────────────

    def _write_disagreements(self) -> None:
        for disagreement in self.state.ledger.take_disagreements():
            self.journal.write(disagreement)

    def _index(self) -> None:
        """Who watches what, so that an event finds them without asking anybody else."""
        takers = self.state.takers
        self._rows = {
            kind: _Row(
                takers.get(kind, _untouched),
                noted=kind in NOTED,
                marked="backfilled" in kind.__struct_fields__,
            )
            for kind in EVENTS
        }
        for seat in self._seats:
            for watch in _single(seat.rule.watches):
                row = self._rows[watch.event]
                if watch.symbol:
                    there = row.by_symbol.get(watch.symbol, row.anyone)
                    row.by_symbol[watch.symbol] = (*there, (seat, watch))
                else:
                    row.anyone = (*row.anyone, (seat, watch))
                    for symbol, there in row.by_symbol.items():
                        row.by_symbol[symbol] = (*there, (seat, watch))


def cause_of(event: Event | None, now: int) -> Cause:
    """What made a rule act, in the words of a record."""
    if event is None:
        return Cause(event="Timer", symbol="", venue_time=0, received=now)
    if isinstance(event, ev.Trade):  # what most rules fire at: without a call
        told = f"price {event.price!r} size {event.size!r} id {event.trade_id}"
    else:
        told = _detail(event)
    # By position: by name it takes twice as long.
    return Cause(event.__class__.__name__, event.symbol, event.venue_time, event.received, told)


def _detail(event: Event) -> str:
    match event:
        case ev.AggregateTrade():
            return f"price {event.price!r} size {event.size!r} id {event.aggregate_id}"
        case ev.Quote():
            return f"bid {event.bid!r} ask {event.ask!r} id {event.update_id}"
        case ev.BookSnapshot() | ev.BookDelta() | ev.PartialBook():
            return f"book id {event.last_id}"
        case ev.Bar():
            return f"{event.interval} close {event.close!r}"
        case ev.Update():
            return f"order {event.order_id} {event.update}"
        case ev.Fill():
            return f"order {event.order_id} trade {event.trade_id} price {event.price}"
        case _:
            return ""


def _asked(command: Command) -> tuple[str, str, str]:
    """What a command asks for, of which order, in which symbol."""
    match command:
        case Order():
            return "place", command.id, command.symbol
        case CancelOrder():
            return "cancel", command.order_id, command.symbol
        case AmendOrder():
            return "amend", command.order_id, command.symbol
        case ReplaceOrder():
            return "replace", command.order_id, command.order.symbol


def _single(watches: Iterable[Watch]) -> list[Watch]:
    """One watch an event type and symbol: to be shown each one wins over once a burst.

    Who wants the history of an event type in one watch has it in all.
    """
    found: dict[tuple[type[Event], str, str], Watch] = {}
    watches = tuple(watches)
    history = {watch.event for watch in watches if watch.history}
    for watch in watches:
        key = (watch.event, watch.symbol, watch.option)
        if key not in found or watch.each:
            found[key] = msgspec.structs.replace(watch, history=watch.event in history)
    everywhere = {(watch.event, watch.each) for watch in found.values() if not watch.symbol}
    return [
        watch
        for watch in found.values()
        if not watch.symbol or (watch.event, watch.each) not in everywhere
    ]


def _signed(wish: Wish, rule: str, cause: Cause) -> Wish:
    """The wish with the rule's name and the cause written on it."""
    rule, cause = wish.rule or rule, wish.cause or cause
    if type(wish) is Draft:  # nearly every wish; by position, in half the time of a copy
        return Draft(
            wish.symbol, wish.side, wish.type, wish.size, wish.quote_size, wish.price,
            wish.stop_price, wish.time_in_force, wish.reduce_only, wish.protective, wish.tag,
            rule, cause,
        )  # fmt: skip
    if isinstance(wish, Replace):
        place = msgspec.structs.replace(wish.place, rule=rule, cause=cause)
        return msgspec.structs.replace(wish, rule=rule, cause=cause, place=place)
    if isinstance(wish, DraftReplace):
        draft = msgspec.structs.replace(wish.draft, rule=rule, cause=cause)
        return msgspec.structs.replace(wish, rule=rule, cause=cause, draft=draft)
    return msgspec.structs.replace(wish, rule=rule, cause=cause)
