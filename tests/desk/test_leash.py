"""The desk's end of the line to its watchdog, with real processes."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import subprocess
from typing import Any

import msgspec
import pytest

from pitwire.desk import leash as leash_module
from pitwire.desk.leash import DEATHS, Leash
from pitwire.desk.watchdog import BEAT, Beat, Charge, Goodbye, Report, Watchdog, _serve
from pitwire.venues.venue import Endpoints

CHARGE = Charge(venue="binance", prefix="pwtest", key="k", secret="s", kind="hmac")
CLOSES_AND_STAYS = "import os, sys, time; os.close(int(sys.argv[1])); time.sleep(600)"
ENDS = "import sys; sys.exit(7)"
SAYS_NOTHING = "import time; time.sleep(600)"
NOWHERE = Endpoints("ws://127.0.0.1:9", "ws://127.0.0.1:9", "http://127.0.0.1:9")


async def held(reports: list[Report], *, until: int) -> float:
    """Hold a watchdog until so much was told; the longest that the loop stood still, in s."""
    leash = Leash(CHARGE, reports.append)
    leash.start()
    loop, longest = asyncio.get_running_loop(), 0.0
    try:
        async with asyncio.timeout(120):
            while len(reports) < until:
                before = loop.time()
                await asyncio.sleep(0.01)
                longest = max(longest, loop.time() - before)
    finally:
        leash.leave()
    return longest


async def test_a_watchdog_that_hangs_at_its_end_blocks_nobody_and_is_started_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leash_module, "_PROGRAM", CLOSES_AND_STAYS)
    monkeypatch.setattr(leash_module, "END_SECONDS", 0.2)
    popen, processes = subprocess.Popen, list[subprocess.Popen[bytes]]()

    def noted(*args: Any, **options: Any) -> subprocess.Popen[bytes]:
        processes.append(popen(*args, **options))
        return processes[-1]

    monkeypatch.setattr(leash_module.subprocess, "Popen", noted)  # type: ignore[attr-defined]
    reports: list[Report] = []
    longest = await held(reports, until=2)
    for process in processes:
        process.kill()
        process.wait()
    assert [one.state for one in reports] == ["trouble", "trouble"]
    assert "ended by itself (exit code -9)" in reports[0].text
    assert longest < 60.0, "the loop went on meanwhile; what it waited for would have taken 600 s"
    assert len(processes) == 3


async def test_one_that_is_dead_before_it_is_told_anything_is_started_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leash_module, "_PROGRAM", ENDS)
    popen = subprocess.Popen

    def ended(*args: Any, **options: Any) -> subprocess.Popen[bytes]:
        process = popen(*args, **options)
        process.wait()
        return process

    monkeypatch.setattr(leash_module.subprocess, "Popen", ended)  # type: ignore[attr-defined]
    reports: list[Report] = []
    await held(reports, until=2)
    assert len(reports) >= 2, "it may die once more before we have looked"
    assert {one.text for one in reports} == {"the watchdog ended by itself (exit code 7)"}


async def test_five_deaths_in_a_minute_are_told_and_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leash_module, "_PROGRAM", ENDS)
    reports: list[Report] = []
    await held(reports, until=DEATHS)
    assert [one.state for one in reports] == ["trouble"] * (DEATHS - 1) + ["gone"]
    assert {one.text for one in reports} == {"the watchdog ended by itself (exit code 7)"}


async def test_when_no_other_can_be_started_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leash_module, "_PROGRAM", ENDS)
    popen, tries = subprocess.Popen, []

    def once(*args: Any, **options: Any) -> subprocess.Popen[bytes]:
        tries.append(args)
        if len(tries) > 1:
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")
        return popen(*args, **options)

    monkeypatch.setattr(leash_module.subprocess, "Popen", once)  # type: ignore[attr-defined]
    reports: list[Report] = []
    await held(reports, until=2)
    assert [one.state for one in reports] == ["trouble", "gone"]
    assert "no watchdog can be started: Resource temporarily" in reports[1].text


async def test_one_that_never_says_a_word_is_killed_and_another_is_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leash_module, "_PROGRAM", SAYS_NOTHING)
    monkeypatch.setattr(leash_module, "LOGIN_SECONDS", 0.5)
    reports: list[Report] = []
    await held(reports, until=DEATHS)
    assert [one.state for one in reports] == ["trouble"] * (DEATHS - 1) + ["gone"]
    assert {one.text for one in reports} == {"the watchdog has answered nothing for 0.5 s"}


async def test_one_that_freezes_is_noticed_though_its_line_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leash_module, "ANSWER_SECONDS", 5.0)
    monkeypatch.setattr(leash_module, "LOGIN_SECONDS", 60.0)
    charge = msgspec.structs.replace(CHARGE, endpoints=NOWHERE)
    reports: list[Report] = []
    leash = Leash(charge, reports.append)
    leash.start()
    try:
        async with asyncio.timeout(120):
            while not reports:  # it has no venue to log in to, and lives
                await asyncio.sleep(0.01)
            first = leash.pid
            await asyncio.sleep(6)
            assert (leash.pid, [one.state for one in reports]) == (first, ["trouble"])
            os.kill(first, signal.SIGSTOP)
            while leash.pid == first or len(reports) < 2:
                await asyncio.sleep(0.01)
    finally:
        leash.leave()
        last = leash._process
        assert last is not None
        last.kill()
        last.wait()
    assert reports[1].text == "the watchdog has answered nothing for 5 s"


async def test_a_goodbye_is_heard_though_nobody_takes_the_answer_to_the_beat_before_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The desk says it and hangs up at once: a watchdog with a beat in hand took it for dead."""
    heard, hear = asyncio.Event(), Watchdog.hear

    def noted(dog: Watchdog, message: Beat | Goodbye) -> None:
        heard.set()
        hear(dog, message)

    monkeypatch.setattr(Watchdog, "hear", noted)
    charge = msgspec.structs.replace(CHARGE, endpoints=NOWHERE)
    ours, theirs = socket.socketpair()
    with ours:
        ours.shutdown(socket.SHUT_RD)
        ours.sendall(msgspec.json.encode(charge) + b"\n" + BEAT)
        serving = asyncio.create_task(_serve(theirs))
        async with asyncio.timeout(60):
            await heard.wait()
        ours.sendall(msgspec.json.encode(Goodbye()) + b"\n")
    async with asyncio.timeout(60):
        await serving
    assert capsys.readouterr().err == ""
