"""A ban outlives the desk that was told of it: the next start keeps the silence."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pitwire.desk.desk import Desk
from pitwire.model.clock import SECOND
from pitwire.model.errors import DialFailed, RateLimited
from pitwire.session.bans import Ban, addresses_of
from pitwire.store.bans import NAME, read_bans, write_bans
from pitwire.store.latch import HaltLatch
from pitwire.trading.journal import Alerted, Halted
from pitwire.wire.link import HttpAnswer, Receiver
from tests.desk.setting import BTC, ENDPOINTS, Setting, TappedLink
from tests.desk.test_futures import WHERE, Pit
from tests.desk.test_restart import kept

BAN_SECONDS = 90


class Knocked(Setting):
    """A setting that notes when somebody dialled or asked."""

    def __init__(self) -> None:
        super().__init__()
        self.knocks: list[int] = []
        fetch = self.world.fetch

        async def noted(method: str, url: str, headers: dict[str, str], body: bytes) -> HttpAnswer:
            self.knocks.append(self.clock.now())
            return await fetch(method, url, headers, body)

        self.world.fetch = noted  # type: ignore[method-assign, assignment]

    async def dial(self, url: str, receiver: Receiver) -> TappedLink:
        self.knocks.append(self.clock.now())
        return await super().dial(url, receiver)


def alerts(setting: Setting) -> list[str]:
    return [one.text for one in setting.records(Alerted)]


def test_a_start_during_a_ban_dials_and_asks_nothing_until_it_ends(tmp_path: Path) -> None:
    setting = Knocked()

    async def life() -> int:
        first = await setting.open(config=kept(tmp_path))
        ends = setting.clock.now() + BAN_SECONDS * SECOND
        setting.world.facade.ban(ends)
        first.session.resync_book(BTC)  # its snapshot is refused, with 418
        await asyncio.sleep(1)
        await first.stop()
        began = setting.clock.now()
        second = await setting.open(config=kept(tmp_path))
        await second.stop()
        assert [at for at in setting.knocks if began <= at < ends] == []
        assert [at for at in setting.knocks if at >= ends] != []
        return ends

    ends = setting.world.run(life())
    assert {ban.until // SECOND for ban in read_bans(tmp_path)} == {ends // SECOND}
    [told] = [text for text in alerts(setting) if "banned" in text]
    assert "until 20" in told
    [first] = [text for text in alerts(setting) if "wants silence until 20" in text]
    assert first.endswith("nothing is asked of it before")


def test_a_person_may_halt_a_desk_that_waits_for_the_end_of_a_ban(tmp_path: Path) -> None:
    setting = Knocked()

    async def life() -> None:
        tmp_path.mkdir(exist_ok=True)
        ends = setting.clock.now() + BAN_SECONDS * SECOND
        write_bans(tmp_path, tuple(Ban(one, "dials", ends) for one in addresses_of(ENDPOINTS)))
        opening = asyncio.ensure_future(setting.open(config=kept(tmp_path)))
        await asyncio.sleep(BAN_SECONDS / 2)
        HaltLatch(tmp_path).throw("enough", "a person", setting.clock.now())
        await asyncio.sleep(2)
        assert [one.reason for one in setting.records(Halted)] == ["enough"]
        assert setting.knocks == []
        desk = await opening
        assert desk.engine.screen.halted == "enough"
        await desk.stop()

    setting.world.run(life())


def test_a_first_dial_that_is_refused_by_a_ban_is_remembered(tmp_path: Path) -> None:
    setting = Knocked()

    async def life() -> None:
        ends = setting.clock.now() + BAN_SECONDS * SECOND
        setting.world.facade.ban(ends)
        with suppress(DialFailed):
            await setting.open(config=kept(tmp_path))
        refused = len(setting.knocks)
        desk = await setting.open(config=kept(tmp_path))
        await desk.stop()
        assert all(at >= ends for at in setting.knocks[refused:])

    setting.world.run(life())


def test_a_file_that_cannot_be_read_is_told_of_and_stops_nobody(tmp_path: Path) -> None:
    tmp_path.joinpath(NAME).write_bytes(b"nonsense")
    setting = Setting()

    async def story(setting: Setting, desk: Desk) -> None: ...

    setting.run(story, config=kept(tmp_path))
    assert any("not known" in text for text in alerts(setting))


def test_a_disk_that_refuses_is_told_of(tmp_path: Path) -> None:
    setting = Setting()

    async def story(setting: Setting, desk: Desk) -> None:
        tmp_path.joinpath(NAME).mkdir()
        setting.world.facade.ban(setting.clock.now() + BAN_SECONDS * SECOND)
        desk.session.resync_book(BTC)
        await asyncio.sleep(1)

    setting.run(story, config=kept(tmp_path))
    assert any("will not know" in text for text in alerts(setting))


class Futures(Pit):
    """A pit that notes when somebody dialled or asked."""

    def __init__(self) -> None:
        super().__init__()
        self.knocks: list[int] = []

    async def dial(self, url: str, receiver: Any) -> Any:
        self.knocks.append(self.world.clock.now())
        return await super().dial(url, receiver)

    async def fetch(self, method: str, url: str, headers: Any, body: bytes) -> Any:
        self.knocks.append(self.world.clock.now())
        return await super().fetch(method, url, headers, body)


def test_how_the_account_is_set_is_not_asked_during_a_ban(tmp_path: Path) -> None:
    pit = Futures()

    async def life() -> None:
        ends = pit.world.clock.now() + BAN_SECONDS * SECOND
        write_bans(tmp_path, tuple(Ban(one, "weight", ends) for one in addresses_of(WHERE)))
        desk = await pit.open(state=tmp_path)
        await desk.stop()
        assert pit.knocks[0] >= ends

    pit.world.run(life())


def test_a_ban_that_the_first_question_is_told_of_is_remembered(tmp_path: Path) -> None:
    pit = Futures()

    async def life() -> None:
        ends = pit.world.clock.now() + BAN_SECONDS * SECOND
        pit.world.facade.ban(ends)
        with pytest.raises(RateLimited):
            await pit.open(state=tmp_path)
        assert len(pit.knocks) == 1
        desk = await pit.open(state=tmp_path)
        await desk.stop()
        assert pit.knocks[1] >= ends

    pit.world.run(life())
