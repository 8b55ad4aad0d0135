"""Filters compare whole ticks and lots; their own bound passes, one beyond it does not."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pitwire.model.orders import Side
from pitwire.sim.facts import Kind, Listing, NewOrder, Refused
from pitwire.sim.filters import Ceilings, Ratio, Rules


def listing(**rules: object) -> Listing:
    grid: dict[str, object] = {"tick": Decimal("0.01"), "lot": Decimal("0.001")}
    return Listing(symbol="A-B", base="A", quote="B", **(grid | rules))  # type: ignore[arg-type]


def limit(price: int, lots: int) -> NewOrder:
    return NewOrder(
        account="ann", symbol="A-B", side=Side.BUY, kind=Kind.LIMIT, price=price, lots=lots
    )


def passes(rules: Rules, request: NewOrder, reference: Ratio = (0, 0)) -> bool:
    try:
        rules.check(request, reference)
    except Refused:
        return False
    return True


amounts = st.decimals("0.0001", "1000", places=4)
steps = st.sampled_from([Decimal(step) for step in ("1", "0.5", "0.05", "0.003", "0.00001")])


@given(st.integers(1, 10**6), st.integers(1, 10**6), steps, steps, amounts)
def test_notional_is_judged_exactly(
    price: int, lots: int, tick: Decimal, lot: Decimal, least: Decimal
):
    rules = Rules(listing(tick=tick, lot=lot, min_notional=least))
    worth = Fraction(tick) * Fraction(lot) * price * lots
    assert passes(rules, limit(price, lots)) == (worth >= Fraction(least))


def test_a_bound_between_two_sizes_asks_for_the_larger():
    rules = Rules(listing(tick=Decimal("0.003"), lot=Decimal(1), min_notional=Decimal("0.01")))
    assert not passes(rules, limit(1, 3))
    assert passes(rules, limit(1, 4))
    most = Rules(listing(tick=Decimal("0.003"), lot=Decimal(1), max_notional=Decimal("0.01")))
    assert passes(most, limit(1, 3))
    assert not passes(most, limit(1, 4))


@given(
    st.integers(1, 10**6),
    st.integers(1, 10**12),
    st.integers(1, 10**6),
    st.decimals("1", "5", places=4),
    st.decimals("0.01", "1", places=4),
)
def test_percent_price_is_judged_exactly(
    price: int, over: int, under: int, up: Decimal, down: Decimal
):
    rules = Rules(listing(percent_up=up, percent_down=down))
    reference = Fraction(over, under)
    allowed = reference * Fraction(down) <= price <= reference * Fraction(up)
    assert passes(rules, limit(price, 1), (over, under)) == allowed


def test_without_a_reference_no_price_is_too_far():
    assert passes(Rules(listing(percent_up=Decimal(2), percent_down=Decimal(1))), limit(10**6, 1))


@pytest.mark.parametrize(("lots", "fits"), [(4, False), (5, True), (9, True), (10, False)])
def test_sizes_have_bounds(lots: int, fits: bool):
    assert passes(Rules(listing(min_lots=5, max_lots=9)), limit(1, lots)) is fits


@pytest.mark.parametrize(
    ("price", "lots", "fits"), [(10, 6, True), (11, 6, False), (10, 7, False), (5, 3, True)]
)
def test_a_grid_may_be_coarser_than_its_units(price: int, lots: int, fits: bool):
    assert passes(Rules(listing(price_step=5, lot_step=3)), limit(price, lots)) is fits


@pytest.mark.parametrize(("lots", "fits"), [(100, True), (101, False)])
def test_an_iceberg_has_so_many_parts(lots: int, fits: bool):
    whole = replace(limit(10**6, lots), iceberg_lots=10)
    assert passes(Rules(listing(iceberg_parts=10)), whole) is fits


@pytest.mark.parametrize(("lots", "fits"), [(50, True), (49, False)])
def test_a_market_order_is_worth_enough_at_the_reference(lots: int, fits: bool):
    market = NewOrder(account="ann", symbol="A-B", side=Side.BUY, kind=Kind.MARKET, lots=lots)
    rules = Rules(listing(min_notional=Decimal(5)))
    assert passes(rules, market, (10_000, 1)) is fits


@pytest.mark.parametrize(("lots", "fits"), [(2_000, True), (2_001, False)])
def test_an_asset_moves_up_to_its_ceiling(lots: int, fits: bool):
    ceilings = Ceilings(max_asset={"A": Decimal(2)})
    if fits:
        ceilings.check(limit(1, lots), listing(), 1)
    else:
        with pytest.raises(Refused, match="MAX_ASSET"):
            ceilings.check(limit(1, lots), listing(), 1)


def test_an_account_has_room_for_as_many_orders_as_it_may_have():
    ceilings, one = Ceilings(max_orders=2), limit(1, 1)
    ceilings.demand_room([one], [one], lists=0)  # type: ignore[list-item]
    with pytest.raises(Refused, match="EXCHANGE_MAX_NUM_ORDERS"):
        ceilings.demand_room([one], [one, one], lists=0)  # type: ignore[list-item]


def test_a_grid_is_needed():
    with pytest.raises(ValueError, match="A-B: found tick 1 and lot 0, expected both above zero"):
        Rules(listing(tick=Decimal(1), lot=Decimal(0)))
