"""The recorder: what a session hears and says goes to a tape, written by threads of its own.

The hot path puts one record down (`tape/waiting.py`). One thread takes what is there every few
milliseconds, masks, packs and writes it; another syncs what was written, so that a slow disk never
delays the first. House rules: nothing here raises into the session; what fails stops the tape, is
said once, and stops nothing else; what was not kept is counted and stands on the tape as a hole.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias, TypeGuard, cast

import msgspec

from pitwire.model.clock import Clock, timestamp
from pitwire.model.errors import ConfigError, ConnectionLost, DialFailed, PitwireError
from pitwire.tape.format import (
    MOST_LINKS,
    Ended,
    Entry,
    Exchange,
    Kind,
    Meta,
    Refused,
    encode_exchange,
    payload_of,
    records_in,
    with_payload,
)
from pitwire.tape.held import is_held
from pitwire.tape.reader import TapeFile, runs_in
from pitwire.tape.waiting import IN_USE, LOT_BYTES, NEEDLES_IN, Lot, Waiting
from pitwire.tape.writer import HOUR, MAX_BYTES, Sync, TapeWriter, Write, fdatasync, write_all
from pitwire.wire.link import Buffer, Fetch, HttpAnswer

logger = logging.getLogger("pitwire.tape")

FLUSH_SECONDS = 0.03
"""What waits at most in this process, and dies with it."""
SYNC_SECONDS = 0.45
"""What waits at most in the kernel, and dies with the machine."""
_LEAST_SECONDS = 0.02
SYNC_BYTES = 4 << 20
CLOSE_SECONDS = 5.0
"""How long the end of a tape waits for a disk that takes nothing."""
WAITING = 1 << 17
"""Entries that may wait for a disk that stands still; what comes then is not kept."""


class Mask(Protocol):
    """What keeps secrets off the tape."""

    def mask_bytes(self, frame: bytes) -> bytes:
        """The frame with everything secret masked; itself when there is nothing."""
        ...

    @property
    def needles(self) -> tuple[bytes, ...]:
        """Known secrets as they may be spelt in a frame."""
        ...


class _Exchanged(NamedTuple):
    """A REST exchange that waits to be masked and packed, which is left to the thread."""

    at: int
    exchange: Exchange
    secret: bool


_Rarer: TypeAlias = Entry | _Exchanged
Tap: TypeAlias = Callable[[str, str, Buffer, int, bool], None]


class Recorder:
    """Writes a tape; a session takes `frame` as its tap and the whole as its `witness`.

    Raises `ConfigError` when the tape cannot begin. `private` says of a line's name whether its
    frames may carry what is secret: they are masked by field and by value, as all that we send;
    frames of other lines by value. `write` and `sync` are the system's; tests hand in worse ones.
    """

    def __init__(
        self,
        folder: Path,
        meta: Meta,
        *,
        mask: Mask,
        clock: Clock,
        private: Callable[[str], bool] = lambda link: link.startswith(("orders", "private")),
        max_bytes: int = MAX_BYTES,
        max_age: int = HOUR,
        flush_seconds: float = FLUSH_SECONDS,
        sync_seconds: float = SYNC_SECONDS,
        waiting: int = WAITING,
        write: Write = write_all,
        sync: Sync = fdatasync,
    ) -> None:
        # Looked at aside: the last file may be large, and nobody trades or records meanwhile.
        self._found = ""
        target, before = self._look_at, _newest(folder)
        self._looking = threading.Thread(
            target=target, args=(before,), name="tape-look", daemon=True
        )
        self._mask, self._private, self._clock = mask, private, clock
        self._flush_seconds, self._sync_seconds = flush_seconds, sync_seconds
        self._sync = sync
        self.failed = ""
        """Why the tape stopped; "" while it goes on."""
        self.kept = self.dropped = 0
        self._sessions: dict[bytes, int] = {}
        """Entries written; entries that found no room or no tape."""
        self._numbers: dict[str, int] = {}
        """Of the lines whose frames need no mask but by value."""
        self._waiting: Waiting[_Rarer] = IN_USE(self._numbers, self._rare_frame, waiting)
        self.frame: Tap = self._waiting.frame
        """The tap, which is the hot path: a frame came or went; its bytes are copied."""
        self._synced = 0
        self._over, self._urged = threading.Event(), threading.Event()
        self._alarm = threading.Lock()
        """Held until the end. A wait for an event makes a lock, and costs a third more."""
        self._alarm.acquire()
        self._writer = TapeWriter(
            folder, meta, max_bytes=max_bytes, max_age=max_age, write=write, sync=sync
        )
        self._threads = [
            threading.Thread(target=target, name=name, daemon=True)
            for target, name in ((self._keep_writing, "tape"), (self._keep_synced, "tape-sync"))
        ]
        for thread in (*self._threads, self._looking):
            thread.start()

    @property
    def found(self) -> str:
        """What the run before left unfinished; "" for nothing. Waits until that was looked at."""
        self._looking.join()
        return self._found

    @property
    def run(self) -> Path:
        """The folder of this run."""
        return self._writer.run

    @property
    def path(self) -> Path:
        """The file being written."""
        return self._writer.path

    @property
    def written(self) -> int:
        """Bytes on disk."""
        return self._writer.written

    # ── the hot path ──────────────────────────────────────────────────────────────────────────

    def _rare_frame(
        self, link: str, direction: str, frame: Buffer, now: int, drained: bool
    ) -> None:
        """One that is masked by field, or the first of its line."""
        kind = Kind.IN if direction == "in" else Kind.OUT
        self._waiting.add((link, kind, now, drained, bytes(frame)))
        if link not in self._numbers and not self._private(link):
            number = self._writer.spelling.number_of(link)
            if number <= MOST_LINKS:
                self._numbers[link] = number

    # ── what is no frame ──────────────────────────────────────────────────────────────────────

    def opened(self, link: str, url: str, now: int) -> None:
        """A link stands."""
        self._note(link, Kind.OPENED, now, url.encode())

    def refused(self, link: str, error: DialFailed, now: int) -> None:
        """A dial failed."""
        told = Refused(error.address, error.cause, error.status)
        self._note(link, Kind.REFUSED, now, msgspec.json.encode(told))

    def lost(self, link: str, error: PitwireError, now: int) -> None:
        """A link is gone."""
        ended = Ended(0, str(error))
        if isinstance(error, ConnectionLost):
            ended = Ended(error.code or 0, error.reason, error.clean)
        self._note(link, Kind.LOST, now, msgspec.json.encode(ended))

    def stopping(self, now: int) -> None:
        """The desk was told to stop."""
        self._note("", Kind.STOP, now, b"")

    def drained(self, link: str, now: int) -> None:
        """A burst ended with something that is no frame."""
        self._note(link, Kind.DRAINED, now, b"")

    def fetch(self, fetch: Fetch) -> Fetch:
        """The same requests, and each with its answer on the tape."""

        async def carry(
            method: str, url: str, headers: Mapping[str, str], body: bytes
        ) -> HttpAnswer:
            sent = self._clock.now()
            asked = Exchange(method, url, sent, 0, {}, asked=body)
            # Who sends headers of their own sends a key; what is no GET is of an account.
            secret = bool(headers) or method != "GET" or "signature" in url or "listenKey" in url
            try:
                status, answered, content = await fetch(method, url, headers, body)
            except DialFailed as error:
                self._exchanged(asked, secret, error=error.cause, status=error.status)
                raise
            told = {name: value for name, value in answered.items() if name in _TOLD}
            self._exchanged(asked, secret, status=status, headers=told, body=content)
            return status, answered, content

        return carry

    def _exchanged(self, asked: Exchange, secret: bool, **facts: object) -> None:
        exchange = msgspec.structs.replace(asked, **facts)
        self._waiting.add(_Exchanged(self._clock.now(), exchange, secret))

    def _note(self, link: str, kind: Kind, now: int, payload: bytes) -> None:
        self._waiting.add((link, kind, now, True, payload))

    # ── the end ───────────────────────────────────────────────────────────────────────────────

    def close(self, within_seconds: float = CLOSE_SECONDS) -> None:
        """Write what waits, the index, and sync; closing twice is harmless.

        A disk that stands still is waited for so long, and then left: a desk must come to its end.
        """
        if self._over.is_set():
            return
        self._over.set()
        self._alarm.release()
        self._urged.set()
        for thread in self._threads:
            thread.join(within_seconds)
        if any(thread.is_alive() for thread in self._threads):
            self.failed = self.failed or f"tape {self.path} was not closed: the disk stands still"
            logger.error("%s", self.failed)
            return
        self._write_waiting()
        if not self.failed:
            try:
                self._writer.close()
            except OSError as error:
                self._fail(error)

    # ── the threads ───────────────────────────────────────────────────────────────────────────

    def _look_at(self, before: Path | None) -> None:
        try:
            if before is not None and not is_held(before):  # else another recorder is at it
                self._found = _unclosed(before)
        except OSError as error:
            self._found = f"{before} cannot be looked at: {error.strerror or error}"
        if self._found:
            logger.warning("%s", self._found)

    def _keep_writing(self) -> None:
        while not self._alarm.acquire(timeout=self._flush_seconds):
            self._write_waiting()

    def _write_waiting(self) -> None:
        taken, count, hole = self._waiting.take()
        if not (taken or hole):
            return
        if self.failed:
            self.dropped += count + hole
            return
        before = self.kept
        try:
            if hole:
                self.dropped += hole
                at = _at(taken[-1]) if taken else self._clock.now()
                taken.append(("", Kind.HOLE, at, True, str(hole).encode()))
                logger.warning("%s: the disk is slow, %d frames were not kept", self.path, hole)
            for part in self._spelt_parts(taken):
                self._put(part)
        except OSError as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001 — the edge of a thread: trading goes on
            self._fail(OSError(f"{type(error).__name__}: {error}"))
        self.dropped += max(0, before + count - self.kept)

    def _spelt_parts(self, taken: list[Lot | _Rarer]) -> list[list[Lot]]:
        """All of it as records, in parts that fit a block each; what is no plain frame of a market
        line is masked on the way.
        """
        if len(taken) == 1 and _is_lot(taken[0]):  # nearly always
            return [[taken[0]]]
        return _parts([one if _is_lot(one) else self._spell(cast(_Rarer, one)) for one in taken])

    def _put(self, lots: list[Lot]) -> None:
        raw, count, first, last = lots[0]
        if len(lots) > 1:
            raw = b"".join([lot[0] for lot in lots])
            count, last = sum(lot[1] for lot in lots), lots[-1][3]
        leaked = NEEDLES_IN(raw, self._mask.needles)
        if leaked:
            raw = b"".join([self._without(record, leaked) for record in records_in(raw)])
        self._writer.put_spelt(raw, count, first, last)
        self.kept += count
        if self._writer.written - self._synced >= SYNC_BYTES:
            self._urged.set()

    def _without(self, record: bytes, leaked: set[bytes]) -> bytes:
        """The record without the secrets that are known."""
        if not any(needle in record for needle in leaked):
            return record
        return with_payload(record, self._mask.mask_bytes(payload_of(record)))

    def _spell(self, one: _Rarer) -> Lot:
        entry = self._told(one) if isinstance(one, _Exchanged) else one
        link, kind, at, drained, payload = entry
        if kind in _SAID or (link and self._private(link)):
            entry = link, kind, at, drained, self._mask.mask_bytes(payload)
        return self._writer.spelling.spell(entry), 1, at, at

    def _told(self, exchanged: _Exchanged) -> Entry:
        """A REST exchange as it goes on the tape; an answer may be megabytes long."""
        exchange = exchanged.exchange
        if exchanged.secret:
            mask = self._mask.mask_bytes
            exchange = msgspec.structs.replace(
                exchange,
                url=mask(exchange.url.encode()).decode(),
                asked=mask(exchange.asked),
                body=self._numbered(exchange.body, mask(exchange.body)),
            )
        return "", Kind.HTTP, exchanged.at, True, encode_exchange(exchange)

    def _numbered(self, body: bytes, masked: bytes) -> bytes:
        """Sessions that are masked stay apart: a replay has to see that another one was begun."""
        found = _SESSION.search(body)
        if found is None or body == masked:
            return masked
        number = self._sessions.setdefault(found[2], len(self._sessions) + 1)
        return _SESSION.sub(rb"\g<1>***%d" % number, masked, count=1)

    def _keep_synced(self) -> None:
        while not self._over.is_set():
            self._urged.wait(max(self._sync_seconds, _LEAST_SECONDS))
            self._urged.clear()
            if self._writer.written > self._synced and not self.failed:
                self._sync_once()

    def _sync_once(self) -> None:
        writer = self._writer
        written, path, handle = writer.written, writer.path, writer.handle
        if handle < 0:  # between two files, of which the first was synced
            return
        try:
            self._sync(handle)
        except OSError as error:
            # Else the file was full meanwhile, and synced; the next one may have its number.
            if (path, handle) == (writer.path, writer.handle):
                self._fail(error)
            return
        self._synced = written

    def _fail(self, error: OSError) -> None:
        if self.failed:
            return
        cause = error.strerror or str(error)
        self.failed = (
            f"tape {self.path} stopped: {cause}; trading goes on, nothing more is recorded; "
            "make room and start again"
        )
        logger.error("%s", self.failed)
        self._writer.abandon()


_SESSION = re.compile(rb'("session"\s*:\s*")([^"\\]+)')
_SAID = frozenset((Kind.OUT, Kind.OPENED))
_TOLD = frozenset(("content-type", "date", "retry-after", "server"))


def _is_lot(one: Lot | _Rarer) -> TypeGuard[Lot]:
    return isinstance(one[0], bytes)  # where others have a line's name, or a stamp


def _at(one: Lot | _Rarer) -> int:
    """When it was, or the last of it, ns."""
    if _is_lot(one):
        return one[3]
    return one.at if isinstance(one, _Exchanged) else cast(Entry, one)[2]


def _parts(lots: list[Lot]) -> list[list[Lot]]:
    """Lots in parts that fit a block each."""
    parts: list[list[Lot]] = []
    size = LOT_BYTES
    for lot in lots:
        if size + len(lot[0]) > LOT_BYTES:
            parts.append([])
            size = 0
        parts[-1].append(lot)
        size += len(lot[0])
    return parts


def _newest(folder: Path) -> Path | None:
    """The last file of the newest run."""
    runs = runs_in(folder) if folder.is_dir() else []
    return max(runs[-1].glob("*.tape")) if runs else None


def _unclosed(path: Path) -> str:
    """What to say of a run's last file, when its writer did not come to its end."""
    try:
        file = TapeFile(path)
    except ConfigError as error:
        return f"{path} was not closed and holds nothing that can be read: {error}"
    try:
        if file.is_closed:
            return ""
        for _ in file.records():
            pass
        torn = sum(flaw.lost for flaw in file.flaws)
        last = file.last_stamp()
    finally:
        file.close()
    return (
        f"{path} was not closed: it ends at {timestamp(last)}, {torn} bytes behind that are torn; "
        "up to 50 ms more were lost with the process, up to 1 s with the machine"
    )
