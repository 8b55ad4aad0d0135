"""What a quiet account does in one symbol, in as few steps as it takes.

House rules: a pit, its facts and its counters come out of it just as they come out of
`Exchange.place` and `cancel`, which remain the definition; whatever meets an owner with limits is
left to the exchange's own execution.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, cast

from pitwire.model.orders import Side
from pitwire.sim.accounts import ZERO
from pitwire.sim.exchange import Exchange
from pitwire.sim.execution import NO_MORE, NO_MORE_AT_ONCE
from pitwire.sim.facts import (
    Kind,
    LevelChanged,
    Listing,
    PublicTrade,
    Refusal,
    Refused,
    SimOrder,
    Status,
    Stp,
    Tif,
    Traded,
)
from pitwire.sim.matching import Level

_ANY = -(1 << 62)
"""Below every key of a ladder."""
_Makes: TypeAlias = tuple[()] | tuple[list[int], dict[int, SimOrder]]
"""What an unlimited account gained, and its open orders; nothing of one with limits."""
_FILLED, _PARTLY, _CANCELED = Status.FILLED, Status.PARTIALLY_FILLED, Status.CANCELED


class Hand:
    """An unlimited account on one side of one book. Its orders bear no client id."""

    def __init__(self, exchange: Exchange, symbol: str, account: str, side: Side) -> None:
        owner = exchange.accounts.find(account)
        if not owner.unlimited:
            raise ValueError(f"account: found {account!r}, expected an unlimited one")
        self._symbol, self._side = symbol, side
        self.is_buy = side is Side.BUY
        self._accounts, self._execution = exchange.accounts, exchange.execution
        self._pit = pit = exchange.pit(symbol)
        self._fee_assets = (pit.terms.fee_assets[side is Side.BUY],
                            pit.terms.fee_assets[side is not Side.BUY])  # fmt: skip
        self._sign = 1 if side is Side.BUY else -1
        self._own, self._other = pit.book.ladder(side), pit.book.against(side)
        self._other_side = side.opposite
        self._open = pit.open_for(account)
        self._owner = owner
        self._known: dict[str, _Makes] = {}
        self._quote = self._pattern(account, Kind.LIMIT, Tif.GTC)
        self._sweep = self._pattern(account, Kind.LIMIT, Tif.IOC)
        self._market = self._pattern(account, Kind.MARKET, Tif.GTC)
        self._seen: Listing | None = None
        """The listing as it was when it was last found to admit whatever a hand does."""

    def quote(self, price: int, lots: int, now: int) -> SimOrder:
        """A limit order that rests, as far as it meets nobody."""
        order = self._begin(self._quote, lots, now)
        order.price = price
        keys = self._other.keys
        if keys and keys[-1] >= -self._sign * price:
            self._work(order, -self._sign * price, now)
            if order.status is not _FILLED:
                self._rest(order, now)
            self._settle(now)
        else:
            self._rest(order, now)
        return order

    def take(self, lots: int, now: int, *, limit: int | None = None) -> SimOrder:
        """Trade with whatever is there, to a price if there is one; what is left expires."""
        order = self._begin(self._market if limit is None else self._sweep, lots, now)
        if limit is None:
            self._work(order, _ANY, now)
        else:
            order.price = limit
            self._work(order, -self._sign * limit, now)
        if order.status is not _FILLED:
            order.expiry_reason = NO_MORE if limit is None else NO_MORE_AT_ONCE
            self._end(order, Status.EXPIRED, now)
        self._settle(now)
        return order

    def offered(self, price: int) -> int:
        """Lots that the market sees from the best of the other side to a price."""
        return self._other.lots_within(price)

    def withdraw(self, order: SimOrder, now: int) -> None:
        """Cancel an order of this hand's that rests."""
        ladder, pit, price = self._own, self._pit, order.price
        level = ladder.levels[price]
        before = level.shown
        level.shown = shown = before - order.lots + order.filled_lots
        del level.orders[order.order_id], self._open[order.order_id]
        if not level.orders:
            ladder.drop(price)
        order.on_book = False
        order.status = _CANCELED
        order.updated = now
        pit.update_id = number = pit.update_id + 1
        pit.execution += 1
        pit.past.add(number, now, self.is_buy, price, before)
        execution = self._execution
        if not execution.hushed:
            execution.facts.append(
                LevelChanged(now, self._symbol, self._side, price, shown, number)
            )

    # ── within ────────────────────────────────────────────────────────────────────────────────

    def _begin(self, pattern: Callable[[], SimOrder], lots: int, now: int) -> SimOrder:
        """A new order, admitted and accepted."""
        pit = self._pit
        if pit.listing is not self._seen:
            self._look(pattern().kind)
        order = pattern()
        pit.order_id = order.order_id = number = pit.order_id + 1
        pit.execution += 1
        order.lots = lots
        order.created = order.updated = order.working_since = now
        self._open[number] = order
        return order

    def _look(self, kind: Kind) -> None:
        """Refuse what the listing does not admit now."""
        listing = self._pit.listing
        if listing.status != "TRADING":
            raise Refused(Refusal.MARKET_CLOSED, listing.status)
        if kind not in listing.kinds:
            raise Refused(Refusal.TYPE_NOT_SUPPORTED, kind.value)
        if Kind.LIMIT in listing.kinds and Kind.MARKET in listing.kinds:
            self._seen = listing

    def _rest(self, order: SimOrder, now: int) -> None:
        ladder, pit, price = self._own, self._pit, order.price
        level = ladder.levels.get(price) or ladder.level(price)
        level.orders[order.order_id] = order
        before = level.shown
        level.shown = shown = before + order.lots - order.filled_lots
        order.on_book = True
        pit.update_id = number = pit.update_id + 1
        pit.past.add(number, now, self.is_buy, price, before)
        execution = self._execution
        if not execution.hushed:
            execution.facts.append(
                LevelChanged(now, self._symbol, self._side, price, shown, number)
            )

    def _work(self, order: SimOrder, bound: int, now: int) -> None:
        """Match an order with every level whose key is not below `bound`."""
        ladder, sign, pit = self._other, -self._sign, self._pit
        keys, levels, execution = ladder.keys, ladder.levels, self._execution
        while order.filled_lots < order.lots and keys and keys[-1] >= bound:
            price = sign * keys[-1]
            level = levels[price]
            shown = level.shown
            self._meet(order, level, now)
            if not level.orders:
                ladder.drop(price)
            if level.shown != shown:
                pit.update_id = number = pit.update_id + 1
                pit.past.add(number, now, not self.is_buy, price, shown)
                if not execution.hushed:
                    execution.facts.append(
                        LevelChanged(
                            now, self._symbol, self._other_side, price, level.shown, number
                        )
                    )
        if order.filled_lots == order.lots:
            order.status = _FILLED
            self._open.pop(order.order_id, None)
        elif order.filled_lots:
            order.status = _PARTLY

    def _meet(self, order: SimOrder, level: Level, now: int) -> None:
        """Trade with those at one price, the quiet ones in short."""
        orders, price, met, known = level.orders, level.price, 0, self._known
        while orders and (left := order.lots - order.filled_lots):
            maker = next(iter(orders.values()))
            makes = known.get(maker.account) or self._learn(maker.account)
            if not makes or maker.iceberg_lots or maker.list_id >= 0:
                self._execution.meet(self._pit, order, maker, level, now)
                continue
            stands = maker.lots - maker.filled_lots - maker.prevented_lots
            lots = stands if stands < left else left
            maker.filled_lots += lots
            order.filled_lots += lots
            maker.updated = order.updated = now
            maker.status = _PARTLY
            if lots == stands:
                maker.status, maker.on_book = _FILLED, False
                del orders[maker.order_id]
                self._leave(maker, makes[1])
            net, signed = makes[0], lots * self._sign
            net[0] -= signed
            net[1] += signed * price
            self._tell_trade(order, maker, price, lots, now)
            met += lots
        if met:
            level.shown -= met
            net = self._owner.net_of(self._symbol)
            net[0] += met * self._sign
            net[1] -= met * self._sign * price
            self._execution.touch(self._pit, price, met, now)

    def _learn(self, account: str) -> _Makes:
        """Whom it meets for the first time."""
        owner = self._accounts.find(account)
        makes: _Makes = ()
        if owner.unlimited:
            makes = owner.net_of(self._symbol), self._pit.open_for(account)
        self._known[account] = makes
        return makes

    def _leave(self, maker: SimOrder, mine: dict[int, SimOrder]) -> None:
        """A quiet maker was filled whole."""
        if maker.order_id in self._pit.entered:
            self._pit.leave(maker, forget=True)
        else:
            del mine[maker.order_id]

    def _settle(self, now: int) -> None:
        pit = self._pit
        if pit.touched or pit.stirred or self._accounts.changed:
            self._execution.settle(pit, now)

    def _end(self, order: SimOrder, status: Status, now: int) -> None:
        order.status = status
        order.updated = now
        del self._open[order.order_id]
        self._pit.execution += 1

    def _tell_trade(
        self, order: SimOrder, maker: SimOrder, price: int, lots: int, now: int
    ) -> None:
        pit, assets = self._pit, self._fee_assets
        pit.trade_id = number = pit.trade_id + 1
        pit.execution = execution = pit.execution + 2
        public = PublicTrade(now, self._symbol, number, price, lots, self._side, order.order_id)
        pit.trades.append(public)
        self._execution.facts.append(
            public
            if self._execution.hushed
            else Traded(now, self._symbol, number, price, lots, self._side, order, maker,
                        execution - 1, execution, ZERO, assets[0], ZERO, assets[1])
        )  # fmt: skip

    def _pattern(self, account: str, kind: Kind, tif: Tif) -> Callable[[], SimOrder]:
        """Makes orders of one kind, with all that they have in common."""
        pattern = SimOrder(
            order_id=0,
            account=account,
            symbol=self._symbol,
            side=self._side,
            kind=kind,
            tif=tif,
            lots=0,
            client_id="",
            stp=Stp.NONE,
        )
        return cast("Callable[[], SimOrder]", pattern.__copy__)  # type: ignore[attr-defined]
