"""The table of Alpaca's crypto: where, how much, how often (alpaca §1, §2, §5).

House rules: numbers only, each with the section it comes from.
"""

from __future__ import annotations

from pitwire.market.sequence import ByRange
from pitwire.venues.alpaca.codec import AlpacaCodec
from pitwire.venues.alpaca.reading import VENUE
from pitwire.venues.alpaca.rights import ACCOUNT
from pitwire.venues.alpaca.streams import CHANNELS
from pitwire.venues.alpaca.symbols import guess
from pitwire.venues.venue import Can, Endpoints, Heartbeat, Limit, Venue

CRYPTO_PATH = "/v1beta3/crypto/us"
ORDERS_PATH = "/stream"

# §1; paths are added by `stream_path` and `orders_path`. Keys of live and paper differ.
LIVE = Endpoints(
    market="wss://stream.data.alpaca.markets",
    orders="wss://api.alpaca.markets",
    http="https://api.alpaca.markets",
)
PAPER = Endpoints(
    market="wss://stream.data.alpaca.markets",
    orders="wss://paper-api.alpaca.markets",
    http="https://paper-api.alpaca.markets",
)

LIMITS = (
    # §5.2: of an account, whatever is asked.
    Limit("weight", 200, 60, per="account"),
    # §2.5: on nearly all plans.
    Limit("connections", 1, 0, per="market endpoint"),
    # §2.5: how many symbols depends on the plan, and the venue says so (405).
    Limit("streams", 100_000, 0, per="market connection"),
    # Ours: reconnecting too quickly is refused (§2.4), and how quickly is not said.
    Limit("dials", 30, 60, per="address"),
)

HEARTBEAT = Heartbeat(
    venue_pings_every_seconds=0,  # §2.6: not said
    # Ours: a dead connection is known within ten seconds, our own slowness included.
    ping_every_seconds=5,
    answer_within_seconds=4.5,
    max_life_seconds=0,  # §2.6: none is named
)

# §2.4: close codes and their meanings are not published; what is final is told as an error before
# the close, so no code by itself halts anything: neither does 1008 after a 406.
CLOSE_CODES = {
    1000: "reconnect",
    1001: "reconnect",
    1006: "reconnect",
    1008: "reconnect",
    1011: "reconnect",
    1012: "reconnect",
    1013: "reconnect",
}


def stream_path(endpoints: Endpoints, _time_unit: str) -> str:
    """The crypto feed (§1); times there are in ns whatever unit is asked for."""
    return f"{_root(endpoints.market, CRYPTO_PATH)}{CRYPTO_PATH}"


def orders_path(endpoints: Endpoints, _time_unit: str) -> str:
    """The order stream (§4)."""
    return f"{_root(endpoints.orders, ORDERS_PATH)}{ORDERS_PATH}"


def _root(address: str, path: str) -> str:
    return address.rstrip("/").removesuffix(path)


ALPACA = Venue(
    name=VENUE,
    endpoints=LIVE,
    testnet=PAPER,
    channels=CHANNELS,
    # Numbers are counted by the codec, by one.
    continuity=ByRange(),
    limits=LIMITS,
    heartbeat=HEARTBEAT,
    can=Can(
        # §5.6: a replacement is a wish; the size of an order with fractions cannot change.
        replace=False,
        amend=False,
        # §5.3: of all symbols at once alone.
        cancel_all=False,
        order_test=False,
        trades_by_id=False,
        # §5.1.
        anonymous_time=False,
    ),
    codec=AlpacaCodec,
    close_codes=CLOSE_CODES,
    stream_path=stream_path,
    orders_path=orders_path,
    symbol_of=guess,
    market_login=True,
    streamed_books=True,
    account=ACCOUNT,
)
"""`Can` and `proof`: a request bears no time (§5.4), so the venue may act on one however late it
comes, and that it knows no order of an id proves nothing."""
