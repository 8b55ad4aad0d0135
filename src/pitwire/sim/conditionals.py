"""Conditional orders of a futures market: they wait outside the book for a price (binance §11.5).

House rules: an id space and a life of their own; what is touched becomes an ordinary order, by the
exchange's ordinary door, and whatever refuses that order refuses the conditional one.
"""

from __future__ import annotations

from copy import copy
from decimal import Decimal
from typing import TYPE_CHECKING

from pitwire.model.orders import Side
from pitwire.sim.execution import OVER
from pitwire.sim.facts import Kind, NewOrder, PositionSide, Refusal, Refused
from pitwire.sim.futures_facts import AlgoStatus, Conditional, ConditionalChanged, NewConditional
from pitwire.sim.margin import MarginAccount

if TYPE_CHECKING:
    from pitwire.sim.futures import FuturesExchange

MOST_WAITING = 200
"""Of one account (binance §11.4)."""
_WHOLE = 10_000
_KEPT = 1_000


class Conditionals:
    """All conditional orders, waiting and over."""

    def __init__(self, exchange: FuturesExchange) -> None:
        self._exchange = exchange
        self.waiting: dict[int, Conditional] = {}
        self.working: dict[int, Conditional] = {}
        """Those whose order is not over yet."""
        self.when_protected: AlgoStatus | None = AlgoStatus.REJECTED
        """How one that is price-protected ends when it is touched while last trade and mark price
        are too far apart; None: it fires all the same."""
        self._all: dict[int, Conditional] = {}
        self._next = 0

    def place(self, request: NewConditional, now: int) -> Conditional:
        """Let one wait; refused where its price has been reached, or where nothing is to close."""
        exchange = self._exchange
        pit, owner = exchange.pit(request.symbol), exchange.margins.owner(request.account)
        if owner.hedged is (request.position_side is PositionSide.BOTH):
            raise Refused(Refusal.POSITION_SIDE)
        mine = [each for each in self.waiting.values() if each.request.account == request.account]
        if len(mine) >= MOST_WAITING:
            raise Refused(Refusal.FILTER, "MAX_NUM_ALGO_ORDERS")
        if request.client_id and any(each.client_id == request.client_id for each in mine):
            raise Refused(Refusal.DUPLICATE_CLIENT_ID)
        if request.trigger and self._reached(request, self._price(request)):
            raise Refused(Refusal.WOULD_TRIGGER)
        if request.lots:
            pit.rules.check_size(request.lots)
        self._next += 1
        made = Conditional(
            algo_id=self._next,
            client_id=request.client_id or f"algo{self._next:018d}",
            request=request,
            created=now,
            updated=now,
        )
        if request.kind == "TRAILING_STOP_MARKET" and not request.trigger:
            made.extreme = self._price(request)
        self.waiting[made.algo_id] = self._all[made.algo_id] = made
        if len(self._all) > _KEPT:
            oldest = next(iter(self._all))
            if oldest not in self.waiting and oldest not in self.working:
                del self._all[oldest]
        self._tell(made, now)
        return made

    def cancel(self, account: str, algo_id: int | None, client_id: str, now: int) -> Conditional:
        """End one that waits."""
        found = self.find(account, algo_id, client_id)
        if found.algo_id not in self.waiting:
            raise Refused(Refusal.UNKNOWN_ORDER)
        self._end(found, AlgoStatus.CANCELED, now)
        return found

    def cancel_all(self, account: str, symbol: str, now: int) -> list[Conditional]:
        mine = self.open_of(account, symbol)
        for each in mine:
            self._end(each, AlgoStatus.CANCELED, now)
        return mine

    def find(self, account: str, algo_id: int | None, client_id: str) -> Conditional:
        """One that waits or is over, by either id."""
        for each in reversed(self._all.values()):
            named = each.algo_id == algo_id if algo_id is not None else each.client_id == client_id
            if named and each.request.account == account:
                return each
        raise Refused(Refusal.UNKNOWN_ORDER)

    def open_of(self, account: str, symbol: str = "") -> list[Conditional]:
        """Those that wait, oldest first."""
        return [
            each
            for each in self.waiting.values()
            if each.request.account == account and symbol in ("", each.request.symbol)
        ]

    def all_of(self, account: str, symbol: str) -> list[Conditional]:
        """Waiting and over, oldest first, as far as they are remembered."""
        return [
            each
            for each in self._all.values()
            if (each.request.account, each.request.symbol) == (account, symbol)
        ]

    def touch(self, symbol: str, price: int | Decimal, now: int, *, by_mark: bool) -> None:
        """A trade happened at this price in ticks, or the mark price is this."""
        at = Decimal(price)
        for each in list(self.waiting.values()):
            request = each.request
            if request.symbol != symbol or request.by_mark is not by_mark:
                continue
            if self._fires(each, at):
                self._fire(each, now)

    def closed(self, owner: MarginAccount, symbol: str, now: int) -> None:
        """A position became smaller: what would close it expires with it."""
        for each in self.open_of(owner.name, symbol):
            request = each.request
            if request.close_position and not owner.position(symbol, request.position_side).lots:
                self._end(each, AlgoStatus.EXPIRED, now)

    def follow(self, now: int) -> None:
        """Those whose order is over, filled or not, are finished."""
        for each in list(self.working.values()):
            assert each.order is not None
            if each.order.status in OVER:
                del self.working[each.algo_id]
                self._step(each, AlgoStatus.FINISHED, now)

    # ── within ────────────────────────────────────────────────────────────────────────────────

    def _price(self, request: NewConditional) -> Decimal:
        pit = self._exchange.pit(request.symbol)
        if not request.by_mark:
            return Decimal(pit.last)
        return self._exchange.margins.marks[request.symbol] / pit.listing.tick

    @staticmethod
    def _reached(request: NewConditional, price: Decimal) -> bool:
        """Whether the price stands where the order waits for it."""
        falling = (request.side is Side.SELL) == request.kind.startswith("STOP")
        if request.kind == "TRAILING_STOP_MARKET":
            falling = request.side is Side.BUY
        return price <= request.trigger if falling else price >= request.trigger

    def _fires(self, each: Conditional, price: Decimal) -> bool:
        request = each.request
        if request.kind != "TRAILING_STOP_MARKET":
            return self._reached(request, price)
        if each.extreme is None:
            if self._reached(request, price):
                each.extreme = price
            return False
        sells = request.side is Side.SELL
        each.extreme = max(each.extreme, price) if sells else min(each.extreme, price)
        if sells:
            return price * _WHOLE <= each.extreme * (_WHOLE - request.callback_bips)
        return price * _WHOLE >= each.extreme * (_WHOLE + request.callback_bips)

    def _fire(self, each: Conditional, now: int) -> None:
        request = each.request
        each.triggered = now
        del self.waiting[each.algo_id]
        self._step(each, AlgoStatus.TRIGGERING, now)
        if self.when_protected is not None and request.price_protect and self._is_apart(request):
            each.why = "price protection"
            self._step(each, self.when_protected, now)
            return
        owner = self._exchange.margins.owner(request.account)
        lots = request.lots
        if request.close_position:
            lots = abs(owner.position(request.symbol, request.position_side).lots)
        kind = Kind.MARKET if request.price is None else Kind.LIMIT
        if request.post_only:
            kind = Kind.LIMIT_MAKER
        reduces = request.reduce_only or request.close_position
        try:
            if not lots:
                raise Refused(Refusal.REDUCE_ONLY)
            each.order = self._exchange.place(
                NewOrder(
                    account=request.account,
                    symbol=request.symbol,
                    side=request.side,
                    kind=kind,
                    tif=request.tif,
                    lots=lots,
                    price=request.price,
                    stp=request.stp,
                    client_id=each.client_id,
                    reduce_only=reduces,
                    position_side=request.position_side,
                    good_till=request.good_till,
                    origin=request.kind,
                ),
                now,
            )
        except Refused as error:
            each.why = error.refusal.value
            self._step(each, AlgoStatus.REJECTED, now)
            return
        self.working[each.algo_id] = each
        self._step(each, AlgoStatus.TRIGGERED, now)
        self.follow(now)

    def _is_apart(self, request: NewConditional) -> bool:
        """Whether last trade and mark price differ by more than the contract's `triggerProtect`."""
        pit, margins = self._exchange.pit(request.symbol), self._exchange.margins
        mark, last = margins.marks[request.symbol], pit.last * pit.listing.tick
        return abs(last - mark) > mark * margins.contracts[request.symbol].trigger_protect

    def _end(self, each: Conditional, status: AlgoStatus, now: int) -> None:
        del self.waiting[each.algo_id]
        self._step(each, status, now)

    def _step(self, each: Conditional, status: AlgoStatus, now: int) -> None:
        each.status, each.updated = status, now
        self._tell(each, now)

    def _tell(self, each: Conditional, now: int) -> None:
        told = copy(each)
        told.order = copy(each.order)
        self._exchange.execution.facts.append(
            ConditionalChanged(
                at=now,
                symbol=each.request.symbol,
                account=each.request.account,
                conditional=told,
            )
        )
