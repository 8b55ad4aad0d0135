"""Paper as an outlet: commands go to a `PaperVenue`, and what it says comes back like a venue's.

House rules: nothing here knows a session; answers are told in a turn of the loop of their own, so
that a rule never hears of its order before the desk has noted that it left.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from pitwire.model.clock import Clock
from pitwire.model.events import Event
from pitwire.model.orders import AmendOrder, CancelOrder, Command, Order, OrderType, ReplaceOrder
from pitwire.trading.paper import PaperVenue

Deliver = Callable[[Sequence[Event], int, bool], None]
Soon = Callable[[Callable[[], None]], object]


class PaperOutlet:
    """A gateway's outlet that never sends an order anywhere."""

    may_trade = True
    asks_fills = asks_account = False

    def __init__(self, venue: PaperVenue, deliver: Deliver, *, clock: Clock, soon: Soon) -> None:
        self._venue, self._deliver = venue, deliver
        self._clock, self._soon = clock, soon
        self._told: deque[Event] = deque()
        self.encoded_at = 0

    def has_room(self, weight: int, now: int) -> bool:
        """Paper has no limit."""
        return True

    def place(self, order: Order, now: int) -> int:
        """Put an order on paper; returns when."""
        self._take(order, now)
        self.encoded_at = self._clock.now()
        return self.encoded_at

    def cancel(self, command: CancelOrder, now: int) -> None:
        self._take(command, now)

    def drop_waiting(self, now: int) -> None:
        """On paper nothing waits."""

    def replace(self, command: ReplaceOrder, now: int) -> None:
        self._take(command, now)

    def amend(self, command: AmendOrder, now: int) -> None:
        self._take(command, now)

    def ask_status(
        self,
        symbol: str,
        order_id: str,
        now: int,
        venue_id: str = "",
        type: OrderType | None = None,
    ) -> None:
        """Paper leaves nothing unanswered, so there is nothing to say."""

    def ask_fills(self, symbol: str, order_id: str, venue_id: str, now: int) -> None:
        """Paper tells every fill."""

    def ask_fills_since(self, symbol: str, trade_id: str, since: int, now: int) -> None:
        """Paper tells every fill."""

    def ask_open_orders(self, symbol: str, now: int) -> None:
        """Paper begins empty."""

    def ask_account(self, now: int) -> None:
        """Tell what paper owns."""
        self._tell(self._venue.balances())

    def hear(self, events: Iterable[Event]) -> None:
        """Show the market, which the engine has seen already, to the orders on paper."""
        for event in events:
            self._tell(self._venue.apply(event))

    def pass_time(self, now: int) -> None:
        """Carry out what has arrived by now."""
        self._tell(self._venue.handle_deadline(now))

    def _take(self, command: Command, now: int) -> None:
        self._tell(self._venue.take(command, now))

    def _tell(self, events: Iterable[Event]) -> None:
        waiting = bool(self._told)
        self._told.extend(events)
        if self._told and not waiting:
            self._soon(self._hand_over)

    def _hand_over(self) -> None:
        events, self._told = tuple(self._told), deque()
        self._deliver(events, self._clock.now(), True)
