"""The venue on real local ports."""

from __future__ import annotations

import asyncio
import datetime
import json
import socket
import ssl
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from pitwire.model.clock import SystemClock
from pitwire.model.errors import ConfigError
from pitwire.sim import serve as module
from pitwire.sim.facades.alpaca_options import AlpacaOptions
from pitwire.sim.facades.binance_options import BinanceOptions
from pitwire.sim.facades.facade import Close, SendPing, SendPong, SendText
from pitwire.sim.faults import Cut, LateSnapshot, LoseAck, RefuseDial
from pitwire.sim.frames import PING, PONG, TEXT
from pitwire.sim.serve import Outlet, Venue, serve
from pitwire.sim.sockets import ServedSocket
from pitwire.sim.stage import Cut as LinkCut
from pitwire.sim.world import World
from tests import unhurried
from tests.sim.binance_client import sign

reading = partial(connect, max_queue=None)
"""A client whose library never stops reading, however little the test takes."""
LIST = '{"method":"LIST_SUBSCRIPTIONS","id":1}'


async def to_the_end(stream: ClientConnection) -> ConnectionClosed:
    """Read until the connection ends, and say how it did."""
    try:
        while True:
            await stream.recv()
    except ConnectionClosed as error:
        return error


def world(**options: Any) -> World:
    return World(**{"seed": 1, "clock": SystemClock()} | options)


@pytest.fixture
async def venue() -> AsyncIterator[Venue]:
    async with serve(world()) as served:
        yield served


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    # one connection a request: on a kept one the library would quietly ask a second time
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield session


async def test_one_port_serves_all_three(venue: Venue, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{venue.http_url}/api/v3/time") as reply:
        assert reply.status == 200
        assert reply.headers["X-MBX-USED-WEIGHT-1M"] == "1"
        assert reply.content_type == "application/json"
    async with reading(f"{venue.market_url}/stream?streams=btcusdt@bookTicker") as stream:
        frame = json.loads(await stream.recv())
        assert frame["stream"] == "btcusdt@bookTicker"
    async with reading(venue.orders_url) as api:
        await api.send('{"id":1,"method":"ping"}')
        assert json.loads(await api.recv())["result"] == {}


async def test_an_order_and_its_events(venue: Venue) -> None:
    key, secret = venue.world.keys["ed25519"]

    def request(method: str, **params: Any) -> str:
        now = venue.world.clock.now() // 1_000_000
        params = params | {"apiKey": key, "timestamp": now}
        text = "&".join(f"{name}={params[name]}" for name in sorted(params))
        params["signature"] = sign(secret, text)
        return json.dumps({"id": method, "method": method, "params": params})

    async with reading(venue.orders_url) as api:
        await api.send(request("userDataStream.subscribe.signature"))
        await api.send(
            request("order.place", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.01")
        )
        frames = [json.loads(await api.recv()) for _ in range(5)]
    assert [frame.get("status") for frame in frames[:2]] == [200, 200]
    assert frames[1]["result"]["status"] == "FILLED"
    assert [frame["event"].get("X") for frame in frames[2:]] == ["NEW", "FILLED", None]


async def _meeting_pings() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, unhurried.UnhurriedLoop)
    options = BinanceOptions(ping_every_seconds=0.05, pong_within_seconds=0.3)
    served = world(options=options, scenario=None, clock=unhurried.UnhurriedClock(loop))
    async with serve(served) as venue, aiohttp.ClientSession() as http:
        url = f"{venue.market_url}/ws"
        async with http.ws_connect(url, autoping=False) as deaf:
            seen = []
            while (message := await deaf.receive()).type is aiohttp.WSMsgType.PING:
                assert message.data.isdigit()
                seen.append(message.data)
            assert len(seen) >= 3
            assert (message.type, message.data, message.extra) == (
                aiohttp.WSMsgType.CLOSE,
                1008,
                "Pong timeout",
            )
        async with reading(url) as good:  # this library answers by itself
            pong = await good.ping(b"hello")
            await pong


def test_the_facade_sees_pings_and_pongs() -> None:
    unhurried.run(_meeting_pings())


@unhurried.alone
async def test_the_message_limit_ends_in_a_close_frame() -> None:
    served = world(clock=unhurried.RunningClock())
    async with serve(served) as venue, reading(f"{venue.market_url}/ws") as stream:
        for _ in range(6):
            await stream.send(LIST)
        closed = await to_the_end(stream)
    assert closed.rcvd is not None
    assert (closed.rcvd.code, closed.rcvd.reason) == (1008, "Too many requests")


async def test_upgrades_that_are_refused(http: aiohttp.ClientSession) -> None:
    # a dropped GET is asked a second time by the client library, hence the twos
    faults = (RefuseDial(count=1, status=503, retry_after_seconds=3), RefuseDial(count=2, status=0))
    async with serve(world(faults=faults, scenario=None)) as venue:
        with pytest.raises(aiohttp.WSServerHandshakeError) as busy:
            await http.ws_connect(f"{venue.market_url}/ws")
        assert busy.value.status == 503
        assert busy.value.headers is not None
        assert busy.value.headers["retry-after"] == "3"
        with pytest.raises(aiohttp.ClientError):
            await http.ws_connect(f"{venue.market_url}/ws")
        with pytest.raises(aiohttp.WSServerHandshakeError) as missing:
            await http.ws_connect(f"{venue.market_url}/nowhere")
        assert missing.value.status == 404
        await (await http.ws_connect(f"{venue.market_url}/ws")).close()


@unhurried.alone
async def test_a_cut_has_no_goodbye() -> None:
    cut = Cut(at_seconds=1)
    async with serve(world(faults=(cut,), clock=unhurried.RunningClock())) as venue:
        async with reading(f"{venue.market_url}/ws/btcusdt@trade") as stream:
            lost = await to_the_end(stream)
        assert lost.rcvd is None
        assert venue.world.facade.links() == []


async def test_answers_are_held_back_or_lost(http: aiohttp.ClientSession) -> None:
    faults = (LateSnapshot(seconds=0.3), LoseAck(kind="time", count=2))
    async with serve(world(faults=faults, scenario=None)) as venue:
        begun = asyncio.get_running_loop().time()
        async with http.get(f"{venue.http_url}/api/v3/depth?symbol=BTCUSDT") as reply:
            assert reply.status == 200
        assert asyncio.get_running_loop().time() - begun >= 0.3
        with pytest.raises(aiohttp.ClientError):
            await http.get(f"{venue.http_url}/api/v3/time")


async def test_a_body_is_read_as_it_was_sent(http: aiohttp.ClientSession) -> None:
    async with serve(world(scenario=None)) as venue:
        key, secret = venue.world.keys["hmac"]
        now = venue.world.clock.now() // 1_000_000
        query = "symbol=BTCUSDT&side=BUY&type=LIMIT"
        body = f"timeInForce=GTC&quantity=0.01&price=59000&timestamp={now}"
        body += f"&signature={sign(secret, query + body)}"
        async with http.post(
            f"{venue.http_url}/api/v3/order?{query}",
            data=body,
            headers={
                "X-MBX-APIKEY": key,
                "Content-Type": "application/x-www-form-urlencoded",
            },
        ) as reply:
            assert (await reply.json())["status"] == "NEW"
            assert reply.headers["X-MBX-ORDER-COUNT-10S"] == "1"


async def test_a_client_that_does_not_read_is_dropped_and_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "BUFFERED_BYTES", 1_000_000)
    async with serve(world()) as venue, reading(f"{venue.market_url}/ws/btcusdt@trade") as quick:
        deaf = socket.create_connection(("127.0.0.1", venue.port))
        deaf.sendall(
            b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        while len(venue.outlets()) < 2:
            await quick.recv()
        slow = max(venue.outlets())
        for _ in range(1000):
            if slow not in venue.outlets():
                break
            venue.outlets()[slow].put(SendText(b"x" * 100_000, "filler"))
            await quick.recv()
        assert list(venue.outlets()) == [slow - 1]
        await quick.recv()
        deaf.close()


async def test_a_venue_that_minds_says_goodbye_to_a_client_that_does_not_read() -> None:
    """It is asked once, and cut off a moment later: it would not hear the goodbye."""
    many = World(
        venue="alpaca", scenario="calm", clock=SystemClock(), options=AlpacaOptions(slow_bytes=1000)
    )
    async with serve(many) as venue:
        deaf = socket.create_connection(("127.0.0.1", venue.port))
        deaf.sendall(
            b"GET /v2/test HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        async with asyncio.timeout(60):
            while not venue.outlets():
                await asyncio.sleep(0.01)
            (outlet,) = venue.outlets().values()
            while many.facade.links():
                outlet.put(SendText(b"x" * 100_000, "filler"))
                await asyncio.sleep(0)
            while venue.outlets():
                await asyncio.sleep(0.01)
        deaf.close()


async def test_a_port_in_use_is_one_clear_error(venue: Venue) -> None:
    with pytest.raises(ConfigError) as error:
        await serve(world(scenario=None), port=venue.port).start()
    assert str(error.value) == (
        f"port: found '127.0.0.1:{venue.port}', expected a port that nobody listens on"
    )


async def test_an_address_that_is_not_ours_is_one_clear_error() -> None:
    with pytest.raises(ConfigError, match="expected an address of this machine"):
        await serve(world(scenario=None), host="192.0.2.1").start()


async def test_a_world_in_virtual_time_cannot_be_served() -> None:
    with pytest.raises(ConfigError, match="SystemClock"):
        serve(World(scenario=None))


async def test_stopping_drops_everybody() -> None:
    venue = serve(world())
    await venue.start()
    async with reading(f"{venue.market_url}/ws/btcusdt@trade") as stream:
        await venue.stop()
        assert (await to_the_end(stream)).rcvd is None


def certificate(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Contexts for a server and for a client that trusts it."""
    key = generate_private_key(SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    begins = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begins)
        .not_valid_after(begins + datetime.timedelta(days=36_500))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, SHA256())
    )
    path = folder / "venue.pem"
    path.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + built.public_bytes(Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cafile=path)


async def test_tls(tmp_path: Path) -> None:
    server, trusting = certificate(tmp_path)
    async with serve(world(), host="localhost", ssl=server) as venue:
        assert venue.market_url.startswith("wss://localhost:")
        assert venue.http_url.startswith("https://localhost:")
        async with reading(f"{venue.market_url}/ws/btcusdt@trade", ssl=trusting) as stream:
            assert json.loads(await stream.recv())["e"] == "trade"


class Door:
    """A socket that can be full; what it was given, in order."""

    def __init__(self) -> None:
        self.given: list[object] = []
        self._room = asyncio.Event()
        self._room.set()

    @property
    def is_paused(self) -> bool:
        return not self._room.is_set()

    def pause(self) -> None:
        self._room.clear()

    async def resume(self) -> None:
        self._room.set()
        for _ in range(5):
            await asyncio.sleep(0)

    async def drain(self) -> None:
        await self._room.wait()

    def send(self, opcode: int, payload: bytes) -> None:
        self.given.append((opcode, payload))
        if payload == b"to the brim":
            self.pause()

    def close(self, code: int, reason: str) -> None:
        self.given.append((code, reason))

    def abort(self) -> None:
        self.given.append("aborted")


@pytest.fixture
async def door_and_outlet() -> AsyncIterator[tuple[Door, Outlet]]:
    door = Door()
    outlet = Outlet(cast(ServedSocket, door))
    writer = asyncio.create_task(outlet.write())
    await asyncio.sleep(0)
    yield door, outlet
    assert not writer.done()
    writer.cancel()


def text(word: bytes) -> SendText:
    return SendText(word, "x")


async def test_what_a_free_socket_takes_is_sent_at_once(
    door_and_outlet: tuple[Door, Outlet],
) -> None:
    door, outlet = door_and_outlet
    for action in (text(b"a"), SendPing(b"b"), SendPong(b"c"), Close(1001, "bye")):
        outlet.put(action)
    assert door.given == [(TEXT, b"a"), (PING, b"b"), (PONG, b"c"), (1001, "bye")]


async def test_nothing_overtakes_what_a_full_socket_left_waiting(
    door_and_outlet: tuple[Door, Outlet],
) -> None:
    door, outlet = door_and_outlet
    outlet.put(text(b"to the brim"))
    for action in (text(b"a"), SendPong(b"b"), text(b"to the brim"), Close(1000, "")):
        outlet.put(action)
    await asyncio.sleep(0)
    assert door.given == [(TEXT, b"to the brim")]
    resumed = asyncio.create_task(door.resume())
    await asyncio.sleep(0)  # there is room, and whoever writes has not heard of it yet
    assert not door.is_paused
    outlet.put(text(b"c"))
    await resumed
    queued: list[object] = [(TEXT, b"a"), (PONG, b"b"), (TEXT, b"to the brim")]
    assert door.given[1:] == queued  # full again, and the goodbye waits as well
    await door.resume()
    assert door.given[4:] == [(1000, ""), (TEXT, b"c")]  # which is the socket's to refuse
    outlet.put(text(b"d"))
    assert door.given[6:] == [(TEXT, b"d")]


async def test_who_is_too_far_behind_is_told_of_once() -> None:
    door, told = Door(), []
    outlet = Outlet(cast(ServedSocket, door), lambda: told.append("slow"), 3)
    door.pause()
    for word in (b"abc", b"d", b"e"):
        assert told == []
        outlet.put(text(word))
    for _ in range(3):
        await asyncio.sleep(0)
        outlet.put(text(b"f"))
    assert told == ["slow"]


async def test_a_cut_does_not_wait_for_a_full_socket(door_and_outlet: tuple[Door, Outlet]) -> None:
    door, outlet = door_and_outlet
    door.pause()
    outlet.put(text(b"a"))
    await asyncio.sleep(0)
    outlet.put(LinkCut())
    await door.resume()
    assert door.given == ["aborted"]


async def test_only_what_waits_counts_against_a_slow_client(
    door_and_outlet: tuple[Door, Outlet], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BUFFERED_BYTES", 10)
    door, outlet = door_and_outlet
    for _ in range(3):
        outlet.put(text(b"at once"))
        door.pause()
        outlet.put(text(b"waits"))
        outlet.put(text(b"also"))
        await door.resume()
    assert door.given == [(TEXT, b"at once"), (TEXT, b"waits"), (TEXT, b"also")] * 3
    door.pause()
    outlet.put(text(b"waits"))
    outlet.put(text(b"too much"))
    await door.resume()
    assert door.given[9:] == ["aborted"]
