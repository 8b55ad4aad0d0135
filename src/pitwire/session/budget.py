"""What is left of the venue's request weight for what cannot wait.

House rules: pure. The venue tells what was used only with its answers, so what leaves together is
counted here before they come; a count of ours that is too low is corrected by the venue's own.
"""

from __future__ import annotations

from pitwire.session.books import weight_limit
from pitwire.session.pacing import Pacing
from pitwire.session.pending import Request, What
from pitwire.venues.venue import Venue

STOCK_PERCENT = 25
"""What must be left of the weight for a question of a stocktaking, and for cancels that were said
before: orders, first cancels and questions about single orders go before them."""


class Budget:
    """The weight of one venue, as the orders side of a connection spends it."""

    def __init__(self, venue: Venue, pacing: Pacing) -> None:
        self._pacing, weights = pacing, venue.weights
        self._spare = weight_limit(venue) * STOCK_PERCENT // 100
        self._costs = {
            What.OPEN_ORDERS: weights.open_orders,
            What.ACCOUNT: weights.account,
            What.FILLS: weights.fills,
        }

    def has_room(self, cost: int, now: int) -> bool:
        """Whether what costs so much and can wait may leave: a stocktaking, a cancel once more."""
        if self._pacing.blocked_until("weight") > now:
            return False
        return self._pacing.leaves("weight", self._spare + cost, now)

    def spent(self, request: Request, now: int) -> None:
        """This request left over a socket, which says nothing of what it costs."""
        cost = self._costs.get(request.what, 1)
        if request.order_id or (request.symbol and request.what is What.OPEN_ORDERS):
            cost = 1  # of one order, or one symbol: a little more, which the answer says
        if not request.apart:  # what is listed apart is in the cost of all
            self._pacing.spend("weight", now, cost=cost)
