"""The bench of the journal measures what it says it does."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bench import journal, restart
from bench.client import Seat
from pitwire.model.entropy import Entropy
from pitwire.store.journal_file import JournalFile
from pitwire.store.safely import fdatasync
from pitwire.store.verifying import verify
from pitwire.torture.lives import settle_in

SYNC_SECONDS = 0.005
"""So long the disk takes."""


def test_every_way_hands_on_the_same_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("ROUNDS", 6), ("WARMING", 1), ("DECISIONS", 40), ("CHUNK", 20)):
        monkeypatch.setattr(journal, name, value)

    def slowly(handle: int) -> None:
        time.sleep(SYNC_SECONDS)
        fdatasync(handle)

    monkeypatch.setitem(JournalFile.__init__.__kwdefaults__, "sync", slowly)  # type: ignore[arg-type]
    rows = {name: value for name, value, _ in journal.rows(Seat())}
    assert rows["durable"] >= SYNC_SECONDS * 1e6, "its sync is part of what is measured"
    assert rows["without"] > 0
    for crowd in ("0 open", "15 open", "200 open", "1000 open", "200 open, 5 on their way"):
        assert rows[f"risk, {crowd}, p99"] >= rows[f"risk, {crowd}, p50"] > 0
    assert rows["a plain loop, p99"] >= rows["a plain loop, p50"] > 0
    for between in ("", ", polling", ", back to back"):
        for way in ("without again", "default", "written", "durable"):
            assert rows[f"{way}{between}"] > 0
            assert f"{way}{between}, cost" in rows


def test_a_cost_is_of_orders_of_the_same_round() -> None:
    """Whatever else the machine does from round to round."""
    without = [10_000 + 7_000 * (number % 5) for number in range(100)]
    again = [one + (100 if number % 2 else -100) for number, one in enumerate(without)]
    ways = {"default": [one + 3_000 for one in without], "written": [one * 2 for one in without]}
    rows = {
        name: (value, told)
        for name, value, told in journal._cost_rows(
            {"without": without, "without again": again, **ways}, ", polling"
        )
    }
    assert rows["default, polling, cost"][0] == 3
    assert rows["default, polling, cost"][1].startswith("3.0 to 3.0; 1.12 of")
    assert rows["without again, polling, cost"][0] == 0
    assert rows["written, polling"][0] == 48


def test_the_bounds_of_a_median_hold_as_often_as_they_say() -> None:
    chance, inside = Entropy(3).stream("bounds"), 0
    for _ in range(1_000):
        drawn = sorted(round(chance.gauss(0, 1_000)) for _ in range(100))
        low, high = journal.bounds(drawn, len(drawn))
        inside += low <= 0 <= high
    assert 930 <= inside <= 975


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
