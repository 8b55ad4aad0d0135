"""What a session says, told from what the table's encoders made, and in which order.

House rules: it stands between a session and its links and changes nothing; a frame is known by its
bytes, which carry the request's id.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import msgspec

from pitwire.model.events import Event
from pitwire.venues.venue import Codec, CodecOptions, HttpRequest, Venue
from pitwire.wire.link import Dial, Fetch, HttpAnswer, Link, Receiver

PRIVATE = frozenset(
    (
        "watch_orders", "place", "test_place", "cancel", "cancel_all", "replace", "amend",
        "order_status", "order_fills", "fills_since", "open_orders", "account",
        "conditional_status", "open_conditional", "cancel_all_conditional",
    )
)  # fmt: skip
"""Encoders of what needs a login."""
ENCODERS = PRIVATE | {"login", "subscribe", "unsubscribe", "server_time"}


class Said(msgspec.Struct, frozen=True):
    """A frame that left, or an HTTP request."""

    at: int
    link: int
    """Counted from 1 in the order of dials; 0 over HTTP."""
    call: str
    """The encoder; "" where none made it; of a request its method and path."""
    args: tuple[Any, ...] = ()


class Heard(msgspec.Struct, frozen=True):
    """An event that a session gave out."""

    at: int
    event: Event


class Dialled(msgspec.Struct, frozen=True):
    """A link that stands."""

    at: int
    link: int
    url: str


class Overheard:
    """Everything said and heard in one session, in order."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self.log: list[Said | Heard | Dialled] = []
        self.marks: dict[str, int] = {}
        """When something was done that is no message."""
        self._made: dict[bytes, tuple[str, tuple[Any, ...]]] = {}
        self._links = 0

    # ── what a session is given ───────────────────────────────────────────────────────────────

    def table(self, venue: Venue) -> Venue:
        """The same table, with codecs that tell what they encode."""

        def codec(options: CodecOptions) -> Codec:
            return cast(Codec, _ToldCodec(venue.codec(options), self._made))

        return msgspec.structs.replace(venue, codec=codec)

    def dial(self, dial: Dial) -> Dial:
        """The same way to links, which tell what is sent."""

        async def told(url: str, receiver: Receiver) -> Link:
            link = await dial(url, receiver)
            self._links += 1
            self.log.append(Dialled(self._now(), self._links, url))
            return _ToldLink(link, self._links, self._sent)

        return told

    def fetch(self, fetch: Fetch) -> Fetch:
        """The same way to answers over HTTP."""

        async def told(
            method: str, url: str, headers: Mapping[str, str], body: bytes
        ) -> HttpAnswer:
            path = "/" + url.partition("://")[2].partition("/")[2]
            call, args = self._made.get(_words(method, path, body), (f"{method} {path}", ()))
            self.log.append(Said(self._now(), 0, call, args))
            return await fetch(method, url, headers, body)

        return told

    def take(self, events: Sequence[Event], _now: int, _drained: bool) -> None:
        """A session's `on_events`."""
        self.log += [Heard(self._now(), event) for event in events]

    def mark(self, what: str) -> None:
        """Note that something is done now."""
        self.marks[what] = self._now()

    # ── what was said ─────────────────────────────────────────────────────────────────────────

    def said(self, *calls: str) -> list[Said]:
        """Frames by their encoders; none named: all."""
        return [
            one for one in self.log if isinstance(one, Said) and (not calls or one.call in calls)
        ]

    def events(self, *kinds: type[Event]) -> list[Event]:
        """Events of these kinds; none named: all."""
        return [
            one.event
            for one in self.log
            if isinstance(one, Heard) and (not kinds or isinstance(one.event, kinds))
        ]

    def links(self) -> list[int]:
        """All that stood, in order."""
        return [one.link for one in self.log if isinstance(one, Dialled)]

    def _sent(self, link: int, frame: bytes) -> None:
        call, args = self._made.get(bytes(frame), ("", ()))
        self.log.append(Said(self._now(), link, call, args))


class _ToldCodec:
    """A codec that notes which bytes came of which call."""

    def __init__(self, codec: Codec, made: dict[bytes, tuple[str, tuple[Any, ...]]]) -> None:
        self._codec, self._made = codec, made
        # All at once: what a codec can do beyond the protocol is seen by what it has.
        for name in dir(codec):
            if not name.startswith("_"):
                getattr(self, name)

    def __getattr__(self, name: str) -> Any:
        """Also what a codec hands on of another, which stands in no list of what it has."""
        found = getattr(self._codec, name)
        setattr(self, name, found := self._told(name, found) if name in ENCODERS else found)
        return found

    def _told(self, name: str, encode: Callable[..., Any]) -> Callable[..., Any]:
        def told(*args: Any, **more: Any) -> Any:
            made = encode(*args, **more)
            key = _key(made)
            if key is not None:
                self._made[key] = (name, args)
            return made

        return told


class _ToldLink:
    """A link that notes what is sent over it."""

    def __init__(self, link: Link, number: int, sent: Callable[[int, bytes], None]) -> None:
        self._link, self._number, self._sent = link, number, sent

    def send(self, frame: bytes) -> None:
        self._sent(self._number, frame)
        self._link.send(frame)

    def ping(self, payload: bytes = b"") -> None:
        self._link.ping(payload)

    def close(self, code: int = 1000, reason: str = "") -> None:
        self._link.close(code, reason)

    def abort(self) -> None:
        self._link.abort()

    def pause_reading(self) -> None:
        getattr(self._link, "pause_reading", _nothing)()

    def resume_reading(self) -> None:
        getattr(self._link, "resume_reading", _nothing)()


def _key(made: bytes | HttpRequest) -> bytes | None:
    if isinstance(made, HttpRequest):
        # One that leaves over HTTP where a venue has no other way; its answers tell who asked.
        path = f"{made.path}?{made.query}" if made.query else made.path
        return _words(made.method, path, made.body) if made.request_id else None
    return bytes(made) if isinstance(made, bytes | bytearray) else None


def _words(method: str, path: str, body: bytes) -> bytes:
    return f"{method} {path} ".encode() + body


def _nothing() -> None:
    """A link that cannot pause."""
