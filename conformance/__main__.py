"""Both sides of ours before the Autobahn test suite: `python -m conformance [client|server]`.

`--python PATH` names a Python 2.7. The exit code is 0 when nothing failed, 1 when something did,
and 0 with a reason where there is no judge.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import socket
import sys

from conformance import autobahn
from conformance.echoes import run_client, serve_echo
from pitwire.model.clock import SECOND, SystemClock

SIDES = ("client", "server")
_START_SECONDS, _SERVER_SECONDS = 30.0, 420.0


def main(arguments: list[str]) -> int:
    """The command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m conformance", description=__doc__)
    parser.add_argument("sides", nargs="*", metavar="side", help="client, server; both by default")
    parser.add_argument("--python", default="", help="a Python 2.7 to run the judge with")
    asked = parser.parse_args(arguments)
    sides = asked.sides or list(SIDES)
    if not set(sides) <= set(SIDES):
        parser.error(f"side: found {' '.join(sides)}, expected client, server or nothing")
    logging.disable(logging.CRITICAL)  # picows logs each breach that it is shown on purpose
    try:
        python = autobahn.find_python(asked.python)
        site = autobahn.install(python)
    except autobahn.Absent as absent:
        print(f"skipped: {absent}; the vectors in tests/wire/ say the same clause by clause")
        return 0
    clock, failed = SystemClock(), 0
    for side in sides:
        begun = clock.now()
        run = _judge_client if side == "client" else _judge_server
        mode = asyncio.run(run(python, site))
        failed += _show(side, mode, (clock.now() - begun) / SECOND)
    return 1 if failed else 0


async def _judge_client(python: str, site: autobahn.Path) -> str:
    mode, port = "fuzzingserver", _free_port()
    spec = autobahn.spec(mode, f"ws://127.0.0.1:{port}", "client")
    judge = autobahn.start(python, site, mode, spec)
    try:
        await _until_open(port)
        await run_client(f"ws://127.0.0.1:{port}", "client")
    finally:
        judge.kill()
        judge.wait()
    return mode


async def _judge_server(python: str, site: autobahn.Path) -> str:
    mode = "fuzzingclient"
    runner, port = await serve_echo()
    spec = autobahn.spec(mode, f"ws://127.0.0.1:{port}", "server")
    judge = autobahn.start(python, site, mode, spec)
    try:
        async with asyncio.timeout(_SERVER_SECONDS):
            await asyncio.to_thread(judge.wait)
    finally:
        judge.kill()
        await runner.cleanup()
    return mode


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


async def _until_open(port: int) -> None:
    async with asyncio.timeout(_START_SECONDS):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.1)
            else:
                writer.close()
                return


def _show(side: str, mode: str, seconds: float) -> int:
    verdicts, failed, loose = autobahn.report(mode, side)
    counts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
    print(f"{side}: {sum(verdicts.values())} cases in {seconds:.0f} s: {counts}")
    if loose:
        print(f"  passed, not strictly: {', '.join(loose)}")
    for name, verdict in failed.items():
        print(f"  FAILED {name} ({verdict})")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
