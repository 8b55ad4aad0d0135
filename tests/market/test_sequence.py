"""Continuity rules, clause by clause and against each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitwire.market.sequence import ByPrevious, ByRange, ByStep, Continuity, Verdict

APPLY, OLD, GAP = Verdict.APPLY, Verdict.OLD, Verdict.GAP


def judge(
    rule: Continuity, book_id: int, ids: tuple[int, int], *, previous: int = 0, spliced: bool = True
) -> Verdict:
    return rule.judge(
        book_id=book_id, first=ids[0], last=ids[1], previous=previous, spliced=spliced
    )


@pytest.mark.parametrize("spliced", [False, True])
@pytest.mark.parametrize(
    ("ids", "verdict"),
    [
        ((90, 99), OLD),  # §4.1 step 4
        ((95, 100), OLD),  # ends where the book stands
        ((96, 101), APPLY),  # step 5: straddles
        ((101, 101), APPLY),  # the next id alone
        ((101, 140), APPLY),  # step 7
        ((102, 140), GAP),  # step 6
    ],
)
def test_by_range(ids: tuple[int, int], verdict: Verdict, spliced: bool) -> None:
    assert judge(ByRange(), 100, ids, spliced=spliced) is verdict


@pytest.mark.parametrize(
    ("ids", "previous", "verdict"),
    [
        ((80, 99), 70, OLD),  # §4.3: u < lastUpdateId
        ((80, 100), 70, APPLY),  # U <= lastUpdateId and u >= lastUpdateId
        ((95, 120), 90, APPLY),
        ((100, 120), 90, APPLY),
        ((105, 120), 100, APPLY),  # nothing happened between the snapshot and this delta
        ((101, 120), 99, GAP),
    ],
)
def test_by_previous_at_the_splice(ids: tuple[int, int], previous: int, verdict: Verdict) -> None:
    assert judge(ByPrevious(), 100, ids, previous=previous, spliced=False) is verdict


@pytest.mark.parametrize(
    ("ids", "previous", "verdict"),
    [
        ((80, 99), 70, OLD),
        ((80, 100), 70, OLD),  # the same delta again
        ((105, 120), 100, APPLY),  # ids skip; only the chain counts
        ((101, 120), 99, GAP),
        ((125, 130), 120, GAP),
    ],
)
def test_by_previous_afterwards(ids: tuple[int, int], previous: int, verdict: Verdict) -> None:
    assert judge(ByPrevious(), 100, ids, previous=previous) is verdict


@pytest.mark.parametrize(("number", "verdict"), [(99, OLD), (100, OLD), (101, APPLY), (102, GAP)])
@pytest.mark.parametrize("spliced", [False, True])
def test_by_step(number: int, verdict: Verdict, spliced: bool) -> None:
    assert judge(ByStep(), 100, (number, number), spliced=spliced) is verdict


@given(st.lists(st.integers(1, 5), min_size=1, max_size=20), st.integers(0, 1000))
def test_a_dense_sequence_is_applied_whole_once_and_never_twice(
    lengths: list[int], start: int
) -> None:
    at = start
    for length in lengths:
        ids = (at + 1, at + length)
        assert judge(ByRange(), at, ids) is APPLY
        assert judge(ByPrevious(), at, ids, previous=at) is APPLY
        if length > 1:
            assert judge(ByRange(), at, (at + 2, at + length)) is GAP
        at += length
        assert judge(ByRange(), at, ids) is OLD
        assert judge(ByPrevious(), at, ids, previous=at - length) is OLD


@given(st.integers(1, 1000), st.integers(0, 1000))
def test_steps_are_ranges_of_one(number: int, book_id: int) -> None:
    ids = (number, number)
    assert judge(ByStep(), book_id, ids) is judge(ByRange(), book_id, ids)
