"""What an answer is told as: whose it is, which orders it settles, and why the venue refused.

House rules: pure, and nothing here is remembered.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from pitwire.model import errors
from pitwire.model.events import Event, Fill, OpenOrders, Update
from pitwire.model.orders import RejectReason, UpdateKind
from pitwire.session.pending import Request, What

NOT_DONE = (
    errors.OrderRejected,
    errors.RequestRejected,
    errors.AuthenticationFailed,
    errors.RateLimited,
)
"""Refusals that prove that the venue did nothing. Anything else proves nothing."""
NEVER_SENT = "desk"
"""Who answered, in an update about what never left."""
_REASONS = {reason.value: reason for reason in RejectReason}


def stamped_by(event: Event, request: Request) -> Event:
    """What an answer says of orders, with the question it answers."""
    if isinstance(event, Update):
        return replace(event, answers=request.what.value, asked=request.sent)
    return replace(event, asked=request.sent) if isinstance(event, OpenOrders) else event


def joined(told: Iterable[Event]) -> list[Event]:
    """Lists of open orders that came in parts as one, which was asked for when the first was."""
    events = list(told)
    lists = [one for one in events if isinstance(one, OpenOrders)]
    ids = dict.fromkeys(order_id for one in lists for order_id in one.order_ids)
    whole = replace(lists[-1], order_ids=tuple(ids), asked=lists[0].asked)
    return [whole, *(one for one in events if not isinstance(one, OpenOrders))]


def brings(request: Request) -> str:
    """The id of the order that this request puts on the book, "" when it puts none."""
    match request.what:
        case What.PLACE:
            return request.order_id
        case What.REPLACE:
            return request.new_id
        case _:
            return ""


def refused_as(request: Request) -> list[tuple[str, UpdateKind]]:
    """Orders that a refusal of this is about, and what each is told; none of a question."""
    match request.what:
        case What.PLACE:
            return [(request.order_id, UpdateKind.REJECTED)]
        case What.CANCEL | What.AMEND:
            return [(request.order_id, UpdateKind.CANCEL_REJECTED)]
        case What.REPLACE:
            return [
                (request.order_id, UpdateKind.CANCEL_REJECTED),
                (request.new_id, UpdateKind.REJECTED),
            ]
        case _:
            return []


def sent_at(request: Request, now: int) -> Request:
    """The same request with another moment at which it left."""
    if request.sent == now:
        return request
    return replace(request, sent=now)


def order_ids(events: Iterable[Event]) -> set[str]:
    """The orders that these speak of."""
    return {event.order_id for event in events if isinstance(event, Update)}


def reason_of(error: errors.RemoteError) -> RejectReason:
    """Why the venue refused, as rules may depend on it."""
    match error:
        case errors.OrderRejected(reason=text):
            return _REASONS.get(text, RejectReason.OTHER)
        case errors.RateLimited():
            return RejectReason.RATE_LIMIT
        case errors.AuthenticationFailed(hint="clock"):
            return RejectReason.CLOCK
        case errors.AuthenticationFailed():
            return RejectReason.NOT_PERMITTED
        case errors.RequestRejected(code=code):
            return RejectReason.BAD_PARAMETER if code else RejectReason.OTHER
        case _:
            return RejectReason.OTHER


def last_of_full(told: Sequence[Event], page: int) -> str:
    """The last trade of an answer about fills that is as full as one may be; "" of any other."""
    fills = [event for event in told if isinstance(event, Fill)]
    return fills[-1].trade_id if page and len(fills) >= page else ""


def refusal(
    venue: str,
    order_id: str,
    kind: UpdateKind,
    request: Request,
    now: int,
    reason: RejectReason,
    error: errors.RemoteError,
) -> Update:
    """What is told of an order for which it is proven that nothing was done."""
    return Update(
        venue, request.symbol, 0, now, order_id, "", kind, reason=reason, code=error.code,
        text=error.text or str(error), answers=request.what.value if request.sent else NEVER_SENT,
        asked=request.sent,
    )  # fmt: skip
