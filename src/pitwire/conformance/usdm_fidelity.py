"""`pitwire examine binance-usdm --fidelity`: the simulated futures held against the venue's.

House rules: as in `fidelity`; what the papers show is in `usdm_shapes.json`. Where the papers and a
recording disagree about the order of fields, the recording is followed, and `MEANT` says so.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from pitwire.conformance.fidelity import Verdict, recorded_frames
from pitwire.conformance.shapes import Shape, differences, shape_of
from pitwire.conformance.usdm_story import said
from pitwire.model.errors import ConfigError

_LIVE = "recorded frames have this order"
MEANT: Mapping[str, str] = {
    "stream aggTrade .: keys in another order": _LIVE,
    "stream bookTicker .: keys in another order": _LIVE,
    "user ORDER_TRADE_UPDATE TRADE .: keys in another order": _LIVE,
    "user ORDER_TRADE_UPDATE TRADE .o: keys in another order": _LIVE,
    "user ORDER_TRADE_UPDATE TRADE .o.AP: missing here": "for trailing stops alone",
    "user ORDER_TRADE_UPDATE TRADE .o.cr: missing here": "for trailing stops alone",
    "user ACCOUNT_UPDATE .: keys in another order": _LIVE,
    "user ACCOUNT_UPDATE .a: keys in another order": _LIVE,
    "user ACCOUNT_UPDATE .a.P[0]: keys in another order": _LIVE,
    "user ACCOUNT_UPDATE .a.P[0].ma: only here": "in the recorded event",
    "user ALGO_UPDATE .: keys in another order": "like the recorded events of its kind",
    "rest GET /v1/exchangeInfo .symbols[0].filters[MAX_NUM_ALGO_ORDERS]: missing here": (
        "dropped on 2025-12-29"
    ),
    "rest GET /v1/exchangeInfo .symbols[0].filters[POSITION_RISK_CONTROL]: missing here": (
        "its meaning is not in the papers"
    ),
    "rest GET /v1/exchangeInfo .symbols[0].permissionSets: missing here": (
        "grids and copies are not traded here"
    ),
}
"""Kind and difference → why it is meant."""
_STREAMS = (
    "binance/usdm_4pairs_klines_2021-07-22.jsonl.gz",
    "binance/usdm_ETHUSDT_depth0ms-trade-bookTicker_2024-08-08.jsonl.gz",
)
_EVENTS = "binance/userdata_usdm_live_BTCUSDT_open.jsonl.gz"
_ANSWERS = "binance/rest_recordings.json.gz"
_PACE = re.compile(r"@\d+m?s$")
_ENOUGH = 8_000
"""Records of a capture that are looked at; every kind occurs long before."""


def examine(captures: Path | None = None) -> list[Verdict]:
    """Every kind that a judge knows."""
    ours = said()
    found = list(_by_the_papers(ours))
    if captures is not None:
        if not (captures / _ANSWERS).is_file():
            raise ConfigError(
                where="captures", found=str(captures), expected=f"a folder with {_ANSWERS}"
            )
        for kind, frame in _recorded(captures).items():
            found.append(_verdict(kind, "recorded", shape_of(frame), ours))
        for kind, body in _answers(captures, ours).items():
            # Names were sorted by whoever recorded them.
            found.append(_verdict(kind, "recorded", shape_of(body), ours, ordered=False))
    return found


def _by_the_papers(ours: Mapping[str, Any]) -> Iterator[Verdict]:
    text = files("pitwire.conformance").joinpath("usdm_shapes.json").read_text("utf-8")
    shapes: dict[str, Shape] = json.loads(text)
    for kind, wanted in shapes.items():
        told = _verdict(kind, "papers", wanted, ours)
        newer = tuple(f"{each}: only here" for each in told.only_here)
        kept = tuple(each for each in newer if f"{kind} {each}" not in MEANT)
        yield Verdict(kind, "papers", (*told.differences, *kept))


def _verdict(
    kind: str, judge: str, wanted: Shape, ours: Mapping[str, Any], *, ordered: bool = True
) -> Verdict:
    if kind not in ours:
        return Verdict(kind, judge, ("never said",))
    told = [
        each
        for each in differences(wanted, shape_of(ours[kind]), ordered=ordered)
        if f"{kind} {each}" not in MEANT
    ]
    newer = tuple(each.partition(":")[0] for each in told if each.endswith("only here"))
    return Verdict(kind, judge, tuple(e for e in told if not e.endswith("only here")), newer)


def _recorded(captures: Path) -> dict[str, Any]:
    """The first frame of each kind, and the live events of an account."""
    found = recorded_frames(captures, _STREAMS, _ENOUGH, _PACE)
    with gzip.open(captures / _EVENTS, "rt") as lines:
        for line in lines:
            event = json.loads(json.loads(line)["data"])
            what = f" {event['o']['x']}" if event["e"] == "ORDER_TRADE_UPDATE" else ""
            found[f"user {event['e']}{what}"] = event
    return found


def _answers(captures: Path, ours: Mapping[str, Any]) -> dict[str, Any]:
    """The newest recorded answer of each route that is alike in kind."""
    with gzip.open(captures / _ANSWERS, "rt") as text:
        routes = json.load(text)["routes"]
    found: dict[str, Any] = {}
    for route, methods in routes.items():
        for method, recordings in methods.items():
            kind = f"rest {method} {route.removeprefix('/fapi')}"
            alike = [
                each["data"]
                for each in recordings
                if isinstance(each["data"], type(ours.get(kind))) and each["data"]
            ]
            if route.startswith("/fapi") and kind in ours and alike:
                found[kind] = alike[-1]
    return found
