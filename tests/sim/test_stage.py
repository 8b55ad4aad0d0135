"""What the faults do to time and to whole connections."""

from __future__ import annotations

from collections import Counter

import pytest

from pitwire.model.clock import SECOND
from pitwire.model.errors import DialFailed
from pitwire.model.orders import Side
from pitwire.sim import past
from pitwire.sim.facades.binance_options import BinanceOptions
from pitwire.sim.facts import Kind, LevelChanged, NewOrder, PublicTrade, Traded
from pitwire.sim.faults import (
    BlackHole,
    ClockSkew,
    CloseWith,
    Cut,
    DelayAck,
    Flap,
    HangDial,
    HttpError,
    LatePong,
    LateSnapshot,
    LoseAck,
    PartAck,
    RefuseDial,
    ServerShutdown,
)
from pitwire.sim.latency import LATENCIES
from pitwire.sim.loop import START
from pitwire.sim.stage import Stage
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


def test_a_venue_that_has_restarted_keeps_who_came_after_the_announcement() -> None:
    world = quiet_world(faults=(ServerShutdown(at_seconds=2, lead_seconds=3),))
    stood = StreamClient(world)
    world.advance(3)
    came = StreamClient(world)
    world.advance(60)
    assert stood.lost is not None
    assert came.lost is None


def test_a_black_hole_swallows_both_ways_and_gives_everything_back() -> None:
    world = World(faults=(BlackHole(at_seconds=2, for_seconds=5),))
    ear = StreamClient(world, "/ws/btcusdt@trade")
    world.advance(2)
    ear.take()
    ear.link.ping(b"there?")
    world.advance(4.9)
    assert (ear.raw, ear.pongs, ear.lost) == ([], [], None)
    later = StreamClient(world, "/ws/btcusdt@trade")
    world.advance(0.2)
    ids = [frame["t"] for frame in ear.take()]
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert len(ids) > 3
    assert ear.pongs == [b"there?"]
    assert later.lost is None


def test_a_black_hole_one_way_leaves_the_other_alone() -> None:
    world = World(faults=(BlackHole(at_seconds=1, way="up"),))
    ear = StreamClient(world, "/ws/btcusdt@trade")
    world.advance(1)
    ear.take()
    ear.link.ping(b"there?")
    assert len(ear.after(5)) > 3
    assert ear.pongs == []


def test_who_is_cut_within_a_black_hole_does_not_hear_of_it() -> None:
    faults = (BlackHole(at_seconds=1, way="down"), Cut(at_seconds=2))
    world = quiet_world(faults=faults)
    ear = StreamClient(world)
    world.advance(10)
    assert ear.lost is None
    assert world.stage.links() == {}


def test_flapping_cuts_whatever_stands() -> None:
    world = quiet_world(faults=(Flap(at_seconds=1, times=3, every_seconds=2),))
    ears = []
    for _ in range(4):
        ears.append(StreamClient(world))
        world.advance(2)
    assert [ear.lost is None for ear in ears] == [False, False, False, True]


def test_pongs_may_be_late_or_never_come() -> None:
    world = quiet_world(faults=(LatePong(seconds=3, count=1), LatePong(count=1)))
    ear = StreamClient(world)
    ear.link.ping(b"one")
    ear.link.ping(b"two")
    ear.link.ping(b"three")
    world.advance(2.9)
    assert ear.pongs == []
    world.advance(0.2)
    assert ear.pongs == [b"one", b"three"]


def test_a_dial_may_hang_and_a_refusal_may_be_html() -> None:
    html = RefuseDial(count=1, status=200, body="<html>sign in</html>", content_type="text/html")
    world = quiet_world(faults=(HangDial(seconds=4), html))
    began = world.clock.now()

    async def dial() -> tuple[float, str, int]:
        with pytest.raises(DialFailed) as hung:
            await world.dial("ws://venue.test/ws", StreamClient.__new__(StreamClient))
        took = (world.clock.now() - began) / SECOND
        with pytest.raises(DialFailed) as refused:
            await world.dial("ws://venue.test/ws", StreamClient.__new__(StreamClient))
        return took, hung.value.cause, refused.value.status

    assert world.run(dial()) == (4.0, "no answer in time", 200)


def test_a_subscription_may_be_confirmed_in_part_late_or_not_at_all() -> None:
    faults = (
        PartAck(count=1),
        DelayAck(kind="subscribe", seconds=2, after_frames=1, count=1),
        LoseAck(kind="subscribe", after_frames=2),
    )
    world = quiet_world(faults=faults)
    ear = StreamClient(world)
    assert ear.ask("SUBSCRIBE", "btcusdt@trade", "ethusdt@trade") == {"result": None, "id": 1}
    assert ear.ask("LIST_SUBSCRIPTIONS")["result"] == ["btcusdt@trade"]
    world.advance(1)
    assert ear.say('{"method":"SUBSCRIBE","params":["ethusdt@trade"],"id":2}') == []
    world.advance(1)
    assert ear.after(1.1) == [{"result": None, "id": 2}]
    assert ear.say('{"method":"SUBSCRIBE","params":["ethbtc@trade"],"id":3}') == []
    assert len(ear.ask("LIST_SUBSCRIPTIONS")["result"]) == 3


def test_a_ban_says_how_long() -> None:
    fault = HttpError(kind="snapshot", status=418, retry_after_seconds=120)
    world = quiet_world(faults=(fault,))
    reply = world.stage.http(
        "GET", "/api/v3/depth?symbol=BTCUSDT", headers={}, body=b"", now=world.clock.now()
    )
    assert (reply.status, reply.headers["retry-after"]) == (418, "120")


@pytest.mark.parametrize("faults", ["none", "skew", "mute", "late", "lossy"])
def test_a_deadline_that_is_remembered_is_the_one_that_would_be_found(
    faults: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    remembered = 0
    known = Stage.known_deadline

    def compared(stage: Stage) -> int | None:
        nonlocal remembered
        found = stage._look_ahead(stage._actors)
        if stage._is_known:
            remembered += 1
            assert stage._soonest == found
        return known(stage)

    monkeypatch.setattr(Stage, "known_deadline", compared)
    world = World(seed=4, scenario="dip", faults=faults, latency=LATENCIES["same-city"])
    StreamClient(world, "/ws/btcusdt@trade")
    ApiClient(world)
    world.advance(15)
    assert remembered > 1000


def test_a_venue_that_nobody_hears_has_kept_up_when_somebody_comes() -> None:
    alone, heard = World(seed=4), World(seed=4)
    ear = StreamClient(heard, "/ws/btcusdt@trade")
    for _ in range(40):
        alone.advance(0.1)
        heard.advance(0.1)
        assert alone.exchange.book("BTC-USDT") == heard.exchange.book("BTC-USDT")
        paths = ("/api/v3/depth?symbol=BTCUSDT", "/api/v3/klines?symbol=BTCUSDT&interval=1s",
                 "/api/v3/aggTrades?symbol=BTCUSDT")  # fmt: skip
        for path in paths:
            bodies = [
                world.stage.http("GET", path, headers={}, body=b"", now=world.clock.now()).body
                for world in (alone, heard)
            ]
            assert bodies[0] == bodies[1]
    assert ear.take()
    late = StreamClient(alone, "/ws/btcusdt@depth@100ms")
    alone.advance(0.5)
    first = late.take()[0]
    assert first["U"] <= alone.exchange.book("BTC-USDT").update_id


ASKED = (
    "/api/v3/depth?symbol=BTCUSDT&limit=5000", "/api/v3/klines?symbol=BTCUSDT&interval=1s",
    "/api/v3/klines?symbol=BTCUSDT&interval=1m", "/api/v3/aggTrades?symbol=BTCUSDT&limit=1000",
    "/api/v3/trades?symbol=BTCUSDT&limit=1000", "/api/v3/ticker/24hr?symbol=BTCUSDT",
    "/api/v3/avgPrice?symbol=BTCUSDT",
)  # fmt: skip


@pytest.mark.parametrize("kept", [60, 10_000])
def test_what_is_told_in_short_is_no_less(kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same answers, and the same fills of an owner, as if every fact had been told."""
    monkeypatch.setattr(past, "KEPT_CHANGES", kept)
    lag = BinanceOptions(snapshot_lag_seconds=0.2)
    short, whole = worlds = [World(seed=4, scenario="volatile", options=lag) for _ in range(2)]
    whole.exchange.hush = lambda is_hushed: None  # type: ignore[method-assign]
    told = []
    for world in worlds:
        take, mine = world.exchange.take_facts, []

        def facts(take=take, mine=mine):
            taken = take()
            mine += taken
            return taken

        world.exchange.take_facts = facts  # type: ignore[method-assign]
        told.append(mine)
    for turn in range(12):
        for world in worlds:
            world.act()
            bid, _, ask, _ = world.exchange.top("BTC-USDT")
            for side, price in ((Side.BUY, bid), (Side.SELL, ask)):
                order = NewOrder(account="main", symbol="BTC-USDT", side=side, kind=Kind.LIMIT,
                                 lots=2000, price=price)  # fmt: skip
                world.exchange.place(order, world.clock.now())
            world.advance(0.9)
        bodies = [[world.stage.http("GET", path, headers={}, body=b"", now=world.clock.now()).body
                   for path in ASKED] for world in worlds]  # fmt: skip
        assert bodies[0] == bodies[1], turn
    assert short.exchange.open_orders("main") == whole.exchange.open_orders("main")
    assert short.exchange.trades_of("main", "BTC-USDT")
    kinds = [Counter(map(type, mine)) for mine in told]
    assert kinds[0][LevelChanged] < kinds[1][LevelChanged] / 4
    assert kinds[0][PublicTrade] > kinds[0][Traded]
    owned = [[fact for fact in mine if not isinstance(fact, LevelChanged | PublicTrade | Traded)]
             for mine in told]  # fmt: skip
    assert owned[0] == owned[1]


def test_the_steps_of_a_venue_that_nobody_hears_are_few() -> None:
    world = World(seed=4)
    steps: list[int] = []
    step = world.facade.step

    def counted(now: int) -> None:
        steps.append(now)
        step(now)

    world.facade.step = counted  # type: ignore[method-assign]
    world.advance(5)
    few = len(steps)
    StreamClient(world, "/ws/btcusdt@trade")
    world.advance(5)
    assert 0 < few < (len(steps) - few) / 8
