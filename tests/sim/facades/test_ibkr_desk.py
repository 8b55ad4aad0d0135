"""Orders at the gateway, over REST: taken, asked about, refused, modified, cancelled, listed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from pitwire.model.orders import Side
from pitwire.sim.facades.ibkr_options import IbkrOptions
from pitwire.sim.facts import Tif
from pitwire.sim.faults import LoseAck, Withhold
from tests.sim.ibkr_client import AAPL, ACCOUNT, IBM, SHEET, Gateway, quiet_gateway, shape

ORDER = f"/iserver/account/{ACCOUNT}/order"


def meet(*faults: Any, **options: Any) -> Gateway:
    world = quiet_gateway(IbkrOptions(**{"is_paced": False} | options), faults=faults)
    return Gateway(world).ready()


def lacks(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


def test_an_order_is_taken_and_rests() -> None:
    venue = meet()
    taken = venue.submit()
    assert shape(taken) == shape(SHEET["taken"])
    assert taken[0]["order_status"] == "Submitted"
    named = venue.submit(cOID="my-1")
    assert named[0]["local_order_id"] == "my-1"
    assert [row["orderId"] for row in venue.orders()] == [
        int(taken[0]["order_id"]), int(named[0]["order_id"]),
    ]  # fmt: skip
    assert len(venue.world.exchange.open_orders("main")) == 2


def test_a_filled_order_is_listed_as_the_sheet_shows_it() -> None:
    venue = meet()
    venue.rival(Side.SELL, lots=10, price=19_000)
    order_id = venue.submit(orderType="MKT", price=None, quantity=3, cOID="my-1")[0]["order_id"]
    (row,) = venue.orders()
    assert shape(row) == shape(SHEET["orders"]["orders"][0])
    assert (row["status"], row["sizeAndFills"], row["avgPrice"]) == ("Filled", "3", "190.00")
    assert row["orderDesc"] == "Bought 3 AAPL Market, Day"
    assert venue.get("/iserver/account/orders")["snapshot"] is True
    shown = venue.get(f"/iserver/account/order/status/{order_id}")
    assert (shown["order_status"], shown["average_price"], shown["cum_fill"]) == (
        "Filled", "190.00", "3.0",
    )  # fmt: skip
    (trade,) = venue.get(f"/iserver/account/trades/?accountId={ACCOUNT}")
    wanted = lacks(SHEET["trades"][0], "account_allocation_name")
    assert shape(trade) == shape(wanted)
    assert (trade["side"], trade["size"], trade["price"], trade["commission"]) == (
        "B", 3.0, "190.00", "1.00",
    )  # fmt: skip
    assert trade["order_ref"] == "my-1"


def test_a_working_order_has_the_status_that_was_recorded() -> None:
    venue = meet(side_letters=True)
    order_id = venue.submit(side="SELL", price=191.0)[0]["order_id"]
    shown = venue.get(f"/iserver/account/order/status/{order_id}")
    assert shape(shown) == shape(SHEET["status_of_order"])
    assert (shown["side"], shown["size_and_fills"]) == ("S", "0/1")
    assert shown["order_description_with_contract"] == "Sell 1 AAPL Limit 191.00, Day"
    assert venue.get("/iserver/account/order/status/1", status=503) == {
        "error": "Order 1 is not found",
        "statusCode": 503,
    }


def test_commissions_are_taken_from_the_money() -> None:
    venue = meet()
    venue.rival(Side.SELL, lots=300, price=19_000)
    before = venue.cash()
    venue.submit(price=190.0, quantity=300)
    assert before - venue.cash() == 300 * Decimal(190) + Decimal("1.5")


def test_the_first_list_of_a_session_is_empty() -> None:
    venue = Gateway(quiet_gateway())
    venue.get("/iserver/accounts")
    venue.submit()
    assert venue.get("/iserver/account/orders") == {"orders": [], "snapshot": False}
    assert len(venue.orders()) == 1
    assert venue.get("/iserver/account/orders?force=true")["orders"] == []
    assert len(venue.orders()) == 1
    assert venue.get("/iserver/account/orders?filters=filled,cancelled")["orders"] == []
    assert len(venue.get("/iserver/account/orders?filters=submitted")["orders"]) == 1


def test_orders_come_after_the_accounts() -> None:
    venue = Gateway(quiet_gateway())
    assert venue.submit(status=400)["error"] == "Bad Request: Please query /accounts first"


def test_a_client_id_is_good_for_one_order() -> None:
    venue = meet()
    venue.submit(cOID="my-1")
    assert venue.submit(cOID="my-1") == SHEET["duplicate"]
    assert len(venue.orders()) == 1


@pytest.mark.parametrize(
    ("ticket", "status", "text"),
    [
        ({"quantity": "1"}, 400, "java.lang.String cannot be cast to java.lang.Number"),
        ({"price": "189"}, 400, "java.lang.String cannot be cast to java.lang.Number"),
        ({"conid": "265598"}, 400, "java.lang.String cannot be cast to java.lang.Number"),
        ({"conid": 1}, 400, "Bad Request: conid is not valid: 1"),
        ({"conid": None}, 400, "Bad Request: either conid or conidex is required"),
        ({"side": "HOLD"}, 400, "Bad Request: side is not valid"),
        ({"price": None}, 400, "Bad Request: Missing required param: price"),
        ({"acctId": "U9"}, 400, "Bad Request: accountId is not valid: U9"),
        ({"orderType": "NONE"}, 400, "Bad Request: orderType is not valid: NONE"),
        ({"quantity": 1.5}, 200, '"BUY 1 AAPL NASDAQ.NMS"\nSize 1.5 is not valid.'),
        ({"price": 189.005}, 200, "minimum price variation"),
        ({"tif": "OPG"}, 200, "Invalid time-in-force"),
        ({"orderType": "TRAIL"}, 200, "not simulated"),
        ({"quantity": 900_000}, 200, "AVAILABLE FUNDS"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused(ticket: dict[str, Any], status: int, text: str) -> None:
    venue = meet()
    assert text in venue.submit(status=status, **ticket)["error"]
    assert venue.orders() == []


def test_stops_wait_and_then_work() -> None:
    venue = meet()
    venue.rival(Side.SELL, lots=100, price=19_500)
    venue.submit(orderType="STP", price=194.0, quantity=5)
    venue.submit(orderType="STOP_LIMIT", price=194.5, auxPrice=194.0, quantity=5)
    assert [row["status"] for row in venue.orders()] == ["PreSubmitted", "PreSubmitted"]
    venue.rival(Side.SELL, lots=1, price=19_400)
    venue.rival(Side.BUY, lots=1, price=19_400)
    assert [row["status"] for row in venue.orders()] == ["Filled", "Submitted"]


# ── questions ─────────────────────────────────────────────────────────────────────────────────


def test_a_far_price_is_asked_about_and_taken_once_confirmed() -> None:
    venue = meet()
    asked = venue.submit(price=180.0)
    assert shape(asked) == shape(SHEET["question"])
    (question,) = asked
    assert question["messageIds"] == ["o163"]
    assert "price exceeds the Percentage constraint of 3%" in question["message"][0]
    assert venue.orders() == []
    taken = venue.post(f"/iserver/reply/{question['id']}", {"confirmed": True})
    assert shape(taken) == shape(SHEET["taken"])
    assert len(venue.orders()) == 1
    gone = venue.post(f"/iserver/reply/{question['id']}", {"confirmed": True})
    assert gone == {"error": f"reply id not found: '{question['id']}'"}


def test_questions_come_in_chains_and_a_no_ends_them() -> None:
    venue = meet(size_limit=5, blind_order_question=True)
    answer = venue.submit(price=180.0, quantity=10)
    names = []
    while "id" in answer[0]:
        names += answer[0]["messageIds"]
        answer = venue.post(f"/iserver/reply/{answer[0]['id']}", {"confirmed": True})
    assert names == ["o354", "o163", "o383"]
    assert len(venue.orders()) == 1
    (again,) = venue.submit(price=180.0, quantity=10)
    refused = venue.post(f"/iserver/reply/{again['id']}", {"confirmed": False})
    assert refused == SHEET["not_confirmed"]
    assert len(venue.orders()) == 1


def test_suppressed_questions_are_not_asked_in_this_session() -> None:
    venue = meet()
    assert venue.post("/iserver/questions/suppress", {"messageIds": ["o163"]}) == {
        "status": "submitted"
    }
    assert "order_id" in venue.submit(price=180.0)[0]
    venue.post("/iserver/questions/suppress/reset")
    assert "id" in venue.submit(price=180.0)[0]
    venue.post("/iserver/questions/suppress", {"messageIds": ["o163"]})
    venue.facade.session.rival(venue.world.clock.now(), None)
    venue.post("/iserver/auth/ssodh/init", {"publish": True, "compete": True})
    venue.ready()
    assert "id" in venue.submit(price=180.0)[0]


def test_another_order_kills_the_question_and_so_does_time() -> None:
    venue = meet(reply_seconds=60)
    (first,) = venue.submit(price=180.0)
    (second,) = venue.submit(price=181.0)
    assert "error" in venue.post(f"/iserver/reply/{first['id']}", {"confirmed": True})
    venue.world.advance(60)
    assert "error" in venue.post(f"/iserver/reply/{second['id']}", {"confirmed": True})
    assert venue.orders() == []


def test_a_reply_may_be_a_bare_object() -> None:
    assert meet(reply_as_object=True).submit(price=180.0)["messageIds"] == ["o163"]


# ── changes ───────────────────────────────────────────────────────────────────────────────────


def test_an_order_is_modified_under_its_number() -> None:
    venue = meet()
    number = venue.submit(quantity=5, cOID="my-1")[0]["order_id"]
    ticket = {"conid": AAPL, "orderType": "LMT", "side": "BUY", "price": 188.5, "quantity": 7,
              "tif": "DAY"}  # fmt: skip
    assert venue.post(f"{ORDER}/{number}", ticket)[0]["order_id"] == number
    (row,) = venue.orders()
    assert (row["orderId"], row["price"], row["totalSize"]) == (int(number), "188.50", 7.0)
    assert row["order_ref"] == "my-1"
    (resting,) = venue.world.exchange.open_orders("main")
    assert (resting.price, resting.lots) == (18_850, 7)
    venue.rival(Side.SELL, lots=2, price=18_850)
    venue.post(f"{ORDER}/{number}", ticket | {"quantity": 4})
    (row,) = venue.orders()
    assert (row["sizeAndFills"], row["remainingQuantity"]) == ("2/4", 2.0)
    venue.rival(Side.SELL, lots=2, price=18_850)
    (row,) = venue.orders()
    assert (row["status"], row["filledQuantity"]) == ("Filled", 4.0)


def test_a_smaller_order_keeps_its_place() -> None:
    venue = meet()
    number = venue.submit(quantity=5)[0]["order_id"]
    venue.rival(Side.BUY, lots=5, price=18_900)
    venue.post(f"{ORDER}/{number}", {"conid": AAPL, "orderType": "LMT", "side": "BUY",
                                     "price": 189, "quantity": 3, "tif": "DAY"})  # fmt: skip
    venue.rival(Side.SELL, lots=3, price=18_900, tif=Tif.IOC)
    assert venue.orders()[0]["status"] == "Filled"


def test_an_order_is_cancelled() -> None:
    venue = meet()
    number = venue.submit()[0]["order_id"]
    gone = venue.delete(f"{ORDER}/{number}")
    assert gone == SHEET["cancelled"] | {"order_id": int(number)}
    assert venue.orders()[0]["status"] == "Cancelled"
    unknown = {"error": f"OrderID {number} doesn't exist"}
    assert venue.delete(f"{ORDER}/{number}") == unknown
    assert venue.delete(f"{ORDER}/1171486718") == {"error": "OrderID 1171486718 doesn't exist"}


def test_an_unknown_order_may_be_a_400() -> None:
    meet(unknown_order_status=400).delete(f"{ORDER}/1", status=400)


def test_minus_one_cancels_all() -> None:
    venue = meet()
    for conid, price in ((AAPL, 189.0), (IBM, 169.0)):
        venue.submit(conid=conid, price=price)
    venue.delete(f"{ORDER}/-1")
    assert {row["status"] for row in venue.orders()} == {"Cancelled"}
    assert venue.world.exchange.open_orders("main") == []


def test_a_preview_places_nothing() -> None:
    venue = meet()
    order = {"conid": AAPL, "orderType": "LMT", "side": "BUY", "price": 197.76, "quantity": 10,
             "tif": "DAY"}  # fmt: skip
    shown = venue.post(f"/iserver/account/{ACCOUNT}/orders/whatif", {"orders": [order]})
    assert shown["amount"] == SHEET["what_if"]["amount"] | {"commission": "1.00 USD"}
    assert shape(shown["equity"]) == shape(SHEET["what_if"]["equity"])
    assert venue.orders() == []


# ── faults ────────────────────────────────────────────────────────────────────────────────────


def test_an_order_may_be_done_and_not_answered() -> None:
    venue = meet(LoseAck(kind="place"))
    order = {"conid": AAPL, "orderType": "LMT", "side": "BUY", "price": 189, "quantity": 1}
    reply = venue.http("POST", f"/iserver/account/{ACCOUNT}/orders", {"orders": [order]})
    assert not reply.answers
    assert len(venue.orders()) == 1


def test_a_list_may_be_short() -> None:
    venue = meet(Withhold(kind="open_orders", after_frames=1))
    venue.submit()
    assert venue.orders() == []
    assert len(venue.orders()) == 1


def test_a_lost_line_refuses_orders() -> None:
    venue = meet()
    venue.facade.line.lose(venue.world.clock.now())
    assert venue.submit(status=503)["statusCode"] == 503
