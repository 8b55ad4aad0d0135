"""The page about stopping: its commands are run, and what it shows is what they say."""

from __future__ import annotations

import re
from pathlib import Path
from shlex import split

import pytest

from pitwire.cli.main import main
from pitwire.trading.limits import Limits
from pitwire.trading.stance import Stance
from tests.cli.command import patient, pitwire

CONFIG = """mode = "sim"
[venue]
symbols = ["BTC-USDT"]
channels = ["ticker"]
[desk]
state = "state"
[log]
file = ""
[[rule]]
name = "rest"
when = { price = "BTC-USDT", above = 1, of = "bid" }
do = { post_only = "buy", size = 0.01, price = { from = "bid", bips = -500 } }
once = true
[[rule]]
name = "keep"
when = { price = "BTC-USDT", above = 1, of = "bid" }
do = { post_only = "buy", size = 1e-2, protective = true, price = { from = "bid", bips = -90 } }
once = true
"""

HELD = (
    CONFIG.partition("[[rule]]")[0]
    + """
[[rule]]
name = "hold"
when = { price = "BTC-USDT", above = 1, of = "bid" }
do = { market = "buy", size = 0.01 }
once = true
[[rule]]
name = "rest"
when = { position = "BTC-USDT", above = 0.009 }
do = { post_only = "buy", size = 0.01, price = { from = "bid", bips = -500 } }
once = true
"""
)
"""A position, and then an order that rests."""
FLATTEN = "--flatten"


@pytest.fixture
def page(repository: Path) -> str:
    return (repository / "docs" / "safety.md").read_text()


def told(page: str) -> list[tuple[list[str], list[str]]]:
    """Every command of the page, and the lines that it answers with."""
    blocks = re.findall(r"```console\n\$ pitwire (.*?)\n(.*?)```", page, re.S)
    return [(split(command), answer.splitlines()) for command, answer in blocks]


def as_shape(line: str) -> str:
    """Without what differs from run to run: ids, processes, who is logged in."""
    line = re.sub(r"[a-z0-9]{6}_main-\d+-\d+P?", "ID", line)
    line = re.sub(r"process \d+", "process N", line)
    return re.sub(r"by \S+:", "by WHO:", line)


def test_the_commands_of_the_page_say_what_it_shows(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = [(words, answer) for words, answer in told(page) if FLATTEN not in words]
    assert [words[0] for words, _ in commands] == ["kill", "status", "resume"]
    (tmp_path / "desk.toml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    patient(monkeypatch)
    with pitwire("desk", "desk.toml", folder=tmp_path) as desk:
        desk.until(r"order \S+ open")
        desk.until(r"order \S+ open")
        for words, answer in commands:
            assert_answered(words, answer, capsys)


def test_a_flatten_says_what_the_page_shows(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    [(words, answer)] = [one for one in told(page) if FLATTEN in one[0]]
    (tmp_path / "desk.toml").write_text(HELD)
    monkeypatch.chdir(tmp_path)
    patient(monkeypatch)
    with pitwire("desk", "desk.toml", folder=tmp_path) as desk:
        desk.until(r"order \S+ open: ")
        assert_answered(words, answer, capsys)


def assert_answered(
    words: list[str], answer: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The command, given here, says these lines."""
    capsys.readouterr()
    assert main(words) == 0
    said = capsys.readouterr().out.splitlines()
    assert [as_shape(line) for line in said] == [as_shape(line) for line in answer]


def test_every_stance_is_explained_and_the_figures_are_those_of_the_program(page: str) -> None:
    [table] = re.findall(r"\| Stance \|.*?\n(.*?)\n\n", page, re.S)
    assert re.findall(r"^\| `([a-z-]+)` \|", table, re.M) == [one.value for one in Stance]
    assert Limits().max_unanswered_orders == 10
    assert Limits().max_unknown_seconds == 30.0
