"""Our sum over a book is the venue's."""

from __future__ import annotations

from zlib import crc32

import pytest

from pitwire.market.book import CHECKSUM, CROSSED, OrderBook
from pitwire.market.checksum import TopLevelsCrc
from pitwire.model.events import BookDelta, BookSnapshot, Level

# The example in Kraken's guide to its checksum, BTC/USD, read in 2026.
KRAKEN_ASKS = ((45285.2, 0.001), (45286.4, 1.54571953), (45286.6, 1.54571109),
               (45289.6, 1.54560911), (45290.2, 0.15890660), (45291.8, 1.54553491),
               (45294.7, 0.04454749), (45296.1, 0.3538), (45297.5, 0.09945542),
               (45299.5, 0.18772827))  # fmt: skip
KRAKEN_BIDS = ((45283.5, 0.1), (45283.4, 1.54582015), (45282.1, 0.1), (45281.0, 0.1),
               (45280.3, 1.54592586), (45279.0, 0.0799), (45277.6, 0.03310103),
               (45277.5, 0.3), (45277.3, 1.54602737), (45276.6, 0.15445238))  # fmt: skip
KRAKEN_SUM = 3310070434
RULE = TopLevelsCrc(price_digits=1, size_digits=8)


def book(
    bids: tuple[Level, ...], asks: tuple[Level, ...], rule: TopLevelsCrc | None = None
) -> OrderBook:
    made = OrderBook("test", "BTC-USD", rule)
    assert made.apply_snapshot(BookSnapshot("test", "BTC-USD", 0, 0, 1, bids, asks)) == ""
    return made


def delta(*bids: Level, checksum: int, asks: tuple[Level, ...] = ()) -> BookDelta:
    return BookDelta("test", "BTC-USD", 0, 0, 2, 2, bids, asks, checksum=checksum)


def test_the_example_of_the_venue() -> None:
    assert RULE.of(book(KRAKEN_BIDS, KRAKEN_ASKS)) == KRAKEN_SUM


def test_levels_beyond_the_count_and_removed_ones_are_left_out() -> None:
    made = book((*KRAKEN_BIDS, (45000.0, 7.0)), (*KRAKEN_ASKS, (45300.0, 1.0)))
    made.apply(delta((45283.45, 1.0), checksum=-1))
    made.apply(delta((45283.45, 0.0), checksum=-1))
    assert RULE.of(made) == KRAKEN_SUM


def test_a_vector_by_hand_with_leading_zeros_and_a_short_book() -> None:
    rule = TopLevelsCrc(price_digits=5, size_digits=3, levels=2)
    made = book(((0.05004, 12.0), (0.05, 0.5), (0.04, 9.0)), ((0.05005, 0.001),))
    assert rule.of(made) == crc32(b"50051" + b"500412000" + b"5000500")


def test_a_sum_that_is_not_ours_is_told_at_once() -> None:
    made = book(KRAKEN_BIDS, KRAKEN_ASKS, RULE)
    assert made.apply(delta(checksum=KRAKEN_SUM)) == ""
    assert made.apply(delta((45276.6, 0.15445239), checksum=KRAKEN_SUM)) == CHECKSUM
    assert made.apply(delta((45276.6, 0.15445238), checksum=KRAKEN_SUM)) == ""
    assert made.apply(delta((45276.6, 0.2), checksum=-1)) == "", "the venue sent none"


def test_what_falls_out_of_the_depth_subscribed_to_is_forgotten() -> None:
    made = OrderBook("test", "BTC-USD", RULE)
    shown = BookSnapshot("test", "BTC-USD", 0, 0, 1, KRAKEN_BIDS, KRAKEN_ASKS, depth=10)
    assert made.apply_snapshot(shown) == ""
    better = (45283.45, 1.0)
    pushed = RULE.of(book((KRAKEN_BIDS[0], better, *KRAKEN_BIDS[1:9]), KRAKEN_ASKS))
    assert made.apply(delta(better, checksum=pushed)) == ""
    assert made.bids.size_at(45276.6) is None, "who knows what becomes of it now"
    # It was cancelled while it was out of sight; another is the tenth when there is room again.
    tenth = (45270.0, 3.0)
    theirs = RULE.of(book((*KRAKEN_BIDS[:9], tenth), KRAKEN_ASKS))
    assert made.apply(delta((45283.45, 0.0), tenth, checksum=theirs)) == ""
    assert len(made.bids) == 10


def test_without_a_rule_nothing_is_summed() -> None:
    assert book(KRAKEN_BIDS, KRAKEN_ASKS).apply(delta(checksum=1)) == ""


@pytest.mark.parametrize("price", [45285.2, 45290.0])
def test_a_crossed_or_locked_book_is_told_before_its_sum(price: float) -> None:
    made = book(KRAKEN_BIDS, KRAKEN_ASKS, RULE)
    assert made.apply(delta((price, 1.0), checksum=1)) == CROSSED
