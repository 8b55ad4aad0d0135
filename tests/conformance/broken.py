"""Venues that are broken on purpose, each in one way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

import msgspec

from pitwire.conformance.binance import CANDIDATE
from pitwire.conformance.candidate import Candidate
from pitwire.venues.binance import BINANCE
from pitwire.venues.venue import Codec, CodecOptions, Decoded, Reply, Venue

Way = Callable[..., Any]
change = msgspec.structs.replace


class Twisted:
    """A codec some of whose methods go another way; a way is handed the method it replaces."""

    def __init__(self, codec: Codec, ways: dict[str, Way]) -> None:
        self._codec, self._ways = codec, ways

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._codec, name)
        return partial(self._ways[name], found) if name in self._ways else found


def twisted(venue: Venue = BINANCE, **ways: Way) -> Venue:
    """A table whose codecs are twisted."""

    def codec(options: CodecOptions) -> Codec:
        return cast(Codec, Twisted(venue.codec(options), ways))

    return change(venue, codec=codec)


def with_codec(**ways: Way) -> Candidate:
    """Binance with a twisted codec."""
    return change(CANDIDATE, venue=twisted(**ways))


def with_table(**facts: Any) -> Candidate:
    """Binance with other facts in its table."""
    return change(CANDIDATE, venue=change(BINANCE, **facts))


def decoding(each: Callable[[Any], Any]) -> Candidate:
    """Binance whose decoder makes of each event what `each` says; None leaves it out."""

    def events(found: Sequence[Decoded]) -> list[Any]:
        made = []
        for item in found:
            if isinstance(item, Reply):
                inner = tuple(one for one in map(each, item.events) if one is not None)
                item = change(item, events=inner)
            made.append(each(item))
        return [one for one in made if one is not None]

    def decode(found: Way, frame: bytes, now: int) -> list[Any]:
        return events(found(frame, now))

    def decode_response(found: Way, *args: Any) -> list[Any]:
        return events(found(*args))

    return with_codec(decode=decode, decode_response=decode_response)


def on(kind: type | tuple[type, ...], made: Callable[[Any], Any]) -> Candidate:
    """Binance whose decoder changes events of one kind."""
    return decoding(lambda item: made(item) if isinstance(item, kind) else item)
