"""What happens at a venue without an order: block trades, reference prices, other systems' locks.

House rules: nothing here happens by itself, the operator says it; each is told as one fact, and
what was told can be asked for again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from decimal import Decimal

from pitwire.model.orders import Side
from pitwire.sim.accounts import ZERO, Accounts
from pitwire.sim.execution import Execution
from pitwire.sim.facts import Fact, Refusal, Refused
from pitwire.sim.pit import Pit

KEPT_BLOCKS = 1_000
"""Block trades of a symbol that can still be asked for: the largest answer."""


class Encumbered(Fact, frozen=True, kw_only=True):
    """Another system has locked (positive) or freed (negative) part of a balance;
    `BalanceChanged` follows."""

    account: str
    asset: str
    amount: Decimal


class BlockTraded(Fact, frozen=True, kw_only=True):
    """A trade that was arranged beside the book, with ids of its own (binance §3)."""

    block_id: int
    price: int
    lots: int
    taker_side: Side


class Referenced(Fact, frozen=True, kw_only=True):
    """A symbol's reference price from now on, in ticks; None for none (binance §7.2)."""

    price: int | None


class Outside:
    """Commands of the operator, and what came of them."""

    def __init__(
        self, accounts: Accounts, execution: Execution, pit_of: Callable[[str], Pit]
    ) -> None:
        self._accounts = accounts
        self._execution = execution
        self._pit_of = pit_of
        self._held: dict[tuple[str, str], Decimal] = {}
        """(account, asset) → what is locked of it from here."""
        self._blocks: dict[str, deque[BlockTraded]] = {}
        self._references: dict[str, Referenced] = {}

    def encumber(self, account: str, asset: str, amount: Decimal, now: int) -> None:
        """Lock what is free, or (negative) free of it what was locked so; refuses more."""
        held = self._held.get((account, asset), ZERO) + amount
        if held < 0:
            raise Refused(Refusal.INSUFFICIENT_BALANCE, asset)
        self._accounts.encumber(account, asset, amount)
        self._held[account, asset] = held
        self._execution.facts.append(
            Encumbered(at=now, symbol="", account=account, asset=asset, amount=amount)
        )
        self._execution.facts += self._accounts.take_changes("", now)

    def trade_block(self, symbol: str, side: Side, *, price: int, lots: int, now: int) -> int:
        """A block trade in ticks and lots, of which no book and no average hears; its id."""
        for name, value in (("price", price), ("lots", lots)):
            if value <= 0:
                raise ValueError(f"{name}: found {value}, expected more than zero")
        self._pit_of(symbol)
        blocks = self._blocks.setdefault(symbol, deque(maxlen=KEPT_BLOCKS))
        number = blocks[-1].block_id + 1 if blocks else 1
        blocks.append(
            BlockTraded(
                at=now, symbol=symbol, block_id=number, price=price, lots=lots, taker_side=side
            )
        )
        self._execution.facts.append(blocks[-1])
        return number

    def refer(self, symbol: str, price: int | None, now: int) -> None:
        """Set a symbol's reference price, in ticks, or take it away.

        Filters are held against it instead of the average, and takers of a listing with a range
        trade only within that range of it.
        """
        if price is not None and price <= 0:
            raise ValueError(f"price: found {price}, expected more than zero")
        self._pit_of(symbol).refer(price or 0)
        self._references[symbol] = Referenced(at=now, symbol=symbol, price=price)
        self._execution.facts.append(self._references[symbol])

    def blocks(self, symbol: str, from_id: int | None, count: int) -> list[BlockTraded]:
        """Block trades from an id on, or the newest; oldest first."""
        found = self._blocks.get(symbol, ())
        if from_id is None:
            return list(found)[-count:]
        return [block for block in found if block.block_id >= from_id][:count]

    def reference(self, symbol: str) -> Referenced | None:
        """What was last said of a symbol's reference price; None before anything was."""
        return self._references.get(symbol)
