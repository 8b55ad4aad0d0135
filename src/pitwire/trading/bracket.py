"""The bracket: an entry, a take profit and a stop; when one leg fills the other goes.

House rules: a leg is known by its tag and counted by what the ledger says of it; the legs together
never ask for more than the entry filled; a leg that came to nothing is wished again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from enum import StrEnum

import msgspec

from pitwire.model import events as ev
from pitwire.model.clock import SECOND
from pitwire.model.orders import Amend, Side
from pitwire.trading.conditions import Condition
from pitwire.trading.market_conditions import PriceFeed, PriceName
from pitwire.trading.ready import RETRY, Distance
from pitwire.trading.rules import Watch, flatten
from pitwire.trading.state import State
from pitwire.trading.tracked import ZERO, Tracked
from pitwire.trading.trigger import Action, Trigger
from pitwire.trading.wishes import Draft, Wish, alert, cancel, order

_ENTER_AGAIN = 5 * SECOND
_ATTEMPTS = 3


class Stage(StrEnum):
    """Where a bracket is."""

    WAITING = "waiting"
    ENTERING = "entering"
    HOLDING = "holding"
    DONE = "done"


class Bracket:
    """Enters by `entry`, once `when` fires (at once without it), and leaves by the better of two.

    The legs are placed when the entry is over, for as much as it filled; `entry_seconds` cancels
    what is left of it after that long. With `resting_stop` both legs rest at the venue, and on a
    spot account each of them locks the asset, so the account must hold it twice. Without, the take
    profit rests and the stop is watched here: when the price touches it, the take profit is
    cancelled and what is left is closed at market.
    """

    def __init__(
        self,
        name: str,
        symbol: str,
        entry: Action,
        *,
        take_profit: Distance,
        stop: Distance,
        when: Condition | None = None,
        resting_stop: bool = False,
        of: PriceName = "last",
        entry_seconds: float | None = None,
        repeat: bool = False,
    ) -> None:
        self.name = name
        self.symbol = symbol
        self.stage = Stage.WAITING
        self._entry = entry
        self._take_profit = take_profit
        self._stop = stop
        self._trigger = None if when is None else Trigger(name, when, [entry])
        self._resting_stop = resting_stop
        self._entry_for = None if entry_seconds is None else round(entry_seconds * SECOND)
        self._repeat = repeat
        self._feed = PriceFeed(symbol, of)
        own = (Watch(ev.Update, symbol), Watch(ev.Fill, symbol))
        asked = () if when is None else when.watches
        self.watches: Sequence[Watch] = flatten([*self._feed.watches, *own, asked])
        self._since = 0
        self._patience: int | None = None
        self._failed = 0
        self._begin()

    def _begin(self) -> None:
        self._sign = 1
        self._orders: dict[str, list[Tracked]] = {}
        self._tried: dict[str, int] = {}
        self._fees: dict[str, Decimal] = {}
        self._stopping = False
        self._taken = False

    def next_wake(self) -> int | None:
        """At once to enter without a condition; then when the patience with the entry ends."""
        wake = None if self._trigger is None else self._trigger.next_wake()
        if self.stage is Stage.WAITING and self._trigger is None:
            return self._since
        if self.stage is Stage.ENTERING and self._patience is not None:
            return self._patience if wake is None else min(wake, self._patience)
        return wake

    def react(self, state: State, now: int) -> Iterator[Wish]:
        self._learn(state)
        # Looked at in every stage, so that the condition's memory stays right.
        fired = () if self._trigger is None else self._trigger.react(state, now)
        match self.stage:
            case Stage.WAITING:
                at_once = self._trigger is None and now >= self._since
                yield from self._enter(self._entry(state) if at_once else fired, now)
            case Stage.ENTERING:
                yield from self._await_entry(state, now)
            case Stage.HOLDING:
                yield from self._hold(state, now)
            case Stage.DONE:
                return

    # ── entering ──────────────────────────────────────────────────────────────────────────────

    def _enter(self, wishes: Iterable[Wish], now: int) -> Iterator[Wish]:
        for wish in wishes:
            if isinstance(wish, Draft):
                self._begin()
                self._sign = 1 if wish.side is Side.BUY else -1
                self._since = now
                self._patience = None if self._entry_for is None else now + self._entry_for
                self.stage = Stage.ENTERING
                yield msgspec.structs.replace(wish, tag=self._tag("entry"))
            else:
                self._since = now + RETRY
                yield wish

    def _await_entry(self, state: State, now: int) -> Iterator[Wish]:
        entries = self._orders.get("entry")
        if not entries:
            if now >= self._since + RETRY:
                yield from self._came_to_nothing("refused by risk", now)
            return
        entry = entries[-1]
        if entry.is_open:
            if self._patience is not None and now >= self._patience:
                self._patience = now + RETRY
                yield cancel(order_id=entry.id)
        elif entry.missing:
            return
        elif entry.filled:
            self.stage, self._failed = Stage.HOLDING, 0
            yield from self._hold(state, now)
        else:
            yield from self._came_to_nothing(entry.state, now)

    def _came_to_nothing(self, why: str, now: int) -> Iterator[Wish]:
        """Wait for the condition again; without one, try a few times and say so."""
        self._failed += 1
        self.stage, self._since = Stage.WAITING, now + _ENTER_AGAIN
        if self._trigger is None and self._failed == _ATTEMPTS:
            self.stage = Stage.DONE
            text = f"{self.name}: the entry came to nothing {_ATTEMPTS} times, last: {why}"
            yield alert(text, level="error", symbol=self.symbol)

    def _leave(self, now: int) -> None:
        self.stage = Stage.WAITING if self._repeat else Stage.DONE
        self._since = now + RETRY

    # ── holding ───────────────────────────────────────────────────────────────────────────────

    def _hold(self, state: State, now: int) -> Iterator[Wish]:
        left = self._left()
        if self._taken and left > 0:
            if self._may_try("taken", now):
                text = f"{self.name}: somebody else closed the position, {left} was left of it"
                yield alert(text, level="error", symbol=self.symbol)
            yield from self._end(ZERO, now)
            return
        if left <= 0 or left < self._lot(state):
            yield from self._end(left, now)
            return
        profit, stop = self._open("profit"), self._open("stop")
        if self._resting_stop:
            yield from self._keep(stop, "stop", left, state, now)
            yield from self._keep(profit, "profit", left, state, now)
            return
        price = self._feed.shown(state)
        if price is not None and self._sign * (price - float(self._level("stop", state))) <= 0:
            self._stopping = True
        if not self._stopping:
            yield from self._keep(profit, "profit", left, state, now)
        elif profit is not None:
            yield cancel(order_id=profit.id)
        elif stop is None and self._may_try("stop", now):
            yield self._exit("stop", left)

    def _keep(
        self, leg: Tracked | None, name: str, left: Decimal, state: State, now: int
    ) -> Iterator[Wish]:
        """Have this leg open for what is left: place it, or make it smaller."""
        if leg is None:
            if self._may_try(name, now):
                yield self._exit(name, left, self._level(name, state))
        elif _is_too_large(leg, left) and self._may_try(f"{name} amend", now):
            yield Amend(order_id=leg.id, size=leg.done + left)

    def _exit(self, name: str, left: Decimal, level: Decimal | None = None) -> Draft:
        side = Side.SELL if self._sign > 0 else Side.BUY
        return order(
            self.symbol,
            side,
            size=left,
            price=level if name == "profit" else None,
            stop_price=level if name == "stop" else None,
            protective=True,
            tag=self._tag(name),
        )

    def _end(self, left: Decimal, now: int) -> Iterator[Wish]:
        for name in ("profit", "stop"):
            leg = self._open(name)
            if leg is not None:
                yield cancel(order_id=leg.id)
        if left < 0:
            text = f"{self.name}: both legs traded, {-left} too much"
            yield alert(text, level="error", symbol=self.symbol)
        if left < 0 or not (self._open("profit") or self._open("stop")):
            self._leave(now)

    # ── what is known ─────────────────────────────────────────────────────────────────────────

    def _tag(self, leg: str) -> str:
        return f"{self.name}/{leg}"

    def _learn(self, state: State) -> None:
        """Find our legs: among the open orders, and by what is being shown."""
        for found in state.ledger.open_of(self.symbol):
            self._note(found)
        event = state.event
        if isinstance(event, ev.Update | ev.Fill) and event.symbol == self.symbol:
            named = state.ledger.find(event.order_id, event.venue_id, event.symbol)
            if named is not None:
                self._note(named)
                if isinstance(event, ev.Fill) and named.tag == self._tag("entry"):
                    self._note_fee(event, state)
                if isinstance(event, ev.Fill) and not named.is_ours:
                    self._note_stranger(event, state)

    def _note(self, found: Tracked) -> None:
        leg = found.tag.removeprefix(f"{self.name}/")
        if leg in ("entry", "profit", "stop") and found.tag == self._tag(leg):
            known = self._orders.setdefault(leg, [])
            if found not in known and found.made_at >= self._since:
                known.append(found)

    def _note_stranger(self, fill: ev.Fill, state: State) -> None:
        """A liquidation, or a person's: on margin, a leg would then open what it was to close."""
        instrument = state.instruments.get(self.symbol)
        against = (fill.side is Side.SELL) == (self._sign > 0)
        if self.stage is Stage.HOLDING and against and instrument is not None and instrument.margin:
            self._taken |= state.portfolio.position(self.symbol) * self._sign <= 0

    def _note_fee(self, fill: ev.Fill, state: State) -> None:
        instrument = state.instruments.get(self.symbol)
        if instrument is not None and fill.fee_asset == instrument.base and self._sign > 0:
            self._fees[fill.trade_id] = fill.fee

    def _left(self) -> Decimal:
        """What the entry brought, less its fees in the asset itself, less what the legs sold."""
        brought = sum((entry.done for entry in self._orders["entry"]), ZERO)
        gone = sum(
            (leg.done for name in ("profit", "stop") for leg in self._orders.get(name, ())), ZERO
        )
        return brought - sum(self._fees.values(), ZERO) - gone

    def _open(self, leg: str) -> Tracked | None:
        return next((one for one in self._orders.get(leg, ()) if one.is_open), None)

    def _level(self, leg: str, state: State) -> Decimal:
        entry = self._orders["entry"][-1]
        price = float(entry.average_price or entry.price or 0)
        if leg == "profit":
            away = self._sign * self._take_profit.from_price(price, state, self.symbol)
        else:
            away = -self._sign * self._stop.from_price(price, state, self.symbol)
        instrument = state.instruments[self.symbol]
        return instrument.price(price + away)

    def _lot(self, state: State) -> Decimal:
        instrument = state.instruments.get(self.symbol)
        return ZERO if instrument is None else instrument.lot

    def _may_try(self, what: str, now: int) -> bool:
        tried = self._tried.get(what)
        if tried is not None and now < tried + RETRY:
            return False
        self._tried[what] = now
        return True


def _is_too_large(leg: Tracked, left: Decimal) -> bool:
    return leg.remaining is not None and leg.remaining > left and leg.amend_to is None
