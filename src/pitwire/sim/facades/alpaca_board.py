"""One symbol as Alpaca's feeds see it: its book, its best prices, what has traded, its bars.

House rules: the book is followed from the exchange's facts while somebody needs it, and read anew
where nobody did; days begin at midnight in New York.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from pitwire.model.clock import SECOND
from pitwire.model.orders import Side
from pitwire.sim.facades.alpaca_text import Scale
from pitwire.sim.facades.binance_board import BoardSide
from pitwire.sim.facades.binance_candles import HOUR, Bar, SymbolHistory, opening
from pitwire.sim.facades.facade import Level, Market
from pitwire.sim.facts import LevelChanged

MINUTE = 60 * SECOND


class Board:
    """A symbol's public state."""

    def __init__(self, scale: Scale, market: Market) -> None:
        self.scale = scale
        self._market = market
        self._bids, self._asks = BoardSide(Side.BUY, ()), BoardSide(Side.SELL, ())
        self._is_stale = True
        self.history = SymbolHistory(market.last_price(scale.listing.symbol))
        self.told: tuple[Level, Level] | None = None
        """Best bid and ask as they were last told."""
        self.quoted = 0
        """When a best price or size last changed."""
        self.changed: tuple[dict[int, int], dict[int, int]] = ({}, {})
        """What of the book has changed since it was last told: price → lots, bids and asks."""

    def follow(self, fact: LevelChanged) -> None:
        """A level has changed."""
        if not self._is_stale:
            side = self._bids if fact.side is Side.BUY else self._asks
            side.put(fact.price, fact.lots)

    def leave(self) -> None:
        """Nobody follows the book from here on."""
        self._is_stale = True

    @property
    def bids(self) -> BoardSide:
        self._come_up()
        return self._bids

    @property
    def asks(self) -> BoardSide:
        self._come_up()
        return self._asks

    @property
    def top(self) -> tuple[Level, Level]:
        """Best bid and best ask; zeros for an empty side."""
        self._come_up()
        return self._bids.best(), self._asks.best()

    def day(self, at: int) -> Bar:
        """The bar of the New York day that holds this moment."""
        offset = new_york(at)
        opened = opening("1d", at, offset)
        found = self.history.bars(
            "1d", start=opened, end=opened, limit=1, newest=True, offset=offset
        )
        return found[0] if found else self.history.bar("1m", at)

    def _come_up(self) -> None:
        if self._is_stale:
            book = self._market.book(self.scale.listing.symbol)
            self._bids = BoardSide(Side.BUY, book.bids)
            self._asks = BoardSide(Side.SELL, book.asks)
            self._is_stale = False


def new_york(at: int) -> int:
    """How far New York's clock is from UTC then, in ns (negative: behind).

    Daylight saving time from the second Sunday of March, 02:00, to the first of November, 02:00.
    """
    year = datetime.fromtimestamp(at // SECOND, tz=UTC).year
    begin = _sunday(date(year, 3, 8), hour_utc=7)
    end = _sunday(date(year, 11, 1), hour_utc=6)
    return -4 * HOUR if begin <= at // SECOND < end else -5 * HOUR


def _sunday(first: date, *, hour_utc: int) -> int:
    day = first + timedelta(days=(6 - first.weekday()) % 7)
    return int(datetime(day.year, day.month, day.day, hour_utc, tzinfo=UTC).timestamp())
