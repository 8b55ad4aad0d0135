"""Frames that were told of late, to the letter: whoever brings one again says nothing new.

House rules: pure. Only frames of one event with a number of its own are kept, so that a frame that
is the same to the letter is the same event; the newest few are, so a copy that is far behind is
read like any other.
"""

from __future__ import annotations

from itertools import islice
from typing import TypeAlias

from pitwire.model.events import Quote, Trade

KEPT, MOST = 128, 256
"""So many frames at least are remembered, and at most."""
LONGEST = 320
"""Longer frames are not kept: to look one up costs as much as to look at its head."""

Told: TypeAlias = dict[bytes, Trade | Quote]
"""Frame → the event that was told of it, oldest first. The hot path reads it and adds to it."""


def remember(told: Told, frame: bytes, event: Trade | Quote) -> None:
    """Keep what was told of a frame, unless that is too long, and forget the oldest."""
    if not 0 < len(frame) <= LONGEST:
        return
    told[frame] = event
    if len(told) > MOST:
        for old in tuple(islice(told, len(told) - KEPT)):
            del told[old]
