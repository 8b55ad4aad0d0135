"""What trades at the simulated Alpaca."""

from __future__ import annotations

from decimal import Decimal

import pytest

from pitwire.model.errors import ConfigError
from pitwire.sim.alpaca_listings import ALPACA_LISTINGS, alpaca_listing


def test_coins_trade_in_parts_and_everything_else_in_shares() -> None:
    assert alpaca_listing("DOGE-USDT").lot < 1
    assert alpaca_listing("BTC-USD").lot == Decimal("0.00001")
    tesla = alpaca_listing("TSLA-USD")
    assert (tesla.lot, tesla.base, tesla.quote, tesla.maker_fee) == (1, "TSLA", "USD", 0)
    assert "FAKEPACA-USD" in [listing.symbol for listing in ALPACA_LISTINGS]


@pytest.mark.parametrize("symbol", ["TSLA-USDT", "BTC-EUR", "BTC"])
def test_what_it_cannot_list_is_said(symbol: str) -> None:
    with pytest.raises(ConfigError, match="symbol"):
        alpaca_listing(symbol)
