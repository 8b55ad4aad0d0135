"""The history of a desk's commands, held against the venue's own truth.

House rules: every command that left is *ok*, *fail* or *unknown* by our ledger; the venue's truth
says which of them exist. Every ok exists once, no fail exists, every unknown ends as one or the
other, fills sum to positions, and nothing exists that nobody invoked. Our journal is a witness,
never the judge.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import pairwise

import msgspec

from pitwire.model.clock import SECOND
from pitwire.model.events import Authenticated, Fill
from pitwire.model.orders import OrderState, Side, UpdateKind
from pitwire.sim.facts import SimOrder, Status
from pitwire.sim.faults import (
    BaseFault,
    BlackHole,
    CloseWith,
    Cut,
    Delay,
    DelayAck,
    Drop,
    Flap,
    Freeze,
    HangDial,
    HttpError,
    LoseAck,
    Malformed,
    Misreport,
    RefuseDial,
    ServerShutdown,
    Stall,
    Throttle,
    Withhold,
    ending,
)
from pitwire.torture.order_truth import OrderTruth, Waiting
from pitwire.trading.journal import Came, Left, Record, placed
from pitwire.trading.state import ORDERS, State
from pitwire.trading.tracked import ZERO, Change, Disagreement, Origin, Tracked

_S = OrderState
_ENDS = {
    _S.FILLED: (Status.FILLED,),
    _S.CANCELED: (Status.CANCELED,),
    _S.EXPIRED: (Status.EXPIRED, Status.EXPIRED_IN_MATCH),
}
_ON_ITS_WAY = SECOND // 2
_HINDERS = (
    BlackHole, Delay, DelayAck, Drop, Freeze, HttpError, LoseAck, Malformed, Misreport, Stall,
    Throttle, Withhold,
)  # fmt: skip
"""Faults under which a question may come to nothing: the venue is not reached while they happen."""
_DEAFENS = (
    BlackHole, CloseWith, Cut, Drop, Flap, HangDial, Malformed, RefuseDial, ServerShutdown, Stall,
)  # fmt: skip
"""Faults under which nobody is told of what others do on the account."""
_BACK = 3 * SECOND
"""By then after a loss we are told again, unless another fault happens."""
_QUESTIONS = ("*", "query", "status", "open_orders", "fills", "account", "logon")


class History(msgspec.Struct, kw_only=True):
    """What came of all commands of a trial."""

    orders: int = 0
    """Orders that left."""
    fills: int = 0
    unknown: int = 0
    """Times that an order became unknown."""
    found: list[float] = []
    """Seconds from when the venue could be asked until an order that lived was known."""
    buried: list[float] = []
    """Seconds from the earliest proof, or from when the venue could be asked, to each death."""
    doubled: int = 0
    """Orders that exist more than once, and fills that were counted twice."""
    false_deaths: int = 0
    """Orders called over that were not."""
    missing: int = 0
    """Fills that were never counted."""
    named: int = 0
    """Differences that were named."""
    complaints: list[str] = []

    def note(self, text: str) -> None:
        """Something does not hold."""
        self.complaints.append(text)


class Lives:
    """Looks at a desk's orders beside the venue's while they live."""

    def __init__(self, truth: OrderTruth, history: History) -> None:
        self._truth, self._history = truth, history
        self._told: set[str] = set()

    def look(self, state: State) -> None:
        """An order that lives at the venue is never over for us, and never less than it is."""
        worst: dict[tuple[str, str], Decimal] = {}
        for order in self._truth.living():
            name = self._truth.name_of(order)
            tracked = state.ledger.find(name, str(order.order_id), order.symbol)
            size = self._truth.size(order, order.left)
            self._compare(tracked, Waiting(name, order.symbol, order.side, size), worst)
        for waiting in self._truth.waiting():
            self._compare(state.ledger.find(waiting.name), waiting, worst)
        for (symbol, side), left in worst.items():
            exposure = state.ledger.exposure(symbol, None)
            ours = exposure.buys if side == "buy" else exposure.sells
            if ours < left and f"{symbol} {side}" not in self._told:
                self._told.add(f"{symbol} {side}")
                self._history.note(f"{symbol}: {left} may still {side}, we count {ours}")

    def _compare(
        self, tracked: Tracked | None, theirs: Waiting, worst: dict[tuple[str, str], Decimal]
    ) -> None:
        name = theirs.name
        if tracked is None:
            return  # somebody else's, or its word on the way
        if not tracked.is_open and name not in self._told:
            self._told.add(name)
            self._history.false_deaths += 1
            self._history.note(f"{name} lives at the venue, the ledger says {tracked.state}")
        if tracked.is_ours:
            key = (theirs.symbol, theirs.side.value)
            worst[key] = worst.get(key, ZERO) + theirs.size


class Judge:
    """Holds the end of a trial against the truth, when nothing is on its way any more."""

    def __init__(self, truth: OrderTruth, state: State, history: History) -> None:
        self._truth, self._state, self._history = truth, state, history
        self._deaf: list[tuple[int, int]] = []
        """From when to when an event of the account may not have reached us."""

    def reach(
        self, records: Sequence[Record], happened: Iterable[tuple[int, BaseFault]], start: int
    ) -> None:
        """Fill the history in."""
        happened = list(happened)
        self._deaf = [(at - _ON_ITS_WAY, max(_until(at, fault, start), at + _BACK))
                      for at, fault in happened if isinstance(fault, _DEAFENS)]  # fmt: skip
        self._commands(records)
        self._orders()
        self._money(records)
        self._times(records, happened, start)
        self._history.named = sum(isinstance(one, Disagreement) for one in records)
        self._manners(happened)

    def _manners(self, happened: list[tuple[int, BaseFault]]) -> None:
        """No limit is broken, and nobody is spoken to who wants silence."""
        silences = [
            (at, fault.retry_after_seconds)
            for at, fault in happened
            if isinstance(fault, Misreport) and fault.retry_after_seconds
        ]
        for refusal in self._truth.refusals[len(silences) :]:
            self._history.note(f"a limit of the venue was broken: {refusal}")
        for at, seconds in silences:
            # What was under way when the answer was given cannot be taken back.
            since, until = at + _ON_ITS_WAY, at + round(seconds * SECOND)
            broken = sum(since < request < until for request in self._truth.requests)
            if broken:
                self._history.note(
                    f"{broken} requests while the venue wanted {seconds:g} s of silence"
                )

    def _commands(self, records: Sequence[Record]) -> None:
        """Every ok exists once, no fail exists, nothing exists that nobody invoked."""
        history, truth = self._history, self._truth
        invoked: set[str] = set()
        for record in records:
            order = placed(record.command) if isinstance(record, Left) else None
            if order is None:
                continue
            if order.id in invoked:
                history.doubled += 1
                history.note(f"{order.id} left twice")
            invoked.add(order.id)
            if order.id in truth.accepted_at and record.at > truth.accepted_at[order.id]:
                history.note(f"{order.id} was at the venue before the journal had its intent")
        history.orders = len(invoked)
        for name, times in truth.names.items():
            if times > 1:
                history.doubled += times - 1
                history.note(f"{name} was placed {times} times")
            if self._state.ledger.is_ours(name) and name not in invoked:
                history.note(f"{name} exists and nobody invoked it")
        for name in invoked:
            tracked = self._state.ledger.find(name)
            exists = name in truth.names
            if tracked is None:
                history.note(f"{name} left and is not in the ledger")
            elif tracked.state in (_S.UNKNOWN, _S.SENT, _S.NEW):
                history.note(f"{name} is still {tracked.state}; at the venue: {exists}")
            elif (tracked.state is _S.REJECTED) is exists:
                history.false_deaths += exists
                told = "exists" if exists else "does not exist"
                history.note(f"{name} is {tracked.state} for us and {told} at the venue")

    def _orders(self) -> None:
        ledger = self._state.ledger
        for name, order in self._truth.orders().items():
            tracked = ledger.find(name, str(order.order_id), order.symbol)
            if tracked is None:
                if not self._is_unheard(name, order):
                    self._history.note(f"{name} ({order.status}) is not in the ledger")
            else:
                self._order(tracked, order)
        for name, end in self._truth.apart().items():
            tracked = ledger.find(name)
            if tracked is None:
                self._history.note(f"{name}, which waited for its price, is not in the ledger")
            elif tracked.state is not end and (end is not None or not tracked.is_open):
                found = end or "waiting"
                self._history.note(f"{name} is {tracked.state} for us, {found} at the venue")

    def _is_unheard(self, name: str, order: SimOrder) -> bool:
        """Whether somebody else's order came while we could not hear, and left no trace.

        Its end came before our count began; or unfilled, so that no list of open orders has it and
        no list of fills, and that is all that can be asked for what nobody knows.
        """
        if self._state.ledger.is_ours(name) or not self._truth.is_over(order):
            return False
        if order.updated < self._state.portfolio.counted_from:
            return True
        if order.filled_lots:
            return False
        # While nobody hears, what happens is noted later; the venue's own time may be set.
        came = min(self._truth.accepted_at[name], order.created or order.updated)
        return any(since <= came <= until for since, until in self._deaf)

    def _order(self, tracked: Tracked, order: SimOrder) -> None:
        history, status = self._history, order.status
        filled = self._truth.size(order, order.filled_lots)
        agrees = (
            not self._truth.is_over(order)
            if tracked.is_open
            else status in _ENDS.get(tracked.state, ())
        )
        if not agrees:
            history.note(f"{tracked.id} is {tracked.state} for us, {status} at the venue")
        if tracked.filled > filled:
            history.doubled += 1
            history.note(f"{tracked.id}: {tracked.filled} filled for us, {filled} at the venue")
        elif tracked.filled < filled and tracked.origin is Origin.OURS:
            history.missing += 1
            history.note(f"{tracked.id}: {filled} filled at the venue, {tracked.filled} counted")

    def _money(self, records: Sequence[Record]) -> None:
        """Fills sum to positions: what the venue holds is the opening and our fills."""
        portfolio, truth = self._state.portfolio, self._truth
        for symbol, size in truth.positions().items():
            ours = portfolio.position(symbol)
            if ours != size:
                self._history.note(f"{symbol}: {ours} held for us, {size} at the venue")
        named = {one.asset: one.amount for one in portfolio.differences()}
        opening = truth.opening_at(portfolio.counted_from)
        early = _before(records, portfolio.counted_from)
        for asset, after in truth.balances().items():
            since = portfolio.flow(asset) - early.get(asset, ZERO)
            rest = after - opening.get(asset, ZERO) - since
            if rest or named.get(asset, ZERO):
                told = f"{rest} is in no fill, and named as {named.get(asset, ZERO)}"
                self._history.note(f"{asset}: {told}")

    # ── how long it took ──────────────────────────────────────────────────────────────────────

    def _times(
        self, records: Sequence[Record], happened: list[tuple[int, BaseFault]], start: int
    ) -> None:
        history = self._history
        hindered = [_until(at, fault, start) for at, fault in happened if _hinders(fault)]
        reached, since = 0, dict[str, int]()
        for record in records:
            if isinstance(record, Came):
                event = record.event
                if isinstance(event, Authenticated) and event.link.startswith(ORDERS):
                    reached = event.received
            elif isinstance(record, Change):
                history.fills += record.came == "fill"
                if record.after is _S.UNKNOWN is not record.before:
                    history.unknown += 1
                    since[record.order_id] = record.at
                elif record.before is _S.UNKNOWN is not record.after:
                    self._known(record, since.get(record.order_id, 0), reached, hindered)

    def _known(self, change: Change, since: int, reached: int, hindered: list[int]) -> None:
        """An unknown order has become known."""
        history, proof = self._history, change.proof
        lately = max((at for at in hindered if at <= change.at), default=0)
        begin = max(since, reached, lately)
        if change.came != UpdateKind.MISSING:
            history.found.append(max(0, change.at - begin) / SECOND)
            return
        if proof is None or not proof.counts_from or proof.asked < proof.counts_from:
            history.false_deaths += 1
            history.note(f"{change.order_id} was declared dead by {proof}")
        else:
            history.buried.append(max(0, change.at - max(begin, proof.counts_from)) / SECOND)


def _before(records: Sequence[Record], begin: int) -> dict[str, Decimal]:
    """Asset → what fills did to it that were counted and are of the count's first instant or before
    it: the balances with which it begins have them already."""
    found: dict[str, Decimal] = {}
    for came, change in pairwise(records):
        fill = came.event if isinstance(came, Came) else None
        counted = isinstance(change, Change) and change.came == "fill"
        if isinstance(fill, Fill) and counted and fill.venue_time <= begin:
            base, quote = fill.symbol.split("-")[:2]
            size = fill.size if fill.side is Side.BUY else -fill.size
            moves = (base, size), (quote, -size * fill.price), (fill.fee_asset, -fill.fee)
            for asset, amount in moves:
                found[asset] = found.get(asset, ZERO) + amount
    return found


def _hinders(fault: BaseFault) -> bool:
    kind = getattr(fault, "kind", "*")
    return isinstance(fault, _HINDERS) and kind in _QUESTIONS


def _until(at: int, fault: BaseFault, start: int) -> int:
    """When a fault that happened then was over."""
    if isinstance(fault, DelayAck | Delay):
        return at + round(fault.seconds * SECOND)
    lasts = getattr(fault, "for_seconds", 0.0)
    return max(at, start + round(ending(fault) * SECOND)) if lasts else at
