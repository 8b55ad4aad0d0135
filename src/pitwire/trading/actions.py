"""Actions as they are written in TOML: one table each, named by its first key.

House rules: an action yields wishes and nothing else; a price named relative to the market is
reckoned when the rule fires, in exact Decimals; what cannot be reckoned becomes an alert.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import ClassVar, Literal, TypeAlias

import msgspec

from pitwire.model.errors import ConfigError
from pitwire.model.orders import OrderType, Side, TimeInForce
from pitwire.trading.ids import is_protective
from pitwire.trading.market_conditions import PriceName, price_of
from pitwire.trading.reading import Clause, Ground, choose, read
from pitwire.trading.state import State
from pitwire.trading.tracked import Tracked
from pitwire.trading.trigger import Action
from pitwire.trading.wishes import Draft, Wish, alert, cancel, halt, order, replace


class PriceFrom(Clause, frozen=True, kw_only=True, rename={"from_": "from"}):
    """A price so many ticks or bips above (below, when negative) the one named."""

    from_: PriceName
    ticks: int = 0
    bips: Decimal = Decimal(0)

    def now(self, symbol: str, state: State) -> Decimal | None:
        """The price as it stands; None while the one named is not known."""
        start = price_of(state, symbol, self.from_)
        instrument = state.instruments.get(symbol)
        if start is None or instrument is None:
            return None
        exact = Decimal(repr(start)) * (1 + self.bips / 10_000)
        return exact + self.ticks * instrument.tick


class OrderClause(Clause, frozen=True, kw_only=True):
    """What all actions share that place an order."""

    ONE_OF: ClassVar[tuple[str, ...]] = ("size", "quote_size")
    POSITIVE: ClassVar[tuple[str, ...]] = ("size", "quote_size", "price", "trigger")
    size: Decimal | None = None
    quote_size: Decimal | None = None
    symbol: str = ""
    tag: str = ""
    reduce_only: bool = False
    protective: bool = False
    """Left open by the watchdog when the desk is gone."""

    def traded(self, ground: Ground, symbol: str) -> str:
        """The symbol it is for, with size and prices checked against its grid."""
        wanted = self.symbol or symbol
        if not wanted:
            raise ground.bad(
                "symbol", "nothing", "a symbol, since the condition names no single one"
            )
        traded = ground.symbol("symbol", wanted)
        if self.size is not None:
            ground.check_size("size", traded, self.size)
        for name in ("price", "trigger"):
            price = getattr(self, name, None)
            if isinstance(price, Decimal):
                ground.check_price(name, traded, price)
        return traded

    def draft(
        self,
        symbol: str,
        side: Side,
        type: OrderType,
        *,
        price: Decimal | None = None,
        stop_price: Decimal | None = None,
        time_in_force: TimeInForce = TimeInForce.GTC,
    ) -> Draft:
        """The order, with its size as it is written in the file."""
        return Draft(
            symbol=symbol,
            side=side,
            type=type,
            size=self.size,
            quote_size=self.quote_size,
            price=price,
            stop_price=stop_price,
            time_in_force=time_in_force,
            reduce_only=self.reduce_only,
            protective=self.protective,
            tag=self.tag,
        )


class MarketAction(OrderClause, frozen=True, kw_only=True):
    """`market`: take at once."""

    market: Side

    def build(self, ground: Ground, symbol: str) -> Action:
        draft = self.draft(self.traded(ground, symbol), self.market, OrderType.MARKET)
        return _always(draft)


class _PricedAction(OrderClause, frozen=True, kw_only=True):
    price: Decimal | PriceFrom

    def resting(
        self,
        ground: Ground,
        symbol: str,
        side: Side,
        type: OrderType,
        time_in_force: TimeInForce = TimeInForce.GTC,
    ) -> Action:
        traded = self.traded(ground, symbol)

        def act(state: State) -> Iterator[Wish]:
            price = _price(self.price, traded, state)
            if price is None:
                yield _no_price(traded, side)
            else:
                yield self.draft(traded, side, type, price=price, time_in_force=time_in_force)

        return act


class LimitAction(_PricedAction, frozen=True, kw_only=True):
    """`limit`: at a price or better."""

    limit: Side
    time_in_force: TimeInForce = TimeInForce.GTC

    def build(self, ground: Ground, symbol: str) -> Action:
        return self.resting(ground, symbol, self.limit, OrderType.LIMIT, self.time_in_force)


class PostOnlyAction(_PricedAction, frozen=True, kw_only=True):
    """`post_only`: a limit order that is refused rather than take."""

    post_only: Side

    def build(self, ground: Ground, symbol: str) -> Action:
        return self.resting(ground, symbol, self.post_only, OrderType.POST_ONLY)


class IocAction(_PricedAction, frozen=True, kw_only=True):
    """`ioc`: what can be had at once at a price or better, and no more."""

    ioc: Side

    def build(self, ground: Ground, symbol: str) -> Action:
        return self.resting(ground, symbol, self.ioc, OrderType.LIMIT, TimeInForce.IOC)


class FokAction(_PricedAction, frozen=True, kw_only=True):
    """`fok`: all of it at once at a price or better, or nothing."""

    fok: Side

    def build(self, ground: Ground, symbol: str) -> Action:
        return self.resting(ground, symbol, self.fok, OrderType.LIMIT, TimeInForce.FOK)


class _TriggeredAction(OrderClause, frozen=True, kw_only=True):
    trigger: Decimal | PriceFrom
    price: Decimal | PriceFrom | None = None

    def waiting(self, ground: Ground, symbol: str, side: Side, *, take_profit: bool) -> Action:
        traded = self.traded(ground, symbol)
        kinds = (OrderType.STOP, OrderType.STOP_LIMIT)
        if take_profit:
            kinds = (OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT)
        kind = kinds[self.price is not None]
        ground.check_type("take_profit" if take_profit else "stop", side.value, traded, kind)

        def act(state: State) -> Iterator[Wish]:
            trigger = _price(self.trigger, traded, state)
            price = None if self.price is None else _price(self.price, traded, state)
            if trigger is None or (price is None and self.price is not None):
                yield _no_price(traded, side)
            else:
                yield self.draft(traded, side, kind, price=price, stop_price=trigger)

        return act


class StopAction(_TriggeredAction, frozen=True, kw_only=True):
    """`stop`: sleeps at the venue until the price touches `trigger` on the losing side."""

    stop: Side

    def build(self, ground: Ground, symbol: str) -> Action:
        return self.waiting(ground, symbol, self.stop, take_profit=False)


class TakeProfitAction(_TriggeredAction, frozen=True, kw_only=True):
    """`take_profit`: sleeps at the venue until the price touches `trigger` on the winning side."""

    take_profit: Side

    def build(self, ground: Ground, symbol: str) -> Action:
        return self.waiting(ground, symbol, self.take_profit, take_profit=True)


class CloseAction(Clause, frozen=True, kw_only=True):
    """`close`: bring the position of a symbol to zero at market."""

    close: str
    tag: str = ""

    def build(self, ground: Ground, symbol: str) -> Action:
        traded = ground.symbol("close", self.close)

        def act(state: State) -> Iterator[Wish]:
            draft = closing(state, traded, self.tag)
            if draft is not None:
                yield draft

        return act


class Matching(Clause, frozen=True, kw_only=True):
    """Orders of ours with this tag, symbol and side; what is not named does not matter."""

    tag: str = ""
    symbol: str = ""
    side: Side | None = None

    def matches(self, order: Tracked) -> bool:
        return (
            order.is_ours
            and (not self.tag or order.tag == self.tag)
            and self.side in (None, order.side)
        )


class CancelAction(Clause, frozen=True, kw_only=True):
    """`cancel`: all our open orders, or those that match."""

    cancel: Literal["all"] | Matching

    def build(self, ground: Ground, symbol: str) -> Action:
        if isinstance(self.cancel, str):
            return _always(cancel())
        what = self.cancel
        if what.symbol:
            ground.at("cancel").symbol("symbol", what.symbol)
        wish = cancel(what.symbol, side=what.side or "", tag=what.tag)
        return _always(wish)


class ReplaceAction(Clause, frozen=True, kw_only=True):
    """`replace`: matching open orders get a new price, and a new size when one is named."""

    POSITIVE: ClassVar[tuple[str, ...]] = ("price", "size")
    replace: Matching
    price: Decimal | PriceFrom
    size: Decimal | None = None

    def build(self, ground: Ground, symbol: str) -> Action:
        if self.replace.symbol:
            ground.at("replace").symbol("symbol", self.replace.symbol)

        def act(state: State) -> Iterator[Wish]:
            for old in state.ledger.open_of(self.replace.symbol):
                if self.replace.matches(old) and old.price is not None and not old.cancel_sent:
                    yield self._instead(old, state)

        return act

    def _instead(self, old: Tracked, state: State) -> Wish:
        price = _price(self.price, old.symbol, state)
        size = self.size or old.remaining
        if price is None or size is None or old.side is None or old.type is None:
            return _no_price(old.symbol, old.side)
        kept = is_protective(old.id)
        draft = order(old.symbol, old.side, size=size, price=price, protective=kept, tag=old.tag)
        return replace(old.id, msgspec.structs.replace(draft, type=old.type))


class AlertAction(Clause, frozen=True, kw_only=True):
    """`alert`: tell a person."""

    alert: str
    level: Literal["info", "warning", "error"] = "info"

    def build(self, ground: Ground, symbol: str) -> Action:
        wish = alert(self.alert, level=self.level, symbol=symbol)
        return _always(wish)


class HaltAction(Clause, frozen=True, kw_only=True):
    """`halt`: cancel what is open and send no more orders until a person resumes."""

    halt: str

    def build(self, ground: Ground, symbol: str) -> Action:
        wish = halt(self.halt)
        return _always(wish)


OrderAction: TypeAlias = MarketAction | LimitAction | PostOnlyAction | IocAction | FokAction
ActionClause: TypeAlias = (
    OrderAction | StopAction | TakeProfitAction | CloseAction | CancelAction | ReplaceAction
    | AlertAction | HaltAction
)  # fmt: skip
"""What `do` may hold. `build(ground, symbol)` makes the action; `symbol` is the condition's, for a
clause that names none."""
ORDERS: dict[str, type[OrderAction]] = {
    "market": MarketAction,
    "limit": LimitAction,
    "post_only": PostOnlyAction,
    "ioc": IocAction,
    "fok": FokAction,
}
"""What enters at once."""
ACTIONS: dict[str, type[ActionClause]] = {
    **ORDERS,
    "stop": StopAction,
    "take_profit": TakeProfitAction,
    "close": CloseAction,
    "cancel": CancelAction,
    "replace": ReplaceAction,
    "alert": AlertAction,
    "halt": HaltAction,
}


def build_actions(tables: object, ground: Ground, symbol: str) -> list[Action]:
    """The actions that a `do` table, or a list of them, spells."""
    if not isinstance(tables, list):
        return [_build(tables, ground, symbol)]
    if not tables:
        raise ConfigError(where=ground.where, found=tables, expected="at least one action")
    return [
        _build(table, Ground(f"{ground.where}[{number}]", ground.instruments), symbol)
        for number, table in enumerate(tables)
    ]


def closing(state: State, symbol: str, tag: str = "") -> Draft | None:
    """The market order that brings a position to zero; None when it is zero."""
    held = state.portfolio.position(symbol)
    if not held:
        return None
    side = Side.SELL if held > 0 else Side.BUY
    return order(symbol, side, size=abs(held), reduce_only=True, tag=tag)


def _build(table: object, ground: Ground, symbol: str) -> Action:
    kind = choose(table, ACTIONS, ground.where)
    return read(kind, table, ground.where).build(ground, symbol)


def _always(wish: Wish) -> Action:
    return lambda _: (wish,)


def _price(price: Decimal | PriceFrom, symbol: str, state: State) -> Decimal | None:
    return price if isinstance(price, Decimal) else price.now(symbol, state)


def _no_price(symbol: str, side: Side | None) -> Wish:
    return alert(f"no price known to {side or 'trade'} {symbol} at", level="warning", symbol=symbol)
