"""One connection kept alive: the asyncio shell of a `Conversation`.

It dials, feeds frames, sends what is to be sent, carries requests, keeps one timer, and dials again
after a loss. It decides nothing: what an error means is asked of the session.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Protocol

import msgspec

from pitwire.model import errors
from pitwire.model.clock import SECOND, PlayedClock, SteppedClock
from pitwire.model.events import Event
from pitwire.model.recovery import Halt, Ignore, Reconnect, Recovery, Resync, Wait
from pitwire.session.backoff import Backoff
from pitwire.session.conversation import Conversation
from pitwire.session.copies import LineHealth
from pitwire.session.ear import Ear
from pitwire.session.obedience import hush
from pitwire.session.outbox import Outbox, Settled
from pitwire.session.pen import Pen
from pitwire.session.route import Route
from pitwire.session.writing import note_writing
from pitwire.venues.venue import HttpRequest
from pitwire.wire.link import Link, PausableLink

_SOON = 1_000
"""A timer is never shorter than a microsecond, so that no rounding makes it spin."""
_PAUSED = SECOND
"""How often a line that is held still looks whether it still is."""
_LATE, _GRACE = SECOND // 2, SECOND // 4
"""A timer later than this was held up, and so was our reading: it gets this long to catch up."""


class Owner(Protocol):
    """What a line asks of its session."""

    def deliver(self, events: Sequence[Event], now: int, drained: bool) -> None: ...

    def settle(self, settled: Sequence[Settled]) -> None: ...

    def judge(self, error: BaseException, line: Line) -> Recovery: ...

    def halted(self, reason: str, error: BaseException) -> None: ...

    def turned_away(self, line: Line, reason: str, error: BaseException) -> None: ...

    def stood(self, line: Line) -> None: ...

    def fell(self, line: Line) -> None: ...

    def announced(self, line: Line) -> None: ...

    def led(self, line: Line, key: str, now: int) -> None: ...


class Line:
    """A connection of a session, through all its losses."""

    def __init__(
        self, name: str, conversation: Conversation, owner: Owner, *, route: Route, backoff: Backoff
    ) -> None:
        self.name, self.conversation, self.backoff = name, conversation, backoff
        self._owner, self._route, self._clock = owner, route, route.clock
        self._jump = self._clock.jump if isinstance(self._clock, SteppedClock) else None
        self._outbox = conversation.outbox
        if isinstance(self._clock, PlayedClock):
            conversation.vigil.sleepless = self._clock.is_sleepless
        self.pen = Pen(self._outbox, None if route.tap is None else self._tap_out)
        """What writes on its connection."""
        self._ear: Ear | None = None
        self._fault: errors.PitwireError | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = self._grace_until = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._telling = self._paused = self._closed = False
        self.opened_at = 0
        """When its present connection, or its last one, was opened."""
        self._gone = asyncio.Event()
        self._gone.set()

    # ── life ──

    async def open(self, attempts: int) -> None:
        """Dial until it stands, at most `attempts` times; raises the last `DialFailed`."""
        try:
            for attempt in range(1, attempts):
                try:
                    await self.dial(attempt)
                except errors.DialFailed as error:
                    recovery = self._owner.judge(error, self)
                    if isinstance(recovery, Halt):
                        raise
                    await asyncio.sleep(self.delay(recovery))
                else:
                    return
            await self.dial(attempts)
        finally:
            self._route.scouts.leave(self)

    def start(self, delay: float) -> None:
        """Dial after this long, and again until it stands; nobody waits for it."""
        self._spawn(self._reopen(delay))

    async def close(self, *, within_seconds: float = 1.5) -> None:
        """End for good: say goodbye, wait a moment for the answer, stop every task."""
        self._closed = True
        self._stop_timer()
        self._route.scouts.leave(self)
        for task in self._tasks:
            task.cancel()
        link = self.pen.link
        if link is not None:
            link.close()
            try:
                await asyncio.wait_for(self._gone.wait(), within_seconds)
            except TimeoutError:
                link.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def hang_up(self, reason: str, *, within_seconds: float = 1.5) -> None:
        """Say goodbye on this connection and dial again."""
        link = self.pen.link
        if link is None:
            return
        link.close(1000, reason)
        try:
            await asyncio.wait_for(self._gone.wait(), within_seconds)
        except TimeoutError:
            self._drop_if(link, errors.ConnectionLost(code=1000, reason=reason))

    def move(self, url: str) -> None:
        """Dial another address from now on."""
        self._route = msgspec.structs.replace(self._route, url=url)

    def drop(self, error: errors.PitwireError) -> None:
        """Give this connection up, for a reason of our own, and dial again."""
        link = self.pen.link
        if link is not None:
            self.lose(error)
            link.abort()

    def lose(self, error: errors.PitwireError) -> None:
        """The connection is gone: tell everybody, and dial again unless that is forbidden."""
        if self._ear is not None:
            self._ear.give_up()
        # Of what was found wrong and the close that followed at once, the first says why.
        error, self._fault = self._fault or self._outbox.take_fault() or error, None
        self.pen.link = self._ear = None
        self._stop_timer()
        now = self._clock.now()
        if self._route.witness is not None:
            self._route.witness.lost(self.name, error, now)
        recovery = Ignore() if self._closed else self._owner.judge(error, self)
        waits = not (self._closed or isinstance(recovery, Halt))
        delay = self.delay(recovery) if waits else 0.0
        told = self.conversation.lost(error, now, retry_after_seconds=delay, by_us=self._closed)
        self.deliver(told, now)
        self._owner.settle(self._outbox.take_settled())
        self._owner.fell(self)
        if isinstance(recovery, Halt):
            self._halt(recovery, error)
        elif waits:
            self._spawn(self._reopen(delay))

    def gone(self) -> None:
        """The socket itself is closed."""
        self._gone.set()

    @property
    def stands(self) -> bool:
        """Whether its connection is open."""
        return self.pen.link is not None

    def health(self) -> LineHealth:
        """How it does."""
        what = self.conversation
        behind = what.copy.behind_seconds(what.feed.copies)
        return LineHealth(
            self.name, self.stands, self.opened_at, what.streams, what.copy.wins, behind
        )

    @property
    def can_pause(self) -> bool:
        """Whether reading can be held still."""
        return self.pen.link is None or isinstance(self.pen.link, PausableLink)

    def pause(self) -> None:
        """Stop reading; the venue's socket fills up."""
        self._paused = True
        if isinstance(self.pen.link, PausableLink):
            self.pen.link.pause_reading()
        self._arm(self._clock.now() + _PAUSED, self._clock.now())

    def resume(self) -> None:
        """Read again."""
        self._paused = False
        self.conversation.note_pause(self._clock.now())
        if isinstance(self.pen.link, PausableLink):
            self.pen.link.resume_reading()

    def take_over(self, now: int) -> None:
        """Another line of the same feed fell: do what it left undone."""
        self.conversation.take_over(now)
        self.flush(now)

    # ── out ──

    def flush(self, now: int) -> None:
        """Send, carry, settle, tell and time whatever the conversation has ready."""
        outbox = self._outbox
        outbox.stirred = False
        if not outbox.is_empty:
            self._hand_out(outbox, now)
        self._arm(self.conversation.next_deadline(now), now)

    def _hand_out(self, outbox: Outbox, now: int) -> None:
        self.pen.flush()
        if outbox.take_ping() and self.pen.link is not None:
            self.pen.link.ping()
        if outbox.has_told and not self._telling:
            # Before the requests: a stale book is told before its new snapshot can be there.
            self._telling = True
            asyncio.get_running_loop().call_soon(self.tell)
        for request in outbox.take_requests():
            self._spawn(self._carry(request))
        self._owner.settle(outbox.take_settled())
        if outbox.take_announced():
            self._owner.announced(self)
        if key := outbox.take_key():
            self._owner.led(self, key, now)
        fault = outbox.take_fault()
        if fault is not None:
            self._fail(fault)

    def after_command(self, now: int) -> None:
        """Write a command that was just given, and time its answer: the short way of `flush`."""
        if self._outbox.stirred:
            self.flush(now)
            return
        self.pen.flush()
        deadline = now + self.conversation.patience
        if self._timer is None or deadline < self._timer_at:
            self._arm(deadline, now)

    def tell(self) -> None:
        """Tell what the conversation has to tell; not in the middle of a frame."""
        self._telling = False
        if self._outbox.has_told:
            self.deliver(self._outbox.take_told(), self._clock.now())

    def deliver(self, events: Sequence[Event], now: int) -> None:
        """Tell the session something that no frame of a burst brought."""
        try:
            self._owner.deliver(events, now, True)
        except Exception as error:  # noqa: BLE001 — the callback edge
            self.caught(error)

    def woke(self, now: int) -> None:
        """We slept over a deadline: that is told before anything that came meanwhile."""
        self.deliver(self.conversation.woke(now), now)
        self.flush(now)

    def caught(self, error: Exception) -> None:
        """A listener raised; the session says what that means."""
        now = self._clock.now()
        match self._owner.judge(error, self):
            case Halt(reason=reason):
                self._owner.halted(reason, error)
            case Reconnect():
                self._fail(errors.ConnectionLost(code=1006, reason=f"given up: {error}"))
            case Resync(symbol=symbol):
                self._outbox.tell(*self.conversation.resync(symbol, str(error), now))
            case Ignore() | Wait():
                pass

    async def dial(self, attempt: int) -> None:
        """Dial once; raises `DialFailed`."""
        await self._await_permission()
        route = self._route
        witness = route.witness
        ear = Ear(
            self, deliver=self._owner.deliver, clock=self._clock, tap=route.tap, witness=witness
        )
        self.backoff.dials(self._clock.now())
        try:
            link = await route.dial(route.url, ear)
        except errors.DialFailed as error:
            now = self._clock.now()
            if witness is not None:
                witness.refused(self.name, error, now)
            self._not_reached(now)
            hush(error, route.pacing, now)
            raise
        if self._closed:
            ear.give_up()
            link.abort()
            return
        if ear.lost is not None:
            self._not_reached(self._clock.now())
            cause = f"the connection was lost as soon as it stood ({ear.lost})"
            raise errors.DialFailed(address=route.url.partition("?")[0], cause=cause)
        route.scouts.stood(route.address)
        self._stand(link, ear, attempt)

    # ── within ──

    def _not_reached(self, now: int) -> None:
        self.backoff.failed(now)
        self._route.scouts.failed(self._route.address, self)

    async def _await_permission(self) -> None:
        if self._route.permission is not None:
            await self._route.permission()
        pacing = self._route.pacing
        while not pacing.try_spend("dials", now := self._clock.now()):
            await asyncio.sleep((pacing.ready_at("dials", now) - now) / SECOND)

    def _stand(self, link: Link, ear: Ear, attempt: int) -> None:
        now = self._clock.now()
        self._gone.clear()
        self.pen.link, self._ear = link, ear
        self.opened_at = now
        if self._route.witness is not None:
            self._route.witness.opened(self.name, self._route.shown, now)
        self.backoff.opened(now)
        self.deliver(self.conversation.opened(now, attempt=attempt), now)
        self.flush(now)
        if self._paused:
            self.pause()
        self._owner.stood(self)
        ear.hear()

    async def _reopen(self, delay: float) -> None:
        scouts, address, attempt = self._route.scouts, self._route.address, 0
        while not self._closed:
            await asyncio.sleep(delay)
            await scouts.await_turn(address, self)
            attempt += 1
            try:
                await self.dial(attempt)
            except errors.DialFailed as error:
                recovery = self._owner.judge(error, self)
                if isinstance(recovery, Halt):
                    scouts.leave(self)
                    self._halt(recovery, error)
                    return
                delay = self.delay(recovery)
            else:
                return

    def _halt(self, halt: Halt, error: BaseException) -> None:
        if halt.account:
            self._owner.turned_away(self, halt.reason, error)
        else:
            self._owner.halted(halt.reason, error)

    def delay(self, recovery: Recovery) -> float:
        """How long to wait before the next dial, as the session decided."""
        now = self._clock.now()
        match recovery:
            case Reconnect(after_seconds=after):
                return after
            case Wait(until=until) if until > now:
                return (until - now) / SECOND
            case _:
                # A lost connection cannot be ignored; whoever says so gets the usual delay.
                return self.backoff.delay_seconds(now)

    def _fail(self, error: errors.PitwireError) -> None:
        # Not in the middle of a frame: the listener below may still be in its turn.
        link = self.pen.link
        self._fault = error if link is not None else None
        asyncio.get_running_loop().call_soon(self._drop_if, link, error)

    def _drop_if(self, link: Link | None, error: errors.PitwireError) -> None:
        if link is self.pen.link:
            self.drop(error)

    async def _carry(self, request: HttpRequest) -> None:
        route = self._route
        url = f"{route.http_root}{request.path}" + (f"?{request.query}" if request.query else "")
        places = self.conversation.commands.pending.places
        if route.on_written is not None and (order := places(request.request_id)):
            note_writing(order, self._clock, route.on_written, self.caught)
        try:
            status, headers, body = await route.fetch(
                request.method, url, request.headers, request.body
            )
        except asyncio.CancelledError:
            self.conversation.give_back(request, self._clock.now())
            raise
        except errors.DialFailed as error:
            now = self._clock.now()
            route.pacing.heard_of(request, now)
            events = self.conversation.request_failed(request, error, now)
        else:
            now = self._clock.now()
            route.pacing.heard_of(request, now)
            events = self.conversation.receive_response(request, status, headers, body, now)
        self.deliver(events, now)
        self.flush(now)

    def _tap_out(self, frame: bytes) -> None:
        tap = self._route.tap
        try:
            if tap is not None:
                tap(self.name, "out", frame, self._clock.now(), True)
        except Exception as error:  # noqa: BLE001 — the callback edge
            self.caught(error)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._closed:
            self._owner.halted(f"unforeseen {type(error).__name__}: {error}", error)

    def _look_at_wall(self, jump: int, now: int) -> None:
        told = self.conversation.note_wall(jump, now)
        if told:
            self.deliver(told, now)
            self.flush(now)

    # ── the one timer ──

    def _arm(self, deadline: int | None, now: int) -> None:
        if deadline is None or self.pen.link is None:
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
            # Held still by ourselves: what it means is asked from `resume` on.
            self._arm(now + _PAUSED, now)
            return
        vigil = self.conversation.vigil
        if now > vigil.late_at:
            self.woke(now)
        if self._jump is not None:
            self._look_at_wall(self._jump(), now)
        if now - self._timer_at > _LATE and not self._grace_until:
            # Somebody held the loop up: what came meanwhile is read before silence is judged.
            self._grace_until = now + _GRACE
        if now < self._grace_until:
            self._arm(self._grace_until, now)
            return
        self._grace_until = 0
        # Mostly it is time for a look, and need not be asked of everybody else.
        is_due = now >= vigil.look_at
        deadline = None if is_due else self.conversation.next_deadline(now)
        if is_due or (deadline is not None and deadline <= now):
            self.deliver(self.conversation.handle_deadline(now), now)
            self.flush(now)
        else:
            self._arm(deadline, now)
