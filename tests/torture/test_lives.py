"""A life in virtual time is told apart from one whose process stood still."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pitwire.store.journal_file import JournalFile
from pitwire.torture import lives
from pitwire.torture.struck import BrokeOff

SECONDS = 3.0


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[int]]:
    """So many lives wait for their disk; whoever asks gets the number of those that were lived."""
    live = lives.live

    def begin(times: int) -> list[int]:
        lived: list[int] = []

        def counted(folder: Path, seed: int, *, seconds: float) -> object:
            lived.append(len(lived))
            behind = 1.5 if len(lived) <= times else 0.0
            monkeypatch.setattr(JournalFile, "behind_seconds", property(lambda _: behind))
            return live(folder, seed, seconds=seconds)

        monkeypatch.setattr(lives, "live", counted)
        return lived

    return begin


def test_a_life_that_waited_for_its_disk_is_lived_again_and_said(
    tmp_path: Path, slow: Callable[[int], list[int]], capsys: pytest.CaptureFixture[str]
) -> None:
    lived = slow(0)
    first = lives.main(tmp_path / "a", 5, SECONDS)
    assert (len(lived), capsys.readouterr().err) == (1, "")
    lived = slow(2)
    assert lives.main(tmp_path / "b", 5, SECONDS) == first
    assert len(lived) == 3
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert all(line.startswith("b: the journal has waited 1.5 s") for line in said)


def test_one_that_waits_each_time_is_no_life_that_was_held(
    tmp_path: Path, slow: Callable[[int], list[int]]
) -> None:
    lived = slow(9)
    with pytest.raises(BrokeOff, match="the journal has waited"):
        lives.main(tmp_path / "a", 5, SECONDS)
    assert len(lived) == 3
