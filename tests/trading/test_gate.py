"""The compiled gate beside the plain one: the same orders, the same records, the same state."""

from __future__ import annotations

import gc
import random
import sys
from collections import Counter
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import native
from pitwire.model import events as ev
from pitwire.model.orders import Order, Side, UpdateKind
from pitwire.trading.clearance import Clearance, Gate, known_by
from pitwire.trading.limits import Limits
from pitwire.trading.snapshot import encode, take
from pitwire.trading.wishes import Draft, Wish, buy, order, sell
from tests.trading.making import BTC, ETH, SECOND, Desk, at, balance, fill, quote, snapshot, update
from tests.trading.test_clearance import _world

_SIZES: tuple[Any, ...] = (0.05, "0.1", 1, Decimal("0.100"), 2.0, "5", 10, 0.0001, "x", None)
_PRICES: tuple[Any, ...] = (97, 99.5, "100", Decimal("101.0"), 103, "105.004", 1e-9, None)


@pytest.fixture(scope="module")
def gate() -> Gate:
    found = native.twin(native.GATE)
    if found is None:
        pytest.skip("no C compiler that can build it")
    return known_by(found)


def _wish(chance: random.Random) -> Draft:
    good = chance.random() < 0.7
    size, price = chance.choice(_SIZES[:4] if good else _SIZES), chance.choice(_PRICES[good:])
    if good and price in (1e-9, None):
        price = 100
    if size is None:
        size = 1 if chance.random() < 0.8 else None
    common = chance.random() < 0.8
    return order(
        chance.choice((BTC, BTC, ETH, "XXX-USDT")) if not common else BTC,
        chance.choice(tuple(Side)),
        size=size,
        quote_size=50 if size is None else None,
        price=price,
        stop_price=100 if chance.random() < 0.03 else None,
        post_only=price is not None and chance.random() < 0.1,
        time_in_force=chance.choice(("gtc", "ioc", "fok")),
        reduce_only=chance.random() < 0.03,
        protective=chance.random() < 0.03,
        tag=chance.choice(("", "a", "b")),
    )


def _signed(wish: Draft, chance: random.Random) -> Draft:
    fields = {name: getattr(wish, name) for name in wish.__struct_fields__}
    return Draft(**fields | {"rule": chance.choice(("r", "s"))})


def _happens(desk: Desk, chance: random.Random, now: int) -> None:
    """Something that changes what may pass."""
    state, seconds = desk.state, (now - at(0)) / SECOND
    match chance.randrange(9):
        case 0:
            desk.engine.apply(quote(99.5, 100.5, seconds))
        case 1:
            desk.engine.apply(snapshot([(98.5, 2.0)], [(99.5, 2.0)], seconds))
        case 2:
            asset = chance.choice(("BTC", "USDT"))
            desk.engine.apply(balance(asset, chance.choice((0, 300, 10_000)), seconds=seconds))
        case 3 | 4:
            for one in list(state.ledger.open_of("")):
                kind = chance.choice((UpdateKind.ACCEPTED, UpdateKind.EXPIRED))
                name = f"v{one.id}"
                desk.engine.apply(update(one.id, kind, seconds, symbol=one.symbol, venue_id=name))
        case 5:
            for one in list(state.ledger.open_of("")):
                if one.side is not None and one.size is not None and chance.random() < 0.5:
                    told = fill(one.id, str(one.size / 2), 100, seconds, side=one.side,
                                symbol=one.symbol, trade_id=f"t{one.id}{now}")  # fmt: skip
                    desk.engine.apply(told)
        case 6 if chance.random() < 0.2:
            desk.engine.lost(now)
        case 7 if chance.random() < 0.2:
            if chance.random() < 0.5:
                desk.screen.restrict("r", "test", now)
            else:
                desk.screen.throw("h", "test", now)
        case 8:
            desk.screen.resume("test", now)
            desk.screen.armed = chance.random() < 0.95
        case _:
            pass


def _lived(seed: int, gate: Gate | None) -> tuple[list[Any], Counter[str]]:
    """Everything that a life in which rules wish has left behind."""
    chance, used = random.Random(seed), Counter[str]()
    desk = _world(chance) if chance.random() < 0.5 else Desk()
    if chance.random() < 0.7:
        desk.engine.apply(quote(99.5, 100.5, 1))
        desk.screen.limits = desk.screen.conduct._limits = _wider(desk.screen.limits, chance)
        desk.screen._lately._window = round(desk.screen.limits.duplicate_seconds * SECOND)

    def counted(*told: Any) -> Order | None:
        assert gate is not None
        expected = gate.would(*told)
        found = gate.quick(*told)
        assert (found is not None) is expected
        used["asked"] += 1
        used["yes"] += found is not None
        return found

    desk.screen.compiled = None if gate is None else Gate(counted, gate.would)
    now, left = at(1), list[Any]()
    for _ in range(30):
        now += chance.choice((0, 1, SECOND // 10, SECOND // 2, 3 * SECOND))
        if chance.random() < 0.3:
            _happens(desk, chance, now)
        wishes: list[Wish] = [
            _signed(_wish(chance), chance) for _ in range(chance.choice((1, 1, 2)))
        ]
        commands = desk.screen.admit(wishes, desk.state, now)
        left.append(commands)
        for command in commands:
            used["orders"] += isinstance(command, Order) and command.price is not None
            if chance.random() < 0.9:
                left.append(desk.engine.may_leave(command, now))
                desk.engine.sent(command, now)
            else:
                desk.engine.dropped(command, "why", now)
        screen, lately = desk.screen, desk.screen._lately
        left.append((list(lately._second), list(lately._ten), screen.refused, screen.ids.made))
        left.append((screen.conduct.day_orders, sorted(screen.conduct._pending)))
    ids, halted = desk.ids, desk.screen.halted
    kept = take(desk.state, prefix=ids.prefix, epoch=ids.epoch, made=ids.made, halted=halted)
    return [*left, desk.journal.lines(), encode(kept), _tally(desk)], used


def _wider(limits: Limits, chance: random.Random) -> Limits:
    """What lets more than ten orders pass, so that a life does not end early."""
    facts = {name: getattr(limits, name) for name in limits.__struct_fields__}
    return Limits(**facts | {
        "max_orders_per_second": chance.choice((2, 100)),
        "max_orders_per_ten_seconds": 1_000,
        "max_open_orders": 1_000,
        "max_open_orders_per_symbol": 1_000,
        "max_unanswered_orders": 1_000,
        "max_order_size": None,
        "max_position": None,
        "max_day_orders": chance.choice((None, None, 12)),
        "max_rule_orders_per_ten_seconds": chance.choice((None, None, None, 5)),
        "max_quote_age_seconds": 600.0,
        "max_exposure": None,
        "max_day_notional": None,
        "check_funds": chance.random() < 0.5,
        "duplicate_seconds": chance.choice((0.0, 0.25, 1.0)),
    })  # fmt: skip


def _tally(desk: Desk) -> list[Any]:
    tally, ledger = desk.state.ledger.tally, desk.state.ledger
    return [
        {name: repr(share) for name, share in tally._shares.items()},
        {symbol: [getattr(one, name) if not name.startswith(("moving", "untold"))
                  else list(getattr(one, name)) for name in one.__slots__]
         for symbol, one in tally.by_symbol.items()},
        list(tally.flying), tally.unanswered, tally.unknown, list(ledger.open),
        {symbol: list(here) for symbol, here in ledger.open_by_symbol.items()},
    ]  # fmt: skip


@given(st.integers(min_value=0, max_value=2**48))
@settings(max_examples=150, deadline=None)
def test_a_life_is_the_same_by_either_gate(gate: Gate, seed: int) -> None:
    plain, _ = _lived(seed, None)
    compiled, _ = _lived(seed, gate)
    assert compiled == plain


def test_most_limit_orders_go_by_the_compiled_gate(gate: Gate) -> None:
    used = Counter[str]()
    for seed in range(400):
        plain, _ = _lived(seed, None)
        compiled, found = _lived(seed, gate)
        assert compiled == plain, seed
        used += found
    # A number that is met for the first time is put on the grid by the plain way, once a symbol.
    assert used["orders"] > 1_500
    assert used["yes"] > 0.4 * used["orders"]


def _ready(gate: Gate, **limits: Any) -> Desk:
    desk = Desk(limits=Limits(duplicate_seconds=0.0, **limits))
    desk.screen.compiled = gate
    desk.engine.apply(quote(99, 100))
    clearance = desk.screen.clearance(desk.state.instruments[BTC])
    for number in (1, 99, 100):
        clearance.price(number)
        clearance.size(number)
    desk.engine.decide(at(0))
    desk.screen.conduct._begin_day(at(0))
    return desk


@pytest.mark.parametrize(
    ("limits", "wish", "passes"),
    [
        ({}, buy(BTC, 1, price=99), True),
        ({}, sell(BTC, 1, price=99), True),
        ({}, buy(BTC, 1, price=99, post_only=True), True),
        ({}, buy(BTC, 1), False),
        ({}, buy(BTC, 1, price=98), False),
        ({}, buy(BTC, quote_size=50), False),
        ({}, buy(BTC, 1, price=99, protective=True), False),
        ({}, buy(BTC, 1, price=99, reduce_only=True), False),
        ({}, buy("XXX-USDT", 1, price=99), False),
        ({"allow_short": False}, sell(BTC, 1, price=99), False),
        ({"max_order_size": Decimal("0.9")}, buy(BTC, 1, price=99), False),
        ({"max_order_notional": Decimal("98.9")}, buy(BTC, 1, price=99), False),
        ({"max_order_notional": Decimal(99)}, buy(BTC, 1, price=99), True),
        ({"max_position": Decimal("0.9")}, buy(BTC, 1, price=99), False),
        ({"max_open_orders": 0}, buy(BTC, 1, price=99), False),
        ({"max_orders_per_second": 0}, buy(BTC, 1, price=99), False),
        ({"max_day_orders": 0}, buy(BTC, 1, price=99), False),
        ({"max_unanswered_orders": 0}, buy(BTC, 1, price=99), False),
        ({"max_exposure": Decimal(10**6)}, buy(BTC, 1, price=99), False),
        ({"max_rule_orders_per_ten_seconds": 5}, buy(BTC, 1, price=99), False),
    ],
)
def test_it_says_yes_to_the_ordinary_and_nothing_to_the_rest(
    gate: Gate, limits: dict[str, Any], wish: Draft, passes: bool
) -> None:
    desk = _ready(gate, **limits)
    before = desk.screen.ids.made
    assert gate.would(desk.screen, wish, desk.state, at(0)) is passes
    assert (desk.screen.ids.made, len(desk.state.ledger.open)) == (before, 0)
    found = gate.quick(desk.screen, wish, desk.state, at(0))
    assert (found is not None) is passes
    assert desk.screen.ids.made - before == passes
    assert len(desk.state.ledger.open) == passes


@pytest.mark.parametrize("compiled", [False, True])
def test_a_screen_that_is_only_asked_says_what_it_would_and_changes_nothing(
    gate: Gate, compiled: bool
) -> None:
    desk = _ready(gate)
    desk.screen.compiled = gate if compiled else None
    asked = {
        buy(BTC, 1, price=99): True,
        buy(BTC, 2, price=98.5): True,  # met for the first time
        buy(BTC, 1, price=-1): False,
        buy(BTC, 1, price=120): False,
        buy("XXX-USDT", 1, price=99): False,
    }
    before = (desk.journal.lines(), desk.ids.made, desk.screen.refused)
    for _ in range(2):
        for wish, passes in asked.items():
            assert desk.screen.would_admit(wish, desk.state, at(0)) is passes
    assert (desk.journal.lines(), desk.ids.made, desk.screen.refused) == before
    assert len(desk.state.ledger.open) == desk.screen.conduct.day_orders == 0
    desk.screen.halted = "h"
    assert not desk.screen.would_admit(buy(BTC, 1, price=99), desk.state, at(0))


@pytest.mark.parametrize("why", ["halted", "reducing", "disarmed", "missed", "blind", "stale"])
def test_no_switch_is_passed_by(gate: Gate, why: str) -> None:
    desk = _ready(gate)
    match why:
        case "halted":
            desk.screen.halted = "h"
        case "reducing":
            desk.screen.reducing = "r"
        case "disarmed":
            desk.screen.armed = False
        case "missed":
            desk.state.missed = {BTC: None}
        case "blind":
            desk.state.blind = "b"
        case _:
            desk.state.stale[BTC] = {"trades": "silent"}
    assert gate.quick(desk.screen, buy(BTC, 1, price=99), desk.state, at(0)) is None


def test_limits_or_an_instrument_that_were_exchanged_are_asked_for_anew(gate: Gate) -> None:
    desk = _ready(gate)
    wish = buy(BTC, 1, price=99)
    desk.screen.limits = Limits(max_order_size=Decimal("0.5"), duplicate_seconds=0.0)
    assert gate.quick(desk.screen, wish, desk.state, at(0)) is None
    assert desk.screen.admit([wish], desk.state, at(0)) == []
    assert desk.refusals == ["max_order_size"]


def test_what_cannot_be_asked_is_an_error_and_no_crash(gate: Gate) -> None:
    desk = _ready(gate)
    wish = buy(BTC, 1, price=99)
    for told in ((), (1, 2, 3), (desk.screen, wish, desk.state)):
        with pytest.raises(TypeError):
            gate.quick(*told)
    with pytest.raises(AttributeError):
        gate.quick(object(), wish, desk.state, at(0))
    with pytest.raises(AttributeError):
        gate.quick(desk.screen, wish, object(), at(0))
    assert gate.quick(desk.screen, wish, desk.state, 1 << 70) is None
    assert gate.quick(desk.screen, wish, desk.state, "now") is None
    assert gate.quick(desk.screen, object(), desk.state, at(0)) is None
    desk.screen._clearances[BTC] = object()  # type: ignore[assignment]
    with pytest.raises(AttributeError):
        gate.quick(desk.screen, wish, desk.state, at(0))
    assert len(desk.state.ledger.open) == 0


def test_what_was_found_in_a_slot_is_looked_up_anew_when_its_type_has_changed(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, wish = _ready(gate), buy(BTC, 1, price=99)
    assert gate.would(desk.screen, wish, desk.state, at(0))
    with monkeypatch.context() as changed:
        changed.setattr(Clearance, "_max_size", property(lambda _: Decimal("0.5")))
        assert not gate.would(desk.screen, wish, desk.state, at(0))
    assert gate.would(desk.screen, wish, desk.state, at(0))

    class Other(Clearance):
        _max_size = property(lambda _: Decimal("0.5"))  # type: ignore[assignment]

    own = desk.screen._clearances[BTC]
    other = object.__new__(Other)
    for name in Clearance.__slots__:
        if name != "_max_size":
            setattr(other, name, getattr(own, name))
    desk.screen._clearances[BTC] = other
    assert not gate.would(desk.screen, wish, desk.state, at(0))
    desk.screen._clearances[BTC] = own
    assert gate.would(desk.screen, wish, desk.state, at(0))


def test_a_class_that_says_itself_what_an_attribute_is_is_asked(gate: Gate) -> None:
    class Strict(Clearance):
        def __getattribute__(self, name: str) -> Any:
            return Decimal("0.5") if name == "_max_size" else super().__getattribute__(name)

    desk, wish = _ready(gate), buy(BTC, 1, price=99)
    own, strict = desk.screen._clearances[BTC], object.__new__(Strict)
    for name in Clearance.__slots__:
        setattr(strict, name, getattr(own, name))
    desk.screen._clearances[BTC] = strict
    for _ in range(3):
        assert not gate.would(desk.screen, wish, desk.state, at(0))


@pytest.mark.parametrize("compiled", [False, True])
def test_a_record_has_the_very_numbers_of_the_quote(gate: Gate, compiled: bool) -> None:
    desk = _ready(gate)
    desk.screen.compiled = gate if compiled else None
    desk.engine.apply(snapshot([(98.5, 1.0)], [(101.5, 1.0)]))
    desk.engine.apply(quote(99, 101, 0.5))
    (made,) = desk.screen.admit([buy(BTC, 1, price=100)], desk.state, at(1))
    assert isinstance(made, Order)
    assert b'"bid":99,"ask":101}' in desk.journal.lines()


@pytest.mark.parametrize("now", [at(0), 2**62 - 1, 2**62, 2**63 - 1])
@pytest.mark.parametrize("heard", [-(2**63), -(2**62), 0, 2**63 - 1])
def test_times_that_no_clock_shows_are_left_to_the_plain_gate(
    gate: Gate, heard: int, now: int
) -> None:
    """Their differences fit in no machine's word: seen by the undefined-behaviour sanitizer."""
    desk, wish = _ready(gate), buy(BTC, 1, price=99)
    desk.screen.conduct._begin_day(now)
    old = desk.state.quotes[BTC]
    desk.state.quotes[BTC] = msgspec.structs.replace(old, received=heard)
    assert gate.quick(desk.screen, wish, desk.state, now) is None
    desk.state.quotes[BTC] = old
    desk.state.offset = ev.ClockOffset("test", "", 0, heard, 5, 0)
    assert gate.quick(desk.screen, wish, desk.state, at(0)) is None


def test_who_only_asks_begins_no_day(gate: Gate) -> None:
    desk, wish = _ready(gate, max_day_orders=5), buy(BTC, 1, price=99)
    desk.screen.conduct.day_orders = 3
    tomorrow = desk.screen.conduct._tomorrow
    desk.state.quotes[BTC] = quote(99, 100, (tomorrow - at(0)) / SECOND)
    for compiled in (gate, None):
        desk.screen.compiled = compiled
        assert not desk.screen.would_admit(wish, desk.state, tomorrow)
    # A clock that is set back over midnight finds the day that it left.
    assert desk.screen.conduct.day_orders == 3
    assert len(desk.screen.admit([wish], desk.state, tomorrow)) == 1
    assert desk.screen.conduct.day_orders == 1


def test_nothing_is_held_that_is_not_needed(gate: Gate) -> None:
    desk = _ready(gate, max_open_orders=10**6, max_orders_per_second=10**6, max_daily_loss=None)
    refused = (buy(BTC, 1, price=98), sell(BTC, 5, price=99), buy(BTC, 1))
    for wish in refused:
        gate.quick(desk.screen, wish, desk.state, at(0))
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(2_000):
        for wish in refused:
            assert gate.quick(desk.screen, wish, desk.state, at(0)) is None
            assert not gate.would(desk.screen, wish, desk.state, at(0))
    gc.collect()
    assert sys.getallocatedblocks() - before < 50
