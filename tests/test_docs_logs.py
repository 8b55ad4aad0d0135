"""The page about the log names every kind there is, and the example is a log."""

from __future__ import annotations

import json
import re
from pathlib import Path

from pitwire.desk.interactions import GROUPS


def test_every_kind_is_explained_in_its_group(repository: Path) -> None:
    page = (repository / "docs" / "logs.md").read_text()
    explained: dict[str, str] = {}
    group = ""
    for left, kinds in re.findall(r"^\| (`\w+`)? ?\| ((?:`\w+`(?:, )?)+) \|", page, re.MULTILINE):
        group = left.strip("`") or group
        explained |= dict.fromkeys(re.findall(r"`(\w+)`", kinds), group)
    told = {kind.__name__: group for kind, group in GROUPS.items()}
    assert explained == {**told, "Frame": "frame", "DialFailed": "reconnect"}


def test_the_example_is_a_log_of_a_whole_run(repository: Path) -> None:
    text = (repository / "docs" / "example-log.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert 50 < len(lines) < 400
    for line in lines:
        assert [*line][:3] == ["time", "group", "kind"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", line["time"])
    kinds = {(line["group"], line["kind"]) for line in lines}
    known = {(group, kind.__name__) for kind, group in GROUPS.items()}
    assert kinds <= known | {("frame", "Frame")}
    assert {"connection", "login", "subscription", "reconnect", "trigger", "order", "fill"} <= {
        line["group"] for line in lines
    }
    assert not re.search(r"PRIVATE KEY|apiKey\W+\"(?!\*)|signature\W+\"(?!\*)", text)
