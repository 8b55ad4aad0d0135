"""What `pitwire sim` says of itself, and that the lines for each client do what they say."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import urllib.request
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pitwire.cli.howto import HOWTOS, HOWTOS_OF, Where, howto
from pitwire.cli.sim import run, told
from pitwire.cli.simulated import simulated_venue
from pitwire.desk.secrets import find_credentials
from pitwire.model.errors import ConfigError
from pitwire.model.events import Quote
from pitwire.model.orders import Side
from pitwire.session.connect import connect_to_websocket
from pitwire.sim.hosted import HostedVenue
from pitwire.sim.world import ALPACA, IBKR, SPOT, USDM
from pitwire.venues.venue import Endpoints
from tests.cli.command import pitwire

CHECKS = {
    "python-binance": (
        "binance",
        "import asyncio\n"
        "async def main():\n"
        "    client = await AsyncClient.create()\n"
        "    print((await client.get_symbol_ticker(symbol='BTCUSDT'))['price'])\n"
        "    await client.close_connection()\n"
        "asyncio.run(main())\n",
    ),
    "ccxt": (
        "ccxt",
        "import asyncio\n"
        "async def main():\n"
        "    print((await exchange.fetch_ticker('BTC/USDT'))['info']['lastPrice'])\n"
        "    await exchange.close()\n"
        "asyncio.run(main())\n",
    ),
    "binance-sdk-spot": (
        "binance_sdk_spot",
        "print(client.rest_api.ticker_price(symbol='BTCUSDT').data().actual_instance.price)\n",
    ),
    "cryptofeed": (
        "cryptofeed",
        "assert 'BTC-USDT' in Binance.symbols()\nprint('61000.00000000')\n",
    ),
    "unicorn": (
        "unicorn_binance_websocket_api",
        "stream = sockets.create_stream(['kline_1m'], ['btcusdt'], output='dict')\n"
        "while not (told := sockets.pop_stream_data_from_stream_buffer()) or 'data' not in told:\n"
        "    pass\n"
        "print(told['data']['k']['c'], flush=True)\n"
        "__import__('os')._exit(0)\n",
    ),
    "nautilus_trader": (
        "nautilus_trader",
        "from urllib.request import urlopen\n"
        "for here in (*data_clients.values(), *exec_clients.values()):\n"
        "    print(urlopen(f'{here.base_url_http}/api/v3/ticker/price?symbol=BTCUSDT')\n"
        "          .read().decode().split('\"')[-2])\n",
    ),
    "websockets": (
        "websockets",
        "stream.close()\nprint('61000.00000000')\n",
    ),
}
"""Client → its module, and lines that print the price when they have got through."""
FUTURES_CHECKS = {
    "ccxt": (
        "ccxt",
        "import asyncio\n"
        "async def main():\n"
        "    print((await exchange.fetch_ticker('BTC/USDT:USDT'))['info']['lastPrice'])\n"
        "    await exchange.close()\n"
        "asyncio.run(main())\n",
    ),
    "binance-sdk-derivatives-trading-usds-futures": (
        "binance_sdk_derivatives_trading_usds_futures",
        "found = client.rest_api.symbol_price_ticker(symbol='BTCUSDT').data()\n"
        "print(getattr(found, 'actual_instance', found).price)\n",
    ),
    "nautilus_trader": (
        "nautilus_trader",
        "from urllib.request import urlopen\n"
        "for here in (*data_clients.values(), *exec_clients.values()):\n"
        "    assert here.account_type.is_usdt_futures if hasattr(here.account_type,\n"
        "        'is_usdt_futures') else 'FUTURES' in here.account_type.name\n"
        "    print(urlopen(f'{here.base_url_http}/fapi/v1/ticker/price?symbol=BTCUSDT')\n"
        "          .read().decode().split('price\":\"')[1].split('\"')[0])\n",
    ),
    "websockets": ("websockets", "stream.close()\nprint('61000.00')\n"),
}


def interpreter(module: str, repository: Path) -> str:
    """A Python that has this module; nautilus_trader's is an environment of its own."""
    if module == "nautilus_trader":
        python = repository / ".venv-nautilus" / "bin" / "python"
        if not python.exists():
            pytest.skip("nautilus_trader is not installed: `make .venv-nautilus/.run` prepares it")
        return str(python)
    if find_spec(module) is None:
        pytest.skip(f"{module} is not installed: pip install pitwire[strangers]")
    return sys.executable


@pytest.mark.parametrize("name", CHECKS)
def test_the_lines_point_a_client_here(name: str, tmp_path: Path, repository: Path) -> None:
    """Over TLS, in a process of its own, so that nothing but the lines leads there."""
    module, check = CHECKS[name]
    python = interpreter(module, repository)
    with HostedVenue(tls=True) as venue:
        venue.trade(Side.SELL, "61000", "1")
        venue.trade(Side.BUY, "61000", "0.5")
        path = tmp_path / "ca.pem"
        path.write_text(venue.authority)
        where = Where(
            venue.market_url, venue.orders_url, venue.http_url, *venue.key(), authority=str(path)
        )
        lines = howto(name, where)
        done = subprocess.run(
            [python, "-W", "ignore", "-c", f"{lines}\n{check}"],
            env={**os.environ, "SSL_CERT_FILE": str(path), "REQUESTS_CA_BUNDLE": str(path)},
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.stdout.split()[-1:] == ["61000.00000000"], done.stderr


@pytest.mark.parametrize("name", FUTURES_CHECKS)
def test_the_lines_point_a_client_to_the_futures(name: str, repository: Path) -> None:
    module, check = FUTURES_CHECKS[name]
    python = interpreter(module, repository)
    with HostedVenue(venue=USDM) as venue:
        venue.trade(Side.SELL, "61000", "1")
        venue.trade(Side.BUY, "61000", "0.5")
        where = Where(venue.market_url, venue.orders_url, venue.http_url, *venue.key())
        lines = howto(name, where, USDM)
        done = subprocess.run(
            [python, "-W", "ignore", "-c", f"{lines}\n{check}"],
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.stdout.split()[-1:] == ["61000.00"], done.stderr


def test_the_futures_have_lines_of_their_own() -> None:
    where = Where("ws://x:1", "ws://x:1/ws-fapi/v1", "http://x:1", "KEY", "SECRET")
    for name in HOWTOS_OF[USDM]:
        assert "x:1" in howto(name, where, USDM)
    with pytest.raises(ConfigError, match=r"sim.howto: found 'cryptofeed', expected one of ccxt"):
        howto("cryptofeed", where, USDM)


@pytest.mark.parametrize(
    ("name", "served", "word"),
    [("binance", SPOT, "streams"), ("binance-sbe", SPOT, "SBE"), ("binance-usdm", USDM, "streams")],
)
async def test_what_it_prints_is_all_that_a_session_needs(
    name: str, served: str, word: str, tmp_path: Path
) -> None:
    """Each name that is simulated, by the printed addresses and with the print as `.env`."""
    async with simulated_venue(["BTC-USDT"], scenario="quiet", venue=served) as venue:
        lines = told(venue, seed=1, scenario="quiet")
        (tmp_path / ".env").write_text(lines)
        said = {
            label.split()[-1]: rest.split()[0]
            for label, at, rest in (line.partition("  ") for line in lines.splitlines())
            if at and "://" in rest
        }
        where = Endpoints(market=said[word], orders=said["ws-api"], http=said["rest"])
        credentials = find_credentials(name, dotenv=tmp_path / ".env", environ={})
        quoted = asyncio.Event()
        async with connect_to_websocket(
            name,
            endpoints=where,
            credentials=credentials,
            on_event=lambda event: quoted.set() if isinstance(event, Quote) else None,
        ) as session:
            await session.authenticate_websocket()
            await session.subscribe_to_ticker("BTC-USDT")
            await session.subscribe_to_order_updates()
            async with asyncio.timeout(60):
                await quoted.wait()


def test_every_client_has_lines_and_no_other() -> None:
    where = Where("ws://x:1", "ws://x:1/ws-api/v3", "http://x:1", "KEY", "SECRET")
    for name in HOWTOS:
        assert "x:1" in howto(name, where)
    assert howto("cryptofeed", where).startswith("# it refuses ws://")
    with pytest.raises(ConfigError, match=r"sim.howto: found 'telnet', expected one of python-bin"):
        howto("telnet", where)


def test_the_command_serves_with_tls_a_file_and_a_door(tmp_path: Path) -> None:
    market = tmp_path / "mine.toml"
    market.write_text(
        'begins_with = "thin"\n[[symbols]]\nsymbol = "AAA-BBB"\n[accounts.bot]\nBBB = 7\n'
    )
    trusted = tmp_path / "ca.pem"
    with pitwire("sim", "--scenario", str(market), "--tls", str(trusted), "--admin",
                 "--howto", "pitwire", "--seed", "3", folder=tmp_path) as command:  # fmt: skip
        door = command.until("operator's door").split("'")
        command.until("Ctrl-C ends it")
        token, url = door[2].removeprefix("Authorization: "), door[3].strip()
        ask = urllib.request.Request(url.replace("symbols", "balances/bot"))
        ask.add_header("Authorization", token)
        with urllib.request.urlopen(ask, timeout=60) as answer:
            assert json.load(answer) == {"BBB": {"free": "7", "locked": "0"}}
        assert trusted.read_text().startswith("-----BEGIN CERTIFICATE-----")
        assert "wss://127.0.0.1:" in command.text
        assert "AAA-BBB" in command.text


def test_several_venues_are_served_at_once_each_with_its_lines(tmp_path: Path) -> None:
    """Both hand out what a client needs; the switch brings spot's listen keys back."""
    with pitwire("sim", "BTC-USDT", "--venue", "binance", "--venue", "binance-usdm", "--admin",
                 "--listen-keys", "--howto", "ccxt", folder=tmp_path) as command:  # fmt: skip
        command.until("Ctrl-C ends it")
    text = command.text
    assert text.count("operator's door") == 2
    assert "ccxt.pro.binance(" in text
    assert "ccxt.pro.binanceusdm(" in text
    addresses = [line.split()[-1] for line in text.splitlines() if line.startswith("# rest")]
    assert len(set(addresses)) == 2


def test_the_other_house_is_served_with_its_own_addresses(tmp_path: Path) -> None:
    with pitwire("sim", "ETH-USD", "TSLA-USD", "--venue", "alpaca", "--howto", "alpaca-py",
                 "--seed", "3", folder=tmp_path) as command:  # fmt: skip
        command.until("Ctrl-C ends it")
    text = command.text
    assert "# simulated Alpaca: ETH-USD, TSLA-USD, FAKEPACA-USD; seed 3, scenario calm" in text
    rest = next(line.split()[-1] for line in text.splitlines() if line.startswith("# rest"))
    assert f'TradingClient(*keys, url_override="{rest}")' in text
    assert f'url_override="ws{rest[4:]}/v1beta3/crypto/us")' in text
    credentials = find_credentials("alpaca", dotenv=_file(tmp_path, text), environ={})
    assert credentials is not None
    assert f'keys = ("{credentials.key}", "{credentials.secret.reveal()}")' in text


def test_alpaca_s_clients_have_lines() -> None:
    where = Where("ws://x:1", "ws://x:1/stream", "http://x:1", "KEY", "SECRET", "/ca.pem")
    for name in HOWTOS_OF[ALPACA]:
        lines = howto(name, where, ALPACA)
        assert "ws://x:1/v1beta3/crypto/us" in lines
        assert "SSL_CERT_FILE=/ca.pem" in lines
        assert name == "pitwire" or all(word in lines for word in ("KEY", "SECRET"))


def test_a_gateway_is_served_with_its_own_address(tmp_path: Path) -> None:
    with pitwire("sim", "AAPL-USD", "MSFT-USD", "--venue", "ibkr", "--howto", "ibind",
                 "--seed", "3", "--faults", "V18", folder=tmp_path) as command:  # fmt: skip
        command.until("Ctrl-C ends it")
    text = command.text
    assert "# simulated IBKR gateway: AAPL-USD, MSFT-USD; seed 3, scenario calm" in text
    assert "# accounts DU1234567; no key is needed" in text
    rest = next(line.split()[-1] for line in text.splitlines() if line.startswith("# rest"))
    assert f'IbkrClient(url="{rest}/"' in text
    assert f'IbkrWsClient(url="ws{rest[4:]}/ws"' in text
    assert f'http = "{rest.removesuffix("/v1/api")}"' in text


def test_the_gateway_s_clients_have_lines() -> None:
    where = Where("ws://x:1", "ws://x:1/v1/api/ws", "http://x:1", "KEY", "SECRET", "/ca.pem")
    for name in HOWTOS_OF[IBKR]:
        assert "http://x:1/v1/api/" in howto(name, where, IBKR)


async def test_what_alpaca_prints_is_all_that_a_session_needs(tmp_path: Path) -> None:
    async with simulated_venue(["BTC-USD"], scenario="quiet", venue=ALPACA) as venue:
        lines = told(venue, seed=1, scenario="quiet")
        credentials = find_credentials("alpaca", dotenv=_file(tmp_path, lines), environ={})
        said = dict(re.findall(r'(market|orders|http) = "([^"]+)"', lines))
        quoted = asyncio.Event()
        async with connect_to_websocket(
            "alpaca",
            endpoints=Endpoints(**said),
            credentials=credentials,
            on_event=lambda event: quoted.set() if isinstance(event, Quote) else None,
        ) as session:
            await session.authenticate_websocket()
            await session.subscribe_to_ticker("BTC-USD")
            await session.subscribe_to_order_updates()
            async with asyncio.timeout(60):
                await quoted.wait()


def _file(folder: Path, text: str) -> Path:
    found = folder / "printed.env"
    found.write_text("\n".join(line for line in text.splitlines() if line[:7] == "ALPACA_"))
    return found


@pytest.mark.parametrize("keeps", [True, False])
async def test_a_switch_brings_listen_keys_back(keeps: bool) -> None:
    async with simulated_venue(["BTC-USDT"], scenario="quiet", listen_keys=keeps) as venue:
        key = venue.hmac.key
        url = f"{venue.endpoints.http}/api/v3/userDataStream"
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, headers={"X-MBX-APIKEY": key}) as answer,
        ):
            assert answer.status == (200 if keeps else 410)
            assert ("listenKey" in await answer.text()) is keeps


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"howto": "telnet"}, "sim.howto: found 'telnet', expected one of"),
        ({"venues": ["moon"]}, "sim.venue: found 'moon', expected one of binance, binance-usdm"),
        ({"venues": [SPOT, SPOT]}, "sim.venue: found 'binance binance', expected each only once"),
        ({"venues": [USDM], "tapes": [Path("t")]}, "sim.venue: found 'binance-usdm'"),
        ({"venues": [SPOT, USDM], "tapes": [Path("t")]}, "sim.venue: found 'binance binance-usdm'"),
        ({"venues": [USDM], "symbols": ["A-B", "C-D"]}, "sim.symbols: found 'C-D'"),
        ({"venues": [ALPACA], "symbols": ["AAPL-EUR"]}, "symbol: found 'AAPL-EUR'"),
        ({"venues": [IBKR], "symbols": ["A-USD", "C-D"]}, "symbol: found 'C-D'"),
        ({"venues": [ALPACA], "howto": "ccxt"}, "sim.howto: found 'ccxt', expected one of alpaca"),
        ({"tapes": [Path("none.jsonl.gz")]}, "none.jsonl.gz: found 'No such file or directory'"),
        ({"tapes": [Path(__file__)]}, "found 'a capture, and no symbols', expected the symbols"),
        ({"speed": 10.0}, "sim.speed: found 10.0, expected 1, or a tape"),
        ({"venues": [USDM], "howto": "cryptofeed"}, "sim.howto: found 'cryptofeed'"),
        ({"scenario": "none.toml"}, "none.toml: found 'No such file or directory'"),
        ({"scenario": "calmer"}, "sim.scenario: found 'calmer', expected one of calm"),
        ({"tls": Path("no/such/folder/ca.pem")}, "sim.tls: found 'no/such/folder/ca.pem'"),
    ],
)
def test_bad_options_get_one_line(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        run(seconds=0.1, **options)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
