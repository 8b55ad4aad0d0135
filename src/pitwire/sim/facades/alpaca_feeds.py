"""Alpaca's market-data endpoints: which channels each has, who hears what (alpaca §1, §2.3).

House rules: a subscription is only a set of names; `*` stands for every symbol of the feed; what is
acknowledged and what is sent may differ where a fault wants it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from pitwire.sim.facades.alpaca_options import (
    CRYPTO,
    IEX,
    INDICATIVE,
    NEWS,
    OPRA,
    SIP,
    TEST,
    AlpacaOptions,
)
from pitwire.sim.facades.alpaca_text import FAKEPACA, Scale
from pitwire.sim.facades.alpaca_wire import Wire

STAR = "*"
SYMBOL = re.compile(r"[A-Za-z0-9./_-]{1,32}\Z")
"""How a symbol may be written; anything else is malformed (400)."""
_FOLLOWERS = ("corrections", "cancelErrors")
"""What `trades` brings with it (§2.3)."""


class Feed(NamedTuple):
    """One endpoint."""

    path: str
    kind: str
    channels: tuple[str, ...]
    """What can be asked for."""
    told: tuple[str, ...]
    """The keys of the answer, in their order."""

    def has(self, scale: Scale) -> bool:
        """Whether a symbol is on it."""
        if self.kind == "crypto":
            return scale.is_crypto
        if self.kind == "test":
            return scale.symbol == FAKEPACA
        return self.kind in ("iex", "sip") and not scale.is_crypto and scale.symbol != FAKEPACA


_BARS = ("bars", "updatedBars", "dailyBars")
_STOCKS = ("trades", "quotes", *_BARS, "statuses", "lulds", "imbalances")
_STOCKS_TOLD = ("trades", "quotes", *_BARS, "statuses", "lulds", *_FOLLOWERS)
FEEDS = {
    feed.path: feed
    for feed in (
        Feed(
            CRYPTO,
            "crypto",
            ("trades", "quotes", "orderbooks", *_BARS),
            ("trades", "quotes", "orderbooks", *_BARS),
        ),
        Feed(IEX, "iex", _STOCKS, _STOCKS_TOLD),
        Feed(SIP, "sip", _STOCKS, _STOCKS_TOLD),
        Feed(TEST, "test", ("trades", "quotes", "bars"), ("trades", "quotes", "bars")),
        Feed(NEWS, "news", ("news",), ("news",)),
        Feed(INDICATIVE, "options", ("trades", "quotes"), ("trades", "quotes")),
        Feed(OPRA, "options", ("trades", "quotes"), ("trades", "quotes")),
    )
}
"""Path → endpoint. On the last three nothing is ever published here."""
CHANNELS = frozenset(name for feed in FEEDS.values() for name in feed.channels)


class Listener:
    """A connection to a market-data endpoint."""

    def __init__(self, link: int, feed: Feed, wire: Wire) -> None:
        self.link, self.feed, self.wire = link, feed, wire
        self.account = ""
        """"" until it has logged in."""
        self.asked: dict[str, dict[str, None]] = {name: {} for name in feed.channels}
        """Channel → symbols, as they are acknowledged."""
        self.withheld: set[tuple[str, str]] = set()
        """(channel, symbol) that are acknowledged and never sent."""

    def hears(self, channel: str, symbol: str) -> bool:
        """Whether a message of a channel and symbol goes to it."""
        asked = self.asked.get(channel)
        if not asked:
            return False
        if symbol in asked:
            return (channel, symbol) not in self.withheld
        return STAR in asked and (channel, STAR) not in self.withheld

    def state(self) -> dict[str, object]:
        """The complete subscription, as every answer shows it (§2.3)."""
        found: dict[str, object] = {"T": "subscription"}
        for name in self.feed.told:
            found[name] = list(self.asked["trades" if name in _FOLLOWERS else name])
        for name, symbols in self.asked.items():
            if name not in found and symbols:
                found[name] = list(symbols)
        return found


def exceeds(feed: Feed, asked: dict[str, dict[str, None]], options: AlpacaOptions,
            listed: int) -> bool:  # fmt: skip
    """Whether so much is more than the plan has (§2.5); `*` counts as all that are `listed`."""

    def count(*channels: str) -> int:
        return sum(
            listed if STAR in asked.get(name, {}) else len(asked.get(name, {})) for name in channels
        )

    if feed.kind == "crypto":
        limits = ((options.crypto_symbols, count("trades", "quotes")),
                  (options.crypto_books, count("orderbooks")))  # fmt: skip
    elif feed.kind == "options":
        limits = ((options.option_quotes, count("quotes")), (0, 0))
    else:
        limits = ((options.stock_symbols, count("trades", "quotes")), (0, 0))
    return any(limit and wanted > limit for limit, wanted in limits)
