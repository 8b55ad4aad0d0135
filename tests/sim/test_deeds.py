"""What others do to an account, and what the venue says that is not so."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from pitwire.model.orders import Side
from pitwire.sim.facts import Kind, NewOrder, Refused, Status
from pitwire.sim.faults import (
    ByHand,
    ChangeRules,
    ExpireOrders,
    Fault,
    HaltMarket,
    Misreport,
    RevokeKeys,
    Withhold,
)
from pitwire.sim.verdicts import AS_USUAL
from pitwire.sim.world import BTC_USDT, World

BTC = "BTC-USDT"


def lived(*faults: Fault, seconds: float = 5.0) -> World:
    world = World(seed=2, scenario="calm", faults=faults)
    world.advance(seconds)
    return world


def test_orders_by_hand_rest_far_away_or_take() -> None:
    world = lived(ByHand(at_seconds=1), ByHand(at_seconds=2, how="take", side="sell"))
    resting, taken = world.exchange.all_orders("main", BTC)
    assert (resting.client_id, resting.status) == ("by-hand-1", Status.NEW)
    assert (taken.client_id, taken.status) == ("by-hand-2", Status.FILLED)
    assert [fault for _, fault in world.plan.happened] == list(world.plan.faults)
    assert world.exchange.listings[BTC].lot * taken.filled_lots == Decimal("0.01")


def test_the_venue_ends_orders_by_itself_the_oldest_first() -> None:
    hands = [ByHand(at_seconds=1, name=name) for name in ("one", "two", "three")]
    world = lived(*hands, ExpireOrders(at_seconds=2, count=2))
    found = {one.client_id[:3]: one.status for one in world.exchange.all_orders("main", BTC)}
    assert found == {"one": Status.EXPIRED, "two": Status.EXPIRED, "thr": Status.NEW}


def test_a_market_that_is_halted_takes_no_orders() -> None:
    world = lived(HaltMarket(at_seconds=1), ByHand(at_seconds=2))
    assert world.exchange.listings[BTC].status == "HALT"
    assert world.exchange.all_orders("main", BTC) == []
    assert [type(fault) for _, fault in world.plan.happened] == [HaltMarket]


def test_the_least_value_of_an_order_is_raised_and_told_to_who_asks() -> None:
    world = lived(
        ByHand(at_seconds=1, name="before"),
        ChangeRules(at_seconds=2, min_notional=Decimal(10_000)),
        ByHand(at_seconds=3, name="after"),
    )
    (resting,) = world.exchange.all_orders("main", BTC)
    assert resting.client_id == "before-1"
    told = world.facade.office.scales[BTC].listing
    assert (told.min_notional, told.tick) == (Decimal(10_000), world.exchange.listings[BTC].tick)


def test_a_grid_is_made_coarser_and_told_to_who_asks() -> None:
    own = BTC_USDT
    finer = ChangeRules(at_seconds=1, tick=own.tick * Decimal("1.5"))
    world = lived(ByHand(at_seconds=1, name="before"), finer,
                  ChangeRules(at_seconds=2, tick=own.tick * 7, lot=own.lot * 3))  # fmt: skip
    now, exchange = world.clock.now(), world.exchange
    assert [type(fault) for _, fault in world.plan.happened] == [ByHand, ChangeRules], "one is none"
    (resting,) = exchange.all_orders("main", BTC)

    def place(name: str, price: int, lots: int) -> None:
        exchange.place(NewOrder(account="main", symbol=BTC, side=Side.BUY, kind=Kind.LIMIT,
                                client_id=name, price=price, lots=lots), now)  # fmt: skip

    place("good", 7 * 800_000, 3 * 1_000)
    for price, lots, detail in (
        (7 * 800_000 + 1, 3_000, "PRICE_FILTER"),
        (7 * 800_000, 3_001, "LOT_SIZE"),
    ):
        with pytest.raises(Refused) as refused:
            place("bad", price, lots)
        assert refused.value.detail == detail
    assert {one.client_id for one in exchange.open_orders("main")} == {resting.client_id, "good"}
    spent = NewOrder(account="main", symbol=BTC, side=Side.BUY, kind=Kind.MARKET, client_id="spent",
                     quote=Decimal("100.3"))  # fmt: skip
    assert exchange.place(spent, now).lots % 3 == 0, "as many whole lots as the amount buys"
    reply = world.facade.http("GET", "/api/v3/exchangeInfo?symbol=BTCUSDT", headers={}, body=b"",
                              now=now)  # fmt: skip
    (listed,) = json.loads(reply.body)["symbols"]
    filters = {one["filterType"]: one for one in listed["filters"]}
    assert Decimal(filters["PRICE_FILTER"]["tickSize"]) == own.tick * 7
    assert Decimal(filters["LOT_SIZE"]["stepSize"]) == own.lot * 3


def test_a_key_that_is_revoked_is_valid_no_more() -> None:
    world = lived(RevokeKeys(at_seconds=1))
    assert [type(fault) for _, fault in world.plan.happened] == [RevokeKeys]


def test_a_request_may_be_meant_by_more_than_one_name() -> None:
    world = World(faults=(Misreport(kind="status"), Withhold(kind="query", share=0.5, count=0)))
    now = world.clock.now()
    assert world.plan.request("place", now) == AS_USUAL
    first = world.plan.request("query status", now)
    assert (first.code, first.done, first.kept) == (-1007, True, 0.5)
    assert world.plan.request("query status", now).code == 0


@pytest.mark.parametrize("done", [True, False])
def test_a_misreport_is_answered_in_the_venues_words(done: bool) -> None:
    lie = Misreport(kind="ping", code=-1003, status=429, done=done, text="Way too much",
                    retry_after_seconds=2.0)  # fmt: skip
    world = World(faults=(lie,))
    reply = world.facade.http("GET", "/api/v3/ping", headers={}, body=b"", now=world.clock.now())
    assert reply.status == 429
    assert json.loads(reply.body) == {"code": -1003, "msg": "Way too much"}
