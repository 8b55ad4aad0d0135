"""Commands out, and questions about what nobody has answered.

House rules: a command goes to the outlet once, whatever comes of it; what could not leave is said
to be dropped, what left and was not answered is asked about, and nothing is ever sent again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from pitwire.desk.countdown import Winder
from pitwire.desk.stocktaking import Stocktaking
from pitwire.desk.timings import Timings
from pitwire.model.clock import SECOND, Clock
from pitwire.model.errors import LocalError
from pitwire.model.orders import (
    CONDITIONAL,
    AmendOrder,
    CancelOrder,
    Command,
    Order,
    OrderType,
    ReplaceOrder,
    Side,
    TimeInForce,
)
from pitwire.session.commands import ORDER_DEADLINE_SECONDS
from pitwire.trading.engine import Engine
from pitwire.trading.journal import Alerted, DurableJournal, Volatile, placed
from pitwire.trading.tracked import ZERO

QUESTIONS_A_SECOND = 10
"""At most; on Binance that is two fifths of the weight there is (binance §5.7, §8)."""
_AT_ONCE = 2 * QUESTIONS_A_SECOND
_AT_ONCE_OR_NEVER = (TimeInForce.IOC, TimeInForce.FOK)
_STOPS = (OrderType.STOP, OrderType.STOP_LIMIT)


class Outlet(Protocol):
    """Where commands go: a session with a venue, or paper."""

    encoded_at: int

    @property
    def may_trade(self) -> bool: ...

    @property
    def asks_fills(self) -> bool: ...

    @property
    def asks_account(self) -> bool: ...

    def has_room(self, weight: int, now: int) -> bool: ...

    def place(self, order: Order, now: int) -> int: ...

    def cancel(self, command: CancelOrder, now: int) -> None: ...

    def drop_waiting(self, now: int) -> None: ...

    def replace(self, command: ReplaceOrder, now: int) -> None: ...

    def amend(self, command: AmendOrder, now: int) -> None: ...

    def ask_status(
        self,
        symbol: str,
        order_id: str,
        now: int,
        venue_id: str = "",
        type: OrderType | None = None,
    ) -> None: ...

    def ask_fills(self, symbol: str, order_id: str, venue_id: str, now: int) -> None: ...

    def ask_fills_since(self, symbol: str, trade_id: str, since: int, now: int) -> None: ...

    def ask_open_orders(self, symbol: str, now: int) -> None: ...

    def ask_account(self, now: int) -> None: ...


class Gateway:
    """The engine's only way to an outlet."""

    def __init__(
        self,
        outlet: Outlet,
        engine: Engine,
        *,
        clock: Clock,
        timings: Timings,
        file: DurableJournal | None = None,
        stock: Stocktaking | None = None,
        deadline_seconds: float = ORDER_DEADLINE_SECONDS,
        winder: Winder | None = None,
    ) -> None:
        self._outlet, self._engine = outlet, engine
        self._clock, self._timings = clock, timings
        self._deadline = round(deadline_seconds * SECOND)
        self._commit = (Volatile() if file is None else file).commit
        self.stock = Stocktaking(outlet, engine) if stock is None else stock
        self.winder = winder
        """Of the venue's own dead man's timer, where there is one."""
        self.barred = ""
        """Why nothing may leave at all, a cancel or a question neither; "" when it may."""
        self.held: dict[str, str] = {}
        """Symbols to which no order may leave → why."""
        self.unguarded = ""
        """Why no order that makes a position greater may leave for now; "" when it may."""
        self._may_ask = float(_AT_ONCE)
        self._asked_at = 0

    @property
    def may_trade(self) -> bool:
        """Whether a command could leave now."""
        return not self.barred and self._outlet.may_trade

    def has_room(self, weight: int, now: int) -> bool:
        """Whether what costs so much and can wait may leave."""
        return self._outlet.has_room(weight, now)

    def send_all(self, commands: Iterable[Command], now: int) -> None:
        """Send each; an error of our own amid one keeps none of the others back.

        Raises: the first such error, when all have been tried.
        """
        if (first := self.try_all(commands, now)) is not None:
            raise first

    def try_all(self, commands: Iterable[Command], now: int) -> Exception | None:
        """The same for who has to go on in any case: the first such error is not raised."""
        first: Exception | None = None
        for command in commands:
            try:
                self.send(command, now)
            except Exception as error:  # noqa: BLE001 — the caller's, when the others have left
                first = first or error
        return first

    def send(self, command: Command, now: int) -> None:
        """Hand a command to the outlet once its intent stands in the journal.

        When it cannot leave, the engine is told so. Without a journal only cancels leave. Where
        nobody knows whether it left, it counts as sent and unanswered, and the error is raised.
        """
        failed = self._commit()
        if failed and not isinstance(command, CancelOrder):
            self._engine.dropped(command, failed, now)
            return
        if self.barred:
            self._engine.dropped(command, self.barred, now)
            return
        if self.held and (order := placed(command)) is not None and order.symbol in self.held:
            self._engine.dropped(command, self.held[order.symbol], now)
            return
        if self.unguarded and self._grows(command):
            self._engine.dropped(command, self.unguarded, now)
            return
        if not self._engine.may_leave(command, now):
            return
        decided = self._clock.now()
        late = decided - now
        if late >= self._deadline and not isinstance(command, CancelOrder):
            # The process stood still between the decision and this line.
            why = f"never sent: decided {late / SECOND:.1f} s ago, "
            self._engine.dropped(command, f"{why}{self._deadline / SECOND:g} s are allowed", now)
            return
        sent = 0
        try:
            match command:
                case Order():
                    sent = self._outlet.place(command, now)
                    encoded = self._outlet.encoded_at if sent else 0
                    self._timings.left(command, decided=decided, encoded=encoded, sent=sent)
                case CancelOrder():
                    self._outlet.cancel(command, now)
                case ReplaceOrder():
                    self._outlet.replace(command, now)
                    self._timings.left(command.order, decided=self._clock.now())
                case AmendOrder():
                    self._outlet.amend(command, now)
        except LocalError as error:
            # Not connected, or the venue cannot do it: certain, so the order is over.
            self._engine.dropped(command, str(error), now)
        except Exception:
            # Its bytes may have left all the same: it counts as sent, and the venue is asked.
            self._engine.sent(command, now, sent)
            self._engine.unanswered(command, now)
            raise
        else:
            self._engine.sent(command, now, sent)

    def drop_waiting(self, now: int) -> None:
        """No order that waits for its turn leaves, but what closes a position in a halt."""
        if not self._engine.screen.flattening:
            self._outlet.drop_waiting(now)

    def _grows(self, command: Command) -> bool:
        """Whether it places an order that may do more than make a position smaller.

        Stops are counted by themselves, and so is what takes a profit: neither must forbid the
        other, nor what rests the order that closes the position at once.
        """
        order = placed(command)
        if order is None or order.reduce_only:
            return False
        if order.size is None:
            return True
        state, side = self._engine.state, order.side
        held = state.portfolio.position(order.symbol)
        here = state.ledger.tally.by_symbol[order.symbol]  # it is among these itself
        rests = order.type is not OrderType.MARKET and order.time_in_force not in _AT_ONCE_OR_NEVER
        stops = order.type in _STOPS
        coming = sum(one.missing for one in here.untold.values() if one.side is side)
        for one in state.ledger.open_of(order.symbol):
            if one.side is side and (one.type in _STOPS) is stops:
                coming += one.may_trade(order.price) if rests or one.id in here.moving else ZERO
        return coming > (held if side is Side.SELL else -held)

    def reconcile(self, now: int) -> None:
        """Ask the venue for everything it knows of us: after a login, and after any loss."""
        if self._outlet.may_trade:
            self._engine.state.ledger.hurry_questions(now)
            self.stock.take(now)

    def chase(self, now: int) -> None:
        """Ask about every order whose state is in doubt and whose question is due."""
        if not self.may_trade:
            return
        self.stock.tend(now)
        if self.winder is not None:
            self._tell(self.winder.tend(now), now)
        if self._engine.state.ledger.next_question() is None:
            return
        for question in self._engine.questions(now, self._allowed(now)):
            self._may_ask -= 1
            symbol, order_id = question.symbol, question.order_id
            if question.wants_fills:
                self._outlet.ask_fills(symbol, order_id, question.venue_id, now)
            else:
                # What triggered is another order for some venues, which they name themselves.
                by_ours = question.is_ours and question.type not in CONDITIONAL
                venue_id = "" if by_ours else question.venue_id
                self._outlet.ask_status(symbol, order_id, now, venue_id, question.type)

    def _tell(self, text: str, now: int) -> None:
        if text:
            alert = Alerted(at=now, text=text, level="warning", rule="desk")
            self._engine.journal.write(alert)

    def rest(self, now: int) -> bool:
        """The desk ends with nothing open: the venue's timer is stopped; whether one ran."""
        if self.winder is None or not self.winder.wound or not self._outlet.may_trade:
            return False
        self.winder.stop(now)
        return True

    def _allowed(self, now: int) -> int:
        """How many questions may leave now: a few at once, and so many a second in the long run."""
        passed = max(0, now - self._asked_at) / SECOND
        self._may_ask = min(_AT_ONCE, self._may_ask + passed * QUESTIONS_A_SECOND)
        self._asked_at = now
        return int(self._may_ask)
