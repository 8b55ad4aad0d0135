"""The bench's own recording is one that can be imported, played and asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import tape as bench
from pitwire.desk.playing import play
from pitwire.model.events import BookDelta, BookStale, Event
from pitwire.tape.imports import import_tape
from pitwire.tape.reader import Tape


def test_the_recording_that_is_made_is_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "FRAMES", 900)
    monkeypatch.setattr(bench, "SPAN_SECONDS", 60)
    source = bench._made(tmp_path / "capture.jsonl.gz")
    done = import_tape(source, tmp_path / "tapes", bench._VENUE, listing=bench._LISTING)
    assert done.channels == ("ticker", "trades", "book")
    seen: list[Event] = []
    result = play(Tape(done.run), events=lambda events, _now, _drained: seen.extend(events))
    assert result.frames == 900
    assert sum(isinstance(event, BookDelta) for event in seen) == 300
    ours, theirs, spread = bench._tables(done.run, tmp_path / "tables")
    assert 0 < ours < 2 * theirs
    assert len(spread) == 50
    stale = [event for event in seen if isinstance(event, BookStale)]
    assert [event.reason for event in stale] == ["connection lost"], "at the end, by ourselves"
    assert bench.through(done.run, tmp_path / "again") > 0
    assert sum(1 for _ in Tape(tmp_path / "again").records()) > 900
