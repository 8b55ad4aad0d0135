"""Clearance: a quick yes for the ordinary order, so that the checks of `limits` run only in doubt.

House rules: a yes here means that every check in `limits.CHECKS` says yes (a property test holds
the two beside each other); a no means nothing at all, and the checks decide and name the breach.
What is compared here are floats, so every comparison leaves a margin a million times wider than
their error: whoever is that close to a limit meets the exact checks.
"""

from __future__ import annotations

from decimal import Decimal
from math import inf

from pitwire.model.clock import SECOND, drift
from pitwire.model.instruments import Instrument, Number
from pitwire.model.orders import OrderState, OrderType, Place, Side
from pitwire.trading.limits import OPEN, Limits
from pitwire.trading.state import State
from pitwire.trading.tracked import Tracked

_MARKET, _BUY, _UNKNOWN = OrderType.MARKET, Side.BUY, OrderState.UNKNOWN
_PLAIN = frozenset((_MARKET, OrderType.LIMIT, OrderType.POST_ONLY))
MARGIN = 1e-9
"""Of the numbers compared. The error of a few float operations is below 1e-15 of them."""
_NOBODY: dict[str, Tracked] = {}
_REMEMBERED = 512
"""Numbers of one instrument remembered with their place on the grid."""


class Clearance:
    """What holds for one instrument until it or the limits change, ready to be compared."""

    __slots__ = (
        "_age", "_check_funds", "_clock", "_collar", "_grid", "_loss", "_max_here", "_max_notional",
        "_max_open", "_max_position", "_max_size", "_min_notional", "_shorts", "_tradable",
        "_types", "instrument", "limits", "own", "viewable_only",
    )  # fmt: skip

    def __init__(self, instrument: Instrument, limits: Limits) -> None:
        self.instrument, self.limits = instrument, limits
        own = self.own = limits.of(instrument.symbol)
        self.viewable_only = instrument.viewable_only
        self._tradable = not self.viewable_only and instrument.status.upper() in OPEN
        listed = instrument.order_types
        self._types = _PLAIN.intersection(listed) if listed else _PLAIN
        if limits.max_exposure is not None or limits.max_day_notional is not None:
            self._types = frozenset()  # sums over the account: left to the exact checks
        sizes = (own.max_order_size, instrument.market_max_size or None)
        self._max_size = min(map(_at_most, sizes))
        notionals = (own.max_order_notional, instrument.max_notional or None)
        self._max_notional = min(map(_at_most, notionals))
        self._min_notional = float(instrument.min_notional) * (1 + MARGIN)
        self._max_position = _at_most(own.max_position)
        percent = own.collar_percent
        self._collar = inf if percent is None else float(percent) / 100
        self._max_here = limits.max_open_orders_per_symbol
        if instrument.max_open_orders:
            self._max_here = min(self._max_here, instrument.max_open_orders)
        self._max_open = limits.max_open_orders
        self._age = limits.max_quote_age_seconds * SECOND * (1 - MARGIN)
        self._clock = limits.max_clock_error_seconds * SECOND * (1 - MARGIN)
        self._loss = _at_most(limits.max_daily_loss)
        self._check_funds = limits.check_funds
        self._shorts = limits.allow_short
        self._grid: dict[tuple[type, Number, bool], Decimal] = {}

    # ── numbers ───────────────────────────────────────────────────────────────────────────────

    def price(self, value: Number) -> Decimal:
        """`Instrument.price`, remembered."""
        key = (value.__class__, value, True)
        found = self._grid.get(key)
        return self._remember(key, self.instrument.price(value)) if found is None else found

    def size(self, value: Number) -> Decimal:
        """`Instrument.size`, remembered."""
        # By type too: a float is a label, and the Decimal equal to it is another number.
        key = (value.__class__, value, False)
        found = self._grid.get(key)
        return self._remember(key, self.instrument.size(value)) if found is None else found

    def quote_size(self, value: Number) -> Decimal:
        """`Instrument.quote_size`."""
        return self.instrument.quote_size(value)

    def _remember(self, key: tuple[type, Number, bool], found: Decimal) -> Decimal:
        if len(self._grid) >= _REMEMBERED:
            self._grid.clear()
        self._grid[key] = found
        return found

    # ── the quick yes ─────────────────────────────────────────────────────────────────────────

    def passes(self, place: Place, state: State, now: int) -> bool:
        """Whether nothing in `limits` stands against a plain order whose numbers are on the grid.

        Not asked here: how many were decided lately, and whether this one is a repetition.
        """
        if not self._is_plain(place, state):
            return False
        symbol, size = place.symbol, place.size
        touch, clock = state.touch(symbol), state.offset
        if touch is None or size is None or now - touch[2] > self._age:
            return False
        if clock is not None and clock.error + drift(now - clock.received) > self._clock:
            return False
        buys, price = place.side is _BUY, place.price
        best = touch[1] if buys else touch[0]
        amount = float(size)
        worth = best if price is None else float(price)
        notional = amount * worth
        return (
            amount <= self._max_size
            and self._min_notional <= notional <= self._max_notional
            and self._is_near(place, state, best, amount, worth)
            and self._has_room(place, state, best, amount)
            and (self._loss == inf or self._is_not_lost(state))
            and self._is_paid(state, notional if buys else amount, buys)
        )

    def _is_plain(self, place: Place, state: State) -> bool:
        """A size, a price where its type wants one, nothing else; in a market that is open."""
        return (
            place.type in self._types
            and (place.price is None) is (place.type is _MARKET)
            and place.quote_size is None
            and place.stop_price is None
            and place.trailing_bips is None
            and not place.reduce_only
            and (self._shorts or place.side is _BUY)
            and self._tradable
            and place.symbol not in state.stale
            and state.statuses.get(place.symbol, "TRADING") in OPEN
        )

    def _is_near(
        self, place: Place, state: State, best: float, amount: float, worth: float
    ) -> bool:
        """Within the collar; a market order only where the best level takes it whole."""
        away = self._collar
        if away == inf:
            return True
        if place.type is _MARKET:
            book = state.book(place.symbol)
            if book is not None:
                level = book.best_ask if place.side is _BUY else book.best_bid
                if level is None or level[1] < amount:
                    return False
                worth = level[0]
        far = best * (away - MARGIN * (1 + away))
        return worth <= best + far if place.side is _BUY else worth >= best - far

    def _has_room(self, place: Place, state: State, best: float, amount: float) -> bool:
        """Open orders, none of them unknown, and the position if all of them trade."""
        ledger, symbol = state.ledger, place.symbol
        here = ledger.open_by_symbol.get(symbol, _NOBODY)
        if len(here) >= self._max_here or len(ledger.open) >= self._max_open:
            return False
        standing = ledger.tally.standing(symbol)
        if standing is not None and standing.unknown:
            return False
        if self._max_position == inf:
            return True
        price = Decimal(repr(best)) if place.price is None else place.price
        exposure = ledger.exposure(symbol, price)
        held = float(state.portfolio.position(symbol))
        if place.side is _BUY:
            waiting = float(exposure.buys) + amount
            worst = waiting + held
        else:
            waiting = float(exposure.sells) + amount
            worst = waiting - held
        return worst + MARGIN * (waiting + abs(held)) <= self._max_position

    def _is_not_lost(self, state: State) -> bool:
        """The day's result is not near the loss that is allowed."""
        portfolio, quote = state.portfolio, self.instrument.quote
        total = float(portfolio.day_start(quote))
        result, scale = -total, abs(total)
        for holding in portfolio.holdings.values():
            if holding.quote != quote:
                continue
            realised, size = float(holding.realised), float(holding.size)
            mark = state.mark(holding.symbol) if size else None
            open_result = 0.0
            if mark is not None:
                worth, cost = size * mark, float(holding.cost)
                open_result, scale = worth - cost, scale + abs(worth) + abs(cost)
            result += realised + open_result
            scale += abs(realised)
        return -result + MARGIN * scale < self._loss

    def _is_paid(self, state: State, needed: float, buys: bool) -> bool:
        """The free balance pays for it, and nothing that is on its way wants of it too."""
        if not self._check_funds:
            return True
        free = state.portfolio.free(self.instrument.quote if buys else self.instrument.base)
        if free is None:
            return True
        return needed <= float(free) * (1 - MARGIN) and not state.ledger.tally.flying


def _at_most(limit: Decimal | None) -> float:
    if limit is None:
        return inf
    value = float(limit)
    return value - MARGIN * abs(value)
