"""What a loss took of trades without numbers is named by time."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from pitwire.model import errors
from pitwire.model.clock import SECOND
from pitwire.model.events import Event, Trade, TradeGap
from pitwire.session.conversation import Conversation
from pitwire.venues.venue import Ask, Can
from tests.session.test_conversation import START, answer, conversation, frame, said
from tests.session.toy import TOY
from tests.session.world import World, live

UNNUMBERED = replace(TOY, can=Can(trades_by_id=False))
LOSS = errors.ConnectionLost(code=1006)


def trade(ours: Conversation, at: int, symbol: str = "A") -> list[str]:
    told = ours.receive_data(frame(e="trade", s=symbol, p=1.0, T=at), at)
    return [type(one).__name__ for one in told if isinstance(one, Trade | TradeGap)]


def opened(ours: Conversation, now: int) -> None:
    ours.opened(now)
    for request in said(ours):
        answer(ours, request, now)


def test_the_first_trade_after_a_loss_names_what_may_be_missing() -> None:
    ours, now = conversation(venue=UNNUMBERED), START
    ours.want([Ask("trades", "A"), Ask("trades", "B")], now)
    opened(ours, now)
    assert trade(ours, now + 1) == ["Trade"]
    assert trade(ours, now + 2) == ["Trade"]
    ours.lost(LOSS, now + SECOND)
    opened(ours, now + 5 * SECOND)
    told = ours.receive_data(frame(e="trade", s="A", p=1.0, T=now + 6 * SECOND), now + 6 * SECOND)
    [gap] = [one for one in told if isinstance(one, TradeGap)]
    assert (gap.symbol, gap.first_missing, gap.last_missing) == ("A", 0, -1)
    assert (gap.since, gap.venue_time) == (now + 2, now + 6 * SECOND)
    assert told.index(gap) < next(i for i, one in enumerate(told) if isinstance(one, Trade))
    assert trade(ours, now + 7 * SECOND) == ["Trade"], "once"


def test_what_had_not_spoken_before_a_loss_may_be_missing_since_it_was_confirmed() -> None:
    ours, now = conversation(venue=UNNUMBERED), START
    ours.want([Ask("trades", "A")], now)
    opened(ours, now)
    ours.lost(LOSS, now + SECOND)
    opened(ours, now + 5 * SECOND)
    told = ours.receive_data(frame(e="trade", s="A", p=1.0, T=now + 6 * SECOND), now + 6 * SECOND)
    [gap] = [one for one in told if isinstance(one, TradeGap)]
    assert now - 60 * SECOND <= gap.since <= now, "nobody knows the venue's clock yet"
    assert gap.venue_time == now + 6 * SECOND
    assert trade(ours, now + 7 * SECOND) == ["Trade"], "once"


def test_two_losses_before_a_trade_are_one_gap() -> None:
    ours, now = conversation(venue=UNNUMBERED), START
    ours.want([Ask("trades", "A")], now)
    opened(ours, now)
    trade(ours, now + 1)
    for second in (1, 3):
        ours.lost(LOSS, now + second * SECOND)
        opened(ours, now + (second + 1) * SECOND)
    assert trade(ours, now + 9 * SECOND) == ["TradeGap", "Trade"]


def test_what_was_not_wanted_meanwhile_is_not_missing() -> None:
    ours, now = conversation(venue=UNNUMBERED), START
    ours.want([Ask("trades", "A")], now)
    opened(ours, now)
    trade(ours, now + 1)
    ours.lost(LOSS, now + SECOND)
    ours.unwant([Ask("trades", "A")], now + SECOND)
    ours.want([Ask("trades", "A")], now + 2 * SECOND)
    opened(ours, now + 5 * SECOND)
    assert trade(ours, now + 6 * SECOND) == ["Trade"]


def test_that_other_trades_can_be_asked_for_by_their_ids_fills_nothing_here() -> None:
    """As at Binance's futures, whose aggregates count by one and whose trades do not."""
    ours, now = conversation(venue=replace(TOY, can=Can(trades_by_id=True))), START
    ours.want([Ask("trades", "A")], now)
    opened(ours, now)
    trade(ours, now + 1)
    ours.lost(LOSS, now + SECOND)
    opened(ours, now + 5 * SECOND)
    assert trade(ours, now + 6 * SECOND) == ["TradeGap", "Trade"]


def test_where_ids_count_by_one_nothing_is_named_by_time() -> None:
    rows = {**TOY.channels, "trades": replace(TOY.channels["trades"], dense=True)}
    ours, now = conversation(venue=replace(TOY, channels=rows)), START
    ours.want([Ask("trades", "A")], now)
    opened(ours, now)
    told: list[Event] = []
    for number, at in ((1, now + 1), (2, now + 6 * SECOND)):
        told += ours.receive_data(frame(e="trade", s="A", p=1.0, t=number, T=at), at)
        if number == 1:
            ours.lost(LOSS, now + SECOND)
            opened(ours, now + 5 * SECOND)
    assert [type(one) for one in told if isinstance(one, Trade | TradeGap)] == [Trade, Trade]


@pytest.mark.parametrize("both", [False, True])
def test_of_two_copies_the_loss_of_one_is_none(both: bool) -> None:
    def says(world: World, number: int) -> None:
        for one in world.server.connections:
            if one.lost is None:
                one.tell(e="trade", s="A", p=1.0, t=number, T=world.loop.now())

    async def story(world: World) -> None:
        async with world.connect(venue=UNNUMBERED, redundancy=2) as session:
            await session.subscribe_to_trades("A")
            await asyncio.sleep(2)
            for number in (1, 2, 3):
                says(world, number)
                await asyncio.sleep(0.1)
            first, second = world.server.connections
            first.link.abort()
            await asyncio.sleep(0.01)
            says(world, 4)
            await asyncio.sleep(0.01)
            if both:
                second.link.abort()
            await asyncio.sleep(5)
            for number in (5, 6):
                says(world, number)
                await asyncio.sleep(1)

    world = live(story)
    assert [one.trade_id for one in world.of(Trade)] == [1, 2, 3, 4, 5, 6]
    fourth, fifth = world.of(Trade)[3:5]
    spans = [(one.since, one.venue_time) for one in world.of(TradeGap)]
    assert spans == ([(fourth.venue_time, fifth.venue_time)] if both else [])


def test_of_two_copies_that_fall_the_newest_trade_of_either_was_the_last() -> None:
    async def story(world: World) -> None:
        async with world.connect(venue=UNNUMBERED, redundancy=2) as session:
            await session.subscribe_to_trades("A")
            await asyncio.sleep(2)
            first, second = world.server.connections
            for number in (1, 2):
                for one in (first, second) if number == 1 else (first,):
                    one.tell(e="trade", s="A", p=1.0, t=number, T=START + number)
                await asyncio.sleep(0.1)
            first.link.abort()
            second.link.abort()
            await asyncio.sleep(5)
            for one in world.server.connections:
                if one.lost is None:
                    one.tell(e="trade", s="A", p=1.0, t=9, T=START + 9)
            await asyncio.sleep(5)

    world = live(story)
    assert [(one.since, one.venue_time) for one in world.of(TradeGap)] == [(START + 2, START + 9)]
