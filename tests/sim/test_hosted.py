"""A venue in a thread of its own, and the pytest plugin that hands it out."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from pitwire.model.errors import ConfigError, StateError
from pitwire.model.orders import Side
from pitwire.sim.hosted import HostedVenue

pytest_plugins = ("pytester",)
TEST_OF_A_USER = """
import json, urllib.request
import pytest

def price(venue):
    url = venue.http_url + "/api/v3/ticker/price?symbol=BTCUSDT"
    return json.load(urllib.request.urlopen(url))["price"]

def test_a_venue_in_one_line(pitwire_venue):
    pitwire_venue.trade(SELL, "61000", "0.5")
    pitwire_venue.trade(BUY, "61000", "0.1")
    assert price(pitwire_venue) == "61000.00000000"

@pytest.mark.pitwire(scenario="calm", seed=7, accounts={"bot": {"USDT": 5}})
def test_a_market_with_a_crowd(pitwire_venue):
    assert len(pitwire_venue.book("BTC-USDT")[0]) > 100
    assert list(pitwire_venue.balances()) == ["USDT"]

@pytest.mark.pitwire(scenario="trend", seed=7)
def test_a_market_in_virtual_time(pitwire_world):
    before = pitwire_world.exchange.last_price("BTC-USDT")
    pitwire_world.advance(60)
    assert pitwire_world.exchange.last_price("BTC-USDT") != before

@pytest.mark.pitwire("calm")
def test_options_have_names(pitwire_world):
    pass
"""


@pytest.fixture
def venue() -> Iterator[HostedVenue]:
    with HostedVenue() as found:
        yield found


def get(venue: HostedVenue, path: str, **more: Any) -> Any:
    with urllib.request.urlopen(f"{venue.http_url}/api/v3{path}", timeout=60, **more) as answer:
        return json.load(answer)


def test_a_test_that_blocks_meets_a_venue_that_does_not(venue: HostedVenue) -> None:
    resting = venue.trade(Side.SELL, "61000", "0.5")
    assert venue.trade(Side.BUY, "61000", "0.1") > resting
    assert get(venue, "/ticker/price?symbol=BTCUSDT")["price"] == "61000.00000000"
    assert venue.book("BTC-USDT") == ({}, {"61000.00": "0.40000"})
    assert get(venue, "/depth?symbol=BTCUSDT")["asks"] == [["61000.00000000", "0.40000000"]]


def test_what_is_wrong_comes_to_whoever_asked(venue: HostedVenue) -> None:
    with pytest.raises(ConfigError, match=r"price: found 61000.001, expected a multiple of 0.01"):
        venue.trade(Side.SELL, "61000.001", "0.5")
    with pytest.raises(KeyError):
        venue.nudge("BTC-USDT", 10)
    assert get(venue, "/ping") == {}


def test_time_and_status_and_faults_are_the_tests(venue: HostedVenue) -> None:
    before = get(venue, "/time")["serverTime"]
    venue.skip(3_600)
    assert get(venue, "/time")["serverTime"] >= before + 3_600_000
    with pytest.raises(ValueError, match=r"seconds: found -1, expected 0 to"):
        venue.skip(-1)
    venue.set_status("BTC-USDT", "HALT")
    assert get(venue, "/exchangeInfo?symbol=BTCUSDT")["symbols"][0]["status"] == "HALT"
    from pitwire.sim.faults import HttpError

    venue.inject([HttpError(kind="snapshot", status=503, count=1)])
    with pytest.raises(urllib.error.HTTPError, match="503"):
        get(venue, "/depth?symbol=BTCUSDT")
    get(venue, "/depth?symbol=BTCUSDT")


def test_over_tls_for_who_trusts_it() -> None:
    with HostedVenue(tls=True) as venue:
        assert venue.http_url.startswith("https://")
        trust = ssl.create_default_context(cadata=venue.authority)
        assert get(venue, "/ping", context=trust) == {}


def test_it_ends_with_its_block(venue: HostedVenue) -> None:
    with HostedVenue() as other:
        assert other.balances() == {
            "BTC": (10, 0),
            "ETH": (100, 0),
            "USDT": (Decimal(1_000_000), 0),
        }
        assert other.open_orders() == []
        assert len(other.key()[0]) == len(other.key("ed25519")[0]) == 64
        assert other.hang_up() == 0
    with pytest.raises(StateError, match="expected within its `with`"):
        other.balances()
    with pytest.raises(ConfigError, match="expected a port that nobody listens on"):
        HostedVenue(port=int(venue.http_url.rpartition(":")[2])).__enter__()


def test_a_market_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('begins_with = "thin"\n[accounts.bot]\nUSDT = 250.5\n')
    with HostedVenue(scenario=path, seed=4) as venue:
        assert venue.balances("bot") == {"USDT": (Decimal("250.5"), 0)}
        assert 0 < len(venue.book("ETH-USDT")[0]) < 30


def test_it_may_be_alpaca(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('begins_with = "quiet"\n')
    with HostedVenue(venue="alpaca") as venue, HostedVenue(venue="alpaca", scenario=own) as other:
        venue.trade(Side.SELL, "175", "3", "AAPL-USD")
        assert venue.book("AAPL-USD") == ({}, {"175.00": "3"})
        assert len(other.book("FAKEPACA-USD")[0]) > 10
        assert venue.orders_url == f"ws{venue.http_url[4:]}/stream"


def test_it_may_be_a_gateway(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('begins_with = "quiet"\n')
    with HostedVenue(venue="ibkr") as venue, HostedVenue(venue="ibkr", scenario=own) as other:
        venue.trade(Side.SELL, "190", "3", "AAPL-USD")
        assert venue.book("AAPL-USD") == ({}, {"190.00": "3"})
        assert len(other.book("SPY-USD")[0]) > 10
        assert venue.orders_url == f"ws{venue.http_url[4:]}/v1/api/ws"


def test_the_plugin_hands_out_venues(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        "import builtins\nfrom pitwire.model.orders import Side\n"
        "builtins.BUY, builtins.SELL = Side.BUY, Side.SELL\n"
    )
    pytester.makepyfile(TEST_OF_A_USER)
    installed = any(each.name == "pitwire" for each in entry_points(group="pytest11"))
    by_name = () if installed else ("-p", "pitwire.sim.pytest_plugin")  # a checkout, not installed
    found = pytester.runpytest_subprocess(*by_name, "--strict-markers", "-p", "no:cacheprovider")
    found.assert_outcomes(passed=3, errors=1)
    found.stdout.fnmatch_lines(["*pitwire: found ('calm',), expected named options alone*"])
