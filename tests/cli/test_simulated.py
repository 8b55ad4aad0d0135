"""A venue on this machine, whole: the client's words for it, and what cannot be served."""

from __future__ import annotations

from pathlib import Path

import pytest

from pitwire.cli.simulated import simulated_venue
from pitwire.model.errors import ConfigError
from pitwire.model.events import Quote
from pitwire.session.connect import connect_to_websocket
from pitwire.sim.scenario_files import plain_listing


async def test_any_pair_can_be_watched_and_both_keys_log_on() -> None:
    async with simulated_venue(["SOL-EUR"], seed=3) as venue:
        for credentials in (venue.credentials, venue.hmac):
            session = await connect_to_websocket(endpoints=venue.endpoints, credentials=credentials)
            async with session:
                await session.authenticate_websocket()
                quotes = session.stream(Quote)
                await session.subscribe_to_ticker("SOL-EUR")
                quote = await anext(quotes)
                assert 0 < quote.bid < quote.ask
    assert venue.credentials.kind == "ed25519"
    assert venue.hmac.kind == "hmac"


def test_known_symbols_have_the_venues_rules() -> None:
    assert plain_listing("BTC-USDT").start_price == 6_000_000
    assert plain_listing("SOL-EUR").base == "SOL"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"symbols": ["AAPL"]}, "symbol: found 'AAPL', expected a pair such as BTC-USDT"),
        ({"symbols": ["btcusdt"]}, "symbol: found 'btcusdt', expected BASE-QUOTE"),
        (
            {"symbols": ["BTC-USDT"], "venue": "ibkr"},
            "symbol: found 'BTC-USDT', expected a stock in dollars, such as AAPL-USD on ibkr",
        ),
        ({"symbols": ["AAPL"], "venue": "ibkr"}, "expected a stock in dollars, such as AAPL-USD"),
        ({"symbols": ["BTC-EUR"], "venue": "alpaca"}, "found 'BTC-EUR', expected a pair such as"),
        ({"symbols": ["BTC-BTC"]}, "symbol: found 'BTC-BTC', expected a pair of two assets"),
        ({"scenario": "sunny"}, "sim.scenario: found 'sunny', expected one of calm"),
        ({"faults": ["cut", "rain"]}, "sim.faults: found 'rain', expected one of none, cut"),
    ],
)
async def test_what_cannot_be_served_is_said(
    options: dict[str, list[str] | str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        async with simulated_venue(**options):  # type: ignore[arg-type]
            pass


async def test_a_port_in_use_is_said() -> None:
    async with simulated_venue(scenario="quiet") as first:
        port = int(first.endpoints.http.rpartition(":")[2])
        with pytest.raises(ConfigError, match=r"port: .*expected a port that nobody listens on"):
            async with simulated_venue(port=port):
                pass


async def test_faults_may_be_of_the_kit_or_a_script_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'id = "X1"\ntitle = "t"\ndoes = "d"\nexpected = "e"\n'
        '[[sim]]\nwhat = "Cut"\nat_seconds = 50\n[[proxy]]\nwhat = "Fin"\nat_seconds = 50\n'
    )
    async with simulated_venue(faults=["C2", "cut"]) as plain:
        assert [type(fault).__name__ for fault in plain.world.plan.faults] == ["ClockSkew", "Cut"]
        assert str(plain.served.port) in plain.endpoints.market
    async with simulated_venue(faults=[str(path)]) as broken:
        assert [type(fault).__name__ for fault in broken.world.plan.faults] == ["Cut"]
        assert str(broken.served.port) not in broken.endpoints.market
        assert broken.endpoints.http == broken.served.http_url


async def test_what_a_file_lists_is_asked_about_as_well(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[[symbols]]\nsymbol = "NEW-EUR"\ntick = 0.01\nlot = 1\nstart_price = 2\n')
    with pytest.raises(ConfigError, match=r"symbol: found 'NEW-EUR', expected a stock in"):
        async with simulated_venue(scenario=str(path), venue="ibkr"):
            pass
