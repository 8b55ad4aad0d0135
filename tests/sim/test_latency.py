"""Draws come from the seed, and nothing overtakes on one path."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitwire.model.entropy import Entropy
from pitwire.sim.latency import LATENCIES, Constant, LogNormal, Path, Uniform

MS = 1_000_000


def path(model, seed: int = 1) -> Path:
    return Path(model, entropy=Entropy(seed), name="entry")


def test_constant_is_constant():
    assert path(Constant(milliseconds=1.5)).arrival(10) == 10 + 1_500_000


def test_uniform_stays_within_its_bounds():
    way = path(Uniform(least_milliseconds=1, most_milliseconds=2))
    taken = [way.arrival(now) - now for now in range(0, 10**12, 10**10)]
    assert min(taken) >= MS
    assert max(taken) <= 2 * MS
    assert len(set(taken)) > 50


def test_lognormal_has_its_median_and_its_least():
    way = path(LogNormal(median_milliseconds=10, spread=2, least_milliseconds=5))
    taken = [way.arrival(now) - now for now in range(0, 10**14, 10**11)]
    assert min(taken) > 5 * MS
    assert statistics.median(taken) == pytest.approx(15 * MS, rel=0.1)
    assert max(taken) > 40 * MS


@given(st.integers(), st.lists(st.integers(0, 5_000_000), min_size=2, max_size=30))
def test_nothing_overtakes(seed: int, gaps: list[int]):
    way = path(LATENCIES["mobile"].market, seed)
    now = arrived = 0
    for gap in gaps:
        now += gap
        at = way.arrival(now)
        assert at >= max(now, arrived)
        arrived = at


def test_the_seed_decides():
    draws = [[path(LATENCIES["overseas"].entry, seed).arrival(0)] for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]


@pytest.mark.parametrize(
    "model",
    [
        Constant(milliseconds=-1),
        Uniform(least_milliseconds=-1, most_milliseconds=1),
        Uniform(least_milliseconds=2, most_milliseconds=1),
        LogNormal(median_milliseconds=0),
        LogNormal(median_milliseconds=1, spread=0.9),
    ],
)
def test_a_model_without_sense_is_refused(model):
    with pytest.raises(ValueError, match="found"):
        path(model)


def test_a_draw_is_the_one_of_the_stock_generator() -> None:
    model = LogNormal(median_milliseconds=2.0, spread=1.5, least_milliseconds=1.0)
    path = Path(model, entropy=Entropy(5), name="x")
    stock = Entropy(5).stream("latency x")
    for now in range(0, 50 * 1000 * MS, 1000 * MS):
        milliseconds = 1.0 + 2.0 * math.exp(stock.gauss(0, math.log(1.5)))
        assert path.arrival(now) == now + round(milliseconds * MS)
