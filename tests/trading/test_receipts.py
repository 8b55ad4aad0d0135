"""What the records say of each order, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from pitwire.model.orders import Cause, OrderState, UpdateKind
from pitwire.trading.journal import Came, Decided, Dropped, Left, OrdersLost, Record, Written
from pitwire.trading.receipts import Receipt, receipts
from pitwire.trading.tracked import Change, Disagreement, Origin
from tests.trading.making import BTC, at, fill, order, unanswered, update

D = Decimal
S = OrderState
CAUSE = Cause(event="Trade", symbol=BTC, venue_time=1, received=at(0), detail="price 100")


def changed(
    order_id: str, before: S, after: S, came: str, seconds: float, *, text: str = ""
) -> Change:
    return Change(
        at=at(seconds),
        order_id=order_id,
        symbol=BTC,
        came=came,
        before=before,
        after=after,
        origin=Origin.OURS,
        filled=D(0),
        size=D(2),
        text=text,
    )


def decided(order_id: str = "a", bid: float = 99.0, ask: float = 101.0) -> Decided:
    return Decided(at=at(1), command=order(order_id), bid=bid, ask=ask)


def one(records: Iterable[Record]) -> Receipt:
    [receipt] = receipts(records)
    return receipt


def steps(receipt: Receipt) -> list[tuple[str, str, str]]:
    return [(step.before, step.after, step.proof) for step in receipt.steps]


def test_each_transition_has_its_proof() -> None:
    receipt = one(
        [
            decided(),
            Left(at=at(1), command=order("a"), sent=at(1.5)),
            Came(at=at(2), event=unanswered("a", "place", 2)),
            changed("a", S.SENT, S.UNKNOWN, "place", 2),
            Came(at=at(3), event=update("a", UpdateKind.STATUS_OPEN, 3, sequence=7)),
            changed("a", S.UNKNOWN, S.OPEN, "status_open", 3),
            OrdersLost(at=at(4)),
            changed("a", S.OPEN, S.OPEN, "lost", 4),
            Came(at=at(5), event=fill("a", "2", 102, 5, trade_id="t1", fee="0.1")),
            changed("a", S.OPEN, S.FILLED, "fill", 5),
        ]
    )
    found = steps(receipt)
    assert found[0] == ("", "new", "risk passed what a person wished")
    assert found[1][:2] == ("new", "sent")
    assert found[2] == ("sent", "unknown", "no answer to place within 2 s")
    assert found[3][:2] == ("unknown", "open")
    assert found[3][2].startswith("test said status_open, its time ")
    assert found[3][2].endswith("number 7")
    assert found[4] == ("open", "open", "the connection broke before an answer")
    assert found[5][2].startswith("trade t1 of test, its time ")
    assert (receipt.sent, receipt.acknowledged, receipt.ended) == (at(1.5), at(3), at(5))
    assert receipt.state is S.FILLED


def test_what_goes_over_http_was_sent_when_it_was_written() -> None:
    waiting = [decided(), Left(at=at(1), command=order("a"))]
    assert one(waiting).sent == 0
    assert one(waiting).steps[-1].proof.startswith("it was handed over to leave, its intent in")
    receipt = one([*waiting, Written(at=at(1.5), order_id="a", symbol=BTC)])
    assert receipt.sent == at(1.5)


def test_slippage_is_against_the_best_price_when_it_was_decided() -> None:
    records: list[Record] = [decided()]
    for number, price in enumerate((102, 103)):
        records.append(
            Came(at=at(5), event=fill("a", "1", price, 5, trade_id=str(number), fee="0.1"))
        )
        records.append(changed("a", S.OPEN, S.FILLED, "fill", 5))
    receipt = one(records)
    assert receipt.average_price == D("102.5")
    assert receipt.slippage == D("1.5")
    assert receipt.slippage_bips == D("148.5149")
    assert list(receipt.fees.values()) == [D("0.2")]
    assert one([decided(bid=0, ask=0), *records[1:]]).slippage is None


def test_an_end_is_when_it_ended_and_not_the_last_word_on_it() -> None:
    records: list[Record] = [
        changed("a", S.OPEN, S.FILLED, "filled", 5),
        changed("a", S.FILLED, S.FILLED, "fill", 6),
    ]
    assert one(records).ended == at(5)
    revived = changed("a", S.FILLED, S.OPEN, "status_open", 7)
    assert one([*records, revived]).ended == 0


def test_one_that_never_left_says_why() -> None:
    receipt = one(
        [
            decided(),
            Dropped(at=at(1), command=order("a"), why="no connection"),
            changed("a", S.NEW, S.REJECTED, "dropped: no connection", 1),
        ]
    )
    assert (receipt.state, receipt.sent) == (S.REJECTED, 0)
    assert steps(receipt)[-1] == ("new", "rejected", "never sent: no connection")


def test_a_disagreement_is_kept() -> None:
    told = Disagreement(at=1, order_id="a", symbol=BTC, what="size", ours="1", theirs="2")
    assert one([told]).disagreements == ["size: we had 1, they say 2"]


def test_orders_come_as_they_were_met() -> None:
    found = receipts([decided("b"), decided("a"), changed("x", S.OPEN, S.OPEN, "accepted", 1)])
    assert [receipt.id for receipt in found] == ["b", "a", "x"]
