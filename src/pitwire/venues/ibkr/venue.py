"""The table of Interactive Brokers: where, how much, how often (§1, §2, §8, §9).

House rules: numbers only, each with the section it comes from; those that are ours say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import msgspec

from pitwire.market.sequence import ByStep
from pitwire.model.errors import ConfigError
from pitwire.model.proof import DeathProof
from pitwire.venues.ibkr.codec import IbkrCodec
from pitwire.venues.ibkr.encode import ORDER_LIST, PORTFOLIO, ROOT, TRADE_LIST
from pitwire.venues.ibkr.reading import NAME
from pitwire.venues.ibkr.refusals import AGAIN_SECONDS
from pitwire.venues.ibkr.settings import settings_of
from pitwire.venues.ibkr.streams import CHANNELS
from pitwire.venues.venue import Can, Chore, Endpoints, Heartbeat, Limit, Venue

# §1: a program of the user's own; whether orders are on paper is decided by who logged in there.
GATEWAY = Endpoints(
    market="wss://localhost:5000", orders="wss://localhost:5000", http="https://localhost:5000"
)

LIMITS = (
    # §9: ten a second through the gateway; one is left for whoever else asks. Two requests may come
    # nearer to one another than they left, so each time is longer than the venue's: breaking one
    # is ten minutes in the penalty box.
    Limit("weight", 9, 1.25, per="session", strict=True),
    # Ours: no more orders wait than can leave, each a request at least.
    Limit("orders", 8, 1.25, per="session"),
    Limit("tickle", 1, 1.5, per="session"),
    Limit("validate", 1, 61, per="session"),
    # A desk may be started again at once, and its end has asked for lists.
    Limit(ORDER_LIST, 1, 5.5, per="session", outlives=True),
    Limit(TRADE_LIST, 1, 5.5, per="session", outlives=True),
    Limit(PORTFOLIO, 1, 5.5, per="session", outlives=True),
    # §8.4: market-data lines of the account.
    Limit("streams", 100, 0, per="market connection"),
    # Ours: nothing is said of it.
    Limit("dials", 30, 60, per="session"),
)

HEARTBEAT = Heartbeat(
    venue_pings_every_seconds=10,  # §8.2: `hb`
    # Ours: a dead connection is known within ten seconds, as elsewhere.
    ping_every_seconds=5,
    answer_within_seconds=4.5,
    max_life_seconds=86_400,  # §2
)

CHORES = (
    Chore("tickle", 60),  # §2: keeps the session
    Chore("tic", 50),  # §8.2: keeps the socket, once a minute at least
    Chore("renew", 540),  # §8.4: a subscription ends after 15 minutes, or ten
)

# Ours, since §7 says nothing: a request that the back end took is answered within ten seconds or
# with 503 (§3), and two lists, five seconds apart, do not have the order. One that the venue had is
# in its lists for the session in which it ended, which lasts a day at most (§2).
PROOF = DeathProof(
    automatic=True,
    processing_seconds=10.0,
    margin_seconds=50.0,
    answers=2,
    apart_seconds=5.0,
    forgets_after_seconds=86_400.0 + 3_600.0,
    forgets_all_after_seconds=7 * 86_400.0,
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


def socket_path(endpoints: Endpoints, time_unit: str) -> str:
    """The socket, the same for market data and orders (§8)."""
    return _path(endpoints.market, time_unit)


def orders_path(endpoints: Endpoints, time_unit: str) -> str:
    """The same of the orders connection."""
    return _path(endpoints.orders, time_unit)


def _path(root: str, time_unit: str) -> str:
    if time_unit != "ms":
        raise ConfigError(where="time_unit", found=time_unit, expected=f"ms, on {NAME}")
    return f"{root.rstrip('/').removesuffix('/ws').removesuffix(ROOT)}{ROOT}/ws"


def configured(options: Mapping[str, object]) -> Venue:
    """The venue with these options; raises `ConfigError` for one that is none."""
    codec = partial(IbkrCodec, settings=settings_of(options))
    return msgspec.structs.replace(IBKR, codec=codec)


IBKR = Venue(
    name=NAME,
    endpoints=GATEWAY,
    testnet=None,
    channels=CHANNELS,
    continuity=ByStep(),
    limits=LIMITS,
    heartbeat=HEARTBEAT,
    can=Can(replace=False, cancel_all=False, trades_by_id=False, anonymous_time=False),
    codec=IbkrCodec,
    close_codes=CLOSE_CODES,
    # §7.2: a question dies when other orders are placed before it is answered.
    one_order_at_a_time=True,
    # §1: nobody is logged in at the gateway; a person can at any moment.
    awaited={401: AGAIN_SECONDS},
    stream_path=socket_path,
    orders_path=orders_path,
    market_login=True,
    keyless=True,
    socket_time=True,
    listed_first=True,
    asks_a_message=1,
    acknowledges=False,
    configured=configured,
    chores=CHORES,
    proof=PROOF,
)
