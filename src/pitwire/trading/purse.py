"""Paper money: free and locked amounts by asset, exact."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from pitwire.trading.paper_market import Level, Live
from pitwire.trading.tracked import ZERO


class Purse:
    """What a paper account owns. Nothing is locked that is not free."""

    def __init__(self, balances: Mapping[str, Decimal]) -> None:
        self.free = dict(balances)
        self.locked: dict[str, Decimal] = {}

    def has(self, asset: str, amount: Decimal) -> bool:
        return self.free.get(asset, ZERO) >= amount

    def lock(self, asset: str, amount: Decimal) -> bool:
        """Set this much aside; False, and nothing done, when it is not there."""
        if not self.has(asset, amount):
            return False
        self.free[asset] = self.free.get(asset, ZERO) - amount
        self.locked[asset] = self.locked.get(asset, ZERO) + amount
        return True

    def unlock(self, asset: str, amount: Decimal) -> None:
        self.free[asset] = self.free.get(asset, ZERO) + amount
        self.locked[asset] = self.locked.get(asset, ZERO) - amount

    def swap(self, *, gave: str, spent: Decimal, got: str, brought: Decimal) -> None:
        """Give one asset for another."""
        self.free[gave] = self.free.get(gave, ZERO) - spent
        self.free[got] = self.free.get(got, ZERO) + brought

    def lock_for(self, live: Live) -> bool:
        """Set aside what the rest of it needs, instead of what was set aside before."""
        self.release(live)
        if not self.lock(live.assets[0], live.needs()):
            return False
        live.locked = live.needs()
        return True

    def can_pay(self, live: Live, reach: list[Level]) -> bool:
        """Whether what takes at market is paid for; everything else has its money locked."""
        if live.asleep or live.order.price is not None:
            return True
        left, cost = live.left, ZERO
        for price, size in reach:
            part = min(size, left)
            left, cost = left - part, cost + part * price
        return self.has(live.assets[0], cost if live.buys else live.left - left)

    def release(self, live: Live) -> None:
        """Nothing is set aside for it any more."""
        self.unlock(live.assets[0], live.locked)
        live.locked = ZERO
