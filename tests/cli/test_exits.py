"""Every ending has a code and one line."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
import sys

import pytest

from pitwire.cli.exits import Code, code_for, guarded, line_for, settled
from pitwire.model import errors

BAD_KEY = errors.AuthenticationFailed(venue="binance", code=-2015, text="no", hint="key")
BAD_VALUE = errors.ConfigError(where="venue.name", found="x", expected="binance")
NO_DIAL = errors.DialFailed(address="wss://h", cause="refused")


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (BAD_VALUE, 2, "venue.name: found 'x', expected binance"),
        (errors.OffGrid(field="price", value=1, expected="less", symbol="A-B"), 2, "A-B price"),
        (BAD_KEY, 3, "authentication failed: venue binance, code -2015"),
        (BAD_KEY, 3, "expected a key that this venue has given out"),
        (NO_DIAL, 4, "dial failed: address wss://h, cause refused"),
        (errors.ConnectionLost(code=1006), 4, "connection lost: code 1006"),
        (errors.Stalled(silent_seconds=3.0), 4, "stalled"),
        (errors.Refused(limit="size", value=2, allowed=1), 1, "size is 2, allowed 1"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (asyncio.CancelledError(), 143, "told to end"),
        (OSError(errno.EADDRINUSE, "address in use"), 2, "address in use"),
        (PermissionError(errno.EACCES, "Permission denied", "x.jsonl"), 2, "x.jsonl: Permission"),
        (TimeoutError(), 1, "TimeoutError"),
        (ValueError("odd\nthing"), 1, "unforeseen ValueError: odd thing (--debug shows where)"),
        (BaseExceptionGroup("two", [ValueError("a"), NO_DIAL]), 4, "dial failed"),
        (
            BaseExceptionGroup("deep", [BaseExceptionGroup("x", [NO_DIAL]), BAD_KEY]),
            3,
            "authentication failed",
        ),
    ],
)
def test_every_error_has_a_code_and_one_line(error: BaseException, code: int, line: str) -> None:
    assert code_for(error) == code
    assert line in line_for(error)
    assert "\n" not in line_for(error)


def end(error: BaseException, *, debug: bool = False) -> int:
    def run() -> None:
        raise error

    return guarded(run, debug=lambda: debug)


def test_a_guarded_run_says_one_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert end(BAD_VALUE) == Code.USAGE
    said = capsys.readouterr()
    assert said.err == "pitwire: venue.name: found 'x', expected binance\n"
    assert said.out == ""


def test_debug_shows_the_way_there_but_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    assert end(ValueError("signature=planted"), debug=True) == Code.OTHER
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "planted" not in said


def test_a_command_chooses_its_own_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(lambda: None) == 0
    assert end(SystemExit()) == 0
    assert end(SystemExit(7)) == 7
    assert end(SystemExit("words")) == 1
    assert capsys.readouterr().err == "pitwire: words\n"


def test_what_is_done_is_not_interrupted_any_more() -> None:
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        assert settled(lambda: Code.JOURNAL) == Code.JOURNAL
        for number in numbers:
            os.kill(os.getpid(), number)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_LATE = """
import atexit, os, signal
from pitwire.cli.main import main
atexit.register(os.kill, os.getpid(), signal.SIGINT)
raise SystemExit(main())
"""


def test_an_interruption_while_python_ends_changes_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LATE, "--version"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (Code.DONE, "")
