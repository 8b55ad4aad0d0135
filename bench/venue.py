"""The bench's own load server, in a process of its own: frames made beforehand, sockets polled.

It speaks just enough Binance for a client to connect, subscribe, log on and place orders, and it
clocks an order from before the write of the trigger trade to after the read of the whole frame.
"""

from __future__ import annotations

import gc
import json
import random
import select
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from bench import answers, client, handshake, traffic

CHUNK = 1 << 18
TRIES = 20
"""So often at most somebody is woken before he is measured."""
STIRRED, REST_NS = 400, 200_000_000
"""Messages before the trials of a client, and how long after them the trials begin. In the meantime
both cores are left to others: a kernel keeps a share of each for ordinary work and takes it, as
much as 50 ms at once, in the midst of whoever has let nobody run for most of a second."""


class Peer:
    """One accepted connection of a client."""

    def __init__(self, lane: Lane, sock: socket.socket) -> None:
        self.lane, self.sock = lane, sock
        self.inbox = bytearray()
        self.upgraded = self.orders = False


@dataclass(eq=False)
class Lane:
    """One client under test: its port, its connections, where its ids stand."""

    listener: socket.socket
    position: traffic.Position = field(default_factory=traffic.Position)
    market: Peer | None = None
    streams: set[str] = field(default_factory=set)
    combined: bool = False
    micro: bool = False
    peers: list[Peer] = field(default_factory=list)
    place: int = 0
    orders_seen: int = 0
    order_arrived: int = 0
    last_order: bytes = b""
    unknown: list[str] = field(default_factory=list)


class LoadServer:
    """All lanes on one epoll; a command from the bench is carried out before the next is read."""

    def __init__(self, control: Connection, block_size: int) -> None:
        self._control, self._block_size = control, block_size
        self._epoll = select.epoll()
        self._epoll.register(control.fileno(), select.EPOLLIN)
        self._lanes: dict[int, Lane] = {}
        self._listeners: dict[int, Lane] = {}
        self._peers: dict[int, Peer] = {}
        self._blocks: dict[tuple[bool, bool], traffic.Block] = {}
        self._triggers: dict[tuple[bool, bool], traffic.Trigger] = {}
        self._running = True

    def run(self) -> None:
        """Serve until told to stop."""
        while self._running:
            for fd, _ in self._epoll.poll(1.0):
                if fd == self._control.fileno():
                    self._listen_to_bench()
                else:
                    self._serve(fd)
        for peer in list(self._peers.values()):
            self._drop(peer)
        for lane in self._lanes.values():
            lane.listener.close()
        self._epoll.close()

    # ── commands ──

    def _listen_to_bench(self) -> None:
        try:
            name, arguments = self._control.recv()
        except EOFError:  # the bench is gone
            self._stop()
        else:
            self._obey(name, arguments)

    def _obey(self, name: str, arguments: Sequence[Any]) -> None:
        commands: dict[str, Callable[..., Any]] = {
            "listen": self._listen,
            "describe": self._describe,
            "blast": self._blast,
            "pace": self._pace,
            "stroll": self._stroll,
            "trials": self._trials,
            "stop": self._stop,
        }
        self._control.send(commands[name](*arguments))

    def _stop(self) -> None:
        self._running = False

    def _listen(self) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        port: int = listener.getsockname()[1]
        self._lanes[port] = lane = Lane(listener)
        self._epoll.register(listener.fileno(), select.EPOLLIN)
        self._listeners[listener.fileno()] = lane
        return port

    def _describe(self, port: int) -> dict[str, Any]:
        lane = self._lanes[port]
        return {
            "streams": len(lane.streams),
            "orders": lane.orders_seen,
            "last_order": lane.last_order,
            "combined": lane.combined,
            "unknown": lane.unknown,
        }

    def _blast(self, port: int, count: int) -> None:
        """Send `count` frames from the start of the block, as fast as the client reads."""
        lane, block, sock = self._open(port)
        lane.place = 0
        while count:
            part = min(count, len(block.marks))
            times = block.times(time.time_ns())
            for place in range(part):
                block.stamp(place, lane.position, times)
            with memoryview(block.data)[: block.marks[part - 1].end] as frames:
                for begin in range(0, len(frames), CHUNK):
                    self._push(sock, frames[begin : begin + CHUNK])
            count -= part

    def _pace(self, port: int, count: int, rate: float) -> None:
        """Send `count` frames, each at its own moment, `rate` a second on average."""
        lane, _, _ = self._open(port)
        schedule = _Schedule(rate, time.monotonic_ns(), seed=count)
        while count:
            now = time.monotonic_ns()
            if now >= schedule.due:
                schedule.advance()
                self._send_next(lane)
                count -= 1
            elif schedule.due - now > 100_000:
                self._turn()

    def _stroll(self, port: int, count: int, rate: float) -> None:
        """The same without a core of its own: between two moments it sleeps, so some are late."""
        lane, _, _ = self._open(port)
        schedule = _Schedule(rate, time.monotonic_ns(), seed=count)
        while count:
            if (early := schedule.due - time.monotonic_ns()) > 0:
                self._turn()
                time.sleep(early / 1e9)
            schedule.advance()
            self._send_next(lane)
            count -= 1

    def _trials(
        self, port: int, count: int, gap_ns: int, rate: float, seed: int, deadline_ns: int
    ) -> list[int]:
        """Trigger `count` orders and time each in ns; -1 where none came by the deadline.

        One before them is not timed: it wakes whoever has slept since all was silent.
        """
        lane, _, _ = self._open(port)
        self._stir(lane)
        for _ in range(TRIES):
            if self._trial(lane, None, deadline_ns) >= 0:
                break
        chance = random.Random(seed)
        schedule = _Schedule(rate, time.monotonic_ns(), seed) if rate else None
        taken = []
        for _ in range(count):
            pause = gap_ns + chance.randrange(gap_ns)
            self._wait(lane, time.monotonic_ns() + pause, schedule)
            taken.append(self._trial(lane, schedule, deadline_ns))
        return taken

    def _stir(self, lane: Lane) -> None:
        """Every stream speaks: the client was idle while others were measured, and a feed that
        was silent for so long is stale, into which it sends no order."""
        for _ in range(STIRRED):
            self._send_next(lane)
        self._rest(time.monotonic_ns() + REST_NS)

    def _trial(self, lane: Lane, schedule: _Schedule | None, deadline_ns: int) -> int:
        trigger = self._triggers[lane.combined, lane.micro]
        trigger.stamp(0, lane.position, trigger.times(time.time_ns()))
        market = _market(lane)
        lane.order_arrived = 0
        started = time.monotonic_ns()
        self._push(market.sock, memoryview(trigger.data))
        while not lane.order_arrived:
            now = time.monotonic_ns()
            if now - started > deadline_ns:
                return -1
            if schedule is not None and now >= schedule.due:
                schedule.advance()
                self._send_next(lane)
            self._turn()
        return lane.order_arrived - started

    def _rest(self, until: int) -> None:
        """Asleep, but for what comes."""
        while (left := until - time.monotonic_ns()) > 0:
            self._turn(left / 1e9)

    def _wait(self, lane: Lane, until: int, schedule: _Schedule | None) -> None:
        while (now := time.monotonic_ns()) < until:
            if schedule is not None and now >= schedule.due:
                schedule.advance()
                self._send_next(lane)
            else:
                self._turn()

    # ── sending ──

    def _open(self, port: int) -> tuple[Lane, traffic.Block, socket.socket]:
        lane = self._lanes[port]
        wanted = {f"{symbol.lower()}@trade" for symbol in traffic.SYMBOLS}
        if lane.market is None or not wanted <= lane.streams:
            raise RuntimeError(f"port {port}: found {len(lane.streams)} streams, expected all")
        key = lane.combined, lane.micro
        if key not in self._blocks:
            combined, micro = key
            self._blocks[key] = traffic.Block(self._block_size, combined=combined, micro=micro)
            self._triggers[key] = traffic.Trigger(combined=combined, micro=micro)
        return lane, self._blocks[key], lane.market.sock

    def _send_next(self, lane: Lane) -> None:
        block = self._blocks[lane.combined, lane.micro]
        place, market = lane.place, _market(lane)
        block.stamp(place, lane.position, block.times(time.time_ns()))
        with memoryview(block.data)[block.start(place) : block.marks[place].end] as frame:
            self._push(market.sock, frame)
        lane.place = (place + 1) % len(block.marks)

    def _push(self, sock: socket.socket, frames: memoryview) -> None:
        while len(frames):
            try:
                frames = frames[sock.send(frames) :]
            except BlockingIOError:
                select.select([], [sock], [], 1.0)
                self._turn()
            except ConnectionError:
                return  # its end is noticed, and told, where it is read

    # ── receiving ──

    def _turn(self, within_seconds: float = 0.0) -> None:
        for fd, _ in self._epoll.poll(within_seconds):
            if fd != self._control.fileno():
                self._serve(fd)

    def _serve(self, fd: int) -> None:
        peer = self._peers.get(fd)
        if peer is None:
            if fd in self._listeners:  # else it was closed in this very turn
                self._accept(self._listeners[fd])
            return
        try:
            data = peer.sock.recv(1 << 16)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        if not data:
            self._drop(peer)
            return
        peer.inbox += data
        if peer.upgraded:
            self._frames(peer)
        else:
            self._http(peer)

    def _accept(self, lane: Lane) -> None:
        try:
            sock, _ = lane.listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # who dialled has given up before it was accepted
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer = Peer(lane, sock)
        lane.peers.append(peer)
        self._peers[sock.fileno()] = peer
        self._epoll.register(sock.fileno(), select.EPOLLIN)

    def _drop(self, peer: Peer) -> None:
        self._epoll.unregister(peer.sock.fileno())
        del self._peers[peer.sock.fileno()]
        peer.sock.close()
        if peer.lane.market is peer:
            peer.lane.market, peer.lane.streams = None, set()

    def _http(self, peer: Peer) -> None:
        while b"\r\n\r\n" in peer.inbox:
            end = peer.inbox.index(b"\r\n\r\n") + 4
            head = handshake.parse_head(bytes(peer.inbox[: end - 4]))
            del peer.inbox[:end]
            if "sec-websocket-key" in head.headers:
                self._upgrade(peer, head)
                return
            body, status = answers.rest(head, peer.lane.position, time.time_ns() // 1_000_000)
            if not isinstance(body, bytes):
                body = json.dumps(body).encode()
            self._push(peer.sock, memoryview(handshake.http_answer(body, status)))

    def _upgrade(self, peer: Peer, head: handshake.Head) -> None:
        peer.upgraded = True
        lane = peer.lane
        self._push(peer.sock, memoryview(handshake.accept(head.headers["sec-websocket-key"])))
        if "ws-api" in head.path:
            peer.orders = True
            return
        lane.market = peer
        lane.combined = head.path.startswith("/stream")
        lane.micro = "timeunit=microsecond" in head.query.lower()

    def _frames(self, peer: Peer) -> None:
        arrived = time.monotonic_ns()
        while (frame := handshake.read_frame(peer.inbox)) is not None:
            del peer.inbox[: frame.size]
            if frame.opcode == 1:
                self._request(peer, frame.payload, arrived)
            elif frame.opcode == 9:
                self._push(peer.sock, memoryview(handshake.control_frame(10, frame.payload)))
            elif frame.opcode == 8:
                self._push(peer.sock, memoryview(handshake.control_frame(8, frame.payload)))
                self._drop(peer)  # the server hangs up first (RFC 6455 §7.1.1)
                return

    def _request(self, peer: Peer, payload: bytes, arrived: int) -> None:
        lane, request = peer.lane, json.loads(payload)
        if not peer.orders:
            if request["method"] == "SUBSCRIBE":
                lane.streams.update(request["params"])
            self._say(peer, {"result": None, "id": request["id"]})
            return
        if request["method"] == "order.place":
            lane.orders_seen += 1
            lane.order_arrived, lane.last_order = arrived, payload
        answer = answers.method(request, time.time_ns() // 1_000_000, lane.orders_seen)
        if answer["status"] != 200:
            lane.unknown.append(request["method"])
        self._say(peer, answer)

    def _say(self, peer: Peer, answer: dict[str, Any]) -> None:
        text = json.dumps(answer, separators=(",", ":")).encode()
        self._push(peer.sock, memoryview(traffic.text_frame(text)))


def _market(lane: Lane) -> Peer:
    if lane.market is None:
        raise RuntimeError("the client under test has hung up its market connection")
    return lane.market


class _Schedule:
    """Moments of a Poisson stream of messages."""

    __slots__ = ("_chance", "_mean", "due")

    def __init__(self, rate: float, start: int, seed: int) -> None:
        self._chance, self._mean = random.Random(seed), rate / 1e9
        self.due = start
        self.advance()

    def advance(self) -> None:
        """The next moment, drawn from the one before."""
        self.due += round(self._chance.expovariate(self._mean))


def serve(control: Connection, seat: client.Seat, block_size: int) -> None:
    """The server's process: pin, serve, end."""
    client.take(seat)
    gc.disable()
    LoadServer(control, block_size).run()
