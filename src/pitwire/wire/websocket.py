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
from urllib.parse import urlsplit

import picows
from picows import WSTransport

from pitwire.model.errors import DialFailed
from pitwire.wire.link import Link, Receiver
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
    ) -> None:
        """`pongs_apart_seconds`: the least time between two answers to pings; those that come
        faster are answered together, by the newest. None leaves it to the venue's limits.
        """
        self._within_seconds = within_seconds
        self._max_frame = max_frame
        self._ssl_context = ssl_context
        self._headers = headers
        self._proxy = proxy
        self._pongs_apart = pongs_apart_seconds
        self._watches: set[asyncio.Task[None]] = set()

    def with_pongs_apart(self, seconds: float) -> WebSocketDialer:
        """The same dialer, with this least time between two pongs unless it has one already."""
        if self._pongs_apart is not None:
            return self
        dialer = copy(self)
        dialer._pongs_apart = seconds
        return dialer

    async def __call__(self, url: str, receiver: Receiver) -> Link:
        """Open a connection to `url`; raises `DialFailed` with the cause."""
        address = url.partition("?")[0]
        link = WebSocketLink(
            receiver, max_frame=self._max_frame, pongs_apart=self._pongs_apart or 0.0
        )
        try:
            transport, stands = await self._connect(url, link)
        except TimeoutError:
            cause = f"no answer within {self._within_seconds:g} s"
            raise DialFailed(address=address, cause=cause) from None
        except picows.WSHandshakeError as error:
            raise _refused(address, error) from error
        except (OSError, ValueError, picows.WSError) as error:
            raise DialFailed(address=address, cause=_cause(error, url)) from error
        if not stands:
            raise DialFailed(address=address, cause="the server closed during the upgrade")
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
                    ssl_context=self._ssl_context,
                    # picows lets the socket of a dial that is cancelled live; this ends it.
                    websocket_handshake_timeout=self._within_seconds,
                    enable_auto_pong=False,
                    max_frame_size=self._max_frame,
                    max_redirects=0,
                    extra_headers=self._headers,
                    proxy=self._proxy,
                )
        except BaseException:
            link.give_up()
            raise
        return transport, listener is link


async def _outlive(transport: WSTransport) -> None:
    """Take up what picows keeps for whoever waits for the end; `on_lost` has told it already."""
    try:
        await transport.wait_disconnected()
    except (picows.WSError, OSError):
        return


def _refused(address: str, error: picows.WSHandshakeError) -> DialFailed:
    answer = error.response
    if answer is None:
        head = (error.raw_header or b"").split(b"\r\n")[0][:60].decode("utf-8", "replace")
        return DialFailed(address=address, cause=f"not an HTTP answer: {head!r}")
    status = int(answer.status)
    if status == 101:
        return DialFailed(address=address, cause=f"a wrong upgrade: {error}", status=status)
    kind = answer.headers.get("Content-Type", "").partition(";")[0]
    cause = f"HTTP {status} {answer.status.phrase}" + (f" ({kind})" if kind else "")
    return DialFailed(
        address=address,
        cause=f"{cause} instead of an upgrade",
        status=status,
        retry_after_seconds=_retry_after(answer.headers.get("Retry-After", "")),
    )


def _retry_after(text: str) -> float | None:
    # The other form, an HTTP date, would need a clock; our own backoff serves as well.
    return float(text) if text.isascii() and text.strip().isdigit() else None


def _cause(error: Exception, url: str) -> str:
    match error:
        case socket.gaierror():
            return f"name not found: {urlsplit(url).hostname}"
        case ssl.SSLCertVerificationError():
            return f"TLS certificate refused: {error.verify_message}"
        case ssl.SSLError():
            return f"TLS failed: {error.reason or error}"
        case ConnectionRefusedError():
            return "connection refused"
        case ConnectionResetError() | BrokenPipeError():
            return "the server closed during the upgrade"
        case OSError(strerror=str(why)):
            return why.lower()
    return str(error) or type(error).__name__
