"""The kill switch from outside: where no desk answers, the latch is thrown, the account swept."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from pitwire.cli.switch import stands
from pitwire.desk import switch as switch_module
from pitwire.desk.control import Ask, Control, Told
from pitwire.desk.restart import recall, restart
from pitwire.desk.switch import Killed, kill, resume, status
from pitwire.model.clock import SECOND
from pitwire.model.entropy import Entropy
from pitwire.model.errors import ConfigError, StateError
from pitwire.model.orders import OrderState
from pitwire.sim.faults import BlackHole, Cut, RefuseDial
from pitwire.sim.world import HTTP_URL, MARKET_URL, ORDERS_URL
from pitwire.store.checkpoint import checkpoints
from pitwire.store.folder import AccountFolder
from pitwire.store.history import segment_path
from pitwire.store.latch import HaltLatch
from pitwire.trading.journal import Alerted, Halted, Restricted
from pitwire.trading.wishes import buy
from tests.cli.command import patient
from tests.desk.setting import BTC, Setting, command, until
from tests.desk.test_restart import die, kept, open_at_venue, resting

Tale = Callable[[Setting, Path], Awaitable[None]]


def after_a_death(tale: Tale, tmp_path: Path, *faults: Cut | RefuseDial) -> None:
    """A desk with an order, a protective one and a stranger beside them; it dies."""
    setting = Setting(faults=faults)

    async def lives() -> None:
        desk = await setting.open(config=kept(tmp_path / "a"))
        placed = command(desk, resting(), buy(BTC, 0.01, price=49_000, protective=True))
        await until(lambda: all(one.state is OrderState.OPEN for one in placed))
        setting.place_as_stranger("48000")
        folder = await die(desk, tmp_path / "a")
        assert len(open_at_venue(setting)) == 3
        await tale(setting, folder)

    setting.world.run(lives())


def written(folder: Path) -> Path:
    file = folder.parent / "desk.toml"
    file.write_text(
        kept(folder).replace(
            "[venue]\n",
            "[venue]\n"
            f'endpoints = {{ market = "{MARKET_URL}", orders = "{ORDERS_URL}", '
            f'http = "{HTTP_URL}" }}\n',
        )
    )
    return file


async def killed(setting: Setting, file: Path) -> Killed:
    return await kill(
        file,
        reason="enough",
        by="Ada",
        credentials=setting.credentials,
        dial=setting.world.dial,
        fetch=setting.world.fetch,
        clock=setting.clock,
    )


def test_a_dead_desks_orders_go_and_those_of_others_stay(tmp_path: Path) -> None:
    async def tale(setting: Setting, folder: Path) -> None:
        file = written(folder)
        done = await killed(setting, file)
        assert open_at_venue(setting) == ["stranger"]
        assert (len(done.cancelled), done.left, done.foreign) == (2, (), 1)
        assert (done.answered, done.latched, done.cleared) == (False, True, True)
        assert done.notes == ("no desk runs",)
        again = await killed(setting, file)
        assert (again.cancelled, again.foreign, again.cleared) == ((), 1, True)
        thrown = HaltLatch(folder).read()
        assert thrown is not None
        assert (thrown.reason, thrown.by) == ("enough", "Ada")
        assert open_at_venue(setting) == ["stranger"]

    after_a_death(tale, tmp_path)


def test_when_nothing_was_on_its_way_the_venues_word_is_enough(tmp_path: Path) -> None:
    async def tale(setting: Setting, folder: Path) -> None:
        began = setting.clock.now()
        assert (await killed(setting, written(folder))).cleared
        assert setting.clock.now() - began < 6 * SECOND

    after_a_death(tale, tmp_path)


def test_an_order_that_a_desk_heard_of_meanwhile_was_on_its_way(tmp_path: Path) -> None:
    """It may have been accepted behind the lists that lack it."""

    async def tale(setting: Setting, folder: Path) -> None:
        replay, _, _ = recall(folder)
        heard = [one.changed_at for one in replay.state.ledger.open_of("") if one.is_ours]
        assert heard
        assert switch_module._in_flight(folder, max(heard))
        assert not switch_module._in_flight(folder, max(heard) + 1)

    after_a_death(tale, tmp_path)


@pytest.mark.parametrize("after_seconds", [2.5, 14.0])
def test_what_was_on_its_way_when_the_desk_died_is_waited_for(
    tmp_path: Path, after_seconds: float
) -> None:
    """The journal has the intent, nobody has an answer, and the venue accepts it late."""
    setting = Setting(faults=(BlackHole(at_seconds=10, link="*"),))

    async def takes(name: str) -> None:
        await asyncio.sleep(after_seconds)
        setting.place_as_stranger("50000", name=name)

    async def lives() -> None:
        desk = await setting.open(config=kept(tmp_path / "a"))
        await asyncio.sleep(11)  # nothing comes any more, and nobody has noticed
        [placed] = command(desk, resting())
        folder = await die(desk, tmp_path / "a")
        assert open_at_venue(setting) == []
        taking = asyncio.get_running_loop().create_task(takes(placed.id))
        began = setting.clock.now()
        done = await killed(setting, written(folder))
        await taking
        assert setting.clock.now() - began >= 15 * SECOND
        assert open_at_venue(setting) == []
        assert (done.cancelled, done.cleared, done.left) == ((placed.id,), True, ())
        assert done.notes[-1] == f"taken by the venue only after a list without: {placed.id}"

    setting.world.run(lives())


def test_a_venue_that_cannot_be_reached_is_said_and_the_halt_holds(tmp_path: Path) -> None:
    async def tale(setting: Setting, folder: Path) -> None:
        await asyncio.sleep(12)
        done = await killed(setting, written(folder))
        assert (done.latched, done.cleared, done.cancelled) == (True, False, ())
        assert "not clear after 30 s" in done.notes[-1]
        assert sorted((*done.left, "stranger")) == sorted(open_at_venue(setting))
        assert HaltLatch(folder).read() is not None

    after_a_death(
        tale,
        tmp_path,
        Cut(at_seconds=10, link="*"),
        RefuseDial(at_seconds=9.9, count=0, for_seconds=300.0),
    )


def made(folder: Path) -> None:
    """A folder that a run has left, halted."""
    started = restart(folder, "main", now=1, entropy=Entropy(1))
    for number in range(20):
        started.file.write(Alerted(at=number, text="x" * 100))
    started.file.settle()
    started.folder.latch.throw("enough", "Ada", 2)
    started.close()


async def test_without_a_desk_a_person_lifts_the_latch(tmp_path: Path) -> None:
    made(tmp_path)
    with pytest.raises(ConfigError, match="expected the account's name, 'main'"):
        await resume(tmp_path, confirm="Main")
    thrown = await resume(tmp_path, confirm="main", by="Eve")
    assert thrown is not None
    assert thrown.by == "Ada"
    last = HaltLatch(tmp_path).last()
    assert last is not None
    assert last.lifted_by == "Eve"
    assert await resume(tmp_path, confirm="main") is None, "twice is no error"
    found = await status(tmp_path)
    assert (found.account, found.told, found.thrown, found.holder) == ("main", None, None, "")


@pytest.mark.parametrize(
    ("record", "stance"),
    [
        (Restricted(at=4 * 10**18, reason="max_drawdown: 60", by="risk"), "reduce-only"),
        (Halted(at=4 * 10**18, reason="max_drawdown: 60", by="risk"), "halt"),  # on no latch
    ],
)
async def test_what_the_journal_alone_knows_is_not_called_resumed(
    tmp_path: Path, record: Restricted | Halted, stance: str
) -> None:
    made(tmp_path)
    await resume(tmp_path, confirm="main", by="Eve")
    died = restart(tmp_path, "main", now=4, entropy=Entropy(1))
    died.file.write(record)
    died.file.settle()
    died.close()
    found = await status(tmp_path)
    assert (found.told, found.thrown) == (None, None)
    assert (found.reduces or found.halts) == "max_drawdown: 60"
    assert (
        f"{'only reduces positions' if found.reduces else 'will halt'}: max_dr" in stands(found)[1]
    )
    for _ in range(2):
        told = f"in {stance} by its journal: max_drawdown: 60, expected a desk that runs"
        with pytest.raises(StateError, match=told):
            await resume(tmp_path, confirm="main", by="Eve")


async def test_a_journal_that_is_not_as_written_keeps_the_latch(tmp_path: Path) -> None:
    made(tmp_path)
    for one in checkpoints(tmp_path):
        one.unlink()
    segment = segment_path(tmp_path, 1)
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    with pytest.raises(StateError, match="the journal"):
        await resume(tmp_path, confirm="main", by="Eve")
    assert HaltLatch(tmp_path).read() is not None


async def test_a_reason_that_utf8_cannot_say_halts_all_the_same(tmp_path: Path) -> None:
    made(tmp_path)
    await resume(tmp_path, confirm="main", by="Ren\udce9")
    done = await kill(tmp_path, reason="caf\udce9", by="Ren\udce9")
    assert done.latched
    thrown = HaltLatch(tmp_path).read()
    assert thrown is not None
    assert (thrown.reason, thrown.by) == ("caf\\udce9", "Ren\\udce9")


# ── on paper, no venue holds the orders ───────────────────────────────────────────────────────


class Stuck:
    """A desk that halts when it is asked to, and whose orders do not go."""

    def __init__(self) -> None:
        self.halted = ""

    def note(self, ask: Ask) -> bool:
        return True

    def refuse(self, ask: Ask, why: str) -> None: ...

    def halt(self, reason: str, by: str) -> None:
        self.halted = reason

    def resume(self, by: str) -> None: ...

    def cancel(self, order_id: str, by: str) -> None: ...

    def told(self) -> Told:
        return Told(halted=self.halted, open=("a", "b"))


def on_paper(folder: Path) -> Path:
    """The file of a desk on paper that keeps its things in this folder, which a run has left."""
    made(folder)
    HaltLatch(folder).lift("Eve", 3)
    file = folder.parent / "paper.toml"
    file.write_text(f'mode = "paper"\n[desk]\nstate = "{folder}"\n')
    return file


async def test_a_dead_desks_orders_on_paper_ended_with_it(tmp_path: Path) -> None:
    done = await kill(on_paper(tmp_path / "a"), by="Ada")
    assert (done.latched, done.cleared, done.left) == (True, True, ())


async def test_a_hung_desks_orders_on_paper_are_not_called_closed(tmp_path: Path) -> None:
    file = on_paper(tmp_path / "a")
    hung = AccountFolder.hold(tmp_path / "a", "main", Entropy(1))
    done = await kill(file, by="Ada")
    hung.close()
    assert (done.latched, done.cleared) == (True, False)
    assert f"they end with process {os.getpid()}" in done.notes[-1]


async def test_orders_on_paper_that_a_desk_cannot_close_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient(monkeypatch)
    monkeypatch.setattr(switch_module, "CLEAR_SECONDS", 0.1)
    file = on_paper(tmp_path / "a")
    door = Control(tmp_path / "a", Stuck())
    await door.open()
    done = await kill(file, by="Ada")
    await door.close()
    assert (done.answered, done.cleared, done.left) == (True, False, ("a", "b"))
    assert "nobody but the desk can close them" in done.notes[-1]


async def test_a_desk_that_dies_while_it_flattens_is_not_believed_any_longer(
    tmp_path: Path,
) -> None:
    halted = Killed(answered=True, latched=True, cleared=True)
    done = await switch_module._flattened(tmp_path, "Ada", halted)  # nobody is at its door now
    assert (done.answered, done.cleared, done.flat) == (True, False, False)
    assert "stopped answering while it closed positions" in done.notes[-1]
