"""What the board shows of our own: orders, fills, refusals, positions, and marks in the chart.

House rules: the journal says which orders have changed, so a tick costs only those; the ledger and
the portfolio say what they are now; money is a Decimal until it is a text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from pitwire.board.digits import UNKNOWN, Digits, known, milliseconds
from pitwire.board.picture import Picture
from pitwire.desk.timings import Timings
from pitwire.model.events import Fill
from pitwire.model.numbers import plain
from pitwire.model.orders import OrderState, UpdateKind
from pitwire.trading.journal import Came, Decided, Dropped, Left, Record, Refusal, placed
from pitwire.trading.state import State
from pitwire.trading.tracked import Change, Tracked

ORDERS = 200
"""Orders that are over and still shown."""
MARKS = 100
"""Fired triggers of a symbol that are shown in its chart."""


class AccountRows:
    """The rows of one account, kept up to date by its journal."""

    def __init__(
        self, state: State, timings: Timings, digits: Callable[[str], Digits], picture: Picture
    ) -> None:
        self._state, self._timings = state, timings
        self._digits, self._picture = digits, picture
        self.marks: dict[str, dict[str, list[Any]]] = {}
        """symbol → order id → [time s, side, rule, price, average fill]."""
        self.marked: dict[str, dict[str, None]] = {}
        """symbol → ids of marks that are new or have changed since somebody emptied this."""
        self._texts: dict[str, str] = {}
        self._refusals = 0
        self._changed: dict[str, None] = {}
        self._seen: dict[str, None] = {}
        self._over: dict[str, None] = {}

    # ── the journal ───────────────────────────────────────────────────────────────────────────

    def hear(self, record: Record) -> None:
        """Take one record of the journal in."""
        match record:
            case Decided(command=command) | Left(command=command):
                order = placed(command)
                if order is not None:
                    self._changed[order.id] = None
                    if isinstance(record, Left) and order.rule:
                        price = known(order.price, self._digits(order.symbol).price)
                        at = record.at // 1_000_000_000
                        mark = [at, order.side.value, order.rule, price, ""]
                        self._mark(order.symbol, order.id, mark)
            case Dropped(command=command, why=why):
                order = placed(command)
                if order is not None:
                    self._note_text(order.id, f"not sent: {why}")
                    self._changed[order.id] = None
            case Change():
                if record.text or record.reason:
                    said = record.text or str(record.reason).replace("_", " ")
                    refused = record.came == UpdateKind.CANCEL_REJECTED
                    self._note_text(record.order_id, f"cancel refused: {said}" if refused else said)
                self._changed[record.order_id] = None
            case Came(event=Fill() as fill):
                self._fill(fill)
            case Refusal():
                self._refuse(record)

    def _note_text(self, order_id: str, text: str) -> None:
        self._texts[order_id] = text

    def _mark(self, symbol: str, order_id: str, mark: list[Any]) -> None:
        marks = self.marks.setdefault(symbol, {})
        marks[order_id] = mark
        while len(marks) > MARKS:
            del marks[next(iter(marks))]
        self.marked.setdefault(symbol, {})[order_id] = None

    def _fill(self, fill: Fill) -> None:
        """One row a fill; the venue tells it twice, and a table of the same key keeps one."""
        digits = self._digits(fill.symbol)
        self._picture.put(
            "fills",
            f"{fill.symbol} {fill.trade_id}",
            [
                milliseconds(fill.received),
                fill.symbol,
                fill.side.value,
                digits.price(fill.price),
                digits.size(fill.size),
                f"{plain(fill.fee)} {fill.fee_asset}" if fill.fee else UNKNOWN,
                "maker" if fill.maker else "taker",
                fill.order_id,
            ],
        )
        self._picture.trim("fills", ORDERS)

    def _refuse(self, refusal: Refusal) -> None:
        self._refusals += 1
        why = f"{refusal.limit} is {refusal.value}, allowed {refusal.allowed}"
        row = {
            "id": "", "sym": refusal.symbol, "side": "", "type": "", "px": UNKNOWN,
            "size": UNKNOWN, "done": UNKNOWN, "part": 0, "state": "refused by risk",
            "open": 0, "rule": refusal.rule, "at": milliseconds(refusal.at), "ack": "",
            "why": why,
        }  # fmt: skip
        self._end(f"refusal {self._refusals}")
        self._picture.put("orders", f"refusal {self._refusals}", row)

    # ── looking ───────────────────────────────────────────────────────────────────────────────

    def look(self) -> None:
        """Make the rows of the orders that have changed."""
        changed, self._changed = self._changed, {}
        for order_id in changed:
            self._show(order_id)

    def look_at_all(self) -> None:
        """Make the rows of all open orders, and the positions, whatever the journal has said."""
        for order in self._state.ledger.open_of(""):
            self._changed[order.id] = None
        self.look()
        self._positions()
        self._balances()

    def _show(self, order_id: str) -> None:
        order = self._state.ledger.find(order_id)
        if order is None:
            return
        self._picture.put("orders", order_id, self._order_row(order))
        mark = self.marks.get(order.symbol, {}).get(order_id)
        if mark is not None and order.average_price is not None:
            price = self._digits(order.symbol).price(order.average_price)
            if mark[4] != price:
                self._mark(order.symbol, order_id, [*mark[:4], price])
        if not order.is_open:
            self._end(order_id)

    def _end(self, key: str) -> None:
        self._over[key] = None
        while len(self._over) > ORDERS:
            oldest = next(iter(self._over))
            del self._over[oldest]
            self._texts.pop(oldest, None)
            self._picture.drop("orders", oldest)

    def _order_row(self, order: Tracked) -> dict[str, Any]:
        digits = self._digits(order.symbol)
        size = order.size
        part = int(order.done * 100 / size) if size else 100 if order.state == "filled" else 0
        timing = self._timings.orders.get(order.id)
        answered = timing.answered - timing.decided if timing and timing.answered else 0
        whose = order.origin.value
        return {
            "id": order.id,
            "sym": order.symbol,
            "side": order.side.value if order.side else "",
            "type": order.type.value.replace("_", " ") if order.type else "",
            "px": known(order.price or order.stop_price, digits.price),
            "size": self._size(order, digits),
            "done": digits.size(order.done),
            "part": part,
            "state": order.state.value.replace("_", " "),
            "open": int(order.is_open),
            "rule": order.rule or (whose if whose != "ours" else ""),
            "at": milliseconds(order.made_at or order.changed_at),
            "ack": f"{answered / 1e6:.1f}" if answered else "",
            "why": self._why(order),
        }

    def _size(self, order: Tracked, digits: Digits) -> str:
        if order.size is not None:
            return digits.size(order.size)
        return f"{digits.money(order.quote_size)} q" if order.quote_size else UNKNOWN

    def _why(self, order: Tracked) -> str:
        said = self._texts.get(order.id, "")
        if order.state is OrderState.UNKNOWN:
            return order.doubt or said or "the venue has not said whether it exists"
        return said or order.doubt

    def _positions(self) -> None:
        state, rows = self._state, {}
        for symbol, holding in state.portfolio.holdings.items():
            if not holding.fills:
                continue
            digits, mark = self._digits(symbol), state.mark(symbol)
            worth = None if mark is None else Decimal(repr(mark))
            open_result = None if worth is None else holding.open_result(worth)
            rows[symbol] = [
                symbol,
                "long" if holding.size > 0 else "short" if holding.size < 0 else "flat",
                digits.held(holding.size),
                known(holding.average_cost, digits.price),
                known(worth, digits.price),
                known(open_result, digits.result),
                digits.result(holding.realised),
                ", ".join(f"{plain(fee)} {asset}" for asset, fee in holding.fees.items())
                or UNKNOWN,
                holding.quote,
            ]
        self._picture.put_all("positions", rows)

    def _balances(self) -> None:
        balances = self._state.portfolio.balances
        self._picture.put_all(
            "balances",
            {
                asset: [asset, plain(one.free), plain(one.locked)]
                for asset, one in balances.items()
                if one.free or one.locked
            },
        )


def thresholds(
    rules: Iterable[Mapping[str, Any]], digits: Callable[[str], Digits]
) -> dict[str, dict[str, list[Any]]]:
    """symbol → name → [price, label] of every price level that a rule in TOML names."""
    found: dict[str, dict[str, list[Any]]] = {}
    for name, when in ((str(rule["name"]), rule["when"]) for rule in rules):
        for symbol, word, level in _levels(when):
            price = digits(symbol).price(level)
            label = f"{name}: {word.replace('_', ' ')} {price}"
            found.setdefault(symbol, {})[f"{name} {word} {price}"] = [float(level), label]
    return found


_WORDS = ("crosses_above", "crosses_below", "above", "below")


def _levels(when: Any) -> Iterable[tuple[str, str, Decimal]]:
    """Every (symbol, word, level) in a condition, however deep."""
    if isinstance(when, list | tuple):
        for each in when:
            yield from _levels(each)
        return
    if not isinstance(when, dict):
        return
    symbol = when.get("price")
    for key, value in when.items():
        if isinstance(symbol, str) and key in _WORDS and value is not None:
            yield symbol, key, Decimal(str(value))
        elif isinstance(value, dict | list | tuple):
            yield from _levels(value)
