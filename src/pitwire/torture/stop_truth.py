"""What really became of one account's orders at simulated futures, those that wait included.

House rules: as in `order_truth`; one that has triggered is the order on the book that it became,
and one that never did is what the exchange says of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from pitwire.model.orders import OrderState
from pitwire.sim.facts import Accepted, Fact
from pitwire.sim.futures import FuturesExchange
from pitwire.sim.futures_facts import AlgoStatus, Conditional, ConditionalChanged
from pitwire.sim.world import World
from pitwire.torture.order_truth import OrderTruth, Waiting

_ENDS = {
    AlgoStatus.CANCELED: OrderState.CANCELED,
    AlgoStatus.EXPIRED: OrderState.EXPIRED,
    AlgoStatus.REJECTED: OrderState.EXPIRED,
}
"""How one ends that never became an order → what we must say of it."""


class StopTruth(OrderTruth):
    """Sees every order of the account, on the book or waiting for its price."""

    def __init__(self, world: World, account: str = "main") -> None:
        assert isinstance(world.exchange, FuturesExchange)
        self.exchange = world.exchange
        self.conditionals: dict[str, Conditional] = {}
        """Client id → the newest that the exchange said of it."""
        super().__init__(world, account)

    @property
    def triggered(self) -> int:
        """How many found their price."""
        return sum(one.triggered > 0 for one in self.conditionals.values())

    def open_ones(self) -> list[Conditional]:
        """Those that wait."""
        return self.exchange.conditionals.open_of(self.account)

    def waiting(self) -> list[Waiting]:
        lot = {symbol: listing.lot for symbol, listing in self.exchange.listings.items()}
        return [
            Waiting(one.client_id, what.symbol, what.side, what.lots * lot[what.symbol])
            for one in self.open_ones()
            for what in (one.request,)
        ]

    def apart(self) -> dict[str, OrderState | None]:
        return {
            name: _ENDS.get(one.status)
            for name, one in self.conditionals.items()
            if one.order is None
        }

    def positions(self) -> dict[str, Decimal]:
        return {
            one.symbol: one.lots * self.exchange.listings[one.symbol].lot
            for one in self.exchange.positions(self.account)
        }

    def balances(self) -> dict[str, Decimal]:
        """Nothing: the money moves with results and funding; positions are what is compared."""
        return {}

    def accepted(self, fact: Accepted) -> None:
        """What a conditional order became has been counted with it."""
        order = fact.order
        if order.account == self.account and order.client_id in self.conditionals:
            self._first_names[order.symbol, order.order_id] = order.client_id
        else:
            super().accepted(fact)

    def _note(self, facts: Iterable[Fact]) -> None:
        facts = list(facts)
        for fact in facts:
            if isinstance(fact, ConditionalChanged) and fact.account == self.account:
                one = fact.conditional
                if one.status is AlgoStatus.NEW:
                    self.names[one.client_id] += 1
                    self.accepted_at.setdefault(one.client_id, self.world.clock.now())
                self.conditionals[one.client_id] = one
        super()._note(facts)
