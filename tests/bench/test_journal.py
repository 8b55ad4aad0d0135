"""The bench of the journal measures what it says it does."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import journal, restart
from bench.client import Seat
from pitwire.store.verifying import verify
from pitwire.torture.lives import settle_in


def test_every_way_hands_on_the_same_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("ROUNDS", 2), ("ORDERS", 3), ("DECISIONS", 40), ("CHUNK", 20)):
        monkeypatch.setattr(journal, name, value)
    rows = {name: value for name, value, _ in journal.rows(Seat())}
    assert rows["durable"] > rows["without"] > 0
    for crowd in ("0 open", "15 open", "200 open", "1000 open", "200 open, 5 on their way"):
        assert rows[f"risk, {crowd}, p99"] >= rows[f"risk, {crowd}, p50"] > 0
    assert rows["a plain loop, p99"] >= rows["a plain loop, p50"] > 0
    for between in ("", ", polling", ", back to back"):
        cost = rows[f"default{between}"] - rows[f"without{between}"]
        assert rows[f"default{between}, cost"] == pytest.approx(cost)


def test_a_start_over_a_journal_that_is_sound(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in (("RECORDS", 400), ("OPEN", 20), ("RUNS", 1)):
        monkeypatch.setattr(restart, name, value)
    settle_in(tmp_path)
    assert restart.write_journal(tmp_path, {}, 400) >= 400
    assert verify(tmp_path).is_sound
    rows = {name: value for name, value, _ in restart.rows(Seat())}
    behind = [name.removeprefix("read") for name in rows if name.startswith("read")]
    assert len(behind) == 2
    for of in behind:
        assert 0 < rows[f"read{of}"] < rows[f"watching{of}"] <= rows[f"trading{of}"]
    assert rows["checkpoint"] > 0
