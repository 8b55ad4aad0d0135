"""Links in memory: a venue and its clients joined without a socket, in virtual time.

House rules: whatever is sent arrives later or at once, never out of order on its link; nothing is
delivered in the call that sent it; venue pings are answered below the receiver, as a library does.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from heapq import heappop, heappush
from types import MappingProxyType
from typing import Any, Protocol, TypeAlias, TypeVar
from urllib.parse import urlsplit

from pitwire.model.clock import SECOND
from pitwire.model.entropy import Entropy
from pitwire.model.errors import ConnectionLost, DialFailed
from pitwire.sim.facades.facade import Close, HttpReply, SendPing, SendPong, SendText
from pitwire.sim.latency import Latency, Path
from pitwire.sim.stage import Cut, Refusal, Sending, Stage

Value = TypeVar("Value")

HttpAnswer: TypeAlias = tuple[int, Mapping[str, str], bytes]
SILENCE_SECONDS = 10.0
"""How long a request waits for an answer that never comes."""


def _stand_still(_now: int) -> None:
    """For a clock that goes by itself."""


class Listener(Protocol):
    """What a link tells its owner."""

    def on_frame(self, frame: bytes, drained: bool) -> None: ...
    def on_ping(self, payload: bytes) -> None: ...
    def on_pong(self, payload: bytes) -> None: ...
    def on_lost(self, error: ConnectionLost) -> None: ...


class MemoryLink:
    """A client's end of a connection."""

    def __init__(
        self,
        carrier: MemoryCarrier,
        url: str,
        listener: Listener,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._carrier = carrier
        self.url = url
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.listener = listener
        self.number = 0
        self.alive = True
        """False once `on_lost` was called."""
        self.ready = False
        """False while the one who dialled does not yet hold the link."""
        self.up = carrier.path("entry")
        self.down = carrier.path("market")
        self.queue: deque[tuple[int, Any]] = deque()
        self.paused = self._closing = False
        self._left = -1
        self._arrives = 0

    def send(self, frame: bytes) -> None:
        """Send one text frame."""
        payload = bytes(frame)
        self._upward(lambda stage, now: stage.receive(self.number, payload, now))

    def ping(self, payload: bytes = b"") -> None:
        """Ask the venue for a sign of life."""
        self._upward(lambda stage, now: stage.receive_ping(self.number, payload, now))

    def pong(self, payload: bytes) -> None:
        self._upward(lambda stage, now: stage.receive_pong(self.number, payload, now))

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye; `on_lost` follows when the venue has heard it."""
        if self._closing or not self.alive:
            return
        self._upward(lambda stage, now: stage.lost(self.number, now))
        self._closing = True
        lost = ConnectionLost(code=code, reason=reason, clean=True)
        self.put(self.down.arrival(self._carrier.now()), lost)

    def abort(self) -> None:
        """Drop the connection; `on_lost` follows with code 1006."""
        if not self.alive:
            return
        self._upward(lambda stage, now: stage.lost(self.number, now))
        self._closing = True
        self.queue.clear()
        self.put(self._carrier.now(), ConnectionLost(code=1006))

    @property
    def is_idle(self) -> bool:
        """Whether what arrives is handed over at once: nothing waits here and nothing hinders."""
        return self.alive and self.ready and not (self.paused or self.queue)

    def pause_reading(self) -> None:
        """Take in no more, pings neither, until `resume_reading`."""
        self.paused = True

    def resume_reading(self) -> None:
        """Take in what has come meanwhile."""
        self.paused = False
        if self.queue:
            self._carrier.wake_for(self.queue[0][0], self)

    def arrival(self, left: int) -> int:
        """When what left the venue then is here; what leaves together arrives together."""
        if left != self._left:
            self._left, self._arrives = left, self.down.arrival(left)
        return self._arrives

    def put(self, at: int, what: object) -> None:
        """Something is to arrive at the client."""
        queue = self.queue
        if queue and at <= queue[-1][0]:
            # Its forerunner has been waked for; what is due together is handed over together.
            queue.append((queue[-1][0], what))
            return
        queue.append((at, what))
        self._carrier.wake_for(at, self)

    def deliver(self, now: int) -> None:
        """Hand over everything that has arrived; the last frame of it ends the burst."""
        if not (self.alive and self.ready) or self.paused:
            return
        queue = self.queue
        if len(queue) == 1 and queue[0][0] <= now and isinstance(queue[0][1], SendText):
            self.listener.on_frame(queue.popleft()[1].frame, True)  # nearly always
            return
        arrived = []
        frames = 0
        while queue and queue[0][0] <= now:
            what = queue.popleft()[1]
            frames += isinstance(what, SendText)
            arrived.append(what)
        for what in arrived:
            if isinstance(what, SendText):
                frames -= 1
                self.listener.on_frame(what.frame, frames == 0)
            else:
                self._hand_over(what)
                if isinstance(what, ConnectionLost):
                    return

    def _hand_over(self, what: object) -> None:
        match what:
            case SendPing(payload=payload):
                self.pong(payload)
                self.listener.on_ping(payload)
            case SendPong(payload=payload):
                self.listener.on_pong(payload)
            case ConnectionLost():
                self.alive = False
                self._carrier.forget(self)
                self.listener.on_lost(what)
            case _:
                raise TypeError(f"link: found {what!r}, expected something that a venue sends")

    def _upward(self, deed: Callable[[Stage, int], None]) -> None:
        if self.alive and not self._closing:
            self._carrier.at_venue(self.up.arrival(self._carrier.now()), deed)


class MemoryDialer:
    """`MemoryCarrier.dial` as a thing that can be given headers to send with each upgrade."""

    def __init__(self, carrier: MemoryCarrier, headers: Mapping[str, str] | None = None) -> None:
        self._carrier = carrier
        self._headers = dict(headers or {})

    async def __call__(self, url: str, listener: Listener) -> MemoryLink:
        return await self._carrier.dial(url, listener, self._headers)

    def with_headers(self, headers: Mapping[str, str]) -> MemoryDialer:
        """The same with these headers too."""
        return MemoryDialer(self._carrier, {**self._headers, **headers})


class MemoryCarrier:
    """Carries between a stage and its memory links; driven by a loop or by hand."""

    def __init__(
        self,
        stage: Stage,
        *,
        latency: Latency,
        entropy: Entropy,
        now: Callable[[], int],
        alarm: Callable[[int], None],
    ) -> None:
        self._stage = stage
        self._latency = latency
        self._entropy = entropy
        self.now = now
        self._alarm = alarm
        """Told when `run` is next wanted."""
        self.links: dict[int, MemoryLink] = {}
        self.agenda: list[tuple[int, int, Callable[[int], None], bool]] = []
        """A heap of what is to be done: when, in which order, what, and whether it is no more than
        handing over what has arrived at a client."""
        self._serial = 0
        self._paths = 0
        self.changes = 0
        """How often anything has happened by which other links may hear other things."""
        self._runs = 0
        """How often `run` is under way; it sets the alarm when it is through."""

    # -- dialling

    async def dial(
        self, url: str, listener: Listener, headers: Mapping[str, str] = MappingProxyType({})
    ) -> MemoryLink:
        """Connect; raises `DialFailed`."""
        link = MemoryLink(self, url, listener, headers)
        answer: asyncio.Future[Refusal | None] = asyncio.get_running_loop().create_future()
        self.at_venue(link.up.arrival(self.now()), lambda _, now: self._answer(link, answer, now))
        refusal = await answer
        if refusal is not None:
            raise _dial_failed(url, refusal)
        self.release(link)
        return link

    def open(
        self, url: str, listener: Listener, headers: Mapping[str, str] = MappingProxyType({})
    ) -> MemoryLink:
        """Connect at once, outside any loop; raises `DialFailed`."""
        link = MemoryLink(self, url, listener, headers)
        refusal = self._join(link, self.now())
        if refusal is not None:
            raise _dial_failed(url, refusal)
        self.release(link)
        return link

    def release(self, link: MemoryLink) -> None:
        """The client holds its link: what has come meanwhile may be delivered."""
        link.ready = True
        if link.queue:
            self.wake_for(link.queue[0][0], link)

    async def fetch(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> HttpAnswer:
        """One request over HTTP; raises `DialFailed` when no answer comes."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[HttpReply | None] = loop.create_future()
        entry, back = self.path("entry"), self.path("answer")
        lower = {name.lower(): value for name, value in headers.items()}

        def arrive(stage: Stage, now: int) -> None:
            reply = stage.http(method, target(url), headers=lower, body=body, now=now)
            if reply.answers:
                at = back.arrival(now + reply.delay)
                self.schedule(at, lambda _now: _resolve(answer, reply))
            else:
                at = now + round(SILENCE_SECONDS * SECOND)
                self.schedule(at, lambda _now: _resolve(answer, None))

        self.at_venue(entry.arrival(self.now()), arrive)
        reply = await answer
        if reply is None:
            raise DialFailed(address=url, cause="no answer came")
        return reply.status, reply.headers, reply.body

    # -- time

    def run(self, now: int, *, pass_time: Callable[[int], None] = _stand_still) -> None:
        """Let everything happen that is due by `now`, in order of time.

        `pass_time` is told when it is whenever that changes, for whoever moves the clock by hand.
        """
        stage, agenda = self._stage, self.agenda
        self.changes += 1
        self._runs += 1
        try:
            self._send()
            due = self._sooner(stage.next_deadline())
            while due is not None and due <= now:
                if not self.links:  # nobody hears what happens on the way
                    due = min(now, agenda[0][0]) if agenda else now
                pass_time(due)
                stage.advance(due, known=True)
                self._send()
                was_told = False
                while agenda and agenda[0][0] <= due:
                    heappop(agenda)[2](due)
                    self._send()
                    was_told = True  # and may have done anything
                due = self._sooner(stage.next_deadline() if was_told else stage.known_deadline())
        finally:
            self._runs -= 1
        if due is not None:
            self._alarm(due)

    def next_deadline(self) -> int | None:
        """When `run` has something to do."""
        return self._sooner(self._stage.next_deadline())

    def arm(self) -> None:
        due = self.next_deadline()
        if due is not None:
            self._alarm(due)

    def _sooner(self, due: int | None) -> int | None:
        agenda = self.agenda
        if agenda and (due is None or agenda[0][0] < due):
            return agenda[0][0]
        return due

    def schedule(self, at: int, deed: Callable[[int], None]) -> None:
        """Do something at a time, after what was scheduled for the same time before."""
        self._put_down(at, deed, is_delivery=False)

    def at_venue(self, at: int, deed: Callable[[Stage, int], None]) -> None:
        self.schedule(at, lambda now: deed(self._stage, now))

    def wake_for(self, at: int, link: MemoryLink) -> None:
        self._put_down(max(at, self.now()), link.deliver, is_delivery=True)

    def promise(self) -> int:
        """A place among what is scheduled for the same time; used by `wake_as_promised`."""
        self._serial += 1
        return self._serial

    def wake_as_promised(self, at: int, place: int, link: MemoryLink) -> None:
        """As `wake_for` would have scheduled it when that place was promised."""
        heappush(self.agenda, (at, place, link.deliver, True))

    def take(self) -> None:
        """Strike out what is first on the agenda: whoever asks does it."""
        heappop(self.agenda)

    def hold(self) -> None:
        """Until `go_on` somebody else does what is due, and sets no alarm for it."""
        self._runs += 1

    def go_on(self) -> None:
        """Whoever did what was due is through."""
        self._runs -= 1

    def _put_down(self, at: int, deed: Callable[[int], None], *, is_delivery: bool) -> None:
        self._serial += 1
        heappush(self.agenda, (at, self._serial, deed, is_delivery))
        if not self._runs:
            self._alarm(at)

    def path(self, way: str) -> Path:
        """A way of its own for one connection or request."""
        self._paths += 1
        model = getattr(self._latency, way)
        return Path(model, entropy=self._entropy, name=f"{way} {self._paths}")

    def forget(self, link: MemoryLink) -> None:
        self.changes += 1
        self.links.pop(link.number, None)

    # -- inside

    def _answer(self, link: MemoryLink, answer: asyncio.Future[Refusal | None], now: int) -> None:
        refusal = self._join(link, now)
        late = 0 if refusal is None else refusal.delay
        self.schedule(link.down.arrival(now + late), lambda _now: _resolve(answer, refusal))

    def _join(self, link: MemoryLink, now: int) -> Refusal | None:
        opened = self._stage.open(target(link.url), now, link.headers)
        if isinstance(opened, Refusal):
            return opened
        link.number = opened
        self.changes += 1
        self.links[opened] = link
        return None

    def _send(self) -> None:
        links = self.links
        while sendings := self._stage.take_sendings():
            for sending in sendings:
                link = links.get(sending.link)
                if link is not None and link.alive:
                    self._put(link, sending)

    def _put(self, link: MemoryLink, sending: Sending) -> None:
        at, action = link.arrival(sending.at), sending.action
        if isinstance(action, SendText):  # nearly always
            link.put(at, action)
            if link.paused:
                self._watch(link, sending.at)
        elif isinstance(action, Cut):
            link.put(at, ConnectionLost(code=1006))
        elif isinstance(action, Close):
            lost = ConnectionLost(code=action.code, reason=action.reason, clean=True)
            link.put(at, lost)
        else:
            link.put(at, action)
        if isinstance(action, Cut | Close):
            self.forget(link)

    def _watch(self, link: MemoryLink, now: int) -> None:
        """A client takes nothing in: the venue may have had enough of it."""
        shedding = self._stage.shedding
        if shedding is not None and now - link.queue[0][0] > shedding.slow_after:
            self._stage.behind(link.number, now)


def target(url: str) -> str:
    """Path and query of a URL."""
    parts = urlsplit(url)
    return f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"


def _resolve(future: asyncio.Future[Value], value: Value) -> None:
    if not future.done():
        future.set_result(value)


def _dial_failed(url: str, refusal: Refusal) -> DialFailed:
    reply = refusal.reply
    if reply is None:
        cause = "no answer in time" if refusal.delay else "connection refused"
        return DialFailed(address=url, cause=cause)
    wait = reply.headers.get("retry-after")
    return DialFailed(
        address=url,
        cause="upgrade refused",
        status=reply.status,
        retry_after_seconds=float(wait) if wait else None,
    )
