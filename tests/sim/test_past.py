"""The last changes of a book, newest first; of what does not fit nothing is made up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitwire.sim import past
from pitwire.sim.past import Past

words = st.integers(0, 2**62 - 1)
rows = st.lists(st.tuples(words, st.booleans(), words, words), max_size=20)


def lived(kept: int, changes: list[tuple[int, bool, int, int]]) -> Past:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(past, "KEPT_CHANGES", kept)
        made = Past()
    for number, change in enumerate(changes, start=1):
        made.add(number, *change)
    return made


@given(kept=st.integers(1, 25), changes=rows)
def test_the_last_ones_are_told_as_they_were(
    kept: int, changes: list[tuple[int, bool, int, int]]
) -> None:
    told = list(lived(kept, changes).back_from(len(changes)))
    numbered = [(number, *change) for number, change in enumerate(changes, start=1)]
    assert told == numbered[::-1][:kept]


@pytest.mark.parametrize("change", [(2**63, True, 5, 1), (1, False, 2**62, 1), (1, True, 5, 2**63)])
def test_nothing_is_remembered_before_what_does_not_fit(change: tuple[int, bool, int, int]) -> None:
    few = [(1, True, 5, 0), (2, False, 6, 0), change, (4, True, 7, 9)]
    made = lived(10, few)
    assert list(made.back_from(4)) == [(4, 4, True, 7, 9)]
    assert list(made.back_from(3)) == []
