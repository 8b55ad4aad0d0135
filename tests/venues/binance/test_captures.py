"""Every recorded Binance spot session decodes whole, with the counts that were taken from it."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from pitwire.model.events import BookSnapshot, Fill, Malformed, Unhandled, Update
from pitwire.venues.binance import BINANCE
from pitwire.venues.venue import Ask, CodecOptions, HttpRequest, Reply, Role

MARKET = [
    "spot_10pairs_2021-04-05",
    "spot_4pairs_klines_2021-10-12",
    "spot_BTCUSDT_depth-trade-bookTicker_2024-08-08",
    "us_10pairs_2021-04-17",
    "us_4pairs_klines_2021-10-12",
]
CHANNELS = {
    "BookDelta": "depth@100ms",
    "Quote": "bookTicker",
    "Trade": "trade",
    "AggregateTrade": "aggTrade",
    "Bar": "kline_1m",
}


def _records(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path) as lines:
        for line in lines:
            yield json.loads(line)


@pytest.mark.parametrize("name", MARKET)
def test_a_recorded_session_decodes_whole(captures: Path, name: str) -> None:
    key = f"binance/{name}.jsonl.gz"
    expected = json.loads((captures / "expected.json").read_text())[key]
    codec = BINANCE.codec(CodecOptions(role=Role.MARKET))
    kinds: Counter[str] = Counter()
    symbols = set()
    for record in _records(captures / key):
        if record["t"] != "recv":
            continue
        for event in codec.decode(record["data"].encode(), 1):
            kinds[type(event).__name__] += 1
            symbols.add(event.symbol.replace("-", ""))
    assert {CHANNELS[kind]: count for kind, count in kinds.items()} == expected["messages"]
    assert symbols == set(expected["symbols"])


@pytest.mark.parametrize("name", MARKET)
def test_recorded_snapshots_are_books(captures: Path, name: str) -> None:
    codec = BINANCE.codec(CodecOptions(role=Role.MARKET))
    expected = json.loads((captures / "expected.json").read_text())[f"binance/{name}.jsonl.gz"]
    found = {}
    for record in _records(captures / f"binance/{name}.jsonl.gz"):
        if record["t"] != "http" or "exchangeInfo" in record["url"]:
            continue
        # One collector kept no address; its session has one symbol.
        named = record["url"].partition("symbol=")[2].partition("&")[0]
        symbol = named or next(iter(expected["symbols"]))
        request = HttpRequest("snapshot", "GET", "/api/v3/depth", "limit=1000", symbol=symbol)
        snapshot, reply = codec.decode_response(request, 200, {}, record["data"].encode(), 1)
        assert isinstance(snapshot, BookSnapshot)
        assert reply == Reply(0)
        assert snapshot.bids[0][0] < snapshot.asks[0][0]
        found[symbol] = snapshot.last_id
    assert found == {
        symbol: facts["snapshot_lastUpdateId"] for symbol, facts in expected["symbols"].items()
    }


@pytest.mark.parametrize("name", ["spot_4pairs_klines_2021-10-12", "us_10pairs_2021-04-17"])
def test_a_recorded_exchange_info_lists_instruments(captures: Path, name: str) -> None:
    codec = BINANCE.codec(CodecOptions(role=Role.MARKET))
    [body] = [
        record["data"].encode()
        for record in _records(captures / f"binance/{name}.jsonl.gz")
        if record["t"] == "http" and "exchangeInfo" in record["url"]
    ]
    instruments = codec.decode_instruments(body)
    assert len(instruments) == body.count(b'"baseAsset"')
    assert all(item.tick > 0 and item.lot > 0 for item in instruments)
    assert "BTC-USDT" in {item.symbol for item in instruments}
    codec.learn(instruments)
    for item in instruments:
        frame = codec.subscribe([Ask("trades", item.symbol)], 1)
        assert f'"{item.native.lower()}@trade"'.encode() in frame


def test_recorded_user_data_decodes_whole(captures: Path) -> None:
    codec = BINANCE.codec(CodecOptions(role=Role.ORDERS))
    path = captures / "binance/userdata_spot_live_OPUSDT_limit-orders.jsonl.gz"
    events = [e for r in _records(path) for e in codec.decode(r["data"].encode(), 1)]
    assert [e for e in events if isinstance(e, Malformed | Unhandled)] == []
    updates = [e for e in events if isinstance(e, Update)]
    fills = [e for e in events if isinstance(e, Fill)]
    assert [u.update.value for u in updates] == ["filled", "filled", "accepted", "filled"]
    bought = [f for f in fills if f.side.value == "buy"]
    assert sum(f.size for f in bought) == updates[1].filled == updates[1].size
    assert [f.maker for f in fills] == [True, True, True]


def test_recorded_rest_bodies_decode_whole(captures: Path) -> None:
    codec = BINANCE.codec(CodecOptions(role=Role.MARKET))
    with gzip.open(captures / "binance/rest_recordings.json.gz") as file:
        routes = json.load(file)["routes"]
    for path, purpose in (
        ("/api/v3/depth", "snapshot"),
        ("/api/v3/historicalTrades", "trades"),
        ("/api/v3/aggTrades", "aggregate_trades"),
        ("/api/v3/exchangeInfo", "instruments"),
    ):
        answers = routes[path]["GET"]
        assert answers
        for answer in answers:
            body = json.dumps(answer["data"]).encode()
            request = HttpRequest(purpose, "GET", path, "", symbol="BTC-USDT")
            *events, reply = codec.decode_response(request, 200, {}, body, 1)
            assert isinstance(reply, Reply)
            # Four recordings of aggTrades lost the name of `m` to an old editor.
            spoiled = b'"": false' in body
            assert (reply.error is not None) == spoiled
            assert purpose == "instruments" or events
