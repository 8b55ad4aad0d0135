"""A request over HTTP as its handler sees it: who asks, when, with which parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from pitwire.sim.facades.alpaca_requests import missing
from pitwire.sim.facades.alpaca_text import moment

Thing = TypeVar("Thing")


class Query:
    """One request; `path` are the parts that its route leaves open."""

    def __init__(
        self, account: str, params: dict[str, str], body: bytes, *, now: int, kept: float = 1.0
    ) -> None:
        self.account, self.params, self.body, self.now = account, params, body, now
        self._kept = kept

    def keep(self, found: Sequence[Thing]) -> list[Thing]:
        """As much of a list as a fault leaves of it."""
        return list(found[: int(len(found) * self._kept)]) if self._kept < 1 else list(found)

    def text(self, name: str, default: str = "") -> str:
        return self.params.get(name) or default

    def count(self, name: str, default: int, most: int) -> int:
        """A whole number of 1 to `most`."""
        given = self.params.get(name)
        if not given:
            return default
        if not given.isascii() or not given.isdigit() or not 1 <= int(given) <= most:
            raise missing(f"{name} must be between 1 and {most}")
        return int(given)

    def time(self, name: str) -> int | None:
        given = self.params.get(name)
        if not given:
            return None
        try:
            return moment(given.replace(" ", "+"))
        except ValueError:
            raise missing(f"invalid {name}") from None

    def choice(self, name: str, known: tuple[str, ...]) -> str:
        """One of these, the first where none is given."""
        given = self.text(name, known[0])
        if given not in known:
            raise missing(f"invalid {name}")
        return given

    def names(self, name: str) -> list[str]:
        """A list with commas."""
        return [part.strip() for part in self.text(name).split(",") if part.strip()]
