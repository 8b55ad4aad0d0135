"""Ready rules: a trailing stop, and how far from a price anything ready stands.

House rules: what protects keeps trying: a refused or rejected exit is wished again, no more often
than once a second; it counts only fills and positions, never hopes. It lives in this process: a
desk that is dead protects nothing, which is what stops at the venue are for.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from pitwire.model import events as ev
from pitwire.model.clock import SECOND
from pitwire.trading.actions import closing
from pitwire.trading.market_conditions import PriceFeed, PriceName, tick_of
from pitwire.trading.rules import Watch
from pitwire.trading.state import State
from pitwire.trading.wishes import Wish

RETRY = SECOND
"""An exit that came to nothing is wished again after this long, ns."""


class Distance(msgspec.Struct, frozen=True, kw_only=True):
    """How far from a price: in percent of it or in ticks, whichever is given."""

    percent: Decimal | None = None
    ticks: int | None = None

    def from_price(self, price: float, state: State, symbol: str) -> float:
        """The distance in price units; zero while the tick is not known."""
        if self.percent is not None:
            return price * float(self.percent) / 100
        return (self.ticks or 0) * (tick_of(state, symbol) or 0.0)


class TrailingStop:
    """Follows the price while a position is held and closes it at market when the price turns.

    For a long position the stop stands `distance` below the highest price seen since it was opened
    (or since `activate_at` was reached), for a short one above the lowest.
    """

    def __init__(
        self,
        name: str,
        symbol: str,
        distance: Distance,
        *,
        of: PriceName = "last",
        activate_at: float | None = None,
        tag: str = "",
    ) -> None:
        self.name = name
        self.symbol = symbol
        self.best: float | None = None
        """The best price since the position was opened; None while nothing is followed."""
        self._distance = distance
        self._feed = PriceFeed(symbol, of)
        self._activate_at = activate_at
        self._tag = tag or name
        self._side = 0
        self._tried: int | None = None
        self.watches = (*self._feed.watches, Watch(ev.Fill, symbol))

    @property
    def watching(self) -> bool:
        return self.best is not None

    def stop_price(self, state: State) -> float | None:
        """Where it would close now; None while it follows nothing."""
        if self.best is None:
            return None
        return self.best - self._side * self._distance.from_price(self.best, state, self.symbol)

    def react(self, state: State, now: int) -> Iterator[Wish]:
        held = state.portfolio.position(self.symbol)
        side = 0 if not held else 1 if held > 0 else -1
        if side != self._side:
            self._side, self.best, self._tried = side, None, None
        price = self._feed.shown(state)
        if not side or price is None:
            return
        if not self.watching and not self._is_active(price):
            return
        self.best = price if self.best is None else side * max(side * self.best, side * price)
        stop = self.stop_price(state)
        if stop is not None and side * (price - stop) <= 0 and self._may_try(state, now):
            self._tried = now
            draft = closing(state, self.symbol, self._tag)
            if draft is not None:
                yield draft

    def _is_active(self, price: float) -> bool:
        return self._activate_at is None or self._side * (price - self._activate_at) >= 0

    def _may_try(self, state: State, now: int) -> bool:
        """Not while an exit of ours is open, and not more than once a second."""
        if any(order.tag == self._tag for order in state.ledger.open_of(self.symbol)):
            return False
        return self._tried is None or now >= self._tried + RETRY
