"""The table that `pitwire watch` shows: what each symbol costs now, and how well it is heard."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from pitwire.desk.health import Health, HealthReport, StreamHealth
from pitwire.model import events
from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.model.events import Event
from pitwire.session.copies import LineHealth

_COLUMNS = ("symbol", "bid", "ask", "bp", "last", "msg/s", "lag ms", "gaps", "state")
_LEFT = ("symbol", "state")


class Screen:
    """The table's memory: the newest quote and trade of each symbol, and everybody's health."""

    def __init__(self, symbols: Sequence[str], now: int) -> None:
        self.health = Health(now)
        self._symbols = tuple(symbols)
        self._quotes: dict[str, events.Quote] = {}
        self._last: dict[str, float] = {}
        self._digits: dict[str, int] = {}
        self._counted: dict[str, int] = {}
        self._counted_at = now

    def note(self, event: Event) -> None:
        """Take one event in."""
        self.health.note(event)
        if type(event) is events.Quote:
            self._quotes[event.symbol] = event
        elif type(event) is events.Trade:
            self._last[event.symbol] = event.price

    def draw(self, now: int, lines: tuple[LineHealth, ...] = ()) -> Table:
        """The table of this moment; rates are of the time since it was last drawn."""
        report = self.health.snapshot(now, lines=lines)
        table = Table(
            box=None,
            padding=(0, 1, 0, 0),
            caption=_caption(report),
            caption_justify="left",
            header_style="bold underline",
        )
        for column in _COLUMNS:
            table.add_column(column, justify="left" if column in _LEFT else "right", no_wrap=True)
        seconds = max((now - self._counted_at) / SECOND, 1e-9)
        for symbol in self._symbols:
            streams = [stream for stream in report.streams if stream.symbol == symbol]
            count = sum(stream.count for stream in streams)
            rate = (count - self._counted.get(symbol, 0)) / seconds
            self._counted[symbol] = count
            table.add_row(
                symbol, *self._prices(symbol), f"{rate:,.0f}", *_condition(report, streams)
            )
        self._counted_at = now
        return table

    def _prices(self, symbol: str) -> tuple[str, str, str, str]:
        quote, last = self._quotes.get(symbol), self._last.get(symbol)
        known = [price for price in (last, quote and quote.bid, quote and quote.ask) if price]
        # As many digits as any price of this symbol has needed, so that columns stand still.
        needed = max((len(repr(price).partition(".")[2]) for price in known), default=0)
        digits = self._digits[symbol] = max(self._digits.get(symbol, 0), needed)
        traded = f"{last:,.{digits}f}" if last is not None else "–"
        if quote is None:
            return "–", "–", "–", traded
        bid, ask = f"{quote.bid:,.{digits}f}", f"{quote.ask:,.{digits}f}"
        mid = (quote.bid + quote.ask) / 2
        return bid, ask, f"{(quote.ask - quote.bid) / mid * 10_000:.2f}" if mid else "–", traded


def _condition(report: HealthReport, streams: Sequence[StreamHealth]) -> tuple[str, str, str]:
    symbol = streams[0].symbol if streams else ""
    lags = [stream.lag for stream in streams if stream.lag.count]
    p50 = max((lag.p50 for lag in lags), default=0) / MILLISECOND
    p99 = max((lag.p99 for lag in lags), default=0) / MILLISECOND
    gaps = sum(stream.count for stream in streams if stream.event in ("BookStale", "TradeGap"))
    silent = [feed for feed in report.stale_feeds if feed.split()[0] == symbol]
    if not streams:
        state = "[yellow]waiting[/]"
    elif symbol in report.stale_books:
        state = "[red]book stale[/]"
    elif silent:
        state = f"[red]{', '.join(feed.split()[1] for feed in silent)} silent[/]"
    else:
        state = "[green]fresh[/]"
    return f"{p50:.1f}/{p99:.1f}" if lags else "–", str(gaps), state


def _caption(report: HealthReport) -> str:
    return (
        f"{report.events:,} events in {report.up_seconds:.0f} s, "
        f"{report.reconnects} reconnects, {report.gaps} gaps, {report.malformed} malformed"
        f"{_race(report.lines)}"
    )


def _race(lines: Sequence[LineHealth]) -> str:
    """Of several lines with the same streams, which is first how often and who is late."""
    if len(lines) < 2:
        return ""
    told = []
    for line in lines:
        late = f"{line.behind_seconds * 1000:.1f} ms behind" if line.stands else "down"
        told.append(f"{line.name} first {line.wins:,} times, {late}")
    return "\n" + "; ".join(told)
