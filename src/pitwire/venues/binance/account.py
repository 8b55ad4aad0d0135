"""Orders and balances: user-data events and order objects to our words (binance §5.9 – §6.3).

House rules: `Update.order_id` is the id the order was placed with, also after a cancel or an
amendment that carries an id of its own; amounts are exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from pitwire.model.events import Balance, Event, Fill, Rejected, Update, VenueShutdown
from pitwire.model.orders import RejectReason, Side, TimeInForce, UpdateKind
from pitwire.venues.binance import frames as wire
from pitwire.venues.binance.symbols import ORDER_TYPES, VENUE, Symbols
from pitwire.venues.mbx import frames as shared
from pitwire.venues.mbx.amounts import nanoseconds
from pitwire.venues.reading import Unreadable, amount, signed

SIDES: Mapping[str, Side] = {"BUY": Side.BUY, "SELL": Side.SELL}
TIMES: Mapping[str, TimeInForce] = {
    "GTC": TimeInForce.GTC,
    "IOC": TimeInForce.IOC,
    "FOK": TimeInForce.FOK,
}
_STOPS = frozenset({"STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"})
_WORKING = frozenset({"NEW", "PARTIALLY_FILLED"})
_TERMINATED = "eventStreamTerminated"

_EXECUTIONS: Mapping[str, UpdateKind] = {
    "NEW": UpdateKind.ACCEPTED,
    "CANCELED": UpdateKind.CANCELED,
    "REPLACED": UpdateKind.AMENDED,
    "REJECTED": UpdateKind.REJECTED,
    "TRADE": UpdateKind.FILLED,
    "EXPIRED": UpdateKind.EXPIRED,
}
"""Execution type → what it tells (§6.2); TRADE_PREVENTION depends on what is left."""

_PLACED: Mapping[str, UpdateKind] = {
    "": UpdateKind.ACCEPTED,  # an ACK has no status (§5.9)
    "NEW": UpdateKind.ACCEPTED,
    "PENDING_NEW": UpdateKind.ACCEPTED,
    "PARTIALLY_FILLED": UpdateKind.FILLED,
    "FILLED": UpdateKind.FILLED,
    "CANCELED": UpdateKind.CANCELED,
    "PENDING_CANCEL": UpdateKind.ACCEPTED,
    "REJECTED": UpdateKind.REJECTED,
    "EXPIRED": UpdateKind.EXPIRED,
    "EXPIRED_IN_MATCH": UpdateKind.EXPIRED,
}
"""Order status → what the answer to a placement tells (§7.3)."""

_ASKED: Mapping[str, UpdateKind] = {
    **_PLACED,
    "NEW": UpdateKind.STATUS_OPEN,
    "PENDING_NEW": UpdateKind.STATUS_OPEN,
    "PENDING_CANCEL": UpdateKind.STATUS_OPEN,
    "PARTIALLY_FILLED": UpdateKind.STATUS_OPEN,
}
"""Order status → what the answer to a question tells."""

_REJECTIONS: Mapping[str, RejectReason] = {
    "INSUFFICIENT_BALANCES": RejectReason.INSUFFICIENT_FUNDS,
    "STOP_PRICE_WOULD_TRIGGER_IMMEDIATELY": RejectReason.WOULD_TRIGGER,
    "WOULD_MATCH_IMMEDIATELY": RejectReason.WOULD_TAKE,
    "OCO_BAD_PRICES": RejectReason.PRICE_RULE,
}
_EXPIRIES: Mapping[str, RejectReason] = {
    "INSUFFICIENT_LIQUIDITY": RejectReason.NO_LIQUIDITY,
    "UNFILLED_IOC_QUANTITY_EXPIRED": RejectReason.NO_LIQUIDITY,
    "UNFILLED_FOK_ORDER_EXPIRED": RejectReason.NO_LIQUIDITY,
    "EXECUTION_RULE_PRICE_RANGE_EXCEEDED": RejectReason.PRICE_RULE,
}
"""Reject and expiry reasons (§6.2); any other is `OTHER`."""


def user_events(data: wire.UserFrame, symbols: Symbols, now: int) -> Sequence[Event] | None:
    """The facts of one user-data event; None for a change that it does not state absolutely."""
    match data:
        case wire.ReportFrame():
            return report(data, symbols, now)
        case wire.PositionFrame(B=rows):
            venue_time = nanoseconds(data.u)
            return [balance(row.a, row.f, row.l, venue_time, now) for row in rows]
        case shared.ShutdownFrame(E=instant):
            return (VenueShutdown(VENUE, "", nanoseconds(instant), now, ""),)
        case wire.TerminatedFrame(E=instant):
            return (Rejected(VENUE, "", nanoseconds(instant), now, "", "orders", 0, _TERMINATED),)
        case wire.DepositFrame() | wire.ListFrame():
            # §6.3: what a deposit changed, outboundAccountPosition states absolutely; what a list
            # does, each leg's own report says.
            return ()
        case _:
            return None


def report(data: wire.ReportFrame, symbols: Symbols, now: int) -> Sequence[Event]:
    """An executionReport: its `Update`, and the `Fill` when it traded."""
    kind = _execution(data)
    order_id = data.C or data.c
    symbol, venue_time, venue_id = symbols[data.s], nanoseconds(data.T), str(data.i)
    prevented = data.x == "TRADE_PREVENTION"
    why, text = _why(data.r, data.expiry, prevented=prevented)
    update = Update(
        VENUE, symbol, venue_time, now, order_id, venue_id, kind,
        side=_side(data.S),
        type=ORDER_TYPES.get(data.o),
        time_in_force=TIMES.get(data.f),
        price=amount(data.p, "p") or None,
        size=amount(data.q, "q"),
        filled=amount(data.z, "z"),
        filled_quote=_ancient(data.Z, "Z"),
        working=data.w,
        sequence=max(0, data.I),
        reason=why,
        text=text,
    )  # fmt: skip
    if data.x != "TRADE":
        return (update,)
    fill = Fill(
        VENUE, symbol, venue_time, now, order_id, venue_id, str(data.t), _side(data.S),
        _positive(data.L, "L"), _positive(data.l, "l"), signed(data.n, "n"), data.N or "", data.m,
    )  # fmt: skip
    return update, fill


def _execution(data: wire.ReportFrame) -> UpdateKind:
    if data.x == "TRADE_PREVENTION":
        # §6.2, §7.4: under DECREMENT the larger order goes on, smaller by what was prevented.
        return UpdateKind.EXPIRED if data.X == "EXPIRED_IN_MATCH" else UpdateKind.STATUS_OPEN
    if data.x == "NEW" and data.o in _STOPS and data.w:
        # §6.2: a stop waits with `w` false; a second NEW with `w` true says that it triggered.
        return UpdateKind.TRIGGERED
    try:
        return _EXECUTIONS[data.x]
    except KeyError:
        raise Unreadable("x", data.x) from None


def _why(reject: str, expiry: str, *, prevented: bool) -> tuple[RejectReason | None, str]:
    if prevented:
        return RejectReason.SELF_TRADE, "TRADE_PREVENTION"
    if reject not in ("", "NONE"):
        return _REJECTIONS.get(reject, RejectReason.OTHER), reject
    if expiry not in ("", "NONE"):
        return _EXPIRIES.get(expiry, RejectReason.OTHER), expiry
    return None, ""


def placed(data: wire.OrderResult, symbols: Symbols, now: int) -> list[Event]:
    """The answer to a placement: its `Update`, then its `Fill`s (all of them as taker)."""
    update = order_update(data, symbols, now, order_id=data.client_order_id)
    return [update, *(_fill(row, data, update) for row in data.fills)]


def cancelled(data: wire.OrderResult, symbols: Symbols, now: int) -> Update:
    """The answer to a cancel; `clientOrderId` is the cancel's own there (§5.10)."""
    order_id = data.orig_client_order_id or data.client_order_id
    return order_update(data, symbols, now, order_id=order_id)


def order_update(
    data: wire.OrderResult, symbols: Symbols, now: int, *, order_id: str, asked: bool = False
) -> Update:
    """An order object as an `Update`; `asked` when it answers a question."""
    try:
        kind = (_ASKED if asked else _PLACED)[data.status]
    except KeyError:
        raise Unreadable("status", data.status) from None
    prevented = data.status == "EXPIRED_IN_MATCH"
    why, text = _why("", data.expiry_reason, prevented=prevented)
    return Update(
        VENUE,
        symbols[data.symbol],
        nanoseconds(data.transact_time or data.update_time),
        now,
        order_id or str(data.order_id),
        str(data.order_id),
        kind,
        side=_side(data.side) if data.side else None,
        type=ORDER_TYPES.get(data.type),
        time_in_force=TIMES.get(data.time_in_force),
        price=_optional(data.price, "price") or None,
        size=_optional(data.orig_qty, "origQty"),
        filled=_optional(data.executed_qty, "executedQty"),
        filled_quote=_ancient(data.cummulative_quote_qty, "cummulativeQuoteQty"),
        working=data.status in _WORKING and _works(data),
        reason=why,
        text=text,
    )


def _works(data: wire.OrderResult) -> bool:
    # §5.9, §5.13: a stop that waits has workingTime -1; older answers do not say.
    if data.is_working is not None:
        return data.is_working
    if data.working_time is not None:
        return data.working_time > 0
    return data.type not in _STOPS


def amended(data: wire.AmendResult, symbols: Symbols, now: int) -> Update:
    """The answer to an amendment; one at or below what is filled ends the order (§5.10)."""
    order = data.amended_order
    over = order.status not in _WORKING
    kind = _PLACED.get(order.status, UpdateKind.AMENDED) if over else UpdateKind.AMENDED
    return Update(
        VENUE,
        symbols[order.symbol],
        nanoseconds(data.transact_time),
        now,
        order.orig_client_order_id or order.client_order_id,
        str(order.order_id),
        kind,
        side=_side(order.side),
        type=ORDER_TYPES.get(order.type),
        time_in_force=TIMES.get(order.time_in_force),
        price=amount(order.price, "price") or None,
        size=amount(order.qty, "qty"),
        filled=amount(order.executed_qty, "executedQty"),
        filled_quote=_ancient(order.cumulative_quote_qty, "cumulativeQuoteQty"),
        working=not over and order.working_time > 0,
        sequence=max(0, data.execution_id),
    )


def fill(data: wire.AccountTrade, symbols: Symbols, now: int, *, order_id: str) -> Fill:
    """A row of `myTrades` as a `Fill` of the order that was asked for (§5.13)."""
    return Fill(
        VENUE, symbols[data.symbol], nanoseconds(data.time), now, order_id, str(data.order_id),
        str(data.id), Side.BUY if data.is_buyer else Side.SELL, _positive(data.price, "price"),
        _positive(data.qty, "qty"), signed(data.commission, "commission"), data.commission_asset,
        data.is_maker,
    )  # fmt: skip


def balance(asset: str, free: str, locked: str, venue_time: int, now: int) -> Balance:
    """Absolute amounts of one asset."""
    return Balance(
        VENUE, "", venue_time, now, asset, amount(free, "free"), amount(locked, "locked")
    )


def _fill(row: wire.FillBody, order: wire.OrderResult, update: Update) -> Fill:
    return Fill(
        VENUE, update.symbol, update.venue_time, update.received, update.order_id,
        update.venue_id, str(row.trade_id), _side(order.side), _positive(row.price, "price"),
        _positive(row.qty, "qty"), signed(row.commission, "commission"), row.commission_asset,
        False,
    )  # fmt: skip


def _side(text: str) -> Side:
    try:
        return SIDES[text]
    except KeyError:
        raise Unreadable("side", text) from None


def _positive(text: str, path: str) -> Decimal:
    found = amount(text, path)
    if not found:
        raise Unreadable(path, text)
    return found


def _optional(text: str, path: str) -> Decimal | None:
    return amount(text, path) if text else None


def _ancient(text: str, path: str) -> Decimal | None:
    # §5.13: negative for orders from before the venue kept this number.
    found = signed(text, path) if text else None
    return found if found is not None and found >= 0 else None
