"""An open WebSocket on picows, and what RFC 6455 asks of it beyond what picows checks.

House rules: a frame goes from the parser's buffer to the receiver in one call; what breaks the
protocol closes the connection with the code the standard names, and nothing that follows is heard;
pings are answered here and then told; the end is told once, as `ConnectionLost`.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any, NoReturn

import picows
from picows import WSCloseCode, WSFrame, WSMsgType, WSTransport

from pitwire.model.errors import ConnectionLost
from pitwire.wire.link import Buffer, Receiver
from pitwire.wire.text import TextCheck, is_text

GOODBYE_SECONDS = 1.0
"""How long the other side may take to answer our close."""

_TEXT, _BINARY, _MORE = WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION
_PING, _PONG = WSMsgType.PING, WSMsgType.PONG
_NAMED_CODES = frozenset((1000, 1001, 1002, 1003, *range(1007, 1015)))
"""Close codes of the standard and its registry that may be sent (RFC 6455 §7.4.1)."""
_OWN_CODES = range(3000, 5000)
"""Close codes of libraries and applications (RFC 6455 §7.4.2)."""


class WebSocketLink(picows.WSListener):
    """A `Link` over a socket; picows calls its `on_ws_…` methods."""

    def __init__(self, receiver: Receiver, *, max_frame: int, pongs_apart: float = 0.0) -> None:
        self._receiver = receiver
        self._on_frame = receiver.on_frame
        self._max_frame = max_frame
        self._pongs_apart = pongs_apart
        self._held_ping: bytes | None = None
        self._pong_timer: asyncio.TimerHandle | None = None
        self._transport: WSTransport
        self._parts: bytearray | None = None
        self._check: TextCheck | None = None
        self._plain = True
        """Whether a whole message may come next: none is half received, nothing has failed."""
        self._verdict: ConnectionLost | None = None
        """What the other side did wrong, once it has."""
        self._undrained = False
        self._stands = self._closing = self._over = self._parted = False

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """Where picows is to write what it does; the link learns of a verdict there in time."""
        return _Log(self)

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
        if (
            frame.msg_type is _TEXT
            and frame.fin
            and self._plain
            and not transport.is_close_frame_sent
            and not (frame.rsv1 or frame.rsv2 or frame.rsv3)
        ):
            # Up to 8 kB a copy costs less than a view does, and survives the call.
            payload = frame.get_payload_as_bytes()
            if payload.isascii() or is_text(payload):
                drained = frame.last_in_buffer
                self._undrained = not drained
                self._on_frame(payload, drained)
                return
            self._fail(WSCloseCode.INVALID_TEXT, "text that is not UTF-8 (RFC 6455 §8.1)")
        if self._hears(transport, frame):
            self._on_rare_frame(transport, frame)
        if frame.last_in_buffer and self._undrained:
            self._undrained = False
            self._receiver.on_drained()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if self._pong_timer is not None:
            self._pong_timer.cancel()
        if not self._over:
            self._over = True
            self._receiver.on_lost(self._ending(transport))

    def pause_writing(self) -> None:
        """The socket is full; what is written waits in its buffer."""

    def resume_writing(self) -> None:
        """The socket takes more again."""

    def on_parser_verdict(self) -> None:
        """A frame broke the protocol, and the goodbye that says so has not left yet."""
        shaken = self._transport.close_handshake if self._stands else None
        if self._verdict is not None or shaken is None or shaken.recv is None:
            return
        # The parser looks one frame ahead: what broke it came after a close, and that is
        # answered; the rest is nobody's (RFC 6455 §5.5.1). A close of code 0 looks the same here as
        # one without a code, so it is answered like that where another close follows at once.
        code = shaken.recv.code
        if code is WSCloseCode.NO_INFO or _may_be_sent(code):
            self._answer_close(self._transport, code)

    @property
    def socket(self) -> socket.socket:
        """What carries it, while it stands."""
        found: socket.socket = self._transport.underlying_transport.get_extra_info("socket")
        return found

    # ── Link ──

    def send(self, frame: bytes) -> None:
        """Send one text frame now."""
        if not self._transport.is_close_frame_sent:  # RFC 6455 §5.5.1: no data after a close
            self._transport.send(_TEXT, frame)

    def ping(self, payload: bytes = b"") -> None:
        """Ask for a sign of life."""
        if not self._transport.is_close_frame_sent:
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

    # ── frames that are not a whole text, or not in time ──

    def _hears(self, transport: WSTransport, frame: WSFrame) -> bool:
        """Whether this frame came before the end, whoever found that there is one."""
        if self._verdict is not None or self._parted:
            return False
        if self._closing or not transport.is_close_frame_sent:
            return True
        # The parser gave up at what follows: it looks one frame ahead, and goes on after it.
        return frame.last_in_buffer and frame.tail_size > 0

    def _on_rare_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            self._fail(WSCloseCode.PROTOCOL_ERROR, "a reserved bit is set (RFC 6455 §5.2)")
        kind = frame.msg_type
        if kind in (_TEXT, _BINARY, _MORE):
            self._on_part(frame)
        elif kind is _PING:
            self._on_ping(frame.get_payload_as_bytes())
        elif kind is _PONG:
            self._receiver.on_pong(frame.get_payload_as_bytes())
        else:
            self._on_close(transport, frame)

    def _on_part(self, frame: WSFrame) -> None:
        kind = frame.msg_type
        if (kind is _MORE) is (self._parts is None):
            self._fail(WSCloseCode.PROTOCOL_ERROR, "fragments out of order (RFC 6455 §5.4)")
        payload = frame.get_payload_as_bytes()
        if self._parts is None:
            if frame.fin:
                if kind is _TEXT and not is_text(payload):
                    self._fail(WSCloseCode.INVALID_TEXT, "text that is not UTF-8 (RFC 6455 §8.1)")
                self._hear(payload, frame)
                return
            self._plain, self._parts = False, bytearray()
            self._check = TextCheck() if kind is _TEXT else None
        if len(self._parts) + len(payload) > self._max_frame:
            reason = f"a message longer than {self._max_frame} bytes"
            self._fail(WSCloseCode.MESSAGE_TOO_BIG, reason)
        if self._check is not None and not self._check.goes_on(payload, ends=frame.fin):
            self._fail(WSCloseCode.INVALID_TEXT, "text that is not UTF-8 (RFC 6455 §8.1)")
        self._parts += payload
        if frame.fin:
            whole = bytes(self._parts)
            self._plain, self._parts, self._check = True, None, None
            self._hear(whole, frame)

    def _hear(self, message: bytes, frame: WSFrame) -> None:
        self._undrained = not frame.last_in_buffer
        self._on_frame(message, frame.last_in_buffer)

    def _on_close(self, transport: WSTransport, frame: WSFrame) -> None:
        code = frame.get_close_code()
        if frame.payload_size and not _may_be_sent(code):
            reason = f"close code {code.value} (RFC 6455 §7.4)"
            self._fail(WSCloseCode.PROTOCOL_ERROR, reason)
        self._parted, self._plain = True, False
        self._answer_close(transport, code)
        transport.disconnect()

    def _answer_close(self, transport: WSTransport, code: WSCloseCode) -> None:
        if not transport.is_close_frame_sent:
            transport.send_close(WSCloseCode.OK if code is WSCloseCode.NO_INFO else code)

    def _fail(self, code: WSCloseCode, reason: str) -> NoReturn:
        """Raise what makes picows close with this code, as it does for what it finds itself."""
        self._plain = False
        self._verdict = ConnectionLost(code=code.value, reason=reason)
        raise picows.WSProtocolError(code, reason)

    def _ending(self, transport: WSTransport) -> ConnectionLost:
        if self._verdict is not None:
            return self._verdict
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

    # ── pings ──

    def _on_ping(self, payload: bytes) -> None:
        # RFC 6455 §5.5.3: of several that are not answered yet, the newest may stand for all.
        if self._pong_timer is not None:
            self._held_ping = payload
            return
        self._pong(payload)

    def _pong(self, payload: bytes) -> None:
        if self._over or self._transport.is_close_frame_sent:
            return
        self._transport.send_pong(payload)
        if self._pongs_apart:
            loop = asyncio.get_running_loop()
            self._pong_timer = loop.call_later(self._pongs_apart, self._pong_again)
        self._receiver.on_ping(payload)

    def _pong_again(self) -> None:
        self._pong_timer = None
        held, self._held_ping = self._held_ping, None
        if held is not None:
            self._pong(held)


class _Log(logging.LoggerAdapter[logging.Logger]):
    """picows's log. An error of its parser is written here before the goodbye is sent: no callback
    of picows comes as early."""

    def __init__(self, link: WebSocketLink) -> None:
        super().__init__(logging.getLogger("picows.client"))
        self._link = link

    def error(self, msg: object, *args: object, **more: Any) -> None:
        self._link.on_parser_verdict()
        super().error(msg, *args, **more)


def _may_be_sent(code: WSCloseCode) -> bool:
    return code.value in _NAMED_CODES or code.value in _OWN_CODES


def _unheard(frame: Buffer, drained: bool) -> None:
    """Nobody listens."""
