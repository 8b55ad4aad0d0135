"""Market streams: payloads, cadence, continuity (binance §3, §4.2)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitwire.sim.facades import binance_streams
from tests.sim.binance_client import ApiClient, RestClient, StreamClient, World, quiet_world

START = 1_700_000_000_000


class Pit:
    """Two accounts trading BTCUSDT, and somebody who listens."""

    def __init__(self, *names: str, path: str = "/ws", **options: Any) -> None:
        self.world = quiet_world(**options)
        self.main = ApiClient(self.world)
        self.other = ApiClient(self.world, account="other")
        self.ear = StreamClient(self.world, path)
        if names:
            self.ear.ask("SUBSCRIBE", *names)

    def take(self, seconds: float = 0.0) -> list[Any]:
        return self.ear.after(seconds)


def test_a_trade_is_told_at_once() -> None:
    pit = Pit("btcusdt@trade")
    pit.main.limit("SELL", "60000.00", "0.01")
    pit.world.advance(0.25)
    pit.other.market("BUY", quantity="0.004")
    assert pit.take() == [
        {
            "e": "trade",
            "E": START + 250,
            "s": "BTCUSDT",
            "t": 1,
            "p": "60000.00000000",
            "q": "0.00400000",
            "T": START + 250,
            "m": False,
            "M": True,
        }
    ]


def test_fills_of_one_order_at_one_price_are_one_aggregate() -> None:
    pit = Pit("btcusdt@aggTrade", "btcusdt@trade")
    for price in ("60000.00", "60000.00", "60001.00"):
        pit.main.limit("SELL", price, "0.01")
    pit.other.market("BUY", quantity="0.03")
    frames = pit.take()
    assert [frame["t"] for frame in frames if frame["e"] == "trade"] == [1, 2, 3]
    aggregates = [frame for frame in frames if frame["e"] == "aggTrade"]
    assert aggregates == [
        {
            "e": "aggTrade",
            "E": START,
            "s": "BTCUSDT",
            "a": number,
            "p": price,
            "q": quantity,
            "f": first,
            "l": last,
            "T": START,
            "m": False,
            "M": True,
        }
        for number, price, quantity, first, last in (
            (1, "60000.00000000", "0.02000000", 1, 2),
            (2, "60001.00000000", "0.01000000", 3, 3),
        )
    ]
    assert list(aggregates[0]) == ["e", "E", "s", "a", "p", "q", "f", "l", "T", "m", "M"]


def test_book_ticker_follows_each_change_of_the_touch_and_nothing_else() -> None:
    pit = Pit("btcusdt@bookTicker")
    pit.main.limit("SELL", "60000.00", "0.01")
    pit.main.limit("BUY", "59000.00", "0.02")
    assert pit.take()[-1] == {
        "u": 2,
        "s": "BTCUSDT",
        "b": "59000.00000000",
        "B": "0.02000000",
        "a": "60000.00000000",
        "A": "0.01000000",
    }
    pit.main.limit("SELL", "60001.00", "0.01")
    assert pit.take() == []
    pit.main.limit("SELL", "60000.00", "0.01")
    (frame,) = pit.take()
    assert (frame["A"], frame["u"]) == ("0.02000000", 4)


def test_diffs_are_batched_and_say_final_sizes_only() -> None:
    pit = Pit("btcusdt@depth@100ms")
    pit.main.limit("SELL", "60000.00", "0.01")
    pit.main.limit("SELL", "60000.00", "0.02")
    gone = pit.main.limit("BUY", "59000.00", "0.01")
    pit.main.done("order.cancel", symbol="BTCUSDT", orderId=gone["orderId"])
    assert pit.take() == []
    (frame,) = pit.take(0.1)
    assert 0 < frame.pop("E") - START <= 100
    assert frame == {
        "e": "depthUpdate",
        "s": "BTCUSDT",
        "U": 1,
        "u": 4,
        "b": [["59000.00000000", "0.00000000"]],
        "a": [["60000.00000000", "0.03000000"]],
    }
    assert pit.take(5) == []


def test_the_slow_stream_covers_what_the_fast_one_says_in_pieces() -> None:
    pit = Pit("btcusdt@depth", "btcusdt@depth@100ms", path="/stream")
    for step in range(15):
        pit.main.limit("SELL", f"{60000 + step}.00", "0.01")
        pit.world.advance(0.1)
    pit.world.advance(1)
    frames = pit.take()
    fast = [f["data"] for f in frames if f["stream"] == "btcusdt@depth@100ms"]
    slow = [f["data"] for f in frames if f["stream"] == "btcusdt@depth"]
    assert len(fast) == 15
    assert 2 <= len(slow) <= 3
    for story in (fast, slow):
        assert (story[0]["U"], story[-1]["u"]) == (1, 15)
        for before, after in pairwise(story):
            assert after["U"] == before["u"] + 1


def test_book_ticker_leads_the_diff() -> None:
    pit = Pit("btcusdt@depth@100ms", "btcusdt@bookTicker")
    pit.main.limit("SELL", "60000.00", "0.01")
    pit.world.advance(0.1)
    assert ["u" in frame and "e" not in frame for frame in pit.take()] == [True, False]


@pytest.mark.parametrize("levels", [5, 10, 20])
def test_partial_depth_is_the_whole_top(levels: int) -> None:
    pit = Pit(f"btcusdt@depth{levels}@100ms")
    for step in range(levels + 3):
        pit.main.limit("SELL", f"{60000 + step}.00", "0.01")
    (frame,) = pit.take(0.1)
    assert list(frame) == ["lastUpdateId", "bids", "asks"]
    assert frame["lastUpdateId"] == levels + 3
    assert frame["bids"] == []
    assert [ask[0] for ask in frame["asks"]] == [
        f"{60000 + step}.00000000" for step in range(levels)
    ]
    pit.main.limit("SELL", f"{60000 + levels + 9}.00", "0.01")
    assert pit.take(1) == []  # beyond the top: nothing changed


def test_a_kline_grows_and_closes() -> None:
    pit = Pit("btcusdt@kline_1m")
    pit.take(3)  # the picture that a new subscriber is shown
    pit.main.limit("SELL", "60000.00", "0.01")
    pit.main.limit("SELL", "60005.00", "0.01")
    pit.other.market("BUY", quantity="0.015")
    (frame,) = pit.take(2)
    kline = frame["k"]
    assert list(frame) == ["e", "E", "s", "k"]
    assert kline == {
        "t": START - START % 60_000,
        "T": START - START % 60_000 + 59_999,
        "s": "BTCUSDT",
        "i": "1m",
        "f": 1,
        "L": 2,
        "o": "60000.00000000",
        "c": "60005.00000000",
        "h": "60005.00000000",
        "l": "60000.00000000",
        "v": "0.01500000",
        "n": 2,
        "x": False,
        "q": "900.02500000",
        "V": "0.01500000",
        "Q": "900.02500000",
        "B": "0",
    }
    closing = [frame for frame in pit.take(60) if frame["k"]["x"]]
    assert [frame["k"]["n"] for frame in closing] == [2]
    assert closing[0]["E"] == kline["T"] + 1
    quiet = [frame for frame in pit.take(60) if frame["k"]["x"]]
    assert [(f["k"]["n"], f["k"]["o"], f["k"]["f"]) for f in quiet] == [(0, "60005.00000000", -1)]


def test_tickers() -> None:
    pit = Pit("btcusdt@ticker", "btcusdt@miniTicker", "btcusdt@ticker_1h", "btcusdt@avgPrice")
    pit.take(2)
    pit.main.limit("SELL", "60000.00", "0.01")
    pit.main.limit("SELL", "60300.00", "0.01")
    pit.other.market("BUY", quantity="0.02")
    pit.main.limit("BUY", "59000.00", "0.01")
    frames = {frame["e"]: frame for frame in pit.take(1)}
    day = frames["24hrTicker"]
    assert " ".join(day) == "e E s p P w x c Q b B a A o h l v q O C F L n"
    assert (day["p"], day["P"], day["w"]) == ("300.00000000", "0.500", "60150.00000000")
    assert (day["b"], day["B"], day["n"]) == ("59000.00000000", "0.01000000", 2)
    assert day["C"] - day["O"] == 86_400_000
    mini = frames["24hrMiniTicker"]
    assert " ".join(mini) == "e E s c o h l v q"
    hour = frames["1hTicker"]
    assert " ".join(hour) == "e E s p P o h l c w v q O C F L n"
    assert hour["O"] % 60_000 == 0
    average = frames["avgPrice"]
    assert " ".join(average) == "e E s i w T"
    assert (average["i"], average["w"]) == ("5m", "60150.00000000")


def test_the_array_carries_changed_symbols_only() -> None:
    pit = Pit("!miniTicker@arr")
    assert pit.take(3) == []
    pit.main.limit("SELL", "60000.00", "0.01")
    pit.other.market("BUY", quantity="0.01")
    (frame,) = pit.take(1)
    assert [row["s"] for row in frame] == ["BTCUSDT"]


def test_microseconds_are_a_choice_of_the_connection() -> None:
    pit = Pit("btcusdt@trade", path="/ws?timeUnit=MICROSECOND")
    pit.main.limit("SELL", "60000.00", "0.01")
    pit.other.market("BUY", quantity="0.01")
    (frame,) = pit.take()
    assert frame["T"] == START * 1000
    reply = pit.world.facade.connect(50, "/ws?timeUnit=NANOSECOND", pit.world.clock.now())
    assert reply is not None
    assert reply.status == 400


def test_a_wrapped_frame_is_byte_for_byte_the_bare_one_inside() -> None:
    world = quiet_world()
    main, other = ApiClient(world), ApiClient(world, account="other")
    bare = StreamClient(world, "/ws/btcusdt@trade")
    wrapped = StreamClient(world, "/stream?streams=btcusdt@trade")
    main.limit("SELL", "60000.00", "0.01")
    other.market("BUY", quantity="0.01")
    assert wrapped.raw == [b'{"stream":"btcusdt@trade","data":' + bare.raw[0] + b"}"]
    assert b" " not in bare.raw[0]


@pytest.mark.parametrize(("stream", "times"), [("trade", 2), ("bookTicker", 1), ("aggTrade", 0)])
def test_a_frame_is_made_once_for_all_who_hear_it_and_for_nobody_else(
    stream: str, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once for each unit of time that it speaks in."""
    made: list[object] = []

    def counted(payload: object) -> bytes:
        made.append(payload)
        return encode(payload)

    encode = binance_streams.encode_payload
    pit = Pit()
    pit.main.limit("SELL", "60000.00", "0.01")
    paths = ("/ws", "/stream", "/ws", "/ws?timeUnit=MICROSECOND")
    ears = [StreamClient(pit.world, path) for path in paths]
    for ear in ears if times else ():
        ear.ask("SUBSCRIBE", f"btcusdt@{stream}")
    monkeypatch.setattr(binance_streams, "encode_payload", counted)
    pit.other.market("BUY", quantity="0.01")
    pit.world.advance(0)
    assert [len(ear.take()) for ear in ears] == [bool(times)] * 4
    assert len(made) == times


def test_nobody_is_told_after_unsubscribing() -> None:
    pit = Pit("btcusdt@trade", "btcusdt@depth@100ms")
    pit.ear.ask("UNSUBSCRIBE", "btcusdt@trade", "btcusdt@depth@100ms")
    pit.main.limit("SELL", "60000.00", "0.01")
    pit.other.market("BUY", quantity="0.01")
    assert pit.take(1) == []


def book_from_diffs(snapshot: Any, diffs: list[Any]) -> tuple[int, dict[str, str], dict[str, str]]:
    """The papers' own procedure (binance §4.1)."""
    sides = tuple(dict(snapshot[name]) for name in ("bids", "asks"))
    last = snapshot["lastUpdateId"]
    for diff in diffs:
        if diff["u"] <= last:
            continue
        assert diff["U"] <= last + 1 <= diff["u"]
        for side, name in zip(sides, "ba", strict=True):
            for price, size in diff[name]:
                side[price] = size
                if not float(size):
                    del side[price]
        last = diff["u"]
    return last, sides[0], sides[1]


@given(st.integers(0, 2**32), st.floats(0.1, 3.0))
@settings(max_examples=8, deadline=None)
def test_snapshot_and_diffs_are_the_exchanges_book(seed: int, wait: float) -> None:
    world = World(seed=seed)
    ear = StreamClient(world, "/ws/btcusdt@depth@100ms")
    world.advance(wait)
    snapshot = RestClient(world).get("/depth", symbol="BTCUSDT", limit=5000)
    world.advance(2)
    world.exchange.set_status("BTC-USDT", "HALT", world.clock.now())  # nothing moves any more
    world.advance(0.2)
    last, bids, asks = book_from_diffs(snapshot, ear.take())
    true_id, true_bids, true_asks = world.truth_book("BTC-USDT")
    assert last == true_id
    for side, truth in ((bids, true_bids), (asks, true_asks)):
        assert numbers(side.items()) == numbers(truth)


def numbers(levels: Iterable[tuple[str, str]]) -> dict[Decimal, Decimal]:
    return {Decimal(price): Decimal(size) for price, size in levels}


def test_every_frame_is_one_line_of_json() -> None:
    world = World(seed=3)
    names = (
        "btcusdt@trade/btcusdt@aggTrade/btcusdt@bookTicker/btcusdt@depth/btcusdt@depth10/"
        "btcusdt@kline_1s/btcusdt@kline_1d@+08:00/btcusdt@miniTicker/btcusdt@ticker/"
        "btcusdt@ticker_1d/btcusdt@avgPrice/!miniTicker@arr/!ticker_4h@arr"
    )
    ear = StreamClient(world, f"/stream?streams={names.replace('+', '%2B')}")
    world.advance(5)
    seen = {json.loads(frame)["stream"] for frame in ear.raw}
    assert seen == set(names.split("/"))


def test_a_connection_may_change_its_mind_about_wrapping() -> None:
    pit = Pit("btcusdt@bookTicker")
    pit.ear.ask("SET_PROPERTY", "combined", True)
    pit.main.limit("SELL", "60000.00", "0.01")
    (frame,) = pit.take()
    assert list(frame) == ["stream", "data"]
