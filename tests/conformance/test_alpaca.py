"""Alpaca passes its examination; what its table denies is skipped, and nothing else."""

from __future__ import annotations

from pitwire.conformance.candidate import find_candidate
from pitwire.conformance.kit import examine

DENIED = {
    "B1", "B2", "B3", "B4", "B5",  # its books have no numbers
    "B6",  # nor sums
    "E3",  # nothing is signed
    "P2",  # no snapshot is fetched
    "P3",  # no limit of orders alone
}  # fmt: skip


def test_every_card_that_its_table_does_not_deny_passes() -> None:
    verdicts = examine(find_candidate("alpaca"))
    assert [(one.card, one.detail) for one in verdicts if one.failed] == []
    assert {one.card for one in verdicts if one.verdict == "skipped"} == DENIED
    assert len(verdicts) == 41
