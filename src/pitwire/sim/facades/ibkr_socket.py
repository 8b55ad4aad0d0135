"""The gateway's WebSocket: who is let in, the first frames, heartbeats, and commands (ibkr §8).

House rules: what a client sends is plain text, `TOPIC[+TARGET…]+{JSON}`; what it is sent is one
JSON object a frame; a socket that has not shown a session hears of nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.sim.facades.facade import Action, Close, SendText
from pitwire.sim.facades.ibkr_office import Office
from pitwire.sim.facades.ibkr_session import IbkrSession
from pitwire.sim.facades.ibkr_text import encode

CONTROL = "control"
_STATUS = ("connected", "authenticated", "established", "competing", "message")
_COOKIES = ("x-sess-uuid",)
"""Cookies that the gateway sets itself."""


class Socket:
    """One WebSocket as the gateway sees it."""

    def __init__(self, link: int, send: Callable[[int, Action], None], now: int) -> None:
        self.link = link
        self._send = send
        self.is_in = False
        """Whether it has shown the session."""
        self.heard = now
        self.streams: dict[str, Any] = {}
        """What it hears, by a name that its commands give it; whoever fills it knows the kind."""

    def tell(self, frame: Mapping[str, object], stream: str = CONTROL) -> None:
        """Send it one object."""
        self._send(self.link, SendText(encode(frame), stream))


class Command(msgspec.Struct, frozen=True):
    """What a client sent, taken apart."""

    topic: str
    targets: tuple[str, ...]
    args: Mapping[str, Any]

    @property
    def target(self) -> str:
        """The first one; raises `CommandError` where there is none."""
        if not self.targets:
            raise CommandError(f"{self.topic}: no target")
        return self.targets[0]

    def flag(self, *names: str) -> bool:
        """Whether an argument of any of these names is true."""
        return any(self.args.get(name) is True for name in names)


class CommandError(Exception):
    """A command that cannot be done; its text goes to the client (texts unconfirmed)."""


Handler = Callable[[Socket, Command, int], None]


class Sockets:
    """All of them."""

    def __init__(
        self,
        office: Office,
        session: IbkrSession,
        *,
        send: Callable[[int, Action], None],
        hear: Callable[[int], None],
        drop: Callable[[Socket], None],
    ) -> None:
        self._office = office
        self._session = session
        self._send = send
        self._hear = hear
        """Told that a client of the session is alive."""
        self._drop = drop
        """Told of a socket that is no more."""
        self._sockets: dict[int, Socket] = {}
        self._commands: dict[str, Handler] = {"tic": self._tic, "ech": self._tic}

    def on(self, topic: str, handler: Handler) -> None:
        """Who does what this topic asks for."""
        self._commands[topic] = handler

    def links(self) -> list[int]:
        return list(self._sockets)

    def all(self) -> list[Socket]:
        """Those that are let in."""
        return [socket for socket in self._sockets.values() if socket.is_in]

    def tell_all(self, frame: Mapping[str, object]) -> None:
        """Send everybody one object."""
        for socket in self.all():
            socket.tell(frame)

    # -- a socket's life

    def has_room(self) -> bool:
        """Whether one more may be there."""
        most = self._office.options.sockets_per_session
        return not most or len(self._sockets) < most

    def open(self, link: int, headers: Mapping[str, str], now: int) -> None:
        """A client has connected; its cookie may show the session."""
        socket = self._sockets[link] = Socket(link, self._send, now)
        if self._session.logged_in and shows(headers.get("cookie", ""), self._session.id):
            self._let_in(socket, now)
        else:
            socket.tell({"message": "waiting for session"})
        self._watch(socket, now)

    def close(self, link: int, code: int, reason: str) -> None:
        """Hang up."""
        if link in self._sockets:
            self._send(link, Close(code, reason))
            self.forget(link)

    def forget(self, link: int) -> None:
        """It has gone."""
        socket = self._sockets.pop(link, None)
        if socket is not None:
            self._drop(socket)

    def stir(self, link: int, now: int) -> bool:
        """A sign of life; whether there is such a socket."""
        socket = self._sockets.get(link)
        if socket is not None:
            socket.heard = now
        return socket is not None

    def receive(self, link: int, text: bytes, now: int) -> None:
        """A command."""
        socket = self._sockets.get(link)
        if socket is None:
            return
        socket.heard = now
        if not socket.is_in:
            self._identify(socket, text, now)
            return
        try:
            command = read_command(text)
            handler = self._commands.get(command.topic)
            if handler is None:
                raise CommandError(f"unknown topic: {command.topic}")
            handler(socket, command, now)
        except CommandError as error:
            socket.tell({"topic": "error", "error": str(error)})

    # -- inside

    def _identify(self, socket: Socket, text: bytes, now: int) -> None:
        try:
            found = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError):
            found = None
        shown = found.get("session") if isinstance(found, dict) else None
        if self._session.logged_in and shown == self._session.id:
            self._let_in(socket, now)
        else:
            socket.tell({"message": "waiting for session"})

    def _let_in(self, socket: Socket, now: int) -> None:
        """ibkr §8.1: the burst, in this order."""
        options, session = self._office.options, self._session
        socket.is_in = True
        socket.tell({"topic": "system", "success": options.user, "isFT": False,
                     "isPaper": options.is_paper})  # fmt: skip
        socket.tell({"topic": "act", "args": self._office.accounts_shown(session.id)})
        status = session.status(now)
        args = {name: status[name] for name in _STATUS}
        args |= {"fail": "", "serverName": options.server_name,
                 "serverVersion": options.server_version, "username": options.user}  # fmt: skip
        socket.tell({"topic": "sts", "args": args})
        self._beat(socket, now)

    def _beat(self, socket: Socket, now: int) -> None:
        """The heartbeat that is due next, and all that follow it."""
        span = round(self._office.options.heartbeat_seconds * SECOND)

        def beat(at: int) -> None:
            if self._sockets.get(socket.link) is socket:
                socket.tell({"topic": "system", "hb": at // MILLISECOND}, "hb")
                self._office.timers.set(at + span, beat)

        self._office.timers.set(now + span, beat)

    def _watch(self, socket: Socket, now: int) -> None:
        """Close it once its client has been silent for too long."""
        span = round(self._office.options.silent_seconds * SECOND)
        if not span:
            return

        def look(at: int) -> None:
            if self._sockets.get(socket.link) is not socket:
                return
            if at >= socket.heard + span:
                self.close(socket.link, 1000, "")
            else:
                self._office.timers.set(socket.heard + span, look)

        self._office.timers.set(now + span, look)

    def _tic(self, socket: Socket, command: Command, now: int) -> None:
        """`tic` keeps the socket; the session is kept by `/tickle`."""
        self._hear(now)
        frame = {"topic": "tic", "alive": True, "id": self._session.id,
                 "lastAccessed": now // MILLISECOND}  # fmt: skip
        for _ in range(self._office.options.tic_copies):
            socket.tell(frame)


def read_command(text: bytes) -> Command:
    """Take a frame apart; raises `CommandError`."""
    try:
        whole = text.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise CommandError("not text") from None
    head, brace, rest = whole.partition("{")
    args: Any = {}
    if brace:
        try:
            args = msgspec.json.decode(brace + rest)
        except msgspec.DecodeError:
            raise CommandError(f"invalid arguments: {brace}{rest}") from None
    topic, *targets = [part for part in head.split("+") if part] or [""]
    return Command(topic, tuple(targets), args)


def shows(cookie: str, session: str) -> bool:
    """Whether a cookie header names the session: bare, as JSON, or by the gateway's own cookie."""
    for part in cookie.split(";"):
        name, _, value = part.strip().partition("=")
        if name in _COOKIES and value == own_cookie(session):
            return True
        if name != "api":
            continue
        value = value.strip().strip('"') if not value.startswith("{") else value
        if value == session:
            return True
        try:
            found = msgspec.json.decode(value)
        except msgspec.DecodeError:
            continue
        if isinstance(found, dict) and found.get("session") == session:
            return True
    return False


def own_cookie(session: str) -> str:
    """What the gateway sets (ibkr §3)."""
    return f"0.{session[:8]}"


def texts(args: Mapping[str, Any], name: str) -> list[str]:
    """A list of an argument, of numbers or text; none where it is no list."""
    found = args.get(name)
    return [str(value) for value in found] if isinstance(found, list) else []
