"""A loss in one symbol makes all be doubted, once."""

from __future__ import annotations

from itertools import pairwise

from pitwire.model.clock import SECOND
from pitwire.session.doubts import SPREAD_SECONDS, Doubts

LOSSES = 10
"""A second."""


def test_a_loss_is_doubted_at_once_and_all_others_once_a_moment_later() -> None:
    one, other = list[tuple[str, int]](), list[tuple[str, int]]()
    doubts = Doubts(lambda *what: one.append(what), lambda *what: other.append(what))
    doubts.of("A", 1)
    doubts.overdue(2)
    assert one == [("A", 1)], "nothing is known to be lost"
    doubts.lost("B", 3)
    doubts.lost("C", 4)
    doubts.overdue(5)
    doubts.overdue(6)
    assert one == other == [("A", 1), ("B", 3), ("C", 4), ("", 5)]


def test_losses_that_go_on_make_all_be_doubted_every_few_seconds_and_none_is_forgotten() -> None:
    all_at: list[int] = []
    doubts = Doubts(lambda symbol, now: None if symbol else all_at.append(now))
    for step in range(1, 10 * LOSSES):
        now = step * SECOND // LOSSES
        doubts.lost("A", now)
        doubts.overdue(now)
    doubts.overdue(13 * SECOND)
    gaps = [later - at for at, later in pairwise(all_at)]
    assert min(gaps) >= SPREAD_SECONDS * SECOND
    assert (len(all_at), all_at[-1]) == (5, 13 * SECOND), "the last loss is doubted as well"
