"""Frames that were told of late, to the letter: whoever brings one again says nothing new.

House rules: pure. Only frames of one event with a number of its own are kept, so that a frame that
is the same to the letter is the same event; of a long delta the head is, where the codec says that
it tells which delta it is. The newest few are kept, so a copy that is far behind is read like any
other.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import TypeAlias

from pitwire.model.events import BookDelta, Quote, Trade
from pitwire.venues.venue import Glimpse

KEPT, MOST = 128, 256
"""So many frames at least are remembered, and at most."""
LONGEST = 320
"""Of longer frames the head is looked up: to look up all of them costs as much as to read it."""
SAMPLED = 15
"""Of trades, those whose id ends in four zero bits are measured; of deltas they are compared."""

Brief: TypeAlias = tuple[Glimpse, bytes]
"""What a delta said, and its frame where that is long and to be compared, else nothing."""
Told: TypeAlias = dict[bytes, Trade | Quote | Brief]
"""Frame, or head of a long one → the event or delta that was told of it, oldest first. The hot path
reads it and adds to it."""
Head: TypeAlias = Callable[[bytes, int], bytes | None]
"""(frame, last id) → its head (`GlancingCodec.head`)."""


def remember(told: Told, frame: bytes, event: Trade | Quote) -> None:
    """Keep what was told of a frame, unless that is too long, and forget the oldest."""
    if 0 < len(frame) <= LONGEST:
        _keep(told, frame, event)


def remember_delta(told: Told, head: Head | None, frame: bytes, delta: BookDelta) -> None:
    """The same of a delta."""
    key: bytes | None = frame
    whole = b""
    if len(frame) > LONGEST:
        key = head(frame, delta.last_id) if head is not None else None
        whole = b"" if delta.last_id & SAMPLED else frame
    if key:
        _keep(told, key, ((delta.symbol, delta.venue_time, delta.last_id), whole))


def _keep(told: Told, key: bytes, what: Trade | Quote | Brief) -> None:
    told[key] = what
    if len(told) > MOST:
        forget(told)


def forget(told: Told) -> None:
    """Keep the newest few."""
    for old in tuple(islice(told, len(told) - KEPT)):
        del told[old]
