"""A desk's orders at the simulated Alpaca, through lost answers and cuts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest

from pitwire.conformance.alpaca import CANDIDATE
from pitwire.conformance.cards import Exam
from pitwire.conformance.dealings import Dealing
from pitwire.model.events import Fill, Unanswered
from pitwire.model.orders import CancelOrder, OrderState, UpdateKind
from pitwire.sim.facts import Status
from pitwire.sim.faults import DelayAck, HttpError, LoseAck

_S = OrderState


def live(story: Callable[[Dealing], Awaitable[None]], seed: int = 1) -> Dealing:
    deal = Dealing(Exam(CANDIDATE, seed=seed))

    async def whole(one: Dealing) -> str:
        await story(one)
        return ""

    assert deal.run(whole) == ""
    return deal


def cut(deal: Dealing) -> None:
    """Break off every connection."""
    for link in list(deal.world.stage.links()):
        deal.world.stage.cut(link, deal.now)
    deal.world.act()


def names(deal: Dealing) -> list[str]:
    """Client ids of all that the venue ever had of ours."""
    return [one.original_client_id or one.client_id for one in deal.orders()]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_order_whose_answer_is_lost_is_found_by_our_id_and_placed_once(seed: int) -> None:
    async def story(deal: Dealing) -> None:
        deal.inject(LoseAck(kind="place"))
        order = deal.rest()
        await deal.until(lambda: order.state is _S.OPEN, 60.0)
        assert deal.agree(order, _S.OPEN, Status.NEW) == ""
        assert names(deal) == [order.id]

    live(story, seed)


def test_a_refusal_that_proves_nothing_makes_an_order_unknown_and_it_stays_so() -> None:
    """The venue answered with a gateway's page; it never had the order, and nothing proves that."""

    async def story(deal: Dealing) -> None:
        deal.inject(HttpError(kind="place", status=504, count=1))
        order = deal.rest()
        await deal.until(lambda: order.state is _S.UNKNOWN)
        await asyncio.sleep(60)
        assert order.state is _S.UNKNOWN, "no such order is no proof here"
        assert names(deal) == []
        assert deal.came(Unanswered)

    live(story)


def test_what_traded_while_we_were_away_is_counted_once() -> None:
    async def story(deal: Dealing) -> None:
        order = await deal.resting()
        deal.rival_takes(Decimal("0.25"))
        await deal.until(lambda: order.filled > 0)
        before = order.filled
        cut(deal)
        deal.rival_takes(Decimal("0.5"))  # nobody of ours hears it
        await deal.until(lambda: order.filled > before, 90.0)
        assert deal.agree(order, _S.PARTLY_FILLED, Status.PARTIALLY_FILLED) == ""
        await asyncio.sleep(30)
        fills = {one.trade_id: one.size for one in deal.came(Fill)}
        assert sum(fills.values(), Decimal(0)) == order.filled
        position = deal.desk.engine.state.portfolio.position(deal.symbol)
        assert position == -order.filled

    live(story)


def test_an_order_that_ended_while_we_were_away_has_ended() -> None:
    async def story(deal: Dealing) -> None:
        order = await deal.resting()
        cut(deal)
        deal.rival_takes(Decimal(1))
        await deal.until(lambda: order.filled == order.size, 90.0)
        assert deal.agree(order, _S.FILLED, Status.FILLED) == ""
        assert names(deal) == [order.id]

    live(story)


def test_an_order_is_cancelled_when_the_stream_says_so_and_by_our_id_alone() -> None:
    async def story(deal: Dealing) -> None:
        order = await deal.resting()
        bare = CancelOrder(order_id=order.id, symbol=order.symbol)
        deal.desk.session.cancel(bare, deal.now)
        await deal.until(lambda: order.state is _S.CANCELED)
        assert deal.agree(order, _S.CANCELED, Status.CANCELED) == ""

    live(story)


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_a_cancel_that_follows_its_order_at_once_does_not_overtake_it(seed: int) -> None:
    async def story(deal: Dealing) -> None:
        deal.inject(DelayAck(kind="place", seconds=2.0))
        order = deal.rest()
        bare = CancelOrder(order_id=order.id, symbol=order.symbol)
        deal.desk.session.cancel(bare, deal.now)
        await deal.until(lambda: order.state is _S.CANCELED)
        assert deal.agree(order, _S.CANCELED, Status.CANCELED) == ""
        assert not deal.told(order, UpdateKind.CANCEL_REJECTED)

    live(story, seed)


def test_a_late_answer_says_nothing_new() -> None:
    async def story(deal: Dealing) -> None:
        deal.inject(DelayAck(kind="place", seconds=8.0))
        order = deal.rest()
        await deal.until(lambda: order.state is _S.OPEN)
        deal.rival_takes(Decimal(1))
        await deal.until(lambda: order.state is _S.FILLED)
        await asyncio.sleep(12)
        assert deal.agree(order, _S.FILLED, Status.FILLED) == ""
        assert not deal.told(order, UpdateKind.REJECTED)

    live(story)


def test_a_limit_that_is_used_up_proves_that_nothing_was_done_and_a_minute_heals_it() -> None:
    async def story(deal: Dealing) -> None:
        deal.inject(HttpError(kind="place", status=429, count=1))
        order = deal.rest()
        await deal.until(lambda: order.state is _S.REJECTED)
        assert order.state is _S.REJECTED
        assert names(deal) == []
        await asyncio.sleep(70)
        deal.stir()  # an old quote is no market
        await asyncio.sleep(0.5)
        later = await deal.resting()
        assert later.state is _S.OPEN
        assert names(deal) == [later.id]

    live(story)
