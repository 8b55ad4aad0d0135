"""The venue's own futures connector, unmodified, trades with the simulated USDⓈ-M venue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from pitwire.model.clock import SystemClock
from pitwire.model.orders import Side
from pitwire.sim.facts import Tif
from pitwire.sim.serve import serve
from pitwire.sim.world import USDM, World
from tests.strangers.place import MISSING, MONEY, SECONDS, Place, as_levels, aside, until

sdk = pytest.importorskip("binance_sdk_derivatives_trading_usds_futures", reason=MISSING)

pytestmark = pytest.mark.filterwarnings(
    "ignore:parameter 'timeout' of type 'float' is deprecated:DeprecationWarning"
)
ACCOUNTS = {name: {"USDT": MONEY["USDT"]} for name in ("stranger", "rival")}
Meet = Callable[..., AbstractAsyncContextManager[Any]]


@asynccontextmanager
async def futures(scenario: str | None) -> AsyncIterator[Place]:
    world = World(seed=20, venue=USDM, scenario=scenario, clock=SystemClock(), accounts=ACCOUNTS)
    async with serve(world) as venue:
        yield Place(world, venue)


@pytest.fixture
def meet(documented: dict[str, Any]) -> Meet:
    """Connect the client as documented, and close whatever it opened."""

    @asynccontextmanager
    async def connect(place: Place, kind: str = "hmac") -> AsyncIterator[Any]:
        key, secret = place.key(kind)
        field = "api_secret" if kind == "hmac" else "private_key"
        client = documented["binance_sdk_usdm"](*place.where, api_key=key, **{field: secret})
        try:
            yield client
        finally:
            for door in (client.websocket_api, client.websocket_streams):
                for connection in list(door.connections):
                    connection.cancel_scheduled_reconnect()
                await door.close_connection()

    return connect


def hear(stream: Any) -> asyncio.Queue[Any]:
    """What a stream handle tells from now on."""
    heard: asyncio.Queue[Any] = asyncio.Queue()
    stream.on("message", lambda told: heard.put_nowait(getattr(told, "actual_instance", told)))
    return heard


async def ask(call: Callable[..., Any], **params: Any) -> Any:
    """A blocking request, and what its model says."""
    found = (await aside(call, **params)).data()
    return getattr(found, "actual_instance", None) or found


async def test_its_streams_are_read_by_its_own_models(meet: Meet) -> None:
    async with futures("calm") as place, meet(place) as client:
        streams = client.websocket_streams
        await streams.create_connection()
        for name, ask_for, more in (
            ("bookTicker", streams.individual_symbol_book_ticker_streams, {}),
            ("depthUpdate", streams.diff_book_depth_streams, {}),
            ("aggTrade", streams.aggregate_trade_streams, {}),
            ("markPriceUpdate", streams.mark_price_stream, {"update_speed": "1s"}),
            ("kline", streams.kline_candlestick_streams, {"interval": "1m"}),
            ("24hrTicker", streams.individual_symbol_ticker_streams, {}),
        ):
            heard = hear(await ask_for(symbol="btcusdt", **more))
            (message,) = await until(heard.get, lambda _: True)
            assert (message.e, message.s) == (name, "BTCUSDT")


@pytest.mark.parametrize("kind", ["hmac", "ed25519"])
async def test_a_position_over_rest(meet: Meet, kind: str) -> None:
    """Prices in ticks of 0.10, sizes in lots of 0.001."""
    async with futures(None) as place, meet(place, kind) as client, asyncio.timeout(2 * SECONDS):
        rest = client.rest_api
        info = await ask(rest.exchange_information)
        assert [each.symbol for each in info.symbols] == ["BTCUSDT", "ETHUSDT"]
        changed = await ask(rest.change_initial_leverage, symbol="BTCUSDT", leverage=10)
        assert changed.leverage == 10
        limit = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "time_in_force": "GTC"}
        placed = await ask(rest.new_order, **limit, quantity=0.01, price=59_000.0)
        assert (placed.status, placed.orig_qty) == ("NEW", "0.010")
        which = {"symbol": "BTCUSDT", "order_id": placed.order_id}
        change = {"side": "BUY", "quantity": 0.01, "price": 60_000.0, "modify_id": 7}
        changed = await ask(rest.modify_order, **which, **change)
        assert (changed.price, changed.modify_id) == ("60000.00", 7)
        place.rival(Side.SELL, lots=4, price=600_000, tif=Tif.IOC)
        gone = await ask(rest.cancel_order, **which)
        assert (gone.status, gone.executed_qty) == ("CANCELED", "0.004")
        (position,) = await ask(rest.position_information_v3)
        assert (position.position_amt, position.position_initial_margin) == (
            "0.004",
            "24.00000000",
        )
        account = await ask(rest.account_information_v3)
        assert account.total_position_initial_margin == "24.00000000"
        assert (await ask(rest.account_information_v2)).positions[0].leverage == "10"
        (balance,) = await ask(rest.futures_account_balance_v3)
        assert balance.balance == "999999.95200000"
        stop = {"algo_type": "CONDITIONAL", "type": "STOP_MARKET", "trigger_price": 50_000.0}
        waiting = await ask(
            rest.new_algo_order, symbol="BTCUSDT", side="SELL", quantity=0.004, **stop
        )
        assert waiting.algo_status == "NEW"
        (trade,) = await ask(rest.account_trade_list, symbol="BTCUSDT")
        assert (trade.maker, trade.commission) == (True, "0.04800000")


async def test_an_order_over_the_websocket_api_is_told_on_the_user_stream(meet: Meet) -> None:
    async with futures(None) as place, meet(place) as client, asyncio.timeout(2 * SECONDS):
        key = (await ask(client.rest_api.start_user_data_stream)).listen_key
        await client.websocket_streams.create_connection()
        told = hear(await client.websocket_streams.user_data(key))
        api = client.websocket_api
        await api.create_connection()
        place.rival(Side.SELL, lots=10, price=600_000)
        order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "time_in_force": "GTC"}
        placed = (await api.new_order(**order, quantity=0.01, price=60_000.0)).data().result
        assert placed.status == "NEW"  # of what was filled at once the user stream tells
        events = await until(
            told.get, lambda event: getattr(event, "o", None) and event.o.X == "FILLED"
        )
        names = [type(event).__name__ for event in events]
        assert names == ["TradeLite", "OrderTradeUpdate", "AccountUpdate", "OrderTradeUpdate"]
        (position,) = (await api.position_information_v2()).data().result
        assert position.position_amt == "0.010"


async def test_a_refusal_is_its_error(meet: Meet) -> None:
    async with futures(None) as place, meet(place) as client:
        order = {"symbol": "BTCUSDT", "side": "SELL", "type": "MARKET", "quantity": 0.01}
        with pytest.raises(Exception, match="-2022"):
            await ask(client.rest_api.new_order, **order, reduce_only="true")


async def test_its_depth_updates_and_its_snapshot_make_our_book(meet: Meet) -> None:
    """The venue's own recipe for futures, where `pu` makes the chain; all levels in the end."""
    async with futures("calm") as place, meet(place) as client:
        streams = client.websocket_streams
        await streams.create_connection()
        heard = hear(await streams.diff_book_depth_streams(symbol="btcusdt", update_speed="100ms"))
        updates = await until(heard.get, lambda _: heard.qsize() == 0)
        snapshot = await ask(client.rest_api.order_book, symbol="BTCUSDT", limit=1000)
        book = as_levels(snapshot.bids), as_levels(snapshot.asks)
        last, begun = snapshot.last_update_id, False

        def apply(update: Any) -> None:
            nonlocal last, begun
            if update.u < last:
                return
            assert (update.pu == last) if begun else (last >= update.U)
            last, begun = update.u, True
            for side, levels in zip(book, (update.b, update.a), strict=True):
                side.update(as_levels(levels))

        for update in updates:
            apply(update)
        with place.halted():
            async with asyncio.timeout(SECONDS):
                while tuple(map(present, book)) != place.book():
                    apply(await heard.get())


def present(side: dict[float, float]) -> dict[float, float]:
    return {price: size for price, size in side.items() if size}


async def test_it_comes_back_when_the_venue_goes_down(meet: Meet) -> None:
    """Its WebSocket API by itself; its streams, which it leaves closed, when its user dials."""
    async with futures("calm") as place, meet(place) as client:
        api, streams = client.websocket_api, client.websocket_streams
        api.configuration.reconnect_delay = 1
        await api.create_connection()
        await streams.create_connection()
        await until(hear(await streams.mark_price_stream(symbol="btcusdt")).get, lambda _: True)
        (old,) = api.connections
        place.world.facade.announce_shutdown(place.world.clock.now())
        place.venue.act()
        place.hang_up("market")
        async with asyncio.timeout(SECONDS):
            while old in api.connections or not api.connections:
                await asyncio.sleep(0.01)
            order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "time_in_force": "GTC"}
            placed = await api.new_order(**order, quantity=0.01, price=50_000)
        assert placed.data().result.status == "NEW"
        await streams.close_connection()
        await streams.create_connection()
        await until(hear(await streams.mark_price_stream(symbol="btcusdt")).get, lambda _: True)


async def test_two_positions_of_one_symbol(meet: Meet) -> None:
    """Hedge mode: filled in part, cancelled, refused, closed, and told after a reconnect too."""
    async with futures(None) as place, meet(place) as client, asyncio.timeout(2 * SECONDS):
        rest, streams = client.rest_api, client.websocket_streams
        assert (await ask(rest.change_position_mode, dual_side_position="true")).code == 200
        assert (await ask(rest.get_current_position_mode)).dual_side_position is True
        key = (await ask(rest.start_user_data_stream)).listen_key
        await streams.create_connection()
        told = hear(await streams.user_data(key))

        limit = {"symbol": "BTCUSDT", "type": "LIMIT", "time_in_force": "GTC"}
        long = {"position_side": "LONG"}
        with pytest.raises(Exception, match="-4061"):
            await ask(rest.new_order, **limit, side="BUY", quantity=0.01, price=60_000.0)
        placed = await ask(
            rest.new_order, **limit, side="BUY", quantity=0.01, price=60_000.0, **long
        )
        assert (placed.status, placed.position_side) == ("NEW", "LONG")
        place.rival(Side.SELL, lots=4, price=600_000, tif=Tif.IOC)
        gone = await ask(rest.cancel_order, symbol="BTCUSDT", order_id=placed.order_id)
        assert (gone.status, gone.executed_qty) == ("CANCELED", "0.004")
        events = await until(
            told.get, lambda event: getattr(event, "o", None) and event.o.X == "CANCELED"
        )
        orders = [event.o for event in events if type(event).__name__ == "OrderTradeUpdate"]
        assert [(each.x, each.X, each.ps) for each in orders] == [
            ("NEW", "NEW", "LONG"),
            ("TRADE", "PARTIALLY_FILLED", "LONG"),
            ("CANCELED", "CANCELED", "LONG"),
        ]
        (account,) = (event for event in events if type(event).__name__ == "AccountUpdate")
        assert [(each.ps, each.pa) for each in account.a.P] == [("LONG", "0.004")]

        api = client.websocket_api
        await api.create_connection()
        place.rival(Side.BUY, lots=3, price=600_000)
        market = {"symbol": "BTCUSDT", "type": "MARKET", "new_order_resp_type": "RESULT"}
        sold = await api.new_order(**market, side="SELL", quantity=0.003, position_side="SHORT")
        assert sold.data().result.status == "FILLED"
        rows = (await api.position_information_v2()).data().result
        assert [(row.position_side, row.position_amt) for row in rows] == [
            ("LONG", "0.004"),
            ("SHORT", "-0.003"),
        ]
        with pytest.raises(Exception, match="-2022"):
            await ask(rest.new_order, **limit, side="SELL", quantity=0.005, price=61_000.0, **long)
        with pytest.raises(Exception, match="-1106"):
            await ask(
                rest.new_order, **limit, side="SELL", quantity=0.004, price=61_000.0,
                reduce_only="true", **long,
            )  # fmt: skip

        # The venue hangs up; a new connection listens under the same key.
        place.hang_up("market")
        await streams.close_connection()
        await streams.create_connection()
        again = hear(await streams.user_data(key))
        place.rival(Side.BUY, lots=4, price=599_000)
        await ask(rest.new_order, symbol="BTCUSDT", side="SELL", type="MARKET", quantity=0.004,
                  **long)  # fmt: skip
        events = await until(
            again.get, lambda event: getattr(event, "o", None) and event.o.X == "FILLED"
        )
        assert (events[-1].o.ps, events[-1].o.rp) == ("LONG", "-0.40000000")
        with pytest.raises(Exception, match="-4068"):
            await ask(rest.change_position_mode, dual_side_position="false")
