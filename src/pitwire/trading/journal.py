"""What came that mattered, what changed, what left, what was refused: frozen records in a line.

House rules: a record holds no reference to anything that changes; the same events give the same
bytes; whoever reads the desk from outside (board, store, replay) reads this and nothing else.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol, TypeAlias

import msgspec

from pitwire.model.events import (
    Authenticated,
    Balance,
    BookStale,
    ClockOffset,
    FeedFresh,
    FeedStale,
    Fill,
    Lagging,
    Lost,
    Malformed,
    MarketStatus,
    Opened,
    OpenOrders,
    Position,
    Rejected,
    Rolled,
    SpillFailed,
    StreamDropped,
    Subscribed,
    TradeGap,
    Unanswered,
    Unhandled,
    Unsubscribed,
    Update,
    VenueShutdown,
)
from pitwire.model.orders import (
    AmendOrder,
    CancelOrder,
    Cause,
    Command,
    Order,
    ReplaceOrder,
)
from pitwire.trading.tracked import Change, Disagreement

Noted: TypeAlias = (
    Update | Fill | Balance | Position | OpenOrders | Unanswered | Opened | Authenticated
    | Subscribed | Unsubscribed | Rejected | Lost | Rolled | Lagging | StreamDropped | SpillFailed
    | ClockOffset | VenueShutdown | Malformed | Unhandled | BookStale | FeedStale | FeedFresh
    | TradeGap | MarketStatus
)  # fmt: skip
"""Events that are written down: all of the account and the sessions, and breaks of the market."""

NOTED: frozenset[type] = frozenset(
    (
        Update, Fill, Balance, Position, OpenOrders, Unanswered, Opened, Authenticated,
        Subscribed, Unsubscribed, Rejected, Lost, Rolled, Lagging, StreamDropped, SpillFailed,
        ClockOffset, VenueShutdown, Malformed, Unhandled, BookStale, FeedStale, FeedFresh, TradeGap,
        MarketStatus,
    )
)  # fmt: skip


class _Record(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="record"):
    at: int
    """Our clock, ns."""


class Came(_Record, frozen=True, kw_only=True):
    """An event that mattered."""

    event: Noted


class Decided(_Record, frozen=True, kw_only=True):
    """Risk approved this; nothing has left yet."""

    command: Order | CancelOrder | ReplaceOrder | AmendOrder


class Left(_Record, frozen=True, kw_only=True):
    """The bytes of this command went to the socket."""

    command: Order | CancelOrder | ReplaceOrder | AmendOrder


class Dropped(_Record, frozen=True, kw_only=True):
    """An approved command that never left."""

    command: Order | CancelOrder | ReplaceOrder | AmendOrder
    why: str


class Refusal(_Record, frozen=True, kw_only=True):
    """Risk said no: which limit, the value it saw, what is allowed."""

    rule: str
    symbol: str
    limit: str
    value: str
    allowed: str
    cause: Cause | None = None


class Alerted(_Record, frozen=True, kw_only=True):
    """Something a person should know."""

    text: str
    level: str = "info"
    rule: str = ""
    symbol: str = ""
    cause: Cause | None = None


class Benched(_Record, frozen=True, kw_only=True):
    """A rule raised; it is not asked again."""

    rule: str
    error: str
    text: str
    event: str = ""
    symbol: str = ""


class Halted(_Record, frozen=True, kw_only=True):
    """The kill switch was thrown."""

    reason: str
    by: str


class Resumed(_Record, frozen=True, kw_only=True):
    """A person released the kill switch."""

    by: str


class DayStarted(_Record, frozen=True, kw_only=True):
    """A UTC day began; daily results count from here."""

    day: int


class Seeded(_Record, frozen=True, kw_only=True):
    """The seed of a stream of chance."""

    name: str
    seed: int


Record: TypeAlias = (
    Came | Change | Disagreement | Decided | Left | Dropped | Refusal | Alerted | Benched
    | Halted | Resumed | DayStarted | Seeded
)  # fmt: skip


class Journal(Protocol):
    """Where records go, in order."""

    def write(self, record: Record, /) -> None: ...


class MemoryJournal:
    """Keeps the last `limit` records (0: all) in memory."""

    def __init__(self, limit: int = 0) -> None:
        self.records: deque[Record] = deque(maxlen=limit or None)

    def write(self, record: Record) -> None:
        self.records.append(record)

    def lines(self) -> bytes:
        """Everything kept, as it would stand in a file."""
        return b"".join(map(encode, self.records))


_ENCODER = msgspec.json.Encoder(decimal_format="string")
_DECODER: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record, strict=True)


def encode(record: Record) -> bytes:
    """One JSON line."""
    return _ENCODER.encode(record) + b"\n"


def decode(line: bytes) -> Record:
    """The record of one line; raises `msgspec.ValidationError` when it is none of ours."""
    return _DECODER.decode(line)


def placed(command: Command) -> Order | None:
    """The order that a command puts on the book, if it does."""
    match command:
        case Order():
            return command
        case ReplaceOrder():
            return command.order
        case CancelOrder() | AmendOrder():
            return None
