"""What happens at a venue without an order, and what it changes for orders."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from pitwire.model.orders import Side
from pitwire.sim.execution import OUT_OF_RANGE
from pitwire.sim.facts import BalanceChanged, Refused
from pitwire.sim.outside import Encumbered, Outside
from pitwire.sim.world import BTC_USDT, World
from tests.sim.binance_client import ApiClient, RestClient, StreamClient, quiet_world

SYMBOL = "BTC-USDT"
RANGED = msgspec.structs.replace(BTC_USDT, range_up=Decimal("1.01"), range_down=Decimal("0.99"))


def outside_of(world: World) -> Outside:
    return world.exchange.outside


def refer(world: World, price: int | None) -> None:
    """In quote units."""
    ticks = None if price is None else price * 100
    outside_of(world).refer(SYMBOL, ticks, world.clock.now())
    world.act()


def deal(world: World, side: Side, price: int) -> int:
    """A block of five whole coins."""
    number = outside_of(world).trade_block(
        SYMBOL, side, price=price * 100, lots=500_000, now=world.clock.now()
    )
    world.act()
    return number


def test_a_block_trade_is_told_on_its_stream_alone_and_can_be_asked_for() -> None:
    world = quiet_world()
    stream = StreamClient(world, "/stream?streams=btcusdt@blockTrade/btcusdt@trade/btcusdt@ticker")
    assert [deal(world, side, 61_000) for side in (Side.BUY, Side.SELL)] == [1, 2]
    now = world.clock.now() // 1_000_000
    frames = stream.after(0)
    assert [frame["stream"] for frame in frames] == ["btcusdt@blockTrade"] * 2
    assert frames[0]["data"] == {
        "e": "blockTrade",
        "E": now,
        "s": "BTCUSDT",
        "t": 1,
        "p": "61000.00000000",
        "q": "5.00000000",
        "T": now,
        "m": False,
    }
    assert frames[1]["data"]["m"] is True
    rest = RestClient(world)
    rows = rest.get("/historicalBlockTrades", symbol="BTCUSDT")
    assert [row["id"] for row in rows] == [1, 2]
    assert rows[0] == {
        "id": 1,
        "price": "61000.00000000",
        "qty": "5.00000000",
        "quoteQty": "305000.00000000",
        "time": now,
        "isBuyerMaker": False,
    }
    assert [row["id"] for row in rest.get("/historicalBlockTrades", symbol="BTCUSDT", limit=1)] == [
        2
    ]
    later = rest.get("/historicalBlockTrades", symbol="BTCUSDT", fromId=2)
    assert [row["id"] for row in later] == [2]
    assert world.exchange.last_price(SYMBOL) == BTC_USDT.start_price
    assert rest.get("/trades", symbol="BTCUSDT") == []


@pytest.mark.parametrize(("price", "lots"), [(0, 1), (1, 0), (-1, 1)])
def test_a_block_of_nothing_is_refused(price: int, lots: int) -> None:
    with pytest.raises(ValueError, match="expected more than zero"):
        outside_of(quiet_world()).trade_block(SYMBOL, Side.BUY, price=price, lots=lots, now=0)


def test_a_reference_price_is_told_every_second_at_most() -> None:
    world = quiet_world()
    stream = StreamClient(world, "/ws/btcusdt@referencePrice")
    late = StreamClient(world, "/ws?timeUnit=MICROSECOND")
    assert stream.after(3) == []  # nothing was said of it yet
    for price in (60_500, 60_600):
        refer(world, price)
    at = world.clock.now()
    (event,) = stream.after(2)
    assert event == {
        "e": "referencePrice",
        "s": "BTCUSDT",
        "r": "60600.00000000",
        "t": at // 1_000_000,
    }
    late.ask("SUBSCRIBE", "btcusdt@referencePrice")
    (shown,) = late.after(2)
    assert shown == event | {"t": at // 1_000}
    refer(world, None)
    assert stream.after(2)[-1]["r"] is None


def test_a_reference_price_can_be_asked_for() -> None:
    world = quiet_world()
    client = ApiClient(world)
    for method in ("referencePrice", "referencePrice.calculation"):
        assert client.send(method, {"symbol": "BTCUSDT"})["error"]["code"] == -2043
    refer(world, 60_500)
    answer = {"symbol": "BTCUSDT", "referencePrice": "60500.00000000", "timestamp": client.stamp()}
    assert client.send("referencePrice", {"symbol": "BTCUSDT"})["result"] == answer
    assert RestClient(world).get("/referencePrice", symbol="BTCUSDT") == answer
    how = RestClient(world).get("/referencePrice/calculation", symbol="BTCUSDT")
    assert how["calculationType"] == "EXTERNAL"
    refer(world, None)
    assert client.send("referencePrice", {"symbol": "BTCUSDT"})["result"]["referencePrice"] is None
    with pytest.raises(ValueError, match="price: found 0"):
        outside_of(world).refer(SYMBOL, 0, 0)


def test_filters_look_at_the_reference_price_while_there_is_one() -> None:
    """binance §7.1: else at the average. 20,000 is below half of 60,000, and not of 30,000."""
    world = quiet_world()
    client = ApiClient(world)
    client.limit("BUY", "60000.00", "0.001")
    ApiClient(world, account="other").limit("SELL", "60000.00", "0.001")
    order: dict[str, Any] = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT"}
    order |= {"timeInForce": "GTC", "price": "20000", "quantity": "0.01"}
    found = []
    for price in (None, 30_000, None):
        refer(world, price)
        found.append(client.ask("order.place", **order).get("error", {}).get("msg"))
    wrong = "Filter failure: PERCENT_PRICE_BY_SIDE"
    assert found == [wrong, None, wrong]


def ladder(world: World) -> tuple[ApiClient, ApiClient]:
    """Asks at 60,000, 60,500 and 61,000, bids at 59,900 and 59,000, each 0.01."""
    maker = ApiClient(world, account="other")
    for side, price in (("SELL", "60000"), ("SELL", "60500"), ("SELL", "61000"),
                        ("BUY", "59900"), ("BUY", "59000")):  # fmt: skip
        maker.limit(side, price, "0.01")
    return ApiClient(world), maker


@pytest.mark.parametrize(
    ("reference", "ask", "executed"),
    [
        (60_000, {"side": "BUY", "type": "MARKET"}, "0.02000000"),
        (60_000, {"side": "SELL", "type": "MARKET"}, "0.01000000"),
        (60_000, {"side": "BUY", "price": "61000", "timeInForce": "GTC"}, "0.02000000"),
        (60_000, {"side": "BUY", "price": "61000", "timeInForce": "IOC"}, "0.02000000"),
        (50_000, {"side": "BUY", "type": "MARKET"}, "0.00000000"),
        (70_000, {"side": "BUY", "type": "MARKET"}, "0.00000000"),
        (70_000, {"side": "SELL", "price": "59000", "timeInForce": "GTC"}, "0.00000000"),
        (50_000, {"side": "SELL", "price": "59000", "timeInForce": "GTC"}, "0.00000000"),
    ],
)
def test_takers_stay_within_the_range_of_the_reference_price(
    reference: int, ask: dict[str, Any], executed: str
) -> None:
    """binance §7.2: the remainder expires, whatever its time in force."""
    world = quiet_world(listings=[RANGED])
    client, _ = ladder(world)
    client.subscribe()
    refer(world, reference)
    order = {"symbol": "BTCUSDT", "type": "LIMIT", "quantity": "0.03", "newOrderRespType": "FULL"}
    found = client.done("order.place", **(order | ask))
    assert (found["status"], found["executedQty"], found["expiryReason"]) == (
        "EXPIRED",
        executed,
        OUT_OF_RANGE,
    )
    expired = [event for event in client.take_events() if event.get("x") == "EXPIRED"]
    assert [event["eR"] for event in expired] == [OUT_OF_RANGE]


@pytest.mark.parametrize(
    ("reference", "ask", "status"),
    [
        (None, {"type": "MARKET"}, "FILLED"),  # no reference price, no range
        (60_000, {"price": "60500", "timeInForce": "GTC"}, "PARTIALLY_FILLED"),  # within it
        (60_000, {"price": "59500", "timeInForce": "GTC"}, "NEW"),  # a maker has none
        (60_000, {"price": "61000", "timeInForce": "FOK"}, "EXPIRED"),
        (61_000, {"type": "MARKET"}, "EXPIRED"),
    ],
)
def test_who_stays_within_the_range_notices_nothing(
    reference: int | None, ask: dict[str, Any], status: str
) -> None:
    world = quiet_world(listings=[RANGED])
    client, _ = ladder(world)
    refer(world, reference)
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": "0.03"}
    found = client.done("order.place", **(order | {"newOrderRespType": "FULL"} | ask))
    assert found["status"] == status


def test_the_range_is_told() -> None:
    world = quiet_world(listings=[RANGED])
    (row,) = RestClient(world).get("/executionRules", symbol="BTCUSDT")["symbolRules"]
    assert row == {
        "symbol": "BTCUSDT",
        "rules": [
            {
                "ruleType": "PRICE_RANGE",
                "bidLimitMultUp": "1.01",
                "bidLimitMultDown": "0.99",
                "askLimitMultUp": "1.01",
                "askLimitMultDown": "0.99",
            }
        ],
    }


def test_another_systems_lock_is_told_and_counts() -> None:
    world = quiet_world()
    client = ApiClient(world)
    client.subscribe()
    client.take_events()
    now = world.clock.now()
    outside_of(world).encumber("main", "BTC", Decimal("9.5"), now)
    assert [type(fact) for fact in world.exchange.execution.facts] == [Encumbered, BalanceChanged]
    world.act()
    told, position = client.take_events()
    stamp = now // 1_000_000
    assert told == {
        "e": "externalLockUpdate",
        "E": stamp,
        "a": "BTC",
        "d": "9.50000000",
        "T": stamp,
    }
    assert position["B"] == [{"a": "BTC", "f": "0.50000000", "l": "9.50000000"}]
    order = {"symbol": "BTCUSDT", "side": "SELL", "type": "LIMIT", "timeInForce": "GTC",
             "price": "60000", "quantity": "1"}  # fmt: skip
    assert client.ask("order.place", **order)["error"]["code"] == -2010
    outside_of(world).encumber("main", "BTC", Decimal(-9), now)
    world.act()
    assert client.take_events()[0]["d"] == "-9.00000000"
    client.done("order.place", **order)


@pytest.mark.parametrize("amounts", [("10.1",), ("-0.1",), ("1", "-1.1")])
def test_a_lock_of_what_is_not_there_is_refused(amounts: tuple[str, ...]) -> None:
    """What orders have locked is not freed from outside."""
    world = quiet_world()
    ApiClient(world).limit("SELL", "60000.00", "2")
    *done, wrong = map(Decimal, amounts)
    for amount in done:
        outside_of(world).encumber("main", "BTC", amount, 0)
    before = world.exchange.balances("main")
    with pytest.raises(Refused):
        outside_of(world).encumber("main", "BTC", wrong, 0)
    assert world.exchange.balances("main") == before
