"""The futures' user events: what an account's facts become, and in which order (binance §11.7).

House rules: TRADE_LITE overtakes everything else of its batch; then, for each step of an order, the
account before the order, as in the live capture; everything goes by listen keys, and who asked for
some kinds of events gets those alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING

from pitwire.model.clock import MILLISECOND
from pitwire.model.orders import Side
from pitwire.sim.facades import usdm_algo_reports as algo_reports
from pitwire.sim.facades import usdm_reports as reports
from pitwire.sim.facades.binance_users import UserStreams
from pitwire.sim.facades.usdm_options import UsdmOptions
from pitwire.sim.facades.usdm_reports import Report
from pitwire.sim.facades.usdm_text import FuturesScale
from pitwire.sim.facts import Accepted, Ended, Fact, Prevented, Status, Traded
from pitwire.sim.futures import FuturesExchange
from pitwire.sim.futures_facts import (
    ConditionalChanged,
    ConfigChanged,
    MarginCalled,
    MarginChanged,
    Modified,
)

if TYPE_CHECKING:
    from pitwire.sim.facades.usdm_streams import FuturesHub


class FuturesUsers(UserStreams):
    """Turns facts into events for those who hold a listen key."""

    exchange: FuturesExchange
    hub: FuturesHub
    options: UsdmOptions

    def note(self, facts: Iterable[Fact], now: int) -> None:
        if not self.listen_keys:
            return
        facts = list(facts)
        self._watched = self.watchers()
        for fact in facts:
            if isinstance(fact, Traded):
                for maker in (False, True):
                    order = fact.maker if maker else fact.taker
                    if order.account in self._watched:
                        scale = self._scale(fact.symbol)
                        lite = reports.trade_lite(scale, fact, maker=maker, now=now)
                        self._say(order.account, lite)
        for fact in facts:
            self._report(fact, now)

    def key_expired(self, key: str, now: int) -> None:
        """Told to its listeners, who hear nothing more."""
        if self.listen_keys.pop(key, None) is None:
            return
        self._keys_until.pop(key, None)
        event = {"e": "listenKeyExpired", "E": now // MILLISECOND, "listenKey": key}
        self.hub.emit_user(key, "listenKeyExpired", event)

    def close_key(self, key: str) -> None:
        """Closed by its owner: silence, and no farewell."""
        self.listen_keys.pop(key, None)
        self._keys_until.pop(key, None)

    def _report(self, fact: Fact, now: int) -> None:
        match fact:
            case Traded():
                self._fills(fact, now)
            case Accepted():
                self._order(fact, "NEW", now)
            case Ended():
                ended = "CANCELED" if fact.order.status is Status.CANCELED else "EXPIRED"
                self._order(fact, ended, now)
            case Prevented() if fact.order.status is Status.EXPIRED_IN_MATCH:
                self._order(fact, "EXPIRED", now)
            case Modified():
                self._order(fact, "AMENDMENT", now, modify_id=fact.modify_id)
            case MarginChanged():
                extra = self.options.account_update_s
                update = reports.account_update(self._own(), fact, now, extra=extra)
                self._say(fact.account, update)
            case MarginCalled():
                self._say(fact.account, reports.margin_call(self._own(), fact, now))
            case ConfigChanged():
                self._say(fact.account, self._config(fact, now))
            case ConditionalChanged():
                scale = self._scale(fact.symbol)
                told = algo_reports.algo_update(scale, fact.conditional, fact.at, now)
                self._say(fact.account, told)
            case _:
                pass

    def _config(self, fact: ConfigChanged, now: int) -> Report:
        head: Report = {
            "e": "ACCOUNT_CONFIG_UPDATE",
            "E": now // MILLISECOND,
            "T": fact.at // MILLISECOND,
        }
        if fact.joint is not None:
            return head | {"ai": {"j": fact.joint}}
        return head | {"ac": {"s": self._scale(fact.symbol).symbol, "l": fact.leverage}}

    def _order(
        self,
        fact: Accepted | Ended | Prevented | Modified,
        kind: str,
        now: int,
        *,
        modify_id: int | None = None,
    ) -> None:
        order = fact.order
        if order.account not in self._watched:
            return
        bids, asks = self._open_value(order.account, fact.symbol)
        if kind == "NEW":  # what it was worth then and is no more
            present = self.exchange.order(order.account, fact.symbol, order_id=order.order_id)
            gone = order.left - (present.left if present.on_book else 0)
            terms = self.exchange.margins.terms(fact.symbol)
            value = order.price * gone * terms.unit
            bids, asks = (bids + value, asks) if order.side is Side.BUY else (bids, asks + value)
        event = reports.order_update(
            self._scale(fact.symbol),
            order,
            kind,
            at=fact.at,
            now=now,
            open_value=(bids, asks),
            modify_id=modify_id,
            tells_no_fee=self.options.no_commission == "zero",
        )
        self._say(order.account, event)

    def _fills(self, fact: Traded, now: int) -> None:
        for maker in (False, True):
            order = fact.maker if maker else fact.taker
            if order.account not in self._watched:
                continue
            forced = (fact.symbol, order.order_id) in self.exchange.forced
            event = reports.order_update(
                self._scale(fact.symbol),
                order,
                self.options.forced_fills if forced else "TRADE",
                at=fact.at,
                now=now,
                open_value=self._open_value(order.account, fact.symbol),
                fill=fact,
                maker=maker,
                tells_no_fee=self.options.no_commission == "zero",
            )
            self._say(order.account, event)

    def _open_value(self, account: str, symbol: str) -> tuple[Decimal, Decimal]:
        """Of an account's bids and asks in a symbol, as they stand when it is told."""
        found, zero = self.exchange.positions(account, symbol), Decimal(0)
        return sum((at.bids for at in found), zero), sum((at.asks for at in found), zero)

    def _scale(self, symbol: str) -> FuturesScale:
        scale = self._scales[symbol]
        assert isinstance(scale, FuturesScale)
        return scale

    def _own(self) -> dict[str, FuturesScale]:
        return {symbol: self._scale(symbol) for symbol in self._scales}

    def _say(self, account: str, event: Report) -> None:
        kind = str(event["e"])
        for key, owner in self.listen_keys.items():
            if owner == account:
                self.hub.emit_user(key, kind, event)
