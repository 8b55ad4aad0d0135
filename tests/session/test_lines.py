"""What the session makes of an error, and what an `on_error` may make of it instead."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from pitwire.model import errors, events
from pitwire.model.clock import SECOND
from pitwire.model.recovery import Halt, Ignore, Reconnect, Recovery, Resync, Wait
from pitwire.wire.link import Link, Receiver
from pitwire.wire.memory import dial_into
from tests.session.world import KEY, World, live, settle

BOOK = {"id_": 10, "b": [[100.0, 1.0]], "a": [[101.0, 1.0]]}


@pytest.mark.parametrize(
    ("decided", "least", "most"),
    [
        (Reconnect(7.0), 7.0, 7.0),
        (Wait(1_700_000_009 * SECOND), 8.0, 9.0),
        (Wait(0), 0.0, 0.25),
        (Ignore(), 0.0, 0.25),  # a lost connection cannot be ignored
    ],
)
def test_a_loss_may_be_given_another_delay(decided: Recovery, least: float, most: float) -> None:
    async def story(world: World) -> None:
        async with world.connect(on_error=lambda error: decided) as session:
            await session.subscribe_to_ticker("A")
            world.server.market.link.abort()
            await asyncio.sleep(10)
            assert len(world.server.connections) == 2

    [lost, *_] = live(story).of(events.Lost)
    assert least <= lost.retry_after_seconds <= most


def test_a_failed_dial_may_be_the_last() -> None:
    async def story(world: World) -> None:
        def decide(error: BaseException) -> Recovery | None:
            return Halt("enough") if isinstance(error, errors.DialFailed) else None

        session = await world.connect(on_error=decide)
        world.server.down = True
        world.server.market.link.abort()
        assert (await session.process_incoming_data()).reason == "enough"
        await session.close()

    live(story)


def raising(world: World, kind: type[Any]) -> Callable[..., None]:
    """A burst listener that raises at each event of this kind."""

    def listen(told: Any, now: int, drained: bool) -> None:
        for event in told:
            world.told.append(event)
            if isinstance(event, kind):
                raise LookupError("raised by a listener")

    return listen


def decided(recovery: Recovery) -> Callable[[BaseException], Recovery | None]:
    return lambda error: recovery if isinstance(error, LookupError) else None


def test_a_listener_that_raises_may_cost_the_connection() -> None:
    async def story(world: World) -> None:
        listen = raising(world, events.Quote)
        options = {"on_event": None, "on_events": listen, "on_error": decided(Reconnect(0.0))}
        async with world.connect(**options) as session:
            await session.subscribe_to_ticker("A")
            world.server.market.tell(e="quote", s="A", bid=1.0)
            await asyncio.sleep(1)
            assert len(world.server.connections) == 2

    assert "raised by a listener" in live(story).of(events.Lost)[0].reason


def test_a_listener_that_finds_a_book_wrong_may_have_it_fetched_again() -> None:
    async def story(world: World) -> None:
        world.server.books["A"] = BOOK
        listen = raising(world, events.BookDelta)
        options = {"on_event": None, "on_events": listen, "on_error": decided(Resync("A"))}
        async with world.connect(**options) as session:
            await session.subscribe_to_book("A")
            await settle()
            world.server.market.tell(e="delta", s="A", U=11, u=11, b=[], a=[])
            await settle()
            assert world.server.fetched == ["/depth", "/depth"]
            assert session.book("A").ready

    world = live(story)
    assert "raised by a listener" in world.of(events.BookStale)[0].reason


def test_a_listener_that_raises_at_a_loss_halts_too() -> None:
    async def story(world: World) -> None:
        session = await world.connect(on_event=None, on_events=raising(world, events.Lost))
        world.server.market.link.abort()
        closed = await session.process_incoming_data()
        assert "LookupError" in closed.reason
        await session.close()

    live(story)


def test_after_a_halt_the_orders_line_stays_for_cancels_until_it_is_closed() -> None:
    async def story(world: World) -> None:
        session = await world.connect(credentials=KEY)
        await session.subscribe_to_order_updates()
        world.server.market.link.close(4000, "banned")
        await session.process_incoming_data()
        await asyncio.sleep(2)
        assert session.may_trade
        session.cancel_all("A", world.loop.now())
        await settle()
        assert world.server.orders.said[-1]["do"] == "cancel_all"
        await session.close()
        assert not session.may_trade

    live(story)


def test_a_private_stream_that_is_refused_raises_and_may_be_asked_for_again() -> None:
    async def story(world: World) -> None:
        world.server.refuse["watch"] = lambda said: {"error": "bad", "text": "no stream today"}
        async with world.connect(credentials=KEY) as session:
            with pytest.raises(errors.RequestRejected, match="no stream today"):
                await session.subscribe_to_order_updates()
            del world.server.refuse["watch"]
            await session.subscribe_to_order_updates()
            await session.subscribe_to_order_updates()
            assert [s["do"] for s in world.server.orders.said].count("watch") == 2

    live(story)


def test_who_gave_up_waiting_for_the_private_stream_may_wait_again() -> None:
    async def story(world: World) -> None:
        async with world.connect(credentials=KEY) as session:
            await session.authenticate_websocket()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await session.subscribe_to_order_updates()
            async with asyncio.timeout(1):
                await session.subscribe_to_order_updates()
            assert [s["do"] for s in world.server.orders.said].count("watch") == 1

    live(story)


def test_a_private_stream_that_is_refused_after_a_loss_is_not_taken_for_one() -> None:
    async def story(world: World) -> None:
        async with world.connect(credentials=KEY) as session:
            await session.subscribe_to_order_updates()
            world.server.refuse["watch"] = lambda said: {"error": "bad", "text": "not now"}
            world.server.orders.link.abort()
            await asyncio.sleep(2)
            with pytest.raises(errors.RequestRejected, match="not now"):
                await session.subscribe_to_order_updates()
            del world.server.refuse["watch"]
            await session.subscribe_to_order_updates()

    assert [event.what for event in live(story).of(events.Rejected)] == ["watch_orders"] * 2


def test_another_login_leaves_the_private_stream_of_the_same_key_as_it_is() -> None:
    async def story(world: World) -> None:
        async with world.connect(credentials=KEY) as session:
            await session.subscribe_to_order_updates()
            await session.authenticate_websocket()
            await session.subscribe_to_order_updates()
            watches = [s["do"] for s in world.server.orders.said].count("watch")
            assert watches == 1  # a second is refused (binance §6.1, -2035)
            world.server.orders.link.abort()
            await asyncio.sleep(2)
            assert [s["do"] for s in world.server.orders.said] == ["time", "login", "watch"]

    live(story)


def test_a_login_the_venue_has_no_time_for_is_tried_again() -> None:
    async def story(world: World) -> None:
        until = world.loop.now() + 4 * SECOND

        def later(said: Any) -> dict[str, Any]:
            busy = world.loop.now() < until
            return {"error": "limited", "text": str(until)} if busy else {}

        world.server.refuse["login"] = later
        async with world.connect(credentials=KEY) as session:
            before = world.loop.now()
            await session.authenticate_websocket()
            assert 4 * SECOND <= world.loop.now() - before < 5 * SECOND

    live(story)


def test_another_refusal_of_a_login_is_a_failed_login_too() -> None:
    async def story(world: World) -> None:
        world.server.refuse["login"] = lambda said: {"error": "bad", "text": "what?"}
        async with world.connect(credentials=KEY) as session:
            with pytest.raises(errors.AuthenticationFailed, match="what"):
                await session.authenticate_websocket()

    live(story)


def test_lines_opened_while_a_stream_is_full_hold_still_as_well() -> None:
    async def story(world: World) -> None:
        async with world.connect() as session:
            await session.subscribe_to_trades(*(f"S{n}" for n in range(4)))
            stream = session.stream(events.Trade, capacity=2)
            for number in range(4):
                world.server.market.tell(e="trade", s="S0", p=1.0, t=number)
            await settle()
            await session.subscribe_to_trades("S4")
            assert len(world.server.connections) == 2
            for number in range(4):
                world.server.market.tell(e="trade", s="S4", p=1.0, t=number)
            await settle()
            held = len(stream)
            assert [(await anext(stream)).symbol for _ in range(8)] == ["S0"] * 4 + ["S4"] * 4
            assert held == 4

    live(story)


def test_an_on_error_that_raises_halts_and_says_so() -> None:
    async def story(world: World) -> None:
        def decide(error: BaseException) -> Recovery | None:
            raise KeyError("no idea")

        session = await world.connect(on_error=decide)
        world.server.market.link.abort()
        closed = await session.process_incoming_data()
        assert closed.reason.startswith("on_error raised KeyError")
        assert isinstance(closed.error, errors.ConnectionLost)
        await session.close()

    live(story)


def test_a_tap_that_raises_is_a_listener_that_raises() -> None:
    async def story(world: World) -> None:
        def tap(link: str, way: str, payload: object, now: int, drained: bool) -> None:
            if way == "out":
                raise OSError("disk full")

        session = await world.connect(tap=tap)
        asking = asyncio.ensure_future(session.subscribe_to_ticker("A"))
        closed = await session.process_incoming_data()
        assert "disk full" in closed.reason
        with pytest.raises(errors.StateError, match="disk full"):
            await asking
        await session.close()

    live(story)


def test_an_unsubscribe_waits_for_a_subscribe_that_is_still_dialling() -> None:
    async def story(world: World) -> None:
        async with world.connect() as session:
            await session.subscribe_to_ticker(*(f"S{n}" for n in range(4)))
            adding = asyncio.ensure_future(session.subscribe_to_ticker("S4"))
            await asyncio.sleep(0)
            await session.unsubscribe("ticker", "S4")
            with pytest.raises(errors.StateError, match="unsubscribed"):
                await adding
            await settle()
            assert world.server.market.asks in ([], [("ticker", "S4", "")])

    live(story)


def test_a_clock_question_without_an_answer_costs_nothing() -> None:
    async def story(world: World) -> None:
        world.server.refuse["time"] = lambda said: None
        async with world.connect(credentials=KEY) as session:
            await session.authenticate_websocket()
            await asyncio.sleep(200)
            assert session.may_trade
            assert len(world.server.connections) == 2

    live(story)


def test_a_variant_named_or_meant_is_the_same_stream() -> None:
    async def story(world: World) -> None:
        async with world.connect(book_option="fast") as session:
            world.server.books["A"] = BOOK
            await session.subscribe_to_book("A")
            await session.subscribe_to_book("A", option="fast")
            assert world.server.market.asks == [("book", "A", "fast")]

    live(story)


def test_a_book_stays_while_another_variant_of_it_is_wanted() -> None:
    async def story(world: World) -> None:
        world.server.books["A"] = BOOK
        async with world.connect() as session:
            await session.subscribe_to_book("A", option="fast")
            await session.subscribe_to_book("A", option="slow")
            await settle()
            await session.unsubscribe("book", "A", option="slow")
            world.server.market.tell(e="delta", s="A", U=11, u=11, b=[], a=[])
            await settle()
            assert session.book("A").last_id == 11
            await session.unsubscribe("book", "A", option="fast")
            assert not session.book("A").ready

    assert [stale.reason for stale in live(story).of(events.BookStale)] == ["unsubscribed"]


def test_why_a_book_does_not_come_is_told() -> None:
    async def story(world: World) -> None:
        async with world.connect(fetch=None) as session:
            await session.subscribe_to_book("A")
            await settle()

    [refused] = live(story).of(events.Rejected)
    assert (refused.symbol, refused.what) == ("A", "snapshot")
    assert "a dial of our own was given, but no fetch" in refused.text


def test_a_line_that_is_dialled_while_the_session_ends_is_closed_again() -> None:
    async def story(world: World) -> None:
        inner = dial_into(world.server.welcome)

        async def dial(url: str, receiver: Receiver) -> Link:
            await asyncio.sleep(3 if "orders" in url else 0)
            return await inner(url, receiver)

        session = await world.connect(credentials=KEY, dial=dial)
        login = asyncio.ensure_future(session.authenticate_websocket())
        await asyncio.sleep(1)
        await session.close()
        with pytest.raises(errors.StateError, match="closed by us"):
            await login
        assert world.server.orders.lost is not None

    live(story)


def test_a_session_that_is_over_dials_and_fetches_no_more() -> None:
    async def story(world: World) -> None:
        session = await world.connect(credentials=KEY)
        await session.close()
        for verb in (
            session.authenticate_websocket(),
            session.subscribe_to_order_updates(),
            session.subscribe_to_ticker("A", "B", "C", "D", "E"),
            session.load_instruments(["A"]),
        ):
            with pytest.raises(errors.StateError, match="closed by us"):
                await verb
        assert world.server.dials == 1
        assert not world.server.fetched

    live(story)
