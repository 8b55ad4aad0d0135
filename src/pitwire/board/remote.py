"""A source that is a desk of another process, seen through its window.

House rules: what is shown is what the desk has sent, never more; when it falls silent or goes, that
is told to every viewer, with how long ago; it is dialled again for as long as the board stands. Of
a desk that has a folder for each run, its newest is dialled; a run that was named stays, and the
viewers are told that there is a newer one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from pitwire.board.bars import INTERVALS
from pitwire.board.digits import milliseconds
from pitwire.board.picture import Change, Picture
from pitwire.board.window import NAME, REPORT
from pitwire.desk.account import newer_run, newest_run
from pitwire.desk.health import HealthReport
from pitwire.model.clock import SECOND, Clock
from pitwire.model.errors import ConfigError

AGAIN_SECONDS = 0.5
SILENCE = 3 * SECOND // 2
LOOK_ROUND = 2 * SECOND
"""How often it is looked for a newer run, ns."""
LONGEST = 16 << 20
"""Bytes of one message of a desk."""


class Frame(msgspec.Struct):
    """A snapshot or a frame of the desk's hub."""

    kind: str
    seq: int = -1
    previous: int = -1
    heard: float = 0.0
    late: float = 0.0
    common: Change = msgspec.field(default_factory=Change)
    views: dict[str, Change] = {}
    report: HealthReport | None = None
    why: str = ""


class Remote:
    """A desk that is looked at from here: by its folder, or the newest run among `runs`."""

    def __init__(self, folder: Path, clock: Clock, *, runs: Path | None = None) -> None:
        if not hasattr(asyncio, "open_unix_connection"):
            expected = "a system that has sockets with a name"
            raise ConfigError(where="attach", found="one without", expected=expected)
        self.folder = folder
        """Whose desk was dialled last."""
        self._runs, self._clock = runs, clock
        self._newer, self._looked_round = "", 0
        self.common = Picture()
        self.generation = 0
        """Counts up when everything was told anew: then viewers begin again, too."""
        self._views: dict[str, Picture] = {}
        self._seq = -1
        self._heard = self._late = 0.0
        self._came = 0
        self._writer: asyncio.StreamWriter | None = None
        self._reports: list[asyncio.Future[HealthReport]] = []

    # ── the desk ──────────────────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """Stay with the desk, and come back to it, until cancelled."""
        while True:
            if self._runs is not None:
                self.folder = newest_run(self._runs)
            with suppress(OSError, ValueError, asyncio.LimitOverrunError):
                reader, self._writer = await asyncio.open_unix_connection(
                    str(self.folder / NAME), limit=LONGEST
                )
                try:
                    await self._stay(reader)
                finally:
                    self._writer.close()
                    self._writer = None
            self._seq = -1
            await asyncio.sleep(AGAIN_SECONDS)

    async def _stay(self, reader: asyncio.StreamReader) -> None:
        self._look()
        while line := await reader.readline():
            self._take(msgspec.json.decode(line, type=Frame))

    async def report(self) -> HealthReport | None:
        """The desk's health; None when it does not answer."""
        if self._writer is None:
            return None
        waiting: asyncio.Future[HealthReport] = asyncio.get_running_loop().create_future()
        self._reports.append(waiting)
        self._writer.write(REPORT)
        try:
            async with asyncio.timeout(2):
                return await waiting
        except TimeoutError:
            return None
        finally:
            if waiting in self._reports:
                self._reports.remove(waiting)

    def _say(self, said: dict[str, Any]) -> None:
        if self._writer is not None:
            self._writer.write(msgspec.json.encode(said) + b"\n")

    def _look(self) -> None:
        self._seq = -1
        self._say({"do": "look", "views": list(self._views)})

    def _take(self, frame: Frame) -> None:
        match frame.kind:
            case "snapshot":
                self.common = Picture()
                self.common.apply(frame.common)
                for view, picture in self._views.items():
                    fresh = Picture()
                    fresh.apply(frame.views.get(view, Change()))
                    picture.tables, picture.tales = fresh.tables, fresh.tales
                self.generation += 1
            case "frame" if frame.previous == self._seq:
                self.common.apply(frame.common)
                for view, change in frame.views.items():
                    if view in self._views:
                        self._views[view].apply(change)
            case "frame":
                self._say({"do": "all"})
                self._seq = -1
                return
            case "report" if frame.report is not None:
                waiting, self._reports = self._reports, []
                for one in waiting:
                    if not one.done():
                        one.set_result(frame.report)
                return
            case _:
                return
        self._seq, self._came = frame.seq, self._clock.now()
        self._heard, self._late = frame.heard, frame.late
        self._say({"do": "answer", "seq": frame.seq})

    # ── the source ────────────────────────────────────────────────────────────────────────────

    def head(self, now: int) -> dict[str, Any]:
        """The clocks of this moment, by what the desk has said last."""
        return {"now": milliseconds(now), "heard": self._heard, "late": self._late}

    def steps(self, now: int) -> Iterator[None]:
        """Say whether the desk speaks, and whether it has a newer run than this."""
        if now - self._looked_round >= LOOK_ROUND:
            self._looked_round, self._newer = now, newer_run(self.folder)
        self.common.put("desk", "upstream", self._silent(now))
        self.common.put("desk", "run", self.folder.name if self._is_run else "")
        self.common.put("desk", "newer", self._newer)
        yield

    @property
    def _is_run(self) -> bool:
        return self.folder.name.startswith("run-")

    def _silent(self, now: int) -> str:
        if self._writer is None:
            since = f" since {(now - self._came) / SECOND:.0f} s" if self._came else ""
            return f"no desk answers at {self.folder}{since}"
        if not self._came or now - self._came > SILENCE:
            since = f" for {(now - self._came) / SECOND:.1f} s" if self._came else " yet"
            return f"the desk has sent no frame{since}"
        return ""

    def open(self, view: str) -> str:
        """Show this view from now on; why not, or "" when the desk is asked for it."""
        symbol, _, interval = view.rpartition("@")
        known = self.common.tables.get("watch", {})
        if interval not in INTERVALS:
            return f"interval: found {interval!r}, expected one of {', '.join(INTERVALS)}"
        if symbol not in known:
            return f"symbol: found {symbol!r}, expected one of {', '.join(known)}"
        if view not in self._views:
            self._views[view] = Picture()
            self._look()
        return ""

    def close(self, view: str) -> None:
        """Nobody looks at it any more."""
        if self._views.pop(view, None) is not None:
            self._look()

    def picture(self, view: str) -> Picture | None:
        """What is shown there."""
        return self._views.get(view)
