"""`pitwire record`: any set of subscriptions onto a tape, until told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.live import Live
from rich.text import Text

import pitwire
from pitwire.cli import loops
from pitwire.cli.watch import venue_endpoints, venue_place
from pitwire.desk.config import parse_config, wanted
from pitwire.desk.masking import Masker
from pitwire.model.clock import SystemClock
from pitwire.model.entropy import Entropy, system_seed
from pitwire.model.errors import ConfigError
from pitwire.model.events import Event
from pitwire.session.connect import connect_to_websocket
from pitwire.session.session import Session
from pitwire.tape.format import Meta
from pitwire.tape.recorder import Recorder
from pitwire.tape.writer import HOUR
from pitwire.venues.venue import Ask, Endpoints

DRAWS_PER_SECOND = 4
SYMBOLS = ("BTC-USDT", "ETH-USDT")
CHANNELS = ("ticker", "trades", "book")


class Plan(NamedTuple):
    """What goes onto the tape, and where that is."""

    folder: Path
    symbols: tuple[str, ...] = SYMBOLS
    channels: tuple[str, ...] = CHANNELS
    max_megabytes: int = 512
    max_hours: int = 1
    redundancy: int = 1


def run(
    plan: Plan,
    *,
    market: str | None = None,
    http: str | None = None,
    live: bool = False,
    seconds: float | None = None,
    loop: str = "auto",
    console: Console | None = None,
) -> int:
    """Record until the session ends, `seconds` are over, or Ctrl-C, which is a clean end."""
    place = venue_place(market, http)
    asks = _asks(plan)
    console = console or Console()
    recorders: list[Recorder] = []
    try:
        loops.run(_record(plan, asks, place, live, seconds, console, recorders), loop)
    except KeyboardInterrupt:
        pass
    finally:
        for recorder in recorders:
            recorder.close()
            console.print(_told(recorder), highlight=False, soft_wrap=True)
    return 1 if any(recorder.failed for recorder in recorders) else 0


async def _record(
    plan: Plan,
    asks: Sequence[Ask],
    place: Endpoints | None,
    live: bool,
    seconds: float | None,
    console: Console,
    recorders: list[Recorder],
) -> None:
    clock, seed = SystemClock(), system_seed()
    meta = Meta(
        program=pitwire.__version__,
        venue="binance",
        started=clock.now(),
        symbols=plan.symbols,
        channels=plan.channels,
        redundancy=plan.redundancy,
        seed=seed,
    )
    recorder = Recorder(
        plan.folder,
        meta,
        mask=Masker(),
        clock=clock,
        max_bytes=plan.max_megabytes << 20,
        max_age=plan.max_hours * HOUR,
    )
    recorders.append(recorder)
    counted = _Count()
    async with venue_endpoints(plan.symbols, place, console, live=live) as endpoints:
        connecting = connect_to_websocket(
            "binance",
            endpoints=endpoints,
            on_event=counted.note,
            clock=clock,
            entropy=Entropy(seed),
            redundancy=plan.redundancy,
            tap=recorder.frame,
            witness=recorder,
            carry=recorder.fetch,
        )
        async with connecting as session:
            await session.load_instruments(plan.symbols)  # a desk that plays the tape needs them
            for channel, option in dict.fromkeys((ask.channel, ask.option) for ask in asks):
                await session.subscribe(channel, *plan.symbols, option=option)
            await _draw(recorder, counted, session, seconds, console)


async def _draw(
    recorder: Recorder, counted: _Count, session: Session, seconds: float | None, console: Console
) -> None:
    ended = asyncio.ensure_future(session.process_incoming_data())
    try:
        with Live(Text(""), console=console, auto_refresh=False, transient=True) as live:
            async with asyncio.timeout(seconds):
                while not ended.done() and not recorder.failed:
                    await asyncio.wait([ended], timeout=1 / DRAWS_PER_SECOND)
                    if console.is_terminal:
                        live.update(Text(f"{_told(recorder)}; {counted.told()}"), refresh=True)
    except TimeoutError:
        return
    finally:
        ended.cancel()
    if recorder.failed:
        return
    if error := ended.result().error:
        raise error


class _Count:
    """Events by kind."""

    def __init__(self) -> None:
        self._kinds: dict[str, int] = {}

    def note(self, event: Event) -> None:
        kind = type(event).__name__
        self._kinds[kind] = self._kinds.get(kind, 0) + 1

    def told(self) -> str:
        """The most frequent kinds."""
        most = sorted(self._kinds.items(), key=lambda one: -one[1])[:4]
        return ", ".join(f"{count:,} {kind}" for kind, count in most)


def _told(recorder: Recorder) -> str:
    lost = f", {recorder.dropped:,} not kept" if recorder.dropped else ""
    failed = f"; {recorder.failed}" if recorder.failed else ""
    size = recorder.written / 1_000_000
    return f"{recorder.run}: {recorder.kept:,} records, {size:.1f} MB{lost}{failed}"


def _asks(plan: Plan) -> tuple[Ask, ...]:
    """What is to be subscribed to; raises `ConfigError` for what cannot be."""
    quoted = ", ".join(f'"{each}"' for each in plan.symbols)
    channels = ", ".join(f'"{each}"' for each in plan.channels)
    text = f"[venue]\nsymbols = [{quoted}]\nchannels = [{channels}]\n"
    try:
        return wanted(parse_config(text, source="record"))
    except ConfigError as error:
        where = error.where.removeprefix("record: venue.").replace("channels", "--channel")
        raise ConfigError(where=where, found=error.found, expected=error.expected) from None
