"""Filling gaps in trades: the pages to ask for, when they may be, what came of them.

House rules: pure. Ids count by one, so all pages of a gap can be asked for together; they share the
venue's weight limit and leave the larger part of it to books and questions. What cannot come before
a gap is given up is given up at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from pitwire.model import events as ev
from pitwire.model.clock import SECOND
from pitwire.model.errors import PitwireError
from pitwire.model.events import AggregateTrade, Event, Trade
from pitwire.session.backoff import Chance
from pitwire.session.beginnings import AnyTrade
from pitwire.session.books import weight_limit
from pitwire.session.continuity import Gap, TradeChain
from pitwire.session.freshness import Freshness
from pitwire.session.origins import (
    DOUBT_SECONDS,
    PAGE,
    PASSING,
    QUIET_RESERVED_PERCENT,
    QUIET_TRIES,
    RESERVED_PERCENT,
    RETRY_SECONDS,
    Origins,
)
from pitwire.session.pacing import Pacing
from pitwire.session.timed_gaps import TimedGaps
from pitwire.venues.venue import Codec, HttpRequest, Venue

AT_ONCE = 8
"""Requests under way together."""


class _Page(msgspec.Struct):
    """Part of a gap."""

    gap: Gap
    first: int
    last: int
    at: int
    """Not to be asked for before this."""
    tries: int = 0
    open_end: bool = False
    """Whatever there is from `first` on: nobody knows whether anything is missing."""


class Backfill:
    """The chains of a session's trades, and the asking for what is missing in them."""

    def __init__(
        self,
        venue: Venue,
        codec: Codec,
        *,
        pacing: Pacing,
        chance: Chance,
        stir: Callable[[], None],
        enabled: bool = True,
    ) -> None:
        self._codec, self._pacing, self._chance, self._stir = codec, pacing, chance, stir
        self._asks = enabled and venue.can.trades_by_id
        on_gap = self._want if self._asks else None
        channel = venue.channels.get
        self.trades = TradeChain(channel("trades"), on_gap=on_gap, venue=venue.name)
        aggregates = channel("aggregate_trades")
        self.aggregates = TradeChain(aggregates, on_gap=on_gap, venue=venue.name)
        self._chains = {"trades": self.trades, "aggregate_trades": self.aggregates}
        self._held = (*self.trades.held, *self.aggregates.held)
        kinds = (ev.Trade, self.trades), (ev.AggregateTrade, self.aggregates)
        self.chains: dict[type[Event], TradeChain] = {
            kind: chain for kind, chain in kinds if chain.judges
        }
        """The chains of kinds whose ids count by one."""
        self._timed = TimedGaps(channel("trades"), venue.name)
        self._wanting: list[_Page] = []
        self._quiet: dict[tuple[str, str], _Page] = {}
        """Channel and symbol → what may have traded during a loss, or be lost."""
        self._fetching: dict[int, tuple[HttpRequest, _Page]] = {}
        self._confirmed: set[tuple[str, str]] = set()
        """Of which trades come, channel and symbol; an answer about others is not the last word."""
        self._weights: dict[str, int] = {}
        self._limit = weight_limit(venue)
        self._origins = Origins(
            venue, codec, self._chains, pacing=pacing, stir=stir, enabled=self._asks
        )

    def tell_time(self, span: Callable[[int, int], tuple[int, int]]) -> None:
        """From now on this knows the venue's clock (`Skew.span`)."""
        self._timed.span = span
        for chain in self._chains.values():
            chain.beginnings.span = span

    # ── the life of a connection ──

    def begin_again(self) -> None:
        """A new connection, and none beside it."""
        self._confirmed.clear()
        for chain in self._chains.values():
            chain.begin_again()

    def confirmed(self, channel: str, symbol: str, now: int) -> None:
        """Trades of this symbol come again. What traded since the last loss would show by the next
        trade; where the symbol is quiet nobody knows when that is, so it is asked for."""
        chain = self._chains.get(channel)
        if channel == "trades":
            self._timed.confirmed(symbol, now)
        if chain is not None:
            self._confirmed.add((channel, symbol))
            chain.confirmed(symbol, now)
            self._ask_quiet(chain, channel, symbol, now)
            if chain.beginnings.since(symbol) is not None:
                self._origins.ask(channel, symbol, now)

    def interrupted(self, kinds: Iterable[tuple[str, str]]) -> None:
        """Events of these classes and symbols come nowhere at present, though a connection stands;
        once trades are confirmed again, what traded meanwhile is asked for."""
        for kind, symbol in kinds:
            if kind == Trade.__name__:
                self._timed.interrupted(symbol)
            for one, chain in self.chains.items():
                if one.__name__ == kind:
                    self._confirmed.discard((chain.beginnings.channel, symbol))
                    chain.doubt(symbol)
                    chain.beginnings.doubt(symbol)

    def hears(self, event: Event, freshness: Freshness) -> tuple[Event, ...]:
        """Something has come that this connection is going to note; the gap before it, where only
        its time tells of one."""
        if event.symbol in self._timed.fell and isinstance(event, Trade):
            return self._timed.resumes(event)
        chain = self.chains.get(type(event))
        before = None if chain is None else freshness.newest_of(type(event), event.symbol)
        if chain is not None and before is not None and isinstance(event, Trade | AggregateTrade):
            chain.hears(event, before)
        return ()

    def ends(self, freshness: Freshness) -> None:
        """A connection is gone; this is what it has noted."""
        self._timed.ends(freshness)
        for voice in freshness.voices:
            kind = type(voice.newest)
            newest = freshness.newest_of(kind, voice.ask.symbol)
            if kind in self.chains and newest is not None:
                self.chains[kind].ends(newest)

    def doubt(self, symbol: str, now: int) -> None:
        """Trades of this symbol, or of all (""), may be lost on a connection that stands: a frame
        could not be read, a silence is over, a book broke. Where no trade tells soon, we ask."""
        for channel, chain in self._chains.items():
            for one in chain.doubt(symbol):
                if (channel, one) not in self._quiet:
                    self._ask_quiet(chain, channel, one, now + round(DOUBT_SECONDS * SECOND))
            for one in chain.beginnings.doubt(symbol):
                self._origins.ask(channel, one, now)

    def _ask_quiet(self, chain: TradeChain, channel: str, symbol: str, at: int) -> None:
        due = chain.quiet_since(symbol) if self._asks else None
        if due is not None:
            gap = Gap(channel, symbol, due, due + PAGE - 1, at, at)
            self._quiet[channel, symbol] = _Page(gap, due, gap.last, at, open_end=True)
            self._stir()

    def forget(self, channel: str, symbol: str) -> None:
        """This channel of a symbol is wanted anew; what was not sent meanwhile is not missing."""
        chain = self._chains.get(channel)
        if channel == "trades":
            self._timed.forget(symbol)
        if chain is not None:
            self._confirmed.discard((channel, symbol))
            chain.forget(symbol)

    def lost(self, now: int) -> list[Event]:
        """No connection is left to wait with: every gap is named, every trade told."""
        self._wanting.clear()
        self._quiet.clear()
        self._fetching.clear()
        self._origins.lost()
        return [event for chain in self._chains.values() for event in chain.give_up_all(now)]

    # ── asking ──

    def due(self, now: int) -> list[HttpRequest]:
        """The requests that may leave now."""
        if self.is_idle:
            return []
        requests: list[HttpRequest] = []
        for page in [page for page in self._wanting if page.at <= now]:
            if not self._is_missing(page):
                self._wanting.remove(page)
            elif not self._is_on_its_way(page):
                if self._is_full() or self._ready_at(page, now) > now:
                    break
                self._wanting.remove(page)
                requests.append(self._fetch(page, now))
        requests += self._due_quiet(now)
        return requests + self._origins.due(now, AT_ONCE - len(self._fetching) - len(self._origins))

    def next_deadline(self, now: int) -> int | None:
        """When `due` or `overdue` will next have something to say."""
        times = [chain.next_deadline() for chain in self._chains.values()]
        waiting = [page for page in self._wanting if not self._is_on_its_way(page)]
        if waiting and not self._is_full():
            page = min(waiting, key=_at)
            at = max(page.at, self._ready_at(page, now))
            times.append(now if at > page.gap.until else at)
        if self._quiet and not self._is_full():
            times.append(min(self._quiet_at(page, now) for page in self._quiet.values()))
        if not self._is_full():
            times.append(self._origins.next_deadline(now))
        return min((time for time in times if time is not None), default=None)

    def overdue(self, now: int) -> list[Event]:
        """Gaps that were waited for long enough, or that cannot be filled in time."""
        if self.is_idle:
            return []
        told = [event for chain in self._chains.values() for event in chain.overdue(now)]
        for page in list(self._wanting):
            is_late = max(page.at, self._ready_at(page, now)) > page.gap.until
            if is_late and not self._is_on_its_way(page):
                told += self._give_up(page.gap, now)
        self._wanting = [page for page in self._wanting if self._is_missing(page)]
        return told

    # ── answers ──

    def answered(
        self,
        request: HttpRequest,
        trades: Sequence[AnyTrade],
        error: PitwireError | None,
        now: int,
        *,
        until: int = 0,
    ) -> list[Event]:
        """The answer to a request, ours or not. What is still missing is asked for again, unless
        the venue will never tell; not before `until`."""
        look = self._origins.take(request)
        if look is not None:
            channel, symbol = look[0]
            confirmed = (channel, symbol) in self._confirmed
            told = self._origins.answered(
                *look, trades, error, now, until=until, confirmed=confirmed
            )
            chain = self._chains[channel]
            if told and (len(trades) >= PAGE or not confirmed):  # there may be more, or will
                chain.doubt(symbol)
            self._ask_quiet(chain, channel, symbol, now)
            return told
        page = self._take(request)
        if page is None:
            return []  # not ours, or asked for before a loss
        if page.open_end:
            return self._went_on(page, trades, error, now, until=until)
        chain = self._chains[page.gap.channel]
        told = chain.fill((trade for trade in trades if trade.symbol == page.gap.symbol), now)
        if not self._is_missing(page):
            return told
        if error is not None and not isinstance(error, PASSING):
            return told + self._give_up(page.gap, now)
        self._retry(page, now, until=until)
        return told

    def give_back(self, request: HttpRequest, now: int) -> None:
        """A request was not carried after all: its page is to be asked for again."""
        look = self._origins.take(request)
        if look is not None:
            self._origins.give_back(*look, now)
        page = self._take(request)
        if page is not None:
            page.at = now
            if page.open_end:
                self._quiet[page.gap.channel, page.gap.symbol] = page
            else:
                self._wanting.append(page)

    # ── within ──

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits: no trade, and nothing that is to be asked for."""
        if self._wanting or self._quiet or self._origins.waits:
            return False
        for held in self._held:  # noqa: SIM110 - asked at every look
            if held:
                return False
        return True

    def _is_full(self) -> bool:
        return len(self._fetching) + len(self._origins) >= AT_ONCE

    def _went_on(
        self,
        page: _Page,
        trades: Sequence[AnyTrade],
        error: PitwireError | None,
        now: int,
        *,
        until: int,
    ) -> list[Event]:
        """The answer about what a quiet symbol may have traded."""
        channel, symbol = page.gap.channel, page.gap.symbol
        chain = self._chains[channel]
        if error is not None:
            if isinstance(error, PASSING):
                self._ask_again(page, now, until=until)
            return []
        found = [one for one in trades if one.symbol == symbol]
        quiet = chain.quiet_since(symbol) == page.first
        told = chain.go_on(found, page.first, now)
        if quiet and found:
            self._doubt_on(chain, (channel, symbol))
        if len(found) >= PAGE and chain.doubt(symbol):  # there may be more
            self._ask_quiet(chain, channel, symbol, now)
        return told

    def _doubt_on(self, chain: TradeChain, key: tuple[str, str]) -> None:
        """An answer told what a quiet symbol traded, and its connection has not spoken. What was
        asked for again meanwhile, or will be once trades are confirmed, begins where it ended."""
        pages = [*self._quiet.values(), *(page for _, page in self._fetching.values())]
        later = [
            page for page in pages if page.open_end and key == (page.gap.channel, page.gap.symbol)
        ]
        if (later or key not in self._confirmed) and chain.doubt(key[1]):
            due = chain.quiet_since(key[1])
            for page in later:
                page.first = page.first if due is None else due

    def _want(self, gap: Gap) -> None:
        for first in range(gap.first, gap.last + 1, PAGE):
            self._wanting.append(_Page(gap, first, min(gap.last, first + PAGE - 1), gap.since))
        self._stir()

    def _retry(self, page: _Page, now: int, *, until: int = 0) -> None:
        page.tries += 1
        ceiling = RETRY_SECONDS * 2.0 ** min(page.tries - 1, 16)
        delay = self._chance.uniform(ceiling / 2, ceiling)
        page.at = max(now + round(delay * SECOND), until)
        self._wanting.append(page)

    def _due_quiet(self, now: int) -> list[HttpRequest]:
        requests: list[HttpRequest] = []
        for key, page in list(self._quiet.items()):
            channel, symbol = key
            if self._chains[channel].quiet_since(symbol) != page.first:
                del self._quiet[key]  # a trade has come, and tells
            elif not self._is_full() and self._quiet_at(page, now) <= now:
                del self._quiet[key]
                requests.append(self._fetch(page, now))
        return requests

    def _quiet_at(self, page: _Page, now: int) -> int:
        return max(page.at, self._ready_at(page, now, QUIET_RESERVED_PERCENT))

    def _ask_again(self, page: _Page, now: int, *, until: int) -> None:
        page.tries += 1
        if page.tries < QUIET_TRIES:
            page.at = max(now + round(RETRY_SECONDS * 2.0**page.tries * SECOND), until)
            self._quiet[page.gap.channel, page.gap.symbol] = page

    def _give_up(self, gap: Gap, now: int) -> list[Event]:
        self._wanting = [page for page in self._wanting if page.gap is not gap]
        chain, told = self._chains[gap.channel], []
        while chain.is_missing(gap.symbol, gap.first, gap.last):
            told += chain.give_up(gap.symbol, now)
        return told

    def _fetch(self, page: _Page, now: int) -> HttpRequest:
        # A whole page costs no more than a part of it, and may fill gaps that come after.
        request = self._ask(page)(page.gap.symbol, page.first, PAGE)
        self._pacing.spend("weight", now, cost=request.weight)
        self._fetching[id(request)] = (request, page)
        return request

    def _is_on_its_way(self, page: _Page) -> bool:
        """Whether a request that was made for another gap will bring this page too."""
        return any(
            other.gap.symbol == page.gap.symbol
            and other.gap.channel == page.gap.channel
            and other.first <= page.first
            and page.last < other.first + PAGE
            for _, other in self._fetching.values()
        )

    def _is_missing(self, page: _Page) -> bool:
        chain = self._chains[page.gap.channel]
        return chain.is_missing(page.gap.symbol, page.first, page.last)

    def _take(self, request: HttpRequest) -> _Page | None:
        found = self._fetching.pop(id(request), None)
        return None if found is None else found[1]

    def _ask(self, page: _Page) -> Callable[[str, int, int], HttpRequest]:
        aggregates = page.gap.channel == "aggregate_trades"
        return self._codec.ask_aggregates if aggregates else self._codec.ask_trades

    def _ready_at(self, page: _Page, now: int, reserved: int = RESERVED_PERCENT) -> int:
        weight = self._weights.get(page.gap.channel)
        if weight is None:
            weight = self._ask(page)(page.gap.symbol, page.first, PAGE).weight
            self._weights[page.gap.channel] = weight
        reserve = self._limit * reserved // 100
        return self._pacing.ready_at("weight", now, cost=weight + reserve)


def _at(page: _Page) -> int:
    return page.at
