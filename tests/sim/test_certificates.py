"""A certificate authority of this machine's own."""

from __future__ import annotations

import ssl

import aiohttp
import pytest

from pitwire.model.clock import SystemClock
from pitwire.sim.certificates import LocalAuthority, local_authority
from pitwire.sim.serve import serve
from pitwire.sim.world import World


@pytest.fixture(scope="module")
def authority() -> LocalAuthority:
    return local_authority(SystemClock().now())


def world() -> World:
    return World(seed=3, scenario=None, clock=SystemClock())


async def test_who_trusts_it_is_served_over_tls(authority: LocalAuthority) -> None:
    async with serve(world(), ssl=authority.server) as venue, aiohttp.ClientSession() as session:
        assert venue.http_url.startswith("https://127.0.0.1:")
        for url in (venue.http_url, venue.http_url.replace("127.0.0.1", "localhost")):
            async with session.get(f"{url}/api/v3/ping", ssl=authority.client()) as answer:
                assert await answer.json() == {}
        async with session.ws_connect(f"{venue.market_url}/ws", ssl=authority.client()) as socket:
            await socket.send_str('{"method":"LIST_SUBSCRIPTIONS","id":1}')
            assert await socket.receive_json() == {"result": [], "id": 1}


async def test_who_does_not_trust_it_gets_no_connection(authority: LocalAuthority) -> None:
    stranger = local_authority(SystemClock().now()).client()
    async with serve(world(), ssl=authority.server) as venue, aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await session.get(f"{venue.http_url}/api/v3/ping", ssl=stranger)


async def test_one_venue_with_and_without_tls(authority: LocalAuthority) -> None:
    async with (
        serve(world(), ssl=authority.server, plain=True) as venue,
        aiohttp.ClientSession() as session,
    ):
        streams, _, http = venue.plain_urls
        assert http != venue.http_url.replace("https", "http")
        async with session.get(f"{http}/api/v3/ping") as answer:
            assert await answer.json() == {}
        async with session.ws_connect(f"{streams}/ws") as socket:
            await socket.send_str('{"method":"LIST_SUBSCRIPTIONS","id":1}')
            assert await socket.receive_json() == {"result": [], "id": 1}


async def test_without_tls_both_are_the_same() -> None:
    async with serve(world(), plain=True) as venue:
        assert venue.plain_urls == (venue.market_url, venue.orders_url, venue.http_url)


def test_strict_readers_accept_it(authority: LocalAuthority) -> None:
    """Newer interpreters check the form of every certificate as well."""
    context = authority.client()
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT
    server = ssl.MemoryBIO(), ssl.MemoryBIO()
    mine = context.wrap_bio(*server, server_hostname="localhost")
    theirs = authority.server.wrap_bio(server[1], server[0], server_side=True)
    done: set[str] = set()
    for _ in range(6):
        for name, side in (("client", mine), ("server", theirs)):
            if name in done:
                continue
            try:
                side.do_handshake()
                done.add(name)
            except ssl.SSLWantReadError:
                pass
    assert done == {"client", "server"}
