import pytest

from pitwire.model.clock import SECOND, ManualClock, SystemClock


def test_manual_clock_moves_only_when_told() -> None:
    clock = ManualClock(start=5)
    assert clock.now() == clock.now() == 5
    assert clock.advance(1.5) == 5 + 3 * SECOND // 2
    with pytest.raises(ValueError, match="expected zero or more"):
        clock.advance(-1)


def test_system_clock_never_runs_backwards_and_ignores_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = SystemClock()
    stamps = [clock.now() for _ in range(1000)]
    assert stamps == sorted(stamps)
    import time

    honest = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: honest() + 120 * SECOND)
    assert clock.now() - stamps[-1] < 60 * SECOND
    assert abs(clock.jump() - 120 * SECOND) < SECOND
