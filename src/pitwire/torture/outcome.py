"""What came of one fault, as a row: figures, and complaints where it did not go as it must.

House rules: frozen; a row passes when nothing is complained of.
"""

from __future__ import annotations

import subprocess

import msgspec

from pitwire.model.errors import ConfigError, PitwireError
from pitwire.sim.kit import Script

OURS = "pitwire"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One script, once."""

    fault: str
    title: str
    way: str
    """`virtual`, `sockets` or `root`."""
    client: str = OURS
    source: str = ""
    """Its file, where it is not of the kit."""
    seed: int = 1
    noticed_after: float | None = None
    """Seconds from the fault's beginning to the first event that says so."""
    noticed_by: str = ""
    back_after: float | None = None
    """Seconds from the fault's end until everything wanted flowed again."""
    lost: int = 0
    """Trades neither delivered nor named."""
    doubled: int = 0
    """Trades delivered twice or out of order."""
    gaps: int = 0
    """Gaps that were named."""
    named: int = 0
    """Trades in them."""
    compared: int = 0
    """Times that a book was held against the venue's."""
    wrong: int = 0
    """Books called good and not the venue's, and trades that are not."""
    dials: int = 0
    delivered: int = 0
    happened: int = 0
    """Times that the fault was carried out."""
    growth: int | None = None
    """Bytes that the process has grown by; the simulator's included."""
    seconds: float = 0.0
    """In the trial's own time."""
    orders: int | None = None
    """Orders that left; None where none were to."""
    fills: int = 0
    unknown: int = 0
    """Times that an order became unknown."""
    found: tuple[float, ...] = ()
    """Seconds from when the venue could be asked until an unknown order that lived was known."""
    buried: tuple[float, ...] = ()
    """Seconds from the earliest proof, or from when the venue could be asked, to each death."""
    differences: int = 0
    """Disagreements with the venue that were named."""
    figures: dict[str, float] = {}
    """What was found where no field above is about it, by name."""
    complaints: tuple[str, ...] = ()
    skipped: str = ""
    """Why it was not tried."""

    @property
    def passed(self) -> bool:
        """Whether all was as it must be."""
        return not self.complaints

    def line(self) -> str:
        """The command that tries it again."""
        which = self.source or self.fault
        return f"pitwire torture --only {which} --way {self.way} --seed {self.seed}"


BROKEN = (PitwireError, OSError, EOFError, subprocess.SubprocessError, msgspec.DecodeError)
"""What may end a trial before its end: time, a process or a network that is not to be had."""


def broken(script: Script, way: str, seed: int, error: Exception) -> Outcome:
    """The row of a trial that did not come to its end: it proves nothing, and so it fails.

    A script that asks for what there is not is its writer's mistake, and is raised.
    """
    if isinstance(error, ConfigError):
        raise error
    why = f"{type(error).__name__}: {error}".removesuffix(": ")
    return Outcome(
        fault=script.id,
        title=script.title,
        way=way,
        source=script.source,
        seed=seed,
        complaints=(f"the trial itself did not come to its end: {why}",),
    )
