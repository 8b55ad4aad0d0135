"""The operator's door: with the token everything, without it nothing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from pitwire.model.clock import SystemClock
from pitwire.model.errors import ConfigError
from pitwire.model.orders import Side
from pitwire.sim.admin import Admin
from pitwire.sim.clocks import SteerableClock
from pitwire.sim.facts import Kind, NewOrder
from pitwire.sim.futures import FuturesExchange
from pitwire.sim.serve import Venue, serve
from pitwire.sim.world import ALPACA, SPOT, USDM, World

TOKEN = "only for who knows it"


class Operator:
    """Somebody with the token, and a venue's client's eyes."""

    def __init__(self, admin: Admin, venue: Venue, session: aiohttp.ClientSession) -> None:
        self.admin, self.venue, self.world, self.session = admin, venue, venue.world, session

    async def ask(self, method: str, path: str, body: Any = None, token: str = TOKEN) -> Any:
        """(status, answer)."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = self.admin.url + path
        async with self.session.request(method, url, json=body, headers=headers) as answer:
            return answer.status, await answer.json()

    async def done(self, method: str, path: str, body: Any = None) -> Any:
        status, answer = await self.ask(method, path, body)
        assert status == 200, answer
        return answer

    async def venue_says(self, path: str) -> Any:
        async with self.session.get(f"{self.venue.http_url}/api/v3{path}") as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if answer.status == 200 else text


@pytest.fixture
async def operator() -> AsyncIterator[Operator]:
    world = World(seed=5, scenario="quiet", clock=SteerableClock(SystemClock()))
    async with (
        serve(world) as venue,
        Admin(venue, TOKEN) as admin,
        aiohttp.ClientSession() as session,
    ):
        yield Operator(admin, venue, session)


async def test_positions_of_futures_are_told() -> None:
    world = World(seed=5, venue=USDM, scenario=None, clock=SteerableClock(SystemClock()))
    assert isinstance(world.exchange, FuturesExchange)
    world.exchange.open_account("deep", {}, unlimited=True)
    for account, side in (("deep", Side.SELL), ("main", Side.BUY)):
        world.exchange.place(
            NewOrder(account=account, symbol="BTC-USDT", side=side, kind=Kind.LIMIT, lots=7,
                     price=600_000), world.clock.now(),
        )  # fmt: skip
    async with (
        serve(world) as venue,
        Admin(venue, TOKEN) as admin,
        aiohttp.ClientSession() as session,
    ):
        operator = Operator(admin, venue, session)
        (position,) = await operator.done("GET", "/positions/main")
        assert (position["lots"], position["entry"]) == (7, "60000.00000000")
        assert (position["side"], position["liquidation"]) == ("BOTH", "0")


async def test_a_book_is_told_as_it_stands() -> None:
    # Nobody acts by himself here: a crowd may act again while the answer is on its way.
    world = World(seed=5, scenario=None, clock=SteerableClock(SystemClock()))
    world.exchange.open_account("deep", {}, unlimited=True)  # type: ignore[union-attr]
    for side, price in ((Side.BUY, 5_900_000), (Side.SELL, 6_100_000)):
        world.exchange.place(
            NewOrder(account="deep", symbol="BTC-USDT", side=side, kind=Kind.LIMIT, lots=7,
                     price=price), world.clock.now(),
        )  # fmt: skip
    async with (
        serve(world) as venue,
        Admin(venue, TOKEN) as admin,
        aiohttp.ClientSession() as session,
    ):
        book = await Operator(admin, venue, session).done("GET", "/books/BTC-USDT")
    truth = json.loads(json.dumps(world.truth_book("BTC-USDT")))
    assert [len(truth[1]), len(truth[2])] == [1, 1]
    assert truth == [book["updateId"], book["bids"], book["asks"]]


async def test_a_spot_market_has_no_positions(operator: Operator) -> None:
    status, answer = await operator.ask("GET", "/positions/main")
    assert status == 400
    assert answer == {"error": "positions: found 'a spot market', expected futures"}


async def test_nobody_comes_in_without_the_token(operator: Operator) -> None:
    for token in ("", "guessed", TOKEN[:-1], TOKEN + "x"):
        for method, path in (("GET", "/accounts"), ("POST", "/advance"), ("GET", "/nowhere")):
            status, answer = await operator.ask(method, path, token=token)
            assert status == 401
            assert answer == {"error": "Authorization: expected Bearer and the token"}
    assert operator.admin.url.startswith("http://127.0.0.1:")
    with pytest.raises(ConfigError, match=r"admin.token: found '', expected a secret"):
        Admin(operator.venue, "")


async def test_the_truth_is_what_the_exchange_holds(operator: Operator) -> None:
    assert await operator.done("GET", "/accounts") == ["main"]
    symbols = await operator.done("GET", "/symbols")
    assert [row["symbol"] for row in symbols] == ["BTC-USDT", "ETH-USDT", "ETH-BTC"]
    assert Decimal(symbols[0]["bid"]) < Decimal(symbols[0]["ask"])
    balances = await operator.done("GET", "/balances/main")
    assert balances["BTC"] == {"free": "10", "locked": "0"}
    assert await operator.done("GET", "/orders/main") == []
    assert await operator.done("GET", "/links") == []


async def test_time_moves_ahead_and_the_market_with_it(operator: Operator) -> None:
    _, before = await operator.venue_says("/time")
    trades = operator.world.exchange.pit("BTC-USDT").trade_id
    await operator.done("POST", "/advance", {"seconds": 90})
    _, after = await operator.venue_says("/time")
    assert after["serverTime"] >= before["serverTime"] + 90_000
    assert operator.world.exchange.pit("BTC-USDT").trade_id > trades
    for seconds in (-1, 4_000, "soon"):
        status, answer = await operator.ask("POST", "/advance", {"seconds": seconds})
        assert (status, "\n" in answer["error"]) == (400, False)


async def test_a_market_is_pushed_halted_and_paid_into(operator: Operator) -> None:
    before = (await operator.done("GET", "/symbols"))[0]
    moved = await operator.done("POST", "/nudge", {"symbol": "BTC-USDT", "bips": 100})
    assert Decimal(moved["last"]) > Decimal(before["ask"]) * Decimal("1.005")
    await operator.done("POST", "/status", {"symbol": "BTC-USDT", "status": "HALT"})
    _, info = await operator.venue_says("/exchangeInfo?symbol=BTCUSDT")
    assert info["symbols"][0]["status"] == "HALT"
    deposit = {"account": "main", "asset": "BTC", "amount": "1.5"}
    assert (await operator.done("POST", "/deposit", deposit))["BTC"]["free"] == "11.5"


async def test_what_needs_no_order_is_done_from_outside(operator: Operator) -> None:
    lock = {"account": "main", "asset": "BTC", "amount": "1.5"}
    held = await operator.done("POST", "/encumber", lock)
    assert held["BTC"] == {"free": "8.5", "locked": "1.5"}
    block = {"symbol": "BTC-USDT", "side": "buy", "price": "61000.5", "size": "2"}
    assert await operator.done("POST", "/block", block) == {"id": 1}
    _, rows = await operator.venue_says("/historicalBlockTrades?symbol=BTCUSDT")
    assert [(row["price"], row["qty"]) for row in rows] == [("61000.50000000", "2.00000000")]
    for price in ("60500", None):
        refer = {"symbol": "BTC-USDT", "price": price}
        assert await operator.done("POST", "/reference", refer) == refer
        _, said = await operator.venue_says("/referencePrice?symbol=BTCUSDT")
        assert said["referencePrice"] == (price and "60500.00000000")


async def test_faults_are_injected_and_told(operator: Operator) -> None:
    broken = {"what": "HttpError", "kind": "snapshot", "status": 503, "count": 1}
    assert await operator.done("POST", "/faults", {"faults": [broken]}) == {"faults": 1}
    assert (await operator.venue_says("/depth?symbol=BTCUSDT"))[0] == 503
    assert (await operator.venue_says("/depth?symbol=BTCUSDT"))[0] == 200
    (row,) = await operator.done("GET", "/faults")
    assert row["fault"]["what"] == "HttpError"
    assert (await operator.done("POST", "/faults", {"script": "N3"}))["faults"] > 0


async def test_links_are_seen_told_and_cut(operator: Operator) -> None:
    async with operator.session.ws_connect(f"{operator.venue.market_url}/ws") as socket:
        assert await operator.done("GET", "/links") == ["market-1"]
        assert await operator.done("POST", "/shutdown", {}) == {"links": 1}
        assert (await socket.receive_json())["e"] == "serverShutdown"
        assert await operator.done("POST", "/cut", {"link": "orders"}) == {"links": 0}
        assert await operator.done("POST", "/cut", {"link": "market"}) == {"links": 1}
        assert (await socket.receive()).type in (
            aiohttp.WSMsgType.ERROR,
            aiohttp.WSMsgType.CLOSED,
            aiohttp.WSMsgType.CLOSE,
        )


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/nudge", {"symbol": "BTC-USDT"}, "missing required field `bips`"),
        ("/nudge", {"symbol": "XRP-USDT", "bips": 1}, "symbol: found 'XRP-USDT', expected one of"),
        ("/nudge", {"symbol": "BTC-USDT", "bips": 1e9}, "bips: found 1000000000.0, expected"),
        ("/status", {"symbol": "BTC-USDT", "status": "OPEN"}, "Invalid enum value 'OPEN'"),
        ("/status", {"symbol": "XRP-USDT", "status": "HALT"}, "unknown symbol: XRP-USDT"),
        ("/deposit", {"account": "main", "asset": "BTC", "amount": "-99"}, "insufficient balance"),
        ("/deposit", {"account": "x", "asset": "BTC", "amount": "1"}, "account may not trade"),
        ("/deposit", {"account": "main", "asset": "BTC", "amount": "NaN"}, "amount: found 'NaN'"),
        ("/deposit", {"account": "main", "asset": "BTC", "amount": "1E+9999999"}, "amount: found"),
        ("/deposit", {"account": "main", "asset": "BTC", "amount": "1E-19"}, "at most 18 digits"),
        ("/encumber", {"account": "main", "asset": "BTC", "amount": "-1"}, "insufficient balance"),
        (
            "/block",
            {"symbol": "XRP-USDT", "side": "buy", "price": "1", "size": "1"},
            "symbol: found 'XRP-USDT', expected one of",
        ),
        (
            "/block",
            {"symbol": "BTC-USDT", "side": "buy", "price": "1.001", "size": "1"},
            "price: found '1.001', expected a multiple of 0.01 above zero",
        ),
        (
            "/block",
            {"symbol": "BTC-USDT", "side": "up", "price": "1", "size": "1"},
            "Invalid enum value 'up'",
        ),
        ("/reference", {"symbol": "BTC-USDT", "price": "0"}, "price: found '0', expected a mult"),
        ("/reference", {"symbol": "BTC-USDT"}, "missing required field `price`"),
        ("/faults", {}, "faults: found 'none', expected some, or one of"),
        ("/faults", {"script": "Z9"}, "found 'Z9'"),
        ("/faults", {"faults": [{"what": "Nothing"}]}, "Invalid value 'Nothing'"),
        ("/cut", {"links": ""}, "unknown field `links`"),
        ("/advance", [], "Expected `object`, got `array`"),
    ],
)
async def test_bad_requests_get_one_line(
    operator: Operator, path: str, body: Any, said: str
) -> None:
    status, answer = await operator.ask("POST", path, body)
    assert (status, said in answer["error"]) == (400, True), answer
    assert "\n" not in answer["error"]


async def test_unknown_places(operator: Operator) -> None:
    assert (await operator.ask("GET", "/nowhere"))[0] == 404
    assert (await operator.ask("GET", "/advance"))[0] == 405
    for path in ("/books/XRP-USDT", "/orders/nobody", "/balances/nobody"):
        status, answer = await operator.ask("GET", path)
        assert (status, "expected one of" in answer["error"]) == (400, True)


async def test_time_of_the_systems_own_is_left_alone() -> None:
    world = World(scenario=None, clock=SystemClock())
    async with (
        serve(world) as venue,
        Admin(venue, TOKEN) as admin,
        aiohttp.ClientSession() as session,
    ):
        found = Operator(admin, venue, session)
        status, answer = await found.ask("POST", "/advance", {"seconds": 1})
    assert (status, "SteerableClock" in answer["error"]) == (400, True)


@pytest.mark.parametrize(
    ("venue", "path"), [(SPOT, "/ws/btcusdt@bookTicker"), (USDM, "/public/ws"), (ALPACA, "/stream")]
)
async def test_who_is_alive_outlives_the_time_that_is_skipped(venue: str, path: str) -> None:
    world = World(seed=5, venue=venue, scenario=None, clock=SteerableClock(SystemClock()))
    async with (
        serve(world) as served,
        Admin(served, TOKEN) as admin,
        aiohttp.ClientSession() as session,
        # Pings are answered by who reads, and nobody has had the time to.
        session.ws_connect(f"{served.market_url}{path}"),
    ):
        links = world.facade.links()
        assert len(links) == 1
        await Operator(admin, served, session).done("POST", "/advance", {"seconds": 1_200})
        assert world.facade.links() == links
