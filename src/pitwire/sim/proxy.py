"""A proxy on this machine that breaks real sockets, for any client and any server; needs no root.

    async with Proxy("127.0.0.1", venue.port, [Reset(at_seconds=5)]) as proxy:
        ...  # connect to proxy.port

House rules: nothing is lost within a connection that stands, as TCP has it: what is swallowed comes
later, or never and the connection with it; WebSocket frames are cut out only to spoil them or to
put others between; a script's time begins with `start`, or anew with `begin`.
"""

from __future__ import annotations

import asyncio
import ssl as tls
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from pitwire.model.entropy import Entropy
from pitwire.sim.proxy_faults import (
    Answer,
    Fin,
    Hang,
    Insert,
    ProxyFault,
    Refuse,
    Reset,
    Swallow,
)
from pitwire.sim.proxy_frames import inserted
from pitwire.sim.proxy_lanes import Crossing, Schedule, Streams

_HEAD_BYTES = 64 * 1024


class Proxy:
    """Listens on a local port and passes on to `host:port`, with faults."""

    def __init__(
        self,
        host: str,
        port: int,
        faults: Sequence[ProxyFault] = (),
        *,
        seed: int = 1,
        listen_host: str = "127.0.0.1",
        listen_port: int = 0,
        ssl: tls.SSLContext | None = None,
    ) -> None:
        self._upstream = (host, port)
        self._listen = (listen_host, listen_port)
        self._ssl = ssl
        self.schedule = Schedule(faults, chance=Entropy(seed).stream("proxy"))
        self._server: asyncio.Server | None = None
        self._over = False
        """Whether it has been stopped: who comes now is not let in."""
        self._crossings: set[Crossing] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._script: set[asyncio.Task[None]] = set()
        self.dials = 0
        """How many connections were made to it, the refused ones not counted."""

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._listen[1]

    @property
    def happened(self) -> list[tuple[float, ProxyFault]]:
        """(seconds since the start, fault) for each that has begun to matter, in order."""
        return self.schedule.happened

    async def start(self, *, begins: bool = True) -> None:
        """Listen; the script's time begins, or waits for `begin`."""
        self._over = False
        await self._open()
        if begins:
            self.begin()

    def begin(self) -> None:
        """Let the script's time begin, now."""
        for task in self._script:
            task.cancel()
        self._script.clear()
        self.schedule.begin(asyncio.get_running_loop().time())
        for fault in self.schedule.faults:
            if isinstance(fault, Reset | Fin | Swallow | Insert | Refuse):
                self._spawn(self._later(fault), self._script)

    async def apply(self, fault: ProxyFault) -> None:
        """Let one more thing go wrong, from now on; `at_seconds` is not waited for."""
        self.schedule.add(fault)
        if isinstance(fault, Reset | Fin | Swallow | Insert | Refuse):
            await self._do(fault)

    async def stop(self) -> None:
        """Drop everybody and stop listening."""
        self._over = True
        for task in (*self._script, *self._tasks):
            task.cancel()
        await asyncio.gather(*self._script, *self._tasks, return_exceptions=True)
        await self._shut()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    # ── the script ────────────────────────────────────────────────────────────────────────────

    async def _later(self, fault: ProxyFault) -> None:
        await asyncio.sleep(self.schedule.begins_in(fault))
        await self._do(fault)

    async def _do(self, fault: ProxyFault) -> None:
        self.schedule.note(fault)
        if isinstance(fault, Refuse):
            await self._shut()
            await asyncio.sleep(fault.for_seconds)
            await self._open()
            return
        for crossing in [each for each in self._crossings if each.is_meant(fault)]:
            match fault:
                case Reset():
                    crossing.reset()
                case Fin():
                    crossing.finish()
                case Swallow():
                    crossing.swallow(fault)
                case Insert():
                    self._spawn(_insert(crossing, fault), self._tasks)

    # ── connections ───────────────────────────────────────────────────────────────────────────

    async def _open(self) -> None:
        host, port = self._listen
        self._server = await asyncio.start_server(
            self._accept, host, port, ssl=self._ssl, limit=_HEAD_BYTES
        )
        self._listen = (host, self._server.sockets[0].getsockname()[1])

    async def _shut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._over:
            writer.close()
            return
        self.dials += 1
        task = self._spawn(self._serve(reader, writer), self._tasks)
        task.add_done_callback(lambda _: writer.close())  # who is stopped before a start, too

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].decode("latin-1") if head.count(b" ") else ""
            if not await self._is_let_in(path, writer):
                return
            inner = await self._dial()
            crossing = Crossing(path, (reader, writer), inner, schedule=self.schedule)
            self._crossings.add(crossing)
            try:
                await crossing.carry(head)
            finally:
                self._crossings.discard(crossing)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return

    async def _dial(self) -> Streams:
        dialling = asyncio.ensure_future(asyncio.open_connection(*self._upstream))
        try:
            return await asyncio.shield(dialling)
        except asyncio.CancelledError:
            # A connection that is made while we are cancelled belongs to nobody else.
            with suppress(OSError):
                (await dialling)[1].close()
            raise

    async def _is_let_in(self, path: str, writer: asyncio.StreamWriter) -> bool:
        hang = self.schedule.takes(Hang, path)
        if hang is not None:
            await asyncio.sleep(hang.for_seconds or 3600.0)
            return False
        answer = self.schedule.takes(Answer, path)
        if answer is None:
            return True
        writer.write(_http(answer))
        await writer.drain()
        return False

    def _spawn(
        self, work: Coroutine[None, None, None], tasks: set[asyncio.Task[None]]
    ) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return task


async def _insert(crossing: Crossing, fault: Insert) -> None:
    frame = inserted(fault.how, fault.code)
    for _ in range(fault.count):
        crossing.insert(frame)
        if fault.per_second:
            await asyncio.sleep(1 / fault.per_second)


def _http(answer: Answer) -> bytes:
    body = answer.body.encode()
    headers = {"Content-Length": str(len(body)), "Connection": "close"} | answer.headers
    lines = [f"HTTP/1.1 {answer.status} {answer.reason or 'Answered'}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join((*lines, "", "")).encode("latin-1") + body


def parse_address(text: str) -> tuple[str, int]:
    """`host:port`; raises `ValueError`."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"address: found {text!r}, expected host:port")
    return host, int(port)
