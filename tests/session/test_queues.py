"""Whatever the policy, every event is given, waits, or is counted, and holes are where they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pitwire.model.events import Event, SpillFailed, StreamDropped, Trade
from pitwire.session import spill as module
from pitwire.session.queues import Conflating, Dropping, Queue, Spilling, Tally, Waiting
from pitwire.session.spill import Spill
from tests.session.events import trade

CAPACITY = 5


class Place:
    """A queue, and what it said."""

    def __init__(self, policy: str, directory: Path, limit: int = 1 << 17) -> None:
        self.tally, self.said = Tally(), list[str]()
        self.failed: list[SpillFailed] = []
        waiting = Waiting(
            CAPACITY,
            self.tally,
            on_full=lambda: self.said.append("full"),
            on_room=lambda: self.said.append("room"),
        )
        dropping = Dropping("s", CAPACITY, self.tally)
        instead: Any = waiting if policy.endswith("wait") else dropping
        self.queue: Queue = instead
        if policy == "conflate":
            self.queue = Conflating(self.tally)
        elif policy.startswith("spill"):
            self.queue = Spilling(
                "s",
                CAPACITY,
                self.tally,
                spill=Spill(directory, limit),
                instead=instead,
                policy=policy.removeprefix("spill or "),
                tell=self.failed.append,
            )


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 400)
    monkeypatch.setattr(module, "SEGMENT", 4_000)


@pytest.mark.parametrize("policy", ["wait", "drop", "spill or drop", "spill or wait"])
@pytest.mark.parametrize("limit", [1 << 17, 1_500, 1], ids=["room", "little", "none"])
def test_nothing_is_missing_that_was_not_told(
    policy: str, limit: int, tmp_path: Path, small: None
) -> None:
    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=12))
    def check(steps: list[tuple[int, int]]) -> None:
        place = Place(policy, tmp_path, limit)
        queue, tally = place.queue, place.tally
        put, expected, dropped = 0, 0, 0
        for puts, takes in [*steps, (0, 100_000)]:
            for _ in range(puts):
                queue.put(trade(put))
                put += 1
            for _ in range(takes):
                event = queue.take()
                if event is None:
                    break
                if isinstance(event, StreamDropped):
                    dropped += event.count
                    expected += event.count
                else:
                    assert isinstance(event, Trade)
                    assert event.trade_id == expected
                    expected += 1
            assert len(queue) + expected + (tally.dropped - dropped) == put
        assert (len(queue), expected, dropped) == (0, put, tally.dropped)
        if policy.endswith("wait"):
            assert dropped == 0
            assert place.said == ["full", "room"] * (len(place.said) // 2)
        if limit > 1_500 and policy.startswith("spill"):
            assert (place.failed, place.said, dropped) == ([], [], 0)

    check()


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.booleans(), max_size=60))
def test_what_is_conflated_is_counted(tmp_path: Path, steps: list[bool]) -> None:
    place = Place("conflate", tmp_path)
    put, taken = 0, list[int]()
    for is_put in steps:
        if is_put:
            place.queue.put(trade(put))
            put += 1
        elif (event := place.queue.take()) is not None:
            assert isinstance(event, Trade)
            taken.append(event.trade_id)
    assert taken == sorted(taken)
    assert put == len(taken) + place.tally.conflated + len(place.queue)


def test_a_refusal_is_told_once_and_the_disk_gets_another_chance(
    tmp_path: Path, small: None
) -> None:
    place = Place("spill or drop", tmp_path, limit=1_000)
    for number in range(100):
        place.queue.put(trade(number))
    got = taken(place.queue)
    (failed,) = place.failed
    assert (failed.stream, failed.policy) == ("s", "drop")
    assert failed.reason == "spill_limit of 1000 bytes is reached"
    hole = next(event for event in got if isinstance(event, StreamDropped))
    at = got.index(hole)
    assert [event.trade_id for event in got[at + 1 :] if isinstance(event, Trade)] == [
        *range(95, 100)
    ]
    assert at == 95 - hole.count
    for number in range(8):
        place.queue.put(trade(number))
    assert len(taken(place.queue)) == 8
    assert len(place.failed) == 1
    assert place.tally.spilled > 10


def test_a_directory_that_refuses_is_told_with_the_first_event(tmp_path: Path) -> None:
    place = Place("spill or drop", tmp_path / "gone")
    place.queue.put(trade(0))
    (failed,) = place.failed
    assert failed.reason.endswith("gone: No such file or directory")
    for number in range(1, 9):
        place.queue.put(trade(number))
    assert [type(event).__name__ for event in taken(place.queue)] == ["Trade"] * 9
    assert len(place.failed) == 1, "a block of them was held in memory and never written"


def test_what_the_disk_loses_is_a_hole_where_it_was(tmp_path: Path, small: None) -> None:
    place = Place("spill or drop", tmp_path)
    for number in range(100):
        place.queue.put(trade(number))
    assert isinstance(place.queue, Spilling)
    segment = place.queue._spill._segments[1]
    segment.file.truncate(3)
    got = taken(place.queue)
    hole = next(event for event in got if isinstance(event, StreamDropped))
    assert hole.count == place.tally.dropped > 0
    at = got.index(hole)
    ids = [event.trade_id for event in got if isinstance(event, Trade)]
    assert ids == [*range(at), *range(at + hole.count, 100)]
    assert "cannot be read" in place.failed[0].reason


def taken(queue: Queue) -> list[Event]:
    """All that it gives."""
    got = []
    while (event := queue.take()) is not None:
        got.append(event)
    return got
