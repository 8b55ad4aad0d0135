"""Worlds in which stops at futures trigger while all goes wrong: a few here, many in `make soak`.

A failure's first lines are the commands that try those worlds again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

import pytest

from pitwire.model.orders import OrderState
from pitwire.torture.stop_truth import StopTruth
from pitwire.torture.stop_worlds import TROUBLES, Tried, drawn_stops, line, try_stops
from pitwire.trading import adopting

WORLDS = 20
MANY = int(os.environ.get("WORLDS", "10000")) // 5
A_TEST = 100
Note = Callable[[str, object], None]


def examine(seeds: Iterable[int]) -> list[Tried]:
    """Try these worlds; fail with the lines of all that an oracle complains of."""
    failed: list[str] = []
    tried = []
    for seed in seeds:
        try:
            one = try_stops(drawn_stops(seed), seed)
        except Exception as error:
            error.add_note(line(seed))
            raise
        tried.append(one)
        if one.outcome.complaints:
            failed += [line(seed), *(f"    {told}" for told in one.outcome.complaints)]
    if failed:
        pytest.fail("\n".join(failed), pytrace=False)
    return tried


def test_a_few_worlds(record_property: Note) -> None:
    tried = examine(range(WORLDS))
    counts = {
        "with stops": len(tried),
        "conditional orders": sum(one.conditionals for one in tried),
        "triggered": sum(one.triggered for one in tried),
        "starts": sum(one.starts for one in tried),
    }
    record_property("world", counts)
    assert counts["triggered"] > 2 * WORLDS
    assert counts["starts"] > WORLDS, "some desks die"


@pytest.mark.soak
@pytest.mark.parametrize("first", range(WORLDS, WORLDS + MANY, A_TEST))
def test_many_worlds(first: int) -> None:
    examine(range(first, first + A_TEST))


def test_every_trouble_is_drawn_and_a_world_is_its_seed() -> None:
    titles = {name for seed in range(300) for name in drawn_stops(seed).script.title.split(" + ")}
    assert titles == set(TROUBLES)
    assert drawn_stops(7) == drawn_stops(7)
    assert line(7) == "python -m pitwire.torture.stop_worlds --seed 7"


def test_a_desk_that_takes_what_triggered_for_two_orders_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(adopting.Adoption, "link", lambda *_: None)
    told = try_stops(drawn_stops(0), 0).outcome.complaints
    assert any("filled at the venue, 0 counted" in one for one in told)


def test_the_truth_knows_what_never_came_to_the_book(monkeypatch: pytest.MonkeyPatch) -> None:
    apart = StopTruth.apart

    def otherwise(truth: StopTruth) -> dict[str, OrderState | None]:
        return dict.fromkeys(apart(truth), OrderState.EXPIRED)

    monkeypatch.setattr(StopTruth, "apart", otherwise)
    told = try_stops(drawn_stops(1), 1).outcome.complaints
    assert any(one.endswith("is canceled for us, expired at the venue") for one in told)
