"""Stops fire when a trade touches them, and not before."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitwire.model.orders import Side
from pitwire.sim.facts import Kind, SimOrder, Stp, Tif
from pitwire.sim.stops import STOPS, Stops, waits_for_rise


def stop(
    order_id: int, side: Side, kind: Kind = Kind.STOP_LOSS, *, price: int = 0, trailing: int = 0
) -> SimOrder:
    return SimOrder(
        order_id=order_id,
        account="ann",
        symbol="A-B",
        side=side,
        kind=kind,
        tif=Tif.GTC,
        lots=1,
        stop_price=price,
        trailing_bips=trailing,
        client_id="",
        stp=Stp.NONE,
    )


@pytest.mark.parametrize(
    ("kind", "side", "rises"),
    [
        (Kind.STOP_LOSS, Side.BUY, True),
        (Kind.STOP_LOSS_LIMIT, Side.SELL, False),
        (Kind.TAKE_PROFIT, Side.BUY, False),
        (Kind.TAKE_PROFIT_LIMIT, Side.SELL, True),
    ],
)
def test_which_way_a_stop_waits(kind: Kind, side: Side, rises: bool):
    assert waits_for_rise(kind, side) is rises


@given(
    st.lists(
        st.tuples(st.sampled_from(Side), st.sampled_from(sorted(STOPS)), st.integers(1, 40)),
        max_size=20,
    ),
    st.lists(st.integers(1, 40), max_size=20),
)
def test_exactly_those_that_a_price_touches_fire(
    wanted: list[tuple[Side, Kind, int]], prices: list[int]
):
    stops, waiting = Stops(), {}
    for order_id, (side, kind, price) in enumerate(wanted):
        waiting[order_id] = stop(order_id, side, kind, price=price)
        stops.add(waiting[order_id])
    for price in prices:
        due = {
            order_id
            for order_id, order in waiting.items()
            if (
                price >= order.stop_price
                if waits_for_rise(order.kind, order.side)
                else price <= order.stop_price
            )
        }
        fired = {order.order_id for order in stops.touch(price, 0)}
        assert fired == due
        for order_id in fired:
            del waiting[order_id]
        assert stops.waiting == waiting


@given(st.integers(10, 2_000), st.lists(st.integers(1, 10**6), min_size=1, max_size=40))
def test_a_trailing_sell_fires_at_the_first_fall_of_its_delta_from_the_top(
    bips: int, prices: list[int]
):
    stops = Stops()
    stops.add(stop(1, Side.SELL, trailing=bips))
    expected = next(
        (
            index
            for index, price in enumerate(prices)
            if index and price * 10_000 <= max(prices[:index]) * (10_000 - bips)
        ),
        None,
    )
    fired = next((i for i, price in enumerate(prices) if stops.touch(price, i)), None)
    assert fired == expected


def test_a_removed_stop_is_forgotten_wherever_it_was():
    stops = Stops()
    orders = [
        stop(1, Side.BUY, price=10),
        stop(2, Side.SELL, price=10),
        stop(3, Side.SELL, trailing=50),
        stop(4, Side.SELL, price=20, trailing=50),
        stop(5, Side.BUY, price=10),
    ]
    for order in orders:
        stops.add(order)
    assert stops.touch(15, 7) == [orders[0], orders[4]]
    assert (orders[3].trailing_since, orders[2].trailing_since) == (7, 7)
    for order in orders[1:4]:
        stops.remove(order)
    assert stops.waiting == {}
    assert stops.touch(1, 8) == []


@pytest.mark.parametrize(
    ("side", "far", "there"), [(Side.SELL, 9_901, 9_900), (Side.BUY, 10_099, 10_100)]
)
def test_a_trailing_stop_fires_where_it_stands_and_not_a_tick_before(
    side: Side, far: int, there: int
):
    stops = Stops()
    stops.add(stop(1, side, trailing=100))
    assert list(stops.touch(10_000, 0)) == []
    assert list(stops.touch(far, 1)) == []
    assert [order.order_id for order in stops.touch(there, 2)] == [1]
