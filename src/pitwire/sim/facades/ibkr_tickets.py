"""Order tickets: what a client asks for, read and judged before the exchange sees it (ibkr §7.1).

House rules: a wrong JSON type is a 400 in the server's own words; what a broker would not accept is
an error that is told with status 200, and quotes the order.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from pitwire.model.orders import Side
from pitwire.sim.facades.ibkr_contracts import Contract, plain
from pitwire.sim.facades.ibkr_office import Office
from pitwire.sim.facades.ibkr_text import IbkrError, bad_request, said
from pitwire.sim.facts import Kind, NewOrder, Refusal, Refused, Stp, Tif

KINDS: Mapping[str, Kind] = {
    "LMT": Kind.LIMIT,
    "MKT": Kind.MARKET,
    "STP": Kind.STOP_LOSS,
    "STOP_LIMIT": Kind.STOP_LOSS_LIMIT,
}
"""Those of the sheet's list that are simulated."""
TIFS: Mapping[str, Tif] = {"DAY": Tif.GTC, "GTC": Tif.GTC, "IOC": Tif.IOC}
"""A day has no end here: DAY rests until it is cancelled."""
_UNSIMULATED = ("MIDPRICE", "TRAIL", "TRAILLMT", "MOC", "LOC", "STP_LIMIT")
_LONGEST_REF = 64
_LEAST, _MOST = Decimal("1e-9"), Decimal("1e12")
"""Of a number other than zero: what is reckoned with it is exact."""
_TOO_FINE = "The price does not conform to the minimum price variation for this contract."
REASONS: Mapping[Refusal, str] = {
    Refusal.INSUFFICIENT_BALANCE:
        "YOUR ORDER IS NOT ACCEPTED. IN ORDER TO OBTAIN THE DESIRED POSITION YOUR AVAILABLE "
        "FUNDS MUST BE SUFFICIENT.",
    Refusal.MARKET_CLOSED: "Exchange is closed.",
    Refusal.NO_LIQUIDITY: "No market data is available to price a market order.",
    Refusal.WOULD_TRIGGER: "Stop price would trigger at once.",
    Refusal.TYPE_NOT_SUPPORTED: "Order type is not supported for this contract.",
    Refusal.FILTER: "Order does not conform to the rules of this contract.",
}  # fmt: skip
"""What the exchange refuses, in words that are ours but for their manner (unconfirmed)."""


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """An order as it was asked for. Prices in ticks, size in lots."""

    account: str
    """The broker's id."""
    contract: Contract
    conidex: str
    side: Side
    order_type: str
    tif: str
    lots: int
    price: int = 0
    stop: int = 0
    ref: str = ""
    """`cOID`; "" where none was given."""
    outside_rth: bool = False

    def request(self, owner: str, lots: int) -> NewOrder:
        """What the exchange is asked, for so much of it."""
        kind = KINDS[self.order_type]
        is_market = kind in (Kind.MARKET, Kind.STOP_LOSS)
        return NewOrder(
            account=owner,
            symbol=self.contract.symbol,
            side=self.side,
            kind=kind,
            tif=Tif.GTC if is_market else TIFS[self.tif],
            lots=lots,
            price=None if is_market else self.price,
            stop_price=self.stop or None,
            stp=Stp.NONE,
        )

    def refusal(self, reason: str) -> IbkrError:
        """A rejection that quotes the order."""
        found = self.contract
        quantity = found.size(self.lots)
        head = f'"{self.side.upper()} {quantity} {found.ticker} {found.exchange}"'
        return said(f"{head}\n{reason}")

    def refused(self, error: Refused) -> IbkrError:
        """The exchange's refusal in the broker's words."""
        reason = REASONS.get(error.refusal, f"Order rejected: {error.refusal.value}.")
        return self.refusal(reason)


def read_ticket(office: Office, account: str, given: Any) -> Ticket:
    """A ticket from its JSON; raises 400, or an error that is told with 200."""
    if not isinstance(given, dict):
        raise bad_request("order is not an object")
    shown = _text(given, "acctId") or account
    office.account(shown)
    conidex = _contract_text(given)
    found = office.contract(conidex)
    order_type, tif = _text(given, "orderType").upper(), _text(given, "tif").upper() or "DAY"
    side = _text(given, "side").upper()
    if side not in ("BUY", "SELL"):
        raise bad_request("side is not valid")
    quantity = _number(given, "quantity")
    ref = _text(given, "cOID")
    if len(ref) > _LONGEST_REF:
        raise bad_request("cOID is too long")
    lots, rest = divmod(quantity, found.listing.lot)
    first = Ticket(account=shown, contract=found, conidex=conidex, side=Side(side.lower()),
                   order_type=order_type, tif=tif, lots=int(lots), ref=ref,
                   outside_rth=given.get("outsideRTH") is True)  # fmt: skip
    if quantity <= 0 or rest:
        raise first.refusal(f"Size {plain(quantity)} is not valid.")
    _demand_simulated(first, given)
    price, stop = _prices(first, given)
    return msgspec.structs.replace(first, price=price, stop=stop)


def _demand_simulated(ticket: Ticket, given: Mapping[str, Any]) -> None:
    if ticket.order_type in _UNSIMULATED:
        raise ticket.refusal(f"Order type {ticket.order_type} is not simulated.")
    if ticket.order_type not in KINDS:
        raise bad_request(f"orderType is not valid: {ticket.order_type}")
    if ticket.tif not in TIFS:
        raise ticket.refusal(f"Invalid time-in-force {ticket.tif}.")
    for name in ("parentId", "allOrNone", "isSingleGroup", "cashQty", "strategy", "useAdaptive"):
        if given.get(name):
            raise ticket.refusal(f"{name} is not simulated.")


def _prices(ticket: Ticket, given: Mapping[str, Any]) -> tuple[int, int]:
    """Limit and stop in ticks, 0 for none; the stop of a STP is in `price` (ibkr §7.1)."""
    price = _ticks(ticket, given, "price") if given.get("price") not in (None, "") else 0
    aux = _ticks(ticket, given, "auxPrice") if given.get("auxPrice") not in (None, "") else 0
    match ticket.order_type:
        case "LMT":
            wanted, found = "price", (price, 0)
        case "STP":
            wanted, found = "price", (0, price)
        case "STOP_LIMIT":
            if not aux:
                raise bad_request("Missing required param: auxPrice")
            wanted, found = "price", (price, aux)
        case _:
            return 0, 0
    if not price:
        raise bad_request(f"Missing required param: {wanted}")
    return found


def _ticks(ticket: Ticket, given: Mapping[str, Any], name: str) -> int:
    listing = ticket.contract.listing
    ticks, rest = divmod(_number(given, name), listing.tick * listing.price_step)
    if rest:
        raise ticket.refusal(_TOO_FINE)
    if ticks <= 0:
        raise ticket.refusal(f"Price of {name} is not valid.")
    return int(ticks) * listing.price_step


def _contract_text(given: Mapping[str, Any]) -> str:
    conid, conidex = given.get("conid"), given.get("conidex")
    if (conid is None) == (conidex is None):
        raise bad_request("either conid or conidex is required")
    if conid is not None and (isinstance(conid, bool) or not isinstance(conid, int)):
        raise _cast("String" if isinstance(conid, str) else "Object")
    return str(conid if conidex is None else conidex)


def _number(given: Mapping[str, Any], name: str) -> Decimal:
    value = given.get(name)
    if value is None:
        raise bad_request(f"Missing required param: {name}")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _cast("String" if isinstance(value, str) else "Object")
    number = Decimal(str(value))
    if number and not _LEAST <= abs(number) <= _MOST:
        raise bad_request(f"{name} is not valid")
    return number


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise IbkrError(400, "java.lang.Number cannot be cast to java.lang.String", numbered=False)
    return value


def _cast(found: str) -> IbkrError:
    return IbkrError(400, f"java.lang.{found} cannot be cast to java.lang.Number", numbered=False)
