"""The table that `pitwire watch` shows: what each symbol costs now, and how well it is heard."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from pitwire.desk.health import Health, HealthReport, StreamHealth
from pitwire.model import events
from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.model.events import Event

_COLUMNS = ("symbol", "bid", "ask", "spread", "last", "msg/s", "lag p50", "p99", "gaps", "state")


class Screen:
    """The table's memory: the newest quote and trade of each symbol, and everybody's health."""

    def __init__(self, symbols: Sequence[str], now: int) -> None:
        self.health = Health(now)
        self._symbols = tuple(symbols)
        self._quotes: dict[str, events.Quote] = {}
        self._last: dict[str, float] = {}
        self._counted: dict[str, int] = {}
        self._counted_at = now

    def note(self, event: Event) -> None:
        """Take one event in."""
        self.health.note(event)
        if type(event) is events.Quote:
            self._quotes[event.symbol] = event
        elif type(event) is events.Trade:
            self._last[event.symbol] = event.price

    def draw(self, now: int) -> Table:
        """The table of this moment; rates are of the time since it was last drawn."""
        report = self.health.snapshot(now)
        table = Table(caption=_caption(report), caption_justify="left", expand=False)
        for column in _COLUMNS:
            table.add_column(column, justify="left" if column in ("symbol", "state") else "right")
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
        traded = f"{last:,}" if last is not None else "–"
        if quote is None:
            return "–", "–", "–", traded
        mid = (quote.bid + quote.ask) / 2
        spread = f"{(quote.ask - quote.bid) / mid * 10_000:.1f} bp" if mid else "–"
        return f"{quote.bid:,}", f"{quote.ask:,}", spread, traded


def _condition(report: HealthReport, streams: Sequence[StreamHealth]) -> tuple[str, str, str, str]:
    symbol = streams[0].symbol if streams else ""
    lags = [stream.lag for stream in streams if stream.lag.count]
    p50 = f"{max(lag.p50 for lag in lags) / MILLISECOND:.1f} ms" if lags else "–"
    p99 = f"{max(lag.p99 for lag in lags) / MILLISECOND:.1f} ms" if lags else "–"
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
    return p50, p99, str(gaps), state


def _caption(report: HealthReport) -> str:
    return (
        f"{report.events:,} events in {report.up_seconds:.0f} s, "
        f"{report.reconnects} reconnects, {report.gaps} book gaps, "
        f"{report.malformed} malformed; Ctrl-C ends"
    )
