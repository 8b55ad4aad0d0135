"""Desks beside each other over sockets hear all that was sent, and what a tape lacks is noticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import sockets, tape
from pitwire.model.clock import SECOND
from pitwire.tape.format import Entry, Kind, Meta
from pitwire.tape.imports import import_tape
from pitwire.tape.reader import Tape
from pitwire.tape.writer import TapeWriter


def test_two_desks_hear_the_same_and_the_tape_holds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tape, "FRAMES", 500)
    monkeypatch.setattr(tape, "SPAN_SECONDS", 60)
    monkeypatch.setattr(sockets, "PROCESSES", 2)
    source = tape._made(tmp_path / "capture.jsonl.gz")
    run = import_tape(source, tmp_path / "tapes", tape._VENUE, listing=tape._LISTING).run
    frames = [one.payload for one in Tape(run).records(only=Kind.IN)]
    told: list[str] = []
    found = sockets.measure(run, tmp_path / "desks", frames, told.append)
    assert found.lost == 0
    assert len(told) == 2
    assert len(found.alone) == len(found.at_once) == 2 * (len(sockets.TURNS) - 1) // 2
    assert all(pair.bare_us > 0 and pair.share > 0 for pair in found.alone + found.at_once)
    sent = frames[: 500 // len(sockets.TURNS) // sockets.BURST * sockets.BURST * len(sockets.TURNS)]
    for number in ("0", "1"):
        kept = [one.payload for one in Tape(tmp_path / "desks" / number).records(only=Kind.IN)]
        assert kept[-len(sent) :] == sent, "after the answers to our asks"


@pytest.mark.parametrize(
    ("kept", "wrong"),
    [
        ((b"a", b"b", b"c"), 0),
        ((b"a", b"b"), 1),
        ((b"a", b"b", b"c", b"c"), 1),
        ((b"a", b"B", b"c"), 1),
        ((b"b", b"c"), 3),
        ((b'{"result":null,"id":1}', b"a", b"b", b"c"), 0),
    ],
)
def test_what_is_not_on_a_tape_in_its_place_is_counted(
    tmp_path: Path, kept: tuple[bytes, ...], wrong: int
) -> None:
    writer = TapeWriter(tmp_path, Meta(program="test", venue="binance", started=SECOND))
    entries: list[Entry] = [("market-1", Kind.IN, SECOND, True, one) for one in kept]
    writer.put(entries)
    writer.close()
    assert sockets.missing(tmp_path, [b"a", b"b", b"c"]) == wrong


def test_a_pair_in_the_midst_is_told_with_the_middle_half() -> None:
    pairs = [sockets.Pair(10.0, 10.0 + more) for more in (1.0, 0.5, 4.0, 2.0, 0.2)]
    assert sockets.share(pairs) == pytest.approx(1.1)
    assert sockets.spread(pairs) == "× 1.100 (1.050–1.200, 5 pairs) of 10.0 µs a frame"
