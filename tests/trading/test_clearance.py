"""The quick yes never says yes where the checks say no, and is worth having."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitwire.model import events as ev
from pitwire.model.errors import OffGrid
from pitwire.model.orders import OrderType, Place, Side, UpdateKind
from pitwire.trading.clearance import Clearance
from pitwire.trading.limits import CHECKS, Limits, duplicate, order_rate
from tests.trading.making import (
    BTC,
    ETH,
    SECOND,
    Desk,
    at,
    balance,
    fill,
    instrument,
    order,
    quote,
    snapshot,
    update,
)

PRICES = (97, 99, 100, 101, 103, 105)
SIZES = ("0.050", "0.100", "1", "2", "5", "10")
FATES = ("sent", "sent", "open", "open", "partly", "filled", "filled", "unknown")
_KINDS = tuple(OrderType)


def _limits(chance: random.Random) -> Limits:
    def maybe(*values: Any) -> Any:
        if chance.random() < 0.7:
            return None
        return Decimal(str(chance.choice(values)))

    return Limits(
        max_order_size=maybe(1, 2, 10),
        max_order_notional=maybe(10, 100, 202, 1000),
        max_position=maybe(0, 1, 3, 12),
        collar_percent=maybe(0, 1, 3, 5, 100),
        max_open_orders=chance.choice((1, 100, 100, 100)),
        max_open_orders_per_symbol=chance.choice((1, 20, 20, 20)),
        max_daily_loss=maybe(0, 5, 100),
        max_quote_age_seconds=chance.choice((0.0, 30.0, 30.0, 60.0)),
        check_funds=chance.random() < 0.8,
        max_exposure=maybe(50, 1000) if chance.random() < 0.3 else None,
        max_day_notional=maybe(50, 1000) if chance.random() < 0.3 else None,
        allow_short=chance.random() < 0.7,
    )


def _instruments(chance: random.Random) -> list[Any]:
    facts: dict[str, Any] = {
        "market_max_size": Decimal(chance.choice((0,) * 6 + (1, 4))),
        "max_notional": Decimal(chance.choice((0,) * 6 + (100, 505))),
        "notional_applies_to_market": chance.random() < 0.7,
        "status": chance.choice(("TRADING",) * 8 + ("open", "BREAK")),
        "order_types": chance.choice(((),) * 6 + ((OrderType.LIMIT,),)),
        "max_open_orders": chance.choice((0, 0, 2)),
    }
    if chance.random() < 0.05:
        facts["tick"] = Decimal("1e-12")
    return [instrument(BTC, **facts), instrument(ETH)]


def _market(chance: random.Random, symbol: str) -> list[ev.Event]:
    middle = chance.choice(PRICES)
    levels = [chance.choice((0.05, 1.0, 2.0, 5.0)) for _ in range(4)]
    book = snapshot(
        [(middle - 0.5, levels[0]), (middle - 1.5, levels[1])],
        [(middle + 0.5, levels[2]), (middle + 1.5, levels[3])],
        chance.choice((0, 1)),
        symbol,
    )
    off = chance.choice((0, 0, 0.01, 1, -1))
    touch = quote(middle - 0.5 + off, middle + 0.5 + off, chance.choice((0, 1)), symbol=symbol)
    return chance.choice(
        ([book], [touch], [book, touch], [book, touch], *([[]] if chance.random() < 0.3 else []))
    )


def _orders(desk: Desk, chance: random.Random) -> None:
    for number in range(chance.choice((0, 0, 0, 1, 2))):
        name = f"o{number}"
        symbol, side = chance.choice((BTC, ETH)), chance.choice(tuple(Side))
        made = order(name, chance.choice(SIZES), price=chance.choice(PRICES), side=side,
                     symbol=symbol)  # fmt: skip
        desk.engine.sent(made, at(0))
        match chance.choice(
            (
                "sent",
                "open",
                "open",
                "partly",
                "filled",
                "filled",
                *(["unknown"] if chance.random() < 0.3 else []),
            )
        ):
            case "open":
                desk.engine.apply(update(name, UpdateKind.ACCEPTED, 1, symbol=symbol))
            case "partly":
                desk.engine.apply(update(name, UpdateKind.ACCEPTED, 1, symbol=symbol))
                desk.engine.apply(fill(name, "0.050", 100, 1, side=side, symbol=symbol))
            case "filled":
                size = str(made.size)
                desk.engine.apply(fill(name, size, 100, 1, side=side, symbol=symbol))
            case "unknown":
                desk.engine.lost(at(1))


def _world(chance: random.Random) -> Desk:
    desk = Desk(limits=_limits(chance), instruments=_instruments(chance))
    for asset in ("BTC", "ETH", "USDT"):
        if chance.random() < 0.8:
            desk.engine.apply(balance(asset, chance.choice((0, 1, 100, 505, 10_000))))
    desk.engine.decide(at(0))
    _orders(desk, chance)
    for symbol in (BTC, ETH):
        for event in _market(chance, symbol):
            desk.engine.apply(event)
    if chance.random() < 0.05:
        desk.engine.apply(ev.FeedStale("test", BTC, 0, at(1), "trades", 5.0))
    if chance.random() < 0.3:
        error = chance.choice((0, 1_000_000, 499_900_000, 600_000_000))
        desk.engine.apply(ev.ClockOffset("test", "", 0, at(1), 5, error))
    if chance.random() < 0.05:
        desk.engine.apply(ev.MarketStatus("test", BTC, 0, at(1), "HALT"))
    return desk


def _place(chance: random.Random) -> Place:
    plain = chance.random() < 0.9
    kind = chance.choice((OrderType.LIMIT, OrderType.MARKET)) if plain else chance.choice(_KINDS)
    priced = (kind is not OrderType.MARKET) if plain else chance.random() < 0.7
    price = Decimal(chance.choice(PRICES)) + Decimal(chance.choice(("0", "0.5", "1.5", "0.01")))
    by_quote = chance.random() < 0.05
    return Place(
        symbol=BTC,
        side=chance.choice(tuple(Side)),
        type=kind,
        size=None if by_quote else Decimal(chance.choice(SIZES)),
        quote_size=Decimal(50) if by_quote else None,
        price=price if priced else None,
        stop_price=Decimal(100) if not plain and chance.random() < 0.5 else None,
        reduce_only=chance.random() < 0.05,
        rule="r",
    )


def _compared(seed: int) -> tuple[bool, str]:
    """(the quick yes, the limit that the checks name) for one order in one world."""
    chance = random.Random(seed)
    desk, place = _world(chance), _place(chance)
    state, screen, now = desk.state, desk.screen, at(chance.choice((1, 1, 2, 31)))
    clearance = Clearance(state.instruments[BTC], screen.limits)
    touch = state.touch(BTC)
    proposal = screen._proposal(place, clearance, state, now, touch, replacing=None, on_grid=False)
    breaches = (check(proposal) for check in CHECKS if check not in (order_rate, duplicate))
    breach = next((found for found in breaches if found is not None), None)
    return clearance.passes(place, state, now, touch), "" if breach is None else breach.limit


@given(st.integers(min_value=0, max_value=2**48))
@settings(max_examples=300, deadline=None)
def test_where_the_quick_way_says_yes_every_check_says_yes(seed: int) -> None:
    passes, breach = _compared(seed)
    assert not (passes and breach), (seed, breach)


def test_the_quick_way_is_taken_by_most_orders_that_pass_and_every_limit_is_met() -> None:
    met: Counter[str] = Counter()
    quick = allowed = 0
    for seed in range(3_000):
        passes, breach = _compared(seed)
        assert not (passes and breach), (seed, breach)
        met[breach] += 1
        quick += passes
        allowed += not breach
    assert quick > 0.5 * allowed > 50, (quick, allowed)
    wanted = {
        "stale input", "quote", "quote age", "clock error", "market status", "order type",
        "grid size", "grid notional", "unknown order", "max_order_size", "max_order_notional",
        "collar_percent", "max_open_orders_per_symbol", "max_open_orders", "max_position",
        "max_daily_loss", "funds", "reduce only", "digits",
    }  # fmt: skip
    assert wanted <= met.keys(), wanted - met.keys()


@pytest.mark.parametrize(
    ("limits", "size", "price", "passes", "allowed"),
    [
        ({"max_order_size": Decimal("0.099")}, "0.1", "100", False, False),
        ({"max_order_size": Decimal("0.1")}, "0.1", "100", True, True),
        ({"max_order_notional": Decimal("9.99")}, "0.1", "100", False, False),
        ({"max_order_notional": Decimal(10)}, "0.1", "100", True, True),
        ({"max_position": Decimal("0.099")}, "0.1", "100", False, False),
        ({"max_position": Decimal("0.1")}, "0.1", "100", True, True),
        # Floats are compared here: whoever stands on the limit goes the long way, and passes.
        ({"collar_percent": Decimal(5)}, "0.1", "105.01", False, False),
        ({"collar_percent": Decimal(5)}, "0.1", "105", False, True),
        ({"collar_percent": Decimal(5)}, "0.1", "104.99", True, True),
    ],
)
def test_exactly_at_a_limit_is_allowed_and_a_hair_beyond_is_not(
    limits: dict[str, Decimal], size: str, price: str, passes: bool, allowed: bool
) -> None:
    desk = Desk(limits=Limits(**limits))
    desk.engine.apply(quote(99, 100))
    place = Place(symbol=BTC, side=Side.BUY, type=OrderType.LIMIT, size=Decimal(size),
                  price=Decimal(price))  # fmt: skip
    clearance = Clearance(desk.state.instruments[BTC], desk.screen.limits)
    assert clearance.passes(place, desk.state, at(0), desk.state.touch(BTC)) is passes
    assert len(desk.screen.admit([place], desk.state, at(0))) == allowed


def test_a_number_is_remembered_by_its_kind() -> None:
    listed = instrument(lot=Decimal("0.1"))
    clearance = Clearance(listed, Limits())
    for _ in range(2):
        assert clearance.size(0.3) == Decimal("0.3")  # a label
        assert clearance.size(Decimal.from_float(0.3)) == Decimal("0.2")  # just below it
        assert clearance.size("0.39") == Decimal("0.3")
        assert clearance.price(100) == clearance.price("100") == Decimal(100)


@pytest.mark.parametrize("call", [Clearance.price, Clearance.size, Clearance.quote_size])
def test_what_has_no_place_on_the_grid_is_refused_every_time(
    call: Callable[[Clearance, Any], Decimal],
) -> None:
    clearance = Clearance(instrument(), Limits())
    for _ in range(2):
        with pytest.raises(OffGrid):
            call(clearance, "-1")


def test_what_is_remembered_is_bounded() -> None:
    clearance = Clearance(instrument(), Limits())
    for number in range(1, 2_000):
        assert clearance.price(number) == number
    assert len(clearance._grid) <= 512


def test_limits_that_are_exchanged_count_from_the_next_order_on() -> None:
    desk = Desk(limits=Limits(duplicate_seconds=0.0))
    desk.engine.apply(quote(99, 100))
    place = Place(symbol=BTC, side=Side.BUY, size=Decimal(1))
    assert desk.screen.admit([place], desk.state, at(0))
    desk.screen.limits = Limits(max_order_size=Decimal("0.5"), duplicate_seconds=0.0)
    assert not desk.screen.admit([place], desk.state, at(0) + SECOND // 10)
    assert desk.refusals == ["max_order_size"]


def _clearance(desk: Desk) -> Clearance:
    return Clearance(desk.state.instruments[BTC], desk.screen.limits)


def test_a_market_order_is_held_to_the_book_it_takes_from() -> None:
    desk = Desk(limits=Limits(collar_percent=Decimal(5)))
    desk.engine.apply(snapshot([(99, 1)], [(110, 5)]))
    desk.engine.apply(quote(99, 100, 1))  # newer than the book, and far from it
    place = Place(symbol=BTC, side=Side.BUY, size=Decimal(1))
    assert not _clearance(desk).passes(place, desk.state, at(1), desk.state.touch(BTC))
    assert desk.screen.admit([place], desk.state, at(1)) == []
    assert desk.refusals == ["collar_percent"]


@pytest.mark.parametrize(("mark", "passes"), [(55, False), (65, True)])
def test_a_loss_counts_from_the_start_of_the_day(mark: float, passes: bool) -> None:
    desk = Desk(limits=Limits(max_daily_loss=Decimal(30), collar_percent=None))
    desk.engine.sent(order("a", 1), at(0))
    desk.engine.apply(fill("a", 1, 100))
    desk.engine.apply(quote(79.5, 80.5))
    desk.engine.decide(at(0))
    desk.engine.apply(quote(89.5, 90.5, 86_400))
    desk.engine.decide(at(86_400))  # 10 lost so far, and forgotten
    desk.engine.apply(quote(mark - 0.5, mark + 0.5, 86_401))
    place = Place(symbol=BTC, side=Side.BUY, size=Decimal(1))
    assert _clearance(desk).passes(place, desk.state, at(86_401), desk.state.touch(BTC)) is passes
    assert bool(desk.screen.admit([place], desk.state, at(86_401))) is passes


def test_money_that_an_order_on_its_way_needs_is_not_there_for_another() -> None:
    desk = Desk(limits=Limits(duplicate_seconds=0.0))
    desk.engine.apply(balance("USDT", 150))
    desk.engine.apply(quote(99, 100))
    place = Place(symbol=BTC, side=Side.BUY, size=Decimal(1))
    assert _clearance(desk).passes(place, desk.state, at(0), desk.state.touch(BTC))
    assert len(desk.screen.admit([place], desk.state, at(0))) == 1
    assert not _clearance(desk).passes(place, desk.state, at(0), desk.state.touch(BTC))
    assert desk.screen.admit([place], desk.state, at(0)) == []
    assert desk.refusals == ["funds"]


def test_orders_on_their_way_are_paid_for_without_the_long_way() -> None:
    desk = Desk(limits=Limits(duplicate_seconds=0.0))
    desk.engine.apply(balance("USDT", 350))
    for symbol in (BTC, ETH):
        desk.engine.apply(quote(99, 100, symbol=symbol))
    place = Place(symbol=BTC, side=Side.BUY, type=OrderType.LIMIT, size=Decimal(1),
                  price=Decimal(100))  # fmt: skip
    other = Place(symbol=ETH, side=Side.BUY, type=OrderType.LIMIT, size=Decimal(1),
                  price=Decimal(99))  # fmt: skip
    for wish in (place, other, place):  # 100, 199, 299 of 350
        touch = desk.state.touch(wish.symbol)
        clearance = Clearance(desk.state.instruments[wish.symbol], desk.screen.limits)
        assert clearance.passes(wish, desk.state, at(0), touch)
        assert len(desk.screen.admit([wish], desk.state, at(0))) == 1
    assert not _clearance(desk).passes(place, desk.state, at(0), desk.state.touch(BTC))
    assert desk.screen.admit([place], desk.state, at(0)) == []
    assert desk.refusals == ["funds"]
