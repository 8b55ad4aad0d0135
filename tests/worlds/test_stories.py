"""Named stories: one thing goes wrong at the worst moment, and what must come of it.

Each asserts what every world must hold (no oracle complains) and the story's own outcome.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from pitwire.model import events as ev
from pitwire.model.clock import SECOND
from pitwire.model.orders import OrderState, Side
from pitwire.sim.facades.binance_options import BinanceOptions
from pitwire.sim.facts import Kind, NewOrder, Status
from pitwire.sim.faults import (
    ClockSkew,
    Drop,
    Duplicate,
    Fault,
    FillBeforeAck,
    HttpError,
    LoseAck,
    Malformed,
    RefuseDial,
    Reorder,
    Rewrite,
    ServerShutdown,
    Stall,
)
from pitwire.trading.journal import Came, Refusal
from pitwire.trading.rules import Rule, rule, trades
from pitwire.trading.tracked import Change
from pitwire.trading.wishes import buy, cancel, replace, sell
from tests.worlds.room import Outcome, Plan, Room, Story, run

BTC, ETH = "BTC-USDT", "ETH-USDT"
FAR_BELOW = 58_000
"""A bid here rests, within the venue's and the desk's collars."""
WAY = 0.1
"""Roughly how long one way takes under `overseas`, in seconds."""


def play(
    story: Story,
    *faults: Fault,
    scenario: str = "calm",
    latency: str = "none",
    keys: str = "ed25519",
    rules: list[Rule] | None = None,
    config: str = "",
    options: BinanceOptions | None = None,
    bustle: float = 0.25,
) -> tuple[Room, Outcome]:
    """A world in which nobody trades but the story."""
    plan = Plan(
        seed=11, scenario=scenario, latency=latency, keys=keys, script=faults, bustle=bustle
    )
    room = Room(plan, rules=rules or [], config=config, options=options)
    outcome = room.play(story)
    assert outcome.complaints == ()
    return room, outcome


def came(room: Room, kind: type) -> list[ev.Event]:
    """The events of this kind that were written down, our own goodbye left out."""
    return [
        record.event
        for record in room.journal.records
        if isinstance(record, Came) and isinstance(record.event, kind)
        and record.at < room.judged
    ]  # fmt: skip


def position(room: Room, symbol: str = BTC) -> Decimal:
    """What the desk's own fills made."""
    return room.desk.engine.state.portfolio.holding(symbol).bought


NOTHING_IS_HEARD: tuple[Fault, ...] = (
    LoseAck(at_seconds=3.5, kind="place"),
    Drop(at_seconds=3.5, for_seconds=1.5, count=0, stream="userData"),
)
"""What the venue says of an order that is placed four seconds after the start is lost."""

# ── a cut in the middle of an order ──────────────────────────────────────────────────────────


def test_cut_before_the_venue_has_the_order() -> None:
    made = []

    async def story(room: Room) -> None:
        await room.reach(4)
        made.extend(room.wish(buy(BTC, 0.01, price=FAR_BELOW)))
        await asyncio.sleep(WAY / 10)
        room.cut("orders*")
        await room.until(lambda: made[0].state is OrderState.UNKNOWN, within_seconds=1)
        await room.until(lambda: room.desk.session.may_trade)
        # While it is unknown nothing else may be sent in this symbol.
        assert room.wish(buy(BTC, 0.02, price=FAR_BELOW)) == []
        await room.until(lambda: not room.desk.engine.state.blind)
        assert room.wish(buy(BTC, 0.02, price=FAR_BELOW)) == []
        await room.until(lambda: ETH not in room.desk.engine.state.missed, within_seconds=2)
        assert room.wish(buy(BTC, 0.02, price=FAR_BELOW)) == []
        assert len(room.wish(buy(ETH, 0.1, price=2_900))) == 1
        await room.until(lambda: not made[0].is_open)

    room, outcome = play(story, latency="overseas")
    (order,) = made
    assert (order.state, order.declared_dead) == (OrderState.REJECTED, True)
    assert order.id not in room.witness.names
    assert order.changed_at - order.sent_at > 14 * SECOND
    assert outcome.unknowns == 1


def test_cut_after_the_venue_accepted_and_before_it_could_say_so() -> None:
    made = []

    async def story(room: Room) -> None:
        await room.reach(4)
        made.extend(room.wish(buy(BTC, 0.01, price=FAR_BELOW)))
        await asyncio.sleep(4 * WAY)
        assert room.witness.names == {made[0].id: 1}
        assert made[0].state is OrderState.SENT
        room.cut()
        await room.until(lambda: made[0].state is OrderState.UNKNOWN, within_seconds=1)
        await room.until(lambda: made[0].state is OrderState.OPEN, within_seconds=5)
        assert room.witness.names == {made[0].id: 1}

    _, outcome = play(story, *NOTHING_IS_HEARD, latency="overseas")
    assert made[0].state is OrderState.CANCELED
    assert outcome.unknowns == 1


def test_cut_after_the_fill_and_before_its_report() -> None:
    made = []

    async def story(room: Room) -> None:
        await room.reach(4)
        made.extend(room.wish(buy(BTC, 0.01)))
        await asyncio.sleep(4 * WAY)
        assert made[0].state is OrderState.SENT
        room.cut()
        await room.until(lambda: made[0].state is OrderState.FILLED, within_seconds=5)

    room, outcome = play(story, *NOTHING_IS_HEARD, latency="overseas")
    assert made[0].done == Decimal("0.01")
    # What the fills were is asked for.
    assert (made[0].filled, outcome.missing) == (Decimal("0.01"), 0)
    assert room.witness.names == {made[0].id: 1}


def test_what_fills_while_we_are_away_is_booked_fill_by_fill() -> None:
    made = []

    async def story(room: Room) -> None:
        await room.reach(4)
        bid = room.desk.engine.state.touch(BTC)[0]
        made.extend(room.wish(sell(BTC, 0.01, price=bid + 30)))
        await room.until(lambda: made[0].state is OrderState.OPEN)
        room.cut()
        room.world.nudge(BTC, 30)
        await room.until(lambda: made[0].state is OrderState.FILLED)
        await room.until(lambda: room.desk.engine.state.portfolio.position(BTC) == Decimal("-0.01"))

    _, outcome = play(story)
    assert (made[0].filled, outcome.missing) == (Decimal("0.01"), 0)


def test_cut_in_the_middle_of_a_replacement() -> None:
    made = []

    async def story(room: Room) -> None:
        await room.reach(4)
        made.extend(room.wish(buy(BTC, 0.01, price=FAR_BELOW)))
        await room.until(lambda: made[0].state is OrderState.OPEN)
        made.extend(room.wish(replace(made[0].id, buy(BTC, 0.02, price=FAR_BELOW - 10))))
        while len(room.witness.names) < 2:
            await asyncio.sleep(0.001)
        room.cut("orders*")
        await room.until(lambda: made[1].state is OrderState.OPEN, within_seconds=10)
        await room.until(lambda: made[0].state is OrderState.CANCELED, within_seconds=10)

    play(story, latency="overseas")
    assert [order.state for order in made] == [OrderState.CANCELED, OrderState.CANCELED]


def test_cut_in_the_middle_of_a_cancel() -> None:
    made = []

    async def story(room: Room) -> None:
        await room.reach(4)
        made.extend(room.wish(buy(BTC, 0.01, price=FAR_BELOW)))
        await room.until(lambda: made[0].state is OrderState.OPEN)
        room.cancel_all()
        await asyncio.sleep(WAY / 10)
        room.cut()
        # The venue never heard of it: the order is open, and open is what we must learn.
        await room.until(lambda: room.desk.session.may_trade)
        await room.live(2)
        assert made[0].state is OrderState.OPEN
        assert not made[0].cancel_sent

    play(story, latency="overseas")
    assert made[0].state is OrderState.CANCELED


# ── market data ───────────────────────────────────────────────────────────────────────────────


def test_a_gap_in_one_book_concerns_that_book_alone() -> None:
    async def story(room: Room) -> None:
        await room.reach(4.95)
        await room.until(lambda: not room.desk.engine.state.books[BTC].ready, within_seconds=1)
        assert room.desk.engine.state.stale == {BTC: {"book": "gap"}}
        assert room.wish(buy(BTC, 0.01)) == []
        assert len(room.wish(buy(ETH, 0.1))) == 1
        await room.until(lambda: room.desk.engine.state.books[BTC].ready, within_seconds=1)

    gap = Drop(at_seconds=5, stream="btcusdt@depth*", count=2)
    room, _ = play(story, gap, latency="overseas")
    stale = came(room, ev.BookStale)
    assert [(event.symbol, event.reason) for event in stale] == [(BTC, "gap")]
    assert came(room, ev.Lost) == []
    refused = [record for record in room.journal.records if isinstance(record, Refusal)]
    assert [record.limit for record in refused] == ["stale input"]


def test_duplicates_and_overtaking_change_nothing() -> None:
    faults = (Duplicate(at_seconds=3, count=200), Reorder(at_seconds=5, stream="*depth*", count=2))

    async def story(room: Room) -> None:
        await room.reach(8)

    room, _ = play(story, *faults)
    assert {type(fault) for _, fault in room.world.plan.happened} == {Duplicate, Reorder}
    assert came(room, ev.Lost) == []


def test_malformed_frames_are_counted_and_their_trades_fetched() -> None:
    ways = ("truncated", "html", "garbage", "empty")
    faults = [
        Malformed(at_seconds=3 + 2 * index, how=how, link="market*")
        for index, how in enumerate(ways)
    ]
    faults.append(Malformed(at_seconds=14, how="html", stream="btcusdt@trade"))

    async def story(room: Room) -> None:
        await room.reach(16)

    room, _ = play(story, *faults)
    # A truncated frame may be empty; an empty one is malformed too.
    assert len(came(room, ev.Malformed)) == 5
    assert came(room, ev.Lost) == []
    assert came(room, ev.TradeGap) == []
    assert room.inspector.backfilled[BTC] >= 1


@pytest.mark.parametrize("latency", ["none", "overseas"])
def test_trades_that_a_lost_connection_took_along_are_fetched(latency: str) -> None:
    async def story(room: Room) -> None:
        await room.reach(4)
        room.cut("market*")
        await room.live(8)

    room, _ = play(story, latency=latency)
    assert len(room.inspector.losses) >= 1
    assert came(room, ev.TradeGap) == []
    assert room.inspector.backfilled.total() >= 1


def test_trades_that_cannot_be_fetched_are_named() -> None:
    async def story(room: Room) -> None:
        await room.reach(4)
        room.cut("market*")
        await room.live(8)

    room, _ = play(story, HttpError(at_seconds=3, kind="trades.historical", count=500))
    assert len(came(room, ev.TradeGap)) >= 1
    assert room.inspector.backfilled.total() == 0


def test_a_run_of_malformed_frames_costs_the_connection() -> None:
    async def story(room: Room) -> None:
        await room.reach(8)

    room, _ = play(story, Malformed(at_seconds=3, how="garbage", link="market*", count=5))
    assert [event.link for event in came(room, ev.Lost)] == ["market-1"]


def test_a_mute_connection_comes_back_without_a_wrong_word() -> None:
    async def story(room: Room) -> None:
        await room.reach(36)

    room, _ = play(story, Stall(at_seconds=5, for_seconds=30, link="market*"))
    assert {event.symbol for event in came(room, ev.BookStale)} == {BTC, ETH}
    assert came(room, ev.TradeGap) == []
    assert came(room, ev.Lost) or min(room.inspector.backfilled[one] for one in (BTC, ETH)) > 0


def test_a_crossed_book_is_not_traded_on_and_comes_back_alone() -> None:
    faults = Rewrite(
        at_seconds=5,
        stream="btcusdt@depth*",
        pattern=r'"b":\[\["[\d.]+","[\d.]+"',
        by='"b":[["99999.00000000","1.00000000"',
        count=3,
    )

    async def story(room: Room) -> None:
        await room.reach(4.9)
        state = room.desk.engine.state
        await room.until(lambda: not state.books[BTC].ready, within_seconds=2)
        assert state.stale == {BTC: {"book": "crossed"}}
        assert room.wish(buy(BTC, 0.01)) == []
        assert len(room.wish(buy(ETH, 0.1))) == 1
        await room.reach(9)
        assert state.books[BTC].ready

    room, _ = play(story, faults, latency="overseas")
    assert {(event.symbol, event.reason) for event in came(room, ev.BookStale)} == {
        (BTC, "crossed")
    }
    assert came(room, ev.Lost) == []


def test_an_audit_finds_what_no_number_shows_and_mends_it() -> None:
    """Sizes are falsified on their way: ids follow, and the book is silently wrong."""
    faults = Rewrite(
        at_seconds=5,
        stream="btcusdt@depth*",
        pattern=r'","[\d.]*[1-9][\d.]*"\]',
        by='","7.77777000"]',
        count=30,
    )

    async def story(room: Room) -> None:
        await room.until(lambda: came(room, ev.BookStale), within_seconds=130)
        assert {text[0] for text in room.complaints.found} == {"A"}, "it was wrong till then"
        room.complaints.found.clear()
        await room.live(60)

    room, _ = play(story, faults, bustle=0.05)
    [stale] = came(room, ev.BookStale)
    assert stale.symbol == BTC
    assert stale.reason.startswith("audit: ")
    report = room.desk.health.snapshot(room.clock.now())
    assert report.audit_differences == 1
    assert report.audits >= 3, "once a minute each"


@pytest.mark.parametrize("faults", ["late-snapshot", "stale-snapshot"])
def test_a_book_waits_for_a_snapshot_that_fits(faults: str) -> None:
    outcome = run(Plan(seed=12, faults=f"{faults}+cut", seconds=12, latency="same-city"))
    assert outcome.complaints == ()
    assert outcome.losses >= 2
    assert outcome.compared > 100


# ── connections ───────────────────────────────────────────────────────────────────────────────


def test_refused_dials_are_not_hammered() -> None:
    dials = []

    async def story(room: Room) -> None:
        await room.reach(5)
        room.cut()
        await room.live(3)
        assert not room.desk.session.may_trade
        assert room.wish(buy(ETH, 0.1)) == []
        await room.until(lambda: room.desk.session.may_trade, within_seconds=120)
        dials.extend(at for at, fault in room.world.plan.happened if isinstance(fault, RefuseDial))

    play(story, RefuseDial(at_seconds=4, count=0, for_seconds=60, status=503))
    # Two connections, a minute, delays that grow: far fewer than one a second each.
    assert 4 <= len(dials) <= 40


def test_a_refusal_that_names_a_time_is_obeyed() -> None:
    story_dials = []

    async def story(room: Room) -> None:
        await room.reach(5)
        room.cut("market*")
        await room.until(lambda: room.is_calm(), within_seconds=60)
        story_dials.extend(
            at for at, fault in room.world.plan.happened if isinstance(fault, RefuseDial)
        )

    refusal = RefuseDial(at_seconds=4, link="market*", count=2, status=503, retry_after_seconds=7)
    play(story, refusal)
    assert len(story_dials) == 2
    assert story_dials[1] - story_dials[0] >= 7 * SECOND


def test_a_venue_that_announces_its_restart() -> None:
    async def story(room: Room) -> None:
        await room.reach(5.5)
        made = room.wish(buy(BTC, 0.01, price=FAR_BELOW))
        await room.live(8)
        assert made[0].state is OrderState.OPEN or not made

    room, _ = play(story, ServerShutdown(at_seconds=5, lead_seconds=5))
    assert {event.link for event in came(room, ev.VenueShutdown)} == {"market-1", "orders"}
    # They move on before they are thrown out, and are not thrown out again.
    lost = came(room, ev.Lost)
    assert {event.link for event in lost} == {"market-1", "orders"}


def test_a_connection_that_has_lived_its_day() -> None:
    made = []

    async def story(room: Room) -> None:
        await room.reach(5)
        made.extend(room.wish(buy(BTC, 0.01, price=FAR_BELOW)))
        await room.reach(75)
        assert made[0].state is OrderState.OPEN

    options = BinanceOptions(lifetime_seconds=30)
    room, _ = play(story, options=options, latency="same-city")
    lost = came(room, ev.Lost)
    assert {event.link for event in lost} == {"market-1", "orders"}
    assert len(lost) == 4
    assert made[0].state is OrderState.CANCELED


def test_a_mute_orders_connection_stops_new_orders() -> None:
    made = []

    async def story(room: Room) -> None:
        await room.reach(5.5)
        made.extend(room.wish(buy(BTC, 0.01, price=FAR_BELOW)))
        await room.until(lambda: made[0].state is OrderState.UNKNOWN, within_seconds=5.5)
        assert room.wish(buy(BTC, 0.02, price=FAR_BELOW)) == []
        await room.until(lambda: made[0].state is OrderState.OPEN, within_seconds=45)

    room, outcome = play(story, Stall(at_seconds=5, for_seconds=30, link="orders*"))
    assert outcome.unknowns >= 1
    assert room.witness.names[made[0].id] == 1


# ── clocks ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("keys", ["ed25519", "hmac"])
@pytest.mark.parametrize("seconds", [-6.0, 6.0])
def test_a_clock_that_is_wrong_from_the_start_is_measured(keys: str, seconds: float) -> None:
    made = []

    async def story(room: Room) -> None:
        await room.reach(2)
        made.extend(room.wish(buy(BTC, 0.01, price=FAR_BELOW)))
        await room.until(lambda: made[0].state is OrderState.OPEN, within_seconds=2)

    room, _ = play(story, ClockSkew(seconds=seconds), keys=keys)
    assert abs(room.desk.engine.state.offset.offset - seconds * SECOND) < SECOND / 10
    assert made[0].state is OrderState.CANCELED


@pytest.mark.parametrize("seconds", [-6.0, 6.0])
def test_a_clock_that_jumps_costs_one_order_at_most(seconds: float) -> None:
    made = []

    async def story(room: Room) -> None:
        await room.reach(5)
        for size in (0.01, 0.02):
            made.extend(room.wish(buy(BTC, size, price=FAR_BELOW)))
            await room.live(2)
        assert made[-1].state is OrderState.OPEN

    play(story, ClockSkew(at_seconds=4, seconds=seconds), keys="hmac")
    assert made[0].state in (OrderState.REJECTED, OrderState.CANCELED)


# ── answers ───────────────────────────────────────────────────────────────────────────────────


def test_a_fill_before_its_acknowledgement() -> None:
    made = []

    async def story(room: Room) -> None:
        await room.reach(4)
        made.extend(room.wish(buy(BTC, 0.01)))
        await room.until(lambda: made[0].state is OrderState.FILLED, within_seconds=1)
        assert position(room) == Decimal("0.01")

    room, outcome = play(story, FillBeforeAck(count=0))
    assert position(room) == Decimal("0.01")
    assert (outcome.unknowns, outcome.missing) == (0, 0)


def test_a_lost_answer_to_an_order_whose_report_came() -> None:
    made = []

    async def story(room: Room) -> None:
        await room.reach(4)
        made.extend(room.wish(buy(BTC, 0.01, price=FAR_BELOW)))
        await room.until(lambda: made[0].state is OrderState.OPEN, within_seconds=1)
        await room.live(8)
        assert made[0].state is OrderState.OPEN

    _, outcome = play(story, LoseAck(kind="place"))
    assert outcome.unknowns == 0


def test_a_lost_answer_and_a_lost_report() -> None:
    made = []

    async def story(room: Room) -> None:
        await room.reach(4)
        made.extend(room.wish(buy(BTC, 0.01, price=FAR_BELOW)))
        await room.until(lambda: made[0].state is OrderState.UNKNOWN, within_seconds=6)
        await room.until(lambda: made[0].state is OrderState.OPEN, within_seconds=3)
        assert room.witness.names == {made[0].id: 1}

    _, outcome = play(story, LoseAck(kind="place"), Drop(at_seconds=3, stream="userData", count=2))
    assert outcome.unknowns == 1


@pytest.mark.parametrize("report", [True, False])
def test_a_lost_answer_to_a_cancel(report: bool) -> None:
    made = []

    async def story(room: Room) -> None:
        await room.reach(4)
        made.extend(room.wish(buy(BTC, 0.01, price=FAR_BELOW)))
        await room.live(2)
        room.wish(cancel(BTC))
        within = 1 if report else 10
        await room.until(lambda: made[0].state is OrderState.CANCELED, within_seconds=within)

    faults: list[Fault] = [LoseAck(kind="cancel")]
    if not report:
        faults.append(Drop(at_seconds=5.9, stream="userData", count=2))
    play(story, *faults)


def test_replacement_and_fill_race() -> None:
    """What began to trade under way is not replaced: together they would be too much."""
    made = []

    async def story(room: Room) -> None:
        await room.reach(4)
        best = Decimal(str(room.desk.engine.state.touch(BTC)[0])) + Decimal("0.01")
        made.extend(room.wish(buy(BTC, 0.05, price=best)))
        await room.until(lambda: made[0].state is OrderState.OPEN)
        made.extend(room.wish(replace(made[0].id, buy(BTC, 0.05, price=FAR_BELOW))))
        room.world.exchange.open_account("whale", {"BTC": Decimal(1000)})
        ahead = sum(
            Decimal(size)
            for price, size in room.world.truth_book(BTC)[1][:50]
            if Decimal(price) > best
        )
        lots = int(ahead * 100_000) + 300
        room.world.exchange.place(
            NewOrder(account="whale", symbol=BTC, side=Side.SELL, kind=Kind.MARKET, lots=lots),
            room.clock.now(),
        )
        room.world.act()
        await room.until(lambda: not made[1].is_open, within_seconds=5)
        assert (made[0].filled > 0, made[0].is_open) == (True, True)
        assert not made[0].cancel_sent

    play(story, latency="overseas")
    assert made[1].state is OrderState.REJECTED


def test_cancel_and_fill_race() -> None:
    made = []

    async def story(room: Room) -> None:
        await room.reach(4)
        bid = room.desk.engine.state.touch(BTC)[0]
        made.extend(room.wish(buy(BTC, 0.01, price=bid)))
        await room.until(lambda: made[0].state is OrderState.OPEN)
        # It fills while our cancel is under way.
        room.cancel_all()
        room.world.nudge(BTC, -20)
        room.world.exchange.open_account("whale", {"BTC": Decimal(1000)})
        room.world.exchange.place(
            NewOrder(
                account="whale", symbol=BTC, side=Side.SELL, kind=Kind.MARKET, lots=10_000_000
            ),
            room.clock.now(),
        )
        room.world.act()
        await room.until(lambda: not made[0].is_open, within_seconds=5)

    play(story, latency="overseas")
    assert made[0].state is OrderState.FILLED


# ── limits ────────────────────────────────────────────────────────────────────────────────────

FLOOD = """
[risk]
max_orders_per_second = 1000
max_orders_per_ten_seconds = 1000
max_open_orders = 1000
max_open_orders_per_symbol = 190
max_unanswered_orders = 1000
duplicate_seconds = 0
"""


def test_a_flood_of_orders_never_breaks_the_venues_limit() -> None:
    """What had no room within two seconds of its decision never leaves."""
    made = []

    async def story(room: Room) -> None:
        await room.reach(4)
        for step in range(150):
            made.extend(room.wish(buy(BTC, 0.001, price=FAR_BELOW - step)))
        assert len(made) == 150
        await room.live(1.9)
        assert len(room.world.exchange.open_orders("main")) == 100
        assert {order.state for order in made[100:]} == {OrderState.SENT}
        await room.live(0.2)
        assert {order.state for order in made[100:]} == {OrderState.REJECTED}
        for order in made[100:]:
            assert (order.proof.by, order.proof.said) == ("desk", "rejected")
            assert order.proof.text.startswith("never sent: waited 2.0 s")
        # A cancel does not stand in the queue of orders.
        room.wish(cancel(order_id=made[0].id))
        await room.until(lambda: made[0].state is OrderState.CANCELED, within_seconds=1)
        await room.live(12)

    room, _ = play(story, config=FLOOD)
    assert {order.state for order in made[:100]} == {OrderState.CANCELED}
    there = {one.original_client_id for one in room.world.exchange.all_orders("main", BTC)}
    assert there == {order.id for order in made[:100]}, "the venue has heard of no other"


def test_a_flood_of_orders_may_be_allowed_to_wait() -> None:
    made = []

    async def story(room: Room) -> None:
        await room.reach(4)
        for step in range(150):
            made.extend(room.wish(buy(BTC, 0.001, price=FAR_BELOW - step)))
        await room.until(lambda: all(order.acknowledged for order in made), within_seconds=12)

    play(story, config=f"[desk]\norder_deadline_seconds = 30\n{FLOOD}")
    assert {order.state for order in made} == {OrderState.CANCELED}


def test_a_limited_snapshot_is_waited_for() -> None:
    body = '{"code":-1003,"msg":"Too many requests."}'
    faults = HttpError(
        at_seconds=4, kind="snapshot", status=429, body=body, content_type="application/json",
        count=2,
    )  # fmt: skip

    async def story(room: Room) -> None:
        await room.reach(5)
        room.cut("market*")
        await room.live(0.1)
        await room.until(room.is_calm, within_seconds=60)

    room, _ = play(story, faults)
    asked = [at for at, fault in room.world.plan.happened if isinstance(fault, HttpError)]
    assert len(asked) == 2


# ── markets ───────────────────────────────────────────────────────────────────────────────────


def _once_below(level: int, fired: dict[int, float]) -> Rule:
    @rule(trades(BTC), name=f"below {level}")
    def falls(state, now):
        if level not in fired and state.event.price < level:
            fired[level] = state.event.price
            yield sell(BTC, 0.0002, tag=str(level))

    return falls


def test_a_flash_crash_under_many_rules() -> None:
    levels = range(56_500, 60_000, 20)
    fired: dict[int, float] = {}
    rules = [_once_below(level, fired) for level in levels]

    async def story(room: Room) -> None:
        await room.reach(24)

    room, _ = play(story, scenario="flash-crash", rules=rules, config=FLOOD + "collar_percent = 20")
    listing = room.world.exchange.listings[BTC]
    lowest = min(float(fact.price * listing.tick) for fact in room.witness.trades[BTC].values())
    assert lowest < 57_000
    assert sorted(fired) == [level for level in levels if lowest < level]
    ordered = [tracked for tracked in map(room.tracked, room.witness.names) if tracked.tag]
    refused = [record for record in room.journal.records if isinstance(record, Refusal)]
    expired = [
        record
        for record in room.journal.records
        if isinstance(record, Change) and record.text.startswith("never sent: waited 2.")
    ]
    assert {record.after for record in expired} == {OrderState.REJECTED}
    assert len(ordered) + len(refused) + len(expired) == len(fired)


def test_a_market_order_that_eats_the_whole_book() -> None:
    made = []

    async def story(room: Room) -> None:
        await room.reach(4)
        total = sum(lots for _, lots in room.world.exchange.book(ETH).asks)
        size = total * room.world.exchange.listings[ETH].lot
        # Risk does not let it pass while it can see the end of the book,
        assert room.wish(buy(ETH, size + 1)) == []
        # so most of the book goes away while the order is under way.
        made.extend(room.wish(buy(ETH, size / 2)))
        room.world.exchange.open_account("whale", {"USDT": Decimal(10**9)})
        room.world.exchange.place(
            NewOrder(
                account="whale", symbol=ETH, side=Side.BUY, kind=Kind.MARKET, lots=total * 3 // 4
            ),
            room.clock.now(),
        )
        room.world.act()
        await room.until(lambda: not made[0].is_open, within_seconds=5)

    play(story, scenario="thin", latency="overseas", config="[risk]\ncollar_percent = 50\n")
    (order,) = made
    assert order.state is OrderState.EXPIRED
    assert 0 < order.filled < order.size


# ── other people's orders ─────────────────────────────────────────────────────────────────────


def foreign(room: Room, name: str = "by-hand") -> None:
    """Somebody places an order on our account, far from the market."""
    request = NewOrder(
        account="main", symbol=BTC, side=Side.BUY, kind=Kind.LIMIT, lots=1000, price=5_000_000,
        client_id=name,
    )  # fmt: skip
    room.world.exchange.place(request, room.clock.now())
    room.world.act()


def test_a_foreign_order_is_counted_and_never_touched() -> None:
    async def story(room: Room) -> None:
        await room.reach(4)
        foreign(room)
        made = room.wish(buy(BTC, 0.01, price=FAR_BELOW))
        await room.live(1)
        assert not room.tracked("by-hand").is_ours
        room.wish(cancel())
        assert room.wish(cancel(order_id="by-hand")) == []
        await room.until(lambda: made[0].state is OrderState.CANCELED)
        room.cut()
        foreign(room, "while-away")
        await room.until(room.is_calm)
        room.desk.halt("enough", "a person")
        await room.live(1)

    room, _ = play(story)
    found = room.witness.orders()
    assert {found[name].status for name in ("by-hand", "while-away")} == {Status.NEW}


def test_a_kill_switch_thrown_while_nobody_is_reached() -> None:
    made = []

    async def story(room: Room) -> None:
        await room.reach(4)
        made.extend(room.wish(buy(BTC, 0.01, price=FAR_BELOW), buy(ETH, 0.1, price=2_900)))
        await room.live(1)
        assert [order.state for order in made] == [OrderState.OPEN] * 2
        room.cut()
        await room.live(2)
        assert not room.desk.session.may_trade
        room.desk.halt("enough", "a person")
        # The cancels cannot leave now; they do as soon as there is a way.
        await room.until(lambda: room.desk.session.may_trade, within_seconds=60)
        await room.until(lambda: not any(order.is_open for order in made), within_seconds=5)
        assert room.wish(buy(ETH, 0.1)) == []

    room, _ = play(story, RefuseDial(at_seconds=4, count=0, for_seconds=10))
    assert room.desk.engine.screen.halted == "enough"


def test_a_desk_that_stops_takes_its_orders_with_it_and_no_others() -> None:
    made = []

    async def story(room: Room) -> None:
        await room.reach(4)
        foreign(room)
        made.extend(
            room.wish(buy(BTC, 0.01, price=FAR_BELOW), sell(ETH, 0.1, price=3_100, tag="other"))
        )
        await room.live(1)

    plan = Plan(seed=11, latency="overseas")
    room = Room(plan, rules=[], config="")

    async def whole() -> None:
        await room.open()
        await story(room)
        await room.desk.stop()

    room.world.run(whole())
    assert [order.state for order in made] == [OrderState.CANCELED] * 2
    assert room.desk.left_open == ()
    assert room.witness.orders()["by-hand"].status is Status.NEW
    assert room.complaints.found == []


def test_a_desk_that_stops_while_nobody_is_reached_says_what_it_leaves() -> None:
    plan = Plan(seed=11, script=(RefuseDial(at_seconds=4, count=0, for_seconds=60),))
    room = Room(plan, rules=[], config="")

    async def whole() -> None:
        await room.open()
        await room.reach(4)
        room.wish(buy(BTC, 0.01, price=FAR_BELOW))
        await room.live(1)
        room.cut()
        await room.live(1)
        await room.desk.stop()

    room.world.run(whole())
    (name,) = room.witness.names
    assert room.desk.left_open == (name,)
    assert room.witness.orders()[name].status is Status.NEW
