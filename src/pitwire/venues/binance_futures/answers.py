"""Answers of the futures, over a socket or over REST, to `Reply`s (binance §1.4, §5.1, §11.5).

House rules: the JSON id says what was asked (a letter and the request's number), a REST request
says it itself; an answer that cannot be read is still an answer, so nobody waits for it in vain.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from pitwire.model.clock import SECOND
from pitwire.model.errors import AuthenticationFailed, RemoteError
from pitwire.model.events import Event, Leverage, OpenOrders, Update
from pitwire.model.orders import UpdateKind
from pitwire.model.retry_after import retry_after_seconds
from pitwire.venues.binance_futures import frames as wire
from pitwire.venues.binance_futures.account import AccountReader
from pitwire.venues.binance_futures.house import House
from pitwire.venues.binance_futures.refusals import refusals
from pitwire.venues.binance_futures.rest import PUBLIC
from pitwire.venues.mbx.amounts import nanoseconds
from pitwire.venues.mbx.envelopes import (
    NAMELESS,
    STREAM,
    Fault,
    Kind,
    Notes,
    blocked_until,
    read_answer,
    read_fault,
    sort,
    unread,
)
from pitwire.venues.mbx.reading import malformed
from pitwire.venues.mbx.refusals import Asked, Context
from pitwire.venues.mbx.requests import Requests
from pitwire.venues.reading import UNREADABLE, Unreadable, excerpt, refuse_doubled_keys, unhandled
from pitwire.venues.venue import Decoded, HttpRequest, Reply


class Request(NamedTuple):
    """What a request was about; kept until its answer comes."""

    symbol: str = ""
    order_id: str = ""


KINDS: Mapping[str, Kind] = {
    "p": Kind("place", Asked.COMMAND),
    "s": Kind("place_conditional", Asked.COMMAND),
    "t": Kind("test", Asked.TEST),
    "c": Kind("cancel", Asked.COMMAND),
    "u": Kind("cancel_conditional", Asked.COMMAND),
    "x": Kind("cancel_all", Asked.COMMAND),
    "a": Kind("amend", Asked.COMMAND),
    "q": Kind("status", Asked.STATUS),
    "e": Kind("conditional_status", Asked.STATUS),
    "f": Kind("fills", Asked.QUESTION),
    "o": Kind("open_orders", Asked.QUESTION),
    "k": Kind("open_conditional", Asked.QUESTION),
    "b": Kind("account", Asked.QUESTION),
    "v": Kind("leverage", Asked.QUESTION),
    "d": Kind("countdown", Asked.QUESTION),
    "h": Kind("time", Asked.QUESTION),
    "l": Kind("login", Asked.LOGIN),
    "w": Kind("orders", Asked.STREAM),
}
"""First letter of a JSON id → its name in errors and what its refusal means."""
_OF_PURPOSE = dict(KINDS.values())

_order = msgspec.json.Decoder(wire.OrderResult).decode
_orders = msgspec.json.Decoder(tuple[wire.OrderResult, ...]).decode
_algo = msgspec.json.Decoder(wire.AlgoResult).decode
_algos = msgspec.json.Decoder(tuple[wire.AlgoResult, ...]).decode
_algo_cancelled = msgspec.json.Decoder(wire.AlgoCancelled).decode
_trades = msgspec.json.Decoder(tuple[wire.AccountTrade, ...]).decode
_account = msgspec.json.Decoder(wire.AccountResult).decode
_leverage = msgspec.json.Decoder(wire.LeverageResult).decode
_time = msgspec.json.Decoder(wire.TimeResult).decode
_key = msgspec.json.Decoder(wire.KeyResult).decode
_user = msgspec.json.Decoder(wire.UserFrame).decode
_wrapped_user = msgspec.json.Decoder(wire.WrappedUser).decode
USER_KINDS = frozenset(str(kind.__struct_config__.tag) for kind in typing.get_args(wire.UserFrame))
"""Event types of user data."""


class AnswerDecoder:
    """Decodes what is not market data: answers and user-data events."""

    def __init__(self, house: House, reader: AccountReader, requests: Requests) -> None:
        self._house, self._account, self._session = house, reader, requests
        self._refusal = refusals(house).refusal
        self._requests = Notes(Request())
        self._readers: Mapping[str, Callable[[bytes, Request, int], Sequence[Event]]] = {
            "place": self._placed,
            "place_conditional": self._conditional,
            "cancel": self._cancelled,
            "cancel_conditional": self._conditional_cancelled,
            "amend": self._amended,
            "status": self._status,
            "conditional_status": self._conditional_status,
            "open_orders": self._open,
            "open_conditional": self._open_conditional,
            "fills": self._fills,
            "account": self._balances,
            "leverage": self._leverage,
        }

    def note(self, request_id: int, request: Request) -> None:
        """Keep what a request is about."""
        self._requests.keep(request_id, request)

    # ── user data ──

    def decode_user(self, frame: bytes, now: int) -> Sequence[Event]:
        """A user-data event, wrapped or bare; raises one of `UNREADABLE`."""
        refuse_doubled_keys(frame)
        body = msgspec.json.decode(frame)
        inner = body.get("data", body) if isinstance(body, dict) else body
        kind = inner.get("e") if isinstance(inner, dict) else None
        if not isinstance(kind, str) or kind not in USER_KINDS:
            name = kind if isinstance(kind, str) else ""
            return (unhandled(self._house.name, frame, now, name),)
        data = _user(frame) if inner is body else _wrapped_user(frame).data
        return self._account.events(data, now)

    # ── answers over the socket ──

    def decode(self, frame: bytes, now: int) -> Sequence[Decoded]:
        """An answer; raises one of `UNREADABLE` when it is none."""
        refuse_doubled_keys(frame)
        answer = read_answer(frame)
        request_id, (name, asked) = sort(answer.id, KINDS)
        request = self._requests.take(request_id)
        used, fault = answer.used_weight, answer.fault
        if fault is not None:
            if (name, asked) == STREAM and fault.code < 0:
                name, asked = NAMELESS
            context = Context(
                asked=asked,
                request=name,
                now=now,
                status=answer.status,
                order_id=request.order_id,
                until=blocked_until(fault),
            )
            return (Reply(request_id, self._refused(fault, context), used_weight=used),)
        if not bytes(answer.result):
            return (malformed(self._house.name, frame, now, KeyError("result"), channel=name),)
        return self._agreed(bytes(answer.result), request_id, name, request, used=used, now=now)

    def _refused(self, fault: Fault, context: Context) -> RemoteError:
        error = self._refusal(fault.code, fault.msg, context)
        if isinstance(error, AuthenticationFailed):
            self._session.logged_on = False
        return error

    def _agreed(
        self, result: bytes, request_id: int, name: str, request: Request, *, used: int, now: int
    ) -> Sequence[Decoded]:
        try:
            if name in ("time", "login"):
                return (Reply(request_id, used_weight=used, server_time=self._time(name, result)),)
            if name == "orders":
                key = _key(result).listen_key
                return (Reply(request_id, used_weight=used, private_key=key),)
            reader = self._readers.get(name)
            events = tuple(reader(result, request, now)) if reader else ()
        except UNREADABLE as error:
            broken = malformed(self._house.name, result, now, error, channel=name)
            unread = self._unread(name, broken.path, result)
            return broken, Reply(request_id, unread, used_weight=used)
        return (Reply(request_id, None, events, used),)

    def _time(self, name: str, result: bytes) -> int:
        if name == "login":
            self._session.logged_on = True
            if b'"serverTime"' not in result:
                return 0
        return nanoseconds(_time(result).server_time)

    # ── answers over REST ──

    def decode_response(
        self,
        request: HttpRequest,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        now: int,
    ) -> Sequence[Decoded]:
        """The facts of a REST answer, then its `Reply`."""
        request_id, purpose = request.request_id, request.purpose
        about = self._requests.take(request_id)
        used = _number(headers.get("x-mbx-used-weight-1m", ""))
        if status != 200:
            error = self._failure(request, about, status, headers, body, now)
            return (Reply(request_id, error, used_weight=used),)
        if request_id or purpose == "time":
            return self._agreed(body, request_id, purpose, about, used=used, now=now)
        try:
            if purpose != "instruments":  # megabytes: reading them twice would stall the loop
                refuse_doubled_keys(body)
            reader = PUBLIC.get(purpose)
            events = reader(self._house, body, request, now) if reader else ()
        except UNREADABLE as error:
            broken = malformed(self._house.name, body, now, error, channel=purpose)
            unread = self._unread(purpose, broken.path, body)
            return broken, Reply(0, unread, used_weight=used)
        return (*events, Reply(0, used_weight=used))

    def _failure(
        self,
        request: HttpRequest,
        about: Request,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        now: int,
    ) -> RemoteError:
        seconds = retry_after_seconds(headers, now) or 0.0
        try:
            fault = read_fault(body)
        except UNREADABLE:
            fault = Fault(0, f"HTTP {status}: {excerpt(body)}")
        context = Context(
            asked=_OF_PURPOSE.get(request.purpose, Asked.QUESTION),
            request=request.purpose,
            now=now,
            status=status,
            order_id=about.order_id,
            until=now + round(seconds * SECOND) if seconds else 0,
        )
        return self._refused(fault, context)

    def _unread(self, name: str, path: str, frame: bytes) -> RemoteError:
        asked = _OF_PURPOSE.get(name, Asked.QUESTION)
        return unread(self._house.name, name, asked, path, frame)

    # ── results by kind of request ──

    def _placed(self, result: bytes, _: Request, now: int) -> Sequence[Event]:
        data = _order(result)
        return (self._account.update(data, now, order_id=data.client_order_id),)

    def _cancelled(self, result: bytes, request: Request, now: int) -> Sequence[Event]:
        return (self._account.update(_order(result), now, order_id=request.order_id),)

    def _amended(self, result: bytes, request: Request, now: int) -> Sequence[Event]:
        data = _order(result)
        return (self._account.update(data, now, order_id=request.order_id, amended=True),)

    def _status(self, result: bytes, request: Request, now: int) -> Sequence[Event]:
        data = _order(result)
        return (self._account.update(data, now, order_id=request.order_id, asked=True),)

    def _open(self, result: bytes, request: Request, now: int) -> Sequence[Event]:
        updates = [
            self._account.update(row, now, order_id=row.client_order_id, asked=True)
            for row in _orders(result)
        ]
        ids = tuple(update.order_id for update in updates)
        return [OpenOrders(self._house.name, request.symbol, 0, now, ids), *updates]

    def _conditional(self, result: bytes, _: Request, now: int) -> Sequence[Event]:
        return (self._account.conditional(_algo(result), now),)

    def _conditional_status(self, result: bytes, _: Request, now: int) -> Sequence[Event]:
        return (self._account.conditional(_algo(result), now, asked=True),)

    def _open_conditional(self, result: bytes, request: Request, now: int) -> Sequence[Event]:
        rows = _algos(result)
        updates = [self._account.conditional(row, now, asked=True) for row in rows]
        ids = tuple(update.order_id for update in updates)
        return [OpenOrders(self._house.name, request.symbol, 0, now, ids), *updates]

    def _conditional_cancelled(self, result: bytes, request: Request, now: int) -> Sequence[Event]:
        done = _algo_cancelled(result)
        if str(done.code) != "200":
            raise Unreadable("code", str(done.code))
        venue, order_id = self._house.name, request.order_id or done.client_algo_id
        return (Update(venue, request.symbol, 0, now, order_id, "", UpdateKind.CANCELED),)

    def _fills(self, result: bytes, request: Request, now: int) -> Sequence[Event]:
        return [self._account.fill(row, now, order_id=request.order_id) for row in _trades(result)]

    def _balances(self, result: bytes, _: Request, now: int) -> Sequence[Event]:
        data, reader = _account(result), self._account
        return [
            *(
                reader.balance(
                    one.asset, one.wallet_balance, one.cross_wallet_balance,
                    nanoseconds(one.update_time), now,
                )
                for one in data.assets
            ),
            *reader.positions(
                [
                    (one.symbol, one.position_amt, one.entry_price, one.position_side,
                     nanoseconds(one.update_time))
                    for one in data.positions
                ],
                now,
            ),
        ]  # fmt: skip

    def _leverage(self, result: bytes, request: Request, now: int) -> Sequence[Event]:
        data = _leverage(result)
        return (Leverage(self._house.name, request.symbol, 0, now, data.leverage),)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1
