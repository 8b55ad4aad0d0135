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
_ORDER_COLUMNS = (
    "noticed s", "known s", "orders", "unknown", "found s", "dead", "wrongly", "doubled", "missed",
    "named",
)  # fmt: skip
"""`found s`: the slowest that was found alive; `dead`: proven; `missed`: fills never counted;
`named`: differences with the venue that were told."""
_TITLE = 46
"""Columns that a title may take."""
_MEGABYTE = 1_000_000


def table(outcomes: Sequence[Outcome]) -> Table:
    """One row for each fault and client; those whose orders are judged are in `order_table`."""
    found = _empty(_COLUMNS)
    for one in outcomes:
        if one.orders is None:
            found.add_row(*_row(one))
    return found


def order_table(outcomes: Sequence[Outcome]) -> Table:
    """One row for each fault about orders."""
    found = _empty(_ORDER_COLUMNS)
    for one in outcomes:
        if one.orders is not None:
            found.add_row(*_order_row(one))
    return found


def figures(outcomes: Sequence[Outcome]) -> list[str]:
    """A line for each row whose figures have no columns."""
    return [
        f"{one.fault}: " + ", ".join(f"{name} {value:,g}" for name, value in one.figures.items())
        for one in outcomes
        if one.figures
    ]


def _empty(columns: Sequence[str]) -> Table:
    found = Table(box=None, padding=(0, 1, 0, 0), header_style="bold underline")
    found.add_column("fault", no_wrap=True, overflow="ellipsis", max_width=_TITLE)
    found.add_column("by", no_wrap=True, min_width=7)
    for column in columns:
        found.add_column(column, justify="right", no_wrap=True, min_width=len(column))
    found.add_column("", no_wrap=True, min_width=4)
    return found


def totals(outcomes: Sequence[Outcome]) -> str:
    """One line about all of them."""
    ours = [one for one in outcomes if one.client == OURS and not one.skipped]
    trials, failed = len(ours), sum(not one.passed for one in ours)
    skipped = sum(bool(one.skipped) for one in outcomes)
    orders = _orders([one for one in ours if one.orders is not None])
    ours = [one for one in ours if one.orders is None]
    lost, named = sum(one.lost for one in ours), sum(one.named for one in ours)
    return (
        f"{trials} trials, {failed} failed, {skipped} skipped; "
        f"{sum(one.delivered for one in ours):,} trades delivered, {lost:,} lost untold, "
        f"{named:,} named in {sum(one.gaps for one in ours)} gaps, "
        f"{sum(one.doubled for one in ours)} doubled, "
        f"{sum(one.wrong for one in ours)} books or trades wrong{orders}"
    )


def _orders(outcomes: Sequence[Outcome]) -> str:
    """The same about the trials whose orders were judged."""
    if not outcomes:
        return ""
    found = sorted(time for one in outcomes for time in one.found)
    late = f", found within {found[int(0.99 * len(found))]:.2f} s p99" if found else ""
    return (
        f"; {sum(one.orders or 0 for one in outcomes):,} orders, "
        f"{sum(one.unknown for one in outcomes)} times unknown{late}, "
        f"{sum(len(one.buried) for one in outcomes)} proven dead, "
        f"{sum(one.wrong for one in outcomes)} wrongly, "
        f"{sum(one.doubled for one in outcomes)} doubled, "
        f"{sum(one.lost for one in outcomes)} fills missed"
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
    if one.figures:
        return (name, by, *[""] * len(_COLUMNS), _verdict(one))
    noticed = "–" if one.noticed_after is None else f"{one.noticed_after:.2f}"
    back = "never" if one.back_after is None else f"{one.back_after:.2f}"
    gaps = f"{one.gaps} ({one.named:,})" if one.gaps else "0"
    growth = "–" if one.growth is None else f"{one.growth / _MEGABYTE:.1f}"
    end = Text("") if one.client != OURS else _verdict(one)
    figures = (
        f"{one.lost:,}", str(one.doubled), gaps, str(one.wrong), str(one.dials), growth,
    )  # fmt: skip
    return (name, by, noticed, back, *figures, end)


def _order_row(one: Outcome) -> tuple[str | Text, ...]:
    figures = (
        "–" if one.noticed_after is None else f"{one.noticed_after:.2f}",
        "never" if one.back_after is None else f"{one.back_after:.2f}",
        f"{one.orders:,}",
        str(one.unknown),
        f"{max(one.found):.2f}" if one.found else "–",
        str(len(one.buried)),
        str(one.wrong),
        str(one.doubled),
        str(one.lost),
        str(one.differences),
    )
    return (f"{one.fault} {one.title}", one.way, *figures, _verdict(one))


def _verdict(one: Outcome) -> Text:
    return Text("pass", "green") if one.passed else Text("FAIL", "bold red")
