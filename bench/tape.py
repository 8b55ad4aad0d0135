"""The tape and the tables: what recording costs, how fast a tape plays, how big tables are.

Everything is measured on one recording: a capture that is given, or 100,000 frames of one symbol
made here from a seed, a third each of quotes, trades and book changes over ten minutes. Ratios are
taken within one run, the two sides in turns.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.table import Table

from bench import sockets
from pitwire.desk.config import DeskConfig, parse_config
from pitwire.desk.masking import Masker
from pitwire.desk.opening import open_desk
from pitwire.desk.playing import play
from pitwire.model.clock import SECOND, SystemClock
from pitwire.model.credentials import Credentials
from pitwire.model.entropy import Entropy
from pitwire.tape.format import Kind, Meta
from pitwire.tape.imports import import_tape
from pitwire.tape.loop import Stage, TapeLoop
from pitwire.tape.player import Player
from pitwire.tape.reader import Tape
from pitwire.tape.recorder import Recorder
from pitwire.venues.registry import find_venue
from pitwire.venues.venue import CodecOptions, Role

FRAMES = 100_000
SPAN_SECONDS = 600
RATE = 20_000
"""Frames a second at which recording is measured."""
PAIRS = 8
"""Of processes in which desks are measured beside each other, sockets apart."""
ROUNDS = 1
"""Of each process through the recording."""
TURN = 2000
"""Frames that a desk plays before it is another's turn."""
_START = 1_723_161_253 * SECOND
_VENUE = find_venue("binance")

_LISTING = json.dumps(
    {
        "symbols": [
            {
                "symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT",
                "baseAssetPrecision": 8, "quoteAssetPrecision": 8, "orderTypes": ["LIMIT"],
                "filters": [
                    {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000",
                     "tickSize": "0.01"},
                    {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000",
                     "stepSize": "0.00001"},
                ],
            }
        ]
    }
).encode()  # fmt: skip
"""For recordings of BTC-USDT, which rarely hold it."""

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Found:
    """The figures, each with its bar."""

    frames: int
    hot_ns: float
    """A frame on the hot path, at the median of batches; bar 1,000."""
    record_cpu_us: float
    """A frame, hot path and threads, at `RATE`."""
    apart: list[sockets.Pair]
    """Desks with one rule, sockets apart, without a tape and with one; bar of the median share:
    1.10."""
    lost: int
    """Frames that recording at `RATE` did not keep; bar 0."""
    sockets: sockets.Beside
    """The same desks over real sockets at `RATE`."""
    read_rate: float
    decode_rate: float
    replay_rate: float
    """Frames a second: read from tape, decoded, played through books; bar 100,000."""
    tape_bytes: int
    raw_bytes: int
    table_bytes: int
    polars_bytes: int
    """The same rows as polars writes them with zstd; bar: ours at most 1.3 of it."""
    book_at_ms: float
    book_at_worst_ms: float
    """CPU for the book of a moment drawn by chance, all threads; bar 100."""
    memory_mib: dict[str, float]
    """RSS growth of importing, playing and recording; bar 64."""


def measure(capture: Path | None, tell: Tell) -> Found:
    """All of it."""
    with TemporaryDirectory(prefix="pitwire-bench-") as name:
        folder = Path(name)
        source = capture or _made(folder / "capture.jsonl.gz")
        tell(f"tape: importing {source.name}")
        run = imported(source, folder)
        tape = Tape(run)
        frames = [record.payload for record in tape.records() if record.kind is Kind.IN]
        tell("tape: recording")
        hot, cpu, lost = _recorded(frames, folder / "hot")
        apart = _apart(run, folder / "beside", tell)
        over = sockets.measure(run, folder / "sockets", frames, tell)
        tell("tape: tables")
        ours, theirs, spread = _tables(run, folder / "tables")
        return Found(
            frames=len(frames),
            hot_ns=hot,
            record_cpu_us=cpu,
            apart=apart,
            lost=lost,
            sockets=over,
            read_rate=_best(lambda: _read(run), len(frames)),
            decode_rate=_best(lambda: _decode(frames), len(frames)),
            replay_rate=_best(lambda: play(Tape(run)), len(frames)),
            tape_bytes=sum(path.stat().st_size for path in tape.files),
            raw_bytes=sum(map(len, frames)),
            table_bytes=ours,
            polars_bytes=theirs,
            book_at_ms=statistics.median(spread),
            book_at_worst_ms=max(spread),
            memory_mib={what: _memory(what, source, run, folder) for what in _WORKS},
        )


def imported(capture: Path | None, folder: Path) -> Path:
    """The run of a capture's tape in that folder; of one that is made, where none is given."""
    source = capture or _made(folder / "capture.jsonl.gz")
    return import_tape(source, folder / "tapes", _VENUE, listing=_LISTING).run


def table(found: Found) -> Table:
    """The figures with their bars, met or missed."""
    shown = Table(title=f"tape and tables, {found.frames:,} frames", title_justify="left")
    for column in ("what", "measured", "bar", ""):
        shown.add_column(column)
    polars = found.table_bytes / found.polars_bytes
    grown = max(found.memory_mib.values())
    parts = ", ".join(f"{what} {size:.0f}" for what, size in found.memory_mib.items())
    rows: list[tuple[str, str, str, bool | None]] = [
        ("hot path, median", f"{found.hot_ns:,.0f} ns", "1,000 ns", found.hot_ns <= 1000),
        ("all of recording, CPU", f"{found.record_cpu_us:.2f} µs a frame", "", None),
        ("lost at 20,000 a second", f"{found.lost}", "0", found.lost == 0),
        *_over_sockets(found.sockets),
        (
            "CPU beside a desk, sockets apart",
            sockets.spread(found.apart),
            "× 1.10",
            sockets.share(found.apart) <= 1.10,
        ),
        ("read", f"{found.read_rate:,.0f} a second", "", None),
        ("decoded alone", f"{found.decode_rate:,.0f} a second", "", None),
        (
            "played through books",
            f"{found.replay_rate:,.0f} a second",
            "100,000",
            found.replay_rate >= 100_000,
        ),
        ("size on tape", f"{found.tape_bytes / found.raw_bytes:.3f} of the frames", "", None),
        ("tables against polars' zstd", f"× {polars:.3f}", "× 1.3", polars <= 1.3),
        (
            "book_at, CPU, median and worst",
            f"{found.book_at_ms:.1f} and {found.book_at_worst_ms:.1f} ms",
            "100 ms",
            found.book_at_worst_ms <= 100,
        ),
        ("memory, MiB", parts, "64", grown <= 64),
    ]
    for what, measured, bar, met in rows:
        shown.add_row(what, measured, bar, "" if met is None else "met" if met else "missed")
    return shown


def _over_sockets(found: sockets.Beside) -> list[tuple[str, str, str, bool | None]]:
    alone, at_once = sockets.share(found.alone), sockets.share(found.at_once)
    return [
        (
            f"CPU beside a desk, sockets at {found.rate:,.0f} a second",
            sockets.spread(found.alone),
            "× 1.10",
            alone <= 1.10,
        ),
        (
            f"the same, {sockets.BURST} frames at once",
            sockets.spread(found.at_once),
            "× 1.10",
            at_once <= 1.10,
        ),
        ("lost there, by the tape", f"{found.lost}", "0", found.lost == 0),
    ]


# ── recording ─────────────────────────────────────────────────────────────────────────────────


def _recorder(folder: Path) -> Recorder:
    clock = SystemClock()
    meta = Meta(program="bench", venue="binance", started=clock.now())
    mask = Masker([Credentials("k" * 64, "s" * 64)])
    return Recorder(folder, meta, mask=mask, clock=clock)


def _recorded(frames: Sequence[bytes], folder: Path) -> tuple[float, float, int]:
    """ns on the hot path, µs of CPU a frame in all, frames lost: at `RATE`, every millisecond."""
    recorder, clock = _recorder(folder), SystemClock()
    burst, laps = RATE // 1000, []
    tap, views = recorder.frame, [memoryview(frame) for frame in frames]
    began, cpu = time.perf_counter(), time.process_time()
    for number, at in enumerate(range(0, len(views), burst)):
        ahead = began + number / 1000 - time.perf_counter()
        if ahead > 0:
            time.sleep(ahead)
        batch = views[at : at + burst]
        now = clock.now()
        lap = time.perf_counter_ns()
        for view in batch:
            tap("market-1", "in", view, now, True)
        laps.append((time.perf_counter_ns() - lap) / len(batch))
    recorder.close()
    used = (time.process_time() - cpu) / len(frames) * 1e6
    return statistics.median(laps), used, recorder.dropped


def _apart(run: Path, folder: Path, tell: Tell) -> list[sockets.Pair]:
    """µs of CPU a frame of a desk's process, sockets apart: without a tape, and with one.

    Two processes go through the recording in turns of `TURN` frames and on one core, so that
    whatever else this machine does meanwhile is met by both; of each, the mean of the middle four
    fifths of its turns. So many `PAIRS` of processes: each lays out its memory anew.
    """
    pairs = []
    for number in range(PAIRS):
        desks = [_Desk(run, None), _Desk(run, folder / str(number))]
        try:
            going = True
            while going:
                played = [desk.play() for desk in desks]
                going = all(played)
        finally:
            for desk in desks:
                desk.close()
        pairs.append(sockets.Pair(*(_middle(desk.turns) for desk in desks)))
        tell(f"tape: sockets apart × {pairs[-1].share:.3f}, {len(desks[0].turns)} turns of each")
    return pairs


def _middle(figures: Sequence[float]) -> float:
    aside = len(figures) // 10
    return statistics.mean(sorted(figures)[aside : len(figures) - aside])


class _Desk:
    """A process with a desk in it, which plays when it is told to."""

    def __init__(self, run: Path, folder: Path | None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _TURNS, str(run), str(folder or "")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self.turns: list[float] = []
        """µs of CPU a frame, in each."""

    def play(self) -> bool:
        """Have it play a turn, and wait for that; False when it has played all."""
        inward, outward = self._process.stdin, self._process.stdout
        assert inward is not None
        assert outward is not None
        self._process.send_signal(signal.SIGCONT)
        inward.write("\n")
        told = outward.readline()
        self._process.send_signal(signal.SIGSTOP)  # or its timers would run in others' turns, too
        if not told:
            raise RuntimeError("a desk of the section tape ended before its time")
        if told != "over\n":
            self.turns.append(float(told))
        return told != "over\n"

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


_TURNS = """
import os
import sys
from pathlib import Path
from bench import tape
run, folder = sys.argv[1:]
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
tape.warm(Path(run))
for number in range(tape.ROUNDS):
    tape.through(Path(run), Path(folder) / str(number) if folder else None, turns=True)
sys.stdin.readline()
print("over", flush=True)
"""


class _Turns:
    """A player that plays so many frames and then waits until it is told to go on."""

    def __init__(self, player: Player) -> None:
        self._player, self._due, self._played = player, 0, 0
        self._cpu = 0.0
        self.next_at = player.next_at

    def play(self, stage: Stage, before: int) -> None:
        frames = self._player.frames
        if frames >= self._due:
            if frames:
                self.tell()
            sys.stdin.readline()
            if not frames:
                self._cpu = time.process_time()
            self._due = frames + TURN
        self._player.play(stage, before)

    def tell(self) -> None:
        """What this turn took, with what threads did since the one before it had been told."""
        used, frames = time.process_time() - self._cpu, self._player.frames
        print(used / (frames - self._played) * 1e6, flush=True)
        self._cpu, self._played = self._cpu + used, frames


def through(run: Path, folder: Path | None, *, turns: bool = False) -> float:
    """A desk with one rule goes through the tape on paper; µs of CPU a frame of this process."""
    tape = Tape(run)
    loop = TapeLoop(tape.meta.started)
    player = Player(tape, acknowledge=_VENUE.acknowledge, listing="/exchangeInfo")
    config = config_of(tape.meta, folder)

    taking_turns = _Turns(player)

    async def live() -> Recorder | None:
        loop.load(taking_turns if turns else player)
        desk = await open_desk(config, dial=player.dial, fetch=player.fetch, clock=loop)
        await player.over.wait()
        if turns:
            taking_turns.tell()
        await desk.stop()
        return desk.tape

    cpu = time.process_time()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        recorder = runner.run(live())
    used = (time.process_time() - cpu) / player.frames * 1e6
    assert recorder is None or not recorder.dropped, "nothing is lost at full speed either"
    return used


def config_of(meta: Meta, folder: Path | None = None) -> DeskConfig:
    """A desk with one rule that never fires."""
    symbols = ", ".join(f'"{symbol}"' for symbol in meta.symbols)
    channels = ", ".join(f'"{channel}"' for channel in meta.channels)
    return parse_config(
        f"""
        mode = "paper"
        seed = 1
        [venue]
        symbols = [{symbols}]
        channels = [{channels}]
        [tape]
        folder = "{folder or ""}"
        [[rule]]
        name = "never"
        when = {{ price = "{meta.symbols[0]}", above = 1e9 }}
        do = {{ alert = "there" }}
        """
    )


# ── playing and asking ────────────────────────────────────────────────────────────────────────


def _best(work: Callable[[], object], count: int) -> float:
    """Units a second of CPU, the best of three."""
    best = 0.0
    for _ in range(3):
        cpu = time.process_time()
        work()
        best = max(best, count / (time.process_time() - cpu))
    return best


def _read(run: Path) -> int:
    return sum(1 for _ in Tape(run).records())


def _decode(frames: Sequence[bytes]) -> None:
    decode = _VENUE.codec(CodecOptions(Role.MARKET)).decode
    for frame in frames:
        decode(frame, _START)


def _tables(run: Path, folder: Path) -> tuple[int, int, list[float]]:
    """Bytes of ours, bytes of the same rows by polars, ms of CPU of each `book_at`."""
    import polars as pl

    from pitwire.store.parquet import TableWriter
    from pitwire.store.query import open_store

    writer = TableWriter(folder, "bench")
    play(Tape(run), events=lambda events, _now, _drained: writer.write(events))
    writer.close()
    files = sorted(folder.rglob("*.parquet"))
    ours = sum(path.stat().st_size for path in files)
    aside, theirs = folder / "polars.out", 0
    for path in files:
        pl.read_parquet(path, hive_partitioning=False).write_parquet(aside, compression="zstd")
        theirs += aside.stat().st_size
    chance = Entropy(1).stream("moments")
    first, last = Tape(run).span()
    symbol = Tape(run).meta.symbols[0]
    spread = []
    with open_store(folder) as store:
        store.book_at(last, symbol)  # the files are in the system's cache from here on
        for _ in range(50):
            at = chance.randint(first + 10 * SECOND, last)
            cpu = time.process_time()
            found = store.book_at(at, symbol)
            spread.append((time.process_time() - cpu) * 1e3)
            assert found is not None, "the book was known from the first seconds on"
    return ours, theirs, spread


_WORKS = ("import", "replay", "record")
_CHILD = """
import sys
from pathlib import Path
from bench import tape
what, source, run, folder = sys.argv[1], *map(Path, sys.argv[2:])
tape.warm(run)
before = tape.resident("VmRSS")
tape.work(what, source, run, folder)
print((tape.resident("VmHWM") - before) / 1024)
"""


def resident(line: str) -> int:
    """KiB of this process, as the system counts them: `VmRSS` now, `VmHWM` at most so far."""
    text = Path("/proc/self/status").read_text()
    return int(text.partition(f"{line}:")[2].split()[0])


def _memory(what: str, source: Path, run: Path, folder: Path) -> float:
    """MiB by which a process grows at most that does it once, from where it stood when warm."""
    arguments = [
        sys.executable,
        "-c",
        _CHILD,
        what,
        str(source),
        str(run),
        str(folder / f"grows-{what}"),
    ]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    return float(done.stdout)


def warm(run: Path) -> None:
    """Load what any of it needs, by playing the first seconds."""
    tape = Tape(run)
    play(tape, until=tape.meta.started + 5 * SECOND)


def work(what: str, source: Path, run: Path, folder: Path) -> None:
    """One of `_WORKS`."""
    if what == "import":
        import_tape(source, folder, _VENUE, listing=_LISTING)
    elif what == "replay":
        play(Tape(run))
    else:
        through(run, folder)


# ── a recording of our own ────────────────────────────────────────────────────────────────────


def _made(path: Path) -> Path:
    """Frames as Binance spells them, of a price that wanders."""
    chance = Entropy(7).stream("capture")
    mid, book_id, trade_id = 6_000_000, 1000, 1
    with gzip.open(path, "wt", compresslevel=1) as file:

        def put(at: int, kind: str, text: str, url: str = "") -> None:
            line = {"t": kind, "conn": "ws", "ts_ns": at, "data": text, "url": url}
            file.write(json.dumps(line) + "\n")

        def level(side: int) -> list[str]:
            price = mid + side * chance.randint(1, 400)
            size = chance.choice((0, 0, chance.randint(1, 900_000)))
            return [f"{price / 100:.8f}", f"{size / 100_000:.8f}"]

        bids = [[f"{(mid - n) / 100:.8f}", f"{1 + n / 10:.8f}"] for n in range(1, 1001)]
        asks = [[f"{(mid + n) / 100:.8f}", f"{1 + n / 10:.8f}"] for n in range(1, 1001)]
        snapshot = {"lastUpdateId": book_id, "bids": bids, "asks": asks}
        put(_START, "http", json.dumps(snapshot), "https://venue/depth?symbol=BTCUSDT")
        for number in range(FRAMES):
            at = _START + number * SPAN_SECONDS * SECOND // FRAMES
            event = at // 1_000_000
            match number % 3:
                case 0:
                    stream = "btcusdt@bookTicker"
                    bid, ask = f"{(mid - 1) / 100:.8f}", f"{(mid + 1) / 100:.8f}"
                    data = {"u": book_id, "s": "BTCUSDT", "b": bid,
                            "B": "1.00000000", "a": ask, "A": "2.00000000"}  # fmt: skip
                case 1:
                    stream = "btcusdt@trade"
                    data = {"e": "trade", "E": event, "s": "BTCUSDT", "t": trade_id,
                            "p": f"{mid / 100:.8f}", "q": "0.01000000", "T": event,
                            "m": chance.random() < 0.5, "M": True}  # fmt: skip
                    trade_id += 1
                case _:
                    first = book_id + 1
                    book_id += chance.randint(1, 9)
                    stream = "btcusdt@depth@100ms"
                    data = {"e": "depthUpdate", "E": event, "s": "BTCUSDT", "U": first,
                            "u": book_id, "b": [level(-1) for _ in range(chance.randint(1, 12))],
                            "a": [level(1) for _ in range(chance.randint(1, 12))]}  # fmt: skip
            text = json.dumps({"stream": stream, "data": data}, separators=(",", ":"))
            put(at, "recv", text)
    return path
