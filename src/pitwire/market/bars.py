"""BarBuilder: trades of one symbol in, time bars out.

House rules: a bar is closed by the first trade of a later interval or by being told the time, never
by a clock of its own; a closed bar never changes; a trade that cannot enter a bar is handed back
by name, never merged in silence; an interval without a trade has no bar (a flat bar made up for
it could not be told from an outage).
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import TypeAlias

import msgspec

from pitwire.model.clock import SECOND
from pitwire.model.events import AggregateTrade, Bar, Trade

_MINUTE = 60 * SECOND
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR

INTERVALS = MappingProxyType({
    "1s": SECOND,
    "1m": _MINUTE, "3m": 3 * _MINUTE, "5m": 5 * _MINUTE, "15m": 15 * _MINUTE, "30m": 30 * _MINUTE,
    "1h": _HOUR, "2h": 2 * _HOUR, "4h": 4 * _HOUR, "6h": 6 * _HOUR, "8h": 8 * _HOUR,
    "12h": 12 * _HOUR,
    "1d": _DAY, "1w": 7 * _DAY,
})  # fmt: skip
"""Name → length in ns. All begin at multiples of their length in UTC, weeks on Mondays."""

_MONDAY = 4 * _DAY  # 1970-01-05; the epoch itself was a Thursday

AHEAD = 60 * SECOND
"""A trade stamped this far ahead of our clock has a wrong stamp."""


class Misplaced(msgspec.Struct, frozen=True):
    """A trade no bar could take, and `why`: `late` (its bar is closed), `ahead` (of our clock)."""

    trade: Trade | AggregateTrade
    why: str


Told: TypeAlias = Bar | Misplaced


class BarBuilder:
    """Bars of one `interval`. Expects a trade stream free of repeats.

    Inside the open bar trades may come in any order: their ids say which was first and which was
    last. `close_time` of a bar is the last nanosecond that belongs to it.
    """

    def __init__(self, venue: str, symbol: str, interval: str) -> None:
        if interval not in INTERVALS:
            expected = ", ".join(INTERVALS)
            raise ValueError(f"interval: found {interval!r}, expected one of {expected}")
        self.venue = venue
        self.symbol = symbol
        self.interval = interval
        self.misplaced = 0
        """Trades handed back so far."""
        self._length = INTERVALS[interval]
        self._offset = _MONDAY if interval == "1w" else 0
        self._open_time = 0
        self._closed_until = 0
        self._trades = 0

    def apply(self, trade: Trade | AggregateTrade) -> Sequence[Told]:
        """Take in one trade; the bar it closed, or the trade itself when no bar can take it."""
        time = trade.venue_time or trade.received
        if time < self._closed_until:
            return (self._hand_back(trade, "late"),)
        if time > trade.received + AHEAD and trade.received:
            return (self._hand_back(trade, "ahead"),)
        start = time - (time - self._offset) % self._length
        if not self._trades:
            self._begin(trade, start)
            return ()
        if start > self._open_time:
            closed = self._close()
            self._begin(trade, start)
            return (closed,)
        if start < self._open_time:
            return (self._hand_back(trade, "late"),)
        self._merge(trade)
        return ()

    def close_until(self, now: int) -> Sequence[Bar]:
        """Close the open bar if its interval has ended by `now` (venue time).

        Whoever calls decides how long to wait for trades still on their way.
        """
        self._closed_until = max(self._closed_until, now - (now - self._offset) % self._length)
        if self._trades and self._open_time < self._closed_until:
            return (self._close(),)
        return ()

    @property
    def current(self) -> Bar | None:
        """The open bar as it stands; None between bars."""
        return self._bar(closed=False) if self._trades else None

    def _hand_back(self, trade: Trade | AggregateTrade, why: str) -> Misplaced:
        self.misplaced += 1
        return Misplaced(trade=trade, why=why)

    def _begin(self, trade: Trade | AggregateTrade, start: int) -> None:
        self._open_time = start
        self._open = self._high = self._low = self._last = trade.price
        self._volume = self._quote_volume = 0.0
        self._first_id, self._last_id = _ids(trade)
        self._trades = 0
        self._venue_time = 0
        self._merge(trade)

    def _merge(self, trade: Trade | AggregateTrade) -> None:
        price, size = trade.price, trade.size
        first, last = _ids(trade)
        if price > self._high:
            self._high = price
        if price < self._low:
            self._low = price
        if first < self._first_id:
            self._first_id, self._open = first, price
        if last >= self._last_id:
            self._last_id, self._last = last, price
        self._volume += size
        self._quote_volume += price * size
        self._trades += last - first + 1
        self._venue_time = max(self._venue_time, trade.venue_time)
        self._received = trade.received

    def _close(self) -> Bar:
        bar = self._bar(closed=True)
        self._closed_until = max(self._closed_until, self._open_time + self._length)
        self._trades = 0
        return bar

    def _bar(self, *, closed: bool) -> Bar:
        return Bar(
            venue=self.venue,
            symbol=self.symbol,
            venue_time=self._venue_time,
            received=self._received,
            interval=self.interval,
            open_time=self._open_time,
            close_time=self._open_time + self._length - 1,
            open=self._open,
            high=self._high,
            low=self._low,
            close=self._last,
            volume=self._volume,
            quote_volume=self._quote_volume,
            trades=self._trades,
            closed=closed,
        )


def _ids(trade: Trade | AggregateTrade) -> tuple[int, int]:
    if isinstance(trade, Trade):
        return trade.trade_id, trade.trade_id
    return trade.first_id, trade.last_id
