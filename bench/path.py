"""`python -m bench.path`: what a message costs between the frame's bytes and a book that is right.

The same frames, ids continuous, go several ways in turn, in one process and one run:

* *plain*: what `naive` does with a message once it has been read and queued: `json`, a book of
  dicts, the rule;
* *ours*: an open session, engine and rule, as `ours` has them;
* *desk*: an open session and a whole desk, as `desk` has them.

No socket is read: what a message costs the kernel, the loop and the reader of frames comes on top
(`bench.stages`, the races). CPU time, the smallest of many short rounds: other work can only make
one longer. The garbage collector is the command's own (`pitwire.cli.collector`), and at the end all
ways must have come to the same books.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import parse_qs

import msgspec
from rich.console import Console

from bench import answers, client, desk, naive, native, ours, report, traffic
from pitwire.cli.collector import Collector
from pitwire.desk.config import DeskConfig
from pitwire.desk.desk import Desk
from pitwire.desk.health import Health
from pitwire.model.clock import SystemClock
from pitwire.model.events import Event
from pitwire.session.session import Session
from pitwire.store.frames import Frames as Tables
from pitwire.wire.link import Receiver

Row = tuple[str, float, str]
Take = Callable[[bytes, bool], None]
"""(frame, whether a burst ends here)."""
CHUNK, WARM, ROUNDS = 500, 3, 40
BURST = 8
"""Messages that one read of the socket brings."""
WAYS = ("plain", "ours", "desk")
KINDS = ("mix", "trade", "diff", "quote")


class _Quotes:
    """Quotes of every symbol, ids rising."""

    def __init__(self) -> None:
        self._chance, self._id = random.Random(3), traffic.FIRST_BOOK

    def frame(self) -> bytes:
        place = self._chance.randrange(len(traffic.SYMBOLS))
        name, number = traffic.SYMBOLS[place], traffic.number
        self._id += 1
        bid, ask = (number(traffic.level_price(place, side, 1)) for side in "ba")
        sizes = [number(self._chance.randrange(1, 90_000) / 1000) for _ in range(2)]
        return (
            f'{{"stream":"{name.lower()}@bookTicker","data":{{"u":{self._id},"s":"{name}",'
            f'"b":"{bid}","B":"{sizes[0]}","a":"{ask}","A":"{sizes[1]}"}}}}'
        ).encode()


class Frames:
    """Chunk after chunk of each kind, ids continuous over all of them."""

    def __init__(self, chunk: int) -> None:
        self._chunk = chunk
        self._block = traffic.Block(chunk * 4, combined=True, micro=False)
        self._position = traffic.Position()
        self._quotes = _Quotes()

    def chunk(self, kind: str, now: int) -> list[bytes]:
        """So many frames of `KINDS`, as the venue would send them now."""
        if kind == "quote":
            return [self._quotes.frame() for _ in range(self._chunk)]
        wanted = {"mix": (0, 1), "trade": (0,), "diff": (1,)}[kind]
        block, found = self._block, []
        while True:
            for place, mark in enumerate(block.marks):
                if mark.kind not in wanted:
                    continue
                block.stamp(place, self._position, block.times(now))
                frame = bytes(block.data[block.start(place) : mark.end])
                found.append(frame[2 if frame[1] < 126 else 4 :])
                if len(found) == self._chunk:
                    return found


class Wire:
    """Both ends of a connection without one: what the session asks for is there."""

    def __init__(self) -> None:
        self.receiver: Receiver
        self._position = traffic.Position()

    async def dial(self, _url: str, receiver: Receiver) -> Wire:
        self.receiver = receiver
        return self

    async def fetch(
        self, _method: str, url: str, _headers: Mapping[str, str], _body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        path, _, query = url.partition("?")
        if path.endswith("/depth"):
            place = traffic.SYMBOLS.index(parse_qs(query)["symbol"][0])
            return 200, {}, traffic.snapshot(place, traffic.FIRST_BOOK, 1000)
        return 200, {}, msgspec.json.encode(answers.exchange_info(1_700_000_000_000))

    # ── Link ──

    def send(self, frame: bytes) -> None:
        answer = json.dumps({"result": None, "id": json.loads(frame)["id"]}).encode()
        asyncio.get_running_loop().call_soon(self.receiver.on_frame, answer, True)

    def ping(self, payload: bytes = b"") -> None:
        asyncio.get_running_loop().call_soon(self.receiver.on_pong, payload)

    def close(self, code: int = 1000, reason: str = "") -> None: ...

    def abort(self) -> None: ...


class Plain(naive.Naive):
    """The plain script from the queue on."""

    def __init__(self) -> None:
        super().__init__(0, "hmac", client.Meter())
        for place, symbol in enumerate(naive.SYMBOLS):
            snapshot = traffic.snapshot(place, traffic.FIRST_BOOK, 1000)
            self._books[symbol].fill(json.loads(snapshot))

    async def start(self) -> Take:  # type: ignore[override]
        """Nothing is to be done."""
        return self.take

    def take(self, frame: bytes, _drained: bool) -> None:
        """One message, as `_work` takes it; the script's own connection has no wrapper."""
        event = json.loads(frame[frame.index(b'"data":') + 7 : -1].decode())
        match event.get("e"):
            case "trade":
                price, size = float(event["p"]), float(event["q"])
                if (
                    event["s"] == traffic.TRIGGER_SYMBOL
                    and size > 0
                    and price >= traffic.TRIGGER_PRICE
                ):
                    raise RuntimeError("path: found a trade that triggers, expected none")
                self._meter.count()
            case "depthUpdate":
                self._books[event["s"]].apply(event)
                self._meter.count()
            case None:
                _ = float(event["b"]), float(event["B"]), float(event["a"]), float(event["A"])


class Carried:
    """A session over a `Wire`, and whoever listens to it."""

    def __init__(self, way: str) -> None:
        self.wire, self._clock = Wire(), SystemClock()
        self._meter = client.Meter()
        self._engine = ours.engine([ours.trigger] if way == "ours" else [], self._clock)
        self._desk: Desk | None = None
        if way == "desk":
            health = Health(self._clock.now())
            self._desk = Desk(
                DeskConfig(),
                self._engine,
                clock=self._clock,
                health=health,
                frames=Tables(desk.KEPT),
            )

    async def start(self) -> Take:
        """Everything is subscribed to and every book right; what takes a frame."""
        heard = self._heard_by_desk if self._desk else self._heard
        setup = ours.setup(1, "hmac", on_events=heard, clock=self._clock)
        setup = msgspec.structs.replace(
            setup, dial=self.wire.dial, fetch=self.wire.fetch, credentials=None
        )
        self._session = await Session(setup).open()
        state = self._engine.state
        state.instruments.update(await self._session.load_instruments())
        if self._desk is not None:
            self._desk.attach(self._session)
            self._desk.begin([ours.trigger])
        await self._session.subscribe_to_ticker(*traffic.OURS)
        await ours.subscribe(self._session, state)
        return self.wire.receiver.on_frame

    def tops(self) -> client.Tops:
        """Best five levels a side of every symbol."""
        return ours.tops(self._engine.state)

    def _heard(self, events: Sequence[Event], now: int, drained: bool) -> None:
        apply = self._engine.apply
        for event in events:
            apply(event)
        if drained:
            for command in self._engine.decide(now):
                raise RuntimeError(f"path: found {command}, expected no command")
        self._meter.count_all(events)

    def _heard_by_desk(self, events: Sequence[Event], now: int, drained: bool) -> None:
        assert self._desk is not None
        self._desk.on_events(events, now, drained)
        self._meter.count_all(events)


def rows(
    kinds: Sequence[str] = KINDS, ways: Sequence[str] = WAYS, rounds: int = ROUNDS
) -> list[Row]:
    """(way and kind, µs a message, remark)."""
    taken = asyncio.run(_measured(kinds, ways, rounds))
    found = []
    for kind in kinds:
        for way in ways:
            mine = min(taken[way, kind])
            remark = ""
            if "plain" in ways and way != "plain":
                remark = f"plain ÷ this: {min(taken['plain', kind]) / mine:.2f}"
            found.append((f"{kind}, {way}", mine, remark))
    return found


async def _measured(
    kinds: Sequence[str], ways: Sequence[str], rounds: int
) -> dict[tuple[str, str], list[float]]:
    made = {way: Plain() if way == "plain" else Carried(way) for way in ways}
    takes = {way: await one.start() for way, one in made.items()}
    taken: dict[tuple[str, str], list[float]] = {(way, kind): [] for way in ways for kind in kinds}
    frames, clock = Frames(CHUNK), SystemClock()
    with Collector(clock.now()) as collector:
        for number in range(WARM + rounds):
            for kind in kinds:
                chunk = frames.chunk(kind, clock.now())
                for way, take in takes.items():
                    await asyncio.sleep(0)
                    collector.quiet(clock.now())
                    spent = _spent(take, chunk)
                    if number >= WARM:
                        taken[way, kind].append(spent)
    check_tops({way: one.tops() for way, one in made.items()})
    return taken


def title() -> str:
    """What the rows are of, and with which parts of ours."""
    return f"What a message costs, frame to book ({native.installed()} parts)"


def check_tops(tops: Mapping[str, client.Tops]) -> None:
    """Raise unless every way has come to the same books."""
    (first, expected), *others = tops.items()
    for way, found in others:
        for symbol, sides in found.items():
            if sides != expected[symbol]:
                text = f"path: {way} has {symbol} at {sides}, {first} at {expected[symbol]}"
                raise RuntimeError(text)


def _spent(take: Take, chunk: Sequence[bytes]) -> float:
    """µs of CPU a message."""
    last = len(chunk) - 1
    pairs = [(frame, n % BURST == BURST - 1 or n == last) for n, frame in enumerate(chunk)]
    began = time.process_time_ns()
    for frame, drained in pairs:
        take(frame, drained)
    return (time.process_time_ns() - began) / len(chunk) / 1e3


if __name__ == "__main__":
    Console().print(report.rows_table(title(), "µs", rows()))
