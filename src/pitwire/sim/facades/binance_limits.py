"""How much may be asked: weights, orders, connections, bans (binance §8).

House rules: windows are fixed and aligned to the wall clock; time comes in as `now`; each scope
(an address, an account) has counters of its own.
"""

from __future__ import annotations

from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.sim.facades.binance_options import BinanceOptions
from pitwire.sim.facades.binance_text import ApiError

_SECONDS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86_400}
_LETTER = {"SECOND": "S", "MINUTE": "M", "HOUR": "H", "DAY": "D"}
_ADVICE = "Please use WebSocket Streams for live updates to avoid"


class Window:
    """One counter over an aligned interval."""

    def __init__(self, kind: str, interval: str, number: int, limit: int) -> None:
        self.kind = kind
        self.interval = interval
        self.number = number
        self.limit = limit
        self._span = number * _SECONDS[interval] * SECOND
        self._slot = -1
        self._count = 0

    def count(self, now: int) -> int:
        self._turn(now)
        return self._count

    def add(self, amount: int, now: int) -> None:
        self._turn(now)
        self._count = max(0, self._count + amount)

    def resets(self, now: int) -> int:
        return (now // self._span + 1) * self._span

    def rule(self) -> dict[str, object]:
        """As exchangeInfo shows it."""
        return {
            "rateLimitType": self.kind,
            "interval": self.interval,
            "intervalNum": self.number,
            "limit": self.limit,
        }

    def state(self, now: int) -> dict[str, object]:
        """As an answer shows it."""
        return {**self.rule(), "count": self.count(now)}

    def suffix(self) -> str:
        return f"{self.number}{_LETTER[self.interval]}"

    def _turn(self, now: int) -> None:
        slot = now // self._span
        if slot != self._slot:
            self._slot, self._count = slot, 0


class AddressLimits:
    """What one address has used, and whether it is banned."""

    def __init__(self, options: BinanceOptions) -> None:
        self._options = options
        self.weight = Window("REQUEST_WEIGHT", "MINUTE", 1, options.weight_per_minute)
        self.raw = Window("RAW_REQUESTS", "MINUTE", 5, options.raw_requests_per_5_minutes)
        self.connections = Window("CONNECTIONS", "MINUTE", 5, options.connections_per_5_minutes)
        self._refusals = Window("REFUSALS", "MINUTE", 1, options.refusals_before_ban)
        self.banned_until = 0
        self._bans = 0

    def banned(self, now: int) -> bool:
        return now < self.banned_until

    def ban(self, until: int) -> None:
        self.banned_until = until

    def charge(self, weight: int, now: int) -> None:
        """Count a request; raises 429, and 418 when the 429s were ignored."""
        if self.banned(now):
            raise self._ban_error(now)
        if self.weight.count(now) + weight > self.weight.limit:
            self._refusals.add(1, now)
            if self._refusals.count(now) > self._refusals.limit:
                raise self._start_ban(now)
            raise self._too_much(now)
        self.weight.add(weight, now)

    def charge_raw(self, now: int) -> None:
        self.raw.add(1, now)
        if self.raw.count(now) > self.raw.limit:
            raise ApiError(-1003, "Too many requests queued.", status=429, data=self._retry(now))

    def connect(self, now: int) -> bool:
        """Count an attempt to connect; False when there were too many."""
        self.connections.add(1, now)
        return self.connections.count(now) <= self.connections.limit

    def _too_much(self, now: int) -> ApiError:
        limit = self._options.weight_per_minute
        text = f"current limit is {limit} request weight per 1 MINUTE. {_ADVICE} polling the API."
        return ApiError(
            -1003, f"Too much request weight used; {text}", status=429, data=self._retry(now)
        )

    def _start_ban(self, now: int) -> ApiError:
        seconds = self._options.first_ban_seconds * 2**self._bans
        self._bans += 1
        self.ban(now + int(min(seconds, self._options.longest_ban_seconds) * SECOND))
        return self._ban_error(now)

    def _ban_error(self, now: int) -> ApiError:
        until = self.banned_until // MILLISECOND
        text = f"Way too much request weight used; IP banned until {until}. {_ADVICE} bans."
        data: dict[str, object] = {"serverTime": now // MILLISECOND, "retryAfter": until}
        return ApiError(-1003, text, status=418, data=data)

    def _retry(self, now: int) -> dict[str, object]:
        return {
            "serverTime": now // MILLISECOND,
            "retryAfter": self.weight.resets(now) // MILLISECOND,
        }


class OrderLimits:
    """Unfilled orders of one account, in two windows."""

    def __init__(self, options: BinanceOptions) -> None:
        self.windows = tuple(Window("ORDERS", *window) for window in options.order_windows())

    def exceeded(self, now: int) -> ApiError | None:
        for window in self.windows:
            if window.count(now) >= window.limit:
                per = f"{window.number} {window.interval}"
                text = f"Too many new orders; current limit is {window.limit} orders per {per}."
                data: dict[str, object] = {
                    "serverTime": now // MILLISECOND,
                    "retryAfter": window.resets(now) // MILLISECOND,
                }
                return ApiError(-1015, text, status=429, data=data)
        return None

    def add(self, amount: int, now: int) -> None:
        """Also negative: an order's first fill gives its place back."""
        for window in self.windows:
            window.add(amount, now)

    def add_each(self, amounts: tuple[int, ...], now: int) -> None:
        """As many of each window, shortest first."""
        for window, amount in zip(self.windows, amounts, strict=True):
            window.add(amount, now)

    def states(self, now: int) -> list[dict[str, object]]:
        return [window.state(now) for window in self.windows]


class Limits:
    """All counters of the venue."""

    def __init__(self, options: BinanceOptions) -> None:
        self._options = options
        self._addresses: dict[str, AddressLimits] = {}
        self._accounts: dict[str, OrderLimits] = {}

    def address(self, address: str) -> AddressLimits:
        if address not in self._addresses:
            self._addresses[address] = AddressLimits(self._options)
        return self._addresses[address]

    def orders(self, account: str) -> OrderLimits:
        if account not in self._accounts:
            self._accounts[account] = OrderLimits(self._options)
        return self._accounts[account]
