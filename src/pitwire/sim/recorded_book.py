"""What is recorded of one symbol: its book and trades so far, and the queues that our orders join.

House rules: the recorded book is never changed by us; while nothing of ours is open nobody can
meet the queues, so they are not kept from frame to frame but brought up to date when somebody asks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TypeAlias

from pitwire.model.orders import Side
from pitwire.sim.capture import Changes, Print, Reader, Snapshot
from pitwire.sim.exchange import Exchange
from pitwire.sim.facts import Depth, Listing, PublicTrade
from pitwire.sim.pit import KEPT_TRADES
from pitwire.sim.queues import Cancels, Queues

_Lots: TypeAlias = int | str
"""A size in lots, or the text of one that nobody has asked for yet."""
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
        """The recorded book, as of when the queues were brought up to date last."""
        self._waiting: dict[Side, dict[int, _Lots]] = {Side.BUY: {}, Side.SELL: {}}
        """What was said of levels since, as texts; in lots, what trades have left of them."""
        self._eaten: dict[Side, dict[int, _Lots]] = {Side.BUY: {}, Side.SELL: {}}
        """What was said of those last that wait in lots."""

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
            bids, asks = self._waiting[Side.BUY], self._waiting[Side.SELL]
            bids.update(said.bids)
            asks.update(said.asks)
            if len(bids) + len(asks) > _MOST_WAITING:
                self.settle(now)

    def _note_print(self, said: Print, now: int) -> None:
        price, lots = said.price, said.lots
        self._remember(said)
        self._pit.last = price
        self._pit.average.add(price, lots, now)
        side = said.side.opposite
        waiting = self._waiting[side]
        there = waiting.get(price)
        if there is None:
            self._eaten[side][price] = self._levels[side].get(price, 0)
            there = self._pit.book.ladder(side).lots_at(price)
        elif isinstance(there, str):
            self._eaten[side][price] = there
            there = self.reader.lots(there)
        if there:
            waiting[price] = max(there - lots, 0)

    def settle(self, now: int) -> None:
        """Bring the queues up to date."""
        for side, waiting in self._waiting.items():
            if not waiting:
                continue
            self._bring_up(side)
            for price, lots in waiting.items():
                self._queues.set_level(side, price, self._counted(lots), now)
            waiting.clear()
            self._eaten[side].clear()

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
        levels, eaten = self._levels[side], self._eaten[side]
        for price, lots in self._waiting[side].items():
            said = self._counted(lots if isinstance(lots, str) else eaten[price])
            if said:
                levels[price] = said
            else:
                levels.pop(price, None)

    def _counted(self, lots: _Lots) -> int:
        return self.reader.lots(lots) if isinstance(lots, str) else lots
