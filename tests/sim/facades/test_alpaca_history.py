"""Market data over REST (alpaca §6)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pitwire.sim.facades.alpaca_options import CRYPTO
from pitwire.sim.facades.alpaca_text import moment
from pitwire.sim.world import World
from tests.sim.alpaca_client import RestClient, place, quiet_world

SNAPSHOT = json.loads(
    """{"latestTrade":{"t":"2022-08-17T10:18:24.114694956Z","x":"Q","p":172.61,"s":160,
  "c":["@","T"],"i":1011,"z":"C"},
 "latestQuote":{"t":"2022-08-17T10:18:27.052763263Z","ax":"Q","ap":172.7,"as":5,"bx":"Q",
  "bp":172.6,"bs":2,"c":["R"],"z":"C"},
 "minuteBar":{"t":"2022-08-17T10:18:00Z","o":172.69,"h":172.69,"l":172.69,"c":172.69,"v":500,
  "n":3,"vw":172.69},
 "dailyBar":{"t":"2022-08-16T04:00:00Z","o":172.62,"h":173.71,"l":171.6618,"c":173.03,
  "v":56457696,"n":515139,"vw":172.743391}}"""
)
"""The papers' own example, less the day before, of which this market knows nothing."""
US = "/v1beta3/crypto/us"


def traded(minutes: int = 4) -> RestClient:
    """BTC/USD and AAPL trade once a minute, each a little higher."""
    world = quiet_world()
    client = RestClient(world)
    for number in range(minutes):
        for symbol, price in (("BTC-USD", 60_000), ("AAPL-USD", 175)):
            place(world, "sell", f"{price + number}", "2", symbol=symbol)
            place(world, "buy", f"{price + number}", "1", account="main", symbol=symbol)
            world.exchange.cancel_all("other", symbol, world.clock.now())
        world.act()
        world.advance(60)
    place(world, "buy", "59000", "1")
    place(world, "sell", "61000", "2")
    place(world, "sell", "180", "7", symbol="AAPL-USD")
    return client


def keys(shown: Any) -> Any:
    return {k: keys(v) for k, v in shown.items()} if isinstance(shown, dict) else None


def test_what_is_now() -> None:
    client = traded()
    latest = f"{US}/latest"
    trade = client.get(f"{latest}/trades?symbols=BTC/USD,MOON/USD")["trades"]["BTC/USD"]
    assert (trade["p"], trade["s"], trade["tks"], trade["i"]) == (60_003, 1, "B", 4)
    quote = client.get(f"{latest}/quotes?symbols=BTC%2FUSD")["quotes"]["BTC/USD"]
    assert (quote["bp"], quote["bs"], quote["ap"], quote["as"]) == (59_000, 1, 61_000, 2)
    book = client.get(f"{latest}/orderbooks?symbols=BTC/USD")["orderbooks"]["BTC/USD"]
    assert (book["b"], book["a"]) == ([{"p": 59_000, "s": 1}], [{"p": 61_000, "s": 2}])
    assert book.keys() == {"t", "b", "a"}
    bar = client.get(f"{latest}/bars?symbols=BTC/USD,ETH/USD")["bars"]
    assert (list(bar), bar["BTC/USD"]["c"]) == (["BTC/USD"], 60_003)
    stock = client.get("/v2/stocks/quotes/latest?symbols=AAPL,BTC/USD")["quotes"]
    assert (list(stock), stock["AAPL"]["ap"]) == (["AAPL"], 180)
    assert client.ask("GET", f"{latest}/quotes")[0] == 400


def test_everything_at_once() -> None:
    client = traded()
    stock = client.get("/v2/stocks/snapshots?symbols=AAPL")
    assert keys(stock["AAPL"]) == keys(SNAPSHOT)
    assert stock["AAPL"]["dailyBar"]["n"] == 4
    wrapped = client.get(f"{US}/snapshots?symbols=BTC/USD")
    assert wrapped["snapshots"]["BTC/USD"]["minuteBar"]["c"] == 60_003


def test_trades_have_pages_by_symbol_and_time() -> None:
    client = traded()
    path = "/v2/stocks/trades?symbols=SPY,AAPL&limit=3"
    first = client.get(path)
    token = first["next_page_token"]
    second = client.get(f"{path}&page_token={token}")
    assert (len(first["trades"]["AAPL"]), len(second["trades"]["AAPL"])) == (3, 1)
    assert second["next_page_token"] is None
    both = [*first["trades"]["AAPL"], *second["trades"]["AAPL"]]
    assert [trade["p"] for trade in both] == [175, 176, 177, 178]
    since, until = both[1]["t"], both[2]["t"]
    part = client.get(f"{path}&start={since}&end={until}")["trades"]["AAPL"]
    assert part == both[1:3]
    turned = client.get(f"{path}&sort=desc&limit=1")["trades"]["AAPL"]
    assert turned == both[-1:]
    for bad in ("limit=10001", "page_token=x", "page_token=eA==", "sort=up", "start=x"):
        assert client.ask("GET", f"/v2/stocks/trades?symbols=AAPL&{bad}")[0] in (400, 422)


@pytest.mark.parametrize(
    ("timeframe", "opened", "counts"),
    [
        ("1Min", "2023-11-14T22:13:00Z", [1, 1, 1, 1]),
        ("2T", "2023-11-14T22:12:00Z", [1, 2, 1]),
        ("1Hour", "2023-11-14T22:00:00Z", [4]),
        ("1D", "2023-11-14T05:00:00Z", [4]),
    ],
)
def test_bars_are_put_together(timeframe: str, opened: str, counts: list[int]) -> None:
    client = traded()
    found = client.get(f"{US}/bars?symbols=BTC/USD&timeframe={timeframe}")["bars"]["BTC/USD"]
    assert ([bar["n"] for bar in found], found[0]["t"]) == (counts, opened)
    assert found[-1]["c"] == 60_003
    again = client.get(f"{US}/bars?symbols=BTC/USD&timeframe={timeframe}")["bars"]["BTC/USD"]
    assert again == found, "asking changes nothing"


@pytest.mark.parametrize("timeframe", ["", "60Min", "2Day", "1Week", "1Month", "Min", "0Min"])
def test_a_timeframe_that_is_none(timeframe: str) -> None:
    status, body = traded(1).ask("GET", f"{US}/bars?symbols=BTC/USD&timeframe={timeframe}")
    assert (status, "timeframe" in body["message"]) == (422, True)


def test_a_feed_outside_the_plan() -> None:
    client = RestClient(quiet_world(feeds=(CRYPTO,)))
    status, body = client.ask("GET", "/v2/stocks/trades/latest?symbols=AAPL&feed=sip")
    assert status == 403
    assert body["message"] == "subscription does not permit querying recent SIP data"


def test_a_day_of_a_market_that_was_not_watched_is_kept_all_the_same() -> None:
    world = World(venue="alpaca", scenario="calm")
    world.advance(120)
    client = RestClient(world)
    bars = client.get("/v2/stocks/bars?symbols=AAPL,SPY&timeframe=1Min")["bars"]
    assert [len(bars[name]) for name in ("AAPL", "SPY")] == [3, 3]
    assert moment(bars["AAPL"][0]["t"]) % (60 * 10**9) == 0
