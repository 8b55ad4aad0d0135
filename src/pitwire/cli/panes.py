"""`pitwire watch --desk FOLDER`: running desks in a terminal, for whoever comes over SSH.

House rules: a process of its own, that looks through the desks' windows as a board does; four
pictures a second; a number that does not fit is not shortened but its pane is left out; how each
desk stands is always there.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pitwire.board.digits import UNKNOWN
from pitwire.board.opening import remotes_of
from pitwire.board.picture import Picture
from pitwire.board.remote import Remote
from pitwire.cli import loops
from pitwire.cli.halting import Halting
from pitwire.desk.account import Account, find_account
from pitwire.model.clock import Clock, SystemClock

DRAWS_PER_SECOND = 4
LEVELS = 8
ORDERS = 8
INTERVAL = "1s"
_ARROWS = {"buy": "▲ buy", "sell": "▼ sell"}


def run(
    places: Sequence[Path],
    *,
    symbol: str = "",
    seconds: float | None = None,
    loop: str = "auto",
    console: Console | None = None,
) -> None:
    """Show the desks that run on these accounts until told to stop, or for `seconds`."""
    accounts = [find_account(where) for where in places]
    loops.run(_watch(accounts, symbol, seconds, console or Console()), loop)


async def _watch(
    accounts: Sequence[Account], symbol: str, seconds: float | None, console: Console
) -> None:
    clock = SystemClock()
    remotes = remotes_of(accounts, clock)
    staying = [asyncio.ensure_future(remote.run()) for remote in remotes.values()]
    panes = Panes(remotes, clock, symbol)

    def draw() -> RenderableType:
        return panes.draw(console.width, console.height if console.is_terminal else None)

    try:
        with Live(draw(), console=console, auto_refresh=False) as live, _keyboard(panes.press):
            async with asyncio.timeout(seconds):
                while True:
                    await asyncio.sleep(1 / DRAWS_PER_SECOND)
                    live.update(draw(), refresh=True)
    except TimeoutError:
        return
    finally:
        for one in staying:
            one.cancel()
        await asyncio.gather(*staying, return_exceptions=True)
        await panes.halting.settle()
        if not console.is_terminal:
            console.print()


@contextmanager
def _keyboard(press: Callable[[str], None]) -> Iterator[None]:
    """Calls `press` with each key, where there is a keyboard."""
    if not sys.stdin.isatty():
        yield
        return
    import termios  # not on every system, and where it is not no desk can be watched
    import tty

    number, loop = sys.stdin.fileno(), asyncio.get_running_loop()
    before = termios.tcgetattr(number)
    tty.setcbreak(number)
    loop.add_reader(number, lambda: press(os.read(number, 64).decode(errors="ignore")))
    try:
        yield
    finally:
        loop.remove_reader(number)
        termios.tcsetattr(number, termios.TCSADRAIN, before)


class Panes:
    """What is drawn of desks; `symbol` is whose book, "" takes the first of each."""

    def __init__(self, remotes: Mapping[str, Remote], clock: Clock, symbol: str = "") -> None:
        self._remotes, self._clock, self._symbol = remotes, clock, symbol
        self._alone: str | None = None
        self._books: dict[str, str] = {}
        self._widths: dict[tuple[tuple[str, ...], int], int] = {}
        self.halting = Halting()
        self.refused = ""

    def press(self, keys: str) -> None:
        """`1` to `9` show one of several desks alone, `0` all; `j` and `k` another book.

        Shift+K asks for the word that halts those that are shown.
        """
        names = list(self._remotes)
        for key in keys:
            if self.halting.press(key, self._shown):
                continue
            if key.isdecimal() and key.isascii() and int(key) <= len(names):
                self._alone = names[int(key) - 1] if key != "0" else None
            elif key in "jk":
                self._turn_to(1 if key == "j" else -1)

    def _turn_to(self, step: int) -> None:
        known = list(dict.fromkeys(one for each in self._shown.values() for one in _symbols(each)))
        if known:
            at = known.index(self._symbol) if self._symbol in known else 0
            self._symbol, self.refused = known[(at + step) % len(known)], ""

    @property
    def _shown(self) -> dict[str, Remote]:
        alone = self._alone
        return dict(self._remotes) if alone is None else {alone: self._remotes[alone]}

    def draw(self, width: int, height: int | None = None) -> RenderableType:
        """The picture of this moment, for a terminal of so many columns and lines."""
        now = self._clock.now()
        for remote in self._remotes.values():
            for _ in remote.steps(now):
                pass
        shown = self._shown
        commons = {name: remote.common for name, remote in shown.items()}
        books = [self._book(name, remote) for name, remote in shown.items()]
        above = [pane for pane in (_watchlist(commons), *books) if pane is not None]
        below = [pane for pane in (_orders(commons), _positions(commons)) if pane is not None]
        self._hold_still([*above, *below])
        states = [self._state(name, one) for name, one in self._remotes.items()]
        health, foot = _health(commons), self._foot(has_keys=height is not None)
        taken = sum(_lines(one, width) for one in (*states, health, *foot)) + 1
        kept = _fitting(above, below, width, None if height is None else height - taken)
        if left_out := len(above) + len(below) - len(kept):
            foot.append(Text(f"{left_out} panes need a larger terminal", style="yellow"))
        above, below = ([pane for pane in some if pane in kept] for some in (above, below))
        row = [Columns(above, padding=(0, 2))] if _is_row(above, width) else above
        return Group(*states, *row, *below, health, *foot)

    def _hold_still(self, panes: Iterable[Table]) -> None:
        """A column that was wide once stays so."""
        for pane in panes:
            heads = tuple(str(column.header) for column in pane.columns)
            for number, column in enumerate(pane.columns):
                widest = max((cell_len(str(cell)) for cell in column.cells), default=0)
                widest = max(widest, self._widths.get((heads, number), 0))
                self._widths[heads, number] = column.min_width = widest

    def _foot(self, *, has_keys: bool) -> list[Text]:
        lines = self.halting.lines()
        if self.refused:
            lines.append(Text(self.refused, style="yellow"))
        if has_keys:
            names = [f"{at} {name}" for at, name in enumerate(self._remotes, 1) if name]
            desks = f"{', '.join(names)}, 0 all; " if names else ""
            keys = f"keys: {desks}j k another book, Shift+K kill switch, Ctrl-C leaves"
            lines.append(Text(keys, style="dim"))
        return lines

    def _state(self, name: str, remote: Remote) -> Text:
        desk = remote.common.tables.get("desk", {})
        mode = str(desk.get("mode", "")).upper() or UNKNOWN
        line = Text(f"{name}  " if name else "", style="bold" if name in self._shown else "dim")
        line.append(f"{mode}  {desk.get('venue', '')}  {desk.get('account', '')}  ")
        why = desk.get("upstream") or self._too_old(remote, desk)
        if why:
            line.append(f"STALE: {why}", style="bold black on yellow")
        else:
            line.append("live", style="bold green")
        if desk.get("halted"):
            line.append(f"  HALTED: {desk['halted']}", style="bold white on red")
            for symbol, (_, state, _) in desk.get("closing", {}).items():
                line.append(f"  {symbol} {state}", style="bold")
        if desk.get("newer"):
            line.append(f"  this is {desk['run']}, there is {desk['newer']}", style="yellow")
        return line

    def _too_old(self, remote: Remote, desk: dict[str, Any]) -> str:
        head = remote.head(self._clock.now())
        if not head["heard"]:
            return "no market data yet"
        age = head["now"] - head["heard"] + max(0.0, head["late"])
        limit = desk.get("limit") or 0
        return f"the newest event is {age / 1000:.1f} s old" if limit and age > limit else ""

    def _book(self, name: str, remote: Remote) -> Table | None:
        symbols = _symbols(remote)
        if not symbols:
            return None
        of_all = {symbol for one in self._remotes.values() for symbol in _symbols(one)}
        wanted = self._symbol or symbols[0]
        symbol = symbols[0] if wanted in of_all and wanted not in symbols else wanted
        view = f"{symbol}@{INTERVAL}"
        picture = remote.picture(view)
        if picture is None:
            remote.close(self._books.get(name, ""))
            self._books[name] = view
            self.refused = remote.open(view)
            return None
        book = picture.tables.get("book", {})
        _, spread, trouble = book.get("middle", [UNKNOWN, UNKNOWN, "no book yet"])
        title = f"{name}  {symbol}" if name else symbol
        table = _table(f"{title}  {trouble or f'spread {spread}'}", "price", "size", "sum", "ours")
        asks, bids = book.get("asks", [])[:LEVELS], book.get("bids", [])[:LEVELS]
        for colour, side in (("#ffa95c", reversed(asks)), ("#63adff", bids)):
            for price, size, total, _, own in side:
                table.add_row(Text(price, style=colour), size, total, own)
        return table


def _symbols(remote: Remote) -> list[str]:
    return list(remote.common.tables.get("watch", {}))


def _is_row(panes: Sequence[Table], width: int) -> bool:
    """Whether they stand side by side."""
    return bool(panes) and sum(_width(pane) + 2 for pane in panes) <= width


def _fitting(above: list[Table], below: list[Table], width: int, lines: int | None) -> list[Table]:
    """What there is room for; what is held comes before what is looked at."""
    groups = [[pane] for pane in below]
    groups += [above] if _is_row(above, width) else [[pane] for pane in above]
    kept: list[Table] = []
    for group in groups:
        taken = max(_lines(pane, width) for pane in group)
        if all(_width(pane) <= width for pane in group) and (lines is None or taken <= lines):
            lines = None if lines is None else lines - taken
            kept += group
    return kept


def _table(title: str, *columns: str) -> Table:
    table = Table(
        title=Text(title), title_justify="left", box=None, padding=(0, 1, 0, 0), expand=False
    )
    for name in columns:
        left = name in ("desk", "symbol", "side", "state", "rule", "connection", "why")
        table.add_column(name, justify="left" if left else "right", no_wrap=True)
    return table


_MEASURES = Console(width=10_000)


def _width(table: Table) -> int:
    """Columns that it needs so that nothing in it is cut."""
    return _MEASURES.measure(table).maximum


def _lines(part: Table | Text, width: int) -> int:
    """Lines that it takes at this width."""
    if isinstance(part, Table):
        return part.row_count + 2
    return len(part.wrap(_MEASURES, width))


Commons = Mapping[str, Picture]
"""What is known of each desk, by its name."""


def _desk_rows(commons: Commons, topic: str) -> Iterable[tuple[str, Any, Any]]:
    """Desk, key and row of all rows of a table."""
    for name, common in commons.items():
        for key, row in common.tables.get(topic, {}).items():
            yield name, key, row


def _named(commons: Commons, title: str, *columns: str) -> tuple[Table, Callable[..., None]]:
    """A table with a column for the desk where there are several, and what adds a row to it."""
    many = len(commons) > 1
    table = _table(title, *(("desk", *columns) if many else columns))

    def add(desk: str, *cells: str, style: str = "") -> None:
        texts = (desk, *cells) if many else cells
        table.add_row(*(Text(cell, style=style) for cell in texts))

    return table, add


def _watchlist(commons: Commons) -> Table | None:
    table, add = _named(commons, "watchlist", "symbol", "last", "change", "bid", "ask", "why")
    for name, symbol, row in _desk_rows(commons, "watch"):
        why = commons[name].tables.get("stale", {}).get(symbol, "")
        add(name, symbol, row[0], row[2], row[4], row[5], why[:40], style="yellow" if why else "")
    return table if table.row_count else None


def _orders(commons: Commons) -> Table | None:
    rows = list(_desk_rows(commons, "orders"))
    rows.sort(key=lambda one: (not one[2]["open"], -one[2]["at"]))
    table, add = _named(
        commons, "orders", "symbol", "side", "price", "size", "filled", "state", "rule", "why"
    )
    for name, _, row in rows[:ORDERS]:
        side = _ARROWS.get(row["side"], UNKNOWN)
        cells = (row["sym"], side, row["px"], row["size"], row["done"], row["state"], row["rule"])
        add(name, *cells, row["why"][:40])
    return table if table.row_count else None


def _positions(commons: Commons) -> Table | None:
    table, add = _named(
        commons, "positions", "symbol", "side", "size", "average", "mark", "open", "realised"
    )
    for name, _, row in _desk_rows(commons, "positions"):
        add(name, *row[:7])
    return table if table.row_count else None


def _health(commons: Commons) -> Text:
    lines = []
    for name, common in commons.items():
        of = f"{name}  " if len(commons) > 1 else ""
        for venue, row in common.tables.get("venues", {}).items():
            lag = " / ".join(row["lag"])
            lines.append(
                f"{of}{venue} {row['state']}: {row['rate']} msg/s, lag p50/p95/p99 {lag} ms, "
                f"gaps {row['gaps']}, reconnects {row['reconnects']}, offset {row['offset']} ms"
            )
        for line, state, _, streams, *_ in common.tables.get("links", {}).values():
            lines.append(f"  {of}{line} {state}, {streams} subscriptions")
    return Text("\n".join(lines))
