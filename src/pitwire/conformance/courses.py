"""What live cards have in common: a session in a world, and what it was told.

House rules: virtual time; what happens is judged by the world's truth and by what was overheard.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from pitwire.conformance.cards import Exam
from pitwire.conformance.overhearing import Overheard
from pitwire.model.clock import SECOND
from pitwire.model.credentials import Credentials
from pitwire.model.entropy import Entropy
from pitwire.model.events import Event
from pitwire.session.connect import connect_to_websocket
from pitwire.session.session import Session
from pitwire.sim.truth import Truth
from pitwire.sim.world import World
from pitwire.torture.witness import FLOWS, Witness

T = TypeVar("T")

BACK_SECONDS = 30.0
"""By then after a loss everything wanted must flow again."""
_LOOK = 0.1


class Meeting:
    """A session in a world, seen from all sides."""

    def __init__(
        self, exam: Exam, world: World, channels: Sequence[str], *, time_unit: str = "ms"
    ) -> None:
        self.exam, self.world, self._time_unit = exam, world, time_unit
        self.wanted = [(name, symbol) for name in channels for symbol in exam.candidate.symbols]
        self.overheard = Overheard(world.clock.now)
        self.truth = Truth(world)
        self.witness = Witness(self.truth, self.wanted, now=world.clock.now)

    @property
    def now(self) -> int:
        """The right time."""
        return self.world.clock.now()

    def credentials(self, account: str = "main") -> Credentials:
        """The keys of an account."""
        return Credentials(*self.world.keys_of(account)[self.exam.candidate.keys])

    def run(
        self, story: Callable[[Meeting, Session], Awaitable[T]], *, within_seconds: float = 7200.0
    ) -> T:
        """Connect, live the story, close."""
        return self.world.run(self._live(story), within_seconds=within_seconds)

    async def subscribe(self, session: Session) -> None:
        """Everything wanted, one request a channel."""
        for channel in dict.fromkeys(channel for channel, _ in self.wanted):
            symbols = [symbol for each, symbol in self.wanted if each == channel]
            await session.subscribe(channel, *symbols)

    async def flows(self, since: int, *, within_seconds: float = BACK_SECONDS) -> bool:
        """Wait until everything wanted has flowed since then; whether it has."""
        until = self.now + round(within_seconds * SECOND)
        while self.witness.back_since(since) is None:
            if self.now > until:
                return False
            await asyncio.sleep(_LOOK)
        return True

    async def until(self, test: Callable[[], object], *, within_seconds: float) -> bool:
        """Wait until something is so; whether it is."""
        deadline = self.now + round(within_seconds * SECOND)
        while not test():
            if self.now > deadline:
                return False
            await asyncio.sleep(_LOOK)
        return True

    def cut(self) -> int:
        """Break every connection off; when."""
        for link in list(self.world.stage.links()):
            self.world.stage.cut(link, self.now)
        self.world.act()
        return self.now

    async def _live(self, story: Callable[[Meeting, Session], Awaitable[T]]) -> T:
        exam, world, overheard = self.exam, self.world, self.overheard
        connecting = connect_to_websocket(
            overheard.table(exam.venue),
            endpoints=exam.candidate.endpoints,
            dial=overheard.dial(world.dial),
            fetch=overheard.fetch(world.fetch),
            credentials=self.credentials() if exam.venue.market_login else None,
            clock=world.client_clock,
            entropy=Entropy(exam.seed).child("client"),
            on_events=self._take,
            connect_attempts=10,
            time_unit=self._time_unit,
        )
        async with connecting as session:
            self.witness.book = session.book
            found = await story(self, session)
            self.witness.rest()
        return found

    def _take(self, events: Sequence[Event], now: int, drained: bool) -> None:
        self.overheard.take(events, now, drained)
        self.witness.take(events, now, drained)


def channels_of(exam: Exam, *names: str) -> tuple[str, ...]:
    """Those of these channels that the table has and whose flow is known."""
    return tuple(name for name in names or FLOWS if name in exam.venue.channels)
