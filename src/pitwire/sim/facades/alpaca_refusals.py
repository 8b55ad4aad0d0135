"""Why Alpaca refuses an order: in its codes and words (alpaca §5.8).

House rules: looks and words only; nothing here changes anything.
"""

from __future__ import annotations

from decimal import Decimal

from pitwire.model.orders import Side
from pitwire.sim.facades.alpaca_holdings import Holding, Holdings
from pitwire.sim.facades.alpaca_records import ZERO, Record, Records
from pitwire.sim.facades.alpaca_requests import Wanted, missing, unprocessable
from pitwire.sim.facades.alpaca_text import ApiError, Scale, written
from pitwire.sim.facades.facade import Market
from pitwire.sim.facts import Refusal, Refused

FORBIDDEN = 40_310_000
NOT_FOUND = 40_410_000


def forbidden(message: str, **more: object) -> ApiError:
    return ApiError(403, FORBIDDEN, message, **more)


def not_found(order: str) -> ApiError:
    return ApiError(404, NOT_FOUND, f"order not found for {order}")


class Refusals:
    """Looks at an account and a market, and says no."""

    def __init__(self, market: Market, records: Records, holdings: Holdings) -> None:
        self._market, self._records, self._holdings = market, records, holdings

    def demand_no_wash(self, account: str, wanted: Wanted) -> None:
        """Refuse what might trade with an order of the same account."""
        for other in self._records.open_of(account):
            if other.scale is not wanted.scale or other.side is wanted.side:
                continue
            mine, theirs = wanted.limit_price, other.limit_price
            if wanted.kind == "limit" == other.kind and mine is not None and theirs is not None:
                bid, ask = (mine, theirs) if wanted.side is Side.BUY else (theirs, mine)
                if bid < ask:
                    continue
                why = "opposite side limit order exists"
            else:
                why = "opposite side market/stop order exists"
            raise forbidden(
                "potential wash trade detected. use complex orders",
                existing_order_id=other.id,
                reject_reason=why,
            )

    def demand_replaceable(self, record: Record, wanted: Wanted, rest: Decimal, now: int) -> None:
        """Refuse a replacement that the exchange would not take, before the old order is gone."""
        scale, account = wanted.scale, record.account
        order = wanted.order(account, "", rest)
        listing = self._market.listings[scale.listing.symbol]
        try:
            if listing.status != "TRADING":
                raise Refused(Refusal.MARKET_CLOSED, listing.status)
            self._market.check(order, now)
            if wanted.stop_price is not None:
                last = scale.price(self._market.last_price(listing.symbol))
                rises = wanted.side is Side.BUY
                if wanted.stop_price <= last if rises else wanted.stop_price >= last:
                    raise Refused(Refusal.WOULD_TRIGGER)
            self._demand_funds(record, wanted, rest)
        except Refused as refused:
            raise self.worded(refused, account, wanted) from None

    def worded(self, refused: Refused, account: str, wanted: Wanted) -> ApiError:
        """What the exchange refused, in the venue's words."""
        scale = wanted.scale
        match refused.refusal:
            case Refusal.INSUFFICIENT_BALANCE:
                return self._unpaid(account, wanted)
            case Refusal.MARKET_CLOSED | Refusal.TYPE_NOT_SUPPORTED:
                return unprocessable(f'asset "{scale.symbol}" is not tradable')
            case Refusal.DUPLICATE_CLIENT_ID:
                return missing("client_order_id must be unique")
            case Refusal.WOULD_TRIGGER:
                way = "greater" if wanted.side is Side.BUY else "less"
                last = scale.price(self._market.last_price(scale.listing.symbol))
                return unprocessable(
                    f"stop price must be {way} than current price",
                    market_price=written(last),
                    stop_price=written(wanted.stop_price or ZERO),
                )
            case Refusal.FILTER if "NOTIONAL" in refused.detail:
                least = written(self._market.listings[scale.listing.symbol].min_notional)
                return forbidden(f"cost basis must be >= minimal amount of order {least}")
            case Refusal.FILTER if refused.detail == "PRICE_FILTER":
                price = wanted.limit_price or wanted.stop_price or ZERO
                why = "sub-penny increment does not fulfill minimum pricing criteria"
                return unprocessable(f"invalid limit_price {price}. {why}")
            case _:
                detail = refused.detail or refused.refusal.value
                return unprocessable(f"order is not accepted: {detail}")

    def _demand_funds(self, record: Record, wanted: Wanted, rest: Decimal) -> None:
        """With the old order's money free, the new one must be paid for."""
        listing = wanted.scale.listing
        amounts = self._market.balances(record.account)
        buys = wanted.side is Side.BUY
        asset = listing.quote if buys else listing.base
        free, locked = amounts.get(asset, (ZERO, ZERO))
        price = wanted.limit_price or wanted.stop_price or ZERO
        old = record.limit_price or record.stop_price or ZERO
        given_back = min(locked, record.left * (old if buys else 1))
        if rest * (price if buys else 1) > free + given_back:
            raise Refused(Refusal.INSUFFICIENT_BALANCE, asset)

    def _unpaid(self, account: str, wanted: Wanted) -> ApiError:
        listing = wanted.scale.listing
        amounts = self._market.balances(account)
        if wanted.side is Side.BUY:
            free, _ = amounts.get(listing.quote, (ZERO, ZERO))
            return forbidden(
                "insufficient buying power",
                buying_power=written(free),
                cost_basis=written(self._cost(wanted)),
            )
        held = self._holdings.of(account).get(listing.base, Holding(ZERO, ZERO))
        if not wanted.scale.is_crypto and held.qty <= 0:
            return forbidden("account is not allowed to short")
        available, locked = amounts.get(listing.base, (ZERO, ZERO))
        selling = [
            each.id for each in self._records.open_of(account)
            if each.scale is wanted.scale and each.side is Side.SELL
        ]  # fmt: skip
        return forbidden(
            "insufficient qty available for order "
            f"(requested: {written(wanted.qty or ZERO)}, available: {written(available)})",
            available=written(available),
            existing_qty=written(held.qty),
            held_for_orders=written(locked),
            related_orders=selling,
            symbol=wanted.scale.symbol,
        )

    def _cost(self, wanted: Wanted) -> Decimal:
        """What an order might cost: at its price, or at the best one there is."""
        if wanted.notional is not None:
            return wanted.notional
        price = wanted.limit_price or wanted.stop_price or _best_ask(self._market, wanted.scale)
        return (wanted.qty or ZERO) * price


def _best_ask(market: Market, scale: Scale) -> Decimal:
    asks = market.book(scale.listing.symbol, 1).asks
    return scale.price(asks[0][0] if asks else market.last_price(scale.listing.symbol))
