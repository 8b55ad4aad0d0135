"""The summary tells every order and every number, in a hundred columns."""

from __future__ import annotations

import asyncio
import io
import re
from decimal import Decimal

import pytest
from rich.console import Console

from pitwire.cli.summary import WIDTH, plain_table, print_summary, summary_console
from pitwire.desk.desk import Desk
from pitwire.model.events import Quote
from pitwire.model.orders import OrderState, Side
from pitwire.session.stream import EventStream
from pitwire.trading.rules import Watch
from pitwire.trading.wishes import buy, order, replace
from tests.desk.setting import BTC, PLAIN, Says, Setting, command, until
from tests.desk.test_desk import DIP, resting


def printed(desk: Desk, width: int = WIDTH) -> list[str]:
    text = io.StringIO()
    print_summary(desk, Console(file=text, width=width))
    return [line.rstrip() for line in text.getvalue().splitlines()]


def row(lines: list[str], pattern: str) -> str:
    found = [line for line in lines if re.search(pattern, line)]
    assert len(found) == 1, lines
    return found[0]


def test_every_order_with_its_cause_its_stages_and_its_end() -> None:
    async def story(setting: Setting, desk: Desk) -> None:
        await until(lambda: len(desk.frames.fills()) > 0)
        [old] = command(desk, resting(50_000))
        await until(lambda: old.state is OrderState.OPEN)
        command(desk, replace(old.id, order(BTC, Side.BUY, size=0.02, price=51_000)))
        await until(lambda: old.state is OrderState.CANCELED)
        command(desk, buy(BTC, quote_size=Decimal("600")))
        await asyncio.sleep(1)

    setting = Setting()
    desk = setting.run(story, config=DIP)
    lines = printed(desk)
    assert row(lines, r"^1 buy at once +buy 0\.02 BTC-USDT +\w+.* filled @ \d+\.\d\d +0 +\d")
    assert row(lines, r"^2 +buy 0\.01 BTC-USDT @ 50000 +canceled +0 +\d")
    # Of a replacement nobody measured the sending.
    assert row(lines, r"^3 +buy 0\.02 BTC-USDT @ 51000 +canceled$")
    assert row(lines, r"^4 +buy BTC-USDT for 600 +filled .*@")
    assert row(lines, r"^tick to order +3 +0\.00 +0\.00$")
    assert row(lines, r"^BTC-USDT +0\.0\d+ +\d{5}\.\d\d +-?\d")
    assert row(lines, r"^BTC-USDT +Quote +[1-9]")
    assert row(lines, "^condition: [1-9]")
    assert all(len(line) <= WIDTH for line in lines)
    assert not [line for line in lines if "still open" in line]


def test_what_is_left_open_is_listed() -> None:
    async def story(setting: Setting, desk: Desk) -> None: ...

    desk = Setting().run(story, config=PLAIN)
    desk.left_open = ("pw-1-2",)
    assert row(printed(desk), "still open at the venue: pw-1-2")


def test_nothing_happened_and_nothing_is_made_up() -> None:
    async def story(setting: Setting, desk: Desk) -> None: ...

    lines = printed(Setting().run(story, config=PLAIN))
    titles = ("orders", "from tick to order", "positions and result")
    assert not [line for line in lines if line in titles]
    text = " ".join(lines)
    assert "losses 0, reconnects 0, book gaps 0" in text
    assert "refused by risk 0" in text


def test_a_name_with_brackets_is_no_markup() -> None:
    async def story(setting: Setting, desk: Desk) -> None:
        await until(lambda: len(desk.timings.orders) > 0)

    config = DIP.replace("buy at once", "buy [bold]now[/]")
    assert row(printed(Setting().run(story, config=config)), re.escape("buy [bold]now[/]"))


def test_a_pipe_has_its_own_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert summary_console().width == WIDTH


def test_words_to_the_left_numbers_to_the_right() -> None:
    table = plain_table("title", ("a",), ("b", "c"))
    assert [column.justify for column in table.columns] == ["left", "right", "right"]


def test_what_a_slow_reader_missed_is_told() -> None:
    kept: list[EventStream] = []

    async def story(setting: Setting, desk: Desk) -> None:
        kept.append(desk.session.stream(Quote, policy="drop", capacity=1))
        await until(lambda: kept[0].counts.dropped > 3)

    desk = Setting().run(story, Says(Watch(Quote, BTC)))
    assert f"dropped {kept[0].counts.dropped}" in " ".join(printed(desk))
