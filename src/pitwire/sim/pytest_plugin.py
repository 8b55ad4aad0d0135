"""A private venue for a test, in one line: the fixtures `pitwire_venue` and `pitwire_world`.

House rules: nothing is imported before a test asks, since this file is loaded by every pytest of an
environment in which pitwire is installed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pitwire.sim.hosted import HostedVenue
    from pitwire.sim.world import World

_MARKER = (
    "pitwire(**options): how the simulated venue of this test is to be, as `HostedVenue` or "
    "`World` take it: scenario, seed, listings, accounts, faults, listen_keys, and tls where served"
)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", _MARKER)


@pytest.fixture
def pitwire_venue(request: pytest.FixtureRequest) -> Iterator[HostedVenue]:
    """A simulated Binance on local ports, in a thread of its own; nobody trades there but you."""
    from pitwire.sim.hosted import HostedVenue

    with HostedVenue(**_options(request)) as venue:
        yield venue


@pytest.fixture
def pitwire_world(request: pytest.FixtureRequest) -> World:
    """The same in memory and in virtual time: `world.run(main())`, or `world.advance(seconds)`."""
    from pitwire.sim.world import World

    options = _options(request)
    options.setdefault("scenario", None)
    return World(**options)


def _options(request: pytest.FixtureRequest) -> dict[str, Any]:
    marker = request.node.get_closest_marker("pitwire")
    if marker is None:
        return {}
    if marker.args:
        raise pytest.UsageError(f"pitwire: found {marker.args!r}, expected named options alone")
    return dict(marker.kwargs)
