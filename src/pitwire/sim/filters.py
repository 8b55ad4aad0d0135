"""A listing's rules, in whole ticks and lots.

House rules: what a filter compares are integers, so no order on the grid's edge is judged by a
rounding; filters look at the request and a reference price alone (binance §7.1), what needs the
book or the account is the matching engine's affair.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import msgspec

from pitwire.model.orders import Side
from pitwire.sim.facts import Kind, Listing, NewOrder, Refusal, Refused, SimOrder
from pitwire.sim.stops import STOPS

Ratio = tuple[int, int]
"""A price in ticks as numerator and denominator; (0, 0) where none is known."""

LIMITS = frozenset((Kind.LIMIT, Kind.LIMIT_MAKER, Kind.STOP_LOSS_LIMIT, Kind.TAKE_PROFIT_LIMIT))


class Ceilings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an account may have open in all symbols together, and how much of an asset one order may
    move (binance §7.1, exchange and asset filters). A limit of 0 is no limit."""

    max_orders: int = 0
    max_algo_orders: int = 0
    max_iceberg_orders: int = 0
    max_lists: int = 0
    max_asset: dict[str, Decimal] = {}

    def check(self, request: NewOrder, listing: Listing, last: int) -> None:
        """Refuse an order that moves too much of either asset of its symbol."""
        lots = Decimal(request.lots or 0)
        price = request.price or request.stop_price or last
        moved = {
            listing.base: lots * listing.lot,
            listing.quote: request.quote or lots * listing.lot * price * listing.tick,
        }
        for asset, most in self.max_asset.items():
            if most and moved.get(asset, 0) > most:
                raise Refused(Refusal.FILTER, "MAX_ASSET")

    def demand_room(
        self, requests: Sequence[NewOrder], mine: Sequence[SimOrder], *, lists: int
    ) -> None:
        """Refuse orders beyond what an account may have open; `lists` are those it would have."""
        for name, most, counts in (
            ("ORDERS", self.max_orders, lambda _: True),
            ("ALGO_ORDERS", self.max_algo_orders, is_stop),
            ("ICEBERG_ORDERS", self.max_iceberg_orders, is_iceberg),
        ):
            more = sum(map(counts, requests)) if most else 0
            if more and sum(map(counts, mine)) + more > most:
                raise Refused(Refusal.FILTER, f"EXCHANGE_MAX_NUM_{name}")
        if self.max_lists and len(requests) > 1 and lists > self.max_lists:
            raise Refused(Refusal.FILTER, "EXCHANGE_MAX_NUM_ORDER_LISTS")


NO_CEILINGS = Ceilings()


def is_stop(order: NewOrder | SimOrder) -> bool:
    """Whether it counts as an algorithmic order."""
    return order.kind in STOPS


def is_iceberg(order: NewOrder | SimOrder) -> bool:
    """Whether it shows a part of itself alone."""
    return order.iceberg_lots > 0


class Rules:
    """The filters of one listing."""

    def __init__(self, listing: Listing) -> None:
        if listing.tick <= 0 or listing.lot <= 0:
            raise ValueError(
                f"{listing.symbol}: found tick {listing.tick} and lot {listing.lot}, "
                "expected both above zero"
            )
        self._listing = listing
        unit = Fraction(listing.tick) * Fraction(listing.lot)
        self._min_units = math.ceil(Fraction(listing.min_notional) / unit)
        most = 0 if listing.plain_filters else listing.max_notional
        self._max_units = math.floor(Fraction(most) / unit)
        self._notional = "MIN_NOTIONAL" if listing.plain_filters else "NOTIONAL"
        self._up = listing.percent_up.as_integer_ratio()
        self._down = listing.percent_down.as_integer_ratio()

    def check(self, request: NewOrder, reference: Ratio) -> None:
        """Refuse a request that breaks a filter; `ValueError` for one that lacks a part."""
        demand_parts(request)
        listing = self._listing
        if request.stp is not None and request.stp not in listing.allowed_stp:
            raise Refused(Refusal.STP_NOT_ALLOWED, request.stp.value)
        for price in (request.price, request.stop_price):
            self._check_price(price)
        self._check_size(request)
        self._check_trailing(request)
        self._check_percent(request, reference)
        if not request.reduce_only:  # binance §11.8, -4164
            self._check_notional(request, reference)

    def check_size(self, lots: int) -> None:
        """Refuse a size outside LOT_SIZE."""
        _demand_range(lots, self._listing.min_lots, self._listing.max_lots, "LOT_SIZE")
        if lots % self._listing.lot_step:
            raise Refused(Refusal.FILTER, "LOT_SIZE")

    def check_market_size(self, lots: int) -> None:
        """Refuse a size outside MARKET_LOT_SIZE."""
        _demand_range(lots, 0, self._listing.market_max_lots, "MARKET_LOT_SIZE")

    def check_units(self, units: int, *, market: bool) -> None:
        """Refuse a price × lots outside NOTIONAL; the upper bound leaves market orders alone."""
        _demand_range(units, self._min_units, 0 if market else self._max_units, self._notional)

    def _check_price(self, price: int | None) -> None:
        if price is not None:
            listing = self._listing
            _demand_range(price, max(listing.min_price, 1), listing.max_price, "PRICE_FILTER")
            if price % listing.price_step:
                raise Refused(Refusal.FILTER, "PRICE_FILTER")

    def _check_size(self, request: NewOrder) -> None:
        if request.lots is None:
            return
        self.check_size(request.lots)
        if request.kind is Kind.MARKET:
            self.check_market_size(request.lots)
        if request.iceberg_lots:
            self.check_size(request.iceberg_lots)
            parts = -(-request.lots // request.iceberg_lots)
            if request.iceberg_lots >= request.lots:
                raise Refused(Refusal.ICEBERG_SIZE)
            if parts > self._listing.iceberg_parts:
                raise Refused(Refusal.FILTER, "ICEBERG_PARTS")

    def _check_trailing(self, request: NewOrder) -> None:
        if request.trailing_bips is not None:
            lowest, highest = self._listing.min_trailing_bips, self._listing.max_trailing_bips
            _demand_range(request.trailing_bips, lowest, highest, "TRAILING_DELTA")

    def _check_percent(self, request: NewOrder, reference: Ratio) -> None:
        over, under = reference
        price = request.price
        if price is None or not under:
            return
        num, den = self._up
        too_high = num and price * under * den > over * num
        num, den = self._down
        too_low = price * under * den < over * num
        if self._listing.contract is not None:  # binance §11.4: a buy only above, a sale below
            if too_high if request.side is Side.BUY else too_low:
                raise Refused(Refusal.FILTER, "PERCENT_PRICE")
        elif too_high or too_low:
            by_side = "" if self._listing.plain_filters else "_BY_SIDE"
            raise Refused(Refusal.FILTER, f"PERCENT_PRICE{by_side}")

    def _check_notional(self, request: NewOrder, reference: Ratio) -> None:
        if request.lots is None:
            if request.quote is not None and request.quote < self._listing.min_notional:
                raise Refused(Refusal.FILTER, self._notional)
            return
        price = request.price or request.stop_price
        if price is not None:
            self.check_units(price * request.lots, market=request.kind not in LIMITS)
            return
        over, under = reference
        if under and over * request.lots < self._min_units * under:
            raise Refused(Refusal.FILTER, self._notional)


def demand_parts(request: NewOrder) -> None:
    """Raise `ValueError` naming the part that an order of this kind lacks (binance §7.3)."""
    kind = request.kind
    if kind is Kind.MARKET:
        if (request.lots is None) == (request.quote is None):
            raise ValueError(
                f"lots, quote: found {request.lots}, {request.quote}, expected one of them"
            )
        return
    if request.lots is None:
        raise ValueError(f"lots: found none, expected a size for {kind}")
    if kind in LIMITS and request.price is None:
        raise ValueError(f"price: found none, expected one for {kind}")
    if kind in STOPS and request.stop_price is None and request.trailing_bips is None:
        raise ValueError(f"stop_price: found none, expected one or trailing_bips for {kind}")


def _demand_range(value: int, lowest: int, highest: int, name: str) -> None:
    if value < lowest or (highest and value > highest):
        raise Refused(Refusal.FILTER, name)
