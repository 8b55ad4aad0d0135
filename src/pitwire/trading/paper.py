"""Paper fills: our orders against the live market, and nothing is ever sent.

**The rules.** What takes, walks the book as we know it when the order arrives, level by level (the
best quote alone where no book comes). What rests, waits behind the size that was visible at its
price, and behind all of it where that size is not known; trades at the price eat the queue first; a
trade beyond the price, or a best price of the other side beyond it, fills the rest. Stops wake by
trades. Fees are taken in what is received. Sums are exact.

**What this cannot tell.** Our orders move nothing: the same liquidity can be taken twice, nobody
reacts to us, and no fill makes the next one worse. The queue is a guess: cancels ahead of us count
only when the visible size shrinks below our place. Whoever took our place by being faster is not
seen, nor hidden orders, self-trade prevention, or a venue's refusals beyond those below. Results
are an upper bound for takers in thin books and a guess for makers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from pitwire.model import events as ev
from pitwire.model.clock import SECOND
from pitwire.model.orders import (
    CONDITIONAL,
    AmendOrder,
    CancelOrder,
    Command,
    Order,
    OrderType,
    RejectReason,
    ReplaceOrder,
    TimeInForce,
    UpdateKind,
)
from pitwire.trading.paper_market import (
    Level,
    Live,
    affordable,
    exact,
    is_touched,
    objection,
    reachable,
    told,
    visible,
)
from pitwire.trading.paper_market import levels as levels_of
from pitwire.trading.purse import Purse
from pitwire.trading.state import State
from pitwire.trading.tracked import ZERO

_K, _R, _T = UpdateKind, RejectReason, OrderType
_AT_MARKET = (_T.MARKET, _T.STOP, _T.TAKE_PROFIT)
_AT_ONCE = (TimeInForce.IOC, TimeInForce.FOK)


class PaperVenue:
    """Takes commands as a venue would and answers with the same events.

    It reads the market from the desk's `state`: show it every market event after the engine.
    """

    def __init__(
        self,
        state: State,
        balances: Mapping[str, Decimal],
        *,
        maker_fee: Decimal = Decimal("0.001"),
        taker_fee: Decimal = Decimal("0.001"),
        latency_seconds: float = 0.0,
    ) -> None:
        self.purse = Purse(balances)
        self._state = state
        self._fees = {True: maker_fee, False: taker_fee}
        self._latency = round(latency_seconds * SECOND)
        self._coming: list[tuple[int, Command]] = []
        self._live: dict[str, Live] = {}
        self._count = 0
        self._now = 0

    def take(self, command: Command, now: int) -> list[ev.Event]:
        """Send it a command; answers at once what is due, all of it without latency."""
        self._coming.append((now + self._latency, command))
        return self.handle_deadline(now)

    def next_deadline(self) -> int | None:
        """When the next command arrives."""
        return self._coming[0][0] if self._coming else None

    def handle_deadline(self, now: int) -> list[ev.Event]:
        """Carry out the commands that have arrived."""
        self._now = now
        events: list[ev.Event] = []
        while self._coming and self._coming[0][0] <= now:
            events += self._carry_out(self._coming.pop(0)[1])
        return events

    def apply(self, event: ev.Event) -> list[ev.Event]:
        """What a market event, already in the state, does to our orders."""
        events = self.handle_deadline(event.received)
        for live in tuple(self._live.values()):
            if live.order.symbol != event.symbol or live.since == event.received:
                continue
            match event:
                case ev.Trade() | ev.AggregateTrade() if self._counts(event):
                    events += self._traded(live, event)
                case ev.Quote() | ev.BookSnapshot() | ev.BookDelta() | ev.PartialBook():
                    events += self._moved(live)
        return events

    def _counts(self, event: ev.Trade | ev.AggregateTrade) -> bool:
        """Whether trades are told this way here: aggregates only where no single ones come.

        What was backfilled happened before orders that may rest here now, so it fills none.
        """
        live = not event.backfilled
        return live and type(self._state.trades.get(event.symbol)) is type(event)

    def balances(self, *assets: str) -> list[ev.Event]:
        """What is owned, as a venue says it: of these assets, or of all."""
        now, purse = self._now, self.purse
        return [
            ev.Balance("paper", "", now, now, asset, purse.free.get(asset, ZERO),
                       purse.locked.get(asset, ZERO))
            for asset in assets or purse.free
        ]  # fmt: skip

    # ── commands ──────────────────────────────────────────────────────────────────────────────

    def _carry_out(self, command: Command) -> Iterable[ev.Event]:
        match command:
            case Order():
                return self._place(command)
            case CancelOrder():
                return self._cancel(command.order_id, command.symbol)
            case ReplaceOrder(order_id=order_id, order=order):
                new = self._refused(order.symbol, order.id, _K.REJECTED, _R.OTHER)
                live = self._live.get(order_id)
                if live is not None and live.filled and command.untouched:
                    kept = self._refused(order.symbol, order_id, _K.CANCEL_REJECTED, _R.OTHER)
                    return [kept, new]
                if live is not None:
                    return [*self._cancel(order_id, order.symbol), *self._place(order)]
                return [*self._cancel(order_id, order.symbol), new]
            case AmendOrder():
                return self._amend(command)

    def _place(self, order: Order) -> Iterator[ev.Event]:
        levels = list(reachable(self._state, order))
        instrument = self._state.instruments[order.symbol]
        self._count += 1
        live = Live(
            order=order,
            instrument=instrument,
            venue_id=f"p{self._count}",
            size=order.size or affordable(order, levels, instrument.lot),
            asleep=order.type in CONDITIONAL,
            since=self._now,
        )
        reason = self._objection(live, levels)
        if reason is not None:
            yield self._refused(order.symbol, order.id, _K.REJECTED, reason)
            return
        self._live[order.id] = live
        yield self._says(live, _K.ACCEPTED)
        if not live.asleep:
            yield from self._match(live, levels)
        yield from self.balances(*live.assets)

    def _objection(self, live: Live, levels: list[Level]) -> RejectReason | None:
        """Why it is refused; locks what it needs when it is not."""
        if live.order.id in self._live:
            return _R.DUPLICATE_ID
        reason = objection(self._state, live, levels)
        if reason is None and not (self.purse.lock_for(live) and self.purse.can_pay(live, levels)):
            return _R.INSUFFICIENT_FUNDS
        return reason

    def _cancel(self, order_id: str, symbol: str) -> Iterator[ev.Event]:
        if order_id in self._live:
            yield from self._end(self._live[order_id], _K.CANCELED)
        else:
            yield self._refused(symbol, order_id, _K.CANCEL_REJECTED, _R.UNKNOWN_ORDER)

    def _amend(self, command: AmendOrder) -> Iterator[ev.Event]:
        live = self._live.get(command.order_id)
        if live is None or not live.filled < command.size < live.size:
            reason = _R.UNKNOWN_ORDER if live is None else _R.SIZE_RULE
            yield self._refused(command.symbol, command.order_id, _K.CANCEL_REJECTED, reason)
            return
        live.size = command.size
        self.purse.lock_for(live)
        yield self._says(live, _K.AMENDED)
        yield from self.balances(*live.assets)

    # ── matching ──────────────────────────────────────────────────────────────────────────────

    def _match(self, live: Live, levels: list[Level]) -> Iterator[ev.Event]:
        """Take what can be taken; rest or end with what is left."""
        order = live.order
        enough = sum((size for _, size in levels), ZERO) >= live.left
        if order.time_in_force is not TimeInForce.FOK or enough:
            for price, size in levels:
                if live.left:
                    yield from self._fill(live, price, min(size, live.left), maker=False)
        if live.left and (order.type in _AT_MARKET or order.time_in_force in _AT_ONCE):
            yield from self._end(live, _K.EXPIRED)
        elif live.left:
            live.ahead = visible(self._state, live)

    def _traded(self, live: Live, trade: ev.Trade | ev.AggregateTrade) -> Iterator[ev.Event]:
        price = exact(trade.price)
        if live.asleep:
            yield from self._wake(live, price)
        elif live.is_passed(price):
            yield from self._made(live, live.left)
        elif live.ahead is not None and price == live.order.price:
            if trade.side is live.order.side:
                return
            reached = exact(trade.size) - live.ahead
            live.ahead = max(ZERO, -reached)
            yield from self._made(live, min(reached, live.left))

    def _wake(self, live: Live, price: Decimal) -> Iterator[ev.Event]:
        if not is_touched(live.order, price):
            return
        live.asleep = False
        self.purse.lock_for(live)
        yield self._says(live, _K.TRIGGERED)
        levels = list(reachable(self._state, live.order))
        if self.purse.can_pay(live, levels):
            yield from self._match(live, levels)
        else:
            yield from self._end(live, _K.EXPIRED)
        yield from self.balances(*live.assets)

    def _moved(self, live: Live) -> Iterator[ev.Event]:
        """The book changed: is our price passed, is the queue shorter?"""
        best = next(levels_of(self._state, live.order.symbol, live.order.side), None)
        if live.asleep:
            return
        if best is not None and live.is_passed(best[0]):
            yield from self._made(live, live.left)
            return
        there = visible(self._state, live)
        if there is not None:
            live.ahead = there if live.ahead is None else min(live.ahead, there)

    # ── money ─────────────────────────────────────────────────────────────────────────────────

    def _made(self, live: Live, size: Decimal) -> Iterator[ev.Event]:
        """A resting order trades at its own price."""
        if size > 0 and live.order.price is not None:
            yield from self._fill(live, live.order.price, size, maker=True)
            yield from self.balances(*live.assets)

    def _fill(
        self, live: Live, price: Decimal, size: Decimal, *, maker: bool
    ) -> Iterator[ev.Event]:
        order, (gave, got), paid = live.order, live.assets, price * size
        spent, brought = (paid, size) if live.buys else (size, paid)
        fee = brought * self._fees[maker]
        self.purse.release(live)
        self.purse.swap(gave=gave, spent=spent, got=got, brought=brought - fee)
        live.filled, live.filled_quote = live.filled + size, live.filled_quote + paid
        self.purse.lock_for(live)
        self._count += 1
        yield ev.Fill(
            live.instrument.venue, order.symbol, self._now, self._now, order.id, live.venue_id,
            f"paper{self._count}", order.side, price, size, fee, got, maker,
        )  # fmt: skip
        if not live.left:
            del self._live[order.id]
        yield self._says(live, _K.FILLED)

    def _end(self, live: Live, kind: UpdateKind) -> Iterator[ev.Event]:
        del self._live[live.order.id]
        self.purse.release(live)
        yield self._says(live, kind)
        yield from self.balances(*live.assets)

    def _says(self, live: Live, kind: UpdateKind) -> ev.Update:
        self._count += 1
        working = live.order.id in self._live and not live.asleep
        return told(live, kind, self._now, self._count, working=working)

    def _refused(
        self, symbol: str, order_id: str, kind: UpdateKind, reason: RejectReason
    ) -> ev.Update:
        venue = self._state.instruments[symbol].venue
        return ev.Update(venue, symbol, self._now, self._now, order_id, "", kind, reason=reason)
