"""Watch, trade, reduce only, halt: what a desk may do at this moment, and what moves it.

    watch        nothing may leave but cancels: it starts, ends, or its arming is over
    trade        every order that passes the limits
    reduce-only  orders that make a position smaller, until a person resumes
    halt         nothing may leave but cancels of ours, until a person resumes; and orders that
                 close a position, where the person who halts has asked for that

House rules: pure; the records of a journal move it and nothing else does, so whoever reads the
journal knows it; only `Resumed` leaves halt and reduce-only, and only a person writes that.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from pitwire.trading.journal import (
    UNSAID,
    Armed,
    Disarmed,
    Flattening,
    Halted,
    Record,
    Restricted,
    Resumed,
    Started,
)

SWITCHING: tuple[type[Record], ...] = (
    Halted,
    Restricted,
    Flattening,
    Resumed,
    Armed,
    Disarmed,
)
"""Records that move nothing but the stance."""


class Stance(StrEnum):
    """What a desk may do."""

    WATCH = "watch"
    TRADE = "trade"
    REDUCE_ONLY = "reduce-only"
    HALT = "halt"


class Switches(NamedTuple):
    """The three switches that make a stance."""

    halted: str = ""
    """Why nothing may leave but cancels, until a person resumes; "" when that is not so."""
    reducing: str = ""
    """Why only orders that reduce a position may leave; "" when that is not so."""
    armed: bool = False
    flattening: str = ""
    """Who has asked that positions be closed in this halt; "" when nobody has."""

    @property
    def stance(self) -> Stance:
        """The strictest switch decides."""
        if self.halted:
            return Stance.HALT
        if not self.armed:
            return Stance.WATCH
        return Stance.REDUCE_ONLY if self.reducing else Stance.TRADE

    def after(self, record: Record) -> Switches:
        """The switches once this record is written."""
        match record:
            case Halted(reason=reason):
                return self._replace(halted=reason or UNSAID)
            case Restricted(reason=reason):
                return self._replace(reducing=reason)
            case Resumed():
                return self._replace(halted="", reducing="", flattening="")
            case Flattening(by=by):
                return self._replace(flattening=by)
            case Armed():
                return self._replace(armed=True)
            case Disarmed():
                return self._replace(armed=False)
            case Started():  # who asked for it asked the run before
                return self._replace(armed=False, flattening="")
            case _:
                return self
