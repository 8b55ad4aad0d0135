"""`pitwire sim --howto`: the lines that point a known client at the venue that was just started."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Mapping
from typing import NamedTuple

from pitwire.model.errors import ConfigError
from pitwire.sim.world import ALPACA, IBKR, SPOT, USDM


class Where(NamedTuple):
    """A served venue, as a client has to be told of it."""

    streams: str
    orders: str
    http: str
    key: str
    secret: str
    authority: str = ""
    """Path of the certificate to trust, where there is TLS."""
    listen_keys: bool = False
    """Whether spot hands out listen keys."""


def howto(name: str, where: Where, venue: str = SPOT) -> str:
    """The lines for a client library, to be pasted; raises `ConfigError` for an unknown one."""
    known = HOWTOS_OF[venue]
    if name not in known:
        raise ConfigError(where="sim.howto", found=name, expected=f"one of {', '.join(known)}")
    lines = textwrap.dedent(known[name](where)).strip()
    if where.authority and name != "cryptofeed":
        lines = (
            f"# before it starts: export SSL_CERT_FILE={where.authority} "
            f"REQUESTS_CA_BUNDLE={where.authority}\n{lines}"
        )
    return lines


def _python_binance(at: Where) -> str:
    return f"""
        from binance import AsyncClient, BinanceSocketManager
        AsyncClient.API_URL, AsyncClient.WS_API_URL = "{at.http}/api", "{at.orders}"
        BinanceSocketManager.STREAM_URL = "{at.streams}/"
        # client = await AsyncClient.create(api_key="{at.key}", api_secret="{at.secret}")
        """


def _ccxt(at: Where) -> str:
    rest = f"{at.http}/api/v3"
    urls = {
        "api": {
            "public": rest,
            "private": rest,
            "ws": {"spot": f"{at.streams}/ws", "ws-api": {"spot": at.orders}},
        }
    }
    options = {"fetchMarkets": {"types": ["spot"]}, "fetchMargins": 0, "fetchCurrencies": 0}
    config = {"apiKey": at.key, "secret": at.secret, "urls": urls, "options": options}
    if at.authority:
        config["cafile"] = at.authority  # it brings authorities of its own
    return f"""
        import ccxt.pro
        exchange = ccxt.pro.binance({json.dumps(config)})
        """


def _binance_sdk(at: Where) -> str:
    return f"""
        from binance_common import configuration as to
        from binance_sdk_spot import Spot
        keys = {{"api_key": "{at.key}", "api_secret": "{at.secret}"}}
        client = Spot(to.ConfigurationRestAPI(base_path="{at.http}", **keys),
                      to.ConfigurationWebSocketAPI(stream_url="{at.orders}", **keys),
                      to.ConfigurationWebSocketStreams(stream_url="{at.streams}"))
        """


def _unicorn(at: Where) -> str:
    return f"""
        from unicorn_binance_websocket_api import BinanceWebSocketApiManager
        sockets = BinanceWebSocketApiManager(
            exchange="binance.com", warn_on_update=False, websocket_base_uri="{at.streams}/",
            websocket_api_base_uri="{at.orders}", restful_base_uri="{at.http}")
        # api_key="{at.key}", api_secret="{at.secret}" go to create_stream
        """


def _cryptofeed(at: Where) -> str:
    trust = f'ssl.create_default_context(cafile="{at.authority}")'
    lines = f"""
        import ssl
        from cryptofeed.connection import RestEndpoint, WebsocketEndpoint
        from cryptofeed.exchanges import Binance
        Binance.websocket_endpoints = [
            WebsocketEndpoint("{at.streams}", options={{"ssl": {trust}}})]
        Binance.rest_endpoints = [
            RestEndpoint("{at.http}", routes=Binance.rest_endpoints[0].routes)]
        """
    lines = textwrap.dedent(lines)
    if not at.listen_keys:
        lines = f"# its orders and balances need a venue with --listen-keys{lines}"
    if not at.authority:
        lines = f"# it refuses ws://, so start the venue with --tls FILE\n{lines}"
    return lines


def _nautilus(at: Where, more: str = "") -> str:
    return f"""
        from nautilus_trader.adapters import binance as to
        from nautilus_trader.adapters.binance.common.enums import BinanceAccountType
        here = {{"api_key": "{at.key}", "api_secret": "{at.secret}", "testnet": True,{more}
                "base_url_http": "{at.http}", "base_url_ws": "{at.streams}"}}
        data_clients = {{"BINANCE": to.BinanceDataClientConfig(**here)}}
        exec_clients = {{"BINANCE": to.BinanceExecClientConfig(**here)}}
        """


def _nautilus_spot(at: Where) -> str:
    lines = textwrap.dedent(_nautilus(at))
    return lines if at.listen_keys else f"# its orders need a venue with --listen-keys{lines}"


def _nautilus_futures(at: Where) -> str:
    return _nautilus(at, ' "account_type": BinanceAccountType.USDT_FUTURES,')


def _websockets(at: Where) -> str:
    return f"""
        from websockets.sync.client import connect
        stream = connect("{at.streams}/ws/btcusdt@trade")
        """


def _pitwire(at: Where) -> str:
    return f"""
        # in a desk's file
        [venue]
        endpoints = {{ market = "{at.streams}", orders = "{at.orders}", http = "{at.http}" }}
        """


HOWTOS: Mapping[str, Callable[[Where], str]] = {
    "python-binance": _python_binance,
    "ccxt": _ccxt,
    "binance-sdk-spot": _binance_sdk,
    "unicorn": _unicorn,
    "cryptofeed": _cryptofeed,
    "nautilus_trader": _nautilus_spot,
    "websockets": _websockets,
    "pitwire": _pitwire,
}
"""Client library → the lines that point it here."""


def _ccxt_futures(at: Where) -> str:
    api: dict[str, object] = {
        f"fapi{kind}{'' if number == 1 else f'V{number}'}": f"{at.http}/fapi/v{number}"
        for kind in ("Public", "Private")
        for number in (1, 2, 3)
    }
    api["ws"] = {"future": f"{at.streams}/ws", "ws-api": {"future": at.orders}}
    options = {"fetchMargins": 0, "fetchCurrencies": 0}
    config = {"apiKey": at.key, "secret": at.secret, "urls": {"api": api}, "options": options}
    if at.authority:
        config["cafile"] = at.authority
    return f"""
        import ccxt.pro
        exchange = ccxt.pro.binanceusdm({json.dumps(config)})
        """


def _binance_sdk_futures(at: Where) -> str:
    return f"""
        from binance_common import configuration as to
        from binance_sdk_derivatives_trading_usds_futures import DerivativesTradingUsdsFutures
        keys = {{"api_key": "{at.key}", "api_secret": "{at.secret}"}}
        client = DerivativesTradingUsdsFutures(
            to.ConfigurationRestAPI(base_path="{at.http}", **keys),
            to.ConfigurationWebSocketAPI(stream_url="{at.orders}", **keys),
            to.ConfigurationWebSocketStreams(stream_url="{at.streams}"))
        """


def _websockets_futures(at: Where) -> str:
    return f"""
        from websockets.sync.client import connect
        stream = connect("{at.streams}/public/ws/btcusdt@bookTicker")
        """


def _pitwire_futures(at: Where) -> str:
    return f"""
        # in a desk's file
        [venue]
        name = "{USDM}"
        endpoints = {{ market = "{at.streams}", orders = "{at.orders}", http = "{at.http}" }}
        """


def _alpaca_py(at: Where) -> str:
    return f"""
        from alpaca.data.live import CryptoDataStream, StockDataStream
        from alpaca.trading.client import TradingClient
        from alpaca.trading.stream import TradingStream
        keys = ("{at.key}", "{at.secret}")
        crypto = CryptoDataStream(*keys, url_override="{at.streams}/v1beta3/crypto/us")
        stocks = StockDataStream(*keys, url_override="{at.streams}/v2/iex")
        updates = TradingStream(*keys, url_override="{at.orders}")
        client = TradingClient(*keys, url_override="{at.http}")
        """


def _pitwire_alpaca(at: Where) -> str:
    market = f"{at.streams}/v1beta3/crypto/us"
    return f"""
        # in a desk's file
        [venue]
        name = "{ALPACA}"
        endpoints = {{ market = "{market}", orders = "{at.orders}", http = "{at.http}" }}
        """


def _websockets_alpaca(at: Where) -> str:
    return f"""
        from websockets.sync.client import connect
        stream = connect("{at.streams}/v1beta3/crypto/us")
        stream.send('{{"action":"auth","key":"{at.key}","secret":"{at.secret}"}}')
        stream.send('{{"action":"subscribe","trades":["BTC/USD"]}}')
        """


def _ibind(at: Where) -> str:
    return f"""
        from ibind import IbkrClient, IbkrWsClient
        client = IbkrClient(url="{at.http}/v1/api/", account_id="DU1234567", cacert=False)
        socket = IbkrWsClient(url="{at.orders}", ibkr_client=client, account_id="DU1234567")
        """


def _curl_ibkr(at: Where) -> str:
    return f"""
        curl -ks -X POST {at.http}/v1/api/tickle
        curl -ks {at.http}/v1/api/iserver/accounts
        curl -ks '{at.http}/v1/api/iserver/secdef/search?symbol=AAPL'
        """


HOWTOS_OF: Mapping[str, Mapping[str, Callable[[Where], str]]] = {
    SPOT: HOWTOS,
    USDM: {
        "ccxt": _ccxt_futures,
        "binance-sdk-derivatives-trading-usds-futures": _binance_sdk_futures,
        "nautilus_trader": _nautilus_futures,
        "websockets": _websockets_futures,
        "pitwire": _pitwire_futures,
    },
    ALPACA: {
        "alpaca-py": _alpaca_py,
        "websockets": _websockets_alpaca,
        "pitwire": _pitwire_alpaca,
    },
    IBKR: {
        "ibind": _ibind,
        "curl": _curl_ibkr,
    },
}
"""Venue → client library → the lines that point it here."""
