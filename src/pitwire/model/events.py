"""Every normalised fact, frozen and tagged. Times are ns since 1970-01-01 UTC.

House rules: an event points down to leaves only (so the collector may ignore it); `received` is
our clock at the border, `venue_time` is what the venue wrote, 0 where it wrote none; market
numbers are floats, owned numbers are Decimals; `symbol` is our spelling, "" where none applies.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from pitwire.model.orders import OrderType, RejectReason, Side, TimeInForce, UpdateKind
from pitwire.model.packed import Level as Level
from pitwire.model.packed import Levels as Levels


class Event(msgspec.Struct, frozen=True, gc=False, tag=True, tag_field="kind"):
    """What all events share."""

    venue: str
    symbol: str
    venue_time: int
    received: int


# ── market ────────────────────────────────────────────────────────────────────────────────────


class Trade(Event, frozen=True, gc=False, tag=True):
    """One match of a taker with a maker; `side` is the taker's.

    `backfilled` says that the connection did not bring it: it was asked for by its id afterwards,
    so it is history, in its place among the others.
    """

    price: float
    size: float
    side: Side
    trade_id: int
    backfilled: bool = False


class AggregateTrade(Event, frozen=True, gc=False, tag=True):
    """The fills of one taker at one price at one time, as the venue merged them.

    `backfilled` as with `Trade`.
    """

    price: float
    size: float
    side: Side
    aggregate_id: int
    first_id: int
    last_id: int
    backfilled: bool = False


class Quote(Event, frozen=True, gc=False, tag=True):
    """Best bid and ask at one book id (`update_id` 0 where the venue gives none).

    A side where nobody quotes has price and size 0.
    """

    bid: float
    bid_size: float
    ask: float
    ask_size: float
    update_id: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether somebody quotes on both sides; only then are its prices prices."""
        return self.bid_size > 0 < self.ask_size


class Ticker(Event, frozen=True, gc=False, tag=True):
    """Rolling statistics over `window`; fields the venue's message lacks are NaN."""

    window: str
    open: float
    high: float
    low: float
    last: float
    volume: float
    quote_volume: float
    change: float = float("nan")
    change_percent: float = float("nan")
    average: float = float("nan")
    bid: float = float("nan")
    bid_size: float = float("nan")
    ask: float = float("nan")
    ask_size: float = float("nan")
    trades: int = 0


class AveragePrice(Event, frozen=True, gc=False, tag=True):
    """Mean price over `window`."""

    window: str
    price: float


class MarkPrice(Event, frozen=True, gc=False, tag=True):
    """The price at which a derivatives venue reckons results and margin; NaN is what it left out.

    `index` is the price of what the contract is about, `settle` an estimate of the price at which
    it will be settled, `average` the mark price smoothed.
    """

    price: float
    index: float = float("nan")
    settle: float = float("nan")
    average: float = float("nan")


class Funding(Event, frozen=True, gc=False, tag=True):
    """What those who are long pay to those who are short at `due` (less than 0: the other way).

    `rate` is a fraction of the position's worth at the mark price.
    """

    rate: float
    due: int


class Liquidation(Event, frozen=True, gc=False, tag=True):
    """The venue sold (or bought) somebody's position by an order of its own: `side` is its side."""

    side: Side
    price: float
    """The order's limit."""
    average_price: float
    size: float
    filled: float
    status: str
    """The venue's word for the order's state."""


class BookSnapshot(Event, frozen=True, gc=False, tag=True):
    """A whole book, best level first on both sides, as of `last_id`.

    `depth` is how many levels a side the venue was asked for (0: all there are); levels beyond
    it are unknown, not empty.
    """

    last_id: int
    bids: Levels
    asks: Levels
    depth: int = 0


class BookDelta(Event, frozen=True, gc=False, tag=True):
    """New absolute sizes for some levels, covering ids `first_id` to `last_id` inclusive.

    `bids` and `asks` are tuples; of a binary frame they are `PackedLevels`, which equal them.
    `previous_id` is the last id of the delta before, for venues that chain that way, else 0.
    `checksum` is the venue's own sum over the book after this delta, -1 where it sends none.
    """

    first_id: int
    last_id: int
    bids: Levels
    asks: Levels
    previous_id: int = 0
    checksum: int = -1


class PartialBook(Event, frozen=True, gc=False, tag=True):
    """The top `depth` levels, complete in itself; replaces the one before."""

    last_id: int
    bids: Levels
    asks: Levels
    depth: int


class BookStale(Event, frozen=True, gc=False, tag=True):
    """The book of this symbol must not be used until the next `BookSnapshot`."""

    reason: str
    expected: int = 0
    found: int = 0


class BookAudited(Event, frozen=True, gc=False, tag=True):
    """A live book was held against a fresh snapshot, both at `book_id`.

    `difference` is "" where they agree. Where they do not, the book goes stale, and begins again
    with the snapshot.
    """

    book_id: int
    difference: str = ""


class Bar(Event, frozen=True, gc=False, tag=True):
    """Open, high, low, close of one `interval`; `closed` when no more trades can enter it."""

    interval: str
    open_time: int
    close_time: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    quote_volume: float
    trades: int
    closed: bool


class MarketStatus(Event, frozen=True, gc=False, tag=True):
    """The venue opened, halted or closed trading in this symbol."""

    status: str


# ── account ───────────────────────────────────────────────────────────────────────────────────


class Update(Event, frozen=True, gc=False, tag=True):
    """What the venue says about an order. `filled` and `filled_quote` are cumulative."""

    order_id: str
    """Client order id the order was placed with; the venue's own id as text when it had none."""
    venue_id: str
    update: UpdateKind
    side: Side | None = None
    type: OrderType | None = None
    time_in_force: TimeInForce | None = None
    price: Decimal | None = None
    size: Decimal | None = None
    filled: Decimal | None = None
    filled_quote: Decimal | None = None
    working: bool = False
    sequence: int = 0
    """The venue's execution number, rising per symbol; 0 in answers that carry none."""
    reason: RejectReason | None = None
    code: int = 0
    text: str = ""
    answers: str = ""
    """The request that this answers: `place`, `status`, …; "" if none, `desk` if none left."""
    asked: int = 0
    """When that request left, by our clock; 0 when it came by itself."""


class Fill(Event, frozen=True, gc=False, tag=True):
    """One of our orders traded. `fee` is positive when we pay."""

    order_id: str
    venue_id: str
    trade_id: str
    side: Side
    price: Decimal
    size: Decimal
    fee: Decimal
    fee_asset: str
    maker: bool


class Balance(Event, frozen=True, gc=False, tag=True):
    """Absolute amounts of one asset, in units of that asset."""

    asset: str
    free: Decimal
    locked: Decimal


class Position(Event, frozen=True, gc=False, tag=True):
    """An absolute position as the venue reports it; negative when short."""

    size: Decimal
    average_price: Decimal


class Leverage(Event, frozen=True, gc=False, tag=True):
    """Positions in this symbol are held on this multiple of what they cost."""

    leverage: int


class MarginCall(Event, frozen=True, gc=False, tag=True):
    """The venue is near to closing this position: its margin hardly covers its loss.

    `open_result` and `maintenance` (the least margin) are in the asset results are paid in.
    """

    size: Decimal
    mark_price: Decimal
    open_result: Decimal
    maintenance: Decimal


class OpenOrders(Event, frozen=True, gc=False, tag=True):
    """The venue's complete list of open orders (of `symbol`, or of all when ""), by `order_id`."""

    order_ids: tuple[str, ...]
    asked: int = 0
    """When the question left, by our clock; 0 where nobody asked."""


# ── session ───────────────────────────────────────────────────────────────────────────────────


class Opened(Event, frozen=True, gc=False, tag=True):
    """A connection stands; `attempt` counts the dials it took."""

    link: str
    attempt: int


class Authenticated(Event, frozen=True, gc=False, tag=True):
    """The venue accepted our key on this connection."""

    link: str
    account: str


class Subscribed(Event, frozen=True, gc=False, tag=True):
    """The venue confirmed this channel."""

    link: str
    channel: str


class Unsubscribed(Event, frozen=True, gc=False, tag=True):
    """The venue confirmed the end of this channel."""

    link: str
    channel: str


class Rejected(Event, frozen=True, gc=False, tag=True):
    """The venue refused something that nobody waits for, such as a subscription after a loss."""

    link: str
    what: str
    code: int
    text: str


class Lost(Event, frozen=True, gc=False, tag=True):
    """A connection ended; what was subscribed on it is silent until `Opened` and `Subscribed`."""

    link: str
    reason: str
    retry_after_seconds: float
    by_us: bool = False
    """Whether we ended it ourselves, for good."""
    covered: bool = False
    """Whether another connection carries on all that this one did: then nothing is silent."""


class Rolled(Event, frozen=True, gc=False, tag=True):
    """A connection gave way to another that already did all that it does."""

    link: str
    successor: str
    reason: str


class Lagging(Event, frozen=True, gc=False, tag=True):
    """`what` (a rule, a function, the loop) held everything up for `behind_seconds`."""

    what: str
    behind_seconds: float


class CopyConflict(Event, frozen=True, gc=False, tag=True):
    """Two connections brought different things under one `number`: `link`'s was not told.

    Told the first time for a symbol, and again each time that `count` has doubled.
    """

    link: str
    channel: str
    number: int
    told: str
    found: str
    count: int


class Behind(Event, frozen=True, gc=False, tag=True):
    """What `link` brings (or one `channel` of `symbol` on it) is old by the venue's own time.

    Told again when it has doubled, and with 0 seconds when it is over.
    """

    link: str
    channel: str
    seconds: float


class StreamDropped(Event, frozen=True, gc=False, tag=True):
    """A bounded stream dropped `count` events because its reader was slow."""

    stream: str
    count: int


class SpillFailed(Event, frozen=True, gc=False, tag=True):
    """A stream's disk refused events, or to give them back; `policy` says what it does instead."""

    stream: str
    reason: str
    policy: str


class FeedStale(Event, frozen=True, gc=False, tag=True):
    """A subscription that should be speaking has brought nothing new for `silent_seconds`."""

    channel: str
    silent_seconds: float
    why: str = "silent"
    """`silent` against its own rhythm, `unproven` since its acknowledgement, `mute` with its whole
    connection, `behind` by venue time, `paused` as we did not read, or `told` so by the venue."""


class FeedFresh(Event, frozen=True, gc=False, tag=True):
    """A stale subscription speaks again (also its first data ever)."""

    channel: str


MERGED = "merged_trades"
"""The channel of a `TradeGap` between what two aggregates merge."""


class TradeGap(Event, frozen=True, gc=False, tag=True):
    """Trades `first_missing` to `last_missing` never came, and could not be asked for in time.

    Ids of events of `channel`; under `merged_trades`, of trades that no aggregate holds. Where none
    is known they are 0 and -1: from `since` (venue time, ns) to `venue_time` trades are missing.
    """

    first_missing: int
    last_missing: int
    channel: str = "trades"
    since: int = 0


class ClockOffset(Event, frozen=True, gc=False, tag=True):
    """Venue time minus ours, with the error bound of the measurement, both in ns."""

    offset: int
    error: int


class ClockAlarm(Event, frozen=True, gc=False, tag=True):
    """Clocks disagree: the `wall` clock was moved under us, or the `venue`'s is far from ours."""

    what: str
    seconds: float
    """How far the wall clock was moved, or venue time minus ours."""


class VenueShutdown(Event, frozen=True, gc=False, tag=True):
    """The venue announced that it will drop this connection."""

    link: str


class Malformed(Event, frozen=True, gc=False, tag=True):
    """A frame that is not what the venue's documents promise; nothing of it was used."""

    channel: str
    path: str
    excerpt: str


class Unhandled(Event, frozen=True, gc=False, tag=True):
    """A well-formed message of a kind we do not know."""

    channel: str
    excerpt: str


class Unanswered(Event, frozen=True, gc=False, tag=True):
    """A request about this order got no answer in time, or an answer that proves nothing."""

    order_id: str
    what: str
    """`place`, `cancel`, `replace`, `amend` or `status`."""
    waited_seconds: float


MARKET = (
    Trade, AggregateTrade, Quote, Ticker, AveragePrice, BookSnapshot, BookDelta, PartialBook,
    BookStale, BookAudited, Bar, MarketStatus, MarkPrice, Funding, Liquidation, TradeGap,
    FeedStale, FeedFresh,
)  # fmt: skip
ACCOUNT = (Update, Fill, Balance, Position, Leverage, MarginCall, OpenOrders, Unanswered)
SESSION = (
    Opened, Authenticated, Subscribed, Unsubscribed, Rejected, Lost, Rolled, Lagging, CopyConflict,
    Behind, StreamDropped, SpillFailed, ClockOffset, ClockAlarm, VenueShutdown, Malformed,
    Unhandled,
)  # fmt: skip
EVENTS: tuple[type[Event], ...] = MARKET + ACCOUNT + SESSION
