"""What an answer of the venue says beside its matter: its count, its wish for quiet, our clock.

House rules: pure. The venue's own count counts where it is higher than ours; a wish for quiet is
obeyed by all connections of the session.
"""

from __future__ import annotations

from pitwire.model import errors
from pitwire.model.clock import SECOND
from pitwire.model.events import Event, Rejected
from pitwire.model.recovery import (
    BANS,
    CLOSES,
    Reconnect,
    Recovery,
    recovery_for,
    silence_seconds,
)
from pitwire.session.backoff import Backoff
from pitwire.session.errands import AGAIN_SECONDS
from pitwire.session.pacing import Pacing
from pitwire.venues.venue import Reply, Venue

_UNNAMED = -1.0


def obey(reply: Reply, pacing: Pacing, now: int) -> int:
    """Take over the venue's own count and its wish for quiet; returns until when."""
    if reply.used_weight >= 0:
        pacing.report("weight", reply.used_weight, now)
    match reply.error:
        case errors.RateLimited(until=until, limit=limit, banned=banned):
            quiet = max(until, now + round(AGAIN_SECONDS * SECOND))
            # A ban, and a limit the venue does not name, hold everything back.
            scope = limit if limit in ("orders", "dials") and not banned else "weight"
            pacing.block(scope, quiet)
            if banned:
                pacing.block("dials", quiet)
            return quiet
        case errors.VenueUnavailable(until=until):
            return until
        case _:
            return 0


def hush(error: errors.DialFailed, pacing: Pacing, now: int) -> None:
    """A refused upgrade may ask all connections of the session to be still for a while."""
    until = now + round(silence_seconds(error) * SECOND)
    if until > now:
        pacing.block("dials", until)
        if error.status in BANS:
            pacing.block("weight", until)


def recovered(
    error: BaseException,
    backoff: Backoff,
    now: int,
    *,
    venue: Venue,
    pacing: Pacing,
) -> Recovery:
    """The session's own answer to an error: the table of recoveries, the venue's close codes, the
    delay."""
    if isinstance(error, errors.ConnectionLost):
        remedy = venue.close_codes.get(error.code) or CLOSES.get(error.code)
        if (halt := backoff.halt(error, remedy, now)) is not None:
            return halt
    recovery = recovery_for(error, delay_seconds=_UNNAMED)
    if isinstance(error, errors.DialFailed) and error.status in venue.awaited:
        recovery = Reconnect(venue.awaited[error.status])
    if not isinstance(recovery, Reconnect):
        return recovery
    # A time that the venue names is a least time; our own delay, or a silence, may be longer.
    silent = (pacing.blocked_until("dials") - now) / SECOND
    return Reconnect(max(recovery.after_seconds, backoff.delay_seconds(now), silent))


def blames_clock(reply: Reply) -> bool:
    """Whether the venue refused because of our clock."""
    match reply.error:
        case errors.AuthenticationFailed(hint="clock") | errors.OrderRejected(reason="clock"):
            return True
        case _:
            return False


KEY = "key"
"""What a refusal of the key itself is told under."""
SESSION = "session"
"""What is told under this is about a session at the venue that is not ours for now; it comes back
by itself, and nobody takes it back."""
ACCOUNT = "account line"
"""What the end of the account's connection is told under: it is not dialled again."""


def refuses_key(reply: Reply) -> bool:
    """Whether the venue refused whoever asked and not what was asked: final until a person acts."""
    error = reply.error
    return isinstance(error, errors.AuthenticationFailed) and error.hint != "clock"


def key_refused(reply: Reply, link: str, now: int) -> list[Event]:
    """What there is to tell of the key, beside what the answer says of the request."""
    error = reply.error
    if error is None or not refuses_key(reply):
        return []
    return [Rejected(error.venue, "", 0, now, link, KEY, error.code, error.text or str(error))]


def account_over(venue: str, link: str, reason: str, error: BaseException, now: int) -> Event:
    """The account's connection ended and is not dialled again, and why."""
    code = error.code if isinstance(error, errors.RemoteError | errors.ConnectionLost) else 0
    return Rejected(venue, "", 0, now, link, ACCOUNT, code, reason)
