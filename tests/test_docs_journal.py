"""The journal's page is exact: its reader reads ours, and every version stays readable."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from pitwire.cli.main import main
from pitwire.store.history import History, segment_path
from pitwire.store.verifying import verify
from pitwire.trading.journal import Record
from pitwire.trading.receipts import receipts

Reader = Callable[[bytes], Iterator[dict[str, Any]]]
ORDERS = {
    "1": [
        ("dqvayy_main-1-1", "limit", "canceled", "0"),
        ("dqvayy_main-1-2", "limit", "canceled", "0"),
        ("dqvayy_main-1-3", "market", "filled", "0.00100000"),
        ("dqvayy_main-1-4", "market", "filled", "0.00100000"),
    ],
    "2": [
        ("dqvayy_main-1-1", "limit", "canceled", "0"),
        ("dqvayy_main-1-2", "limit", "canceled", "0"),
        ("dqvayy_main-1-3", "market", "filled", "0.00100000"),
    ],
}


@pytest.fixture(params=sorted(ORDERS))
def kept(request: pytest.FixtureRequest, repository: Path) -> Path:
    """A journal as this version of the format was written; never written again."""
    return repository / "tests" / "golden" / "journal" / str(request.param)


@pytest.fixture
def page(repository: Path) -> str:
    return (repository / "docs" / "journal.md").read_text()


@pytest.fixture
def reader(page: str) -> Reader:
    [text] = re.findall(r"```python\n(.*?)```", page, re.S)
    names: dict[str, Any] = {}
    exec(text, names)
    return names["records"]  # type: ignore[no-any-return]


def test_the_reader_of_the_page_reads_what_ours_reads(kept: Path, reader: Reader) -> None:
    data = segment_path(kept, 1).read_bytes()
    header, *found = reader(data)
    ours = [json.loads(payload) for payload in History(kept).payloads()]
    assert found == ours
    assert header["segment"] == 1
    assert list(reader(data[:-1])) == [header, *ours[:-1]]
    damaged = data[:9_000] + b"?" + data[9_001:]
    assert len(list(reader(damaged))) < len(found)


def test_every_version_stays_readable(kept: Path) -> None:
    history = History(kept)
    found = receipts(record for record, _ in history.records())
    assert history.flaws == []
    assert [(one.id, one.type, one.state, str(one.filled)) for one in found] == ORDERS[kept.name]
    assert [str(finding) for finding in verify(kept).findings if not finding.is_harmless] == []


def test_every_version_can_be_replayed(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "--journal", str(kept)]) in (0, 5)
    assert "\nopen 0\n" in capsys.readouterr().out


def test_every_kind_of_record_is_on_the_page(page: str) -> None:
    kinds = {kind.__name__ for kind in get_args(Record)}
    [table] = re.findall(r"\| `record` \| Says \|\n(.*?)\n\n", page, re.S)
    assert kinds == {name for row in table.splitlines()[1:] for name in _names(row)}


def _names(row: str) -> list[str]:
    return re.findall(r"`([A-Z]\w+)`", row.split("|")[1])
