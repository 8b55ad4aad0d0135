"""Trading through the simulated gateway, in virtual time: V19, lost answers, limits."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from pitwire.model.events import Balance, Fill, OpenOrders, Rejected, Unanswered, Update
from pitwire.model.orders import AmendOrder, CancelOrder, Order, OrderType, Side, UpdateKind
from pitwire.session.session import Session
from pitwire.sim.facades.ibkr_options import IbkrOptions
from pitwire.sim.faults import AskBack, LoseAck
from pitwire.sim.world import World
from pitwire.venues.ibkr.questions import QUESTIONS
from tests.venues.ibkr.world import AAPL, Main, Seen, gateway, live, until


def order(
    id: str,
    world: World,
    *,
    side: Side = Side.BUY,
    type: OrderType = OrderType.LIMIT,
    size: str = "10",
    price: str | None = "188.00",
) -> Order:
    return Order(
        id=id,
        symbol=AAPL,
        side=side,
        type=type,
        size=Decimal(size),
        price=None if price is None else Decimal(price),
        decided=world.clock.now(),
    )


def trading(main: Main) -> Main:
    """Logged in, with the private stream, before anything else."""

    async def first(session: Session, seen: Seen) -> None:
        await session.load_instruments([AAPL])
        await session.authenticate_websocket()
        await session.subscribe_to_order_updates()
        await main(session, seen)

    return first


def kinds(seen: Seen, order_id: str) -> list[UpdateKind]:
    return [one.update for one in seen.of(Update) if one.order_id == order_id]


def test_an_order_is_placed_filled_and_told_with_its_commission() -> None:
    world = gateway()

    async def main(session: Session, seen: Seen) -> None:
        await asyncio.sleep(1)  # nobody confirms that the stream of orders has begun
        session.place(order("a", world, type=OrderType.MARKET, price=None), world.clock.now())
        await until(lambda: seen.of(Fill))
        await asyncio.sleep(5)

    seen = live(world, trading(main))
    assert kinds(seen, "a")[0] is UpdateKind.ACCEPTED
    assert UpdateKind.FILLED in kinds(seen, "a")
    assert sum(one.size for one in seen.of(Fill)) == 10
    assert all(one.fee > 0 and one.fee_asset == "USD" for one in seen.of(Fill))
    assert len({one.trade_id for one in seen.of(Fill)}) == len(seen.of(Fill))
    assert not seen.of(Unanswered)


def test_an_order_rests_is_made_smaller_and_cancelled() -> None:
    world = gateway()

    async def main(session: Session, seen: Seen) -> None:
        session.place(order("a", world), world.clock.now())
        await until(lambda: kinds(seen, "a"))
        await asyncio.sleep(1)
        smaller = AmendOrder(order_id="a", symbol=AAPL, size=Decimal(4))
        session.amend(smaller, world.clock.now())
        await asyncio.sleep(2)
        assert [one for one in seen.of(Update) if one.size == 4]
        session.cancel(CancelOrder(order_id="a", symbol=AAPL), world.clock.now())
        await until(lambda: UpdateKind.CANCELED in kinds(seen, "a"))

    seen = live(world, trading(main))
    assert not seen.of(Rejected, Unanswered)


# ── V19: questions ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("as_object", [False, True])
def test_a_question_that_nobody_agreed_to_ends_the_order_with_its_words(as_object: bool) -> None:
    world = gateway(options=IbkrOptions(reply_as_object=as_object))

    async def main(session: Session, seen: Seen) -> None:
        session.place(order("a", world, price="150.00"), world.clock.now())
        await until(lambda: kinds(seen, "a"))
        await asyncio.sleep(5)

    seen = live(world, trading(main))
    assert kinds(seen, "a") == [UpdateKind.REJECTED]
    [update] = seen.of(Update)
    assert "o163" in update.text
    assert "nobody said yes" in update.text


def test_a_question_that_was_agreed_to_is_answered() -> None:
    world = gateway()

    async def main(session: Session, seen: Seen) -> None:
        session.place(order("a", world, price="150.00"), world.clock.now())
        await until(lambda: kinds(seen, "a"))
        await asyncio.sleep(2)

    seen = live(world, trading(main), {"answers": ["price-percentage"]})
    assert UpdateKind.ACCEPTED in kinds(seen, "a")
    assert UpdateKind.REJECTED not in kinds(seen, "a")
    assert [one for one in seen.of(Update) if one.text.startswith("said yes to o163")]


def test_all_of_a_chain_has_to_be_agreed_to() -> None:
    options = IbkrOptions(size_limit=5, value_limit=Decimal(100))
    for answers, ends in (
        (["price-percentage", "size-limit"], UpdateKind.REJECTED),
        (["price-percentage", "size-limit", "total-value"], UpdateKind.ACCEPTED),
    ):
        world = gateway(options=options)

        async def main(session: Session, seen: Seen, world: World = world) -> None:
            session.place(order("a", world, price="150.00"), world.clock.now())
            await until(lambda: kinds(seen, "a"))
            await asyncio.sleep(2)

        assert kinds(live(world, trading(main), {"answers": answers}), "a")[0] is ends


def test_a_question_that_no_paper_knows_is_never_agreed_to() -> None:
    asked = ("o163", "Do you agree to whatever this says?", "o354")
    world = gateway(faults=(AskBack(at_seconds=0, questions=asked),))

    async def main(session: Session, seen: Seen) -> None:
        session.place(order("a", world), world.clock.now())
        await until(lambda: kinds(seen, "a"), 30)
        await asyncio.sleep(10)

    seen = live(world, trading(main), {"answers": list(QUESTIONS)})
    assert kinds(seen, "a") == [UpdateKind.REJECTED]
    assert "whatever this says" in seen.of(Update)[0].text


# ── answers that are lost ─────────────────────────────────────────────────────────────────────


def test_an_order_whose_answer_is_lost_is_found_by_our_id() -> None:
    world = gateway(faults=(LoseAck(at_seconds=0, kind="place"),))

    async def main(session: Session, seen: Seen) -> None:
        session.place(order("a", world), world.clock.now())
        await until(lambda: seen.of(Unanswered), 10)
        session.ask_status(AAPL, "a", world.clock.now())
        await until(lambda: UpdateKind.STATUS_OPEN in kinds(seen, "a"), 15)

    seen = live(world, trading(main))
    [lost] = seen.of(Unanswered)
    assert (lost.order_id, lost.what) == ("a", "place")


def test_an_order_that_never_was_is_missing_in_the_list() -> None:
    world = gateway()

    async def main(session: Session, seen: Seen) -> None:
        session.ask_status(AAPL, "nobody", world.clock.now())
        await until(lambda: kinds(seen, "nobody"), 15)

    assert kinds(live(world, trading(main)), "nobody") == [UpdateKind.MISSING]


# ── questions and limits ──────────────────────────────────────────────────────────────────────


def test_stock_is_taken_and_no_limit_is_broken_by_doing_so_all_the_time() -> None:
    world = gateway()

    async def main(session: Session, seen: Seen) -> None:
        for number in range(30):
            now = world.clock.now()
            session.ask_open_orders("", now)
            session.ask_account(now)
            session.ask_fills_since(AAPL, "", 0, now)
            session.place(order(f"a-{number}", world), now)
            await asyncio.sleep(1)
        await asyncio.sleep(120)

    seen = live(world, trading(main))
    assert not [one for one in seen.of(Rejected) if one.code == 429]
    assert seen.of(OpenOrders)[-1].order_ids[:2] == ("a-0", "a-1")
    held = {one.asset: one.free for one in seen.of(Balance)}
    assert held["AAPL"] >= 1000
    assert len({one.order_id for one in seen.of(Update)}) == 30
