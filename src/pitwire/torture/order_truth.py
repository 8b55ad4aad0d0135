"""What really became of one account's orders at a simulated venue.

House rules: it reads the exchange's own facts and lists and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from pitwire.model.orders import OrderState, Side
from pitwire.sim.execution import OVER
from pitwire.sim.facts import Accepted, Fact, SimOrder, Traded
from pitwire.sim.truth import Truth
from pitwire.sim.world import World


class Waiting(NamedTuple):
    """An order that waits for its price."""

    name: str
    symbol: str
    side: Side
    size: Decimal


class OrderTruth(Truth):
    """Sees every order of the account from before the first client on."""

    def __init__(self, world: World, account: str = "main") -> None:
        self.account = account
        self.accepted_at: dict[str, int] = {}
        """Client id at placing → when the venue took the order, by the right clock."""
        self._first_names: dict[tuple[str, int], str] = {}
        self.requests: list[int] = []
        """When each request about orders reached the venue, by the right clock."""
        self.opening: dict[str, Decimal] = {}
        self._balances: list[tuple[int, dict[str, Decimal]]] = []
        """When trades moved them, and what they were then."""
        super().__init__(world)
        self.opening = self.balances()

    def accepted(self, fact: Accepted) -> None:
        """An order was taken; only those of the account count."""
        order = fact.order
        if order.account == self.account:
            self._first_names[order.symbol, order.order_id] = order.client_id
            self.accepted_at.setdefault(order.client_id, self.world.clock.now())
            super().accepted(fact)

    def opening_at(self, at: int) -> dict[str, Decimal]:
        """The balances with which a count begins at this time; a desk may have come late."""
        before = [held for since, held in self._balances if since <= at]
        return before[-1] if before else self.opening

    def _note(self, facts: Iterable[Fact]) -> None:
        facts = list(facts)
        super()._note(facts)
        if self.opening and any(isinstance(fact, Traded) for fact in facts):
            held = self.balances()
            if held != (self._balances[-1][1] if self._balances else self.opening):
                self._balances.append((self.world.clock.now(), held))

    def _overhear(self, link: int, text: bytes, now: int) -> None:
        if b'"method":"order.' in text or b'"method":"openOrders.' in text:
            self.requests.append(self.world.clock.now())
        super()._overhear(link, text, now)

    def name_of(self, order: SimOrder) -> str:
        """The client id it was placed with; a cancel or an amendment gives it another."""
        return self._first_names.get((order.symbol, order.order_id), order.client_id)

    def orders(self) -> dict[str, SimOrder]:
        """Client id at placing → the order as it is now, over or open."""
        exchange = self.world.exchange
        found = {}
        for symbol in exchange.listings:
            for order in exchange.all_orders(self.account, symbol):
                found[self.name_of(order)] = order
        return found

    def living(self) -> list[SimOrder]:
        """Open orders."""
        return self.world.exchange.open_orders(self.account)

    def is_over(self, order: SimOrder) -> bool:
        """Whether nothing more can happen to it."""
        return order.status in OVER

    def size(self, order: SimOrder, lots: int) -> Decimal:
        """Lots in base units."""
        return lots * self.world.exchange.listings[order.symbol].lot

    def waiting(self) -> list[Waiting]:
        """What waits for a price outside the book, where a venue keeps that apart."""
        return []

    def apart(self) -> dict[str, OrderState | None]:
        """Client id → the end of what waited and never came to the book; None while it waits."""
        return {}

    def positions(self) -> dict[str, Decimal]:
        """Symbol → base units held, where the venue counts positions; negative when short."""
        return {}

    def balances(self) -> dict[str, Decimal]:
        """Asset → all that the account has, free or locked."""
        found = self.world.exchange.balances(self.account)
        return {asset: free + locked for asset, (free, locked) in found.items()}
