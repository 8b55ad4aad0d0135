"""Conditions: what may be true of the state, or happen at an event.

House rules: a condition looks and never acts; it is looked at for every event it watches, also
when another condition beside it is false, so that what it remembers stays right. `Truth.NOW` is
for what happens at one event (a crossing, a large trade), `Truth.YES` for what holds a while.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from enum import IntEnum
from typing import Protocol

from pitwire.model.clock import SECOND
from pitwire.model.orders import Side
from pitwire.trading.rules import Watch, feeds, flatten, orders
from pitwire.trading.state import State

_DAY_SECONDS = 86_400


class Truth(IntEnum):
    """What a look found, as bits of an int; what holds and happens at once has both."""

    NO = 0
    YES = 1
    NOW = 2


class Condition(Protocol):
    """Something to look at."""

    @property
    def watches(self) -> tuple[Watch, ...]: ...

    @property
    def symbol(self) -> str:
        """The symbol it is about; "" when it is about none or several."""
        ...

    def look(self, state: State, now: int) -> int: ...

    def next_wake(self) -> int | None:
        """When to look again though nothing came."""
        ...


class Untimed:
    """What needs no clock."""

    def next_wake(self) -> int | None:
        return None


def yes(holds: bool) -> Truth:
    """A truth that lasts, or none."""
    return Truth.YES if holds else Truth.NO


def within(
    value: float | Decimal | None,
    above: float | Decimal | None,
    below: float | Decimal | None,
) -> bool:
    """Whether the value is known, and strictly above and below what is given."""
    if value is None:
        return False
    return (above is None or value > above) and (below is None or value < below)


# ── time and feeds ────────────────────────────────────────────────────────────────────────────


class TimeOfDay:
    """Between two times of the day, UTC, in seconds since midnight; may pass midnight."""

    symbol = ""
    watches: tuple[Watch, ...] = ()

    def __init__(self, start: int, end: int) -> None:
        self._start = start
        self._end = end
        self._wake: int | None = 0

    def look(self, state: State, now: int) -> int:
        second = now // SECOND % _DAY_SECONDS
        ahead = min((edge - second - 1) % _DAY_SECONDS + 1 for edge in (self._start, self._end))
        self._wake = (now // SECOND + ahead) * SECOND
        if self._start <= self._end:
            return yes(self._start <= second < self._end)
        return yes(second >= self._start or second < self._end)

    def next_wake(self) -> int | None:
        return self._wake


class Stale(Untimed):
    """A feed of the symbol (one channel, or any) is not to be trusted."""

    def __init__(self, symbol: str, channel: str = "") -> None:
        self.symbol = symbol
        self.watches = feeds(symbol)
        self._channel = channel

    def look(self, state: State, now: int) -> int:
        channels = state.stale.get(self.symbol, {})
        return yes(self._channel in channels if self._channel else bool(channels))


# ── our own ───────────────────────────────────────────────────────────────────────────────────


class Unfilled:
    """An open order of ours is not completely filled so long after it was sent; once an order."""

    def __init__(
        self, seconds: float, *, symbol: str = "", tag: str = "", side: Side | None = None
    ) -> None:
        self.symbol = symbol
        self.watches = orders(symbol)
        self._after = round(seconds * SECOND)
        self._tag = tag
        self._side = side
        self._told: set[str] = set()
        self._wake: int | None = None

    def look(self, state: State, now: int) -> int:
        waiting = {
            order.id: (order.sent_at or order.made_at) + self._after
            for order in state.ledger.open_of(self.symbol)
            if order.is_ours
            and (not self._tag or order.tag == self._tag)
            and self._side in (None, order.side)
        }
        due = {order_id for order_id, at in waiting.items() if at <= now}
        news = due - self._told
        self._told = due
        self._wake = min((at for at in waiting.values() if at > now), default=None)
        return Truth.NOW if news else Truth.NO

    def next_wake(self) -> int | None:
        return self._wake


class PositionIs(Untimed):
    """The position is larger than `beyond` either way, or above or below a size, in base units."""

    def __init__(
        self,
        symbol: str,
        *,
        beyond: Decimal | None = None,
        above: Decimal | None = None,
        below: Decimal | None = None,
    ) -> None:
        self.symbol = symbol
        self.watches = orders(symbol)
        self._beyond = beyond
        self._above = above
        self._below = below

    def look(self, state: State, now: int) -> int:
        held = state.portfolio.position(self.symbol)
        far = self._beyond is None or abs(held) > self._beyond
        return yes(far and within(held, self._above, self._below))


# ── put together ──────────────────────────────────────────────────────────────────────────────


class _Together:
    def __init__(self, conditions: Sequence[Condition]) -> None:
        self._conditions = tuple(conditions)
        self.watches = flatten([condition.watches for condition in conditions])
        symbols = {condition.symbol for condition in conditions if condition.symbol}
        self.symbol = symbols.pop() if len(symbols) == 1 else ""

    def _all(self, state: State, now: int) -> list[int]:
        return [condition.look(state, now) for condition in self._conditions]

    def next_wake(self) -> int | None:
        wakes = [condition.next_wake() for condition in self._conditions]
        return min((wake for wake in wakes if wake is not None), default=None)


class All(_Together):
    """Every one of them; it happens at an event when one of them does and the rest hold."""

    def look(self, state: State, now: int) -> int:
        truths = self._all(state, now)
        if not all(truths):
            return Truth.NO
        happens = any(truth & Truth.NOW for truth in truths)
        holds = all(truth & Truth.YES for truth in truths)
        return (Truth.NOW if happens else Truth.NO) | yes(holds)


class Any(_Together):
    """At least one of them."""

    def look(self, state: State, now: int) -> int:
        found = 0
        for truth in self._all(state, now):
            found |= truth
        return found


class Not(_Together):
    """The one is not true."""

    def __init__(self, condition: Condition) -> None:
        super().__init__([condition])

    def look(self, state: State, now: int) -> int:
        return yes(not self._all(state, now)[0])
