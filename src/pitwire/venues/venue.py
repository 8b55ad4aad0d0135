"""The types of a venue's tables: one frozen `Venue` a venue, one `Codec` a connection.

House rules: nothing here or in a dialect reads a clock, a socket or chance; nothing in a decoder
raises (a bad frame becomes `Malformed`, an unknown one `Unhandled`); every byte that leaves is
made by an encoder from an ask, a command or a question.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from pitwire.market.checksum import Checksum
from pitwire.market.sequence import Continuity
from pitwire.model.credentials import Credentials
from pitwire.model.instruments import Instrument
from pitwire.model.proof import NO_PROOF, DeathProof
from pitwire.venues.codec import Ask as Ask
from pitwire.venues.codec import Buffer as Buffer
from pitwire.venues.codec import Codec as Codec
from pitwire.venues.codec import CodecOptions as CodecOptions
from pitwire.venues.codec import ConditionalCodec as ConditionalCodec
from pitwire.venues.codec import DatedCodec as DatedCodec
from pitwire.venues.codec import Decoded as Decoded
from pitwire.venues.codec import Doubted as Doubted
from pitwire.venues.codec import DutifulCodec as DutifulCodec
from pitwire.venues.codec import Ended as Ended
from pitwire.venues.codec import Further as Further
from pitwire.venues.codec import GlancingCodec as GlancingCodec
from pitwire.venues.codec import Glimpse as Glimpse
from pitwire.venues.codec import HttpRequest as HttpRequest
from pitwire.venues.codec import MarginCodec as MarginCodec
from pitwire.venues.codec import Outgoing as Outgoing
from pitwire.venues.codec import RecitingCodec as RecitingCodec
from pitwire.venues.codec import RehearsingCodec as RehearsingCodec
from pitwire.venues.codec import Reply as Reply
from pitwire.venues.codec import Role as Role


class Channel(msgspec.Struct, frozen=True):
    """One row of a venue's table of streams."""

    name: str
    """Our word: `ticker`, `trades`, `aggregate_trades`, `book`, `partial_book`, `bars`, …"""
    stream: str
    """The venue's name of it, with `{symbol}` and `{option}`."""
    default_option: str = ""
    options: tuple[str, ...] = ()
    role: Role = Role.MARKET
    event: str = ""
    """Class name of the event this channel delivers."""
    busy: bool = False
    """Whether an active symbol speaks at least once a second here."""
    every_seconds: tuple[float, ...] = ()
    """For each of `options`, how often the venue speaks whether anything has changed or not; empty
    where it tells only what has happened."""
    dense: bool = False
    """Whether the ids of a symbol's trades count by one, so that a missing one shows."""
    numbers_book: bool = False
    """Whether the `update_id` of its quotes is one of the ids by which the book's deltas count."""
    merges: bool = False
    """Whether what one event merges follows on what the one before it did, by the ids it names."""
    route: str = ""
    """Which of the venue's market addresses carries it, where there are several; see
    `Venue.route_path`."""

    def promised_seconds(self, option: str) -> float:
        """How often the venue speaks under this option, come what may; 0 where it may be silent."""
        option = option or self.default_option
        if not self.every_seconds or option not in self.options:
            return 0.0
        return self.every_seconds[self.options.index(option)]


class Endpoints(msgspec.Struct, frozen=True):
    """`market` and `orders` are WebSocket URLs, `http` is the REST root without a path."""

    market: str
    orders: str
    http: str


class Limit(msgspec.Struct, frozen=True):
    """At most `count` in any `per_seconds`. `scope` says what is counted and `per` says for whom.

    Scopes in use: `messages` (frames we send on one connection), `weight` (request weight, REST and
    WS-API together), `orders` (new orders), `dials` (connection attempts), `streams` (subscriptions
    on one connection; `per_seconds` is 0), `connections` (market connections at once; `per_seconds`
    is 0). Any other is a codec's own, for requests that the venue
    counts by themselves (`HttpRequest.scope`).
    """

    scope: str
    count: int
    per_seconds: float
    per: str = "connection"
    outlives: bool = False
    """Whether what another run has just asked may count still: the first waits for a window, and so
    does the first login for orders, behind which it is asked."""
    strict: bool = False
    """Of `weight`: whether cancels wait for it, too, since one too many is a ban for everybody."""


class Heartbeat(msgspec.Struct, frozen=True):
    """Who pings and when silence means death."""

    venue_pings_every_seconds: float
    ping_every_seconds: float
    """We send a ping of our own this often when nothing arrives."""
    answer_within_seconds: float
    max_life_seconds: float
    """The venue cuts a connection after this long."""


class Weights(msgspec.Struct, frozen=True):
    """What the questions of a stocktaking cost of the limit `weight`."""

    open_orders: int = 1
    """Of all symbols."""
    account: int = 1
    fills: int = 1
    """Of one symbol."""


class Can(msgspec.Struct, frozen=True):
    """Capabilities; what a venue cannot do is skipped by name, never guessed."""

    replace: bool = True
    amend: bool = True
    cancel_all: bool = True
    order_test: bool = True
    order_streams: bool = True
    trades_by_id: bool = True
    session_login: bool = True
    orders: bool = True
    """Whether there is an orders connection at all; where not, the venue is only watched."""
    anonymous_time: bool = True
    """Whether it tells its clock to whoever asks; where not, it is asked once we are logged in."""


class Chore(msgspec.Struct, frozen=True):
    """What a venue's session needs now and then, lest it end; see `DutifulCodec.chore`."""

    name: str
    every_seconds: float
    role: Role | None = None
    """On connections of this role alone; None: on each."""


class KeyRights(msgspec.Struct, frozen=True):
    """What a key may do besides looking."""

    may_trade: bool
    may_withdraw: bool


class AskRights(msgspec.Struct, frozen=True):
    """How a venue is asked what a key may do."""

    ask: Callable[[Credentials, int], HttpRequest]
    """(credentials, now in ns) → the request."""
    read: Callable[[bytes], KeyRights]
    """The body of a good answer → rights; raises `MalformedFrame`."""
    root: str = ""
    """The address that is asked instead of the venue's own for REST, by whoever goes to the venue's
    own addresses."""


class AskAccount(msgspec.Struct, frozen=True):
    """How a venue is asked which of its accounts a key is of."""

    ask: Callable[[Credentials, int], HttpRequest]
    """(credentials, now in ns) → the request."""
    read: Callable[[bytes], str]
    """The body of a good answer → the venue's own name of the account, "" where it tells none;
    raises `MalformedFrame`."""


class AskMode(msgspec.Struct, frozen=True):
    """How a venue is asked in which of several modes an account is."""

    ask: Callable[[Credentials, int], HttpRequest]
    """(credentials, now in ns) → the request."""
    read: Callable[[bytes], str]
    """The body of a good answer → the mode where no desk can trade in it, else ""; raises
    `MalformedFrame`."""
    expected: str
    """The mode that a desk needs, in words."""


class PrivateStream(msgspec.Struct, frozen=True):
    """A private stream with a connection of its own, under a key that must be kept alive."""

    path: Callable[[Endpoints, str], str]
    """(endpoints, key) → the URL to dial."""
    renew_every_seconds: float


class Countdown(msgspec.Struct, frozen=True):
    """A venue's timer, by symbol, that cancels all orders unless it is wound again in time."""

    seconds: float
    renew_every_seconds: float
    weight: int = 1
    """What it costs of the limit `weight` to wind or stop it once."""


class Venue(msgspec.Struct, frozen=True):
    """Everything that differs from one venue to the next."""

    name: str
    endpoints: Endpoints
    testnet: Endpoints | None
    channels: Mapping[str, Channel]
    continuity: Continuity
    """The rule by which book deltas follow one another."""
    limits: tuple[Limit, ...]
    heartbeat: Heartbeat
    can: Can
    codec: Callable[[CodecOptions], Codec]
    close_codes: Mapping[int, str]
    """WebSocket close code → `reconnect`, `policy` (three in ten minutes halt) or `halt`."""
    stream_path: Callable[[Endpoints, str], str]
    """(endpoints, time unit) → the URL to dial for a market connection with no stream yet."""
    orders_path: Callable[[Endpoints, str], str]
    """(endpoints, time unit) → the URL to dial for the orders connection."""
    one_order_at_a_time: bool = False
    """Whether a new order spoils the questions about the one before: it waits for its answer."""
    awaited: Mapping[int, float] = {}
    """HTTP status of a refused upgrade → seconds until it is tried again, where it passes once
    somebody else has acted, whatever the table of recoveries says."""
    symbol_of: Callable[[str], str] = str
    """The venue's spelling of a symbol → ours, as well as can be told without its listing."""
    acknowledge: Callable[[bytes], bytes | None] | None = None
    """An ask of ours → the venue's plain yes, for tapes that hold no answers; None: no ask."""
    snapshot_depth: int = 1000
    """Levels a side to ask a book's snapshot for."""
    shallow_depth: int = 0
    """Levels a side that are cheap to ask for when many books are wanted at once; 0: none are."""
    weights: Weights = Weights()
    fills_page: int = 0
    """Fills in an answer at most, oldest first: behind a full one those that follow are asked for;
    0: an answer holds all there are."""
    proof: DeathProof = NO_PROOF
    """What it takes for "no such order" to mean that an order was never accepted."""
    checksum: Callable[[Instrument], Checksum] | None = None
    """How the venue sums up a book, where its deltas carry the sum."""
    rights: AskRights | None = None
    """None where the venue does not say what a key may do."""
    account: AskAccount | None = None
    """None where the venue has no name of its own for an account."""
    mode: AskMode | None = None
    """None where every account is as a desk needs it."""
    route_path: Callable[[Endpoints, str, str], str] | None = None
    """(endpoints, time unit, a channel's `route` that is not "") → the URL to dial for it."""
    private: PrivateStream | None = None
    """None where the private stream comes over the orders connection."""
    market_headers: Callable[[Credentials], Mapping[str, str]] | None = None
    """What a market connection must say who it is with; None where it is nobody's."""
    streamed_books: bool = False
    """Whether a book begins with a snapshot on its stream and none is to be had over HTTP: one that
    breaks is subscribed to anew. The ids are then the codec's own count, by one."""
    market_login: bool = False
    """Whether a market connection logs in, by `Codec.login`, before it may ask for a stream."""
    countdown: Countdown | None = None
    """The venue's own dead man's timer; None where it has none."""
    keyless: bool = False
    """Whether nobody logs in with a key: whoever runs the venue's own gateway has done so there."""
    socket_time: bool = False
    """Whether a market connection asks for the time over its own socket, as the orders connection
    does: over HTTP it may be asked for too seldom."""
    listed_first: bool = False
    """Whether a symbol can be asked for only once its instrument is known, by a number."""
    asks_a_message: int = 200
    """How many asks share a message; by default as many as make a few kilobytes."""
    acknowledges: bool = True
    """Whether the venue answers an ask. Where not, its first data are its answer; one that stays
    without is asked once more, and then counts as refused."""
    configured: Callable[[Mapping[str, object]], Venue] | None = None
    """The venue by `[venue.options]`; raises `ConfigError`. None: it has no options."""
    chores: tuple[Chore, ...] = ()
    """Begun with each login; the codec is a `DutifulCodec` where there are any."""
    sign: Callable[[Credentials, bytes], str] | None = None
    """(credentials, payload) → its signature, to be held against the papers; None: nothing is
    signed, or not like that."""
