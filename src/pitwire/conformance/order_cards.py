"""Cards about orders (O): what a desk believes is what the venue did."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial

from pitwire.conformance.cards import Card, Exam, Found, trades, wrong
from pitwire.conformance.dealings import Dealing, Story
from pitwire.model.events import Unanswered, Update
from pitwire.model.orders import CancelOrder, OrderState, UpdateKind
from pitwire.sim.facts import Status
from pitwire.sim.faults import Drop, Fault, FillBeforeAck, LoseAck
from pitwire.trading.tracked import Origin, Tracked
from pitwire.trading.wishes import cancel
from pitwire.venues.venue import Venue

_S = OrderState


async def accepted(deal: Dealing) -> str:
    """A limit order rests."""
    order = deal.rest()
    await deal.until(lambda: order.state is _S.OPEN)
    return deal.agree(order, _S.OPEN, Status.NEW)


async def rejected(deal: Dealing) -> str:
    """An order for a market that has just been halted."""
    with deal.halted():
        order = deal.rest()
        await deal.until(lambda: order.state is not _S.SENT)
    if order.state is not _S.REJECTED:
        return f"{order.id} is {order.state}, expected {_S.REJECTED}"
    updates = [one for one in deal.came(Update) if one.order_id == order.id]
    if not updates or updates[-1].reason is None:
        return f"no reason was told: {updates}"
    return "" if deal.truth(order) is None else f"the venue has {order.id} all the same"


async def partly_filled(deal: Dealing) -> str:
    """A resting order trades in part."""
    order = await deal.resting()
    deal.rival_takes(Decimal("0.4"))
    await deal.until(lambda: order.filled)
    return deal.agree(order, _S.PARTLY_FILLED, Status.PARTIALLY_FILLED)


async def filled(deal: Dealing) -> str:
    """A resting order trades in two parts, and is done."""
    order = await deal.resting()
    deal.rival_takes(Decimal("0.4"))
    await asyncio.sleep(1)
    deal.rival_takes(Decimal("0.6"))
    await deal.until(lambda: order.state is _S.FILLED)
    return deal.agree(order, _S.FILLED, Status.FILLED)


async def cancelled(deal: Dealing) -> str:
    """A resting order is cancelled."""
    order = await deal.resting()
    deal.command(cancel(order_id=order.id))
    await deal.until(lambda: order.state is _S.CANCELED)
    return deal.agree(order, _S.CANCELED, Status.CANCELED)


async def cancel_rejected(deal: Dealing) -> str:
    """A cancel of what has traded is refused, and changes nothing."""
    order = await deal.resting()
    deal.rival_takes(Decimal(1))
    await deal.until(lambda: order.state is _S.FILLED)
    late = CancelOrder(order_id=order.id, symbol=order.symbol, venue_id=order.venue_id)
    deal.desk.session.cancel(late, deal.now)
    await deal.until(lambda: deal.told(order, UpdateKind.CANCEL_REJECTED))
    if not deal.told(order, UpdateKind.CANCEL_REJECTED):
        return "a cancel that was refused is not told as cancel_rejected"
    return deal.agree(order, _S.FILLED, Status.FILLED)


async def filled_first(deal: Dealing) -> str:
    """What was traded is told before the order's acknowledgement."""
    order = deal.take()
    await deal.until(lambda: order.state is _S.FILLED)
    return deal.agree(order, _S.FILLED, Status.FILLED)


async def lost_ack(deal: Dealing) -> str:
    """An order of which nothing is told is unknown, then asked about, then known."""
    deal.inject(LoseAck(), Drop(count=0, for_seconds=2.0))
    order = deal.rest()
    await deal.until(lambda: order.state is _S.UNKNOWN)
    noticed = order.state is _S.UNKNOWN and deal.came(Unanswered)
    await deal.until(lambda: order.state is not _S.UNKNOWN, 90.0)
    if not noticed:
        return f"the lost answer was never noticed: {order.state}"
    return deal.agree(order, _S.OPEN, Status.NEW)


async def adopted(deal: Dealing) -> str:
    """Somebody else trades on our account: one order before we came, one after."""
    late = deal.by_hand("by-hand-2")

    def found() -> list[Tracked]:
        return [one for one in deal.ledger.open_of("") if one.origin is Origin.FOREIGN]

    await deal.until(lambda: len(found()) == 2, 60.0)
    theirs = [late, *([deal.before] if deal.before else [])]
    # A façade may give orders other ids than the exchange behind it.
    for ids, wanted in (
        ({one.venue_id for one in found()}, {str(one.order_id) for one in theirs}),
        ({one.id for one in found()}, {one.client_id for one in theirs}),
    ):
        if ids == wanted:
            return ""
    return f"adopted {sorted(ids)}, expected {sorted(wanted)}"


def _run(story: Story, faults: tuple[Fault, ...], by_hand: bool, exam: Exam) -> Found:
    deal = Dealing(exam, faults=faults, by_hand=by_hand)
    example = deal.run(story)
    if example:
        return wrong(0, "orders", example)
    happened = len(deal.world.plan.happened)
    if faults and not happened:
        return wrong(0, "orders", "the fault never happened")
    known = {one.order_id for one in deal.came(Update)}
    return Found(len(known), "orders as the venue has them")


def _streams(venue: Venue) -> str:
    return trades(venue) or ("" if venue.can.order_streams else "can.order_streams is False")


_Row = tuple[str, str, str, Story, tuple[Fault, ...], bool, Callable[[Venue], str]]
_ROWS: tuple[_Row, ...] = (
    ("O1", "accepted", "an order that rests is open", accepted, (), False, trades),
    ("O2", "rejected", "an order refused is rejected, with a reason", rejected, (), False, trades),
    ("O3", "partly filled", "size for size", partly_filled, (), False, _streams),
    ("O4", "filled", "each fill once", filled, (), False, _streams),
    ("O5", "cancelled", "when the venue says so", cancelled, (), False, trades),
    ("O6", "cancel rejected", "is told, and changes nothing", cancel_rejected, (), False, _streams),
    ("O7", "fill before acknowledgement", "counts once", filled_first,
     (FillBeforeAck(),), False, _streams),
    ("O8", "lost acknowledgement", "unknown, then known", lost_ack, (), False, trades),
    ("O9", "foreign orders", "are adopted", adopted, (), True, _streams),
)  # fmt: skip


def _cards() -> Iterator[Card]:
    for name, title, demand, story, faults, by_hand, denied in _ROWS:
        yield Card(name, title, demand, partial(_run, story, faults, by_hand), denied)


CARDS = tuple(_cards())
