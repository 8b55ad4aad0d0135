"""What the venue, or a person at another screen, does to an account while the desk looks elsewhere.

House rules: a deed is done at the exchange and nowhere else, so the desk hears of it as it would
hear of anything; same script, same seed, same deeds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from pitwire.model.clock import SECOND
from pitwire.model.orders import Side
from pitwire.sim.exchange import Exchange
from pitwire.sim.facts import Kind, NewOrder, Refused
from pitwire.sim.faults import (
    DEEDS,
    ByHand,
    ChangeRules,
    DeedFault,
    ExpireOrders,
    Fault,
    HaltMarket,
    RevokeKeys,
)
from pitwire.sim.plan import FaultPlan

_AWAY = Decimal("0.05")
"""Where an order by hand rests, as a share of the price."""


class Deeds:
    """Carries out the deeds of a script, as an actor of the stage."""

    def __init__(
        self,
        faults: Sequence[Fault],
        exchange: Exchange,
        *,
        plan: FaultPlan,
        start: int,
        revoke: Callable[[str], None],
        relist: Callable[[str], None],
    ) -> None:
        self._exchange, self._plan, self._revoke = exchange, plan, revoke
        self._relist = relist
        self._agenda: list[tuple[int, DeedFault]] = sorted(
            (
                (start + round(fault.at_seconds * SECOND), fault)
                for fault in faults
                if isinstance(fault, DEEDS)
            ),
            key=lambda entry: entry[0],
        )
        self._made = 0

    def next_deadline(self) -> int | None:
        """When the next deed is due."""
        return self._agenda[0][0] if self._agenda else None

    def handle_deadline(self, now: int) -> None:
        """Do what is due; the exchange may refuse it, as it may refuse anybody."""
        while self._agenda and self._agenda[0][0] <= now:
            _, deed = self._agenda.pop(0)
            try:
                self._do(deed, now)
            except Refused:
                continue
            self._plan.note(now, deed)

    def _do(self, deed: DeedFault, now: int) -> None:
        match deed:
            case ByHand():
                self._by_hand(deed, now)
            case ExpireOrders(account=account, symbol=symbol, count=count):
                for order in self._exchange.open_orders(account, symbol)[: count or None]:
                    self._exchange.expire(order, now)
            case RevokeKeys(account=account):
                self._revoke(account)
            case ChangeRules():
                self._change(deed)
            case HaltMarket(symbol=symbol, status=status):
                self._exchange.set_status(symbol, status, now)

    def _change(self, deed: ChangeRules) -> None:
        self._exchange.set_rules(
            deed.symbol,
            min_notional=deed.min_notional,
            min_size=deed.min_size,
            tick=deed.tick,
            lot=deed.lot,
        )
        self._relist(deed.symbol)

    def _by_hand(self, deed: ByHand, now: int) -> None:
        self._made += 1
        listing = self._exchange.listings[deed.symbol]
        buys = deed.side == "buy"
        lots = int(deed.size / listing.lot)
        name = f"{deed.name}-{self._made}"
        if deed.how == "take":
            order = NewOrder(account=deed.account, symbol=deed.symbol, kind=Kind.MARKET, lots=lots,
                             side=Side(deed.side), client_id=name)  # fmt: skip
        else:
            last = Decimal(self._exchange.last_price(deed.symbol))
            price = int(last * (1 - _AWAY if buys else 1 + _AWAY))
            order = NewOrder(account=deed.account, symbol=deed.symbol, kind=Kind.LIMIT, lots=lots,
                             side=Side(deed.side), price=price, client_id=name)  # fmt: skip
        self._exchange.place(order, now)
