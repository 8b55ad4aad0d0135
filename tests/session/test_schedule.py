"""When a connection is due to give way to another."""

from __future__ import annotations

import pytest

from pitwire.model.clock import SECOND
from pitwire.model.entropy import Entropy
from pitwire.model.errors import ConfigError
from pitwire.session.schedule import APART_SECONDS, JITTER_SECONDS, Schedule, parse_roll_at

DAY = 86_400
MIDNIGHT = 1_700_006_400 * SECOND  # 2023-11-15T00:00:00Z


def schedule(life: float = DAY, roll_at: int | None = None, seed: int = 1) -> Schedule:
    return Schedule(life_seconds=life, roll_at=roll_at, chance=Entropy(seed).stream("rolls"))


def test_a_connection_rolls_half_an_hour_before_the_venues_limit_and_copies_apart() -> None:
    for seed in range(20):
        ours = schedule(seed=seed)
        first, second = (ours.due(MIDNIGHT, place=place) for place in (0, 1))
        assert first is not None
        assert second is not None
        assert DAY - 40 * 60 <= (first - MIDNIGHT) / SECOND <= DAY - 30 * 60
        assert first - second >= 5 * 60 * SECOND, "never together"


def test_a_venue_without_a_limit_names_no_time() -> None:
    assert schedule(life=0).due(MIDNIGHT) is None


def test_a_time_of_day_that_was_named_comes_first() -> None:
    ours = schedule(roll_at=4 * 60 + 30)
    four_thirty = MIDNIGHT + (4 * 60 + 30) * 60 * SECOND
    due = ours.due(MIDNIGHT)
    assert due is not None
    assert 0 <= due - four_thirty <= JITTER_SECONDS * SECOND
    other = ours.due(MIDNIGHT, place=1)
    assert other is not None
    assert 0 <= other - four_thirty - APART_SECONDS * SECOND <= JITTER_SECONDS * SECOND
    # Of a connection that was opened by this roll, the venue's limit is nearer than the next.
    again = ours.due(four_thirty + SECOND)
    assert again is not None
    assert DAY - 40 * 60 <= (again - four_thirty) / SECOND < DAY


@pytest.mark.parametrize(
    ("text", "minutes"), [("", None), ("00:00", 0), ("04:30", 270), ("23:59", 1439)]
)
def test_a_time_of_day_is_read(text: str, minutes: int | None) -> None:
    assert parse_roll_at(text) == minutes


@pytest.mark.parametrize("text", ["24:00", "4:30", "04:60", "noon", "04:30Z", "٠٤:٣٠", 430])
def test_what_is_no_time_of_day_is_named(text: str) -> None:
    with pytest.raises(ConfigError, match=r"roll_at.*a time of day in UTC") as caught:
        parse_roll_at(text)
    assert str(text) in str(caught.value)
