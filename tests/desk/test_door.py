"""The way in finds its keys by itself, and only when they are needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pitwire import connect_to_websocket
from pitwire.model.errors import AuthenticationFailed, ConfigError
from pitwire.session import connect
from pitwire.venues.binance.venue import BINANCE
from tests.desk.setting import ENDPOINTS, Setting


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("API_KEY", "API_SECRET", "PRIVATE_KEY", "PRIVATE_KEY_FILE"):
        monkeypatch.delenv(f"BINANCE_{name}", raising=False)


@pytest.mark.parametrize("venue", ["binance", BINANCE])
def test_keys_are_found_in_the_folders_env_file(venue: str, tmp_path: Path) -> None:
    setting = Setting(keys="hmac")
    key, secret = setting.world.keys["hmac"]
    (tmp_path / ".env").write_text(f"BINANCE_API_KEY={key}\nBINANCE_API_SECRET={secret}\n")

    async def story() -> None:
        session = connect_to_websocket(
            venue, endpoints=ENDPOINTS, dial=setting.dial, clock=setting.clock
        )
        async with session as opened:
            await opened.authenticate_websocket()
            assert opened.may_trade

    setting.world.run(story())


def test_keys_of_the_caller_go_before(tmp_path: Path) -> None:
    setting = Setting()
    (tmp_path / ".env").write_text("BINANCE_API_KEY=wrong\nBINANCE_API_SECRET=wrong\n")

    async def story() -> None:
        async with connect_to_websocket(
            endpoints=ENDPOINTS,
            dial=setting.dial,
            clock=setting.clock,
            credentials=setting.credentials,
        ) as opened:
            await opened.authenticate_websocket()

    setting.world.run(story())


def test_public_data_needs_no_keys_and_a_login_says_what_is_missing() -> None:
    setting = Setting()

    async def story() -> None:
        async with connect_to_websocket(
            endpoints=ENDPOINTS, dial=setting.dial, clock=setting.clock
        ) as opened:
            await opened.subscribe_to_ticker("BTC-USDT")
            with pytest.raises(ConfigError, match="credentials: found None, expected an API key"):
                await opened.authenticate_websocket()

    setting.world.run(story())


def test_half_a_key_is_said_at_the_login(tmp_path: Path) -> None:
    setting = Setting()
    (tmp_path / ".env").write_text("BINANCE_API_KEY=half\n")

    async def story() -> None:
        async with connect_to_websocket(
            endpoints=ENDPOINTS, dial=setting.dial, clock=setting.clock
        ) as opened:
            with pytest.raises(ConfigError, match="BINANCE_API_SECRET"):
                await opened.authenticate_websocket()

    setting.world.run(story())


def test_a_key_the_venue_does_not_know(tmp_path: Path) -> None:
    setting = Setting()
    (tmp_path / ".env").write_text("BINANCE_API_KEY=" + "k" * 64 + "\nBINANCE_API_SECRET=s\n")

    async def story() -> None:
        async with connect_to_websocket(
            endpoints=ENDPOINTS, dial=setting.dial, clock=setting.clock
        ) as opened:
            with pytest.raises(AuthenticationFailed) as failed:
                await opened.authenticate_websocket()
            assert failed.value.code == -2015

    setting.world.run(story())


@pytest.mark.parametrize("place", ["endpoints", "dial", "testnet"])
def test_who_is_told_where_to_go_looks_for_no_address(place: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("BINANCE_HTTP_URL=https://elsewhere.example.com\n")
    setting = Setting()
    told: dict[str, Any] = {"endpoints": ENDPOINTS, "dial": setting.dial, "testnet": True}
    connect_to_websocket(**{place: told[place]})
    with pytest.raises(ConfigError, match="BINANCE_MARKET_URL: found 'not set'"):
        connect_to_websocket()


def test_it_reads_as_the_function_it_stands_for() -> None:
    assert connect_to_websocket.__doc__ == connect.connect_to_websocket.__doc__
    assert connect_to_websocket.__name__ == "connect_to_websocket"
