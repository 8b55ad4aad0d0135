"""The rules' micro-benchmark runs, small, and says what a reader can hold against a budget."""

from __future__ import annotations

import math

import pytest

from bench import figures, micro_rules

WHOLE = ("state alone", "decide, nothing to do", "one order")


def test_rows_are_names_ratios_and_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, small in (("EVENTS", 50), ("ORDERS", 20), ("RULES", 20), ("RUNS", 1)):
        monkeypatch.setattr(micro_rules, name, small)
    found = micro_rules.rows()
    assert len({name for name, _, _ in found}) == len(found) == 7
    assert all(math.isfinite(ratio) and " ns; " in note for _, ratio, note in found)
    assert {name for name, _, _ in found} <= figures.budgets().keys()
    # The others are differences of two timings, which so small a run may turn around.
    whole = [ratio for name, ratio, _ in found if name.split(": ")[1] in WHOLE]
    assert len(whole) == len(WHOLE)
    assert min(whole) > 0
