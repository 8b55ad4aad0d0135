"""The inside of the simulated futures: what every request works on (binance §11).

House rules: as in `binance_office`; what is due by itself (dead man's switches, orders with a date)
is done here.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from pitwire.model.entropy import Entropy
from pitwire.sim.execution import OVER
from pitwire.sim.facades.binance_call import Call
from pitwire.sim.facades.binance_office import Office
from pitwire.sim.facades.binance_streams import StreamHub
from pitwire.sim.facades.binance_text import ApiError, Scale
from pitwire.sim.facades.binance_users import UserStreams
from pitwire.sim.facades.facade import Action
from pitwire.sim.facades.usdm_options import UsdmOptions
from pitwire.sim.facades.usdm_streams import FuturesHub
from pitwire.sim.facades.usdm_text import FuturesScale
from pitwire.sim.facades.usdm_users import FuturesUsers
from pitwire.sim.facts import Fact, Listing, Refused, SimOrder
from pitwire.sim.futures import FuturesExchange
from pitwire.sim.futures_facts import AlgoStatus, MarginChanged, MarkChanged

_WHEN_PROTECTED = {"reject": AlgoStatus.REJECTED, "expire": AlgoStatus.EXPIRED, "fire": None}
_INCOMES = 1_000
_RATES = 1_000


class FuturesOffice(Office):
    """Everything behind the doors of the futures."""

    def __init__(
        self,
        exchange: FuturesExchange,
        *,
        entropy: Entropy,
        options: UsdmOptions,
        send: Callable[[int, Action], None],
    ) -> None:
        self.exchange = exchange
        self.futures_options = options
        super().__init__(exchange, entropy=entropy, options=options, send=send)
        exchange.conditionals.when_protected = _WHEN_PROTECTED[options.when_protected]
        exchange.mode_waits_for_conditionals = options.mode_waits_for_conditionals
        self.switches: dict[tuple[str, str], int] = {}
        """(account, symbol) → when all its orders are to be cancelled."""
        self._dated: dict[tuple[str, int], SimOrder] = {}
        self.marks: dict[str, MarkChanged] = {}
        self.paid: dict[str, list[tuple[int, str]]] = {symbol: [] for symbol in self.scales}
        """Symbol → (time, rate) of the fundings that were paid."""
        self.incomes: dict[str, list[MarginChanged]] = {}

    def _scale(self, listing: Listing) -> Scale:
        return FuturesScale(listing)

    def _hub(self, send: Callable[[int, Action], None]) -> StreamHub:
        hub = FuturesHub(self.market, self.boards, send)
        hub.unrouted = self.futures_options.unrouted
        hub.both_universes = self.futures_options.both_universes
        return hub

    def _users(self, send: Callable[[int, Action], None]) -> UserStreams:
        users = FuturesUsers(self.scales, self.options, send)
        assert isinstance(self.hub, FuturesHub)
        users.exchange, users.hub, users.options = self.exchange, self.hub, self.futures_options
        return users

    def reword(self, error: ApiError) -> ApiError:
        text = self.futures_options.wording.get(error.code)
        if text is None:
            return error
        return ApiError(error.code, text, status=error.status, data=error.data)

    def contract(self, symbol: str) -> FuturesScale:
        """The symbol in the venue's spelling; raises -1121."""
        found = self.scale(symbol)
        assert isinstance(found, FuturesScale)
        return found

    def contracts(self) -> list[FuturesScale]:
        return [each for each in self.scales.values() if isinstance(each, FuturesScale)]

    def take(self, now: int) -> list[Fact]:
        facts = super().take(now)
        for fact in facts:
            if isinstance(fact, MarkChanged):
                self._note_mark(fact)
            elif isinstance(fact, MarginChanged):
                mine = self.incomes.setdefault(fact.account, [])
                mine.append(fact)
                del mine[:-_INCOMES]
        return facts

    def _note_mark(self, fact: MarkChanged) -> None:
        before = self.marks.get(fact.symbol)
        self.marks[fact.symbol] = fact
        if before is not None and before.funding_at < fact.funding_at:
            told = self.paid[fact.symbol]
            told.append((before.funding_at, f"{fact.rate:.8f}"))
            del told[:-_RATES]

    @property
    def may_wait(self) -> bool:
        """Conditional orders and margins follow what happens, heard or not."""
        return False

    def placed(self, order: SimOrder) -> None:
        """Its place in the windows is not given back with a fill: §11.2 knows of no such thing."""
        if order.good_till and order.status not in OVER:
            self._dated[order.symbol, order.order_id] = order

    def do_due(self, now: int) -> None:
        """Throw the switches whose time is up, and expire what has outlived its date."""
        for (account, symbol), at in list(self.switches.items()):
            if at <= now:
                del self.switches[account, symbol]
                with suppress(Refused):
                    self.exchange.cancel_all(account, symbol, now)
                if self.futures_options.countdown_cancels_conditionals:
                    self.exchange.conditionals.cancel_all(account, symbol, now)
        for key, order in list(self._dated.items()):
            if order.status in OVER:
                del self._dated[key]
            elif order.good_till <= now:
                del self._dated[key]
                self.exchange.expire(order, now)

    def next_due(self) -> int | None:
        if not (self.switches or self._dated):
            return None
        dates = [order.good_till for order in self._dated.values() if order.status not in OVER]
        return min((*self.switches.values(), *dates), default=None)


def office_of(call: Call) -> FuturesOffice:
    """The office behind a request, as what it is."""
    assert isinstance(call.office, FuturesOffice)
    return call.office


__all__ = ["FuturesOffice", "office_of"]
