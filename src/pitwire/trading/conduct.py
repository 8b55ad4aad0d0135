"""How the desk has behaved of late: rates, ratios, turnover, what is not answered.

House rules: pure, O(1) an order; what is judged here is judged before an order is looked at in
itself. A breach refuses new orders and never a cancel; what only a person may mend is a halt, and
the screen throws it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from decimal import Decimal

from pitwire.model.clock import SECOND
from pitwire.model.orders import Command, Order, Place, ReplaceOrder, Side
from pitwire.trading.limits import Breach, Limits
from pitwire.trading.state import State
from pitwire.trading.tracked import ZERO, Tracked

RATIO_SECONDS = 60
"""The cancel ratio counts the last minute."""
RATIO_ORDERS = 20
"""Fewer orders than this in it say nothing."""
OVERDUE = 5 * SECOND
"""An order that is not answered for so long is not merely on its way."""
DAY = 86_400 * SECOND


def midnight(now: int) -> int:
    """When the UTC day of `now` began, ns."""
    return now // DAY * DAY


class Conduct:
    """What one screen remembers of its own decisions."""

    __slots__ = (
        "_by_rule", "_cancels", "_left", "_limits", "_orders", "_pending", "_rated", "_today",
        "_tomorrow", "day_notional", "day_orders",
    )  # fmt: skip

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._by_rule: dict[str, deque[int]] = {}
        self._orders: deque[int] = deque()
        self._cancels: deque[int] = deque()
        self._pending: set[str] = set()
        """Orders decided and not yet sent: what leaves must be one of them."""
        self._rated = not (
            limits.max_rule_orders_per_ten_seconds is None and limits.max_cancel_ratio is None
        )
        self._today = self._tomorrow = 0
        self._left = -1
        """When the day began that a clock set back has left: it begins no second time."""
        self.day_orders = 0
        self.day_notional: dict[str, Decimal] = {}
        """Asset → what the orders decided since midnight UTC were worth together."""

    def carry_on(
        self, orders: int, notional: Mapping[str, Decimal], now: int, newest: int = 0
    ) -> None:
        """An earlier run has decided these orders on the UTC day of `now`; asset → their worth.

        The `newest` may be of a later day, ns: that of a clock that was set back since."""
        if not self._today <= now < self._tomorrow:
            self._begin_day(now)
        if newest >= self._tomorrow:
            self._left = max(self._left, midnight(newest))
        self.day_orders += orders
        for quote, worth in notional.items():
            self.day_notional[quote] = self.day_notional.get(quote, ZERO) + worth

    # ── what happens ──────────────────────────────────────────────────────────────────────────

    def decided(self, order: Order, notional: Decimal | None, quote: str, now: int) -> None:
        """An order was approved."""
        if not self._today <= now < self._tomorrow:
            self._begin_day(now)
        self.day_orders += 1
        if notional is not None:
            self.day_notional[quote] = self.day_notional.get(quote, ZERO) + notional
        self._pending.add(order.id)
        if self._rated:
            self._rate(order, now)

    def _rate(self, order: Order, now: int) -> None:
        if self._limits.max_cancel_ratio is not None:
            self._orders.append(now)
        if self._limits.max_rule_orders_per_ten_seconds is not None:
            self._by_rule.setdefault(order.rule, deque()).append(now)

    def cancelled(self, now: int) -> None:
        """A cancel was decided."""
        if self._limits.max_cancel_ratio is not None:
            self._cancels.append(now)

    def leaving(self, command: Command) -> str:
        """A command is about to leave; why it must not, "" when it was decided and never left."""
        order = command if type(command) is Order else _placed(command)
        if order is None:
            return ""
        if order.id not in self._pending:
            return f"order {order.id} was about to leave and was not decided, or has left before"
        self._pending.discard(order.id)
        return ""

    def dropped(self, command: Command) -> None:
        """A command will never leave."""
        order = _placed(command)
        if order is not None:
            self._pending.discard(order.id)

    # ── judging ───────────────────────────────────────────────────────────────────────────────

    def breach(self, rule: str, state: State, now: int, *, closes: bool = False) -> Breach | None:
        """What stands against any new order at all; how many there were, not where one `closes`."""
        if state.blind:
            return Breach("order updates", state.blind, "a private stream that is confirmed")
        tally, limits = state.ledger.tally, self._limits
        if tally.unknown and (order := tally.oldest_unknown()) is not None:
            allowed = limits.max_unknown_seconds
            if (age := unknown_for(order, state, now)) > allowed * SECOND:
                found = f"{order.id} for {age / SECOND:.1f} s"
                return Breach("max_unknown_seconds", found, f"{allowed:g} s")
        if tally.unanswered >= limits.max_unanswered_orders:
            waiting = tally.unanswered + 1
            return Breach("max_unanswered_orders", waiting, limits.max_unanswered_orders)
        if closes:
            return None
        if self._rated and (breach := self._rate_of(rule, now)) is not None:
            return breach
        if not self._today <= now < self._tomorrow:
            self._begin_day(now)
        return None

    def too_many(self, now: int) -> Breach | None:
        """Orders of the day, or cancels of late: what only makes a position smaller passes still,
        or nobody could get out."""
        most, ratio = self._limits.max_day_orders, self._limits.max_cancel_ratio
        if most is not None and self.day_orders >= most:
            return Breach("max_day_orders", self.day_orders + 1, most)
        if ratio is not None:
            _forget(self._orders, now - RATIO_SECONDS * SECOND)
            _forget(self._cancels, now - RATIO_SECONDS * SECOND)
            orders, cancels = len(self._orders), len(self._cancels)
            if orders >= RATIO_ORDERS and cancels > ratio * orders:
                return Breach("max_cancel_ratio", f"{cancels} cancels of {orders} orders", ratio)
        return None

    def may_bar(self, rule: str, state: State, now: int) -> bool:
        """Whether there may be a breach, for who only asks: a day is begun by an order alone."""
        has_begun = self._today <= now < self._tomorrow
        if not has_begun or self.too_many(now) is not None:
            return True
        return self.breach(rule, state, now) is not None

    def _rate_of(self, rule: str, now: int) -> Breach | None:
        per_rule = self._limits.max_rule_orders_per_ten_seconds
        if per_rule is not None and (times := self._by_rule.get(rule)):
            _forget(times, now - 10 * SECOND)
            if len(times) >= per_rule:
                return Breach("max_rule_orders_per_ten_seconds", len(times) + 1, per_rule)
        return None

    def _begin_day(self, now: int) -> None:
        before, self._today = self._today, midnight(now)
        self._tomorrow = self._today + DAY
        if now < before:
            self._left = max(self._left, before)
        if now < before or self._today == self._left:
            return
        self.day_orders = 0
        self.day_notional.clear()


def unknown_for(order: Tracked, state: State, now: int) -> int:
    """For how long it has been unknown though the venue could be asked, ns."""
    if state.reached_at is None:
        return 0
    return now - max(order.changed_at, state.reached_at)


def worth_of(place: Place, state: State) -> Decimal | None:
    """What an order is worth in quote units, by its own price or the best on the other side."""
    return worth_at(place, state.touch(place.symbol))


def worth_at(place: Place | Order, touch: Sequence[float] | None) -> Decimal | None:
    """The same, where best bid and ask are these; None where it has no price and neither has it."""
    if place.size is None:
        return place.quote_size
    price = place.price or place.stop_price
    if price is None:
        if touch is None:
            return None
        price = Decimal(repr(touch[1] if place.side is Side.BUY else touch[0]))
    return place.size * price


def _placed(command: Command) -> Order | None:
    if isinstance(command, ReplaceOrder):
        return command.order
    return command if isinstance(command, Order) else None


def _forget(times: deque[int], since: int) -> None:
    while times and times[0] <= since:
        times.popleft()
