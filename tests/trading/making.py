"""Short ways to make events, orders and a desk's pure middle for the tests of `trading`."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from pitwire.model import events as ev
from pitwire.model.instruments import Instrument
from pitwire.model.orders import Order, OrderType, Side, UpdateKind
from pitwire.trading.engine import Engine
from pitwire.trading.ids import OrderIds
from pitwire.trading.journal import MemoryJournal, Refusal
from pitwire.trading.ledger import OrderLedger
from pitwire.trading.limits import Limits
from pitwire.trading.risk import Screen
from pitwire.trading.rules import Rule
from pitwire.trading.state import State

BTC, ETH = "BTC-USDT", "ETH-USDT"
SECOND = 1_000_000_000
T0 = 1_700_000_000 * SECOND


def at(seconds: float) -> int:
    return T0 + round(seconds * SECOND)


def instrument(symbol: str = BTC, **changes: Any) -> Instrument:
    base, quote = symbol.split("-")
    facts: dict[str, Any] = {
        "venue": "test",
        "symbol": symbol,
        "native": base + quote,
        "base": base,
        "quote": quote,
        "tick": Decimal("0.01"),
        "lot": Decimal("0.001"),
        "max_price": Decimal(1_000_000),
        "max_size": Decimal(9000),
        "min_notional": Decimal(5),
    }
    return Instrument(**(facts | changes))


def trade(price: float, seconds: float = 0, *, size: float = 1.0, symbol: str = BTC,
          side: Side = Side.BUY, trade_id: int = 1) -> ev.Trade:  # fmt: skip
    return ev.Trade("test", symbol, at(seconds), at(seconds), price, size, side, trade_id)


def quote(bid: float, ask: float, seconds: float = 0, *, symbol: str = BTC,
          bid_size: float = 1.0, ask_size: float = 1.0) -> ev.Quote:  # fmt: skip
    return ev.Quote("test", symbol, at(seconds), at(seconds), bid, bid_size, ask, ask_size)


def snapshot(
    bids: Iterable[tuple[float, float]],
    asks: Iterable[tuple[float, float]],
    seconds: float = 0,
    symbol: str = BTC,
) -> ev.BookSnapshot:
    return ev.BookSnapshot("test", symbol, at(seconds), at(seconds), 1, tuple(bids), tuple(asks))


def update(order_id: str, kind: UpdateKind, seconds: float = 0, *, symbol: str = BTC,
           venue_id: str = "", **facts: Any) -> ev.Update:  # fmt: skip
    for name in ("filled", "size", "price"):
        if name in facts and facts[name] is not None:
            facts[name] = Decimal(str(facts[name]))
    return ev.Update("test", symbol, at(seconds), at(seconds), order_id, venue_id, kind, **facts)


def fill(order_id: str, size: Any, price: Any = 100, seconds: float = 0, *,
         trade_id: str = "1", side: Side = Side.BUY, symbol: str = BTC, venue_id: str = "",
         fee: Any = 0, fee_asset: str = "USDT", maker: bool = False) -> ev.Fill:  # fmt: skip
    return ev.Fill(
        "test", symbol, at(seconds), at(seconds), order_id, venue_id, trade_id, side,
        Decimal(str(price)), Decimal(str(size)), Decimal(str(fee)), fee_asset, maker,
    )  # fmt: skip


def balance(asset: str, free: Any, locked: Any = 0, seconds: float = 0) -> ev.Balance:
    return ev.Balance(
        "test", "", at(seconds), at(seconds), asset, Decimal(str(free)), Decimal(str(locked))
    )


def unanswered(order_id: str, what: str = "place", seconds: float = 0) -> ev.Unanswered:
    return ev.Unanswered("test", BTC, 0, at(seconds), order_id, what, 2.0)


def order(order_id: str = "a", size: Any = 2, *, price: Any = 100, side: Side = Side.BUY,
          symbol: str = BTC, type: OrderType = OrderType.LIMIT, tag: str = "",
          rule: str = "") -> Order:  # fmt: skip
    return Order(
        id=order_id, symbol=symbol, side=side, type=type, size=Decimal(str(size)),
        price=None if price is None else Decimal(str(price)), tag=tag, rule=rule,
    )  # fmt: skip


class Desk:
    """The pure middle, joined as a desk joins it, with the sending left out."""

    def __init__(
        self,
        *rules: Rule,
        limits: Limits | None = None,
        instruments: Iterable[Instrument] | None = None,
        armed: bool = True,
    ) -> None:
        self.journal = MemoryJournal()
        self.ids = OrderIds("t", 1)
        self.screen = Screen(limits or Limits(), self.ids, self.journal, armed=armed)
        listed = [instrument(BTC), instrument(ETH)] if instruments is None else instruments
        self.state = State(listed, ledger=OrderLedger(is_ours=self.ids.is_ours))
        self.engine = Engine(rules, self.screen, self.state, self.journal)

    def burst(self, *events: ev.Event, now: int | None = None) -> list[Any]:
        """Apply all of these and decide once; everything decided counts as sent."""
        for event in events:
            self.engine.apply(event)
        moment = (events[-1].received if events else self.state.now) if now is None else now
        commands = self.engine.decide(moment)
        for command in commands:
            self.engine.sent(command, moment)
        return commands

    def each(self, *events: ev.Event) -> list[Any]:
        """One burst an event."""
        return [command for event in events for command in self.burst(event)]

    def of(self, kind: type) -> list[Any]:
        return [record for record in self.journal.records if type(record) is kind]

    @property
    def refusals(self) -> list[str]:
        return [record.limit for record in self.of(Refusal)]
