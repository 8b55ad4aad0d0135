"""The simulated Binance: connections, heartbeats, and the two doors behind them (binance §1, §2).

House rules: written from the venue's papers alone; bytes and facts in, bytes and commands out;
time comes in as `now`, chance from named streams.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Mapping, Sequence
from heapq import heapify, heappop, heappush
from operator import itemgetter
from types import MappingProxyType
from urllib.parse import unquote

from pitwire.model.clock import MICROSECOND, MILLISECOND, SECOND
from pitwire.model.entropy import Entropy
from pitwire.sim.facades import binance_sbe_api as sbe
from pitwire.sim.facades.binance_auth import ApiKey
from pitwire.sim.facades.binance_control import Control, Listener
from pitwire.sim.facades.binance_office import Office
from pitwire.sim.facades.binance_options import BinanceOptions
from pitwire.sim.facades.binance_rest import Rest, html
from pitwire.sim.facades.binance_sbe_streams import SbeListener, sbe_parser
from pitwire.sim.facades.binance_session import Session
from pitwire.sim.facades.binance_text import UNITS, ApiError
from pitwire.sim.facades.binance_ws_api import WsApi
from pitwire.sim.facades.facade import (
    Action,
    Close,
    HttpReply,
    Judge,
    Market,
    SendPing,
    SendPong,
    SendText,
    no_fault,
)
from pitwire.sim.verdicts import Verdict

WS_API = "/ws-api/v3"
SBE = "/sbe"
"""Where the SBE streams are, which have a host of their own at the venue."""
CONTROL = "control"
LOCAL = "127.0.0.1"
_TIMERS_SWEPT = 256
"""From so many timers on, those of connections that have gone are looked for and dropped."""


class Connection:
    """One socket as the venue sees it."""

    def __init__(self, link: int, *, address: str, opened: int) -> None:
        self.link = link
        self.address = address
        self.opened = opened
        self.listener: Listener | None = None
        self.session: Session | None = None
        self.unanswered: dict[bytes, int] = {}
        """Payload of each ping that waits for its pong → when it was sent."""
        self.messages: deque[int] = deque()


class BinanceFacade:
    """Streams, WS-API and REST over one exchange.

    `listen_keys=True` brings back what was removed on 2026-02-20, for clients that still need it.
    `replaying=True` makes no market stream of its own: the market's `Recorded` facts are served.
    """

    ws_api = WS_API
    """Where the WS-API is."""
    has_sbe = True

    def __init__(
        self,
        market: Market,
        *,
        entropy: Entropy,
        options: BinanceOptions | None = None,
        listen_keys: bool = False,
        replaying: bool = False,
        judge: Judge = no_fault,
    ) -> None:
        self.options = options or BinanceOptions()
        self._output: list[tuple[int, Action]] = []
        self.office = Office(
            market, entropy=entropy, options=self.options, send=self._send, replaying=replaying
        )
        self._control = Control(self.office.hub, self.options, judge)
        parse = sbe_parser(self.options)
        self._sbe_control = Control(self.office.sbe, self.options, judge, parse)
        self._ws_api = WsApi(self.office, listen_keys=listen_keys, judge=judge)
        self._rest = Rest(self.office, listen_keys=listen_keys, judge=judge)
        self._begin()

    def _begin(self) -> None:
        """Nobody is connected yet, and nothing is due."""
        self._connections: dict[int, Connection] = {}
        self._timers: list[tuple[int, int, str]] = []
        self._late: list[tuple[int, int, SendText]] = []
        """Answers that a fault holds back: when, to whom, what."""

    # -- what the operator does

    def add_key(self, key: ApiKey) -> None:
        """Give an account a key."""
        self.office.keyring.add(key)

    def revoke_key(self, key: str) -> None:
        """The key is worthless from now on; a session that stands on it finds out at once."""
        self.office.keyring.revoke(key)

    def ban(self, until: int, address: str = LOCAL) -> None:
        """Refuse everything from an address until then."""
        self.office.limits.address(address).ban(until)

    def announce_shutdown(self, now: int, links: Sequence[int] | None = None) -> None:
        """Tell connections (None: all) that the server goes down soon (binance §2)."""
        for link in self.links() if links is None else links:
            connection = self._connections.get(link)
            if connection is None:  # closed in the same moment
                continue
            unit = connection.listener.unit if connection.listener else MILLISECOND
            session = connection.session
            if session is not None and session.sbe is not None:
                frame = sbe.event({"e": "serverShutdown", "E": now // MICROSECOND}, None)
                self._send(link, SendText(frame, "!serverShutdown", binary=True))
                continue
            event = f'{{"e":"serverShutdown","E":{now // unit}}}'
            if connection.listener is None:
                event = f'{{"event":{event}}}'
            elif connection.listener.combined:
                event = f'{{"stream":"!serverShutdown","data":{event}}}'
            self._send(connection.link, SendText(event.encode(), "!serverShutdown"))

    def close(self, link: int, code: int, reason: str) -> None:
        """Hang up on a client."""
        if link in self._connections:
            self._send(link, Close(code, reason))
            self._forget(link)

    def links(self) -> list[int]:
        return list(self._connections)

    def spell_update_id(self, update_id: int) -> int:
        """The exchange's id of a book as this venue writes it."""
        return update_id

    # -- what clients do

    def role(self, target: str) -> str:
        """`orders` for the WS-API, `market` for streams."""
        return "orders" if target.partition("?")[0].rstrip("/") == self.ws_api else "market"

    def connect(
        self,
        link: int,
        target: str,
        now: int,
        address: str = LOCAL,
        *,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> HttpReply | None:
        """A client asks to upgrade; None accepts."""
        target = target.encode("utf-8", "replace").decode()  # raw bytes that are no UTF-8
        path, _, query = target.partition("?")
        path = unquote(path).rstrip("/")
        options = _query(query)
        limits = self.office.limits.address(address)
        if limits.banned(now):
            return _refuse(418, limits.banned_until - now)
        if not limits.connect(now):
            return _refuse(429, limits.connections.resets(now) - now)
        unit = UNITS.get(options.get("timeUnit", "MILLISECOND").upper())
        if unit is None:
            return html(self.options.bad_time_unit_status, "Bad Request")
        connection = Connection(link, address=address, opened=now)
        if self._is_sbe(path) and not self._may_hear_sbe(headers):
            return html(self.options.sbe_key_status, "Unauthorized")
        if path == self.ws_api:
            version = _sbe_version(options) if self.has_sbe else None
            if isinstance(version, HttpReply):
                return version
            self._open_session(connection, unit, options)
            if version is not None and connection.session is not None:
                self._speak_sbe(connection.session, version)
        elif not self._open_streams(connection, unit, path, query, now):
            return html(404, "Not Found")
        self._connections[link] = connection
        self._set_timer(now + self._span(self.options.ping_every_seconds), link, "ping")
        self._set_timer(now + self._span(self.options.lifetime_seconds), link, "lifetime")
        if connection.session is not None:
            limits.weight.add(self.options.connect_weight, now)
        return None

    def receive(self, link: int, text: bytes, now: int) -> None:
        """A text frame from a client."""
        connection = self._connections.get(link)
        if connection is None or not self._admits(connection, now):
            return
        if connection.listener is not None:
            control = self._control_of(connection.listener)
            answer, verdict = control.answer(connection.listener, text, now)
            self._answer(link, SendText(answer, CONTROL), verdict, now)
        elif connection.session is not None:
            self._request(connection, connection.session, text, now)

    def receive_ping(self, link: int, payload: bytes, now: int) -> None:
        """A ping from a client: answered, and counted on streams."""
        connection = self._connections.get(link)
        if connection is not None and self._admits(connection, now):
            self._send(link, SendPong(payload))

    def receive_pong(self, link: int, payload: bytes, now: int) -> None:
        """A pong: it counts when it echoes one of our pings, an unsolicited one does not."""
        connection = self._connections.get(link)
        if connection is None or not self._admits(connection, now):
            return
        if payload in connection.unanswered:
            sent = connection.unanswered[payload]
            connection.unanswered = {
                each: at for each, at in connection.unanswered.items() if at > sent
            }

    def lost(self, link: int, now: int) -> None:
        """The client has gone."""
        self._forget(link)

    def http(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str],
        body: bytes,
        now: int,
        address: str = LOCAL,
    ) -> HttpReply:
        """A REST request; header names in lower case."""
        reply = self._rest.answer(
            method, target, headers=headers, body=body, address=address, now=now
        )
        self.office.publish(now)
        if reply.status == 418:
            self._close_banned(address, now)
        return reply

    # -- time

    def step(self, now: int) -> None:
        """Publish what happened, send what is due, keep the connections honest."""
        self.office.publish(now)
        self.office.hub.flush(now)
        self.office.sbe.flush(now)
        self.office.users.expire_keys(now)
        while self._late and self._late[0][0] <= now:
            _, link, frame = self._late.pop(0)
            if link in self._connections:
                self._send(link, frame)
        while self._timers and self._timers[0][0] <= now:
            at, link, what = heappop(self._timers)
            if link in self._connections:
                self._timer(self._connections[link], what, at, now)

    def hearers(self, stream: str) -> list[tuple[int, bytes]]:
        """Links that hear a recorded stream, and what stands before its payload on each."""
        return self.office.hub.hearers(stream)

    def may_wait(self, now: int) -> bool:
        """Whether `step` would do nothing that anybody hears: it may come a little later."""
        if self._connections or self._output or not self.office.may_wait:
            return False
        due = self.next_deadline()
        return due is None or due > now

    def rest(self) -> None:
        """The next step is left out: what happens until there is one may be told in short."""
        self.office.hush()

    def skipped(self, duration: int) -> None:
        """Pongs are waited for as long as before; a connection has grown so much older."""
        self._timers = [
            (at + (duration if what == "pong" else 0), link, what)
            for at, link, what in self._timers
        ]
        heapify(self._timers)
        for connection in self._connections.values():
            for payload in connection.unanswered:
                connection.unanswered[payload] += duration

    def take_output(self) -> list[tuple[int, Action]]:
        """What is to be sent, in order; given out once."""
        if not self._output:
            return []
        output, self._output = self._output, []
        return output

    def next_deadline(self) -> int | None:
        """When `step` has something to do."""
        soonest = self.office.hub.next_deadline()
        for desk in (self.office.sbe, self.office.users):
            due = desk.next_deadline()
            if due is not None and (soonest is None or due < soonest):
                soonest = due
        if self._timers and (soonest is None or self._timers[0][0] < soonest):
            soonest = self._timers[0][0]
        if self._late and (soonest is None or self._late[0][0] < soonest):
            soonest = self._late[0][0]
        return soonest

    # -- inside

    def _open_session(self, connection: Connection, unit: int, options: dict[str, str]) -> None:
        connection.session = Session(
            self.office.users.open_connection(connection.link, unit),
            opened=connection.opened,
            unit=unit,
            rate_limits=options.get("returnRateLimits", "true").lower() != "false",
        )

    def _open_streams(
        self, connection: Connection, unit: int, path: str, query: str, now: int
    ) -> bool:
        options = _query(query)
        binary = self._is_sbe(path)
        path = path.removeprefix(SBE) if binary else path
        combined = path == "/stream"
        if combined:
            names = [name for name in options.get("streams", "").split("/") if name]
        elif path == "/ws" or path.startswith("/ws/"):
            names = [name for name in path.removeprefix("/ws").split("/") if name]
        else:
            return False
        if len(names) > self.options.streams_per_connection:
            return False
        make = SbeListener if binary else Listener
        connection.listener = make(connection.link, combined=combined, unit=unit)
        self._control_of(connection.listener).open(connection.listener, names, now)
        return True

    def _is_sbe(self, path: str) -> bool:
        return self.has_sbe and path.startswith(f"{SBE}/")

    @staticmethod
    def _speak_sbe(session: Session, version: int) -> None:
        """From now on in binary, and in microseconds (binance §10.1)."""
        session.sbe, session.unit = version, MICROSECOND
        session.subscriptions.sbe, session.subscriptions.unit = True, MICROSECOND

    def _control_of(self, listener: Listener) -> Control:
        return self._sbe_control if isinstance(listener, SbeListener) else self._control

    def _may_hear_sbe(self, headers: Mapping[str, str]) -> bool:
        """binance §10.2: an Ed25519 key in the upgrade, and nothing signed."""
        keyring, key = self.office.keyring, headers.get("x-mbx-apikey", "")
        return keyring.valid(key) and keyring.kind_of(key) == "ed25519"

    def _request(self, connection: Connection, session: Session, text: bytes, now: int) -> None:
        link = connection.link
        answer = self._ws_api.answer(session, text, address=connection.address, now=now)
        verdict = answer.verdict
        frame = SendText(answer.frame, answer.method, binary=answer.binary)
        if self.options.events_before_answer or verdict.events_first:
            self.office.publish(now)
        self._answer(link, frame, verdict, now)
        for step in answer.call.afterwards if answer.call else ():
            step()
        self.office.publish(now)
        if answer.fatal:
            self.close(link, 1008, "IP banned")
            self._close_banned(connection.address, now)

    def _close_banned(self, address: str, now: int) -> None:
        """binance §8: the WS-API connections of a banned address are closed, all of them."""
        if self.office.limits.address(address).banned(now):
            for link, connection in list(self._connections.items()):
                if connection.session is not None and connection.address == address:
                    self.close(link, 1008, "IP banned")

    def _answer(self, link: int, frame: SendText, verdict: Verdict, now: int) -> None:
        if verdict.answers and verdict.delay:
            insort(self._late, (now + verdict.delay, link, frame), key=itemgetter(0))
        elif verdict.answers:
            self._send(link, frame)

    def _admits(self, connection: Connection, now: int) -> bool:
        """binance §2: five messages a second on a stream connection, whatever their kind."""
        if connection.listener is None:
            return True
        recent = connection.messages
        while recent and recent[0] <= now - SECOND:
            recent.popleft()
        recent.append(now)
        if len(recent) > self.options.messages_per_second:
            self.close(connection.link, 1008, "Too many requests")
            return False
        return True

    def _timer(self, connection: Connection, what: str, at: int, now: int) -> None:
        if what == "lifetime":
            self.close(connection.link, 1001, "")
        elif what == "ping":
            self._ping(connection, now)
            self._set_timer(
                at + self._span(self.options.ping_every_seconds), connection.link, "ping"
            )
        elif connection.unanswered:
            oldest = min(connection.unanswered.values())
            if now - oldest >= self._span(self.options.pong_within_seconds):
                self.close(connection.link, 1008, "Pong timeout")

    def _ping(self, connection: Connection, now: int) -> None:
        payload = b""
        if self.options.ping_payload == "milliseconds":
            payload = str(now // MILLISECOND).encode()
        connection.unanswered.setdefault(payload, now)
        self._send(connection.link, SendPing(payload))
        self._set_timer(now + self._span(self.options.pong_within_seconds), connection.link, "pong")

    def _set_timer(self, at: int, link: int, what: str) -> None:
        heappush(self._timers, (at, link, what))

    def _forget(self, link: int) -> None:
        connection = self._connections.pop(link, None)
        if connection is not None and connection.listener is not None:
            self._control_of(connection.listener).drop(connection.listener)
        self.office.users.drop(link)
        # A connection's last timer is a day ahead: without a sweep, each leaves it behind.
        if len(self._timers) > _TIMERS_SWEPT + 8 * len(self._connections):
            self._timers = [timer for timer in self._timers if timer[1] in self._connections]
            heapify(self._timers)

    def _send(self, link: int, action: Action) -> None:
        self._output.append((link, action))

    @staticmethod
    def _span(seconds: float) -> int:
        return int(seconds * SECOND)


def _query(text: str) -> dict[str, str]:
    found = {}
    for part in text.split("&"):
        name, _, value = part.partition("=")
        found[name] = unquote(value)
    return found


def _sbe_version(options: dict[str, str]) -> int | HttpReply | None:
    """The schema's version that a WS-API connection asks for; bad values are refused (§10.3)."""
    wanted = options.get("responseFormat", "json").lower()
    if wanted == "json":
        return None
    asked = (options.get("sbeSchemaId", ""), options.get("sbeSchemaVersion", ""))
    versions = {(str(sbe.SCHEMA), str(version)): version for version in sbe.ACCEPTED}
    if wanted == "sbe" and asked in versions:
        return versions[asked]
    body = b'{"code":-1153,"msg":"Unsupported SBE schema."}'
    return HttpReply(400, {"content-type": "application/json;charset=UTF-8"}, body)


def _refuse(status: int, wait: int) -> HttpReply:
    reply = html(status, "Too Many Requests" if status == 429 else "I'm a teapot")
    reply.headers["retry-after"] = str(-(-wait // SECOND))
    return reply


__all__ = ["ApiError", "ApiKey", "BinanceFacade", "BinanceOptions"]
