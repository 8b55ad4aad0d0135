"""What the venue remembers of orders beside their state: amendments and prevented matches (§5.13).

House rules: rows are kept per account and symbol, and a stated number of them.
"""

from __future__ import annotations

from collections import deque

import msgspec

from pitwire.sim.facts import Amended, Fact, Prevented

KEPT_RECORDS = 10_000
"""Rows of an account in a symbol that can still be asked for; the oldest go first."""


class Match(msgspec.Struct, kw_only=True):
    """A match that did not happen; each side that lost by it is told of once."""

    prevented_id: int
    taker: int
    maker: int
    mode: str
    price: int
    at: int
    taker_lots: int = 0
    maker_lots: int = 0


class Archive:
    """The rows."""

    def __init__(self) -> None:
        self._amended: dict[tuple[str, str], deque[Amended]] = {}
        self._prevented: dict[tuple[str, str], dict[int, Match]] = {}

    def note(self, fact: Fact) -> None:
        """Write down what is worth it."""
        match fact:
            case Amended():
                key = (fact.order.account, fact.symbol)
                rows = self._amended.setdefault(key, deque(maxlen=KEPT_RECORDS))
                rows.append(fact)
            case Prevented():
                self._prevent(fact)
            case _:
                pass

    def amendments(self, account: str, symbol: str, order_id: int) -> list[Amended]:
        """Of one order, oldest first."""
        rows = self._amended.get((account, symbol), ())
        return [row for row in rows if row.order.order_id == order_id]

    def matches(self, account: str, symbol: str) -> list[Match]:
        """Prevented matches, oldest first."""
        return list(self._prevented.get((account, symbol), {}).values())

    def _prevent(self, fact: Prevented) -> None:
        rows = self._prevented.setdefault((fact.order.account, fact.symbol), {})
        mine, other = fact.order.order_id, fact.counter_order_id
        row = rows.get(fact.prevented_id)
        if row is None:
            row = rows[fact.prevented_id] = Match(
                prevented_id=fact.prevented_id,
                taker=other if fact.rested else mine,
                maker=mine if fact.rested else other,
                mode=fact.mode.value,
                price=fact.price,
                at=fact.at,
            )
            if len(rows) > KEPT_RECORDS:
                del rows[next(iter(rows))]
        if fact.rested:
            row.maker_lots = fact.lots
        else:
            row.taker_lots = fact.lots
