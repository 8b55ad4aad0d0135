from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from pitwire.model.entropy import Entropy
from pitwire.model.errors import ConfigError
from pitwire.store import folder as module
from pitwire.store.checkpoint import write_checkpoint
from pitwire.store.folder import AccountFolder, Identity
from pitwire.store.history import Position, segment_path
from pitwire.store.locking import take
from pitwire.store.safely import sealed
from pitwire.store.segment import MAGIC, NOTHING, Chain, Header, begin
from pitwire.trading.snapshot import Snapshot


def hold(path: Path, account: str = "main", seed: int = 1) -> AccountFolder:
    return AccountFolder.hold(path, account, Entropy(seed))


def start(folder: AccountFolder) -> Identity:
    """What a desk does: a segment first, then the epoch."""
    identity = folder.next_epoch(0)
    header = Header(
        installation=identity.installation,
        account=identity.account,
        epoch=identity.epoch,
        segment=identity.segment,
        started=1,
        previous=NOTHING.hex(),
    )
    segment_path(folder.path, identity.segment).write_bytes(begin(header, Chain()))
    folder.take_epoch(identity)
    return identity


def test_a_folder_is_made_to_survive_a_power_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[Path, int]] = []

    def make(folder: Path, mode: int) -> None:
        folder.mkdir()
        made.append((folder, mode))

    monkeypatch.setattr(module, "make_folder", make)
    hold(tmp_path / "main").close()
    assert made == [(tmp_path / "main", 0o700)]


def test_every_start_has_an_epoch_and_a_segment_of_its_own(tmp_path: Path) -> None:
    found = []
    for seed in range(3):  # a fresh seed each time names no new installation
        folder = hold(tmp_path / "new" / "main", seed=seed)
        found.append(start(folder))
        folder.close()
    assert [(one.epoch, one.segment) for one in found] == [(1, 1), (2, 2), (3, 3)]
    assert len({one.installation for one in found}) == 1


def test_an_epoch_is_given_once_wherever_the_power_goes(tmp_path: Path) -> None:
    """Cut after the segment is begun and before the epoch is written: it is not given again."""
    folder = hold(tmp_path)
    start(folder)
    before = (tmp_path / "identity").read_bytes()
    start(folder)
    (tmp_path / "identity").write_bytes(before)
    folder.close()
    with closing(hold(tmp_path)) as again:
        assert again.next_epoch(0).epoch == 3


def test_an_identity_that_is_gone_is_told_by_the_segments(tmp_path: Path) -> None:
    folder = hold(tmp_path)
    first = start(folder)
    start(folder)
    folder.close()
    (tmp_path / "identity").unlink()
    with closing(hold(tmp_path, seed=2)) as folder:
        again = folder.next_epoch(0)
    assert again.installation == first.installation
    assert (again.epoch, again.segment) == (3, 3)


def test_epochs_go_on_when_identity_and_newest_segment_are_both_gone(tmp_path: Path) -> None:
    """The checkpoint is named after a segment that the lost start had begun."""
    folder = hold(tmp_path)
    start(folder)
    lost = start(folder)
    write_checkpoint(tmp_path, Position(lost.segment, 1), bytes(16), Snapshot())
    folder.close()
    (tmp_path / "identity").unlink()
    segment_path(tmp_path, lost.segment).unlink()
    with closing(hold(tmp_path, seed=2)) as folder:
        again = folder.next_epoch(0)
    assert again.epoch > lost.epoch
    assert again.segment > lost.segment
    assert folder.identity.segment == lost.segment, "so that it is missed"


def test_a_folder_that_begins_anew_is_another_installation(tmp_path: Path) -> None:
    with (
        closing(hold(tmp_path / "a", seed=1)) as one,
        closing(hold(tmp_path / "b", seed=2)) as other,
    ):
        assert one.identity.installation != other.identity.installation


def refused(path: Path, account: str = "main") -> str:
    with pytest.raises(ConfigError) as raised:
        hold(path, account)
    return str(raised.value)


def test_two_desks_on_one_account_the_second_is_refused(tmp_path: Path) -> None:
    first = hold(tmp_path)
    assert refused(tmp_path) == (
        f"{tmp_path}: found 'in use by process {os.getpid()}', expected one desk an account"
    )
    first.close()
    hold(tmp_path).close()


def test_another_process_is_refused_too_and_let_in_when_the_first_has_died(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from pitwire.model.entropy import Entropy;"
        "from pitwire.store.folder import AccountFolder;"
        "held = AccountFolder.hold(Path(sys.argv[1]), 'main', Entropy(1));"
        "print('held', flush=True);"
        "sys.stdin.read()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        assert f"in use by process {child.pid}" in refused(tmp_path)
        child.kill()
    hold(tmp_path).close()


def test_a_folder_that_cannot_be_made_or_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    expected = "expected a folder to keep the journal in"
    assert refused(tmp_path / "file").startswith(f"{tmp_path / 'file'}: found ")
    assert refused(tmp_path / "file" / "below").endswith(expected)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the superuser may read anything")
def test_a_folder_of_somebody_else(tmp_path: Path) -> None:
    path = tmp_path / "theirs"
    path.mkdir(mode=0o000)
    assert "found 'Permission denied'" in refused(path)


def test_the_folder_of_another_account(tmp_path: Path) -> None:
    folder = hold(tmp_path)
    start(folder)
    folder.close()
    assert refused(tmp_path, "spare") == (
        f"{tmp_path}: found \"that of 'main'\", expected the folder of account 'spare'"
    )


def test_an_identity_that_is_damaged(tmp_path: Path) -> None:
    folder = hold(tmp_path)
    start(folder)
    folder.close()
    file = tmp_path / "identity"
    file.write_bytes(file.read_bytes().replace(b'"epoch":1', b'"epoch":0'))
    assert "found 'not what was written'" in refused(tmp_path)


def test_an_identity_of_a_newer_version(tmp_path: Path) -> None:
    text = b'{"version":2,"installation":"k3x9qa","account":"main","epoch":1}'
    (tmp_path / "identity").write_bytes(sealed(text))
    assert "found 'version 2', expected version 1 or older" in refused(tmp_path)


def test_a_journal_of_a_newer_version(tmp_path: Path) -> None:
    from zlib import crc32

    preamble = MAGIC + (3).to_bytes(4, "little")
    segment_path(tmp_path, 1).write_bytes(preamble + crc32(preamble).to_bytes(4, "little"))
    told = refused(tmp_path)
    assert "00000001.journal: found 'format 3, this program reads up to 2'" in told
    assert not (tmp_path / "identity").exists()


def test_who_only_looks_who_has_it_keeps_nobody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    AccountFolder.hold(tmp_path, "main", Entropy(1)).close()
    with (tmp_path / "lock").open("rb") as looking:
        take(looking)  # as `holder_of` does for a moment
        monkeypatch.setattr(module.time, "sleep", lambda _: looking.close())  # type: ignore[attr-defined]
        AccountFolder.hold(tmp_path, "main", Entropy(1)).close()
        assert looking.closed, "it was waited for"
