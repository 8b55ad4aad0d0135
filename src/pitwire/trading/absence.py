"""When "no such order" proves that an order was never accepted (reliability: proof of death).

House rules: only an answer to a question asked late enough counts, however late the answer comes;
an order that ever showed a sign of life is never declared dead.
"""

from __future__ import annotations

from pitwire.model.clock import SECOND
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

    def proves(self, order: Tracked, asked: int) -> bool:
        """Whether the answer "no such order" to a question asked then is the last one needed."""
        proof = self.proof
        if not proof.automatic or not order.dead_from or asked < order.dead_from:
            return False
        if order.absences and asked < order.absent_at + round(proof.apart_seconds * SECOND):
            return False
        order.absences, order.absent_at = order.absences + 1, asked
        return order.absences >= proof.answers
