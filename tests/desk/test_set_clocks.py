"""A wall clock that somebody sets between two runs: what held before holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from pitwire.desk.restart import Restarted, recall, restart
from pitwire.desk.switch import resume
from pitwire.model.clock import SECOND
from pitwire.model.entropy import Entropy
from pitwire.store.latch import HaltLatch
from pitwire.trading.journal import Halted, Resumed

T0 = 1_800_000_000 * SECOND
DAY = 86_400 * SECOND

either_way = pytest.mark.parametrize("ahead", [-DAY, DAY])
with_or_without = pytest.mark.parametrize("checkpointed", [True, False])


def begin(path: Path, now: int = T0) -> Restarted:
    return restart(path, "main", now=now, entropy=Entropy(1))


def write(run: Restarted, *records: Halted | Resumed, latched: bool = True) -> None:
    """As an engine does; a run that dies before its disk has taken it leaves no latch."""
    for record in records:
        run.file.write(record)
        if latched:
            run.latch.write(record)
    run.file.settle()
    run.latch.keep()


def end(run: Restarted, halted: str, *, checkpointed: bool) -> None:
    if checkpointed:
        run.checkpoint(halted)
    run.close()


def halts_after(path: Path, now: int = T0, *, checkpointed: bool) -> str:
    run = begin(path, now)
    end(run, run.halted, checkpointed=checkpointed)
    return run.halted


@either_way
@with_or_without
def test_a_lift_lifts_what_was_before_it_and_nothing_after(
    tmp_path: Path, ahead: int, checkpointed: bool
) -> None:
    """By a person, where no desk runs; by a clock that is a day from that of the desks."""
    run = begin(tmp_path)
    write(run, Halted(at=T0 + 1, reason="enough", by="Ada"))
    end(run, "enough", checkpointed=checkpointed)
    HaltLatch(tmp_path).lift("Grace", T0 + ahead, to=recall(tmp_path)[1].end)
    assert halts_after(tmp_path, checkpointed=checkpointed) == ""
    run = begin(tmp_path)
    assert run.halted == ""
    write(run, Halted(at=T0 + 2, reason="again", by="Ada"), latched=False)
    run.close()
    assert HaltLatch(tmp_path).read() is None
    assert halts_after(tmp_path, checkpointed=checkpointed) == "again"
    assert halts_after(tmp_path, checkpointed=checkpointed) == "again"


@either_way
@with_or_without
def test_a_desks_own_lift_likewise(tmp_path: Path, ahead: int, checkpointed: bool) -> None:
    run = begin(tmp_path)
    write(run, Halted(at=T0 + 1, reason="enough", by="Ada"))
    end(run, "enough", checkpointed=checkpointed)
    run = begin(tmp_path, T0 + ahead)
    assert run.halted == "enough"
    write(run, Resumed(at=T0 + ahead + 1, by="Grace"))
    end(run, "", checkpointed=checkpointed)
    run = begin(tmp_path)
    assert run.halted == ""
    write(run, Halted(at=T0 + 2, reason="again", by="Ada"), latched=False)
    run.close()
    assert halts_after(tmp_path, checkpointed=checkpointed) == "again"


@either_way
def test_a_lift_whose_record_died_with_its_desk_counts(tmp_path: Path, ahead: int) -> None:
    """It is on the disk before its record is, and who was told of it was told the truth."""
    run = begin(tmp_path)
    write(run, Halted(at=T0 + 1, reason="enough", by="Ada"))
    run.latch.write(Resumed(at=T0 + ahead, by="Grace"))
    run.close()
    assert halts_after(tmp_path, checkpointed=False) == ""


async def test_a_person_resumes_whatever_the_clock_of_the_halt_was(tmp_path: Path) -> None:
    """A desk on a clock that was a year ahead could be resumed by no command for a year."""
    run = begin(tmp_path, 10 * T0)
    write(run, Halted(at=10 * T0, reason="enough", by="Ada"))
    run.close()
    assert await resume(tmp_path, confirm="main", by="Eve") is not None
    assert halts_after(tmp_path, checkpointed=False) == ""


def test_a_lift_that_does_not_say_what_it_knew_of_lifts_no_halt_of_a_journal(
    tmp_path: Path,
) -> None:
    """As those do that were written before lifts said it."""
    run = begin(tmp_path)
    write(run, Halted(at=T0 + 1, reason="enough", by="Ada"))
    run.close()
    HaltLatch(tmp_path).lift("Grace", T0 + 2)
    assert halts_after(tmp_path, checkpointed=False) == "enough"
