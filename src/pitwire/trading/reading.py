"""From a table of a TOML file to a clause, with errors that a person can act on.

House rules: every error names the path, what was found and what was expected; an unknown key is
answered with the nearest known one.
"""

from __future__ import annotations

import datetime
import difflib
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from types import UnionType
from typing import Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from pitwire.model.clock import MOST_SECONDS
from pitwire.model.errors import ConfigError, PitwireError
from pitwire.model.instruments import Instrument
from pitwire.model.orders import OrderType
from pitwire.model.strict import as_written
from pitwire.model.symbols import Symbol

_PLACE = re.compile(r" - at `\$\.?(.*)`$")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`")
_MISSING = re.compile(r"Object missing required field `(.*)`")
_TYPES = re.compile(r"Expected `(.*)`, got `(.*)`")
_WORDS = {
    "decimal": "a number",
    "float": "a number",
    "int": "a whole number",
    "str": "text",
    "bool": "true or false",
    "object": "a table",
    "array": "a list",
}


class Clause(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of a rule. Subclasses say which numbers are above zero and which keys exclude."""

    POSITIVE: ClassVar[tuple[str, ...]] = ()
    ONE_OF: ClassVar[tuple[str, ...]] = ()
    """Exactly one of these keys is given."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, Decimal) and not value.is_finite():
                raise ValueError(f"{name}|a finite number")
            if name in self.POSITIVE and isinstance(value, Decimal | int) and value <= 0:
                raise ValueError(f"{name}|a number above zero")
            if name.endswith("_seconds") and value is not None and value > MOST_SECONDS:
                raise ValueError(f"{name}|at most {MOST_SECONDS}")
        given = [name for name in self.ONE_OF if getattr(self, name) is not None]
        if self.ONE_OF and len(given) != 1:
            choices = " or ".join(f"`{name}`" for name in self.ONE_OF)
            raise ValueError(f"{given[1] if given else ''}|one of {choices}")


_Clause = TypeVar("_Clause", bound=msgspec.Struct)


def read(kind: type[_Clause], table: object, where: str) -> _Clause:
    """The clause that this table spells; raises `ConfigError` naming what is wrong and where."""
    plain = _plain(table)
    try:
        return msgspec.convert(plain, kind)
    except msgspec.ValidationError as error:
        raise _explained(kind, plain, where, str(error)) from None


def nearest(word: str, known: Iterable[str]) -> str:
    """The known words, the nearest one first if one is near."""
    words = list(known)
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.5)
    listed = ", ".join(words)
    return f"{close[0]!r} perhaps; known are {listed}" if close else f"one of {listed}"


def choose(table: object, kinds: Mapping[str, type[_Clause]], where: str) -> type[_Clause]:
    """Which kind of clause a table is, by the one key that names it."""
    if not isinstance(table, Mapping):
        raise ConfigError(where=where, found=table, expected="a table")
    named = [key for key in table if key in kinds]
    if len(named) == 1:
        return kinds[named[0]]
    if named:
        expected = f"one of them, not {' and '.join(named)} together"
        raise ConfigError(where=where, found=dict(table), expected=expected)
    for key in table:
        if difflib.get_close_matches(str(key), kinds, n=1, cutoff=0.7):
            expected = nearest(str(key), kinds)
            raise ConfigError(where=f"{where}.{key}", found=table[key], expected=expected)
    expected = f"a table with one of {', '.join(kinds)}"
    raise ConfigError(where=where, found=dict(table), expected=expected)


class Ground(msgspec.Struct, frozen=True):
    """Where in the file a clause stands, and the instruments it may name.

    Without instruments only the spelling of symbols is checked.
    """

    where: str
    instruments: Mapping[str, Instrument] | None = None

    def at(self, field: str) -> Ground:
        return Ground(f"{self.where}.{field}", self.instruments)

    def bad(self, field: str, found: object, expected: str) -> ConfigError:
        if isinstance(found, Decimal) and found.is_finite():
            found = as_written(found)
        return ConfigError(where=f"{self.where}.{field}", found=found, expected=expected)

    def symbol(self, field: str, symbol: str) -> str:
        """The symbol, if it can be traded here; raises `ConfigError` else."""
        if self.instruments is None:
            try:
                return str(Symbol.parse(symbol))
            except ConfigError as error:
                raise self.bad(field, symbol, error.expected) from None
        if symbol not in self.instruments:
            close = difflib.get_close_matches(symbol, self.instruments, n=1, cutoff=0.6)
            expected = "a listed symbol" + (f", {close[0]!r} perhaps" if close else "")
            raise self.bad(field, symbol, expected)
        return symbol

    def check_price(self, field: str, symbol: str, price: Decimal) -> None:
        """Raise `ConfigError` unless this price is on the symbol's grid."""
        instrument = self._instrument(symbol)
        if instrument is not None:
            self._checked(field, price, lambda: instrument.check_price(price))

    def check_size(self, field: str, symbol: str, size: Decimal) -> None:
        """Raise `ConfigError` unless this size is on the symbol's grid."""
        instrument = self._instrument(symbol)
        if instrument is not None:
            self._checked(field, size, lambda: instrument.check_size(size))

    def check_type(self, field: str, found: object, symbol: str, type: OrderType) -> None:
        """Raise `ConfigError` unless the venue takes orders of this type in the symbol."""
        instrument = self._instrument(symbol)
        taken = () if instrument is None else instrument.order_types
        if taken and type not in taken:
            raise self.bad(field, found, f"no {type} order: {symbol} takes {', '.join(taken)}")

    def _instrument(self, symbol: str) -> Instrument | None:
        return None if self.instruments is None else self.instruments.get(symbol)

    def _checked(self, field: str, value: Decimal, check: Any) -> None:
        try:
            check()
        except PitwireError as error:
            raise self.bad(field, value, getattr(error, "expected", "")) from None


# ── explaining ────────────────────────────────────────────────────────────────────────────────


def _plain(value: object) -> object:
    """TOML's own times as the text they were written as."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value.isoformat() if isinstance(value, datetime.time) else value


def _explained(kind: type[msgspec.Struct], table: object, where: str, message: str) -> ConfigError:
    place = _PLACE.search(message)
    path = [part for part in (place.group(1) if place else "").split(".") if part]
    text = message[: place.start()] if place else message
    expected = text
    if unknown := _UNKNOWN.match(text):
        expected = nearest(unknown.group(1), _keys(_type_at(kind, path)))
        path.append(unknown.group(1))
    elif missing := _MISSING.match(text):
        path.append(missing.group(1))
        return ConfigError(where=_join(where, path), found="nothing", expected="a value")
    elif "|" in text and not text.startswith("Expected"):
        field, _, expected = text.partition("|")
        path += [field] if field else []
    elif text.startswith("Invalid enum value"):
        expected = f"one of {', '.join(_choices(_type_at(kind, path)))}"
    elif text.startswith("Invalid decimal"):
        expected = "a number"
    elif types := _TYPES.match(text):
        expected = _worded(types.group(1))
    return ConfigError(where=_join(where, path), found=_value_at(table, path), expected=expected)


def _worded(types: str) -> str:
    names = [name for name in types.split(" | ") if name != "null"]
    return " or ".join(dict.fromkeys(_WORDS.get(name, name) for name in names))


def _join(where: str, path: list[str]) -> str:
    return ".".join([where, *path]).replace(".[", "[")


def _value_at(table: object, path: list[str]) -> object:
    for part in path:
        if not isinstance(table, Mapping) or part not in table:
            return table
        table = table[part]
    return table


def _type_at(kind: Any, path: list[str]) -> Any:
    """The annotation of the field that a path leads to."""
    found: Any = kind
    for part in path:
        inner = next((one for one in _options(found) if _is_struct(one)), None)
        if inner is None:
            return found
        names = dict(zip(inner.__struct_encode_fields__, inner.__struct_fields__, strict=True))
        found = get_type_hints(inner).get(names.get(part, ""), None)
    return found


def _options(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) in (Union, UnionType):
        return get_args(annotation)
    return (annotation,)


def _is_struct(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, msgspec.Struct)


def _keys(annotation: Any) -> list[str]:
    structs = [one for one in _options(annotation) if _is_struct(one)]
    return [key for struct in structs for key in struct.__struct_encode_fields__]


def _choices(annotation: Any) -> list[str]:
    found: list[str] = []
    for option in _options(annotation):
        if get_origin(option) is Literal:
            found += [str(choice) for choice in get_args(option)]
        elif isinstance(option, type) and hasattr(option, "__members__"):
            found += [str(member.value) for member in option.__members__.values()]
    return found
