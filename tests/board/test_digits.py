"""Numbers as texts: on the grid, with a true minus, never minus nothing."""

from __future__ import annotations

from decimal import Decimal

import pytest

from pitwire.board.digits import UNKNOWN, Digits, digits_of, known, percent, plainly
from pitwire.model.instruments import Instrument


def instrument(tick: str, lot: str) -> Instrument:
    return Instrument(
        venue="v", symbol="A-B", native="AB", base="A", quote="B", tick=Decimal(tick),
        lot=Decimal(lot),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("tick", "price", "text"),
    [
        ("0.00001", 1.08412, "1.08412"),
        ("0.01", 64299.0, "64299.00"),
        ("1", 64299.0, "64299"),
        ("10", 64290.0, "64290"),
        ("0.00000001", 1.234e-05, "0.00001234"),
        ("0.01", 123456789012.5, "123456789012.50"),
    ],
)
def test_a_price_has_the_digits_of_its_tick(tick: str, price: float, text: str) -> None:
    assert Digits(instrument(tick, "0.001")).price(price) == text


def test_what_is_rounded_away_has_no_sign() -> None:
    assert percent(-0.001) == "0.00"
    assert percent(0.0) == "0.00"
    assert percent(-0.01) == "−0.01"
    assert percent(1.5) == "+1.50"
    assert plainly(2, grouped=True, signed=True)(Decimal("-1234.5")) == "−1,234.50"


def test_unknown_is_a_dash_and_never_zero() -> None:
    assert known(None, percent) == UNKNOWN
    assert known(float("nan"), percent) == UNKNOWN
    assert known(0.0, percent) == "0.00"


def test_a_distance_in_ticks() -> None:
    assert Digits(instrument("0.01", "1")).ticks(0.03) == "3"
    assert digits_of(Decimal("1E+2")) == 0
