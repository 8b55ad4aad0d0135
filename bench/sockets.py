"""What a tape costs a desk that reads its frames from sockets, as every desk does.

A process on one core sends the frames of a recording to two desks in one process on another, of
which one keeps a tape: half a second's worth to the one, then the same to the other, and so on, the
one that begins changing. Of one process they are because where things lie in memory makes as much
as a tenth of what is measured, and that is the same for both then. What is counted is the CPU of
that process, with all threads and what the kernel does for it, until the tape has been written;
where the desk without a tape has its turn, what the threads of the other's tape do meanwhile (they
wake, and find nothing) is taken off. Then the tape is read and held against what was sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import select
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bench import arena, handshake, ours, traffic
from pitwire.cli.loops import loop_factory
from pitwire.desk.config import DeskConfig
from pitwire.desk.opening import open_desk
from pitwire.tape.format import Kind, Meta, decode_exchange
from pitwire.tape.reader import Tape
from pitwire.venues.venue import Endpoints

RATE = 20_000
"""Frames a second."""
BURST = RATE // 1000
"""Frames that come at once, each millisecond, where they do not come each at its own moment."""
PROCESSES = 4
"""Each with two desks, and with memory laid out anew."""
TURNS = (1, *(1, BURST) * 4)
"""How many frames come at once in each turn. The first is for the caches and is not counted."""
SETTLED_SECONDS = 0.15
"""After a turn: what came is read, decided on, and written."""
WITHIN_SECONDS = 30.0

Tell = Callable[[str], None]
ConfigOf = Callable[[Meta, Path | None], DeskConfig]


@dataclass(frozen=True)
class Pair:
    """Two turns with the same frames: µs of CPU a frame without a tape, and with one."""

    bare_us: float
    taped_us: float

    @property
    def share(self) -> float:
        """With over without."""
        return self.taped_us / self.bare_us


@dataclass(frozen=True)
class Beside:
    """What was found."""

    alone: list[Pair]
    """Where each frame comes at a moment of its own; bar of the median share: 1.10."""
    at_once: list[Pair]
    """Where `BURST` of them come at once, and cost a desk less."""
    lost: int
    """Frames that were sent and are not on their tape in their place; bar 0."""
    rate: float
    """Frames a second as they were sent, the slowest turn."""


def share(pairs: Sequence[Pair]) -> float:
    """Of the pair in the midst."""
    return statistics.median(pair.share for pair in pairs)


def spread(pairs: Sequence[Pair]) -> str:
    """The share, between which two the middle half of them lies, of how many, and of how much."""
    bare = statistics.median(pair.bare_us for pair in pairs)
    shares = [pair.share for pair in pairs]
    low, _, high = statistics.quantiles(shares, n=4, method="inclusive")
    told = f"({low:.3f}–{high:.3f}, {len(pairs)} pairs)"
    return f"× {share(pairs):.3f} {told} of {bare:.1f} µs a frame"


def measure(run: Path, folder: Path, frames: Sequence[bytes], tell: Tell) -> Beside:
    """Desks beside each other over loopback sockets, in so many `PROCESSES`."""
    found = Beside([], [], 0, float("inf"))
    count = min(RATE, len(frames) // len(TURNS) // BURST * BURST)
    for number in range(PROCESSES):
        tape = folder / str(number)
        alone, at_once, slowest = _process_of_two(run, tape, count, number % 2)
        found = Beside(
            found.alone + alone,
            found.at_once + at_once,
            found.lost + missing(tape, frames[: len(TURNS) * count]),
            min(found.rate, slowest),
        )
        one, other = share(alone), share(at_once)
        tell(f"tape: over sockets × {one:.3f}, {BURST} frames at once × {other:.3f}")
    return found


def _process_of_two(
    run: Path, tape: Path, count: int, who_begins: int
) -> tuple[list[Pair], list[Pair], float]:
    """The pairs of turns of each way of sending, and the least frames a second."""
    pairs: dict[int, list[Pair]] = {}
    slowest = float("inf")
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(_process(_SERVE, str(run)))
        ports = [server.ask("listen") for _ in range(2)]
        desks = stack.enter_context(_process(_LIVE, str(run), str(tape), *ports))
        desks.aside = json.loads(desks.hear())  # once both are open
        for number, at_once in enumerate(TURNS):
            used = [0.0, 0.0]
            for is_taped in ((0, 1), (1, 0))[(number + who_begins) % 2]:
                before = desks.cpu(not is_taped)
                order = f"send {ports[is_taped]} {number * count} {count} {at_once}"
                took = float(server.ask(order))
                used[is_taped] = _settled(desks, before, not is_taped) - before
                slowest = min(slowest, count / took)
            if number:
                bare, taped = (seconds / count * 1e6 for seconds in used)
                pairs.setdefault(at_once, []).append(Pair(bare, taped))
        told = json.loads(desks.ask("stop"))
    if told[0] != told[1]:
        raise arena.Failed(f"two desks that heard the same have other books: {told}")
    return pairs[1], pairs[BURST], slowest


def _settled(desks: _Child, before: float, is_bare: bool) -> float:
    """Seconds of CPU once a desk has read what it was sent; on a busy machine it may not have had
    its turn at once."""
    until = time.monotonic() + WITHIN_SECONDS
    time.sleep(SETTLED_SECONDS)
    while (after := desks.cpu(is_bare)) == before:
        if time.monotonic() > until:
            raise arena.Failed("a desk of the section tape has no turn")
        time.sleep(SETTLED_SECONDS)
    return after


def missing(folder: Path, sent: Sequence[bytes]) -> int:
    """How many frames that were sent are not on the tape in their place, or were never sent.

    What else a venue says, its answers to asks, begins otherwise and is left out.
    """
    kept = [
        record.payload
        for record in Tape(folder).records(only=Kind.IN)
        if not record.payload.startswith(_ANSWER)
    ]
    wrong = sum(one != other for one, other in zip(kept, sent, strict=False))
    return wrong + abs(len(kept) - len(sent))


# ── processes ─────────────────────────────────────────────────────────────────────────────────


class _Child:
    """A process that is told lines and answers each with one."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.aside: list[int] = []
        """Threads of which `cpu` may leave out what they used, by the kernel's numbers."""

    def ask(self, line: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        return self.hear()

    def hear(self) -> str:
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], WITHIN_SECONDS)[0]:
            raise arena.Failed("a process of the section tape says nothing")
        told = self._process.stdout.readline()
        if not told:
            raise arena.Failed("a process of the section tape ended before its time")
        return told.rstrip("\n")

    def cpu(self, without_aside: bool) -> float:
        """Seconds of CPU of all its threads, by the clock that the kernel keeps of a process."""
        used = time.clock_gettime(~self._process.pid << 3 | 2)  # clock_getcpuclockid(3)
        if without_aside:
            tasks = Path(f"/proc/{self._process.pid}/task")
            told = [(tasks / str(one) / "schedstat").read_text() for one in self.aside]
            used -= sum(int(line.split()[0]) for line in told) / 1e9
        return used


@contextlib.contextmanager
def _process(code: str, *arguments: str) -> Iterator[_Child]:
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    try:
        yield _Child(process)
    finally:
        process.kill()
        process.communicate()


def _sit(core: int | None) -> None:
    if core is not None:
        os.sched_setaffinity(0, {core})


# ── two desks ─────────────────────────────────────────────────────────────────────────────────

_LIVE = """
import sys
from pathlib import Path
from bench import sockets, tape
run, folder, *ports = sys.argv[1:]
sockets.live(Path(run), Path(folder), ports, tape.config_of)
"""
_THREADS = ("tape", "tape-sync")


def live(run: Path, folder: Path, ports: Sequence[str], config_of: ConfigOf) -> None:
    """A process of two desks, without a tape and with one: open, say so and which threads are the
    tape's, live until told to stop, say the books."""
    _sit(arena.cores()[1])
    ours.be_patient()  # while it is the other's turn a desk hears nothing
    meta = Tape(run).meta
    configs = [config_of(meta, None), config_of(meta, folder)]
    with asyncio.Runner(loop_factory=loop_factory(configs[0].loop.kind)) as runner:
        print(runner.run(_lived(configs, ports)), flush=True)


async def _lived(configs: Sequence[DeskConfig], ports: Sequence[str]) -> str:
    desks = []
    for config, port in zip(configs, ports, strict=True):
        at = f"127.0.0.1:{port}"
        endpoints = Endpoints(market=f"ws://{at}", orders=f"ws://{at}", http=f"http://{at}")
        desks.append(await open_desk(config, endpoints=endpoints))
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), told.set)
    threads = [one.native_id for one in threading.enumerate() if one.name in _THREADS]
    print(json.dumps(threads), flush=True)
    await told.wait()
    loop.remove_reader(sys.stdin.fileno())
    symbols = configs[0].venue.symbols
    books = [desk.engine.state.books for desk in desks]
    tops = [{symbol: repr(one[symbol].depth(5)) for symbol in symbols} for one in books]
    for desk in desks:
        await desk.stop(within_seconds=1.0)
        assert desk.tape is None or not desk.tape.dropped, "nothing is lost in the desk"
    return json.dumps(tops)


# ── the venue ─────────────────────────────────────────────────────────────────────────────────

_SERVE = """
import sys
from pathlib import Path
from bench import sockets
sockets.serve(Path(sys.argv[1]))
"""
_ANSWER = b'{"result":'


def serve(run: Path) -> None:
    """The server's process: on its core, until its orders end."""
    _sit(arena.cores()[0])
    _Server(run).obey()


class _Peer:
    """One connection of a desk."""

    def __init__(self, sock: socket.socket, port: int) -> None:
        self.sock, self.port = sock, port
        self.inbox = bytearray()
        self.upgraded = False


class _Server:
    """Just enough of a venue: its answers are the recording's, its frames are made beforehand."""

    def __init__(self, run: Path) -> None:
        self._answers: dict[tuple[str, str], bytes] = {}
        frames = []
        for record in Tape(run).records():
            if record.kind is Kind.IN:
                frames.append(traffic.text_frame(record.payload))
            elif record.kind is Kind.HTTP:
                exchange = decode_exchange(record.payload)
                self._answers.setdefault(_asked(exchange.url), exchange.body)
        self._frames = frames
        self._poll = select.poll()
        self._poll.register(sys.stdin.fileno(), select.POLLIN)
        self._listeners: dict[int, socket.socket] = {}
        self._peers: dict[int, _Peer] = {}

    def obey(self) -> None:
        """`listen` → a port; `send PORT BEGIN COUNT AT_ONCE` → the seconds that it took."""
        while True:
            if not self._turn(1000):
                continue
            match sys.stdin.readline().split():
                case ["listen"]:
                    print(self._listen(), flush=True)
                case ["send", port, begin, count, at_once]:
                    took = self._send(int(port), int(begin), int(count), int(at_once))
                    print(took, flush=True)
                case _:
                    return

    def _listen(self) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        self._listeners[listener.fileno()] = listener
        self._poll.register(listener.fileno(), select.POLLIN)
        port: int = listener.getsockname()[1]
        return port

    def _send(self, port: int, begin: int, count: int, at_once: int) -> float:
        """Frames at moments of their own, drawn as those of arrivals are, or so many at once."""
        (peer,) = [one for one in self._peers.values() if one.upgraded and one.port == port]
        seconds = count / RATE
        if at_once == 1:
            chance = random.Random(begin)
            moments = sorted(chance.uniform(0.0, seconds) for _ in range(count))
        else:
            moments = [part * at_once / RATE for part in range(count // at_once)]
        began = time.perf_counter()
        for moment, first in zip(moments, range(begin, begin + count, at_once), strict=True):
            while (left := began + moment - time.perf_counter()) > 0:
                self._turn(0)
                time.sleep(max(0.0, min(left, began + moment - time.perf_counter())))
            peer.sock.sendall(b"".join(self._frames[first : first + at_once]))
        return max(seconds, time.perf_counter() - began)

    def _turn(self, within_ms: int) -> bool:
        """Serve whoever asks; whether there is an order."""
        is_told = False
        for fd, _ in self._poll.poll(within_ms):
            if fd == sys.stdin.fileno():
                is_told = True
            elif fd in self._listeners:
                sock, _ = self._listeners[fd].accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._peers[sock.fileno()] = _Peer(sock, sock.getsockname()[1])
                self._poll.register(sock.fileno(), select.POLLIN)
            else:
                self._serve(self._peers[fd])
        return is_told

    def _serve(self, peer: _Peer) -> None:
        try:
            data = peer.sock.recv(1 << 16)
        except ConnectionError:
            data = b""
        if not data:
            self._poll.unregister(peer.sock.fileno())
            del self._peers[peer.sock.fileno()]
            peer.sock.close()
            return
        peer.inbox += data
        if not peer.upgraded:
            self._http(peer)
        if peer.upgraded:
            self._asks(peer)

    def _http(self, peer: _Peer) -> None:
        while not peer.upgraded and b"\r\n\r\n" in peer.inbox:
            end = peer.inbox.index(b"\r\n\r\n") + 4
            head = handshake.parse_head(bytes(peer.inbox[: end - 4]))
            del peer.inbox[:end]
            if key := head.headers.get("sec-websocket-key"):
                peer.upgraded = True
                peer.sock.sendall(handshake.accept(key))
                continue
            body = self._answers.get(_asked(f"{head.path}?{head.query}"), b"")
            if head.path.endswith("/time"):
                body = json.dumps({"serverTime": time.time_ns() // 1_000_000}).encode()
            status = "200 OK" if body else "404 Not Found"
            peer.sock.sendall(handshake.http_answer(body or b"{}", status))

    def _asks(self, peer: _Peer) -> None:
        while (frame := handshake.read_frame(peer.inbox)) is not None:
            del peer.inbox[: frame.size]
            if frame.opcode == 1:
                told: dict[str, Any] = json.loads(frame.payload)
                answer = _ANSWER + b'null,"id":' + json.dumps(told["id"]).encode() + b"}"
                peer.sock.sendall(traffic.text_frame(answer))
            elif frame.opcode == 8:
                peer.sock.sendall(handshake.control_frame(8, frame.payload))
            elif frame.opcode == 9:
                peer.sock.sendall(handshake.control_frame(10, frame.payload))


def _asked(url: str) -> tuple[str, str]:
    """What tells one recorded answer from another: the end of its path, and the symbol."""
    parts = urlsplit(url)
    symbol = parse_qs(parts.query).get("symbol", [""])[0]
    return parts.path.rpartition("/")[2], symbol
