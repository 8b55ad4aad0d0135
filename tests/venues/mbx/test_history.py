"""Trades by time: the time in milliseconds, rounded down so that none is left out."""

from __future__ import annotations

import pytest

from pitwire.model.clock import MILLISECOND
from pitwire.model.errors import ConfigError
from pitwire.venues.mbx.history import trades_since


def test_the_first_of_a_millisecond_is_among_them() -> None:
    query = "symbol=BTCUSDT&startTime=1700000000000&limit=7"
    for more in (0, MILLISECOND - 1):
        assert trades_since("BTCUSDT", 1_700_000_000_000 * MILLISECOND + more, 7) == query
    assert trades_since("BTCUSDT", MILLISECOND, 5000).endswith("&limit=1000")


@pytest.mark.parametrize(("since", "count"), [(0, 1), (-MILLISECOND, 1), (MILLISECOND, 0)])
def test_what_cannot_be_asked(since: int, count: int) -> None:
    with pytest.raises(ConfigError, match="a time and a count"):
        trades_since("BTCUSDT", since, count)
