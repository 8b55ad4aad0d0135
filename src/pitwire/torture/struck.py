"""A process is killed as it enters its first, its second, … system call of a kind, by strace.

Each thread counts its calls by itself, and whoever comes first to the wanted number ends them all:
were all of a process struck at once, a thread that calls seldom would never live to its later
calls. So it is either the process's first thread or those beside it. It is forked and attached to,
which costs less than half of a start under strace, most of which would be imports.

House rules: it raises where strace may not trace; a process that ends by itself says so by its
status; a life that something outside it has ended is lived again, told of, and counts for nothing;
every wait ends.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TypeAlias, TypeVar

from pitwire.model.clock import SECOND, SystemClock

Ready: TypeAlias = Callable[[], None]
"""Called by what is to be struck once it has all of its threads; returns when it may go on."""
_CLOCK = SystemClock()
_LET_ANYBODY_TRACE = 0x59616D61
_WITHIN_SECONDS = 60.0
_LOOK_SECONDS = 0.002
_BROKE_OFF = 75
"""The status of a process whose life broke off; what sysexits.h has for "try again"."""
_AGAIN = 2
"""So often a life that broke off is lived again."""
T = TypeVar("T")


class BrokeOff(Exception):
    """Something outside a life has ended it, so it says nothing of what it was lived for."""


def nothing() -> None:
    """`Ready` where nobody waits for it."""


def fork(run: Callable[[], None]) -> int:
    """Another process that does this and ends; its number."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if not child:
        _live_and_die(run)
    return child


def _live_and_die(run: Callable[[], None]) -> NoReturn:
    code = 1
    try:
        run()
        code = 0
    except BrokeOff:
        code = _BROKE_OFF
    finally:
        if code:
            traceback.print_exc()
            sys.stderr.flush()
        os._exit(code)


def demand_whole(status: int, what: str) -> None:
    """Raises `BrokeOff` for a process that ended by this."""
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == _BROKE_OFF:
        raise BrokeOff(f"{what}: something outside has ended it")


def demand_life(status: int, what: str) -> None:
    """Raises `BrokeOff` or `RuntimeError` for a process that has not come to its own good end."""
    demand_whole(status, what)
    if status:
        raise RuntimeError(f"{what}: it ended with status {status}, expected 0")


def lived(life: Callable[[], T], told: list[str]) -> T:
    """What comes of a life. One that broke off is told of, and lived again, twice at most; then it
    raises `BrokeOff`."""
    for _ in range(_AGAIN):
        try:
            return life()
        except BrokeOff as error:
            told.append(str(error))
            print(f"{error}; it is lived again", file=sys.stderr, flush=True)
    return life()


def strike(
    run: Callable[[Ready], None],
    syscall: str,
    number: int,
    *,
    beside: bool = False,
) -> bool:
    """Whether it was killed; False when it came to its end before that call.

    With `beside` the calls of the threads beside the first are counted, from `Ready` on; without,
    those of the first, from the beginning. Raises `PermissionError` where strace may not trace,
    `BrokeOff` when what runs does, and `RuntimeError` when it ends otherwise.
    """
    told, tell = os.pipe()
    gate, opened = os.pipe()

    def wait() -> None:
        os.write(tell, b"r")
        os.read(gate, 1)

    def begin() -> None:
        os.close(told)
        os.close(opened)
        ctypes.CDLL(None).prctl(_LET_ANYBODY_TRACE, ctypes.c_ulong(-1), 0, 0, 0)
        if not beside:
            wait()
        run(wait if beside else nothing)

    child = fork(begin)
    os.close(tell)
    os.close(gate)
    strace, came = None, False
    try:
        came = bool(select.select([told], [], [], _WITHIN_SECONDS)[0] and os.read(told, 1))
        if came:
            strace = _attached(child, syscall, number, beside=beside)
            os.write(opened, b"g")
        else:
            os.kill(child, signal.SIGKILL)
    except BaseException:
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        _, status = os.waitpid(child, 0)
        os.close(told)
        os.close(opened)
        if strace is not None:
            strace.communicate()
    what = f"{syscall} {number}"
    demand_whole(status, what)
    if not came:
        raise RuntimeError(f"{what}: it never came to where it is to be struck")
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return True
    demand_life(status, what)
    return False


def _attached(child: int, syscall: str, number: int, *, beside: bool) -> subprocess.Popen[bytes]:
    """strace, once it holds every thread that it is to strike."""
    threads = [int(each.name) for each in Path(f"/proc/{child}/task").iterdir()]
    struck = [one for one in threads if (one != child) == beside]
    if not struck:
        raise RuntimeError(f"process {child} has no thread beside its first")
    command = [
        "strace", "-qq", "-o", os.devnull, "-e", f"trace={syscall}", "-e", "signal=none",
        "-e", f"inject={syscall}:signal=KILL:when={number}",
    ]  # fmt: skip
    for one in struck:
        command += ["-p", str(one)]
    strace = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    until = _CLOCK.now() + round(_WITHIN_SECONDS * SECOND)
    while not all(_is_traced(child, one) for one in struck):
        if strace.poll() is not None or _CLOCK.now() > until:
            strace.kill()
            said = strace.communicate()[1].decode("utf-8", "replace").strip() or "no word"
            raise PermissionError(errno.EPERM, said.splitlines()[0])
        time.sleep(_LOOK_SECONDS)
    return strace


def _is_traced(process: int, thread: int) -> bool:
    status = Path(f"/proc/{process}/task/{thread}/status").read_text()
    return re.search(r"^TracerPid:\t[1-9]", status, re.MULTILINE) is not None
