"""Orders to ask a codec and a screen for: on the grid, and next to it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_CEILING, Decimal

import msgspec

from pitwire.conformance.cards import Exam
from pitwire.conformance.courses import Meeting
from pitwire.conformance.golden import NOW
from pitwire.model.clock import SECOND
from pitwire.model.entropy import Chance
from pitwire.model.events import Quote
from pitwire.model.instruments import Instrument
from pitwire.model.orders import Order, OrderType, Place, Side
from pitwire.session.session import Session
from pitwire.trading.ids import OrderIds
from pitwire.trading.journal import MemoryJournal
from pitwire.trading.limits import Limits
from pitwire.trading.risk import Screen
from pitwire.trading.state import State

LIMIT = "a limit order of"
_EACH = 5
"""Orders on the grid that are drawn for an instrument."""
_HIGH = 10_000
"""Ticks at which the market stands."""


def screen_for(exam: Exam, instrument: Instrument) -> tuple[Screen, State, int]:
    """Risk with a market of this instrument before it, and the time."""
    state = State([instrument])
    anchor = _anchor(instrument)
    quote = Quote(
        exam.venue.name, instrument.symbol, NOW, NOW, float(anchor), 1.0,
        float(anchor + instrument.tick), 1.0,
    )  # fmt: skip
    state.apply(quote)
    limits = Limits(max_orders_per_second=1_000, max_orders_per_ten_seconds=1_000)
    screen = Screen(limits, OrderIds("exam", 1), MemoryJournal(), armed=True)
    return screen, state, NOW + SECOND


def grid_wishes(instrument: Instrument, chance: Chance) -> Iterator[tuple[Place, bool]]:
    """Wishes, and whether they may leave."""
    allowed = instrument.status in ("TRADING", "OPEN") and not instrument.viewable_only
    for _ in range(_EACH):
        price = _anchor(instrument) - chance.randrange(_HIGH // 4) * instrument.tick
        price = max(price, instrument.min_price, instrument.tick)
        size = _size(instrument, price, chance)
        yield _wish(instrument, price, size), allowed
        half = Decimal("0.5")
        yield _wish(instrument, price + half * instrument.tick, size), False
        yield _wish(instrument, price, size + half * instrument.lot), False
    yield _wish(instrument, -price, size), False
    yield _wish(instrument, price, Decimal("NaN")), False


def small_order(instrument: Instrument, number: int, price: Decimal) -> Order:
    """An order as small as may be, for one who has no screen."""
    size = _size(instrument, price, None)
    facts = {"id": f"exam-{number}", "symbol": instrument.symbol, "side": "buy", "type": "limit"}
    return msgspec.convert({**facts, "price": str(price), "size": str(size)}, Order)


async def small_orders(meeting: Meeting, session: Session, count: int) -> list[Order]:
    """So many, a little below the market, in one symbol after the other."""
    symbols = meeting.exam.candidate.symbols
    known, orders = await session.load_instruments(symbols), []
    for number in range(count):
        symbol = symbols[number % len(symbols)]
        listing = meeting.world.exchange.listings[symbol]
        price = known[symbol].price_down(listing.start_price * listing.tick * Decimal("0.98"))
        orders.append(small_order(known[symbol], number, price))
    return orders


def _anchor(instrument: Instrument) -> Decimal:
    anchor = max(_HIGH * instrument.tick, instrument.min_price + _HIGH * instrument.tick)
    return min(anchor, instrument.max_price) if instrument.max_price else anchor


def _size(instrument: Instrument, price: Decimal, chance: Chance | None) -> Decimal:
    least = max(instrument.min_size, instrument.lot, 2 * instrument.min_notional / price)
    lots = (least / instrument.lot).to_integral_value(ROUND_CEILING)
    lots += chance.randrange(1_000) if chance is not None else 0
    size = lots * instrument.lot
    return min(size, instrument.max_size) if instrument.max_size else size


def _wish(instrument: Instrument, price: Decimal, size: Decimal) -> Place:
    return Place(
        symbol=instrument.symbol,
        side=Side.BUY,
        type=OrderType.LIMIT,
        price=price,
        size=size,
        rule="exam",
    )
