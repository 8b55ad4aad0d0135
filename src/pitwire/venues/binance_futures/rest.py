"""Requests over REST as facts, and what their bodies say (binance §11.3 – §11.6).

House rules: a signed query is percent-encoded before it is signed; nothing here raises but
`ConfigError` for what cannot be asked, and `UNREADABLE` for a body that is not what was asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlencode

import msgspec

from pitwire.model.clock import MILLISECOND
from pitwire.model.errors import ConfigError
from pitwire.model.events import AggregateTrade, BookSnapshot, Event, Trade
from pitwire.model.orders import Side
from pitwire.venues.binance_futures import frames as wire
from pitwire.venues.binance_futures.house import House
from pitwire.venues.binance_futures.symbols import Symbols
from pitwire.venues.mbx import frames as shared
from pitwire.venues.mbx.amounts import nanoseconds
from pitwire.venues.mbx.history import MOST_TRADES, trades_since
from pitwire.venues.mbx.requests import Params, Requests
from pitwire.venues.mbx.signing import signed_query
from pitwire.venues.venue import HttpRequest

_DEPTHS = ((5, 2), (10, 2), (20, 2), (50, 2), (100, 5), (500, 10), (1000, 20))
"""Levels a side that may be asked for → weight (§11.3)."""

_depth = msgspec.json.Decoder(wire.DepthBody, strict=False).decode
_trades = msgspec.json.Decoder(tuple[shared.HistoricTrade, ...], strict=False).decode
_aggregates = msgspec.json.Decoder(tuple[shared.HistoricAggregate, ...], strict=False).decode


def ask_instruments(house: House) -> HttpRequest:
    """`exchangeInfo`, which knows no selection (weight 1)."""
    return HttpRequest("instruments", "GET", f"{house.root}/exchangeInfo")


def ask_snapshot(house: House, symbols: Symbols, symbol: str, depth: int) -> HttpRequest:
    """The book to at least `depth` levels a side: the venue knows some depths only."""
    if not 1 <= depth <= 1000:
        raise ConfigError(where="depth", found=depth, expected="1 to 1000")
    limit, weight = next(row for row in _DEPTHS if depth <= row[0])
    query = urlencode({"symbol": symbols.native(symbol), "limit": limit})
    path = f"{house.root}/depth"
    return HttpRequest("snapshot", "GET", path, query, weight=weight, symbol=symbol)


def ask_trades(
    house: House, symbols: Symbols, symbol: str, from_id: int, count: int, *, aggregate: bool
) -> HttpRequest:
    """Trades by id, or aggregates by theirs (weight 20); at most a thousand at once."""
    if from_id < 0 or count < 1:
        raise ConfigError(
            where="trades", found=(from_id, count), expected="an id of 0 or more and a count"
        )
    purpose, route = (
        ("aggregate_trades", "aggTrades") if aggregate else ("trades", "historicalTrades")
    )
    limit = min(count, MOST_TRADES)
    query = urlencode({"symbol": symbols.native(symbol), "fromId": from_id, "limit": limit})
    return HttpRequest(purpose, "GET", f"{house.root}/{route}", query, weight=20, symbol=symbol)


def ask_aggregates_since(
    house: House, symbols: Symbols, symbol: str, since: int, count: int
) -> HttpRequest:
    """The first aggregates from this venue time on (weight 20); at most a thousand.

    Raises `ConfigError` for a time or a count below 1.
    """
    query = trades_since(symbols.native(symbol), since, count)
    path = f"{house.root}/aggTrades"
    return HttpRequest("aggregate_trades", "GET", path, query, weight=20, symbol=symbol)


def ask_time(house: House, request_id: int = 0) -> HttpRequest:
    """The venue's clock (weight 1)."""
    return HttpRequest("time", "GET", f"{house.root}/time", request_id=request_id)


def private(
    house: House,
    requests: Requests,
    purpose: str,
    method: str,
    route: str,
    params: Params,
    *,
    now: int,
    request_id: int,
    weight: int = 1,
) -> HttpRequest:
    """A signed request: a question with its query, a command with its body empty (§5.5)."""
    query = urlencode({**params, "timestamp": now // MILLISECOND})
    return HttpRequest(
        purpose,
        method,
        f"{house.root}/{route}",
        signed_query(requests.signer(purpose), query),
        {"X-MBX-APIKEY": requests.key},
        weight=weight,
        request_id=request_id,
    )


# ── public bodies ─────────────────────────────────────────────────────────────────────────────


def _snapshot(house: House, body: bytes, request: HttpRequest, now: int) -> Sequence[Event]:
    data = _depth(body)
    text = request.query.rpartition("limit=")[2]
    depth = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    return (
        BookSnapshot(
            house.name, request.symbol, 0, now, data.last_update_id, data.bids, data.asks, depth
        ),
    )


def _history(house: House, body: bytes, request: HttpRequest, now: int) -> Sequence[Event]:
    return [
        Trade(
            house.name, request.symbol, nanoseconds(row.time), now, row.price, row.qty,
            Side.SELL if row.is_buyer_maker else Side.BUY, row.id, True,
        )
        for row in _trades(body)
    ]  # fmt: skip


def _aggregate_history(
    house: House, body: bytes, request: HttpRequest, now: int
) -> Sequence[Event]:
    return [
        AggregateTrade(
            house.name, request.symbol, nanoseconds(row.T), now, row.p, row.q,
            Side.SELL if row.m else Side.BUY, row.a, row.f, row.l, True,
        )
        for row in _aggregates(body)
    ]  # fmt: skip


PUBLIC: Mapping[str, Callable[[House, bytes, HttpRequest, int], Sequence[Event]]] = {
    "snapshot": _snapshot,
    "trades": _history,
    "aggregate_trades": _aggregate_history,
}
"""Purpose → reader."""
