"""`pitwire --version`: the version, and which of the parts that may be compiled are."""

from __future__ import annotations

import typer

import pitwire


def show_version(wanted: bool) -> None:
    """Show both and end, where that is what was asked for."""
    if wanted:
        from pitwire.cli.doctor import used_parts

        typer.echo(f"pitwire {pitwire.__version__} ({used_parts()})")
        raise typer.Exit
