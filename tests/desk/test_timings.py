"""Stages add up, only the first answer counts, and memory is bounded."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pitwire.desk.timings import Timings
from pitwire.model.orders import Cause, UpdateKind
from tests.trading.making import BTC, T0, order, update

CAUSE = Cause(event="Trade", symbol=BTC, venue_time=T0 - 5, received=T0, detail="price 1.0")


def caused(order_id: str) -> object:
    placed = order(order_id, rule="dip")
    return type(placed)(**{**_fields(placed), "cause": CAUSE})


def _fields(placed: object) -> dict[str, object]:
    return {name: getattr(placed, name) for name in placed.__struct_fields__}  # type: ignore[attr-defined]


@settings(max_examples=50)
@given(st.lists(st.integers(0, 10**9), min_size=4, max_size=4))
def test_the_stages_add_up_to_the_whole(steps: list[int]) -> None:
    timings = Timings()
    decided = T0 + steps[0]
    encoded = decided + steps[1]
    sent = encoded + steps[2]
    timings.left(caused("a"), decided=decided, encoded=encoded, sent=sent)  # type: ignore[arg-type]
    report = timings.report()
    stages = (report.decide, report.encode, report.send)
    assert sum(stage.largest for stage in stages) == report.tick_to_order.largest
    assert report.tick_to_order.largest == sent - T0
    assert report.answer.count == 0
    [timing] = timings.orders.values()
    assert (timing.rule, timing.symbol, timing.cause) == ("dip", BTC, CAUSE)


def test_only_the_first_word_is_the_answer() -> None:
    timings = Timings()
    timings.left(order("a"), decided=T0, encoded=T0, sent=T0)
    timings.heard(update("a", UpdateKind.ACCEPTED, 0.001))
    timings.heard(update("a", UpdateKind.FILLED, 5))
    timings.heard(update("somebody else", UpdateKind.FILLED, 5))
    assert timings.orders["a"].answered == T0 + 1_000_000
    answer = timings.report().answer
    assert (answer.count, answer.largest) == (1, 1_000_000)


def test_without_a_cause_the_decision_is_the_beginning() -> None:
    timings = Timings()
    timings.left(order("a"), decided=T0, encoded=T0 + 2, sent=T0 + 5)
    assert timings.orders["a"].received == order("a").decided


def test_what_left_over_http_is_timed_once_it_is_written() -> None:
    timings = Timings()
    timings.left(order("a"), decided=T0)
    timings.written("a", T0 + 5)
    timings.written("a", T0 + 9)
    timings.written("nobody's", T0 + 9)
    timings.heard(update("a", UpdateKind.ACCEPTED, 0.001))
    assert timings.orders["a"].sent == T0 + 5
    report = timings.report()
    assert (report.encode.count, report.send.count, report.tick_to_order.count) == (0, 0, 1)
    assert report.answer.largest == 1_000_000 - 5


def test_what_waits_is_kept_and_not_counted() -> None:
    timings = Timings()
    timings.left(order("a"), decided=T0)
    timings.heard(update("a", UpdateKind.ACCEPTED, 1))
    report = timings.report()
    assert (report.decide.count, report.tick_to_order.count, report.answer.count) == (1, 0, 0)
    assert timings.orders["a"].answered


def test_memory_is_bounded() -> None:
    timings = Timings(kept=3)
    for number in range(10):
        timings.left(order(str(number)), decided=T0, encoded=T0, sent=T0)
    assert list(timings.orders) == ["7", "8", "9"]
    assert timings.report().tick_to_order.count == 10
