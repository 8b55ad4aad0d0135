"""`pitwire desk CONFIG` against a venue in another process, and against recordings."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from pitwire.cli.main import main
from pitwire.desk.config import DeskConfig
from pitwire.desk.desk import Desk
from pitwire.desk.interactions import InteractionLog
from pitwire.model.errors import StateError
from pitwire.trading.journal import Alerted
from tests.cli.command import Command, finished, pitwire

DESK = """
mode = "sim"
[venue]
symbols = ["BTC-USDT"]
channels = ["ticker", "trades", "book"]
{endpoints}
[[rule]]
name = "rest"
when = {{ price = "BTC-USDT", above = 1, of = "bid" }}
do = {{ post_only = "buy", size = 0.01, price = {{ from = "bid", bips = -50 }} }}
once = true
[[rule]]
name = "take"
when = {{ price = "BTC-USDT", above = 1, of = "ask" }}
do = {{ market = "buy", size = 0.02 }}
once = true
"""


class Served(NamedTuple):
    """A simulated venue in a process of its own, and what it printed."""

    text: str

    def endpoints(self) -> str:
        found = dict(re.findall(r"# (streams|ws-api|rest) +(\S+)", self.text))
        return (
            f'endpoints = {{ market = "{found["streams"]}", '
            f'orders = "{found["ws-api"]}", http = "{found["rest"]}" }}'
        )

    def env(self, kind: str) -> str:
        if kind == "ed25519":
            return self.text
        lines = [line for line in self.text.splitlines() if not line.startswith("BINANCE_")]
        return "\n".join(line.removeprefix("# ") for line in lines if "BINANCE_" in line)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("venue")
    with pitwire("sim", "BTC-USDT", "--seed", "5", folder=folder) as venue:
        venue.until("Ctrl-C ends it")
        yield Served("".join(venue.out))


def settle(folder: Path, served: Served, kind: str = "ed25519", text: str = DESK) -> None:
    """The desk's folder: its file, and the venue's keys as it printed them."""
    (folder / ".env").write_text(served.env(kind))
    (folder / ".env").chmod(0o600)
    (folder / "desk.toml").write_text(text.format(endpoints=served.endpoints()))


def traded(folder: Path) -> Command:
    """A desk that was told to end once the orders of both rules had come to something."""
    with pitwire("desk", "desk.toml", folder=folder) as command:
        for _ in range(2):
            command.until(r"order \S+-\S+-\S+ (open|filled): ")
        command.signal(signal.SIGINT)
        assert command.ended() == 130, command.text
    return command


@pytest.mark.parametrize("kind", ["ed25519", "hmac"])
def test_a_desk_trades_with_the_keys_the_venue_printed(
    served: Served, kind: str, tmp_path: Path
) -> None:
    settle(tmp_path, served, kind)
    command = traded(tmp_path)
    text = "".join(command.out)
    assert re.search(r"rest +buy 0.01 BTC-USDT @ \S+ .*canceled", text), text
    assert re.search(r"take +buy 0.02 BTC-USDT .*filled @", text), text
    assert re.search(r"BTC-USDT +0.0199", text)
    assert "Traceback" not in command.text
    log = (tmp_path / "pitwire.jsonl").read_text()
    for line in served.text.splitlines():
        name, _, secret = line.removeprefix("# ").partition("=")
        if name.startswith("BINANCE_"):
            assert secret.strip('"') not in log + command.text


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interruption_cancels_what_rests_at_the_venue(
    served: Served, number: signal.Signals, code: int, tmp_path: Path
) -> None:
    settle(tmp_path, served)
    with pitwire("desk", "desk.toml", folder=tmp_path) as command:
        command.until(r"order \S+-\S+-\S+ open")
        command.signal(number)
        assert command.ended() == code, command.text
    assert "Traceback" not in command.text
    assert re.search(r"rest +buy .*canceled", "".join(command.out)), command.text


def test_when_the_venue_is_gone_the_orders_are_listed(tmp_path: Path) -> None:
    with pitwire("sim", "BTC-USDT", folder=tmp_path) as venue:
        venue.until("Ctrl-C ends it")
        settle(tmp_path, Served("".join(venue.out)))
        with pitwire("desk", "desk.toml", folder=tmp_path) as command:
            command.until(r"order \S+-\S+-\S+ open")
            venue.signal(signal.SIGKILL)
            command.until("lost orders")
            command.signal(signal.SIGINT)
            command.signal(signal.SIGINT)
            assert command.ended() == 130, command.text
    assert re.search(r"still open at the venue: \S+-\S+-\S+", "".join(command.out)), command.text
    assert "Traceback" not in command.text


def test_paper_needs_no_keys_and_fills(served: Served, tmp_path: Path) -> None:
    # On paper no more is filled than the best level that is seen: so little is always there.
    small = DESK.replace("size = 0.02", "size = 0.0002")
    settle(tmp_path, served, text=small.replace('"sim"', '"paper"'))
    (tmp_path / ".env").unlink()
    command = traded(tmp_path)
    took = r"take +buy 0.0002 BTC-USDT .*filled @"
    assert re.search(took, "".join(command.out)), command.text
    assert "logged on" not in command.text


def test_the_simulator_of_the_file_is_served_here(tmp_path: Path) -> None:
    (tmp_path / "desk.toml").write_text(DESK.format(endpoints=""))
    command = traded(tmp_path)
    assert re.search(r"take +buy 0.02 BTC-USDT .*filled @", "".join(command.out)), command.text


def test_a_desk_ends_by_itself_when_its_time_is_over(tmp_path: Path) -> None:
    (tmp_path / "desk.toml").write_text(DESK.format(endpoints=""))
    command = finished("desk", "desk.toml", "--seconds", "1", folder=tmp_path)
    assert command.process.returncode == 0, command.text
    assert "; ends after 1 s" in "".join(command.out)
    assert "condition: " in command.text
    assert "still open at the venue" not in command.text


# ── recordings ────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def desk_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "desk.toml"
    file.write_text('[venue]\nsymbols = ["BTC-USDT"]\n[log]\nfile = ""\n')
    return file


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(["desk", "desk.toml", *arguments])
    return code, capsys.readouterr().err


def test_a_recording_that_is_not_there(desk_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, line = said(capsys, "--market", "none.jsonl.gz")
    assert code == 2
    assert line == (
        "pitwire: none.jsonl.gz: found 'No such file or directory', expected a capture to read\n"
    )


@pytest.mark.parametrize(
    "content",
    [b"no capture at all\n", b"[1, 2]\n", b'{"t": "x"}\n', b"\x1f\x8b\x08broken", b"", b"\xff\xfe"],
)
def test_a_file_that_is_no_recording(
    content: bytes, desk_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (desk_file.parent / "odd.jsonl.gz").write_bytes(content)
    (desk_file.parent / "odd.jsonl").write_bytes(content)
    for name in ("odd.jsonl", "odd.jsonl.gz"):
        code, line = said(capsys, "--market", name)
        assert code == 2, line
        place = line.removeprefix(f"pitwire: {name}").partition(" found ")[0]
        assert place in (":", " line 1:"), line
        assert "expected a capture" in line
        assert line.count("\n") == 1


def test_a_recording_of_another_symbol(desk_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trade = json.dumps({"e": "trade", "s": "ETHUSDT", "t": 1, "p": "1.00", "q": "1.0", "T": 5})
    record = json.dumps({"t": "recv", "ts_ns": 5, "data": trade})
    (desk_file.parent / "eth.jsonl").write_text(f"{record}\n")
    code, line = said(capsys, "--market", "eth.jsonl")
    assert code == 2
    assert line == (
        "pitwire: eth.jsonl: found '1 records, none of BTC-USDT', expected a capture of BTC-USDT\n"
    )


def test_a_recording_holds_every_symbol(
    desk_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk_file.write_text('[venue]\nsymbols = ["BTC-USDT", "ETH-USDT"]\n')
    trade = json.dumps({"e": "trade", "s": "BTCUSDT", "t": 1, "p": "1.00", "q": "1.0", "T": 5})
    record = json.dumps({"t": "recv", "ts_ns": 5, "data": trade})
    (desk_file.parent / "btc.jsonl").write_text(f"{record}\n")
    code, line = said(capsys, "--market", "btc.jsonl")
    assert code == 2
    assert line == (
        "pitwire: btc.jsonl: found '1 records, none of ETH-USDT', expected a capture of ETH-USDT\n"
    )


def test_a_recording_is_traded_in_mode_sim(
    desk_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk_file.write_text('mode = "paper"\n')
    code, line = said(capsys, "--market", "any.jsonl.gz")
    assert code == 2
    assert line == "pitwire: --market: found 'paper', expected mode = \"sim\" in the file\n"


def test_a_recording_ends_the_desk_when_it_is_over(captures: Path, tmp_path: Path) -> None:
    whole = captures / "binance" / "spot_BTCUSDT_depth-trade-bookTicker_2024-08-08.jsonl.gz"
    with gzip.open(whole, "rt") as lines:
        first = [line for _, line in zip(range(3000), lines, strict=False)]
    assert json.loads(first[0])
    with gzip.open(tmp_path / "part.jsonl.gz", "wt") as part:
        part.writelines(first)
    text = DESK.format(endpoints="") + "[sim]\nspeed = 50\n"
    (tmp_path / "desk.toml").write_text(text)
    command: Command = finished("desk", "desk.toml", "--market", "part.jsonl.gz", folder=tmp_path)
    assert command.process.returncode == 0, command.text
    assert re.search(r"take +buy 0.02 BTC-USDT .*filled @ 6\d\d\d\d", "".join(command.out))


@pytest.mark.parametrize(("venue", "size"), [("binance-usdm", "0.02"), ("binance-sbe", "0.0199")])
def test_other_venues_are_simulated_too(venue: str, size: str, tmp_path: Path) -> None:
    text = DESK.format(endpoints=f'name = "{venue}"')
    (tmp_path / "desk.toml").write_text(text)
    command = traded(tmp_path)
    told = "".join(command.out)
    assert re.search(r"rest +buy 0.01 BTC-USDT @ \S+ .*canceled", told), command.text
    assert re.search(r"take +buy 0.02 BTC-USDT .*filled @", told), command.text
    assert re.search(rf"BTC-USDT +{size}", told), command.text
    assert "Traceback" not in command.text


def test_a_venue_that_nothing_simulates_is_one_clear_line(tmp_path: Path) -> None:
    text = DESK.format(endpoints='name = "binance-coinm"').replace("BTC-USDT", "BTC-USD")
    (tmp_path / "desk.toml").write_text(text)
    command = finished("desk", "desk.toml", folder=tmp_path)
    assert command.process.returncode == 2
    assert "venue.name: found 'binance-coinm'" in command.text
    assert "Traceback" not in command.text


def test_what_comes_while_it_opens_is_told_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A venue may keep it waiting for long."""

    async def opening(_config: DeskConfig, *, log: InteractionLog, **_: object) -> Desk:
        log.note(Alerted(at=1, text="nothing came yet"))
        while "nothing came yet" not in capfd.readouterr().err:
            await asyncio.sleep(0.01)
        raise StateError(verb="open", state="in a test", expected="the end")

    monkeypatch.setattr("pitwire.cli.desk.open_desk", opening)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.toml").write_text(DESK.format(endpoints=""))
    assert main(["desk", "in.toml"]) == 1
