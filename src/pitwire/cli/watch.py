"""`pitwire watch`: a live table of quotes, rates, lag and gaps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from rich.console import Console
from rich.live import Live
from rich.table import Table

from pitwire.cli import loops
from pitwire.cli.screen import Screen
from pitwire.cli.simulated import simulated_venue
from pitwire.model.clock import SystemClock
from pitwire.model.errors import ConfigError
from pitwire.session.connect import connect_to_websocket
from pitwire.session.session import Session
from pitwire.venues.venue import Endpoints

DRAWS_PER_SECOND = 4
CHANNELS = ("ticker", "trades", "book")
SYMBOLS = ("BTC-USDT", "ETH-USDT")


def run(
    symbols: Sequence[str] | None = None,
    *,
    market: str | None = None,
    http: str | None = None,
    live: bool = False,
    seconds: float | None = None,
    redundancy: int = 1,
    loop: str = "auto",
    console: Console | None = None,
) -> None:
    """Watch until told to stop, or for `seconds`."""
    wanted = tuple(symbols or SYMBOLS)
    given_place = venue_place(market, http)
    console = console or Console()
    work = _watch(
        wanted, given_place, live=live, seconds=seconds, redundancy=redundancy, console=console
    )
    loops.run(work, loop)


def venue_place(market: str | None, http: str | None) -> Endpoints | None:
    """Addresses given on the command line, both or none."""
    if (market is None) != (http is None):
        given = "--market" if market else "--http"
        raise ConfigError(where=given, found="alone", expected="--market and --http together")
    return Endpoints(market, market, http) if market and http else None


async def _watch(
    symbols: tuple[str, ...],
    place: Endpoints | None,
    *,
    live: bool,
    seconds: float | None,
    redundancy: int,
    console: Console,
) -> None:
    clock = SystemClock()
    screen = Screen(symbols, clock.now())
    async with venue_endpoints(symbols, place, console, live=live) as endpoints:
        connecting = connect_to_websocket(
            "binance", endpoints=endpoints, on_event=screen.note, redundancy=redundancy
        )
        async with connecting as session:
            for channel in CHANNELS:
                await session.subscribe(channel, *symbols)
            await _draw(lambda: screen.draw(clock.now(), session.lines), session, seconds, console)


@asynccontextmanager
async def venue_endpoints(
    symbols: tuple[str, ...], place: Endpoints | None, console: Console, *, live: bool
) -> AsyncIterator[Endpoints | None]:
    """Where these symbols are to be had: given, the venue's own, or a market served here."""
    if place is not None or live:
        yield place
        return
    async with simulated_venue(symbols) as venue:
        console.print("[bold]a simulated market[/]; --live shows the venue's own, Ctrl-C ends it")
        yield venue.endpoints


async def _draw(
    picture: Callable[[], Table], session: Session, seconds: float | None, console: Console
) -> None:
    """Draw until the session ends for good, or the time is over."""
    ended = asyncio.ensure_future(session.process_incoming_data())
    try:
        with Live(picture(), console=console, auto_refresh=False) as live:
            async with asyncio.timeout(seconds):
                while not ended.done():
                    await asyncio.wait([ended], timeout=1 / DRAWS_PER_SECOND)
                    live.update(picture(), refresh=True)
    except TimeoutError:
        return
    finally:
        ended.cancel()
        if not console.is_terminal:
            console.print()  # the last picture of a file or a pipe ends without a line's end
    if error := ended.result().error:
        raise error
