"""A recorded book whose queues are brought up to date late is the one that was followed."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitwire.model.entropy import Entropy
from pitwire.model.orders import Side
from pitwire.sim.capture import Changes, Print, Snapshot
from pitwire.sim.exchange import Exchange
from pitwire.sim.facts import Kind, Listing, NewOrder
from pitwire.sim.queues import Cancels
from pitwire.sim.recorded_book import RecordedBook

SYMBOL = "AAA-BBB"
LISTING = Listing(
    symbol=SYMBOL, base="AAA", quote="BBB", tick=Decimal("0.01"), lot=Decimal("0.001")
)
BOOK = Snapshot(10, ((99, 5), (98, 7), (97, 9)), ((101, 5), (102, 7), (103, 9)))


class Kept:
    """A book over an exchange of its own."""

    def __init__(self) -> None:
        self.exchange = Exchange([LISTING], entropy=Entropy(1))
        self.exchange.open_account("ann", {"AAA": Decimal(10), "BBB": Decimal(10)})
        self.book = RecordedBook(LISTING, self.exchange, Cancels.PROPORTIONAL)
        self.book.open(BOOK)

    def queues(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """What our orders would meet."""
        pit = self.exchange.pit(SYMBOL)
        return pit.book.bids.depth(), pit.book.asks.depth()


def spelt(said: Changes | Print) -> bytes:
    """The payload that says so, as the venue spells it."""
    if isinstance(said, Print):
        return (
            f'{{"e":"trade","E":1,"s":"AAABBB","t":{said.trade_id},"p":"{said.price / 100:.8f}",'
            f'"q":"{said.lots / 1000:.8f}","T":{said.at // 10**6},'
            f'"m":{str(said.side is Side.SELL).lower()},"M":true}}'
        ).encode()
    sides = [
        ",".join(f'["{price / 100:.8f}","{size}"]' for price, size in side)
        for side in (said.bids, said.asks)
    ]
    return (
        f'{{"e":"depthUpdate","E":1,"s":"AAABBB","U":{said.first},"u":{said.last},'
        f'"b":[{sides[0]}],"a":[{sides[1]}]}}'
    ).encode()


sizes = st.sampled_from(["0.00000000", "0.00100000", "0.004", "0.01050000", "1.00000000"])
bids = st.lists(st.tuples(st.integers(90, 99), sizes), max_size=4, unique_by=lambda one: one[0])
asks = st.lists(st.tuples(st.integers(101, 110), sizes), max_size=4, unique_by=lambda one: one[0])
changes = st.builds(lambda b, a: Changes(0, 0, b, a), bids, asks)
prints = st.builds(
    lambda price, lots: Print(1, price, lots, Side.BUY if price > 100 else Side.SELL, 0),
    st.integers(90, 110).filter(lambda price: price != 100),
    st.integers(1, 12),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(changes, prints), max_size=25), st.sets(st.integers(0, 24)))
def test_late_and_at_once_come_to_the_same(story: list[Changes | Print], asked: set[int]) -> None:
    late, at_once = Kept(), Kept()
    last = BOOK.last
    for now, said in enumerate(story):
        if isinstance(said, Changes):
            said = Changes(last + 1, last + 2, said.bids, said.asks)
            last += 2
        late.book.note(spelt(said), now)
        at_once.book.follow(spelt(said), now)
        assert late.book.depth() == at_once.book.depth(), "asking does not wait for the queues"
        if now in asked:
            late.book.settle(now)
            assert late.queues() == at_once.queues()
    late.book.settle(len(story))
    assert late.queues() == at_once.queues()
    assert late.book.top() == at_once.book.top()
    assert list(late.book.prints) == list(at_once.book.prints)
    pits = [each.exchange.pit(SYMBOL) for each in (late, at_once)]
    assert pits[0].last == pits[1].last
    assert pits[0].reference(len(story)) == pits[1].reference(len(story))
    assert (late.book.gaps, late.book.last_id) == (0, last)


def test_a_book_is_attended_while_anything_of_ours_is_open() -> None:
    kept = Kept()
    assert not kept.book.is_attended
    kept.exchange.place(
        NewOrder(account="ann", symbol=SYMBOL, side=Side.BUY, kind=Kind.LIMIT, lots=5, price=95),
        1,
    )
    assert kept.book.is_attended
    kept.exchange.cancel_all("ann", SYMBOL, 2)
    assert not kept.book.is_attended


def test_more_levels_than_may_wait_are_brought_up_by_themselves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pitwire.sim.recorded_book._MOST_WAITING", 10)
    kept = Kept()
    kept.book.note(spelt(Changes(11, 12, [(price, "0.002") for price in range(80, 90)], [])), 1)
    assert len(kept.queues()[0]) == 3
    kept.book.note(spelt(Changes(13, 14, [(79, "0.002")], [])), 2)
    assert len(kept.queues()[0]) == 14
