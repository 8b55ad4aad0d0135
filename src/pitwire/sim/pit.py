"""One symbol's trading place: its book, its stops, its orders and its counters.

House rules: a pit remembers and counts, it decides nothing; all counters are dense per symbol and
begin at 1; what quiet accounts did is forgotten once it is over, so that a crowd costs no memory,
and of everybody else's a stated number is kept.
"""

from __future__ import annotations

import math
import sys
from collections import deque
from itertools import islice

from pitwire.model.clock import SECOND
from pitwire.sim.accounts import Terms
from pitwire.sim.facts import Listing, PublicTrade, Refusal, Refused, SimOrder, Traded
from pitwire.sim.filters import Ratio, Rules
from pitwire.sim.matching import Book
from pitwire.sim.past import Past
from pitwire.sim.stops import Stops

KEPT_TRADES = 5_000
"""Public trades of a symbol that can still be asked for: five of the largest answers."""

KEPT_ORDERS = 10_000
"""Finished orders of an account in a symbol that can still be found; the oldest go first."""

KEPT_OWN_TRADES = 10_000
"""Trades of an account in a symbol that can still be asked for."""

AVERAGE_MINUTES = 5
"""Longest window of the average price (binance §7.1, avgPriceMins)."""


class Average:
    """Volume-weighted price of the last minutes, kept by the second."""

    def __init__(self) -> None:
        self._seconds: deque[list[int]] = deque()
        self._units = 0
        self._lots = 0

    def add(self, price: int, lots: int, now: int) -> None:
        """Count a trade."""
        self.count(price * lots, lots, now)

    def count(self, units: int, lots: int, now: int) -> None:
        """Count trades of so many lots, and their prices × lots."""
        second = now // SECOND
        seconds = self._seconds
        if not seconds or seconds[-1][0] != second:
            seconds.append([second, 0, 0])
            self._expire(second)
        last = seconds[-1]
        last[1] += units
        last[2] += lots
        self._units += units
        self._lots += lots

    def ratio(self, now: int, minutes: int = AVERAGE_MINUTES) -> Ratio:
        """(price × lots, lots) traded in the window; (0, 0) when nothing was."""
        second = now // SECOND
        self._expire(second)
        if minutes == AVERAGE_MINUTES:
            return self._units, self._lots
        recent = [entry for entry in self._seconds if entry[0] > second - minutes * 60]
        return sum(entry[1] for entry in recent), sum(entry[2] for entry in recent)

    def _expire(self, second: int) -> None:
        oldest = second - AVERAGE_MINUTES * 60
        while self._seconds and self._seconds[0][0] <= oldest:
            _, units, lots = self._seconds.popleft()
            self._units -= units
            self._lots -= lots


class Pit:
    """The state of one symbol."""

    __slots__ = (
        "_by_client", "_done", "_open", "_own_trades", "average", "book", "entered",
        "execution", "fence",
        "last", "listing", "mark", "order_id", "past", "prevented_id", "rules", "stirred", "stops",
        "terms", "touched", "trade_id", "trades", "update_id",
    )  # fmt: skip

    def __init__(self, listing: Listing) -> None:
        self.listing = listing
        self.rules = Rules(listing)
        self.terms = Terms(listing)
        self.book = Book()
        self.past = Past()
        self.stops = Stops()
        self.average = Average()
        self.last = listing.start_price
        self.mark = 0
        """What price filters are held against, in ticks: a future's mark price, or the reference
        price of a symbol that has one; else 0."""
        self.fence: tuple[int, int] | None = None
        """The lowest and the highest tick at which takers trade; None for any (binance §7.2)."""
        self.order_id = 0
        self.execution = 0
        self.trade_id = 0
        self.prevented_id = 0
        self.update_id = 0
        self.touched: list[int] = []
        """Prices of trades that the stops have not yet seen."""
        self.stirred: list[SimOrder] = []
        """Orders of lists that were traded or ended, and whose list has not yet been looked at."""
        self.trades: deque[PublicTrade] = deque(maxlen=KEPT_TRADES)
        self.entered: dict[int, SimOrder] = {}
        """By id, all that are remembered and were entered here."""
        self._open: dict[str, dict[int, SimOrder]] = {}
        self._by_client: dict[tuple[str, str], SimOrder] = {}
        self._done: dict[str, deque[SimOrder]] = {}
        self._own_trades: dict[str, deque[Traded]] = {}

    def next_order_id(self) -> int:
        self.order_id += 1
        return self.order_id

    def next_execution(self) -> int:
        self.execution += 1
        return self.execution

    def refer(self, price: int) -> None:
        """A reference price from now on; 0 for none."""
        self.mark = price
        up, down = self.listing.range_up, self.listing.range_down
        self.fence = None
        if price and (up or down):
            highest = int(price * up) if up else sys.maxsize
            self.fence = math.ceil(price * down), highest

    def reference(self, now: int) -> Ratio:
        """The mark or reference price; else the average, or the last where nothing traded."""
        if self.mark:
            return self.mark, 1
        ratio = self.average.ratio(now)
        return ratio if ratio[1] or not self.last else (self.last, 1)

    # ── orders ────────────────────────────────────────────────────────────────────────────────

    def enter(self, order: SimOrder) -> None:
        """Remember an open order."""
        self.entered[order.order_id] = order
        self._by_client[order.account, order.client_id] = order
        self.open_for(order.account)[order.order_id] = order

    def leave(self, order: SimOrder, *, forget: bool) -> None:
        """An order is over; `forget` drops it from memory at once, else when its time comes."""
        del self._open[order.account][order.order_id]
        if forget:
            if self.entered.pop(order.order_id, None) is not None:
                del self._by_client[order.account, order.client_id]
            return
        done = self._done.get(order.account)
        if done is None:
            done = self._done[order.account] = deque()
        done.append(order)
        if len(done) > KEPT_ORDERS:
            self._forget(done.popleft())

    def rename(self, order: SimOrder, client_id: str) -> None:
        """Give an order another client id; it is still found under the last one, and no other."""
        older = order.original_client_id
        order.original_client_id, order.client_id = order.client_id, client_id
        # An amendment may keep the name (binance §5.10), so the older one may be in use still.
        if older not in (order.original_client_id, client_id):
            self._forget_name(order, older)
        self._by_client[order.account, client_id] = order

    def open_for(self, account: str) -> dict[int, SimOrder]:
        """The same for a quiet account that enters its orders there itself, and nowhere else."""
        mine = self._open.get(account)
        if mine is None:
            mine = self._open[account] = {}
        return mine

    def open_of(self, account: str) -> dict[int, SimOrder]:
        """Order id → open order, oldest first. Not to be changed."""
        return self._open.get(account, {})

    def is_open_to_others(self, account: str) -> bool:
        """Whether anybody but this account has an open order."""
        for name, orders in self._open.items():  # noqa: SIM110 - asked at each turn of a loop
            if orders and name != account:
                return True
        return False

    def all_of(self, account: str) -> list[SimOrder]:
        """Every order that is remembered, by id."""
        both = [*self._done.get(account, ()), *self.open_of(account).values()]
        return sorted(both, key=lambda order: order.order_id)

    def is_open(self, account: str, client_id: str) -> bool:
        """Whether an open order bears this client id."""
        order = self._by_client.get((account, client_id))
        return (
            order is not None
            and order.client_id == client_id
            and order.order_id in self.open_of(account)
        )

    def find(self, account: str, order_id: int | None, client_id: str) -> SimOrder:
        """By order id, and then the client id must be right, or by client id (binance §5.10)."""
        if order_id is None:
            order = self._by_client.get((account, client_id))
        else:
            order = self.entered.get(order_id) or self.open_of(account).get(order_id)
        if order is None or order.account != account:
            raise Refused(Refusal.UNKNOWN_ORDER)
        if client_id and client_id not in (order.client_id, order.original_client_id):
            raise Refused(Refusal.ID_MISMATCH)
        return order

    # ── trades ────────────────────────────────────────────────────────────────────────────────

    def record(self, trade: Traded, owners: tuple[str, ...]) -> PublicTrade:
        """Remember a trade, and whose it was; what everybody may know of it."""
        public = PublicTrade(
            trade.at,
            trade.symbol,
            trade.trade_id,
            trade.price,
            trade.lots,
            trade.taker_side,
            trade.taker_order,
        )
        self.trades.append(public)
        for owner in owners:
            mine = self._own_trades.get(owner)
            if mine is None:
                mine = self._own_trades[owner] = deque(maxlen=KEPT_OWN_TRADES)
            mine.append(trade)
        return public

    def trades_of(self, account: str) -> list[Traded]:
        """The remembered trades of an account, oldest first."""
        return list(self._own_trades.get(account, ()))

    def newest_trades(self, count: int) -> list[PublicTrade]:
        """At most `count` trades, oldest first."""
        return list(islice(self.trades, max(len(self.trades) - max(count, 0), 0), None))

    def trades_from(self, trade_id: int, count: int) -> list[PublicTrade]:
        """At most `count` remembered trades with this id or a higher one."""
        first = self.trades[0].trade_id if self.trades else 0
        begin = max(trade_id - first, 0)
        return list(islice(self.trades, begin, begin + count))

    # ── within ────────────────────────────────────────────────────────────────────────────────

    def _forget(self, order: SimOrder) -> None:
        """Drop a finished order, and the names that no later order has taken over."""
        del self.entered[order.order_id]
        self._forget_name(order, order.client_id)
        self._forget_name(order, order.original_client_id)

    def _forget_name(self, order: SimOrder, client_id: str) -> None:
        key = (order.account, client_id)
        if self._by_client.get(key) is order:
            del self._by_client[key]
