"""A whole desk on the simulated futures: positions, its count, the venue's timer, a private cut."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pitwire.desk.config import parse_config
from pitwire.desk.desk import Desk
from pitwire.desk.opening import open_desk
from pitwire.desk.playing import play
from pitwire.desk.watchdog import Charge, Report, Watchdog
from pitwire.model.credentials import Credentials
from pitwire.model.errors import AuthenticationFailed, ConfigError
from pitwire.model.orders import Amend, OrderState, Side
from pitwire.sim.facts import Kind, NewOrder, PositionSide
from pitwire.sim.world import FUTURES_ORDERS_URL, HTTP_URL, MARKET_URL, World
from pitwire.store.verifying import verify
from pitwire.tape.reader import Tape
from pitwire.trading.journal import Alerted, Differed, MemoryJournal, Refusal
from pitwire.trading.wishes import order
from pitwire.venues.venue import Endpoints
from tests.desk.setting import BTC, command, until

WHERE = Endpoints(market=MARKET_URL, orders=FUTURES_ORDERS_URL, http=HTTP_URL)
CONFIG = """
mode = "sim"
[venue]
name = "binance-usdm"
symbols = ["BTC-USDT"]
[desk]
reconcile_seconds = 10
[watchdog]
enabled = false
countdown = true
[log]
file = ""
"""
D = Decimal


class Pit:
    """A futures world and a desk in it."""

    def __init__(self) -> None:
        self.world = World(venue="binance-usdm", seed=3, scenario="quiet")
        self.journal = MemoryJournal()
        key, secret = self.world.keys["ed25519"]
        self.credentials = Credentials(key, secret, kind="ed25519")
        self.fetched: list[str] = []
        self.dialled: list[str] = []

    async def dial(self, url: str, receiver: Any) -> Any:
        self.dialled.append(url)
        return await self.world.dial(url, receiver)

    async def fetch(self, method: str, url: str, headers: Any, body: bytes) -> Any:
        self.fetched.append(f"{method} {url.partition('?')[0].removeprefix(HTTP_URL)}")
        return await self.world.fetch(method, url, headers, body)

    async def open(self, config: str = CONFIG, state: Path | None = None) -> Desk:
        desk = await open_desk(
            parse_config(config),
            endpoints=WHERE,
            credentials=self.credentials,
            dial=self.dial,
            fetch=self.fetch,
            clock=self.world.clock,
            journals=[self.journal],
            state=state,
        )
        state = desk.engine.state
        await until(lambda: state.touch(BTC) and state.book(BTC) and not state.stale)
        return desk

    def run(self, story: Any, config: str = CONFIG) -> None:
        async def life() -> None:
            desk = await self.open(config)
            try:
                await story(desk)
            finally:
                await desk.stop()

        self.world.run(life())

    def sell_down_to(self, price: Decimal | None) -> None:
        """Somebody sells until this price is traded."""
        assert price is not None
        self.world.exchange.open_account("somebody", {}, unlimited=True)
        self.place("sale", Side.SELL, D(50), price, account="somebody")

    def place(self, name: str, side: Side, size: Decimal, price: Decimal, *, account: str) -> None:
        """An order that no desk has placed."""
        exchange = self.world.exchange
        listing = exchange.listings[BTC]
        new = NewOrder(
            account=account,
            symbol=BTC,
            side=side,
            kind=Kind.LIMIT,
            lots=int(size / listing.lot),
            price=int(price / listing.tick),
            client_id=name,
        )
        exchange.place(new, self.world.clock.now())
        self.world.act()

    def cut_private(self) -> None:
        """Break the connection that brings account events: the last of the three to be dialled."""
        [last] = [link for link, label in self.world.stage.links().items() if label == "market-3"]
        self.world.stage.cut(last, self.world.clock.now())
        self.world.act()


async def take(desk: Desk, size: float, side: Side, **more: Any) -> None:
    [placed] = command(desk, order(BTC, side, size=size, **more))
    await until(lambda: not placed.is_open)
    assert placed.state is OrderState.FILLED


def test_positions_are_counted_and_agree_with_the_venues() -> None:
    pit = Pit()

    async def story(desk: Desk) -> None:
        portfolio = desk.engine.state.portfolio
        await take(desk, 0.02, Side.SELL)  # nothing is owned, and nothing needs to be
        assert portfolio.position(BTC) == D("-0.02")
        await take(desk, 0.05, Side.BUY)
        assert portfolio.position(BTC) == D("0.03")
        await take(desk, 0.03, Side.SELL, reduce_only=True)
        assert portfolio.position(BTC) == 0
        holding = portfolio.holding(BTC)
        assert holding.fills >= 3
        assert holding.fees["USDT"] > 0
        await asyncio.sleep(30)  # several rounds of the count
        assert desk.gateway.stock.named == {}
        assert portfolio.venue_positions[BTC].size == 0

    pit.run(story)
    assert [one for one in pit.journal.records if isinstance(one, Differed)] == []


def test_through_flips_and_part_fills_size_cost_and_result_are_the_venues() -> None:
    pit = Pit()
    signed = (1.7, -0.4, -1.7, 0.003, -2.5, 0.02, 4.0, -0.4, 0.003)
    told = [(Side.BUY if one > 0 else Side.SELL, abs(one)) for one in signed]

    async def story(desk: Desk) -> None:
        portfolio = desk.engine.state.portfolio

        def wallet() -> Decimal:
            balance = portfolio.balances["USDT"]
            return balance.free + balance.locked

        began = wallet()
        for side, size in told:
            await take(desk, size, side)
            await asyncio.sleep(0.5)
            ours = portfolio.holding(BTC)
            [theirs] = pit.world.exchange.positions("main", BTC)
            said = portfolio.venue_positions[BTC]
            assert ours.size == said.size == theirs.lots * pit.world.exchange.listings[BTC].lot
            assert ours.average_cost is not None
            # The venue keeps eight digits of a price, and prints its entry with five.
            assert abs(ours.average_cost - theirs.entry) < D("0.0000001")
            assert abs(ours.average_cost - said.average_price) < D("0.00001")
            assert abs(wallet() - began - ours.realised) < D("0.000001")
        assert portfolio.holding(BTC).fills > len(told)  # some were filled in parts

    pit.run(story)


def test_a_liquidation_is_counted() -> None:
    pit = Pit()

    async def story(desk: Desk) -> None:
        portfolio = desk.engine.state.portfolio
        await take(desk, 0.02, Side.BUY)
        exchange = pit.world.exchange
        exchange.liquidate("main", BTC, PositionSide.BOTH, pit.world.clock.now())
        pit.world.act()
        await asyncio.sleep(1)
        assert portfolio.position(BTC) == portfolio.venue_positions[BTC].size == 0
        command(desk, order(BTC, Side.SELL, size=0.02, reduce_only=True))
        assert [one.limit for one in pit.journal.records if isinstance(one, Refusal)] == [
            "reduce only"
        ]
        await asyncio.sleep(30)
        assert desk.gateway.stock.named == {}

    pit.run(story)


BRACKET = """
[[rule]]
name = "scalp"
when = { price = "BTC-USDT", above = 1, of = "ask" }
bracket.entry = { market = "buy", size = 0.02 }
bracket.take_profit = { percent = 1 }
bracket.stop = { percent = 1 }
"""


def test_a_bracket_whose_position_was_closed_by_force_opens_no_other() -> None:
    pit = Pit()

    async def story(desk: Desk) -> None:
        exchange = pit.world.exchange
        await until(lambda: exchange.open_orders("main"))
        assert desk.engine.state.portfolio.position(BTC) == D("0.02")
        exchange.liquidate("main", BTC, PositionSide.BOTH, pit.world.clock.now())
        pit.world.act()
        await asyncio.sleep(30)
        assert exchange.open_orders("main") == []  # a take profit would be a new, short position
        assert desk.engine.state.portfolio.position(BTC) == 0

    pit.run(story, CONFIG + BRACKET)
    told = [one.text for one in pit.journal.records if isinstance(one, Alerted)]
    assert told == ["scalp: somebody else closed the position, 0.020 was left of it"]


def test_a_bracket_goes_on_while_a_stranger_leaves_its_position_there() -> None:
    pit = Pit()

    async def story(desk: Desk) -> None:
        exchange = pit.world.exchange
        await until(lambda: exchange.open_orders("main"))
        pit.place("a-stranger", Side.SELL, D("0.005"), D(59_000), account="main")
        await asyncio.sleep(10)
        assert desk.engine.state.portfolio.position(BTC) == D("0.015")
        assert len(exchange.open_orders("main")) == 1

    pit.run(story, CONFIG + BRACKET)


def test_in_hedge_mode_an_order_is_refused_by_the_venue_in_words() -> None:
    pit = Pit()

    async def story(desk: Desk) -> None:
        pit.world.exchange.set_hedged("main", True)  # after the desk has looked
        [placed] = command(desk, order(BTC, Side.BUY, size=0.02))
        await until(lambda: not placed.is_open)
        assert placed.state is OrderState.REJECTED
        assert placed.proof is not None
        assert placed.proof.code == -4061
        assert "position side" in placed.proof.text
        assert desk.engine.state.portfolio.position(BTC) == 0

    pit.run(story)


def test_a_desk_does_not_start_on_an_account_in_hedge_mode() -> None:
    pit = Pit()
    pit.world.exchange.set_hedged("main", True)
    with pytest.raises(ConfigError, match=r"binance-usdm.*hedge mode.*one-way mode"):
        pit.world.run(pit.open())
    assert pit.dialled == []


def test_a_desk_on_paper_needs_no_mode() -> None:
    pit = Pit()

    async def life() -> None:
        desk = await pit.open(CONFIG.replace('mode = "sim"', 'mode = "paper"'))
        await desk.stop()

    pit.world.run(life())
    assert not [one for one in pit.fetched if "positionSide" in one]


def test_no_answer_is_no_permission() -> None:
    pit = Pit()
    fetch = pit.fetch

    async def refuse(method: str, url: str, headers: Any, body: bytes) -> Any:
        answer = await fetch(method, url, headers, body)
        if "positionSide" not in url:
            return answer
        return 400, answer[1], b'{"code": -2015, "msg": "Invalid API-key, IP, or permissions."}'

    pit.fetch = refuse  # type: ignore[method-assign]
    with pytest.raises(AuthenticationFailed, match="-2015"):
        pit.world.run(pit.open())


def test_an_order_is_amended_with_what_the_ledger_knows_of_it() -> None:
    pit = Pit()

    async def story(desk: Desk) -> None:
        [rests] = command(desk, order(BTC, Side.BUY, size=0.02, price=50_000))
        await until(lambda: rests.state is OrderState.OPEN)
        command(desk, Amend(order_id=rests.id, size=D("0.01")))
        await until(lambda: rests.size == D("0.01"))
        assert rests.state is OrderState.OPEN

    pit.run(story)


def test_the_timer_is_wound_while_orders_are_open_and_stopped_in_the_end() -> None:
    pit = Pit()
    armed = "POST /fapi/v1/countdownCancelAll"

    async def story(desk: Desk) -> None:
        assert armed not in pit.fetched
        [rests] = command(desk, order(BTC, Side.BUY, size=0.02, price=50_000))
        await until(lambda: rests.state is OrderState.OPEN)
        await asyncio.sleep(95)
        assert pit.fetched.count(armed) == 4
        assert rests.is_open

    pit.run(story)
    assert pit.fetched.count(armed) == 5  # cancelled at the stop, and then stopped


def test_a_timer_that_the_venue_refuses_is_told_of_once() -> None:
    pit = Pit()
    fetch, armed = pit.fetch, "POST /fapi/v1/countdownCancelAll"

    async def refuse(method: str, url: str, headers: Any, body: bytes) -> Any:
        answer = await fetch(method, url, headers, body)
        if "countdownCancelAll" not in url:
            return answer
        return (400, answer[1], b'{"code": -1130, "msg": "planted"}')

    async def story(desk: Desk) -> None:
        [rests] = command(desk, order(BTC, Side.BUY, size=0.02, price=50_000))
        await until(lambda: rests.state is OrderState.OPEN)
        await asyncio.sleep(65)
        assert pit.fetched.count(armed) == 3

    pit.fetch = refuse  # type: ignore[method-assign]
    pit.run(story)
    told = [one.text for one in pit.journal.records if isinstance(one, Alerted)]
    [refused] = [one for one in told if "timer" in one]
    assert refused == "the venue refuses its timer for BTC-USDT: planted (-1130)"


def test_a_dead_desk_is_cleared_away_by_the_venue() -> None:
    pit = Pit()

    async def life() -> None:
        desk = await pit.open()
        [rests] = command(desk, order(BTC, Side.BUY, size=0.02, price=50_000))
        await until(lambda: rests.state is OrderState.OPEN)
        await asyncio.sleep(1)
        await desk.session.close()  # nobody says goodbye to the orders, or winds anything
        await asyncio.sleep(100)
        assert len(pit.world.exchange.open_orders("main")) == 1
        await asyncio.sleep(30)
        assert pit.world.exchange.open_orders("main") == []
        await desk.stop()

    pit.world.run(life())


def test_the_watchdog_clears_what_a_dead_desk_left_and_nothing_else() -> None:
    pit = Pit()
    told: list[Report] = []

    async def life() -> None:
        desk = await pit.open()
        command(desk, order(BTC, Side.BUY, size=0.02, price=50_000))
        command(desk, order(BTC, Side.BUY, size=0.02, price=49_000))
        await asyncio.sleep(1)
        pit.place("a-stranger", Side.BUY, D(1), D(48_000), account="main")
        assert len(pit.world.exchange.open_orders("main")) == 3
        await desk.session.close()
        charge = Charge(
            venue="binance-usdm",
            prefix=desk.order_prefix,
            key=pit.credentials.key,
            secret=pit.credentials.secret.reveal(),
            kind="ed25519",
            endpoints=WHERE,
        )
        dog = Watchdog(
            charge, clock=pit.world.clock, tell=told.append, dial=pit.dial, fetch=pit.fetch
        )
        dog.vigil.lose("the desk is dead")
        await dog.run()
        left = [one.client_id for one in pit.world.exchange.open_orders("main")]
        assert left == ["a-stranger"]
        await desk.stop()

    pit.world.run(life())
    assert told[-1].state == "clear"


def test_fills_of_a_private_cut_are_asked_for_and_counted_once() -> None:
    pit = Pit()

    async def story(desk: Desk) -> None:
        state = desk.engine.state
        touch = state.touch(BTC)
        assert touch is not None
        [rests] = command(desk, order(BTC, Side.BUY, size=0.02, price=round(touch[0]) - 5))
        await until(lambda: rests.state is OrderState.OPEN)
        pit.cut_private()
        await until(lambda: state.blind)
        assert command(desk, order(BTC, Side.BUY, size=0.02)) == [], "who is deaf sends nothing"
        pit.sell_down_to(rests.price)
        assert state.blind
        assert not rests.filled
        await until(lambda: not state.blind)
        await until(lambda: rests.state is OrderState.FILLED)
        await asyncio.sleep(15)
        assert rests.filled == D("0.02")
        assert state.portfolio.position(BTC) == D("0.02")
        assert desk.gateway.stock.named == {}

    pit.run(story)


RULES = """
seed = 11
[[rule]]
name = "buy"
when = { price = "BTC-USDT", above = 1, of = "ask" }
do = { market = "buy", size = 0.02, tag = "dip" }
once = true

[[rule]]
name = "close"
when = { position = "BTC-USDT", above = 0 }
do = { market = "sell", size = 0.02, reduce_only = true }
once = true
"""


def test_a_tape_of_the_futures_plays_to_the_same_journal(tmp_path: Path) -> None:
    pit = Pit()
    head, _, sections = CONFIG.partition("[venue]")
    top, _, rules = RULES.partition("[[rule]]")
    config = f'{head}{top}[venue]{sections}[tape]\nfolder = "{tmp_path}"\n[[rule]]{rules}'

    async def story(desk: Desk) -> None:
        await asyncio.sleep(8)
        assert desk.engine.state.portfolio.holding(BTC).fills >= 2

    pit.run(story, config)
    lines: list[bytes] = []
    result = play(Tape(tmp_path), journal=lambda _, line: lines.append(line))
    assert lines == pit.journal.lines().splitlines(keepends=True)
    assert (result.unheard, result.paper) == (0, False)
    [key] = {url.partition("listenKey=")[2].partition("&")[0] for url in pit.dialled} - {""}
    records = [*Tape(tmp_path).records()]
    assert {record.link for record in records} >= {"market-1", "orders", "private"}
    assert not [one for one in records if key.encode() in one.payload]


def test_a_position_outlives_the_desk_that_took_it(tmp_path: Path) -> None:
    pit = Pit()

    async def life() -> None:
        first = await pit.open(state=tmp_path)
        await take(first, 0.03, Side.SELL)
        holding = msgspec.structs.replace(first.engine.state.portfolio.holding(BTC))
        await first.stop()
        second = await pit.open(state=tmp_path)
        portfolio = second.engine.state.portfolio
        assert portfolio.position(BTC) == D("-0.03")
        assert msgspec.to_builtins(portfolio.holding(BTC)) == msgspec.to_builtins(holding)
        await asyncio.sleep(25)
        assert second.gateway.stock.named == {}
        await take(second, 0.03, Side.BUY, reduce_only=True)
        assert portfolio.position(BTC) == 0
        await second.stop()

    pit.world.run(life())
    assert [one for one in pit.journal.records if isinstance(one, Differed)] == []
    verdict = verify(tmp_path)
    assert verdict.is_sound, verdict


def test_a_timer_that_was_wound_plays_to_the_same_journal_until_the_stop(tmp_path: Path) -> None:
    pit = Pit()
    config = CONFIG.replace("[log]", f'[tape]\nfolder = "{tmp_path}"\n[log]')
    rules = """
[[rule]]
name = "rest"
when = { price = "BTC-USDT", above = 1, of = "bid" }
do = { post_only = "buy", size = 0.02, price = { from = "bid", bips = -500 } }
once = true
[[rule]]
name = "later"
when = { trade = "BTC-USDT", larger_than = 0.0001 }
cooldown_seconds = 3
do = { market = "buy", size = 0.02 }
"""

    async def story(desk: Desk) -> None:
        await asyncio.sleep(8)

    pit.run(story, "seed = 11\n" + config + rules)
    assert "POST /fapi/v1/countdownCancelAll" in pit.fetched
    lines: list[bytes] = []
    play(Tape(tmp_path), journal=lambda _, line: lines.append(line))
    lived = pit.journal.lines().splitlines(keepends=True)
    stop = next(number for number, line in enumerate(lived) if b'"Disarmed"' in line)
    assert sum(b'"Decided"' in line for line in lived[:stop]) >= 3
    assert lines[:stop] == lived[:stop]
