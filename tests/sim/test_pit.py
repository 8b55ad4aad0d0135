"""A pit remembers what may be asked for, and no more."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitwire.model.orders import Side
from pitwire.sim.facts import Kind, Listing, Refusal, Refused, SimOrder, Stp, Tif, Traded
from pitwire.sim.pit import KEPT_ORDERS, KEPT_OWN_TRADES, KEPT_TRADES, Average, Pit

SECOND = 1_000_000_000


def order(order_id: int, client_id: str = "x") -> SimOrder:
    return SimOrder(
        order_id=order_id,
        account="ann",
        symbol="A-B",
        side=Side.BUY,
        kind=Kind.LIMIT,
        tif=Tif.GTC,
        lots=1,
        client_id=client_id,
        stp=Stp.NONE,
    )


def pit() -> Pit:
    return Pit(Listing(symbol="A-B", base="A", quote="B", tick=Decimal(1), lot=Decimal(1)))


def trade(trade_id: int) -> Traded:
    return Traded(
        at=0,
        symbol="A-B",
        trade_id=trade_id,
        price=1,
        lots=1,
        taker_side=Side.BUY,
        taker=order(1),
        maker=order(2),
        taker_execution=1,
        maker_execution=2,
        taker_fee=Decimal(0),
        taker_fee_asset="A",
        maker_fee=Decimal(0),
        maker_fee_asset="B",
    )


def finish(place: Pit, one: SimOrder, *, renamed: str = "") -> None:
    place.enter(one)
    if renamed:
        place.rename(one, renamed)
    place.leave(one, forget=False)


def unknown(place: Pit, *, order_id: int | None = None, client_id: str = "") -> bool:
    with pytest.raises(Refused) as refused:
        place.find("ann", order_id, client_id)
    return refused.value.refusal is Refusal.UNKNOWN_ORDER


@given(
    st.lists(st.tuples(st.integers(0, 90), st.integers(1, 100), st.integers(1, 9)), max_size=20),
    st.integers(1, 5),
)
def test_the_average_is_that_of_its_window(trades: list[tuple[int, int, int]], minutes: int):
    average, now, seen = Average(), 0, []
    for pause, price, lots in trades:
        now += pause
        average.add(price, lots, now * SECOND)
        seen.append((now, price, lots))
    window = [(price, lots) for at, price, lots in seen if at > now - minutes * 60]
    expected = (sum(price * lots for price, lots in window), sum(lots for _, lots in window))
    assert average.ratio(now * SECOND, minutes) == expected


def test_the_last_price_stands_in_for_an_average():
    place = pit()
    assert place.reference(0) == (0, 0)
    place.last = 7
    assert place.reference(0) == (7, 1)
    place.average.add(8, 2, 0)
    assert place.reference(0) == (16, 2)
    assert place.reference(301 * SECOND) == (7, 1)


def test_a_renamed_order_is_found_under_both_names_and_open_under_one():
    place, first = pit(), order(1)
    place.enter(first)
    place.rename(first, "y")
    assert place.find("ann", None, "x") is place.find("ann", None, "y") is first
    assert (place.is_open("ann", "x"), place.is_open("ann", "y")) == (False, True)
    place.leave(first, forget=False)
    assert not place.is_open("ann", "y")
    again = order(2)
    place.enter(again)
    assert place.find("ann", None, "x") is again
    assert place.all_of("ann") == [first, again]


def test_a_twice_renamed_order_is_not_found_under_its_first_name():
    place, only = pit(), order(1)
    place.enter(only)
    place.rename(only, "y")
    place.rename(only, "z")
    assert place.find("ann", None, "y") is place.find("ann", None, "z") is only
    assert unknown(place, client_id="x")


def test_an_order_that_kept_its_name_through_a_change_is_found_under_it_after_the_next():
    place, only = pit(), order(1)
    place.enter(only)
    place.rename(only, "x")  # an amendment that keeps the name (binance §5.10)
    assert place.is_open("ann", "x")
    place.rename(only, "y")  # a cancel, which takes a name of its own
    place.leave(only, forget=False)
    assert place.find("ann", None, "x") is only
    assert place.find("ann", None, "y") is only


def test_the_oldest_finished_order_is_forgotten_under_every_name():
    place = pit()
    for order_id in range(1, KEPT_ORDERS + 1):
        finish(place, order(order_id, f"c{order_id}"), renamed=f"d{order_id}")
    oldest = place.find("ann", 1, "")
    assert place.find("ann", None, "c1") is place.find("ann", None, "d1") is oldest
    again = order(KEPT_ORDERS + 1, "c1")
    finish(place, again)
    assert unknown(place, order_id=1)
    assert unknown(place, client_id="d1")
    assert place.find("ann", None, "c1") is again, "the name had a new owner"
    assert [one.order_id for one in place.all_of("ann")] == list(range(2, KEPT_ORDERS + 2))


def test_open_orders_are_never_forgotten():
    place, resting = pit(), order(1, "rests")
    place.enter(resting)
    for order_id in range(2, KEPT_ORDERS + 10):
        finish(place, order(order_id, f"c{order_id}"))
    assert place.find("ann", 1, "rests") is resting


def test_trades_are_kept_up_to_a_number():
    place = pit()
    count = KEPT_TRADES + 5
    for trade_id in range(1, count + 1):
        place.record(trade(trade_id), ("ann",) if trade_id <= 3 else ())
    assert len(place.trades) == KEPT_TRADES
    assert [seen.trade_id for seen in place.newest_trades(2)] == [count - 1, count]
    assert place.newest_trades(0) == []
    assert len(place.newest_trades(count)) == KEPT_TRADES
    assert [seen.trade_id for seen in place.trades_from(count - 1, 9)] == [count - 1, count]
    assert [seen.trade_id for seen in place.trades_from(1, 2)] == [6, 7]
    assert [seen.trade_id for seen in place.trades_of("ann")] == [1, 2, 3]
    assert pit().trades_from(1, 5) == []


def test_an_accounts_trades_are_kept_up_to_a_number():
    place = pit()
    for trade_id in range(1, KEPT_OWN_TRADES + 3):
        place.record(trade(trade_id), ("ann",))
    mine = place.trades_of("ann")
    assert (mine[0].trade_id, len(mine)) == (3, KEPT_OWN_TRADES)
