"""Worlds drawn by chance: 500 with every test run, 10,000 with `make soak`.

A failure's first line is the command that tries that world again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

import pytest

from tests.worlds.drawn import drawn, line, run

WORLDS = 500
MANY = int(os.environ.get("WORLDS", "10000"))
A_TEST = 10
"""Worlds that one test tries: enough to be worth its place in a queue."""
Note = Callable[[str, object], None]


def examine(seeds: Iterable[int], note: Note) -> None:
    """Try these worlds; fail with the lines of all that an oracle complains of."""
    failed: list[str] = []
    for seed in seeds:
        try:
            outcome = run(seed)
        except Exception as error:
            error.add_note(line(seed))
            raise
        counts = {"drawn": 1, "drawn faults": outcome.happened, "trades": outcome.delivered,
                  "gaps named": outcome.gaps}  # fmt: skip
        note("world", counts)
        if outcome.complaints:
            failed += [line(seed), *(f"    {complaint}" for complaint in outcome.complaints)]
    if failed:
        pytest.fail("\n".join(failed), pytrace=False)


@pytest.mark.parametrize("first", range(0, WORLDS, A_TEST))
def test_five_hundred_worlds(first: int, record_property: Note) -> None:
    examine(range(first, first + A_TEST), record_property)


@pytest.mark.soak
@pytest.mark.parametrize("first", range(WORLDS, WORLDS + MANY, 10 * A_TEST))
def test_many_worlds(first: int, record_property: Note) -> None:
    examine(range(first, first + 10 * A_TEST), record_property)


def test_the_seeds_that_are_named_here_mean_what_they_meant() -> None:
    # A script more to draw from makes another world of each.
    assert drawn(44207).title == "skew + P17 + P9"
    assert drawn(55204).title == "skew + cuts + N18"
    assert drawn(60930).title == "V2 + P9 + N9"
    assert drawn(40650).title == "C2 + N8 + N8"


def test_a_world_is_its_seeds() -> None:
    assert drawn(7) == drawn(7)
    assert len({drawn(seed).sim for seed in range(50)}) > 45
    assert line(7) == "python -m tests.worlds.drawn --seed 7"


def test_every_script_that_may_be_drawn_is() -> None:
    titles = {name for seed in range(WORLDS) for name in drawn(seed).title.split(" + ")}
    assert len(titles) > 35


@pytest.mark.parametrize(
    "seed",
    [
        pytest.param(936, id="a frame that could not be read was a quiet symbol's last trade"),
        pytest.param(5795, id="what a mute spell swallowed shows by a broken book alone"),
        pytest.param(873, id="what a quiet symbol lost was still asked for when all was back"),
        pytest.param(10184, id="it was mute from its confirmation until after a pause"),
        pytest.param(4946, id="it had not spoken on a connection whose mute spell is over"),
        pytest.param(8157, id="the confirmation could not be read"),
    ],
)
def test_what_a_quiet_symbol_lost_on_a_connection_that_stands(seed: int) -> None:
    outcome = run(seed)
    assert outcome.complaints == ()
    assert outcome.happened


@pytest.mark.parametrize(
    "seed",
    [
        pytest.param(5541, id="its connection died before it spoke"),
        pytest.param(1106, id="the second of two copies heard it first"),
        pytest.param(7650, id="its trades were confirmed on the second copy first"),
        pytest.param(40389, id="both copies were mute, and died one after the other"),
        pytest.param(41878, id="the venue was silent while we slept"),
    ],
)
def test_what_a_symbol_lost_before_anything_of_it_was_known(seed: int) -> None:
    outcome = run(seed)
    assert outcome.complaints == ()
    assert outcome.happened


def test_a_quiet_book_that_lost_its_last_word_is_found_by_a_quote_that_is_ahead() -> None:
    outcome = run(10090)
    assert outcome.complaints == ()
    assert outcome.happened


def test_a_venue_that_let_the_last_dial_hang_is_met_within_the_same_time() -> None:
    outcome = run(4778)
    assert outcome.complaints == ()
    assert outcome.happened


def test_a_market_that_was_silent_when_the_venue_was_met_again_is_nobodys_delay() -> None:
    outcome = run(6991)
    assert outcome.complaints == ()
    assert outcome.happened


def test_an_ask_that_was_answered_late_was_waited_for_by_the_right_clock() -> None:
    outcome = run(55204)
    assert outcome.complaints == ()
    assert outcome.happened


def test_an_old_and_a_new_connection_that_fell_at_once_cover_each_other_no_more() -> None:
    outcome = run(60930)
    assert outcome.complaints == ()
    assert outcome.happened


def test_a_book_that_waited_for_its_snapshot_was_no_silent_stream() -> None:
    outcome = run(44207)
    assert outcome.complaints == ()
    assert outcome.happened


@pytest.mark.parametrize(
    "seed",
    [
        pytest.param(4568, id="a slow link brought the last words of a dead connection"),
        pytest.param(9224, id="nothing had spoken before the machine slept"),
    ],
)
def test_what_comes_late_is_no_proof_of_life(seed: int) -> None:
    outcome = run(seed)
    assert outcome.complaints == ()
    assert outcome.happened


@pytest.mark.parametrize(
    "seed",
    [
        pytest.param(20133, id="stamps of before it was asked spoke against its answer"),
        pytest.param(31817, id="it had been asked eight seconds before"),
        pytest.param(40650, id="it was set while its connection was behind already"),
    ],
)
def test_a_venue_whose_clock_is_set_is_asked_and_believed(seed: int) -> None:
    outcome = run(seed)
    assert outcome.complaints == ()
    assert outcome.happened
