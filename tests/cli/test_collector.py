import gc

from pitwire.cli.collector import FULL_SECONDS, YOUNG_SECONDS, Collector
from pitwire.model.clock import ManualClock


class Cell:
    """Something that can point at itself."""

    def __init__(self) -> None:
        self.itself = self


def cells() -> int:
    return sum(isinstance(found, Cell) for found in gc.get_objects())


def test_garbage_waits_for_a_quiet_moment_and_the_collector_is_given_back() -> None:
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
