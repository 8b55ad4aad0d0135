"""Our spelling and the venue's number: `AAPL-USD` is the contract 265598 (§5).

House rules: a number comes from the venue's listing alone and is never guessed; what the venue
calls by a number that nobody has listed is called by its ticker.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from pitwire.model.errors import ConfigError, MalformedFrame
from pitwire.model.instruments import Instrument
from pitwire.model.orders import OrderType
from pitwire.model.symbols import Symbol
from pitwire.venues.ibkr import frames as wire
from pitwire.venues.ibkr.reading import NAME, UNREADABLE, owned, whole
from pitwire.venues.reading import Unreadable, excerpt

QUOTE = "USD"
"""What the stocks are in that are listed here: those of the United States."""
_TYPES = {
    "limit": OrderType.LIMIT,
    "market": OrderType.MARKET,
    "stop": OrderType.STOP,
    "stop_limit": OrderType.STOP_LIMIT,
}
_LOT = Decimal(1)

_stocks = msgspec.json.Decoder(dict[str, list[wire.Stock]]).decode
_contract = msgspec.json.Decoder(wire.Contract).decode


class Symbols:
    """Both ways between our symbols and the numbers of contracts."""

    def __init__(self) -> None:
        self._conids: dict[str, str] = {}
        self._ours: dict[str, str] = {}

    def learn(self, ours: str, conid: str) -> None:
        """One listed contract."""
        self._conids[ours], self._ours[conid] = conid, ours

    def conid(self, ours: str) -> str:
        """The contract's number; raises `ConfigError` for one that was not listed."""
        check(ours)
        found = self._conids.get(ours)
        if found is None:
            expected = "a symbol whose instrument was loaded before"
            raise ConfigError(where="symbol", found=ours, expected=expected)
        return found

    def ours(self, conid: str, ticker: str | None = None, currency: str | None = None) -> str:
        """Our spelling, or what its ticker would be; "" where the venue names neither."""
        known = self._ours.get(conid)
        if known is not None or not ticker:
            return known or ""
        found = spelled(ticker, currency or QUOTE)
        if found in self._conids and conid:  # an option on it has its ticker, and is not it
            return spelled(f"{ticker.strip()[:8]}{conid}", currency or QUOTE)
        return found

    def listed(self) -> Sequence[str]:
        """Our symbols."""
        return tuple(self._conids)


def check(symbol: str) -> None:
    """Raise `ConfigError` for what cannot be a stock of the United States."""
    parsed = Symbol.parse(symbol)
    if parsed.quote != QUOTE or parsed.expiry:
        expected = f"a stock in dollars, such as AAPL-{QUOTE} on {NAME}"
        raise ConfigError(where="symbol", found=symbol, expected=expected)


def spelled(ticker: str, currency: str) -> str:
    """A ticker with a class, such as `BRK B`, loses its blank, and is not asked for by us."""
    return f"{ticker.strip().replace(' ', '')[:20]}-{currency[:5]}"


def ticker_of(symbol: str) -> str:
    """What the venue calls it."""
    return Symbol.parse(symbol).base


def conids_in(body: bytes) -> list[str]:
    """`/trsrv/stocks` → the American contract of each stock; raises one of `UNREADABLE`."""
    found = []
    for stocks in _stocks(body).values():
        listed = [
            one for stock in stocks if stock.asset == "STK" for one in stock.contracts if one.is_us
        ]
        if listed:
            found.append(whole(listed[0].conid, "conid"))
    return found


def read_instruments(body: bytes) -> list[Instrument]:
    """A contract with its rules → its instrument; `/trsrv/stocks` → none yet.

    Raises `MalformedFrame` for anything else.
    """
    try:
        if b'"con_id"' in body:
            return [_instrument(_contract(body))]
        conids_in(body)
    except UNREADABLE as error:
        raise MalformedFrame(
            venue=NAME,
            text="not a listing",
            channel="instruments",
            path=str(error)[:80],
            excerpt=excerpt(body),
        ) from None
    return []


def _instrument(contract: wire.Contract) -> Instrument:
    rules = contract.rules
    # Where the step grows with the price, the largest is on the grid at each of them.
    steps = [owned(one.increment, "increment") for one in rules.increment_rules]
    tick = max(steps, default=None) or owned(rules.increment, "increment")
    if tick <= 0:
        raise Unreadable("increment", tick)
    return Instrument(
        venue=NAME,
        symbol=spelled(contract.symbol, contract.currency),
        native=whole(contract.con_id, "con_id"),
        base=contract.symbol.replace(" ", ""),
        quote=contract.currency,
        tick=tick,
        # §5 has steps for prices alone; a share is the least that is not a fraction of one.
        lot=_LOT,
        min_size=_LOT,
        max_price=Decimal(10) ** 7,
        max_size=Decimal(10) ** 7,
        order_types=tuple(dict.fromkeys(_TYPES[one] for one in rules.order_types if one in _TYPES)),
    )
