"""A venue of somebody else, found by its entry point, takes the same examination."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pitwire.conformance.candidate import Candidate, find_candidate
from pitwire.conformance.kit import chosen, examine
from pitwire.market.checksum import TopLevelsCrc
from pitwire.model.errors import ConfigError

HERE = Path(__file__).parent / "third_party"
START = "from pitwire.cli.main import main; raise SystemExit(main())"


def install(folder: Path, points: str) -> None:
    """What an installer leaves of a package: its metadata, found on the path."""
    about = folder / "tickr-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: tickr\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(points)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    install(tmp_path, "[pitwire.candidates]\ntickr = tickr:CANDIDATE\nodd = tickr:VENUE\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(HERE))
    yield tmp_path
    sys.modules.pop("tickr", None)


def test_it_is_examined_from_the_command_line(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(
        tmp_path,
        "[pitwire.venues]\ntickr = tickr:VENUE\n\n[pitwire.candidates]\ntickr = tickr:CANDIDATE\n",
    )
    path = ":".join(map(str, (tmp_path, HERE, repository / "src")))
    done = subprocess.run(
        [sys.executable, "-c", START, "examine", "tickr", "--json"],
        env={"PYTHONPATH": path, "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
    )
    told: dict[str, Any] = json.loads(done.stdout)
    failed = [one for one in told["cards"] if one["verdict"] == "failed"]
    skipped = {one["card"]: one["detail"] for one in told["cards"] if one["verdict"] == "skipped"}
    assert (failed, done.returncode) == ([], 0), done.stderr
    assert set(skipped) == {
        "E2", "E3", "E4", "X1", "X2", "C3", "C4", "P3", "T2", *(f"O{n}" for n in range(1, 10)),
    }  # fmt: skip
    assert set(skipped.values()) == {"can.orders is False"}


def test_a_checksum_that_the_table_reckons_otherwise_fails(installed: Path) -> None:
    candidate = find_candidate("tickr")
    fewer = msgspec.structs.replace(
        candidate.venue,
        checksum=lambda _: TopLevelsCrc(price_digits=2, size_digits=5, levels=9),
    )
    [verdict] = examine(msgspec.structs.replace(candidate, venue=fewer), chosen(["B6"]))
    assert verdict.failed, verdict


def test_what_is_no_candidate_is_named(installed: Path) -> None:
    with pytest.raises(ConfigError, match="candidate odd: found 'Venue', expected a Candidate"):
        find_candidate("odd")
    assert isinstance(find_candidate("tickr"), Candidate)
