"""A desk that dies and one that goes on: in virtual time, at a venue that remembers everything."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import stat
import threading
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import pytest

from pitwire.desk import restart as restart_module
from pitwire.desk.desk import Desk
from pitwire.desk.restart import recall, restart
from pitwire.model.clock import SECOND
from pitwire.model.entropy import Entropy
from pitwire.model.errors import ConfigError, JournalFailed
from pitwire.model.events import Fill
from pitwire.model.orders import OrderState, Side
from pitwire.sim.facts import Kind, NewOrder
from pitwire.sim.world import BTC_USDT
from pitwire.store.checkpoint import checkpoints
from pitwire.store.history import History, segment_path
from pitwire.store.latch import HaltLatch
from pitwire.store.room import keep_room
from pitwire.store.segment import HEAD_SIZE, read_segment
from pitwire.store.slate import can_be_mapped, entries_of, read_slate, slate_path
from pitwire.store.verifying import verify
from pitwire.trading.journal import (
    Alerted,
    Decided,
    Dropped,
    Halted,
    Left,
    Record,
    Refusal,
    Started,
)
from pitwire.trading.replay import Replay
from pitwire.trading.snapshot import encode, take
from pitwire.trading.tracked import Tracked
from pitwire.trading.wishes import Wish, cancel, order
from tests.desk.setting import BTC, PLAIN, Setting, command, is_open, until
from tests.trading.making import order as bare_order

D = Decimal
Lives = Callable[[Setting], Awaitable[None]]


def kept(path: Path, more: str = "") -> str:
    return f'{PLAIN}[desk]\nstate = "{path}"\n{more}'


def resting(price: float = 50_000, tag: str = "") -> Wish:
    return order(BTC, Side.BUY, size=0.01, price=price, tag=tag)


async def die(desk: Desk, path: Path) -> Path:
    """The folder as a kill leaves it; the desk itself is cleared away and cancels nothing."""
    copy = path.with_name(path.name + "+")
    shutil.copytree(path, copy, ignore=shutil.ignore_patterns("*.sock"))
    assert desk._house is not None
    desk._house.cancel()
    desk._gateway = None
    await desk.stop()
    return copy


def lift_offline(path: Path, by: str, at: int) -> None:
    """As `pitwire resume` does where no desk runs: it has read the journal to its end."""
    HaltLatch(path).lift(by, at, to=recall(path)[1].end)


def open_at_venue(setting: Setting) -> list[str]:
    return [name for name, one in setting.orders().items() if is_open(one)]


def found(desk: Desk, order_id: str) -> Tracked:
    tracked = desk.engine.state.ledger.find(order_id)
    assert tracked is not None
    return tracked


def snapshot_of(desk: Desk) -> bytes:
    assert desk.restarted is not None
    ids = desk.restarted.ids
    return encode(
        take(
            desk.engine.state,
            prefix=ids.prefix,
            epoch=ids.epoch,
            made=ids.made,
            halted=desk.engine.screen.halted,
        )
    )


def sell_down_to(setting: Setting, price: int) -> None:
    """Somebody sells through the book, as deep as our order lies."""
    exchange, now = setting.world.exchange, setting.clock.now()
    exchange.open_account("whale", {}, unlimited=True)
    exchange.place(
        NewOrder(
            account="whale",
            symbol=BTC,
            side=Side.SELL,
            kind=Kind.LIMIT,
            lots=10**9,
            price=int(price / BTC_USDT.tick),
        ),
        now,
    )
    setting.world.act()


# ── going on ──────────────────────────────────────────────────────────────────────────────────


def test_after_a_death_the_orders_are_ours_with_all_we_knew_of_them(tmp_path: Path) -> None:
    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(tmp_path / "a"))
        [placed] = command(desk, resting(tag="dip"))
        await until(lambda: placed.state is OrderState.OPEN)
        copy = await die(desk, tmp_path / "a")
        assert open_at_venue(setting) == [placed.id]

        again = await setting.open(config=kept(copy))
        tracked = found(again, placed.id)
        assert (tracked.state, tracked.origin.value) == (OrderState.OPEN, "ours")
        assert (tracked.tag, tracked.venue_id) == ("dip", placed.venue_id)
        assert tracked.order is not None
        [cancelled] = command(again, cancel(tag="dip"))
        await until(lambda: cancelled.state is OrderState.CANCELED)
        [other] = command(again, resting(49_000))
        assert other.id.rsplit("-", 2)[0] == placed.id.rsplit("-", 2)[0]
        assert (placed.id.split("-")[1], other.id.split("-")[1]) == ("1", "2")
        await again.stop()
        assert open_at_venue(setting) == []

    setting = Setting()
    setting.world.run(lives(setting))
    assert [one.epoch for one in setting.records(Started)] == [1, 2]


def test_what_filled_while_we_were_dead_is_booked_once(tmp_path: Path) -> None:
    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(tmp_path / "a"))
        [placed] = command(desk, resting(59_000))
        await until(lambda: placed.state is OrderState.OPEN)
        copy = await die(desk, tmp_path / "a")
        sell_down_to(setting, 59_000)
        assert not is_open(setting.orders()[placed.id])
        again = await setting.open(config=kept(copy))
        tracked = found(again, placed.id)
        assert tracked.state is OrderState.FILLED, "the venue was heard before rules may run"
        await until(lambda: not tracked.missing)
        assert again.engine.state.portfolio.holding(BTC).bought == D("0.01")
        await again.stop()

    setting = Setting()
    setting.world.run(lives(setting))
    assert len({one.trade_id for one in setting.records(Fill)}) == len(setting.records(Fill))


def test_an_order_whose_fate_nobody_noted_is_unknown_and_then_known(tmp_path: Path) -> None:
    """Killed after the write and before the next: it may have left or not. Both are found out."""

    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(tmp_path / "a"))
        now = desk.clock.now()
        left, stayed = desk.engine.screen.admit(
            (resting(50_000), resting(49_000)), desk.engine.state, now
        )
        assert desk.restarted is not None
        assert desk.restarted.file.commit() == ""
        shutil.copytree(tmp_path / "a", tmp_path / "b", ignore=shutil.ignore_patterns("*.sock"))
        desk.gateway.send(left, now)  # the bytes left; that they did was never written
        await until(lambda: len(open_at_venue(setting)) == 1)
        assert desk._house is not None
        desk._house.cancel()
        desk._gateway = None
        await desk.stop()

        began = desk.clock.now()
        again = await setting.open(config=kept(tmp_path / "b"))
        alive, dead = found(again, left.id), found(again, stayed.id)  # type: ignore[union-attr]
        assert alive.state is OrderState.OPEN
        assert dead.state is OrderState.REJECTED
        assert dead.declared_dead
        waited = (again.clock.now() - began) / SECOND
        assert 14 <= waited < 20, "not before the venue's earliest proof"
        await again.stop()
        assert open_at_venue(setting) == []

    setting = Setting()
    setting.world.run(lives(setting))
    placed = [frame["params"]["newClientOrderId"] for frame in setting.sent
              if frame["method"] == "order.place"]  # fmt: skip
    assert len(placed) == len(set(placed)) == 1


def test_every_intent_is_written_before_its_bytes_leave(tmp_path: Path) -> None:
    seen: list[bool] = []

    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(tmp_path / "a"))

        def is_written(order_id: str) -> bool:
            return order_id.encode() in segment_path(tmp_path / "a", 1).read_bytes()

        outlet = desk.session
        real = outlet.place

        def place(one: object, now: int) -> int:
            seen.append(is_written(one.id))  # type: ignore[attr-defined]
            return real(one, now)  # type: ignore[arg-type]

        outlet.place = place  # type: ignore[method-assign, assignment]
        placed = command(desk, resting(50_000), resting(49_000), resting(48_000))
        await until(lambda: all(one.state is OrderState.OPEN for one in placed))
        await desk.stop()

    setting = Setting()
    setting.world.run(lives(setting))
    assert seen == [True, True, True]


def test_the_journal_rebuilds_what_the_desk_believed(tmp_path: Path) -> None:
    believed: list[bytes] = []

    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(tmp_path / "a"))
        [buy] = command(desk, order(BTC, Side.BUY, size=0.01))
        await until(lambda: buy.state is OrderState.FILLED)
        [rests] = command(desk, resting())
        await until(lambda: rests.state is OrderState.OPEN)
        await desk.stop()
        believed.append(snapshot_of(desk))

    setting = Setting()
    setting.world.run(lives(setting))
    for path in checkpoints(tmp_path / "a"):
        replay, history, _ = recall(tmp_path / "a")
        assert history.flaws == []
        assert replay.contradictions == []
        assert encode(replay.snapshot()) == believed[0]
        path.unlink()  # the next time round with an older one, and then from the beginning
    replay, _, _ = recall(tmp_path / "a")
    assert encode(replay.snapshot()) == believed[0]
    told = Replay()
    for record in setting.journal.records:
        told.take(record)
    assert told.contradictions == []


def test_a_clean_start_waits_for_nothing(tmp_path: Path) -> None:
    async def lives(setting: Setting) -> None:
        for _ in range(3):
            began = setting.clock.now()
            desk = await setting.open(config=kept(tmp_path / "a"))
            assert setting.clock.now() - began < SECOND
            assert desk.restarted is not None
            assert desk.restarted.records == 0
            await desk.stop()

    setting = Setting()
    setting.world.run(lives(setting))
    assert len(checkpoints(tmp_path / "a")) == 2


# ── the halt ──────────────────────────────────────────────────────────────────────────────────


def test_a_halt_survives_the_desk_and_a_person_lifts_it(tmp_path: Path) -> None:
    path = tmp_path / "a"

    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(path))
        desk.halt("enough", "Ada")
        thrown = HaltLatch(path).read()
        assert thrown is not None, "on the disk before anybody is told"
        assert (thrown.reason, thrown.by) == ("enough", "Ada")
        await desk.stop()

        again = await setting.open(config=kept(path))
        assert again.engine.screen.halted == "enough"
        assert command(again, resting()) == []
        assert setting.records(Refusal)[-1].limit == "halt"
        again.resume("Grace")
        assert HaltLatch(path).read() is None
        [placed] = command(again, resting())
        await until(lambda: placed.state is OrderState.OPEN)
        await again.stop()

        last = await setting.open(config=kept(path))
        assert last.engine.screen.halted == ""
        await last.stop()

    setting = Setting()
    setting.world.run(lives(setting))
    replay, _, _ = recall(path)
    assert replay.contradictions == []


def test_a_halt_lifted_or_thrown_while_no_desk_ran(tmp_path: Path) -> None:
    path = tmp_path / "a"

    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(path))
        desk.halt("enough", "Ada")
        await desk.stop()
        lift_offline(path, "Grace", setting.clock.now())
        desk = await setting.open(config=kept(path))
        assert desk.engine.screen.halted == ""
        await desk.stop()
        HaltLatch(path).throw("not today", "Ada", setting.clock.now())
        desk = await setting.open(config=kept(path))
        assert desk.engine.screen.halted == "not today"
        await desk.stop()

    setting = Setting()
    setting.world.run(lives(setting))
    for path_ in checkpoints(path):
        path_.unlink()
    replay, history, _ = recall(path)
    assert (replay.halted, replay.contradictions, history.flaws) == ("not today", [], [])


def test_a_halt_that_only_the_journal_knows_still_holds(tmp_path: Path) -> None:
    path = tmp_path / "a"

    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(path))
        desk.halt("enough", "Ada")
        await desk.stop()
        (path / "halted").unlink()
        desk = await setting.open(config=kept(path))
        assert desk.engine.screen.halted == "enough"
        assert HaltLatch(path).read() is not None
        await desk.stop()

    setting = Setting()
    setting.world.run(lives(setting))


def test_an_older_lift_does_not_lift_a_halt_that_never_reached_the_latch(tmp_path: Path) -> None:
    path = tmp_path / "a"

    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(path))
        desk.halt("enough", "Ada")
        desk.resume("Grace")
        await asyncio.sleep(1)
        desk.engine.screen.throw("again", "Ada", setting.clock.now())
        desk._file.settle()  # killed before the latch is thrown
        folder = await die(desk, path)
        assert HaltLatch(folder).read() is None
        again = await setting.open(config=kept(folder))
        assert again.engine.screen.halted == "again"
        assert HaltLatch(folder).read() is not None
        await again.stop()

    setting = Setting()
    setting.world.run(lives(setting))


def test_a_kill_while_a_desk_starts_is_not_lifted_by_what_was_lifted_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person has lifted a dead desk's halt; somebody kills just as the next start reads that."""
    path = tmp_path / "a"
    switch = restart_module._switch

    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(path))
        desk.halt("enough", "Ada")
        await desk.stop()
        lift_offline(path, "Grace", setting.clock.now())

        def and_then_a_kill(*known: Any) -> list[Record]:
            found = switch(*known)
            HaltLatch(path).throw("no, not now", "Ada", setting.clock.now())
            return found

        with monkeypatch.context() as patched:
            patched.setattr(restart_module, "_switch", and_then_a_kill)
            again = await setting.open(config=kept(path))
        assert again.engine.screen.halted == "no, not now"
        assert HaltLatch(path).read() is not None
        await again.stop()

    setting = Setting()
    setting.world.run(lives(setting))


def test_a_halt_that_the_latch_refused_outlives_a_stop_in_good_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"

    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(path))
        desk.halt("enough", "Ada")
        desk.resume("Grace")
        await asyncio.sleep(1)
        with monkeypatch.context() as broken:
            broken.setattr(HaltLatch, "throw", refuse)
            desk.halt("again", "Ada")
        await desk.stop()
        again = await setting.open(config=kept(path))
        assert again.engine.screen.halted == "again"
        await again.stop()

    def refuse(latch: HaltLatch, reason: str, by: str, at: int) -> None:
        raise OSError(errno.EACCES, "Permission denied")

    setting = Setting()
    setting.world.run(lives(setting))


# ── a journal that is not as it was written ───────────────────────────────────────────────────


def live_and_die(tmp_path: Path, setting: Setting) -> Path:
    """One life with an order in it, killed; without its checkpoints, so that all is read."""
    places: list[Path] = []

    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(tmp_path / "a"))
        [placed] = command(desk, resting())
        await until(lambda: placed.state is OrderState.OPEN)
        places.append(await die(desk, tmp_path / "a"))

    setting.world.run(lives(setting))
    for path in checkpoints(places[0]):
        path.unlink()
    return places[0]


def take_over(path: Path) -> tuple[str, list[str]]:
    """Why it is halted after a start, and what was told."""
    now = 1_800_000_000 * SECOND
    started = restart(path, "main", now=now, entropy=Entropy(1))
    started.checkpoint(started.halted, started.reducing)
    started.close()
    return started.halted, [one.text for one in started.told if isinstance(one, Alerted)]


def test_a_torn_tail_is_told_and_halts_nobody(tmp_path: Path) -> None:
    path = live_and_die(tmp_path, Setting())
    segment = segment_path(path, 1)
    segment.write_bytes(segment.read_bytes()[:-5])
    halted, told = take_over(path)
    assert halted == ""
    assert len(told) == 1
    assert "torn" in told[0]
    assert take_over(path) == ("", []), "and told once"


def test_a_machine_that_went_down_is_told_of_and_a_desk_that_was_killed_is_not(
    tmp_path: Path,
) -> None:
    """B10: what was lost is announced; it cannot be known, so that it may be is."""
    path = live_and_die(tmp_path, Setting())
    began = History(path)
    list(began.payloads())
    at = began.headers[-1].started
    for booted, expected in ((0, 0), (at - 1, 0), (at + 1, 1)):
        copy = shutil.copytree(path, tmp_path / f"{booted}")
        started = restart(copy, "main", now=at + 2, entropy=Entropy(1), booted=booted)
        told = [one.text for one in started.told if isinstance(one, Alerted)]
        assert len(told) == expected
        assert all("the machine went down under the run before" in text for text in told)
        started.folder.end()
        started.close()
        again = restart(copy, "main", now=at + 2, entropy=Entropy(1), booted=at + 9)
        again.close()
        assert not [one for one in again.told if isinstance(one, Alerted)], "it ended in good order"


def test_damage_halts_until_a_person_has_looked(tmp_path: Path) -> None:
    path = live_and_die(tmp_path, Setting())
    segment = segment_path(path, 1)
    data = bytearray(segment.read_bytes())
    data[600] ^= 1
    segment.write_bytes(data)
    halted, told = take_over(path)
    assert "the journal: segment 1, record" in halted
    assert "damaged" in told[0]
    again, _ = take_over(path)
    assert again == halted, "starting again does not make it good"
    lift_offline(path, "Ada", 1)
    assert take_over(path) == ("", [])


def test_a_missing_segment_halts_and_is_named(tmp_path: Path) -> None:
    path = live_and_die(tmp_path, Setting())
    take_over(path)
    for checkpoint in checkpoints(path):
        checkpoint.unlink()
    segment_path(path, 1).unlink()
    halted, _ = take_over(path)
    assert halted == "the journal: segment 1 is missing"


def test_the_newest_segment_gone_is_noticed_as_well(tmp_path: Path) -> None:
    path = live_and_die(tmp_path, Setting())
    take_over(path)
    for checkpoint in checkpoints(path):
        checkpoint.unlink()
    segment_path(path, 2).unlink()
    halted, _ = take_over(path)
    assert halted == "the journal: segment 2 is missing"


def test_records_behind_the_checkpoint_that_are_gone_are_noticed(tmp_path: Path) -> None:
    """S11: the run of segment 2 made a checkpoint as it began and went on."""
    path = live_and_die(tmp_path, Setting())
    take_over(path)
    assert checkpoints(path)[0].name.startswith("00000002-")
    segment_path(path, 2).unlink()
    halted, told = take_over(path)
    assert halted == "the journal: segment 2 is missing"
    assert told == ["journal: segment 2 is missing"]


def test_what_a_killed_run_left_to_the_kernel_is_synced_before_we_go_by_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut later must not take from segment 1 what segment 2 was built upon."""
    path = live_and_die(tmp_path, Setting())
    synced: list[tuple[int, int]] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        synced.append((os.fstat(handle).st_ino, os.fstat(handle).st_size))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    whole = segment_path(path, 1).stat()
    take_over(path)
    assert (whole.st_ino, whole.st_size) in synced


def test_room_that_a_killed_run_kept_is_given_back(tmp_path: Path) -> None:
    path = live_and_die(tmp_path, Setting())
    segment = segment_path(path, 1)
    with segment.open("ab") as file:
        try:
            keep_room(file.fileno(), segment.stat().st_size, 1 << 20)
        except OSError as error:
            pytest.skip(f"no room is kept here: {error}")
    before = segment.read_bytes()
    assert segment.stat().st_blocks > 2_000
    take_over(path)
    assert segment.stat().st_blocks < 2_000
    assert segment.read_bytes() == before


def test_a_past_that_cannot_be_synced_is_not_gone_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = live_and_die(tmp_path, Setting())

    sync = os.fsync

    def fails(handle: int) -> None:
        if not stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        sync(handle)

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(JournalFailed, match=r"00000001\.journal: found Input/output error"):
        take_over(path)


def test_a_slow_disk_is_told_of_and_holds_nobody_up(tmp_path: Path) -> None:
    """S4."""
    slow = threading.Event()

    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(tmp_path / "a"))
        assert desk.restarted is not None
        desk.restarted.file._sync = lambda _: (slow.wait(30), None)[1]
        [placed] = command(desk, resting())
        await until(lambda: placed.state is OrderState.OPEN)
        desk.restarted.file.settle()
        desk.restarted.file._unsynced_since -= 2 * SECOND
        await until(lambda: setting.records(Alerted))
        [placed] = command(desk, resting(49_000))
        await until(lambda: placed.state is OrderState.OPEN)
        await asyncio.sleep(1)
        slow.set()
        await desk.stop()

    setting = Setting()
    setting.world.run(lives(setting))
    [alerted] = setting.records(Alerted)
    assert alerted.text.startswith("the journal has waited 2.")
    assert setting.records(Halted) == []


def test_a_cleared_away_past_is_no_hole(tmp_path: Path) -> None:
    """What lies before a checkpoint is needed by nobody who only wants to trade."""
    path = live_and_die(tmp_path, Setting())
    take_over(path)
    segment_path(path, 1).unlink()
    assert take_over(path) == ("", [])


def test_a_checkpoint_that_is_damaged_is_passed_over(tmp_path: Path) -> None:
    path = live_and_die(tmp_path, Setting())
    take_over(path)
    newest = checkpoints(path)[0]
    newest.write_bytes(b"{}")
    halted, told = take_over(path)
    assert halted == ""
    assert told == [
        f"checkpoint passed over: {newest}: found another digest, expected the one it was sealed by"
    ]


# ── a disk that fails ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("call", ["_write", "_sync"])
def test_a_disk_that_fails_ends_trading_and_lets_cancels_out(tmp_path: Path, call: str) -> None:
    def fails(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(tmp_path / "a", "durable = true\n"))
        [placed] = command(desk, resting())
        await until(lambda: placed.state is OrderState.OPEN)
        assert desk.restarted is not None
        setattr(desk.restarted.file, call, fails)
        [refused] = command(desk, resting(49_000))
        assert refused.state is OrderState.REJECTED
        assert "No space left on device" in setting.records(Dropped)[0].why
        assert "No space left on device" in desk.journal_failed
        await until(lambda: placed.state is OrderState.CANCELED)
        [halted] = setting.records(Halted)
        assert "expected a journal that can be written" in halted.reason
        assert command(desk, resting(48_000)) == []
        await desk.stop()

    setting = Setting()
    setting.world.run(lives(setting))
    assert setting.methods("order.place") == ["order.place"]
    written = (tmp_path / "a" / "00000001.journal").read_bytes()
    assert written.count(b'"record":"Left"') <= len(setting.records(Left))
    assert HaltLatch(tmp_path / "a").read() is not None


@pytest.mark.parametrize("error", [errno.EIO, errno.EBADF, errno.EROFS], ids=errno.errorcode.get)
@pytest.mark.parametrize("call", ["_write", "_sync"])
@pytest.mark.parametrize("durable", [False, True])
def test_whatever_the_disk_does_every_order_at_the_venue_is_on_record(
    tmp_path: Path, durable: bool, call: str, error: int
) -> None:
    """S2, S3: the burst that meets it may have left; its intents outlive the desk, nothing follows
    it, what is open is cancelled, and who starts next knows every order, and is halted."""

    def fails(*_: object) -> None:
        raise OSError(error, os.strerror(error))

    async def lives(setting: Setting) -> None:
        desk = await setting.open(
            config=kept(tmp_path / "a", f"durable = {str(durable).lower()}\n")
        )
        [placed] = command(desk, resting())
        await until(lambda: placed.state is OrderState.OPEN)
        assert desk.restarted is not None
        setattr(desk.restarted.file, call, fails)
        met = command(desk, resting(49_000), resting(48_000))
        desk.settle()  # the end of the burst
        if durable:
            assert [one.state for one in met] == [OrderState.REJECTED] * 2
        if call == "_write" or durable:
            assert os.strerror(error) in desk.journal_failed
        else:
            wait_for(lambda: bool(desk.restarted and desk.restarted.file.failed))
        left = len(setting.methods("order.place"))
        if not durable and (call == "_sync" or can_be_mapped(tmp_path)):
            assert left == 3, "it was met when the burst had left"
        assert all(one.state is OrderState.REJECTED for one in command(desk, resting(47_000)))
        await until(lambda: desk.engine.screen.halted)
        assert os.strerror(error) in desk.engine.screen.halted
        assert command(desk, resting(46_000)) == []
        await until(lambda: not open_at_venue(setting))
        assert len(setting.methods("order.place")) == left
        copy = await die(desk, tmp_path / "a")
        assert set(setting.orders()) <= intents_of(copy)

        again = await setting.open(config=kept(copy))
        assert os.strerror(error) in again.engine.screen.halted
        for name in setting.orders():
            await until(lambda name=name: found(again, name).state is OrderState.CANCELED)
        assert again.engine.state.ledger.open == {}
        assert command(again, resting(45_000)) == []
        await again.stop()
        assert verify(copy).is_sound

    setting = Setting()
    setting.world.run(lives(setting))


def intents_of(path: Path) -> set[str]:
    decided = [one.command for one, _ in History(path).records() if isinstance(one, Decided)]
    return {getattr(one, "id", "") for one in decided}


def wait_for(test: Callable[[], bool]) -> None:
    """Another thread has its own pace."""
    for _ in range(60_000):
        if test():
            return
        time.sleep(0.001)
    raise AssertionError("never came true")


def test_no_order_without_its_intent_when_the_disk_is_full(tmp_path: Path) -> None:
    """S2: what the venue saw is in the journal, whatever the disk does in between."""

    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(tmp_path / "a"))
        for number in range(6):
            command(desk, resting(50_000 - number))
        assert desk.restarted is not None
        desk.restarted.file._write = fails  # type: ignore[assignment]
        for number in range(6):
            command(desk, resting(40_000 - number))
        await asyncio.sleep(1)
        await desk.stop()

    def fails(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    setting = Setting()
    setting.world.run(lives(setting))
    replay = Replay()
    history = History(tmp_path / "a")
    intents = set()
    for record, text in history.records():
        replay.take(record, text)
        if isinstance(record, Decided):
            intents.add(getattr(record.command, "id", ""))
    assert set(setting.orders()) <= intents
    assert len(setting.orders()) == 6


def dead_with_orders_on_the_slate(path: Path, count: int) -> tuple[list[str], Path]:
    """The folder of a run that was killed when its orders had left and nothing more was written."""
    run = restart(path, "main", now=1, entropy=Entropy(1))
    ids = []
    for number in range(count):
        ids.append(run.ids.next())
        run.file.write(Decided(2 + number, bare_order(ids[-1])))
        assert run.file.commit() == ""
    copy = path.with_name(path.name + "+")
    shutil.copytree(path, copy)
    run.close()
    return ids, copy


def replayed(path: Path) -> Replay:
    replay, history, wrong = recall(path)
    assert (history.worst, wrong, replay.contradictions) == (None, [], [])
    return replay


@pytest.mark.skipif(not can_be_mapped(Path(gettempdir())), reason="no slate on this file system")
def test_an_intent_that_was_on_the_slate_is_an_order_of_doubt(tmp_path: Path) -> None:
    """Killed between the bytes of an order and the end of the burst."""
    ids, copy = dead_with_orders_on_the_slate(tmp_path / "a", 2)
    assert len(read_slate(copy)) == 2
    [finding] = verify(copy).findings
    assert (finding.file, finding.found) == ("slate", "2 intents that are in no segment")
    assert finding.is_harmless
    again = restart(copy, "main", now=9, entropy=Entropy(2))
    assert again.waiting == tuple(ids)
    assert again.state.ledger.open[ids[0]].state is OrderState.UNKNOWN
    assert read_slate(copy) == []
    again.close()
    decided = [one.command for one, _ in History(copy).records() if isinstance(one, Decided)]
    assert [getattr(one, "id", "") for one in decided] == ids
    assert set(replayed(copy).state.ledger.open) == set(ids)
    assert verify(copy).is_sound


@pytest.mark.skipif(not can_be_mapped(Path(gettempdir())), reason="no slate on this file system")
def test_the_slate_of_a_harmed_journal_is_kept_by_name(tmp_path: Path) -> None:
    """What may have left is not wiped; it is no part of the state, and the desk is halted."""
    ids, copy = dead_with_orders_on_the_slate(tmp_path / "a", 2)
    slate = slate_path(copy).read_bytes()
    segment = segment_path(copy, 1)
    data = bytearray(segment.read_bytes())
    data[300] ^= 1
    segment.write_bytes(data)
    again = restart(copy, "main", now=9, entropy=Entropy(2))
    assert again.halted.startswith("the journal: segment 1, record")
    assert again.waiting == ()
    told = [one.text for one in again.told if isinstance(one, Alerted)]
    assert told[-1] == "the slate of the run before is kept as 00000002.slate"
    again.close()
    assert (copy / "00000002.slate").read_bytes() == slate
    kept = [one for one in verify(copy).findings if one.file == "00000002.slate"]
    assert [one.is_harmless for one in kept] == [True]
    assert kept[0].found == f"set aside, as the journal was harmed: {ids[0]}, {ids[1]}"
    restart(copy, "main", now=10, entropy=Entropy(3)).close()
    assert [one.name for one in sorted(copy.glob("*.slate"))] == ["00000002.slate"]


@pytest.mark.skipif(not can_be_mapped(Path(gettempdir())), reason="no slate on this file system")
def test_a_start_that_dies_while_it_takes_the_slate_over(tmp_path: Path) -> None:
    """Cut at every byte of what it wrote, the next start has each intent, once."""
    ids, copy = dead_with_orders_on_the_slate(tmp_path / "a", 2)
    slate = slate_path(copy).read_bytes()
    restart(copy, "main", now=9, entropy=Entropy(2)).close()
    segment = segment_path(copy, 2)
    whole = segment.read_bytes()
    slate_path(copy).write_bytes(slate)
    started = whole.index(b'{"record":"Started"') - HEAD_SIZE
    for cut in range(started + 1):
        segment.write_bytes(whole[:cut])
        replay = Replay()
        history = History(copy)
        decided = []
        for record, text in history.records():
            replay.take(record, text)
            decided += [record.command] if isinstance(record, Decided) else []
        assert [getattr(one, "id", "") for one in decided] == ids, cut
        assert replay.contradicted == 0


@pytest.mark.skipif(not can_be_mapped(Path(gettempdir())), reason="no slate on this file system")
def test_whatever_slate_a_power_cut_brings_back_no_intent_stands_twice(tmp_path: Path) -> None:
    """Any slate of the run beside a segment that was cut behind any of its records."""
    path = tmp_path / "a"
    run = restart(path, "main", now=1, entropy=Entropy(1))
    slates = list[bytes]()
    for number in range(6):
        run.file.write(Decided(2 + number, bare_order(run.ids.next())))
        run.file.commit()
        slates.append(slate_path(path).read_bytes())
        if number % 3:  # now and then two of them are on it
            run.file.settle()
            slates.append(slate_path(path).read_bytes())
    copy = tmp_path / "b"
    shutil.copytree(path, copy)
    run.close()
    whole = segment_path(copy, 1).read_bytes()
    chain, ends = read_segment(whole, 1).chains, list[int]()
    for one in chain:
        ends.append(whole.index(one) + 16)
    used = 0
    for at, payload_begin in enumerate(ends):
        length = int.from_bytes(whole[payload_begin - HEAD_SIZE :][:4], "little")
        segment_path(copy, 1).write_bytes(whole[: payload_begin + length])
        for slate in slates:
            slate_path(copy).write_bytes(slate)
            history, replay, ids = History(copy), Replay(), list[str]()
            for record, text in history.records():
                replay.take(record, text)
                ids += [record.command.id] if isinstance(record, Decided) else []  # type: ignore[union-attr]
            assert replay.contradicted == 0
            assert len(set(ids)) == len(ids)
            assert ids == [f"{ids[0].rpartition('-')[0]}-{n}" for n in range(1, len(ids) + 1)]
            assert history.worst is None
            assert history.end.records == at
            used += bool(history.slated)
    # Each at the place that it is of, and behind all but the last of its own.
    assert used == sum(len(entries_of(slate)) for slate in slates)


@pytest.mark.skipif(not can_be_mapped(Path(gettempdir())), reason="no slate on this file system")
def test_what_a_version_without_a_slate_has_asked_about_is_not_doubted_again(
    tmp_path: Path,
) -> None:
    """The slate of a killed run outlives a start that knew of none; the next one does."""
    _, copy = dead_with_orders_on_the_slate(tmp_path / "a", 2)
    slate = slate_path(copy).read_bytes()
    slate_path(copy).unlink()
    restart(copy, "main", now=9, entropy=Entropy(2)).close()
    slate_path(copy).write_bytes(slate)
    again = restart(copy, "main", now=10, entropy=Entropy(3))
    assert again.waiting == ()
    assert [one for one in again.told if isinstance(one, Alerted)] == []
    again.close()
    assert verify(copy).is_sound


def test_two_desks_on_one_account_the_second_sends_nothing(tmp_path: Path) -> None:
    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(tmp_path / "a"))
        sent = len(setting.sent)
        with pytest.raises(ConfigError, match="expected one desk an account"):
            await setting.open(config=kept(tmp_path / "a"))
        assert len(setting.sent) == sent
        assert len(setting.world.stage.links()) == 2
        await desk.stop()

    setting = Setting()
    setting.world.run(lives(setting))


def test_paper_orders_end_with_their_paper(tmp_path: Path) -> None:
    config = kept(tmp_path / "a").replace('"sim"', '"paper"')

    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=config, credentials=False)
        [placed] = command(desk, resting())
        await until(lambda: placed.state is OrderState.OPEN)
        copy = await die(desk, tmp_path / "a")
        again = await setting.open(
            config=config.replace(str(tmp_path / "a"), str(copy)), credentials=False
        )
        assert found(again, placed.id).state is OrderState.EXPIRED
        await again.stop()

    setting = Setting()
    setting.world.run(lives(setting))
