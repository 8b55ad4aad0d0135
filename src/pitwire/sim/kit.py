"""The fault kit: scripts as TOML files, the shipped ones by their number and yours by their path.

House rules: a file is read strictly, so a fault or a field that is not known is one line with its
path and the nearest name that is; what is read is frozen.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import msgspec

from pitwire.model.errors import ConfigError
from pitwire.model.strict import read_strictly
from pitwire.sim.faults import Fault, Seconds, ending
from pitwire.sim.proxy_faults import ProxyFault, lasts
from pitwire.sim.root_faults import RootFault

Whole: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]
_NAME = re.compile(r"[A-Za-z]+\d*\Z")
_USUAL_SYMBOLS = ("BTC-USDT", "ETH-USDT")


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """How a client is put to the test with this script."""

    venue: Literal["binance", "binance-usdm", "ibkr", "alpaca"] = "binance"
    """Which simulated venue it is tried at."""
    symbols: tuple[str, ...] = _USUAL_SYMBOLS
    channels: tuple[str, ...] = ("ticker", "trades", "book")
    more_symbols: Whole = 0
    """So many quiet ones beside them, which are subscribed to as well."""
    orders: bool = False
    """A whole desk trades, and its orders are what is judged."""
    kills: Whole = 0
    """So often a real process with a journal is killed with signal 9 while it sends orders."""
    deaths: bool = False
    """Real desks die in every way with orders at the venue; a watchdog or a person clears up."""
    promise: bool = False
    """One that `pitwire promises` tries by itself, on processes, folders or the gate alone."""
    worlds: Whole = 0
    """So many worlds drawn by chance, with faults about orders, are tried and added up."""
    redundancy: Annotated[int, msgspec.Meta(ge=1, le=4)] = 1
    scenario: str = "calm"
    latency: str = "same-city"
    """How far the venue is: of `sim/latency.py`."""
    bustle: Annotated[float, msgspec.Meta(gt=0)] = 0.5
    """How much of the scenario's pace the crowd keeps."""
    lifetime_seconds: Annotated[float, msgspec.Meta(gt=0)] = 86_400.0
    """When the venue cuts a connection; the client is told."""
    starts: str = ""
    """When virtual time begins, as 2028-02-28T23:59:50Z."""
    seconds: Annotated[float, msgspec.Meta(gt=0)] = 10.0
    """How long it goes on when the faults are over and everything is well."""
    most_seconds: Annotated[float, msgspec.Meta(gt=0)] = 900.0
    """How long it goes on at most."""


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """What must hold, beside: nothing lost untold, nothing doubled, no book wrong and good."""

    noticed_within_seconds: Seconds = 0.0
    """From the fault's beginning to the first event that says so; 0: it need not be noticed."""
    unnoticed: bool = False
    """Nothing may be called stale or lost: it heals below us."""
    back_within_seconds: Seconds = 30.0
    """From the fault's end until everything wanted flows again."""
    found_within_seconds: Seconds = 5.0
    """From when the venue can be asked until an order that became unknown is known."""
    most_dials: Whole = 0
    """Connection attempts at most in any ten minutes, refused ones too; 0: not counted."""
    kept: bool = False
    """No connection may be lost, by whose doing ever."""
    certain: bool = True
    """Whether the fault must have happened for the trial to count."""
    shut_out: bool = False
    """The venue refuses the key for good: the desk halts, watches on, and asks for nothing more."""
    gone: str = ""
    """A symbol that never comes back: it is stale and named, no order goes to it, others live."""
    refused_by_rule: Whole = 0
    """Orders that the venue may refuse by a rule of size or price; then we refuse them; 0: any."""
    sole: bool = True
    """Everything wanted is asked for once on each connection."""


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """One fault of the kit: what happens, how it is made to, and what is expected then."""

    id: str
    title: str
    does: str
    expected: str
    sim: tuple[Fault, ...] = ()
    """In virtual time, by façade and memory link; also on the served venue."""
    proxy: tuple[ProxyFault, ...] = ()
    """On real sockets, by the proxy."""
    root: tuple[RootFault, ...] = ()
    """On real sockets, by root."""
    source: str = ""
    """The file it was read from, where it is not of the kit; not written in it."""
    elsewhere: str = ""
    """Who else proves it, where neither of the three does; its faults are then those of a
    venue at which nothing is tried here."""
    trial: Trial = Trial()
    demand: Demand = Demand()

    @property
    def is_over(self) -> float:
        """When the last of the simulator's faults is over, in seconds after the start."""
        return max((ending(fault) for fault in self.sim), default=0.0)

    @property
    def proxy_over(self) -> float:
        """The same of the proxy's."""
        return max((lasts(fault) for fault in self.proxy), default=0.0)


def read_script(text: str, source: str) -> Script:
    """A script from its TOML; raises `ConfigError`, one line, for the first thing amiss."""
    return read_strictly(text, Script, source=source)


def load_script(path: Path) -> Script:
    """A script from a file; raises `ConfigError`."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            where=str(path), found=error.strerror or type(error).__name__, expected="a fault script"
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(where=str(path), found="no UTF-8", expected="a fault script") from None
    return msgspec.structs.replace(read_script(text, str(path)), source=str(path))


@functools.cache
def kit() -> dict[str, Script]:
    """Every script that is shipped, by id, in the order of the catalogue."""
    found = [
        read_script(entry.read_text(encoding="utf-8"), f"kit/{entry.name}")
        for entry in files("pitwire.sim").joinpath("kit_scripts").iterdir()
        if entry.name.endswith(".toml")
    ]
    return {script.id: script for script in sorted(found, key=_order)}


def find_scripts(names: Iterable[str]) -> list[Script]:
    """The shipped scripts of these ids; raises `ConfigError` naming the nearest."""
    known = kit()
    found = []
    for name in names:
        script = known.get(name.upper())
        if script is None:
            close = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.5)
            expected = (f"{close[0]} perhaps; " if close else "") + f"one of {', '.join(known)}"
            raise ConfigError(where="only", found=name, expected=expected)
        found.append(script)
    return found


def is_path(name: str) -> bool:
    """Whether a name on the command line means a file."""
    return name.endswith(".toml") or "/" in name or not _NAME.match(name.replace("-", ""))


def _order(script: Script) -> tuple[int, int]:
    family, number = script.id[:1], script.id[1:]
    return "NPVCOB".find(family), int(number)
