"""Our count beside the venue's: open orders, fills since the last one known, balances, positions.

At a start, after every loss, and now and then. House rules: it asks and compares and sends no
order; what differs is named once, when nothing on its way explains it, and never folded in; it
costs a tenth of the venue's weight at most.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol, TypeAlias

from pitwire.desk.health import OrdersHealth
from pitwire.model.clock import SECOND
from pitwire.model.numbers import plain
from pitwire.model.orders import OrderState
from pitwire.trading.engine import Engine
from pitwire.venues.venue import Venue, Weights

_SHARE = 0.1
"""Of the limit `weight`, at most."""
_ANSWERED = SECOND
"""By then the venue has usually answered."""
_AGAIN = 2 * SECOND
"""A difference is looked at again after this long, and named when it is still the same."""
_RETRY = 3 * SECOND
_OURS = ("open_orders", "account", "fills")
"""What questions of a round are told under, in `Unanswered` and `Rejected`."""
_ON_THE_WAY = (OrderState.NEW, OrderState.SENT, OrderState.UNKNOWN)
Name: TypeAlias = tuple[str, str]
"""`balance` or `position`, and of what."""
Pair: TypeAlias = tuple[Decimal, Decimal]
"""Ours, theirs."""


class Desk(Protocol):
    """Whom to ask."""

    @property
    def asks_fills(self) -> bool: ...

    @property
    def asks_account(self) -> bool: ...

    def has_room(self, weight: int, now: int) -> bool: ...

    def ask_fills_since(self, symbol: str, trade_id: str, since: int, now: int) -> None: ...

    def ask_open_orders(self, symbol: str, now: int) -> None: ...

    def ask_account(self, now: int) -> None: ...


class Stocktaking:
    """The rounds of one desk."""

    def __init__(self, outlet: Desk, engine: Engine, *, every_seconds: float = 0.0,
                 weights: Weights | None = None, limit_a_minute: int = 0) -> None:  # fmt: skip
        self._outlet, self._engine = outlet, engine
        self._every = round(every_seconds * SECOND)
        self._weights, self._limit = weights or Weights(), limit_a_minute
        self._next = 0
        self._taken_at = 0
        self._check_at = 0
        self._fills_of: dict[str, None] = {}
        """Symbols whose fills are to be asked for once nothing there is without a name."""
        told = engine.state.ledger.trades.told_up_to
        self._from = {symbol: str(last) for symbol, last in told.items()}
        """Symbol → the trade up to which every fill has been asked for and told."""
        self._asked_up_to: dict[str, str] = {}
        self._untold = False
        """Whether the venue has not told what traded when it was asked last."""
        self.is_held = False
        """Whether the rest of a round waits until the venue's limit has room for it."""
        self._seen: dict[Name, Pair] = {}
        self.named: dict[Name, Pair] = {}
        """What differs, as it was named."""

    def begin(self, now: int) -> None:
        """Everything has just been asked for: compare, and go on from here."""
        self._taken_at = now
        self._check_at = now + _ANSWERED
        self._next = now + self._period() if self._every else 0

    def take(self, now: int) -> None:
        """Ask for everything; what is missing or differs shows when it is answered."""
        self._outlet.ask_open_orders("", now)
        self._outlet.ask_account(now)
        # What the stream has told since the round before may not have been all.
        self._from.update(self._asked_up_to)
        self._asked_up_to.clear()
        self._untold = False
        self._fills_of.update(dict.fromkeys(self._symbols()))
        self.begin(now)

    def failed(self, what: str, now: int) -> None:
        """One of our questions came to nothing, which is no information: ask for all again soon."""
        if what == "fills":
            self._asked_up_to.clear()
            self._untold = True
        if what in _OURS:
            soon = now + _RETRY
            self._next = min(self._next, soon) if self._next else soon

    def owes(self, symbol: str) -> bool:
        """Whether the venue has to be asked still, or again, what traded here since a loss."""
        return self._untold or symbol in self._fills_of

    @property
    def is_done(self) -> bool:
        """Whether everything asked for has been compared, as far as it was answered."""
        return not (self._fills_of or self._check_at)

    def next_turn(self, now: int) -> int | None:
        """When `tend` may have something to do, ns, if nothing comes; None: not of its own
        accord."""
        if self._fills_of:
            return now
        return min([at for at in (self._next, self._check_at) if at], default=None)

    def health(self) -> OrdersHealth:
        """How our orders stand with the venue at this moment."""
        ledger = self._engine.state.ledger
        ours = [one for one in ledger.open.values() if one.is_ours]
        return OrdersHealth(
            open=len(ours),
            unknown=sum(one.state is OrderState.UNKNOWN for one in ours),
            in_doubt=len(ledger.in_doubt),
            foreign=len(ledger.open) - len(ours),
            differences=tuple(
                f"{what} {name}: ours {plain(ours)}, theirs {plain(theirs)}"
                for (what, name), (ours, theirs) in self.named.items()
            ),
        )

    def tend(self, now: int) -> None:
        """Now and then: a round when it is due, fills where they can be asked for, comparisons."""
        if self._engine.state.missed:
            self._catch_up()
        if self._next and now >= self._next:
            self.take(now)
        if self._fills_of:
            self._ask_fills(now)
        if self._check_at and now >= self._check_at and self._is_quiet():
            self._check(now)

    def _catch_up(self) -> None:
        """Let orders leave again where the venue has told what traded meanwhile."""
        state = self._engine.state
        if self._taken_at >= state.missed_at and not self._outlet.asks_fills:
            for symbol in [one for one in state.missed if not self.owes(one)]:
                del state.missed[symbol]

    def _period(self) -> int:
        """How long until the next round, ns: longer where it would cost too much."""
        if not self._limit:
            return self._every
        weights = self._weights
        fills = weights.fills * len(self._symbols())
        cost = weights.open_orders + weights.account + fills
        return max(self._every, round(60 * SECOND * cost / (self._limit * _SHARE)))

    def _symbols(self) -> list[str]:
        """Where we may have traded; without a time to begin at, only where we have."""
        state = self._engine.state
        known = {*state.ledger.trades.last}
        if state.portfolio.counted_from:
            known.update(state.instruments)
        return sorted(known)  # asked for in the same order in every run

    def _ask_fills(self, now: int) -> None:
        ledger, since = self._engine.state.ledger, self._engine.state.portfolio.counted_from
        waiting = [one for one in self._fills_of if not ledger.is_waiting(one)]
        self.is_held = False
        for symbol in sorted(waiting, key=self._turn):
            if not self._outlet.has_room(self._weights.fills, now):
                self.is_held = True
                return
            del self._fills_of[symbol]
            # The last one comes again: a trade with ourselves has one id and two sides.
            begin = self._from.get(symbol, "" if since else str(ledger.trades.last[symbol]))
            self._outlet.ask_fills_since(symbol, begin, since, now)
            if symbol in ledger.trades.last:
                self._asked_up_to[symbol] = str(ledger.trades.last[symbol])
            self._check_at = max(self._check_at, now + _ANSWERED)

    def _turn(self, symbol: str) -> tuple[bool, bool]:
        """First where no order may leave until it is told, then where we have something at stake.

        A question that fails begins another round: those that are still closed come before those
        that it has told, however often that happens.
        """
        state = self._engine.state
        has = state.ledger.open_by_symbol.get(symbol) or state.portfolio.position(symbol)
        return symbol not in state.missed, not has

    def _is_quiet(self) -> bool:
        """Whether nothing that we know of is on its way."""
        ledger = self._engine.state.ledger
        flying = any(one.state in _ON_THE_WAY for one in ledger.open.values())
        asks = self._outlet.asks_fills or self._outlet.asks_account
        told = not (self._fills_of or asks)
        return told and not (flying or ledger.in_doubt)

    def _check(self, now: int) -> None:
        found = self._differences()
        same = {name: pair for name, pair in found.items() if self._is_same(name, pair)}
        for name, pair in same.items():
            if not _differs_alike(self.named.get(name), pair):
                self.named[name] = pair
                self._engine.differed(*name, *pair, now)
        for name in [one for one in self.named if one not in found]:
            del self.named[name]
            ours = self._ours(name)
            self._engine.differed(*name, ours, ours, now)
        self._seen, self._check_at = found, 0
        if len(same) < len(found):
            self._outlet.ask_account(now)
            self._check_at = now + _AGAIN

    def _is_same(self, name: Name, pair: Pair) -> bool:
        return _differs_alike(self._seen.get(name), pair)

    def _differences(self) -> dict[Name, Pair]:
        portfolio = self._engine.state.portfolio
        found: dict[Name, Pair] = {
            ("balance", one.asset): (one.ours, one.theirs) for one in portfolio.differences()
        }
        for symbol, position in portfolio.venue_positions.items():
            ours = portfolio.position(symbol)
            if ours != position.size:
                found["position", symbol] = (ours, position.size)
        return found

    def _ours(self, name: Name) -> Decimal:
        portfolio, (what, of) = self._engine.state.portfolio, name
        if what == "position":
            return portfolio.position(of)
        balance = portfolio.balances.get(of)
        return Decimal(0) if balance is None else balance.free + balance.locked


def stock_at(venue: Venue, outlet: Desk, engine: Engine, *, every_seconds: float) -> Stocktaking:
    """The rounds of a desk at this venue, by what it takes for an answer."""
    limit = weight_a_minute(venue)
    return Stocktaking(
        outlet, engine, every_seconds=every_seconds, weights=venue.weights, limit_a_minute=limit
    )


def weight_a_minute(venue: Venue) -> int:
    """What may be spent of the limit `weight` in a minute; 0 where there is none."""
    rates = [
        limit.count * 60 / limit.per_seconds
        for limit in venue.limits
        if limit.scope == "weight" and limit.per_seconds
    ]
    return round(min(rates, default=0.0))


def _differs_alike(before: Pair | None, now: Pair) -> bool:
    return before is not None and before[1] - before[0] == now[1] - now[0]
