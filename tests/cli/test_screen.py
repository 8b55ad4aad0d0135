"""The table shows the newest prices, rates of the last moment, and what is not well."""

from __future__ import annotations

import io
import re

from rich.console import Console

from pitwire.cli.screen import Screen
from pitwire.model import events
from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.model.orders import Side
from pitwire.session.copies import LineHealth

START = 1_700_000_000 * SECOND


def drawn(screen: Screen, now: int) -> list[list[str]]:
    """The rows as cells, and the caption as the last row."""
    table = screen.draw(now)
    columns = [list(column.cells) for column in table.columns]
    rows = [
        [re.sub(r"\[.*?\]", "", str(cell)) for cell in row] for row in zip(*columns, strict=True)
    ]
    return [*rows, [str(table.caption)]]


def feed(screen: Screen, symbol: str = "BTC-USDT") -> None:
    for step in range(10):
        at = START + step * 100 * MILLISECOND
        screen.note(
            events.Quote("binance", symbol, at - 2 * MILLISECOND, at, 99.5, 1.0, 100.55, 1.0)
        )
    screen.note(events.Trade("binance", symbol, 0, START, 1234.5, 1.0, Side.BUY, 7))


def test_a_symbol_that_has_said_nothing_waits() -> None:
    [row, caption] = drawn(Screen(["BTC-USDT"], START), START + SECOND)
    assert row == ["BTC-USDT", "–", "–", "–", "–", "0", "–", "0", "waiting"]
    assert caption == ["0 events in 1 s, 0 reconnects, 0 gaps, 0 malformed"]


def test_prices_rate_and_lag() -> None:
    screen = Screen(["BTC-USDT", "ETH-USDT"], START)
    feed(screen)
    first, other, _ = drawn(screen, START + SECOND)
    assert first == [
        "BTC-USDT", "99.50", "100.55", "104.97", "1,234.50", "11", "2.0/2.0", "0", "fresh",
    ]  # fmt: skip
    assert other[-1] == "waiting"
    assert drawn(screen, START + 2 * SECOND)[0][5] == "0", "a rate is of the last moment"


def test_it_fits_a_terminal_of_eighty_columns() -> None:
    screen = Screen(["BTC-USDT"], START)
    feed(screen)
    screen.note(events.Quote("binance", "BTC-USDT", 0, START, 60_000.55, 1.0, 60_000.56, 1.0))
    sheet = io.StringIO()
    Console(file=sheet, width=80).print(screen.draw(START + SECOND))
    lines = sheet.getvalue().splitlines()
    assert len(lines) == 3
    assert not any("…" in line for line in lines)


def test_what_is_not_well_is_said() -> None:
    screen = Screen(["BTC-USDT", "ETH-USDT"], START)
    feed(screen)
    feed(screen, "ETH-USDT")
    screen.note(events.BookSnapshot("binance", "BTC-USDT", 0, START, 1, (), ()))
    screen.note(events.BookStale("binance", "BTC-USDT", 0, START, "gap", 2, 4))
    screen.note(events.FeedStale("binance", "ETH-USDT", 0, START, "trades", 5.0))
    screen.note(events.FeedStale("binance", "ETH-USDT", 0, START, "book", 5.0))
    btc, eth, caption = drawn(screen, START + SECOND)
    assert btc[-2:] == ["1", "book stale"]
    assert eth[-2:] == ["0", "trades, book silent"]
    assert "1 gaps" in caption[0]


def test_of_several_lines_it_is_told_who_is_first_and_who_is_behind() -> None:
    lines = (
        LineHealth("market-1", True, START, 3, 1200, 0.0),
        LineHealth("market-1b", True, START, 3, 34, 0.0061),
        LineHealth("market-1c", False, 0, 3, 0, 0.0),
    )
    caption = str(Screen(["BTC-USDT"], START).draw(START, lines).caption)
    assert caption.splitlines()[1] == (
        "market-1 first 1,200 times, 0.0 ms behind; market-1b first 34 times, 6.1 ms behind; "
        "market-1c first 0 times, down"
    )
