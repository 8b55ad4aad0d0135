"""What is examined: a venue's table, its golden folder, and the other side to meet.

House rules: a built-in candidate is a row here; a package brings one by an entry point in the group
`pitwire.candidates` whose name is the venue's; a venue without one is examined as far as that goes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import TypeAlias

import msgspec

from pitwire.model.errors import ConfigError
from pitwire.sim.faults import Fault
from pitwire.sim.world import HTTP_URL, MARKET_URL, ORDERS_URL, World
from pitwire.venues.registry import find_venue
from pitwire.venues.venue import Endpoints, Venue

GROUP = "pitwire.candidates"


class Staging(msgspec.Struct, frozen=True, kw_only=True):
    """The world that a card wants to meet the venue in."""

    seed: int = 1
    symbols: tuple[str, ...]
    """What is listed, our spelling."""
    scenario: str | None = "calm"
    faults: Sequence[Fault] = ()
    latency: str = "same-city"
    """Of `sim/latency.py`."""


MakeWorld: TypeAlias = Callable[[Staging], World]


def _as_it_is(_world: World, _symbol: str, order_id: str) -> str:
    return order_id


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A venue as it comes to its examination."""

    venue: Venue
    world: MakeWorld | None = None
    """Makes the other side: a simulated venue whose façade was written from the venue's papers.

    It has the accounts `main`, ours, and `rival`, who trades against us.
    """
    golden: Path | None = None
    """The folder of golden frames, `conformance/golden.py` says in which form."""
    symbols: tuple[str, ...] = ("BTC-USDT", "ETH-USDT")
    """Two symbols, our spelling, that the world lists."""
    keys: str = "ed25519"
    """Which of the world's keys logs in: `ed25519` or `hmac`."""
    endpoints: Endpoints = Endpoints(market=MARKET_URL, orders=ORDERS_URL, http=HTTP_URL)
    """Where the world is, in memory."""
    margin: bool = False
    """Whether positions are held on margin, so that sizes and balances may be below zero."""
    known_as: Callable[[World, str, str], str] = _as_it_is
    """(world, symbol, id of ours) → the client id of that order at the exchange, where the façade
    gives it another."""
    bad_checksum: Fault | None = None
    """What spoils the sum that a book delta carries; for venues that send one."""


BUILT_IN: Mapping[str, tuple[str, str]] = {
    "alpaca": ("pitwire.conformance.alpaca", "CANDIDATE"),
    "binance": ("pitwire.conformance.binance", "CANDIDATE"),
    "binance-usdm": ("pitwire.conformance.binance_usdm", "CANDIDATE"),
    "ibkr": ("pitwire.conformance.ibkr", "CANDIDATE"),
}
"""Venue → module and attribute."""


def find_candidate(name: str) -> Candidate:
    """What there is of this name; raises `ConfigError` naming the venues known."""
    if name in BUILT_IN:
        module, attribute = BUILT_IN[name]
        found = getattr(import_module(module), attribute)
        assert isinstance(found, Candidate)
        return found
    for point in entry_points(group=GROUP):
        if point.name == name:
            return _loaded(name, point.load)
    return Candidate(venue=find_venue(name))


def golden_folder(name: str) -> Path | None:
    """The golden folder of a built-in venue: in the package, or in the source tree it runs from."""
    here = Path(__file__).resolve()
    for folder in (here.parent / "golden" / name, here.parents[3] / "tests" / "golden" / name):
        if folder.is_dir():
            return folder
    return None


def _loaded(name: str, load: Callable[[], object]) -> Candidate:
    where = f"candidate {name}"
    try:
        found = load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            where=where, found=str(error), expected="an importable Candidate"
        ) from error
    if not isinstance(found, Candidate):
        raise ConfigError(where=where, found=type(found).__name__, expected="a Candidate")
    return found
