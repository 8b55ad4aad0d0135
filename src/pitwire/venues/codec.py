"""What a dialect is made of: asks, requests, replies, and the `Codec` that translates a connection.

House rules: those of `venues/venue.py`, which has all of this under its own name as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Protocol, TypeAlias, runtime_checkable

import msgspec

from pitwire.model.credentials import Credentials
from pitwire.model.errors import RemoteError, WireError
from pitwire.model.events import Event
from pitwire.model.instruments import Instrument
from pitwire.model.orders import AmendOrder, CancelOrder, Order, ReplaceOrder

Buffer: TypeAlias = bytes | bytearray | memoryview


class Role(StrEnum):
    """What a connection is for."""

    MARKET = "market"
    ORDERS = "orders"
    PRIVATE = "private"
    """Brings what happens on the account, where the orders connection does not."""


class Ask(msgspec.Struct, frozen=True, order=True):
    """Something wanted on a stream: a channel of the table, our symbol, and a variant.

    `option` is the channel's variant: a bar's interval (`1m`), a book's cadence (`100ms`), a
    partial book's depth (`20`); "" is the channel's default.
    """

    channel: str
    symbol: str = ""
    option: str = ""


class HttpRequest(msgspec.Struct, frozen=True):
    """A REST request as facts. `path` has no host; `query` is already encoded and signed.

    `purpose` travels with the request and comes back with its answer; `weight` is what it costs.
    `request_id` is that of a command or question which goes this way instead of over a socket, and
    the `Reply` carries it; 0 is a request of the session's own. `scope` is a `Limit` that it counts
    against beside `weight`, for a venue that limits some requests by themselves.
    """

    purpose: str
    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = {}
    body: bytes = b""
    weight: int = 1
    symbol: str = ""
    request_id: int = 0
    scope: str = ""


Outgoing: TypeAlias = bytes | HttpRequest
"""A command or question: a frame, or a request where the venue takes it over REST alone."""


class Reply(msgspec.Struct, frozen=True):
    """The venue's answer to request `request_id` (-1: to a request it could not read).

    `error` is None when the venue agreed. `events` are the facts the answer carries: for an order
    placed, its `Update` and `Fill`s; for a question, what was asked. `used_weight` is the venue's
    own count where it says, else -1.
    """

    request_id: int
    error: RemoteError | None = None
    events: tuple[Event, ...] = ()
    used_weight: int = -1
    server_time: int = 0
    """Venue time in ns where the answer states it, else 0."""
    private_key: str = ""
    """The key of the private stream, where that has a connection of its own."""
    server_step: int = 1_000_000
    """How finely `server_time` is stated, ns."""


class Further(msgspec.Struct, frozen=True):
    """What the venue wants sent before it answers request `request_id`, which goes on waiting.

    For a login in steps, or an order that is answered with a question. It leaves as soon as the
    venue's limits allow, and not at all once that request has waited too long: whoever is asked so
    late is not answered. With id 0 nobody waits, and it leaves in any case.
    """

    request_id: int
    outgoing: Outgoing


class Ended(msgspec.Struct, frozen=True):
    """The connection stands and is worth nothing any more: it is dropped, and dialled again."""

    error: WireError


class Doubted(msgspec.Struct, frozen=True):
    """The venue says that what it sends on this connection is not live: all of it is stale until
    it speaks again."""


Decoded: TypeAlias = Event | Reply | Further | Ended | Doubted
Glimpse: TypeAlias = tuple[str, int, int]
"""Of a book delta: our symbol, the venue's time in ns, the last id that it brings."""


class Codec(Protocol):
    """One connection's translator. Made by `Venue.codec`; holds symbol names and the time unit.

    Every encoder takes `request_id`, a small positive integer unique on the connection, and the
    matching `Reply` carries it back. `now` is our clock in ns plus the venue's measured offset, so
    it can be written into signed requests as it is.
    """

    # ── in ──
    def decode(self, frame: Buffer, now: int) -> Sequence[Decoded]:
        """A text or binary frame → events and replies, in order. Never raises."""
        ...

    def decode_response(
        self,
        request: HttpRequest,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        now: int,
    ) -> Sequence[Decoded]:
        """A REST answer → events and exactly one `Reply` with the request's id. Never raises.

        Headers come with lower-case names.
        """
        ...

    def decode_instruments(self, body: bytes) -> Sequence[Instrument]:
        """The body of the `instruments` request; raises `MalformedFrame` when it is not one.

        Where its answer names `Further` requests, of each of their bodies as well.
        """
        ...

    # ── streams ──
    def learn(self, instruments: Sequence[Instrument]) -> None:
        """Add symbol spellings (both ways) to what the codec knows."""
        ...

    def check(self, ask: Ask) -> None:
        """Raise `ConfigError` naming field, value and what was expected if it cannot be asked."""
        ...

    def subscribe(self, asks: Sequence[Ask], request_id: int) -> bytes: ...

    def unsubscribe(self, asks: Sequence[Ask], request_id: int) -> bytes: ...

    def ask_of(self, event: Event) -> Ask | None:
        """Which ask a decoded market event answers, or None where the event cannot tell."""
        ...

    # ── login and the private stream ──
    def login(self, credentials: Credentials, now: int, request_id: int) -> Outgoing:
        """The login of this key; for keys the venue cannot log on, a cheap signed question.

        After its positive reply the codec signs (or does not need to sign) by these credentials.
        """
        ...

    def watch_orders(self, now: int, request_id: int) -> Outgoing:
        """Ask for the private stream, or for its key (`Reply.private_key`); again, to keep it."""
        ...

    # ── commands ──
    def place(self, order: Order, now: int, request_id: int) -> Outgoing: ...

    def test_place(self, order: Order, now: int, request_id: int) -> Outgoing: ...

    def cancel(self, command: CancelOrder, now: int, request_id: int) -> Outgoing: ...

    def cancel_all(self, symbol: str, now: int, request_id: int) -> Outgoing: ...

    def replace(self, command: ReplaceOrder, now: int, request_id: int) -> Outgoing: ...

    def amend(self, command: AmendOrder, now: int, request_id: int) -> Outgoing: ...

    # ── questions ──
    def order_status(
        self, symbol: str, order_id: str, now: int, request_id: int, venue_id: str = ""
    ) -> Outgoing:
        """What became of an order: by the venue's id where that is given, else by ours."""
        ...

    def order_fills(
        self, symbol: str, order_id: str, venue_id: str, now: int, request_id: int
    ) -> Outgoing:
        """What one order traded, fill by fill, for those that a broken connection kept from us."""
        ...

    def fills_since(
        self, symbol: str, trade_id: str, since: int, now: int, request_id: int
    ) -> Outgoing:
        """What the account traded in a symbol, the oldest first.

        From this trade on; where that is "", after `since`, ns of the venue's time.
        """
        ...

    def open_orders(self, symbol: str, now: int, request_id: int) -> Outgoing:
        """`symbol` "" asks for all symbols."""
        ...

    def account(self, now: int, request_id: int) -> Outgoing: ...

    def server_time(self, now: int, request_id: int) -> Outgoing: ...

    # ── REST ──
    def ask_instruments(self, symbols: Sequence[str]) -> HttpRequest: ...

    def ask_snapshot(self, symbol: str, depth: int) -> HttpRequest: ...

    def ask_trades(self, symbol: str, from_id: int, count: int) -> HttpRequest:
        """Public trades by id, for filling a gap; its answer is `Trade`s that are `backfilled`."""
        ...

    def ask_aggregates(self, symbol: str, from_id: int, count: int) -> HttpRequest:
        """The same of aggregate trades, by the ids of their own."""
        ...

    def ask_time(self) -> HttpRequest: ...


@runtime_checkable
class DutifulCodec(Codec, Protocol):
    """The codec of a venue whose session ends unless something is said now and then."""

    def chore(self, name: str, now: int) -> Sequence[Outgoing]:
        """What is due now under this name of `Venue.chores`; nobody waits for an answer."""
        ...


@runtime_checkable
class MarginCodec(Codec, Protocol):
    """The codec of a venue where positions are held on margin."""

    def set_leverage(self, symbol: str, leverage: int, now: int, request_id: int) -> Outgoing: ...

    def arm_countdown(self, symbol: str, seconds: float, now: int, request_id: int) -> Outgoing:
        """Have the venue cancel all that is open in a symbol after this long; 0 disarms."""
        ...


@runtime_checkable
class ConditionalCodec(Codec, Protocol):
    """The codec of a venue that keeps conditional orders apart from those on the book.

    `place` and `cancel` go by the order's type. One that waits has no venue id in its `Update`s;
    `TRIGGERED` brings that of the order which it became.
    """

    def conditional_status(
        self, symbol: str, order_id: str, now: int, request_id: int
    ) -> Outgoing: ...

    def open_conditional(self, symbol: str, now: int, request_id: int) -> Outgoing:
        """Those that wait, as `open_orders` tells the others; `symbol` "" asks for all symbols."""
        ...

    def cancel_all_conditional(self, symbol: str, now: int, request_id: int) -> Outgoing: ...


@runtime_checkable
class RehearsingCodec(Codec, Protocol):
    """A codec that can write an order without remembering that it did."""

    def rehearse(self, order: Order, now: int) -> Outgoing:
        """What `place` would make of an order that never leaves."""
        ...


@runtime_checkable
class RecitingCodec(Protocol):
    """A codec that can read a frame that never came, and forget it."""

    def recite(self, now: int) -> None:
        """Read a trade as the venue would write it, of a symbol that is known."""
        ...


@runtime_checkable
class DatedCodec(Codec, Protocol):
    """The codec of a venue that tells aggregate trades by their time."""

    def ask_aggregates_since(self, symbol: str, since: int, count: int) -> HttpRequest:
        """The first aggregate trades from a time on, ns of the venue's; at most `count`."""
        ...


@runtime_checkable
class GlancingCodec(Codec, Protocol):
    """A codec that can tell which delta a frame brings without reading its levels."""

    head_bytes: int

    def head(self, frame: bytes, last_id: int) -> bytes | None:
        """The first `head_bytes` of a book delta that ends at this id, if they say so and whose it
        is: another frame that begins with them says the same. Never raises."""
        ...

    def glance(self, frame: Buffer) -> Glimpse | None:
        """What the head of a book delta says, as `decode` would; None for every other frame, and
        where that is not plain to see. Never raises."""
        ...


class CodecOptions(msgspec.Struct, frozen=True):
    """What a codec is made with. `time_unit` is `ms` or `us`."""

    role: Role
    time_unit: str = "ms"
    book_option: str = ""
