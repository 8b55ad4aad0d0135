"""A tape as a market to be served: its frames, the books it begins with, its rules as listings.

The simulator knows neither tapes nor the client's decoders; here, above both, one is handed to the
other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from decimal import Decimal
from itertools import chain
from pathlib import Path

import msgspec

from pitwire.model.errors import ConfigError, MalformedFrame
from pitwire.sim.capture import CaptureRecord
from pitwire.sim.facts import Listing
from pitwire.sim.history import Framed
from pitwire.tape.format import Exchange, Kind, decode_exchange
from pitwire.tape.merged import MergedTape
from pitwire.tape.reader import Tape, runs_in
from pitwire.venues.registry import find_venue
from pitwire.venues.venue import CodecOptions, Role

_IN = Kind.IN
ANSWERS = (b'{"result"', b'{"id"', b'{"error"')


class _Listed(msgspec.Struct):
    """A listing of symbols."""

    symbols: list[msgspec.Raw] = []


def is_tape(path: Path) -> bool:
    """Whether this is a tape rather than a capture."""
    return path.suffix == ".tape" or any(path.glob("*.tape")) or bool(runs_in(path))


def one_of(paths: Sequence[Path]) -> Tape:
    """A tape, or several as one."""
    tapes = [Tape(path) for path in paths]
    if len(tapes) == 1:
        return tapes[0]
    return MergedTape(tapes, lambda payload: payload.startswith(ANSWERS), _listing_of(tapes))


def _listing_of(tapes: Sequence[Tape]) -> Exchange | None:
    """What the venue lists of the symbols of all of them, as if it had been asked once."""
    found, whole = [], None
    for exchange in (each for tape in tapes for each in _listings_on(tape)):
        whole = exchange
        with suppress(msgspec.DecodeError):
            found += msgspec.json.decode(exchange.body, type=_Listed).symbols
    if whole is None:
        return None
    url = whole.url.partition("?")[0]
    return msgspec.structs.replace(whole, url=url, body=msgspec.json.encode(_Listed(found)))


def _listings_on(tape: Tape) -> Iterator[Exchange]:
    for record in tape.records(only=Kind.HTTP):
        exchange = decode_exchange(record.payload)
        if "exchangeInfo" in exchange.url:
            yield exchange


def frames_on(tape: Tape, later: int = 0) -> Iterator[Framed]:
    """What the market said, and when, and so much later, ns; not what it said to us."""
    return chain.from_iterable(
        [
            (at + later, payload)
            for at, kind, link, _, payload in block
            if kind is _IN and link[:6] == "market" and not payload.startswith(ANSWERS)
        ]
        for block in tape.blocks()
    )


def snapshots_on(tape: Tape, names: Iterable[str]) -> list[CaptureRecord]:
    """The first whole book of each of these symbols, named as the venue does, where there is one.

    What does not say whose it is (an import may have lost that) is thought to be of them all.
    """
    missing, found = set(names), []
    for record in tape.records(only=Kind.HTTP):
        exchange = decode_exchange(record.payload)
        if b'"lastUpdateId"' not in exchange.body:
            continue
        name = exchange.url.partition("symbol=")[2].partition("&")[0]
        if name and name not in missing:
            continue
        body = exchange.body.decode("utf-8", "replace")
        found.append(CaptureRecord("http", "", record.at, body, url=exchange.url))
        missing.discard(name)
        if not (missing and name):
            break
    return found


def listing_on(tape: Tape, symbol: str) -> Listing | None:
    """The venue's rules for a symbol, as the tape has them; None when it has none."""
    codec = find_venue(tape.meta.venue).codec(CodecOptions(Role.MARKET))
    for exchange in _listings_on(tape):
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
