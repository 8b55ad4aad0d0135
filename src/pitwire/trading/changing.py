"""Whether an order may be cancelled, replaced or amended: what stands against it.

House rules: pure; what is not ours is never touched, nor what is over.
"""

from __future__ import annotations

from decimal import Decimal

from pitwire.model.errors import OffGrid
from pitwire.model.orders import Cancel
from pitwire.trading.limits import Breach
from pitwire.trading.state import State
from pitwire.trading.tracked import Tracked


def matches(order: Tracked, wish: Cancel) -> bool:
    """Whether a cancel without an id means this order."""
    return (
        order.is_ours
        and (not wish.tag or order.tag == wish.tag)
        and (wish.side is None or order.side is wish.side)
    )


def not_ours(order: Tracked | None, order_id: str) -> Breach:
    """What is said of an id under which no order of ours is open in this symbol."""
    found = "no such order" if order is None else f"{order.origin}, {order.state}"
    return Breach("order", f"{order_id}: {found}", "an open order of ours in this symbol")


def amend_breach(order: Tracked, size: Decimal, state: State) -> Breach | None:
    """What stands against this size of an open order of ours, in base units."""
    if order.size is None or not order.done < size < order.size:
        return Breach("amend", size, f"more than {order.done} and less than {order.size}")
    instrument = state.instruments.get(order.symbol)
    if instrument is None:
        return Breach("instrument", order.symbol, "a symbol whose rules are known")
    try:
        instrument.check_size(size)
    except OffGrid as off:
        return Breach("grid size", off.value, off.expected)
    return None
