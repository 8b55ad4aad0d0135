"""The hub without a socket: the same bytes for all, merged for the slow, nothing for ever."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from pitwire.board.hub import BEHIND, HEARTBEAT, VIEWERS, WINDOW, Hub, Pace, Viewer
from pitwire.board.picture import Change, Picture
from tests.board.watching import FakeSource, hub_of


def paint(hub: Hub, source: FakeSource, number: int) -> None:
    source.common.put("desk", "number", number)
    source.common.tell("log", [number])
    hub.tick(0)


def take(viewer: Viewer) -> list[dict[str, Any]]:
    """Everything it would be sent now."""
    found = []
    while (message := viewer._next()) is not None:
        found.append(json.loads(message))
    return found


def joined(hub: Hub, source: FakeSource) -> Viewer:
    viewer = hub.join()
    viewer.look_at(["A-B@1s"])
    paint(hub, source, 0)
    [first] = take(viewer)
    assert first["kind"] == "snapshot"
    viewer.answer(first["seq"])
    return viewer


def test_a_snapshot_and_then_numbered_frames() -> None:
    async def tale() -> None:
        source = FakeSource()
        hub, _ = hub_of(source)
        viewer = joined(hub, source)
        paint(hub, source, 1)
        [one] = take(viewer)
        source.views["A-B@1s"].put("book", "asks", [["1.0"]])
        paint(hub, source, 2)
        [two] = take(viewer)
        assert (one["kind"], one["previous"], one["seq"]) == ("frame", 0, 1)
        assert (two["previous"], two["seq"]) == (1, 2)
        assert two["views"] == {"A-B@1s": {"tables": {"book": {"asks": [["1.0"]]}}}}

    asyncio.run(tale())


def test_text_that_utf8_cannot_say_is_spelt_out_and_nobody_loses_a_frame() -> None:
    async def tale() -> None:
        source = FakeSource()
        hub, _ = hub_of(source)
        viewer = joined(hub, source)
        source.common.put("desk", "halted", "half a pair: \ud800")
        paint(hub, source, 1)
        [frame] = take(viewer)
        assert frame["common"]["tables"]["desk"]["halted"] == "half a pair: \\ud800"
        late = hub.join()
        [snapshot] = take(late)
        assert snapshot["common"]["tables"]["desk"]["halted"] == "half a pair: \\ud800"

    asyncio.run(tale())


def test_a_slow_viewer_gets_fewer_frames_and_ends_with_the_same_picture() -> None:
    async def tale() -> None:
        source = FakeSource()
        hub, _ = hub_of(source)
        quick, slow = joined(hub, source), hub.join()
        slow.look_at(["A-B@1s"])
        seen: dict[Viewer, Picture] = {quick: Picture(), slow: Picture()}
        numbers: dict[Viewer, list[tuple[int, int]]] = {quick: [], slow: []}

        def hear(viewer: Viewer) -> None:
            for message in take(viewer):
                seen[viewer].apply(msgspec.convert(message["common"], Change))
                numbers[viewer].append((message["previous"], message["seq"]))

        for number in range(1, 41):
            paint(hub, source, number)
            hear(quick)
            quick.answer(hub.seq)
            hear(slow)
            if number % 20 == 0:
                slow.answer(hub.seq)
                hear(slow)
        slow.answer(hub.seq)
        hear(slow)
        assert seen[slow].tables["desk"]["number"] == 40
        assert list(seen[slow].tales["log"])[-41:] == list(range(41))
        assert len(numbers[slow]) < len(numbers[quick]) / 3
        assert slow.merged > 20
        for told in numbers.values():
            assert all(after[0] == before[1] for before, after in itertools.pairwise(told))

    asyncio.run(tale())


def test_nothing_more_leaves_than_the_window_until_it_is_answered() -> None:
    async def tale() -> None:
        source = FakeSource()
        hub, _ = hub_of(source)
        viewer = joined(hub, source)
        for number in range(1, 100):
            paint(hub, source, number)
            take(viewer)
        assert len(viewer._on_way) == WINDOW
        assert not viewer._frames
        viewer.answer(viewer.seq)
        [last] = take(viewer)
        assert last["common"]["tables"]["desk"]["number"] == 99

    asyncio.run(tale())


def test_whoever_says_nothing_for_long_costs_nothing_and_gets_the_newest_picture() -> None:
    async def tale() -> None:
        source = FakeSource()
        hub, _ = hub_of(source)
        viewer = joined(hub, source)
        for number in range(1, WINDOW + BEHIND + 10):
            paint(hub, source, number)
            take(viewer)
        assert viewer.merged == BEHIND + 1
        held = viewer._frames, viewer._common, viewer._changes
        assert held == ([], None, {})
        assert viewer.has_gone_quiet
        viewer.answer(viewer._on_way[0])
        assert take(viewer) == [], "it was not looked for it lately"
        paint(hub, source, 1000)
        [whole] = take(viewer)
        assert whole["kind"] == "snapshot"
        assert whole["common"]["tables"]["desk"]["number"] == 1000

    asyncio.run(tale())


def test_whoever_lost_the_thread_begins_again() -> None:
    async def tale() -> None:
        source = FakeSource()
        hub, _ = hub_of(source)
        viewer = joined(hub, source)
        paint(hub, source, 1)
        viewer.ask_for_all()
        [whole] = take(viewer)
        assert whole["kind"] == "snapshot"
        assert whole["common"]["tables"]["desk"]["number"] == 1

    asyncio.run(tale())


def test_an_unknown_view_is_refused_in_words_and_none_is_left_open() -> None:
    async def tale() -> None:
        source = FakeSource()
        hub, _ = hub_of(source)
        viewer = joined(hub, source)
        viewer.look_at(["<b>NO</b>@1s"])
        told = take(viewer)
        assert told[0]["kind"] == "refused"
        assert "<b>NO</b>" in told[0]["why"]
        assert source.open_views == []
        viewer.look_at(["C-D@1s"])
        hub.leave(viewer)
        assert source.open_views == []

    asyncio.run(tale())


def test_a_heartbeat_leaves_when_nothing_changes() -> None:
    async def tale() -> None:
        source = FakeSource()
        hub, _ = hub_of(source)
        viewer = joined(hub, source)
        hub.tick(HEARTBEAT - 1)
        assert take(viewer) == []
        hub.tick(HEARTBEAT)
        [beat] = take(viewer)
        assert beat["common"] == {}

    asyncio.run(tale())


def test_a_source_that_fails_is_counted_and_asked_again() -> None:
    async def tale() -> None:
        source = FakeSource()
        hub, _ = hub_of(source)
        source.broken = True
        await hub._look()
        await hub._look()
        assert hub.failures == 2
        source.broken = False
        viewer = hub.join()
        await hub._look()
        assert take(viewer)[0]["kind"] == "snapshot"

    asyncio.run(tale())


def test_a_newcomer_waits_for_a_look_when_nobody_has_looked() -> None:
    async def tale() -> None:
        source = FakeSource()
        hub, _ = hub_of(source)
        first = joined(hub, source)
        hub.leave(first)
        second = hub.join()
        assert take(second) == []
        paint(hub, source, 5)
        assert take(second)[0]["common"]["tables"]["desk"]["number"] == 5

    asyncio.run(tale())


def test_there_is_room_for_so_many_and_no_more() -> None:
    async def tale() -> None:
        hub, _ = hub_of(FakeSource())
        for _ in range(VIEWERS):
            assert not hub.is_full
            hub.join()
        assert hub.is_full

    asyncio.run(tale())


@pytest.mark.parametrize(
    ("took", "cost", "pause"),
    [
        (0.0, 0.0, 0.05),
        (0.004, 0.004, 0.046),  # on time
        (0.020, 0.004, 0.030),  # kept waiting by others: still on time
        (0.030, 0.004, 0.030),  # half of the time at most
    ],
)
def test_it_is_looked_more_seldom_for_what_it_costs_and_not_for_what_others_do(
    took: float, cost: float, pause: float
) -> None:
    assert Pace(0.05).pause_seconds(7.0, took=took, cost=cost) == pytest.approx(pause)


def looks(late: Callable[[int], float], cost: Callable[[int], float], count: int) -> list[float]:
    """When it was looked, if a look costs that much and the one after it is so late; s."""
    pace, now, found = Pace(0.05), 1.0, []
    for number in range(count):
        found.append(now)
        took = cost(number)
        now += took
        now += pace.pause_seconds(now, took=took, cost=took) + late(number)
    return found


def test_looks_that_are_late_do_not_add_up() -> None:
    for late in (0.001, 0.010, 0.024):
        found = looks(lambda _, late=late: late, lambda _: 0.002, 201)
        assert found[-1] - found[0] == pytest.approx(200 * 0.05, abs=0.03), late


def test_one_late_look_is_made_up_for_and_no_burst_follows_many() -> None:
    found = looks(lambda number: 0.06 if number == 5 else 0.0, lambda _: 0.002, 20)
    gaps = [after - before for before, after in itertools.pairwise(found)]
    assert gaps[5] == pytest.approx(0.11)
    assert gaps[6:9] == pytest.approx([0.025, 0.025, 0.04])
    assert found[-1] == pytest.approx(1.0 + 19 * 0.05)
    found = looks(lambda number: 3.0 if number == 5 else 0.0, lambda _: 0.002, 20)
    gaps = [after - before for before, after in itertools.pairwise(found)]
    assert gaps[6:] == pytest.approx([0.05] * 13)
    assert min(gaps) >= 0.025


def test_one_long_look_is_no_reason_to_look_more_seldom_and_many_are() -> None:
    found = looks(lambda _: 0.0, lambda number: 0.012 if number % 20 == 0 else 0.002, 201)
    assert found[-1] - found[0] == pytest.approx(200 * 0.05, abs=0.001)
    found = looks(lambda _: 0.0, lambda _: 0.010, 201)
    assert 200 * 0.010 / (found[-1] - found[0]) <= 0.102, "a tenth of a core"
    assert 200 * 0.010 / (found[-1] - found[0]) >= 0.095
