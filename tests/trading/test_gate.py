"""A million intents against the gate, with fills in flight: the venue's truth is the judge (B12).

A venue of a few lines knows what of every order may still trade. What it says reaches the desk
late, in another order, twice, or not at all; whatever was admitted meanwhile, no limit may be
broken by what the venue holds, by the test's own arithmetic. `make soak` tries a million.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable
from decimal import Decimal

import pytest

from pitwire.model.events import Event
from pitwire.model.orders import Cancel, CancelOrder, Order, OrderType, Place, Side, UpdateKind
from pitwire.trading.journal import Decided, MemoryJournal, Refusal
from pitwire.trading.limits import Limits
from pitwire.trading.stance import Stance
from tests.trading.making import BTC, ETH, SECOND, T0, Desk, fill, quote, update

INTENTS = 1_000
"""In one world; then another begins, with other limits."""
STEP = SECOND // 20
PRICES = [Decimal(price) for price in (95, 98, 99, 100, 101, 102, 105, 120)]
SIZES = [Decimal(size) for size in ("0.1", "0.1", "0.5", "1", "1", "2", "5", "20")]
ZERO = Decimal(0)


class Truth:
    """What the venue holds, and what it has said that is still on its way."""

    def __init__(self, chance: random.Random) -> None:
        self.position: Counter[str] = Counter()
        self.open: dict[str, Order] = {}
        self.left: dict[str, Decimal] = {}
        """Of each open order, what may still trade."""
        self.flying: list[tuple[int, int, Event]] = []
        self._chance, self._trades, self._told = chance, 0, 0

    def receive(self, order: Order, step: int) -> None:
        """An order arrives: it is refused, rests, trades in part or trades whole."""
        assert order.id not in self.left, "an order arrived twice"
        assert order.size is not None
        self.left[order.id] = order.size
        fate = self._chance.random()
        if fate < 0.1:
            self.left[order.id] = ZERO
            self._say(update(order.id, UpdateKind.REJECTED, symbol=order.symbol), step)
            return
        self.open[order.id] = order
        if fate < 0.9:  # of the others the acknowledgement is lost
            self._say(update(order.id, UpdateKind.ACCEPTED, symbol=order.symbol), step)
        if fate < 0.45 or order.type is OrderType.MARKET:
            self.trade(order.id, step, whole=fate < 0.2 or order.type is OrderType.MARKET)

    def trade(self, order_id: str, step: int, *, whole: bool) -> None:
        """Some of an order trades, or all that is left; told once or twice."""
        order, left = self.open[order_id], self.left[order_id]
        size = left if whole or left <= Decimal("0.1") else Decimal("0.1")
        self.left[order_id] = left - size
        self.position[order.symbol] += size if order.side is Side.BUY else -size
        self._trades += 1
        told = fill(order_id, size, order.price or 100, trade_id=str(self._trades),
                    side=order.side, symbol=order.symbol)  # fmt: skip
        self._say(told, step)
        if self._chance.random() < 0.2:
            self._say(told, step)
        if not self.left[order_id]:
            del self.open[order_id]

    def cancel(self, order_id: str, step: int) -> None:
        """A cancel arrives, perhaps too late."""
        order = self.open.pop(order_id, None)
        if order is not None:
            assert order.size is not None
            done = order.size - self.left[order_id]
            self.left[order_id] = ZERO
            told = update(order_id, UpdateKind.CANCELED, symbol=order.symbol, filled=done)
            self._say(told, step)

    def worst(self, symbol: str) -> tuple[Decimal, Decimal]:
        """The largest and the smallest position if everything that is open trades."""
        held = low = self.position[symbol] + ZERO
        for order_id, order in self.open.items():
            if order.symbol == symbol and order.side is Side.BUY:
                held += self.left[order_id]
            elif order.symbol == symbol:
                low -= self.left[order_id]
        return held, low

    def arrived(self, step: int) -> list[Event]:
        """What reaches the desk now, in the order of its arrival."""
        here = sorted((one for one in self.flying if one[0] <= step), key=lambda one: one[:2])
        self.flying = [one for one in self.flying if one[0] > step]
        return [event for _, _, event in here]

    def _say(self, event: Event, step: int) -> None:
        if self._chance.random() < 0.02:
            return  # lost: whoever asks learns it, and here nobody asks
        self._told += 1
        self.flying.append((step + self._chance.randrange(12), self._told, event))


class Trial:
    """One world of intents, and everything that may not be."""

    def __init__(self, seed: int) -> None:
        chance = self._chance = random.Random(seed)
        pick: Callable[..., Decimal | None] = lambda *of: (  # noqa: E731
            Decimal(str(chance.choice(of))) if chance.random() < 0.8 else None
        )
        self.limits = Limits(
            max_order_size=pick(1, 2, 10),
            max_order_notional=pick(60, 150, 400),
            max_position=pick(1, 3, 12),
            collar_percent=pick(1, 3, 5),
            max_open_orders=chance.choice((6, 20)),
            max_open_orders_per_symbol=chance.choice((2, 5, 20)),
            max_orders_per_second=chance.choice((3, 8)),
            max_orders_per_ten_seconds=chance.choice((15, 60)),
            max_exposure=pick(300, 1500) if chance.random() < 0.3 else None,
            max_day_orders=chance.choice((None, None, 200)),
            max_cancel_ratio=pick(1, 3) if chance.random() < 0.3 else None,
            max_unanswered_orders=chance.choice((3, 10, 50)),
            duplicate_seconds=chance.choice((0.0, 0.25, 1.0)),
            allow_short=chance.random() < 0.7,
            check_funds=False,
        )
        self.desk = Desk(limits=self.limits)
        self.desk.journal = MemoryJournal(limit=50)  # enough to look at the last decision
        self.desk.engine.journal = self.desk.screen._journal = self.desk.journal
        self.truth = Truth(chance)
        self.refused: Counter[str] = Counter()
        self.admitted: deque[tuple[int, Place]] = deque()
        self.count = 0
        self.stances: Counter[Stance] = Counter()

    def run(self, intents: int) -> None:
        for step in range(intents):
            self.step(step)

    def step(self, step: int) -> None:
        chance, truth, desk, now = self._chance, self.truth, self.desk, T0 + step * STEP
        for order_id in list(truth.open):
            if chance.random() < 0.05:
                truth.trade(order_id, step, whole=chance.random() < 0.3)
        if not step % 4:
            desk.engine.apply(quote(99.99, 100.01, (now - T0) / SECOND))
            desk.engine.apply(quote(99.99, 100.01, (now - T0) / SECOND, symbol=ETH))
        for event in truth.arrived(step):
            desk.engine.apply(event)
        self._throw_switches(now)
        self._cancel_some(step, now)
        place = self._intent()
        before = desk.screen.stance
        self.stances[before] += 1
        commands = desk.screen.admit([place], desk.state, now)
        if not commands:
            refusal = desk.journal.records[-1]
            assert isinstance(refusal, Refusal)
            assert refusal.value, "a refusal tells the number that it saw"
            assert refusal.allowed
            self.refused[refusal.limit] += 1
            return
        [order] = commands
        assert isinstance(order, Order)
        assert before in (Stance.TRADE, Stance.REDUCE_ONLY)
        assert isinstance(desk.journal.records[-1], Decided)
        if before is Stance.REDUCE_ONLY:
            held = desk.state.portfolio.position(order.symbol)
            assert held < 0 if order.side is Side.BUY else held > 0
            assert order.size is not None
            assert order.size <= abs(held)
        if chance.random() < 0.3:  # more is heard between the decision and the sending
            for event in truth.arrived(step + 6):
                desk.engine.apply(event)
        assert desk.engine.may_leave(order, now)
        desk.engine.sent(order, now)
        truth.receive(order, step)
        self._judge(order, place, now)

    def _intent(self) -> Place:
        chance = self._chance
        kind = chance.choice((OrderType.LIMIT, OrderType.LIMIT, OrderType.MARKET))
        return Place(
            symbol=chance.choice((BTC, BTC, ETH)),
            side=chance.choice(tuple(Side)),
            type=kind,
            size=chance.choice(SIZES),
            price=None if kind is OrderType.MARKET else chance.choice(PRICES),
            rule=chance.choice("ab"),
        )

    def _cancel_some(self, step: int, now: int) -> None:
        if self._chance.random() < 0.15 or self.desk.screen.halted:
            wish = Cancel(symbol=self._chance.choice((BTC, ETH)), rule="a")
            for command in self.desk.screen.admit([wish], self.desk.state, now):
                assert isinstance(command, CancelOrder)
                self.desk.engine.sent(command, now)
                self.truth.cancel(command.order_id, step)

    def _throw_switches(self, now: int) -> None:
        chance, screen = self._chance, self.desk.screen
        what = chance.random()
        if screen.halted or screen.reducing:
            if what < 0.05:
                screen.resume("a person", now)
        elif what < 0.002:
            screen.throw("enough", "a person", now)
        elif what < 0.005:
            screen.restrict("a drawdown", "risk", now)

    def _judge(self, order: Order, place: Place, now: int) -> None:
        """By the venue's truth and arithmetic of our own: nothing of what is limited is beyond."""
        limits, truth = self.limits, self.truth
        self.count += 1
        assert order.size is not None
        best = Decimal("100.01") if order.side is Side.BUY else Decimal("99.99")
        price = order.price or best
        within(order.size, limits.max_order_size)
        within(order.size * price, limits.max_order_notional)
        if limits.collar_percent is not None and order.price is not None:
            away = order.price - best if order.side is Side.BUY else best - order.price
            within(away / best * 100, limits.collar_percent)
        high, low = truth.worst(order.symbol)
        within(high if order.side is Side.BUY else -low, limits.max_position)
        if not limits.allow_short and order.side is Side.SELL:
            assert low >= 0
        here = sum(1 for one in truth.open.values() if one.symbol == order.symbol)
        within(here, limits.max_open_orders_per_symbol)
        within(len(truth.open), limits.max_open_orders)
        within(self.count, limits.max_day_orders)
        while self.admitted and self.admitted[0][0] <= now - 10 * SECOND:
            self.admitted.popleft()
        for at, other in self.admitted:
            if now - at < limits.duplicate_seconds * SECOND:
                assert other != place, "the same order again"
        self.admitted.append((now, place))
        within(len(self.admitted), limits.max_orders_per_ten_seconds)
        lately = sum(1 for at, _ in self.admitted if at > now - SECOND)
        within(lately, limits.max_orders_per_second)


def within(found: Decimal | int, allowed: Decimal | int | None) -> None:
    assert allowed is None or found <= allowed, (found, allowed)


def tried(seeds: range) -> tuple[Counter[str], int, Counter[Stance]]:
    refused: Counter[str] = Counter()
    stances: Counter[Stance] = Counter()
    admitted = 0
    for seed in seeds:
        trial = Trial(seed)
        try:
            trial.run(INTENTS)
        except AssertionError as error:
            raise AssertionError(f"Trial({seed}).run({INTENTS}): {error}") from error
        refused += trial.refused
        admitted += trial.count
        stances += trial.stances
    return refused, admitted, stances


def test_twenty_thousand_intents_break_no_limit_and_meet_every_one() -> None:
    refused, admitted, stances = tried(range(20))
    assert admitted > 1_000
    met = {
        "max_order_size", "max_order_notional", "collar_percent", "max_position", "allow_short",
        "max_open_orders_per_symbol", "max_open_orders", "max_orders_per_second",
        "max_unanswered_orders", "duplicate", "halt", "reducing",
    }  # fmt: skip
    assert met <= refused.keys(), met - refused.keys()
    assert {Stance.TRADE, Stance.HALT, Stance.REDUCE_ONLY} <= stances.keys()


@pytest.mark.soak
@pytest.mark.parametrize("part", range(20))
def test_a_million_intents_break_no_limit(part: int) -> None:
    _, admitted, _ = tried(range(1_000 + 50 * part, 1_050 + 50 * part))
    assert admitted > 2_000
