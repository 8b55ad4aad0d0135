"""What is published on Alpaca's feeds (alpaca §3)."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from pitwire.sim.alpaca_listings import alpaca_listing
from pitwire.sim.facades.alpaca_board import new_york
from pitwire.sim.facades.alpaca_options import CRYPTO, IEX, SIP, TEST
from pitwire.sim.facades.alpaca_text import moment
from pitwire.sim.faults import Drop
from pitwire.sim.world import World
from tests.sim.alpaca_client import PACKED, RICH, FeedClient, member, place, quiet_world

PAPERS = {
    "stock t": '{"T":"t","i":96921,"S":"AAPL","x":"D","p":126.55,"s":1,'
    '"t":"2021-02-22T15:51:44.208Z","c":["@","I"],"z":"C"}',
    "stock q": '{"T":"q","S":"AMD","bx":"U","bp":87.66,"bs":1,"ax":"Q","ap":87.68,"as":4,'
    '"t":"2021-02-22T15:51:45.335689322Z","c":["R"],"z":"C"}',
    "stock b": '{"T":"b","S":"SPY","o":388.985,"h":389.13,"l":388.975,"c":389.12,"v":49378,'
    '"n":461,"vw":389.062639,"t":"2021-02-22T19:15:00Z"}',
    "stock l": '{"T":"l","S":"IONM","u":3.24,"d":2.65,"i":"B",'
    '"t":"2023-04-06T13:34:45.565004401Z","z":"C"}',
    "stock s": '{"T":"s","S":"AAPL","sc":"H","sm":"Trading Halt","rc":"T12","rm":"Trading Halted; '
    'For information requested by NASDAQ","t":"2021-02-22T19:15:00Z","z":"C"}',
    "test q": '{"T":"q","S":"FAKEPACA","bx":"O","bp":133.85,"bs":4,"ax":"R","ap":135.77,"as":5,'
    '"c":["R"],"z":"A","t":"2024-07-24T07:56:53.639713735Z"}',
    "whole o": '{"T":"o","S":"BTC/USD","t":"2024-03-12T10:38:50.79613221Z",'
    '"b":[{"p":71859.53,"s":0.27994},{"p":71849.4,"s":0.553986}],'
    '"a":[{"p":71939.7,"s":0.83953},{"p":71940.4,"s":0.28025}],"r":true}',
    "delta o": '{"T":"o","S":"BTC/USD","t":"2024-03-12T10:39:39.445492807Z","b":[],'
    '"a":[{"p":71906.1,"s":0}]}',
}
"""The papers' own examples (§3.1, §3.2)."""
CRYPTO_TRADE = {"T", "S", "p", "s", "t", "i", "tks"}
"""Of which the papers have a table and no example; the same for quotes and bars."""
CRYPTO_QUOTE = {"T", "S", "bp", "bs", "ap", "as", "t"}
BAR = {"T", "S", "o", "h", "l", "c", "v", "n", "vw", "t"}


def kinds(message: dict[str, Any]) -> dict[str, set[str]]:
    """Key → what its value may be: an integer may stand for a number that is whole."""
    number = {"int", "float"}
    whole = {"i", "n", "v"}
    return {
        key: {type(value).__name__} if key in whole or not isinstance(value, int | float)
        or isinstance(value, bool) else number
        for key, value in message.items()
    }  # fmt: skip


def demand_shape(message: dict[str, Any], name: str) -> None:
    paper = json.loads(PAPERS[name])
    assert kinds(message) == kinds(paper)
    assert next(iter(message)) == "T"


def stocks() -> tuple[World, FeedClient]:
    banded = msgspec.structs.replace(
        alpaca_listing("AAPL-USD"), range_up=Decimal("1.05"), range_down=Decimal("0.95")
    )
    listings = [alpaca_listing("BTC-USD"), banded, alpaca_listing("FAKEPACA-USD")]
    world = quiet_world(listings=listings)
    client = member(world, SIP)
    client.ask("subscribe", trades=["*"], quotes=["*"], bars=["*"], dailyBars=["*"],
               statuses=["*"], lulds=["*"])  # fmt: skip
    return world, client


def test_stocks_are_told_as_in_the_papers() -> None:
    world, client = stocks()
    place(world, "sell", "175.50", "7", symbol="AAPL-USD")
    (quote,) = client.take()
    demand_shape(quote, "stock q")
    assert (quote["bp"], quote["bs"], quote["ap"], quote["as"]) == (0, 0, 175.5, 7)
    place(world, "buy", "175.50", "3", account="main", symbol="AAPL-USD")
    trade, quote = client.take()
    demand_shape(trade, "stock t")
    assert (trade["p"], trade["s"], trade["c"], trade["z"]) == (175.5, 3, ["@", "I"], "C")
    assert (quote["T"], quote["as"]) == ("q", 4)
    assert moment(trade["t"]) == world.clock.now()
    bar, day = client.after(60)
    demand_shape(bar, "stock b")
    assert (bar["o"], bar["h"], bar["l"], bar["c"], bar["v"], bar["n"], bar["vw"]) == (
        175.5, 175.5, 175.5, 175.5, 3, 1, 175.5,
    )  # fmt: skip
    assert {**day, "T": "b", "t": ""} == {**bar, "t": ""}
    assert (bar["t"], day["t"]) == ("2023-11-14T22:13:00Z", "2023-11-14T05:00:00Z")
    assert client.after(60) == [], "nothing has traded in this minute"


def test_halts_and_bands_are_told_of_stocks() -> None:
    world, client = stocks()
    world.exchange.set_status("AAPL-USD", "HALT", world.clock.now())
    world.exchange.set_status("BTC-USD", "HALT", world.clock.now())
    world.exchange.set_status("AAPL-USD", "TRADING", world.clock.now())
    world.exchange.outside.refer("AAPL-USD", 10_000, world.clock.now())
    world.act()
    halted, resumed, band = client.take()
    demand_shape(halted, "stock s")
    assert (halted["sc"], resumed["sc"]) == ("H", "T")
    demand_shape(band, "stock l")
    assert (band["u"], band["d"]) == (105, 95)


def test_the_test_stream_has_its_own_ticker_and_no_other_feed_has_it() -> None:
    world, client = stocks()
    tester = member(world, TEST)
    tester.ask("subscribe", quotes=["*", "AAPL"], trades=["FAKEPACA"])
    for symbol in ("FAKEPACA-USD", "AAPL-USD"):
        world.exchange.deposit("main", symbol.partition("-")[0], Decimal(9), world.clock.now())
        place(world, "sell", "135.77", "5", account="main", symbol=symbol)
    (quote,) = tester.take()
    demand_shape(quote, "test q")
    assert (quote["S"], quote["z"]) == ("FAKEPACA", "A")
    assert {message["S"] for message in client.take()} == {"AAPL"}


def test_a_book_is_told_whole_and_then_level_by_level() -> None:
    world = quiet_world()
    place(world, "buy", "59000.5", "0.5")
    place(world, "buy", "59000", "1")
    place(world, "sell", "60000", "0.25")
    client = member(world)
    told, book = client.ask("subscribe", orderbooks=["BTC/USD"])
    assert told["T"] == "subscription"
    demand_shape(book, "whole o")
    assert book["b"] == [{"p": 59000.5, "s": 0.5}, {"p": 59000, "s": 1}]
    assert (book["a"], book["r"]) == ([{"p": 60000, "s": 0.25}], True)
    order = place(world, "buy", "60000", "0.25", account="main")
    (delta,) = client.take()
    demand_shape(delta, "delta o")
    assert (order.filled_lots, delta["b"], delta["a"]) == (25_000, [], [{"p": 60000, "s": 0}])
    again = client.ask("subscribe", orderbooks=["BTC/USD"])
    assert [message["T"] for message in again] == ["subscription"], "it stands already"
    client.ask("unsubscribe", orderbooks=["BTC/USD"])
    place(world, "sell", "61000", "1")
    assert client.take() == []
    _, book = client.ask("subscribe", orderbooks=["*"])[:2]
    assert (book["a"], book["r"]) == ([{"p": 61000, "s": 1}], True)
    world.facade.reset_books("BTC-USD", world.clock.now())  # type: ignore[attr-defined]
    world.act()
    (anew,) = client.take()
    assert (anew["a"], anew["r"]) == (book["a"], True)


def test_a_book_that_is_followed_is_the_exchange_s() -> None:
    world = World(venue="alpaca", scenario="volatile", seed=3)
    client = member(world)
    levels: dict[str, dict[float, float]] = {}
    quote: dict[str, Any] = {}
    for message in [
        *client.ask("subscribe", orderbooks=["BTC/USD"], quotes=["BTC/USD"]),
        *client.after(20),
    ]:
        if message["T"] == "q":
            quote = message
        if message["T"] != "o":
            continue
        if message.get("r"):
            levels = {"b": {}, "a": {}}
        for side, known in levels.items():
            known.update({level["p"]: level["s"] for level in message[side]})
    _, bids, asks = world.truth_book("BTC-USD")
    for side, truth in (("b", bids), ("a", asks)):
        held = {price: size for price, size in levels[side].items() if size}
        assert held == {float(price): float(size) for price, size in truth}
    assert (quote["bp"], quote["ap"]) == (float(bids[0][0]), float(asks[0][0]))


def test_crypto_trades_quotes_and_bars() -> None:
    world = quiet_world()
    client = member(world)
    client.ask("subscribe", trades=["BTC/USD"], quotes=["BTC/USD"], bars=["BTC/USD"])
    place(world, "sell", "60000", "0.25")
    place(world, "buy", "60000", "0.1", account="main")
    _, trade, quote = client.take()
    assert (trade.keys(), quote.keys()) == (CRYPTO_TRADE, CRYPTO_QUOTE)
    assert (trade["p"], trade["s"], trade["tks"], quote["as"]) == (60000, 0.1, "B", 0.15)
    (bar,) = client.after(60)
    assert bar.keys() == BAR
    assert (bar["v"], bar["n"], bar["vw"]) == (0.1, 1, 60000)
    place(world, "buy", "59000", "1")
    place(world, "sell", "59000", "1", account="main")
    assert client.take()[1]["tks"] == "S"


@pytest.mark.parametrize("path", [CRYPTO, IEX])
def test_msgpack_says_what_json_says(path: str) -> None:
    world = quiet_world(scenario="calm")
    symbol = "BTC/USD" if path == CRYPTO else "AAPL"
    plain, packed = member(world, path), FeedClient(world, path, PACKED)
    packed.log_in("other")
    for client in (plain, packed):
        client.ask("subscribe", trades=[symbol], quotes=[symbol], bars=[symbol])
    plain.take()
    begun, same = plain.after(70), packed.take()
    assert len(begun) > 20
    for one, other in zip(reversed(begun), reversed(same), strict=False):
        assert list(one) == list(other)
        assert {k: v for k, v in one.items() if k != "t"} == {
            k: v for k, v in other.items() if k != "t"
        }
        told = moment(other["t"].isoformat().replace("+00:00", "Z"))
        assert abs(told - moment(one["t"])) <= 500, "Python's own times end at microseconds"


def test_frames_mix_what_happened_at_once_unless_a_fault_is_to_mean_one() -> None:
    def frames(world: World) -> list[list[str]]:
        place(world, "sell", "60000", "0.25")
        client = member(world)
        client.ask("subscribe", trades=["*"], quotes=["*"], orderbooks=["*"])
        place(world, "buy", "60000", "0.1", account="main")
        return [[message["T"] for message in json.loads(frame)] for frame in client.raw]

    assert frames(quiet_world()) == [["t", "q", "o"]]
    accounts = {"main": RICH, "other": RICH}
    broken = World(venue="alpaca", scenario=None, accounts=accounts, faults=[Drop(stream="*depth")])
    assert frames(broken) == [["t"], ["q"], ["o"]], "the dropped one was the whole book"


def test_days_begin_at_midnight_in_new_york() -> None:
    hour = 3600 * 10**9
    for text, hours in (
        ("2024-03-10T06:59:59Z", -5), ("2024-03-10T07:00:00Z", -4),
        ("2024-11-03T05:59:59Z", -4), ("2024-11-03T06:00:00Z", -5), ("2026-07-01", -4),
    ):  # fmt: skip
        assert new_york(moment(text)) == hours * hour
