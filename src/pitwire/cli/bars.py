"""Progress of long work: on stderr, where that is a terminal, and gone when the work is done."""

from __future__ import annotations

from rich.console import Console
from rich.progress import Progress, ProgressColumn


def bars(*columns: str | ProgressColumn, shown: bool = True) -> Progress:
    """Bars to be entered with `with`; what a command prints may go elsewhere meanwhile."""
    console = Console(stderr=True)
    return Progress(
        *columns, console=console, transient=True, disable=not (shown and console.is_terminal)
    )
