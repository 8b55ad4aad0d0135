from __future__ import annotations

from decimal import Decimal

import pytest

from pitwire.market.checksum import TopLevelsCrc
from pitwire.model import events as ev
from pitwire.model.orders import OrderState, Side, UpdateKind
from pitwire.trading.state import State
from tests.trading.making import (
    BTC,
    ETH,
    at,
    balance,
    fill,
    instrument,
    order,
    quote,
    snapshot,
    trade,
    unanswered,
    update,
)


def state(*events: ev.Event) -> State:
    made = State([instrument(BTC)])
    for event in events:
        made.apply(event)
    return made


def test_what_came_last_is_read_by_symbol() -> None:
    bar = ev.Bar("test", BTC, 0, at(3), "1m", 0, 60, 1.0, 2.0, 0.5, 1.5, 9.0, 9.0, 3, False)
    ticker = ev.Ticker("test", ETH, 0, at(4), "24h", 1.0, 2.0, 0.5, 1.5, 9.0, 9.0)
    average = ev.AveragePrice("test", BTC, 0, at(5), "5m", 77.0)
    mark = ev.MarkPrice("test", ETH, 0, at(4), 76.0)
    funding = ev.Funding("test", ETH, 0, at(4), 0.0001, at(9))
    made = state(quote(1, 2, 1), trade(1.5, 2), bar, ticker, mark, funding, average)
    assert made.marks[ETH] is mark
    assert made.fundings[ETH] is funding
    assert made.quotes[BTC].ask == 2
    assert made.trades[BTC].price == 1.5
    assert made.bars[BTC, "1m"] is bar
    assert made.tickers[ETH] is ticker
    assert made.averages[BTC] is average
    assert (made.now, made.event) == (at(5), average)
    assert (made.mid(BTC), made.last(BTC), made.last(ETH)) == (1.5, 1.5, 1.5)
    assert (made.mark(BTC), made.mark(ETH), made.mark("XMR-USDT")) == (1.5, 1.5, None)


def test_aggregates_count_only_where_single_trades_do_not_come() -> None:
    aggregate = ev.AggregateTrade("test", BTC, 0, at(1), 7.0, 1.0, Side.BUY, 1, 1, 2)
    made = state(aggregate)
    assert made.last(BTC) == 7
    made.apply(trade(8, 2))
    made.apply(aggregate)
    assert made.last(BTC) == 8


def test_a_book_exists_only_where_book_events_came() -> None:
    made = state(quote(1, 2), ev.BookDelta("test", BTC, 0, at(1), 2, 2, ((1.0, 1.0),), ()))
    assert made.books == {}
    assert made.book(BTC) is None
    made.apply(snapshot([(99, 1)], [(101, 1)], 2))
    made.apply(ev.BookDelta("test", BTC, 0, at(3), 2, 2, ((100.0, 1.0),), ()))
    book = made.book(BTC)
    assert book is not None
    assert book.best_bid == (100, 1)


def test_the_touch_is_the_newer_of_quote_and_book() -> None:
    made = state(quote(1, 2, 1))
    assert made.touch(BTC) == (1, 2, at(1))
    made.apply(snapshot([(99, 1)], [(101, 1)], 2))
    assert made.touch(BTC) == (99, 101, at(2))
    made.apply(quote(98, 100, 3))
    assert made.touch(BTC) == (98, 100, at(3))
    assert made.touch(ETH) is None


@pytest.mark.parametrize("sizes", [{"bid_size": 0}, {"ask_size": 0}])
def test_a_quote_with_nobody_on_one_side_has_no_price(sizes: dict[str, float]) -> None:
    state = State([instrument()])
    state.apply(quote(0 if "bid_size" in sizes else 99, 101 if "bid_size" in sizes else 0, **sizes))
    assert (state.touch(BTC), state.mid(BTC), state.mark(BTC)) == (None, None, None)
    state.apply(trade(100, 1))
    assert state.mark(BTC) == 100
    state.apply(snapshot([(99, 1)], [(101, 1)], 2))
    assert state.mid(BTC) == 100, "the book is newer"
    state.apply(
        quote(0 if "bid_size" in sizes else 99, 101 if "bid_size" in sizes else 0, 3, **sizes)
    )
    assert state.touch(BTC) is None, "the newest has nobody on one side"
    state.apply(quote(99.5, 100.5, 4))
    assert state.mid(BTC) == 100


def test_the_books_own_id_says_which_is_newer() -> None:
    ahead = ev.Quote("test", BTC, 0, at(1), 98.0, 1.0, 100.0, 1.0, 5)
    delta = ev.BookDelta("test", BTC, 0, at(2), 2, 4, ((99.5, 1.0),), ())
    made = state(snapshot([(99, 1)], [(101, 1)]), ahead, delta)
    assert made.touch(BTC) == (98, 100, at(2))
    made.apply(ev.BookDelta("test", BTC, 0, at(3), 5, 6, ((99.7, 1.0),), ()))
    assert made.touch(BTC) == (99.7, 101, at(3))


def test_the_top_levels_stand_in_for_a_book_that_is_not_there() -> None:
    partial = ev.PartialBook("test", BTC, 0, at(1), 5, ((9.0, 1.0),), ((10.0, 1.0),), 5)
    made = state(partial)
    assert made.touch(BTC) == (9, 10, at(1))
    made.apply(snapshot([(99, 1)], [(101, 1)], 2))
    assert made.touch(BTC) == (99, 101, at(2))


def test_a_stale_book_is_empty_and_named_until_its_snapshot() -> None:
    made = state(snapshot([(99, 1)], [(101, 1)]))
    made.apply(ev.BookStale("test", BTC, 0, at(1), "gap"))
    assert made.book(BTC) is None
    assert made.stale_reason(BTC) == "book: gap"
    made.apply(ev.Subscribed("test", BTC, 0, at(2), "link", "book"))
    made.apply(ev.FeedFresh("test", BTC, 0, at(2), "book"))
    assert made.stale_reason(BTC) == "book: gap"
    made.apply(snapshot([(99, 1)], [(101, 1)], 3))
    assert made.stale == {}


def test_a_silent_feed_is_stale_until_it_speaks() -> None:
    made = state(ev.FeedStale("test", BTC, 0, at(1), "trades", 7.5))
    assert made.stale_reason(BTC) == "trades: silent for 7.5 s"
    made.apply(ev.FeedStale("test", BTC, 0, at(1), "ticker", 9))
    made.apply(ev.FeedFresh("test", BTC, 0, at(2), "trades"))
    assert made.stale_reason(BTC) == "ticker: silent for 9 s"
    made.apply(ev.FeedFresh("test", BTC, 0, at(2), "ticker"))
    assert made.stale == {}


def test_a_book_of_a_stale_feed_is_not_ready_for_rules_whatever_snapshot_comes() -> None:
    made = state(snapshot([(99, 1)], [(101, 1)]), ev.FeedStale("test", BTC, 0, at(1), "book", 4.2))
    assert (made.book(BTC), made.touch(BTC)) == (None, None)
    book = made.books[BTC]
    assert (book.ready, book.stale, book.best_bid) == (False, "silent", (99, 1))
    made.apply(snapshot([(98, 1)], [(101, 1)], 2))
    assert not book.ready
    assert made.stale_reason(BTC) == "book: silent for 4.2 s"
    made.apply(ev.BookStale("test", BTC, 0, at(3), "gap"))
    assert made.stale_reason(BTC) == "book: gap"
    made.apply(snapshot([(98, 1)], [(101, 1)], 4))
    assert made.stale_reason(BTC) == "book: silent for 4.2 s"
    made.apply(ev.FeedFresh("test", BTC, 0, at(5), "book"))
    assert made.book(BTC) is book
    assert made.touch(BTC) == (98, 101, at(4))
    assert made.stale == {}


@pytest.mark.parametrize(
    "over",
    [
        ev.FeedFresh("test", BTC, 0, at(3), "book"),
        ev.Subscribed("test", BTC, 0, at(3), "link", "book"),
        ev.Unsubscribed("test", BTC, 0, at(3), "link", "book"),
    ],
    ids=lambda event: type(event).__name__,
)
def test_a_book_that_is_first_heard_of_on_a_stale_feed_is_not_ready(over: ev.Event) -> None:
    made = state(
        ev.FeedStale("test", BTC, 0, at(1), "book", 10, "unproven"),
        snapshot([(99, 1)], [(101, 1)], 2),
    )
    assert made.book(BTC) is None
    assert made.stale_reason(BTC) == "book: no data for 10 s since it was acknowledged"
    made.apply(over)
    assert made.book(BTC) is made.books[BTC]
    assert made.stale == {}


@pytest.mark.parametrize("channel", ["book", "trades"])
def test_a_stale_feed_is_not_mended_by_the_promise_of_another_connection(channel: str) -> None:
    def promise(link: str) -> ev.Event:
        return ev.Subscribed("test", BTC, 0, at(0), link, channel)

    made = state(promise("one"), promise("two"), snapshot([(99, 1)], [(101, 1)]))
    made.apply(ev.Lost("test", "", 0, at(2), "two", "cut", 0.2, covered=True))
    made.apply(ev.FeedStale("test", BTC, 0, at(2), channel, 15.0))
    made.apply(promise("two"))
    assert made.stale_reason(BTC) == f"{channel}: silent for 15 s"
    assert (made.book(BTC) is None) == (channel == "book")
    made.apply(ev.FeedFresh("test", BTC, 0, at(3), channel))
    assert (made.stale, made.book(BTC)) == ({}, made.books[BTC])


def test_a_lost_connection_makes_what_it_carried_stale() -> None:
    made = state(
        ev.Subscribed("test", BTC, 0, at(0), "one", "trades"),
        ev.Subscribed("test", ETH, 0, at(0), "one", "ticker"),
        ev.Unsubscribed("test", ETH, 0, at(0), "one", "ticker"),
        ev.Subscribed("test", "XMR-USDT", 0, at(0), "two", "trades"),
        ev.Lost("test", "", 0, at(1), "one", "reset", 0.5),
    )
    assert made.stale == {BTC: {"trades": "connection lost"}}
    made.apply(ev.Subscribed("test", BTC, 0, at(2), "one", "trades"))
    assert made.stale == {}


def test_account_events_reach_ledger_and_portfolio() -> None:
    made = state()
    made.ledger.sent(order("a", 2), at(0))
    made.apply(update("a", UpdateKind.ACCEPTED))
    change = made.apply(fill("a", 1, trade_id="5"))
    assert change is not None
    assert made.apply(fill("a", 1, trade_id="5")) is None
    assert made.portfolio.position(BTC) == 1
    made.ledger.sent(order("b", 2), at(0))
    made.apply(unanswered("b"))
    unknown = made.ledger.find("b")
    assert unknown is not None
    assert unknown.state is OrderState.UNKNOWN
    made.apply(balance("BTC", 3))
    assert made.portfolio.free("BTC") == 3
    made.apply(ev.Position("test", BTC, 0, at(1), Decimal(1), Decimal(2)))
    assert made.portfolio.venue_positions[BTC].size == 1
    made.apply(ev.OpenOrders("test", BTC, 0, at(1), ()))
    assert [asked.order_id for asked in made.ledger.due_questions(at(2))] == ["b", "a"]
    assert [told.order_id for told in made.ledger.take_disagreements()] == ["a"]


def test_status_and_clock_are_kept() -> None:
    offset = ev.ClockOffset("test", "", 0, at(1), 5, 6)
    made = state(ev.MarketStatus("test", BTC, 0, at(1), "HALT"), offset)
    assert made.statuses == {BTC: "HALT"}
    assert made.offset is offset


@pytest.mark.parametrize("kind", ev.EVENTS, ids=lambda kind: kind.__name__)
def test_every_event_is_taken_without_complaint(kind: type[ev.Event]) -> None:
    samples = {str: "x", int: 1, float: 1.0, bool: True, Decimal: Decimal(1)}
    hints = {"side": Side.BUY, "update": UpdateKind.ACCEPTED, "bids": (), "asks": (),
             "order_ids": (), "symbol": BTC}  # fmt: skip
    facts = []
    for name in kind.__struct_fields__[
        : len(kind.__struct_fields__) - len(kind.__struct_defaults__)
    ]:
        annotation = kind.__annotations__.get(name, "")
        by_text = {"str": "x", "int": 1, "float": 1.0, "bool": True, "Decimal": Decimal(1)}
        facts.append(hints.get(name, by_text.get(str(annotation), samples[int])))
    made = state()
    event = kind(*facts)
    made.apply(event)
    assert made.event is event


def test_a_book_that_turns_out_wrong_is_gone_and_stale_at_once() -> None:
    made = State()
    made.apply(snapshot([(100.0, 1.0)], [(101.0, 1.0)]))
    crossing = ev.BookDelta("test", BTC, 0, at(1), 11, 11, ((101.0, 1.0),), ())
    made.apply(crossing)
    assert made.flaws == {BTC: "crossed"}
    assert made.stale_reason(BTC) == "book: crossed"
    assert made.book(BTC) is None
    assert made.touch(BTC) is None
    made.flaws.clear()
    made.apply(ev.BookSnapshot("test", BTC, 0, at(2), 12, ((101.0, 1.0),), ((100.0, 1.0),)))
    assert made.flaws == {BTC: "crossed"}, "so may be a snapshot"
    assert made.stale_reason(BTC) == "book: crossed"
    made.apply(ev.BookSnapshot("test", BTC, 0, at(3), 13, ((99.0, 1.0),), ((100.0, 1.0),)))
    assert made.stale_reason(BTC) == ""


def test_a_checksum_is_asked_of_the_venues_rule_for_the_instrument() -> None:
    one = instrument()
    made = State([one], checksum=lambda known: TopLevelsCrc(price_digits=2, size_digits=3))
    made.apply(snapshot([(100.0, 1.0)], [(101.0, 1.0)]))
    made.apply(ev.BookDelta("test", BTC, 0, at(1), 11, 11, (), (), checksum=5))
    assert made.flaws == {BTC: "checksum"}


def test_top_levels_are_not_read_while_they_are_stale_or_crossed() -> None:
    def tops(bid: float, seconds: float) -> ev.PartialBook:
        return ev.PartialBook("test", BTC, 0, at(seconds), 1, ((bid, 1.0),), ((101.0, 1.0),), 5)

    made = state(ev.Subscribed("test", BTC, 0, at(0), "market-1", "partial_book"), tops(100.0, 1))
    assert made.touch(BTC) is not None
    made.apply(ev.Lost("test", "", 0, at(2), "market-1", "cut", 0.0))
    assert made.book(BTC) is None
    made.apply(ev.Subscribed("test", BTC, 0, at(3), "market-1", "partial_book"))
    made.apply(tops(101.0, 4))
    assert made.book(BTC) is None
    assert made.stale_reason(BTC) == "partial_book: crossed"
    made.apply(tops(100.0, 5))
    assert made.book(BTC) is not None
    assert made.stale_reason(BTC) == ""
    made.apply(ev.FeedStale("test", BTC, 0, at(6), "partial_book", 3.0, "behind"))
    made.apply(tops(100.0, 7))
    assert made.book(BTC) is None, "what comes may be as old"
    made.apply(ev.FeedFresh("test", BTC, 0, at(8), "partial_book"))
    assert made.book(BTC) is not None
