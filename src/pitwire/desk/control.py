"""A running desk's door for people: halt, resume, cancel, status, over a socket in its folder.

One JSON line in (`Ask`), one out (`Told`); `ask_desk` is all a client needs. House rules: whoever
may open the folder may use the door, nobody else; what is asked is journalled with who asked, and
when; a command with a key that was seen before, in this run or an earlier one, is not carried out
again, and is not answered as done when it does not hold; a halt is answered only after the cancels
are written and it is on the disk, and is never too late; anything else that nobody waits for any
more is refused.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

import msgspec

from pitwire.desk.flattening import Closing
from pitwire.model.clock import SECOND, since_boot
from pitwire.model.errors import ConfigError, StateError
from pitwire.trading.journal import sayable_text
from pitwire.trading.stance import Stance

Visit: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""Serves one who came."""
NAME = "desk.sock"
LONGEST_PATH = 100
"""What every system takes as the name of a socket, with a little to spare."""
LONGEST_LINE = 4096
LONGEST_ANSWER = 16 << 20
"""Bytes: an account may have thousands of orders, and each is named."""
REMEMBERED = 1000
NO_REASON = "a person threw the kill switch"


class Ask(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person wants of a desk."""

    do: Literal["halt", "flatten", "resume", "cancel", "status"]
    """`flatten` halts, and closes positions once nothing of ours is open."""
    order: str = ""
    """The id of the order to cancel."""
    by: str = "operator"
    reason: str = ""
    key: str = ""
    """Drawn anew for each decision; the same key again is the same decision."""
    not_after: int = 0
    """When whoever asks has given up, in ns since this machine started; 0: never."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """How the desk stands after it."""

    stance: Stance = Stance.WATCH
    halted: str = ""
    """Why no order may leave; "" when they may."""
    reducing: str = ""
    """Why only orders that reduce a position may leave; "" when that is not so."""
    open: tuple[str, ...] = ()
    """Orders of ours that the venue has not closed."""
    ended: dict[str, str] = {}
    """Orders that were open when the desk was halted and are not any more → what became of them."""
    closing: dict[str, Closing] = {}
    """Symbol → how the closing of its position stands; nothing where nobody asked for it."""
    reachable: bool = True
    """Whether a cancel could leave now."""
    kept: str = ""
    """Why the halt would not survive a restart; "" when it would."""
    stands: str = ""
    """What would halt the desk again at once, so that nobody can resume; "" when they can."""
    account: str = ""
    mode: str = ""
    pid: int = 0
    watchdog: str = ""
    """`ready`, `trouble`, `acting`, `clear` or `gone`, as it said last; "" without one."""
    unwell: str = ""
    """What is stale or behind at the moment; "" when nothing is."""
    error: str = ""
    """Why the request was not understood, or not carried out."""


class Controlled(Protocol):
    """What the door asks of a desk."""

    def note(self, ask: Ask) -> bool:
        """Journal what is asked; False when its key was journalled before."""

    def refuse(self, ask: Ask, why: str) -> None:
        """Journal what was asked and is not done."""

    def halt(self, reason: str, by: str) -> None: ...

    def flatten(self, reason: str, by: str) -> None: ...

    def resume(self, by: str) -> None:
        """Raises `StateError` while the reason of the halt stands."""

    def cancel(self, order_id: str, by: str) -> None:
        """Raises `StateError` where there is no such order, or no way to the venue."""

    def told(self) -> Told: ...


class Control:
    """Serves the door. Opened and closed with the desk."""

    def __init__(
        self, folder: Path, desk: Controlled, *, clock: Callable[[], int] = since_boot
    ) -> None:
        self.path = folder / NAME
        self._desk, self._clock = desk, clock
        self._server: asyncio.Server | None = None
        self._done: OrderedDict[str, Told] = OrderedDict()
        self._visits: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Listen; raises `ConfigError` when the folder does not allow it."""
        # Whoever holds the folder's lock is the only desk; what lies here is of one that is dead.
        self._server = await listen(self.path, self._visit)

    async def close(self) -> None:
        """Stop listening and take the socket away."""
        if self._server is None:
            return
        self._server.close()
        for visit in self._visits:
            visit.cancel()
        await asyncio.gather(*self._visits, return_exceptions=True)
        with suppress(OSError):
            self.path.unlink()

    def obey(self, ask: Ask) -> Told:
        """Carry a request out, unless it was before, or comes when nobody waits for it."""
        if ask.do == "status":
            return self._desk.told()
        if ask.key and ask.key in self._done:
            return self._done[ask.key]
        late = self._too_late(ask)
        if late:
            self._desk.refuse(ask, late)
            if ask.do == "flatten":  # the halt in it is never too late
                self.obey(msgspec.structs.replace(ask, do="halt", key=""))
            return msgspec.structs.replace(self._desk.told(), error=late)
        told = self._carry_out(ask) if self._desk.note(ask) else self._as_before(ask)
        if ask.key:
            self._done[ask.key] = told
            while len(self._done) > REMEMBERED:
                self._done.popitem(last=False)
        return told

    def _too_late(self, ask: Ask) -> str:
        """Why it is not done any more: we stood still, and whoever asked has acted otherwise."""
        late = self._clock() - ask.not_after
        if not ask.not_after or late <= 0 or ask.do == "halt":
            return ""
        given_up = f"who asked has given up {late / SECOND:.1f} s ago"
        return f"too late for this {ask.do}: {given_up}; expected to be asked anew"

    def _as_before(self, ask: Ask) -> Told:
        """The answer to a key that an earlier run has journalled: the run may have died of it."""
        told = self._desk.told()
        holds = {
            "halt": bool(told.halted),
            "flatten": bool(told.closing),
            "resume": not (told.halted or told.reducing),
            "cancel": ask.order not in told.open,
        }
        if holds[ask.do]:
            return told
        text = f"this {ask.do} was asked before, and does not hold now; expected to be asked anew"
        return msgspec.structs.replace(told, error=text)

    def _carry_out(self, ask: Ask) -> Told:
        error = ""
        try:
            match ask.do:
                case "halt":
                    self._desk.halt(ask.reason or NO_REASON, ask.by)
                case "flatten":
                    self._desk.flatten(ask.reason or NO_REASON, ask.by)
                case "cancel":
                    self._desk.cancel(ask.order, ask.by)
                case "resume":
                    self._desk.resume(ask.by)
        except StateError as refused:
            error = str(refused)
        return msgspec.structs.replace(self._desk.told(), error=error)

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visit = asyncio.current_task()
        assert visit is not None
        self._visits.add(visit)
        try:
            while line := await reader.readline():
                writer.write(msgspec.json.encode(self._answer(line)) + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError, asyncio.LimitOverrunError):
            pass  # a visitor that leaves, or says more than anybody has to say
        finally:
            self._visits.discard(visit)
            writer.close()

    def _answer(self, line: bytes) -> Told:
        try:
            ask = msgspec.json.decode(line, type=Ask)
        except msgspec.MsgspecError as error:
            return msgspec.structs.replace(self._desk.told(), error=str(error))
        return self.obey(ask)


async def ask_desk(folder: Path, ask: Ask, *, within_seconds: float = 2.0) -> Told | None:
    """Ask the desk that runs on this folder; None when none answers within this time.

    A desk that was hung and wakes later refuses it then, unless it is a halt. An answer that is
    cut, or is none that we understand, is no answer.
    """
    if not hasattr(asyncio, "open_unix_connection"):
        return None
    if not ask.not_after:
        until = since_boot() + round(within_seconds * SECOND)
        ask = msgspec.structs.replace(ask, not_after=until)
    try:
        async with asyncio.timeout(within_seconds):
            reader, writer = await asyncio.open_unix_connection(
                str(folder / NAME), limit=LONGEST_ANSWER
            )
            try:
                writer.write(msgspec.json.encode(_sayable(ask)) + b"\n")
                line = await reader.readline()
            finally:
                writer.close()
        return msgspec.json.decode(line, type=Told) if line else None
    except (OSError, TimeoutError, ValueError):
        return None


def _sayable(ask: Ask) -> Ask:
    """The same with what UTF-8 cannot say spelt out: a terminal may hand over such text."""
    by, reason = sayable_text(ask.by), sayable_text(ask.reason)
    return msgspec.structs.replace(ask, by=by, reason=reason)


async def listen(path: Path, visit: Visit) -> asyncio.Server:
    """A socket with a name that this user alone may open; what lies there is taken away.

    Raises `ConfigError` when the folder, or the system, does not allow it.
    """
    check_path(path)
    if not hasattr(socket, "AF_UNIX"):
        found, expected = "no sockets with a name", "a system that has them"
        raise ConfigError(where=str(path), found=found, expected=expected)
    with suppress(FileNotFoundError):
        path.unlink()
    listener = socket.socket(socket.AF_UNIX)
    try:
        before = os.umask(0o177)
        try:
            listener.bind(str(path))
        finally:
            os.umask(before)
        return await asyncio.start_unix_server(visit, sock=listener, limit=LONGEST_LINE)
    except OSError as error:
        listener.close()
        found = error.strerror or type(error).__name__
        expected = "a folder that takes a socket"
        raise ConfigError(where=str(path), found=found, expected=expected) from None


def check_path(path: Path) -> None:
    """Raise `ConfigError` when a socket of this name cannot be."""
    length = len(os.fsencode(path))
    if length > LONGEST_PATH:
        raise ConfigError(
            where=str(path),
            found=f"{length} bytes",
            expected=f"at most {LONGEST_PATH}: a socket's name may not be longer",
        )
