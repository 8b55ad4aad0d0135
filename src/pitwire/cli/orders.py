"""`pitwire orders`: receipts out of a journal, for people, as JSON lines or as CSV."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import msgspec

from pitwire.cli.journal import open_history, spell_time, tell_flaws
from pitwire.desk.account import find_account
from pitwire.model.clock import MILLISECOND
from pitwire.model.errors import ConfigError
from pitwire.model.numbers import plain
from pitwire.trading.receipts import Receipt, receipts

COLUMNS = (
    "decided", "id", "symbol", "side", "type", "size", "price", "state", "filled", "average_price",
    "slippage_bips", "fees", "rule", "cause", "tag", "origin", "replaces", "received", "sent",
    "acknowledged", "ended", "bid", "ask", "fills", "transitions", "disagreements",
)  # fmt: skip
"""Of the CSV, in this order; new ones are added at the end."""


def run(
    where: Path | None, *, as_json: bool = False, as_csv: bool = False, order: str | None = None
) -> int:
    """Print the receipts; the exit code says whether all of the journal could be read."""
    if as_json and as_csv:
        raise ConfigError(where="--csv", found="--json beside it", expected="one of the two")
    history = open_history(find_account(where).folder, reads_on=True)
    found = receipts(record for record, _ in history.records())
    if order is not None:
        found = [_one(found, order)]
    if as_json:
        encoder = msgspec.json.Encoder(decimal_format="string")
        for receipt in found:
            print(encoder.encode(receipt).decode())
    elif as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(_row(receipt) for receipt in found)
    else:
        for receipt in found:
            print("\n".join(_lines(receipt, whole=order is not None)))
        if order is None:
            print(f"{len(found)} orders; --order ID tells everything about one")
    return tell_flaws(history)


def _one(found: Sequence[Receipt], order: str) -> Receipt:
    for receipt in found:
        if receipt.id == order:
            return receipt
    expected = f"an order of this journal, {found[-1].id} say" if found else "a journal with orders"
    raise ConfigError(where="--order", found=order, expected=expected)


def _row(receipt: Receipt) -> list[str]:
    return [
        spell_time(receipt.decided),
        receipt.id,
        receipt.symbol,
        receipt.side,
        receipt.type,
        _number(receipt.size if receipt.size is not None else receipt.quote_size),
        _number(receipt.price),
        receipt.state,
        _number(receipt.filled),
        _number(receipt.average_price),
        _number(receipt.slippage_bips),
        _fees(receipt),
        receipt.rule,
        _cause(receipt),
        receipt.tag,
        receipt.origin,
        receipt.replaces,
        *(
            spell_time(at)
            for at in (receipt.received, receipt.sent, receipt.acknowledged, receipt.ended)
        ),
        f"{receipt.bid!r}" if receipt.bid else "",
        f"{receipt.ask!r}" if receipt.ask else "",
        "; ".join(
            f"{plain(fill.size)} @ {plain(fill.price)} trade {fill.trade_id}"
            for fill in receipt.fills
        ),
        "; ".join(
            f"{step.before or 'wish'} → {step.after}: {step.proof}" for step in receipt.steps
        ),
        "; ".join(receipt.disagreements),
    ]


def _lines(receipt: Receipt, *, whole: bool) -> Iterator[str]:
    at = spell_time(receipt.decided) or "not decided here"
    yield f"{at} {receipt.id} {_wanted(receipt)}: {receipt.state}"
    yield f"    {_why(receipt)}"
    stages = _stages(receipt)
    if stages:
        yield f"    {stages}"
    if receipt.fills:
        yield f"    {_result(receipt)}"
    if whole:
        yield from _details(receipt)
    for text in receipt.disagreements:
        yield f"    disagreement: {text}"


def _wanted(receipt: Receipt) -> str:
    words = [receipt.type, receipt.side]
    if receipt.size is not None:
        words.append(_short(receipt.size))
    elif receipt.quote_size is not None:
        words.append(f"for {_short(receipt.quote_size)}")
    words.append(receipt.symbol)
    if receipt.price is not None:
        words.append(f"at {_short(receipt.price)}")
    return " ".join(word for word in words if word)


def _why(receipt: Receipt) -> str:
    if receipt.rule:
        why = f"rule {receipt.rule}"
    else:
        why = {"ours": "a person"}.get(receipt.origin, f"{receipt.origin} order")
    cause = _cause(receipt)
    why += f", because of {cause}" if cause else ""
    return f"{why}, in place of {receipt.replaces}" if receipt.replaces else why


def _stages(receipt: Receipt) -> str:
    places = (
        ("event", receipt.received),
        ("decided", receipt.decided),
        ("sent", receipt.sent),
        ("answered", receipt.acknowledged),
        ("over", receipt.ended),
    )
    known = [(name, at) for name, at in places if at]
    told = [
        f"{name} {(at - known[0][1]) / MILLISECOND:+.3f} ms" if number else name
        for number, (name, at) in enumerate(known)
    ]
    return ", ".join(told) if len(told) > 1 else ""


def _result(receipt: Receipt) -> str:
    count = len(receipt.fills)
    assert receipt.average_price is not None, "what filled has a price"
    told = f"filled {_short(receipt.filled)} at {_short(receipt.average_price)}"
    told += f" in {count} trade{'' if count == 1 else 's'}"
    if receipt.slippage_bips is not None:
        told += f", slippage {receipt.slippage_bips:.2f} bp"
    return f"{told}, fees {_fees(receipt)}" if receipt.fees else told


def _details(receipt: Receipt) -> Iterator[str]:
    if receipt.bid and receipt.ask:
        yield f"    the book at decision: {receipt.bid!r} bid, {receipt.ask!r} asked"
    for step in receipt.steps:
        yield f"    {spell_time(step.at)} {step.before or 'wish'} → {step.after}: {step.proof}"
    for fill in receipt.fills:
        who = "maker" if fill.maker else "taker"
        told = f"{_short(fill.size)} @ {_short(fill.price)}, {who}, trade {fill.trade_id}"
        yield f"    {spell_time(fill.at)} fill {told}"
    for at in receipt.cancels:
        yield f"    {spell_time(at)} a cancel left"


def _cause(receipt: Receipt) -> str:
    cause = receipt.cause
    return "" if cause is None else f"{cause.event} {cause.detail}".strip()


def _fees(receipt: Receipt) -> str:
    return ", ".join(f"{plain(fee)} {asset}" for asset, fee in receipt.fees.items())


def _number(value: Decimal | None) -> str:
    return "" if value is None else plain(value)


def _short(value: Decimal) -> str:
    """Without zeros at its end."""
    return plain(value.normalize())
