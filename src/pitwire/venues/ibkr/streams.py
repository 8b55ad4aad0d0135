"""Asks on the socket, as plain text commands (§8.1, §8.4, §8.6), one to a message.

House rules: all that is asked of one contract is one subscription at the venue, so it is named with
all its fields each time; nothing confirms an ask but its first data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pitwire.model.errors import ConfigError
from pitwire.model.events import Event, PartialBook, Quote, Ticker
from pitwire.venues.codec import Ask
from pitwire.venues.ibkr.symbols import Symbols, check
from pitwire.venues.venue import Channel

CHANNELS: Mapping[str, Channel] = {
    # §8.4: conflated, about one frame in 500 ms for each contract, and only what has changed.
    "ticker": Channel("ticker", "smd+{symbol}", event="Quote"),
    "stats": Channel("stats", "smd+{symbol}", event="Ticker"),
    # §8.6: the ladder by price; no numbers, so that it is no book that could be kept.
    "partial_book": Channel("partial_book", "sbd+{account}+{symbol}", event="PartialBook"),
}
QUOTE_FIELDS = ("84", "85", "86", "88")
"""Bid price, ask size, ask price, bid size (§6.3: in this order, which is none)."""
STATS_FIELDS = ("31", "70", "71", "82", "83", "7295", "7762")
"""Last, high, low, change, change in percent, open, volume (§6.3)."""
LIVE_FIELD = "6509"
"""Whether what is sent is in real time (§6.3)."""
_FIELDS = {"ticker": QUOTE_FIELDS, "stats": STATS_FIELDS}
_CHANNEL_OF = {Quote: "ticker", Ticker: "stats", PartialBook: "partial_book"}
IDLE = b"tic"
"""Says nothing (§8.2): where an ask ends and the venue's subscription goes on for another."""


class Streams:
    """What is asked for on one connection, by contract."""

    def __init__(self, symbols: Symbols) -> None:
        self._symbols = symbols
        self.account = ""
        """Whose depth is asked for; known after the login."""
        self.wanted: dict[str, set[str]] = {}
        """Contract → channels."""

    def check(self, ask: Ask) -> None:
        """Raise `ConfigError` for a channel, symbol or option that cannot be asked."""
        if ask.channel not in CHANNELS:
            raise ConfigError(
                where="channel", found=ask.channel, expected=f"one of {', '.join(sorted(CHANNELS))}"
            )
        check(ask.symbol)
        if ask.option:
            raise ConfigError(where="option", found=ask.option, expected="none")

    def begin(self, asks: Sequence[Ask]) -> bytes:
        """The command for one ask; raises `ConfigError` before its contract is known."""
        [ask] = asks
        conid = self._symbols.conid(ask.symbol)
        self.wanted.setdefault(conid, set()).add(ask.channel)
        return self._depth(conid) if ask.channel == "partial_book" else self._data(conid)

    def end(self, asks: Sequence[Ask]) -> bytes:
        """The command that ends one ask, and nothing that goes on."""
        [ask] = asks
        conid = self._symbols.conid(ask.symbol)
        left = self.wanted.get(conid, set())
        left.discard(ask.channel)
        if not left:
            self.wanted.pop(conid, None)
        if ask.channel == "partial_book":
            others = any("partial_book" in one for one in self.wanted.values())
            return IDLE if others else f"ubd+{self.account}".encode()  # of all depth there is
        return self._data(conid) if left & _FIELDS.keys() else f"umd+{conid}+{{}}".encode()

    def renewals(self) -> list[bytes]:
        """Every subscription once more: they end by themselves after 15 minutes (§8.4)."""
        said = []
        for conid, channels in self.wanted.items():
            if channels & _FIELDS.keys():
                said.append(self._data(conid))
            if "partial_book" in channels:
                said.append(self._depth(conid))
        return said

    def ask_of(self, event: Event) -> Ask | None:
        """Which ask an event answers."""
        channel = _CHANNEL_OF.get(type(event))
        return None if channel is None else Ask(channel, event.symbol)

    def _data(self, conid: str) -> bytes:
        wanted = self.wanted.get(conid, set())
        fields = [one for name, all in _FIELDS.items() if name in wanted for one in all]
        names = ",".join(f'"{one}"' for one in (*fields, LIVE_FIELD))
        return f'smd+{conid}+{{"fields":[{names}]}}'.encode()

    def _depth(self, conid: str) -> bytes:
        return f"sbd+{self.account}+{conid}".encode()
