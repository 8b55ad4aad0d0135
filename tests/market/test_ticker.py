"""One latest picture, whatever the order of arrival."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pitwire.market.ticker import Ticker
from pitwire.model.events import AggregateTrade, Quote, Trade
from pitwire.model.orders import Side


def quote(update_id: int, bid: float = 10.0, ask: float = 11.0) -> Quote:
    return Quote(
        venue="v",
        symbol="A-B",
        venue_time=0,
        received=1000 + update_id,
        bid=bid,
        bid_size=1.0,
        ask=ask,
        ask_size=2.0,
        update_id=update_id,
    )


def trade(trade_id: int, price: float = 10.5, venue_time: int = 7) -> Trade:
    return Trade(
        venue="v",
        symbol="A-B",
        venue_time=venue_time,
        received=2000 + trade_id,
        price=price,
        size=0.5,
        side=Side.SELL,
        trade_id=trade_id,
    )


def test_a_new_ticker_knows_nothing_and_says_so() -> None:
    ticker = Ticker("v", "A-B")
    assert (ticker.bid, ticker.ask, ticker.last, ticker.mid, ticker.spread) == (None,) * 5


def test_quotes_and_trades_make_one_picture() -> None:
    ticker = Ticker("v", "A-B")
    assert ticker.apply(quote(5))
    assert ticker.apply(trade(3))
    assert (ticker.bid, ticker.bid_size, ticker.ask, ticker.ask_size) == (10.0, 1.0, 11.0, 2.0)
    assert (ticker.mid, ticker.spread) == (10.5, 1.0)
    assert (ticker.last, ticker.last_size, ticker.last_side) == (10.5, 0.5, Side.SELL)
    assert (ticker.trade_time, ticker.trade_received, ticker.quote_received) == (7, 2003, 1005)


def test_what_is_older_changes_nothing() -> None:
    ticker = Ticker("v", "A-B")
    ticker.apply(quote(5, bid=10.0))
    assert not ticker.apply(quote(4, bid=1.0))
    ticker.apply(trade(9, price=10.5))
    assert not ticker.apply(trade(8, price=1.0))
    assert not ticker.apply(trade(9, price=1.0))
    assert (ticker.bid, ticker.last) == (10.0, 10.5)


def test_a_venue_without_ids_is_taken_in_the_order_of_arrival() -> None:
    ticker = Ticker("v", "A-B")
    for price in (1.0, 2.0):
        assert ticker.apply(quote(0, bid=price))
        assert ticker.apply(trade(0, price=price, venue_time=0))
    assert (ticker.bid, ticker.last, ticker.trade_time) == (2.0, 2.0, 2000)


def test_an_aggregate_and_its_last_fill_are_the_same_trade() -> None:
    ticker = Ticker("v", "A-B")
    merged = AggregateTrade(
        venue="v",
        symbol="A-B",
        venue_time=7,
        received=9,
        price=3.0,
        size=1.0,
        side=Side.BUY,
        aggregate_id=1,
        first_id=4,
        last_id=6,
    )
    assert ticker.apply(merged)
    assert not ticker.apply(trade(6))
    assert (ticker.last, ticker.trade_id) == (3.0, 6)


def test_losing_the_quotes_keeps_the_last_trade() -> None:
    ticker = Ticker("v", "A-B")
    ticker.apply(quote(5))
    ticker.apply(trade(3))
    ticker.clear_quote()
    assert (ticker.bid, ticker.ask, ticker.mid, ticker.quote_received) == (None, None, None, 0)
    assert ticker.last == 10.5
    assert ticker.apply(quote(1))


@given(st.permutations(range(1, 9)), st.permutations(range(1, 9)))
def test_any_order_of_arrival_ends_in_the_same_picture(
    quotes: list[int], trades: list[int]
) -> None:
    ticker = Ticker("v", "A-B")
    for update_id, trade_id in zip(quotes, trades, strict=True):
        ticker.apply(quote(update_id, bid=float(update_id)))
        ticker.apply(trade(trade_id, price=float(trade_id)))
    assert (ticker.bid, ticker.last) == (8.0, 8.0)
