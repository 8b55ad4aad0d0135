"""The account's binary messages, spelled as the JSON that says the same (binance §10.3).

House rules: the account speaks seldom and matters much, so there is one reader of its meaning, and
it reads JSON; this one only changes the spelling. What is short or absurd raises `Unreadable`.
"""

from __future__ import annotations

import struct
from decimal import Decimal
from typing import Any

import msgspec

from pitwire.venues.binance.sbe_layouts import (
    ANSWER,
    CANCELLED_ALL,
    ENVELOPE,
    ERROR,
    EVENTS,
    FAULT,
    RESULTS,
    SCHEMA,
    WORDS,
    Layout,
)
from pitwire.venues.reading import Unreadable

Row = dict[str, Any]
_LETTERS = {
    "q": "q", "i": "i", "h": "h", "H": "H", "u": "B", "b": "B", "x": "b", "p": "q", "s": "q",
    "c": "q", "d": "q",
}  # fmt: skip
_NULLS = {"q": -(2**63), "i": -(2**31), "H": 65535, "B": 255}
_EXPONENTS = {
    "p": "priceExponent", "s": "qtyExponent", "c": "commissionExponent", "d": "exponent",
}  # fmt: skip
_NONE_IS_MINUS_ONE = ("orderListId", "workingTime", "tradeId", "t", "g", "W")
"""What JSON writes as -1 where there is none (§0.1)."""
_MOST_ROWS = 100_000


def spelled(frame: bytes) -> bytes | None:
    """The JSON text of a binary answer or event; None for a template that we do not know."""
    try:
        return _spelled(frame)
    except (struct.error, UnicodeDecodeError) as error:
        raise Unreadable("$", f"cut off after {len(frame)} bytes: {error}") from None


def _spelled(frame: bytes) -> bytes | None:
    template, schema = struct.unpack_from("<HH", frame, 2)
    if schema != SCHEMA:
        return None
    if template == ANSWER:
        return _answer(frame)
    if template not in EVENTS:
        return None
    kind, layout = EVENTS[template]
    row = _message(frame, layout)
    if kind == "executionReport":
        row["r"] = row["r"] or "NONE"
        row["N"] = row["N"] or None
    # The type of a bare event stands first, as the reader of JSON expects it.
    return msgspec.json.encode({"e": kind, **row})


def _answer(frame: bytes) -> bytes:
    row = _message(frame, ENVELOPE)
    del row["deprecated"]
    body: bytes = row.pop("result")
    if len(body) < 8:
        raise Unreadable("result", f"{len(body)} bytes")
    template = struct.unpack_from("<H", body, 2)[0]
    if template == ERROR:
        fault = _message(body, FAULT)
        data: bytes = fault.pop("data")
        if data or "retryAfter" in fault:
            known = [name for name in ("serverTime", "retryAfter") if name in fault]
            fault["data"] = {name: fault.pop(name) for name in known}
        row["error"] = fault
    else:
        row["result"] = _result(body, template)
    answer = {"id": row.pop("id") or None, **row}
    return msgspec.json.encode(answer)


def _result(body: bytes, template: int) -> object:
    if template not in RESULTS:
        # Still an answer, which whoever reads it will not be able to read: so nobody waits in vain.
        return {"template": template}
    layout, whole = RESULTS[template]
    row = _message(body, layout)
    if template == CANCELLED_ALL:
        nested = [one["response"] for one in row["rows"]]
        return [_result(one, struct.unpack_from("<H", one, 2)[0]) for one in nested]
    return row[whole] if whole else row


def _message(frame: bytes, layout: Layout) -> Row:
    """A message with its own header."""
    block = struct.unpack_from("<H", frame, 0)[0]
    return _entry(frame, 8, block, layout, {})[0]


def _entry(frame: bytes, at: int, block: int, layout: Layout, outer: Row) -> tuple[Row, int]:
    """A block with the groups and texts behind it, and where they end."""
    if at + block > len(frame):
        raise Unreadable("blockLength", f"{block} in a frame of {len(frame)}")
    row = _fields(frame, at, block, layout.fields, outer)
    exponents = {**outer, **{key: row.pop(key) for key in _EXPONENTS.values() if key in row}}
    at += block
    for name, width, inner in layout.groups:
        length, count = struct.unpack_from(f"<H{width}", frame, at)
        at += 2 + struct.calcsize(width)
        if count > _MOST_ROWS or (length and at + length * count > len(frame)):
            raise Unreadable(name, f"{count} of {length} bytes in a frame of {len(frame)}")
        rows = row[name] = []
        for _ in range(count):
            one, at = _entry(frame, at, length, inner, exponents)
            rows.append(one)
    for item in layout.data.split():
        name, _, width = item.partition(":")
        size = struct.unpack_from(f"<{width}", frame, at)[0]
        at += struct.calcsize(width)
        if at + size > len(frame):
            raise Unreadable(name, f"{size} bytes in a frame of {len(frame)}")
        raw = frame[at : at + size]
        row[name] = raw if width == "I" or name == "response" else raw.decode()
        at += size
    return row, at


def _fields(frame: bytes, at: int, block: int, fields: str, outer: Row) -> Row:
    row: Row = {}
    end = at + block
    for item in fields.split():
        name, _, kind = item.partition(":")
        nullable, kind = kind.endswith("?"), kind.removesuffix("?")
        letter = _LETTERS.get(kind, "B")
        size = struct.calcsize(letter)
        if at + size > end:
            break  # an older version ends here (§10.1)
        value = struct.unpack_from(f"<{letter}", frame, at)[0]
        at += size
        if nullable and value == _NULLS.get(letter):
            if name in _NONE_IS_MINUS_ONE:
                row[name] = -1
            continue
        row[name] = _value(name, kind, value, {**outer, **row})
    return row


def _value(name: str, kind: str, value: int, known: Row) -> object:
    if kind in _EXPONENTS:
        exponent = known[_EXPONENTS[kind]]
        if not -20 <= exponent <= 20:
            raise Unreadable(_EXPONENTS[kind], str(exponent))
        return format(Decimal(value).scaleb(exponent), "f")
    if kind == "b":
        if value > 1:
            raise Unreadable(name, str(value))
        return bool(value)
    words = WORDS.get(kind)
    return value if words is None else words.get(value, f"UNKNOWN_{value}")
