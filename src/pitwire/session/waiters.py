"""Who waits for what the venue has to say yes or no to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from pitwire.session.outbox import Settled
from pitwire.session.pending import Waited


class Waiters:
    """Futures by what they wait for; `changed` is called when there is one more or one less."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._waiting: dict[Waited, list[asyncio.Future[None]]] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, key: Waited) -> asyncio.Future[None]:
        """A future that ends when this is settled."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append(waiter)
        waiter.add_done_callback(lambda _: self._waited(key, waiter))
        self._changed()
        return waiter

    def settle(self, settled: Sequence[Settled]) -> None:
        """The venue has said yes or no."""
        for key, error in settled:
            for waiter in self._waiting.pop(key, ()):
                _answer(waiter, error)

    def end(self, over: Callable[[str], Exception]) -> None:
        """Nobody will say anything any more; `over` makes the error of what was waited for."""
        for key, waiters in self._waiting.items():
            for waiter in waiters:
                _answer(waiter, over(str(key)))
        self._waiting.clear()

    def _waited(self, key: Waited, waiter: asyncio.Future[None]) -> None:
        waiters = self._waiting.get(key, [])
        if waiter in waiters:  # given up, not settled
            waiters.remove(waiter)
            if not waiters:
                del self._waiting[key]
        self._changed()


def _answer(waiter: asyncio.Future[None], error: BaseException | None) -> None:
    if waiter.done():
        return
    if error is None:
        waiter.set_result(None)
    else:
        waiter.set_exception(error)
