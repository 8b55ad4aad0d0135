"""Permission to send: no venue limit is ever exceeded, in any window of its length.

House rules: pure; time comes in as `now` and permission goes out. A sliding window is counted in
slots and a slot is forgotten only when its last moment is out of the window, so the count errs
on the safe side by at most one slot.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from pitwire.model.clock import SECOND
from pitwire.venues.venue import HttpRequest, Limit

_SLOTS = 64


class Pacing:
    """What may be sent when, over a set of limits. Scopes that have no limit are free."""

    def __init__(self, limits: Sequence[Limit]) -> None:
        self._windows: dict[str, list[_Window]] = {}
        for limit in limits:
            if limit.per_seconds > 0:
                self._windows.setdefault(limit.scope, []).append(_Window(limit))
        self._blocked: dict[str, int] = {}
        self.begun_at = 0
        """When nothing counts any more that another run may have asked; see `begin`."""
        self.on_block: Callable[[str, int], None] | None = None
        """Hears of each block that is longer than what was known: its scope and its end."""

    def begin(self, now: int) -> None:
        """Leave room for what another run may have asked just before this one."""
        for windows in self._windows.values():
            for window in windows:
                if window.outlives:
                    window.add(window.count, now)
                    self.begun_at = max(self.begun_at, window.ready_at(1, now))

    def ready_at(self, scope: str, now: int, *, cost: int = 1) -> int:
        """The earliest time from `now` on at which `cost` may be spent."""
        at = max(now, self._blocked.get(scope, 0))
        windows = self._windows.get(scope, ())
        for _ in range(len(windows) + 1):  # each round settles at least one window
            latest = max((window.ready_at(cost, at) for window in windows), default=at)
            if latest == at:
                return at
            at = latest
        return at

    def allows(self, scope: str, now: int, *, cost: int = 1) -> bool:
        """Whether `cost` may be spent now."""
        return self.ready_at(scope, now, cost=cost) <= now

    def leaves(self, scope: str, cost: int, now: int) -> bool:
        """What `allows` says, and quicker where there is plenty."""
        for window in self._windows.get(scope, ()):
            # It may be short only because nobody has forgotten yet what is over.
            if window.count - window.sum < cost and window.ready_at(cost, now) > now:
                return False
        return True

    def spend(self, scope: str, now: int, *, cost: int = 1) -> None:
        """Note that `cost` was spent, permitted or not: nobody asks before answering a ping."""
        for window in self._windows.get(scope, ()):
            window.add(cost, now)

    def try_spend(self, scope: str, now: int, *, cost: int = 1) -> bool:
        """Spend if it may be spent, and say whether it was."""
        if self._blocked.get(scope, 0) > now:
            return False
        windows = self._windows.get(scope, ())
        for window in windows:
            if window.ready_at(cost, now) > now:
                return False
        for window in windows:
            window.add(cost, now)
        return True

    def ready_for(self, request: HttpRequest, now: int) -> int:
        """The earliest time from `now` on at which this may be asked, by all that it counts for."""
        at = self.ready_at("weight", now, cost=request.weight)
        return max(at, self.ready_at(request.scope, now)) if request.scope else at

    def spend_on(self, request: HttpRequest, now: int) -> None:
        """Note that this was asked."""
        self.spend("weight", now, cost=request.weight)
        if request.scope:
            self.spend(request.scope, now)

    def heard_of(self, request: HttpRequest, now: int) -> None:
        """This was answered, or given up: what waited on its way was counted by the venue as late
        as now, by limits of its own, which are too narrow for it to count twice."""
        for window in self._windows.get(request.scope, ()) if request.scope else ():
            window.renew(now)

    def has_room_for_order(self, now: int, reserve: int) -> bool:
        """Whether an order may be spent now, and `reserve` of the weight would be left.

        What `leaves`, `blocked_until` and `allows` say, in one call: on the way of an order each
        call is code that has been met last when the last order left.
        """
        blocked, windows = self._blocked, self._windows
        if blocked and (blocked.get("weight", 0) > now or blocked.get("orders", 0) > now):
            return False
        for window in windows.get("weight", ()):
            if window.count - window.sum < reserve and window.ready_at(reserve, now) > now:
                return False
        for window in windows.get("orders", ()):
            if window.sum >= window.count and window.ready_at(1, now) > now:
                return False
        return True

    def report(self, scope: str, used: int, now: int) -> None:
        """Take over the venue's own count where it is higher than ours."""
        for window in self._windows.get(scope, ()):
            window.raise_to(used, now)

    def block(self, scope: str, until: int) -> None:
        """Send nothing of this scope before `until`."""
        if until <= self._blocked.get(scope, 0):
            return
        self._blocked[scope] = until
        if self.on_block is not None:
            self.on_block(scope, until)

    def left(self, scope: str, now: int) -> tuple[int, int, float] | None:
        """(what may still be spent, the limit, its seconds) of the limit that binds now.

        None for a scope without a limit.
        """
        rooms = [window.room(now) for window in self._windows.get(scope, ())]
        return min(rooms, key=lambda room: room[0] / room[1], default=None)

    def blocked_until(self, scope: str) -> int:
        """When a block ends; a time in the past where there is none."""
        return self._blocked.get(scope, 0)


class _Window:
    """One limit's recent spending: (slot, cost) pairs, oldest first."""

    def __init__(self, limit: Limit) -> None:
        self.count, self.outlives = limit.count, limit.outlives
        self._length = round(limit.per_seconds * SECOND)
        self._slot = max(1, -(-self._length // _SLOTS))
        self._spent: deque[list[int]] = deque()
        self.sum = 0

    def ready_at(self, cost: int, at: int) -> int:
        # A cost above the whole limit waits for an empty window rather than for ever.
        excess = self.sum - max(0, self.count - cost)
        if excess <= 0:
            return at
        for slot, spent in self._spent:
            gone_at = self._gone_at(slot)
            if excess <= 0 and gone_at > at:
                break
            excess -= spent
            at = max(at, gone_at)
        return at

    def room(self, now: int) -> tuple[int, int, float]:
        self._forget(now)
        return max(0, self.count - self.sum), self.count, self._length / SECOND

    def add(self, cost: int, now: int) -> None:
        self._forget(now)
        slot = now // self._slot
        if self._spent and self._spent[-1][0] >= slot:
            self._spent[-1][1] += cost
        else:
            self._spent.append([slot, cost])
        self.sum += cost

    def renew(self, now: int) -> None:
        """The newest of what was spent was spent now."""
        if self._spent:
            last = self._spent[-1]
            last[1] -= 1
            self.sum -= 1
            if not last[1]:
                self._spent.pop()
        self.add(1, now)

    def raise_to(self, used: int, now: int) -> None:
        self._forget(now)
        if used > self.sum:
            self.add(used - self.sum, now)

    def _gone_at(self, slot: int) -> int:
        return (slot + 1) * self._slot + self._length

    def _forget(self, now: int) -> None:
        while self._spent and self._gone_at(self._spent[0][0]) <= now:
            self.sum -= self._spent.popleft()[1]
