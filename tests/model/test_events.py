import math

import msgspec
import pytest

from pitwire.model import events
from pitwire.model.orders import Side


def _kinds(root: type[events.Event]) -> set[type[events.Event]]:
    return {root}.union(*(_kinds(child) for child in root.__subclasses__()))


def test_the_families_name_every_event_once() -> None:
    assert len(events.EVENTS) == len(set(events.EVENTS))
    ours = {kind for kind in _kinds(events.Event) if kind.__module__ == events.__name__}
    assert set(events.EVENTS) == ours - {events.Event}


@pytest.mark.parametrize("kind", events.EVENTS, ids=lambda kind: kind.__name__)
def test_events_are_frozen_and_tagged(kind: type[events.Event]) -> None:
    config = kind.__struct_config__
    assert config.frozen
    assert not config.gc
    assert config.tag == kind.__name__


def test_an_event_round_trips_through_its_tag() -> None:
    trade = events.Trade("binance", "BTC-USDT", 1, 2, 60_000.01, 0.5, Side.SELL, 9)
    union = msgspec.json.Decoder(events.Trade | events.Quote)
    assert union.decode(msgspec.json.encode(trade)) == trade


def test_what_a_ticker_lacks_is_not_a_number() -> None:
    ticker = events.Ticker("v", "A-B", 1, 2, "24h", 1.0, 2.0, 0.5, 1.5, 10.0, 15.0)
    assert math.isnan(ticker.bid)
    assert math.isnan(ticker.average)
