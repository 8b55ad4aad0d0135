"""From a request to an order: what the matching engine refuses before anything is changed.

House rules: functions that look and raise `Refused`, or build; none changes a pit or an account;
the filters (binance §7.1) have been passed before.
"""

from __future__ import annotations

from collections.abc import Sequence

from pitwire.model.orders import Side
from pitwire.sim.accounts import ZERO, Account, Accounts
from pitwire.sim.execution import MARKETS, OVER
from pitwire.sim.facts import Kind, NewOrder, Refusal, Refused, SimOrder, Tif
from pitwire.sim.filters import is_iceberg, is_stop
from pitwire.sim.pit import Pit
from pitwire.sim.stops import STOPS, waits_for_rise


def admit(
    pit: Pit, request: NewOrder, account: Account, accounts: Accounts, *, pending: bool = False
) -> None:
    """Refuse for the state of the market and of the account, money left aside.

    A `pending` order will be held against the book when it begins to work.
    """
    listing, kind = pit.listing, request.kind
    if listing.status != "TRADING":
        raise Refused(Refusal.MARKET_CLOSED, listing.status)
    if kind not in listing.kinds:
        raise Refused(Refusal.TYPE_NOT_SUPPORTED, kind.value)
    if request.client_id and pit.is_open(account.name, request.client_id):
        raise Refused(Refusal.DUPLICATE_CLIENT_ID, request.client_id)
    if not account.unlimited:
        demand_room(pit, [request], accounts)
    if pending:
        return
    if request.stop_price is not None and pit.last:
        rises = waits_for_rise(kind, request.side)
        if request.stop_price <= pit.last if rises else request.stop_price >= pit.last:
            raise Refused(Refusal.WOULD_TRIGGER)
    if kind is Kind.LIMIT_MAKER and pit.book.against(request.side).best_within(request.price):
        raise Refused(Refusal.WOULD_TAKE)


def draft(pit: Pit, request: NewOrder, now: int) -> SimOrder:
    """The order that a request asks for; it has no id yet."""
    lots = request.lots
    if lots is None:
        lots = _worked_out(pit, request)
    return SimOrder(
        order_id=0,
        account=request.account,
        symbol=request.symbol,
        side=request.side,
        kind=request.kind,
        tif=request.tif if request.kind is not Kind.LIMIT_MAKER else Tif.GTC,
        lots=lots,
        quote=request.quote or ZERO,
        price=request.price or 0,
        reserve_price=_reserve_price(pit, request),
        stop_price=request.stop_price or 0,
        trailing_bips=request.trailing_bips or 0,
        iceberg_lots=request.iceberg_lots,
        client_id=request.client_id,
        stp=request.stp or pit.listing.default_stp,
        strategy_id=request.strategy_id,
        strategy_type=request.strategy_type,
        created=now,
        updated=now,
        working_since=-1 if request.kind in STOPS else now,
        reduce_only=request.reduce_only,
        position_side=request.position_side,
        good_till=request.good_till,
        price_match=request.price_match,
        retail=request.retail,
        origin=request.origin,
    )


def demand_amendable(pit: Pit, order: SimOrder, lots: int) -> None:
    """Refuse an amend that is too late, too large, too often or breaks a filter (binance §5.10)."""
    if order.status in OVER:
        raise Refused(Refusal.UNKNOWN_ORDER)
    if lots > order.lots:
        raise Refused(Refusal.AMEND_INCREASE)
    if lots == order.lots:
        raise Refused(Refusal.AMEND_NO_CHANGE)
    if pit.listing.max_amends and order.amends >= pit.listing.max_amends:
        raise Refused(Refusal.AMEND_LIMIT)
    pit.rules.check_size(lots)
    if order.price:
        pit.rules.check_units(order.price * lots, market=False)


def demand_room(pit: Pit, requests: Sequence[NewOrder], accounts: Accounts) -> None:
    """Refuse orders of one account beyond what may be open at once, or be held."""
    listing, mine = pit.listing, pit.open_of(requests[0].account)
    if listing.max_orders and len(mine) + len(requests) > listing.max_orders:
        raise Refused(Refusal.FILTER, "MAX_NUM_ORDERS")
    for name, most, counts in (
        ("ALGO_ORDERS", listing.max_algo_orders, is_stop),
        ("ICEBERG_ORDERS", listing.max_iceberg_orders, is_iceberg),
    ):
        more = sum(map(counts, requests)) if most else 0
        if more and sum(map(counts, mine.values())) + more > most:
            raise Refused(Refusal.FILTER, f"MAX_NUM_{name}")
    buys = [request for request in requests if request.side is Side.BUY]
    if listing.max_position and buys:
        held = sum(accounts.amounts(buys[0].account).get(listing.base, (ZERO, ZERO)))
        bids = sum(order.left for order in mine.values() if order.side is Side.BUY)
        wanted = max(request.lots or 0 for request in buys)
        if held + (bids + wanted) * listing.lot > listing.max_position:
            raise Refused(Refusal.FILTER, "MAX_POSITION")


def _worked_out(pit: Pit, request: NewOrder) -> int:
    """binance §7.1: as many whole lots as come closest to the amount, never above it."""
    assert request.quote is not None
    units = int(request.quote // pit.terms.unit)
    stp = request.stp or pit.listing.default_stp
    lots = pit.book.buys(request.side, units, account=request.account, stp=stp)
    if lots == 0 and not pit.book.against(request.side).keys:
        raise Refused(Refusal.NO_LIQUIDITY, "LOT_SIZE")
    lots -= lots % pit.listing.lot_step
    pit.rules.check_size(lots)
    pit.rules.check_market_size(lots)
    return lots


def _reserve_price(pit: Pit, request: NewOrder) -> int:
    """What a buy sets aside per lot; a market order pays from what is free."""
    if request.side is Side.SELL or request.kind is Kind.MARKET:
        return 0
    if request.kind in MARKETS:
        return request.stop_price or pit.last
    return request.price or 0
