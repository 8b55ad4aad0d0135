"""`connect_to_websocket`: pick the venue, dial, hand back an open `Session`."""

from __future__ import annotations

from collections.abc import Callable, Container, Generator, Mapping
from typing import Any

from pitwire.model.clock import Clock, SystemClock
from pitwire.model.credentials import Credentials
from pitwire.model.entropy import Entropy, system_seed
from pitwire.model.errors import ConfigError, DialFailed
from pitwire.session.audience import OnEvent, OnEvents
from pitwire.session.audit import BookOf
from pitwire.session.bans import Bans
from pitwire.session.commands import ORDER_DEADLINE_SECONDS
from pitwire.session.conversation import PATIENCE_SECONDS
from pitwire.session.ear import Tap, Witness
from pitwire.session.lanes import HOLD_SECONDS
from pitwire.session.schedule import MOST_COPIES, parse_roll_at
from pitwire.session.sentinel import LATE_AFTER_SECONDS
from pitwire.session.session import Session
from pitwire.session.setup import KeyFinder, OnError, Setup, connections_limit
from pitwire.session.writing import OnWritten
from pitwire.venues.registry import find_venue
from pitwire.venues.venue import Endpoints, Venue
from pitwire.wire.http import HttpClient
from pitwire.wire.link import Dial, Fetch, HttpAnswer
from pitwire.wire.names import Names
from pitwire.wire.websocket import WebSocketDialer

MOST_HOLD_SECONDS = 10.0


class Connecting:
    """A connection about to be made: `await` it, or enter it with `async with`."""

    def __init__(self, build: Callable[[], Session]) -> None:
        self._build = build
        self._session: Session | None = None

    def __await__(self) -> Generator[Any, None, Session]:
        return self._open().__await__()

    async def __aenter__(self) -> Session:
        self._session = await self._open()
        return self._session

    async def __aexit__(self, *exc: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def _open(self) -> Session:
        session = self._build()
        try:
            return await session.open()
        except BaseException:
            await session.close()
            raise


def connect_to_websocket(
    venue: str | Venue = "binance",
    *,
    endpoints: Endpoints | None = None,
    testnet: bool = False,
    dial: Dial | None = None,
    fetch: Fetch | None = None,
    credentials: Credentials | KeyFinder | None = None,
    on_event: OnEvent | None = None,
    on_events: OnEvents | None = None,
    on_error: OnError | None = None,
    clock: Clock | None = None,
    entropy: Entropy | None = None,
    time_unit: str = "ms",
    book_option: str = "",
    keep_books: bool = True,
    tap: Tap | None = None,
    witness: Witness | None = None,
    carry: Callable[[Fetch], Fetch] | None = None,
    lap: Clock | None = None,
    on_written: OnWritten | None = None,
    connect_attempts: int = 1,
    patience_seconds: float = PATIENCE_SECONDS,
    order_deadline_seconds: float = ORDER_DEADLINE_SECONDS,
    asks_time: bool = True,
    backfill: bool = True,
    audit_books: bool = True,
    book_of: BookOf | None = None,
    urgent_books: Callable[[], Container[str]] = tuple,
    redundancy: int = 1,
    roll_at: str = "",
    hold_seconds: float = HOLD_SECONDS,
    doing: Callable[[], str] | None = None,
    late_after_seconds: float | None = None,
    bans: Bans | None = None,
    plain_text: bool = False,
) -> Connecting:
    """Connect to a venue: `await` it for an open `Session`, or use it with `async with`.

    Raises `DialFailed` when the first connection does not come about in `connect_attempts` dials;
    after that a lost connection is dialled again without end.

    Args:
        venue: a name, or a `Venue` of your own.
        endpoints: other addresses than the venue's own, such as a simulator's.
        testnet: the venue's own testing addresses.
        dial: opens links; sockets by default.
        fetch: carries HTTP requests. With a `dial` of your own and no `fetch`, none are carried.
        credentials: for `authenticate_websocket`, which needs none then; or a function that
            finds them when they are needed.
        on_event: called with each event.
        on_events: called with each frame's events, the time and whether a burst ends here.
        on_error: decides what to do about an error; returning None leaves it to the session.
        clock: tells the time; the system's by default.
        entropy: seeds the delays; fresh from the system by default.
        time_unit: `ms` or `us`, the unit the venue is asked to speak in.
        book_option: the variant of the `book` channel that is meant where none is named.
        keep_books: whether `Session.book` keeps an `OrderBook` for each subscribed book.
        tap: sees every frame, in and out.
        witness: sees connections come and go, and bursts that end without a frame.
        carry: makes of the function that carries HTTP requests one that also does something else.
        lap: stamps the moments of an order's way out.
        on_written: called with the id of each order that goes over HTTP and the time at which its
            bytes went to the socket; not by a `fetch` of your own that does not say.
        connect_attempts: dials before the first connection counts as failed.
        patience_seconds: how long the venue's answer to a request may take.
        order_deadline_seconds: an order that has not left so long after the `now` it was given
            with, because of the venue's limit, a ban, a pause or a dial, never leaves.
        asks_time: whether the venue's clock is asked for over HTTP now and then.
        backfill: whether missing trades are asked for over HTTP, by id, and put in their place;
            those after them wait up to two seconds. If not, a gap is named at once.
        audit_books: whether live books are held against fresh snapshots now and then, within a
            tenth of the venue's weight limit; the outcome is a `BookAudited`.
        book_of: finds the live book of a symbol where you keep it, with `keep_books=False`: without
            it none is audited.
        urgent_books: names the symbols whose books are fetched first when many are wanted.
        redundancy: how many connections carry the same subscriptions; of what they bring, the first
            copy counts, and while one of them stands nothing is missed.
        roll_at: a time of day in UTC, as 04:30, at which connections are replaced by new ones
            without a break; they are in any case before the venue's own limit.
        hold_seconds: with several connections, how long what one has skipped is waited for from
            another before it counts as missing.
        doing: names what your own functions are at, for whoever asks who holds the loop up.
        late_after_seconds: a loop held up for longer is told of, as `Lagging`; by default a
            second, and never in virtual time.
        bans: what the venue's addresses want silence for, shared with other sessions by giving each
            the same `pitwire.session.bans.Bans`; while a ban lasts, nothing is dialled or asked.
        plain_text: whether `ws://` and `http://` may lead to other machines than this one; it has
            no say in a `dial` or `fetch` of your own.
    """
    _check_unit(time_unit)
    found = find_venue(venue) if isinstance(venue, str) else venue
    _check_counts(connect_attempts, redundancy, hold_seconds, found)
    minutes, time = parse_roll_at(roll_at), clock or SystemClock()
    late_after_seconds = _late_after(late_after_seconds, time)
    addresses = endpoints or (_testnet(found) if testnet else found.endpoints)
    fetches = dial is None or fetch is not None

    def build() -> Session:
        names, ours = Names(), dial is None and fetch is None
        client = _client(names, order_deadline_seconds, plain_text=plain_text) if ours else None
        carried = fetch or (client.fetch if client is not None else _no_fetch)
        return Session(
            Setup(
                venue=found,
                endpoints=addresses,
                dial=_dialer(dial, found, names, plain_text),
                fetch=carried if carry is None else carry(carried),
                clock=time,
                entropy=entropy or Entropy(system_seed()),
                credentials=credentials,
                on_event=on_event,
                on_events=on_events,
                on_error=on_error,
                tap=tap,
                witness=witness,
                lap=lap,
                on_written=on_written,
                time_unit=time_unit,
                book_option=book_option,
                keep_books=keep_books,
                connect_attempts=connect_attempts,
                patience_seconds=patience_seconds,
                order_deadline_seconds=order_deadline_seconds,
                asks_time=asks_time and fetches,
                backfill=backfill and fetches,
                audit_books=audit_books and fetches,
                book_of=book_of,
                urgent_books=urgent_books,
                redundancy=redundancy,
                roll_at=minutes,
                hold_seconds=hold_seconds,
                doing=doing,
                late_after_seconds=late_after_seconds,
                bans=bans or Bans(),
                release=client.close if client is not None else None,
            )
        )

    return Connecting(build)


def _dialer(dial: Dial | None, venue: Venue, names: Names, plain_text: bool) -> Dial:
    """Pings that come fast are answered together, well within the venue's limit on messages.

    One answer while as many windows pass as a window has messages: what a stalled line keeps back
    and then brings at once is within the limit too.
    """
    dialer = dial or WebSocketDialer(names=names, plain_text=plain_text)
    if not isinstance(dialer, WebSocketDialer):
        return dialer
    limits = (one for one in venue.limits if one.scope == "messages" and one.per_seconds)
    apart = max((one.count * one.per_seconds for one in limits), default=0.0)
    return dialer.with_pongs_apart(apart)


def _client(names: Names, order_deadline_seconds: float, *, plain_text: bool) -> HttpClient:
    leaves = order_deadline_seconds
    return HttpClient(names=names, plain_text=plain_text, leaves_within_seconds=leaves)


def _check_unit(time_unit: str) -> None:
    if time_unit not in ("ms", "us"):
        raise ConfigError(where="time_unit", found=time_unit, expected="ms or us")


def _check_counts(
    connect_attempts: int, redundancy: int, hold_seconds: float, venue: Venue
) -> None:
    if connect_attempts < 1:
        raise ConfigError(where="connect_attempts", found=connect_attempts, expected="1 or more")
    if type(redundancy) is not int or not 1 <= redundancy <= MOST_COPIES:
        expected = f"1 to {MOST_COPIES}"
        raise ConfigError(where="redundancy", found=redundancy, expected=expected)
    most = connections_limit(venue)
    if most and redundancy > most:
        expected = f"{most}: {venue.name} lets in no more market connections at once"
        raise ConfigError(where="redundancy", found=redundancy, expected=expected)
    if not 0 <= hold_seconds <= MOST_HOLD_SECONDS:
        expected = f"0 to {MOST_HOLD_SECONDS:g}"
        raise ConfigError(where="hold_seconds", found=hold_seconds, expected=expected)


def _late_after(seconds: float | None, clock: Clock) -> float | None:
    if seconds is None:
        return LATE_AFTER_SECONDS if isinstance(clock, SystemClock) else None
    if seconds <= 0:
        expected = "more than zero seconds"
        raise ConfigError(where="late_after_seconds", found=seconds, expected=expected)
    return seconds


def _testnet(venue: Venue) -> Endpoints:
    if venue.testnet is None:
        raise ConfigError(where="testnet", found=True, expected=f"False: {venue.name} has none")
    return venue.testnet


async def _no_fetch(
    method: str,
    url: str,
    _headers: Mapping[str, str],
    _body: bytes,
) -> HttpAnswer:
    cause = f"no {method}: a dial of our own was given, but no fetch"
    raise DialFailed(address=url.partition("?")[0], cause=cause)
