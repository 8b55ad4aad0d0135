"""Frames as no venue should send them, and what may come of them all the same.

House rules: what is spoilt follows from the chance handed in; a decoder may say that a frame is
malformed or unhandled, or give events whose numbers are sane, and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pitwire.model.entropy import Chance
from pitwire.model.events import (
    Balance,
    Event,
    Liquidation,
    MarginCall,
    MarkPrice,
    Position,
    Ticker,
)
from pitwire.model.packed import PackedLevels
from pitwire.venues.venue import Decoded, Doubted, Ended, Further, Reply

VALUES = (
    b"null", b"true", b"-1", b"0", b"1e400", b"1E-400", b'"NaN"', b'"-Infinity"', b'""', b"[]",
    b"{}", b'"-5"', b'"1E+999999"', b"9" * 30, b"9" * 5000, b'"\xf0\x9f"', b'"0.00000000"',
    b"[[[[", b'"\\ud800"', b"-0.0", b"[" * 3000,
)  # fmt: skip


NO_NUMBER: Mapping[type[Event], frozenset[str]] = {
    Ticker: frozenset(
        (
            "open", "high", "low", "last", "change", "change_percent", "average", "bid",
            "bid_size", "ask", "ask_size",
        )
    ),
    MarkPrice: frozenset(("index", "settle", "average")),
    Liquidation: frozenset(("price", "average_price")),
}  # fmt: skip
"""Fields that are NaN where the venue states no price."""
SIGNED = frozenset(("change", "change_percent", "fee", "code", "checksum", "rate"))
"""Fields that may be below zero: differences, rebates, error codes, a sum that no venue sent."""
ON_MARGIN: Mapping[type[Event], frozenset[str]] = {
    MarkPrice: frozenset(("index", "settle", "average")),
    Balance: frozenset(("free", "locked")),
    Position: frozenset(("size", "average_price")),
    MarginCall: frozenset(("size", "mark_price", "open_result", "maintenance")),
}
"""What may be below zero where positions are held on margin."""


def mutate(frame: bytes, others: Sequence[bytes], chance: Chance) -> bytes:
    """One to four spoilings in a row."""
    spoilt = bytearray(frame)
    for _ in range(chance.randint(1, 4)):
        chance.choice(_WAYS)(spoilt, others, chance)
    return bytes(spoilt)


def _flip(frame: bytearray, _others: Sequence[bytes], chance: Chance) -> None:
    if frame:
        frame[chance.randrange(len(frame))] = chance.randrange(256)


def _truncate(frame: bytearray, _others: Sequence[bytes], chance: Chance) -> None:
    del frame[chance.randint(0, len(frame)) :]


def _cut(frame: bytearray, _others: Sequence[bytes], chance: Chance) -> None:
    at = chance.randint(0, len(frame))
    del frame[at : at + chance.randint(1, 30)]


def _insert(frame: bytearray, _others: Sequence[bytes], chance: Chance) -> None:
    at = chance.randint(0, len(frame))
    frame[at:at] = chance.choice(VALUES)


def _swap_value(frame: bytearray, _others: Sequence[bytes], chance: Chance) -> None:
    colons = [at for at, byte in enumerate(frame) if byte == ord(":")]
    if not colons:
        return
    at = chance.choice(colons) + 1
    ends = [end for end in (frame.find(b",", at), frame.find(b"}", at)) if end > 0]
    if ends:
        frame[at : min(ends)] = chance.choice(VALUES)


def _double(frame: bytearray, _others: Sequence[bytes], chance: Chance) -> None:
    begin = chance.randint(0, len(frame))
    piece = frame[begin : begin + chance.randint(1, 60)]
    frame[begin:begin] = piece


def _graft(frame: bytearray, others: Sequence[bytes], chance: Chance) -> None:
    other = chance.choice(others)
    frame[chance.randint(0, len(frame)) :] = other[chance.randint(0, len(other)) :]


_WAYS = (_flip, _truncate, _cut, _insert, _swap_value, _swap_value, _double, _graft)


def check(decoded: Sequence[Decoded], *, margin: bool = False) -> None:
    """Raise `AssertionError` unless these are events and replies with sane numbers.

    With `margin` positions are held on it.
    """
    for item in decoded:
        if isinstance(item, Further | Ended | Doubted):
            continue  # no fact of a market or an account
        if isinstance(item, Reply):
            _check_reply(item)
        for event in item.events if isinstance(item, Reply) else (item,):
            if not isinstance(event, Event):
                raise AssertionError(f"not an event: {event!r}")
            for name in event.__struct_fields__:
                _check_value(event, name, getattr(event, name), margin=margin)


def _check_reply(reply: Reply) -> None:
    if not (-1 <= reply.request_id < 2**53 and -1 <= reply.used_weight < 2**31):
        raise AssertionError(f"a number out of range in {reply!r}")
    if not 0 <= reply.server_time < 2**63:
        raise AssertionError(f"server_time does not fit 64 bits in {reply!r}")


def _check_value(event: Event, name: str, value: object, *, margin: bool) -> None:
    if isinstance(value, tuple | PackedLevels):
        for part in value:
            _check_value(event, name, part, margin=margin)
        return
    if value is None or isinstance(value, str | bool):
        return
    if name in NO_NUMBER.get(type(event), ()) and math.isnan(value):  # type: ignore[arg-type]
        return
    if not math.isfinite(value):  # type: ignore[arg-type]
        raise AssertionError(f"{name} is {value} in {event!r}")
    owed = margin and name in ON_MARGIN.get(type(event), ())
    if value < 0 and not owed and name not in SIGNED:  # type: ignore[operator]
        raise AssertionError(f"{name} is negative in {event!r}")
    if isinstance(value, int) and value >= 2**63:
        raise AssertionError(f"{name} does not fit 64 bits in {event!r}")
