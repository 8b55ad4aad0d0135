"""What rules cost an event, as ratios to the calibration loop.

One event for a symbol that ten rules of a thousand might concern, or one, or none: the engine must
find the few by look-up, so a thousand rules on other symbols may cost nothing. `state alone` is the
same trade applied to the state without an engine, `engine over state` what the engine adds to it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from decimal import Decimal

from bench.calibration import calibrate, least
from pitwire.model.events import Event, Quote, Trade
from pitwire.model.instruments import Instrument
from pitwire.model.orders import Cause, Place, Side
from pitwire.trading.declared import build_rules
from pitwire.trading.engine import Engine
from pitwire.trading.ids import OrderIds
from pitwire.trading.journal import Record
from pitwire.trading.limits import Limits
from pitwire.trading.risk import Screen
from pitwire.trading.rules import Rule
from pitwire.trading.state import State

EVENTS = 4_000
ORDERS = 400
RULES = 1_000
RUNS = 12
SECOND = 1_000_000_000

Row = tuple[str, float, str]


class Nowhere:
    """A journal that keeps nothing, so that memory is not what is measured."""

    def write(self, record: Record) -> None:
        pass


def rows() -> list[Row]:
    """(name, ratio to one calibration unit, note) of each measurement."""
    unit = calibrate()
    alone = _least(_state_alone)
    none = _least(lambda: _applied([], "UNWATCHED"))
    thousand = _least(lambda: _applied(_crossings(RULES), "UNWATCHED"))
    measured = [
        ("rules: state alone", alone, "one trade"),
        ("rules: engine over state, no rule", none - alone, "one trade"),
        (
            "rules: engine over state, 1,000 rules elsewhere",
            thousand - alone,
            "one trade that no rule watches",
        ),
        (
            "rules: one crossing of 1,000",
            _least(lambda: _applied(_crossings(RULES), "C7")) - alone,
            "one trade that one declared rule looks at",
        ),
        (
            "rules: ten crossings of 1,000",
            _least(lambda: _applied(_crossings(RULES, each=10), "C7")) - alone,
            "one trade that ten declared rules look at",
        ),
        ("rules: decide, nothing to do", _least(_idle), "one burst"),
        ("risk: one order", _least(_admitted), "every check, quote known, no book"),
    ]
    return [
        (name, seconds / unit, f"{seconds * 1e9:.0f} ns; {note}")
        for name, seconds, note in measured
    ]


def _least(once: Callable[[], float]) -> float:
    return least(once, RUNS)


def _crossings(count: int, each: int = 1) -> list[Rule]:
    """`count` rules in TOML's own shape, `each` of them on every symbol."""
    return build_rules(
        [
            {
                "when": {"price": f"C{number // each}-USDT", "crosses_below": 50},
                "do": {"market": "buy", "size": 1},
            }
            for number in range(count)
        ]
    )


def _engine(rules: Iterable[Rule]) -> Engine:
    state = State([_instrument()])
    limits = Limits(
        max_position=Decimal(10**9),
        max_order_notional=Decimal(10**6),
        max_daily_loss=Decimal(10**6),
        max_orders_per_second=10**6,
        max_orders_per_ten_seconds=10**6,
        max_open_orders=10**6,
        max_open_orders_per_symbol=10**6,
    )
    screen = Screen(limits, OrderIds("bench", 1), Nowhere(), armed=True)
    return Engine(rules, screen, state, Nowhere())


def _trades(base: str) -> list[Event]:
    symbol = f"{base}-USDT"
    return [
        Trade("bench", symbol, number, number, 100.0 + number % 7, 1.0, Side.BUY, number)
        for number in range(EVENTS)
    ]


def _state_alone() -> float:
    state, events = State(), _trades("UNWATCHED")
    return _timed(state.apply, events)


def _applied(rules: list[Rule], base: str) -> float:
    engine, events = _engine(rules), _trades(base)
    return _timed(engine.apply, events)


def _timed(apply: Callable[[Event], object], events: list[Event]) -> float:
    begun = time.process_time()
    for event in events:
        apply(event)
    return (time.process_time() - begun) / len(events)


def _idle() -> float:
    engine = _engine(_crossings(RULES))
    engine.decide(1)
    begun = time.process_time()
    for now in range(2, EVENTS):
        engine.decide(now)
    return (time.process_time() - begun) / (EVENTS - 2)


def _admitted() -> float:
    """Seconds for one order through every check, ended at once so that none stays open."""
    engine = _engine([])
    engine.apply(Quote("bench", "A-USDT", 0, 0, 99.99, 1.0, 100.01, 1.0))
    cause = Cause(event="Quote", symbol="A-USDT", venue_time=0, received=0)
    place = Place(symbol="A-USDT", side=Side.BUY, size=Decimal(1), rule="bench", cause=cause)
    admitted, spent = 0, 0.0
    for number in range(ORDERS):
        now = number * SECOND // 3
        begun = time.process_time()
        commands = engine.screen.admit([place], engine.state, now)
        spent += time.process_time() - begun
        for command in commands:
            admitted += 1
            engine.state.ledger.dropped(command, now, "bench")
        engine.apply(Quote("bench", "A-USDT", now, now, 99.99, 1.0, 100.01, 1.0))
    if admitted != ORDERS:
        raise RuntimeError(f"risk: admitted {admitted}, expected {ORDERS}")
    return spent / ORDERS


def _instrument() -> Instrument:
    return Instrument(
        venue="bench",
        symbol="A-USDT",
        native="AUSDT",
        base="A",
        quote="USDT",
        tick=Decimal("0.01"),
        lot=Decimal("0.001"),
        max_price=Decimal(10**6),
        max_size=Decimal(9000),
        min_notional=Decimal(5),
    )
