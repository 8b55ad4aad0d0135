"""What a key may do at the futures: the wallet is asked, and nobody who is not it."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from msgspec.structs import replace

from pitwire.desk.config import DeskConfig, parse_config
from pitwire.desk.rights import check_rights
from pitwire.model.clock import ManualClock
from pitwire.model.credentials import Credentials, Secret
from pitwire.model.errors import ConfigError
from pitwire.venues.binance_futures.rights import read_rights
from pitwire.venues.registry import find_venue
from pitwire.venues.venue import Endpoints, KeyRights

KEY = Credentials("k" * 64, Secret("s" * 64), kind="hmac")
LIVE = """
mode = "live"
[venue]
name = "binance-usdm"
[live]
account = "main"
armed_until = 2100-01-01T00:00:00Z
{waived}
[risk]
max_order_notional = 100
max_position = 1
max_daily_loss = 10
"""


class Wallet:
    """Answers what is asked of it, and notes where that was."""

    def __init__(self, *, withdrawals: bool, futures: bool = True) -> None:
        self.asked: list[str] = []
        self._told = {"enableWithdrawals": withdrawals, "enableFutures": futures}

    async def fetch(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        self.asked.append(url.partition("?")[0])
        told = {"serverTime": 1_700_000_000_000} if url.endswith("time?") else self._told
        return 200, {}, json.dumps(told).encode()


async def asked(
    wallet: Wallet, *, waived: str = "", endpoints: Endpoints | None = None, testnet: bool = False
) -> bool:
    config: DeskConfig = parse_config(LIVE.format(waived=waived))
    if testnet:
        config = replace(config, venue=replace(config.venue, testnet=True))
    return await check_rights(config, KEY, endpoints, wallet.fetch, ManualClock())


def test_the_futures_own_right_to_trade_counts() -> None:
    told = {"enableWithdrawals": False, "enableFutures": True, "enableSpotAndMarginTrading": False}
    assert read_rights(json.dumps(told).encode()) == KeyRights(may_trade=True, may_withdraw=False)
    assert read_rights(b"{}") == KeyRights(may_trade=False, may_withdraw=True)


async def test_a_key_that_may_withdraw_is_refused_unless_waived_by_name() -> None:
    wallet = Wallet(withdrawals=True)
    with pytest.raises(ConfigError, match="a key that may withdraw"):
        await asked(wallet)
    assert wallet.asked == [
        "https://fapi.binance.com/fapi/v1/time",
        "https://api.binance.com/sapi/v1/account/apiRestrictions",
    ]
    assert not await asked(wallet, waived='may_withdraw = "main"')
    assert len(wallet.asked) == 2


async def test_one_that_may_trade_futures_alone_passes_and_one_that_may_not_is_refused() -> None:
    assert await asked(Wallet(withdrawals=False))
    with pytest.raises(ConfigError, match="a key that may not trade"):
        await asked(Wallet(withdrawals=False, futures=False))


async def test_at_other_addresses_nothing_signed_goes_to_the_wallet() -> None:
    """A venue on this machine keeps no money; of any other nobody says, which is no permission."""
    wallet = Wallet(withdrawals=True)
    here = Endpoints("ws://127.0.0.1:1", "ws://127.0.0.1:1", "http://127.0.0.1:1")
    assert not await asked(wallet, endpoints=here)
    elsewhere = replace(find_venue("binance-usdm").endpoints, http="https://fapi.example.org")
    with pytest.raises(ConfigError, match=r"nobody at fapi\.example\.org says whether it may"):
        await asked(wallet, endpoints=elsewhere)
    assert not await asked(wallet, endpoints=elsewhere, waived='may_withdraw = "main"')
    assert not await asked(wallet, testnet=True)
    assert wallet.asked == []
