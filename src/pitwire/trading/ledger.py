"""The order ledger: every message about an order, through the table of transitions.

House rules: a message may be late, doubled, or before its time, and none of that is an error; an
order ends only by proof; whatever contradicts what we believed is recorded as a `Disagreement`
and asked about; what is not ours is counted and never touched. Facts that only grow (filled,
reported, sequence) or only shrink (size) make the order of arrival not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

from pitwire.model.clock import SECOND
from pitwire.model.events import Fill, OpenOrders, Unanswered, Update
from pitwire.model.orders import (
    FINAL,
    TRANSITIONS,
    UNANSWERED,
    AmendOrder,
    CancelOrder,
    Command,
    Order,
    OrderState,
    RejectReason,
    ReplaceOrder,
    UpdateKind,
)
from pitwire.model.proof import NO_PROOF, DeathProof
from pitwire.trading.absence import Absence
from pitwire.trading.adopting import PROVES_LIFE, Adoption
from pitwire.trading.doubts import Doubts
from pitwire.trading.pursuit import Pursuit
from pitwire.trading.shelf import Shelf, TradesSeen
from pitwire.trading.tracked import (
    Change,
    Disagreement,
    Exposure,
    Origin,
    Question,
    Tracked,
    change_of,
    take_size,
)

# To ask an enumeration for a member costs several times what a name does; a message asks for ten.
_S_CANCELED = OrderState.CANCELED
_S_EXPIRED = OrderState.EXPIRED
_S_FILLED = OrderState.FILLED
_S_NEW = OrderState.NEW
_S_OPEN = OrderState.OPEN
_S_PARTLY_FILLED = OrderState.PARTLY_FILLED
_S_REJECTED = OrderState.REJECTED
_S_SENT = OrderState.SENT
_S_UNKNOWN = OrderState.UNKNOWN
_K_AMENDED = UpdateKind.AMENDED
_K_CANCELED = UpdateKind.CANCELED
_K_CANCEL_REJECTED = UpdateKind.CANCEL_REJECTED
_K_EXPIRED = UpdateKind.EXPIRED
_K_FILLED = UpdateKind.FILLED
_K_MISSING = UpdateKind.MISSING
_K_REJECTED = UpdateKind.REJECTED
_K_STATUS_OPEN = UpdateKind.STATUS_OPEN
_K_TRIGGERED = UpdateKind.TRIGGERED
_OURS = Origin.OURS
_SAYS_OVER = frozenset((_K_CANCELED, _K_EXPIRED, _K_REJECTED, _K_FILLED))
_ENDS = {_K_CANCELED: _S_CANCELED, _K_EXPIRED: _S_EXPIRED, _K_REJECTED: _S_REJECTED}


def _never(_: str) -> bool:
    return False


class OrderLedger:
    """All orders of one account, ours and others', open and lately finished.

    `proof` is what it takes for the venue's "no such order" to prove that one was never accepted.
    `fills_grace_seconds` is how long a sum may run ahead of the fills before they count as missing.
    """

    __slots__ = (
        "_absence", "_adoption", "_doubts", "_grace", "_shelf", "doubled", "is_ours",
        "late", "memory", "open", "open_by_symbol", "pursuit", "tally", "trades",
    )  # fmt: skip

    def __init__(
        self,
        *,
        is_ours: Callable[[str], bool] = _never,
        proof: DeathProof = NO_PROOF,
        fills_grace_seconds: float = 1.0,
        keep_finished: int = 10_000,
        keep_trades: int = 200_000,
    ) -> None:
        self._shelf = Shelf(keep_finished)
        self.trades = TradesSeen(keep_trades)
        self._doubts = Doubts()
        self.pursuit = Pursuit()
        self.memory = (self._shelf, self.trades, self._doubts)  # for `snapshot`
        self.open = self._shelf.open
        self.open_by_symbol = self._shelf.open_by_symbol
        self.tally = self._shelf.tally
        """What the open orders come to together."""
        self.late = 0
        self.doubled = 0
        self.is_ours = is_ours
        """Whether a client id is one that this installation gave."""
        self._adoption = Adoption(self._shelf, self._doubts, is_ours)
        self._absence = Absence(proof)
        self._grace = round(fills_grace_seconds * SECOND)

    @property
    def proof(self) -> DeathProof:
        """What a not-found answer of this venue is worth."""
        return self._absence.proof

    @proof.setter
    def proof(self, proof: DeathProof) -> None:
        self._absence.proof = proof

    # ── reading ───────────────────────────────────────────────────────────────────────────────

    def find(self, order_id: str, venue_id: str = "", symbol: str = "") -> Tracked | None:
        """The order by client id, or by the venue's id (which may stand in either place)."""
        return self._shelf.find(order_id, venue_id, symbol)

    def open_of(self, symbol: str) -> Iterator[Tracked]:
        """Open orders of this symbol, or of all symbols when it is ""."""
        orders = self.open_by_symbol.get(symbol, {}) if symbol else self.open
        return iter(tuple(orders.values()))

    def unknown(self, symbol: str) -> Tracked | None:
        """An order of this symbol that the venue has not owned up to, if there is one."""
        here = self.tally.by_symbol.get(symbol)
        if here is None or not here.unknown:
            return None
        orders = self.open_by_symbol[symbol].values()
        return next(order for order in orders if order.state is _S_UNKNOWN)

    def exposure(self, symbol: str, price: Decimal | None) -> Exposure:
        """The worst that may still happen here: open, unknown and unsent orders in full.

        `price` turns an order in quote units into base units; a fill that the venue reported and
        never sent is part of it too.
        """
        return self.tally.exposure(symbol, price)

    # ── commands ──────────────────────────────────────────────────────────────────────────────

    def made(self, order: Order, now: int) -> Tracked:
        """Risk approved this order; it counts from here on, though no byte has left."""
        # By position: by name it takes six times as long, and the gate waits for it.
        tracked = Tracked(
            order.id, order.symbol, _OURS, _S_NEW, order.side, order.type, order, order.size,
            order.quote_size, order.price, order.stop_price, order.tag, order.rule, True, now, now,
        )  # fmt: skip
        self._shelf.begin(tracked)
        return tracked

    def sent(self, command: Command, now: int) -> Tracked | None:
        """The bytes of this command left."""
        match command:
            case Order():
                return self._sent(command, now)
            case CancelOrder():
                order = self._cancel_sent(command.order_id, now)
                if order is not None:
                    self.pursuit.left(order, command)
                return order
            case ReplaceOrder():
                old = self._cancel_sent(command.order_id, now)
                new = self._sent(command.order, now)
                new.replaces = command.order_id
                if old is not None:
                    old.replaced_by = new.id
                return new
            case AmendOrder():
                order = self.find(command.order_id)
                if order is not None:
                    order.amend_to = command.size
                return order

    def dropped(self, command: Command, now: int, why: str) -> Change | None:
        """This command never left (expired, paced out, no connection): certain, so it is over."""
        if isinstance(command, Order | ReplaceOrder):
            placed = command if isinstance(command, Order) else command.order
            order = self._shelf.orders.get(placed.id)
            if order is None or order.state is not _S_NEW:
                return None
            before, order.state = order.state, _S_REJECTED
            return self._changed(order, before, now, f"dropped: {why}")
        return None

    def lost(self, now: int, *, restarted: bool = False) -> list[Change]:
        """What was sent and not acknowledged is unknown, and what was made when the desk died."""
        came, what = ("restart", "desk died") if restarted else ("lost", "connection broke")
        changes = []
        self.trades.lost(now)
        if restarted:
            for order in self._absence.set_back(self._shelf.orders.values(), now):
                self._shelf.note(order)
        for order in tuple(self.open.values()):
            before = order.state
            if before is _S_SENT or (restarted and before is _S_NEW):
                order.state, order.cancel_sent = _S_UNKNOWN, 0  # it is asked about, cancel and all
                # A dead desk may have held it back until its last moment, and nobody noted when.
                self._absence.left(order, now if restarted else order.sent_at or now)
                changes.append(self._changed(order, before, now, came))
            elif order.is_ours and order.cancel_sent:
                order.cancel_sent = 0
                self._doubts.doubt(order, f"the {what} during a cancel", now)
        return changes

    # ── what the venue says ───────────────────────────────────────────────────────────────────

    def apply(self, event: Update | Fill | Unanswered, now: int) -> Change | None:
        """Take one message; None when it changed nothing (late, doubled, about nobody)."""
        match event:
            case Update():
                return self._update(event, now)
            case Fill():
                return self._fill(event, now)
            case Unanswered():
                return self._unanswered(event, now)

    def compare(self, listed: OpenOrders, now: int) -> None:
        """Hold the venue's list of open orders beside ours; what differs is asked about."""
        self._adoption.compare(listed, now, self._grace)

    def due_questions(self, now: int, most: int = 1_000_000) -> list[Question]:
        """Orders to ask the venue about now. Asking again waits longer each time."""
        return self._doubts.due(now, most)

    def hurry_questions(self, now: int) -> None:
        """The venue can be asked again after it could not: all questions are due now."""
        self._doubts.hurry(now)

    def is_waiting(self, symbol: str) -> bool:
        """Whether an order of ours has no name at the venue yet: its fills look like others'."""
        return any(one.is_nameless for one in self.open_by_symbol.get(symbol, {}).values())

    @property
    def in_doubt(self) -> list[Tracked]:
        """Orders that the venue has to be asked about, sooner or later."""
        return self._doubts.open()

    def next_question(self) -> int | None:
        """When `due_questions` has something, ns; None when nothing is in doubt."""
        return self._doubts.next_due()

    def take_disagreements(self) -> list[Disagreement]:
        """Those recorded since the last call."""
        return self._doubts.take_disagreements()

    # ── updates ───────────────────────────────────────────────────────────────────────────────

    def _update(self, update: Update, now: int) -> Change | None:
        named = self._shelf.named(update.order_id, update.venue_id, update.symbol)
        order = named or self._adoption.by_update(update, now)
        if order is None:
            return None
        kind, before = update.update, order.state
        if before is _S_NEW:
            self._doubts.disagree(order, "answer before sending", before, kind, now)
            order.state = before = _S_SENT
        repeat = self._is_repeat(order, update)
        self._absorb(order, update, now)
        if not repeat:
            order.state = self._next(order, update, now)
            self._settle_pending(order, update, now)
        self._complete(order)
        if order.state is before and (repeat or before in FINAL):
            self.late += not repeat
            self._shelf.note(order)
            return None
        return self._changed(order, before, now, kind, update)

    def _is_repeat(self, order: Tracked, update: Update) -> bool:
        # The execution number rises per symbol (binance §6.2, I), so an equal one is a copy.
        if not update.sequence or update.sequence > order.sequence:
            return False
        if update.sequence == order.sequence:
            self.doubled += 1
        else:
            self.late += 1
        return True

    def _absorb(self, order: Tracked, update: Update, now: int) -> None:
        """Take over the facts that only grow or only shrink."""
        self._adoption.link(order, update.venue_id, now)
        is_news = not order.acknowledged and order.state is not _S_REJECTED
        if is_news and update.update in PROVES_LIFE:
            self._acknowledged(order, update, now)
        newer = update.sequence >= order.sequence
        order.sequence = max(order.sequence, update.sequence)
        if update.filled is not None:
            order.reported = max(order.reported, update.filled)
        if (size := take_size(order, update)) is not None:
            self._doubts.disagree(order, "size", size, update.size, now)
        order.side = order.side or update.side
        order.type = order.type or update.type
        if order.price is None and update.price:
            order.price = update.price
        if newer:
            order.working = update.working
        if order.missing:
            self._doubts.ask(order, now + self._grace)

    def _next(self, order: Tracked, update: Update, now: int) -> OrderState:
        """The state after this kind of update, by the table and the exceptions to it."""
        kind, state = update.update, order.state
        if kind is _K_REJECTED and update.reason is RejectReason.DUPLICATE_ID:
            # Somebody lives under our id. That is no proof that this order does not.
            self._doubts.disagree(order, "duplicate id", state, kind, now)
            return TRANSITIONS.get((state, UNANSWERED), state)
        if kind is _K_MISSING:
            return self._missing(order, update.asked or now, now)
        after = TRANSITIONS.get((state, kind))
        if after is not None:
            return after
        if state in FINAL:
            return self._after_end(order, update, now)
        self._doubts.disagree(order, "transition", state, kind, now)
        self._doubts.doubt(order, f"{kind} while {state}", now)
        return state

    def _missing(self, order: Tracked, asked: int, now: int) -> OrderState:
        if order.state in FINAL:
            return order.state
        if order.acknowledged or order.filled or order.reported:
            if not self._absence.forgotten(order, asked):  # its absence proves nothing
                self._doubts.disagree(order, "existence", order.state, _K_MISSING, now)
                self._doubts.doubt(order, "the venue knows no such order, and it had one", now)
                return order.state
        elif order.state is not _S_UNKNOWN or not self._absence.proves(order, asked):
            return order.state
        order.declared_dead = True
        return _S_CANCELED if order.acknowledged else _S_REJECTED

    @staticmethod
    def _acknowledged(order: Tracked, update: Update, now: int) -> None:
        order.acknowledged, order.acknowledged_at = True, update.venue_time or now

    def _after_end(self, order: Tracked, update: Update, now: int) -> OrderState:
        """A message about a finished order: normal when late, grave when it contradicts."""
        kind, refused = update.update, order.state is _S_REJECTED and not order.acknowledged
        if kind in PROVES_LIFE and (order.declared_dead or (refused and kind not in _ENDS)):
            self._doubts.disagree(order, "alive after death", order.state, kind, now)
            if not order.declared_dead:  # of the two things that were said only one is true
                self._doubts.doubt(order, "it was refused, and then it was alive", now)
            self._acknowledged(order, update, now)
            order.declared_dead = False
            return TRANSITIONS[_S_UNKNOWN, kind]
        other_end = _ENDS.get(kind, order.state) is not order.state
        if other_end or (kind is _K_STATUS_OPEN and order.doubt):
            self._doubts.disagree(order, "end", order.state, kind, now)
        return order.state

    def _settle_pending(self, order: Tracked, update: Update, now: int) -> None:
        """Close what was pending, by what this update answers."""
        kind = update.update
        if kind is _K_STATUS_OPEN or (kind in _SAYS_OVER and order.state in FINAL):
            self._doubts.settle(order, update.asked)
        if kind is _K_TRIGGERED and update.answers == "status":
            self._doubts.doubt(order, "it triggered, and what became of it is not told", now)
        if kind is _K_AMENDED and order.size == order.amend_to:
            order.amend_to = None
        if kind is _K_CANCEL_REJECTED:
            order.cancel_sent, order.amend_to = 0, None
            if update.reason is RejectReason.UNKNOWN_ORDER and order.is_open:
                self._doubts.doubt(order, "the venue knows no such order to cancel", now)
        if order.pursued is not None:
            self.pursuit.heard(order)

    def _complete(self, order: Tracked) -> None:
        """Close the order when nothing is left, and never call a traded order untouched."""
        if order.state not in (_S_SENT, _S_OPEN, _S_PARTLY_FILLED, _S_UNKNOWN) or not order.done:
            return
        full = order.size is not None and order.done >= order.size
        order.state = _S_FILLED if full else _S_PARTLY_FILLED

    # ── fills ─────────────────────────────────────────────────────────────────────────────────

    def _fill(self, fill: Fill, now: int) -> Change | None:
        if self._is_known_trade(fill, now):
            return None
        named = self._shelf.named(fill.order_id, fill.venue_id, fill.symbol)
        order = named or self._adoption.by_fill(fill, now)
        before = order.state
        if before is _S_NEW:
            self._doubts.disagree(order, "fill before sending", before, "fill", now)
        was_dead = before is _S_REJECTED or order.declared_dead
        if before is _S_NEW or (was_dead and fill.size):
            order.state = _S_SENT
        if was_dead:
            self._doubts.disagree(order, "alive after death", before, "fill", now)
            order.declared_dead = False
        self._adoption.link(order, fill.venue_id, now)
        order.acknowledged = True
        order.filled += fill.size
        order.filled_quote += fill.price * fill.size
        if order.size is not None and order.filled > order.size:
            self._doubts.disagree(order, "overfilled", order.size, order.filled, now)
        if order.missing:  # told to a stranger that turned out to be this one
            self._doubts.ask(order, now + self._grace)
        self._complete(order)
        return self._changed(order, before, now, "fill", fill)

    def _is_known_trade(self, fill: Fill, now: int) -> bool:
        seen = self.trades.earlier(fill)
        if seen is None:
            return False
        self.doubled += 1
        order = self._shelf.named(fill.order_id, fill.venue_id, fill.symbol)
        if seen != (fill.price, fill.size) and order is not None:
            ours, theirs = f"{seen[1]} @ {seen[0]}", f"{fill.size} @ {fill.price}"
            self._doubts.disagree(order, f"trade {fill.trade_id}", ours, theirs, now)
        return True

    # ── no answer ─────────────────────────────────────────────────────────────────────────────

    def _unanswered(self, event: Unanswered, now: int) -> Change | None:
        order = self.find(event.order_id, symbol=event.symbol)
        if order is None:
            return None
        placing = order
        if event.what == "replace":
            order.cancel_sent = 0
            if order.is_open:
                self._doubts.doubt(order, "a replacement went unanswered", now)
            if order.replaced_by:
                placing = self._shelf.orders.get(order.replaced_by, order)
        if event.what in ("place", "replace"):
            if placing.state is _S_NEW:
                placing.state = _S_SENT
            before = placing.state
            # It may have waited for its turn: its bytes left when the wait for an answer began.
            self._absence.left(placing, now - round(event.waited_seconds * SECOND))
            placing.state = TRANSITIONS.get((before, UNANSWERED), before)
            if placing.state is before:
                self._shelf.note(placing)
                return None
            return self._changed(placing, before, now, f"{event.what} {UNANSWERED}")
        if event.what not in ("status", "fills") and order.is_open:
            order.cancel_sent, order.amend_to = 0, None
            self._doubts.doubt(order, f"a {event.what} went unanswered", now)
        return None

    # ── keeping ───────────────────────────────────────────────────────────────────────────────

    def _sent(self, order: Order, now: int) -> Tracked:
        tracked = self._shelf.orders.get(order.id) or self.made(order, now)
        if tracked.state is _S_NEW:
            tracked.state = _S_SENT
        tracked.changed_at = now
        self._absence.left(tracked, now)
        if tracked.state is _S_UNKNOWN:
            self._shelf.note(tracked)
        return tracked

    def _cancel_sent(self, order_id: str, now: int) -> Tracked | None:
        order = self.find(order_id)
        if order is not None:
            order.cancel_sent = now
        return order

    def _changed(
        self,
        order: Tracked,
        before: OrderState,
        now: int,
        came: str,
        event: Update | Fill | None = None,
    ) -> Change:
        says_nothing = before is _S_UNKNOWN or came is _K_MISSING or came is _K_CANCEL_REJECTED
        if order.state is not before or not says_nothing:  # what proves nothing ages it not
            order.changed_at = now
        if order.state is _S_UNKNOWN:
            self._doubts.ask(order, now)
        elif before is _S_UNKNOWN:
            self._doubts.answered(order, now + self._grace)
        if order.state in FINAL:
            self._close(order)
        elif before in FINAL:
            self._shelf.add(order)
        else:
            self._shelf.note(order)
        return change_of(order, before, now, came, event)

    def _close(self, order: Tracked) -> None:
        order.cancel_sent, order.amend_to, order.doubt = 0, None, ""
        if order.pursued is not None:
            self.pursuit.end(order)
        forgotten = self._shelf.close(order)
        if forgotten is not None:
            self._doubts.forget(forgotten.id)
