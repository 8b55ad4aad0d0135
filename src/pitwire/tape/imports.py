"""Other people's recordings (`tape/recordings.py` reads their lines) → tapes.

House rules: a payload is never re-spelt; lines are read one by one, so memory does not grow with a
file; a line that cannot be read is an error that names file and line. What a recording does not
hold (answers to asks, the drained bit) is not invented: the player makes up for it and says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

import msgspec

from pitwire.model.clock import SECOND
from pitwire.model.errors import ConfigError
from pitwire.model.events import Event, Malformed, Unhandled
from pitwire.tape.format import LONGEST, UNKNOWN, Entry, Exchange, Kind, Meta, encode_exchange
from pitwire.tape.held import is_held
from pitwire.tape.recordings import Cut, Read, Taken, kind_of, read_capture, reader_of, size_of
from pitwire.tape.writer import TapeWriter, run_name
from pitwire.venues.registry import BUILT_IN, find_venue
from pitwire.venues.venue import CodecOptions, Role, Venue

LEAD = 2 * SECOND
"""A tape begins so long before its first frame, so that a session can ask for what it wants."""
_BATCH, _BATCH_BYTES = 2000, 1 << 20
_LOOKED_AT = 2000
"""Frames by which a recording shows whose market it is of."""
_LONGEST_FRAME = LONGEST // 2


class Imported(msgspec.Struct, frozen=True):
    """What came of an import."""

    run: Path
    venue: str
    """`unknown` when nothing that came is known to the venue's decoder."""
    frames: int
    symbols: tuple[str, ...]
    channels: tuple[str, ...]
    left_out: int
    """Lines that hold nothing for a tape."""
    unread: int = 0
    """Frames on the tape that the venue's decoder does not know, of one that knows others."""
    damage: str = ""
    """Where the recording ends before its end; what stands before is on the tape."""


def import_tape(
    path: Path,
    folder: Path,
    venue: Venue | None = None,
    *,
    source: str = "auto",
    listing: bytes = b"",
    progress: Callable[[int], None] = lambda _: None,
) -> Imported:
    """Make a tape of a recording. Raises `ConfigError` naming file and line of what is wrong.

    Of a recording that is cut, what stands before the cut becomes a tape, and `damage` says where
    that is. What does not come to its end, for want of room, by Ctrl-C or a kill, leaves no tape.

    `source` is the kind of recording; `auto` finds out, as it does whose market it is without
    `venue`. `listing` is the body of the venue's answer
    about its instruments, for recordings that lack it. `progress` is told how many bytes of the
    file have been read, of twice its size: it is read once to see what is in it.
    """
    read = reader_of(path, source)
    venue = venue or _whose(path, read)
    cut: list[Cut] = []
    first, unread, symbols, channels = _survey(path, _whole(read(path, progress), cut), venue, cut)
    natives = {_native_here(path, venue, symbol) for symbol in symbols}
    meta = Meta(
        program="import",
        venue=venue.name if symbols else UNKNOWN,
        started=first - LEAD,
        origin=kind_of(read),
        symbols=symbols,
        channels=channels,
        note=path.name,
    )
    size = size_of(path)
    if (run := folder / run_name(meta.started)).exists():
        expected = "another folder (--out), or that tape out of the way"
        raise ConfigError(where=str(run), found="a tape of that moment", expected=expected)
    with _aside(folder, meta) as writer:
        writer.put(_listed(listing, first))
        lines = _whole(read(path, lambda done: progress(size + done)), cut)
        frames, left_out = _copy(path, lines, writer, first, natives)
    damage = f"{cut[0]}" if cut else ""
    return Imported(
        run=run,
        venue=meta.venue,
        frames=frames,
        symbols=meta.symbols,
        channels=meta.channels,
        left_out=left_out,
        unread=unread if symbols else 0,
        damage=damage,
    )


@contextmanager
def _aside(folder: Path, meta: Meta) -> Iterator[TapeWriter]:
    """A tape that stands among the others when it is whole."""
    name = run_name(meta.started)
    staging = folder / f".{name}"
    try:
        _take_away(staging / name)
        writer = TapeWriter(staging, meta)
        try:
            yield writer
            writer.close()
            writer.run.rename(folder / name)
        except BaseException:
            writer.discard()
            raise
    finally:
        with suppress(OSError):
            staging.rmdir()


def _take_away(run: Path) -> None:
    """What an import left that was killed."""
    files = sorted(run.glob("*.tape"))
    if files and is_held(files[-1]):
        found, expected = "another process that imports it", "one at a time"
        raise ConfigError(where=str(run), found=found, expected=expected)
    for file in files:
        file.unlink()
    with suppress(FileNotFoundError):
        run.rmdir()


class _Survey(NamedTuple):
    """What is in a recording."""

    first: int
    """The first time that it says, ns."""
    unread: int
    symbols: tuple[str, ...]
    channels: tuple[str, ...]


def _survey(path: Path, lines: Iterator[Taken], venue: Venue, cut: list[Cut]) -> _Survey:
    """Look at all of it; raises `ConfigError` where there is nothing to begin a tape with."""
    codec = venue.codec(CodecOptions(Role.MARKET))
    names = {row.event: name for name, row in reversed(list(venue.channels.items()))}
    first = unread = 0
    symbols, channels = dict[str, None](), dict[str, None]()
    for taken in lines:
        first = first or taken.at
        if taken.kind != "recv":
            continue
        events = codec.decode(taken.payload, taken.at)
        unread += any(isinstance(event, Unhandled | Malformed) for event in events)
        for event in events:
            if isinstance(event, Event) and type(event).__name__ in names:
                symbols[event.symbol] = None
                channels[_channel(names, event)] = None
    if not first and cut:
        raise cut[0]
    if not first:
        raise ConfigError(
            where=str(path), found="no line with a time", expected="a recording of a session"
        )
    return _Survey(first, unread, tuple(symbols), tuple(channels))


def _whole(taken: Iterator[Taken], cut: list[Cut]) -> Iterator[Taken]:
    """What is whole; what is not is kept."""
    try:
        yield from taken
    except Cut as error:
        cut.append(error)


def _copy(
    path: Path, lines: Iterator[Taken], writer: TapeWriter, first: int, natives: set[str]
) -> tuple[int, int]:
    links: dict[str, str] = {}
    batch: list[Entry] = []
    frames = left_out = size = 0
    last = first
    for taken in lines:
        if len(taken.payload) > _LONGEST_FRAME:
            found = f"a frame of {len(taken.payload):,} bytes"
            raise ConfigError(where=str(path), found=found, expected=f"up to {_LONGEST_FRAME:,}")
        last = max(last, taken.at)  # a stamp may be missing or run backwards; order is truth
        link = links.setdefault(taken.link, f"market-{len(links) + 1}")
        match taken.kind:
            case "recv" | "send":
                kind = Kind.IN if taken.kind == "recv" else Kind.OUT
                frames += kind is Kind.IN
                batch.append((link, kind, last, True, taken.payload))
            case "connect":
                batch.append((link, Kind.OPENED, last, True, taken.url.encode()))
            case "http":
                url = _url(taken, natives)
                exchange = Exchange("GET", url, last, 200, {}, body=taken.payload)
                batch.append(("", Kind.HTTP, last, True, encode_exchange(exchange)))
            case _:
                left_out += 1
        size += len(taken.payload)
        if len(batch) >= _BATCH or size >= _BATCH_BYTES:
            writer.put(batch)
            batch, size = [], 0
    writer.put(batch)
    return frames, left_out


def _listed(listing: bytes, first: int) -> list[Entry]:
    if not listing:
        return []
    exchange = Exchange("GET", "https://import/exchangeInfo", first, 200, {}, body=listing)
    return [("", Kind.HTTP, first, True, encode_exchange(exchange))]


def _url(taken: Taken, natives: set[str]) -> str:
    """Some recorders say in words what they asked for; of one symbol that is plain enough."""
    if "://" in taken.url:
        return taken.url
    if b'"lastUpdateId"' in taken.payload[:100] and len(natives) == 1:
        return f"https://import/depth?{urlencode({'symbol': next(iter(natives))})}"
    return f"https://import/{taken.url.split(' ')[0]}"


def _channel(names: dict[str, str], event: Event) -> str:
    name = names[type(event).__name__]
    interval = getattr(event, "interval", "")
    return f"{name}@{interval}" if interval else name


def _native_here(path: Path, venue: Venue, symbol: str) -> str:
    try:
        return _native(venue, symbol)
    except ConfigError:
        expected = f"symbols of {venue.name}; another --venue may know it, or auto"
        raise ConfigError(where=str(path), found=f"symbol {symbol}", expected=expected) from None


def _native(venue: Venue, symbol: str) -> str:
    request = venue.codec(CodecOptions(Role.MARKET)).ask_snapshot(symbol, 100)
    found = re.search(r"symbol=([^&]+)", request.query)
    return found[1] if found else symbol


# ── whose it is ───────────────────────────────────────────────────────────────────────────────


def whose_capture(path: Path) -> Venue:
    """The venue that a capture is of; where nobody knows, the first that is built in.

    Raises `ConfigError` for what is no capture.
    """
    return _whose(path, read_capture)


def _whose(path: Path, read: Read) -> Venue:
    """The venue that knows most of the first frames, by the names that stand in them.

    Futures look much like spot, and are not: a stranger's decoder knows half of them, or names
    their symbols otherwise. Of equals it is the first that is built in, also where none knows any.
    """
    known = [_Reading(find_venue(name)) for name in BUILT_IN]
    frames = (taken for taken in _whole(read(path, lambda _: None), []) if taken.kind == "recv")
    for taken in islice(frames, _LOOKED_AT):
        for reading in known if len(taken.payload) < _BATCH_BYTES else ():
            reading.look(taken)
    return max(known, key=lambda reading: reading.knows).venue


class _Reading:
    """A recording as one venue reads it."""

    def __init__(self, venue: Venue) -> None:
        self.venue, self.knows = venue, 0
        self._decode = venue.codec(CodecOptions(Role.MARKET)).decode
        self._names = {row.event for row in venue.channels.values()}
        self._spelt: dict[str, bytes] = {}

    def look(self, taken: Taken) -> None:
        """Count a frame of which everything is known."""
        told = self._decode(taken.payload, taken.at)
        self.knows += bool(told) and all(
            isinstance(event, Event)
            and type(event).__name__ in self._names
            and self._named(event.symbol) in taken.payload.replace(b'": "', b'":"')
            for event in told
        )

    def _named(self, symbol: str) -> bytes:
        """How a frame of this symbol names it."""
        named = self._spelt.get(symbol)
        if named is None:
            named = b"none of its symbols"
            with suppress(ConfigError):
                named = f'"s":"{_native(self.venue, symbol)}"'.encode()
            self._spelt[symbol] = named
        return named
