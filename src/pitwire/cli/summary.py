"""What a desk did, told at its end: streams, orders with causes and stages, and the result."""

from __future__ import annotations

import re
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
_PRICE = re.compile(r"(?:price|bid|close) ([0-9.]+)")
_SHOWN = frozenset(
    kind.__name__
    for kind in (
        ev.Trade, ev.AggregateTrade, ev.Quote, ev.BookDelta, ev.BookSnapshot, ev.PartialBook,
        ev.Bar, ev.Ticker, ev.AveragePrice, ev.MarkPrice, ev.Liquidation, ev.Update, ev.Fill,
    )
)  # fmt: skip
_WITHOUT_RATE = ("Update", "Fill", "BookSnapshot")
"""They come when something happens, a few at once: so many a second says nothing."""


WIDTH = 100
"""Every table fits into so many columns, unless a name in it is very long."""


def summary_console() -> Console:
    """The terminal as it is; of a file or a pipe, lines wide enough for the tables."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


def print_summary(desk: Desk, console: Console) -> None:
    """Print all of it."""
    report = desk.report()
    for table in (_streams(report), _orders(desk), _stages(desk), _result(desk)):
        if table.row_count:
            console.print(table)
            console.print()
    console.print(_condition(desk, report))
    for order_id in desk.left_open:
        console.print(f"[bold red]still open at the venue: {escape(order_id)}[/]")


def plain_table(title: str, left: Iterable[str], right: Iterable[str], *, apart: int = 2) -> Table:
    """A table of words, then numbers, without lines."""
    table = Table(title=title, title_justify="left", box=None, padding=(0, apart, 0, 0))
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
                "" if stream.event in _WITHOUT_RATE else f"{stream.per_second:,.1f}",
                *_pair(stream.lag, MILLISECOND),
            )
    return table


def _orders(desk: Desk) -> Table:
    left = ("#", "rule", "order", "because of", "came of it")
    table = plain_table("orders", left, ("sent µs", "answer ms"), apart=1)
    for timing in desk.timings.orders.values():
        order = desk.engine.state.ledger.find(timing.order_id)
        if order is not None:
            table.add_row(*_order(order, timing))
    return table


def _order(order: Tracked, timing: OrderTiming) -> tuple[str, ...]:
    sent = timing.sent
    return (
        order.id.rpartition("-")[2],
        escape(order.rule),
        _wanted(order),
        _because(timing),
        _outcome(order),
        f"{(sent - timing.received) / _MICRO:,.0f}" if sent else "",
        f"{(timing.answered - sent) / MILLISECOND:,.2f}" if sent and timing.answered else "",
    )


def _wanted(order: Tracked) -> str:
    side = order.side.value if order.side else "?"
    price = f" @ {_short(order.price)}" if order.price else ""
    if order.quote_size is not None:
        return f"{side} {order.symbol} for {_short(order.quote_size)}{price}"
    return f"{side} {_short(order.size)} {order.symbol}{price}"


def _because(timing: OrderTiming) -> str:
    """The event, and its price where it has one."""
    if timing.cause is None:
        return ""
    found = _PRICE.search(timing.cause.detail)
    return f"{timing.cause.event} {found[1]}" if found else timing.cause.event


def _outcome(order: Tracked) -> str:
    average, state = order.average_price, order.state.value.replace("_", " ")
    if average is None:
        return state
    part = "" if order.filled == order.size else f" {_short(order.filled)}"
    return f"{state}{part} @ {average:.2f}"


def _short(number: Decimal | None) -> str:
    """Without the zeros that a venue pads with."""
    return "?" if number is None else plain(number.normalize())


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
    columns = ("position", "average", "realised", "unrealised", "fees")
    table = plain_table("positions and result", ("symbol",), columns)
    for symbol, holding in state.portfolio.holdings.items():
        mark = state.mark(symbol)
        worth = Decimal(repr(mark)) if mark is not None else None
        fees = ", ".join(f"{_short(fee)} {asset}" for asset, fee in holding.fees.items())
        table.add_row(
            symbol,
            _short(holding.size),
            f"{cost:.2f}" if (cost := holding.average_cost) is not None else "",
            f"{holding.realised:.4f}",
            f"{holding.open_result(worth):.4f}" if worth is not None else "",
            fees,
        )
    return table


def _condition(desk: Desk, report: HealthReport) -> str:
    counts = {
        "losses": report.losses,
        "reconnects": report.reconnects,
        "book gaps": report.gaps,
        "trade gaps": report.trade_gaps,
        "malformed": report.malformed,
        "unhandled": report.unhandled,
        "unanswered": report.unanswered,
        "refused by risk": desk.engine.screen.refused,
    }
    # Rarer, and worth a word only where they happened.
    counts |= {
        name: count
        for name, count in (
            ("dropped", report.dropped),
            ("held up", report.lagging),
            ("foreign orders", report.orders.foreign),
            ("differences", len(report.orders.differences)),
        )
        if count
    }
    offset = report.clock_offset
    clock = f", venue clock {offset / MILLISECOND:+.2f} ms" if offset is not None else ""
    told = ", ".join(f"{name} {count}" for name, count in counts.items())
    return (
        f"[bold]condition[/]: {report.events:,} events in {report.up_seconds:.1f} s, {told}{clock}"
        + _standing(desk)
    )


def _standing(desk: Desk) -> str:
    """A halt or a restriction that still holds; nothing where there is none."""
    screen = desk.engine.screen
    lines = [f"\n[bold red]halted[/]: {escape(screen.halted)}"] if screen.halted else []
    if screen.reducing:
        lines.append(f"\n[bold red]reduce-only[/]: {escape(screen.reducing)}")
    return "".join(lines)


def _pair(spread: Spread, unit: int) -> tuple[str, str]:
    if not spread.count:
        return "", ""
    return f"{spread.p50 / unit:,.2f}", f"{spread.p99 / unit:,.2f}"
