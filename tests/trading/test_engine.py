from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from pitwire.model import events as ev
from pitwire.model.errors import ConfigError
from pitwire.model.orders import (
    Cancel,
    CancelOrder,
    Order,
    OrderState,
    Place,
    Replace,
    Side,
    UpdateKind,
)
from pitwire.trading import wishes
from pitwire.trading.engine import cause_of
from pitwire.trading.journal import (
    Alerted,
    Benched,
    Came,
    DayStarted,
    Decided,
    Dropped,
    Halted,
    Left,
    Refusal,
    decode,
    encode,
)
from pitwire.trading.rules import FunctionRule, bars, book, fills, quotes, rule, trades, watch
from pitwire.trading.stance import Switches
from pitwire.trading.tracked import Change, Disagreement
from pitwire.trading.wishes import alert, amend, buy, cancel, halt, replace
from tests.trading.making import (
    BTC,
    ETH,
    SECOND,
    T0,
    Desk,
    at,
    balance,
    fill,
    order,
    quote,
    snapshot,
    trade,
    unanswered,
    update,
)

D, K = Decimal, UpdateKind


class Text(str):
    """Behaves as text, and no record can hold it."""

    __slots__ = ()


class Seen:
    """A rule that notes what it is shown."""

    def __init__(self, *watches: Any, name: str = "seen") -> None:
        self.name = name
        self.watches = tuple(watches)
        self.shown: list[Any] = []

    def react(self, state: Any, now: int) -> Iterator[Any]:
        self.shown.append(state.event)
        yield from ()


# ── who is asked, when ────────────────────────────────────────────────────────────────────────


def test_each_event_is_shown_in_order_even_inside_a_burst() -> None:
    rule = Seen(trades(BTC))
    events = [trade(1), trade(2), quote(1, 2), trade(3, symbol=ETH), trade(3)]
    Desk(rule).burst(*events)
    assert rule.shown == [events[0], events[1], events[4]]


def test_backfilled_trades_are_shown_to_those_alone_who_want_history() -> None:
    live = Seen(trades(BTC), watch("AggregateTrade"))
    once = Seen(watch("Trade", each=False))
    history = Seen(trades(BTC), watch("Trade", ETH, history=True), name="history")
    everything = Seen(watch("AggregateTrade", history=True))
    old = msgspec.structs.replace(trade(9), backfilled=True)
    merged = ev.AggregateTrade("test", BTC, 0, at(0), 9.0, 1.0, Side.BUY, 1, 1, 1, backfilled=True)
    new = trade(3)
    desk = Desk(live, once, history, everything)
    desk.burst(old, merged)
    assert (live.shown, once.shown, history.shown, everything.shown) == ([], [], [old], [merged])
    assert desk.state.last(BTC) is None, "history is not the last price"
    desk.burst(new)
    assert (live.shown, once.shown, history.shown) == ([new], [new], [old, new])
    assert desk.state.last(BTC) == 3.0


def test_a_rule_that_looks_at_state_is_asked_once_a_burst() -> None:
    rule = Seen(watch("Quote", BTC, each=False))
    desk = Desk(rule)
    first, last = quote(1, 2), quote(2, 3)
    desk.burst(first, trade(9), last, trade(9))
    assert rule.shown == [last]
    desk.burst(trade(9))
    assert rule.shown == [last]
    desk.burst(first)
    assert rule.shown == [last, first]


def test_to_be_shown_each_one_wins_over_once_a_burst() -> None:
    rule = Seen(quotes(BTC), watch("Quote", BTC, each=False), *book(BTC))
    desk = Desk(rule)
    desk.burst(quote(1, 2))
    assert len(rule.shown) == 1
    turned = Seen(watch("Quote", BTC, each=False), quotes(BTC))
    Desk(turned).burst(quote(1, 2), quote(1, 3))
    assert len(turned.shown) == 2
    desk.burst(snapshot([(1, 1)], [(2, 1)]))
    assert len(rule.shown) == 2


def test_a_watch_without_a_symbol_sees_all_of_them() -> None:
    everyone, one = Seen(trades()), Seen(trades(ETH), trades())
    desk = Desk(everyone, one)
    desk.burst(trade(1), trade(2, symbol=ETH))
    assert [len(everyone.shown), len(one.shown)] == [2, 2]
    everyone, one = Seen(trades()), Seen(trades(ETH))
    Desk(everyone, one).burst(trade(1), trade(2, symbol=ETH))
    assert [len(everyone.shown), len(one.shown)] == [2, 1]


def test_rules_are_shown_an_event_in_the_order_they_were_given() -> None:
    order_of_calls: list[str] = []

    def make(name: str, symbol: str) -> FunctionRule:
        return FunctionRule(lambda s, n: order_of_calls.append(name), trades(symbol), name=name)

    Desk(make("a", BTC), make("b", ""), make("c", BTC), make("d", ETH)).burst(trade(1))
    assert order_of_calls == ["a", "b", "c"]


def test_bars_of_another_interval_are_not_shown() -> None:
    rule = Seen(bars(BTC, "1m"))
    bar = ev.Bar("test", BTC, 0, at(0), "1m", 0, 1, 1, 1, 1, 1, 1, 1, 1, True)
    other = ev.Bar("test", BTC, 0, at(0), "5m", 0, 1, 1, 1, 1, 1, 1, 1, 1, True)
    Desk(rule).burst(bar, other)
    assert rule.shown == [bar]


def test_a_crossing_that_comes_back_within_one_burst_is_seen() -> None:
    @rule(trades(BTC))
    def dip(state: Any, now: int) -> Iterator[Any]:
        if state.event.price < 90:
            yield buy(BTC, 1)

    commands = Desk(dip).burst(quote(99, 101), trade(100), trade(89.0), trade(100))
    assert [command.cause.detail for command in commands] == ["price 89.0 size 1.0 id 1"]


def test_an_event_of_somebody_elses_making_is_taken_calmly() -> None:
    class Odd(ev.Event, frozen=True, gc=False, tag=True):
        pass

    desk = Desk(Seen(trades(BTC)))
    assert desk.burst(Odd("test", BTC, 0, at(0))) == []


def test_a_rule_is_not_shown_a_fill_or_update_twice() -> None:
    rule = Seen(fills(BTC), watch("Update", BTC))
    desk = Desk(rule)
    desk.engine.sent(order("a"), at(0))
    told = [fill("a", 1, trade_id="7"), update("a", K.ACCEPTED, sequence=5)]
    desk.burst(*told, *told)
    assert rule.shown == told
    assert len(desk.of(Came)) == 4
    assert desk.state.ledger.doubled == 2


# ── causes ────────────────────────────────────────────────────────────────────────────────────


def test_an_order_carries_its_rule_and_the_event_that_caused_it() -> None:
    @rule(quotes(BTC), name="taker")
    def take(state: Any, now: int) -> Iterator[Any]:
        yield buy(BTC, 1, tag="t")

    [command] = Desk(take).burst(quote(99, 101, 3))
    assert isinstance(command, Order)
    assert command.rule == "taker"
    cause = command.cause
    assert cause is not None
    assert (cause.event, cause.symbol, cause.received) == ("Quote", BTC, at(3))


def test_cancels_replacements_and_halts_carry_it_too() -> None:
    @rule(trades(BTC))
    def act(state: Any, now: int) -> Iterator[Any]:
        match state.event.trade_id:
            case 1:
                yield buy(BTC, 1, price=90)
            case 2:
                yield replace("t-1-1", buy(BTC, 1, price=91))
            case 3:
                yield cancel(BTC)
            case 4:
                yield buy(BTC, 1, price=92)
                yield Replace(
                    order_id="t-1-3",
                    place=Place(symbol=BTC, side=Side.BUY, size=order().size),
                )
            case 5:
                yield halt("done")

    desk = Desk(act)
    desk.burst(quote(99, 101))
    commands = desk.each(*(trade(100, number, trade_id=number) for number in range(1, 6)))
    causes = [getattr(c, "cause", None) or c.order.cause for c in commands]
    assert {cause.event for cause in causes} == {"Trade"}
    assert {getattr(c, "rule", None) or c.order.rule for c in commands} == {"act"}


@pytest.mark.parametrize(
    ("event", "kind", "detail"),
    [
        (trade(9.5, trade_id=3), "Trade", "price 9.5 size 1.0 id 3"),
        (quote(1.5, 2.5), "Quote", "bid 1.5 ask 2.5 id 0"),
        (snapshot([], []), "BookSnapshot", "book id 1"),
        (update("a", K.ACCEPTED), "Update", "order a accepted"),
        (fill("a", 1, 100, trade_id="4"), "Fill", "order a trade 4 price 100"),
        (balance("BTC", 1), "Balance", ""),
        (ev.AggregateTrade("t", BTC, 0, 0, 1.5, 2.0, Side.BUY, 8, 1, 2), "AggregateTrade",
         "price 1.5 size 2.0 id 8"),
        (ev.Bar("t", BTC, 0, 0, "1m", 0, 1, 1, 1, 1, 1.25, 1, 1, 1, True), "Bar",
         "1m close 1.25"),
        (None, "Timer", ""),
    ],
)  # fmt: skip
def test_a_cause_says_what_a_person_wants_to_see(event: Any, kind: str, detail: str) -> None:
    cause = cause_of(event, at(1))
    assert (cause.event, cause.detail) == (kind, detail)


# ── a rule that fails ─────────────────────────────────────────────────────────────────────────


def test_a_rule_that_raises_is_benched_and_the_others_go_on() -> None:
    @rule(trades(BTC))
    def bad(state: Any, now: int) -> Iterator[Any]:
        yield alert("before")
        raise ValueError("no such thing")

    good = Seen(trades(BTC))
    desk = Desk(bad, good)
    desk.each(trade(1), trade(2))
    [benched] = desk.of(Benched)
    assert (benched.rule, benched.error, benched.text) == ("bad", "ValueError", "no such thing")
    assert (benched.event, benched.symbol) == ("Trade", BTC)
    assert [record.level for record in desk.of(Alerted)] == ["error"]
    assert "bad" in desk.of(Alerted)[0].text
    assert len(good.shown) == 2
    assert desk.engine.rules == [good]


def test_the_rule_whose_turn_it_is_can_be_seen_from_outside() -> None:
    seen: list[object] = []

    class Looks:
        watches = (trades(BTC),)

        def __init__(self, name: str) -> None:
            self.name = name

        def react(self, state: Any, now: int) -> list[Any]:
            seen.append(desk.engine.hearing)
            if self.name == "raises":
                raise ValueError("no")
            return []

    rules = [Looks("first"), Looks("raises"), Looks("last")]
    desk = Desk(*rules)
    desk.each(trade(1))
    assert seen == rules
    assert desk.engine.hearing is None


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ("buy", ""),
        (wishes.order(BTC, "buy", size=1), "side"),  # type: ignore[arg-type]
        (Cancel(side="buy"), "side"),  # type: ignore[arg-type]
        (Place(symbol=BTC, side=Side.BUY, size=1.0), "size"),  # type: ignore[arg-type]
        (Place(symbol=BTC, side=Side.BUY, quote_size=D("NaN")), "quote_size"),
        (Place(symbol=BTC, side=Side.BUY, size=D("1e999999")), "size"),
        (Replace(order_id="a", place=Place(symbol=BTC, side="sell")), "side"),  # type: ignore[arg-type]
        (buy(BTC, [1]), "size"),  # type: ignore[arg-type]
        (amend("a", 0.5), "size"),  # type: ignore[arg-type]
        (amend("a", None), "size"),  # type: ignore[arg-type]
        (wishes.order(BTC, None, size=1), "side"),  # type: ignore[arg-type]
        (buy(BTC, True), "size"),
        (buy(BTC, 1, tag=None), "tag"),  # type: ignore[arg-type]
        (buy(BTC, 1, tag=Text("group")), "tag"),
        (buy([BTC], 1), "symbol"),  # type: ignore[arg-type]
        (buy(BTC, 1, reduce_only=None), "reduce_only"),  # type: ignore[arg-type]
        (buy(BTC, 1, protective=1), "protective"),  # type: ignore[arg-type]
        (Place(BTC, Side.BUY, size=D(1), rule=7), "rule"),  # type: ignore[arg-type]
        (Place(BTC, Side.BUY, size=D(1), cause="why"), "cause"),  # type: ignore[arg-type]
        (Place(BTC, Side.BUY, size=D(1), trailing_bips=1.5), "trailing_bips"),  # type: ignore[arg-type]
        (replace("a", None), "draft"),  # type: ignore[arg-type]
        (Replace(order_id="a", place=None), "place"),  # type: ignore[arg-type]
        (replace(7, buy(BTC, 1)), "order_id"),  # type: ignore[arg-type]
        (alert(ValueError("why")), "text"),  # type: ignore[arg-type]
    ],
    ids=str,
)
def test_a_rule_that_yields_nonsense_is_benched(wish: Any, field: str) -> None:
    desk = Desk(FunctionRule(lambda s, n: [wish], trades(BTC), name="odd"))
    assert desk.each(quote(99, 101), trade(100)) == []
    [benched] = desk.of(Benched)
    assert benched.error == "TypeError"
    assert benched.text.startswith(f"{field} of " if field else "a rule yields wishes")


@pytest.mark.parametrize(
    "number", [D("sNaN"), D("NaN"), 10**5000, "1E+99999999"], ids=["signals", "nan", "long", "far"]
)
@pytest.mark.parametrize("field", ["size", "price", "stop_price"])
def test_a_number_that_is_none_is_refused_and_not_raised(number: Any, field: str) -> None:
    wish = buy(BTC, **({"size": 1} | {field: number}))
    desk = Desk(FunctionRule(lambda s, n: [wish], trades(BTC), name="odd"))
    assert desk.each(quote(99, 101), trade(100)) == []
    [refusal] = desk.of(Refusal)
    assert refusal.limit.startswith("grid ")


@pytest.mark.parametrize("reason", ["", None, 7, ValueError("enough")])
def test_a_halt_holds_whatever_its_reason_is(reason: Any) -> None:
    desk = Desk(
        FunctionRule(lambda s, n: [halt(reason)], trades(BTC), name="stops"),
        FunctionRule(lambda s, n: [buy(BTC, 1)], quotes(BTC), name="buys"),
    )
    assert desk.each(quote(99, 101), trade(100), quote(99, 101)) != []
    assert desk.of(Benched) == []
    assert desk.refusals == ["halt"]
    [halted] = desk.of(Halted)
    assert halted.reason
    assert decode(encode(halted)) == halted
    assert Switches().after(halted).halted == desk.screen.halted


def test_a_rule_has_a_name_that_is_text() -> None:
    with pytest.raises(ConfigError, match="name"):
        Desk(Seen(trades(BTC), name=7))  # type: ignore[arg-type]


def test_what_a_rule_yielded_before_it_raised_is_not_done() -> None:
    def half(state: Any, now: int) -> Iterator[Any]:
        yield buy(BTC, 1)
        raise RuntimeError("half way")

    desk = Desk(FunctionRule(half, trades(BTC), name="half"))
    assert desk.each(quote(99, 101), trade(100)) == []
    assert [record.rule for record in desk.of(Benched)] == ["half"]


def test_a_rule_whose_timer_raises_is_benched() -> None:
    class Odd(Seen):
        calls = 0

        def next_wake(self) -> int | None:
            self.calls += 1
            if self.calls > 1:
                raise RuntimeError("clock")
            return None

    desk = Desk(Odd(trades(BTC)))
    desk.burst(trade(1))
    assert [record.error for record in desk.of(Benched)] == ["RuntimeError"]


# ── timers ────────────────────────────────────────────────────────────────────────────────────


def test_a_rule_may_move_its_timer_and_wake_once() -> None:
    class Later(Seen):
        wake: int | None = None

        def react(self, state: Any, now: int) -> Iterator[Any]:
            self.wake = state.event.received + 5 * SECOND if state.event else None
            yield from super().react(state, now)

        def next_wake(self) -> int | None:
            return self.wake

    rule = Later(trades(BTC))
    desk = Desk(rule)
    assert desk.engine.next_wake() is None
    desk.each(trade(1, 0), trade(1, 1))
    assert desk.engine.next_wake() == at(6)
    desk.engine.decide(at(5))
    assert len(rule.shown) == 2
    desk.engine.decide(at(6))
    assert rule.shown[-1] is None
    assert desk.engine.next_wake() is None


def test_a_rule_that_wants_to_wake_in_the_past_is_no_busy_loop() -> None:
    class Eager(Seen):
        def next_wake(self) -> int | None:
            return 0

    rule = Eager(trades(BTC))
    desk = Desk(rule)
    assert desk.engine.next_wake() == 0
    desk.engine.decide(at(1))
    assert len(rule.shown) == 1
    assert desk.engine.next_wake() == at(1.001)


def test_a_rule_that_changes_its_mind_about_waking_fills_no_memory() -> None:
    class Fickle(Seen):
        def next_wake(self) -> int | None:
            return at(1000 + len(self.shown) % 2)

    desk = Desk(Fickle(trades(BTC)), Seen(trades(BTC)))
    for number in range(1001):
        desk.engine.apply(trade(100, 1, trade_id=number))
    assert desk.engine.next_wake() == at(1001)
    assert len(desk.engine._wakes) < 100


# ── the journal ───────────────────────────────────────────────────────────────────────────────


def life() -> list[list[ev.Event]]:
    return [
        [quote(99, 101, 0), balance("USDT", 1000)],
        [trade(100, 1), trade(89, 1.1), trade(100, 1.2)],
        [update("t-1-1", K.ACCEPTED, 2, sequence=1), fill("t-1-1", 1, 101, 2)],
        [fill("t-1-1", 1, 101, 3), ev.Lost("test", "", 0, at(3), "one", "reset", 1.0)],
        [update("web_1", K.ACCEPTED, 4, side=Side.SELL, size=1)],
        [trade(85, 5), unanswered("t-1-2", seconds=6)],
    ]


def lived() -> Desk:
    @rule(trades(BTC))
    def dip(state: Any, now: int) -> Iterator[Any]:
        if state.event.price < 90:
            yield buy(BTC, 1)

    desk = Desk(dip)
    for burst in life():
        desk.burst(*burst)
    return desk


def test_what_mattered_is_written_in_order() -> None:
    kinds = [type(record) for record in lived().journal.records]
    assert kinds == [
        Came, DayStarted,
        Decided, Left,
        Came, Change, Came, Change,
        Came, Came,
        Came, Change, Disagreement,
        Came, Decided, Left,
    ]  # fmt: skip


def test_the_same_events_give_the_same_bytes() -> None:
    assert lived().journal.lines() == lived().journal.lines()


def test_an_unanswered_order_is_asked_about_and_the_day_begins_once() -> None:
    desk = lived()
    assert len(desk.of(DayStarted)) == 1
    desk.engine.apply(unanswered("t-1-2", seconds=7))
    assert [q.order_id for q in desk.engine.questions(at(8))] == ["t-1-2"]
    assert desk.state.ledger.next_question() is not None


def test_missing_fills_are_written_when_they_are_asked_for() -> None:
    desk = Desk()
    desk.engine.sent(order("a"), at(0))
    desk.burst(update("a", K.STATUS_OPEN, 1, filled=1))
    assert desk.of(Disagreement) == []
    desk.engine.questions(at(9))
    assert [record.what for record in desk.of(Disagreement)] == ["missing fills"]


def test_what_never_left_is_over_and_what_was_lost_is_unknown() -> None:
    desk = Desk()
    desk.state.ledger.made(order("a"), at(0))
    desk.engine.dropped(order("a"), "expired before sending", at(3))
    assert [record.why for record in desk.of(Dropped)] == ["expired before sending"]
    desk.engine.sent(order("b"), at(3))
    [change] = desk.engine.lost(at(4))
    assert change.after is OrderState.UNKNOWN
    assert [record.order_id for record in desk.of(Change)] == ["a", "b"]


def test_a_person_halts_and_gets_the_cancels_to_send() -> None:
    desk = Desk()
    desk.engine.sent(order("a"), at(0))
    commands = desk.engine.halt("enough", "me", at(1))
    assert [type(command) for command in commands] == [CancelOrder]
    assert [record.command for record in desk.of(Decided)] == commands


def test_the_day_begins_again_at_midnight() -> None:
    desk = Desk()
    day = 86_400 * SECOND
    desk.engine.decide(T0)
    desk.engine.decide(T0 + 60 * SECOND)
    desk.engine.decide(T0 // day * day + day)
    assert [record.day for record in desk.of(DayStarted)] == [T0 // day, T0 // day + 1]


def test_a_line_of_every_record_can_be_written() -> None:
    assert all(encode(record).endswith(b"\n") for record in lived().journal.records)


def test_watching_fills_hedges_in_the_same_burst() -> None:
    @rule(fills(BTC))
    def hedge(state: Any, now: int) -> Iterator[Any]:
        yield buy(ETH, 2)

    desk = Desk(hedge)
    desk.burst(quote(9, 11, symbol=ETH))
    desk.engine.sent(order("a"), at(0))
    [command] = desk.burst(fill("a", 1))
    assert command.symbol == ETH
