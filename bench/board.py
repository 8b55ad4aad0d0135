"""The board's claims: what it costs a desk, what each viewer adds, how soon a tick is painted.

One desk with a board and one without are in the arena together and meet the same traffic, 2,000
messages a second; how many they were is measured, too. Viewers are a process of their own; the
paint is measured in a real browser, where there is one; then the server leaves its core to others
between two messages, and what takes part takes turns before everybody else, where it may.
"""

from __future__ import annotations

import asyncio
import importlib.util
import multiprocessing
import os
import shutil
import socket
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import aiohttp

from bench import arena
from bench.client import Spec

RATE = 2_000.0
STROLL_SECONDS = 4
"""For how long it is painted in each round."""
ROUNDS = 3
CPU_SECONDS, CPU_ROUNDS = 3, 6
"""Of the shares of a core: many short rounds, side by side."""
TRIALS = 300
CROWD = 1000
"""Sockets that want to look at once."""
PLAIN, BOARDED = Spec("desk", "uvloop", "hmac"), Spec("boarded", "uvloop", "hmac")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SYMBOL_VIEW = "@1s"
SLOWED = 6
"""How many times slower the processor of a slow page is."""

Row = tuple[str, float, str]
Painted = tuple[float, float, float, float, float]
"""Event to paint p50 and p99 in ms, updates a second, longest task in ms, messages a second."""
_NOTHING: Painted = (float("nan"),) * 5  # type: ignore[assignment]


def rows(tell: Any, *, realtime: bool) -> list[Row]:
    """One row a figure."""
    with arena.arena([PLAIN, BOARDED], realtime=realtime) as opened:
        url = opened.question(BOARDED, "notes")["board"]
        found = [*_ratio(opened, url, tell), *_crowded(opened, url, tell)]
        found += _cpu(opened, url, tell)
    with arena.arena([BOARDED]) as opened:
        return found + _paint(opened, opened.question(BOARDED, "notes")["board"], tell, realtime)


def _ratio(opened: arena.Arena, url: str, tell: Any) -> list[Row]:
    medians: dict[Spec, list[float]] = {PLAIN: [], BOARDED: []}
    with viewers(url, 1):
        for number in range(ROUNDS):
            for spec in (PLAIN, BOARDED):
                times = opened.trials(spec, count=TRIALS, rate=RATE, seed=number)
                hit = [ns / 1e3 for ns in times if ns >= 0]
                medians[spec].append(statistics.median(hit))
            tell(f"board: round {number + 1} of {ROUNDS}")
    plain, boarded = (min(medians[spec]) for spec in (PLAIN, BOARDED))
    return [
        ("tick to order without, µs", plain, f"median of {TRIALS}, best of {ROUNDS} rounds"),
        ("tick to order with a board, µs", boarded, "one viewer, the same rounds"),
        ("ratio", boarded / plain, "bar: at most 1.10"),
    ]


def _crowded(opened: arena.Arena, url: str, tell: Any) -> list[Row]:
    """The slowest orders while very many want to look, and those who may never read."""
    worst: dict[Spec, list[float]] = {PLAIN: [], BOARDED: []}
    with crowd(url, CROWD) as stood:
        for number in range(ROUNDS):
            for spec in (PLAIN, BOARDED):
                times = opened.trials(spec, count=TRIALS, rate=RATE, seed=100 + number)
                hit = sorted(ns / 1e3 for ns in times if ns >= 0)
                worst[spec].append(hit[int(len(hit) * 0.99)])
        tell(f"board: {CROWD} sockets, {stood[0]} of them stood")
    plain, boarded = (min(worst[spec]) for spec in (PLAIN, BOARDED))
    remark = f"{CROWD} sockets dialled at the board, {stood[0]} stand and read nothing"
    return [
        ("tick to order p99 without, µs", plain, f"{TRIALS} orders, best of {ROUNDS} rounds"),
        ("tick to order p99 in a crowd, µs", boarded, remark),
        ("ratio of p99", boarded / plain, "bar: at most 1.10"),
    ]


def driven(taken: dict[str, int]) -> float:
    """Messages a second that a feed really had."""
    return taken["messages"] / taken["wall_ns"] * 1e9


def _cpu(opened: arena.Arena, url: str, tell: Any) -> list[Row]:
    """Shares of a core by the processes' clocks, of many short rounds side by side.

    On a machine that does other things too, a process needs for the same work half as much again
    from one moment to the next (and less, when it was kept waiting and reads much at once), so a
    difference of two rounds says little, and one of medians more. What the hub's own clock says
    (of its thread, while it looks and encodes) does not depend on that; the rest is sockets and
    answers.
    """
    shares: dict[int, list[float]] = {0: [], 1: [], 5: []}
    own, frames, rates = [], [], []
    for number in range(CPU_ROUNDS):
        for count, found in shares.items():
            with viewers(url, count) if count else nullcontext([]) as seen:
                before = opened.question(BOARDED, "notes")
                taken = opened.feed(BOARDED if count else PLAIN, int(RATE * CPU_SECONDS), RATE)
                after = opened.question(BOARDED, "notes")
            rates.append(driven(taken))
            found.append(100 * taken["cpu_ns"] / taken["wall_ns"])
            if count == 1:
                frames += seen
                busy = after["busy_seconds"] - before["busy_seconds"]
                own.append(100 * busy / taken["wall_ns"] * 1e9)
        tell(f"board: CPU, round {number + 1} of {CPU_ROUNDS}")
    bare, one, five = (statistics.median(found) for found in shares.values())
    spread = f"{min(shares[0]):.0f} to {max(shares[0]):.0f} % of a core"
    return [
        ("messages a second, driven", min(rates), "asked for 2,000; the least of all rounds"),
        ("frames a second", statistics.median(frames), "to a viewer; bar: at least 19"),
        ("the board, % of a core", one - bare, "one viewer, over the bare desk; bar: 10"),
        ("of it looking and encoding, %", statistics.median(own), "by its thread's clock"),
        ("each further viewer, points", (five - one) / 4, f"bar: 1; the bare desk took {spread}"),
    ]


# ── viewers ───────────────────────────────────────────────────────────────────────────────────


@contextmanager
def viewers(url: str, count: int) -> Iterator[list[float]]:
    """So many viewers that answer at once; in the end, how many frames a second each saw."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_view, args=(theirs, url, count), daemon=True)
    process.start()
    rates: list[float] = []
    try:
        if not ours.poll(30):
            raise arena.Failed("viewers: found no word in 30 s")
        ours.recv()
        yield rates
        ours.send("stop")
        if ours.poll(30):
            rates += ours.recv()
    finally:
        process.kill()
        process.join()


def _view(control: Connection, url: str, count: int) -> None:
    asyncio.run(_views(control, url, count))


async def _views(control: Connection, url: str, count: int) -> None:
    address, _, token = url.partition("#")
    loop = asyncio.get_running_loop()
    frames = [0] * count
    async with aiohttp.ClientSession() as http:
        tasks = [
            asyncio.ensure_future(_one(http, address, token, frames, number))
            for number in range(count)
        ]
        while not all(frames):
            await asyncio.sleep(0.05)
        control.send("here")
        began, before = loop.time(), list(frames)
        await loop.run_in_executor(None, control.recv)
        took = loop.time() - began
        control.send([(now - then) / took for now, then in zip(frames, before, strict=True)])
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _one(
    http: aiohttp.ClientSession, address: str, token: str, frames: list[int], number: int
) -> None:
    protocols = ("pitwire.board.1", f"token.{token}")
    async with http.ws_connect(f"{address}live", protocols=protocols) as socket:
        await socket.send_json({"do": "look", "views": []})
        symbol = ""
        while True:
            message = await socket.receive_json()
            if message["kind"] not in ("snapshot", "frame"):
                continue
            watch = message["common"].get("tables", {}).get("watch")
            if not symbol and watch:
                symbol = next(iter(watch))
                await socket.send_json({"do": "look", "views": [symbol + SYMBOL_VIEW]})
                continue
            frames[number] += 1
            await socket.send_json({"do": "answer", "seq": message["seq"]})


@contextmanager
def crowd(url: str, count: int) -> Iterator[list[int]]:
    """So many sockets to a board, none of which ever reads; how many of them stand."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_press, args=(theirs, url, count), daemon=True)
    process.start()
    try:
        if not ours.poll(60):
            raise arena.Failed("crowd: found no word in 60 s")
        yield [ours.recv()]
    finally:
        process.kill()
        process.join()


def _press(control: Connection, url: str, count: int) -> None:
    address, _, token = url.partition("#")
    host, _, port = address.removeprefix("http://").rstrip("/").rpartition(":")
    ask = (
        f"GET /live HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"Sec-WebSocket-Protocol: pitwire.board.1, token.{token}\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n"
    )
    sockets = []
    for _ in range(count):
        with suppress(OSError):
            sockets.append(socket.create_connection((host, int(port)), timeout=5))
            sockets[-1].sendall(ask.encode())
    time.sleep(1)
    standing = 0
    for one in sockets:
        with suppress(OSError):
            one.setblocking(False)
            standing += one.recv(12) == b"HTTP/1.1 101"
    control.send(standing)
    time.sleep(3600)


# ── a browser ─────────────────────────────────────────────────────────────────────────────────


def _paint(opened: arena.Arena, url: str, tell: Any, favoured: bool) -> list[Row]:
    program = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if program is None or importlib.util.find_spec("playwright") is None:
        tell("board: no browser on this machine, so no paint is measured")
        return []
    from playwright.sync_api import sync_playwright

    with sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=program, args=["--no-sandbox"])
        if favoured:
            favour()
        page = browser.new_page(viewport={"width": 1600, "height": 900})
        page.goto(url)
        page.wait_for_selector("#asks tr", state="attached", timeout=30_000)
        _stroll(opened)  # what is drawn for the first time
        weight = page.evaluate(_WEIGHT) / 1e3
        found = [one for _ in range(ROUNDS) for one in _painted(opened, [page]) if one]
        others = _renderers(browser)
        slow = browser.new_page(viewport={"width": 1600, "height": 900})
        slow.goto(url)
        slow.wait_for_selector("#asks tr", state="attached", timeout=30_000)
        throttle = {"rate": SLOWED}
        slow.context.new_cdp_session(slow).send("Emulation.setCPUThrottlingRate", throttle)
        _stroll(opened)
        slowed, shared = _painted(opened, [slow, page])
        for process in _renderers(browser) - others:  # it burns what it spares
            _schedule(process, "SCHED_IDLE", 0)
        with viewers(url, 1) as reached:
            beside = max(one for _ in range(ROUNDS) if (one := _painted(opened, [page])[0]))
        browser.close()
    p50, p99, shown, longest, rate = min(found) if found else _NOTHING
    _, oldest, seldom, _, _ = slowed or _NOTHING
    return [
        ("event to paint p50, ms", p50, "bar: 60; best of the rounds, software rasteriser"),
        ("event to paint p99, ms", p99, "bar: 150, on a quiet machine"),
        ("updates a second in the browser", shown, "painted; bar: at least 19"),
        (
            "longest task, ms",
            longest,
            "of the page's thread, above 50; bar: 100, on a quiet machine",
        ),
        ("messages a second, driven", rate, "while it was painted"),
        ("page weight, kB", weight, "all files, uncompressed; bar: 400"),
        (
            f"event to paint p99 of a page slowed {SLOWED} times, ms",
            oldest,
            "it leaves frames out and shows nothing old; bar: 1000",
        ),
        ("its updates a second", seldom, "fewer, and the newest"),
        (
            "updates a second of the page beside it",
            (shared or _NOTHING)[2],
            "the slowed page burns the core that it does not use",
        ),
        (
            "the same, the slowed page last in line",
            beside[2],
            "it has what others leave of the cores; bar: 19",
        ),
        ("frames a second to a viewer beside it", min(reached), "without a browser; bar: 19"),
    ]


def _painted(opened: arena.Arena, pages: Sequence[Any]) -> list[Painted | None]:
    """What each of these pages paints of one stroll; None of one that painted nothing."""
    for page in pages:
        page.evaluate("pitwire.page.latency.length = 0")
        page.evaluate(_WATCH)
    rate = driven(_stroll(opened))
    found: list[Painted | None] = []
    for page in pages:
        shown, took, longest = page.evaluate("pitwire.watched()")
        late: Sequence[float] = sorted(page.evaluate("pitwire.page.latency"))
        p50_p99 = (late[len(late) // 2], late[int(len(late) * 0.99)]) if late else ()
        found.append((*p50_p99, 1000 * shown / took, longest, rate) if p50_p99 else None)
    return found


def _renderers(browser: Any) -> set[int]:
    """The processes in which a browser's pages live."""
    told = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    return {one["id"] for one in told if one["type"] == "renderer"}


def _stroll(opened: arena.Arena) -> dict[str, int]:
    return opened.feed(BOARDED, int(RATE * STROLL_SECONDS), RATE, spin=False)


def favour() -> None:
    """Put our processes, and the browser's, before all others; root alone may.

    They take turns among themselves, each with its own part of the two cores that a quiet machine
    would leave them; nothing spins meanwhile.
    """
    parents = {}
    for process in (one for one in os.listdir("/proc") if one.isdigit()):
        with suppress(OSError):
            status = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            parents[int(process)] = int(status[1])
    ours = {os.getpid()}
    while more := {child for child, parent in parents.items() if parent in ours} - ours:
        ours |= more
    for process in ours:
        _schedule(process, "SCHED_RR", 1)


def _schedule(process: int, policy: str, priority: int) -> None:
    """All threads of a process, where the system lets us."""
    with suppress(OSError, AttributeError):
        for thread in os.listdir(f"/proc/{process}/task"):
            chosen, parameter = getattr(os, policy), os.sched_param(priority)
            os.sched_setscheduler(int(thread), chosen, parameter)


_WATCH = """() => {
  const painted = pitwire.page.paints, began = performance.now();
  let longest = 0;
  const watch = new PerformanceObserver((list) => {
    for (const task of list.getEntries()) longest = Math.max(longest, task.duration);
  });
  watch.observe({ entryTypes: ["longtask"] });
  pitwire.watched = () => {
    watch.disconnect();
    return [pitwire.page.paints - painted, pitwire.page.paintedAt - began, longest];
  };
}"""
_WEIGHT = (
    "performance.getEntriesByType('resource').reduce((sum, one) => sum + one.decodedBodySize,"
    " performance.getEntriesByType('navigation')[0].decodedBodySize)"
)
