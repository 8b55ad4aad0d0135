"""The plan that carries a script out: it decides frame by frame, and keeps the count.

House rules: whoever owns the sockets asks, and obeys; same script, seed and calls, same decisions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import assert_never

import msgspec

from pitwire.model.clock import SECOND
from pitwire.model.entropy import Entropy
from pitwire.sim.faults import (
    AskBack,
    BlackHole,
    ClockSkew,
    CloseWith,
    Cut,
    Delay,
    DelayAck,
    Drop,
    Duplicate,
    Fault,
    FillBeforeAck,
    Flap,
    FrameFault,
    Freeze,
    HangDial,
    HttpError,
    LatePong,
    LateSnapshot,
    LoseAck,
    Malformed,
    Misreport,
    PartAck,
    RefuseDial,
    Reorder,
    RequestFault,
    Rewrite,
    ServerShutdown,
    SessionFault,
    SkipSequence,
    StaleSnapshot,
    Stall,
    Throttle,
    Withhold,
    matches,
)
from pitwire.sim.spoiling import spoiled
from pitwire.sim.verdicts import (
    AS_USUAL,
    AnnounceShutdown,
    CloseLink,
    CutLink,
    DialRefusal,
    LinkAction,
    Operate,
    SwallowLink,
    Verdict,
)

_FRAME_FAULTS = (
    Drop, SkipSequence, Delay, Freeze, Duplicate, Reorder, Malformed, Rewrite, Stall, Throttle,
)  # fmt: skip
_REQUEST_FAULTS = (
    LateSnapshot, StaleSnapshot, LoseAck, DelayAck, PartAck, FillBeforeAck, HttpError, Misreport,
    Withhold, AskBack,
)  # fmt: skip
_HELD = b"held"
"""Stands for a frame that waits to be overtaken; told apart by identity."""
KEPT_HAPPENED = 50_000
"""How many of the decisions that were not the usual ones are remembered, at least."""
Lane = tuple[str, str]
"""Link, stream."""


class _Count:
    """What has become of one fault so far."""

    __slots__ = ("begin", "done", "end", "kept", "pattern", "seen")

    def __init__(self, fault: Fault, start: int) -> None:
        self.begin = start + round(fault.at_seconds * SECOND)
        length = getattr(fault, "for_seconds", 0.0)
        self.end = self.begin + round(length * SECOND) if length else None
        self.seen = 0
        self.done = 0
        self.pattern = re.compile(getattr(fault, "pattern", "").encode())
        self.kept: dict[str, bytes] = {}
        """Stream → what a `Rewrite` found first."""

    def takes(self, fault: Fault, now: int) -> bool:
        """Whether it happens to the thing that is passing now."""
        if now < self.begin or (self.end is not None and now >= self.end):
            return False
        self.seen += 1
        limit: int = getattr(fault, "count", 1)
        if self.seen <= fault.after_frames or (limit and self.done >= limit):
            return False
        self.done += 1
        return True


class FaultPlan:
    """Carries out a script. Whoever serves links asks it, and obeys."""

    def __init__(self, faults: Sequence[Fault], *, entropy: Entropy, start: int) -> None:
        self.faults = tuple(faults)
        self.happened: list[tuple[int, Fault]] = []
        """(when, which): every decision that was not the usual one, in order, the last ones."""
        self._counts = [_Count(fault, start) for fault in self.faults]
        self._chance = entropy.stream("faults")
        pairs = list(zip(self.faults, self._counts, strict=True))
        self._frames = [(f, count) for f, count in pairs if isinstance(f, _FRAME_FAULTS)]
        # What is held back to be overtaken must not be spoiled as if it were a frame.
        self._frames.sort(key=lambda pair: isinstance(pair[0], Reorder))
        self._requests = [(f, count) for f, count in pairs if isinstance(f, _REQUEST_FAULTS)]
        self._dials = [(f, count) for f, count in pairs if isinstance(f, RefuseDial | HangDial)]
        self._pongs = [(f, count) for f, count in pairs if isinstance(f, LatePong)]
        self._skews = [(f, count) for f, count in pairs if isinstance(f, ClockSkew)]
        self._held: dict[Lane, bytes] = {}
        self._busy: dict[Lane, int] = {}
        self._agenda = sorted(self._plan_links(), key=lambda entry: entry[0])

    def inject(self, faults: Sequence[Fault], now: int) -> None:
        """More faults; their times count from now."""
        more = FaultPlan(faults, entropy=Entropy(0), start=now)  # the chance stays this plan's
        self.faults += more.faults
        self._counts += more._counts
        self._frames = sorted(
            self._frames + more._frames, key=lambda pair: isinstance(pair[0], Reorder)
        )
        self._requests += more._requests
        self._dials += more._dials
        self._pongs += more._pongs
        self._skews += more._skews
        self._agenda = sorted(self._agenda + more._agenda, key=lambda entry: entry[0])

    # ── asked by whoever serves the links ─────────────────────────────────────────────────────

    @property
    def may_touch_frames(self) -> bool:
        """Whether `frame_out` ever answers anything but the frame itself, at once."""
        return bool(self._frames)

    def frame_out(
        self, link: str, stream: str, payload: bytes, now: int
    ) -> list[tuple[int, bytes]]:
        """(when to send, what) in order; empty when nothing is sent for this frame."""
        if not self._frames:
            return [(now, payload)]
        at, frames = now, [payload]
        for fault, count in self._frames:
            if not (matches(fault.link, link) and _concerns(fault, stream)):
                continue
            if not count.takes(fault, now):
                continue
            self.note(now, fault)
            at, frames = self._spoil(fault, (link, stream), at, frames, count=count)
        lane = (link, stream)
        at = self._busy[lane] = max(at, self._busy.get(lane, 0))
        return [(at, frame) for frame in self._release(lane, frames)]

    def backlog(self, link: str, now: int) -> int:
        """How far behind a link is that is throttled, in ns."""
        return max(0, self._busy.get((link, ""), 0) - now)

    def pong_out(self, link: str, now: int) -> int | None:
        """When to answer a client's ping; None: not at all."""
        for fault, count in self._pongs:
            if matches(fault.link, link) and count.takes(fault, now):
                self.note(now, fault)
                return now + round(fault.seconds * SECOND) if fault.seconds else None
        return now

    def dial(self, link: str, now: int) -> DialRefusal | None:
        """What to answer to a connection attempt; None lets it in."""
        for fault, count in self._dials:
            if matches(fault.link, link) and count.takes(fault, now):
                self.note(now, fault)
                if isinstance(fault, HangDial):
                    return DialRefusal(0, delay=round(fault.seconds * SECOND))
                return DialRefusal(
                    fault.status, fault.retry_after_seconds, fault.body, fault.content_type
                )
        return None

    def request(self, kind: str, now: int) -> Verdict:
        """What is to become of a request that has just arrived; it may be of several kinds."""
        verdict = AS_USUAL
        kinds = kind.split()
        for fault, count in self._requests:
            if any(matches(fault.kind, one) for one in kinds) and count.takes(fault, now):
                self.note(now, fault)
                verdict = _judge(fault, verdict)
        return verdict

    def due(self, now: int) -> list[LinkAction]:
        """What is to be done to links by now."""
        actions = []
        while self._agenda and self._agenda[0][0] <= now:
            _, fault, action = self._agenda.pop(0)
            self.note(now, fault)
            actions.append(action)
        return actions

    def next_deadline(self) -> int | None:
        """When `due` should next be asked."""
        return self._agenda[0][0] if self._agenda else None

    @property
    def may_skew(self) -> bool:
        """Whether `skew` is ever anything but 0."""
        return bool(self._skews)

    def skew(self, now: int) -> int:
        """How far the venue's clock is ahead, in ns."""
        skew = 0
        for fault, count in self._skews:
            if now >= count.begin:
                skew = round(fault.seconds * SECOND)
        return skew

    def forget(self, link: str) -> None:
        """A link has gone; what was held back on it goes with it."""
        for lanes in (self._held, self._busy):
            for lane in [lane for lane in lanes if lane[0] == link]:
                del lanes[lane]

    # ── within ────────────────────────────────────────────────────────────────────────────────

    def note(self, now: int, fault: Fault) -> None:
        """Remember that a fault happened."""
        self.happened.append((now, fault))
        if len(self.happened) >= 2 * KEPT_HAPPENED:
            del self.happened[:-KEPT_HAPPENED]

    def _spoil(
        self, fault: FrameFault, lane: Lane, at: int, frames: list[bytes], *, count: _Count
    ) -> tuple[int, list[bytes]]:
        match fault:
            case Drop() | SkipSequence() | Stall():
                return at, []
            case Delay():
                late = fault.seconds
                if fault.jitter_seconds:
                    late += self._chance.uniform(0, fault.jitter_seconds)
                return at + round(late * SECOND), frames
            case Freeze():
                return max(at, count.end or at), frames
            case Duplicate():
                return at, frames + frames
            case Malformed():
                return at, [spoiled(frame, fault.how, self._chance) for frame in frames]
            case Rewrite():
                return at, [_rewritten(fault, count, lane[1], frame) for frame in frames]
            case Reorder():
                if not frames or lane in self._held:
                    return at, frames
                self._held[lane] = frames[0]
                return at, [_HELD]
            case Throttle():
                return self._throttle(fault, lane[0], at, count.end), frames
            case _:
                assert_never(fault)

    def _throttle(self, fault: Throttle, link: str, at: int, end: int | None) -> int:
        free = self._busy.get((link, ""), 0)
        at = max(at, free if end is None else min(free, end))
        self._busy[link, ""] = at + round(SECOND / fault.frames_per_second)
        return at

    def _release(self, lane: Lane, frames: list[bytes]) -> list[bytes]:
        """Let a held frame follow the one that overtook it."""
        if frames and frames[0] is _HELD:
            return []
        if frames and lane in self._held:
            return [*frames, self._held.pop(lane)]
        return frames

    def _plan_links(self) -> Iterator[tuple[int, Fault, LinkAction]]:
        for fault, count in zip(self.faults, self._counts, strict=True):
            match fault:
                case Cut():
                    yield count.begin, fault, CutLink(fault.link)
                case Flap():
                    for step in range(fault.times):
                        at = count.begin + round(step * fault.every_seconds * SECOND)
                        yield at, fault, CutLink(fault.link)
                case CloseWith():
                    yield count.begin, fault, CloseLink(fault.link, fault.code, fault.reason)
                case ServerShutdown():
                    lead = round(fault.lead_seconds * SECOND)
                    yield count.begin, fault, AnnounceShutdown(fault.link, lead)
                case BlackHole():
                    yield count.begin, fault, SwallowLink(fault.link, fault.way, count.end)
                case _ if isinstance(fault, SessionFault):
                    yield count.begin, fault, Operate(fault)
                    if count.end is not None:
                        yield count.end, fault, Operate(fault, is_over=True)
                case _:
                    pass


def _rewritten(fault: Rewrite, count: _Count, stream: str, frame: bytes) -> bytes:
    if fault.by is not None:
        return count.pattern.sub(fault.by.encode(), frame)
    found = count.pattern.search(frame)
    if found is None:
        return frame
    first = count.kept.setdefault(stream, found[0])
    return count.pattern.sub(lambda _: first, frame)


def _concerns(fault: FrameFault, stream: str) -> bool:
    if not matches(fault.stream, stream):
        return False
    if isinstance(fault, SkipSequence):
        return _letters(fault.symbol) in _letters(stream)
    return True


def _letters(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalnum())


def _judge(fault: RequestFault, verdict: Verdict) -> Verdict:
    change = msgspec.structs.replace
    match fault:
        case LateSnapshot() | DelayAck():
            return change(verdict, delay=verdict.delay + round(fault.seconds * SECOND))
        case StaleSnapshot():
            return change(verdict, stale=round(fault.seconds * SECOND))
        case LoseAck():
            return change(verdict, answers=False)
        case PartAck():
            return change(verdict, share=min(verdict.share, fault.share))
        case FillBeforeAck():
            return change(verdict, events_first=True)
        case Misreport():
            return change(
                verdict,
                code=fault.code,
                text=fault.text,
                status=fault.status,
                done=fault.done,
                retry_after_seconds=fault.retry_after_seconds,
            )
        case AskBack():
            return change(verdict, questions=verdict.questions + fault.questions)
        case Withhold():
            return change(verdict, kept=min(verdict.kept, fault.share))
        case HttpError():
            return change(
                verdict,
                status=fault.status,
                body=fault.body.encode(),
                content_type=fault.content_type,
                retry_after_seconds=fault.retry_after_seconds,
            )
        case _:
            assert_never(fault)
