"""Weights, order counts and bans (binance §8)."""

from __future__ import annotations

import pytest

from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.sim.facades.binance_limits import AddressLimits, OrderLimits, Window
from pitwire.sim.facades.binance_options import BinanceOptions
from pitwire.sim.facades.binance_text import ApiError
from tests.sim.binance_client import ApiClient, RestClient, StreamClient, quiet_world

START = 1_700_000_040 * SECOND
"""The start of a minute."""


def test_windows_are_aligned_to_the_wall_clock() -> None:
    window = Window("ORDERS", "SECOND", 10, 5)
    window.add(3, START + 9 * SECOND)
    assert window.count(START + 10 * SECOND - 1) == 3
    assert window.count(START + 10 * SECOND) == 0
    assert window.resets(START + 9 * SECOND) == START + 10 * SECOND
    assert window.state(START) == {
        "rateLimitType": "ORDERS",
        "interval": "SECOND",
        "intervalNum": 10,
        "limit": 5,
        "count": 0,
    }


def test_a_count_does_not_fall_below_zero() -> None:
    window = Window("ORDERS", "DAY", 1, 5)
    window.add(-1, START)
    assert window.count(START) == 0


def test_too_much_weight_is_429_and_ignoring_it_is_418() -> None:
    options = BinanceOptions(weight_per_minute=10, refusals_before_ban=2)
    limits = AddressLimits(options)
    limits.charge(10, START)
    for _ in range(2):
        with pytest.raises(ApiError) as refused:
            limits.charge(1, START + SECOND)
        assert refused.value.status == 429
        assert refused.value.text == (
            "Too much request weight used; current limit is 10 request weight per 1 MINUTE. "
            "Please use WebSocket Streams for live updates to avoid polling the API."
        )
        assert refused.value.data == {
            "serverTime": (START + SECOND) // MILLISECOND,
            "retryAfter": (START + 60 * SECOND) // MILLISECOND,
        }
    with pytest.raises(ApiError) as banned:
        limits.charge(1, START + SECOND)
    until = (START + 121 * SECOND) // MILLISECOND
    assert banned.value.status == 418
    assert banned.value.text == (
        f"Way too much request weight used; IP banned until {until}. "
        "Please use WebSocket Streams for live updates to avoid bans."
    )
    with pytest.raises(ApiError):
        limits.charge(1, START + 120 * SECOND)
    limits.charge(1, START + 121 * SECOND)


def test_a_second_ban_is_longer() -> None:
    limits = AddressLimits(BinanceOptions(weight_per_minute=1, refusals_before_ban=0))
    lengths = []
    now = START
    for _ in range(2):
        with pytest.raises(ApiError, match="banned"):
            limits.charge(2, now)
        lengths.append(limits.banned_until - now)
        now = limits.banned_until
    assert lengths == [120 * SECOND, 240 * SECOND]


def test_either_order_window_refuses() -> None:
    limits = OrderLimits(BinanceOptions(orders_per_10_seconds=2, orders_per_day=3))
    limits.add(2, START)
    ten = limits.exceeded(START)
    assert ten is not None
    assert ten.text == "Too many new orders; current limit is 2 orders per 10 SECOND."
    assert limits.exceeded(START + 10 * SECOND) is None
    limits.add(1, START + 10 * SECOND)
    day = limits.exceeded(START + 20 * SECOND)
    assert day is not None
    assert day.text == "Too many new orders; current limit is 3 orders per 1 DAY."


def test_orders_count_until_their_first_fill() -> None:
    world = quiet_world()
    client, other = ApiClient(world), ApiClient(world, account="other")
    counts = []

    def count() -> int:
        return int(client.done("account.rateLimits.orders")[0]["count"])

    client.limit("BUY", "50000.00", "0.01")
    client.limit("BUY", "50001.00", "0.01")
    counts.append(count())
    other.market("SELL", quantity="0.005")
    counts.append(count())
    other.market("SELL", quantity="0.005")  # the rest of the same order: nothing more to refund
    counts.append(count())
    assert counts == [2, 1, 1]


def test_an_order_that_fills_at_once_gives_its_place_back() -> None:
    world = quiet_world()
    client, other = ApiClient(world), ApiClient(world, account="other")
    other.limit("SELL", "50000.00", "0.01")
    client.market("BUY", quantity="0.005")
    client.limit("BUY", "50000.00", "0.005")
    assert client.done("account.rateLimits.orders")[0]["count"] == 0
    assert other.done("account.rateLimits.orders")[0]["count"] == 0


def test_placing_and_cancelling_weigh_nothing_when_they_succeed() -> None:
    client = ApiClient(quiet_world())

    def used(answer: dict[str, object]) -> object:
        limits = answer["rateLimits"]
        assert isinstance(limits, list)
        return limits[-1]["count"]

    placed = client.ask(
        "order.place",
        symbol="BTCUSDT",
        side="BUY",
        type="LIMIT",
        timeInForce="GTC",
        price="50000.00",
        quantity="0.01",
    )
    assert used(placed) == 2  # the connection's own weight
    refused = client.ask("order.cancel", symbol="BTCUSDT", orderId=999)
    assert refused["status"] == 400
    assert used(refused) == 3


def test_order_limit_over_the_wire() -> None:
    world = quiet_world(options=BinanceOptions(orders_per_10_seconds=1))
    client = ApiClient(world)
    client.limit("BUY", "50000.00", "0.01")
    answer = client.ask(
        "order.place",
        symbol="BTCUSDT",
        side="BUY",
        type="LIMIT",
        timeInForce="GTC",
        price="50000.00",
        quantity="0.01",
    )
    assert answer["status"] == 429
    assert answer["error"]["code"] == -1015
    assert [limit["rateLimitType"] for limit in answer["rateLimits"]] == [
        "ORDERS",
        "ORDERS",
        "REQUEST_WEIGHT",
    ]
    world.advance(10)
    client.limit("BUY", "50000.00", "0.01")


def test_rest_says_in_headers_when_to_come_back() -> None:
    world = quiet_world(start=START, options=BinanceOptions(weight_per_minute=20))
    client = RestClient(world)
    client.get("/exchangeInfo")
    world.advance(10.5)
    status, headers, body = client.raw("GET", "/api/v3/ping")
    assert status == 429
    assert headers["retry-after"] == "50"
    assert headers["x-mbx-used-weight-1m"] == "20"
    assert b'"data"' not in body


def test_a_banned_address_cannot_connect_and_loses_its_api_connection() -> None:
    options = BinanceOptions(weight_per_minute=3, refusals_before_ban=0)
    world = quiet_world(start=START, options=options)
    client = ApiClient(world)
    client.send("ping", {})
    answer = client.send("ping", {})
    assert answer["status"] == 418
    assert answer["error"]["data"]["retryAfter"] == (START + 120 * SECOND) // MILLISECOND
    world.advance()
    assert client.lost is not None
    assert client.lost.code == 1008
    reply = world.facade.connect(99, "/ws", START + SECOND)
    assert reply is not None
    assert (reply.status, reply.headers["retry-after"]) == (418, "119")


@pytest.mark.parametrize("door", ["orders", "http"])
def test_a_ban_ends_every_api_connection_of_the_address(door: str) -> None:
    """binance §8; its streams stay."""
    options = BinanceOptions(weight_per_minute=9, refusals_before_ban=0)
    world = quiet_world(start=START, options=options)
    first, second = ApiClient(world), ApiClient(world)
    stream = StreamClient(world)
    world.facade.office.limits.address("127.0.0.1").weight.add(5, START)
    if door == "orders":
        assert first.send("ping", {})["status"] == 418
    else:
        assert RestClient(world).raw("GET", "/api/v3/ping")[0] == 418
    world.advance()
    assert [each.lost and each.lost.code for each in (first, second)] == [1008, 1008]
    assert stream.lost is None


def test_too_many_connections() -> None:
    world = quiet_world(options=BinanceOptions(connections_per_5_minutes=2))
    now = world.clock.now()
    assert world.facade.connect(90, "/ws", now) is None
    assert world.facade.connect(91, "/ws", now) is None
    reply = world.facade.connect(92, "/ws", now)
    assert reply is not None
    assert reply.status == 429
