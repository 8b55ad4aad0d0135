"""A tape as a market to be served: its frames as captures, its rules as listings.

The simulator knows neither tapes nor the client's decoders; here, above both, one is handed to the
other.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from pitwire.model.errors import ConfigError, MalformedFrame
from pitwire.sim.capture import CaptureRecord
from pitwire.sim.facts import Listing
from pitwire.tape.format import Kind, Record, decode_exchange
from pitwire.tape.reader import Tape, runs_in
from pitwire.venues.registry import find_venue
from pitwire.venues.venue import CodecOptions, Role


def is_tape(path: Path) -> bool:
    """Whether this is a tape rather than a capture."""
    return path.suffix == ".tape" or any(path.glob("*.tape")) or bool(runs_in(path))


def capture_of(tape: Tape) -> list[CaptureRecord]:
    """What the market said, as capture records; not what it said to us."""
    found = [_captured(record) for record in tape.records()]
    return [record for record in found if record is not None]


def _captured(record: Record) -> CaptureRecord | None:
    if record.kind is Kind.IN and record.link.startswith("market"):
        text = record.payload.decode("utf-8", "replace")
        answer = text.startswith(('{"result"', '{"id"', '{"error"'))
        return None if answer else CaptureRecord("recv", record.link, record.at, text)
    if record.kind is Kind.HTTP:
        exchange = decode_exchange(record.payload)
        body = exchange.body.decode("utf-8", "replace")
        return CaptureRecord("http", "", record.at, body, url=exchange.url)
    return None


def listing_on(tape: Tape, symbol: str) -> Listing | None:
    """The venue's rules for a symbol, as the tape has them; None when it has none."""
    codec = find_venue(tape.meta.venue).codec(CodecOptions(Role.MARKET))
    for record in tape.records():
        if record.kind is not Kind.HTTP:
            continue
        exchange = decode_exchange(record.payload)
        if "exchangeInfo" not in exchange.url:
            continue
        try:
            listed = codec.decode_instruments(exchange.body)
        except MalformedFrame:
            continue
        for found in listed:
            if found.symbol == symbol:
                ticks = int((found.max_price or Decimal(10_000_000)) / found.tick)
                return Listing(
                    symbol=symbol,
                    base=found.base,
                    quote=found.quote,
                    tick=found.tick,
                    lot=found.lot,
                    max_price=ticks,
                    max_lots=int((found.max_size or Decimal(10_000_000)) / found.lot),
                    min_notional=found.min_notional or Decimal(0),
                    start_price=max(1, ticks // 1000),
                )
    return None


def symbol_of(tape: Tape, wanted: str = "") -> str:
    """The one symbol to be served."""
    symbols = tape.meta.symbols
    if wanted and wanted not in symbols:
        expected = f"one of {', '.join(symbols) or 'none'}"
        raise ConfigError(where="symbol", found=wanted, expected=expected)
    if not symbols:
        raise ConfigError(
            where=str(tape.path), found="no symbol", expected="a tape of a market to be served"
        )
    return wanted or symbols[0]
