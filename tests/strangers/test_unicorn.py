"""unicorn-binance-websocket-api and its depth cache, unmodified, against the simulated Binance.

It lives in threads of its own, so whatever waits for it waits in a thread too.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

import pytest

from pitwire.model.orders import Side
from pitwire.sim.facts import Tif
from pitwire.sim.serve import Outlet
from tests.strangers.place import ASIDE, MISSING, SECONDS, Place, aside

pytest.importorskip("unicorn_binance_websocket_api", reason=MISSING)
pytest.importorskip("unicorn_binance_local_depth_cache", reason=MISSING)
from unicorn_binance_rest_api import BinanceAPIException

pytestmark = [
    # it leaves its loops' tasks to the garbage collector
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
Meet = Callable[[Place], AbstractAsyncContextManager[Any]]


def wait(satisfied: Callable[[], Any]) -> Any:
    """The first answer that is true; fails when none comes in time."""
    until = time.monotonic() + SECONDS
    while not (found := satisfied()):
        assert time.monotonic() < until, "nothing came in time"
        time.sleep(0.01)
    return found


class Held:
    """What a venue says to anybody, held back until it is let go."""

    def __init__(self, outlets: Iterable[Outlet]) -> None:
        self._outlets, self._said = list(outlets), list[tuple[Outlet, Any]]()
        for outlet in self._outlets:
            outlet.put = partial(self._keep, outlet)  # type: ignore[method-assign]

    def let_go(self) -> None:
        for outlet in self._outlets:
            del outlet.put  # type: ignore[method-assign]
        for outlet, action in self._said:
            outlet.put(action)

    def _keep(self, outlet: Outlet, action: Any) -> None:
        self._said.append((outlet, action))


async def leave(*managers: Any, before: set[threading.Thread]) -> None:
    """Stop it, and see its threads off."""

    def stop() -> None:
        for manager in managers:
            manager.stop_manager()
        for thread in set(threading.enumerate()) - before - {threading.current_thread()}:
            if thread.name != ASIDE:
                thread.join(SECONDS)

    await aside(stop)


@pytest.fixture
def meet(documented: dict[str, Any]) -> Meet:
    """Its sockets as documented."""

    @asynccontextmanager
    async def connect(place: Place) -> AsyncIterator[Any]:
        before = set(threading.enumerate())
        sockets = documented["unicorn_sockets"](
            *place.where, output_default="dict", disable_colorama=True, restart_timeout=1
        )
        try:
            yield sockets
        finally:
            await leave(sockets, before=before)

    return connect


async def test_its_streams_speak_and_come_back_after_a_close(lively: Place, meet: Meet) -> None:
    async with meet(lively) as sockets:

        def read(count: int) -> list[dict[str, Any]]:
            seen = []
            while len(seen) < count:
                message = wait(sockets.pop_stream_data_from_stream_buffer)
                if "data" in message:
                    seen.append(message)
            return seen

        await aside(sockets.create_stream, ["trade", "depth5"], ["btcusdt"])
        trades = [one for one in await aside(read, 30) if "@trade" in one["stream"]]
        assert {trade["data"]["s"] for trade in trades} == {"BTCUSDT"}
        links = set(lively.world.stage.links())
        lively.hang_up("market")
        sockets.clear_stream_buffer()

        def anew() -> dict[str, Any]:
            wait(lambda: set(lively.world.stage.links()) - links)
            return read(1)[0]

        assert (await aside(anew))["stream"].startswith("btcusdt@")


async def test_its_depth_cache_is_our_book(lively: Place, documented: dict[str, Any]) -> None:
    """All levels, once the market stands still."""
    before = set(threading.enumerate())
    cache = await aside(
        documented["unicorn_depth_cache"],
        *lively.where,
        depth_cache_update_interval=100,
        init_interval=0.1,
        disable_colorama=True,
    )

    def book() -> tuple[dict[float, float], dict[float, float]]:
        return dict(cache.get_bids("BTCUSDT")), dict(cache.get_asks("BTCUSDT"))

    try:
        await aside(cache.create_depthcache, "BTCUSDT")
        await aside(wait, lambda: cache.is_depth_cache_synchronized("BTCUSDT"))
        with lively.halted():
            await aside(wait, lambda: book() == lively.book())
    finally:
        await leave(cache, cache.ubra, before=before)


async def test_it_trades_over_the_websocket_api_and_hears_its_orders(
    empty: Place, meet: Meet
) -> None:
    key, secret = empty.key()
    credentials = {"api_key": key, "api_secret": secret}
    loop = asyncio.get_running_loop()
    async with meet(empty) as sockets:

        def open_streams() -> None:
            api = sockets.create_stream(api=True, **credentials)
            user = sockets.create_stream(
                "arr", "!userData", stream_buffer_name="user", **credentials
            )
            for stream in (api, user):
                sockets.wait_till_stream_has_started(stream)
            wait(lambda: "stranger" in empty.world.facade.office.users.watchers())

        def told(wanted: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
            seen: list[dict[str, Any]] = []
            while not seen or not wanted(seen[-1]):
                seen.append(wait(lambda: sockets.pop_stream_data_from_stream_buffer("user")))
            return [message["event"] for message in seen if "event" in message]

        def ask(name: str, **params: Any) -> Any:
            # It sends before it begins to wait for the answer, and waits without end for one that
            # was quicker, which one of a venue on this machine may be.
            held = Held(empty.venue.outlets().values())

            def let_go() -> None:
                wait(lambda: sockets.return_response)
                loop.call_soon_threadsafe(held.let_go)

            threading.Thread(target=let_go, name=ASIDE, daemon=True).start()
            ask = getattr(sockets.api.spot, name)
            answer = ask(symbol="BTCUSDT", return_response=True, **params)
            assert answer, "no answer"
            return answer[1] if isinstance(answer, tuple) else answer

        await aside(open_streams)
        order = {"order_type": "LIMIT", "time_in_force": "GTC", "side": "SELL"}
        placed = await aside(ask, "create_order", price=60_000, quantity=0.005, **order)
        assert placed["result"]["status"] == "NEW"
        number = placed["result"]["orderId"]
        empty.rival(Side.BUY, lots=200, price=6_000_000, tif=Tif.IOC)
        found = (await aside(ask, "get_order", order_id=number))["result"]
        assert (found["status"], found["executedQty"]) == ("PARTIALLY_FILLED", "0.00200000")
        gone = (await aside(ask, "cancel_order", order_id=number))["result"]
        assert gone["status"] == "CANCELED"
        events = await aside(told, lambda message: message["event"].get("X") == "CANCELED")
        reports = [event for event in events if event["e"] == "executionReport"]
        assert [(report["x"], report["z"]) for report in reports] == [
            ("NEW", "0.00000000"),
            ("TRADE", "0.00200000"),
            ("CANCELED", "0.00200000"),
        ]
        refused = await aside(ask, "create_order", price=60_000, quantity=100, **order)
        assert (refused["status"], refused["error"]["code"]) == (400, -2010)


async def test_its_rest_side_trades_and_is_refused(
    empty: Place, documented: dict[str, Any]
) -> None:
    empty.rival(Side.SELL, lots=1_000, price=6_000_100)
    key, secret = empty.key()

    def trade() -> tuple[Any, ...]:
        rest = documented["unicorn_rest"](
            empty.venue.http_url, api_key=key, api_secret=secret, disable_colorama=True
        )
        try:
            bought = rest.order_market_buy(symbol="BTCUSDT", quantity=0.002)
            resting = rest.order_limit_buy(symbol="BTCUSDT", quantity=0.01, price="50000")
            gone = rest.cancel_order(symbol="BTCUSDT", orderId=resting["orderId"])
            with pytest.raises(BinanceAPIException, match="insufficient balance"):
                rest.order_limit_buy(symbol="BTCUSDT", quantity=100, price="60000")
            return bought, gone, rest.get_my_trades(symbol="BTCUSDT")
        finally:
            rest.stop_manager()

    bought, gone, mine = await aside(trade)
    assert (bought["status"], gone["status"]) == ("FILLED", "CANCELED")
    assert [row["qty"] for row in mine] == ["0.00200000"]
