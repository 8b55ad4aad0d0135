"""The verbs, end to end over memory links in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pitwire.model import errors, events
from pitwire.model.clock import SECOND
from pitwire.model.events import Event
from pitwire.model.orders import AmendOrder, CancelOrder, RejectReason, ReplaceOrder, UpdateKind
from pitwire.model.recovery import Halt, Ignore, Reconnect, Resync, Wait
from pitwire.session.obedience import ACCOUNT
from pitwire.session.session import Session
from tests.session.toy import order
from tests.session.world import KEY, World, live, settle

BOOK = {"id_": 10, "b": [[100.0, 1.0]], "a": [[101.0, 1.0]]}


def delta(first: int, last: int, bid: float = 99.0) -> dict[str, Any]:
    return {"e": "delta", "s": "BTC-USDT", "U": first, "u": last, "b": [[bid, 2.0]], "a": []}


def test_the_six_verbs() -> None:
    async def story(world: World) -> None:
        async with world.connect() as session:
            await session.authenticate_websocket(KEY)
            await session.subscribe_to_ticker("BTC-USDT")
            await session.subscribe_to_order_updates()
            world.server.market.tell(e="quote", s="BTC-USDT", bid=1.0)
            world.server.orders.tell(e="update", s="BTC-USDT", order="x", kind="canceled")
            waiting = asyncio.ensure_future(session.process_incoming_data())
            await settle()
            assert not waiting.done()
        assert (await waiting).reason == "closed by us"

    world = live(story)
    assert [e.bid for e in world.of(events.Quote)] == [1.0]
    assert [e.update for e in world.of(events.Update)] == [UpdateKind.CANCELED]
    assert [e.channel for e in world.of(events.Subscribed)] == ["ticker", "orders"]
    assert [e.link for e in world.of(events.Opened)] == ["market-1", "orders"]
    assert world.of(events.FeedFresh)[0].channel == "ticker"


def test_it_can_be_awaited_and_closed_by_hand() -> None:
    async def story(world: World) -> None:
        session = await world.connect()
        await session.subscribe_to_trades("BTC-USDT")
        await session.close()
        await session.close()
        assert world.server.market.lost is not None
        with pytest.raises(errors.StateError, match="closed by us"):
            await session.subscribe_to_trades("ETH-USDT")

    live(story)


def test_the_first_dial_may_fail_for_good() -> None:
    async def story(world: World) -> None:
        world.server.down = True
        with pytest.raises(errors.DialFailed, match="connection refused"):
            await world.connect(connect_attempts=3)
        assert world.server.dials == 3

    live(story)


# --- subscriptions


def test_many_symbols_go_in_one_message_and_over_as_many_lines_as_they_need() -> None:
    async def story(world: World) -> None:
        async with world.connect() as session:
            await session.subscribe_to_ticker(*(f"C{n}-USDT" for n in range(6)))
            first, second = world.server.connections
            assert [len(first.asks), len(second.asks)] == [4, 2]
            assert [s["do"] for s in first.said] == ["subscribe"]
            await session.subscribe_to_ticker("C1-USDT")  # wanted already
            assert len(first.said) == 1

    live(story)


def test_what_cannot_be_asked_is_refused_before_anything_leaves() -> None:
    async def story(world: World) -> None:
        async with world.connect() as session:
            with pytest.raises(
                errors.ConfigError, match="channel: found 'weather', expected one of"
            ):
                await session.subscribe("weather", "BTC-USDT")
            with pytest.raises(errors.ConfigError, match="symbol: found 'btc'"):
                await session.subscribe_to_ticker("ETH-USDT", "btc")
            with pytest.raises(errors.ConfigError, match="at least one symbol"):
                await session.subscribe_to_ticker()
            assert world.server.market.said == []
            await session.subscribe_to_ticker("ETH-USDT")

    live(story)


def refuse_bad(said: dict[str, Any]) -> dict[str, Any]:
    bad = any(symbol == "BAD-USDT" for _, symbol, _ in said["asks"])
    return {"error": "bad", "text": "no such stream"} if bad else {}


def test_one_bad_symbol_takes_no_other_with_it() -> None:
    async def story(world: World) -> None:
        world.server.refuse["subscribe"] = refuse_bad
        async with world.connect() as session:
            with pytest.raises(errors.SubscriptionRejected) as caught:
                await session.subscribe_to_ticker("A-USDT", "BAD-USDT", "B-USDT", "C-USDT")
            assert (caught.value.symbol, caught.value.text) == ("BAD-USDT", "no such stream")
            confirmed = {e.symbol for e in world.of(events.Subscribed)}
            assert confirmed == {"A-USDT", "B-USDT", "C-USDT"}

    live(story)


def test_an_unsubscribed_stream_stays_away_after_a_loss() -> None:
    async def story(world: World) -> None:
        async with world.connect() as session:
            await session.subscribe_to_ticker("A-USDT", "B-USDT")
            await session.unsubscribe("ticker", "A-USDT")
            await settle()
            assert [e.symbol for e in world.of(events.Unsubscribed)] == ["A-USDT"]
            world.server.market.link.abort()
            await asyncio.sleep(2)
            assert [symbol for _, symbol, _ in world.server.market.asks] == ["B-USDT"]

    live(story)


def test_giving_up_a_subscription_ends_the_wait_for_it() -> None:
    async def story(world: World) -> None:
        world.server.refuse["subscribe"] = lambda said: None
        async with world.connect() as session:
            waiting = asyncio.ensure_future(session.subscribe_to_ticker("A-USDT"))
            await settle()
            await session.unsubscribe("ticker", "A-USDT")
            with pytest.raises(errors.StateError, match="unsubscribed"):
                await waiting

    live(story)


# --- books


def test_a_book_is_right_or_empty() -> None:
    async def story(world: World) -> None:
        world.server.books["BTC-USDT"] = BOOK
        async with world.connect() as session:
            await session.subscribe_to_book("BTC-USDT")
            book = session.book("BTC-USDT")
            world.server.market.tell(**delta(10, 11))
            await settle()
            assert book.ready
            assert book.last_id == 11
            world.server.market.tell(**delta(12, 12, bid=100.5))
            await settle()
            assert book.best_bid == (100.5, 2.0)
            world.server.books.clear()
            world.server.market.tell(**delta(14, 14))
            await settle()
            assert not book.ready
            assert book.best_bid is None
            world.server.books["BTC-USDT"] = {**BOOK, "id_": 20}
            await asyncio.sleep(5)
            assert book.ready
            assert book.last_id == 20

    world = live(story)
    assert [e.reason for e in world.of(events.BookStale)] == ["gap", "connection lost"]


def test_only_the_broken_book_is_fetched_again() -> None:
    async def story(world: World) -> None:
        world.server.books = {"BTC-USDT": BOOK, "ETH-USDT": BOOK}
        async with world.connect() as session:
            await session.subscribe_to_book("BTC-USDT", "ETH-USDT")
            await settle()
            assert len(world.server.fetched) == 2
            world.server.market.tell(**delta(11, 11))
            world.server.market.tell(**delta(13, 13))
            await settle()
            assert len(world.server.fetched) == 3
            assert session.book("ETH-USDT").ready

    live(story)


def test_books_are_kept_only_when_wanted() -> None:
    async def story(world: World) -> None:
        async with world.connect(keep_books=False) as session:
            with pytest.raises(errors.StateError, match="keep_books"):
                session.book("BTC-USDT")

    live(story)


# --- login and orders


def test_a_wrong_key_is_an_error_and_market_data_goes_on() -> None:
    async def story(world: World) -> None:
        world.server.refuse["login"] = lambda said: {"error": "auth", "text": "who are you"}
        async with world.connect() as session:
            with pytest.raises(errors.AuthenticationFailed, match="who are you"):
                await session.authenticate_websocket(KEY)
            await session.subscribe_to_ticker("BTC-USDT")
            assert not session.may_trade
            with pytest.raises(errors.StateError, match="place: found the session not logged in"):
                session.place(order("a"), world.loop.now())
            del world.server.refuse["login"]
            await session.authenticate_websocket(KEY)
            assert session.may_trade

    live(story)


def test_a_wrong_clock_is_measured_and_the_login_tried_once_more() -> None:
    async def story(world: World) -> None:
        behind = 5_000_000_000
        world.server.now = lambda: world.loop.now() + behind

        def judge(said: dict[str, Any]) -> dict[str, Any]:
            late = abs(said["at"] - world.server.now()) > 1_000_000_000
            return {"error": "clock"} if late else {}

        world.server.refuse["login"] = judge
        async with world.connect(credentials=KEY) as session:
            await session.authenticate_websocket()
            [offset] = world.of(events.ClockOffset)
            assert abs(offset.offset - behind) <= offset.error

    live(story)


def test_a_clock_that_stays_wrong_is_refused_in_the_end() -> None:
    async def story(world: World) -> None:
        world.server.refuse["login"] = lambda said: {"error": "clock"}
        async with world.connect(credentials=KEY) as session:
            with pytest.raises(errors.AuthenticationFailed):
                await session.authenticate_websocket()
            assert [s["do"] for s in world.server.orders.said].count("login") == 2

    live(story)


def test_credentials_are_needed() -> None:
    async def story(world: World) -> None:
        async with world.connect() as session:
            with pytest.raises(errors.ConfigError, match="credentials: found None"):
                await session.authenticate_websocket()
            with pytest.raises(errors.StateError, match="place"):
                session.place(order("a"), 0)

    live(story)


def test_credentials_may_be_looked_up_when_they_are_needed() -> None:
    async def story(world: World) -> None:
        looked: list[int] = []

        def look() -> Any:
            looked.append(1)
            return KEY

        async with world.connect(credentials=look) as session:
            await session.subscribe_to_ticker("A")
            assert looked == []
            await session.authenticate_websocket()
            await session.authenticate_websocket()
            assert looked == [1]

    live(story)


async def trader(world: World, **options: Any) -> Session:
    session = await world.connect(credentials=KEY, **options)
    await session.subscribe_to_order_updates()
    world.told.clear()
    return session


def test_every_command_leaves_in_the_turn_that_gives_it() -> None:
    async def story(world: World) -> None:
        session = await trader(world)
        server, now = world.server.orders, world.loop.now()
        server.said.clear()
        session.place(order("a"), now)
        session.cancel(CancelOrder(order_id="a", symbol="BTC-USDT"), now)
        session.replace(ReplaceOrder(order_id="a", order=order("b")), now)
        session.amend(AmendOrder(order_id="b", symbol="BTC-USDT", size=order("x").size), now)
        session.cancel_all("BTC-USDT", now)
        session.ask_status("BTC-USDT", "a", now)
        session.ask_open_orders("", now)
        session.ask_account(now)
        await asyncio.sleep(0)
        assert [said["do"] for said in server.said] == [
            "place",
            "cancel",
            "replace",
            "amend",
            "cancel_all",
            "status",
            "open_orders",
            "account",
        ]
        await settle()
        assert [(e.order_id, e.update) for e in world.of(events.Update)] == [
            ("a", UpdateKind.ACCEPTED)
        ]
        await session.close()

    live(story)


def test_places_wait_for_the_limit_and_cancels_pass_them() -> None:
    async def story(world: World) -> None:
        session = await trader(world, order_deadline_seconds=20.0)
        server = world.server.orders
        for n in range(7):
            session.place(order(f"o{n}"), world.loop.now())
        session.cancel(CancelOrder(order_id="o0", symbol="BTC-USDT"), world.loop.now())
        session.cancel(CancelOrder(order_id="o6", symbol="BTC-USDT"), world.loop.now())
        await settle()
        placed = [said["order"] for said in server.said if said["do"] == "place"]
        assert placed == ["o0", "o1", "o2", "o3", "o4"]
        assert [said["order"] for said in server.said if said["do"] == "cancel"] == ["o0"]
        [dropped] = [e for e in world.of(events.Update) if e.update is UpdateKind.REJECTED]
        assert (dropped.order_id, dropped.text) == ("o6", "never sent: cancelled in time")
        await asyncio.sleep(11)
        assert [s["order"] for s in server.said if s["do"] == "place"][5:] == ["o5"]
        await session.close()

    live(story)


def test_a_place_that_waits_for_two_seconds_is_given_up_though_nothing_else_happens() -> None:
    async def story(world: World) -> None:
        session = await trader(world)
        server, begun = world.server.orders, world.loop.now()
        for n in range(7):
            session.place(order(f"o{n}"), begun)
        await asyncio.sleep(1.9)
        assert not [e for e in world.of(events.Update) if e.update is UpdateKind.REJECTED]
        await asyncio.sleep(12)
        late = [e for e in world.of(events.Update) if e.update is UpdateKind.REJECTED]
        assert [(e.order_id, e.answers) for e in late] == [("o5", "desk"), ("o6", "desk")]
        assert all(e.received - begun <= 2 * SECOND + SECOND // 100 for e in late)
        placed = [said["order"] for said in server.said if said["do"] == "place"]
        assert placed == ["o0", "o1", "o2", "o3", "o4"]
        await session.close()

    live(story)


def test_a_refused_order_is_rejected_with_the_reason() -> None:
    async def story(world: World) -> None:
        session = await trader(world)
        for what, reason in (
            ("rejected", RejectReason.WOULD_TAKE),
            ("bad", RejectReason.BAD_PARAMETER),
            ("auth", RejectReason.NOT_PERMITTED),
            ("clock", RejectReason.CLOCK),
            ("limited", RejectReason.RATE_LIMIT),
        ):
            world.told.clear()
            world.server.refuse["place"] = lambda said, what=what: {"error": what}
            session.place(order("a"), world.loop.now())
            await settle()
            [update] = world.of(events.Update)
            assert (update.order_id, update.update, update.reason) == (
                "a",
                UpdateKind.REJECTED,
                reason,
            )
        await session.close()

    live(story)


def test_an_answer_that_proves_nothing_leaves_the_order_unanswered() -> None:
    async def story(world: World) -> None:
        session = await trader(world)
        world.server.refuse["place"] = lambda said: {"error": "unknown"}
        session.place(order("a"), world.loop.now())
        await settle()
        assert [(e.order_id, e.what) for e in world.of(events.Unanswered)] == [("a", "place")]
        await session.close()

    live(story)


def test_no_answer_in_time_leaves_the_order_unanswered_and_a_late_one_still_counts() -> None:
    async def story(world: World) -> None:
        session = await trader(world)
        world.server.refuse["place"] = lambda said: None
        session.place(order("a"), world.loop.now())
        asked = world.server.orders
        await asyncio.sleep(5.1)
        [unanswered] = world.of(events.Unanswered)
        assert (unanswered.order_id, unanswered.waited_seconds) == ("a", pytest.approx(5.0))
        asked.tell(id=asked.said[-1]["id"], error="rejected")
        await settle()
        assert [e.update for e in world.of(events.Update)] == [UpdateKind.REJECTED]
        await session.close()

    live(story)


def test_a_loss_leaves_sent_commands_unanswered_and_waiting_ones_rejected() -> None:
    async def story(world: World) -> None:
        session = await trader(world)
        world.server.refuse = {verb: lambda said: None for verb in ("place", "cancel", "replace")}
        now = world.loop.now()
        for n in range(4):
            session.place(order(f"o{n}"), now)
        session.replace(ReplaceOrder(order_id="o0", order=order("new")), now)
        session.place(order("waits"), now)
        session.cancel(CancelOrder(order_id="o1", symbol="BTC-USDT"), now)
        await settle()
        world.server.orders.link.abort()
        await settle()
        assert [(e.order_id, e.what) for e in world.of(events.Unanswered)] == [
            ("o0", "place"),
            ("o1", "place"),
            ("o2", "place"),
            ("o3", "place"),
            ("o0", "replace"),
            ("new", "replace"),
            ("o1", "cancel"),
        ]
        [never] = world.of(events.Update)
        assert (never.order_id, never.update) == ("waits", UpdateKind.REJECTED)
        assert not session.may_trade
        with pytest.raises(errors.StateError, match="not logged in"):
            session.place(order("later"), world.loop.now())
        await asyncio.sleep(2)
        assert session.may_trade
        assert [said["do"] for said in world.server.orders.said] == ["time", "login", "watch"]
        await session.close()

    live(story)


def test_refused_cancels_amends_and_questions() -> None:
    async def story(world: World) -> None:
        session = await trader(world)
        refuse = lambda said: {"error": "unknown_order", "text": "no such order"}  # noqa: E731
        world.server.refuse = dict.fromkeys(
            ("cancel", "amend", "status", "replace", "cancel_all"), refuse
        )
        now = world.loop.now()
        session.cancel(CancelOrder(order_id="c", symbol="BTC-USDT"), now)
        session.amend(AmendOrder(order_id="m", symbol="BTC-USDT", size=order("x").size), now)
        session.ask_status("BTC-USDT", "s", now)
        session.replace(ReplaceOrder(order_id="old", order=order("new")), now)
        session.cancel_all("BTC-USDT", now)
        await settle()
        assert [(e.order_id, e.update) for e in world.of(events.Update)] == [
            ("c", UpdateKind.CANCEL_REJECTED),
            ("m", UpdateKind.CANCEL_REJECTED),
            ("s", UpdateKind.MISSING),
            ("old", UpdateKind.CANCEL_REJECTED),
            ("new", UpdateKind.REJECTED),
        ]
        [rejected] = world.of(events.Rejected)
        assert (rejected.what, rejected.symbol) == ("cancel_all", "BTC-USDT")
        await session.close()

    live(story)


# --- losses and errors


def test_everything_comes_back_once_after_a_loss_login_first() -> None:
    async def story(world: World) -> None:
        async with world.connect(credentials=KEY) as session:
            world.server.books["BTC-USDT"] = BOOK
            await session.subscribe_to_order_updates()
            await session.subscribe_to_ticker("BTC-USDT")
            await session.subscribe_to_book("BTC-USDT")
            await settle()
            world.server.market.link.abort()
            world.server.orders.link.abort()
            await asyncio.sleep(2)
            assert sorted(world.server.market.asks) == [
                ("book", "BTC-USDT", ""),
                ("ticker", "BTC-USDT", ""),
            ]
            assert [s["do"] for s in world.server.orders.said] == ["time", "login", "watch"]
            assert session.book("BTC-USDT").ready
            assert len(world.server.connections) == 4

    world = live(story)
    lost = world.of(events.Lost)
    assert {e.link for e in lost[:2]} == {"market-1", "orders"}
    assert all(0 <= e.retry_after_seconds <= 0.25 for e in lost[:2])


def test_a_silent_connection_is_pinged_then_dropped_and_dialled_again() -> None:
    async def story(world: World) -> None:
        async with world.connect() as session:
            await session.subscribe_to_ticker("BTC-USDT")
            first = world.server.market
            first.link.pause_reading()  # half-open: it takes nothing in and says nothing
            await asyncio.sleep(11)
            assert len(world.server.connections) == 2
            assert world.server.market.asks == [("ticker", "BTC-USDT", "")]

    world = live(story)
    assert "stalled" in world.of(events.Lost)[0].reason


def test_a_quiet_connection_that_answers_pings_is_kept() -> None:
    async def story(world: World) -> None:
        async with world.connect() as session:
            await session.subscribe_to_ticker("BTC-USDT")
            await asyncio.sleep(600)
            assert len(world.server.connections) == 1

    world = live(story)
    assert [e.channel for e in world.of(events.FeedStale)] == ["ticker"]


def test_a_busy_stream_that_never_speaks_is_told_once() -> None:
    async def story(world: World) -> None:
        async with world.connect() as session:
            await session.subscribe_to_ticker("A-USDT", "B-USDT")
            world.server.market.tell(e="quote", s="A-USDT", bid=1.0)
            await asyncio.sleep(30)

    world = live(story)
    assert [(e.symbol, e.channel) for e in world.of(events.FeedStale)] == [("B-USDT", "ticker")]
    assert world.of(events.FeedStale)[0].silent_seconds == pytest.approx(10.0, abs=0.51)


def test_an_announced_shutdown_is_not_waited_for() -> None:
    async def story(world: World) -> None:
        async with world.connect() as session:
            await session.subscribe_to_ticker("BTC-USDT")
            world.server.market.tell(e="shutdown")
            await asyncio.sleep(1)
            assert len(world.server.connections) == 2

    live(story)


def test_a_run_of_malformed_frames_ends_the_connection() -> None:
    async def story(world: World) -> None:
        async with world.connect():
            for _ in range(4):
                world.server.market.link.send(b"\xff{")
            await asyncio.sleep(20)
            assert len(world.server.connections) == 1
            for _ in range(5):
                world.server.market.link.send(b"\xff{")
            await asyncio.sleep(1)
            assert len(world.server.connections) == 2

    world = live(story)
    assert len(world.of(events.Malformed)) == 9


def test_the_third_policy_close_in_ten_minutes_halts() -> None:
    async def story(world: World) -> None:
        session = await world.connect()
        for _ in range(3):
            await session.subscribe_to_ticker("BTC-USDT")
            world.server.market.link.close(1008, "Too many requests")
            await asyncio.sleep(5)
        closed = await session.process_incoming_data()
        assert "third time" in closed.reason
        assert isinstance(closed.error, errors.ConnectionLost)
        assert len(world.server.connections) == 3
        await session.close()

    live(story)


def test_a_close_code_may_forbid_to_come_back() -> None:
    async def story(world: World) -> None:
        session = await world.connect()
        world.server.market.link.close(4000, "banned")
        closed = await session.process_incoming_data()
        assert "banned" in closed.reason
        await asyncio.sleep(60)
        assert len(world.server.connections) == 1
        await session.close()

    live(story)


@pytest.mark.parametrize("error", ["auth", "bad"])
def test_a_key_that_is_refused_after_a_loss_ends_the_accounts_connection_alone(error: str) -> None:
    async def story(world: World) -> None:
        async with world.connect(credentials=KEY) as session:
            await session.subscribe_to_order_updates()
            await session.subscribe_to_trades("A")
            world.server.refuse["login"] = lambda said: {"error": error, "text": "revoked"}
            world.server.orders.link.abort()
            await asyncio.sleep(600)
            assert len(world.server.connections) == 3, "one more login, and no more"
            [over] = [one for one in world.of(events.Rejected) if one.what == ACCOUNT]
            assert "revoked" in over.text
            assert [line.name for line in session.lines] == ["market-1"]
            assert not session.may_trade
            assert not session.hears_orders
            with pytest.raises(errors.StateError, match=r"turned away.*revoked"):
                session.place(order("o-1"), world.loop.now())
            world.server.market.tell(e="trade", s="A", p=1.0, t=7)
            await settle()
            assert [trade.trade_id for trade in world.of(events.Trade)] == [7]
            del world.server.refuse["login"]
            await session.subscribe_to_order_updates()
            assert session.may_trade
            assert session.hears_orders

    live(story)


def test_whoever_waits_for_the_private_stream_is_told_that_the_key_is_refused() -> None:
    async def story(world: World) -> None:
        async with world.connect(credentials=KEY) as session:
            await session.authenticate_websocket()
            world.server.refuse["watch"] = lambda said: None
            waiting = asyncio.ensure_future(session.subscribe_to_order_updates())
            await settle()
            world.server.refuse["login"] = lambda said: {"error": "auth", "text": "revoked"}
            world.server.orders.link.abort()
            with pytest.raises(errors.AuthenticationFailed, match="revoked"):
                await waiting

    live(story)


def test_on_error_may_still_end_the_session_with_the_account() -> None:
    async def story(world: World) -> None:
        session = await world.connect(
            credentials=KEY,
            on_error=lambda e: Halt("no") if isinstance(e, errors.AuthenticationFailed) else None,
        )
        await session.authenticate_websocket()
        world.server.refuse["login"] = lambda said: {"error": "auth", "text": "revoked"}
        world.server.orders.link.abort()
        assert (await session.process_incoming_data()).reason == "no"
        await session.close()

    live(story)


def test_a_close_that_forbids_the_account_leaves_the_market() -> None:
    async def story(world: World) -> None:
        async with world.connect(credentials=KEY) as session:
            await session.authenticate_websocket()
            world.server.orders.link.close(3003, "go away")
            await asyncio.sleep(600)
            [over] = [one for one in world.of(events.Rejected) if one.what == ACCOUNT]
            assert over.code == 3003
            assert [line.stands for line in session.lines] == [True]

    live(story)


def test_a_dead_venue_is_dialled_at_most_thirty_times_in_ten_minutes() -> None:
    async def story(world: World) -> None:
        async with world.connect():
            world.server.down = True
            world.server.market.link.abort()
            dials = world.server.dials
            await asyncio.sleep(600)
            assert 15 <= world.server.dials - dials <= 30
            world.server.down = False
            await asyncio.sleep(31)
            assert len(world.server.connections) == 2

    for seed in range(5):
        live(story, seed=seed)


def test_a_venue_that_is_up_is_back_within_a_quarter_second_half_the_time() -> None:
    waits: list[float] = []

    async def story(world: World) -> None:
        async with world.connect() as session:
            await session.subscribe_to_ticker("BTC-USDT")
            world.server.market.link.abort()
            await settle(3)
            before = world.loop.time()
            world.told.clear()
            while not world.of(events.Subscribed):
                await asyncio.sleep(0.001)
            waits.append(world.loop.time() - before)

    for seed in range(40):
        live(story, seed=seed)
    waits.sort()
    assert waits[len(waits) // 2] <= 0.25
    assert waits[-1] <= 1.0


def test_what_a_listener_raises_halts_and_loses_nothing() -> None:
    async def story(world: World) -> None:
        def listen(event: Event) -> None:
            world.told.append(event)
            if isinstance(event, events.Quote):
                raise ZeroDivisionError("in the listener")

        session = await world.connect(on_event=listen)
        await session.subscribe_to_ticker("BTC-USDT")
        world.server.market.tell(e="quote", s="BTC-USDT", bid=1.0)
        closed = await session.process_incoming_data()
        assert closed.reason == "unforeseen ZeroDivisionError: in the listener"
        assert isinstance(closed.error, ZeroDivisionError)
        await session.close()

    live(story)


def test_on_error_may_decide_otherwise() -> None:
    async def story(world: World) -> None:
        seen: list[BaseException] = []

        def decide(error: BaseException) -> Any:
            seen.append(error)
            return Ignore() if isinstance(error, ZeroDivisionError) else None

        def listen(events_: Any, now: int, drained: bool) -> None:
            for event in events_:
                world.told.append(event)
                if isinstance(event, events.Quote):
                    raise ZeroDivisionError

        async with world.connect(on_event=None, on_events=listen, on_error=decide) as session:
            await session.subscribe_to_ticker("BTC-USDT")
            world.server.market.tell(e="quote", s="BTC-USDT", bid=1.0)
            world.server.market.tell(e="quote", s="BTC-USDT", bid=2.0)
            await settle()
            world.server.market.link.abort()
            await asyncio.sleep(1)
            assert len(world.server.connections) == 2
            assert len(world.of(events.Quote)) == 2
        assert [type(error) for error in seen][:3] == [
            ZeroDivisionError,
            ZeroDivisionError,
            errors.ConnectionLost,
        ]

    live(story)


def test_every_error_has_an_answer() -> None:
    async def story(world: World) -> None:
        async with world.connect() as session:
            handle = session.handle_websocket_error
            lost = errors.ConnectionLost(code=1006)
            assert isinstance(handle(lost), Reconnect)
            named = errors.DialFailed(address="x", cause="y", retry_after_seconds=100.0)
            assert handle(named) == Reconnect(100.0)
            assert handle(errors.RateLimited(venue="toy", until=5)) == Wait(5)
            assert handle(errors.Gap(symbol="A", expected=1, found=2)) == Resync("A")
            assert handle(errors.MalformedFrame(venue="toy")) == Ignore()
            assert isinstance(handle(errors.AuthenticationFailed(venue="toy")), Halt)
            assert isinstance(handle(KeyError("x")), Halt)
            assert isinstance(handle(errors.ConnectionLost(code=4000)), Halt)
            grown = [handle(lost) for _ in range(10)]
            assert all(isinstance(r, Reconnect) and r.after_seconds <= 600 for r in grown)

    live(story)


# --- the rest


def test_instruments_are_loaded_and_learned() -> None:
    async def story(world: World) -> None:
        async with world.connect() as session:
            found = await session.load_instruments(["BTC-USDT", "ETH-USDT"])
            assert sorted(found) == ["BTC-USDT", "ETH-USDT"]
            assert session.instruments["BTC-USDT"].quote == "USDT"

    live(story)


def test_the_tap_sees_both_ways_and_the_laps_are_stamped() -> None:
    async def story(world: World) -> None:
        seen: list[tuple[str, str, bytes, bool]] = []
        session = await world.connect(
            credentials=KEY,
            lap=world.loop,
            tap=lambda link, way, payload, now, drained: seen.append(
                (link, way, bytes(payload), drained)
            ),
        )
        await session.subscribe_to_order_updates()
        seen.clear()
        written = session.place(order("a"), world.loop.now())
        assert written == session.encoded_at == world.loop.now()
        await settle()
        assert [(link, way) for link, way, _, _ in seen] == [("orders", "out"), ("orders", "in")]
        assert b"place" in seen[0][2]
        await session.close()

    live(story)


def test_bursts_are_marked_where_they_end() -> None:
    async def story(world: World) -> None:
        bursts: list[tuple[int, bool]] = []

        def listen(told: Any, now: int, drained: bool) -> None:
            bursts.append((len(told), drained))

        async with world.connect(on_event=None, on_events=listen) as session:
            await session.subscribe_to_trades("BTC-USDT")
            for price in (1.0, 2.0, 3.0):
                world.server.market.tell(e="trade", s="BTC-USDT", p=price)
            bursts.clear()
            await settle()
            # The first trade brings its proof of life along.
            assert bursts == [(2, False), (1, False), (1, True)]

    live(story)


def test_two_runs_are_the_same_to_the_event() -> None:
    async def story(world: World) -> None:
        async with world.connect(credentials=KEY) as session:
            await session.subscribe_to_order_updates()
            await session.subscribe_to_ticker("BTC-USDT", "ETH-USDT")
            world.server.market.link.abort()
            world.server.down = True
            await asyncio.sleep(20)
            world.server.down = False
            await asyncio.sleep(30)

    first, second = live(story), live(story)
    assert first.told == second.told
    assert first.server.log == second.server.log
