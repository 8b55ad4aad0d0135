"""The futures' market streams: chains, splices, cadences, and the shapes of recorded frames."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pitwire.conformance.shapes import differences, shape_of
from pitwire.sim.facades.usdm_options import UsdmOptions
from pitwire.sim.world import USDM, World
from tests.sim.futures_client import FuturesClient, StreamClient, futures_world

FILES = (
    "usdm_4pairs_klines_2021-07-22.jsonl.gz",
    "usdm_ETHUSDT_depth0ms-trade-bookTicker_2024-08-08.jsonl.gz",
)
NEWER = {"ps", "st", "nq"}
"""Fields that the venue has added since it was recorded (binance §11.2, §11.3)."""


def lively(path: str, seconds: float, seed: int = 3) -> tuple[World, list[Any]]:
    world = World(seed=seed, venue=USDM)
    ear = StreamClient(world, path)
    return world, ear.after(seconds)


@pytest.mark.parametrize(
    ("cadence", "least", "most"),
    [("", 36, 40), ("@250ms", 36, 40), ("@100ms", 90, 100), ("@500ms", 18, 20)],
)
def test_diffs_are_a_chain_by_pu_at_their_cadence(cadence: str, least: int, most: int) -> None:
    _, frames = lively(f"/public/ws/btcusdt@depth{cadence}", 10)
    assert least <= len(frames) <= most
    for before, frame in pairwise(frames):
        assert frame["pu"] == before["u"]
        assert before["u"] < frame["U"] <= frame["u"]
    assert any(frame["U"] != frame["pu"] + 1 for frame in frames[1:])  # ids skip


def test_a_late_listener_joins_the_chain() -> None:
    world, _ = lively("/public/ws/btcusdt@depth@100ms", 0)
    world.advance(1)
    ear = StreamClient(world, "/public/ws/btcusdt@depth@500ms")
    frames = ear.after(2)
    assert all(frame["pu"] == before["u"] for before, frame in pairwise(frames))


@pytest.mark.parametrize("cadence", ["@0ms", "@100ms"])
def test_snapshot_and_diffs_make_the_true_book(cadence: str) -> None:
    world = World(seed=4, venue=USDM)
    ear = StreamClient(world, f"/public/ws/ethusdt@depth{cadence}")
    world.advance(0.53)
    snapshot = FuturesClient(world).get("/v1/depth", symbol="ETHUSDT", limit=1000)
    frames = ear.after(5)
    kept = [frame for frame in frames if frame["u"] >= snapshot["lastUpdateId"]]
    assert len(kept) < len(frames)
    assert kept[0]["U"] <= snapshot["lastUpdateId"] <= kept[0]["u"]
    sides = {side: dict(snapshot[name]) for side, name in (("b", "bids"), ("a", "asks"))}
    for frame in kept:
        for side, levels in sides.items():
            for price, size in frame[side]:
                levels[price] = size
                if float(size) == 0:
                    del levels[price]
    world.exchange.set_status("ETH-USDT", "HALT", world.clock.now())
    for frame in ear.after(1):
        for side, levels in sides.items():
            for price, size in frame[side]:
                levels[price] = size
                if float(size) == 0:
                    del levels[price]
    _, bids, asks = world.truth_book("ETH-USDT")
    for levels, truth in ((sides["b"], bids), (sides["a"], asks)):
        assert {float(price): float(size) for price, size in levels.items()} == {
            float(price): float(size) for price, size in truth
        }


def test_partial_depth_has_the_dress_of_a_diff() -> None:
    _, frames = lively("/public/ws/btcusdt@depth10@100ms", 2)
    for before, frame in pairwise(frames):
        assert frame["pu"] == before["u"]
        assert len(frame["b"]) == len(frame["a"]) == 10


def test_quotes_agree_with_the_book_of_their_id() -> None:
    _, frames = lively("/public/stream?streams=btcusdt@bookTicker/btcusdt@depth@0ms", 3)
    quotes = [each["data"]["u"] for each in frames if each["stream"].endswith("bookTicker")]
    spans = [(each["data"]["U"], each["data"]["u"]) for each in frames if "depth" in each["stream"]]
    assert quotes == sorted(quotes)
    assert all(any(first <= each <= last for first, last in spans) for each in quotes)


def test_marks_come_each_second_and_each_third() -> None:
    _, frames = lively("/market/stream?streams=btcusdt@markPrice/btcusdt@markPrice@1s", 12)
    each = [frame["data"]["E"] for frame in frames if frame["stream"].endswith("@1s")]
    third = [frame["data"]["E"] for frame in frames if frame["stream"].endswith("markPrice")]
    assert [at - each[0] for at in each] == [1000 * n for n in range(12)]
    assert len(third) == 4
    assert {later - sooner for sooner, later in pairwise(third)} == {3000}


def test_aggregates_come_in_batches_of_a_tenth() -> None:
    _, frames = lively("/market/ws/btcusdt@aggTrade", 3)
    beats = {frame["E"] % 100 for frame in frames}
    assert len(beats) == 1
    assert all(0 <= frame["E"] - frame["T"] <= 100 for frame in frames)
    ids = [frame["a"] for frame in frames]
    assert ids == list(range(ids[0], ids[0] + len(ids)))


def test_a_still_market_says_nothing_but_its_marks() -> None:
    world = futures_world()
    public = StreamClient(
        world, "/public/stream?streams=btcusdt@depth@100ms/btcusdt@bookTicker/!bookTicker"
    )
    market = StreamClient(world, "/market/stream?streams=btcusdt@aggTrade/!markPrice@arr@1s")
    assert public.after(5) == []
    assert [frame["stream"] for frame in market.take()] == ["!markPrice@arr@1s"] * 5


def records(path: Path) -> Iterator[Any]:
    with gzip.open(path, "rt") as lines:
        for number, line in enumerate(lines):
            if number == 8_000:  # every kind occurs long before
                return
            yield json.loads(line)


def kind_of(stream: str) -> str:
    return stream.partition("@")[2]


@pytest.mark.parametrize("file", FILES)
def test_frames_look_like_recorded_ones(captures: Path, file: str) -> None:
    recorded: dict[str, Any] = {}
    for record in records(captures / "binance" / file):
        if record["t"] == "recv":
            frame = json.loads(record["data"])
            full = frame["data"].get("b") != [] and frame["data"].get("a") != []
            if full:
                recorded.setdefault(kind_of(frame["stream"]), frame)
    assert len(recorded) >= 3
    world = World(seed=5, venue=USDM)
    names = "/".join(f"btcusdt@{name}" for name in recorded)
    ears = [StreamClient(world, f"/{way}/stream?streams={names}") for way in ("public", "market")]
    world.advance(4)
    ours: dict[str, Any] = {}
    for ear in ears:
        for frame in ear.take():
            ours.setdefault(kind_of(frame["stream"]), frame)
    assert ours.keys() == recorded.keys()
    for name, frame in recorded.items():
        told = differences(shape_of(frame), shape_of(ours[name]))
        older = [each for each in told if not re.fullmatch(r"\.data\.(\w+): only here", each)]
        added = {each.split(":")[0].rpartition(".")[2] for each in told if each not in older}
        assert (older, added - NEWER) == ([], set()), name


def test_a_snapshot_looks_like_a_recorded_one(captures: Path) -> None:
    for file in FILES:
        body = next(
            json.loads(record["data"])
            for record in records(captures / "binance" / file)
            if record["t"] == "http" and "lastUpdateId" in record["data"][:40]
        )
        ours = FuturesClient(World(seed=5, venue=USDM)).get("/v1/depth", symbol="BTCUSDT")
        assert differences(shape_of(body), shape_of(ours)) == []


def test_the_rule_book_has_what_was_recorded_and_still_exists(captures: Path) -> None:
    body = next(
        json.loads(record["data"])
        for record in records(captures / "binance" / FILES[0])
        if record["t"] == "http" and "exchangeInfo" in record["url"]
    )
    ours = FuturesClient(futures_world()).get("/v1/exchangeInfo")
    told = differences(shape_of(body), shape_of(ours))
    assert set(told) == {
        ".symbols[0].maxMoveOrderLimit: only here",  # stands in the recording of 2025
        ".symbols[0].filters[MAX_NUM_ALGO_ORDERS]: missing here",  # dropped on 2025-12-29
        ".symbols[0].settlePlan: missing here",  # not in the recording of 2025
    }


def test_user_events_look_like_live_ones(captures: Path) -> None:
    path = captures / "binance" / "userdata_usdm_live_BTCUSDT_open.jsonl.gz"
    with gzip.open(path, "rt") as lines:
        live = [json.loads(json.loads(line)["data"]) for line in lines]
    world = futures_world()
    main, other = FuturesClient(world), FuturesClient(world, account="other")
    other.limit("SELL", "60000.00", "0.002")
    ear = main.listen()
    asked = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC",
             "quantity": "0.002", "priceMatch": "OPPONENT"}  # fmt: skip
    main.done("POST", "/v1/order", **asked, selfTradePreventionMode="NONE")
    ours = ear.take()
    assert [each["e"] for each in ours] == [each["e"] for each in live]
    for wanted, found in zip(live, ours, strict=True):
        told = differences(shape_of(wanted), shape_of(found))
        assert [each for each in told if each != ".o.er: only here"] == []
    last, theirs = ours[-1]["o"], live[-1]["o"]
    same = ("o", "f", "sp", "x", "X", "b", "a", "m", "R", "wt", "ot", "ps", "cp", "rp", "pm", "gtd")
    assert [last[key] for key in same] == [theirs[key] for key in same]


def decimals(value: Any, at: str = "") -> dict[str, int]:
    """Path → how many digits a number in text has behind its point; of a list, its first row."""
    if isinstance(value, dict):
        return {k: v for name in value for k, v in decimals(value[name], f"{at}.{name}").items()}
    if isinstance(value, list):
        found: dict[str, int] = {}
        for place, inner in enumerate(value[:2]):
            found |= decimals(inner, f"{at}[{0 if isinstance(inner, list) else place}]")
        return found
    if isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value):
        return {at: len(value.partition(".")[2])}
    return {}


def test_numbers_have_the_digits_of_recorded_ones(captures: Path) -> None:
    """ETHUSDT of 2024: prices with two digits, sizes with three, here as there."""
    recorded: dict[str, Any] = {}
    for record in records(captures / "binance" / FILES[1]):
        if record["t"] == "recv":
            frame = json.loads(record["data"])
            if frame["data"].get("b") != [] and frame["data"].get("a") != []:
                recorded.setdefault(kind_of(frame["stream"]), frame["data"])
    names = "/".join(f"ethusdt@{name}" for name in recorded)
    _, frames = lively(f"/public/stream?streams={names}", 3)
    ours: dict[str, Any] = {}
    for frame in frames:
        if frame["data"].get("b") != [] and frame["data"].get("a") != []:
            ours.setdefault(kind_of(frame["stream"]), frame["data"])
    assert {name: decimals(each) for name, each in ours.items()} == {
        name: decimals(each) for name, each in recorded.items()
    }


def test_events_have_the_digits_of_live_ones(captures: Path) -> None:
    """But for what is told with as many digits as it needs: entry, break-even, open value."""
    with gzip.open(
        captures / "binance" / "userdata_usdm_live_BTCUSDT_open.jsonl.gz", "rt"
    ) as lines:
        live = [json.loads(json.loads(line)["data"]) for line in lines]
    world = futures_world()
    main, other = FuturesClient(world), FuturesClient(world, account="other")
    world.advance(1)
    other.limit("SELL", "60000.00", "0.002")
    other.limit("SELL", "60100.10", "0.100")
    other.limit("BUY", "59900.10", "0.100")
    world.advance(60)  # the mark price is another than ours will be
    ear = main.listen()
    main.limit("BUY", "60000.00", "0.002")
    shortest = re.compile(r"\.(ep|bep|b|a)$")
    for wanted, found in zip(live, ear.take(), strict=True):
        for at, digits in decimals(wanted).items():
            if not shortest.search(at):
                assert decimals(found)[at] == digits, (wanted["e"], at)


def test_a_contract_s_status_is_told() -> None:
    world = World(seed=3, venue=USDM, scenario=None)
    ear = StreamClient(world, "/market/ws/!contractInfo")
    world.exchange.set_status("BTC-USDT", "HALT", world.clock.now())
    (told,) = ear.after(1)
    assert (told["e"], told["s"], told["ct"], told["cs"], told["st"]) == (
        "contractInfo",
        "BTCUSDT",
        "PERPETUAL",
        "HALT",
        1,
    )
    info = FuturesClient(world).get("/v1/exchangeInfo")["symbols"][0]
    assert (told["dt"], told["ot"]) == (info["deliveryDate"], info["onboardDate"])


@pytest.mark.parametrize(
    ("stream", "speaks"),
    [
        ("btcusdt_perpetual@continuousKline_1m", True),
        ("btcusdt_current_quarter@continuousKline_1m", False),
        ("btcusdt_next_quarter@continuousKline_1m", False),
    ],
)
def test_continuous_bars_are_of_perpetuals_alone(stream: str, speaks: bool) -> None:
    ear = StreamClient(World(seed=3, venue=USDM), "/market/ws")
    assert ear.ask("SUBSCRIBE", stream) == {"result": None, "id": 1}
    told = ear.after(2)
    assert bool(told) is speaks
    assert all(each["e"] == "continuous_kline" and "s" not in each["k"] for each in told)


def test_bars_of_a_second_are_a_switch() -> None:
    ear = StreamClient(World(seed=3, venue=USDM), "/market/ws")
    assert ear.ask("SUBSCRIBE", "btcusdt@kline_1s")["error"]["code"] == 2
    options = UsdmOptions(second_klines=True)
    ear = StreamClient(World(seed=3, venue=USDM, options=options), "/market/ws/btcusdt@kline_1s")
    bars = [each["k"] for each in ear.after(3)]
    closed = [bar["t"] for bar in bars if bar["x"]]
    assert {bar["i"] for bar in bars} == {"1s"}
    assert [later - earlier for earlier, later in pairwise(closed)] == ([1000] * (len(closed) - 1))
    assert len(closed) >= 2
