"""The feed: reads a desk twenty times a second and tells what a viewer should see of it.

House rules: reads, never writes; a look is cut into slices, and between two of them the loop is
free, so that no order waits for more than one; whatever is wrong here is the board's trouble alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

import pitwire
from pitwire.board.account_rows import AccountRows, thresholds
from pitwire.board.bars import BARS, INTERVALS
from pitwire.board.digits import Digits, milliseconds
from pitwire.board.health_rows import HealthRows, desk_rows
from pitwire.board.market_rows import SymbolRows
from pitwire.board.picture import Picture
from pitwire.board.tail import Tail
from pitwire.desk.console import weighed
from pitwire.desk.desk import Desk
from pitwire.model.clock import SECOND
from pitwire.trading.journal import Came, Halted, Record, Restricted, Resumed

_QUIET_STEP = 250 * 1_000_000
"""The time a symbol was heard is told in steps of this, ns."""
_FULL_LOOK = SECOND
"""How often everything is looked at, also what has not moved or is not shown, ns."""


class View:
    """One symbol with one interval, and what is shown of it."""

    def __init__(self, rows: SymbolRows, interval: str, lines: dict[str, list[Any]]) -> None:
        self.rows, self.interval = rows, interval
        self.picture = Picture()
        self.asked = False
        digits = rows.digits
        self.picture.put("info", "price digits", digits.price_digits)
        self.picture.put("info", "size digits", digits.size_digits)
        self.picture.put_all("lines", lines)
        for bar in rows.bars.all(interval):
            self.picture.put("bars", str(bar[0]), bar)


class Feed:
    """What there is to see of one desk. `tail` is among the journals the desk was opened with."""

    generation = 0

    def __init__(self, desk: Desk, tail: Tail, *, mask: Callable[[str], str] = str) -> None:
        self._desk, self._tail, self._mask = desk, tail, mask
        self._state = desk.engine.state
        self._frames = desk.frames
        self.common = Picture()
        self.views: dict[str, View] = {}
        self._symbols: dict[str, SymbolRows] = {}
        self._account = AccountRows(self._state, desk.timings, self._digits, self.common)
        self._health = HealthRows(desk, self.common)
        self._halt: Halted | Restricted | None = None
        self._told = 0
        self._full_at = 0
        self._turns: dict[str, int] = {}
        self._shown: set[str] = set()
        rules = [
            {"name": spec.name or f"rule {number}", "when": spec.when}
            for number, spec in enumerate(desk.config.rule, 1)
            if spec.when is not None and spec.enabled
        ]
        self._lines = thresholds(msgspec.to_builtins(rules, enc_hook=str), self._digits)
        self.common.put("desk", "version", pitwire.__version__)

    def _digits(self, symbol: str) -> Digits:
        return self._rows(symbol).digits

    def _rows(self, symbol: str) -> SymbolRows:
        rows = self._symbols.get(symbol)
        if rows is None:
            rows = self._symbols[symbol] = SymbolRows(symbol, self._state, self._frames)
        return rows

    # ── views ─────────────────────────────────────────────────────────────────────────────────

    @property
    def symbols(self) -> list[str]:
        """What may be looked at: all that the desk has asked for or heard of."""
        named = dict.fromkeys(self._desk.config.venue.symbols)
        state = self._state
        for known in (state.books, state.quotes, state.trades, state.partials, self._lines):
            named |= dict.fromkeys(known)
        return [symbol for symbol in named if symbol in state.instruments]

    def open(self, view: str) -> str:
        """Show this view from now on, `SYMBOL@INTERVAL`; why not, or "" when it is done."""
        if view in self.views:
            return ""
        symbol, _, interval = view.rpartition("@")
        if interval not in INTERVALS:
            return f"interval: found {interval!r}, expected one of {', '.join(INTERVALS)}"
        if symbol not in self.symbols:
            return f"symbol: found {symbol!r}, expected one of {', '.join(self.symbols)}"
        rows = self._rows(symbol)
        if symbol not in self._shown:
            rows.read_trades(seen=False)
            self._shown = {*self._shown, symbol}
        made = self.views[view] = View(rows, interval, self._lines.get(symbol, {}))
        made.picture.tell("tape", rows.recent_tape())
        made.picture.put_all("marks", self._account.marks.get(symbol, {}))
        made.picture.put_all("book", rows.ladder())
        made.picture.take()
        return ""

    def close(self, view: str) -> None:
        """Nobody looks at it any more."""
        self.views.pop(view, None)
        self._shown = {one.rows.symbol for one in self.views.values()}

    def picture(self, view: str) -> Picture | None:
        """What is shown there."""
        found = self.views.get(view)
        return None if found is None else found.picture

    # ── looking ───────────────────────────────────────────────────────────────────────────────

    def head(self, now: int) -> dict[str, Any]:
        """The clocks of this moment: when the newest event came, and how old it was then (ms)."""
        heard, late = max(
            ((rows.heard, rows.late) for rows in self._symbols.values()), default=(0, 0)
        )
        return {
            "now": milliseconds(now),
            "heard": milliseconds(heard),
            "late": round(late / 1_000_000, 1),
        }

    @property
    def newest(self) -> int:
        """When the newest market event came, ns; 0 before the first."""
        return max((rows.heard for rows in self._symbols.values()), default=0)

    def recorded(self) -> int:
        """The venue's stamp of what came last, ns, where a recording is served; else 0."""
        return max((rows.recorded for rows in self._symbols.values()), default=0)

    def when(self, at: int) -> int:
        """A time of the desk's as the viewer's clock has it, ns."""
        return at

    def facts(self) -> dict[str, Any]:
        """What is true of the whole desk."""
        return desk_rows(self._desk, self._health)

    def steps(self, now: int) -> Iterator[None]:
        """Look at everything, in slices; between two of them others may have their turn."""
        records, lost = self._tail.read()
        for record in records:
            self._account.hear(record)
        self._tell(records, lost)
        self._account.look()
        yield
        moved: dict[str, None] = {}
        symbols = self.symbols
        for place, symbol in enumerate(symbols):
            rows = self._rows(symbol)
            if rows.look():
                moved[symbol] = None
                self.common.put("watch", symbol, rows.watch_row())
                heard = self.when(rows.heard) // _QUIET_STEP * _QUIET_STEP
                self.common.put("heard", symbol, milliseconds(heard))
            elif symbol not in self.common.tables.get("watch", ()):
                self.common.put("watch", symbol, rows.watch_row())
            self.common.put("stale", symbol, self._state.stale_reason(symbol))
            due = self._is_due(symbol, place / len(symbols), now)
            seen = symbol in self._shown
            if due or (seen and symbol in moved):
                rows.read_trades(seen=seen)
            if due:
                self.common.put("spark", symbol, rows.spark(now))
            if due or symbol in moved:
                yield
        yield from self._look_at_views(moved)
        if now >= self._full_at:
            self._full_at = now + _FULL_LOOK
            yield from self._look_at_all(now)

    def look_at_everything(self) -> None:
        """What has not moved is looked at by the next look too, however soon that comes."""
        self._full_at = 0
        self._turns.clear()

    def _is_due(self, symbol: str, share: float, now: int) -> bool:
        """Whether its turn to be looked at wholly has come: each has its own part of a second."""
        turn = (now - round(share * _FULL_LOOK)) // _FULL_LOOK
        before, self._turns[symbol] = self._turns.get(symbol), turn
        return turn != before

    def _look_at_views(self, moved: dict[str, None]) -> Iterator[None]:
        tapes = {}
        bars: dict[tuple[str, str], Any] = {}
        marked, self._account.marked = self._account.marked, {}
        for symbol in moved.keys() & self._shown:
            tapes[symbol] = self._rows(symbol).take_tape()
        for view in list(self.views.values()):  # others may open and close some meanwhile
            rows, picture, symbol = view.rows, view.picture, view.rows.symbol
            if symbol in tapes:
                picture.tell("tape", tapes[symbol])
                key = symbol, view.interval
                if key not in bars:
                    bars[key] = rows.bars.moved(view.interval)
                for bar in bars[key]:
                    picture.put("bars", str(bar[0]), bar)
                picture.trim("bars", BARS)
                yield
            picture.put_all("book", rows.ladder())
            for order_id in marked.get(symbol, ()):
                mark = self._account.marks[symbol].get(order_id)
                if mark is not None:
                    picture.put("marks", order_id, mark)
            yield

    def _look_at_all(self, now: int) -> Iterator[None]:
        self._account.look_at_all()
        yield
        yield from self._health.steps(now, self.newest)
        for key, value in self.facts().items():
            self.common.put("desk", key, value)
        self._tell_halt()
        self.common.put("desk", "replay", milliseconds(self.recorded()))

    def _tell(self, records: list[Record], lost: int) -> None:
        rows = []
        if lost:
            rows.append(self._log_row(0, 30, f"{lost} earlier records are not shown"))
        for record in records:
            if isinstance(record, Halted | Restricted):
                self._halt = record
            elif isinstance(record, Resumed):
                self._halt = None
            about = record.event if isinstance(record, Came) else record
            known = weighed(about)
            if known is not None and known[0] >= 20:
                at = about.received if isinstance(record, Came) else record.at  # type: ignore[union-attr]
                rows.append(self._log_row(at, known[0], self._mask(known[1](about))))
        self.common.tell("log", rows)
        if any(isinstance(record, Halted | Restricted | Resumed) for record in records):
            self._tell_halt()

    def _log_row(self, at: int, level: int, text: str) -> list[Any]:
        self._told += 1
        word = "error" if level >= 40 else "warning" if level >= 30 else "info"
        return [self._told, milliseconds(at), word, text]

    def _tell_halt(self) -> None:
        screen, halt = self._desk.engine.screen, self._halt
        who = [halt.by, milliseconds(halt.at)] if halt is not None else ["", 0]
        self.common.put("desk", "halted", screen.halted)
        self.common.put("desk", "reducing", screen.reducing)
        self.common.put("desk", "halted by", who)
