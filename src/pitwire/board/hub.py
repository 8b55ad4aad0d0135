"""The hub: one picture made once, and every viewer brought up to it at the pace it can take.

A *frame* is `{"kind": "frame", "seq": n, "previous": m, …}`: what has changed since the frame `m`
that this viewer was sent last. House rules: a viewer that keeps up gets the bytes that everybody
gets; one that does not has its changes merged until it has answered, so it sees fewer frames and
never older ones; memory a viewer costs is bounded by the picture itself.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, Protocol

import msgspec

from pitwire.board.picture import KEPT, Change, Picture
from pitwire.model.clock import SECOND, Clock
from pitwire.trading.journal import sayable_value

logger = logging.getLogger("pitwire.board")

WINDOW = 4
"""Frames that may be on their way to a viewer that has not answered."""
BEHIND = 100
"""Frames that are merged for a viewer that says nothing; from then on it waits for a picture."""
HEARTBEAT = SECOND // 2
"""A frame leaves at least this often, ns, also when nothing has changed."""
BUDGET = 0.1
"""The share of one core that making frames may cost before they come more seldom."""
CREDIT_SECONDS = 0.03
"""What they may cost beyond that for a moment: now and then a look is a long one."""
SHARE = 0.5
"""The share of the time that it may look, where others keep it from the core."""
IDLE_SECONDS = 1.0
"""How often it looks while nobody else does."""
VIEWERS = 16
VIEWS = 16
"""Views that one viewer may have open."""

Send = Callable[[bytes], Awaitable[None]]


class Source(Protocol):
    """Where pictures come from: a desk in this process, or one that is listened to."""

    common: Picture
    generation: int
    """Counts up when everything was told anew: then viewers begin again, too."""

    def head(self, now: int) -> dict[str, Any]: ...

    def steps(self, now: int) -> Iterator[None]: ...

    def open(self, view: str) -> str: ...

    def close(self, view: str) -> None: ...

    def picture(self, view: str) -> Picture | None: ...


class Viewer:
    """Somebody who looks. `run` sends until it is cancelled or the sender fails."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.views: tuple[str, ...] = ()
        self.seq = -1
        """The last frame that was sent to it; -1 when it needs everything."""
        self._answered = -1
        self._on_way: list[int] = []
        self._frames: list[tuple[int, bytes]] = []
        self._common: Change | None = None
        self._changes: dict[str, Change] = {}
        self._wake = asyncio.Event()
        self._notices: list[bytes] = []
        self.merged = 0
        """Frames that it was spared because it was slow."""
        self._unanswered = 0

    @property
    def is_ready(self) -> bool:
        """Whether the next frame may leave at once, as everybody gets it."""
        waits = self._common is not None or self._frames or len(self._on_way) >= WINDOW
        return self.seq >= 0 and not waits

    @property
    def has_gone_quiet(self) -> bool:
        """Whether it has said nothing for so long that nothing is made for it any more."""
        return self.seq < 0 and len(self._on_way) >= WINDOW

    # ── what it says ──────────────────────────────────────────────────────────────────────────

    def look_at(self, views: Iterable[str]) -> None:
        """Look at these views from now on; those that cannot be are refused in words."""
        wanted = tuple(dict.fromkeys(views))[:VIEWS]
        kept = []
        for view in wanted:
            why = self._hub.open(view)
            if why:
                self.notify({"kind": "refused", "view": view, "why": why})
            else:
                kept.append(view)
        before, self.views = self.views, tuple(kept)
        self._hub.close(before)
        self.ask_for_all()

    def answer(self, seq: int) -> None:
        """It has shown this frame."""
        if self.has_gone_quiet:
            self._hub.wake()
        self._on_way = [sent for sent in self._on_way if sent > seq]
        self._unanswered = 0
        self._wake.set()

    def ask_for_all(self) -> None:
        """It has lost the thread: begin again with everything."""
        self.seq = -1
        self._on_way.clear()
        self._forget()
        self._wake.set()

    def notify(self, message: dict[str, Any]) -> None:
        """Say something that is no frame."""
        self._notices = [*self._notices[-63:], _encode(message)]
        self._wake.set()

    # ── what it is sent ───────────────────────────────────────────────────────────────────────

    def offer(self, seq: int, frame: bytes, common: Change, changes: dict[str, Change]) -> None:
        """A frame was made; it is sent, or merged with what waits already."""
        if self.is_ready:
            self._frames.append((seq, frame))
        elif self.seq >= 0:
            self._merge(seq, common, changes)
        if len(self._on_way) < WINDOW:  # else its answer alone wakes it
            self._wake.set()

    def _merge(self, seq: int, common: Change, changes: dict[str, Change]) -> None:
        self.merged += 1
        self._unanswered += 1
        if self._unanswered > BEHIND:
            self.seq = -1
            self._forget()
            return
        if self._common is None:
            self._common = Change()
        for _, waiting in self._frames:
            earlier = msgspec.json.decode(waiting)
            self._take_in(
                msgspec.convert(earlier["common"], Change),
                {view: msgspec.convert(c, Change) for view, c in earlier["views"].items()},
            )
        self._frames.clear()
        self._take_in(common, changes)

    def _take_in(self, common: Change, changes: dict[str, Change]) -> None:
        assert self._common is not None
        self._common.merge(common)
        for view in self.views:
            if view in changes:
                self._changes.setdefault(view, Change()).merge(changes[view])

    def _forget(self) -> None:
        self._frames.clear()
        self._common = None
        self._changes.clear()

    async def run(self, send: Send) -> None:
        """Send whatever there is, for as long as somebody takes it."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while (message := self._next()) is not None:
                await send(message)

    def _next(self) -> bytes | None:
        if self._notices:
            return self._notices.pop(0)
        if len(self._on_way) >= WINDOW:
            return None
        hub = self._hub
        if self.seq < 0:
            if hub.is_cold:
                return None
            self._forget()
            self.seq = hub.seq
            self._on_way.append(self.seq)
            return hub.snapshot(self.views)
        if self._common is not None:
            message = hub.frame(self._common, self._changes, self.seq)
            self._forget()
            self.seq = hub.seq
        elif self._frames:
            self.seq, message = self._frames.pop(0)
        else:
            return None
        self._on_way.append(self.seq)
        return message


class Hub:
    """Makes frames of a source, `per_second` at most, and hands them to viewers."""

    def __init__(self, source: Source, clock: Clock, *, per_second: int = 20) -> None:
        self.source, self._clock = source, clock
        self._interval = 1 / per_second
        self.viewers: set[Viewer] = set()
        self.seq = -1
        self._views: dict[str, int] = {}
        self._sent_at = 0
        self._generation = source.generation
        self._wanted = asyncio.Event()
        self._cold = True
        self.failures = 0
        """Looks that went wrong; the next one is made all the same."""
        self.busy_seconds = 0.0
        """What making frames has cost so far, of a core."""
        self.frames = 0

    # ── viewers ───────────────────────────────────────────────────────────────────────────────

    @property
    def is_cold(self) -> bool:
        """Whether nothing was looked at since somebody came to look."""
        return self._cold

    @property
    def is_full(self) -> bool:
        """Whether nobody else may look."""
        return len(self.viewers) >= VIEWERS

    def join(self) -> Viewer:
        """A new viewer; call `leave` with it in the end."""
        viewer = Viewer(self)
        self.wake()
        self.viewers.add(viewer)
        return viewer

    def wake(self) -> None:
        """Somebody begins to look, or does again: if nobody did, what is known may be old."""
        self._cold = self._cold or not self._looked_at
        self._wanted.set()

    @property
    def _looked_at(self) -> bool:
        return not all(viewer.has_gone_quiet for viewer in self.viewers)

    def leave(self, viewer: Viewer) -> None:
        """It looks no more."""
        self.viewers.discard(viewer)
        self.close(viewer.views)

    def open(self, view: str) -> str:
        """One more looks at this view; why it cannot be, or ""."""
        why = self.source.open(view)
        if not why:
            self._views[view] = self._views.get(view, 0) + 1
        return why

    def close(self, views: Iterable[str]) -> None:
        """One fewer looks at these."""
        for view in views:
            self._views[view] -= 1
            if not self._views[view]:
                del self._views[view]
                self.source.close(view)

    # ── frames ────────────────────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """Make frames until cancelled: more seldom where they cost more than the budget."""
        pace, time_of = Pace(self._interval), asyncio.get_running_loop().time
        while True:
            took, cost = await self._look()
            if self._looked_at:
                await asyncio.sleep(pace.pause_seconds(time_of(), took=took, cost=cost))
            else:  # now and then, so that nothing falls off the journal's end
                self._wanted.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(IDLE_SECONDS):
                        await self._wanted.wait()

    async def _look(self) -> tuple[float, float]:
        """One look and one frame; the seconds that it took, and those of a core that it cost."""
        began = self._clock.now()
        cost, started = 0, time.thread_time_ns()
        try:
            for _ in self.source.steps(began):
                cost += time.thread_time_ns() - started
                await asyncio.sleep(0)
                started = time.thread_time_ns()
            self.tick(self._clock.now())
        except Exception as error:  # the board's edge: it may fail, the desk may not
            self.failures += 1
            if self.failures == 1 or self.failures % 1000 == 0:
                logger.exception("the board cannot look (%s times): %s", self.failures, error)
        cost += time.thread_time_ns() - started
        self.busy_seconds += cost / SECOND
        return (self._clock.now() - began) / SECOND, cost / SECOND

    def tick(self, now: int) -> None:
        """Make a frame of what has changed, if anything has or a heartbeat is due."""
        if self.source.generation != self._generation:
            self._generation = self.source.generation
            for viewer in self.viewers:
                viewer.ask_for_all()
        common = self.source.common.take()
        changes = {}
        for view in self._views:
            picture = self.source.picture(view)
            change = picture.take() if picture is not None else None
            if change:
                changes[view] = change
        if not common and not changes and now - self._sent_at < HEARTBEAT:
            return
        self._sent_at, self._cold = now, False
        previous, self.seq = self.seq, self.seq + 1
        self.frames += 1
        made: dict[tuple[str, ...], bytes] = {}
        ready = {viewer.views: None for viewer in self.viewers if viewer.is_ready}
        if ready:
            part, parts = _encode(common), {v: _encode(c) for v, c in changes.items()}
            for views in ready:
                seen = {view: parts[view] for view in views if view in parts}
                made[views] = self._message("frame", previous, part, seen)
        for viewer in self.viewers:
            viewer.offer(self.seq, made.get(viewer.views, b""), common, changes)

    def frame(self, common: Change, changes: dict[str, Change], previous: int) -> bytes:
        """A frame of its own for a viewer that was slow."""
        seen = {view: _encode(change) for view, change in changes.items()}
        return self._message("frame", previous, _encode(common), seen)

    def snapshot(self, views: Iterable[str]) -> bytes:
        """Everything there is to see, as a frame from nothing."""
        seen = {}
        for view in views:
            picture = self.source.picture(view)
            if picture is not None:
                seen[view] = _encode(picture.whole())
        common = _encode(self.source.common.whole())
        return self._message("snapshot", -1, common, seen)

    def _message(self, kind: str, previous: int, common: bytes, seen: dict[str, bytes]) -> bytes:
        head: dict[str, Any] = {"kind": kind, "seq": self.seq, "previous": previous}
        head |= self.source.head(self._clock.now())
        if kind == "snapshot":
            head["kept"] = dict(KEPT)
        views = {view: msgspec.Raw(part) for view, part in seen.items()}
        return msgspec.json.encode(head | {"common": msgspec.Raw(common), "views": views})


class Pace:
    """When to look: at even places in time, so that what a timer is late does not add up.

    A look that is late is made up for by the next ones, which come half an interval after one
    another at the soonest; of more than that nothing is made up. On a crowded machine a look takes
    long and costs little: then it is not looked more seldom than half of the time allows.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._place = self._before = float("-inf")
        self._owed = 0.0

    def pause_seconds(self, now: float, *, took: float, cost: float) -> float:
        """How long not to look from `now` on, after a look that `took` and `cost` so much; s."""
        self._owed = max(0.0, self._owed + cost - BUDGET * (now - self._before))
        self._before = now
        rest = max(took * (1 / SHARE - 1), (self._owed - CREDIT_SECONDS) / BUDGET)
        soonest = max(now + rest, now - took + self._interval / 2)
        self._place += self._interval
        if self._place < soonest - self._interval:
            self._place = now - took + self._interval
        return max(self._place, soonest) - now


def _encode(value: object) -> bytes:
    """As JSON; text of a rule's own may hold half a surrogate pair, and is spelt out."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return msgspec.json.encode(sayable_value(msgspec.to_builtins(value)))
