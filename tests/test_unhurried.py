"""The time of a loop that a busy machine cannot make late."""

from __future__ import annotations

import asyncio
import time

from pitwire.cli import loops
from tests.unhurried import UnhurriedLoop, calm, commands, run

TAKEN = 0.3
MEANT = 0.05


async def passed() -> tuple[float, float]:
    """How much time passes while the thread is not given any, and while it waits on purpose."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    time.sleep(TAKEN)
    between = loop.time()
    await asyncio.sleep(MEANT)
    return between - begun, loop.time() - between


def test_time_that_the_machine_took_is_none() -> None:
    taken, meant = run(passed())
    assert taken < TAKEN / 2
    assert meant >= MEANT - 0.001


def test_a_commands_time_is_such_a_time() -> None:
    before = loops.loop_factory("auto")
    with commands():
        taken, meant = loops.run(passed())
    assert taken < TAKEN / 2
    assert meant >= MEANT - 0.001
    assert loops.loop_factory("auto") is before


def test_its_clock_is_its_time() -> None:
    loop = UnhurriedLoop()
    try:
        first = loop.now(), loop.time()
        while loop.time() < first[1] + 0.01:
            pass
        second = loop.now(), loop.time()
        assert 0 < (second[0] - first[0]) / 1e9 <= second[1] - first[1] + 0.001
    finally:
        loop.close()


def test_what_a_program_says_for_being_held_up_is_left_out() -> None:
    late = "codecs:1 in decode holds everything up, for 1.5 s now\n"
    assert calm(f"a\n{late}b\n{late}") == "a\nb\n"
