"""Links in memory: order, latency, endings."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.model.errors import DialFailed
from pitwire.sim.facades.binance_options import BinanceOptions
from pitwire.sim.faults import CloseWith, Cut, Drop, LoseAck, Malformed, RefuseDial, Stall
from pitwire.sim.latency import LATENCIES, Constant, Latency
from pitwire.sim.links import target
from pitwire.sim.world import HTTP_URL, MARKET_URL, World
from tests.sim.binance_client import ApiClient, Ear, StreamClient, quiet_world

LIST = b'{"method":"LIST_SUBSCRIPTIONS","id":1}'
SLOW = Latency(
    entry=Constant(milliseconds=30),
    answer=Constant(milliseconds=20),
    market=Constant(milliseconds=10),
)


def test_targets() -> None:
    assert target("ws://venue.test") == "/"
    assert target("ws://venue.test/ws?x=1&y=%20") == "/ws?x=1&y=%20"


def test_nothing_arrives_in_the_call_that_sent_it() -> None:
    ear = StreamClient(quiet_world())
    ear.link.send(LIST)
    assert ear.take() == []
    ear.world.advance()
    assert ear.take() == [{"result": [], "id": 1}]


def test_each_way_takes_its_time() -> None:
    world = quiet_world(latency=SLOW)
    ear = StreamClient(world)
    ear.link.send(LIST)
    world.advance(0.0399)
    assert ear.take() == []
    world.advance(0.0001)
    assert ear.take() == [{"result": [], "id": 1}]


def test_a_ping_of_the_venue_is_answered_below_and_then_told() -> None:
    world = quiet_world()
    ear = StreamClient(world)
    world.advance(300)
    assert len(ear.pings) == 15
    assert ear.lost is None
    ear.link.ping(b"are you there")
    world.advance()
    assert ear.pongs == [b"are you there"]


def test_the_last_frame_of_a_burst_is_marked() -> None:
    world = quiet_world(latency=SLOW)
    client, other = ApiClient(world), ApiClient(world, account="other")
    for price in ("60000.00", "60001.00"):
        _send(client, "SELL", type="LIMIT", timeInForce="GTC", price=price, quantity="0.01")
    ear = StreamClient(world, "/ws/btcusdt@trade/btcusdt@bookTicker")
    world.advance(1)
    ear.take()
    ear.drained.clear()
    _send(other, "BUY", type="MARKET", quantity="0.02")
    world.advance(1)
    assert len(ear.raw) == 4  # two trades and two moves of the touch
    assert ear.drained == [False, False, False, True]


def _send(client: ApiClient, side: str, **params: Any) -> None:
    signed = client.signed(symbol="BTCUSDT", side=side, **params)
    request = {"id": 1, "method": "order.place", "params": signed}
    client.link.send(json.dumps(request).encode())
    client.world.advance(0.1)


def test_saying_goodbye() -> None:
    world = quiet_world(latency=SLOW)
    ear = StreamClient(world)
    ear.link.close(4000, "bye")
    ear.link.close(1000)
    ear.link.send(LIST)
    assert ear.lost is None
    world.advance(1)
    assert ear.lost is not None
    assert (ear.lost.code, ear.lost.reason, ear.lost.clean) == (4000, "bye", True)
    assert ear.take() == []
    assert world.facade.links() == []
    assert not ear.link.alive


def test_dropping_the_connection() -> None:
    world = quiet_world()
    ear = StreamClient(world, "/ws/btcusdt@kline_1s")
    ear.link.abort()
    ear.link.abort()
    world.advance(5)
    assert ear.lost is not None
    assert (ear.lost.code, ear.lost.clean) == (1006, False)
    assert ear.take() == []


def test_the_venue_hangs_up() -> None:
    world = quiet_world(options=BinanceOptions(lifetime_seconds=60.0))
    ear = StreamClient(world)
    world.advance(60)
    assert ear.lost is not None
    assert (ear.lost.code, ear.lost.clean) == (1001, True)


def test_what_leaves_together_arrives_together() -> None:
    world = quiet_world(latency=LATENCIES["mobile"])
    client, other = ApiClient(world), ApiClient(world, account="other")
    ear = StreamClient(world, "/ws/btcusdt@trade/btcusdt@bookTicker")
    _send(client, "SELL", type="LIMIT", timeInForce="GTC", price="60000.00", quantity="0.01")
    world.advance(5)
    ear.drained.clear()
    _send(other, "BUY", type="MARKET", quantity="0.01")
    world.advance(5)
    assert ear.drained == [False, True]


@given(st.integers(0, 2**32), st.sampled_from(sorted(LATENCIES)))
@settings(max_examples=10, deadline=None)
def test_a_link_never_reorders(seed: int, name: str) -> None:
    world = World(seed=seed, latency=LATENCIES[name])
    ear = StreamClient(world, "/ws/btcusdt@trade")
    world.advance(5)
    numbers = [frame["t"] for frame in ear.take()]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


# -- faults that the links carry out


def test_a_cut_and_a_close() -> None:
    world = quiet_world(faults=(Cut(at_seconds=5, link="market*"),))
    ear, api = StreamClient(world), ApiClient(world)
    world.advance(6)
    assert ear.lost is not None
    assert (ear.lost.code, api.lost) == (1006, None)
    assert world.facade.links() == [2]
    closing = quiet_world(faults=(CloseWith(at_seconds=5, code=1008, reason="Pong timeout"),))
    ear = StreamClient(closing)
    closing.advance(6)
    assert ear.lost is not None
    assert (ear.lost.code, ear.lost.reason) == (1008, "Pong timeout")


def test_frames_are_dropped_spoiled_and_stalled() -> None:
    lossy = World(faults=(Drop(at_seconds=1, stream="*@trade", count=3),))
    ear = StreamClient(lossy, "/ws/btcusdt@trade")
    lossy.advance(3)
    numbers = [frame["t"] for frame in ear.take()]
    assert numbers[-1] - numbers[0] + 1 - len(numbers) == 3
    spoiled = World(faults=(Malformed(at_seconds=1, how="html"),))
    ear = StreamClient(spoiled, "/ws/btcusdt@trade")
    spoiled.advance(3)
    assert sum(frame.startswith(b"<html>") for frame in ear.raw) == 1
    mute = World(faults=(Stall(at_seconds=10, for_seconds=30),))
    ear = StreamClient(mute, "/ws/btcusdt@trade")
    mute.advance(10.001)
    ear.take()
    mute.advance(25)
    assert ear.take() == []
    assert len(ear.pings) == 1
    mute.advance(10)
    assert len(ear.take()) > 0


def test_dials_are_refused_with_a_status_or_not_answered() -> None:
    world = quiet_world(
        faults=(
            RefuseDial(count=1, status=503, retry_after_seconds=7),
            RefuseDial(after_frames=0, count=1, status=0),
        )
    )
    with pytest.raises(DialFailed) as refused:
        world.open(MARKET_URL + "/ws", Ear())
    assert (refused.value.status, refused.value.retry_after_seconds) == (503, 7.0)
    with pytest.raises(DialFailed, match="connection refused"):
        world.open(MARKET_URL + "/ws", Ear())
    with pytest.raises(DialFailed) as missing:
        world.open(MARKET_URL + "/nowhere", Ear())
    assert missing.value.status == 404


# -- inside a loop


def test_dialling_and_fetching_in_virtual_time() -> None:
    world = quiet_world(latency=SLOW)
    ear = Ear()

    async def main() -> tuple[int, int]:
        begun = world.clock.now()
        link = await world.dial(MARKET_URL + "/ws", ear)
        dialled = world.clock.now() - begun
        status, headers, body = await world.fetch(
            "GET", HTTP_URL + "/api/v3/time", {"Accept": "*/*"}, b""
        )
        assert status == 200
        assert headers["content-type"].startswith("application/json")
        assert json.loads(body)["serverTime"] * MILLISECOND == world.clock.now() - 20 * MILLISECOND
        link.send(LIST)
        await asyncio.sleep(1)
        return dialled, world.clock.now() - begun

    dialled, total = world.run(main())
    assert dialled == 40 * MILLISECOND
    assert total == SECOND + 90 * MILLISECOND
    assert ear.take() == [{"result": [], "id": 1}]


def test_a_request_that_is_never_answered_fails_in_the_end() -> None:
    world = quiet_world(faults=(LoseAck(kind="time"),))

    async def main() -> None:
        with pytest.raises(DialFailed, match="no answer came"):
            await world.fetch("GET", HTTP_URL + "/api/v3/time", {}, b"")

    world.run(main())


def test_frames_wait_until_the_dialler_holds_its_link() -> None:
    world = World(seed=2)

    class Early(Ear):
        link: object = None

        def on_frame(self, frame: bytes, drained: bool) -> None:
            assert self.link is not None
            super().on_frame(frame, drained)

    async def main() -> None:
        ear = Early()
        ear.link = await world.dial(MARKET_URL + "/ws/btcusdt@trade", ear)
        await asyncio.sleep(2)
        assert ear.raw

    world.run(main())
