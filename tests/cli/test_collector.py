import gc
from collections.abc import Iterator

import pytest

from pitwire.cli.collector import FULL_SECONDS, YOUNG_SECONDS, Collector
from pitwire.model.clock import ManualClock


class Cell:
    """Something that can point at itself."""

    def __init__(self) -> None:
        self.itself = self


def cells() -> int:
    return sum(isinstance(found, Cell) for found in gc.get_objects())


@pytest.fixture
def thawed() -> Iterator[None]:
    """Nothing is frozen, as in a process of the command's own."""
    gc.unfreeze()
    yield
    gc.freeze()


def test_garbage_waits_for_a_quiet_moment_and_the_collector_is_given_back(thawed: None) -> None:
    clock = ManualClock()
    assert gc.isenabled()
    with Collector(clock.now()) as collector:
        assert not gc.isenabled()
        assert gc.get_freeze_count() > 0
        Cell()
        collector.quiet(clock.advance(YOUNG_SECONDS / 2))
        assert cells() == 1
        collector.quiet(clock.advance(YOUNG_SECONDS))
        assert cells() == 0
        Cell()
        gc.collect(0)
        gc.collect(1)
        collector.quiet(clock.advance(FULL_SECONDS))
        assert cells() == 0
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        with Collector(0):
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_what_was_frozen_before_stays_frozen(thawed: None) -> None:
    gc.freeze()
    with Collector(0):
        pass
    assert gc.get_freeze_count() > 0
