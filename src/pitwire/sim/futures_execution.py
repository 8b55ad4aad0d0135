"""How a future's order lives in a pit: as any other, but one that reduces never does more.

House rules: as in `execution`; what has nothing left to reduce expires where it would have traded.
"""

from __future__ import annotations

from pitwire.model.orders import Side
from pitwire.sim.execution import Execution
from pitwire.sim.facts import PositionSide, SimOrder, Status
from pitwire.sim.margin import MarginAccounts
from pitwire.sim.matching import Level
from pitwire.sim.pit import Pit


class FuturesExecution(Execution):
    """Works orders against positions."""

    __slots__ = ("_margins",)

    def __init__(self, margins: MarginAccounts) -> None:
        super().__init__(margins)
        self._margins = margins

    def reducible(self, account: str, symbol: str, side: Side, which: PositionSide) -> int:
        """How many lots of a position an order of this side could close."""
        lots = self._margins.owner(account).position(symbol, which).lots
        closes = lots < 0 if side is Side.BUY else lots > 0
        return abs(lots) if closes else 0

    def meet(self, pit: Pit, taker: SimOrder, maker: SimOrder, level: Level, now: int) -> None:
        """Trade as much as both have; several that reduce share one position."""
        if not maker.reduce_only:
            super().meet(pit, taker, maker, level, now)
            return
        room = self.reducible(maker.account, maker.symbol, maker.side, maker.position_side)
        if room:
            lots = min(taker.left, maker.left, room)
            self.trade(pit, taker, maker, level.price, lots, now)
            pit.book.consume(maker, level, lots)
            return
        # Off its level by hand: whoever sweeps drops that when it is empty.
        level.shown -= maker.left
        del level.orders[maker.order_id]
        maker.on_book = False
        self.end(pit, maker, Status.EXPIRED, now)


__all__ = ["FuturesExecution"]
