"""A market of one's own, as TOML: its crowd, symbols, fees and accounts.

House rules: a file says only what differs from the named scenario it begins with and from the rules
we know of a symbol; whatever does not fit is refused by name.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from pitwire.model.errors import ConfigError
from pitwire.model.strict import read_strictly
from pitwire.model.symbols import Symbol
from pitwire.sim.alpaca_listings import ALPACA_LISTINGS, ALPACA_STAKES, FAKEPACA, as_asset
from pitwire.sim.facts import Listing
from pitwire.sim.filters import NO_CEILINGS, Ceilings
from pitwire.sim.futures_listings import FUTURES, STAKES, as_contract
from pitwire.sim.scenarios import SCENARIOS, Scenario
from pitwire.sim.shares import SHARE_STAKES, SHARES, as_share
from pitwire.sim.world import LISTINGS

MOST = 10**15
"""Of anything that is an amount, a price or a count here: what is reckoned of it is still exact."""
STAKE = Decimal(1_000)
"""What an account owns of an asset where nobody has said how much."""


_ASKED = (
    "min_notional", "max_orders", "max_algo_orders", "max_iceberg_orders", "max_lists",
    "max_position", "plain_filters", "range_up", "range_down", "maker_fee", "taker_fee",
)  # fmt: skip
"""What of a symbol's rules is taken as it is given."""


class Fees(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Commissions, as a part of what is received: 0.001 is a tenth of a per cent."""

    maker: Decimal | None = None
    taker: Decimal | None = None


class SymbolRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A symbol and what of its rules is to be different. Prices and sizes in their own units."""

    symbol: str
    start_price: Decimal | None = None
    tick: Decimal | None = None
    lot: Decimal | None = None
    min_notional: Decimal | None = None
    max_orders: int | None = None
    max_algo_orders: int | None = None
    max_iceberg_orders: int | None = None
    max_lists: int | None = None
    plain_filters: bool | None = None
    """PERCENT_PRICE and MIN_NOTIONAL, as symbols of old have them."""
    range_up: Decimal | None = None
    """How far from its reference price takers trade, as parts of it: 1.01 and 0.99."""
    range_down: Decimal | None = None
    max_position: Decimal | None = None
    maker_fee: Decimal | None = None
    taker_fee: Decimal | None = None
    crowded: bool = True
    """Whether a crowd trades in it."""


class ScenarioFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the file holds."""

    begins_with: str = "calm"
    market: dict[str, Any] = {}
    """Fields of `Scenario`."""
    symbols: list[SymbolRules] = []
    fees: Fees = Fees()
    limits: Ceilings = NO_CEILINGS
    """What an account may have open in all symbols together."""
    accounts: dict[str, dict[str, Decimal]] = {}


class Market(NamedTuple):
    """Everything that a `World` has to know of it."""

    scenario: Scenario
    listings: list[Listing]
    crowded: list[str]
    accounts: dict[str, dict[str, Decimal]]
    limits: Ceilings = NO_CEILINGS


def contracts_of(market: Market) -> Market:
    """The same market as one of perpetual contracts: those in its first quote asset.

    Raises `ConfigError` where a symbol that was asked for has another.
    """
    listings = list(market.listings)
    if listings == list(LISTINGS):
        listings = list(FUTURES)
    quote = listings[0].quote
    for listing in listings:
        if listing.quote != quote:
            raise ConfigError(
                where="sim.symbols", found=listing.symbol, expected=f"symbols in {quote} alone"
            )
    names = [listing.symbol for listing in listings]
    accounts = {
        name: {quote: amounts.get(quote, STAKES.get(quote, STAKE))}
        for name, amounts in market.accounts.items()
    }
    return market._replace(
        listings=[as_contract(listing) for listing in listings],
        crowded=[name for name in market.crowded if name in names],
        accounts=accounts,
    )


def assets_of(market: Market) -> Market:
    """The same market at Alpaca: what it has of its own where nothing was chosen, commissions as
    they are, and an account in dollars where it has none of its own."""
    listings = list(market.listings)
    if listings == list(LISTINGS):
        listings = list(ALPACA_LISTINGS)
        names = [listing.symbol for listing in listings]
        accounts = {name: dict(ALPACA_STAKES) for name in market.accounts}
        return market._replace(listings=listings, crowded=names, accounts=accounts)
    more = [] if FAKEPACA in listings else [FAKEPACA]
    return market._replace(
        listings=[*(as_asset(listing) for listing in listings), *more],
        crowded=[*market.crowded, *(listing.symbol for listing in more)],
    )


def shares_of(market: Market) -> Market:
    """The same market as one of shares: those of the broker where nothing was chosen, and money of
    each currency for the accounts."""
    listings = list(market.listings)
    if listings == list(LISTINGS):
        names = [listing.symbol for listing in SHARES]
        accounts = {name: dict(SHARE_STAKES) for name in market.accounts}
        return market._replace(listings=list(SHARES), crowded=names, accounts=accounts)
    currency = listings[0].quote
    for listing in listings:
        if listing.quote != currency:
            raise ConfigError(
                where="sim.symbols", found=listing.symbol, expected=f"symbols in {currency} alone"
            )
    return market._replace(listings=[as_share(listing) for listing in listings])


def load_market(path: Path) -> Market:
    """A market from a file; raises `ConfigError`, one line, for the first thing amiss."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            where=str(path), found=error.strerror or type(error).__name__, expected="a scenario"
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(where=str(path), found="no UTF-8", expected="a scenario") from None
    return read_market(text, str(path))


def read_market(text: str, source: str) -> Market:
    """The same from TOML."""
    found = read_strictly(text, ScenarioFile, source=source)
    listings = [_listing(rules, found.fees, source) for rules in found.symbols] or [
        _with_fees(each, found.fees, source) for each in LISTINGS
    ]
    names = [each.symbol for each in listings]
    if len(set(names)) < len(names):
        raise ConfigError(where=f"{source}: symbols", found=names, expected="each only once")
    crowded = [rules.symbol for rules in found.symbols if rules.crowded] or names
    if found.symbols:
        crowded = [rules.symbol for rules in found.symbols if rules.crowded]
    accounts = _accounts(found, listings, source)
    _demand_limits(found.limits, source)
    return Market(_scenario(found, source), listings, crowded, accounts, found.limits)


def _demand_limits(limits: Ceilings, source: str) -> None:
    given = msgspec.structs.asdict(limits)
    for name, value in given.pop("max_asset").items():
        given[f"max_asset.{name}"] = value
    for name, value in given.items():
        if not 0 <= value <= MOST:
            raise ConfigError(
                where=f"{source}: limits.{name}", found=value, expected=f"zero to {MOST}"
            )


def plain_listing(symbol: str) -> Listing:
    """The rules of a symbol: as the venue has them for those we know, plain ones for any other."""
    for known in LISTINGS:
        if known.symbol == symbol:
            return known
    pair = Symbol.parse(symbol)
    if not pair.quote:
        raise ConfigError(where="symbol", found=symbol, expected="a pair such as BTC-USDT")
    return Listing(
        symbol=symbol,
        base=pair.base,
        quote=pair.quote,
        tick=Decimal("0.01"),
        lot=Decimal("0.0001"),
        max_price=100_000_000,
        max_lots=90_000_000,
        min_notional=Decimal(5),
        start_price=10_000,
    )


def _scenario(found: ScenarioFile, source: str) -> Scenario:
    if found.begins_with not in SCENARIOS:
        raise ConfigError(
            where=f"{source}: begins_with",
            found=found.begins_with,
            expected=f"one of {', '.join(SCENARIOS)}",
        )
    begin = msgspec.to_builtins(SCENARIOS[found.begins_with])
    begin["name"] = source
    unknown = sorted(found.market.keys() - begin.keys())
    if unknown:
        raise ConfigError(
            where=f"{source}: market.{unknown[0]}",
            found="no such field",
            expected=f"one of {', '.join(sorted(begin.keys() - {'name'}))}",
        )
    try:
        return msgspec.convert(begin | found.market, Scenario)
    except msgspec.ValidationError as error:
        raise ConfigError(
            where=f"{source}: market", found=str(error), expected="values that fit together"
        ) from None


def _listing(rules: SymbolRules, fees: Fees, source: str) -> Listing:
    where = f"{source}: symbols.{rules.symbol}"
    known = _with_fees(plain_listing(rules.symbol), fees, source)
    tick = known.tick if rules.tick is None else rules.tick
    lot = known.lot if rules.lot is None else rules.lot
    changed: dict[str, Any] = {"tick": tick, "lot": lot}
    for name in _ASKED:
        if (value := getattr(rules, name)) is not None:
            changed[name] = value
    for name, value in changed.items():
        if isinstance(value, bool):
            continue
        least = 0 if name not in ("tick", "lot") else Decimal("1e-8")
        if value > MOST:
            raise ConfigError(where=f"{where}.{name}", found=value, expected=f"at most {MOST}")
        if value < least or (name.endswith("_fee") and value >= 1):
            expected = "above zero, eight decimals" if least else "zero or more, and less than all"
            raise ConfigError(where=f"{where}.{name}", found=value, expected=expected)
    start = rules.start_price
    if start is None:
        start = known.start_price * known.tick
    ticks, rest = divmod(start, tick) if start <= MOST else (0, 1)
    if start <= 0 or rest:
        raise ConfigError(
            where=f"{where}.start_price", found=start, expected=f"a multiple of the tick {tick}"
        )
    changed["start_price"] = int(ticks)
    changed["max_price"] = max(int(known.max_price * known.tick / tick), int(ticks) * 10)
    changed["max_lots"] = int(known.max_lots * known.lot / lot)
    changed["market_max_lots"] = int(known.market_max_lots * known.lot / lot)
    return msgspec.structs.replace(known, **changed)


def _with_fees(listing: Listing, fees: Fees, source: str) -> Listing:
    maker = listing.maker_fee if fees.maker is None else fees.maker
    taker = listing.taker_fee if fees.taker is None else fees.taker
    for name, value in (("maker", maker), ("taker", taker)):
        if not 0 <= value < 1:
            raise ConfigError(
                where=f"{source}: fees.{name}", found=value, expected="0 or more, below 1"
            )
    return msgspec.structs.replace(listing, maker_fee=maker, taker_fee=taker)


def _accounts(
    found: ScenarioFile, listings: list[Listing], source: str
) -> dict[str, dict[str, Decimal]]:
    for name, amounts in found.accounts.items():
        for asset, amount in amounts.items():
            if not amount.is_finite() or not 0 <= amount <= MOST:
                raise ConfigError(
                    where=f"{source}: accounts.{name}.{asset}",
                    found=amount,
                    expected=f"zero or more, at most {MOST}",
                )
    assets = dict.fromkeys(asset for each in listings for asset in (each.base, each.quote))
    return dict(found.accounts) or {"main": dict.fromkeys(assets, STAKE)}
