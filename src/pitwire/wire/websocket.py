"""The client WebSocket, on picows.

House rules: a frame goes from the parser's buffer to the receiver in one call; pings are answered
here and then told; every way a connection can fail to open is a `DialFailed` with a cause that a
person understands, every way it can end is one `ConnectionLost`.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

import picows
from picows import WSCloseCode, WSFrame, WSMsgType, WSTransport

from pitwire.model.errors import ConnectionLost, DialFailed
from pitwire.wire.link import Buffer, Link, Receiver

WITHIN_SECONDS = 5.0
MAX_FRAME = 16 * 1024 * 1024
GOODBYE_SECONDS = 1.0
"""How long the other side may take to answer our close."""

_TEXT, _BINARY, _MORE = WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION
_PING, _PONG = WSMsgType.PING, WSMsgType.PONG


class WebSocketLink(picows.WSListener):
    """A `Link` over a socket; picows calls its `on_ws_…` methods."""

    def __init__(self, receiver: Receiver, max_frame: int) -> None:
        self._receiver = receiver
        self._on_frame = receiver.on_frame
        self._max_frame = max_frame
        self._transport: WSTransport
        self._parts: bytearray | None = None
        self._undrained = False
        self._stands = False
        self._closing = False
        self._over = False

    def give_up(self) -> None:
        """The dial has failed: an upgrade that comes late, or has just come, finds nobody."""
        self._over = True
        self._on_frame = _unheard
        if self._stands:
            self._transport.disconnect(False)

    # ── what picows calls ──

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport, self._stands = transport, True
        if self._over:
            transport.disconnect(False)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is _TEXT and frame.fin and self._parts is None:
            drained = frame.last_in_buffer
            self._undrained = not drained
            # Up to 8 kB a copy costs less than a view does, and survives the call.
            self._on_frame(frame.get_payload_as_bytes(), drained)
        else:
            self._on_rare_frame(transport, frame)
            if frame.last_in_buffer and self._undrained:
                self._undrained = False
                self._receiver.on_drained()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if not self._over:
            self._over = True
            self._receiver.on_lost(self._ending(transport))

    def pause_writing(self) -> None:
        """The socket is full; what is written waits in its buffer."""

    def resume_writing(self) -> None:
        """The socket takes more again."""

    # ── Link ──

    def send(self, frame: bytes) -> None:
        """Send one text frame now."""
        self._transport.send(_TEXT, frame)

    def ping(self, payload: bytes = b"") -> None:
        """Ask for a sign of life."""
        self._transport.send_ping(payload)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye and give the other side a moment to answer."""
        if self._closing or self._over:
            return
        self._closing = True
        self._transport.send_close(WSCloseCode(code), reason.encode())
        asyncio.get_running_loop().call_later(GOODBYE_SECONDS, self._transport.disconnect, False)

    def abort(self) -> None:
        """Drop the socket at once."""
        self._transport.disconnect(False)

    def pause_reading(self) -> None:
        """Leave what comes in the kernel's buffer, and so in the sender's."""
        if not self._over:
            self._transport.underlying_transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        if not self._over:
            self._transport.underlying_transport.resume_reading()

    # ── frames that are not a whole text ──

    def _on_rare_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind in (_TEXT, _BINARY, _MORE):
            self._on_part(transport, frame)
        elif kind is _PING:
            payload = frame.get_payload_as_bytes()
            transport.send_pong(payload)
            self._receiver.on_ping(payload)
        elif kind is _PONG:
            self._receiver.on_pong(frame.get_payload_as_bytes())
        else:
            if not transport.is_close_frame_sent:
                transport.send_close(_echo(frame.get_close_code()))
            transport.disconnect()

    def _on_part(self, transport: WSTransport, frame: WSFrame) -> None:
        begins = frame.msg_type is not _MORE
        if begins is (self._parts is not None):
            raise picows.WSProtocolError(
                WSCloseCode.PROTOCOL_ERROR, "fragments out of order (RFC 6455 §5.4)"
            )
        if begins and frame.fin:
            self._undrained = not frame.last_in_buffer
            self._on_frame(frame.get_payload_as_bytes(), frame.last_in_buffer)
            return
        parts = self._parts = bytearray() if self._parts is None else self._parts
        parts += frame.get_payload_as_memoryview()
        if len(parts) > self._max_frame:
            raise picows.WSProtocolError(
                WSCloseCode.MESSAGE_TOO_BIG, f"a message longer than {self._max_frame} bytes"
            )
        if frame.fin:
            self._parts = None
            self._undrained = not frame.last_in_buffer
            self._on_frame(bytes(parts), frame.last_in_buffer)

    def _ending(self, transport: WSTransport) -> ConnectionLost:
        shaken = transport.close_handshake
        if shaken is not None and shaken.recv is not None:
            code = shaken.recv.code.value or 1005
            clean = shaken.sent is not None
            return ConnectionLost(code=code, reason=shaken.recv.reason or "", clean=clean)
        if shaken is not None and shaken.sent is not None and not self._closing:
            # The parser gave up: its verdict is the reason.
            return ConnectionLost(code=shaken.sent.code.value, reason=shaken.sent.reason or "")
        why = "no answer to our close" if self._closing else "connection broken"
        return ConnectionLost(code=1006, reason=why)


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
    ) -> None:
        self._within_seconds = within_seconds
        self._max_frame = max_frame
        self._ssl_context = ssl_context
        self._headers = headers
        self._proxy = proxy
        self._watches: set[asyncio.Task[None]] = set()

    async def __call__(self, url: str, receiver: Receiver) -> Link:
        """Open a connection to `url`; raises `DialFailed` with the cause."""
        address = url.partition("?")[0]
        link = WebSocketLink(receiver, self._max_frame)
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


def _unheard(frame: Buffer, drained: bool) -> None:
    """Nobody listens."""


def _echo(code: WSCloseCode) -> WSCloseCode:
    return code if code.value else WSCloseCode.OK


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
