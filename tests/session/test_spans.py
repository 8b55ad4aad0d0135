"""Aggregates whose own ids lack nothing, and whose trades do."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest

from pitwire.model.clock import SECOND
from pitwire.model.events import MERGED, AggregateTrade, Event, TradeGap
from pitwire.model.orders import Side
from pitwire.session.beginnings import trade_number
from pitwire.session.continuity import HOLD_SECONDS, Gap, TradeChain
from pitwire.venues.binance.venue import BINANCE
from pitwire.venues.binance_futures.venue import BINANCE_USDM

CHANNEL = BINANCE.channels["aggregate_trades"]
RECORDED = ("spot_10pairs_2021-04-05", "us_10pairs_2021-04-17", "us_4pairs_klines_2021-10-12")


def aggregate(number: int, first: int, last: int, *, symbol: str = "A") -> AggregateTrade:
    side = Side.BUY
    return AggregateTrade("binance", symbol, 5, 7, 1.0, 1.0, side, number, first, last)


def told(chain: TradeChain, *merged: tuple[int, int, int]) -> list[object]:
    """Numbers of aggregates and, of gaps, (channel, first, last)."""
    return spelled(e for one in merged for e in chain.accept(aggregate(*one), one[0]))


def spelled(events: Iterable[Event]) -> list[object]:
    return [
        (one.channel, one.first_missing, one.last_missing)
        if isinstance(one, TradeGap)
        else trade_number(one)
        for one in events
        if isinstance(one, TradeGap | AggregateTrade)
    ]


def test_what_follows_lacks_nothing() -> None:
    assert told(TradeChain(CHANNEL), (7, 1, 3), (8, 4, 4), (9, 5, 9)) == [7, 8, 9]


def test_a_trade_between_two_that_follow_is_named() -> None:
    found = told(TradeChain(CHANNEL), (7, 1, 3), (8, 5, 5), (9, 6, 6), (10, 10, 12))
    assert found == [7, (MERGED, 4, 4), 8, 9, (MERGED, 7, 9), 10]


def test_where_aggregates_are_missing_their_trades_are_no_second_gap() -> None:
    chain = TradeChain(CHANNEL)
    assert told(chain, (7, 1, 3), (9, 8, 8)) == [7, ("aggregate_trades", 8, 8), 9]
    assert told(chain, (10, 10, 10)) == [(MERGED, 9, 9), 10]


def test_what_was_filled_in_is_looked_at_too() -> None:
    gaps: list[Gap] = []
    chain = TradeChain(CHANNEL, on_gap=gaps.append)
    assert told(chain, (7, 1, 3), (10, 9, 9), (11, 10, 10)) == [7]
    assert spelled(chain.fill([aggregate(8, 4, 4), aggregate(9, 6, 8)], 9)) == [
        8,
        (MERGED, 5, 5),
        9,
        10,
        11,
    ]


def test_of_a_part_that_came_the_rest_is_named_once() -> None:
    chain = TradeChain(CHANNEL, on_gap=lambda gap: None)
    assert told(chain, (7, 1, 3), (9, 6, 6), (11, 9, 9)) == [7]
    late = 7 + round(HOLD_SECONDS * SECOND)
    assert spelled(chain.overdue(late)) == [
        ("aggregate_trades", 8, 8),
        9,
        ("aggregate_trades", 10, 10),
        11,
    ]


def test_a_symbol_that_was_forgotten_follows_on_nothing_and_no_other_is_meant() -> None:
    chain = TradeChain(CHANNEL)
    told(chain, (7, 1, 3))
    assert spelled(chain.accept(aggregate(3, 90, 90, symbol="B"), 3)) == [3]
    chain.forget("A")
    assert told(chain, (50, 99, 99)) == [50]


@pytest.mark.parametrize("waits", [False, True], ids=["given up", "still waited for"])
def test_what_nobody_wanted_after_a_gap_is_not_missing_when_it_is_wanted_again(
    *, waits: bool
) -> None:
    chain = TradeChain(CHANNEL, on_gap=lambda gap: None)
    assert told(chain, (7, 1, 3), (9, 6, 6)) == [7]
    chain.forget("A")
    left = [("aggregate_trades", 8, 8), 9]
    if not waits:
        assert spelled(chain.overdue(7 + round(HOLD_SECONDS * SECOND))) == left
    assert told(chain, (1000, 5000, 5001)) == [*(left if waits else ()), 1000]
    assert told(chain, (1001, 5003, 5003)) == [(MERGED, 5002, 5002), 1001]


def test_ids_that_begin_anew_and_aggregates_without_any_lack_no_trade_between() -> None:
    chain = TradeChain(CHANNEL)
    assert told(chain, (7, 80, 83)) == [7]
    chain.begin_again()
    first = msgspec.structs.replace(aggregate(1, 1, 1), venue_time=2 * SECOND)
    assert spelled(chain.accept(first, 1)) == [("aggregate_trades", 0, -1), 1]
    assert told(chain, (2, 0, 0), (3, 2, 2)) == [2, 3]


def test_a_venue_that_leaves_trades_out_of_its_aggregates_is_not_judged() -> None:
    """The futures' aggregates have no trades of the insurance fund (binance §11.3)."""
    chain = TradeChain(BINANCE_USDM.channels["aggregate_trades"])
    assert told(chain, (7, 1, 3), (8, 9, 9)) == [7, 8]


@pytest.mark.parametrize("name", RECORDED)
def test_no_recorded_aggregate_lacks_a_trade(captures: Path, name: str) -> None:
    chain, seen, gaps = TradeChain(CHANNEL), 0, 0
    with gzip.open(captures / f"binance/{name}.jsonl.gz", "rt") as lines:
        for line in lines:
            if "aggTrade" not in line:
                continue
            record = json.loads(line)
            data = json.loads(record["data"]).get("data", {}) if record["t"] == "recv" else {}
            if data.get("e") == "aggTrade":
                one = aggregate(data["a"], data["f"], data["l"], symbol=data["s"])
                seen += 1
                gaps += sum(isinstance(e, TradeGap) for e in chain.accept(one, data["a"]))
    assert seen > 10
    assert gaps == 0
