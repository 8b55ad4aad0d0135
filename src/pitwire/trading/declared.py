"""Rules as data: one `[[rule]]` table of a TOML file becomes one rule.

House rules: everything is checked before anything runs; a table that is wrong names the path, the
value, what was expected and the nearest known key. `docs/rules.md` is the reference, and a test
builds every rule in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

from pitwire.model.errors import ConfigError
from pitwire.model.instruments import Instrument
from pitwire.model.orders import OrderType, Side
from pitwire.trading.actions import ORDERS, build_actions
from pitwire.trading.bracket import Bracket
from pitwire.trading.clauses import build_condition
from pitwire.trading.market_conditions import PriceName
from pitwire.trading.reading import Clause, Ground, choose, read
from pitwire.trading.ready import Distance, TrailingStop
from pitwire.trading.rules import Rule
from pitwire.trading.trigger import Trigger


class Away(Clause, frozen=True, kw_only=True):
    """How far: `percent` or `ticks`."""

    ONE_OF: ClassVar[tuple[str, ...]] = ("percent", "ticks")
    POSITIVE: ClassVar[tuple[str, ...]] = ("percent", "ticks")
    percent: Decimal | None = None
    ticks: int | None = None

    def distance(self) -> Distance:
        return Distance(percent=self.percent, ticks=self.ticks)


class TrailingStopClause(Clause, frozen=True, kw_only=True):
    """`trailing_stop`: close the position of `symbol` when the price turns by so much."""

    ONE_OF: ClassVar[tuple[str, ...]] = ("percent", "ticks")
    POSITIVE: ClassVar[tuple[str, ...]] = ("percent", "ticks", "activate_at")
    symbol: str
    percent: Decimal | None = None
    ticks: int | None = None
    of: PriceName = "last"
    activate_at: Decimal | None = None
    tag: str = ""

    def build(self, name: str, ground: Ground) -> Rule:
        _check_above_zero(self.percent, ground)
        return TrailingStop(
            name,
            ground.symbol("symbol", self.symbol),
            Distance(percent=self.percent, ticks=self.ticks),
            of=self.of,
            activate_at=None if self.activate_at is None else float(self.activate_at),
            tag=self.tag,
        )


class BracketClause(Clause, frozen=True, kw_only=True):
    """`bracket`: an `entry` action with a `take_profit` and a `stop` around what it fills."""

    POSITIVE: ClassVar[tuple[str, ...]] = ("entry_seconds",)
    entry: dict[str, Any]
    take_profit: Away
    stop: Away
    resting_stop: bool = False
    of: PriceName = "last"
    entry_seconds: Decimal | None = None
    repeat: bool = False

    def build(self, name: str, when: object, ground: Ground, whole: Ground) -> Rule:
        condition = None if when is None else build_condition(when, whole.at("when"))
        place = ground.at("entry")
        kind = choose(self.entry, ORDERS, place.where)
        entry = read(kind, self.entry, place.where)
        symbol = entry.traded(place, "" if condition is None else condition.symbol)
        side = next(value for word, value in self.entry.items() if word in ORDERS)
        below = "stop" if side == Side.BUY else "take_profit"
        _check_above_zero(getattr(self, below).percent, ground.at(below))
        if self.resting_stop:
            ground.check_type("resting_stop", True, symbol, OrderType.STOP)
        return Bracket(
            name,
            symbol,
            entry.build(place, symbol),
            take_profit=self.take_profit.distance(),
            stop=self.stop.distance(),
            when=condition,
            resting_stop=self.resting_stop,
            of=self.of,
            entry_seconds=None if self.entry_seconds is None else float(self.entry_seconds),
            repeat=self.repeat,
        )


def _check_above_zero(percent: Decimal | None, ground: Ground) -> None:
    """A price that stands so far below another has to be a price."""
    if percent is not None and percent >= 100:
        raise ground.bad("percent", percent, "less than 100, or it is below zero")


class RuleSpec(Clause, frozen=True, kw_only=True):
    """One `[[rule]]`: `when` and `do`, or a ready rule. Tables inside are read when it is built."""

    name: str = ""
    enabled: bool = True
    when: dict[str, Any] | None = None
    do: dict[str, Any] | list[dict[str, Any]] | None = None
    once: bool = False
    cooldown_seconds: Decimal = Decimal(0)
    trailing_stop: dict[str, Any] | None = None
    bracket: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cooldown_seconds < 0:
            raise ValueError("cooldown_seconds|zero or more")
        kinds = [
            kind for kind in ("do", "trailing_stop", "bracket") if getattr(self, kind) is not None
        ]
        if len(kinds) != 1:
            raise ValueError(f"{kinds[1] if kinds else ''}|one of `do`, `trailing_stop`, `bracket`")
        if self.do is not None and self.when is None:
            raise ValueError("when|a condition")
        if self.trailing_stop is not None and self.when is not None:
            raise ValueError("when|nothing beside `trailing_stop`")
        spaced = self.once or self.cooldown_seconds
        if self.do is None and spaced:
            raise ValueError("once|`once` and `cooldown_seconds` with `when` and `do` only")


def build_rule(
    spec: RuleSpec | Mapping[str, Any],
    instruments: Mapping[str, Instrument] | None = None,
    *,
    where: str = "rule",
    name: str = "",
) -> Rule:
    """The rule that a table spells; raises `ConfigError` naming what is wrong in it.

    Without `instruments` the spelling alone is checked, not that symbols are listed and numbers on
    their grids. `name` is for a rule that names itself not.
    """
    if not isinstance(spec, RuleSpec):
        spec = read(RuleSpec, spec, where)
    ground = Ground(where, instruments)
    called = spec.name or name or where
    if spec.trailing_stop is not None:
        place = ground.at("trailing_stop")
        return read(TrailingStopClause, spec.trailing_stop, place.where).build(called, place)
    if spec.bracket is not None:
        place = ground.at("bracket")
        clause = read(BracketClause, spec.bracket, place.where)
        return clause.build(called, spec.when, place, ground)
    condition = build_condition(spec.when, ground.at("when"))
    return Trigger(
        called,
        condition,
        build_actions(spec.do, ground.at("do"), condition.symbol),
        once=spec.once,
        cooldown_seconds=float(spec.cooldown_seconds),
    )


def build_rules(
    specs: Sequence[RuleSpec | Mapping[str, Any]],
    instruments: Mapping[str, Instrument] | None = None,
    *,
    where: str = "rule",
) -> list[Rule]:
    """The rules of a file, in order; a rule that is not `enabled` is checked and left out."""
    rules: list[Rule] = []
    names: dict[str, int] = {}
    for number, spec in enumerate(specs):
        place = f"{where}[{number}]"
        if not isinstance(spec, RuleSpec):
            spec = read(RuleSpec, spec, place)
        rule = build_rule(spec, instruments, where=place, name=f"rule {number + 1}")
        if rule.name in names:
            expected = f"another name than {where}[{names[rule.name]}] has"
            raise ConfigError(where=f"{place}.name", found=rule.name, expected=expected)
        names[rule.name] = number
        if spec.enabled:
            rules.append(rule)
    return rules
