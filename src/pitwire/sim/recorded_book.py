"""What is recorded of one symbol: its book and trades so far, and the queues that our orders join.

House rules: the recorded book is never changed by us; while nothing of ours is open nobody can
meet the queues, so they are not kept from frame to frame but brought up to date when somebody asks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from pitwire.model.orders import Side
from pitwire.sim.capture import Changes, Print, Reader, Snapshot
from pitwire.sim.exchange import Exchange
from pitwire.sim.facts import Depth, Listing, PublicTrade
from pitwire.sim.pit import KEPT_TRADES
from pitwire.sim.queues import Cancels, Queues

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
        self._news: dict[Side, dict[int, str]] = {Side.BUY: {}, Side.SELL: {}}
        """What was said of levels since, as texts that nobody has asked for."""
        self._waiting: dict[Side, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}
        """What the queues do not know yet: lots that were said, less what trades took of them."""

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

    def note(self, said: Changes | Print, now: int) -> None:
        """Remember what a frame says."""
        if isinstance(said, Print):
            self._note_print(said, now)
        elif self._is_news(said):
            bids, asks = self._news[Side.BUY], self._news[Side.SELL]
            bids.update(said.bids)
            asks.update(said.asks)
            if len(bids) + len(asks) > _MOST_WAITING:
                self._tidy(now)

    def _note_print(self, said: Print, now: int) -> None:
        price, lots = said.price, said.lots
        self._remember(said)
        self._pit.last = price
        self._pit.average.add(price, lots, now)
        side = said.side.opposite
        waiting, told = self._waiting[side], self._news[side].pop(price, None)
        if told is not None:
            there = self._learn(side, price, told)
        else:
            known = waiting.get(price)
            there = self._pit.book.ladder(side).lots_at(price) if known is None else known
        if there:
            waiting[price] = max(there - lots, 0)

    def settle(self, now: int) -> None:
        """Bring the queues up to date."""
        for side, waiting in self._waiting.items():
            self._bring_up(side)
            for price, lots in waiting.items():
                self._queues.set_level(side, price, lots, now)
            waiting.clear()

    def _tidy(self, now: int) -> None:
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

    def follow(self, said: Changes | Print, now: int) -> None:
        """Let a frame do to our orders what it does; the queues are up to date."""
        if isinstance(said, Print):
            self._remember(said)
            self._queues.trade(said.side, said.price, said.lots, now)
        elif self._is_news(said):
            self._follow_changes(said, now)

    def _follow_changes(self, said: Changes, now: int) -> None:
        count = self.reader.lots
        changes = [(Side.BUY, price, count(size)) for price, size in said.bids]
        changes += [(Side.SELL, price, count(size)) for price, size in said.asks]
        # What went away goes first, or a quote that moved would for a moment cross itself.
        levels = self._levels
        changes.sort(key=lambda change: change[2] > levels[change[0]].get(change[1], 0))
        for side, price, lots in changes:
            self._set_level(side, price, lots, now)
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

    def _is_news(self, said: Changes) -> bool:
        """binance §4.1: what the book already counts is passed over."""
        if said.last <= self.last_id:
            return False
        if self.last_id and said.first > self.last_id + 1:
            self.gaps += 1
        self.last_id = said.last
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

    def _learn(self, side: Side, price: int, said: str) -> int:
        """Read what was said of a level: its lots."""
        lots = self._waiting[side][price] = self.reader.lots(said)
        if lots:
            self._levels[side][price] = lots
        else:
            self._levels[side].pop(price, None)
        return lots
