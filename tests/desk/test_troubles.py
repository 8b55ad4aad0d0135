from __future__ import annotations

from pitwire.desk.troubles import Troubles
from pitwire.model.clock import SECOND


def lived(*spells: tuple[float, float], until: int) -> list[int]:
    """In which seconds a desk could not count on a watchdog that had these troubles."""
    troubles, found = Troubles(), []
    for second in range(until):
        for begun, ended in spells:
            if second == ended:
                troubles.end(second * SECOND)
            if second == begun:
                troubles.begin(second * SECOND)
        before = troubles.is_unguarded
        assert troubles.tend(second * SECOND) is (before is not troubles.is_unguarded)
        if troubles.is_unguarded:
            found.append(second)
    return found


def test_a_short_trouble_is_none() -> None:
    assert lived((10, 39), until=400) == []


def test_a_long_one_ends_with_it() -> None:
    assert lived((10, 50), until=400) == [*range(40, 50)]


def test_short_ones_add_up_and_then_it_must_stand_for_a_minute() -> None:
    spells = [(begun, begun + 10) for begun in (0, 40, 80, 120)]
    assert lived(*spells, until=500) == [*range(120, 190)]


def test_one_that_goes_on_flapping_is_not_counted_on_between_two() -> None:
    spells = [(begun, begun + 10) for begun in range(0, 600, 30)]
    assert lived(*spells, until=700) == [*range(90, 640)]


def test_what_is_long_ago_does_not_count() -> None:
    spells = [(begun, begun + 10) for begun in range(0, 2_000, 160)]
    assert lived(*spells, until=2_000) == [], "ten seconds in every 160 are 20 in 300"
    assert lived((0, 25), (330, 350), until=500) == []
    assert lived((0, 25), (290, 320), until=500) == [*range(295, 380)], "some of it still counts"


def test_what_is_said_twice_is_one_trouble() -> None:
    troubles = Troubles()
    for second in (0, 10, 20):
        troubles.begin(second * SECOND)
        troubles.tend(second * SECOND)
    assert not troubles.is_repeated
    assert troubles.tend(30 * SECOND)
    troubles.end(31 * SECOND)
    troubles.end(32 * SECOND)
    assert troubles.tend(32 * SECOND)
    assert not troubles.is_unguarded
