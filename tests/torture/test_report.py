"""What a torture ends in: a table, a line of totals, JSON, and lines that repeat what failed."""

from __future__ import annotations

import io
import json

from rich.console import Console

from pitwire.torture import report
from pitwire.torture.outcome import Outcome

GOOD = Outcome(
    fault="N1", title="Reset", way="virtual", noticed_after=0.01, back_after=0.3, delivered=1200,
    gaps=1, named=12, growth=2_500_000, happened=1,
)  # fmt: skip
BAD = Outcome(
    fault="N3", title="Half-open", way="sockets", seed=7, lost=5,
    complaints=("lost untold: BTC-USDT trade 5", "noticed never, expected within 10 s"),
)  # fmt: skip
RIVAL = Outcome(fault="N3", title="Half-open", way="sockets", client="other 1.0", lost=2000)
SKIPPED = Outcome(fault="N7", title="Loss", way="root", skipped="iptables is not here")


def drawn(*outcomes: Outcome) -> str:
    out = io.StringIO()
    Console(file=out, width=120).print(report.table(outcomes))
    return out.getvalue()


def test_a_row_says_what_it_came_to() -> None:
    rows = drawn(GOOD, BAD, RIVAL, SKIPPED).splitlines()
    assert [rows[1].split()[each] for each in (0, -1)] == ["N1", "pass"]
    assert "0.01" in rows[1]
    assert "1 (12)" in rows[1]
    assert "2.5" in rows[1]
    assert "never" in rows[2]
    assert rows[2].split()[-1] == "FAIL"
    assert "other 1.0" in rows[3]
    assert "FAIL" not in rows[3]
    assert "iptables is not here" in rows[4]


def test_totals_count_our_own_trials() -> None:
    line = report.totals([GOOD, BAD, RIVAL, SKIPPED])
    assert line.startswith("2 trials, 1 failed, 1 skipped; 1,200 trades delivered, 5 lost untold")


def test_json_has_every_figure_and_the_line_that_repeats_it() -> None:
    rows = json.loads(report.as_json([GOOD, RIVAL]))["outcomes"]
    assert rows[0]["passed"] is True
    assert rows[0]["named"] == 12
    assert rows[0]["repeat"] == "pitwire torture --only N1 --way virtual --seed 1"
    assert rows[1]["passed"] is None


def test_what_failed_is_told_with_the_line_that_repeats_it() -> None:
    assert report.complaints([GOOD, BAD, SKIPPED]) == [
        "pitwire torture --only N3 --way sockets --seed 7",
        "    lost untold: BTC-USDT trade 5",
        "    noticed never, expected within 10 s",
    ]
