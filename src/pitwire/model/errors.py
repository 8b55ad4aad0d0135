"""Every error there is. Facts are fields; the text is made from them.

The branch says who was wrong: we (`LocalError`), the venue (`RemoteError`), the path between
(`WireError`), or our picture of the world (`IntegrityError`). What to do next is in `recovery`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from pitwire.model.clock import to_second

_DIGITS = 30
"""A number longer than this is shown with its power of ten."""


@dataclass(eq=False, kw_only=True)
class PitwireError(Exception):
    """Root of the tree."""

    def __str__(self) -> str:
        facts = (
            f"{name.replace('_', ' ')} {to_second(value) if name == 'until' else value}"
            for name, value in vars(self).items()
            if value not in ("", None) and not (name == "until" and value == 0)
        )
        return f"{_words(type(self).__name__)}: {', '.join(facts)}"


@dataclass(eq=False, kw_only=True)
class LocalError(PitwireError):
    """We were wrong; never retried."""


@dataclass(eq=False, kw_only=True)
class ConfigError(LocalError):
    """A value we were given cannot be used."""

    where: str
    found: object
    expected: str

    def __str__(self) -> str:
        found = repr(self.found)
        if isinstance(self.found, Decimal) and abs(self.found.adjusted()) < _DIGITS:
            found = format(self.found, "f")  # as a person writes it
        return f"{self.where}: found {found}, expected {self.expected}"


@dataclass(eq=False, kw_only=True)
class OffGrid(LocalError):
    """A price or size that the instrument's rules do not allow."""

    field: str
    value: object
    expected: str
    symbol: str = ""

    def __str__(self) -> str:
        return f"{self.symbol} {self.field}: found {self.value}, expected {self.expected}".strip()


@dataclass(eq=False, kw_only=True)
class StateError(LocalError):
    """A verb used in a state that does not allow it."""

    verb: str
    state: str
    expected: str

    def __str__(self) -> str:
        return f"{self.verb}: found the session {self.state}, expected {self.expected}"


@dataclass(eq=False, kw_only=True)
class Refused(LocalError):
    """Risk said no: which limit, the value it saw, what is allowed."""

    limit: str
    value: object
    allowed: object
    rule: str = ""
    symbol: str = ""

    def __str__(self) -> str:
        what = " ".join(word for word in (self.rule, self.symbol) if word)
        return f"refused {what}: {self.limit} is {self.value}, allowed {self.allowed}"


@dataclass(eq=False, kw_only=True)
class JournalFailed(LocalError):
    """The journal could not be written, so nothing more may leave."""

    path: str
    cause: str

    def __str__(self) -> str:
        return f"{self.path}: found {self.cause}, expected a journal that can be written"


@dataclass(eq=False, kw_only=True)
class RemoteError(PitwireError):
    """The venue said no, or spoke nonsense."""

    venue: str
    code: int = 0
    text: str = ""


@dataclass(eq=False, kw_only=True)
class MalformedFrame(RemoteError):
    """A frame or body that is not what the venue's documents promise."""

    channel: str = ""
    path: str = ""
    excerpt: str = ""


@dataclass(eq=False, kw_only=True)
class AuthenticationFailed(RemoteError):
    """The venue did not accept who we say we are."""

    hint: str = ""
    """`clock`, `key`, `signature`, `permission` or `address`."""
    key: str = ""
    """The key that was refused, masked."""

    def __str__(self) -> str:
        expected = _WELCOME.get(self.hint, "")
        return f"{super().__str__()}, expected {expected}" if expected else super().__str__()


_WELCOME = {
    "clock": "a clock within a second of the venue's",
    "key": "a key that this venue has given out",
    "signature": "the secret that belongs to this key",
    "permission": "a key of this venue that may trade, from an address that the key allows",
    "address": "an address that the venue allows",
}
"""Hint → what would have been accepted."""


@dataclass(eq=False, kw_only=True)
class SubscriptionRejected(RemoteError):
    """The venue will not send this channel."""

    channel: str = ""
    symbol: str = ""


@dataclass(eq=False, kw_only=True)
class OrderRejected(RemoteError):
    """The venue refused an order, a cancel or a replacement; it is proven that nothing was done."""

    reason: str = "other"
    """A `RejectReason` value."""
    order_id: str = ""


@dataclass(eq=False, kw_only=True)
class RequestRejected(RemoteError):
    """The venue refused a request that is not an order: a bad parameter, an unknown symbol."""

    request: str = ""


@dataclass(eq=False, kw_only=True)
class OutcomeUnknown(RemoteError):
    """The venue says that it does not know whether it acted."""

    request: str = ""


@dataclass(eq=False, kw_only=True)
class RateLimited(RemoteError):
    """Too many asks. `until` is in ns since the epoch, 0 when the venue names no time."""

    until: int = 0
    limit: str = ""
    banned: bool = False


@dataclass(eq=False, kw_only=True)
class VenueUnavailable(RemoteError):
    """The venue is overloaded, restarting or closed for maintenance."""

    until: int = 0


@dataclass(eq=False, kw_only=True)
class WireError(PitwireError):
    """The path between us and the venue broke."""


UNREACHED = "unreachable"
"""The `DialFailed.kind` of a request for which no connection came about: nothing of it has left."""


@dataclass(eq=False, kw_only=True)
class DialFailed(WireError):
    """No connection came about."""

    address: str
    cause: str
    status: int = 0
    """HTTP status of a refused upgrade, 0 when there was none."""
    retry_after_seconds: float | None = None
    kind: str = ""
    """What failed, as a word of `pitwire.model.recovery.DIALS`; "" for an answer that is HTTP."""
    excerpt: str = ""
    """The first 200 bytes of what was answered instead, on one line."""

    def __str__(self) -> str:
        text = f"dial failed: address {self.address}, cause {self.cause}"
        if self.status and str(self.status) not in self.cause:
            text += f", status {self.status}"
        if self.retry_after_seconds is not None:
            text += f", retry after seconds {self.retry_after_seconds:g}"
        return f"{text}, excerpt {self.excerpt}" if self.excerpt else text


@dataclass(eq=False, kw_only=True)
class ConnectionLost(WireError):
    """An open connection ended."""

    code: int
    """WebSocket close code; 1006 when the socket simply broke."""
    reason: str = ""
    clean: bool = False


@dataclass(eq=False, kw_only=True)
class Stalled(WireError):
    """The connection is open but nothing comes."""

    silent_seconds: float
    what: str = "connection"


@dataclass(eq=False, kw_only=True)
class SlowReader(WireError):
    """The venue hangs up because we do not read as fast as it sends."""

    reason: str = ""


@dataclass(eq=False, kw_only=True)
class IntegrityError(PitwireError):
    """Our picture cannot be trusted."""


@dataclass(eq=False, kw_only=True)
class Gap(IntegrityError):
    """A sequence number is missing."""

    symbol: str
    expected: int
    found: int


@dataclass(eq=False, kw_only=True)
class ChecksumMismatch(IntegrityError):
    """Our book and the venue's disagree."""

    symbol: str
    ours: int
    theirs: int


@dataclass(eq=False, kw_only=True)
class ClockJump(IntegrityError):
    """The wall clock was moved under us."""

    jump_seconds: float


@dataclass(eq=False, kw_only=True)
class Unreconciled(IntegrityError):
    """We and the venue disagree about an order."""

    order_id: str
    ours: str
    theirs: str


@dataclass(eq=False, kw_only=True)
class Unsound(IntegrityError):
    """A file of ours is not what was written."""

    where: str
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.where}: found {self.found}, expected {self.expected}"


def _words(name: str) -> str:
    spaced = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name)
    return spaced.strip()
