"""Housekeeping: the chores of a desk, which time alone brings about.

House rules: each chore has its turn every 50 ms; one that raises keeps nobody from the others. Only
where nobody looks on and nothing on this machine can speak up (a played desk) may a house sleep
while no chore could have anything to do. Whatever is written down or heard, the market apart,
rouses it, and it goes on at the very beat at which it would have been awake.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol, TypeAlias

from pitwire.desk.gateway import Gateway
from pitwire.model.clock import SECOND, Clock
from pitwire.trading.engine import Engine

BEAT_SECONDS = 0.05
_BEAT = round(BEAT_SECONDS * SECOND)
NEVER = 1 << 63
Chore: TypeAlias = Callable[[int], None]


class Kept(Protocol):
    """Whose house it is: a desk."""

    clock: Clock
    engine: Engine

    def halt(self, reason: str, by: str) -> None: ...

    def alert(self, text: str, now: int) -> None: ...


class House:
    """When the chores are done. A journal, too: one that may sleep is roused by what is written."""

    def __init__(self, *, sleeps: bool = False) -> None:
        self.sleeps = sleeps
        self._sleeper: asyncio.Future[None] | None = None
        self._trouble = ""
        """What went wrong last; it is told once."""

    async def keep(
        self, kept: Kept, chores: Sequence[Chore], idle_until: Callable[[int], int]
    ) -> None:
        """Do them on every beat, for ever. `idle_until` (now, ns) says until when none of them has
        anything to do if nothing comes; it is asked of a house that may sleep."""
        clock = kept.clock
        while True:
            until = idle_until(clock.now()) if self.sleeps else 0
            if until > clock.now() + _BEAT:
                await self._sleep(clock, until)
            else:
                await asyncio.sleep(BEAT_SECONDS)
            now = clock.now()
            for chore in chores:
                try:
                    chore(now)
                except Exception as error:  # noqa: BLE001 - the edge of a task: it lives on
                    self._failed(kept, error, now)

    def rouse(self) -> None:
        """Something has come that a chore may be about."""
        if self._sleeper is not None and not self._sleeper.done():
            self._sleeper.set_result(None)

    def write(self, _record: object) -> None:
        """What is written down is no market's word."""
        self.rouse()

    def _failed(self, kept: Kept, error: Exception, now: int) -> None:
        """A chore that cannot be done is a halt, is told, and keeps nobody from the others."""
        text = f"housekeeping failed: {type(error).__name__}: {error}"
        if not kept.engine.screen.halted:
            with suppress(Exception):  # halted it is; what could not leave is tried again
                kept.halt(text, "desk")
        elif text != self._trouble:
            kept.alert(text, now)
        self._trouble = text

    async def _sleep(self, clock: Clock, until: int) -> None:
        """Until the first beat from then on, or from being roused."""
        loop, last = asyncio.get_running_loop(), clock.now()
        self._sleeper = loop.create_future()
        alarm = None
        if until < NEVER:
            beats = -(-(until - last) // _BEAT) - 1
            alarm = loop.call_later(beats * _BEAT / SECOND, self.rouse)
        try:
            await self._sleeper
        finally:
            self._sleeper = None
            if alarm is not None:
                alarm.cancel()
        now = clock.now()
        beats = (now - last) // _BEAT + 1
        await asyncio.sleep((last + beats * _BEAT - now) / SECOND)


def idle_until(engine: Engine, gateway: Gateway, now: int) -> int:
    """Until when neither gateway nor engine has anything to do of its own accord, ns; `now` where
    something is under way."""
    ledger, screen, stock = engine.state.ledger, engine.screen, gateway.stock
    tally = ledger.tally
    watched = screen.limits.max_drawdown is not None
    if (
        screen.halted
        or tally.unanswered
        or tally.oldest_unknown() is not None
        or engine.state.missed
        or ledger.pursuit.is_on
        or gateway.winder is not None
        or (watched and any(one.size for one in engine.state.portfolio.holdings.values()))
        or any(one.doubt for one in ledger.in_doubt)  # a person is told of it in time
    ):
        return now
    times = ledger.next_question(), stock.next_turn(now)  # what comes meanwhile rouses the house
    return min([at for at in times if at is not None], default=NEVER)
