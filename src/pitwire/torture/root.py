"""Faults that need root: a network of two namespaces of our own, one for the venue and one for us.

Whatever is done is done within these two, and they are removed at the end; where something is not
to be had, the reason is told and nothing is tried.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec

from pitwire.sim.kit import Script
from pitwire.sim.root_faults import Kill, Lose, RootFault, Shape, Starve, Stop, Vanish
from pitwire.torture.outcome import BROKEN, Outcome, broken

VENUE, CLIENT = "10.77.0.1", "10.77.0.2"
_NOBODY = "02:00:00:00:00:99"
_WITHIN_SECONDS = 120.0
PERIOD_SECONDS = 0.1
"""In which a starved process has its share: a control group's own default."""


class Net(msgspec.Struct, frozen=True):
    """Two namespaces joined by a cable."""

    name: str

    @property
    def venue(self) -> str:
        return f"{self.name}v"

    @property
    def client(self) -> str:
        return f"{self.name}c"

    def inside(self, place: str, *command: str) -> list[str]:
        """A command as it is run in one of the two."""
        return ["ip", "netns", "exec", place, *command]


def why_not(script: Script) -> str:
    """Why a script cannot be tried here; empty when it can."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "needs root"
    tools = {"ip"}
    for fault in script.root:
        tools |= {"ss"} if isinstance(fault, Kill) else set()
        tools |= {"tc"} if isinstance(fault, Shape) else set()
        tools |= {"iptables"} if isinstance(fault, Lose) else set()
    missing = sorted(tool for tool in tools if shutil.which(tool) is None)
    if missing:
        return f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not here"
    try:
        with network(f"pwt{os.getpid() % 100_000}"):
            return ""
    except subprocess.CalledProcessError as error:
        told = (error.stderr or b"").decode("utf-8", "replace").strip()
        return f"no network namespaces: {told or error}"


@contextmanager
def network(name: str) -> Iterator[Net]:
    """Make the two namespaces and the cable; take them away at the end."""
    net = Net(name)
    try:
        for place in (net.venue, net.client):
            _do("ip", "netns", "add", place)
        ends = (f"{name}v0", f"{name}c0")
        _do("ip", "-n", net.venue, "link", "add", ends[0], "type", "veth", "peer", "name", ends[1],
            "netns", net.client)  # fmt: skip
        pairs = zip((net.venue, net.client), ends, (VENUE, CLIENT), strict=True)
        for place, end, address in pairs:
            _do("ip", "-n", place, "addr", "add", f"{address}/24", "dev", end)
            _do("ip", "-n", place, "link", "set", end, "up")
            _do("ip", "-n", place, "link", "set", "lo", "up")
        yield net
    finally:
        for place in (net.venue, net.client):
            subprocess.run(["ip", "netns", "del", place], capture_output=True, check=False)


def begin(net: Net, fault: RootFault, client: int) -> None:
    """Let a fault begin; `client` is the process of the client."""
    match fault:
        case Vanish():
            for place, end, address in _ways(net, fault):
                _do("ip", "-n", place, "neigh", "replace", address, "lladdr", _NOBODY, "nud",
                    "permanent", "dev", end)  # fmt: skip
        case Kill():
            _do(*net.inside(net.client, "ss", "-K", "dst", VENUE))
        case Lose():
            odds = ("-m", "statistic", "--mode", "random", "--probability",
                    f"{fault.percent / 100:.4f}")  # fmt: skip
            _do(*net.inside(net.client, "iptables", "-A", "INPUT", *odds, "-j", "DROP"))
        case Shape():
            _do(*net.inside(net.venue, "tc", "qdisc", "add", "dev", f"{net.name}v0", "root", "tbf",
                            "rate", f"{fault.kbit_per_second}kbit", "burst", "5000", "latency",
                            "2s"))  # fmt: skip
        case Stop():
            os.kill(client, signal.SIGSTOP)
        case Starve():
            pass  # it begins and ends ten times a second: `starve`


def end(net: Net, fault: RootFault, client: int) -> None:
    """Let a fault end."""
    match fault:
        case Vanish():
            for place, device, address in _ways(net, fault):
                _do("ip", "-n", place, "neigh", "del", address, "dev", device)
        case Lose():
            _do(*net.inside(net.client, "iptables", "-F", "INPUT"))
        case Shape():
            _do(*net.inside(net.venue, "tc", "qdisc", "del", "dev", f"{net.name}v0", "root"))
        case Stop():
            os.kill(client, signal.SIGCONT)
        case Starve():
            pass
        case Kill():
            pass


async def starve(fault: Starve, client: int) -> None:
    """Let the client run for its share of each period, for as long as the fault lasts."""
    loop = asyncio.get_running_loop()
    over = loop.time() + fault.for_seconds
    runs = PERIOD_SECONDS * fault.percent / 100
    try:
        while loop.time() < over:
            os.kill(client, signal.SIGSTOP)
            await asyncio.sleep(PERIOD_SECONDS - runs)
            os.kill(client, signal.SIGCONT)
            await asyncio.sleep(runs)
    finally:
        os.kill(client, signal.SIGCONT)


def _ways(net: Net, fault: Vanish) -> Iterator[tuple[str, str, str]]:
    """(namespace, its end of the cable, whom it then cannot reach)."""
    if fault.way != "up":
        yield net.venue, f"{net.name}v0", CLIENT
    if fault.way != "down":
        yield net.client, f"{net.name}c0", VENUE


async def try_by_root(scripts: Sequence[Script], seed: int) -> list[Outcome]:
    """Try these at the same time, each in a network of its own."""
    return list(await asyncio.gather(*(_one(script, seed) for script in scripts)))


async def _one(script: Script, seed: int) -> Outcome:
    why = why_not(script)
    if why:
        return Outcome(
            fault=script.id, title=script.title, way="root", source=script.source, skipped=why
        )
    try:
        with network(f"pw{os.getpid() % 10_000}{script.id.lower()}") as net:
            return await _apart(net, script, seed)
    except BROKEN as error:
        return broken(script, "root", seed, error)


async def _apart(net: Net, script: Script, seed: int) -> Outcome:
    """The trial in a process of its own, which has so long."""
    command = net.inside(
        net.venue, sys.executable, "-m", "pitwire.torture.inside", net.name,
        script.source or script.id, str(seed),
    )  # fmt: skip
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    try:
        async with asyncio.timeout(_WITHIN_SECONDS):
            told, _ = await process.communicate()
    except TimeoutError:
        raise TimeoutError(f"it took longer than {_WITHIN_SECONDS:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return msgspec.json.decode(told, type=Outcome)


def _do(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=10)
