"""How Alpaca spells things: symbols, numbers, times, ids, errors (alpaca §2.1, §5.1, §5.8).

House rules: nothing here knows an exchange's state; money and sizes are exact Decimal until they
are written.
"""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime
from decimal import Decimal

from pitwire.model.clock import SECOND
from pitwire.model.entropy import Entropy
from pitwire.sim.facts import Listing

_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:?\d\d)?)?\Z"
)
_TAPES = {"NASDAQ": "C", "ARCA": "B", "NYSE": "A"}
_STOCKS = {"AAPL": "NASDAQ", "MSFT": "NASDAQ", "SPY": "ARCA", "FAKEPACA": "NYSE"}
"""Stock → the exchange that lists it; NASDAQ for any other."""
FAKEPACA = "FAKEPACA"


class ApiError(Exception):
    """A refusal over HTTP; `more` are the keys beside `code` and `message`."""

    def __init__(self, status: int, code: int, message: str, **more: object) -> None:
        super().__init__(status, code, message)
        self.status = status
        self.body: dict[str, object] = {"code": code, **more, "message": message}


class Scale:
    """A listing in Alpaca's spelling: `BTC/USD`, or `AAPL` for what trades in whole shares."""

    def __init__(self, listing: Listing) -> None:
        self.listing = listing
        self.is_crypto = bool(listing.lot % 1)
        self.symbol = f"{listing.base}/{listing.quote}" if self.is_crypto else listing.base
        self.asset_id = str(uuid.uuid5(uuid.NAMESPACE_DNS, self.symbol))
        self.asset_class = "crypto" if self.is_crypto else "us_equity"
        self.exchange = "CRYPTO" if self.is_crypto else _STOCKS.get(listing.base, "NASDAQ")
        self.tape = _TAPES.get(self.exchange, "")
        self.label = listing.symbol.replace("-", "").lower()
        """As the streams of a fault script are named: `btcusd@trade`."""

    def price(self, ticks: int) -> Decimal:
        return self.listing.tick * ticks

    def size(self, lots: int) -> Decimal:
        return self.listing.lot * lots


def written(value: Decimal) -> str:
    """A number without exponent and without zeros at its end."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def timed(at: int) -> str:
    """ns since the epoch as RFC 3339 in UTC, nanoseconds kept, zeros at the end left out."""
    second, rest = divmod(at, SECOND)
    text = datetime.fromtimestamp(second, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{rest:09d}".rstrip("0")
    return f"{text}.{fraction}Z" if fraction else f"{text}Z"


def moment(text: str) -> int:
    """ns of an RFC 3339 time or of a day; raises `ValueError`."""
    found = _TIME.match(text)
    if found is None:
        raise ValueError(f"time: found {text!r}, expected RFC 3339")
    day, clock, fraction, zone = found.groups()
    zone = "+00:00" if zone is None or zone in "Zz" else zone
    whole = datetime.fromisoformat(f"{day}T{clock or '00:00:00'}{zone}")
    return int(whole.timestamp()) * SECOND + int((fraction or "0").ljust(9, "0"))


class Ids:
    """UUIDs, drawn so that a seed names them."""

    def __init__(self, entropy: Entropy) -> None:
        self._chance = entropy.stream("alpaca/ids")

    def new(self) -> str:
        return str(uuid.UUID(bytes=self._chance.randbytes(16), version=4))
