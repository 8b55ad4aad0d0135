"""Interactive Brokers passes its examination; what its table denies is skipped, nothing else."""

from __future__ import annotations

import msgspec
import pytest

from pitwire.conformance.candidate import find_candidate
from pitwire.conformance.kit import CARDS, examine
from pitwire.venues.ibkr.venue import LIMITS
from pitwire.venues.venue import Limit

DENIED = {
    "B1", "B2", "B3", "B4", "B5",  # no book that could be kept
    "B6",  # and no sums
    "E3",  # nothing is signed
    "P2",  # no snapshot is fetched
}  # fmt: skip


def test_every_card_that_its_table_does_not_deny_passes() -> None:
    verdicts = examine(find_candidate("ibkr"))
    assert [(one.card, one.detail) for one in verdicts if one.failed] == []
    assert {one.card for one in verdicts if one.verdict == "skipped"} == DENIED
    assert len(verdicts) == 41


OTHERS = tuple(one for one in LIMITS if one.scope not in ("weight", "orders"))
BROKEN = {
    # Twelve orders at once, where the gateway takes ten requests a second.
    "P1": ((Limit("weight", 13, 1.25, strict=True), Limit("orders", 12, 1.25)), "a limit"),
    # Orders may take all that there is, and leave nothing to a cancel.
    "P3": ((Limit("weight", 8, 1.25, strict=True), Limit("orders", 8, 1.25)), "had to wait"),
}


@pytest.mark.parametrize("card", BROKEN)
def test_a_table_that_is_wrong_of_its_limits_is_found_out(card: str) -> None:
    candidate, (limits, told) = find_candidate("ibkr"), BROKEN[card]
    wrong = msgspec.structs.replace(candidate.venue, limits=(*OTHERS, *limits))
    cards = [one for one in CARDS if one.id == card]
    [verdict] = examine(msgspec.structs.replace(candidate, venue=wrong), cards)
    assert verdict.failed
    assert told in verdict.detail
