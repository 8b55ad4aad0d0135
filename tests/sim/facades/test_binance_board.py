"""The book is followed change by change and can be looked at as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitwire.model.orders import Side
from pitwire.sim import past
from pitwire.sim.facades.binance_board import Board, BoardSide
from pitwire.sim.facades.binance_text import Scale
from pitwire.sim.facts import Depth, LevelChanged
from pitwire.sim.past import Past
from pitwire.sim.world import BTC_USDT, World

changes = st.lists(
    st.tuples(st.sampled_from(Side), st.integers(1, 15), st.integers(0, 3)), max_size=40
)


class Fair:
    """A market of one symbol, as far as a board looks at it; the nth change comes at n."""

    def __init__(self) -> None:
        self._past, self._update_id = Past(), 0
        self._sides: dict[Side, dict[int, int]] = {side: {} for side in Side}

    def change(self, side: Side, price: int, lots: int) -> LevelChanged:
        self._update_id = number = self._update_id + 1
        before = self._sides[side].pop(price, 0)
        self._past.add(number, number, side is Side.BUY, price, before)
        if lots:
            self._sides[side][price] = lots
        return LevelChanged(number, "BTC-USDT", side, price, lots, number)

    def book(self, symbol: str, levels: int = 0) -> Depth:
        return Depth(
            update_id=self._update_id,
            bids=sorted(self._sides[Side.BUY].items(), reverse=True)[: levels or None],
            asks=sorted(self._sides[Side.SELL].items())[: levels or None],
        )

    def past(self, symbol: str) -> Past:
        return self._past

    def last_price(self, symbol: str) -> int:
        return 1


def board(fair: Fair) -> Board:
    return Board(Scale(BTC_USDT), fair)  # type: ignore[arg-type]


def follow(made: Board, fair: Fair, rows: list[tuple[Side, int, int]]) -> list[bool]:
    return [made.change(fair.change(*row)) for row in rows]


@given(changes)
def test_the_best_is_always_the_best(rows: list[tuple[Side, int, int]]) -> None:
    fair = Fair()
    made, books = board(fair), {Side.BUY: dict[int, int](), Side.SELL: dict[int, int]()}
    before = ((0, 0), (0, 0))
    for side, price, lots in rows:
        if lots:
            books[side][price] = lots
        else:
            books[side].pop(price, None)
        moved = made.change(fair.change(side, price, lots))
        bids, asks = books[Side.BUY], books[Side.SELL]
        top = (
            max(bids.items(), default=(0, 0)),
            min(asks.items(), default=(0, 0)),
        )
        assert made.top == top
        assert moved == (top != before)
        before = top
        assert made.bids.top(3) == sorted(bids.items(), reverse=True)[:3]
        assert made.asks.top(3) == sorted(asks.items())[:3]


@given(changes, st.integers(0, 40))
def test_the_past_is_what_it_was(rows: list[tuple[Side, int, int]], at: int) -> None:
    one, other = Fair(), Fair()
    whole, part = board(one), board(other)
    follow(whole, one, rows)
    follow(part, other, rows[:at])
    then = whole.as_of(at)
    assert then.update_id == part.update_id
    assert then.bids == part.bids.top(100)
    assert then.asks == part.asks.top(100)


@pytest.mark.parametrize("kept", [3, 10_000])
@given(rows=changes, looks=st.lists(st.booleans(), min_size=40, max_size=40))
def test_changes_that_nobody_looked_at_are_followed_when_somebody_does(
    kept: int, rows: list[tuple[Side, int, int]], looks: list[bool]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(past, "KEPT_CHANGES", kept)
        fair = Fair()
    whole, part = board(fair), board(fair)
    for row, looked in zip(rows, looks, strict=False):
        fact = fair.change(*row)
        whole.change(fact)
        if looked:
            part.change(fact)
            assert part.top == whole.top
        else:
            part.reach(fact.update_id)
    assert part.update_id == whole.update_id
    assert (part.bids.top(99), part.asks.top(99)) == (whole.bids.top(99), whole.asks.top(99))
    for ago in range(min(kept, len(rows)) + 1):
        at = len(rows) - ago
        assert part.as_of(at) == whole.as_of(at)


@given(rows=changes, told=st.integers(0, 40))
def test_a_board_is_where_it_was_told_however_far_the_market_has_gone(
    rows: list[tuple[Side, int, int]], told: int
) -> None:
    fair, other = Fair(), Fair()
    part, whole = board(fair), board(other)
    for row in rows:
        fair.change(*row)
    part.reach(min(told, len(rows)))
    follow(whole, other, rows[:told])
    assert part.top == whole.top
    assert part.as_of(len(rows)) == whole.as_of(len(rows))
    assert (part.bids.top(99), part.asks.top(99)) == (whole.bids.top(99), whole.asks.top(99))
    part.come_up()
    assert part.bids.top(99) == fair.book("").bids
    assert (part.update_id, part.asks.top(99)) == (len(rows), fair.book("").asks)


def test_there_was_no_book_before_the_venue() -> None:
    """What made the first book, a crowd's first quotes, is nobody's past."""
    fair = Fair()
    for lots in range(1, 4):
        fair.change(Side.BUY, lots, lots)
    board = Board(Scale(BTC_USDT), fair)  # type: ignore[arg-type]
    begun = board.as_of(10**9)
    assert (begun.update_id, len(begun.bids)) == (3, 3)
    board.change(fair.change(Side.BUY, 9, 1))
    assert board.as_of(0) == begun
    world = World(scenario="calm")
    first = world.exchange.book("BTC-USDT").update_id
    assert first > 0
    assert world.facade.office.board("BTCUSDT").as_of(0).update_id == first


def test_removing_what_is_not_there_is_nothing() -> None:
    side = BoardSide(Side.BUY, [(5, 1)])
    side.put(4, 0)
    assert side.top(9) == [(5, 1)]
    side.put(5, 0)
    assert side.best() == (0, 0)
