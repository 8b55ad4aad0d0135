"""What is asked more seldom: time zones, trading days, records, and what this venue has none of."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from pitwire.model.orders import Side
from pitwire.sim.facades.binance_candles import HOUR, MINUTE, SymbolHistory
from pitwire.sim.facts import Kind, NewOrder, Tif
from pitwire.sim.filters import Ceilings
from pitwire.sim.world import BTC_USDT, World
from tests.sim.binance_client import ApiClient, RestClient, quiet_world

DAY_ROW = (
    "symbol priceChange priceChangePercent weightedAvgPrice openPrice highPrice lowPrice "
    "lastPrice volume quoteVolume openTime closeTime firstId lastId count"
)


@pytest.fixture
def world() -> World:
    found = quiet_world()
    for name in ("one", "two"):
        found.exchange.open_account(name, {}, unlimited=True)
    return found


@pytest.fixture
def client(world: World) -> ApiClient:
    return ApiClient(world)


def trade(world: World, price: int) -> None:
    """One whole coin at a price in quote units."""
    for name, side in (("one", Side.SELL), ("two", Side.BUY)):
        request = NewOrder(
            account=name,
            symbol="BTC-USDT",
            side=side,
            kind=Kind.LIMIT,
            tif=Tif.GTC,
            lots=100_000,
            price=price * 100,
        )
        world.exchange.place(request, world.clock.now())
    world.act()


def ask(client: ApiClient, method: str, **params: Any) -> Any:
    return client.send(method, {"symbol": "BTCUSDT"} | params)


@pytest.mark.parametrize(
    ("zone", "hours"),
    [("0", 0), ("8", 8), ("+8:00", 8), ("-1:00", -1), ("05:45", 5.75), ("14", 14), ("-12", -12)],
)
def test_days_begin_at_midnight_of_a_time_zone(
    world: World, client: ApiClient, zone: str, hours: float
) -> None:
    trade(world, 60_000)
    for method in ("klines", "uiKlines"):
        (row,) = ask(client, method, interval="1d", timeZone=zone)["result"]
        local = row[0] + round(hours * 3_600_000)
        assert local % 86_400_000 == 0
        assert row[6] == row[0] + 86_400_000 - 1
        assert row[0] <= client.stamp() <= row[6]


def test_bars_of_a_zone_are_those_of_the_day_put_together(world: World) -> None:
    zone = 5 * HOUR + 45 * MINUTE
    history: SymbolHistory = world.facade.office.board("BTCUSDT").history
    for number in range(40):
        trade(world, 60_000 + number)
        world.advance(1_800)
    now = world.clock.now()
    rows = history.bars("4h", start=0, end=now, limit=1_000, newest=False, offset=zone)
    assert [(row.opened + zone) % (4 * HOUR) for row in rows] == [0] * len(rows)
    assert sum(row.trades for row in rows) == 40
    assert sum(row.lots for row in rows) == 40 * 100_000
    assert [row.first <= row.last for row in rows] == [True] * len(rows)


@pytest.mark.parametrize("zone", ["15", "-12:15", "8:30:00", "noon", "1:70", "0:10"])
def test_a_time_zone_that_is_none(client: ApiClient, zone: str) -> None:
    for method, more in (("klines", {"interval": "1d"}), ("ticker.tradingDay", {})):
        error = ask(client, method, timeZone=zone, **more)["error"]
        assert (error["code"], "timeZone" in error["msg"]) == (-1130, True)


def test_a_trading_day_counts_from_midnight(world: World, client: ApiClient) -> None:
    trade(world, 60_000)
    world.advance(86_400 - world.clock.now() / 1e9 % 86_400 + 60)  # a minute past midnight
    trade(world, 61_000)
    trade(world, 60_500)
    today = ask(client, "ticker.tradingDay")["result"]
    assert " ".join(today) == DAY_ROW
    assert (today["openPrice"], today["lastPrice"], today["count"]) == (
        "61000.00000000",
        "60500.00000000",
        2,
    )
    assert today["openTime"] % 86_400_000 == 0
    assert today["closeTime"] == today["openTime"] + 86_400_000 - 1
    assert ask(client, "ticker.24hr")["result"]["count"] == 3
    mini = ask(client, "ticker.tradingDay", type="MINI")["result"]
    assert "priceChange" not in mini
    rest = RestClient(world)
    assert rest.get("/ticker/tradingDay", symbol="BTCUSDT", timeZone="8")["count"] in (2, 3)
    assert client.send("ticker.tradingDay", {})["error"]["code"] == -1102


@pytest.mark.parametrize(
    ("window", "known"),
    [("1m", True), ("59m", True), ("60m", False), ("23h", True), ("24h", False), ("7d", True),
     ("8d", False), ("0h", False), ("1w", False), ("h", False), ("²h", False)],
)  # fmt: skip
def test_windows_have_bounds(world: World, client: ApiClient, window: str, known: bool) -> None:
    trade(world, 60_000)
    answer = ask(client, "ticker", windowSize=window)
    assert ("result" in answer) == known
    if not known:
        assert answer["error"]["code"] == -1130


def test_symbols_are_asked_for_by_their_status(world: World, client: ApiClient) -> None:
    world.exchange.set_status("BTC-USDT", "HALT", world.clock.now())
    world.act()
    for method in ("depth", "ticker.price", "ticker.book", "ticker.24hr"):
        error = ask(client, method, symbolStatus="TRADING")["error"]
        assert (error["code"], error["msg"]) == (
            -1220,
            "The symbol's status does not match the requested symbolStatus.",
        )
        assert "result" in ask(client, method, symbolStatus="HALT")
    halted = client.send("ticker.price", {"symbolStatus": "HALT"})["result"]
    assert [row["symbol"] for row in halted] == ["BTCUSDT"]
    error = client.send("ticker.price", {"symbols": ["BTCUSDT", "BTCUSDT"]})["error"]
    assert error["code"] == -1151


@pytest.mark.parametrize(
    ("permissions", "symbols"),
    [("SPOT", 3), (["MARGIN", "SPOT"], 3), ("LEVERAGED", 0), (["MARGIN"], 0)],
)
def test_symbols_are_asked_for_by_permission(
    client: ApiClient, permissions: Any, symbols: int
) -> None:
    info = client.send("exchangeInfo", {"permissions": permissions})["result"]
    assert len(info["symbols"]) == symbols


def test_amendments_are_remembered(client: ApiClient) -> None:
    order = client.limit("SELL", "60000.00", "0.010", newClientOrderId="first")
    for name, quantity in (("second", "0.008"), ("third", "0.005")):
        client.done(
            "order.amend.keepPriority",
            symbol="BTCUSDT",
            orderId=order["orderId"],
            newQty=quantity,
            newClientOrderId=name,
        )
    rows = client.done("order.amendments", symbol="BTCUSDT", orderId=order["orderId"])
    assert [
        (row["origClientOrderId"], row["newClientOrderId"], row["origQty"], row["newQty"])
        for row in rows
    ] == [
        ("first", "second", "0.01000000", "0.00800000"),
        ("second", "third", "0.00800000", "0.00500000"),
    ]
    later = client.done(
        "order.amendments",
        symbol="BTCUSDT",
        orderId=order["orderId"],
        fromExecutionId=rows[1]["executionId"],
    )
    assert later == rows[1:]
    assert client.done("order.amendments", symbol="BTCUSDT", orderId=99) == []


@pytest.mark.parametrize(
    ("mode", "taker", "maker"),
    [
        ("EXPIRE_TAKER", "0.00400000", None),
        ("EXPIRE_MAKER", None, "0.01000000"),
        ("EXPIRE_BOTH", "0.00400000", "0.01000000"),
        ("DECREMENT", "0.00400000", "0.00400000"),
        ("TRANSFER", "0.00400000", "0.00400000"),
    ],
)
def test_prevented_matches_are_remembered(
    client: ApiClient, mode: str, taker: str | None, maker: str | None
) -> None:
    resting = client.limit("SELL", "60000.00", "0.010")
    crossing = client.limit("BUY", "60000.00", "0.004", selfTradePreventionMode=mode)
    (row,) = client.done("myPreventedMatches", symbol="BTCUSDT", orderId=crossing["orderId"])
    assert (row["takerOrderId"], row["makerOrderId"]) == (crossing["orderId"], resting["orderId"])
    assert (row["selfTradePreventionMode"], row["price"]) == (mode, "60000.00000000")
    assert (row.get("takerPreventedQuantity"), row.get("makerPreventedQuantity")) == (taker, maker)
    number = row["preventedMatchId"]
    assert client.done("myPreventedMatches", symbol="BTCUSDT", preventedMatchId=number) == [row]
    left = client.done("order.status", symbol="BTCUSDT", orderId=resting["orderId"])
    assert left["executedQty"] == "0.00000000"
    for params, code in (({}, -1102), ({"orderId": 1, "preventedMatchId": 1}, -1128)):
        error = client.ask("myPreventedMatches", symbol="BTCUSDT", **params)["error"]
        assert error["code"] == code


def test_what_this_venue_has_none_of(world: World, client: ApiClient) -> None:
    assert ask(client, "blockTrades.historical", limit=10)["result"] == []
    assert client.done("myAllocations", symbol="BTCUSDT") == []
    for method in ("referencePrice", "referencePrice.calculation"):
        assert ask(client, method)["error"]["code"] == -2043
        assert client.send(method, {"symbol": "NOPE"})["error"]["code"] == -1121
    for method in ("sor.order.place", "sor.order.test"):
        order = {"side": "BUY", "type": "MARKET", "quantity": "1"}
        error = client.ask(method, symbol="BTCUSDT", **order)["error"]
        assert error["code"] == -1020
    assert ask(client, "executionRules")["result"] == {
        "symbolRules": [{"symbol": "BTCUSDT", "rules": []}]
    }
    assert len(client.send("executionRules", {})["result"]["symbolRules"]) == 3
    assert "sors" not in client.send("exchangeInfo", {})["result"]


def test_my_filters_are_those_of_the_rule_book(client: ApiClient) -> None:
    mine = client.done("myFilters", symbol="BTCUSDT")
    book = client.send("exchangeInfo", {"symbol": "BTCUSDT"})["result"]["symbols"][0]
    assert mine == {"exchangeFilters": [], "symbolFilters": book["filters"], "assetFilters": []}
    assert {row["filterType"] for row in book["filters"]} == {
        "PRICE_FILTER",
        "LOT_SIZE",
        "ICEBERG_PARTS",
        "MARKET_LOT_SIZE",
        "TRAILING_DELTA",
        "PERCENT_PRICE_BY_SIDE",
        "NOTIONAL",
        "MAX_NUM_ORDERS",
        "MAX_NUM_ORDER_LISTS",
        "MAX_NUM_ALGO_ORDERS",
        "MAX_NUM_ORDER_AMENDS",
    }


def test_every_filter_of_the_papers_can_be_had() -> None:
    """binance §7.1: those that mainnet's symbols seldom have are a matter of the listing."""
    old = msgspec.structs.replace(
        BTC_USDT, plain_filters=True, max_iceberg_orders=10, max_position=Decimal(5)
    )
    limits = Ceilings(
        max_orders=1_000,
        max_algo_orders=200,
        max_iceberg_orders=10_000,
        max_lists=20,
        max_asset={"BTC": Decimal(42), "XRP": Decimal(7)},
    )
    client = ApiClient(quiet_world(listings=[old], ceilings=limits))
    info = client.send("exchangeInfo", {})["result"]
    mine = client.done("myFilters", symbol="BTCUSDT")
    rows = info["symbols"][0]["filters"]
    assert mine["symbolFilters"] == rows
    found = {row["filterType"]: row for row in rows}
    assert found["PERCENT_PRICE"] == {
        "filterType": "PERCENT_PRICE",
        "multiplierUp": "2",
        "multiplierDown": "0.5",
        "avgPriceMins": 5,
    }
    assert found["MIN_NOTIONAL"] == {
        "filterType": "MIN_NOTIONAL",
        "minNotional": "5.00000000",
        "applyToMarket": True,
        "avgPriceMins": 5,
    }
    assert found["MAX_NUM_ICEBERG_ORDERS"]["maxNumIcebergOrders"] == 10
    assert found["MAX_POSITION"]["maxPosition"] == "5.00000000"
    assert not {"NOTIONAL", "PERCENT_PRICE_BY_SIDE"} & found.keys()
    assert (
        info["exchangeFilters"]
        == mine["exchangeFilters"]
        == [
            {"filterType": "EXCHANGE_MAX_NUM_ORDERS", "maxNumOrders": 1_000},
            {"filterType": "EXCHANGE_MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 200},
            {"filterType": "EXCHANGE_MAX_NUM_ICEBERG_ORDERS", "maxNumIcebergOrders": 10_000},
            {"filterType": "EXCHANGE_MAX_NUM_ORDER_LISTS", "maxNumOrderLists": 20},
        ]
    )
    assert mine["assetFilters"] == [
        {"filterType": "MAX_ASSET", "asset": "BTC", "limit": "42.00000000"}
    ]


def test_a_refusal_for_all_symbols_has_its_codes() -> None:
    limits = Ceilings(max_orders=1, max_lists=0, max_asset={"BTC": Decimal(1)})
    client = ApiClient(quiet_world(ceilings=limits))
    order = {"symbol": "BTCUSDT", "side": "SELL", "type": "LIMIT", "timeInForce": "GTC",
             "price": "60000"}  # fmt: skip
    assert client.ask("order.place", **order, quantity="2")["error"] == {
        "code": -1013,
        "msg": "Filter failure: MAX_ASSET",
    }
    client.done("order.place", **order, quantity="0.01")
    assert client.ask("order.place", **order, quantity="0.01")["error"] == {
        "code": -2010,
        "msg": "Filter failure: EXCHANGE_MAX_NUM_ORDERS",
    }


def test_lists_are_counted_in_all_symbols() -> None:
    client = ApiClient(quiet_world(ceilings=Ceilings(max_lists=1)))
    pair = {"side": "SELL", "quantity": "0.01", "aboveType": "LIMIT_MAKER",
            "abovePrice": "61000", "belowType": "STOP_LOSS", "belowStopPrice": "59000"}  # fmt: skip
    client.done("orderList.place.oco", symbol="BTCUSDT", **pair)
    pair |= {"abovePrice": "3100", "belowStopPrice": "2900"}
    assert client.ask("orderList.place.oco", symbol="ETHUSDT", **pair)["error"] == {
        "code": -2010,
        "msg": "Filter failure: EXCHANGE_MAX_NUM_ORDER_LISTS",
    }


@pytest.mark.parametrize("mode", ["DECREMENT", "TRANSFER"])
def test_what_both_orders_lose_is_reckoned_before_an_order_is_taken(
    world: World, client: ApiClient, mode: str
) -> None:
    """An amount is worked out past one's own order in the way, and that part is not traded."""
    client.limit("SELL", "60000.00", "0.004")
    sell = NewOrder(
        account="one",
        symbol="BTC-USDT",
        side=Side.SELL,
        kind=Kind.LIMIT,
        tif=Tif.GTC,
        lots=1_000,
        price=6_000_000,
    )
    world.exchange.place(sell, world.clock.now())
    order = client.market("BUY", quoteOrderQty="600", selfTradePreventionMode=mode)
    assert (order["origQty"], order["executedQty"]) == ("0.01000000", "0.00600000")
    assert order["preventedQuantity"] == "0.00400000"
