"""Captured venue traffic: the records as they were kept, and what the market ones mean.

House rules: a record's text is never re-spelt, only sliced; a price becomes a whole count of ticks
or is an error that names it; texts this module does not know are passed over, not guessed at
(binance §3, §5.8). `_recorded.c` beside it is the compiled twin of what is read of each frame, used
where it has been built (ADR 23, ADR 44), held against the plain reading by the same tests.
"""

from __future__ import annotations

import gzip
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from pitwire.model.clock import MILLISECOND
from pitwire.model.errors import ConfigError
from pitwire.model.orders import Side
from pitwire.model.twins import twin

Levels: TypeAlias = tuple[tuple[int, int], ...]
"""(price in ticks, size in lots)."""
News: TypeAlias = dict[int, int | str]
"""Price in ticks → what was said of it last: lots, or the text of a size that nobody has read."""
Span: TypeAlias = tuple[int, int]
"""The first and the last id of a diff."""


class CaptureRecord(msgspec.Struct, frozen=True, gc=False):
    """One line of a capture, in receive order."""

    t: str
    """`recv`, `send`, `connect`, `http` or `header`."""
    conn: str = ""
    ts_ns: int | None = None
    data: str = ""
    """The text exactly as it went over the wire."""
    addr: str = ""
    url: str = ""


class Diff(msgspec.Struct, frozen=True):
    """New absolute sizes of some levels, as of ids `first` to `last`."""

    first: int
    last: int
    bids: Levels
    asks: Levels


class Changes(msgspec.Struct, frozen=True):
    """A diff whose sizes are still texts: (price in ticks, size as it is written)."""

    first: int
    last: int
    bids: list[tuple[int, str]]
    asks: list[tuple[int, str]]


class Snapshot(msgspec.Struct, frozen=True):
    """A whole book as of `last`."""

    last: int
    bids: Levels
    asks: Levels


class Print(msgspec.Struct, frozen=True, gc=False):
    """A public trade; `side` is the taker's, `at` the venue's time in ns."""

    trade_id: int
    price: int
    lots: int
    side: Side
    at: int


class _Combined(msgspec.Struct):
    stream: str = ""
    data: msgspec.Raw = msgspec.Raw()


class _Wire(msgspec.Struct):
    """Those fields of depthUpdate and trade, and of the REST book, that a market is made of."""

    e: str = ""
    s: str = ""
    U: int = 0
    u: int = 0
    t: int = 0
    p: str = ""
    q: str = ""
    T: int = 0
    m: bool = False
    b: msgspec.Raw = msgspec.Raw()
    a: msgspec.Raw = msgspec.Raw()
    lastUpdateId: int = 0  # noqa: N815
    bids: msgspec.Raw = msgspec.Raw()
    asks: msgspec.Raw = msgspec.Raw()


class _Bar(msgspec.Struct):
    """What says which bars a kline is of."""

    i: str = ""


class _Bare(msgspec.Struct):
    """Those fields that tell of which stream a payload is."""

    e: str = ""
    s: str = ""
    u: int = 0
    k: _Bar = msgspec.field(default_factory=_Bar)


_KINDS = {
    "": "bookTicker",  # which does not say so
    "trade": "trade",
    "aggTrade": "aggTrade",
    "depthUpdate": "depth@100ms",
    "24hrTicker": "ticker",
    "24hrMiniTicker": "miniTicker",
    "avgPrice": "avgPrice",
}
"""What a payload calls itself → the stream that brings it (binance §3)."""

_record = msgspec.json.Decoder(CaptureRecord)
_combined = msgspec.json.Decoder(_Combined)
_wire = msgspec.json.Decoder(_Wire)
_bare = msgspec.json.Decoder(_Bare)
_levels = msgspec.json.Decoder(list[tuple[str, str]])


def load_capture(path: Path | str) -> list[CaptureRecord]:
    """Read a capture, gzipped or plain; `ConfigError` names the file and line it cannot read."""
    path = Path(path)
    records = []
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                records.append(_record.decode(line))
            except msgspec.DecodeError as error:
                raise ConfigError(
                    where=f"{path.name} line {number}",
                    found=line[:60].decode("utf-8", "replace").strip(),
                    expected=f"a capture, one JSON record a line ({error})",
                ) from None
    return records


COMPILED: Any = twin("pitwire.sim._recorded")
"""What reads the commonest frames, or None."""


def open_frame(raw: bytes, part: Any = COMPILED) -> tuple[str, bytes]:
    """Stream and payload of a frame, not a byte of it touched; of a bare one by what it says."""
    if part is not None and (found := part.open_frame(raw)) is not None:
        return found  # type: ignore[no-any-return]
    try:
        combined = _combined.decode(raw)
    except msgspec.DecodeError:
        return stream_of(raw), raw
    payload = bytes(combined.data)
    if combined.stream and payload:
        return combined.stream, payload
    return stream_of(raw), raw


def stream_of(payload: bytes) -> str:
    """The stream that a bare payload must have come by; "" where it does not say.

    Which of two speeds a diff was sent at is not in it: it counts as one of the quick stream.
    """
    try:
        bare = _bare.decode(payload)
    except msgspec.DecodeError:
        return ""
    kind = _KINDS.get(bare.e, "")
    if bare.e == "kline" and bare.k.i:
        kind = f"kline_{bare.k.i}"
    if not (kind and bare.s and (bare.e or bare.u)):
        return ""
    return f"{bare.s.lower()}@{kind}"


_REMEMBERED = 1 << 16


class Grid:
    """Turns a decimal text into a count of steps."""

    def __init__(self, field: str, step: Decimal) -> None:
        self._field = field
        self._step = step
        scaled = step.scaleb(8)
        # Spot pads every decimal to eight places, so most texts are one integer and a division.
        self.units = int(scaled) if scaled == int(scaled) else 0
        """The step, where it is so many times the eighth decimal place."""
        self._known: dict[str, tuple[int, bool]] = {}

    def count(self, text: str) -> int:
        """Exactly how many steps; `ValueError` for a text off the grid."""
        whole, rest = self._known.get(text) or self._learn(text)
        if rest:
            raise ValueError(f"{self._field}: found {text}, expected a multiple of {self._step}")
        return whole

    def floor(self, text: str) -> int:
        """How many whole steps; something is at least one.

        Resting orders outlive a change of the venue's lot, so a recorded size may be off the grid.
        """
        whole, rest = self._known.get(text) or self._learn(text)
        return 1 if rest and not whole else whole

    def _learn(self, text: str) -> tuple[int, bool]:
        """The same prices come again and again, and most sizes are 0."""
        if len(self._known) == _REMEMBERED:
            self._known.clear()
        found = self._known[text] = self._divide(text)
        return found

    def _divide(self, text: str) -> tuple[int, bool]:
        try:
            if self.units and text[-9:-8] == ".":
                whole, rest = divmod(int(text[:-9] + text[-8:]), self.units)
                return whole, rest != 0
            count, part = divmod(Decimal(text), self._step)
        except (InvalidOperation, ValueError):
            raise ValueError(f"{self._field}: found {text!r}, expected a decimal") from None
        return int(count), part != 0


class _Ticks(dict[str, int]):
    """Texts of prices that were met, and how many ticks each is."""

    def __init__(self, grid: Grid) -> None:
        super().__init__()
        self._grid = grid

    def __missing__(self, text: str) -> int:
        if len(self) >= _REMEMBERED:
            self.clear()
        ticks = self[text] = self._grid.count(text)
        return ticks


class Reader:
    """Reads one symbol's books and trades out of captured payloads."""

    def __init__(self, *, tick: Decimal, lot: Decimal, name: str, part: Any = COMPILED) -> None:
        self._name, self._spelt = name, name.encode()
        """The symbol as the payloads spell it."""
        self._part = None if part is None else part.take_in
        self._prices = Grid("price", tick)
        self._ticks = _Ticks(self._prices)
        self._sizes = Grid("size", lot)
        self.lots = self._sizes.floor
        """How many lots the text of a size is."""
        self.spelling = self._spelt, self._prices.units, self._sizes.units
        """The symbol as the payloads spell it, and the two steps in the eighth decimal place, 0
        where they are no whole number of it."""

    def read(self, payload: bytes) -> Diff | Print | None:
        """What a stream payload says about this symbol's market; None for anything else."""
        said = self.skim(payload)
        if not isinstance(said, Changes):
            return said
        bids, asks = self._counted(said.bids), self._counted(said.asks)
        return Diff(said.first, said.last, bids, asks)

    def skim(self, payload: bytes) -> Changes | Print | None:
        """The same, but the sizes of a diff are left as they are written: most go unread."""
        try:
            wire = _wire.decode(payload)
        except msgspec.DecodeError:
            return None
        if wire.s != self._name:
            return None
        if wire.e == "depthUpdate":
            return Changes(wire.U, wire.u, self._priced(wire.b), self._priced(wire.a))
        if wire.e == "trade":
            # m: the buyer was the maker, so the taker sold (binance §3).
            side = Side.SELL if wire.m else Side.BUY
            price, lots = self._ticks[wire.p], self._sizes.floor(wire.q)
            return Print(wire.t, price, lots, side, wire.T * MILLISECOND)
        return None

    def take_in(self, payload: bytes, after: int, bids: News, asks: News) -> Span | Print | None:
        """The same of a payload whose levels are put down in these where its diff goes beyond the
        id `after`."""
        if self._part is not None:
            units = self._prices.units, self._sizes.units
            found = self._part(payload, self._spelt, *units, after, bids, asks)
            if found is not None:
                if len(found) == 2:
                    return found  # type: ignore[no-any-return]
                trade_id, price, lots, at, sells = found
                side = Side.SELL if sells else Side.BUY
                return Print(trade_id, price, lots, side, at * MILLISECOND)
        said = self.skim(payload)
        if not isinstance(said, Changes):
            return said
        if said.last > after:
            bids.update(said.bids)
            asks.update(said.asks)
        return said.first, said.last

    def read_snapshot(self, record: CaptureRecord) -> Snapshot | None:
        """The book in an HTTP record, when it is one and of this symbol."""
        symbol = record.url.partition("symbol=")[2].partition("&")[0]
        if record.t != "http" or symbol not in ("", self._name):
            return None
        try:
            wire = _wire.decode(record.data)
        except msgspec.DecodeError:
            return None
        if not wire.lastUpdateId:
            return None
        bids, asks = self._read_levels(wire.bids), self._read_levels(wire.asks)
        return Snapshot(wire.lastUpdateId, bids, asks)

    def _priced(self, raw: msgspec.Raw) -> list[tuple[int, str]]:
        ticks = self._ticks
        return [(ticks[price], size) for price, size in _levels.decode(raw)]

    def _counted(self, changes: list[tuple[int, str]]) -> Levels:
        return tuple([(price, self.lots(size)) for price, size in changes])

    def _read_levels(self, raw: msgspec.Raw) -> Levels:
        price, size = self._prices.count, self._sizes.floor
        return tuple([(price(p), size(q)) for p, q in _levels.decode(raw)])
