"""Commands that hold what was promised against what is there: `journal` and `promises`."""

from __future__ import annotations

from typing import Annotated

import typer

from pitwire.cli import options

journal_app = typer.Typer(help="Look into a journal.", no_args_is_help=True)


@journal_app.command()
def verify(where: options.Account) -> None:
    """Hold every byte of a journal against what was written: file, place, and what to do."""
    from pitwire.cli.journal import run_verify
    from pitwire.desk.account import find_account

    raise typer.Exit(run_verify(find_account(where).folder))


@journal_app.command()
def show(where: options.Account) -> None:
    """Print every record of a journal, one line of JSON each."""
    from pitwire.cli.journal import run_show
    from pitwire.desk.account import find_account

    raise typer.Exit(run_show(find_account(where).folder))


def promises(
    only: Annotated[
        list[str] | None, typer.Option(help="Some of B9, B10, B12, B15, B16, S6.")
    ] = None,
    kills: Annotated[int, typer.Option(min=1, help="Desks killed in each mode.")] = 10,
    cuts: Annotated[int, typer.Option(min=1, help="Power cuts in each mode.")] = 5,
    lives: Annotated[int, typer.Option(min=2, help="Lives that must be the same.")] = 4,
    intents: Annotated[int, typer.Option(min=1_000, help="Intents against the gate.")] = 20_000,
    seed: Annotated[int, typer.Option(help="Seed of all chance.")] = 1,
    python: Annotated[str, typer.Option(help="Another Python for half of the lives.")] = "",
    json: Annotated[bool, typer.Option("--json", help="The rows as JSON.")] = False,
) -> None:
    """Kill desks, cut their power, spoil their journals, look for secrets; about two minutes."""
    from pitwire.cli.promises import run
    from pitwire.torture.promises import Size

    size = Size(kills=kills, cuts=cuts, lives=lives, intents=intents, seed=seed, python=python)
    raise typer.Exit(run(only or (), size, as_json=json))
