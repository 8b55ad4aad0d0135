"""What the faults do to time and to whole connections."""

from __future__ import annotations

from pitwire.model.clock import SECOND
from pitwire.sim.faults import ClockSkew, CloseWith, LateSnapshot, ServerShutdown
from pitwire.sim.loop import START
from tests.sim.binance_client import ApiClient, RestClient, StreamClient, World, quiet_world


def test_the_venues_clock_may_be_off() -> None:
    world = quiet_world(faults=(ClockSkew(seconds=5),))
    client = ApiClient(world)
    assert client.send("time", {})["result"]["serverTime"] == START // 1_000_000 + 5000
    late = client.ask("account.status", recvWindow=4000)
    assert late["error"]["code"] == -1021
    assert client.ask("account.status")["status"] == 200


def test_a_clock_that_falls_behind_stops_nothing() -> None:
    world = World(faults=(ClockSkew(at_seconds=3, seconds=-6),))
    ear = StreamClient(world, "/ws/btcusdt@trade")
    world.advance(20)
    stamps = [frame["E"] - START // 1_000_000 for frame in ear.take()]
    assert [stamp < 3000 for stamp in stamps].index(False) < len(stamps) - 1
    assert 13_000 < stamps[-1] <= 14_000


def test_a_shutdown_is_announced_and_then_done() -> None:
    world = quiet_world(faults=(ServerShutdown(at_seconds=2, lead_seconds=3),))
    ear = StreamClient(world)
    world.advance(2)
    assert [frame["e"] for frame in ear.take()] == ["serverShutdown"]
    world.advance(2.9)
    assert ear.lost is None
    world.advance(0.2)
    assert ear.lost is not None
    assert ear.lost.code == 1001


def test_a_link_that_is_closed_in_the_same_moment_hears_of_no_shutdown() -> None:
    faults = (CloseWith(at_seconds=2, link="market-1"), ServerShutdown(at_seconds=2))
    world = quiet_world(faults=faults)
    closed, told = StreamClient(world), StreamClient(world)
    world.advance(2)
    assert closed.take() == []
    assert [frame["e"] for frame in told.take()] == ["serverShutdown"]


def test_a_late_snapshot_says_how_late() -> None:
    world = quiet_world(faults=(LateSnapshot(seconds=3),))
    reply = world.stage.http(
        "GET", "/api/v3/depth?symbol=BTCUSDT", headers={}, body=b"", now=world.clock.now()
    )
    assert (reply.status, reply.delay) == (200, 3 * SECOND)
    assert RestClient(world).get("/depth", symbol="BTCUSDT")["lastUpdateId"] == 0


def test_labels_name_the_role() -> None:
    world = quiet_world()
    StreamClient(world)
    ApiClient(world)
    assert world.stage.links() == {1: "market-1", 2: "orders-2"}
