"""The interaction log: what was said between us and a venue, one JSON object a line.

House rules: an event that is not logged costs one dictionary look-up; one that is costs an append,
and is masked, encoded and written later, in `flush`; nothing secret is written; a disk that refuses
is reported once and counted, and never stops the desk.

Each line has `time` (RFC 3339, UTC, ns), `group`, `kind`, and then the record's own fields. Groups:
connection, login, subscription, error, reconnect, feed, trigger, order, fill, account, desk, frame.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self, TypeAlias

import msgspec

from pitwire.desk.masking import FIELDS, MASK, Masker
from pitwire.desk.rotating import RotatingFile
from pitwire.model import events
from pitwire.model.clock import SECOND, timestamp
from pitwire.trading import journal
from pitwire.trading.tracked import Change, Disagreement
from pitwire.wire.link import Buffer

logger = logging.getLogger("pitwire.log")

FramesChoice: TypeAlias = Literal["none", "sampled", "full"]

GROUPS: Mapping[type, str] = {
    events.Opened: "connection",
    events.VenueShutdown: "connection",
    events.ClockOffset: "connection",
    events.ClockAlarm: "error",
    events.Authenticated: "login",
    events.Subscribed: "subscription",
    events.Unsubscribed: "subscription",
    events.Rejected: "error",
    events.Malformed: "error",
    events.Unhandled: "error",
    events.Lagging: "error",
    events.CopyConflict: "error",
    events.Behind: "error",
    events.StreamDropped: "error",
    events.SpillFailed: "error",
    events.Lost: "reconnect",
    events.Rolled: "reconnect",
    events.BookStale: "feed",
    events.FeedStale: "feed",
    events.FeedFresh: "feed",
    events.TradeGap: "feed",
    events.MarketStatus: "feed",
    events.Update: "order",
    Change: "order",
    events.Unanswered: "order",
    events.OpenOrders: "order",
    events.Fill: "fill",
    events.Balance: "account",
    events.Position: "account",
    events.Leverage: "account",
    events.MarginCall: "error",
    journal.Decided: "trigger",
    journal.Alerted: "trigger",
    journal.Refusal: "trigger",
    journal.Left: "order",
    journal.Written: "order",
    journal.Dropped: "order",
    journal.Benched: "error",
    journal.Halted: "error",
    journal.Restricted: "error",
    journal.Flattening: "error",
    journal.Resumed: "error",
    journal.Armed: "desk",
    journal.Disarmed: "desk",
    journal.Asked: "desk",
    journal.Seeded: "desk",
    journal.Differed: "error",
    Disagreement: "error",
}
"""Which events and journal records are logged, and as what; not prices: the tape keeps those."""

_SECRET_KEYS = frozenset(name.lower() for name in FIELDS)

PENDING = 1024
"""Records held before `note` flushes by itself."""
PENDING_BYTES = 1 << 20
"""Frame bytes held before `frame` flushes by itself."""


class Said(NamedTuple):
    """Something that is no event: a dial, a handshake, a word from the desk."""

    at: int
    group: str
    kind: str
    facts: Mapping[str, object]


class _Frame(NamedTuple):
    at: int
    link: str
    direction: str
    number: int
    frame: bytes


class InteractionLog:
    """Writes interactions to a file; everything it is given waits until `flush`.

    It is a `trading.journal.Journal`, too. `groups` says which types are logged. `told` is called
    with every record as it is written: a console narrator, say. Without a `path` there is no file,
    and `told` is all that happens.
    """

    def __init__(
        self,
        path: str | Path | None,
        *,
        masker: Masker | None = None,
        groups: Mapping[type, str] = GROUPS,
        frames: FramesChoice = "none",
        sample_every: int = 100,
        max_bytes: int = 64 << 20,
        keep: int = 5,
        flush_after_seconds: float = 1.0,
        told: Callable[[object], None] | None = None,
    ) -> None:
        self._file = RotatingFile(path, max_bytes=max_bytes, keep=keep) if path else None
        self._masker = masker or Masker()
        self._groups = dict(groups)
        self._every = {"none": 0, "sampled": sample_every, "full": 1}[frames] if path else 0
        self._flush_after = round(flush_after_seconds * SECOND)
        self._told = told
        self._pending: list[object] = []
        self._pending_bytes = 0
        self._flushed = 0
        self._seen = {"in": 0, "out": 0}
        self._closed = False
        self.written = 0
        """Lines written."""
        self.refused = 0
        """Lines that the disk did not take."""

    @property
    def path(self) -> Path | None:
        """The file being written; full ones stand beside it, numbered."""
        return self._file.path if self._file is not None else None

    @property
    def wants_frames(self) -> bool:
        """Whether it is worth showing frames at all."""
        return self._every > 0

    def note(self, record: object) -> None:
        """Log an event or a journal record, if its type is one that is logged."""
        if type(record) in self._groups:
            self._pending.append(record)
            if len(self._pending) >= PENDING:
                self.flush()

    def write(self, record: journal.Record) -> None:
        """Log a journal record; an event inside a `Came` is logged as itself."""
        self.note(record.event if type(record) is journal.Came else record)

    def note_all(self, batch: Iterable[object]) -> None:
        """Log what is to be logged of a burst."""
        for record in batch:
            self.note(record)

    def say(self, group: str, kind: str, now: int, **facts: object) -> None:
        """Log something that is no event: `say("handshake", "Refused", now, url=…, status=403)`."""
        self._pending.append(Said(now, group, kind, facts))

    def frame(
        self, link: str, direction: str, frame: Buffer, now: int, drained: bool = True
    ) -> None:
        """Log a raw frame if it is its turn; a session takes this method as its tap.

        The bytes are copied, so a view will do.
        """
        if not self._every:
            return
        self._seen[direction] += 1
        if self._seen[direction] % self._every:
            return
        self._pending.append(_Frame(now, link, direction, self._seen[direction], bytes(frame)))
        self._pending_bytes += len(frame)
        if self._pending_bytes >= PENDING_BYTES:
            self.flush()

    def flush_due(self, now: int) -> None:
        """Flush if the last time was long enough ago; call this from a timer."""
        if now - self._flushed >= self._flush_after:
            self._flushed = now
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        batch, self._pending, self._pending_bytes = self._pending, [], 0
        if not batch or self._closed:
            return
        if self._file is not None:
            self._put(self._file, batch)
        if self._told is not None:
            for record in batch:
                self._told(record)

    def _put(self, file: RotatingFile, batch: list[object]) -> None:
        lines = b"".join(self._line(record) for record in batch)
        try:
            file.write(lines)
            self.written += len(batch)
        except OSError as error:
            if not self.refused:
                logger.error("%s: not written any more: %s", self.path, error.strerror)
            self.refused += len(batch)

    def close(self) -> None:
        """Write what waits and close the file; closing twice is harmless."""
        self.flush()
        self._closed = True
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _line(self, record: object) -> bytes:
        match record:
            case Said(at, group, kind, facts):
                fields = _plain(facts)
            case _Frame(at, link, direction, number, frame):
                group, kind = "frame", "Frame"
                fields = {"link": link, "direction": direction, "number": number, "frame": frame}
            case _:
                group, kind = self._groups[type(record)], type(record).__name__
                fields, at = _plain(record), _stamp(record)
        head = {"time": timestamp(at), "group": group, "kind": kind}
        # Fields at their defaults say nothing: a line holds what happened.
        telling = {name: value for name, value in fields.items() if value not in ("", None, [])}
        return msgspec.json.encode({**head, **self._masked(telling), **head}) + b"\n"

    def _masked(self, value: Any) -> Any:
        match value:
            case str() | bytes():
                return self._masker(value)
            case dict():
                return {
                    self._masker(key): MASK if key.lower() in _SECRET_KEYS else self._masked(item)
                    for key, item in value.items()
                }
            case list() | tuple():
                return [self._masked(item) for item in value]
            case _:
                return value


def _plain(record: object) -> dict[str, Any]:
    # Bytes stay bytes, so that the masker sees them as the text they are.
    tree: dict[str, Any] = msgspec.to_builtins(
        record, str_keys=True, builtin_types=(bytes,), enc_hook=str
    )
    tree.pop("record", None)  # the journal's tag; `kind` says the same
    return tree


def _stamp(record: object) -> int:
    for name in ("received", "at", "now", "time"):
        if isinstance(stamp := getattr(record, name, None), int):
            return stamp
    return 0
