"""The tables of Binance's futures: where, how much, how often (binance §11.1, §11.2).

House rules: numbers only, each with the section it comes from.
"""

from __future__ import annotations

from functools import partial
from urllib.parse import urlencode

from pitwire.market.sequence import ByPrevious
from pitwire.model.errors import ConfigError
from pitwire.model.proof import DeathProof
from pitwire.venues.binance_futures.codec import FuturesCodec
from pitwire.venues.binance_futures.encode import WINDOW_SECONDS
from pitwire.venues.binance_futures.house import COINM, USDM
from pitwire.venues.binance_futures.mode import MODE
from pitwire.venues.binance_futures.rights import RIGHTS
from pitwire.venues.binance_futures.streams import CHANNELS, MARKET, UNSPLIT
from pitwire.venues.binance_futures.symbols import guess
from pitwire.venues.mbx.history import MOST_TRADES
from pitwire.venues.mbx.requests import acknowledge
from pitwire.venues.mbx.signing import sign
from pitwire.venues.venue import (
    Can,
    Countdown,
    Endpoints,
    Heartbeat,
    Limit,
    PrivateStream,
    Venue,
    Weights,
)

_DAY = 86_400

# §11.1; paths are added by the functions below.
LIVE = Endpoints(
    market="wss://fstream.binance.com",
    orders="wss://ws-fapi.binance.com",
    http="https://fapi.binance.com",
)
TESTNET = Endpoints(
    market="wss://fstream.binancefuture.com",
    orders="wss://testnet.binancefuture.com",
    http="https://testnet.binancefuture.com",
)
# As captures of 2021 name them; §11 has no table for COIN-M.
COINM_LIVE = Endpoints(
    market="wss://dstream.binance.com", orders="", http="https://dapi.binance.com"
)

LIMITS = (
    # §11.2: the venue cuts at 10 a second.
    Limit("messages", 8, 1, per="market connection"),
    Limit("messages", 8, 1, per="private connection"),
    # §11.2; older texts say 200.
    Limit("streams", 1024, 0, per="market connection"),
    # Not stated for the futures: what spot says (§2).
    Limit("dials", 300, 300, per="address"),
    # §11.2: REST and WS-API together.
    Limit("weight", 2400, 60, per="address"),
    # §11.2: shared with COIN-M.
    Limit("orders", 300, 10, per="account"),
    Limit("orders", 1200, 60, per="account"),
)

HEARTBEAT = Heartbeat(
    venue_pings_every_seconds=180,  # §11.2
    # Ours, as on spot: a dead connection is known within ten seconds.
    ping_every_seconds=5,
    answer_within_seconds=4.5,
    max_life_seconds=_DAY,  # §11.2
)

CLOSE_CODES = {
    1000: "reconnect",
    1001: "reconnect",
    1006: "reconnect",
    1008: "policy",
    1011: "reconnect",
    1012: "reconnect",
    1013: "reconnect",
}

EVENTS = (
    "ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE", "TRADE_LITE", "ACCOUNT_CONFIG_UPDATE", "MARGIN_CALL",
    "ALGO_UPDATE", "listenKeyExpired",
)  # fmt: skip
"""What the private stream is asked for (§11.7)."""


def split_path(endpoints: Endpoints, time_unit: str) -> str:
    """The address of what is seen on the book (§11.1), combined: only the name of its stream
    tells a partial book from a delta (§11.3)."""
    _milliseconds(time_unit)
    return f"{_root(endpoints.market)}/public/stream"


def route_path(endpoints: Endpoints, time_unit: str, route: str) -> str:
    """The address of a route; there is one but the first, `market` (§11.1)."""
    _milliseconds(time_unit)
    if route != MARKET:
        raise ConfigError(where="route", found=route, expected=MARKET)
    return f"{_root(endpoints.market)}/market/stream"


def plain_path(endpoints: Endpoints, time_unit: str) -> str:
    """The one address of COIN-M's streams."""
    _milliseconds(time_unit)
    return f"{_root(endpoints.market)}/stream"


def private_path(endpoints: Endpoints, key: str) -> str:
    """The address of the private stream (§11.1); the key is in the query, which is never shown."""
    query = urlencode({"listenKey": key, "events": "/".join(EVENTS)}, safe="/")
    return f"{_root(endpoints.market)}/private/ws?{query}"


def orders_path(endpoints: Endpoints, time_unit: str) -> str:
    """The WebSocket API (§11.1)."""
    _milliseconds(time_unit)
    return f"{endpoints.orders.rstrip('/').removesuffix('/ws-fapi/v1')}/ws-fapi/v1"


def _root(address: str) -> str:
    return address.rstrip("/").removesuffix("/stream").removesuffix("/ws")


def _milliseconds(time_unit: str) -> None:
    if time_unit != "ms":
        raise ConfigError(where="time_unit", found=time_unit, expected="ms: futures know no other")


# §5.5 holds here too; §11.8: -5028 is the window looked at again at the matching engine's door.
# §11.5: an order that ended without a trade vanishes after three days, any other after ninety; the
# hours are ours.
PROOF = DeathProof(
    automatic=True,
    window_seconds=WINDOW_SECONDS,
    clock_seconds=1.0,
    processing_seconds=10.0,
    margin_seconds=2.0,
    forgets_after_seconds=3 * 86_400.0 + 3_600.0,
    forgets_all_after_seconds=90 * 86_400.0 - 3_600.0,
)

BINANCE_USDM = Venue(
    name=USDM.name,
    endpoints=LIVE,
    testnet=TESTNET,
    channels=CHANNELS,
    continuity=ByPrevious(),
    limits=LIMITS,
    heartbeat=HEARTBEAT,
    can=Can(replace=False, trades_by_id=True),
    codec=partial(FuturesCodec, USDM),
    close_codes=CLOSE_CODES,
    stream_path=split_path,
    route_path=route_path,
    orders_path=orders_path,
    # §11.6: a key lives for an hour and is asked for again every half.
    private=PrivateStream(private_path, renew_every_seconds=1800),
    # §11.5: the venue's own example.
    countdown=Countdown(seconds=120, renew_every_seconds=30, weight=10),
    mode=MODE,
    symbol_of=guess,
    acknowledge=acknowledge,
    # §11.3: 1000 levels cost 20 of 2400 weight a minute, 100 cost 5.
    snapshot_depth=1000,
    shallow_depth=100,
    # §11.5; open orders are two lists, of 40 each.
    weights=Weights(open_orders=80, account=5, fills=5),
    fills_page=MOST_TRADES,
    proof=PROOF,
    rights=RIGHTS,
    sign=sign,
)

BINANCE_COINM = Venue(
    name=COINM.name,
    endpoints=COINM_LIVE,
    testnet=None,
    channels=UNSPLIT,
    continuity=ByPrevious(),
    limits=LIMITS,
    heartbeat=HEARTBEAT,
    can=Can(orders=False, replace=False, amend=False, order_test=False),
    codec=partial(FuturesCodec, COINM),
    close_codes=CLOSE_CODES,
    stream_path=plain_path,
    orders_path=orders_path,
    symbol_of=guess,
    acknowledge=acknowledge,
    snapshot_depth=1000,
    shallow_depth=100,
)
