"""Where a script goes by its environment: all three addresses or none, and on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from pitwire.desk.addresses import address_names, find_endpoints
from pitwire.model.errors import ConfigError
from pitwire.venues.venue import Endpoints

HERE = Endpoints("ws://127.0.0.1:8000/a", "wss://localhost:8000/b", "http://127.0.0.1:8000")


def lines(venue: str, endpoints: Endpoints = HERE) -> dict[str, str]:
    return {name: getattr(endpoints, field) for field, name in address_names(venue).items()}


def test_they_are_found_in_the_file_and_the_environment_goes_first(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("".join(f"{name}={url}\n" for name, url in lines("alpaca").items()))
    assert find_endpoints("alpaca", dotenv=file, environ={}) == HERE
    other = {"ALPACA_HTTP_URL": "https://localhost:9"}
    found = find_endpoints("alpaca", dotenv=file, environ=other)
    assert found is not None
    assert (found.http, found.market) == ("https://localhost:9", HERE.market)


def test_what_is_set_for_one_of_a_house_says_nothing_of_another(tmp_path: Path) -> None:
    known = lines("binance")
    assert find_endpoints("binance", dotenv=tmp_path / "no", environ=known) == HERE
    assert find_endpoints("binance-usdm", dotenv=tmp_path / "no", environ=known) is None
    assert next(iter(lines("binance-usdm"))) == "BINANCE_USDM_MARKET_URL"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"IBKR_ORDERS_URL": " "},
            r"IBKR_ORDERS_URL: found 'not set', expected a ws:// or wss:// address, since others",
        ),
        (
            {"IBKR_HTTP_URL": "https://api.example.com"},
            r"IBKR_HTTP_URL: found .*example\.com', expected an address of this machine",
        ),
        (
            {"IBKR_MARKET_URL": "http://127.0.0.1:1"},
            r"IBKR_MARKET_URL: .* expected a URL that starts with ws:// or wss://",
        ),
        ({"IBKR_HTTP_URL": "http://127.0.0.1:port"}, r"IBKR_HTTP_URL: .* expected a URL as http:"),
        (
            {"IBKR_MARKET_URL": "ws://127.0.0.1:1/\r\nX: y"},
            r"host:port, without spaces and con",
        ),
        ({"IBKR_MARKET_URL": "ws://127.0.0.1:1/a b"}, r"host:port, without spaces and control"),
        ({"IBKR_HTTP_URL": "http://[::1"}, r"IBKR_HTTP_URL: .* expected a URL as http://host:port"),
        ({"IBKR_HTTP_URL": "http://127.0.0.1:0"}, r"IBKR_HTTP_URL: .* expected a URL as http://ho"),
    ],
)
def test_what_cannot_be_is_said(change: dict[str, str], message: str, tmp_path: Path) -> None:
    known = lines("ibkr") | change
    with pytest.raises(ConfigError, match=message):
        find_endpoints("ibkr", dotenv=tmp_path / "no", environ=known)


@pytest.mark.parametrize("host", ["api.example.com", "127.0.0.1:8000", "[::1"])
@pytest.mark.parametrize("word", ["hunter2", "hun\nter2"])
def test_a_password_in_an_address_is_refused_and_not_shown(
    word: str, host: str, tmp_path: Path
) -> None:
    known = lines("ibkr") | {"IBKR_HTTP_URL": f"http://me:{word}@{host}"}
    with pytest.raises(ConfigError) as caught:
        find_endpoints("ibkr", dotenv=tmp_path / "no", environ=known)
    assert f"found 'http://***@{host}'" in str(caught.value)
