"""Venues by name: those built in, and those that other packages bring.

House rules: a venue is imported when it is asked for; a package registers one with an entry point
in the group `pitwire.venues` whose name is the venue's and whose object is a `Venue`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from pitwire.model.errors import ConfigError
from pitwire.venues.venue import Venue

GROUP = "pitwire.venues"
BUILT_IN: Mapping[str, tuple[str, str]] = {
    "binance": ("pitwire.venues.binance", "BINANCE"),
    "binance-sbe": ("pitwire.venues.binance", "BINANCE_SBE"),
    "binance-usdm": ("pitwire.venues.binance_futures", "BINANCE_USDM"),
    "alpaca": ("pitwire.venues.alpaca", "ALPACA"),
    "ibkr": ("pitwire.venues.ibkr", "IBKR"),
    "binance-coinm": ("pitwire.venues.binance_futures", "BINANCE_COINM"),
}
"""Name → module and attribute; a recording that none of them knows is taken for the first one's."""
_LENT: ContextVar[Venue | None] = ContextVar("lent", default=None)


@contextmanager
def lending(venue: Venue) -> Iterator[None]:
    """Within it, and in what is begun within it, this is the venue of its name.

    For a table that is no package's, such as one under examination.
    """
    token = _LENT.set(venue)
    try:
        yield
    finally:
        _LENT.reset(token)


def known_venues() -> tuple[str, ...]:
    """Names that `find_venue` takes, in alphabetical order."""
    return tuple(sorted({*BUILT_IN, *_installed()}))


def find_venue(name: str) -> Venue:
    """The venue of this name; raises `ConfigError` naming those known. Built-in ones win."""
    lent = _LENT.get()
    if lent is not None and lent.name == name:
        return lent
    if name in BUILT_IN:
        module, attribute = BUILT_IN[name]
        return _checked(name, lambda: getattr(import_module(module), attribute))
    point = _installed().get(name)
    if point is None:
        raise ConfigError(where="venue", found=name, expected=f"one of {', '.join(known_venues())}")
    return _checked(name, point.load)


def _installed() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _checked(name: str, load: Callable[[], object]) -> Venue:
    try:
        found = load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            where=f"venue {name}", found=str(error), expected="an importable Venue"
        ) from error
    if not isinstance(found, Venue):
        raise ConfigError(where=f"venue {name}", found=type(found).__name__, expected="a Venue")
    return found
