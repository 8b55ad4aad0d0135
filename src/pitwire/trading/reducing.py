"""Whether an order can only make a position smaller.

House rules: pure; what is on its way counts, whatever it is, and so does what has traded until its
fill is told, though its order be over. Of what rests at the venue stops count by themselves, and so
does what takes a profit: neither forbids the other. Nothing that rests forbids the order that
closes the position at once.
"""

from __future__ import annotations

from decimal import Decimal

from pitwire.model.orders import OrderType, Place, Side, TimeInForce
from pitwire.trading.state import State
from pitwire.trading.tally import Standing
from pitwire.trading.tracked import ZERO, Tracked

_AT_ONCE_OR_NEVER = (TimeInForce.IOC, TimeInForce.FOK)
_STOPS = (OrderType.STOP, OrderType.STOP_LIMIT)


def only_reduces(
    place: Place, size: Decimal, price: Decimal | None, state: State, replacing: Tracked | None
) -> bool:
    """Whether it can, in `size` base units; `price` is that of what is sized in quote units."""
    position, buys = state.portfolio.position(place.symbol), place.side is Side.BUY
    if not (position < 0 if buys else position > 0):
        return False
    here = state.ledger.tally.by_symbol.get(place.symbol)
    if here is None:
        return size <= abs(position)
    left = abs(position) - size - here.on_its_way(place.side, price)
    if left < 0 or not _rests(place):
        return left >= 0
    whole = here.exposure(price)  # whatever it is, and quickly had
    if (whole.buys if buys else whole.sells) <= left:
        return True
    return _resting(place, price, state, here, replacing) <= left


def _rests(place: Place) -> bool:
    return place.type is not OrderType.MARKET and place.time_in_force not in _AT_ONCE_OR_NEVER


def _resting(
    place: Place, price: Decimal | None, state: State, here: Standing, replacing: Tracked | None
) -> Decimal:
    """What rests on this side and is a stop, or is none, as this order."""
    stops = place.type in _STOPS
    return sum(
        (
            one.may_trade(price)
            for one in state.ledger.open_by_symbol.get(place.symbol, {}).values()
            if one.side is place.side
            and (one.type in _STOPS) is stops
            and one is not replacing
            and one.id not in here.moving
        ),
        ZERO,
    )
