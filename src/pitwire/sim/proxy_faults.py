"""What a proxy on this machine does to real sockets: frozen faults, which a script is made of.

House rules: TCP and WebSocket frames, no venue's spelling; a fault says when and what, and
`sim/proxy.py` carries it out.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec

from pitwire.sim.faults import Count, Seconds, Spoiling, Way

Insertion: TypeAlias = Literal[
    "ping", "pong", "close", "huge-header", "reserved-bit", "unknown-opcode", "lone-continuation",
    "long-ping", "fragmented-ping", "bad-utf8", "split-bad-utf8", "binary-garbage",
]  # fmt: skip
Recoding: TypeAlias = Literal["binary", "fragments", "fragments-and-pings"]


class _OnSockets(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="what"):
    """What all share: from when on, and whom it concerns."""

    at_seconds: Seconds = 0.0
    path: str = "*"
    """Pattern of what was asked for: `*stream*` is the market's, `*ws-api*` the orders'."""


class _Lasting(_OnSockets, frozen=True, kw_only=True):
    for_seconds: Seconds = 0.0
    """How long it lasts; 0: for ever."""
    count: Count = 0
    """How many frames, writes or dials it concerns; 0: all."""


class Reset(_OnSockets, frozen=True, kw_only=True):
    """Every connection that stands is reset (RST)."""


class Fin(_OnSockets, frozen=True, kw_only=True):
    """Every connection that stands ends (FIN) without a close frame."""


class Swallow(_Lasting, frozen=True, kw_only=True):
    """Nothing arrives and nothing is refused, on the connections that stand when it begins.

    What is sent meanwhile arrives when it is over, as TCP has it.
    """

    way: Way = "both"


class Lag(_Lasting, frozen=True, kw_only=True):
    """Everything is later by `seconds`, and by up to `jitter_seconds` more; in order."""

    way: Way = "both"
    seconds: Seconds
    jitter_seconds: Seconds = 0.0


class Narrow(_Lasting, frozen=True, kw_only=True):
    """The line carries so many bytes a second."""

    way: Way = "down"
    bytes_per_second: Annotated[float, msgspec.Meta(gt=0)]


class Split(_Lasting, frozen=True, kw_only=True):
    """Bytes arrive in pieces of `size`, each in a packet of its own."""

    way: Way = "down"
    size: Annotated[int, msgspec.Meta(ge=1)] = 1


class Damage(_Lasting, frozen=True, kw_only=True):
    """A bit of each write is another one: what a checksum would have found."""

    way: Way = "down"
    count: Count = 1


class Spoil(_Lasting, frozen=True, kw_only=True):
    """The payload of frames from the venue is spoiled; the frames themselves are good."""

    how: Spoiling
    count: Count = 1


class Recode(_Lasting, frozen=True, kw_only=True):
    """Text frames come as binary ones, or as fragments of `size` bytes, with pings between."""

    how: Recoding
    size: Annotated[int, msgspec.Meta(ge=1)] = 1


class Insert(_OnSockets, frozen=True, kw_only=True):
    """A frame that the venue never sent comes between two of its own."""

    how: Insertion
    count: Annotated[int, msgspec.Meta(ge=1)] = 1
    per_second: Seconds = 0.0
    """How many a second; 0: all at once."""
    code: Annotated[int, msgspec.Meta(ge=1000, le=4999)] = 1001
    """Of a `close`."""


class Refuse(_OnSockets, frozen=True, kw_only=True):
    """Nobody listens: dials are refused."""

    for_seconds: Annotated[float, msgspec.Meta(gt=0)] = 5.0


class Hang(_Lasting, frozen=True, kw_only=True):
    """Dials are accepted and never answered."""


class Answer(_Lasting, frozen=True, kw_only=True):
    """Requests are answered by the proxy itself, with whatever it is told."""

    status: Annotated[int, msgspec.Meta(ge=100, le=599)] = 200
    reason: str = ""
    headers: dict[str, str] = {}
    body: str = ""


ProxyFault: TypeAlias = (
    Reset
    | Fin
    | Swallow
    | Lag
    | Narrow
    | Split
    | Damage
    | Spoil
    | Recode
    | Insert
    | Refuse
    | Hang
    | Answer
)


def lasts(fault: ProxyFault) -> float:
    """When a fault that has an end is over, in seconds after the proxy's start."""
    if isinstance(fault, Insert):
        return fault.at_seconds + (fault.count / fault.per_second if fault.per_second else 0.0)
    length: float = getattr(fault, "for_seconds", 0.0)
    return fault.at_seconds + length
