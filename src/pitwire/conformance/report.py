"""The examination as a table, card by card, and the same as JSON."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from rich.table import Table
from rich.text import Text

from pitwire.conformance.cards import Verdict

_STYLES = {"passed": "green", "failed": "bold red", "skipped": "yellow"}


def table(verdicts: Sequence[Verdict]) -> Table:
    """A row a card."""
    found = Table(box=None, padding=(0, 1, 0, 0), header_style="bold underline")
    found.add_column("card", no_wrap=True)
    found.add_column("about", no_wrap=True)
    found.add_column("verdict", no_wrap=True)
    found.add_column("looked at, or the first counter-example", overflow="fold")
    for one in verdicts:
        detail = f"the table: {one.detail}" if one.verdict == "skipped" else one.detail
        verdict = Text(one.verdict, _STYLES[one.verdict])
        found.add_row(one.card, one.title, verdict, Text(detail))
    return found


def totals(venue: str, verdicts: Sequence[Verdict]) -> str:
    """One line about all of them."""
    counts = {
        kind: sum(one.verdict == kind for one in verdicts)
        for kind in ("passed", "failed", "skipped")
    }
    told = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    seconds = sum(one.seconds for one in verdicts)
    return f"{venue}: {len(verdicts)} cards, {told}, in {seconds:.1f} s"


def as_json(venue: str, verdicts: Sequence[Verdict]) -> str:
    """One object: the venue, whether it passed, and every verdict."""
    passed = not any(one.failed for one in verdicts)
    whole = {"venue": venue, "passed": passed, "cards": verdicts}
    return msgspec.json.format(msgspec.json.encode(whole)).decode()
