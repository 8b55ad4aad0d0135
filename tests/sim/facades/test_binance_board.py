"""The book is followed change by change and can be looked at as it was."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pitwire.model.entropy import Entropy
from pitwire.model.orders import Side
from pitwire.sim.exchange import Exchange
from pitwire.sim.facades.binance_board import Board, BoardSide
from pitwire.sim.facades.binance_text import Scale
from pitwire.sim.facts import LevelChanged
from pitwire.sim.world import BTC_USDT

changes = st.lists(
    st.tuples(st.sampled_from(Side), st.integers(1, 15), st.integers(0, 3)), max_size=40
)


def board() -> Board:
    return Board(Scale(BTC_USDT), Exchange([BTC_USDT], entropy=Entropy(1)))


def follow(made: Board, rows: list[tuple[Side, int, int]]) -> list[bool]:
    return [
        made.change(
            LevelChanged(
                at=number, symbol="BTC-USDT", side=side, price=price, lots=lots, update_id=number
            )
        )
        for number, (side, price, lots) in enumerate(rows, start=1)
    ]


@given(changes)
def test_the_best_is_always_the_best(rows: list[tuple[Side, int, int]]) -> None:
    made, books = board(), {Side.BUY: dict[int, int](), Side.SELL: dict[int, int]()}
    before = ((0, 0), (0, 0))
    for number, (side, price, lots) in enumerate(rows, start=1):
        if lots:
            books[side][price] = lots
        else:
            books[side].pop(price, None)
        fact = LevelChanged(
            at=number, symbol="BTC-USDT", side=side, price=price, lots=lots, update_id=number
        )
        moved = made.change(fact)
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


def test_removing_what_is_not_there_is_nothing() -> None:
    side = BoardSide(Side.BUY, [(5, 1)])
    side.put(4, 0)
    assert side.top(9) == [(5, 1)]
    side.put(5, 0)
    assert side.best() == (0, 0)
