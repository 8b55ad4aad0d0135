"""Orders at Alpaca: submitted, replaced, cancelled, told of on the stream (alpaca §4.3, §5).

House rules: an answer says what was asked, the stream what came of it; a request is refused before
anything is changed; an order that the account got some other way is told of like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import partial
from heapq import heappop, heappush

from pitwire.model.clock import SECOND
from pitwire.sim.facades.alpaca_holdings import Holdings
from pitwire.sim.facades.alpaca_options import AlpacaOptions
from pitwire.sim.facades.alpaca_records import PENDING, ZERO, Record, Records
from pitwire.sim.facades.alpaca_refusals import Refusals, not_found
from pitwire.sim.facades.alpaca_requests import Wanted, missing, unprocessable
from pitwire.sim.facades.alpaca_stream import Traders
from pitwire.sim.facades.alpaca_text import Ids, Scale, written
from pitwire.sim.facades.facade import Market
from pitwire.sim.facts import (
    Accepted,
    Deposited,
    Ended,
    Fact,
    Kind,
    Prevented,
    Refusal,
    Refused,
    SimOrder,
    Status,
    Tif,
    Traded,
)

_KINDS = {
    Kind.LIMIT: "limit",
    Kind.MARKET: "market",
    Kind.STOP_LOSS: "stop",
    Kind.STOP_LOSS_LIMIT: "stop_limit",
}


class Desk:
    """All orders of all accounts."""

    def __init__(
        self,
        market: Market,
        scales: dict[str, Scale],
        *,
        options: AlpacaOptions,
        ids: Ids,
        traders: Traders,
        publish: Callable[[int], None],
    ) -> None:
        self._market, self._scales, self._options = market, scales, options
        self._ids, self._traders, self._publish = ids, traders, publish
        self.records = Records()
        self.holdings = Holdings(market, scales)
        self._refusals = Refusals(market, self.records, self.holdings)
        self._under_way: list[tuple[int, int, Callable[[int], None]]] = []
        """Cancels and replacements that were answered already: when, in order, what."""
        self._serial = 0
        self._known: set[str] = set()
        """Accounts that have ever had an order of ours to tell of."""

    # -- requests

    def submit(self, account: str, wanted: Wanted, now: int) -> dict[str, object]:
        """Place an order; what it was when it was taken. Raises `ApiError`."""
        record = self._draft(account, wanted, now)
        self._refusals.demand_no_wash(account, wanted)
        order = wanted.order(account, record.client_id)
        self.holdings.know(account)
        try:
            placed = self._market.place(order, now)
        except Refused as refused:
            if refused.refusal is not Refusal.NO_LIQUIDITY:
                raise self._refusals.worded(refused, account, wanted) from None
            placed = None
        self.records.add(record)
        shown = record.show()
        if placed is None:
            self._pend(record, "pending_new", now)
            self._finish(record, "rejected", now)
            return shown
        self.records.place(record, placed.order_id)
        return shown

    def find(self, account: str, order: str) -> Record:
        record = self.records.find(account, order)
        if record is None:
            raise not_found(order)
        return record

    def cancel(self, record: Record, now: int) -> None:
        """Ask for an order's end; raises `ApiError` where it is over."""
        if record.is_over or record.status == "pending_cancel":
            raise unprocessable(f'order is already in "{record.status}" state')
        record.cancel_requested_at = now
        if self._options.lag_seconds:
            record.status = "pending_cancel"
        self._pend(record, "pending_cancel", now)
        self._later(partial(self._cancel, record), now)

    def replace(
        self, record: Record, wanted: Wanted, client_id: str, now: int
    ) -> dict[str, object]:
        """Ask for another order in place of one; what the new one is. Raises `ApiError`."""
        if record.is_over or record.status in PENDING or record.notional is not None:
            raise unprocessable("unable to replace order in current state")
        new = self._draft(record.account, wanted, now, client_id)
        new.replaces = record.id
        rest = (wanted.qty or ZERO) - record.filled
        if rest <= 0:
            raise unprocessable("qty must be greater than what was filled")
        self._refusals.demand_replaceable(record, wanted, rest, now)
        self._carry(record, new, rest)
        self.records.add(new)
        shown = new.show()
        if self._options.lag_seconds:
            record.status = "pending_replace"
        self._pend(record, "pending_replace", now)
        self._later(partial(self._replace, record, new, wanted), now)
        return shown

    # -- what happened

    def note(self, facts: Iterable[Fact]) -> None:
        """Follow what happened at the exchange, in order, and tell it."""
        for fact in facts:
            match fact:
                case Traded():
                    if fact.taker.account in self._known or fact.maker.account in self._known:
                        self._fill(fact, fact.taker)
                        self._fill(fact, fact.maker)
                case Accepted():
                    self._accepted(fact.order, fact.at)
                case Ended():
                    self._ended(fact.order, fact.at)
                case Prevented() if fact.order.status is Status.EXPIRED_IN_MATCH:
                    self._ended(fact.order, fact.at)  # its last fact
                case Deposited():
                    self.holdings.deposited(fact.account, fact.asset, fact.amount)
                case _:
                    pass

    def step(self, now: int) -> None:
        """Do what is due of what was answered already."""
        while self._under_way and self._under_way[0][0] <= now:
            heappop(self._under_way)[2](now)

    def next_deadline(self) -> int | None:
        return self._under_way[0][0] if self._under_way else None

    # -- within

    def _draft(
        self, account: str, wanted: Wanted, now: int, client_id: str | None = None
    ) -> Record:
        name = wanted.client_id if client_id is None else client_id
        used = self.records.named(account, name) if name else None
        if used is not None and (self._options.client_ids_for_ever or not used.is_over):
            raise missing("client_order_id must be unique")
        return Record(
            id=self._ids.new(),
            client_id=name or self._ids.new(),
            account=account,
            scale=wanted.scale,
            side=wanted.side,
            kind=wanted.kind,
            tif=wanted.tif,
            qty=wanted.qty,
            notional=wanted.notional,
            limit_price=wanted.limit_price,
            stop_price=wanted.stop_price,
            extended_hours=wanted.extended_hours,
            status=self._options.submit_status,
            created=now,
            updated=now,
        )

    def _later(self, deed: Callable[[int], None], now: int) -> None:
        if not self._options.lag_seconds:
            deed(now)
            return
        self._serial += 1
        due = now + int(self._options.lag_seconds * SECOND)
        heappush(self._under_way, (due, self._serial, deed))

    def _cancel(self, record: Record, now: int) -> None:
        """It is cancelled, or was filled meanwhile."""
        if record.is_over:
            self._traders.tell(record, "order_cancel_rejected", now)
            return
        self._end_at_exchange(record, now)
        self._publish(now)

    def _replace(self, record: Record, new: Record, wanted: Wanted, now: int) -> None:
        """The old order gives way to the new one, unless it was filled meanwhile."""
        rest = (wanted.qty or ZERO) - record.filled
        if record.is_over or rest <= 0:
            new.status, new.failed_at = "rejected", now
            self.records.finish(new)
            if not record.is_over:
                record.status = "partially_filled"
            self._traders.tell(record, "order_replace_rejected", now)
            return
        self._carry(record, new, rest)
        record.replaced_by, record.replaced_at = new.id, now
        self._end_at_exchange(record, now)
        self._publish(now)
        try:
            placed = self._market.place(wanted.order(new.account, new.client_id, rest), now)
        except Refused:
            self._finish(new, "rejected", now)
            return
        self.records.place(new, placed.order_id)
        self._publish(now)

    def _carry(self, record: Record, new: Record, rest: Decimal) -> None:
        """What a replacement shows of the order that it takes over from."""
        if self._options.replace_carries_fills:
            new.filled, new.worth = record.filled, record.worth
        else:
            new.qty = rest

    def _end_at_exchange(self, record: Record, now: int) -> None:
        self._market.cancel(
            record.account,
            record.scale.listing.symbol,
            order_id=record.order_id,
            new_client_id=record.client_id,  # or the exchange gives it another
            now=now,
        )

    def _pend(self, record: Record, event: str, now: int) -> None:
        """Tell a state that is passed through, where the venue tells those."""
        if self._options.pending_events:
            before = record.status
            record.status = event
            self._traders.tell(record, event, now)
            record.status = before

    def _accepted(self, order: SimOrder, at: int) -> None:
        record = self.records.at_exchange(order.symbol, order.order_id)
        if record is None:
            record = self._found(order)
        else:
            self._pend(record, "pending_new", at)
        self._known.add(order.account)
        record.status, record.updated = "new", at
        self._traders.tell(record, "new", at)

    def _found(self, order: SimOrder) -> Record:
        """An order that came to be without a request here."""
        scale = self._scales[order.symbol]
        self.holdings.know(order.account)
        record = Record(
            id=self._ids.new(),
            client_id=order.client_id,
            account=order.account,
            scale=scale,
            side=order.side,
            kind=_KINDS.get(order.kind, "limit"),
            tif={Tif.IOC: "ioc", Tif.FOK: "fok"}.get(order.tif, "gtc"),
            qty=scale.size(order.lots),
            limit_price=scale.price(order.price) if order.price else None,
            stop_price=scale.price(order.stop_price) if order.stop_price else None,
            created=order.created,
        )
        self.records.add(record)
        self.records.place(record, order.order_id)
        return record

    def _fill(self, fact: Traded, order: SimOrder) -> None:
        record = self.records.at_exchange(fact.symbol, order.order_id)
        if record is None or record.account != order.account:
            return
        scale = record.scale
        price, qty = scale.price(fact.price), scale.size(fact.lots)
        record.filled += qty
        record.worth += qty * price
        record.updated = fact.at
        done = order.status is Status.FILLED
        if done:
            record.status, record.filled_at = "filled", fact.at
            self.records.finish(record)
        elif record.status not in PENDING:
            record.status = "partially_filled"
        execution = self._ids.new()
        held = self.holdings.filled(record, execution=execution, price=price, qty=qty, at=fact.at)
        self._traders.tell(
            record,
            "fill" if done else "partial_fill",
            fact.at,
            execution,
            price=written(price),
            qty=written(qty),
            position_qty=written(held),
        )

    def _ended(self, order: SimOrder, at: int) -> None:
        record = self.records.at_exchange(order.symbol, order.order_id)
        if record is None or record.is_over:
            return
        if record.replaced_at:
            self._finish(record, "replaced", at)
        elif order.status is Status.CANCELED or order.expiry_reason:
            self._finish(record, "canceled", at)
        else:
            self._finish(record, "expired", at)

    def _finish(self, record: Record, status: str, at: int) -> None:
        """An order is over without a fill, and it is told."""
        record.status, record.updated = status, at
        if status == "canceled":
            record.canceled_at = at
        elif status == "expired":
            record.expired_at = at
        elif status == "rejected":
            record.failed_at = at
        self.records.finish(record)
        self._traders.tell(record, status, at)
