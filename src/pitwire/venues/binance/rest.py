"""What has no socket method: REST requests as facts, and their answers (binance §9).

House rules: every answer gives exactly one `Reply` with id 0, last; headers have lower-case names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote, urlencode

import msgspec

from pitwire.model.clock import SECOND
from pitwire.model.errors import ConfigError, MalformedFrame, RemoteError
from pitwire.model.events import AggregateTrade, BookSnapshot, Event, Trade
from pitwire.model.instruments import Instrument
from pitwire.model.orders import Side
from pitwire.model.retry_after import retry_after_seconds
from pitwire.venues.binance import frames as wire
from pitwire.venues.binance.decode import malformed
from pitwire.venues.binance.refusals import refusal
from pitwire.venues.binance.symbols import VENUE, Symbols, instrument
from pitwire.venues.mbx import frames as shared
from pitwire.venues.mbx.amounts import nanoseconds
from pitwire.venues.mbx.envelopes import Fault, read_fault
from pitwire.venues.mbx.history import MOST_TRADES, trades_since
from pitwire.venues.mbx.refusals import Asked, Context
from pitwire.venues.reading import UNREADABLE, excerpt, refuse_doubled_keys
from pitwire.venues.venue import Decoded, HttpRequest, Reply

_ROOT = "/api/v3"
_NAMED_SYMBOLS = 200
"""More symbols than this are asked for by asking for all, to keep the address short."""
_DEPTH_WEIGHTS = ((100, 5), (500, 25), (1000, 50), (5000, 250))
"""Levels a side → weight (§4.1)."""

_depth = msgspec.json.Decoder(wire.DepthBody, strict=False).decode
_info = msgspec.json.Decoder(wire.ExchangeInfo).decode
_time = msgspec.json.Decoder(wire.TimeResult).decode
_trades = msgspec.json.Decoder(tuple[shared.HistoricTrade, ...], strict=False).decode
_aggregates = msgspec.json.Decoder(tuple[shared.HistoricAggregate, ...], strict=False).decode


# ── requests ──────────────────────────────────────────────────────────────────────────────────


def ask_instruments(symbols: Symbols, wanted: Sequence[str]) -> HttpRequest:
    """`exchangeInfo` of these symbols, of all when none or very many are named (weight 20)."""
    natives = [symbols.native(symbol) for symbol in wanted]
    query = ""
    if len(natives) == 1:
        query = urlencode({"symbol": natives[0]})
    elif 1 < len(natives) <= _NAMED_SYMBOLS:
        text = msgspec.json.encode(natives).decode()
        query = f"symbols={quote(text, safe=',')}"
    return HttpRequest("instruments", "GET", f"{_ROOT}/exchangeInfo", query, weight=20)


def ask_snapshot(symbols: Symbols, symbol: str, depth: int) -> HttpRequest:
    """The book to `depth` levels a side."""
    if not 1 <= depth <= 5000:
        raise ConfigError(where="depth", found=depth, expected="1 to 5000")
    weight = next(cost for levels, cost in _DEPTH_WEIGHTS if depth <= levels)
    query = urlencode({"symbol": symbols.native(symbol), "limit": depth})
    return HttpRequest("snapshot", "GET", f"{_ROOT}/depth", query, weight=weight, symbol=symbol)


def ask_trades(symbols: Symbols, symbol: str, from_id: int, count: int) -> HttpRequest:
    """Public trades by id (weight 25); at most a thousand at once."""
    query = _by_id(symbols, symbol, from_id, count)
    return HttpRequest(
        "trades", "GET", f"{_ROOT}/historicalTrades", query, weight=25, symbol=symbol
    )


def ask_aggregates(symbols: Symbols, symbol: str, from_id: int, count: int) -> HttpRequest:
    """Aggregate trades by their own ids (weight 4); at most a thousand at once."""
    query = _by_id(symbols, symbol, from_id, count)
    return HttpRequest(
        "aggregate_trades", "GET", f"{_ROOT}/aggTrades", query, weight=4, symbol=symbol
    )


def ask_aggregates_since(symbols: Symbols, symbol: str, since: int, count: int) -> HttpRequest:
    """The first aggregate trades from this venue time on (weight 4); at most a thousand.

    Raises `ConfigError` for a time or a count below 1.
    """
    query = trades_since(symbols.native(symbol), since, count)
    return HttpRequest(
        "aggregate_trades", "GET", f"{_ROOT}/aggTrades", query, weight=4, symbol=symbol
    )


def ask_time() -> HttpRequest:
    """The venue's clock (weight 1)."""
    return HttpRequest("time", "GET", f"{_ROOT}/time")


def _by_id(symbols: Symbols, symbol: str, from_id: int, count: int) -> str:
    if from_id < 0 or count < 1:
        raise ConfigError(
            where="trades", found=(from_id, count), expected="an id of 0 or more and a count"
        )
    limit = min(count, MOST_TRADES)
    return urlencode({"symbol": symbols.native(symbol), "fromId": from_id, "limit": limit})


# ── answers ───────────────────────────────────────────────────────────────────────────────────


def decode_response(
    request: HttpRequest,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    now: int,
) -> Sequence[Decoded]:
    """The facts of a REST answer, then its `Reply`."""
    used = _number(headers.get("x-mbx-used-weight-1m", ""), missing=-1)
    if status != 200:
        return (Reply(0, _failure(request, status, headers, body, now), used_weight=used),)
    try:
        if request.purpose != "instruments":  # megabytes: reading them twice would stall the loop
            refuse_doubled_keys(body)
        events, server_time = _read(request, body, now)
    except UNREADABLE as error:
        broken = malformed(body, now, error, channel=request.purpose)
        unread = MalformedFrame(
            venue=VENUE,
            text="unreadable answer",
            channel=request.purpose,
            path=broken.path,
            excerpt=broken.excerpt,
        )
        return broken, Reply(0, unread, used_weight=used)
    return (*events, Reply(0, used_weight=used, server_time=server_time))


def decode_instruments(body: bytes) -> Sequence[Instrument]:
    """Every symbol of an `exchangeInfo` answer; raises `MalformedFrame` when it is not one."""
    try:
        return [instrument(row) for row in _info(body).symbols]
    except UNREADABLE as error:
        broken = malformed(body, 0, error, channel="instruments")
        raise MalformedFrame(
            venue=VENUE,
            text="not an exchangeInfo answer",
            channel="instruments",
            path=broken.path,
            excerpt=broken.excerpt,
        ) from None


def _read(request: HttpRequest, body: bytes, now: int) -> tuple[Sequence[Event], int]:
    if request.purpose == "time":
        return (), nanoseconds(_time(body).server_time)
    if request.purpose == "instruments":
        _info(body)
        return (), 0
    reader = _READERS.get(request.purpose)
    return (reader(body, request, now) if reader else ()), 0


def _snapshot(body: bytes, request: HttpRequest, now: int) -> Sequence[Event]:
    data = _depth(body)
    depth = _number(request.query.rpartition("limit=")[2], missing=0)
    return (
        BookSnapshot(
            VENUE, request.symbol, 0, now, data.last_update_id, data.bids, data.asks, depth
        ),
    )


def _history(body: bytes, request: HttpRequest, now: int) -> Sequence[Event]:
    return [
        Trade(
            VENUE, request.symbol, nanoseconds(row.time), now, row.price, row.qty,
            Side.SELL if row.is_buyer_maker else Side.BUY, row.id, True,
        )
        for row in _trades(body)
    ]  # fmt: skip


def _aggregate_history(body: bytes, request: HttpRequest, now: int) -> Sequence[Event]:
    return [
        AggregateTrade(
            VENUE, request.symbol, nanoseconds(row.T), now, row.p, row.q,
            Side.SELL if row.m else Side.BUY, row.a, row.f, row.l, True,
        )
        for row in _aggregates(body)
    ]  # fmt: skip


_READERS: Mapping[str, Callable[[bytes, HttpRequest, int], Sequence[Event]]] = {
    "snapshot": _snapshot,
    "trades": _history,
    "aggregate_trades": _aggregate_history,
}


def _failure(
    request: HttpRequest, status: int, headers: Mapping[str, str], body: bytes, now: int
) -> RemoteError:
    # §8: here the header counts seconds, where the WS-API names an instant.
    seconds = retry_after_seconds(headers, now) or 0.0
    try:
        fault = read_fault(body)
    except UNREADABLE:
        # §9: 404 and the firewall answer in HTML, retired routes with 410 and a page of nginx.
        fault = Fault(0, f"HTTP {status}: {excerpt(body)}")
    context = Context(
        asked=Asked.QUESTION,
        request=request.purpose,
        now=now,
        status=status,
        until=now + round(seconds * SECOND) if seconds else 0,
    )
    return refusal(fault.code, fault.msg, context)


def _number(text: str, *, missing: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else missing
