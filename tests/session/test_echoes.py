"""The private events of one account on two connections: each as often as one of them brought it."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from pitwire.model.events import Balance
from pitwire.session.echoes import Echoes

BALANCE = Balance("toy", "", 1, 2, "USDT", Decimal(5), Decimal(0))


def test_the_second_connection_brings_no_news() -> None:
    echoes = Echoes()
    assert echoes.admit(BALANCE, "old")
    assert not echoes.admit(replace(BALANCE, received=9), "new"), "when we heard it is no matter"
    assert echoes.admit(replace(BALANCE, free=Decimal(6)), "new")
    assert not echoes.admit(replace(BALANCE, free=Decimal(6)), "old")


def test_what_one_of_them_says_twice_is_told_twice() -> None:
    echoes = Echoes()
    said = [echoes.admit(BALANCE, link) for link in ("old", "old", "new", "new", "new", "old")]
    assert said == [True, True, False, False, True, False]
