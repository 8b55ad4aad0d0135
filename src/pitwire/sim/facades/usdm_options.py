"""What is adjustable about the simulated futures: limits, and every guess the papers leave open.

House rules: as in `binance_options`; what differs from spot stands here with the sheet's figure.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from pitwire.sim.facades.binance_options import BinanceOptions


class UsdmOptions(BinanceOptions, frozen=True, kw_only=True):
    """Limits and open questions of the simulated USDⓈ-M futures (binance §11)."""

    # §11.2
    ping_every_seconds: float = 180.0
    pong_within_seconds: float = 600.0
    messages_per_second: int = 10
    control_per_second: int = 5
    """Pings and pongs on a WS-API connection."""
    connect_weight: int = 5
    weight_per_minute: int = 2400
    orders_per_10_seconds: int = 300
    orders_per_minute: int = 1200

    # §11.1
    unrouted: Literal["public", "all", "refuse"] = "public"
    """What flows on `/ws` and `/stream` without a category: public streams alone (as observed),
    everything as before 2026-04-23, or not even a connection."""

    # §11.3
    trades_streamed: bool = True
    """Whether `@trade`, which is undocumented, is served."""
    second_klines: bool = False
    """Whether `@kline_1s` is served; otherwise it is a malformed name (unconfirmed)."""
    both_universes: bool = True
    """Whether streams of all symbols carry COIN-M contracts too (`st` 2, since 2026-06-30). Here
    those are ours in another dress: there is no such market to trade in."""

    # §11.5
    batch_orders: int = 5
    """Most orders of a batch that places or modifies (unconfirmed)."""
    mode_waits_for_conditionals: bool = True
    """Whether a conditional order that waits is an open order to -4067 and -4047: the sheet says
    "open orders" alone."""
    unfillable_fok: Literal["refuse", "expire"] = "refuse"
    """-5021, or an order that expires."""
    countdown_cancels_conditionals: bool = False
    """Whether a countdown that is over cancels the symbol's conditional orders too: the sheet says
    "all", of orders, and conditional ones have lists and routes of their own."""
    callback_rates: tuple[Decimal, Decimal] = (Decimal("0.1"), Decimal(10))
    """Least and largest `callbackRate` in percent; -2007 outside."""
    when_protected: Literal["reject", "expire", "fire"] = "reject"
    """What becomes of a conditional order with `priceProtect` that is touched while last trade and
    mark price are further apart than `triggerProtect`."""
    auto_cancel_seconds: float = 0.01
    """How often the dead man's switch is looked at."""
    typed_params: Literal["any", "demand"] = "any"
    """Whether the WS-API refuses (-1102) an integer that is no JSON integer and a decimal that is
    no string. The documents demand them; what becomes of others is not said (§11.2)."""

    depth_answer: Literal["inside", "beside"] = "inside"
    """Whether the WS-API's `depth` has bids and asks in its `result`, or beside it as the SDK's
    model has them (unconfirmed, §12.1)."""

    # §11.7
    no_commission: Literal["zero", "omit"] = "zero"
    """`n` and `N` where there was no commission: as recorded in 2024, or left out as documented."""
    forced_fills: Literal["CALCULATED", "TRADE"] = "CALCULATED"
    """`x` of the fills of a forced close."""
    wording: dict[int, str] = msgspec.field(default_factory=dict)
    """Code → text, where another wording than ours is to be tried (§11.8: unconfirmed of many)."""
    account_update_s: str = ""
    """What `a.S` of an ACCOUNT_UPDATE holds, which is there since 2026-08 and of which we know no
    more; "" leaves it out."""

    def order_windows(self) -> tuple[tuple[str, int, int], ...]:
        return (("SECOND", 10, self.orders_per_10_seconds), ("MINUTE", 1, self.orders_per_minute))
