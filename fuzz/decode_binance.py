"""The Binance decoder against spoilt frames: events with sane numbers, or said to be malformed."""

from __future__ import annotations

import random
import time

from fuzz.mutations import golden_frames, mutate
from pitwire.conformance.corpora import check
from pitwire.venues.binance.codec import BinanceCodec
from pitwire.venues.venue import CodecOptions, Role

NOW = 1_700_000_000_000_000_000


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
