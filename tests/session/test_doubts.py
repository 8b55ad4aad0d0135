"""A loss in one symbol makes all be doubted, once."""

from __future__ import annotations

from pitwire.session.doubts import Doubts


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
