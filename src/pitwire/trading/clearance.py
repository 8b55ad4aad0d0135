"""Clearance: a quick yes for the ordinary order, so that the checks of `limits` run only in doubt.

House rules: a yes here means that every check in `limits.CHECKS` says yes (a property test holds
the two beside each other); a no means nothing at all, and the checks decide and name the breach.
Sizes, sums and money are compared as the exact checks do it. Where floats are compared (the collar,
the day's loss) a margin is left, a million times wider than their error: whoever is that close to a
limit meets the exact checks. Beside it stands `_gate.c`, the compiled twin of the whole short way
of a limit order, approval included (ADR 36).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from decimal import Decimal
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

from pitwire.model.clock import DRIFT_PPM, SECOND, drift
from pitwire.model.instruments import Instrument, Number
from pitwire.model.orders import Order, OrderState, OrderType, Place, Side
from pitwire.model.twins import twin
from pitwire.trading.limits import OPEN, Limits
from pitwire.trading.state import State, Touch
from pitwire.trading.tally import EXACT, Share
from pitwire.trading.tracked import ZERO, Origin, Tracked
from pitwire.trading.wishes import Draft

if TYPE_CHECKING:
    from pitwire.trading.risk import Screen

_MARKET, _BUY = OrderType.MARKET, Side.BUY
_UNLIMITED = Decimal("Infinity")
_PLAIN = frozenset((_MARKET, OrderType.LIMIT, OrderType.POST_ONLY))
MARGIN = 1e-9
"""Of the numbers compared. The error of a few float operations is below 1e-15 of them."""
_REMEMBERED = 512
"""Numbers of one instrument remembered with their place on the grid."""


class Gate(NamedTuple):
    """The short way, compiled. Both take (screen, draft, state, now)."""

    quick: Callable[[Screen, Draft, State, int], Order | None]
    """The order that `Screen._order` would admit by its short way, or None."""
    would: Callable[[Screen, Draft, State, int], bool]
    """Whether there would be one; nothing is changed."""


def known_by(gate: Any) -> Gate:
    """The compiled twin of this module, which knows what orders are made of from now on."""
    gate.know(
        Draft, Order, Tracked, Share, deque, _MARKET, _BUY, Origin.OURS, OrderState.NEW, ZERO,
        EXACT.add, MARGIN, DRIFT_PPM, SECOND,
    )  # fmt: skip
    return Gate(gate.quick, gate.would)


_twin = twin("pitwire.trading._gate")
COMPILED = None if _twin is None else known_by(_twin)
"""The compiled short way, where it was built."""


class Clearance:
    """What holds for one instrument until it or the limits change, ready to be compared."""

    __slots__ = (
        "_age", "_check_funds", "_clock", "_collar", "_floats", "_grid", "_loss", "_max_here",
        "_max_notional", "_max_open", "_max_position", "_max_size", "_min_notional", "_shorts",
        "_tradable", "_types", "instrument", "limits", "own", "viewable_only",
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
        self._max_size = _least(own.max_order_size, instrument.market_max_size)
        self._max_notional = _least(own.max_order_notional, instrument.max_notional)
        self._min_notional = instrument.min_notional
        self._max_position = own.max_position
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
        self._floats: dict[Decimal, float] = {}

    # ── numbers ───────────────────────────────────────────────────────────────────────────────

    def price(self, value: Number) -> Decimal:
        """`Instrument.price`, remembered."""
        key = (value.__class__, value, True)
        try:
            found = self._grid.get(key)
        except TypeError:
            return self.instrument.price(value)  # a signalling NaN cannot be looked up: it raises
        return self._remember(key, self.instrument.price(value)) if found is None else found

    def size(self, value: Number) -> Decimal:
        """`Instrument.size`, remembered."""
        # By type too: a float is a label, and the Decimal equal to it is another number.
        key = (value.__class__, value, False)
        try:
            found = self._grid.get(key)
        except TypeError:
            return self.instrument.size(value)  # likewise
        return self._remember(key, self.instrument.size(value)) if found is None else found

    def quote_size(self, value: Number) -> Decimal:
        """`Instrument.quote_size`."""
        return self.instrument.quote_size(value)

    def _remember(self, key: tuple[type, Number, bool], found: Decimal) -> Decimal:
        if len(self._grid) >= _REMEMBERED:
            self._grid.clear()
            self._floats.clear()
        self._grid[key] = found
        self._floats[found] = float(found)
        return found

    # ── the quick yes ─────────────────────────────────────────────────────────────────────────

    def passes(self, place: Place, state: State, now: int, touch: Touch | None) -> bool:
        """Whether nothing in `limits` stands against a plain order whose numbers are on the grid.

        `touch` is `state.touch` of its symbol. Not asked here: how many were decided lately, and
        whether this one is a repetition.
        """
        size, price, kind = place.size, place.price, place.type
        if (
            touch is None
            or size is None
            or now - touch[2] > self._age
            or kind not in self._types
            or (price is None) is not (kind is _MARKET)
            or place.quote_size is not None
            or place.stop_price is not None
            or place.trailing_bips is not None
            or place.reduce_only
            or not self._tradable
            or (state.stale and place.symbol in state.stale)
            or (state.statuses and state.statuses.get(place.symbol, "TRADING") not in OPEN)
        ):
            return False
        clock = state.offset
        if clock is not None and clock.error + drift(now - clock.received) > self._clock:
            return False
        buys = place.side is _BUY
        best = touch[1] if buys else touch[0]
        notional = size * (Decimal(repr(best)) if price is None else price)
        return (
            size <= self._max_size
            and self._min_notional <= notional <= self._max_notional
            and (self._collar == inf or self._is_near(place, state, best, price))
            and self._has_room(place.symbol, state, size, buys)
            and (self._loss == inf or self._is_not_lost(state))
            and (not self._check_funds or self._is_paid(state, notional if buys else size, buys))
        )

    def _is_near(self, place: Place, state: State, best: float, price: Decimal | None) -> bool:
        """Within the collar; a market order only where the best level takes it whole."""
        away = self._collar
        if price is not None:
            worth = self._floats.get(price) or float(price)
        else:
            worth, book = best, state.book(place.symbol)
            if book is not None:
                level = book.best_ask if place.side is _BUY else book.best_bid
                if level is None or level[1] < float(place.size or 0):
                    return False
                worth = level[0]
        far = best * (away - MARGIN * (1 + away))
        return worth <= best + far if place.side is _BUY else worth >= best - far

    def _has_room(self, symbol: str, state: State, size: Decimal, buys: bool) -> bool:
        """Open orders, none of them unknown, and the position if all of them trade."""
        ledger = state.ledger
        if len(ledger.open) >= self._max_open:
            return False
        here = ledger.open_by_symbol.get(symbol)
        if here is not None and len(here) >= self._max_here:
            return False
        holding, largest = state.portfolio.holdings.get(symbol), self._max_position
        held = ZERO if holding is None else holding.size
        standing, waiting = ledger.tally.by_symbol.get(symbol), ZERO
        if standing is not None:
            if standing.unknown or standing.quote_buys or standing.quote_sells:
                return False
            waiting = standing.buys if buys else standing.sells
        worst = held + waiting + size if buys else waiting + size - held
        return (largest is None or worst <= largest) and (buys or self._shorts or worst <= 0)

    def _is_not_lost(self, state: State) -> bool:
        """The day's result is not near the loss that is allowed."""
        stake = state.portfolio.stakes.get(self.instrument.quote)
        if stake is None:
            stake = state.portfolio.stake(self.instrument.quote)
        result, scale = stake.settled, stake.scale
        for symbol, (size, cost) in stake.held.items():
            mark = state.mark(symbol)
            if mark is not None:
                worth = size * mark
                result += worth - cost
                scale += abs(worth) + abs(cost)
        return -result + MARGIN * scale < self._loss

    def _is_paid(self, state: State, needed: Decimal, buys: bool) -> bool:
        """The free balance pays for it, and for what is on its way and wants of it too."""
        asset = self.instrument.quote if buys else self.instrument.base
        balance = state.portfolio.balances.get(asset)
        if balance is None or self.instrument.margin:
            return True
        flying = state.ledger.tally.flying
        if flying:
            for order in flying.values():
                wants = _at_most_wants(order, asset, state)
                if wants is None:
                    return False
                needed += wants
        return needed <= balance.free


def _at_most_wants(order: Tracked, asset: str, state: State) -> Decimal | None:
    """How much of this asset an order may take, its fills not counted; None: not easily said."""
    instrument, size = state.instruments.get(order.symbol), order.size
    if instrument is None or size is None:
        return None
    if order.side is not _BUY:
        return size if instrument.base == asset else ZERO
    if instrument.quote != asset:
        return ZERO
    price = order.price or order.stop_price
    return None if price is None else size * price


def _least(ours: Decimal | None, venues: Decimal) -> Decimal:
    """The smaller of two limits; of the venue, 0 is none."""
    limits = [limit for limit in (ours, venues or None) if limit is not None]
    return min(limits, default=_UNLIMITED)


def _at_most(limit: Decimal | None) -> float:
    if limit is None:
        return inf
    value = float(limit)
    return value - MARGIN * abs(value)
