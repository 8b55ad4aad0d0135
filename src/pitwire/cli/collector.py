"""The garbage collector, told when: a pause in the middle of a burst is a missed price.

Only a command does this, because the collector belongs to the whole process. What was made before
trading begins is frozen; after that young garbage is collected in quiet moments, by the clock.
"""

from __future__ import annotations

import gc
from typing import Self

from pitwire.model.clock import SECOND

YOUNG_SECONDS = 1.0
FULL_SECONDS = 60.0


class Collector:
    """Takes the collector over inside `with`, and gives it back as it was.

    What has been frozen already stays so, and with it what is frozen here.
    """

    def __init__(self, now: int) -> None:
        self._was_enabled = gc.isenabled()
        self._was_frozen = gc.get_freeze_count() > 0
        self._young = self._full = now

    def __enter__(self) -> Self:
        gc.collect()
        gc.freeze()
        gc.disable()
        return self

    def __exit__(self, *error: object) -> None:
        if not self._was_frozen:
            gc.unfreeze()
        if self._was_enabled:
            gc.enable()

    def quiet(self, now: int) -> None:
        """A moment in which nothing waits: collect what is due."""
        if now - self._full >= FULL_SECONDS * SECOND:
            self._full = self._young = now
            gc.collect()
        elif now - self._young >= YOUNG_SECONDS * SECOND:
            self._young = now
            gc.collect(1)
