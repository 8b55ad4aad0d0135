"""The compiled reader of binary market frames beside the plain one: alike, or left to it.

Frames are drawn with the numbers, lengths and names that a reader may stumble over, then spoilt.
"""

from __future__ import annotations

import random
import struct
import time

from bench import native
from pitwire.venues.binance import BINANCE_SBE
from pitwire.venues.binance.sbe import known_by
from pitwire.venues.binance.sbe_codec import SbeCodec
from pitwire.venues.venue import CodecOptions, Role

NOW = 1_700_000_000_000_000_000
NUMBERS = (0, 1, -1, 2**53, 2**53 + 1, 2**62 - 1, 2**62, 2**63 - 1, -(2**63))
NAMES = (b"BTCUSDT", b"BNBBTC", b"NEWUSDT", b"", b"A" * 40, b"A" * 41, b"\xc3\x9c", b"\xff", b"B\0")


def run(seconds: float, seed: int, *, most: int = 1 << 62) -> int:
    """Read frames by both for so long, or so many; returns how many: 0 without a C compiler."""
    reading, levels = native.twin(native.SBE), native.twin(native.PACKED)
    if reading is None or levels is None:
        return 0
    chance, codecs = random.Random(seed), [_codec() for _ in range(2)]
    plain, asked = (type(codec).decode.__get__(codec) for codec in codecs)
    compiled = known_by(reading, levels)(codecs[1]._symbols, asked)
    end = time.monotonic() + seconds
    done = 0
    while done < most and time.monotonic() < end:
        frame = spoilt(chance)
        one, other = plain(frame, NOW), compiled(frame, NOW)
        # By what is printed, to the last bit: 0.0 and -0.0 are equal, and so are 1 and 1.0.
        if repr(list(one)) != repr(list(other)) or list(one) != list(other):
            error = AssertionError(f"found {other}, the plain reading {one}")
            error.add_note(f"frame {frame.hex()}")
            raise error
        done += 1
    return done


def _codec() -> SbeCodec:
    codec = BINANCE_SBE.codec(CodecOptions(role=Role.MARKET))
    assert isinstance(codec, SbeCodec)
    return codec


def spoilt(chance: random.Random) -> bytes:
    """A frame of one of the four templates, whole in two of three."""
    frame = bytearray(_frame(chance))
    match chance.randrange(9):
        case 0:
            frame[chance.randrange(len(frame))] = chance.randrange(256)
        case 1:
            del frame[chance.randrange(len(frame)) :]
        case 2:
            at = chance.randrange(len(frame))
            frame[at:at] = chance.randbytes(chance.randint(1, 9))
    return bytes(frame)


def _frame(chance: random.Random) -> bytes:
    def number(most: int = 10**13) -> int:
        return chance.choice(NUMBERS) if chance.random() < 0.01 else chance.randrange(1, most)

    def levels(width: int) -> bytes:
        count = chance.choice((0, 1, 2, 5, 20))
        packed = b"".join(
            struct.pack("<qq", number(), chance.choice((0, number()))) + bytes(width - 16)
            for _ in range(count)
        )
        return struct.pack("<HH", width, count) + packed

    def trades() -> bytes:
        count, width = chance.choice((1, 1, 1, 0, 2, 9)), chance.choice((25,) * 9 + (27,))
        packed = b"".join(
            struct.pack("<qqqB", number(), number(), number(), chance.choice((0, 1, 0, 1, 0, 1, 2)))
            + bytes(width - 25)
            for _ in range(count)
        )
        return struct.pack("<HI", width, count) + packed

    more = bytes(chance.choice((0,) * 15 + (1, 7)))
    usual = chance.random() < 0.9
    scales = struct.pack("<bb", *((-8, -8) if usual else chance.choices(range(-20, 20), k=2)))
    width, at = (
        chance.choice((16,) * 15 + (19,)),
        chance.choice((number(10**16), number(2 * 10**15))),
    )
    template, root, rest = chance.choice(
        (
            (10000, struct.pack("<qq", at, at) + scales, trades()),
            (
                10001,
                struct.pack("<qq", at, number()) + scales
                + struct.pack("<qqqq", *(number() for _ in range(4))),
                b"",
            ),
            (10002, struct.pack("<qq", at, number()) + scales, levels(width) + levels(width)),
            (
                10003,
                struct.pack("<qqq", at, number(), number()) + scales,
                levels(width) + levels(width),
            ),
        )
    )  # fmt: skip
    root += more
    name = chance.choice(NAMES) if chance.random() < 0.1 else b"BTCUSDT"
    head = struct.pack("<HHHH", len(root), template, chance.choice((1,) * 30 + (2,)), 0)
    return head + root + rest + bytes([len(name)]) + name
