"""Account, positions, fills, clock, calendar, assets (alpaca §5.9)."""

from __future__ import annotations

import json

import pytest

from pitwire.sim.facades.alpaca_text import moment
from pitwire.sim.faults import Withhold
from pitwire.sim.world import World
from tests.sim.alpaca_client import RICH, RestClient, Trader, place, quiet_world

ACCOUNT = json.loads(
    """{"id":"e6fe16f3-64a4-4921-8928-cadf02f92f98","account_number":"010203ABCD",
 "status":"ACTIVE","currency":"USD","cash":"-23140.2","portfolio_value":"103820.56",
 "equity":"103820.56","last_equity":"103529.24","buying_power":"262113.632",
 "regt_buying_power":"80680.36","options_buying_power":"40340.18","initial_margin":"63480.38",
 "maintenance_margin":"38088.228","last_maintenance_margin":"38000.832",
 "long_market_value":"126960.76","short_market_value":"0","multiplier":"4",
 "shorting_enabled":true,"sma":"0","trading_blocked":false,"transfers_blocked":false,
 "account_blocked":false,"trade_suspended_by_user":false,
 "created_at":"2019-06-12T22:47:07.99658Z","balance_asof":"2023-09-27",
 "intraday_adjustments":"0","pending_reg_taf_fees":"0","options_approved_level":2,
 "options_trading_level":1}"""
)
POSITION = json.loads(
    """{"asset_id":"b0b6dd9d-8b9b-48a9-ba46-b9d54906e415","symbol":"AAPL","exchange":"NASDAQ",
 "asset_class":"us_equity","asset_marginable":false,"qty":"2","qty_available":"2","side":"long",
 "avg_entry_price":"174.78","cost_basis":"349.56","market_value":"348.58",
 "current_price":"174.29","lastday_price":"174.61","change_today":"-0.0018326556325525",
 "unrealized_pl":"-0.98","unrealized_plpc":"-0.0028035244307129",
 "unrealized_intraday_pl":"-0.98","unrealized_intraday_plpc":"-0.0028035244307129"}"""
)
CLOCK = json.loads(
    """{"timestamp":"2025-06-24T14:15:22-04:00","is_open":true,
 "next_open":"2025-06-25T09:30:00-04:00","next_close":"2025-06-24T16:00:00-04:00"}"""
)
ASSET = json.loads(
    """{"id":"b0b6dd9d-8b9b-48a9-ba46-b9d54906e415","class":"us_equity","exchange":"NASDAQ",
 "symbol":"AAPL","name":"Apple Inc. Common Stock","status":"active","tradable":true,
 "marginable":true,"shortable":true,"easy_to_borrow":true,"borrow_status":"easy_to_borrow",
 "fractionable":true,"margin_requirement_long":"30","margin_requirement_short":"30",
 "attributes":[]}"""
)
DAY = {"date": "2025-01-02", "open": "09:30", "close": "16:00", "session_open": "0400",
       "session_close": "2000", "settlement_date": "2025-01-03"}  # fmt: skip
"""The papers' own examples."""
SECOND = 1_000_000_000


def types(shown: dict[str, object]) -> dict[str, type]:
    return {key: type(value) for key, value in shown.items()}


def test_an_account_s_money() -> None:
    world = quiet_world(accounts={"main": {"USD": RICH["USD"]}, "other": RICH})
    client = RestClient(world)
    shown = client.get("/v2/account")
    assert types({k: v for k, v in shown.items() if k in ACCOUNT}) == types(ACCOUNT)
    assert [shown[k] for k in ("cash", "equity", "buying_power")] == ["1000000"] * 3
    place(world, "sell", "60000", "1")
    client.placed(limit_price="60000", qty="1.5")
    shown = client.get("/v2/account")
    assert (shown["cash"], shown["buying_power"], shown["equity"], shown["long_market_value"]) == (
        "940000", "910000", "1000000", "60000",
    )  # fmt: skip
    assert RestClient(world, "other").get("/v2/account")["id"] != shown["id"]


def test_a_position_and_what_it_cost() -> None:
    world = quiet_world(accounts={"main": {"USD": RICH["USD"]}, "other": RICH})
    client = RestClient(world)
    assert client.get("/v2/positions") == []
    status, body = client.ask("GET", "/v2/positions/AAPL")
    assert (status, body) == (404, {"code": 40_410_000, "message": "position does not exist"})
    for price, size in (("174", "1"), ("175.56", "1"), ("180", "2")):
        place(world, "sell", price, size, symbol="AAPL-USD")
        client.placed(symbol="AAPL", limit_price=price, qty=1)
    (shown,) = client.get("/v2/positions")
    assert types(shown) == types(POSITION)
    assert list(shown) == list(POSITION)
    assert (shown["qty"], shown["cost_basis"], shown["market_value"]) == ("3", "529.56", "540")
    assert (shown["avg_entry_price"], shown["unrealized_pl"]) == ("176.52", "10.44")
    place(world, "buy", "180", "5", account="main", symbol="AAPL-USD")
    place(world, "buy", "170", "2", symbol="AAPL-USD")
    world.exchange.cancel_all("main", "AAPL-USD", world.clock.now())
    world.act()
    client.placed(symbol="AAPL", side="sell", limit_price="170", qty=2)
    (shown,) = client.get("/v2/positions")
    assert (shown["qty"], shown["avg_entry_price"]) == ("2", "177.39"), "as it was before"
    assert client.get(f"/v2/positions/{shown['asset_id']}") == shown
    client.placed(symbol="AAPL", side="sell", limit_price="170.5", qty=1)
    assert client.get("/v2/positions/AAPL")["qty_available"] == "1"


def test_what_an_account_begins_with_cost_what_the_market_begins_at() -> None:
    client = RestClient(quiet_world(slashless_positions=True))
    shown = {one["symbol"]: one for one in client.get("/v2/positions")}
    assert shown.keys() == {"BTCUSD", "ETHUSD", "AAPL"}
    assert shown["BTCUSD"]["avg_entry_price"] == "60000"
    world = client.world
    world.exchange.deposit("main", "BTC", RICH["BTC"], world.clock.now())
    world.act()
    assert client.get("/v2/positions/BTCUSD")["qty"] == "20"


def test_fills_are_told_by_pages_and_once_each() -> None:
    world = quiet_world()
    trader, client = Trader(world), RestClient(world)
    order = client.placed(qty="1")
    for _ in range(5):
        world.advance(1)
        place(world, "sell", "59000", "0.2")
    told = [m["data"] for m in trader.take() if "fill" in m["data"]["event"]]
    fills = client.get("/v2/account/activities/FILL?direction=asc")
    assert [fill["id"].partition("::")[2] for fill in fills] == [
        event["execution_id"] for event in told
    ]
    first, last = fills[0], fills[-1]
    assert first == {
        "id": first["id"], "activity_type": "FILL", "type": "partial_fill", "price": "59000",
        "qty": "0.2", "side": "buy", "symbol": "BTC/USD", "leaves_qty": "0.8", "cum_qty": "0.2",
        "order_id": order["id"], "transaction_time": told[0]["timestamp"],
        "order_status": "partially_filled",
    }  # fmt: skip
    assert (last["type"], last["cum_qty"], last["leaves_qty"]) == ("fill", "1", "0")
    assert first["id"].startswith("20231114171321"), "New York's time"
    newest = client.get("/v2/account/activities?page_size=2")
    assert newest == fills[:2:-1]
    token = newest[-1]["id"]
    assert client.get(f"/v2/account/activities?page_token={token}&page_size=100") == fills[2::-1]
    after = fills[2]["transaction_time"]
    path = "/v2/account/activities/FILL"
    assert client.get(f"{path}?after={after}&direction=asc") == fills[3:]
    assert client.get(f"{path}?until={after}&direction=asc") == fills[:2]
    assert len(client.get(f"{path}?date=2023-11-14")) == 5
    assert client.get(f"{path}?order_id={order['id']}&direction=asc") == fills
    assert client.get(f"{path}?order_id={order['id']}&page_token={token}") == fills[2::-1]
    assert client.get(f"{path}?order_id=another") == []
    for nothing in (f"{path}?date=2023-11-13", "/v2/account/activities/DIV",
                    "/v2/account/activities?activity_types=DIV,FEE"):  # fmt: skip
        assert client.get(nothing) == []
    assert client.ask("GET", f"{path}?page_token=x")[0] == 422
    assert RestClient(world, "other").get(path)[0]["side"] == "sell"


def test_fills_may_be_withheld() -> None:
    world = World(venue="alpaca", scenario=None, faults=[Withhold(kind="fills")],
                  accounts={"main": RICH, "other": RICH})  # fmt: skip
    client = RestClient(world)
    place(world, "sell", "59000", "1")
    client.placed()
    assert client.get("/v2/account/activities") == []
    assert len(client.get("/v2/account/activities")) == 1


@pytest.mark.parametrize(
    ("now", "is_open", "opens", "closes"),
    [
        ("2025-06-24T18:15:22Z", True, "2025-06-25T09:30:00-04:00", "2025-06-24T16:00:00-04:00"),
        ("2025-06-24T13:29:59Z", False, "2025-06-24T09:30:00-04:00", "2025-06-24T16:00:00-04:00"),
        ("2025-06-27T20:00:00Z", False, "2025-06-30T09:30:00-04:00", "2025-06-30T16:00:00-04:00"),
        ("2025-03-07T22:00:00Z", False, "2025-03-10T09:30:00-04:00", "2025-03-10T16:00:00-04:00"),
        ("2025-01-04T12:00:00Z", False, "2025-01-06T09:30:00-05:00", "2025-01-06T16:00:00-05:00"),
    ],
)
def test_the_clock(now: str, is_open: bool, opens: str, closes: str) -> None:
    world = quiet_world(start=moment(now), always_open=False)
    shown = RestClient(world).get("/v2/clock")
    assert types(shown) == types(CLOCK)
    assert (shown["is_open"], shown["next_open"], shown["next_close"]) == (is_open, opens, closes)
    assert moment(shown["timestamp"]) == world.clock.now()
    assert RestClient(quiet_world(start=moment(now))).get("/v2/clock")["is_open"], "by default"


def test_the_calendar_has_days_of_trading() -> None:
    client = RestClient(quiet_world(start=moment("2025-01-02T12:00:00Z")))
    days = client.get("/v2/calendar?start=2025-01-02&end=2025-01-08")
    assert days[0] == DAY
    assert [day["date"][-2:] for day in days] == ["02", "03", "06", "07", "08"]
    assert days[1]["settlement_date"] == "2025-01-06"
    assert client.get("/v2/calendar")[0] == DAY
    for bad in ("soon", "9999-12-31", "0001-01-01"):
        assert client.ask("GET", f"/v2/calendar?start={bad}")[0] == 422


def test_assets() -> None:
    client = RestClient(quiet_world())
    shown = client.get("/v2/assets/AAPL")
    assert types(shown) == types(ASSET)
    assert list(shown) == list(ASSET)
    coin = client.get("/v2/assets/BTC%2FUSD")
    assert coin == client.get("/v2/assets/BTCUSD") == client.get(f"/v2/assets/{coin['id']}")
    assert (coin["min_order_size"], coin["price_increment"]) == ("0.00001", "0.01")
    assert {one["symbol"] for one in client.get("/v2/assets?asset_class=crypto")} == {
        "BTC/USD", "ETH/USD",
    }  # fmt: skip
    assert len(client.get("/v2/assets?status=active&exchange=NASDAQ")) == 1
    status, body = client.ask("GET", "/v2/assets/MOON")
    assert (status, body["code"]) == (404, 40_410_000)
    client.world.exchange.set_status("BTC-USD", "HALT", client.world.clock.now())
    assert client.get("/v2/assets/BTCUSD")["tradable"] is False
    status, body = client.submit()
    assert (status, body["message"]) == (422, 'asset "BTC/USD" is not tradable')
