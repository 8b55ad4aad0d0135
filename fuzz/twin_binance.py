"""The compiled reader of Binance's market frames beside the typed one: alike, or left to it.

Frames are drawn with the numbers, names and keys that a reader may stumble over, then spoilt.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence

from bench import native
from fuzz.mutations import golden_frames, mutate
from pitwire.venues.binance.decode import MarketDecoder, Read, known_by
from pitwire.venues.binance.symbols import Symbols
from pitwire.venues.reading import UNREADABLE

NOW = 1_700_000_000_000_000_000
DECIMALS = (
    "0", "0.0", "-0.0", "-1", "+1", "1e5", "1E5", "4.9e-324", "1e-320", "NaN", "inf", "-inf", "0x1",
    "1_0", " 1", "1 ", "1.", ".", ".5", "00", "01", "", "1" * 15, "1" * 16, "1" * 400, "9" * 308,
    f"0.{'0' * 320}1", f"0.1{'0' * 50}", "89999999.99999999", "90000000.00000000",
    "90071992.54740993", "9007199254740993", "123456789012345.00000000", "0.000000000000001",
    "184467440737095.51616", "1.2345678:", "1.2345678/", "1.0000000a", '1.00000000"', "\\u0031",
    "1\\n", "\u0661", "1\x00",
)  # fmt: skip
NUMBERS = (
    "0", "-1", "-0", "00", "01", "1.0", "1e3", "null", "true", '"1"', "", " 1", "1 ", "[]", "{}",
    "9223372036854", "9223372036855", "9223372036854775", "9223372036854776", str(2**62 - 1),
    str(2**62), str(10**18 - 1), str(10**18), str(2**63), str(2**64), "1" * 50, "1" * 5000,
)  # fmt: skip
NAMES = (
    "BNBBTC", "NEWUSDT", "btcusdt", "", "A" * 40, "A" * 41, "BTC\\u0055SDT", "BTC\u00dcSDT",
    "BTC\x00", "1000SATSUSDT",
)  # fmt: skip
STREAMS = ("btcusdt@any", "", "a b", "\u00fc", 'a\\"b', "x" * 300, "\x01", "~")
MORE = ('"s":"BNBBTC"', '"u":7', '"E":1', '"x":1', '"M":"\\ud800"', '"b":"2.0"')


def run(seconds: float, seed: int, *, most: int = 1 << 62) -> int:
    """Read frames by both for so long, or so many; returns how many: 0 without a C compiler."""
    twin = native.twin(native.READING)
    if twin is None:
        return 0
    chance, seeds = random.Random(seed), golden_frames("binance")
    readers = _readers(known_by(twin))
    end = time.monotonic() + seconds
    done = 0
    while done < most and time.monotonic() < end:
        frame = _frame(chance) if chance.random() < 0.8 else chance.choice(seeds)
        if chance.random() < 0.4:
            frame = mutate(frame, seeds, chance)
        _try(readers, frame)
        done += 1
    return done


def _readers(read: Read) -> list[Callable[[bytes, int], Sequence[object]]]:
    def reader(compiled: Read | None) -> Callable[[bytes, int], Sequence[object]]:
        symbols = Symbols()
        symbols.native("BTC-USDT")
        typed = MarketDecoder(symbols, lambda _: ("A-B", 5)).decode
        if compiled is None:
            return typed
        return lambda frame, now: compiled(frame, now, symbols) or typed(frame, now)

    return [reader(None), reader(read)]


def _try(readers: Sequence[Callable[[bytes, int], Sequence[object]]], frame: bytes) -> None:
    typed, compiled = (_read(reader, frame) for reader in readers)
    # By what is printed, to the last bit: 0.0 and -0.0 are equal, and so are 1 and 1.0.
    if repr(typed) != repr(compiled):
        error = AssertionError(f"found {compiled}, the typed reading {typed}")
        error.add_note(f"frame {frame!r}")
        raise error


def _read(reader: Callable[[bytes, int], Sequence[object]], frame: bytes) -> list[object] | None:
    try:
        return list(reader(frame, NOW))
    except UNREADABLE:
        return None


def _frame(chance: random.Random) -> bytes:
    def decimal() -> str:
        if chance.random() < 0.02:
            return chance.choice(DECIMALS)
        usual = chance.random() < 0.95
        digits = 8 if usual else chance.randrange(1, 19)
        whole = chance.randrange(10 ** chance.randint(1, 7 if usual else 16))
        return f"{whole}.{chance.randrange(10**digits):0{digits}d}"

    def number() -> str:
        odd = chance.random() < 0.05
        return chance.choice(NUMBERS) if odd else str(chance.randrange(2 ** chance.randint(1, 60)))

    def levels() -> str:
        count = chance.choice((0, 1, 2, 5, 30))
        return ",".join(f'["{decimal()}","{decimal()}"]' for _ in range(count))

    def flag() -> str:
        return chance.choice(("true", "false") * 9 + ("null", "1"))

    name = chance.choice(NAMES) if chance.random() < 0.1 else "BTCUSDT"
    at = chance.choice((number(), str(chance.randrange(1_600_000_000_000, 1_800_000_000_000))))
    frame = chance.choice(
        (
            f'{{"e":"trade","E":{at},"s":"{name}","t":{number()},"p":"{decimal()}",'
            f'"q":"{decimal()}","T":{at},"m":{flag()},"M":{flag()}}}',
            f'{{"u":{number()},"s":"{name}","b":"{decimal()}","B":"{decimal()}",'
            f'"a":"{decimal()}","A":"{decimal()}"}}',
            f'{{"e":"depthUpdate","E":{at},"s":"{name}","U":{number()},"u":{number()},'
            f'"b":[{levels()}],"a":[{levels()}]}}',
        )
    )
    if chance.random() < 0.1:
        frame = f"{frame[:-1]},{chance.choice(MORE)}}}"
    if chance.random() < 0.5:
        frame = f'{{"stream":"{chance.choice(STREAMS)}","data":{frame}}}'
    return frame.encode()
