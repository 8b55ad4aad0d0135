"""What a second copy brings is not read: the same frame again, or a delta that is old by its head.

House rules: pure. Whatever follows is as if it had been read: counts, measures, signs of life.
"""

from __future__ import annotations

from collections.abc import Mapping

from pitwire.model.events import BookDelta, Quote, Trade
from pitwire.session.copies import Copy
from pitwire.session.feed import Feed
from pitwire.session.freshness import Heard
from pitwire.session.told import LONGEST
from pitwire.venues.venue import Codec, GlancingCodec, Glimpse


class Unread:
    """Looks at the frames of one of several connections before they are read."""

    __slots__ = ("_copy", "_deltas", "_feed", "_glance", "_head_bytes", "_heard", "_told")

    def __init__(
        self, codec: Codec, feed: Feed, copy: Copy, heard: Mapping[type, dict[str, Heard]]
    ) -> None:
        self._feed, self._copy, self._heard = feed, copy, heard
        self._glance = codec.glance if isinstance(codec, GlancingCodec) else None
        self._head_bytes = codec.head_bytes if isinstance(codec, GlancingCodec) else 0
        self._told, self._deltas = feed.told, heard[BookDelta]

    def skips(self, frame: bytes, now: int) -> bool:
        """Whether another copy has brought the same: it is not read then, or not to its end."""
        same = len(frame) <= LONGEST
        found = self._told.get(frame if same else frame[: self._head_bytes])
        if found.__class__ is tuple:
            glimpse: Glimpse | None
            glimpse, whole = found
            if whole:
                if whole != frame:
                    return False  # it begins alike, and contradicts
                same = True
        elif found is not None:
            event: Trade | Quote = found  # type: ignore[assignment]
            symbol, heard = event.symbol, self._heard[event.__class__]
            if symbol not in heard or not self._feed.skips(event, self._copy, now):
                return False
            heard[symbol] = event.venue_time, now
            return True
        elif same or not self._copy.cuts:
            return False
        else:
            self._copy.cuts -= 1
            glimpse = self._glance(frame) if self._glance is not None else None
            if glimpse is None:
                return False
        heard = self._deltas
        if glimpse[0] not in heard or not self._feed.skips_delta(glimpse, self._copy, now, same):
            return False
        heard[glimpse[0]] = glimpse[1], now
        return True
