"""A failure in real time is looked at again; every other failure stands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.second_look import WATCH

PROJECT = 'pytest_plugins = ["tests.second_look"]\n'
COUNTING = """
import pathlib, pytest, socket, subprocess, sys, threading

def turn(name):
    path = pathlib.Path(__file__).parent / f"{name}.turns"
    path.open("a").write("x")
    return len(path.read_text())
"""
SOCKET = "    with socket.socket() as one: one.bind(('127.0.0.1', 0))\n"


def tried(folder: Path, *, looks: int = 3, workers: int = 0, **bodies: str) -> tuple[int, str]:
    """Run these tests in a project of their own; the exit code and what was printed."""
    (folder / "conftest.py").write_text(PROJECT)
    (folder / "pytest.ini").write_text("[pytest]\nrequired_plugins =\n")
    tests = "".join(f"\ndef test_{name}():\n{body}\n" for name, body in bodies.items())
    (folder / "test_them.py").write_text(COUNTING + tests)
    root = Path(__file__).resolve().parent.parent
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-n", str(workers)]
    command += ["--second-look", str(looks)]
    done = subprocess.run(
        command,
        cwd=folder,
        env={"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def turns(folder: Path, name: str) -> int:
    return len((folder / f"{name}.turns").read_text())


@pytest.mark.parametrize("workers", [0, 2])
def test_what_fails_beside_others_and_passes_alone_is_told_and_counts_as_passed(
    tmp_path: Path, workers: int
) -> None:
    fails_once = SOCKET + "    assert turn('one') > 1, 'stood still'"
    code, said = tried(tmp_path, workers=workers, one=fails_once, two="    assert True")
    assert code == 0, said
    assert turns(tmp_path, "one") == 2
    assert "FAILED BESIDE OTHERS, PASSED ALONE (a socket)" in said
    assert "AssertionError: stood still" in said, "what went wrong the first time is not hidden"
    assert "1 passed, 1 passed alone" in said


@pytest.mark.parametrize(
    ("met", "body"),
    [
        ("a process", "    subprocess.run([sys.executable, '-c', ''])\n"),
        ("a thread", "    threading.Thread(target=int).start()\n"),
    ],
)
def test_processes_and_threads_are_real_time(tmp_path: Path, met: str, body: str) -> None:
    code, said = tried(tmp_path, one=body + "    assert turn('one') > 1")
    assert code == 0, said
    assert f"PASSED ALONE ({met})" in said


def test_a_test_that_met_no_real_time_is_not_tried_again(tmp_path: Path) -> None:
    code, said = tried(tmp_path, one="    assert turn('one') > 1", two=SOCKET)
    assert code == 1
    assert turns(tmp_path, "one") == 1
    assert "1 failed, 1 passed" in said


def test_what_fails_twice_fails_and_both_times_are_shown(tmp_path: Path) -> None:
    code, said = tried(tmp_path, one=SOCKET + "    assert turn('one') > 2, 'for good'")
    assert code == 1
    assert turns(tmp_path, "one") == 2
    assert said.count("AssertionError: for good") >= 2
    assert "failed again, alone" in said


@pytest.mark.parametrize("instead", ["skip", "xfail"])
def test_what_is_not_lived_through_alone_has_not_passed(tmp_path: Path, instead: str) -> None:
    once = SOCKET + f"    if turn('one') > 1: pytest.{instead}('no time')\n    assert False"
    code, said = tried(tmp_path, one=once)
    assert code == 1
    assert turns(tmp_path, "one") == 2
    assert "1 failed" in said


def test_one_that_passes_alone_does_not_help_another(tmp_path: Path) -> None:
    bad, late = SOCKET + "    assert turn('one') > 2", SOCKET + "    assert turn('two') > 1"
    code, said = tried(tmp_path, one=bad, two=late)
    assert code == 1
    assert "1 failed, 1 passed alone" in said


def test_more_failures_than_a_few_stand(tmp_path: Path) -> None:
    late = {name: SOCKET + f"    assert turn('{name}') > 1" for name in ("one", "two", "three")}
    code, said = tried(tmp_path, looks=2, **late)
    assert code == 1
    assert turns(tmp_path, "one") == 1
    assert "3 failed" in said


def test_nobody_looks_again_unasked(tmp_path: Path) -> None:
    code, _ = tried(tmp_path, looks=0, one=SOCKET + "    assert turn('one') > 1")
    assert code == 1
    assert turns(tmp_path, "one") == 1


def test_an_error_outside_any_test_stands(tmp_path: Path) -> None:
    code, said = tried(tmp_path, one=SOCKET + "    assert turn('one') > 1\n1 / 0")
    assert code != 0
    assert "ZeroDivisionError" in said


def test_an_event_of_another_kind_is_not_heeded() -> None:
    seen = WATCH.seen
    WATCH.seen = ""
    WATCH.heed("open", ("a file", "r", 0))
    assert WATCH.seen == ""
    WATCH.seen = seen
