"""Worlds in which a desk trades and its orders go wrong: 300 each run, 10,000 with `make soak`.

A failure's first line is the command that tries that world again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

import pytest

from pitwire.torture.order_trial import try_orders
from pitwire.torture.order_worlds import drawn_orders, line

WORLDS = 300
MANY = int(os.environ.get("WORLDS", "10000"))
A_TEST = 10
"""Worlds that one test tries."""
Note = Callable[[str, object], None]


def examine(seeds: Iterable[int], note: Note) -> None:
    """Try these worlds; fail with the lines of all that an oracle complains of."""
    failed: list[str] = []
    for seed in seeds:
        try:
            outcome = try_orders(drawn_orders(seed), seed)
        except Exception as error:
            error.add_note(line(seed))
            raise
        counts = {"with orders": 1, "orders": outcome.orders, "fills": outcome.fills,
                  "unknowns resolved": outcome.unknown, "proven dead": len(outcome.buried),
                  "differences named": outcome.differences}  # fmt: skip
        note("world", counts)
        if outcome.complaints:
            failed += [line(seed), *(f"    {complaint}" for complaint in outcome.complaints)]
    if failed:
        pytest.fail("\n".join(failed), pytrace=False)


@pytest.mark.parametrize("first", range(0, WORLDS, A_TEST))
def test_three_hundred_worlds(first: int, record_property: Note) -> None:
    examine(range(first, first + A_TEST), record_property)


@pytest.mark.parametrize(
    ("seed", "title"),
    [
        # It begins by a balance of one asset alone, and hears of the other's after fills.
        (20462, "V10 + late-ack + V13"),
        # It begins at the very instant of a fill that it was told of and counts.
        (36647, "V12 + V13"),
        # It begins and ends while nobody is connected, and is noted when somebody is again.
        (43199, "V7 + V13 + V12"),
    ],
)
def test_what_was_done_by_hand_as_the_count_began_or_while_nobody_heard(
    seed: int, title: str, record_property: Note
) -> None:
    assert drawn_orders(seed).title == title
    examine([seed], record_property)


@pytest.mark.soak
@pytest.mark.parametrize("first", range(WORLDS, WORLDS + MANY, 10 * A_TEST))
def test_many_worlds(first: int, record_property: Note) -> None:
    examine(range(first, first + 10 * A_TEST), record_property)


def test_a_world_is_its_seeds() -> None:
    assert drawn_orders(7) == drawn_orders(7)
    assert len({drawn_orders(seed).sim for seed in range(50)}) > 45
    again = try_orders(drawn_orders(7), 7)
    assert again == try_orders(drawn_orders(7), 7)
    assert line(7) == "python -m pitwire.torture.order_worlds --seed 7"


def test_every_script_about_orders_is_drawn() -> None:
    titles = {name for seed in range(WORLDS) for name in drawn_orders(seed).title.split(" + ")}
    assert {f"V{number}" for number in (3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15)} <= titles
