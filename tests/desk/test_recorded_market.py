"""A recorded market over real sockets: the book is the venue's, a rule fires, its order fills."""

from __future__ import annotations

import asyncio
import gzip
import json
from bisect import bisect_right
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pitwire.cli.simulated import recorded_venue
from pitwire.desk.config import parse_config
from pitwire.desk.opening import open_desk
from pitwire.model import events as ev
from pitwire.model.events import Event
from pitwire.trading.journal import MemoryJournal
from pitwire.trading.rules import Watch
from pitwire.trading.state import State
from pitwire.trading.wishes import Wish

NAME = "binance/spot_BTCUSDT_depth-trade-bookTicker_2024-08-08.jsonl.gz"
SYMBOL = "BTC-USDT"
CONFIG = """
mode = "sim"
[venue]
symbols = ["BTC-USDT"]
[log]
file = ""
[[rule]]
name = "below the round number"
when = { price = "BTC-USDT", crosses_below = 61_700 }
do = { market = "buy", size = 0.01 }
once = true
"""
Top = tuple[float, float, float, float]


class Witness:
    """A rule that wishes nothing and writes down what the book and the quotes said, by id."""

    name = "witness"
    watches = tuple(Watch(kind, SYMBOL) for kind in (ev.Quote, ev.BookDelta))

    def __init__(self, last_id: int) -> None:
        self.over = asyncio.Event()
        self._last_id = last_id
        self.quotes: dict[int, Top] = {}
        self.books: dict[int, Top | None] = {}

    def react(self, state: State, now: int) -> Iterable[Wish]:
        event: Event | None = state.event
        if isinstance(event, ev.Quote):
            self.quotes[event.update_id] = (event.bid, event.bid_size, event.ask, event.ask_size)
        elif isinstance(event, ev.BookDelta):
            book = state.books[SYMBOL]
            bid, ask = book.best_bid, book.best_ask
            self.books[event.last_id] = (*bid, *ask) if bid and ask else None
            if event.last_id == self._last_id:
                self.over.set()
        return ()

    def agreement(self) -> tuple[int, int]:
        """How often the book equals the last quote of no later id after a delta; and how often not.

        As the README beside the recordings counts: a delta is left out of which it is not known
        whether a quote of its ids was still to come.
        """
        ids = sorted(self.quotes)
        equal = different = 0
        for last_id, top in self.books.items():
            before = bisect_right(ids, last_id)
            if 0 < before < len(ids):
                same = self.quotes[ids[before - 1]] == top
                equal, different = equal + same, different + (not same)
        return equal, different


def expected_of(captures: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((captures / "expected.json").read_text())[NAME]
    return found


@pytest.mark.timeout(600)
async def test_the_recorded_book_is_rebuilt_and_a_rule_trades_in_it(captures: Path) -> None:
    expected = expected_of(captures)
    witness, journal = Witness(expected["symbols"]["BTCUSDT"]["last_u"]), MemoryJournal()
    async with recorded_venue(captures / NAME, [SYMBOL], speed=40) as venue:
        desk = await open_desk(
            parse_config(CONFIG),
            endpoints=venue.endpoints,
            credentials=venue.credentials,
            rules=[witness],
            journals=[journal],
        )
        venue.begin()
        await witness.over.wait()
        counts = {s.event: s.count for s in desk.health.snapshot(desk.clock.now()).streams}
        final = desk.engine.state.books[SYMBOL].depth(10)
        ledger = desk.engine.state.ledger
        [bought] = [order for order in map(ledger.find, desk.timings.orders) if order]
        await desk.stop()

    assert counts["BookDelta"] == expected["totals"]["applied"] == 6493
    assert counts["Quote"] == expected["messages"]["bookTicker"]
    assert counts["Trade"] == expected["messages"]["trade"]
    assert witness.agreement() == (expected["totals"]["bbo_equal"], expected["totals"]["bbo_diff"])
    for ours, side in zip(final, ("bids", "asks"), strict=True):
        theirs = expected["symbols"]["BTCUSDT"]["final_top10"][side]
        assert [*ours] == [(float(price), float(size)) for price, size in theirs]
    assert bought.filled == Decimal("0.01")
    assert bought.rule == "below the round number"
    assert bought.average_price is not None
    assert Decimal(61_000) < bought.average_price <= Decimal(61_700)
    assert not [record for record in journal.records if "Malformed" in repr(record)]


def test_the_capture_is_what_the_expectations_are_of(captures: Path) -> None:
    with gzip.open(captures / NAME, "rt") as lines:
        kinds = [json.loads(line)["t"] for line in lines]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == expected_of(captures)["records"]
