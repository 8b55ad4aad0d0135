"""Venues by name, also those that another package brings."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import msgspec
import pytest

from pitwire.model.errors import ConfigError
from pitwire.venues import registry
from pitwire.venues.binance import BINANCE


def _install(monkeypatch: pytest.MonkeyPatch, **points: str) -> None:
    made = [EntryPoint(name, value, registry.GROUP) for name, value in points.items()]
    monkeypatch.setattr(registry, "entry_points", lambda group: made)


def test_an_installed_venue_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    _install(monkeypatch, elsewhere="pitwire.venues.binance:BINANCE")
    assert registry.find_venue("elsewhere") is BINANCE
    assert registry.known_venues() == tuple(sorted({*registry.BUILT_IN, "elsewhere"}))


def test_a_built_in_venue_cannot_be_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    _install(monkeypatch, binance="pitwire.venues.registry:GROUP")
    assert registry.find_venue("binance") is BINANCE


@pytest.mark.parametrize(
    "value",
    [
        "pitwire.venues.registry:GROUP",
        "pitwire.venues.nowhere:VENUE",
        "pitwire.venues.registry:VENUE",
    ],
)
def test_an_installed_name_without_a_venue_behind_it(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    _install(monkeypatch, broken=value)
    with pytest.raises(ConfigError, match="venue broken"):
        registry.find_venue("broken")


def test_a_venue_that_is_lent_is_found_while_it_is() -> None:
    mine = msgspec.structs.replace(BINANCE, snapshot_depth=5)
    with registry.lending(mine):
        assert registry.find_venue("binance") is mine
    assert registry.find_venue("binance") is BINANCE
