"""The analysis: what a journal tells, as Plotly figures, and as one file to keep.

Run as a program it answers each line of its input, a JSON object, with one: a process of its own,
so that no desk ever waits for a drawing. House rules: every number is of a record, and what no
record tells is left out; every text is shown as text.
"""

from __future__ import annotations

import html
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.model.errors import ConfigError
from pitwire.model.events import BookStale, FeedStale, Lost, Opened, Rolled, TradeGap
from pitwire.store.history import History
from pitwire.trading.journal import Came, Halted, Record, Restricted, Resumed
from pitwire.trading.receipts import Receipt, receipts

if TYPE_CHECKING:
    import plotly.graph_objects as go

ORDERS = 5_000
"""The newest orders that are drawn; older ones are counted."""
NICE = 5
"""How far this program stands back behind others, by the scale of `nice`."""
TABLE = 200
INCIDENTS = 2_000
_BACK, _PANEL, _TEXT, _LINE = "#0d1014", "#151a21", "#e8ebf0", "#2a323d"
_BLUE, _ORANGE, _GREEN, _RED, _AMBER = "#63adff", "#ffa95c", "#4fc78e", "#ff7070", "#ffc44d"


class Facts(msgspec.Struct):
    """What a journal tells that can be drawn."""

    orders: list[Receipt]
    older: int
    """Orders before those."""
    incidents: list[tuple[int, str, str]]
    """When, what kind, in words."""
    trouble: str = ""
    """Why the journal could not be read to its end."""


def facts_of(folder: Path) -> Facts:
    """Read an account's folder, also while a desk writes to it."""
    history = History(folder, reads_on=True)
    incidents: list[tuple[int, str, str]] = []

    def noting() -> Iterable[Record]:
        for record, _ in history.records():
            told = _incident(record)
            if told is not None:
                incidents.append(told)
            yield record

    found = receipts(noting())
    worst = history.worst
    return Facts(
        orders=found[-ORDERS:],
        older=max(0, len(found) - ORDERS),
        incidents=incidents[-INCIDENTS:],
        trouble="" if worst is None else str(worst),
    )


def _incident(record: Record) -> tuple[int, str, str] | None:
    match record:
        case Came(event=Lost(link=link, reason=why, by_us=False) as event):
            return event.received, "connection lost", f"{link}: {why}"
        case Came(event=Opened(link=link) as event):
            return event.received, "connected", link
        case Came(event=Rolled(link=link) as event):
            return event.received, "rolled", link
        case Came(event=BookStale(symbol=symbol, reason=why) as event):
            return event.received, "book stale", f"{symbol}: {why}"
        case Came(event=FeedStale(symbol=symbol, channel=channel) as event):
            return event.received, "feed stale", f"{symbol} {channel}"
        case Came(event=TradeGap(symbol=symbol) as event):
            return event.received, "trades missing", symbol
        case Halted(reason=why, by=by) | Restricted(reason=why, by=by):
            return record.at, "halted", f"{by}: {why}"
        case Resumed(by=by):
            return record.at, "resumed", by
    return None


# ── numbers ───────────────────────────────────────────────────────────────────────────────────


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of all stay within, one of them."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered)) - 1))]


def equity(orders: Iterable[Receipt]) -> list[tuple[int, Decimal]]:
    """Result after each fill: quote flow, and what is held at the last price we traded at.

    Fees in the quote or base asset are part of it; those in a third asset are not.
    """
    fills = sorted(
        ((fill.at, receipt, fill) for receipt in orders for fill in receipt.fills),
        key=lambda found: found[0],
    )
    flow: dict[str, Decimal] = {}
    held: dict[str, Decimal] = {}
    price: dict[str, Decimal] = {}
    found = []
    for at, receipt, fill in fills:
        symbol, sign = receipt.symbol, 1 if receipt.side == "buy" else -1
        base, _, quote = symbol.partition("-")
        size, paid = sign * fill.size, sign * fill.size * fill.price
        if fill.fee_asset == base:
            size -= fill.fee
        elif fill.fee_asset == quote:
            paid += fill.fee
        flow[symbol] = flow.get(symbol, Decimal(0)) - paid
        held[symbol] = held.get(symbol, Decimal(0)) + size
        price[symbol] = fill.price
        found.append((at, sum((flow[one] + held[one] * price[one] for one in flow), Decimal(0))))
    return found


def _ms(later: int, earlier: int) -> float | None:
    return (later - earlier) / MILLISECOND if later and earlier and later >= earlier else None


def _when(at: int) -> str:
    return f"{datetime.fromtimestamp(at / SECOND, UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3]


# ── figures ───────────────────────────────────────────────────────────────────────────────────


def figures(facts: Facts, lags: Sequence[Sequence[float]] = ()) -> dict[str, go.Figure]:
    """Title → figure, of whatever there is something to say about; raises `ConfigError`.

    `lags` are (ms since 1970, p50, p95, p99 in ms), which a journal does not hold.
    """
    try:
        import plotly.graph_objects  # noqa: F401
    except ImportError:
        expected = "plotly installed: pip install 'pitwire[board]'"
        raise ConfigError(where="analysis", found="no plotly here", expected=expected) from None
    made = {
        "Tick to order": _tick_to_order(facts.orders),
        "Stages over time": _stages(facts.orders),
        "Equity and drawdown": _equity(facts.orders),
        "Slippage": _slippage(facts.orders),
        "Gaps and reconnects": _incidents(facts.incidents),
        "Venue lag": _lags(lags),
        "Trigger audit": _audit(facts.orders),
    }
    return {title: figure for title, figure in made.items() if figure is not None}


def _figure(x: str, y: str, *traces: Any, **layout: Any) -> go.Figure:
    import plotly.graph_objects as go

    axes = {"gridcolor": _LINE, "zerolinecolor": _LINE}
    return go.Figure(
        data=list(traces),
        layout={
            "paper_bgcolor": _PANEL, "plot_bgcolor": _PANEL, "height": 320,
            "font": {"color": _TEXT, "size": 12}, "margin": {"l": 64, "r": 20, "t": 16, "b": 48},
            "xaxis": {**axes, "title": {"text": x}}, "yaxis": {**axes, "title": {"text": y}},
            "legend": {"orientation": "h", "y": 1.12}, **layout,
        },
    )  # fmt: skip


def _tick_to_order(orders: Sequence[Receipt]) -> go.Figure | None:
    import plotly.graph_objects as go

    times = [ms for one in orders if (ms := _ms(one.sent, one.received)) is not None]
    if not times:
        return None
    figure = _figure(
        "ms from the frame's arrival to the order's bytes on the socket", "orders",
        go.Histogram(x=times, nbinsx=60, marker={"color": _BLUE}, name="orders"),
    )  # fmt: skip
    for share, colour in ((0.5, _GREEN), (0.95, _AMBER), (0.99, _RED)):
        value = percentile(times, share)
        text = f"p{share * 100:.0f} {value:.2f} ms"
        figure.add_vline(x=value, line_color=colour, line_dash="dash", annotation_text=text)
    return figure


_STAGES = (
    ("decide", "received", "decided", _BLUE),
    ("send", "decided", "sent", _ORANGE),
    ("answer", "sent", "acknowledged", _GREEN),
)


def _stages(orders: Sequence[Receipt]) -> go.Figure | None:
    import plotly.graph_objects as go

    traces = []
    for name, start, end, colour in _STAGES:
        minutes: dict[int, list[float]] = {}
        for one in orders:
            ms = _ms(getattr(one, end), getattr(one, start))
            if ms is not None:
                minutes.setdefault(one.decided // (60 * SECOND), []).append(ms)
        for share, dash in ((0.5, "solid"), (0.99, "dot")):
            if minutes:
                traces.append(
                    go.Scatter(
                        x=[_when(minute * 60 * SECOND) for minute in minutes],
                        y=[percentile(values, share) for values in minutes.values()],
                        name=f"{name} p{share * 100:.0f}",
                        mode="lines+markers",
                        line={"color": colour, "dash": dash},
                    )
                )
    return _figure("UTC, by the minute", "ms", *traces) if traces else None


def _equity(orders: Sequence[Receipt]) -> go.Figure | None:
    import plotly.graph_objects as go

    points = equity(orders)
    if not points:
        return None
    times = [_when(at) for at, _ in points]
    values = [float(value) for _, value in points]
    highest, fallen = float("-inf"), []
    for value in values:
        highest = max(highest, value)
        fallen.append(value - highest)
    return _figure(
        "UTC, at each fill", "quote units",
        go.Scatter(x=times, y=values, name="equity", line={"color": _BLUE, "shape": "hv"}),
        go.Scatter(
            x=times, y=fallen, name="drawdown", fill="tozeroy", line={"color": _RED, "shape": "hv"}
        ),
    )  # fmt: skip


def _slippage(orders: Sequence[Receipt]) -> go.Figure | None:
    import plotly.graph_objects as go

    rules: dict[str, list[tuple[str, float]]] = {}
    for one in orders:
        if one.slippage_bips is not None:
            found = rules.setdefault(one.rule or "no rule", [])
            found.append((_when(one.decided), float(one.slippage_bips)))
    if not rules:
        return None
    return _figure(
        "UTC, at decision", "bp beyond the best price",
        *(
            go.Scatter(
                x=[at for at, _ in found], y=[bips for _, bips in found], mode="markers",
                name=html.escape(rule),
            )
            for rule, found in rules.items()
        ),
    )  # fmt: skip


def _incidents(incidents: Sequence[tuple[int, str, str]]) -> go.Figure | None:
    import plotly.graph_objects as go

    if not incidents:
        return None
    colours = {"connected": _GREEN, "resumed": _GREEN, "rolled": _BLUE}
    return _figure(
        "UTC", "",
        go.Scatter(
            x=[_when(at) for at, _, _ in incidents],
            y=[kind for _, kind, _ in incidents],
            text=[html.escape(text) for _, _, text in incidents],
            mode="markers",
            marker={"size": 9, "color": [colours.get(kind, _RED) for _, kind, _ in incidents]},
        ),
        margin={"l": 120, "r": 20, "t": 16, "b": 48},
    )  # fmt: skip


def _lags(lags: Sequence[Sequence[float]]) -> go.Figure | None:
    import plotly.graph_objects as go

    if not lags:
        return None
    times = [_when(round(row[0] * MILLISECOND)) for row in lags]
    return _figure(
        "UTC, each of the last minute", "ms",
        *(
            go.Scatter(x=times, y=[row[at] for row in lags], name=name, line={"color": colour})
            for at, name, colour in ((1, "p50", _GREEN), (2, "p95", _AMBER), (3, "p99", _RED))
        ),
    )  # fmt: skip


_AUDIT = (
    "decided (UTC)", "order", "rule", "caused by", "decide ms", "send ms", "answer ms", "state",
    "filled", "slippage bp",
)  # fmt: skip


def _audit(orders: Sequence[Receipt]) -> go.Figure | None:
    import plotly.graph_objects as go

    if not orders:
        return None
    rows = [audit_row(one) for one in reversed(orders[-TABLE:])]
    cell = {"fill": {"color": _PANEL}, "line": {"color": _LINE}, "align": "left", "height": 24}
    return _figure(
        "", "",
        go.Table(
            columnwidth=[150, 170, 120, 170, 70, 70, 70, 90, 90, 80],
            header={**cell, "values": list(_AUDIT), "fill": {"color": _BACK}},
            cells={**cell, "values": [[html.escape(row[at]) for row in rows]
                                      for at in range(len(_AUDIT))]},
        ),
        height=min(900, 80 + 26 * len(rows)),
    )  # fmt: skip


def audit_row(one: Receipt) -> list[str]:
    """One order: which tick, which rule, and how long each stage took."""
    cause = one.cause
    tick = "" if cause is None else f"{cause.event} {cause.symbol} {cause.detail}".strip()
    stages = [_ms(getattr(one, end), getattr(one, start)) for _, start, end, _ in _STAGES]
    return [
        _when(one.decided) if one.decided else "–",
        one.id,
        one.rule or "–",
        tick or "–",
        *("–" if ms is None else f"{ms:.3f}" for ms in stages),
        one.state,
        format(one.filled.normalize(), "f") if one.filled else "0",
        "–" if one.slippage_bips is None else f"{one.slippage_bips:+.2f}",
    ]


# ── one file, and the program ─────────────────────────────────────────────────────────────────


def report(facts: Facts, *, title: str, lags: Sequence[Sequence[float]] = ()) -> str:
    """One self-contained page: figures, and the script that draws them, from the package."""
    drawn = figures(facts, lags)
    parts = []
    for number, (name, figure) in enumerate(drawn.items()):
        body = figure.to_html(full_html=False, include_plotlyjs=not number, config=_CONFIG)
        parts.append(f"<section><h2>{html.escape(name)}</h2>{body}</section>")
    count = f"{len(facts.orders) + facts.older} orders, {len(facts.incidents)} incidents"
    note = f"<p>{count}. Times are UTC.</p>"
    if facts.trouble:
        note += f"<p>Not read to the end: {html.escape(facts.trouble)}</p>"
    return _PAGE.format(
        title=html.escape(title), note=note, parts="\n".join(parts) or "<p>Nothing yet.</p>"
    )


_CONFIG = {"displaylogo": False, "responsive": True}
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>body{{background:#0d1014;color:#e8ebf0;font:14px system-ui,sans-serif;max-width:1200px;
margin:24px auto;padding:0 16px}}h2{{font-size:16px;color:#a3adbb}}section{{margin:24px 0}}</style>
</head><body><h1>{title}</h1>{note}
{parts}
</body></html>
"""


class Wish(msgspec.Struct):
    """What the program is asked for."""

    folder: str
    lags: list[list[float]] = []
    title: str = ""
    """Of a report; "" asks for figures alone."""


def answer(line: str | bytes) -> bytes:
    """Figures as JSON, or a report, or what is wrong."""
    try:
        wish = msgspec.json.decode(line, type=Wish)
        facts = facts_of(Path(wish.folder))
        if wish.title:
            return msgspec.json.encode({"html": report(facts, title=wish.title, lags=wish.lags)})
        drawn = figures(facts, wish.lags)
        listed = [
            {"title": title, "figure": msgspec.Raw(figure.to_json().encode())}
            for title, figure in drawn.items()
        ]
        return msgspec.json.encode({"figures": listed, "trouble": facts.trouble})
    except (ConfigError, OSError, msgspec.MsgspecError) as error:
        return msgspec.json.encode({"error": str(error)})


if __name__ == "__main__":
    if os.name != "nt":
        os.nice(NICE)
    for asked in sys.stdin:
        sys.stdout.write(answer(asked).decode() + "\n")
        sys.stdout.flush()
