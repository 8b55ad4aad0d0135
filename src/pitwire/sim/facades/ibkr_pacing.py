"""How often may be asked, and the box for those who ask more often (ibkr §9).

House rules: windows slide; a request that is refused does not count in any of them, and time comes
in as `now`.
"""

from __future__ import annotations

from collections import deque

from pitwire.model.clock import SECOND
from pitwire.sim.facades.ibkr_options import IbkrOptions


class Pace:
    """So many requests in so long."""

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._span = round(seconds * SECOND)
        self._made: deque[int] = deque()

    def admits(self, now: int) -> bool:
        """Whether one more may be made now."""
        while self._made and self._made[0] <= now - self._span:
            self._made.popleft()
        return len(self._made) < self._most

    def count(self, now: int) -> None:
        self._made.append(now)


class Pacing:
    """All paces of one address, and its penalty box."""

    def __init__(self, options: IbkrOptions) -> None:
        self._options = options
        self._all = Pace(options.requests_per_second, 1)
        slow = ("/iserver/account/orders", "/iserver/account/trades",
                "/iserver/account/pnl/partitioned", "/portfolio/accounts",
                "/portfolio/subaccounts")  # fmt: skip
        self._of: dict[str, tuple[Pace, ...]] = {path: (Pace(1, 5),) for path in slow}
        self._of["/iserver/marketdata/snapshot"] = (Pace(options.snapshots_per_second, 1),)
        self._of["/iserver/marketdata/history"] = (
            Pace(options.histories_per_second, 1),
            Pace(options.histories_per_minute, 60),
        )
        self._of["/tickle"] = (Pace(options.tickles_per_second, 1),)
        self._of["/sso/validate"] = (Pace(1, 60),)
        self._of["/iserver/scanner/run"] = (Pace(1, 1),)
        self._of["/iserver/scanner/params"] = (Pace(1, 900),)
        self._families = {"pa": Pace(1, 900), "fyi": Pace(1, 1)}
        self.boxed_until = 0
        """No sooner is anything answered again; 0: nothing was ever wrong."""
        self.violations = 0
        """How often a limit was passed, and how often the box was asked."""

    def admits(self, path: str, now: int) -> bool:
        """Count a request; False where it is refused."""
        if not self._options.is_paced:
            return True
        if now < self.boxed_until and self._options.penalty_answers:
            self.violations += 1
            return False
        paces = [self._all, *self._of.get(path, ())]
        family = self._families.get(path.lstrip("/").partition("/")[0])
        if family is not None:
            paces.append(family)
        if all(pace.admits(now) for pace in paces):
            for pace in paces:
                pace.count(now)
            return True
        self.violations += 1
        self.boxed_until = now + round(self._options.penalty_seconds * SECOND)
        return False
