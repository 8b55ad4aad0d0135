"""What stands around every answer of the family over a socket (binance §1.4, §5.1).

House rules: the JSON id says what was asked (a letter and the request's number), so an answer can
be sorted without looking anything up; one that cannot be read is still an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, NamedTuple, TypeVar

import msgspec
from msgspec import Raw, Struct

from pitwire.model.errors import MalformedFrame, OutcomeUnknown, RemoteError
from pitwire.venues.mbx.amounts import nanoseconds
from pitwire.venues.mbx.fields import Code, Count, Time
from pitwire.venues.mbx.refusals import Asked
from pitwire.venues.reading import UNREADABLE, excerpt

T = TypeVar("T")


class Kind(NamedTuple):
    """A kind of request: its name in errors and what its refusal means."""

    name: str
    asked: Asked


STREAM = Kind("streams", Asked.STREAM)
NAMELESS = Kind("request", Asked.QUESTION)
"""What the WS-API could not read well enough to echo its id (§5.6)."""
_KEPT = 4096


class Usage(Struct, gc=False, rename="camel"):
    """How much of one of the venue's limits is used."""

    rate_limit_type: str
    interval: str
    count: Count


class Fault(Struct, gc=False):
    """Why a request was refused."""

    code: Code
    msg: str = ""
    data: Raw = Raw()


class Answer(Struct, rename="camel"):
    """Any answer: WS-API, stream control, an error nested or bare (§1.4)."""

    id: str | int | None = None
    status: Count = 0
    result: Raw = Raw()
    error: Fault | None = None
    rate_limits: tuple[Usage, ...] = ()
    code: Code = 0
    msg: str = ""

    @property
    def fault(self) -> Fault | None:
        """The refusal, wherever it is written; None where the venue agreed."""
        if self.error is None and (self.code or self.status >= 400):
            return Fault(self.code, self.msg)
        return self.error

    @property
    def used_weight(self) -> int:
        """The venue's count of a minute's request weight; -1 where it does not say."""
        for limit in self.rate_limits:
            if limit.rate_limit_type == "REQUEST_WEIGHT" and limit.interval == "MINUTE":
                return limit.count
        return -1


class _Throttle(Struct, gc=False, rename="camel"):
    """`error.data` of a 429 or 418: an instant, unlike the REST header (§5.1)."""

    retry_after: Time = 0


read_answer = msgspec.json.Decoder(Answer).decode
read_fault = msgspec.json.Decoder(Fault).decode
_throttle = msgspec.json.Decoder(_Throttle).decode


def sort(json_id: str | int | None, kinds: Mapping[str, Kind]) -> tuple[int, Kind]:
    """The request's number and its kind, by first letter; -1 where the id is none of ours."""
    if isinstance(json_id, int):
        return (json_id if 0 < json_id < 2**53 else -1), STREAM
    if json_id and json_id[0] in kinds and json_id[1:].isascii() and json_id[1:].isdigit():
        return int(json_id[1:16]), kinds[json_id[0]]
    return -1, STREAM


def blocked_until(fault: Fault) -> int:
    """When the venue says to ask again, ns; 0 when it does not."""
    body = bytes(fault.data)
    if b'"retryAfter"' not in body:
        return 0
    try:
        return nanoseconds(_throttle(body).retry_after)
    except UNREADABLE:
        return 0


def unread(venue: str, name: str, asked: Asked, path: str, frame: bytes) -> RemoteError:
    """What an answer that cannot be read proves of the request: of a command, nothing."""
    if asked is Asked.COMMAND:
        return OutcomeUnknown(venue=venue, text="unreadable answer", request=name)
    return MalformedFrame(
        venue=venue, text="unreadable answer", channel=name, path=path, excerpt=excerpt(frame)
    )


class Notes(Generic[T]):
    """What requests were about, until their answers come; beyond a few thousand the oldest go."""

    def __init__(self, nothing: T) -> None:
        self._nothing = nothing
        self._kept: dict[int, T] = {}

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def has_room(self) -> bool:
        """Whether nothing is forgotten for the next one."""
        return len(self._kept) < _KEPT

    def keep(self, request_id: int, about: T) -> None:
        """Note what a request is about."""
        if len(self._kept) >= _KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[request_id] = about

    def take(self, request_id: int) -> T:
        """What the request was about, which is forgotten with it; `nothing` for one not noted."""
        return self._kept.pop(request_id, self._nothing)
