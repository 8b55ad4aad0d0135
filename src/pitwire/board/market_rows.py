"""What the board shows of one symbol: the watchlist's row, the ladder, the tape, the bars.

House rules: reads the desk and changes nothing in it; a row is made again only where its symbol
has moved; trades are read as they are looked at, or once a second; every text is on the
instrument's grid.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Any, TypeAlias

from pitwire.board.bars import ChartBars
from pitwire.board.digits import UNKNOWN, Digits, known, milliseconds, percent
from pitwire.board.picture import KEPT
from pitwire.market.book import OrderBook
from pitwire.model.clock import SECOND
from pitwire.model.events import AggregateTrade, Quote, Trade
from pitwire.model.orders import Side
from pitwire.store.frames import Frames
from pitwire.trading.state import State

LEVELS = 15
"""Levels a side in the ladder."""
TAPE = 30
"""Trades that one frame shows at most; the others are counted."""
SPARK_SECONDS = 60
_LARGE = 5
"""A print is large from so many times the mean size on."""
_SMOOTH = 64
_FOREIGN = 3600 * SECOND
"""Stamps further than this from our clock are of another day: a recording is played."""
_BUY = 0
"""The code of a buying taker in a table of trades."""
_Print: TypeAlias = tuple[Sequence[Any], bool]
"""A trade as its table has it, and whether it is a large one."""


class SymbolRows:
    """One symbol of a desk, as it is told to viewers."""

    def __init__(self, symbol: str, state: State, frames: Frames) -> None:
        self.symbol, self._state, self._frames = symbol, state, frames
        self.digits = Digits(state.instruments.get(symbol))
        self.bars = ChartBars()
        self.heard = 0
        """When the newest event of its market came, ns; 0 before the first."""
        self.late = 0
        """How old by venue time what came last was when it came, ns."""
        self.recorded = 0
        """The venue's stamp of what came last, ns, where that is of another day; else 0."""
        self._recent: deque[_Print] = deque(maxlen=KEPT["tape"])
        self._untold = 0
        """Trades at the end of the recent ones that nobody was told of."""
        self._trades = frames.trades(symbol)
        self._read = 0
        self._mean = 0.0
        self._last: float | None = None
        self._direction = 0
        self._first: float | None = None

    # ── looking ───────────────────────────────────────────────────────────────────────────────

    def look(self) -> bool:
        """Take in what has happened since the last time; whether anything has."""
        state, symbol = self._state, self.symbol
        book, quote = state.books.get(symbol), state.quotes.get(symbol)
        trade = state.trades.get(symbol)
        partial = state.partials.get(symbol)
        heard = max(
            book.received if book else 0,
            partial.received if partial else 0,
            quote.received if quote else 0,
            trade.received if trade else 0,
        )
        if heard <= self.heard:
            return False
        self.heard = heard
        self._note_lateness(book, quote, trade)
        self._note_last(state.last(symbol))
        return True

    def _note_lateness(
        self, book: OrderBook | None, quote: Quote | None, trade: Trade | AggregateTrade | None
    ) -> None:
        stamped = [
            (one.received, one.venue_time)
            for one in (book, quote, trade)
            if one is not None and one.venue_time
        ]
        if not stamped:
            return
        received, venue_time = max(stamped)
        offset = self._state.offset.offset if self._state.offset is not None else 0
        late = received - venue_time + offset
        foreign = abs(late) >= _FOREIGN
        self.late, self.recorded = (0, venue_time) if foreign else (late, 0)

    def read_trades(self, *, seen: bool) -> None:
        """Take in the trades since the last time; `seen`: somebody looks, and is told of them."""
        table = self._trades
        if not table.total:
            # The table may have been begun since; single trades go before merged ones.
            table = self._frames.trades(self.symbol)
            if not table.total:
                table = self._frames.aggregate_trades(self.symbol)
            self._trades = table
        new = table.total - self._read
        if not new:
            return
        self._read = table.total
        rows: Sequence[Any] = table.newest(new)
        self.bars.take([(row[1] or row[0], row[2], row[3]) for row in rows])
        mean = self._mean
        for row in rows:
            mean += (row[3] - mean) / _SMOOTH
        self._mean = mean
        self._recent += [(row, row[3] > _LARGE * mean) for row in rows[-KEPT["tape"] :]]
        self._untold = self._untold + new if seen else 0

    def _print(self, one: _Print) -> list[Any]:
        (came, venue_time, price, size, side, trade_id, *_), large = one
        return [
            trade_id,
            "buy" if side == _BUY else "sell",
            self.digits.price(price),
            self.digits.size(size),
            milliseconds(venue_time or came),
            int(large),
        ]

    def _note_last(self, last: float | None) -> None:
        if last is None:
            return
        if self._first is None:
            self._first = last
        if self._last is not None and last != self._last:
            self._direction = 1 if last > self._last else -1
        self._last = last

    # ── rows ──────────────────────────────────────────────────────────────────────────────────

    def watch_row(self) -> list[Any]:
        """Last, direction, change, its sign, bid, ask, what the change is counted from."""
        change, since = self._change()
        moved = 0.0 if change is None else round(change, 2)  # what is told as 0.00 has no sign
        touch = self._state.touch(self.symbol)
        bid, ask = (touch[0], touch[1]) if touch is not None else (None, None)
        return [
            known(self._last, self.digits.price),
            self._direction,
            known(change, percent) + ("" if change is None else "%"),
            (moved > 0) - (moved < 0),
            known(bid, self.digits.price),
            known(ask, self.digits.price),
            since,
        ]

    def _change(self) -> tuple[float | None, str]:
        ticker = self._state.tickers.get(self.symbol)
        if ticker is not None and ticker.change_percent == ticker.change_percent:
            return ticker.change_percent, ticker.window
        if self._last is None or not self._first:
            return None, "start"
        return (self._last - self._first) / self._first * 100, "start"

    def spark(self, now: int) -> list[int]:
        """The last minute's prices as heights of 0 to 99, one a second."""
        offset = self._state.offset.offset if self._state.offset is not None else 0
        until = (self.recorded or now + offset) // SECOND
        closes = self.bars.closes(SPARK_SECONDS, until)
        low, high = (min(closes), max(closes)) if closes else (0.0, 0.0)
        span = high - low
        return [round((close - low) / span * 99) if span else 50 for close in closes]

    def take_tape(self) -> list[list[Any]]:
        """Trades since this was last asked; before them `[0, "skipped", n]` if some were."""
        untold, self._untold = self._untold, 0
        told = [self._print(one) for one in list(self._recent)[-min(untold, TAPE) :] if untold]
        return [[0, "skipped", untold - TAPE], *told] if untold > TAPE else told

    def recent_tape(self) -> list[list[Any]]:
        """The last trades that were taken already."""
        held = max(0, len(self._recent) - self._untold)
        return [self._print(one) for one in islice(self._recent, held)]

    # ── the ladder ────────────────────────────────────────────────────────────────────────────

    def ladder(self) -> dict[str, Any]:
        """Both sides, best level first, and what stands between them."""
        book = self._state.book(self.symbol)
        if book is None:
            return {"asks": [], "bids": [], "middle": self._without_book()}
        bids = list(islice(book.bids, LEVELS))
        asks = list(islice(book.asks, LEVELS))
        own = self._own_sizes()
        deepest = max(_depth(bids), _depth(asks)) or 1.0
        return {
            "asks": self._side(asks, own.get(Side.SELL, {}), deepest),
            "bids": self._side(bids, own.get(Side.BUY, {}), deepest),
            "middle": self._middle(bids, asks),
        }

    def _without_book(self) -> list[Any]:
        reasons = self._state.stale.get(self.symbol, {})
        why = (
            reasons.get("book")
            or reasons.get("partial_book")
            or self._state.stale_reason(self.symbol)
        )
        if why or self.symbol in self._state.books:
            return [UNKNOWN, UNKNOWN, f"no book: {why or 'waiting for a snapshot'}"]
        touch = self._state.touch(self.symbol)
        if touch is None:
            return [UNKNOWN, UNKNOWN, "no book yet"]
        mid = (touch[0] + touch[1]) / 2
        return [self._mid(mid), self.digits.ticks(touch[1] - touch[0]), "no book subscribed"]

    def _mid(self, mid: float) -> str:
        # Halfway between two ticks needs one digit more.
        return format(mid, f".{self.digits.price_digits + 1}f")

    def _middle(
        self, bids: Sequence[tuple[float, float]], asks: Sequence[tuple[float, float]]
    ) -> list[Any]:
        if not bids or not asks:
            side = "bids" if not bids else "asks"
            return [UNKNOWN, UNKNOWN, f"no {side}"]
        bid, ask = bids[0][0], asks[0][0]
        return [self._mid((bid + ask) / 2), self.digits.ticks(ask - bid), ""]

    def _side(
        self, levels: Sequence[tuple[float, float]], own: dict[float, str], deepest: float
    ) -> list[list[Any]]:
        rows, sum_so_far, digits = [], 0.0, self.digits
        for price, size in levels:
            sum_so_far += size
            rows.append(
                [
                    digits.price(price),
                    digits.size(size),
                    digits.size(sum_so_far),
                    round(sum_so_far / deepest * 1000),
                    own.get(price, ""),
                ]
            )
        return rows

    def _own_sizes(self) -> dict[Side, dict[float, str]]:
        """What is left of our resting orders, by side and price."""
        found: dict[Side, dict[float, Any]] = {}
        for order in self._state.ledger.open_of(self.symbol):
            left = order.remaining
            if order.is_ours and order.side and order.price is not None and left:
                at = found.setdefault(order.side, {})
                price = float(order.price)
                at[price] = at.get(price, 0) + left
        return {
            side: {price: self.digits.size(size) for price, size in at.items()}
            for side, at in found.items()
        }


def _depth(levels: Sequence[tuple[float, float]]) -> float:
    return sum(size for _, size in levels)
