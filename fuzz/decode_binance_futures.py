"""The futures' decoder against spoilt frames: events with sane numbers, or said to be malformed."""

from __future__ import annotations

import random
import time

from fuzz.decode_binance import NOW
from fuzz.mutations import golden_frames, mutate
from pitwire.conformance.corpora import check
from pitwire.venues.binance_futures import BINANCE_USDM
from pitwire.venues.venue import Codec, CodecOptions, Role


def run(seconds: float, seed: int, *, most: int = 1 << 62) -> int:
    """Decode spoilt frames for so long, or so many; returns how many. Raises at the first fault."""
    chance = random.Random(seed)
    seeds = golden_frames("binance-usdm")
    codecs = {role: BINANCE_USDM.codec(CodecOptions(role=role)) for role in Role}
    end = time.monotonic() + seconds
    done = 0
    while done < most and time.monotonic() < end:
        frame = mutate(chance.choice(seeds), seeds, chance)
        for role, codec in codecs.items():
            _try(codec, role, frame)
        done += 1
    return done


def _try(codec: Codec, role: Role, frame: bytes) -> None:
    try:
        check(codec.decode(frame, NOW), margin=True)
    except BaseException as error:
        error.add_note(f"{role} connection, frame {frame!r}")
        raise
