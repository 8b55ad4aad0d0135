"""What came that mattered, what changed, what left, what was refused: frozen records in a line.

House rules: a record holds no reference to anything that changes; the same events give the same
bytes; whoever reads the desk from outside (board, store, replay) reads this and nothing else.
"""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import Protocol, TypeAlias

import msgspec

from pitwire.model.events import (
    Authenticated,
    Balance,
    Behind,
    BookStale,
    ClockAlarm,
    ClockOffset,
    CopyConflict,
    FeedFresh,
    FeedStale,
    Fill,
    Lagging,
    Leverage,
    Lost,
    Malformed,
    MarginCall,
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
from pitwire.model.proof import NO_PROOF, DeathProof
from pitwire.trading.tracked import Change, Disagreement

Noted: TypeAlias = (
    Update | Fill | Balance | Position | Leverage | MarginCall | OpenOrders | Unanswered | Opened
    | Authenticated | Subscribed | Unsubscribed | Rejected | Lost | Rolled | Lagging | Behind
    | StreamDropped
    | SpillFailed | ClockOffset | ClockAlarm | VenueShutdown | Malformed | Unhandled | BookStale
    | FeedStale | FeedFresh | CopyConflict
    | TradeGap | MarketStatus
)  # fmt: skip
"""Events that are written down: all of the account and the sessions, and breaks of the market."""

NOTED: frozenset[type] = frozenset(
    (
        Update, Fill, Balance, Position, Leverage, MarginCall, OpenOrders, Unanswered, Opened,
        Authenticated, Subscribed, Unsubscribed, Rejected, Lost, Rolled, Lagging, Behind,
        StreamDropped,
        SpillFailed, ClockOffset, ClockAlarm, VenueShutdown, Malformed, Unhandled, BookStale,
        FeedStale, FeedFresh, TradeGap, CopyConflict,
        MarketStatus,
    )
)  # fmt: skip


class _Record(msgspec.Struct, frozen=True, gc=False, tag=True, tag_field="record"):
    at: int
    """Our clock, ns."""


class Came(_Record, frozen=True, gc=False, kw_only=True):
    """An event that mattered."""

    event: Noted


class Decided(_Record, frozen=True, gc=False):
    """Risk approved this; nothing has left yet."""

    command: Order | CancelOrder | ReplaceOrder | AmendOrder
    bid: float = 0.0
    """Best bid and ask when it was decided, for an order; 0 where nobody quoted."""
    ask: float = 0.0


class Left(_Record, frozen=True, gc=False, kw_only=True):
    """The bytes of this command went to the socket."""

    command: Order | CancelOrder | ReplaceOrder | AmendOrder
    sent: int = 0
    """Our clock after the socket write, ns; 0 while pacing still holds it back, and over HTTP."""


class Written(_Record, frozen=True, gc=False, kw_only=True):
    """The bytes of an order that goes over HTTP went to the socket now; its `Left`, which stands
    before, could not know when."""

    order_id: str
    symbol: str


class Dropped(_Record, frozen=True, gc=False, kw_only=True):
    """An approved command that never left."""

    command: Order | CancelOrder | ReplaceOrder | AmendOrder
    why: str


class Refusal(_Record, frozen=True, gc=False, kw_only=True):
    """Risk said no: which limit, the value it saw, what is allowed."""

    rule: str
    symbol: str
    limit: str
    value: str
    allowed: str
    cause: Cause | None = None


class Alerted(_Record, frozen=True, gc=False, kw_only=True):
    """Something a person should know."""

    text: str
    level: str = "info"
    rule: str = ""
    symbol: str = ""
    cause: Cause | None = None


class Benched(_Record, frozen=True, gc=False, kw_only=True):
    """A rule raised; it is not asked again."""

    rule: str
    error: str
    text: str
    event: str = ""
    symbol: str = ""


class Halted(_Record, frozen=True, gc=False, kw_only=True):
    """The kill switch was thrown."""

    reason: str
    by: str


class Resumed(_Record, frozen=True, gc=False, kw_only=True):
    """A person released the kill switch."""

    by: str


class Restricted(_Record, frozen=True, gc=False, kw_only=True):
    """From here on only orders that reduce a position may leave, until a person resumes."""

    reason: str
    by: str


class Flattening(_Record, frozen=True, gc=False, kw_only=True):
    """A person had positions closed in a halt: orders that reduce them may leave until it ends."""

    by: str


class Armed(_Record, frozen=True, gc=False, kw_only=True):
    """From here on orders may leave: everything that a start has to find out is found out."""

    by: str


class Disarmed(_Record, frozen=True, gc=False, kw_only=True):
    """From here on no order leaves: the desk ends, or its arming is over."""

    reason: str


class Asked(_Record, frozen=True, gc=False, kw_only=True):
    """A person asked for something at the desk's door; what came of it follows."""

    do: str
    by: str
    reason: str = ""
    key: str = ""
    """The same key again is the same decision, and is carried out once."""


class DayStarted(_Record, frozen=True, gc=False, kw_only=True):
    """A UTC day began; daily results count from here.

    Said again of the same day where a position had no price when it began.
    """

    day: int
    results: dict[str, Decimal] = {}
    """The result by quote asset at that moment, which depends on prices of the market."""
    unpriced: tuple[str, ...] = ()
    """Symbols held then whose price is not known yet; they count from their first one on."""
    left: int = -1
    """The day that a clock set back has left, which begins no second time; -1: none."""


class Started(_Record, frozen=True, gc=False, kw_only=True):
    """A run began: what stood on its way before it is unknown now."""

    prefix: str
    """What every order id of this installation and account begins with."""
    epoch: int
    mode: str = ""
    program: str = ""
    """The version that ran."""
    proof: DeathProof = NO_PROOF
    """What this venue's "no such order" is worth."""


class OrdersLost(_Record, frozen=True, gc=False, kw_only=True):
    """The connection that carries commands broke; what was sent and not answered is unknown."""


class Differed(_Record, frozen=True, gc=False, kw_only=True):
    """What we count and what the venue says do not agree, and nothing on its way explains it.

    `ours` and `theirs` the same: they agree again. Somebody else did it, or we miss something; it
    is never folded in.
    """

    what: str
    """`balance` or `position`."""
    name: str
    """The asset, or the symbol."""
    ours: Decimal
    theirs: Decimal


class Seeded(_Record, frozen=True, gc=False, kw_only=True):
    """The seed of a stream of chance."""

    name: str
    seed: int


Record: TypeAlias = (
    Came | Change | Disagreement | Decided | Left | Written | Dropped | Refusal | Alerted | Benched
    | Halted | Resumed | Restricted | Flattening | Armed | Disarmed | Asked | DayStarted | Started
    | OrdersLost | Differed | Seeded
)  # fmt: skip


class Journal(Protocol):
    """Where records go, in order."""

    def write(self, record: Record, /) -> None: ...


class DurableJournal(Journal, Protocol):
    """A journal that brings what matters out of the process before it has consequences."""

    failed: str
    """Why it takes nothing any more; "" while it does."""

    def commit(self) -> str:
        """Make every intent written so far outlive this process; `failed` as it is then.

        Called before the bytes of a command leave.
        """

    def settle(self) -> None:
        """The burst is over: hand on the rest of what was written."""

    def tend(self, now: int) -> None:
        """Now and then, when there is time."""

    @property
    def behind_seconds(self) -> float:
        """How long the oldest record has waited to be synced; 0 when none does."""


class Volatile:
    """Stands where a desk keeps no journal on disk: nothing to commit, nothing to fail."""

    failed = ""
    behind_seconds = 0.0

    def write(self, record: Record) -> None: ...

    def commit(self) -> str:
        return ""

    def settle(self) -> None: ...

    def tend(self, now: int) -> None: ...


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


payload = _ENCODER.encode
"""A record as JSON, with no line break; numbers that we own as strings, digit by digit."""
payload_into = _ENCODER.encode_into
"""The same into a bytearray, which is as long as the record afterwards."""


def sayable(record: Record) -> bytes:
    """The same for a record with text that UTF-8 cannot say, which is spelt out in ASCII."""
    return _ENCODER.encode(sayable_value(msgspec.to_builtins(record)))


UNSAID = "no reason given"
"""Of a halt: whether there is one is asked by its reason, so none may be empty."""


def sayable_text(text: str) -> str:
    """The text, with what UTF-8 cannot say (half a surrogate pair) spelt out in ASCII."""
    return text.encode("utf-8", "backslashreplace").decode()


def sayable_value(value: object) -> object:
    """The same for every text within what JSON is made of."""
    match value:
        case str():
            return sayable_text(value)
        case dict():
            return {sayable_value(key): sayable_value(item) for key, item in value.items()}
        case list() | tuple():
            return [sayable_value(item) for item in value]
        case _:
            return value


def encode(record: Record) -> bytes:
    """One JSON line."""
    return payload(record) + b"\n"


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
