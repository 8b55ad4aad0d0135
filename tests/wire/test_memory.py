"""Links in memory have the manners of a socket."""

from __future__ import annotations

import asyncio

import pytest

from pitwire.model.errors import DialFailed
from pitwire.wire.link import PausableLink, Receiver
from pitwire.wire.memory import MemoryLink, dial_into, join
from tests.wire.recorder import Recorder


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_frames_arrive_in_order_and_in_a_later_turn() -> None:
    left, right = Recorder(), Recorder()
    here, _ = join(left, right)
    here.send(b"1")
    here.send(b"2")
    assert right.frames == []
    await turns()
    assert right.frames == [b"1", b"2"]
    assert right.drains == [False, True]


async def test_a_ping_is_answered_by_the_other_end() -> None:
    left, right = Recorder(), Recorder()
    here, _ = join(left, right)
    here.ping(b"x")
    await turns()
    assert (right.pings, left.pongs) == ([b"x"], [b"x"])


async def test_what_was_sent_before_a_close_arrives_and_the_loss_is_last() -> None:
    left, right = Recorder(), Recorder()
    here, there = join(left, right)
    here.send(b"last words")
    here.close(1001, "going")
    here.send(b"too late")
    await turns()
    assert right.frames == [b"last words"]
    assert [(e.code, e.reason, e.clean) for e in right.losses] == [(1001, "going", True)]
    assert [e.code for e in left.losses] == [1001]
    there.close()
    there.abort()
    there.ping()
    await turns()
    assert len(left.losses) == len(right.losses) == 1


async def test_a_break_loses_what_was_on_its_way() -> None:
    left, right = Recorder(), Recorder()
    here, _ = join(left, right)
    here.send(b"lost")
    here.abort()
    await turns()
    assert right.frames == []
    assert [e.code for e in (*left.losses, *right.losses)] == [1006, 1006]


async def test_a_paused_end_takes_nothing_in() -> None:
    left, right = Recorder(), Recorder()
    here, there = join(left, right)
    assert isinstance(there, PausableLink)
    there.pause_reading()
    here.send(b"1")
    here.close()
    await turns()
    assert (right.frames, right.losses) == ([], [])
    there.resume_reading()
    await turns()
    assert right.frames == [b"1"]
    assert len(right.losses) == 1


async def test_dialling_into_a_server() -> None:
    served = Recorder()

    def welcome(url: str, link: MemoryLink) -> Receiver:
        if url == "memory://closed":
            raise DialFailed(address=url, cause="closed")
        link.send(b"welcome")
        return served

    dial, told = dial_into(welcome), Recorder()
    link = await dial("memory://open", told)
    link.send(b"thanks")
    await turns()
    assert (told.frames, served.frames) == ([b"welcome"], [b"thanks"])
    with pytest.raises(DialFailed, match="closed"):
        await dial("memory://closed", told)
