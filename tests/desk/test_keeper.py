"""A checkpoint made beside a running desk is the one that the desk would have made itself."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from pitwire.desk.keeper import Keeper, keep
from pitwire.model.clock import SECOND
from pitwire.store import checkpoint as checkpoint_module
from pitwire.store.checkpoint import checkpoints, newest_good, read_checkpoint
from pitwire.store.history import History, Position, segment_path
from pitwire.store.verifying import verify
from pitwire.torture.lives import live
from pitwire.trading.replay import Replay
from pitwire.trading.snapshot import encode
from tests.desk.setting import Setting, command, until
from tests.desk.test_restart import kept, resting, snapshot_of


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A life of some orders, fills, cuts and cancels; its checkpoints taken away."""
    folder = tmp_path_factory.mktemp("kept") / "main"
    live(folder, 3, seconds=1.2)
    for path in checkpoints(folder):
        path.unlink()
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "main"))


def test_it_is_what_all_records_before_it_make_at_every_place(folder: Path) -> None:
    replay, made, between = Replay(), 0, 0
    for number, (record, text) in enumerate(list(History(folder).records()), start=1):
        replay.take(record, text)
        place = Position(1, number)
        why = keep(folder, place)
        if replay._due:
            assert why == "what follows from the last record is not written yet"
            between += 1
            continue
        assert why == ""
        newest, wrong = newest_good(folder)
        assert newest is not None
        assert wrong == []
        assert newest.position == place
        assert encode(newest.snapshot) == encode(replay.snapshot())
        made += 1
    assert made > 20
    assert between > 5
    assert len(checkpoints(folder)) == 2
    assert verify(folder).is_sound


def test_a_running_desk_has_it_made_of_where_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Position] = []

    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(tmp_path / "a"))
        assert desk.restarted is not None

        def at_once(keeper: Keeper, position: Position) -> str:
            told = keep(tmp_path / "a", position)
            newest, _ = newest_good(tmp_path / "a")
            assert newest is not None
            assert newest.position == position
            assert encode(newest.snapshot) == snapshot_of(desk)
            made.append(position)
            return told

        monkeypatch.setattr(Keeper, "_ask", at_once)
        desk.restarted.keeper._every, desk.restarted.keeper._apart = 1, 0
        for number in range(5):
            [placed] = command(desk, resting(50_000 + number, tag=str(number)))
            await until(lambda placed=placed: placed.venue_id != "")
        await until(lambda: len(made) > 3)
        await desk.stop()

    setting = Setting()
    setting.world.run(lives(setting))
    assert made == sorted(set(made))
    assert verify(tmp_path / "a").is_sound


def test_the_records_are_on_the_disk_before_a_checkpoint_of_them_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = max(path for path in folder.glob("*.journal"))
    done: list[Path] = []
    real = checkpoint_module.write_checkpoint

    def noted(folder: Path, *rest: Any) -> Path:
        path = real(folder, *rest)
        done.append(path)
        return path

    monkeypatch.setattr("pitwire.desk.keeper.sync_file", done.append)
    monkeypatch.setattr("pitwire.desk.keeper.write_checkpoint", noted)
    history = History(folder)
    list(history.payloads())
    assert keep(folder, history.end) == ""
    assert done == [last, *checkpoints(folder)]


def test_of_harmed_records_none_is_made(folder: Path) -> None:
    path = segment_path(folder, 1)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    records = len(list(History(folder).payloads()))
    assert "damaged" in keep(folder, Position(1, records + 1))
    assert checkpoints(folder) == []


def test_of_records_that_are_not_there_none_is_made(folder: Path) -> None:
    records = len(list(History(folder).payloads()))
    told = keep(folder, Position(1, records + 1))
    assert told == f"record {records} of segment 1 is the last there"
    assert checkpoints(folder) == []


def test_of_records_that_contradict_one_another_none_is_made(folder: Path) -> None:
    def halted_all_along(self: Replay) -> None:
        self.contradicted = 1
        self._contradicts("this", "that")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Replay, "_missing", halted_all_along)
        patch.setattr(Replay, "expects", lambda *_: False)
        patch.setattr(Replay, "_compare", lambda self, *_: halted_all_along(self))
        records = len(list(History(folder).payloads()))
        assert "found this, expected that" in keep(folder, Position(1, records))
    assert checkpoints(folder) == []


def test_nobody_writes_for_a_desk_that_is_gone(folder: Path) -> None:
    records = len(list(History(folder).payloads()))
    assert keep(folder, Position(1, records), desk=1 << 30) == "the desk is gone"
    assert checkpoints(folder) == []


def test_a_process_of_its_own_makes_it_when_enough_was_written(folder: Path) -> None:
    records = len(list(History(folder).payloads()))
    keeper, place = Keeper(folder, every_records=10, apart_seconds=60), Position(1, records)
    assert keeper.tend(9, place, 0) == ""
    assert keeper._maker is None
    assert finished(keeper, 10, place, now=0) == ""
    assert keeper.kept == 1
    [path] = checkpoints(folder)
    assert read_checkpoint(path).position == place
    maker = keeper._maker
    assert keeper.tend(1_000, place, 59 * SECOND) == ""
    assert not keeper._waits, "not again so soon"
    told = finished(keeper, 1_000, Position(1, records + 5), now=60 * SECOND)
    assert told == f"no checkpoint: record {records} of segment 1 is the last there"
    assert keeper.kept == 1
    assert keeper._maker is maker, "it stays"
    keeper.close()


def test_a_process_ends_when_the_desk_has_died(folder: Path) -> None:
    keeper = Keeper(folder, every_records=1, apart_seconds=0)
    finished(keeper, 1, Position(1, 1 << 20), now=0)
    maker = keeper._maker
    assert maker is not None
    assert maker.stdin is not None
    maker.stdin.close()  # as the kernel does it for a dead one
    assert maker.wait(timeout=60) == 0


def test_a_desk_that_ends_ends_it_and_leaves_nothing_half_made(folder: Path) -> None:
    records = len(list(History(folder).payloads()))
    keeper = Keeper(folder, every_records=1, apart_seconds=0)
    keeper.tend(1, Position(1, records), 0)
    maker = keeper._maker
    assert maker is not None
    keeper.close()
    keeper.close()
    assert maker.returncode is not None
    assert all(read_checkpoint(path) for path in checkpoints(folder))
    assert verify(folder).is_sound


def test_killed_at_any_moment_it_leaves_what_was_there(folder: Path) -> None:
    records = len(list(History(folder).payloads()))
    places = [place for place in range(5, records) if not keep(folder, Position(1, place))]
    for path in checkpoints(folder):
        path.unlink()
    for number, place in enumerate(places[:8]):
        keeper = Keeper(folder, every_records=1, apart_seconds=0)
        keeper.tend(1, Position(1, place), 0)
        time.sleep(0.15 * number)
        keeper.close()
        assert verify(folder).is_sound
        newest, wrong = newest_good(folder)
        assert wrong == []
        assert newest is None or newest.position.records in places


def test_a_process_that_cannot_be_started_or_dies_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = Keeper(folder, every_records=1, apart_seconds=0)
    monkeypatch.setattr("pitwire.desk.keeper._PROGRAM", "input()")
    died = "no checkpoint: the process that makes it has died"
    assert finished(keeper, 1, Position(1, 1), now=0) == died
    assert finished(keeper, 2, Position(1, 1), now=0) == died, "another was asked"
    monkeypatch.setattr("pitwire.desk.keeper.sys.executable", str(folder / "nobody"))
    assert keeper.tend(3, Position(1, 1), 0) == "no checkpoint: No such file or directory"
    assert checkpoints(folder) == []


def test_a_checkpoint_that_is_replaced_while_a_start_looks_is_passed_over(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = len(list(History(folder).payloads()))
    assert keep(folder, Position(1, records)) == ""
    [path] = checkpoints(folder)
    gone = path.with_name("00000001-0000000009.checkpoint")
    monkeypatch.setattr(checkpoint_module, "checkpoints", lambda _: [gone, path])
    newest, wrong = newest_good(folder)
    assert newest is not None
    assert newest.position.records == records
    assert wrong == []


def finished(keeper: Keeper, count: int, place: Position, *, now: int) -> str:
    """What is told once the process that this call starts has ended."""
    told = keeper.tend(count, place, now)
    deadline = time.monotonic() + 60
    while keeper._waits and not told:
        assert time.monotonic() < deadline
        time.sleep(0.02)
        told = keeper.tend(count, place, now)
    return told
