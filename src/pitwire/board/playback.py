"""A board on a desk that is played: a replay or a backtest, in a time of its own.

The desk lives in a loop that knows no sockets, so the board has a thread to itself, and looks at
the desk where that is let: between two records, while the pace is kept, and at the end. House
rules: nobody touches the desk but who holds the *baton*; looking changes nothing that is played;
it is marked as a replay, and there is nothing that could be commanded.
"""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

from pitwire.board.analysis import serve_analysis
from pitwire.board.digits import milliseconds
from pitwire.board.feed import Feed
from pitwire.board.hub import Hub
from pitwire.board.opening import Board
from pitwire.board.server import BoardServer
from pitwire.board.tail import Tail
from pitwire.desk.desk import Desk
from pitwire.model.clock import SECOND, Clock, SystemClock
from pitwire.model.errors import ConfigError
from pitwire.store.journal_file import JournalFile
from pitwire.store.segment import Chain, Header
from pitwire.trading.journal import Record

_NAP_SECONDS = 0.1
_GOODBYE_SECONDS = 5.0


class Baton:
    """Who holds it may touch the desk: its own thread, or the board's when that has asked."""

    def __init__(self) -> None:
        self._desk = threading.Lock()
        self._taken = threading.Event()
        self._asked = False

    def take(self) -> None:
        """The desk's own thread begins."""
        self._desk.acquire()

    def give(self) -> None:
        """The desk's own thread has done."""
        self._desk.release()

    def offer(self) -> None:
        """Called by the desk's thread where the desk may be looked at; costs nothing unasked."""
        if self._asked:
            self._taken.clear()
            with self.aside():
                self._taken.wait(_NAP_SECONDS)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """The desk's thread does something else meanwhile."""
        self._desk.release()
        try:
            yield
        finally:
            self._desk.acquire()

    @contextmanager
    def look(self) -> Iterator[None]:
        """The board's thread looks; waits until it may."""
        self._asked = True
        with self._desk:
            self._asked = False
            self._taken.set()
            yield


class PlayedJournal:
    """What is journalled of a desk that is played: its end for the board, all of it for figures."""

    def __init__(self, folder: Path) -> None:
        self.tail = Tail()
        self._folder = folder
        self._file: JournalFile | None = None

    def write(self, record: Record) -> None:
        """Keep one; whoever draws figures finds it on the disk at once."""
        self.tail.write(record)
        if self._file is None:
            self._file = JournalFile(self._folder, _header(record.at))
        self._file.write(record)
        self._file.settle()

    def close(self) -> None:
        """Nothing comes any more."""
        if self._file is not None:
            self._file.close()


def _header(started: int) -> Header:
    return Header(
        installation="replay", account="replay", epoch=1, segment=1, started=started,
        previous=Chain().last.hex(),
    )  # fmt: skip


class PlayedFeed(Feed):
    """What there is to see of a desk that is played, by its own time."""

    def __init__(self, desk: Desk, tail: Tail, baton: Baton, *, mask: Callable[[str], str]) -> None:
        self._baton = baton
        self.is_over = False
        self._newest = self._seen_at = self._read_at = 0
        self._moment: object = None
        self._seen_whole = False
        with baton.look():
            super().__init__(desk, tail, mask=mask)

    def steps(self, now: int) -> Iterator[None]:
        """One look, all at once: the desk stands still meanwhile."""
        with self._baton.look():
            self._read_at = now
            self._see_whole_what_stands_still()
            for _ in super().steps(self._desk.clock.now()):
                pass
        if self.newest > self._newest:
            self._newest, self._seen_at = self.newest, now
        yield

    def _see_whole_what_stands_still(self) -> None:
        """Where the recording's time stops, the turn of the rest would never come."""
        moment = self._desk.clock.now(), self.is_over
        if moment != self._moment:
            self._moment, self._seen_whole = moment, False
        elif not self._seen_whole:
            self._seen_whole = True
            self.look_at_everything()

    def head(self, now: int) -> dict[str, Any]:
        """The clocks of this moment; what is played counts as heard when it was first seen."""
        return super().head(now) | {"heard": milliseconds(self._seen_at)}

    def open(self, view: str) -> str:
        """Show this view from now on."""
        with self._baton.look():
            return super().open(view)

    def facts(self) -> dict[str, Any]:
        """What is true of the whole desk, and of the recording."""
        played = "over" if self.is_over else "playing"
        return super().facts() | {"limit": 0, "played": played}

    def recorded(self) -> int:
        """The time of the recording."""
        return self._desk.clock.now()

    def when(self, at: int) -> int:
        """As long ago for whoever looks as it is in the recording."""
        return self._read_at - (self._desk.clock.now() - at)


class Playback:
    """Opens a board when the desk is there, and keeps it until somebody has seen enough.

    `tell` is given the open board; `stay_seconds` bounds how long it stands after the end.
    Used as a context by the thread that plays.
    """

    def __init__(
        self,
        tell: Callable[[Board], None],
        *,
        port: int = 0,
        mask: Callable[[str], str] = str,
        stay_seconds: float | None = None,
    ) -> None:
        self._tell, self._port, self._mask, self._stay = tell, port, mask, stay_seconds
        self.baton = Baton()
        self._folder = TemporaryDirectory(prefix="pitwire-replay-", ignore_cleanup_errors=True)
        self.journal = PlayedJournal(Path(self._folder.name))
        self._feed: PlayedFeed | None = None
        self._thread: threading.Thread | None = None
        self._opened = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._enough: asyncio.Event | None = None
        self._error: ConfigError | None = None

    def __enter__(self) -> Self:
        self.baton.take()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.baton.give()
        if self._thread is not None and self._loop is not None and self._enough is not None:
            with suppress(RuntimeError):  # its loop has ended by itself
                self._loop.call_soon_threadsafe(self._enough.set)
            self._thread.join(_GOODBYE_SECONDS)
        self.journal.close()
        self._folder.cleanup()

    # ── what the player says ──────────────────────────────────────────────────────────────────

    def opened(self, desk: Desk) -> None:
        """The desk is there; raises `ConfigError` when there is no port for the board."""
        self._thread = threading.Thread(target=self._show, args=(desk,), name="board", daemon=True)
        with self.baton.aside():
            self._thread.start()
            self._opened.wait()
        if self._error is not None:
            raise self._error

    def look(self) -> None:
        """The desk may be looked at now."""
        self.baton.offer()

    def rest(self, seconds: float) -> None:
        """Nothing is played for so long."""
        with self.baton.aside():
            time.sleep(seconds)

    def ended(self) -> None:
        """It is over: stay as it is until Ctrl-C, or for as long as was asked."""
        if self._feed is None or self._thread is None:
            return
        self._feed.is_over = True
        clock = SystemClock()
        until = None if self._stay is None else clock.now() + round(self._stay * SECOND)
        with self.baton.aside(), _plain_interrupts(), suppress(KeyboardInterrupt):
            while self._thread.is_alive() and (until is None or clock.now() < until):
                time.sleep(_NAP_SECONDS)

    # ── the board's thread ────────────────────────────────────────────────────────────────────

    def _show(self, desk: Desk) -> None:
        try:
            asyncio.run(self._serve(desk, SystemClock()))
        except ConfigError as error:  # raised where the desk is opened
            self._error = error
        finally:
            self._opened.set()

    async def _serve(self, desk: Desk, clock: Clock) -> None:
        self._loop, self._enough = asyncio.get_running_loop(), asyncio.Event()
        self._feed = PlayedFeed(desk, self.journal.tail, self.baton, mask=self._mask)
        hub = Hub(self._feed, clock)
        server = BoardServer({"": hub}, clock, port=self._port)
        draughtsman = serve_analysis(server, {"": lambda: Path(self._folder.name)})
        await server.open()
        looking = asyncio.ensure_future(hub.run())
        try:
            self._tell(Board(server))
            self._opened.set()
            await self._enough.wait()
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
            await draughtsman.close()
            await server.close()


@contextmanager
def _plain_interrupts() -> Iterator[None]:
    """Ctrl-C as `KeyboardInterrupt`, whatever the loop around does with it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
