"""A rule that has stops and take-profits waiting on both sides of the touch, and changes its mind.

House rules: as in `trader`.
"""

from __future__ import annotations

from pitwire.model.orders import CONDITIONAL, OrderState, Side
from pitwire.torture.trader import Trader
from pitwire.trading.state import State
from pitwire.trading.wishes import Wish, cancel, order

_LIVE = (OrderState.OPEN, OrderState.PARTLY_FILLED)
_SIZE = 0.005
_MOST = 8
"""Orders that wait at a time."""


class StopTrader(Trader):
    """Keeps a few conditional orders near the touch of one symbol."""

    def _act(self, state: State, bid: float, ask: float) -> list[Wish]:
        ours = [one for one in state.ledger.open_of(self._symbol) if one.is_ours]
        waiting = [one for one in ours if one.type in CONDITIONAL]
        deeds = ["take", "rest"]
        if len(waiting) < _MOST:
            deeds += ["stop", "stop", "stop", "stop limit", "stop limit", "take profit"]
        live = [one for one in waiting if one.state in _LIVE]
        if len(live) > 1:
            deeds += ["cancel", "cancel"]
        deed = self._chance.choice(deeds)
        if deed == "cancel":
            return [cancel(order_id=self._chance.choice(live).id)]
        side = self._chance.choice((Side.BUY, Side.SELL))
        size = _SIZE * self._chance.randint(1, 4)
        if deed == "take":
            held = state.portfolio.position(self._symbol)
            side = Side.SELL if held > 0 else Side.BUY if held < 0 else side
            return [order(self._symbol, side, size=size, tag="taken")]
        if deed == "rest":
            price = bid * 0.999 if side is Side.BUY else ask * 1.001
            return [order(self._symbol, side, size=size, price=price)]
        return [self._conditional(deed, side, size, bid, ask)]

    def _conditional(self, deed: str, side: Side, size: float, bid: float, ask: float) -> Wish:
        away = self._chance.choice((0.0002, 0.0005, 0.002))
        falls = (side is Side.SELL) == (deed != "take profit")
        trigger = bid * (1 - away) if falls else ask * (1 + away)
        # Behind its trigger it rests once it is on the book, beyond it takes at once.
        behind = self._chance.choice((0.001, 0.001, -0.001))
        price = trigger * (1 + behind if side is Side.SELL else 1 - behind)
        return order(
            self._symbol, side, size=size, stop_price=trigger,
            price=price if deed == "stop limit" else None,
            take_profit=deed == "take profit",
            protective=self._chance.choice((False, False, True)),
        )  # fmt: skip
