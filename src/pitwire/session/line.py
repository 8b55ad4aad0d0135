"""One connection kept alive: the asyncio shell of a `Conversation`.

It dials, feeds frames, sends what is to be sent, carries requests, keeps one timer, and dials again
after a loss. It decides nothing: what an error means is asked of the session.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Protocol, TypeAlias

from pitwire.model import errors
from pitwire.model.clock import SECOND, Clock
from pitwire.model.events import Event
from pitwire.model.recovery import Halt, Ignore, Reconnect, Recovery, Resync, Wait
from pitwire.session.backoff import Backoff
from pitwire.session.conversation import Conversation
from pitwire.session.errands import Settled
from pitwire.session.pacing import Pacing
from pitwire.venues.venue import HttpRequest
from pitwire.wire.link import Buffer, Dial, Fetch, Link, PausableLink

Tap: TypeAlias = Callable[[str, str, Buffer, int, bool], None]
"""(link, `in` or `out`, payload, when, drained): sees every frame. Frames out may carry a key."""


_SOON = 1_000
"""A timer is never shorter than a microsecond, so that no rounding makes it spin."""


class Owner(Protocol):
    """What a line asks of its session."""

    def deliver(self, events: Sequence[Event], now: int, drained: bool) -> None: ...

    def settle(self, settled: Sequence[Settled]) -> None: ...

    def judge(self, error: BaseException, line: Line) -> Recovery: ...

    def halted(self, reason: str, error: BaseException) -> None: ...


class Line:
    """A connection of a session, through all its losses."""

    def __init__(
        self,
        name: str,
        conversation: Conversation,
        owner: Owner,
        *,
        url: str,
        http_root: str,
        dial: Dial,
        fetch: Fetch,
        clock: Clock,
        pacing: Pacing,
        backoff: Backoff,
        tap: Tap | None = None,
    ) -> None:
        self.name, self.conversation, self.backoff = name, conversation, backoff
        self._owner, self._clock, self._tap = owner, clock, tap
        self._url, self._http_root = url, http_root
        self._dial, self._fetch, self._pacing = dial, fetch, pacing
        self._receive = conversation.receive_data
        self._link: Link | None = None
        self._early: list[tuple[bytes, bool]] = []
        self._stillborn = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._reopening = False
        self._telling = False
        self._paused = False
        self._closed = False
        self._gone = asyncio.Event()
        self._gone.set()

    # ── what the wire calls ──

    def on_frame(self, frame: Buffer, drained: bool) -> None:
        """The hot path: one clock reading, the tape, the conversation, whoever listens."""
        if self._link is None:
            self._early.append((bytes(frame), drained))
            return
        now = self._clock.now()
        try:
            if self._tap is not None:
                self._tap(self.name, "in", frame, now, drained)
            self._owner.deliver(self._receive(frame, now), now, drained)
        except Exception as error:  # noqa: BLE001 — the callback edge: what a listener raises
            self._caught(error)
        if self.conversation.stirred:
            self.flush(now)

    def on_drained(self) -> None:
        """A burst ended with something that is no frame."""
        try:
            self._owner.deliver((), self._clock.now(), True)
        except Exception as error:  # noqa: BLE001 — the callback edge
            self._caught(error)

    def on_ping(self, payload: bytes) -> None:
        """The wire has answered already."""
        self.conversation.receive_ping(self._clock.now())

    def on_pong(self, payload: bytes) -> None:
        """A sign of life."""
        self.conversation.receive_pong(self._clock.now())

    def on_lost(self, error: errors.ConnectionLost) -> None:
        """The connection ended, by whichever side."""
        if self._link is None:
            self._stillborn = True  # told before the dial returned
            return
        self._lose(error)

    # ── life ──

    @property
    def is_open(self) -> bool:
        """Whether a connection stands."""
        return self._link is not None

    async def open(self, attempts: int) -> None:
        """Dial until it stands, at most `attempts` times; raises the last `DialFailed`."""
        for attempt in range(1, attempts + 1):
            try:
                await self._dial_once(attempt)
            except errors.DialFailed as error:
                recovery = self._owner.judge(error, self)
                if attempt == attempts or isinstance(recovery, Halt):
                    raise
                await asyncio.sleep(self._delay(recovery))
            else:
                return

    async def close(self, *, within_seconds: float = 1.5) -> None:
        """End for good: say goodbye, wait a moment for the answer, stop every task."""
        self._closed = True
        self._stop_timer()
        for task in list(self._tasks):
            task.cancel()
        if self._link is not None:
            self._link.close()
            try:
                await asyncio.wait_for(self._gone.wait(), within_seconds)
            except TimeoutError:
                self._link.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def drop(self, error: errors.PitwireError) -> None:
        """Give this connection up, for a reason of our own, and dial again."""
        link = self._link
        if link is not None:
            self._lose(error)
            link.abort()

    @property
    def can_pause(self) -> bool:
        """Whether reading can be held still."""
        return self._link is None or isinstance(self._link, PausableLink)

    def pause(self) -> None:
        """Stop reading; the venue's socket fills up."""
        self._paused = True
        if isinstance(self._link, PausableLink):
            self._link.pause_reading()

    def resume(self) -> None:
        """Read again."""
        self._paused = False
        self.conversation.note_pause(self._clock.now())
        if isinstance(self._link, PausableLink):
            self._link.resume_reading()

    # ── out ──

    def flush(self, now: int) -> None:
        """Send, carry, settle, tell and time whatever the conversation has ready."""
        conversation = self.conversation
        conversation.stirred = False
        self.send()
        if self._link is not None and conversation.ping_to_send():
            self._link.ping()
        for request in conversation.requests_to_send():
            self._spawn(self._carry(request))
        self._owner.settle(conversation.take_settled())
        if conversation.has_events_to_tell and not self._telling:
            self._telling = True
            asyncio.get_running_loop().call_soon(self._tell)
        fault = conversation.take_fault()
        if fault is not None:
            self._fail(fault)
        self._arm(conversation.next_deadline(now), now)

    def send(self) -> None:
        """Write what is to be written, in this turn of the loop."""
        link = self._link
        if link is None:
            return
        for frame in self.conversation.data_to_send():
            link.send(frame)
            if self._tap is not None:
                self._tap(self.name, "out", frame, self._clock.now(), True)

    def after_command(self, now: int) -> None:
        """Write a command that has just been given, and see that its answer is not waited for long.

        The short way of `flush` for the path from tick to order.
        """
        conversation = self.conversation
        if conversation.stirred:
            self.flush(now)
            return
        self.send()
        deadline = now + conversation.patience
        if self._timer is None or deadline < self._timer_at:
            self._arm(deadline, now)

    # ── within ──

    async def _dial_once(self, attempt: int) -> None:
        await self._await_permission()
        self._stillborn, self._early = False, []
        try:
            link = await self._dial(self._url, self)
        except errors.DialFailed:
            self.backoff.failed(self._clock.now())
            raise
        if self._closed:
            link.abort()
            return
        self._stand(link, attempt)

    async def _await_permission(self) -> None:
        while True:
            now = self._clock.now()
            if self._pacing.try_spend("dials", now):
                return
            await asyncio.sleep((self._pacing.ready_at("dials", now) - now) / SECOND)

    def _stand(self, link: Link, attempt: int) -> None:
        if self._stillborn:
            cause = "the connection was lost as soon as it stood"
            self.backoff.failed(self._clock.now())
            raise errors.DialFailed(address=self._url.partition("?")[0], cause=cause)
        now = self._clock.now()
        self._gone.clear()
        self._link = link
        self.backoff.opened(now)
        if self._paused:
            self.pause()
        self._deliver(self.conversation.opened(now, attempt=attempt), now)
        self.flush(now)
        early, self._early = self._early, []
        for frame, drained in early:
            self.on_frame(frame, drained)

    def _lose(self, error: errors.PitwireError) -> None:
        self._link = None
        self._gone.set()
        self._stop_timer()
        now = self._clock.now()
        if self._closed:
            self._deliver(self.conversation.lost(error, now), now)
            return
        recovery = self._owner.judge(error, self)
        delay = 0.0 if isinstance(recovery, Halt) else self._delay(recovery)
        self._deliver(self.conversation.lost(error, now, retry_after_seconds=delay), now)
        if isinstance(recovery, Halt):
            self._owner.halted(recovery.reason, error)
        elif not self._reopening:
            self._reopening = True
            self._spawn(self._reopen(delay))

    async def _reopen(self, delay: float) -> None:
        attempt = 0
        while not self._closed:
            await asyncio.sleep(delay)
            attempt += 1
            try:
                self._reopening = False
                await self._dial_once(attempt)
            except errors.DialFailed as error:
                self._reopening = True
                recovery = self._owner.judge(error, self)
                if isinstance(recovery, Halt):
                    self._owner.halted(recovery.reason, error)
                    return
                delay = self._delay(recovery)
            else:
                return

    def _delay(self, recovery: Recovery) -> float:
        now = self._clock.now()
        match recovery:
            case Reconnect(after_seconds=after):
                return after
            case Wait(until=until) if until > now:
                return (until - now) / SECOND
            case _:
                # A lost connection cannot be ignored; whoever says so gets the usual delay.
                return self.backoff.delay_seconds(now)

    def _caught(self, error: Exception) -> None:
        now = self._clock.now()
        match self._owner.judge(error, self):
            case Halt(reason=reason):
                self._owner.halted(reason, error)
            case Reconnect():
                self._fail(errors.ConnectionLost(code=1006, reason=f"given up: {error}"))
            case Resync(symbol=symbol):
                self._deliver(self.conversation.resync(symbol, str(error), now), now)
            case Ignore() | Wait():
                pass

    def _fail(self, error: errors.PitwireError) -> None:
        # Not in the middle of a frame: the listener below may still be in its turn.
        asyncio.get_running_loop().call_soon(self.drop, error)

    async def _carry(self, request: HttpRequest) -> None:
        url = f"{self._http_root}{request.path}" + (f"?{request.query}" if request.query else "")
        try:
            status, headers, body = await self._fetch(
                request.method, url, request.headers, request.body
            )
        except errors.DialFailed:
            now = self._clock.now()
            events = self.conversation.request_failed(request, now)
        else:
            now = self._clock.now()
            events = self.conversation.receive_response(request, status, headers, body, now)
        self._deliver(events, now)
        self.flush(now)

    def _deliver(self, events: Sequence[Event], now: int) -> None:
        try:
            self._owner.deliver(events, now, True)
        except Exception as error:  # noqa: BLE001 — the callback edge
            self._caught(error)

    def _tell(self) -> None:
        self._telling = False
        self._deliver(self.conversation.events_to_tell(), self._clock.now())

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._closed:
            self._owner.halted(f"unforeseen {type(error).__name__}: {error}", error)

    # ── the one timer ──

    def _arm(self, deadline: int | None, now: int) -> None:
        if deadline is None or self._link is None:
            self._stop_timer()
        elif self._timer is None or deadline < self._timer_at:
            # A timer that fires too early only looks again; one is moved when it is too late.
            self._stop_timer()
            self._timer_at = deadline
            delay = max(_SOON, deadline - now) / SECOND
            self._timer = asyncio.get_running_loop().call_later(delay, self._on_timer)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_timer(self) -> None:
        self._timer = None
        now = self._clock.now()
        if self._paused:
            self.conversation.note_pause(now)
        deadline = self.conversation.next_deadline(now)
        if deadline is not None and deadline <= now:
            self._deliver(self.conversation.handle_deadline(now), now)
            self.flush(now)
        else:
            self._arm(deadline, now)
