"""Orders over Alpaca's REST API (alpaca §5.3–5.8)."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from pitwire.sim.facades.alpaca_text import moment
from pitwire.sim.facts import Stp
from tests.sim.alpaca_client import RestClient, Trader, place, quiet_world

SUBMITTED = json.loads(
    """{"id":"7b08df51-c1ac-453c-99f9-323a5f075f0d",
 "client_order_id":"5680c4bc-9ac1-4a12-a44c-df427ba53032",
 "created_at":"2023-12-12T22:31:24.668464435Z","updated_at":"2023-12-12T22:31:24.668464435Z",
 "submitted_at":"2023-12-12T22:31:24.577215743Z","filled_at":null,"expired_at":null,
 "canceled_at":null,"failed_at":null,"replaced_at":null,"replaced_by":null,"replaces":null,
 "asset_id":"b0b6dd9d-8b9b-48a9-ba46-b9d54906e415","symbol":"AAPL","asset_class":"us_equity",
 "notional":null,"qty":"2","filled_qty":"0","filled_avg_price":null,"order_class":"",
 "order_type":"limit","type":"limit","side":"buy","time_in_force":"gtc","limit_price":"150",
 "stop_price":null,"status":"accepted","extended_hours":false,"legs":null,"trail_percent":null,
 "trail_price":null,"hwm":null,"subtag":null,"source":null}"""
)
"""The papers' own example (§5.4)."""
STOCK = {"symbol": "AAPL", "qty": "2", "side": "buy", "type": "limit", "limit_price": "150",
         "time_in_force": "gtc"}  # fmt: skip


@pytest.fixture
def client() -> RestClient:
    return RestClient(quiet_world())


def test_an_order_is_answered_as_in_the_papers() -> None:
    client = RestClient(quiet_world(submit_status="accepted"))
    status, order = client.ask("POST", "/v2/orders", STOCK)
    assert status == 200
    assert list(order) == list(SUBMITTED)
    own = {"id", "client_order_id", "created_at", "updated_at", "submitted_at", "asset_id"}
    assert {k: v for k, v in order.items() if k not in own} == {
        k: v for k, v in SUBMITTED.items() if k not in own
    }
    assert moment(order["created_at"]) == client.world.clock.now()
    assert client.get(f"/v2/orders/{order['id']}") == order | {"status": "new"}
    (held,) = client.world.exchange.open_orders("main")
    assert (held.lots, held.price, held.client_id) == (2, 15_000, order["client_order_id"])


def test_numbers_are_taken_as_numbers_and_as_text(client: RestClient) -> None:
    one = client.placed(qty=0.5, limit_price=59_000.25)
    other = client.placed(qty="0.50", limit_price="59000.25")
    for order in (one, other):
        assert (order["qty"], order["limit_price"]) == ("0.5", "59000.25")


def test_an_order_is_found_by_its_ids_and_by_nobody_else(client: RestClient) -> None:
    order = client.placed(client_order_id="mine")
    query = "/v2/orders:by_client_order_id?client_order_id="
    assert client.get(query + "mine")["id"] == order["id"]
    other = RestClient(client.world, "other")
    for target in (f"/v2/orders/{order['id']}", query + "mine", f"{query}theirs"):
        status, body = other.ask("GET", target)
        assert (status, body["code"]) == (404, 40_410_000)
    assert other.ask("DELETE", f"/v2/orders/{order['id']}")[0] == 404


def test_a_client_id_is_good_for_one_order() -> None:
    for for_ever in (True, False):
        client = RestClient(quiet_world(client_ids_for_ever=for_ever))
        order = client.placed(client_order_id="mine")
        again = (422, {"code": 40_010_001, "message": "client_order_id must be unique"})
        assert client.submit(client_order_id="mine") == again
        client.ask("DELETE", f"/v2/orders/{order['id']}")
        status, body = client.submit(client_order_id="mine")
        assert (status, body) == again if for_ever else status == 200
        assert len(client.get("/v2/orders?status=all")) == (1 if for_ever else 2)


def test_cancel_one_and_all(client: RestClient) -> None:
    first, second = client.placed(), client.placed(limit_price="58000")
    assert client.ask("DELETE", f"/v2/orders/{first['id']}") == (204, None)
    found = client.get(f"/v2/orders/{first['id']}")
    assert (found["status"], found["canceled_at"] is not None) == ("canceled", True)
    status, body = client.ask("DELETE", f"/v2/orders/{first['id']}")
    assert (status, body["code"]) == (422, 42_210_000)
    assert body["message"] == 'order is already in "canceled" state'
    assert client.ask("DELETE", "/v2/orders") == (207, [{"id": second["id"], "status": 200}])
    assert client.get("/v2/orders") == client.world.exchange.open_orders("main") == []
    assert client.ask("DELETE", "/v2/orders") == (207, [])
    (kept, _) = client.world.exchange.all_orders("main", "BTC-USD")
    assert kept.client_id == first["client_order_id"], "an end gives no other name here"


def test_a_replacement_is_another_order(client: RestClient) -> None:
    trader = Trader(client.world)
    order = client.placed(qty="1")
    place(client.world, "sell", "59000", "0.25")
    trader.take()
    change = {"qty": "2", "limit_price": 58_000, "client_order_id": "next"}
    status, new = client.ask("PATCH", f"/v2/orders/{order['id']}", change)
    assert (status, new["replaces"], new["qty"], new["limit_price"]) == (
        200, order["id"], "2", "58000",
    )  # fmt: skip
    assert (new["client_order_id"], new["filled_qty"]) == ("next", "0.25")
    old = client.get(f"/v2/orders/{order['id']}")
    assert (old["status"], old["replaced_by"], old["filled_qty"]) == ("replaced", new["id"], "0.25")
    assert old["replaced_at"] is not None
    assert trader.events() == [("replaced", "replaced"), ("new", "new")]
    (held,) = client.world.exchange.open_orders("main")
    assert (held.left, held.price) == (175_000, 5_800_000), "of two, a quarter was filled"
    place(client.world, "sell", "58000", "1.75")
    (fill,) = trader.take()
    shown = fill["data"]["order"]
    assert (shown["id"], shown["status"], shown["filled_qty"]) == (new["id"], "filled", "2")
    status, body = client.ask("PATCH", f"/v2/orders/{new['id']}", {"qty": "3"})
    assert body == {"code": 42_210_000, "message": "unable to replace order in current state"}


def test_a_replacement_may_show_its_own_part_alone() -> None:
    client = RestClient(quiet_world(replace_carries_fills=False))
    order = client.placed(qty="1")
    place(client.world, "sell", "59000", "0.25")
    _, new = client.ask("PATCH", f"/v2/orders/{order['id']}", {"limit_price": "58000"})
    assert (new["qty"], new["filled_qty"]) == ("0.75", "0")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"qty": "0.1"}, "qty must be greater than what was filled"),
        ({"limit_price": "58000.001"}, "sub-penny increment"),
        ({"qty": "20"}, "insufficient buying power"),
        ({"qty": "x"}, "qty must be a positive number"),
        ({"time_in_force": "day"}, "invalid crypto time_in_force"),
        ({"trail": 1}, "trail is only for trailing stop orders"),
        ({"limit_price": "0.5"}, "cost basis must be >= minimal amount of order 1"),
        ({"client_order_id": "taken"}, "client_order_id must be unique"),
    ],
)
def test_a_replacement_that_cannot_be_changes_nothing(
    client: RestClient, change: dict[str, Any], message: str
) -> None:
    client.placed(client_order_id="taken", limit_price="50000", qty="0.1")
    order = client.placed(qty="1")
    place(client.world, "sell", "59000", "0.25")
    status, body = client.ask("PATCH", f"/v2/orders/{order['id']}", change)
    assert status in (403, 422)
    assert message in body["message"]
    assert client.get(f"/v2/orders/{order['id']}")["status"] == "partially_filled"
    assert len(client.world.exchange.open_orders("main")) == 2


def test_the_list_has_pages_and_filters(client: RestClient) -> None:
    orders = []
    for price in range(58_000, 58_005):
        client.world.advance(1)
        orders.append(client.placed(limit_price=str(price)))
    client.world.advance(1)
    stock = client.ask("POST", "/v2/orders", STOCK)[1]
    client.ask("DELETE", f"/v2/orders/{orders[0]['id']}")
    ids = [order["id"] for order in [*orders, stock]]

    def listed(query: str) -> list[str]:
        return [order["id"] for order in client.get(f"/v2/orders?{query}")]

    assert listed("") == ids[:0:-1]
    assert listed("direction=asc&limit=2") == ids[1:3]
    assert listed("status=closed") == ids[:1]
    assert listed("status=all&direction=asc") == ids
    assert listed("symbols=BTCUSD&direction=asc") == ids[1:5]
    assert listed("symbols=AAPL,ETHUSD") == listed("asset_class=us_equity") == [stock["id"]]
    assert listed("side=sell") == listed("symbols=NOTHING") == []
    after = orders[3]["submitted_at"]
    assert listed(f"after={after}&direction=asc") == ids[4:]
    assert listed(f"until={after}&direction=asc&status=all") == ids[:3]
    assert listed(f"after_order_id={ids[3]}&direction=asc") == ids[4:]
    assert listed(f"before_order_id={ids[2]}&status=all&direction=asc") == ids[:2]
    for bad in ("limit=501", "limit=x", "status=maybe", "direction=up", "after=never",
                f"before_order_id={ids[0]}&after_order_id={ids[1]}"):  # fmt: skip
        assert client.ask("GET", f"/v2/orders?{bad}")[0] == 422


@pytest.mark.parametrize(
    ("fields", "status", "code", "message"),
    [
        ({"symbol": None}, 422, 40_010_001, "symbol is required"),
        ({"symbol": "MOON"}, 422, 42_210_000, 'asset "MOON" not found'),
        ({"side": "hold"}, 422, 40_010_001, "side must be buy or sell"),
        ({"type": "iceberg"}, 422, 40_010_001, "invalid order type"),
        ({"time_in_force": "gtd"}, 422, 40_010_001, "invalid time_in_force"),
        ({"time_in_force": "day"}, 422, 42_210_000, "invalid crypto time_in_force"),
        ({"type": "stop", "limit_price": None, "stop_price": 1}, 422, 42_210_000,
         "invalid order type for crypto order"),
        ({"qty": None}, 422, 40_010_001, "qty or notional is required"),
        ({"notional": 5}, 422, 40_010_001, "qty or notional is required, and only one"),
        ({"qty": -1}, 422, 40_010_001, "qty must be a positive number"),
        ({"qty": True}, 422, 40_010_001, "qty must be a positive number"),
        ({"qty": "NaN"}, 422, 40_010_001, "qty must be a positive number"),
        ({"qty": "0.000001"}, 422, 42_210_000, "invalid qty 0.000001"),
        ({"limit_price": None}, 422, 40_010_001, "limit orders require limit_price"),
        ({"stop_price": 1}, 422, 40_010_001, "limit orders must not have stop_price"),
        ({"limit_price": "290.123"}, 422, 42_210_000,
         "invalid limit_price 290.123. sub-penny increment does not fulfill minimum pricing"),
        ({"limit_price": "1", "qty": "0.5"}, 403, 40_310_000, "cost basis must be >= minimal"),
        ({"limit_price": "59000", "qty": "100"}, 403, 40_310_000, "insufficient buying power"),
        ({"side": "sell", "qty": "11"}, 403, 40_310_000,
         "insufficient qty available for order (requested: 11, available: 10)"),
        ({"symbol": "SPY", "qty": 1, "side": "sell"}, 403, 40_310_000, "not allowed to short"),
        ({"symbol": "AAPL", "qty": 1.5}, 422, 42_210_000, 'asset "AAPL" is not fractionable'),
        ({"symbol": "AAPL", "qty": 1, "extended_hours": True, "time_in_force": "ioc"}, 422,
         42_210_000, "extended hours order must be DAY or GTC"),
        ({"symbol": "AAPL", "qty": 1, "type": "stop", "limit_price": None, "stop_price": 200,
          "side": "sell"}, 422, 42_210_000, "stop price must be less than current price"),
        ({"symbol": "AAPL", "qty": 1, "order_class": "bracket"}, 422, 42_210_000, "not simulated"),
        ({"symbol": "AAPL", "qty": 1, "type": "trailing_stop"}, 422, 42_210_000, "not simulated"),
        ({"symbol": "AAPL", "qty": 1, "time_in_force": "opg"}, 422, 42_210_000, "not simulated"),
        ({"client_order_id": "x" * 129}, 422, 40_010_001, "no more than 128 characters"),
        ({"client_order_id": 7}, 422, 40_010_001, "invalid client_order_id"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_order_is_said(
    client: RestClient, fields: dict[str, Any], status: int, code: int, message: str
) -> None:
    found, body = client.submit(**fields)
    assert (found, body["code"]) == (status, code)
    assert message in body["message"]
    assert client.world.exchange.open_orders("main") == []
    assert client.get("/v2/orders?status=all") == []


def test_refusals_have_the_papers_keys(client: RestClient) -> None:
    _, poor = client.submit(qty="100")
    assert poor.keys() == {"code", "message", "buying_power", "cost_basis"}
    assert (poor["buying_power"], poor["cost_basis"]) == ("1000000", "5900000")
    selling = client.placed(side="sell", qty="4", limit_price="61000")
    _, short = client.submit(side="sell", qty="7", limit_price="61000")
    assert short == {
        "code": 40_310_000,
        "available": "6",
        "existing_qty": "10",
        "held_for_orders": "4",
        "related_orders": [selling["id"]],
        "symbol": "BTC/USD",
        "message": "insufficient qty available for order (requested: 7, available: 6)",
    }
    stop = {**STOCK, "type": "stop", "limit_price": None, "stop_price": "180", "side": "sell"}
    _, above = client.ask("POST", "/v2/orders", {k: v for k, v in stop.items() if v})
    assert (above["market_price"], above["stop_price"]) == ("175", "180")
    assert client.ask("POST", "/v2/orders")[:1] == (400,)


def test_nobody_trades_with_himself(client: RestClient) -> None:
    bid = client.placed(limit_price="59000")
    status, body = client.submit(side="sell", limit_price="59000")
    assert (status, body["existing_order_id"]) == (403, bid["id"])
    assert body["message"] == "potential wash trade detected. use complex orders"
    assert body["reject_reason"] == "opposite side limit order exists"
    _, body = client.submit(side="sell", type="market", limit_price=None)
    assert body["reject_reason"] == "opposite side market/stop order exists"
    client.placed(side="sell", limit_price="59000.01")


def test_an_order_that_would_trade_with_its_own_account_ends_and_is_told(
    client: RestClient,
) -> None:
    """As one does that was put at the exchange itself: nothing asked there whether it is a wash."""
    trader = Trader(client.world)
    resting = client.placed()
    price, stp = resting["limit_price"], Stp.EXPIRE_MAKER
    place(client.world, "sell", price, "0.1", account="main", stp=stp)
    client.world.advance(1)
    told = [m["data"] for m in trader.take() if m["data"]["order"]["id"] == resting["id"]]
    assert told[-1]["event"] == told[-1]["order"]["status"] == "expired"
    assert client.get(f"/v2/orders/{resting['id']}")["status"] == "expired"
    assert client.ask("DELETE", f"/v2/orders/{resting['id']}")[0] == 422


def test_kinds_of_orders(client: RestClient) -> None:
    place(client.world, "sell", "60000", "1")
    place(client.world, "buy", "59900", "1")
    bought = client.placed(type="market", limit_price=None, qty=None, notional="6000")
    found = client.get(f"/v2/orders/{bought['id']}")
    assert (found["status"], found["notional"], found["qty"], found["filled_qty"]) == (
        "filled", "6000", None, "0.1",
    )  # fmt: skip
    taken = client.placed(time_in_force="ioc", limit_price="60000", qty="2")
    found = client.get(f"/v2/orders/{taken['id']}")
    assert (found["status"], found["filled_qty"]) == ("canceled", "0.9")
    stop = client.placed(type="stop_limit", side="sell", stop_price="59950", limit_price="59800")
    assert client.get(f"/v2/orders/{stop['id']}")["status"] == "new"
    place(client.world, "sell", "59900", "0.1")
    assert client.get(f"/v2/orders/{stop['id']}")["status"] == "filled"


def test_positions_are_sold_at_the_market(client: RestClient) -> None:
    place(client.world, "buy", "60000", "9")
    status, order = client.ask("DELETE", "/v2/positions/BTCUSD?qty=2")
    assert (status, order["type"], order["qty"]) == (200, "market", "2")
    assert client.get("/v2/positions/BTC%2FUSD")["qty"] == "8"
    client.ask("DELETE", "/v2/positions/BTCUSD?percentage=50")
    assert client.get("/v2/positions/BTCUSD")["qty"] == "4"
    client.placed()
    status, told = client.ask("DELETE", "/v2/positions?cancel_orders=true")
    assert status == 207
    assert {one["symbol"]: one["status"] for one in told} == {
        "BTC/USD": 200, "ETH/USD": 200, "AAPL": 200,
    }  # fmt: skip
    left = client.world.exchange.balances("main")["BTC"]
    assert left == (Decimal("1"), 0), "the bid was for nine"
    assert client.ask("DELETE", "/v2/positions/SPY")[0] == 404
