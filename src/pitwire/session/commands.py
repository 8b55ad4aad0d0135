"""Orders out, answers in: encoding, pacing, and what each kind of answer proves.

House rules: pure. A command is encoded and leaves in the call that brought it, or waits for the
venue's limit, cancels before places; an order that has waited until its deadline never leaves.
Every command ends in exactly one of: the answer's own facts, a proof that nothing was done, or
`Unanswered`, which proves nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

from pitwire.model import errors
from pitwire.model.clock import SECOND
from pitwire.model.events import Event, Rejected, Unanswered
from pitwire.model.orders import (
    CONDITIONAL,
    AmendOrder,
    CancelOrder,
    Order,
    OrderType,
    RejectReason,
    ReplaceOrder,
    UpdateKind,
)
from pitwire.session.answering import (
    NOT_DONE,
    brings,
    joined,
    last_of_full,
    order_ids,
    reason_of,
    refusal,
    refused_as,
    sent_at,
    stamped_by,
)
from pitwire.session.behind import Behind, Encode
from pitwire.session.books import weight_limit
from pitwire.session.budget import Budget
from pitwire.session.outbox import Outbox
from pitwire.session.pacing import Pacing
from pitwire.session.pending import Pending, Probe, Request, What
from pitwire.session.skew import Skew
from pitwire.venues.venue import (
    Codec,
    ConditionalCodec,
    HttpRequest,
    MarginCodec,
    Reply,
    Venue,
)

Write: TypeAlias = Callable[[bytes], None]
"""Writes a frame to its connection in the same call."""

ORDER_DEADLINE_SECONDS = 2.0
"""An order that has not left so long after its decision was decided in another market: it never
leaves."""
_PLACE = What.PLACE
_NEW = frozenset((What.PLACE, What.REPLACE, What.AMEND))
_ONCE = frozenset((What.CANCEL, What.STATUS, What.FILLS, What.OPEN_ORDERS, What.ACCOUNT))
"""What is not said twice when a silence of the venue ends, however often it was said meanwhile."""
CANCEL_PERCENT = 5
"""Of the venue's request weight: what is left of it is for cancels, and for asking about orders."""
_ORDER_COUNT = {What.PLACE: 1, What.REPLACE: 1}
"""What counts against the venue's limit of new orders (binance §8)."""


class Commands:
    """The orders side of one connection."""

    def __init__(
        self,
        venue: Venue,
        codec: Codec,
        *,
        pacing: Pacing,
        pending: Pending,
        outbox: Outbox,
        skew: Skew,
    ) -> None:
        self._venue, self._can_test = venue.name, venue.can.order_test
        self._fills_page = venue.fills_page
        self.codec = codec
        self.pacing, self.pending = pacing, pending
        self._outbox, self.skew = outbox, skew
        self._serial = venue.one_order_at_a_time
        self._strict = any(one.strict for one in venue.limits if one.scope == "weight")
        self._reserve = max(self._strict, weight_limit(venue) * CANCEL_PERCENT // 100)
        self.budget = Budget(venue, pacing)
        self.deadline = round(ORDER_DEADLINE_SECONDS * SECOND)
        """How long after its decision an order may leave, in ns."""
        self.admitted = False
        """Whether the venue has accepted our login on the present connection."""
        self._urgent: deque[tuple[Request, Encode]] = deque()
        self._ordinary: deque[tuple[Request, Encode]] = deque()
        self._apart: list[tuple[str, tuple[Request, Encode]]] = []
        """What waits for a limit of its own, which holds nothing else back, by its scope."""
        self.behind = Behind(pending)

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits to be sent or answered."""
        return not (self._urgent or self._ordinary or self._apart or self.pending.has_commands)

    def asks(self, what: What) -> bool:
        """Whether a question of this kind waits to be sent or answered."""
        return self.pending.has(what) or any(one.what is what for one in self._questions())

    @property
    def _is_asked(self) -> bool:
        """Whether an order has left and has no answer yet."""
        return any(self.pending.has(what) for what in _NEW)

    def _questions(self) -> Iterator[Request]:
        """Cancels and questions that wait."""
        for request, _ in self._urgent:
            yield request
        for _, (request, _) in self._apart:
            yield request
        for request, _ in self.behind.held:
            yield request

    # ── out: each leaves in this call, or waits for the venue's limit ──

    def place(self, order: Order, now: int, write: Write | None = None) -> None:
        """Send an order, by `write` at once where that is given, before anything is noted of it.

        One that goes over HTTP is carried by whoever empties the outbox.
        """
        if not self.admitted:
            self._demand_login("place")
        # The path from tick to wire: no closure and no queue, unless a limit says so.
        waits = self._ordinary or (self._serial and self._is_asked)
        if waits or not self.pacing.has_room_for_order(now, self._reserve):
            request = Request(What.PLACE, now, order.id, symbol=order.symbol)
            encode = self.codec.place
            self._ordinary.append((request, lambda at, rid: encode(order, at, rid)))
            self.release(now)
            return
        request_id = self.pending.next_id()
        made = self.codec.place(order, now + self.skew.offset, request_id)
        try:
            if isinstance(made, bytes):
                (write or self._outbox.send)(made)
            else:
                self._carry(made, now)
                self.behind.placed(order.id, request_id)
        finally:
            self.pacing.spend("orders", now)
            self.pending.add(request_id, Request(_PLACE, now, order.id, "", order.symbol))

    def may_place(self, now: int) -> bool:
        """Whether an order could leave now."""
        return (
            self.admitted
            and not (self._ordinary or (self._serial and self._is_asked))
            and self.pacing.has_room_for_order(now, self._reserve)
        )

    def cancel(self, command: CancelOrder, now: int) -> None:
        """Send a cancel; an order that still waits here is dropped instead."""
        self._demand_login("cancel")
        for waiting in self._ordinary:
            if brings(waiting[0]) == command.order_id:
                self._drop(waiting, now)
                return
        request = Request(What.CANCEL, now, command.order_id, symbol=command.symbol)
        overtakes = not command.venue_id and self.behind.holds(command.order_id)
        leave = self.behind.hold if overtakes else self._urge
        leave(request, lambda at, rid: self.codec.cancel(command, at, rid))

    def drop_waiting(self, now: int, symbol: str = "") -> bool:
        """No order that waits here, in this symbol or in any, ever leaves; whether one did."""
        waits = [one for one in self._ordinary if brings(one[0]) and symbol in ("", one[0].symbol)]
        for one in waits:
            self._drop(one, now)
        return bool(waits)

    def cancel_all(self, symbol: str, now: int) -> None:
        """Cancel whatever is open in a symbol; orders that still wait here are dropped."""
        self._demand_login("cancel_all")
        self.drop_waiting(now, symbol)
        request, codec = Request(What.CANCEL_ALL, now, symbol=symbol), self.codec
        if isinstance(codec, ConditionalCodec):
            apart = codec.cancel_all_conditional
            self._urge(request, lambda at, rid: apart(symbol, at, rid))
        self._urge(request, lambda at, rid: codec.cancel_all(symbol, at, rid))

    def replace(self, command: ReplaceOrder, now: int) -> None:
        """Cancel one order and place another at once."""
        self._demand_login("replace")
        new = command.order
        request = Request(What.REPLACE, now, command.order_id, new.id, new.symbol)
        self._ordinary.append((request, lambda at, rid: self.codec.replace(command, at, rid)))
        self.release(now)

    def amend(self, command: AmendOrder, now: int) -> None:
        """Make an order smaller."""
        self._demand_login("amend")
        request = Request(What.AMEND, now, command.order_id, symbol=command.symbol)
        self._ordinary.append((request, lambda at, rid: self.codec.amend(command, at, rid)))
        self.release(now)

    def ask_status(
        self,
        symbol: str,
        order_id: str,
        now: int,
        venue_id: str = "",
        type: OrderType | None = None,
    ) -> None:
        """Ask what became of an order, by the venue's id where that is given."""
        self._demand_login("ask_status")
        codec = self.codec
        request = Request(What.STATUS, now, order_id, symbol=symbol)
        if type in CONDITIONAL and not venue_id and isinstance(codec, ConditionalCodec):
            apart = codec.conditional_status
            self._urge(request, lambda at, rid: apart(symbol, order_id, at, rid))
            return
        ask = codec.order_status
        self._urge(request, lambda at, rid: ask(symbol, order_id, at, rid, venue_id))

    def ask_fills(self, symbol: str, order_id: str, venue_id: str, now: int) -> None:
        """Ask what an order traded, fill by fill."""
        self._demand_login("ask_fills")
        ask = self.codec.order_fills
        request = Request(What.FILLS, now, order_id, symbol=symbol)
        self._urge(request, lambda at, rid: ask(symbol, order_id, venue_id, at, rid))

    def ask_fills_since(self, symbol: str, trade_id: str, since: int, now: int) -> None:
        """Ask what the account traded in a symbol from this trade on, or else after a time."""
        self._demand_login("ask_fills_since")
        ask = self.codec.fills_since
        request = Request(What.FILLS, now, symbol=symbol, trade_id=trade_id)
        self._urge(request, lambda at, rid: ask(symbol, trade_id, since, at, rid))

    def test(self, order: Order, now: int) -> None:
        """Have an order checked and not placed; the answer is for who waits, and no event."""
        self._demand_login("test")
        if not self._can_test:
            raise errors.StateError(
                verb="test", state=f"with {self._venue}", expected="a venue that checks orders"
            )
        request = Request(What.TEST, now, order.id, symbol=order.symbol)
        self._urge(request, lambda at, rid: self.codec.test_place(order, at, rid))

    def ask_open_orders(self, symbol: str, now: int) -> None:
        """Ask which orders are open."""
        self._demand_login("ask_open_orders")
        codec = self.codec
        if isinstance(codec, ConditionalCodec):
            # Those apart first: one that triggers meanwhile stands in the second list.
            apart = codec.open_conditional
            request = Request(What.OPEN_ORDERS, now, symbol=symbol, apart=True)
            self._urge(request, lambda at, rid: apart(symbol, at, rid))
            return
        self._list(symbol, now, ())

    def _list(self, symbol: str, now: int, listed: tuple[Event, ...]) -> None:
        ask = self.codec.open_orders
        request = Request(What.OPEN_ORDERS, now, symbol=symbol, listed=listed)
        self._urge(request, lambda at, rid: ask(symbol, at, rid))

    def ask_account(self, now: int) -> None:
        """Ask what the account holds."""
        self._demand_login("ask_account")
        self._urge(Request(What.ACCOUNT, now), self.codec.account)

    def set_leverage(self, symbol: str, leverage: int, now: int) -> None:
        """Have positions in a symbol held on this multiple of what they cost."""
        set_leverage = self._margin("set_leverage").set_leverage
        request = Request(What.LEVERAGE, now, symbol=symbol)
        self._urge(request, lambda at, rid: set_leverage(symbol, leverage, at, rid))

    def arm_countdown(self, symbol: str, seconds: float, now: int) -> None:
        """Wind the venue's own dead man's timer for a symbol, or stop it with 0."""
        arm = self._margin("arm_countdown").arm_countdown
        request = Request(What.COUNTDOWN, now, symbol=symbol)
        self._urge(request, lambda at, rid: arm(symbol, seconds, at, rid))

    def _margin(self, verb: str) -> MarginCodec:
        self._demand_login(verb)
        if not isinstance(self.codec, MarginCodec):
            raise errors.StateError(
                verb=verb, state=f"with {self._venue}", expected="a venue that offers it"
            )
        return self.codec

    def release(self, now: int) -> None:
        """Send what may leave now, cancels and questions first; tell what is too late for it."""
        self._outbox.stirred = True
        if self.behind.held:
            self._urgent.extend(self.behind.due())
        if not (self._urgent or self._ordinary or self._apart):
            return
        self._expire(now)
        for scope, first in reversed([*dict(reversed(self._apart)).items()]):
            if self.pacing.allows(scope, now):
                self._apart.remove((scope, first))
                self._urgent.append(first)
        for queue in (self._urgent, self._ordinary):
            while queue and self._may_leave(queue[0][0].what, now):
                request, encode = queue.popleft()
                request_id = self.pending.next_id()
                try:
                    frame = encode(now + self.skew.offset, request_id)
                except Exception as error:  # noqa: BLE001 — who waits behind it leaves all the same
                    is_ours = isinstance(error, errors.LocalError)
                    why = str(error) if is_ours else f"never sent: {type(error).__name__}: {error}"
                    self._outbox.tell(*self.refused(request, why, now))
                    continue
                if isinstance(frame, bytes):
                    self._outbox.send(frame)
                    self.budget.spent(request, now)
                elif self.pacing.allows(frame.scope, now):
                    self._carry(frame, now)
                    if brings(request):
                        self.behind.placed(brings(request), request_id)
                else:
                    self._apart.append((frame.scope, (request, encode)))
                    continue
                self.pending.add(request_id, sent_at(request, now))

    def _carry(self, request: HttpRequest, now: int) -> None:
        self.pacing.spend_on(request, now)
        self.pending.goes_apart(request.request_id)
        self._outbox.ask(request)
        self._outbox.stirred = True

    def _expire(self, now: int) -> None:
        """What waited for its turn until its deadline, whatever held it back, is told as never
        sent. Cancels and questions are never too late."""
        while self._ordinary and now >= self._ordinary[0][0].sent + self.deadline:
            request = self._ordinary.popleft()[0]
            waited, allowed = (now - request.sent) / SECOND, self.deadline / SECOND
            text = f"never sent: waited {waited:.1f} s for its turn, {allowed:g} s are allowed"
            self._outbox.tell(*self.refused(request, text, now))

    def _urge(self, request: Request, encode: Encode) -> None:
        waits = request.what in _ONCE and any(
            sent_at(one, request.sent) == request for one in self._questions()
        )
        if not waits:
            self._urgent.append((request, encode))
        self.release(request.sent)

    def _drop(self, waiting: tuple[Request, Encode], now: int) -> None:
        self._ordinary.remove(waiting)
        self._outbox.stirred = True
        self._outbox.tell(*self.refused(waiting[0], "never sent: cancelled in time", now))

    def _demand_login(self, verb: str) -> None:
        if not self.admitted:
            raise errors.StateError(
                verb=verb, state="not logged in", expected="an accepted login on an open connection"
            )

    def next_deadline(self, now: int) -> int | None:
        """When `release` will next have something to send, or to give up."""
        if not (self._urgent or self._ordinary or self._apart):
            return None
        held = self._held_until()
        if self._strict:
            held = max(held, self.pacing.ready_at("weight", now))
        times = [max(held, self.pacing.ready_at(scope, now)) for scope, _ in self._apart]
        if self._urgent:
            times.append(held)
        if self._ordinary:
            room = self.pacing.ready_at("weight", now, cost=self._reserve)
            if self._serial and self._is_asked:
                room = self._ordinary[0][0].sent + self.deadline  # the answer comes of itself
            turn = max(held, room, self.pacing.ready_at("orders", now))
            times.append(min(turn, self._ordinary[0][0].sent + self.deadline))
        return max(now, min(times))

    # ── in ──

    def answered(self, request: Request, reply: Reply, now: int) -> list[Event]:
        """What the answer to a command or a question says."""
        told: list[Event] = [stamped_by(event, request) for event in reply.events]
        error = reply.error
        if request.what is What.TEST:
            self._outbox.settle(Probe(request.order_id), error)
            return told
        if error is None and request.apart:
            self._list(request.symbol, now, tuple(told))
            return []
        if error is None and request.what is What.FILLS:
            return told + self._ask_on(request, told, now)
        if error is None:
            return joined([*request.listed, *told]) if request.listed else told
        if not isinstance(error, NOT_DONE):
            return told + self.unanswered(request, now, known=told)
        return told + self._disproved(request, error, now, known=told)

    def _ask_on(self, request: Request, told: Sequence[Event], now: int) -> list[Event]:
        """Behind a full answer about fills those that follow are asked for."""
        last = last_of_full(told, self._fills_page)
        if last and (not self.admitted or last == request.trade_id):
            return self.unanswered(request, now)  # the rest is not told, nor can be asked for
        if last:
            self.ask_fills_since(request.symbol, last, 0, now)
        return []

    def failed(
        self, request: Request, error: errors.DialFailed, now: int, *, told: bool
    ) -> list[Event]:
        """A request over HTTP has failed; `told`: that no answer came to it is known already."""
        if error.kind == errors.UNREACHED and not request.went_on:
            return self.refused(request, f"never sent: {error}", now)
        return [] if told else self.unanswered(request, now)

    def unanswered(self, request: Request, now: int, *, known: Iterable[Event] = ()) -> list[Event]:
        """No answer, or one that proves nothing."""
        waited = (now - request.sent) / SECOND
        if request.what is What.TEST:
            silence = errors.Stalled(silent_seconds=waited, what="answer to test")
            self._outbox.settle(Probe(request.order_id), silence)
            return []
        settled = order_ids(known)
        concerned = [i for i in (request.order_id, request.new_id) if i] or [""]
        return [
            Unanswered(self._venue, request.symbol, 0, now, order_id, request.what, waited)
            for order_id in concerned
            if order_id not in settled
        ]

    def lost(self, now: int) -> list[Event]:
        """The connection is gone: what was queued was never sent, and that is proven."""
        self.admitted = False
        queued = [*self._questions(), *(request for request, _ in self._ordinary)]
        self._urgent.clear()
        self._apart.clear()
        self.behind.lost()
        self._ordinary.clear()
        reason = "never sent: the connection was lost"
        return [event for request in queued for event in self.refused(request, reason, now)]

    def _disproved(
        self, request: Request, error: errors.RemoteError, now: int, *, known: list[Event]
    ) -> list[Event]:
        reason = reason_of(error)
        if request.what is What.STATUS:
            if reason is not RejectReason.UNKNOWN_ORDER:
                return self.unanswered(request, now)
            kinds = [(request.order_id, UpdateKind.MISSING)]
        elif not (kinds := refused_as(request)):
            return [
                Rejected(
                    self._venue,
                    request.symbol,
                    0,
                    now,
                    "orders",
                    request.what,
                    error.code,
                    error.text or str(error),
                )
            ]
        settled = order_ids(known)
        return [
            refusal(self._venue, order_id, kind, request, now, reason, error)
            for order_id, kind in kinds
            if order_id not in settled
        ]

    def refused(self, request: Request, text: str, now: int) -> list[Event]:
        """What is told of a command that never left: it is proven that nothing was done."""
        nothing = errors.RequestRejected(venue=self._venue, text=text, request=request.what)
        if request.what is What.STATUS:
            return self.unanswered(request, now)
        if request.what is What.TEST:
            self._outbox.settle(Probe(request.order_id), nothing)
            return []
        return self._disproved(sent_at(request, 0), nothing, now, known=[])

    # ── limits ──

    def _held_until(self) -> int:
        return self.pacing.blocked_until("weight")

    def _may_leave(self, what: What, now: int) -> bool:
        has_room = what not in _NEW or self.pacing.leaves("weight", self._reserve, now)
        if what in _NEW and self._serial and self._is_asked:
            return False
        if self._strict and not self.pacing.leaves("weight", 1, now):
            return False
        if self._held_until() > now or not has_room:  # what is left is for cancels and questions
            return False
        count = _ORDER_COUNT.get(what, 0)
        return not count or self.pacing.try_spend("orders", now, cost=count)
