"""WS-API answers and stream control answers to `Reply`s (binance §1.3, §1.4, §5).

House rules: the JSON id says what was asked (a letter and the request's number), so an answer can
be read without looking anything up; an answer that cannot be read is still an answer, so nobody
waits for it in vain.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from pitwire.model.errors import (
    AuthenticationFailed,
    OrderRejected,
    OutcomeUnknown,
    RemoteError,
)
from pitwire.model.events import Event, OpenOrders, Update
from pitwire.model.orders import RejectReason, UpdateKind
from pitwire.venues.binance import account
from pitwire.venues.binance import frames as wire
from pitwire.venues.binance.decode import malformed, unhandled
from pitwire.venues.binance.refusals import reason, refusal
from pitwire.venues.binance.symbols import VENUE, Symbols
from pitwire.venues.mbx import frames as shared
from pitwire.venues.mbx.amounts import nanoseconds
from pitwire.venues.mbx.envelopes import (
    NAMELESS,
    STREAM,
    Answer,
    Fault,
    Kind,
    Notes,
    blocked_until,
    read_answer,
    read_fault,
    sort,
    unread,
)
from pitwire.venues.mbx.refusals import UNPROVEN, Asked, Context
from pitwire.venues.mbx.requests import Requests
from pitwire.venues.reading import UNREADABLE, refuse_doubled_keys
from pitwire.venues.venue import Decoded, Reply


class Request(NamedTuple):
    """What a request was about; kept until its answer comes."""

    symbol: str
    order_id: str
    new_id: str


KINDS: dict[str, Kind] = {
    "p": Kind("place", Asked.COMMAND),
    "t": Kind("test", Asked.TEST),
    "c": Kind("cancel", Asked.COMMAND),
    "x": Kind("cancel_all", Asked.COMMAND),
    "r": Kind("replace", Asked.COMMAND),
    "a": Kind("amend", Asked.COMMAND),
    "q": Kind("status", Asked.STATUS),
    "f": Kind("fills", Asked.QUESTION),
    "o": Kind("open_orders", Asked.QUESTION),
    "b": Kind("account", Asked.QUESTION),
    "h": Kind("time", Asked.QUESTION),
    "l": Kind("login", Asked.LOGIN),
    "w": Kind("orders", Asked.STREAM),
}
"""First letter of a JSON id → kind."""

_order = msgspec.json.Decoder(wire.OrderResult).decode
_order_list = msgspec.json.Decoder(wire.OrderListResult).decode
_orders = msgspec.json.Decoder(tuple[wire.OrderResult, ...]).decode
_raws = msgspec.json.Decoder(tuple[msgspec.Raw, ...]).decode
_amend = msgspec.json.Decoder(wire.AmendResult).decode
_replace = msgspec.json.Decoder(wire.ReplaceResult).decode
_trades = msgspec.json.Decoder(tuple[wire.AccountTrade, ...]).decode
_account = msgspec.json.Decoder(wire.AccountResult).decode
_time = msgspec.json.Decoder(wire.TimeResult).decode
_user = msgspec.json.Decoder(wire.UserEvent).decode
_bare_user = msgspec.json.Decoder(wire.UserFrame).decode
_NOT_TRIED = -2022
USER_KINDS = frozenset(
    str(kind.__struct_config__.tag)
    for kind in typing.get_args(wire.UserFrame)
    if kind is not shared.ShutdownFrame
)
"""Event types of user data alone."""


class AnswerDecoder:
    """Decodes what is not market data: answers and user-data events.

    `requests.logged_on` turns true when the venue confirms a login and false when it revokes the
    key.
    A replacement's answer carries one `Update` for each of its two orders (CANCELED or
    CANCEL_REJECTED for the old, ACCEPTED, FILLED, … or REJECTED for the new) whenever the venue
    says how each half went, also when `error` is set; an order without an `Update` is unknown when
    `error` is `OutcomeUnknown`, and was not touched when it is anything else.
    """

    def __init__(self, symbols: Symbols, requests: Requests) -> None:
        self._symbols, self._session = symbols, requests
        self._requests = Notes(("", "", ""))
        self.note = self._requests.keep
        """Keep the fields of a `Request`, under its id."""
        self.forget = self._requests.take
        """Its answer is not waited for."""

    @property
    def has_room(self) -> bool:
        """Whether another may be kept without that an older one is forgotten."""
        return self._requests.has_room

    # ── user data ──

    def decode_user(self, frame: bytes, now: int, *, bare: bool = False) -> Sequence[Event]:
        """A user-data event, wrapped or bare; raises one of `UNREADABLE`."""
        refuse_doubled_keys(frame)
        bare = bare or frame.startswith(b'{"e"')
        data = _bare_user(frame) if bare else _user(frame).event
        events = account.user_events(data, self._symbols, now)
        return (unhandled(frame, now, "externalLockUpdate"),) if events is None else events

    # ── answers ──

    def decode(self, frame: bytes, now: int) -> Sequence[Decoded]:
        """An answer; raises one of `UNREADABLE` when it is none."""
        refuse_doubled_keys(frame)
        answer = read_answer(frame)
        request_id, kind = sort(answer.id, KINDS)
        request = Request(*self._requests.take(request_id))
        fault = answer.fault
        if fault is not None:
            return (self._refused(answer, fault, request_id, kind, request, now),)
        if not bytes(answer.result):
            return (malformed(frame, now, KeyError("result"), channel=kind.name),)
        return self._agreed(answer, frame, request_id, kind, request, now)

    def _agreed(
        self,
        answer: Answer,
        frame: bytes,
        request_id: int,
        kind: Kind,
        request: Request,
        now: int,
    ) -> Sequence[Decoded]:
        used, result = answer.used_weight, bytes(answer.result)
        try:
            events, server_time = self._read(kind.name, result, request, now)
        except UNREADABLE as error:
            broken = malformed(frame, now, error, channel=kind.name)
            unreadable = unread(VENUE, kind.name, kind.asked, broken.path, frame)
            return broken, Reply(request_id, unreadable, used_weight=used)
        return (Reply(request_id, None, tuple(events), used, server_time),)

    def _read(
        self, name: str, result: bytes, request: Request, now: int
    ) -> tuple[Sequence[Event], int]:
        if name == "time":
            return (), nanoseconds(_time(result).server_time)
        if name == "login":
            self._session.logged_on = True
            session = b'"serverTime"' in result
            return (), nanoseconds(_time(result).server_time) if session else 0
        reader = _READERS.get(name)
        return (reader(result, request, self._symbols, now) if reader else ()), 0

    def _refused(
        self,
        answer: Answer,
        fault: Fault,
        request_id: int,
        kind: Kind,
        request: Request,
        now: int,
    ) -> Reply:
        if kind is STREAM and fault.code < 0:
            kind = NAMELESS
        context = Context(
            asked=kind.asked,
            request=kind.name,
            now=now,
            status=answer.status,
            order_id=request.new_id or request.order_id,
            until=blocked_until(fault),
        )
        error = refusal(fault.code, fault.msg, context)
        if isinstance(error, AuthenticationFailed):
            self._session.logged_on = False
        events: Sequence[Event] = ()
        if kind.name == "replace" and bytes(fault.data):
            events, error = self._halves(bytes(fault.data), request, error, now)
        return Reply(request_id, error, tuple(events), answer.used_weight)

    def _halves(
        self, data: bytes, request: Request, error: RemoteError, now: int
    ) -> tuple[Sequence[Event], RemoteError]:
        unknown = OutcomeUnknown(venue=VENUE, code=error.code, text=error.text, request="replace")
        try:
            if b'"cancelResult"' not in data:
                return (), error
            events = _replaced(data, request, self._symbols, now)
        except UNREADABLE:
            # One half may have been done, and we cannot read which.
            return (), unknown
        updates = [event for event in events if isinstance(event, Update)]
        if len(updates) < 2:
            return events, unknown
        tried = [update for update in updates if update.code not in (0, _NOT_TRIED)]
        if isinstance(error, OrderRejected) and tried:
            error.order_id = tried[-1].order_id
            error.reason = (tried[-1].reason or RejectReason.OTHER).value
        return events, error


# ── results by kind of request ────────────────────────────────────────────────────────────────


def _placed(result: bytes, _request: Request, symbols: Symbols, now: int) -> Sequence[Event]:
    return account.placed(_order(result), symbols, now)


def _cancelled(result: bytes, _request: Request, symbols: Symbols, now: int) -> Sequence[Event]:
    if b'"orderReports"' in result:
        reports = _order_list(result).order_reports
        return [account.cancelled(row, symbols, now) for row in reports]
    return (account.cancelled(_order(result), symbols, now),)


def _all_cancelled(result: bytes, request: Request, symbols: Symbols, now: int) -> Sequence[Event]:
    rows = _raws(result)
    return [event for row in rows for event in _cancelled(bytes(row), request, symbols, now)]


def _amended(result: bytes, _request: Request, symbols: Symbols, now: int) -> Sequence[Event]:
    return (account.amended(_amend(result), symbols, now),)


def _replaced(result: bytes, request: Request, symbols: Symbols, now: int) -> Sequence[Event]:
    data = _replace(result)
    events: list[Event] = []
    if data.cancel_result == "SUCCESS":
        events += _cancelled(bytes(data.cancel_response), request, symbols, now)
    else:
        events += _half(
            data.cancel_response, request, request.order_id, UpdateKind.CANCEL_REJECTED, now
        )
    if data.new_order_result == "SUCCESS":
        events += _placed(bytes(data.new_order_response), request, symbols, now)
    else:
        events += _half(data.new_order_response, request, request.new_id, UpdateKind.REJECTED, now)
    return events


def _half(
    response: msgspec.Raw, request: Request, order_id: str, kind: UpdateKind, now: int
) -> Sequence[Update]:
    body = bytes(response)
    # §5.11: the new order was not even attempted when its response is null.
    tried = body not in (b"", b"null")
    fault = read_fault(body) if tried else Fault(_NOT_TRIED, "not attempted")
    if fault.code in UNPROVEN:
        return ()  # nothing can be said of this order before it is asked for
    update = Update(
        VENUE, request.symbol, 0, now, order_id, "", kind,
        reason=reason(fault.code, fault.msg), code=fault.code, text=fault.msg,
    )  # fmt: skip
    return (update,)


def _status(result: bytes, request: Request, symbols: Symbols, now: int) -> Sequence[Event]:
    data = _order(result)
    # §5.13: after a cancel `clientOrderId` is the cancel's, so the id that was asked for counts.
    order_id = request.order_id or data.client_order_id
    return (account.order_update(data, symbols, now, order_id=order_id, asked=True),)


def _open(result: bytes, request: Request, symbols: Symbols, now: int) -> Sequence[Event]:
    updates = [
        account.order_update(row, symbols, now, order_id=row.client_order_id, asked=True)
        for row in _orders(result)
    ]
    ids = tuple(update.order_id for update in updates)
    return [OpenOrders(VENUE, request.symbol, 0, now, ids), *updates]


def _fills(result: bytes, request: Request, symbols: Symbols, now: int) -> Sequence[Event]:
    return [
        account.fill(row, symbols, now, order_id=request.order_id or str(row.order_id))
        for row in _trades(result)
    ]


def _balances(result: bytes, _request: Request, _symbols: Symbols, now: int) -> Sequence[Event]:
    data = _account(result)
    venue_time = nanoseconds(data.update_time)
    return [
        account.balance(row.asset, row.free, row.locked, venue_time, now) for row in data.balances
    ]


_Reader = Callable[[bytes, Request, Symbols, int], Sequence[Event]]
_READERS: dict[str, _Reader] = {
    "place": _placed,
    "cancel": _cancelled,
    "cancel_all": _all_cancelled,
    "replace": _replaced,
    "amend": _amended,
    "status": _status,
    "fills": _fills,
    "open_orders": _open,
    "account": _balances,
}
