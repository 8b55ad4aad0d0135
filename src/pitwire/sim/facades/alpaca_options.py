"""What of the simulated Alpaca can be set: its plan's limits, and what its papers leave open.

House rules: a field is a number of the papers or a guess, and says which; section numbers are those
of the venue's fact sheet (`alpaca §…`).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

CRYPTO = "/v1beta3/crypto/us"
IEX, SIP, TEST = "/v2/iex", "/v2/sip", "/v2/test"
NEWS, INDICATIVE, OPRA = "/v1beta1/news", "/v1beta1/indicative", "/v1beta1/opra"


class AlpacaOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The manners of one simulated Alpaca. A limit of 0 is no limit."""

    paper: bool = True
    """Whether the trading stream's JSON comes in binary frames (§4.1); live sends text."""
    feeds: tuple[str, ...] = (CRYPTO, IEX, SIP, TEST, NEWS, INDICATIVE, OPRA)
    """Endpoints that are in the plan; at any other, authentication ends with 409."""
    connections_per_endpoint: int = 1
    """Of one user on one market-data endpoint (§2.5)."""
    stock_symbols: int = 30
    """Symbols of trades and quotes together, on the Basic plan (§2.5)."""
    crypto_symbols: int = 30
    """The same of crypto; older papers."""
    crypto_books: int = 10
    """Order books; older papers."""
    option_quotes: int = 200
    tokens: Mapping[str, str] = MappingProxyType({})
    """OAuth token → account (§2.2)."""
    auth_within_seconds: float = 10.0
    closing_codes: tuple[int, ...] = (404, 406, 407, 409, 412)
    """Errors after which the venue closes the connection itself; 406 and 407 are documented, the
    others are a guess (§2.4)."""
    close_code: int = 1008
    """With which it does; no code is published."""
    bad_header_status: int = 401
    """How an upgrade with wrong keys in its headers is refused; a guess. 0: let in, then 402."""
    header_auth_tells: bool = True
    """Whether `connected` and `authenticated` are told where the headers have authenticated."""
    ping_every_seconds: float = 10.0
    """Our guess, so that a client which vanished does not hold its place (406) for ever; 0: the
    venue never pings."""
    pong_within_seconds: float = 10.0
    dials_per_minute: int = 0
    """Upgrades beyond that are answered 429; the papers name no number (§2.4)."""
    slow_after_seconds: float = 5.0
    """How far behind a client may be before it is told 407 and closed; a guess."""
    slow_bytes: int = 4 * 1024 * 1024
    """How much may wait for one on a real socket, beside what the socket holds; a guess."""
    mixed_frames: bool = True
    """Whether an array carries messages of several kinds and symbols, as the papers say it may.
    False: a frame for each channel and symbol, so that a fault can mean one of them."""
    always_open: bool = True
    """Whether stocks trade around the clock; False keeps New York's hours in the clock alone."""
    requests_per_minute: int = 200
    """Of the trading API, for each account (§5.2)."""
    data_requests_per_minute: int = 200
    """Of market data over REST, for each account (§6)."""
    rate_code: int = 42_910_000
    rate_message: str = "rate limit exceeded"
    wrong_key_status: int = 401
    """Of REST; 401 with 40110000, or 403 with `forbidden.`, both unconfirmed (§5.8)."""
    submit_status: str = "pending_new"
    """What an order is when its submission is answered: `pending_new` or `accepted` (§8)."""
    pending_events: bool = False
    """Whether `pending_new`, `pending_cancel` and `pending_replace` are told on the stream."""
    client_ids_for_ever: bool = True
    """Whether the client id of a finished order is in use still; unconfirmed (§5.7)."""
    lag_seconds: float = 0.0
    """How long a cancel or a replacement is under way after its answer; meanwhile the order may be
    filled, and the stream then tells `order_cancel_rejected` or `order_replace_rejected`."""
    replace_carries_fills: bool = True
    """Whether a replacement shows the size and the fills of the whole chain, or the rest alone.
    Either way it works for what was asked less what was filled; the papers do not say."""
    slashless_positions: bool = False
    """Whether a position in crypto is `BTCUSD` and not `BTC/USD`; either is understood."""
    events_first_seconds: float = 0.05
    """How long an answer waits where a fault wants the account's events before it."""
