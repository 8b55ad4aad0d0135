"""A recorded day is the same each time, and a backtest finds nothing missing in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import day, tape
from bench.backtested import Rests, day_rows, whole_day
from pitwire.cli.backtest import Wanted, backtest
from pitwire.model.clock import SECOND
from pitwire.tape.reader import Tape


def test_a_day_has_no_gap_where_its_link_was_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = day.record(tmp_path / "whole", 9)
    monkeypatch.setattr(day, "_LIFE_SECONDS", 2)
    anew = day.record(tmp_path / "anew", 9)
    frames = [[(one.at, one.payload) for one in Tape(run).records()] for run in (whole, anew)]
    assert frames[0] == frames[1]
    config = tape.config_of(Tape(anew).meta)
    report = backtest(Wanted(anew), config, rules=[Rests("BTC-USDT", SECOND)])
    assert report.gaps == 0
    assert report.frames == sum(1 for _, payload in frames[1] if b'"stream"' in payload) > 1000
    assert report.orders > 3


def test_what_a_day_took_is_told(tmp_path: Path) -> None:
    found = whole_day(day.record(tmp_path, 63, scenario="quiet"))
    assert found["orders"] == 2
    assert found["points"] >= 62
    [(what, rate, note)] = day_rows(found, "plain")
    assert what == "a day of one symbol, plain"
    assert rate == found["frames"] / found["cpu"]
    assert f"0.02 hours, {found['frames']:,.0f} frames in " in note
