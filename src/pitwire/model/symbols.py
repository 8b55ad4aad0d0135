"""Our spelling of what is traded: `BTC-USDT`, `AAPL`, `ES-202612`."""

from __future__ import annotations

import re
from typing import Self

import msgspec

from pitwire.model.errors import ConfigError

_ASSET = re.compile(r"[A-Z0-9]{1,24}\Z")
_EXPIRY = re.compile(r"\d{6}(\d{2})?\Z")


class Symbol(msgspec.Struct, frozen=True, order=True):
    """A pair (`base`, `quote`), a share (`base`) or a future (`base`, `expiry`)."""

    base: str
    quote: str = ""
    expiry: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read our spelling; raises `ConfigError` naming what was found and expected."""
        base, dash, tail = text.partition("-")
        if not _ASSET.match(base) or (dash and not tail):
            raise _bad(text)
        if not tail:
            return cls(base)
        if _EXPIRY.match(tail):
            return cls(base, expiry=tail)
        if not _ASSET.match(tail):
            raise _bad(text)
        return cls(base, tail)

    def __str__(self) -> str:
        tail = self.quote or self.expiry
        return f"{self.base}-{tail}" if tail else self.base


def _bad(text: str) -> ConfigError:
    return ConfigError(
        where="symbol",
        found=text,
        expected="BASE-QUOTE, SHARE or ROOT-YYYYMM in capitals, as in BTC-USDT",
    )
