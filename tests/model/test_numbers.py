from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from pitwire.model.numbers import DIGIT_BUDGET, digits_needed, plain, within_budget


def test_digits_count_steps_not_places() -> None:
    assert digits_needed(Decimal("1000000.00"), Decimal("0.01")) == 9
    assert digits_needed(Decimal("0.5"), Decimal("0.1")) == 1
    assert digits_needed(Decimal(0), Decimal("0.1")) == 1


def test_budget_is_a_sharp_edge() -> None:
    assert within_budget(Decimal("999999999999999"), Decimal(1))
    assert not within_budget(Decimal("1000000000000000"), Decimal(1))


@given(st.integers(1, 10**DIGIT_BUDGET - 1), st.integers(0, 8))
def test_a_float_label_gives_back_the_text_within_budget(steps: int, places: int) -> None:
    step = Decimal(1).scaleb(-places)
    text = plain(steps * step)
    assert plain(Decimal(repr(float(text))).quantize(step)) == text


def test_plain_never_shows_an_exponent() -> None:
    assert plain(Decimal("1E-8")) == "0.00000001"
    assert plain(Decimal("1E+3")) == "1000"
