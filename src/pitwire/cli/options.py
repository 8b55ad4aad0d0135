"""Options of accounts, boards, `pitwire sim` and `pitwire examine`, with what their help says.

An account's folder that cannot be read is told by whoever reads it, in one line.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from pitwire.model.errors import ConfigError
from pitwire.sim.scenarios import SCENARIOS
from pitwire.sim.scripts import SCRIPTS

_PORTS = 65_535


def _checked_length(option: typer.CallbackParam, seconds: float | None) -> float | None:
    if seconds is None or (seconds >= 0 and math.isfinite(seconds)):
        return seconds
    expected = "a finite number of zero or more"
    raise ConfigError(where=option.opts[0], found=seconds, expected=expected)


def _checked_port(option: typer.CallbackParam, port: int) -> int:
    if 0 <= port <= _PORTS:
        return port
    raise ConfigError(where=option.opts[0], found=port, expected=f"0 to {_PORTS}")


Account = Annotated[
    Path, typer.Argument(readable=False, help="A desk's TOML file or an account's folder.")
]
AnyAccount = Annotated[
    Path | None,
    typer.Argument(
        readable=False,
        help="A desk's TOML file or an account's folder; without it, that of the live account "
        "main.",
    ),
]
Accounts = Annotated[
    list[Path],
    typer.Argument(readable=False, help="A desk's TOML file or an account's folder; or several."),
]
Journal = Annotated[
    Path | None,
    typer.Option(readable=False, help="Instead of a tape: a journal, by a desk's file or folder."),
]
Board = Annotated[
    bool, typer.Option("--board", help="Show it in a browser; prints the address, with its token.")
]
BoardStay = Annotated[
    float | None,
    typer.Option(
        callback=_checked_length,
        help="How long a board stands after the end; Ctrl-C ends it without.",
    ),
]
BoardPort = Annotated[
    int,
    typer.Option(callback=_checked_port, help="Local port of the board; 0 takes a free one."),
]
StopAfter = Annotated[
    float | None, typer.Option(callback=_checked_length, help="Stop after this long.")
]
Length = Annotated[float, typer.Option(callback=_checked_length, help="How long the market runs.")]
Scenario = Annotated[
    str,
    typer.Option(help=f"A market of your own by its path, or one of {', '.join(SCENARIOS)}."),
]
Faults = Annotated[
    list[str] | None,
    typer.Option(
        help="May be repeated: a fault of the kit as N3, a script of your own by its path, "
        f"or one of {', '.join(SCRIPTS)}."
    ),
]
Tape = Annotated[
    list[Path] | None,
    typer.Option(
        "--tape",
        "--market",
        help="Serve a tape, or a capture, instead of a made-up market; or several tapes.",
    ),
]
Speed = Annotated[float, typer.Option(min=0.001, help="How many times a tape's pace.")]
Venue = Annotated[
    list[str] | None,
    typer.Option(
        help="binance (spot; without it), binance-usdm (USDⓈ-M futures), alpaca or ibkr. May be "
        "repeated: each has a port of its own, one above the other."
    ),
]
ListenKeys = Annotated[
    bool,
    typer.Option("--listen-keys", help="Spot hands out listen keys, as it did before 2026-02-20."),
]
Tls = Annotated[
    Path | None,
    typer.Option(help="Serve wss:// and https://; the certificate to trust goes to this file."),
]
Admin = Annotated[
    bool,
    typer.Option(
        "--admin", help="A door for tests: move time and market, break it, read the truth."
    ),
]
Howto = Annotated[
    str | None,
    typer.Option(
        help="Also print the lines that point a client here: python-binance, ccxt, "
        "binance-sdk-spot, unicorn, cryptofeed, nautilus_trader, websockets or pitwire."
    ),
]
Cards = Annotated[
    list[str] | None,
    typer.Option(help="Cards by id or family, as D,E4,B; all without it. May be repeated."),
]
Golden = Annotated[
    Path | None, typer.Option(help="Folder of golden frames, in place of the venue's own.")
]
Fidelity = Annotated[
    bool,
    typer.Option("--fidelity", help="Hold the simulated venue's messages against the real one's."),
]
Captures = Annotated[
    Path | None, typer.Option(help="Folder of recordings of the venue, as a second judge.")
]
