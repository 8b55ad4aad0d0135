"""Opening a WebSocket, on picows.

House rules: every way a connection can fail to open is a `DialFailed` with a cause that a person
understands.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from copy import copy
from typing import Protocol
from urllib.parse import urlsplit

import picows
from picows import WSTransport

from pitwire.model.clock import Clock, SystemClock
from pitwire.model.errors import DialFailed
from pitwire.wire.link import Link, Receiver
from pitwire.wire.names import Address, Names, is_on_this_machine
from pitwire.wire.refusals import failed, refused
from pitwire.wire.websocket_link import WebSocketLink

WITHIN_SECONDS = 5.0
MAX_FRAME = 16 * 1024 * 1024


class WebSocketDialer:
    """A `Dial` over real sockets."""

    def __init__(
        self,
        *,
        within_seconds: float = WITHIN_SECONDS,
        max_frame: int = MAX_FRAME,
        ssl_context: ssl.SSLContext | None = None,
        headers: Mapping[str, str] | None = None,
        proxy: str | None = None,
        pongs_apart_seconds: float | None = None,
        names: Names | None = None,
        plain_text: bool = False,
        clock: Clock | None = None,
    ) -> None:
        """How connections are opened.

        Args:
            within_seconds: for all of it: name, socket, TLS and upgrade.
            max_frame: bytes of a message that is too long to be taken in.
            ssl_context: whom to trust; the system's authorities by default.
            headers: sent with the upgrade.
            proxy: `http://`, `socks5://` and the like, which then also looks names up.
            pongs_apart_seconds: the least time between two answers to pings; those that come
                faster are answered together, by the newest. None leaves it to the venue's limits.
            names: who looks names up.
            plain_text: whether `ws://` may lead to other machines.
            clock: tells how far off a date is, where an answer that names one has none itself.
        """
        self._within_seconds = within_seconds
        self._max_frame = max_frame
        self._ssl_context = ssl_context
        self._headers = headers
        self._proxy = proxy
        self._pongs_apart = pongs_apart_seconds
        self._names = names or Names()
        self._plain_text = plain_text
        self._clock = clock or SystemClock()
        self._watches: set[asyncio.Task[None]] = set()

    def with_pongs_apart(self, seconds: float) -> WebSocketDialer:
        """The same dialer, with this least time between two pongs unless it has one already."""
        if self._pongs_apart is not None:
            return self
        dialer = copy(self)
        dialer._pongs_apart = seconds
        return dialer

    def with_headers(self, headers: Mapping[str, str]) -> WebSocketDialer:
        """The same dialer, which sends these with the upgrade as well."""
        dialer = copy(self)
        dialer._headers = {**(self._headers or {}), **headers}
        return dialer

    async def __call__(self, url: str, receiver: Receiver) -> Link:
        """Open a connection to `url`; raises `DialFailed` with the cause."""
        address = url.partition("?")[0]
        demand_secure(url, "ws", plain_text=self._plain_text)
        link = WebSocketLink(
            receiver, max_frame=self._max_frame, pongs_apart=self._pongs_apart or 0.0
        )
        try:
            transport, stands = await self._connect(url, link)
        except TimeoutError as error:
            cause = str(error) or f"no answer within {self._within_seconds:g} s"
            raise DialFailed(address=address, cause=cause, kind="silent") from None
        except picows.WSHandshakeError as error:
            raise refused(address, error, self._clock.now()) from None
        except (OSError, ValueError, picows.WSError) as error:
            raise failed(address, error) from None
        if not stands:
            cause = "the server closed during the upgrade"
            raise DialFailed(address=address, cause=cause, kind="closed")
        watch = asyncio.get_running_loop().create_task(_outlive(transport))
        self._watches.add(watch)
        watch.add_done_callback(self._watches.discard)
        return link

    async def _connect(self, url: str, link: WebSocketLink) -> tuple[WSTransport, bool]:
        try:
            async with asyncio.timeout(self._within_seconds):
                transport, listener = await picows.ws_connect(
                    lambda: link,
                    url,
                    logger_name=link.log,
                    ssl_context=self._ssl_context,
                    # picows lets the socket of a dial that is cancelled live; this ends it.
                    websocket_handshake_timeout=self._within_seconds,
                    enable_auto_pong=False,
                    max_frame_size=self._max_frame,
                    max_redirects=0,
                    extra_headers=self._headers,
                    proxy=self._proxy,
                    socket_factory=None if self._proxy else self._socket,
                )
        except BaseException:
            link.give_up()
            raise
        return transport, listener is link

    async def _socket(self, url: _Url) -> socket.socket:
        """A socket that is connected to one of the addresses of a name."""
        addresses = await self._names.addresses(url.host)
        for place, address in enumerate(addresses):
            others = len(addresses) - place - 1
            try:
                within = self._within_seconds / (2 * len(addresses)) if others else None
                opened = await _connected(address, url.port, within)
            except OSError:
                if not others:
                    raise
            else:
                self._names.served(url.host, address)
                return opened
        raise socket.gaierror(socket.EAI_NONAME, "no address")


class _Url(Protocol):
    """What picows knows about an address."""

    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int: ...


def demand_secure(url: str, scheme: str, *, plain_text: bool) -> None:
    """Raise `DialFailed` for a plain address (of this scheme) that leads to another machine."""
    parts = urlsplit(url)
    if plain_text or parts.scheme != scheme or is_on_this_machine(parts.hostname or ""):
        return
    cause = f"{scheme}:// is readable on the way, expected {scheme}s:// beyond this machine"
    raise DialFailed(address=url.partition("?")[0], cause=cause, kind="address")


async def _connected(address: Address, port: int, within_seconds: float | None) -> socket.socket:
    family, host = address
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setblocking(False)
        async with asyncio.timeout(within_seconds):
            await asyncio.get_running_loop().sock_connect(opened, (host, port))
    except BaseException:
        opened.close()
        raise
    return opened


async def _outlive(transport: WSTransport) -> None:
    """Take up what picows keeps for whoever waits for the end; `on_lost` has told it already."""
    try:
        await transport.wait_disconnected()
    except (picows.WSError, OSError):
        return
