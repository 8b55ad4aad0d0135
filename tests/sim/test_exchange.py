"""The venue's truth, asked one command at a time."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from pitwire.model.entropy import Entropy
from pitwire.model.orders import Side
from pitwire.sim.exchange import Exchange
from pitwire.sim.facts import (
    Accepted,
    Amended,
    BalanceChanged,
    Deposited,
    Ended,
    Kind,
    LevelChanged,
    Listing,
    NewOrder,
    Prevented,
    Refusal,
    Refused,
    SimOrder,
    Status,
    StatusChanged,
    Stp,
    Tif,
    Traded,
    Triggered,
)
from pitwire.sim.filters import Ceilings

NOW = 1_700_000_000_000_000_000
SECOND = 1_000_000_000
SYMBOL = "BTC-USDT"
D = Decimal

LISTING = Listing(
    symbol=SYMBOL,
    base="BTC",
    quote="USDT",
    tick=D("0.01"),
    lot=D("0.001"),
    start_price=10_000,
)


class Room:
    """An exchange with a few owners and short words for what they do."""

    def __init__(self, **rules: object) -> None:
        listing = msgspec.structs.replace(LISTING, **rules)
        self.exchange = Exchange([listing], entropy=Entropy(1))
        for name in ("ann", "bob", "cid"):
            self.exchange.open_account(name, {"BTC": D(10), "USDT": D(10_000)})

    def send(self, account: str, side: Side, kind: Kind = Kind.LIMIT, **parts: object) -> SimOrder:
        at = parts.pop("at", NOW)
        request = NewOrder(account=account, symbol=SYMBOL, side=side, kind=kind, **parts)
        return self.exchange.place(request, at)

    def buy(self, account: str, price: int, lots: int, **parts: object) -> SimOrder:
        return self.send(account, Side.BUY, price=price, lots=lots, **parts)

    def sell(self, account: str, price: int, lots: int, **parts: object) -> SimOrder:
        return self.send(account, Side.SELL, price=price, lots=lots, **parts)

    def facts(self, *kinds: type) -> list:
        return [fact for fact in self.exchange.take_facts() if not kinds or type(fact) in kinds]

    def kinds(self) -> list[type]:
        return [type(fact) for fact in self.exchange.take_facts()]

    def balance(self, account: str, asset: str) -> tuple[Decimal, Decimal]:
        return self.exchange.balances(account)[asset]


def refusal_of(call) -> Refused:
    with pytest.raises(Refused) as caught:
        call()
    return caught.value


# ── resting and trading ───────────────────────────────────────────────────────────────────────


def test_a_resting_order_locks_its_cost_and_shows_on_the_book():
    room = Room()
    order = room.buy("ann", 9_000, 50)
    assert (order.order_id, order.status, order.on_book) == (1, Status.NEW, True)
    assert len(order.client_id) == 22
    assert order.client_id.isalnum()
    assert room.balance("ann", "USDT") == (D("9995.5"), D("4.5"))
    assert room.exchange.book(SYMBOL).bids == [(9_000, 50)]
    assert room.exchange.top(SYMBOL) == (9_000, 50, 0, 0)
    accepted, level, balance = room.facts()
    assert type(accepted) is Accepted
    assert accepted.execution == 1
    assert type(level) is LevelChanged
    assert level.update_id == 1
    assert balance == BalanceChanged(
        at=NOW, symbol=SYMBOL, account="ann", asset="USDT", free=D("9995.5"), locked=D("4.5")
    )


def test_a_taker_trades_at_the_makers_price_and_both_pay_in_what_they_receive():
    room = Room()
    room.sell("ann", 10_000, 100)
    room.facts()
    taker = room.buy("bob", 10_100, 40)
    assert taker.status is Status.FILLED
    assert taker.filled_quote == D("4.00000")
    assert room.balance("bob", "USDT") == (D(9_996), D(0))
    assert room.balance("bob", "BTC") == (D("10.03996"), D(0))
    assert room.balance("ann", "BTC") == (D("9.900"), D("0.060"))
    assert room.balance("ann", "USDT") == (D("10003.996"), D(0))
    assert room.exchange.balances("fees") == {
        "BTC": (D("0.00004"), D(0)),
        "USDT": (D("0.004"), D(0)),
    }
    accepted, traded, *rest = room.facts()
    assert (accepted.order.status, accepted.order.filled_lots) == (Status.NEW, 0)
    assert (traded.trade_id, traded.price, traded.lots) == (1, 10_000, 40)
    assert (traded.taker_execution, traded.maker_execution) == (3, 4)
    assert (traded.taker_fee, traded.taker_fee_asset) == (D("0.00004"), "BTC")
    assert (traded.maker_fee, traded.maker_fee_asset) == (D("0.004"), "USDT")
    assert (traded.taker.status, traded.maker.status) == (Status.FILLED, Status.PARTIALLY_FILLED)
    assert [type(fact) for fact in rest] == [LevelChanged] + [BalanceChanged] * 4
    assert room.exchange.last_price(SYMBOL) == 10_000


def test_price_comes_before_time_and_time_decides_at_one_price():
    room = Room()
    late_but_better = [
        room.sell("ann", 10_010, 10).order_id,
        room.sell("bob", 10_000, 10).order_id,
        room.sell("ann", 10_000, 10).order_id,
    ]
    room.facts()
    room.buy("cid", 10_010, 25)
    met = [(trade.maker.order_id, trade.lots) for trade in room.facts(Traded)]
    first, second, third = late_but_better[1], late_but_better[2], late_but_better[0]
    assert met == [(first, 10), (second, 10), (third, 5)]


def test_a_copy_in_a_fact_does_not_change_afterwards():
    room = Room()
    room.sell("ann", 10_000, 10)
    (accepted,) = room.facts(Accepted)
    room.buy("bob", 10_000, 4)
    assert accepted.order.filled_lots == 0
    assert room.exchange.order("ann", SYMBOL, order_id=1).filled_lots == 4


def test_the_venues_order_of_facts_when_a_market_order_exhausts_the_book():
    room = Room()
    room.sell("ann", 10_000, 2)
    room.sell("ann", 10_010, 2)
    room.facts()
    order = room.send("bob", Side.BUY, Kind.MARKET, lots=6)
    assert (order.status, order.filled_lots) == (Status.EXPIRED, 4)
    facts = room.facts(Accepted, Traded, Ended)
    assert [type(fact) for fact in facts] == [Accepted, Traded, Traded, Ended]
    assert facts[-1].order.expiry_reason == "INSUFFICIENT_LIQUIDITY"
    assert facts[2].taker.status is Status.PARTIALLY_FILLED
    # binance §6.2: the taker's ids are 62, 63, 65, 67 in the documented run: makers consume too.
    first = facts[0].execution
    ids = [facts[0].execution, facts[1].taker_execution, facts[2].taker_execution]
    assert [*ids, facts[3].execution] == [first, first + 1, first + 3, first + 5]


def test_ioc_leaves_nothing_behind():
    room = Room()
    room.sell("ann", 10_000, 2)
    order = room.buy("bob", 10_000, 5, tif=Tif.IOC)
    assert (order.status, order.filled_lots) == (Status.EXPIRED, 2)
    assert order.expiry_reason == "UNFILLED_IOC_QUANTITY_EXPIRED"
    assert room.balance("bob", "USDT")[1] == 0
    assert room.exchange.book(SYMBOL).bids == []


def test_fok_is_all_or_nothing_and_counts_what_an_iceberg_hides():
    room = Room()
    room.sell("ann", 10_000, 10, iceberg_lots=2)
    order = room.buy("bob", 10_000, 11, tif=Tif.FOK)
    assert (order.status, order.filled_lots) == (Status.EXPIRED, 0)
    assert order.expiry_reason == "UNFILLED_FOK_ORDER_EXPIRED"
    assert room.buy("bob", 10_000, 10, tif=Tif.FOK).status is Status.FILLED


def test_a_maker_order_is_refused_rather_than_take():
    room = Room()
    room.sell("ann", 10_000, 10)
    before = room.exchange.balances("bob")
    room.facts()
    refused = refusal_of(lambda: room.buy("bob", 10_000, 1, kind=Kind.LIMIT_MAKER))
    assert refused.refusal is Refusal.WOULD_TAKE
    assert room.facts() == []
    assert room.exchange.balances("bob") == before
    assert room.buy("bob", 9_999, 1, kind=Kind.LIMIT_MAKER).on_book


def test_an_iceberg_shows_one_slice_and_loses_its_place_with_each():
    room = Room()
    room.sell("ann", 10_000, 10, iceberg_lots=4)
    room.sell("bob", 10_000, 5)
    assert room.exchange.book(SYMBOL).asks == [(10_000, 9)]
    room.facts()
    room.buy("cid", 10_000, 6)
    met = [(trade.maker.account, trade.lots) for trade in room.facts(Traded)]
    assert met == [("ann", 4), ("bob", 2)]
    assert room.exchange.book(SYMBOL).asks == [(10_000, 3 + 4)]


# ── amounts ───────────────────────────────────────────────────────────────────────────────────


def test_a_market_order_by_amount_never_spends_more_than_it():
    room = Room()
    room.sell("ann", 10_000, 10)
    room.sell("ann", 20_000, 10)
    order = room.send("bob", Side.BUY, Kind.MARKET, quote=D("1.5"))
    # 10 lots at 0.1 quote each, then 2 lots at 0.2 each; 0.1 is left.
    assert (order.status, order.lots) == (Status.FILLED, 12)
    assert (order.quote, order.filled_quote) == (D("1.5"), D("1.4"))


def test_an_amount_is_worked_out_without_orders_of_ones_own():
    room = Room()
    room.sell("bob", 10_000, 50)
    room.sell("ann", 20_000, 50)
    order = room.send("bob", Side.BUY, Kind.MARKET, quote=D(4), stp=Stp.EXPIRE_MAKER)
    assert (order.lots, order.filled_quote) == (20, D(4))


def test_an_amount_that_the_book_cannot_serve_is_left_with_an_expired_rest():
    room = Room()
    room.sell("ann", 10_000, 10)
    order = room.send("bob", Side.BUY, Kind.MARKET, quote=D("2"))
    assert (order.status, order.lots, order.filled_lots) == (Status.EXPIRED, 20, 10)
    assert order.expiry_reason == "INSUFFICIENT_LIQUIDITY"


def test_an_amount_meets_an_empty_book():
    refused = refusal_of(lambda: Room().send("bob", Side.BUY, Kind.MARKET, quote=D("2")))
    assert refused.refusal is Refusal.NO_LIQUIDITY


def test_what_cannot_be_paid_is_refused():
    room = Room()
    room.sell("ann", 10_000, 5_000)
    for call in (
        lambda: room.buy("bob", 2_000_000, 1_000),
        lambda: room.sell("bob", 10_000, 10_001),
        lambda: room.send("bob", Side.SELL, Kind.MARKET, lots=10_001),
        lambda: room.send("bob", Side.BUY, Kind.MARKET, quote=D(10_001)),
    ):
        assert refusal_of(call).refusal is Refusal.INSUFFICIENT_BALANCE
    room.exchange.deposit("bob", "USDT", D(-9_999), NOW)
    poor = refusal_of(lambda: room.send("bob", Side.BUY, Kind.MARKET, lots=100))
    assert poor.refusal is Refusal.INSUFFICIENT_BALANCE
    assert room.exchange.balances("bob")["USDT"] == (D(1), D(0))


def test_a_deposit_tells_the_amount_and_the_balance():
    room = Room()
    room.exchange.deposit("ann", "BNB", D("0.5"), NOW)
    deposited, balance = room.facts()
    assert (type(deposited), deposited.amount) == (Deposited, D("0.5"))
    assert (balance.asset, balance.free) == ("BNB", D("0.5"))
    assert (
        refusal_of(lambda: room.exchange.deposit("ann", "BNB", D(-1), NOW)).refusal
        is Refusal.INSUFFICIENT_BALANCE
    )


# ── cancel and amend ──────────────────────────────────────────────────────────────────────────


def test_a_cancel_gives_the_order_another_client_id_and_the_money_back():
    room = Room()
    room.buy("ann", 9_000, 10, client_id="mine")
    room.facts()
    order = room.exchange.cancel("ann", SYMBOL, client_id="mine", new_client_id="bye", now=NOW)
    assert (order.status, order.client_id, order.original_client_id) == (
        Status.CANCELED,
        "bye",
        "mine",
    )
    assert room.kinds() == [LevelChanged, Ended, BalanceChanged]
    assert room.balance("ann", "USDT") == (D(10_000), D(0))
    for client_id in ("mine", "bye"):
        assert room.exchange.order("ann", SYMBOL, client_id=client_id) is order
    again = refusal_of(lambda: room.exchange.cancel("ann", SYMBOL, order_id=1, now=NOW))
    assert again.refusal is Refusal.UNKNOWN_ORDER


def test_an_order_is_found_by_id_and_then_the_client_id_must_be_right():
    room = Room()
    room.buy("ann", 9_000, 10, client_id="mine")
    find = room.exchange.order
    assert find("ann", SYMBOL, order_id=1, client_id="mine").order_id == 1
    assert refusal_of(lambda: find("ann", SYMBOL, order_id=1, client_id="x")).refusal is (
        Refusal.ID_MISMATCH
    )
    for call in (
        lambda: find("ann", SYMBOL, order_id=2),
        lambda: find("bob", SYMBOL, order_id=1),
        lambda: find("ann", SYMBOL, client_id="x"),
        lambda: find("ann", SYMBOL),
    ):
        assert refusal_of(call).refusal is Refusal.UNKNOWN_ORDER
    assert refusal_of(lambda: find("ann", "ETH-USDT", order_id=1)).refusal is Refusal.UNKNOWN_SYMBOL


def test_a_client_id_is_unique_among_open_orders_only():
    room = Room()
    room.buy("ann", 9_000, 10, client_id="mine")
    twice = refusal_of(lambda: room.buy("ann", 9_000, 10, client_id="mine"))
    assert twice.refusal is Refusal.DUPLICATE_CLIENT_ID
    assert room.buy("bob", 9_000, 10, client_id="mine").on_book
    room.exchange.cancel("ann", SYMBOL, client_id="mine", now=NOW)
    assert room.buy("ann", 9_000, 10, client_id="mine").order_id == 3


def test_cancel_restrictions():
    room = Room()
    room.buy("ann", 9_000, 10)
    cancel = room.exchange.cancel
    wrong = refusal_of(
        lambda: cancel("ann", SYMBOL, order_id=1, only=Status.PARTIALLY_FILLED, now=NOW)
    )
    assert wrong.refusal is Refusal.RESTRICTED
    room.sell("bob", 9_000, 3)
    done = cancel("ann", SYMBOL, order_id=1, only=Status.PARTIALLY_FILLED, now=NOW)
    assert (done.status, done.filled_lots) == (Status.CANCELED, 3)


def test_cancel_all_ends_every_open_order_and_nothing_is_an_error():
    room = Room()
    room.buy("ann", 9_000, 1)
    room.send("ann", Side.SELL, Kind.STOP_LOSS, lots=1, stop_price=9_000)
    room.buy("bob", 9_000, 1)
    ended = room.exchange.cancel_all("ann", SYMBOL, NOW)
    assert [order.order_id for order in ended] == [1, 2]
    assert room.exchange.open_orders("ann") == []
    assert len(room.exchange.open_orders("bob", SYMBOL)) == 1
    empty = refusal_of(lambda: room.exchange.cancel_all("ann", SYMBOL, NOW))
    assert empty.refusal is Refusal.UNKNOWN_ORDER


def amend(room: Room, lots: int, order_id: int = 1, name: str = "") -> SimOrder:
    return room.exchange.amend(
        "ann", SYMBOL, order_id=order_id, client_id="", lots=lots, new_client_id=name, now=NOW
    )


def test_an_amend_keeps_the_place_and_returns_the_difference():
    room = Room()
    room.sell("ann", 10_000, 10, client_id="a")
    room.sell("bob", 10_000, 10)
    room.facts()
    order = amend(room, 6, name="b")
    assert (order.lots, order.client_id, order.original_client_id) == (6, "b", "a")
    assert room.kinds() == [LevelChanged, Amended, BalanceChanged]
    assert room.exchange.book(SYMBOL).asks == [(10_000, 16)]
    assert room.balance("ann", "BTC") == (D("9.994"), D("0.006"))
    room.buy("cid", 10_000, 7)
    met = [(trade.maker.account, trade.lots) for trade in room.facts(Traded)]
    assert met == [("ann", 6), ("bob", 1)]


def test_an_amend_may_only_make_smaller_and_not_for_ever():
    room = Room(max_amends=2)
    room.sell("ann", 10_000, 10)
    assert refusal_of(lambda: amend(room, 11)).refusal is Refusal.AMEND_INCREASE
    assert refusal_of(lambda: amend(room, 10)).refusal is Refusal.AMEND_NO_CHANGE
    amend(room, 9)
    amend(room, 8)
    assert refusal_of(lambda: amend(room, 7)).refusal is Refusal.AMEND_LIMIT
    assert refusal_of(lambda: amend(room, 7, order_id=9)).refusal is Refusal.UNKNOWN_ORDER


def test_an_amend_to_what_is_filled_already_ends_the_order():
    room = Room()
    room.sell("ann", 10_000, 10)
    room.buy("bob", 10_000, 5)
    order = amend(room, 5)
    assert order.status is Status.EXPIRED
    assert room.balance("ann", "BTC") == (D("9.995"), D(0))


def test_an_amended_iceberg_shows_less_only_when_less_than_a_slice_is_left():
    room = Room()
    room.sell("ann", 10_000, 10, iceberg_lots=4)
    amend(room, 5)
    assert room.exchange.book(SYMBOL).asks == [(10_000, 4)]
    amend(room, 3)
    assert room.exchange.book(SYMBOL).asks == [(10_000, 3)]
    assert room.buy("bob", 10_000, 5).filled_lots == 3


# ── stops ─────────────────────────────────────────────────────────────────────────────────────


def trade_at(room: Room, price: int, at: int = NOW) -> None:
    room.sell("bob", price, 1, at=at)
    room.buy("cid", price, 1, at=at)


def test_a_stop_waits_off_the_book_and_works_when_a_trade_touches_it():
    room = Room()
    room.buy("bob", 9_000, 5)
    order = room.send("ann", Side.SELL, Kind.STOP_LOSS, lots=2, stop_price=9_500)
    assert (order.working_since, order.on_book) == (-1, False)
    assert room.balance("ann", "BTC") == (D("9.998"), D("0.002"))
    trade_at(room, 9_501)
    assert order.status is Status.NEW
    room.facts()
    trade_at(room, 9_500, at=NOW + 5)
    assert (order.status, order.working_since) == (Status.FILLED, NOW + 5)
    facts = room.facts(Triggered, Traded)
    assert [type(fact) for fact in facts] == [Traded, Triggered, Traded]
    assert facts[-1].price == 9_000


def test_a_stop_limit_rests_at_its_price_after_the_trigger():
    room = Room()
    order = room.send("ann", Side.BUY, Kind.STOP_LOSS_LIMIT, lots=2, stop_price=10_100, price=9_900)
    assert room.balance("ann", "USDT")[1] == D("0.198")
    trade_at(room, 10_100)
    assert order.on_book
    assert room.exchange.book(SYMBOL).bids == [(9_900, 2)]


@pytest.mark.parametrize(
    ("kind", "side", "bad"),
    [
        (Kind.STOP_LOSS, Side.BUY, 10_000),
        (Kind.STOP_LOSS, Side.SELL, 10_000),
        (Kind.TAKE_PROFIT, Side.BUY, 10_001),
        (Kind.TAKE_PROFIT, Side.SELL, 9_999),
    ],
)
def test_a_stop_on_the_wrong_side_is_refused(kind: Kind, side: Side, bad: int):
    refused = refusal_of(lambda: Room().send("ann", side, kind, lots=1, stop_price=bad))
    assert refused.refusal is Refusal.WOULD_TRIGGER


def test_stops_fire_one_another_in_turn():
    room = Room()
    room.buy("bob", 9_400, 1)
    room.buy("bob", 9_000, 9)
    first = room.send("ann", Side.SELL, Kind.STOP_LOSS, lots=1, stop_price=9_500)
    second = room.send("ann", Side.SELL, Kind.STOP_LOSS, lots=1, stop_price=9_400)
    trade_at(room, 9_500)
    assert (first.status, second.status) == (Status.FILLED, Status.FILLED)
    assert room.exchange.last_price(SYMBOL) == 9_000


def test_a_trailing_sell_follows_the_highest_trade():
    room = Room()
    room.buy("bob", 5_000, 5)
    order = room.send("ann", Side.SELL, Kind.STOP_LOSS, lots=1, trailing_bips=100)
    for price in (10_000, 11_000, 10_891):
        trade_at(room, price)
    assert order.status is Status.NEW
    assert order.trailing_since == NOW
    trade_at(room, 10_890)
    assert order.status is Status.FILLED


def test_a_trailing_stop_with_a_stop_price_begins_where_that_is_touched():
    room = Room()
    room.sell("bob", 20_000, 5)
    order = room.send(
        "ann", Side.BUY, Kind.TAKE_PROFIT, lots=1, stop_price=9_000, trailing_bips=100
    )
    trade_at(room, 9_500)
    assert order.trailing_since == -1
    trade_at(room, 8_900, at=NOW + 9)
    assert order.trailing_since == NOW + 9
    trade_at(room, 8_988)
    assert order.status is Status.NEW
    trade_at(room, 8_989)
    assert order.status is Status.FILLED


def test_a_stop_that_cannot_pay_when_it_fires_expires():
    room = Room()
    room.sell("bob", 900_000, 2_000)
    order = room.send("ann", Side.BUY, Kind.STOP_LOSS, lots=1_500, stop_price=10_100)
    trade_at(room, 10_100)
    assert (order.status, order.expiry_reason) == (Status.EXPIRED, "REJECTED")
    assert room.balance("ann", "USDT") == (D(10_000), D(0))


def test_a_cancelled_stop_never_fires():
    room = Room()
    room.buy("bob", 5_000, 5)
    stop = room.send("ann", Side.SELL, Kind.STOP_LOSS, lots=1, stop_price=9_000)
    trailing = room.send("ann", Side.SELL, Kind.STOP_LOSS, lots=1, trailing_bips=10)
    for order in (stop, trailing):
        room.exchange.cancel("ann", SYMBOL, order_id=order.order_id, now=NOW)
    trade_at(room, 9_500)
    trade_at(room, 8_000)
    assert (stop.status, trailing.status) == (Status.CANCELED, Status.CANCELED)
    assert room.balance("ann", "BTC") == (D(10), D(0))


# ── self-trade prevention ─────────────────────────────────────────────────────────────────────


def own_cross(mode: Stp, *, maker: int, taker: int) -> tuple[Room, SimOrder, SimOrder]:
    room = Room()
    resting = room.sell("ann", 10_000, maker)
    room.sell("bob", 10_000, 3)
    room.facts()
    return room, resting, room.buy("ann", 10_000, taker, stp=mode)


def test_stp_none_trades():
    _, resting, taker = own_cross(Stp.NONE, maker=5, taker=5)
    assert (resting.status, taker.status) == (Status.FILLED, Status.FILLED)


def test_stp_expire_maker_goes_on_to_the_next():
    room, resting, taker = own_cross(Stp.EXPIRE_MAKER, maker=5, taker=4)
    assert (resting.status, resting.prevented_lots) == (Status.EXPIRED_IN_MATCH, 5)
    assert (taker.filled_lots, taker.on_book) == (3, True)
    (prevented,) = room.facts(Prevented)
    assert (prevented.order.order_id, prevented.counter_order_id) == (1, 3)
    assert (prevented.prevented_id, prevented.lots) == (1, 5)


def test_stp_expire_taker_leaves_the_maker_alone():
    room, resting, taker = own_cross(Stp.EXPIRE_TAKER, maker=5, taker=4)
    assert (resting.status, resting.left) == (Status.NEW, 5)
    assert (taker.status, taker.prevented_lots) == (Status.EXPIRED_IN_MATCH, 4)
    assert room.facts(Ended) == []
    assert room.balance("ann", "USDT") == (D(10_000), D(0))


def test_stp_expire_both():
    room, resting, taker = own_cross(Stp.EXPIRE_BOTH, maker=5, taker=4)
    assert resting.status is taker.status is Status.EXPIRED_IN_MATCH
    assert [fact.lots for fact in room.facts(Prevented)] == [5, 4]
    assert room.exchange.book(SYMBOL).asks == [(10_000, 3)]


def test_stp_decrement_takes_the_same_from_both():
    room, resting, taker = own_cross(Stp.DECREMENT, maker=5, taker=4)
    assert (resting.status, resting.left) == (Status.NEW, 1)
    assert (taker.status, taker.prevented_lots) == (Status.EXPIRED_IN_MATCH, 4)
    assert room.exchange.book(SYMBOL).asks == [(10_000, 4)]
    assert room.balance("ann", "BTC") == (D("9.999"), D("0.001"))


def test_stp_decrement_of_an_iceberg_reaches_what_it_hides():
    room = Room()
    resting = room.sell("ann", 10_000, 10, iceberg_lots=2)
    taker = room.buy("ann", 10_000, 7, stp=Stp.DECREMENT)
    assert (resting.left, taker.status) == (3, Status.EXPIRED_IN_MATCH)
    assert room.exchange.book(SYMBOL).asks == [(10_000, 1)]


def test_a_market_buy_need_not_pay_for_what_prevention_skips():
    room = Room()
    room.sell("ann", 900_000, 2_000)
    room.sell("bob", 10_000, 5)
    order = room.send("ann", Side.BUY, Kind.MARKET, lots=2_000, stp=Stp.EXPIRE_MAKER)
    assert (order.filled_lots, order.status) == (5, Status.EXPIRED)


# ── filters ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("rules", "parts", "name"),
    [
        ({"max_price": 10_000}, {"price": 10_001, "lots": 1}, "PRICE_FILTER"),
        ({"min_price": 100}, {"price": 99, "lots": 1}, "PRICE_FILTER"),
        ({}, {"price": 0, "lots": 1}, "PRICE_FILTER"),
        ({"min_lots": 5}, {"price": 100, "lots": 4}, "LOT_SIZE"),
        ({"max_lots": 5}, {"price": 100, "lots": 6}, "LOT_SIZE"),
        ({"market_max_lots": 5}, {"kind": Kind.MARKET, "lots": 6}, "MARKET_LOT_SIZE"),
        ({"iceberg_parts": 4}, {"price": 1, "lots": 9, "iceberg_lots": 2}, "ICEBERG_PARTS"),
        ({"percent_up": D(2)}, {"price": 20_001, "lots": 1}, "PERCENT_PRICE_BY_SIDE"),
        ({"percent_down": D("0.5")}, {"price": 4_999, "lots": 1}, "PERCENT_PRICE_BY_SIDE"),
        ({"min_notional": D(5)}, {"price": 10_000, "lots": 49}, "NOTIONAL"),
        ({"max_notional": D(5)}, {"price": 10_000, "lots": 51}, "NOTIONAL"),
        ({"min_notional": D(5)}, {"kind": Kind.MARKET, "lots": 49}, "NOTIONAL"),
        ({"min_notional": D(5)}, {"kind": Kind.MARKET, "quote": D("4.99")}, "NOTIONAL"),
        (
            {},
            {"kind": Kind.STOP_LOSS, "lots": 1, "stop_price": 20_000, "trailing_bips": 9},
            "TRAILING_DELTA",
        ),
        ({"max_position": D("10.0005")}, {"price": 10_000, "lots": 1}, "MAX_POSITION"),
        (
            {"percent_up": D(2), "plain_filters": True},
            {"price": 20_001, "lots": 1},
            "PERCENT_PRICE",
        ),
        (
            {"min_notional": D(5), "plain_filters": True},
            {"price": 10_000, "lots": 49},
            "MIN_NOTIONAL",
        ),
    ],
)
def test_a_filter_refuses(rules: dict[str, object], parts: dict[str, object], name: str):
    refused = refusal_of(lambda: Room(**rules).send("ann", Side.BUY, **parts))
    assert (refused.refusal, refused.detail) == (Refusal.FILTER, name)


def test_an_iceberg_must_be_larger_than_what_it_shows():
    refused = refusal_of(lambda: Room().buy("ann", 1, 9, iceberg_lots=9))
    assert refused.refusal is Refusal.ICEBERG_SIZE


def test_old_filters_have_no_upper_end():
    Room(max_notional=D(5), plain_filters=True).buy("ann", 10_000, 51)


def test_so_many_icebergs_and_no_more():
    room = Room(max_iceberg_orders=1)
    room.buy("ann", 10_000, 10, iceberg_lots=2)
    room.buy("ann", 10_000, 10)
    refused = refusal_of(lambda: room.buy("ann", 10_000, 10, iceberg_lots=2))
    assert refused.detail == "MAX_NUM_ICEBERG_ORDERS"
    room.buy("bob", 10_000, 10, iceberg_lots=2)


OTHER = msgspec.structs.replace(LISTING, symbol="ETH-USDT", base="ETH")


@pytest.mark.parametrize(
    ("limit", "parts", "name"),
    [
        ({"max_orders": 2}, {}, "EXCHANGE_MAX_NUM_ORDERS"),
        (
            {"max_algo_orders": 2},
            {"kind": Kind.STOP_LOSS_LIMIT, "stop_price": 11_000},
            "EXCHANGE_MAX_NUM_ALGO_ORDERS",
        ),
        ({"max_iceberg_orders": 2}, {"iceberg_lots": 2}, "EXCHANGE_MAX_NUM_ICEBERG_ORDERS"),
    ],
)
def test_ceilings_count_all_symbols_of_an_account(
    limit: dict[str, int], parts: dict[str, object], name: str
):
    exchange = Exchange([LISTING, OTHER], entropy=Entropy(1), ceilings=Ceilings(**limit))
    for account in ("ann", "bob"):
        exchange.open_account(account, {"USDT": D(10_000)})

    def buy(account: str, symbol: str) -> SimOrder:
        ask = {"kind": Kind.LIMIT, "price": 10_000, "lots": 10, "side": Side.BUY} | parts
        return exchange.place(NewOrder(account=account, symbol=symbol, **ask), NOW)

    first = buy("ann", SYMBOL)
    buy("ann", "ETH-USDT")
    refused = refusal_of(lambda: buy("ann", SYMBOL))
    assert (refused.refusal, refused.detail) == (Refusal.FILTER, name)
    buy("bob", SYMBOL)
    exchange.cancel("ann", SYMBOL, order_id=first.order_id, now=NOW)
    buy("ann", SYMBOL)


@pytest.mark.parametrize(
    ("most", "parts", "refuses"),
    [
        ({"BTC": D("0.01")}, {"price": 10_000, "lots": 11}, True),
        ({"BTC": D("0.01")}, {"price": 10_000, "lots": 10}, False),
        ({"USDT": D(1)}, {"price": 10_000, "lots": 10}, False),
        ({"USDT": D("0.9")}, {"price": 10_000, "lots": 10}, True),
        ({"USDT": D(1)}, {"kind": Kind.MARKET, "quote": D(2)}, True),
        ({"ETH": D("0.001")}, {"price": 10_000, "lots": 11}, False),
    ],
)
def test_one_order_moves_so_much_of_an_asset_and_no_more(
    most: dict[str, Decimal], parts: dict[str, object], refuses: bool
):
    exchange = Exchange([LISTING], entropy=Entropy(1), ceilings=Ceilings(max_asset=most))
    exchange.open_account("ann", {"USDT": D(10_000)})
    exchange.open_account("bob", {"BTC": D(10)})
    rest = {"kind": Kind.LIMIT, "side": Side.SELL, "price": 10_001, "lots": 10}
    exchange.place(NewOrder(account="bob", symbol=SYMBOL, **(rest | {"lots": 5})), NOW)
    request = NewOrder(**({"account": "ann", "symbol": SYMBOL, "side": Side.BUY,
                           "kind": Kind.LIMIT} | parts))  # fmt: skip
    if refuses:
        assert refusal_of(lambda: exchange.check(request, NOW)).detail == "MAX_ASSET"
        assert refusal_of(lambda: exchange.place(request, NOW)).detail == "MAX_ASSET"
    else:
        exchange.place(request, NOW)


@pytest.mark.parametrize(
    ("rules", "parts"),
    [
        ({"max_price": 10_000}, {"price": 10_000, "lots": 1}),
        ({"percent_up": D(2)}, {"price": 20_000, "lots": 1}),
        ({"percent_down": D("0.5")}, {"price": 5_000, "lots": 1}),
        ({"min_notional": D(5), "max_notional": D(5)}, {"price": 10_000, "lots": 50}),
        ({"max_notional": D(5)}, {"kind": Kind.MARKET, "lots": 51}),
        ({"max_position": D("10.001")}, {"price": 10_000, "lots": 1}),
    ],
)
def test_a_filter_lets_its_own_bound_through(rules: dict[str, object], parts: dict[str, object]):
    assert Room(**rules).send("ann", Side.BUY, **parts).order_id == 1


def test_open_orders_and_stops_are_counted():
    room = Room(max_orders=2, max_algo_orders=1)
    room.send("ann", Side.SELL, Kind.STOP_LOSS, lots=1, stop_price=9_000)
    stops = refusal_of(
        lambda: room.send("ann", Side.SELL, Kind.STOP_LOSS, lots=1, stop_price=9_000)
    )
    assert stops.detail == "MAX_NUM_ALGO_ORDERS"
    room.buy("ann", 9_000, 1)
    assert refusal_of(lambda: room.buy("ann", 9_000, 1)).detail == "MAX_NUM_ORDERS"


def test_a_test_order_meets_the_filters_alone():
    room = Room(max_price=20_000)
    rich = NewOrder(
        account="ann", symbol=SYMBOL, side=Side.BUY, kind=Kind.LIMIT, price=20_000, lots=10**9
    )
    room.exchange.check(rich, NOW)
    dear = NewOrder(
        account="ann", symbol=SYMBOL, side=Side.BUY, kind=Kind.LIMIT, price=20_001, lots=1
    )
    assert refusal_of(lambda: room.exchange.check(dear, NOW)).detail == "PRICE_FILTER"
    assert room.facts() == []


def test_kinds_modes_symbols_and_owners_that_are_not_there():
    room = Room(kinds=(Kind.LIMIT,), allowed_stp=(Stp.EXPIRE_TAKER,))
    assert refusal_of(lambda: room.send("ann", Side.BUY, Kind.MARKET, lots=1)).refusal is (
        Refusal.TYPE_NOT_SUPPORTED
    )
    assert refusal_of(lambda: room.buy("ann", 1, 1, stp=Stp.NONE)).refusal is (
        Refusal.STP_NOT_ALLOWED
    )
    assert refusal_of(lambda: room.buy("zoe", 1, 1)).refusal is Refusal.ACCOUNT_DISABLED


@pytest.mark.parametrize(
    ("kind", "parts", "name"),
    [
        (Kind.LIMIT, {"lots": 1}, "price"),
        (Kind.LIMIT, {"price": 1}, "lots"),
        (Kind.MARKET, {}, "lots, quote"),
        (Kind.MARKET, {"lots": 1, "quote": D(1)}, "lots, quote"),
        (Kind.STOP_LOSS, {"lots": 1}, "stop_price"),
    ],
)
def test_a_request_that_lacks_a_part_is_a_mistake_of_the_caller(kind, parts, name):
    with pytest.raises(ValueError, match=f"^{name}: found"):
        Room().send("ann", Side.BUY, kind, **parts)


# ── the symbol ────────────────────────────────────────────────────────────────────────────────


def test_a_closed_market_takes_no_orders_but_cancels():
    room = Room()
    room.buy("ann", 9_000, 1)
    room.facts()
    room.exchange.set_status(SYMBOL, "HALT", NOW)
    assert room.facts() == [StatusChanged(at=NOW, symbol=SYMBOL, status="HALT")]
    assert room.exchange.listings[SYMBOL].status == "HALT"
    assert refusal_of(lambda: room.buy("ann", 9_000, 1)).refusal is Refusal.MARKET_CLOSED
    assert room.exchange.cancel("ann", SYMBOL, order_id=1, now=NOW).status is Status.CANCELED


def test_a_status_can_be_scheduled():
    room = Room()
    assert room.exchange.next_deadline() is None
    room.exchange.schedule_status(SYMBOL, "TRADING", NOW + 2 * SECOND)
    room.exchange.schedule_status(SYMBOL, "HALT", NOW + SECOND)
    assert room.exchange.next_deadline() == NOW + SECOND
    room.exchange.handle_deadline(NOW + SECOND)
    assert room.exchange.listings[SYMBOL].status == "HALT"
    assert room.exchange.next_deadline() == NOW + 2 * SECOND


def test_the_average_price_forgets_after_its_window():
    room = Room()
    assert room.exchange.average_price(SYMBOL, 5, NOW) == D(100)
    trade_at(room, 10_000)
    room.sell("bob", 13_000, 2, at=NOW + 200 * SECOND)
    room.buy("cid", 13_000, 2, at=NOW + 200 * SECOND)
    at = NOW + 200 * SECOND
    assert room.exchange.average_price(SYMBOL, 5, at) == D(120)
    assert room.exchange.average_price(SYMBOL, 1, at) == D(130)
    assert room.exchange.average_price(SYMBOL, 5, at + 101 * SECOND) == D(130)
    assert room.exchange.average_price(SYMBOL, 5, at + 301 * SECOND) == D(130)
    with pytest.raises(ValueError, match="minutes: found 6"):
        room.exchange.average_price(SYMBOL, 6, at)


def test_trades_can_be_asked_for():
    room = Room()
    for price in (10_000, 10_001, 10_002):
        trade_at(room, price)
    assert [trade.price for trade in room.exchange.recent_trades(SYMBOL, 2)] == [10_001, 10_002]
    assert room.exchange.recent_trades(SYMBOL, 0) == []
    assert [trade.trade_id for trade in room.exchange.trades_from(SYMBOL, 2, 1)] == [2]
    assert len(room.exchange.trades_of("bob", SYMBOL)) == 3
    assert room.exchange.trades_of("ann", SYMBOL) == []
    assert [order.order_id for order in room.exchange.all_orders("cid", SYMBOL)] == [2, 4, 6]


def test_an_unlimited_account_is_quiet_and_leaves_nothing_behind():
    room = Room(max_orders=1, min_notional=D(1_000))
    room.exchange.open_account("crowd", {}, unlimited=True)
    for price in (10_000, 10_001):
        room.sell("crowd", price, 10**6)
    assert room.kinds() == [LevelChanged, LevelChanged]
    room.exchange.cancel("crowd", SYMBOL, order_id=2, now=NOW)
    assert room.kinds() == [LevelChanged]
    assert room.exchange.all_orders("crowd", SYMBOL) == room.exchange.open_orders("crowd")
    room.send("ann", Side.BUY, Kind.MARKET, lots=10_000)
    assert room.exchange.balances("crowd") == {"BTC": (D(-10), D(0)), "USDT": (D(1_000), D(0))}


def test_a_name_can_be_opened_once_and_with_no_debt():
    room = Room()
    with pytest.raises(ValueError, match="account: found 'ann' in use"):
        room.exchange.open_account("ann", {})
    with pytest.raises(ValueError, match=r"balances\.BTC: found -1"):
        room.exchange.open_account("dan", {"BTC": D(-1)})


def test_a_listing_without_a_grid_is_a_mistake():
    with pytest.raises(ValueError, match="found tick 0 "):
        Room(tick=D(0))
