"""Alpaca's market data over REST: what is now, and what was (alpaca §6).

House rules: objects have the keys of the streams without `T` and `S`; results are sorted by symbol
and then by time, and a page may hold one symbol alone; bars are put together from minutes.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import TypeAlias

from pitwire.sim.facades import alpaca_payloads as payloads
from pitwire.sim.facades.alpaca_board import MINUTE, Board, new_york
from pitwire.sim.facades.alpaca_office import Office
from pitwire.sim.facades.alpaca_options import SIP
from pitwire.sim.facades.alpaca_query import Query
from pitwire.sim.facades.alpaca_requests import missing
from pitwire.sim.facades.alpaca_text import ApiError
from pitwire.sim.facades.alpaca_trading import Answer
from pitwire.sim.facades.alpaca_wire import JSON, Message
from pitwire.sim.facades.binance_candles import DAY, HOUR, Bar

Points: TypeAlias = list[tuple[int, Message]]
"""(when, object), oldest first."""
_TIMEFRAME = re.compile(r"(\d{1,2})(Min|T|Hour|H|Day|D|Week|W|Month|M)\Z")
_LONGEST = {"M": 59, "T": 59, "H": 23, "D": 1, "W": 1, "O": 12}
_KEPT_TRADES = 5000
MOST_POINTS, USUAL_POINTS = 10_000, 1_000


class History:
    """Latest and past market data of one kind of asset."""

    def __init__(self, office: Office, *, crypto: bool) -> None:
        self._office, self._crypto = office, crypto

    def latest(self, query: Query, what: str) -> Answer:
        """`trades`, `quotes`, `bars` or `orderbooks`, by symbol; nothing for an unknown one."""
        found = {}
        for board in self._boards(query):
            one = self._latest(board, what, query.now)
            if one is not None:
                found[board.scale.symbol] = one
        return 200, {what: found}

    def snapshots(self, query: Query) -> Answer:
        """Everything of each symbol at once; wrapped for crypto, bare for stocks (§6)."""
        found = {}
        for board in self._boards(query):
            parts = {
                "latestTrade": self._latest(board, "trades", query.now),
                "latestQuote": self._latest(board, "quotes", query.now),
                "minuteBar": self._latest(board, "bars", query.now),
                "dailyBar": payloads.bar(board.scale, board.day(query.now), JSON),
            }
            found[board.scale.symbol] = {key: one for key, one in parts.items() if one}
        return 200, {"snapshots": found} if self._crypto else found

    def trades(self, query: Query) -> Answer:
        return self._paged(query, "trades", self._trades)

    def bars(self, query: Query) -> Answer:
        span = _span(query.text("timeframe"))
        return self._paged(query, "bars", lambda board: self._bars(board, span, query.now))

    # -- within

    def _boards(self, query: Query) -> list[Board]:
        names = query.names("symbols")
        if not names:
            raise ApiError(400, 40_010_000, "symbols is required")
        feed = query.text("feed")
        if feed == "sip" and SIP not in self._office.options.feeds:
            raise ApiError(403, 40_310_000, "subscription does not permit querying recent SIP data")
        boards = self._office.hub.boards.values()
        known = {
            board.scale.symbol: board for board in boards if board.scale.is_crypto == self._crypto
        }
        return [known[name] for name in sorted(names) if name in known]

    def _latest(self, board: Board, what: str, now: int) -> Message | None:
        scale, symbol = board.scale, board.scale.listing.symbol
        if what == "trades":
            newest = self._office.market.recent_trades(symbol, 1)
            return payloads.trade(scale, newest[-1], JSON) if newest else None
        if what == "bars":
            found = self._office.minutes(board, now)
            return payloads.bar(scale, found[-1], JSON) if found else None
        if what == "quotes":
            bid, ask = board.top
            return payloads.quote(scale, bid, ask, board.quoted or now, JSON)
        bids, asks = board.bids, board.asks
        return payloads.book(scale, bids.top(len(bids.lots)), asks.top(len(asks.lots)), now, JSON)

    def _trades(self, board: Board) -> Points:
        symbol = board.scale.listing.symbol
        return [
            (trade.at, payloads.trade(board.scale, trade, JSON))
            for trade in self._office.market.recent_trades(symbol, _KEPT_TRADES)
        ]

    def _bars(self, board: Board, span: int, now: int) -> Points:
        """Minutes with trades, put together; those longer than an hour begin in New York."""
        merged: list[tuple[int, Bar]] = []
        for minute in self._office.minutes(board, now):
            offset = new_york(minute.opened) if span > HOUR else 0
            opened = (minute.opened + offset) // span * span - offset
            if merged and merged[-1][0] == opened:
                merged[-1][1].merge(minute)
            else:
                merged.append((opened, minute))
        return [(opened, payloads.bar(board.scale, bar, JSON, opened)) for opened, bar in merged]

    def _paged(self, query: Query, what: str, points: Callable[[Board], Points]) -> Answer:
        limit = query.count("limit", USUAL_POINTS, MOST_POINTS)
        end = query.time("end") or query.now
        start = query.time("start")
        if start is None:
            start = (query.now + new_york(query.now)) // DAY * DAY - new_york(query.now)
        backwards = query.choice("sort", ("asc", "desc")) == "desc"
        rows: list[tuple[str, Message]] = []
        for board in self._boards(query):
            mine = [(at, one) for at, one in points(board) if start <= at <= end]
            if backwards:
                mine.reverse()
            rows += [(board.scale.symbol, one) for _, one in mine]
        begin = _place(query.text("page_token"))
        page = rows[begin : begin + limit]
        found: dict[str, list[Message]] = {}
        for symbol, one in page:
            found.setdefault(symbol, []).append(one)
        token = None
        if begin + limit < len(rows):
            token = base64.b64encode(f"{what}|{begin + limit}".encode()).decode()
        return 200, {what: found, "next_page_token": token}


def _place(token: str) -> int:
    """Where a page begins."""
    if not token:
        return 0
    try:
        return int(base64.b64decode(token, validate=True).decode().partition("|")[2])
    except ValueError:
        raise ApiError(400, 40_010_000, "invalid page token") from None


def _span(text: str) -> int:
    """ns of a bar; raises `ApiError`."""
    found = _TIMEFRAME.match(text)
    if found is None:
        raise missing("invalid timeframe")
    count, unit = int(found[1]), found[2]
    letter = {"Min": "T", "T": "T", "Hour": "H", "H": "H", "Day": "D", "D": "D"}.get(unit)
    if letter is None:
        raise missing(f"timeframe {text} is not simulated")
    if not 1 <= count <= _LONGEST[letter]:
        raise missing("invalid timeframe")
    return count * {"T": MINUTE, "H": HOUR, "D": DAY}[letter]
