"""Order lists: orders that wait for, or end, one another (binance §5.12).

House rules: a list is taken whole or not at all; what one order of it does to the others is done
in the same command; money is set aside once for two orders of which only one can trade, and for a
pending order only when it begins to work.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from pitwire.model.orders import Side
from pitwire.sim.accounts import Account, Accounts
from pitwire.sim.admission import admit, demand_room, draft
from pitwire.sim.execution import OVER, Execution
from pitwire.sim.facts import (
    Contingency,
    Kind,
    ListChanged,
    ListStep,
    NewList,
    NewOrder,
    OrderList,
    Refusal,
    Refused,
    SimOrder,
    Status,
)
from pitwire.sim.pit import Pit
from pitwire.sim.stops import STOP_LOSSES, STOPS

KEPT_LISTS = 10_000
"""Lists that are over and can still be asked for; the oldest go first."""

_TRIGGERED = "OCO_TRIGGER"
"""Why an order expires whose pair trades."""

ClientIds = Callable[[Account, int], str]


class Lists:
    """Every order list of the exchange."""

    def __init__(
        self,
        accounts: Accounts,
        execution: Execution,
        pit_of: Callable[[str], Pit],
        new_client_id: ClientIds,
        demand_room: Callable[[Sequence[NewOrder]], None],
    ) -> None:
        self._demand_room = demand_room
        self._accounts = accounts
        self._execution = execution
        self._pit_of = pit_of
        self._new_client_id = new_client_id
        self._lists: dict[int, OrderList] = {}
        self._over: deque[int] = deque()
        self._last_id = 0

    # ── commands ──────────────────────────────────────────────────────────────────────────────

    def place(self, request: NewList, now: int) -> OrderList:
        """Take a list; raises `Refused` and changes nothing when one of its orders is refused."""
        orders = request.orders
        pit, account = self._pit_of(orders[0].symbol), self._accounts.find(orders[0].account)
        self._admit(pit, account, request, now)
        drafted = {id(each): draft(pit, each, now) for each in orders}
        made = [drafted[id(each)] for each in orders]
        found = self._register(request, made, pit, now)
        self._lock(pit, account, found)
        self._last_id += 1
        self._lists[found.list_id] = found
        for order in made:
            order.order_id, order.list_id = pit.next_order_id(), found.list_id
            order.client_id = order.client_id or self._new_client_id(account, order.order_id)
        self._tell(found, ListStep.STARTED, now)
        for order in made:
            self._execution.accept(pit, order, now)
        self._execution.settle(pit, now)
        return found

    def check(self, request: NewList, now: int) -> None:
        """What filters and prices say of a request; nothing is placed."""
        pit = self._pit_of(request.orders[0].symbol)
        for each in request.orders:
            pit.rules.check(each, pit.reference(now))
        _demand_relation(request, pit.last)

    def cancel(self, found: OrderList, new_client_id: str, now: int) -> OrderList:
        """End every order of a list that is still open; refuses when the list is over."""
        if found.done:
            raise Refused(Refusal.UNKNOWN_ORDER)
        pit = self._pit_of(found.symbol)
        self.end(pit, found, new_client_id, now)
        self._execution.settle(pit, now)
        return found

    def end(self, pit: Pit, found: OrderList, new_client_id: str, now: int) -> None:
        """The same within a command that settles by itself."""
        account = self._accounts.find(found.account)
        name = new_client_id or self._new_client_id(account, found.list_id)
        for order in found.orders:
            if order.status not in OVER:
                pit.rename(order, name)  # all of them the same (binance §5.10)
                self._execution.end(pit, order, Status.CANCELED, now)

    def amended(self, order: SimOrder, now: int) -> None:
        """An order of a list bears another client id (binance §6.2, listStatus UPDATED)."""
        self._tell(self._lists[order.list_id], ListStep.UPDATED, now)

    # ── questions ─────────────────────────────────────────────────────────────────────────────

    def amended_with(self, order: SimOrder) -> list[SimOrder]:
        """The orders that an amend of this one makes smaller: a pair goes together."""
        return [order, *self._siblings(order)] if order.list_id >= 0 else [order]

    def of(self, order: SimOrder) -> OrderList:
        """The list that an order belongs to."""
        return self._lists[order.list_id]

    def find(
        self, account: str, *, list_id: int | None = None, client_id: str = ""
    ) -> OrderList | None:
        """By list id, or the newest by its client id."""
        if list_id is not None:
            found = self._lists.get(list_id)
            return found if found is not None and found.account == account else None
        mine = (each for each in reversed(self._lists.values()) if each.account == account)
        return next((each for each in mine if each.client_id == client_id), None)

    def all_of(self, account: str) -> list[OrderList]:
        """Every list that is remembered, oldest first."""
        return [each for each in self._lists.values() if each.account == account]

    def open_of(self, account: str) -> list[OrderList]:
        """Lists that are not over, oldest first."""
        return [each for each in self.all_of(account) if not each.done]

    # ── what one order does to the others ─────────────────────────────────────────────────────

    def fund(self, pit: Pit, order: SimOrder) -> None:
        """What was set aside for the other order of a pair is set aside for this one."""
        if order.holds:
            return
        account = self._accounts.find(order.account)
        for other in self._siblings(order):
            if other.holds:
                self._accounts.unlock(account, pit.terms, other, other.left)
                other.holds = False
        order.holds = True
        self._accounts.lock(account, pit.terms, order)

    def begin(self, pit: Pit, order: SimOrder, now: int) -> None:
        """A stop was touched: the other order of its pair is over."""
        for other in self._siblings(order):
            self._execution.end(pit, other, Status.EXPIRED, now, reason=_TRIGGERED)

    def follow(self, pit: Pit, order: SimOrder, now: int) -> None:
        """An order was traded or has ended; its list goes on from there."""
        found = self._lists.get(order.list_id)
        if found is None or found.done:
            return
        found.updated = now
        if order is found.working:
            self._follow_working(pit, found, order, now)
        elif order.expiry_reason != _TRIGGERED and (order.filled_lots or order.status in OVER):
            for other in self._siblings(order):
                self._end_beside(pit, order, other, _TRIGGERED, now)
        if all(each.status in OVER for each in found.orders):
            self._close(found, now)

    # ── within ────────────────────────────────────────────────────────────────────────────────

    def _follow_working(self, pit: Pit, found: OrderList, working: SimOrder, now: int) -> None:
        waiting = [each for each in found.orders if each.status is Status.PENDING_NEW]
        if working.status is Status.FILLED and waiting:
            self._activate(pit, found, waiting, now)
        elif working.status in OVER:
            for other in waiting:
                self._end_beside(pit, working, other, "OTO_PHASE_ONE_EXPIRED", now)

    def _activate(self, pit: Pit, found: OrderList, waiting: list[SimOrder], now: int) -> None:
        """The pending orders begin to work; one that the engine refuses now expires."""
        try:
            self._enter(pit, found, waiting)
        except Refused:
            for order in waiting:
                self._execution.end(pit, order, Status.EXPIRED, now, reason="REJECTED")
            return
        for order in waiting:
            if order.status in OVER:  # its pair has just traded
                continue
            order.status, order.updated = Status.NEW, now
            if order.kind not in STOPS:
                order.working_since = now
            self._execution.tell_accepted(pit, order, now)
            if order.kind in STOPS:
                pit.stops.add(order)
            else:
                self._execution.work(pit, order, now)

    def _enter(self, pit: Pit, found: OrderList, waiting: list[SimOrder]) -> None:
        account = self._accounts.find(found.account)
        for order in waiting:
            rises = order.stop_price and (order.kind in STOP_LOSSES) == (order.side is Side.BUY)
            falls = order.stop_price and not rises
            if (rises and order.stop_price <= pit.last) or (falls and order.stop_price >= pit.last):
                raise Refused(Refusal.WOULD_TRIGGER)
            crossing = pit.book.against(order.side).best_within(order.price)
            if order.kind is Kind.LIMIT_MAKER and crossing is not None:
                raise Refused(Refusal.WOULD_TAKE)
        if found.pair is None:
            for order in waiting:
                self._hold(pit, account, order)
        else:
            self._hold(pit, account, _dearer(found.pair))

    def _hold(self, pit: Pit, account: Account, order: SimOrder) -> None:
        order.holds = True
        try:
            self._accounts.lock(account, pit.terms, order)
            buys = order.kind is Kind.MARKET and order.side is Side.BUY
            if buys and not self._execution.affords(pit, account, order):
                raise Refused(Refusal.INSUFFICIENT_BALANCE, pit.terms.quote)
        except Refused:
            order.holds = False
            raise

    def _end_beside(
        self, pit: Pit, order: SimOrder, other: SimOrder, reason: str, now: int
    ) -> None:
        if order.status is Status.CANCELED:
            self._execution.end(pit, other, Status.CANCELED, now)
        else:
            self._execution.end(pit, other, Status.EXPIRED, now, reason=reason)

    def _siblings(self, order: SimOrder) -> list[SimOrder]:
        """The other order of its pair, unless that is over."""
        pair = self._lists[order.list_id].pair or ()
        if not any(each is order for each in pair):
            return []
        return [each for each in pair if each is not order and each.status not in OVER]

    def _close(self, found: OrderList, now: int) -> None:
        found.done = True
        self._tell(found, ListStep.DONE, now)
        self._over.append(found.list_id)
        if len(self._over) > KEPT_LISTS:
            del self._lists[self._over.popleft()]

    def _admit(self, pit: Pit, account: Account, request: NewList, now: int) -> None:
        symbol = pit.listing.symbol
        open_here = [each for each in self.open_of(account.name) if each.symbol == symbol]
        limit = pit.listing.max_lists
        if limit and len(open_here) >= limit:
            raise Refused(Refusal.FILTER, "MAX_NUM_ORDER_LISTS")
        if request.client_id and any(each.client_id == request.client_id for each in open_here):
            raise Refused(Refusal.DUPLICATE_CLIENT_ID, request.client_id)
        self.check(request, now)
        names = [each.client_id for each in request.orders if each.client_id]
        if len(set(names)) < len(names):
            raise Refused(Refusal.DUPLICATE_CLIENT_ID, names[0])
        demand_room(pit, request.orders, self._accounts)
        self._demand_room(request.orders)
        waits_for_working = request.working is not None
        for each in request.orders:
            pending = waits_for_working and each is not request.working
            admit(pit, each, account, self._accounts, pending=pending)

    def _register(self, request: NewList, made: list[SimOrder], pit: Pit, now: int) -> OrderList:
        working = made[0] if request.working is not None else None
        pair = (made[-2], made[-1]) if request.pair is not None else None
        for order in made:
            if working is not None and order is not working:
                order.status, order.working_since, order.holds = Status.PENDING_NEW, -1, False
        account = self._accounts.find(made[0].account)
        return OrderList(
            list_id=self._last_id + 1,
            account=made[0].account,
            symbol=pit.listing.symbol,
            contingency=Contingency.OCO if working is None else Contingency.OTO,
            client_id=request.client_id or self._new_client_id(account, self._last_id + 1),
            orders=made,
            working=working,
            pair=pair,
            created=now,
            updated=now,
        )

    def _lock(self, pit: Pit, account: Account, found: OrderList) -> None:
        if found.working is not None:
            self._accounts.lock(account, pit.terms, found.working)
        elif found.pair is not None:
            dearer = _dearer(found.pair)
            for order in found.pair:
                order.holds = order is dearer
            self._accounts.lock(account, pit.terms, dearer)

    def _tell(self, found: OrderList, step: ListStep, now: int) -> None:
        self._execution.facts.append(
            ListChanged(
                at=now,
                symbol=found.symbol,
                account=found.account,
                list_id=found.list_id,
                contingency=found.contingency,
                client_id=found.client_id,
                step=step,
                done=found.done,
                members=tuple((each.order_id, each.client_id) for each in found.orders),
            )
        )


def _dearer(pair: tuple[SimOrder, SimOrder]) -> SimOrder:
    """The one of a pair that costs more: enough for either."""
    return max(pair, key=lambda order: order.reserve_price * order.left)


def _demand_relation(request: NewList, last: int) -> None:
    """binance §5.12: a sale takes its profit above the market and its loss below, a buy the
    other way round. The market counts only for a pair that works at once."""
    if request.pair is None:
        return
    profit, loss = sorted(request.pair, key=lambda order: order.kind in STOP_LOSSES)
    above, below = (profit, loss) if profit.side is Side.SELL else (loss, profit)
    high, low = _level(above), _level(below)
    if high is None or low is None:  # a trailing leg has no price yet
        return
    if high <= low or (request.working is None and last and not low < last < high):
        raise Refused(Refusal.PRICE_RELATION)


def _level(order: NewOrder) -> int | None:
    by_price = order.kind in (Kind.LIMIT_MAKER, Kind.TAKE_PROFIT_LIMIT)
    return order.price if by_price else order.stop_price
