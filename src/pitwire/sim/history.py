"""A recorded market that our orders join: recorded truth for all to see, simulated fills for us.

House rules: recorded frames are handed on untouched and in their order; the recorded book is never
changed by us, only what our orders may still take of it; every fill follows the model below.

The model. Beside the recorded book stands a second one, in which the recorded size at each price is
queued as anonymous orders and ours queue among them:

* Our resting order joins behind all that is recorded at its price at that moment.
* A recorded trade at that price eats the queue from the front; what reaches us fills us. A trade
  at a worse price fills us first, at our price, by no more than its size (it traded through us).
* Where a diff says that a level shrank by more than the trades explain, somebody cancelled. How
  much of that stood ahead of us is a guess: `Cancels.PROPORTIONAL` takes it from the whole queue
  evenly (default), `BEHIND` first from behind us (pessimistic), `AHEAD` first from ahead of us.
* Where a level grew, the newcomers stand behind us.
* Our taker walks the recorded levels at their prices and sizes. What it took stays taken until a
  diff names that level again.
* Where the recorded market comes to quote through our price, we are filled at our price, by no
  more than the size that it shows there.

What such a fill cannot tell. The recorded traders did not see our order: nobody front-ran it, was
deterred by it or leaned on it, and the price never moved because of us, so large orders look far
too good. Trades and diffs come over different streams and are not in step to the millisecond; a
diff shows the sum of up to a tenth of a second, so a size that came and went inside it is unseen
and a trade that a diff already counts may be counted again until the next one. Hidden and iceberg
orders are unknown until they trade. Levels beyond the snapshot's depth are unknown until they
change. Nothing is known about what the venue would have refused. A strategy that wins here may
lose; one that loses here will not win by being faster than this model.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import TypeAlias

import msgspec

from pitwire.model.entropy import Entropy
from pitwire.sim.capture import (
    CaptureRecord,
    open_frame,
)
from pitwire.sim.exchange import Exchange
from pitwire.sim.facts import (
    Depth,
    Fact,
    LevelChanged,
    Listing,
    NewOrder,
    PublicTrade,
    Recorded,
    SimOrder,
    Status,
    Traded,
)
from pitwire.sim.filters import Ceilings
from pitwire.sim.lists import Lists
from pitwire.sim.outside import Outside
from pitwire.sim.past import Past
from pitwire.sim.queues import Cancels
from pitwire.sim.recorded_book import RecordedBook

Framed: TypeAlias = tuple[int, bytes]
"""The recorder's stamp of a frame, ns, and the frame."""
Reading: TypeAlias = tuple[RecordedBook, bool]
"""Of whom a stream tells, and whether a recorded market is made of what it says."""
NEVER = 1 << 63
_NOT_READ = frozenset(("bookTicker", "aggTrade"))
"""Streams that say nothing of what a recorded market is made of."""


def frames_of(records: Iterable[CaptureRecord], later: int = 0) -> Iterator[Framed]:
    """What came, and when, and so much later, ns."""
    for record in records:
        if record.t == "recv" and record.ts_ns is not None:
            yield record.ts_ns + later, record.data.encode()


class RecordedMarket:
    """Symbols of a recording, played at `speed` times its own pace, with an exchange's commands.

    The first call of `handle_deadline` is the moment of the first record; with `held`, the first
    one after `release`, so that a client can subscribe before anything has been said. With `begin`
    (ns) that moment is not before it, so that stamps in the frames agree with the time about them.

    `records` hold the snapshots that the books begin with, and the frames, unless these are given
    as `frames`, stamp and payload, which are taken one by one as their time comes.
    """

    def __init__(
        self,
        listings: Listing | Sequence[Listing],
        records: Sequence[CaptureRecord],
        entropy: Entropy,
        *,
        frames: Iterable[Framed] | None = None,
        speed: float = 1.0,
        cancels: Cancels = Cancels.PROPORTIONAL,
        held: bool = False,
        begin: int = 0,
    ) -> None:
        if speed <= 0:
            raise ValueError(f"speed: found {speed}, expected above zero")
        listings = [listings] if isinstance(listings, Listing) else list(listings)
        self._core = Exchange(listings, entropy=entropy)
        books = [RecordedBook(listing, self._core, cancels) for listing in listings]
        self._books = {book.symbol: book for book in books}
        self._by_stream = {book.stream: book for book in books}
        self._speed = speed
        self._held, self._begin = held, begin
        self.frames = iter(frames_of(records) if frames is None else frames)
        self.upcoming: Framed | None = next(self.frames, None)
        """The next frame; whoever takes it says so by `take`."""
        self._first = 0 if self.upcoming is None else self.upcoming[0]
        self._start = -1
        self.shift = 0
        """How much later than it was recorded a frame is played, ns, at its own pace."""
        self.due = NEVER
        """When the next frame is to be played, ns, never before the one ahead of it; `NEVER` before
        the first was, and at the end."""
        self.is_behind = False
        """Whether a frame was noted that the queues do not know of."""
        self.played = 0
        """How many frames have been played."""
        self.last_stamp = 0
        """The recorder's stamp of the last one, ns."""
        for book in books:
            self._open_book(book, records)

    @property
    def keeps_pace(self) -> bool:
        """Whether it is played at its own pace."""
        return self._speed == 1

    @property
    def finished(self) -> bool:
        """Whether the last frame has been played."""
        return self.upcoming is None

    @property
    def gaps(self) -> int:
        """Recorded diffs that did not follow the one before."""
        return sum(book.gaps for book in self._books.values())

    def next_deadline(self) -> int | None:
        """When `handle_deadline` should next be called; 0 (at once) before the first time."""
        due = self._core.next_deadline()
        if self._held or self.upcoming is None:
            return due
        at = self.due if self._start >= 0 else self._begin
        return at if due is None or at < due else due

    def next_schedule(self) -> int | None:
        """When something else is due here than a frame."""
        return self._core.next_deadline()

    def handle_deadline(self, now: int) -> None:
        """Play every frame that is due."""
        self._core.handle_deadline(now)
        if self._held or (self._start < 0 and now < self._begin):
            return
        if self._start < 0:
            self._start = now
            self.shift = now - self._first
            self.due = NEVER if self.upcoming is None else now
        attended = self.is_attended
        if attended:
            self._settle(now)
        while self.due <= now:
            self._play(now, attended)

    def slow_down(self, now: int) -> None:
        """Put off what should have been played before `now` to then, and all that follows with it.

        For a machine that cannot keep the pace: the recording falls behind and is played in
        portions, where it would otherwise be caught up with in one rush while nobody is served.
        """
        if self._start >= 0 and not (self.finished or self._held) and now > self.due:
            late = now - self.due
            self._start += late
            self.shift += late
            self.due = now

    def release(self) -> None:
        """Let the recording begin."""
        self._held = False

    def hush(self, is_hushed: bool) -> None:
        """Recorded frames are heard by whoever is there; there is nothing to leave out."""

    def past(self, symbol: str) -> Past:
        """What our own orders did to the second book: of the recorded one there is no past."""
        return self._core.past(symbol)

    def take_facts(self) -> list[Fact]:
        """What happened to our orders, and the recorded payloads, in order."""
        return [
            msgspec.structs.replace(fact, public=False) if isinstance(fact, Traded) else fact
            for fact in self._core.take_facts()
            if not isinstance(fact, LevelChanged)
        ]

    def book(self, symbol: str, levels: int = 0) -> Depth:
        """The recorded book, without what our orders did to it; 0 levels: all."""
        return self._book_of(symbol).depth(levels)

    def top(self, symbol: str) -> tuple[int, int, int, int]:
        """Recorded best bid, its lots, best ask, its lots; zeros for an empty side."""
        return self._book_of(symbol).top()

    def recent_trades(self, symbol: str, count: int) -> list[PublicTrade]:
        """The newest recorded trades, oldest first."""
        prints = self._book_of(symbol).prints
        return list(islice(prints, max(len(prints) - max(count, 0), 0), None))

    def trades_from(self, symbol: str, trade_id: int, count: int) -> list[PublicTrade]:
        """Recorded trades with this id and higher ones, as far as they are remembered."""
        prints = self._book_of(symbol).prints
        begin = bisect_left(prints, trade_id, key=lambda trade: trade.trade_id)
        return list(islice(prints, begin, begin + count))

    def _book_of(self, symbol: str) -> RecordedBook:
        self._core.pit(symbol)  # says what is listed, where this is not
        return self._books[symbol]

    # ── by the short way: what is due and concerns no order of ours ───────────────────────────

    @property
    def is_attended(self) -> bool:
        """Whether anything of ours is open, so that a frame may fill it."""
        for book in self._books.values():  # noqa: SIM110 - asked at each turn of a loop
            if book.is_attended:
                return True
        return False

    def take(self) -> bytes:
        """The next frame, which is due; what is said in it is still to be noted."""
        assert self.upcoming is not None, "it is due"
        self.last_stamp, raw = self.upcoming
        self.played += 1
        self.upcoming = upcoming = next(self.frames, None)
        if upcoming is None:
            self.due = NEVER
            return raw
        due = self.shift + upcoming[0]
        if self._speed != 1:
            due = self._start + round((upcoming[0] - self._first) / self._speed)
        if due > self.due:  # else the recorder's clock was set back
            self.due = due
        return raw

    def reading_of(self, stream: str) -> Reading | None:
        """Whose stream this is, and whether anything in it is to be noted; None: not of ours."""
        name, _, kind = stream.partition("@")
        book = self._by_stream.get(name)
        return None if book is None else (book, kind not in _NOT_READ)

    def note(self, book: RecordedBook, payload: bytes, now: int) -> None:
        """Note what is said while nothing of ours is open."""
        if book.note(payload, now):
            self.is_behind = True

    def follow(self, book: RecordedBook, stream: str, payload: bytes, now: int) -> bool:
        """Let what is said do to our orders what it does; whether it has come and no more."""
        facts = self._core.execution.facts
        before = len(facts)
        book.follow(payload, now)
        if not facts:
            return True
        come = Recorded(at=now, symbol=book.symbol, stream=stream, payload=payload)
        facts.insert(before, come)
        return False

    def settle(self, now: int) -> None:
        """Bring the queues up to date."""
        self._settle(now)

    # ── playing ───────────────────────────────────────────────────────────────────────────────

    def _play(self, now: int, attended: bool) -> None:
        """Play the next frame: whose it is, by its stream or by what it says, and what it says."""
        stream, payload = open_frame(self.take())
        reading = self.reading_of(stream)
        if reading is None:
            return
        book, is_read = reading
        self._core.execution.facts.append(
            Recorded(at=now, symbol=book.symbol, stream=stream, payload=payload)
        )
        if not is_read:
            return
        if not attended:
            self.note(book, payload, now)
            return
        book.follow(payload, now)

    def _settle(self, now: int) -> None:
        if self.is_behind:
            self.is_behind = False
            for book in self._books.values():
                book.settle(now)

    def _open_book(self, book: RecordedBook, records: Iterable[CaptureRecord]) -> None:
        """Begin with the first snapshot, so that orders meet a whole book from the start."""
        for record in records:
            snapshot = book.reader.read_snapshot(record)
            if snapshot is not None:
                book.open(snapshot)
                return

    @property
    def _exchange(self) -> Exchange:
        """For whoever asks or orders anything: with queues that are up to date."""
        self._settle(self._start)
        return self._core

    # ── the exchange's commands and questions, unchanged ──────────────────────────────────────

    @property
    def lists(self) -> Lists:
        return self._exchange.lists

    @property
    def ceilings(self) -> Ceilings:
        return self._exchange.ceilings

    @property
    def outside(self) -> Outside:
        return self._exchange.outside

    @property
    def listings(self) -> Mapping[str, Listing]:
        return self._core.listings

    def open_account(
        self, name: str, balances: Mapping[str, Decimal], *, unlimited: bool = False
    ) -> None:
        self._core.open_account(name, balances, unlimited=unlimited)

    def deposit(self, account: str, asset: str, amount: Decimal, now: int) -> None:
        self._core.deposit(account, asset, amount, now)

    def balances(self, account: str) -> dict[str, tuple[Decimal, Decimal]]:
        return self._core.balances(account)

    def place(self, request: NewOrder, now: int) -> SimOrder:
        return self._exchange.place(request, now)

    def check(self, request: NewOrder, now: int) -> None:
        self._core.check(request, now)

    def cancel(
        self,
        account: str,
        symbol: str,
        *,
        order_id: int | None = None,
        client_id: str = "",
        new_client_id: str = "",
        only: Status | None = None,
        now: int,
    ) -> SimOrder:
        return self._exchange.cancel(
            account,
            symbol,
            order_id=order_id,
            client_id=client_id,
            new_client_id=new_client_id,
            only=only,
            now=now,
        )

    def cancel_all(self, account: str, symbol: str, now: int) -> list[SimOrder]:
        return self._exchange.cancel_all(account, symbol, now)

    def amend(
        self,
        account: str,
        symbol: str,
        *,
        order_id: int | None,
        client_id: str,
        lots: int,
        new_client_id: str,
        now: int,
    ) -> SimOrder:
        return self._exchange.amend(
            account,
            symbol,
            order_id=order_id,
            client_id=client_id,
            lots=lots,
            new_client_id=new_client_id,
            now=now,
        )

    def order(
        self, account: str, symbol: str, *, order_id: int | None = None, client_id: str = ""
    ) -> SimOrder:
        return self._core.order(account, symbol, order_id=order_id, client_id=client_id)

    def open_orders(self, account: str, symbol: str = "") -> list[SimOrder]:
        return self._core.open_orders(account, symbol)

    def all_orders(self, account: str, symbol: str) -> list[SimOrder]:
        return self._core.all_orders(account, symbol)

    def trades_of(self, account: str, symbol: str) -> list[Traded]:
        return self._core.trades_of(account, symbol)

    def last_price(self, symbol: str) -> int:
        return self._core.last_price(symbol)

    def average_price(self, symbol: str, minutes: int, now: int) -> Decimal:
        return self._core.average_price(symbol, minutes, now)

    def set_status(self, symbol: str, status: str, now: int) -> None:
        self._core.set_status(symbol, status, now)

    def schedule_status(self, symbol: str, status: str, at: int) -> None:
        self._core.schedule_status(symbol, status, at)
