"""Recorded Binance sessions, parsed plainly: the numbers that any correct book must reach."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pitwire.market.book import OrderBook
from pitwire.market.sequence import ByPrevious, ByRange, Continuity
from pitwire.market.sync import BookSync
from pitwire.model.events import BookDelta, BookSnapshot, Level
from pitwire.model.orders import Side

SPOT = (
    "spot_BTCUSDT_depth-trade-bookTicker_2024-08-08",
    "spot_10pairs_2021-04-05",
    "spot_4pairs_klines_2021-10-12",
    "us_10pairs_2021-04-17",
    "us_4pairs_klines_2021-10-12",
)
FUTURES = ("usdm_4pairs_klines_2021-07-22", "coinm_10contracts_2021-07-22")

Touch = tuple[Level | None, Level | None]


class Session:
    """One symbol of a recording: its sync, its book, and what bookTicker says beside it."""

    def __init__(self, symbol: str, continuity: Continuity) -> None:
        self.sync = BookSync("binance", symbol, continuity, 1000)
        self.book = OrderBook("binance", symbol)
        self.ticks: list[tuple[int, Touch]] = []
        self.touches: list[tuple[int, Touch]] = []
        self.diffs = self.applied = self.stale = self.crossed = 0

    def feed(self, events: Any) -> None:
        for event in events:
            if isinstance(event, BookDelta):
                self.book.apply(event)
                self.applied += 1
                self.crossed += self.book.crossed
                self.touches.append((event.last_id, (self.book.best_bid, self.book.best_ask)))
            elif isinstance(event, BookSnapshot):
                self.book.apply_snapshot(event)
            else:
                self.stale += 1

    def agreement(self) -> tuple[int, int]:
        """Books whose touch equals, and differs from, that of the last bookTicker up to their id.

        As in the README beside the recordings; a diff before the first bookTicker has no partner,
        nor has one of which it is not known whether a bookTicker of its ids was still to come.
        """
        ticks = iter(sorted(self.ticks, key=lambda tick: tick[0]))
        last, coming = None, next(ticks, None)
        equal = different = 0
        for last_id, touch in self.touches:
            while coming is not None and coming[0] <= last_id:
                last, coming = coming, next(ticks, None)
            if last is not None and coming is not None:
                equal += touch == last[1]
                different += touch != last[1]
        return equal, different


def messages(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(URL of a REST answer or "", message) in the order of receiving."""
    with gzip.open(path, "rt") as lines:
        for line in lines:
            record = json.loads(line)
            if record["t"] == "http" and "depth" in record["url"]:
                yield record["url"], json.loads(record["data"])
            elif record["t"] == "recv":
                yield "", json.loads(record["data"])["data"]


def levels(told: list[list[str]]) -> tuple[Level, ...]:
    return tuple((float(price), float(size)) for price, size in told)


def replay(path: Path, continuity: Continuity) -> dict[str, Session]:
    sessions: dict[str, Session] = {}
    waiting: list[tuple[str, BookSnapshot]] = []
    for url, message in messages(path):
        if url:
            symbol = url.partition("symbol=")[2].partition("&")[0]
            start = BookSnapshot(
                venue="binance",
                symbol=symbol,
                venue_time=0,
                received=0,
                last_id=message["lastUpdateId"],
                bids=levels(message["bids"]),
                asks=levels(message["asks"]),
                depth=1000,
            )
            waiting.append((symbol, start))
        elif message.get("e") == "depthUpdate":
            session = sessions.setdefault(message["s"], Session(message["s"], continuity))
            session.diffs += 1
            session.feed(session.sync.accept(to_delta(message)))
        elif "A" in message:
            session = sessions.setdefault(message["s"], Session(message["s"], continuity))
            touch = levels([[message["b"], message["B"]], [message["a"], message["A"]]])
            session.ticks.append((message["u"], (touch[0], touch[1])))
        waiting = [one for one in waiting if not started(sessions, *one)]
    return sessions


def started(sessions: dict[str, Session], symbol: str, start: BookSnapshot) -> bool:
    """Feed a snapshot once the stream reaches it; a recorder keeps them apart."""
    session = sessions.get(symbol) if symbol else next(iter(sessions.values()), None)
    if session is None:
        return False
    session.feed(session.sync.accept_snapshot(start, 0))
    return session.sync.live


def to_delta(message: dict[str, Any]) -> BookDelta:
    return BookDelta(
        venue="binance",
        symbol=message["s"],
        venue_time=0,
        received=0,
        first_id=message["U"],
        last_id=message["u"],
        bids=levels(message["b"]),
        asks=levels(message["a"]),
        previous_id=message.get("pu", 0),
    )


@pytest.mark.parametrize("name", [*SPOT, *FUTURES])
def test_the_recorded_books_are_reached(captures: Path, name: str) -> None:
    file = f"binance/{name}.jsonl.gz"
    expected = json.loads((captures / "expected.json").read_text())[file]["symbols"]
    sessions = replay(captures / file, ByRange() if name in SPOT else ByPrevious())
    assert set(sessions) >= {symbol for symbol, facts in expected.items() if facts["diffs"]}
    for symbol, facts in expected.items():
        if not facts["diffs"]:
            continue
        session = sessions[symbol]
        found = {
            "diffs": session.diffs,
            "sequence_gaps": session.stale,
            "diffs_applied": session.applied,
            "stale_diffs_dropped": session.diffs - session.applied,
            "crossed_after_apply": session.crossed,
            "bookTickers": len(session.ticks),
            "bbo_vs_bookTicker_equal": session.agreement()[0],
            "bbo_vs_bookTicker_different": session.agreement()[1],
            "last_u": session.book.last_id,
        }
        assert found == {name: facts[name] for name in found}, symbol
        bids, asks = session.book.depth(10)
        top = facts["final_top10"]
        assert (bids, asks) == (levels(top["bids"]), levels(top["asks"])), symbol


def test_a_market_that_leaves_its_snapshot_is_learnt_again(captures: Path) -> None:
    """BTCUSDT fell below all 1000 bids of its snapshot (the worst at 61631.55) and came back."""
    session = replay(captures / f"binance/{SPOT[0]}.jsonl.gz", ByRange())["BTCUSDT"]
    book = session.book
    asks = [touch[1] for _, touch in session.touches]
    assert book.bids.edge == min(ask[0] for ask in asks if ask is not None) < 61602.01
    assert book.knows(100)
    assert not book.knows(1000)
    assert len(book.bids) > book.known_depth[0]
    assert book.size_at(Side.BUY, 61560.0) is not None
    assert book.size_at(Side.BUY, 61550.005) is None
