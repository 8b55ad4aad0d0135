"""What a desk did, told at its end: streams, orders with causes and stages, and the result."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pitwire.desk.desk import Desk
from pitwire.desk.health import HealthReport, Spread
from pitwire.desk.timings import OrderTiming
from pitwire.model import events as ev
from pitwire.model.clock import MILLISECOND
from pitwire.model.numbers import plain
from pitwire.trading.tracked import Tracked

_MICRO = 1_000
_SHOWN = frozenset(
    kind.__name__
    for kind in (
        ev.Trade, ev.AggregateTrade, ev.Quote, ev.BookDelta, ev.BookSnapshot, ev.PartialBook,
        ev.Bar, ev.Ticker, ev.AveragePrice, ev.Update, ev.Fill,
    )
)  # fmt: skip
_WITHOUT_LAG = ("Update", "BookSnapshot")
"""Answers to questions of ours: they carry the time of what they tell, not of their sending."""


def summary_console() -> Console:
    """The terminal as it is; of a file or a pipe, lines wide enough for the tables."""
    console = Console()
    return console if console.is_terminal else Console(width=120)


def print_summary(desk: Desk, console: Console) -> None:
    """Print all of it."""
    report = desk.health.snapshot(desk.clock.now())
    for table in (_streams(report), _orders(desk), _stages(desk), _result(desk)):
        if table.row_count:
            console.print(table)
    console.print(_condition(desk, report))
    for order_id in desk.left_open:
        console.print(f"[bold red]still open at the venue: {escape(order_id)}[/]")


def plain_table(title: str, left: Iterable[str], right: Iterable[str]) -> Table:
    """A table of words, then numbers, without lines."""
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in left:
        table.add_column(column)
    for column in right:
        table.add_column(column, justify="right")
    return table


def _streams(report: HealthReport) -> Table:
    columns = ("messages", "per second", "lag p50 ms", "lag p99 ms")
    table = plain_table("streams", ("symbol", "event"), columns)
    for stream in report.streams:
        if stream.event in _SHOWN:
            table.add_row(
                stream.symbol,
                stream.event,
                f"{stream.count:,}",
                f"{stream.per_second:,.1f}",
                *(("", "") if stream.event in _WITHOUT_LAG else _pair(stream.lag, MILLISECOND)),
            )
    return table


def _orders(desk: Desk) -> Table:
    left = ("#", "rule", "order", "because of", "came of it")
    table = plain_table("orders", left, ("tick to order µs", "answer ms"))
    for timing in desk.timings.orders.values():
        order = desk.engine.state.ledger.find(timing.order_id)
        if order is not None:
            table.add_row(*_order(order, timing))
    return table


def _order(order: Tracked, timing: OrderTiming) -> tuple[str, ...]:
    side = order.side.value if order.side else "?"
    size = order.size if order.size is not None else order.quote_size
    price = f" at {plain(order.price)}" if order.price else ""
    return (
        order.id.rpartition("-")[2],
        escape(order.rule),
        f"{side} {plain(size or Decimal(0))} {order.symbol}{price}",
        _because(timing),
        _outcome(order),
        f"{(timing.sent - timing.received) / _MICRO:,.0f}",
        f"{(timing.answered - timing.sent) / MILLISECOND:,.2f}" if timing.answered else "",
    )


def _because(timing: OrderTiming) -> str:
    """The event, and the first thing that it said."""
    cause = timing.cause
    if cause is None:
        return ""
    return escape(" ".join((cause.event, *cause.detail.split()[:2])))


def _outcome(order: Tracked) -> str:
    average = order.average_price
    if average is None:
        return order.state.value
    return f"{order.state.value}: {plain(order.filled)} at {average:.2f}"


def _stages(desk: Desk) -> Table:
    table = plain_table("from tick to order", ("stage",), ("orders", "p50 µs", "p99 µs"))
    report = desk.timings.report()
    for name in report.__struct_fields__:
        spread = getattr(report, name)
        if spread.count:
            table.add_row(name.replace("_", " "), str(spread.count), *_pair(spread, _MICRO))
    return table


def _result(desk: Desk) -> Table:
    state = desk.engine.state
    columns = ("position", "average", "realised", "open", "fees")
    table = plain_table("positions and result", ("symbol",), columns)
    for symbol, holding in state.portfolio.holdings.items():
        mark = state.mark(symbol)
        worth = Decimal(repr(mark)) if mark is not None else None
        fees = ", ".join(f"{plain(fee)} {asset}" for asset, fee in holding.fees.items())
        table.add_row(
            symbol,
            plain(holding.size),
            f"{cost:.2f}" if (cost := holding.average_cost) is not None else "",
            f"{holding.realised:.4f}",
            f"{holding.open_result(worth):.4f}" if worth is not None else "",
            fees,
        )
    return table


def _condition(desk: Desk, report: HealthReport) -> str:
    counts = {
        "reconnects": report.reconnects,
        "book gaps": report.gaps,
        "trade gaps": report.trade_gaps,
        "malformed": report.malformed,
        "unhandled": report.unhandled,
        "unanswered": report.unanswered,
        "refused by risk": desk.engine.screen.refused,
    }
    offset = report.clock_offset
    clock = f", venue clock {offset / MILLISECOND:+.2f} ms" if offset is not None else ""
    told = ", ".join(f"{name} {count}" for name, count in counts.items())
    return (
        f"[bold]condition[/]: {report.events:,} events in {report.up_seconds:.1f} s, {told}{clock}"
    )


def _pair(spread: Spread, unit: int) -> tuple[str, str]:
    if not spread.count:
        return "", ""
    return f"{spread.p50 / unit:,.2f}", f"{spread.p99 / unit:,.2f}"
