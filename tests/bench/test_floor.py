"""The machine's floor: what hold-ups alone make of somebody who always does the same."""

from __future__ import annotations

import pytest

from bench import floor
from bench.client import Seat
from bench.floor import Watch


def test_where_nothing_holds_anybody_up_everybody_takes_what_he_has_to_do() -> None:
    assert floor.delayed([Watch(1_000_000, [])], 60_000) == 60.0


def test_of_who_is_held_up_seldom_the_worst_hundredth_is_not() -> None:
    """A hold-up meets who is at work when it begins, and who begins while it lasts."""
    rare = [Watch(100_000_000, [(50_000_000, 400_000)])]
    assert floor.delayed(rare, 500_000) == 500.0
    assert floor.delayed(rare, 500_000, 0.999) > 700.0
    often = [Watch(10_000_000, [(at, 30_000) for at in range(0, 10_000_000, 1_000_000)])]
    assert floor.delayed(often, 60_000) == 90.0
    assert floor.delayed(often, 60_000, 0.9) == 60.0


def test_a_long_way_is_held_up_more_than_once() -> None:
    often = [Watch(10_000_000, [(at, 30_000) for at in range(0, 10_000_000, 1_000_000)])]
    assert floor.delayed(often, 1_950_000, 0.5) == pytest.approx(2_010.0)


def test_looks_count_by_how_long_they_were() -> None:
    calm, busy = Watch(9_900_000, []), Watch(100_000, [(0, 100_000)])
    assert floor.delayed([calm, busy], 1_000, 0.98) == 1.0
    assert floor.delayed([calm, busy], 1_000, 0.999) > 80.0


def test_nothing_watched_is_no_floor() -> None:
    with pytest.raises(ValueError, match="found nothing watched"):
        floor.delayed([], 1)


def test_a_process_looks_as_long_as_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floor, "WATCH_NS", 2_000_000)
    with floor.watching(Seat()) as look:
        for _ in range(2):
            seen = look()
            assert seen.span >= 2_000_000
            assert all(begins + held <= seen.span for begins, held in seen.gaps)
            assert all(held >= floor.GAP_NS for _, held in seen.gaps)
