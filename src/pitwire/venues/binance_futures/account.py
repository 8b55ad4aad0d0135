"""Orders, balances and positions of a futures account to our words (binance §11.5, §11.7).

House rules: amounts are exact; a fill is told once, by the event that knows its fee; what hedge
mode says of two positions in one symbol is not taken for one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from pitwire.model.events import (
    Balance,
    Event,
    Fill,
    Leverage,
    MarginCall,
    Position,
    Rejected,
    Update,
    VenueShutdown,
)
from pitwire.model.orders import OrderType, RejectReason, Side, TimeInForce, UpdateKind
from pitwire.venues.binance_futures import conditional
from pitwire.venues.binance_futures import frames as wire
from pitwire.venues.binance_futures.decode import SIDES
from pitwire.venues.binance_futures.house import House
from pitwire.venues.binance_futures.symbols import ORDER_TYPES, Symbols
from pitwire.venues.mbx import frames as shared
from pitwire.venues.mbx.amounts import nanoseconds
from pitwire.venues.reading import Unreadable, amount, signed

_TIMES: Mapping[str, TimeInForce] = {
    "GTC": TimeInForce.GTC,
    "GTX": TimeInForce.GTC,
    "IOC": TimeInForce.IOC,
    "FOK": TimeInForce.FOK,
}
_AT_ONCE = ("IOC", "FOK")
_OPEN = frozenset({"NEW", "PARTIALLY_FILLED"})
_EXECUTIONS: Mapping[str, UpdateKind] = {
    "NEW": UpdateKind.ACCEPTED,
    "CANCELED": UpdateKind.CANCELED,
    "CALCULATED": UpdateKind.FILLED,
    "EXPIRED": UpdateKind.EXPIRED,
    "TRADE": UpdateKind.FILLED,
    "AMENDMENT": UpdateKind.AMENDED,
}
"""Execution type → what it tells (§11.7)."""
_STATES: Mapping[str, UpdateKind] = {
    "NEW": UpdateKind.ACCEPTED,
    "PARTIALLY_FILLED": UpdateKind.FILLED,
    "FILLED": UpdateKind.FILLED,
    "CANCELED": UpdateKind.CANCELED,
    "REJECTED": UpdateKind.REJECTED,
    "EXPIRED": UpdateKind.EXPIRED,
    "EXPIRED_IN_MATCH": UpdateKind.EXPIRED,
}
"""Order status → what the answer to a command tells."""
_KEPT = 4096


class Lites:
    """How far orders have traded, as the quick notices of fills say before the full ones come.

    TRADE_LITE brings a fill sooner and without its fee, ORDER_TRADE_UPDATE brings it whole (§11.7).
    So the first says how much has traded in all, and the second brings the `Fill`.
    """

    def __init__(self) -> None:
        self._orders: dict[int, tuple[int, Decimal, dict[int, Decimal]]] = {}
        self._over: dict[int, None] = {}
        """Orders of which all has been told."""

    def noticed(self, order: int, trade: int, size: Decimal) -> Decimal | None:
        """A quick notice: what has traded in all, at least; None when it is known already."""
        if order in self._over:
            return None
        last, told, early = self._orders.get(order, (0, Decimal(0), {}))
        if trade <= last or trade in early:
            return None
        early = {**early, trade: size}
        self._keep(order, (last, told, early))
        return sum(early.values(), told)

    def told(self, order: int, trade: int, filled: Decimal, *, over: bool) -> None:
        """The whole event: this much has traded up to this trade."""
        if over:
            self._orders.pop(order, None)
            if len(self._over) >= _KEPT:
                del self._over[next(iter(self._over))]
            self._over[order] = None
            return
        _, _, early = self._orders.get(order, (0, Decimal(0), {}))
        left = {one: size for one, size in early.items() if one > trade}
        self._keep(order, (trade, filled, left))

    def _keep(self, order: int, row: tuple[int, Decimal, dict[int, Decimal]]) -> None:
        if order not in self._orders and len(self._orders) >= _KEPT:
            del self._orders[next(iter(self._orders))]
        self._orders[order] = row


class AccountReader(msgspec.Struct, frozen=True):
    """What is needed to read anything about an account."""

    house: House
    symbols: Symbols
    lites: Lites

    # ── user data ──

    def events(self, data: wire.UserFrame, now: int) -> Sequence[Event]:
        """The facts of one user-data event."""
        venue = self.house.name
        match data:
            case wire.OrderFrame(o=order):
                return self.order(order, now)
            case wire.LiteFrame():
                return self.lite(data, now)
            case wire.AccountFrame(a=account):
                at = nanoseconds(data.T)
                return [
                    *(self.balance(row.a, row.wb, row.cw, at, now) for row in account.B),
                    *self.positions([(p.s, p.pa, p.ep, p.ps, at) for p in account.P], now),
                ]
            case wire.ConfigFrame(ac=leverage):
                if leverage is None:
                    return ()
                at, symbol = nanoseconds(data.T or data.E), self.symbols[leverage.s]
                return (Leverage(venue, symbol, at, now, leverage.l),)
            case wire.CallFrame(p=rows):
                return [self._call(row, nanoseconds(data.E), now) for row in rows]
            case wire.ExpiredFrame(E=instant):
                at = nanoseconds(instant)
                return (Rejected(venue, "", at, now, "", "orders", 0, "listenKeyExpired"),)
            case wire.AlgoFrame(o=order):
                if order.at != conditional.KIND:
                    return ()  # whoever trades for us in parts: its parts are told as orders
                said = conditional.of_event(data)
                return (conditional.update(said, venue, self.symbols, now),)
            case shared.ShutdownFrame(E=instant):
                return (VenueShutdown(venue, "", nanoseconds(instant), now, ""),)

    def order(self, data: wire.OrderBody, now: int) -> Sequence[Event]:
        """An ORDER_TRADE_UPDATE: its `Update`, and the `Fill` when it traded."""
        if data.x not in _EXECUTIONS:
            raise Unreadable("$.o.x", data.x)
        venue, symbol, at = self.house.name, self.symbols[data.s], nanoseconds(data.T)
        filled, traded = amount(data.z, "$.o.z"), amount(data.l, "$.o.l")
        is_open = data.X in _OPEN
        self.lites.told(data.i, max(0, data.t), filled, over=not is_open)
        why, text = _why(data)
        update = Update(
            venue, symbol, at, now, data.c, str(data.i), _EXECUTIONS[data.x],
            side=_side(data.S, "$.o.S"),
            type=_type(data.o, data.f),
            time_in_force=_TIMES.get(data.f),
            price=amount(data.p, "$.o.p") or None,
            size=amount(data.q, "$.o.q"),
            filled=filled,
            working=is_open and data.o in ("LIMIT", "MARKET"),
            reason=why,
            text=text,
        )  # fmt: skip
        if _EXECUTIONS[data.x] is not UpdateKind.FILLED or not traded:
            return (update,)
        price = amount(data.L, "$.o.L")
        if not price:
            raise Unreadable("$.o.L", data.L)
        fill = Fill(
            venue, symbol, at, now, data.c, str(data.i), str(data.t) if data.t > 0 else "",
            _side(data.S, "$.o.S"), price, traded, signed(data.n, "$.o.n"), data.N or "", data.m,
        )  # fmt: skip
        return update, fill

    def lite(self, data: wire.LiteFrame, now: int) -> Sequence[Event]:
        """A TRADE_LITE: how much of the order has traded by now."""
        filled = self.lites.noticed(data.i, data.t, amount(data.l, "$.l"))
        if filled is None:
            return ()
        return (
            Update(
                self.house.name, self.symbols[data.s], nanoseconds(data.T), now, data.c,
                str(data.i), UpdateKind.FILLED, side=_side(data.S, "$.S"), filled=filled,
                working=True,
            ),
        )  # fmt: skip

    def balance(self, asset: str, wallet: str, cross: str, at: int, now: int) -> Balance:
        """What the wallet holds; locked is what isolated positions have of it."""
        whole, free = signed(wallet, "walletBalance"), signed(cross, "crossWalletBalance")
        return Balance(self.house.name, "", at, now, asset, free, whole - free)

    def positions(self, rows: Sequence[tuple[str, str, str, str, int]], now: int) -> list[Event]:
        """(symbol, size, entry price, position side, ns) of positions in one-way mode."""
        return [
            Position(
                self.house.name, self.symbols[symbol], at, now, signed(size, "positionAmt"),
                signed(entry, "entryPrice"),
            )
            for symbol, size, entry, side, at in rows
            if side == "BOTH"
        ]  # fmt: skip

    def _call(self, data: wire.CalledBody, at: int, now: int) -> Event:
        return MarginCall(
            self.house.name, self.symbols[data.s], at, now, signed(data.pa, "$.p.pa"),
            signed(data.mp, "$.p.mp"), signed(data.up, "$.p.up"), signed(data.mm, "$.p.mm"),
        )  # fmt: skip

    # ── answers ──

    def update(
        self,
        data: wire.OrderResult,
        now: int,
        *,
        order_id: str,
        asked: bool = False,
        amended: bool = False,
    ) -> Update:
        """An order object as an `Update`; `asked` when it answers a question."""
        if data.status not in _STATES:
            raise Unreadable("status", data.status)
        is_open = data.status in _OPEN
        kind = _STATES[data.status]
        if is_open and asked:
            kind = UpdateKind.STATUS_OPEN
        elif is_open and amended:
            kind = UpdateKind.AMENDED
        prevented = data.status == "EXPIRED_IN_MATCH"
        return Update(
            self.house.name,
            self.symbols[data.symbol],
            nanoseconds(data.update_time),
            now,
            order_id or data.client_order_id or str(data.order_id),
            str(data.order_id),
            kind,
            side=_side(data.side, "side") if data.side else None,
            type=_type(data.type, data.time_in_force),
            time_in_force=_TIMES.get(data.time_in_force),
            price=_optional(data.price, "price") or None,
            size=_optional(data.orig_qty, "origQty") or None,
            filled=_optional(data.executed_qty, "executedQty"),
            filled_quote=_optional(data.cum_quote, "cumQuote"),
            working=is_open,
            reason=RejectReason.SELF_TRADE if prevented else None,
        )

    def conditional(self, row: wire.AlgoResult, now: int, *, asked: bool = False) -> Update:
        """A conditional order of an answer; `asked` when it answers a question."""
        said = conditional.of_answer(row)
        return conditional.update(said, self.house.name, self.symbols, now, asked=asked)

    def fill(self, row: wire.AccountTrade, now: int, *, order_id: str) -> Fill:
        """A row of `userTrades` as a `Fill` of the order that was asked for."""
        price, size = amount(row.price, "price"), amount(row.qty, "qty")
        if not price or not size:
            raise Unreadable("price" if not price else "qty", row.price)
        return Fill(
            self.house.name, self.symbols[row.symbol], nanoseconds(row.time), now,
            order_id or str(row.order_id), str(row.order_id), str(row.id), _side(row.side, "side"),
            price, size, signed(row.commission, "commission"), row.commission_asset, row.maker,
        )  # fmt: skip


def _why(data: wire.OrderBody) -> tuple[RejectReason | None, str]:
    text = f"expiry reason {data.er}" if data.er not in ("", "0") else ""
    if data.X == "EXPIRED_IN_MATCH":
        return RejectReason.SELF_TRADE, text
    if data.x == "EXPIRED" and (data.f in _AT_ONCE or data.o == "MARKET"):
        return RejectReason.NO_LIQUIDITY, text
    return None, text


def _type(name: str, time_in_force: str) -> OrderType | None:
    if name == "LIMIT" and time_in_force == "GTX":
        return OrderType.POST_ONLY
    return ORDER_TYPES.get(name)


def _side(text: str, path: str) -> Side:
    if text not in SIDES:
        raise Unreadable(path, text)
    return SIDES[text]


def _optional(text: str, path: str) -> Decimal | None:
    return amount(text, path) if text else None
