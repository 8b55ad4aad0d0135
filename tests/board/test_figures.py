"""Figures and the report: numbers of a journal, text as text, one file that needs nobody."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pitwire.board.analysis import Draughtsman
from pitwire.board.figures import (
    NICE,
    Facts,
    answer,
    audit_row,
    equity,
    facts_of,
    figures,
    percentile,
    report,
)
from pitwire.cli.board import run
from pitwire.desk.config import parse_config
from pitwire.desk.desk import Desk
from pitwire.desk.opening import open_desk
from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.model.errors import ConfigError
from pitwire.model.orders import Cause
from pitwire.trading.receipts import Execution, Receipt
from tests.board.test_feed import CONFIG
from tests.desk.setting import BTC, ENDPOINTS, Setting, until

EVIL = "<img src=x onerror=alert(1)>"
AT = 1_700_000_000 * SECOND


def fill(at: int, price: str, size: str, fee: str = "0", asset: str = "USDT") -> Execution:
    return Execution(
        at=at, venue_time=at, trade_id=str(at), price=Decimal(price), size=Decimal(size),
        fee=Decimal(fee), fee_asset=asset, maker=False,
    )  # fmt: skip


def order(number: int, side: str, *fills: Execution, rule: str = "r") -> Receipt:
    return Receipt(
        id=f"o-{number}", symbol="BTC-USDT", side=side, rule=rule, state="filled",
        cause=Cause("Trade", "BTC-USDT", AT, AT, "price 5"), received=AT,
        decided=AT + 2 * MILLISECOND, sent=AT + 3 * MILLISECOND, acknowledged=AT + 13 * MILLISECOND,
        fills=list(fills), filled=sum((one.size for one in fills), Decimal(0)),
        slippage_bips=Decimal("1.5"),
    )  # fmt: skip


def test_equity_is_flow_and_what_is_held_at_the_last_price() -> None:
    bought = order(1, "buy", fill(1, "100", "2", "1"))
    sold = order(2, "sell", fill(2, "110", "1"), fill(3, "90", "1"))
    assert equity([bought, sold]) == [(1, Decimal(-1)), (2, Decimal(19)), (3, Decimal(-1))]
    paid_in_coins = order(3, "buy", fill(1, "100", "2", "0.5", "BTC"))
    assert equity([paid_in_coins]) == [(1, Decimal("-50.0"))]


def test_a_percentile_is_one_of_the_values() -> None:
    assert percentile([5.0, 1.0, 3.0], 0.5) == 3.0
    assert percentile([5.0, 1.0, 3.0], 0.99) == 5.0
    assert percentile([7.0], 0.5) == 7.0


def test_the_audit_says_which_tick_which_rule_and_how_long() -> None:
    row = audit_row(order(1, "buy", fill(1, "100", "2")))
    assert row[1:] == [
        "o-1", "r", "Trade BTC-USDT price 5", "2.000", "1.000", "10.000", "filled", "2", "+1.50",
    ]  # fmt: skip
    bare = audit_row(Receipt(id="x", symbol="A-B"))
    assert bare == ["–", "x", "–", "–", "–", "–", "–", "", "0", "–"]


def test_what_is_not_told_is_not_drawn() -> None:
    assert figures(Facts([], 0, [])) == {}
    assert list(figures(Facts([], 0, [(AT, "halted", "eve: enough")]))) == ["Gaps and reconnects"]
    assert list(figures(Facts([], 0, []), [[1.7e12, 1.0, 2.0, 3.0]])) == ["Venue lag"]


def test_every_figure_holds_the_numbers_it_is_about() -> None:
    drawn = figures(Facts([order(1, "buy", fill(AT, "100", "2"))], 0, [(AT, "rolled", "m-1")]))
    assert list(drawn) == [
        "Tick to order", "Stages over time", "Equity and drawdown", "Slippage",
        "Gaps and reconnects", "Trigger audit",
    ]  # fmt: skip
    assert list(drawn["Tick to order"].data[0].x) == [3.0]
    assert [list(trace.y) for trace in drawn["Stages over time"].data] == [
        [2.0], [2.0], [1.0], [1.0], [10.0], [10.0],
    ]  # fmt: skip
    assert list(drawn["Slippage"].data[0].y) == [1.5]


def test_markup_in_a_journal_stays_text() -> None:
    evil = order(1, "buy", fill(AT, "100", "2"), rule=EVIL)
    evil.cause = Cause(EVIL, EVIL, AT, AT, EVIL)
    evil.id = evil.state = EVIL
    text = report(Facts([evil], 0, [(AT, "halted", EVIL)], trouble=EVIL), title=EVIL)
    assert "<img" not in re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    for figure in figures(Facts([evil], 0, [(AT, "halted", EVIL)])).values():
        assert "<img" not in figure.to_json()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An account's folder after a desk has traded a little."""
    path = tmp_path_factory.mktemp("account") / "main"
    setting = Setting(scenario="calm")

    async def life() -> Desk:
        desk = await open_desk(
            parse_config(CONFIG), endpoints=ENDPOINTS, credentials=setting.credentials,
            dial=setting.dial, fetch=setting.world.fetch, clock=setting.clock, state=path,
        )  # fmt: skip
        await until(lambda: desk.engine.state.portfolio.position(BTC))
        await asyncio.sleep(5)
        await desk.stop()
        return desk

    setting.world.run(life())
    return path


def test_a_report_is_one_file_that_needs_nobody(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.html"
    run([folder], report_to=path)
    text = path.read_text()
    assert "plotly.js v" in text
    outside = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", text.split("plotly.js v")[0])
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", outside)
    assert text.count("<h2>") >= 5
    facts = facts_of(folder)
    assert {one.rule for one in facts.orders} == {"rest a bid", "take"}
    assert "buy" in {one.side for one in facts.orders}


@pytest.mark.timeout(240)
def test_a_process_of_its_own_draws_the_same(folder: Path) -> None:
    async def tale() -> Any:
        draughtsman = Draughtsman()
        try:
            first = json.loads(await draughtsman.draw({"folder": str(folder)}))
            wrong = json.loads(await draughtsman.draw({"folder": 7}))
            assert draughtsman._process is not None
            if sys.platform != "win32":
                nice = os.getpriority(os.PRIO_PROCESS, draughtsman._process.pid)
                assert nice == min(19, os.nice(0) + NICE)
            return first, wrong
        finally:
            await draughtsman.close()

    first, wrong = asyncio.run(tale())
    assert [one["title"] for one in first["figures"]] == list(figures(facts_of(folder)))
    assert "error" in wrong
    assert "error" in json.loads(answer(b"{"))


@pytest.mark.parametrize("said", [{}, {"attach": True, "report_to": Path("x")}])
def test_one_of_the_two_has_to_be_said(said: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--attach or --report"):
        run([tmp_path], **said)


def test_a_folder_without_a_journal_and_a_file_that_cannot_be(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no journal"):
        run([tmp_path], report_to=tmp_path / "x.html")
    with pytest.raises(ConfigError, match="an account's folder"):
        run([tmp_path / "nowhere"], attach=True)
    with pytest.raises(ConfigError, match="a file to write"):
        run([folder], report_to=tmp_path / "no" / "x.html")
    assert "No such file" in json.loads(answer(b'{"folder":"nowhere-at-all"}'))["error"]
