from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pitwire.model import events as ev
from pitwire.model.errors import ConfigError
from pitwire.trading.journal import Alerted
from pitwire.trading.rules import (
    FunctionRule,
    Rule,
    Watch,
    bars,
    book,
    every,
    feeds,
    fills,
    flatten,
    once,
    orders,
    quotes,
    rule,
    touch,
    trades,
    unless,
    updates,
    watch,
    when,
)
from pitwire.trading.wishes import alert
from tests.trading.making import BTC, ETH, Desk, at, quote, trade


def shouting(name: str = "shout", symbol: str = BTC) -> Rule:
    """Says the price of every trade."""

    @rule(trades(symbol), name=name)
    def shout(state: Any, now: int) -> Iterator[Any]:
        yield alert(f"{state.event.price:g}")

    return shout


def said(desk: Desk) -> list[str]:
    return [record.text for record in desk.of(Alerted)]


def test_watches_say_what_they_mean() -> None:
    assert watch("Trade", BTC) == watch(ev.Trade, BTC) == trades(BTC)
    assert bars(BTC, "1m").option == "1m"
    assert [w.event for w in (quotes(), fills(), updates())] == [ev.Quote, ev.Fill, ev.Update]
    assert not any(w.each for w in (*book(BTC), *touch(BTC), *orders(BTC), *feeds(BTC)))
    assert Watch(ev.Lost, "", each=False) in feeds(BTC)


def test_an_unknown_event_is_named() -> None:
    with pytest.raises(ConfigError, match="Trades"):
        watch("Trades")


def test_groups_of_watches_are_flattened_once_each() -> None:
    assert flatten(trades(BTC)) == (trades(BTC),)
    assert flatten([trades(BTC), book(BTC), trades(BTC)]) == (trades(BTC), *book(BTC))


def test_a_function_is_a_rule_and_may_answer_nothing() -> None:
    @rule(trades(BTC))
    def quiet(state: Any, now: int) -> None:
        assert now == at(1)

    assert quiet.name == "quiet"
    assert list(quiet.react(Desk().state, at(1))) == []
    assert quiet.next_wake() is None


def test_a_rule_that_watches_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="watches"):
        rule()


def test_a_rule_by_the_clock() -> None:
    told = []

    @rule(every_seconds=2)
    def tick(state: Any, now: int) -> None:
        told.append((now, state.event))

    desk = Desk(tick)
    for second in (0, 1, 1.9, 2, 3, 4.5):
        desk.engine.decide(at(second))
    assert told == [(at(0), None), (at(2), None), (at(4.5), None)]
    assert desk.engine.next_wake() == at(6.5)


def test_when_and_unless_gate_a_rule_that_still_sees_everything() -> None:
    high = lambda state, now: state.event.price > 10  # noqa: E731
    desk = Desk(when(high, shouting("a")), unless(high, shouting("b")))
    desk.each(trade(5), trade(15, 1), trade(8, 2))
    assert said(desk) == ["5", "15", "8"]
    assert [record.rule for record in desk.journal.records if hasattr(record, "text")] == [
        "b", "a", "b",
    ]  # fmt: skip


def test_once_is_once() -> None:
    desk = Desk(once(shouting()))
    desk.each(trade(5), trade(6), trade(7))
    assert said(desk) == ["5"]


def test_every_keeps_a_distance() -> None:
    desk = Desk(every(2, shouting()))
    desk.each(*(trade(second, second) for second in range(6)))
    assert said(desk) == ["0", "2", "4"]


def test_a_rule_around_a_rule_keeps_its_timer() -> None:
    @rule(every_seconds=5, name="clock")
    def clock(state: Any, now: int) -> Iterator[Any]:
        yield alert("tick")

    around = when(lambda state, now: True, clock)
    assert around.name == "clock"
    desk = Desk(around, once(shouting(symbol=ETH)))
    desk.burst(quote(1, 2))
    assert said(desk) == ["tick"]
    assert desk.engine.next_wake() == at(5)


def test_a_rule_made_of_a_function_rule_may_have_a_clock_of_its_own() -> None:
    class Timed(FunctionRule):
        def next_wake(self) -> int | None:
            return at(5)

    desk = Desk(Timed(lambda s, n: [], trades(BTC)))
    assert desk.engine.next_wake() == at(5)
