"""`pitwire watch --desk FOLDER`: a running desk in a terminal, for whoever comes over SSH.

House rules: a process of its own, that looks through the desk's window as a board does; four
pictures a second; a number that does not fit is not shortened but its pane is left out.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pitwire.board.digits import UNKNOWN
from pitwire.board.picture import Picture
from pitwire.board.remote import Remote
from pitwire.cli import loops
from pitwire.desk.account import find_account
from pitwire.model.clock import Clock, SystemClock

DRAWS_PER_SECOND = 4
LEVELS = 8
ORDERS = 8
INTERVAL = "1s"
_ARROWS = {"buy": "▲ buy", "sell": "▼ sell"}


def run(
    where: Path,
    *,
    symbol: str = "",
    seconds: float | None = None,
    loop: str = "auto",
    console: Console | None = None,
) -> None:
    """Show the desk that runs on this account's folder until told to stop, or for `seconds`."""
    loops.run(_watch(find_account(where).folder, symbol, seconds, console or Console()), loop)


async def _watch(folder: Path, symbol: str, seconds: float | None, console: Console) -> None:
    clock = SystemClock()
    remote = Remote(folder, clock)
    staying = asyncio.ensure_future(remote.run())
    panes = Panes(remote, clock, symbol)
    try:
        with Live(panes.draw(console.width), console=console, auto_refresh=False) as live:
            async with asyncio.timeout(seconds):
                while True:
                    await asyncio.sleep(1 / DRAWS_PER_SECOND)
                    live.update(panes.draw(console.width), refresh=True)
    except TimeoutError:
        return
    finally:
        staying.cancel()
        with suppress(asyncio.CancelledError):
            await staying
        if not console.is_terminal:
            console.print()


class Panes:
    """What is drawn of a desk; `symbol` is whose book, "" takes the first."""

    def __init__(self, remote: Remote, clock: Clock, symbol: str = "") -> None:
        self._remote, self._clock, self._symbol = remote, clock, symbol
        self.refused = ""

    def draw(self, width: int) -> RenderableType:
        """The picture of this moment, for a terminal of so many columns."""
        remote = self._remote
        for _ in remote.steps(self._clock.now()):
            pass
        common = remote.common
        book = self._book(common)
        panes = [pane for pane in (_watchlist(common), book) if pane is not None]
        below = [pane for pane in (_orders(common), _positions(common)) if pane is not None]
        fitting = [pane for pane in (*panes, *below) if _width(pane) <= width]
        left_out = len(panes) + len(below) - len(fitting)
        side_by_side = [pane for pane in fitting if pane in panes]
        parts: list[RenderableType] = [self._state(common)]
        if sum(_width(pane) + 2 for pane in side_by_side) <= width:
            parts.append(Columns(side_by_side, padding=(0, 2)))
        else:
            parts += side_by_side
        parts += [pane for pane in fitting if pane in below]
        parts.append(_health(common))
        if left_out:
            parts.append(Text(f"{left_out} panes need a wider terminal", style="yellow"))
        if self.refused:
            parts.append(Text(self.refused, style="yellow"))
        return Group(*parts)

    def _state(self, common: Picture) -> Text:
        desk = common.tables.get("desk", {})
        mode = str(desk.get("mode", "")).upper() or UNKNOWN
        line = Text(f"{mode}  {desk.get('venue', '')}  {desk.get('account', '')}  ")
        why = desk.get("upstream") or self._too_old(desk)
        if why:
            line.append(f"STALE: {why}", style="bold black on yellow")
        else:
            line.append("live", style="bold green")
        if desk.get("halted"):
            line.append(f"  HALTED: {desk['halted']}", style="bold white on red")
            for symbol, (_, state, _) in desk.get("closing", {}).items():
                line.append(f"  {symbol} {state}", style="bold")
        return line

    def _too_old(self, desk: dict[str, Any]) -> str:
        head = self._remote.head(self._clock.now())
        if not head["heard"]:
            return "no market data yet"
        age = head["now"] - head["heard"] + max(0.0, head["late"])
        limit = desk.get("limit") or 0
        return f"the newest event is {age / 1000:.1f} s old" if limit and age > limit else ""

    def _book(self, common: Picture) -> Table | None:
        symbols = list(common.tables.get("watch", {}))
        if not symbols:
            return None
        symbol = self._symbol or symbols[0]
        view = f"{symbol}@{INTERVAL}"
        picture = self._remote.picture(view)
        if picture is None:
            self.refused = self._remote.open(view)
            return None
        book = picture.tables.get("book", {})
        _, spread, trouble = book.get("middle", [UNKNOWN, UNKNOWN, "no book yet"])
        table = _table(f"{symbol}  {trouble or f'spread {spread}'}", "price", "size", "sum", "ours")
        asks, bids = book.get("asks", [])[:LEVELS], book.get("bids", [])[:LEVELS]
        for colour, side in (("#ffa95c", reversed(asks)), ("#63adff", bids)):
            for price, size, total, _, own in side:
                table.add_row(Text(price, style=colour), size, total, own)
        return table


def _table(title: str, *columns: str) -> Table:
    table = Table(
        title=Text(title), title_justify="left", box=None, padding=(0, 1, 0, 0), expand=False
    )
    for name in columns:
        left = name in ("symbol", "side", "state", "rule", "connection", "why")
        table.add_column(name, justify="left" if left else "right", no_wrap=True)
    return table


def _width(table: Table) -> int:
    """Columns that it needs so that nothing in it is cut."""
    console = Console(width=10_000)
    return console.measure(table).maximum


def _watchlist(common: Picture) -> Table | None:
    table = _table("watchlist", "symbol", "last", "change", "bid", "ask", "why")
    for symbol, row in common.tables.get("watch", {}).items():
        why = common.tables.get("stale", {}).get(symbol, "")
        style = "yellow" if why else ""
        cells = (symbol, row[0], row[2], row[4], row[5], why[:40])
        table.add_row(*(Text(cell, style=style) for cell in cells))
    return table if table.row_count else None


def _orders(common: Picture) -> Table | None:
    rows = list(common.tables.get("orders", {}).values())
    rows.sort(key=lambda row: (not row["open"], -row["at"]))
    table = _table("orders", "symbol", "side", "price", "size", "filled", "state", "rule", "why")
    for row in rows[:ORDERS]:
        side = _ARROWS.get(row["side"], UNKNOWN)
        cells = (row["sym"], side, row["px"], row["size"], row["done"], row["state"], row["rule"])
        table.add_row(*(Text(cell) for cell in (*cells, row["why"][:40])))
    return table if table.row_count else None


def _positions(common: Picture) -> Table | None:
    table = _table("positions", "symbol", "side", "size", "average", "mark", "open", "realised")
    for row in common.tables.get("positions", {}).values():
        table.add_row(*(Text(cell) for cell in row[:7]))
    return table if table.row_count else None


def _health(common: Picture) -> RenderableType:
    lines = []
    for name, row in common.tables.get("venues", {}).items():
        lag = " / ".join(row["lag"])
        lines.append(
            f"{name} {row['state']}: {row['rate']} msg/s, lag p50/p95/p99 {lag} ms, "
            f"gaps {row['gaps']}, reconnects {row['reconnects']}, offset {row['offset']} ms"
        )
    for name, state, _, streams, *_ in common.tables.get("links", {}).values():
        lines.append(f"  {name} {state}, {streams} subscriptions")
    return Text("\n".join(lines))
