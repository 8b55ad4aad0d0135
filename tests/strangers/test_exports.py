"""Our exports in the programs that they are for, each in an environment of its own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from pitwire.model import events as ev
from pitwire.model.clock import SECOND
from pitwire.model.events import Event
from pitwire.model.orders import Side
from pitwire.store.exports import export_hftbacktest, export_nautilus
from pitwire.store.parquet import TableWriter
from pitwire.store.query import open_store

START = 1_700_000_000 * SECOND

READS = """
import json, sys
import pandas as pd
from nautilus_trader.persistence.wranglers import QuoteTickDataWrangler, TradeTickDataWrangler
from nautilus_trader.test_kit.providers import TestInstrumentProvider

instrument = TestInstrumentProvider.btcusdt_binance()

def frame(name):
    return pd.read_parquet(f"{sys.argv[1]}/{name}.parquet").set_index("timestamp")

trades = TradeTickDataWrangler(instrument).process(frame("trades"))
quotes = QuoteTickDataWrangler(instrument).process(frame("quotes"))
print(json.dumps({
    "trades": [
        [t.ts_event, float(t.price), float(t.size), t.aggressor_side.name, str(t.trade_id)]
        for t in trades
    ],
    "quotes": [
        [q.ts_event, *map(float, (q.bid_price, q.bid_size, q.ask_price, q.ask_size))]
        for q in quotes
    ],
}))
"""


def test_nautilus_wranglers_take_our_parquet_as_it_is(tmp_path: Path, repository: Path) -> None:
    python = repository / ".venv-nautilus" / "bin" / "python"
    if not python.exists():
        pytest.skip("nautilus_trader is not installed: `make .venv-nautilus/.run` prepares it")
    head = "binance", "BTC-USDT"
    events: list[Event] = []
    for number in range(50):
        at = START + number * SECOND + number  # to the nanosecond
        price, side = 60_000 + number / 4, Side.SELL if number % 3 else Side.BUY
        events.append(ev.Trade(*head, at, at, price, 0.001 + number / 1000, side, 7000 + number))
        events.append(ev.Quote(*head, 0, at + 5, price, 1.5, price + 0.25, 2.25, number))
    writer = TableWriter(tmp_path / "tables", "run")
    writer.write(events)
    writer.close()
    with open_store(tmp_path / "tables") as store:
        export_nautilus(store, "BTC-USDT", tmp_path / "nautilus")
    done = subprocess.run(
        [str(python), "-c", READS, str(tmp_path / "nautilus")],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    trades = [one for one in events if isinstance(one, ev.Trade)]
    quotes = [one for one in events if isinstance(one, ev.Quote)]
    assert found["trades"] == [
        [
            one.received, pytest.approx(one.price), pytest.approx(one.size),
            one.side.name + "ER", str(one.trade_id),
        ]
        for one in trades
    ]  # fmt: skip
    assert found["quotes"] == [
        [one.received, *map(pytest.approx, (one.bid, one.bid_size, one.ask, one.ask_size))]
        for one in quotes
    ]


PLAYS = """
import json, sys
import numpy as np
from hftbacktest import BacktestAsset, HashMapMarketDepthBacktest
from hftbacktest.data import validate_event_order

path, moments = sys.argv[1], json.loads(sys.argv[2])
validate_event_order(np.load(path)["data"])
asset = (
    BacktestAsset().data([path]).linear_asset(1.0).constant_order_latency(0, 0)
    .risk_adverse_queue_model().no_partial_fill_exchange().trading_value_fee_model(0, 0)
    .tick_size(0.01).lot_size(0.001).last_trades_capacity(1000)
)
played, seen = HashMapMarketDepthBacktest([asset]), []
played.elapse(0)  # to its first event
for at in moments:
    assert played.elapse(at - played.current_timestamp) == 0
    depth = played.depth(0)
    trades = [[float(one["px"]), float(one["qty"])] for one in played.last_trades(0)]
    touch = [depth.best_bid, depth.best_bid_qty, depth.best_ask, depth.best_ask_qty]
    seen.append([touch, trades])
    played.clear_last_trades(0)
print(json.dumps(seen))
"""


def test_hftbacktest_plays_our_npz_as_it_is(tmp_path: Path, repository: Path) -> None:
    """Its own check of the order of events, its book at each of our moments, its trades."""
    python = repository / ".venv-hftbacktest" / "bin" / "python"
    if not python.exists():
        pytest.skip("hftbacktest is not installed, in an environment .venv-hftbacktest of its own")
    head = "binance", "BTC-USDT"
    whole = ev.BookSnapshot(*head, START, START, 9, ((100.0, 1.0), (99.0, 2.0)), ((101.0, 3.0),))
    events: list[Event] = [whole]
    for number in range(10, 30):
        at = START + number * SECOND
        bids = ((100.0, float(number % 3)),)  # every third takes the best bid away
        asks = ((100.5, number / 1000),) if number > 20 else ()
        events.append(ev.BookDelta(*head, at, at + 5, number, number, bids, asks))
        side = Side.SELL if number % 2 else Side.BUY
        events.append(ev.Trade(*head, at, at + 6, 100.0 + number / 4, number / 1000, side, number))
    writer = TableWriter(tmp_path / "tables", "run")
    writer.write(events)
    writer.close()
    moments = [START + number * SECOND + SECOND // 2 for number in range(10, 29)]
    expected: list[object] = []
    with open_store(tmp_path / "tables") as store:
        export_hftbacktest(store, "BTC-USDT", tmp_path / "btc.npz")
        for number, at in enumerate(moments, 10):
            book = store.book_at(at, "BTC-USDT")
            assert book is not None
            touch = [*max(book.bids), *min(book.asks)]
            expected.append([touch, [[100.0 + number / 4, number / 1000]]])
    done = subprocess.run(
        [str(python), "-c", PLAYS, str(tmp_path / "btc.npz"), json.dumps(moments)],
        capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == expected
