"""A running desk in a terminal: what is drawn is what it says, and no number is ever shortened."""

from __future__ import annotations

import asyncio
import io
import os
import re
import termios
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from rich.console import Console

from pitwire.board.remote import Remote
from pitwire.cli.panes import Panes, _keyboard, run
from pitwire.desk.switch import Killed
from pitwire.model.errors import ConfigError
from tests import unhurried
from tests.board.test_window import Desk, remote_of, until, window
from tests.board.watching import FakeSource

VIEW = "A-B@1s"


def desk_source() -> FakeSource:
    source = FakeSource()
    common = source.common
    for key, value in {"mode": "sim", "venue": "v", "account": "main", "limit": 60_000}.items():
        common.put("desk", key, value)
    common.put("watch", "A-B", ["64299.01", 1, "+0.10%", 1, "64299.00", "64299.02", "start"])
    common.put(
        "orders",
        "o-1",
        {
            "id": "o-1", "sym": "A-B", "side": "buy", "type": "limit", "px": "64000.00",
            "size": "0.02000", "done": "0.01000", "part": 50, "state": "partly filled",
            "open": 1, "rule": "[red]rest[/]", "at": 1.0, "ack": "", "why": "",
        },
    )  # fmt: skip
    common.put("positions", "A-B", ["A-B", "long", "0.01000", "64000.00", "64299.01", "+2.99",
                                    "0.00", "–", "B"])  # fmt: skip
    picture = source.views[VIEW]
    picture.put("book", "asks", [["64299.02", "1.00000", "1.00000", 500, ""]])
    picture.put("book", "bids", [["64299.00", "2.00000", "2.00000", 999, "0.02000"]])
    picture.put("book", "middle", ["64299.010", "2", ""])
    return source


def drawn(panes: Panes, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(panes.draw(width))
    text = console.file
    assert isinstance(text, io.StringIO)
    return text.getvalue()


def live(folder: Path, tale: Callable[[FakeSource, Remote, Panes], Awaitable[None]]) -> None:
    async def life() -> None:
        source = desk_source()
        async with window(folder, source), remote_of(folder) as remote:
            await until(lambda: remote.common.tables.get("watch"))
            panes = Panes({"": remote}, Desk.clock)
            drawn(panes, 100)  # asks for the book
            await until(lambda: (remote.picture(VIEW) or FakeSource().common).tables.get("book"))
            await tale(source, remote, panes)

    unhurried.run(asyncio.wait_for(life(), 120))


def test_every_pane_shows_what_the_desk_says(tmp_path: Path) -> None:
    async def tale(source: FakeSource, _: Remote, panes: Panes) -> None:
        text = drawn(panes, 120)
        assert "SIM  v  main  live" in text
        for found in ("A-B  spread 2", "64299.02", "0.02000", "▲ buy", "partly filled", "+2.99"):
            assert found in text
        assert "[red]rest[/]" in text, "a rule's name is text"
        source.common.put("desk", "halted", "enough")
        await until(lambda: "HALTED: enough" in drawn(panes, 120))

    live(tmp_path, tale)


@pytest.mark.parametrize("width", [20, 40, 60, 80])
def test_on_a_narrow_terminal_panes_go_and_numbers_stay_whole(width: int, tmp_path: Path) -> None:
    async def tale(_: FakeSource, __: Remote, panes: Panes) -> None:
        text = drawn(panes, width)
        assert "…" not in text
        cut = ("64299.0 ", "6429 ", "64000.0 ", "0.0200 ")
        assert not [one for one in cut if one in text]
        if width < 60:
            assert "larger terminal" in text.replace("\n", " ")

    live(tmp_path, tale)


def test_silence_and_an_end_are_told(tmp_path: Path) -> None:
    async def life() -> None:
        async with remote_of(tmp_path) as remote:
            panes = Panes({"": remote}, Desk.clock)
            assert "STALE: no desk answers" in drawn(panes, 200)
            async with window(tmp_path, desk_source()):
                await until(lambda: "live" in drawn(panes, 200))
            await until(lambda: "STALE: no desk answers" in drawn(panes, 200))

    unhurried.run(asyncio.wait_for(life(), 120))


def test_an_unknown_symbol_is_told_with_those_that_are_known(tmp_path: Path) -> None:
    async def tale(_: FakeSource, remote: Remote, __: Panes) -> None:
        assert "expected one of A-B" in drawn(Panes({"": remote}, Desk.clock, "X-Y"), 200)

    live(tmp_path, tale)


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="an account's folder"):
        run([tmp_path / "nowhere"])


def test_it_ends_by_itself(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=100)
    run([tmp_path], seconds=0.3, console=console)
    text = console.file
    assert isinstance(text, io.StringIO)
    assert "no desk answers" in text.getvalue()


def test_several_desks_stand_together_and_one_alone_by_a_key(tmp_path: Path) -> None:
    async def life() -> None:
        left, right = desk_source(), desk_source()
        right.common.put("watch", "C-D", ["1.5", 0, "–", 0, "1.4", "1.6", "start"])
        right.views["C-D@1s"].put("book", "asks", [["1.6", "7.00000", "7.00000", 999, ""]])
        right.views["C-D@1s"].put("book", "middle", ["1.50", "20", ""])
        folders = [tmp_path / "left", tmp_path / "right"]
        for folder in folders:
            folder.mkdir()
        async with window(folders[0], left), remote_of(folders[0]) as one:
            remotes = {"left": one}
            async with window(folders[1], right), remote_of(folders[1]) as other:
                remotes["right"] = other
                panes = Panes(remotes, Desk.clock)
                await until(lambda: drawn(panes, 200).count("64299.02") == 4)
                text = drawn(panes, 200)
                for name in remotes:
                    assert f"{name}  SIM  v  main  live" in text
                for row in ("left  A-B", "right  A-B", "right  C-D"):
                    assert re.search(row.replace("  ", " +"), text), row
                assert text.count("partly filled") == text.count("+2.99") == 2
                panes.press("1")
                text = drawn(panes, 200)
                assert "C-D" not in text
                assert text.count("live") == 2, "how each stands is told all the same"
                panes.press("9x0")
                panes.press("j")
                await until(lambda: "right  C-D  spread 20" in drawn(panes, 200))
                assert "left  A-B  spread 2" in drawn(panes, 200), "of who has no such symbol"
                panes.press("j")
                await until(lambda: "right  A-B  spread 2" in drawn(panes, 200))
                assert right.open_views == ["A-B@1s"]
                panes.press("1")
            await until(lambda: "STALE: no desk answers" in drawn(panes, 200))

    unhurried.run(asyncio.wait_for(life(), 120))


def test_columns_stand_still_when_numbers_become_shorter(tmp_path: Path) -> None:
    async def tale(source: FakeSource, remote: Remote, panes: Panes) -> None:
        before = drawn(panes, 120).splitlines()
        source.common.put("watch", "A-B", ["9.01", 1, "0.00%", 1, "9.00", "9.02", "start"])
        await until(lambda: remote.common.tables["watch"]["A-B"][0] == "9.01")
        after = drawn(panes, 120).splitlines()
        [head, row] = [line for line in after if "change" in line or "9.01" in line][:2]
        assert head in before
        assert row.index("9.01") == head.index("last"), "it ends where the heading ends"
        fresh = drawn(Panes({"": remote}, Desk.clock), 120).splitlines()
        assert head not in fresh, "whoever saw no wider number needs no wider column"

    live(tmp_path, tale)


def test_on_a_low_terminal_what_is_held_comes_first(tmp_path: Path) -> None:
    async def tale(_: FakeSource, __: Remote, panes: Panes) -> None:
        console = Console(file=io.StringIO(), width=120, color_system=None)
        lines = console.render_lines(panes.draw(120, 10))
        assert len(lines) <= 10
        text = "\n".join("".join(part.text for part in line) for line in lines)
        assert "SIM  v  main  live" in text
        assert "partly filled" in text
        assert "+2.99" in text
        assert "2 panes need a larger terminal" in text

    live(tmp_path, tale)


def test_keys_are_heard_and_the_terminal_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.openpty()
    heard: list[str] = []

    async def life() -> None:
        with _keyboard(heard.append):
            os.write(ours, b"2")
            await until(lambda: heard)

    with os.fdopen(theirs, "r") as keyboard:
        monkeypatch.setattr("sys.stdin", keyboard)
        before = termios.tcgetattr(theirs)
        unhurried.run(asyncio.wait_for(life(), 120))
        assert heard == ["2"]
        assert termios.tcgetattr(theirs) == before
    os.close(ours)


def test_the_kill_switch_wants_a_word_and_asks_the_desks_that_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []

    async def kill(where: Path, *, reason: str, by: str) -> Killed:
        asked.append((where.name, by))
        if where.name == "right":
            raise ConfigError(where="right", found="nothing", expected="a desk")
        return Killed(answered=True, latched=True, cleared=True)

    monkeypatch.setattr("pitwire.cli.halting.kill", kill)

    async def life() -> None:
        left, right = (Remote(tmp_path / name, Desk.clock) for name in ("left", "right"))
        panes = Panes({"left": left, "right": right}, Desk.clock)
        for word in ("halt", "HALTT", "HAL"):
            panes.press(f"K{word}\n")
            assert "Type HALT and Enter" in drawn(panes, 200), word
            panes.press("\x1b")
        panes.press("HALT\n1K")
        assert "Halt left: cancel 0 working orders" in drawn(panes, 200)
        panes.press("HALX\x7fT\n")
        await panes.halting.settle()
        assert asked == [("left", "watch")]
        assert "left  the desk has halted; the halt is on the disk" in drawn(panes, 200)
        panes.press("0K")
        assert "the desk has halted" not in drawn(panes, 200)
        panes.press("HALT\n")
        assert "right  asked; waiting for the desk" in drawn(panes, 200)
        await panes.halting.settle()
        assert asked[1:] == [("left", "watch"), ("right", "watch")]
        assert "right  not done: right: found" in drawn(panes, 200)

    unhurried.run(life())
