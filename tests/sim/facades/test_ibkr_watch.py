"""What a socket hears of its account: orders step by step, executions twice, profit, ledgers."""

from __future__ import annotations

from typing import Any

import pytest

from pitwire.model.orders import Side
from pitwire.sim.facades.ibkr_options import IbkrOptions
from pitwire.sim.faults import ByHand, FillBeforeAck
from tests.sim.ibkr_client import AAPL, ACCOUNT, SHEET, Gateway, Phone, quiet_gateway, shape

ORDER = f"/iserver/account/{ACCOUNT}/order"


def meet(*faults: Any, **options: Any) -> tuple[Gateway, Phone]:
    world = quiet_gateway(IbkrOptions(**{"is_paced": False} | options), faults=faults)
    venue = Gateway(world).ready()
    phone = venue.socket()
    phone.take()
    return venue, phone


def rows(frames: list[Any]) -> list[dict[str, Any]]:
    return [row for frame in frames for row in frame["args"]]


def test_an_order_begins_inactive_and_goes_its_steps() -> None:
    venue, phone = meet()
    assert phone.say("sor+{}") == []
    number = int(venue.submit(cOID="my-1")[0]["order_id"])
    full, marker, *later = phone.hear(0, "sor")
    assert shape(full) == shape(SHEET["sor_full"])
    assert (full["args"][0]["status"], full["args"][0]["price"]) == ("Inactive", 189.0)
    assert marker["args"] == [{"acct": ACCOUNT, "conid": AAPL, "orderId": number}]
    assert [row["status"] for row in rows(later)] == ["PendingSubmit", "PreSubmitted", "Submitted"]
    assert all(set(row) <= {"acct", "conid", "orderId", "status", "order_ccp_status"}
               for row in rows(later))  # fmt: skip


def test_fills_are_deltas() -> None:
    venue, phone = meet()
    venue.submit(quantity=5)
    phone.say("sor+{}")
    venue.rival(Side.SELL, lots=2, price=18_900)
    (first,) = rows(phone.hear(0, "sor"))  # an order that this socket has not heard of: in full
    assert (first["filledQuantity"], first["sizeAndFills"]) == (2.0, "2/5")
    venue.world.advance(1)
    venue.rival(Side.SELL, lots=1, price=18_900)
    (second,) = rows(phone.hear(0, "sor"))
    assert set(second) == {
        "acct", "conid", "orderId", "filledQuantity", "remainingQuantity", "sizeAndFills",
        "lastExecutionTime", "lastExecutionTime_r",
    }  # fmt: skip
    venue.rival(Side.SELL, lots=2, price=18_900)
    (third,) = rows(phone.hear(0, "sor"))
    assert (third["status"], third["remainingQuantity"], third["sizeAndFills"]) == (
        "Filled", 0.0, "5",
    )  # fmt: skip


def test_a_cancel_is_pending_and_then_done() -> None:
    venue, phone = meet()
    phone.say("sor+{}")
    number = venue.submit()[0]["order_id"]
    phone.take()
    venue.delete(f"{ORDER}/{number}")
    pending, done = rows(phone.hear(0, "sor"))
    assert (pending["status"], done["status"]) == ("PendingCancel", "Cancelled")
    assert (pending["totalSize"], "totalSize" in done) == (1.0, False)


def test_a_modification_tells_no_end() -> None:
    venue, phone = meet()
    number = venue.submit()[0]["order_id"]
    phone.say("sor+{}")
    ticket = {"conid": AAPL, "orderType": "LMT", "side": "BUY", "price": 188, "quantity": 2}
    venue.post(f"{ORDER}/{number}", ticket)
    assert {row["status"] for row in rows(phone.hear(0, "sor"))} == {"Submitted"}


def test_filters_and_an_end() -> None:
    venue, phone = meet()
    phone.say('sor+{"filters":["Submitted"]}')
    venue.submit()
    assert [row["status"] for row in rows(phone.hear(0, "sor"))] == ["Submitted"]
    phone.say("uor+{}")
    venue.submit()
    assert phone.hear(0, "sor") == []


def test_a_filtered_list_silences_the_stream_until_forced() -> None:
    venue, phone = meet()
    phone.say("sor+{}")
    venue.get("/iserver/account/orders?filters=filled")
    venue.submit()
    assert phone.hear(0, "sor") == []
    venue.get("/iserver/account/orders?force=true")
    venue.submit()
    assert phone.hear(0, "sor")


def test_open_orders_may_come_first() -> None:
    venue, phone = meet(sor_snapshot=True)
    venue.submit()
    assert len(rows(phone.say("sor+{}"))) == 1


def test_somebody_at_another_screen_is_heard() -> None:
    fault = ByHand(at_seconds=5, symbol="AAPL-USD", size=3)
    venue, phone = meet(fault)
    phone.say("sor+{}")
    venue.world.advance(5)
    told = rows(phone.hear(0, "sor"))
    assert (told[0]["totalSize"], told[0]["order_ref"]) == (3.0, "by-hand-1")
    assert told[-1]["status"] == "Submitted"


@pytest.mark.parametrize("word", ["realtimeUpdatesOnly", "realtime_updates_only"])
def test_executions_come_twice_and_the_second_time_with_their_commission(word: str) -> None:
    venue, phone = meet()
    venue.rival(Side.SELL, lots=10, price=19_000)
    venue.submit(price=190.0, quantity=2)
    venue.world.advance(1)
    assert phone.say(f'str+{{"{word}":true,"days":1}}') == [{"topic": "str", "args": []}]
    venue.submit(price=190.0, quantity=5, cOID="my-1")
    (first,) = phone.hear(0, "str")
    (second,) = phone.hear(0.5, "str")
    assert shape(second) == shape({"topic": "str", "args": [_with_event(SHEET["str"]["args"][0])]})
    assert "commission" not in first["args"][0]
    assert {**first["args"][0], "commission": "1.00"} == second["args"][0]
    assert (second["args"][0]["side"], second["args"][0]["net_amount"]) == ("B", 950.0)
    phone.say("utr")
    venue.submit(price=190.0)
    assert phone.hear(1, "str") == []


def _with_event(row: dict[str, Any]) -> dict[str, Any]:
    """As the list of executions has it, before the order's number."""
    return {name: value for name, value in row.items() if name != "order_id"} | {
        "is_event_trading": "0",
        "order_id": row["order_id"],
    }


def test_history_comes_unless_it_is_not_wanted() -> None:
    venue, phone = meet()
    venue.rival(Side.SELL, lots=10, price=19_000)
    venue.submit(price=190.0)
    (told,) = phone.say("str+{}")
    assert len(told["args"]) == 1
    assert told["args"] == venue.get("/iserver/account/trades")


def test_profit_summary_and_ledger() -> None:
    _, phone = meet()
    (profit,) = phone.say("spl")
    assert shape(profit) == shape(SHEET["spl"])
    (summary,) = phone.say(f'ssd+{ACCOUNT}+{{"keys":["NetLiquidation-S"]}}')
    assert summary["topic"] == f"ssd+{ACCOUNT}"
    assert summary["result"][0]["value"] == ACCOUNT
    assert summary["result"][1]["key"] == "NetLiquidation-S"
    (ledger,) = phone.say(f"sld+{ACCOUNT}+{{}}")
    assert ledger["result"][0]["acctCode"] == ACCOUNT
    assert ledger["result"][0]["cashbalance"] == 1_000_000.0
    later = [each for each in phone.hear(10) if each["topic"].startswith("sld")]
    assert [sorted(row) for row in later[0]["result"]] == [["key", "timestamp"]] * 2
    assert phone.say(f"usd+{ACCOUNT}") == [{"result": "unsubscribed from summary"}]
    assert phone.say(f"uld+{ACCOUNT}+{{}}") == [{"result": "unsubscribed from ledger"}]
    phone.say("upl")
    assert [each["topic"] for each in phone.hear(15)] == ["system"]


def test_a_fill_may_be_heard_before_the_answer() -> None:
    venue, phone = meet(FillBeforeAck(count=1))
    phone.say("str+{}")
    venue.rival(Side.SELL, lots=10, price=19_000)
    order = {"conid": AAPL, "orderType": "LMT", "side": "BUY", "price": 190, "quantity": 1}
    reply = venue.http("POST", f"/iserver/account/{ACCOUNT}/orders", {"orders": [order]})
    assert reply.delay > 0
    assert len(phone.hear(0, "str")) == 1
