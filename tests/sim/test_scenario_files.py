"""Markets as TOML, and what the named scenarios do to a venue."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from pitwire.model.errors import ConfigError
from pitwire.sim.alpaca_listings import ALPACA_LISTINGS
from pitwire.sim.facts import Kind
from pitwire.sim.scenario_files import (
    assets_of,
    load_market,
    read_market,
    shares_of,
)
from pitwire.sim.shares import SHARE_STAKES, SHARES
from pitwire.sim.world import BTC_USDT, World

WHOLE = """
begins_with = "thin"

[market]
volatility_bips = 3.5
halts = [{ at_seconds = 2, for_seconds = 3 }]

[[market.crashes]]
at_seconds = 5
percent = 4

[fees]
maker = 0.0002
taker = 0.0004

[[symbols]]
symbol = "BTC-USDT"
start_price = 65000

[[symbols]]
symbol = "NEW-USDT"
tick = 0.0001
lot = 1
start_price = 1.25
taker_fee = 0
crowded = false

[accounts.bot]
USDT = 1000.50
[accounts.other]
BTC = 1
"""


def test_a_file_says_what_is_different() -> None:
    market = read_market(WHOLE, "mine.toml")
    scenario = market.scenario
    assert (scenario.levels, scenario.volatility_bips) == (12, 3.5)  # of `thin`, and our own
    assert (scenario.halts[0].for_seconds, scenario.crashes[0].percent) == (3, 4)
    bitcoin, new = market.listings
    assert (bitcoin.start_price, bitcoin.tick) == (6_500_000, BTC_USDT.tick)
    assert (bitcoin.maker_fee, bitcoin.taker_fee) == (Decimal("0.0002"), Decimal("0.0004"))
    assert (new.base, new.tick, new.lot, new.start_price) == ("NEW", Decimal("0.0001"), 1, 12_500)
    assert (new.maker_fee, new.taker_fee) == (Decimal("0.0002"), 0)
    assert market.crowded == ["BTC-USDT"]
    assert market.accounts == {"bot": {"USDT": Decimal("1000.50")}, "other": {"BTC": Decimal(1)}}


def test_the_example_of_the_docs_is_a_market(repository: Path) -> None:
    page = (repository / "docs" / "simulated-venue.md").read_text(encoding="utf-8")
    market = read_market(page.partition("```toml\n")[2].partition("```")[0], "the docs")
    assert [each.symbol for each in market.listings] == ["NEW-USDT"]
    world = World(
        scenario=market.scenario,
        listings=market.listings,
        crowded=market.crowded,
        accounts=market.accounts,
    )
    world.advance(1)
    assert world.truth_book("NEW-USDT")[1]


def test_rules_and_limits_of_ones_own() -> None:
    market = read_market(
        """
        [limits]
        max_orders = 3
        max_asset = { BTC = 0.5 }
        [[symbols]]
        symbol = "BTC-USDT"
        plain_filters = true
        max_iceberg_orders = 2
        range_up = 1.01
        range_down = 0.99
        """,
        "mine.toml",
    )
    (listing,) = market.listings
    assert (listing.plain_filters, listing.max_iceberg_orders) == (True, 2)
    assert (listing.range_up, listing.range_down) == (Decimal("1.01"), Decimal("0.99"))
    assert (market.limits.max_orders, market.limits.max_asset) == (3, {"BTC": Decimal("0.5")})


def test_an_empty_file_is_a_calm_market() -> None:
    market = read_market("", "empty.toml")
    assert [each.symbol for each in market.listings] == ["BTC-USDT", "ETH-USDT", "ETH-BTC"]
    assert market.accounts["main"]["BTC"] == 1_000
    World(
        scenario=market.scenario,
        listings=market.listings,
        crowded=market.crowded,
        accounts=market.accounts,
    ).advance(5)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('begins_with = "storms"', "begins_with: found 'storms', expected one of calm"),
        ("[market]\nvolatile = 3", "market.volatile: found 'no such field', expected one of"),
        ("[market]\nlevels = 0", "market: found 'levels: found 0, expected above zero"),
        ("[market]\nlevels = 'many'", "market: found "),
        ("[market]\nmakers_per_second = 1e9", "makers_per_second: found 1"),
        ("[market]\nopens_at_seconds = -1", "opens_at_seconds: found -1"),
        ("[market]\nhalts = [{at_seconds = 1, for_seconds = 0}]", "halts: found 0"),
        ("colour = 1", "colour"),
        ("[fees]\nmaker = 2", "fees.maker: found 2, expected 0 or more, below 1"),
        ("[[symbols]]\nsymbol = 'btc'", "symbol: found 'btc'"),
        ("[[symbols]]\nsymbol = 'BTC'", "symbol: found 'BTC', expected a pair such as"),
        ("[[symbols]]\nsymbol = 'A-B'\ntick = 0", "symbols.A-B.tick: found 0, expected above zero"),
        ("[[symbols]]\nsymbol = 'A-B'\nstart_price = 1.001", "start_price: found 1.001, expected"),
        ("[[symbols]]\nsymbol = 'A-B'\ntaker_fee = -1", "symbols.A-B.taker_fee: found -1"),
        ("[[symbols]]\nsymbol = 'A-B'\n[[symbols]]\nsymbol = 'A-B'", "symbols: found ['A-B', 'A-B"),
        ("[accounts.bot]\nUSDT = -5", "accounts.bot.USDT: found -5, expected zero or more"),
        ("[accounts.bot]\nUSDT = nan", "accounts.bot.USDT"),
        ("[accounts.bot]\nUSDT = 1e30", "accounts.bot.USDT: found Decimal('1E+30')"),
        ("[accounts", "expected TOML"),
        ("[limits]\nmax_orders = -1", "limits.max_orders: found -1, expected zero to"),
        ("[limits]\nmax_order = 1", "max_order"),
        ("[limits.max_asset]\nBTC = nan", "limits.max_asset.BTC: found nan, expected a finite"),
        *(
            (f"[[symbols]]\nsymbol = 'BTC-USDT'\n{name} = {value}", f"symbols.BTC-USDT.{name}: ")
            for name, value in (
                ("start_price", "1e30"),
                ("min_notional", "1e30"),
                ("max_position", "1e30"),
                ("max_iceberg_orders", "-1"),
                ("range_up", "-0.5"),
                ("lot", "1e30"),
            )
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(text: str, where: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read_market(text, "mine.toml")
    assert where in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_none_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_market(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="no UTF-8"):
        load_market(tmp_path / "bytes.toml")


def states(world: World, seconds: int) -> list[tuple[int, str]]:
    """(second, status) whenever it changes."""
    seen = [(0, world.exchange.listings["BTC-USDT"].status)]
    for second in range(1, seconds + 1):
        world.advance(1)
        status = world.exchange.listings["BTC-USDT"].status
        if status != seen[-1][1]:
            seen.append((second, status))
    return seen


def test_a_halt_stops_everybody_and_ends() -> None:
    world = World(scenario="halt", listings=[BTC_USDT])
    assert states(world, 25) == [(0, "TRADING"), (10, "HALT"), (20, "TRADING")]
    assert world.exchange.recent_trades("BTC-USDT", 1)


def test_a_new_symbol_opens_with_a_run_on_it() -> None:
    world = World(scenario="opening", listings=[BTC_USDT])
    assert states(world, 9) == [(0, "BREAK")]
    assert world.truth_book("BTC-USDT")[1:] == ([], [])
    world.advance(1)
    assert world.exchange.listings["BTC-USDT"].status == "TRADING"
    world.advance(10)
    busy = world.exchange.pit("BTC-USDT").trade_id
    world.advance(15)
    before = world.exchange.pit("BTC-USDT").trade_id
    world.advance(10)
    assert busy > 3 * (world.exchange.pit("BTC-USDT").trade_id - before)


def test_a_push_opens_a_symbol_at_once() -> None:
    world = World(scenario="opening", listings=[BTC_USDT])
    world.nudge("BTC-USDT", 50)
    assert world.exchange.listings["BTC-USDT"].status == "TRADING"


def test_a_storm_is_twenty_thousand_changes_a_second() -> None:
    """As many level changes as that are as many messages on the streams of a book."""
    world = World(scenario="storm", listings=[BTC_USDT])
    world.advance(5)
    before = world.exchange.book("BTC-USDT", 1).update_id
    world.advance(1)
    assert world.exchange.book("BTC-USDT", 1).update_id - before > 20_000


def test_nobody_trades_before_the_opening() -> None:
    from tests.sim.binance_client import ApiClient

    world = World(scenario="opening", listings=[BTC_USDT])
    client = ApiClient(world)
    order = {"side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}
    answer = client.ask("order.place", symbol="BTCUSDT", price="60000.00", **order)
    assert answer["error"]["msg"] == "Market is closed."


def test_a_file_may_be_a_market_at_alpaca(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('[[symbols]]\nsymbol = "TSLA-USD"\nlot = 1\n[accounts.bot]\nUSD = 5\n')
    market = assets_of(load_market(own))
    assert [listing.symbol for listing in market.listings] == ["TSLA-USD", "FAKEPACA-USD"]
    assert Kind.LIMIT_MAKER not in market.listings[0].kinds
    assert (market.crowded, market.accounts["bot"]["USD"]) == (["TSLA-USD", "FAKEPACA-USD"], 5)
    own.write_text('begins_with = "thin"\n')
    market = assets_of(load_market(own))
    assert market.listings == list(ALPACA_LISTINGS)
    assert {name: accounts["USD"] for name, accounts in market.accounts.items()} == {
        "main": 1_000_000
    }


def test_a_file_may_be_a_market_of_shares(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('[[symbols]]\nsymbol = "TSLA-USD"\n[accounts.bot]\nUSD = 5\n')
    market = shares_of(load_market(own))
    (tesla,) = market.listings
    assert (tesla.lot, tesla.maker_fee, market.accounts["bot"]["USD"]) == (1, 0, 5)
    own.write_text('begins_with = "thin"\n')
    market = shares_of(load_market(own))
    assert market.listings == list(SHARES)
    assert market.accounts["main"] == SHARE_STAKES
    own.write_text('[[symbols]]\nsymbol = "A-USD"\n[[symbols]]\nsymbol = "B-EUR"\n')
    with pytest.raises(ConfigError, match="B-EUR"):
        shares_of(load_market(own))
