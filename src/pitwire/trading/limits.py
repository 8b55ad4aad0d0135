"""The limits of risk, and one small pure check for each.

House rules: a check reads a proposal and answers None or a breach with the number it saw; it
changes nothing and raises nothing. What is unknown counts at its worst.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import NamedTuple, TypeAlias

import msgspec

from pitwire.model.clock import SECOND, drift
from pitwire.model.errors import OffGrid
from pitwire.model.instruments import Instrument
from pitwire.model.numbers import plain
from pitwire.model.orders import CONDITIONAL, OrderType, Place, Side
from pitwire.trading.reducing import only_reduces
from pitwire.trading.state import State
from pitwire.trading.tracked import ZERO, Tracked

OPEN = ("TRADING", "OPEN")
"""What a venue calls a market in which it trades."""
_UNPRICED = frozenset((OrderType.MARKET, OrderType.STOP, OrderType.TAKE_PROFIT))
_MARKET = OrderType.MARKET


class SymbolLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of one symbol; None takes the general one."""

    max_order_size: Decimal | None = None
    """Base units in one order."""
    max_order_notional: Decimal | None = None
    """Quote units in one order."""
    max_position: Decimal | None = None
    """Base units held either way, counting every open and unknown order at its worst."""
    collar_percent: Decimal | None = None
    """How far beyond the best price an order may take, in percent of it."""


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What risk allows. None: not limited."""

    max_order_size: Decimal | None = None
    max_order_notional: Decimal | None = None
    max_position: Decimal | None = None
    collar_percent: Decimal | None = Decimal(5)
    max_open_orders: int = 100
    max_open_orders_per_symbol: int = 20
    max_orders_per_second: int = 10
    max_orders_per_ten_seconds: int = 50
    max_daily_loss: Decimal | None = None
    """Quote units lost since midnight UTC, open result included; then only reducing orders pass.

    Counted on by a desk that is started again, where it keeps a journal. A position that had no
    price at midnight counts from its first one on."""
    max_drawdown: Decimal | None = None
    """Quote units below the day's best result, open result included; then the desk only reduces
    until a person resumes. The best is this run's."""
    max_exposure: Decimal | None = None
    """Quote units in all symbols priced in the same asset, every open order at its worst."""
    max_day_notional: Decimal | None = None
    """Quote units ordered since midnight UTC, whatever became of it.

    Counted on by a desk that is started again, where it keeps a journal; so is the next."""
    max_day_orders: int | None = None
    """Orders since midnight UTC; then only those that reduce a position pass."""
    max_rule_orders_per_ten_seconds: int | None = None
    """Of one rule."""
    max_cancel_ratio: Decimal | None = None
    """Cancels for each order in the last minute, from twenty orders on; then only what reduces a
    position passes."""
    max_unanswered_orders: int = 10
    """Orders sent of which the venue has said nothing; five seconds of it is a halt."""
    max_unknown_seconds: float = 30.0
    """An order unknown for longer pauses the whole account until it is known."""
    allow_short: bool = True
    """Whether a position may go below zero."""
    max_quote_age_seconds: float = 30.0
    max_clock_error_seconds: float = 0.5
    """How far off the venue's clock may be known at most; where nothing is known, nothing is
    judged, and a live desk does not start."""
    duplicate_seconds: float = 0.25
    """The same order by the same rule again within this time is a mistake."""
    check_funds: bool = True
    """Refuse what the free balance cannot pay, where the venue has told us balances."""
    symbols: dict[str, SymbolLimits] = {}

    def of(self, symbol: str) -> SymbolLimits:
        """The limits of this symbol, its own before the general ones."""
        own = self.symbols.get(symbol, _NO_LIMITS)
        fields = SymbolLimits.__struct_fields__
        chosen = {name: getattr(own, name) for name in fields}
        general = {name: getattr(self, name) for name in fields if chosen[name] is None}
        return SymbolLimits(**(chosen | general))

    def missing_for_live(self) -> list[str]:
        """Limits that a live desk must name and this one does not."""
        wanted = ("max_order_notional", "max_position", "collar_percent", "max_daily_loss")
        return [name for name in wanted if getattr(self, name) is None]


_NO_LIMITS = SymbolLimits()


class Breach(NamedTuple):
    """Which limit, what was found, what is allowed."""

    limit: str
    value: object
    allowed: object


class Proposal(msgspec.Struct, kw_only=True):
    """A wished-for order with everything a check may need, gathered once."""

    place: Place
    instrument: Instrument
    limits: Limits
    own: SymbolLimits
    viewable_only: bool
    state: State
    now: int
    bid: Decimal | None
    ask: Decimal | None
    quoted_at: int
    price: Decimal | None
    """What it would trade at, by its own price or the best on the other side."""
    size: Decimal | None
    """Base units; of an order in quote units what it buys at `price`."""
    replacing: Tracked | None
    recent_second: int
    recent_ten: int
    repeated: bool
    buys: bool
    notional: Decimal | None
    """What it is worth, in quote units; None where no price is known."""
    reducing: str
    """Why only orders that reduce a position may pass; "" when all may."""
    too_many: Breach | None
    """What there was too much of for any order but one that reduces a position."""
    day_notional: Decimal
    """Ordered since midnight UTC in this quote asset, this one not included."""
    on_grid: bool
    """Its numbers have just been put on the grid, and need not be held against it again."""

    @property
    def reduces(self) -> bool:
        """Whether it can only make the position smaller."""
        if self.size is None:
            return False
        return only_reduces(self.place, self.size, self.price, self.state, self.replacing)


Check: TypeAlias = Callable[[Proposal], Breach | None]


def stale_input(p: Proposal) -> Breach | None:
    """No order on a feed or book that is stale."""
    why = p.state.stale_reason(p.place.symbol)
    return Breach("stale input", why, "fresh feeds") if why else None


def quote_age(p: Proposal) -> Breach | None:
    """No order without a recent price."""
    if p.bid is None or p.ask is None:
        return Breach("quote", "none", "a bid and an ask")
    age = (p.now - p.quoted_at) / SECOND
    allowed = p.limits.max_quote_age_seconds
    return Breach("quote age", f"{age:.3f} s", f"{allowed:g} s") if age > allowed else None


def clock_error(p: Proposal) -> Breach | None:
    """No order while the venue's time is known too badly to judge the age of anything."""
    clock = p.state.offset
    if clock is None:
        return None
    error = (clock.error + drift(p.now - clock.received)) / SECOND
    allowed = p.limits.max_clock_error_seconds
    return Breach("clock error", f"{error:.3f} s", f"{allowed:g} s") if error > allowed else None


def market_status(p: Proposal) -> Breach | None:
    """No order where the venue does not trade, or where floats cannot name every price."""
    status = p.state.statuses.get(p.place.symbol, p.instrument.status)
    if status.upper() not in OPEN:
        return Breach("market status", status, "TRADING")
    if p.viewable_only:
        return Breach("digits", "more than 15", "an instrument that is safe as float labels")
    return None


def shape(p: Proposal) -> Breach | None:
    """An order has one size, and the prices that its type needs."""
    place = p.place
    if (place.size is None) == (place.quote_size is None):
        return Breach("size", "none" if place.size is None else "two", "size or quote size")
    if place.quote_size is not None and place.type is not _MARKET:
        return Breach("quote size", place.quote_size, f"a size for {place.type}")
    limit = place.type not in _UNPRICED
    if limit != (place.price is not None):
        return Breach("price", place.price, f"{'a' if limit else 'no'} price for {place.type}")
    stop = place.type in CONDITIONAL
    if stop and place.stop_price is None and place.trailing_bips is None:
        return Breach("stop price", None, f"a stop price for {place.type}")
    if not stop and (place.stop_price is not None or place.trailing_bips is not None):
        found = place.trailing_bips if place.stop_price is None else place.stop_price
        return Breach("stop price", found, f"no stop price for {place.type}")
    if place.trailing_bips is not None and place.trailing_bips <= 0:
        return Breach("trailing bips", place.trailing_bips, "a number above zero")
    if p.instrument.order_types and place.type not in p.instrument.order_types:
        return Breach("order type", place.type, ", ".join(p.instrument.order_types))
    return None


def grid(p: Proposal) -> Breach | None:
    """Every number is on the instrument's grid and within its limits."""
    breach = None if p.on_grid else off_grid(p.place, p.instrument)
    if breach is not None or p.place.type is not _MARKET:
        return breach
    largest = p.instrument.market_max_size
    if largest and p.size is not None and p.size > largest:
        return Breach("grid size", plain(p.size), f"at most {plain(largest)} at market")
    return None


def off_grid(place: Place, instrument: Instrument) -> Breach | None:
    """The first number that is not on the grid."""
    try:
        if place.price is not None:
            instrument.check_price(place.price)
        if place.stop_price is not None:
            instrument.check_price(place.stop_price, "stop price")
        if place.size is not None:
            instrument.check_size(place.size)
        if place.quote_size is not None:
            instrument.quote_size(place.quote_size)
    except OffGrid as off:
        return Breach(f"grid {off.field}", off.value, off.expected)
    return None


def instrument_notional(p: Proposal) -> Breach | None:
    """The venue's own bounds of price times size."""
    at_market = p.place.type is _MARKET
    if p.notional is None or (at_market and not p.instrument.notional_applies_to_market):
        return None
    if p.notional < p.instrument.min_notional:
        allowed = f"at least {plain(p.instrument.min_notional)}"
        return Breach("grid notional", plain(p.notional), allowed)
    if p.instrument.max_notional and p.notional > p.instrument.max_notional:
        return Breach(
            "grid notional", plain(p.notional), f"at most {plain(p.instrument.max_notional)}"
        )
    return None


def unknown_order(p: Proposal) -> Breach | None:
    """While one order here is unknown, no second one."""
    unknown = p.state.ledger.unknown(p.place.symbol)
    return Breach("unknown order", unknown.id, "none in this symbol") if unknown else None


def order_size(p: Proposal) -> Breach | None:
    largest = p.own.max_order_size
    if largest is None or (p.size is not None and p.size <= largest):
        return None
    return Breach("max_order_size", p.size, largest)


def order_notional(p: Proposal) -> Breach | None:
    largest = p.own.max_order_notional
    if largest is None or (p.notional is not None and p.notional <= largest):
        return None
    return Breach("max_order_notional", p.notional, largest)


def collar(p: Proposal) -> Breach | None:
    """It must not take at a price far beyond the best one; a stop's limit is held to its stop."""
    percent = p.own.collar_percent
    if percent is None or p.bid is None or p.ask is None:
        return None
    best = p.place.stop_price or (p.ask if p.buys else p.bid)
    worst = p.place.price if p.place.price is not None else _worst_of_walk(p)
    if isinstance(worst, Breach):
        return worst
    away = best * percent / 100
    edge = best + away if p.buys else best - away
    if worst is None or (worst <= edge if p.buys else worst >= edge):
        return None
    return Breach("collar_percent", plain(worst), f"{percent} % from {plain(best)}")


def _worst_of_walk(p: Proposal) -> Decimal | Breach | None:
    """Where a market order would end in the book we know; None where there is no book.

    Levels that we do not know can only make it better, unless they are all that is left of it:
    nobody can say where an order ends that takes more than the book we know.
    """
    book = p.state.book(p.place.symbol)
    if p.place.type is not _MARKET or book is None or not p.size:
        return None
    size = float(p.size)
    walk = book.walk(p.place.side, size)
    filled = walk.filled if walk is not None else 0.0
    if walk is None or filled < size:
        known = f"{Decimal(repr(filled)).normalize():f} known in the book"
        return Breach("collar_percent", f"the price of {plain(p.size)}", known)
    return Decimal(repr(walk.worst))


def open_orders(p: Proposal) -> Breach | None:
    """Not too many open orders, here and in all; the one being replaced does not count."""
    ledger = p.state.ledger
    leaving = 1 if p.replacing is not None else 0
    here = len(ledger.open_by_symbol.get(p.place.symbol, ())) - leaving
    allowed = p.limits.max_open_orders_per_symbol
    if p.instrument.max_open_orders:
        allowed = min(allowed, p.instrument.max_open_orders)
    if here >= allowed:
        return Breach("max_open_orders_per_symbol", here + 1, allowed)
    total = len(ledger.open) - leaving
    if total >= p.limits.max_open_orders:
        return Breach("max_open_orders", total + 1, p.limits.max_open_orders)
    return None


def order_rate(p: Proposal) -> Breach | None:
    if p.recent_second >= p.limits.max_orders_per_second:
        return Breach("max_orders_per_second", p.recent_second + 1, p.limits.max_orders_per_second)
    if p.recent_ten >= p.limits.max_orders_per_ten_seconds:
        allowed = p.limits.max_orders_per_ten_seconds
        return Breach("max_orders_per_ten_seconds", p.recent_ten + 1, allowed)
    return None


def position(p: Proposal) -> Breach | None:
    """What we hold if everything open, unknown and this one trade in full.

    An order to be replaced counts too once it has begun to trade: more of it may trade before its
    cancel arrives. Untouched it does not count, since then its replacement is on that condition.
    """
    largest = p.own.max_position
    if largest is None:
        return None
    if p.size is None:
        return Breach("max_position", "an unknown size", largest)
    held = p.state.portfolio.position(p.place.symbol)
    exposure = p.state.ledger.exposure(p.place.symbol, p.price)
    leaving, old = ZERO, p.replacing
    if old is not None and old.side is p.place.side and not old.done:
        leaving = old.may_trade(p.price)
    worst = (
        held + exposure.buys - leaving + p.size
        if p.buys
        else exposure.sells - leaving + p.size - held
    )
    return Breach("max_position", plain(worst), largest) if worst > largest else None


def daily_loss(p: Proposal) -> Breach | None:
    """After the day's loss is used up, only orders that reduce a position."""
    allowed = p.limits.max_daily_loss
    if allowed is None or p.reduces:
        return None
    marks = day_marks(p.state)
    result = p.state.portfolio.day_result(p.instrument.quote, marks)
    return Breach("max_daily_loss", plain(-result), allowed) if -result >= allowed else None


def reducing_only(p: Proposal) -> Breach | None:
    """While the desk may only reduce, nothing else passes."""
    if not p.reducing or p.reduces:
        return None
    return Breach("reducing", p.reducing, "an order that reduces a position, or a person to resume")


def day_notional(p: Proposal) -> Breach | None:
    """Turnover of the day; what reduces a position passes, or nobody could get out."""
    allowed = p.limits.max_day_notional
    if allowed is None or p.reduces:
        return None
    total = p.day_notional + (p.notional or ZERO)
    return Breach("max_day_notional", plain(total), allowed) if total > allowed else None


def too_many(p: Proposal) -> Breach | None:
    """Orders of the day, cancels of late; what reduces a position passes, for the same reason."""
    return None if p.too_many is None or p.reduces else p.too_many


def exposure(p: Proposal) -> Breach | None:
    """What is held and may come to be held, in all symbols priced in the same asset."""
    allowed = p.limits.max_exposure
    if allowed is None or p.reduces:
        return None
    if p.notional is None:
        return Breach("max_exposure", "an unknown notional", allowed)
    total = p.notional
    holdings, ledger = p.state.portfolio.holdings, p.state.ledger
    for symbol in {**holdings, **ledger.open_by_symbol}:
        instrument = p.state.instruments.get(symbol)
        if instrument is None or instrument.quote != p.instrument.quote:
            continue
        mark = p.state.mark(symbol)
        price = None if mark is None else Decimal(repr(mark))
        held, open_here = p.state.portfolio.position(symbol), ledger.exposure(symbol, price)
        worst = max(abs(held + open_here.buys), abs(held - open_here.sells))
        if worst and price is None:
            return Breach("max_exposure", f"{symbol} without a price", allowed)
        total += worst * (price or ZERO)
    return Breach("max_exposure", plain(total), allowed) if total > allowed else None


def short(p: Proposal) -> Breach | None:
    """Nothing below zero, if that was ruled out."""
    if p.limits.allow_short or p.buys or p.size is None:
        return None
    held = p.state.portfolio.position(p.place.symbol)
    worst = held - p.state.ledger.exposure(p.place.symbol, p.price).sells - p.size
    old = p.replacing
    if old is not None and old.side is p.place.side and not old.done:
        worst += old.may_trade(p.price)
    return Breach("allow_short", plain(worst), "0 or more") if worst < 0 else None


def day_marks(state: State, symbols: Iterable[str] | None = None) -> dict[str, Decimal]:
    """What each held symbol, or each of these, is worth now, where a price is known."""
    marks, holdings = {}, state.portfolio.holdings
    for symbol in holdings if symbols is None else symbols:
        mark = state.mark(symbol) if holdings[symbol].size else None
        if mark is not None:
            marks[symbol] = Decimal(repr(mark))
    return marks


def funds(p: Proposal) -> Breach | None:
    """The free balance pays for it and for what is on its way and not reserved yet.

    Other symbols spend the same asset: they count too, at their own price.
    """
    asset = p.instrument.quote if p.buys else p.instrument.base
    free = p.state.portfolio.free(asset)
    needed = p.notional if p.buys else p.size
    if not p.limits.check_funds or free is None or needed is None or p.instrument.margin:
        return None  # on margin it is the venue who reckons what can be afforded
    for order in p.state.ledger.tally.flying.values():
        needed += _spends(order, asset, p.state)
    if p.replacing is not None and p.replacing.side is p.place.side:
        amount = p.replacing.may_trade(p.price)
        needed -= amount * (p.replacing.price or ZERO) if p.buys else amount
    return Breach("funds", f"{plain(needed)} {asset}", plain(free)) if needed > free else None


def _spends(order: Tracked, asset: str, state: State) -> Decimal:
    """How much of this asset an order may take, at worst."""
    instrument = state.instruments.get(order.symbol)
    if instrument is None or order.side is None:
        return ZERO
    touch = state.touch(order.symbol)
    buys = order.side is Side.BUY
    price = order.price or order.stop_price
    if price is None and touch is not None:
        price = Decimal(repr(touch[1] if buys else touch[0]))
    if asset != (instrument.quote if buys else instrument.base):
        return ZERO
    return order.may_trade(price) * (price or ZERO if buys else 1)


def reduce_only(p: Proposal) -> Breach | None:
    if not p.place.reduce_only or p.reduces:
        return None
    held = p.state.portfolio.position(p.place.symbol)
    return Breach("reduce only", f"{p.place.side} {p.size}", f"a position to reduce, not {held}")


def duplicate(p: Proposal) -> Breach | None:
    """A rule that says the same thing twice in a breath has a fault."""
    if not p.repeated:
        return None
    allowed = f"{p.limits.duplicate_seconds:g} s apart"
    return Breach("duplicate", "the same order again", allowed)


CHECKS: tuple[Check, ...] = (
    stale_input, quote_age, clock_error, market_status, shape, grid, instrument_notional,
    unknown_order, order_size, order_notional, collar, open_orders, order_rate, position, short,
    exposure, daily_loss, day_notional, reducing_only, too_many, funds, reduce_only, duplicate,
)  # fmt: skip
"""In the order asked; the first breach is the one named."""
