"""Conditions as they are written in TOML: one table each, named by its first key.

House rules: a clause is data and checks itself; `build` turns it into a condition.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar, Literal, TypeAlias

from pitwire.model.errors import ConfigError
from pitwire.model.orders import Side
from pitwire.trading import conditions, market_conditions
from pitwire.trading.conditions import Condition
from pitwire.trading.market_conditions import BookSide, PriceName
from pitwire.trading.reading import Clause, Ground, choose, read

_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?\Z")


class PriceClause(Clause, frozen=True, kw_only=True):
    """`price` crosses a level, or is above or below one."""

    ONE_OF: ClassVar[tuple[str, ...]] = ()
    POSITIVE: ClassVar[tuple[str, ...]] = ("crosses_above", "crosses_below", "above", "below")
    price: str
    crosses_above: Decimal | None = None
    crosses_below: Decimal | None = None
    above: Decimal | None = None
    below: Decimal | None = None
    of: PriceName = "last"
    rearm_back: Decimal | None = None
    rearm_back_percent: Decimal | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        levels = (self.crosses_above, self.crosses_below, self.above or self.below)
        if sum(level is not None for level in levels) != 1:
            expected = "one of `crosses_above`, `crosses_below`, or `above` and `below`"
            raise ValueError(f"|{expected}")
        back = (self.rearm_back, self.rearm_back_percent)
        if back != (None, None) and levels[2] is not None:
            raise ValueError("|re-arming with a crossing only")
        if None not in back:
            raise ValueError("rearm_back_percent|`rearm_back` or `rearm_back_percent`")
        for name in ("rearm_back", "rearm_back_percent"):
            if (getattr(self, name) or 0) < 0:
                raise ValueError(f"{name}|zero or more")
        _range(self.above, self.below)

    def build(self, ground: Ground) -> Condition:
        symbol = ground.symbol("price", self.price)
        level = self.crosses_above or self.crosses_below
        if level is None:
            return market_conditions.PriceIs(
                symbol, above=_float(self.above), below=_float(self.below), of=self.of
            )
        back = self.rearm_back or level * (self.rearm_back_percent or 0) / 100
        return market_conditions.Crosses(
            symbol,
            float(level),
            above=self.crosses_above is not None,
            of=self.of,
            back=float(back),
        )


class MovesClause(Clause, frozen=True, kw_only=True):
    """`moves` by so many percent or ticks within a time."""

    ONE_OF: ClassVar[tuple[str, ...]] = ("percent", "ticks")
    POSITIVE: ClassVar[tuple[str, ...]] = ("percent", "ticks", "within_seconds")
    moves: str
    within_seconds: Decimal
    percent: Decimal | None = None
    ticks: int | None = None
    direction: Literal["up", "down", "either"] = "either"
    of: PriceName = "last"

    def build(self, ground: Ground) -> Condition:
        return market_conditions.Moves(
            ground.symbol("moves", self.moves),
            float(self.within_seconds),
            percent=_float(self.percent),
            ticks=self.ticks,
            direction=self.direction,
            of=self.of,
        )


class SpreadClause(Clause, frozen=True, kw_only=True):
    """`spread` is wider than so many ticks or bips."""

    ONE_OF: ClassVar[tuple[str, ...]] = ("wider_than_ticks", "wider_than_bips")
    POSITIVE: ClassVar[tuple[str, ...]] = ("wider_than_ticks", "wider_than_bips")
    spread: str
    wider_than_ticks: Decimal | None = None
    wider_than_bips: Decimal | None = None

    def build(self, ground: Ground) -> Condition:
        return market_conditions.SpreadWider(
            ground.symbol("spread", self.spread),
            ticks=_float(self.wider_than_ticks),
            bips=_float(self.wider_than_bips),
        )


class ImbalanceClause(Clause, frozen=True, kw_only=True):
    """`imbalance` of the best levels, from -1 (all asks) to 1 (all bids)."""

    POSITIVE: ClassVar[tuple[str, ...]] = ("levels",)
    imbalance: str
    levels: int = 5
    above: Decimal | None = None
    below: Decimal | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _some(self, "above", "below")
        for name in ("above", "below"):
            value = getattr(self, name)
            if value is not None and not -1 <= value <= 1:
                raise ValueError(f"{name}|a number from -1 to 1")
        _range(self.above, self.below)

    def build(self, ground: Ground) -> Condition:
        return market_conditions.Imbalance(
            ground.symbol("imbalance", self.imbalance),
            levels=self.levels,
            above=_float(self.above),
            below=_float(self.below),
        )


class TradeClause(Clause, frozen=True, kw_only=True):
    """One `trade` larger than so many base units, or worth more than so many quote units."""

    ONE_OF: ClassVar[tuple[str, ...]] = ("larger_than", "worth_more_than")
    POSITIVE: ClassVar[tuple[str, ...]] = ("larger_than", "worth_more_than")
    trade: str
    larger_than: Decimal | None = None
    worth_more_than: Decimal | None = None
    side: Side | None = None

    def build(self, ground: Ground) -> Condition:
        return market_conditions.TradeLarger(
            ground.symbol("trade", self.trade),
            size=_float(self.larger_than),
            worth=_float(self.worth_more_than),
            side=self.side,
        )


class ThinsClause(Clause, frozen=True, kw_only=True):
    """The best size of one side `thins` below an amount."""

    POSITIVE: ClassVar[tuple[str, ...]] = ("below", "levels")
    thins: str
    side: BookSide
    below: Decimal
    levels: int = 1

    def build(self, ground: Ground) -> Condition:
        symbol = ground.symbol("thins", self.thins)
        return market_conditions.Thins(symbol, self.side, float(self.below), levels=self.levels)


class TimeClause(Clause, frozen=True, kw_only=True):
    """Between `utc_from` and `utc_to`; may pass midnight."""

    utc_from: str
    utc_to: str

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("utc_from", "utc_to"):
            if not _TIME.match(getattr(self, name)):
                raise ValueError(f'{name}|a time such as "08:30" or "08:30:15"')
        if _second(self.utc_from) == _second(self.utc_to):
            raise ValueError("utc_to|another time than `utc_from`")

    def build(self, ground: Ground) -> Condition:
        return conditions.TimeOfDay(_second(self.utc_from), _second(self.utc_to))


class StaleClause(Clause, frozen=True, kw_only=True):
    """A feed of a symbol is `stale`: one `channel`, or any."""

    stale: str
    channel: str = ""

    def build(self, ground: Ground) -> Condition:
        return conditions.Stale(ground.symbol("stale", self.stale), self.channel)


class UnfilledClause(Clause, frozen=True, kw_only=True):
    """An order of ours is `unfilled_seconds` old and not completely filled."""

    POSITIVE: ClassVar[tuple[str, ...]] = ("unfilled_seconds",)
    unfilled_seconds: Decimal
    symbol: str = ""
    tag: str = ""
    side: Side | None = None

    def build(self, ground: Ground) -> Condition:
        if self.symbol:
            ground.symbol("symbol", self.symbol)
        return conditions.Unfilled(
            float(self.unfilled_seconds), symbol=self.symbol, tag=self.tag, side=self.side
        )


class PositionClause(Clause, frozen=True, kw_only=True):
    """The `position` is beyond a size either way, or above or below one."""

    position: str
    beyond: Decimal | None = None
    above: Decimal | None = None
    below: Decimal | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _some(self, "beyond", "above", "below")
        if self.beyond is not None and self.beyond < 0:
            raise ValueError("beyond|zero or more")
        _range(self.above, self.below)

    def build(self, ground: Ground) -> Condition:
        symbol = ground.symbol("position", self.position)
        return conditions.PositionIs(symbol, beyond=self.beyond, above=self.above, below=self.below)


ConditionClause: TypeAlias = (
    PriceClause | MovesClause | SpreadClause | ImbalanceClause | TradeClause | ThinsClause
    | TimeClause | StaleClause | UnfilledClause | PositionClause
)  # fmt: skip
CONDITIONS: dict[str, type[ConditionClause]] = {
    "price": PriceClause,
    "moves": MovesClause,
    "spread": SpreadClause,
    "imbalance": ImbalanceClause,
    "trade": TradeClause,
    "thins": ThinsClause,
    "utc_from": TimeClause,
    "stale": StaleClause,
    "unfilled_seconds": UnfilledClause,
    "position": PositionClause,
}
_TOGETHER = ("all", "any", "not")
_WORDS = CONDITIONS | dict.fromkeys(_TOGETHER, PriceClause)
"""All words a `when` may begin with. The last three have no clause, and are gone before one is
chosen: they stand here to be offered to whoever misspells one."""


def build_condition(table: object, ground: Ground) -> Condition:
    """The condition that a `when` table spells, with `all`, `any` and `not` inside each other."""
    if isinstance(table, Mapping):
        for word in _TOGETHER:
            if word in table:
                return _together(word, table, ground)
    kind = choose(table, _WORDS, ground.where)
    return read(kind, table, ground.where).build(ground)


def _together(word: str, table: Mapping[str, Any], ground: Ground) -> Condition:
    if len(table) > 1:
        others = ", ".join(key for key in table if key != word)
        expected = f"nothing beside `{word}`; put {others} inside it"
        raise ConfigError(where=ground.where, found=dict(table), expected=expected)
    inner = table[word]
    if word == "not":
        return conditions.Not(build_condition(inner, ground.at("not")))
    if not isinstance(inner, list) or not inner:
        raise ground.bad(word, inner, "a list of conditions")
    built = [
        build_condition(one, ground.at(f"{word}[{number}]")) for number, one in enumerate(inner)
    ]
    return conditions.All(built) if word == "all" else conditions.Any(built)


def _some(clause: Clause, *names: str) -> None:
    if all(getattr(clause, name) is None for name in names):
        raise ValueError(f"|at least one of {', '.join(f'`{name}`' for name in names)}")


def _range(above: Decimal | None, below: Decimal | None) -> None:
    """Refuse a range with nothing in it: its rule would be silent for ever."""
    if above is not None and below is not None and above >= below:
        raise ValueError("below|a number above `above`")


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def _second(text: str) -> int:
    parts = [int(part) for part in text.split(":")]
    return sum(part * unit for part, unit in zip(parts, (3600, 60, 1), strict=False))
