"""What we and the venue disagree about, and which orders it must be asked about next.

House rules: a doubt is closed by an answer, never by patience; asking again waits longer each
time, so a venue that cannot answer is not hammered.
"""

from __future__ import annotations

from collections.abc import Iterable

from pitwire.model.clock import SECOND
from pitwire.model.orders import OrderState
from pitwire.trading.tracked import Disagreement, Question, Tracked

_ASK_EVERY = 2 * SECOND
_ASK_SELDOM = 60 * SECOND
MISSING_FILLS = "missing fills"
NOT_LISTED = "absent from the venue's list of open orders"
FOUND_BY_ASKING = (MISSING_FILLS, NOT_LISTED)
"""Named when the question is asked and not before: what was on its way may have settled it."""


class Doubts:
    """The open questions of one ledger."""

    def __init__(self) -> None:
        self.asking: dict[str, Tracked] = {}
        self._disagreements: list[Disagreement] = []

    def disagree(self, order: Tracked, what: str, ours: object, theirs: object, now: int) -> None:
        """Record that we believed `ours` where the venue says `theirs`."""
        self._disagreements.append(
            Disagreement(
                at=now,
                order_id=order.id,
                symbol=order.symbol,
                what=what,
                ours=str(ours),
                theirs=str(theirs),
            )
        )

    def take_disagreements(self) -> list[Disagreement]:
        """Those recorded since the last call."""
        taken, self._disagreements = self._disagreements, []
        return taken

    def doubt(self, order: Tracked, why: str, now: int, ask_at: int = 0) -> None:
        """The venue must be asked about this order, from `ask_at` on (0: now)."""
        if not order.doubt:
            order.doubt, order.doubted_at = why, now
            self.ask(order, ask_at or now)

    def settle(self, order: Tracked, asked: int) -> None:
        """The venue has answered; only a question asked after the doubt arose can close it."""
        if not asked or asked >= order.doubted_at:
            order.doubt = ""

    def ask(self, order: Tracked, at: int) -> None:
        """A question about this order is due at `at`, unless one is due earlier."""
        if order.id not in self.asking:
            order.ask_at, order.asked = at, 0
            self.asking[order.id] = order
        elif not order.asked:
            order.ask_at = min(order.ask_at, at)

    def answered(self, order: Tracked, at: int) -> None:
        """It is unknown no longer; what else is to be asked begins at `at`, at its own pace."""
        if order.id in self.asking:
            order.ask_at, order.asked = at, 0

    def restore(self, orders: Iterable[Tracked]) -> None:
        """Ask about all of these that are in doubt, at once."""
        for order in orders:
            if _why(order):
                self.ask(order, 0)

    def forget(self, order_id: str) -> None:
        self.asking.pop(order_id, None)

    def hurry(self, now: int) -> None:
        """The venue is reached again: whatever is in doubt is asked about at once, and anew."""
        for order in self.asking.values():
            order.ask_at, order.asked = min(order.ask_at, now), 0

    def due(self, now: int, most: int) -> list[Question]:
        """Orders to ask about now, `most` at once."""
        due: list[Question] = []
        for order in tuple(self.asking.values()):
            if len(due) >= most:
                break
            why = _why(order)
            if not why:
                order.ask_at = order.asked = 0
                del self.asking[order.id]
            elif order.ask_at <= now:
                if order.asked == 0 and why in FOUND_BY_ASKING:
                    counted = why == MISSING_FILLS
                    ours, theirs = (
                        (order.filled, order.reported) if counted else (order.state, "not in it")
                    )
                    self.disagree(order, why, ours, theirs, now)
                due.append(
                    Question(
                        order_id=order.id,
                        symbol=order.symbol,
                        why=why,
                        venue_id=order.venue_id,
                        is_ours=order.is_ours,
                        wants_fills=why == MISSING_FILLS and _is_counted(order),
                        type=order.type,
                    )
                )
                order.asked += 1
                order.ask_at = now + min(_ASK_EVERY << min(order.asked // 4, 5), _ASK_SELDOM)
                if order.dead_from > now:  # the first question that may prove its death
                    order.ask_at = min(order.ask_at, order.dead_from)
        return due

    def open(self) -> list[Tracked]:
        """Orders with an open question."""
        return [order for order in self.asking.values() if _why(order)]

    def next_due(self) -> int | None:
        """When `due` has something, ns; None when nothing is in doubt."""
        return min((order.ask_at for order in self.asking.values()), default=None)


def _is_counted(order: Tracked) -> bool:
    """Whether its fills can be asked for, and all of them belong to our count."""
    return order.counted and bool(order.venue_id)


def _why(order: Tracked) -> str:
    if order.state is OrderState.UNKNOWN:
        return "unknown"
    return order.doubt or (MISSING_FILLS if order.missing else "")
