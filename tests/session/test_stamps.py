"""What waited is received when it is let go."""

from __future__ import annotations

from pitwire.model.events import Event, Quote
from pitwire.session.stamps import all_stamped, stamped


def quote(received: int) -> Quote:
    return Quote("toy", "A", 3, received, 1.0, 1.0, 2.0, 1.0)


def test_what_came_before_is_received_now_and_its_venue_time_stays() -> None:
    assert stamped(quote(5), 7) == quote(7)
    assert stamped(quote(7), 5) == quote(7)
    late, events = quote(8), list[Event]([quote(5), quote(6)])
    assert all_stamped([*events, late], 7) == [quote(7), quote(7), late]
