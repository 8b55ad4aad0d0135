"""By the short way and by the long one the same is heard, at the same time, in the same order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from contextvars import ContextVar, copy_context
from decimal import Decimal
from functools import partial
from itertools import islice, pairwise
from random import Random
from typing import Any, TypeAlias

import msgspec
import pytest

from bench import native
from pitwire.model.entropy import Entropy
from pitwire.model.errors import ConnectionLost
from pitwire.model.orders import Side
from pitwire.sim import express, recorded_book
from pitwire.sim.capture import CaptureRecord, Reader, open_frame
from pitwire.sim.express import Express
from pitwire.sim.facts import Kind, Listing, NewOrder, Refused, Traded
from pitwire.sim.faults import Drop
from pitwire.sim.history import Framed, RecordedMarket
from pitwire.sim.latency import LATENCIES, Constant, Latency
from pitwire.sim.links import MemoryLink
from pitwire.sim.loop import START, Deadlock, PlayedLoop, SimLoop
from pitwire.sim.world import MARKET_URL, World

SECOND = 1_000_000_000
SYMBOL = "AAA-BBB"
LISTING = Listing(
    symbol=SYMBOL, base="AAA", quote="BBB", tick=Decimal("0.01"), lot=Decimal("0.001")
)
STREAMS = "/".join(f"aaabbb@{kind}" for kind in ("depth@100ms", "trade", "bookTicker"))


def recording(
    count: int, seed: int, *, bare: bool = False, known: bool = False
) -> list[CaptureRecord]:
    """A book, and frames a few milliseconds apart, some of them of one moment.

    With `bare` they do not say of which stream they are; `known` ones are spelt as the venue
    spells them, so that a compiled part would read them.
    """
    chance = Entropy(seed).stream("frames")
    book = {"lastUpdateId": 10, "bids": [["0.99", "0.100"]], "asks": [["1.01", "0.100"]]}
    records = [CaptureRecord("http", "c", 0, json.dumps(book), "", "")]
    at, last = START, 10
    for number in range(count):
        at += chance.choice([0, 1, 400_000, 3_000_000, 20_000_000])
        kind = chance.choice(["trade", "depth@100ms", "bookTicker", "aggTrade"])
        price = f"{chance.choice([0.98, 0.99, 1.01, 1.02]):.2f}"
        data = {"s": "AAABBB", "u": number + 1}
        if kind == "aggTrade":
            data["e"] = kind
        if kind == "trade":
            data = {"e": "trade", "s": "AAABBB", "t": number, "p": price, "q": "0.030", "T": 1,
                    "m": price < "1"}  # fmt: skip
        elif kind == "depth@100ms":
            side, size = ("b", "a") if price < "1" else ("a", "b"), f"0.{chance.randint(0, 200):03}"
            data = {"e": "depthUpdate", "s": "AAABBB", "U": last + 1, "u": last + 2,
                    side[0]: [[price, size]], side[1]: []}  # fmt: skip
            last += 2
        if known and kind in ("trade", "depth@100ms"):
            data = as_the_venue_spells(data)
        text = json.dumps(data if bare else {"stream": f"aaabbb@{kind}", "data": data},
                          separators=(",", ":") if known else None)  # fmt: skip
        records.append(CaptureRecord("recv", "c", at, text, "", ""))
    return records


def as_the_venue_spells(data: dict[str, object]) -> dict[str, object]:
    """The same trade or diff with all its fields, in their order, and eight decimal places."""
    if data["e"] == "trade":
        sized = {name: f"{float(str(data[name])):.8f}" for name in "pq"}
        return {"e": "trade", "E": 1, **{name: data[name] for name in "st"}, **sized,
                "T": 1, "m": data["m"], "M": True}  # fmt: skip
    sides: dict[str, list[list[str]]] = {
        name: [[f"{float(text):.8f}" for text in level] for level in data[name]]  # type: ignore[attr-defined]
        for name in "ba"
    }
    return {"e": "depthUpdate", "E": 1, **{name: data[name] for name in "sUu"}, **sides}


class Hears:
    """Notes what it hears, and when."""

    def __init__(self, world: World, said: list[tuple[int, object, bool]]) -> None:
        self._clock, self._said = world.clock, said

    def on_frame(self, frame: bytes, drained: bool) -> None:
        self._said.append((self._clock.now(), bytes(frame), drained))

    def on_ping(self, payload: bytes) -> None:
        self._said.append((self._clock.now(), b"ping", False))

    def on_pong(self, payload: bytes) -> None:
        self._said.append((self._clock.now(), payload, False))

    def on_lost(self, error: ConnectionLost) -> None:
        self._said.append((self._clock.now(), b"lost", False))


def heard(
    latency: str,
    connections: int,
    *,
    bare: bool = False,
    known: bool = False,
    first: str = "/stream?streams=",
    **options: object,
) -> list[tuple[int, object, bool]]:
    """What so many connections hear, and how our orders fare meanwhile."""
    records = recording(400, 3, bare=bare, known=known)
    market = RecordedMarket(LISTING, records, Entropy(1), held=True, begin=START + SECOND)
    world = World(
        recording=market,
        latency=LATENCIES[latency],
        accounts={"main": {"AAA": Decimal(10), "BBB": Decimal(10)}},
        **options,  # type: ignore[arg-type]
    )
    said: list[tuple[int, object, bool]] = []

    def place(side: Side, price: int) -> None:
        market.place(
            NewOrder(
                account="main", symbol=SYMBOL, side=side, kind=Kind.LIMIT, lots=40, price=price
            ),
            world.clock.now(),
        )
        world.act()

    async def life() -> None:
        ways = (first, "/ws/", "/stream?streams=")
        for way in ways[:connections]:
            await world.dial(f"{MARKET_URL}{way}{STREAMS}", Hears(world, said))
        market.release()
        world.act()
        while not market.finished:
            await asyncio.sleep(0.25)
            if world.clock.now() > START + 2 * SECOND:
                place(Side.BUY, 99)
            if world.clock.now() > START + 3 * SECOND:
                market.cancel_all("main", SYMBOL, world.clock.now())
                place(Side.SELL, 98)
        await asyncio.sleep(1)

    world.run(life())
    trades: list[Traded] = market.trades_of("main", SYMBOL)
    return [*said, *((trade.at, (trade.price, trade.lots), True) for trade in trades)]


@pytest.mark.parametrize("latency", ["none", "same-city"])
@pytest.mark.parametrize("connections", [1, 3])
def test_the_short_way_is_no_other_than_the_long_one(
    latency: str, connections: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = heard(latency, connections)
    monkeypatch.setattr(World, "_source", lambda _: None)
    long = heard(latency, connections)
    assert len(short) > 300
    assert any(isinstance(what, tuple) for _, what, _ in short), "orders were filled"
    assert short == long


@pytest.fixture(scope="module")
def part() -> object:
    """What reads the commonest frames, built anew from its source."""
    found = native.twin(native.RECORDED)
    if found is None:
        pytest.skip("no C compiler that can build it")
    return found


@pytest.mark.parametrize("latency", ["none", "same-city"])
def test_a_compiled_part_reads_nothing_else_of_a_recording(
    latency: str, part: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    for used in (None, part):
        monkeypatch.setattr(recorded_book, "Reader", partial(Reader, part=used))
        monkeypatch.setattr(express, "open_frame", partial(open_frame, part=used))
        told.append(heard(latency, 1, known=True))
    assert any(isinstance(what, tuple) for _, what, _ in told[0]), "orders were filled"
    assert told[0] == told[1]
    monkeypatch.setattr(World, "_source", lambda _: None)
    assert told[0] == heard(latency, 1, known=True)


class Asks(Hears):
    """Asks the venue at some frames, and has something to do a little later each time."""

    link: MemoryLink

    def on_frame(self, frame: bytes, drained: bool) -> None:
        super().on_frame(frame, drained)
        if len(self._said) % 60 == 0:
            asyncio.get_running_loop().call_soon(self._ask, "soon")
            self._ask("now")

    def _ask(self, when: str) -> None:
        self._said.append((self._clock.now(), when, False))
        self.link.send(b'{"method":"LIST_SUBSCRIPTIONS","id":"%b"}' % when.encode())
        if when == "soon":
            asyncio.get_running_loop().call_soon(self._said.append, (0, "later", False))


def asked() -> list[tuple[int, object, bool]]:
    """What somebody hears who asks a venue that answers at the very moment."""
    market = RecordedMarket(LISTING, recording(400, 4), Entropy(1), held=True, begin=START + SECOND)
    world = World(recording=market, latency=LATENCIES["none"])
    said: list[tuple[int, object, bool]] = []

    async def life() -> None:
        asks = Asks(world, said)
        asks.link = await world.dial(f"{MARKET_URL}/ws/{STREAMS}", asks)
        market.release()
        world.act()
        while not market.finished:
            await asyncio.sleep(0.25)

    world.run(life())
    return said


def test_what_is_due_at_once_comes_before_what_is_done_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    short = asked()
    monkeypatch.setattr(World, "_source", lambda _: None)
    assert short == asked()
    answers = [what for _, what, _ in short if isinstance(what, bytes) and b'"id"' in what]
    assert {json.loads(answer)["id"] for answer in answers} == {"now", "soon"}


def test_frames_that_do_not_name_their_stream_are_heard_by_those_who_hear_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    named, bare = heard("same-city", 3), heard("same-city", 3, bare=True)
    assert len(bare) == len(named)
    for (at, what, drained), (bare_at, bare_what, bare_drained) in zip(named, bare, strict=True):
        assert (at, drained) == (bare_at, bare_drained)
        assert plain(what) == plain(bare_what)
    monkeypatch.setattr(World, "_source", lambda _: None)
    assert bare == heard("same-city", 3, bare=True)


def plain(what: object) -> object:
    """A frame without the spaces that were between its parts."""
    return json.loads(what) if isinstance(what, bytes) and what[:1] == b"{" else what


class Moody(Hears):
    """Holds its link still, asks, orders and hangs up as it is drawn, in the midst of a burst."""

    link: MemoryLink
    calm = 60
    """Six of so many frames move it to something."""

    def __init__(
        self,
        world: World,
        said: list[tuple[int, object, bool]],
        market: RecordedMarket,
        chance: Random,
    ) -> None:
        super().__init__(world, said)
        self._world, self._market, self._chance = world, market, chance

    def on_frame(self, frame: bytes, drained: bool) -> None:
        super().on_frame(frame, drained)
        loop = asyncio.get_running_loop()
        match self._chance.randrange(self.calm):
            case 0:
                self.link.pause_reading()
                loop.call_later(self._chance.choice([0.0, 0.003, 0.4]), self.link.resume_reading)
            case 1:
                self.link.send(b'{"method":"LIST_SUBSCRIPTIONS","id":"1"}')
            case 2:
                self.link.ping(b"here")
            case 3:
                loop.call_soon(self._trade)
            case 4:
                again = {"method": "UNSUBSCRIBE", "params": [f"{STREAMS.split('/')[0]}"], "id": 2}
                self.link.send(json.dumps(again).encode())
                again |= {"method": "SUBSCRIBE", "id": 3}
                self.link.send(json.dumps(again).encode())
            case 5 if len(self._said) > 300:
                self.link.close() if self._chance.random() < 0.5 else self.link.abort()
            case _:
                pass

    def _trade(self) -> None:
        now, chance = self._world.clock.now(), self._chance
        if chance.random() < 0.4:
            with suppress(Refused):  # nothing is open
                self._market.cancel_all("main", SYMBOL, now)
        else:
            side, price = chance.choice([(Side.BUY, 99), (Side.SELL, 101), (Side.BUY, 101)])
            order = NewOrder(
                account="main", symbol=SYMBOL, side=side, kind=Kind.LIMIT, lots=40, price=price
            )
            self._market.place(order, now)
        self._world.act()


def moody(
    seed: int, latency: str | Latency, *, known: bool = False, calm: int = 60
) -> list[tuple[int, object, bool]]:
    """What is heard by one or two who are moody, on a market drawn from the seed, and what was
    traded. Two may hear the same, or each a part of it."""
    records = recording(500, seed, known=known)
    market = RecordedMarket(LISTING, records, Entropy(1), held=True, begin=START + SECOND)
    world = World(
        recording=market,
        latency=LATENCIES[latency] if isinstance(latency, str) else latency,
        accounts={"main": {"AAA": Decimal(100), "BBB": Decimal(100)}},
    )
    said: list[tuple[int, object, bool]] = []

    async def life() -> None:
        quotes = STREAMS.split("/")[-1]
        parts = [STREAMS.removesuffix(f"/{quotes}"), quotes]
        for streams in ([STREAMS], [STREAMS, STREAMS], parts)[seed % 3]:
            chance = Entropy(seed).stream(f"mood {len(said)} {streams}")
            hears = Moody(world, said, market, chance)
            hears.calm = calm
            hears.link = await world.dial(f"{MARKET_URL}/stream?streams={streams}", hears)
        market.release()
        world.act()
        while not market.finished:
            await asyncio.sleep(0.25)
        await asyncio.sleep(1)

    world.run(life())
    trades: list[Traded] = market.trades_of("main", SYMBOL)
    top: tuple[int, object, bool] = (0, (market.top(SYMBOL), market.book(SYMBOL)), True)
    fills = [(trade.at, (trade.price, trade.lots), True) for trade in trades]
    return [*said, *fills, top]


EVEN = Latency(
    entry=Constant(milliseconds=3), answer=Constant(milliseconds=3), market=Constant(milliseconds=3)
)
"""As far as two frames are apart, so that much of it comes at the very same moment."""


@pytest.mark.parametrize("latency", ["none", "colocated", "overseas", EVEN], ids=str)
@pytest.mark.parametrize("seed", range(12))
def test_who_does_anything_in_between_hears_the_same(
    latency: str | Latency, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = moody(seed, latency)
    monkeypatch.setattr(World, "_source", lambda _: None)
    assert short == moody(seed, latency)
    assert len(short) > 20  # the venue drops whoever asks too often


class Punctual(Hears):
    """Does something by the clock, over and over, with two timers, which may meet where they are
    `even`."""

    link: MemoryLink
    even = False
    calm = 12
    """Six of so many times it does more than to come again."""

    def __init__(
        self,
        world: World,
        said: list[tuple[int, object, bool]],
        market: RecordedMarket,
        chance: Random,
    ) -> None:
        super().__init__(world, said)
        self._world, self._market, self._chance = world, market, chance

    def ring(self, name: str) -> None:
        loop, chance, now = asyncio.get_running_loop(), self._chance, self._clock.now()
        self._said.append((now, name, False))
        delay = chance.choice([0.0, 0.003, 0.01, 0.05])
        loop.call_later(delay if self.even else delay + chance.random() / 100, self.ring, name)
        match chance.randrange(self.calm):
            case 0:
                loop.call_soon(self._said.append, (now, f"{name} soon", False))
            case 1:
                self.link.ping(name.encode())
            case 2 if chance.random() < 0.2:
                self.link.send(b'{"method":"LIST_SUBSCRIPTIONS","id":"1"}')
            case 3:
                loop.call_later(0.02, lambda: None).cancel()
            case 4 if len(self._said) > 200:
                self.order(now)
            case 5:
                raise ValueError(name)
            case _:
                pass

    def order(self, now: int) -> None:
        """Rest, or take it back; now and then nobody acts upon it before the venue looks itself."""
        with suppress(Refused):  # nothing is open
            self._market.cancel_all("main", SYMBOL, now)
        if self._chance.random() < 0.5:
            order = NewOrder(
                account="main", symbol=SYMBOL, side=Side.BUY, kind=Kind.LIMIT, lots=40, price=98
            )
            self._market.place(order, now)
        self._world.act()


def punctual(
    seed: int, latency: str | Latency, *, even: bool = False, known: bool = False, calm: int = 12
) -> list[tuple[int, object, bool]]:
    """What is heard by somebody with timers, when these ring, and what is told of their errors."""
    records = recording(600, seed, known=known)
    market = RecordedMarket(LISTING, records, Entropy(1), held=True, begin=START + SECOND)
    world = World(
        recording=market,
        latency=LATENCIES[latency] if isinstance(latency, str) else latency,
        accounts={"main": {"AAA": Decimal(100), "BBB": Decimal(100)}},
    )
    said: list[tuple[int, object, bool]] = []

    async def life() -> None:
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: said.append((0, str(context["exception"]), False))
        )
        hears = Punctual(world, said, market, Entropy(seed).stream("timers"))
        hears.even, hears.calm = even, calm
        hears.link = await world.dial(f"{MARKET_URL}/stream?streams={STREAMS}", hears)
        for name in ("one", "other"):
            asyncio.get_running_loop().call_soon(hears.ring, name)
        market.release()
        world.act()
        while not market.finished:
            await asyncio.sleep(0.25)
        await asyncio.sleep(0.5)

    world.run(life())
    trades = [(one.at, (one.price, one.lots), True) for one in market.trades_of("main", SYMBOL)]
    return [*said, *trades, (0, market.book(SYMBOL), True)]


@pytest.mark.parametrize("latency", ["none", "colocated", "overseas", EVEN], ids=str)
@pytest.mark.parametrize("seed", range(6))
def test_timers_ring_when_they_would_have(
    latency: str | Latency, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[bool] = []
    plain = PlayedLoop.ring

    def counted(loop: PlayedLoop) -> bool:
        rung.append(plain(loop))
        return rung[-1]

    monkeypatch.setattr(PlayedLoop, "ring", counted)
    short = punctual(seed, latency)
    assert sum(rung) > 50, "most of them without the loop"
    monkeypatch.setattr(World, "_source", lambda _: None)
    assert short == punctual(seed, latency)


def leave_to_the_loop(loop: PlayedLoop) -> bool:
    loop.reach(loop.before)
    loop.stirred = True
    return False


@pytest.mark.parametrize("latency", ["none", EVEN], ids=str)
@pytest.mark.parametrize("seed", range(6))
def test_timers_that_meet_ring_in_the_order_of_the_loop(
    latency: str | Latency, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where two are due at one moment, the loop's heap of timers decides which is first, and the
    long way has timers of its own in it."""
    short = punctual(seed, latency, even=True)
    monkeypatch.setattr(PlayedLoop, "ring", leave_to_the_loop)
    assert short == punctual(seed, latency, even=True)


@pytest.mark.parametrize("latency", ["none", "colocated", EVEN], ids=str)
@pytest.mark.parametrize("seed", range(6))
def test_what_meets_a_timer_comes_behind_it_by_either_way(
    latency: str | Latency, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing takes time, a frame and a timer may fall on the very same nanosecond."""
    short = punctual(seed, latency, even=True)
    monkeypatch.setattr(World, "_express", lambda _: None)
    assert short == punctual(seed, latency, even=True)
    heard = [(at, isinstance(what, bytes)) for at, what, _ in short if at]
    met = {at for at, is_frame in heard if is_frame} & {
        at for at, is_frame in heard if not is_frame
    }
    assert met or latency != "none"


@pytest.mark.parametrize("way", ["short", "long"])
def test_a_timer_of_the_moment_of_a_frame_rings_before_it(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way == "long":
        monkeypatch.setattr(World, "_express", lambda _: None)
    records = [one for one in recording(40, 7) if not one.ts_ns or one.ts_ns > START]
    stamps = sorted({one.ts_ns for one in records if one.ts_ns})
    # A loop takes timers that are a nanosecond apart for due at once.
    frames = [at for before, at in pairwise([0, *stamps]) if at - before > 1]
    market = RecordedMarket(LISTING, records, Entropy(1), held=True, begin=START + SECOND)
    world = World(recording=market)
    said: list[tuple[int, object, bool]] = []

    async def life() -> None:
        loop = asyncio.get_running_loop()
        await world.dial(f"{MARKET_URL}/stream?streams={STREAMS}", Hears(world, said))
        market.release()
        world.act()
        for at in frames:
            when = (at - stamps[0] + SECOND) / SECOND

            def ring() -> None:
                said.append((world.clock.now(), "timer", False))
                loop.call_soon(lambda: said.append((world.clock.now(), "soon", False)))

            loop.call_at(when, ring)
        await asyncio.sleep(2)

    world.run(life())
    by_time: dict[int, list[str]] = {}
    for at, what, _ in said:
        by_time.setdefault(at, []).append("frame" if isinstance(what, bytes) else str(what))
    met = [words for words in by_time.values() if "frame" in words and "timer" in words]
    assert len(met) > 10
    assert all(words[:2] == ["timer", "soon"] for words in met)
    assert all(set(words[2:]) == {"frame"} for words in met)


class Rider:
    """The compiled twin of the plainest of the short way, and how many frames it played."""

    def __init__(self, part: Any) -> None:
        self._ride, self.frames = part.ride, 0

    def __call__(self, loop: PlayedLoop, market: RecordedMarket, *others: object) -> bool:
        before = market.played
        try:
            return bool(self._ride(loop, market, *others))
        finally:
            self.frames += market.played - before


Lived: TypeAlias = Callable[[], list[tuple[int, object, bool]]]


def by_each(monkeypatch: pytest.MonkeyPatch, part: Any, lived: Lived) -> tuple[list[object], int]:
    """The same life by the plain short way, by its twin and by the long way, and how many frames
    the twin played."""
    rider = Rider(part)
    told: list[object] = []
    for ride in (None, rider):
        monkeypatch.setattr(express, "RIDE", ride)
        told.append(lived())
    with monkeypatch.context() as long:
        long.setattr(World, "_source", lambda _: None)
        told.append(lived())
    return told, rider.frames


@pytest.mark.parametrize("latency", ["none", "colocated", "same-city", "overseas", EVEN], ids=str)
@pytest.mark.parametrize("seed", range(9))
def test_the_twin_rides_as_the_plain_way_does(
    latency: str | Latency, seed: int, part: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    ridden = 0
    for lived, calm in ((moody, 60), (moody, 600), (punctual, 12), (punctual, 120)):
        life = partial(lived, seed, latency, known=True, calm=calm)
        told, frames = by_each(monkeypatch, part, life)
        assert told[0] == told[1] == told[2]
        ridden += frames
    assert ridden > 200, "alone and in bursts"


def set_back(records: list[CaptureRecord], chance: Random) -> list[CaptureRecord]:
    """The same by a recorder whose clock is set back now and then."""
    found, back = [], 0
    for record in records:
        if record.ts_ns:
            back += chance.choice([0] * 12 + [1, 700_000, 30_000_000])
            record = msgspec.structs.replace(record, ts_ns=record.ts_ns - back)
        found.append(record)
    return found


@pytest.mark.parametrize("latency", ["none", "colocated", "overseas", EVEN], ids=str)
@pytest.mark.parametrize("seed", range(4))
def test_a_clock_that_was_set_back_while_it_recorded_is_none_of_who_hears(
    latency: str | Latency, seed: int, part: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    plainly = recording

    def recorded(count: int, seed: int, *, known: bool) -> list[CaptureRecord]:
        return set_back(plainly(count, seed, known=known), Entropy(seed).stream("clock"))

    monkeypatch.setattr(f"{__name__}.recording", recorded)
    ridden = 0
    for lived in (moody, punctual):
        life = partial(lived, seed, latency, known=True, calm=200)
        told, frames = by_each(monkeypatch, part, life)
        assert told[0] == told[1] == told[2]
        ridden += frames
        times = [at for at, what, _ in told[0] if isinstance(what, bytes)]  # type: ignore[attr-defined]
        assert times == sorted(times)
    assert ridden > 20


@pytest.mark.parametrize("latency", ["none", "same-city"])
def test_the_twin_rides_alone_in_bursts_and_by_bare_streams(
    latency: str, part: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorded_book, "_MOST_WAITING", 3)
    told, ridden = by_each(monkeypatch, part, partial(heard, latency, 1, known=True))
    assert told[0] == told[1] == told[2]
    assert ridden > 100
    told, ridden = by_each(monkeypatch, part, partial(heard, latency, 1, known=True, first="/ws/"))
    assert told[0] == told[1] == told[2]
    assert ridden > 100
    told, ridden = by_each(monkeypatch, part, partial(heard, latency, 1))
    assert told[0] == told[1] == told[2]
    assert not ridden, "with blanks between its parts a frame is the plain way's"


class Fails(Hears):
    """Cannot bear every fortieth frame."""

    def on_frame(self, frame: bytes, drained: bool) -> None:
        super().on_frame(frame, drained)
        if len(self._said) % 40 == 0:
            raise ValueError(f"frame {len(self._said)}")


def failing(latency: str, last: int) -> list[tuple[int, object, bool]]:
    """What is heard and told where receivers fail, and the recording after so many frames."""
    records = recording(400, 5, known=True)
    market = RecordedMarket(LISTING, records, Entropy(1), held=True, begin=START + SECOND)
    market.frames = cut(market.frames, last)
    world = World(recording=market, latency=LATENCIES[latency])
    said: list[tuple[int, object, bool]] = []

    async def life() -> None:
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: said.append((0, str(context["exception"]), False))
        )
        await world.dial(f"{MARKET_URL}/stream?streams={STREAMS}", Fails(world, said))
        market.release()
        world.act()
        await asyncio.sleep(4)

    world.run(life())
    return [
        *said,
        (market.last_stamp, market.played, market.finished),
        (0, market.book(SYMBOL), True),
    ]


def cut(frames: Iterable[Framed], last: int) -> Iterator[Framed]:
    yield from islice(frames, last)
    raise ValueError("the rest cannot be read")


@pytest.mark.parametrize("latency", ["none", "colocated", "overseas"])
def test_what_fails_on_a_ride_is_told_as_on_the_plain_way(
    latency: str, part: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    rider, told = Rider(part), []
    for ride in (None, rider):
        monkeypatch.setattr(express, "RIDE", ride)
        told.append(failing(latency, 300))
    assert told[0] == told[1]
    assert rider.frames > 100
    failures = [what for at, what, _ in told[1] if not at and isinstance(what, str)]
    assert "the rest cannot be read" in failures
    assert len(failures) > 5


def test_a_ride_demands_what_it_is_of(part: Any) -> None:
    with pytest.raises(TypeError, match="expected loop, market"):
        part.ride(1, 2, 3)
    nothing = object()
    with pytest.raises(AttributeError, match="start"):
        part.ride(nothing, nothing, nothing, {}, [], 1, nothing, nothing, nothing)


def test_a_fault_goes_the_long_way(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[int] = []
    monkeypatch.setattr(Express, "play", lambda *_: used.append(1))
    faulty = heard("none", 1, faults=[Drop(stream="*trade", count=5)])
    assert not used
    monkeypatch.undo()
    assert len(faulty) == len(heard("none", 1)) - 5


class Fickle(Hears):
    """Four times it leaves a stream, or comes back to it, and stirs its loop."""

    link: MemoryLink
    asked = 0

    def on_frame(self, frame: bytes, drained: bool) -> None:
        super().on_frame(frame, drained)
        if len(self._said) % 60 == 0 and self.asked < 4:  # the venue drops whoever asks too often
            self.asked += 1
            method = "UNSUBSCRIBE" if self.asked % 2 else "SUBSCRIBE"
            asks = {"method": method, "params": [STREAMS.split("/")[1]], "id": self.asked}
            self.link.send(json.dumps(asks).encode())
            asyncio.get_running_loop().call_soon(lambda: None)


def fickle(latency: str) -> list[tuple[int, object, bool]]:
    market = RecordedMarket(LISTING, recording(500, 4), Entropy(1), held=True, begin=START + SECOND)
    world = World(recording=market, latency=LATENCIES[latency])
    said: list[tuple[int, object, bool]] = []

    async def life() -> None:
        hears = Fickle(world, said)
        hears.link = await world.dial(f"{MARKET_URL}/stream?streams={STREAMS}", hears)
        market.release()
        world.act()
        while not market.finished:
            await asyncio.sleep(0.25)

    world.run(life())
    return said


@pytest.mark.parametrize("latency", ["none", "colocated"])
def test_who_leaves_a_stream_hears_it_no_more_from_that_very_moment(
    latency: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = fickle(latency)
    monkeypatch.setattr(World, "_source", lambda _: None)
    assert len(short) > 250
    assert short == fickle(latency)


class Ticks:
    """A source that is due every ten seconds."""

    def __init__(self, until: int) -> None:
        self.next, self.until = START + 10 * SECOND, until
        self.seen: list[int] = []

    def play(self, loop: PlayedLoop, before: int) -> None:
        while self.next < before and self.next <= self.until and not loop.stirred:
            self.seen.append(loop.reach(self.next))
            self.next += 10 * SECOND
            if len(self.seen) == 3:
                loop.call_soon(lambda: None)
            if len(self.seen) == 4:
                raise ValueError("a receiver")


def test_a_source_is_played_between_timers_and_its_errors_are_told() -> None:
    source = Ticks(START + 50 * SECOND)
    loop = PlayedLoop(START, source)
    told: list[str] = []
    loop.set_exception_handler(lambda _, context: told.append(str(context["exception"])))

    async def main() -> list[int]:
        await asyncio.sleep(25)
        seen = len(source.seen)
        await asyncio.sleep(40)
        return [seen, len(source.seen), loop.now() - START]

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        assert runner.run(main()) == [2, 5, 65 * SECOND]
    assert source.seen == [START + n * 10 * SECOND for n in range(1, 6)]
    assert told == ["a receiver"]


def called_by(loop: SimLoop) -> list[tuple[str, int, bool]]:
    """What timers of all kinds do on this loop: which, when, and whether in its own context."""
    said: list[tuple[str, int, bool]] = []
    whose: ContextVar[str] = ContextVar("whose", default="")

    def say(name: str) -> None:
        said.append((name, loop.now() - START, whose.get() == name))

    async def main() -> None:
        for name, delay in (("late", 2.0), ("soon", 0.5), ("never", 1.0), ("-", 0)):
            whose.set(name)
            timer = asyncio.get_running_loop().call_later(delay, say, name)
            if name == "never":
                timer.cancel()
        own = copy_context()
        own.run(whose.set, "own")
        asyncio.get_running_loop().call_later(0.75, say, "own", context=own)
        await asyncio.sleep(3)

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(main())
    with pytest.raises(RuntimeError, match="closed"):
        loop.call_later(1, say, "closed")
    return said


@pytest.mark.parametrize("debug", [False, True])
def test_a_played_loop_calls_later_what_any_other_would(debug: bool) -> None:
    loops = SimLoop(START), PlayedLoop(START, Ticks(START))
    for loop in loops:
        loop.set_debug(debug)
    plain, played = map(called_by, loops)
    assert [name for name, _, _ in played] == ["-", "soon", "own", "late"]
    assert all(own for _, _, own in played)
    assert played == plain


def test_with_nothing_left_to_play_a_loop_is_dead() -> None:
    async def forever() -> None:
        await asyncio.get_running_loop().create_future()

    loop = PlayedLoop(START, Ticks(START + 20 * SECOND))
    assert isinstance(loop, SimLoop)
    runner = asyncio.Runner(loop_factory=lambda: loop)
    with runner, pytest.raises(Deadlock):
        runner.run(forever())
