"""`pitwire orders`: what a person, a program and a spreadsheet read of a journal."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from pitwire.cli.main import main
from pitwire.cli.orders import COLUMNS
from pitwire.store.history import segment_path
from tests.cli.journals import flip, journal, lived, of_a_newer_version

__all__ = ["journal", "lived"]

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def told(lived: Path, capsys: Capture) -> list[dict[str, object]]:
    """The receipts as JSON."""
    assert main(["orders", str(lived), "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_json_has_cause_stages_proofs_fills_and_slippage(told: list[dict[str, object]]) -> None:
    filled = next(one for one in told if one["fills"])
    assert filled["rule"] == "busy"
    assert filled["cause"]["event"] == "Trade"  # type: ignore[index]
    stages = [filled[name] for name in ("received", "decided", "sent", "acknowledged", "ended")]
    assert stages == sorted(stages)  # type: ignore[type-var]
    assert stages[0]
    steps = filled["steps"]
    assert isinstance(steps, list)
    assert [step["after"] for step in steps][:2] == ["new", "sent"]
    assert all(step["proof"] for step in steps)
    assert any(step["proof"].startswith("binance said") for step in steps)
    average, best = Decimal(str(filled["average_price"])), filled["ask"]
    if filled["side"] == "sell":
        best = filled["bid"]
    off = average - Decimal(str(best))
    assert Decimal(str(filled["slippage"])) == (off if filled["side"] == "buy" else -off)
    assert filled["fees"]


def test_the_transitions_of_every_order_join(told: list[dict[str, object]]) -> None:
    assert len(told) > 10
    for receipt in told:
        steps = receipt["steps"]
        assert isinstance(steps, list)
        for one, other in pairwise(steps):
            assert one["after"] == other["before"], receipt["id"]
        assert steps[-1]["after"] == receipt["state"]


def test_csv_has_the_same_orders(
    lived: Path, told: list[dict[str, object]], capsys: Capture
) -> None:
    assert main(["orders", str(lived), "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert tuple(rows[0]) == COLUMNS
    assert [row["id"] for row in rows] == [one["id"] for one in told]
    assert [row["filled"] for row in rows] == [one["filled"] for one in told]
    assert all(row["transitions"].startswith("wish → new: risk passed") for row in rows)


def test_a_person_reads_lines(lived: Path, told: list[dict[str, object]], capsys: Capture) -> None:
    assert main(["orders", str(lived)]) == 0
    out = capsys.readouterr().out
    assert f"\n{len(told)} orders; --order ID" in out
    for receipt in told:
        assert f" {receipt['id']} {receipt['type']} {receipt['side']} " in out
    assert "rule busy, because of Trade price" in out
    assert "slippage" in out


def test_everything_about_one(lived: Path, told: list[dict[str, object]], capsys: Capture) -> None:
    replaced = next(one for one in told if one["replaces"])
    assert main(["orders", str(lived), "--order", str(replaced["id"])]) == 0
    out = capsys.readouterr().out
    assert f"in place of {replaced['replaces']}" in out
    assert "the book at decision: " in out
    assert "wish → new: risk passed what rule busy wished" in out
    assert "new → sent: it was handed over to leave" in out
    assert "→ open: binance said accepted, its time" in out


def test_an_order_that_is_not_there(lived: Path, capsys: Capture) -> None:
    assert main(["orders", str(lived), "--order", "nobody"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("pitwire: --order: found 'nobody', expected an order of this journal, ")


def test_one_form_at_a_time(lived: Path, capsys: Capture) -> None:
    assert main(["orders", str(lived), "--json", "--csv"]) == 2
    expected = "pitwire: --csv: found '--json beside it', expected one of the two\n"
    assert capsys.readouterr().err == expected


def test_without_a_folder_it_is_that_of_the_live_account(state_home: Path, capsys: Capture) -> None:
    assert main(["orders"]) == 2
    assert f"{state_home / 'pitwire' / 'binance' / 'main'}: found " in capsys.readouterr().err


def test_what_could_not_be_read_is_told_beside_what_could(journal: Path, capsys: Capture) -> None:
    path = segment_path(journal, 1)
    flip(path, path.stat().st_size - 2_000)
    of_a_newer_version(journal)
    assert main(["orders", str(journal)]) == 5
    said = capsys.readouterr()
    assert " orders; --order ID" in said.out
    assert "segment 1, record " in said.err
    assert "segment 2, record 0 at byte 0: newer, format 3" in said.err
