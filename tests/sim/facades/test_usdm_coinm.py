"""Streams of all symbols carry both universes, as they do at the venue, unless told otherwise."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from pitwire.sim.facades.usdm_options import UsdmOptions
from pitwire.sim.world import USDM, World
from tests.sim.futures_client import StreamClient


def rows(stream: str, seconds: float, **options: Any) -> list[Any]:
    """What a stream of all symbols told, row by row."""
    world = World(seed=3, venue=USDM, options=UsdmOptions(**options))
    way = "public" if stream == "!bookTicker" else "market"
    frames = StreamClient(world, f"/{way}/ws/{stream}").after(seconds)
    return [row for each in frames for row in (each if isinstance(each, list) else [each])]


@pytest.mark.parametrize(
    ("stream", "seconds"),
    [
        ("!miniTicker@arr", 3),
        ("!ticker@arr", 3),
        ("!markPrice@arr@1s", 2),
        ("!bookTicker", 11),
    ],
)
def test_both_universes_are_told_apart_by_st(stream: str, seconds: float) -> None:
    told = rows(stream, seconds)
    ours = [row for row in told if row["st"] == 1]
    theirs = [row for row in told if row["st"] == 2]
    assert {row["s"] for row in ours} == {"BTCUSDT", "ETHUSDT"}
    assert {row["s"] for row in theirs} == {"BTCUSD_PERP", "ETHUSD_PERP"}
    assert [list(row) for row in ours] == [list(row) for row in theirs]
    assert {row.get("ps", "BTCUSD") for row in theirs} <= {"BTCUSD", "ETHUSD"}
    assert {row["s"] for row in rows(stream, seconds, both_universes=False)} == {
        "BTCUSDT",
        "ETHUSDT",
    }


def test_sizes_of_coin_margined_contracts_are_contracts() -> None:
    told = rows("!ticker@arr", 5)
    ours = [row for row in told if row["s"] == "BTCUSDT"]
    theirs = [row for row in told if row["s"] == "BTCUSD_PERP"]
    for our, their in zip(ours, theirs, strict=True):
        assert their["c"] == our["c"]
        assert their["q"] == our["v"]  # in coins
        worth = Decimal(our["v"]) * Decimal(our["w"]) / 100
        assert Decimal(their["v"]) == int(worth)
    assert ours


def test_a_stream_of_one_symbol_is_of_one_universe() -> None:
    assert {row["s"] for row in rows("btcusdt@miniTicker", 5)} == {"BTCUSDT"}
