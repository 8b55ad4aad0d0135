"""The venue's rules of a symbol have changed within the day: they are learned again.

House rules: an order that the venue refuses by a rule of size or price that we saw kept is the
sign; until the rules are here again no order of that symbol leaves; asked once a minute at most,
since an order may break such a rule by chance. An order refused because the symbol is not traded is
the other sign: then it is asked for every ten seconds, and none leaves, until it trades again.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from pitwire.model.clock import SECOND
from pitwire.model.errors import PitwireError
from pitwire.model.events import Update
from pitwire.model.instruments import Instrument
from pitwire.model.orders import RejectReason, UpdateKind
from pitwire.trading.limits import OPEN

if TYPE_CHECKING:
    from pitwire.desk.desk import Desk

_RULES = (RejectReason.PRICE_RULE, RejectReason.SIZE_RULE, RejectReason.NOTIONAL_RULE)
AGAIN = 60 * SECOND
CLOSED_AGAIN_SECONDS = 10.0
"""How often a symbol that is not traded is asked for; 20 of weight each time (binance §5.7)."""
WITHIN_SECONDS = 10.0
"""Whoever has not answered by then leaves us with the rules that we have."""


class Relearner:
    """Asks for a symbol's rules when the venue goes by others than ours."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._again: dict[str, int] = {}

    def begin(self) -> None:
        """A symbol that is not traded at the start is asked for until it is."""
        for symbol in self._desk.config.venue.symbols:
            known = self._desk.engine.state.instruments.get(symbol)
            if known is not None and known.status.upper() not in OPEN:
                self._wait_for(symbol)

    def hear(self, update: Update) -> None:
        """What the venue says of an order."""
        closed = update.reason is RejectReason.MARKET_CLOSED
        if update.update is not UpdateKind.REJECTED or not (closed or update.reason in _RULES):
            return
        symbol, now, desk = update.symbol, update.received, self._desk
        way_out = desk.way_out
        early = symbol in self._asking or (not closed and now < self._again.get(symbol, 0))
        if early or way_out is None or desk.on_paper or not desk.has_begun:
            return
        if closed:
            way_out.held[symbol] = f"the venue says that {symbol} is not traded now"
            self._wait_for(symbol)
            return
        self._again[symbol] = now + AGAIN
        way_out.held[symbol] = f"the venue's rules of {symbol} are being learned again"
        self._asking[symbol] = asyncio.get_running_loop().create_task(self._learn(symbol))

    def stop(self) -> None:
        """Nobody needs them any more."""
        for asking in self._asking.values():
            asking.cancel()

    async def _learn(self, symbol: str) -> None:
        desk, known = self._desk, self._desk.engine.state.instruments
        try:
            async with asyncio.timeout(WITHIN_SECONDS):
                learned = (await desk.session.load_instruments([symbol])).get(symbol)
            changed = [] if learned is None else _differences(known.get(symbol), learned)
            if learned is not None and changed:
                known[symbol] = learned
                text = f"the venue has changed its rules of {symbol}: {', '.join(changed)}"
                desk.alert(text, desk.clock.now())
        except (PitwireError, TimeoutError) as error:
            text = f"the rules of {symbol} could not be learned again: {error or 'no answer'}"
            desk.alert(text, desk.clock.now())
        finally:
            self._release(symbol)

    def _wait_for(self, symbol: str) -> None:
        self._asking[symbol] = asyncio.get_running_loop().create_task(self._await_open(symbol))

    async def _await_open(self, symbol: str) -> None:
        """Until the venue lists it as traded; a person is told of the beginning and the end."""
        desk = self._desk
        desk.alert(f"the venue does not trade {symbol}: no order of it leaves", desk.clock.now())
        try:
            while not await self._is_open(symbol):
                await asyncio.sleep(CLOSED_AGAIN_SECONDS)
            desk.alert(f"the venue trades {symbol} again", desk.clock.now())
        finally:
            self._release(symbol)

    async def _is_open(self, symbol: str) -> bool:
        """Ask the venue; no answer is no sign that it trades."""
        with suppress(PitwireError, TimeoutError):
            async with asyncio.timeout(WITHIN_SECONDS):
                learned = (await self._desk.session.load_instruments([symbol])).get(symbol)
            if learned is not None:
                self._desk.engine.state.instruments[symbol] = learned
                return learned.status.upper() in OPEN
        return False

    def _release(self, symbol: str) -> None:
        self._asking.pop(symbol, None)
        if self._desk.way_out is not None:
            self._desk.way_out.held.pop(symbol, None)


def _differences(before: Instrument | None, after: Instrument) -> list[str]:
    """What is another, as `min_notional 5 → 100`."""
    return [
        f"{name} {getattr(before, name, None)} → {getattr(after, name)}"
        for name in after.__struct_fields__
        if getattr(before, name, None) != getattr(after, name)
    ]
