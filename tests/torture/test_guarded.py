"""Desks that die with orders at the venue: three ways here, all of them in `make soak`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pitwire.sim.kit import kit
from pitwire.torture.deaths import listener
from pitwire.torture.guarded import Death, Way, complaints_of, die, stop_all, try_guarded

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no fork and no signal 9 there")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("way", ["killed as an order leaves", "blocked", "unwatched"])
def test_a_desk_dies_and_its_orders_go(
    tmp_path: Path, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The five seconds are for `make soak`: on a busy machine no process is sure of its turn.
    monkeypatch.setattr("pitwire.torture.guarded.WITHIN_SECONDS", 30.0)
    watchdogs: list[int] = []
    with listener(3) as (place, word):
        try:
            death = die(tmp_path / "main", place, word, way, watchdogs)
        finally:
            stop_all(watchdogs)
    assert complaints_of(death) == []
    assert death.orders == (2 if way == "blocked" else 3)
    assert len(watchdogs) == (way != "unwatched")


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_every_way_to_die() -> None:
    outcome = try_guarded(kit()["B11"], 5)
    assert outcome.complaints == ()
    assert (outcome.happened, outcome.orders) == (5, 12)


def test_the_judge_sees_what_he_should() -> None:
    good = Death(way="killed", orders=2, seconds=1.0)
    assert complaints_of(good) == []
    slow = Death(way="frozen", orders=2, seconds=5.5)
    assert complaints_of(slow) == ["frozen: its orders were gone after 5.5 s, expected within 5 s"]
    bad = Death(way="unwatched", orders=0, seconds=40.0, left=("a",), lost=1, told=("hung",))
    assert [text.partition(": ")[2] for text in complaints_of(bad)] == [
        "its orders were gone after 40.0 s, expected within 5 s",
        "open at the end: a",
        "1 protective orders are gone",
        "no order was asked of the venue",
        "a person was told: hung",
    ]
