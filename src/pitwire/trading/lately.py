"""What was approved of late: how many orders, and whether the same one was among them.

House rules: pure; what is long past is forgotten as new orders come.
"""

from __future__ import annotations

from collections import deque

from pitwire.model.clock import SECOND
from pitwire.model.orders import Order, Place, Side
from pitwire.trading.limits import Limits

_TEN_SECONDS = 10 * SECOND


class Lately:
    """The last ten seconds of one screen's approvals."""

    __slots__ = (
        "_placed", "_second", "_ten", "_window",
    )  # fmt: skip

    def __init__(self, limits: Limits) -> None:
        self._second: deque[int] = deque()
        self._ten: deque[int] = deque()
        self._window = round(limits.duplicate_seconds * SECOND)
        self._placed: dict[tuple[str, str, Side], deque[tuple[int, Place | Order]]] = {}
        """By rule, symbol and side: what was approved within the window, oldest first."""

    def counts(self, now: int) -> tuple[int, int]:
        """Orders approved within the last second and the last ten."""
        second, ten = self._second, self._ten
        while second and second[0] <= now - SECOND:
            second.popleft()
        while ten and ten[0] <= now - _TEN_SECONDS:
            ten.popleft()
        return len(second), len(ten)

    def allows(self, limits: Limits, now: int) -> bool:
        """Whether one more is within the limits of pace."""
        second, ten = len(self._second), len(self._ten)
        if second < limits.max_orders_per_second and ten < limits.max_orders_per_ten_seconds:
            return True
        second, ten = self.counts(now)  # some may be long past
        return second < limits.max_orders_per_second and ten < limits.max_orders_per_ten_seconds

    def repeats(self, place: Place, now: int) -> bool:
        """Whether this rule wished for the same order in this symbol a moment ago."""
        last = self._placed.get((place.rule, place.symbol, place.side))
        if last is None:
            return False
        # By time first: it is cheap, and nearly always settles it.
        while last and now - last[0][0] >= self._window:
            last.popleft()
        return bool(last) and any(_is_same(place, other) for _, other in last)

    def note(self, place: Place | Order, now: int) -> None:
        """This one was approved."""
        second, ten = self._second, self._ten
        second.append(now)
        ten.append(now)
        if second[0] <= now - SECOND or ten[0] <= now - _TEN_SECONDS:
            self.counts(now)
        if self._window:
            key = (place.rule, place.symbol, place.side)
            placed = self._placed.get(key)
            if placed is None:
                placed = self._placed[key] = deque()
            placed.append((now, place))


def _is_same(one: Place, other: Place | Order) -> bool:
    """Whether two orders are the same but for what made a rule wish for them."""
    return (
        one.type is other.type
        and one.size == other.size
        and one.quote_size == other.quote_size
        and one.price == other.price
        and one.stop_price == other.stop_price
        and one.time_in_force is other.time_in_force
        and one.tag == other.tag
    )
