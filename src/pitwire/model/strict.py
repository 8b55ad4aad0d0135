"""TOML text → frozen struct, strictly: every complaint names the path, the value and what fits.

House rules: pure, text in and struct out; a key that nobody asked for is an error, not a wish; a
value under a name that smells of a secret is never shown; a number is finite or refused.
"""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from collections.abc import Mapping
from datetime import datetime, time
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from pitwire.model.errors import ConfigError

T = TypeVar("T")

_MARK = "\ufeff"
"""What some editors put before UTF-8; TOML 1.1 passes it over."""
_USUAL = 25
"""Powers of ten beyond this are shown as they were written, not in full."""
SECRET_WORDS = ("secret", "key", "password", "token", "passphrase")
_AT = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<path>.*)`)?\Z", re.DOTALL)
_PLACE = re.compile(r"(?P<what>.*) \(at (?P<place>line \d+, column \d+|end of document)\)\Z", re.S)
_NUMBER = re.compile(r"[+-]?\d[\d_.eE+-]*")
_SHAPES: dict[type, inspect.Type] = {}
"""What has been found out."""
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "decimal": "a number",
    "str": "text in quotes",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "null": "nothing",
    "datetime": "a time with its zone, as in 2026-01-31T12:00:00Z",
}


class _Nothing:
    def __repr__(self) -> str:
        return "nothing"


class _Written:
    """Shown as it is, without quotes."""

    def __init__(self, text: object) -> None:
        self._text = str(text)

    def __repr__(self) -> str:
        return self._text


class _Masked:
    def __repr__(self) -> str:
        return "***"


def read_strictly(text: str, kind: type[T], *, source: str) -> T:
    """Parse `text` as a `kind`; raises `ConfigError` for the first thing that does not fit."""
    try:
        tree = tomllib.loads(text.removeprefix(_MARK), parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise _not_toml(str(error), text, source) from None
    except (ValueError, ArithmeticError):
        raise _beyond_numbers(text, source) from None
    except RecursionError:
        found, expected = "too many brackets within brackets", "a few at most"
        raise ConfigError(where=source, found=found, expected=expected) from None
    shape = _shape(kind)
    _refuse_surplus(tree, shape, "", source)
    try:
        return msgspec.convert(tree, kind)
    except msgspec.ValidationError as error:
        raise _misfit(str(error), tree, shape, source) from None


def _shape(kind: type) -> inspect.Type:
    """What a type consists of; finding out takes longer than reading a file."""
    if kind not in _SHAPES:
        _SHAPES[kind] = inspect.type_info(kind)
    return _SHAPES[kind]


def _not_toml(message: str, text: str, source: str) -> ConfigError:
    found = _PLACE.match(message)
    what, place = (found["what"], found["place"]) if found else (message, "end of document")
    if place == "end of document":
        lines = text.splitlines() or [""]
        place = f"line {len(lines)}, column {len(lines[-1]) + 1}"
    return ConfigError(where=f"{source}: {place}", found=what, expected="TOML")


def _beyond_numbers(text: str, source: str) -> ConfigError:
    """A number that Python itself will not read: thousands of digits, or of the exponent's own."""
    for number, line in enumerate(text.splitlines(), 1):
        for word in _NUMBER.findall(line):
            try:
                tomllib.loads(f"x = {word}", parse_float=Decimal)
            except tomllib.TOMLDecodeError:
                continue
            except (ValueError, ArithmeticError):
                where, found = f"{source}: line {number}", _shortened(word)
                return ConfigError(where=where, found=found, expected="a number of a usual size")
    return ConfigError(where=source, found="a huge number", expected="numbers of a usual size")


def _shortened(word: str) -> str:
    return word if len(word) <= 40 else f"{word[:20]}… ({len(word)} characters)"


# ── what nobody asked for ─────────────────────────────────────────────────────────────────────


def _refuse_surplus(value: object, shape: inspect.Type, path: str, source: str) -> None:
    """Walk value and type together; refuse unknown keys and numbers that are not finite."""
    if isinstance(value, float | Decimal) and not math.isfinite(value):
        raise _complaint(source, path, value, "a finite number")
    match value, shape:
        case dict(), inspect.UnionType():
            _refuse_surplus(value, _branch(value, shape), path, source)
        case dict(), inspect.StructType():
            _walk_struct(value, shape, path, source)
        case dict(), inspect.DictType(value_type=inner):
            for key, item in value.items():
                _refuse_surplus(item, inner, _join(path, key), source)
        case dict(), _:
            for key, item in value.items():
                _refuse_surplus(item, inspect.AnyType(), _join(path, key), source)
        case list(), _:
            inner = _element(shape)
            for index, item in enumerate(value):
                _refuse_surplus(item, inner, f"{path}[{index}]", source)


def _walk_struct(value: dict[str, Any], shape: inspect.StructType, path: str, source: str) -> None:
    fields = {field.encode_name: field.type for field in shape.fields}
    for key, item in value.items():
        if key in fields:
            _refuse_surplus(item, fields[key], _join(path, key), source)
        elif key != shape.tag_field:
            known = [*fields, *([shape.tag_field] if shape.tag_field else [])]
            raise ConfigError(
                where=f"{source}: {_join(path, key)}",
                found=f"unknown key {key}",
                expected=_nearest(key, known),
            )


def _branch(value: Mapping[str, Any], union: inspect.UnionType) -> inspect.Type:
    """The member of a union that this table means, by its tag; anything goes when none fits."""
    structs = [member for member in union.types if isinstance(member, inspect.StructType)]
    if len(structs) == 1 and structs[0].tag_field is None:
        return structs[0]
    for member in structs:
        if member.tag_field is not None and value.get(member.tag_field) == member.tag:
            return member
    tables = [member for member in union.types if isinstance(member, inspect.DictType)]
    return tables[0] if tables else inspect.AnyType()


class _Tags(inspect.Type):
    """Stands for the tag of a union: one of these, and which it is says what else is allowed."""

    tags: tuple[object, ...]


def _tags_of(union: inspect.UnionType, key: str) -> _Tags | None:
    tags = [
        member.tag
        for member in union.types
        if isinstance(member, inspect.StructType) and member.tag_field == key
    ]
    return _Tags(tuple(tags)) if tags else None


def _element(shape: inspect.Type) -> inspect.Type:
    match shape:
        case inspect.ListType(item_type=inner) | inspect.VarTupleType(item_type=inner):
            return inner
        case inspect.UnionType(types=members):
            for member in members:
                if not isinstance(_element(member), inspect.AnyType):
                    return _element(member)
    return inspect.AnyType()


def _nearest(key: str, known: list[str]) -> str:
    spelt = {name.lower(): name for name in known}
    close = difflib.get_close_matches(key.lower(), spelt, n=1, cutoff=0.6)
    return spelt[close[0]] if close else f"one of {', '.join(known)}"


# ── what does not fit ─────────────────────────────────────────────────────────────────────────


def _misfit(message: str, tree: object, shape: inspect.Type, source: str) -> ConfigError:
    found = _AT.match(message)
    what, path = (found["what"], found["path"] or "") if found else (message, "")
    value, wanted = _follow(tree, shape, path)
    if missing := re.match(r"Object missing required field `(.+)`", what):
        return _complaint(source, _join(path, missing[1]), _Nothing(), "a value")
    if "|" in what and not what.startswith("Expected"):  # a rule's own check: field|expected
        field, _, expected = what.partition("|")
        inner = value.get(field, value) if isinstance(value, dict) else value
        return _complaint(source, _join(path, field) if field else path, inner, expected)
    if tags := _tags(what, wanted):
        return _complaint(source, path, value, _nearest(str(value), tags))
    if options := _options(wanted):
        return _complaint(source, path, value, f"one of {', '.join(options)}")
    if isinstance(value, dict) and what.startswith("Expected `array"):
        return _complaint(source, path, _Written("one table"), f"a list: `[[{path}]]` before each")
    return _complaint(source, path, value, _in_words(what))


def _follow(tree: object, shape: inspect.Type, path: str) -> tuple[object, inspect.Type]:
    """The value and the type at `path`; as far as it can be followed."""
    for key, index in _STEP.findall(path):
        if index == "..." or not isinstance(tree, dict | list):
            return tree, inspect.AnyType()
        if index:
            tree, shape = tree[int(index)], _element(shape)
            continue
        if isinstance(shape, inspect.UnionType) and isinstance(tree, dict):
            tags = _tags_of(shape, key)
            shape = tags or _branch(tree, shape)
            if tags:
                return tree.get(key, _Nothing()), tags
        fields = shape.fields if isinstance(shape, inspect.StructType) else ()
        shape = next((f.type for f in fields if f.encode_name == key), inspect.AnyType())
        tree = tree.get(key, _Nothing()) if isinstance(tree, dict) else _Nothing()
    return tree, shape


def _tags(what: str, shape: inspect.Type) -> list[str]:
    """The tags that would do, where a tag of none of a union's tables was found."""
    if not what.startswith("Invalid value") or not isinstance(shape, _Tags):
        return []
    return [str(tag) for tag in shape.tags]


def _options(shape: inspect.Type) -> list[str]:
    match shape:
        case inspect.LiteralType(values=values):
            return [str(value) for value in values]
        case inspect.EnumType(cls=cls):
            return [str(member.value) for member in cls]
        case inspect.UnionType(types=members):
            return [option for member in members for option in _options(member)]
    return []


def _in_words(what: str) -> str:
    if wanted := re.match(r"Expected `([^`]+)`(?: ([<>]=? \S+|matching .+|of length .+))?", what):
        kinds = [_WORDS.get(kind.strip(), kind.strip()) for kind in wanted[1].split("|")]
        words = " or ".join(dict.fromkeys(kind for kind in kinds if kind != "nothing"))
        return f"{words} {wanted[2]}" if wanted[2] else words
    if what.startswith("Invalid decimal"):
        return _WORDS["decimal"]
    if what.startswith("Invalid RFC3339"):
        return _WORDS["datetime"]
    return what[:1].lower() + what[1:]


def _complaint(source: str, path: str, value: object, expected: str) -> ConfigError:
    leaf = path.rsplit(".", 1)[-1].lower()
    secret = any(word in leaf for word in SECRET_WORDS) and not isinstance(value, _Nothing)
    return ConfigError(
        where=f"{source}: {path or 'the file'}",
        found=_Masked() if secret else as_written(value),
        expected=expected,
    )


def as_written(value: object) -> object:
    """A value of the file such that its repr reads as it was written."""
    match value:
        case Decimal():
            if not value.is_finite():
                return float(value)
            if abs(value.adjusted()) > _USUAL:
                return _Written(value)
            return int(value) if value == value.to_integral_value() else _Written(f"{value:f}")
        case int() if abs(value) >= 10**_USUAL:
            return _Written(_shortened(str(value)))
        case datetime() | time():
            return value.isoformat()
        case dict():
            return {key: as_written(item) for key, item in value.items()}
        case list() | tuple():
            return [as_written(item) for item in value]
        case _:
            return value


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
