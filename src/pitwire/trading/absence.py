"""When "no such order" proves that an order was never accepted (reliability: proof of death).

House rules: only an answer to a question asked late enough counts, however late the answer comes;
an order that ever showed a sign of life is never declared dead. It is over, though, where the venue
forgets what has ended and says so long after we heard of it last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from pitwire.model.clock import SECOND
from pitwire.model.orders import CONDITIONAL
from pitwire.model.proof import DeathProof
from pitwire.trading.tracked import Tracked


class Absence:
    """Judges not-found answers by what the venue promises."""

    def __init__(self, proof: DeathProof) -> None:
        self.proof = proof

    def left(self, order: Tracked, at: int) -> None:
        """The order's bytes left, or may have left, at `at`; the latest time counts."""
        if at >= order.sent_at or not order.dead_from:
            order.sent_at = max(order.sent_at, at)
            order.absences = 0
            if self.proof.automatic:
                order.dead_from = order.sent_at + round(self.proof.after_seconds * SECOND)

    def set_back(self, orders: Iterable[Tracked], now: int) -> Iterator[Tracked]:
        """A start: what was noted of orders was noted before it, whatever the clock said then, and
        what has left had left by now. Those of which a clock that was set back since says else."""
        latest = now + round(self.proof.after_seconds * SECOND)
        for one in orders:
            if max(one.changed_at, one.sent_at, one.doubted_at, one.absent_at) > now:
                one.made_at, one.changed_at = min(one.made_at, now), min(one.changed_at, now)
                one.sent_at, one.doubted_at = min(one.sent_at, now), min(one.doubted_at, now)
                one.absent_at, one.dead_from = min(one.absent_at, now), min(one.dead_from, latest)
                yield one

    def proves(self, order: Tracked, asked: int) -> bool:
        """Whether the answer "no such order" to a question asked then is the last one needed."""
        proof = self.proof
        if not proof.automatic or not order.dead_from or asked < order.dead_from:
            return False
        apart = round(proof.apart_seconds * SECOND) or 1  # one question answered twice is one
        if order.absences and asked < order.absent_at + apart:
            return False
        order.absences, order.absent_at = order.absences + 1, asked
        return order.absences >= proof.answers

    def forgotten(self, order: Tracked, asked: int) -> bool:
        """Whether the answer "no such order" to a question asked then proves that it ended without
        a trade: the venue had it, and has forgotten no other since we heard of it."""
        after, of_all = self.proof.forgets_after_seconds, self.proof.forgets_all_after_seconds
        if isinstance(after, msgspec.UnsetType) or order.type in CONDITIONAL:
            return False
        if order.filled or order.reported:
            return False
        quiet = (asked - order.changed_at) / SECOND
        return after <= quiet and (isinstance(of_all, msgspec.UnsetType) or quiet < of_all)
