"""The second half of a start: the venue's word on what is open and what we own.

Every order that an earlier run left behind is settled here, and our count of the account begins.

House rules: rules do not run before it is heard; an order that stays in doubt keeps its symbol
closed and stops nobody else; on paper, orders end with the run that placed them.
"""

from __future__ import annotations

import asyncio

from pitwire.desk.desk import Desk
from pitwire.desk.gateway import Gateway, Outlet
from pitwire.model.clock import SECOND
from pitwire.model.events import Update
from pitwire.model.orders import UpdateKind
from pitwire.trading.journal import Alerted

_LOOK_SECONDS = 0.02
_AGAIN_SECONDS = 6.0
"""What has not been answered by then is asked for again."""
PATIENCE_SECONDS = 30.0
"""The venue's proof of an order's death takes about half of this."""


async def settle(desk: Desk, outlet: Outlet, *, within_seconds: float = PATIENCE_SECONDS) -> None:
    """Ask until nothing is in doubt; who still is after `within_seconds` is told."""
    engine, clock = desk.engine, desk.clock
    state, ledger = engine.state, engine.state.ledger
    # The desk's own would wind the venue's timer already.
    gateway = Gateway(outlet, engine, clock=clock, timings=desk.timings, stock=desk.gateway.stock)
    began = asked = clock.now()
    state.miss(began)
    gateway.reconcile(began)
    while (
        not (desk.listed_at and desk.counted_at)
        or state.missed
        or ledger.next_question() is not None
    ):
        now = clock.now()
        if now > asked + round(_AGAIN_SECONDS * SECOND) and not gateway.stock.is_held:
            gateway.reconcile(now)
            asked = now
        if now > began + round(within_seconds * SECOND):
            doubted = dict.fromkeys((*(one.id for one in ledger.in_doubt), *state.missed))
            left = ", ".join(doubted) or "the account"
            text = f"not settled after {within_seconds:g} s, asked on: {left}"
            engine.journal.write(Alerted(at=now, text=text, level="warning", rule="desk"))
            return
        desk.switchboard.tend()
        gateway.chase(now)
        await asyncio.sleep(_LOOK_SECONDS)


def end_on_paper(desk: Desk) -> None:
    """Paper forgets its orders when it ends, so those of an earlier run are over."""
    now = desk.clock.now()
    for order in tuple(desk.engine.state.ledger.open_of("")):
        over = Update(
            "paper",
            order.symbol,
            now,
            now,
            order.id,
            order.venue_id,
            UpdateKind.EXPIRED,
            text="the paper it was on is gone",
        )
        desk.engine.apply(over)
