"""User-data events: which account's facts go to which subscription, and in what sequence (§6).

House rules: reports leave in the order of the facts; balances follow once per batch, as the
venue's outboundAccountPosition does; nothing is replayed to a late subscriber.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

import msgspec

from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.sim.facades import binance_reports as reports
from pitwire.sim.facades import binance_sbe_api as sbe
from pitwire.sim.facades.binance_options import BinanceOptions
from pitwire.sim.facades.binance_reports import Report
from pitwire.sim.facades.binance_text import ApiError, Scale
from pitwire.sim.facades.facade import Action, SendText
from pitwire.sim.facts import (
    Accepted,
    Amended,
    BalanceChanged,
    Deposited,
    Ended,
    Fact,
    LevelChanged,
    ListChanged,
    Prevented,
    Status,
    Traded,
    Triggered,
)
from pitwire.sim.outside import Encumbered

_encode = msgspec.json.Encoder().encode
_MOST_AT_ONCE = 1000
_MOST_EVER = 65_535
USER_STREAM = "userData"


class Subscriptions:
    """The user-data subscriptions of one WS-API connection (binance §6.1)."""

    def __init__(self, link: int, unit: int) -> None:
        self.link = link
        self.unit = unit
        self.sbe = False
        """Whether its events are binary."""
        self.active: dict[int, str] = {}
        """Subscription id → account."""
        self.of_session: int | None = None
        self._next = 0

    def open(self, account: str) -> int:
        if account in self.active.values():
            raise ApiError(-2035, "User Data Stream subscription already active.")
        if self._next > _MOST_EVER or len(self.active) >= _MOST_AT_ONCE:
            raise ApiError(-2042, "Maximum subscription ID reached for this connection.")
        number, self._next = self._next, self._next + 1
        self.active[number] = account
        return number

    def close(self, number: int) -> None:
        if self.active.pop(number, None) is None:
            raise ApiError(-2036, "User Data Stream subscription not active.")
        if self.of_session == number:
            self.of_session = None


class UserStreams:
    """Turns facts into user-data events for those who subscribed."""

    def __init__(
        self,
        scales: Mapping[str, Scale],
        options: BinanceOptions,
        send: Callable[[int, Action], None],
    ) -> None:
        self._scales = scales
        self._options = options
        self._send = send
        self._connections: dict[int, Subscriptions] = {}
        self._watched: set[str] = set()
        """Accounts that anybody listens to, as of the batch under way."""
        self._keys_until: dict[str, int] = {}
        self.listen_keys: dict[str, str] = {}
        """Key → account, where the old way in is still served."""
        self.emit_raw: Callable[[str, Callable[[int], object]], None] = _nobody

    def open_connection(self, link: int, unit: int) -> Subscriptions:
        made = self._connections[link] = Subscriptions(link, unit)
        return made

    def drop(self, link: int) -> None:
        self._connections.pop(link, None)

    def note(self, facts: Iterable[Fact], now: int) -> None:
        """Tell all subscribers what a batch of facts means to them."""
        if not (self._connections or self.listen_keys):
            return
        self._watched = self.watchers()
        if not self._watched:
            return
        changed: dict[str, dict[str, tuple[Decimal, Decimal]]] = {}
        for fact in facts:
            if isinstance(fact, LevelChanged):  # by far the most
                continue
            if isinstance(fact, BalanceChanged):
                changed.setdefault(fact.account, {})[fact.asset] = (fact.free, fact.locked)
            else:
                self._report(fact, now)
        for account, assets in changed.items():
            self._tell(
                account,
                lambda unit, assets=assets: reports.account_position(  # type: ignore[misc]
                    assets, updated=now, now=now, unit=unit
                ),
            )

    def terminated(self, subscriptions: Subscriptions, number: int, now: int) -> None:
        """No further events for this subscription (binance §6.3)."""
        event = {"e": "eventStreamTerminated", "E": now // subscriptions.unit}
        self._wrap(subscriptions, number, event)

    def rejected(self, account: str, report: Callable[[int], Report]) -> None:
        """An order that never came to be, where the venue reports those."""
        self._tell(account, report)

    def open_key(self, account: str, make: Callable[[int], str], now: int) -> str:
        """A listen key; asking again gives the same one and renews it."""
        for key, owner in self.listen_keys.items():
            if owner == account:
                self.keep_key(key, account, now)
                return key
        key = make(64)
        self.listen_keys[key] = account
        self.keep_key(key, account, now)
        return key

    def keep_key(self, key: str, account: str, now: int) -> None:
        if self.listen_keys.get(key) != account:
            raise ApiError(-1125, "This listenKey does not exist.")
        self._keys_until[key] = now + self._options.listen_key_minutes * 60 * SECOND

    def key_expired(self, key: str, now: int) -> None:
        """A listen key was closed or ran out."""
        self.listen_keys.pop(key, None)
        self._keys_until.pop(key, None)
        event = {"e": "listenKeyExpired", "E": now // MILLISECOND, "listenKey": key}
        self.emit_raw(key, lambda _unit: event)

    def expire_keys(self, now: int) -> None:
        for key in [key for key, until in self._keys_until.items() if until <= now]:
            self.key_expired(key, now)

    def next_deadline(self) -> int | None:
        return min(self._keys_until.values()) if self._keys_until else None

    def watchers(self) -> set[str]:
        """Accounts whose user data somebody listens to."""
        found = set(self.listen_keys.values())
        for connection in self._connections.values():
            found.update(connection.active.values())
        return found

    def _report(self, fact: Fact, now: int) -> None:
        match fact:
            case Traded():
                self._fill(fact, now)
            case Accepted():
                self._simple(fact, "NEW", now)
            case Triggered() if self._options.report_triggers:
                self._simple(fact, "NEW", now)
            case Ended():
                ended = "CANCELED" if fact.order.status is Status.CANCELED else "EXPIRED"
                self._simple(fact, ended, now)
            case Amended():
                self._simple(fact, "REPLACED", now)
            case Prevented():
                scale = self._scales[fact.symbol]
                self._tell(
                    fact.order.account,
                    lambda unit: reports.prevention(scale, fact, now=now, unit=unit),
                )
            case ListChanged():
                scale = self._scales[fact.symbol]
                self._tell(
                    fact.account,
                    lambda unit: reports.list_status(scale, fact, now=now, unit=unit),
                )
            case Deposited():
                self._tell(
                    fact.account,
                    lambda unit: reports.balance_update(
                        fact.asset, fact.amount, at=fact.at, now=now, unit=unit
                    ),
                )
            case Encumbered():
                self._tell(
                    fact.account,
                    lambda unit: reports.lock_update(
                        fact.asset, fact.amount, at=fact.at, now=now, unit=unit
                    ),
                )
            case _:
                pass

    def _simple(self, fact: Accepted | Triggered | Ended | Amended, kind: str, now: int) -> None:
        scale = self._scales[fact.symbol]
        self._tell(
            fact.order.account,
            lambda unit: reports.execution(
                scale,
                fact.order,
                kind,
                execution_id=fact.execution,
                at=fact.at,
                now=now,
                unit=unit,
            ),
        )

    def _fill(self, fact: Traded, now: int) -> None:
        scale = self._scales[fact.symbol]
        partial = fact.maker.status is Status.PARTIALLY_FILLED
        resting = partial and self._options.maker_partial_on_book
        for maker in (False, True):
            order = fact.maker if maker else fact.taker
            if order.account not in self._watched:
                continue
            self._tell(
                order.account,
                lambda unit, maker=maker: reports.trade_execution(  # type: ignore[misc]
                    scale, fact, maker=maker, on_book=maker and resting, now=now, unit=unit
                ),
            )

    def _tell(self, account: str, report: Callable[[int], Report]) -> None:
        for connection in self._connections.values():
            for number, subscribed in connection.active.items():
                if subscribed == account:
                    self._wrap(connection, number, report(connection.unit))
        for key, owner in self.listen_keys.items():
            if owner == account:
                self.emit_raw(key, report)

    def _wrap(self, connection: Subscriptions, number: int, event: Report) -> None:
        if connection.sbe:
            frame = sbe.event(event, number)
        else:
            frame = _encode({"subscriptionId": number, "event": event})
        self._send(connection.link, SendText(frame, USER_STREAM, binary=connection.sbe))


def _nobody(stream: str, build: Callable[[int], object]) -> None:
    """Where nothing listens to listen keys."""
