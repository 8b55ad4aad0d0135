"""The venue's own dead man's timer, wound while orders of ours are open and nobody else's are.

House rules: it cancels whatever is open in a symbol, so it is wound only where all of that may be
cancelled when we are gone: no foreign order, none that is to be left open. It needs no process of
ours, so it is what remains when the whole machine is lost.
"""

from __future__ import annotations

from typing import Protocol

from pitwire.desk.config import DeskConfig
from pitwire.model.clock import SECOND
from pitwire.trading.ids import is_protective
from pitwire.trading.ledger import OrderLedger
from pitwire.venues.venue import Countdown


class Timer(Protocol):
    """Who winds it."""

    def arm_countdown(self, symbol: str, seconds: float, now: int) -> None: ...


class Winder:
    """Winds the timer of each symbol in time, and stops those that are needed no more."""

    def __init__(
        self, timer: Timer, row: Countdown, ledger: OrderLedger, *, keep_protective: bool
    ) -> None:
        self._timer, self._ledger, self._keep = timer, ledger, keep_protective
        self._seconds, self._every = row.seconds, round(row.renew_every_seconds * SECOND)
        self.wound: dict[str, int] = {}
        """Symbol → when its timer was wound last."""

    def tend(self, now: int) -> None:
        """Wind what is due, stop what is left over."""
        wanted = self._wanted()
        for symbol in wanted:
            if now >= self.wound.get(symbol, 0) + self._every:
                self._timer.arm_countdown(symbol, self._seconds, now)
                self.wound[symbol] = now
        for symbol in [one for one in self.wound if one not in wanted]:
            self._timer.arm_countdown(symbol, 0.0, now)
            del self.wound[symbol]

    def stop(self, now: int) -> None:
        """The desk ends in good order: what it leaves open is left open on purpose."""
        for symbol in self.wound:
            self._timer.arm_countdown(symbol, 0.0, now)
        self.wound.clear()

    def _wanted(self) -> set[str]:
        return {
            symbol
            for symbol, orders in self._ledger.open_by_symbol.items()
            if orders and all(self._may_go(order.id, order.is_ours) for order in orders.values())
        }

    def _may_go(self, order_id: str, is_ours: bool) -> bool:
        return is_ours and not (self._keep and is_protective(order_id))


def winder_for(
    config: DeskConfig, timer: object, row: Countdown | None, ledger: OrderLedger
) -> Winder | None:
    """None where the venue has no such timer, where it is not wanted, and on paper."""
    asked_for, guarded = config.watchdog.countdown, config.watchdog.enabled
    usual = config.mode == "live" if guarded is None else guarded
    wanted = usual if asked_for is None else asked_for
    if row is None or not wanted or config.mode == "paper" or not hasattr(timer, "arm_countdown"):
        return None
    return Winder(timer, row, ledger, keep_protective=config.watchdog.keep_protective)
