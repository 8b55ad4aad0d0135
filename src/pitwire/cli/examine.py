"""`pitwire examine`: a venue against every card, or a simulated venue against the real one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import typer
from rich.console import Console

from pitwire.cli.exits import Code
from pitwire.conformance import fidelity, report, usdm_fidelity
from pitwire.conformance.candidate import find_candidate
from pitwire.conformance.cards import Verdict
from pitwire.conformance.kit import chosen, examine
from pitwire.model.errors import ConfigError

RECORDED = {"binance": fidelity.examine, "binance-usdm": usdm_fidelity.examine}
"""Venues whose papers and recordings the simulated one is held against."""
_WIDTH = 140
"""Columns where the output is no terminal."""


def run(
    venue: str,
    *,
    only: Sequence[str] = (),
    golden: Path | None = None,
    seed: int = 1,
    as_json: bool = False,
) -> int:
    """Take a venue through the cards; 0 when none of them failed."""
    candidate, cards = find_candidate(venue), chosen(only)
    if golden is not None:
        if not golden.is_dir():
            raise ConfigError(where="golden", found=str(golden), expected="a folder")
        candidate = msgspec.structs.replace(candidate, golden=golden)
    errors = Console(stderr=True)
    verdicts: list[Verdict] = []
    with errors.status(f"{venue}: {cards[0].id}") as status:

        def told(verdict: Verdict) -> None:
            verdicts.append(verdict)
            status.update(f"{venue}: {verdict.card} {verdict.verdict}")

        examine(candidate, cards, seed=seed, told=told)
    if as_json:
        typer.echo(report.as_json(venue, verdicts))
    else:
        console = Console(width=None if errors.is_terminal else _WIDTH)
        console.print(report.table(verdicts), report.totals(venue, verdicts), sep="\n")
    return Code.OTHER if any(one.failed for one in verdicts) else Code.DONE


def run_fidelity(venue: str, captures: Path | None = None) -> int:
    """Print a line a kind of message; a difference makes the command fail."""
    if venue not in RECORDED:
        raise ConfigError(where="venue", found=venue, expected=f"one of {', '.join(RECORDED)}")
    verdicts = RECORDED[venue](captures)
    typer.echo(fidelity.report(verdicts))
    return Code.OTHER if any(each.differences for each in verdicts) else Code.DONE
