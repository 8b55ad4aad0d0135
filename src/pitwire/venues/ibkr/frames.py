"""The messages we read, in the venue's own field names; only the fields we use.

Any field may be null, and a number may be a text (§4.3, §7.4); what we need is demanded where it is
used.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pitwire.venues.ibkr.reading import Loose


class Status(msgspec.Struct, frozen=True):
    """State of the brokerage session (§2.2, §8.3); in a frame only some keys may be there."""

    authenticated: bool | None = None
    connected: bool | None = None
    competing: bool | None = None
    established: bool | None = None
    message: str | None = None
    fail: str | None = None


class TickledServer(msgspec.Struct, frozen=True):
    auth: Status | None = msgspec.field(default=None, name="authStatus")


class Tickled(msgspec.Struct, frozen=True):
    """§2.1."""

    session: str = ""
    iserver: TickledServer | None = None
    error: str | None = None


class Accounts(msgspec.Struct, frozen=True):
    """§4.1."""

    accounts: list[str]
    selected: str | None = msgspec.field(default=None, name="selectedAccount")


class OrderRow(msgspec.Struct, frozen=True, rename={"order_id": "orderId"}):
    """An order in the list or on the stream (§7.4, §8.7); a delta has only what changed."""

    order_id: Loose = None
    conid: Loose = None
    ticker: str | None = None
    currency: str | None = msgspec.field(default=None, name="cashCcy")
    side: str | None = None
    type: str | None = msgspec.field(default=None, name="origOrderType")
    price: Loose = None
    size: Loose = msgspec.field(default=None, name="totalSize")
    filled: Loose = msgspec.field(default=None, name="filledQuantity")
    average: Loose = msgspec.field(default=None, name="avgPrice")
    status: str | None = None
    reference: str | None = msgspec.field(default=None, name="order_ref")
    tif: str | None = msgspec.field(default=None, name="timeInForce")
    account: str | None = msgspec.field(default=None, name="acct")
    executed: Loose = msgspec.field(default=None, name="lastExecutionTime_r")
    reason: Loose = msgspec.field(default=None, name="order_cancellation_by_system_reason")


class OrderList(msgspec.Struct, frozen=True):
    """§7.4."""

    orders: list[OrderRow]
    snapshot: bool = False


class OrderState(msgspec.Struct, frozen=True):
    """One order that was asked about (§7.5)."""

    order_id: Loose
    order_status: str
    conid: Loose = None
    symbol: str | None = None
    side: str | None = None
    order_type: str | None = None
    total_size: Loose = None
    cum_fill: Loose = None
    average_price: Loose = None
    limit_price: Loose = None
    tif: str | None = None
    currency: str | None = None
    order_status_description: str | None = None


class Execution(msgspec.Struct, frozen=True):
    """§7.7, §8.8."""

    execution_id: str
    conid: Loose
    side: str
    size: Loose
    price: Loose
    order_id: Loose
    symbol: str | None = None
    order_ref: str | None = None
    commission: Loose = None
    time: Loose = msgspec.field(default=None, name="trade_time_r")
    account: str | None = None


class Placed(msgspec.Struct, frozen=True):
    """One element of the answer to an order: its acceptance, or a question (§7.1)."""

    order_id: Loose = None
    order_status: str | None = None
    id: str | None = None
    message: list[str] | None = None
    ids: list[str] | None = msgspec.field(default=None, name="messageIds")


class Prompt(msgspec.Struct, frozen=True, rename="camel"):
    """A prompt instead of an answer (§7.1, the fourth shape)."""

    order_id: Loose
    req_id: str
    text: str
    options: list[str] = []
    message_id: str = ""


class Held(msgspec.Struct, frozen=True):
    """A position (§4.3)."""

    conid: Loose
    position: Loose
    description: str | None = msgspec.field(default=None, name="contractDesc")
    currency: str | None = None
    asset: str | None = msgspec.field(default=None, name="assetClass")


class Cash(msgspec.Struct, frozen=True):
    """One currency of the ledger (§4.3)."""

    cashbalance: Loose = None


class Listed(msgspec.Struct, frozen=True):
    """A contract of a stock (§5)."""

    conid: Loose
    is_us: bool = msgspec.field(default=False, name="isUS")


class Stock(msgspec.Struct, frozen=True):
    asset: str | None = msgspec.field(default=None, name="assetClass")
    contracts: list[Listed] = []


class Step(msgspec.Struct, frozen=True, rename={"edge": "lowerEdge"}):
    """From this price on, prices move by so much (§5)."""

    edge: Loose
    increment: Loose


class Rules(msgspec.Struct, frozen=True, rename="camel"):
    """§5."""

    order_types: list[str] = []
    increment: Loose = None
    increment_rules: list[Step] = []


class Contract(msgspec.Struct, frozen=True):
    """info-and-rules (§5)."""

    con_id: Loose
    symbol: str
    currency: str
    rules: Rules


class Frame(msgspec.Struct, frozen=True):
    """What any frame of the socket may have; the matter of it is read by its topic."""

    topic: str = ""
    args: msgspec.Raw = msgspec.Raw()
    data: msgspec.Raw = msgspec.Raw()
    error: Any = None
    code: Loose = None
    message: Loose = None
    result: Any = None
