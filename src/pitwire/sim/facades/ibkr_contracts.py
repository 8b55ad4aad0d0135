"""Contracts by their numbers, and how the gateway shows them (ibkr §5).

House rules: keys, types and their order are those of the sheet's examples; a number stands for a
contract everywhere, so it is the same in every run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from zlib import crc32

import msgspec

from pitwire.sim.facts import Listing

_KNOWN: Mapping[str, tuple[int, str, str, str, str]] = {
    "AAPL": (265598, "APPLE INC", "NASDAQ.NMS", "Computers", "Electronics"),
    "IBM": (8314, "INTL BUSINESS MACHINES CORP", "NYSE", "Computers", "Computer Services"),
    "SPY": (756733, "SPDR S&P 500 ETF TRUST", "ARCA", "Funds", "Equity Fund"),
    "QQQ": (320227571, "INVESCO QQQ TRUST SERIES 1", "NASDAQ.NMS", "Funds", "Equity Fund"),
}
"""Ticker → conid (ibkr §5), name, listing exchange, industry, category; the last two are ours."""
_DIGITS = 18
_OTHERS = 600_000_000
_EXCHANGES = "SMART,AMEX,NYSE,CBOE,ARCA,NASDAQ,IEX,OVERNIGHT"
_ORDER_TYPES = ["limit", "market", "stop", "stop_limit"]


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """A share as the gateway knows it."""

    conid: int
    ticker: str
    name: str
    exchange: str
    industry: str
    category: str
    listing: Listing

    @property
    def symbol(self) -> str:
        """Our spelling."""
        return self.listing.symbol

    @property
    def currency(self) -> str:
        return self.listing.quote

    def price(self, ticks: int) -> str:
        """A price as text, with the digits of its tick."""
        return format(ticks * self.listing.tick, "f")

    def size(self, lots: int) -> str:
        """A size as text, without a point where it is whole."""
        return plain(lots * self.listing.lot)

    def units(self, lots: int) -> float:
        """A size as the number that JSON shows."""
        return float(lots * self.listing.lot)


class Contracts:
    """Everything that is listed, by number and by ticker."""

    def __init__(self, listings: Iterable[Listing]) -> None:
        self._by_symbol = {listing.symbol: _contract(listing) for listing in listings}
        self._by_conid = {found.conid: found for found in self._by_symbol.values()}

    def find(self, conid: object) -> Contract | None:
        """By its number, which may be text and may name an exchange (`265598@NYSE`)."""
        text = str(conid).partition("@")[0].partition(":")[0]
        return self._by_conid.get(int(text)) if is_number(text) else None

    def of(self, symbol: str) -> Contract:
        """By our spelling."""
        return self._by_symbol[symbol]

    def relist(self, listing: Listing) -> None:
        """These rules from now on."""
        found = _contract(listing)
        self._by_symbol[listing.symbol] = self._by_conid[found.conid] = found

    def of_ticker(self, ticker: str) -> list[Contract]:
        return [found for found in self._by_symbol.values() if found.ticker == ticker.upper()]

    def named(self, text: str) -> list[Contract]:
        """Those in whose names this is found."""
        return [found for found in self._by_symbol.values() if text.upper() in found.name]

    def all(self) -> list[Contract]:
        return list(self._by_symbol.values())


def _contract(listing: Listing) -> Contract:
    ticker = listing.base
    other = (_OTHERS + crc32(listing.symbol.encode()) % 100_000_000, f"{ticker} CORP", "NASDAQ.NMS",
             "Simulated", "Simulated")  # fmt: skip
    known = _KNOWN.get(ticker) if listing.quote == "USD" else None
    conid, name, exchange, industry, category = known or other
    return Contract(conid=conid, ticker=ticker, name=name, exchange=exchange, industry=industry,
                    category=category, listing=listing)  # fmt: skip


def is_number(text: str) -> bool:
    """Whether a text is a whole number as a path or a query spells one."""
    return text.isascii() and text.isdigit() and len(text) <= _DIGITS


def plain(value: Decimal) -> str:
    """A number as text without an exponent and without superfluous zeros."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def searched(found: Contract) -> dict[str, object]:
    """A row of `/iserver/secdef/search`; the number is text here."""
    short = found.exchange.partition(".")[0]
    return {
        "conid": str(found.conid),
        "companyHeader": f"{found.name} - {short}",
        "companyName": found.name,
        "symbol": found.ticker,
        "description": short,
        "restricted": None,
        "sections": [{"secType": "STK"}],
    }


def stock(found: Contract) -> dict[str, object]:
    """A row of `/trsrv/stocks`."""
    exchange = found.exchange.partition(".")[0]
    return {
        "name": found.name,
        "chineseName": None,
        "assetClass": "STK",
        "contracts": [{"conid": found.conid, "exchange": exchange, "isUS": True}],
    }


def info(found: Contract) -> dict[str, object]:
    """`/iserver/contract/{conid}/info`."""
    return {
        "cfi_code": "",
        "symbol": found.ticker,
        "cusip": None,
        "expiry_full": None,
        "con_id": found.conid,
        "maturity_date": None,
        "industry": found.industry,
        "instrument_type": "STK",
        "trading_class": found.ticker,
        "valid_exchanges": _EXCHANGES,
        "allow_sell_long": False,
        "is_zero_commission_security": False,
        "local_symbol": found.ticker,
        "contract_clarification_type": None,
        "classifier": None,
        "currency": found.currency,
        "text": None,
        "underlying_con_id": 0,
        "r_t_h": True,
        "multiplier": None,
        "underlying_issuer": None,
        "contract_month": None,
        "company_name": found.name,
        "smart_available": True,
        "exchange": "SMART",
        "category": found.category,
    }


def rules(found: Contract, accounts: list[str], last: int) -> dict[str, object]:
    """`/iserver/contract/rules`: order types, times in force, increments."""
    listing = found.listing
    step = float(listing.tick * listing.price_step)
    exponent = listing.tick.normalize().as_tuple().exponent
    digits = max(0, -exponent) if isinstance(exponent, int) else 0
    price = float(last * listing.tick)
    return {
        "algoEligible": False,
        "allOrNoneEligible": False,
        "costReport": False,
        "canTradeAcctIds": accounts,
        "error": None,
        "orderTypes": _ORDER_TYPES,
        "orderTypesOutside": ["limit", "stop_limit"],
        "tifTypes": ["IOC/MARKET,LIMIT", "GTC/o,a", "DAY/o,a"],
        "tifDefaults": {"TIF": "DAY", "SIZE": "100.00"},
        "defaultSize": 100,
        "sizeIncrement": int(listing.lot * listing.lot_step) or 1,
        "limitPrice": price,
        "stopprice": price,
        "incrementRules": [{"lowerEdge": 0.0, "increment": step}],
        "increment": step,
        "incrementDigits": digits,
        "cashCcy": found.currency,
        "cashQtyIncr": 500,
        "negativeCapable": False,
        "hasSecondary": False,
        "preview": False,
    }


def secdef(found: Contract) -> dict[str, object]:
    """A row of `/trsrv/secdef`; keys beyond conid, currency, name and ticker are (unconfirmed)."""
    return {
        "conid": found.conid,
        "currency": found.currency,
        "name": found.name,
        "assetClass": "STK",
        "ticker": found.ticker,
        "listingExchange": found.exchange.partition(".")[0],
        "allExchanges": _EXCHANGES,
        "multiplier": 0.0,
        "isUS": True,
    }


def secdef_info(found: Contract) -> dict[str, object]:
    """A row of `/iserver/secdef/info`; its keys are (unconfirmed)."""
    return {
        "conid": found.conid,
        "symbol": found.ticker,
        "secType": "STK",
        "exchange": "SMART",
        "listingExchange": found.exchange.partition(".")[0],
        "right": "?",
        "strike": 0.0,
        "currency": found.currency,
        "cusip": None,
        "coupon": "No Coupon",
        "desc1": found.ticker,
        "desc2": None,
        "maturityDate": None,
        "multiplier": None,
        "tradingClass": found.ticker,
        "validExchanges": _EXCHANGES,
    }
