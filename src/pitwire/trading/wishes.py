"""Small words for what a rule wants, with numbers as a person writes them.

House rules: a draft holds numbers of any kind and becomes a `Place` only through the instrument's
grid (`Instrument`), inside the screen; a size is cut down to the grid, a price goes to the nearest.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Protocol, TypeAlias

import msgspec

from pitwire.model.errors import ConfigError
from pitwire.model.instruments import Number
from pitwire.model.orders import (
    Alert,
    Amend,
    Cancel,
    Cause,
    HaltTrading,
    Intent,
    OrderType,
    Place,
    Replace,
    Side,
    TimeInForce,
)


class Grid(Protocol):
    """Puts numbers on an instrument's grid; raises `OffGrid` where that cannot be."""

    def price(self, value: Number) -> Decimal: ...

    def size(self, value: Number) -> Decimal: ...

    def quote_size(self, value: Number) -> Decimal: ...


class Draft(msgspec.Struct, frozen=True, gc=False):
    """An order as a rule writes it down: a `Place` whose numbers are not on the grid yet."""

    symbol: str
    side: Side
    type: OrderType
    size: Number | None = None
    quote_size: Number | None = None
    price: Number | None = None
    stop_price: Number | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    reduce_only: bool = False
    protective: bool = False
    tag: str = ""
    rule: str = ""
    cause: Cause | None = None

    def place(self, grid: Grid) -> Place:
        """The same on this grid, an instrument's; raises `OffGrid` naming what cannot be put there.

        An amount in quote units becomes a size where a price is named.
        """
        price = None if self.price is None else grid.price(self.price)
        stop_price = None if self.stop_price is None else grid.price(self.stop_price)
        size = None if self.size is None else grid.size(self.size)
        quote_size = None if self.quote_size is None else grid.quote_size(self.quote_size)
        named = price or stop_price
        if size is None and quote_size is not None and named is not None:
            size, quote_size = grid.size(quote_size / named), None
        return Place(  # by position: see `order`
            self.symbol,
            self.side,
            self.type,
            size,
            quote_size,
            price,
            stop_price,
            None,
            self.time_in_force,
            self.reduce_only,
            self.protective,
            self.tag,
            self.rule,
            self.cause,
        )


class DraftReplace(msgspec.Struct, frozen=True, kw_only=True):
    """Cancel one order of ours and place the draft at once."""

    order_id: str
    draft: Draft
    rule: str = ""
    cause: Cause | None = None


Wish: TypeAlias = Intent | Draft | DraftReplace
"""Whatever a rule may yield."""
WISHES = (Place, Cancel, Replace, Amend, Alert, HaltTrading, Draft, DraftReplace)


def is_plain_draft(wish: object) -> bool:
    """Whether this is a draft of the types it is written with: what nearly every wish is."""
    return (
        type(wish) is Draft
        and type(wish.symbol) is str
        and type(wish.side) is Side
        and type(wish.type) is OrderType
        and type(wish.time_in_force) is TimeInForce
        and type(wish.size) in _PLAIN
        and type(wish.price) in _PLAIN
        and type(wish.quote_size) in _PLAIN
        and type(wish.stop_price) in _PLAIN
        and type(wish.tag) is str
        and wish.reduce_only is False
        and wish.protective is False
        and not wish.rule
        and not wish.cause
    )


_PLAIN = frozenset((type(None), Decimal, float, int, str))
_NUMBERS = ("size", "quote_size", "price", "stop_price")
_TEXTS = ("symbol", "tag", "rule", "order_id", "text", "level")
"""Not the reason of a halt: that is one whatever is given for it."""
_FLAGS = ("reduce_only", "protective")
_KINDS: tuple[tuple[str, type[StrEnum]], ...] = (
    ("side", Side),
    ("type", OrderType),
    ("time_in_force", TimeInForce),
)
_DIGITS = 15
_ABSENT = object()


def check_wish(wish: object) -> None:
    """Raise `TypeError` unless this is a wish whose fields are of the types they are written with.

    A side that is text, say, is neither side to whoever asks `is Side.BUY`; and what a record of
    it would hold, the next start could not read.
    """
    if not isinstance(wish, WISHES):
        raise TypeError(f"a rule yields wishes, found {wish!r}")
    _check_fields(wish)
    if isinstance(wish, Replace):
        if not isinstance(wish.place, Place):
            raise _wrong(wish, "place", wish.place, "a Place")
        _check_fields(wish.place)
    elif isinstance(wish, DraftReplace):
        if not isinstance(wish.draft, Draft):
            raise _wrong(wish, "draft", wish.draft, "a Draft")
        _check_fields(wish.draft)


def _check_fields(wish: Wish) -> None:
    for name, kind in _KINDS:
        value = getattr(wish, name, _ABSENT)
        is_none = value is None and isinstance(wish, Cancel)
        if value is not _ABSENT and not is_none and not isinstance(value, kind):
            raise _wrong(wish, name, value, f"one of {kind.__name__}")
    for name in _TEXTS:
        value = getattr(wish, name, _ABSENT)
        if value is not _ABSENT and not is_text(value):
            raise _wrong(wish, name, value, "text")
    for name in _FLAGS:
        if type(value := getattr(wish, name, False)) is not bool:
            raise _wrong(wish, name, value, "True or False")
    if wish.cause is not None and not isinstance(wish.cause, Cause):
        raise _wrong(wish, "cause", wish.cause, "a Cause or None")
    if isinstance(wish, Place | Draft | Amend):
        _check_numbers(wish)


def is_text(value: object) -> bool:
    """Whether a record can hold this as text: not what merely behaves as such."""
    return type(value) is str or isinstance(value, StrEnum)


def _check_numbers(wish: Place | Draft | Amend) -> None:
    is_draft = isinstance(wish, Draft)
    for name in _NUMBERS:
        value = getattr(wish, name, None)
        if value is None:
            if isinstance(wish, Amend) and name == "size":
                raise _wrong(wish, name, value, "a Decimal")
            continue
        if is_draft:
            if not isinstance(value, Decimal | float | int | str) or isinstance(value, bool):
                raise _wrong(wish, name, value, "a number")
        elif not isinstance(value, Decimal):
            raise _wrong(wish, name, value, "a Decimal")
        elif not value.is_finite() or value.adjusted() >= _DIGITS:
            raise _wrong(wish, name, value, f"a finite number of at most {_DIGITS} digits")
    bips = getattr(wish, "trailing_bips", None)
    if bips is not None and type(bips) is not int:
        raise _wrong(wish, "trailing_bips", bips, "a whole number or None")


def _wrong(wish: object, field: str, found: object, expected: str) -> TypeError:
    return TypeError(f"{field} of {type(wish).__name__}: found {found!r}, expected {expected}")


_MARKET, _LIMIT = OrderType.MARKET, OrderType.LIMIT
_BUY, _SELL = Side.BUY, Side.SELL
_TIMES: dict[str, TimeInForce] = {time.value: time for time in TimeInForce}
"""Asking the enumeration costs five times this look-up."""


def order(
    symbol: str,
    side: Side,
    *,
    size: Number | None = None,
    quote_size: Number | None = None,
    price: Number | None = None,
    stop_price: Number | None = None,
    post_only: bool = False,
    take_profit: bool = False,
    time_in_force: TimeInForce | str = TimeInForce.GTC,
    reduce_only: bool = False,
    protective: bool = False,
    tag: str = "",
) -> Draft:
    """A draft; market without `price`, limit with it, a stop with `stop_price`."""
    if (size is None) == (quote_size is None):
        found = "neither" if size is None else "both"
        raise ConfigError(where=f"order {symbol}", found=found, expected="size or quote_size")
    if stop_price is None and not post_only:
        kind = _MARKET if price is None else _LIMIT
    else:
        kind = _type(price, stop_price, post_only=post_only, take_profit=take_profit)
    # By position, in the order of its fields: by name it takes three times as long.
    return Draft(
        symbol,
        side,
        kind,
        size,
        quote_size,
        price,
        stop_price,
        _TIMES.get(time_in_force) or TimeInForce(time_in_force),
        reduce_only,
        protective,
        tag,
    )


def _type(
    price: Number | None, stop_price: Number | None, *, post_only: bool, take_profit: bool
) -> OrderType:
    if stop_price is not None:
        if take_profit:
            return OrderType.TAKE_PROFIT if price is None else OrderType.TAKE_PROFIT_LIMIT
        return OrderType.STOP if price is None else OrderType.STOP_LIMIT
    if price is None:
        if post_only:
            raise ConfigError(where="post_only", found="no price", expected="a price")
        return OrderType.MARKET
    return OrderType.POST_ONLY if post_only else OrderType.LIMIT


def buy(
    symbol: str,
    size: Number | None = None,
    *,
    quote_size: Number | None = None,
    price: Number | None = None,
    stop_price: Number | None = None,
    post_only: bool = False,
    time_in_force: TimeInForce | str = TimeInForce.GTC,
    reduce_only: bool = False,
    protective: bool = False,
    tag: str = "",
) -> Draft:
    """A wish to buy: at market without `price`, at `price` or better with it."""
    if size is not None and quote_size is None and stop_price is None and not post_only:
        kind = _MARKET if price is None else _LIMIT  # as `order` has it: nearly every wish
        times = _TIMES.get(time_in_force) or TimeInForce(time_in_force)
        return Draft(
            symbol, _BUY, kind, size, None, price, None, times, reduce_only, protective, tag
        )
    return order(
        symbol, _BUY, size=size, quote_size=quote_size, price=price, stop_price=stop_price,
        post_only=post_only, time_in_force=time_in_force, reduce_only=reduce_only,
        protective=protective, tag=tag,
    )  # fmt: skip


def sell(
    symbol: str,
    size: Number | None = None,
    *,
    quote_size: Number | None = None,
    price: Number | None = None,
    stop_price: Number | None = None,
    post_only: bool = False,
    time_in_force: TimeInForce | str = TimeInForce.GTC,
    reduce_only: bool = False,
    protective: bool = False,
    tag: str = "",
) -> Draft:
    """A wish to sell: at market without `price`, at `price` or better with it."""
    if size is not None and quote_size is None and stop_price is None and not post_only:
        kind = _MARKET if price is None else _LIMIT  # as `order` has it: nearly every wish
        times = _TIMES.get(time_in_force) or TimeInForce(time_in_force)
        return Draft(
            symbol, _SELL, kind, size, None, price, None, times, reduce_only, protective, tag
        )
    return order(
        symbol, _SELL, size=size, quote_size=quote_size, price=price, stop_price=stop_price,
        post_only=post_only, time_in_force=time_in_force, reduce_only=reduce_only,
        protective=protective, tag=tag,
    )  # fmt: skip


def cancel(symbol: str = "", *, side: Side | str = "", tag: str = "", order_id: str = "") -> Cancel:
    """A wish to cancel our open orders that match everything given; without anything, all."""
    wanted = Side(side) if side else None
    return Cancel(symbol=symbol, side=wanted, tag=tag, order_id=order_id)


def replace(order_id: str, draft: Draft) -> DraftReplace:
    """A wish to cancel one order and place another at once."""
    return DraftReplace(order_id=order_id, draft=draft)


def amend(order_id: str, size: Decimal) -> Amend:
    """A wish to make an order smaller and keep its place in the queue."""
    return Amend(order_id=order_id, size=size)


def alert(text: str, *, level: str = "info", symbol: str = "") -> Alert:
    """A wish to tell a person something."""
    return Alert(text=text, level=level, symbol=symbol)


def halt(reason: str) -> HaltTrading:
    """A wish to cancel what is open and send no more orders until a person says so."""
    return HaltTrading(reason=reason)
