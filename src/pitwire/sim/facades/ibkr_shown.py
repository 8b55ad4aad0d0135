"""How orders and executions are shown: in lists, on `sor` and `str`, in a status (ibkr §7.4–§7.7).

House rules: keys, their order and their types are those of recorded answers; what is text there is
text here, and what is a number a number.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal

from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.model.orders import Side
from pitwire.sim.facades.ibkr_blotter import CANCELLED, FILLED, INACTIVE, Fill, Order
from pitwire.sim.facades.ibkr_options import IbkrOptions

_LONG = {"LMT": "LIMIT", "MKT": "MARKET", "STP": "STP", "STOP_LIMIT": "STP LMT"}
_WORDS = {"LMT": "Limit", "MKT": "Market", "STP": "Stop", "STOP_LIMIT": "Stop Limit"}
_TIFS = {"DAY": "CLOSE", "GTC": "GTC", "IOC": "IOC"}
_SHOWN_TIFS = {"DAY": "Day", "GTC": "GTC", "IOC": "IOC"}
_CENT = Decimal("0.01")
_COLOURS = {FILLED: "#000000", CANCELLED: "#AA0000"}


def stamp(at: int) -> str:
    """`YYMMDDhhmmss`, in UTC."""
    return f"{datetime.fromtimestamp(at // SECOND, tz=UTC):%y%m%d%H%M%S}"


def average(order: Order) -> str:
    """The average price as text, to a hundredth at least."""
    value = order.average
    rounded = value.quantize(_CENT)
    return format(rounded if rounded == value else value.quantize(Decimal("0.0001")), "f")


def fills_of(order: Order) -> str:
    """`sizeAndFills`: filled/total while it works, and the size of one that is filled."""
    found = order.ticket.contract
    total = found.size(order.ticket.lots)
    return total if order.status == FILLED else f"{found.size(order.filled_lots)}/{total}"


def described(order: Order, *, with_ticker: bool) -> str:
    """`Buy 1 Limit 170.00, Day`, and `Bought` of one that is filled."""
    ticket = order.ticket
    found = ticket.contract
    buys = ticket.side is Side.BUY
    verb = ("Bought" if buys else "Sold") if order.status == FILLED else ("Buy" if buys else "Sell")
    parts = [verb, found.size(ticket.lots)]
    if with_ticker or order.status == FILLED:
        parts.append(found.ticker)
    parts.append(_WORDS[ticket.order_type])
    if ticket.stop:
        parts.append(found.price(ticket.stop))
    if ticket.price:
        parts.append(found.price(ticket.price))
    return f"{' '.join(parts)}, {_SHOWN_TIFS[ticket.tif]}"


def listed(order: Order, *, live: bool) -> dict[str, object]:
    """An order in full: of the list, where prices are text, or `live` on `sor`."""
    ticket = order.ticket
    found = ticket.contract
    price = found.price(ticket.price or ticket.stop) if ticket.price or ticket.stop else ""
    row: dict[str, object] = {
        "acct": ticket.account,
        "conidex": ticket.conidex,
        "conid": found.conid,
        **({} if live else {"account": ticket.account}),
        "orderId": order.order_id,
        "cashCcy": found.currency,
        "sizeAndFills": fills_of(order),
        "orderDesc": described(order, with_ticker=False),
        "description1": found.ticker,
        "ticker": found.ticker,
        "secType": "STK",
        "listingExchange": found.exchange,
        "remainingQuantity": found.units(order.left),
        "filledQuantity": found.units(order.filled_lots),
        "totalSize": found.units(ticket.lots),
        "companyName": found.name,
        "status": order.status,
        "order_ccp_status": "Pending Submit" if order.status == INACTIVE else order.status,
    }
    if order.filled_lots:
        row["avgPrice"] = average(order)
    row |= {
        "origOrderType": _LONG[ticket.order_type],
        "supportsTaxOpt": "1",
        "lastExecutionTime": stamp(order.updated),
        "lastExecutionTime_r": order.updated // SECOND * 1000,
    }
    return row | (_live_end(order, price) if live else _end(order, price))


def _end(order: Order, price: str) -> dict[str, object]:
    """The last fields of an order in a list."""
    ticket = order.ticket
    return {
        "orderType": _WORDS[ticket.order_type],
        **_said_of(order),
        "bgColor": "#FFFFFF",
        "fgColor": _COLOURS.get(order.status, "#0000CC"),
        "isEventTrading": "0",
        "price": price,
        "timeInForce": _TIFS[ticket.tif],
        "side": ticket.side.upper(),
        **_stop_of(order),
    }


def _live_end(order: Order, price: str) -> dict[str, object]:
    """The last fields of an order on `sor`, in another order; its price is a number."""
    ticket = order.ticket
    return {
        **_said_of(order),
        "orderType": _WORDS[ticket.order_type],
        "side": ticket.side.upper(),
        "timeInForce": _TIFS[ticket.tif],
        **({"price": float(price)} if price else {}),
        **_stop_of(order),
        "bgColor": "#FFFFFF",
        "fgColor": _COLOURS.get(order.status, "#0000CC"),
    }


def _said_of(order: Order) -> dict[str, object]:
    """The client's own name for it, and why the broker ended it, where there is such a thing."""
    found: dict[str, object] = {}
    if order.ticket.ref:
        found["order_ref"] = order.ticket.ref
    if order.reason:
        found["order_cancellation_by_system_reason"] = order.reason
    return found


def _stop_of(order: Order) -> dict[str, object]:
    """Where it is triggered (names unconfirmed)."""
    ticket = order.ticket
    if not ticket.stop:
        return {}
    name = "auxPrice" if ticket.price else "stop_price"
    return {name: ticket.contract.price(ticket.stop)}


def status_of(order: Order, options: IbkrOptions) -> dict[str, object]:
    """`/iserver/account/order/status/{orderId}`; decimals are text."""
    ticket = order.ticket
    found = ticket.contract
    left, total = found.units(order.left), found.units(ticket.lots)
    side = ticket.side.upper()
    row: dict[str, object] = {
        "sub_type": None,
        "request_id": str(order.order_id % 1_000_000),
        "server_id": "0",
        "order_id": order.order_id,
        "conidex": ticket.conidex,
        "conid": found.conid,
        "symbol": found.ticker,
        "side": side[0] if options.side_letters else side,
        "contract_description_1": found.ticker,
        "listing_exchange": found.exchange,
        "option_acct": "c",
        "company_name": found.name,
        "size": str(left),
        "total_size": str(total),
        "currency": found.currency,
        "account": ticket.account,
        "order_type": _LONG[ticket.order_type],
    }
    if ticket.price:
        row["limit_price"] = found.price(ticket.price)
    if ticket.stop:
        row["stop_price"] = found.price(ticket.stop)
    if order.filled_lots:
        row["average_price"] = average(order)
    row |= _standing(order)
    if ticket.ref:
        row["order_ref"] = ticket.ref
    return row


def _standing(order: Order) -> dict[str, object]:
    """The second half of a status: how it stands, and what may be done with it."""
    ticket = order.ticket
    found = ticket.contract
    is_over = order.is_over
    return {
        "cum_fill": str(found.units(order.filled_lots)),
        "order_status": order.status,
        "order_ccp_status": "2" if order.status == FILLED else "0",
        "order_status_description": f"Order {order.status}",
        "tif": ticket.tif,
        "order_not_editable": is_over,
        "editable_fields": "" if is_over else "\u001e",
        "cannot_cancel_order": is_over,
        "outside_rth": ticket.outside_rth,
        "deactivate_order": False,
        "use_price_mgmt_algo": False,
        "sec_type": "STK",
        "available_chart_periods": "#R|1",
        "order_description": described(order, with_ticker=False),
        "order_description_with_contract": described(order, with_ticker=True),
        "clearing_id": "IB",
        "clearing_name": "IB",
        "alert_active": 1,
        "child_order_type": "3",
        "order_clearing_account": ticket.account,
        "size_and_fills": fills_of(order),
        "exit_strategy_display_price": found.price(ticket.price) if ticket.price else "",
        "exit_strategy_chart_description": described(order, with_ticker=False),
        "exit_strategy_tool_availability": "1",
        "allowed_duplicate_opposite": True,
        "order_time": stamp(order.created),
    }


def executed(fill: Fill, options: IbkrOptions, *, with_commission: bool) -> dict[str, object]:
    """An execution, of the list or of `str`."""
    ticket = fill.order.ticket
    found = ticket.contract
    buys = ticket.side is Side.BUY
    size, price = found.size(fill.lots), found.price(fill.price)
    worth = float(fill.price * found.listing.tick * fill.lots * found.listing.lot)
    at = datetime.fromtimestamp(fill.at // SECOND, tz=UTC)
    row: dict[str, object] = {
        "execution_id": f"0000e0d5.{0x6576FD38 + fill.number:08x}.01.01",
        "symbol": found.ticker,
        "supports_tax_opt": "1",
        "side": "B" if buys else "S",
        "order_description": f"{'Bot' if buys else 'Sold'} {size} @ {price} on ISLAND",
        "trade_time": f"{at:%Y%m%d-%H:%M:%S}",
        "trade_time_r": fill.at // MILLISECOND,
        "size": found.units(fill.lots),
        "price": price,
    }
    if ticket.ref:
        row["order_ref"] = ticket.ref
    row |= {"submitter": options.user, "exchange": "ISLAND"}
    if with_commission:
        row["commission"] = money(fill.commission)
    row |= {
        "net_amount": worth,
        "account": ticket.account,
        "accountCode": ticket.account,
        "company_name": found.name,
        "contract_description_1": found.ticker,
        "sec_type": "STK",
        "listing_exchange": found.exchange,
        "conid": found.conid,
        "conidEx": ticket.conidex,
        "clearing_id": "IB",
        "clearing_name": "IB",
        "liquidation_trade": "0",
        "is_event_trading": "0",
        "order_id": fill.order.order_id,
    }
    return row


def money(amount: Decimal) -> str:
    """An amount as text, exact, with two digits at least."""
    rounded = amount.quantize(_CENT, rounding=ROUND_HALF_UP)
    return format(rounded if rounded == amount else amount.normalize(), "f")
