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
from collections import deque
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import islice

import msgspec

from pitwire.model.entropy import Entropy
from pitwire.model.orders import Side
from pitwire.sim.capture import CaptureRecord, Diff, Envelope, Print, Reader, open_envelope
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
from pitwire.sim.lists import Lists
from pitwire.sim.pit import KEPT_TRADES
from pitwire.sim.queues import Cancels, Queues


class _Book:
    """What is recorded of one symbol: its book and trades so far, and the queues of our orders."""

    def __init__(self, listing: Listing, exchange: Exchange, cancels: Cancels) -> None:
        name = f"{listing.base}{listing.quote}"
        self.symbol = listing.symbol
        self.reader = Reader(tick=listing.tick, lot=listing.lot, name=name)
        self.queues = Queues(exchange, listing.symbol, cancels)
        self.stream = name.lower()
        """What the names of its streams begin with."""
        self.last_id = 0
        self.prints: deque[PublicTrade] = deque(maxlen=KEPT_TRADES)
        self.levels: dict[Side, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}

    def set_level(self, side: Side, price: int, lots: int, now: int) -> None:
        """The recorded size at a price is now this."""
        if lots:
            self.levels[side][price] = lots
        else:
            self.levels[side].pop(price, None)
        self.queues.set_level(side, price, lots, now)


class RecordedMarket:
    """Symbols of a capture, played at `speed` times its own pace, with an exchange's commands.

    The first call of `handle_deadline` is the moment of the first record; with `held`, the first
    one after `release`, so that a client can subscribe before anything has been said. With `begin`
    (ns) that moment is not before it, so that stamps in the frames agree with the time about them.
    """

    def __init__(
        self,
        listings: Listing | Sequence[Listing],
        records: Sequence[CaptureRecord],
        entropy: Entropy,
        *,
        speed: float = 1.0,
        cancels: Cancels = Cancels.PROPORTIONAL,
        held: bool = False,
        begin: int = 0,
    ) -> None:
        if speed <= 0:
            raise ValueError(f"speed: found {speed}, expected above zero")
        listings = [listings] if isinstance(listings, Listing) else list(listings)
        self._exchange = Exchange(listings, entropy=entropy)
        books = [_Book(listing, self._exchange, cancels) for listing in listings]
        self._books = {book.symbol: book for book in books}
        self._by_stream = {book.stream: book for book in books}
        self._speed = speed
        self._held, self._begin = held, begin
        self._frames = [
            record for record in records if record.t == "recv" and record.ts_ns is not None
        ]
        self._next = 0
        self._offset = 0
        """How long after the first record the next one is due, ns."""
        self._start = -1
        self.gaps = 0
        """Recorded diffs that did not follow the one before; the book then goes on as it can."""
        for book in books:
            self._open_book(book, records)

    @property
    def finished(self) -> bool:
        """Whether the last record has been played."""
        return self._next == len(self._frames)

    @property
    def played(self) -> int:
        """How many records have been played."""
        return self._next

    def __len__(self) -> int:
        """How many records there are to play."""
        return len(self._frames)

    def next_deadline(self) -> int | None:
        """When `handle_deadline` should next be called; 0 (at once) before the first time."""
        due = self._exchange.next_deadline()
        if self._held or self._next == len(self._frames):
            return due
        at = self._start + self._offset if self._start >= 0 else self._begin
        return at if due is None or at < due else due

    def handle_deadline(self, now: int) -> None:
        """Play every record that is due."""
        self._exchange.handle_deadline(now)
        if self._held or (self._start < 0 and now < self._begin):
            return
        if self._start < 0:
            self._start = now
        frames = self._frames
        while self._next < len(frames) and self._start + self._offset <= now:
            record = frames[self._next]
            self._next += 1
            self._offset = self._offset_of(self._next)
            self._play(record, now)

    def slow_down(self, now: int) -> None:
        """Put off what should have been played before `now` to then, and all that follows with it.

        For a machine that cannot keep the pace: the recording falls behind and is played in
        portions, where it would otherwise be caught up with in one rush while nobody is served.
        """
        if self._start >= 0 and not (self.finished or self._held):
            self._start += max(0, now - self._start - self._offset)

    def release(self) -> None:
        """Let the recording begin."""
        self._held = False

    def take_facts(self) -> list[Fact]:
        """What happened to our orders, and the recorded payloads, in order."""
        return [
            msgspec.structs.replace(fact, public=False) if isinstance(fact, Traded) else fact
            for fact in self._exchange.take_facts()
            if not isinstance(fact, LevelChanged)
        ]

    def book(self, symbol: str, levels: int = 0) -> Depth:
        """The recorded book, without what our orders did to it; 0 levels: all."""
        found = self._book_of(symbol)
        bids = sorted(found.levels[Side.BUY].items(), reverse=True)
        asks = sorted(found.levels[Side.SELL].items())
        if levels:
            bids, asks = bids[:levels], asks[:levels]
        return Depth(update_id=found.last_id, bids=bids, asks=asks)

    def top(self, symbol: str) -> tuple[int, int, int, int]:
        """Recorded best bid, its lots, best ask, its lots; zeros for an empty side."""
        levels = self._book_of(symbol).levels
        bids, asks = levels[Side.BUY], levels[Side.SELL]
        bid, ask = max(bids, default=0), min(asks, default=0)
        return bid, bids.get(bid, 0), ask, asks.get(ask, 0)

    def recent_trades(self, symbol: str, count: int) -> list[PublicTrade]:
        """The newest recorded trades, oldest first."""
        prints = self._book_of(symbol).prints
        return list(islice(prints, max(len(prints) - max(count, 0), 0), None))

    def trades_from(self, symbol: str, trade_id: int, count: int) -> list[PublicTrade]:
        """Recorded trades with this id and higher ones, as far as they are remembered."""
        prints = self._book_of(symbol).prints
        begin = bisect_left(prints, trade_id, key=lambda trade: trade.trade_id)
        return list(islice(prints, begin, begin + count))

    def _book_of(self, symbol: str) -> _Book:
        self._exchange.pit(symbol)  # says what is listed, where this is not
        return self._books[symbol]

    # ── playing ───────────────────────────────────────────────────────────────────────────────

    def _offset_of(self, index: int) -> int:
        if index == len(self._frames):
            return 0
        first, this = self._frames[0].ts_ns, self._frames[index].ts_ns
        assert first is not None
        assert this is not None
        return round((this - first) / self._speed)

    def _play(self, record: CaptureRecord, now: int) -> None:
        envelope = open_envelope(record.data)
        book, said = self._read(envelope)
        if book is None:
            return
        self._exchange.execution.facts.append(
            Recorded(at=now, symbol=book.symbol, stream=envelope.stream, payload=envelope.payload)
        )
        match said:
            case Diff() as diff:
                self._apply(book, diff, now)
            case Print() as seen:
                print_of = PublicTrade(seen.trade_id, seen.price, seen.lots, seen.at, seen.side)
                book.prints.append(print_of)
                book.queues.trade(seen.side, seen.price, seen.lots, now)
            case None:
                pass

    def _read(self, envelope: Envelope) -> tuple[_Book | None, Diff | Print | None]:
        """Whose a frame is, by its stream or by what it says, and what it says."""
        if envelope.stream:
            book = self._by_stream.get(envelope.stream.partition("@")[0])
            return book, None if book is None else book.reader.read(envelope.payload)
        for book in self._books.values():
            said = book.reader.read(envelope.payload)
            if said is not None:
                return book, said
        return next(iter(self._books.values())), None

    def _apply(self, book: _Book, diff: Diff, now: int) -> None:
        """binance §4.1: what the book already counts is passed over."""
        if diff.last <= book.last_id:
            return
        if book.last_id and diff.first > book.last_id + 1:
            self.gaps += 1
        book.last_id = diff.last
        changes = [(Side.BUY, *level) for level in diff.bids]
        changes += [(Side.SELL, *level) for level in diff.asks]
        # What went away goes first, or a quote that moved would for a moment cross itself.
        changes.sort(key=lambda change: change[2] > book.levels[change[0]].get(change[1], 0))
        for side, price, lots in changes:
            book.set_level(side, price, lots, now)
        book.queues.uncross(now)

    def _open_book(self, book: _Book, records: Sequence[CaptureRecord]) -> None:
        """Begin with the first snapshot, so that orders meet a whole book from the start."""
        for record in records:
            snapshot = book.reader.read_snapshot(record)
            if snapshot is not None:
                break
        else:
            return
        book.last_id = snapshot.last
        for side, levels in ((Side.BUY, snapshot.bids), (Side.SELL, snapshot.asks)):
            for price, lots in levels:
                book.set_level(side, price, lots, 0)
        pit = self._exchange.pit(book.symbol)
        pit.last = pit.last or (snapshot.bids[0][0] if snapshot.bids else 0)

    # ── the exchange's commands and questions, unchanged ──────────────────────────────────────

    @property
    def lists(self) -> Lists:
        return self._exchange.lists

    @property
    def listings(self) -> Mapping[str, Listing]:
        return self._exchange.listings

    def open_account(
        self, name: str, balances: Mapping[str, Decimal], *, unlimited: bool = False
    ) -> None:
        self._exchange.open_account(name, balances, unlimited=unlimited)

    def deposit(self, account: str, asset: str, amount: Decimal, now: int) -> None:
        self._exchange.deposit(account, asset, amount, now)

    def balances(self, account: str) -> dict[str, tuple[Decimal, Decimal]]:
        return self._exchange.balances(account)

    def place(self, request: NewOrder, now: int) -> SimOrder:
        return self._exchange.place(request, now)

    def check(self, request: NewOrder, now: int) -> None:
        self._exchange.check(request, now)

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
        return self._exchange.order(account, symbol, order_id=order_id, client_id=client_id)

    def open_orders(self, account: str, symbol: str = "") -> list[SimOrder]:
        return self._exchange.open_orders(account, symbol)

    def all_orders(self, account: str, symbol: str) -> list[SimOrder]:
        return self._exchange.all_orders(account, symbol)

    def trades_of(self, account: str, symbol: str) -> list[Traded]:
        return self._exchange.trades_of(account, symbol)

    def last_price(self, symbol: str) -> int:
        return self._exchange.last_price(symbol)

    def average_price(self, symbol: str, minutes: int, now: int) -> Decimal:
        return self._exchange.average_price(symbol, minutes, now)

    def set_status(self, symbol: str, status: str, now: int) -> None:
        self._exchange.set_status(symbol, status, now)

    def schedule_status(self, symbol: str, status: str, at: int) -> None:
        self._exchange.schedule_status(symbol, status, at)
