"""In a notebook the verbs are awaited at top level, inside the loop that runs already."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.unhurried import calm

CONNECT = """
import pitwire
from pitwire.cli.simulated import simulated_venue

place = simulated_venue(["BTC-USDT"], seed=7)
venue = await place.__aenter__()
frames = pitwire.Frames(10_000)
session = await pitwire.connect_to_websocket(
    endpoints=venue.endpoints, credentials=venue.credentials, on_event=frames.record
)
await session.authenticate_websocket()
await session.subscribe_to_order_updates()
await session.subscribe_to_ticker("BTC-USDT")
await session.subscribe_to_trades("BTC-USDT")
await session.subscribe_to_book("BTC-USDT")
"connected"
"""
ITERATE = """
seen = []
async for trade in session.stream(pitwire.Trade):
    seen.append(trade)
    if len(seen) == 20:
        break
[trade.trade_id for trade in seen] == list(range(seen[0].trade_id, seen[0].trade_id + 20))
"""
SHOW = """
frames.trades("BTC-USDT").to_pandas().tail(3)
"""
BOOK = """
import asyncio
book = session.book("BTC-USDT")
while not (book.ready and session.may_trade):  # a machine that stood still has lost both
    await asyncio.sleep(0.01)
book.ready, book.best_bid[0] < book.best_ask[0], session.may_trade
"""
CLOSE = """
await session.close()
await place.__aexit__(None, None, None)
"closed"
"""


@pytest.mark.timeout(600)
def test_a_notebook_connects_iterates_and_shows_a_table(tmp_path: Path) -> None:
    cells = [nbformat.v4.new_code_cell(code) for code in (CONNECT, ITERATE, SHOW, BOOK, CLOSE)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    client = NotebookClient(
        notebook, timeout=180, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    )
    client.execute()
    results = [cell.outputs[-1]["data"] for cell in notebook.cells]
    assert results[0]["text/plain"] == "'connected'"
    assert results[1]["text/plain"] == "True"
    assert "<table" in results[2]["text/html"]
    assert "price" in results[2]["text/html"]
    assert results[3]["text/plain"] == "(True, True, True)"
    assert results[4]["text/plain"] == "'closed'"
    said = [output.get("text") or "" for cell in notebook.cells for output in cell.outputs]
    assert calm("".join(said)) == "", "nothing is said that nobody asked for"


SCRIPT = textwrap.dedent(
    """
    import asyncio
    import pitwire
    from pitwire.cli.simulated import simulated_venue


    async def main():
        async with simulated_venue(["BTC-USDT"], seed=7) as venue:
            session = pitwire.connect_to_websocket(endpoints=venue.endpoints)
            async with session as session:
                await session.subscribe_to_ticker("BTC-USDT")
                async for quote in session.stream(pitwire.Quote):
                    return quote.bid < quote.ask


    print(asyncio.run(main()))
    """
)


def test_a_plain_script_runs_them_with_asyncio(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-W", "error", "script.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert (done.stdout, calm(done.stderr), done.returncode) == ("True\n", "", 0)


async def test_they_work_inside_a_loop_that_has_other_work() -> None:
    import pitwire
    from pitwire.cli.simulated import simulated_venue

    ticks = 0

    async def other_work() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.001)
            ticks += 1

    other = asyncio.create_task(other_work())
    async with simulated_venue(["BTC-USDT"], seed=7) as venue:
        connecting = pitwire.connect_to_websocket(endpoints=venue.endpoints)
        async with connecting as session:
            await session.subscribe_to_trades("BTC-USDT")
            trades = session.stream(pitwire.Trade)
            before = ticks
            for _ in range(10):
                await anext(trades)
            assert ticks > before
    other.cancel()
