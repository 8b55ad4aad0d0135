"""Order objects and events have the keys of the papers, in their order (binance §5, §6)."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from pitwire.model.clock import MILLISECOND
from pitwire.model.orders import Side
from pitwire.sim.facades import binance_reports as reports
from pitwire.sim.facades.binance_text import Scale
from pitwire.sim.facts import Kind, SimOrder, Status, Stp, Tif, Traded
from pitwire.sim.world import BTC_USDT

SCALE = Scale(BTC_USDT)
AT = 1_660_801_715_793 * MILLISECOND


def order(**change: Any) -> SimOrder:
    made = SimOrder(
        order_id=12569099453,
        account="main",
        symbol="BTC-USDT",
        side=Side.SELL,
        kind=Kind.LIMIT,
        tif=Tif.GTC,
        lots=847,
        price=2341610,
        client_id="4d96324ff9d44481926157ec08158a40",
        stp=Stp.NONE,
        status=Status.FILLED,
        filled_lots=847,
        filled_quote=Decimal("198.33521500"),
        created=AT,
        updated=AT,
        working_since=AT,
    )
    for name, value in change.items():
        setattr(made, name, value)
    return made


def fill(trade_id: int, price: int, lots: int) -> Traded:
    return Traded(
        at=AT,
        symbol="BTC-USDT",
        trade_id=trade_id,
        price=price,
        lots=lots,
        taker_side=Side.SELL,
        taker=order(),
        maker=order(),
        taker_execution=1,
        maker_execution=2,
        taker_fee=Decimal(0),
        taker_fee_asset="BNB",
        maker_fee=Decimal(0),
        maker_fee_asset="BNB",
    )


FULL = """{"symbol":"BTCUSDT","orderId":12569099453,"orderListId":-1,
"clientOrderId":"4d96324ff9d44481926157ec08158a40","transactTime":1660801715793,
"price":"23416.10000000","origQty":"0.00847000","executedQty":"0.00847000",
"origQuoteOrderQty":"0.00000000","cummulativeQuoteQty":"198.33521500","status":"FILLED",
"timeInForce":"GTC","type":"LIMIT","side":"SELL","workingTime":1660801715793,
"fills":[{"price":"23416.10000000","qty":"0.00635000","commission":"0.00000000",
"commissionAsset":"BNB","tradeId":1650422481},{"price":"23416.50000000","qty":"0.00212000",
"commission":"0.00000000","commissionAsset":"BNB","tradeId":1650422482}],
"selfTradePreventionMode":"NONE"}"""
CANCELED = """{"symbol":"BTCUSDT","origClientOrderId":"4d96324ff9d44481926157",
"orderId":12569099453,"orderListId":-1,"clientOrderId":"91fe37ce9e69c90d6358c0",
"transactTime":1684804350068,"price":"23416.10000000","origQty":"0.00847000",
"executedQty":"0.00001000","origQuoteOrderQty":"0.00000000","cummulativeQuoteQty":"0.23416100",
"status":"CANCELED","timeInForce":"GTC","type":"LIMIT","side":"SELL",
"selfTradePreventionMode":"NONE"}"""
QUERIED = """{"symbol":"BTCUSDT","orderId":12569099453,"orderListId":-1,
"clientOrderId":"4d96324ff9d44481926157","price":"23416.10000000","origQty":"0.00847000",
"executedQty":"0.00720000","cummulativeQuoteQty":"172.43931000","status":"PARTIALLY_FILLED",
"timeInForce":"GTC","type":"LIMIT","side":"SELL","stopPrice":"0.00000000",
"icebergQty":"0.00000000","time":1660801715639,"updateTime":1660801717945,"isWorking":true,
"workingTime":1660801715639,"origQuoteOrderQty":"0.00000000","selfTradePreventionMode":"NONE"}"""
CANCEL_EVENT = """{"e":"executionReport","E":1684804350070,"s":"BTCUSDT",
"c":"91fe37ce9e69c90d6358c0","S":"SELL","o":"LIMIT","f":"GTC","q":"0.00847000",
"p":"23416.10000000","P":"0.00000000","F":"0.00000000","g":-1,"C":"4d96324ff9d44481926157",
"x":"CANCELED","X":"CANCELED","r":"NONE","i":12569099453,"l":"0.00000000","z":"0.00001000",
"L":"0.00000000","n":"0","N":null,"T":1684804350068,"t":-1,"I":8641999,"w":false,"m":false,
"M":false,"O":1684804300000,"Z":"0.23416100","Y":"0.00000000","Q":"0.00000000",
"W":1684804300000,"V":"NONE"}"""


def same(made: dict[str, object], sample: str) -> None:
    """Equal, and in the same order."""
    expected = json.loads(sample)
    assert json.loads(json.dumps(made)) == expected
    assert list(made) == list(expected)


def test_a_full_answer() -> None:
    fills = [fill(1650422481, 2341610, 635), fill(1650422482, 2341650, 212)]
    made = reports.full(SCALE, order(), fills=fills, prevented=[], unit=MILLISECOND)
    same(made, FULL)


def canceled_order() -> SimOrder:
    return order(
        client_id="91fe37ce9e69c90d6358c0",
        original_client_id="4d96324ff9d44481926157",
        status=Status.CANCELED,
        filled_lots=1,
        filled_quote=Decimal("0.234161"),
        created=1_684_804_300_000 * MILLISECOND,
        working_since=1_684_804_300_000 * MILLISECOND,
        updated=1_684_804_350_068 * MILLISECOND,
    )


def test_a_canceled_order() -> None:
    same(reports.canceled(SCALE, canceled_order(), MILLISECOND), CANCELED)


def test_a_canceled_order_as_an_event() -> None:
    made = reports.execution(
        SCALE,
        canceled_order(),
        "CANCELED",
        execution_id=8641999,
        at=1_684_804_350_068 * MILLISECOND,
        now=1_684_804_350_070 * MILLISECOND,
        unit=MILLISECOND,
    )
    same(made, CANCEL_EVENT)


def test_a_queried_order() -> None:
    asked = order(
        client_id="4d96324ff9d44481926157",
        status=Status.PARTIALLY_FILLED,
        filled_lots=720,
        filled_quote=Decimal("172.43931"),
        created=1_660_801_715_639 * MILLISECOND,
        working_since=1_660_801_715_639 * MILLISECOND,
        updated=1_660_801_717_945 * MILLISECOND,
    )
    same(reports.queried(SCALE, asked, MILLISECOND), QUERIED)


@pytest.mark.parametrize(
    ("change", "extra"),
    [
        ({"stop_price": 100}, {"stopPrice": "1.00000000"}),
        ({"iceberg_lots": 100}, {"icebergQty": "0.00100000"}),
        ({"trailing_bips": 50}, {"trailingDelta": 50, "trailingTime": -1}),
        ({"strategy_id": 0}, {"strategyId": 0}),
        ({"strategy_type": 1_000_000}, {"strategyType": 1_000_000}),
        ({"prevented_lots": 5}, {"preventedQuantity": "0.00005000"}),
        ({"expiry_reason": "INSUFFICIENT_LIQUIDITY"}, {"expiryReason": "INSUFFICIENT_LIQUIDITY"}),
    ],
)
def test_conditional_fields(change: dict[str, Any], extra: dict[str, object]) -> None:
    plain = reports.result(SCALE, order(), MILLISECOND)
    made = reports.result(SCALE, order(**change), MILLISECOND)
    assert {name: value for name, value in made.items() if name not in plain} == extra
    acknowledged = reports.ack(SCALE, order(**change), MILLISECOND)
    assert not acknowledged.keys() & extra.keys()


def test_none_is_minus_one_in_any_unit() -> None:
    assert reports.stamp(-1, 1000) == -1
    assert reports.stamp(5000, 1000) == 5
