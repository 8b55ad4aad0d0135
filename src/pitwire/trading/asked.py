"""Keys of what people asked for: the same key again is the same decision."""

from __future__ import annotations

from collections.abc import Iterable

REMEMBERED = 1000


class AskedKeys:
    """The newest keys, oldest first."""

    def __init__(self) -> None:
        self._keys: dict[str, None] = {}

    def add(self, key: str) -> bool:
        """Take a key in; False when it was there. Whoever gives none decides anew each time."""
        if not key:
            return True
        if key in self._keys:
            return False
        self._keys[key] = None
        if len(self._keys) > REMEMBERED:
            del self._keys[next(iter(self._keys))]
        return True

    def contents(self) -> list[str]:
        """All of them."""
        return list(self._keys)

    def restore(self, keys: Iterable[str]) -> None:
        """Take over what `contents` gave."""
        self._keys = dict.fromkeys(keys)
