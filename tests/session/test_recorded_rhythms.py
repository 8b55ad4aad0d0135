"""The recorded sessions under watch: nothing in them was a fault, so nothing may be told as one."""

from __future__ import annotations

import gzip
import json
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.model.events import (
    AggregateTrade,
    Bar,
    Behind,
    BookDelta,
    ClockAlarm,
    ClockOffset,
    Event,
    FeedStale,
    Quote,
    Trade,
)
from pitwire.model.orders import Side
from pitwire.session.freshness import FLOOR_SECONDS, SWEEP_SECONDS
from pitwire.session.outbox import Outbox
from pitwire.session.rhythm import ENOUGH, Rhythm
from pitwire.session.skew import Skew
from pitwire.session.vigil import Vigil
from pitwire.venues.binance import BINANCE
from pitwire.venues.venue import Ask

RECORDED = (
    "coinm_10contracts_2021-07-22",
    "coinm_ETHUSD_PERP_depth0ms-trade-bookTicker_2024-08-08",
    "spot_10pairs_2021-04-05",
    "spot_4pairs_klines_2021-10-12",
    "spot_BTCUSDT_depth-trade-bookTicker_2024-08-08",
    "us_10pairs_2021-04-17",
    "us_4pairs_klines_2021-10-12",
    "usdm_4pairs_klines_2021-07-22",
    "usdm_ETHUSDT_depth0ms-trade-bookTicker_2024-08-08",
)
BEHIND = tuple(name for name in RECORDED if "2024-08-08" in name)
"""Recorded by a clock that was 1.27 s behind the venue's."""
MANY = tuple(name for name in RECORDED if name not in BEHIND)
"""Recorded of many symbols at once, quiet ones among them."""
LATE = "coinm_10contracts_2021-07-22"
"""Its recorder was three seconds late in the first six, as its own stamps say."""
FLOOR, SWEEP = round(FLOOR_SECONDS * SECOND), round(SWEEP_SECONDS * SECOND)

CHANNELS = {
    "depth": "book",
    "bookTicker": "ticker",
    "trade": "trades",
    "aggTrade": "aggregate_trades",
    "kline": "bars",
}


class _Stamp(msgspec.Struct):
    E: int = 0


class _Frame(msgspec.Struct):
    stream: str
    data: _Stamp


def frames(path: Path) -> Iterator[tuple[int, str, str, int]]:
    """(received, symbol, channel, venue time) of every message that a stream brought."""
    decode = msgspec.json.Decoder(_Frame).decode
    with gzip.open(path, "rt") as lines:
        for line in lines:
            record = json.loads(line)
            if record["t"] == "recv" and record["ts_ns"]:
                frame = decode(record["data"])
                symbol, _, stream = frame.stream.partition("@")
                name = CHANNELS[stream.partition("@")[0].partition("_")[0]]
                yield record["ts_ns"], symbol, name, frame.data.E


def event_of(stream: str, symbol: str, stamp: int, now: int) -> Event:
    at = stamp * MILLISECOND
    match stream:
        case "book":
            return BookDelta("binance", symbol, at, now, 1, 1, (), ())
        case "ticker":
            return Quote("binance", symbol, at, now, 1, 1, 2, 1)
        case "trades":
            return Trade("binance", symbol, at, now, 1, 1, Side.BUY, 1)
        case "aggregate_trades":
            return AggregateTrade("binance", symbol, at, now, 1, 1, Side.BUY, 1, 1, 1)
        case "bars":
            return Bar("binance", symbol, at, now, "1m", 0, 0, 1, 1, 1, 1, 1, 1, 1, closed=False)
    raise AssertionError(f"{stream}: found a stream that no recording had")


class Watched:
    """A recorded session under a vigil that comes so many seconds late: what was told, and how many
    symbol-hours there were."""

    def __init__(self, path: Path, late_seconds: int = 0) -> None:
        self.outbox, self.told, self.faults = Outbox(), list[Event](), 0
        self.symbols: set[str] = set()
        self.lags: list[int] = []
        self.skew = Skew()
        self.vigil = Vigil(BINANCE, "x", skew=self.skew, outbox=self.outbox)
        self.began = self.now = self.heard = 0
        begin = 0
        for now, symbol, stream, stamp in frames(path):
            begin = begin or now + late_seconds * SECOND
            if now >= begin:
                self._take(now, symbol, stream, stamp)

    def _take(self, now: int, symbol: str, stream: str, stamp: int) -> None:
        if not self.began:
            self.began = self.heard = now
            self.vigil.opened(now)
        self._pass_to(now)
        event = event_of(stream, symbol, stamp, now)
        self.symbols.add(symbol)
        hot = self.vigil.freshness.heard[type(event)]
        if symbol in hot:
            hot[symbol] = event
        else:
            if not any(v.ask == Ask(stream, symbol) for v in self.vigil.freshness.voices):
                ask, kind = Ask(stream, symbol), type(event).__name__
                busy = BINANCE.channels[stream].busy
                self.vigil.freshness.confirmed(ask, kind, now, busy=busy)
            self.told += self.vigil.freshness.first(event, now)
        self.heard = now
        if stamp and self.skew.known:
            self.lags.append(now - event.venue_time + self.skew.offset)

    def _pass_to(self, now: int) -> None:
        while (due := self.vigil.next_deadline(self.heard, now)) <= now:
            self.told += self.vigil.look(self.heard, due)
            if self.outbox.take_ping():
                self.heard = due
            self.faults += self.outbox.take_fault() is not None
        self.now = now

    @property
    def symbol_hours(self) -> float:
        return len(self.symbols) * (self.now - self.began) / SECOND / 3600


def test_no_recorded_silence_is_called_a_fault(
    captures: Path, record_property: pytest.RecordProperty
) -> None:
    hours, silences = 0.0, Counter[str]()
    for name in RECORDED:
        watched = Watched(captures / f"binance/{name}.jsonl.gz")
        hours += watched.symbol_hours
        late = [one for one in watched.told if isinstance(one, Behind)]
        stale = [one for one in watched.told if isinstance(one, FeedStale)]
        if name == LATE:
            assert all(one.received - watched.began < 6 * SECOND for one in (*late, *stale))
            assert {one.why for one in stale} == {"behind"}
            late, stale = [], []
        silences.update(f"{name} {one.symbol} {one.channel} {one.why}" for one in stale)
        assert watched.faults == 0, name
        assert late == [], name
    record_property("symbol_hours", hours)
    assert silences == {}
    assert hours == pytest.approx(1.06, abs=0.01)


@pytest.mark.parametrize("late_seconds", [3, 8, 15, 22])
def test_no_silence_is_called_a_fault_by_one_who_has_just_come(
    captures: Path, late_seconds: int
) -> None:
    for name in MANY:
        watched = Watched(captures / f"binance/{name}.jsonl.gz", late_seconds)
        stale = [one for one in watched.told if isinstance(one, FeedStale)]
        assert [one for one in stale if one.why != "behind" or name != LATE] == [], name
        assert watched.faults == 0, name


def test_no_stream_is_called_silent_before_its_rhythm_is_known_whenever_it_is_joined(
    captures: Path,
) -> None:
    joined, wrong = 0, []
    for name in MANY:
        by: dict[tuple[str, str], list[int]] = defaultdict(list)
        for at, symbol, stream, _ in frames(captures / f"binance/{name}.jsonl.gz"):
            by[symbol, stream].append(at)
        first, last = (edge(edge(times) for times in by.values()) for edge in (min, max))
        for stream, times in by.items():
            for begin in range(first, last, SECOND):
                joined += 1
                if early_alarm([*times[bisect_left(times, begin) :], last], begin):
                    wrong.append((name, *stream, begin))
    assert wrong == []
    assert joined > 6_000


def early_alarm(times: list[int], begin: int) -> bool:
    """Whether who joined at `begin` calls this silent while fewer than `ENOUGH` gaps are known."""
    rhythm, before = Rhythm(FLOOR), times[0]
    looks: dict[int, int] = {}
    for at in times:
        looks[(at - begin) // SWEEP] = at
        if len(looks) > ENOUGH:
            break
    for at in looks.values():
        if rhythm.wait and at - before > rhythm.wait + SWEEP:
            return True
        rhythm.learn(at - before)
        before = at
    return False


@pytest.mark.parametrize("name", BEHIND)
def test_a_recorder_behind_the_venue_is_an_offset_and_no_negative_latency(
    captures: Path, name: str
) -> None:
    watched = Watched(captures / f"binance/{name}.jsonl.gz")
    offsets = [one for one in watched.told if isinstance(one, ClockOffset)]
    assert 1.2 < offsets[0].offset / SECOND < 1.4
    assert offsets[0].received - watched.began < 3 * SECOND
    [alarm] = [one for one in watched.told if isinstance(one, ClockAlarm)]
    assert alarm.seconds == offsets[0].offset / SECOND
    early = sum(lag < -20 * MILLISECOND for lag in watched.lags)
    assert early < len(watched.lags) / 1000
    assert sorted(watched.lags)[len(watched.lags) // 2] < 250 * MILLISECOND
