"""Closing positions of a halted desk, when the person who halts has asked for that, too.

House rules: cancels go first, and a symbol waits until nothing of ours is open in it and every fill
is told, for until then nobody knows what is held; each order is a market order that makes a
position smaller, takes the screen's way like any other, and is never sent again; what cannot be
closed is said with its reason. It ends when a person resumes, and does not outlive the desk.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from pitwire.model.clock import SECOND
from pitwire.model.errors import OffGrid
from pitwire.model.instruments import Instrument
from pitwire.model.numbers import plain
from pitwire.model.orders import Order, OrderType, Place, Side
from pitwire.trading.limits import Limits
from pitwire.trading.state import State as DeskState

if TYPE_CHECKING:
    from pitwire.desk.desk import Desk

State: TypeAlias = Literal["waiting", "closing", "closed", "left"]
RULE = "flatten"
"""Which rule such an order names."""
FRUITLESS = 5
"""Orders in a symbol after which, where its position is still the same, no further one is sent."""
_AGAIN = SECOND


class Closing(msgspec.Struct, frozen=True, kw_only=True):
    """How the closing of one position stands."""

    held: Decimal
    """Base units that are still held, negative when short."""
    state: State
    why: str = ""
    """What it waits for, or why it is left open."""


class Flattener:
    """Closes the positions of one desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._told: dict[str, Closing] = {}
        self._tried: dict[str, tuple[Decimal, int]] = {}
        """Symbol → what was held, and how many orders have not changed it."""
        self._again: dict[str, int] = {}

    def begin(self, by: str) -> None:
        """Close what is held from now on; the desk is halted."""
        self._told.clear()
        self._tried.clear()
        self._again.clear()
        now = self._desk.clock.now()
        self._desk.engine.screen.flatten(by, now)
        self.tend(now)
        self._desk.settle()

    def told(self) -> dict[str, Closing]:
        """How it stands, by symbol; nothing where nobody has asked for it."""
        return dict(self._told) if self._desk.engine.screen.flattening else {}

    def tend(self, now: int) -> None:
        """Send what is due."""
        if not self._desk.engine.screen.flattening:
            return
        holdings = self._desk.engine.state.portfolio.holdings
        held = {symbol: one.size for symbol, one in holdings.items() if one.size}
        for symbol in dict.fromkeys((*held, *self._told)):
            size = held.get(symbol, Decimal(0))
            state, why = self._close(symbol, size, now) if size else ("closed", "")
            self._note(symbol, Closing(held=size, state=state, why=why), now)

    def _close(self, symbol: str, held: Decimal, now: int) -> tuple[State, str]:
        desk, state = self._desk, self._desk.engine.state
        working = [one for one in state.ledger.open_of(symbol) if one.is_ours]
        if any(one.type is OrderType.MARKET for one in working):
            return "closing", ""
        if working:
            return "waiting", f"{len(working)} of our orders are not closed yet"
        standing = state.ledger.tally.by_symbol.get(symbol)
        if standing is not None and standing.untold:
            orders = "1 order" if len(standing.untold) == 1 else f"{len(standing.untold)} orders"
            return "waiting", f"the fills of {orders} are not told yet"
        before, tries = self._tried.get(symbol, (held, 0))
        if before != held:
            tries = 0
        elif now < self._again.get(symbol, 0):
            last = self._told[symbol]
            return last.state, last.why
        if tries >= FRUITLESS:
            return "left", f"{tries} orders have not changed it"
        way_out = desk.way_out
        if way_out is None or not way_out.may_trade:
            return "waiting", "the venue cannot be reached"
        if way_out.stock.owes(symbol) or (not desk.on_paper and desk.session.asks_fills):
            return "waiting", "the venue has not told yet what traded meanwhile"
        self._again[symbol] = now + _AGAIN
        instrument = state.instruments.get(symbol)
        if instrument is None:
            return "left", "the venue lists no such symbol"
        size = closing_size(instrument, state, desk.engine.screen.limits, held)
        if isinstance(size, str):
            return "left", size
        side = Side.SELL if held > 0 else Side.BUY
        place = Place(
            symbol=symbol, side=side, type=OrderType.MARKET, size=size, reduce_only=True, rule=RULE
        )
        found = desk.engine.screen.close_out(place, state, now)
        if not isinstance(found, Order):
            return "waiting", f"refused: {found.limit} is {found.value}, allowed {found.allowed}"
        self._tried[symbol] = held, tries + 1
        desk.switchboard.send((found,), now)
        return "closing", ""

    def _note(self, symbol: str, closing: Closing, now: int) -> None:
        before = self._told.get(symbol)
        self._told[symbol] = closing
        if closing.state == "left" and (before is None or before.state != "left"):
            text = f"flatten: {plain(closing.held)} {symbol} is left open: {closing.why}"
            self._desk.alert(text, now)


def closing_size(
    instrument: Instrument, state: DeskState, limits: Limits, held: Decimal
) -> Decimal | str:
    """The size of the next order that closes `held`, on the grid; or why there is none."""
    own = limits.of(instrument.symbol)
    largest = [abs(held), own.max_order_size, instrument.market_max_size, instrument.max_size]
    touch = state.touch(instrument.symbol)
    price = None if touch is None else Decimal(repr(touch[0] if held > 0 else touch[1]))
    if price:
        worth = (own.max_order_notional, instrument.max_notional)
        largest += [most / price for most in worth if most]
    try:
        size = instrument.size(min(one for one in largest if one))
    except OffGrid as off:
        return f"{off.value} is no size for this venue, which takes {off.expected}"
    least = instrument.min_notional if instrument.notional_applies_to_market else 0
    if price and size * price < least:
        worth_of = f"worth {plain(size * price)} {instrument.quote}"
        return f"{worth_of}, and the venue takes {plain(instrument.min_notional)} at least"
    return size
