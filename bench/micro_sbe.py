"""`python -m bench.micro_sbe [CAPTURE]`: what Binance spot costs to decode, in JSON and in binary.

The same messages in both spellings, by codecs as a session has them, plain parts beside plain ones
and compiled beside compiled. CPU time, the smallest of many rounds of some hundred frames that take
turns, no frame twice in a round. The *mix* is by how often each kind came in eleven recorded
minutes of BTCUSDT (2024-08-08: quotes, trades, a diff of 46 levels every 100 ms); with a CAPTURE, a
file of such lines, its own frames are measured, each kind as often as it is there.

Judged is the mix to events. Levels of a binary frame become objects when somebody reads them, which
a compiled book does not: hence the rows *into a book*, where all that a book needs has been done.
"""

from __future__ import annotations

import gzip
import json
import random
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import binary, native
from pitwire.market.book import OrderBook
from pitwire.model.events import BookSnapshot
from pitwire.venues.binance import BINANCE, BINANCE_SBE
from pitwire.venues.venue import Ask, CodecOptions, Role

NOW = 1_700_000_000_000_000_000
ROUNDS, FRAMES, LEVELS = 25, 500, 23
RECORDED = {"quote": 73_174, "trade": 19_904, "delta": 6_495}
KINDS = ("trade", "quote", "delta", "top")
_HERE = "--here"
_TEMPLATES = {10000: "trade", 10001: "quote", 10002: "top", 10003: "delta"}

Row = tuple[str, float, str]
Frames = Mapping[str, Sequence[tuple[bytes, bytes]]]
"""Kind → frames, in JSON and in binary."""


def rows(frames: Frames, weights: Mapping[str, int], rounds: int = ROUNDS) -> list[Row]:
    """(name, JSON over binary, note) of each kind, of the mix, and of both into a book."""
    told, booked = {}, {}
    for kind, pairs in frames.items():
        told[kind] = booked[kind] = _compared(pairs, rounds, _decoded)
        if kind == "delta":
            booked[kind] = _compared(pairs, rounds, _into_a_book)
    return [
        *(_row(f"{kind}, to an event", *told[kind]) for kind in told),
        _row("delta, into a book", *booked["delta"]),
        _row("mix, to events", *_mixed(told, weights)),
        _row("mix, diffs into a book", *_mixed(booked, weights)),
    ]


def _row(name: str, in_json: float, in_binary: float) -> Row:
    return name, in_json / in_binary, f"{in_json:.0f} and {in_binary:.0f} ns of CPU a message"


def _mixed(found: Mapping[str, Sequence[float]], weights: Mapping[str, int]) -> list[float]:
    whole = sum(weights.values())
    return [sum(found[kind][way] * weights[kind] for kind in weights) / whole for way in (0, 1)]


def _compared(
    pairs: Sequence[tuple[bytes, bytes]],
    rounds: int,
    measured: Callable[[Any, Sequence[bytes]], float],
) -> tuple[float, float]:
    ways = list(zip((_codec(BINANCE), _codec(BINANCE_SBE)), zip(*pairs, strict=True), strict=True))
    best = [float("inf"), float("inf")]
    for _ in range(rounds):
        for way, (codec, frames) in enumerate(ways):
            best[way] = min(best[way], measured(codec.decode, frames))
    return best[0], best[1]


def _codec(venue: Any) -> Any:
    codec = venue.codec(CodecOptions(role=Role.MARKET))
    codec.subscribe([Ask("trades", "BTC-USDT"), Ask("ticker", "BTC-USDT")], 1)
    return codec


def _decoded(decode: Any, frames: Sequence[bytes]) -> float:
    begun = time.process_time_ns()
    for frame in frames:
        decode(frame, NOW)
    return (time.process_time_ns() - begun) / len(frames)


def _into_a_book(decode: Any, frames: Sequence[bytes]) -> float:
    """As `_decoded`, and applied to a book that holds every price by then."""
    book = OrderBook("binance", "BTC-USDT")
    book.apply_snapshot(BookSnapshot("binance", "BTC-USDT", 0, 0, 1, (), ()))
    for frame in frames:
        book.apply(decode(frame, NOW)[0])
    apply = book.apply
    begun = time.process_time_ns()
    for frame in frames:
        apply(decode(frame, NOW)[0])
    return (time.process_time_ns() - begun) / len(frames)


# ── frames ──


def drawn(count: int = FRAMES) -> dict[str, list[tuple[bytes, bytes]]]:
    """So many frames of each kind, prices and sizes anew in each."""
    chance = random.Random(3)
    found: dict[str, list[tuple[bytes, bytes]]] = {kind: [] for kind in KINDS}
    for number in range(count):
        for stream, data in _messages(chance, number):
            wrapped = {"stream": f"btcusdt@{stream}", "data": data}
            text = json.dumps(wrapped, separators=(",", ":")).encode()
            _add(found, text, 1_723_161_255_343_000 + number)
    return found


def _messages(chance: random.Random, number: int) -> list[tuple[str, dict[str, object]]]:
    def price(ticks: int) -> str:
        return f"{61_837 + ticks / 100:.8f}"

    def size() -> str:
        return f"{(chance.random() > 0.4) * chance.randrange(1, 400_000) / 1e5:.8f}"

    def side(sign: int, levels: int) -> list[list[str]]:
        ticks = sorted(chance.sample(range(1, 500), levels))
        return [[price(sign * tick), size()] for tick in ticks]

    instant, first = 1_723_161_255_343 + number, 50_093_239_189 + 20 * number
    head = {"E": instant, "s": "BTCUSDT"}
    return [
        (
            "trade",
            {"e": "trade", **head, "t": 3_735_683_259 + number, "p": price(number),
             "q": size(), "T": instant, "m": chance.random() < 0.5, "M": True},
        ),
        (
            "bookTicker",
            {"u": first, "s": "BTCUSDT", "b": price(number), "B": size(), "a": price(number + 1),
             "A": size()},
        ),
        (
            "depth@100ms",
            {"e": "depthUpdate", **head, "U": first, "u": first + 19, "b": side(-1, LEVELS),
             "a": side(1, LEVELS)},
        ),
        (
            "depth20",
            {"lastUpdateId": first, "bids": side(-1, 20), "asks": side(1, 20)},
        ),
    ]  # fmt: skip


def recorded(path: Path) -> dict[str, list[tuple[bytes, bytes]]]:
    """All frames of a capture that there are in binary, by kind."""
    found: dict[str, list[tuple[bytes, bytes]]] = {kind: [] for kind in KINDS}
    with gzip.open(path) as lines:
        for line in lines:
            record = json.loads(line)
            if record["t"] == "recv":
                _add(found, record["data"].encode(), record["ts_ns"] // 1000)
    return {kind: pairs for kind, pairs in found.items() if pairs}


def _add(found: Mapping[str, list[tuple[bytes, bytes]]], text: bytes, at_micros: int) -> None:
    raw = binary.spelled(text, at_micros)
    if raw is not None:
        found[_TEMPLATES[struct.unpack_from("<H", raw, 2)[0]]].append((text, raw))


def same(text: bytes, raw: bytes) -> tuple[Any, Any]:
    """The events of both spellings."""
    [[one], [other]] = (
        _codec(venue).decode(frame, NOW) for venue, frame in ((BINANCE, text), (BINANCE_SBE, raw))
    )
    return one, other


def by_parts(capture: Path | None = None) -> dict[str, list[Row]]:
    """`rows` of a process with plain parts and, where there is a compiler, of one with compiled."""
    found = {}
    for build in (native.PLAIN, native.COMPILED) if native.folder() else (native.PLAIN,):
        command = [sys.executable, "-m", "bench.micro_sbe", _HERE]
        with native.chosen(build):
            done = subprocess.run(
                command + [str(capture)] * (capture is not None), check=True, stdout=subprocess.PIPE
            )
        found[build] = [(name, ratio, note) for name, ratio, note in json.loads(done.stdout)]
    return found


def _here(capture: Path | None) -> list[Row]:
    frames = drawn() if capture is None else recorded(capture)
    weights = RECORDED if capture is None else {kind: len(all_) for kind, all_ in frames.items()}
    return rows({kind: pairs[-FRAMES:] for kind, pairs in frames.items()}, weights)


def main(arguments: Sequence[str]) -> int:
    """The command; returns the exit code."""
    capture = next((Path(name) for name in arguments if name != _HERE), None)
    if _HERE in arguments:
        print(json.dumps(_here(capture)))
        return 0
    for build, found in by_parts(capture).items():
        print(f"parts: {build}; JSON over binary")
        for name, ratio, note in found:
            print(f"{name}: {ratio:.2f}; {note}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
