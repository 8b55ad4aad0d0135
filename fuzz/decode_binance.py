"""The Binance decoder against spoilt frames: events with sane numbers, or said to be malformed."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Mapping, Sequence

from fuzz.mutations import golden_frames, mutate
from pitwire.model.events import (
    Balance,
    Event,
    Liquidation,
    MarginCall,
    MarkPrice,
    Position,
    Ticker,
)
from pitwire.venues.binance.codec import BinanceCodec
from pitwire.venues.venue import CodecOptions, Decoded, Reply, Role

MARGIN_VENUES = ("binance-usdm",)
NOW = 1_700_000_000_000_000_000
NO_NUMBER: Mapping[type[Event], frozenset[str]] = {
    Ticker: frozenset(
        (
            "open", "high", "low", "last", "change", "change_percent", "average", "bid",
            "bid_size", "ask", "ask_size",
        )
    ),
    MarkPrice: frozenset(("index", "settle", "average")),
    Liquidation: frozenset(("price", "average_price")),
}  # fmt: skip
"""Fields that are NaN where the venue states no price."""
SIGNED = frozenset(("change", "change_percent", "fee", "code", "checksum", "rate"))
"""Fields that may be below zero: differences, rebates, error codes, a sum that no venue sent."""
ON_MARGIN: Mapping[type[Event], frozenset[str]] = {
    MarkPrice: frozenset(("index", "settle", "average")),
    Balance: frozenset(("free", "locked")),
    Position: frozenset(("size", "average_price")),
    MarginCall: frozenset(("size", "mark_price", "open_result", "maintenance")),
}
"""What may be below zero where positions are held on margin."""


def run(seconds: float, seed: int, *, most: int = 1 << 62) -> int:
    """Decode spoilt frames for so long, or so many; returns how many. Raises at the first fault."""
    chance = random.Random(seed)
    seeds = golden_frames("binance")
    codecs = {role: BinanceCodec(CodecOptions(role=role)) for role in Role}
    end = time.monotonic() + seconds
    done = 0
    while done < most and time.monotonic() < end:
        frame = mutate(chance.choice(seeds), seeds, chance)
        for role, codec in codecs.items():
            _try(codec, role, frame)
        done += 1
    return done


def _try(codec: BinanceCodec, role: Role, frame: bytes) -> None:
    try:
        check(codec.decode(frame, NOW))
    except BaseException as error:
        error.add_note(f"{role} connection, frame {frame!r}")
        raise


def check(decoded: Sequence[Decoded]) -> None:
    """Raise `AssertionError` unless these are events and replies with sane numbers."""
    for item in decoded:
        if isinstance(item, Reply):
            _check_reply(item)
        for event in item.events if isinstance(item, Reply) else (item,):
            if not isinstance(event, Event):
                raise AssertionError(f"not an event: {event!r}")
            for name in event.__struct_fields__:
                _check_value(event, name, getattr(event, name))


def _check_reply(reply: Reply) -> None:
    if not (-1 <= reply.request_id < 2**53 and -1 <= reply.used_weight < 2**31):
        raise AssertionError(f"a number out of range in {reply!r}")
    if not 0 <= reply.server_time < 2**63:
        raise AssertionError(f"server_time does not fit 64 bits in {reply!r}")


def _check_value(event: Event, name: str, value: object) -> None:
    if isinstance(value, tuple):
        for part in value:
            _check_value(event, name, part)
        return
    if value is None or isinstance(value, str | bool):
        return
    if name in NO_NUMBER.get(type(event), ()) and math.isnan(value):  # type: ignore[arg-type]
        return
    if not math.isfinite(value):  # type: ignore[arg-type]
        raise AssertionError(f"{name} is {value} in {event!r}")
    owed = event.venue in MARGIN_VENUES and name in ON_MARGIN.get(type(event), ())
    if value < 0 and not owed and name not in SIGNED:  # type: ignore[operator]
        raise AssertionError(f"{name} is negative in {event!r}")
    if isinstance(value, int) and value >= 2**63:
        raise AssertionError(f"{name} does not fit 64 bits in {event!r}")
