"""One order book: two ladders of levels, and how far down each is known.

House rules: the book trusts its caller for order and completeness (`BookSync` is that caller) and
for sane numbers (prices and sizes finite, no size below zero: decoders see to that). Prices are
keys as they came from the wire; none is ever computed. No clock, no ids judged here. What shows
that a book is wrong is returned to whoever changes it: a best bid at the best ask, a checksum.

**What a partial snapshot does not say.** A snapshot of the best N levels knows nothing beyond its
worst price. Each side therefore keeps an *edge*: at the edge and better, every level is known and
an absent price has size zero; beyond it, only levels that a delta has named since are held. Three
consequences, and the reads follow them:

* every level held exists at the venue with that size (a new snapshot replaces everything, a delta
  names sizes absolutely, removals are always sent), so no ghost can survive;
* beyond the edge there may be levels we do not hold: depth and liquidity there are at least what
  is shown, cost at most; `known_depth`, `knows` and `Walk.exact` say where that begins;
* while the best ask stands at a price, no bid can rest there or above, so the bids' edge follows
  the lowest best ask ever seen since the snapshot (and the asks' edge the highest best bid). A
  market that walks out of its snapshot is learnt again as it goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import msgspec

from pitwire.market.checksum import Checksum
from pitwire.market.ladder import NOTHING as NOTHING
from pitwire.market.ladder import Fastest, Ladder
from pitwire.model.events import BookDelta, BookSnapshot, Event, Level, Levels, PartialBook
from pitwire.model.orders import Side

CROSSED, CHECKSUM = "crossed", "checksum"
"""What may be wrong in a book."""
_SOME = 16
"""Levels that are read in one go at first by whoever wants them one after another."""


class Walk(msgspec.Struct, frozen=True, gc=False):
    """What taking some size from one side would cost.

    `filled` is less than was asked when the side ran out. `exact` is False when levels beyond the
    known region were used or wanted: the venue may then fill more, and cheaper, never dearer.
    """

    filled: float
    average: float
    worst: float
    exact: bool


class BookSide:
    """One half of a book: a ladder, and how far down it is known. A *key* is a price with the
    side's sign: the higher, the better.
    """

    __slots__ = ("_ladder", "_sign", "change", "edge")

    def __init__(self, sign: float, ladder: type[Ladder] = Fastest) -> None:
        self._sign = sign
        self._ladder = ladder(sign)
        self.change = self._ladder.change
        """Set these levels to their new sizes."""
        self.replace((), 0)

    def replace(self, levels: Levels, depth: int) -> None:
        """Start over from a snapshot side that was cut after `depth` levels (0: not cut)."""
        self._ladder.fill(levels)
        cut = 0 < depth <= len(levels)
        self.edge = min(self._sign * price for price, _ in levels) if cut else NOTHING

    def __reduce__(self) -> tuple[Callable[..., BookSide], tuple[object, ...]]:
        # What a ladder is made of is no business of whoever gets the copy.
        return _copied_side, (self._sign, tuple(self), self.edge)

    def keep(self, levels: int) -> None:
        """Forget what is beyond the best so many."""
        ladder = self._ladder
        if len(ladder) <= levels:
            return
        kept = ladder.levels(0, levels)
        ladder.fill(kept)
        self.edge = max(self.edge, self._sign * kept[-1][0])

    @property
    def top(self) -> float:
        """The best key, or `NOTHING`."""
        return self._ladder.top

    @property
    def best(self) -> Level | None:
        """The best level held; None when there is none."""
        top = self._ladder.top
        if top == NOTHING:
            return None
        price = self._sign * top
        return price, self._ladder.size(price)

    def __len__(self) -> int:
        return len(self._ladder)

    def __iter__(self) -> Iterator[Level]:
        """Levels held, best first."""
        held, at, count = self._ladder.levels, 0, _SOME
        while True:
            some = held(at, count)
            yield from some
            if len(some) < count:
                return
            # A ladder may find its way to `at` from the best on: reading as much as was read so far
            # keeps that in proportion.
            at = count = at + count

    def size_at(self, price: float) -> float | None:
        """Size resting at `price`, 0.0 when it is known that none is, None when it is not known."""
        size = self._ladder.size(price)
        return size if size or self._sign * price >= self.edge else None

    def knows(self, price: float) -> bool:
        """Whether every level from the best down to this price is known."""
        return self._sign * price >= self.edge

    @property
    def known_depth(self) -> int:
        """How many of the best levels are certain to have no unknown level among them."""
        return sum(1 for _ in self._known())

    def knows_best(self, levels: int) -> bool:
        """Whether the best `levels` levels, or all there are, have no unknown one among them."""
        if self.edge == NOTHING or not levels:
            return True
        held = self._ladder.levels(levels - 1, 1)  # the last of them
        return bool(held) and self._sign * held[0][0] >= self.edge

    def _known(self) -> Iterator[Level]:
        for level in self:
            if self._sign * level[0] < self.edge:
                return
            yield level

    def levels_to(self, edge: float) -> dict[float, float]:
        """Sizes by price, best first, as far as this key."""
        held = self._ladder.levels()
        if edge == NOTHING:
            return dict(held)
        return {price: size for price, size in held if self._sign * price >= edge}

    def walk(self, size: float) -> Walk | None:
        """Take `size` from the best level on; None when the side is empty."""
        if not size > 0:
            raise ValueError(f"size: found {size}, expected more than 0")
        left, paid, worst = size, 0.0, None
        for price, there in self:
            taken = min(there, left)
            paid += taken * price
            left -= taken
            worst = price
            if left <= 0:
                break
        if worst is None:
            return None
        exact = self.edge == NOTHING or (left <= 0 and self.knows(worst))
        filled = size - left
        return Walk(filled=filled, average=paid / filled, worst=worst, exact=exact)


def _copied_side(sign: float, levels: Levels, edge: float) -> BookSide:
    side = BookSide(sign)
    side.replace(levels, 0)
    side.edge = edge
    return side


class OrderBook:
    """The book of one symbol at one venue. `whole` is False until a snapshot and after `clear`.

    A book that is not whole is empty, and deltas leave it so; one that is whole is `ready` unless
    it is marked `stale`. `received` and `venue_time` are the stamps of what was applied last. With
    a `checksum`, a delta that carries one is held against it.
    """

    __slots__ = ("_checksum", "_cut", "_depth", "asks", "bids", "last_id", "ready", "received",
                 "stale", "symbol", "venue", "venue_time", "whole")  # fmt: skip

    def __init__(
        self,
        venue: str,
        symbol: str,
        checksum: Checksum | None = None,
        *,
        ladder: type[Ladder] = Fastest,
    ) -> None:
        self.venue = venue
        self.symbol = symbol
        self._checksum = checksum
        self.stale = ""
        """Why it may be behind the venue though nothing in it is wrong; "" where it is not."""
        self.bids = BookSide(1.0, ladder)
        self.asks = BookSide(-1.0, ladder)
        self.clear()

    def clear(self) -> None:
        """Forget everything, until the next snapshot."""
        self.bids.replace((), 0)
        self.asks.replace((), 0)
        self.whole = self.ready = False
        self.last_id = 0
        self.venue_time = 0
        self.received = 0
        self._cut = False
        self._depth = 0

    def mark(self, why: str) -> None:
        """Not to be used for this reason, whatever is told of it, or again to be used ("")."""
        self.stale = why
        self.ready = self.whole and not why

    def apply_snapshot(self, snapshot: BookSnapshot | PartialBook) -> str:
        """Replace the whole book; nothing of the one before survives. Returns what is wrong in it.

        That is `CROSSED`, `CHECKSUM`, or "" for a book that may be used; it is for the caller to
        see to it that another is not.
        """
        self.bids.replace(snapshot.bids, snapshot.depth)
        self.asks.replace(snapshot.asks, snapshot.depth)
        self._cut = self.bids.edge > NOTHING or self.asks.edge > NOTHING
        self._depth = snapshot.depth
        self.whole, self.ready = True, not self.stale
        self.last_id = snapshot.last_id
        self.venue_time = snapshot.venue_time
        self.received = snapshot.received
        return self._look()

    def apply(self, delta: BookDelta) -> str:
        """Set the levels of the next delta; its place in the sequence is not checked here.

        Returns what is wrong in the book then, as `apply_snapshot` does.
        """
        if not self.whole:
            return ""
        if delta.bids:
            self.bids.change(delta.bids)
        if delta.asks:
            self.asks.change(delta.asks)
        self.last_id = delta.last_id
        self.venue_time = delta.venue_time
        self.received = delta.received
        if self._checksum is not None:
            return self._look() or self._sum(delta.checksum, self._checksum)
        return self._look()

    def _look(self) -> str:
        """See whether the book is crossed, and learn from its tops if it is not.

        No bid rests at the best ask or above it, no ask at the best bid or below it.
        """
        bids, asks = self.bids, self.asks
        bid, ask = bids._ladder.top, -asks._ladder.top
        if bid >= ask:
            return CROSSED
        if self._cut:
            if ask < bids.edge:
                bids.edge = ask
            if -bid < asks.edge:
                asks.edge = -bid
        return ""

    def _sum(self, theirs: int, checksum: Checksum) -> str:
        # A venue that sums up its book tells no deletion of what falls out of it (kraken, book).
        if self._depth:
            self.bids.keep(self._depth)
            self.asks.keep(self._depth)
        return "" if theirs < 0 or checksum.of(self) == theirs else CHECKSUM

    @property
    def best_bid(self) -> Level | None:
        """The best bid held, (price, size); None when there is none."""
        return self.bids.best

    @property
    def best_ask(self) -> Level | None:
        """The best ask held, (price, size); None when there is none."""
        return self.asks.best

    @property
    def mid(self) -> float | None:
        """Halfway between best bid and best ask; None unless there are both."""
        bid, ask = self.bids.top, -self.asks.top
        return (bid + ask) / 2 if bid > NOTHING and ask < -NOTHING else None

    @property
    def spread(self) -> float | None:
        """Best ask minus best bid; None unless there are both."""
        bid, ask = self.bids.top, -self.asks.top
        return ask - bid if bid > NOTHING and ask < -NOTHING else None

    @property
    def crossed(self) -> bool:
        """Whether the best bid is at or above the best ask: such a book is not to be trusted."""
        return self.bids.top >= -self.asks.top

    def depth(self, levels: int) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        """The best `levels` bids and asks held, best first. `known_depth` says how far complete."""
        if levels < 1:
            raise ValueError(f"levels: found {levels}, expected 1 or more")
        return tuple(islice(self.bids, levels)), tuple(islice(self.asks, levels))

    @property
    def known_depth(self) -> tuple[int, int]:
        """How many of the best bids, and asks, are certain to have no unknown level among them."""
        return self.bids.known_depth, self.asks.known_depth

    def knows(self, levels: int) -> bool:
        """Whether the best `levels` of both sides are complete; False asks for a new snapshot."""
        return self.bids.knows_best(levels) and self.asks.knows_best(levels)

    def walk(self, side: Side, size: float) -> Walk | None:
        """What an order of this side and size would pay if it took at once; None if it cannot."""
        return (self.asks if side is Side.BUY else self.bids).walk(size)

    def size_at(self, side: Side, price: float) -> float | None:
        """Size resting at `price` among the bids (`BUY`) or asks; None when it is not known."""
        return (self.bids if side is Side.BUY else self.asks).size_at(price)

    def imbalance(self, levels: int) -> float | None:
        """Bid size minus ask size over their sum, in the best `levels`.

        None for an empty book, and where one of those levels is not known.
        """
        if not self.knows(levels):
            return None
        bids, asks = self.depth(levels)
        bid, ask = sum(size for _, size in bids), sum(size for _, size in asks)
        return (bid - ask) / (bid + ask) if bid + ask else None

    def __len__(self) -> int:
        """Levels held, both sides together."""
        return len(self.bids) + len(self.asks)

    def __bool__(self) -> bool:
        return True  # a book is there however empty it is; ask `ready`


def book_of(story: Iterable[Event]) -> OrderBook:
    """The book that a snapshot and the deltas after it make."""
    story = list(story)
    book = OrderBook(story[0].venue, story[0].symbol)
    for event in story:
        if isinstance(event, BookSnapshot):
            book.apply_snapshot(event)
        elif isinstance(event, BookDelta):
            book.apply(event)
    return book


def merged(snapshot: BookSnapshot, deltas: Iterable[Event]) -> BookSnapshot | None:
    """One snapshot for a snapshot and the deltas after it: as much of it as is known.

    None where a side was cut and nothing is left of it: no snapshot can say that.
    """
    book = book_of((snapshot, *deltas))
    bids, asks = (tuple(side.levels_to(side.edge).items()) for side in (book.bids, book.asks))
    cut = [
        len(levels)
        for side, levels in ((book.bids, bids), (book.asks, asks))
        if side.edge > NOTHING
    ]
    if 0 in cut:
        return None
    return msgspec.structs.replace(
        snapshot,
        venue_time=book.venue_time,
        last_id=book.last_id,
        bids=bids,
        asks=asks,
        # A side that is cut says so by having as many levels as the depth.
        depth=min(cut, default=0),
    )


def difference(ours: OrderBook, truth: OrderBook) -> str:
    """The best level in which two books of the same id differ, where both are known; "" if none."""
    for name, one, other in (("bids", ours.bids, truth.bids), ("asks", ours.asks, truth.asks)):
        edge = max(one.edge, other.edge)
        found = _first_difference(one.levels_to(edge), other.levels_to(edge))
        if found is not None:
            (price, size), held = found
            return f"{name} at {price!r}: {held!r} here, {size!r} at the venue"
    return ""


def _first_difference(
    ours: dict[float, float], truth: dict[float, float]
) -> tuple[Level, float] | None:
    if ours == truth:
        return None
    price = next(price for price in (*truth, *ours) if ours.get(price) != truth.get(price))
    return (price, truth.get(price, 0.0)), ours.get(price, 0.0)
