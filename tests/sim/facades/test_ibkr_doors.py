"""Contracts and market data over REST, and pacing."""

from __future__ import annotations

from typing import Any

import pytest

from pitwire.model.orders import Side
from pitwire.sim.facades.ibkr_options import IbkrOptions
from pitwire.sim.facts import Tif
from pitwire.sim.faults import HttpError, LoseAck, Misreport
from tests.sim.ibkr_client import AAPL, IBM, SHEET, SPY, Gateway, quiet_gateway, shape


def meet(**options: Any) -> Gateway:
    return Gateway(quiet_gateway(IbkrOptions(**{"is_paced": False} | options)))


def test_contracts_have_the_shapes_of_the_sheet() -> None:
    venue = meet()
    (found,) = venue.get("/iserver/secdef/search?symbol=spy")
    wanted = SHEET["search"][0] | {"sections": [{"secType": "STK"}]}
    assert found == wanted
    assert venue.post("/iserver/secdef/search", {"symbol": "SPY"}) == [found]
    assert venue.get("/iserver/secdef/search?symbol=QUAGGA") == []
    assert venue.get(f"/iserver/contract/{IBM}/info") == SHEET["info"]
    rules = venue.post("/iserver/contract/rules", {"conid": AAPL, "isBuy": True})
    assert shape(rules) == shape(SHEET["rules"])
    both = venue.get(f"/iserver/contract/{AAPL}/info-and-rules?isBuy=true")
    assert both["rules"] == rules
    assert venue.get("/trsrv/stocks?symbols=AAPL,IBM")["IBM"][0]["contracts"] == [
        {"conid": IBM, "exchange": "NYSE", "isUS": True}
    ]
    assert venue.get(f"/trsrv/secdef?conids={SPY}")["secdef"][0]["ticker"] == "SPY"
    venue.get("/iserver/contract/1/info", status=400)
    venue.get("/iserver/secdef/search", status=400)


def test_the_first_snapshot_is_bare() -> None:
    venue = meet()
    venue.rival(Side.BUY, lots=10, price=18_900)
    venue.get("/iserver/accounts")
    path = f"/iserver/marketdata/snapshot?conids={AAPL},{IBM}&fields=31%2C84"
    assert venue.get(path) == [
        {"conidEx": str(AAPL), "conid": AAPL},
        {"conidEx": str(IBM), "conid": IBM},
    ]
    apple, _ = venue.get(path)
    assert list(apple) == ["conidEx", "conid", "_updated", "server_id", "6119", "31", "84", "6509"]
    assert apple["84"] == "189.00"
    (more,) = venue.get(f"/iserver/marketdata/snapshot?conids={AAPL}&fields=88")
    assert (more["84"], more["88"]) == ("189.00", "10")
    assert venue.post("/iserver/marketdata/unsubscribe", {"conid": AAPL}) == {"success": True}
    assert venue.post("/iserver/marketdata/unsubscribe", {"conid": AAPL}, 500) == {
        "error": "unknown"
    }
    assert venue.get("/iserver/marketdata/unsubscribeall") == {"unsubscribed": True}
    assert len(venue.get(path)[1]) == 2


def test_history_is_bars() -> None:
    venue = meet()
    venue.rival(Side.SELL, lots=100, price=19_000)
    for price, lots in ((19_000, 10), (19_000, 20)):
        venue.rival(Side.BUY, lots=lots, price=price, tif=Tif.IOC)
        venue.world.advance(61)
        venue.post("/tickle")
    found = venue.get(f"/iserver/marketdata/history?conid={AAPL}&period=30min&bar=1min")
    assert list(found)[-1] == "travelTime"
    volumes = [bar["v"] for bar in found["data"]]
    assert [each for each in volumes if each] == [10, 20]
    assert found["points"] == len(volumes)
    (whole,) = venue.get(f"/iserver/marketdata/history?conid={AAPL}&period=1d&bar=1d")["data"]
    assert (whole["v"], whole["o"]) == (30, 190.0)
    venue.get(f"/iserver/marketdata/history?conid={AAPL}&period=soon", status=400)


def test_unknown_paths_are_404() -> None:
    venue = meet()
    venue.get("/iserver/nothing", status=404)
    assert venue.world.stage.http("GET", "/other", headers={}, body=b"", now=0).status == 404


def test_who_asks_too_often_is_boxed() -> None:
    venue = meet(is_paced=True, penalty_seconds=600)
    venue.world.advance(10)
    for _ in range(10):
        venue.post("/iserver/auth/status")
    venue.post("/iserver/auth/status", status=429)
    venue.world.advance(599)
    venue.get("/trsrv/stocks?symbols=IBM", status=429)
    venue.world.advance(1)
    venue.get("/trsrv/stocks?symbols=IBM")
    assert venue.facade.pacing.violations == 2


@pytest.mark.parametrize("path", ["/sso/validate", "/iserver/scanner/params"])
def test_some_paths_have_paces_of_their_own(path: str) -> None:
    venue = meet(is_paced=True)
    assert venue.http("GET", path).status != 429
    assert venue.http("GET", path).status == 429


def test_faults_befall_requests() -> None:
    faults = (
        HttpError(kind="tickle", status=502),
        Misreport(kind="session", code=-1, text="failed to process request", done=False),
        LoseAck(kind="info"),
    )
    venue = Gateway(quiet_gateway(faults=faults))
    assert venue.http("POST", "/tickle").status == 502
    assert venue.http("POST", "/tickle").status == 200
    assert venue.post("/iserver/auth/status", status=500)["error"] == "failed to process request"
    assert not venue.http("GET", "/trsrv/stocks?symbols=IBM").answers
