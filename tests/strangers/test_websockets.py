"""A plain WebSocket client meets the simulated Binance: manners, closing codes, TLS."""

from __future__ import annotations

import datetime
import ipaddress
import json
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from pitwire.model.clock import SystemClock
from pitwire.sim.serve import serve
from pitwire.sim.world import World
from tests import unhurried
from tests.strangers.place import ACCOUNTS, Place, until


def opened(url: str, **options: Any) -> connect:
    """Dial with an unbounded queue: a full one would hold up the client's own closing."""
    return connect(url, max_queue=None, **options)


async def heard(socket: ClientConnection) -> Any:
    return json.loads(await socket.recv())


async def asked(socket: ClientConnection, **request: Any) -> Any:
    """The answer to a control request; data may come first."""
    await socket.send(json.dumps(request))
    return (await until(lambda: heard(socket), lambda frame: "id" in frame))[-1]


async def test_streams_are_controlled_on_an_open_socket(lively: Place) -> None:
    async with opened(f"{lively.venue.market_url}/ws") as socket:
        names = ["btcusdt@trade", "btcusdt@bookTicker"]
        assert await asked(socket, method="SUBSCRIBE", params=names, id=1) == {
            "result": None,
            "id": 1,
        }
        await until(lambda: heard(socket), lambda frame: frame.get("e") == "trade")
        assert (await asked(socket, method="LIST_SUBSCRIPTIONS", id="two"))["result"] == names
        wrong = await asked(socket, method="SUBSCRIBE", params=["nonsense"], id=3)
        assert wrong["error"]["msg"] == "Invalid request: invalid stream"
        await asked(socket, method="UNSUBSCRIBE", params=names, id=4)


async def test_a_combined_socket_wraps_what_it_carries(lively: Place) -> None:
    url = f"{lively.venue.market_url}/stream?streams=btcusdt@trade/ethusdt@trade"
    async with opened(url) as socket:
        seen: set[str] = set()

        def both(frame: Any) -> bool:
            seen.add(frame["stream"])
            return seen == {"btcusdt@trade", "ethusdt@trade"}

        frames = await until(lambda: heard(socket), both)
    assert all(frame["data"]["e"] == "trade" for frame in frames)


async def test_the_websocket_api_answers_without_compression(empty: Place) -> None:
    """The client offers permessage-deflate; the venue need not accept."""
    async with opened(empty.venue.orders_url) as socket:
        assert not socket.protocol.extensions
        answer = await asked(socket, id="a-1", method="ping")
        assert (answer["id"], answer["status"], answer["result"]) == ("a-1", 200, {})


async def test_a_ping_is_answered(empty: Place) -> None:
    async with opened(f"{empty.venue.market_url}/ws") as socket:
        await (await socket.ping("are you there"))


@unhurried.alone
async def test_too_many_messages_end_the_connection() -> None:
    world = World(seed=21, scenario=None, clock=unhurried.RunningClock(), accounts=ACCOUNTS)
    async with serve(world) as venue, opened(f"{venue.market_url}/ws") as socket:
        for number in range(6):
            await socket.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": number}))
        with pytest.raises(ConnectionClosed) as closed:
            await until(lambda: heard(socket), lambda _: False)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1008, "Too many requests")


async def test_an_unknown_path_is_refused(empty: Place) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"{empty.venue.market_url}/nowhere")
    assert refused.value.response.status_code == 404


async def test_tls(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)
    mine = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    mine.load_cert_chain(certificate)
    theirs = ssl.create_default_context(cafile=str(certificate))
    world = World(seed=22, scenario="calm", clock=SystemClock(), accounts=ACCOUNTS)
    async with serve(world, ssl=mine) as venue:
        assert venue.market_url.startswith("wss://127.0.0.1:")
        url = f"{venue.market_url}/ws/btcusdt@trade"
        async with opened(url, ssl=theirs) as socket:
            await until(lambda: heard(socket), lambda frame: frame["e"] == "trade")


def self_signed(folder: Path) -> Path:
    """A certificate for 127.0.0.1 with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "simulated venue")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    path = folder / "venue.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path
