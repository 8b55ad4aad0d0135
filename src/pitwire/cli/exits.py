"""How the command ends: one clear line on stderr and a code that a script can act upon.

| code | means |
|---|---|
| 0 | done |
| 1 | anything not named below |
| 2 | wrong usage or configuration |
| 3 | the venue refused who we are |
| 4 | no connection came about, or the last one was lost |
| 5 | a journal cannot be written, or is not what was written |
| 130 | interrupted (Ctrl-C) |
| 143 | told to end (SIGTERM) |
"""

from __future__ import annotations

import asyncio
import errno
import signal
import sys
import traceback
from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import TYPE_CHECKING

from pitwire.desk.masking import mask_frame
from pitwire.model import errors

if TYPE_CHECKING:
    from pitwire.tape.reader import Flaw


class Code(IntEnum):
    """Exit codes of `pitwire`."""

    DONE = 0
    OTHER = 1
    USAGE = 2
    REFUSED = 3
    UNREACHABLE = 4
    JOURNAL = 5
    INTERRUPTED = 130
    TERMINATED = 143


def code_for(error: BaseException) -> Code:
    """The exit code of any error; of a group, that of its gravest known member."""
    match error:
        case KeyboardInterrupt():
            return Code.INTERRUPTED
        case asyncio.CancelledError():
            return Code.TERMINATED
        case errors.JournalFailed() | errors.Unsound():
            return Code.JOURNAL
        case errors.ConfigError() | errors.OffGrid():
            return Code.USAGE
        case errors.AuthenticationFailed():
            return Code.REFUSED
        case errors.WireError():
            return Code.UNREACHABLE
        case OSError(errno=errno.EADDRINUSE | errno.EACCES | errno.EADDRNOTAVAIL):
            return Code.USAGE
        case BaseExceptionGroup():
            return gravest(code_for(each) for each in _leaves(error))
    return Code.OTHER


def line_for(error: BaseException) -> str:
    """One line about any error, with nothing secret in it."""
    match error:
        case KeyboardInterrupt():
            line = "interrupted"
        case asyncio.CancelledError():
            line = "told to end"
        case errors.PitwireError():
            line = str(error)
        case OSError():
            where = f"{error.filename}: " if error.filename else ""
            line = f"{where}{error.strerror or str(error) or type(error).__name__}"
        case BaseExceptionGroup():
            worst = max(_leaves(error), key=lambda each: _GRAVITY.index(code_for(each)))
            line = line_for(worst)
        case _:
            line = f"unforeseen {type(error).__name__}: {error} (--debug shows where)"
    return mask_frame(" ".join(line.split()))


def tell_damage(flaws: Iterable[Flaw]) -> Code:
    """Say what of a tape could not be read; the exit code."""
    code = Code.DONE
    for flaw in flaws:
        sys.stderr.write(f"pitwire: {flaw}\n")
        if not flaw.torn:
            code = Code.JOURNAL
    return code


def gravest(codes: Iterable[Code]) -> Code:
    """The code that matters most of several."""
    return max(codes, key=_GRAVITY.index, default=Code.DONE)


def guarded(run: Callable[[], object], *, debug: Callable[[], bool] = lambda: False) -> int:
    """Run to the end, whatever happens, and return the exit code."""
    try:
        run()
    except SystemExit as finished:
        return _code_of(finished)
    except BaseException as error:  # noqa: BLE001 - the edge: what arrives here becomes a line
        if debug():
            sys.stderr.write(mask_frame("".join(traceback.format_exception(error))))
        sys.stderr.write(f"pitwire: {line_for(error)}\n")
        return code_for(error)
    return Code.DONE


def settled(run: Callable[[], int]) -> int:
    """The code of `run`; from then on Ctrl-C and SIGTERM change nothing.

    A command that is done goes on for a moment while Python ends. There an interruption would be
    told as a traceback, or end the process by the signal in place of the code.
    """
    code = run()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    return code


_GRAVITY = (
    Code.DONE, Code.OTHER, Code.UNREACHABLE, Code.REFUSED, Code.USAGE, Code.JOURNAL,
    Code.TERMINATED, Code.INTERRUPTED,
)  # fmt: skip


def _code_of(finished: SystemExit) -> int:
    if finished.code == Code.INTERRUPTED:  # typer turns Ctrl-C into this and says nothing
        sys.stderr.write("pitwire: interrupted\n")
    if finished.code is None or isinstance(finished.code, int):
        return finished.code or Code.DONE
    sys.stderr.write(f"pitwire: {finished.code}\n")
    return Code.OTHER


def _leaves(error: BaseException) -> Iterable[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error
