"""What time alone brings about: drawdown, orders unknown or in doubt for too long, orders that
nobody answers.

House rules: pure; called a few times a second, whether or not anything came. It restricts, halts
and tells; it never sends an order.
"""

from __future__ import annotations

from decimal import Decimal

from pitwire.model.clock import SECOND
from pitwire.model.numbers import plain
from pitwire.model.orders import Command
from pitwire.trading.conduct import OVERDUE, unknown_for
from pitwire.trading.journal import Alerted, Journal
from pitwire.trading.limits import day_marks
from pitwire.trading.risk import Screen
from pitwire.trading.state import State

_BY = "risk"


class Oversight:
    """Looks at one account through its screen."""

    def __init__(self, screen: Screen, state: State, journal: Journal) -> None:
        self._screen, self._state, self._journal = screen, state, journal
        self._best: dict[str, Decimal] = {}
        """Quote asset → the day's best result."""
        self._day = -1
        self._told = ""
        """The unknown order that a person was told of."""
        self._doubted: set[str] = set()
        """Orders in doubt, likewise."""

    def tend(self, now: int) -> list[Command]:
        """Look at what has become of everything; the cancels of a halt, if there is one."""
        self._watch_drawdown(now)
        self._watch_unknown(now)
        self._watch_doubts(now)
        return self._watch_unanswered(now)

    def _watch_drawdown(self, now: int) -> None:
        allowed, screen = self._screen.limits.max_drawdown, self._screen
        if allowed is None:
            return
        portfolio = self._state.portfolio
        if portfolio.day > self._day:  # before it, the clock was set back: the day goes on
            self._best.clear()
        self._day = portfolio.day
        marks = day_marks(self._state)
        for quote in {holding.quote: None for holding in portfolio.holdings.values()}:
            result = portfolio.day_result(quote, marks)
            best = self._best[quote] = max(self._best.get(quote, Decimal(0)), result)
            if best - result >= allowed and not screen.reducing:
                fall = f"{plain(best - result)} {quote} below the day's best"
                screen.restrict(f"max_drawdown: {fall}, allowed {plain(allowed)}", _BY, now)
                self._alert(f"{fall}: from here on only orders that reduce a position", now)

    def _watch_unknown(self, now: int) -> None:
        allowed = self._screen.limits.max_unknown_seconds
        order = self._state.ledger.tally.oldest_unknown()
        if order is None or unknown_for(order, self._state, now) <= allowed * SECOND:
            self._told = ""
        elif self._told != order.id:
            self._told = order.id
            self._alert(
                f"order {order.id} in {order.symbol} is unknown for more than {allowed:g} s: "
                "no new orders until the venue has said what became of it",
                now,
            )

    def _watch_doubts(self, now: int) -> None:
        """An order of which the venue says one thing and another: asking alone may never end it."""
        allowed, ledger = self._screen.limits.max_unknown_seconds, self._state.ledger
        reached = self._state.reached_at
        if ledger.next_question() is None or reached is None:
            self._doubted.clear()
            return
        doubted = {one.id: one for one in ledger.in_doubt if one.doubt}
        self._doubted &= doubted.keys()
        for name, order in doubted.items():
            if name in self._doubted or now - max(order.doubted_at, reached) <= allowed * SECOND:
                continue
            self._doubted.add(name)
            counts = "counted in full" if order.is_open else f"taken for {order.state}"
            self._alert(
                f"order {name} in {order.symbol} is in doubt for more than {allowed:g} s, and "
                f"{counts}: {order.doubt}",
                now,
            )

    def _watch_unanswered(self, now: int) -> list[Command]:
        screen, limit = self._screen, self._screen.limits.max_unanswered_orders
        tally = self._state.ledger.tally
        if screen.halted or tally.unanswered < limit:
            return []
        waiting = (one for one in tally.flying.values() if one.is_ours)
        late = [one for one in waiting if now - one.made_at > OVERDUE]
        if len(late) < limit:
            return []
        reason = f"{len(late)} orders were sent and not answered, allowed {limit}"
        return screen.halt(reason, _BY, self._state, now)

    def _alert(self, text: str, now: int) -> None:
        self._journal.write(Alerted(at=now, text=text, level="error", rule=_BY))
