from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from pitwire.model.errors import ConfigError, OffGrid
from pitwire.model.orders import (
    Amend,
    Cancel,
    Cause,
    HaltTrading,
    OrderType,
    Place,
    Side,
    TimeInForce,
)
from pitwire.trading.wishes import Draft, alert, amend, buy, cancel, halt, order, replace, sell
from tests.trading.making import BTC, instrument

D = Decimal


@pytest.mark.parametrize(
    ("facts", "kind"),
    [
        ({}, OrderType.MARKET),
        ({"price": 99}, OrderType.LIMIT),
        ({"price": 99, "post_only": True}, OrderType.POST_ONLY),
        ({"stop_price": 99}, OrderType.STOP),
        ({"stop_price": 99, "price": 98}, OrderType.STOP_LIMIT),
        ({"stop_price": 99, "take_profit": True}, OrderType.TAKE_PROFIT),
        ({"stop_price": 99, "price": 98, "take_profit": True}, OrderType.TAKE_PROFIT_LIMIT),
    ],
)
def test_the_type_follows_from_the_prices(facts: dict[str, Any], kind: OrderType) -> None:
    assert order(BTC, Side.BUY, size=1, **facts).type is kind


def test_numbers_of_any_kind_come_to_the_grid() -> None:
    place = buy(BTC, 0.1 + 0.2, price="99.999", time_in_force="ioc", tag="x").place(instrument())
    assert (place.size, place.price) == (D("0.300"), D("100.00"))
    assert (place.time_in_force, place.tag, place.side) == (TimeInForce.IOC, "x", Side.BUY)
    place = sell(BTC, quote_size=50.129999999).place(instrument(quote_digits=2))
    assert (place.quote_size, place.size, place.side) == (D("50.12"), None, Side.SELL)


@pytest.mark.parametrize("prices", [{"price": 90}, {"stop_price": D("90.004")}])
def test_an_amount_in_quote_units_becomes_a_size_where_a_price_is_named(prices: Any) -> None:
    place = sell(BTC, quote_size=50, **prices).place(instrument())
    assert (place.size, place.quote_size) == (D("0.555"), None)


@pytest.mark.parametrize("size", [0.0001, -1, 0, float("nan"), float("inf"), "much"])
def test_what_is_no_size_is_refused(size: Any) -> None:
    with pytest.raises(OffGrid, match="size"):
        buy(BTC, size).place(instrument())


@pytest.mark.parametrize("size", [0, -3, 0.000000001, "x"])
def test_what_is_no_quote_size_is_refused(size: Any) -> None:
    with pytest.raises(OffGrid, match="quote size"):
        buy(BTC, quote_size=size).place(instrument())


def test_an_order_has_exactly_one_size() -> None:
    with pytest.raises(ConfigError, match="neither"):
        buy(BTC)
    with pytest.raises(ConfigError, match="both"):
        sell(BTC, 1, quote_size=1)


def test_post_only_needs_a_price() -> None:
    with pytest.raises(ConfigError, match="a price"):
        buy(BTC, 1, post_only=True)


def test_the_other_wishes() -> None:
    assert cancel(BTC, side="sell", tag="x") == Cancel(symbol=BTC, side=Side.SELL, tag="x")
    assert cancel() == Cancel()
    assert amend("a", D(1)) == Amend(order_id="a", size=D(1))
    assert (alert("x", level="error").text, alert("x", level="error").level) == ("x", "error")
    assert halt("why") == HaltTrading(reason="why")
    swap = replace("a", buy(BTC, 1, price=9))
    assert (swap.order_id, swap.draft.price) == ("a", 9)


def test_a_draft_becomes_a_place_with_each_field_in_its_own() -> None:
    """It is written by position: whoever moves a field is told here."""
    draft = Draft(
        symbol=BTC, side=Side.SELL, type=OrderType.STOP_LIMIT, size=2, price=100, stop_price=101,
        time_in_force=TimeInForce.FOK, reduce_only=True, protective=True, tag="a tag",
        rule="a rule", cause=Cause("Trade", BTC, 1, 2, "a detail"),
    )  # fmt: skip
    place = draft.place(instrument(BTC))
    for name in Draft.__struct_fields__:
        assert getattr(place, name) == getattr(draft, name), name
    rest = set(Place.__struct_fields__) - set(Draft.__struct_fields__)
    assert {name: getattr(place, name) for name in rest} == {"trailing_bips": None}
