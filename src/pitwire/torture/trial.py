"""One script against our own session: connect, subscribe, let it go wrong, watch, judge.

The same course in virtual time and on real sockets; what differs is handed in as a `Stand`.
"""

from __future__ import annotations

import asyncio
import gc
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from pitwire.model.clock import SECOND, Clock
from pitwire.model.credentials import Credentials
from pitwire.model.entropy import Entropy
from pitwire.model.errors import PitwireError
from pitwire.session.connect import connect_to_websocket
from pitwire.session.session import Session
from pitwire.sim.kit import Script
from pitwire.sim.truth import Truth
from pitwire.torture.judging import Period, judge
from pitwire.torture.outcome import Outcome
from pitwire.torture.witness import GRACE_SECONDS, Wanted, Witness
from pitwire.venues.venue import Endpoints, Venue
from pitwire.wire.link import Dial, Fetch

LOOK_SECONDS = 0.1
LATE_SECONDS = 6.0
"""What came last before a silence may itself have been late by as much."""
LAG_SECONDS = 10.0
"""What is on its way when a trial ends is waited for as long as some of it comes within this."""
BUSY = 0.5
"""A machine that held a trial up for more of its time than this is named where the trial fails."""
SETTLE_SECONDS = 60.0
"""By then everything wanted must have flowed for the first time."""
_OTHERS = ("trades", "ticker", "stats")
"""Channels of the quiet symbols."""


class Stand(msgspec.Struct, frozen=True, kw_only=True):
    """Where a trial takes place."""

    way: str
    venue: Venue
    truth: Truth
    endpoints: Endpoints
    clock: Clock
    """The client's; it may be wrong."""
    now: Callable[[], int]
    """The right time."""
    dial: Dial | None = None
    fetch: Fetch | None = None
    credentials: Credentials | None = None
    """Who looks on, where the venue wants to know."""
    break_it: Callable[[], int]
    """Called when everything flows: lets the script begin where it has not; says when."""
    broke: Callable[[], int | None]
    """When the first fault happened."""
    over: Callable[[], int]
    """When the last one is over."""
    happened: Callable[[], int]
    """How often anything did."""


async def attempt(script: Script, stand: Stand, *, seed: int) -> Outcome:
    """Try a script once."""
    begun = stand.now()
    before = resident()
    wanted = [(each, symbol) for each in script.trial.channels for symbol in script.trial.symbols]
    beat = stand.venue.heartbeat
    witness = Witness(
        stand.truth,
        wanted,
        now=stand.now,
        untold_seconds=beat.ping_every_seconds + beat.answer_within_seconds + LATE_SECONDS,
        copies=script.trial.redundancy,
    )
    connecting = connect_to_websocket(
        stand.venue,
        endpoints=stand.endpoints,
        dial=stand.dial,
        fetch=stand.fetch,
        credentials=stand.credentials,
        clock=stand.clock,
        entropy=Entropy(seed).child("client"),
        on_events=witness.take,
        redundancy=script.trial.redundancy,
        connect_attempts=10,
    )
    async with connecting as session:
        witness.book = session.book
        over = asyncio.ensure_future(session.process_incoming_data())
        try:
            failed = await _subscribe(session, script, wanted)
            await settle(stand, witness)
            started = stand.break_it()
            ended, late = await watch(script, stand, witness)
        finally:
            over.cancel()
        closed = over.result().reason if over.done() and not over.cancelled() else failed
        gc.collect()
        growth = resident() - before if before else None
        witness.rest()
    broke = stand.broke()
    outcome = judge(
        script,
        witness,
        stand.truth,
        period=Period(begun, broke or started, stand.over(), ended),
        way=stand.way,
        seed=seed,
        happened=stand.happened(),
        growth=growth,
        closed=closed,
    )
    return blamed(outcome, late)


def blamed(outcome: Outcome, late: float) -> Outcome:
    """A failure on a machine that had no time for the trial says so; it fails all the same.

    `late` is how many seconds in all we were looked for in vain.
    """
    if not outcome.complaints or late <= BUSY * outcome.seconds:
        return outcome
    told = f"this machine held the trial up for {late:.0f} of its {outcome.seconds:.0f} s"
    return msgspec.structs.replace(outcome, complaints=(*outcome.complaints, told))


async def _subscribe(session: Session, script: Script, wanted: Sequence[Wanted]) -> str:
    try:
        if session.venue.checksum is not None:  # digits are known from the listing
            await session.load_instruments()
        for channel in dict.fromkeys(channel for channel, _ in wanted):
            symbols = [symbol for each, symbol in wanted if each == channel]
            await session.subscribe(channel, *symbols)
        quiet = [f"Q{number}-USDT" for number in range(1, script.trial.more_symbols + 1)]
        if quiet:
            await asyncio.gather(*(session.subscribe(channel, *quiet) for channel in _OTHERS))
    except PitwireError as error:
        return f"a subscription failed: {error}"
    return ""


async def settle(stand: Stand, witness: Witness) -> None:
    """Wait until everything wanted has flowed for the first time; not for ever."""
    await _until(lambda: witness.back_since(0) is not None, stand, SETTLE_SECONDS)


async def watch(script: Script, stand: Stand, witness: Witness) -> tuple[int, float]:
    """Look on until it is over, everything flows, a while has passed and what was missing then is
    told; or for the longest. Returns when that was, and by how many seconds looks were late."""
    trial = script.trial
    most = stand.now() + round(trial.most_seconds * SECOND)
    late = [0]
    looker = asyncio.ensure_future(_look(stand, witness, late))
    try:
        await _course(script, stand, witness, most)
        ended = stand.now()
        await hear_out(stand, witness, ended)
    finally:
        looker.cancel()
    return ended, late[0] / SECOND


async def hear_out(stand: Stand, witness: Witness, ended: int) -> None:
    """Wait for what was under way as it ended: a machine that is late has lost nothing yet."""
    until = ended - round(GRACE_SECONDS * SECOND)
    missing, deadline = math.inf, 0
    while left := sum(map(len, witness.lost(until).values())):
        if left < missing:
            missing, deadline = left, stand.now() + round(LAG_SECONDS * SECOND)
        if stand.now() >= deadline:
            return
        await asyncio.sleep(LOOK_SECONDS)


async def _course(script: Script, stand: Stand, witness: Witness, most: int) -> None:
    # silence proves that all is back some seconds after it is
    proof = LOOK_SECONDS + 2 * GRACE_SECONDS
    patience = round((script.demand.back_within_seconds + proof) * SECOND)
    rests = round(script.trial.seconds * SECOND)
    well = 0
    while (now := stand.now()) < most:
        over = stand.over()  # a fault that comes by count may move its own end
        if now < over or witness.back_since(over) is None:
            well = 0
            if now > over + patience:
                return
        elif _is_awaited(script, stand, witness, now):
            well = 0  # what was on its way when it broke is no proof that all is well
        elif not well:
            well = now
        elif now >= well + rests and not witness.lost(well):
            return
        await asyncio.sleep(LOOK_SECONDS)


def _is_awaited(script: Script, stand: Stand, witness: Witness, now: int) -> bool:
    """Whether the fault has still to be noticed, and in time."""
    within, broke = script.demand.noticed_within_seconds, stand.broke()
    if not within or broke is None or now > broke + round(within * SECOND):
        return False
    return witness.first_notice(broke) is None


async def _look(stand: Stand, witness: Witness, late: list[int]) -> None:
    every, last = round(LOOK_SECONDS * SECOND), stand.now()
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        now = stand.now()
        late[0] += max(0, now - last - every)
        last = now
        witness.look(now)


async def _until(test: Callable[[], bool], stand: Stand, seconds: float) -> None:
    deadline = stand.now() + round(seconds * SECOND)
    while not test() and stand.now() < deadline:
        await asyncio.sleep(LOOK_SECONDS)


def resident() -> int:
    """Bytes of memory that this process holds; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * 4096
