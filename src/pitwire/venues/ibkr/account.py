"""Orders, executions, positions and cash, as events (§7.4, §7.5, §7.7, §4.3).

House rules: `Inactive` alone ends nothing, since it is the first word of a normal order (§7.6); an
execution is a `Fill` once its commission is there (§8.8: it is sent twice); a sum of the venue's
(filled so far) is told as an `Update` and never made into a fill.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

import msgspec

from pitwire.model.events import Balance, Event, Fill, Rejected, Update
from pitwire.model.orders import OrderType, RejectReason, Side, TimeInForce, UpdateKind
from pitwire.venues.ibkr import frames as wire
from pitwire.venues.ibkr.orders import Known, Memory
from pitwire.venues.ibkr.reading import (
    NAME,
    UNREADABLE,
    amount,
    amount_or_none,
    instant,
    malformed,
    owned,
    owned_or_none,
    whole,
)
from pitwire.venues.ibkr.symbols import QUOTE, Symbols, spelled
from pitwire.venues.reading import Unreadable

_SIDES = {"BUY": Side.BUY, "B": Side.BUY, "SELL": Side.SELL, "S": Side.SELL}
_TYPES = {
    "LIMIT": OrderType.LIMIT,
    "LMT": OrderType.LIMIT,
    "MARKET": OrderType.MARKET,
    "MKT": OrderType.MARKET,
    "STOP": OrderType.STOP,
    "STP": OrderType.STOP,
    "STOP_LIMIT": OrderType.STOP_LIMIT,
}
_TIFS = {"CLOSE": TimeInForce.DAY, "DAY": TimeInForce.DAY, "GTC": TimeInForce.GTC,
         "IOC": TimeInForce.IOC}  # fmt: skip
"""§7.4: a DAY order is told as CLOSE."""
_OPEN = frozenset(("PreSubmitted", "Submitted", "PartiallyFilled"))
_ON_THE_WAY = frozenset(("PendingSubmit", "PendingCancel", "WarnState", "ApiPending", "Inactive"))
OVER = frozenset(("Filled", "Cancelled"))
_KEPT_EXECUTIONS = 20_000
_ZERO = Decimal(0)


class AccountReader:
    """Turns what the venue says of our account into events."""

    def __init__(self, symbols: Symbols, memory: Memory) -> None:
        self._symbols, self.memory = symbols, memory
        self._told: dict[str, str] = {}
        """An execution's id without its last part → that part, of those that were told."""
        self._corrections: set[str] = set()
        """Those of which a person was told."""
        self.account = ""
        """Whose orders and executions are ours; the venue may tell of more (§4.1). "" is all."""
        self._assets: set[str] = set()
        """Of which a balance was told."""

    # ── orders ──

    def row(self, row: wire.OrderRow, now: int, *, asked: bool = False) -> Update | None:
        """An order of the list or the stream; None where there is nothing to tell of it.

        `asked`: it answers a question, so that what has not changed is told, too.
        """
        if self._is_strange(row.account):
            return None
        known = self.memory.at(whole(row.order_id, "orderId"))
        before = known.size
        self._learn(known, row)
        shrank = before is not None and known.size is not None and known.size < before
        if not known.symbol:
            return None  # a change of an order that was never told whole: the list will tell it
        status = row.status or ("Submitted" if row.filled is not None else "")
        at = instant(row.executed, "lastExecutionTime_r")
        reason = "" if row.reason in (None, "", False) else str(row.reason)[:200]
        if status == "Filled" and row.filled in (None, ""):
            known.filled = max(known.filled, known.size or _ZERO)
        update = self._update(known, status, at, now, reason=reason, asked=asked)
        if update is not None and shrank and status in _OPEN and not asked:
            return msgspec.structs.replace(update, update=UpdateKind.AMENDED)
        return update

    def _is_strange(self, account: str | None) -> bool:
        return bool(account and self.account and account != self.account)

    def state(self, state: wire.OrderState, order_id: str, now: int) -> Update:
        """The answer to a question about one order."""
        known = self.memory.at(whole(state.order_id, "order_id"))
        self.memory.name(known, order_id)
        known.symbol = known.symbol or self._symbol(state.conid, state.symbol, state.currency)
        known.side = known.side or _SIDES.get(state.side or "")
        known.type = known.type or _TYPES.get(state.order_type or "")
        known.price = known.price or amount_or_none(state.limit_price, "limit_price")
        known.size = amount_or_none(state.total_size, "total_size") or known.size
        known.filled = max(known.filled, amount_or_none(state.cum_fill, "cum_fill") or _ZERO)
        known.average = amount_or_none(state.average_price, "average_price") or known.average
        if state.order_status == "Filled" and state.cum_fill in (None, ""):
            known.filled = max(known.filled, known.size or _ZERO)
        update = self._update(known, state.order_status, 0, now, asked=True)
        if update is None:
            raise Unreadable("order_status", state.order_status)
        return update

    def accepted(self, answer: wire.Placed, order_id: str, symbol: str, now: int) -> Update:
        """The venue took an order; its life is told by the stream."""
        known = self.memory.at(whole(answer.order_id, "order_id"))
        known.symbol = known.symbol or symbol
        self.memory.name(known, order_id)
        return self._told_as(known, UpdateKind.ACCEPTED, 0, now)

    def _learn(self, known: Known, row: wire.OrderRow) -> None:
        if row.conid is not None:
            known.conid = whole(row.conid, "conid")
        if not known.symbol:
            known.symbol = self._symbol(row.conid, row.ticker, row.currency)
        self.memory.name(known, row.reference or "")
        known.side = known.side or _SIDES.get(row.side or "")
        known.type = known.type or _TYPES.get((row.type or "").upper().replace(" ", "_"))
        known.tif = known.tif or _TIFS.get(row.tif or "")
        if known.type is not OrderType.STOP:
            # Below zero where a combination of others costs that: no list may fail over it.
            known.price = owned_or_none(row.price, "price") or known.price
        known.size = amount_or_none(row.size, "totalSize") or known.size
        filled = amount_or_none(row.filled, "filledQuantity") or _ZERO
        if filled >= known.filled:
            known.filled = filled
            known.average = owned_or_none(row.average, "avgPrice") or known.average

    def _symbol(self, conid: object, ticker: str | None, currency: str | None) -> str:
        number = "" if conid is None else whole(conid, "conid")
        return self._symbols.ours(number, ticker, currency)

    def _update(
        self, known: Known, status: str, at: int, now: int, *, reason: str = "", asked: bool = False
    ) -> Update | None:
        if status == "Filled":
            return self._told_as(known, UpdateKind.FILLED, at, now)
        if status == "Cancelled":
            return self._told_as(known, UpdateKind.CANCELED, at, now, text=reason)
        if status == "Inactive" and reason:
            why = RejectReason.OTHER
            return self._told_as(known, UpdateKind.REJECTED, at, now, text=reason, reason=why)
        if status in _OPEN:
            if asked:
                return self._told_as(known, UpdateKind.STATUS_OPEN, at, now, working=True)
            kind = UpdateKind.FILLED if known.filled else UpdateKind.ACCEPTED
            return self._told_as(known, kind, at, now, working=True)
        if status in _ON_THE_WAY and asked:
            return self._told_as(known, UpdateKind.STATUS_OPEN, at, now)
        return None

    def _told_as(
        self,
        known: Known,
        kind: UpdateKind,
        at: int,
        now: int,
        *,
        working: bool = False,
        text: str = "",
        reason: RejectReason | None = None,
    ) -> Update:
        quote = known.filled * known.average if known.filled and known.average else None
        return Update(
            NAME,
            known.symbol,
            at,
            now,
            known.order_id or known.venue_id,
            known.venue_id,
            kind,
            known.side,
            known.type,
            known.tif,
            known.price,
            known.size,
            known.filled,
            quote,
            working,
            reason=reason,
            text=text,
        )

    # ── executions ──

    def fills(self, rows: Iterable[wire.Execution], now: int, symbol: str = "") -> list[Event]:
        """Executions whose commission is known, each once a connection and whenever it is asked
        for; of one `symbol`, or of all. One that cannot be read hides none of the others."""
        told: list[Event] = []
        for row in sorted(rows, key=lambda one: (str(one.time), one.execution_id)):
            try:
                ours = self._symbol(row.conid, row.symbol, None)
                strange = self._is_strange(row.account)
                if strange or row.commission in (None, "") or (symbol and ours != symbol):
                    continue
                if (one := self._fill(row, ours, now)) is not None:
                    told.append(one)
            except UNREADABLE as error:
                told.append(malformed(msgspec.json.encode(row), now, error, "str"))
        return told

    def _fill(self, row: wire.Execution, symbol: str, now: int) -> Event | None:
        root, _, part = row.execution_id.rpartition(".")
        before = self._told.get(root)
        if before is not None and before != part:
            if row.execution_id in self._corrections:
                return None
            if len(self._corrections) >= _KEPT_EXECUTIONS:
                self._corrections.clear()
            self._corrections.add(row.execution_id)
            text = f"execution {row.execution_id} corrects one that was told: look at the statement"
            return Rejected(NAME, symbol, 0, now, "", "correction", 0, text)
        self._told[root] = part
        if len(self._told) > _KEPT_EXECUTIONS:
            del self._told[next(iter(self._told))]
        venue_id = whole(row.order_id, "order_id")
        side = _SIDES.get(row.side)
        if side is None or not symbol:
            raise Unreadable("side" if symbol else "symbol", row.side)
        order_id = row.order_ref or self.memory.at(venue_id).order_id or venue_id
        price, size = amount(row.price, "price"), amount(row.size, "size")
        if price <= 0 or size <= 0:
            raise Unreadable("price", row.price)
        return Fill(
            NAME,
            symbol,
            instant(row.time, "trade_time_r"),
            now,
            order_id,
            venue_id,
            row.execution_id,
            side,
            price,
            size,
            owned(row.commission, "commission"),
            symbol.rpartition("-")[2],
            False,
        )

    # ── what the account holds ──

    def holdings(
        self, rows: Sequence[wire.Held], cash: Mapping[str, wire.Cash], now: int
    ) -> list[Event]:
        """Every position and currency as a balance, and zero of what was told before and is not
        there any more."""
        found: dict[str, Decimal] = {}
        for row in rows:
            asset = self._asset(row, cash)
            found[asset] = found.get(asset, _ZERO) + owned(row.position, "position")
        for currency, one in cash.items():
            if currency != "BASE" and one.cashbalance not in (None, ""):
                found[currency] = owned(one.cashbalance, "cashbalance")
        listed = {symbol.rpartition("-")[0] for symbol in self._symbols.listed()}
        for asset in (self._assets | listed) - found.keys():
            found[asset] = _ZERO
        self._assets |= found.keys()
        return [Balance(NAME, "", 0, now, asset, held, _ZERO) for asset, held in found.items()]

    def _asset(self, row: wire.Held, cash: Mapping[str, wire.Cash]) -> str:
        """What is held, by name: an option on a stock, or the same letters elsewhere, is something
        else than the stock, and has its number behind its name."""
        conid = whole(row.conid, "conid")
        if symbol := self._symbols.ours(conid):
            return symbol.rpartition("-")[0]
        ticker = spelled((row.description or conid).partition(" ")[0], QUOTE).rpartition("-")[0]
        listed = {symbol.rpartition("-")[0] for symbol in self._symbols.listed()}
        plain = row.asset in (None, "STK") and row.currency in (None, QUOTE)
        return ticker if plain and ticker not in {*listed, *cash} else f"{ticker}.{conid}"
