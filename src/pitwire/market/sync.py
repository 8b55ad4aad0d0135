"""BookSync: a snapshot and deltas go in; a gap-free story comes out, or the word that it is broken.

House rules: knows ids, never levels; no clock (`now` is passed); decides nothing about when or how
often a snapshot is fetched, only says that one is wanted. What it emits can be applied blindly:
each `BookDelta` follows the event before it, and after a `BookStale` nothing comes until the next
`BookSnapshot`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from pitwire.market.sequence import ByRange, Continuity, Verdict
from pitwire.model.clock import SECOND
from pitwire.model.events import BookDelta, BookSnapshot, BookStale, Event

HOLD = 600
"""Deltas kept while a snapshot is on its way: a minute of a stream that speaks every 100 ms."""
ANEW_SECONDS = 10.0
"""Where nothing has come for so long but what a book already has, the venue counts anew: by its
clock, and by ours, as after a pause all that a copy was behind by comes at once."""
_ANEW = round(ANEW_SECONDS * SECOND)

_NEVER = -1


class BookSync:
    """Splices the book of one symbol (binance §4.1 for `ByRange`, §4.3 for `ByPrevious`).

    Of held deltas the oldest is dropped beyond `hold`; a snapshot from before the oldest that is
    left no longer connects and is refused, so the bound costs another fetch and never a wrong book.
    """

    __slots__ = (
        "_continuity", "_dense", "_held", "_hold", "_old", "_old_at", "_past", "_refreshing",
        "_spliced", "depth", "holding", "last_id", "live", "live_since", "next_id", "symbol",
        "venue",
    )  # fmt: skip

    def __init__(
        self, venue: str, symbol: str, continuity: Continuity, depth: int = 0, *, hold: int = HOLD
    ) -> None:
        if hold < 1:
            raise ValueError(f"hold: found {hold}, expected 1 or more")
        self.venue = venue
        self.symbol = symbol
        self.depth = depth
        """Levels a side to ask a snapshot for."""
        self.live = False
        """Whether the story told so far leads to the book as it is."""
        self.live_since = 0
        """`now` of the snapshot this story began with."""
        self.last_id = 0
        self.holding = False
        """Whether deltas of a live book are kept as well, to be laid over another snapshot."""
        self._continuity = continuity
        self._dense = isinstance(continuity, ByRange)
        self._hold = hold
        self._held: deque[BookDelta] = deque(maxlen=hold)
        self.next_id = _NEVER
        """The first id of the delta that follows, where that is plain to see; else negative."""
        self._spliced = False
        self._refreshing = False
        self._old = 0
        self._old_at = _NEVER
        self._past = (_NEVER, 0, 0)
        """The id at which the book stood when the first delta came that it had, and its times, the
        venue's, no sooner than the book began, and ours."""

    @property
    def wants_snapshot(self) -> bool:
        """Whether a snapshot would help: at the start, after a break, after `refresh`."""
        return self._refreshing or not self.live

    def verdict(self, delta: BookDelta) -> Verdict:
        """How a delta stands to the book as it is."""
        return self._verdict(delta, self.last_id, self._spliced)

    def follows(self, delta: BookDelta) -> bool:
        """Whether a delta is the very next; False may only mean that it is not plain to see."""
        return delta.first_id == self.next_id <= delta.last_id

    def has(self, delta: BookDelta) -> bool:
        """Whether a live book already has what this delta says."""
        last = delta.last_id
        return last < self.last_id or (last == self.last_id and (self._dense or self._spliced))

    def skips(self, last_id: int) -> bool:
        """Drop a delta that goes no further than this, of which a live book has all; False where
        it must be seen whole."""
        if not self.live or last_id > self.last_id or not self._old < self._hold:
            return False
        if last_id == self.last_id and not (self._dense or self._spliced):
            return False
        self._old = self._old + 1 if self._old_at == self.last_id else 1
        self._old_at = self.last_id
        return True

    def accept(self, delta: BookDelta) -> Sequence[Event]:
        """Pass on a delta that follows; hold, drop or answer one that does not."""
        # binance §4.1 step 7: the steady state, and the only line that must be fast.
        if delta.first_id == self.next_id <= delta.last_id:
            self.last_id = delta.last_id
            self.next_id = delta.last_id + 1
            return (delta,)
        if not self.live:
            self._held.append(delta)
            return ()
        return self._judge(delta)

    def _judge(self, delta: BookDelta) -> Sequence[Event]:
        match self._verdict(delta, self.last_id, self._spliced):
            case Verdict.OLD:
                return self.count_old(delta)
            case Verdict.GAP:
                chained = delta.previous_id != 0
                stale = self._stale(
                    "gap",
                    delta.received,
                    venue_time=delta.venue_time,
                    expected=self.last_id if chained else self.last_id + 1,
                    found=delta.previous_id if chained else delta.first_id,
                )
                self._held.append(delta)
                return stale
            case Verdict.APPLY:
                self._stand_at(delta.last_id, spliced=True)
                if self.holding:
                    self._held.append(delta)
                return (delta,)

    def accept_snapshot(self, snapshot: BookSnapshot, now: int) -> Sequence[Event]:
        """Begin the story at this snapshot, followed by what was held.

        Returns nothing, and goes on wanting one, when the snapshot is older than the deltas held
        (binance §4.1 step 3). A late one that would take a live book back is ignored.
        """
        story, at, spliced, left = self._lay(snapshot)
        if left is not None:
            # What is before a gap connects to no snapshot that is able to bridge the gap.
            self._held = deque(left, maxlen=self._hold)
            return ()
        if self.live and (at < self.last_id or (at == self.last_id and not self._refreshing)):
            return ()
        self._held.clear()
        self._refreshing = self.holding = False
        self.live = True
        self.live_since = now
        self._stand_at(at, spliced=spliced)
        return story

    def story_of(self, snapshot: BookSnapshot) -> tuple[list[Event], int] | None:
        """What `accept_snapshot` would tell, and at which id it ends; None if it does not connect.

        Changes nothing. Of a live book it is the truth that the book can be held against.
        """
        story, at, _, left = self._lay(snapshot)
        return (story, at) if left is None else None

    def _lay(self, snapshot: BookSnapshot) -> tuple[list[Event], int, bool, list[BookDelta] | None]:
        """The held deltas over a snapshot: the story, where it ends, what is left after a gap."""
        story: list[Event] = [snapshot]
        at, spliced, newest = snapshot.last_id, False, 0
        # In the order of their ids: deltas that overtook one another are in order again here.
        held = sorted(self._held, key=_last_id)
        for index, delta in enumerate(held):
            verdict = self._verdict(delta, at, spliced)
            if verdict is Verdict.GAP and delta.venue_time < newest:
                continue  # a higher id, and older: of a count that is over
            newest = max(newest, delta.venue_time)
            if verdict is Verdict.GAP:
                return story, at, spliced, held[index:]
            if verdict is Verdict.APPLY:
                story.append(delta)
                at, spliced = delta.last_id, True
        return story, at, spliced, None

    def lost(self, now: int) -> Sequence[Event]:
        """The connection is gone, and with it the deltas after the last one that came."""
        stale = self._stale("connection lost", now)
        self._held.clear()
        return stale

    def distrust(self, reason: str, now: int) -> Sequence[Event]:
        """Somebody who knows the levels found them wrong: a crossed book, a checksum."""
        return self._stale(reason, now)

    def refresh(self) -> None:
        """Want another snapshot while the book stays live, to know deeper levels again.

        Deltas are passed on and held as well, so that the new snapshot leaves no blackout.
        """
        if self.live:
            self._refreshing = True
            self.hold()

    def hold(self) -> None:
        """Keep the deltas of a live book as well as passing them on, until `release`."""
        if self.live and not self.holding:
            self.holding = True
            self.next_id = _NEVER

    def release(self) -> None:
        """Keep them no longer, unless a snapshot is wanted."""
        if self.live and self.holding and not self._refreshing:
            self.holding = False
            self._held.clear()
            self._stand_at(self.last_id, spliced=self._spliced)

    def _verdict(self, delta: BookDelta, at: int, spliced: bool) -> Verdict:
        return self._continuity.judge(
            book_id=at,
            first=delta.first_id,
            last=delta.last_id,
            previous=delta.previous_id,
            spliced=spliced,
        )

    def _stand_at(self, last_id: int, *, spliced: bool) -> None:
        self.last_id = last_id
        self._spliced = spliced
        self.next_id = last_id + 1 if self._dense and not self.holding else _NEVER

    def count_old(self, delta: BookDelta) -> Sequence[Event]:
        """Drop what the book already has; too many of them in a row are no coincidence."""
        # A venue that began to count anew would look like endless repeats and freeze the book.
        if self._old_at != self.last_id:
            self._old_at, self._old = self.last_id, 0
        self._old += 1
        if self._past[0] != self.last_id:
            # What was sent before the book began is in its snapshot, however late it comes.
            self._past = self.last_id, max(delta.venue_time, self.live_since), delta.received
        _, sent, came = self._past
        passed = min(delta.venue_time - sent, delta.received - came)
        if self._old <= self._hold and passed < _ANEW:
            return ()
        return self._stale(
            "ids went back",
            delta.received,
            venue_time=delta.venue_time,
            expected=self.last_id + 1,
            found=delta.first_id,
        )

    def _stale(
        self, reason: str, now: int, *, venue_time: int = 0, expected: int = 0, found: int = 0
    ) -> Sequence[Event]:
        if not self.live:
            return ()
        self.live = False
        self._refreshing = self.holding = False
        self.next_id = _NEVER
        self._old_at = _NEVER
        self._held.clear()
        return (
            BookStale(
                venue=self.venue,
                symbol=self.symbol,
                venue_time=venue_time,
                received=now,
                reason=reason,
                expected=expected,
                found=found,
            ),
        )


def _last_id(delta: BookDelta) -> int:
    return delta.last_id
