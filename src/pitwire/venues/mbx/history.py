"""The family's trades of the past: what is asked of them by time (binance §5.7, §5.8).

House rules: only `ConfigError` is raised, for what cannot be asked.
"""

from __future__ import annotations

from urllib.parse import urlencode

from pitwire.model.clock import MILLISECOND
from pitwire.model.errors import ConfigError

MOST_TRADES = 1000
"""As many are told at once."""


def trades_since(native: str, since: int, count: int) -> str:
    """The query for the first trades of a symbol, in the venue's spelling, from a venue time (ns)
    on."""
    start = since // MILLISECOND
    if start < 1 or count < 1:
        raise ConfigError(where="trades", found=(since, count), expected="a time and a count")
    limit = min(count, MOST_TRADES)
    return urlencode({"symbol": native, "startTime": start, "limit": limit})
