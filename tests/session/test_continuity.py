"""Trades leave in order, each once, and what is missing is named."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from pitwire.model.events import Event, Trade, TradeGap
from pitwire.model.orders import Side
from pitwire.session.continuity import TradeChain
from pitwire.venues.binance.venue import BINANCE
from pitwire.venues.venue import Venue


def trade(trade_id: int, symbol: str = "BTC-USDT") -> Trade:
    return Trade("binance", symbol, 5, 7, 1.0, 1.0, Side.BUY, trade_id)


def told(chain: TradeChain, *ids: int, symbol: str = "BTC-USDT") -> list[Any]:
    """Ids of trades, and (first, last) of gaps, in the order in which they come out."""
    events: list[Event] = [event for each in ids for event in chain.accept(trade(each, symbol))]
    return [
        (event.first_missing, event.last_missing) if isinstance(event, TradeGap) else event.trade_id  # type: ignore[attr-defined]
        for event in events
    ]


def test_in_order_nothing_is_added() -> None:
    chain = TradeChain(BINANCE)
    assert told(chain, 7, 8, 9) == [7, 8, 9]
    assert chain.dropped == 0


def test_copies_and_latecomers_are_dropped() -> None:
    chain = TradeChain(BINANCE)
    assert told(chain, 7, 7, 8, 6, 9, 8) == [7, 8, 9]
    assert chain.dropped == 3


def test_what_never_came_is_named_before_what_comes_next() -> None:
    chain = TradeChain(BINANCE)
    assert told(chain, 7, 11, 12) == [7, (8, 10), 11, 12]
    (gap, _) = chain.accept(trade(14))
    assert gap == TradeGap("binance", "BTC-USDT", 5, 7, 13, 13)


def test_symbols_do_not_mix() -> None:
    chain = TradeChain(BINANCE)
    assert told(chain, 7) == [7]
    assert told(chain, 100, symbol="ETH-USDT") == [100]
    assert told(chain, 8) == [8]


def test_a_lost_connection_loses_trades_by_name() -> None:
    chain = TradeChain(BINANCE)
    assert told(chain, 7) == [7]
    chain.begin_again()
    assert told(chain, 10, 11) == [(8, 9), 10, 11]
    chain.begin_again()
    assert told(chain, 12, 11, 13) == [12, 13]


def test_a_venue_that_counts_anew_is_followed() -> None:
    chain = TradeChain(BINANCE)
    assert told(chain, 1_000_000) == [1_000_000]
    chain.begin_again()
    assert told(chain, 1, 2, 4) == [1, 2, (3, 3), 4]


def test_what_nobody_wants_is_not_missing() -> None:
    chain = TradeChain(BINANCE)
    assert told(chain, 7) == [7]
    chain.forget("BTC-USDT")
    assert told(chain, 20, 21) == [20, 21]


def test_where_ids_do_not_count_by_one_nothing_is_judged() -> None:
    rows = {
        name: msgspec.structs.replace(row, dense=False) for name, row in BINANCE.channels.items()
    }
    venue: Venue = msgspec.structs.replace(BINANCE, channels=rows)
    assert told(TradeChain(venue), 7, 3, 3, 100) == [7, 3, 3, 100]


@given(st.lists(st.integers(1, 30), max_size=60))
def test_whatever_comes_every_id_is_told_once_and_in_order(ids: list[int]) -> None:
    chain = TradeChain(BINANCE)
    covered: list[int] = []
    for item in told(chain, *ids):
        covered += range(item[0], item[1] + 1) if isinstance(item, tuple) else [item]
    assert covered == (list(range(ids[0], max(ids) + 1)) if ids else [])
