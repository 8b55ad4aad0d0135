"""The shares of the simulated broker."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from pitwire.model.errors import ConfigError
from pitwire.sim.facades.alpaca_options import AlpacaOptions
from pitwire.sim.facades.ibkr_options import IbkrOptions
from pitwire.sim.shares import SHARES, as_share
from pitwire.sim.world import BTC_USDT, IBKR, LISTINGS, World


def test_a_share_has_cents_whole_shares_and_no_fee() -> None:
    (apple, *_) = SHARES
    assert (apple.tick, apple.lot, apple.maker_fee) == (Decimal("0.01"), 1, 0)
    assert as_share(msgspec.structs.replace(apple, lot=Decimal("0.5"))) is apple
    coin = as_share(BTC_USDT)
    assert (coin.lot, coin.start_price) == (1, BTC_USDT.start_price)


def test_a_world_of_its_own() -> None:
    world = World(venue=IBKR, options=IbkrOptions(user="me"), accounts={"a": {}, "b": {}})
    assert list(world.exchange.listings) == [share.symbol for share in SHARES]
    assert list(world.facade.office.accounts) == ["DU1234567"]  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="IbkrOptions"):
        World(venue=IBKR, options=AlpacaOptions())
    with pytest.raises(ConfigError, match="BinanceOptions"):
        World(listings=LISTINGS, options=IbkrOptions())
