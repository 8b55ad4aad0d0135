"""The matching engine judged by other venues' recorded order flow, message by message.

LOBSTER: NASDAQ's orders in one share, and the first ten levels after each. CME: every order of a
future, with the fills and whose they were. What stood in a book before a recording began is known
by its size alone, and is one order of nobody's at the front of its price.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from pitwire.model.entropy import Entropy
from pitwire.model.orders import Side
from pitwire.sim.exchange import Exchange
from pitwire.sim.facts import Kind, Listing, NewOrder, SimOrder, Stp, Tif, Traded

NASDAQ = "LOBSTER_AAPL_2012-06-21_{}_10levels.csv.gz"
CME = "CME_ESM4_MBO_2s_2024-05-08.csv.gz"
LEVELS = 10
NOBODY = "nobody"


class Replay:
    """Recorded messages as commands to our exchange."""

    def __init__(self, tick: str) -> None:
        listing = Listing(
            symbol="REC-USD", base="REC", quote="USD", tick=Decimal(tick), lot=Decimal(1),
            max_orders=0, max_amends=0,
        )  # fmt: skip
        self.exchange = Exchange([listing], entropy=Entropy(1))
        for name in (NOBODY, "makers", "takers"):
            self.exchange.open_account(name, {}, unlimited=True)
        self.known: dict[str, SimOrder] = {}
        """Recorded id → our order."""
        self.before: dict[tuple[Side, int], SimOrder] = {}
        """What stood at a price before the recording."""
        self.now = 0

    def add(self, name: str, side: Side, price: int, lots: int) -> None:
        order = self._place("makers" if name else NOBODY, side, price, lots)
        if name:
            self.known[name] = order
        else:
            self.before[side, price] = order

    def take(self, side: Side, price: int, lots: int) -> list[tuple[int, int]]:
        """Let a taker of this side trade; (order id, lots) of everybody it met."""
        self.exchange.take_facts()
        self._place("takers", side, price, lots, Tif.IOC)
        facts = self.exchange.take_facts()
        return [(f.maker.order_id, f.lots) for f in facts if isinstance(f, Traded)]

    def cut(self, order: SimOrder, lots: int) -> None:
        """An order loses so much of its size, and its place only with the last of it."""
        self.now += 1
        if lots < order.left:
            self.exchange.amend(
                order.account, "REC-USD", order_id=order.order_id, client_id="",
                lots=order.lots - lots, new_client_id="", now=self.now,
            )  # fmt: skip
        else:
            self.exchange.cancel(order.account, "REC-USD", order_id=order.order_id, now=self.now)

    def correct(self, side: Side, price: int, lots: int) -> None:
        """Make the size at a price what it is, where the orders behind it are unknown."""
        level = self.exchange.pit("REC-USD").book.ladder(side).levels.get(price)
        mine = level.shown if level is not None else 0
        if lots < mine and level is not None:
            for order in list(level.orders.values()):
                self.cut(order, order.left)
            mine = 0
        if lots > mine:
            self.add("", side, price, lots - mine)

    def depth(self, side: Side) -> list[tuple[int, int]]:
        return self.exchange.pit("REC-USD").book.ladder(side).depth()

    def _place(
        self, account: str, side: Side, price: int, lots: int, tif: Tif = Tif.GTC
    ) -> SimOrder:
        self.now += 1
        request = NewOrder(
            account=account, symbol="REC-USD", side=side, kind=Kind.LIMIT, tif=tif, lots=lots,
            price=price, stp=Stp.NONE,
        )  # fmt: skip
        return self.exchange.place(request, self.now)


def rows(path: Path) -> Iterator[list[str]]:
    with gzip.open(path, "rt", newline="") as lines:
        yield from csv.reader(lines)


def sides(row: list[str]) -> dict[Side, list[tuple[int, int]]]:
    """The levels of a LOBSTER book, prices in cents."""
    cells = [int(cell) for cell in row]
    asks = [(cells[at] // 100, cells[at + 1]) for at in range(0, len(cells), 4)]
    bids = [(cells[at] // 100, cells[at + 1]) for at in range(2, len(cells), 4)]
    return {Side.BUY: bids, Side.SELL: asks}


def test_nasdaqs_orders_make_nasdaqs_book(captures: Path) -> None:
    folder = captures / "l3-order-flow"
    messages = list(rows(folder / NASDAQ.format("message")))
    books = [sides(row) for row in rows(folder / NASDAQ.format("orderbook"))]
    replay = Replay("0.01")
    same = at_front = fills = unknown = of_known = 0
    edge: dict[Side, int] = {}

    def reveal(side: Side, levels: list[tuple[int, int]]) -> None:
        """What comes into sight from beyond the tenth level is taken as it is: nobody recorded
        what went on there meanwhile."""
        sign = 1 if side is Side.BUY else -1
        recorded, last = dict(levels), levels[-1][0]
        ours = dict(replay.depth(side))
        for price in sorted(recorded.keys() | ours.keys()):
            hidden = side not in edge or sign * price < sign * edge[side]
            if hidden and sign * price >= sign * last:
                replay.correct(side, price, recorded.get(price, 0))
        edge[side] = last

    for number, (message, book) in enumerate(zip(messages, books, strict=True)):
        kind, name, lots, price = message[1], message[2], int(message[3]), int(message[4]) // 100
        side = Side.BUY if message[5] == "1" else Side.SELL
        order = replay.known.get(name)
        if number == 0:
            pass  # the book is known from after this message on
        elif kind == "1":
            replay.add(name, side, price, lots)
        elif kind == "3":
            unknown += order is None
            replay.cut(order or replay.before[side, price], lots)
        elif kind == "4":
            met = replay.take(side.opposite, price, lots)
            wanted = (order or replay.before[side, price]).order_id
            fills += 1
            of_known += order is not None
            at_front += met == [(wanted, lots)]
        for each, levels in book.items():
            reveal(each, levels)
        # the first book is what the others are built on
        same += number > 0 and all(
            replay.depth(each)[:LEVELS] == levels for each, levels in book.items()
        )
    assert (same, len(books)) == (998, 999)
    assert (at_front, fills) == (98, 98)
    # the other four met what stood there before the recording, of which the size alone is known
    assert (of_known, unknown) == (94, 6)


def test_cmes_fills_are_ours(captures: Path) -> None:
    """13,678 orders one by one; who was filled at CME stands first in our queue as well."""
    replay = Replay("0.25")
    resting = {"B": Side.BUY, "A": Side.SELL}
    fills = at_front = crossed = 0
    records = rows(captures / "l3-order-flow" / CME)
    names = next(records)
    for record in records:
        row = dict(zip(names, record, strict=True))
        if row["action"] in "RT":  # the book is cleared once, before all; F says the same as T
            continue
        side, name, lots = resting[row["side"]], row["order_id"], int(row["size"])
        price = int(Decimal(row["price"]) / Decimal("0.25"))
        order = replay.known.get(name)
        if row["action"] == "A":
            replay.add(name, side, price, lots)
        elif row["action"] == "F":
            assert order is not None
            fills += 1
            at_front += replay.take(side.opposite, price, lots) == [(order.order_id, lots)]
        elif row["action"] == "C" and order is not None and order.left:
            replay.cut(order, min(lots, order.left))
        elif row["action"] == "M" and order is not None and order.left:
            if order.price == price and lots < order.left:
                replay.cut(order, order.left - lots)
            elif (order.price, order.left) != (price, lots):  # it loses its place
                replay.cut(order, order.left)
                replay.add(name, side, price, lots)
        bid, _, ask, _ = replay.exchange.top("REC-USD")
        crossed += bool(bid and ask and bid >= ask)
    # The third is one event with the end of the order before it, which is reported after it.
    assert (at_front, fills) == (4, 5)
    assert crossed == 0
    assert sum(lots for _, lots in replay.depth(Side.BUY)) > 1_000
