"""What a client was told, held against what the venue did.

House rules: the venue's side comes from its exchange's own facts (`sim/truth.py`), never from a
codec; a trade is accounted for when it was delivered or when a gap names it; a book is right, or it
says that it is not to be used.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

from pitwire.market.book import NOTHING, BookSide, OrderBook
from pitwire.model import events as ev
from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.sim.truth import Sizes, Truth
from pitwire.torture.silences import Silences

FLOWS: dict[str, type[ev.Event]] = {"ticker": ev.Quote, "trades": ev.Trade, "book": ev.BookDelta}
"""Channel → what keeps coming on it."""
_QUIET = (
    ev.Trade, ev.AggregateTrade, ev.Quote, ev.Ticker, ev.AveragePrice, ev.MarkPrice, ev.Funding,
    ev.Liquidation, ev.BookSnapshot,
    ev.BookDelta, ev.BookAudited, ev.PartialBook, ev.Bar, ev.Update, ev.Fill, ev.Balance,
    ev.Position, ev.OpenOrders, ev.Opened, ev.Authenticated, ev.Subscribed, ev.Unsubscribed,
    ev.FeedFresh, ev.ClockOffset,
)  # fmt: skip
"""Kinds that say nothing of a fault."""
_TROUBLE = (ev.FeedStale, ev.BookStale, ev.Lost)
"""Kinds after which something must be heard again before all is well."""
GRACE_SECONDS = 3.0
"""What happened so shortly ago may still be on its way."""
MOST_TOLD = 5
_LOOKS = 3
AUDITED_SECONDS = 75.0
"""By then each live book has been held against a fresh snapshot, and what is behind is told."""
_AUDITED = round(AUDITED_SECONDS * SECOND)
_CHANNELS = {kind: channel for channel, kind in FLOWS.items()}
AGAIN_SECONDS = 1.0
"""A book whose id stands still is compared again this often: nothing may change it meanwhile."""
Wanted = tuple[str, str]
"""Channel, symbol."""


class Witness:
    """Takes in every event of a session as it is delivered."""

    def __init__(
        self,
        truth: Truth,
        wanted: Sequence[Wanted],
        *,
        now: Callable[[], int],
        untold_seconds: float = 60.0,
        copies: int = 1,
    ) -> None:
        self._truth, self._wanted, self._now = truth, tuple(wanted), now
        self._kinds = {FLOWS[channel] for channel, _ in wanted}
        self._begun = now()
        self.book: Callable[[str], OrderBook] | None = None
        """Where the client's books are, once there is a client."""
        self.seen: Counter[str] = Counter()
        self.notices: list[tuple[int, str]] = []
        """(when, what) for everything that says that something is wrong."""
        self.troubles: list[tuple[int, str]] = []
        self._own_troubles: dict[str, int] = {}
        """Symbol → when something was last told that says so of its book."""
        self.flows: dict[tuple[type, str], list[tuple[int, int]]] = {}
        """(kind, symbol) → when it came, and when the venue did what it tells of."""
        self.delivered: dict[str, set[int]] = {}
        self.named: dict[str, set[int]] = {}
        self.confirmed: dict[str, int] = {}
        """Symbol → when its trades were first confirmed: from then on they are owed."""
        self.gaps = 0
        self.doubled: list[str] = []
        self.wrong: list[str] = []
        self.compared = 0
        self._compared_at: dict[str, tuple[int, int]] = {}
        """Symbol → the id at which its book was compared last, and when."""
        self.untold: list[str] = []
        """Books that were long behind while nothing said so."""
        self.behind: dict[str, int] = {}
        self._patience = round(untold_seconds * SECOND)
        self._last: dict[str, int] = {}
        self._asked: dict[Wanted, int] = {}
        """When each was confirmed last."""
        self._fetched: dict[str, int] = {}
        """Symbol → when a snapshot of its book came last."""
        self._stamps: dict[str, int] = {}
        """Symbol → when we received its newest event, as that says itself."""
        self._rests = False
        self._ready: set[str] = set()
        self._tops: dict[str, list[tuple[int, tuple[int, int, int, int]]]] = {}
        """Symbol → when the best of its book was seen to be another, and what it was."""
        self._silences = Silences(
            self._wanted,
            said_since=self._said_since,
            complain=lambda at, text: self._complain(self.untold, at, text),
            copies=copies,
        )

    def take(self, events: Sequence[ev.Event], _now: int, _drained: bool) -> None:
        """A frame's events."""
        if self._rests:
            return
        now = self._now()  # the right time: the client's own clock may be a part of the fault
        for event in events:
            kind = type(event)
            self.seen[kind.__name__] += 1
            if event.received < self._stamps.get(event.symbol, 0):
                self._complain(self.wrong, now, f"a stamp of {event.symbol} went back: {event}")
            self._stamps[event.symbol] = event.received
            if kind in self._kinds:
                flow = self.flows.setdefault((kind, event.symbol), [])
                flow.append((now, self._happened(event, now)))
                if not getattr(event, "backfilled", False):  # fetched: its stream said nothing
                    self._silences.hear((_CHANNELS[kind], event.symbol), now)
            match event:
                case ev.Trade():
                    self._trade(event, now)
                case ev.TradeGap():
                    self._gap(event)
                case ev.BookSnapshot():
                    self._fetched[event.symbol] = now
                case ev.Subscribed(channel=channel):
                    self._asked[channel, event.symbol] = now
                    self._silences.confirmed((channel, event.symbol), now)
                    if channel == "trades":
                        self.confirmed.setdefault(event.symbol, now)
            self._silences.tell(event, now)
            if not isinstance(event, _QUIET):
                self._notice(event, now)
        for symbol in {one.symbol for one in events if isinstance(one, _BOOKS)}:
            self.compare(symbol, now)

    def rest(self) -> None:
        """What comes now is the goodbye; the books as they stand are what counts."""
        self._ready = {symbol for _, symbol in self._wanted if self._is_ready(symbol)}
        self._rests = True
        for symbol in self._ready:
            self.compare(symbol, self._now())

    def compare(self, symbol: str, now: int) -> None:
        """Hold a book against the venue's at the same id."""
        book = self.book(symbol) if self.book is not None else None
        if book is None or not book.ready:
            return
        sides = self._truth.books[symbol].at(book.last_id)
        self.compared += 1
        self._compared_at[symbol] = book.last_id, now
        if sides is None:
            self._complain(self.wrong, now, f"{symbol} stands at {book.last_id}, which never was")
            return
        for name, ours, theirs in (("bids", book.bids, sides[0]), ("asks", book.asks, sides[1])):
            wrong = differences(ours, theirs)
            if wrong:
                self._complain(self.wrong, now, f"{symbol} {name} at {book.last_id}: {wrong}")

    def look(self, now: int) -> None:
        """Between events: what is long behind the venue must not be called good."""
        for symbol in {symbol for channel, symbol in self._wanted if channel == "book"}:
            if self._is_due(symbol, now):
                self.compare(symbol, now)
            if self._is_behind(symbol, now):
                self.behind[symbol] = self.behind.get(symbol, 0) + 1
                if self.behind[symbol] == _LOOKS:  # one look may be before what has just come
                    self._complain(self.untold, now, f"{symbol} is long behind, and called good")
            else:
                self.behind.pop(symbol, None)
        self._note_tops(now)
        self._silences.look(now)

    def _is_due(self, symbol: str, now: int) -> bool:
        """Whether a book has moved since it was compared, or stood for a while."""
        last_id, at = self._compared_at.get(symbol, (-1, 0))
        moved = self.book is not None and self.book(symbol).last_id != last_id
        return moved or now - at >= AGAIN_SECONDS * SECOND

    def _is_behind(self, symbol: str, now: int) -> bool:
        if not self._is_ready(symbol) or self.book is None:
            return False
        since = self._truth.books[symbol].outdated_since(self.book(symbol).last_id)
        if since is None or now - since < self._patience:
            return False
        # It is told by its own rhythm, and where that is slow or not known by the look at a fresh
        # snapshot, once a minute.
        wait = self._silences.wait(("book", symbol))
        if now - since < (_AUDITED if wait is None else min(wait, _AUDITED)):
            return False
        return self._own_troubles.get(symbol, -1) < since

    # ── questions ─────────────────────────────────────────────────────────────────────────────

    def first_notice(self, since: int) -> tuple[int, str] | None:
        """The first event from then on that says that something is wrong."""
        return next((notice for notice in self.notices if notice[0] >= since), None)

    def back_since(self, over: int) -> int | None:
        """When everything wanted has flowed again after the fault and the last trouble.

        What a fault held up comes when it is over, and proves no more than that. A market's own
        silence is nobody's delay: who says the first thing that happened, and soon, stood before.
        """
        troubles = [at for at, _ in self.troubles]
        after, new = max([over, *troubles[-1:]]), over - round(GRACE_SECONDS * SECOND)
        found = []
        for channel, symbol in self._wanted:
            flow = self.flows.get((FLOWS[channel], symbol), ())
            first = next((at for at, happened in flow if at > after and happened > new), None)
            if first is None and self._is_silent(channel, symbol, after):
                continue  # the venue had nothing to say
            if first is None or (channel == "book" and not self._is_ready(symbol)):
                return None
            found.append(self._stood(channel, symbol, after, first))
        return max(found, default=after)

    def lost(self, until: int) -> dict[str, list[int]]:
        """Symbol → trades that happened before `until` and were neither delivered nor named."""
        found = {}
        for symbol in {symbol for channel, symbol in self._wanted if channel == "trades"}:
            had = self.delivered.get(symbol, set())
            known = had | self.named.get(symbol, set())
            owed = self.confirmed.get(symbol)
            first = min(had, default=0 if owed is None else math.inf)
            missing = [
                trade_id
                for trade_id, at in self._truth.times[symbol].items()
                if at < until
                and trade_id not in known
                and (trade_id >= first or (owed is not None and at >= owed))
            ]
            if missing:
                found[symbol] = missing
        return found

    # ── within ────────────────────────────────────────────────────────────────────────────────

    def _happened(self, event: ev.Event, now: int) -> int:
        """When the venue did what this event tells of; now, where nothing says."""
        at: int | None = None
        if isinstance(event, ev.Trade):
            at = self._truth.times[event.symbol].get(event.trade_id)
        elif isinstance(event, ev.BookDelta):
            at = self._truth.books[event.symbol].moved_at(event.last_id)
        return now if at is None else at

    def _is_silent(self, channel: str, symbol: str, after: int) -> bool:
        """Whether nothing must have come since then: nothing traded, or the book has not moved
        since it was fetched on a connection that is newer."""
        if channel == "trades":
            return not self._has_traded(symbol, after)
        asked = self._asked.get((channel, symbol), -1)
        if asked < after or not self._is_ready(symbol):
            return False
        if self._now() - asked < 2 * round(GRACE_SECONDS * SECOND):
            return False  # an acknowledgement is no proof: it may move, and what it says be late
        assert self.book is not None, "it is ready"
        since = self._truth.books[symbol].outdated_since(self.book(symbol).last_id)
        return since is None or self._now() - since < round(GRACE_SECONDS * SECOND)

    def _stood(self, channel: str, symbol: str, after: int, first: int) -> int:
        """From when on a stream stood that spoke first then: from its confirmation, if the venue
        had nothing to say until shortly before; a book not before its snapshot had come."""
        stood = self._asked.get((channel, symbol), -1)
        if channel == "book" and stood > after:
            fetched = self._fetched.get(symbol, -1)
            stood = -1 if fetched <= after else max(stood, fetched)
        if not after < stood <= first:
            return first
        if channel == "trades":
            times = self._truth.times[symbol].values()
            said = min((at for at in times if at >= stood), default=None)
        else:
            said = self._truth.books[symbol].moved_from(stood)
        is_prompt = said is not None and first - said < round(GRACE_SECONDS * SECOND)
        return stood if is_prompt else first

    def _has_traded(self, symbol: str, since: int) -> bool:
        """Whether anything traded at the venue from then on that must have come by now."""
        until = self._now() - round(GRACE_SECONDS * SECOND)
        return any(since <= at < until for at in self._truth.times[symbol].values())

    def _is_ready(self, symbol: str) -> bool:
        if self._rests:
            return symbol in self._ready
        return self.book is not None and self.book(symbol).ready

    def _notice(self, event: ev.Event, now: int) -> None:
        what = type(event).__name__
        self.notices.append((now, what))
        covered = isinstance(event, ev.Lost) and event.covered
        if isinstance(event, _TROUBLE) and not covered:
            detail = getattr(event, "reason", "") or getattr(event, "channel", "")
            self.troubles.append((now, f"{what} {event.symbol} {detail}".replace("  ", " ")))
            self._own_trouble(event, now)

    def _own_trouble(self, event: ev.Event, now: int) -> None:
        """A book is excused by what is told of it, and by no other symbol's trouble."""
        if isinstance(event, ev.Lost):
            self._own_troubles.update((symbol, now) for _, symbol in self._wanted)
        elif isinstance(event, ev.BookStale) or getattr(event, "channel", "") == "book":
            self._own_troubles[event.symbol] = now

    def _note_tops(self, now: int) -> None:
        exchange = self._truth.world.exchange
        for channel, symbol in self._wanted:
            if channel == "ticker":
                tops, top = self._tops.setdefault(symbol, []), exchange.top(symbol)
                if not tops or tops[-1][1] != top:
                    tops.append((now, top))

    def _said_since(self, wanted: Wanted, since: int) -> int | None:
        """When the venue first said something of this after `since` that did not come."""
        channel, symbol = wanted
        if channel == "trades":
            known = self.delivered.get(symbol, set()) | self.named.get(symbol, set())
            found = None
            for trade_id, at in reversed(self._truth.times[symbol].items()):
                if at <= since:
                    break
                found = found if trade_id in known else at
            return found
        if channel == "ticker":
            return next((at for at, _ in self._tops.get(symbol, [])[1:] if at > since), None)
        if not self._is_ready(symbol) or self.book is None:
            return None  # it says so
        return self._truth.books[symbol].outdated_since(self.book(symbol).last_id)

    def _trade(self, trade: ev.Trade, now: int) -> None:
        symbol, found = trade.symbol, trade.trade_id
        had = self.delivered.setdefault(symbol, set())
        if found in had:
            self._complain(self.doubled, now, f"{symbol} trade {found} came twice")
        elif found <= self._last.get(symbol, -1):
            text = f"{symbol} trade {found} came after {self._last[symbol]}"
            self._complain(self.doubled, now, text)
        had.add(found)
        self._last[symbol] = max(found, self._last.get(symbol, found))
        price, size, side = trade.price, trade.size, trade.side
        if not self._truth.is_same(symbol, found, price=price, size=size, side=side):
            self._complain(self.wrong, now, f"{symbol} trade {found} is not the venue's")

    def _gap(self, gap: ev.TradeGap) -> None:
        self.gaps += 1
        named = self.named.setdefault(gap.symbol, set())
        if gap.since:
            begin, end = gap.since // MILLISECOND, gap.venue_time // MILLISECOND
            trades = self._truth.trades[gap.symbol].items()
            named.update(one for one, trade in trades if begin <= trade.at // MILLISECOND <= end)
            return
        named.update(range(gap.first_missing, gap.last_missing + 1))
        self._last[gap.symbol] = max(gap.last_missing, self._last.get(gap.symbol, 0))

    def _complain(self, where: list[str], now: int, text: str) -> None:
        if len(where) < 1000:
            where.append(f"at {(now - self._begun) / SECOND:+.3f} s: {text}")


_BOOKS = (ev.BookSnapshot, ev.BookDelta)


def differences(ours: BookSide, theirs: Sizes) -> str:
    """Where a side differs from the truth; levels beyond its known region may be missing."""
    held = ours.levels_to(NOTHING)
    if held == theirs:
        return ""
    known = theirs
    if ours.edge > NOTHING:
        sign = 1.0 if ours.edge > 0 else -1.0
        known = {price: size for price, size in theirs.items() if sign * price >= ours.edge}
        known |= {price: theirs[price] for price in held if price in theirs}
    wrong = [price for price in held.keys() | known.keys() if held.get(price) != known.get(price)]
    if not wrong:
        return ""
    first = min(wrong)
    return f"{len(wrong)} levels differ, such as {first}: {held.get(first)} for {known.get(first)}"
