"""The two spellings that are measured against each other say the same."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from bench import micro_sbe, native
from pitwire.model.events import BookDelta, PartialBook


def test_both_spellings_are_the_same_event() -> None:
    frames = micro_sbe.drawn(2)
    assert set(frames) == set(micro_sbe.KINDS)
    for pairs in frames.values():
        for text, raw in pairs:
            one, other = micro_sbe.same(text, raw)
            # JSON has no time in quotes and in the top of a book.
            assert replace(one, venue_time=0) == replace(other, venue_time=0)
            if isinstance(other, BookDelta | PartialBook):
                assert len(other.bids) == len(other.asks) >= 20


def test_each_kind_and_the_mix_are_measured(tmp_path: Path) -> None:
    lines = [
        json.dumps({"t": "recv", "ts_ns": 1_723_161_255_343_000_000, "data": text.decode()})
        for pairs in micro_sbe.drawn(3).values()
        for text, _ in pairs
    ]
    other = json.dumps({"t": "recv", "ts_ns": 1, "data": '{"stream":"x","data":{"e":"kline"}}'})
    path = tmp_path / "capture.gz"
    path.write_bytes(gzip.compress("\n".join([*lines, other, '{"t":"header"}']).encode()))
    frames = micro_sbe.recorded(path)
    assert {kind: len(pairs) for kind, pairs in frames.items()} == dict.fromkeys(micro_sbe.KINDS, 3)
    rows = micro_sbe.rows(frames, {"trade": 1, "delta": 3}, rounds=2)
    assert [name for name, _, _ in rows] == [
        *(f"{kind}, to an event" for kind in micro_sbe.KINDS),
        "delta, into a book", "mix, to events", "mix, diffs into a book",
    ]  # fmt: skip
    assert all(ratio > 0 for _, ratio, _ in rows)


def test_what_a_child_finds_is_told_by_its_parts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    asked, found = [], [["mix, to events", 3.5, "7 and 2 ns"]]

    def run(command: list[str], **_: object) -> SimpleNamespace:
        asked.append((command[3:], os.environ[native.VARIABLE]))
        return SimpleNamespace(stdout=json.dumps(found).encode())

    monkeypatch.setattr(native, "folder", lambda: tmp_path)
    monkeypatch.setattr(subprocess, "run", run)
    assert micro_sbe.main([]) == 0
    assert asked == [(["--here"], ""), (["--here"], str(tmp_path))]
    assert capsys.readouterr().out == (
        "parts: plain; JSON over binary\nmix, to events: 3.50; 7 and 2 ns\n"
        "parts: compiled; JSON over binary\nmix, to events: 3.50; 7 and 2 ns\n"
    )
    monkeypatch.setattr(native, "folder", lambda: None)
    assert list(micro_sbe.by_parts(tmp_path)) == ["plain"], "where there is no compiler"
    assert asked[-1] == (["--here", str(tmp_path)], "")


def test_the_mix_is_by_how_often_each_came() -> None:
    found = {"trade": (100.0, 50.0), "delta": (1000.0, 10.0)}
    assert micro_sbe._mixed(found, {"trade": 3, "delta": 1}) == pytest.approx([325.0, 40.0])
