"""What a session is made of, and how it ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container, Sequence
from typing import TypeAlias

import msgspec

from pitwire.model.clock import Clock, SystemClock
from pitwire.model.credentials import GATEWAY, Credentials
from pitwire.model.entropy import Entropy
from pitwire.model.errors import ConfigError
from pitwire.model.recovery import Recovery
from pitwire.session.audience import OnEvent, OnEvents
from pitwire.session.audit import BookOf
from pitwire.session.bans import Bans
from pitwire.session.commands import ORDER_DEADLINE_SECONDS
from pitwire.session.conversation import PATIENCE_SECONDS, Conversation, ConversationOptions
from pitwire.session.ear import Tap, Witness
from pitwire.session.feed import Feed
from pitwire.session.lanes import HOLD_SECONDS
from pitwire.session.pacing import Pacing
from pitwire.session.sentinel import Sentinel
from pitwire.session.skew import Skew
from pitwire.session.writing import OnWritten
from pitwire.venues.venue import CodecOptions, Endpoints, Limit, Role, Venue
from pitwire.wire.link import Dial, Fetch, HeadedDial

KeyFinder: TypeAlias = Callable[[], Credentials | None]
"""Looks for credentials once they are needed."""
FIRST = "market-1"
"""The name of the market line that asks the venue's clock; a successor has a number after it."""
OnError: TypeAlias = Callable[[BaseException], Recovery | None]
"""Decides what to do about an error; None leaves it to the session."""


class Closed(msgspec.Struct, frozen=True):
    """Why a session ended."""

    reason: str
    error: BaseException | None = None


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """All that a session is made of."""

    venue: Venue
    endpoints: Endpoints
    dial: Dial
    fetch: Fetch
    clock: Clock
    entropy: Entropy
    credentials: Credentials | KeyFinder | None = None
    on_event: OnEvent | None = None
    on_events: OnEvents | None = None
    on_error: OnError | None = None
    tap: Tap | None = None
    witness: Witness | None = None
    lap: Clock | None = None
    on_written: OnWritten | None = None
    time_unit: str = "ms"
    book_option: str = ""
    keep_books: bool = True
    connect_attempts: int = 1
    patience_seconds: float = PATIENCE_SECONDS
    order_deadline_seconds: float = ORDER_DEADLINE_SECONDS
    """How long after its decision an order may leave."""
    asks_time: bool = True
    backfill: bool = True
    audit_books: bool = True
    """Whether live books are held against fresh snapshots now and then."""
    bans: Bans = msgspec.field(default_factory=Bans)
    """What the venue's addresses want silence for, and who else has to know."""
    book_of: BookOf | None = None
    """Where books are kept when they are not kept here."""
    urgent_books: Callable[[], Container[str]] = tuple
    """Symbols whose books are fetched before the others."""
    redundancy: int = 1
    """How many connections carry the same asks; the first to bring an event wins."""
    roll_at: int | None = None
    """Minutes after midnight UTC at which connections are replaced by new ones."""
    hold_seconds: float = HOLD_SECONDS
    """How long what one connection skipped is waited for from another."""
    doing: Callable[[], str] | None = None
    late_after_seconds: float | None = None
    """None: nobody watches whether the loop is held up."""
    release: Callable[[], Awaitable[None]] | None = None
    """Called last of all: what was opened for this session alone is closed here."""


def new_feed(setup: Setup, name: str, *, pacing: Pacing, kept: BookOf) -> Feed:
    """A feed for the lines of this name; `kept` finds the books that the session keeps itself."""
    venue = setup.venue
    feed = Feed(
        venue,
        venue.codec(CodecOptions(Role.MARKET, setup.time_unit, setup.book_option)),
        pacing=pacing,
        chance=setup.entropy.stream(f"books/{venue.name}/{name}"),
        hold_seconds=setup.hold_seconds,
        backfill=setup.backfill,
    )
    feed.books.urgent = setup.urgent_books
    if setup.audit_books and not venue.streamed_books:
        feed.audit.book_of = kept if setup.keep_books else setup.book_of
    return feed


def new_sentinel(
    setup: Setup, *, told: Callable[[str, float], None], died: Callable[[Exception], None]
) -> Sentinel | None:
    """Who notices that the loop is held up, where that is wanted."""
    if setup.late_after_seconds is None:
        return None
    return Sentinel(
        setup.clock,
        doing=setup.doing,
        told=told,
        died=died,
        late_after_seconds=setup.late_after_seconds,
        looks_on=isinstance(setup.clock, SystemClock),  # in virtual time nothing lasts
    )


def streams_limit(limits: Sequence[Limit]) -> int:
    """How many streams one connection may carry."""
    return min((limit.count for limit in limits if limit.scope == "streams"), default=1024)


def connections_limit(venue: Venue) -> int:
    """How many market connections the venue lets in at once; 0 where it does not limit them.

    Where books are counted by whoever reads them, two connections count apart: one is all.
    """
    limits = [limit.count for limit in venue.limits if limit.scope == "connections"]
    return 1 if venue.streamed_books else min(limits, default=0)


def url_of(setup: Setup, role: Role, route: str) -> str:
    """The URL of a market or orders connection; `route` names one of several market addresses."""
    venue, unit = setup.venue, setup.time_unit
    if role is Role.ORDERS:
        return venue.orders_path(setup.endpoints, unit)
    if not route:
        return venue.stream_path(setup.endpoints, unit)
    if venue.route_path is None:
        raise ConfigError(
            where=f"route_path of {venue.name}", found=None, expected=f"an address for {route!r}"
        )
    return venue.route_path(setup.endpoints, unit, route)


def dial_of(setup: Setup, role: Role) -> Dial:
    """Who opens a connection of this role: with what the venue wants to know on it."""
    headers_of = setup.venue.market_headers
    dialer: object = setup.dial
    if headers_of is None or role is not Role.MARKET or not isinstance(dialer, HeadedDial):
        return setup.dial
    return dialer.with_headers(headers_of(market_key(setup)))


def key_of(setup: Setup, known: Credentials | KeyFinder | None) -> Credentials | None:
    """Who we are, as far as that is known; nobody by name, where a venue wants no key."""
    if setup.venue.keyless:
        return known if isinstance(known, Credentials) else Credentials(GATEWAY, "")
    return known() if callable(known) else known


def market_key(setup: Setup) -> Credentials:
    """Who a market connection says we are; raises `ConfigError` where nobody is known."""
    credentials = key_of(setup, setup.credentials)
    if credentials is None:
        raise ConfigError(
            where="credentials",
            found=None,
            expected=f"an API key, without which {setup.venue.name} streams nothing",
        )
    return credentials


def new_conversation(
    setup: Setup, name: str, role: Role, feed: Feed | None, *, pacing: Pacing, skew: Skew
) -> Conversation:
    """The conversation of the line of this name."""
    stem = name.partition("/")[0]
    return Conversation(
        setup.venue,
        ConversationOptions(
            link=name,
            role=role,
            time_unit=setup.time_unit,
            book_option=setup.book_option,
            patience_seconds=setup.patience_seconds,
            order_deadline_seconds=setup.order_deadline_seconds,
            asks_time=setup.asks_time and role is Role.MARKET and stem == FIRST,
            backfill=setup.backfill,
        ),
        pacing=pacing,
        skew=skew,
        chance=setup.entropy.stream(f"books/{setup.venue.name}/{name}"),
        feed=feed,
    )
