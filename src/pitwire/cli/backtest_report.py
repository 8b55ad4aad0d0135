"""What came of a backtest: the account from moment to moment, its trades, and both in words."""

from __future__ import annotations

from decimal import Decimal
from itertools import chain
from typing import Any, NamedTuple

import msgspec

from pitwire.model.clock import MILLISECOND, timestamp
from pitwire.model.numbers import plain
from pitwire.tape.reader import Flaw


class Point(NamedTuple):
    """The account at a moment."""

    at: int
    equity: Decimal
    """In the quote asset: what was there at the start and the result since, open and realised."""
    position: Decimal
    mid: float
    """Both of the first symbol; `Report.held` has those of all."""


class Held(NamedTuple):
    """What is held of one of several symbols at a moment, and what it is worth there."""

    position: Decimal
    mid: float
    """0 while nothing is held and there is no book."""


class Trade(NamedTuple):
    """A fill, and the order that it is of."""

    at: int
    order_id: str
    rule: str
    side: str
    price: Decimal
    size: Decimal
    fee: Decimal
    fee_asset: str
    maker: bool
    slippage: float
    """Basis points against the touch when the order was decided; above zero is worse for us."""
    after: int
    """From the decision to our hearing of the fill, ns."""
    symbol: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a backtest."""

    symbols: tuple[str, ...]
    begin: int
    end: int
    latency: str
    cancels: str
    moved: int
    """By so much, ns, the recorder's clock was late at least; its stamps were put right. Of several
    recordings each is by as much as it needs, and this is the most."""
    frames: int
    gaps: int
    """Recorded book changes that did not follow the one before."""
    events: int
    orders: int
    stake: Decimal
    """What was there at the start, in the quote asset."""
    equity: tuple[Point, ...]
    held: tuple[tuple[Held, ...], ...] = ()
    """Of several symbols: for each point what is held of each, in the order of `symbols`."""
    trades: tuple[Trade, ...]
    halted: str
    flaws: tuple[Flaw, ...] = ()
    """What of the tapes could not be read."""
    journal: str
    """Digest of the journal."""

    @property
    def result(self) -> Decimal:
        """What was won or lost, in the quote asset, fees taken off."""
        return self.equity[-1].equity - self.stake if self.equity else Decimal(0)

    @property
    def drawdown(self) -> Decimal:
        """The deepest fall from a height before it, in the quote asset."""
        highest, deepest = self.stake, Decimal(0)
        for point in self.equity:
            highest = max(highest, point.equity)
            deepest = max(deepest, highest - point.equity)
        return deepest

    @property
    def slippage(self) -> float:
        """The mean over fills in basis points, by value."""
        weights = [float(trade.price * trade.size) for trade in self.trades]
        weighed = (one.slippage * by for one, by in zip(self.trades, weights, strict=True))
        return sum(weighed) / sum(weights) if weights else 0.0


def lines_of(report: Report) -> list[tuple[str, str]]:
    """The report in words."""
    fees: dict[str, Decimal] = {}
    for trade in report.trades:
        fees[trade.fee_asset] = fees.get(trade.fee_asset, Decimal(0)) + trade.fee
    after = sorted(trade.after for trade in report.trades)
    makers = sum(trade.maker for trade in report.trades)
    return [
        (
            "market",
            f"{' '.join(report.symbols)} {timestamp(report.begin)} to {timestamp(report.end)}",
        ),
        ("model", f"latency {report.latency}, cancels {report.cancels}; see docs/fills.md"),
        ("clock", f"{report.moved / MILLISECOND:.3f} ms behind the venue's, put right"),
        ("frames", f"{report.frames} ({report.gaps} gaps)"),
        ("orders", f"{report.orders}"),
        ("fills", f"{len(report.trades)} ({makers} as maker)"),
        ("fees", " ".join(f"{plain(fee)} {asset}" for asset, fee in fees.items()) or "none"),
        ("position", _positions(report)),
        ("result", plain(report.result)),
        ("drawdown", plain(report.drawdown)),
        ("slippage", f"{report.slippage:.3f} basis points from the touch"),
        ("decision to fill", f"{after[len(after) // 2] / MILLISECOND:.3f} ms" if after else "none"),
        ("halted", report.halted or "no"),
        ("journal", report.journal),
    ]


def curve_of(report: Report) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Columns and rows of the equity curve; of several symbols, what is held of each."""
    if not report.held:
        return list(Point._fields), list(report.equity)
    columns = [*Point._fields[:2]]
    for symbol in report.symbols:
        columns += [f"{field} {symbol}" for field in Held._fields]
    rows = [
        (*point[:2], *chain.from_iterable(held))
        for point, held in zip(report.equity, report.held, strict=True)
    ]
    return columns, rows


def _positions(report: Report) -> str:
    """What was held at the end."""
    if not report.equity:
        return "0"
    if not report.held:
        return plain(report.equity[-1].position)
    parts = zip(report.symbols, report.held[-1], strict=True)
    return " ".join(f"{plain(held.position)} {symbol}" for symbol, held in parts)
