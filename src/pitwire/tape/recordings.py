"""Other people's recordings line by line: captures, cryptofeed's raw files, hftbacktest's
collections.

House rules: a payload is never re-spelt; memory does not grow with a file; a line that cannot be
read is an error that names file and line.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from heapq import merge
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple, TypeAlias

import msgspec

from pitwire.model.clock import SECOND
from pitwire.model.errors import ConfigError

_BATCH = 2000
_LATEST, _DIGITS = (1 << 63) - 86_400 * SECOND, 30
"""ns that a record can say, and a day after it; and more digits than these have."""
_FORMATS = ("capture", "cryptofeed", "hftbacktest")


class Taken(NamedTuple):
    """One thing that a recording holds."""

    kind: str
    """`recv`, `send`, `connect` or `http`."""
    at: int
    """ns; 0 where the recording says nothing."""
    link: str
    payload: bytes
    url: str = ""


class _CaptureLine(msgspec.Struct):
    t: str = ""
    conn: str = ""
    ts_ns: int | None = None
    data: str = ""
    addr: str = ""
    url: str = ""


_capture_line = msgspec.json.Decoder(_CaptureLine).decode


class Cut(ConfigError):
    """A recording that ends in the midst of something."""


Read: TypeAlias = Callable[[Path, Callable[[int], None]], Iterator[Taken]]
"""What reads a recording, and tells how many bytes of it have been read."""


def read_capture(path: Path, progress: Callable[[int], None]) -> Iterator[Taken]:
    """Lines of JSON, `{"t", "conn", "ts_ns", "data", …}`: a text frame each."""
    for number, line in _lines(path, progress):
        try:
            found = _capture_line(line)
        except msgspec.MsgspecError as error:
            raise _bad(path, number, line, f"a capture record ({error})") from None
        url, at = found.url or found.addr, _known(path, number, line, found.ts_ns or 0)
        taken = Taken(found.t, at, found.conn, found.data.encode(), url)
        del found, line  # as below
        yield taken


_ARROW = re.compile(
    rb"(?P<url>\S+) (?P<arrow>->|<-|<->) (?P<at>\d+(?:\.\d+)?)(?:: (?P<text>.*))?\Z"
)
_KINDS = {b"->": "http", b"<-": "send", b"<->": "connect"}


_RAW = re.compile(r"(?P<link>(?P<feed>[^.]+)(?:\.(?:ws|http)\.\d+)?)\.(?P<number>\d+)(?:\.gz)?\Z")
"""How cryptofeed calls its raw files: FEED.0, FEED.http.0.0, FEED.ws.1.0 and on."""
_HEADERS = b" header: "


def read_cryptofeed(path: Path, progress: Callable[[int], None]) -> Iterator[Taken]:
    """`SECONDS: TEXT` for a frame; `URL -> SECONDS: TEXT`, `URL <- …`, `URL <-> …` for others.

    It writes a file for each connection, and what a book began with is not in that of its changes:
    a folder is all of one feed's, in the order of their stamps.
    """
    if not path.is_dir():
        yield from _raw(path, path.name, progress)
        return
    done: dict[Path, int] = {}

    def tell(file: Path, read: int) -> None:
        done[file] = read
        progress(sum(done.values()))

    cut: list[Cut] = []
    streams = [_stream(link, files, tell, cut) for link, files in _raw_files(path).items()]
    yield from (taken for _, taken in merge(*streams, key=itemgetter(0)))
    if cut:
        raise cut[0]


def _raw_files(folder: Path) -> dict[str, list[Path]]:
    """The files of each connection in their order; raises `ConfigError` for none, and two feeds."""
    found = [(match, path) for path in folder.iterdir() if (match := _RAW.match(path.name))]
    feeds = sorted({match["feed"] for match, _ in found})
    if len(feeds) != 1:
        told = f"those of {', '.join(feeds)}" if feeds else "no file called FEED.ws.1.0 or so"
        expected = "the raw files of one feed; another's in a folder of its own"
        raise ConfigError(where=str(folder), found=told, expected=expected)
    links: dict[str, list[Path]] = {}
    for match, path in sorted(found, key=lambda one: (one[0]["link"], int(one[0]["number"]))):
        links.setdefault(match["link"], []).append(path)
    return links


def _stream(
    link: str, files: list[Path], tell: Callable[[Path, int], None], cut: list[Cut]
) -> Iterator[tuple[int, Taken]]:
    """What one connection has written, each with a time that does not run backwards."""
    last = 0
    for file in files:
        try:
            for taken in _raw(file, link, partial(tell, file)):
                last = max(last, taken.at)
                yield last, taken
        except Cut as error:  # the others may go on
            cut.append(error)


def _raw(path: Path, link: str, progress: Callable[[int], None]) -> Iterator[Taken]:
    for number, line in _lines(path, progress):
        if not line or line.startswith(b"configuration: "):
            continue
        found = _ARROW.match(line)
        if found is not None:
            at, text = _nanoseconds(found["at"]), _body(found["text"] or b"")
            at = _known(path, number, line, at)
            url = found["url"].decode("utf-8", "replace")
            yield Taken(_KINDS[found["arrow"]], at, link, text, url)
            continue
        stamp, colon, text = line.partition(b": ")
        at = _nanoseconds(stamp) if colon else 0
        if not at:
            raise _bad(path, number, line, "a time in seconds, a colon and a frame")
        yield Taken("recv", _known(path, number, line, at), link, text)


def _body(text: bytes) -> bytes:
    """An answer without the headers that may stand behind it."""
    body, mark, headers = text.rpartition(_HEADERS)
    if mark:
        with suppress(msgspec.DecodeError):
            msgspec.json.decode(headers, type=dict[str, str])
            return body
    return text


def read_hftbacktest(path: Path, progress: Callable[[int], None]) -> Iterator[Taken]:
    """`NANOSECONDS TEXT`: a frame, or the answer about a book."""
    for number, line in _lines(path, progress):
        stamp, space, text = line.partition(b" ")
        if not (space and stamp.isdigit()):
            raise _bad(path, number, line, "a time in nanoseconds, a space and a frame")
        is_book = text.startswith((b'{"lastUpdateId"', b'{"symbol"')) and b'"bids"' in text
        at = _known(path, number, line, int(stamp) if len(stamp) < _DIGITS else _LATEST + 1)
        yield Taken("http" if is_book else "recv", at, path.name, text, "depth")


_READERS: dict[str, Read] = {
    "capture": read_capture,
    "cryptofeed": read_cryptofeed,
    "hftbacktest": read_hftbacktest,
}


def kind_of(read: Read) -> str:
    return next(name for name, known in _READERS.items() if known is read)


def reader_of(path: Path, source: str) -> Read:
    if source != "auto":
        if source not in _READERS:
            expected = f"one of auto, {', '.join(_FORMATS)}"
            raise ConfigError(where="--format", found=source, expected=expected)
        return _READERS[source]
    if path.is_dir():
        return read_cryptofeed
    for _, line in _lines(path, lambda _: None):
        if line.startswith(b'{"t"'):
            return read_capture
        if line.startswith(b"configuration: ") or _ARROW.match(line):
            return read_cryptofeed
        stamp = line.split(b" ", 1)[0]
        if stamp.isdigit() and len(stamp) >= 16:
            return read_hftbacktest
        if stamp.endswith(b":") and _nanoseconds(stamp[:-1]):
            return read_cryptofeed
        expected = f"the first line of one of {', '.join(_FORMATS)}; or --format"
        if line.startswith(b"exchange,symbol,"):
            expected += "; tardis.dev's CSV is events and not frames: pitwire tables takes it"
        raise _bad(path, 1, line, expected)
    raise ConfigError(where=str(path), found="an empty file", expected="a recording")


def size_of(path: Path) -> int:
    """How many bytes a recording has; 0 where there is none."""
    files = path.iterdir() if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


class _Half(bytes):
    """A last line without a line's end."""


def _lines(path: Path, progress: Callable[[int], None]) -> Iterator[tuple[int, bytes]]:
    number = 0
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            lines = gzip.GzipFile(fileobj=raw) if packed else raw
            for line in lines:
                number += 1
                if number % _BATCH == 0:
                    progress(raw.tell())
                is_whole, bare = line.endswith(b"\n"), [line.rstrip(b"\r\n")]
                del line  # a frame may be megabytes long: who is handed it has it alone
                yield number, bare.pop() if is_whole else _Half(bare.pop())
    except EOFError:
        where = f"{path} behind line {number}"
        expected = "a whole gzip file; what stands before that line's end is read"
        raise Cut(where=where, found="one that is cut", expected=expected) from None
    except (zlib.error, gzip.BadGzipFile) as error:  # then what was read before may be wrong, too
        where, found = f"{path} by line {number}", f"a damaged one ({error})"
        raise ConfigError(where=where, found=found, expected="a whole gzip file") from None
    except OSError as error:
        found = error.strerror or type(error).__name__
        raise ConfigError(where=str(path), found=found, expected="a recording to read") from None


def _nanoseconds(text: bytes) -> int:
    """Seconds as text → ns, without a detour through float; 0 for what is none."""
    whole, _, part = text.partition(b".")
    with suppress(ValueError):
        return int(whole) * SECOND + (int(part.ljust(9, b"0")[:9]) if part else 0)
    return 0


def _known(path: Path, number: int, line: bytes, at: int) -> int:
    """A time that a tape can say."""
    if not 0 <= at <= _LATEST:
        raise _bad(path, number, line, "a time between 1970 and 2262")
    return at


def _bad(path: Path, number: int, line: bytes, expected: str) -> ConfigError:
    kind = Cut if isinstance(line, _Half) else ConfigError
    where, found = f"{path} line {number}", line[:60].decode("utf-8", "replace")
    return kind(where=where, found=found, expected=expected)
