"""What is adjustable about the simulated Binance: limits, and every guess the papers leave open.

House rules: each field that the fact sheet marks (unconfirmed) is here with the sheet's guess as
its default, so that a client can be tried against the other answer too.
"""

from __future__ import annotations

from typing import Literal

import msgspec


class BinanceOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Limits and open questions of the simulated Binance (binance §2, §8, §12.3)."""

    # §2 connections
    ping_every_seconds: float = 20.0
    pong_within_seconds: float = 60.0
    lifetime_seconds: float = 86_400.0
    messages_per_second: int = 5
    """Per stream connection; pings, pongs and control requests all count."""
    streams_per_connection: int = 1024
    ping_payload: Literal["milliseconds", "empty"] = "milliseconds"
    """Content of a server ping (unconfirmed)."""

    # §8 limits
    connections_per_5_minutes: int = 300
    connect_weight: int = 2
    weight_per_minute: int = 6000
    orders_per_10_seconds: int = 100
    orders_per_day: int = 200_000
    raw_requests_per_5_minutes: int = 300_000
    refusals_before_ban: int = 10
    """How many 429 answers within one minute are tolerated before 418 (unconfirmed)."""
    first_ban_seconds: float = 120.0
    longest_ban_seconds: float = 259_200.0
    rejected_orders_count: bool = True
    """Whether an order refused by the matching engine counts in ORDERS (unconfirmed)."""

    # §1.3 stream control
    refuse_malformed_streams: bool = True
    """SUBSCRIBE of a malformed name is answered with `invalid stream`, not acknowledged."""
    unreadable_id: Literal["omit", "null"] = "omit"
    """What a stream error carries as id when none could be read (unconfirmed)."""
    bad_time_unit_status: int = 400
    """Answer to an upgrade with a bad `timeUnit` (unconfirmed)."""
    snapshot_lag_seconds: float = 0.0
    """How far the depth snapshot trails the stream (binance §4.1: memory cache)."""

    # §5 WebSocket API
    events_before_answer: bool = False
    """Whether the reports of an order leave before the answer to its request (unconfirmed)."""
    malformed_request: tuple[int, str] = (-1135, "Invalid JSON Request")
    unknown_method: tuple[int, str] = (-1020, "This operation is not supported.")
    """Answer to a method that does not exist (unconfirmed)."""
    logon_with_other_key: tuple[int, str] = (-1022, "Signature for this request is not valid.")
    """Answer to session.logon with an HMAC or RSA key (unconfirmed)."""
    key_error_status: int = 401
    """HTTP or WS status of -2014 and -2015 (unconfirmed for a single WS request)."""
    superfluous_tif: tuple[int, str] = (-1106, "Parameter 'timeInForce' sent when not required.")
    """TIF with MARKET or LIMIT_MAKER: -1106 or -1114 (unconfirmed)."""
    router_refusal: tuple[int, str] = (-1020, "This operation is not supported.")
    """Answer to an order for smart routing where a symbol has none (unconfirmed)."""
    market_closed_code: int = -2010
    """-2010 or -1013 (unconfirmed)."""
    backend_delay_seconds: float = 0.0
    """Time between the first and the later checks of a timestamp (binance §5.5)."""

    # §6 user data
    report_rejections: Literal["never", "replace", "always"] = "replace"
    """Which refused orders also give an executionReport REJECTED: none, the new leg of a
    cancel-replace (documented), or every one (unconfirmed)."""
    report_triggers: bool = True
    """Whether a stop gives a second NEW when it is touched (unconfirmed)."""
    maker_partial_on_book: bool = False
    """`w` of a maker's partial fill. The sheet derives true; the live capture shows false."""
    listen_key_minutes: int = 60
    uid: int = 354_937_868
    """Of the first account; the others count on from it."""

    # §10.2 SBE streams
    sbe_depth_milliseconds: float = 20.0
    sbe_depth20_milliseconds: float = 50.0
    sbe_key_status: int = 401
    """Answer to an upgrade with a missing or wrong key (unconfirmed)."""
    sbe_native_exponents: bool = False
    """Exponents of the symbol's own steps instead of -8: they may differ, says the sheet."""

    def order_windows(self) -> tuple[tuple[str, int, int], ...]:
        """In which windows orders are counted: interval, how many of it, the most."""
        return (("SECOND", 10, self.orders_per_10_seconds), ("DAY", 1, self.orders_per_day))
