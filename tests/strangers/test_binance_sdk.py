"""binance-sdk-spot, the venue's own connector, unmodified, trades with the simulated Binance."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from pitwire.model.orders import Side
from pitwire.sim.facts import Tif
from tests.strangers.place import MISSING, SECONDS, Place, as_levels, aside, until

sdk = pytest.importorskip("binance_sdk_spot", reason=MISSING)

pytestmark = pytest.mark.filterwarnings(
    "ignore:parameter 'timeout' of type 'float' is deprecated:DeprecationWarning"
)
Meet = Callable[..., AbstractAsyncContextManager[Any]]
Heard = asyncio.Queue[Any]


@pytest.fixture
def meet(documented: dict[str, Any]) -> Meet:
    """Connect the client as documented, and close whatever it opened."""

    @asynccontextmanager
    async def connect(place: Place, kind: str = "hmac") -> AsyncIterator[Any]:
        key, secret = place.key(kind)
        field = "api_secret" if kind == "hmac" else "private_key"
        client = documented["binance_sdk"](*place.where, api_key=key, **{field: secret})
        try:
            yield client
        finally:
            for door in (client.websocket_api, client.websocket_streams):
                for connection in list(door.connections):
                    connection.cancel_scheduled_reconnect()
                await door.close_connection()

    return connect


def hear(stream: Any) -> Heard:
    """What a stream handle tells from now on."""
    heard = Heard()
    stream.on("message", lambda told: heard.put_nowait(getattr(told, "actual_instance", told)))
    return heard


def kind_of(event: Any) -> str:
    """The model that the connector chose for a user event."""
    return type(event).__name__


async def test_its_streams_are_read_by_its_own_models(lively: Place, meet: Meet) -> None:
    async with meet(lively) as client:
        streams = client.websocket_streams
        await streams.create_connection()
        handles = await asyncio.gather(
            streams.trade(symbol="btcusdt"),
            streams.agg_trade(symbol="btcusdt"),
            streams.kline(symbol="btcusdt", interval="1s"),
        )
        handles += await asyncio.gather(
            streams.ticker(symbol="btcusdt"),
            streams.avg_price(symbol="btcusdt"),
        )
        names = ["trade", "aggTrade", "kline", "24hrTicker", "avgPrice"]
        for name, handle in zip(names, handles, strict=True):
            heard = hear(handle)
            (message,) = await until(heard.get, lambda _: True)
            assert (message.e, message.s) == (name, "BTCUSDT")


async def test_its_depth_updates_and_its_snapshot_make_our_book(lively: Place, meet: Meet) -> None:
    """The venue's own recipe, with what the connector reads; all levels in the end."""
    async with meet(lively) as client:
        streams = client.websocket_streams
        await streams.create_connection()
        heard = hear(await streams.diff_book_depth(symbol="btcusdt", update_speed="100ms"))
        updates = await until(heard.get, lambda _: heard.qsize() == 0)
        answer = await aside(client.rest_api.depth, symbol="BTCUSDT", limit=5000)
        snapshot = answer.data()
        book = as_levels(snapshot.bids), as_levels(snapshot.asks)
        last = snapshot.last_update_id

        def apply(update: Any) -> None:
            nonlocal last
            if update.u <= last:
                return
            assert last + 1 >= update.U
            last = update.u
            for side, levels in zip(book, (update.b, update.a), strict=True):
                side.update(as_levels(levels))

        for update in updates:
            apply(update)
        with lively.halted():
            async with asyncio.timeout(SECONDS):
                while tuple(_present(side) for side in book) != lively.book():
                    apply(await heard.get())


def _present(side: dict[float, float]) -> dict[float, float]:
    return {price: size for price, size in side.items() if size}


@pytest.mark.parametrize("kind", ["hmac", "ed25519"])
async def test_an_order_over_the_websocket_api_is_told_on_the_user_stream(
    empty: Place, meet: Meet, kind: str
) -> None:
    async with meet(empty, kind) as client, asyncio.timeout(SECONDS):
        api = client.websocket_api
        await api.create_connection()
        told = hear((await api.user_data_stream_subscribe_signature()).stream)
        placed = (
            await api.order_place(
                symbol="BTCUSDT",
                side="SELL",
                type="LIMIT",
                time_in_force="GTC",
                quantity=0.005,
                price=60_000.0,
            )
        ).data()
        assert placed.result.status == "NEW"
        number = placed.result.order_id
        empty.rival(Side.BUY, lots=200, price=6_000_000, tif=Tif.IOC)
        found = (await api.order_status(symbol="BTCUSDT", order_id=number)).data().result
        assert (found.status, found.executed_qty) == ("PARTIALLY_FILLED", "0.00200000")
        gone = (await api.order_cancel(symbol="BTCUSDT", order_id=number)).data().result
        assert gone.status == "CANCELED"
        events = await until(told.get, lambda event: getattr(event, "X", "") == "CANCELED")
        events += await until(told.get, lambda event: kind_of(event) == "OutboundAccountPosition")

    reports = [event for event in events if kind_of(event) == "ExecutionReport"]
    assert [(report.x, report.X, report.z) for report in reports] == [
        ("NEW", "NEW", "0.00000000"),
        ("TRADE", "PARTIALLY_FILLED", "0.00200000"),
        ("CANCELED", "CANCELED", "0.00200000"),
    ]
    assert {report.i for report in reports} == {number}


async def test_a_session_of_an_ed25519_key_vouches_for_its_orders(empty: Place, meet: Meet) -> None:
    empty.rival(Side.SELL, lots=1_000, price=6_000_100)
    async with meet(empty, "ed25519") as client, asyncio.timeout(SECONDS):
        api = client.websocket_api
        await api.create_connection()
        logon = (await api.session_logon()).data().result
        assert logon.api_key == empty.key("ed25519")[0]
        told = hear((await api.user_data_stream_subscribe()).stream)
        bought = await api.order_place(symbol="BTCUSDT", side="BUY", type="MARKET", quantity=0.002)
        order = bought.data().result
        assert (order.status, order.fills[0].price) == ("FILLED", "60001.00000000")
        filled = await until(told.get, lambda event: getattr(event, "X", "") == "FILLED")
        assert filled[-1].i == order.order_id
        (await api.session_logout()).data()
        assert (await api.session_status()).data().result.api_key is None


async def test_rest_with_both_kinds_of_key(empty: Place, meet: Meet) -> None:
    empty.rival(Side.SELL, lots=1_000, price=6_000_100)

    def trade(client: Any) -> tuple[Any, ...]:
        rest = client.rest_api
        bought = rest.new_order(symbol="BTCUSDT", side="BUY", type="MARKET", quantity=0.002).data()
        resting = rest.new_order(
            symbol="BTCUSDT",
            side="BUY",
            type="LIMIT",
            time_in_force="GTC",
            quantity=0.01,
            price=50_000,
        ).data()
        found = rest.get_order(symbol="BTCUSDT", order_id=resting.order_id).data()
        gone = rest.delete_order(symbol="BTCUSDT", order_id=resting.order_id).data()
        mine = rest.my_trades(symbol="BTCUSDT").data()
        return bought, found, gone, mine, rest.get_account().data()

    for times, kind in enumerate(("hmac", "ed25519"), start=1):
        async with meet(empty, kind) as client:
            bought, found, gone, mine, account = await aside(trade, client)
        assert (bought.status, bought.fills[0].qty) == ("FILLED", "0.00200000")
        assert (found.status, gone.status, len(mine)) == ("NEW", "CANCELED", times)
        held = {row.asset: Decimal(row.free) for row in account.balances}
        assert held["BTC"] == 10 + times * Decimal("0.001998")


async def test_refusals_become_its_own_errors(empty: Place, meet: Meet) -> None:
    poor = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "time_in_force": "GTC"}
    async with meet(empty) as client, asyncio.timeout(SECONDS):
        rest, api = client.rest_api, client.websocket_api
        for order, code in (({"quantity": 100, "price": 60_000}, -2010),
                            ({"quantity": 0.01, "price": 60_000.001}, -1013)):  # fmt: skip
            with pytest.raises(sdk.BadRequestError) as refused:
                await aside(rest.new_order, **poor, **order)
            assert refused.value.status_code == code
        await api.create_connection()
        refusal = (await api.order_place(**poor, quantity=100, price=60_000)).data()
        assert refusal["error"]["code"] == -2010  # it does not raise for these
        with pytest.raises(sdk.BadRequestError, match="Invalid symbol"):
            await aside(rest.depth, symbol="NOPE")


async def test_it_comes_back_when_the_venue_goes_down(empty: Place, meet: Meet) -> None:
    """It hears `serverShutdown`, waits five seconds, connects anew and asks for user data again."""
    async with meet(empty) as client:
        api = client.websocket_api
        api.configuration.reconnect_delay = 1
        await api.create_connection()
        told = hear((await api.user_data_stream_subscribe_signature()).stream)
        (old,) = api.connections
        empty.world.facade.announce_shutdown(empty.world.clock.now())
        empty.venue.act()
        async with asyncio.timeout(SECONDS):
            while old in api.connections or not api.connections:
                await asyncio.sleep(0.01)
            await api.order_place(symbol="BTCUSDT", side="BUY", type="LIMIT", time_in_force="GTC",
                                  quantity=0.01, price=50_000)  # fmt: skip
        events = await until(told.get, lambda event: kind_of(event) == "ExecutionReport")
        assert events[-1].X == "NEW"
        assert len(empty.world.stage.links()) == 1


async def test_order_lists_over_both_doors(empty: Place, meet: Meet) -> None:
    """An OCO over the WebSocket API and an OTOCO over REST, with what the user stream tells."""
    empty.rival(Side.BUY, lots=2_000, price=5_900_000)
    async with meet(empty) as client, asyncio.timeout(SECONDS):
        api, rest = client.websocket_api, client.rest_api
        await api.create_connection()
        told = hear((await api.user_data_stream_subscribe_signature()).stream)
        placed = await api.order_list_place_oco(
            symbol="BTCUSDT",
            side="SELL",
            quantity=0.01,
            above_type="LIMIT_MAKER",
            above_price=61_000.0,
            below_type="STOP_LOSS",
            below_stop_price=59_000.0,
        )
        found = placed.data().result
        assert [report.type for report in found.order_reports] == ["LIMIT_MAKER", "STOP_LOSS"]
        empty.rival(Side.BUY, lots=1_000, price=6_100_000, tif=Tif.IOC)
        events = await until(told.get, lambda event: getattr(event, "l", "") == "ALL_DONE")
        states = [event.X for event in events if kind_of(event) == "ExecutionReport"]
        assert states == ["NEW", "NEW", "FILLED", "EXPIRED"]
        listed = await aside(
            rest.order_list_otoco,
            symbol="BTCUSDT",
            working_type="LIMIT",
            working_side="BUY",
            working_price=58_000.0,
            working_quantity=0.01,
            working_time_in_force="GTC",
            pending_side="SELL",
            pending_quantity=0.009,
            pending_above_type="LIMIT_MAKER",
            pending_above_price=62_000.0,
            pending_below_type="STOP_LOSS",
            pending_below_stop_price=57_000.0,
        )
        body = listed.data()
        assert [report.status for report in body.order_reports] == ["NEW", *["PENDING_NEW"] * 2]
        gone = await aside(
            rest.delete_order_list, symbol="BTCUSDT", order_list_id=body.order_list_id
        )
        assert gone.data().list_order_status == "ALL_DONE"
