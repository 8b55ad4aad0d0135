"""A selector that never looks at the outside world."""

from __future__ import annotations

import selectors
import socket

import pytest

from pitwire.model.waiting import Waiter


def test_every_wait_is_handed_on_and_nothing_is_ever_ready() -> None:
    waited: list[float | None] = []
    waiter = Waiter(waited.append)
    assert [waiter.select(seconds) for seconds in (None, 0, 1.5)] == [[], [], []]
    assert waited == [None, 0, 1.5]


def test_what_is_registered_is_known_until_it_is_not() -> None:
    waiter = Waiter(lambda _: None)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        key = waiter.register(ours, selectors.EVENT_READ, "data")
        assert waiter.get_map() == {ours.fileno(): key}
        assert waiter.unregister(ours) == key
        with pytest.raises(KeyError):
            waiter.unregister(ours)
        waiter.register(theirs.fileno(), selectors.EVENT_READ)
        waiter.close()
        assert waiter.get_map() == {}
