"""The screen: wishes in, approved commands out. The one place where an `Order` is made.

House rules: a refusal is a record, never an exception; cancels always pass; the kill switch stays
thrown until a person releases it; what is approved counts in the ledger from that moment.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import assert_never

from pitwire.model.clock import SECOND
from pitwire.model.errors import OffGrid
from pitwire.model.instruments import Instrument
from pitwire.model.orders import (
    Alert,
    Amend,
    AmendOrder,
    Cancel,
    CancelOrder,
    Cause,
    Command,
    HaltTrading,
    Order,
    OrderType,
    Place,
    Replace,
    ReplaceOrder,
    Side,
)
from pitwire.trading.changing import amend_breach, matches, not_ours
from pitwire.trading.clearance import COMPILED, Clearance
from pitwire.trading.conduct import Conduct, worth_of
from pitwire.trading.ids import OrderIds
from pitwire.trading.journal import (
    UNSAID,
    Alerted,
    Decided,
    Flattening,
    Halted,
    Journal,
    Refusal,
    Restricted,
    Resumed,
    placed,
    sayable_text,
)
from pitwire.trading.lately import Lately
from pitwire.trading.limits import CHECKS, Breach, Limits, Proposal, off_grid
from pitwire.trading.stance import Stance, Switches
from pitwire.trading.state import State, Touch
from pitwire.trading.tracked import ZERO, Tracked
from pitwire.trading.wishes import Draft, DraftReplace, Wish

MISSED = "what traded while the connection was lost is not told yet"
_CANCEL_AGAIN = 2 * SECOND


class Screen:
    """Holds every wish against the limits. `armed` and `halted` are the two master switches."""

    __slots__ = (
        "_clearances", "_closes", "_ids", "_journal", "_lately", "_leaving", "_touches", "armed",
        "compiled", "conduct", "flattening", "halted", "limits", "reducing", "refused",
    )  # fmt: skip

    def __init__(
        self, limits: Limits, ids: OrderIds, journal: Journal, *, armed: bool = False
    ) -> None:
        self.limits = limits
        self.armed = armed
        self.halted = ""
        """Why trading is halted; "" when it is not."""
        self.reducing = ""
        """Why only orders that reduce a position may leave; "" when all may."""
        self.flattening = ""
        """Who has asked that positions be closed while trading is halted; "" when nobody has."""
        self._closes = False
        self.conduct = Conduct(limits)
        self.refused = 0
        self._leaving: set[str] = set()
        """Orders that this burst already cancels or replaces."""
        self._touches: dict[str, Touch | None] = {}  # by symbol that this burst orders in
        self._ids = ids
        self._journal = journal
        self._clearances: dict[str, Clearance] = {}
        self._lately = Lately(limits)
        self.compiled = COMPILED  # None: every wish goes by `_order`

    @property
    def ids(self) -> OrderIds:
        """Where the ids of the orders made here come from."""
        return self._ids

    @property
    def prefix(self) -> str:
        """What the ids of the orders made here begin with, in every run."""
        return self._ids.prefix

    @property
    def epoch(self) -> int:
        """Which start of this account they count in."""
        return self._ids.epoch

    @property
    def stance(self) -> Stance:
        """What may leave at this moment."""
        return Switches(self.halted, self.reducing, self.armed).stance

    def admit(self, wishes: Iterable[Wish], state: State, now: int) -> list[Command]:
        """What may leave of what is wished, in order; a halt goes before everything else."""
        commands: list[Command] = []
        self._leaving.clear()
        self._touches.clear()
        ordered = list(wishes)
        if len(ordered) > 1:
            ordered.sort(key=_is_no_halt)
        for wish in ordered:
            if type(wish) is Draft:  # nearly every wish
                quick = self.compiled and self.compiled.quick(self, wish, state, now)
                made = quick or self._order(wish, wish, state, now)
                commands += [made] if isinstance(made, Order) else self._no(wish, made, wish, now)
            else:
                commands += self._one(wish, state, now)
        for command in commands:
            self._journal.write(self._decision(command, now))
        return commands

    def would_admit(self, draft: Draft, state: State, now: int) -> bool:
        """Whether it would pass by the short way as things stand; nothing comes of it."""
        if self.compiled is not None and self.compiled.would(self, draft, state, now):
            return True
        instrument = state.instruments.get(draft.symbol)
        if instrument is None or self._switches() or self.conduct.may_bar(draft.rule, state, now):
            return False
        clearance, touch = self.clearance(instrument), state.touch(draft.symbol)
        try:
            place = draft.place(clearance)
        except OffGrid:
            return False
        return self._passes(place, clearance, state, now, touch, on_grid=True)

    def halt(
        self, reason: str, by: str, state: State, now: int, *, cause: Cause | None = None
    ) -> list[Command]:
        """Throw the kill switch; the cancels of everything that is ours."""
        self._leaving.clear()
        self.throw(reason, by, now)
        return self._cancels(Cancel(rule=by, cause=cause), state, now)

    def throw(self, reason: str, by: str, now: int) -> None:
        """The kill switch alone; whoever calls this sees to the cancels."""
        if not self.halted:
            # It goes to the latch and to the door, which say what UTF-8 can say.
            # A rule may hand in an error instead of its text, or nothing: it is a halt still.
            self.halted, by = sayable_text(str(reason)) or UNSAID, sayable_text(by)
            self._journal.write(Halted(at=now, reason=self.halted, by=by))

    def restrict(self, reason: str, by: str, now: int) -> None:
        """Let only orders that reduce a position leave, until a person resumes."""
        if not self.reducing:
            self.reducing = sayable_text(reason)
            self._journal.write(Restricted(at=now, reason=self.reducing, by=by))

    def resume(self, by: str, now: int) -> None:
        """A person releases the kill switch, and any restriction."""
        self.halted = self.reducing = self.flattening = ""
        self._journal.write(Resumed(at=now, by=by))

    def flatten(self, by: str, now: int) -> None:
        """Let `close_out` pass until a person resumes, though trading is halted."""
        if self.halted and not self.flattening:
            self.flattening = sayable_text(by)
            self._journal.write(Flattening(at=now, by=self.flattening))

    def close_out(self, place: Place, state: State, now: int) -> Order | Breach:
        """The one order that leaves in a halt: it makes a position smaller, as a person asked.

        Limits hold for it as for any other, but those on how many there were before it.
        """
        if not (self.halted and self.flattening):
            return Breach("flatten", "not asked for", "a person who asks for it")
        self._closes = True
        try:
            found = self._order(place, place, state, now)
        finally:
            self._closes = False
        if isinstance(found, Order):
            self._journal.write(self._decision(found, now))
        return found

    def refuse(self, wish: Wish, breach: Breach, now: int, symbol: str = "") -> None:
        """Record that this wish was refused, and why."""
        self.refused += 1
        self._journal.write(
            Refusal(
                at=now,
                rule=wish.rule,
                symbol=symbol or getattr(wish, "symbol", ""),
                limit=breach.limit,
                value=str(breach.value),
                allowed=str(breach.allowed),
                cause=wish.cause,
            )
        )

    # ── one wish ──────────────────────────────────────────────────────────────────────────────

    def _one(self, wish: Wish, state: State, now: int) -> list[Command]:
        match wish:  # a draft is what nearly every wish is
            case Draft() | Place():
                order = self._order(wish, wish, state, now)
                return [order] if isinstance(order, Order) else self._no(wish, order, wish, now)
            case Cancel():
                return self._cancels(wish, state, now)
            case Replace():
                return self._replace(wish, wish.place, state, now)
            case DraftReplace():
                return self._replace(wish, wish.draft, state, now)
            case Amend():
                return self._amend(wish, state, now)
            case Alert():
                self._alert(wish, now)
                return []
            case HaltTrading():
                return self.halt(wish.reason, wish.rule or "rule", state, now, cause=wish.cause)
        assert_never(wish)

    def _order(
        self,
        wish: Wish,
        wanted: Place | Draft,
        state: State,
        now: int,
        replacing: Tracked | None = None,
    ) -> Order | Breach:
        instrument = state.instruments.get(wanted.symbol)
        if instrument is None:
            return Breach("instrument", wanted.symbol, "a symbol whose rules are known")
        breach = self._switches() if self.halted or not self.armed else None
        if state.missed and wanted.symbol in state.missed:
            breach = breach or Breach("order updates", MISSED, "a venue that has told it")
        breach = breach or self.conduct.breach(wish.rule, state, now, closes=self._closes)
        if breach is not None:
            return breach
        clearance = self.clearance(instrument)
        drafted = isinstance(wanted, Draft)
        try:
            place = wanted.place(clearance) if isinstance(wanted, Draft) else wanted
        except OffGrid as off:
            return Breach(f"grid {off.field}", off.value, off.expected)
        self._touches[place.symbol] = touch = state.touch(place.symbol)
        too_many = None if self._closes else self.conduct.too_many(now)
        quick = not (self.reducing or self._closes or too_many)
        if quick and self._passes(place, clearance, state, now, touch, on_grid=drafted):
            return self._approve(place, instrument, wish.cause, state, now)
        proposal = self._proposal(
            place, clearance, state, now, touch, replacing=replacing, on_grid=drafted,
            too_many=too_many,
        )  # fmt: skip
        for check in CHECKS:
            if (breach := check(proposal)) is not None:
                return breach
        return self._approve(place, instrument, wish.cause, state, now)

    def _passes(
        self,
        place: Place,
        clearance: Clearance,
        state: State,
        now: int,
        touch: Touch | None,
        *,
        on_grid: bool,
    ) -> bool:
        """A quick yes, or no answer: the short way of nearly every order."""
        lately = self._lately
        return (
            lately.allows(self.limits, now)
            and not lately.repeats(place, now)
            and (on_grid or off_grid(place, clearance.instrument) is None)
            and clearance.passes(place, state, now, touch)
        )

    def _no(self, wish: Wish, breach: Breach, wanted: Place | Draft, now: int) -> list[Command]:
        self.refuse(wish, breach, now, wanted.symbol)
        return []

    def _switches(self) -> Breach | None:
        if self.halted and not self._closes:
            return Breach("halt", self.halted, "a person to resume")
        return None if self.armed else Breach("armed", "no", "an armed desk")

    def _proposal(
        self,
        place: Place,
        clearance: Clearance,
        state: State,
        now: int,
        touch: Touch | None,
        *,
        replacing: Tracked | None,
        on_grid: bool,
        too_many: Breach | None = None,
    ) -> Proposal:
        bid = ask = None
        if touch is not None:
            bid, ask = Decimal(repr(touch[0])), Decimal(repr(touch[1]))
        buys = place.side is Side.BUY
        price = place.price or place.stop_price or (ask if buys else bid)
        size, notional = place.size, place.quote_size
        if size is None and notional is not None and price:
            size = notional / price
        elif notional is None and size is not None and price is not None:
            notional = size * price
        second, ten = self._lately.counts(now)
        return Proposal(
            place=place,
            instrument=clearance.instrument,
            limits=self.limits,
            own=clearance.own,
            viewable_only=clearance.viewable_only,
            state=state,
            now=now,
            bid=bid,
            ask=ask,
            quoted_at=touch[2] if touch is not None else 0,
            price=price,
            size=size,
            replacing=replacing,
            recent_second=second,
            recent_ten=ten,
            repeated=self._lately.repeats(place, now),
            buys=buys,
            notional=notional,
            reducing=self.flattening if self._closes else self.reducing,
            too_many=too_many,
            day_notional=self.conduct.day_notional.get(clearance.instrument.quote, ZERO),
            on_grid=on_grid,
        )

    def _approve(
        self, place: Place, instrument: Instrument, cause: Cause | None, state: State, now: int
    ) -> Order:
        # By position, in the order of its fields: by name it takes three times as long.
        order = Order(
            self._ids.next(protective=place.protective),
            place.symbol,
            place.side,
            place.type,
            place.size,
            place.quote_size,
            place.price,
            place.stop_price,
            place.trailing_bips,
            place.time_in_force,
            place.reduce_only,
            place.tag,
            place.rule,
            cause if place.cause is None else place.cause,
            now,
        )
        state.ledger.made(order, now)
        self._lately.note(place, now)
        counts = self.limits.max_day_notional is not None
        worth = worth_of(place, state) if counts else None
        self.conduct.decided(order, worth, instrument.quote, now)
        return order

    # ── the other wishes ──────────────────────────────────────────────────────────────────────

    def _cancels(self, wish: Cancel, state: State, now: int) -> list[Command]:
        """Cancels of every open order of ours that matches; a foreign one is left alone."""
        if wish.order_id:
            order = state.ledger.find(wish.order_id, symbol=wish.symbol)
            if order is None or not order.is_ours or not order.is_open:
                self.refuse(wish, not_ours(order, wish.order_id), now)
                return []
            matching = [order]
        else:
            matching = [one for one in state.ledger.open_of(wish.symbol) if matches(one, wish)]
        leaving = [one for one in matching if self._may_cancel(one, now)]
        self._leaving.update(one.id for one in leaving)
        for _ in leaving:
            self.conduct.cancelled(now)
        return [
            CancelOrder(
                order_id=one.id,
                symbol=one.symbol,
                venue_id=one.venue_id,
                rule=wish.rule,
                cause=wish.cause,
                decided=now,
                type=one.type,
            )
            for one in leaving
        ]

    def _may_cancel(self, order: Tracked, now: int) -> bool:
        """Not while a cancel of it is on its way; a market order cannot be called back."""
        if order.id in self._leaving or order.type is OrderType.MARKET:
            return False
        return not order.cancel_sent or now >= order.cancel_sent + _CANCEL_AGAIN

    def _replace(
        self, wish: Replace | DraftReplace, wanted: Place | Draft, state: State, now: int
    ) -> list[Command]:
        old = state.ledger.find(wish.order_id)
        if old is None or not old.is_ours or not old.is_open or old.symbol != wanted.symbol:
            return self._no(wish, not_ours(old, wish.order_id), wanted, now)
        if old.cancel_sent or old.id in self._leaving:
            pending = Breach("cancel pending", old.id, "an order that is not being cancelled")
            return self._no(wish, pending, wanted, now)
        order = self._order(wish, wanted, state, now, old)
        if not isinstance(order, Order):
            return self._no(wish, order, wanted, now)
        self._leaving.add(old.id)
        return [
            ReplaceOrder(
                order_id=old.id,
                order=order,
                venue_id=old.venue_id,
                untouched=not old.done,
                decided=now,
            )
        ]

    def _amend(self, wish: Amend, state: State, now: int) -> list[Command]:
        order = state.ledger.find(wish.order_id)
        if order is None or not order.is_ours or not order.is_open:
            self.refuse(wish, not_ours(order, wish.order_id), now)
            return []
        breach = self._switches() or amend_breach(order, wish.size, state)
        if breach is not None:
            self.refuse(wish, breach, now, order.symbol)
            return []
        return [
            AmendOrder(
                order_id=order.id,
                symbol=order.symbol,
                size=wish.size,
                venue_id=order.venue_id,
                decided=now,
                side=order.side,
                price=order.price,
            )
        ]

    def _alert(self, wish: Alert, now: int) -> None:
        self._journal.write(
            Alerted(
                at=now,
                text=wish.text,
                level=wish.level,
                rule=wish.rule,
                symbol=wish.symbol,
                cause=wish.cause,
            )
        )

    def _decision(self, command: Command, now: int) -> Decided:
        """The record of an approval; for an order with the quote it was made on."""
        order = command if type(command) is Order else placed(command)
        touch = None if order is None else self._touches[order.symbol]
        if touch is None:
            return Decided(now, command)
        return Decided(now, command, touch[0], touch[1])

    def clearance(self, instrument: Instrument) -> Clearance:
        """What holds until the instrument or the limits change."""
        known, limits = self._clearances.get(instrument.symbol), self.limits
        if known is None or known.instrument is not instrument or known.limits is not limits:
            known = self._clearances[instrument.symbol] = Clearance(instrument, limits)
        return known


def _is_no_halt(wish: Wish) -> bool:
    return not isinstance(wish, HaltTrading)
