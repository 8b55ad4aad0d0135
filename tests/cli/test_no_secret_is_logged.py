"""A whole run with every frame logged, and nothing secret in file or console."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pitwire.cli.main import main
from pitwire.sim.scenario_files import plain_listing as listing
from pitwire.sim.world import World
from tests.unhurried import commands

DESK = """
seed = 1
[venue]
symbols = ["BTC-USDT"]
channels = ["ticker"]
[sim]
seed = 11
[log]
file = "desk.jsonl"
level = "debug"
frames = "full"
[[rule]]
name = "at once"
when = { price = "BTC-USDT", above = 1, of = "bid" }
do = { market = "buy", size = 0.01 }
once = true
"""


def test_no_secret_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "desk.toml").write_text(DESK)
    with commands():
        assert main(["--debug", "desk", "desk.toml", "--seconds", "1"]) == 0
    said = capsys.readouterr()
    log = (tmp_path / "desk.jsonl").read_text()
    lines = [json.loads(line) for line in log.splitlines()]
    frames = [line["frame"] for line in lines if line["kind"] == "Frame"]
    [login] = [frame for frame in frames if '"method":"session.logon"' in frame]
    assert '"apiKey":"***"' in login
    assert '"signature":"***"' in login
    assert {"trigger", "order", "fill", "login"} <= {line["group"] for line in lines}
    for pair in World(seed=11, listings=[listing("BTC-USDT")]).keys.values():
        for secret in (pair[0], pair[1].splitlines()[-1 if len(pair[1]) < 70 else 1]):
            for text in (log, said.out, said.err):
                assert secret not in text
