"""Cards about limits (P): the venue's own judge of them is the façade."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import msgspec

from pitwire.conformance.cards import Card, Exam, Found, trades, wrong
from pitwire.conformance.courses import Meeting, channels_of
from pitwire.conformance.overhearing import PRIVATE, Said
from pitwire.conformance.wishes import small_orders
from pitwire.model.clock import SECOND
from pitwire.model.events import Lost, Rejected, Unanswered, Update
from pitwire.model.orders import CancelOrder, Order, RejectReason, UpdateKind
from pitwire.session.commands import ORDER_DEADLINE_SECONDS
from pitwire.session.session import Session
from pitwire.sim.faults import HttpError
from pitwire.venues.venue import Limit, Venue

BAN_SECONDS = 30.0
ASKING = PRIVATE | {"server_time"}
"""What counts as a request wherever it is sent."""
_MORE = 30
"""Orders beyond the tightest limit, where it lets as many leave at once."""
_EARLY_SECONDS = 1.0
"""They wait for so long; an order that waits longer than two seconds is never sent."""
_SLOT_SECONDS = 0.1
"""A window may be counted so much longer than it is."""
_ROUNDS = 12
_SETTLES_SECONDS = 60.0


def limits_kept(exam: Exam) -> Found:
    """Streams taken and given up again and again, and more orders at once than may be."""
    meeting = Meeting(exam, exam.world(scenario="quiet"), channels_of(exam))
    placed = meeting.run(_hurry)
    broken = meeting.truth.refusals
    if broken:
        return wrong(0, "messages", f"the venue says that a limit was broken: {broken[0]}")
    for event in meeting.overheard.events(Lost, Rejected, Unanswered, Update):
        example = _complains(event)
        if example:
            return wrong(0, "messages", example)
    accepted = sum(
        event.update is UpdateKind.ACCEPTED and event.answers == "place"
        for event in meeting.overheard.events(Update)
        if isinstance(event, Update)
    )
    if accepted < placed:
        return wrong(0, "messages", f"{placed} orders were placed, {accepted} accepted")
    return Found(len(meeting.overheard.said()), f"messages within the limits, {placed} orders")


async def _hurry(meeting: Meeting, session: Session) -> int:
    orders: list[Order] = []
    if meeting.exam.venue.can.orders:
        await session.authenticate_websocket(meeting.credentials())
        limit = _tightest(meeting.exam.venue)
        orders = await _orders(meeting, session, limit)
        await _fill(meeting, session, orders, limit)
    for _ in range(_ROUNDS):
        await asyncio.gather(*(session.subscribe(*each) for each in meeting.wanted))
        await asyncio.gather(*(session.unsubscribe(*each) for each in meeting.wanted))
    await asyncio.sleep(_SETTLES_SECONDS)
    return len(orders)


def ban_respected(exam: Exam) -> Found:
    """Told to be silent over HTTP, a session says nothing until it may."""
    ban = HttpError(kind="snapshot", status=418, retry_after_seconds=BAN_SECONDS)
    meeting = Meeting(exam, exam.world(faults=(ban,)), channels_of(exam, "book"))
    back = meeting.run(_be_banned)
    happened = [at for at, fault in meeting.world.plan.happened if fault == ban]
    if not happened:
        return wrong(0, "bans", "the venue was never asked for a snapshot")
    # The answer takes its way; what left before it came is no breach.
    since, until = happened[0] + SECOND // 2, happened[0] + round(BAN_SECONDS * SECOND)
    for one in meeting.overheard.said():
        if since < one.at < until and (not one.link or one.call in ASKING):
            left = (one.at - happened[0]) / SECOND
            return wrong(0, "bans", f"{one.call} left {left:.1f} s after a ban of {BAN_SECONDS:g}")
    return Found(1, "ban kept") if back else wrong(0, "bans", "no book after the ban")


async def _be_banned(meeting: Meeting, session: Session) -> bool:
    if meeting.exam.venue.can.orders:
        await session.authenticate_websocket(meeting.credentials())
    await meeting.subscribe(session)
    await asyncio.sleep(5.0)
    if meeting.exam.venue.can.orders and session.may_trade:
        session.ask_account(meeting.now)
    return await meeting.flows(meeting.now + round(BAN_SECONDS * SECOND), within_seconds=120)


def cancels_first(exam: Exam) -> Found:
    """A cancel goes before the orders that wait for the venue's limit."""
    meeting = Meeting(exam, exam.world(scenario="quiet"), ())
    name = meeting.run(_queue)
    said = meeting.overheard.said("place", "cancel")
    place = next((number for number, one in enumerate(said) if one.call == "cancel"), None)
    if place is None:
        return wrong(0, "cancels", "the cancel never left")
    waited = len(said) - place - 1
    if not waited:
        return wrong(0, "cancels", "no order had to wait: the table has no limit that holds")
    if any(one.at > said[place].at for one in said[:place]) or not _was_at_once(meeting, said):
        return wrong(0, "cancels", "the cancel had to wait")
    gone = [
        event
        for event in meeting.overheard.events(Update)
        if isinstance(event, Update) and event.update is UpdateKind.CANCELED
    ]
    if name not in {event.order_id for event in gone}:
        return wrong(0, "cancels", f"{name} was never said to be cancelled")
    return Found(1, f"cancel before {waited} orders that waited")


async def _queue(meeting: Meeting, session: Session) -> str:
    await session.authenticate_websocket(meeting.credentials())
    if meeting.exam.venue.can.order_streams:
        await session.subscribe_to_order_updates()  # an answer may say only that it was asked for
    limit = _tightest(meeting.exam.venue)
    orders = await _orders(meeting, session, limit)
    await _fill(meeting, session, orders, limit)
    first = orders[0]
    meeting.overheard.mark("cancel")
    session.cancel(CancelOrder(order_id=first.id, symbol=first.symbol), meeting.now)
    await asyncio.sleep(_SETTLES_SECONDS)
    return first.id


# ── within ────────────────────────────────────────────────────────────────────────────────────


def _was_at_once(meeting: Meeting, said: list[Said]) -> bool:
    wished = meeting.overheard.marks["cancel"]
    return all(one.at == wished for one in said if one.call == "cancel")


def _complains(event: msgspec.Struct) -> str:
    match event:
        case Lost(by_us=False, reason=reason):
            return f"the venue hung up: {reason}"
        case Rejected(what=what, code=code, text=text):
            return f"{what} was refused: {code} {text}"
        case Unanswered(what=what, order_id=name):
            return f"{what} {name} was never answered"
        case Update(update=UpdateKind.REJECTED, reason=reason, text=text):
            said = "a limit" if reason is RejectReason.RATE_LIMIT else str(reason)
            return f"an order was refused for {said}: {text}"
        case _:
            return ""


async def _orders(meeting: Meeting, session: Session, limit: Limit) -> list[Order]:
    """More than may leave at once, and no more than may in the window after it."""
    orders = await small_orders(meeting, session, limit.count + min(_MORE, limit.count))
    if limit.per_seconds < ORDER_DEADLINE_SECONDS:
        # Else what was asked just now, for the rules, would hold them up for a window more.
        await asyncio.sleep(limit.per_seconds + _SLOT_SECONDS)
    return orders


async def _fill(meeting: Meeting, session: Session, orders: list[Order], limit: Limit) -> None:
    """As many as the limit allows, and when it is about to allow more, those that wait for it."""
    for order in orders[: limit.count]:
        session.place(order, meeting.now)
    await asyncio.sleep(max(0.0, limit.per_seconds - _EARLY_SECONDS))
    for order in orders[limit.count :]:
        session.place(order, meeting.now)


def _tightest(venue: Venue) -> Limit:
    """How many orders may leave at once, and for how long, as far as the table says."""
    limits = [one for one in venue.limits if one.scope == "orders" and one.per_seconds]
    usual = Limit("orders", 100, 10)
    return min(limits, key=lambda one: one.count, default=usual)


def _cards() -> Iterator[Card]:
    yield Card("P1", "limits", "are never exceeded under virtual time", limits_kept)
    yield Card("P2", "bans", "are respected", ban_respected, _no_snapshot)
    yield Card("P3", "cancels", "have priority over orders that wait", cancels_first, _no_queue)


def _no_snapshot(venue: Venue) -> str:
    if "book" not in venue.channels:
        return "channels has no book"
    return "streamed_books: no snapshot is fetched" if venue.streamed_books else ""


def _no_queue(venue: Venue) -> str:
    limited = any(one.scope == "orders" for one in venue.limits)
    return trades(venue) or ("" if limited else "limits has no orders")


CARDS = tuple(_cards())
