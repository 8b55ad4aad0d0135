"""The command is quiet when it is interrupted before it has begun."""

from __future__ import annotations

import subprocess
import sys

import pytest

_INTERRUPTED = """
import os, signal, sys
{before}

class Interrupting:
    def find_spec(self, name, path, target=None):
        if name == "msgspec":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
from pitwire_command import main
raise SystemExit(main())
"""


@pytest.mark.parametrize(
    ("before", "code", "said"),
    [
        ("", 130, "pitwire: interrupted\n"),
        ("signal.signal(signal.SIGINT, signal.SIG_IGN)", 0, ""),  # as a shell's `&` leaves it
    ],
)
def test_an_interruption_while_it_is_imported(before: str, code: int, said: str) -> None:
    program = _INTERRUPTED.format(before=before)
    done = subprocess.run(
        [sys.executable, "-c", program, "--version"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (code, said)
    assert bool(done.stdout) == (code == 0)
