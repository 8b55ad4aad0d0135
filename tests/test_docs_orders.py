"""The page about orders says what the code does: its table, its numbers, its names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pitwire.desk.config import DeskSection
from pitwire.desk.gateway import QUESTIONS_A_SECOND
from pitwire.model.orders import TRANSITIONS, UNANSWERED, OrderState, UpdateKind
from pitwire.trading.doubts import FOUND_BY_ASKING
from pitwire.trading.limits import Limits
from pitwire.venues.registry import find_venue

Cell = tuple[OrderState, UpdateKind | str]


@pytest.fixture
def page(repository: Path) -> str:
    return (repository / "docs" / "orders.md").read_text(encoding="utf-8")


def rows(page: str, head: str) -> Iterator[list[str]]:
    """The cells of the table that begins with this line."""
    lines = iter(page.partition(f"{head}\n")[2].splitlines()[1:])
    for line in lines:
        if not line.startswith("|"):
            return
        yield [cell.strip() for cell in line.strip("|").split(" | ")]


def test_its_table_is_the_codes(page: str) -> None:
    found: dict[Cell, OrderState] = {}
    for states, came, after in rows(page, "| From | What came | To |"):
        for state in states.split(", "):
            for kind in re.findall(r"`(\w+)`", came):
                cell = (OrderState(state), UNANSWERED if kind == UNANSWERED else UpdateKind(kind))
                assert cell not in found, f"{cell} stands twice"
                found[cell] = OrderState(after.strip())
    assert found == TRANSITIONS


def test_every_state_is_explained(page: str) -> None:
    told = [name for first, _ in rows(page, "| State | Means |") for name in first.split(", ")]
    assert told == [f"`{state.value}`" for state in OrderState if state.value in page]
    assert len(told) == len(OrderState)


def test_its_numbers_are_the_codes(page: str) -> None:
    proof = find_venue("binance").proof
    assert f"| Binance | {proof.after_seconds:g} s after the order left" in page
    assert f"receive window {proof.window_seconds:g} s" in page
    assert f"at most {proof.clock_seconds:g} s ahead" in page
    assert (
        f"processing limit {proof.processing_seconds:g} s, and {proof.margin_seconds:g} s" in page
    )
    assert f"`[desk] reconcile_seconds = {DeskSection().reconcile_seconds:g}`" in page
    assert f"unknown for {Limits().max_unknown_seconds:g} s" in page
    assert QUESTIONS_A_SECOND == 10


def test_every_difference_has_its_name_on_the_page(repository: Path, page: str) -> None:
    source = "".join(
        (repository / "src" / "pitwire" / "trading" / name).read_text(encoding="utf-8")
        for name in ("ledger.py", "adopting.py")
    )
    named = set(re.findall(r'\.disagree\(\s*\w+,\s*"([\w ]+)"', source)) | set(FOUND_BY_ASKING)
    assert len(named) > 8
    assert [name for name in sorted(named) if name not in page] == []
