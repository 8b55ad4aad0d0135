"""What a desk subscribes to for its rules: one channel of each family that they watch.

House rules: a rule that would wait for ever is refused by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pitwire.model.errors import ConfigError
from pitwire.trading.rules import Rule
from pitwire.venues.venue import Ask, Venue

_TRADES = ("Trade", "AggregateTrade")
_TOUCH = ("Quote", "BookDelta", "PartialBook")
_FAMILIES = {
    **dict.fromkeys(_TRADES, _TRADES),
    **dict.fromkeys((*_TOUCH, "BookSnapshot", "BookStale"), _TOUCH),
}
"""Events that tell the same thing; the first is what is asked for when nobody chose."""
_ALONE = frozenset(("Ticker", "AveragePrice", "Bar", "MarkPrice", "Funding", "Liquidation"))
"""Those that come with a channel of their own, or not at all."""


def watched(venue: Venue, known: Sequence[Ask], rules: Iterable[Rule]) -> list[Ask]:
    """What the rules watch and nobody has asked for, in the venue's channels.

    Conditions watch every way to learn a thing (a price comes with trades and with aggregates);
    one channel of a family is enough, and the configuration chooses which.
    """
    channels = {row.event: row.name for row in reversed(list(venue.channels.values()))}
    asks = list(known)
    for rule in rules:
        _demand_heard(venue, rule, channels)
        for watch in rule.watches:
            family = _FAMILIES.get(watch.event.__name__, (watch.event.__name__,))
            names = [channels[event] for event in family if event in channels]
            if not watch.symbol or not names:
                continue
            if not any(
                ask.channel in names
                and ask.symbol == watch.symbol
                and watch.option in ("", ask.option)
                for ask in asks
            ):
                asks.append(Ask(names[0], watch.symbol, watch.option))
    return asks[len(known) :]


def _demand_heard(venue: Venue, rule: Rule, channels: Mapping[str, str]) -> None:
    """Raise `ConfigError` for a rule that would wait for ever: the venue tells none of what it
    watches, as one that tells no trades does to a rule that watches the last price."""
    watched = [one.event.__name__ for one in rule.watches if one.symbol]
    told = [one for one in watched if one in _FAMILIES or one in _ALONE]
    heard = (name for one in told for name in _FAMILIES.get(one, (one,)) if name in channels)
    if told and len(told) == len(watched) and next(heard, None) is None:
        expected = f"something that {venue.name} tells: {', '.join(sorted(channels))}"
        if "Quote" in channels and set(told) <= {"Trade", "AggregateTrade"}:
            expected += '; or its price as of = "bid", "ask" or "mid", which comes with quotes'
        found = f"a rule that watches {', '.join(dict.fromkeys(told))} alone"
        raise ConfigError(where=f"rule {rule.name!r}", found=found, expected=expected)
