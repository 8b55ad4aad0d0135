"""The table of streams, and the two ways between an ask and a stream name (binance §1.3, §3).

House rules: an ask that was given comes back as it was given; a stream that was never asked for
is spelled with the channel's default option as "".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pitwire.model.errors import ConfigError
from pitwire.model.events import (
    AggregateTrade,
    AveragePrice,
    Bar,
    BookDelta,
    Event,
    PartialBook,
    Quote,
    Ticker,
    Trade,
)
from pitwire.venues.binance.symbols import Symbols
from pitwire.venues.reading import Unreadable
from pitwire.venues.venue import Ask, Channel

INTERVALS = (
    "1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w",
    "1M",
)  # fmt: skip
_DEPTHS = ("5", "10", "20", "5@100ms", "10@100ms", "20@100ms")

CHANNELS: Mapping[str, Channel] = {
    row.name: row
    for row in (
        # §3: that ids are consecutive is seen in practice, not promised.
        Channel(name="trades", stream="{symbol}@trade", event="Trade", busy=True, dense=True),
        Channel(
            name="aggregate_trades",
            stream="{symbol}@aggTrade",
            event="AggregateTrade",
            dense=True,
            # §3: `f` and `l`; that nothing is between two is seen in the recordings, not promised.
            merges=True,
        ),
        # §3, §4.1: `u` is of the same sequence as a diff's, and may be ahead of it.
        Channel(
            name="ticker",
            stream="{symbol}@bookTicker",
            event="Quote",
            busy=True,
            numbers_book=True,
        ),
        Channel(
            name="book",
            stream="{symbol}@depth{option}",
            default_option="100ms",
            options=("100ms", "1000ms"),
            event="BookDelta",
            busy=True,
        ),
        Channel(
            name="partial_book",
            stream="{symbol}@depth{option}",
            default_option="20@100ms",
            options=_DEPTHS,
            event="PartialBook",
            busy=True,
        ),
        Channel(
            name="bars",
            stream="{symbol}@kline_{option}",
            default_option="1m",
            options=INTERVALS,
            event="Bar",
        ),
        Channel(name="mini_stats", stream="{symbol}@miniTicker", event="Ticker"),
        Channel(
            name="stats",
            stream="{symbol}@ticker{option}",
            default_option="24h",
            options=("24h", "1h", "4h", "1d"),
            event="Ticker",
        ),
        Channel(name="average_price", stream="{symbol}@avgPrice", event="AveragePrice"),
    )
}
"""Our name → row (§3). `{option}` is what `_SUFFIXES` makes of an option, or the option itself."""

_SUFFIXES: Mapping[tuple[str, str], str] = {
    # §3: the slow book has no suffix, the day's statistics neither.
    ("book", "100ms"): "@100ms",
    ("book", "1000ms"): "",
    ("stats", "24h"): "",
    ("stats", "1h"): "_1h",
    ("stats", "4h"): "_4h",
    ("stats", "1d"): "_1d",
}
_ALL_SYMBOLS = frozenset({("mini_stats", ""), ("stats", "1h"), ("stats", "4h"), ("stats", "1d")})
"""What can be asked for all symbols at once (`!miniTicker@arr`, `!ticker_1h@arr`, …)."""

_SINGLE: Mapping[type[Event], str] = {
    Trade: "trades",
    AggregateTrade: "aggregate_trades",
    Quote: "ticker",
    AveragePrice: "average_price",
}
_Key = tuple[str, str, str]


class Streams:
    """Which streams were asked for on one connection."""

    def __init__(self, symbols: Symbols, channels: Mapping[str, Channel] = CHANNELS) -> None:
        self._symbols, self._channels = symbols, channels
        self._asked: dict[_Key, Ask] = {}
        self._tops: dict[str, tuple[str, int]] = {}

    def check(self, ask: Ask) -> None:
        """Raise `ConfigError` naming field, value and what was expected if it cannot be asked."""
        row = self._channels.get(ask.channel)
        if row is None:
            raise ConfigError(
                where="channel", found=ask.channel, expected=f"one of {', '.join(self._channels)}"
            )
        option = ask.option or row.default_option
        if option not in (row.options or ("",)):
            expected = f"one of {', '.join(row.options)}" if row.options else "no option"
            raise ConfigError(where=f"option of {ask.channel}", found=ask.option, expected=expected)
        if ask.symbol:
            self._symbols.native(ask.symbol)
        elif (ask.channel, option) not in _ALL_SYMBOLS:
            raise ConfigError(
                where=f"symbol of {ask.channel}", found="", expected="a pair such as BTC-USDT"
            )

    def name(self, ask: Ask) -> str:
        """The venue's name of this stream; raises `ConfigError` like `check`."""
        self.check(ask)
        row = self._channels[ask.channel]
        option = ask.option or row.default_option
        suffix = _SUFFIXES.get((ask.channel, option), option)
        if not ask.symbol:
            return row.stream.format(symbol="!", option=suffix).replace("!@", "!") + "@arr"
        native = self._symbols.native(ask.symbol).lower()
        return row.stream.format(symbol=native, option=suffix)

    def note(self, asks: Sequence[Ask]) -> list[str]:
        """Names of these streams, remembered as asked for."""
        names = [self.name(ask) for ask in asks]
        for ask, name in zip(asks, names, strict=True):
            self._asked[self._key(ask)] = ask
            if ask.channel == "partial_book":
                self._tops[name] = (ask.symbol, self._depth_of(ask))
        return names

    def drop(self, asks: Sequence[Ask]) -> list[str]:
        """Names of these streams, no longer asked for."""
        names = [self.name(ask) for ask in asks]
        for ask, name in zip(asks, names, strict=True):
            self._asked.pop(self._key(ask), None)
            self._tops.pop(name, None)
        return names

    def partial(self, stream: str) -> tuple[str, int]:
        """Symbol and depth of a partial book event, which names neither itself (§3).

        Without a stream name the event is attributed only where one partial book was asked for.
        """
        known = self._tops.get(stream)
        if known is not None:
            return known
        if not stream:
            if len(self._tops) == 1:
                return next(iter(self._tops.values()))
            raise Unreadable("stream", "a partial book without a stream name")
        native, _, tail = stream.partition("@")
        depth = tail.removeprefix("depth").partition("@")[0]
        if not native or depth not in ("5", "10", "20"):
            raise Unreadable("stream", stream)
        return self._symbols[native.upper()], int(depth)

    def ask_of(self, event: Event) -> Ask | None:
        """Which ask a decoded event answers, or None where the event cannot tell."""
        channel = _SINGLE.get(event.__class__)
        symbol = event.symbol
        if channel is not None:
            return self._asked.get((channel, symbol, "")) or Ask(channel, symbol)
        match event:
            case BookDelta():
                return self._one_of("book", symbol)
            case PartialBook(depth=depth):
                return self._top_of(symbol, str(depth))
            case Bar(interval=interval):
                return self._given("bars", symbol, interval)
            case Ticker(window=window, change=change):
                return self._statistics_of(symbol, window, mini=math.isnan(change))
            case _:
                return None

    def _given(self, channel: str, symbol: str, option: str) -> Ask:
        known = self._asked.get((channel, symbol, option))
        if known is not None:
            return known
        default = option == self._channels[channel].default_option
        return Ask(channel, symbol, "" if default else option)

    def _one_of(self, channel: str, symbol: str) -> Ask:
        for option in self._channels[channel].options:
            known = self._asked.get((channel, symbol, option))
            if known is not None:
                return known
        return Ask(channel, symbol)

    def _top_of(self, symbol: str, depth: str) -> Ask:
        for option in (f"{depth}@100ms", depth):
            known = self._asked.get(("partial_book", symbol, option))
            if known is not None:
                return known
        fast = f"{depth}@100ms"
        listed = fast in self._channels["partial_book"].options
        return self._given("partial_book", symbol, fast if listed else depth)

    def _statistics_of(self, symbol: str, window: str, *, mini: bool) -> Ask:
        # A mini ticker alone tells no change: that of a symbol without a trade is 0.
        names = (("mini_stats", ""), ("stats", window))
        for channel, option in names if mini else names[::-1]:
            for asked in (symbol, ""):
                known = self._asked.get((channel, asked, option))
                if known is not None:
                    return known
        if mini and window == "24h":
            return Ask("mini_stats", symbol)
        return self._given("stats", symbol, window)

    def _key(self, ask: Ask) -> _Key:
        return ask.channel, ask.symbol, ask.option or self._channels[ask.channel].default_option

    def _depth_of(self, ask: Ask) -> int:
        option = ask.option or self._channels[ask.channel].default_option
        return int(option.partition("@")[0])
