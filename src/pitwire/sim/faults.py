"""What goes wrong and when: frozen faults, which a script is made of.

House rules: a fault says when and what, and nothing here carries it out (`sim/plan.py` does, on the
venue's side; `sim/clocks.py`, at the client's clock); labels are the façade's own and are matched
as shell patterns, so nothing here knows a venue's spelling.
"""

from __future__ import annotations

import re
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Annotated, Literal, TypeAlias, get_args

import msgspec

Seconds: TypeAlias = Annotated[float, msgspec.Meta(ge=0)]
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]
Way: TypeAlias = Literal["both", "down", "up"]
"""`down`: from the venue to the client; `up`: from the client to the venue."""
Spoiling: TypeAlias = Literal["truncated", "html", "garbage", "empty", "bad-utf8", "damaged"]


class BaseFault(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="what"):
    """What all faults share.

    A fault may happen from `at_seconds` after the plan's start, and not before `after_frames` of
    the things it concerns (frames, dials, requests) have passed.
    """

    at_seconds: Seconds = 0.0
    after_frames: Count = 0


class _OnLink(BaseFault, frozen=True, kw_only=True):
    link: str = "*"
    """Pattern of link labels."""


class _OnFrames(_OnLink, frozen=True, kw_only=True):
    stream: str = "*"
    """Pattern of stream labels."""
    count: Count = 1
    """How many frames it concerns; 0: all there are in `for_seconds`."""
    for_seconds: Seconds = 0.0
    """How long it may happen; 0: for ever."""


class _OnRequests(BaseFault, frozen=True, kw_only=True):
    kind: str = "*"
    """Pattern of request kinds: place, cancel, replace, amend, query (of which status, open_orders,
    fills and account), snapshot, logon, time, …"""
    count: Count = 1


# ── frames ────────────────────────────────────────────────────────────────────────────────────


class Drop(_OnFrames, frozen=True, kw_only=True):
    """Frames are lost."""


class SkipSequence(_OnFrames, frozen=True, kw_only=True):
    """A book's diffs are not sent although its ids advance."""

    symbol: str
    """Our spelling; the stream's label must contain its letters."""
    stream: str = "*depth*"


class Delay(_OnFrames, frozen=True, kw_only=True):
    """Frames come late; those of one stream stay in order."""

    seconds: Seconds
    jitter_seconds: Seconds = 0.0
    """At most so much later still, drawn anew for each frame."""
    count: Count = 0


class Freeze(_OnFrames, frozen=True, kw_only=True):
    """Nothing comes for a while, and then everything: a packet was lost and is sent again."""

    count: Count = 0
    for_seconds: Annotated[float, msgspec.Meta(gt=0)] = 1.0


class Duplicate(_OnFrames, frozen=True, kw_only=True):
    """Frames are sent twice."""


class Reorder(_OnFrames, frozen=True, kw_only=True):
    """A frame is overtaken by the next of its stream."""


class Malformed(_OnFrames, frozen=True, kw_only=True):
    """Frames arrive spoiled.

    `truncated`, `html`, `garbage`, `empty`, `bad-utf8` (a byte that begins no character), or
    `damaged`: some bytes differ, and what is left is no JSON.
    """

    how: Spoiling = "truncated"

    def __post_init__(self) -> None:
        if self.how not in (ways := get_args(Spoiling)):
            raise ValueError(f"how: found {self.how!r}, expected one of {', '.join(ways)}")


class Rewrite(_OnFrames, frozen=True, kw_only=True):
    """What a regular expression finds in a frame is replaced: a new field, an unknown event, …

    Without `by`, what is found stays as it was when it was found first: time stands still.
    """

    pattern: str
    by: str | None = None

    def __post_init__(self) -> None:
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise ValueError(f"pattern|a regular expression ({error})") from None


class Stall(_OnFrames, frozen=True, kw_only=True):
    """The link goes mute: nothing is sent but pings."""

    count: Count = 0
    for_seconds: Seconds = 30.0


class Throttle(_OnFrames, frozen=True, kw_only=True):
    """The link carries so many frames a second; the rest queue up, and come when it is over."""

    frames_per_second: Annotated[float, msgspec.Meta(gt=0)]
    count: Count = 0
    for_seconds: Seconds = 10.0


class LatePong(_OnLink, frozen=True, kw_only=True):
    """The client's pings are answered late, or never (`seconds` 0)."""

    seconds: Seconds = 0.0
    count: Count = 0
    for_seconds: Seconds = 0.0


# ── links ─────────────────────────────────────────────────────────────────────────────────────


class Cut(_OnLink, frozen=True, kw_only=True):
    """The TCP connection is gone at once, without a goodbye."""


class Flap(_OnLink, frozen=True, kw_only=True):
    """Whatever stands is cut, again and again."""

    times: Annotated[int, msgspec.Meta(ge=1)] = 100
    every_seconds: Annotated[float, msgspec.Meta(gt=0)] = 3.0


class BlackHole(_OnLink, frozen=True, kw_only=True):
    """Nothing arrives and nothing is refused, on the links that stand when it begins.

    When it is over, everything arrives that was sent meanwhile, as TCP has it.
    """

    way: Way = "both"
    for_seconds: Seconds = 0.0
    """How long; 0: for ever."""


class CloseWith(_OnLink, frozen=True, kw_only=True):
    """The venue closes the connection with a code."""

    code: Annotated[int, msgspec.Meta(ge=1000, le=4999)] = 1001
    reason: str = ""


class ServerShutdown(_OnLink, frozen=True, kw_only=True):
    """The venue says that it is about to restart, and after `lead_seconds` closes what stood."""

    lead_seconds: Seconds = 5.0


class RefuseDial(_OnLink, frozen=True, kw_only=True):
    """Connection attempts fail; status 0 means that the port does not answer at all."""

    count: Count = 3
    """How many attempts; 0: all in `for_seconds`."""
    for_seconds: Seconds = 0.0
    status: Annotated[int, msgspec.Meta(ge=0, le=599)] = 503
    retry_after_seconds: Seconds | None = None
    body: str = ""
    content_type: str = "text/plain"


class HangDial(_OnLink, frozen=True, kw_only=True):
    """Connection attempts hang, and fail after `seconds`: a lost packet, a name nobody answers."""

    seconds: Seconds = 5.0
    count: Count = 1
    for_seconds: Seconds = 0.0


# ── requests ──────────────────────────────────────────────────────────────────────────────────


class LateSnapshot(_OnRequests, frozen=True, kw_only=True):
    """A book snapshot is taken now and answered late."""

    kind: str = "snapshot"
    seconds: Seconds


class StaleSnapshot(_OnRequests, frozen=True, kw_only=True):
    """A book snapshot is answered with the book as it was this long ago."""

    kind: str = "snapshot"
    seconds: Seconds = 2.0


class LoseAck(_OnRequests, frozen=True, kw_only=True):
    """A request is carried out and never answered."""

    kind: str = "place"


class DelayAck(_OnRequests, frozen=True, kw_only=True):
    """A request is carried out at once and answered late."""

    kind: str = "place"
    seconds: Seconds


class PartAck(_OnRequests, frozen=True, kw_only=True):
    """Only the first `share` of a list is carried out, and all of it is acknowledged."""

    kind: str = "subscribe"
    share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5


class FillBeforeAck(_OnRequests, frozen=True, kw_only=True):
    """The account's events of a request are sent before its answer."""

    kind: str = "place"


class HttpError(_OnRequests, frozen=True, kw_only=True):
    """A request is not carried out and is answered with a status and a body as they are."""

    status: Annotated[int, msgspec.Meta(ge=100, le=599)] = 503
    body: str = "<html><body>503 Service Temporarily Unavailable</body></html>"
    content_type: str = "text/html"
    retry_after_seconds: Seconds | None = None


class Misreport(_OnRequests, frozen=True, kw_only=True):
    """A request is answered with an error of the venue, and carried out all the same.

    With `done` false it is not carried out, and the answer is the same.
    """

    kind: str = "place"
    code: int = -1007
    text: str = (
        "Timeout waiting for response from backend server. Send status unknown; "
        "execution status unknown."
    )
    status: Annotated[int, msgspec.Meta(ge=400, le=599)] = 500
    done: bool = True
    retry_after_seconds: Seconds | None = None
    """How long the venue wants to be left alone, where it says so."""


class Withhold(_OnRequests, frozen=True, kw_only=True):
    """A list is answered with the first `share` of it, as if that were all."""

    kind: str = "open_orders"
    share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0


class AskBack(_OnRequests, frozen=True, kw_only=True):
    """A broker asks back before it takes an order, one question after the other.

    Each is the id of one that the venue knows (`o163`), or a text that nobody knows.
    """

    kind: str = "place"
    questions: tuple[str, ...] = ("o163",)


# ── sessions at a broker ──────────────────────────────────────────────────────────────────────


class LoseLine(BaseFault, frozen=True, kw_only=True):
    """The broker's own line is lost (1100), and comes back with what was subscribed to (1102) or
    without (1101)."""

    for_seconds: Annotated[float, msgspec.Meta(gt=0)] = 30.0
    data_kept: bool = False
    told: Literal["both", "status", "notice"] = "both"
    """Whether the session's status says so, a notice, or both."""


class FarmNotice(BaseFault, frozen=True, kw_only=True):
    """The broker tells of a data farm by a code, 2103 to 2108; a broken one is well again after
    `for_seconds` (0: never), with what was subscribed to or without."""

    code: Annotated[int, msgspec.Meta(ge=2103, le=2108)] = 2103
    farm: str = "usfarm"
    for_seconds: Seconds = 0.0
    data_kept: bool = True


class LoginElsewhere(BaseFault, frozen=True, kw_only=True):
    """Another login of the same user takes the session, for so long (0: until it is thrown out)."""

    for_seconds: Seconds = 0.0


class DailyReset(BaseFault, frozen=True, kw_only=True):
    """The broker ends the session, and lets none be opened for a while."""

    for_seconds: Annotated[float, msgspec.Meta(gt=0)] = 30.0


class EndLogin(BaseFault, frozen=True, kw_only=True):
    """The login is over; a person logs in again after `for_seconds` (0: nobody does)."""

    for_seconds: Seconds = 0.0


# ── deeds of others ───────────────────────────────────────────────────────────────────────────


class _OnAccount(BaseFault, frozen=True, kw_only=True):
    account: str = "main"


class ByHand(_OnAccount, frozen=True, kw_only=True):
    """Somebody else places an order on the account: far from the market, or at it."""

    symbol: str = "BTC-USDT"
    side: Literal["buy", "sell"] = "buy"
    how: Literal["rest", "take"] = "rest"
    size: Decimal = Decimal("0.01")
    name: str = "by-hand"
    """How its client id begins."""


class ExpireOrders(_OnAccount, frozen=True, kw_only=True):
    """The venue ends open orders of the account by itself, the oldest first."""

    symbol: str = ""
    count: Count = 0
    """How many; 0: all."""


class RevokeKeys(_OnAccount, frozen=True, kw_only=True):
    """The account's keys are valid no more."""


class ChangeRules(BaseFault, frozen=True, kw_only=True):
    """The venue changes its rules of orders in a symbol, and tells only who asks."""

    symbol: str = "BTC-USDT"
    min_notional: Decimal | None = None
    """In quote units; None: as it was."""
    min_size: Decimal | None = None
    """In base units; None: as it was."""
    tick: Decimal | None = None
    """A multiple of the symbol's own, of which prices must be multiples; None: as it was."""
    lot: Decimal | None = None
    """The same for sizes."""


class HaltMarket(BaseFault, frozen=True, kw_only=True):
    """Trading in a symbol is stopped, or with `status` TRADING begun again."""

    symbol: str = "BTC-USDT"
    status: str = "HALT"


# ── clocks ────────────────────────────────────────────────────────────────────────────────────


class ClockSkew(BaseFault, frozen=True, kw_only=True):
    """The venue's clock is ahead (negative: behind) by so much from then on."""

    seconds: float


class ClockStep(BaseFault, frozen=True, kw_only=True):
    """The client's wall clock is moved by so much (negative: back), from then on.

    Whatever counts on from a start goes on as it did; that is what `SystemClock` is made of.
    """

    seconds: float


class ClockDrift(BaseFault, frozen=True, kw_only=True):
    """The client's clock runs fast (negative: slow) by so many millionths."""

    ppm: float
    for_seconds: Seconds = 0.0
    """How long; 0: for ever."""


class Pause(BaseFault, frozen=True, kw_only=True):
    """The client's whole machine stands still while the venue goes on."""

    for_seconds: Annotated[float, msgspec.Meta(gt=0)] = 60.0


FrameFault: TypeAlias = (
    Drop
    | SkipSequence
    | Delay
    | Freeze
    | Duplicate
    | Reorder
    | Malformed
    | Rewrite
    | Stall
    | Throttle
)
LinkFault: TypeAlias = (
    LatePong | Cut | Flap | BlackHole | CloseWith | ServerShutdown | RefuseDial | HangDial
)
RequestFault: TypeAlias = (
    LateSnapshot
    | StaleSnapshot
    | LoseAck
    | DelayAck
    | PartAck
    | FillBeforeAck
    | HttpError
    | Misreport
    | Withhold
    | AskBack
)
SessionFault: TypeAlias = LoseLine | FarmNotice | LoginElsewhere | DailyReset | EndLogin
DeedFault: TypeAlias = ByHand | ExpireOrders | RevokeKeys | HaltMarket | ChangeRules
DEEDS = (ByHand, ExpireOrders, RevokeKeys, HaltMarket, ChangeRules)
ClockFault: TypeAlias = ClockSkew | ClockStep | ClockDrift | Pause
Fault: TypeAlias = FrameFault | LinkFault | RequestFault | SessionFault | DeedFault | ClockFault


def matches(pattern: str, label: str) -> bool:
    """Whether a label is meant by a pattern; case is ignored."""
    return pattern == "*" or fnmatchcase(label.lower(), pattern.lower())


def ending(fault: BaseFault) -> float:
    """When a fault that has an end is over, in seconds after the plan's start."""
    if isinstance(fault, ClockSkew | ClockStep):
        return fault.at_seconds
    lengths = ("for_seconds", "seconds", "lead_seconds", "retry_after_seconds", "jitter_seconds")
    after = sum(max(0.0, getattr(fault, name, None) or 0.0) for name in lengths)
    if isinstance(fault, Flap):
        after = (fault.times - 1) * fault.every_seconds
    return fault.at_seconds + after
