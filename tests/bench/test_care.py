"""The bench of what care costs: every way tells the same, and the rows are all there."""

from __future__ import annotations

from bench import care


def test_every_way_tells_the_same_events() -> None:
    rows = care.rows(blocks=2, runs=1)
    assert [name for name, _, _ in rows] == [
        "one connection",
        "two copies",
        "two copies, strictly",
    ]
    assert all(ratio > 0 for _, ratio, _ in rows)
