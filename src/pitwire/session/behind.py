"""Cancels that wait for the order they are of, where both go over HTTP and neither keeps its turn.

House rules: pure. A cancel that overtook its order would be told that there is none, and the order
would live: so it leaves once the venue has said anything of the order, or has not within the
patience for its answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from pitwire.session.pending import Pending, Request
from pitwire.venues.venue import Outgoing

Encode: TypeAlias = Callable[[int, int], Outgoing]
"""(now in the venue's time, request id) → frame or request."""
Held: TypeAlias = tuple[Request, Encode]
"""A cancel, and how it is written."""


class Behind:
    """Orders of one connection that are on their way over HTTP, and the cancels behind them."""

    def __init__(self, pending: Pending) -> None:
        self._pending = pending
        self._under_way: dict[str, int] = {}
        """Order of which nothing was heard → the request that brings it."""
        self.held: list[Held] = []

    def placed(self, order_id: str, request_id: int) -> None:
        """An order has left over HTTP."""
        waits = self._pending.waits_for
        self._under_way = {one: of for one, of in self._under_way.items() if waits(of)}
        self._under_way[order_id] = request_id

    def heard(self, order_id: str) -> None:
        """The venue has spoken of an order: it has come."""
        if self._under_way:
            self._under_way.pop(order_id, None)

    def holds(self, order_id: str) -> bool:
        """Whether a cancel of this order could overtake it."""
        request_id = self._under_way.get(order_id)
        return request_id is not None and self._pending.waits_for(request_id)

    def hold(self, request: Request, encode: Encode) -> None:
        """Keep a cancel until then; a second one of the same order adds nothing."""
        if all(one.order_id != request.order_id for one, _ in self.held):
            self.held.append((request, encode))

    def due(self) -> list[Held]:
        """Those that may leave now, which are held no longer."""
        due = [one for one in self.held if not self.holds(one[0].order_id)]
        self.held = [one for one in self.held if one not in due]
        return due

    def lost(self) -> None:
        """The connection is gone."""
        self.held.clear()
        self._under_way.clear()
