from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pitwire.model.errors import OffGrid
from pitwire.model.instruments import Instrument

BTC = Instrument(
    venue="binance",
    symbol="BTC-USDT",
    native="BTCUSDT",
    base="BTC",
    quote="USDT",
    tick=Decimal("0.01"),
    lot=Decimal("0.00001"),
    min_price=Decimal("0.01"),
    max_price=Decimal("1000000"),
    min_size=Decimal("0.00001"),
    max_size=Decimal("9000"),
)
PRICES = st.floats(0.02, 999_999, allow_nan=False)


@given(PRICES)
def test_prices_land_on_the_grid_on_the_right_side(value: float) -> None:
    exact = Decimal(repr(value))
    assert BTC.price_down(value) <= exact <= BTC.price_up(value)
    assert abs(BTC.price(value) - exact) <= BTC.tick / 2
    for price in (BTC.price(value), BTC.price_down(value), BTC.price_up(value)):
        BTC.check_price(price)


@given(st.floats(0.00001, 8_999, allow_nan=False))
def test_sizes_are_never_rounded_up(value: float) -> None:
    size = BTC.size(value)
    assert size <= Decimal(repr(value))
    BTC.check_size(size)


@given(st.decimals(allow_nan=True, allow_infinity=True, min_value=None, places=4))
def test_check_price_admits_the_grid_and_nothing_else(value: Decimal) -> None:
    assume(value.is_nan() or abs(value) < 10**12 or value.is_infinite())
    on_grid = value.is_finite() and value % BTC.tick == 0 and BTC.tick <= value <= BTC.max_price
    if on_grid:
        BTC.check_price(value)
    else:
        with pytest.raises(OffGrid) as caught:
            BTC.check_price(value)
        assert caught.value.field == "price"


@pytest.mark.parametrize(
    ("call", "value", "expected"),
    [
        ("price", "abc", "a number"),
        ("price", float("nan"), "a finite number"),
        ("price", 0.001, "a positive number"),
        ("price", 1_000_001, "at most 1000000"),
        ("size", 0.000001, "at least 0.00001"),
        ("size", -1, "at least 0.00001"),
        ("size", 9001, "at most 9000"),
        ("size", Decimal("Infinity"), "a finite number"),
        ("size", "1e999999", "a number of at most 15 digits"),
        ("price", 10**15, "a number of at most 15 digits"),
    ],
)
def test_refusals_name_field_value_and_rule(call: str, value: object, expected: str) -> None:
    with pytest.raises(OffGrid) as caught:
        getattr(BTC, call)(value)
    assert caught.value.field == call
    assert caught.value.symbol == "BTC-USDT"
    assert caught.value.expected == expected


def test_too_many_digits_make_an_instrument_view_only() -> None:
    fine = Instrument(
        venue="x", symbol="A-B", native="AB", base="A", quote="B",
        tick=Decimal("0.00000001"), lot=Decimal("0.00000001"),
        max_price=Decimal(1000), max_size=Decimal("9000000000"),
    )  # fmt: skip
    assert fine.viewable_only
    assert not BTC.viewable_only


def test_a_float_of_a_library_is_its_number_however_it_spells_itself() -> None:
    class Spelt(float):
        def __repr__(self) -> str:
            return f"float64({float(self)!r})"

    assert BTC.price(Spelt(100.01)) == Decimal("100.01")
    assert BTC.size(Spelt(0.1)) == Decimal("0.1")


def test_a_whole_number_too_long_to_be_written_is_refused_in_words() -> None:
    with pytest.raises(OffGrid, match="bits"):
        BTC.size(10**5000)
