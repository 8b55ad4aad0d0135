"""A picture: what viewers see, as rows by topic, and what has changed in it.

House rules: pure. A topic is a *table* (rows by key, the newest wins) or a *tale* (rows in order,
of which the last few are kept). A change of a table is the rows that differ, None for a row that
is gone; of a tale, the rows that came. So two changes merge into one that means the same, and
whoever is slow gets fewer of them, never older ones.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, TypeAlias

import msgspec

Row: TypeAlias = Any
"""JSON: what a row holds is between whoever makes it and the page."""

KEPT: Mapping[str, int] = {"tape": 60, "log": 400, "lags": 600}
"""Rows of each tale that are kept, and shown."""


class Change(msgspec.Struct, omit_defaults=True):
    """What differs between two moments of a picture."""

    tables: dict[str, dict[str, Row | None]] = {}
    tales: dict[str, list[Row]] = {}

    def __bool__(self) -> bool:
        return bool(self.tables or self.tales)

    def merge(self, later: Change) -> None:
        """Make this the change from its own beginning to the other's end."""
        for topic, rows in later.tables.items():
            self.tables.setdefault(topic, {}).update(rows)
        for topic, rows_in_order in later.tales.items():
            told = self.tales.setdefault(topic, [])
            told += rows_in_order
            del told[: -KEPT[topic]]

    def copy(self) -> Change:
        """One that may be merged into."""
        return Change(
            {topic: dict(rows) for topic, rows in self.tables.items()},
            {topic: list(rows) for topic, rows in self.tales.items()},
        )


class Picture:
    """Everything that one kind of viewer sees now."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, Row]] = {}
        self.tales: dict[str, deque[Row]] = {}
        self._change = Change()

    def put(self, topic: str, key: str, row: Row) -> None:
        """This row stands there now; nothing happens if it did before."""
        rows = self.tables.setdefault(topic, {})
        if key not in rows or rows[key] != row:
            rows[key] = row
            self._change.tables.setdefault(topic, {})[key] = row

    def put_all(self, topic: str, rows: Mapping[str, Row]) -> None:
        """The whole table: what is not in it is gone."""
        for key in [key for key in self.tables.get(topic, ()) if key not in rows]:
            self.drop(topic, key)
        for key, row in rows.items():
            self.put(topic, key, row)

    def drop(self, topic: str, key: str) -> None:
        """This row is gone."""
        if self.tables.get(topic, {}).pop(key, None) is not None:
            self._change.tables.setdefault(topic, {})[key] = None

    def trim(self, topic: str, kept: int) -> None:
        """Drop the rows that were put first, until `kept` are left."""
        rows = self.tables.get(topic, {})
        for key in list(islice(rows, max(0, len(rows) - kept))):
            self.drop(topic, key)

    def tell(self, topic: str, rows: Iterable[Row]) -> None:
        """These rows came, in this order."""
        new = list(rows)[-KEPT[topic] :]
        if new:
            self.tales.setdefault(topic, deque(maxlen=KEPT[topic])).extend(new)
            self._change.merge(Change(tales={topic: new}))

    def take(self) -> Change:
        """What has changed since this was last asked."""
        change, self._change = self._change, Change()
        return change

    def apply(self, change: Change) -> None:
        """Change it as another picture has changed."""
        for topic, rows in change.tables.items():
            for key, row in rows.items():
                if row is None:
                    self.drop(topic, key)
                else:
                    self.put(topic, key, row)
        for topic, told in change.tales.items():
            self.tell(topic, told)

    def clear(self) -> None:
        """Forget everything, and say so."""
        for topic in self.tables:
            self.put_all(topic, {})
        self.tales.clear()

    def whole(self) -> Change:
        """The change from nothing to what it is now; of tales, what was taken already.

        For what was not is in the next change, and a row of a tale counts each time.
        """
        waiting = self._change.tales
        return Change(
            {topic: dict(rows) for topic, rows in self.tables.items()},
            {
                topic: list(rows)[: len(rows) - len(waiting.get(topic, ()))]
                for topic, rows in self.tales.items()
            },
        )
