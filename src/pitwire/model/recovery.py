"""What to do next, as a small frozen union, and the table from error to it."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from pitwire.model import errors


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


Recovery: TypeAlias = Ignore | Resync | Wait | Reconnect | Halt


def recovery_for(error: BaseException, *, delay_seconds: float = 0.0) -> Recovery:
    """The recovery of any error: total over our tree, `Halt` for anything unforeseen.

    `delay_seconds` is what the caller's backoff says a reconnect should wait; a time that the
    venue itself names takes precedence.
    """
    match error:
        case errors.DialFailed(retry_after_seconds=float(named)):
            return Reconnect(named)
        case errors.DialFailed(status=status) if status in (401, 451):
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
