"""Every example runs against the simulated venue and shows what it says it shows."""

from __future__ import annotations

import importlib.util
import types
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from pitwire.cli.main import main
from pitwire.desk.config import load_config
from pitwire.wire.http import HttpAnswer, HttpClient
from tests.unhurried import run


@pytest.fixture
def examples(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder; whatever an example writes lands elsewhere."""
    monkeypatch.chdir(tmp_path)
    return repository / "examples"


def load(path: Path) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_six_verbs(examples: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(load(examples / "six_verbs.py").main(seconds=0.5)) > 0
    text = capsys.readouterr().out
    for event in ("Opened", "Authenticated", "Subscribed BTC-USDT"):
        assert event in text


def test_dataframe(examples: Path) -> None:
    trades = run(load(examples / "dataframe.py").main(seconds=1.0))
    assert len(trades) > 0
    assert str(trades.index.tz) == "UTC"
    assert (trades["price"] > 0).all()


def test_a_rule_in_python(examples: Path) -> None:
    desk = run(load(examples / "rule_in_python.py").main(seconds=8.0))
    held = desk.engine.state.portfolio.position("BTC-USDT")
    assert 0 < held <= Decimal("0.02")
    kinds = {str(kind) for kind in desk.frames.orders().to_pandas()["type"]}
    assert kinds == {"market", "stop_limit"}
    assert desk.left_open == ()


async def test_an_existing_bot(examples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    fetch = HttpClient.fetch

    async def noted(
        self: HttpClient, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> HttpAnswer:
        asked.append(url)
        return await fetch(self, method, url, headers, body)

    monkeypatch.setattr(HttpClient, "fetch", noted)
    old, new, desk = await load(examples / "existing_bot.py").main(steps=30)
    assert len(old.looked) == len([url for url in asked if "bookTicker" in url]) == 30
    assert len(new.looked) >= 30
    # The quickest of each: the rest may be any machine's other work.
    assert min(new.looked) < min(old.looked)
    sent = [order_id for order_id in new.orders if order_id != "refused"]
    assert sent
    for order_id in sent:
        order = desk.engine.state.ledger.find(order_id)
        assert order.state == "filled"


def test_the_desk_file_is_right(examples: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = load_config(examples / "desk.toml")
    assert [rule.name for rule in config.rule] == [
        "buy the dip",
        "let it run",
        "offer into strength",
        "withdraw",
    ]
    assert main(["doctor", str(examples / "desk.toml")]) == 0
    capsys.readouterr()


def test_the_desk_file_runs(
    examples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["desk", str(examples / "desk.toml"), "--seconds", "1"]) == 0
    assert (tmp_path / "desk.jsonl").stat().st_size > 0
    assert "BTC-USDT" in capsys.readouterr().out


def test_a_broken_network(examples: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen = run(load(examples / "broken_network.py").main(seconds=7.0))
    assert seen["Lost"] >= 2
    assert seen["Opened"] >= 2
    told = capsys.readouterr().out
    assert "market-1 lost" in told
    assert ", 0 missing" in told
