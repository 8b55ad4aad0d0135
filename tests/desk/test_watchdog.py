"""The watchdog against the simulated venue: in virtual time, with a desk that goes quiet."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from pitwire.desk.desk import Desk
from pitwire.desk.vigil import Outcome
from pitwire.desk.watchdog import Beat, Charge, Goodbye, Report, Watchdog, describe
from pitwire.model.clock import SECOND, Clock
from pitwire.model.orders import CancelOrder
from pitwire.model.proof import NO_PROOF
from pitwire.session.session import Session
from pitwire.sim.faults import Cut, RefuseDial
from pitwire.trading.ids import OrderIds
from pitwire.trading.wishes import buy
from pitwire.wire.link import Link, Receiver
from tests.desk.setting import BTC, ENDPOINTS, Setting, command, is_open, until

Tale = Callable[["Kennel", Desk], Awaitable[None]]


class Kennel:
    """A desk, its watchdog, and the line between them as the test plays it."""

    def __init__(self, setting: Setting, desk: Desk, *, keep_protective: bool = True) -> None:
        self.setting, self.desk = setting, desk
        self.reports: list[Report] = []
        credentials = setting.credentials
        self.charge = Charge(
            venue="binance",
            prefix=desk.order_prefix,
            epoch=desk.engine.screen.ids.epoch,
            key=credentials.key,
            secret=credentials.secret.reveal(),
            kind=credentials.kind,
            endpoints=ENDPOINTS,
            keep_protective=keep_protective,
        )
        self.dog = Watchdog(
            self.charge,
            clock=setting.clock,
            tell=self.reports.append,
            dial=setting.world.dial,
            fetch=setting.world.fetch,
        )
        self.running = asyncio.get_running_loop().create_task(self.dog.run())
        self._beating: asyncio.Task[None] | None = None

    @property
    def states(self) -> list[str]:
        return [report.state for report in self.reports]

    async def ready(self) -> None:
        await until(lambda: "ready" in self.states)

    def beat(self) -> None:
        async def beating() -> None:
            while True:
                self.dog.hear(Beat())
                await asyncio.sleep(0.25)

        self._beating = asyncio.get_running_loop().create_task(beating())

    def freeze(self) -> None:
        assert self._beating is not None
        self._beating.cancel()


def live(
    tale: Tale, *, faults: tuple[Cut | RefuseDial, ...] = (), keep_protective: bool = True
) -> Setting:
    setting = Setting(faults=faults)

    async def story(setting: Setting, desk: Desk) -> None:
        kennel = Kennel(setting, desk, keep_protective=keep_protective)
        kennel.beat()
        try:
            await tale(kennel, desk)
        finally:
            kennel.freeze()
            kennel.dog.hear(Goodbye())
            await kennel.running

    setting.run(story)
    return setting


def open_ids(setting: Setting) -> set[str]:
    return {name for name, order in setting.orders().items() if is_open(order)}


def two_orders(desk: Desk) -> tuple[str, str]:
    plain, stop = command(
        desk,
        buy(BTC, 0.01, price=50_000),
        buy(BTC, 0.01, price=49_000, protective=True),
    )
    return plain.id, stop.id


def test_while_the_desk_beats_nothing_is_touched() -> None:
    async def tale(kennel: Kennel, desk: Desk) -> None:
        await kennel.ready()
        ids = set(two_orders(desk))
        await asyncio.sleep(120)
        assert open_ids(kennel.setting) == ids
        assert kennel.states == ["ready"]

    live(tale)


def test_a_watchdog_whose_key_is_taken_back_says_that_it_cannot_act() -> None:
    async def tale(kennel: Kennel, desk: Desk) -> None:
        await kennel.ready()
        kennel.setting.world.facade.revoke_key(kennel.charge.key)
        for link in list(kennel.setting.world.stage.links()):
            kennel.setting.world.stage.cut(link, kennel.setting.clock.now())
        await until(lambda: "trouble" in kennel.states)
        assert "Invalid API-key" in kennel.reports[-1].text

    live(tale)


def test_a_desk_that_freezes_loses_its_orders_but_not_the_protective_and_not_those_of_others() -> (
    None
):
    async def tale(kennel: Kennel, desk: Desk) -> None:
        await kennel.ready()
        plain, stop = two_orders(desk)
        stranger = kennel.setting.place_as_stranger("48000")
        await until(lambda: open_ids(kennel.setting) == {plain, stop, stranger})
        kennel.freeze()
        frozen = kennel.setting.clock.now()
        await until(lambda: plain not in open_ids(kennel.setting))
        assert kennel.setting.clock.now() - frozen <= 5 * SECOND
        await until(lambda: "clear" in kennel.states)
        assert open_ids(kennel.setting) == {stop, stranger}
        outcome = kennel.reports[-1].outcome
        assert outcome is not None
        assert (outcome.cancelled, outcome.spared, outcome.foreign) == ((plain,), (stop,), 1)
        assert (outcome.left, outcome.late) == ((), ())

    live(tale)


def test_a_dead_desk_is_cleared_up_after_at_once_and_the_watchdog_ends() -> None:
    async def tale(kennel: Kennel, desk: Desk) -> None:
        await kennel.ready()
        plain, stop = two_orders(desk)
        await until(lambda: open_ids(kennel.setting) == {plain, stop})
        died = kennel.setting.clock.now()
        kennel.dog.vigil.lose("the desk is gone")
        await until(lambda: open_ids(kennel.setting) == set())
        assert kennel.setting.clock.now() - died <= 5 * SECOND
        outcome = await kennel.running
        assert outcome is not None
        assert (outcome.cancelled, outcome.left) == ((plain, stop), ())
        assert open_ids(kennel.setting) == set()

    live(tale, keep_protective=False)


def test_an_order_that_was_still_on_its_way_when_the_desk_died_is_found_too() -> None:
    async def tale(kennel: Kennel, desk: Desk) -> None:
        await kennel.ready()
        kennel.dog.vigil.lose("the desk is gone")
        await until(lambda: "acting" in kennel.states)
        await asyncio.sleep(0.5)
        (late,) = command(desk, buy(BTC, 0.01, price=50_000))
        outcome = await kennel.running
        assert outcome is not None
        assert outcome.cancelled == (late.id,)
        assert open_ids(kennel.setting) == set()

    live(tale)


@pytest.mark.parametrize("after_seconds", [1.5, 6.0, 14.5])
def test_an_order_that_the_venue_accepts_late_is_found_before_all_is_called_clear(
    after_seconds: float,
) -> None:
    """It had the order in its hands when the desk died, and took its time."""

    async def tale(kennel: Kennel, desk: Desk) -> None:
        setting = kennel.setting
        await kennel.ready()
        ours = OrderIds(desk.order_prefix, desk.engine.screen.ids.epoch).next()
        await desk.stop()  # it would have a word about an order that it never decided
        died = setting.clock.now()
        kennel.dog.vigil.lose("the desk is gone")
        await asyncio.sleep(after_seconds)
        assert "clear" not in kennel.states
        setting.place_as_stranger("50000", name=ours)
        outcome = await kennel.running
        assert outcome is not None
        assert (outcome.cancelled, outcome.late, outcome.left) == ((ours,), (ours,), ())
        assert open_ids(setting) == set()
        took = (setting.clock.now() - died) / SECOND
        assert 15 <= took <= 20, "receive window, clock, processing limit and margin"
        assert kennel.states[-1] == "clear"
        told = [one.text for one in kennel.reports if "nothing listed" in one.text]
        assert len(told) == (after_seconds > 1)

    live(tale)


def test_orders_of_a_desk_that_was_started_since_are_not_touched() -> None:
    async def tale(kennel: Kennel, desk: Desk) -> None:
        setting, epoch = kennel.setting, desk.engine.screen.ids.epoch
        await kennel.ready()
        earlier = OrderIds(desk.order_prefix, epoch - 1).next()
        later = OrderIds(desk.order_prefix, epoch + 1).next()
        await desk.stop()
        setting.place_as_stranger("50000", name=earlier)
        kennel.dog.vigil.lose("the desk is gone")
        await asyncio.sleep(3)
        setting.place_as_stranger("50000", name=later)
        outcome = await kennel.running
        assert outcome is not None
        assert (outcome.cancelled, outcome.left, outcome.foreign) == ((earlier,), (), 1)
        assert open_ids(setting) == {later}
        assert kennel.states[-1] == "clear"

    live(tale)


def test_at_a_venue_that_promises_nothing_an_account_is_never_called_clear() -> None:
    async def tale(kennel: Kennel, desk: Desk) -> None:
        await kennel.ready()
        kennel.dog._proof = NO_PROOF
        kennel.dog._give_up = 60 * SECOND
        plain, stop = two_orders(desk)
        await until(lambda: open_ids(kennel.setting) == {plain, stop})
        kennel.dog.vigil.lose("the desk is gone")
        outcome = await kennel.running
        assert outcome is not None
        assert (outcome.cancelled, outcome.left) == ((plain,), ())
        assert kennel.states[-1] == "trouble"
        assert any("binance may still accept" in one.text for one in kennel.reports)

    live(tale)


def test_a_cancel_that_cannot_be_made_keeps_no_other_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of ours amid one: the others go in the same turn, and it is told."""

    async def tale(kennel: Kennel, desk: Desk) -> None:
        await kennel.ready()
        first, *others = (
            one.id for one in command(desk, *(buy(BTC, 0.01, price=50_000 - n) for n in range(4)))
        )
        await until(lambda: open_ids(kennel.setting) == {first, *others})
        sound: Callable[[Session, CancelOrder, int], None] = Session.cancel

        def broken(session: Session, given: CancelOrder, now: int) -> None:
            if given.order_id == first:
                raise ZeroDivisionError("planted")
            sound(session, given, now)

        monkeypatch.setattr(Session, "cancel", broken)
        kennel.freeze()
        await until(lambda: "acting" in kennel.states)
        await until(lambda: open_ids(kennel.setting) == {first}, within_seconds=1)
        await until(lambda: "trouble" in kennel.states, within_seconds=5)
        told = next(one for one in kennel.reports if one.state == "trouble")
        assert told.text == "a cancel failed: ZeroDivisionError: planted"
        monkeypatch.undo()
        await until(lambda: not open_ids(kennel.setting))

    live(tale)


def test_a_desk_that_wakes_up_is_watched_again() -> None:
    async def tale(kennel: Kennel, desk: Desk) -> None:
        await kennel.ready()
        kennel.freeze()
        await until(lambda: "clear" in kennel.states)
        kennel.beat()
        await asyncio.sleep(1)
        (later,) = command(desk, buy(BTC, 0.01, price=50_000))
        await asyncio.sleep(60)
        assert open_ids(kennel.setting) == {later.id}
        kennel.freeze()
        await until(lambda: later.id not in open_ids(kennel.setting))
        kennel.beat()

    live(tale)


def test_a_watchdog_that_stood_still_itself_hears_the_desk_before_it_acts() -> None:
    class Sleeper:
        """Their clock, for one who sleeps while it goes on."""

        def __init__(self, clock: Clock) -> None:
            self._clock, self.ahead = clock, 0

        def now(self) -> int:
            return self._clock.now() + self.ahead

    async def tale(kennel: Kennel, desk: Desk) -> None:
        await kennel.ready()
        ids = set(two_orders(desk))
        clock = kennel.dog._clock = Sleeper(kennel.setting.clock)
        for _ in range(3):
            clock.ahead += 60 * SECOND
            await asyncio.sleep(10)
        assert kennel.states == ["ready"]
        assert open_ids(kennel.setting) == ids

    live(tale)


def test_a_login_that_was_lost_and_does_not_come_back_is_told() -> None:
    async def tale(kennel: Kennel, desk: Desk) -> None:
        await kennel.ready()
        # Between two dials lie up to 30 s, so the login is back by then with any luck.
        await asyncio.sleep(120)
        assert kennel.states == ["ready", "trouble", "ready"]
        assert kennel.reports[1].text == "its login was lost, and is not back after 10 s"

    live(tale, faults=(Cut(at_seconds=5), RefuseDial(at_seconds=4.9, count=0, for_seconds=30)))


def test_a_line_that_is_back_at_once_is_no_news() -> None:
    async def tale(kennel: Kennel, desk: Desk) -> None:
        await kennel.ready()
        await asyncio.sleep(30)
        assert kennel.states == ["ready"]

    live(tale, faults=(Cut(at_seconds=5),))


def test_a_dial_that_fails_as_nobody_foresaw_is_told_and_tried_again() -> None:
    async def tale(kennel: Kennel, desk: Desk) -> None:
        async def broken(url: str, receiver: Receiver) -> Link:
            kennel.dog._dial = kennel.setting.world.dial
            raise RuntimeError("this should not be")

        kennel.dog._dial = broken  # nobody has dialled yet
        await kennel.ready()
        assert kennel.states == ["trouble", "ready"]
        assert kennel.reports[0].text == "RuntimeError: this should not be"

    live(tale)


def test_a_venue_that_cannot_be_reached_is_tried_until_it_can() -> None:
    async def tale(kennel: Kennel, desk: Desk) -> None:
        await kennel.ready()
        plain, stop = two_orders(desk)
        await until(lambda: len(open_ids(kennel.setting)) == 2)
        await asyncio.sleep(10)  # every connection is cut by now, and none comes about
        kennel.dog.vigil.lose("the desk is gone")
        outcome = await kennel.running
        assert outcome is not None
        assert outcome.cancelled == (plain,)
        assert open_ids(kennel.setting) == {stop}

    live(
        tale,
        faults=(
            Cut(at_seconds=10, link="*"),
            RefuseDial(at_seconds=9.9, count=0, for_seconds=30.0),
        ),
    )


def test_a_goodbye_ends_it_and_nothing_is_touched() -> None:
    async def tale(kennel: Kennel, desk: Desk) -> None:
        await kennel.ready()
        ids = set(two_orders(desk))
        await until(lambda: open_ids(kennel.setting) == ids)
        kennel.freeze()
        kennel.dog.hear(Goodbye())
        assert await kennel.running is None
        assert open_ids(kennel.setting) == ids
        kennel.beat()

    live(tale)


def test_a_key_that_is_not_accepted_is_told_once_and_tried_again_ever_more_seldom() -> None:
    setting = Setting()

    async def story(setting: Setting, desk: Desk) -> None:
        kennel = Kennel(setting, desk)
        kennel.dog.hear(Goodbye())
        await kennel.running
        charge = Charge(
            venue="binance", prefix="pw", key="nobody", secret="nothing", kind="hmac",
            endpoints=ENDPOINTS,
        )  # fmt: skip
        dials = 0

        async def dial(url: str, receiver: object) -> object:
            nonlocal dials
            dials += 1
            return await setting.world.dial(url, receiver)  # type: ignore[arg-type]

        reports: list[Report] = []
        dog = Watchdog(
            charge, clock=setting.clock, tell=reports.append,
            dial=dial, fetch=setting.world.fetch,  # type: ignore[arg-type]
        )  # fmt: skip
        running = asyncio.get_running_loop().create_task(dog.run())
        for _ in range(1200):
            dog.hear(Beat())
            await asyncio.sleep(0.25)
        dog.hear(Goodbye())
        await running
        assert [report.state for report in reports] == ["trouble"]
        assert 2 * 5 <= dials <= 2 * 16

    setting.run(story)


def test_what_it_did_is_said_in_one_line() -> None:
    outcome = Outcome(cancelled=("a", "b"), spared=("c",), left=("d",), foreign=2, late=("b",))
    assert describe(Report(state="clear", text="the desk is gone", outcome=outcome)) == (
        "the desk is gone; 2 orders cancelled, 1 taken late (b), 1 protective left open (c), "
        "1 may still be open (d), 2 not ours and not touched"
    )
