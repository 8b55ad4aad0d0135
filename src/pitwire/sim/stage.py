"""Exchange, crowd, façade and faults moving together through time; Sans-I/O.

House rules: whoever carries the bytes calls in with `now`, takes what is to be sent, and comes
back at `next_deadline`; between two calls every deadline is met at its own time and in order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

import msgspec

from pitwire.sim.facades.facade import Action, Close, Facade, HttpReply, SendText
from pitwire.sim.faults import (
    AnnounceShutdown,
    CloseLink,
    CutLink,
    FaultPlan,
    LinkAction,
    matches,
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


Opened: TypeAlias = int | Refusal


class OperatedFacade(Facade, Protocol):
    """A façade that an operator can also handle from inside."""

    def close(self, link: int, code: int, reason: str) -> None: ...
    def announce_shutdown(self, now: int, links: Sequence[int] | None = None) -> None: ...


class Stage:
    """Everything on the venue's side of the sockets."""

    def __init__(
        self, facade: OperatedFacade, *, actors: Sequence[Actor], plan: FaultPlan, now: int
    ) -> None:
        self.facade = facade
        self.plan = plan
        self._actors = tuple(actors)
        self._now = now
        self._next_link = 1
        self._labels: dict[int, str] = {}
        self._sendings: list[Sending] = []

    # -- called by whoever carries the bytes

    def open(self, target: str, now: int) -> Opened:
        """A client asks to upgrade: its link's number, or why not."""
        self.advance(now)
        role = self.facade.role(target)
        label = f"{role}-{self._next_link}"
        refused = self.plan.dial(label, now)
        if refused is not None:
            if not refused.status:
                return Refusal(None)
            headers = {"content-type": "text/plain"}
            if refused.retry_after_seconds is not None:
                headers["retry-after"] = f"{refused.retry_after_seconds:g}"
            return Refusal(HttpReply(refused.status, headers, b""))
        link = self._next_link
        reply = self.facade.connect(link, target, self._venue(now))
        if reply is not None:
            return Refusal(reply)
        self._next_link += 1
        self._labels[link] = label
        self._collect(now)
        return link

    def receive(self, link: int, text: bytes, now: int) -> None:
        """A text frame from a client."""
        self.advance(now)
        self.facade.receive(link, text, self._venue(now))
        self._collect(now)

    def receive_ping(self, link: int, payload: bytes, now: int) -> None:
        self.advance(now)
        self.facade.receive_ping(link, payload, self._venue(now))
        self._collect(now)

    def receive_pong(self, link: int, payload: bytes, now: int) -> None:
        self.advance(now)
        self.facade.receive_pong(link, payload, self._venue(now))
        self._collect(now)

    def lost(self, link: int, now: int) -> None:
        """The client has gone."""
        self._forget(link)
        self.facade.lost(link, self._venue(now))

    def http(
        self, method: str, target: str, *, headers: Mapping[str, str], body: bytes, now: int
    ) -> HttpReply:
        """A request outside any link."""
        self.advance(now)
        reply = self.facade.http(method, target, headers=headers, body=body, now=self._venue(now))
        self._collect(now)
        return reply

    def advance(self, now: int) -> None:
        """Let everything that is due by `now` happen, each thing at its time."""
        while (due := self.next_deadline()) is not None and due <= now:
            self._now = max(due, self._now)
            self._step(self._now)
        self._now = max(now, self._now)

    def act(self, now: int) -> None:
        """Publish what somebody has just done to the exchange directly."""
        self.advance(now)
        self.facade.step(self._venue(now))
        self._collect(now)

    def take_sendings(self) -> list[Sending]:
        """What is to leave, in order; given out once."""
        sendings, self._sendings = self._sendings, []
        return sendings

    def next_deadline(self) -> int | None:
        """When `advance` has something to do, in the carrier's time."""
        soonest = self.facade.next_deadline()
        for actor in self._actors:
            due = actor.next_deadline()
            if due is not None and (soonest is None or due < soonest):
                soonest = due
        if soonest is not None:
            soonest -= self.plan.skew(self._now)
        planned = self.plan.next_deadline()
        if planned is not None and (soonest is None or planned < soonest):
            return planned
        return soonest

    def links(self) -> dict[int, str]:
        """Open links and their labels."""
        return dict(self._labels)

    # -- inside

    def _venue(self, now: int) -> int:
        return now + self.plan.skew(now)

    def _step(self, now: int) -> None:
        for action in self.plan.due(now):
            self._obey(action, now)
        venue = self._venue(now)
        for actor in self._actors:
            due = actor.next_deadline()
            if due is not None and due <= venue:
                actor.handle_deadline(venue)
        self.facade.step(venue)
        self._collect(now)

    def _obey(self, action: LinkAction, now: int) -> None:
        meant = [link for link, label in self._labels.items() if matches(action.link, label)]
        if isinstance(action, AnnounceShutdown):
            self.facade.announce_shutdown(self._venue(now), meant)
            return
        for link in meant:
            if isinstance(action, CloseLink):
                self.facade.close(link, action.code, action.reason)
            elif isinstance(action, CutLink):
                self.cut(link, now)

    def cut(self, link: int, now: int) -> None:
        """Break a link off as a network does."""
        self.lost(link, now)
        self._sendings.append(Sending(now, link, Cut()))

    def _collect(self, now: int) -> None:
        for link, action in self.facade.take_output():
            label = self._labels.get(link)
            if label is None:
                continue
            if isinstance(action, SendText):
                stream = action.stream
                for at, frame in self.plan.frame_out(label, stream, action.frame, now):
                    self._sendings.append(Sending(at, link, SendText(frame, stream)))
            else:
                self._sendings.append(Sending(now, link, action))
            if isinstance(action, Close):
                self._forget(link)

    def _forget(self, link: int) -> None:
        label = self._labels.pop(link, None)
        if label is not None:
            self.plan.forget(label)
