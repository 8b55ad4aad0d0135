"""What a client may ask of an order, and what is wrong with it (alpaca §5.4, §5.6).

House rules: numbers and text are both taken; the first thing amiss is the answer; nothing here
touches the exchange.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

import msgspec

from pitwire.model.orders import Side
from pitwire.sim.facades.alpaca_text import ApiError, Scale
from pitwire.sim.facts import Kind, NewOrder, Stp, Tif

MISSING = 40_010_001
"""A parameter is missing or invalid (§5.8)."""
UNPROCESSABLE = 42_210_000
LONGEST_CLIENT_ID = 128
_MOST, _LEAST_DIGIT = 10**15, -15
"""Of any number: what is reckoned of it is still exact."""
_TYPES = ("market", "limit", "stop", "stop_limit", "trailing_stop")
_TIFS = ("day", "gtc", "opg", "cls", "ioc", "fok")
_CRYPTO_TYPES = ("market", "limit", "stop_limit")
_CRYPTO_TIFS = ("gtc", "ioc")
_SIMPLE = ("", "simple")
_KINDS = {
    "market": Kind.MARKET,
    "limit": Kind.LIMIT,
    "stop": Kind.STOP_LOSS,
    "stop_limit": Kind.STOP_LOSS_LIMIT,
}
_EXCHANGE_TIFS = {"ioc": Tif.IOC, "fok": Tif.FOK}
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A new order, checked as far as the papers say."""

    scale: Scale
    side: Side
    kind: str
    tif: str
    qty: Decimal | None
    notional: Decimal | None
    limit_price: Decimal | None
    stop_price: Decimal | None
    extended_hours: bool
    client_id: str

    def order(self, account: str, client_id: str, qty: Decimal | None = None) -> NewOrder:
        """As the exchange wants it; `qty` in place of what was asked."""
        listing = self.scale.listing
        size = self.qty if qty is None else qty
        return NewOrder(
            account=account,
            symbol=listing.symbol,
            side=self.side,
            kind=_KINDS[self.kind],
            tif=_EXCHANGE_TIFS.get(self.tif, Tif.GTC),
            lots=None if size is None else int(size / listing.lot),
            quote=self.notional if size is None else None,
            price=None if self.limit_price is None else int(self.limit_price / listing.tick),
            stop_price=None if self.stop_price is None else int(self.stop_price / listing.tick),
            client_id=client_id,
            stp=Stp.NONE,
        )


def body_of(body: bytes) -> dict[str, object]:
    """A request's body; raises `ApiError` where it is no object."""
    try:
        found = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ApiError(400, 40_010_000, "request body format is invalid") from None
    if not isinstance(found, dict):
        raise ApiError(400, 40_010_000, "request body format is invalid")
    return found


def number(body: Mapping[str, object], name: str) -> Decimal | None:
    """A number or a number's text above zero; None where there is none."""
    value = body.get(name)
    if value is None or value == "":
        return None
    try:
        if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
            raise InvalidOperation
        found = Decimal(value)
        if not found.is_finite() or not 0 < found < _MOST or found.adjusted() < _LEAST_DIGIT:
            raise InvalidOperation
    except InvalidOperation:
        raise missing(f"{name} must be a positive number") from None
    return found


def text(body: Mapping[str, object], name: str) -> str:
    value = body.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise missing(f"invalid {name}")
    return value


def missing(message: str) -> ApiError:
    return ApiError(422, MISSING, message)


def unprocessable(message: str, **more: object) -> ApiError:
    return ApiError(422, UNPROCESSABLE, message, **more)


def new_order(body: Mapping[str, object], scale: Scale) -> Wanted:
    """The order that a submission asks for; raises `ApiError`."""
    side, kind, tif = text(body, "side"), text(body, "type"), text(body, "time_in_force")
    if side not in ("buy", "sell"):
        raise missing("side must be buy or sell")
    if kind not in _TYPES:
        raise missing("invalid order type")
    if tif not in _TIFS:
        raise missing("invalid time_in_force")
    _demand_simulated(body, kind, tif)
    wanted = Wanted(
        scale=scale,
        side=Side(side),
        kind=kind,
        tif=tif,
        qty=number(body, "qty"),
        notional=number(body, "notional"),
        limit_price=number(body, "limit_price"),
        stop_price=number(body, "stop_price"),
        extended_hours=body.get("extended_hours") is True,
        client_id=client_id_of(body),
    )
    check(wanted)
    return wanted


def client_id_of(body: Mapping[str, object]) -> str:
    found = text(body, "client_order_id")
    if len(found) > LONGEST_CLIENT_ID:
        raise missing(f"client_order_id must be no more than {LONGEST_CLIENT_ID} characters")
    return found


def check(wanted: Wanted) -> None:
    """What the papers say of an order's parts; raises `ApiError`."""
    if (wanted.qty is None) == (wanted.notional is None):
        raise missing("qty or notional is required, and only one of them")
    if wanted.notional is not None and wanted.kind != "market":
        raise unprocessable("notional orders must be market orders")
    if wanted.notional is not None and wanted.side is Side.SELL:
        raise unprocessable("notional sales are not simulated")
    if wanted.scale.is_crypto:
        if wanted.kind not in _CRYPTO_TYPES:
            raise unprocessable("invalid order type for crypto order")
        if wanted.tif not in _CRYPTO_TIFS:
            raise unprocessable("invalid crypto time_in_force")
    if wanted.kind in ("stop", "stop_limit") and wanted.tif in ("ioc", "fok"):
        raise unprocessable(f"invalid time_in_force {wanted.tif} for a stop order")
    for name, price, kinds in (
        ("limit_price", wanted.limit_price, ("limit", "stop_limit")),
        ("stop_price", wanted.stop_price, ("stop", "stop_limit")),
    ):
        if price is None and wanted.kind in kinds:
            raise missing(f"{wanted.kind} orders require {name}")
        if price is not None and wanted.kind not in kinds:
            raise missing(f"{wanted.kind} orders must not have {name}")
        _check_price(wanted.scale, name, price)
    if wanted.extended_hours and (wanted.kind != "limit" or wanted.tif not in ("day", "gtc")):
        raise unprocessable("extended hours order must be DAY or GTC limit orders")
    _check_size(wanted.scale, wanted.qty)


def _check_price(scale: Scale, name: str, price: Decimal | None) -> None:
    if price is None or not price % (scale.listing.tick * scale.listing.price_step):
        return
    why = "sub-penny increment does not fulfill minimum pricing criteria"
    raise unprocessable(f"invalid {name} {price}. {why}")


def _check_size(scale: Scale, qty: Decimal | None) -> None:
    step = scale.listing.lot * scale.listing.lot_step
    if qty is None or not qty % step:
        return
    if not scale.is_crypto:
        raise unprocessable(f'asset "{scale.symbol}" is not fractionable')
    raise unprocessable(f"invalid qty {qty}. minimum increment is {step}")


def _demand_simulated(body: Mapping[str, object], kind: str, tif: str) -> None:
    """What the venue has and this one has not is refused by name."""
    order_class = text(body, "order_class")
    if order_class not in _SIMPLE:
        raise unprocessable(f"order class {order_class} is not simulated")
    if kind == "trailing_stop":
        raise unprocessable("trailing stop orders are not simulated")
    if tif in ("opg", "cls"):
        raise unprocessable(f"time in force {tif} is not simulated")
