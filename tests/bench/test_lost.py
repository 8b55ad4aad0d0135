"""The bench of what a tape loses kills recorders and reads what is left."""

from __future__ import annotations

from bench import lost


def test_every_death_is_announced_and_the_power_takes_no_less_than_a_kill() -> None:
    told: list[str] = []
    rows = {name: value for name, value, _ in lost.rows(told.append, deaths=2)}
    assert told == ["lost: 2 deaths"]
    assert rows["announced by who opens it next"] == 2
    assert 0 <= rows["lost when killed, ms"] <= rows["lost with the power, ms"]
