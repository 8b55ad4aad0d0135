"""What an account owns, as the gateway shows it."""

from __future__ import annotations

from pitwire.model.orders import Side
from tests.sim.ibkr_client import AAPL, ACCOUNT, SHEET, Gateway, quiet_gateway


def meet() -> Gateway:
    return Gateway(quiet_gateway()).ready()


def test_accounts_and_positions() -> None:
    venue = meet()
    (account,) = venue.get("/portfolio/accounts")
    assert (account["id"], account["accountId"], account["currency"]) == (ACCOUNT, ACCOUNT, "USD")
    rows = venue.get(f"/portfolio/{ACCOUNT}/positions/0")
    assert [row["contractDesc"] for row in rows] == ["AAPL", "IBM", "SPY"]
    assert set(rows[0]) == set(SHEET["position"])
    for name, value in SHEET["position"].items():
        assert type(rows[0][name]) is type(value), name
    assert venue.get(f"/portfolio/{ACCOUNT}/positions/1") == []
    assert venue.get(f"/portfolio/{ACCOUNT}/position/{AAPL}") == rows[:1]
    assert venue.get(f"/portfolio2/{ACCOUNT}/positions?direction=a")[0]["conid"] == str(AAPL)
    assert venue.post(f"/portfolio/{ACCOUNT}/positions/invalidate") == {"message": "success"}
    assert venue.get("/portfolio/U9/summary", status=400)["error"].startswith("Bad Request: ")


def test_a_login_alone_may_look() -> None:
    venue = meet()
    venue.facade.session.rival(venue.world.clock.now(), None)
    venue.get("/portfolio/accounts")
    venue.get("/iserver/account/orders", status=400)


def test_trades_move_cash_and_cost() -> None:
    venue = meet()
    venue.rival(Side.SELL, lots=1_000, price=20_000)
    venue.submit(orderType="MKT", price=None, quantity=1_000)
    (row,) = venue.get(f"/portfolio/{ACCOUNT}/position/{AAPL}")
    assert (row["position"], row["avgCost"], row["unrealizedPnl"]) == (2000.0, 195.0025, 9995.0)
    ledger = venue.get(f"/portfolio/{ACCOUNT}/ledger")
    assert set(ledger) == {"USD", "BASE"}
    assert ledger["USD"]["cashbalance"] == 1_000_000 - 200_000 - 5
    assert ledger["USD"]["key"] == "LedgerList"
    summary = venue.get(f"/portfolio/{ACCOUNT}/summary")
    assert summary["accountcode"]["value"] == ACCOUNT
    assert summary["totalcashvalue"]["amount"] == ledger["USD"]["cashbalance"]
    assert summary["netliquidation"]["amount"] == ledger["USD"]["netliquidationvalue"]
    venue.rival(Side.BUY, lots=500, price=20_000)
    venue.submit(side="SELL", price=200.0, quantity=500)
    (row,) = venue.get(f"/portfolio/{ACCOUNT}/position/{AAPL}")
    assert (row["position"], row["realizedPnl"]) == (1500.0, 2496.25)


def test_the_first_profit_is_empty() -> None:
    venue = meet()
    assert venue.get("/iserver/account/pnl/partitioned") == {"upnl": {}}
    rows = venue.get("/iserver/account/pnl/partitioned")["upnl"]
    assert list(rows[f"{ACCOUNT}.Core"]) == list(SHEET["partitioned"]["upnl"][f"{ACCOUNT}.Core"])
