"""The book is followed change by change and can be looked at as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitwire.model.entropy import Entropy
from pitwire.model.orders import Side
from pitwire.sim.exchange import Exchange
from pitwire.sim.facades import binance_board
from pitwire.sim.facades.binance_board import Board, BoardSide
from pitwire.sim.facades.binance_text import Scale
from pitwire.sim.facts import LevelChanged
from pitwire.sim.world import BTC_USDT

changes = st.lists(
    st.tuples(st.sampled_from(Side), st.integers(1, 15), st.integers(0, 3)), max_size=40
)


def board() -> Board:
    return Board(Scale(BTC_USDT), Exchange([BTC_USDT], entropy=Entropy(1)))


def change_of(number: int, side: Side, price: int, lots: int) -> LevelChanged:
    return LevelChanged(
        at=number, symbol="BTC-USDT", side=side, price=price, lots=lots, update_id=number
    )


def follow(made: Board, rows: list[tuple[Side, int, int]], first: int = 1) -> list[bool]:
    return [made.change(change_of(number, *row)) for number, row in enumerate(rows, start=first)]


@given(changes)
def test_the_best_is_always_the_best(rows: list[tuple[Side, int, int]]) -> None:
    made, books = board(), {Side.BUY: dict[int, int](), Side.SELL: dict[int, int]()}
    before = ((0, 0), (0, 0))
    for number, (side, price, lots) in enumerate(rows, start=1):
        if lots:
            books[side][price] = lots
        else:
            books[side].pop(price, None)
        moved = made.change(change_of(number, side, price, lots))
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
    whole, part = board(), board()
    follow(whole, rows)
    follow(part, rows[:at])
    then = whole.as_of(at)
    assert then.update_id == part.update_id
    assert then.bids == part.bids.top(100)
    assert then.asks == part.asks.top(100)


@pytest.mark.parametrize("kept", [3, 10_000])
@given(rows=changes, looks=st.lists(st.booleans(), min_size=40, max_size=40))
def test_changes_that_nobody_looked_at_are_followed_when_somebody_does(
    kept: int, rows: list[tuple[Side, int, int]], looks: list[bool]
) -> None:
    whole, part = board(), board()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(binance_board, "_CHANGES_KEPT", kept)
        for number, (row, looked) in enumerate(zip(rows, looks, strict=False), start=1):
            follow(whole, [row], number)
            if looked:
                follow(part, [row], number)
                assert part.top == whole.top
            else:
                part.note(change_of(number, *row))
                part.tidy()
    assert part.update_id == whole.update_id
    assert (part.bids.top(99), part.asks.top(99)) == (whole.bids.top(99), whole.asks.top(99))
    for ago in range(min(kept, len(rows)) + 1):
        at = len(rows) - ago
        assert part.as_of(at) == whole.as_of(at)


def test_removing_what_is_not_there_is_nothing() -> None:
    side = BoardSide(Side.BUY, [(5, 1)])
    side.put(4, 0)
    assert side.top(9) == [(5, 1)]
    side.put(5, 0)
    assert side.best() == (0, 0)
