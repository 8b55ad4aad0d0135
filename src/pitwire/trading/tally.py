"""What open orders come to together, kept up as each of them changes instead of summed when asked.

House rules: a figure here is what a full count of the orders would give, to the last digit (a
property test counts again after every step); whoever changes an order or puts it away says so, and
nobody else writes here. Whoever asks pays the same with one order open and with a thousand.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, Context, Decimal
from heapq import heapify, heappop, heappush

import msgspec

from pitwire.model.orders import FINAL, OrderState, OrderType, Side
from pitwire.trading.tracked import ZERO, Exposure, Tracked

EXACT = Context(prec=5_000, rounding=ROUND_CEILING)
"""No sum of amounts that a venue could mean is rounded; of others too much is counted, not less."""
_UP = Context(prec=28, rounding=ROUND_CEILING)
_BUY, _SELL, _UNKNOWN, _MARKET = Side.BUY, Side.SELL, OrderState.UNKNOWN, OrderType.MARKET
_NOTHING = Exposure(buys=ZERO, sells=ZERO)
_SPARE = 64
"""Times that are over may wait for the next sweep, this many beyond two an unknown order."""


class Standing:
    """The sums of one symbol."""

    __slots__ = (
        "buys",
        "moving",
        "orders",
        "quote_buys",
        "quote_sells",
        "sells",
        "unknown",
        "untold",
    )

    def __init__(self) -> None:
        self.buys = self.sells = ZERO
        """What may still be bought and sold at worst, in base units: what is left of open orders,
        and fills that the venue reported and never sent."""
        self.quote_buys = self.quote_sells = ZERO
        """The same of orders whose size is known in quote units only."""
        self.orders = 0
        """How many orders any of this is of."""
        self.unknown = 0
        """Of how many the venue has not said whether they exist."""
        self.moving: dict[str, Tracked] = {}
        """Open orders that do not rest at the venue: not acknowledged yet, or at market."""
        self.untold: dict[str, Tracked] = {}
        """Orders of our count, open or over, of which the venue has reported more than its fills
        have told: by so much the position is not what it seems."""

    def exposure(self, price: Decimal | None) -> Exposure:
        """The worst that may happen; `price` turns quote units into base units."""
        buys, sells = self.buys, self.sells
        if price and (self.quote_buys or self.quote_sells):
            buys = EXACT.add(buys, _UP.divide(self.quote_buys, price))
            sells = EXACT.add(sells, _UP.divide(self.quote_sells, price))
        return Exposure(buys=buys, sells=sells)

    def on_its_way(self, side: Side, price: Decimal | None) -> Decimal:
        """What orders of this side may still do to the position that do not rest at the venue."""
        coming = [one.may_trade(price) for one in self.moving.values() if one.side is side]
        return sum(
            (one.missing for one in self.untold.values() if one.side is side), sum(coming, ZERO)
        )

    def add(self, side: Side | None, base: Decimal, quote: Decimal) -> None:
        """Count this much more on one side."""
        if side is _BUY:
            self.buys = EXACT.add(self.buys, base)
            if quote:
                self.quote_buys = EXACT.add(self.quote_buys, quote)
        elif side is _SELL:
            self.sells = EXACT.add(self.sells, base)
            if quote:
                self.quote_sells = EXACT.add(self.quote_sells, quote)


class Share(msgspec.Struct, frozen=True, gc=False):
    """What one order is counted for at present."""

    side: Side | None
    base: Decimal
    quote: Decimal
    flying: bool
    moving: bool
    unknown_since: int | None
    untold: bool = False


_GONE = Share(None, ZERO, ZERO, flying=False, moving=False, unknown_since=None)


class Tally:
    """The sums of one account. Shelf and ledger keep it, risk reads it."""

    __slots__ = (
        "_noted", "_shares", "_times", "by_symbol", "flying", "unanswered", "unknown",
    )  # fmt: skip

    def __init__(self) -> None:
        self.flying: dict[str, Tracked] = {}
        """Open orders of which the venue has said nothing yet."""
        self.unanswered = 0
        """How many of them are ours."""
        self.unknown = 0
        """Of how many orders the venue has not said whether they exist."""
        self.by_symbol: dict[str, Standing] = {}
        """The sums of every symbol in which there ever was an order."""
        self._shares: dict[str, Share] = {}
        self._times: list[tuple[int, int, Tracked]] = []
        """Orders by since when they are unknown; times that are over may be among them."""
        self._noted = 0

    # ── reading ───────────────────────────────────────────────────────────────────────────────

    def exposure(self, symbol: str, price: Decimal | None) -> Exposure:
        """The worst that may still happen in this symbol."""
        here = self.by_symbol.get(symbol)
        return _NOTHING if here is None else here.exposure(price)

    def oldest_unknown(self) -> Tracked | None:
        """The order that has been unknown for longest."""
        times = self._times
        while times:
            if self._is_unknown_since(*times[0]):
                return times[0][2]
            heappop(times)
        return None

    # ── keeping ───────────────────────────────────────────────────────────────────────────────

    def note(self, order: Tracked) -> None:
        """Count this order, which is on the shelf, for what it is now."""
        self._count(order, _share_of(order))

    def begin(self, order: Tracked) -> None:
        """The same for one of ours that was made just now: nothing of it is known but its size."""
        name, size, quote, side = order.id, order.size, ZERO, order.side
        if size is None:
            size, quote = ZERO, order.quote_size or ZERO
        here = self.by_symbol.get(order.symbol)
        if here is None:
            here = self.by_symbol[order.symbol] = Standing()
        if side is _BUY and not quote:
            here.buys = EXACT.add(here.buys, size) if here.buys else size
        else:
            here.add(side, size, quote)
        here.orders += 1
        self.unanswered += 1
        self.flying[name] = here.moving[name] = order
        self._shares[name] = Share(side, size, quote, True, True, None)

    def drop(self, order: Tracked) -> None:
        """Count this order no longer: it leaves the shelf."""
        self._count(order, _GONE)

    def _count(self, order: Tracked, share: Share) -> None:
        name, symbol = order.id, order.symbol
        before = self._shares.get(name, _GONE)
        if share == before:
            return
        if share == _GONE:  # an order of which nothing is known yet counts for nothing
            share = _GONE
        here = self.by_symbol.get(symbol)
        if here is None:
            here = self.by_symbol[symbol] = Standing()
        if (
            share.side is not before.side
            or share.base != before.base
            or share.quote != before.quote
        ):
            here.add(before.side, before.base.copy_negate(), before.quote.copy_negate())
            here.add(share.side, share.base, share.quote)
        if share.flying is not before.flying:
            self._fly(order, flies=share.flying)
        if share.moving is not before.moving:
            if share.moving:
                here.moving[name] = order
            else:
                del here.moving[name]
        if share.untold is not before.untold:
            if share.untold:
                here.untold[name] = order
            else:
                del here.untold[name]
        if share.unknown_since != before.unknown_since:
            self._note_unknown(order, share, before, here)
        self._file(name, share, before, here)

    def _file(self, name: str, share: Share, before: Share, here: Standing) -> None:
        if share is not _GONE:
            here.orders += before is _GONE
            self._shares[name] = share
            return
        del self._shares[name]
        here.orders -= 1
        if not here.orders:  # so that no digits of a stranger stay behind
            here.buys = here.sells = here.quote_buys = here.quote_sells = ZERO

    def _fly(self, order: Tracked, *, flies: bool) -> None:
        if flies:
            self.flying[order.id] = order
            self.unanswered += order.is_ours
        else:
            del self.flying[order.id]
            self.unanswered -= order.is_ours

    def _note_unknown(self, order: Tracked, share: Share, before: Share, here: Standing) -> None:
        change = (share.unknown_since is not None) - (before.unknown_since is not None)
        here.unknown += change
        self.unknown += change
        if share.unknown_since is not None:
            self._noted += 1
            heappush(self._times, (share.unknown_since, self._noted, order))
            if len(self._times) > 2 * self.unknown + _SPARE:
                self._times = [one for one in self._times if self._is_unknown_since(*one)]
                heapify(self._times)

    def _is_unknown_since(self, since: int, _: int, order: Tracked) -> bool:
        return self._shares.get(order.id, _GONE).unknown_since == since


def _share_of(order: Tracked) -> Share:
    """What this order counts for."""
    if order.state in FINAL:
        missing = order.missing
        if not missing:
            return _GONE
        side, untold = order.side, order.counted
        return Share(side, missing, ZERO, False, False, unknown_since=None, untold=untold)
    base, quote, untold = order.size, ZERO, False
    if base is None:
        base = order.missing
        untold = order.counted and bool(base)
        if order.quote_size is not None:
            quote = max(ZERO, order.quote_size - order.filled_quote)
    elif order.filled or order.reported:
        missing = order.missing
        untold = order.counted and bool(missing)
        base = EXACT.add(max(ZERO, base - order.done), missing)
    flying = not order.acknowledged
    return Share(
        order.side,
        base,
        quote,
        flying=flying,
        moving=flying or order.type is _MARKET,
        unknown_since=order.changed_at if order.state is _UNKNOWN else None,
        untold=untold,
    )
