"""The venue's truth: what may be asked of it, and what it then says happened.

House rules: a command either raises `Refused` and changes nothing, or is done whole when it
returns; what happened is read with `take_facts`, once, in order; time is the caller's `now`.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping, Sequence
from copy import copy
from decimal import Decimal

import msgspec

from pitwire.model.entropy import Entropy
from pitwire.model.orders import Side
from pitwire.sim.accounts import ZERO, Account, Accounts
from pitwire.sim.admission import admit, demand_amendable, draft
from pitwire.sim.execution import OVER, Execution
from pitwire.sim.facts import (
    Amended,
    Deposited,
    Depth,
    Fact,
    Kind,
    Listing,
    NewOrder,
    PublicTrade,
    Refusal,
    Refused,
    SimOrder,
    Status,
    StatusChanged,
    Traded,
)
from pitwire.sim.filters import NO_CEILINGS, Ceilings, Rules
from pitwire.sim.lists import Lists
from pitwire.sim.outside import Outside
from pitwire.sim.past import Past
from pitwire.sim.pit import AVERAGE_MINUTES, Pit

_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CLIENT_ID_LENGTH = 22


class Exchange:
    """Symbols, accounts and orders in one place."""

    def __init__(
        self,
        listings: Sequence[Listing],
        *,
        entropy: Entropy,
        accounts: Accounts | None = None,
        ceilings: Ceilings | None = None,
    ) -> None:
        self.ceilings = ceilings or Ceilings()
        """What holds for all symbols together."""
        self.listings: dict[str, Listing] = {}
        self.accounts = accounts or Accounts()
        self.execution = self._make_execution()
        self._pits: dict[str, Pit] = {}
        self._chance = entropy.stream("client ids")
        self._scheduled: list[tuple[int, str, str]] = []
        for listing in listings:
            pit = Pit(listing)
            self.listings[listing.symbol] = listing
            self._pits[listing.symbol] = pit
            self.accounts.list_terms(pit.terms)
        self.lists = Lists(
            self.accounts, self.execution, self.pit, self._client_id, self.demand_room
        )
        """Orders that depend on one another."""
        self.execution.ties = self.lists
        self.outside = Outside(self.accounts, self.execution, self.pit)
        """What happens without an order."""

    # ── accounts ──────────────────────────────────────────────────────────────────────────────

    def open_account(
        self, name: str, balances: Mapping[str, Decimal], *, unlimited: bool = False
    ) -> None:
        """A new owner. An `unlimited` one has no limits of money or filters, and is quiet."""
        self.accounts.open(name, balances, unlimited=unlimited)

    def deposit(self, account: str, asset: str, amount: Decimal, now: int) -> None:
        """Money from outside; a negative amount leaves and is refused below zero."""
        self.accounts.deposit(account, asset, amount)
        self.execution.facts.append(
            Deposited(at=now, symbol="", account=account, asset=asset, amount=amount)
        )
        self.execution.facts += self.accounts.take_changes("", now)

    def balances(self, account: str) -> dict[str, tuple[Decimal, Decimal]]:
        """Asset → (free, locked)."""
        return self.accounts.amounts(account)

    # ── commands ──────────────────────────────────────────────────────────────────────────────

    def place(self, request: NewOrder, now: int) -> SimOrder:
        """Take an order; what it did at once is in the facts and in the order returned."""
        pit = self.pit(request.symbol)
        account = self.accounts.find(request.account)
        if not account.unlimited:
            pit.rules.check(request, pit.reference(now))
        admit(pit, request, account, self.accounts)
        if not account.unlimited:
            self.demand_room([request])
        order = draft(pit, request, now)
        self._pay(pit, account, order)
        order.order_id = pit.next_order_id()
        order.client_id = request.client_id or self._client_id(account, order.order_id)
        self.execution.accept(pit, order, now)
        self.execution.settle(pit, now)
        return order

    def check(self, request: NewOrder, now: int) -> None:
        """What the filters say of a request; nothing is placed (binance §5.9, order.test)."""
        pit = self.pit(request.symbol)
        pit.rules.check(request, pit.reference(now))
        self.ceilings.check(request, pit.listing, pit.last)

    def demand_room(self, requests: Sequence[NewOrder]) -> None:
        """Refuse what is beyond the ceilings of the whole exchange: one order, or a list."""
        if self.ceilings == NO_CEILINGS:
            return
        for request in requests:
            pit = self.pit(request.symbol)
            self.ceilings.check(request, pit.listing, pit.last)
        account = requests[0].account
        lists = len(self.lists.open_of(account)) + 1
        self.ceilings.demand_room(requests, self.open_orders(account), lists=lists)

    def cancel(
        self,
        account: str,
        symbol: str,
        *,
        order_id: int | None = None,
        client_id: str = "",
        new_client_id: str = "",
        only: Status | None = None,
        now: int,
    ) -> SimOrder:
        """End an open order, and its list with it; `only` refuses unless it has that status."""
        pit = self.pit(symbol)
        order = pit.find(account, order_id, client_id)
        if order.status in OVER:
            raise Refused(Refusal.UNKNOWN_ORDER)
        if only is not None and order.status is not only:
            raise Refused(Refusal.RESTRICTED)
        self._cancel(pit, order, new_client_id, now)
        self.execution.settle(pit, now)
        return order

    def expire(self, order: SimOrder, now: int) -> None:
        """End an open order for a reason of our own."""
        pit = self.pit(order.symbol)
        self.execution.end(pit, order, Status.EXPIRED, now)
        self.execution.settle(pit, now)

    def cancel_all(self, account: str, symbol: str, now: int) -> list[SimOrder]:
        """End every open order of an account in a symbol; refuses when there is none."""
        pit = self.pit(symbol)
        orders = list(pit.open_of(account).values())
        if not orders:
            raise Refused(Refusal.UNKNOWN_ORDER)
        for order in orders:
            if order.status not in OVER:  # it may have gone with its list
                self._cancel(pit, order, "", now)
        self.execution.settle(pit, now)
        return orders

    def amend(
        self,
        account: str,
        symbol: str,
        *,
        order_id: int | None,
        client_id: str,
        lots: int,
        new_client_id: str,
        now: int,
    ) -> SimOrder:
        """Make an open order smaller and keep its place; at or below its fill it expires.

        Of a pair in a list, both become smaller.
        """
        pit = self.pit(symbol)
        order = pit.find(account, order_id, client_id)
        together = self.lists.amended_with(order)
        for each in together:
            demand_amendable(pit, each, lots)
        renamed = bool(new_client_id) and new_client_id != order.client_id
        self._rename(pit, order, new_client_id)
        for each in together:
            each.amends += 1
            if lots <= each.filled_lots + each.prevented_lots:
                self.execution.end(pit, each, Status.EXPIRED, now)
            else:
                self._shrink(pit, each, lots, now)
        if order.list_id >= 0 and renamed:
            self.lists.amended(order, now)
        self.execution.settle(pit, now)
        return order

    def set_status(self, symbol: str, status: str, now: int) -> None:
        """Open, halt or close a symbol; only TRADING takes orders."""
        pit = self.pit(symbol)
        pit.listing = msgspec.structs.replace(pit.listing, status=status)
        self.listings[symbol] = pit.listing
        self.execution.facts.append(StatusChanged(at=now, symbol=symbol, status=status))

    def set_rules(
        self,
        symbol: str,
        *,
        min_notional: Decimal | None = None,
        min_size: Decimal | None = None,
        tick: Decimal | None = None,
        lot: Decimal | None = None,
    ) -> None:
        """Demand another least value or size, or a coarser grid, of orders from now on; open ones
        stay. Raises `Refused` for a grid that is no multiple of the symbol's own."""
        pit, was = self.pit(symbol), self.listings[symbol]
        pit.listing = msgspec.structs.replace(
            was,
            min_lots=was.min_lots if min_size is None else round(min_size / was.lot),
            min_notional=was.min_notional if min_notional is None else min_notional,
            price_step=_step(tick, was.tick, was.price_step, "PRICE_FILTER"),
            lot_step=_step(lot, was.lot, was.lot_step, "LOT_SIZE"),
        )
        pit.rules, self.listings[symbol] = Rules(pit.listing), pit.listing

    def schedule_status(self, symbol: str, status: str, at: int) -> None:
        """Do `set_status` when the time comes."""
        self.pit(symbol)
        insort(self._scheduled, (at, symbol, status))

    # ── questions ─────────────────────────────────────────────────────────────────────────────

    def pit(self, symbol: str) -> Pit:
        """The state of a symbol; for those who build a market on this exchange."""
        pit = self._pits.get(symbol)
        if pit is None:
            raise Refused(Refusal.UNKNOWN_SYMBOL, symbol)
        return pit

    def order(
        self, account: str, symbol: str, *, order_id: int | None = None, client_id: str = ""
    ) -> SimOrder:
        """An order, open or over."""
        return self.pit(symbol).find(account, order_id, client_id)

    def open_orders(self, account: str, symbol: str = "") -> list[SimOrder]:
        """Open orders, oldest first; of all symbols when none is named."""
        pits = [self.pit(symbol)] if symbol else self._pits.values()
        return [order for pit in pits for order in pit.open_of(account).values()]

    def all_orders(self, account: str, symbol: str) -> list[SimOrder]:
        """Orders open and over, oldest first, as far as they are remembered."""
        return self.pit(symbol).all_of(account)

    def trades_of(self, account: str, symbol: str) -> list[Traded]:
        """An account's trades, oldest first, as far as they are remembered."""
        return self.pit(symbol).trades_of(account)

    def recent_trades(self, symbol: str, count: int) -> list[PublicTrade]:
        """The newest trades of a symbol, oldest first."""
        return self.pit(symbol).newest_trades(count)

    def trades_from(self, symbol: str, trade_id: int, count: int) -> list[PublicTrade]:
        """Trades with this id and higher ones, as far as they are remembered."""
        return self.pit(symbol).trades_from(trade_id, count)

    def book(self, symbol: str, levels: int = 0) -> Depth:
        """The first levels of both sides (0: all)."""
        pit = self.pit(symbol)
        book = pit.book
        return Depth(
            update_id=pit.update_id, bids=book.bids.depth(levels), asks=book.asks.depth(levels)
        )

    def top(self, symbol: str) -> tuple[int, int, int, int]:
        """Best bid, its lots, best ask, its lots; zeros for an empty side."""
        book = self.pit(symbol).book
        bid, ask = book.bids.best(), book.asks.best()
        return (
            bid.price if bid else 0,
            bid.shown if bid else 0,
            ask.price if ask else 0,
            ask.shown if ask else 0,
        )

    def last_price(self, symbol: str) -> int:
        """Of the last trade, in ticks; the listing's `start_price` before the first."""
        return self.pit(symbol).last

    def average_price(self, symbol: str, minutes: int, now: int) -> Decimal:
        """Volume-weighted price of the last minutes in quote units; the last price if none."""
        if not 1 <= minutes <= AVERAGE_MINUTES:
            raise ValueError(f"minutes: found {minutes}, expected 1 to {AVERAGE_MINUTES}")
        pit = self.pit(symbol)
        units, lots = pit.average.ratio(now, minutes)
        return pit.listing.tick * (Decimal(units) / lots if lots else pit.last)

    def next_deadline(self) -> int | None:
        """When `handle_deadline` should next be called."""
        return self._scheduled[0][0] if self._scheduled else None

    def handle_deadline(self, now: int) -> None:
        """Do what is due."""
        while self._scheduled and self._scheduled[0][0] <= now:
            _, symbol, status = self._scheduled.pop(0)
            self.set_status(symbol, status, now)

    def hush(self, is_hushed: bool) -> None:
        """Whether nobody hears from here on; see `Fact`."""
        self.execution.hushed = is_hushed

    def past(self, symbol: str) -> Past:
        """How its book came to be what it is; the newest change is that of `book`."""
        return self.pit(symbol).past

    def take_facts(self) -> list[Fact]:
        """Everything that happened since the last call, in order."""
        facts, self.execution.facts = self.execution.facts, []
        return facts

    # ── within ────────────────────────────────────────────────────────────────────────────────

    def _make_execution(self) -> Execution:
        return Execution(self.accounts)

    def _pay(self, pit: Pit, account: Account, order: SimOrder) -> None:
        if order.kind is Kind.MARKET and order.side is Side.BUY:
            free = account.free.get(pit.terms.quote, ZERO)
            if not account.unlimited and order.quote > free:
                raise Refused(Refusal.INSUFFICIENT_BALANCE, pit.terms.quote)
            if not self.execution.affords(pit, account, order):
                raise Refused(Refusal.INSUFFICIENT_BALANCE, pit.terms.quote)
        self.accounts.lock(account, pit.terms, order)

    def _client_id(self, account: Account, order_id: int) -> str:
        if account.unlimited:
            return f"{account.name}-{order_id}"
        return "".join(self._chance.choices(_LETTERS, k=_CLIENT_ID_LENGTH))

    def _rename(self, pit: Pit, order: SimOrder, client_id: str) -> None:
        account = self.accounts.find(order.account)
        if not account.unlimited:
            pit.rename(order, client_id or self._client_id(account, order.order_id))

    def _cancel(self, pit: Pit, order: SimOrder, client_id: str, now: int) -> None:
        if order.list_id >= 0:
            self.lists.end(pit, self.lists.of(order), client_id, now)
            return
        self._rename(pit, order, client_id)
        self.execution.end(pit, order, Status.CANCELED, now)

    def _shrink(self, pit: Pit, order: SimOrder, lots: int, now: int) -> None:
        account = self.accounts.find(order.account)
        self.accounts.unlock(account, pit.terms, order, order.lots - lots)
        order.updated = now
        before = order.lots
        if order.on_book:
            lots_before = pit.book.ladder(order.side).lots_at(order.price)
            pit.book.shrink(order, lots)
            self.execution.tell_level(pit, order.side, order.price, lots_before, now)
        else:
            order.lots = lots
        execution = pit.next_execution()
        self.execution.facts.append(
            Amended(
                at=now,
                symbol=order.symbol,
                execution=execution,
                order=copy(order),
                lots_before=before,
            )
        )


def _step(wanted: Decimal | None, unit: Decimal, was: int, name: str) -> int:
    """How many units a coarser grid is wide; `was` where none is wanted."""
    if wanted is None:
        return was
    steps, rest = divmod(wanted, unit)
    if rest or steps < 1:
        raise Refused(Refusal.FILTER, name)
    return int(steps)
