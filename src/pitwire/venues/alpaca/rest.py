"""Everything that goes over REST: requests as facts, and what their answers say (alpaca §5).

House rules: an answer gives exactly one `Reply` with its request's id, last, or one `Further`
request in its place; headers have lower-case names; nothing is raised while reading.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote, urlencode

import msgspec

from pitwire.model.credentials import Credentials
from pitwire.model.errors import MalformedFrame, OutcomeUnknown, RequestRejected
from pitwire.model.events import Event, OpenOrders
from pitwire.model.instruments import Instrument
from pitwire.venues.alpaca import account
from pitwire.venues.alpaca import frames as wire
from pitwire.venues.alpaca.encode import client_id
from pitwire.venues.alpaca.reading import VENUE, instant, malformed, step_of, written
from pitwire.venues.alpaca.refusals import COMMANDS, refusal, used_weight
from pitwire.venues.alpaca.symbols import CRYPTO, Symbols, instrument
from pitwire.venues.reading import UNREADABLE, excerpt, refuse_doubled_keys
from pitwire.venues.venue import Decoded, Further, HttpRequest, Reply

MOST_ORDERS = 500
"""The longest list of orders (§5.5)."""
MOST_FILLS = 100
"""The longest page of activities (unconfirmed)."""
_LONGEST_TEXT = 400
_ORDERS = "/v2/orders"
_FILLS = "/v2/account/activities/FILL"

_order = msgspec.json.Decoder(wire.Order).decode
_orders = msgspec.json.Decoder(tuple[wire.Order, ...]).decode
_activities = msgspec.json.Decoder(tuple[wire.Activity, ...]).decode
_account = msgspec.json.Decoder(wire.Account).decode
_positions = msgspec.json.Decoder(tuple[wire.Position, ...]).decode
_clock = msgspec.json.Decoder(wire.Clock).decode
_refusal = msgspec.json.Decoder(wire.Refusal).decode
_asset = msgspec.json.Decoder(wire.Asset).decode
_assets = msgspec.json.Decoder(tuple[wire.Asset, ...]).decode


def key_headers(credentials: Credentials) -> Mapping[str, str]:
    """Who we are, on every request (§5.1)."""
    return {
        "APCA-API-KEY-ID": credentials.key,
        "APCA-API-SECRET-KEY": credentials.secret.reveal(),
    }


class Requests:
    """Writes the requests of one connection; whose they are is known from its login on."""

    def __init__(self, symbols: Symbols) -> None:
        self._symbols = symbols
        self.headers: Mapping[str, str] = {}

    def place(self, body: bytes, symbol: str, request_id: int) -> HttpRequest:
        """`POST /v2/orders`."""
        headers = {**self.headers, "Content-Type": "application/json"}
        return HttpRequest(
            "place", "POST", _ORDERS, headers=headers, body=body, symbol=symbol,
            request_id=request_id,
        )  # fmt: skip

    def cancel(self, venue_id: str, symbol: str, request_id: int) -> HttpRequest:
        """`DELETE /v2/orders/{id}`, which takes the venue's id alone (§5.3)."""
        path = f"{_ORDERS}/{quote(venue_id, safe='')}"
        return self._ask("cancel", path, "", request_id, symbol, method="DELETE")

    def by_client_id(
        self, purpose: str, order_id: str, symbol: str, request_id: int
    ) -> HttpRequest:
        """One order by our id; `purpose` says what for."""
        query = urlencode({"client_order_id": client_id(order_id)})
        return self._ask(purpose, f"{_ORDERS}:by_client_order_id", query, request_id, symbol)

    def by_venue_id(self, venue_id: str, symbol: str, request_id: int) -> HttpRequest:
        """One order by the venue's id."""
        path = f"{_ORDERS}/{quote(venue_id, safe='')}"
        return self._ask("status", path, "", request_id, symbol)

    def open_orders(self, symbol: str, request_id: int) -> HttpRequest:
        """What is open in a symbol, or in all (§5.5: there pairs have no slash)."""
        fields = {"status": "open", "limit": str(MOST_ORDERS), "nested": "false"}
        if symbol:
            fields["symbols"] = self._symbols.native(symbol).replace("/", "")
        return self._ask("open_orders", _ORDERS, urlencode(fields), request_id, symbol)

    def fills(
        self,
        purpose: str,
        symbol: str,
        request_id: int,
        *,
        after: int = 0,
        page: str = "",
        venue_id: str = "",
    ) -> HttpRequest:
        """The account's fills, or those of one order by the venue's id of it, the oldest first,
        after a time and behind the last of a page.

        That an order may be named is in the venue's changelog of 2026-07-29.
        """
        fields = {"direction": "asc", "page_size": str(MOST_FILLS)}
        if venue_id:
            fields["order_id"] = venue_id
        if after:
            fields["after"] = written(after)
        if page:
            fields["page_token"] = page
        return self._ask(purpose, _FILLS, urlencode(fields, safe=":"), request_id, symbol)

    def account(self, request_id: int) -> HttpRequest:
        """The money."""
        return self._ask("account", "/v2/account", "", request_id)

    def positions(self, request_id: int) -> HttpRequest:
        """What is held beside it."""
        return self._ask("positions", "/v2/positions", "", request_id)

    def clock(self, request_id: int = 0) -> HttpRequest:
        """The venue's clock."""
        return self._ask("time", "/v2/clock", "", request_id)

    def instruments(self, wanted: Sequence[str]) -> HttpRequest:
        """The rules of one symbol, or of all that there are."""
        if len(wanted) == 1:
            native = quote(self._symbols.native(wanted[0]), safe="")
            return self._ask("instruments", f"/v2/assets/{native}", "", 0)
        return self._ask("instruments", "/v2/assets", urlencode({"asset_class": CRYPTO}), 0)

    def _ask(
        self,
        purpose: str,
        path: str,
        query: str,
        request_id: int,
        symbol: str = "",
        *,
        method: str = "GET",
    ) -> HttpRequest:
        return HttpRequest(
            purpose, method, path, query, headers=self.headers, symbol=symbol,
            request_id=request_id,
        )  # fmt: skip


class Answers:
    """Reads the answers of one connection."""

    def __init__(self, symbols: Symbols, requests: Requests) -> None:
        self._symbols, self._requests = symbols, requests
        self.ids = account.Ids()
        self._wanted: dict[int, str] = {}
        """Request → the venue's id of the order whose fills are asked for."""
        self._readers: Mapping[str, Callable[[bytes, HttpRequest, int], Sequence[Decoded]]] = {
            "place": self._placed,
            "status": self._status,
            "cancel": self._cancelled,
            "cancel_lookup": self._found_to_cancel,
            "open_orders": self._open,
            "fills": self._fills,
            "order_fills": self._fills,
            "fills_lookup": self._found_to_ask,
            "account": self._money,
            "positions": self._holdings,
            "time": self._time,
            "instruments": self._listed,
        }

    def want_fills(self, request_id: int, venue_id: str) -> None:
        """Of the fills that this request brings, only those of one order are meant."""
        self._wanted[request_id] = venue_id

    def decode(
        self, request: HttpRequest, status: int, headers: Mapping[str, str], body: bytes, now: int
    ) -> Sequence[Decoded]:
        """The facts of an answer and its `Reply`, or what is to be asked first. Never raises."""
        used = used_weight(headers)
        purpose = _PURPOSES.get(request.purpose, request.purpose)
        if not 200 <= status < 300:
            self._wanted.pop(request.request_id, None)
            code, text = _fault(status, body)
            error = refusal(purpose, status, code, text, headers)
            return (Reply(request.request_id, error, used_weight=used),)
        reader = self._readers.get(request.purpose)
        try:
            if request.purpose != "instruments" and body:
                refuse_doubled_keys(body)
            told = reader(body, request, now) if reader is not None else (Reply(0),)
        except UNREADABLE as error:
            return self._unread(request, purpose, body, now, error, used)
        *before, last = told
        if isinstance(last, Reply):
            last = msgspec.structs.replace(last, used_weight=used)
        return (*before, last)

    def _unread(
        self, request: HttpRequest, purpose: str, body: bytes, now: int, error: Exception, used: int
    ) -> Sequence[Decoded]:
        self._wanted.pop(request.request_id, None)
        broken = malformed(body, now, error, purpose)
        if purpose in COMMANDS:
            # It said yes, and not to what: whether it is done has to be asked.
            unknown = OutcomeUnknown(venue=VENUE, text="unreadable answer", request=purpose)
            return broken, Reply(request.request_id, unknown, used_weight=used)
        unread = MalformedFrame(
            venue=VENUE, text="unreadable answer", channel=purpose, path=broken.path,
            excerpt=broken.excerpt,
        )  # fmt: skip
        return broken, Reply(request.request_id, unread, used_weight=used)

    # ── by purpose ──

    def _placed(self, body: bytes, request: HttpRequest, now: int) -> Sequence[Decoded]:
        order = _order(body)
        self.ids.learn(order)
        told = account.update(order, account.status(order, account.PLACED), self._symbols, now)
        return (Reply(request.request_id, None, (told,)),)

    def _status(self, body: bytes, request: HttpRequest, now: int) -> Sequence[Decoded]:
        order = _order(body)
        self.ids.learn(order)
        told = account.update(order, account.status(order, account.ASKED), self._symbols, now)
        return (Reply(request.request_id, None, (told,)),)

    def _cancelled(self, _body: bytes, request: HttpRequest, _now: int) -> Sequence[Decoded]:
        # §5.3: 204 says that it will be cancelled; that it is, the order stream says.
        return (Reply(request.request_id),)

    def _found_to_cancel(self, body: bytes, request: HttpRequest, _now: int) -> Sequence[Decoded]:
        order = _order(body)
        self.ids.learn(order)
        cancel = self._requests.cancel(order.id, request.symbol, request.request_id)
        return (Further(request.request_id, cancel),)

    def _found_to_ask(self, body: bytes, request: HttpRequest, _now: int) -> Sequence[Decoded]:
        order = _order(body)
        self.ids.learn(order)
        self.want_fills(request.request_id, order.id)
        ask = self._requests.fills(
            "order_fills", request.symbol, request.request_id, venue_id=order.id
        )
        return (Further(request.request_id, ask),)

    def _open(self, body: bytes, request: HttpRequest, now: int) -> Sequence[Decoded]:
        orders = _orders(body)
        if len(orders) >= MOST_ORDERS:
            text = f"{MOST_ORDERS} open orders or more: the list is cut"
            cut = RequestRejected(venue=VENUE, text=text, request="open_orders")
            return (Reply(request.request_id, cut),)
        told = []
        for order in orders:
            if not order.symbol:
                continue  # of several legs, which are options
            self.ids.learn(order)
            kind = account.status(order, account.ASKED)
            told.append(account.update(order, kind, self._symbols, now))
        ids = tuple(one.order_id for one in told)
        listed: tuple[Event, ...] = (OpenOrders(VENUE, request.symbol, 0, now, ids), *told)
        return (Reply(request.request_id, None, listed),)

    def _fills(self, body: bytes, request: HttpRequest, now: int) -> Sequence[Decoded]:
        rows = _activities(body)
        wanted = self._wanted.get(request.request_id, "")
        # What else an account trades, stocks sold short among it, need not be understood.
        fills = [
            account.activity(row, self.ids, self._symbols, now)
            for row in rows
            if self._symbols[row.symbol] == request.symbol and wanted in ("", row.order_id)
        ]
        if len(rows) >= MOST_FILLS:
            more = self._requests.fills(
                request.purpose, request.symbol, request.request_id, page=rows[-1].id,
                venue_id=wanted,
            )  # fmt: skip
            return (*fills, Further(request.request_id, more))
        self._wanted.pop(request.request_id, None)
        return (Reply(request.request_id, None, tuple(fills)),)

    def _money(self, body: bytes, request: HttpRequest, now: int) -> Sequence[Decoded]:
        money = account.cash(_account(body), now)
        return money, Further(request.request_id, self._requests.positions(request.request_id))

    def _holdings(self, body: bytes, request: HttpRequest, now: int) -> Sequence[Decoded]:
        held = account.holdings(_positions(body), self._symbols, now)
        return (Reply(request.request_id, None, tuple(held)),)

    def _time(self, body: bytes, request: HttpRequest, _now: int) -> Sequence[Decoded]:
        text = _clock(body).timestamp
        at, step = instant(text, "timestamp"), step_of(text)
        return (Reply(request.request_id, server_time=at, server_step=step),)

    def _listed(self, body: bytes, request: HttpRequest, _now: int) -> Sequence[Decoded]:
        instruments(body)
        return (Reply(request.request_id),)


_PURPOSES = {"cancel_lookup": "status", "fills_lookup": "status", "order_fills": "fills"}
"""A request → what its refusal is a refusal of."""


def instruments(body: bytes) -> Sequence[Instrument]:
    """The crypto assets of a listing, or the one asset asked for; raises one of `UNREADABLE`."""
    rows = (_asset(body),) if body.lstrip()[:1] == b"{" else _assets(body)
    return [instrument(row) for row in rows if row.asset_class == CRYPTO]


def decode_instruments(body: bytes) -> Sequence[Instrument]:
    """The same; raises `MalformedFrame` when it is neither."""
    try:
        return instruments(body)
    except UNREADABLE as error:
        broken = malformed(body, 0, error, "instruments")
        raise MalformedFrame(
            venue=VENUE, text="no assets", channel="instruments", path=broken.path,
            excerpt=broken.excerpt,
        ) from None  # fmt: skip


def _fault(status: int, body: bytes) -> tuple[int, str]:
    try:
        found = _refusal(body)
    except UNREADABLE:
        return 0, f"HTTP {status}: {excerpt(body)}"
    return found.code, (found.message or f"HTTP {status}")[:_LONGEST_TEXT]
