"""The façade's frames have the paths, key order and digits of recorded ones."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sim.binance_client import ApiClient, RestClient, StreamClient, World, quiet_world

SPOT = (
    "spot_10pairs_2021-04-05.jsonl.gz",
    "spot_4pairs_klines_2021-10-12.jsonl.gz",
    "spot_BTCUSDT_depth-trade-bookTicker_2024-08-08.jsonl.gz",
)
DECIMAL = re.compile(r"-?\d+\.\d{8}")
ENOUGH = 20_000
"""Records of each file that are looked at; every kind occurs long before."""


def records(path: Path) -> Iterator[Any]:
    with gzip.open(path, "rt") as lines:
        for number, line in enumerate(lines):
            if number == ENOUGH:
                return
            yield json.loads(line)


def shape(value: Any) -> Any:
    """Paths, types and spelling: names in order, numbers by kind, decimals by their digits."""
    if isinstance(value, dict):
        return [(name, shape(inner)) for name, inner in value.items()]
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    if isinstance(value, str):
        return "decimal" if DECIMAL.fullmatch(value) else "text"
    return type(value).__name__


def kind(stream: str) -> str:
    return re.sub(r"^[^@]+@", "", stream)


def shape_of(name: str, frame: str) -> Any:
    found = shape(json.loads(frame))
    if name.startswith("depth"):  # either side may be empty in any one diff
        frame = re.sub(r'"([ab])":\[\]', r'"\1":[["1.00000000","1.00000000"]]', frame)
        found = shape(json.loads(frame))
    return found


@pytest.mark.parametrize("file", SPOT)
def test_stream_frames_look_like_recorded_ones(captures: Path, file: str) -> None:
    recorded: dict[str, str] = {}
    for record in records(captures / "binance" / file):
        if record["t"] == "recv":
            recorded.setdefault(kind(json.loads(record["data"])["stream"]), record["data"])
    assert recorded
    world = World(seed=5)
    names = "/".join(f"btcusdt@{name}" for name in recorded)
    ear = StreamClient(world, f"/stream?streams={names}")
    world.advance(4)
    ours: dict[str, str] = {}
    for frame in ear.raw:
        ours.setdefault(kind(json.loads(frame)["stream"]), frame.decode())
    assert ours.keys() == recorded.keys()
    for name, frame in recorded.items():
        assert shape_of(name, ours[name]) == shape_of(name, frame), name
        for text in (ours[name], frame):  # the same bytes between the values, no blanks
            assert json.dumps(json.loads(text), separators=(",", ":")) == text


def test_a_snapshot_looks_like_a_recorded_one(captures: Path) -> None:
    world = World(seed=5)
    ours = RestClient(world).get("/depth", symbol="BTCUSDT", limit=1000)
    for file in SPOT:
        body = next(
            record["data"]
            for record in records(captures / "binance" / file)
            if record["t"] == "http" and "lastUpdateId" in record["data"][:40]
        )
        assert shape(ours) == shape(json.loads(body))


def test_exchange_info_has_every_field_that_was_recorded_and_still_exists(captures: Path) -> None:
    body = next(
        json.loads(record["data"])
        for record in records(captures / "binance" / SPOT[1])
        if record["t"] == "http" and "exchangeInfo" in record["url"]
    )
    info = RestClient(quiet_world()).get("/exchangeInfo")
    assert list(info) == list(body)
    assert list(info["rateLimits"][0]) == list(body["rateLimits"][0])
    recorded, ours = list(body["symbols"][0]), list(info["symbols"][0])
    assert set(recorded) <= set(ours)
    assert [name for name in ours if name in recorded] == recorded


def test_execution_reports_look_like_live_ones(captures: Path) -> None:
    path = captures / "binance" / "userdata_spot_live_OPUSDT_limit-orders.jsonl.gz"
    world = quiet_world()
    main, other = ApiClient(world), ApiClient(world, account="other")
    main.subscribe()
    main.limit("BUY", "59000.00", "0.02")
    other.market("SELL", quantity="0.01")
    other.market("SELL", quantity="0.01")
    ours = {
        (event["x"], event["X"]): event
        for event in main.take_events()
        if event["e"] == "executionReport"
    }
    compared = 0
    for record in records(path):
        live = json.loads(record["data"])
        if live["e"] != "executionReport":
            continue
        event = ours[live["x"], live["X"]]
        assert shape(event) == shape(live)
        assert [event[key] for key in "wmMr"] == [live[key] for key in "wmMr"]
        compared += 1
    assert compared == 4
