"""A selector that selects nothing: asked to wait, it hands the wait to whoever owns the time.

What makes a stock asyncio loop run in virtual time, or in the time of a tape.
"""

from __future__ import annotations

import selectors
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike as FileLike


class Waiter(selectors.BaseSelector):
    """Calls `wait` with the seconds a loop would wait for, None for ever; nothing is ever ready."""

    def __init__(self, wait: Callable[[float | None], None]) -> None:
        self._wait = wait
        self._keys: dict[FileLike, selectors.SelectorKey] = {}

    def register(
        self, fileobj: FileLike, events: int, data: object = None
    ) -> selectors.SelectorKey:
        descriptor = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        key = selectors.SelectorKey(fileobj, descriptor, events, data)
        self._keys[descriptor] = key
        return key

    def unregister(self, fileobj: FileLike) -> selectors.SelectorKey:
        return self._keys.pop(fileobj if isinstance(fileobj, int) else fileobj.fileno())

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._wait(timeout)
        return []

    def get_map(self) -> Mapping[FileLike, selectors.SelectorKey]:
        return dict(self._keys)

    def close(self) -> None:
        self._keys.clear()
