"""What a card is, what comes of it, and what it has at hand.

House rules: a card finds the first thing that is wrong, or says how much it looked at; one that
looked at nothing has not passed; it may be skipped only by what the venue's table denies.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable
from functools import cached_property
from typing import Any, TypeAlias, TypeVar

import msgspec

from pitwire.conformance.candidate import Candidate, Staging
from pitwire.conformance.golden import Golden
from pitwire.model.entropy import Chance, Entropy
from pitwire.model.errors import ConfigError
from pitwire.sim.faults import Fault
from pitwire.sim.world import World
from pitwire.venues.venue import Codec, CodecOptions, Role, Venue

T = TypeVar("T")


class Found(msgspec.Struct, frozen=True):
    """What a card saw."""

    looked: int
    what: str
    """What was counted: frames, orders, codes."""
    wrong: str = ""
    """The first counter-example; "" when there is none."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a card."""

    card: str
    title: str
    verdict: str
    """`passed`, `failed` or `skipped`."""
    detail: str
    """How much was looked at; the first counter-example; or what the table denies."""
    seconds: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether something is wrong."""
        return self.verdict == "failed"


class Exam:
    """One examination of one candidate."""

    def __init__(self, candidate: Candidate, *, seed: int = 1) -> None:
        self.candidate, self.seed = candidate, seed
        self._lived: dict[Hashable, Any] = {}

    @property
    def venue(self) -> Venue:
        """The table."""
        return self.candidate.venue

    @cached_property
    def golden(self) -> Golden:
        """The golden folder."""
        return Golden(self.candidate.golden)

    def chance(self, name: str) -> Chance:
        """A card's own stream."""
        return Entropy(self.seed).stream(f"examination/{name}")

    def codec(self, role: Role, *, time_unit: str = "ms") -> Codec:
        """A fresh codec, which knows the golden listing where symbols have to be listed first."""
        codec = self.venue.codec(CodecOptions(role=role, time_unit=time_unit))
        listing = self.golden.listing if self.venue.listed_first else None
        if listing is not None:
            codec.learn(codec.decode_instruments(json.dumps(listing.body).encode()))
        return codec

    def world(
        self,
        *,
        faults: tuple[Fault, ...] = (),
        scenario: str | None = "calm",
        latency: str = "same-city",
        symbols: tuple[str, ...] = (),
    ) -> World:
        """A world to meet the venue in; raises `ConfigError` where none was brought."""
        if self.candidate.world is None:
            expected = f"a Candidate for {self.venue.name} that makes one"
            raise ConfigError(where="world", found="no simulated venue", expected=expected)
        staging = Staging(
            seed=self.seed,
            symbols=symbols or self.candidate.symbols,
            scenario=scenario,
            faults=faults,
            latency=latency,
        )
        return self.candidate.world(staging)

    def once(self, key: Hashable, live: Callable[[], T]) -> T:
        """What several cards look at is lived once; what failed then fails for each of them."""
        if key not in self._lived:
            try:
                self._lived[key] = live()
            except Exception as error:
                self._lived[key] = error
                raise
        lived: T | Exception = self._lived[key]
        if isinstance(lived, Exception):
            raise lived
        return lived


Run: TypeAlias = Callable[[Exam], Found]
Denied: TypeAlias = Callable[[Venue], str]
"""What of the table makes a card empty; "" for nothing."""


def always(_venue: Venue) -> str:
    """Never skipped."""
    return ""


def trades(venue: Venue) -> str:
    """Skipped where the venue is for looking only."""
    return "" if venue.can.orders else "can.orders is False"


class Card(msgspec.Struct, frozen=True):
    """One question of the examination."""

    id: str
    title: str
    demand: str
    run: Run
    denied: Denied = always

    @property
    def family(self) -> str:
        """Its letter."""
        return self.id[0]


def wrong(looked: int, what: str, example: str) -> Found:
    """A card that failed."""
    return Found(looked, what, example)
