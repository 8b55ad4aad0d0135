"""A pit remembers what may be asked for, and no more."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from pitwire.model.orders import Side
from pitwire.sim.facts import Kind, Listing, SimOrder, Stp, Tif, Traded
from pitwire.sim.pit import KEPT_TRADES, Average, Pit

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


def test_public_trades_are_kept_up_to_a_number_and_ones_own_for_good():
    place = pit()
    count = 2 * KEPT_TRADES + 5
    for trade_id in range(1, count + 1):
        place.record(trade(trade_id), ("ann",) if trade_id <= 3 else ())
    assert KEPT_TRADES <= len(place.trades) < 2 * KEPT_TRADES
    assert place.trades[-1].trade_id == count
    assert [seen.trade_id for seen in place.trades_from(count - 1, 9)] == [count - 1, count]
    assert place.trades_from(1, 2) == place.trades[:2]
    assert [seen.trade_id for seen in place.trades_of("ann")] == [1, 2, 3]
    assert pit().trades_from(1, 5) == []
