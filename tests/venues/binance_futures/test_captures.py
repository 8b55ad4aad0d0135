"""Every recorded session of the futures decodes whole, and builds the books that it recorded."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pitwire.market.book import OrderBook
from pitwire.market.sync import BookSync
from pitwire.model.events import (
    Balance,
    BookDelta,
    BookSnapshot,
    BookStale,
    Fill,
    Level,
    Malformed,
    Position,
    Quote,
    Unhandled,
    Update,
)
from pitwire.venues.binance_futures import BINANCE_COINM, BINANCE_USDM
from pitwire.venues.venue import Ask, CodecOptions, HttpRequest, Reply, Role, Venue

Touch = tuple[Level | None, Level | None]
MARKET = {
    "usdm_4pairs_klines_2021-07-22": BINANCE_USDM,
    "usdm_ETHUSDT_depth0ms-trade-bookTicker_2024-08-08": BINANCE_USDM,
    "coinm_10contracts_2021-07-22": BINANCE_COINM,
    "coinm_ETHUSD_PERP_depth0ms-trade-bookTicker_2024-08-08": BINANCE_COINM,
}
CHANNELS = {
    "BookDelta": ("depth@100ms", "depth@0ms"),
    "Quote": ("bookTicker",),
    "Trade": ("trade",),
    "AggregateTrade": ("aggTrade",),
    "Bar": ("kline_1m",),
}


def records(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path) as lines:
        for line in lines:
            yield json.loads(line)


def facts(captures: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((captures / "expected.json").read_text())
    facts: dict[str, Any] = found[f"binance/{name}.jsonl.gz"]
    return facts


def off_market(data: str) -> bool:
    """A trade of the insurance fund or of a deleveraging, which is no trade at the market."""
    return '"e":"trade"' in data and '"X":"MARKET"' not in data


@pytest.mark.parametrize("name", MARKET)
def test_a_recorded_session_decodes_whole(captures: Path, name: str) -> None:
    codec = MARKET[name].codec(CodecOptions(role=Role.MARKET))
    kinds: Counter[str] = Counter()
    symbols = set()
    for record in records(captures / f"binance/{name}.jsonl.gz"):
        if record["t"] != "recv":
            continue
        told = codec.decode(record["data"].encode(), 1)
        if not told:
            assert off_market(record["data"])
            kinds["Trade"] += 1
        for event in told:
            kinds[type(event).__name__] += 1
            symbols.add(event.symbol)  # type: ignore[union-attr]
    expected = facts(captures, name)
    names = {
        kind: next(one for one in CHANNELS[kind] if one in expected["messages"]) for kind in kinds
    }
    assert {names[kind]: count for kind, count in kinds.items()} == expected["messages"]
    assert {codec._symbols.native(one) for one in symbols} == set(expected["symbols"])  # type: ignore[attr-defined]


class Recorded:
    """The book of one symbol as our own chain of parts makes it, held against bookTicker."""

    def __init__(self, venue: Venue, symbol: str) -> None:
        self.sync = BookSync(venue.name, symbol, venue.continuity, depth=1000, hold=100_000)
        self.book = OrderBook(venue.name, symbol)
        self.applied = self.stale = self.crossed = 0
        self.quotes: list[tuple[int, Touch]] = []
        self.touches: list[tuple[int, Touch]] = []

    def tell(self, events: Any) -> None:
        for event in events:
            match event:
                case BookSnapshot():
                    self.book.apply_snapshot(event)
                case BookDelta():
                    self.applied += 1
                    self.book.apply(event)
                    self.crossed += self.book.crossed
                    self.touches.append((event.last_id, (self.book.best_bid, self.book.best_ask)))
                case BookStale():
                    self.stale += 1

    def agreement(self) -> tuple[int, int]:
        """Touches equal to and different from the last quote up to their id.

        A touch before the first quote has no partner, nor has one after which none came: it is not
        known whether one of its ids was still to come.
        """
        quotes = iter(self.quotes)
        last, coming = None, next(quotes, None)
        equal = different = 0
        for at, touch in self.touches:
            while coming is not None and coming[0] <= at:
                last, coming = coming, next(quotes, None)
            if last is not None and coming is not None:
                equal += touch == last[1]
                different += touch != last[1]
        return equal, different


def replayed(captures: Path, name: str) -> dict[str, Recorded]:
    venue, expected = MARKET[name], facts(captures, name)
    codec = venue.codec(CodecOptions(role=Role.MARKET))
    books: dict[str, Recorded] = {}
    lone = next(iter(expected["symbols"]))

    def of(symbol: str) -> Recorded:
        if symbol not in books:
            books[symbol] = Recorded(venue, symbol)
        return books[symbol]

    for record in records(captures / f"binance/{name}.jsonl.gz"):
        if record["t"] == "http" and "exchangeInfo" not in record["url"]:
            native = record["url"].partition("symbol=")[2].partition("&")[0] or lone
            symbol = venue.symbol_of(native)
            request = HttpRequest("snapshot", "GET", "", "limit=1000", symbol=symbol)
            snapshot, reply = codec.decode_response(request, 200, {}, record["data"].encode(), 1)
            assert reply == Reply(0)
            assert isinstance(snapshot, BookSnapshot)
            of(symbol).tell(of(symbol).sync.accept_snapshot(snapshot, 1))
        elif record["t"] == "recv":
            for event in codec.decode(record["data"].encode(), 1):
                if isinstance(event, BookDelta):
                    of(event.symbol).tell(of(event.symbol).sync.accept(event))
                elif isinstance(event, Quote):
                    touch = (event.bid, event.bid_size), (event.ask, event.ask_size)
                    of(event.symbol).quotes.append((event.update_id, touch))
    return books


@pytest.mark.parametrize("name", MARKET)
def test_recorded_books_are_the_venues_own(captures: Path, name: str) -> None:
    expected = facts(captures, name)
    books = replayed(captures, name)
    assert {one.stale for one in books.values()} == {0}
    assert sum(one.crossed for one in books.values()) == 0
    assert sum(one.applied for one in books.values()) == expected["totals"]["applied"]
    for native, one in expected["symbols"].items():
        recorded = books[MARKET[name].symbol_of(native)]
        assert recorded.sync.last_id == one["last_u"]
        for side, levels in zip(("bids", "asks"), recorded.book.depth(10), strict=True):
            top = tuple((float(price), float(size)) for price, size in one["final_top10"][side])
            assert levels == top, (native, side)
        agreed = one["bbo_vs_bookTicker_equal"], one["bbo_vs_bookTicker_different"]
        assert recorded.agreement() == agreed, native


@pytest.mark.parametrize(
    ("name", "one"),
    [
        ("usdm_4pairs_klines_2021-07-22", "BTC-USDT"),
        ("usdm_4pairs_klines_2021-07-22", "BTCUSDT-210924"),
        ("coinm_10contracts_2021-07-22", "ETH-USD"),
        ("coinm_10contracts_2021-07-22", "BTCUSD-211231"),
    ],
)
def test_a_recorded_exchange_info_lists_instruments(captures: Path, name: str, one: str) -> None:
    codec = MARKET[name].codec(CodecOptions(role=Role.MARKET))
    [body] = [
        record["data"].encode()
        for record in records(captures / f"binance/{name}.jsonl.gz")
        if record["t"] == "http" and "exchangeInfo" in record["url"]
    ]
    instruments = codec.decode_instruments(body)
    assert len(instruments) == body.count(b'"baseAsset"')
    assert all(item.tick > 0 and item.lot > 0 and item.margin for item in instruments)
    assert len({item.symbol for item in instruments}) == len(instruments)
    assert one in {item.symbol for item in instruments}
    codec.learn(instruments)
    for item in instruments:
        assert MARKET[name].symbol_of(item.native) == item.symbol
        frame = codec.subscribe([Ask("trades", item.symbol)], 1)
        assert f'"{item.native.lower()}@trade"'.encode() in frame


def test_recorded_user_data_is_told_once(captures: Path) -> None:
    codec = BINANCE_USDM.codec(CodecOptions(role=Role.PRIVATE))
    path = captures / "binance/userdata_usdm_live_BTCUSDT_open.jsonl.gz"
    events = [e for r in records(path) for e in codec.decode(r["data"].encode(), 1)]
    assert [e for e in events if isinstance(e, Malformed | Unhandled)] == []
    updates = [e for e in events if isinstance(e, Update)]
    # TRADE_LITE comes first, then NEW, and the whole fill last.
    assert [u.update.value for u in updates] == ["filled", "accepted", "filled"]
    assert [str(u.filled) for u in updates] == ["0.002", "0", "0.002"]
    assert len({u.order_id for u in updates}) == 1
    [fill] = [e for e in events if isinstance(e, Fill)]
    assert (str(fill.size), fill.trade_id, fill.maker) == ("0.002", "5612428004", False)
    assert fill.fee > 0
    [position] = [e for e in events if isinstance(e, Position)]
    assert (position.symbol, str(position.size)) == ("BTC-USDT", "0.002")
    [balance] = [e for e in events if isinstance(e, Balance)]
    assert (balance.asset, str(balance.free)) == ("USDT", "642.76097079")


def test_recorded_rest_bodies_decode_whole(captures: Path) -> None:
    with gzip.open(captures / "binance/rest_recordings.json.gz") as file:
        routes = json.load(file)["routes"]
    for path, purpose in (
        ("/fapi/v1/depth", "snapshot"),
        ("/fapi/v1/aggTrades", "aggregate_trades"),
        ("/fapi/v1/exchangeInfo", "instruments"),
        ("/fapi/v1/time", "time"),
        ("/dapi/v1/depth", "snapshot"),
        ("/dapi/v1/aggTrades", "aggregate_trades"),
        ("/dapi/v1/exchangeInfo", "instruments"),
    ):
        venue = BINANCE_USDM if "fapi" in path else BINANCE_COINM
        codec = venue.codec(CodecOptions(role=Role.MARKET))
        answers = routes[path]["GET"]
        assert answers
        for answer in answers:
            body = json.dumps(answer["data"]).encode()
            request = HttpRequest(purpose, "GET", path, "", symbol="BTC-USDT")
            *events, reply = codec.decode_response(request, 200, {}, body, 1)
            assert isinstance(reply, Reply)
            spoiled = b'"": false' in body  # some recordings lost the name of `m`
            assert (reply.error is not None) == spoiled, path
            assert events or purpose in ("instruments", "time")
            if purpose == "instruments":
                assert codec.decode_instruments(body)


def test_recorded_single_messages_decode(captures: Path) -> None:
    """Shapes from other years: their numbers were re-spelled, their fields are the venue's own."""
    found: Counter[str] = Counter()
    path = captures / "message-shapes/native_messages_by_venue.jsonl.gz"
    for record in records(path):
        venue = {"binance_usdm": BINANCE_USDM, "binance_coinm": BINANCE_COINM}.get(record["venue"])
        message: Any = record["msg"]
        if venue is None or message.get("generated"):
            continue
        codec = venue.codec(CodecOptions(role=Role.MARKET))
        told = codec.decode(json.dumps(message).encode(), 1)
        if not told:
            assert message["data"]["X"] != "MARKET"
        found.update(type(event).__name__ for event in told)
    assert found["Malformed"] == 1  # an aggTrade whose id somebody has removed
    assert found["Unhandled"] == 1  # an index price, which is nothing that we subscribe to
    assert found["Liquidation"] == 2
    assert found["MarkPrice"] == 4
    assert found["Funding"] == 2
