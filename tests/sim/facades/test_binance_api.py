"""The method table says what the papers say (binance §5.7)."""

from __future__ import annotations

import pytest

from pitwire.sim.facades.binance_api import (
    KINDS,
    LISTEN_KEY_METHODS,
    LISTEN_KEY_ROUTES,
    METHODS,
    ROUTES,
    method,
)

WEIGHTS = {
    "ping": 1,
    "time": 1,
    "exchangeInfo": 20,
    "depth": 5,
    "trades.recent": 25,
    "trades.historical": 25,
    "trades.aggregate": 4,
    "klines": 2,
    "uiKlines": 2,
    "avgPrice": 2,
    "ticker.24hr": 2,
    "ticker.tradingDay": 4,
    "ticker": 4,
    "ticker.price": 2,
    "ticker.book": 2,
    "executionRules": 40,
    "referencePrice": 2,
    "referencePrice.calculation": 2,
    "blockTrades.historical": 25,
    "orderList.place": 1,
    "orderList.place.oco": 1,
    "orderList.place.oto": 1,
    "orderList.place.otoco": 1,
    "orderList.place.opo": 1,
    "orderList.place.opoco": 1,
    "orderList.cancel": 1,
    "orderList.status": 4,
    "openOrderLists.status": 6,
    "allOrderLists": 20,
    "sor.order.place": 1,
    "sor.order.test": 1,
    "myPreventedMatches": 20,
    "myAllocations": 20,
    "order.amendments": 4,
    "myFilters": 40,
    "order.place": 1,
    "order.test": 1,
    "order.cancel": 1,
    "order.cancelReplace": 1,
    "order.amend.keepPriority": 4,
    "openOrders.cancelAll": 1,
    "account.status": 20,
    "order.status": 4,
    "openOrders.status": 80,
    "allOrders": 20,
    "myTrades": 20,
    "account.rateLimits.orders": 40,
    "account.commission": 20,
    "session.logon": 2,
    "session.status": 2,
    "session.logout": 2,
    "session.subscriptions": 2,
    "userDataStream.subscribe": 2,
    "userDataStream.subscribe.signature": 2,
    "userDataStream.unsubscribe": 2,
}


def test_weights() -> None:
    assert {name: row.weight for name, row in METHODS.items()} == WEIGHTS


def test_what_is_free_when_it_succeeds_and_what_counts_as_an_order() -> None:
    assert {name for name, row in METHODS.items() if row.free} == {
        "order.place",
        "order.cancel",
        "order.cancelReplace",
        "openOrders.cancelAll",
        "orderList.place",
        "orderList.place.oco",
        "orderList.place.oto",
        "orderList.place.otoco",
        "orderList.cancel",
    }
    assert {name for name, row in METHODS.items() if row.orders} == {
        "order.place",
        "order.cancelReplace",
        "orderList.place",
        "orderList.place.oco",
        "orderList.place.oto",
        "orderList.place.otoco",
    }


def test_whoever_trades_needs_a_trading_key() -> None:
    trading = {name for name, row in METHODS.items() if row.auth == "trade"}
    assert trading == {
        "order.place",
        "order.test",
        "order.cancel",
        "order.cancelReplace",
        "order.amend.keepPriority",
        "openOrders.cancelAll",
        "orderList.place",
        "orderList.place.oco",
        "orderList.place.oto",
        "orderList.place.otoco",
        "orderList.place.opo",
        "orderList.place.opoco",
        "orderList.cancel",
        "sor.order.place",
        "sor.order.test",
    }


def test_every_route_and_every_kind_is_a_row() -> None:
    assert set(ROUTES.values()) <= METHODS.keys()
    assert KINDS.keys() <= METHODS.keys()
    assert set(LISTEN_KEY_ROUTES.values()) == LISTEN_KEY_METHODS.keys()


@pytest.mark.parametrize("name", ["order.place", "v3/order.place"])
def test_a_version_in_front_changes_nothing(name: str) -> None:
    assert method(name, listen_keys=False) is METHODS["order.place"]


def test_the_old_way_in_is_there_only_when_asked_for() -> None:
    assert method("userDataStream.start", listen_keys=False) is None
    assert method("userDataStream.start", listen_keys=True) is not None
