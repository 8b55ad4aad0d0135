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
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(_told_to_end(main))


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


async def _told_to_end(main: Coroutine[Any, Any, T]) -> T:
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    if task is not None:
        try:
            loop.add_signal_handler(signal.SIGTERM, task.cancel)
        except (NotImplementedError, RuntimeError, ValueError):  # no such thing here
            return await main
    try:
        return await main
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
