"""`pitwire examine`: how close a simulated venue is to the venue itself."""

from __future__ import annotations

from pathlib import Path

import typer

from pitwire.conformance.fidelity import examine, report
from pitwire.model.errors import ConfigError

VENUES = ("binance",)


def run(venue: str, *, fidelity: bool = False, captures: Path | None = None) -> None:
    """Print a line a kind of message; a difference makes the command fail."""
    if venue not in VENUES:
        raise ConfigError(where="venue", found=venue, expected=f"one of {', '.join(VENUES)}")
    if not fidelity:
        raise ConfigError(where="examine", found="no examination", expected="--fidelity")
    verdicts = examine(captures)
    typer.echo(report(verdicts))
    if any(each.differences for each in verdicts):
        raise typer.Exit(1)
