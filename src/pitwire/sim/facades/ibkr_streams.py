"""Market data over a socket: quotes, depth and bars (ibkr §8.4 to §8.6).

House rules: a first frame is whole and the next ones say what changed; of what changes within half
a second the last alone is sent; a stream ends by itself and says nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable

from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.sim.facades.facade import Market
from pitwire.sim.facades.ibkr_contracts import Contract
from pitwire.sim.facades.ibkr_fields import Quotes
from pitwire.sim.facades.ibkr_options import IbkrOptions
from pitwire.sim.facades.ibkr_timers import Timers

Tell = Callable[[dict[str, object], str], None]
"""(frame, what stream it belongs to): send it to the stream's socket."""


class Conflated:
    """What is told at most twice a second, and only while something is new.

    `tell` makes and sends what there is to say, with the time.
    """

    def __init__(self, timers: Timers, options: IbkrOptions, tell: Callable[[int], None]) -> None:
        self._timers = timers
        self._span = round(options.conflate_seconds * SECOND)
        self._tell = tell
        self._said = 0
        self._is_due = False
        self.is_over = False

    def said(self, now: int) -> None:
        """Something was sent at this time."""
        self._said = now

    def stir(self, now: int) -> None:
        """There may be something to say."""
        if not self._is_due and not self.is_over:
            self._is_due = True
            self._timers.set(max(now, self._said + self._span), self._flush)

    def _flush(self, now: int) -> None:
        self._is_due = False
        if not self.is_over:
            self._said = now
            self._tell(now)


class QuoteStream:
    """`smd` of one contract on one socket."""

    def __init__(
        self,
        found: Contract,
        conidex: str,
        *,
        quotes: Quotes,
        options: IbkrOptions,
        timers: Timers,
        tell: Tell,
        flows: Callable[[int], bool],
    ) -> None:
        self.found = found
        self._conidex = conidex
        self._quotes = quotes
        self._options = options
        self._tell = tell
        self._flows = flows
        self.fields: dict[str, None] = {}
        self._shown: dict[str, str] = {}
        self._is_told = False
        self.ends = 0
        self.pace = Conflated(timers, options, self._say)

    def begin(self, fields: list[str], now: int) -> None:
        """Hear these fields, beside those that are heard already, for the usual time from now."""
        more = [name for name in fields if name not in self.fields]
        self.fields |= dict.fromkeys(more)
        self.ends = now + round(self._options.market_data_seconds * SECOND)
        if self._options.again_is_full or more or not self._is_told:
            self._shown = {}
            self._is_told = False
            if self._flows(now):
                self._say(now)

    def _say(self, now: int) -> None:
        if not self._flows(now) or now >= self.ends:
            return
        values = self._quotes.values(self.found, self.fields, now)
        news = {name: value for name, value in values.items() if self._shown.get(name) != value}
        if not news and self._is_told:
            return
        found, cursor = self.found, self._options.first_cursor
        frame: dict[str, object]
        if self._is_told:
            frame = {"_updated": now // MILLISECOND, "conid": found.conid, "server_id": cursor,
                     "6119": cursor}  # fmt: skip
        else:
            frame = {"server_id": cursor, "conidEx": self._conidex, "conid": found.conid,
                     "_updated": now // MILLISECOND, "6119": cursor}  # fmt: skip
        topic = f"smd+{self._conidex}"
        self._tell({**frame, **news, "topic": topic}, topic)
        self._shown, self._is_told = values, True
        self.pace.said(now)


class DepthStream:
    """`sbd` of one contract on one socket: a ladder in one column of prices."""

    def __init__(
        self,
        topic: str,
        found: Contract,
        *,
        market: Market,
        options: IbkrOptions,
        timers: Timers,
        tell: Tell,
        flows: Callable[[int], bool],
    ) -> None:
        self._topic = topic
        self.found = found
        self._market = market
        self._options = options
        self._tell = tell
        self._flows = flows
        self._shown: list[dict[str, object]] = []
        self.pace = Conflated(timers, options, self.say)

    def say(self, now: int) -> None:
        """Send the rows that changed; all of them the first time."""
        if not self._flows(now):
            return
        rows = self._rows()
        news = rows
        if self._shown and not self._options.depth_full_frames:
            before = {row["row"]: row for row in self._shown}
            news = [row for row in rows if before.get(row["row"]) != row]
            gone = range(len(rows), len(self._shown))
            news += [{"row": number, "focus": 0, "price": ""} for number in gone]
        if not news and self._shown:
            return
        self._tell({"topic": self._topic, "data": news}, self._topic)
        self._shown = rows
        self.pace.said(now)

    def _rows(self) -> list[dict[str, object]]:
        """Highest price first: asks, the last trade, bids."""
        found, symbol = self.found, self.found.symbol
        book = self._market.book(symbol, self._options.depth_rows)
        asks, bids = dict(book.asks), dict(book.bids)
        trades = self._market.recent_trades(symbol, 1)
        last = trades[-1].price if trades else 0
        rows: list[dict[str, object]] = []
        for price in sorted({*asks, *bids, *((last,) if last else ())}, reverse=True):
            is_last = price == last and bool(last)
            text = found.price(price)
            row: dict[str, object] = {"row": len(rows), "focus": int(is_last)}
            row["price"] = f"{found.size(trades[-1].lots)} @ {text}" if is_last else text
            if price in asks:
                row["ask"] = found.size(asks[price])
            if price in bids:
                row["bid"] = found.size(bids[price])
            rows.append(row)
        return rows
