"""What needs root is tried in a network of its own, or the reason is told."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from pitwire.model import events as ev
from pitwire.sim.kit import Script, kit, load_script
from pitwire.sim.root_faults import Kill, Lose, Shape, Starve, Stop, Vanish
from pitwire.torture import root
from pitwire.torture.remote import Replica

WHY_NOT = root.why_not(kit()["C4"])
needs_root = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT or "all is there")


def script(*faults: object) -> Script:
    return Script(id="X1", title="x", does="x", expected="x", root=faults)  # type: ignore[arg-type]


def test_without_root_nothing_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(root.os, "geteuid", lambda: 1000)
    assert root.why_not(script(Stop())) == "needs root"


def test_a_tool_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(root.os, "geteuid", lambda: 0)
    monkeypatch.setattr(root.shutil, "which", lambda tool: None)
    assert root.why_not(script(Lose(percent=5))) == "ip and iptables are not here"
    monkeypatch.setattr(root.shutil, "which", lambda tool: None if tool == "tc" else tool)
    assert root.why_not(script(Shape(kbit_per_second=64))) == "tc is not here"


@needs_root
async def test_what_is_not_to_be_had_is_a_row_with_its_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = shutil.which
    monkeypatch.setattr(root.shutil, "which", lambda t: None if t == "iptables" else known(t))
    (row,) = await root.try_by_root([kit()["N7"]], 1)
    assert (row.fault, row.skipped, row.passed) == ("N7", "iptables is not here", True)


@needs_root
async def test_one_that_takes_too_long_fails_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(root, "_WITHIN_SECONDS", 0.01)
    (row,) = await root.try_by_root([kit()["N1"]], 1)
    assert (row.fault, row.way, row.passed) == ("N1", "root", False)
    assert row.complaints == (
        "the trial itself did not come to its end: TimeoutError: it took longer than 0.01 s",
    )


@needs_root
def test_packets_vanish_one_way_and_come_again() -> None:
    with root.network("pwtest") as net:

        def reached(within: float) -> bool:
            """Nobody listens there: who is refused has been there, who waits has not."""
            dial = f"import socket; socket.create_connection(('{root.VENUE}', 9), timeout={within})"
            command = net.inside(net.client, sys.executable, "-c", dial)
            told = subprocess.run(command, capture_output=True, check=False, text=True)
            return "ConnectionRefusedError" in told.stderr

        assert reached(60.0)
        fault = Vanish(way="down", for_seconds=1)
        root.begin(net, fault, 0)
        assert not reached(0.5)
        root.end(net, fault, 0)
        assert reached(60.0)
    left = subprocess.run(["ip", "netns", "list"], capture_output=True, check=True, text=True)
    assert "pwtest" not in left.stdout


@needs_root
@pytest.mark.skipif(shutil.which("ss") is None, reason="ss is not here")
async def test_a_connection_that_the_kernel_ends_and_a_client_that_stands_still(
    tmp_path: Path,
) -> None:
    # On a busy machine nothing is noticed within a second, nor dialled and read within ten.
    text = (files("pitwire.sim") / "kit_scripts" / "N1.toml").read_text()
    for own, patient in (("noticed_within_seconds = 1.0", 8.0), ("back_within_seconds = 10.0", 30)):
        assert own in text
        text = text.replace(own, f"{own.partition(' ')[0]} = {patient}")
    path = tmp_path / "N1.toml"
    path.write_text(text)
    killed = load_script(path)
    assert killed.root == (Kill(at_seconds=2.0),)
    outcomes = await root.try_by_root([killed, kit()["C4"]], 2)
    assert [one.complaints for one in outcomes] == [(), ()]
    assert outcomes[0].noticed_by == "Lost"
    assert all(one.delivered > 50 for one in outcomes)


async def test_a_starved_client_runs_and_stands_still_by_turns_and_is_let_go_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(root.os, "kill", lambda pid, number: sent.append((pid, number)))
    await root.starve(Starve(for_seconds=0.15), 7)
    numbers = [number for pid, number in sent if pid == 7]
    turns = len(numbers) // 2
    assert turns >= 1
    assert numbers == [signal.SIGSTOP, signal.SIGCONT] * turns + [signal.SIGCONT]
    sent.clear()
    starving = asyncio.ensure_future(root.starve(Starve(), 7))
    await asyncio.sleep(0.01)
    starving.cancel()
    await asyncio.gather(starving, return_exceptions=True)
    assert sent[0] == (7, signal.SIGSTOP)
    assert sent[-1] == (7, signal.SIGCONT)


def test_a_replica_follows_what_a_client_was_told() -> None:
    replica = Replica()
    replica.take(ev.BookSnapshot("v", "A-B", 0, 0, 5, ((10.0, 1.0),), ((11.0, 1.0),)))
    replica.take(ev.BookDelta("v", "A-B", 0, 0, 6, 6, ((10.0, 3.0),), ()))
    book = replica.book("A-B")
    assert (book.ready, book.last_id, dict(book.bids)) == (True, 6, {10.0: 3.0})
    replica.take(ev.BookStale("v", "A-B", 0, 0, "gap"))
    assert not book.ready
