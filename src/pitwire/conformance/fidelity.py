"""`pitwire examine binance --fidelity`: our frames held against the venue's, kind by kind.

House rules: what the venue's papers show of a kind is in `binance_shapes.json`, made from them and
not from us; recordings of the venue, where there are any, are a second judge; a difference that is
meant stands in `MEANT` with its reason, and every other one is told.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from pitwire.conformance.binance_story import said
from pitwire.conformance.shapes import Shape, differences, shape_of
from pitwire.model.errors import ConfigError

ABSENT: Mapping[str, str] = {}
"""Kinds of the papers that are not said, and why; at present there are none."""

MEANT: Mapping[str, str] = {
    "ws exchangeInfo .sors": "only where there is a smart order router",
    "ws order.cancelReplace .newOrderResponse.workingTime": "the sample is older than the field",
    "ws order.cancelReplace .newOrderResponse.fills": "the sample is a RESULT, our answer FULL",
}
"""Kind and path → why they differ and are to."""
_RECORDED = "binance/rest_recordings.json.gz"
_STREAMS = (
    "binance/spot_10pairs_2021-04-05.jsonl.gz",
    "binance/spot_4pairs_klines_2021-10-12.jsonl.gz",
    "binance/spot_BTCUSDT_depth-trade-bookTicker_2024-08-08.jsonl.gz",
)
_PACE = re.compile(r"(@\d+m?s|_\d\w)$")
"""The end of a stream's name that says how often, or over how long."""
_ENOUGH = 20_000
"""Records of a capture that are looked at; every kind occurs long before."""
_SHORT = re.compile(r"(\.P|\.n|ercent|ultiplier(Up|Down)|[Mm]ult(Up|Down)|\.discount|\[11\]|\.B)$")
"""Where a number in text does not have eight digits at the venue either."""


class Verdict(msgspec.Struct, frozen=True):
    """What became of one kind."""

    kind: str
    judge: str
    differences: tuple[str, ...] = ()
    only_here: tuple[str, ...] = ()
    """Fields that are newer than the recording."""
    absent: str = ""


def examine(captures: Path | None = None) -> list[Verdict]:
    """Every kind that a judge knows."""
    ours = said()
    found = list(_by_the_papers(ours))
    if captures is not None:
        if not (captures / _RECORDED).is_file():
            raise ConfigError(
                where="captures", found=str(captures), expected=f"a folder with {_RECORDED}"
            )
        found += _by_recorded_streams(ours, captures)
        found += _by_recorded_answers(ours, captures)
    return found


def report(verdicts: list[Verdict]) -> str:
    """A line a kind, and what it comes to."""
    lines = []
    for each in verdicts:
        what = f"absent: {each.absent}" if each.absent else "same"
        if each.differences:
            what = "; ".join(each.differences)
        elif each.only_here:
            what = f"same, and newer here: {' '.join(each.only_here)}"
        lines.append(f"{each.judge:10} {each.kind:45} {what}")
    covered = sum(not each.absent for each in verdicts)
    wrong = sum(bool(each.differences) for each in verdicts)
    lines.append(
        f"{covered} of {len(verdicts)} kinds covered, {len(verdicts) - covered} absent, "
        f"{wrong} with differences"
    )
    return "\n".join(lines)


def _by_the_papers(ours: Mapping[str, Any]) -> Iterator[Verdict]:
    text = files("pitwire.conformance").joinpath("binance_shapes.json").read_text("utf-8")
    shapes: dict[str, Shape] = json.loads(text)
    for kind, wanted in shapes.items():
        if kind in ABSENT:
            yield Verdict(kind, "papers", absent=ABSENT[kind])
        elif kind not in ours:
            yield Verdict(kind, "papers", ("never said",))
        else:
            told = differences(wanted, shape_of(ours[kind]))
            kept = [each for each in told if f"{kind} {each.partition(':')[0]}" not in MEANT]
            yield Verdict(kind, "papers", (*kept, *_digits(ours[kind])))


def recorded_frames(
    captures: Path, names: Iterable[str], enough: int, pace: re.Pattern[str]
) -> dict[str, Any]:
    """The first whole frame of each kind among the first `enough` records of these captures.

    `pace` is the end of a stream's name that is no part of its kind.
    """
    found: dict[str, Any] = {}
    for name in names:
        with gzip.open(captures / name, "rt") as lines:
            records = [json.loads(line) for line in islice(lines, enough)]
        for record in records:
            if record["t"] != "recv":
                continue
            frame = json.loads(record["data"])
            if frame["data"].get("b") != [] and frame["data"].get("a") != []:
                kind = pace.sub("", frame["stream"].partition("@")[2])
                found.setdefault(f"stream {kind}", frame["data"])
    return found


def _by_recorded_streams(ours: Mapping[str, Any], captures: Path) -> Iterator[Verdict]:
    for kind, frame in recorded_frames(captures, _STREAMS, _ENOUGH, _PACE).items():
        if kind not in ours:
            yield Verdict(kind, "recorded", ("never said",))
            continue
        wanted = shape_of(frame, digits=True)
        told = differences(wanted, shape_of(ours[kind], digits=True))
        newer = tuple(each.partition(":")[0] for each in told if each.endswith("only here"))
        rest = tuple(each for each in told if not each.endswith("only here"))
        yield Verdict(kind, "recorded", rest, newer)


def _by_recorded_answers(ours: Mapping[str, Any], captures: Path) -> Iterator[Verdict]:
    """Names were sorted by whoever recorded them, and newer fields are allowed."""
    with gzip.open(captures / _RECORDED, "rt") as text:
        routes = json.load(text)["routes"]
    for route, methods in routes.items():
        if not route.startswith("/api/v3"):
            continue
        for method, recordings in methods.items():
            kind = f"rest {method} {route.removeprefix('/api/v3')}"
            alike = type(ours.get(kind))
            bodies = [each["data"] for each in recordings if isinstance(each["data"], alike)]
            if kind not in ours or not bodies:
                continue
            told = differences(shape_of(bodies[-1]), shape_of(ours[kind]), ordered=False)
            newer = tuple(each.partition(":")[0] for each in told if each.endswith("only here"))
            rest = tuple(each for each in told if not each.endswith("only here"))
            yield Verdict(kind, "recorded", rest, newer)


def _digits(value: Any, at: str = "") -> Iterator[str]:
    """Numbers in text that do not have the venue's eight digits (binance §0.1)."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _digits(inner, f"{at}.{name}")
    elif isinstance(value, list):
        for place, inner in enumerate(value[:20]):
            yield from _digits(inner, f"{at}[{place}]")
    elif shape_of(value, digits=True) == "short" and not _SHORT.search(at):
        yield f"{at}: {value} has not eight digits"
