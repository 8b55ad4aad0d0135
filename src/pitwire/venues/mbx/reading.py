"""What every reader of the family's frames needs: whose event a wrapped frame is, and what one that
cannot be read is told as.
"""

from __future__ import annotations

from pitwire.model.events import Malformed
from pitwire.venues import reading

WRAPPED = b'{"stream":"'
"""How a combined connection begins each event (§1.2)."""


def malformed(
    venue: str, frame: bytes, now: int, error: BaseException, *, channel: str = ""
) -> Malformed:
    """What a frame that could not be read becomes; the stream around it is its channel."""
    return reading.malformed(venue, frame, now, error, channel or stream_of(frame))


def stream_of(frame: bytes) -> str:
    """The name of the stream around an event; "" where there is none."""
    if not frame.startswith(WRAPPED):
        return ""
    name, quote, _ = frame[len(WRAPPED) : 120].partition(b'"')
    return name.decode("utf-8", "replace") if quote else ""
