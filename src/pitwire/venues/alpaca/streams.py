"""What may be asked for on the market stream, and which answer belongs to what (alpaca §2.3, §2.4).

House rules: pure. Requests have no ids there and each is answered once and in order: by all that is
subscribed to now, or by an error. So whoever asked first is answered first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

import msgspec

from pitwire.model.errors import ConfigError, ConnectionLost, RemoteError, SlowReader
from pitwire.model.events import (
    Bar,
    BookDelta,
    BookSnapshot,
    Event,
    Quote,
    Trade,
)
from pitwire.venues.alpaca import frames as wire
from pitwire.venues.alpaca.reading import unhandled
from pitwire.venues.alpaca.refusals import asking_refused, login_refused
from pitwire.venues.alpaca.symbols import Symbols
from pitwire.venues.venue import Ask, Channel, Decoded, Ended, Reply

CHANNELS: Mapping[str, Channel] = {
    row.name: row
    for row in (
        Channel(name="ticker", stream="quotes", event="Quote"),
        Channel(name="trades", stream="trades", event="Trade"),
        Channel(name="book", stream="orderbooks", event="BookDelta"),
        Channel(
            name="bars",
            stream="bars",
            default_option="1m",
            options=("1m", "1d"),
            event="Bar",
        ),
    )
}
"""Our name → row (§2.3)."""

_STREAMS = {("bars", "1d"): "dailyBars"}
_FIELDS = {"dailyBars": "daily_bars"}
_CONNECTED, _AUTHENTICATED = "connected", "authenticated"
_ALREADY, _SLOW = 403, 407
_ABOUT_LOGIN = frozenset((401, 402, 404, 406, 408, 409, 411))
_KINDS: Mapping[type[Event], str] = {
    Quote: "ticker",
    Trade: "trades",
    BookDelta: "book",
    BookSnapshot: "book",
}


class _Asked(msgspec.Struct):
    """A request that waits for its answer."""

    request_id: int
    asks: tuple[Ask, ...]
    begins: bool


class Streams:
    """What was asked on one connection and what came of it."""

    def __init__(self, symbols: Symbols) -> None:
        self._symbols = symbols
        self._login = 0
        self._waiting: deque[_Asked] = deque()
        self._forestalled = 0
        """How many answers may come yet to requests that an earlier one has answered already."""
        self._asked: dict[tuple[str, str, str], Ask] = {}

    # ── out ──

    def login(self, key: str, secret: str, request_id: int) -> bytes:
        """The login (§2.2): the first word of a connection, so nothing else waits any more."""
        self._login, self._forestalled = request_id, 0
        self._waiting.clear()
        return msgspec.json.encode({"action": "auth", "key": key, "secret": secret})

    def check(self, ask: Ask) -> None:
        """Raise `ConfigError` naming field, value and what was expected if it cannot be asked."""
        row = CHANNELS.get(ask.channel)
        if row is None:
            raise ConfigError(
                where="channel", found=ask.channel, expected=f"one of {', '.join(CHANNELS)}"
            )
        if (ask.option or row.default_option) not in (row.options or ("",)):
            expected = f"one of {', '.join(row.options)}" if row.options else "no option"
            raise ConfigError(where=f"option of {ask.channel}", found=ask.option, expected=expected)
        self._symbols.native(ask.symbol)

    def subscribe(self, asks: Sequence[Ask], request_id: int) -> bytes:
        """One `subscribe` for all of them."""
        return self._ask("subscribe", asks, request_id)

    def unsubscribe(self, asks: Sequence[Ask], request_id: int) -> bytes:
        """One `unsubscribe` for all of them."""
        return self._ask("unsubscribe", asks, request_id)

    def _ask(self, action: str, asks: Sequence[Ask], request_id: int) -> bytes:
        wanted: dict[str, list[str]] = {}
        for ask in asks:
            self.check(ask)
            wanted.setdefault(_stream(ask), []).append(self._symbols.native(ask.symbol))
        begins = action == "subscribe"
        for ask in asks:
            if begins:
                self._asked[_key(ask)] = ask
            else:
                self._asked.pop(_key(ask), None)
        self._waiting.append(_Asked(request_id, tuple(asks), begins))
        return msgspec.json.encode({"action": action, **wanted})

    def ask_of(self, event: Event) -> Ask | None:
        """Which ask an event answers, as it was given; None where it cannot tell."""
        if isinstance(event, Bar):
            key = ("bars", event.symbol, event.interval)
        elif (channel := _KINDS.get(type(event))) is not None:
            key = (channel, event.symbol, "")
        else:
            return None
        option = "" if key[2] == CHANNELS[key[0]].default_option else key[2]
        return self._asked.get(key) or Ask(key[0], key[1], option)

    # ── in ──

    def control(
        self, message: wire.Success | wire.Fault | wire.Subscription, frame: bytes, now: int
    ) -> Sequence[Decoded]:
        """What a control message answers."""
        match message:
            case wire.Success(msg=msg) if msg == _AUTHENTICATED:
                return self._admitted()
            case wire.Success(msg=msg) if msg == _CONNECTED:
                return ()
            case wire.Subscription():
                return self._subscribed(message)
            case wire.Fault():
                return self._refused(message)
            case _:
                return (unhandled(frame, now, "success"),)

    def _admitted(self) -> Sequence[Decoded]:
        login, self._login = self._login, 0
        return (Reply(login),) if login else ()

    def _subscribed(self, state: wire.Subscription) -> Sequence[Decoded]:
        replies: list[Decoded] = []
        while self._waiting:
            first = self._waiting[0]
            wrong = [ask for ask in first.asks if self._is_on(ask, state) is not first.begins]
            if wrong and replies:
                break  # that one has an answer of its own to come
            if wrong and self._forestalled:
                self._forestalled -= 1
                return ()  # so this was none to it
            self._waiting.popleft()
            error: RemoteError | None = None
            if wrong:
                error = asking_refused(0, f"{_stream(wrong[0])} of {wrong[0].symbol} is not listed")
            replies.append(Reply(first.request_id, error))
        self._forestalled += max(0, len(replies) - 1)
        return replies

    def _is_on(self, ask: Ask, state: wire.Subscription) -> bool:
        name = _stream(ask)
        listed: tuple[str, ...] = getattr(state, _FIELDS.get(name, name))
        return any(self._symbols[one] == ask.symbol for one in listed)

    def _refused(self, fault: wire.Fault) -> Sequence[Decoded]:
        code, text = fault.code, fault.msg
        if code == _SLOW:
            return (Ended(SlowReader(reason=f"{text} ({code})")),)
        if self._login and code == _ALREADY:
            return self._admitted()
        if self._login and (code in _ABOUT_LOGIN or not self._waiting):
            login, self._login = self._login, 0
            return (Reply(login, login_refused(code, text)),)
        if self._waiting and code != _ALREADY:
            return (Reply(self._waiting.popleft().request_id, asking_refused(code, text)),)
        if code in _ABOUT_LOGIN:  # of a connection that was let in: it is over
            reason = f"{text} ({code})"
            return (Ended(ConnectionLost(code=1006, reason=reason)),)
        return (Reply(-1, asking_refused(code, text)),)


def _stream(ask: Ask) -> str:
    row = CHANNELS[ask.channel]
    return _STREAMS.get((ask.channel, ask.option or row.default_option), row.stream)


def _key(ask: Ask) -> tuple[str, str, str]:
    return ask.channel, ask.symbol, ask.option or CHANNELS[ask.channel].default_option
