"""The feed of a real desk in virtual time: every row is what the desk itself would say."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from pitwire.board.digits import UNKNOWN
from pitwire.board.feed import Feed
from pitwire.board.health_rows import skew_text
from pitwire.board.hub import Hub
from pitwire.board.market_rows import TAPE
from pitwire.board.tail import Tail
from pitwire.desk.config import parse_config
from pitwire.desk.desk import Desk
from pitwire.model.clock import SECOND
from pitwire.model.events import BookStale, ClockOffset, Ticker
from pitwire.model.orders import Cancel, OrderState, Side
from pitwire.trading.journal import Alerted, MemoryJournal
from tests.desk.setting import BTC, Setting, until

VIEW = f"{BTC}@1s"
CONFIG = """
mode = "sim"
[venue]
symbols = ["BTC-USDT"]
channels = ["ticker", "trades", "book"]
[log]
file = ""
[[rule]]
name = "rest a bid"
when = { price = "BTC-USDT", above = 1, of = "bid" }
do = { post_only = "buy", size = 0.02, price = { from = "bid", bips = -1 }, tag = "resting" }
once = true
[[rule]]
name = "take"
when = { all = [{ price = "BTC-USDT", above = 2 }, { price = "BTC-USDT", below = 900000 }] }
do = { market = "buy", size = 0.01 }
once = true
"""


class Both(MemoryJournal):
    """A memory journal that a board reads too."""

    def __init__(self) -> None:
        super().__init__()
        self.tail = Tail()

    def write(self, record: Any) -> None:
        super().write(record)
        self.tail.write(record)


def look(feed: Feed, desk: Desk) -> None:
    for _ in feed.steps(desk.clock.now()):
        pass


def story(tale: Any, *, config: str = CONFIG, scenario: str = "calm") -> None:
    setting = Setting(scenario=scenario)
    journal = Both()
    setting.journal = journal

    async def life(setting: Setting, desk: Desk) -> None:
        feed = Feed(desk, journal.tail)
        await tale(setting, desk, feed)

    setting.run(life, config=parse_config(config))


def test_every_cell_of_the_ladder_is_the_desk_s_own_book() -> None:
    async def tale(_: Setting, desk: Desk, feed: Feed) -> None:
        state = desk.engine.state
        await until(lambda: any(o.state is OrderState.OPEN for o in state.ledger.open_of(BTC)))
        await asyncio.sleep(2)
        assert feed.open(VIEW) == ""
        look(feed, desk)
        picture = feed.picture(VIEW)
        assert picture is not None
        book, shown = state.books[BTC], picture.tables["book"]
        bids, asks = book.depth(15)
        for side, levels in (("bids", bids), ("asks", asks)):
            assert [row[:2] for row in shown[side]] == [
                [f"{price:.2f}", f"{size:.5f}"] for price, size in levels
            ]
            total = 0.0
            for row, (_, size) in zip(shown[side], levels, strict=True):
                total += size
                assert row[2] == f"{total:.5f}"
        [order] = [one for one in state.ledger.open_of(BTC) if one.side is Side.BUY]
        own = [row for row in shown["bids"] if row[4]]
        assert own == [] or [own[0][0], own[0][4]] == [f"{order.price:.2f}", "0.02000"]
        mid, spread, trouble = shown["middle"]
        assert mid == f"{(bids[0][0] + asks[0][0]) / 2:.3f}"
        assert spread == str(round((asks[0][0] - bids[0][0]) / 0.01))
        assert trouble == ""

    story(tale)


def test_orders_fills_positions_and_marks() -> None:
    async def tale(_: Setting, desk: Desk, feed: Feed) -> None:
        state = desk.engine.state
        await until(lambda: state.portfolio.position(BTC))
        await until(lambda: any(o.state is OrderState.OPEN for o in state.ledger.open_of(BTC)))
        feed.open(VIEW)
        look(feed, desk)
        orders = feed.common.tables["orders"]
        [resting] = [row for row in orders.values() if row["open"]]
        assert (resting["rule"], resting["side"], resting["state"]) == ("rest a bid", "buy", "open")
        assert (resting["size"], resting["done"], resting["part"]) == ("0.02000", "0.00000", 0)
        [taken] = [row for row in orders.values() if not row["open"]]
        assert (taken["state"], taken["done"], taken["px"]) == ("filled", "0.01000", UNKNOWN)
        fills = feed.common.tables["fills"].values()
        assert sum(Decimal(row[4]) for row in fills) == Decimal("0.01")
        [position] = feed.common.tables["positions"].values()
        holding = state.portfolio.holding(BTC)
        # The fee was taken in coins.
        assert position[:3] == [BTC, "long", "0.00999"]
        assert position[3] == f"{holding.average_cost:.2f}"
        picture = feed.picture(VIEW)
        assert picture is not None
        marks = picture.tables["marks"]
        assert sorted(mark[2] for mark in marks.values()) == ["rest a bid", "take"]
        assert sorted(line[1] for line in picture.tables["lines"].values()) == [
            "rest a bid: above 1.00", "take: above 2.00", "take: below 900000.00",
        ]  # fmt: skip

        # A cancel, as the desk's own screen makes it, and the row follows.
        now = desk.clock.now()
        for command in desk.engine.screen.admit((Cancel(rule="desk"),), state, now):
            desk.gateway.send(command, now)
        await until(lambda: not list(state.ledger.open_of(BTC)))
        look(feed, desk)
        assert orders[resting["id"]]["state"] == "canceled"
        assert orders[resting["id"]]["open"] == 0

    story(tale)


def test_bars_and_tape_are_the_trades_of_the_desk() -> None:
    async def tale(_: Setting, desk: Desk, feed: Feed) -> None:
        await asyncio.sleep(20)
        look(feed, desk)
        feed.open(VIEW)
        read = len(desk.frames.trades(BTC))
        await asyncio.sleep(3)
        look(feed, desk)
        picture = feed.picture(VIEW)
        assert picture is not None
        trades = desk.frames.trades(BTC).to_columns()
        seconds: dict[int, list[float]] = {}
        for at, price in zip(trades["venue_time"], trades["price"], strict=True):
            seconds.setdefault(int(at) // 10**9, []).append(float(price))
        assert {key: list(bar[1:5]) for key, bar in picture.tables["bars"].items()} == {
            str(second): [prices[0], max(prices), min(prices), prices[-1]]
            for second, prices in seconds.items()
        }
        told = list(picture.tales["tape"])
        tape = told[-TAPE:]
        assert told[-TAPE - 1] == [0, "skipped", len(trades["trade_id"]) - read - TAPE]
        newest = [int(one) for one in trades["trade_id"]][-len(tape) :]
        assert [row[0] for row in tape] == newest
        assert [row[2] for row in tape] == [
            f"{price:.2f}" for price in [*trades["price"]][-len(tape) :]
        ]
        assert feed.common.tables["watch"][BTC][0] == tape[-1][2]

    story(tale)


def test_a_stale_symbol_says_so_and_its_ladder_gives_way_to_a_warning() -> None:
    async def tale(_: Setting, desk: Desk, feed: Feed) -> None:
        feed.open(VIEW)
        now = desk.clock.now()
        desk.engine.apply(BookStale("binance", BTC, 0, now, "a planted flaw"))
        look(feed, desk)
        picture = feed.picture(VIEW)
        assert picture is not None
        assert picture.tables["book"]["asks"] == []
        assert "planted flaw" in picture.tables["book"]["middle"][2]
        assert "planted flaw" in feed.common.tables["stale"][BTC]
        desk.session.resync_book(BTC)
        await until(lambda: desk.engine.state.book(BTC) is not None)
        look(feed, desk)
        assert feed.common.tables["stale"][BTC] == ""
        assert picture.tables["book"]["asks"]

    story(tale)


def test_a_halt_is_told_with_who_and_why() -> None:
    async def tale(_: Setting, desk: Desk, feed: Feed) -> None:
        look(feed, desk)
        desk.halt("enough <b>for</b> today", "eve")
        look(feed, desk)
        table = feed.common.tables["desk"]
        assert table["halted"] == "enough <b>for</b> today"
        assert table["halted by"][0] == "eve"
        assert any("halted by eve" in row[3] for row in feed.common.tales["log"])

    story(tale)


def test_two_views_of_a_symbol_have_the_same_tape() -> None:
    async def tale(_: Setting, desk: Desk, feed: Feed) -> None:
        feed.open(VIEW)
        for _ in range(20):
            await asyncio.sleep(0.5)
            look(feed, desk)
        feed.open(f"{BTC}@1m")
        for _ in range(20):
            await asyncio.sleep(0.5)
            look(feed, desk)
        one, two = feed.picture(VIEW), feed.picture(f"{BTC}@1m")
        assert one is not None
        assert two is not None
        assert list(one.tales["tape"]) == list(two.tales["tape"])

    story(tale)


def test_views_come_and_go_in_the_midst_of_a_look_and_no_trade_is_lost_or_doubled() -> None:
    async def tale(_: Setting, desk: Desk, feed: Feed) -> None:
        other, turn = f"{BTC}@1m", 0
        for _ in range(40):
            await asyncio.sleep(0.25)
            for _ in feed.steps(desk.clock.now()):
                turn += 1
                (feed.open, feed.close)[turn // 3 % 2](VIEW)
                (feed.open, feed.close)[turn // 7 % 2](other)
            for view in (VIEW, other):
                picture = feed.picture(view)
                follows = None
                for number, word, count, *_ in picture.tales["tape"] if picture else ():
                    if word != "skipped":
                        assert follows in (None, number)
                        follows = number + 1
                    elif follows is not None:
                        follows += int(count)
        assert turn > 100
        feed.close(VIEW)
        feed.open(VIEW)
        look(feed, desk)
        picture = feed.picture(VIEW)
        assert picture is not None
        newest = [int(one) for one in desk.frames.trades(BTC).to_columns()["trade_id"]]
        told = [row[0] for row in picture.tales["tape"]]
        assert told == newest[-len(told) :]
        assert len(told) >= 30

    story(tale)


@pytest.mark.parametrize(
    ("percent", "told"),
    [
        (1.239, ["+1.24%", 1]),
        (-0.004, ["0.00%", 0]),
        (0.004, ["0.00%", 0]),
        (-0.006, ["−0.01%", -1]),
    ],
)
def test_a_change_that_is_told_as_nothing_has_no_side(percent: float, told: list[Any]) -> None:
    async def tale(_: Setting, desk: Desk, feed: Feed) -> None:
        now = desk.clock.now()
        desk.engine.apply(Ticker("binance", BTC, now, now, "1d", 1, 1, 1, 1, 1, 1, 0, percent))
        await asyncio.sleep(0.5)
        look(feed, desk)
        assert feed.common.tables["watch"][BTC][2:4] == told

    story(tale)


@pytest.mark.parametrize(
    ("view", "why"),
    [
        ("NO-SUCH@1s", "expected one of BTC-USDT"),
        ("BTC-USDT@2s", "expected one of 1s"),
        ("BTC-USDT", "interval"),
        ("", "interval"),
    ],
)
def test_a_view_that_cannot_be_is_refused(view: str, why: str) -> None:
    async def tale(_: Setting, desk: Desk, feed: Feed) -> None:
        assert why in feed.open(view)

    story(tale)


def test_the_tail_says_what_it_could_not_keep() -> None:
    tail = Tail(kept=3)
    for number in range(5):
        tail.write(Alerted(at=number, text="t"))
    records, lost = tail.read()
    assert ([record.at for record in records], lost) == ([2, 3, 4], 2)
    assert tail.read() == ([], 0)


def test_a_board_that_fails_leaves_the_desk_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async def tale(_: Setting, desk: Desk, feed: Feed) -> None:
        hub = Hub(feed, desk.clock)
        monkeypatch.setattr("pitwire.board.account_rows.AccountRows.look", _fail)
        running = asyncio.ensure_future(hub.run())
        hub.join()
        before = desk.health.lags()[0]
        await asyncio.sleep(5)
        assert hub.failures > 50
        assert desk.health.lags()[0] > before
        assert not desk.engine.screen.halted
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    story(tale)


def _fail(*_: Any) -> None:
    raise RuntimeError("planted")


def test_stamps_of_another_day_are_a_recording_and_said_to_be_one() -> None:
    async def tale(_: Setting, desk: Desk, feed: Feed) -> None:
        look(feed, desk)
        assert feed.common.tables["desk"]["replay"] == 0
        await asyncio.sleep(1.5)
        now = desk.clock.now()
        then = now - 86_400 * SECOND
        old = msgspec.structs.replace(
            desk.engine.state.quotes[BTC], received=now + 1, venue_time=then
        )
        desk.engine.apply(old)
        look(feed, desk)
        assert feed.common.tables["desk"]["replay"] == then / 1e6
        assert feed.head(now)["late"] == 0

    story(tale)


@pytest.mark.parametrize(
    ("offset_ms", "error_ms", "text"),
    [
        (0, 1, ""),
        (250, 1, ""),
        (252, 1, "the venue's clock is +252.0 ms from ours"),
        (-400, 20, "the venue's clock is −400.0 ms from ours"),
        (260, 20, ""),  # it may be less
    ],
)
def test_a_clock_is_called_far_off_when_it_surely_is(
    offset_ms: int, error_ms: int, text: str
) -> None:
    found = ClockOffset("v", "", 0, 1, offset_ms * 1_000_000, error_ms * 1_000_000)
    assert skew_text(found) == text
    assert skew_text(None) == ""
