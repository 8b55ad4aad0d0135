"""User data of a futures account, in the sheet's own frames (binance §11.7)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from pitwire.model import events as ev
from pitwire.model.orders import OrderType, RejectReason, Side, TimeInForce, UpdateKind
from pitwire.venues.binance_futures import BINANCE_USDM
from pitwire.venues.binance_futures.account import Lites
from pitwire.venues.venue import CodecOptions, Role

USDM, NOW, MS = "binance-usdm", 5, 1_000_000
TRADED = (
    '{"e":"ORDER_TRADE_UPDATE","E":1568879465651,"T":1568879465650,"o":{"s":"BTCUSDT","c":"TEST",'
    '"S":"SELL","o":"LIMIT","f":"GTC","q":"0.001","p":"7100.50","ap":"7100.50","sp":"0",'
    '"x":"TRADE","X":"PARTIALLY_FILLED","i":8886774,"l":"0.001","z":"0.001","L":"7100.50",'
    '"N":"USDT","n":"0.01000000","T":1568879465650,"t":12345678,"b":"0","a":"0","m":true,'
    '"R":false,"wt":"CONTRACT_PRICE","ot":"LIMIT","ps":"LONG","cp":false,"AP":"0","cr":"0",'
    '"pP":false,"si":0,"ss":0,"rp":"12.34","V":"EXPIRE_MAKER","pm":"NONE","gtd":0,"er":"0"}}'
)
LITE = (
    '{"e":"TRADE_LITE","E":1731954087444,"T":1731954087444,"s":"BTCUSDT","q":"0.003","p":"0",'
    '"m":false,"c":"mine","S":"BUY","L":"91739.90","l":"0.002","t":77,"i":9}'
)


def codec() -> Any:
    return BINANCE_USDM.codec(CodecOptions(role=Role.PRIVATE))


def told(frame: str) -> list[Any]:
    return list(codec().decode(frame.encode(), NOW))


def test_a_trade_is_an_update_and_a_fill() -> None:
    at = 1568879465650 * MS
    update, fill = told(TRADED)
    assert update == ev.Update(
        USDM, "BTC-USDT", at, NOW, "TEST", "8886774", UpdateKind.FILLED, Side.SELL,
        OrderType.LIMIT, TimeInForce.GTC, Decimal("7100.50"), Decimal("0.001"), Decimal("0.001"),
        working=True,
    )  # fmt: skip
    assert fill == ev.Fill(
        USDM, "BTC-USDT", at, NOW, "TEST", "8886774", "12345678", Side.SELL, Decimal("7100.50"),
        Decimal("0.001"), Decimal("0.01"), "USDT", True,
    )  # fmt: skip


def test_the_same_event_wrapped() -> None:
    assert told(f'{{"stream":"someListenKey","data":{TRADED}}}') == told(TRADED)


@pytest.mark.parametrize(
    ("changes", "kind", "reason"),
    [
        ({"TRADE": "NEW", "PARTIALLY_FILLED": "NEW"}, "accepted", None),
        ({"TRADE": "CANCELED", "PARTIALLY_FILLED": "CANCELED"}, "canceled", None),
        ({"TRADE": "AMENDMENT", "PARTIALLY_FILLED": "NEW"}, "amended", None),
        ({"TRADE": "EXPIRED", "PARTIALLY_FILLED": "EXPIRED"}, "expired", None),
        (
            {"TRADE": "EXPIRED", "PARTIALLY_FILLED": "EXPIRED", "GTC": "IOC"},
            "expired",
            RejectReason.NO_LIQUIDITY,
        ),
        (
            {"TRADE": "EXPIRED", "PARTIALLY_FILLED": "EXPIRED_IN_MATCH"},
            "expired",
            RejectReason.SELF_TRADE,
        ),
    ],
)
def test_each_execution_type(
    changes: dict[str, str], kind: str, reason: RejectReason | None
) -> None:
    frame = TRADED.replace('"l":"0.001"', '"l":"0"').replace('"t":12345678', '"t":0')
    for old, new in changes.items():
        frame = frame.replace(f'"{old}"', f'"{new}"')
    [update] = told(frame)
    assert (update.update.value, update.reason) == (kind, reason)


def test_a_liquidation_is_a_fill_too() -> None:
    frame = TRADED.replace('"TRADE"', '"CALCULATED"').replace('"TEST"', '"autoclose-1"')
    update, fill = told(frame)
    assert (update.update, fill.order_id) == (UpdateKind.FILLED, "autoclose-1")


def test_a_post_only_order_is_known_as_one() -> None:
    update, _ = told(TRADED.replace('"GTC"', '"GTX"'))
    assert (update.type, update.time_in_force) == (OrderType.POST_ONLY, TimeInForce.GTC)


def test_without_a_commission_nothing_was_paid() -> None:
    _, fill = told(TRADED.replace('"N":"USDT","n":"0.01000000",', ""))
    assert (fill.fee, fill.fee_asset) == (Decimal(0), "")


# ── the quick notice and the whole event ──


def test_a_quick_notice_says_how_much_has_traded_and_is_no_fill() -> None:
    ours = codec()
    [first] = ours.decode(LITE.encode(), NOW)
    assert (first.update, first.filled, first.order_id) == (
        UpdateKind.FILLED, Decimal("0.002"), "mine",
    )  # fmt: skip
    assert list(ours.decode(LITE.encode(), NOW)) == []  # twice is once
    more = LITE.replace('"t":77', '"t":78').replace('"l":"0.002"', '"l":"0.001"')
    [second] = ours.decode(more.encode(), NOW)
    assert second.filled == Decimal("0.003")


def test_a_quick_notice_that_is_late_says_nothing() -> None:
    ours = codec()
    whole = (
        TRADED.replace('"i":8886774', '"i":9').replace('"t":12345678', '"t":77')
        .replace('"q":"0.001"', '"q":"0.003"')
    )  # fmt: skip
    assert len(ours.decode(whole.encode(), NOW)) == 2
    assert list(ours.decode(LITE.encode(), NOW)) == []


@pytest.mark.parametrize("status", ["FILLED", "CANCELED"])
def test_a_quick_notice_after_the_order_is_over_wakes_nothing(status: str) -> None:
    ours = codec()
    whole = (
        TRADED.replace('"i":8886774', '"i":9').replace('"t":12345678', '"t":77')
        .replace("PARTIALLY_FILLED", status)
    )  # fmt: skip
    if status == "CANCELED":  # the last word of an order that has traded names no trade
        whole = whole.replace('"t":77', '"t":0').replace('"x":"TRADE"', '"x":"CANCELED"')
    update = ours.decode(whole.encode(), NOW)[0]
    assert (update.update, update.working) == (UpdateKind(status.lower()), False)
    assert list(ours.decode(LITE.encode(), NOW)) == []


def test_notices_add_to_what_was_told_and_never_twice() -> None:
    lites = Lites()
    assert lites.noticed(1, 10, Decimal(2)) == 2
    assert lites.noticed(1, 12, Decimal(3)) == 5
    lites.told(1, 10, Decimal(2), over=False)
    assert lites.noticed(1, 10, Decimal(2)) is None
    assert lites.noticed(1, 13, Decimal(1)) == 6
    lites.told(1, 13, Decimal(6), over=True)
    assert lites.noticed(2, 5, Decimal(1)) == 1


def test_what_is_remembered_is_bounded() -> None:
    lites = Lites()
    for order in range(10_000):
        lites.noticed(order, 1, Decimal(1))
        lites.told(-order, 1, Decimal(1), over=True)
    assert len(lites._orders) <= 4096
    assert len(lites._over) <= 4096


# ── the account ──


def test_an_account_update_is_balances_and_positions() -> None:
    frame = (
        '{"e":"ACCOUNT_UPDATE","E":1564745798939,"T":1564745798938,"a":{"m":"ORDER",'
        '"B":[{"a":"USDT","wb":"122624.12345678","cw":"100.12345678","bc":"50.12345678"}],'
        '"P":[{"s":"BTCUSDT","pa":"-0.5","ep":"9000.00000","bep":"0","cr":"200","up":"0",'
        '"mt":"isolated","iw":"0.00000000","ps":"BOTH"}]}}'
    )
    at = 1564745798938 * MS
    assert told(frame) == [
        ev.Balance(USDM, "", at, NOW, "USDT", Decimal("100.12345678"), Decimal("122524.00000000")),
        ev.Position(USDM, "BTC-USDT", at, NOW, Decimal("-0.5"), Decimal("9000.00000")),
    ]
    assert len(told(frame.replace('"BOTH"', '"LONG"'))) == 1  # one of two positions is not one


def test_a_change_of_leverage() -> None:
    frame = '{"e":"ACCOUNT_CONFIG_UPDATE","E":3,"T":2,"ac":{"s":"BTCUSDT","l":25}}'
    assert told(frame) == [ev.Leverage(USDM, "BTC-USDT", 2 * MS, NOW, 25)]
    assert told('{"e":"ACCOUNT_CONFIG_UPDATE","E":3,"T":2,"ai":{"j":true}}') == []


def test_a_margin_call() -> None:
    frame = (
        '{"e":"MARGIN_CALL","E":3,"cw":"3.16812045","p":[{"s":"ETHUSDT","ps":"BOTH","pa":"1.327",'
        '"mt":"CROSSED","iw":"0","mp":"187.17127","up":"-1.166074","mm":"1.614445"}]}'
    )
    assert told(frame) == [
        ev.MarginCall(
            USDM, "ETH-USDT", 3 * MS, NOW, Decimal("1.327"), Decimal("187.17127"),
            Decimal("-1.166074"), Decimal("1.614445"),
        )
    ]  # fmt: skip


def test_an_expired_key_ends_the_stream() -> None:
    [ended] = told('{"e":"listenKeyExpired","E":1736996475556,"listenKey":"abc"}')
    assert (ended.what, ended.text) == ("orders", "listenKeyExpired")


@pytest.mark.parametrize("kind", ["STRATEGY_UPDATE", "GRID_UPDATE", "NEW_IN_2027"])
def test_kinds_that_we_know_nothing_of_are_unhandled(kind: str) -> None:
    [one] = told(f'{{"e":"{kind}","E":1}}')
    assert isinstance(one, ev.Unhandled)


@pytest.mark.parametrize(
    "change",
    [
        ('"l":"0.001"', '"l":"-0.001"'),
        ('"L":"7100.50"', '"L":"0"'),
        ('"S":"SELL"', '"S":"BOTH"'),
        ('"x":"TRADE"', '"x":"MYSTERY"'),
        ('"z":"0.001"', '"z":"1e3"'),
        ('"i":8886774', '"i":"8886774"'),
        ('"m":true', '"m":true,"m":false'),
    ],
)
def test_a_broken_event_is_malformed(change: tuple[str, str]) -> None:
    [one] = told(TRADED.replace(*change))
    assert isinstance(one, ev.Malformed)
