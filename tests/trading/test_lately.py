"""Pace and repetition are judged by what is within their times, whatever else is still kept."""

from __future__ import annotations

import random
from collections import deque
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from pitwire.model.orders import OrderType, Place, Side, TimeInForce
from pitwire.trading.lately import Lately
from pitwire.trading.limits import Limits
from tests.trading.making import BTC, ETH, SECOND, T0


def place(size: int = 1, *, rule: str = "a", symbol: str = BTC, side: Side = Side.BUY) -> Place:
    return Place(symbol=symbol, side=side, size=Decimal(size), rule=rule)


STOP = Place(
    symbol=BTC, side=Side.BUY, type=OrderType.STOP_LIMIT, size=Decimal(1), price=Decimal(100),
    stop_price=Decimal(99), time_in_force=TimeInForce.GTC, tag="a", rule="a",
)  # fmt: skip


@pytest.mark.parametrize(
    "facts",
    [
        {"type": OrderType.TAKE_PROFIT_LIMIT}, {"size": Decimal(2)}, {"price": Decimal(101)},
        {"stop_price": Decimal(98)}, {"time_in_force": TimeInForce.IOC}, {"tag": "b"},
        {"size": None, "quote_size": Decimal(1)},
    ],
)  # fmt: skip
def test_orders_that_differ_in_one_thing_are_two(facts: dict[str, Any]) -> None:
    lately = Lately(Limits(duplicate_seconds=1.0))
    lately.note(STOP, T0)
    assert lately.repeats(STOP, T0)
    assert not lately.repeats(msgspec.structs.replace(STOP, **facts), T0)


def test_one_more_is_allowed_as_a_count_of_all_times_says() -> None:
    for seed in range(30):
        chance = random.Random(seed)
        limits = Limits(max_orders_per_second=chance.choice((1, 3, 10)),
                        max_orders_per_ten_seconds=chance.choice((5, 20, 1000)))  # fmt: skip
        lately, times, now = Lately(limits), list[int](), T0
        for _ in range(300):
            now += chance.choice((0, SECOND // 10, SECOND // 2, SECOND, 4 * SECOND))
            second = sum(1 for one in times if one > now - SECOND)
            ten = sum(1 for one in times if one > now - 10 * SECOND)
            allowed = (
                second < limits.max_orders_per_second and ten < limits.max_orders_per_ten_seconds
            )
            assert lately.allows(limits, now) is allowed
            if chance.random() < 0.3:
                assert lately.counts(now) == (second, ten)
            if allowed:
                lately.note(place(), now)
                times.append(now)


def test_the_same_again_is_known_within_the_window_and_no_longer() -> None:
    lately = Lately(Limits(duplicate_seconds=1.0))
    lately.note(place(), T0)
    assert lately.repeats(place(), T0 + SECOND - 1)
    for other in (place(2), place(rule="b"), place(symbol=ETH), place(side=Side.SELL)):
        assert not lately.repeats(other, T0)
    assert not lately.repeats(place(), T0 + SECOND)


def test_what_is_long_past_is_forgotten() -> None:
    lately = Lately(Limits(max_orders_per_second=10**6, max_orders_per_ten_seconds=10**6))
    for number in range(5_000):
        lately.note(place(), T0 + number * SECOND)
    assert len(lately._ten) <= 11
    assert len(lately._second) <= 2
    assert isinstance(lately._ten, deque)
