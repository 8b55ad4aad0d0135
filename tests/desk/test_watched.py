"""What a desk subscribes to for its rules, and a rule that would wait for ever."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from pitwire.desk.watched import watched
from pitwire.model.errors import ConfigError
from pitwire.trading.rules import Watch, watch
from pitwire.trading.state import State
from pitwire.trading.wishes import Wish
from pitwire.venues.binance import BINANCE
from pitwire.venues.ibkr import IBKR
from pitwire.venues.venue import Ask


class Idle:
    """Watches, and wishes nothing."""

    name = "idle"

    def __init__(self, *watches: Watch) -> None:
        self.watches = watches

    def react(self, state: State, now: int) -> Iterable[Wish]:
        return ()


def test_one_channel_of_a_family_is_enough() -> None:
    rule = Idle(watch("Trade", "BTC-USDT"), watch("AggregateTrade", "BTC-USDT"))
    assert watched(BINANCE, [], [rule]) == [Ask("trades", "BTC-USDT")]
    known = [Ask("aggregate_trades", "BTC-USDT")]
    assert watched(BINANCE, known, [rule]) == []


def test_a_rule_of_which_the_venue_tells_nothing_is_refused_by_name() -> None:
    price = (watch("Trade", "AAPL-USD"), watch("AggregateTrade", "AAPL-USD"))
    with pytest.raises(
        ConfigError, match=r"'idle'.*Trade.*that ibkr tells.*of = .bid., .ask. or .mid."
    ):
        watched(IBKR, [], [Idle(*price)])
    assert watched(IBKR, [], [Idle(*price, watch("Quote", "AAPL-USD"))]) == [
        Ask("ticker", "AAPL-USD")
    ]
    for other in ("Fill", "FeedStale", "MarketStatus"):
        assert watched(IBKR, [], [Idle(watch(other, "AAPL-USD"))]) == []
