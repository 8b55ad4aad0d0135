"""The bench of the kill switch measures what it says; the figures themselves are nobody's here."""

from __future__ import annotations

import re

from bench import kill


def test_every_halt_is_clocked_and_no_order_leaves_after_it() -> None:
    told: list[str] = []
    rows = {name: value for name, value, _ in kill.rows(told.append, rounds=2)}
    assert told == ["kill: 2 halts"]
    assert len(rows) == 14
    assert rows["last order after the desk heard, p99, ms"] == 0
    assert rows["cancels of ours out, p50, ms"] > 0
    assert rows["nothing open, by the venue, p99, ms"] >= rows["cancels of ours out, p99, ms"]
    assert rows["answered at the door, p50, ms"] > 0
    gate = [value for name, value in rows.items() if re.match("risk gate", name)]
    assert len(gate) == 4
    assert min(gate) > 0
