"""Pictures: what has changed, what two changes make together, and what a newcomer is told."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pitwire.board.picture import KEPT, Change, Picture


def test_only_what_differs_is_told() -> None:
    picture = Picture()
    picture.put("watch", "A", [1])
    picture.put("watch", "B", [2])
    assert picture.take() == Change({"watch": {"A": [1], "B": [2]}})
    picture.put("watch", "A", [1])
    assert not picture.take()
    picture.put_all("watch", {"B": [3]})
    assert picture.take() == Change({"watch": {"A": None, "B": [3]}})


def test_a_tale_keeps_its_end() -> None:
    picture = Picture()
    picture.tell("tape", range(KEPT["tape"] + 7))
    assert picture.take().tales["tape"] == list(range(7, KEPT["tape"] + 7))
    assert picture.whole().tales["tape"] == list(range(7, KEPT["tape"] + 7))


def test_a_newcomer_is_not_told_twice_what_comes_next() -> None:
    picture = Picture()
    picture.tell("log", ["a", "b"])
    picture.take()
    picture.tell("log", ["c"])
    newcomer = Picture()
    newcomer.apply(picture.whole())
    newcomer.apply(picture.take())
    assert list(newcomer.tales["log"]) == ["a", "b", "c"]


def test_the_rows_that_were_put_first_go_first() -> None:
    picture = Picture()
    for number in range(5):
        picture.put("bars", str(number), number)
    picture.trim("bars", 2)
    assert picture.tables["bars"] == {"3": 3, "4": 4}


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from("abc"), st.integers(0, 3)),
        st.tuples(st.just("drop"), st.sampled_from("abc"), st.just(0)),
        st.tuples(st.just("tell"), st.just("log"), st.integers(0, 9)),
        st.tuples(st.just("frame"), st.just(""), st.just(0)),
    ),
    max_size=60,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_merged_changes_end_where_the_single_ones_do(steps: list[tuple[str, str, int]]) -> None:
    """A viewer that was spared all frames sees in the end what one sees that had each of them."""
    source, quick, slow = Picture(), Picture(), Picture()
    waiting = Change()

    def frame() -> None:
        change = source.take()
        quick.apply(msgspec.json.decode(msgspec.json.encode(change), type=Change))
        waiting.merge(change)

    for what, key, value in steps:
        match what:
            case "put":
                source.put("t", key, value)
            case "drop":
                source.drop("t", key)
            case "tell":
                source.tell("log", [value])
            case _:
                frame()
    frame()
    slow.apply(waiting)

    def seen(picture: Picture) -> tuple[Any, ...]:
        return picture.tables.get("t", {}), list(picture.tales.get("log", ()))

    assert seen(quick) == seen(slow) == seen(source)
