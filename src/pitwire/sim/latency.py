"""How long things take on their way to the venue and back.

House rules: a model is a frozen value, its draws come from a named stream of the seed; what travels
on one path never overtakes what left before it, because a socket does not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from random import Random  # noqa: TID251 - only the type: chance is handed in
from typing import TypeAlias

import msgspec

from pitwire.model.clock import MILLISECOND
from pitwire.model.entropy import Entropy


class Constant(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Always the same."""

    milliseconds: float = 0.0


class Uniform(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Anything between two bounds, all equally likely."""

    least_milliseconds: float
    most_milliseconds: float


class LogNormal(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Mostly near the median, now and then far above it, as networks are.

    `spread` is the ratio between the 84th percentile and the median; `least_milliseconds` is the
    way light takes, added to every draw.
    """

    median_milliseconds: float
    spread: float = 1.5
    least_milliseconds: float = 0.0


Model: TypeAlias = Constant | Uniform | LogNormal


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """The three ways there are: orders in, answers out, market data out."""

    entry: Model = Constant()
    answer: Model = Constant()
    market: Model = Constant()


INSTANT = Latency()

LATENCIES: dict[str, Latency] = {
    "none": INSTANT,
    "colocated": Latency(
        entry=LogNormal(median_milliseconds=0.15, least_milliseconds=0.05),
        answer=LogNormal(median_milliseconds=0.15, least_milliseconds=0.05),
        market=LogNormal(median_milliseconds=0.1, least_milliseconds=0.05),
    ),
    "same-city": Latency(
        entry=LogNormal(median_milliseconds=1.0, least_milliseconds=1.0),
        answer=LogNormal(median_milliseconds=1.0, least_milliseconds=1.0),
        market=LogNormal(median_milliseconds=0.7, least_milliseconds=1.0),
    ),
    "overseas": Latency(
        entry=LogNormal(median_milliseconds=20, spread=1.4, least_milliseconds=80),
        answer=LogNormal(median_milliseconds=20, spread=1.4, least_milliseconds=80),
        market=LogNormal(median_milliseconds=15, spread=1.4, least_milliseconds=80),
    ),
    "mobile": Latency(
        entry=LogNormal(median_milliseconds=60, spread=2.5, least_milliseconds=30),
        answer=LogNormal(median_milliseconds=60, spread=2.5, least_milliseconds=30),
        market=LogNormal(median_milliseconds=60, spread=2.5, least_milliseconds=30),
    ),
}
"""Latencies by name."""


_AHEAD = 256
"""How many draws a path makes at once in the end."""


class Path:
    """One way of one connection: hands out arrival times that never run backwards."""

    def __init__(self, model: Model, *, entropy: Entropy, name: str) -> None:
        _demand_sense(model)
        self._draw = _drawing(model, entropy.stream(f"latency {name}"))
        self._last = 0
        self._drawn: list[int] = []
        """What was drawn and not used yet, in ns, the next one last."""
        self._ahead = 1

    def arrival(self, now: int) -> int:
        """When what leaves now gets there, in ns since the epoch."""
        at = now + (self._drawn.pop() if self._drawn else self._draw_more())
        if at < self._last:
            return self._last
        self._last = at
        return at

    def _draw_more(self) -> int:
        """The next draw; several are made at once where there were many."""
        draw = self._draw
        drawn = [round(draw() * MILLISECOND) for _ in range(self._ahead)]
        drawn.reverse()
        self._ahead = min(2 * self._ahead, _AHEAD)
        self._drawn = drawn
        return drawn.pop()


def _drawing(model: Model, chance: Random) -> Callable[[], float]:
    """What draws one duration after the other, ms."""
    match model:
        case Constant(milliseconds=milliseconds):
            return lambda: milliseconds
        case Uniform(least_milliseconds=least, most_milliseconds=most):
            return partial(chance.uniform, least, most)
        case LogNormal():
            return _normal_logs(chance, model).__next__


def _normal_logs(chance: Random, model: LogNormal) -> Iterator[float]:
    """The draws of a model, by the normal ones of `chance.gauss(0, 1)`, which take thrice as long
    there."""
    random, cos, sin, log, sqrt = chance.random, math.cos, math.sin, math.log, math.sqrt
    exp, sigma, tau = math.exp, math.log(model.spread), math.tau
    least, median = model.least_milliseconds, model.median_milliseconds
    while True:
        angle = random() * tau
        radius = sqrt(-2.0 * log(1.0 - random()))
        yield least + median * exp(cos(angle) * radius * sigma)
        yield least + median * exp(sin(angle) * radius * sigma)


def _demand_sense(model: Model) -> None:
    match model:
        case Constant(milliseconds=least) | Uniform(least_milliseconds=least) if least < 0:
            raise ValueError(f"latency: found {least} ms, expected zero or more")
        case Uniform(least_milliseconds=least, most_milliseconds=most) if most < least:
            raise ValueError(f"most_milliseconds: found {most}, expected {least} or more")
        case LogNormal(median_milliseconds=median, spread=spread) if median <= 0 or spread < 1:
            raise ValueError(
                f"latency: found median {median} ms and spread {spread}, "
                "expected a median above zero and a spread of one or more"
            )
        case _:
            pass
