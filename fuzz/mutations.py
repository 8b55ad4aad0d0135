"""Golden frames, and how they are spoilt."""

from __future__ import annotations

import json
import random
from pathlib import Path

GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "golden"

VALUES = (
    b"null", b"true", b"-1", b"0", b"1e400", b"1E-400", b'"NaN"', b'"-Infinity"', b'""', b"[]",
    b"{}", b'"-5"', b'"1E+999999"', b"9" * 30, b"9" * 5000, b'"\xf0\x9f"', b'"0.00000000"',
    b"[[[[", b'"\\ud800"', b"-0.0", b"[" * 3000,
)  # fmt: skip


def golden_frames(venue: str) -> list[bytes]:
    """Every golden frame of a venue, also as its combined connection would wrap it."""
    frames = []
    for path in sorted((GOLDEN / venue).glob("*.jsonl")):
        for line in path.read_text().splitlines():
            row = json.loads(line)
            frames.append(row["frame"].encode())
            if "stream" in row:
                frames.append(f'{{"stream":"{row["stream"]}","data":{row["frame"]}}}'.encode())
    if not frames:
        raise FileNotFoundError(f"no golden frames in {GOLDEN / venue}")
    return frames


def mutate(frame: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """One to four spoilings in a row."""
    spoilt = bytearray(frame)
    for _ in range(chance.randint(1, 4)):
        chance.choice(_WAYS)(spoilt, others, chance)
    return bytes(spoilt)


def _flip(frame: bytearray, _others: list[bytes], chance: random.Random) -> None:
    if frame:
        frame[chance.randrange(len(frame))] = chance.randrange(256)


def _truncate(frame: bytearray, _others: list[bytes], chance: random.Random) -> None:
    del frame[chance.randint(0, len(frame)) :]


def _cut(frame: bytearray, _others: list[bytes], chance: random.Random) -> None:
    at = chance.randint(0, len(frame))
    del frame[at : at + chance.randint(1, 30)]


def _insert(frame: bytearray, _others: list[bytes], chance: random.Random) -> None:
    at = chance.randint(0, len(frame))
    frame[at:at] = chance.choice(VALUES)


def _swap_value(frame: bytearray, _others: list[bytes], chance: random.Random) -> None:
    colons = [at for at, byte in enumerate(frame) if byte == ord(":")]
    if not colons:
        return
    at = chance.choice(colons) + 1
    ends = [end for end in (frame.find(b",", at), frame.find(b"}", at)) if end > 0]
    if ends:
        frame[at : min(ends)] = chance.choice(VALUES)


def _double(frame: bytearray, _others: list[bytes], chance: random.Random) -> None:
    begin = chance.randint(0, len(frame))
    piece = frame[begin : begin + chance.randint(1, 60)]
    frame[begin:begin] = piece


def _graft(frame: bytearray, others: list[bytes], chance: random.Random) -> None:
    other = chance.choice(others)
    frame[chance.randint(0, len(frame)) :] = other[chance.randint(0, len(other)) :]


_WAYS = (_flip, _truncate, _cut, _insert, _swap_value, _swap_value, _double, _graft)
