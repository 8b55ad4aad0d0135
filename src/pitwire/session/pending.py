"""Requests that wait for their answer.

House rules: pure. All requests of a connection have the same patience, so the oldest is always
the next to be overdue. What is overdue is told once and remembered, since its answer may come yet.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec
from msgspec.structs import replace

from pitwire.model.events import Event
from pitwire.model.words import Word
from pitwire.venues.venue import Ask


class What(Word):
    """What was asked. Commands and questions are told under these names."""

    PLACE = "place"
    CANCEL = "cancel"
    REPLACE = "replace"
    AMEND = "amend"
    STATUS = "status"
    FILLS = "fills"
    TEST = "test"
    CANCEL_ALL = "cancel_all"
    OPEN_ORDERS = "open_orders"
    ACCOUNT = "account"
    LEVERAGE = "leverage"
    COUNTDOWN = "countdown"
    SUBSCRIBE = "subscribe"
    UNSUBSCRIBE = "unsubscribe"
    LOGIN = "login"
    WATCH = "watch_orders"
    TIME = "server_time"

    @property
    def is_command(self) -> bool:
        """Whether it is the desk's business rather than the connection's own."""
        return self in _COMMANDS


_COMMANDS = frozenset(
    (
        What.PLACE,
        What.CANCEL,
        What.REPLACE,
        What.AMEND,
        What.STATUS,
        What.FILLS,
        What.TEST,
        What.CANCEL_ALL,
        What.OPEN_ORDERS,
        What.ACCOUNT,
        What.LEVERAGE,
        What.COUNTDOWN,
    )
)


_OF_ONE_ORDER = frozenset((What.PLACE, What.CANCEL, What.REPLACE, What.AMEND, What.STATUS))
"""Whose answers are remembered: what lists have said may be long, and contradicts nobody."""


class Request(msgspec.Struct, frozen=True, gc=False):
    """One request on the wire. A replacement concerns two orders: `order_id` and `new_id`."""

    what: What
    sent: int
    order_id: str = ""
    new_id: str = ""
    symbol: str = ""
    trade_id: str = ""
    """Of fills: from which trade on, where one was named."""
    asks: tuple[Ask, ...] = ()
    apart: bool = False
    """Of open orders: of those alone that the venue keeps apart; the others are asked for next."""
    listed: tuple[Event, ...] = ()
    """What the answer to that has said already."""
    went_on: bool = False
    """Whether the venue has answered with what it wants first: so it has read the request."""


class Probe(msgspec.Struct, frozen=True):
    """An order that the venue is asked to check; who asked waits under this name."""

    order_id: str


Waited: TypeAlias = Ask | What | Probe
"""What somebody may wait for."""

_REMEMBERED = 1000


class Pending:
    """The table of request id → request."""

    def __init__(self, patience_ns: int) -> None:
        self._patience = patience_ns
        self._since = 0
        self._last_id = 0
        self._waiting: dict[int, Request] = {}
        self._overdue: dict[int, Request] = {}
        self._answered: dict[int, Request] = {}
        """The last of them: a venue may answer twice, and not alike."""
        self._apart: set[int] = set()
        """Which of them went over HTTP, so that their answers do not end with the connection."""

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def has_commands(self) -> bool:
        """Whether a command waits for its answer."""
        return any(request.what.is_command for request in self._waiting.values())

    def has(self, what: What) -> bool:
        """Whether a request of this kind waits for its answer."""
        return any(request.what is what for request in self._waiting.values())

    def waits_for(self, request_id: int) -> bool:
        """Whether this request has no answer yet, and is not overdue."""
        return request_id in self._waiting

    def places(self, request_id: int) -> str:
        """The id of the order that this puts on the book, "" where it puts none, or only goes on
        with what was begun."""
        found = self._waiting.get(request_id)
        if found is None or found.went_on or found.what not in (What.PLACE, What.REPLACE):
            return ""
        return found.new_id or found.order_id

    def goes_apart(self, request_id: int) -> None:
        """This one is said over HTTP."""
        self._apart.add(request_id)

    def goes_on(self, request_id: int) -> None:
        """The venue wants something before it answers this."""
        request = self._waiting.get(request_id)
        if request is not None:
            self._waiting[request_id] = replace(request, went_on=True)

    def next_id(self) -> int:
        """A request id that this connection has not used."""
        self._last_id += 1
        return self._last_id

    def add(self, request_id: int, request: Request) -> None:
        """Note a request that has just been encoded."""
        self._waiting[request_id] = request

    def pop(self, request_id: int) -> Request | None:
        """The request that this answer closes, overdue or not."""
        request = self._waiting.pop(request_id, None) or self._overdue.pop(request_id, None)
        if self._apart:
            self._apart.discard(request_id)
        if request is not None and request.what in _OF_ONE_ORDER:
            answered = self._answered
            answered[request_id] = request
            if len(answered) > _REMEMBERED:
                del answered[next(iter(answered))]
        return request

    def answered(self, request_id: int) -> Request | None:
        """What was said or asked of one order and this has answered before, if it was of late."""
        return self._answered.get(request_id)

    def next_deadline(self) -> int | None:
        """When the oldest request becomes overdue."""
        if not self._waiting:
            return None
        for request in self._waiting.values():
            return max(request.sent, self._since) + self._patience
        return None

    def expire(self, now: int) -> list[Request]:
        """The requests that have become overdue, oldest first."""
        soonest = self.next_deadline() if self._waiting else None
        if soonest is None or now < soonest:
            return []
        due = [
            request_id
            for request_id, request in self._waiting.items()
            if max(request.sent, self._since) + self._patience <= now
        ]
        expired = [self._waiting.pop(request_id) for request_id in due]
        self._overdue.update(zip(due, expired, strict=True))
        while len(self._overdue) > _REMEMBERED:
            del self._overdue[next(iter(self._overdue))]
        return expired

    def be_patient(self, now: int) -> None:
        """Begin to wait anew: up to now it was we who did not listen."""
        self._since = now

    def drain(self) -> list[Request]:
        """Everything that waits when the connection is gone. What went over HTTP may be answered
        yet: it is overdue from now on, and all else is forgotten."""
        left, known = list(self._waiting.values()), {**self._overdue, **self._waiting}
        self._waiting.clear()
        self._overdue = {one: known[one] for one in known if one in self._apart}
        self._apart.intersection_update(self._overdue)
        self._answered.clear()
        return left
