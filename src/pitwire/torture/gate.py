"""A desk's gate against any number of intents, fills in flight; the venue's truth is the judge.

`python -m pitwire.torture.gate SEED WORLDS` tries so many worlds of a thousand intents and prints
one JSON object (B12). A venue of a few lines knows what of every order may still trade. What it
says reaches the desk late, in another order, twice, or not at all.

House rules: whatever was admitted meanwhile, no limit may be broken by what the venue holds, by
this module's own arithmetic; what the gate itself believes is not asked.
"""

from __future__ import annotations

import sys
from collections import Counter, deque
from decimal import Decimal
from functools import partial

import msgspec

from pitwire.model.clock import SECOND
from pitwire.model.entropy import Chance, Entropy
from pitwire.model.events import Event, Fill, Quote, Update
from pitwire.model.instruments import Instrument
from pitwire.model.orders import (
    CONDITIONAL,
    Amend,
    AmendOrder,
    Cancel,
    CancelOrder,
    Order,
    OrderType,
    Place,
    Replace,
    ReplaceOrder,
    Side,
    TimeInForce,
    UpdateKind,
)
from pitwire.trading.engine import Engine
from pitwire.trading.ids import OrderIds
from pitwire.trading.journal import Decided, MemoryJournal, Record, Refusal
from pitwire.trading.ledger import OrderLedger
from pitwire.trading.limits import Limits
from pitwire.trading.risk import Screen
from pitwire.trading.stance import Stance
from pitwire.trading.state import State

BTC, ETH = "BTC-USDT", "ETH-USDT"
T0 = 1_700_000_000 * SECOND
INTENTS = 1_000
"""In one world; then another begins, with other limits."""
STEP = SECOND // 20
PRICES = [Decimal(price) for price in (95, 98, 99, 100, 101, 102, 105, 120)]
SIZES = [Decimal(size) for size in ("0.1", "0.1", "0.5", "1", "1", "2", "5", "20")]
ZERO = Decimal(0)


class Broken(Exception):
    """What may never be."""


def demand(holds: bool, what: str) -> None:
    """Raises `Broken`."""
    if not holds:
        raise Broken(what)


def within(what: str, found: Decimal | int, allowed: Decimal | int | None) -> None:
    """Raises `Broken` when a limit is."""
    demand(allowed is None or found <= allowed, f"{what}: found {found}, allowed {allowed}")


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """What came of some worlds."""

    intents: int
    admitted: int
    refused: dict[str, int]
    """By limit."""
    stances: dict[str, int]
    """In which of them intents came."""
    made: dict[str, int]
    """What was admitted, by kind of command."""


class GateVenue:
    """What the venue holds, and what it has said that is still on its way."""

    def __init__(self, chance: Chance) -> None:
        self.position = {BTC: ZERO, ETH: ZERO}
        self.open: dict[str, Order] = {}
        self.left: dict[str, Decimal] = {}
        """Of each open order, what may still trade."""
        self.flying: list[tuple[int, int, Event]] = []
        self._chance, self._trades, self._told = chance, 0, 0

    def receive(self, order: Order, step: int) -> None:
        """An order arrives: it is refused, rests, trades in part or trades whole."""
        demand(order.id not in self.left, "an order arrived twice")
        assert order.size is not None
        self.left[order.id] = order.size
        fate = self._chance.random()
        if fate < 0.1:
            self.left[order.id] = ZERO
            self._say(_update(order, UpdateKind.REJECTED), step)
            return
        self.open[order.id] = order
        if fate < 0.9:  # of the others the acknowledgement is lost
            self._say(_update(order, UpdateKind.ACCEPTED), step)
        if fate < 0.45 or order.type is OrderType.MARKET:
            self.trade(order.id, step, whole=fate < 0.2 or order.type is OrderType.MARKET)
        if order.time_in_force is TimeInForce.IOC:
            self.cancel(order.id, step)

    def trade(self, order_id: str, step: int, *, whole: bool) -> None:
        """Some of an order trades, or all that is left; told once or twice."""
        order, left = self.open[order_id], self.left[order_id]
        size = left if whole or left <= Decimal("0.1") else Decimal("0.1")
        self.left[order_id] = left - size
        self.position[order.symbol] += size if order.side is Side.BUY else -size
        self._trades += 1
        told = _fill(order, size, str(self._trades))
        self._say(told, step)
        if self._chance.random() < 0.2:
            self._say(told, step)
        if not self.left[order_id]:
            del self.open[order_id]

    def replace(self, command: ReplaceOrder, step: int) -> None:
        """A replacement arrives: where the old order is not as it must be, nothing is done."""
        old, new = self.open.get(command.order_id), command.order
        traded = old is None or self.left[old.id] != old.size
        if old is None or (command.untouched and traded):
            demand(new.id not in self.left, "an order arrived twice")
            self.left[new.id] = ZERO
            self._say(_update(new, UpdateKind.REJECTED), step)
            return
        self.cancel(old.id, step)
        self.receive(new, step)

    def amend(self, command: AmendOrder, step: int) -> None:
        """An order becomes smaller, unless more than that has traded."""
        order = self.open.get(command.order_id)
        if order is None or order.size is None:
            return
        done = order.size - self.left[order.id]
        if done < command.size < order.size:
            self.open[order.id] = order = msgspec.structs.replace(order, size=command.size)
            self.left[order.id] = command.size - done
            self._say(_update(order, UpdateKind.AMENDED, done), step)

    def cancel(self, order_id: str, step: int) -> None:
        """A cancel arrives, perhaps too late."""
        order = self.open.pop(order_id, None)
        if order is not None:
            assert order.size is not None
            done = order.size - self.left[order_id]
            self.left[order_id] = ZERO
            told = _update(order, UpdateKind.CANCELED, done)
            self._say(told, step)

    def worst(self, symbol: str) -> tuple[Decimal, Decimal]:
        """The largest and the smallest position if everything that is open trades."""
        held = low = self.position[symbol]
        for order_id, order in self.open.items():
            if order.symbol == symbol and order.side is Side.BUY:
                held += self.left[order_id]
            elif order.symbol == symbol:
                low -= self.left[order_id]
        return held, low

    def resting(self, order: Order, but: str) -> Decimal:
        """What other orders of its side may still trade in its symbol: stops, where it is one."""
        return sum(
            (
                self.left[order_id]
                for order_id, one in self.open.items()
                if (one.symbol, one.side) == (order.symbol, order.side)
                and (one.type in CONDITIONAL) is (order.type in CONDITIONAL)
                and order_id != but
            ),
            ZERO,
        )

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


def at_once(order: Order) -> bool:
    """Whether it trades at once or never."""
    return order.type is OrderType.MARKET or order.time_in_force is TimeInForce.IOC


def _limit(chance: Chance, *of: float) -> Decimal | None:
    """One of these, or none at all."""
    return Decimal(str(chance.choice(of))) if chance.random() < 0.8 else None


class GateTrial:
    """One world of intents, and everything that may not be."""

    def __init__(self, seed: int) -> None:
        chance = self._chance = Entropy(seed).stream("gate")
        pick = partial(_limit, chance)
        self.limits = Limits(
            max_order_size=pick(1, 2, 10),
            max_order_notional=pick(60, 150, 400),
            max_position=pick(1, 3, 12),
            collar_percent=pick(1, 3, 5),
            max_open_orders=chance.choice((6, 20)),
            max_open_orders_per_symbol=chance.choice((2, 5, 20)),
            max_orders_per_second=chance.choice((3, 8)),
            max_orders_per_ten_seconds=chance.choice((15, 60)),
            max_exposure=pick(120, 400) if chance.random() < 0.4 else None,
            max_day_orders=chance.choice((None, None, 200)),
            max_cancel_ratio=pick(0.2, 1) if chance.random() < 0.3 else None,
            max_unanswered_orders=chance.choice((3, 10, 50)),
            duplicate_seconds=chance.choice((0.0, 0.25, 1.0)),
            allow_short=chance.random() < 0.7,
            check_funds=False,
        )
        self.journal = MemoryJournal(limit=50)  # enough to look at the last decision
        ids = OrderIds("t", 1)
        self.screen = Screen(self.limits, ids, self.journal, armed=True)
        listed = [_instrument(symbol) for symbol in (BTC, ETH)]
        self.state = State(listed, ledger=OrderLedger(is_ours=ids.is_ours))
        self.engine = Engine((), self.screen, self.state, self.journal)
        self.truth = GateVenue(chance)
        self.refused: Counter[str] = Counter()
        self.admitted: deque[tuple[int, Place]] = deque()
        self.placed: deque[int] = deque()
        self.cancelled: deque[int] = deque()
        """When orders were admitted and cancels left in the last minute."""
        self.made: Counter[str] = Counter()
        self.count = 0
        self.stances: Counter[Stance] = Counter()

    def run(self, intents: int) -> None:
        for step in range(intents):
            self.step(step)

    def step(self, step: int) -> None:
        chance, truth, now = self._chance, self.truth, T0 + step * STEP
        for order_id in list(truth.open):
            if chance.random() < 0.05:
                truth.trade(order_id, step, whole=chance.random() < 0.3)
        if not step % 4:
            self.engine.apply(_quote(BTC, now))
            self.engine.apply(_quote(ETH, now))
        for event in truth.arrived(step):
            self.engine.apply(event)
        self._throw_switches(now)
        self._cancel_some(step, now)
        wish = self._wish()
        before = self.screen.stance
        self.stances[before] += 1
        commands = self.screen.admit([wish], self.state, now)
        if not commands:
            self._refused(self.journal.records[-1])
            return
        [command] = commands
        demand(
            before in (Stance.TRADE, Stance.REDUCE_ONLY), f"{type(command).__name__} in {before}"
        )
        demand(type(self.journal.records[-1]) is Decided, "a decision is on record")
        self.made[type(command).__name__] += 1
        if isinstance(command, AmendOrder):
            self.engine.sent(command, now)
            truth.amend(command, step)
            return
        assert isinstance(command, Order | ReplaceOrder)
        assert isinstance(wish, Place | Replace)
        order = command if isinstance(command, Order) else command.order
        replaces = "" if isinstance(command, Order) else command.order_id
        if before is Stance.REDUCE_ONLY or order.reduce_only or self._is_used_up(now):
            held = self.state.portfolio.position(order.symbol)
            demand(held < 0 if order.side is Side.BUY else held > 0, "it reduces")
            assert order.size is not None
            coming = ZERO if at_once(order) else truth.resting(order, replaces)
            within("what is held", order.size + coming, abs(held))
        if chance.random() < 0.3:  # more is heard between the decision and the sending
            for event in truth.arrived(step + 6):
                self.engine.apply(event)
        demand(self.engine.may_leave(command, now), "it may leave once it is decided")
        self.engine.sent(command, now)
        if isinstance(command, Order):
            truth.receive(command, step)
        else:
            truth.replace(command, step)
        self._judge(order, wish if isinstance(wish, Place) else wish.place, now)

    def _is_used_up(self, now: int) -> bool:
        """Whether there were as many orders today, or cancels lately, as there may be."""
        day, ratio = self.limits.max_day_orders, self.limits.max_cancel_ratio
        since = now - 60 * SECOND
        while self.placed and self.placed[0] <= since:
            self.placed.popleft()
        while self.cancelled and self.cancelled[0] <= since:
            self.cancelled.popleft()
        orders, cancels = len(self.placed), len(self.cancelled)
        churns = ratio is not None and orders >= 20 and cancels > ratio * orders
        return churns or (day is not None and self.count >= day)

    def _wish(self) -> Place | Replace | Amend:
        """What is wished for: mostly an order, and now and then another size or place for one."""
        chance, ours = self._chance, list(self.state.ledger.open)
        kind = chance.random()
        if not ours or kind < 0.8:
            return self._intent()
        old = self.state.ledger.open[chance.choice(ours)]
        if kind < 0.9 or old.size is None:
            return Replace(order_id=old.id, place=self._intent(), rule="a")
        return Amend(order_id=old.id, size=old.size / 2, rule="a")

    def _refused(self, record: Record) -> None:
        demand(isinstance(record, Refusal), "a refusal is on record")
        assert isinstance(record, Refusal)
        demand(bool(record.value and record.allowed), "a refusal tells the number that it saw")
        self.refused[record.limit] += 1

    def _intent(self) -> Place:
        chance = self._chance
        kind = chance.choice(
            (OrderType.LIMIT, OrderType.LIMIT, OrderType.MARKET, OrderType.STOP_LIMIT)
        )
        place = Place(
            symbol=chance.choice((BTC, BTC, ETH)),
            side=chance.choice(tuple(Side)),
            type=kind,
            size=chance.choice(SIZES),
            price=None if kind is OrderType.MARKET else chance.choice(PRICES),
            rule=chance.choice("ab"),
        )
        if kind is OrderType.STOP_LIMIT:
            return msgspec.structs.replace(place, stop_price=chance.choice(PRICES))
        if chance.random() < 0.1:
            return msgspec.structs.replace(place, reduce_only=True)
        if kind is OrderType.LIMIT and chance.random() < 0.1:
            return msgspec.structs.replace(place, time_in_force=TimeInForce.IOC)
        return place

    def _cancel_some(self, step: int, now: int) -> None:
        if self._chance.random() < 0.15 or self.screen.halted:
            wish = Cancel(symbol=self._chance.choice((BTC, ETH)), rule="a")
            for command in self.screen.admit([wish], self.state, now):
                assert isinstance(command, CancelOrder)
                self.engine.sent(command, now)
                self.cancelled.append(now)
                self.truth.cancel(command.order_id, step)

    def _throw_switches(self, now: int) -> None:
        chance, screen = self._chance, self.screen
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
        self.placed.append(now)
        assert order.size is not None
        best = Decimal("100.01") if order.side is Side.BUY else Decimal("99.99")
        price = order.price or best
        within("max_order_size", order.size, limits.max_order_size)
        within("max_order_notional", order.size * price, limits.max_order_notional)
        best = order.stop_price or best
        if limits.collar_percent is not None and order.price is not None:
            away = order.price - best if order.side is Side.BUY else best - order.price
            within("collar_percent", away / best * 100, limits.collar_percent)
        high, low = truth.worst(order.symbol)
        within("max_position", high if order.side is Side.BUY else -low, limits.max_position)
        if not limits.allow_short and order.side is Side.SELL:
            demand(low >= 0, "allow_short")
        held = self.state.portfolio.position(order.symbol)
        if not (held < 0 if order.side is Side.BUY else held > 0):  # what may reduce passes
            worst = sum((max(map(abs, truth.worst(one))) for one in (BTC, ETH)), ZERO)
            within("max_exposure", worst * min(PRICES), limits.max_exposure)
        here = sum(1 for one in truth.open.values() if one.symbol == order.symbol)
        within("max_open_orders_per_symbol", here, limits.max_open_orders_per_symbol)
        within("max_open_orders", len(truth.open), limits.max_open_orders)
        while self.admitted and self.admitted[0][0] <= now - 10 * SECOND:
            self.admitted.popleft()
        for at, other in self.admitted:
            if now - at < limits.duplicate_seconds * SECOND:
                demand(other != place, "the same order again")
        self.admitted.append((now, place))
        within("max_orders_per_ten_seconds", len(self.admitted), limits.max_orders_per_ten_seconds)
        lately = sum(1 for at, _ in self.admitted if at > now - SECOND)
        within("max_orders_per_second", lately, limits.max_orders_per_second)


def try_gate(seeds: range, intents: int = INTENTS) -> Tried:
    """Try these worlds; raises `Broken` naming the one in which something was."""
    refused, stances, made, admitted = Counter[str](), Counter[str](), Counter[str](), 0
    for seed in seeds:
        trial = GateTrial(seed)
        try:
            trial.run(intents)
        except Broken as broken:
            raise Broken(f"GateTrial({seed}).run({intents}): {broken}") from None
        refused += trial.refused
        admitted += trial.count
        made += trial.made
        stances += Counter({str(one): count for one, count in trial.stances.items()})
    return Tried(intents=len(seeds) * intents, admitted=admitted, refused=dict(refused),
                 stances=dict(stances), made=dict(made))  # fmt: skip


def _quote(symbol: str, now: int) -> Quote:
    return Quote("test", symbol, now, now, 99.99, 1.0, 100.01, 1.0)


def _update(order: Order, kind: UpdateKind, filled: Decimal | None = None) -> Update:
    return Update("test", order.symbol, T0, T0, order.id, "", kind, filled=filled)


def _fill(order: Order, size: Decimal, trade_id: str) -> Fill:
    return Fill("test", order.symbol, T0, T0, order.id, "", trade_id, order.side,
                order.price or Decimal(100), size, ZERO, "USDT", False)  # fmt: skip


def _instrument(symbol: str) -> Instrument:
    base, quote = symbol.split("-")
    return Instrument(
        venue="test", symbol=symbol, native=base + quote, base=base, quote=quote,
        tick=Decimal("0.01"), lot=Decimal("0.001"), max_price=Decimal(1_000_000),
        max_size=Decimal(9000), min_notional=Decimal(5),
    )  # fmt: skip


if __name__ == "__main__":
    first, worlds = int(sys.argv[1]), int(sys.argv[2])
    print(msgspec.json.encode(try_gate(range(first, first + worlds))).decode())
