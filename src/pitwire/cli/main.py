"""`pitwire`: the commands and their options. What a command does is in its own file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from typer.main import get_command

from pitwire.cli import options
from pitwire.cli.exits import guarded, settled
from pitwire.cli.proofs import journal_app, promises
from pitwire.cli.version import show_version
from pitwire.store.door import tables_wanted

app = typer.Typer(
    name="pitwire",
    help="Real-time exchange streaming and trading over WebSockets.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
)

app.add_typer(journal_app, name="journal")
app.command()(promises)

Seed = Annotated[
    int | None, typer.Option(help="Seed of all chance; without it the file's, or a fresh one.")
]
Loop = Annotated[str, typer.Option(help="Event loop: auto, asyncio, uvloop or polling.")]
Symbols = Annotated[list[str] | None, typer.Argument(help="BASE-QUOTE, as in BTC-USDT.")]

By = Annotated[str, typer.Option(help="Who wants it; without it, who is logged in here.")]


@dataclass
class Options:
    """What was said before the command's name."""

    debug: bool = False


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, without arguments the process's own, and return the exit code."""
    if arguments is None:
        return settled(lambda: main(sys.argv[1:]))
    options = Options()
    return guarded(
        lambda: get_command(app).main(args=[*arguments], prog_name="pitwire", obj=options),
        debug=lambda: options.debug,
    )


@app.callback()
def _before(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error arose.")] = False,
    version: Annotated[  # noqa: ARG001 - its callback does the work
        bool,
        typer.Option(
            "--version", callback=show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    context.ensure_object(Options).debug = debug


@app.command()
def demo(
    config: Annotated[
        Path | None, typer.Argument(help="Another desk's TOML file; none takes the demo's own.")
    ] = None,
    seconds: options.Length = 20.0,
    stay: Annotated[bool, typer.Option("--stay", help="Keep running until Ctrl-C.")] = False,
    seed: Seed = None,
    loop: Loop = "auto",
    log: Annotated[Path | None, typer.Option(help="Where the interaction log goes.")] = None,
    write: Annotated[
        Path | None, typer.Option(help="Write the demo's TOML there, to be changed, and leave.")
    ] = None,
    board: options.Board = False,
    board_port: options.BoardPort = 0,
) -> None:
    """A market, a desk and a cut connection on this machine; ends by telling what it did."""
    from pitwire.cli.demo import run, write_config

    if write is not None:
        write_config(write)
        typer.echo(f"{write} written; change a line and run: pitwire demo {write}")
        raise typer.Exit
    port = board_port if board else None
    raise typer.Exit(
        run(config, seconds=seconds, stay=stay, seed=seed, loop=loop, log=log, board=port)
    )


@app.command()
def desk(
    config: Annotated[Path, typer.Argument(help="The desk's TOML file.")],
    market: Annotated[
        Path | None, typer.Option(help="A recorded capture to trade against.")
    ] = None,
    seconds: options.StopAfter = None,
    board: options.Board = False,
    board_port: options.BoardPort = 0,
) -> None:
    """Run rules against a venue: simulated, on paper or live, as the file says."""
    from pitwire.cli.desk import run

    port = board_port if board else None
    raise typer.Exit(run(config, market=market, seconds=seconds, board=port))


@app.command()
def board(
    folders: options.Accounts,
    attach: Annotated[
        bool, typer.Option("--attach", help="Show the desk that runs on each, in one browser page.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option(help="Write what its journal tells, as one HTML file.")
    ] = None,
    port: options.BoardPort = 0,
    seconds: options.StopAfter = None,
    loop: Loop = "auto",
) -> None:
    """Desks of other processes live in a browser, or what one did as one file."""
    from pitwire.cli.board import run

    run(folders, attach=attach, report_to=report, port=port, seconds=seconds, loop=loop)


@app.command()
def watch(
    symbols: Symbols = None,
    market: Annotated[str | None, typer.Option(help="WebSocket address of the streams.")] = None,
    http: Annotated[str | None, typer.Option(help="HTTP address of the same venue.")] = None,
    live: Annotated[
        bool, typer.Option("--live", help="The real venue, at its own addresses.")
    ] = False,
    seconds: options.StopAfter = None,
    redundancy: Annotated[
        int, typer.Option(help="Connections with the same streams; the first copy counts.")
    ] = 1,
    desk: Annotated[
        list[Path] | None,
        typer.Option(
            help="A running desk by its TOML file or folder: book, orders, health; repeatable."
        ),
    ] = None,
    loop: Loop = "auto",
) -> None:
    """A live table of quotes, lag and gaps; of a simulated market unless told otherwise."""
    if desk:
        from pitwire.cli.panes import run as watch_desk

        symbol = symbols[0] if symbols else ""
        return watch_desk(desk, symbol=symbol, seconds=seconds, loop=loop)
    from pitwire.cli.watch import run

    return run(
        symbols,
        market=market,
        http=http,
        live=live,
        seconds=seconds,
        redundancy=redundancy,
        loop=loop,
    )


@app.command()
def sim(
    symbols: Symbols = None,
    port: Annotated[int, typer.Option(help="First local port; 0 lets the system choose.")] = 0,
    seed: Seed = None,
    scenario: options.Scenario = "calm",
    faults: options.Faults = None,
    tape: options.Tape = None,
    speed: options.Speed = 1.0,
    tls: options.Tls = None,
    admin: options.Admin = False,
    howto: options.Howto = None,
    venue: options.Venue = None,
    listen_keys: options.ListenKeys = False,
    seconds: options.StopAfter = None,
    loop: Loop = "auto",
) -> None:
    """Serve the simulated venue until stopped; prints its addresses and a ready key pair."""
    from pitwire.cli.sim import run

    run(
        symbols,
        port=port,
        seed=seed,
        scenario=scenario,
        faults=faults or (),
        tapes=tape or (),
        speed=speed,
        tls=tls,
        admin=admin,
        howto=howto,
        venues=venue or ("binance",),
        listen_keys=listen_keys,
        seconds=seconds,
        loop=loop,
    )


@app.command()
def examine(
    venue: Annotated[str, typer.Argument(help="The venue, built in or of a package.")] = "binance",
    only: options.Cards = None,
    golden: options.Golden = None,
    fidelity: options.Fidelity = False,
    captures: options.Captures = None,
    seed: Annotated[int, typer.Option(help="Seed of all chance.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="The verdicts as JSON on stdout.")] = False,
) -> None:
    """Examine a venue's codec and its simulated other side, card by card."""
    from pitwire.cli.examine import run, run_fidelity

    if fidelity:
        code = run_fidelity(venue, captures)
    else:
        code = run(venue, only=only or (), golden=golden, seed=seed, as_json=json)
    raise typer.Exit(code)


@app.command()
def torture(
    only: Annotated[
        list[str] | None,
        typer.Option(help="Faults by id, as N1,P3, or a script of your own by its path."),
    ] = None,
    way: Annotated[str, typer.Option(help="all, virtual, sockets, root or process.")] = "all",
    seed: Annotated[int, typer.Option(help="Seed of all chance.")] = 1,
    jobs: Annotated[int, typer.Option(help="Processes for trials in virtual time.")] = 2,
    rivals: Annotated[
        bool, typer.Option("--rivals", help="Other clients that are installed, for contrast.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="The outcomes as JSON on stdout.")] = False,
) -> None:
    """Let everything go wrong that can, and show who noticed, came back, and lost nothing."""
    from pitwire.cli.torture import run

    given = only or ()
    code = run(only=given, way=way, seed=seed, jobs=jobs, as_json=json, rivals=rivals)
    raise typer.Exit(code)


@app.command()
def kill(
    where: options.AnyAccount = None,
    reason: Annotated[str, typer.Option(help="Why; it stands in the journal.")] = "",
    by: By = "",
    flatten: Annotated[
        bool, typer.Option("--flatten", help="Close positions at the market, too.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="What was done as one JSON object.")] = False,
) -> None:
    """Halt an account now: no more orders, and every open order of ours is cancelled.

    It holds until somebody says `pitwire resume`, whatever is started or stopped meanwhile.
    """
    from pitwire.cli import switch

    raise typer.Exit(switch.kill(where, reason=reason, by=by, flatten=flatten, as_json=json))


@app.command()
def resume(
    where: options.AnyAccount = None,
    confirm: Annotated[
        str | None, typer.Option(help="The account's name; without it you are asked to type it.")
    ] = None,
    by: By = "",
) -> None:
    """Let orders leave again after a halt; refused while its reason stands."""
    from pitwire.cli import switch

    raise typer.Exit(switch.resume(where, confirm=confirm, by=by))


@app.command()
def status(
    where: options.AnyAccount = None,
    json: Annotated[bool, typer.Option("--json", help="The same as one JSON object.")] = False,
) -> None:
    """How an account stands: watch, trade, reduce-only or halt, and what is open."""
    from pitwire.cli import switch

    raise typer.Exit(switch.status(where, as_json=json))


@app.command()
def orders(
    where: options.AnyAccount = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object an order.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="One line an order, with a heading.")] = False,
    order: Annotated[
        str | None, typer.Option(help="Everything about one order, by its id.")
    ] = None,
) -> None:
    """The receipt of every order in a journal: why it was, what became of it, what proves that."""
    from pitwire.cli.orders import run

    raise typer.Exit(run(where, as_json=json, as_csv=csv, order=order))


@app.command()
def record(
    symbols: Symbols = None,
    out: Annotated[Path, typer.Option(help="The folder of tapes.")] = Path("tapes"),
    channel: Annotated[
        list[str] | None,
        typer.Option(help="May be repeated: ticker, trades, book, bars@1m, …"),
    ] = None,
    market: Annotated[str | None, typer.Option(help="WebSocket address of the streams.")] = None,
    http: Annotated[str | None, typer.Option(help="HTTP address of the same venue.")] = None,
    live: Annotated[
        bool, typer.Option("--live", help="The real venue, at its own addresses.")
    ] = False,
    seconds: options.StopAfter = None,
    max_megabytes: Annotated[int, typer.Option(min=1, help="A file ends at this size.")] = 512,
    max_hours: Annotated[int, typer.Option(min=1, help="A file ends after this long.")] = 1,
    redundancy: Annotated[
        int, typer.Option(help="Connections with the same streams; all are on the tape.")
    ] = 1,
    loop: Loop = "auto",
) -> None:
    """Put subscriptions onto a tape; of a simulated market unless told otherwise."""
    from pitwire.cli.record import CHANNELS, SYMBOLS, Plan, run

    plan = Plan(
        folder=out,
        symbols=tuple(symbols or SYMBOLS),
        channels=tuple(channel or CHANNELS),
        max_megabytes=max_megabytes,
        max_hours=max_hours,
        redundancy=redundancy,
    )
    raise typer.Exit(run(plan, market=market, http=http, live=live, seconds=seconds, loop=loop))


@app.command(name="import")
def import_(
    path: Annotated[
        Path,
        typer.Argument(
            help="A capture, a raw file of hftbacktest, or a folder of cryptofeed's raw files."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The folder of tapes.")] = Path("tapes"),
    source: Annotated[
        str, typer.Option("--format", help="auto, capture, cryptofeed or hftbacktest.")
    ] = "auto",
    venue: Annotated[str, typer.Option(help="Whose market it is; auto finds out.")] = "auto",
    instruments: Annotated[
        Path | None, typer.Option(help="The venue's listing (exchangeInfo), where it is missing.")
    ] = None,
) -> None:
    """Make a tape of somebody else's recording."""
    from pitwire.cli.importing import run

    raise typer.Exit(run(path, out, source=source, venue=venue, instruments=instruments))


@app.command()
def tables(
    sources: Annotated[
        list[Path] | None, typer.Argument(help="Tapes, or CSV files in tardis.dev's columns.")
    ] = None,
    out: Annotated[Path, typer.Option(help="The folder of tables.")] = Path("tables"),
    compact: Annotated[
        bool, typer.Option("--compact", help="Make one file of the many of each day.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read all that is there; name what is damaged.")
    ] = False,
    venue: Annotated[str, typer.Option(help="Whose spelling a CSV file has.")] = "binance",
    to: Annotated[
        str | None, typer.Option(help="postgresql://… : into that server instead of a folder.")
    ] = None,
) -> None:
    """Turn tapes into Parquet tables, which `pitwire.open_store` answers questions from."""
    with tables_wanted("pitwire tables"):
        from pitwire.cli.tables import run

    raise typer.Exit(run(sources or (), out, compact=compact, venue=venue, to=to, verify=verify))


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="A folder of tables.")],
    symbol: Annotated[str, typer.Argument(help="BASE-QUOTE, as in BTC-USDT.")],
    to: Annotated[str, typer.Option(help="hftbacktest (an npz file) or nautilus (a folder).")],
    out: Annotated[Path, typer.Option(help="Where it goes.")],
) -> None:
    """Write tables as other programs read them."""
    with tables_wanted("pitwire export"):
        from pitwire.cli.tables import export as write

    raise typer.Exit(write(folder, symbol, form=to, out=out))


@app.command()
def backtest(
    markets: Annotated[list[Path], typer.Argument(help="A tape or a capture; or several tapes.")],
    config: Annotated[
        Path | None, typer.Option(help="A desk's TOML file; a desk's tape has one of its own.")
    ] = None,
    symbol: Annotated[str, typer.Option(help="One of the file's symbols; else all of them.")] = "",
    latency: Annotated[
        str, typer.Option(help="none, colocated, same-city, overseas or mobile.")
    ] = "same-city",
    cancels: Annotated[
        str, typer.Option(help="Who cancels ahead of us: proportional, behind or ahead.")
    ] = "proportional",
    seed: Annotated[int, typer.Option(help="Seed of the latency.")] = 1,
    every: Annotated[float, typer.Option(min=0.01, help="Seconds between equity points.")] = 1.0,
    equity: Annotated[Path | None, typer.Option(help="Write the equity curve as CSV.")] = None,
    trades: Annotated[Path | None, typer.Option(help="Write the fills as CSV.")] = None,
    board: options.Board = False,
    board_port: options.BoardPort = 0,
    seconds: options.BoardStay = None,
) -> None:
    """Let a desk live through a recorded market in virtual time, and say what came of it."""
    from pitwire.cli.backtest import Wanted, run

    wanted = Wanted(
        market=markets[0], others=tuple(markets[1:]), config=config, symbol=symbol,
        latency=latency, cancels=cancels, seed=seed, every_seconds=every, equity=equity,
        trades=trades,
        board=board_port if board else None, seconds=seconds,
    )  # fmt: skip
    raise typer.Exit(run(wanted))


@app.command()
def replay(
    tapes: Annotated[
        list[Path] | None, typer.Argument(help="A tape: one run's folder or a file; or several.")
    ] = None,
    journal: options.Journal = None,
    config: Annotated[
        Path | None, typer.Option(help="A desk's TOML file, in place of the recorded one.")
    ] = None,
    rules: Annotated[
        Path | None,
        typer.Option(help="A desk's TOML file whose rules are compared with the others."),
    ] = None,
    speed: Annotated[str, typer.Option(help="1 as it was, 10 ten times as fast, or max.")] = "max",
    step: Annotated[bool, typer.Option("--step", help="Wait for Enter before each frame.")] = False,
    since: Annotated[
        str, typer.Option("--from", help="Decide from here on: a time, or seconds.")
    ] = "",
    until: Annotated[str, typer.Option(help="End here: a time, or seconds from the start.")] = "",
    out: Annotated[Path | None, typer.Option(help="Write the journal's lines there.")] = None,
    paper: Annotated[bool, typer.Option("--paper", help="Answer orders on paper.")] = False,
    board: options.Board = False,
    board_port: options.BoardPort = 0,
    seconds: options.BoardStay = None,
) -> None:
    """Play a tape through books and rules again; or rebuild the state from a journal."""
    from pitwire.cli import play
    from pitwire.cli.replay import run
    from pitwire.desk.account import find_account

    if bool(tapes) == (journal is not None):
        raise typer.BadParameter("one of TAPE and --journal FILE is needed")
    if journal is not None:
        raise typer.Exit(run(find_account(journal).folder))
    wanted = play.Wanted(
        tapes=tuple(tapes or ()), config=config, rules=rules, speed=speed, step=step, since=since,
        until=until, out=out, paper=paper, board=board_port if board else None, seconds=seconds,
    )  # fmt: skip
    raise typer.Exit(play.run(wanted))


@app.command()
def doctor(
    config: Annotated[Path | None, typer.Argument(help="The desk's TOML file.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Ask the venue nothing.")] = False,
) -> None:
    """Check configuration, keys, clock and reachability, and say what would be sent."""
    from pitwire.cli.doctor import run

    raise typer.Exit(run(config, offline=offline))
