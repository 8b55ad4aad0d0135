"""The micro-benchmarks of the market floor run, and measure what they say."""

from __future__ import annotations

import pytest

from bench import calibration, figures, micro_market


def test_the_yardstick_is_longer_than_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "UNITS", 500)
    assert calibration.calibrate() > 0


def test_each_row_is_a_name_a_ratio_and_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(micro_market, "DELTAS", 30)
    monkeypatch.setattr(micro_market, "RUNS", 1)
    found = micro_market.rows()
    assert len({name for name, _, _ in found}) == len(found) == 4
    assert all(ratio > 0 and " ns; " in note for _, ratio, note in found)
    assert {name for name, _, _ in found} <= figures.budgets().keys()
