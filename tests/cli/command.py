"""The command as a person starts it: in a process of its own, on real sockets."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from typing import IO

import pytest

from pitwire.desk import switch

_START = ("-c", "from pitwire_command import main; raise SystemExit(main())")
_OURS = ("BINANCE_", "ALPACA_", "IBKR_")
"""What keys and addresses begin with."""
PATIENCE = 120.0


def patient(patch: pytest.MonkeyPatch) -> None:
    """Let who asks a running desk wait for it as long as a busy machine demands."""
    for name in ("ANSWER_SECONDS", "CLEAR_SECONDS", "FLATTEN_SECONDS"):
        patch.setattr(switch, name, PATIENCE)


class Command:
    """A running `pitwire`; its lines come as they are said, whichever way they were said."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.out: list[str] = []
        self.err: list[str] = []
        self._heard: Queue[str | None] = Queue()
        self._ears = [self._ear(process.stdout, self.out), self._ear(process.stderr, self.err)]

    def until(self, pattern: str) -> str:
        """Wait for a line with this in it."""
        over = 0
        while over < len(self._ears):
            try:
                line = self._heard.get(timeout=PATIENCE)
            except Empty:
                break
            if line is None:
                over += 1
            elif re.search(pattern, line):
                return line
        raise AssertionError(f"nobody said {pattern!r}:\n{self.text}")

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self) -> int:
        """Wait for the end; the exit code."""
        code = self.process.wait(timeout=PATIENCE)
        for ear in self._ears:
            ear.join(timeout=PATIENCE)
        return code

    @property
    def text(self) -> str:
        return "".join([*self.out, *self.err])

    @property
    def said(self) -> str:
        return "".join(self.err)

    def _ear(self, stream: IO[str] | None, lines: list[str]) -> threading.Thread:
        def listen() -> None:
            for line in stream or ():
                lines.append(line)
                self._heard.put(line)
            self._heard.put(None)

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        return thread


@contextmanager
def pitwire(
    *arguments: str, folder: Path, environ: Mapping[str, str] | None = None, first: str = ""
) -> Iterator[Command]:
    """`pitwire ARGUMENTS` in this folder, without any key of ours in its environment.

    Its process begins with the program `first`.
    """
    option, start = _START
    with python(option, f"{first}\n{start}", *arguments, folder=folder, environ=environ) as command:
        yield command


@contextmanager
def python(
    *arguments: str, folder: Path, environ: Mapping[str, str] | None = None
) -> Iterator[Command]:
    """The same of Python, for a script as a person writes it."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(_OURS)}
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**kept, "PYTHONUNBUFFERED": "1", "COLUMNS": "100", **(environ or {})},
    )
    command = Command(process)
    try:
        yield command
    finally:
        if process.poll() is None:
            process.kill()
        command.ended()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def finished(*arguments: str, folder: Path, **how: Mapping[str, str]) -> Command:
    """The same, run to its end."""
    with pitwire(*arguments, folder=folder, **how) as command:
        command.ended()
    return command
