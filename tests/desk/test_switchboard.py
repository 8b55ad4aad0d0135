"""Halt, resume and the door of a whole desk, in virtual time at a venue that remembers."""

from __future__ import annotations

import asyncio
import errno
from bisect import bisect_left
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from pitwire.desk.control import Ask, Control
from pitwire.desk.desk import Desk
from pitwire.desk.leash import GONE
from pitwire.desk.restart import recall
from pitwire.desk.switchboard import Switchboard
from pitwire.desk.watchdog import Report
from pitwire.model.clock import SECOND
from pitwire.model.errors import StateError
from pitwire.model.events import Quote
from pitwire.model.orders import OrderState, Side
from pitwire.sim.facts import Kind, NewOrder
from pitwire.sim.faults import BlackHole, Cut, Freeze, Misreport, RefuseDial, RevokeKeys
from pitwire.sim.loop import SimLoop
from pitwire.sim.world import BTC_USDT
from pitwire.store.latch import HaltLatch
from pitwire.trading.journal import Alerted, Asked, Dropped, Halted, Refusal
from pitwire.trading.rules import Watch
from pitwire.trading.stance import Stance
from pitwire.trading.wishes import HaltTrading, buy, cancel, order
from tests.desk.setting import BTC, PLAIN, Says, Setting, command, until
from tests.desk.test_restart import die, found, kept, open_at_venue, resting

OUTAGE = (
    Cut(at_seconds=10, link="*"),
    RefuseDial(at_seconds=9.9, count=0, for_seconds=30.0),
)


def frames_since(setting: Setting, count: int) -> list[str]:
    """What was said on the orders connection, in order."""
    return [str(frame["method"]) for frame in setting.sent[count:] if "order" in str(frame)
            or "session" in str(frame["method"]) or "userData" in str(frame["method"])
            or "account" in str(frame["method"])]  # fmt: skip


def cancels_lead(frames: list[str]) -> None:
    """After the login come the cancels, in one turn with the ear for their answers."""
    login, *spoken = frames
    assert login in ("session.logon", "account.status")  # with HMAC, any signed question is one
    assert spoken[:3].count("order.cancel") == 2, spoken
    assert [one for one in spoken[:3] if not one.startswith(("order", "userData"))] == []


@pytest.mark.parametrize("keys", ["ed25519", "hmac"])
def test_during_an_outage_the_halt_is_kept_and_cancels_leave_first_on_return(
    tmp_path: Path, keys: str
) -> None:
    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(tmp_path / "a"))
        placed = command(desk, resting(50_000), resting(49_000))
        await until(lambda: all(one.state is OrderState.OPEN for one in placed))
        await asyncio.sleep(12)
        told = desk.switchboard.told()
        assert (told.stance, told.reachable) == (Stance.TRADE, False)
        said = len(setting.sent)
        desk.halt("enough", "Ada")
        thrown = HaltLatch(tmp_path / "a").read()
        assert thrown is not None
        assert (thrown.reason, thrown.by) == ("enough", "Ada")
        assert desk.switchboard.told().open == tuple(one.id for one in placed)
        await until(lambda: desk.switchboard.told().open == (), within_seconds=90)
        cancels_lead(frames_since(setting, said))
        assert open_at_venue(setting) == []
        told = desk.switchboard.told()
        assert told.ended == {one.id: "canceled" for one in placed}
        assert (told.stance, told.reachable) == (Stance.HALT, True)
        await desk.stop()

    setting = Setting(faults=OUTAGE, keys=keys)
    setting.world.run(lives(setting))


@pytest.mark.parametrize("keys", ["ed25519", "hmac"])
def test_a_desk_that_starts_halted_watches_only_and_cancels_what_still_rests(
    tmp_path: Path, keys: str
) -> None:
    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(tmp_path / "a"))
        placed = command(desk, resting(50_000), resting(49_000))
        await until(lambda: all(one.state is OrderState.OPEN for one in placed))
        copy = await die(desk, tmp_path / "a")
        HaltLatch(copy).throw("not today", "Ada", setting.clock.now())
        said = len(setting.sent)

        again = await setting.open(config=kept(copy))
        cancels_lead(frames_since(setting, said))
        assert again.switchboard.told().stance is Stance.HALT
        await until(lambda: open_at_venue(setting) == [])
        assert {found(again, one.id).state for one in placed} == {OrderState.CANCELED}
        assert again.engine.state.touch(BTC) is not None
        assert command(again, resting()) == []
        assert setting.records(Refusal)[-1].limit == "halt"
        await again.stop()

    setting = Setting(keys=keys)
    setting.world.run(lives(setting))


def test_who_throws_the_latch_alone_halts_a_desk_that_runs(tmp_path: Path) -> None:
    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(tmp_path / "a"))
        [placed] = command(desk, resting())
        await until(lambda: placed.state is OrderState.OPEN)
        HaltLatch(tmp_path / "a").throw("no answer", "Ada", setting.clock.now())
        began = setting.clock.now()
        await until(lambda: bool(desk.engine.screen.halted))
        assert setting.clock.now() - began <= SECOND // 5
        await until(lambda: placed.state is OrderState.CANCELED)
        desk.resume("Eve")
        await asyncio.sleep(1)
        assert desk.switchboard.told().stance is Stance.TRADE
        await desk.stop()

    setting = Setting()
    setting.world.run(lives(setting))
    [halted] = setting.records(Halted)
    assert (halted.reason, halted.by) == ("no answer", "Ada")


@pytest.mark.parametrize("turns", [0, 1, 3, 10, 30, 100])
def test_who_throws_the_latch_while_a_desk_starts_halts_it_before_it_decides(
    tmp_path: Path, turns: int
) -> None:
    says = Says(Watch(Quote, BTC))
    says.wishes = [resting()]

    async def throws(setting: Setting) -> None:
        while not (tmp_path / "a" / "identity").exists():
            await asyncio.sleep(0)
        for _ in range(turns):
            await asyncio.sleep(0)
        HaltLatch(tmp_path / "a").throw("not today", "Ada", setting.clock.now())

    async def lives(setting: Setting) -> None:
        throwing = asyncio.get_running_loop().create_task(throws(setting))
        desk = await setting.open(says, config=kept(tmp_path / "a"))
        await throwing
        await asyncio.sleep(2)
        assert desk.engine.screen.halted == "not today"
        await desk.stop()

    setting = Setting()
    setting.world.run(lives(setting))
    assert setting.methods("order.place") == []


def test_a_halt_that_somebody_throws_beside_an_earlier_one_is_not_resumed_unseen(
    tmp_path: Path,
) -> None:
    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(tmp_path / "a"))
        desk.halt("a limit", "desk")
        await asyncio.sleep(1)
        HaltLatch(tmp_path / "a").throw("no answer", "Ada", setting.clock.now())
        with pytest.raises(StateError, match="halted anew by desk: a limit"):
            desk.resume("Eve")
        assert HaltLatch(tmp_path / "a").read() is not None
        desk.resume("Eve")
        assert HaltLatch(tmp_path / "a").read() is None
        await asyncio.sleep(1)
        assert desk.switchboard.told().stance is Stance.TRADE
        await desk.stop()

    setting = Setting()
    setting.world.run(lives(setting))


def test_a_desk_resumes_from_its_own_halt_at_once(tmp_path: Path) -> None:
    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(tmp_path / "a"))
        for _ in range(3):
            desk.halt("a limit", "desk")
            desk.resume("Eve")
            assert HaltLatch(tmp_path / "a").read() is None
        await asyncio.sleep(1)
        assert desk.switchboard.told().stance is Stance.TRADE
        await desk.stop()

    setting = Setting()
    setting.world.run(lives(setting))


@pytest.mark.parametrize("keys", ["ed25519", "hmac"])
def test_a_key_that_is_refused_halts_and_nothing_is_tried_again_and_again(
    tmp_path: Path, keys: str
) -> None:
    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(tmp_path / "a"))
        rests = command(desk, resting(50_000), resting(49_000))
        await until(lambda: all(one.state is OrderState.OPEN for one in rests))
        await asyncio.sleep(12)
        assert desk.engine.screen.halted == ""
        (late,) = command(desk, resting(48_000))
        await until(lambda: bool(desk.engine.screen.halted))
        assert "the venue refuses our key: Invalid API-key" in desk.engine.screen.halted
        await asyncio.sleep(1)
        said = len(setting.sent)
        await asyncio.sleep(100)
        assert [one for one in frames_since(setting, said) if one.startswith("order")] == []
        assert {one.state for one in rests} == {OrderState.OPEN}, "they live, and are shown"
        assert late.state in (OrderState.REJECTED, OrderState.UNKNOWN)
        assert desk.engine.state.touch(BTC) is not None
        assert desk.engine.state.stale == {}
        alerts = [one.text for one in setting.records(Alerted)]
        assert any("orders may still be open" in text for text in alerts)
        desk.resume("Eve")
        command(desk, resting(47_000))
        await until(lambda: bool(desk.engine.screen.halted))
        await desk.stop(within_seconds=0.5)

    setting = Setting(faults=(RevokeKeys(at_seconds=10),), keys=keys)
    setting.world.run(lives(setting))


@pytest.mark.parametrize("keys", ["ed25519", "hmac"])
def test_a_key_that_is_refused_after_a_loss_ends_the_account_and_not_the_desk(
    tmp_path: Path, keys: str
) -> None:
    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(tmp_path / "a"))
        running = asyncio.ensure_future(desk.run())
        [rests] = command(desk, resting(50_000))
        await until(lambda: rests.state is OrderState.OPEN)
        await until(lambda: bool(desk.engine.screen.halted), within_seconds=60)
        assert "lets the account in no more" in desk.engine.screen.halted
        assert "Invalid API-key" in desk.engine.screen.halted
        said = len(setting.sent)
        assert command(desk, resting(48_000)) == []
        refused = setting.records(Refusal)[-1]
        assert (refused.limit, refused.value) == ("halt", desk.engine.screen.halted)
        await asyncio.sleep(90)
        assert not running.done(), "the market is watched on"
        assert frames_since(setting, said) == [], "and no login is tried again"
        assert [line.name for line in desk.session.lines] == ["market-1"]
        assert desk.engine.state.touch(BTC) is not None
        assert desk.engine.state.stale == {}
        assert desk.report().stance is Stance.HALT
        alerts = [one.text for one in setting.records(Alerted)]
        assert any("orders may still be open" in text for text in alerts)
        await desk.stop(within_seconds=0.5)
        await running

    setting = Setting(faults=(RevokeKeys(at_seconds=10), Cut(at_seconds=11, link="*")), keys=keys)
    setting.world.run(lives(setting))


def test_a_desk_that_stood_still_as_it_stopped_hears_what_was_said_meanwhile(
    tmp_path: Path,
) -> None:
    """It listed orders as open whose ends had come, and left them to its watchdog."""

    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(tmp_path / "a"))
        [rests] = command(desk, resting(50_000))
        await until(lambda: rests.state is OrderState.OPEN)
        late = Freeze(link="orders*", for_seconds=9)
        setting.world.plan.inject([late], setting.clock.now())
        stopping = asyncio.ensure_future(desk.stop())
        await asyncio.sleep(0.01)
        assert setting.methods()[-1].startswith("order.cancel")
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        loop.elapsed += 8 * SECOND
        await stopping
        assert (desk.left_open, rests.state) == ((), OrderState.CANCELED)

    setting = Setting()
    setting.world.run(lives(setting))


def test_what_stood_still_looks_at_the_halt_before_it_decides_again(tmp_path: Path) -> None:
    says = Says(Watch(Quote, BTC))

    async def lives(setting: Setting) -> None:
        desk = await setting.open(says, config=kept(tmp_path / "a"))
        assert desk._house is not None
        desk._house.cancel()  # as while the process stands still
        await asyncio.sleep(3)
        HaltLatch(tmp_path / "a").throw("it hangs", "Ada", setting.clock.now())
        said, says.wishes = says.seen, [resting()]
        await until(lambda: says.seen > said)
        assert desk.engine.screen.halted == "it hangs"
        await asyncio.sleep(1)
        await desk.stop()

    setting = Setting()
    setting.world.run(lives(setting))
    assert setting.methods("order.place") == []


def test_a_chore_that_fails_halts_and_keeps_no_cancel_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError("no more tops")

    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(tmp_path / "a"))
        [placed] = command(desk, resting())
        await until(lambda: placed.state is OrderState.OPEN)
        monkeypatch.setattr(desk.switchboard, "halt", throw_alone(desk))
        monkeypatch.setattr(desk._chronicle, "note_tops", fail)
        await until(lambda: placed.state is OrderState.CANCELED)
        await asyncio.sleep(3)
        await desk.stop()

    def throw_alone(desk: Desk) -> Callable[[str, str], None]:
        """A halt whose cancels are lost."""
        return lambda reason, by: desk.engine.screen.throw(reason, by, desk.clock.now())

    setting = Setting()
    setting.world.run(lives(setting))
    assert [one.reason for one in setting.records(Halted)] == [
        "housekeeping failed: RuntimeError: no more tops"
    ]


def test_a_halt_for_a_reason_that_utf8_cannot_say_is_on_the_disk(tmp_path: Path) -> None:
    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(tmp_path / "a"))
        command(desk, HaltTrading(reason="half a pair: \ud800", rule="says"))
        desk.settle()
        thrown = HaltLatch(tmp_path / "a").read()
        assert thrown is not None
        assert thrown.reason == desk.engine.screen.halted == "half a pair: \\ud800"
        await desk.stop()

    setting = Setting()
    setting.world.run(lives(setting))


def test_a_halt_while_the_desk_is_starting_holds_and_its_orders_go(tmp_path: Path) -> None:
    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(tmp_path / "a"))
        [placed] = command(desk, resting())
        await until(lambda: placed.state is OrderState.OPEN)
        copy = await die(desk, tmp_path / "a")
        opened: list[Switchboard] = []
        real = Switchboard.open

        async def thrown(board: Switchboard) -> None:
            opened.append(board)
            await real(board)
            board.halt("before it stood", "Ada")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Switchboard, "open", thrown)
            again = await setting.open(config=kept(copy))
        assert again.engine.screen.halted == "before it stood"
        assert HaltLatch(copy).read() is not None
        await until(lambda: open_at_venue(setting) == [])
        await again.stop()

    setting = Setting()
    setting.world.run(lives(setting))


def test_reduce_only_is_kept_over_deaths_until_a_person_resumes(tmp_path: Path) -> None:
    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(tmp_path / "a"))
        desk.engine.screen.restrict("max_drawdown: 60", "risk", desk.clock.now())
        assert desk.report().stance is Stance.REDUCE_ONLY
        await asyncio.sleep(0.1)
        copy = await die(desk, tmp_path / "a")
        desk = await setting.open(config=kept(copy))
        told = desk.switchboard.told()
        assert (told.stance, told.reducing) == (Stance.REDUCE_ONLY, "max_drawdown: 60")
        assert command(desk, resting()) == []
        assert setting.records(Refusal)[-1].limit == "reducing"
        await desk.stop()
        desk = await setting.open(config=kept(copy))
        assert desk.switchboard.told().reducing == "max_drawdown: 60"
        desk.resume("Ada")
        [placed] = command(desk, resting())
        await until(lambda: placed.state is OrderState.OPEN)
        await desk.stop()
        desk = await setting.open(config=kept(copy))
        assert desk.switchboard.told().stance is Stance.TRADE
        await desk.stop()

    setting = Setting()
    setting.world.run(lives(setting))


def test_while_the_watchdog_cannot_act_nothing_grows(tmp_path: Path) -> None:
    """Two layers are gone where a machine is lost: a desk that dies leaves what it has open."""
    trouble, ready = Report(state="trouble", text="its login was lost"), Report(state="ready")

    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(tmp_path / "a"))
        hear = desk.switchboard.hear_watchdog
        (bought,) = command(desk, order(BTC, Side.BUY, size=0.05))
        await until(lambda: bought.state is OrderState.FILLED)
        (open_now,) = command(desk, resting(49_000))
        hear(trouble)
        await asyncio.sleep(20)
        hear(Report(state="trouble", text="its login was lost, and more"))
        (passed,) = command(desk, resting(49_100))
        assert passed.state is not OrderState.REJECTED, "it may be back in a moment"
        await asyncio.sleep(11)
        (grows,) = command(desk, resting(49_200))
        assert grows.state is OrderState.REJECTED
        [dropped] = setting.records(Dropped)
        assert dropped.why == "the watchdog could not act for 30 s: its login was lost, and more"
        sent = len(setting.methods("order.place"))
        (too_much,) = command(desk, order(BTC, Side.SELL, size=0.06, price=70_000))
        assert too_much.state is OrderState.REJECTED
        assert len(setting.methods("order.place")) == sent
        (reduces,) = command(desk, order(BTC, Side.SELL, size=0.03, price=70_000))
        (beyond,) = command(desk, order(BTC, Side.SELL, size=0.03, price=70_001))
        assert beyond.state is OrderState.REJECTED, "both together would sell more than is held"
        command(desk, cancel(order_id=open_now.id))
        await until(lambda: reduces.state is OrderState.OPEN)
        await until(lambda: open_now.state is OrderState.CANCELED)
        assert desk.report().stance is Stance.TRADE, "and no person is needed"
        hear(ready)
        await asyncio.sleep(1)
        (again,) = command(desk, resting(49_300))
        await until(lambda: again.state is OrderState.OPEN)
        told = [one.text for one in setting.records(Alerted)]
        assert told[-2:] == [
            "the watchdog could not act for 30 s: until it can, only orders that reduce a position "
            "leave",
            "the watchdog can act again: orders may leave",
        ]
        await desk.stop()

    setting = Setting()
    setting.world.run(lives(setting))


def test_a_watchdog_that_flaps_is_not_counted_on(tmp_path: Path) -> None:
    """It is away for ten seconds, again and again: who dies then leaves what is open."""
    trouble, ready = Report(state="trouble", text="its login was lost"), Report(state="ready")

    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(tmp_path / "a"))
        hear = desk.switchboard.hear_watchdog
        for _ in range(4):
            hear(trouble)
            await asyncio.sleep(10)
            hear(ready)
            await asyncio.sleep(10)
        (grows,) = command(desk, resting(49_000))
        assert grows.state is OrderState.REJECTED, "it stands again, but for how long?"
        [dropped] = setting.records(Dropped)
        why = "the watchdog could not act for 30 s of the last 300"
        assert dropped.why == f"{why}: its login was lost"
        told = [one.text for one in setting.records(Alerted)]
        assert f"{why}: until it can for 60 s, only orders that reduce a position leave" in told
        await asyncio.sleep(55)
        (passed,) = command(desk, resting(49_100))
        await until(lambda: passed.state is OrderState.OPEN)
        await desk.stop()

    setting = Setting()
    setting.world.run(lives(setting))


def test_without_the_watchdog_that_is_wanted_nothing_grows_any_more(tmp_path: Path) -> None:
    """H6: who dies now leaves orders that nobody clears up after."""
    dead = Report(state=GONE, text="the watchdog ended by itself (exit code 7)")

    class Dead:
        state = GONE

        def dismiss(self) -> None: ...

        leave = dismiss

    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(tmp_path / "a"))
        (placed,) = command(desk, resting())
        await until(lambda: placed.state is OrderState.OPEN)
        desk.switchboard.hear_watchdog(msgspec.structs.replace(dead, state="trouble"))
        assert desk.report().stance is Stance.TRADE, "another one is being started"
        desk._leash = Dead()  # type: ignore[assignment]
        desk.switchboard.hear_watchdog(dead)
        told = desk.switchboard.told()
        assert told.stance is Stance.REDUCE_ONLY
        assert told.reducing == "there is no watchdog: the watchdog ended by itself (exit code 7)"
        assert command(desk, resting(49_000)) == []
        assert setting.records(Alerted)[-1].text.startswith("watchdog: gone: the watchdog ended")
        with pytest.raises(StateError, match="there is no watchdog until the desk starts anew"):
            desk.resume("Ada")
        desk.switchboard.cancel(placed.id, "Ada")
        await until(lambda: placed.state is OrderState.CANCELED)
        await desk.stop()

        again = await setting.open(config=kept(tmp_path / "a"))
        assert again.report().stance is Stance.REDUCE_ONLY, "a person looks at it first"
        again.resume("Ada")
        assert len(command(again, resting(48_000))) == 1
        await again.stop()

    setting = Setting()
    setting.world.run(lives(setting))


def test_an_order_in_our_name_that_was_never_decided_here_is_a_halt() -> None:
    """A second copy of us: sent is more than was intended, and the first such order shows it."""

    async def story(setting: Setting, desk: Desk) -> None:
        [placed] = command(desk, resting())
        await until(lambda: placed.state is OrderState.OPEN)
        epoch = placed.id.split("-")[1]
        for number in ("0", "1"):  # of an earlier run, or our own: no news
            desk.switchboard.judge(f"{desk.order_prefix}-{epoch}-{number}")
        assert desk.engine.screen.halted == ""
        alien = f"{desk.order_prefix}-{epoch}-zz"
        setting.world.exchange.place(
            NewOrder(
                account="main", symbol=BTC, side=Side.BUY, kind=Kind.LIMIT, lots=1000,
                price=int(Decimal(49_000) / BTC_USDT.tick), client_id=alien,
            ),
            setting.clock.now(),
        )  # fmt: skip
        setting.world.act()
        await until(lambda: bool(desk.engine.screen.halted))
        assert alien in desk.engine.screen.halted
        assert "by 1 decided orders" in desk.engine.screen.halted
        await until(lambda: open_at_venue(setting) == [])

    setting = Setting()
    setting.run(story)
    assert len(setting.records(Halted)) == 1


def test_a_venue_that_answers_nothing_is_sent_ten_orders_and_no_more() -> None:
    """Knight's lesson: what leaves and comes to nothing is stopped within ten orders."""

    async def story(setting: Setting, desk: Desk) -> None:
        await asyncio.sleep(1)
        for step in range(100):
            command(desk, resting(50_000 + step))
            await asyncio.sleep(0.05)
        assert len(setting.methods("order.place")) == 10
        refusal = setting.records(Refusal)[-1]
        assert (refusal.limit, refusal.value, refusal.allowed) == (
            "max_unanswered_orders", "11", "10",
        )  # fmt: skip
        await until(lambda: bool(desk.engine.screen.halted))
        assert desk.engine.screen.halted == "10 orders were sent and not answered, allowed 10"

    setting = Setting(faults=(BlackHole(at_seconds=0.5, link="orders*", for_seconds=20),))
    setting.run(story, config=f"{PLAIN}[risk]\nduplicate_seconds = 0\n")


def test_a_halt_that_does_not_get_through_is_told_to_a_person_once(tmp_path: Path) -> None:
    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(tmp_path / "a"))
        [placed] = command(desk, resting())
        await until(lambda: placed.state is OrderState.OPEN)
        await asyncio.sleep(12)
        desk.halt("enough", "Ada")
        await asyncio.sleep(1.9)
        assert setting.records(Alerted) == []
        await asyncio.sleep(8)
        [told] = setting.records(Alerted)
        assert told.text == (
            f"halted for 2 s, no cancel can leave: 1 orders may still be open ({placed.id})"
        )
        await until(lambda: open_at_venue(setting) == [], within_seconds=90)
        await desk.stop()

    setting = Setting(faults=OUTAGE)
    setting.world.run(lives(setting))


def test_five_deaths_within_a_minute_halt_the_next_start(tmp_path: Path) -> None:
    """O12. Four do not, nor do five that took longer, nor does a good end among them."""

    async def lives(setting: Setting) -> None:
        path = tmp_path / "a"

        async def dies(times: int, *, every_seconds: float = 1) -> str:
            nonlocal path
            for _ in range(times):
                desk = await setting.open(config=kept(path))
                await asyncio.sleep(every_seconds)
                path = await die(desk, path)
            desk = await setting.open(config=kept(path))
            halted = desk.engine.screen.halted
            await desk.stop()
            return halted

        assert await dies(4) == ""
        await asyncio.sleep(60)
        assert await dies(5, every_seconds=16) == ""
        await asyncio.sleep(60)
        assert await dies(5) == "crash loop: 5 runs have died within 60 s"
        await asyncio.sleep(60)
        desk = await setting.open(config=kept(path))
        assert desk.switchboard.told().stance is Stance.HALT, "until a person has looked"
        desk.resume("Ada")
        await desk.stop()
        assert await dies(1) == ""

    setting = Setting()
    setting.world.run(lives(setting))


def test_nobody_resumes_while_the_reason_stands(tmp_path: Path) -> None:
    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(tmp_path / "a"))

        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        assert desk.restarted is not None
        desk.restarted.file._write = full  # type: ignore[method-assign]
        command(desk, resting())
        await until(lambda: bool(desk.engine.screen.halted))
        told = desk.switchboard.told()
        assert "No space left" in told.stands
        with pytest.raises(StateError, match="No space left"):
            desk.resume("Ada")
        door = Control(tmp_path / "a", desk.switchboard)
        told = door.obey(Ask(do="resume", by="Ada", key="k1"))
        assert told.stance is Stance.HALT
        assert "No space left" in told.error
        await desk.stop()

    setting = Setting()
    setting.world.run(lives(setting))


def test_what_is_asked_is_in_the_journal_and_the_same_key_is_one_decision_over_restarts(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a"

    def ask(desk: Desk, do: str, key: str) -> str:
        words = Ask(do=do, by="Ada", reason="enough", key=key)  # type: ignore[arg-type]
        return str(Control(path, desk.switchboard).obey(words).stance)

    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(path))
        assert ask(desk, "halt", "k1") == "halt"
        assert ask(desk, "resume", "k2") == "trade"
        assert ask(desk, "halt", "k1") == "trade", "that was done"
        assert ask(desk, "halt", "k3") == "halt"
        await desk.stop()
        desk = await setting.open(config=kept(path))
        assert ask(desk, "resume", "k2") == "halt", "that was done, in another run"
        copy = await die(desk, path)
        desk = await setting.open(config=kept(copy))
        assert ask(desk, "resume", "k2") == "halt"
        assert ask(desk, "resume", "k4") == "trade"
        await desk.stop()

    setting = Setting()
    setting.world.run(lives(setting))
    asked = [(one.do, one.by, one.key) for one in setting.records(Asked)]
    assert asked == [
        ("halt", "Ada", "k1"), ("resume", "Ada", "k2"), ("halt", "Ada", "k3"),
        ("resume", "Ada", "k4"),
    ]  # fmt: skip
    replay, _, _ = recall(path)
    assert replay.contradictions == []
    assert replay.asked.contents() == ["k1", "k2", "k3"]


def test_one_order_is_cancelled_and_the_other_stays(tmp_path: Path) -> None:
    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(tmp_path / "a"))
        one, other = command(desk, resting(50_000), resting(49_000))
        await until(lambda: one.state is other.state is OrderState.OPEN)
        control = Control(tmp_path, desk.switchboard)
        assert control.obey(Ask(do="cancel", order=one.id, by="Ada", key="k")).error == ""
        await until(lambda: one.state is OrderState.CANCELED)
        assert other.state is OrderState.OPEN
        told = control.obey(Ask(do="cancel", order=one.id, by="Ada"))
        assert "no open order" in told.error
        assert "no open order" in control.obey(Ask(do="cancel", order="<b>", by="Ada")).error
        noted = [(record.do, record.reason) for record in setting.records(Asked)]
        assert noted[0] == ("cancel", one.id)
        await desk.stop()

    setting = Setting()
    setting.world.run(lives(setting))


def test_a_venue_too_busy_to_cancel_is_told_again_as_far_as_its_limit_allows() -> None:
    """A hundred cancels a second are 6,000 a minute, and a ban that keeps back every one."""
    busy = Misreport(
        at_seconds=20,
        kind="cancel",
        code=-1008,
        text="overloaded",
        status=503,
        done=False,
        count=9000,
    )
    limits = "collar_percent = 90\nmax_open_orders_per_symbol = 100\nmax_orders_per_second = 100"
    setting = Setting(faults=(busy,))

    async def story(setting: Setting, desk: Desk) -> None:
        for ten in range(10):
            prices = range(50_000 - 100 * ten, 49_990 - 100 * ten, -1)
            assert len(command(desk, *(buy(BTC, 0.001, price=each) for each in prices))) == 10
            await asyncio.sleep(2.1)
        desk.halt("enough", "Ada")
        await until(lambda: not desk.gateway.has_room(100, desk.clock.now()))
        late = setting.place_as_stranger("40000", name=f"{desk.order_prefix}-1-1")
        before = len(setting.methods("order.cancel"))
        await until(lambda: late in {one.id for one in desk.engine.state.ledger.open_of(BTC)})
        await asyncio.sleep(1.5)
        assert len(setting.methods("order.cancel")) > before, "what turns up is told to go at once"
        await asyncio.sleep(120)
        told = [frame["params"] for frame in setting.sent if frame["method"] == "order.cancel"]
        times = sorted(each["timestamp"] for each in told)
        most = max(bisect_left(times, at + 60_000) - nth for nth, at in enumerate(times))
        assert 1_000 < most < 6_000 * 0.8

    setting.run(story, config=f"{PLAIN}[risk]\n{limits}\n")


def test_a_cancel_that_came_to_nothing_is_said_again_though_others_use_up_the_limit() -> None:
    """Whoever else spends the weight of this address does so for ever; a halt is not over then."""
    refused = Misreport(
        at_seconds=1, kind="cancel", code=-1008, text="overloaded", status=503, done=False, count=48
    )
    setting = Setting(faults=(refused,))

    async def story(setting: Setting, desk: Desk) -> None:
        for lot in range(3):
            prices = range(50_000 - 100 * lot, 49_992 - 100 * lot, -1)
            assert len(command(desk, *(buy(BTC, 0.001, price=each) for each in prices))) == 8
            await asyncio.sleep(2.1)
        desk.gateway.has_room = lambda weight, now: False  # type: ignore[method-assign]
        desk.halt("enough", "Ada")
        await asyncio.sleep(25)
        assert len(open_at_venue(setting)) == 24
        assert len(setting.methods("order.cancel")) == 48, (
            "by the halt, and once more by its tending"
        )
        await asyncio.sleep(9)
        assert open_at_venue(setting) == []
        told = [frame["params"] for frame in setting.sent if frame["method"] == "order.cancel"]
        again = sorted(each["timestamp"] for each in told)[48:]
        assert len(again) == 24
        assert again[9] < again[0] + 100 < again[10], "no more than ten a second"

    limits = "collar_percent = 90\nmax_open_orders_per_symbol = 100\nmax_orders_per_second = 100"
    setting.run(story, config=f"{PLAIN}[risk]\n{limits}\n")
