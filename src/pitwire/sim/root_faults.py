"""What only root can do to a connection or a process: frozen faults, which a script is made of.

House rules: nouns only; `pitwire.torture.root` carries them out in a network namespace of its own,
and says why where it cannot.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec

from pitwire.sim.faults import Seconds, Way


class _ByRoot(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="what"):
    """What all share."""

    at_seconds: Seconds = 0.0
    for_seconds: Seconds = 0.0
    """How long it lasts; 0: for ever."""


class Vanish(_ByRoot, frozen=True, kw_only=True):
    """Packets go nowhere: to an address on the link that nobody has."""

    way: Way = "down"


class Kill(_ByRoot, frozen=True, kw_only=True):
    """The kernel ends every connection to the venue, as `ss -K` does."""


class Lose(_ByRoot, frozen=True, kw_only=True):
    """So many of a hundred packets are lost."""

    percent: Annotated[float, msgspec.Meta(gt=0, lt=100)]


class Shape(_ByRoot, frozen=True, kw_only=True):
    """The line carries so many kilobits a second, with the queue of a bad router before it."""

    kbit_per_second: Annotated[int, msgspec.Meta(ge=8)]


class Stop(_ByRoot, frozen=True, kw_only=True):
    """The client's process stands still (SIGSTOP), and goes on when it is over (SIGCONT)."""

    for_seconds: Annotated[float, msgspec.Meta(gt=0)] = 5.0


class Starve(_ByRoot, frozen=True, kw_only=True):
    """The client's process may run in so many hundredths of each tenth of a second only, as under
    the quota of a control group; SIGSTOP takes it from the processor for the rest."""

    for_seconds: Annotated[float, msgspec.Meta(gt=0)] = 10.0
    percent: Annotated[float, msgspec.Meta(ge=1, lt=100)] = 10.0


RootFault: TypeAlias = Vanish | Kill | Lose | Shape | Stop | Starve
