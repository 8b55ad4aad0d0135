"""An outbox says whether it holds anything: whoever empties it may believe that."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pitwire.model.errors import Stalled
from pitwire.model.events import ClockAlarm
from pitwire.session.outbox import Outbox
from pitwire.session.pending import Probe
from pitwire.venues.venue import HttpRequest

ALARM = ClockAlarm("toy", "", 0, 1, "wall", 1.0)
WAYS: list[tuple[Callable[[Outbox], None], Callable[[Outbox], object]]] = [
    (lambda box: box.send(b"x"), Outbox.take_frames),
    (lambda box: box.ask(HttpRequest("x", "GET", "/x")), Outbox.take_requests),
    (lambda box: box.settle(Probe("a")), Outbox.take_settled),
    (lambda box: box.tell(ALARM), Outbox.take_told),
    (lambda box: box.ping(), Outbox.take_ping),
    (lambda box: box.announce(), Outbox.take_announced),
    (lambda box: box.lead("key"), Outbox.take_key),
    (lambda box: box.fail(Stalled(silent_seconds=1.0)), Outbox.take_fault),
]


@pytest.mark.parametrize(("put", "take"), WAYS)
def test_it_is_empty_until_something_is_put_in_and_once_it_is_taken(
    put: Callable[[Outbox], None], take: Callable[[Outbox], object]
) -> None:
    box = Outbox()
    found = [box.is_empty]
    put(box)
    found.append(box.is_empty)
    assert take(box)
    assert [*found, box.is_empty] == [True, False, True]
