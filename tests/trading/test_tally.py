"""The sums that are kept are the sums that a count of all orders gives, after anything whatever."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import ROUND_CEILING, Context, Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitwire.model import events as ev
from pitwire.model.orders import (
    AmendOrder,
    CancelOrder,
    Command,
    Order,
    OrderState,
    OrderType,
    RejectReason,
    ReplaceOrder,
    Side,
    UpdateKind,
)
from pitwire.model.proof import DeathProof
from pitwire.trading import snapshot
from pitwire.trading.ledger import OrderLedger
from pitwire.trading.state import State
from pitwire.trading.tracked import Tracked
from pitwire.trading.wishes import buy, sell
from tests.trading.making import BTC, ETH, SECOND, Desk, at, fill, order, quote, unanswered, update

K, S = UpdateKind, OrderState
WIDE = Context(prec=400)
PRICES = (None, Decimal(0), Decimal("0.3"), Decimal(7))
SOL = "SOL-USDT"
PROOF = DeathProof(automatic=True, window_seconds=2, processing_seconds=10, margin_seconds=2)


def is_ours(order_id: str) -> bool:
    return order_id.startswith("t-")


class Life:
    """A ledger and what chance brings it."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.ledger = self._empty()
        self.seconds, self.made, self.told = 0.0, 0, 0
        self.met: set[str] = set()

    def _empty(self) -> OrderLedger:
        return OrderLedger(
            is_ours=is_ours, proof=PROOF, keep_finished=self.chance.choice((0, 3, 9))
        )

    # ── what may happen ───────────────────────────────────────────────────────────────────────

    def step(self) -> None:
        chance = self.chance
        # Words of a venue come late, and clocks are set back.
        self.seconds += chance.choice((0, 0.1, 1, 5, 5, -0.5))
        chance.choice(self.steps())()

    def steps(self) -> list[Callable[[], None]]:
        hear: list[Callable[[], None]] = [self.hear] * 6
        ours = [self.make, self.make, self.send, self.send, self.drop]
        return [*ours, *hear, self.trade, self.trade, self.silence, self.lose, self.list_open,
                self.ask, self.restart]  # fmt: skip

    def make(self) -> None:
        self.ledger.made(self._new(), at(self.seconds))

    def send(self) -> None:
        new = [one.order for one in self.ledger.open.values() if one.order is not None]
        commands: list[Command] = [self.chance.choice([*new, self._new()])]
        name = self._name()
        commands.append(CancelOrder(order_id=name, symbol=BTC))
        commands.append(AmendOrder(order_id=name, symbol=BTC, size=self._size()))
        commands.append(ReplaceOrder(order_id=name, order=self._new()))
        self.ledger.sent(self.chance.choice(commands), at(self.seconds))

    def drop(self) -> None:
        known = self.ledger.find(self._name())
        if known is not None and known.order is not None:
            self.ledger.dropped(known.order, at(self.seconds), "why not")

    def hear(self) -> None:
        chance = self.chance
        maybe: Callable[[Any], Any] = lambda value: value if chance.random() < 0.5 else None  # noqa: E731
        kind = chance.choice(tuple(K))
        said = update(
            self._name(), kind, self.seconds, symbol=self._symbol(), venue_id=self._venue_id(),
            filled=maybe(self._size()), size=maybe(self._size()), price=maybe(Decimal(50)),
            side=maybe(chance.choice(tuple(Side))), type=maybe(OrderType.MARKET),
            sequence=chance.choice((0, 0, 1, self.told)), asked=maybe(at(self.seconds)) or 0,
            reason=maybe(chance.choice((RejectReason.DUPLICATE_ID, RejectReason.UNKNOWN_ORDER))),
        )  # fmt: skip
        self.told += 1
        self.met.add(kind)
        self.ledger.apply(said, at(self.seconds))

    def trade(self) -> None:
        self.told += 1
        told = fill(
            self._name(), self._size(), 50, self.seconds, side=self.chance.choice(tuple(Side)),
            trade_id=str(self.chance.choice((self.told, self.told - 1))), symbol=self._symbol(),
            venue_id=self._venue_id(),
        )  # fmt: skip
        self.ledger.apply(told, at(self.seconds))

    def silence(self) -> None:
        what = self.chance.choice(("place", "place", "replace", "cancel", "status"))
        self.ledger.apply(unanswered(self._name(), what, self.seconds), at(self.seconds))

    def lose(self) -> None:
        self.ledger.lost(at(self.seconds), restarted=self.chance.random() < 0.3)

    def list_open(self) -> None:
        now = at(self.seconds)
        names = tuple({self._name() for _ in range(self.chance.randrange(4))})
        self.ledger.compare(ev.OpenOrders("test", self._symbol(), now, now, names), now)

    def ask(self) -> None:
        self.ledger.due_questions(at(self.seconds), self.chance.choice((1, 100)))

    def restart(self) -> None:
        kept = snapshot.take(State(ledger=self.ledger), prefix="t", epoch=1, made=0, halted="")
        state = State(ledger=self._empty())
        snapshot.restore(snapshot.decode(snapshot.encode(kept)), state)
        self.ledger = state.ledger

    # ── names and numbers ─────────────────────────────────────────────────────────────────────

    def _new(self) -> Order:
        chance = self.chance
        self.made += 1
        by_quote = chance.random() < 0.2
        return Order(
            id=f"t-{self.made}", symbol=self._symbol(), side=chance.choice(tuple(Side)),
            type=chance.choice((OrderType.LIMIT, OrderType.MARKET, OrderType.STOP_LIMIT)),
            size=None if by_quote else self._size(), quote_size=self._size() if by_quote else None,
            price=None if by_quote else Decimal(50),
        )  # fmt: skip

    def _name(self) -> str:
        """An order of ours, of another run or of a stranger; one that is there, mostly."""
        chance, there = self.chance, list(self.ledger.memory[0].orders)
        if there and chance.random() < 0.7:
            return chance.choice(there)
        return chance.choice((f"t-{chance.randrange(self.made + 1)}", "t-old", "x", "y", "z"))

    def _venue_id(self) -> str:
        return self.chance.choice(("", "", *(str(number) for number in range(6))))

    def _symbol(self) -> str:
        return self.chance.choice((BTC, BTC, ETH, SOL))

    def _size(self) -> Decimal:
        # What no grid would allow too: a stranger's order is counted to its last digit.
        return Decimal(self.chance.choice(("0.1", "1", "2", "3.50", "5", "1E+80", "1E-40")))

    # ── counting again ────────────────────────────────────────────────────────────────────────

    def check(self) -> None:
        ledger, tally = self.ledger, self.ledger.tally
        shelved = list(ledger.memory[0].orders.values())
        open_ones = [one for one in shelved if one.is_open]
        assert set(ledger.open) == {one.id for one in open_ones}
        for symbol in (BTC, ETH, SOL):
            here = [one for one in shelved if one.symbol == symbol]
            for price in PRICES:
                found = tally.exposure(symbol, price)
                assert found.buys == counted(here, Side.BUY, price)
                assert found.sells == counted(here, Side.SELL, price)
                assert found == ledger.exposure(symbol, price)
            unknown = [one for one in here if one.state is S.UNKNOWN]
            first = ledger.unknown(symbol)
            assert first is (next(one for one in ledger.open_by_symbol[symbol].values()
                                  if one in unknown) if unknown else None)  # fmt: skip
            standing = tally.by_symbol.get(symbol)
            moving = {one.id for one in here if one.is_open
                      and (one.type is OrderType.MARKET or not one.acknowledged)}  # fmt: skip
            assert (set() if standing is None else set(standing.moving)) == moving
            untold = {one.id for one in here if one.counted and one.missing}
            assert (set() if standing is None else set(standing.untold)) == untold
        assert set(tally.flying) == {one.id for one in open_ones if not one.acknowledged}
        assert tally.unanswered == sum(
            1 for one in open_ones if one.is_ours and not one.acknowledged
        )
        oldest = min((one.changed_at for one in open_ones if one.state is S.UNKNOWN), default=None)
        named = tally.oldest_unknown()
        assert (None if named is None else named.changed_at) == oldest
        assert named is None or named.state is S.UNKNOWN
        assert named is None or ledger.find(named.id) is named
        # A sum that is ahead of its fills is asked about, for as long as it counts.
        asked = ledger.memory[2].asking
        assert all(one.id in asked for one in shelved if one.missing)


def counted(orders: list[Tracked], side: Side, price: Decimal | None) -> Decimal:
    """What these may still trade on this side, one by one."""
    base = quote = Decimal(0)
    for one in orders:
        if one.side is side:
            base = WIDE.add(base, WIDE.add(one.may_trade(None), one.missing))
            if one.is_open and one.size is None and one.quote_size is not None:
                left = max(Decimal(0), one.quote_size - one.filled_quote)
                quote = WIDE.add(quote, left)
    if price and quote:
        base = WIDE.add(base, Context(prec=28, rounding=ROUND_CEILING).divide(quote, price))
    return base


@given(st.integers(min_value=0, max_value=2**48))
@settings(max_examples=150, deadline=None)
def test_what_is_kept_is_what_a_full_count_gives(seed: int) -> None:
    life = Life(seed)
    for _ in range(60):
        life.step()
        life.check()


@pytest.mark.soak
@pytest.mark.parametrize("part", range(20))
def test_what_is_kept_is_what_a_full_count_gives_for_long(part: int) -> None:
    for seed in range(100 * part, 100 * part + 100):
        life = Life(seed)
        for _ in range(400):
            life.step()
            life.check()
        assert set(K) <= life.met


def test_a_count_of_our_own_sees_what_is_not_noted() -> None:
    """The test above can fail: a change that nobody notes is found."""
    life = Life(1)
    life.ledger.made(order("t-1", 2), at(0))
    life.check()
    life.ledger.find("t-1").size = Decimal(3)  # type: ignore[union-attr]
    with pytest.raises(AssertionError):
        life.check()


def test_a_stranger_with_wild_digits_takes_none_of_ours_along() -> None:
    ledger = OrderLedger(is_ours=is_ours)
    ledger.made(order("t-1", "0.5"), at(0))
    ledger.apply(update("x", K.ACCEPTED, size="1E+80", side=Side.BUY, venue_id="9"), at(0))
    assert ledger.exposure(BTC, None).buys == WIDE.add(Decimal("1E+80"), Decimal("0.5"))
    ledger.apply(update("x", K.CANCELED, venue_id="9"), at(1))
    assert ledger.exposure(BTC, None).buys == Decimal("0.5")


def test_a_name_that_counted_for_nothing_may_be_anothers_in_another_symbol() -> None:
    ledger = OrderLedger(is_ours=is_ours, keep_finished=0)
    ledger.apply(update("x", K.ACCEPTED, symbol=ETH), at(0))  # neither its side nor its size
    ledger.apply(update("x", K.CANCELED, symbol=ETH), at(0))
    assert ledger.find("x") is None
    ledger.made(order("t-1", "0.5"), at(1))
    ledger.apply(update("x", K.ACCEPTED, size=3, side=Side.BUY), at(1))
    ledger.apply(update("x", K.CANCELED), at(2))
    assert ledger.exposure(BTC, None).buys == Decimal("0.5")


def test_digits_beyond_any_count_are_too_much_and_never_too_little() -> None:
    ledger = OrderLedger(is_ours=is_ours)
    ledger.made(order("t-1", "0.5"), at(0))
    ledger.apply(update("x", K.ACCEPTED, size="1E+6000", side=Side.BUY, venue_id="9"), at(0))
    ledger.apply(update("x", K.CANCELED, venue_id="9"), at(1))
    assert ledger.exposure(BTC, None).buys >= Decimal("0.5")


def test_money_in_quote_units_is_rounded_up() -> None:
    ledger = OrderLedger(is_ours=is_ours)
    for name in ("t-1", "t-2"):
        ledger.made(Order(id=name, symbol=BTC, side=Side.BUY, type=OrderType.MARKET, size=None,
                          quote_size=Decimal(1)), at(0))  # fmt: skip
    assert ledger.exposure(BTC, Decimal(3)).buys * 3 >= 2


def test_fills_that_a_stranger_was_told_of_are_asked_for_when_it_is_ours() -> None:
    """The venue's sum came under its own id, before ours was known there."""
    ledger = OrderLedger(is_ours=is_ours)
    ledger.sent(order("t-1", 2), at(0))
    ledger.apply(update("x", K.FILLED, venue_id="9", filled=2, size=2), at(0))
    ledger.apply(fill("t-1", "0.5", venue_id="9"), at(0))
    assert ledger.find("t-1").state is S.FILLED  # type: ignore[union-attr]
    assert ledger.exposure(BTC, None).buys == Decimal("1.5")
    assert [one.order_id for one in ledger.due_questions(at(5))] == ["t-1"]


def test_times_that_are_over_do_not_pile_up() -> None:
    ledger = OrderLedger(is_ours=is_ours)
    for number in range(2_000):
        name = f"t-{number % 2}"
        ledger.sent(order(name), at(number))
        ledger.apply(unanswered(name), at(number))
        if number:
            ledger.apply(update("t-1", K.STATUS_OPEN, asked=at(number)), at(number))
    assert len(ledger.tally._times) < 100
    oldest = ledger.tally.oldest_unknown()
    assert oldest is not None
    assert oldest.id == "t-0"


@pytest.mark.parametrize("side", tuple(Side))
def test_the_gate_looks_at_no_order_that_rests(side: Side) -> None:
    """Not by the clock: a resting order that is asked anything at all raises."""

    class Resting(dict[str, Tracked]):
        def _never(self, *_: object) -> Any:
            raise AssertionError("the gate went through the open orders")

        __iter__ = values = items = keys = _never  # type: ignore[assignment]

    desk = Desk()
    desk.engine.apply(quote(99, 101))
    for number in range(5):
        desk.engine.sent(order(f"t-1-{number}", side=side), at(0))
        desk.engine.apply(update(f"t-1-{number}", K.ACCEPTED))
    ledger = desk.state.ledger
    shelf = ledger.memory[0]
    for name in ("open", "open_by_symbol"):
        kept = getattr(shelf, name)
        guarded: Any = Resting(kept) if name == "open" else {BTC: Resting(kept[BTC])}
        setattr(shelf, name, guarded)
        setattr(ledger, name, guarded)
    wish = buy(BTC, 1, price=99) if side is Side.BUY else sell(BTC, 1, price=101)
    [made] = desk.screen.admit([wish], desk.state, at(1) + SECOND)
    assert isinstance(made, Order)
