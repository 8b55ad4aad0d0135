"""Where the command `pitwire` begins: outside of the package, since that takes a while to import.

What is interrupted meanwhile has begun nothing, so it ends at once, with the line and the code with
which every command ends when it is interrupted, and not with a traceback of somebody's imports.
"""

from __future__ import annotations

import os
import signal


def main() -> int:
    """Import the command line and run it; returns the exit code."""
    hears = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # else it is ignored
    if hears:
        signal.signal(signal.SIGINT, _end)
    from pitwire.cli.main import main as run

    if hears:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return run()


def _end(*_: object) -> None:
    os.write(2, b"pitwire: interrupted\n")
    os._exit(128 + signal.SIGINT)
