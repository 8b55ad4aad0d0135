"""A journal on disk: records into segments, out of the process before they have consequences.

An intent that nothing waits before, which is nearly every one, `write` puts on the slate
(store/slate.py), and `settle`, at the end of the burst, into the segment: so no order waits for the
chain and for write(2). Every other record `write` only keeps; `commit` hands all that is kept to
the kernel if an intent is among it, and `settle` whatever is left. A thread syncs behind; with
`durable` the intent is in the segment and on the disk before `commit` returns.

House rules: a file that failed once is never written again; who writes is one thread, who syncs is
another, and they share two counters and a bell.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue

import msgspec

from pitwire.model.clock import SECOND, SystemClock
from pitwire.model.disk import sync_folder
from pitwire.model.errors import JournalFailed
from pitwire.store.history import Position, segment_path
from pitwire.store.room import give_back, keep_room
from pitwire.store.safely import fdatasync, write_all
from pitwire.store.segment import LONGEST, Chain, Header, begin
from pitwire.store.slate import SIZE, Slate, can_be_mapped
from pitwire.trading.journal import Decided, Halted, Record, payload, sayable

_GROUP_SECONDS = 0.002
"""The syncing thread waits this long for more to sync with it."""
_BEHIND_SECONDS = 10
"""A disk that has not synced for so long counts as failed: what is at stake is bounded."""

_QUICK = SECOND // 10
"""A next segment, which takes three syncs that the desk waits for, is begun while one takes no
longer than this; else where the present one is so many times as long as it should be."""
_STRETCH = 4

_ROOM, _ROOM_LOW = 1 << 20, 1 << 18
"""So much is kept ahead, and more is asked for when so much is left."""
_ROOM_NEEDED = 2 * SIZE
"""With less no intent is put on the slate: half is for what stands there, half for its burst."""

Write = Callable[[int, bytes], None]
Sync = Callable[[int], None]
Reserve = Callable[[int, int, int], None]


class JournalFile:
    """A `DurableJournal`. Opens with a segment of its own; raises `JournalFailed` when it cannot.

    `slated` are the intents that the run before had on its slate; they stand right behind the
    header. `mapped` is whether there is a slate: None where the file system is fit for one.
    `write`, `sync` and `reserve` are the system's; tests hand in worse ones.
    """

    __slots__ = (
        "_asleep", "_bell", "_chain", "_clock", "_disk", "_durable", "_folder", "_frame",
        "_handle", "_header", "_intent", "_over", "_pending", "_records", "_reserve",
        "_reserved", "_segment_bytes", "_size", "_slate", "_sync", "_synced", "_syncer",
        "_took", "_unsynced_since", "_write", "cause", "commit", "count", "failed", "lost", "syncs",
        "write", "written",
    )  # fmt: skip

    def __init__(
        self,
        folder: Path,
        header: Header,
        *,
        durable: bool = False,
        slated: Sequence[bytes] = (),
        mapped: bool | None = None,
        segment_bytes: int = 64 << 20,
        write: Write = write_all,
        sync: Sync = fdatasync,
        reserve: Reserve = keep_room,
    ) -> None:
        self.failed = ""
        self.cause = ""
        """The same, without the file's name."""
        self.lost = 0
        """Records that came after it had failed."""
        self.written = 0
        """Bytes handed to the kernel in all segments of this run."""
        self.count = 0
        """Records, likewise."""
        self.syncs = 0
        self._folder, self._header = folder, header
        self._durable, self._segment_bytes = durable, segment_bytes
        self._write, self._sync, self._reserve = write, sync, reserve
        self._clock = SystemClock()  # a disk keeps no virtual time
        self._pending: list[Record] = []
        self._intent = False
        """Whether something waits that must not wait for the end of its burst."""
        self._records = 0
        self._synced = 0
        self._took = 0
        """How long the last sync took, ns."""
        self._unsynced_since = 0
        """When the oldest record that is not synced was written, at most; 0 until `settle`."""
        self._asleep = False
        self._over = False
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._chain = Chain()
        self._frame = self._chain.frame
        self._handle = -1
        self._size = 0
        """Bytes of the segment."""
        self._reserved = 0
        """Up to where the disk keeps room for it."""
        self._disk = threading.Lock()
        """Held while a handle is synced, so that none is closed under the syncing."""
        self._slate: Slate | None = None
        self._begin(header, slated)
        if not durable and mapped is not False and (mapped or can_be_mapped(folder)):
            self._slate = self._have_slate()
            self._take_room()
        pen = None if self._slate is None else self._slate.pen
        self.write: Callable[[Record], None] = self._take if pen is None else pen.write
        """Take a record: on the slate, or kept for the next `commit` or `settle`."""
        self.commit: Callable[[], str] = self._commit if pen is None else pen.commit
        """Make every intent outlive this process (`durable`: the machine); why not, or ""."""
        self._open_pen()
        self._syncer = threading.Thread(target=self._keep_synced, name="journal-sync", daemon=True)
        self._syncer.start()

    @property
    def path(self) -> Path:
        """The segment being written."""
        return segment_path(self._folder, self._header.segment)

    @property
    def position(self) -> Position:
        """Behind the last record handed to the kernel."""
        return Position(self._header.segment, self._records)

    @property
    def chain(self) -> bytes:
        """The chain there."""
        return self._chain.last

    # ── the order path ────────────────────────────────────────────────────────────────────────

    def _take(self, record: Record) -> None:
        """What `write` does with all but an order's record while nothing waits."""
        kind = type(record)
        if kind is Decided:
            if not self._pending and self._note(record):
                return
            self._intent = True
        elif kind is Halted:
            self._intent = True
        self._shut_pen()
        self._pending.append(record)

    def _commit(self) -> str:
        """What `commit` does where the pen is shut, or where there is none."""
        if self._intent:
            self._flush()
            if self._durable and not self.failed:
                self.sync()
        return self.failed

    def settle(self) -> None:
        """Hand on what is left of the burst, and let it be synced."""
        if self._pending or not (self._slate is None or self._slate.is_blank):
            self._flush()
        if not self._unsynced_since and self.written != self._synced:
            self._unsynced_since = self._clock.now()
        if self._asleep and self.written != self._synced:
            self._asleep = False
            self._bell.put(None)

    def _note(self, record: Record) -> bool:
        """Put an intent on the slate; False when it must be written."""
        slate = self._slate
        if slate is None or self.failed or self._reserved - self._size < _ROOM_NEEDED:
            return False
        try:
            return slate.note(record)
        except UnicodeEncodeError:
            return False

    def _open_pen(self) -> None:
        """Let `write` put intents on the slate by itself, where nothing stands before them."""
        if self._slate is not None and self._slate.pen is not None:
            has_room = self._reserved - self._size >= _ROOM_NEEDED
            self._slate.pen.is_open = has_room and not self._pending
            if self.failed:  # asked last: the syncing thread says so first, and then shuts
                self._slate.pen.is_open = False

    def _shut_pen(self) -> None:
        if self._slate is not None and self._slate.pen is not None:
            self._slate.pen.is_open = False

    def _flush(self) -> None:
        pending, self._pending, self._intent = self._pending, [], False
        if self.failed:
            self.lost += len(pending)
            return
        slate = self._slate
        noted = [] if slate is None else slate.payloads()
        try:
            texts = noted + [payload(record) for record in pending]
        except UnicodeEncodeError:  # text of a user's own may hold half a surrogate pair
            texts = noted + [sayable(record) for record in pending]
        data = b"".join(map(self._frame, texts))
        try:
            if len(data) > LONGEST:
                _check_lengths(texts)
            self._write(self._handle, data)
        except OSError as error:
            # Part of it may stand there; a later record behind that would be read as damage.
            self._fail(error)
            self.lost += len(pending)
            return
        self._records += len(texts)
        self.count += len(texts)
        self._size += len(data)
        self.written += len(data)
        if slate is not None:
            slate.wipe((self._header.segment, self._records), self._chain.last)
            self._open_pen()

    # ── beside it ─────────────────────────────────────────────────────────────────────────────

    def tend(self, now: int) -> None:
        """Now and then: begin the next segment when this one is full; notice a disk that hangs."""
        self.settle()
        if self.failed:
            return
        if self.behind_seconds > _BEHIND_SECONDS:
            cause = f"nothing synced for {_BEHIND_SECONDS} s"
            self.failed = str(JournalFailed(path=str(self.path), cause=cause))
            self.cause = cause
            self._shut_pen()
        elif self._size >= self._segment_bytes * (1 if self._took <= _QUICK else _STRETCH):
            self._next_segment(now)

    @property
    def behind_seconds(self) -> float:
        """How long the oldest record has waited to be synced; 0 when none does."""
        since = self._unsynced_since
        waits = self.written > self._synced
        return (self._clock.now() - since) / SECOND if waits and since else 0.0

    def close(self) -> None:
        """Write and sync everything; closing twice is harmless. `failed` says whether it stands."""
        if self._over:
            return
        if self._pending or not (self._slate is None or self._slate.is_blank):
            self._flush()
        self._over = True
        self._bell.put(None)
        self._syncer.join()
        if not self.failed:
            give_back(self._handle)
            self.sync()
        os.close(self._handle)
        self._handle = -1  # its number may be another file's from here on
        if self._slate is not None:
            self._slate.close()
            self._slate = None

    def _begin(self, header: Header, first: Sequence[bytes] = ()) -> None:
        """A new file with its header and these records on the disk, and its name, too."""
        path, chain = segment_path(self._folder, header.segment), Chain()
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
            handle = os.open(path, flags, 0o600)
        except OSError as error:
            raise self._fail(error, path) from None
        try:
            data = begin(header, chain) + b"".join(map(chain.frame, first))
            self._write(handle, data)
            self._sync(handle)
            sync_folder(self._folder)
        except OSError as error:
            os.close(handle)
            raise self._fail(error, path) from None
        self._header, self._chain, self._frame = header, chain, chain.frame
        self._records, self._size, self._reserved = len(first), len(data), 0
        old, self._handle = self._handle, handle
        if old >= 0:
            give_back(old)
            os.close(old)

    def _have_slate(self) -> Slate | None:
        """Without one an intent is in its segment before its bytes leave."""
        try:
            place = self._header.segment, self._records
            return Slate(
                self._folder, place, self._chain.last, over=self._take, commit=self._commit
            )
        except (OSError, ValueError):
            return None

    def _next_segment(self, now: int) -> None:
        self.sync()
        if self.failed:
            return
        number, last = self._header.segment + 1, self._chain.last.hex()
        header = msgspec.structs.replace(self._header, segment=number, started=now, previous=last)
        with self._disk, suppress(JournalFailed):  # which is told in `failed`
            self._begin(header)
            if self._slate is not None:
                self._slate.wipe((number, 0), self._chain.last)
                self._take_room()
                self._open_pen()

    def _take_room(self) -> None:
        """Have room kept for what comes; without it intents are written before they leave."""
        size = self._size
        if self._slate is None or self._reserved - size >= _ROOM_LOW:
            return
        with suppress(OSError):
            self._reserve(self._handle, size, _ROOM)
            self._reserved = size + _ROOM

    def sync(self) -> None:
        """Bring what the kernel has to the disk, and wait for it."""
        with self._disk:
            written, begun = self.written, self._clock.now()
            try:
                self._sync(self._handle)
                self._demand_name()
            except OSError as error:
                # The kernel may have thrown the pages away: trying again would prove nothing.
                self._fail(error)
                return
            self.syncs += 1
            self._synced, self._took = written, self._clock.now() - begun
            # What came meanwhile has waited since the sync began, at most.
            self._unsynced_since = begun if self.written != written else 0

    def _demand_name(self) -> None:
        """Raises `OSError` where file or slate is no longer at its path: the next start would not
        find what is written, and it may be another desk's folder by now."""
        if not os.path.samestat(os.stat(self.path), os.fstat(self._handle)):
            raise OSError(errno.ESTALE, "another file stands at its path")
        if (slate := self._slate) is not None:
            slate.demand_place(self._folder)

    def _keep_synced(self) -> None:
        while not self._over:
            self._asleep = True
            if self.written == self._synced:
                self._bell.get()
            self._asleep = False
            time.sleep(_GROUP_SECONDS)
            if self.written != self._synced and not self.failed and not self._over:
                self.sync()
                with self._disk:
                    self._take_room()
            elif self.failed:
                return

    def _fail(self, error: OSError, path: Path | None = None) -> JournalFailed:
        cause = error.strerror or str(error) or type(error).__name__
        failed = JournalFailed(path=str(path or self.path), cause=cause)
        if not self.failed:
            self.failed, self.cause = str(failed), cause
        self._shut_pen()
        return failed


def _check_lengths(texts: Iterable[bytes]) -> None:
    """Raises `OSError` for a record that no reader would take."""
    for text in texts:
        if len(text) > LONGEST:
            raise OSError(errno.EMSGSIZE, f"a record of more than {LONGEST} bytes")
