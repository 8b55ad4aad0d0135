"""What every reader of the family's frames needs: what parsing may raise, and what it is told as.

House rules: hostile bytes become one `Malformed` or `Unhandled`; nothing here raises but
`Unreadable`, which never leaves the venues of the family.
"""

from __future__ import annotations

import json

import msgspec

from pitwire.model.events import Malformed, Unhandled
from pitwire.venues.mbx.amounts import Unreadable

UNREADABLE = (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError, IndexError)
"""All that parsing hostile bytes can raise: `ValueError` covers bad UTF-8 and `Unreadable`."""
WRAPPED = b'{"stream":"'
"""How a combined connection begins each event (§1.2)."""


def refuse_doubled_keys(frame: bytes) -> None:
    """Raise `Unreadable` when an object in the frame has the same key twice."""
    json.loads(frame, object_pairs_hook=_single)


def _single(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        doubled = next(name for name in names if names.count(name) > 1)
        raise Unreadable(doubled, "the key twice")
    return found


def excerpt(frame: bytes) -> str:
    """The first 80 characters, for a person."""
    return frame[:80].decode("utf-8", "replace")


def malformed(
    venue: str, frame: bytes, now: int, error: BaseException, *, channel: str = ""
) -> Malformed:
    """What a frame that could not be read becomes."""
    return Malformed(
        venue, "", 0, now, (channel or stream_of(frame))[:80], _path(error), excerpt(frame)
    )


def unhandled(venue: str, frame: bytes, now: int, channel: str) -> Unhandled:
    """What a well-formed frame of an unknown kind becomes."""
    return Unhandled(venue, "", 0, now, channel[:80], excerpt(frame))


def stream_of(frame: bytes) -> str:
    """The name of the stream around an event; "" where there is none."""
    if not frame.startswith(WRAPPED):
        return ""
    name, quote, _ = frame[len(WRAPPED) : 120].partition(b'"')
    return name.decode("utf-8", "replace") if quote else ""


def _path(error: BaseException) -> str:
    if isinstance(error, Unreadable):
        return error.path
    if isinstance(error, RecursionError):
        return "nested too deeply"
    text = str(error)
    _, found, path = text.rpartition("`$")
    return f"${path.rstrip('`')}" if found else text[:80]
