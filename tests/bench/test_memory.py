"""Samples of memory to a slope."""

from __future__ import annotations

import os

import pytest

from bench import memory


def test_a_line_has_its_slope_and_a_level_one_none() -> None:
    assert memory.slope([(0.0, 10.0), (1.0, 12.0), (2.0, 14.0)]) == pytest.approx(2.0)
    assert memory.slope([(0.0, 10.0), (1.0, 10.0)]) == 0.0
    assert memory.slope([(0.0, 10.0)]) == 0.0


def test_the_first_fifth_is_warm_up() -> None:
    samples = [(float(second), 100.0 if second < 2 else 50.0) for second in range(10)]
    found = memory.summary("a process", samples, 5, 6)
    assert (found.first, found.last, found.largest, found.slope) == (50.0, 50.0, 50.0, 0.0)
    assert (found.messages, found.orders, found.seconds) == (5, 6, 9.0)


def test_a_process_has_resident_memory() -> None:
    assert 1.0 < memory.resident(os.getpid()) < 100_000.0
