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
from pitwire.store.exports import export_nautilus
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
