"""Cards about time (T), and about doing it all again (R)."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from pitwire.conformance.cards import Card, Exam, Found, trades, wrong
from pitwire.conformance.courses import Meeting, channels_of
from pitwire.conformance.dealings import CONFIG, Dealing
from pitwire.conformance.line_cards import lived
from pitwire.desk.config import parse_config
from pitwire.desk.opening import open_desk
from pitwire.desk.playing import play
from pitwire.model import events as ev
from pitwire.model.clock import SECOND
from pitwire.model.credentials import Credentials
from pitwire.model.errors import ConfigError
from pitwire.model.orders import OrderState
from pitwire.session.session import Session
from pitwire.sim.facts import Status
from pitwire.sim.faults import ClockSkew
from pitwire.sim.world import World
from pitwire.tape.reader import Tape
from pitwire.trading.journal import Left, MemoryJournal, Record
from pitwire.venues.registry import lending
from pitwire.venues.venue import Role

_MARKET = (ev.Trade, ev.AggregateTrade, ev.Quote, ev.BookDelta, ev.Ticker, ev.PartialBook)
_AWAY_SECONDS = 5.0
"""A stamp of a venue whose clock is right may be off by so much."""
_SKEW_SECONDS = 7.0
_LIVED_SECONDS = 6.0


def units_right(exam: Exam) -> Found:
    """A stamp is ns, whichever unit the venue was asked to speak in."""
    looked = 0
    for unit in _units(exam):
        meeting = lived(exam).meeting if unit == "ms" else _short(exam, unit)
        for event in meeting.overheard.events(*_MARKET):
            away = abs(event.venue_time - event.received) / SECOND
            if event.venue_time and away > _AWAY_SECONDS:
                told = f"{type(event).__name__} {event.symbol} is stamped {event.venue_time}"
                return wrong(looked, "stamps", f"{told}, {away:g} s from {event.received}")
            looked += bool(event.venue_time)
    return Found(looked, f"stamps in {' and '.join(_units(exam))}")


def _units(exam: Exam) -> list[str]:
    """Those that the venue speaks."""
    try:
        exam.codec(Role.MARKET, time_unit="us")
    except ConfigError:
        return ["ms"]
    return ["ms", "us"]


def offset_applied(exam: Exam) -> Found:
    """The venue's clock is wrong, and by it we sign."""
    for seconds in (_SKEW_SECONDS, -_SKEW_SECONDS):
        deal = Dealing(exam, faults=(ClockSkew(seconds=seconds),))
        example = deal.run(_rest_and_see)
        if example:
            return wrong(0, "orders", f"with a venue's clock {seconds:+g} s off: {example}")
    return Found(2, "orders signed by the venue's clock")


async def _rest_and_see(deal: Dealing) -> str:
    order = await deal.resting()
    return deal.agree(order, OrderState.OPEN, Status.NEW)


def stamps_rise(exam: Exam) -> Found:
    """Of one kind and symbol no stamp is before the last, through a loss as well."""
    last: dict[tuple[str, str], int] = {}
    looked = received = 0
    for event in lived(exam).meeting.overheard.events():
        name = type(event).__name__
        if event.received < received:
            return wrong(looked, "stamps", f"{name} was received before what came before it")
        received = event.received
        if isinstance(event, _MARKET) and event.venue_time:
            key = name, event.symbol
            if event.venue_time < last.get(key, 0):
                told = f"{name} {event.symbol}: {event.venue_time} after {last[key]}"
                return wrong(looked, "stamps", told)
            last[key] = event.venue_time
            looked += 1
    return Found(looked, "stamps, none before the last")


def replayed(exam: Exam) -> Found:
    """A desk that trades through a cut is taped, and played again."""
    with tempfile.TemporaryDirectory(prefix="pitwire-") as name, lending(exam.venue):
        folder, journal = Path(name), MemoryJournal()
        world = exam.world()
        world.run(_taped(exam, world, folder, journal))
        lines: list[bytes] = []
        on_paper = not exam.venue.can.orders
        found = play(Tape(folder), journal=partial(_keep, lines), paper=on_paper)
    if exam.venue.can.orders and not any(isinstance(one, Left) for one in journal.records):
        return wrong(0, "records", "the desk never traded")
    ours = journal.lines().splitlines()
    again = b"".join(lines).splitlines()
    for number, (first, second) in enumerate(zip(ours, again, strict=False), 1):
        if first != second:
            told = f"record {number}: lived {_short_text(first)}, played {_short_text(second)}"
            return wrong(number, "records", told)
    if len(ours) != len(again):
        return wrong(len(again), "records", f"lived {len(ours)} records, played {len(again)}")
    return Found(len(again), f"journal records, the same to the byte, of {found.frames} frames")


async def _taped(exam: Exam, world: World, folder: Path, journal: MemoryJournal) -> None:
    candidate, venue = exam.candidate, exam.venue
    symbol = candidate.symbols[0]
    channels = ", ".join(f'"{each}"' for each in channels_of(exam))
    text = CONFIG.format(seed=exam.seed, venue=venue.name, symbol=symbol, channels=channels)
    text += f'[tape]\nfolder = "{folder}"\n'
    if venue.can.orders:
        text += _rules(world, symbol)
    else:
        text = text.replace('mode = "sim"', 'mode = "paper"')
    desk = await open_desk(
        parse_config(text),
        endpoints=candidate.endpoints,
        credentials=Credentials(*world.keys_of("main")[candidate.keys])
        if venue.can.orders
        else None,
        dial=world.dial,
        fetch=world.fetch,
        clock=world.client_clock,
        journals=[journal],
    )
    try:
        await asyncio.sleep(_LIVED_SECONDS)
        for link, label in list(world.stage.links().items()):
            if label.startswith("market"):
                world.stage.cut(link, world.clock.now())
        world.act()
        await asyncio.sleep(_LIVED_SECONDS)
    finally:
        await desk.stop()


def _rules(world: World, symbol: str) -> str:
    listing = world.exchange.listings[symbol]
    price = listing.start_price * listing.tick
    size = max(4 * listing.min_notional / price, listing.lot)
    size = (size / listing.lot).to_integral_value() * listing.lot + listing.lot
    return f"""
[[rule]]
name = "take"
when = {{ price = "{symbol}", above = 0.00000001, of = "ask" }}
do = {{ market = "buy", size = {size} }}
once = true

[[rule]]
name = "rest"
when = {{ position = "{symbol}", above = 0 }}
do = {{ limit = "buy", size = {size}, price = {(price * 9 / 10).quantize(listing.tick)} }}
once = true
"""


def _keep(lines: list[bytes], _record: Record, line: bytes) -> None:
    lines.append(line)


def _short(exam: Exam, unit: str) -> Meeting:
    async def story(meeting: Meeting, session: Session) -> Meeting:
        await meeting.subscribe(session)
        await meeting.flows(0)
        return meeting

    return Meeting(exam, exam.world(), channels_of(exam), time_unit=unit).run(story)


def _short_text(line: bytes) -> str:
    text = line.decode("utf-8", "replace")
    return text if len(text) <= 150 else f"{text[:150]}…"


def _cards() -> Iterator[Card]:
    yield Card("T1", "units", "are right, whichever the venue is asked to speak", units_right)
    yield Card("T2", "offset", "is applied in signatures", offset_applied, trades)
    yield Card("T3", "stamps", "never decrease", stamps_rise)
    yield Card("R1", "replay", "a tape gives the same journal, byte for byte", replayed)


CARDS = tuple(_cards())
