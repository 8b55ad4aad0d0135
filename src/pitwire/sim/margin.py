"""Who owes what in futures: wallets, positions, margins, exact to the last digit.

House rules: a position keeps what it cost, so that nothing is lost to an average price: what a
partial close cannot pay in whole steps of 1e-8 stays in the cost of the rest; what one account
gains another loses, commissions and the insurance fund included; an order is refused for margin
before anything is changed. The model is stated in docs/simulated-venue.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Context, Decimal

from pitwire.model.orders import Side
from pitwire.sim.accounts import EXACT, FEE_STEP, FEES, ZERO, Account, Accounts, Terms
from pitwire.sim.facts import Contract, Fact, PositionSide, Refusal, Refused, SimOrder
from pitwire.sim.futures_facts import MarginChanged, MarginState, PositionState, Reason

INSURANCE = "insurance"
"""The account that pays for what a liquidated one lost beyond its wallet, and earns its fee."""
FUNDING = "funding"
"""The other side of everybody's funding: the crowd, which is only counted."""
LEVERAGE = 20
"""Where an account has not chosen."""
_ONE_WAY, _HEDGED = (PositionSide.BOTH,), (PositionSide.LONG, PositionSide.SHORT)
_STEP = Decimal("1e-8")
_CUT = Context(prec=60, rounding=ROUND_DOWN)
_NEAR = Context(prec=60, rounding=ROUND_HALF_EVEN)


def eighths(value: Decimal) -> Decimal:
    """Cut to whole steps of 1e-8."""
    return value.quantize(_STEP, context=_CUT)


class Position:
    """One position. `cost` is what its lots were bought for, below zero for a short one."""

    __slots__ = ("asks", "bids", "cost", "lots", "paid", "realised", "side", "updated", "wallet")

    def __init__(self, side: PositionSide) -> None:
        self.side = side
        self.lots = 0
        self.cost = ZERO
        self.paid = ZERO
        """Commissions of what is open."""
        self.realised = ZERO
        self.wallet = ZERO
        self.bids = 0
        self.asks = 0
        """Price × lots of the open orders that may make the position larger."""
        self.updated = 0

    def trade(self, lots: int, value: Decimal) -> Decimal:
        """Take in signed lots bought for a signed value; returns what that realises."""
        if self.lots * lots >= 0:
            self.lots += lots
            self.cost = EXACT.add(self.cost, value)
            return ZERO
        if abs(lots) > abs(self.lots):  # through zero: close it, then open the other way
            closing = _NEAR.divide(_NEAR.multiply(value, -self.lots), lots)
            rest = lots + self.lots
            result = self._close(-self.lots, closing)
            self.lots, self.cost = rest, EXACT.subtract(value, closing)
            return result
        return self._close(lots, value)

    def _close(self, lots: int, value: Decimal) -> Decimal:
        left = self.lots + lots
        if not left:
            result = EXACT.minus(EXACT.add(value, self.cost))
            self.lots, self.cost, self.paid = 0, ZERO, ZERO
        else:
            share = _CUT.divide(_CUT.multiply(self.cost, abs(lots)), abs(self.lots))
            result = eighths(_CUT.minus(_CUT.add(value, share)))
            self.paid = eighths(_CUT.divide(_CUT.multiply(self.paid, abs(left)), abs(self.lots)))
            self.lots, self.cost = left, EXACT.add(EXACT.add(self.cost, value), result)
        self.realised = EXACT.add(self.realised, result)
        return result


class Setting:
    """How an account trades a symbol."""

    __slots__ = ("isolated", "leverage")

    def __init__(self) -> None:
        self.leverage = LEVERAGE
        self.isolated = False


class MarginAccount(Account):
    """An owner with positions; `free` holds the wallet, and nothing is locked."""

    __slots__ = ("called", "hedged", "joint", "positions", "settings")

    def __init__(self, name: str, balances: Mapping[str, Decimal], *, unlimited: bool) -> None:
        super().__init__(name, balances, unlimited=unlimited)
        self.positions: dict[tuple[str, PositionSide], Position] = {}
        self.settings: dict[str, Setting] = {}
        self.hedged = False
        self.joint = False
        """Multi-assets mode, which changes nothing where one asset is all there is."""
        self.called = False

    @property
    def sides(self) -> tuple[PositionSide, ...]:
        """The positions that a symbol has: two in hedge mode."""
        return _HEDGED if self.hedged else _ONE_WAY

    def position(self, symbol: str, side: PositionSide) -> Position:
        key = (symbol, side)
        if key not in self.positions:
            self.positions[key] = Position(side)
        return self.positions[key]

    def setting(self, symbol: str) -> Setting:
        if symbol not in self.settings:
            self.settings[symbol] = Setting()
        return self.settings[symbol]

    def of(self, symbol: str) -> list[Position]:
        return [position for (name, _), position in self.positions.items() if name == symbol]


class MarginAccounts(Accounts):
    """All owners of a futures market."""

    prompt = True

    def __init__(self) -> None:
        super().__init__()
        for name in (INSURANCE, FUNDING):
            self.open(name, {}, unlimited=True)
        self.marks: dict[str, Decimal] = {}
        """Symbol → mark price."""
        self.contracts: dict[str, Contract] = {}
        self.shrunk: dict[tuple[str, str], None] = {}
        """(account, symbol) whose position became smaller, or another."""
        self._told: dict[str, dict[tuple[str, PositionSide], None]] = {}

    def open(self, name: str, balances: Mapping[str, Decimal], *, unlimited: bool) -> None:
        super().open(name, balances, unlimited=unlimited)
        self._accounts[name] = MarginAccount(name, balances, unlimited=unlimited)

    def owner(self, name: str) -> MarginAccount:
        """The account of this name; refuses an unknown one."""
        account = self.find(name)
        if not isinstance(account, MarginAccount):
            raise Refused(Refusal.ACCOUNT_DISABLED, name)
        return account

    def owners(self) -> Iterator[MarginAccount]:
        """Those with limits."""
        for account in self._accounts.values():
            if isinstance(account, MarginAccount) and not account.unlimited:
                yield account

    def terms(self, symbol: str) -> Terms:
        return self._terms[symbol]

    # ── what the exchange asks ────────────────────────────────────────────────────────────────

    def lock(self, account: Account, terms: Terms, order: SimOrder) -> None:
        """Count an order among those that may make a position larger."""
        self._count(account, terms, order, order.left)

    def unlock(self, account: Account, terms: Terms, order: SimOrder, lots: int) -> None:
        """Count it no longer."""
        self._count(account, terms, order, -lots)

    def settle(self, account: Account, terms: Terms, order: SimOrder, price: int, lots: int,
               rate: Decimal) -> tuple[Decimal, Decimal]:  # fmt: skip
        """Trade lots of a contract; returns the commission and what the position realised."""
        if account.unlimited or not isinstance(account, MarginAccount):
            return super().settle(account, terms, order, price, lots, rate)
        self._count(account, terms, order, -lots)
        position = account.position(terms.symbol, order.position_side)
        value = EXACT.multiply(price * lots, terms.unit)
        fee = EXACT.multiply(value, rate).quantize(FEE_STEP, context=_CUT)
        signed = lots if order.side is Side.BUY else -lots
        before = position.lots
        result = position.trade(signed, value.copy_sign(signed))
        if abs(position.lots) > abs(before) or position.lots * before < 0:
            position.paid = EXACT.add(position.paid, fee)
        else:
            self.shrunk[account.name, terms.symbol] = None
        if account.setting(terms.symbol).isolated:
            self._isolate(account, terms, position, before)
        position.updated = -1
        self._fees[terms.quote] = EXACT.add(self._fees.get(terms.quote, ZERO), fee)
        self._move(account, terms.quote, EXACT.subtract(result, fee), ZERO)
        self._note(account, terms.symbol, position.side)
        return fee, result

    def affords(self, account: Account, terms: Terms, order: SimOrder, units: int) -> bool:
        """Whether there is margin for what the book would give it."""
        try:
            self.demand(account, terms, order, units)
        except Refused:
            return False
        return True

    def take_changes(self, symbol: str, now: int, reason: Reason = Reason.ORDER,
                     change: Decimal = ZERO) -> list[Fact]:  # fmt: skip
        """The wallets and positions that changed since the last call."""
        told: list[Fact] = []
        for (name, asset), _ in self.changed.items():
            account = self.owner(name)
            moved = self._told.pop(name, {})
            for key in moved:
                account.position(*key).updated = now
            told.append(
                MarginChanged(
                    at=now,
                    symbol=symbol,
                    account=name,
                    reason=reason,
                    asset=asset,
                    wallet=account.free.get(asset, ZERO),
                    cross=self.cross(account, asset),
                    change=change,
                    positions=tuple(self.state_of(account, *key) for key in moved),
                )
            )
        self.changed.clear()
        return told

    # ── margins ───────────────────────────────────────────────────────────────────────────────

    def demand(self, account: Account, terms: Terms, order: SimOrder, units: int) -> None:
        """Refuse an order, worth `units` of price × lots, for which there is no margin."""
        if account.unlimited or not isinstance(account, MarginAccount) or not _opens(order):
            return
        before = self.order_margin(account, terms.symbol)
        position = account.position(terms.symbol, order.position_side)
        self._add(position, order.side, units)
        after = self.order_margin(account, terms.symbol)
        self._add(position, order.side, -units)
        if after > before and after - before > self.available(account, terms.quote):
            raise Refused(Refusal.INSUFFICIENT_MARGIN, terms.quote)

    def order_margin(self, account: MarginAccount, symbol: str) -> Decimal:
        """What the open orders of a symbol may need beyond what its positions do."""
        terms, leverage = self._terms[symbol], account.setting(symbol).leverage
        beyond = sum((self._beyond(terms, each) for each in account.of(symbol)), ZERO)
        return _CUT.divide(beyond, leverage)

    def _beyond(self, terms: Terms, position: Position) -> Decimal:
        """How much larger a position could become in value."""
        value = self.value(terms, position)
        bids = EXACT.multiply(position.bids, terms.unit)
        asks = EXACT.multiply(position.asks, terms.unit)
        return max(abs(value + bids), abs(value - asks)) - abs(value)

    def position_margin(self, account: MarginAccount, symbol: str) -> Decimal:
        """What the positions in a symbol need at the mark price."""
        terms = self._terms[symbol]
        held = sum((abs(self.value(terms, each)) for each in account.of(symbol)), ZERO)
        return _CUT.divide(held, account.setting(symbol).leverage)

    def maintenance(self, account: MarginAccount, symbol: str) -> Decimal:
        """Below this a position is closed by force."""
        terms, rate = self._terms[symbol], self.contracts[symbol].maintenance_rate
        held = sum((abs(self.value(terms, each)) for each in account.of(symbol)), ZERO)
        return EXACT.multiply(held, rate)

    def value(self, terms: Terms, position: Position) -> Decimal:
        """Of a position, at the mark price."""
        size = EXACT.multiply(position.lots, terms.lot)
        return EXACT.multiply(size, self.marks.get(terms.symbol, ZERO))

    def unrealised(self, terms: Terms, position: Position) -> Decimal:
        return EXACT.subtract(self.value(terms, position), position.cost)

    def cross(self, account: MarginAccount, asset: str) -> Decimal:
        """The wallet less what isolated positions have been given."""
        given = sum((each.wallet for each in account.positions.values()), ZERO)
        return EXACT.subtract(account.free.get(asset, ZERO), given)

    def available(self, account: MarginAccount, asset: str) -> Decimal:
        """What new orders and withdrawals may use; the same as in `state`, in one pass."""
        found = account.free.get(asset, ZERO)
        orders: dict[str, None] = {}
        for (symbol, _), position in account.positions.items():
            if position.bids or position.asks:
                orders[symbol] = None
            if not position.lots:
                continue
            found -= position.wallet
            if not account.setting(symbol).isolated:
                value = self.value(self._terms[symbol], position)
                leverage = account.setting(symbol).leverage
                found += value - position.cost - _CUT.divide(abs(value), leverage)
        for symbol in orders:
            found -= self.order_margin(account, symbol)
        return max(ZERO, found)

    def state(self, account: MarginAccount, asset: str) -> MarginState:
        """All of an account's margin, reckoned now."""
        unrealised, shared, positions, orders, maintenance = ZERO, ZERO, ZERO, ZERO, ZERO
        for symbol in dict.fromkeys(symbol for symbol, _ in account.positions):
            terms = self._terms[symbol]
            profit = sum((self.unrealised(terms, each) for each in account.of(symbol)), ZERO)
            held = self.position_margin(account, symbol)
            unrealised += profit
            positions += held
            orders += self.order_margin(account, symbol)
            maintenance += self.maintenance(account, symbol)
            if not account.setting(symbol).isolated:
                shared += profit
        cross = self.cross(account, asset)
        return MarginState(
            wallet=account.free.get(asset, ZERO),
            cross=cross,
            unrealised=unrealised,
            cross_unrealised=shared,
            position_margin=positions,
            order_margin=orders,
            maintenance=maintenance,
            available=self.available(account, asset),
        )

    def state_of(self, account: MarginAccount, symbol: str, side: PositionSide) -> PositionState:
        """One position, reckoned now."""
        position, setting = account.position(symbol, side), account.setting(symbol)
        terms, rate = self._terms[symbol], self.contracts[symbol].maintenance_rate
        size = EXACT.multiply(position.lots, terms.lot)
        value = self.value(terms, position)
        entry = _NEAR.divide(position.cost, size) if size else ZERO
        even = _NEAR.divide(_NEAR.add(position.cost, position.paid), size) if size else ZERO
        return PositionState(
            symbol=symbol,
            side=side,
            lots=position.lots,
            entry=entry.quantize(_STEP, context=_NEAR),
            breakeven=even.quantize(_STEP, context=_NEAR),
            realised=position.realised,
            unrealised=self.unrealised(terms, position),
            mark=self.marks.get(symbol, ZERO),
            value=value,
            isolated=setting.isolated,
            wallet=position.wallet,
            leverage=setting.leverage,
            initial=_CUT.divide(abs(value), setting.leverage),
            maintenance=EXACT.multiply(abs(value), rate),
            order_margin=_CUT.divide(self._beyond(terms, position), setting.leverage),
            bids=EXACT.multiply(position.bids, terms.unit),
            asks=EXACT.multiply(position.asks, terms.unit),
            liquidation=self._liquidation(account, terms, position),
            updated=position.updated,
        )

    def pay(self, account: MarginAccount, asset: str, amount: Decimal, other: str) -> None:
        """Move money between a wallet and one of the venue's own accounts."""
        self._move(account, asset, amount, ZERO)
        kept = self.find(other).free
        kept[asset] = EXACT.subtract(kept.get(asset, ZERO), amount)

    def touch(self, account: MarginAccount, symbol: str, side: PositionSide, asset: str) -> None:
        """Have a position told though no money moved."""
        self.changed[account.name, asset] = None
        self._note(account, symbol, side)

    # ── within ────────────────────────────────────────────────────────────────────────────────

    def _note(self, account: MarginAccount, symbol: str, side: PositionSide) -> None:
        self._told.setdefault(account.name, {})[symbol, side] = None

    def _count(self, account: Account, terms: Terms, order: SimOrder, lots: int) -> None:
        if isinstance(account, MarginAccount) and not account.unlimited and _opens(order):
            position = account.position(terms.symbol, order.position_side)
            self._add(position, order.side, order.price * lots)

    @staticmethod
    def _add(position: Position, side: Side, units: int) -> None:
        if side is Side.BUY:
            position.bids += units
        else:
            position.asks += units

    def _isolate(
        self, account: MarginAccount, terms: Terms, position: Position, before: int
    ) -> None:
        """What a position has been given follows its size; its results go to the wallet."""
        if not position.lots:
            position.wallet = ZERO
        elif position.lots * before < 0 or abs(position.lots) > abs(before):
            leverage = account.setting(terms.symbol).leverage
            whole = eighths(_CUT.divide(abs(position.cost), leverage))
            kept = position.wallet if position.lots * before > 0 else ZERO
            position.wallet = max(kept, whole)
        else:
            share = _CUT.multiply(position.wallet, abs(position.lots))
            position.wallet = eighths(_CUT.divide(share, abs(before)))

    def _liquidation(self, account: MarginAccount, terms: Terms, position: Position) -> Decimal:
        """Where what backs it would equal its maintenance margin, all else being still."""
        if not position.lots:
            return ZERO
        rate = self.contracts[terms.symbol].maintenance_rate
        backing, together = position.wallet, [position]
        if not account.setting(terms.symbol).isolated:
            backing, together = self.cross(account, terms.quote), account.of(terms.symbol)
            for (symbol, _), other in account.positions.items():
                if symbol != terms.symbol and not account.setting(symbol).isolated:
                    held = self._terms[symbol]
                    kept = abs(self.value(held, other)) * self.contracts[symbol].maintenance_rate
                    backing += self.unrealised(held, other) - kept
        # Long and short of one symbol have one mark price, and so one such price if they share.
        cost = sum((each.cost for each in together), ZERO)
        lots, all_lots = sum(each.lots for each in together), sum(abs(e.lots) for e in together)
        worth = EXACT.multiply(lots - all_lots * rate, terms.lot)
        if not worth:
            return ZERO
        price = _NEAR.divide(cost - backing, worth)
        return max(ZERO, price.quantize(_STEP, context=_NEAR))


def _opens(order: SimOrder) -> bool:
    """Whether an order may make a position larger."""
    if order.reduce_only:
        return False
    if order.position_side is PositionSide.BOTH:
        return True
    return (order.position_side is PositionSide.LONG) == (order.side is Side.BUY)


__all__ = ["FEES", "FUNDING", "INSURANCE", "MarginAccounts", "Position"]
