"""A desk's tape from the simulated gateway, played again: the same journal, byte for byte."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from pitwire.desk.desk import Desk
from pitwire.desk.masking import Masker
from pitwire.desk.playing import Played, play
from pitwire.model.entropy import Entropy
from pitwire.model.events import Event, Fill
from pitwire.session.connect import connect_to_websocket
from pitwire.sim.faults import Fault, HttpError
from pitwire.sim.world import World
from pitwire.tape.format import Kind, Meta, decode_exchange
from pitwire.tape.reader import Tape
from pitwire.tape.recorder import Recorder
from pitwire.trading.journal import MemoryJournal
from tests.venues.ibkr.test_desk import CONFIG, FAULTS, Buyer, came, desk_at
from tests.venues.ibkr.world import AAPL, ENDPOINTS, gateway


async def awhile(desk: Desk, journal: MemoryJournal, world: World) -> None:
    await asyncio.sleep(130)


def taped(folder: Path, faults: Sequence[Fault] = (), seed: int = 1) -> MemoryJournal:
    text = f'seed = 7\n{CONFIG}\n[tape]\nfolder = "{folder}"\n'
    return desk_at(gateway(faults=faults, seed=seed), awhile, text)[1]


def played(folder: Path) -> tuple[Played, bytes]:
    lines: list[bytes] = []
    result = play(Tape(folder), rules=[Buyer()], journal=lambda _, line: lines.append(line))
    return result, b"".join(lines)


@pytest.mark.parametrize("name", ["none", *FAULTS])
def test_a_replay_is_what_was_lived(tmp_path: Path, name: str) -> None:
    journal = taped(tmp_path, FAULTS.get(name, ()))
    result, lines = played(tmp_path)
    assert lines == journal.lines()
    assert result.unheard == 0
    assert not result.paper
    assert len(came(journal, Fill)) >= 3


def test_what_the_gateway_says_of_itself_is_on_the_tape_word_by_word(tmp_path: Path) -> None:
    """It is what stands for a key where nobody has one, and no secret."""
    said = '{"error":"the gateway is tired"}'
    tired = HttpError(
        at_seconds=20, kind="place", status=400, body=said, content_type="application/json"
    )
    journal = taped(tmp_path, [tired])
    assert "the gateway is tired" in journal.lines().decode()
    assert played(tmp_path)[1] == journal.lines()


def test_no_session_of_the_gateway_is_on_the_tape(tmp_path: Path) -> None:
    taped(tmp_path, FAULTS["V18 login"])
    tickled = [
        decode_exchange(one.payload)
        for one in Tape(tmp_path).records(only=Kind.HTTP)
        if b"/tickle" in one.payload
    ]
    told = [msgspec.json.decode(one.body).get("session") for one in tickled if one.status == 200]
    assert len(told) > 3
    assert all(one.startswith("***") for one in told)
    assert len(set(told)) > 1  # a person has logged in anew


def test_a_session_alone_is_played_without_a_desk(tmp_path: Path) -> None:
    world, seen = gateway(), list[Event]()
    meta = Meta(
        program="test",
        venue="ibkr",
        started=world.clock.now(),
        symbols=(AAPL,),
        channels=("ticker", "stats"),
        seed=5,
    )

    async def life() -> None:
        recorder = Recorder(tmp_path, meta, mask=Masker(), clock=world.clock)
        async with connect_to_websocket(
            "ibkr",
            endpoints=ENDPOINTS,
            dial=world.dialer,
            fetch=world.fetch,
            clock=world.clock,
            entropy=Entropy(5),
            on_event=seen.append,
            tap=recorder.frame,
            witness=recorder,
            carry=recorder.fetch,
        ) as session:
            for channel in meta.channels:
                await session.subscribe(channel, AAPL)
            await asyncio.sleep(20)
        recorder.close()

    world.run(life())
    result = play(Tape(tmp_path))
    assert result.events == len(seen) > 20
    assert play(Tape(tmp_path)).digest == result.digest
