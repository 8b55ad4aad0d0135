"""`pitwire examine`: a table or JSON, card by card, a verdict as an exit code."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

from pitwire.cli.main import main
from pitwire.conformance.kit import CARDS


@pytest.mark.parametrize("venue", ["binance", "binance-usdm"])
def test_a_venue_of_ours_passes_every_card_that_its_table_does_not_deny(
    venue: str, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = time.process_time()
    assert main(["examine", venue, "--json"]) == 0
    assert time.process_time() - begun < 60
    told = json.loads(capsys.readouterr().out)
    verdicts = {one["card"]: one["verdict"] for one in told["cards"]}
    assert told["passed"] is True
    assert list(verdicts) == [card.id for card in CARDS]
    assert [card for card, verdict in verdicts.items() if verdict != "passed"] == ["B6"]
    assert sum(one["seconds"] for one in told["cards"]) > 0


def test_a_table_says_what_was_looked_at(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["examine", "--only", "d1,B6"]) == 0
    out = capsys.readouterr().out
    assert "49 golden frames" in out
    assert "the table: checksum is None" in out
    assert "binance: 2 cards, 1 passed, 0 failed, 1 skipped" in out


def test_a_golden_folder_of_ones_own(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, repository: Path
) -> None:
    shutil.copytree(repository / "tests" / "golden" / "binance", tmp_path / "mine")
    market = tmp_path / "mine" / "market.jsonl"
    market.write_text(market.read_text().replace('"price": 0.001', '"price": 0.002', 1))
    assert main(["examine", "--only", "D1", "--golden", str(tmp_path / "mine")]) == 1
    assert "trade: Trade price: found 0.001, expected 0.002" in capsys.readouterr().out


def test_an_empty_folder_is_no_pass(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["examine", "--only", "D,X,S", "--golden", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert "nothing to look at: no golden frames" in out
    assert "9 cards, 0 passed, 9 failed" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "venue: found 'nowhere', expected one of alpaca, binance"),
        (["binance-coinm", "--only", "0"], "only: found '0', expected a card"),
        (["--only", "Z9"], "only: found 'Z9', expected a card or one of D, E"),
        (["--golden", "nowhere"], "golden: found 'nowhere', expected a folder"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["examine", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_golden_line_that_cannot_be_read_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "market.jsonl").write_text('{"name": "x"}\n')
    assert main(["examine", "--only", "D1", "--golden", str(tmp_path)]) == 1
    assert "market.jsonl:1" in capsys.readouterr().out


def test_what_was_not_brought_is_no_pass(capsys: pytest.CaptureFixture[str]) -> None:
    """COIN-M has no simulated venue yet, and no golden frames."""
    assert main(["examine", "binance-coinm", "--only", "D1,C1"]) == 1
    out = capsys.readouterr().out
    assert "nothing to look at: no golden frames" in out
    assert "world: found 'no simulated venue'" in out
