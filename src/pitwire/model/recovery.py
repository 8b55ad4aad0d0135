"""What to do next, as a small frozen union, and the tables from error to it.

House rules: pure and total; `docs/reconnection.md` shows these tables, and a test holds it to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import msgspec

from pitwire.model import errors
from pitwire.model.words import Word


class Ignore(msgspec.Struct, frozen=True):
    """Counted, and nothing else."""


class Resync(msgspec.Struct, frozen=True):
    """Fetch this one symbol's book again."""

    symbol: str


class Wait(msgspec.Struct, frozen=True):
    """Send nothing before `until` (ns since the epoch); data goes on."""

    until: int


class Reconnect(msgspec.Struct, frozen=True):
    """Dial again after this long."""

    after_seconds: float


class Halt(msgspec.Struct, frozen=True):
    """Stop for good and say why; only a person starts again."""

    reason: str
    account: bool = False
    """Only the account's connection stops; the market is watched on."""


Recovery: TypeAlias = Ignore | Resync | Wait | Reconnect | Halt


class Remedy(Word):
    """What is done about a connection that ended, or did not come about."""

    RECONNECT = "reconnect"
    """Dial again after the backoff's delay."""
    SLOWLY = "slowly"
    """The same, and not before `SLOW_SECONDS`: it is seldom mended sooner."""
    SILENCE = "silence"
    """No connection of the session dials before the time that is named, or a least time."""
    POLICY = "policy"
    """As `reconnect`; the third within ten minutes halts."""
    HALT = "halt"
    """Only a person can mend it."""


SLOW_SECONDS = 30.0

CLOSES: Mapping[int, Remedy] = {
    1008: Remedy.POLICY,  # RFC 6455 §7.4.1: we broke a rule of theirs
    3000: Remedy.HALT,  # IANA: unauthorized
    3003: Remedy.HALT,  # IANA: forbidden
}
"""Close code → remedy, where the venue's own table has none; any other code: `reconnect`."""

UPGRADES: Mapping[int, Remedy] = {
    401: Remedy.HALT,
    403: Remedy.SILENCE,
    407: Remedy.HALT,
    408: Remedy.RECONNECT,
    418: Remedy.SILENCE,
    425: Remedy.RECONNECT,
    429: Remedy.SILENCE,
    451: Remedy.HALT,
}
"""HTTP status of a refused upgrade → remedy; of the others, 3xx and 4xx are `slowly`."""

DIALS: Mapping[str, Remedy] = {
    "name": Remedy.RECONNECT,
    "unreachable": Remedy.RECONNECT,
    "refused": Remedy.RECONNECT,
    "silent": Remedy.RECONNECT,
    "closed": Remedy.RECONNECT,
    "tls": Remedy.RECONNECT,
    "certificate": Remedy.SLOWLY,  # nothing of ours was sent; a portal goes, a clock is set right
    "not-http": Remedy.SLOWLY,
    "upgrade": Remedy.SLOWLY,
    "address": Remedy.HALT,
}
"""What failed before there was an HTTP status → remedy (see `DialFailed.kind`)."""

SILENCES: Mapping[int, float] = {403: 60.0, 418: 120.0, 429: 60.0}
"""Status → seconds of silence when the venue names no time: a window, or its shortest ban."""
BANS = frozenset((403, 418))
"""Statuses that are about everything from our address: requests are held back too."""


def remedy_for(error: errors.DialFailed) -> Remedy:
    """What the tables say about a connection that did not come about."""
    status = error.status
    if not status or status == 101:
        return DIALS.get(error.kind, Remedy.RECONNECT)
    return UPGRADES.get(status, Remedy.SLOWLY if 300 <= status < 500 else Remedy.RECONNECT)


def silence_seconds(error: errors.DialFailed) -> float:
    """How long nobody of the session may dial because of this; 0 when anybody may."""
    if remedy_for(error) is not Remedy.SILENCE:
        return 0.0
    named = error.retry_after_seconds
    return SILENCES[error.status] if named is None else named


def recovery_for(error: BaseException, *, delay_seconds: float = 0.0) -> Recovery:
    """The recovery of any error: total over our tree, `Halt` for anything unforeseen.

    `delay_seconds` is what the caller's backoff says a reconnect should wait; a time that the
    venue itself names takes precedence.
    """
    match error:
        case errors.DialFailed():
            return _dial_again(error, delay_seconds)
        case errors.ConnectionLost(code=code) if CLOSES.get(code) is Remedy.HALT:
            return Halt(str(error))
        case errors.WireError():
            return Reconnect(delay_seconds)
        case errors.RateLimited(until=until):
            return Wait(until)
        case errors.VenueUnavailable(until=until):
            return Wait(until) if until else Reconnect(delay_seconds)
        case errors.Gap(symbol=symbol) | errors.ChecksumMismatch(symbol=symbol):
            return Resync(symbol)
        case errors.AuthenticationFailed() | errors.LocalError() | errors.Unsound():
            return Halt(str(error))
        case errors.RemoteError() | errors.IntegrityError():
            return Ignore()
        case _:
            return Halt(f"unforeseen {type(error).__name__}: {error}")


def _dial_again(error: errors.DialFailed, delay_seconds: float) -> Recovery:
    remedy = remedy_for(error)
    if remedy is Remedy.HALT:
        return Halt(str(error))
    if error.retry_after_seconds is not None:
        return Reconnect(error.retry_after_seconds)
    least = SLOW_SECONDS if remedy is Remedy.SLOWLY else silence_seconds(error)
    return Reconnect(max(least, delay_seconds))
