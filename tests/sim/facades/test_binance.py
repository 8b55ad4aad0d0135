"""Connections: heartbeats, limits, notices, endings (binance §2)."""

from __future__ import annotations

import pytest

from pitwire.model.clock import SECOND
from pitwire.model.entropy import Entropy
from pitwire.sim.exchange import Exchange
from pitwire.sim.facades.binance import BinanceFacade
from pitwire.sim.facades.binance_options import BinanceOptions
from pitwire.sim.facades.facade import Close, SendPing, SendPong
from pitwire.sim.world import LISTINGS
from tests.sim.binance_client import ApiClient, StreamClient, quiet_world

START = 1_700_000_000 * SECOND


def facade(**options: object) -> BinanceFacade:
    exchange = Exchange(LISTINGS, entropy=Entropy(1))
    made = BinanceOptions(**options)  # type: ignore[arg-type]
    return BinanceFacade(exchange, entropy=Entropy(2), options=made)


def run(venue: BinanceFacade, until: int) -> list[tuple[int, object]]:
    """Step through all deadlines; (seconds since the start, what was sent)."""
    sent: list[tuple[int, object]] = []
    while (due := venue.next_deadline()) is not None and due <= until:
        venue.step(due)
        sent += [((due - START) // SECOND, action) for _, action in venue.take_output()]
    return sent


@pytest.mark.parametrize("path", ["/ws", "/ws/btcusdt@trade", "/stream", "/ws-api/v3", "/ws/"])
def test_pings_come_every_twenty_seconds_and_must_be_answered(path: str) -> None:
    venue = facade()
    assert venue.connect(1, path, START) is None
    sent = run(venue, START + 100 * SECOND)
    assert [at for at, action in sent if isinstance(action, SendPing)] == [20, 40, 60, 80]
    assert sent[-1] == (80, Close(1008, "Pong timeout"))
    assert venue.links() == []


def test_a_pong_that_echoes_keeps_the_connection() -> None:
    venue = facade()
    venue.connect(1, "/ws", START)
    for step in range(1, 10):
        now = START + 20 * step * SECOND
        venue.step(now)
        ((_, ping),) = venue.take_output()
        assert isinstance(ping, SendPing)
        assert ping.payload == str(now // 1_000_000).encode()
        venue.receive_pong(1, ping.payload, now + 1)
    assert venue.links() == [1]


def test_an_unsolicited_pong_does_not() -> None:
    venue = facade()
    venue.connect(1, "/ws", START)
    for step in range(1, 5):
        venue.step(START + 20 * step * SECOND)
        venue.receive_pong(1, b"", START + 20 * step * SECOND + 1)
    assert venue.take_output()[-1] == (1, Close(1008, "Pong timeout"))


def test_a_clients_ping_is_answered() -> None:
    venue = facade()
    venue.connect(1, "/ws-api/v3", START)
    venue.receive_ping(1, b"hello", START)
    assert venue.take_output() == [(1, SendPong(b"hello"))]


def test_five_messages_a_second_of_any_kind() -> None:
    venue = facade()
    venue.connect(1, "/ws", START)
    request = b'{"method":"LIST_SUBSCRIPTIONS","id":1}'
    for _ in range(10):
        now = START
        venue.receive(1, request, now)
        venue.receive_ping(1, b"", now)
        venue.receive_pong(1, b"", now)
    sent = venue.take_output()
    assert sent[-1] == (1, Close(1008, "Too many requests"))
    assert len(sent) == 5  # two answers, two pongs, and the end at the sixth message
    assert venue.links() == []


def test_five_messages_a_second_are_allowed_for_ever() -> None:
    venue = facade()
    venue.connect(1, "/ws", START)
    for message in range(50):
        venue.receive_ping(1, b"", START + message * SECOND // 5)
    assert venue.links() == [1]


def test_the_ws_api_has_no_such_limit() -> None:
    venue = facade()
    venue.connect(1, "/ws-api/v3", START)
    for _ in range(50):
        venue.receive(1, b'{"id":1,"method":"ping"}', START)
    assert venue.links() == [1]


def test_a_connection_ends_after_a_day() -> None:
    venue = facade(ping_every_seconds=100_000.0, lifetime_seconds=86_400.0)
    venue.connect(1, "/ws", START)
    assert run(venue, START + 2 * 86_400 * SECOND) == [(86_400, Close(1001, ""))]


@pytest.mark.parametrize("path", ["/", "/nothing", "/wsx", "/streams", "/ws-api/v4"])
def test_other_paths_are_refused(path: str) -> None:
    reply = facade().connect(1, path, START)
    assert reply is not None
    assert reply.status == 404


def test_roles() -> None:
    venue = facade()
    assert venue.role("/ws-api/v3?timeUnit=MICROSECOND") == "orders"
    assert venue.role("/stream?streams=btcusdt@trade") == "market"


def test_too_many_streams_in_the_url() -> None:
    venue = facade(streams_per_connection=1)
    assert venue.connect(1, "/ws/btcusdt@trade", START) is None
    assert venue.connect(2, "/ws/btcusdt@trade/ethusdt@trade", START) is not None


def test_a_notice_of_shutdown_in_three_shapes() -> None:
    world = quiet_world()
    raw, combined = StreamClient(world), StreamClient(world, "/stream")
    api = ApiClient(world)
    world.facade.announce_shutdown(world.clock.now())
    world.act()
    event = {"e": "serverShutdown", "E": 1_700_000_000_000}
    assert raw.take() == [event]
    assert combined.take() == [{"stream": "!serverShutdown", "data": event}]
    assert api.take() == [{"event": event}]


def test_a_client_that_has_gone_is_forgotten() -> None:
    venue = facade()
    venue.connect(1, "/ws/btcusdt@trade", START)
    venue.lost(1, START)
    assert run(venue, START + 100 * SECOND) == []
    venue.receive(1, b"{}", START)
    assert venue.take_output() == []
