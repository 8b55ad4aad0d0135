"""What was ordered since a moment, by an account's journal: for limits that count a whole day.

House rules: only records that are sound count, whichever segment they stand in; nothing is repaired
or told, for that was done when the journal was taken over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import msgspec

from pitwire.store.history import segment_numbers, segment_path
from pitwire.store.segment import read_segment
from pitwire.trading.conduct import worth_at
from pitwire.trading.journal import Decided, decode, placed
from pitwire.trading.tracked import ZERO

_DECIDED = b'{"record":"Decided",'
"""How the payload of such a record begins."""
_HEADER = 4096
"""Bytes in which the header of a segment lies."""


class Ordered(NamedTuple):
    """Orders that were decided, whatever became of them."""

    orders: int
    worth: dict[str, Decimal]
    """By symbol, in quote units; an order of which no price was known adds nothing."""
    newest: int = 0
    """When the last of them was decided, ns; 0 for none."""


def ordered_since(
    folder: Path, since: int, until: int, *, but: Callable[[str], bool] = lambda _: False
) -> Ordered:
    """Orders decided from `since` on and before `until` (ns since 1970 UTC, by our clock), but
    those of these ids.

    Raises `OSError` where a segment cannot be read.
    """
    orders, worth, newest = 0, dict[str, Decimal](), 0
    for record in _decided(folder, since, until):
        order = placed(record.command)
        if order is None or but(order.id):
            continue
        orders, newest = orders + 1, max(newest, record.at)
        value = worth_at(order, (record.bid, record.ask) if record.bid or record.ask else None)
        if value is not None:
            worth[order.symbol] = worth.get(order.symbol, ZERO) + value
    return Ordered(orders, worth, newest)


def _decided(folder: Path, since: int, until: int) -> Iterator[Decided]:
    """Decisions of this time, as they stand in the journal."""
    for number in _needed(folder, since, until):
        for payload in read_segment(segment_path(folder, number).read_bytes(), number).payloads:
            if payload.startswith(_DECIDED):
                try:
                    record = decode(payload)
                except msgspec.MsgspecError:
                    continue
                if isinstance(record, Decided) and since <= record.at < until:
                    yield record


def _needed(folder: Path, since: int, until: int) -> list[int]:
    """The segments from the one on in which `since` lies: the last that was begun before it and
    ahead of the first that was begun in this time.

    A clock that was behind may have begun later ones, and one that was ahead any.
    """
    first, numbers = 0, segment_numbers(folder)
    for number in numbers:
        with segment_path(folder, number).open("rb") as file:
            header = read_segment(file.read(_HEADER), number).header
        if header is not None and header.started < since:
            first = number
        elif header is not None and header.started < until:
            break
    return [number for number in numbers if number >= first]
