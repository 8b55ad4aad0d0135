"""Money is exact, and what one account loses another gains."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal, Inexact

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitwire.model.orders import Side
from pitwire.sim.accounts import EXACT, FEE_STEP, FEES, Accounts, Terms
from pitwire.sim.facts import Kind, Listing, Refusal, Refused, SimOrder, Stp, Tif

TERMS = Terms(
    Listing(symbol="A-B", base="A", quote="B", tick=Decimal("0.01"), lot=Decimal("0.00001"))
)


def order(side: Side, *, lots: int, price: int) -> SimOrder:
    return SimOrder(
        order_id=1,
        account="ann",
        symbol="A-B",
        side=side,
        kind=Kind.LIMIT,
        tif=Tif.GTC,
        lots=lots,
        price=price,
        reserve_price=price if side is Side.BUY else 0,
        client_id="",
        stp=Stp.NONE,
    )


def rich() -> Accounts:
    accounts = Accounts()
    accounts.list_terms(TERMS)
    for name in ("ann", "crowd"):
        funds = {"A": Decimal(10**9), "B": Decimal(10**12)}
        accounts.open(name, funds, unlimited=name == "crowd")
    return accounts


def test_arithmetic_raises_rather_than_rounds():
    with pytest.raises(Inexact):
        EXACT.divide(Decimal(1), Decimal(3))


@given(
    st.sampled_from(Side),
    st.integers(1, 10**9),
    st.integers(1, 10**8),
    st.integers(0, 10**8),
    st.decimals("0", "0.1", places=6),
)
def test_locking_and_trading_conserve_money(
    side: Side, price: int, lots: int, better: int, rate: Decimal
):
    accounts = rich()
    ann, crowd = accounts.find("ann"), accounts.find("crowd")
    paid = max(price - better, 1) if side is Side.BUY else price + better
    wish, counter = order(side, lots=lots, price=price), order(side.opposite, lots=lots, price=paid)
    try:
        accounts.lock(ann, TERMS, wish)
    except Refused:
        assert accounts.take_changes("A-B", 1) == []
        return
    fee, _ = accounts.settle(ann, TERMS, wish, paid, lots, rate)
    assert accounts.settle(crowd, TERMS, counter, paid, lots, rate) == (0, 0)
    totals = {"A": Decimal(0), "B": Decimal(0)}
    for name in accounts.names():
        for asset, (free, locked) in accounts.amounts(name).items():
            totals[asset] += free + locked
    assert totals == {"A": Decimal(2 * 10**9), "B": Decimal(2 * 10**12)}
    received = "A" if side is Side.BUY else "B"
    assert accounts.amounts(FEES).get(received, (Decimal(0),))[0] == fee
    assert {locked for _, locked in accounts.amounts("ann").values()} == {Decimal(0)}


def test_changes_are_told_once_and_only_of_accounts_that_somebody_reads():
    accounts = rich()
    accounts.deposit("ann", "C", Decimal("0.1"))
    accounts.deposit("crowd", "C", Decimal("0.1"))
    (told,) = accounts.take_changes("A-B", 5)
    assert (told.account, told.asset, told.free, told.locked, told.at) == (
        "ann",
        "C",
        Decimal("0.1"),
        Decimal(0),
        5,
    )
    assert accounts.take_changes("A-B", 6) == []


def test_an_unknown_owner_is_refused():
    with pytest.raises(Refused) as refused:
        Accounts().find("zoe")
    assert refused.value.refusal is Refusal.ACCOUNT_DISABLED


def test_a_commission_is_charged_in_steps_that_a_venue_can_tell():
    accounts = rich()
    ann = accounts.find("ann")
    wish = order(Side.SELL, lots=3, price=7_777_777)
    accounts.lock(ann, TERMS, wish)
    fee, _ = accounts.settle(ann, TERMS, wish, 7_777_777, 3, Decimal("0.00075"))
    paid = 7_777_777 * 3 * TERMS.unit
    assert fee == (paid * Decimal("0.00075")).quantize(FEE_STEP, rounding=ROUND_DOWN)
    assert fee < paid * Decimal("0.00075")
    free, _ = accounts.amounts("ann")["B"]
    assert free == Decimal(10**12) + paid - fee
