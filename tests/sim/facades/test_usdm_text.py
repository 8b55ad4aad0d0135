"""Numbers and refusals in the futures' spelling."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from pitwire.model.orders import Side
from pitwire.sim.facades.binance_text import ApiError
from pitwire.sim.facades.usdm_text import (
    FuturesScale,
    eight,
    none_or,
    order_refused,
    refused,
    short,
)
from pitwire.sim.facts import Kind, NewOrder, Refusal, Refused
from pitwire.sim.futures_listings import BTC_USDT_PERP, ETH_USDT_PERP

SCALE = FuturesScale(BTC_USDT_PERP)
NOT_HERE = {Refusal.RESTRICTED, Refusal.NO_LIQUIDITY, Refusal.AMEND_INCREASE, Refusal.AMEND_LIMIT,
            Refusal.PRICE_RELATION, Refusal.LISTS_NOT_SUPPORTED, Refusal.ICEBERG_SIZE}  # fmt: skip
"""What the futures have no request for."""


def test_numbers_have_their_symbol_s_digits() -> None:
    assert (SCALE.price(600_001), SCALE.size(7), SCALE.size(-7)) == ("60000.10", "0.007", "-0.007")
    assert FuturesScale(ETH_USDT_PERP).price(300_015) == "3000.15"
    assert SCALE.quote(600_001 * 7) == "420.00070"
    assert SCALE.money(600_001 * 7) == "420.00"
    assert SCALE.change(-3) == "-0.30"
    assert SCALE.average(Decimal("60000.123456")) == "60000.12346"


def test_amounts_have_eight_digits_or_none() -> None:
    assert (eight(Decimal("1.5")), eight(Decimal(0))) == ("1.50000000", "0.00000000")
    assert (short(Decimal("1.50")), short(Decimal(0)), short(Decimal(100))) == ("1.5", "0", "100")
    assert (none_or(0, "x"), none_or(1, "x")) == ("0", "x")


@pytest.mark.parametrize(("text", "code"), [("60000.05", -4014), ("60000.10", None)])
def test_prices_are_on_the_tick(text: str, code: int | None) -> None:
    if code is None:
        assert SCALE.to_ticks(Decimal(text)) == 600_001
        return
    with pytest.raises(ApiError) as error:
        SCALE.to_ticks(Decimal(text))
    assert error.value.code == code


@pytest.mark.parametrize(("text", "code"), [("0", -4003), ("-1", -4003), ("0.0015", -4023)])
def test_sizes_are_on_the_step(text: str, code: int) -> None:
    with pytest.raises(ApiError) as error:
        SCALE.to_lots(Decimal(text))
    assert error.value.code == code


@pytest.mark.parametrize("refusal", [each for each in Refusal if each not in NOT_HERE])
def test_every_refusal_has_a_code_of_its_own(refusal: Refusal) -> None:
    error = refused(Refused(refusal, "MAX_NUM_ORDERS"))
    assert error.code < 0
    assert error.code != -1013


@pytest.mark.parametrize(
    ("detail", "price", "lots", "code"),
    [
        ("PRICE_FILTER", 600_001, 6, -4014), ("PRICE_FILTER", 10**9, 6, -4002),
        ("LOT_SIZE", 600_000, 7, -4023), ("LOT_SIZE", 600_000, 6 * 10**9, -4005),
    ],
)  # fmt: skip
def test_a_grid_that_became_coarser_is_told_by_its_code(
    detail: str, price: int, lots: int, code: int
) -> None:
    scale = FuturesScale(msgspec.structs.replace(BTC_USDT_PERP, price_step=5, lot_step=3))
    request = NewOrder(account="main", symbol="BTC-USDT", side=Side.BUY, kind=Kind.LIMIT,
                       price=price, lots=lots)  # fmt: skip
    error = order_refused(Refused(Refusal.FILTER, detail), request, scale, 600_000)
    assert error.code == code
