"""Markets a crowd can make, as frozen values with names.

House rules: values are in basis points, quote money and events per second, so that one scenario
suits every listing; times are seconds after the market opened.
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec

BIPS = 10_000
"""Basis points in one."""
MOST_PER_SECOND = 1_000_000.0
"""No crowd acts more often; a burst may, but then not by much."""
_RATES = ("makers_per_second", "takers_per_second", "followers_per_second")


class Crash(msgspec.Struct, frozen=True, kw_only=True):
    """A fall of `percent` within `fall_seconds`, then a way back of `recover_percent` of it."""

    at_seconds: float
    percent: float
    fall_seconds: float = 3.0
    recover_percent: float = 80.0
    recover_seconds: float = 20.0

    def bips_by(self, seconds: float) -> float:
        """How far prices have fallen by then, in (logarithmic) basis points; negative."""
        since = seconds - self.at_seconds
        if since <= 0:
            return 0.0
        bottom = math.log(1 - self.percent / 100) * BIPS
        if since < self.fall_seconds:
            return bottom * since / self.fall_seconds
        healed = min((since - self.fall_seconds) / self.recover_seconds, 1.0)
        return bottom * (1 - healed * self.recover_percent / 100)

    def falls_at(self, seconds: float) -> bool:
        return 0 <= seconds - self.at_seconds < self.fall_seconds


class Burst(msgspec.Struct, frozen=True, kw_only=True):
    """A time when everybody acts `times` as often."""

    at_seconds: float
    for_seconds: float
    times: float


class Halt(msgspec.Struct, frozen=True, kw_only=True):
    """Trading stands still: nothing is taken, what rests stays and may be cancelled."""

    at_seconds: float
    for_seconds: float
    status: Literal["HALT", "BREAK"] = "HALT"


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """How a crowd behaves, and when the venue lets it."""

    name: str
    levels: int = 250
    """Price levels that the makers keep a side."""
    gap_bips: float = 0.01
    """Mean distance of two levels (at least one tick)."""
    spread_bips: float = 0.002
    """Between the makers' best bid and ask (at least one tick)."""
    quote_value: float = 8_000.0
    """Mean worth of a maker's order, in quote money."""
    take_value: float = 3_000.0
    """Mean worth of a taker's order, in quote money."""
    volatility_bips: float = 0.6
    """Standard deviation of the fair value over one second."""
    drift_bips: float = 0.0
    """Movement of the fair value per second."""
    swept: float = 0.6
    """How often quotes that the fair value ran over are taken rather than withdrawn."""
    churn: float = 0.7
    """How often a refresh withdraws an order that was fine."""
    buyers: float = 0.5
    """Part of the takers that buy."""
    makers_per_second: float = 40.0
    takers_per_second: float = 6.0
    followers_per_second: float = 2.0
    follow_bips: float = 1.0
    """Movement between two looks that makes a follower act."""
    crashes: tuple[Crash, ...] = ()
    bursts: tuple[Burst, ...] = ()
    halts: tuple[Halt, ...] = ()
    opens_at_seconds: float = 0.0
    """When a new symbol begins to trade; until then it is listed, closed and without a book. All
    other times count from there."""

    def __post_init__(self) -> None:
        for field in ("levels", "gap_bips", "quote_value", "take_value"):
            if getattr(self, field) <= 0:
                raise ValueError(f"{field}: found {getattr(self, field)}, expected above zero")
        for field in _RATES:
            if not 0 <= getattr(self, field) <= MOST_PER_SECOND:
                raise ValueError(
                    f"{field}: found {getattr(self, field)}, expected 0 to {MOST_PER_SECOND}"
                )
        if self.opens_at_seconds < 0:
            raise ValueError(
                f"opens_at_seconds: found {self.opens_at_seconds}, expected zero or more"
            )
        for halt in self.halts:
            if halt.at_seconds < 0 or halt.for_seconds <= 0:
                raise ValueError(
                    f"halts: found {halt.for_seconds} s at {halt.at_seconds} s, "
                    "expected some time after the opening"
                )
        for crash in self.crashes:
            if not 0 < crash.percent < 100:
                raise ValueError(
                    f"crash.percent: found {crash.percent}, expected between 0 and 100"
                )

    def rate(self, role: str, seconds: float) -> float:
        """Acts per second of `makers`, `takers` or `followers` at a time."""
        rates = {
            "makers": self.makers_per_second,
            "takers": self.takers_per_second,
            "followers": self.followers_per_second,
        }
        rate = rates[role]
        for burst in self.bursts:
            if 0 <= seconds - burst.at_seconds < burst.for_seconds:
                rate *= burst.times
        return rate

    def crash_bips(self, before: float, after: float) -> float:
        """How far crashes move the fair value between two times."""
        return sum(crash.bips_by(after) - crash.bips_by(before) for crash in self.crashes)

    def is_crashing(self, seconds: float) -> bool:
        """Whether prices are falling in a crash."""
        return any(crash.falls_at(seconds) for crash in self.crashes)


SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario(name="calm"),
        Scenario(name="trend", drift_bips=0.5, buyers=0.6),
        Scenario(name="slide", drift_bips=-0.5, buyers=0.4),
        Scenario(name="volatile", volatility_bips=4.0, takers_per_second=15.0),
        Scenario(
            name="dip",
            gap_bips=0.3,
            crashes=(
                Crash(
                    at_seconds=6.0,
                    percent=1.5,
                    fall_seconds=2.0,
                    recover_percent=90.0,
                    recover_seconds=5.0,
                ),
            ),
        ),
        Scenario(name="flash-crash", gap_bips=0.3, crashes=(Crash(at_seconds=15.0, percent=6.0),)),
        Scenario(
            name="quiet",
            makers_per_second=2.0,
            takers_per_second=0.1,
            followers_per_second=0.1,
            volatility_bips=0.1,
        ),
        Scenario(
            name="thin",
            levels=12,
            gap_bips=1.5,
            spread_bips=3.0,
            quote_value=400.0,
            take_value=120.0,
            makers_per_second=10.0,
            takers_per_second=2.0,
        ),
        Scenario(
            name="burst",
            bursts=tuple(
                Burst(at_seconds=at, for_seconds=2.0, times=20.0) for at in (5.0, 15.0, 30.0, 60.0)
            ),
        ),
        Scenario(
            name="storm",
            bursts=(Burst(at_seconds=5.0, for_seconds=5.0, times=150.0),),
        ),
        Scenario(name="halt", halts=(Halt(at_seconds=10.0, for_seconds=10.0),)),
        Scenario(
            name="opening",
            opens_at_seconds=10.0,
            levels=40,
            gap_bips=1.0,
            spread_bips=2.0,
            volatility_bips=8.0,
            bursts=(Burst(at_seconds=0.0, for_seconds=20.0, times=8.0),),
        ),
        Scenario(
            name="flood",
            makers_per_second=2_500.0,
            takers_per_second=300.0,
            followers_per_second=50.0,
            volatility_bips=2.0,
        ),
    )
}
"""Scenarios by name."""


def scenario(name: str) -> Scenario:
    """The scenario of this name; raises `ValueError` that lists the names there are."""
    if name not in SCENARIOS:
        raise ValueError(f"scenario: found {name!r}, expected one of {', '.join(SCENARIOS)}")
    return SCENARIOS[name]
