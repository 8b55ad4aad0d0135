from __future__ import annotations

import msgspec

from pitwire.trading.snapshot import Snapshot, restore, same_state, take
from pitwire.trading.state import State
from tests.trading.making import balance, fill


def taken() -> Snapshot:
    state = State()
    state.apply(balance("USDT", 1000, seconds=3))
    state.apply(fill("a", 2, 100, seconds=5))
    return take(state, prefix="p", epoch=1, made=1, halted="")


def without_openings(snapshot: Snapshot) -> Snapshot:
    replace = msgspec.structs.replace
    return replace(snapshot, portfolio=replace(snapshot.portfolio, opened_at={}))


def test_a_snapshot_of_before_first_balances_had_times_is_still_the_same_state() -> None:
    made = taken()
    assert made.portfolio.opened_at
    older = without_openings(made)
    assert same_state(older, made)
    assert not same_state(made, older)  # one that is kept now has them


def test_a_snapshot_of_before_losses_were_kept_is_still_the_same_state() -> None:
    state = State()
    state.apply(fill("a", 2, 100, seconds=5))
    state.ledger.lost(6)
    made = take(state, prefix="p", epoch=1, made=1, halted="")
    assert made.sure is not None
    older = msgspec.structs.replace(made, sure=None, lost_at=0)
    assert same_state(older, made)
    assert not same_state(made, older)
    again = State()
    restore(made, again)
    assert again.ledger.trades.told_up_to == made.sure


def test_what_is_kept_comes_back_as_it_was() -> None:
    state = State()
    restore(taken(), state)
    again = take(state, prefix="p", epoch=1, made=1, halted="")
    assert same_state(taken(), again)
    assert again.portfolio.opened_at == taken().portfolio.opened_at


def test_another_sum_is_another_state() -> None:
    made = taken()
    other = msgspec.structs.replace(made, portfolio=taken().portfolio)
    other.portfolio.flows["USDT"] += 1
    assert not same_state(other, made)
    assert not same_state(without_openings(other), made)
