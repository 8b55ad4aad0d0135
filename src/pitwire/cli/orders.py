"""`pitwire orders`: receipts out of a journal, as a table, as JSON lines or as CSV."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pitwire.cli.exits import Code
from pitwire.cli.summary import summary_console
from pitwire.desk.config import DeskConfig, state_folder
from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.model.errors import ConfigError
from pitwire.model.numbers import plain
from pitwire.store.history import History, segment_numbers
from pitwire.trading.receipts import Receipt, receipts

_COLUMNS = (
    "decided", "id", "symbol", "side", "type", "size", "price", "state", "filled", "average",
    "slippage bp", "fees", "ms to send", "ms to answer", "rule", "cause",
)  # fmt: skip
_RIGHT = frozenset(
    ("size", "price", "filled", "average", "slippage bp", "ms to send", "ms to answer")
)


def run(
    folder: Path | None,
    *,
    as_json: bool = False,
    as_csv: bool = False,
    order: str | None = None,
    console: Console | None = None,
) -> int:
    """Print the receipts; the exit code says whether all of the journal could be read."""
    history = open_history(folder)
    found = receipts(record for record, _ in history.records())
    if order is not None:
        found = [_one(found, order)]
    if as_json:
        encoder = msgspec.json.Encoder(decimal_format="string")
        for receipt in found:
            sys.stdout.write(encoder.encode(receipt).decode() + "\n")
    elif as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(_COLUMNS)
        writer.writerows(_row(receipt) for receipt in found)
    else:
        _show(found, order is not None, console or summary_console())
    return tell_flaws(history)


def open_history(folder: Path | None) -> History:
    """The journal of this folder; raises `ConfigError` when there is none."""
    path = folder or state_folder(msgspec.structs.replace(DeskConfig(), mode="live"))
    assert path is not None, "a live desk always has a folder"
    try:
        numbers = segment_numbers(path)
    except OSError as error:
        found = error.strerror or type(error).__name__
        raise ConfigError(where=str(path), found=found, expected="an account's folder") from None
    if not numbers:
        raise ConfigError(where=str(path), found="no journal", expected="an account's folder")
    return History(path)


def tell_flaws(history: History) -> int:
    """One line a flaw, on stderr; the exit code is that of the worst."""
    for flaw in history.flaws:
        sys.stderr.write(f"pitwire: {history.folder}: {flaw}\n")
    return Code.DONE if history.worst is None else Code.JOURNAL


def _one(found: Sequence[Receipt], order: str) -> Receipt:
    for receipt in found:
        if receipt.id == order:
            return receipt
    expected = f"an order of this journal, {found[-1].id} say" if found else "a journal with orders"
    raise ConfigError(where="--order", found=order, expected=expected)


def _row(receipt: Receipt) -> list[str]:
    fees = ", ".join(f"{plain(fee)} {asset}" for asset, fee in receipt.fees.items())
    cause = receipt.cause
    return [
        _time(receipt.decided),
        receipt.id,
        receipt.symbol,
        receipt.side,
        receipt.type,
        _number(receipt.size if receipt.size is not None else receipt.quote_size),
        _number(receipt.price),
        receipt.state,
        _number(receipt.filled),
        _number(receipt.average_price, "0.01"),
        _number(receipt.slippage_bips, "0.01"),
        fees,
        _milliseconds(receipt.received or receipt.decided, receipt.sent),
        _milliseconds(receipt.sent, receipt.acknowledged),
        receipt.rule,
        "" if cause is None else f"{cause.event} {cause.detail}".strip(),
    ]


def _show(found: Iterable[Receipt], whole: bool, console: Console) -> None:
    if whole:
        for receipt in found:
            _show_whole(receipt, console)
        return
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold underline")
    for column in _COLUMNS:
        table.add_column(column, justify="right" if column in _RIGHT else "left", overflow="fold")
    count = 0
    for receipt in found:
        table.add_row(*map(escape, _row(receipt)))
        count += 1
    console.print(table)
    console.print(f"{count} orders; --order ID tells everything about one")


def _show_whole(receipt: Receipt, console: Console) -> None:
    for column, value in zip(_COLUMNS, _row(receipt), strict=True):
        console.print(f"[bold]{column}[/] {escape(value)}")
    for step in receipt.steps:
        told = f"{_time(step.at)} {step.before} → {step.after}: {step.proof}"
        console.print(told, markup=False)
    for fill in receipt.fills:
        who = "maker" if fill.maker else "taker"
        told = f"{_time(fill.at)} fill {plain(fill.size)} @ {plain(fill.price)}, {who}, trade "
        console.print(told + fill.trade_id, markup=False)
    for text in receipt.disagreements:
        console.print(f"disagreement: {text}", markup=False)


def _number(value: Decimal | None, step: str = "") -> str:
    if value is None:
        return ""
    return plain(value.quantize(Decimal(step)) if step else value)


def _milliseconds(start: int, end: int) -> str:
    return f"{(end - start) / MILLISECOND:.3f}" if start and end else ""


def _time(at: int) -> str:
    if not at:
        return ""
    seconds, rest = divmod(at, SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{rest // MILLISECOND:03d}"
