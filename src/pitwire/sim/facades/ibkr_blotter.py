"""Orders as the broker keeps them: one number each, whatever becomes of it at the exchange.

House rules: an order's number is the broker's and no symbol's; what the exchange says happened is
told on, in its order, to whoever listens; a modification that the exchange cannot do in place is a
cancel and a new order under the same number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal

import msgspec

from pitwire.model.clock import SECOND
from pitwire.model.orders import Side
from pitwire.sim.exchange import Exchange
from pitwire.sim.facades.ibkr_contracts import Contract, is_number
from pitwire.sim.facades.ibkr_office import Office
from pitwire.sim.facades.ibkr_text import IbkrError, said
from pitwire.sim.facades.ibkr_tickets import Ticket
from pitwire.sim.facts import (
    Accepted,
    Ended,
    Fact,
    Kind,
    Refused,
    SimOrder,
    Status,
    Tif,
    Traded,
    Triggered,
)

INACTIVE, PENDING, PRE = "Inactive", "PendingSubmit", "PreSubmitted"
SUBMITTED, FILLED = "Submitted", "Filled"
PENDING_CANCEL, CANCELLED = "PendingCancel", "Cancelled"
OVER = (FILLED, CANCELLED, INACTIVE)
_FIRST_ORDER = 1_370_093_238
_TYPES = {Kind.LIMIT: "LMT", Kind.MARKET: "MKT", Kind.STOP_LOSS: "STP",
          Kind.STOP_LOSS_LIMIT: "STOP_LIMIT"}  # fmt: skip
_DAY = 86_400 * SECOND


class Order(msgspec.Struct, kw_only=True):
    """One order of the broker's."""

    order_id: int
    ticket: Ticket
    status: str = INACTIVE
    filled_lots: int = 0
    filled_value: Decimal = Decimal(0)
    """Price × size, in money."""
    commission: Decimal = Decimal(0)
    leg: int = 0
    """Its order at the exchange now; 0 for none."""
    created: int = 0
    updated: int = 0
    reason: str = ""
    """Why the broker ended it by itself; "" where it did not."""

    @property
    def left(self) -> int:
        return self.ticket.lots - self.filled_lots

    @property
    def is_over(self) -> bool:
        return self.status in (FILLED, CANCELLED)

    @property
    def average(self) -> Decimal:
        """Price at which it was filled; 0 where it was not."""
        size = self.filled_lots * self.ticket.contract.listing.lot
        return self.filled_value / size if size else Decimal(0)


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """One execution."""

    number: int
    order: Order
    at: int
    lots: int
    price: int
    commission: Decimal


Changed = Callable[[Order, int, bool], None]
"""(order, now, whether all of it is to be told)."""


class Blotter:
    """All orders and executions of the login's accounts."""

    def __init__(
        self,
        office: Office,
        *,
        changed: Changed,
        marked: Callable[[Order], None],
        filled: Callable[[Fill, int], None],
    ) -> None:
        self._office = office
        self._changed = changed
        self._marked = marked
        """A short frame without a status is due."""
        self._filled = filled
        self.orders: dict[int, Order] = {}
        self.fills: list[Fill] = []
        self._legs: dict[tuple[str, int], Order] = {}
        self._refs: dict[tuple[str, str], int] = {}
        """(account, cOID) → when it was used."""
        self._next = _FIRST_ORDER

    # -- what is done

    def demand_new(self, ticket: Ticket, now: int) -> None:
        """Refuse a client id that was used within a day (ibkr §7.1)."""
        used = self._refs.get((ticket.account, ticket.ref))
        if ticket.ref and used is not None and now - used < _DAY:
            raise ticket_taken(ticket.ref)

    def place(self, ticket: Ticket, now: int) -> Order:
        """Send it to the exchange; raises what the ticket says of a refusal."""
        request = ticket.request(self._office.accounts[ticket.account], ticket.lots)
        try:
            leg = self._office.market.place(request, now)
        except Refused as error:
            raise ticket.refused(error) from None
        order = self._enter(ticket, leg, now)
        if ticket.ref:
            self._refs[ticket.account, ticket.ref] = now
        return order

    def modify(self, order: Order, ticket: Ticket, now: int) -> None:
        """Make it what the ticket says; its number stays."""
        owner, was = self._office.accounts[order.ticket.account], order.ticket
        lots = ticket.lots - order.filled_lots
        if lots <= 0:
            raise ticket.refusal("Size is less than what was filled already.")
        market, symbol = self._office.market, ticket.contract.symbol
        same = msgspec.structs.replace(ticket, lots=was.lots, ref=was.ref) == was
        order.ticket = msgspec.structs.replace(ticket, ref=was.ref)
        try:
            leg = market.order(owner, symbol, order_id=order.leg)
            smaller = leg.filled_lots + lots
            if same and ticket.lots == was.lots:
                return
            if same and ticket.lots < was.lots:
                market.amend(owner, symbol, order_id=order.leg, client_id="",
                             lots=smaller, new_client_id="", now=now)  # fmt: skip
            else:
                self._replace(order, owner, lots, now)
        except Refused as error:
            order.ticket = was if order.leg else order.ticket
            raise ticket.refused(error) from None
        order.updated = now
        self._changed(order, now, False)

    def cancel(self, order: Order, now: int) -> None:
        """Ask for its end; what came of it is told as facts."""
        owner = self._office.accounts[order.ticket.account]
        self._set(order, PENDING_CANCEL, now, whole=True)
        try:
            self._office.market.cancel(
                owner, order.ticket.contract.symbol, order_id=order.leg, now=now
            )
        except Refused:  # it went in this very moment
            self._set(order, CANCELLED, now)

    def find(self, order_id: str) -> Order | None:
        """By its number as text."""
        return self.orders.get(int(order_id)) if is_number(order_id) else None

    def working(self, account: str) -> list[Order]:
        """Those of an account that are not over."""
        return [
            order
            for order in self.orders.values()
            if order.ticket.account == account and not order.is_over
        ]

    # -- what happens

    def note(self, facts: Iterable[Fact], now: int) -> None:
        """Follow what the exchange says."""
        for fact in facts:
            match fact:
                case Traded():
                    self._traded(fact, now)
                case Accepted(order=leg):
                    self._accepted(leg, now)
                case Triggered(order=leg):
                    self._on(leg, SUBMITTED, now)
                case Ended(order=leg):
                    self._ended(leg, now)

    def _accepted(self, leg: SimOrder, now: int) -> None:
        if leg.account not in self._office.names:
            return
        order = self._legs.get((leg.symbol, leg.order_id))
        if order is None:  # somebody's at another screen
            order = self._enter(self._foreign(leg), leg, now)
        if order.status == INACTIVE:
            self._begin(order, now, waits=leg.kind in (Kind.STOP_LOSS, Kind.STOP_LOSS_LIMIT))

    def _begin(self, order: Order, now: int, *, waits: bool) -> None:
        """An order's first steps, as they were observed (ibkr §8.7)."""
        options = self._office.options
        if options.inactive_first:
            self._set(order, INACTIVE, now, whole=True)
        if options.order_marker:
            self._marked(order)
        for status in (PENDING, PRE) if waits else (PENDING, PRE, SUBMITTED):
            self._set(order, status, now)

    def _traded(self, fact: Traded, now: int) -> None:
        for leg in (fact.maker, fact.taker):
            order = self._legs.get((fact.symbol, leg.order_id))
            if order is None:
                continue
            listing = order.ticket.contract.listing
            order.filled_lots += fact.lots
            order.filled_value += fact.price * listing.tick * fact.lots * listing.lot
            fill = Fill(
                number=len(self.fills) + 1,
                order=order,
                at=now,
                lots=fact.lots,
                price=fact.price,
                commission=self._charge(order, fact.lots, now),
            )
            self.fills.append(fill)
            self._set(order, SUBMITTED if order.left else FILLED, now)
            self._filled(fill, now)

    def _charge(self, order: Order, lots: int, now: int) -> Decimal:
        """The commission of an execution, taken from the account's money."""
        options, listing = self._office.options, order.ticket.contract.listing
        due = max(
            options.commission_per_share * order.filled_lots * listing.lot,
            options.commission_least,
        )
        charge, order.commission = due - order.commission, max(due, order.commission)
        market, owner = self._office.market, self._office.accounts[order.ticket.account]
        if charge > 0 and isinstance(market, Exchange):
            try:
                market.deposit(owner, listing.quote, -charge, now)
            except Refused:  # nothing is left to take
                return charge
        return max(charge, Decimal(0))

    def _ended(self, leg: SimOrder, now: int) -> None:
        order = self._legs.get((leg.symbol, leg.order_id))
        if order is None or order.leg != leg.order_id:
            return
        if leg.status is Status.EXPIRED and order.status != PENDING_CANCEL:
            order.reason = leg.expiry_reason or "Cancelled by the system"
        self._set(order, CANCELLED, now)

    def _on(self, leg: SimOrder, status: str, now: int) -> None:
        order = self._legs.get((leg.symbol, leg.order_id))
        if order is not None:
            self._set(order, status, now)

    # -- inside

    def _enter(self, ticket: Ticket, leg: SimOrder, now: int) -> Order:
        self._next += 1
        order = Order(order_id=self._next, ticket=ticket, leg=leg.order_id, created=now,
                      updated=now)  # fmt: skip
        self.orders[order.order_id] = order
        self._legs[leg.symbol, leg.order_id] = order
        return order

    def _replace(self, order: Order, owner: str, lots: int, now: int) -> None:
        market, symbol = self._office.market, order.ticket.contract.symbol
        market.check(order.ticket.request(owner, lots), now)
        old, order.leg = order.leg, 0
        market.cancel(owner, symbol, order_id=old, now=now)
        try:
            leg = market.place(order.ticket.request(owner, lots), now)
        except Refused:
            order.reason = "Modification was refused"
            self._set(order, CANCELLED, now)
            raise
        order.leg = leg.order_id
        self._legs[symbol, leg.order_id] = order

    def _set(self, order: Order, status: str, now: int, *, whole: bool = False) -> None:
        order.status, order.updated = status, now
        self._changed(order, now, whole)

    def _foreign(self, leg: SimOrder) -> Ticket:
        found: Contract = self._office.contracts.of(leg.symbol)
        tif = "IOC" if leg.tif is Tif.IOC else "GTC"
        return Ticket(
            account=self._office.names[leg.account],
            contract=found,
            conidex=str(found.conid),
            side=Side(leg.side),
            order_type=_TYPES.get(leg.kind, "LMT"),
            tif=tif,
            lots=leg.lots,
            price=leg.price,
            stop=leg.stop_price,
            ref=leg.client_id,
        )


def ticket_taken(ref: str) -> IbkrError:
    """What a client id gets that is in use."""
    return said(f"Order couldn't be submitted: Local order ID={ref} is already registered.")
