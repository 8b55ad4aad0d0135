"""Shapes: what is compared, and what each difference is called."""

from __future__ import annotations

from typing import Any

import pytest

from pitwire.conformance.shapes import differences, shape_of


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ({"a": 1, "b": "1.50", "c": "x", "d": True, "e": None, "f": 1.5},
         {"a": "int", "b": "decimal", "c": "text", "d": "bool", "e": "null", "f": "float"}),
        ([["1.0", "2.0"], ["3.0", "4.0"]], [["decimal"]]),
        ([1, "x", 2], ["int", "text", "int"]),
        (["A", "B"], ["text"]),
        ([], []),
        ([{"a": 1}, {"a": 2}], [{"a": "int"}]),
        ([{"filterType": "X", "n": 1}, {"filterType": "Y", "m": "1"}],
         [{"": "X", "filterType": "text", "n": "int"},
          {"": "Y", "filterType": "text", "m": "decimal"}]),
    ],
)  # fmt: skip
def test_a_shape_is_what_is_left_without_the_values(value: Any, shape: Any) -> None:
    assert shape_of(value) == shape


def test_digits_count_where_they_are_asked_for() -> None:
    assert shape_of({"p": "1.00000000", "q": "1.5"}, digits=True) == {"p": "decimal", "q": "short"}


@pytest.mark.parametrize(
    ("theirs", "ours", "said"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, [".b: only here"]),
        ({"a": 1, "b": 2}, {"a": 1}, [".b: missing here"]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, [".: keys in another order"]),
        ({"a": {"b": 1}}, {"a": {"b": "1"}}, [".a.b: int there, decimal here"]),
        ({"a": [1, "x"]}, {"a": [1, "x", 2]}, [".a: 2 cells there, 3 here"]),
        ({"a": [1]}, {"a": {}}, [".a: list there, object here"]),
        ({"a": None}, {"a": "x"}, []),
        ({"a": "x"}, {"a": "1"}, []),
        ({"a": []}, {"a": [{"b": 1}]}, []),
        ([{"filterType": "X", "n": 1}, {"filterType": "Y"}],
         [{"filterType": "Y"}, {"filterType": "Z"}],
         ["[X]: missing here"]),
    ],
)  # fmt: skip
def test_each_difference_is_one_line(theirs: Any, ours: Any, said: list[str]) -> None:
    assert differences(shape_of(theirs), shape_of(ours)) == said


def test_the_order_of_keys_may_be_left_aside() -> None:
    theirs, ours = shape_of({"a": 1, "b": 2}), shape_of({"b": 2, "a": 1})
    assert differences(theirs, ours, ordered=False) == []
