"""Seeded traders that keep a market alive around a fair value of their own.

House rules: a crowd acts only when its deadline is handled and only through the exchange's own
commands; every draw comes from a named stream of its seed, so the same seed and the same calls make
the same market; its accounts are unlimited, and so are quiet.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Callable

from pitwire.model.clock import SECOND
from pitwire.model.entropy import Entropy
from pitwire.model.orders import Side
from pitwire.sim.exchange import Exchange
from pitwire.sim.facts import Kind, NewOrder, SimOrder, Stp, Tif
from pitwire.sim.scenarios import BIPS, Scenario


class Quotes:
    """The makers' orders on one side, best first."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self._sign = -1 if side is Side.BUY else 1
        self._keys: list[int] = []
        self._orders: dict[int, SimOrder] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, order: SimOrder) -> None:
        """Remember an order that rests; one a price."""
        insort(self._keys, self._sign * order.price)
        self._orders[order.price] = order

    def has(self, price: int) -> bool:
        """Whether an order of ours still rests at this price."""
        order = self._orders.get(price)
        if order is not None and not order.on_book:
            self._forget(price)
            return False
        return order is not None

    def take(self, index: int) -> SimOrder | None:
        """Remove and return the order at this place; None when it was filled meanwhile."""
        price = self._sign * self._keys[index]
        order = self._orders[price]
        self._forget(price)
        return order if order.on_book else None

    def beyond(self, price: int) -> int:
        """How many of ours are better than this price."""
        return bisect_left(self._keys, self._sign * price)

    def _forget(self, price: int) -> None:
        del self._orders[price]
        del self._keys[bisect_left(self._keys, self._sign * price)]


class Crowd:
    """Makers, takers and followers in one symbol of one exchange."""

    def __init__(
        self, exchange: Exchange, symbol: str, scenario: Scenario, entropy: Entropy
    ) -> None:
        self.scenario = scenario
        self.symbol = symbol
        self._exchange = exchange
        self._listing = exchange.pit(symbol).listing
        self._names = {role: f"crowd/{symbol}/{role}" for role in ("makers", "takers", "followers")}
        for name in self._names.values():
            exchange.open_account(name, {}, unlimited=True)
        self._fair = float(self._start_price())
        self._bids, self._asks = Quotes(Side.BUY), Quotes(Side.SELL)
        self._chances = {role: entropy.stream(f"crowd {symbol} {role}") for role in self._names}
        self._drift = entropy.stream(f"crowd {symbol} fair value")
        self._started = -1
        self._opens: int | None = None
        """When the market will begin, once it is known."""
        self._moved = 0
        self._remembered = self._fair
        self._due: dict[str, int] = {}
        self._acts: dict[str, Callable[[int], None]] = {
            "makers": self._refresh,
            "takers": self._strike,
            "followers": self._follow,
        }

    @property
    def fair(self) -> float:
        """What the crowd thinks the price should be, in ticks."""
        return self._fair

    def next_deadline(self) -> int:
        """When `handle_deadline` should next be called; 0 (at once) before the first time."""
        return min(self._due.values()) if self._due else self._opens or 0

    def handle_deadline(self, now: int) -> None:
        """Open the market the first time; later, let whoever is due act."""
        if self._started < 0:
            self._wait_or_open(now)
            return
        is_open = self._exchange.listings[self.symbol].status == "TRADING"
        while (role := min(self._due, key=self._due.__getitem__)) and self._due[role] <= now:
            at = self._due[role]
            if is_open:
                self._acts[role](now)
            self._due[role] = at + self._pause(role, at)

    def nudge(self, bips: float, now: int) -> None:
        """Push the fair value by basis points and let the market trade there at once."""
        if self._started < 0:
            self._opens = now  # the push opens a market that was to open later
            self._wait_or_open(now)
        self._fair *= 1 + bips / BIPS
        self._chase(now, swept=1.0)
        self._replenish(now, self.scenario.levels)
        # The old book may have ended short of the new price; one trade shows where it is.
        side = Side.BUY if bips > 0 else Side.SELL
        self._take("takers", side, self._lots("takers", self.scenario.take_value), now)

    # ── makers ────────────────────────────────────────────────────────────────────────────────

    def _wait_or_open(self, now: int) -> None:
        if self._opens is None:
            self._opens = now + round(self.scenario.opens_at_seconds * SECOND)
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
        self._replenish(now, 2 * self.scenario.levels)
        self._due = {role: now + self._pause(role, now) for role in self._names}

    def _refresh(self, now: int) -> None:
        self._move(now)
        self._chase(now, swept=self.scenario.swept)
        self._churn(now)
        self._replenish(now, 4)

    def _move(self, now: int) -> None:
        """Let the fair value wander as far as the time since the last move allows."""
        seconds = max(now - self._moved, 0) / SECOND
        self._moved = now
        if seconds == 0:
            return
        scenario, begun = self.scenario, (now - self._started) / SECOND
        sigma = scenario.volatility_bips * math.sqrt(seconds)
        step = self._drift.gauss(scenario.drift_bips * seconds, sigma)
        step += scenario.crash_bips(begun - seconds, begun)
        lowest = self._listing.min_price + 2.0
        self._fair = max(self._fair * math.exp(step / BIPS), lowest)

    def _chase(self, now: int, *, swept: float) -> None:
        """Quotes that the fair value has run over are swept by the informed, or withdrawn."""
        bid, ask = self._touch()
        for quotes, price, side in (
            (self._asks, bid, Side.BUY),
            (self._bids, ask, Side.SELL),
        ):
            stale = quotes.beyond(price + (1 if side is Side.BUY else -1))
            if stale and self._chances["takers"].random() < swept:
                self._cross(side, price, now)
            for _ in range(quotes.beyond(price + (1 if side is Side.BUY else -1))):
                self._withdraw(quotes, 0, now)

    def _cross(self, side: Side, price: int, now: int) -> None:
        """Take everything up to a price."""
        pit = self._exchange.pit(self.symbol)
        lots = sum(level.shown for level in pit.book.against(side).within(price))
        if lots:
            self._take("takers", side, lots, now, price=price)

    def _churn(self, now: int) -> None:
        """Makers change their minds somewhere in the book."""
        chance = self._chances["makers"]
        for quotes in (self._bids, self._asks):
            if len(quotes) and chance.random() < self.scenario.churn:
                deep = int(len(quotes) * chance.random() ** 2)
                self._withdraw(quotes, deep, now)
            for _ in range(min(len(quotes) - self.scenario.levels, 2)):
                self._withdraw(quotes, -1, now)

    def _replenish(self, now: int, most: int) -> None:
        """Fill both sides up, at most so many orders a side."""
        chance, levels = self._chances["makers"], self._wanted_levels(now)
        bid, ask = self._touch()
        for quotes, touch in ((self._bids, bid), (self._asks, ask)):
            if not quotes.has(touch):
                self._quote(quotes, touch, now)
            tries = min(most, levels - len(quotes))
            for _ in range(max(tries, 0)):
                away = self._distance(chance.random(), levels)
                price = touch - away if quotes.side is Side.BUY else touch + away
                if not quotes.has(price):
                    self._quote(quotes, price, now)

    def _wanted_levels(self, now: int) -> int:
        """Makers step back while prices fall."""
        scenario = self.scenario
        falls = scenario.is_crashing((now - self._started) / SECOND)
        return max(scenario.levels // 4, 2) if falls else scenario.levels

    def _distance(self, draw: float, levels: int) -> int:
        """Ticks from the touch: dense near it, thinner with distance."""
        gap = max(self._fair * self.scenario.gap_bips / BIPS, 1.0)
        return round(gap * levels * math.pow(draw, 1.7)) + (draw > 0.02)

    def _quote(self, quotes: Quotes, price: int, now: int) -> None:
        listing = self._listing
        if price < max(listing.min_price, 1) or (listing.max_price and price > listing.max_price):
            return
        lots = self._lots("makers", self.scenario.quote_value)
        order = self._place("makers", quotes.side, now, kind=Kind.LIMIT, lots=lots, price=price)
        if order.on_book:
            quotes.add(order)

    def _withdraw(self, quotes: Quotes, index: int, now: int) -> None:
        order = quotes.take(index)
        if order is not None:
            self._exchange.cancel(order.account, self.symbol, order_id=order.order_id, now=now)

    def _touch(self) -> tuple[int, int]:
        """Where the makers want the best bid and ask."""
        half = self._fair * self.scenario.spread_bips / BIPS / 2
        bid = max(math.floor(self._fair - half), max(self._listing.min_price, 1))
        return bid, max(math.ceil(self._fair + half), bid + 1)

    # ── takers and followers ──────────────────────────────────────────────────────────────────

    def _strike(self, now: int) -> None:
        chance = self._chances["takers"]
        side = Side.BUY if chance.random() < self.scenario.buyers else Side.SELL
        self._take("takers", side, self._lots("takers", self.scenario.take_value), now)

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
        lots = self._lots("followers", self.scenario.take_value)
        self._take("followers", side, lots, now)

    def _take(
        self, role: str, side: Side, lots: int, now: int, *, price: int | None = None
    ) -> None:
        if price is None:
            self._place(role, side, now, kind=Kind.MARKET, lots=lots)
        else:
            self._place(role, side, now, kind=Kind.LIMIT, lots=lots, price=price, tif=Tif.IOC)

    def _place(
        self,
        role: str,
        side: Side,
        now: int,
        *,
        kind: Kind,
        lots: int,
        price: int | None = None,
        tif: Tif = Tif.GTC,
    ) -> SimOrder:
        request = NewOrder(
            account=self._names[role],
            symbol=self.symbol,
            side=side,
            kind=kind,
            tif=tif,
            lots=lots,
            price=price,
            stp=Stp.NONE,
        )
        return self._exchange.place(request, now)

    # ── draws ─────────────────────────────────────────────────────────────────────────────────

    def _pause(self, role: str, at: int) -> int:
        rate = self.scenario.rate(role, (at - self._started) / SECOND)
        if rate <= 0:
            return 3600 * SECOND
        return max(round(self._chances[role].expovariate(rate) * SECOND), 1)

    def _lots(self, role: str, value: float) -> int:
        """A size worth about so much, spread widely."""
        drawn = value * self._chances[role].lognormvariate(-0.5, 1.0)
        worth = self._fair * float(self._exchange.pit(self.symbol).terms.unit)
        return max(round(drawn / worth), self._listing.min_lots, 1)

    def _start_price(self) -> int:
        price = self._exchange.last_price(self.symbol)
        if price <= 0:
            raise ValueError(
                f"{self.symbol}: found start_price {price}, expected one for a crowd to begin at"
            )
        return price
