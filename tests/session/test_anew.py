"""Whether a past id is that of a copy."""

from __future__ import annotations

from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.model.events import AggregateTrade, Trade
from pitwire.model.orders import Side
from pitwire.session.anew import ANEW_SECONDS, Anew
from pitwire.session.conflicts import MASK, Ring

ANEW = round(ANEW_SECONDS * SECOND)
AT = 1_000 * SECOND


def trade(number: int, at: int = AT) -> Trade:
    return Trade("toy", "A", at, at, 1.0, 1.0, Side.BUY, number)


def test_when_the_last_one_was_traded_is_known_by_any_who_noted_it() -> None:
    ids = Anew()
    assert ids.told_at("A", 8) is None
    ring: Ring = [None] * (MASK + 1)
    ring[7] = trade(7 + MASK + 1)
    ids.rings["A"] = ring
    assert ids.told_at("A", 8) is None, "of another number in its place"
    ring[7] = trade(7)
    ids.newest["A"] = AggregateTrade("toy", "A", AT + 1, AT, 1.0, 1.0, Side.BUY, 8, 1, 1)
    assert ids.told_at("A", 9) == AT + 1
    ids.newest["A"] = trade(8, AT + 1)
    ids.stands(trade(9, AT + 2), 9)
    assert [ids.told_at("A", due) for due in (8, 9, 10, 11)] == [AT, AT + 1, AT + 2, None]
    ids.forget("A")
    assert [ids.told_at("A", due) for due in (8, 9, 10)] == [None] * 3


def test_a_past_id_is_that_of_a_copy_unless_it_is_a_second_later() -> None:
    ids = Anew()
    ids.stands(trade(9), 9)
    for begun in (True, False):
        found = [
            ids.counts(trade(3, AT + later), 10, begun=begun) for later in (-1, ANEW, ANEW + 1)
        ]
        assert found == [False, False, True]
        assert ids.counts(trade(3, 0), 10, begun=begun) is not begun, "it has no time of its own"
        assert ids.counts(trade(3), 11, begun=begun) is not begun, "nobody knows of a last one"


def test_what_is_older_than_the_first_of_a_count_is_of_the_one_before() -> None:
    ids = Anew()
    first = trade(1, AT + MILLISECOND // 2)
    assert not ids.is_older(trade(900, 0))
    ids.begin(first)
    assert [ids.is_older(trade(900, at)) for at in (AT - 1, AT)] == [True, False]
    assert not ids.is_older(first)
    ids.forget("A")
    assert not ids.is_older(trade(900, 0))
