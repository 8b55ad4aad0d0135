"""python-binance, unmodified, trades with the simulated Binance."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from pitwire.model.orders import Side
from pitwire.sim.facts import Tif
from tests.strangers.place import MISSING, SECONDS, Place, as_levels, aside, until

pytest.importorskip("binance", reason=MISSING)
from binance import AsyncClient, BinanceSocketManager, Client, DepthCacheManager
from binance.exceptions import BinanceAPIException
from binance.ws.constants import WSListenerState
from binance.ws.depthcache import DepthCache
from binance.ws.reconnecting_websocket import ReconnectingWebsocket

Meeting = tuple[AsyncClient, BinanceSocketManager]
Meet = Callable[..., AbstractAsyncContextManager[Meeting]]


@pytest.fixture
def meet(documented: dict[str, Any]) -> Meet:
    """Connect the client as documented; leave it as its authors mean it to be left."""

    @asynccontextmanager
    async def connect(place: Place, kind: str = "hmac") -> AsyncIterator[Meeting]:
        key, secret = place.key(kind)
        field = "api_secret" if kind == "hmac" else "private_key"
        client, sockets = await documented["python_binance"](
            *place.where, api_key=key, **{field: secret}
        )
        try:
            yield client, sockets
        finally:
            await leave(client, place)

    return connect


def levels(book: DepthCache) -> tuple[dict[float, float], dict[float, float]]:
    return as_levels(book.get_bids()), as_levels(book.get_asks())


async def leave(client: AsyncClient, place: Place) -> None:
    """Close; its reading loop ends with the next message, so the venue says one more."""
    leaving = asyncio.create_task(client.close_connection())
    while not leaving.done() and client.ws_api.ws_state is not WSListenerState.EXITING:
        await asyncio.sleep(0)
    place.world.facade.announce_shutdown(place.world.clock.now())
    place.venue.act()
    async with asyncio.timeout(2 * SECONDS):
        await leaving


async def test_several_streams_share_one_socket(lively: Place, meet: Meet) -> None:
    names = ["btcusdt@trade", "btcusdt@ticker", "btcusdt@depth@100ms", "ethusdt@bookTicker"]
    counts: Counter[str] = Counter()

    def enough(message: dict[str, Any]) -> bool:
        counts[message["stream"]] += 1
        return all(counts[name] >= least for name, least in zip(names, (5, 1, 3, 5), strict=True))

    async with meet(lively) as (_, sockets), sockets.multiplex_socket(names) as socket:
        seen = await until(socket.recv, enough)

    data = {name: [one["data"] for one in seen if one["stream"] == name] for name in names}
    trades, depths = data["btcusdt@trade"], data["btcusdt@depth@100ms"]
    first = trades[0]["t"]
    assert [trade["t"] for trade in trades] == list(range(first, first + len(trades)))
    assert [depth["U"] for depth in depths[1:]] == [depth["u"] + 1 for depth in depths[:-1]]
    assert data["btcusdt@ticker"][-1]["e"] == "24hrTicker"
    assert all(Decimal(quote["b"]) < Decimal(quote["a"]) for quote in data["ethusdt@bookTicker"])


async def test_every_kind_of_socket_speaks(lively: Place, meet: Meet) -> None:
    async def first(socket: ReconnectingWebsocket) -> dict[str, Any]:
        async with socket:
            return (await until(socket.recv, lambda _: True))[0]

    async with meet(lively) as (_, sockets):
        *messages, book = await asyncio.gather(
            first(sockets.trade_socket("BTCUSDT")),
            first(sockets.aggtrade_socket("BTCUSDT")),
            first(sockets.symbol_ticker_socket("BTCUSDT")),
            first(sockets.symbol_miniticker_socket("BTCUSDT")),
            first(sockets.kline_socket("BTCUSDT")),
            first(sockets.depth_socket("BTCUSDT", interval=100)),
            first(sockets.depth_socket("BTCUSDT", depth=sockets.WEBSOCKET_DEPTH_5)),
        )
    assert {message["s"] for message in messages} == {"BTCUSDT"}
    assert [message["e"] for message in messages] == [
        "trade",
        "aggTrade",
        "24hrTicker",
        "24hrMiniTicker",
        "kline",
        "depthUpdate",
    ]
    assert (len(book["bids"]), len(book["asks"])) == (5, 5)


async def test_the_depth_cache_keeps_our_book(lively: Place, meet: Meet) -> None:
    """All levels, not only the best, once the market stands still."""
    async with meet(lively) as (client, sockets):
        cache = DepthCacheManager(client, "BTCUSDT", bm=sockets, limit=5000, ws_interval=100)
        async with cache:
            for _ in range(5):
                await until(cache.recv, lambda _: True)
            with lively.halted():
                async with asyncio.timeout(SECONDS):
                    while levels(cache.get_depth_cache()) != lively.book():
                        await cache.recv()


@pytest.mark.parametrize("kind", ["hmac", "ed25519"])
async def test_an_order_over_the_websocket_api_is_told_on_the_user_stream(
    empty: Place, meet: Meet, kind: str
) -> None:
    async with meet(empty, kind) as (client, sockets), sockets.user_socket() as user:
        placed = await client.ws_order_limit_sell(
            symbol="BTCUSDT", quantity="0.00500", price="60000.00"
        )
        assert placed["status"] == "NEW"
        empty.rival(Side.BUY, lots=200, price=6_000_000, tif=Tif.IOC)
        found = await client.ws_get_order(symbol="BTCUSDT", orderId=placed["orderId"])
        assert (found["status"], found["executedQty"]) == ("PARTIALLY_FILLED", "0.00200000")
        empty.rival(Side.BUY, lots=300, price=6_000_000, tif=Tif.IOC)
        events = await until(user.recv, lambda event: event.get("X") == "FILLED")
        events += await until(user.recv, lambda event: event["e"] == "outboundAccountPosition")

    reports = [event for event in events if event["e"] == "executionReport"]
    assert {report["i"] for report in reports} == {placed["orderId"]}
    assert [(report["x"], report["X"], report["l"], report["z"]) for report in reports] == [
        ("NEW", "NEW", "0.00000000", "0.00000000"),
        ("TRADE", "PARTIALLY_FILLED", "0.00200000", "0.00200000"),
        ("TRADE", "FILLED", "0.00300000", "0.00500000"),
    ]
    after = {row["a"]: (row["f"], row["l"]) for row in events[-1]["B"]}
    assert after == {
        "BTC": ("9.99500000", "0.00000000"),
        "USDT": ("1000299.70000000", "0.00000000"),  # 300 less 0.1 %
    }


async def test_a_cancelled_order_is_told_on_the_user_stream(empty: Place, meet: Meet) -> None:
    async with meet(empty) as (client, sockets), sockets.user_socket() as user:
        placed = await client.ws_order_limit_buy(
            symbol="BTCUSDT", quantity="0.01", price="50000", newClientOrderId="mine-1"
        )
        assert len(await client.ws_get_open_orders(symbol="BTCUSDT")) == 1
        await client.ws_cancel_order(symbol="BTCUSDT", origClientOrderId="mine-1")
        reports = await until(user.recv, lambda event: event.get("X") == "CANCELED")
    assert reports[-1]["C"] == "mine-1"
    assert reports[-1]["i"] == placed["orderId"]


async def test_orders_over_rest(empty: Place, meet: Meet) -> None:
    empty.rival(Side.SELL, lots=1_000, price=6_000_100)
    async with meet(empty) as (client, _):
        bought = await client.order_market_buy(symbol="BTCUSDT", quantity="0.002")
        assert bought["status"] == "FILLED"
        assert [(fill["price"], fill["qty"]) for fill in bought["fills"]] == [
            ("60001.00000000", "0.00200000")
        ]
        resting = await client.order_limit_buy(symbol="BTCUSDT", quantity="0.01", price="59000.5")
        assert [row["orderId"] for row in await client.get_open_orders(symbol="BTCUSDT")] == [
            resting["orderId"]
        ]
        balance = await client.get_asset_balance(asset="USDT")
        assert Decimal(balance["locked"]) == Decimal("590.005")
        gone = await client.cancel_order(symbol="BTCUSDT", orderId=resting["orderId"])
        assert gone["status"] == "CANCELED"
        again = await client.get_order(symbol="BTCUSDT", orderId=resting["orderId"])
        assert again["status"] == "CANCELED"
        [trade] = await client.get_my_trades(symbol="BTCUSDT")
        assert (trade["orderId"], trade["isBuyer"]) == (bought["orderId"], True)
        assert (
            await client.create_test_order(
                symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.001"
            )
            == {}
        )


async def test_a_pair_of_orders_over_rest(empty: Place, meet: Meet) -> None:
    async with meet(empty) as (client, sockets), sockets.user_socket() as user:
        placed = await client.create_oco_order(
            symbol="BTCUSDT",
            side="SELL",
            quantity="0.01",
            aboveType="LIMIT_MAKER",
            abovePrice="61000",
            belowType="STOP_LOSS_LIMIT",
            belowStopPrice="59000",
            belowPrice="58900",
            belowTimeInForce="GTC",
        )
        assert [row["type"] for row in placed["orderReports"]] == ["LIMIT_MAKER", "STOP_LOSS_LIMIT"]
        assert len(await client.get_open_oco_orders()) == 1
        empty.rival(Side.BUY, lots=1_000, price=6_100_000, tif=Tif.IOC)
        events = await until(user.recv, lambda event: event.get("l") == "ALL_DONE")
    assert [event.get("eR") for event in events if event.get("X") == "EXPIRED"] == ["OCO_TRIGGER"]
    assert events[-1]["g"] == placed["orderListId"]


async def test_refusals_have_the_codes_of_the_venue(empty: Place, meet: Meet) -> None:
    async with meet(empty) as (client, _):
        for order, code in (
            ({"quantity": "0.01", "price": "60000.001"}, -1013),
            ({"quantity": "100", "price": "60000"}, -2010),
        ):
            for place in (client.order_limit_buy, client.ws_order_limit_buy):
                with pytest.raises(BinanceAPIException) as refused:
                    await place(symbol="BTCUSDT", **order)
                assert (refused.value.status_code, refused.value.code) == (400, code)
        with pytest.raises(BinanceAPIException) as refused:
            await client.get_order_book(symbol="NOPE")
        assert refused.value.code == -1121
        client.API_SECRET = "not the secret"
        with pytest.raises(BinanceAPIException) as refused:
            await client.get_account()
        assert refused.value.code == -1022


async def test_its_sockets_come_back_after_a_close(lively: Place, meet: Meet) -> None:
    async with meet(lively) as (_, sockets), sockets.trade_socket("BTCUSDT") as trades:
        await until(trades.recv, lambda message: message["e"] == "trade")
        lively.hang_up("market")
        await until(trades.recv, lambda message: message["e"] == "error")
        await until(trades.recv, lambda message: message["e"] == "trade")


async def test_the_client_without_asyncio_asks_over_rest(empty: Place) -> None:
    empty.rival(Side.SELL, lots=1_000, price=6_000_100)
    key, secret = empty.key()

    class Simulated(Client):
        API_URL = f"{empty.venue.http_url}/api"

    def ask() -> tuple[Any, Any, Any]:
        client = Simulated(key, secret)
        try:
            info = client.get_symbol_info("BTCUSDT")
            book = client.get_order_book(symbol="BTCUSDT")
            order = client.order_limit_buy(symbol="BTCUSDT", quantity="0.001", price="50000")
            return info, book, client.cancel_order(symbol="BTCUSDT", orderId=order["orderId"])
        finally:
            client.close_connection()
            client.loop.close()

    info, book, cancelled = await aside(ask)
    assert info["baseAsset"] == "BTC"
    assert book["asks"] == [["60001.00000000", "0.01000000"]]
    assert cancelled["status"] == "CANCELED"
