"""A live desk trades only when it knows the venue's time.

House rules: the bound is what counts, not the offset: requests are signed in the venue's time, so a
clock that is wrong by a known amount costs nothing.
"""

from __future__ import annotations

import asyncio

from pitwire.desk.desk import Desk
from pitwire.model.clock import SECOND, drift
from pitwire.model.errors import StateError

KNOWN_WITHIN_SECONDS = 10.0
"""How long a start waits for a good answer about the venue's clock."""
_LOOK_SECONDS = 0.05


async def know_time(desk: Desk, within_seconds: float = KNOWN_WITHIN_SECONDS) -> None:
    """Wait until the venue's clock is known well enough to trade; raises `StateError`.

    How well: `max_clock_error_seconds` of the limits, half a second unless it says otherwise.
    """
    allowed = desk.config.risk.max_clock_error_seconds
    last = desk.clock.now() + round(within_seconds * SECOND)
    while (error := _error(desk)) is None or error > allowed:
        if desk.clock.now() >= last:
            known = "unknown" if error is None else f"known within {error:.3f} s only"
            raise StateError(
                verb="live trading",
                state=f"with a venue whose clock is {known}",
                expected=f"its time within {allowed:g} s",
            )
        await asyncio.sleep(_LOOK_SECONDS)


def _error(desk: Desk) -> float | None:
    """How far off the venue's clock may be known, in seconds."""
    clock = desk.engine.state.offset
    if clock is None:
        return None
    return (clock.error + drift(desk.clock.now() - clock.received)) / SECOND
