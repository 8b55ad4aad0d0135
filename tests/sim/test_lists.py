"""Order lists in the engine: whatever happens, money adds up and no list is left half alive."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import msgspec
import pytest

from pitwire.model.entropy import Entropy
from pitwire.model.orders import Side
from pitwire.sim.exchange import Exchange
from pitwire.sim.execution import OVER
from pitwire.sim.facts import Kind, NewList, NewOrder, Refusal, Refused, Tif
from pitwire.sim.world import BTC_USDT

SYMBOL = BTC_USDT.symbol
LAST = 6_000_000
MONEY = {"BTC": Decimal(10), "USDT": Decimal(1_000_000)}


@pytest.fixture
def exchange() -> Exchange:
    found = Exchange([BTC_USDT], entropy=Entropy(1))
    for name in ("one", "two"):
        found.open_account(name, MONEY)
    return found


def order(side: Side, kind: Kind, price: int | None, stop: int | None = None) -> NewOrder:
    return NewOrder(
        account="one",
        symbol=SYMBOL,
        side=side,
        kind=kind,
        tif=Tif.GTC,
        lots=1_000,
        price=price,
        stop_price=stop,
    )


def oco(side: Side) -> NewList:
    away = 10_000 if side is Side.SELL else -10_000
    return NewList(
        pair=(
            order(side, Kind.LIMIT_MAKER, LAST + away),
            order(side, Kind.STOP_LOSS_LIMIT, LAST - away, LAST - away),
        )
    )


def locked(exchange: Exchange) -> dict[str, Decimal]:
    """What the open orders of the account should have set aside."""
    found = {"BTC": Decimal(0), "USDT": Decimal(0)}
    for each in exchange.open_orders("one"):
        if not each.holds:
            continue
        if each.side is Side.SELL:
            found["BTC"] += each.left * BTC_USDT.lot
        else:
            found["USDT"] += each.reserve_price * each.left * BTC_USDT.tick * BTC_USDT.lot
    return found


def test_a_refused_list_changes_nothing(exchange: Exchange) -> None:
    pair = oco(Side.SELL).pair
    assert pair is not None
    limit, stop = (msgspec.structs.replace(each, lots=2_000_000) for each in pair)
    big = NewList(pair=(limit, stop))
    with pytest.raises(Refused) as refused:
        exchange.lists.place(big, 1)
    assert refused.value.refusal is Refusal.INSUFFICIENT_BALANCE
    assert exchange.take_facts() == []
    assert exchange.lists.all_of("one") == []
    assert exchange.balances("one") == {name: (amount, 0) for name, amount in MONEY.items()}
    assert exchange.place(order(Side.BUY, Kind.LIMIT, LAST - 100), 2).order_id == 1


def test_a_name_is_used_once_among_open_lists(exchange: Exchange) -> None:
    named = NewList(client_id="mine", pair=oco(Side.SELL).pair)
    found = exchange.lists.place(named, 1)
    with pytest.raises(Refused, match="duplicate"):
        exchange.lists.place(named, 2)
    exchange.lists.cancel(found, "", 3)
    assert exchange.lists.place(named, 4).list_id == 2
    assert exchange.lists.find("one", client_id="mine") is not found


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_money_adds_up(exchange: Exchange, seed: int) -> None:
    chance = Random(seed)
    total = {name: 2 * amount for name, amount in MONEY.items()}

    def something(now: int) -> None:
        open_lists = exchange.lists.open_of("one")
        match chance.randrange(6):
            case 0:
                exchange.lists.place(oco(chance.choice(list(Side))), now)
            case 1:
                working = order(chance.choice(list(Side)), Kind.LIMIT, LAST)
                exchange.lists.place(NewList(working=working, pair=oco(Side.SELL).pair), now)
            case 2:
                working = order(Side.BUY, Kind.LIMIT, LAST - chance.randrange(5_000))
                pending = order(Side.SELL, Kind.LIMIT, LAST + 20_000)
                exchange.lists.place(NewList(working=working, pending=pending), now)
            case 3 if open_lists:
                exchange.lists.cancel(chance.choice(open_lists), "", now)
            case 4 if open_lists:
                each = chance.choice(chance.choice(open_lists).orders)
                exchange.amend("one", SYMBOL, order_id=each.order_id, client_id="",
                               lots=chance.randrange(400, 1_000), new_client_id="",
                               now=now)  # fmt: skip
            case _:
                request = NewOrder(
                    account="two",
                    symbol=SYMBOL,
                    side=chance.choice(list(Side)),
                    kind=Kind.LIMIT,
                    tif=chance.choice((Tif.GTC, Tif.IOC)),
                    lots=chance.randrange(300, 3_000),
                    price=LAST + chance.randrange(-15_000, 15_000),
                )
                exchange.place(request, now)

    done = refused = 0
    for now in range(1, 300):
        try:
            something(now)
            done += 1
        except Refused:
            refused += 1
        mine = exchange.balances("one")
        assert {name: held for name, (_, held) in mine.items()} == locked(exchange)
        assert all(free >= 0 and held >= 0 for free, held in mine.values())
        for each in exchange.lists.all_of("one"):
            assert each.done == all(member.status in OVER for member in each.orders)
    owned = {
        name: sum(sum(exchange.balances(who)[name]) for who in ("one", "two", "fees"))
        for name in total
        if name in exchange.balances("fees")
    }
    assert done > 100
    assert all(owned[name] == total[name] for name in owned)
