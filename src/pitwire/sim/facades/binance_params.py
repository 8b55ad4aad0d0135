"""Reading the parameters of a request, with the venue's complaint for each way to be wrong.

House rules: values come as JSON gave them or as REST text; decimals stay exact; a parameter that
nobody read is complained about last (binance §5.2, -1104).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import TypeAlias, TypeVar

import msgspec

from pitwire.sim.facades.binance_text import ApiError

_DECIMAL = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
_INTEGER = r"^[0-9]{1,20}$"
CLIENT_ID = r"^[a-zA-Z0-9-_]{1,36}$"
_MAX_DECIMALS = 8
_LONG = 2**63 - 1

_compiled = cache(re.compile)
Words: TypeAlias = tuple[int, str]
"""Code and text of a refusal; an error that is kept and raised again keeps all that it passed."""
Choice = TypeVar("Choice", bound=StrEnum)


class Literal(str):
    """A JSON number with a point or an exponent, kept as it was written."""

    __slots__ = ()


_DECODER = msgspec.json.Decoder(float_hook=Literal)


def _as_written(value: object) -> msgspec.Raw:
    if isinstance(value, Literal):
        return msgspec.Raw(value.encode())
    raise TypeError(f"JSON: found {type(value).__name__}, expected what JSON can hold")


encode_json = msgspec.json.Encoder(enc_hook=_as_written).encode
"""The inverse of `decode_json`: fractions come out as they were written."""


def decode_json(text: bytes) -> object:
    """JSON with its fractions kept as text; raises `msgspec.DecodeError`, also where it is nested
    deeper than can be read."""
    try:
        return _DECODER.decode(text)
    except RecursionError as error:
        raise msgspec.DecodeError(str(error)) from None


def as_text(value: object) -> str:
    """A value as it appears in the text that is signed (binance §5.4 step 3)."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return encode_json(value).decode()


def wrong(name: str) -> Words:
    return -1130, f"Data sent for parameter '{name}' is not valid."


def missing(name: str) -> ApiError:
    return ApiError(
        -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
    )


def neither(first: str, second: str) -> ApiError:
    return ApiError(-1102, f"Param '{first}' or '{second}' must be sent, but both were empty/null!")


def superfluous(name: str) -> ApiError:
    return ApiError(-1106, f"Parameter '{name}' sent when not required.")


class Args:
    """The parameters of one request; remembers which were read."""

    def __init__(self, params: Mapping[str, object], *, now: int = 0) -> None:
        self._params = params
        self.now = now
        """When it arrived, in ns."""
        self._read: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return self._params.get(name) is not None

    def raw(self, name: str) -> object:
        self._read.add(name)
        return self._params.get(name)

    def text(self, name: str, pattern: str = "") -> str:
        """The value as text, "" when absent."""
        self._read.add(name)
        value = self._params.get(name)
        if value is None:
            return ""
        found = value if type(value) is str else as_text(value)
        if not found:
            raise ApiError(-1105, f"Parameter '{name}' was empty.")
        if pattern and not _compiled(pattern).fullmatch(found):
            raise ApiError(
                -1100,
                f"Illegal characters found in parameter '{name}'; legal range is '{pattern}'.",
            )
        return found

    def need(self, name: str, pattern: str = "") -> str:
        """The value as text; its absence is an error."""
        if self.raw(name) in (None, ""):
            raise missing(name)
        return self.text(name, pattern)

    def decimal(self, name: str) -> Decimal | None:
        text = self.text(name, _DECIMAL)
        if not text:
            return None
        if len(text.partition(".")[2]) > _MAX_DECIMALS:
            raise ApiError(-1111, f"Parameter '{name}' has too much precision.")
        return Decimal(text)

    def number(self, name: str) -> int | None:
        text = self.text(name, _INTEGER)
        if not text:
            return None
        if int(text) > _LONG:
            raise ApiError(-1108, f"Parameter '{name}' overflowed.")
        return int(text)

    def choice(self, name: str, kind: type[Choice], error: Words | None = None) -> Choice | None:
        text = self.text(name)
        if not text:
            return None
        try:
            return kind(text)
        except ValueError:
            raise ApiError(*(error or wrong(name))) from None

    def word(self, name: str, allowed: tuple[str, ...], error: Words | None = None) -> str:
        """One of a few words, "" when absent."""
        text = self.text(name)
        if text and text not in allowed:
            raise ApiError(*(error or wrong(name)))
        return text

    def flag(self, name: str, absent: bool = False) -> bool:
        text = self.text(name).lower()
        if text not in ("", "true", "false"):
            raise ApiError(-1130, f"Data sent for parameter '{name}' is not valid.")
        return absent if not text else text == "true"

    def names(self, name: str) -> list[str] | None:
        """A list of words: JSON in a WS request, JSON text in a REST query."""
        value = self.raw(name)
        if isinstance(value, str):
            try:
                value = decode_json(value.encode("utf-8", "surrogateescape"))
            except (msgspec.DecodeError, UnicodeDecodeError):
                raise ApiError(
                    -1100,
                    f"Illegal characters found in parameter '{name}'; legal range is "
                    '\'^\\["[A-Z0-9-_.]{1,20}"(,"[A-Z0-9-_.]{1,20}"){0,}\\]$\'.',
                ) from None
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ApiError(-1130, f"Data sent for parameter '{name}' is not valid.")
        return [str(item) for item in value]

    def ignore(self) -> None:
        """Take whatever was sent for read: it will be refused anyway."""
        self._read |= self._params.keys()

    def finish(self) -> None:
        """Complain about what nobody read."""
        sent = len(self._params)
        read = len(self._read & self._params.keys())
        if read < sent:
            raise ApiError(
                -1104,
                f"Not all sent parameters were read; read '{read}' parameter(s) "
                f"but was sent '{sent}'.",
            )
