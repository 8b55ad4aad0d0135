"""What a paper order sees of the market: what it can take, what is ahead of it, what wakes it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_FLOOR, Decimal
from typing import TypeAlias

import msgspec

from pitwire.model.events import Update
from pitwire.model.instruments import Instrument
from pitwire.model.orders import Order, OrderType, RejectReason, Side, UpdateKind
from pitwire.trading.state import State
from pitwire.trading.tracked import ZERO

Level: TypeAlias = tuple[Decimal, Decimal]
STOPS = (OrderType.STOP, OrderType.STOP_LIMIT)


class Live(msgspec.Struct, kw_only=True, eq=False):
    """An order at the paper venue. `ahead` is the queue before it, None when unknown."""

    order: Order
    instrument: Instrument
    venue_id: str
    size: Decimal
    asleep: bool = False
    filled: Decimal = ZERO
    filled_quote: Decimal = ZERO
    locked: Decimal = ZERO
    ahead: Decimal | None = None
    since: int = 0
    """When it arrived: what came with that very frame was there before it."""

    @property
    def buys(self) -> bool:
        return self.order.side is Side.BUY

    @property
    def left(self) -> Decimal:
        return self.size - self.filled

    @property
    def assets(self) -> tuple[str, str]:
        """(what is given, what is received)."""
        base, quote = self.instrument.base, self.instrument.quote
        return (quote, base) if self.buys else (base, quote)

    def is_passed(self, price: Decimal) -> bool:
        """Whether a price is worse than ours for the other side, so that we would have traded."""
        ours = self.order.price
        return ours is not None and (price < ours if self.buys else price > ours)

    def needs(self) -> Decimal:
        """What is set aside for the rest of it; nothing while it takes at market."""
        price = self.order.price or (self.order.stop_price if self.asleep else None)
        if price is None:
            return ZERO
        return self.left * price if self.buys else self.left


def levels(state: State, symbol: str, side: Side) -> Iterator[Level]:
    """What an order of this side can take, best first."""
    book, quote = state.book(symbol), state.quotes.get(symbol)
    buys = side is Side.BUY
    if book is not None:
        for price, size in book.asks if buys else book.bids:
            yield exact(price), exact(size)
    elif quote is not None:
        price, size = (quote.ask, quote.ask_size) if buys else (quote.bid, quote.bid_size)
        if size:
            yield exact(price), exact(size)


def reachable(state: State, order: Order) -> Iterator[Level]:
    """Levels within its limit price, as many as it needs."""
    limit, size_left, money_left = order.price, order.size, order.quote_size
    for price, size in levels(state, order.symbol, order.side):
        if limit is not None and (price > limit if order.side is Side.BUY else price < limit):
            return
        yield price, size
        if size_left is not None:
            size_left -= size
        elif money_left is not None:
            money_left -= size * price
        if (size_left if size_left is not None else money_left or ZERO) <= 0:
            return


def objection(state: State, live: Live, reach: list[Level]) -> RejectReason | None:
    """Why the market, or this venue, will not have it."""
    order, last = live.order, state.last(live.order.symbol)
    if order.trailing_bips is not None:
        return RejectReason.NOT_SUPPORTED
    if order.type is OrderType.POST_ONLY and reach:
        return RejectReason.WOULD_TAKE
    if order.type is OrderType.MARKET and (not reach or not live.size):
        return RejectReason.NO_LIQUIDITY
    if live.asleep and last is not None and is_touched(order, exact(last)):
        return RejectReason.WOULD_TRIGGER
    return None


def visible(state: State, live: Live) -> Decimal | None:
    """The size resting at our price, None when it is not known."""
    order, ours = live.order, live.order.price
    book, quote = state.book(order.symbol), state.quotes.get(order.symbol)
    if ours is None:
        return None
    if book is not None:
        there = book.size_at(order.side, float(ours))
        return None if there is None else exact(there)
    if quote is None:
        return None
    best, size = (quote.bid, quote.bid_size) if live.buys else (quote.ask, quote.ask_size)
    if exact(best) == ours or not size:
        return exact(size)
    return ZERO if live.is_passed(exact(best)) else None


def is_touched(order: Order, price: Decimal) -> bool:
    """Whether the last price wakes a sleeping order."""
    assert order.stop_price is not None
    falls = (order.side is Side.SELL) == (order.type in STOPS)
    return price <= order.stop_price if falls else price >= order.stop_price


def affordable(order: Order, reach: list[Level], lot: Decimal) -> Decimal:
    """How much an amount in quote units buys or is worth, cut to the lot."""
    money, got = order.quote_size or ZERO, ZERO
    for price, size in reach:
        part = min(size, (money / price / lot).to_integral_value(ROUND_FLOOR) * lot)
        money, got = money - part * price, got + part
    return got


def exact(value: float) -> Decimal:
    """A watched number as the exact one it is the label of (docs/numbers.md)."""
    return Decimal(repr(value))


def told(live: Live, kind: UpdateKind, now: int, sequence: int, *, working: bool) -> Update:
    """What the venue says about it."""
    order = live.order
    return Update(
        live.instrument.venue,
        order.symbol,
        now,
        now,
        order.id,
        live.venue_id,
        kind,
        side=order.side,
        type=order.type,
        time_in_force=order.time_in_force,
        price=order.price,
        size=live.size,
        filled=live.filled,
        filled_quote=live.filled_quote,
        working=working,
        sequence=sequence,
    )
