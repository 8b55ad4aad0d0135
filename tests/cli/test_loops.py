"""A command's loop: the kind that was asked for, and a clean end when told to."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from pitwire.cli import loops
from pitwire.model.errors import ConfigError
from pitwire.wire.polling import polling_loop


async def kind_of_loop() -> str:
    return type(asyncio.get_running_loop()).__module__


@pytest.mark.parametrize("kind", ["asyncio", "auto", "uvloop", "polling"])
def test_every_kind_runs(kind: str) -> None:
    if kind == "uvloop":
        pytest.importorskip("uvloop")
    module = loops.run(kind_of_loop(), kind)
    assert module.startswith("uvloop") is (kind in ("auto", "uvloop") and "uvloop" in sys.modules)


def test_polling_is_ours() -> None:
    assert loops.loop_factory("polling") is polling_loop


def test_without_uvloop_auto_falls_back_and_uvloop_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert loops.loop_factory("auto") is None
    with pytest.raises(ConfigError, match=r"loop\.kind: found 'uvloop', expected the uvloop"):
        loops.run(kind_of_loop(), "uvloop")


def test_another_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"loop\.kind: found 'fast', expected auto, asyncio"):
        loops.run(kind_of_loop(), "fast")


@pytest.mark.parametrize("kind", ["asyncio", "polling", "auto"])
@pytest.mark.parametrize(
    ("number", "error"),
    [(signal.SIGTERM, asyncio.CancelledError), (signal.SIGINT, KeyboardInterrupt)],
)
def test_a_signal_lets_the_command_tidy_up(
    kind: str, number: signal.Signals, error: type[BaseException]
) -> None:
    tidied = []

    async def command() -> None:
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), number)
        try:
            await asyncio.Event().wait()
        finally:
            tidied.append(True)

    with pytest.raises(error):
        loops.run(command(), kind)
    assert tidied == [True]
