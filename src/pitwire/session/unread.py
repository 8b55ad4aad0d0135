"""What a second copy brings is not read: the same frame again, or a delta that is old by its head.

House rules: pure. Whatever follows is as if it had been read: counts, measures, signs of life.
"""

from __future__ import annotations

from collections.abc import Mapping

from pitwire.model.events import BookDelta
from pitwire.session.copies import Copy
from pitwire.session.feed import Feed
from pitwire.session.freshness import Heard
from pitwire.session.told import LONGEST
from pitwire.venues.venue import Codec, GlancingCodec


class Unread:
    """Looks at the frames of one of several connections before they are read."""

    __slots__ = ("_copy", "_deltas", "_feed", "_glance", "_heard", "_told")

    def __init__(
        self, codec: Codec, feed: Feed, copy: Copy, heard: Mapping[type, dict[str, Heard]]
    ) -> None:
        self._feed, self._copy, self._heard = feed, copy, heard
        self._glance = codec.glance if isinstance(codec, GlancingCodec) else None
        self._told, self._deltas = feed.told, heard[BookDelta]

    def skips(self, frame: bytes, now: int) -> bool:
        """Whether another copy has brought the same: it is not read then, or not to its end."""
        if len(frame) > LONGEST:
            glimpse = self._glance(frame) if self._glance is not None else None
            if glimpse is None:
                return False
            symbol, venue_time, _ = glimpse
            heard = self._deltas
            skips = symbol in heard and self._feed.skips_delta(glimpse, self._copy, now)
        else:
            event = self._told.get(frame)
            if event is None:
                return False
            symbol, venue_time = event.symbol, event.venue_time
            heard = self._heard[event.__class__]
            skips = symbol in heard and self._feed.skips(event, self._copy, now)
        if skips:
            heard[symbol] = venue_time, now
        return skips
