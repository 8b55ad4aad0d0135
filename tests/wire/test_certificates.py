"""Certificates that must not be trusted: refused, classed, and not one byte of ours sent."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pitwire.model.errors import DialFailed
from pitwire.model.recovery import Halt, Reconnect, recovery_for
from pitwire.wire.http import HttpClient
from pitwire.wire.websocket import WebSocketDialer
from tests.wire.test_websocket import Recorder

NOW = datetime.now(UTC)
NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority of this test")])
Key = ec.EllipticCurvePrivateKey


def signed(key: Key, by: Key, *, days: int, names: list[x509.GeneralName] | None) -> bytes:
    """A certificate that begins thirty days ago and ends in so many; without names an authority."""
    made = (
        x509.CertificateBuilder()
        .subject_name(NAME if names is None else x509.Name([]))
        .issuer_name(NAME)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=30))
        .not_valid_after(NOW + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=names is None, path_length=None), critical=True)
    )
    if names is not None:
        made = made.add_extension(x509.SubjectAlternativeName(names), critical=True)
    return made.sign(by, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


class Authority:
    """Signs what a server shows, and says how to trust it."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._key = folder, ec.generate_private_key(ec.SECP256R1())
        self.trust = ssl.create_default_context(
            cadata=signed(self._key, self._key, days=30, names=None).decode()
        )

    def serves(self, *, days: int = 30, host: str = "127.0.0.1") -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.IPAddress(ip_address(host))]
        path = self._folder / "server.pem"
        path.write_bytes(
            signed(key, self._key, days=days, names=names)
            + key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


@contextmanager
def quiet(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """The server's own complaint about a handshake that we broke off."""
    loop.set_exception_handler(lambda _loop, _context: None)
    try:
        yield
    finally:
        loop.set_exception_handler(None)


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ({"days": -1}, "certificate has expired"),
        ({"host": "127.0.0.2"}, "IP address mismatch"),
    ],
)
async def test_a_wrong_certificate_is_refused_before_anything_is_sent(
    shown: dict[str, int | str], said: str, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    read: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        read.append(await reader.read(1))
        writer.close()

    context = authority.serves(**shown)  # type: ignore[arg-type]
    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    dialer = WebSocketDialer(ssl_context=authority.trust)
    http = HttpClient(ssl_context=authority.trust)
    with quiet(asyncio.get_running_loop()):
        with pytest.raises(DialFailed) as caught:
            await dialer(f"wss://127.0.0.1:{port}/ws", Recorder())
        with pytest.raises(DialFailed, match="TLS certificate refused"):
            await http.fetch("GET", f"https://127.0.0.1:{port}/", {"X-KEY": "secret"}, b"")
        await http.close()
        server.close()
        await server.wait_closed()
    assert caught.value.kind == "certificate"
    assert said in caught.value.cause
    assert [byte for byte in read if byte] == []
    recovery = recovery_for(caught.value, delay_seconds=1.0)
    assert isinstance(recovery, Reconnect)
    assert not isinstance(recovery, Halt)


async def test_an_authority_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    server = await asyncio.start_server(
        lambda _reader, writer: writer.close(), "127.0.0.1", 0, ssl=Authority(tmp_path).serves()
    )
    port = server.sockets[0].getsockname()[1]
    stranger = Authority(tmp_path)
    dialer = WebSocketDialer(ssl_context=stranger.trust)
    with quiet(asyncio.get_running_loop()):
        with pytest.raises(DialFailed, match="certificate") as caught:
            await dialer(f"wss://127.0.0.1:{port}/ws", Recorder())
        server.close()
        await server.wait_closed()
    assert caught.value.kind == "certificate"
