"""Who owns what: free and locked amounts, exact to the last digit.

House rules: every amount is computed in a context that raises rather than round, and a commission
is cut to the step it is charged in; what one account loses another gains, fees included; an
unlimited account is only counted, in whole ticks and lots.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import (
    ROUND_DOWN,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
)

from pitwire.model.orders import Side
from pitwire.sim.facts import BalanceChanged, Fact, Listing, Refusal, Refused, SimOrder

EXACT = Context(prec=60, traps=[DivisionByZero, Inexact, InvalidOperation, Overflow])
FEE_STEP = Decimal("1e-8")
"""Commissions are charged in whole steps (binance §5.8, baseCommissionPrecision 8); that a rest
is dropped in favour of the one who pays is our guess."""
_CUT = Context(prec=60, rounding=ROUND_DOWN)
FEES = "fees"
"""The account that commissions go to."""

ZERO = Decimal(0)


class Terms:
    """What money needs to know of a listing."""

    __slots__ = ("base", "fee_assets", "lot", "maker_fee", "quote", "symbol", "taker_fee", "unit")

    def __init__(self, listing: Listing) -> None:
        self.symbol = listing.symbol
        self.base = listing.base
        self.quote = listing.quote
        self.lot = listing.lot
        self.unit = EXACT.multiply(listing.tick, listing.lot)
        """Quote amount of one tick for one lot."""
        self.maker_fee = listing.maker_fee
        self.taker_fee = listing.taker_fee
        bought = listing.base if listing.contract is None else listing.quote
        self.fee_assets = (listing.quote, bought)
        """What a seller and what a buyer pays commission in."""


class Account:
    """One owner. `unlimited` accounts pay with what they do not have, and are quiet."""

    __slots__ = ("free", "locked", "name", "net", "unlimited")

    def __init__(self, name: str, balances: Mapping[str, Decimal], *, unlimited: bool) -> None:
        self.name = name
        self.unlimited = unlimited
        self.free: dict[str, Decimal] = dict(balances)
        self.locked: dict[str, Decimal] = dict.fromkeys(balances, ZERO)
        self.net: dict[str, list[int]] = {}
        """Of an unlimited account: symbol → [lots gained, price × lots gained]."""

    def net_of(self, symbol: str) -> list[int]:
        """What an unlimited account gained in a symbol, to be counted on."""
        net = self.net.get(symbol)
        if net is None:
            net = self.net[symbol] = [0, 0]
        return net


class Accounts:
    """All owners, and the accounts whose amounts have changed since they were last told."""

    prompt = False
    """Whether changes are told with each trade, and not once after a command."""

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {FEES: Account(FEES, {}, unlimited=True)}
        self._fees = self._accounts[FEES].free
        self._terms: dict[str, Terms] = {}
        self.changed: dict[tuple[str, str], None] = {}
        """(account, asset) that have changed and were not told yet."""

    def list_terms(self, terms: Terms) -> None:
        """Learn how a symbol's lots and ticks become money."""
        self._terms[terms.symbol] = terms

    def open(self, name: str, balances: Mapping[str, Decimal], *, unlimited: bool) -> None:
        """A new owner; raises `ValueError` for a name in use or an amount below zero."""
        if name in self._accounts:
            raise ValueError(f"account: found {name!r} in use, expected a new name")
        for asset, amount in balances.items():
            if amount < 0:
                raise ValueError(f"balances.{asset}: found {amount}, expected zero or more")
        self._accounts[name] = Account(name, balances, unlimited=unlimited)

    def find(self, name: str) -> Account:
        """The account of this name; refuses an unknown one."""
        account = self._accounts.get(name)
        if account is None:
            raise Refused(Refusal.ACCOUNT_DISABLED, name)
        return account

    def names(self) -> list[str]:
        """All owners, the fees' account among them."""
        return list(self._accounts)

    def amounts(self, name: str) -> dict[str, tuple[Decimal, Decimal]]:
        """Asset → (free, locked)."""
        account = self.find(name)
        free = dict(account.free)
        for symbol, (lots, units) in account.net.items():
            terms = self._terms[symbol]
            for asset, amount in (
                (terms.base, EXACT.multiply(lots, terms.lot)),
                (terms.quote, EXACT.multiply(units, terms.unit)),
            ):
                free[asset] = EXACT.add(free.get(asset, ZERO), amount)
        return {asset: (amount, account.locked.get(asset, ZERO)) for asset, amount in free.items()}

    def deposit(self, name: str, asset: str, amount: Decimal) -> None:
        """Add to what is free; negative takes away and is refused below zero."""
        account = self.find(name)
        if account.free.get(asset, ZERO) + amount < 0:
            raise Refused(Refusal.INSUFFICIENT_BALANCE, asset)
        self._move(account, asset, amount, ZERO)

    def encumber(self, name: str, asset: str, amount: Decimal) -> None:
        """Lock what is free, and refuse more than that; negative frees it again."""
        account = self.find(name)
        if account.free.get(asset, ZERO) < amount:
            raise Refused(Refusal.INSUFFICIENT_BALANCE, asset)
        self._move(account, asset, EXACT.minus(amount), amount)

    def lock(self, account: Account, terms: Terms, order: SimOrder) -> None:
        """Set aside what an order may cost; refuses when there is not enough."""
        if account.unlimited or not order.holds:
            return
        asset, amount = _claim(terms, order, order.left)
        if account.free.get(asset, ZERO) < amount:
            raise Refused(Refusal.INSUFFICIENT_BALANCE, asset)
        if amount:
            self._move(account, asset, EXACT.minus(amount), amount)

    def unlock(self, account: Account, terms: Terms, order: SimOrder, lots: int) -> None:
        """Give back what was set aside for `lots` of an order."""
        if account.unlimited or not order.holds:
            return
        asset, amount = _claim(terms, order, lots)
        if amount:
            self._move(account, asset, amount, EXACT.minus(amount))

    def settle(self, account: Account, terms: Terms, order: SimOrder, price: int, lots: int,
               rate: Decimal) -> tuple[Decimal, Decimal]:  # fmt: skip
        """Exchange base for quote; returns the commission, cut from what is received, and zero."""
        buys = order.side is Side.BUY
        if account.unlimited:
            net = account.net_of(terms.symbol)
            net[0] += lots if buys else -lots
            net[1] -= price * lots if buys else -price * lots
            return ZERO, ZERO
        size = EXACT.multiply(lots, terms.lot)
        cost = EXACT.multiply(price * lots, terms.unit)
        if buys:
            held = EXACT.multiply(order.reserve_price * lots, terms.unit)
            self._move(account, terms.quote, EXACT.subtract(held, cost), EXACT.minus(held))
            return self._receive(account, terms.base, size, rate), ZERO
        self._move(account, terms.base, ZERO, EXACT.minus(size))
        return self._receive(account, terms.quote, cost, rate), ZERO

    def affords(self, account: Account, terms: Terms, _order: SimOrder, units: int) -> bool:
        """Whether an account can pay for what the book would give, `units` of price × lots."""
        return EXACT.multiply(units, terms.unit) <= account.free.get(terms.quote, ZERO)

    def take_changes(self, symbol: str, now: int) -> list[Fact]:
        """The amounts of every account that changed since the last call, in order of change."""
        told: list[Fact] = []
        for name, asset in self.changed:
            account = self._accounts[name]
            told.append(
                BalanceChanged(
                    at=now,
                    symbol=symbol,
                    account=name,
                    asset=asset,
                    free=account.free[asset],
                    locked=account.locked.get(asset, ZERO),
                )
            )
        self.changed.clear()
        return told

    def _receive(self, account: Account, asset: str, amount: Decimal, rate: Decimal) -> Decimal:
        fee = EXACT.multiply(amount, rate).quantize(FEE_STEP, context=_CUT)
        self._fees[asset] = EXACT.add(self._fees.get(asset, ZERO), fee)
        self._move(account, asset, EXACT.subtract(amount, fee), ZERO)
        return fee

    def _move(self, account: Account, asset: str, free: Decimal, locked: Decimal) -> None:
        account.free[asset] = EXACT.add(account.free.get(asset, ZERO), free)
        account.locked[asset] = EXACT.add(account.locked.get(asset, ZERO), locked)
        if not account.unlimited:
            self.changed[account.name, asset] = None


def _claim(terms: Terms, order: SimOrder, lots: int) -> tuple[str, Decimal]:
    if order.side is Side.SELL:
        return terms.base, EXACT.multiply(lots, terms.lot)
    return terms.quote, EXACT.multiply(order.reserve_price * lots, terms.unit)
