"""Answers and user events of the WS-API in SBE, schema 3:5 (binance §10.3).

House rules: what is encoded is what JSON would have said, so both say the same; exponents are -8;
what has no layout here is refused with the venue's code and not invented.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import cache
from struct import Struct
from typing import TypeAlias

from pitwire.sim.facades.binance_sbe_layouts import (
    ENUMS,
    EVENTS,
    LAYOUTS,
    LIMITS,
    TEMPLATES,
    Layout,
)
from pitwire.sim.facades.binance_text import ApiError

SCHEMA, VERSION = 3, 5
ACCEPTED = (2, 3, 4, 5)
"""Versions that are answered, in the newest; older than the newest are deprecated."""
_HEADER = Struct("<HHHH")
_ERROR = Struct("<hqq")
_ENVELOPE = Struct("<BH")
_NOTHING = -(2**63)
_EIGHT = Decimal(10) ** 8
_CODES = {"i64": "q", "i32": "i", "i16": "h", "u64": "Q", "u16": "H", "u8": "B", "bool": "B",
          "exp": "b", "feeexp": "b", "dec": "q"}  # fmt: skip
_NULLS = {"q": -(2**63), "i": -(2**31), "h": -(2**15), "Q": 2**64 - 1, "H": 2**16 - 1, "B": 255}

Said: TypeAlias = Mapping[str, object]
NOT_IN_SBE = (-1161, "Unable to encode the response as SBE schema 3:5.")
"""Code as in binance §5.2; the wording is ours."""


def response(
    request_id: object,
    status: int,
    limits: Sequence[Said] | None,
    body: bytes,
    *,
    deprecated: bool = False,
) -> bytes:
    """The envelope of every answer, template 50."""
    text = "" if request_id is None else str(request_id)
    rows = [_entry(LIMITS, row) for row in limits or ()]
    size = size_of(LIMITS)
    return (
        _HEADER.pack(_ENVELOPE.size, 50, SCHEMA, VERSION)
        + _ENVELOPE.pack(deprecated, status)
        + Struct("<HH").pack(size, len(rows))
        + b"".join(rows)
        + _text(text, 1)
        + len(body).to_bytes(4, "little")
        + body
    )


def error(found: ApiError) -> bytes:
    """A refusal, template 100."""
    data = found.data or {}
    times = [data.get("serverTime"), data.get("retryAfter")]
    stamps = [each * 1000 if isinstance(each, int) else _NOTHING for each in times]
    head = _HEADER.pack(_ERROR.size, 100, SCHEMA, VERSION)
    return head + _ERROR.pack(found.code, *stamps) + _text(found.text, 2) + bytes(4)


def result(method: str, found: object) -> bytes:
    """What a method returned; raises `ApiError` for what has no layout."""
    return _message(_template(method, found), found)


def event(found: Said, subscription: int | None) -> bytes:
    """A user event, without an envelope."""
    said = {**found, "subscriptionId": subscription}
    return _message(EVENTS[str(found["e"])], said)


def speaks(method: str) -> bool:
    """Whether a method can be answered; asked before anything is done."""
    plain = method.removeprefix("v3/")
    return plain in TEMPLATES or plain in ("order.place", "ticker.price", "ticker.book")


def _template(method: str, found: object) -> int:
    plain = method.removeprefix("v3/")
    if plain == "order.place" and isinstance(found, dict):
        return 302 if "fills" in found else 301 if "price" in found else 300
    if plain in ("ticker.price", "ticker.book"):
        single = 209 if plain == "ticker.price" else 211
        return single if isinstance(found, dict) else single + 1
    template = TEMPLATES.get(plain)
    rates = plain == "order.test" and found != {}
    whole_list = plain == "order.cancel" and isinstance(found, dict) and "orderId" not in found
    if template is None or rates or whole_list:
        raise ApiError(*NOT_IN_SBE)
    return template


def _message(template: int, found: object) -> bytes:
    layout = LAYOUTS[template]
    said = found if isinstance(found, dict) else {"": found}
    root = _fields(layout, said)
    head = _HEADER.pack(len(root), template, SCHEMA, VERSION)
    return head + root + _rest(layout, said)


def _entry(layout: Layout, row: object) -> bytes:
    said = row if isinstance(row, dict) else {".": row}
    return _fields(layout, said) + _rest(layout, said)


def _rest(layout: Layout, said: Said) -> bytes:
    parts = []
    for name, inner in layout.groups:
        rows = said.get(name) or ()
        assert isinstance(rows, Sequence)
        if inner.fields == "price dec\n qty dec":
            rows = [{"price": price, "qty": size} for price, size in rows]
        size = size_of(inner)
        dims = Struct("<HH" if name in layout.small else "<HI")
        parts.append(dims.pack(size, len(rows)))
        parts += [_entry(inner, row) for row in rows]
    for word in layout.texts.split():
        name, _, how = word.partition(":")
        value = said.get(name)
        text = "" if value is None or value == how else str(value)
        parts.append(_text(text, 2 if how == "16" else 1))
    return b"".join(parts)


def _text(text: str, width: int) -> bytes:
    raw = text.encode()
    return len(raw).to_bytes(width, "little") + raw


def size_of(layout: Layout) -> int:
    """Bytes of the fields, groups and texts apart."""
    return _compiled(layout.fields)[0].size


def _fields(layout: Layout, said: Said) -> bytes:
    struct, writers = _compiled(layout.fields)
    return struct.pack(*[write(said) for write in writers])


@cache
def _compiled(fields: str) -> tuple[Struct, tuple[Callable[[Said], int], ...]]:
    code, writers = "<", []
    for line in fields.splitlines():
        words = line.split()
        if words:
            kind = words[1].removesuffix("?")
            letter = _CODES.get(kind, "B")
            code += letter
            writers.append(_writer(words[0], kind, letter, words[1].endswith("?"), words[2:]))
    return Struct(code), tuple(writers)


def _writer(
    name: str, kind: str, letter: str, nullable: bool, rest: list[str]
) -> Callable[[Said], int]:
    """How a field is taken from what JSON would say."""
    outer, _, inner = name.partition(".")
    absent = rest[0].removeprefix("=") if rest and rest[0].startswith("=") else None
    nothing = rest[0] if rest and not rest[0].startswith("=") else None
    enum = ENUMS.get(kind)

    def write(said: Said) -> int:
        if kind == "exp":
            return -8
        if kind == "feeexp":
            return 0 if said.get("N") is None else -8
        value = said.get(outer)
        if inner and isinstance(value, dict):
            value = value.get(inner)
        if value is None and absent is not None:
            value = absent
        if nullable and (value is None or (nothing is not None and _is(value, nothing))):
            return _NULLS[letter]
        if enum is not None:
            return enum[str(value)]
        if kind == "dec":
            return int(Decimal(str(value)) * _EIGHT)
        if kind == "bool":
            return int(value is True or value == "true")
        return int(str(value))

    return write


def _is(value: object, nothing: str) -> bool:
    return Decimal(str(value)) == Decimal(nothing)
