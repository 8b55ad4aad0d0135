"""A connection gives way to another: the new one stands and proves itself before the old one ends.

Nothing is given up for a roll: while the new connection cannot be made the old one stays and the
dial is tried again later; if the old one falls meanwhile, that is an ordinary loss. Only where the
venue lets in no second connection the old one is closed first, and told as lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Protocol

from pitwire.model import errors
from pitwire.model.clock import SECOND, Clock
from pitwire.model.events import Event, Rejected, Rolled
from pitwire.model.recovery import Halt, Recovery
from pitwire.session.echoes import Echoes
from pitwire.session.line import Line
from pitwire.session.schedule import Schedule

LOOK_SECONDS = 0.02
"""How often it is looked whether the new connection does all that the old one does."""
PROOF_SECONDS = 10.0
"""How long what has spoken on the old connection is waited for on the new one, once confirmed."""
CONFIRM_SECONDS = 60.0
"""How long the new connection may take to be admitted and confirmed."""
AGAIN_SECONDS = 300.0
"""How long after a roll that failed the next is tried."""
YOUNG_SECONDS = 60.0
CALM_SECONDS = 5.0
"""A connection announced to be dropped so soon after its forerunner is replaced after a while."""
ANNOUNCED = "the venue announced a shutdown"
"""Why a connection rolled that the venue is about to drop."""


class Lines(Protocol):
    """What a roll asks of the connections of a session."""

    def __iter__(self) -> Iterator[Line]: ...

    def place_of(self, line: Line) -> int: ...

    def is_sole(self, line: Line) -> bool: ...

    def successor(self, line: Line) -> Line: ...

    def hand_over(self, old: Line, new: Line) -> None: ...

    async def retire(self, line: Line) -> None: ...

    def judge(self, error: BaseException, line: Line) -> Recovery: ...

    def halted(self, reason: str, error: BaseException) -> None: ...

    def tell(self, event: Event) -> None: ...


class Rolls:
    """Which connections are due, and the replacing of each."""

    def __init__(self, lines: Lines, *, venue: str, clock: Clock, schedule: Schedule) -> None:
        self._lines, self._venue = lines, venue
        self._clock, self._schedule = clock, schedule
        self._due: dict[Line, int] = {}
        self._rolling: dict[Line, asyncio.Task[None]] = {}
        self._makers: dict[Line, asyncio.Task[None]] = {}
        """Who makes which successor, until that has taken over."""
        self._announced: set[Line] = set()
        """Those being replaced, or waiting for it, that the venue will drop."""
        self._hurried: dict[str, int] = {}
        self._busy = 0
        """Rolls under way of those that wait for their turn."""
        self._moved = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._over = False

    def opened(self, line: Line) -> None:
        """A connection stands."""
        due = self._schedule.due(self._clock.now(), place=self._lines.place_of(line))
        if due is not None:
            self._due[line] = due
            self._arm()

    def forget(self, line: Line) -> None:
        """A connection is gone; when it stands again, its time is counted anew."""
        self._due.pop(line, None)

    def announced(self, line: Line) -> None:
        """The venue said that it will drop this connection: it waits for its turn no more."""
        self._begin(line, ANNOUNCED, hurried=True)
        self._announced.add(line)
        self._move()

    async def roll(self, reason: str) -> None:
        """Replace every connection now, one after another."""
        for line in list(self._lines):
            await asyncio.shield(self._begin(line, reason, hurried=False))

    def stop(self) -> None:
        """No more rolls; those under way are given up."""
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        for task in self._rolling.values():
            task.cancel()

    async def close(self) -> None:
        """The same, and wait for their ends."""
        self.stop()
        await asyncio.gather(*self._rolling.values(), return_exceptions=True)

    # ── time ──

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._due and not self._over:
            delay = max(0, min(self._due.values()) - self._clock.now()) / SECOND
            # A clock that is not the loop's is looked at again every hour at the latest.
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(min(delay, 3600.0) + 1e-6, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        now = self._clock.now()
        for line in [line for line, due in self._due.items() if due <= now]:
            del self._due[line]
            self._begin(line, "its time had come", hurried=False)
        self._arm()

    # ── a roll ──

    def _begin(self, line: Line, reason: str, *, hurried: bool) -> asyncio.Task[None]:
        task = self._rolling.get(line)
        if task is None:
            work = self._hurry(line, reason) if hurried else self._in_turn(line, reason)
            task = self._rolling[line] = asyncio.get_running_loop().create_task(work)
            task.add_done_callback(lambda task: self._finished(line, task))
        return task

    def _finished(self, line: Line, task: asyncio.Task[None]) -> None:
        self._rolling.pop(line, None)
        self._announced.discard(line)
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._over:
            self._lines.halted(f"unforeseen {type(error).__name__}: {error}", error)

    async def _hurry(self, line: Line, reason: str) -> None:
        now, stem = self._clock.now(), line.name.partition("/")[0]
        before, self._hurried[stem] = self._hurried.get(stem, 0), now
        if now - before < YOUNG_SECONDS * SECOND:
            await asyncio.sleep(CALM_SECONDS)  # a venue that says so again and again is not stormed
        await self._roll(line, reason)

    async def _in_turn(self, line: Line, reason: str) -> None:
        while self._busy and line not in self._announced:
            await self._moved.wait()
        self._busy += 1
        try:
            await self._roll(line, ANNOUNCED if line in self._announced else reason)
        finally:
            self._busy -= 1
            self._move()

    def _move(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()

    async def _roll(self, old: Line, reason: str) -> None:
        if old in self._makers:  # it has yet to take over itself
            await asyncio.wait((self._makers[old],))
        if self._over or not old.stands:
            return
        if self._lines.is_sole(old):
            await old.hang_up(reason)
            return
        new = self._lines.successor(old)
        self._makers[new] = self._rolling[old]
        try:
            await self._replace(old, new, reason)
        finally:
            del self._makers[new]

    async def _replace(self, old: Line, new: Line, reason: str) -> None:
        echoes = Echoes() if new.conversation.feed is not old.conversation.feed else None
        old.conversation.echoes = new.conversation.echoes = echoes
        new.conversation.spare_of = old.conversation
        try:
            done = await self._stand(old, new) and await self._prove(old, new)
        except BaseException:
            await self._give_up(old, new)
            raise
        if not done:
            await self._give_up(old, new)
            self._try_again(old)
            return
        new.conversation.spare_of, old.conversation.spare_of = None, new.conversation
        self._lines.hand_over(old, new)
        now = self._clock.now()
        self._lines.tell(Rolled(self._venue, "", 0, now, old.name, new.name, reason))
        await self._last_answers(old)
        await self._lines.retire(old)
        new.conversation.echoes = None

    async def _stand(self, old: Line, new: Line) -> bool:
        """Dial until the new connection stands, or the old one falls."""
        attempt = 0
        while old.stands and not self._over:
            attempt += 1
            try:
                await new.dial(attempt)
            except errors.DialFailed as error:
                recovery = self._lines.judge(error, new)
                if isinstance(recovery, Halt):
                    self._refused(old, error)
                    return False
                await asyncio.sleep(new.delay(recovery))
            else:
                return True
        return False

    async def _prove(self, old: Line, new: Line) -> bool:
        """Wait until the new connection does all that the old one does, or the old one falls."""
        began = self._clock.now()
        confirmed = 0
        while not (ready := _may_succeed(old, new)) and old.stands:
            now = self._clock.now()
            if not _is_confirmed(old, new):
                confirmed = 0  # not yet, or it fell meanwhile
            elif not confirmed:
                confirmed = now
            if confirmed and now - confirmed >= PROOF_SECONDS * SECOND:
                return True
            if not confirmed and now - began >= CONFIRM_SECONDS * SECOND:
                return False
            await asyncio.sleep(LOOK_SECONDS)
        # When both have fallen, the old one is dialled again and nothing has changed.
        return ready or new.stands

    async def _last_answers(self, old: Line) -> None:
        """What was asked on the old connection is answered there, or given up after a while."""
        until = self._clock.now() + old.conversation.patience
        while old.stands and not old.conversation.commands.is_idle and self._clock.now() < until:
            await asyncio.sleep(LOOK_SECONDS)

    async def _give_up(self, old: Line, new: Line) -> None:
        await self._lines.retire(new)
        old.conversation.echoes = None

    def _try_again(self, line: Line) -> None:
        if line.stands and not self._over:
            self._due[line] = self._clock.now() + round(AGAIN_SECONDS * SECOND)
            self._arm()

    def _refused(self, line: Line, error: errors.DialFailed) -> None:
        now, code = self._clock.now(), error.status
        self._lines.tell(Rejected(self._venue, "", 0, now, line.name, "roll", code, str(error)))


def _is_confirmed(old: Line, new: Line) -> bool:
    ours, theirs = old.conversation, new.conversation
    if ours.feed is theirs.feed:
        return new.stands and theirs.copy.has_confirmed(ours.copy)
    admitted = theirs.commands.admitted or ours.credentials is None
    return new.stands and admitted and (theirs.watches_orders or not ours.wants_orders)


def _may_succeed(old: Line, new: Line) -> bool:
    ours, theirs = old.conversation, new.conversation
    if not _is_confirmed(old, new):
        return False
    return ours.feed is not theirs.feed or ours.feed.may_succeed(theirs.copy, ours.copy)
