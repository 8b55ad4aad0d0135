"""The simulated Alpaca: feeds, trading stream, REST, and the connections behind them (alpaca §1).

House rules: written from the venue's papers alone; bytes and facts in, bytes and commands out;
time comes in as `now`, chance from named streams.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Mapping, Sequence
from heapq import heappop, heappush
from operator import itemgetter
from types import MappingProxyType
from urllib.parse import unquote

from pitwire.model.clock import SECOND
from pitwire.model.entropy import Entropy
from pitwire.sim.facades.alpaca_control import Answer, Control, Denied
from pitwire.sim.facades.alpaca_feeds import FEEDS, Listener
from pitwire.sim.facades.alpaca_office import Office, json_reply
from pitwire.sim.facades.alpaca_options import AlpacaOptions
from pitwire.sim.facades.alpaca_rest import Rest
from pitwire.sim.facades.alpaca_stream import Trader
from pitwire.sim.facades.alpaca_wire import JSON, JSON_IN_BINARY, wire_of
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

STREAM = "/stream"
"""Where the trading stream is."""


class Connection:
    """One socket as the venue sees it."""

    def __init__(self, link: int, party: Listener | Trader) -> None:
        self.link, self.party = link, party
        self.pinged = 0
        """When the ping was sent that waits for its pong; 0: none does."""


class AlpacaFacade:
    """Market data and trading over one exchange, in Alpaca's manner."""

    ws_api = STREAM

    def __init__(
        self,
        market: Market,
        *,
        entropy: Entropy,
        options: AlpacaOptions | None = None,
        judge: Judge = no_fault,
    ) -> None:
        self.options = options or AlpacaOptions()
        self._output: list[tuple[int, Action]] = []
        self.office = Office(
            market, entropy=entropy, options=self.options, judge=judge, send=self._send
        )
        self._control = Control(
            self.office.hub, self.office.keyring, self.options, judge, self.office.scales
        )
        self._control.others = self._others
        self._rest = Rest(self.office, judge)
        self._connections: dict[int, Connection] = {}
        self._timers: list[tuple[int, int, str]] = []
        self._late: list[tuple[int, int, SendText]] = []
        """Answers that a fault holds back: when, to whom, what."""
        self._dials: deque[int] = deque()
        self._banned_until = 0

    # -- what the operator does

    def admit(self, key: str, secret: str, account: str) -> None:
        """Give an account a key."""
        self.office.keyring.add(key, secret, account)
        self.office.desk.holdings.know(account)

    def revoke_key(self, key: str) -> None:
        """The key is worthless from now on; who stands on it is cut off (a guess)."""
        self.office.keyring.revoke(key)
        for link, connection in list(self._connections.items()):
            account = connection.party.account
            if account and not self.office.keyring.is_worth(account):
                self.close(link, self.options.close_code, "")

    def ban(self, until: int) -> None:
        """Answer 429 to everything until then."""
        self._banned_until = until

    def reset_books(self, symbol: str, now: int) -> None:
        """Tell a book of ours (`BTC-USD`) whole, anew."""
        self.office.hub.reset_books(symbol, now)

    def announce_shutdown(self, now: int, links: Sequence[int] | None = None) -> None:
        """This venue says nothing before it goes down (§2.6)."""

    def close(self, link: int, code: int, reason: str) -> None:
        """Hang up on a client."""
        if link in self._connections:
            self._send(link, Close(code, reason))
            self._forget(link)

    def links(self) -> list[int]:
        return list(self._connections)

    @property
    def slow_after(self) -> int:
        """ns that a client may be behind."""
        return int(self.options.slow_after_seconds * SECOND)

    @property
    def slow_bytes(self) -> int:
        """How much may wait for it beside what its socket holds."""
        return self.options.slow_bytes

    def behind(self, link: int, now: int) -> None:
        """A client reads too slowly: 407, and goodbye (§2.4)."""
        connection = self._connections.get(link)
        if connection is None:
            return
        party = connection.party
        if isinstance(party, Listener):
            self._say(link, self._control.deny(party, 407), now)
        else:
            self.close(link, self.options.close_code, "")

    # -- what clients do

    def role(self, target: str) -> str:
        """`orders` for the trading stream, `market` for the feeds."""
        return "orders" if _path(target) == STREAM else "market"

    def connect(
        self, link: int, target: str, now: int, *,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> HttpReply | None:  # fmt: skip
        """A client asks to upgrade; None accepts."""
        if now < self._banned_until or self._dials_too_often(now):
            return self.office.too_many(now)
        path, content_type = _path(target), headers.get("content-type", "")
        if path == STREAM:
            usual = JSON_IN_BINARY if self.options.paper else JSON
            trader = Trader(link, wire_of(content_type, usual))
            self._connections[link] = Connection(link, trader)
            self.office.traders.add(trader)
            self._start_timers(link, trader, now)
            return None
        feed = FEEDS.get(path)
        if feed is None:
            return json_reply(404, {"message": "Not Found"})
        listener = Listener(link, feed, wire_of(content_type))
        said, account = self.office.keyring.of_headers(headers)
        if said and account is None and self.options.bad_header_status:
            return json_reply(self.options.bad_header_status, {"message": "unauthorized"})
        self._connections[link] = Connection(link, listener)
        self.office.publish(now)
        self.office.hub.add(listener)
        self._greet(listener, account, now, said=said)
        self._start_timers(link, listener, now)
        return None

    def _greet(self, listener: Listener, account: str | None, now: int, *, said: bool) -> None:
        """The first words; where the upgrade said who it is, it is logged in."""
        link = listener.link
        silent = said and account is not None and not self.options.header_auth_tells
        greeting = self._control.greet(listener)
        if not silent or greeting.code:
            self._say(link, greeting, now)
        if said and link in self._connections:
            try:
                answer = self._control.log_in(listener, account)
                answer.frames = [] if silent else answer.frames
            except Denied as denied:
                answer = self._control.deny(listener, denied.code)
            self._say(link, answer, now)

    def receive(self, link: int, text: bytes, now: int) -> None:
        """A frame from a client, text or binary."""
        connection = self._connections.get(link)
        if connection is None:
            return
        self.office.publish(now)
        party = connection.party
        if isinstance(party, Listener):
            answer = self._control.answer(party, text, now)
            self._say(link, answer, now)
            if answer.fresh is not None:
                self.office.hub.changed(party, answer.fresh, now)
            return
        word = self.office.traders.answer(party, text, now)
        if word is not None:
            self._send_as(link, word.frames, word.verdict, now)

    def receive_ping(self, link: int, payload: bytes, now: int) -> None:
        if link in self._connections:
            self._send(link, SendPong(payload))

    def receive_pong(self, link: int, payload: bytes, now: int) -> None:
        connection = self._connections.get(link)
        if connection is not None:
            connection.pinged = 0

    def lost(self, link: int, now: int) -> None:
        """The client has gone."""
        self._forget(link)

    def http(
        self, method: str, target: str, *, headers: Mapping[str, str], body: bytes, now: int
    ) -> HttpReply:
        """A REST request; header names in lower case."""
        if now < self._banned_until:
            return self.office.too_many(now)
        self.office.publish(now)
        reply = self._rest.answer(method, target, headers=headers, body=body, now=now)
        self.office.publish(now)
        return reply

    # -- time

    def step(self, now: int) -> None:
        """Publish what happened, send what is due, keep the connections honest."""
        self.office.publish(now)
        self.office.desk.step(now)
        self.office.hub.flush(now)
        while self._late and self._late[0][0] <= now:
            _, link, frame = self._late.pop(0)
            if link in self._connections:
                self._send(link, frame)
        while self._timers and self._timers[0][0] <= now:
            _, link, what = heappop(self._timers)
            if link in self._connections:
                self._timer(self._connections[link], what, now)

    def skipped(self, duration: int) -> None:
        """Logins and pongs are waited for as long as before, and pings sent as often."""
        self._timers = [(at + duration, link, what) for at, link, what in self._timers]
        for connection in self._connections.values():
            connection.pinged += duration if connection.pinged else 0

    def take_output(self) -> list[tuple[int, Action]]:
        """What is to be sent, in order; given out once."""
        if not self._output:
            return []
        output, self._output = self._output, []
        return output

    def next_deadline(self) -> int | None:
        """When `step` has something to do."""
        heads = [self.office.hub.next_deadline(), self.office.desk.next_deadline()]
        heads += [agenda[0][0] for agenda in (self._timers, self._late) if agenda]
        return min((due for due in heads if due is not None), default=None)

    # -- within

    def _say(self, link: int, answer: Answer, now: int) -> None:
        """Send an answer, at once or late, and hang up where its code wants it."""
        self._send_as(link, answer.frames, answer.verdict, now)
        if answer.code in self.options.closing_codes:
            self._send(link, Close(self.options.close_code, ""))
            self._forget(link)

    def _send_as(self, link: int, frames: Sequence[SendText], verdict: Verdict, now: int) -> None:
        for frame in frames if verdict.answers else ():
            if verdict.delay:
                insort(self._late, (now + verdict.delay, link, frame), key=itemgetter(0))
            else:
                self._send(link, frame)

    def _others(self, listener: Listener, account: str) -> int:
        """How many other connections of an account stand at the same endpoint."""
        parties = [each.party for each in self._connections.values()]
        return sum(
            isinstance(party, Listener)
            and party is not listener
            and (party.account, party.feed) == (account, listener.feed)
            for party in parties
        )

    def _dials_too_often(self, now: int) -> bool:
        most, dials = self.options.dials_per_minute, self._dials
        while dials and dials[0] <= now - 60 * SECOND:
            dials.popleft()
        dials.append(now)
        return bool(most) and len(dials) > most

    def _start_timers(self, link: int, party: Listener | Trader, now: int) -> None:
        if isinstance(party, Listener) and not party.account:
            self._set_timer(now, self.options.auth_within_seconds, link, "auth")
        if self.options.ping_every_seconds:
            self._set_timer(now, self.options.ping_every_seconds, link, "ping")

    def _timer(self, connection: Connection, what: str, now: int) -> None:
        link, options = connection.link, self.options
        party = connection.party
        if what == "auth":
            if isinstance(party, Listener) and not party.account:
                self._say(link, self._control.deny(party, 404), now)
        elif what == "pong":
            waited = now - connection.pinged
            if connection.pinged and waited >= int(options.pong_within_seconds * SECOND):
                self.close(link, options.close_code, "")
        else:
            connection.pinged = connection.pinged or now
            self._send(link, SendPing(b""))
            self._set_timer(now, options.pong_within_seconds, link, "pong")
            self._set_timer(now, options.ping_every_seconds, link, "ping")

    def _set_timer(self, now: int, seconds: float, link: int, what: str) -> None:
        heappush(self._timers, (now + int(seconds * SECOND), link, what))

    def _forget(self, link: int) -> None:
        if self._connections.pop(link, None) is not None:
            self.office.hub.drop(link)
            self.office.traders.drop(link)

    def _send(self, link: int, action: Action) -> None:
        self._output.append((link, action))


def _path(target: str) -> str:
    return unquote(target.partition("?")[0]).rstrip("/")
