"""Server and clients as processes of their own, each on its core, driven over pipes.

All clients stay open and idle while one of them is measured, so that ours and the rival can be
interleaved chunk by chunk and meet the same weather.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from bench import client, native, venue

PATIENCE_SECONDS = 60.0
DEADLINE_NS = 300_000_000
"""A trigger without an order after this long counts as missed, unless a plan says otherwise."""


class Failed(RuntimeError):
    """A process of the bench did not answer or died."""


class Child:
    """A process and the pipe to it."""

    def __init__(self, name: str, process: SpawnProcess, pipe: Connection) -> None:
        self.name, self.process, self._pipe = name, process, pipe

    def tell(self, *message: Any) -> None:
        """Send and do not wait."""
        self._pipe.send(message)

    def hear(self) -> Any:
        """The next word of the process."""
        try:
            if self._pipe.poll(PATIENCE_SECONDS):
                return self._pipe.recv()
        except (EOFError, ConnectionError):
            raise Failed(f"{self.name}: the process died, its own words are above") from None
        raise Failed(f"{self.name}: found no answer in {PATIENCE_SECONDS:.0f} s")

    def end(self) -> None:
        """Let it finish, or finish it."""
        self.process.join(5.0)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.process.close()
        self._pipe.close()


class Arena:
    """One load server and any number of clients."""

    def __init__(self, server: Child, seat: client.Seat) -> None:
        self._server, self.seat = server, seat
        self.clients: dict[client.Spec, tuple[Child, int]] = {}

    def ask(self, command: str, *arguments: Any) -> Any:
        """One command to the server, done when this returns."""
        self._server.tell(command, arguments)
        return self._server.hear()

    def enter(self, spec: client.Spec) -> None:
        """Start one client and wait until its books are filled."""
        port: int = self.ask("listen")
        serve = importlib.import_module(f"bench.{spec.who}").serve
        with native.chosen(spec.build):
            child = start(str(spec), serve, spec, port, self.seat)
        self.clients[spec] = child, port
        if (word := child.hear()) != "started":
            raise Failed(f"{spec}: found {word!r}, expected 'started'")

    def feed(
        self, spec: client.Spec, count: int, rate: float = 0.0, *, spin: bool = True
    ) -> dict[str, int]:
        """`count` messages, flat out or at `rate` a second; CPU and wall ns for all but the first.

        Without `spin` the server leaves its core to others between two messages. The meter stops
        the server's part too: this returns when the client has handled all.
        """
        child, port = self.clients[spec]
        child.tell("arm", count)
        child.hear()
        if rate:
            self.ask("pace" if spin else "stroll", port, count, rate)
        else:
            self.ask("blast", port, count)
        taken: dict[str, int] = child.hear()
        return taken

    def trials(
        self,
        spec: client.Spec,
        *,
        count: int,
        rate: float,
        seed: int,
        deadline_ns: int = DEADLINE_NS,
    ) -> list[int]:
        """`count` trigger trades at about 3 ms apart; ns from tick to order, -1 where none came."""
        _, port = self.clients[spec]
        taken: list[int] = self.ask("trials", port, count, 2_000_000, rate, seed, deadline_ns)
        return taken

    def question(self, spec: client.Spec, word: str) -> Any:
        """`tops` or `notes` of one client."""
        child, _ = self.clients[spec]
        child.tell(word, None)
        return child.hear()

    def describe(self, spec: client.Spec) -> dict[str, Any]:
        """What the server knows about one client."""
        described: dict[str, Any] = self.ask("describe", self.clients[spec][1])
        return described

    def close(self) -> None:
        """Everybody out."""
        for child, _ in self.clients.values():
            if child.process.is_alive():
                child.tell("stop", None)
                child.hear()
            child.end()
        if self._server.process.is_alive():
            self.ask("stop")
        self._server.end()


def cores() -> tuple[int | None, int | None]:
    """A core for the server and one for the clients; nothing where they cannot be had."""
    if not hasattr(os, "sched_getaffinity"):
        return None, None
    mine = sorted(os.sched_getaffinity(0))
    return (mine[0], mine[1]) if len(mine) > 1 else (None, None)


@contextmanager
def arena(
    specs: Sequence[client.Spec], *, block_size: int = 20_000, realtime: bool = False
) -> Iterator[Arena]:
    """An arena with these clients started; all processes end with it."""
    seats = [client.Seat(core, realtime) for core in cores()]
    server = start("load server", venue.serve, seats[0], block_size)
    opened = Arena(server, seats[1])
    try:
        for spec in specs:
            opened.enter(spec)
        yield opened
    except BaseException:
        for child in (*(child for child, _ in opened.clients.values()), server):
            child.process.kill()
            child.process.join()
        raise
    finally:
        opened.close()


def start(name: str, target: Any, *arguments: Any) -> Child:
    """A process that runs `target(pipe, *arguments)`."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(theirs, *arguments), name=name, daemon=True)
    process.start()
    theirs.close()
    return Child(name, process, ours)
