"""When the bytes of an order that goes over HTTP went to the socket, for whoever asks.

House rules: nothing stands between the bytes and their write but one reading of the clock; who is
told is told behind them, and what he raises ends no request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias

from pitwire.model.clock import Clock
from pitwire.wire.link import WRITING

OnWritten: TypeAlias = Callable[[str, int], None]
"""(id of the order, when by our clock)."""


def note_writing(
    order_id: str, clock: Clock, told: OnWritten, caught: Callable[[Exception], None]
) -> None:
    """Have the write of the request noted that this task fetches next; `caught` takes what `told`
    raises."""
    loop = asyncio.get_running_loop()

    def tell(at: int) -> None:
        try:
            told(order_id, at)
        except Exception as error:  # noqa: BLE001 — the callback edge
            caught(error)

    def note() -> None:
        loop.call_soon(tell, clock.now())

    WRITING.set(note)
