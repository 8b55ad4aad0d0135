"""The job done by a whole desk: what `ours` does, plus health, tables and stage times.

The desk is built by hand rather than by `open_desk`, because the venue's table is the bench's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

from bench import client, ours, traffic
from pitwire.desk.config import DeskConfig
from pitwire.desk.desk import Desk
from pitwire.desk.health import Health
from pitwire.model.clock import SystemClock
from pitwire.model.events import Event
from pitwire.session.session import Session
from pitwire.store.frames import Frames

KEPT = 20_000
"""Rows a table keeps, as `open_desk` has it."""


class WholeDesk:
    """A desk with the rule of the race."""

    def __init__(self, port: int, auth: str, meter: client.Meter) -> None:
        clock = SystemClock()
        self._desk = Desk(
            DeskConfig(),
            ours.engine([], clock),
            clock=clock,
            health=Health(clock.now()),
            frames=Frames(KEPT),
        )
        self._meter = meter
        self._setup = ours.setup(port, auth, on_events=self._on_events, clock=clock, lap=clock)

    async def start(self) -> None:
        """Connect, log on, begin, subscribe, and wait until every book is right."""
        session = await Session(self._setup).open()
        state = self._desk.engine.state
        state.instruments.update(await session.load_instruments(traffic.OURS))
        self._desk.attach(session)
        await session.authenticate_websocket()
        await session.subscribe_to_order_updates()
        self._desk.begin([ours.trigger])
        await ours.subscribe(session, state)

    def _on_events(self, events: Sequence[Event], now: int, drained: bool) -> None:
        self._desk.on_events(events, now, drained)
        self._meter.count_all(events)

    def tops(self) -> client.Tops:
        """Best five levels a side of every symbol."""
        return ours.tops(self._desk.engine.state)

    def notes(self) -> dict[str, Any]:
        """What went wrong, and how long the desk itself says that its stages took."""
        stages = self._desk.timings.report()
        said = {
            name: f"p50 {spread.p50 / 1e3:.0f} µs, p99 {spread.p99 / 1e3:.0f} µs"
            for name in ("decide", "encode", "send", "tick_to_order")
            if (spread := getattr(stages, name)) is not None
        }
        placed = stages.tick_to_order.count
        return ours.notes(self._desk.engine, placed) | {"stages": said}

    async def stop(self) -> None:
        """Hang up."""
        await self._desk.stop(within_seconds=0.5)


def serve(control: Connection, spec: client.Spec, port: int, seat: client.Seat) -> None:
    """The client's process."""
    ours.be_patient()
    client.serve(
        spec, control, seat, lambda meter: WholeDesk(port, spec.auth, meter), collects=True
    )
