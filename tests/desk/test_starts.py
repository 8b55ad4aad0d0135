"""What a start makes of the runs before it, and what a run that has failed keeps no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from pitwire.desk.restart import Restarted, restart
from pitwire.model.clock import SECOND
from pitwire.model.entropy import Entropy
from pitwire.store.checkpoint import checkpoints
from pitwire.store.folder import CRASHES, AccountFolder
from pitwire.store.history import segment_path
from pitwire.store.segment import Chain, Header, begin
from pitwire.trading.journal import Alerted, Halted

T0 = 1_700_000_000 * SECOND


def start(path: Path, now: int = T0) -> Restarted:
    return restart(path, "main", now=now, entropy=Entropy(1))


def test_runs_that_end_in_good_order_are_no_crash_loop(tmp_path: Path) -> None:
    for number in range(CRASHES + 2):
        run = start(tmp_path, T0 + number)
        assert not run.folder.is_crash_loop(T0 + number)
        run.folder.end()
        run.close()
    for number in range(CRASHES):
        start(tmp_path, T0 + SECOND + number).close()
    run = start(tmp_path, T0 + 2 * SECOND)
    assert run.folder.is_crash_loop(T0 + 2 * SECOND)
    run.close()


def test_a_segment_that_a_run_began_later_is_not_begun_again(tmp_path: Path) -> None:
    start(tmp_path).close()
    held = AccountFolder.hold(tmp_path, "main", Entropy(1))
    header = Header(
        installation=held.identity.installation, account="main", epoch=9, segment=7, started=T0,
        previous="",
    )  # fmt: skip
    segment_path(tmp_path, 7).write_bytes(begin(header, Chain()))
    found = held.next_epoch(T0)
    assert (found.segment, found.epoch) == (8, 10)
    held.close()


def test_of_a_journal_that_has_failed_no_checkpoint_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would tell of what stands in no segment."""
    run = start(tmp_path)
    run.file.write(Alerted(at=T0, text="lost", level="error", rule="desk"))
    monkeypatch.setattr(run.keeper, "tend", lambda *_: "it was asked")
    assert run.tend(T0) == "it was asked"
    run.file.failed = "no space left"
    run.checkpoint("")
    assert checkpoints(tmp_path) == []
    assert run.tend(T0) == ""
    run.file.failed = ""
    run.checkpoint("")
    assert len(checkpoints(tmp_path)) == 1
    run.close()


def test_a_halt_that_latch_and_journal_know_is_told_once(tmp_path: Path) -> None:
    run = start(tmp_path)
    halted = Halted(at=T0, reason="enough", by="Ada")
    run.file.write(halted)
    run.latch.write(halted)
    run.latch.keep()
    run.close()
    again = start(tmp_path)
    assert again.halted == "enough"
    assert not [one for one in again.told if isinstance(one, Halted)]
    again.close()
