"""Forty faults on real sockets: a served venue, the proxy before it, the session as it is.

The client's own pings are hastened, so that none of this waits for long. What is demanded leaves a
busy machine seconds: what is noticed at once is told from what a ping or a silence brings to light
by its name, and by an answer that is waited for longer than that. Each fault is tried on ports of
its own, beside others that wait as it does, in a time that a busy machine does not shorten.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from pitwire.sim.kit import Demand, Script, Trial, kit
from pitwire.sim.proxy_faults import (
    Answer,
    Fin,
    Hang,
    Insert,
    Lag,
    Narrow,
    ProxyFault,
    Recode,
    Refuse,
    Reset,
    Split,
    Spoil,
    Swallow,
)
from pitwire.torture.outcome import Outcome
from pitwire.torture.sockets import try_on_sockets
from pitwire.venues.venue import Venue
from tests.unhurried import UnhurriedLoop, run

STREAM = "*stream*"
PING_SECONDS, ANSWER_SECONDS = 0.6, 0.6
"""The venue's table says 5 and 5, or more."""
ROOM = 3.0
"""Seconds that a busy machine may take where it is to be at once."""
SOON = 10.0
"""A dial, a subscription, a snapshot and the first data, on a busy machine."""


def hastened(venue: Venue, answer_seconds: float = ANSWER_SECONDS) -> Venue:
    """The venue's table with short deadlines of our own."""
    heartbeat = msgspec.structs.replace(
        venue.heartbeat,
        ping_every_seconds=PING_SECONDS,
        answer_within_seconds=answer_seconds,
    )
    # With pings so close together, the message limit of the table would be spent on them.
    return msgspec.structs.replace(venue, heartbeat=heartbeat)


def patient(venue: Venue) -> Venue:
    """As many pings, and a machine that is busy for a moment answers each of them in time."""
    return hastened(venue, ANSWER_SECONDS + ROOM)


def script(
    *faults: ProxyFault,
    back: float = SOON,
    noticed: float = ROOM,
    healed: bool = False,
    redundancy: int = 1,
) -> Script:
    """Faults and what they demand; `healed`: nobody may notice."""
    return Script(
        id="T1",
        title="on real sockets",
        does="x",
        expected="x",
        proxy=faults,
        trial=Trial(redundancy=redundancy),
        demand=Demand(
            noticed_within_seconds=0.0 if healed else noticed,
            unnoticed=healed,
            back_within_seconds=back,
        ),
    )


def insert(how: str, **also: object) -> Insert:
    return Insert(how=how, path=STREAM, **also)  # type: ignore[arg-type]


DEAD = PING_SECONDS + ANSWER_SECONDS + ROOM
"""By then a connection that does not answer is found dead."""

LOSSES = {
    "reset": script(Reset(path=STREAM)),
    "reset twice": script(Reset(path=STREAM), Reset(at_seconds=1.5, path=STREAM)),
    "fin": script(Fin(path=STREAM)),
    "fin right after a reset": script(Reset(path=STREAM), Fin(at_seconds=0.5, path=STREAM)),
    "half-open": script(Swallow(path=STREAM), noticed=DEAD),
    "nothing comes down": script(Swallow(way="down", path=STREAM), noticed=DEAD),
    "half-open, then reset": script(
        Swallow(path=STREAM),
        Reset(at_seconds=0.4, path=STREAM),
    ),
    "closed with 1000": script(insert("close", code=1000)),
    "closed with 1001": script(insert("close", code=1001)),
    "closed with 1008": script(insert("close", code=1008)),
    "closed with 1011": script(insert("close", code=1011)),
    "closed with 1012": script(insert("close", code=1012)),
    "closed with 1013": script(insert("close", code=1013)),
    "closed with 4000": script(insert("close", code=4000)),
    "header of 2^63": script(insert("huge-header")),
    "unknown opcode": script(insert("unknown-opcode")),
    "continuation of nothing": script(insert("lone-continuation")),
    "control frame too long": script(insert("long-ping")),
    "control frame in fragments": script(insert("fragmented-ping")),
    "refused for a while": script(Reset(), Refuse(for_seconds=1.0)),
    "dial that hangs": script(
        Reset(path=STREAM), Hang(count=1, for_seconds=2.0, path=STREAM), back=6
    ),
    "HTML instead of an upgrade": script(
        Reset(path=STREAM),
        Answer(count=1, body="<html>sign in</html>", path=STREAM),
    ),
    "403 with Retry-After": script(  # without one it is a minute's silence
        Reset(path=STREAM),
        Answer(count=1, status=403, headers={"Retry-After": "2"}, path=STREAM),
    ),
    "429 with Retry-After": script(
        Reset(path=STREAM),
        Answer(count=1, status=429, headers={"Retry-After": "2"}, path=STREAM),
    ),
    "503": script(Reset(path=STREAM), Answer(count=1, status=503, path=STREAM)),
    "flapping": script(
        *(Reset(at_seconds=0.7 * number, path=STREAM) for number in range(4)), back=8
    ),
}
HEALED = {
    "a quarter of a second later": script(
        Lag(seconds=0.25, jitter_seconds=0.1, for_seconds=2.0, path=STREAM), healed=True
    ),
    "jitter": script(
        Lag(seconds=0.0, jitter_seconds=0.2, for_seconds=2.0, path=STREAM), healed=True
    ),
    "a short hole": script(Swallow(for_seconds=0.4, path=STREAM), healed=True),
    "a narrow line": script(
        Narrow(bytes_per_second=30_000, for_seconds=2.0, path=STREAM), healed=True
    ),
    "one byte at a time": script(Split(for_seconds=0.5, path=STREAM), healed=True),
    "seven bytes at a time, both ways": script(
        Split(size=7, way="both", for_seconds=1.0, path=STREAM), healed=True
    ),
    "fragments": script(Recode(how="fragments", size=40, count=30, path=STREAM), healed=True),
    "fragments with pings between": script(
        Recode(how="fragments-and-pings", size=40, count=1, path=STREAM), healed=True
    ),
    "binary instead of text": script(Recode(how="binary", count=200, path=STREAM), healed=True),
    "a pong that nobody asked for": script(insert("pong", count=5), healed=True),
}
SPOILED = {
    "a truncated frame": script(Spoil(how="truncated", path=STREAM)),
    "damaged frames": script(Spoil(how="damaged", count=3, path=STREAM)),
    "HTML in a frame": script(Spoil(how="html", path=STREAM)),
    "bad UTF-8": script(Spoil(how="bad-utf8", path=STREAM)),
}
TWO = {
    "one of two is reset": script(Reset(path=STREAM), redundancy=2),
}
DEAF = ("half-open", "nothing comes down")
"""Here nothing but an answer that does not come says that the connection is lost."""
FAULTS = LOSSES | HEALED | SPOILED | TWO


GROUPS = 10
"""Tests that share the faults: most of a trial is waiting, and those of one test wait together, few
enough to leave their loop idle for most of its time."""


async def tried(script: Script, seed: int = 1, **how: Any) -> Outcome:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, UnhurriedLoop)
    return await try_on_sockets(script, seed, clock=loop, **how)


async def tried_together(names: Sequence[str]) -> list[Outcome]:
    trials = [
        tried(FAULTS[name], hasten=hastened if name in DEAF else patient, seconds=0.5)
        for name in names
    ]
    return await asyncio.gather(*trials)


def wrong(outcome: Outcome, noticed_by: str = "") -> list[str]:
    """What is not as it must be; `noticed_by` is the event that had to say it first."""
    counts = {"lost": outcome.lost, "doubled": outcome.doubled, "wrong": outcome.wrong}
    found = [*outcome.complaints, *(f"{name}: {count}" for name, count in counts.items() if count)]
    if noticed_by and outcome.noticed_by != noticed_by:
        found.append(f"noticed by {outcome.noticed_by}")
    return found if outcome.delivered > 5 else [*found, f"delivered: {outcome.delivered}"]


@pytest.mark.parametrize("group", range(GROUPS))
def test_faults_on_real_sockets(group: int) -> None:
    names = [*FAULTS][group::GROUPS]
    outcomes = run(tried_together(names))
    found = {
        name: wrong(outcome, "Lost" if name in LOSSES else "")
        for name, outcome in zip(names, outcomes, strict=True)
    }
    assert found == {name: [] for name in names}


def test_what_is_wrong_is_seen() -> None:
    impatient = script(Reset(path=STREAM), back=0.001)
    outcome = run(tried(impatient, hasten=hastened, seconds=0.1))
    [told] = wrong(outcome)
    assert "expected within 0.001 s" in told
    assert wrong(msgspec.structs.replace(outcome, complaints=(), lost=1)) == ["lost: 1"]
    late = msgspec.structs.replace(outcome, complaints=(), noticed_by="Stale")
    assert wrong(late, "Lost") == ["noticed by Stale"]


def test_who_is_refused_for_good_says_so_and_does_not_dial_again() -> None:
    refused = script(Reset(path=STREAM), Answer(status=401, path=STREAM), back=1)
    outcome = run(tried(refused, hasten=hastened, seconds=0.5))
    assert any("the session is over" in complaint for complaint in outcome.complaints)
    assert outcome.dials == 0
    assert outcome.noticed_by == "Lost"


def test_there_are_forty_and_more() -> None:
    assert len(FAULTS) >= 40


def test_a_script_of_the_kit_runs_as_it_stands() -> None:
    stands = kit()["N17"]
    demand = msgspec.structs.replace(stands.demand, noticed_within_seconds=ROOM)
    outcome = run(tried(msgspec.structs.replace(stands, demand=demand), 3))
    assert outcome.complaints == ()
    assert outcome.way == "sockets"
