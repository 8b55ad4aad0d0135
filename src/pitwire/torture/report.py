"""The table that a torture ends in, and the same as JSON."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from rich.table import Table
from rich.text import Text

from pitwire.torture.outcome import OURS, Outcome

_COLUMNS = (
    "noticed s", "back s", "lost", "doubled", "gaps", "wrong", "dials", "growth MB",
)  # fmt: skip
_TITLE = 46
"""Columns that a title may take."""
_MEGABYTE = 1_000_000


def table(outcomes: Sequence[Outcome]) -> Table:
    """One row for each fault and client."""
    found = Table(box=None, padding=(0, 1, 0, 0), header_style="bold underline")
    found.add_column("fault", no_wrap=True, overflow="ellipsis", max_width=_TITLE)
    found.add_column("by", no_wrap=True, min_width=7)
    for column in _COLUMNS:
        found.add_column(column, justify="right", no_wrap=True, min_width=len(column))
    found.add_column("", no_wrap=True, min_width=4)
    for one in outcomes:
        found.add_row(*_row(one))
    return found


def totals(outcomes: Sequence[Outcome]) -> str:
    """One line about all of them."""
    ours = [one for one in outcomes if one.client == OURS and not one.skipped]
    failed = sum(not one.passed for one in ours)
    skipped = sum(bool(one.skipped) for one in outcomes)
    lost, named = sum(one.lost for one in ours), sum(one.named for one in ours)
    return (
        f"{len(ours)} trials, {failed} failed, {skipped} skipped; "
        f"{sum(one.delivered for one in ours):,} trades delivered, {lost:,} lost untold, "
        f"{named:,} named in {sum(one.gaps for one in ours)} gaps, "
        f"{sum(one.doubled for one in ours)} doubled, "
        f"{sum(one.wrong for one in ours)} books or trades wrong"
    )


def as_json(outcomes: Sequence[Outcome]) -> bytes:
    """All of them, one JSON document."""
    rows = [
        msgspec.structs.asdict(one)
        | {"passed": one.passed if one.client == OURS else None, "repeat": one.line()}
        for one in outcomes
    ]
    return msgspec.json.format(msgspec.json.encode({"outcomes": rows}), indent=1)


def complaints(outcomes: Sequence[Outcome]) -> list[str]:
    """For each that failed, the line that repeats it and what was wrong."""
    lines = []
    for one in outcomes:
        if one.client == OURS and not one.passed:
            lines += [one.line(), *(f"    {complaint}" for complaint in one.complaints)]
    return lines


def _row(one: Outcome) -> tuple[str | Text, ...]:
    name = f"{one.fault} {one.title}"
    by = one.way if one.client == OURS else one.client
    if one.skipped:
        blank = [""] * (len(_COLUMNS))
        return (f"{name}: {one.skipped}", by, *blank, Text("skip", "dim"))
    noticed = "–" if one.noticed_after is None else f"{one.noticed_after:.2f}"
    back = "never" if one.back_after is None else f"{one.back_after:.2f}"
    gaps = f"{one.gaps} ({one.named:,})" if one.gaps else "0"
    growth = "–" if one.growth is None else f"{one.growth / _MEGABYTE:.1f}"
    end = Text("") if one.client != OURS else _verdict(one)
    figures = (f"{one.lost:,}", str(one.doubled), gaps, str(one.wrong), str(one.dials), growth)
    return (name, by, noticed, back, *figures, end)


def _verdict(one: Outcome) -> Text:
    return Text("pass", "green") if one.passed else Text("FAIL", "bold red")
