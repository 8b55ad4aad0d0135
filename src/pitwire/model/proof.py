"""What it takes for a venue's "no such order" to mean that an order was never accepted, or is over.

A copy of the order may still be on its way when the venue is asked. It is dead only from the moment
at which the venue would have to refuse such a copy. One that it had is over when it has forgotten
it, which it does only with those that ended, and not before their time.
"""

from __future__ import annotations

import msgspec


class DeathProof(msgspec.Struct, frozen=True, kw_only=True):
    """From when a not-found answer counts, and how many of them it takes; times in seconds.

    The sum of the four parts is counted from the moment the order left. `automatic` False: nothing
    that this venue says proves it, and a person has to decide.
    """

    automatic: bool = False
    window_seconds: float = 0.0
    """A request older than this is refused by the venue."""
    clock_seconds: float = 0.0
    """How far ahead of the venue's clock a request may be stamped and still be accepted."""
    processing_seconds: float = 0.0
    """How long the venue may take over a request that it has let in."""
    margin_seconds: float = 0.0
    answers: int = 1
    apart_seconds: float = 0.0
    """The questions behind these answers were asked at least so far apart."""
    forgets_after_seconds: float | msgspec.UnsetType = msgspec.UNSET
    """How long after its end the venue still knows an order that never traded; unset: for ever."""
    forgets_all_after_seconds: float | msgspec.UnsetType = msgspec.UNSET
    """The same of one that did."""

    @property
    def after_seconds(self) -> float:
        """Seconds from sending the order to the first question whose answer counts."""
        return (
            self.window_seconds + self.clock_seconds + self.processing_seconds + self.margin_seconds
        )


NO_PROOF = DeathProof()
"""Of a venue about which nothing is known."""
