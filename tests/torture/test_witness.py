"""A witness believes the venue alone: what is lost, doubled, out of order or wrong is found."""

from __future__ import annotations

import pytest

from pitwire.market.book import OrderBook
from pitwire.model import events as ev
from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.model.orders import Side
from pitwire.sim.facts import Traded
from pitwire.sim.truth import Truth
from pitwire.sim.world import BTC_USDT, World
from pitwire.torture.witness import AGAIN_SECONDS, Witness, differences

SYMBOL = "BTC-USDT"
WANTED = (("trades", SYMBOL), ("book", SYMBOL))


def lived(seconds: float = 10.0) -> tuple[World, Truth]:
    world = World(listings=[BTC_USDT], seed=5)
    truth = Truth(world)
    world.advance(seconds)
    return world, truth


def as_told(world: World, traded: Traded) -> ev.Trade:
    listing = world.exchange.listings[SYMBOL]
    return ev.Trade(
        "binance",
        SYMBOL,
        0,
        world.clock.now(),
        price=float(traded.price * listing.tick),
        size=float(traded.lots * listing.lot),
        side=traded.taker_side,
        trade_id=traded.trade_id,
    )


def newest(truth: Truth) -> Traded:
    return truth.trades[SYMBOL][max(truth.trades[SYMBOL])]


def told(ids: range | list[int], **also: object) -> Witness:
    world, truth = lived()
    witness = Witness(truth, WANTED, now=world.clock.now)
    known = truth.trades[SYMBOL]
    for trade_id in ids:
        witness.take([as_told(world, known[trade_id])], 0, True)
    return witness


def test_everything_delivered_is_nothing_lost() -> None:
    world, truth = lived()
    last = max(truth.trades[SYMBOL])
    witness = told(range(5, last + 1))
    assert witness.lost(world.clock.now()) == {}
    assert (witness.doubled, witness.wrong) == ([], [])


def test_what_is_missing_is_lost_unless_a_gap_names_it() -> None:
    world, truth = lived()
    last = max(truth.trades[SYMBOL])
    witness = told([*range(5, 10), *range(13, last + 1)])
    assert witness.lost(world.clock.now()) == {SYMBOL: [10, 11, 12]}
    witness.take([ev.TradeGap("binance", SYMBOL, 0, 0, 10, 11)], 0, True)
    assert witness.lost(world.clock.now()) == {SYMBOL: [12]}
    assert (witness.gaps, witness.seen["TradeGap"]) == (1, 1)


def test_what_traded_after_the_confirmation_is_owed_even_where_nothing_came() -> None:
    world, truth = lived()
    last = max(truth.trades[SYMBOL])
    times, trades = truth.times[SYMBOL], truth.trades[SYMBOL]
    witness = Witness(truth, WANTED, now=lambda: times[9])
    witness.take([ev.Subscribed("binance", SYMBOL, 0, 0, "market-1", "trades")], 0, True)
    owed = [one for one, at in times.items() if at >= times[9]]
    assert len(owed) > last // 2
    assert witness.lost(world.clock.now()) == {SYMBOL: owed}
    begin, end = trades[9].at, trades[last // 2].at
    witness.take([ev.TradeGap("binance", SYMBOL, end, 0, 0, -1, "trades", begin)], 0, True)
    [(_, late)] = witness.lost(world.clock.now()).items()
    assert late == [one for one in owed if trades[one].at // MILLISECOND > end // MILLISECOND]
    assert late


def test_twice_and_backwards_are_both_told() -> None:
    witness = told([5, 6, 6, 8, 7])
    assert [line.partition(": ")[2] for line in witness.doubled] == [
        f"{SYMBOL} trade 6 came twice",
        f"{SYMBOL} trade 7 came after 8",
    ]


def test_a_trade_that_never_was_is_wrong() -> None:
    world, truth = lived()
    witness = Witness(truth, WANTED, now=world.clock.now)
    made_up = ev.Trade("binance", SYMBOL, 0, 0, price=1.0, size=1.0, side=Side.BUY, trade_id=5)
    witness.take([made_up], 0, True)
    assert len(witness.wrong) == 1


def test_a_book_is_the_venues_or_it_is_wrong() -> None:
    world, truth = lived()
    update_id, bids, asks = world.truth_book(SYMBOL)
    book = OrderBook("binance", SYMBOL)
    witness = Witness(truth, WANTED, now=world.clock.now)
    witness.book = lambda _: book
    levels = [tuple((float(price), float(size)) for price, size in side) for side in (bids, asks)]
    snapshot = ev.BookSnapshot("binance", SYMBOL, 0, 0, update_id, *levels)
    book.apply_snapshot(snapshot)
    witness.take([snapshot], 0, True)
    assert (witness.compared, witness.wrong) == (1, [])
    worst = levels[0][0][0]
    delta = ev.BookDelta("binance", SYMBOL, 0, 0, update_id, update_id, ((worst, 123.0),), ())
    book.apply(delta)
    witness.take([delta], 0, True)
    assert len(witness.wrong) == 1
    assert f"{worst}: 123.0 for" in witness.wrong[0]


def test_a_book_that_changes_while_nobody_tells_is_looked_at_now_and_then_and_at_the_end() -> None:
    world, truth = lived()
    update_id, bids, asks = world.truth_book(SYMBOL)
    levels = [tuple((float(price), float(size)) for price, size in side) for side in (bids, asks)]
    book = OrderBook("binance", SYMBOL)
    book.apply_snapshot(ev.BookSnapshot("binance", SYMBOL, 0, 0, update_id, *levels))
    witness = Witness(truth, WANTED, now=world.clock.now)
    witness.book = lambda _: book
    witness.look(world.clock.now())
    witness.look(world.clock.now())
    assert (witness.compared, witness.wrong) == (1, []), "there is nothing new to compare"
    worst = levels[0][0][0]
    book.bids.change(((worst, 123.0),))
    later = world.clock.now() + round(AGAIN_SECONDS * SECOND)
    witness.look(later - 1)
    assert witness.compared == 1
    witness.look(later)
    assert (witness.compared, len(witness.wrong)) == (2, 1), "its id stands still, and it is wrong"
    witness.rest()
    assert (witness.compared, len(witness.wrong)) == (3, 2)
    gone = ev.BookDelta("binance", SYMBOL, 0, 0, update_id + 1, update_id + 9, (), ())
    book.apply(gone)
    witness.look(world.clock.now())
    assert witness.wrong[-1].endswith("which never was")


def test_a_book_that_is_long_behind_is_excused_by_nothing_but_what_is_told_of_it() -> None:
    def seen(*told: ev.Event, wait: int | None = 5 * SECOND) -> list[str]:
        world, truth = lived()
        update_id, bids, asks = world.truth_book(SYMBOL)
        sides = [[(float(price), float(size)) for price, size in side] for side in (bids, asks)]
        book = OrderBook("binance", SYMBOL)
        snapshot = ev.BookSnapshot("binance", SYMBOL, 0, 0, update_id, *map(tuple, sides))
        book.apply_snapshot(snapshot)
        witness = Witness(
            truth, (("book", SYMBOL), ("book", "ETH-USDT")), now=world.clock.now, untold_seconds=6.0
        )
        witness.book = lambda symbol: book if symbol == SYMBOL else OrderBook("binance", symbol)
        truth.books["ETH-USDT"] = truth.books[SYMBOL]
        witness._silences.wait = lambda _: wait  # type: ignore[method-assign]
        witness.take([snapshot], 0, True)
        world.advance(3)
        witness.take(told, 0, True)
        for _ in range(60):
            world.advance(0.1)
            witness.look(world.clock.now())
        return [text.partition(": ")[2] for text in witness.untold]

    behind = [f"{SYMBOL} is long behind, and called good"]
    stale = ev.FeedStale("binance", "ETH-USDT", 0, 0, "book", 5.0, "silent")
    assert seen() == behind
    assert seen(wait=None) == [], "the look that is due within the minute tells"
    assert seen(wait=30 * SECOND) == [], "out of its rhythm it is not yet"
    assert seen(stale, ev.BookStale("binance", "ETH-USDT", 0, 0, "gap")) == behind
    assert seen(ev.FeedStale("binance", SYMBOL, 0, 0, "trades", 5.0, "silent")) == behind
    assert seen(ev.FeedStale("binance", SYMBOL, 0, 0, "book", 5.0, "silent")) == []
    assert seen(ev.Lost("binance", "", 0, 0, "market-1", "cut", 0.0)) == []


def test_levels_beyond_what_a_snapshot_told_are_unknown_not_wrong() -> None:
    book = OrderBook("binance", SYMBOL)
    book.apply_snapshot(
        ev.BookSnapshot("binance", SYMBOL, 0, 0, 1, ((10.0, 1.0), (9.0, 1.0)), (), depth=2)
    )
    assert differences(book.bids, {10.0: 1.0, 9.0: 1.0, 8.0: 5.0}) == ""
    assert "9.5: None for 2.0" in differences(book.bids, {10.0: 1.0, 9.5: 2.0, 9.0: 1.0})


def test_back_is_when_everything_wanted_has_come_again_after_the_last_trouble() -> None:
    world, truth = lived()
    witness = Witness(truth, (("trades", SYMBOL),), now=world.clock.now)

    def trade(seconds: float) -> int:
        world.advance(seconds)
        witness.take([as_told(world, newest(truth))], 0, True)
        return world.clock.now()

    begun = trade(1)
    world.advance(6)  # the venue has traded, and not only a moment ago
    assert witness.back_since(begun + SECOND) is None
    lost = ev.Lost("binance", "", 0, 0, "market-1", "cut", 0.0)
    witness.take([lost], 0, True)
    assert witness.first_notice(begun) == (world.clock.now(), "Lost")
    world.advance(6)
    assert witness.back_since(begun) is None
    assert trade(2) == witness.back_since(begun)
    covered = ev.Lost("binance", "", 0, 0, "market-1", "cut", 0.0, covered=True)
    witness.take([covered], 0, True)
    assert witness.back_since(begun) is not None
    assert witness.first_notice(world.clock.now()) is not None


@pytest.mark.parametrize(("silent", "stood"), [(True, True), (False, False)])
def test_a_market_that_was_silent_is_nobodys_delay(silent: bool, stood: bool) -> None:
    world, truth = lived()
    witness = Witness(truth, (("trades", SYMBOL),), now=world.clock.now)
    witness.take([ev.Lost("binance", "", 0, 0, "market-1", "cut", 0.0)], 0, True)
    over = world.clock.now()
    world.advance(1)
    confirmed = world.clock.now()
    witness.take([ev.Subscribed("binance", SYMBOL, 0, 0, "market-1", "trades")], 0, True)
    world.advance(6)
    traded, now = newest(truth), world.clock.now()
    before = {} if silent else {traded.trade_id - 1: confirmed + SECOND}
    truth.times[SYMBOL] = {**before, traded.trade_id: now - SECOND // 2}
    witness.take([as_told(world, traded)], 0, True)
    assert witness.back_since(over) == (confirmed if stood else now)


@pytest.mark.parametrize("channel", ["ticker", "book"])
@pytest.mark.parametrize("crowd", [True, False])
def test_a_book_that_stood_still_is_nobodys_delay(channel: str, crowd: bool) -> None:
    world, truth = lived()
    witness = Witness(truth, ((channel, SYMBOL),), now=world.clock.now)
    witness.take([ev.Lost("binance", "", 0, 0, "market-1", "cut", 0.0)], 0, True)
    over = world.clock.now()
    world.advance(1)
    confirmed = world.clock.now()
    witness.take([ev.Subscribed("binance", SYMBOL, 0, 0, "market-1", channel)], 0, True)
    update_id = world.truth_book(SYMBOL)[0]
    book = OrderBook("binance", SYMBOL)
    snapshot = ev.BookSnapshot("binance", SYMBOL, 0, 0, update_id, (), ())
    book.apply_snapshot(snapshot)
    witness.book = lambda _: book
    world.advance(1)
    fetched = world.clock.now()
    witness.take([snapshot], 0, True)
    witness.wrong.clear()  # its levels are not what is asked here
    world.advance(6)
    now = world.clock.now()
    if not crowd:  # nothing moved but a moment ago
        truth.books[SYMBOL].moved_from = lambda _: now - SECOND // 2  # type: ignore[method-assign]
    spoke = (
        ev.Quote("binance", SYMBOL, 0, 0, 1.0, 1.0, 2.0, 1.0)
        if channel == "ticker"
        else ev.BookDelta("binance", SYMBOL, 0, 0, update_id + 1, update_id + 1, (), ())
    )
    witness.take([spoke], 0, True)
    stood = fetched if channel == "book" else confirmed
    assert witness.back_since(over) == (now if crowd else stood)


def test_what_comes_in_the_moment_of_a_trouble_is_not_after_it() -> None:
    world, truth = lived()
    witness = Witness(truth, (("trades", SYMBOL),), now=world.clock.now)
    begun = world.clock.now()
    world.advance(6)
    stale = ev.FeedStale("binance", SYMBOL, 0, 0, "trades", 12.0, "paused")
    witness.take([stale, as_told(world, newest(truth))], 0, True)
    world.advance(6)
    assert witness.back_since(begun) is None
    witness.take([as_told(world, newest(truth))], 0, True)
    assert witness.back_since(begun) == world.clock.now()


def test_what_a_fault_held_up_is_no_proof_that_it_is_over() -> None:
    world, truth = lived()
    both = ("trades", SYMBOL), ("book", SYMBOL)
    late, moved = newest(truth), world.truth_book(SYMBOL)[0]
    book = OrderBook("binance", SYMBOL)
    book.apply_snapshot(ev.BookSnapshot("binance", SYMBOL, 0, 0, moved, (), ()))
    world.advance(6)
    over = world.clock.now()
    world.advance(1)
    for wanted in both:
        witness = Witness(truth, (wanted,), now=world.clock.now)
        held = [as_told(world, late), ev.BookDelta("binance", SYMBOL, 0, 0, moved, moved, (), ())]
        witness.take(held, 0, True)
        witness.book = lambda _: book
        world.advance(6)
        assert witness.back_since(over) is None
        now = world.truth_book(SYMBOL)[0]
        fresh = [
            as_told(world, newest(truth)),
            ev.BookDelta("binance", SYMBOL, 0, 0, now, now, (), ()),
        ]
        witness.take(fresh, 0, True)
        assert witness.back_since(over) == world.clock.now()


def test_a_book_that_has_not_moved_is_back_once_a_newer_connection_has_it() -> None:
    world, truth = lived()
    witness = Witness(truth, (("book", SYMBOL),), now=world.clock.now)
    update_id, bids, asks = world.truth_book(SYMBOL)
    levels = [tuple((float(price), float(size)) for price, size in side) for side in (bids, asks)]
    book = OrderBook("binance", SYMBOL)
    book.apply_snapshot(ev.BookSnapshot("binance", SYMBOL, 0, 0, update_id, *levels))
    witness.book = lambda _: book
    over = world.clock.now()
    assert witness.back_since(over) is None, "it may be the book of before"
    witness.take([ev.Subscribed("binance", SYMBOL, 0, 0, "market-1", "book")], 0, True)
    assert witness.back_since(over) is None, "it was acknowledged, and no more"
    world.advance(6)
    book.apply_snapshot(
        ev.BookSnapshot("binance", SYMBOL, 0, 0, world.truth_book(SYMBOL)[0], (), ())
    )
    assert witness.back_since(over) == over
    world.advance(6)
    assert witness.back_since(over) is None, "the venue's has moved on"


def test_when_it_rests_nothing_counts_any_more() -> None:
    witness = told([5, 6])
    witness.rest()
    witness.take([ev.Lost("binance", "", 0, 0, "market-1", "closed", 0.0)], 0, True)
    assert witness.notices == []
