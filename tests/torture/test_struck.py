"""A process is killed at the call and in the thread that was meant, or ends by itself."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Event, Thread

import pytest

from pitwire.torture.struck import BrokeOff, Ready, demand_life, fork, lived, strike

traced = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


def struck(
    run: Callable[[Ready], None], syscall: str, number: int, *, beside: bool = False
) -> bool:
    try:
        return strike(run, syscall, number, beside=beside)
    except PermissionError as error:
        pytest.skip(f"strace may not trace here: {error.strerror}")


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@traced
@pytest.mark.parametrize("number", [1, 2, 3])
def test_it_dies_before_the_call_that_was_meant(tmp_path: Path, number: int) -> None:
    def run(_: Ready) -> None:
        for each in range(3):
            (tmp_path / f"{each}.new").touch()
            os.rename(tmp_path / f"{each}.new", tmp_path / str(each))

    assert struck(run, "rename", number)
    assert left(tmp_path) == [*map(str, range(number - 1)), f"{number - 1}.new"]


@traced
def test_what_has_no_such_call_any_more_ends_by_itself(tmp_path: Path) -> None:
    def run(_: Ready) -> None:
        (tmp_path / "a").touch()
        os.rename(tmp_path / "a", tmp_path / "b")

    assert not struck(run, "rename", 2)
    assert left(tmp_path) == ["b"]


def beside_another(folder: Path, ready: Ready) -> None:
    """The thread beside renames twice, then the first does so three times."""
    begin = Event()

    def rename(name: str, times: int) -> None:
        for each in range(times):
            (folder / f"{name}{each}.new").touch()
            os.rename(folder / f"{name}{each}.new", folder / f"{name}{each}")

    def beside() -> None:
        begin.wait()
        rename("beside", 2)

    thread = Thread(target=beside)
    thread.start()
    ready()
    begin.set()
    thread.join()
    rename("first", 3)


@traced
def test_each_thread_is_struck_at_its_own_calls(tmp_path: Path) -> None:
    """Were both counted, the thread beside would end it before the first's second call."""
    for number, name, beside in [(2, "first1", False), (2, "beside1", True)]:
        folder = tmp_path / name
        folder.mkdir()
        assert struck(partial(beside_another, folder), "rename", number, beside=beside)
        assert f"{name}.new" in left(folder)
    folder = tmp_path / "whole"
    folder.mkdir()
    assert not struck(partial(beside_another, folder), "rename", 3, beside=True)
    assert left(folder) == ["beside0", "beside1", "first0", "first1", "first2"]


@traced
def test_what_ends_otherwise_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="rename 1: it ended with status 256, expected 0"):
        struck(lambda _: os._exit(1), "rename", 1)
    with pytest.raises(RuntimeError, match="has no thread beside its first"):
        struck(lambda ready: ready(), "rename", 1, beside=True)
    with pytest.raises(RuntimeError, match="it never came to where it is to be struck"):
        struck(lambda _: None, "rename", 1, beside=True)


def broken(_: Ready) -> None:
    raise BrokeOff("no venue")


@traced
@pytest.mark.parametrize("beside", [False, True])
def test_a_life_that_broke_off_was_neither_killed_nor_did_it_end_well(beside: bool) -> None:
    with pytest.raises(BrokeOff, match="rename 1: something outside has ended it"):
        struck(broken, "rename", 1, beside=beside)


def status_of(run: Callable[[], None]) -> int:
    _, status = os.waitpid(fork(run), 0)
    return status


@pytest.mark.skipif(os.name == "nt", reason="no fork there")
def test_how_a_process_ended_is_told_apart() -> None:
    demand_life(status_of(lambda: None), "it")
    with pytest.raises(BrokeOff, match="it: something outside"):
        demand_life(status_of(partial(broken, lambda: None)), "it")
    with pytest.raises(RuntimeError, match="it: it ended with status 256, expected 0"):
        demand_life(status_of(lambda: os._exit(1)), "it")
    with pytest.raises(RuntimeError, match="it: it ended with status 9, expected 0"):
        demand_life(status_of(lambda: os.kill(os.getpid(), 9)), "it")


@pytest.mark.parametrize("breaks", [0, 1, 2, 3])
def test_a_life_that_broke_off_is_lived_again_twice_at_most_and_told(
    breaks: int, capsys: pytest.CaptureFixture[str]
) -> None:
    left, told = iter(range(breaks)), list[str]()

    def life() -> str:
        for number in left:
            raise BrokeOff(f"number {number}")
        return "whole"

    if breaks == 3:
        with pytest.raises(BrokeOff, match="number 2"):
            lived(life, told)
    else:
        assert lived(life, told) == "whole"
    assert told == [f"number {number}" for number in range(min(breaks, 2))]
    said = capsys.readouterr().err
    assert said == "".join(f"{text}; it is lived again\n" for text in told)


def test_what_ends_for_a_reason_of_its_own_is_not_lived_again() -> None:
    told = list[str]()
    with pytest.raises(RuntimeError, match="status"):
        lived(lambda: demand_life(256, "it"), told)
    assert told == []
