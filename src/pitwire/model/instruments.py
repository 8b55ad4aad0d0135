"""What a venue lists, with its rules. The only bridge from watched floats to owned Decimals."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

import msgspec

from pitwire.model.errors import OffGrid
from pitwire.model.numbers import plain, within_budget
from pitwire.model.orders import OrderType

Number = Decimal | float | int | str
ZERO = Decimal(0)
_LARGEST = 14
"""The highest power of ten that is taken: up to it, Decimal arithmetic is exact on any grid."""
_FEW_DIGITS = f"a number of at most {_LARGEST + 1} digits"
_SAYABLE = 1024
"""Whole numbers of more bits are not written out; Python itself refuses to, beyond some."""


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """One listed symbol. A limit of 0 means that the venue does not limit it."""

    venue: str
    symbol: str
    native: str
    """The venue's own spelling."""
    base: str
    quote: str
    tick: Decimal
    lot: Decimal
    min_price: Decimal = ZERO
    max_price: Decimal = ZERO
    min_size: Decimal = ZERO
    max_size: Decimal = ZERO
    market_max_size: Decimal = ZERO
    min_notional: Decimal = ZERO
    max_notional: Decimal = ZERO
    notional_applies_to_market: bool = True
    base_digits: int = 8
    quote_digits: int = 8
    status: str = "TRADING"
    order_types: tuple[OrderType, ...] = ()
    max_open_orders: int = 0
    margin: str = ""
    """The asset that results are paid in, where a position is held on margin and nothing else
    changes hands; "" where base and quote do."""

    @property
    def viewable_only(self) -> bool:
        """Too many digits for float labels: such an instrument is watched, never traded."""
        largest_price = self.max_price or Decimal(10) ** 8
        largest_size = self.max_size or Decimal(10) ** 8
        return not (
            within_budget(largest_price, self.tick) and within_budget(largest_size, self.lot)
        )

    def price(self, value: Number) -> Decimal:
        """The nearest price on the grid, ties to even; refuses what the venue would refuse."""
        return self._priced(value, ROUND_HALF_EVEN)

    def price_down(self, value: Number) -> Decimal:
        """The highest price on the grid not above `value`."""
        return self._priced(value, ROUND_FLOOR)

    def price_up(self, value: Number) -> Decimal:
        """The lowest price on the grid not below `value`."""
        return self._priced(value, ROUND_CEILING)

    def size(self, value: Number) -> Decimal:
        """The largest size on the grid not above `value`; refuses what the venue would refuse."""
        size = self._on_grid(value, "size", self.lot, ROUND_FLOOR)
        if size <= 0 or size < self.min_size:
            raise self._off("size", value, f"at least {plain(max(self.min_size, self.lot))}")
        if self.max_size and size > self.max_size:
            raise self._off("size", value, f"at most {plain(self.max_size)}")
        return size

    def quote_size(self, value: Number) -> Decimal:
        """An amount in quote units, cut to the digits the venue takes; refuses what is not one."""
        step = Decimal(1).scaleb(-self.quote_digits)
        size = self._on_grid(value, "quote size", step, ROUND_FLOOR)
        if size <= 0:
            raise self._off("quote size", value, "a positive number")
        return size

    def check_price(self, value: Decimal, field: str = "price") -> None:
        """Raise `OffGrid` unless `value` is on the grid and within the limits."""
        if not value.is_finite() or value <= 0:
            raise self._off(field, value, "a positive number")
        if not _is_multiple(value, self.tick):
            raise self._off(field, value, _on(self.tick, value))
        if value < self.min_price:
            raise self._off(field, value, f"at least {plain(self.min_price)}")
        if self.max_price and value > self.max_price:
            raise self._off(field, value, f"at most {plain(self.max_price)}")

    def check_size(self, value: Decimal) -> None:
        """Raise `OffGrid` unless `value` is on the grid and within the limits."""
        if not value.is_finite() or value <= 0:
            raise self._off("size", value, "a positive number")
        if not _is_multiple(value, self.lot):
            raise self._off("size", value, _on(self.lot, value))
        if value < self.min_size:
            raise self._off("size", value, f"at least {plain(self.min_size)}")
        if self.max_size and value > self.max_size:
            raise self._off("size", value, f"at most {plain(self.max_size)}")

    def _priced(self, value: Number, rounding: str) -> Decimal:
        price = self._on_grid(value, "price", self.tick, rounding)
        self.check_price(price)
        return price

    def _on_grid(self, value: Number, field: str, step: Decimal, rounding: str) -> Decimal:
        # A float is a label: its shortest text is the venue's own number (docs/numbers.md).
        try:
            exact = Decimal(float.__repr__(value)) if isinstance(value, float) else Decimal(value)
        except ArithmeticError:
            raise self._off(field, value, "a number") from None
        if not exact.is_finite():
            raise self._off(field, value, "a finite number")
        if exact.adjusted() > _LARGEST:
            raise self._off(field, value, _FEW_DIGITS)
        return (exact / step).to_integral_value(rounding) * step

    def _off(self, field: str, value: object, expected: str) -> OffGrid:
        if isinstance(value, int) and value.bit_length() > _SAYABLE:
            value = f"a number of {value.bit_length()} bits"
        return OffGrid(field=field, value=value, expected=expected, symbol=self.symbol)


def _is_multiple(value: Decimal, step: Decimal) -> bool:
    return value.adjusted() <= _LARGEST and not value % step


def _on(step: Decimal, value: Decimal) -> str:
    """What was expected of a value that is no multiple, or too large to tell."""
    return f"a multiple of {plain(step)}" if value.adjusted() <= _LARGEST else _FEW_DIGITS
