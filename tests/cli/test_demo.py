"""`pitwire demo` as a person runs it, and as a person interrupts it."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import pytest

from pitwire.cli.demo import Inspector, default_config, run
from pitwire.cli.main import main
from pitwire.desk.config import parse_config
from pitwire.model.errors import ConfigError
from tests.cli.command import Command, finished, pitwire

LONG = "600"
"""Seconds that no demonstration lasts which is told to end when it has shown what is looked for."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def command(folder: Path) -> Command:
    """One whole demonstration, told to end when it has shown all, to be looked at by several."""
    with pitwire("demo", "--seconds", LONG, folder=folder) as command:
        while not (
            command.said.count("logged on as main (orders)") == 2
            and re.search(r"fill \S+ buy 0.02 BTC-USDT", command.said)
            and re.search(r"order \S+-1 (canceled|filled)", command.said)
        ):
            command.until("")  # the next line, whatever it is
        command.signal(signal.SIGINT)
        command.ended()
    return command


def test_the_demo_tells_all_that_it_did(command: Command) -> None:
    text = "".join(command.out)
    assert command.process.returncode == 130, command.text
    # A market on real ports, and the desk's way to it.
    assert re.search(r"a simulated Binance at http://127\.0\.0\.1:\d+: BTC-USDT, ETH-USDT", text)
    assert "logged on as main (orders)" in command.said
    # The demo cuts the connections itself, and the desk comes back.
    assert "lost market-1" in command.said
    assert command.said.count("logged on as main (orders)") == 2
    # Messages per stream, orders with the tick that caused them, stages, positions, condition.
    for kind in ("Quote", "Trade", "BookDelta", "Update"):
        assert re.search(rf"BTC-USDT +{kind} +[1-9]", text), kind
    assert re.search(r"1 rest a bid .*@ 59\d\d\d.*(canceled|filled)", text)
    assert re.search(r"2 buy the dip +buy 0.02 BTC-USDT +Trade 59\d\d\d\S* +filled @", text)
    orders = re.findall(r"^ *\d (?:rest a bid|buy the dip|sell the recovery) ", text, re.MULTILINE)
    assert len(orders) >= 2
    for stage in ("decide", "encode", "send", "tick to order", "answer"):
        assert re.search(rf"{stage} +{len(orders)} +[\d.,]+ +[\d.,]+", text), stage
    assert "positions and result" in text
    assert "losses 2, reconnects 2" in text
    for symbol in ("BTC-USDT", "ETH-USDT"):
        found = re.search(rf"book {symbol}: compared with the venue's own (\d+) times", text)
        assert found is not None
        assert int(found[1]) > 10
    assert text.count("different 0 times") == 2
    assert "Traceback" not in command.text
    assert all(len(line.rstrip()) <= 100 for line in command.out)


def test_each_fact_is_told_once_and_logged(command: Command, folder: Path) -> None:
    fills = [line for line in command.err if " fill " in line]
    assert fills
    assert len(fills) == len(set(fills))
    assert "order " in command.said
    assert "closed market-1" in command.said
    log = [json.loads(line) for line in (folder / "pitwire-demo.jsonl").read_text().splitlines()]
    assert {line["group"] for line in log} >= {
        "connection", "login", "subscription", "reconnect", "feed", "trigger", "order", "fill",
        "account", "desk",
    }  # fmt: skip
    assert f"log: {len(log)} interactions in pitwire-demo.jsonl" in "".join(command.out)


def test_a_written_file_can_be_changed_and_run(tmp_path: Path) -> None:
    wrote = finished("demo", "--write", "my.toml", folder=tmp_path)
    assert "".join(wrote.out) == "my.toml written; change a line and run: pitwire demo my.toml\n"
    file = tmp_path / "my.toml"
    assert file.read_text() == default_config()
    file.write_text(
        default_config()
        .replace('"cut"', "")
        .replace("crosses_below = 59_500", "above = 1")
        .replace('name = "buy the dip"', 'name = "at once"')
    )
    with pitwire("demo", "my.toml", "--seconds", LONG, folder=tmp_path) as command:
        command.until(r"order \S+ filled")
        command.signal(signal.SIGINT)
        assert command.ended() == 130, command.text
    assert re.search(r"at once +buy 0.02 BTC-USDT +Trade .* filled @", "".join(command.out))
    assert "faults none" in "".join(command.out)


def test_it_ends_by_itself_when_its_time_is_over(tmp_path: Path) -> None:
    command = finished("demo", "--seconds", "1", folder=tmp_path)
    assert command.process.returncode == 0, command.text
    text = "".join(command.out)
    assert "ends by itself after 1 s" in text
    assert "condition: " in text
    assert "Traceback" not in command.text


def test_a_file_that_is_there_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.toml").write_text("mine")
    assert main(["demo", "--write", "my.toml"]) == 2
    said = capsys.readouterr().err
    assert said == ("pitwire: --write: found 'my.toml', expected a file that does not exist yet\n")
    assert (tmp_path / "my.toml").read_text() == "mine"


def test_a_folder_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--write", "no/my.toml"]) == 2
    assert "pitwire: --write: found 'no/my.toml (No such file" in capsys.readouterr().err


def test_a_demo_trades_nowhere_else(tmp_path: Path) -> None:
    file = tmp_path / "paper.toml"
    file.write_text('mode = "paper"\n')
    with pytest.raises(ConfigError, match="mode: found 'paper', expected sim"):
        run(file, seconds=1)


# ── interrupted ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "told to end")],
)
@pytest.mark.parametrize(
    "moment", ["a simulated Binance", r"connected \(market-1\)", "order .* open"]
)
def test_an_interruption_at_any_moment_ends_cleanly(
    tmp_path: Path, number: signal.Signals, code: int, word: str, moment: str
) -> None:
    with pitwire("demo", "--seconds", LONG, folder=tmp_path) as command:
        command.until(moment)
        command.signal(number)
        assert command.ended() == code, command.text
    assert command.err[-1] == f"pitwire: {word}\n"
    assert "Traceback" not in command.text
    assert "still open at the venue" not in command.text
    if moment == "order .* open":
        assert "canceled" in command.said
        assert re.search(r"1 rest a bid .* canceled", "".join(command.out))


def test_two_interruptions_hurry_and_still_end_cleanly(tmp_path: Path) -> None:
    with pitwire("demo", "--seconds", LONG, folder=tmp_path) as command:
        command.until("order .* open")
        command.signal(signal.SIGINT)
        command.signal(signal.SIGINT)
        assert command.ended() == 130, command.text
    assert command.err[-1] == "pitwire: interrupted\n"
    assert "Traceback" not in command.text
    text = "".join(command.out)
    assert re.search("still open at the venue|canceled", text), "cancelled, or listed"


def test_an_interruption_while_it_stops_by_itself(tmp_path: Path) -> None:
    with pitwire("demo", "--seconds", "2", folder=tmp_path) as command:
        command.until("cancel pw|closed ")
        command.signal(signal.SIGINT)
        code = command.ended()
    assert code in (0, 130), command.text
    assert "Traceback" not in command.text
    assert "positions and result" in command.text or "streams" in command.text


# ── the inspector ─────────────────────────────────────────────────────────────────────────────


def test_the_inspector_sees_a_book_that_differs() -> None:
    from tests.desk.setting import BTC, Setting, until

    found: dict[str, int] = {}

    async def story(setting: Setting, desk: object) -> None:
        inspector = Inspector(desk, setting.world, [BTC])  # type: ignore[arg-type]
        book = desk.engine.state.books[BTC]  # type: ignore[attr-defined]

        def looked() -> int:
            inspector.look(BTC)
            return inspector.equal[BTC] + inspector.different[BTC]

        await until(looked)
        assert inspector.different[BTC] == 0
        seen = inspector.equal[BTC]
        best = book.best_bid[0]
        book.bids.change(((best, 77.7),))
        await until(lambda: looked() > seen)
        found.update(inspector.different)

    Setting(scenario="calm").run(story)
    assert found[BTC] == 1


def test_the_demos_own_file_is_a_right_one() -> None:
    config = parse_config(default_config())
    assert [spec.name for spec in config.rule] == [
        "rest a bid", "pull when it runs", "buy the dip", "sell the recovery",
    ]  # fmt: skip
