"""Records of a journal → the state they made, and every place where they contradict one another.

Whatever the pure middle derives from an input (what came, what was decided, what left) it derives
here again, and it must be, byte for byte, what the journal holds next. House rules: there is no
outlet here and none can be imported; a contradiction is collected, never raised.

Without the market, decisions cannot be made again: that a rule wished for an order is taken from
the record. Checked is what holds for every one of them: its id is the next one, nothing is decided
or leaves while trading is halted (but what closes a position, where a person asked for that),
nothing leaves undecided, and no order leaves twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from pitwire.model.events import ACCOUNT, ClockOffset
from pitwire.model.orders import CancelOrder, Command, Order, ReplaceOrder, Side
from pitwire.trading import journal as records
from pitwire.trading.asked import AskedKeys
from pitwire.trading.doubts import FOUND_BY_ASKING
from pitwire.trading.ids import OrderIds, is_protective
from pitwire.trading.journal import Record, payload, placed
from pitwire.trading.ledger import OrderLedger
from pitwire.trading.snapshot import Snapshot, restore, state_hash, take
from pitwire.trading.stance import SWITCHING, Switches
from pitwire.trading.state import State
from pitwire.trading.tracked import Change, Disagreement

_HEARD = frozenset((*ACCOUNT, ClockOffset))
"""What the account's state follows from: its own events, and how its stamps are to be read."""
_REPORTED = 100
"""Contradictions that are kept word by word; all are counted."""


class Contradiction(msgspec.Struct, frozen=True, kw_only=True):
    """What a journal says, and what follows from what it said before."""

    record: int
    """Number of the record, from the first that was replayed."""
    found: str
    expected: str

    def __str__(self) -> str:
        return f"record {self.record}: found {self.found}, expected {self.expected}"


class Replay:
    """Takes records one by one; `state` is what they have made so far."""

    def __init__(self, start: Snapshot | None = None) -> None:
        self.ids: OrderIds | None = None
        self.switches = Switches()
        self.halted_by = 0
        """Number of the newest record that halts, from the first that was taken; 0 without one."""
        self.asked = AskedKeys()
        self.taken = 0
        self.contradicted = 0
        self.contradictions: list[Contradiction] = []
        self.state = State(ledger=OrderLedger(is_ours=self._is_ours))
        self._due: deque[Record] = deque()
        self._takers: dict[type, Callable[[Any], None]] = {
            records.Came: self._came,
            records.Decided: self._decided,
            records.Left: self._left,
            records.Dropped: self._dropped,
            records.OrdersLost: self._orders_lost,
            records.Started: self._started,
            records.Asked: self._asked,
            **dict.fromkeys(SWITCHING, self._switched),
            records.DayStarted: self._day_started,
        }
        if start is not None:
            self._restore(start)

    @property
    def halted(self) -> str:
        """Why trading is halted; "" when it is not."""
        return self.switches.halted

    def take(self, record: Record, text: bytes = b"") -> None:
        """The next record; `text` is its payload as it stands in the journal, if it is at hand."""
        self.taken += 1
        taker = self._takers.get(type(record))
        if taker is not None:
            if self._due and not isinstance(record, records.Started):
                self._missing()
            taker(record)
        elif isinstance(record, Change | Disagreement):
            self._compare(record, text)

    def expects(self, text: bytes) -> bool:
        """Take the next record by its payload alone, if it is the change that is due next, byte for
        byte, as nearly every change is; False where it has to be decoded and taken."""
        due = self._due
        if not due or type(due[0]) is not Change or payload(due[0]) != text:
            return False
        due.popleft()
        self.taken += 1
        return True

    def derived(self) -> list[Record]:
        """What follows from the records taken and has not been seen; none of it is due any more."""
        due, self._due = list(self._due), deque()
        return due

    def snapshot(self) -> Snapshot:
        """The state as one value; encode it before taking more."""
        ids = self.ids
        return take(
            self.state,
            prefix="" if ids is None else ids.prefix,
            epoch=0 if ids is None else ids.epoch,
            made=0 if ids is None else ids.made,
            halted=self.halted,
            reducing=self.switches.reducing,
            asked=self.asked.contents(),
        )

    def hash(self) -> str:
        """The state as a digest."""
        return state_hash(self.snapshot())

    # ── inputs ────────────────────────────────────────────────────────────────────────────────

    def _came(self, record: records.Came) -> None:
        if type(record.event) not in _HEARD:
            return  # of the market, or said again for orders by `OrdersLost`
        change = self.state.apply(record.event)
        if change is not None:
            self._due.append(change)
        self._due += self.state.ledger.take_disagreements()

    def _decided(self, record: records.Decided) -> None:
        order = placed(record.command)
        if order is None:
            return
        if self.halted and not self._closes(order):
            self._contradicts(f"order {order.id} decided", f"none: halted, {self.halted}")
        expected = order.id
        if self.ids is not None:
            expected = self.ids.next(protective=is_protective(order.id))
        if order.id != expected:
            self._contradicts(f"order {order.id}", f"the id {expected}")
            self._count_on(order.id)
        self.state.ledger.made(order, record.at)

    def _left(self, record: records.Left) -> None:
        self._check_leaving(record.command)
        self.state.ledger.sent(record.command, record.at)
        self._due += self.state.ledger.take_disagreements()

    def _dropped(self, record: records.Dropped) -> None:
        change = self.state.ledger.dropped(record.command, record.at, record.why)
        if change is not None:
            self._due.append(change)

    def _orders_lost(self, record: records.OrdersLost) -> None:
        self._due += self.state.ledger.lost(record.at)

    def _started(self, record: records.Started) -> None:
        self._due.clear()  # what the run before derived in its last moment died with it
        self.ids = OrderIds(record.prefix, record.epoch)
        self._switched(record)
        self.state.ledger.proof = record.proof
        self._due += self.state.ledger.lost(record.at, restarted=True)

    def _switched(self, record: Record) -> None:
        self.switches = self.switches.after(record)
        if isinstance(record, records.Halted):
            self.halted_by = self.taken

    def _asked(self, record: records.Asked) -> None:
        self.asked.add(record.key)

    def _day_started(self, record: records.DayStarted) -> None:
        self.state.portfolio.day_started(record.day, record.results, record.unpriced, record.left)

    # ── comparing ─────────────────────────────────────────────────────────────────────────────

    def _compare(self, record: Change | Disagreement, text: bytes) -> None:
        if isinstance(record, Disagreement) and record.what in FOUND_BY_ASKING:
            return  # found out by asking, and when to ask is no record
        if not self._due:
            self._contradicts(_told(record), "nothing that follows from what came before")
            return
        expected, told = self._due.popleft(), text or payload(record)
        if isinstance(expected, Change) and b'"proof":' not in told:
            # Written before proofs were: held against as much as it says.
            expected, told = msgspec.structs.replace(expected, proof=None), payload(record)
        if payload(expected) != told:
            self._contradicts(_told(record), _told(expected))

    def _missing(self) -> None:
        for expected in self.derived():
            self._contradicts("nothing", _told(expected))

    def _check_leaving(self, command: Command) -> None:
        order = placed(command)
        if (
            self.halted
            and not isinstance(command, CancelOrder)
            and not (isinstance(order, Order) and self.switches.flattening)
        ):
            self._contradicts(_told_command(command), f"nothing: halted, {self.halted}")
        if order is None:
            return
        tracked = self.state.ledger.find(order.id)
        if tracked is None:
            self._contradicts(f"order {order.id} left", "its decision before it")
        elif tracked.sent_at:
            self._contradicts(f"order {order.id} left again", "no order to leave twice")

    def _closes(self, order: Order) -> bool:
        """Whether it makes a position smaller, and a person has asked for that in this halt."""
        held = self.state.portfolio.position(order.symbol)
        against = held > 0 if order.side is Side.SELL else held < 0
        small = order.size is not None and order.size <= abs(held)
        return bool(self.switches.flattening) and against and small

    def _contradicts(self, found: str, expected: str) -> None:
        self.contradicted += 1
        if len(self.contradictions) < _REPORTED:
            told = Contradiction(record=self.taken, found=found, expected=expected)
            self.contradictions.append(told)

    # ── the rest ──────────────────────────────────────────────────────────────────────────────

    def _restore(self, start: Snapshot) -> None:
        self.switches = Switches(start.halted, start.reducing)
        self.asked.restore(start.asked)
        if start.prefix:
            self.ids = OrderIds(start.prefix, start.epoch)
            self.ids.made = start.made
        restore(start, self.state)

    def _count_on(self, order_id: str) -> None:
        assert self.ids is not None
        read = self.ids.read(order_id)
        if read is not None and read[0] == self.ids.epoch:
            self.ids.made = max(self.ids.made, read[1])

    def _is_ours(self, order_id: str) -> bool:
        return self.ids is not None and self.ids.is_ours(order_id)


def _told(record: Record) -> str:
    match record:
        case Change():
            return f"{record.order_id} {record.before} → {record.after} by {record.came}"
        case Disagreement():
            return f"{record.order_id} {record.what}: {record.ours} against {record.theirs}"
        case _:
            return type(record).__name__


def _told_command(command: Command) -> str:
    match command:
        case Order():
            return f"order {command.id} left"
        case ReplaceOrder():
            return f"order {command.order.id} left for {command.order_id}"
        case _:
            return f"{type(command).__name__} of {command.order_id} left"
