"""What has traded: bars of every interval, rolling windows, aggregates (binance §3, §5.8).

House rules: ticks and lots throughout, a volume is the sum of ticks × lots; intervals are aligned
in UTC, or in UTC+8 for the offset variant; history is bounded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TypeAlias

import msgspec

from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.model.orders import Side
from pitwire.sim.facts import PublicTrade, Traded

_BUY = Side.BUY
Match: TypeAlias = Traded | PublicTrade
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
_MONDAY = 4 * DAY
"""The first Monday of the epoch."""

INTERVALS: dict[str, int] = {
    "1s": SECOND,
    "1m": MINUTE,
    "3m": 3 * MINUTE,
    "5m": 5 * MINUTE,
    "15m": 15 * MINUTE,
    "30m": 30 * MINUTE,
    "1h": HOUR,
    "2h": 2 * HOUR,
    "4h": 4 * HOUR,
    "6h": 6 * HOUR,
    "8h": 8 * HOUR,
    "12h": 12 * HOUR,
    "1d": DAY,
    "3d": 3 * DAY,
    "1w": 7 * DAY,
    "1M": 0,
}
"""Interval → length in ns; a month has no fixed length."""

_QUARTER = 15 * MINUTE
"""Every time zone is a whole number of these away from UTC."""
_BARS_KEPT = 1500
_AGGREGATES_KEPT = 5_000
_UNFOLDED = 64
"""How many seconds with trades may wait before they are folded into bars that nobody has asked
for."""


def opening(interval: str, at: int, offset: int = 0) -> int:
    """When the interval that contains `at` began."""
    local = at + offset
    if interval == "1M":
        return _month_start(local) - offset
    span = INTERVALS[interval]
    anchor = _MONDAY if interval == "1w" else 0
    return (local - anchor) // span * span + anchor - offset


def following(interval: str, opened: int, offset: int = 0) -> int:
    """When the interval after the one opened at `opened` begins."""
    if interval == "1M":
        return _month_start(opened + offset + 32 * DAY) - offset
    return opened + INTERVALS[interval]


def _month_start(at: int) -> int:
    day = datetime.fromtimestamp(at // SECOND, tz=UTC)
    first = datetime(day.year, day.month, 1, tzinfo=UTC)
    return int(first.timestamp()) * SECOND


class Bar(msgspec.Struct, gc=False):
    """One interval's trades. Without a trade the ids are -1 and the prices the last known."""

    opened: int
    first: int
    high: int
    low: int
    last: int
    lots: int = 0
    volume: int = 0
    trades: int = 0
    taker_lots: int = 0
    taker_volume: int = 0
    first_id: int = -1
    last_id: int = -1

    def add(self, trade: Match) -> None:
        """Take in a trade that follows; only for a bar that has one already."""
        price, lots = trade.price, trade.lots
        if price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.last = price
        self.last_id = trade.trade_id
        self.trades += 1
        self.lots += lots
        self.volume += price * lots
        if trade.taker_side is _BUY:
            self.taker_lots += lots
            self.taker_volume += price * lots

    def merge(self, later: Bar) -> None:
        """Take in a bar that follows this one; both have a trade."""
        if later.high > self.high:
            self.high = later.high
        if later.low < self.low:
            self.low = later.low
        self.last = later.last
        self.last_id = later.last_id
        self.trades += later.trades
        self.lots += later.lots
        self.volume += later.volume
        self.taker_lots += later.taker_lots
        self.taker_volume += later.taker_volume


def bar_of(trade: Match) -> Bar:
    """A bar with one trade, opened at its second."""
    price, lots = trade.price, trade.lots
    buys = lots if trade.taker_side is _BUY else 0
    number, opened = trade.trade_id, trade.at - trade.at % SECOND
    return Bar(opened, price, price, price, price, lots, price * lots, 1, buys, price * buys,
               number, number)  # fmt: skip


class Aggregate(msgspec.Struct, gc=False):
    """Fills of one taker order at one price and time."""

    aggregate_id: int
    price: int
    lots: int
    first_id: int
    last_id: int
    at: int
    taker_side: Side
    taker_order: int

    @property
    def trade_id(self) -> int:
        """The last fill's."""
        return self.last_id


def _is_more_of(group: Aggregate | PublicTrade, trade: Match) -> bool:
    """Whether a trade is one more fill of an aggregate, or of what has one fill so far."""
    return (
        group.taker_order == trade.taker_order
        and group.price == trade.price
        and group.at == trade.at
        and group.trade_id + 1 == trade.trade_id
    )


def _aggregate_of(number: int, trade: Match) -> Aggregate:
    """An aggregate with one fill so far."""
    return Aggregate(
        number,
        trade.price,
        trade.lots,
        trade.trade_id,
        trade.trade_id,
        trade.at,
        trade.taker_side,
        trade.taker_order,
    )


class SymbolHistory:
    """Everything that a symbol's trades add up to."""

    def __init__(self, last_price: int) -> None:
        self.last_price = last_price
        self.last_lots = 0
        self.last_time = 0
        self._closed: deque[Aggregate | PublicTrade] = deque(maxlen=_AGGREGATES_KEPT)
        """Aggregates that are complete, the newest last; one that nobody was told of and that has a
        single fill is that fill."""
        self._next_aggregate = 1
        self._open: Aggregate | None = None
        self._bars: dict[tuple[str, int], deque[Bar]] = {}
        self._seconds: list[Bar] = []
        """What is yet to be folded into bars: a bar a second, or several, one after the other."""
        self._ends = 0
        """When the second of the last of them is over; 0 when it takes no more trades."""
        self._folded: dict[tuple[str, int], int] = {}
        """How many of the seconds each interval has taken in."""
        for interval in INTERVALS:
            self.keep(interval, 0)

    @property
    def aggregates(self) -> list[Aggregate]:
        """Those that are complete and remembered, oldest first."""
        first = self._next_aggregate - len(self._closed) - (self._open is not None)
        return [
            _aggregate_of(number, one) if isinstance(one, PublicTrade) else one
            for number, one in enumerate(self._closed, start=first)
        ]

    def add_untold(self, trades: list[PublicTrade]) -> None:
        """Take in trades as `add` does, of whose aggregates nobody hears; at least one."""
        closed = self._closed
        group: Aggregate | PublicTrade | None = self._open
        if group is not None:
            closed.append(group)
        for trade in trades:
            if trade.at < self._ends:
                self._seconds[-1].add(trade)
            else:
                self._begin(trade)
            if group is None or not _is_more_of(group, trade):
                closed.append(trade)
                group = trade
                self._next_aggregate += 1
                continue
            if isinstance(group, PublicTrade):
                group = closed[-1] = _aggregate_of(self._next_aggregate - 1, group)
            group.lots += trade.lots
            group.last_id = trade.trade_id
        self.last_price, self.last_lots, self.last_time = trade.price, trade.lots, trade.at
        last = closed.pop()
        if isinstance(last, PublicTrade):
            last = _aggregate_of(self._next_aggregate - 1, last)
        self._open = last

    def add(self, trade: Match) -> Aggregate | None:
        """Take in a trade; returns the aggregate that it completed, if any."""
        self.last_price, self.last_lots, self.last_time = trade.price, trade.lots, trade.at
        if trade.at < self._ends:
            self._seconds[-1].add(trade)
        else:
            self._begin(trade)
        if self._open is not None and _is_more_of(self._open, trade):
            self._open.lots += trade.lots
            self._open.last_id = trade.trade_id
            return None
        done = self.close_aggregate()
        self._open = _aggregate_of(self._next_aggregate, trade)
        self._next_aggregate += 1
        return done

    def close_aggregate(self) -> Aggregate | None:
        """The aggregate under way is complete: nothing more comes at this instant."""
        done, self._open = self._open, None
        if done is not None:
            self._closed.append(done)
        return done

    def keep(self, interval: str, offset: int) -> None:
        """Begin to keep bars of an interval with an offset."""
        if (interval, offset) not in self._bars:
            self._bars[interval, offset] = deque(maxlen=_BARS_KEPT)
            self._ends = 0
            self._folded[interval, offset] = len(self._seconds)

    def bar(self, interval: str, at: int, offset: int = 0) -> Bar:
        """The bar under way, also when nothing traded in it yet."""
        opened = opening(interval, at, offset)
        bars = self._fold(interval, offset)
        for bar in reversed(bars):
            if bar.opened == opened:
                return bar
            if bar.opened < opened:
                return self._flat(opened, bar.last)
        return self._flat(opened, self.last_price)

    def bars(
        self, interval: str, *, start: int, end: int, limit: int, newest: bool, offset: int = 0
    ) -> list[Bar]:
        """Bars that open in [start, end], oldest first, quiet intervals filled in."""
        kept = self._in_zone(interval, offset)
        if not kept:
            return []
        known = {bar.opened: bar for bar in kept}
        begin = next(iter(kept))
        at, last = begin.opened, begin.first
        found: deque[Bar] = deque(maxlen=limit if newest else None)
        while at <= end and (newest or len(found) < limit):
            bar = known.get(at) or self._flat(at, last)
            last = bar.last
            if at >= start:
                found.append(bar)
            at = following(interval, at, offset)
        return list(found)

    def _in_zone(self, interval: str, offset: int) -> Iterable[Bar]:
        """Bars aligned in a time zone, put together from quarters of an hour where it matters."""
        if not offset or 0 < INTERVALS[interval] <= _QUARTER:
            return self._fold(interval, 0)
        merged: list[Bar] = []
        for bar in self._fold("15m", 0):
            opened = opening(interval, bar.opened, offset)
            if merged and merged[-1].opened == opened:
                merged[-1].merge(bar)
            else:
                merged.append(msgspec.structs.replace(bar, opened=opened))
        return merged

    def window(self, since: int) -> Bar:
        """All trades in minute bars that end after `since`, as one bar."""
        whole: Bar | None = None
        for bar in self._fold("1m", 0):
            if bar.opened + MINUTE <= since:
                continue
            if whole is None:
                whole = msgspec.structs.replace(bar)
            else:
                whole.merge(bar)
        return whole or self._flat(since, self.last_price)

    def price_before(self, trade_id: int) -> int:
        """The close of the minute before the one that holds this trade; 0 when unknown."""
        before = 0
        for bar in self._fold("1m", 0):
            if bar.first_id >= trade_id:
                break
            before = bar.last
        return before

    def _begin(self, trade: Match) -> None:
        """Let a new second wait, and fold those that waited once there are many."""
        if len(self._seconds) == _UNFOLDED:
            for interval, offset in self._bars:
                self._fold(interval, offset)
            self._seconds.clear()
            self._folded = dict.fromkeys(self._folded, 0)
        self._seconds.append(bar_of(trade))
        self._ends = self._seconds[-1].opened + SECOND

    def _fold(self, interval: str, offset: int) -> deque[Bar]:
        """Take the waiting seconds into the bars of one interval."""
        key = (interval, offset)
        bars, begin = self._bars[key], self._folded[key]
        if begin == len(self._seconds):
            return bars
        self._ends = 0  # what has been folded in may not grow
        ends = following(interval, bars[-1].opened, offset) if bars else 0
        for second in self._seconds[begin:]:
            if second.opened < ends:
                bars[-1].merge(second)
                continue
            opened = opening(interval, second.opened, offset)
            ends = following(interval, opened, offset)
            bars.append(msgspec.structs.replace(second, opened=opened))
        self._folded[key] = len(self._seconds)
        return bars

    @staticmethod
    def _flat(opened: int, price: int) -> Bar:
        return Bar(opened, price, price, price, price)


def last_instant(interval: str, opened: int, unit: int = MILLISECOND, offset: int = 0) -> int:
    """The last unit of time inside the interval, in ns."""
    return following(interval, opened, offset) - unit
