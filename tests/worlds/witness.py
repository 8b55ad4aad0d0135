"""What really happened at the venue to one account: its orders, balances and subscriptions too.

House rules: it reads the venue's own lists and changes nothing; it knows the venue's spelling from
the papers, never from the client.
"""

from __future__ import annotations

from decimal import Decimal

from pitwire.sim.execution import OVER
from pitwire.sim.facts import Accepted, SimOrder
from pitwire.sim.truth import Truth
from pitwire.sim.world import World

STREAMS = {
    "ticker": "{}@bookTicker",
    "trades": "{}@trade",
    "book": "{}@depth@100ms",
}
"""Our channels in the venue's words (binance §3)."""


class Witness(Truth):
    """Sees everything that a world's venue does, from before the first client on."""

    def __init__(self, world: World, account: str = "main") -> None:
        self.account = account
        self.first_names: dict[tuple[str, int], str] = {}
        """(symbol, order id) → the client id it was placed with; the account's orders only."""
        super().__init__(world)
        self.opening = self.balances()

    # ── reading ───────────────────────────────────────────────────────────────────────────────

    def balances(self) -> dict[str, Decimal]:
        """Asset → all that the account has, free or locked."""
        found = self.world.exchange.balances(self.account)
        return {asset: free + locked for asset, (free, locked) in found.items()}

    def orders(self) -> dict[str, SimOrder]:
        """Client id at placing → the account's order as it is now, over or open."""
        found = {}
        for symbol in self.books:
            for order in self.world.exchange.all_orders(self.account, symbol):
                found[self.first_names.get((symbol, order.order_id), order.client_id)] = order
        return found

    def is_over(self, order: SimOrder) -> bool:
        """Whether nothing more can happen to it."""
        return order.status in OVER

    def filled(self, order: SimOrder) -> Decimal:
        """What of it has traded, in base units."""
        return order.filled_lots * self.world.exchange.listings[order.symbol].lot

    def subscriptions(self) -> list[tuple[str, ...]]:
        """What each open market connection is subscribed to, by the venue's own list."""
        connections = self.world.facade._connections.values()
        return [
            tuple(sorted(connection.listener.streams))
            for connection in connections
            if connection.listener is not None
        ]

    def watchers(self) -> list[tuple[str, ...]]:
        """Whose account events each open orders connection gets, by the venue's own list."""
        connections = self.world.facade._connections.values()
        users = self.world.facade.office.users._connections
        return [
            tuple(users[connection.link].active.values())
            for connection in connections
            if connection.session is not None
        ]

    def accepted(self, fact: Accepted) -> None:
        """An order of the account was taken."""
        if fact.order.account == self.account:
            self.first_names[fact.order.symbol, fact.order.order_id] = fact.order.client_id
            super().accepted(fact)
