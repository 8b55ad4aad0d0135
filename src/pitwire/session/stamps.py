"""What waited is received when it is let go: the stamps of a symbol's events never decrease.

House rules: pure. Lag is counted from these stamps, so it includes the wait; a tape has the frame's
own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from pitwire.model.events import Event

Told = TypeVar("Told", bound=Event)


def stamped(event: Told, now: int) -> Told:
    """This event as received now, unless it is later."""
    return event if event.received >= now else msgspec.structs.replace(event, received=now)


def all_stamped(events: Iterable[Event], now: int) -> list[Event]:
    """The same of several."""
    return [event if event.received >= now else stamped(event, now) for event in events]
