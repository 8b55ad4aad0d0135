"""exchangeInfo: the listings and their filters as the venue prints them (binance §5.8, §7.1)."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from pitwire.sim.facades.binance_call import Call
from pitwire.sim.facades.binance_params import Args
from pitwire.sim.facades.binance_text import ApiError, Scale, money, plain
from pitwire.sim.facts import Listing, Stp
from pitwire.sim.filters import Ceilings

_NO_LIMIT = 10**14
"""What a size filter prints for a listing without one: a million units of 1e8."""
STATUSES = ("TRADING", "HALT", "BREAK")
_GROUP = "SPOT"
"""The only permission that our listings ask for."""
BAD_STATUS = (-1122, "Invalid symbolStatus.")


class InfoAsk(msgspec.Struct, frozen=True, kw_only=True):
    symbols: list[str] | None
    permitted: bool
    """Whether our listings have one of the permissions asked for."""
    status: str
    permission_sets: bool


def read_info(args: Args) -> InfoAsk:
    """exchangeInfo: at most one of symbol, symbols and permissions."""
    symbol = args.text("symbol")
    symbols = args.names("symbols")
    permissions = "permissions" in args
    wanted = _permissions(args)
    status = args.word("symbolStatus", STATUSES, BAD_STATUS)
    if bool(symbol) + (symbols is not None) + permissions > 1 or (
        status and (symbol or symbols is not None)
    ):
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    return InfoAsk(
        symbols=[symbol] if symbol else symbols,
        permitted=not permissions or _GROUP in wanted,
        status=status,
        permission_sets=args.flag("showPermissionSets", absent=True),
    )


def exchange_info(call: Call, ask: InfoAsk) -> object:
    """The whole rule book, or that of some symbols."""
    scales = _chosen(call, ask)
    return {
        "timezone": "UTC",
        "serverTime": call.now // call.unit,
        "rateLimits": rate_limits(call),
        "exchangeFilters": _exchange_filters(call.office.market.ceilings),
        "symbols": [_symbol(call, scale, ask.permission_sets) for scale in scales],
    }


def _chosen(call: Call, ask: InfoAsk) -> list[Scale]:
    """The symbols that a question is about."""
    office = call.office
    if ask.symbols is None:
        scales = list(office.scales.values()) if ask.permitted else []
    else:
        if len(set(ask.symbols)) < len(ask.symbols):
            raise ApiError(-1151, "Symbol is present multiple times in the list.")
        scales = [office.scale(symbol) for symbol in ask.symbols]
    if ask.status:
        scales = [scale for scale in scales if status_of(call, scale) == ask.status]
    return scales


def rate_limits(call: Call) -> list[dict[str, object]]:
    """REST lists RAW_REQUESTS where the WS-API lists CONNECTIONS."""
    address = call.office.limits.address(call.address)
    orders = call.office.limits.orders("")
    last = address.raw if call.rest else address.connections
    return [window.rule() for window in (address.weight, *orders.windows, last)]


def status_of(call: Call, scale: Scale) -> str:
    """What a symbol's status is just now."""
    return call.office.statuses.get(scale.listing.symbol, scale.listing.status)


def demand_status(call: Call, scale: Scale, wanted: str) -> None:
    """Refuse a question about a symbol whose status is another than the one that was named."""
    if wanted and status_of(call, scale) != wanted:
        raise ApiError(-1220, "The symbol's status does not match the requested symbolStatus.")


def _permissions(args: Args) -> list[str]:
    """One word or a list of them."""
    value = args.raw("permissions")
    if isinstance(value, str) and not value.startswith("["):
        return [value]
    return args.names("permissions") or []


def my_filters(call: Call, symbol: str) -> object:
    """myFilters: all that an order in this symbol has to pass."""
    scale, ceilings = call.office.scale(symbol), call.office.market.ceilings
    assets = (scale.listing.base, scale.listing.quote)
    return {
        "exchangeFilters": _exchange_filters(ceilings),
        "symbolFilters": _filters(scale),
        "assetFilters": [
            {"filterType": "MAX_ASSET", "asset": asset, "limit": money(most)}
            for asset, most in ceilings.max_asset.items()
            if asset in assets and most
        ],
    }


def _exchange_filters(ceilings: Ceilings) -> list[dict[str, object]]:
    """binance §7.1: those that there are."""
    return [
        {"filterType": f"EXCHANGE_{snake}", camel: most}
        for snake, camel, most in (
            ("MAX_NUM_ORDERS", "maxNumOrders", ceilings.max_orders),
            ("MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders", ceilings.max_algo_orders),
            ("MAX_NUM_ICEBERG_ORDERS", "maxNumIcebergOrders", ceilings.max_iceberg_orders),
            ("MAX_NUM_ORDER_LISTS", "maxNumOrderLists", ceilings.max_lists),
        )
        if most
    ]


def read_rules(args: Args) -> InfoAsk:
    """executionRules: symbol, symbols or symbolStatus, or nothing."""
    symbol, symbols = args.text("symbol"), args.names("symbols")
    status = args.word("symbolStatus", STATUSES, BAD_STATUS)
    if bool(symbol) + (symbols is not None) + bool(status) > 1:
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    return InfoAsk(
        symbols=[symbol] if symbol else symbols,
        permitted=True,
        status=status,
        permission_sets=False,
    )


def weigh_rules(ask: InfoAsk) -> int:
    return 40 if ask.symbols is None else min(40, 2 * len(ask.symbols))


def execution_rules(call: Call, ask: InfoAsk) -> object:
    """executionRules: how far from its reference price takers trade, where there is a limit
    (binance §7.2)."""
    return {
        "symbolRules": [
            {"symbol": scale.symbol, "rules": _rules(scale.listing)} for scale in _chosen(call, ask)
        ]
    }


def _rules(listing: Listing) -> list[dict[str, object]]:
    """Each multiplier may be left out, and so may the rule."""
    ends = {"Up": listing.range_up, "Down": listing.range_down}
    limits: dict[str, object] = {
        f"{side}LimitMult{end}": plain(by)
        for side in ("bid", "ask")
        for end, by in ends.items()
        if by
    }
    return [{"ruleType": "PRICE_RANGE", **limits}] if limits else []


def _symbol(call: Call, scale: Scale, permission_sets: bool) -> dict[str, object]:
    listing = scale.listing
    modes = [mode.value for mode in listing.allowed_stp if mode is not Stp.NONE]
    return {
        "symbol": scale.symbol,
        "status": status_of(call, scale),
        "baseAsset": listing.base,
        "baseAssetPrecision": 8,
        "quoteAsset": listing.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": sorted(kind.value for kind in listing.kinds),
        "icebergAllowed": True,
        "ocoAllowed": True,
        "otoAllowed": True,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": _filters(scale),
        "permissions": [],
        **({"permissionSets": [["SPOT"]]} if permission_sets else {}),
        "defaultSelfTradePreventionMode": listing.default_stp.value,
        "allowedSelfTradePreventionModes": modes,
    }


def _value_filters(listing: Listing) -> list[dict[str, object]]:
    """Of price and value: by side and with an upper end, or as symbols of old have them."""
    up, down = plain(listing.percent_up), plain(listing.percent_down)
    least = {"minNotional": money(listing.min_notional)}
    if listing.plain_filters:
        percent: dict[str, object] = {
            "filterType": "PERCENT_PRICE",
            "multiplierUp": up,
            "multiplierDown": down,
        }
        notional: dict[str, object] = {"filterType": "MIN_NOTIONAL", **least, "applyToMarket": True}
    else:
        percent = {
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": up,
            "bidMultiplierDown": down,
            "askMultiplierUp": up,
            "askMultiplierDown": down,
        }
        notional = {
            "filterType": "NOTIONAL",
            **least,
            "applyMinToMarket": True,
            "maxNotional": money(listing.max_notional or Decimal(10**9)),
            "applyMaxToMarket": False,
        }
    limited = listing.percent_up or listing.percent_down
    return [row | {"avgPriceMins": 5} for row in ([percent] if limited else []) + [notional]]


def _filters(scale: Scale) -> list[dict[str, object]]:
    listing = scale.listing
    found = [*_size_filters(scale), *_value_filters(listing)]
    found += [
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": listing.max_orders},
        {"filterType": "MAX_NUM_ORDER_LISTS", "maxNumOrderLists": listing.max_lists},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": listing.max_algo_orders},
        {"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": listing.max_amends},
    ]
    if listing.max_iceberg_orders:
        icebergs = {"maxNumIcebergOrders": listing.max_iceberg_orders}
        found.append({"filterType": "MAX_NUM_ICEBERG_ORDERS", **icebergs})
    if listing.max_position:
        found.append({"filterType": "MAX_POSITION", "maxPosition": money(listing.max_position)})
    return found


def _size_filters(scale: Scale) -> list[dict[str, object]]:
    listing = scale.listing
    lots = listing.max_lots or _NO_LIMIT // scale.lot
    market_lots = listing.market_max_lots or lots
    below, above = listing.min_trailing_bips, listing.max_trailing_bips
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": scale.price(listing.min_price),
            "maxPrice": scale.price(listing.max_price),
            "tickSize": scale.price(listing.price_step),
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": scale.size(listing.min_lots),
            "maxQty": scale.size(lots),
            "stepSize": scale.size(listing.lot_step),
        },
        {"filterType": "ICEBERG_PARTS", "limit": listing.iceberg_parts},
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": "0.00000000",
            "maxQty": scale.size(market_lots),
            "stepSize": "0.00000000",
        },
        {
            "filterType": "TRAILING_DELTA",
            "minTrailingAboveDelta": below,
            "maxTrailingAboveDelta": above,
            "minTrailingBelowDelta": below,
            "maxTrailingBelowDelta": above,
        },
    ]
