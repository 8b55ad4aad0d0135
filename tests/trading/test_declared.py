from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pitwire.model import events as ev
from pitwire.model.errors import ConfigError
from pitwire.model.instruments import Instrument
from pitwire.model.orders import (
    CancelOrder,
    Order,
    OrderType,
    ReplaceOrder,
    Side,
    TimeInForce,
    UpdateKind,
)
from pitwire.trading.actions import ACTIONS
from pitwire.trading.bracket import Bracket
from pitwire.trading.clauses import CONDITIONS
from pitwire.trading.declared import (
    BracketClause,
    RuleSpec,
    TrailingStopClause,
    build_rule,
    build_rules,
)
from pitwire.trading.journal import Alerted, Halted
from pitwire.trading.limits import Limits
from pitwire.trading.ready import TrailingStop
from pitwire.trading.wishes import buy, sell
from tests.trading.making import (
    BTC,
    ETH,
    Desk,
    at,
    balance,
    fill,
    instrument,
    quote,
    snapshot,
    trade,
    update,
)

D, K = Decimal, UpdateKind
LISTED: Mapping[str, Instrument] = {BTC: instrument(BTC), ETH: instrument(ETH)}


def toml(text: str) -> list[dict[str, Any]]:
    return tomllib.loads(text).get("rule", [])


@pytest.fixture(scope="module")
def reference(repository: Path) -> str:
    return (repository / "docs" / "rules.md").read_text()


def blocks(page: str) -> list[str]:
    return re.findall(r"```toml\n(.*?)```", page, flags=re.S)


# ── the reference ─────────────────────────────────────────────────────────────────────────────


def test_every_rule_of_the_reference_is_built(reference: str) -> None:
    tables = [table for block in blocks(reference) for table in toml(block)]
    rules = build_rules(tables, LISTED)
    assert len(rules) == len(tables) > 25
    assert all(rule.watches or hasattr(rule, "next_wake") for rule in rules)


def test_every_condition_action_and_key_is_in_the_reference(reference: str) -> None:
    kinds = [*CONDITIONS.values(), *ACTIONS.values(), TrailingStopClause, BracketClause, RuleSpec]
    keys = {key for kind in kinds for key in kind.__struct_encode_fields__}
    examples = "\n".join(blocks(reference))
    shown = {key for key in keys if re.search(rf"\b{key}\b", examples)}
    told = {key for key in keys if f"`{key}`" in reference}
    assert keys - shown - told == set()
    assert set(CONDITIONS) - shown == set()
    assert set(ACTIONS) - shown == set()


def test_the_python_of_the_reference_runs(reference: str) -> None:
    [block] = re.findall(r"```python\n(.*?)```", reference, flags=re.S)
    scope: dict[str, Any] = {}
    exec(block, scope)
    desk = Desk(scope["dip"])
    [order] = desk.burst(quote(59_800, 59_801), trade(59_800.0))
    assert (order.price, order.tag, order.rule) == (59_850, "dip", "dip")


# ── what a table says is what happens ─────────────────────────────────────────────────────────


def desk(text: str) -> Desk:
    return Desk(*build_rules(toml(text), LISTED))


def rule(when: str, do: str, more: str = "") -> str:
    return f"[[rule]]\nwhen = {when}\ndo = {do}\n{more}"


CROSS = '{ price = "BTC-USDT", crosses_below = 100 }'


def test_a_crossing_inside_one_burst_fires_once() -> None:
    made = desk(rule(CROSS, '{ market = "buy", size = 0.1 }', 'name = "dip"'))
    made.burst(quote(100, 101), trade(101))
    commands = made.burst(trade(99.0, 1, trade_id=7), trade(101, 1), trade(101, 1))
    assert len(commands) == 1
    assert (commands[0].rule, commands[0].cause.detail) == ("dip", "price 99.0 size 1.0 id 7")
    assert len(made.burst(trade(102, 2), trade(101, 2))) == 0


def fired(do: str) -> list[Any]:
    made = desk(rule(CROSS, do))
    made.burst(quote(99.50, 100.50), snapshot([(99.50, 1)], [(100.50, 1)]), trade(101))
    return made.burst(trade(99.90, 1))


@pytest.mark.parametrize(
    ("do", "facts"),
    [
        ('{ market = "buy", size = 0.1 }', {"type": OrderType.MARKET, "size": D("0.1")}),
        ('{ market = "sell", quote_size = 50 }', {"side": Side.SELL, "quote_size": 50}),
        ('{ market = "buy", size = "0.1", symbol = "BTC-USDT", tag = "x" }', {"tag": "x"}),
        ('{ limit = "buy", size = 0.1, price = 99.25 }',
         {"type": OrderType.LIMIT, "price": D("99.25"), "time_in_force": TimeInForce.GTC}),
        ('{ limit = "buy", quote_size = 50, price = 99.25, time_in_force = "ioc" }',
         {"size": D("0.503"), "quote_size": None, "time_in_force": TimeInForce.IOC}),
        ('{ post_only = "buy", size = 0.1, price = { from = "bid", ticks = -2 } }',
         {"type": OrderType.POST_ONLY, "price": D("99.48")}),
        ('{ ioc = "buy", size = 0.1, price = { from = "ask", bips = 10 } }',
         {"price": D("100.60"), "time_in_force": TimeInForce.IOC}),
        ('{ fok = "sell", size = 0.1, price = { from = "mid" } }',
         {"price": D("100.00"), "time_in_force": TimeInForce.FOK, "side": Side.SELL}),
        ('{ limit = "sell", size = 0.1, price = { from = "last", ticks = 10 } }',
         {"price": D("100.00")}),
        ('{ stop = "sell", size = 0.1, trigger = 99 }',
         {"type": OrderType.STOP, "stop_price": 99, "price": None}),
        ('{ stop = "sell", size = 0.1, trigger = { from = "bid", bips = -100 }, price = 98 }',
         {"type": OrderType.STOP_LIMIT, "stop_price": D("98.50"), "price": 98}),
        ('{ take_profit = "sell", size = 0.1, trigger = 105 }',
         {"type": OrderType.TAKE_PROFIT, "stop_price": 105}),
        ('{ take_profit = "sell", quote_size = 50, trigger = 105, price = 104 }',
         {"type": OrderType.TAKE_PROFIT_LIMIT, "size": D("0.480")}),
    ],
)  # fmt: skip
def test_an_order_is_what_its_table_says(do: str, facts: dict[str, Any]) -> None:
    [order] = fired(do)
    assert isinstance(order, Order)
    assert {name: getattr(order, name) for name in facts} == facts


def test_actions_are_done_in_order() -> None:
    commands = fired('[{ market = "buy", size = 0.1 }, { market = "buy", size = 0.2 }]')
    assert [command.size for command in commands] == [D("0.1"), D("0.2")]


def resting(do: str) -> Desk:
    made = desk(rule(CROSS, do))
    made.burst(quote(99.50, 100.50), trade(101))
    wishes = [
        buy(BTC, 1, price=90, tag="a"),
        sell(BTC, 1, price=110, tag="b"),
        buy(ETH, 1, price=9, tag="a"),
    ]
    made.burst(quote(9, 10, symbol=ETH))
    for command in made.screen.admit(wishes, made.state, at(0)):
        made.engine.sent(command, at(0))
        made.engine.apply(update(command.id, K.ACCEPTED, symbol=command.symbol))  # type: ignore[union-attr]
    return made


@pytest.mark.parametrize(
    ("do", "ids"),
    [
        ('{ cancel = "all" }', ["t-1-1", "t-1-2", "t-1-3"]),
        ('{ cancel = { tag = "a" } }', ["t-1-1", "t-1-3"]),
        ('{ cancel = { symbol = "BTC-USDT" } }', ["t-1-1", "t-1-2"]),
        ('{ cancel = { side = "sell" } }', ["t-1-2"]),
        ('{ cancel = { side = "sell", tag = "a" } }', []),
    ],
)
def test_a_cancel_takes_what_its_table_says(do: str, ids: list[str]) -> None:
    commands = resting(do).burst(trade(99, 1))
    assert all(isinstance(command, CancelOrder) for command in commands)
    assert [command.order_id for command in commands] == ids


def test_a_replacement_keeps_what_its_table_does_not_name() -> None:
    do = '{ replace = { tag = "a", symbol = "BTC-USDT" }, price = { from = "bid" } }'
    [command] = resting(do).burst(trade(99, 1))
    assert isinstance(command, ReplaceOrder)
    assert (command.order_id, command.order.price, command.order.size, command.order.tag) == (
        "t-1-1", D("99.50"), 1, "a",
    )  # fmt: skip
    do = '{ replace = { side = "sell" }, price = 111, size = 0.5 }'
    [command] = resting(do).burst(trade(99, 1))
    assert (command.order.price, command.order.size, command.order.side) == (
        111, D("0.5"), Side.SELL,
    )  # fmt: skip


def test_closing_brings_the_position_to_zero() -> None:
    do = '{ close = "BTC-USDT", tag = "out" }'
    made = desk(rule(CROSS, do))
    made.burst(quote(99.50, 100.50), trade(101), fill("x", 2, side=Side.SELL))
    [order] = made.burst(trade(99, 1))
    assert (order.side, order.size, order.reduce_only, order.tag) == (Side.BUY, 2, True, "out")
    made = desk(rule(CROSS, do))
    made.burst(quote(99.50, 100.50), trade(101))
    assert made.burst(trade(99, 1)) == []


def test_alerts_and_halts_reach_people() -> None:
    made = desk(rule(CROSS, '[{ alert = "low", level = "warning" }, { halt = "enough" }]'))
    made.each(trade(101), trade(99))
    [told] = made.of(Alerted)
    assert (told.text, told.level, told.symbol, told.rule) == ("low", "warning", BTC, "rule 1")
    assert [(record.reason, record.by) for record in made.of(Halted)] == [("enough", "rule 1")]


def test_a_price_that_is_not_known_becomes_an_alert() -> None:
    made = desk(rule(CROSS, '{ limit = "buy", size = 1, price = { from = "bid" } }'))
    assert made.each(trade(101), trade(99)) == []
    assert [record.level for record in made.of(Alerted)] == ["warning"]
    made = desk(rule(CROSS, '{ stop = "sell", size = 1, trigger = { from = "bid" } }'))
    assert made.each(trade(101), trade(99)) == []
    assert [record.level for record in made.of(Alerted)] == ["warning"]


CONDITION_TRIALS = [
    ('{ price = "BTC-USDT", above = 100 }', [trade(99)], [trade(101, 1)]),
    ('{ price = "BTC-USDT", crosses_above = 100, rearm_back_percent = 1 }',
     [trade(98), trade(101), trade(99.5), trade(101)], [trade(99), trade(101, 1)]),
    ('{ moves = "BTC-USDT", percent = 1, within_seconds = 2 }', [trade(100)], [trade(101, 1)]),
    ('{ moves = "BTC-USDT", ticks = 5, within_seconds = 2 }', [trade(100)], [trade(100.05, 1)]),
    ('{ spread = "BTC-USDT", wider_than_ticks = 5 }', [quote(100, 100.05)], [quote(100, 100.06)]),
    ('{ spread = "BTC-USDT", wider_than_bips = 5 }', [quote(100, 100.05)], [quote(100, 100.06)]),
    ('{ imbalance = "BTC-USDT", above = 0.5 }', [snapshot([(9, 1)], [(10, 1)])],
     [snapshot([(9, 4)], [(10, 1)])]),
    ('{ trade = "BTC-USDT", larger_than = 2 }', [trade(1, size=2)], [trade(1, size=3)]),
    ('{ trade = "BTC-USDT", worth_more_than = 2, side = "buy" }', [trade(1, size=2)],
     [trade(1, size=3)]),
    ('{ thins = "BTC-USDT", side = "ask", below = 1 }', [quote(1, 2)], [quote(1, 2, ask_size=0.9)]),
    ('{ position = "BTC-USDT", beyond = 1 }', [fill("a", 1)], [fill("a", 1, trade_id="2")]),
    ('{ not = { price = "BTC-USDT", above = 100 } }', [trade(101)], [trade(99)]),
    ('{ all = [{ price = "BTC-USDT", above = 1 }, { price = "ETH-USDT", above = 1 }] }',
     [trade(2)], [trade(2, symbol=ETH)]),
    ('{ any = [{ price = "BTC-USDT", above = 9 }, { price = "ETH-USDT", above = 1 }] }',
     [trade(2)], [trade(2, symbol=ETH)]),
]  # fmt: skip


@pytest.mark.parametrize(("when", "before", "at_last"), CONDITION_TRIALS)
def test_each_condition_both_ways(when: str, before: list[Any], at_last: list[Any]) -> None:
    made = desk(rule(when, '{ alert = "x" }'))
    made.each(*before)
    ready = len(made.of(Alerted))
    assert ready == (1 if "rearm" in when else 0)
    made.each(*at_last)
    assert len(made.of(Alerted)) == ready + 1


def test_stale_and_time_and_patience_by_table() -> None:
    made = desk(
        rule('{ stale = "BTC-USDT" }', '{ alert = "stale" }', 'name = "s"\n')
        + rule('{ utc_from = 22:13:30, utc_to = "22:14" }', '{ alert = "time" }', 'name = "t"\n')
        + rule("{ unfilled_seconds = 5 }", '{ alert = "old" }', 'name = "u"\n')
    )
    made.burst(quote(1, 2))
    made.engine.sent(
        Order(id="a", symbol=BTC, side=Side.BUY, type=OrderType.LIMIT, size=D(1)), at(0)
    )
    made.burst(update("a", K.ACCEPTED))
    made.burst(ev.FeedStale("test", BTC, 0, at(1), "trades", 5.0))
    assert made.engine.next_wake() == at(5)
    made.engine.decide(at(5))
    # The tests begin at 22:13:20 UTC.
    assert made.engine.next_wake() == at(10)
    made.engine.decide(at(10))
    assert [record.text for record in made.of(Alerted)] == ["stale", "old", "time"]


# ── once, cooldown, names ─────────────────────────────────────────────────────────────────────


def alerts(more: str, when: str, *events: Any) -> list[int]:
    made = desk(rule(when, '{ alert = "x" }', more))
    told = []
    for event in events:
        before = len(made.of(Alerted))
        made.burst(event)
        told.append(len(made.of(Alerted)) - before)
    return told


def test_once_and_cooldown() -> None:
    wave = [trade(price, second) for second, price in enumerate((101, 99, 101, 99, 101, 99))]
    assert alerts("", CROSS, *wave) == [0, 1, 0, 1, 0, 1]
    assert alerts("once = true", CROSS, *wave) == [0, 1, 0, 0, 0, 0]
    assert alerts("cooldown_seconds = 3", CROSS, *wave) == [0, 1, 0, 0, 0, 1]


@pytest.mark.parametrize("more", ["once = true", "cooldown_seconds = 9"])
def test_what_fired_has_fired_though_its_order_is_refused(more: str) -> None:
    """Nobody wants an order tried again at whatever the price is by then."""
    buys = '{ market = "buy", size = 1 }'
    made = Desk(
        *build_rules(toml(rule(CROSS, buys, more)), LISTED),
        limits=Limits(max_order_size=D("0.5")),
    )
    wave = [trade(price, second) for second, price in enumerate((101, 99, 101, 99))]
    made.burst(quote(99, 100))
    assert made.each(*wave) == []
    assert made.refusals == ["max_order_size"]


def test_what_holds_fires_when_it_begins_and_waits_out_a_cooldown() -> None:
    when = '{ price = "BTC-USDT", below = 100 }'
    wave = [trade(price, second) for second, price in enumerate((99, 98, 101, 97, 96, 95))]
    assert alerts("", when, *wave) == [1, 0, 0, 1, 0, 0]
    assert alerts("cooldown_seconds = 5", when, *wave) == [1, 0, 0, 0, 0, 1]
    made = desk(rule(when, '{ alert = "x" }', "cooldown_seconds = 5"))
    made.each(*wave[:4])
    assert made.engine.next_wake() == at(5)
    made.engine.decide(at(5))
    assert len(made.of(Alerted)) == 2


def test_names_are_given_and_kept_apart() -> None:
    text = rule(CROSS, '{ alert = "x" }')
    assert [made.name for made in build_rules(toml(text * 2), LISTED)] == ["rule 1", "rule 2"]
    twice = rule(CROSS, '{ alert = "x" }', 'name = "n"\n') * 2
    with pytest.raises(ConfigError, match=r"rule\[1\]\.name.*'n'.*rule\[0\]"):
        build_rules(toml(twice), LISTED)


def test_a_rule_that_is_not_enabled_is_checked_and_left_out() -> None:
    assert build_rules(toml(rule(CROSS, '{ alert = "x" }', "enabled = false")), LISTED) == []
    with pytest.raises(ConfigError):
        build_rules(toml(rule(CROSS, '{ alret = "x" }', "enabled = false")), LISTED)


def test_ready_rules_are_built() -> None:
    text = """
    [[rule]]
    trailing_stop = { symbol = "BTC-USDT", percent = 1 }
    [[rule]]
    bracket.entry = { market = "buy", size = 1, symbol = "BTC-USDT" }
    bracket.take_profit = { percent = 1 }
    bracket.stop = { ticks = 50 }
    """
    first, second = build_rules(toml(text), LISTED)
    assert isinstance(first, TrailingStop)
    assert isinstance(second, Bracket)


def test_a_spec_is_read_from_any_decoder() -> None:
    table = toml(rule(CROSS, '{ alert = "x" }', 'name = "n"'))[0]
    spec = msgspec.convert(table, RuleSpec)
    assert build_rule(spec).name == "n"
    assert build_rule(table).name == "n"
    assert build_rules([spec], LISTED)[0].name == "n"


def test_exact_decimals_are_taken_too() -> None:
    text = rule(CROSS, '{ limit = "buy", size = 0.1, price = 99.25 }')
    [table] = tomllib.loads(text, parse_float=Decimal)["rule"]
    assert build_rule(table, LISTED).watches


# ── errors ────────────────────────────────────────────────────────────────────────────────────

OK = '{ alert = "x" }'
BAD = [
    (rule('{ price = "BTC-USDT", crosses_bellow = 1 }', OK),
     "rule[0].when.crosses_bellow: found 1, expected 'crosses_below' perhaps"),
    (rule('{ price = "BTC-USDT", crosses_below = "low" }', OK),
     "rule[0].when.crosses_below: found 'low', expected a number"),
    (rule('{ price = "BTC-USDT", crosses_below = true }', OK),
     "rule[0].when.crosses_below: found True, expected a number"),
    (rule('{ price = "BTC-USDT", crosses_below = nan }', OK),
     "rule[0].when.crosses_below: found nan, expected a finite number"),
    (rule('{ price = "BTC-USDT", crosses_below = -5 }', OK),
     "rule[0].when.crosses_below: found -5, expected a number above zero"),
    (rule('{ price = "BTC-USDT" }', OK), "expected one of `crosses_above`, `crosses_below`"),
    (rule('{ price = "BTC-USDT", above = 1, crosses_above = 2 }', OK), "expected one of"),
    (rule('{ price = "BTC-USDT", above = 1, rearm_back = 2 }', OK), "re-arming with a crossing"),
    (rule('{ price = "BTC-USDT", crosses_above = 1, rearm_back = 1, rearm_back_percent = 1 }', OK),
     "rule[0].when.rearm_back_percent: found 1"),
    (rule('{ price = "BTC-USDT", above = 1, of = "best" }', OK),
     "rule[0].when.of: found 'best', expected one of last, bid, ask, mid"),
    (rule('{ price = "BTC-USD", above = 1 }', OK),
     "rule[0].when.price: found 'BTC-USD', expected a listed symbol, 'BTC-USDT' perhaps"),
    (rule('{ price = 5, above = 1 }', OK), "rule[0].when.price: found 5, expected text"),
    (rule('{ moves = "BTC-USDT", percent = 1 }', OK),
     "rule[0].when.within_seconds: found 'nothing', expected a value"),
    (rule('{ moves = "BTC-USDT", percent = 1, within_seconds = 1e300 }', OK),
     "rule[0].when.within_seconds: found 1e+300, expected at most 1000000000"),
    (rule(CROSS, '{ market = "buy", size = 99999999999999999999999999 }'),
     "expected a number of at most 15 digits"),
    (rule(CROSS, '{ market = "buy", size = 1e300 }'),
     "rule[0].do.size: found 1E+300, expected a number of at most 15 digits"),
    (rule('{ moves = "BTC-USDT", within_seconds = 1 }', OK), "one of `percent` or `ticks`"),
    (rule('{ moves = "BTC-USDT", within_seconds = 1, ticks = 1, percent = 1 }', OK),
     "rule[0].when.ticks: found 1, expected one of `percent` or `ticks`"),
    (rule('{ moves = "BTC-USDT", within_seconds = 1, ticks = 1.5 }', OK),
     "rule[0].when.ticks: found 1.5, expected a whole number"),
    (rule('{ imbalance = "BTC-USDT", above = 1.5 }', OK), "a number from -1 to 1"),
    (rule('{ imbalance = "BTC-USDT" }', OK), "at least one of `above`, `below`"),
    (rule('{ position = "BTC-USDT" }', OK), "at least one of `beyond`, `above`, `below`"),
    (rule('{ position = "BTC-USDT", beyond = -1 }', OK), "rule[0].when.beyond: found -1"),
    (rule('{ trade = "BTC-USDT", larger_than = 1, side = "long" }', OK),
     "rule[0].when.side: found 'long', expected one of buy, sell"),
    (rule('{ utc_from = "8:00", utc_to = "17:00" }', OK), "rule[0].when.utc_from: found '8:00'"),
    (rule('{ unfilled_seconds = 0 }', OK), "rule[0].when.unfilled_seconds: found 0"),
    (rule('{ unfilled_seconds = 1, symbol = "X-Y" }', OK), "rule[0].when.symbol: found 'X-Y'"),
    (rule('{ price = "BTC-USDT", above = 5, below = 5 }', OK),
     "rule[0].when.below: found 5, expected a number above `above`"),
    (rule('{ imbalance = "BTC-USDT", above = 0.5, below = 0.1 }', OK), "rule[0].when.below"),
    (rule('{ position = "BTC-USDT", above = 0, below = -1 }', OK), "rule[0].when.below: found -1"),
    (rule('{ price = "BTC-USDT", crosses_above = 5, rearm_back = -1 }', OK),
     "rule[0].when.rearm_back: found -1, expected zero or more"),
    (rule('{ utc_from = "08:00", utc_to = "08:00:00" }', OK),
     "rule[0].when.utc_to: found '08:00:00', expected another time than `utc_from`"),
    (rule('{ prise = "BTC-USDT", above = 1 }', OK),
     "rule[0].when.prise: found 'BTC-USDT', expected 'price' perhaps"),
    (rule('{ weather = "fine" }', OK), "expected a table with one of price, moves"),
    (rule('{ price = "BTC-USDT", spread = "BTC-USDT" }', OK), "not price and spread together"),
    (rule('{ all = [] }', OK), "rule[0].when.all: found [], expected a list of conditions"),
    (rule('{ all = [{ price = "BTC-USDT", abov = 1 }] }', OK), "rule[0].when.all[0].abov: found 1"),
    (rule('{ not = { any = [{ stale = "X-Y" }] } }', OK), "rule[0].when.not.any[0].stale:"),
    (rule('{ not = [1] }', OK), "rule[0].when.not: found [1], expected a table"),
    (rule('{ any = [{ stale = "BTC-USDT" }], price = "BTC-USDT" }', OK), "put price inside it"),
    (rule(CROSS, '{ market = "buy", sise = 1 }'),
     "rule[0].do.sise: found 1, expected 'size' perhaps"),
    (rule(CROSS, '{ market = "up", size = 1 }'),
     "rule[0].do.market: found 'up', expected one of buy, sell"),
    (rule(CROSS, '{ market = "buy" }'), "rule[0].do: found {'market': 'buy'}, expected one of"),
    (rule(CROSS, '{ market = "buy", size = 1, quote_size = 1 }'), "rule[0].do.quote_size: found 1"),
    (rule(CROSS, '{ market = "buy", size = 0 }'), "rule[0].do.size: found 0"),
    (rule(CROSS, '{ market = "buy", size = 0.0001 }'),
     "rule[0].do.size: found 0.0001, expected a multiple of 0.001"),
    (rule(CROSS, '{ limit = "buy", size = 1, price = 99.001 }'),
     "rule[0].do.price: found 99.001, expected a multiple of 0.01"),
    (rule(CROSS, '{ limit = "buy", size = 1 }'), "rule[0].do.price: found 'nothing'"),
    (rule(CROSS, '{ limit = "buy", size = 1, price = { from = "bd" } }'),
     "rule[0].do.price.from: found 'bd', expected one of last, bid, ask, mid"),
    (rule(CROSS, '{ limit = "buy", size = 1, price = { from = "bid", tick = 1 } }'),
     "rule[0].do.price.tick: found 1, expected 'ticks' perhaps"),
    (rule(CROSS, '{ limit = "buy", size = 1, price = [1] }'),
     "rule[0].do.price: found [1], expected a number or a table"),
    (rule(CROSS, '{ stop = "sell", size = 1, trigger = 1.001 }'), "rule[0].do.trigger: found"),
    (rule(CROSS, '{ cancel = "everything" }'),
     "rule[0].do.cancel: found 'everything', expected one of all"),
    (rule(CROSS, '{ cancel = { tags = "x" } }'), "rule[0].do.cancel.tags: found 'x'"),
    (rule(CROSS, '{ cancel = { symbol = "X-Y" } }'), "rule[0].do.cancel.symbol: found 'X-Y'"),
    (rule(CROSS, '{ replace = { symbol = "X-Y" }, price = 1 }'), "rule[0].do.replace.symbol:"),
    (rule(CROSS, '{ close = "X-Y" }'), "rule[0].do.close: found 'X-Y'"),
    (rule(CROSS, '{ alret = "x" }'), "rule[0].do.alret: found 'x', expected 'alert' perhaps"),
    (rule(CROSS, "[]"), "at least one action"),
    (rule(CROSS, '[{ alert = "x" }, { halt = 1 }]'), "rule[0].do[1].halt: found 1, expected text"),
    (rule("{ unfilled_seconds = 1 }", '{ market = "buy", size = 1 }'),
     "rule[0].do.symbol: found 'nothing'"),
    (rule(CROSS, OK, "cooldown_seconds = -1"), "rule[0].cooldown_seconds: found -1"),
    (rule(CROSS, OK, "cooldown = 1"), "rule[0].cooldown: found 1, expected 'cooldown_seconds'"),
    (rule(CROSS, OK, "once = 1"), "rule[0].once: found 1, expected true or false"),
    ("[[rule]]\nwhen = " + CROSS, "one of `do`, `trailing_stop`, `bracket`"),
    ("[[rule]]\ndo = " + OK, "rule[0].when: found"),
    ('[[rule]]\ntrailing_stop = { symbol = "BTC-USDT" }', "rule[0].trailing_stop: found"),
    ('[[rule]]\ntrailing_stop = { symbol = "BTC-USDT", percent = 1 }\nonce = true',
     "rule[0].once: found True"),
    ('[[rule]]\ntrailing_stop = { symbol = "BTC-USDT", percent = 1 }\nwhen = ' + CROSS,
     "nothing beside `trailing_stop`"),
    ('[[rule]]\nwhen = ' + CROSS + '\nbracket = { entry = { market = "buy", size = 1 }, '
     'take_profit = { percent = 0 }, stop = { percent = 1 } }',
     "rule[0].bracket.take_profit.percent: found 0"),
    ('[[rule]]\ntrailing_stop = { symbol = "BTC-USDT", percent = 100 }',
     "rule[0].trailing_stop.percent: found 100, expected less than 100"),
    ('[[rule]]\nwhen = ' + CROSS + '\nbracket = { entry = { market = "buy", size = 1 }, '
     'take_profit = { percent = 500 }, stop = { percent = 100.5 } }',
     "rule[0].bracket.stop.percent: found 100.5, expected less than 100"),
    ('[[rule]]\nwhen = ' + CROSS + '\nbracket = { entry = { ioc = "sell", size = 1, price = 9, '
     'tag = "buy" }, take_profit = { percent = 100 }, stop = { percent = 500 } }',
     "rule[0].bracket.take_profit.percent: found 100, expected less than 100"),
    ('[[rule]]\nwhen = ' + CROSS + '\nbracket = { entry = { alert = "x" }, '
     'take_profit = { percent = 1 }, stop = { percent = 1 } }',
     "rule[0].bracket.entry: found"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), BAD, ids=[str(n) for n in range(len(BAD))])
def test_an_error_names_the_path_the_value_and_what_was_expected(text: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_rules(toml(text), LISTED)
    assert expected in str(caught.value)


def test_without_a_listing_the_spelling_alone_is_checked() -> None:
    text = rule('{ price = "XMR-EUR", above = 1 }', '{ market = "buy", size = 0.00001 }')
    assert len(build_rules(toml(text))) == 1
    with pytest.raises(ConfigError, match=r"rule\[0\]\.when\.price: found 'xmr/eur'"):
        build_rules(toml(text.replace("XMR-EUR", "xmr/eur")))


def test_funds_and_balances_do_not_disturb_a_rule() -> None:
    made = desk(rule(CROSS, '{ market = "buy", size = 1 }'))
    made.burst(quote(99, 100), trade(101), balance("USDT", 5))
    assert made.burst(trade(99, 1)) == []
    assert made.refusals == ["funds"]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('when = { price = "BTC-USDT", above = 1 }\n'
         'do = { stop = "sell", size = 1, trigger = 90 }', "do.stop: found 'sell'"),
        ('when = { price = "BTC-USDT", above = 1 }\n'
         'do = { take_profit = "sell", size = 1, trigger = 90, price = 89 }',
         "do.take_profit: found 'sell'"),
        ('bracket.entry = { market = "buy", size = 1, symbol = "BTC-USDT" }\n'
         'bracket.take_profit = { percent = 2 }\nbracket.stop = { percent = 1 }\n'
         'bracket.resting_stop = true', "bracket.resting_stop: found True"),
    ],
)  # fmt: skip
def test_an_order_that_the_venue_does_not_take_is_refused_before_anything_is_sent(
    text: str, where: str
) -> None:
    """A bracket would else enter, and have no stop."""
    table = tomllib.loads(text)
    limited = instrument(BTC, order_types=(OrderType.LIMIT, OrderType.MARKET))
    with pytest.raises(ConfigError) as caught:
        build_rule(table, {BTC: limited})
    assert str(caught.value).startswith(f"rule.{where}, expected no ")
    assert str(caught.value).endswith("order: BTC-USDT takes limit, market")
    build_rule(table, {BTC: instrument(BTC)})  # one that lists no types leaves it to the venue
    build_rule(table)
