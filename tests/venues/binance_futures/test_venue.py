"""Where the futures are reached, and what their tables say (binance §11.1, §11.2, §11.6)."""

from __future__ import annotations

import pytest

from pitwire.market.sequence import ByPrevious
from pitwire.model.errors import ConfigError
from pitwire.venues.binance_futures import BINANCE_COINM, BINANCE_USDM
from pitwire.venues.binance_futures.venue import EVENTS
from pitwire.venues.registry import find_venue, known_venues
from pitwire.venues.venue import CodecOptions, Endpoints, MarginCodec, Role

LOCAL = Endpoints(market="ws://h:1", orders="ws://h:1/ws-fapi/v1", http="http://h:1")


def test_both_are_found_by_name() -> None:
    assert find_venue("binance-usdm") is BINANCE_USDM
    assert find_venue("binance-coinm") is BINANCE_COINM
    assert {"binance-usdm", "binance-coinm"} <= set(known_venues())


def test_the_addresses_are_the_papers() -> None:
    live = BINANCE_USDM.endpoints
    assert BINANCE_USDM.stream_path(live, "ms") == "wss://fstream.binance.com/public/stream"
    route_path = BINANCE_USDM.route_path
    assert route_path is not None
    assert route_path(live, "ms", "market") == "wss://fstream.binance.com/market/stream"
    assert BINANCE_USDM.orders_path(live, "ms") == "wss://ws-fapi.binance.com/ws-fapi/v1"
    assert BINANCE_USDM.orders_path(LOCAL, "ms") == "ws://h:1/ws-fapi/v1"
    private = BINANCE_USDM.private
    assert private is not None
    assert private.path(live, "k+1") == (
        "wss://fstream.binance.com/private/ws?listenKey=k%2B1&events=" + "/".join(EVENTS)
    )
    coin = BINANCE_COINM
    assert coin.stream_path(coin.endpoints, "ms") == "wss://dstream.binance.com/stream"


def test_there_are_no_microseconds() -> None:
    for path in (BINANCE_USDM.stream_path, BINANCE_USDM.orders_path, BINANCE_COINM.stream_path):
        with pytest.raises(ConfigError, match="ms"):
            path(LOCAL, "us")
    with pytest.raises(ConfigError, match="time_unit"):
        BINANCE_USDM.codec(CodecOptions(role=Role.MARKET, time_unit="us"))


def test_a_route_that_is_none_is_refused() -> None:
    route_path = BINANCE_USDM.route_path
    assert route_path is not None
    with pytest.raises(ConfigError, match="route"):
        route_path(LOCAL, "ms", "private")


def test_the_chain_is_by_previous_id_and_keys_are_renewed_in_time() -> None:
    assert BINANCE_USDM.continuity == BINANCE_COINM.continuity == ByPrevious()
    assert BINANCE_USDM.private is not None
    assert BINANCE_USDM.private.renew_every_seconds < 3600
    assert BINANCE_USDM.countdown is not None
    assert BINANCE_USDM.countdown.renew_every_seconds * 2 < BINANCE_USDM.countdown.seconds


def test_positions_are_held_on_margin_and_coins_are_only_watched() -> None:
    assert isinstance(BINANCE_USDM.codec(CodecOptions(role=Role.ORDERS)), MarginCodec)
    assert not BINANCE_COINM.can.orders
    assert not BINANCE_USDM.can.replace


def test_a_granted_ask_is_acknowledged_as_the_venue_does() -> None:
    acknowledge = BINANCE_USDM.acknowledge
    assert acknowledge is not None
    frame = b'{"method":"SUBSCRIBE","params":["a@trade"],"id":3}'
    assert acknowledge(frame) == b'{"result":null,"id":3}'
    assert acknowledge(b'{"method":"LIST_SUBSCRIPTIONS","id":3}') is None
    assert acknowledge(b"{") is None
