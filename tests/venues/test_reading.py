"""What every dialect reads strictly, and what it tells of what it cannot read."""

from __future__ import annotations

from decimal import Decimal

import pytest

from pitwire.venues.reading import Unreadable, amount, malformed, refuse_doubled_keys, signed


def test_numbers_are_plain_digits() -> None:
    assert amount("0.000000001", "qty") == Decimal("0.000000001")
    assert signed("-23140.2", "cash") == Decimal("-23140.2")
    for text in ("", "-1", "1e5", "NaN", " 1", "1.", ".5", "１"):
        with pytest.raises(Unreadable, match="qty"):
            amount(text, "qty")
    for text in ("--1", "+1", "inf"):
        with pytest.raises(Unreadable, match="cash"):
            signed(text, "cash")


def test_what_cannot_be_read_is_told_with_where_and_how_it_began() -> None:
    frame = b'{"a":1,"a":2}'
    with pytest.raises(Unreadable) as found:
        refuse_doubled_keys(frame)
    told = malformed("there", frame, 7, found.value, "c" * 99)
    assert (told.venue, told.received, told.path) == ("there", 7, "a")
    assert (told.channel, told.excerpt) == ("c" * 80, frame.decode())
