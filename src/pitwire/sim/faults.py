"""What goes wrong and when: a script of frozen faults, and the plan that carries it out.

House rules: a fault says when and what, the plan decides frame by frame and keeps the count, and
whoever owns the sockets obeys; labels are the façade's own and are matched as shell patterns, so
nothing here knows a venue's spelling; same script, seed and calls, same decisions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import TypeAlias, assert_never

import msgspec

from pitwire.model.clock import SECOND
from pitwire.model.entropy import Entropy

# ── faults ────────────────────────────────────────────────────────────────────────────────────


_WAYS = ("truncated", "html", "garbage", "empty")


class _Fault(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="what"):
    """What all faults share.

    A fault may happen from `at_seconds` after the plan's start, and not before `after_frames` of
    the things it concerns (frames, dials, requests) have passed.
    """

    at_seconds: float = 0.0
    after_frames: int = 0


class _OnLink(_Fault, frozen=True, kw_only=True):
    link: str = "*"
    """Pattern of link labels."""


class _OnFrames(_OnLink, frozen=True, kw_only=True):
    stream: str = "*"
    """Pattern of stream labels."""
    count: int = 1
    """How many frames it concerns; 0: all there are in `for_seconds`."""
    for_seconds: float = 0.0
    """How long it may happen; 0: for ever."""


class _OnRequests(_Fault, frozen=True, kw_only=True):
    kind: str = "*"
    """Pattern of request kinds: place, cancel, replace, amend, query, snapshot, logon, time, …"""
    count: int = 1


class Drop(_OnFrames, frozen=True, kw_only=True):
    """Frames are lost."""


class SkipSequence(_OnFrames, frozen=True, kw_only=True):
    """A book's diffs are not sent although its ids advance."""

    symbol: str
    """Our spelling; the stream's label must contain its letters."""
    stream: str = "*depth*"


class Delay(_OnFrames, frozen=True, kw_only=True):
    """Frames come late; those of one stream stay in order."""

    seconds: float
    count: int = 0


class Duplicate(_OnFrames, frozen=True, kw_only=True):
    """Frames are sent twice."""


class Reorder(_OnFrames, frozen=True, kw_only=True):
    """A frame is overtaken by the next of its stream."""


class Malformed(_OnFrames, frozen=True, kw_only=True):
    """Frames arrive spoiled: `truncated`, `html`, `garbage` or `empty`."""

    how: str = "truncated"

    def __post_init__(self) -> None:
        if self.how not in _WAYS:
            raise ValueError(f"how: found {self.how!r}, expected one of {', '.join(_WAYS)}")


class Stall(_OnFrames, frozen=True, kw_only=True):
    """The link goes mute: nothing is sent but pings."""

    count: int = 0
    for_seconds: float = 30.0


class Throttle(_OnFrames, frozen=True, kw_only=True):
    """The link carries so many frames a second; the rest queue up, and come when it is over."""

    frames_per_second: float
    count: int = 0
    for_seconds: float = 10.0


class Cut(_OnLink, frozen=True, kw_only=True):
    """The TCP connection is gone at once, without a goodbye."""


class CloseWith(_OnLink, frozen=True, kw_only=True):
    """The venue closes the connection with a code."""

    code: int = 1001
    reason: str = ""


class ServerShutdown(_OnLink, frozen=True, kw_only=True):
    """The venue says that it is about to restart, and closes after `lead_seconds`."""

    lead_seconds: float = 5.0


class RefuseDial(_OnLink, frozen=True, kw_only=True):
    """Connection attempts fail; status 0 means that the port does not answer at all."""

    count: int = 3
    """How many attempts; 0: all in `for_seconds`."""
    for_seconds: float = 0.0
    status: int = 503
    retry_after_seconds: float | None = None


class LateSnapshot(_OnRequests, frozen=True, kw_only=True):
    """A book snapshot is taken now and answered late."""

    kind: str = "snapshot"
    seconds: float


class StaleSnapshot(_OnRequests, frozen=True, kw_only=True):
    """A book snapshot is answered with the book as it was this long ago."""

    kind: str = "snapshot"
    seconds: float = 2.0


class LoseAck(_OnRequests, frozen=True, kw_only=True):
    """A request is carried out and never answered."""

    kind: str = "place"


class DelayAck(_OnRequests, frozen=True, kw_only=True):
    """A request is carried out at once and answered late."""

    kind: str = "place"
    seconds: float


class FillBeforeAck(_OnRequests, frozen=True, kw_only=True):
    """The account's events of a request are sent before its answer."""

    kind: str = "place"


class HttpError(_OnRequests, frozen=True, kw_only=True):
    """A request is not carried out and is answered with a status and a body as they are."""

    status: int = 503
    body: str = "<html><body>503 Service Temporarily Unavailable</body></html>"
    content_type: str = "text/html"


class ClockSkew(_Fault, frozen=True, kw_only=True):
    """The venue's clock is ahead (negative: behind) by so much from then on."""

    seconds: float


Fault: TypeAlias = (
    Drop
    | SkipSequence
    | Delay
    | Duplicate
    | Reorder
    | Malformed
    | Stall
    | Throttle
    | Cut
    | CloseWith
    | ServerShutdown
    | RefuseDial
    | LateSnapshot
    | StaleSnapshot
    | LoseAck
    | DelayAck
    | FillBeforeAck
    | HttpError
    | ClockSkew
)

_FrameFault: TypeAlias = (
    Drop | SkipSequence | Delay | Duplicate | Reorder | Malformed | Stall | Throttle
)
_RequestFault: TypeAlias = (
    LateSnapshot | StaleSnapshot | LoseAck | DelayAck | FillBeforeAck | HttpError
)
_FRAME_FAULTS = (Drop, SkipSequence, Delay, Duplicate, Reorder, Malformed, Stall, Throttle)
_REQUEST_FAULTS = (LateSnapshot, StaleSnapshot, LoseAck, DelayAck, FillBeforeAck, HttpError)
_SPOILED = {
    "html": b"<html><body>502 Bad Gateway</body></html>",
    "empty": b"",
}
_HELD = b"held"
"""Stands for a frame that waits to be overtaken; told apart by identity."""


# ── decisions ─────────────────────────────────────────────────────────────────────────────────


class CutLink(msgspec.Struct, frozen=True):
    """Abort every link whose label matches."""

    link: str


class CloseLink(msgspec.Struct, frozen=True):
    """Close every link whose label matches."""

    link: str
    code: int
    reason: str


class AnnounceShutdown(msgspec.Struct, frozen=True):
    """Tell every link whose label matches that the venue restarts."""

    link: str


LinkAction: TypeAlias = CutLink | CloseLink | AnnounceShutdown


class DialRefusal(msgspec.Struct, frozen=True):
    """Answer an upgrade with `status` (0: do not answer at all)."""

    status: int
    retry_after_seconds: float | None = None


class Verdict(msgspec.Struct, frozen=True):
    """What is to become of a request; the default is nothing out of the ordinary."""

    delay: int = 0
    """ns between doing it and answering."""
    answers: bool = True
    """False: do it and stay silent."""
    events_first: bool = False
    """Send the account's events before the answer."""
    stale: int = 0
    """ns: answer with the book as it was that long ago."""
    status: int = 0
    """Not 0: do not do it, answer with this HTTP status and `body`."""
    body: bytes = b""
    content_type: str = ""


AS_USUAL = Verdict()


def matches(pattern: str, label: str) -> bool:
    """Whether a label is meant by a pattern; case is ignored."""
    return pattern == "*" or fnmatchcase(label.lower(), pattern.lower())


class _Count:
    """What has become of one fault so far."""

    __slots__ = ("begin", "done", "end", "seen")

    def __init__(self, fault: Fault, start: int) -> None:
        self.begin = start + round(fault.at_seconds * SECOND)
        length = getattr(fault, "for_seconds", 0.0)
        self.end = self.begin + round(length * SECOND) if length else None
        self.seen = 0
        self.done = 0

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


KEPT_HAPPENED = 50_000
"""How many of the decisions that were not the usual ones are remembered, at least."""


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
        self._dials = [(f, count) for f, count in pairs if isinstance(f, RefuseDial)]
        self._skews = [(f, count) for f, count in pairs if isinstance(f, ClockSkew)]
        self._held: dict[tuple[str, str], bytes] = {}
        self._busy: dict[tuple[str, str], int] = {}
        self._agenda = sorted(self._plan_links(), key=lambda entry: entry[0])

    # ── asked by whoever serves the links ─────────────────────────────────────────────────────

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
            self._note(now, fault)
            at, frames = self._spoil(fault, (link, stream), at, frames, end=count.end)
        lane = (link, stream)
        at = self._busy[lane] = max(at, self._busy.get(lane, 0))
        return [(at, frame) for frame in self._release(lane, frames)]

    def dial(self, link: str, now: int) -> DialRefusal | None:
        """What to answer to a connection attempt; None lets it in."""
        for fault, count in self._dials:
            if matches(fault.link, link) and count.takes(fault, now):
                self._note(now, fault)
                return DialRefusal(fault.status, fault.retry_after_seconds)
        return None

    def request(self, kind: str, now: int) -> Verdict:
        """What is to become of a request that has just arrived."""
        verdict = AS_USUAL
        for fault, count in self._requests:
            if matches(fault.kind, kind) and count.takes(fault, now):
                self._note(now, fault)
                verdict = _judge(fault, verdict)
        return verdict

    def due(self, now: int) -> list[LinkAction]:
        """What is to be done to links by now."""
        actions = []
        while self._agenda and self._agenda[0][0] <= now:
            _, fault, action = self._agenda.pop(0)
            self._note(now, fault)
            actions.append(action)
        return actions

    def next_deadline(self) -> int | None:
        """When `due` should next be asked."""
        return self._agenda[0][0] if self._agenda else None

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

    def _note(self, now: int, fault: Fault) -> None:
        self.happened.append((now, fault))
        if len(self.happened) >= 2 * KEPT_HAPPENED:
            del self.happened[:-KEPT_HAPPENED]

    def _spoil(
        self,
        fault: _FrameFault,
        lane: tuple[str, str],
        at: int,
        frames: list[bytes],
        *,
        end: int | None,
    ) -> tuple[int, list[bytes]]:
        match fault:
            case Drop() | SkipSequence() | Stall():
                return at, []
            case Delay():
                return at + round(fault.seconds * SECOND), frames
            case Duplicate():
                return at, frames + frames
            case Malformed():
                return at, [self._malform(frame, fault.how) for frame in frames]
            case Reorder():
                if not frames or lane in self._held:
                    return at, frames
                self._held[lane] = frames[0]
                return at, [_HELD]
            case Throttle():
                free = self._busy.get((lane[0], ""), 0)
                at = max(at, free if end is None else min(free, end))
                self._busy[lane[0], ""] = at + round(SECOND / fault.frames_per_second)
                return at, frames
            case _:
                assert_never(fault)

    def _release(self, lane: tuple[str, str], frames: list[bytes]) -> list[bytes]:
        """Let a held frame follow the one that overtook it."""
        if frames and frames[0] is _HELD:
            return []
        if frames and lane in self._held:
            return [*frames, self._held.pop(lane)]
        return frames

    def _malform(self, frame: bytes, how: str) -> bytes:
        if how == "truncated":
            return frame[: self._chance.randrange(len(frame))] if frame else frame
        if how == "garbage":
            return bytes(self._chance.choices(b'{}[]:,"0aZ \x00', k=max(len(frame), 1)))
        return _SPOILED[how]

    def _plan_links(self) -> Iterator[tuple[int, Fault, LinkAction]]:
        for fault, count in zip(self.faults, self._counts, strict=True):
            match fault:
                case Cut():
                    yield count.begin, fault, CutLink(fault.link)
                case CloseWith():
                    yield count.begin, fault, CloseLink(fault.link, fault.code, fault.reason)
                case ServerShutdown():
                    yield count.begin, fault, AnnounceShutdown(fault.link)
                    end = count.begin + round(fault.lead_seconds * SECOND)
                    yield end, fault, CloseLink(fault.link, 1001, "")
                case _:
                    pass


def _concerns(fault: _FrameFault, stream: str) -> bool:
    if not matches(fault.stream, stream):
        return False
    if isinstance(fault, SkipSequence):
        return _letters(fault.symbol) in _letters(stream)
    return True


def _letters(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalnum())


def _judge(fault: _RequestFault, verdict: Verdict) -> Verdict:
    change = msgspec.structs.replace
    match fault:
        case LateSnapshot() | DelayAck():
            return change(verdict, delay=verdict.delay + round(fault.seconds * SECOND))
        case StaleSnapshot():
            return change(verdict, stale=round(fault.seconds * SECOND))
        case LoseAck():
            return change(verdict, answers=False)
        case FillBeforeAck():
            return change(verdict, events_first=True)
        case HttpError():
            body = fault.body.encode()
            return change(verdict, status=fault.status, body=body, content_type=fault.content_type)
        case _:
            assert_never(fault)
