"""Several tapes as one: what their markets said, by its stamps.

House rules: no frame is changed; of the same nanosecond an earlier tape speaks first; what was said
to the venue, and what it said to us alone, is left out, as these were conversations of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from heapq import merge
from itertools import chain, islice
from operator import itemgetter

import msgspec

from pitwire.model.errors import ConfigError
from pitwire.tape.format import Exchange, Kind, Meta, Parts, encode_exchange
from pitwire.tape.reader import Flaw, Tape

ORIGIN = "merged"
"""Of whose tape: like an import, it holds what came, and no yes to an ask."""
_LOT = 1024


class MergedTape(Tape):
    """Tapes of one venue. Raises `ConfigError` where two cannot be one.

    `answers` says whether a frame of the market is an answer to an ask; `listing` is what the venue
    lists of all their symbols, where that is known.
    """

    def __init__(
        self,
        tapes: Sequence[Tape],
        answers: Callable[[bytes], bool],
        listing: Exchange | None = None,
    ) -> None:
        self.path, self._listing = tapes[0].path, listing
        self._tapes, self._answers = tuple(tapes), answers
        _demand_one(self._tapes)
        self.meta = _meta_of(self._tapes)

    @property
    def flaws(self) -> tuple[Flaw, ...]:
        """What the last reading could not use."""
        return tuple(chain.from_iterable(tape.flaws for tape in self._tapes))

    def blocks(
        self, since: int = 0, until: int | None = None, only: Kind | None = None
    ) -> Iterator[list[Parts]]:
        """Frames of the market and answers to requests, in lots."""
        first = self.meta.started
        if self._listing is not None and since <= first and only in (None, Kind.HTTP):
            yield [(first, Kind.HTTP, "", False, encode_exchange(self._listing))]
        parts = [self._heard(tape.blocks(since, until, only)) for tape in self._tapes]
        merged = merge(*parts, key=itemgetter(0))
        while lot := list(islice(merged, _LOT)):
            yield lot

    def span(self) -> tuple[int, int]:
        """The stamps of the first and the last record, ns."""
        spans = [tape.span() for tape in self._tapes]
        return min(first for first, _ in spans), max(last for _, last in spans)

    def _heard(self, blocks: Iterator[list[Parts]]) -> Iterator[Parts]:
        for parts in chain.from_iterable(blocks):
            _, kind, link, _, payload = parts
            is_market = kind is Kind.IN and link.startswith("market")
            if kind is Kind.HTTP or (is_market and not self._answers(payload)):
                yield parts


def _meta_of(tapes: Sequence[Tape]) -> Meta:
    metas = [tape.meta for tape in tapes]
    return msgspec.structs.replace(
        metas[0],
        started=min(meta.started for meta in metas),
        origin=ORIGIN,
        symbols=tuple(dict.fromkeys(chain.from_iterable(meta.symbols for meta in metas))),
        channels=tuple(dict.fromkeys(chain.from_iterable(meta.channels for meta in metas))),
        redundancy=1,
        roll_at="",
        prefix="",
        epoch=0,
        config="",
    )


def _demand_one(tapes: Sequence[Tape]) -> None:
    first = tapes[0].meta
    for number, tape in enumerate(tapes):
        meta, path = tape.meta, str(tape.path)
        for name in ("venue", "time_unit"):
            found, expected = getattr(meta, name), getattr(first, name)
            if found != expected:
                raise ConfigError(
                    where=path, found=f"{name} {found}", expected=f"{expected} as of the others"
                )
        begin, end = tape.span()
        for other in tapes[:number]:
            both = [symbol for symbol in meta.symbols if symbol in other.meta.symbols]
            first_at, last_at = other.span()
            if both and begin <= last_at and first_at <= end:
                raise ConfigError(
                    where=path,
                    found=f"{both[0]}, which {other.path} has at the same time",
                    expected="a symbol in one tape at a time",
                )
