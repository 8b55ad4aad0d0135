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


class Ordered(NamedTuple):
    """Orders that were decided, whatever became of them."""

    orders: int
    worth: dict[str, Decimal]
    """By symbol, in quote units; an order of which no price was known adds nothing."""


def ordered_since(folder: Path, since: int, *, but: Callable[[str], bool]) -> Ordered:
    """Orders decided from `since` on (ns since 1970 UTC, by our clock), but those of these ids.

    Raises `OSError` where a segment cannot be read.
    """
    orders, worth = 0, dict[str, Decimal]()
    for record in _decided(folder, since):
        order = placed(record.command)
        if order is None or but(order.id):
            continue
        orders += 1
        value = worth_at(order, (record.bid, record.ask) if record.bid or record.ask else None)
        if value is not None:
            worth[order.symbol] = worth.get(order.symbol, ZERO) + value
    return Ordered(orders, worth)


def _decided(folder: Path, since: int) -> Iterator[Decided]:
    """Decisions since then, the newest segment's first; those that began before the first that is
    needed are not read."""
    for number in reversed(segment_numbers(folder)):
        segment = read_segment(segment_path(folder, number).read_bytes(), number)
        for payload in segment.payloads:
            if payload.startswith(_DECIDED):
                try:
                    record = decode(payload)
                except msgspec.MsgspecError:
                    continue
                if isinstance(record, Decided) and record.at >= since:
                    yield record
        if segment.header is not None and segment.header.started < since:
            return
