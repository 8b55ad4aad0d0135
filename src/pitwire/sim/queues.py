"""Recorded liquidity as anonymous orders in a real book, with ours queued among them.

House rules: what is recorded belongs to one unlimited account and is resized without a fact; only
our own orders trade, and they do so through the exchange's own execution; the model that is carried
out here is stated in `history`.
"""

from __future__ import annotations

from enum import StrEnum

from pitwire.model.orders import Side
from pitwire.sim.exchange import Exchange
from pitwire.sim.facts import Kind, SimOrder, Status, Stp, Tif
from pitwire.sim.matching import Level

RECORDED = "recorded"
"""The account of everybody in the recording."""

_NO_END = 1 << 62


class Cancels(StrEnum):
    """Where in the queue a recorded cancellation is thought to have stood."""

    PROPORTIONAL = "proportional"
    """Evenly over the whole queue, odd lots behind us."""
    BEHIND = "behind"
    """Behind us as far as there is anybody: pessimistic."""
    AHEAD = "ahead"
    """Ahead of us as far as there is anybody: optimistic."""


class Queues:
    """The second book of a recorded market: what our orders may meet."""

    def __init__(self, exchange: Exchange, symbol: str, cancels: Cancels) -> None:
        if RECORDED not in exchange.accounts.names():  # one for all symbols
            exchange.open_account(RECORDED, {}, unlimited=True)
        self._execution = exchange.execution
        self._pit = exchange.pit(symbol)
        self._open = self._pit.open_for(RECORDED)
        """What rests here of the recording: a quiet account's, which nobody asks for by a name."""
        self._cancels = cancels
        self._last_id = 0
        """What is recorded is numbered downwards, so that the numbers of the venue are ours."""

    def set_level(self, side: Side, price: int, lots: int, now: int) -> None:
        """The recorded size at a price is now this."""
        book = self._pit.book
        ladder = book.bids if side is Side.BUY else book.asks
        level = ladder.levels.get(price)
        if level is None:
            if lots:
                self._join(ladder.level(price), side, lots, now)
            return
        orders = level.orders
        if len(orders) == 1:  # nearly always: what is recorded, and nobody of us
            (only,) = orders.values()
            if only.account == RECORDED:
                change = lots - (only.lots - only.filled_lots - only.prevented_lots)
                only.lots += change
                level.shown += change
                if change and not lots and only.on_book:
                    only.on_book = False
                    del orders[only.order_id], self._open[only.order_id]
                    ladder.drop(price)
                return
        recorded = self._recorded_at(level)
        change = lots - sum(order.left for order in recorded)
        if change > 0:
            self._grow(level, side, change, now)
        elif change < 0:
            self._shrink(level, recorded, -change)
            if not level.orders:
                ladder.drop(price)

    def trade(self, taker: Side, price: int, lots: int, now: int) -> None:
        """A recorded trade eats what rests at its price, and ours that rests at a better one."""
        ladder = self._pit.book.ladder(taker.opposite)
        left = lots
        for level in list(ladder.within(price)):
            if left == 0:
                break
            left = self._eat(level, taker, left, now, through=level.price != price)
            if not level.orders:
                ladder.drop(level.price)
        self._execution.touch(self._pit, price, lots, now)
        self._execution.settle(self._pit, now)

    def uncross(self, now: int) -> None:
        """Fill those of ours that the recorded market has come to quote through."""
        if not self.any_of_ours():
            return
        book = self._pit.book
        while (bid := book.bids.best()) and (ask := book.asks.best()) and bid.price >= ask.price:
            if not self._meet(bid, ask, now):
                break
        self._execution.settle(self._pit, now)

    def any_of_ours(self) -> bool:
        """Whether anything is open here that was not recorded."""
        return self._pit.is_open_to_others(RECORDED)

    # ── resizing what is recorded ─────────────────────────────────────────────────────────────

    def _recorded_at(self, level: Level) -> list[SimOrder]:
        """What is recorded at a level, in as few pieces as ours between them leave it in."""
        orders = list(level.orders.values())
        recorded = [order for order in orders if order.account == RECORDED]
        if len(recorded) < 2 or len(recorded) < len(orders):
            return recorded
        first, *others = recorded
        for order in others:
            lots = order.left
            self._reduce(level, order, lots)
            first.lots += lots
            level.shown += lots
        return [first]

    def _join(self, level: Level, side: Side, lots: int, now: int) -> None:
        order = self._anonymous(side, level.price, lots, now)
        self._last_id = order.order_id = number = self._last_id - 1
        order.on_book = True
        self._open[number] = level.orders[number] = order
        level.shown += lots

    def _grow(self, level: Level, side: Side, lots: int, now: int) -> None:
        last = level.orders[next(reversed(level.orders))]
        if last.account != RECORDED:
            self._join(level, side, lots, now)
            return
        last.lots += lots
        level.shown += lots

    def _shrink(self, level: Level, recorded: list[SimOrder], cancelled: int) -> None:
        if len(recorded) == 1:
            self._reduce(level, recorded[0], cancelled)
            return
        if self._cancels is Cancels.PROPORTIONAL:
            whole, all_of_it = cancelled, sum(order.left for order in recorded)
            for order in recorded:
                part = order.left * whole // all_of_it
                cancelled -= part
                self._reduce(level, order, part)
        queue = recorded if self._cancels is Cancels.AHEAD else reversed(recorded)
        for order in queue:
            part = min(order.left, cancelled)
            cancelled -= part
            self._reduce(level, order, part)

    def _reduce(self, level: Level, order: SimOrder, lots: int) -> None:
        order.lots -= lots
        level.shown -= lots
        if order.left == 0 and order.on_book:
            order.on_book = False
            del level.orders[order.order_id], self._open[order.order_id]

    # ── filling what is ours ──────────────────────────────────────────────────────────────────

    def _eat(self, level: Level, taker: Side, lots: int, now: int, *, through: bool) -> int:
        """Take up to `lots` from a level, only ours if traded through; returns what is left."""
        if not through:
            self._recorded_at(level)
        for order in list(level.orders.values()):
            if lots == 0:
                break
            if order.account == RECORDED:
                if not through:
                    part = min(lots, order.left)
                    self._reduce(level, order, part)
                    lots -= part
                continue
            part = min(lots, order.left if through else self._pit.book.shown(order))
            counter = self._anonymous(taker, level.price, _NO_END, now)
            self._fill(counter, order, level, part, now)
            lots -= part
        return lots

    def _fill(self, taker: SimOrder, ours: SimOrder, level: Level, lots: int, now: int) -> None:
        while lots > 0:
            part = min(lots, self._pit.book.shown(ours))
            self._execution.trade(self._pit, taker, ours, level.price, part, now)
            self._pit.book.consume(ours, level, part)
            lots -= part

    def _meet(self, bid: Level, ask: Level, now: int) -> bool:
        """Trade the first of ours at the crossed touch with what is recorded against it."""
        for own, other in ((bid, ask), (ask, bid)):
            ours = next((o for o in own.orders.values() if o.account != RECORDED), None)
            theirs = next((o for o in other.orders.values() if o.account == RECORDED), None)
            if ours is None or theirs is None:
                continue
            lots = min(self._pit.book.shown(ours), theirs.left)
            self._execution.trade(self._pit, theirs, ours, own.price, lots, now)
            for order, level in ((ours, own), (theirs, other)):
                self._pit.book.consume(order, level, lots)
                if not level.orders:
                    self._pit.book.ladder(order.side).drop(level.price)
            return True
        return False

    def _anonymous(self, side: Side, price: int, lots: int, now: int) -> SimOrder:
        return SimOrder(
            order_id=0,
            account=RECORDED,
            symbol=self._pit.listing.symbol,
            side=side,
            kind=Kind.LIMIT,
            tif=Tif.GTC,
            lots=lots,
            price=price,
            client_id="",
            stp=Stp.NONE,
            status=Status.NEW,
            created=now,
            updated=now,
            working_since=now,
        )
