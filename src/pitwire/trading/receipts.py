"""Receipts: for every order of a journal, why it was, what became of it, and what proves that.

House rules: a receipt says what the records say and nothing else; a stage that no record tells is
0; slippage is measured against the quote that stood when the order was decided, and is missing
where nobody quoted.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from pitwire.model.events import Fill, Unanswered, Update
from pitwire.model.numbers import plain
from pitwire.model.orders import FINAL, Cause, Command, Order, OrderState, Side
from pitwire.trading.journal import Came, Decided, Dropped, Left, Record, Written, placed
from pitwire.trading.tracked import ZERO, Change, Disagreement

_ACKNOWLEDGED = (OrderState.OPEN, OrderState.PARTLY_FILLED, OrderState.FILLED)
_BASIS = Decimal(10_000)
_FINE = Decimal("0.0001")


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One transition and its proof."""

    at: int
    before: str
    after: str
    came: str
    proof: str
    """What was heard: the venue's word and its own time, an answer that did not come, a restart."""


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """One fill."""

    at: int
    venue_time: int
    trade_id: str
    price: Decimal
    size: Decimal
    fee: Decimal
    fee_asset: str
    maker: bool


class Receipt(msgspec.Struct, kw_only=True):
    """One order from its cause to its end."""

    id: str
    symbol: str
    origin: str = "ours"
    side: str = ""
    type: str = ""
    size: Decimal | None = None
    quote_size: Decimal | None = None
    price: Decimal | None = None
    rule: str = ""
    tag: str = ""
    cause: Cause | None = None
    received: int = 0
    """When the event that caused it reached us; this and all that follow in ns, 0 where untold."""
    decided: int = 0
    sent: int = 0
    acknowledged: int = 0
    ended: int = 0
    state: str = ""
    steps: list[Step] = []
    fills: list[Execution] = []
    filled: Decimal = ZERO
    average_price: Decimal | None = None
    fees: dict[str, Decimal] = {}
    bid: float = 0.0
    ask: float = 0.0
    slippage: Decimal | None = None
    """Quote units per base unit paid beyond the best price at decision; negative is a gain."""
    slippage_bips: Decimal | None = None
    cancels: list[int] = []
    """When cancels of it left."""
    replaces: str = ""
    disagreements: list[str] = []


def receipts(records: Iterable[Record]) -> list[Receipt]:
    """One for every order that the records speak of, in the order in which they came."""
    book = _Book()
    for record in records:
        book.take(record)
    for receipt in book.found.values():
        _sum_up(receipt)
    return list(book.found.values())


class _Book:
    """Fills receipts in while records go by."""

    def __init__(self) -> None:
        self.found: dict[str, Receipt] = {}
        self._came: Came | None = None

    def take(self, record: Record) -> None:
        match record:
            case Came():
                self._came = record
                return
            case Change():
                self._change(record)
                return
            case Decided(command=command):
                self._decided(record, command)
            case Left(command=command):
                self._left(record, command)
            case Written(order_id=order_id, symbol=symbol, at=at):
                self._of(order_id, symbol).sent = at
            case Dropped(command=command):
                pass  # the change that follows says so
            case Disagreement(order_id=order_id):
                self._of(order_id, record.symbol).disagreements.append(
                    f"{record.what}: we had {record.ours}, they say {record.theirs}"
                )
                return
        self._came = None

    def _of(self, order_id: str, symbol: str) -> Receipt:
        found = self.found.get(order_id)
        if found is None:
            found = self.found[order_id] = Receipt(id=order_id, symbol=symbol)
        return found

    def _decided(self, record: Decided, command: Command) -> None:
        order = placed(command)
        if order is None:
            return
        receipt = self._of(order.id, order.symbol)
        _describe(receipt, order)
        receipt.decided, receipt.bid, receipt.ask = record.at, record.bid, record.ask
        proof = f"risk passed what {f'rule {order.rule}' if order.rule else 'a person'} wished"
        self._step(receipt, record.at, "", OrderState.NEW, "decided", proof)
        if not isinstance(command, Order):
            receipt.replaces = command.order_id

    def _left(self, record: Left, command: Command) -> None:
        order = placed(command)
        if order is not None:
            receipt = self._of(order.id, order.symbol)
            receipt.sent = record.sent
            # Of one that waits for its turn, or goes over HTTP, nobody knows that yet.
            went = "its bytes went to the socket" if record.sent else "it was handed over to leave"
            proof = f"{went}, its intent in the journal before"
            self._step(
                receipt, record.sent or record.at, OrderState.NEW, OrderState.SENT, "sent", proof
            )
        if not isinstance(command, Order):
            gone = self.found.get(command.order_id)
            if gone is not None:
                gone.cancels.append(record.sent or record.at)

    def _change(self, change: Change) -> None:
        receipt = self._of(change.order_id, change.symbol)
        event = None if self._came is None else self._came.event
        self._came = None
        receipt.origin = change.origin
        receipt.side = receipt.side or (change.side or "")
        receipt.state = change.after
        receipt.size = receipt.size if change.size is None else change.size
        if change.after in _ACKNOWLEDGED and not receipt.acknowledged:
            receipt.acknowledged = change.at
        if change.ended:
            receipt.ended = change.at
        elif change.after not in FINAL:
            receipt.ended = 0
        if isinstance(event, Fill):
            _book_fill(receipt, event, change.at)
        proof = _proof(change, event)
        self._step(receipt, change.at, change.before, change.after, change.came, proof)

    def _step(
        self, receipt: Receipt, at: int, before: str, after: str, came: str, proof: str
    ) -> None:
        step = Step(at=at, before=before, after=after, came=came, proof=proof)
        receipt.steps.append(step)


def _describe(receipt: Receipt, order: Order) -> None:
    receipt.side, receipt.type = order.side, order.type
    receipt.size, receipt.quote_size, receipt.price = order.size, order.quote_size, order.price
    receipt.rule, receipt.tag, receipt.cause = order.rule, order.tag, order.cause
    receipt.received = 0 if order.cause is None else order.cause.received
    receipt.state = receipt.state or OrderState.NEW


def _book_fill(receipt: Receipt, fill: Fill, at: int) -> None:
    receipt.fills.append(
        Execution(
            at=at,
            venue_time=fill.venue_time,
            trade_id=fill.trade_id,
            price=fill.price,
            size=fill.size,
            fee=fill.fee,
            fee_asset=fill.fee_asset,
            maker=fill.maker,
        )
    )
    receipt.filled += fill.size
    if fill.fee:
        receipt.fees[fill.fee_asset] = receipt.fees.get(fill.fee_asset, ZERO) + fill.fee


def _proof(change: Change, event: object) -> str:
    match event:
        case Fill():
            return f"trade {event.trade_id} of {event.venue}, its time {event.venue_time}"
        case Update():
            facts = [f"{event.venue} said {event.update}"]
            facts += [f"its time {event.venue_time}" if event.venue_time else ""]
            facts += [f"number {event.sequence}" if event.sequence else ""]
            facts += [f"code {change.code}" if change.code else "", change.text]
            return ", ".join(fact for fact in facts if fact)
        case Unanswered():
            return f"no answer to {event.what} within {event.waited_seconds:g} s"
        case _:
            came = change.came.replace("dropped: ", "never sent: ")
            return _OURS.get(came, came)


_OURS = {
    "lost": "the connection broke before an answer",
    "restart": "the desk died before an answer",
}


def _sum_up(receipt: Receipt) -> None:
    if not receipt.filled:
        return
    paid = sum((fill.price * fill.size for fill in receipt.fills), ZERO)
    receipt.average_price = average = paid / receipt.filled
    best = receipt.ask if receipt.side == Side.BUY else receipt.bid
    if best:
        reference = Decimal(repr(best))
        beyond = average - reference if receipt.side == Side.BUY else reference - average
        receipt.slippage = Decimal(plain(beyond))
        receipt.slippage_bips = Decimal(plain((beyond / reference * _BASIS).quantize(_FINE)))
