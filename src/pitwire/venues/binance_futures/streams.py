"""Stream names: from an ask to the venue's name, and from an event back to its ask (binance §11.3).

House rules: an ask that was given comes back as it was given; a stream that was never asked for
is spelled with the channel's default option as "".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec

from pitwire.model.errors import ConfigError
from pitwire.model.events import (
    AggregateTrade,
    Bar,
    BookDelta,
    Event,
    Liquidation,
    MarkPrice,
    PartialBook,
    Quote,
    Ticker,
    Trade,
)
from pitwire.venues.binance_futures.symbols import Symbols
from pitwire.venues.venue import Ask, Channel

MARKET = "market"
"""The route of what is reckoned rather than seen on the book (§11.1)."""
INTERVALS = (
    "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M",
)  # fmt: skip
_SPEEDS = ("100ms", "250ms", "500ms", "0ms")
_DEPTHS = tuple(f"{depth}@{speed}" for depth in (5, 10, 20) for speed in _SPEEDS[:3])

CHANNELS: Mapping[str, Channel] = {
    row.name: row
    for row in (
        # §11.3: undocumented, and nobody promises that its ids count by one.
        Channel(name="trades", stream="{symbol}@trade", event="Trade", busy=True),
        Channel(name="ticker", stream="{symbol}@bookTicker", event="Quote", busy=True),
        Channel(
            name="book",
            stream="{symbol}@depth{option}",
            default_option="100ms",
            options=_SPEEDS,
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
            name="aggregate_trades",
            stream="{symbol}@aggTrade",
            event="AggregateTrade",
            dense=True,
            route=MARKET,
        ),
        Channel(
            name="bars",
            stream="{symbol}@kline_{option}",
            default_option="1m",
            options=INTERVALS,
            event="Bar",
            route=MARKET,
        ),
        Channel(name="mini_stats", stream="{symbol}@miniTicker", event="Ticker", route=MARKET),
        Channel(name="stats", stream="{symbol}@ticker", event="Ticker", route=MARKET),
        Channel(
            name="mark_price",
            stream="{symbol}@markPrice{option}",
            default_option="1s",
            options=("1s", "3s"),
            every_seconds=(1, 3),
            event="MarkPrice",
            busy=True,
            route=MARKET,
        ),
        Channel(name="liquidations", stream="{symbol}@forceOrder", event="Liquidation",
                route=MARKET),
    )
}  # fmt: skip
"""USDⓈ-M's rows by our name. `{option}` is what `_suffix` makes of an option."""
UNSPLIT: Mapping[str, Channel] = {
    name: msgspec.structs.replace(row, route="") for name, row in CHANNELS.items()
}
"""The same rows where one address carries all."""
_ALL_SYMBOLS: Mapping[str, str] = {
    "ticker": "!bookTicker",
    "mini_stats": "!miniTicker@arr",
    "stats": "!ticker@arr",
    "mark_price": "!markPrice@arr{option}",
    "liquidations": "!forceOrder@arr",
}
"""What can be asked for all symbols at once."""
_SINGLE: Mapping[type[Event], str] = {
    Trade: "trades",
    AggregateTrade: "aggregate_trades",
    Quote: "ticker",
    Liquidation: "liquidations",
}
_Key = tuple[str, str, str]


class Streams:
    """Which streams were asked for on one connection."""

    def __init__(self, symbols: Symbols) -> None:
        self._symbols = symbols
        self._asked: dict[_Key, Ask] = {}

    def check(self, ask: Ask) -> None:
        """Raise `ConfigError` naming field, value and what was expected if it cannot be asked."""
        row = CHANNELS.get(ask.channel)
        if row is None:
            raise ConfigError(
                where="channel", found=ask.channel, expected=f"one of {', '.join(CHANNELS)}"
            )
        option = ask.option or row.default_option
        if option not in (row.options or ("",)):
            expected = f"one of {', '.join(row.options)}" if row.options else "no option"
            raise ConfigError(where=f"option of {ask.channel}", found=ask.option, expected=expected)
        if ask.symbol:
            self._symbols.native(ask.symbol)
        elif ask.channel not in _ALL_SYMBOLS:
            raise ConfigError(
                where=f"symbol of {ask.channel}", found="", expected="a symbol such as BTC-USDT"
            )

    def name(self, ask: Ask) -> str:
        """The venue's name of this stream; raises `ConfigError` like `check`."""
        self.check(ask)
        row = CHANNELS[ask.channel]
        suffix = _suffix(ask.channel, ask.option or row.default_option)
        if not ask.symbol:
            return _ALL_SYMBOLS[ask.channel].format(option=suffix)
        native = self._symbols.native(ask.symbol).lower()
        return row.stream.format(symbol=native, option=suffix)

    def note(self, asks: Sequence[Ask]) -> list[str]:
        """Names of these streams, remembered as asked for."""
        names = [self.name(ask) for ask in asks]
        self._asked.update((_key(ask), ask) for ask in asks)
        return names

    def drop(self, asks: Sequence[Ask]) -> list[str]:
        """Names of these streams, no longer asked for."""
        names = [self.name(ask) for ask in asks]
        for ask in asks:
            self._asked.pop(_key(ask), None)
        return names

    def ask_of(self, event: Event) -> Ask | None:
        """Which ask a decoded event answers, or None where the event cannot tell."""
        symbol = event.symbol
        channel = _SINGLE.get(event.__class__)
        if channel is not None:
            return self._one_of(channel, symbol, ("",))
        match event:
            case BookDelta():
                return self._one_of("book", symbol, _SPEEDS)
            case MarkPrice():
                return self._one_of("mark_price", symbol, ("1s", "3s"))
            case PartialBook(depth=depth):
                options = [option for option in _DEPTHS if option.startswith(f"{depth}@")]
                return self._one_of("partial_book", symbol, options)
            case Bar(interval=interval):
                return self._one_of("bars", symbol, (interval,))
            case Ticker(change=change):
                # A mini ticker alone tells no change: that of a symbol without a trade is 0.
                mini = math.isnan(change)
                first, second = ("mini_stats", "stats") if mini else ("stats", "mini_stats")
                known = self._known(first, symbol, ("",)) or self._known(second, symbol, ("",))
                return known or Ask(first, symbol)
            case _:
                return None

    def _known(self, channel: str, symbol: str, options: Sequence[str]) -> Ask | None:
        for asked in (symbol, ""):
            for option in options:
                known = self._asked.get((channel, asked, option))
                if known is not None:
                    return known
        return None

    def _one_of(self, channel: str, symbol: str, options: Sequence[str]) -> Ask:
        known = self._known(channel, symbol, options)
        if known is not None:
            return known
        option = options[0]
        return Ask(channel, symbol, "" if option == CHANNELS[channel].default_option else option)


def _suffix(channel: str, option: str) -> str:
    # §11.3: the book of 250 ms has no suffix, the mark price of 3 s neither.
    if channel == "book":
        return "" if option == "250ms" else f"@{option}"
    if channel == "partial_book":
        return option.removesuffix("@250ms")
    if channel == "mark_price":
        return "" if option == "3s" else f"@{option}"
    return option


def _key(ask: Ask) -> _Key:
    return ask.channel, ask.symbol, ask.option or CHANNELS[ask.channel].default_option
