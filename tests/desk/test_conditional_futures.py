"""Stops of a desk at the simulated futures, which keep them apart from what is on the book."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pitwire.desk.desk import Desk
from pitwire.desk.watchdog import Charge, Report, Watchdog
from pitwire.model.orders import Cancel, CancelOrder, Order, OrderState, OrderType, Side
from pitwire.sim.futures_facts import NewConditional
from pitwire.store.verifying import verify
from pitwire.trading.journal import Differed, Left
from pitwire.trading.tracked import Disagreement, Origin, Tracked
from pitwire.trading.wishes import order
from tests.desk.setting import BTC, command, until
from tests.desk.test_futures import BRACKET, CONFIG, WHERE, Pit, take
from tests.desk.test_restart import die

D = Decimal
KEPT = (
    CONFIG
    + """
[risk]
max_position = 1
"""
)


def stop(desk: Desk, side: Side, trigger: float, **more: Any) -> Tracked:
    [placed] = command(desk, order(BTC, side, size=0.02, stop_price=trigger, **more))
    return placed


def waiting(pit: Pit) -> list[str]:
    """What waits at the venue, by our ids."""
    return [one.client_id for one in pit.world.exchange.conditionals.open_of("main")]


def charge(pit: Pit, desk: Desk, **more: Any) -> Charge:
    return Charge(
        venue="binance-usdm",
        prefix=desk.order_prefix,
        key=pit.credentials.key,
        secret=pit.credentials.secret.reveal(),
        kind="ed25519",
        endpoints=WHERE,
        **more,
    )


def test_a_stop_waits_triggers_and_is_counted_as_one_order() -> None:
    pit = Pit()

    async def story(desk: Desk) -> None:
        state = desk.engine.state
        touch = state.touch(BTC)
        assert touch is not None
        await take(desk, 0.02, Side.BUY)
        stopped = stop(desk, Side.SELL, round(touch[0]) - 10, reduce_only=True)
        await until(lambda: stopped.state is OrderState.OPEN)
        assert (stopped.venue_id, stopped.working) == ("", False)
        await asyncio.sleep(25)  # two rounds of the count
        assert waiting(pit) == [stopped.id]
        assert stopped.state is OrderState.OPEN
        assert not stopped.doubt
        assert not desk.gateway.stock.owes(BTC)
        pit.sell_down_to(D(round(touch[0]) - 11))
        await until(lambda: stopped.state is OrderState.FILLED)
        assert stopped.venue_id
        assert stopped.filled == D("0.02")
        assert state.portfolio.position(BTC) == 0
        await asyncio.sleep(25)
        assert [one.id for one in state.ledger.open.values()] == []
        assert desk.gateway.stock.named == {}

    pit.run(story)
    told = [one for one in pit.journal.records if isinstance(one, Differed | Disagreement)]
    assert told == []


@pytest.mark.parametrize(
    ("side", "away", "more", "kind"),
    [
        (Side.SELL, -30, {}, OrderType.STOP),
        (Side.BUY, 30, {"price": 61_000}, OrderType.STOP_LIMIT),
        (Side.SELL, 30, {"take_profit": True}, OrderType.TAKE_PROFIT),
        (Side.BUY, -30, {"price": 59_000, "take_profit": True}, OrderType.TAKE_PROFIT_LIMIT),
    ],
)
def test_every_kind_rests_and_is_cancelled_by_its_id(
    side: Side, away: int, more: dict[str, Any], kind: OrderType
) -> None:
    pit = Pit()

    async def story(desk: Desk) -> None:
        touch = desk.engine.state.touch(BTC)
        assert touch is not None
        placed = stop(desk, side, round(touch[0]) + away, **more)
        await until(lambda: placed.state is OrderState.OPEN)
        assert placed.type is kind
        assert waiting(pit) == [placed.id]
        command(desk, Cancel(order_id=placed.id))
        await until(lambda: placed.state is OrderState.CANCELED)
        assert waiting(pit) == []

    pit.run(story)


def test_what_triggered_while_nobody_listened_is_found_by_asking() -> None:
    pit = Pit()

    async def story(desk: Desk) -> None:
        state = desk.engine.state
        touch = state.touch(BTC)
        assert touch is not None
        level = round(touch[0]) - 10
        market = stop(desk, Side.SELL, level)
        limit = stop(desk, Side.SELL, level, price=level + 500)
        await until(lambda: limit.state is market.state is OrderState.OPEN)
        pit.cut_private()
        await until(lambda: state.blind)
        pit.sell_down_to(D(level - 1))
        assert waiting(pit) == []
        assert state.blind
        assert market.state is limit.state is OrderState.OPEN  # nobody has told yet
        await until(lambda: market.state is OrderState.FILLED)
        await until(lambda: limit.venue_id and not limit.doubt)
        assert market.filled == D("0.02")
        assert limit.state is OrderState.OPEN
        assert state.portfolio.position(BTC) == D("-0.02")
        command(desk, Cancel(order_id=limit.id))  # it is on the book now
        await until(lambda: limit.state is OrderState.CANCELED)
        assert pit.world.exchange.open_orders("main") == []

    pit.run(story)


@pytest.mark.parametrize("blind", [True, False])
def test_a_cancel_that_finds_it_triggered_follows_it_to_the_book(blind: bool) -> None:
    """Said once: whoever cancels an order does not want it because it triggered first."""
    pit = Pit()

    async def story(desk: Desk) -> None:
        state = desk.engine.state
        touch = state.touch(BTC)
        assert touch is not None
        level = round(touch[0]) - 10
        limit = stop(desk, Side.SELL, level, price=level + 500)
        await until(lambda: limit.state is OrderState.OPEN)
        if blind:
            pit.cut_private()
            await until(lambda: state.blind)
        command(desk, Cancel(order_id=limit.id))
        assert not limit.venue_id
        pit.sell_down_to(D(level - 1))
        assert waiting(pit) == []
        await until(lambda: limit.state is OrderState.CANCELED)
        assert pit.world.exchange.open_orders("main") == []

    pit.run(story)
    left = [one for one in pit.journal.records if isinstance(one, Left)]
    assert [type(one.command) for one in left] == [Order, CancelOrder, CancelOrder]


@pytest.mark.parametrize("checkpoint", [True, False])
@pytest.mark.parametrize("answered", [True, False])
def test_a_cancel_follows_over_the_death_of_its_desk(
    tmp_path: Path, answered: bool, checkpoint: bool
) -> None:
    """The journal holds that it left; whoever goes on from there finds where the order has gone."""
    pit = Pit()

    async def life() -> None:
        first = await pit.open(state=tmp_path / "a")
        state = first.engine.state
        touch = state.touch(BTC)
        assert touch is not None
        level = round(touch[0]) - 10
        limit = stop(first, Side.SELL, level, price=level + 500)
        await until(lambda: limit.state is OrderState.OPEN)
        pit.cut_private()
        await until(lambda: state.blind)
        command(first, Cancel(order_id=limit.id))
        pit.sell_down_to(D(level - 1))
        if answered:
            await until(lambda: not limit.cancel_sent)
        assert (limit.venue_id, limit.is_open) == ("", True)
        if checkpoint:
            first.keep_checkpoint()
        copy = await die(first, tmp_path / "a")
        assert [one.client_id for one in pit.world.exchange.open_orders("main")] == [limit.id]

        second = await pit.open(state=copy)
        found = second.engine.state.ledger.find(limit.id)
        assert found is not None
        await until(lambda: found.state is OrderState.CANCELED)
        assert pit.world.exchange.open_orders("main") == []
        await second.stop()
        assert verify(copy).is_sound

    pit.world.run(life())


def test_a_stop_outlives_its_desk_and_the_next_one_knows_it(tmp_path: Path) -> None:
    pit = Pit()

    async def life() -> None:
        first = await pit.open(KEPT, state=tmp_path)
        kept = stop(first, Side.SELL, 50_000, protective=True)
        await until(lambda: kept.state is OrderState.OPEN)
        await first.session.close()
        await first.stop()
        assert waiting(pit) == [kept.id]
        second = await pit.open(KEPT, state=tmp_path)
        await asyncio.sleep(25)
        found = second.engine.state.ledger.find(kept.id)
        assert found is not None
        assert (found.state, found.doubt) == (OrderState.OPEN, "")
        command(second, Cancel(symbol=BTC))
        await until(lambda: found.state is OrderState.CANCELED)
        assert waiting(pit) == []
        await second.stop()

    pit.world.run(life())


def test_one_placed_by_hand_is_adopted_and_left_alone() -> None:
    pit = Pit()

    async def story(desk: Desk) -> None:
        by_hand = NewConditional(
            account="main", symbol=BTC, side=Side.SELL, client_id="by-hand", lots=7,
            trigger=500_000, kind="STOP_MARKET",
        )  # fmt: skip
        pit.world.exchange.conditionals.place(by_hand, pit.world.clock.now())
        pit.world.act()
        await until(lambda: desk.engine.state.ledger.find("by-hand"))
        found = desk.engine.state.ledger.find("by-hand")
        assert found is not None
        assert (found.origin, found.type) == (Origin.FOREIGN, OrderType.STOP)
        command(desk, Cancel(symbol=BTC))
        await asyncio.sleep(25)
        assert waiting(pit) == ["by-hand"]
        assert found.state is OrderState.OPEN

    pit.run(story)


def test_the_watchdog_cancels_stops_and_spares_protective_ones() -> None:
    pit = Pit()
    told: list[Report] = []

    async def life() -> None:
        desk = await pit.open()
        plain = stop(desk, Side.SELL, 50_000)
        kept = stop(desk, Side.SELL, 49_000, protective=True)
        command(desk, order(BTC, Side.BUY, size=0.02, price=50_000))
        await until(lambda: len(waiting(pit)) == 2)
        await desk.session.close()
        dog = Watchdog(
            charge(pit, desk, keep_protective=True), clock=pit.world.clock, tell=told.append,
            dial=pit.dial, fetch=pit.fetch,
        )  # fmt: skip
        dog.vigil.lose("the desk is dead")
        outcome = await dog.run()
        assert waiting(pit) == [kept.id]
        assert pit.world.exchange.open_orders("main") == []
        assert outcome is not None
        assert plain.id in outcome.cancelled
        assert outcome.spared == (kept.id,)
        await desk.stop()

    pit.world.run(life())
    assert told[-1].state == "clear"


def test_a_kill_that_flattens_leaves_no_stop_behind() -> None:
    pit = Pit()

    async def story(desk: Desk) -> None:
        await take(desk, 0.02, Side.BUY)
        stop(desk, Side.SELL, 50_000, reduce_only=True)
        await until(lambda: len(waiting(pit)) == 1)
        desk.switchboard.flatten("enough", "somebody")
        await until(lambda: not waiting(pit))
        await until(lambda: not desk.engine.state.portfolio.position(BTC))
        assert desk.engine.state.ledger.open == {}

    pit.run(story)


def test_a_bracket_whose_stop_rests_ends_flat_with_nothing_open() -> None:
    pit = Pit()

    async def story(desk: Desk) -> None:
        state, exchange = desk.engine.state, pit.world.exchange
        await until(lambda: waiting(pit) and exchange.open_orders("main"))
        assert state.portfolio.position(BTC) == D("0.02")
        [stopped] = [one for one in state.ledger.open.values() if one.type is OrderType.STOP]
        assert stopped.stop_price is not None
        exchange.open_account("patient", {}, unlimited=True)
        for away in (0, 10):  # somebody buys there
            pit.place(f"bid-{away}", Side.BUY, D(1), stopped.stop_price - away, account="patient")
        pit.sell_down_to(stopped.stop_price)
        await until(lambda: stopped.state is OrderState.FILLED)
        await until(lambda: not state.ledger.open)
        assert (waiting(pit), exchange.open_orders("main")) == ([], [])
        assert state.portfolio.position(BTC) == 0

    pit.run(story, f"{CONFIG}{BRACKET}bracket.resting_stop = true\n")
