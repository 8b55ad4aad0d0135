"""Which event loop runs a command. The library never picks its host's loop; the command may."""

from __future__ import annotations

import asyncio
import importlib
import signal
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from pitwire.model.errors import ConfigError
from pitwire.wire.polling import polling_loop

T = TypeVar("T")

Factory = Callable[[], asyncio.AbstractEventLoop]


def run(main: Coroutine[Any, Any, T], kind: str = "auto") -> T:
    """Run to the end on a loop of this kind. Ctrl-C and SIGTERM cancel `main`, which may tidy up.

    `auto` is uvloop where it is installed, else asyncio's own.
    """
    try:
        factory = loop_factory(kind)
    except ConfigError:
        main.close()
        raise
    told: list[int] = []
    with asyncio.Runner(loop_factory=factory) as runner:
        try:
            return runner.run(_told_to_end(main, told))
        except asyncio.CancelledError:
            if signal.SIGINT in told:
                raise KeyboardInterrupt from None
            raise


def loop_factory(kind: str) -> Factory | None:
    """What makes the loop; None leaves it to asyncio."""
    match kind:
        case "asyncio":
            return None
        case "polling":
            return polling_loop
        case "uvloop" | "auto":
            found = _uvloop()
            if found is None and kind == "uvloop":
                expected = "the uvloop package, or another kind (auto, asyncio, polling)"
                raise ConfigError(where="loop.kind", found=kind, expected=expected)
            return found
        case _:
            expected = "auto, asyncio, uvloop or polling"
            raise ConfigError(where="loop.kind", found=kind, expected=expected)


def _uvloop() -> Factory | None:
    try:
        factory: Factory = importlib.import_module("uvloop").new_event_loop
    except ImportError:
        return None
    return factory


async def _told_to_end(main: Coroutine[Any, Any, T], told: list[int]) -> T:
    """Signals cancel `main`, each time anew: told twice, it may hurry, and still tidy up."""
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    assert task is not None

    def tell(number: int) -> None:
        told.append(number)
        task.cancel()

    heard = [number for number in _SIGNALS if _can_hear(loop, number, tell)]
    try:
        return await main
    finally:
        for number in heard:
            loop.remove_signal_handler(number)


def _can_hear(loop: asyncio.AbstractEventLoop, number: int, tell: Callable[[int], None]) -> bool:
    try:
        loop.add_signal_handler(number, tell, number)
    except (NotImplementedError, RuntimeError, ValueError):  # no such thing here
        return False
    return True


_SIGNALS = (signal.SIGINT, signal.SIGTERM)
