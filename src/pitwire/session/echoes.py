"""The private events of one account on two connections, while one gives way to the other.

House rules: pure. Both bring the same facts, so a fact is told as often as one of them brought it,
and its second coming is dropped; an order may have the same thing said of it twice, a pair may not.
"""

from __future__ import annotations

from collections import Counter

from pitwire.model.events import Event
from pitwire.session.lanes import content


class Echoes:
    """What two connections have brought since the second was dialled."""

    def __init__(self) -> None:
        self._told: Counter[tuple[object, ...]] = Counter()
        self._brought: dict[str, Counter[tuple[object, ...]]] = {}

    def admit(self, event: Event, link: str) -> bool:
        """Whether this event of this connection is news."""
        fact = (type(event), *content(event))
        brought = self._brought.setdefault(link, Counter())
        brought[fact] += 1
        if brought[fact] <= self._told[fact]:
            return False
        self._told[fact] += 1
        return True
