"""What an account owns at Alpaca, what it cost, and each fill that made it so (alpaca §5.9).

House rules: amounts come from the exchange's accounts, cost from the fills that were seen; what an
account began with cost what a symbol's market begins at.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.model.orders import Side
from pitwire.sim.facades.alpaca_board import new_york
from pitwire.sim.facades.alpaca_records import ZERO, Record
from pitwire.sim.facades.alpaca_text import Scale, timed, written
from pitwire.sim.facades.facade import Market

KEPT_ACTIVITIES = 10_000
"""Fills of an account that can still be asked for."""


class Holding(msgspec.Struct):
    """Of one asset; `cost` is what the whole of it cost."""

    qty: Decimal
    cost: Decimal

    def take(self, side: Side, qty: Decimal, price: Decimal) -> None:
        """A fill: a purchase adds its cost, a sale takes away a part of it."""
        if side is Side.BUY:
            self.qty += qty
            self.cost += qty * price
        elif self.qty:
            left = self.qty - qty
            self.cost = self.cost * left / self.qty if left > 0 else ZERO
            self.qty = left
        else:
            self.qty -= qty


class Activity(msgspec.Struct, frozen=True):
    """One fill, as it is told by `/v2/account/activities`."""

    at: int
    shown: dict[str, object]

    @property
    def id(self) -> str:
        return str(self.shown["id"])


class Holdings:
    """Positions and fills of all accounts."""

    def __init__(self, market: Market, scales: Mapping[str, Scale]) -> None:
        self._market = market
        self._by_base = {scale.listing.base: scale for scale in scales.values()}
        self._held: dict[str, dict[str, Holding]] = {}
        self._activities: dict[str, deque[Activity]] = {}

    def of(self, account: str) -> dict[str, Holding]:
        """Base asset → what is held of it."""
        held = self._held.get(account)
        if held is None:
            held = self._held[account] = {}
            for asset, (free, locked) in self._market.balances(account).items():
                scale = self._by_base.get(asset)
                if scale is not None:
                    held[asset] = _begun(scale, free + locked)
        return held

    def know(self, account: str) -> None:
        """Look at what an account has before anything is traded on it."""
        self.of(account)

    def deposited(self, account: str, asset: str, amount: Decimal) -> None:
        """Something came from outside, or left."""
        scale = self._by_base.get(asset)
        if scale is not None and account in self._held:
            holding = self._held[account].setdefault(asset, Holding(ZERO, ZERO))
            more = _begun(scale, amount)
            holding.qty += more.qty
            holding.cost += more.cost

    def filled(
        self, record: Record, *, execution: str, price: Decimal, qty: Decimal, at: int
    ) -> Decimal:
        """A fill, of which the record knows already; the position after it."""
        held = self.of(record.account)
        holding = held.setdefault(record.scale.listing.base, Holding(ZERO, ZERO))
        holding.take(record.side, qty, price)
        kept = self._activities.get(record.account)
        if kept is None:
            kept = self._activities[record.account] = deque(maxlen=KEPT_ACTIVITIES)
        kept.append(Activity(at, _activity(record, execution, price, qty, at)))
        return holding.qty

    def activities(self, account: str) -> list[Activity]:
        """Fills, oldest first."""
        return list(self._activities.get(account, ()))


def _begun(scale: Scale, qty: Decimal) -> Holding:
    return Holding(qty, qty * scale.price(scale.listing.start_price))


def _activity(
    record: Record, execution: str, price: Decimal, qty: Decimal, at: int
) -> dict[str, object]:
    """Keys as the venue documents them; its ids begin with New York's time."""
    local = at + new_york(at)
    stamp = datetime.fromtimestamp(local // SECOND, tz=UTC).strftime("%Y%m%d%H%M%S")
    return {
        "id": f"{stamp}{local % SECOND // MILLISECOND:03d}::{execution}",
        "activity_type": "FILL",
        "transaction_time": timed(at),
        "type": "fill" if record.status == "filled" else "partial_fill",
        "price": written(price),
        "qty": written(qty),
        "side": record.side.value,
        "symbol": record.scale.symbol,
        "leaves_qty": written(max(record.left, ZERO)),
        "order_id": record.id,
        "cum_qty": written(record.filled),
        "order_status": record.status,
    }
