"""A desk in a world of virtual time: what it does is what the exchange says was done."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest

from pitwire.desk.desk import Desk
from pitwire.model import events as ev
from pitwire.model.clock import SECOND
from pitwire.model.orders import FINAL, OrderState, Side
from pitwire.sim.facts import Refusal as Why
from pitwire.sim.facts import Refused, Status
from pitwire.sim.faults import LoseAck, RefuseDial, Stall
from pitwire.trading.journal import (
    Alerted,
    Benched,
    Decided,
    Dropped,
    Halted,
    Left,
    Refusal,
    Seeded,
)
from pitwire.trading.rules import Watch, quotes
from pitwire.trading.state import State
from pitwire.trading.tracked import Change, Origin
from pitwire.trading.wishes import Wish, buy, cancel, halt, order, replace, sell
from pitwire.wire.link import Receiver
from tests.desk.setting import (
    BTC,
    PLAIN,
    Says,
    Setting,
    TappedLink,
    command,
    is_open,
    until,
)

D = Decimal
QUOTES = Watch(ev.Quote, BTC)
DIP = (
    PLAIN
    + """
[[rule]]
name = "buy at once"
when = { price = "BTC-USDT", above = 1, of = "ask" }
do = { market = "buy", size = 0.02, tag = "dip" }
once = true
"""
)


def resting(price: float = 50_000, size: float = 0.01, tag: str = "") -> Wish:
    return order(BTC, Side.BUY, size=size, price=price, tag=tag)


# ── a rule fires ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("keys", ["ed25519", "hmac"])
def test_what_the_desk_believes_is_what_the_exchange_did(keys: str) -> None:
    async def story(setting: Setting, desk: Desk) -> None:
        await until(lambda: len(desk.frames.fills()) > 0)
        await asyncio.sleep(1)

    setting = Setting(keys=keys)
    desk = setting.run(story, config=DIP)
    state = desk.engine.state
    [timing] = desk.timings.orders.values()
    [(name, truth)] = setting.orders().items()
    ours = state.ledger.find(name)
    assert ours is not None
    assert timing.order_id == name
    assert (ours.state, truth.status) == (OrderState.FILLED, Status.FILLED)
    assert ours.filled == truth.filled_lots * D("0.00001") == D("0.02")
    assert ours.filled_quote == truth.filled_quote
    holding = state.portfolio.holding(BTC)
    assert holding.size == setting.free("BTC") - 10
    assert state.portfolio.free("USDT") == setting.free("USDT") == 1_000_000 - truth.filled_quote
    assert state.portfolio.differences() == []
    fills = desk.frames.fills().to_pandas()
    assert sum(fills["size"]) == D("0.02"), "each fill once, however often it was told"
    assert timing.cause is not None
    assert timing.cause.event in ("Quote", "BookSnapshot")
    # In this world our own work takes no time at all.
    assert timing.received == timing.decided == timing.encoded == timing.sent
    assert timing.sent <= timing.answered
    assert desk.timings.report().tick_to_order.count == 1
    assert desk.left_open == ()


def test_the_journal_holds_the_whole_way_of_an_order() -> None:
    async def story(setting: Setting, desk: Desk) -> None:
        await until(lambda: len(desk.frames.fills()) > 0)

    setting = Setting()
    desk = setting.run(story, config=DIP)
    [name] = desk.timings.orders
    told = [type(one).__name__ for one in setting.journal.records]
    assert told[:2] == ["Started", "Seeded"]
    assert told.index("Decided") < told.index("Left") < told.index("Change")
    assert setting.records(Left)[0].command == setting.records(Decided)[0].command
    assert setting.records(ev.Fill)[0].order_id == name
    assert setting.records(Change)[-1].after is OrderState.FILLED
    assert setting.records(Seeded)[0].name == "desk"
    events = {type(one.event).__name__ for one in setting.journal.records if hasattr(one, "event")}
    assert {"Opened", "Authenticated", "Subscribed", "OpenOrders", "Balance"} <= events
    assert {"Update", "Fill", "Lost"} <= events


def test_the_same_world_gives_the_same_journal() -> None:
    async def story(setting: Setting, desk: Desk) -> None:
        await asyncio.sleep(5)

    config = f"seed = 4\n{DIP}"
    first, second = Setting(faults="cut"), Setting(faults="cut")
    first.run(story, config=config)
    second.run(story, config=config)
    assert first.journal.lines() == second.journal.lines()


# ── risk ──────────────────────────────────────────────────────────────────────────────────────


def test_what_risk_refuses_never_reaches_the_outlet() -> None:
    async def story(setting: Setting, desk: Desk) -> None:
        await until(lambda: setting.records(Refusal))

    setting = Setting()
    desk = setting.run(story, config=f"{DIP}\n[risk]\nmax_order_size = 0.01\n")
    [refusal] = setting.records(Refusal)
    assert (refusal.limit, refusal.value, refusal.allowed) == ("max_order_size", "0.02000", "0.01")
    assert refusal.cause is not None
    assert setting.methods() == []
    assert setting.orders() == {}
    assert len(desk.timings.orders) == 0


def test_an_exception_in_a_rule_benches_that_rule_alone() -> None:
    class Breaks:
        name = "breaks"
        watches = (quotes(BTC),)

        def react(self, state: State, now: int) -> Iterable[Wish]:
            raise ZeroDivisionError("by hand")

    good = Says(QUOTES)

    async def story(setting: Setting, desk: Desk) -> None:
        await until(lambda: setting.records(Benched))
        good.wishes = [resting()]
        await until(lambda: setting.orders())
        assert [rule.name for rule in desk.engine.rules] == ["says"]

    setting = Setting()
    setting.run(story, Breaks(), good)
    [benched] = setting.records(Benched)
    assert (benched.rule, benched.error, benched.text) == ("breaks", "ZeroDivisionError", "by hand")
    assert len(setting.orders()) == 1


def test_a_rule_that_holds_everything_up_is_named() -> None:
    said: list[str] = []
    desks: list[Desk] = []

    class Slow:
        name = "slow"
        watches = (quotes(BTC),)

        def react(self, state: State, now: int) -> Iterable[Wish]:
            said.extend(desk.doing() for desk in desks)
            return ()

    async def story(setting: Setting, desk: Desk) -> None:
        desks.append(desk)
        await until(lambda: said)
        assert desk.doing() == ""

    setting = Setting()
    setting.run(story, Slow())
    assert set(said) == {"rule 'slow'"}


def test_a_desk_reports_what_the_streams_of_its_session_lost() -> None:
    async def story(setting: Setting, desk: Desk) -> None:
        slow = desk.session.stream(ev.Quote, policy="drop", capacity=1)
        await until(lambda: slow.counts.dropped > 3)
        report = desk.report()
        assert report.readers == (slow.counts,)
        assert report.dropped == slow.counts.dropped

    Setting().run(story, Says(QUOTES))


def test_housekeeping_that_fails_halts_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(setting: Setting, desk: Desk) -> None:
        [placed] = command(desk, resting())
        await until(lambda: placed.state is OrderState.OPEN)

        def fails() -> None:
            raise OSError("no room")

        monkeypatch.setattr(desk._chronicle, "note_tops", fails)
        began = desk.clock.now()
        await until(lambda: setting.records(Halted))
        assert desk.clock.now() - began <= SECOND
        monkeypatch.undo()
        await until(lambda: placed.state is OrderState.CANCELED)
        await asyncio.sleep(1)

    setting = Setting()
    setting.run(story)
    [halted] = setting.records(Halted)
    assert halted.reason == "housekeeping failed: OSError: no room"


# ── disconnected, and unknown ─────────────────────────────────────────────────────────────────


def test_an_order_that_cannot_leave_is_dropped_and_said_so() -> None:
    async def story(setting: Setting, desk: Desk) -> None:
        setting.cut("orders*")
        await until(lambda: not desk.session.may_trade)
        desk.engine.state.blind = ""  # as if nobody had noticed yet
        desk.engine.state.missed.clear()
        [dropped] = command(desk, resting())
        assert dropped.state is OrderState.REJECTED
        assert desk.engine.state.ledger.find(dropped.id) is dropped
        await until(lambda: desk.session.may_trade)
        await asyncio.sleep(20)

    setting = Setting()
    desk = setting.run(story)
    [record] = setting.records(Dropped)
    assert "not logged in" in record.why
    assert "order.place" not in setting.methods(), "nothing is sent later"
    assert setting.orders() == {}
    assert len(desk.timings.orders) == 0


def test_while_nobody_hears_of_our_orders_none_is_approved() -> None:
    async def story(setting: Setting, desk: Desk) -> None:
        setting.cut("orders*")
        await until(lambda: not desk.session.may_trade)
        assert command(desk, resting()) == []
        await until(lambda: not (desk.engine.state.blind or desk.engine.state.missed))
        [placed] = command(desk, resting())
        await until(lambda: placed.state is OrderState.OPEN)

    setting = Setting()
    setting.run(story)
    assert [one.limit for one in setting.records(Refusal)] == ["order updates"]


def test_an_unanswered_order_is_asked_about_until_it_is_known() -> None:
    async def story(setting: Setting, desk: Desk) -> None:
        [placed] = command(desk, resting())
        await until(lambda: placed.state is OrderState.OPEN)
        await asyncio.sleep(15)
        assert placed.state is OrderState.OPEN

    # The answer is lost; the private stream tells of the order all the same.
    setting = Setting(faults=[LoseAck(kind="place")])
    setting.run(story)
    assert setting.methods().count("order.place") == 1


def test_an_order_cut_off_in_flight_is_unknown_then_known() -> None:
    async def story(setting: Setting, desk: Desk) -> None:
        await asyncio.sleep(3)
        [placed] = command(desk, resting())
        await until(setting.orders)
        setting.cut("orders*")
        await until(lambda: placed.state is OrderState.UNKNOWN, every_seconds=0.001)
        desk.engine.state.blind = ""
        desk.engine.state.missed.clear()
        assert command(desk, resting(49_000)) == [], "while one is unknown, there is no second"
        await until(lambda: placed.state is OrderState.OPEN)
        assert [*setting.orders()] == [placed.id]

    # The first orders connection says nothing any more, and then it is cut.
    setting = Setting(faults=[Stall(at_seconds=2, link="orders-2")])
    desk = setting.run(story)
    states = [(one.before, one.after) for one in setting.records(Change)]
    assert (OrderState.SENT, OrderState.UNKNOWN) in states
    assert (OrderState.UNKNOWN, OrderState.OPEN) in states
    assert [one.limit for one in setting.records(Refusal)] == ["unknown order"]
    assert setting.methods().count("order.place") == 1
    assert [one.status for one in setting.orders().values()] == [Status.CANCELED]
    assert desk.left_open == ()


def test_an_order_that_never_arrived_is_dead_only_by_proof() -> None:
    async def story(setting: Setting, desk: Desk) -> None:
        [placed] = command(desk, resting())
        sent = setting.clock.now()
        setting.cut("orders*")  # before it can have arrived
        await until(lambda: placed.state is OrderState.UNKNOWN)
        await until(lambda: placed.state is OrderState.REJECTED)
        assert placed.declared_dead
        assert setting.clock.now() - sent > 14 * SECOND, "by then no request can still be accepted"
        assert setting.orders() == {}

    setting = Setting(latency="overseas")
    setting.run(story)
    assert setting.methods().count("order.place") == 1
    assert len(setting.methods("order.status")) > 1


def test_after_a_new_login_everything_is_reconciled() -> None:
    async def story(setting: Setting, desk: Desk) -> None:
        [kept] = command(desk, resting(50_000))
        [gone] = command(desk, resting(49_000))
        await until(lambda: kept.state is gone.state is OrderState.OPEN)
        setting.cut()
        # While nobody hears, one of ours ends and a stranger comes.
        setting.world.exchange.cancel("main", BTC, client_id=gone.id, now=setting.clock.now())
        setting.place_as_stranger("48000")
        await until(lambda: not desk.session.may_trade)
        await until(lambda: desk.session.may_trade)
        await until(lambda: gone.state is OrderState.CANCELED)
        ledger = desk.engine.state.ledger
        assert kept.state is OrderState.OPEN
        stranger = ledger.find("stranger")
        assert stranger is not None
        assert stranger.origin is Origin.FOREIGN

    setting = Setting()
    setting.run(story)
    asked = setting.methods("openOrders.status")
    assert len(asked) == 2, "at the start, and after the loss"
    assert len(setting.methods("account.status")) == 2


# ── timers ────────────────────────────────────────────────────────────────────────────────────


def test_a_timer_rings_on_time_though_nothing_comes() -> None:
    class Clockwork:
        """Wakes every three seconds and listens to nobody."""

        name = "clockwork"
        watches = ()

        def __init__(self) -> None:
            self.next: int | None = None
            self.rang: list[int] = []

        def next_wake(self) -> int | None:
            return self.next

        def react(self, state: State, now: int) -> Iterable[Wish]:
            self.rang.append(now)
            assert self.next is not None
            self.next += 3 * SECOND
            return [resting(50_000 + len(self.rang))]

    setting = Setting()
    works = Clockwork()
    works.next = setting.clock.now() + 3 * SECOND
    start = setting.clock.now()

    async def story(setting: Setting, desk: Desk) -> None:
        await asyncio.sleep(10)
        assert len(setting.orders()) == 3

    setting.run(story, works)
    assert [round((at - start) / SECOND, 3) for at in works.rang] == [3, 6, 9]
    assert setting.records(Decided)[0].command.cause.event == "Timer"


def test_no_timer_rings_after_the_desk_has_stopped() -> None:
    class Often:
        name = "often"
        watches = ()
        rang = 0

        def next_wake(self) -> int | None:
            return 1

        def react(self, state: State, now: int) -> Iterable[Wish]:
            self.rang += 1
            return []

    often = Often()

    async def life() -> None:
        setting = world
        desk = await setting.open(often)
        await asyncio.sleep(1)
        await desk.stop()
        rang = often.rang
        assert rang > 100
        await asyncio.sleep(5)
        assert often.rang == rang

    world = Setting()
    world.world.run(life())


# ── the end ───────────────────────────────────────────────────────────────────────────────────


def test_stop_cancels_what_is_ours_and_nothing_else() -> None:
    async def story(setting: Setting, desk: Desk) -> None:
        setting.place_as_stranger("48000")
        command(desk, resting(50_000), resting(49_000))
        await until(lambda: len(desk.engine.state.ledger.open) == 3)

    setting = Setting()
    desk = setting.run(story)
    orders = setting.orders()
    assert is_open(orders.pop("stranger"))
    assert [one.status for one in orders.values()] == [Status.CANCELED] * 2
    assert desk.left_open == ()
    assert not desk.session.may_trade


def test_stop_tells_what_the_venue_did_not_answer() -> None:
    async def story(setting: Setting, desk: Desk) -> None:
        [placed] = command(desk, resting())
        await until(lambda: placed.state is OrderState.OPEN)
        setting.cut()
        await until(lambda: not desk.session.may_trade)

    # After the first two connections nobody is at home.
    setting = Setting(faults=[RefuseDial(after_frames=2, count=0, status=0)])
    desk = setting.run(story)
    assert desk.left_open == (*setting.orders(),)
    assert "order.cancel" not in setting.methods()


def test_stop_cancels_as_soon_as_it_can_again() -> None:
    async def story(setting: Setting, desk: Desk) -> None:
        [placed] = command(desk, resting())
        await until(lambda: placed.state is OrderState.OPEN)
        setting.cut()
        await until(lambda: not desk.session.may_trade)

    setting = Setting()
    desk = setting.run(story)  # stops while the connection is down
    assert [one.status for one in setting.orders().values()] == [Status.CANCELED]
    assert desk.left_open == ()


def test_whoever_stops_twice_waits_for_the_same_end() -> None:
    async def life() -> None:
        desk = await setting.open()
        running = asyncio.ensure_future(desk.run())
        await asyncio.sleep(0.1)
        command(desk, resting())
        running.cancel()
        await desk.stop()
        assert [one.status for one in setting.orders().values()] == [Status.CANCELED]
        with pytest.raises(asyncio.CancelledError):
            await running
        await desk.stop()

    setting = Setting()
    setting.world.run(life())


def test_told_to_hurry_it_waits_no_longer_and_lists_what_is_open() -> None:
    async def life() -> None:
        desk = await setting.open()
        [placed] = command(desk, resting())
        await until(lambda: placed.state is OrderState.OPEN)
        stopping = asyncio.ensure_future(desk.stop(within_seconds=1000))
        await asyncio.sleep(1)
        began = setting.clock.now()
        stopping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stopping
        assert setting.clock.now() - began < 2 * SECOND
        assert 1 < setting.methods().count("order.cancel") < 4, "again, but no flood"
        assert desk.left_open == (placed.id,)
        assert not desk.session.may_trade

    setting = Setting()
    _lock_in(setting)
    setting.world.run(life())


def _lock_in(setting: Setting) -> None:
    """The venue lets no order of our account go."""
    exchange = setting.world.exchange
    cancel = exchange.cancel

    def refuse(account: str, *args: Any, **facts: Any) -> Any:
        if account == "main":
            raise Refused(Why.RESTRICTED)
        return cancel(account, *args, **facts)

    exchange.cancel = refuse  # type: ignore[method-assign]


def test_when_it_cannot_begin_nothing_is_left_behind() -> None:
    async def life() -> None:
        with pytest.raises(Exception, match="venue"):
            await setting.open(config=PLAIN.replace('"BTC-USDT"]', '"BTC-USDT", "NOT-USDT"]'))
        await asyncio.sleep(1)
        assert setting.world.stage.links() == {}
        assert len(asyncio.all_tasks()) == 1

    setting = Setting()
    setting.world.run(life())


# ── switches ──────────────────────────────────────────────────────────────────────────────────


def test_a_halt_cancels_ours_and_lets_no_order_pass() -> None:
    async def story(setting: Setting, desk: Desk) -> None:
        setting.place_as_stranger("48000")
        [placed] = command(desk, resting())
        await until(lambda: placed.state is OrderState.OPEN)
        desk.halt("enough", by="person")
        await until(lambda: placed.state is OrderState.CANCELED)
        assert command(desk, resting(49_000)) == []
        assert is_open(setting.orders()["stranger"])
        desk.engine.screen.resume("person", desk.clock.now())
        assert len(command(desk, resting(49_000))) == 1

    setting = Setting()
    setting.run(story)
    [halted] = setting.records(Halted)
    assert (halted.reason, halted.by) == ("enough", "person")
    assert [one.limit for one in setting.records(Refusal)] == ["halt"]


def test_a_halt_while_disconnected_cancels_once_we_are_back() -> None:
    rule = Says(QUOTES)

    async def story(setting: Setting, desk: Desk) -> None:
        [placed] = command(desk, resting())
        await until(lambda: placed.state is OrderState.OPEN)
        setting.cut()
        await until(lambda: not desk.session.may_trade)
        desk.halt("enough", by="person")
        await until(lambda: placed.state is OrderState.CANCELED)

    setting = Setting()
    setting.run(story, rule)
    assert len(setting.records(Halted)) == 1


def test_a_rule_may_halt() -> None:
    rule = Says(QUOTES)

    async def story(setting: Setting, desk: Desk) -> None:
        rule.wishes = [halt("I saw it"), buy(BTC, 0.01)]
        await until(lambda: setting.records(Halted))
        await asyncio.sleep(1)

    setting = Setting()
    setting.run(story, rule)
    assert setting.orders() == {}


LIVE = """
mode = "live"
[venue]
symbols = ["BTC-USDT"]
[log]
file = ""
[risk]
max_order_notional = 5_000
max_position = 1
max_daily_loss = 1_000
[live]
account = "main"
armed_until = 2023-11-14T22:13:50Z
"""
"""The world begins at 22:13:20."""


def test_the_arming_of_a_live_desk_expires() -> None:
    async def story(setting: Setting, desk: Desk) -> None:
        [placed] = command(desk, resting())
        await until(lambda: placed.state is OrderState.OPEN)
        await asyncio.sleep(31)
        assert command(desk, resting(49_000)) == []
        assert placed.state is OrderState.OPEN, "what rests may rest"
        [cancelled] = command(desk, cancel(tag=""))
        await until(lambda: placed.state is OrderState.CANCELED)
        assert cancelled is placed, "cancels always pass"

    setting = Setting()
    setting.run(story, config=LIVE)
    [alert] = [one for one in setting.records(Alerted) if one.rule == "desk"]
    assert "live.armed_until" in alert.text
    assert "the arming has expired" in alert.text
    assert [one.limit for one in setting.records(Refusal)] == ["armed"]


# ── what else goes through ────────────────────────────────────────────────────────────────────


def test_a_replacement_is_one_request_and_both_orders_are_told() -> None:
    async def story(setting: Setting, desk: Desk) -> None:
        [old] = command(desk, resting(50_000))
        await until(lambda: old.state is OrderState.OPEN)
        draft = order(BTC, Side.BUY, size=0.02, price=51_000)
        command(desk, replace(old.id, draft))
        await until(lambda: old.state is OrderState.CANCELED)
        [new] = list(desk.engine.state.ledger.open.values())
        await until(lambda: new.state is OrderState.OPEN)
        assert new.replaces == old.id
        assert list(desk.timings.orders) == [old.id, new.id]
        assert desk.timings.orders[new.id].answered > 0

    setting = Setting()
    setting.run(story)
    assert setting.methods().count("order.cancelReplace") == 1


def test_a_position_is_closed_and_its_result_adds_up() -> None:
    async def story(setting: Setting, desk: Desk) -> None:
        await until(lambda: desk.engine.state.touch(BTC))
        [bought] = command(desk, buy(BTC, 0.02))
        await until(lambda: bought.state is OrderState.FILLED)
        await asyncio.sleep(2)
        [sold] = command(desk, sell(BTC, 0.01))
        await until(lambda: sold.state is OrderState.FILLED)
        await asyncio.sleep(1)

    setting = Setting()
    desk = setting.run(story)
    portfolio = desk.engine.state.portfolio
    assert portfolio.flow("USDT") == setting.free("USDT") - 1_000_000
    assert portfolio.flow("BTC") == setting.free("BTC") - 10
    assert portfolio.differences() == []
    assert all(
        one.state in FINAL for one in map(desk.engine.state.ledger.find, desk.timings.orders) if one
    )


# ── what is noted ─────────────────────────────────────────────────────────────────────────────


def test_tables_and_counters_hold_what_came_and_tops_are_never_behind() -> None:
    async def story(_setting: Setting, desk: Desk) -> None:
        for _ in range(40):
            await asyncio.sleep(0.13)
            book = desk.engine.state.books[BTC]
            tops = desk.frames.tops(BTC).to_columns()
            assert book.best_bid is not None
            assert book.best_ask is not None
            newest = tuple(tops[name][-1] for name in ("bid", "bid_size", "ask", "ask_size"))
            assert newest == (*book.best_bid, *book.best_ask)
            assert tops["time"][-1] == book.received

    desk = Setting(scenario="volatile").run(story)
    counted = {s.event: s.count for s in desk.health.snapshot(desk.clock.now()).streams}
    assert len(desk.frames.trades(BTC)) == counted["Trade"] > 5
    assert len(desk.frames.quotes(BTC)) == counted["Quote"] > 5
    times = desk.frames.tops(BTC).to_columns()["time"]
    assert 5 < len(times) <= counted["BookDelta"] + counted["BookSnapshot"]


# ── deaf to our own orders ────────────────────────────────────────────────────────────────────


class Deafened(Setting):
    """A venue that refuses the private stream whenever it is asked for again."""

    watched = 0

    async def dial(self, url: str, receiver: Receiver) -> TappedLink:
        link = await super().dial(url, receiver)
        honest = link.send

        def send(frame: bytes) -> None:
            if b'"userDataStream.subscribe"' in frame:
                self.watched += 1
                if self.watched > 1:
                    # The method takes no parameters at all (binance §5.3), so this is refused.
                    said = json.loads(frame)
                    frame = json.dumps({**said, "params": {"symbol": "BTCUSDT"}}).encode()
            honest(frame)

        link.send = send  # type: ignore[method-assign]
        return link


def test_a_desk_that_is_refused_its_order_updates_trades_no_more() -> None:
    rule = Says(QUOTES)

    async def story(setting: Setting, desk: Desk) -> None:
        rule.wishes = [resting()]
        await asyncio.sleep(5)  # the cut comes after five seconds
        await until(lambda: bool(desk.engine.screen.halted))
        await until(lambda: not [o for o in desk.engine.state.ledger.open_of("") if o.is_ours])
        refused = desk.engine.screen.refused
        rule.wishes = [resting(51_000)]
        await until(lambda: desk.engine.screen.refused == refused + 1)

    setting = Deafened(faults="cut")
    setting.run(story, rule)
    [halted] = [record for record in setting.journal.records if isinstance(record, Halted)]
    assert halted.by == "desk"
    assert "refuses our order updates" in halted.reason
    assert {order.status for order in setting.orders().values()} == {Status.CANCELED}
