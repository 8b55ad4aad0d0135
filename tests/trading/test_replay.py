"""Records → state, and whatever contradicts them."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitwire.model.events import Event, OpenOrders
from pitwire.model.orders import Cancel, CancelOrder, OrderState, OrderType, Place, Side, UpdateKind
from pitwire.trading import snapshot
from pitwire.trading.journal import (
    Decided,
    Flattening,
    Halted,
    Left,
    Record,
    Resumed,
    Started,
    payload,
)
from pitwire.trading.replay import Replay
from pitwire.trading.snapshot import encode, state_hash, take
from pitwire.trading.tracked import Change, Disagreement
from tests.trading.making import BTC, Desk, at, balance, fill, order, quote, unanswered, update

D = Decimal
_K = UpdateKind


class Lived(Desk):
    """A desk that also drops commands, loses its connection, halts and asks."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0
        self.orders: list[str] = []
        self.journal.write(Started(at=at(0), prefix=self.ids.prefix, epoch=self.ids.epoch))
        self.state.ledger.lost(at(0), restarted=True)
        self.see(quote(99, 101))

    def see(self, event: Event) -> None:
        self.engine.apply(event)

    def place(self, *, leaves: bool = True, side: Side = Side.BUY, price: str = "100") -> None:
        wish = Place(
            symbol=BTC,
            side=side,
            type=OrderType.LIMIT,
            size=D(2),
            price=D(price),
            tag=str(len(self.orders)),
        )
        self._go((wish,), leaves=leaves)

    def cancel(self) -> None:
        self._go((Cancel(symbol=BTC),), leaves=True)

    def _go(self, wishes: Iterable[Place | Cancel], *, leaves: bool) -> None:
        now = at(self.seconds)
        for command in self.screen.admit(wishes, self.state, now):
            if not isinstance(command, CancelOrder):
                self.orders.append(getattr(command, "id", ""))
            if leaves:
                self.engine.sent(command, now)
            else:
                self.engine.dropped(command, "no connection", now)

    def snapshot(self) -> bytes:
        return encode(
            take(
                self.state,
                prefix=self.ids.prefix,
                epoch=self.ids.epoch,
                made=self.ids.made,
                halted=self.screen.halted,
            )
        )


STEPS = ("place", "drop", "cancel", "lose", "ask", "halt", "resume", "balance", "open", "hear")
KINDS = (_K.ACCEPTED, _K.FILLED, _K.CANCELED, _K.REJECTED, _K.MISSING, _K.STATUS_OPEN,
         _K.CANCEL_REJECTED, _K.EXPIRED)  # fmt: skip


def live(desk: Lived, step: str, number: int, which: int) -> None:
    desk.seconds += 0.7
    now, name = at(desk.seconds), desk.orders[which % len(desk.orders)] if desk.orders else "x"
    match step:
        case "place":
            desk.place(side=Side.SELL if which % 2 else Side.BUY)
        case "drop":
            desk.place(leaves=False)
        case "cancel":
            desk.cancel()
        case "lose":
            desk.engine.lost(now)
        case "ask":
            desk.engine.questions(now)
        case "halt":
            for command in desk.engine.halt("enough", "person", now):
                desk.engine.sent(command, now)
        case "resume":
            desk.screen.resume("person", now)
        case "balance":
            desk.see(balance("USDT", 1000 + which, 0, desk.seconds))
        case "open":
            desk.see(OpenOrders("test", BTC, now, now, tuple(desk.orders[:which])))
        case "hear" if which % 3 == 0:
            desk.see(fill(name, "0.5", 100, desk.seconds, trade_id=str(number // 2), fee="0.01"))
        case "hear" if which % 7 == 1:
            desk.see(unanswered(name, ("place", "cancel")[number % 2], desk.seconds))
        case "hear":
            kind = KINDS[number % len(KINDS)]
            filled = "0.5" if kind is _K.FILLED else None
            desk.see(
                update(name, kind, desk.seconds, venue_id=f"v{name}", filled=filled, size=2,
                       sequence=number * (which % 2))
            )  # fmt: skip


def lived(story: Iterable[tuple[str, int]]) -> Lived:
    desk = Lived()
    for number, (step, which) in enumerate(story):
        live(desk, step, number, which)
    return desk


stories = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 30)), max_size=40)


def replayed(records: Iterable[Record], start: snapshot.Snapshot | None = None) -> Replay:
    replay = Replay(start)
    for record in records:
        replay.take(record, payload(record))
    return replay


@settings(max_examples=150, deadline=None)
@given(stories)
def test_what_was_lived_is_rebuilt_byte_for_byte(story: list[tuple[str, int]]) -> None:
    desk = lived(story)
    replay = replayed(desk.journal.records)
    assert [str(one) for one in replay.contradictions] == []
    assert encode(replay.snapshot()) == desk.snapshot()


@settings(max_examples=40, deadline=None)
@given(stories)
def test_checkpoint_and_tail_are_the_full_replay_for_every_prefix(
    story: list[tuple[str, int]],
) -> None:
    records = list(lived(story).journal.records)
    whole = replayed(records).hash()
    for size in range(len(records) + 1):
        first = replayed(records[:size])
        due = first.derived()
        if records[size : size + len(due)] != due:
            continue  # no checkpoint is made between an input and what follows from it
        start = snapshot.decode(encode(first.snapshot()))
        rest = replayed(records[size + len(due) :], start)
        assert rest.contradictions == []
        assert rest.hash() == whole, size


@settings(max_examples=100, deadline=None)
@given(stories, st.integers(0, 10_000), st.booleans())
def test_a_change_that_is_due_is_taken_by_its_bytes_alone(
    story: list[tuple[str, int]], where: int, leave_out: bool
) -> None:
    """With a record that is left out, or there twice, the same is found and told."""
    records = list(lived(story).journal.records)
    where %= len(records)
    harmed = [*records[:where], *records[where + 1 :]] if leave_out else records[:where]
    harmed += [] if leave_out else [records[max(0, where - 1)], *records[where:]]
    for told in (records, harmed):
        replay, known = Replay(), 0
        for record in told:
            if replay.expects(payload(record)):
                known += 1
            else:
                replay.take(record, payload(record))
        whole = replayed(told)
        assert (replay.hash(), replay.taken) == (whole.hash(), whole.taken)
        assert replay.contradictions == whole.contradictions
        if told is records:
            assert known == sum(type(one) is Change for one in told)


# ── what contradicts ──────────────────────────────────────────────────────────────────────────


def contradictions(records: Iterable[Record]) -> list[str]:
    return [str(one) for one in replayed(records).contradictions]


def told() -> list[Record]:
    desk = Lived()
    desk.place()
    desk.see(update(desk.orders[0], _K.ACCEPTED, 1, size=2, filled=0))
    return list(desk.journal.records)


def test_nothing_leaves_undecided() -> None:
    records = [one for one in told() if not isinstance(one, Decided)]
    assert (
        "record 2: found order t-1-1 left, expected its decision before it"
        in (contradictions(records)[0])
    )


def test_no_order_leaves_twice() -> None:
    records = told()
    left = next(one for one in records if isinstance(one, Left))
    [found] = contradictions([*records, left])
    assert "found order t-1-1 left again, expected no order to leave twice" in found


def test_nothing_is_decided_or_leaves_while_halted() -> None:
    records = told()
    halted = Halted(at=at(0), reason="enough", by="person")
    found = contradictions([records[0], halted, *records[1:]])
    assert found[0].endswith("found order t-1-1 decided, expected none: halted, enough")
    assert found[1].endswith("found order t-1-1 left, expected nothing: halted, enough")
    assert contradictions([records[0], halted, Resumed(at=at(0), by="Ada"), *records[1:]]) == []


def test_in_a_halt_what_closes_a_position_may_leave_where_a_person_asked_for_it() -> None:
    desk = Lived()
    desk.place()
    bought = desk.orders[0]
    desk.see(update(bought, _K.ACCEPTED, 1, size=2, filled=0))
    desk.see(fill(bought, 2, seconds=2))
    before = list(desk.journal.records)
    halted = Halted(at=at(5), reason="enough", by="person")
    asked = Flattening(at=at(5), by="person")

    def decided(side: Side, size: int) -> list[Record]:
        closing = order("t-1-2", side=side, size=size, type=OrderType.MARKET, price=None)
        return [Decided(at=at(6), command=closing), Left(at=at(6), command=closing)]

    assert contradictions([*before, halted, asked, *decided(Side.SELL, 2)]) == []
    assert len(contradictions([*before, halted, *decided(Side.SELL, 2)])) == 2
    for grows in (decided(Side.SELL, 3), decided(Side.BUY, 1)):
        [found] = contradictions([*before, halted, asked, *grows])
        assert "decided, expected none: halted, enough" in found
    resumed = Resumed(at=at(5), by="person")
    again = Halted(at=at(5), reason="again", by="person")
    assert contradictions([*before, halted, asked, resumed, again, *decided(Side.SELL, 2)])


def test_a_cancel_leaves_while_halted() -> None:
    desk = Lived()
    desk.place()
    live(desk, "halt", 1, 1)
    assert [type(one) for one in desk.journal.records][-1] is Left
    assert contradictions(desk.journal.records) == []


def test_ids_are_counted_again() -> None:
    desk = Lived()
    desk.ids.made = 4
    desk.place()
    desk.seconds += 60
    desk.place()
    assert contradictions(desk.journal.records) == [
        "record 2: found order t-1-5, expected the id t-1-1"
    ], "and the count goes on from there"


def test_a_change_that_follows_from_nothing() -> None:
    records = [one for one in told() if type(one).__name__ != "Came"]
    [found] = contradictions(records)
    assert "t-1-1 sent → open by accepted" in found
    assert "expected nothing that follows from what came before" in found


def test_a_change_that_is_not_there_or_another() -> None:
    records = told()
    assert isinstance(records[-1], Change)
    halted = Halted(at=at(9), reason="enough", by="person")
    assert "found nothing, expected t-1-1 sent → open" in contradictions([*records[:-1], halted])[0]
    other = Disagreement(at=1, order_id="z", symbol=BTC, what="size", ours="1", theirs="2")
    [found] = contradictions([*records[:-1], other])
    assert "found z size: 1 against 2, expected t-1-1 sent → open" in found


def test_only_so_many_are_kept_and_all_are_counted() -> None:
    left = Left(at=1, command=order("z"))
    replay = replayed([left] * 150)
    assert len(replay.contradictions) == 100
    assert replay.contradicted == 150


# ── a restart ─────────────────────────────────────────────────────────────────────────────────

AGAIN = Started(at=at(100), prefix="t", epoch=2)


def test_what_had_no_answer_is_unknown_after_a_restart() -> None:
    desk = Lived()
    desk.place()
    replay = replayed([*desk.journal.records, AGAIN])
    [tracked] = replay.state.ledger.open_of(BTC)
    assert tracked.state is OrderState.UNKNOWN
    assert tracked.rule == ""
    assert tracked.tag == "0"
    assert tracked.order is not None
    [change] = replay.derived()
    assert isinstance(change, Change)
    assert (change.before, change.after, change.came) == (
        OrderState.SENT,
        OrderState.UNKNOWN,
        "restart",
    )
    assert replay.state.ledger.next_question() is not None


def test_what_was_decided_and_never_noted_as_sent_may_have_left() -> None:
    """The desk died between the write and the next: only the venue knows."""
    desk = Lived()
    desk.place()
    records = list(desk.journal.records)[:-1]
    assert isinstance(records[-1], Decided)
    replay = replayed([*records, AGAIN])
    [tracked] = replay.state.ledger.open_of(BTC)
    assert tracked.state is OrderState.UNKNOWN
    assert tracked.sent_at == at(100), "it may be on its way still"


def test_an_open_order_stays_ours_and_open() -> None:
    replay = replayed([*told(), AGAIN])
    [tracked] = replay.state.ledger.open_of(BTC)
    assert (tracked.state, tracked.origin.value) == (OrderState.OPEN, "ours")
    assert replay.derived() == []


def test_a_cancel_that_had_no_answer_is_asked_about() -> None:
    desk = Lived()
    desk.place()
    desk.see(update(desk.orders[0], _K.ACCEPTED, 1, size=2, filled=0))
    desk.cancel()
    replay = replayed([*desk.journal.records, AGAIN])
    [tracked] = replay.state.ledger.open_of(BTC)
    assert tracked.doubt == "the desk died during a cancel"
    assert replay.state.ledger.due_questions(at(100))[0].order_id == desk.orders[0]


def test_what_a_run_derived_in_its_last_moment_may_have_died_with_it() -> None:
    assert contradictions([*told()[:-1], AGAIN]) == []


def test_doubts_are_asked_about_at_once_after_a_checkpoint() -> None:
    desk = Lived()
    desk.place()
    desk.engine.lost(at(1))
    start = snapshot.decode(encode(replayed(desk.journal.records).snapshot()))
    again = Replay(start)
    [question] = again.state.ledger.due_questions(at(1))
    assert question.why == "unknown"


def test_a_replay_of_nothing_is_an_empty_state() -> None:
    assert state_hash(Replay().snapshot()) == state_hash(snapshot.Snapshot())


@pytest.mark.parametrize("price", ["0.10", "100", "1E+2"])
def test_decimals_come_back_digit_by_digit(price: str) -> None:
    desk = Lived()
    desk.place()
    desk.see(fill(desk.orders[0], "1.50", price, 1))
    kept = snapshot.decode(desk.snapshot())
    assert encode(kept) == desk.snapshot()


def test_text_that_utf8_cannot_say_is_spelt_out_in_a_checkpoint() -> None:
    kept = snapshot.Snapshot(halted="half a pair: \ud800", made=7)
    assert snapshot.decode(encode(kept)).halted == "half a pair: \\ud800"
    assert state_hash(kept) == state_hash(snapshot.decode(encode(kept)))
