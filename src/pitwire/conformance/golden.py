"""A golden folder: frames and bytes from a venue's papers, and what they mean.

| File | A line, or the object, holds |
|---|---|
| `market.jsonl` | a frame of a market connection and its events |
| `user_data.jsonl`, `answers.jsonl` | a frame of an orders connection and its events |
| `asks.jsonl` | a call of the codec and the bytes, or the HTTP request, that it must make |
| `signatures.jsonl` | a key, its secret, a payload and its signature |
| `listing.json` | the body of a listing, how many symbols it has and which are for viewing alone |
| `papers.json` | logins, documented error codes and close codes |

House rules: every line names its source; what a codec must have done before is written as calls.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from pitwire.model.credentials import Credentials
from pitwire.model.errors import ConfigError
from pitwire.model.orders import AmendOrder, CancelOrder, Order, ReplaceOrder
from pitwire.model.packed import unpacked
from pitwire.venues.venue import (
    Ask,
    Buffer,
    Codec,
    Decoded,
    Doubted,
    Ended,
    Further,
    HttpRequest,
    Reply,
    Role,
)

NOW = 1_700_000_000_000_000_000
"""When golden frames are read, ns."""
T = TypeVar("T")
_FILES = {
    "market.jsonl": Role.MARKET,
    "user_data.jsonl": Role.ORDERS,
    "answers.jsonl": Role.ORDERS,
}
"""File → the connection that its frames come on."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A call of one of the codec's encoders."""

    call: str
    args: dict[str, Any] = {}
    request_id: int = 1
    now: int = NOW
    login: str = ""
    """Under which login of the papers; "" for none."""


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """A frame and what it decodes to; `hex` holds the bytes of one that is no text."""

    name: str
    source: str
    frame: str = ""
    hex: str = ""
    stream: str = ""
    """The name under which a combined connection would wrap it."""
    events: list[dict[str, Any]]
    before: list[Call] = []
    """What was asked for before it came."""
    asked: Call | None = None
    """The request that it answers over REST; the frame is the body then."""
    status: int = 200
    """HTTP status of such an answer."""
    role: Role | None = None
    """Which connection it comes on; by the file's name where it is left out."""

    @property
    def payload(self) -> bytes:
        """The bytes."""
        return bytes.fromhex(self.hex) if self.hex else self.frame.encode()


class Sent(Call, frozen=True, kw_only=True):
    """A call and what it must make."""

    name: str
    source: str
    bytes: str
    """The frame; an HTTP request as `GET /path?query`, with its body behind a space."""
    before: list[Call] = []
    """What was asked for before."""


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """A signature of the papers."""

    name: str
    source: str
    key: str
    secret: str
    payload: str
    signature: str


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """Published credentials, and the venue's yes to a login with request id 1.

    Where a login goes over REST, `answers` are the bodies, in order, that it gets there first.
    """

    key: str
    secret: str
    answer: str
    answers: list[Any] = []


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """A listing as the venue writes it."""

    source: str
    body: Any
    symbols: int
    view_only: list[str] = []
    """Symbols, our spelling, whose numbers have too many digits."""


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """A documented error code, what the venue says with it, and which error of ours it is."""

    code: int
    text: str = ""
    status: int = 400
    means: list[str] = []
    """Classes that it may be; none: any of a `RemoteError`."""


class Papers(msgspec.Struct, frozen=True, kw_only=True):
    """What the papers say that is no frame."""

    source: str
    logins: dict[str, Login] = {}
    refusal: str = ""
    """An answer to request 2 that refuses an order, with `%STATUS`, `%CODE` and `%TEXT` in it; its
    body, where orders go over HTTP."""
    refused: Call | None = None
    """The call that it answers."""
    codes: list[Code] = []
    closes: dict[str, str] = {}
    """Documented close code → `reconnect`, `policy` or `halt`."""


class Golden:
    """One folder, read when it is asked for; raises `ConfigError` for a line that it cannot use."""

    def __init__(self, folder: Path | None) -> None:
        if folder is not None and not folder.is_dir():
            raise ConfigError(where="golden", found=str(folder), expected="a folder")
        self._folder = folder

    @cached_property
    def frames(self) -> list[Frame]:
        """All golden frames."""
        found = []
        for name, role in _FILES.items():
            for row in self._lines(name, Frame):
                found.append(row if row.role else msgspec.structs.replace(row, role=role))
        return found

    @cached_property
    def sent(self) -> list[Sent]:
        """All that must leave byte for byte."""
        return list(self._lines("asks.jsonl", Sent))

    @cached_property
    def signatures(self) -> list[Signature]:
        """The signatures of the papers."""
        return list(self._lines("signatures.jsonl", Signature))

    @cached_property
    def papers(self) -> Papers:
        """Logins and codes; empty where there are none."""
        return self._whole("papers.json", Papers) or Papers(source="")

    @cached_property
    def listing(self) -> Listing | None:
        """The venue's listing."""
        return self._whole("listing.json", Listing)

    def prepare(self, codec: Codec, calls: Sequence[Call]) -> None:
        """Bring a codec to where these calls leave it."""
        for call in calls:
            if call.login:
                self.log_in(codec, call.login, call.now)
            make(codec, call)

    def log_in(self, codec: Codec, name: str, now: int) -> None:
        """Log a codec in with credentials of the papers."""
        login = self.papers.logins.get(name)
        if login is None:
            expected = f"one of {', '.join(self.papers.logins) or 'none'} in papers.json"
            raise ConfigError(where="login", found=name, expected=expected)
        made: Any = codec.login(Credentials(login.key, login.secret), now, 1)
        for body in login.answers:
            told = codec.decode_response(made, 200, {}, json.dumps(body).encode(), now)
            made = next((one.outgoing for one in told if isinstance(one, Further)), made)
        codec.decode(login.answer.encode(), now)

    def read(self, codec: Codec, row: Frame, payload: Buffer | None = None) -> Sequence[Decoded]:
        """What a codec makes of a row, from where its calls have left it."""
        self.prepare(codec, row.before)
        body = row.payload if payload is None else payload
        if row.asked is None:
            return codec.decode(body, NOW)
        if row.asked.login:
            self.log_in(codec, row.asked.login, row.asked.now)
        request = called(codec, row.asked)
        if not isinstance(request, HttpRequest):
            where = f"golden frame {row.name}"
            raise ConfigError(where=where, found="a frame", expected="a request over REST")
        return codec.decode_response(request, row.status, {}, bytes(body), NOW)

    def _lines(self, name: str, kind: type[T]) -> Iterator[T]:
        path = None if self._folder is None else self._folder / name
        if path is None or not path.is_file():
            return
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            yield _read(f"{path}:{number}", line, kind)

    def _whole(self, name: str, kind: type[T]) -> T | None:
        path = None if self._folder is None else self._folder / name
        if path is None or not path.is_file():
            return None
        return _read(str(path), path.read_text("utf-8"), kind)


def _read(where: str, text: str, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.MsgspecError as error:
        raise ConfigError(where=where, found=str(error), expected=f"a {kind.__name__}") from None


def make(codec: Codec, call: Call) -> str:
    """What a codec makes of a call, as text: of a request method, path, query and body."""
    made = called(codec, call)
    if isinstance(made, bytes):
        return made.decode()
    query = f"?{made.query}" if made.query else ""
    body = f" {made.body.decode()}" if made.body else ""
    return f"{made.method} {made.path}{query}{body}"


def called(codec: Codec, call: Call) -> bytes | HttpRequest:
    """What a codec makes of a call."""
    args, now, rid = dict(call.args), call.now, call.request_id
    made: bytes | HttpRequest
    if call.call in ("subscribe", "unsubscribe"):
        asks = msgspec.convert(args["asks"], list[Ask])
        made = getattr(codec, call.call)(asks, rid)
    elif call.call.startswith("ask_"):
        made = getattr(codec, call.call)(**args)
    else:
        for name, kind in _COMMANDS.items():
            if call.call in kind[0]:
                args[name] = msgspec.convert(args[name], kind[1][kind[0].index(call.call)])
        if call.call == "login":
            args["credentials"] = Credentials(**args["credentials"])
        made = getattr(codec, call.call)(**args, now=now, request_id=rid)
    return made


_COMMANDS: dict[str, tuple[tuple[str, ...], tuple[type, ...]]] = {
    "order": (("place", "test_place"), (Order, Order)),
    "command": (("cancel", "replace", "amend"), (CancelOrder, ReplaceOrder, AmendOrder)),
}
"""Argument → calls that have it, and the type that each takes."""


def written(decoded: Decoded, *, excerpts: bool = False) -> dict[str, Any]:
    """An event or a reply as golden files write it: NaN is null, what a reply lacks is left out."""
    if isinstance(decoded, Further | Ended | Doubted):
        return _wanted(decoded)
    if not isinstance(decoded, Reply):
        row: dict[str, Any] = json.loads(msgspec.json.encode(decoded, enc_hook=unpacked))
        return row if excerpts else {k: v for k, v in row.items() if k != "excerpt"}
    row = {"kind": "Reply", "request_id": decoded.request_id}
    if decoded.error is not None:
        facts = {k: v for k, v in vars(decoded.error).items() if v not in ("", 0, False)}
        facts.pop("venue", None)
        row["error"] = {"class": type(decoded.error).__name__, **facts}
    if decoded.used_weight != -1:
        row["used_weight"] = decoded.used_weight
    if decoded.server_time:
        row["server_time"] = decoded.server_time
    if decoded.private_key:
        row["private_key"] = decoded.private_key
    if decoded.events:
        row["events"] = [written(event) for event in decoded.events]
    return row


def _wanted(item: Further | Ended | Doubted) -> dict[str, Any]:
    """What the venue wants of the connection."""
    if isinstance(item, Doubted):
        return {"kind": "Doubted"}
    if isinstance(item, Ended):
        return {"kind": "Ended", "error": str(item.error)}
    row: dict[str, Any] = {"kind": "Further", "request_id": item.request_id}
    if isinstance(item.outgoing, bytes):
        return {**row, "frame": item.outgoing.decode()}
    asked = item.outgoing
    facts = {"method": asked.method, "path": asked.path, "query": asked.query}
    facts["body"] = asked.body.decode()
    return {**row, **{name: value for name, value in facts.items() if value}}


def expected(row: Frame) -> list[dict[str, Any]]:
    """What a golden frame must give, without excerpts."""
    return [{k: v for k, v in event.items() if k != "excerpt"} for event in row.events]
