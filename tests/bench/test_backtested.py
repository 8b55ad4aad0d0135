"""The bench's backtests play the whole recording, and one of them trades in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import backtested, figures, tape


def test_every_way_plays_the_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tape, "FRAMES", 600)
    monkeypatch.setattr(tape, "SPAN_SECONDS", 20)
    monkeypatch.setattr(backtested, "TURNS", 1)
    found = backtested.measured(tape.imported(None, tmp_path))
    assert found.keys() == {"replay", "quiet", "resting", "orders"}
    assert found["orders"] == 4, "one every six seconds of twenty"
    assert all(found[way] > 0 for way in ("replay", "quiet", "resting"))
    assert {("backtest", "quiet"), ("backtest", "resting")} <= figures.bars().keys()
