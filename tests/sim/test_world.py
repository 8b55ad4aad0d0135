"""A world follows from its seed, and its time from nobody else."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from pitwire.model.clock import SECOND, ManualClock
from pitwire.model.entropy import Entropy
from pitwire.model.errors import StateError
from pitwire.sim.capture import load_capture
from pitwire.sim.history import RecordedMarket
from pitwire.sim.latency import LATENCIES
from pitwire.sim.loop import START
from pitwire.sim.world import BTC_USDT, HTTP_URL, MARKET_URL, World
from tests.sim.binance_client import ApiClient, Ear, StreamClient, quiet_world

STREAMS = "/stream?streams=btcusdt@trade/btcusdt@depth@100ms/ethbtc@bookTicker/!miniTicker@arr"


def by_hand(seed: int) -> list[bytes]:
    world = World(seed=seed, latency=LATENCIES["overseas"])
    ear = StreamClient(world, STREAMS)
    world.advance(10)
    return ear.raw


def in_a_loop(seed: int) -> list[bytes]:
    world = World(seed=seed, latency=LATENCIES["overseas"])
    ear = Ear()

    async def main() -> None:
        await world.dial(MARKET_URL + STREAMS, ear)
        await world.fetch("GET", HTTP_URL + "/api/v3/depth?symbol=BTCUSDT", {}, b"")
        await asyncio.sleep(10)

    world.run(main())
    return ear.raw


@pytest.mark.parametrize("run", [by_hand, in_a_loop])
def test_same_seed_same_bytes(run: object) -> None:
    assert callable(run)
    first = run(7)
    assert len(first) > 100
    assert run(7) == first
    assert run(8) != first


def test_keys_follow_from_the_seed_and_work() -> None:
    world = World(seed=3, scenario=None)
    assert world.keys == World(seed=3, scenario=None).keys
    assert world.keys != World(seed=4, scenario=None).keys
    assert world.keys["ed25519"][1].startswith("-----BEGIN PRIVATE KEY-----")
    for kind in ("hmac", "ed25519"):
        client = ApiClient(world, kind=kind)
        assert client.done("account.status")["canTrade"]


def test_steps_of_any_size_tell_the_same_story() -> None:
    stories = []
    for step in (0.01, 1.0, 5.0):
        world = World(seed=5)
        ear = StreamClient(world, STREAMS)
        for _ in range(round(5 / step)):
            world.advance(step)
        stories.append(ear.raw)
    assert stories[0] == stories[1] == stories[2]


def test_a_run_goes_on_where_the_last_one_ended() -> None:
    world = World(seed=1)
    world.run(asyncio.sleep(5))
    assert world.clock.now() == START + 5 * SECOND
    world.advance(1)
    world.run(asyncio.sleep(1))
    assert world.clock.now() == START + 7 * SECOND


def test_whoever_waits_for_ever_is_told() -> None:
    world = World(seed=1)
    with pytest.raises(TimeoutError):
        world.run(asyncio.Event().wait(), within_seconds=10)
    assert world.clock.now() == START + 10 * SECOND


def test_the_truth_is_the_exchanges() -> None:
    world = quiet_world()
    ApiClient(world).limit("SELL", "60000.00", "0.01")
    assert world.truth_book("BTC-USDT") == (1, [], [("60000.00", "0.01000")])


def test_a_nudge_moves_the_market() -> None:
    world = World(seed=1)
    world.advance(1)
    before = world.exchange.last_price("BTC-USDT")
    world.nudge("BTC-USDT", 100)
    assert world.exchange.last_price("BTC-USDT") > before * 1.005


def test_a_world_on_a_real_clock_is_not_moved_by_hand() -> None:
    world = World(scenario=None, clock=ManualClock())
    with pytest.raises(StateError):
        world.advance(1)
    waiting = asyncio.sleep(1)
    with pytest.raises(StateError):
        world.run(waiting)
    waiting.close()


def test_two_accounts_have_two_purses() -> None:
    world = quiet_world()
    main, other = ApiClient(world), ApiClient(world, account="other")
    main.limit("BUY", "59000.00", "0.01")
    assert main.done("account.status") != other.done("account.status")


def test_a_recorded_market_is_served_byte_for_byte(captures: Path) -> None:
    file = "spot_BTCUSDT_depth-trade-bookTicker_2024-08-08.jsonl.gz"
    records = load_capture(captures / "binance" / file)[:2000]
    world = World(recording=RecordedMarket(BTC_USDT, records, Entropy(1), held=True))
    names = "/".join(f"btcusdt@{kind}" for kind in ("depth@100ms", "trade", "bookTicker"))
    wrapped = StreamClient(world, f"/stream?streams={names}/btcusdt@kline_1m")
    bare = StreamClient(world, f"/ws/{names}")
    world.advance(60)
    assert wrapped.raw == []
    assert world.recording is not None
    world.recording.release()
    world.advance(120)
    recorded = [record.data.encode() for record in records if record.t == "recv"]
    assert wrapped.raw == recorded
    assert [json.loads(frame) for frame in bare.raw] == [
        json.loads(frame)["data"] for frame in recorded
    ]
    client = ApiClient(world)
    client.subscribe()
    assert client.market("BUY", quantity="0.01")["status"] == "FILLED"
    events = [event["e"] for event in client.take_events()]
    assert events == ["executionReport", "executionReport", "outboundAccountPosition"]
    touch = client.send("ticker.book", {"symbol": "BTCUSDT"})["result"]
    assert touch["bidPrice"] < touch["askPrice"]
    day = client.send("ticker.24hr", {"symbol": "BTCUSDT"})["result"]
    assert {name: day[name] for name in touch} == touch  # as it is now, not as it began
