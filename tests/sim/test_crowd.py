"""A crowd keeps a market alive, and its seed decides everything it does."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from pitwire.model.entropy import Entropy
from pitwire.model.orders import Side
from pitwire.sim.crowd import Crowd, Crowds
from pitwire.sim.exchange import Exchange
from pitwire.sim.facts import Fact, Kind, LevelChanged, Listing, NewOrder, Status, Traded
from pitwire.sim.scenarios import SCENARIOS, Burst, Crash, Scenario, scenario
from pitwire.sim.world import LISTINGS

START = 1_700_000_000_000_000_000
SECOND = 1_000_000_000
SYMBOL = "BTC-USDT"


class Town:
    """An exchange, its crowd, and time."""

    def __init__(self, of: Scenario, *, seed: int = 1, **rules: object) -> None:
        listing = Listing(
            symbol=SYMBOL,
            base="BTC",
            quote="USDT",
            tick=Decimal("0.01"),
            lot=Decimal("0.00001"),
            start_price=6_000_000,
        )
        listing = msgspec.structs.replace(listing, **rules)
        self.exchange = Exchange([listing], entropy=Entropy(seed))
        self.crowd = Crowd(self.exchange, SYMBOL, of, Entropy(seed))
        self.now = START
        self.crowd.handle_deadline(START)

    def live(self, seconds: float) -> list[Fact]:
        end = self.now + round(seconds * SECOND)
        while self.crowd.next_deadline() <= end:
            self.now = self.crowd.next_deadline()
            self.crowd.handle_deadline(self.now)
        self.now = end
        return self.exchange.take_facts()

    @property
    def last(self) -> int:
        return self.exchange.last_price(SYMBOL)


def trades(facts: list[Fact]) -> list[Traded]:
    return [fact for fact in facts if isinstance(fact, Traded)]


PROMISED = {
    ("calm", 10.0): (5_507, "2ee7f713cc17d2d3"),
    ("volatile", 5.0): (6_124, "88d3474e05cc01a2"),
    ("dip", 8.0): (4_047, "7318b7b9b0784eea"),
    ("thin", 20.0): (888, "27e91643de2a5449"),
    ("opening", 14.0): (7_425, "09f6f0b2757d2011"),
}
"""(scenario, seconds) → how many facts there are, and the first digits of what they say."""


def market_of(name: str, *, seconds: float) -> tuple[int, str]:
    """What everybody may know of a market of seed 5."""
    said = [
        (fact.at, fact.side, fact.price, fact.lots, fact.update_id)
        if isinstance(fact, LevelChanged)
        else (fact.at, fact.trade_id, fact.price, fact.lots, fact.taker_side)
        for fact in Town(scenario(name), seed=5).live(seconds)
        if isinstance(fact, LevelChanged | Traded)
    ]
    return len(said), hashlib.sha256(msgspec.json.encode(said)).hexdigest()[:16]


def fingerprint() -> str:
    """Everything ten seconds of a market say, as one number."""
    town = Town(scenario("volatile"), seed=5)
    return hashlib.sha256(msgspec.json.encode(town.live(10))).hexdigest()


def test_the_book_is_deep_and_on_the_grid_from_the_first_moment():
    depth = Town(scenario("calm")).exchange.book(SYMBOL)
    assert len(depth.bids) >= 200
    assert len(depth.asks) >= 200
    assert 0 < depth.asks[0][0] - depth.bids[0][0] <= 5
    assert all(lots >= 1 for _, lots in depth.bids + depth.asks)


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_trades_and_keeps_both_sides(name: str):
    town = Town(scenario(name))
    lived = town.live(2 if name == "flood" else 30)
    assert trades(lived)
    assert any(isinstance(fact, LevelChanged) for fact in lived)
    bid, _, ask, _ = town.exchange.top(SYMBOL)
    assert 0 < bid < ask


def test_the_seed_decides():
    lived = [Town(scenario("calm"), seed=seed).live(5) for seed in (1, 1, 2)]
    assert lived[0] == lived[1] != lived[2]


def test_a_seed_makes_the_market_that_it_always_made():
    """These numbers are a promise: they change with a line in CHANGELOG that says why."""
    told = [market_of(name, seconds=seconds) for name, seconds in PROMISED]
    assert told == list(PROMISED.values())


@pytest.mark.parametrize("most", [1, 64])
def test_crowds_that_act_alone_do_what_they_would_have_done(most: int):
    """Each at its time, and none beyond the time that was given or more often than it may."""
    said = []
    for alone in (False, True):
        exchange = Exchange(LISTINGS, entropy=Entropy(5))
        crowds = Crowds(Crowd(exchange, symbol, scenario("calm"), Entropy(5))
                        for symbol in exchange.listings)  # fmt: skip
        crowds.handle_deadline(START)
        end = START + 2 * SECOND
        while (due := crowds.next_deadline()) is not None and due <= end:
            if alone:
                assert 0 < crowds.act_alone(min(due + SECOND // 8, end), most) <= most
            else:
                crowds.handle_deadline(due)
        assert crowds.act_alone(end, most) == 0
        said.append(exchange.take_facts())
    assert said[0] == said[1]
    assert {fact.symbol for fact in said[0]} == set(exchange.listings)


def test_hash_seeds_do_not_matter():
    here = Path(__file__)
    code = f"import runpy; print(runpy.run_path({str(here)!r})['fingerprint']())"
    printed = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": "4711"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout.strip() == fingerprint()


def test_a_trend_goes_where_it_is_told():
    up, down = Town(scenario("trend")), Town(scenario("slide"))
    up.live(60)
    down.live(60)
    assert down.last < 6_000_000 < up.last


def test_a_flash_crash_falls_and_comes_back():
    town = Town(scenario("flash-crash"))
    town.live(14.9)
    before = town.last
    fallen = min(trade.price for trade in trades(town.live(4)))
    assert fallen < before * 0.95
    town.live(25)
    assert town.last > before * 0.975


def test_a_quiet_market_trades_less_than_a_burst():
    quiet = len(trades(Town(scenario("quiet")).live(20)))
    town = Town(scenario("burst"))
    town.live(5)
    assert len(trades(town.live(2))) > 4 * quiet


def test_a_nudge_moves_the_price_at_once():
    town = Town(scenario("calm"))
    town.live(1)
    before = town.crowd.fair
    town.crowd.nudge(50, town.now)
    assert town.crowd.fair == pytest.approx(before * 1.005)
    assert town.last == pytest.approx(before * 1.005, rel=1e-4)
    bid, _, ask, _ = town.exchange.top(SYMBOL)
    assert bid <= town.crowd.fair <= ask
    town.crowd.nudge(-100, town.now)
    assert town.last == pytest.approx(before * 1.005 * 0.99, rel=1e-4)


def test_a_nudge_opens_the_market_if_need_be():
    listing = Listing(
        symbol="A-B", base="A", quote="B", tick=Decimal(1), lot=Decimal(1), start_price=1_000
    )
    exchange = Exchange([listing], entropy=Entropy(1))
    crowd = Crowd(exchange, "A-B", scenario("calm"), Entropy(1))
    assert crowd.next_deadline() == 0
    crowd.nudge(100, START)
    assert exchange.top("A-B")[0] > 1_000
    assert crowd.next_deadline() > START


def test_a_strangers_order_trades_with_the_crowd():
    town = Town(scenario("calm"))
    town.exchange.open_account("ann", {"USDT": Decimal(100_000), "BTC": Decimal(1)})

    def send(side: Side, kind: Kind, **parts: object):
        request = NewOrder(account="ann", symbol=SYMBOL, side=side, kind=kind, **parts)
        return town.exchange.place(request, town.now)

    assert send(Side.BUY, Kind.MARKET, lots=1_000).status is Status.FILLED
    ask = town.exchange.top(SYMBOL)[2]
    resting = send(Side.SELL, Kind.LIMIT, lots=1_000, price=ask + 100)
    town.crowd.nudge(30, town.now)
    assert resting.status is Status.FILLED


def test_a_halted_market_sleeps_and_wakes():
    town = Town(scenario("calm"))
    town.live(1)
    town.exchange.set_status(SYMBOL, "HALT", town.now)
    town.exchange.take_facts()
    assert town.live(5) == []
    town.exchange.set_status(SYMBOL, "TRADING", town.now)
    assert trades(town.live(5))


def test_memory_does_not_grow_with_the_crowds_orders():
    town = Town(scenario("volatile"))
    town.live(20)
    names = [f"crowd/{SYMBOL}/{role}" for role in ("makers", "takers", "followers")]
    kept = sum(len(town.exchange.all_orders(name, SYMBOL)) for name in names)
    bids, asks = town.exchange.book(SYMBOL).bids, town.exchange.book(SYMBOL).asks
    assert kept == len(bids) + len(asks)


def test_prices_near_the_bottom_of_the_grid_stay_on_it():
    town = Town(scenario("volatile"), tick=Decimal(1), lot=Decimal(1), start_price=8)
    town.live(10)
    assert all(price >= 1 for price, _ in town.exchange.book(SYMBOL).bids)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="levels: found 0"):
        Scenario(name="x", levels=0)
    with pytest.raises(ValueError, match=r"crash\.percent: found 100"):
        Scenario(name="x", crashes=(Crash(at_seconds=1, percent=100),))
    with pytest.raises(ValueError, match="scenario: found 'noon', expected one of calm"):
        scenario("noon")
    with pytest.raises(ValueError, match="found start_price 0"):
        Town(scenario("calm"), start_price=0)


def test_a_burst_multiplies_every_rate_while_it_lasts():
    busy = Scenario(name="x", bursts=(Burst(at_seconds=1, for_seconds=2, times=3),))
    rates = [busy.rate("takers", seconds) for seconds in (0.9, 1, 2.9, 3)]
    assert rates == [6, 18, 18, 6]
