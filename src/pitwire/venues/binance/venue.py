"""The table of Binance spot: where, how much, how often (binance §1, §2, §8).

House rules: numbers only, each with the section it comes from.
"""

from __future__ import annotations

import msgspec

from pitwire.market.sequence import ByRange
from pitwire.model.proof import DeathProof
from pitwire.venues.binance.codec import BinanceCodec
from pitwire.venues.binance.encode import WINDOW_SECONDS
from pitwire.venues.binance.rights import ACCOUNT, RIGHTS
from pitwire.venues.binance.sbe_codec import CHANNELS as SBE_CHANNELS
from pitwire.venues.binance.sbe_codec import market_headers, sbe_codec
from pitwire.venues.binance.streams import CHANNELS
from pitwire.venues.binance.symbols import VENUE, guess
from pitwire.venues.mbx.history import MOST_TRADES
from pitwire.venues.mbx.requests import acknowledge
from pitwire.venues.mbx.signing import sign
from pitwire.venues.venue import Can, Endpoints, Heartbeat, Limit, Venue, Weights

_DAY = 86_400

# §1.1; a path is added by `stream_path` and `orders_path`.
LIVE = Endpoints(
    market="wss://stream.binance.com:9443",
    orders="wss://ws-api.binance.com:443",
    http="https://api.binance.com",
)
TESTNET = Endpoints(
    market="wss://stream.testnet.binance.vision",
    orders="wss://ws-api.testnet.binance.vision",
    http="https://testnet.binance.vision",
)

LIMITS = (
    # §2: the venue cuts at 5 a second, trouble is seen from 4 on. On market connections only.
    Limit("messages", 3, 1, per="market connection"),
    # §2.
    Limit("streams", 1024, 0, per="market connection"),
    # §2: attempts, counted for the address.
    Limit("dials", 300, 300, per="address"),
    # §8: REST and WS-API together.
    Limit("weight", 6000, 60, per="address"),
    # §8: unfilled orders.
    Limit("orders", 100, 10, per="account"),
    Limit("orders", 200_000, _DAY, per="account"),
)

HEARTBEAT = Heartbeat(
    venue_pings_every_seconds=20,  # §2
    # Ours: a dead connection is known within ten seconds, our own slowness included. Pings count
    # under the message limit (§2), but only silence is pinged: one in five seconds at most.
    ping_every_seconds=5,
    answer_within_seconds=4.5,
    max_life_seconds=_DAY,  # §2
)

CLOSE_CODES = {
    1000: "reconnect",
    1001: "reconnect",
    1006: "reconnect",
    1008: "policy",  # §2: `Pong timeout`, `Too many requests`
    1011: "reconnect",
    1012: "reconnect",
    1013: "reconnect",
}


def stream_path(endpoints: Endpoints, time_unit: str) -> str:
    """The combined endpoint without a stream (§1.2).

    Always `/stream`: a partial book names no symbol, so only the wrapper tells whose it is, and
    reading the wrapper in the same pass costs a few per cent of a frame.
    """
    return f"{_root(endpoints.market, '/stream', '/ws')}/stream{_unit(time_unit)}"


def orders_path(endpoints: Endpoints, time_unit: str) -> str:
    """The WebSocket API (§5)."""
    return f"{_root(endpoints.orders, '/ws-api/v3')}/ws-api/v3{_unit(time_unit)}"


def sbe_orders_path(endpoints: Endpoints, time_unit: str) -> str:
    """The same; what the address asks for behind a `?` is asked for, such as SBE (§5.1)."""
    address, _, query = endpoints.orders.partition("?")
    path = orders_path(msgspec.structs.replace(endpoints, orders=address), time_unit)
    return f"{path}{'&' if '?' in path else '?'}{query}" if query else path


def _root(address: str, *paths: str) -> str:
    root = address.rstrip("/")
    for path in paths:
        root = root.removesuffix(path)
    return root


def _unit(time_unit: str) -> str:
    return "?timeUnit=MICROSECOND" if time_unit == "us" else ""


# §5.5: a request is refused when it is older than its window, or stamped a second ahead. Since
# August 2025 (§0.2) the window is looked at again at the matching engine's door. A request that was
# let in is over within ten seconds (§5.1). The two seconds more are ours. §5.13: after
# ninety days an order that ended without a trade is archived; the hour more is ours.
PROOF = DeathProof(
    automatic=True,
    window_seconds=WINDOW_SECONDS,
    clock_seconds=1.0,
    processing_seconds=10.0,
    margin_seconds=2.0,
    forgets_after_seconds=90 * 86_400.0 + 3_600.0,
)

BINANCE = Venue(
    name=VENUE,
    endpoints=LIVE,
    testnet=TESTNET,
    channels=CHANNELS,
    continuity=ByRange(),
    limits=LIMITS,
    heartbeat=HEARTBEAT,
    can=Can(),
    codec=BinanceCodec,
    close_codes=CLOSE_CODES,
    stream_path=stream_path,
    orders_path=orders_path,
    symbol_of=guess,
    acknowledge=acknowledge,
    # §4.1: 1000 levels cost 50 of 6000 weight a minute, 5000 cost 250.
    snapshot_depth=1000,
    # §4.1: 100 levels cost 5.
    shallow_depth=100,
    # §5.7.
    weights=Weights(open_orders=80, account=20, fills=20),
    fills_page=MOST_TRADES,
    proof=PROOF,
    rights=RIGHTS,
    account=ACCOUNT,
    sign=sign,
)

# §1.1.
SBE_LIVE = msgspec.structs.replace(LIVE, market="wss://stream-sbe.binance.com:9443")
SBE_TESTNET = msgspec.structs.replace(TESTNET, market="wss://stream-sbe.testnet.binance.vision")

BINANCE_SBE = msgspec.structs.replace(
    BINANCE,
    name="binance-sbe",
    endpoints=SBE_LIVE,
    testnet=SBE_TESTNET,
    channels=SBE_CHANNELS,
    codec=sbe_codec,
    orders_path=sbe_orders_path,
    market_headers=market_headers,
)
"""The same venue, its market data in binary; what it tells is told of `binance` (§10.2)."""
