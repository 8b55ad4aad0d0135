from __future__ import annotations

import typing
from decimal import Decimal

import msgspec
import pytest

from pitwire.model import events as ev
from pitwire.model.orders import AmendOrder, CancelOrder, Cause, OrderState, ReplaceOrder
from pitwire.trading import journal
from pitwire.trading.journal import NOTED, MemoryJournal, decode, encode, placed
from pitwire.trading.tracked import Change, Disagreement, Origin
from tests.trading.making import BTC, at, fill, order

CAUSE = Cause(event="Trade", symbol=BTC, venue_time=1, received=2, detail="price 9.5")
RECORDS = [
    journal.Came(at=1, event=fill("a", "0.10", "99.90", fee="0.001")),
    journal.Came(at=1, event=ev.Lost("test", "", 0, 1, "one", "reset", 0.5)),
    Change(at=1, order_id="a", symbol=BTC, came="fill", before=OrderState.OPEN,
           after=OrderState.FILLED, origin=Origin.OURS, filled=Decimal("0.10"), size=None),
    Disagreement(at=1, order_id="a", symbol=BTC, what="end", ours="filled", theirs="canceled"),
    journal.Decided(at=1, command=order()),
    journal.Left(at=1, command=CancelOrder(order_id="a", symbol=BTC, cause=CAUSE)),
    journal.Left(at=1, command=ReplaceOrder(order_id="a", order=order("b"))),
    journal.Written(at=1, order_id="a", symbol=BTC),
    journal.Dropped(at=1, command=AmendOrder(order_id="a", symbol=BTC, size=Decimal(1)), why="x"),
    journal.Refusal(at=1, rule="r", symbol=BTC, limit="l", value="1", allowed="0", cause=CAUSE),
    journal.Alerted(at=1, text="say “hello”\nagain", level="error"),
    journal.Benched(at=1, rule="r", error="ValueError", text="no"),
    journal.Halted(at=1, reason="r", by="me"),
    journal.Resumed(at=1, by="me"),
    journal.DayStarted(at=1, day=20000, results={"USDT": Decimal("-1.50")}),
    journal.Started(at=1, prefix="k3x9qa_main", epoch=7, mode="live", program="0.1.0"),
    journal.OrdersLost(at=1),
    journal.Restricted(at=1, reason="max_drawdown", by="risk"),
    journal.Flattening(at=1, by="eve"),
    journal.Armed(at=1, by="desk"),
    journal.Disarmed(at=1, reason="the desk stops"),
    journal.Asked(at=1, do="halt", by="eve", reason="enough", key="k1"),
    journal.Seeded(at=1, name="backoff", seed=5),
    journal.Differed(at=1, what="balance", name="BTC", ours=Decimal("1.0"), theirs=Decimal("1.5")),
]  # fmt: skip


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_record_is_one_line_and_comes_back_the_same(record: journal.Record) -> None:
    line = encode(record)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert decode(line) == record


def test_every_kind_of_record_is_tried_here() -> None:
    assert {type(record) for record in RECORDS} == set(typing.get_args(journal.Record))


def test_decimals_are_written_as_they_are() -> None:
    assert b'"size":"0.10"' in encode(RECORDS[0])


def test_a_line_that_is_no_record_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        decode(b'{"record":"Nothing","at":1}')


def test_the_noted_events_are_those_of_the_type() -> None:
    assert set(typing.get_args(journal.Noted)) == NOTED
    assert set(ev.ACCOUNT) | set(ev.SESSION) <= NOTED
    assert NOTED.isdisjoint({ev.Trade, ev.Quote, ev.BookDelta, ev.BookSnapshot, ev.Bar})


def test_the_memory_journal_keeps_the_newest() -> None:
    kept, all_of_them = MemoryJournal(limit=2), MemoryJournal()
    for record in RECORDS:
        kept.write(record)
        all_of_them.write(record)
    assert list(kept.records) == RECORDS[-2:]
    assert all_of_them.lines().count(b"\n") == len(RECORDS)
    assert kept.lines() == encode(RECORDS[-2]) + encode(RECORDS[-1])


def test_the_order_that_a_command_puts_on_the_book() -> None:
    made = order("b")
    assert placed(made) is made
    assert placed(ReplaceOrder(order_id="a", order=made)) is made
    assert placed(CancelOrder(order_id="a", symbol=BTC)) is None
    assert placed(AmendOrder(order_id="a", symbol=BTC, size=Decimal(at(0)))) is None
