"""The venue's own dead man's timer, wound while orders of ours are open and nobody else's are.

House rules: it cancels whatever is open in a symbol, so it is wound only where all of that may be
cancelled when we are gone: no foreign order, none that is to be left open. One that may still run,
also one of a run before, is stopped until it must be over: a stop may be lost on its way. Where
nothing is open it runs on for a while, since orders come and go faster than it may be wound; all of
them together cost at most half of the venue's weight. It needs no process of ours, so it is what
remains when the whole machine is lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from pitwire.desk.config import DeskConfig
from pitwire.model.clock import SECOND
from pitwire.trading.ids import is_protective
from pitwire.trading.ledger import OrderLedger
from pitwire.venues.venue import Countdown

_SHARE = 0.5
"""Of the venue's weight, at most."""


@runtime_checkable
class Timer(Protocol):
    """Who winds it."""

    def arm_countdown(self, symbol: str, seconds: float, now: int) -> None: ...

    def has_room(self, weight: int, now: int) -> bool: ...


class Winder:
    """Winds the timer of each symbol in time, and stops those that are needed no more."""

    def __init__(
        self,
        timer: Timer,
        row: Countdown,
        ledger: OrderLedger,
        *,
        keep_protective: bool,
        symbols: Iterable[str] = (),
        limit_a_minute: int = 0,
    ) -> None:
        """`symbols` are those in which a run before us may have wound it; `limit_a_minute` is the
        venue's limit of weight, 0 where there is none."""
        self._timer, self._ledger, self._keep = timer, ledger, keep_protective
        self._seconds, self._every = row.seconds, round(row.renew_every_seconds * SECOND)
        self._length, self._weight = round(row.seconds * SECOND), row.weight
        each = row.weight * 60 / row.renew_every_seconds
        self._most = int(limit_a_minute * _SHARE / each) if limit_a_minute else 1 << 30
        """In so many symbols at once it may be wound."""
        self.wound: dict[str, int] = {}
        """Symbol → when its timer was wound last."""
        self._ending: dict[str, tuple[int, int]] = {}
        """Symbols whose timer is not wanted → when it was stopped last, when it must be over."""
        self._before = tuple(symbols)
        self._refused: set[str] = set()
        self._is_told = False

    def tend(self, now: int) -> str:
        """Wind what is due, stop what is left over; what to tell, mostly ""."""
        wanted, over, told = self._wanted(), now + self._length, ""
        self._ending.update(dict.fromkeys(self._before, (0, over)))
        self._before = ()
        for symbol in wanted:
            if symbol not in self.wound and len(self.wound) >= self._most:
                told = self._beyond(symbol) or told
                continue
            if now >= self.wound.get(symbol, 0) + self._every and self._may_wind(symbol, now):
                self._ending.pop(symbol, None)
                self._timer.arm_countdown(symbol, self._seconds, now)
                self.wound[symbol] = now
        for symbol in [one for one in self.wound if one not in wanted]:
            self._leave(symbol, now)
        self._stop_leftovers(now)
        return told

    def _may_wind(self, symbol: str, now: int) -> bool:
        """One that was stopped just before, for what came and went there, waits for room."""
        stopped, _ = self._ending.get(symbol, (0, 0))
        return now >= stopped + self._every or self._timer.has_room(self._weight, now)

    def _leave(self, symbol: str, now: int) -> None:
        """Stop what is not wanted: at once where it would cancel what is to stay, else in a while,
        as the venue's weight allows."""
        since, at_stake = self.wound[symbol], bool(self._ledger.open_by_symbol.get(symbol))
        over = since + self._length
        is_due = now >= since + self._every and self._timer.has_room(self._weight, now)
        if now < over and not (at_stake or is_due):
            return
        del self.wound[symbol]
        if now < over:
            self._timer.arm_countdown(symbol, 0.0, now)
            self._ending[symbol] = now, over

    def _stop_leftovers(self, now: int) -> None:
        at_stake = self._ledger.open_by_symbol
        for symbol in sorted(self._ending, key=lambda one: not at_stake.get(one)):
            stopped, over = self._ending[symbol]
            if now >= over:
                del self._ending[symbol]
            elif now >= stopped + self._every and self._timer.has_room(self._weight, now):
                self._timer.arm_countdown(symbol, 0.0, now)
                self._ending[symbol] = now, over

    def _beyond(self, symbol: str) -> str:
        """What to tell of a symbol for which the venue's weight does not suffice; once."""
        told, self._is_told = self._is_told, True
        why = f"the venue's weight suffices for its timer in {self._most} symbols at once"
        return "" if told else f"{why}: not wound in {symbol}, nor in others beyond that"

    def stop(self, now: int) -> None:
        """The desk ends in good order: what it leaves open is left open on purpose."""
        for symbol in self.wound:
            self._timer.arm_countdown(symbol, 0.0, now)
        self.wound.clear()

    def refused(self, symbol: str) -> bool:
        """The venue does not do it; whether that is news."""
        news = symbol not in self._refused
        self._refused.add(symbol)
        return news

    def _wanted(self) -> dict[str, None]:
        return {
            symbol: None
            for symbol, orders in self._ledger.open_by_symbol.items()
            if orders and all(self._may_go(order.id, order.is_ours) for order in orders.values())
        }

    def _may_go(self, order_id: str, is_ours: bool) -> bool:
        return is_ours and not (self._keep and is_protective(order_id))


def winder_for(
    config: DeskConfig,
    timer: object,
    row: Countdown | None,
    ledger: OrderLedger,
    *,
    limit_a_minute: int = 0,
) -> Winder | None:
    """None where the venue has no such timer, where it is not wanted, and on paper."""
    if row is None or not wants_countdown(config) or not isinstance(timer, Timer):
        return None
    symbols, keep = config.venue.symbols, config.watchdog.keep_protective
    return Winder(
        timer,
        row,
        ledger,
        keep_protective=keep,
        symbols=symbols,
        limit_a_minute=limit_a_minute,
    )


def wants_countdown(config: DeskConfig) -> bool:
    """Whether the timer is wound where there is one: as it says, else where the watchdog is."""
    asked_for, guarded = config.watchdog.countdown, config.watchdog.enabled
    usual = config.mode == "live" if guarded is None else guarded
    return config.mode != "paper" and (usual if asked_for is None else asked_for)
