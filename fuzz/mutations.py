"""Golden frames, and how they are spoilt."""

from __future__ import annotations

import json
from pathlib import Path

from pitwire.conformance.corpora import mutate

__all__ = ["golden_frames", "mutate"]

GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "golden"


def golden_frames(venue: str) -> list[bytes]:
    """Every golden frame of a venue, also as its combined connection would wrap it."""
    frames = []
    for path in sorted((GOLDEN / venue).glob("*.jsonl")):
        for line in path.read_text().splitlines():
            row = json.loads(line)
            if "frame" not in row:  # a call and its bytes, or a signature
                continue
            frames.append(row["frame"].encode())
            if "stream" in row:
                frames.append(f'{{"stream":"{row["stream"]}","data":{row["frame"]}}}'.encode())
    if not frames:
        raise FileNotFoundError(f"no golden frames in {GOLDEN / venue}")
    return frames
