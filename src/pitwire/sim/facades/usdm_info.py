"""exchangeInfo of the futures (binance §11.4).

House rules: names and order of the recorded answers of 2021, newer fields where those of 2025 show
them; ticks and limits as short as the venue prints them.
"""

from __future__ import annotations

from decimal import Decimal

from pitwire.model.clock import MILLISECOND
from pitwire.sim.facades.binance_call import Call
from pitwire.sim.facades.binance_info import status_of
from pitwire.sim.facades.usdm_office import office_of
from pitwire.sim.facades.usdm_text import FOREVER_MS, ONBOARD_MS, FuturesScale, short

_TYPES = ("LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET",
          "TRAILING_STOP_MARKET")  # fmt: skip


def exchange_info(call: Call, _ask: None) -> object:
    office = office_of(call)
    windows = (
        office.limits.address(call.address).weight,
        *reversed(office.limits.orders("").windows),
    )
    assets = dict.fromkeys(scale.listing.quote for scale in office.contracts())
    return {
        "timezone": "UTC",
        "serverTime": call.now // MILLISECOND,
        "futuresType": "U_MARGINED",
        "rateLimits": [window.rule() for window in windows],
        "exchangeFilters": [],
        "assets": [
            {"asset": asset, "marginAvailable": True, "autoAssetExchange": "-10000"}
            for asset in assets
        ],
        "symbols": [_symbol(call, scale) for scale in office.contracts()],
    }


def _symbol(call: Call, scale: FuturesScale) -> dict[str, object]:
    listing = scale.listing
    contract = listing.contract
    assert contract is not None
    return {
        "symbol": scale.symbol,
        "pair": scale.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": FOREVER_MS,
        "onboardDate": ONBOARD_MS,
        "status": status_of(call, scale),
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": listing.base,
        "quoteAsset": listing.quote,
        "marginAsset": listing.quote,
        "pricePrecision": scale.price_digits,
        "quantityPrecision": scale.size_digits,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": ["PoW"],
        "triggerProtect": f"{contract.trigger_protect:.4f}",
        "liquidationFee": f"{contract.liquidation_fee:.6f}",
        "marketTakeBound": "0.05",
        "maxMoveOrderLimit": 10_000,
        "filters": _filters(scale),
        "orderTypes": list(_TYPES),
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    }


def _filters(scale: FuturesScale) -> list[dict[str, object]]:
    listing = scale.listing
    most = short(listing.max_lots * listing.lot)
    at_market = short((listing.market_max_lots or listing.max_lots) * listing.lot)
    least, step = scale.size(listing.min_lots), scale.size(listing.lot_step)
    return [
        {
            "minPrice": scale.price(listing.min_price),
            "maxPrice": short(listing.max_price * listing.tick),
            "filterType": "PRICE_FILTER",
            "tickSize": scale.price(listing.price_step),
        },
        {"stepSize": step, "filterType": "LOT_SIZE", "maxQty": most, "minQty": least},
        {"stepSize": step, "filterType": "MARKET_LOT_SIZE", "maxQty": at_market, "minQty": least},
        {"limit": listing.max_orders, "filterType": "MAX_NUM_ORDERS"},
        {"notional": short(listing.min_notional), "filterType": "MIN_NOTIONAL"},
        {
            "multiplierDown": f"{listing.percent_down or Decimal(0):.4f}",
            "multiplierUp": f"{listing.percent_up:.4f}",
            "multiplierDecimal": "4",
            "filterType": "PERCENT_PRICE",
        },
    ]


def funding_info(call: Call, _ask: None) -> object:
    return [
        {
            "symbol": scale.symbol,
            "adjustedFundingRateCap": "0.02000000",
            "adjustedFundingRateFloor": "-0.02000000",
            "fundingIntervalHours": scale.listing.contract.funding_hours,
            "disclaimer": False,
            "updateTime": 0,
        }
        for scale in office_of(call).contracts()
        if scale.listing.contract is not None
    ]
