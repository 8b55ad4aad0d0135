"""Exchange, crowd, façade and faults moving together through time; Sans-I/O.

House rules: whoever carries the bytes calls in with `now`, takes what is to be sent, and comes
back at `next_deadline`; between two calls every deadline is met at its own time and in order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from heapq import heappop, heappush
from types import MappingProxyType
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import msgspec

from pitwire.sim.facades.facade import Action, Close, Facade, HttpReply, SendPong, SendText
from pitwire.sim.faults import SessionFault, matches
from pitwire.sim.plan import FaultPlan
from pitwire.sim.verdicts import (
    AnnounceShutdown,
    CloseLink,
    CutLink,
    LinkAction,
    Operate,
    SwallowLink,
)


class Actor(Protocol):
    """Whatever acts on the exchange by itself: the exchange's own schedule, a crowd, a tape."""

    def next_deadline(self) -> int | None: ...
    def handle_deadline(self, now: int) -> None: ...


class Cut(msgspec.Struct, frozen=True):
    """The socket is gone without a goodbye."""


class Sending(msgspec.Struct, frozen=True, gc=False):
    """Something that is to leave on a link at a time."""

    at: int
    link: int
    action: Action | Cut


class Refusal(msgspec.Struct, frozen=True):
    """An upgrade that does not happen; without a reply the port does not even answer."""

    reply: HttpReply | None
    delay: int = 0
    """ns before the attempt is over."""


Opened: TypeAlias = int | Refusal


class OperatedFacade(Facade, Protocol):
    """A façade that an operator can also handle from inside."""

    def close(self, link: int, code: int, reason: str) -> None: ...
    def announce_shutdown(self, now: int, links: Sequence[int] | None = None) -> None: ...


@runtime_checkable
class SecretiveFacade(Protocol):
    """A façade whose keys come with a secret that is told, and signs nothing."""

    def admit(self, key: str, secret: str, account: str) -> None: ...


@runtime_checkable
class SheddingFacade(Protocol):
    """A façade that parts from a client which reads too slowly."""

    @property
    def slow_after(self) -> int:
        """ns that a client may be behind."""
        ...

    @property
    def slow_bytes(self) -> int:
        """How much may wait for it beside what its socket holds."""
        ...

    def behind(self, link: int, now: int) -> None:
        """It is further behind than that."""
        ...


@runtime_checkable
class SessionFacade(Protocol):
    """A façade of a broker, whose session and line may be lost."""

    def operate(self, fault: SessionFault, now: int, *, is_over: bool) -> None:
        """Carry out what befalls the session, or end it."""
        ...


@runtime_checkable
class PatientFacade(Protocol):
    """A façade that can do without a step now and then, as long as nobody is connected."""

    def may_wait(self, now: int) -> bool:
        """Whether `step` would do nothing that anybody hears."""
        ...

    def rest(self) -> None:
        """The next step is left out."""
        ...


@runtime_checkable
class Throng(Protocol):
    """An actor of whose acts nobody needs to hear in between."""

    def act_alone(self, until: int, most: int) -> int:
        """Do what is due by `until`, at most so many acts: how many there were."""
        ...


NEVER = 1 << 62
"""Later than any time there is: in the 22nd century."""
_UNHEARD = 64
"""After so many steps that were left out there is one all the same."""


class Stage:
    """Everything on the venue's side of the sockets."""

    def __init__(
        self, facade: OperatedFacade, *, actors: Sequence[Actor], plan: FaultPlan, now: int
    ) -> None:
        self.facade = facade
        self._patient = facade if isinstance(facade, PatientFacade) else None
        self.shedding = facade if isinstance(facade, SheddingFacade) else None
        self._slow: list[int] = []
        """Links that have just been found to be too far behind."""
        self._unheard = 0
        """How many of the façade's steps were left out since its last one."""
        self._idle_until: int | None = None
        """Its deadline, in the venue's time, as long as it may wait and nobody has touched it."""
        self.plan = plan
        self._actors = tuple(actors)
        self._throng = next((actor for actor in actors if isinstance(actor, Throng)), None)
        self._others = tuple(actor for actor in actors if actor is not self._throng)
        self._now = now
        self._next_link = 1
        self._labels: dict[int, str] = {}
        self._sendings: list[Sending] = []
        self._holes: dict[int, SwallowLink] = {}
        """Links on which nothing passes, one way or both."""
        self._closings: list[tuple[int, int]] = []
        """(when, link) for those that were told that the venue restarts."""
        self._under_way: list[tuple[int, int, Callable[[int], None]]] = []
        """What clients sent into a hole that ends: when it arrives, in order, what it does."""
        self._serial = 0
        self._soonest: int | None = None
        self._is_known = False
        """Whether `_soonest` still holds: nothing has happened since it was looked up."""

    # -- called by whoever carries the bytes

    def open(
        self, target: str, now: int, headers: Mapping[str, str] = MappingProxyType({})
    ) -> Opened:
        """A client asks to upgrade: its link's number, or why not."""
        self.advance(now)
        self.catch_up(now)
        role = self.facade.role(target)
        label = f"{role}-{self._next_link}"
        refused = self.plan.dial(label, now)
        if refused is not None:
            if not refused.status:
                return Refusal(None, refused.delay)
            headers = {"content-type": refused.content_type}
            if refused.retry_after_seconds is not None:
                headers["retry-after"] = f"{refused.retry_after_seconds:g}"
            return Refusal(HttpReply(refused.status, headers, refused.body.encode()))
        link = self._next_link
        reply = self.facade.connect(link, target, self._venue(now), headers=headers)
        if reply is not None:
            return Refusal(reply)
        self._next_link += 1
        self._labels[link] = label
        self._collect(now)
        return link

    def receive(self, link: int, text: bytes, now: int) -> None:
        """A text frame from a client."""
        self._arrive(link, partial(self.facade.receive, link, text), now)

    def receive_ping(self, link: int, payload: bytes, now: int) -> None:
        self._arrive(link, partial(self.facade.receive_ping, link, payload), now)

    def receive_pong(self, link: int, payload: bytes, now: int) -> None:
        self._arrive(link, partial(self.facade.receive_pong, link, payload), now)

    def behind(self, link: int, now: int) -> None:
        """A client does not read what is sent to it."""
        if self.shedding is not None:
            self.advance(now)
            self.shedding.behind(link, self._venue(now))
            self._collect(now)

    def lost(self, link: int, now: int) -> None:
        """The client has gone."""
        self._arrive(link, partial(self._lose, link), now)

    def http(
        self, method: str, target: str, *, headers: Mapping[str, str], body: bytes, now: int
    ) -> HttpReply:
        """A request outside any link."""
        self.advance(now)
        self.catch_up(now)
        reply = self.facade.http(method, target, headers=headers, body=body, now=self._venue(now))
        self._collect(now)
        return reply

    def advance(self, now: int, *, known: bool = False) -> None:
        """Let everything that is due by `now` happen, each thing at its time.

        `known`: nobody has touched anything since `known_deadline` was asked.
        """
        if not known:
            self._is_known, self._idle_until = False, None
        while (due := self.known_deadline()) is not None and due <= now:
            self._now = max(due, self._now)
            self._step(self._now)
            if self._idle_until is not None:
                self._leave_alone(now)
        if now > self._now:
            self._now = now
            self._is_known = self._is_known and not self.plan.may_skew

    def act(self, now: int) -> None:
        """Publish what somebody has just done to the exchange directly."""
        self.advance(now)
        self._unheard = 0
        self.facade.step(self._venue(now))
        self._collect(now)

    def catch_up(self, now: int) -> None:
        """Somebody comes or looks: let the façade do what was left out."""
        if self._unheard:
            self.act(now)

    def take_sendings(self) -> list[Sending]:
        """What is to leave, in order; given out once."""
        sendings, self._sendings = self._sendings, []
        return sendings

    def next_deadline(self) -> int | None:
        """When `advance` has something to do, in the carrier's time."""
        self._is_known, self._idle_until = False, None
        return self.known_deadline()

    def known_deadline(self) -> int | None:
        """The same where nothing was done to exchange and façade but by way of this stage."""
        if not self._is_known:
            self._soonest, self._is_known = self._look_ahead(self._actors), True
        return self._soonest

    def _look_ahead(self, actors: Sequence[Actor]) -> int | None:
        """When one of these, or anything else but an actor, has something to do."""
        soonest = self._idle_until
        if soonest is None:
            soonest = self.facade.next_deadline()
        for actor in actors:
            due = actor.next_deadline()
            if due is not None and (soonest is None or due < soonest):
                soonest = due
        if soonest is not None:
            soonest -= self.plan.skew(self._now)
        due = self.plan.next_deadline()
        if due is not None and (soonest is None or due < soonest):
            soonest = due
        for agenda in (self._closings, self._under_way):
            if agenda and (soonest is None or agenda[0][0] < soonest):
                soonest = agenda[0][0]
        return soonest

    def links(self) -> dict[int, str]:
        """Open links and their labels."""
        return dict(self._labels)

    # -- inside

    def _venue(self, now: int) -> int:
        return now + self.plan.skew(now)

    def _step(self, now: int) -> None:
        self._is_known = False
        for action in self.plan.due(now):
            self._idle_until = None
            self._obey(action, now)
        while self._closings and self._closings[0][0] <= now:
            self.facade.close(heappop(self._closings)[1], 1001, "")
        while self._under_way and self._under_way[0][0] <= now:
            heappop(self._under_way)[2](self._venue(now))
        venue = self._venue(now)
        for actor in self._actors:
            due = actor.next_deadline()
            if due is not None and due <= venue:
                actor.handle_deadline(venue)
        if self._unheard < _UNHEARD and self._may_wait(venue):
            self._unheard += 1
        else:
            self._unheard, self._idle_until = 0, None
            self.facade.step(venue)
            self._collect(now)

    def _leave_alone(self, now: int) -> None:
        """Nobody hears the throng, and it needs nobody: let it act until something else is due."""
        if self._throng is None or self.plan.may_skew:
            return
        due = self._look_ahead(self._others)
        until = now if due is None else min(now, due - 1)
        self._unheard += self._throng.act_alone(until, _UNHEARD - self._unheard)
        self._is_known = False

    def _may_wait(self, venue: int) -> bool:
        """Whether the façade's step may be left out: what others do does not change that."""
        if self._idle_until is not None:
            return venue < self._idle_until
        if self._patient is None or not self._patient.may_wait(venue):
            return False
        self._patient.rest()
        due = self.facade.next_deadline()
        self._idle_until = NEVER if due is None else due
        return True

    def _obey(self, action: LinkAction, now: int) -> None:
        if isinstance(action, Operate):
            if isinstance(self.facade, SessionFacade):
                self.facade.operate(action.fault, self._venue(now), is_over=action.is_over)
            return
        meant = [link for link, label in self._labels.items() if matches(action.link, label)]
        if isinstance(action, AnnounceShutdown):
            self.facade.announce_shutdown(self._venue(now), meant)
        for link in meant:
            match action:
                case AnnounceShutdown(lead=lead):
                    # Those that stood: a venue that has restarted takes new ones.
                    heappush(self._closings, (now + lead, link))
                case CloseLink(code=code, reason=reason):
                    self.facade.close(link, code, reason)
                case CutLink():
                    self.cut(link, now)
                case SwallowLink():
                    self._holes[link] = action

    def cut(self, link: int, now: int) -> None:
        """Break a link off as a network does."""
        self._is_known = False
        self._put(now, link, Cut(), now)
        self._lose(link, self._venue(now))

    def _lose(self, link: int, venue: int) -> None:
        self._forget(link)
        self.facade.lost(link, venue)

    def _arrive(self, link: int, deed: Callable[[int], None], now: int) -> None:
        """A client's deed reaches the venue, now, or when the hole is over that it fell into."""
        self.advance(now)
        hole = self._hole(link, "up", now)
        if hole is None:
            deed(self._venue(now))
            self._collect(now)
        elif hole.until is not None:
            self._serial += 1
            self._is_known = False
            heappush(self._under_way, (hole.until, self._serial, deed))

    def _hole(self, link: int, way: Literal["up", "down"], now: int) -> SwallowLink | None:
        hole = self._holes.get(link)
        if hole is None or hole.way not in ("both", way):
            return None
        return hole if hole.until is None or now < hole.until else None

    def _collect(self, now: int) -> None:
        self._is_known = False
        is_plain = not (self.plan.may_touch_frames or self._holes)
        for link, action in self.facade.take_output():
            label = self._labels.get(link)
            if label is None:
                continue
            if isinstance(action, SendText):  # nearly always
                if is_plain:
                    self._sendings.append(Sending(now, link, action))
                else:
                    self._pass_on(link, label, action, now)
            elif isinstance(action, SendPong):
                answered = self.plan.pong_out(label, now)
                if answered is not None:
                    self._put(answered, link, action, now)
            else:
                self._put(now, link, action, now)
                if isinstance(action, Close):
                    self._forget(link)
        if self._slow and self.shedding is not None:
            slow, self._slow = self._slow, []
            for link in slow:
                self.shedding.behind(link, self._venue(now))
            self._collect(now)

    def _pass_on(self, link: int, label: str, action: SendText, now: int) -> None:
        """Send what the plan makes of a frame."""
        stream, binary = action.stream, action.binary
        for at, frame in self.plan.frame_out(label, stream, action.frame, now):
            self._put(at, link, SendText(frame, stream, binary), now)
        shedding = self.shedding
        if shedding is not None and self.plan.backlog(label, now) > shedding.slow_after:
            self._slow.append(link)

    def _put(self, at: int, link: int, action: Action | Cut, now: int) -> None:
        hole = self._hole(link, "down", now)
        if hole is None:
            self._sendings.append(Sending(at, link, action))
        elif hole.until is not None:
            self._sendings.append(Sending(max(at, hole.until), link, action))

    def _forget(self, link: int) -> None:
        self._holes.pop(link, None)
        label = self._labels.pop(link, None)
        if label is not None:
            self.plan.forget(label)
