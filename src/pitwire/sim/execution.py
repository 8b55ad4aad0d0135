"""How an order lives in a pit: accepted, matched, prevented, triggered, ended.

House rules: every step tells one fact, in the order in which the venue would report it (binance
§6.2); balances are told last; no order of a quiet account is copied, since nobody reads it.
"""

from __future__ import annotations

from copy import copy
from typing import Protocol

from pitwire.model.orders import Side
from pitwire.sim.accounts import EXACT, Account, Accounts
from pitwire.sim.facts import (
    DECREMENTS,
    Accepted,
    Ended,
    Fact,
    Kind,
    LevelChanged,
    Prevented,
    SimOrder,
    Status,
    Stp,
    Tif,
    Traded,
    Triggered,
)
from pitwire.sim.matching import Level
from pitwire.sim.pit import Pit

MARKETS = frozenset((Kind.MARKET, Kind.STOP_LOSS, Kind.TAKE_PROFIT))
"""Kinds that take any price once they work."""

NO_MORE, NO_MORE_AT_ONCE = "INSUFFICIENT_LIQUIDITY", "UNFILLED_IOC_QUANTITY_EXPIRED"
"""Why what is left of an order expires that does not rest."""
OUT_OF_RANGE = "EXECUTION_RULE_PRICE_RANGE_EXCEEDED"

OVER = frozenset(
    (Status.FILLED, Status.CANCELED, Status.EXPIRED, Status.EXPIRED_IN_MATCH, Status.REJECTED)
)


class Ties(Protocol):
    """What binds the orders of a list to one another."""

    def fund(self, pit: Pit, order: SimOrder) -> None:
        """An order is about to trade: what was set aside for its pair is set aside for it."""

    def begin(self, pit: Pit, order: SimOrder, now: int) -> None:
        """A stop was touched and is about to work."""

    def follow(self, pit: Pit, order: SimOrder, now: int) -> None:
        """An order was traded or has ended; its list goes on from there."""


class Execution:
    """Works orders; holds the facts that nobody has taken yet."""

    __slots__ = ("_accounts", "facts", "hushed", "ties")

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self.facts: list[Fact] = []
        self.hushed = False
        """Whether nobody hears: changes of a book are only remembered, of trades the public part
        is told where only quiet accounts meet."""
        self.ties: Ties | None = None

    # ── an order's steps ──────────────────────────────────────────────────────────────────────

    def accept(self, pit: Pit, order: SimOrder, now: int) -> None:
        """An order, already paid for, comes to be; a stop waits, any other works at once."""
        pit.enter(order)
        self.tell_accepted(pit, order, now)
        if order.status is Status.PENDING_NEW:
            return
        if order.working_since < 0:
            pit.stops.add(order)
        else:
            self.work(pit, order, now)

    def tell_accepted(self, pit: Pit, order: SimOrder, now: int) -> None:
        """An order has come to be, or may now work."""
        execution = pit.next_execution()
        if not self._accounts.find(order.account).unlimited:
            self.facts.append(
                Accepted(at=now, symbol=order.symbol, execution=execution, order=copy(order))
            )

    def work(self, pit: Pit, order: SimOrder, now: int) -> None:
        """Match an order, then rest or expire what is left of it."""
        market = order.kind in MARKETS
        limit = None if market else order.price
        reach = limit if pit.fence is None else self._reach(pit, pit.fence, order, limit)
        if order.tif is Tif.FOK and pit.book.fillable(order, reach)[0] < order.left:
            self.end(pit, order, Status.EXPIRED, now, reason="UNFILLED_FOK_ORDER_EXPIRED")
            return
        self._take(pit, order, reach, now)
        if order.status in OVER:
            return
        if reach != limit and pit.book.against(order.side).best_within(limit) is not None:
            self.end(pit, order, Status.EXPIRED, now, reason=OUT_OF_RANGE)
        elif market:
            self.end(pit, order, Status.EXPIRED, now, reason=NO_MORE)
        elif order.tif is Tif.GTC:
            before = pit.book.ladder(order.side).lots_at(order.price)
            pit.book.add(order)
            order.on_book = True
            self.tell_level(pit, order.side, order.price, before, now)
        else:
            self.end(pit, order, Status.EXPIRED, now, reason=NO_MORE_AT_ONCE)

    def end(self, pit: Pit, order: SimOrder, status: Status, now: int, *, reason: str = "") -> None:
        """An open order is over without a trade."""
        account = self._accounts.find(order.account)
        self.withdraw(pit, order, now)
        self._accounts.unlock(account, pit.terms, order, order.left)
        order.status = status
        order.expiry_reason = reason
        order.updated = now
        pit.leave(order, forget=account.unlimited)
        execution = pit.next_execution()
        if not account.unlimited:
            self.facts.append(
                Ended(at=now, symbol=order.symbol, execution=execution, order=copy(order))
            )
        self._stir(pit, order)

    def withdraw(self, pit: Pit, order: SimOrder, now: int) -> None:
        """Take an order off the book or out of the waiting stops."""
        if order.on_book:
            before = pit.book.ladder(order.side).lots_at(order.price)
            pit.book.remove(order)
            order.on_book = False
            self.tell_level(pit, order.side, order.price, before, now)
        elif order.order_id in pit.stops.waiting:
            pit.stops.remove(order)

    def settle(self, pit: Pit, now: int) -> None:
        """After a command: let lists follow, fire the stops that its trades touched, then tell
        the balances."""
        while pit.touched or pit.stirred:
            if pit.stirred and self.ties is not None:
                self.ties.follow(pit, pit.stirred.pop(0), now)
                continue
            for order in pit.stops.touch(pit.touched.pop(0), now):
                if order.status not in OVER:  # its pair may have been first
                    self._trigger(pit, order, now)
        self.facts += self._accounts.take_changes(pit.listing.symbol, now)

    def touch(self, pit: Pit, price: int, lots: int, now: int) -> None:
        """A trade happened at this price."""
        pit.last = price
        pit.average.add(price, lots, now)
        if pit.stops.waiting:
            pit.touched.append(price)

    def tell_level(self, pit: Pit, side: Side, price: int, before: int, now: int) -> None:
        """The visible size at a price has changed; it was `before`."""
        pit.update_id += 1
        pit.past.add(pit.update_id, now, side is Side.BUY, price, before)
        if self.hushed:
            return
        self.facts.append(
            LevelChanged(
                now,
                pit.listing.symbol,
                side,
                price,
                pit.book.ladder(side).lots_at(price),
                pit.update_id,
            )
        )

    def trade(
        self, pit: Pit, taker: SimOrder, maker: SimOrder, price: int, lots: int, now: int
    ) -> None:
        """One match: money, both orders, the fact. The book is the caller's affair."""
        takes, makes = self._accounts.find(taker.account), self._accounts.find(maker.account)
        terms = pit.terms
        if maker.list_id >= 0 and self.ties is not None:
            self.ties.fund(pit, maker)
        accounts = self._accounts
        taker_fee, gained = accounts.settle(takes, terms, taker, price, lots, terms.taker_fee)
        maker_fee, earned = accounts.settle(makes, terms, maker, price, lots, terms.maker_fee)
        if accounts.prompt:
            self.facts += accounts.take_changes(terms.symbol, now)
        taker_execution, maker_execution = pit.next_execution(), pit.next_execution()
        self._fill(pit, takes, taker, lots, price, now)
        self._fill(pit, makes, maker, lots, price, now)
        pit.trade_id += 1
        buys = taker.side is Side.BUY
        traded = Traded(
            at=now,
            symbol=terms.symbol,
            trade_id=pit.trade_id,
            price=price,
            lots=lots,
            taker_side=taker.side,
            taker=taker if takes.unlimited else copy(taker),
            maker=maker if makes.unlimited else copy(maker),
            taker_execution=taker_execution,
            maker_execution=maker_execution,
            taker_fee=taker_fee,
            taker_fee_asset=terms.fee_assets[buys],
            maker_fee=maker_fee,
            maker_fee_asset=terms.fee_assets[not buys],
            taker_result=gained,
            maker_result=earned,
        )
        owners = {order.account: None for order, account in ((taker, takes), (maker, makes))
                  if not account.unlimited}  # fmt: skip
        public = pit.record(traded, tuple(owners))
        self.facts.append(traded if owners or not self.hushed else public)
        self.touch(pit, price, lots, now)

    def meet(self, pit: Pit, taker: SimOrder, maker: SimOrder, level: Level, now: int) -> None:
        """Trade as much as both have, of an iceberg what it shows."""
        lots = min(taker.left, pit.book.shown(maker))
        self.trade(pit, taker, maker, level.price, lots, now)
        pit.book.consume(maker, level, lots)

    # ── within ────────────────────────────────────────────────────────────────────────────────

    def _reach(
        self, pit: Pit, fence: tuple[int, int], order: SimOrder, limit: int | None
    ) -> int | None:
        """As far as its own limit and the range of the symbol let a taker trade (binance §7.2).

        The crowd, which has no limits, has none here either.
        """
        best = pit.book.against(order.side).best_within(limit)
        if best is None or self._accounts.find(order.account).unlimited:
            return limit
        lowest, highest = fence
        if order.side is Side.BUY:
            far = highest if best.price >= lowest else best.price - 1
            return far if limit is None else min(limit, far)
        far = lowest if best.price <= highest else best.price + 1
        return far if limit is None else max(limit, far)

    def _take(self, pit: Pit, taker: SimOrder, limit: int | None, now: int) -> None:
        ladder = pit.book.against(taker.side)
        side = taker.side.opposite
        while taker.left > 0 and (level := ladder.best_within(limit)) is not None:
            before = level.shown
            self._sweep(pit, taker, level, now)
            if not level.orders:
                ladder.drop(level.price)
            if level.shown != before:
                self.tell_level(pit, side, level.price, before, now)

    def _sweep(self, pit: Pit, taker: SimOrder, level: Level, now: int) -> None:
        orders = level.orders
        while orders and taker.left > 0:
            maker = next(iter(orders.values()))
            if maker.account == taker.account and taker.stp is not Stp.NONE:
                self._prevent(pit, taker, maker, level, now)
            else:
                self.meet(pit, taker, maker, level, now)

    def _fill(
        self, pit: Pit, account: Account, order: SimOrder, lots: int, price: int, now: int
    ) -> None:
        order.filled_lots += lots
        if not account.unlimited:
            paid = EXACT.multiply(price * lots, pit.terms.unit)
            order.filled_quote = EXACT.add(order.filled_quote, paid)
        order.updated = now
        if order.left:
            order.status = Status.PARTIALLY_FILLED
        else:
            order.status = Status.FILLED
            order.on_book = False
            pit.leave(order, forget=account.unlimited)
        self._stir(pit, order)

    def _stir(self, pit: Pit, order: SimOrder) -> None:
        if order.list_id >= 0:
            pit.stirred.append(order)

    def _trigger(self, pit: Pit, order: SimOrder, now: int) -> None:
        if order.list_id >= 0 and self.ties is not None:
            self.ties.fund(pit, order)
        account = self._accounts.find(order.account)
        order.working_since = order.updated = now
        execution = pit.next_execution()
        if not account.unlimited:
            self.facts.append(
                Triggered(at=now, symbol=order.symbol, execution=execution, order=copy(order))
            )
        if order.list_id >= 0 and self.ties is not None:
            self.ties.begin(pit, order, now)
        if order.kind in MARKETS and order.side is Side.BUY:
            self._accounts.unlock(account, pit.terms, order, order.left)
            order.reserve_price = 0
            if not self.affords(pit, account, order):
                self.end(pit, order, Status.EXPIRED, now, reason="REJECTED")
                return
        self.work(pit, order, now)

    def affords(self, pit: Pit, account: Account, order: SimOrder) -> bool:
        """Whether a market buy can pay for what the book would give it."""
        if account.unlimited:
            return True
        units = pit.book.fillable(order, None)[1]
        return self._accounts.affords(account, pit.terms, order, units)

    def _prevent(self, pit: Pit, taker: SimOrder, maker: SimOrder, level: Level, now: int) -> None:
        """binance §7.4: the taker's mode decides."""
        pit.prevented_id += 1
        mode = taker.stp
        met = min(taker.left, maker.left)
        if mode is not Stp.EXPIRE_TAKER:
            lots = met if mode in DECREMENTS else maker.left
            self._lose_resting(pit, maker, level, lots)
            self._tell_prevented(pit, maker, taker, level.price, lots, now, taker=taker)
        if mode is not Stp.EXPIRE_MAKER:
            lots = met if mode in DECREMENTS else taker.left
            self._lose(pit, taker, lots)
            self._tell_prevented(pit, taker, maker, level.price, lots, now, taker=taker)

    def _lose_resting(self, pit: Pit, maker: SimOrder, level: Level, lots: int) -> None:
        while lots > 0:
            part = min(lots, pit.book.shown(maker))
            self._lose(pit, maker, part)
            pit.book.consume(maker, level, part)
            lots -= part

    def _lose(self, pit: Pit, order: SimOrder, lots: int) -> None:
        account = self._accounts.find(order.account)
        self._accounts.unlock(account, pit.terms, order, lots)
        order.prevented_lots += lots
        if order.left == 0:
            order.status = Status.EXPIRED_IN_MATCH
            order.on_book = False
            pit.leave(order, forget=account.unlimited)
            self._stir(pit, order)

    def _tell_prevented(
        self,
        pit: Pit,
        order: SimOrder,
        other: SimOrder,
        price: int,
        lots: int,
        now: int,
        *,
        taker: SimOrder,
    ) -> None:
        order.updated = now
        execution = pit.next_execution()
        if self._accounts.find(order.account).unlimited:
            return
        self.facts.append(
            Prevented(
                at=now,
                symbol=order.symbol,
                execution=execution,
                order=copy(order),
                counter_order_id=other.order_id,
                prevented_id=pit.prevented_id,
                price=price,
                lots=lots,
                rested=order is not taker,
                mode=taker.stp,
            )
        )
