"""The truth about a venue's books begins wherever somebody begins to look."""

from __future__ import annotations

import pytest

from pitwire.sim.truth import Truth
from pitwire.sim.world import World

SYMBOL = "BTC-USDT"


@pytest.mark.parametrize("seconds", [1.0, 1.01, 1.03, 1.07, 1.13])
def test_what_a_venue_that_nobody_hears_has_left_out_is_before_it(seconds: float) -> None:
    world = World(seed=3)
    world.advance(seconds)
    truth = Truth(world)
    for _ in range(5):
        world.advance(0.31)
        update_id, bids, asks = world.truth_book(SYMBOL)
        assert truth.books[SYMBOL].at(update_id) == (_sizes(bids), _sizes(asks))


def _sizes(levels: list[tuple[str, str]]) -> dict[float, float]:
    return {float(price): float(size) for price, size in levels}
