"""The truth about a venue's books begins wherever somebody begins to look."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from pitwire.sim.faults import ClockSkew
from pitwire.sim.truth import Truth
from pitwire.sim.world import MARKET_URL, World

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


@pytest.mark.parametrize(("seconds", "twice"), [(5.0, False), (1.0, True)])
def test_how_long_an_answer_was_waited_for_is_told_by_the_right_clock(
    seconds: float, twice: bool
) -> None:
    world = World(seed=3, faults=(ClockSkew(at_seconds=1.0, seconds=-6.0),))
    truth = Truth(world)
    begun = world.clock.now()

    async def story() -> None:
        link = await world.dial(f"{MARKET_URL}/stream", Hears())
        for pause in (seconds, 0.5):
            link.send(b'{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":1}')
            await asyncio.sleep(pause)

    world.run(story(), within_seconds=60)
    assert truth.asked_twice == (["link 1: SUBSCRIBE btcusdt@trade"] if twice else [])
    assert truth.dials == [begun]


class Hears:
    """A client that listens to nothing."""

    def __getattr__(self, _name: str) -> Callable[..., None]:
        return lambda *_: None


def _sizes(levels: list[tuple[str, str]]) -> dict[float, float]:
    return {float(price): float(size) for price, size in levels}
