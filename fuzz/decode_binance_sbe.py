"""The binary decoder against spoilt frames: events with sane numbers, or said to be malformed."""

from __future__ import annotations

import json
import random
import time

from fuzz.decode_binance import NOW, check
from fuzz.mutations import GOLDEN, mutate
from pitwire.model.events import Malformed
from pitwire.venues.binance import BINANCE_SBE
from pitwire.venues.venue import Codec, CodecOptions, Role

MOST_ERRORS = 1
"""One frame is one error, however much is wrong with it."""


def binary_frames() -> list[bytes]:
    """The worked frames of the papers, as bytes."""
    path = GOLDEN / "binance-sbe" / "frames.jsonl"
    return [bytes.fromhex(json.loads(line)["hex"]) for line in path.read_text().splitlines()]


def run(seconds: float, seed: int, *, most: int = 1 << 62) -> int:
    """Decode spoilt frames for so long, or so many; returns how many. Raises at the first fault."""
    chance = random.Random(seed)
    seeds = binary_frames()
    codecs = [BINANCE_SBE.codec(CodecOptions(role=role)) for role in (Role.MARKET, Role.ORDERS)]
    end = time.monotonic() + seconds
    done = 0
    while done < most and time.monotonic() < end:
        frame = _spoil(chance.choice(seeds), seeds, chance)
        for codec in codecs:
            _try(codec, frame)
        done += 1
    return done


def _try(codec: Codec, frame: bytes) -> None:
    try:
        told = codec.decode(frame, NOW)
        check(told)
        if sum(isinstance(one, Malformed) for one in told) > MOST_ERRORS:
            raise AssertionError(f"more than one error: {told}")
    except BaseException as error:
        error.add_note(f"frame {frame.hex()}")
        raise


def _spoil(frame: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """Half of them as text would be spoilt, half with a number put where one may be."""
    if chance.random() < 0.5:
        return mutate(frame, others, chance)
    spoilt = bytearray(frame)
    for _ in range(chance.randint(1, 3)):
        size = chance.choice((1, 2, 4, 8))
        at = chance.randrange(max(1, len(spoilt) - size))
        value = chance.choice((0, 1, -1, 2**15, -(2**31), 2**62, -(2**63), chance.getrandbits(62)))
        spoilt[at : at + size] = (value & (256**size - 1)).to_bytes(size, "little")
    return bytes(spoilt)
