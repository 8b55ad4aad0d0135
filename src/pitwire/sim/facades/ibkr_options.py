"""What is adjustable about the simulated gateway: times, limits, and every guess of the papers.

House rules: each point that the fact sheet marks (unconfirmed), or leaves to the simulator, is here
with the sheet's guess as its default, so that a client can be tried against the other answer too.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

NoticeTopic = Literal["error", "ntf", "blt", "none"]


class IbkrOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Times, limits and open questions of the simulated Client Portal gateway (ibkr §2 to §13)."""

    # §2 session
    starts: Literal["ready", "sso", "logged-out"] = "ready"
    """The gateway opens the brokerage session itself after a login (ibkr §2)."""
    idle_seconds: float = 360.0
    """Without a request for so long the brokerage session is over."""
    idle_ends: Literal["brokerage", "login"] = "brokerage"
    """Which of the two sessions an idle client loses (unconfirmed)."""
    life_seconds: float = 86_400.0
    """After so long a login is over, whoever was there."""
    reset_at: str = ""
    """Time of day of the daily reset, `05:00` in UTC; empty: none but those of a fault script."""
    reset_seconds: float = 30.0
    """How long no brokerage session can be opened at a daily reset (unconfirmed)."""
    reset_closes_sockets: bool = False
    """Whether sockets are closed at a daily reset (unconfirmed)."""
    human_seconds: float | None = None
    """So long after a login is over a human logs in again; None: nobody does."""
    init_seconds: float = 0.0
    """From `ssodh/init` until the session is authenticated."""
    established_seconds: float = 0.0
    """From then until account data are loaded (`established`)."""
    competing_authenticated: bool = False
    """What `authenticated` says while another login has the session (unconfirmed)."""
    logged_out_body: Literal["json", "empty", "html"] = "json"
    """Body of a 401 before login (unconfirmed)."""
    logged_out_upgrade: Literal["refuse", "wait"] = "refuse"
    """An upgrade without a login: 401, or let in to wait for a session (unconfirmed)."""
    user: str = "user1234"
    user_id: int = 123456789
    is_paper: bool = True
    server_name: str = "JifN17091"
    server_version: str = "Build 10.45.1a, Mar 31, 2026 1:55:32 PM"
    mac: str = "98:F2:B3:23:BF:A0"
    reauthenticate_body: str = '{"message":"triggered"}'
    """Answer of the deprecated call (unconfirmed)."""

    # §3 pre-flights
    accounts_first: bool = True
    """Whether orders and snapshots are refused before `/iserver/accounts` was asked."""
    accounts_first_status: int = 400
    """400 by the sheet, 500 in older reports (unconfirmed)."""
    unknown_order_status: int = 200
    """Modify and cancel of an unknown order: 200 in the specification, 400 recorded."""
    snapshot_preflight: bool = True
    orders_preflight: bool = True
    """Whether the first list of orders of a session is empty."""

    # §6 and §8.4 market data
    conflate_seconds: float = 0.5
    market_data_seconds: float = 900.0
    """A stream of market data ends by itself after so long."""
    market_data_lines: int = 100
    """How many conids a socket may hear (unconfirmed for this socket)."""
    again_is_full: bool = True
    """Whether `smd` sent again is answered with a full frame (unconfirmed)."""
    availability: str = "RpB"
    """6509: of real-time data, consolidated, with a book."""
    no_permission: tuple[str, ...] = ()
    """Tickers without permission: 6509 is `N`, and no prices (unconfirmed)."""
    thousands_separators: bool = False
    """Whether prices from 1000 on are written `1,234.50` (unconfirmed)."""
    snapshot_remembers_fields: bool = True
    """Whether fields that were asked for before come back too, as recorded."""
    depth_rows: int = 10
    """Rows on either side of the ladder."""
    depth_full_frames: bool = False
    """Whether later frames of depth are full, or only rows that changed (unconfirmed)."""
    history_streams: int = 5
    """At a time, of one socket; each is answered once, as others' clients have found."""

    # §7 orders
    percent_limit: Decimal = Decimal(3)
    """How many per cent a limit price may be beyond the market before o163 is asked; 0: never."""
    size_limit: int = 0
    """Above so many units o383 is asked; 0: never."""
    value_limit: Decimal = Decimal(0)
    """Above so much money o451 is asked; 0: never."""
    market_order_question: bool = False
    """Whether a market order is asked about with o10151."""
    blind_order_question: bool = False
    """Whether an order in what nobody hears is asked about with o354."""
    reply_seconds: float = 60.0
    """How long a question waits for its reply (unconfirmed)."""
    reply_dies_with_next_order: bool = True
    """Whether another order request kills the questions that are open (ibkr §7.2)."""
    reply_as_object: bool = False
    """Whether a reply is answered with a bare object, as recorded, in place of an array."""
    orders_snapshot_flag: bool = True
    """`snapshot` of a list with content; recorded as either."""
    side_letters: bool = False
    """`side` in an order's status: `BUY`, or `B` as in 2024."""
    cancel_tells_contract: bool = False
    """Whether a cancel's answer carries conid and account, as in older papers."""
    inactive_first: bool = True
    """Whether an order's first frame on `sor` says Inactive."""
    order_marker: bool = True
    """Whether a short frame without a status follows it (content unconfirmed)."""
    sor_snapshot: bool = False
    """Whether `sor` begins with the orders that are open; it is not guaranteed."""
    commission_per_share: Decimal = Decimal("0.005")
    commission_least: Decimal = Decimal(1)
    """Of one order; charged with its first execution."""
    commission_seconds: float = 0.5
    """From an execution to its second telling, with commission (ibkr §8.8)."""

    # §8 socket
    heartbeat_seconds: float = 10.0
    tic_copies: int = 4
    """How many equal answers a `tic` gets; four were observed."""
    silent_seconds: float = 120.0
    """A socket whose client says and pings nothing for so long is closed (unconfirmed); 0: none."""
    sockets_per_session: int = 0
    """0: any number (unconfirmed)."""
    close_on_logout: bool = True
    """Whether sockets are closed when the login is over (unconfirmed)."""
    loss_drops_subscriptions: bool = True
    """Whether what was subscribed to is forgotten with the brokerage session (unconfirmed)."""
    notice_topic: NoticeTopic = "error"
    """How a lost line and its farms are told, by code (unconfirmed on this API)."""
    first_cursor: str = "q0"
    """`server_id` of market data."""

    # §9 pacing
    is_paced: bool = True
    requests_per_second: int = 10
    tickles_per_second: int = 2
    """1 by the sheet; a client that is known to work asks twice in a moment as it connects."""
    snapshots_per_second: int = 10
    histories_per_second: int = 10
    histories_per_minute: int = 50
    penalty_seconds: float = 600.0
    """How long everything is answered with 429 after a limit was passed (10 or 15 minutes)."""
    penalty_answers: bool = True
    """Whether the box says 429 to everything (unconfirmed), or only to what is over a limit."""
    penalty_body: str = '{"error":"Too many requests","statusCode":429}'
    """Text of a 429; an empty one is reported too."""
