"""Whatever an account does, what it was told adds up to what it is told when it asks."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sim.binance_client import ApiClient, quiet_world

price = st.integers(59_990, 60_010).map(lambda whole: f"{whole}.00")
quantity = st.integers(1, 40).map(lambda thousandths: f"{thousandths / 1000:.3f}")
side = st.sampled_from(["BUY", "SELL"])
who = st.integers(0, 1)
deed = st.one_of(
    st.tuples(st.just("limit"), who, side, price, quantity, st.sampled_from(["GTC", "IOC", "FOK"])),
    st.tuples(st.just("maker"), who, side, price, quantity),
    st.tuples(st.just("market"), who, side, quantity),
    st.tuples(st.just("stop"), who, side, price, quantity),
    st.tuples(st.just("cancel"), who, st.integers(0, 20)),
    st.tuples(st.just("amend"), who, st.integers(0, 20), quantity),
    st.tuples(st.just("replace"), who, st.integers(0, 20), side, price, quantity),
)


class Diary:
    """What one account makes of its events."""

    def __init__(self) -> None:
        self.balances: dict[str, tuple[str, str]] = {}
        self.orders: dict[int, Any] = {}
        self.filled: defaultdict[int, Decimal] = defaultdict(Decimal)
        self.last_execution = 0

    def read(self, event: Any) -> None:
        if event["e"] == "outboundAccountPosition":
            for row in event["B"]:
                self.balances[row["a"]] = (row["f"], row["l"])
        if event["e"] == "executionReport" and event["x"] != "REJECTED":
            assert event["I"] > self.last_execution
            self.last_execution = event["I"]
            self.orders[event["i"]] = event
            self.filled[event["i"]] += Decimal(event["l"])
            assert self.filled[event["i"]] == Decimal(event["z"])
            assert Decimal(event["z"]) <= Decimal(event["q"])

    def open_orders(self) -> dict[int, tuple[str, str, str, str]]:
        return {
            number: (event["X"], event["q"], event["z"], event["c"])
            for number, event in self.orders.items()
            if event["X"] in ("NEW", "PARTIALLY_FILLED")
        }


def act(client: ApiClient, what: tuple[Any, ...]) -> None:
    ask: dict[str, Any] = {"symbol": "BTCUSDT"}
    match what:
        case ("limit", _, side, price, quantity, tif):
            ask |= {"side": side, "type": "LIMIT", "timeInForce": tif, "price": price}
            client.ask("order.place", **ask, quantity=quantity)
        case ("maker", _, side, price, quantity):
            ask |= {"side": side, "type": "LIMIT_MAKER", "price": price, "quantity": quantity}
            client.ask("order.place", **ask)
        case ("market", _, side, quantity):
            client.ask("order.place", **ask, side=side, type="MARKET", quantity=quantity)
        case ("stop", _, side, price, quantity):
            ask |= {"side": side, "type": "STOP_LOSS", "stopPrice": price, "quantity": quantity}
            client.ask("order.place", **ask)
        case ("cancel", _, number):
            client.ask("order.cancel", **ask, orderId=number)
        case ("amend", _, number, quantity):
            client.ask("order.amend.keepPriority", **ask, orderId=number, newQty=quantity)
        case ("replace", _, number, side, price, quantity):
            ask |= {"side": side, "type": "LIMIT", "timeInForce": "GTC", "price": price}
            ask |= {"cancelReplaceMode": "ALLOW_FAILURE", "cancelOrderId": number}
            client.ask("order.cancelReplace", **ask, quantity=quantity)


@given(st.lists(deed, min_size=1, max_size=25))
@settings(max_examples=60, deadline=None)
def test_events_add_up(deeds: list[tuple[Any, ...]]) -> None:
    world = quiet_world()
    clients = [ApiClient(world), ApiClient(world, account="other")]
    diaries = [Diary(), Diary()]
    for client in clients:
        client.subscribe()
    for what in deeds:
        act(clients[what[1]], what)
        world.advance(0.01)
    for client, diary in zip(clients, diaries, strict=True):
        for event in client.take_events():
            diary.read(event)
        told = client.done("account.status")["balances"]
        held = {row["asset"]: (row["free"], row["locked"]) for row in told}
        assert held | diary.balances == held
        listed = client.done("openOrders.status", symbol="BTCUSDT")
        assert diary.open_orders() == {
            row["orderId"]: (
                row["status"],
                row["origQty"],
                row["executedQty"],
                row["clientOrderId"],
            )
            for row in listed
        }
        fills = client.done("myTrades", symbol="BTCUSDT", limit=1000)
        sums: defaultdict[int, Decimal] = defaultdict(Decimal)
        for row in fills:
            sums[row["orderId"]] += Decimal(row["qty"])
        assert dict(sums) == {number: total for number, total in diary.filled.items() if total}
