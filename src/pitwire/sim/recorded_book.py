"""What is recorded of one symbol: its book and trades so far, and the queues that our orders join.

House rules: the recorded book is never changed by us; while nothing of ours is open nobody can
meet the queues, so they are not kept from frame to frame but brought up to date when somebody asks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from pitwire.model.clock import MILLISECOND
from pitwire.model.orders import Side
from pitwire.sim.capture import News, Print, Reader, Snapshot, Span
from pitwire.sim.exchange import Exchange
from pitwire.sim.facts import Depth, Listing, PublicTrade
from pitwire.sim.pit import KEPT_TRADES
from pitwire.sim.queues import Cancels, Queues

_BUY, _SELL = Side.BUY, Side.SELL
_MOST_WAITING = 50_000
"""Levels that may wait to be brought into the queues."""


class RecordedBook:
    """One symbol of a recorded market."""

    def __init__(self, listing: Listing, exchange: Exchange, cancels: Cancels) -> None:
        name = f"{listing.base}{listing.quote}"
        self.symbol = listing.symbol
        self.reader = Reader(tick=listing.tick, lot=listing.lot, name=name)
        self.stream = name.lower()
        """What the names of its streams begin with."""
        self.last_id = 0
        self.gaps = 0
        """Changes that did not follow the one before; the book then goes on as it can."""
        self.prints: deque[PublicTrade] = deque(maxlen=KEPT_TRADES)
        self._queues = Queues(exchange, listing.symbol, cancels)
        self._pit = exchange.pit(listing.symbol)
        self._levels: dict[Side, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}
        """The recorded book, without what is in `_news`."""
        self._news: dict[Side, News] = {Side.BUY: {}, Side.SELL: {}}
        """What was said of levels since, and nobody has asked for."""
        self._told = self._news[Side.BUY], self._news[Side.SELL]
        self._waiting: dict[Side, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}
        """What the queues do not know yet: lots that were said, less what trades took of them."""
        self.spelling = (*self.reader.spelling, *self._told, _MOST_WAITING)
        """What the compiled twin knows of it (`express.RIDE`): how its frames are spelt, where it
        puts down what they say, and how much may wait there until it calls `tidy`."""

    @property
    def is_attended(self) -> bool:
        """Whether anything of ours is open, so that every change and trade may concern it."""
        return self._queues.any_of_ours()

    def open(self, snapshot: Snapshot) -> None:
        """Begin with a whole book."""
        self.last_id = snapshot.last
        for side, levels in ((Side.BUY, snapshot.bids), (Side.SELL, snapshot.asks)):
            for price, lots in levels:
                self._set_level(side, price, lots, 0)
        self._pit.last = self._pit.last or (snapshot.bids[0][0] if snapshot.bids else 0)

    # ── while nothing of ours is open ─────────────────────────────────────────────────────────

    def note(self, payload: bytes, now: int) -> bool:
        """Remember what a frame says; whether it says anything of this symbol."""
        bids, asks = self._told
        said = self.reader.take_in(payload, self.last_id, bids, asks)
        if said is None:
            return False
        if isinstance(said, Print):
            self._note_print(said, now)
        elif self._is_news(said) and len(bids) + len(asks) > _MOST_WAITING:
            self.tidy(now)
        return True

    def _note_print(self, said: Print, now: int) -> None:
        self._remember(said)
        self._trade(said.side, said.price, said.lots, now)

    def hear_trade(
        self, trade_id: int, price: int, lots: int, sells: bool, at: int, now: int
    ) -> None:
        """Remember a trade, of the venue's time `at` in ms, that the compiled twin has read."""
        side = _SELL if sells else _BUY
        self.prints.append(PublicTrade(at * MILLISECOND, self.symbol, trade_id, price, lots, side))
        self._trade(side, price, lots, now)

    def _trade(self, taker: Side, price: int, lots: int, now: int) -> None:
        """Somebody traded while nobody of us was there."""
        pit = self._pit
        pit.last = price
        pit.average.count(price * lots, lots, now)
        side = _BUY if taker is _SELL else _SELL
        waiting, told = self._waiting[side], self._news[side].pop(price, None)
        if told is not None:
            there = self._learn(side, price, told)
        elif (known := waiting.get(price)) is not None:
            there = known
        else:
            there = pit.book.ladder(side).lots_at(price)
        if there:
            waiting[price] = there - lots if there > lots else 0

    def settle(self, now: int) -> None:
        """Bring the queues up to date."""
        set_level = self._queues.set_level
        for side, waiting in self._waiting.items():
            self._bring_up(side)
            for price, lots in waiting.items():
                set_level(side, price, lots, now)
            waiting.clear()

    def tidy(self, now: int) -> None:
        """Forget what came and went unseen: most of what waits."""
        left = 0
        for side, waiting in self._waiting.items():
            self._bring_up(side)
            queued = self._pit.book.ladder(side).levels
            for price in [each for each, lots in waiting.items() if not lots]:
                if price not in queued:
                    del waiting[price]
            left += len(waiting)
        if left > _MOST_WAITING // 2:
            self.settle(now)

    # ── while something is ────────────────────────────────────────────────────────────────────

    def follow(self, payload: bytes, now: int) -> None:
        """Let a frame do to our orders what it does; the queues are up to date."""
        bids: News = {}
        asks: News = {}
        said = self.reader.take_in(payload, self.last_id, bids, asks)
        if isinstance(said, Print):
            self._remember(said)
            self._queues.trade(said.side, said.price, said.lots, now)
        elif said is not None and self._is_news(said):
            self._follow_changes(bids, asks, now)

    def _follow_changes(self, bids: News, asks: News, now: int) -> None:
        # What went away goes first, or a quote that moved would for a moment cross itself.
        grown: list[tuple[Side, int, int]] = []
        set_level = self._queues.set_level
        for side, told in ((_BUY, bids), (_SELL, asks)):
            levels = self._levels[side]
            for price, size in told.items():
                lots = self.reader.lots(size) if isinstance(size, str) else size
                if lots > levels.get(price, 0):
                    levels[price] = lots
                    grown.append((side, price, lots))
                    continue
                if lots:
                    levels[price] = lots
                else:
                    levels.pop(price, None)
                set_level(side, price, lots, now)
        for side, price, lots in grown:
            set_level(side, price, lots, now)
        self._queues.uncross(now)

    def _set_level(self, side: Side, price: int, lots: int, now: int) -> None:
        if lots:
            self._levels[side][price] = lots
        else:
            self._levels[side].pop(price, None)
        self._queues.set_level(side, price, lots, now)

    # ── asked for ─────────────────────────────────────────────────────────────────────────────

    def depth(self, levels: int = 0) -> Depth:
        """The recorded book, without what our orders did to it; 0 levels: all."""
        bids, asks = sorted(self._side(Side.BUY), reverse=True), sorted(self._side(Side.SELL))
        if levels:
            bids, asks = bids[:levels], asks[:levels]
        return Depth(update_id=self.last_id, bids=bids, asks=asks)

    def top(self) -> tuple[int, int, int, int]:
        """Recorded best bid, its lots, best ask, its lots; zeros for an empty side."""
        bid = max(self._side(Side.BUY), default=(0, 0))
        ask = min(self._side(Side.SELL), default=(0, 0))
        return (*bid, *ask)

    def _side(self, side: Side) -> Iterable[tuple[int, int]]:
        self._bring_up(side)
        return self._levels[side].items()

    # ── within ────────────────────────────────────────────────────────────────────────────────

    def _is_news(self, ids: Span) -> bool:
        """binance §4.1: what the book already counts is passed over."""
        first, last = ids
        if last <= self.last_id:
            return False
        if self.last_id and first > self.last_id + 1:
            self.gaps += 1
        self.last_id = last
        return True

    def _remember(self, said: Print) -> None:
        self.prints.append(
            PublicTrade(said.at, self.symbol, said.trade_id, said.price, said.lots, said.side)
        )

    def _bring_up(self, side: Side) -> None:
        """Make the recorded book what was said of it."""
        news = self._news[side]
        for price, said in news.items():
            self._learn(side, price, said)
        news.clear()

    def _learn(self, side: Side, price: int, said: int | str) -> int:
        """Read what was said of a level: its lots."""
        lots = self.reader.lots(said) if isinstance(said, str) else said
        self._waiting[side][price] = lots
        if lots:
            self._levels[side][price] = lots
        else:
            self._levels[side].pop(price, None)
        return lots
