"""Seeded traders that keep a market alive around a fair value of their own.

House rules: a crowd acts only when its deadline is handled and only through the exchange's own
commands; every draw comes from a named stream of its seed, so the same seed and the same calls make
the same market; its accounts are unlimited, and so are quiet.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from heapq import heapify, heapreplace
from math import log

from pitwire.model.clock import SECOND
from pitwire.model.entropy import Entropy
from pitwire.model.orders import Side
from pitwire.sim.exchange import Exchange
from pitwire.sim.quiet import Hand
from pitwire.sim.quotes import MakeQuotes, Quotes, fastest, worth_about
from pitwire.sim.scenarios import BIPS, Scenario

_NO_END = 1 << 62
_PLACED_AT_ONCE = 4
"""How many orders a refresh adds to a side at most, beside the best."""
_ROLES = ("makers", "takers", "followers")


class Crowd:
    """Makers, takers and followers in one symbol of one exchange."""

    def __init__(
        self,
        exchange: Exchange,
        symbol: str,
        scenario: Scenario,
        entropy: Entropy,
        *,
        quotes: MakeQuotes = fastest,
    ) -> None:
        self.scenario = scenario
        self.symbol = symbol
        self._exchange = exchange
        listing = exchange.pit(symbol).listing
        self._lowest, self._highest = max(listing.min_price, 1), listing.max_price or _NO_END
        self._bottom = listing.min_price + 2.0
        """Below this, in ticks, the fair value does not fall."""
        self._least = max(listing.min_lots, 1)
        self._unit = float(exchange.pit(symbol).terms.unit)
        """Worth of a lot at a tick."""
        for role in _ROLES:
            exchange.open_account(f"crowd/{symbol}/{role}", {}, unlimited=True)
        self._fair = float(self._start_price())
        self._draws = {role: entropy.stream(f"crowd {symbol} {role}").random for role in _ROLES}
        self._hands = {
            (role, side is Side.BUY): self._quotes(role, side, quotes)
            for role in _ROLES
            for side in Side
        }
        self._bids, self._asks = self._hands["makers", True], self._hands["makers", False]
        self._others = self._asks, self._hands["takers", True], self._hands["takers", False]
        self._manners = (
            scenario.swept,
            scenario.churn,
            scenario.levels,
            scenario.quote_value,
            _PLACED_AT_ONCE,
        )
        self._rates = {role: scenario.rate(role, -1.0) for role in _ROLES}
        """Acts a second where no burst is on."""
        self._drift = entropy.stream(f"crowd {symbol} fair value")
        self._started = -1
        self._opens: int | None = None
        """When the market will begin, once it is known."""
        self._moved = 0
        self._remembered = self._fair
        self._due: list[tuple[int, int]] = []
        """When which role acts next, by its place in `_ROLES`; a heap."""
        self._next = 0
        self._acts = (self._refresh, self._strike, self._follow)

    @property
    def fair(self) -> float:
        """What the crowd thinks the price should be, in ticks."""
        return self._fair

    def next_deadline(self) -> int:
        """When `handle_deadline` should next be called; 0 (at once) before the first time."""
        return self._next

    def handle_deadline(self, now: int) -> None:
        """Open the market the first time; later, let whoever is due act."""
        if self._started < 0:
            self._wait_or_open(now)
            return
        is_open = self._exchange.listings[self.symbol].status == "TRADING"
        due = self._due
        while due[0][0] <= now:
            at, role = due[0]
            if is_open:
                self._acts[role](now)
            heapreplace(due, (at + self._pause(_ROLES[role], at), role))
        self._next = due[0][0]

    def nudge(self, bips: float, now: int) -> None:
        """Push the fair value by basis points and let the market trade there at once."""
        if self._started < 0:
            self._opens = now  # the push opens a market that was to open later
            self._wait_or_open(now)
        self._fair *= 1 + bips / BIPS
        bid, ask = touch = self._touch()
        self._bids.chase(self._others, bid, ask, 1.0, now)
        self._replenish(touch, now, self.scenario.levels)
        # The old book may have ended short of the new price; one trade shows where it is.
        side = Side.BUY if bips > 0 else Side.SELL
        self._take("takers", side, now)

    # ── makers ────────────────────────────────────────────────────────────────────────────────

    def _wait_or_open(self, now: int) -> None:
        if self._opens is None:
            self._opens = self._next = now + round(self.scenario.opens_at_seconds * SECOND)
            if self._opens > now:
                self._exchange.set_status(self.symbol, "BREAK", now)
        if now >= self._opens:
            if self._exchange.listings[self.symbol].status == "BREAK":
                self._exchange.set_status(self.symbol, "TRADING", now)
            self._open(now)

    def _open(self, now: int) -> None:
        self._started = self._moved = now
        for halt in self.scenario.halts:
            begin = now + round(halt.at_seconds * SECOND)
            end = begin + round(halt.for_seconds * SECOND)
            self._exchange.schedule_status(self.symbol, halt.status, begin)
            self._exchange.schedule_status(self.symbol, "TRADING", end)
        self._replenish(self._touch(), now, 2 * self.scenario.levels)
        self._due = sorted(
            (now + self._pause(role, now), place) for place, role in enumerate(_ROLES)
        )
        self._next = self._due[0][0]

    def _refresh(self, now: int) -> None:
        self._move(now)
        bid, ask = self._touch()
        levels = self._wanted_levels(now)
        spread, per_lot = self._spread(levels), self._fair * self._unit
        self._bids.refresh(self._others, self._manners, bid, ask, levels, spread, per_lot, now)

    def _move(self, now: int) -> None:
        """Let the fair value wander as far as the time since the last move allows."""
        seconds = max(now - self._moved, 0) / SECOND
        self._moved = now
        if seconds == 0:
            return
        scenario = self.scenario
        sigma = scenario.volatility_bips * math.sqrt(seconds)
        step = self._drift.gauss(scenario.drift_bips * seconds, sigma)
        if scenario.crashes:
            begun = (now - self._started) / SECOND
            step += scenario.crash_bips(begun - seconds, begun)
        lowest = self._bottom
        self._fair = max(self._fair * math.exp(step / BIPS), lowest)

    def _replenish(self, touch: tuple[int, int], now: int, most: int) -> None:
        """Fill both sides up, at most so many orders a side."""
        levels = self._wanted_levels(now)
        spread, per_lot = self._spread(levels), self._fair * self._unit
        worth = self.scenario.quote_value
        for quotes, best in ((self._bids, touch[0]), (self._asks, touch[1])):
            quotes.fill(best, most, levels, spread, worth, per_lot, now)

    def _spread(self, levels: int) -> float:
        """How far behind the best so many levels reach, in ticks."""
        return max(self._fair * self.scenario.gap_bips / BIPS, 1.0) * levels

    def _wanted_levels(self, now: int) -> int:
        """Makers step back while prices fall."""
        scenario = self.scenario
        falls = scenario.crashes and scenario.is_crashing((now - self._started) / SECOND)
        return max(scenario.levels // 4, 2) if falls else scenario.levels

    def _touch(self) -> tuple[int, int]:
        """Where the makers want the best bid and ask."""
        half = self._fair * self.scenario.spread_bips / BIPS / 2
        bid = max(math.floor(self._fair - half), self._lowest)
        return bid, max(math.ceil(self._fair + half), bid + 1)

    # ── takers and followers ──────────────────────────────────────────────────────────────────

    def _strike(self, now: int) -> None:
        side = Side.BUY if self._draws["takers"]() < self.scenario.buyers else Side.SELL
        self._take("takers", side, now)

    def _follow(self, now: int) -> None:
        """Buy what has risen, sell what has fallen since the last look."""
        last = self._exchange.last_price(self.symbol)
        if not self._remembered:
            self._remembered = last
        moved = (last / self._remembered - 1) * BIPS
        self._remembered = last
        if abs(moved) < self.scenario.follow_bips:
            return
        side = Side.BUY if moved > 0 else Side.SELL
        self._take("followers", side, now)

    def _take(self, role: str, side: Side, now: int) -> None:
        per_lot = self._fair * self._unit
        lots = worth_about(self._draws[role], self.scenario.take_value, per_lot)
        self._hands[role, side is Side.BUY].take(max(lots, self._least), now)

    # ── draws ─────────────────────────────────────────────────────────────────────────────────

    def _pause(self, role: str, at: int) -> int:
        rate = self._rates[role]
        if self.scenario.bursts:
            rate = self.scenario.rate(role, (at - self._started) / SECOND)
        if rate <= 0:
            return 3600 * SECOND
        # `expovariate`, draw for draw
        return max(round(-log(1.0 - self._draws[role]()) / rate * SECOND), 1)

    def _quotes(self, role: str, side: Side, make: MakeQuotes) -> Quotes:
        hand = Hand(self._exchange, self.symbol, f"crowd/{self.symbol}/{role}", side)
        return make(hand, self._draws[role], self._least, self._lowest, self._highest)

    def _start_price(self) -> int:
        price = self._exchange.last_price(self.symbol)
        if price <= 0:
            raise ValueError(
                f"{self.symbol}: found start_price {price}, expected one for a crowd to begin at"
            )
        return price


class Crowds:
    """All of a venue as one: each acts at its time, in their order where two are due at once."""

    def __init__(self, crowds: Iterable[Crowd]) -> None:
        self._crowds = tuple(crowds)

    def next_deadline(self) -> int | None:
        """When `handle_deadline` should next be called."""
        return min([crowd._next for crowd in self._crowds], default=None)

    def handle_deadline(self, now: int) -> None:
        """Let those act that are due."""
        for crowd in self._crowds:
            if crowd._next <= now:
                crowd.handle_deadline(now)

    def act_alone(self, until: int, most: int) -> int:
        """Let them act by themselves, up to a time and at most so often: how often they did."""
        crowds, count = self._crowds, 0
        due = [(crowd._next, place) for place, crowd in enumerate(crowds)]
        heapify(due)
        while due and due[0][0] <= until and count < most:
            at, place = due[0]
            crowd = crowds[place]
            crowd.handle_deadline(at)
            heapreplace(due, (crowd._next, place))
            count += 1
        return count
