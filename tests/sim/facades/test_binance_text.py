"""Numbers and refusals in the venue's spelling."""

from __future__ import annotations

from decimal import Decimal
from importlib import import_module
from pkgutil import iter_modules

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitwire.sim import facades
from pitwire.sim.facades.binance_orders import read_stp
from pitwire.sim.facades.binance_params import Args
from pitwire.sim.facades.binance_text import (
    ApiError,
    Scale,
    eights,
    filter_failure,
    money,
    plain,
    refused,
)
from pitwire.sim.facts import FUTURES_ONLY, Kind, Refusal, Refused
from pitwire.sim.world import BTC_USDT, ETH_BTC

SCALE = Scale(BTC_USDT)


@given(st.integers(-(10**20), 10**20))
def test_eights_is_the_exact_number_with_eight_decimals(units: int) -> None:
    text = eights(units)
    assert Decimal(text) == Decimal(units) / 10**8
    assert len(text.partition(".")[2]) == 8


@given(st.integers(1, 10**10), st.integers(1, 10**10))
def test_a_scale_turns_ticks_and_lots_to_text_and_back(ticks: int, lots: int) -> None:
    assert SCALE.to_ticks(Decimal(SCALE.price(ticks))) == ticks
    assert SCALE.to_lots(Decimal(SCALE.size(lots))) == lots


def test_prices_are_padded_to_eight_decimals() -> None:
    assert SCALE.price(6183763) == "61837.63000000"
    assert SCALE.size(154698) == "1.54698000"
    assert Scale(ETH_BTC).price(5000) == "0.05000000"


def test_quote_volume_is_the_sum_of_price_times_size() -> None:
    assert SCALE.quote(2341610 * 847) == "198.33436700"


def test_money_is_never_rounded_up() -> None:
    assert money(Decimal("0.123456789")) == "0.12345678"
    assert money(Decimal(5)) == "5.00000000"


@pytest.mark.parametrize(("value", "text"), [("2", "2"), ("0.5", "0.5"), ("10", "10")])
def test_a_multiplier_is_as_short_as_can_be(value: str, text: str) -> None:
    assert plain(Decimal(value)) == text


def test_off_grid_is_the_filter_that_says_so() -> None:
    with pytest.raises(ApiError, match="PRICE_FILTER") as price:
        SCALE.to_ticks(Decimal("1.005"))
    assert price.value.code == -1013
    with pytest.raises(ApiError, match="LOT_SIZE"):
        SCALE.to_lots(Decimal("0.000001"))


@pytest.mark.parametrize(
    ("name", "code"),
    [("NOTIONAL", -1013), ("PERCENT_PRICE_BY_SIDE", -1013), ("MAX_NUM_ALGO_ORDERS", -2010)],
)
def test_filters_that_count_orders_answer_from_the_engine(name: str, code: int) -> None:
    assert filter_failure(name).code == code
    assert filter_failure(name).text == f"Filter failure: {name}"


@pytest.mark.parametrize("refusal", [each for each in Refusal if each not in FUTURES_ONLY])
@pytest.mark.parametrize("code", [-2010, -2011, -2013, -2038])
def test_every_refusal_has_words(refusal: Refusal, code: int) -> None:
    error = refused(Refused(refusal, "LOT_SIZE"), code=code, kind=Kind.STOP_LOSS)
    assert error.text
    assert error.code < 0
    assert error.body() == {"code": error.code, "msg": error.text}


@pytest.mark.parametrize(
    ("refusal", "code", "expected"),
    [
        (Refusal.UNKNOWN_ORDER, -2011, (-2011, "Unknown order sent.")),
        (Refusal.UNKNOWN_ORDER, -2013, (-2013, "Order does not exist.")),
        (
            Refusal.ID_MISMATCH,
            -2013,
            (-2039, "Client order ID is not correct for this order ID."),
        ),
        (Refusal.UNKNOWN_SYMBOL, -2010, (-1121, "Invalid symbol.")),
        (
            Refusal.INSUFFICIENT_BALANCE,
            -2010,
            (-2010, "Account has insufficient balance for requested action."),
        ),
        (
            Refusal.AMEND_NO_CHANGE,
            -2038,
            (-2038, "The requested action would change no state; rejecting"),
        ),
        (
            Refusal.TYPE_NOT_SUPPORTED,
            -2010,
            (-2010, "Stop loss orders are not supported for this symbol."),
        ),
    ],
)
def test_the_words_are_the_venues(refusal: Refusal, code: int, expected: tuple[int, str]) -> None:
    error = refused(Refused(refusal), code=code, kind=Kind.STOP_LOSS)
    assert (error.code, error.text) == expected


@pytest.mark.parametrize("name", [found.name for found in iter_modules(facades.__path__)])
def test_no_refusal_is_kept_to_be_raised_again(name: str) -> None:
    """It would keep every frame that it ever passed, with all that these hold."""
    kept = vars(import_module(f"pitwire.sim.facades.{name}")).values()
    inside = [each for found in kept if isinstance(found, dict) for each in found.values()]
    assert not [each for each in (*kept, *inside) if isinstance(each, BaseException)]


def test_a_refusal_is_another_one_each_time() -> None:
    found = []
    for _ in range(2):
        with pytest.raises(ApiError) as refused:
            read_stp(Args({"selfTradePreventionMode": "NEVER"}))
        found.append(refused.value)
    assert found[0] is not found[1]
    assert found[0].text == found[1].text
