"""User-data events and their sequences (binance §6)."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from pitwire.sim.facades.binance_options import BinanceOptions
from tests.sim.binance_client import ApiClient, RestClient, StreamClient, quiet_world

KEYS = "e E s c S o f q p P F g C x X r i l z L n N T t I w m M O Z Y Q W V"


class Pair:
    def __init__(self, **options: Any) -> None:
        self.world = quiet_world(options=BinanceOptions(**options))
        self.main = ApiClient(self.world)
        self.other = ApiClient(self.world, account="other")
        self.main.subscribe()

    def story(self) -> list[tuple[str, ...]]:
        return [
            (event["x"], event["X"]) if event["e"] == "executionReport" else (event["e"],)
            for event in self.main.take_events()
        ]


POSITION = ("outboundAccountPosition",)


def test_a_resting_limit() -> None:
    pair = Pair()
    pair.main.limit("BUY", "59000.00", "0.01", newClientOrderId="mine")
    report, position = pair.main.take_events()
    now = pair.main.stamp()
    assert " ".join(report) == KEYS
    assert report == {
        "e": "executionReport",
        "E": now,
        "s": "BTCUSDT",
        "c": "mine",
        "S": "BUY",
        "o": "LIMIT",
        "f": "GTC",
        "q": "0.01000000",
        "p": "59000.00000000",
        "P": "0.00000000",
        "F": "0.00000000",
        "g": -1,
        "C": "",
        "x": "NEW",
        "X": "NEW",
        "r": "NONE",
        "i": 1,
        "l": "0.00000000",
        "z": "0.00000000",
        "L": "0.00000000",
        "n": "0",
        "N": None,
        "T": now,
        "t": -1,
        "I": 1,
        "w": True,
        "m": False,
        "M": False,
        "O": now,
        "Z": "0.00000000",
        "Y": "0.00000000",
        "Q": "0.00000000",
        "W": now,
        "V": "EXPIRE_MAKER",
    }
    assert position == {
        "e": "outboundAccountPosition",
        "E": now,
        "u": now,
        "B": [{"a": "USDT", "f": "999410.00000000", "l": "590.00000000"}],
    }


def test_a_taker_in_two_fills() -> None:
    pair = Pair()
    pair.other.limit("SELL", "60000.00", "0.01")
    pair.other.limit("SELL", "60001.00", "0.01")
    pair.main.limit("BUY", "60001.00", "0.02")
    events = pair.main.take_events()
    assert [(e["x"], e["X"]) for e in events[:-1]] == [
        ("NEW", "NEW"),
        ("TRADE", "PARTIALLY_FILLED"),
        ("TRADE", "FILLED"),
    ]
    assert events[-1]["e"] == "outboundAccountPosition"
    first, second = events[1:3]
    assert first["T"] == second["T"]
    assert first["I"] < second["I"]
    assert (first["l"], first["z"], first["L"], first["Y"]) == (
        "0.01000000",
        "0.01000000",
        "60000.00000000",
        "600.00000000",
    )
    assert (second["Z"], second["n"], second["N"]) == ("1200.01000000", "0.00001000", "BTC")
    assert [(e["t"], e["w"], e["m"], e["M"]) for e in (first, second)] == [
        (1, False, False, True),
        (2, False, False, True),
    ]


def test_a_market_order_that_runs_out_of_book() -> None:
    pair = Pair()
    pair.other.limit("SELL", "60000.00", "0.01")
    pair.main.market("BUY", quantity="0.02")
    events = pair.main.take_events()
    assert [e.get("X", "") for e in events] == ["NEW", "PARTIALLY_FILLED", "EXPIRED", ""]
    assert [e["w"] for e in events[:3]] == [True, False, False]
    assert events[2]["eR"] == "INSUFFICIENT_LIQUIDITY"
    assert (events[2]["z"], events[2]["l"]) == ("0.01000000", "0.00000000")


@pytest.mark.parametrize(
    ("tif", "reason"),
    [("IOC", "UNFILLED_IOC_QUANTITY_EXPIRED"), ("FOK", "UNFILLED_FOK_ORDER_EXPIRED")],
)
def test_orders_that_will_not_wait(tif: str, reason: str) -> None:
    pair = Pair()
    pair.main.limit("BUY", "59000.00", "0.01", timeInForce=tif)
    reports = [e for e in pair.main.take_events() if e["e"] == "executionReport"]
    assert [e["x"] for e in reports] == ["NEW", "EXPIRED"]
    assert (reports[1]["eR"], reports[1]["z"]) == (reason, "0.00000000")


def test_a_cancel_carries_both_ids() -> None:
    pair = Pair()
    pair.main.limit("BUY", "59000.00", "0.01", newClientOrderId="mine")
    pair.main.take_events()
    pair.main.done("order.cancel", symbol="BTCUSDT", orderId=1, newClientOrderId="bye")
    report, position = pair.main.take_events()
    assert (report["x"], report["X"], report["c"], report["C"], report["w"]) == (
        "CANCELED",
        "CANCELED",
        "bye",
        "mine",
        False,
    )
    assert position["B"] == [{"a": "USDT", "f": "1000000.00000000", "l": "0.00000000"}]


@pytest.mark.parametrize("on_book", [False, True])
def test_a_maker_is_told_of_its_fills(on_book: bool) -> None:
    pair = Pair(maker_partial_on_book=on_book)
    pair.main.limit("SELL", "60000.00", "0.02")
    pair.main.take_events()
    pair.other.market("BUY", quantity="0.01")
    partial, _ = pair.main.take_events()
    assert (partial["x"], partial["X"], partial["m"], partial["w"]) == (
        "TRADE",
        "PARTIALLY_FILLED",
        True,
        on_book,
    )
    assert partial["N"] == "USDT"
    pair.other.market("BUY", quantity="0.01")
    last, position = pair.main.take_events()
    assert (last["X"], last["w"]) == ("FILLED", False)
    assert {row["a"] for row in position["B"]} == {"BTC", "USDT"}


def test_a_stop_is_silent_until_it_works() -> None:
    pair = Pair()
    pair.main.done(
        "order.place",
        symbol="BTCUSDT",
        side="SELL",
        type="STOP_LOSS",
        quantity="0.01",
        stopPrice="59000.00",
    )
    report, *_ = pair.main.take_events()
    assert (report["x"], report["w"], report["P"]) == ("NEW", False, "59000.00000000")
    assert "W" not in report
    pair.other.limit("BUY", "58999.00", "1")
    assert pair.story() == []
    third = ApiClient(pair.world)
    third.limit("SELL", "58999.00", "0.01")
    events = [e for e in pair.main.take_events() if e["e"] == "executionReport" and e["i"] == 1]
    assert [(e["x"], e["w"]) for e in events] == [("NEW", True), ("TRADE", False)]
    assert events[0]["W"] == pair.main.stamp()


def test_an_amend_is_a_replacement() -> None:
    pair = Pair()
    pair.main.limit("SELL", "60000.00", "0.02", newClientOrderId="mine")
    pair.main.take_events()
    pair.main.done(
        "order.amend.keepPriority",
        symbol="BTCUSDT",
        orderId=1,
        newQty="0.01",
        newClientOrderId="small",
    )
    report, *_ = pair.main.take_events()
    assert [report[key] for key in ("x", "X", "c", "C", "q", "w")] == [
        "REPLACED",
        "NEW",
        "small",
        "mine",
        "0.01000000",
        True,
    ]


def test_a_prevented_match() -> None:
    pair = Pair()
    pair.main.limit("SELL", "60000.00", "0.01")
    pair.main.take_events()
    pair.main.limit("BUY", "60000.00", "0.01", selfTradePreventionMode="EXPIRE_BOTH")
    prevented = [e for e in pair.main.take_events() if e.get("x") == "TRADE_PREVENTION"]
    assert {e["i"] for e in prevented} == {1, 2}
    assert {e["X"] for e in prevented} == {"EXPIRED_IN_MATCH"}
    for event in prevented:
        assert (event["l"], event["L"]) == ("0.00000000", "0.00000000")
        assert " ".join(event).startswith(KEYS)
        assert {"v", "A", "B", "u", "U", "Cs", "pl", "pL", "pY"} <= event.keys()
        assert event["pL"] == "60000.00000000"


def test_a_deposit_is_a_balance_update_and_a_position() -> None:
    pair = Pair()
    pair.world.exchange.deposit("main", "BTC", Decimal("1.5"), pair.world.clock.now())
    pair.world.act()
    update, position = pair.main.take_events()
    now = pair.main.stamp()
    assert update == {"e": "balanceUpdate", "E": now, "a": "BTC", "d": "1.50000000", "T": now}
    assert position["B"] == [{"a": "BTC", "f": "11.50000000", "l": "0.00000000"}]


def test_nothing_is_replayed_and_nobody_else_hears_it() -> None:
    pair = Pair()
    other = ApiClient(pair.world, account="other")
    other.subscribe()
    pair.main.limit("BUY", "59000.00", "0.01")
    assert pair.story() == [("NEW", "NEW"), POSITION]
    assert other.take_events() == []
    late = ApiClient(pair.world)
    late.subscribe()
    assert late.take_events() == []


def test_events_before_the_answer_when_asked_for() -> None:
    for first in (False, True):
        pair = Pair(events_before_answer=first)
        pair.main.link.send(_raw_order(pair.main))
        pair.world.advance()
        frames = pair.main.take()
        assert ["event" in frame for frame in frames] == (
            [True, True, False] if first else [False, True, True]
        )


def _raw_order(client: ApiClient) -> bytes:
    params = client.signed(
        symbol="BTCUSDT",
        side="BUY",
        type="LIMIT",
        timeInForce="GTC",
        price="59000.00",
        quantity="0.01",
    )
    return json.dumps({"id": 1, "method": "order.place", "params": params}).encode()


def test_listen_keys_when_they_are_brought_back() -> None:
    world = quiet_world(listen_keys=True)
    rest = RestClient(world)
    headers = {"x-mbx-apikey": rest.key}
    status, _, body = rest.raw("POST", "/api/v3/userDataStream", headers=headers)
    assert status == 200
    key = body.decode().split('"')[3]
    assert len(key) == 64
    bare = StreamClient(world, f"/ws/{key}")
    wrapped = StreamClient(world, f"/stream?streams={key}")
    client = ApiClient(world)
    client.limit("BUY", "59000.00", "0.01")
    assert [frame["e"] for frame in bare.take()] == ["executionReport", "outboundAccountPosition"]
    assert {frame["stream"] for frame in wrapped.take()} == {key}
    path = f"/api/v3/userDataStream?listenKey={key}"
    assert rest.raw("PUT", path, headers=headers)[0] == 200
    assert rest.raw("DELETE", path, headers=headers)[0] == 200
    assert [frame["e"] for frame in bare.take()] == ["listenKeyExpired"]
    status, _, body = rest.raw("PUT", path, headers=headers)
    assert (status, body) == (400, b'{"code":-1125,"msg":"This listenKey does not exist."}')


def test_listen_keys_run_out() -> None:
    world = quiet_world(listen_keys=True, options=BinanceOptions(listen_key_minutes=1))
    rest = RestClient(world)
    _, _, body = rest.raw("POST", "/api/v3/userDataStream", headers={"x-mbx-apikey": rest.key})
    ear = StreamClient(world, "/ws/" + body.decode().split('"')[3])
    assert ear.after(59) == []
    assert [frame["e"] for frame in ear.after(2)] == ["listenKeyExpired"]


@pytest.mark.parametrize(
    ("choice", "plain", "replaced"),
    [("never", 0, 0), ("replace", 0, 1), ("always", 1, 1)],
)
def test_refused_orders_are_reported_by_choice(choice: str, plain: int, replaced: int) -> None:
    pair = Pair(report_rejections=choice)
    ask = {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "price": "60000.00",
        "quantity": "11",
    }
    assert pair.main.ask("order.place", **ask)["error"]["code"] == -2010
    assert [e["x"] for e in pair.main.take_events()] == ["REJECTED"] * plain
    pair.main.limit("SELL", "60000.00", "0.01")
    pair.main.take_events()
    pair.main.ask("order.cancelReplace", **ask, cancelReplaceMode="ALLOW_FAILURE", cancelOrderId=1)
    rejected = [e for e in pair.main.take_events() if e.get("x") == "REJECTED"]
    assert len(rejected) == replaced
    for event in rejected:
        assert (event["X"], event["r"], event["w"], event["q"]) == (
            "REJECTED",
            "INSUFFICIENT_BALANCES",
            False,
            "11.00000000",
        )


def test_reports_echo_strategies_and_trails() -> None:
    pair = Pair()
    pair.main.done(
        "order.place",
        symbol="BTCUSDT",
        side="SELL",
        type="STOP_LOSS",
        quantity="0.01",
        trailingDelta=100,
        strategyId=7,
        strategyType=1_000_001,
    )
    report, *_ = pair.main.take_events()
    assert [report[key] for key in "djJ"] == [100, 7, 1_000_001]
    assert "D" not in report
    other, third = pair.other, ApiClient(pair.world)
    other.limit("BUY", "60000.00", "0.02")
    third.limit("SELL", "60000.00", "0.01")  # the trail begins at this trade
    pair.main.take_events()
    began = pair.main.stamp()
    pair.world.advance(1)
    other.limit("BUY", "59000.00", "1")
    other.done("openOrders.cancelAll", symbol="BTCUSDT")
    other.limit("BUY", "59000.00", "1")
    third.limit("SELL", "59000.00", "0.01")
    reports = [e for e in pair.main.take_events() if e.get("i") == 1]
    assert [e["x"] for e in reports] == ["NEW", "TRADE"]
    assert {e["D"] for e in reports} == {began}


def test_asking_again_renews_a_listen_key() -> None:
    world = quiet_world(listen_keys=True)
    rest = RestClient(world)
    headers = {"x-mbx-apikey": rest.key}
    first = rest.raw("POST", "/api/v3/userDataStream", headers=headers)[2]
    assert rest.raw("POST", "/api/v3/userDataStream", headers=headers)[2] == first
