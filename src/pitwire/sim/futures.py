"""A futures exchange: the same engine, and positions where spot has balances.

House rules: as in `exchange`; what follows from a command (reduce-only orders that have nothing to
reduce, conditional orders that were touched) follows before its facts are taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from decimal import Decimal

import msgspec

from pitwire.model.entropy import Entropy
from pitwire.model.orders import Side
from pitwire.sim.accounts import Account
from pitwire.sim.conditionals import Conditionals
from pitwire.sim.exchange import Exchange
from pitwire.sim.execution import OVER
from pitwire.sim.facts import (
    Fact,
    Kind,
    Listing,
    NewOrder,
    PositionSide,
    Refusal,
    Refused,
    SimOrder,
    Status,
    Tif,
    Traded,
)
from pitwire.sim.futures_execution import FuturesExecution
from pitwire.sim.futures_facts import ConfigChanged, Liquidated, Modified, PositionState, Reason
from pitwire.sim.margin import INSURANCE, MarginAccount, MarginAccounts
from pitwire.sim.pit import Pit

MOST_MODIFIES = 10_000
"""binance §11.5."""


class FuturesExchange(Exchange):
    """Perpetual contracts, margined accounts and orders in one place.

    Raises `ValueError` for a listing that is no contract.
    """

    execution: FuturesExecution

    def __init__(self, listings: Sequence[Listing], *, entropy: Entropy) -> None:
        self.margins = MarginAccounts()
        for listing in listings:
            if listing.contract is None:
                raise ValueError(f"{listing.symbol}: found no contract, expected a future")
            if listing.quote != listings[0].quote:
                raise ValueError(
                    f"{listing.symbol}: found {listing.quote}, expected {listings[0].quote}: "
                    "one asset backs everything"
                )
            self.margins.contracts[listing.symbol] = listing.contract
            self.margins.marks[listing.symbol] = listing.start_price * listing.tick
        super().__init__(listings, entropy=entropy, accounts=self.margins)
        for listing in listings:
            self.pit(listing.symbol).mark = listing.start_price
        self.conditionals = Conditionals(self)
        self.mode_waits_for_conditionals = True
        """Whether a conditional order that waits counts as an open order where those keep an
        account's position mode, or a symbol's margin type, as it is."""
        self.forced: set[tuple[str, int]] = set()
        """(symbol, order id) of the orders that closed a position by force."""
        self._names = entropy.stream("liquidations")

    # ── commands ──────────────────────────────────────────────────────────────────────────────

    def check(self, request: NewOrder, now: int) -> None:
        """The position side and the filters; nothing is placed."""
        self._demand_side(request)
        super().check(request, now)

    def place(self, request: NewOrder, now: int) -> SimOrder:
        """Take an order; one that may only reduce is cut to what there is to reduce."""
        if not self.accounts.find(request.account).unlimited:
            self._demand_side(request)
            if request.reduce_only or _closes_side(request):
                pit = self.pit(request.symbol)
                pit.rules.check(request, pit.reference(now))
                request = self._within(request)
        return super().place(request, now)

    def modify(
        self,
        account: str,
        symbol: str,
        *,
        order_id: int | None,
        client_id: str,
        side: Side,
        price: int,
        lots: int,
        now: int,
        modify_id: int | None = None,
    ) -> SimOrder:
        """Give an open limit order another price or size, and the end of the queue.

        It is cancelled when its fills are enough already, or when it may not take and would. What
        may only reduce is cut as in `place`. `modify_id` is told back.
        """
        pit = self.pit(symbol)
        order = pit.find(account, order_id, client_id)
        if order.status in OVER or order.side is not side:
            raise Refused(Refusal.UNKNOWN_ORDER)
        if (order.price, order.lots) == (price, lots):
            raise Refused(Refusal.AMEND_NO_CHANGE)
        if order.amends >= MOST_MODIFIES:
            raise Refused(Refusal.MODIFY_LIMIT)
        owner = self.margins.owner(account)
        before = (order.price, order.lots)
        crosses = order.kind is Kind.LIMIT_MAKER and pit.book.against(side).best_within(price)
        if lots <= order.filled_lots + order.prevented_lots or crosses:
            self.execution.end(pit, order, Status.CANCELED, now)
            return order
        request = NewOrder(
            account=account, symbol=symbol, side=side, kind=order.kind, lots=lots, price=price,
            reduce_only=order.reduce_only, position_side=order.position_side,
        )  # fmt: skip
        pit.rules.check(request, pit.reference(now))
        left = lots - order.filled_lots - order.prevented_lots
        if order.reduce_only:
            left = self._cut(request, left, besides=order)
            lots = left + order.filled_lots + order.prevented_lots
        self.accounts.unlock(owner, pit.terms, order, order.left)
        try:
            self.margins.demand(owner, pit.terms, order, price * left)
        except Refused:
            self.accounts.lock(owner, pit.terms, order)
            raise
        self.execution.withdraw(pit, order, now)
        order.price, order.lots, order.updated = price, lots, now
        order.amends += 1
        self.accounts.lock(owner, pit.terms, order)
        self.execution.facts.append(
            Modified(
                at=now,
                symbol=symbol,
                execution=pit.next_execution(),
                order=copy(order),
                lots_before=before[1],
                price_before=before[0],
                modify_id=modify_id,
            )
        )
        self.execution.work(pit, order, now)
        self.execution.settle(pit, now)
        return order

    def set_leverage(self, account: str, symbol: str, leverage: int, now: int) -> None:
        """For all positions of an account in a symbol; refused where margin is short."""
        contract, owner = self.pit(symbol).listing.contract, self.margins.owner(account)
        assert contract is not None
        if not 1 <= leverage <= contract.max_leverage:
            raise Refused(Refusal.LEVERAGE, str(contract.max_leverage))
        setting = owner.setting(symbol)
        before, setting.leverage = setting.leverage, leverage
        state = self.margins.state(owner, self.pit(symbol).terms.quote)
        short = state.cross + state.cross_unrealised < state.position_margin + state.order_margin
        if leverage < before and short:
            setting.leverage = before
            raise Refused(Refusal.INSUFFICIENT_MARGIN)
        self.execution.facts.append(
            ConfigChanged(at=now, symbol=symbol, account=account, leverage=leverage)
        )

    def set_isolated(self, account: str, symbol: str, isolated: bool, now: int) -> None:
        """Another margin type; refused while an order or a position is open."""
        owner = self.margins.owner(account)
        setting = owner.setting(symbol)
        if setting.isolated is isolated:
            raise Refused(Refusal.NO_CHANGE)
        if isolated and owner.joint:
            raise Refused(Refusal.JOINT)
        self._demand_idle(account, symbol)
        setting.isolated = isolated
        asset = self.pit(symbol).terms.quote
        for side in owner.sides:
            self.margins.touch(owner, symbol, side, asset)
        changes = self.margins.take_changes(symbol, now, Reason.MARGIN_TYPE_CHANGE)
        self.execution.facts += changes

    def set_joint(self, account: str, joint: bool, now: int) -> None:
        """Multi-assets mode or not (binance §11.7, `ai`); refused while a symbol is isolated."""
        owner = self.margins.owner(account)
        if owner.joint is joint:
            raise Refused(Refusal.NO_CHANGE)
        if joint and any(setting.isolated for setting in owner.settings.values()):
            raise Refused(Refusal.ISOLATED)
        if self.open_orders(account):
            raise Refused(Refusal.OPEN_ORDERS)
        owner.joint = joint
        self.execution.facts.append(ConfigChanged(at=now, symbol="", account=account, joint=joint))

    def set_hedged(self, account: str, hedged: bool) -> None:
        """Two positions a symbol or one; refused while an order or a position is open."""
        owner = self.margins.owner(account)
        if owner.hedged is hedged:
            raise Refused(Refusal.NO_CHANGE)
        for symbol in self.listings:
            self._demand_idle(account, symbol)
        owner.hedged = hedged
        owner.positions.clear()

    def deposit(self, account: str, asset: str, amount: Decimal, now: int) -> None:
        """Money from outside; negative takes away what is not spoken for."""
        owner = self.margins.owner(account)
        if amount < 0 and self.margins.state(owner, asset).available < -amount:
            raise Refused(Refusal.INSUFFICIENT_MARGIN, asset)
        self.margins.deposit(account, asset, amount)
        reason = Reason.DEPOSIT if amount > 0 else Reason.WITHDRAW
        self.execution.facts += self.margins.take_changes("", now, reason, amount)

    def liquidate(self, account: str, symbol: str, side: PositionSide, now: int) -> None:
        """Close a position by force, at whatever price there is."""
        owner, pit = self.margins.owner(account), self.pit(symbol)
        position = owner.position(symbol, side)
        if not position.lots:
            return
        for order in list(pit.open_of(account).values()):
            self.execution.end(pit, order, Status.CANCELED, now)
        contract = pit.listing.contract
        assert contract is not None
        closing = Side.SELL if position.lots > 0 else Side.BUY
        # As far as the price filter would let anybody go.
        share = pit.listing.percent_down if closing is Side.SELL else pit.listing.percent_up
        limit = int((pit.mark or pit.last) * (share or 1))
        order = SimOrder(
            order_id=pit.next_order_id(),
            account=account,
            symbol=symbol,
            side=closing,
            kind=Kind.LIMIT,
            tif=Tif.IOC,
            lots=abs(position.lots),
            price=max(limit, 1),
            client_id=f"autoclose-{self._names.getrandbits(48)}",
            stp=pit.listing.default_stp,
            created=now,
            updated=now,
            working_since=now,
            reduce_only=True,
            position_side=side,
        )
        self.forced.add((symbol, order.order_id))
        self.execution.accept(pit, order, now)
        self.execution.settle(pit, now)
        self.execution.facts.append(Liquidated(at=now, symbol=symbol, order=copy(order)))
        asset = pit.terms.quote
        wallet = owner.free.get(asset, Decimal(0))
        fee = min(max(wallet, Decimal(0)), order.filled_quote * contract.liquidation_fee)
        owed = -fee.quantize(Decimal("1e-8")) if wallet >= 0 else -wallet
        if owed:
            self.margins.pay(owner, asset, owed, INSURANCE)
            self.execution.facts += self.margins.take_changes(
                symbol, now, Reason.INSURANCE_CLEAR, owed
            )

    # ── questions ─────────────────────────────────────────────────────────────────────────────

    def positions(self, account: str, symbol: str = "") -> list[PositionState]:
        """All sides of the symbols asked for, open or not, as the account's mode has them."""
        owner = self.margins.owner(account)
        sides = owner.sides
        symbols = [symbol] if symbol else list(self.listings)
        return [self.margins.state_of(owner, name, side) for name in symbols for side in sides]

    def fills_whole(self, request: NewOrder) -> bool:
        """Whether the book would fill a limit order whole now."""
        pit, lots = self.pit(request.symbol), 0
        for level in pit.book.against(request.side).within(request.price):
            lots += sum(order.left for order in level.orders.values())
        return lots >= (request.lots or 0)

    def held(self, symbol: str) -> int:
        """Lots that are held long, everybody together."""
        pit, held = self.pit(symbol), 0
        for name in self.margins.names():
            account = self.margins.find(name)
            held += max(0, account.net.get(pit.listing.symbol, [0, 0])[0])
            if isinstance(account, MarginAccount):
                held += sum(max(0, each.lots) for each in account.of(symbol))
        return held

    def is_hedged(self, account: str) -> bool:
        return self.margins.owner(account).hedged

    def take_facts(self) -> list[Fact]:
        """Everything that happened, and all that it led to."""
        facts = super().take_facts()
        if self.conditionals.waiting or self.conditionals.working or self.margins.shrunk:
            seen = 0
            while seen < len(facts):
                fresh, seen = facts[seen:], len(facts)
                for fact in fresh:
                    if isinstance(fact, Traded):
                        self.conditionals.touch(fact.symbol, fact.price, fact.at, by_mark=False)
                self._trim(fresh[-1].at)
                self.conditionals.follow(fresh[-1].at)
                facts += super().take_facts()
        return facts

    # ── within ────────────────────────────────────────────────────────────────────────────────

    def _make_execution(self) -> FuturesExecution:
        return FuturesExecution(self.margins)

    def _rename(self, pit: Pit, order: SimOrder, client_id: str) -> None:
        """Here an order keeps its name (binance §11.5)."""

    def _pay(self, pit: Pit, account: Account, order: SimOrder) -> None:
        units = order.price * order.lots
        if order.kind is Kind.MARKET:
            units = pit.book.fillable(order, None)[1]
        self.margins.demand(account, pit.terms, order, units)
        self.accounts.lock(account, pit.terms, order)

    def _demand_side(self, request: NewOrder) -> None:
        hedged = self.margins.owner(request.account).hedged
        if hedged is (request.position_side is PositionSide.BOTH):
            raise Refused(Refusal.POSITION_SIDE)

    def _within(self, request: NewOrder) -> NewOrder:
        """An order that closes, cut to the position less what closes it already."""
        lots = self._cut(request, request.lots or 0)
        return msgspec.structs.replace(request, lots=lots, reduce_only=True)

    def _cut(self, request: NewOrder, lots: int, besides: SimOrder | None = None) -> int:
        """As many of the lots as there are to close; in hedge mode all of them or none."""
        which = request.side, request.position_side
        room = self.execution.reducible(request.account, request.symbol, *which)
        closes_side = _closes_side(request)
        if closes_side:  # binance: what is set aside to close cannot be closed twice
            room -= sum(
                order.left
                for order in self.pit(request.symbol).open_of(request.account).values()
                if (order.side, order.position_side) == which and order is not besides
            )
        if room <= 0 or (closes_side and lots > room):
            raise Refused(Refusal.REDUCE_ONLY)
        return min(lots, room)

    def _trim(self, now: int) -> None:
        """Expire what has nothing left to reduce, the newest first."""
        while self.margins.shrunk:
            account, symbol = next(iter(self.margins.shrunk))
            del self.margins.shrunk[account, symbol]
            owner, pit = self.margins.owner(account), self.pit(symbol)
            self._trim_one(owner, pit, now)
            self.conditionals.closed(owner, symbol, now)

    def _trim_one(self, owner: MarginAccount, pit: Pit, now: int) -> None:
        open_orders = [each for each in pit.open_of(owner.name).values() if each.reduce_only]
        for order in reversed(open_orders):
            position = owner.position(pit.listing.symbol, order.position_side)
            closes = position.lots < 0 if order.side is Side.BUY else position.lots > 0
            room = abs(position.lots) if closes else 0
            left = sum(
                each.left
                for each in open_orders
                if each.status not in OVER and each.position_side is order.position_side
            )
            if left > room:
                self.execution.end(pit, order, Status.EXPIRED, now)
        self.execution.settle(pit, now)

    def _demand_idle(self, account: str, symbol: str) -> None:
        waiting = self.mode_waits_for_conditionals and self.conditionals.open_of(account, symbol)
        if waiting or self.pit(symbol).open_of(account):
            raise Refused(Refusal.OPEN_ORDERS)
        if any(position.lots for position in self.margins.owner(account).of(symbol)):
            raise Refused(Refusal.OPEN_POSITION)


def _closes_side(request: NewOrder) -> bool:
    """Whether an order of hedge mode works against its own position."""
    if request.position_side is PositionSide.BOTH:
        return False
    return (request.position_side is PositionSide.LONG) == (request.side is Side.SELL)
