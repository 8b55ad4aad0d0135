"""What is known of a contract's market, as the numbered fields of the gateway (ibkr §6.3).

House rules: a value is text as the venue shows it; a field that is not to be had is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

from pitwire.model.clock import SECOND
from pitwire.sim.facades.binance_candles import DAY, Bar, SymbolHistory
from pitwire.sim.facades.facade import Market
from pitwire.sim.facades.ibkr_contracts import Contract, plain
from pitwire.sim.facades.ibkr_options import IbkrOptions
from pitwire.sim.facts import Fact, PublicTrade, Traded

LAST, BID, ASK_SIZE, ASK, BID_SIZE, LAST_SIZE = "31", "84", "85", "86", "88", "7059"
AVAILABILITY = "6509"
_BILLION, _MILLION, _THOUSAND = 10**9, 10**6, 10**3


class Quotes:
    """The market of every contract, field by field."""

    def __init__(self, market: Market, options: IbkrOptions) -> None:
        self._market = market
        self._options = options
        self.histories = {
            symbol: SymbolHistory(market.last_price(symbol)) for symbol in market.listings
        }
        self._start = {symbol: market.last_price(symbol) for symbol in market.listings}
        self._fields: Mapping[str, Callable[[Contract, int], str]] = {
            LAST: self._last, BID: self._bid, ASK_SIZE: self._ask_size, ASK: self._ask,
            BID_SIZE: self._bid_size, LAST_SIZE: self._last_size,
            "70": self._high, "71": self._low, "82": self._change, "83": self._change_percent,
            "87": self._volume, "7762": self._exact_volume, "7295": self._open,
            "7296": self._prior, "7741": self._prior,
        }  # fmt: skip

    def note(self, facts: Iterable[Fact]) -> set[str]:
        """Take in what happened; the symbols in which anything did."""
        stirred = set()
        for fact in facts:
            stirred.add(fact.symbol)
            is_public = isinstance(fact, PublicTrade) or (isinstance(fact, Traded) and fact.public)
            if is_public:
                assert isinstance(fact, Traded | PublicTrade)
                self.histories[fact.symbol].add(fact)
        return stirred

    def values(self, found: Contract, fields: Iterable[str], now: int) -> dict[str, str]:
        """Field → text, those that are known and to be had, in the order in which they are asked
        for; the availability comes last."""
        if found.ticker in self._options.no_permission:
            return {AVAILABILITY: "N"}
        shown = {}
        for name in (*fields, AVAILABILITY):
            reckon = self._fields.get(name)
            value = self._standing(found, name) if reckon is None else reckon(found, now)
            if value:
                shown[name] = value
        return shown

    def _standing(self, found: Contract, name: str) -> str:
        """What does not move; "" for a field that is not known here."""
        exchange = found.exchange.partition(".")[0]
        standing = {
            "55": found.ticker, "6004": "SMART", "6008": str(found.conid), "6070": "STK",
            "6119": self._options.first_cursor, AVAILABILITY: self._options.availability,
            "7051": found.name, "7094": f"{found.conid}@{exchange}", "7184": "1",
            "7219": found.ticker, "7220": found.ticker, "7221": exchange,
            "7280": found.industry, "7281": found.category, "7768": "1",
        }  # fmt: skip
        return standing.get(name, "")

    def last_tick(self, symbol: str) -> int:
        """Of the last trade, in ticks; where the market began before the first."""
        return self._market.last_price(symbol)

    def top(self, symbol: str) -> tuple[int, int, int, int]:
        """Best bid, its lots, best ask, its lots; zeros for an empty side."""
        book = self._market.book(symbol, 1)
        bid = book.bids[0] if book.bids else (0, 0)
        ask = book.asks[0] if book.asks else (0, 0)
        return (*bid, *ask)

    # -- fields

    def _price(self, found: Contract, ticks: int) -> str:
        text = found.price(ticks)
        if self._options.thousands_separators:
            whole, point, rest = text.partition(".")
            text = f"{int(whole):,}{point}{rest}"
        return text

    def _last(self, found: Contract, now: int) -> str:
        text = self._price(found, self.last_tick(found.symbol))
        if self._market.listings[found.symbol].status != "TRADING":
            return f"H{text}"
        return text if self.histories[found.symbol].last_time else f"C{text}"

    def _bid(self, found: Contract, now: int) -> str:
        ticks = self.top(found.symbol)[0]
        return self._price(found, ticks) if ticks else ""

    def _bid_size(self, found: Contract, now: int) -> str:
        lots = self.top(found.symbol)[1]
        return found.size(lots) if lots else ""

    def _ask(self, found: Contract, now: int) -> str:
        ticks = self.top(found.symbol)[2]
        return self._price(found, ticks) if ticks else ""

    def _ask_size(self, found: Contract, now: int) -> str:
        lots = self.top(found.symbol)[3]
        return found.size(lots) if lots else ""

    def _last_size(self, found: Contract, now: int) -> str:
        lots = self.histories[found.symbol].last_lots
        return found.size(lots) if lots else ""

    def _today(self, found: Contract, now: int) -> Bar:
        return self.histories[found.symbol].bar("1d", now)

    def _high(self, found: Contract, now: int) -> str:
        return self._of_day(found, self._today(found, now), "high")

    def _low(self, found: Contract, now: int) -> str:
        return self._of_day(found, self._today(found, now), "low")

    def _open(self, found: Contract, now: int) -> str:
        return self._of_day(found, self._today(found, now), "first")

    def _of_day(self, found: Contract, day: Bar, name: str) -> str:
        return self._price(found, getattr(day, name)) if day.trades else ""

    def _volume(self, found: Contract, now: int) -> str:
        return shortened(self._today(found, now).lots * found.listing.lot)

    def _exact_volume(self, found: Contract, now: int) -> str:
        return found.size(self._today(found, now).lots)

    def _prior(self, found: Contract, now: int) -> str:
        return self._price(found, self._prior_tick(found, now))

    def _prior_tick(self, found: Contract, now: int) -> int:
        """Where the day before closed; where the market began on the first."""
        opened = now - now % DAY
        before = self.histories[found.symbol].bars(
            "1d", start=0, end=opened - SECOND, limit=1, newest=True
        )
        return before[-1].last if before else self._start[found.symbol]

    def _change(self, found: Contract, now: int) -> str:
        change = self.last_tick(found.symbol) - self._prior_tick(found, now)
        return f"{'+' if change > 0 else ''}{found.price(change)}"

    def _change_percent(self, found: Contract, now: int) -> str:
        prior = self._prior_tick(found, now)
        change = Decimal(self.last_tick(found.symbol) - prior) * 100 / prior
        return f"{change:+.2f}%" if change else "0.00%"


def shortened(amount: Decimal) -> str:
    """A volume as field 87 shows it: `532`, `12.3K`, `1.2M`."""
    for unit, letter in ((_BILLION, "B"), (_MILLION, "M"), (_THOUSAND, "K")):
        if amount >= unit:
            return f"{plain((amount / unit).quantize(Decimal('0.1')))}{letter}"
    return plain(amount)
