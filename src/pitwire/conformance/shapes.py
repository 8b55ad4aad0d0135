"""What a message looks like with its values left out: paths, JSON types, order of keys, digits.

House rules: a shape is JSON whose leaves are words; two shapes are compared path by path, and each
difference is one line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TypeAlias

Shape: TypeAlias = "Mapping[str, Shape] | list[Shape] | str"
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_EIGHT = re.compile(r"-?\d+\.\d{8}")
_SORTS = ("filterType", "rateLimitType")
"""Keys by which the rows of a list are of different sorts."""


def shape_of(value: object, *, digits: bool = False) -> Shape:
    """The shape of a JSON value; with `digits` a number in text says whether it has eight."""
    match value:
        case dict():
            return {str(name): shape_of(inner, digits=digits) for name, inner in value.items()}
        case list():
            return _rows(value, digits=digits)
        case None:
            return "null"
        case bool():
            return "bool"
        case int():
            return "int"
        case float():
            return "float"
        case str() if _NUMBER.fullmatch(value):
            return "decimal" if not digits or _EIGHT.fullmatch(value) else "short"
        case _:
            return "text"


def differences(wanted: Shape, found: Shape, *, ordered: bool = True, at: str = "") -> list[str]:
    """What is missing, added, of another type or in another order in `found`."""
    return list(_differ(wanted, found, ordered, at))


def _rows(value: list[object], *, digits: bool) -> list[Shape]:
    """One row of each sort; of a row of unlike cells, every cell."""
    if value and all(isinstance(row, dict) for row in value):
        first: dict[str, object] = {}
        for row in value:
            assert isinstance(row, dict)
            first.setdefault(next((str(row[name]) for name in _SORTS if name in row), ""), row)
        if list(first) == [""]:
            return [shape_of(value[0], digits=digits)]
        return [_marked(sort, shape_of(row, digits=digits)) for sort, row in first.items()]
    cells = [shape_of(cell, digits=digits) for cell in value]
    if value and (isinstance(value[0], list) or all(cell == cells[0] for cell in cells)):
        return cells[:1]
    return cells


def _marked(sort: str, row: Shape) -> Shape:
    assert isinstance(row, Mapping)
    return {"": sort, **row}


def _differ(wanted: Shape, found: Shape, ordered: bool, at: str) -> Iterator[str]:
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        yield from _differ_names(wanted, found, ordered, at)
    elif isinstance(wanted, list) and isinstance(found, list):
        yield from _differ_rows(wanted, found, ordered, at)
    elif wanted != found and not _may_be(wanted, found):
        yield f"{at or '.'}: {_word(wanted)} there, {_word(found)} here"


def _differ_names(
    wanted: Mapping[str, Shape], found: Mapping[str, Shape], ordered: bool, at: str
) -> Iterator[str]:
    for name, inner in wanted.items():
        if name not in found:
            yield f"{at}.{name}: missing here"
        elif name:
            yield from _differ(inner, found[name], ordered, f"{at}.{name}")
    for name in found:
        if name not in wanted:
            yield f"{at}.{name}: only here"
    common = [name for name in wanted if name in found]
    if ordered and common != [name for name in found if name in wanted]:
        yield f"{at or '.'}: keys in another order"


def _differ_rows(wanted: list[Shape], found: list[Shape], ordered: bool, at: str) -> Iterator[str]:
    if not wanted or not found:  # an empty list says nothing of its rows
        return
    sorted_here = {_sort(row): row for row in found}
    if _sort(wanted[0]):
        for row in wanted:
            sort = _sort(row)
            if sort in sorted_here:
                yield from _differ(row, sorted_here[sort], ordered, f"{at}[{sort}]")
            else:
                yield f"{at}[{sort}]: missing here"
        return
    if len(wanted) != len(found):
        yield f"{at}: {len(wanted)} cells there, {len(found)} here"
        return
    for place, (row, ours) in enumerate(zip(wanted, found, strict=True)):
        yield from _differ(row, ours, ordered, f"{at}[{place}]")


def _sort(row: Shape) -> str:
    sort = row.get("", "") if isinstance(row, Mapping) else ""
    return sort if isinstance(sort, str) else ""


def _may_be(wanted: Shape, found: Shape) -> bool:
    """What can be nothing may be something, and text may happen to be a number."""
    return "null" in (wanted, found) or {str(wanted), str(found)} == {"text", "decimal"}


def _word(shape: Shape) -> str:
    return shape if isinstance(shape, str) else "object" if isinstance(shape, Mapping) else "list"
