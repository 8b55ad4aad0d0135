"""What belongs to a set of asks and to no connection: books, trade ids, what has been told.

House rules: pure. A feed is carried by one connection or by several copies. With one, an event
passes through untouched. With several, the first to bring an event wins and the others are late;
what one copy skips and another may still bring is waited for; a copy that is lost breaks nothing
that another carries on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from pitwire.market.sequence import Verdict
from pitwire.market.sync import BookSync
from pitwire.model.clock import SECOND
from pitwire.model.errors import PitwireError
from pitwire.model.events import AggregateTrade, BookDelta, BookSnapshot, Event, Quote, Trade
from pitwire.session.audit import Audit
from pitwire.session.backfill import Backfill
from pitwire.session.backoff import Chance
from pitwire.session.beginnings import PATIENCE, AnyTrade, trade_number
from pitwire.session.conflicts import MASK, Conflicts
from pitwire.session.continuity import TradeChain
from pitwire.session.copies import CUTS, Copy
from pitwire.session.doubts import Doubts
from pitwire.session.lanes import (
    HELD,
    HOLD_SECONDS,
    UNIQUE,
    Early,
    Lane,
    Patience,
    number_of,
    variant_of,
)  # fmt: skip
from pitwire.session.pacing import Pacing
from pitwire.session.stamps import all_stamped
from pitwire.session.streamed import new_books
from pitwire.session.told import SAMPLED, Told, remember, remember_delta
from pitwire.session.wants import Wants
from pitwire.venues.venue import Ask, Codec, GlancingCodec, Glimpse, HttpRequest, Venue

ALONE_SECONDS = 60.0
"""How long after another copy has left everything is still compared with what it brought."""


class Feed:
    """Everything that several connections with the same asks share."""

    def __init__(
        self,
        venue: Venue,
        codec: Codec,
        *,
        pacing: Pacing,
        chance: Chance,
        hold_seconds: float = HOLD_SECONDS,
        backfill: bool = True,
    ) -> None:
        self.codec = codec
        """Spells what is fetched for the feed."""
        self._head = codec.head if isinstance(codec, GlancingCodec) else None
        self.route = ""
        """Which of the venue's market addresses it comes from."""
        self.books = new_books(venue, codec, pacing, chance)
        self.backfill = Backfill(
            venue, codec, pacing=pacing, chance=chance, stir=self._stir, enabled=backfill
        )
        self._chains, self._trades = self.backfill.chains, self.backfill.trades
        self._steady = self._trades.steady
        self.conflicts = Conflicts(self._trades.ids.rings, self._trades.late)
        self._told_trades, self._told_quotes = self.conflicts.trades, self.conflicts.quotes
        self._told_deltas = self.conflicts.deltas
        self.told: Told = {}
        """What was told of late, frame by frame."""
        self.copies: list[Copy] = []
        self.audit = Audit(venue, codec, self.books, pacing=pacing, copies=self.copies)
        self.doubts = Doubts(self.backfill.doubt, self.audit.doubt)
        self._trades.on_loss = self.backfill.aggregates.on_loss = self.doubts.lost
        self.books.on_break = self.doubts.lost
        self.stirred = False
        """Whether an event has made something due for whoever carries the feed."""
        self._hold = round(hold_seconds * SECOND)
        self._ranks = 0
        self._alone_at: int | None = None
        self.early: dict[tuple[type[Event], str], Early] = {}
        self._lanes: dict[tuple[type[Event], str, str | int], Lane] = {}
        self.quotes: dict[str, Lane] = {}
        self.held: dict[tuple[type[Event], str, str | int], Lane] = {}

    # ── who carries it ──

    def join(self, name: str, wants: Wants, spoken: Mapping[type, Collection[str]]) -> Copy:
        """Another connection is going to carry the feed; it says what has spoken on it."""
        self.copies.append(copy := Copy(name, wants, spoken))
        self._alone_at = None
        for one in self.copies:
            one.shared = len(self.copies) > 1
        return copy

    def leave(self, copy: Copy, now: int) -> None:
        """This connection carries the feed no more, and was told to be lost."""
        self.copies.remove(copy)
        if len(self.copies) == 1 and self.copies[0].shared:
            self._alone_at = now + round(ALONE_SECONDS * SECOND)

    def stood(self, copy: Copy) -> None:
        """The connection of this copy is open."""
        if not any(one.stands for one in self.copies):
            self.backfill.begin_again()
            self.told.clear()
            self._forget_lanes()
        copy.stands = True
        copy.confirmed.clear()
        copy.rank = self._ranks = self._ranks + 1

    def lost(self, copy: Copy, now: int) -> list[Event]:
        """The connection of this copy is gone; what nobody else carries is stale."""
        copy.stands = False
        for other in self._others(copy):
            other.bereft = True
        for lane in self._lanes.values():
            lane.leave(copy)
        kept = {symbol for symbol in self.books.syncs if self._is_kept("BookDelta", symbol)}
        told = self._give_in(now) + self.books.lost(now, kept)
        self.backfill.interrupted(one for one in copy.confirmed if not self._is_kept(*one))
        return told if any(one.stands for one in self.copies) else told + self.backfill.lost(now)

    def wants(self, ask: Ask) -> bool:
        """Whether any connection wants this ask."""
        return any(one.wants(ask) for one in self.copies)

    def symbols_of(self, channel: str) -> set[str]:
        """The symbols for which any connection wants this channel."""
        return {ask.symbol for one in self.copies for ask in one.asks if ask.channel == channel}

    def carried_by_others(self, copy: Copy, asks: Iterable[Ask]) -> bool:
        """Whether every one of these, and there are some, is confirmed on another connection."""
        others, asks = self._others(copy), list(asks)
        return bool(asks) and all(any(one.carries(ask) for one in others) for ask in asks)

    def flows_on_others(self, copy: Copy, kind: str, symbol: str) -> bool:
        """Whether events of this class and symbol have come on another connection."""
        return any(one.speaks(kind, symbol) for one in self._others(copy))

    def may_succeed(self, new: Copy, old: Copy) -> bool:
        """Whether nothing is lost when the old copy falls: the new one brings all that it does, and
        the old one has come so far that the new one goes on from there."""
        return not (self.early or self.held) and new.brings_all_of(old)

    # ── in ──

    def accept(self, event: Event, copy: Copy, now: int) -> Sequence[Event]:
        """A market event that this copy brought; what is to be told."""
        if copy.shared:
            return self.merge(event, copy)
        if isinstance(event, BookDelta):
            return self.books.accept(event, now)
        return self._pass_trade(event) if event.__class__ in self._chains else (event,)

    def skips(self, event: Trade | Quote, copy: Copy, now: int) -> bool:
        """Whether a frame that was told as this event need not be read; it is counted then."""
        if isinstance(event, Trade):
            if self.early or not self._trades.skips(event.symbol, event.trade_id):
                return False
            if not event.trade_id & SAMPLED:
                copy.measure(event.venue_time, now)
            return True
        lane = self.quotes.get(event.symbol)
        return lane is not None and not self.held and lane.skips(event.update_id, copy)

    def skips_delta(self, glimpse: Glimpse, copy: Copy, now: int, same: bool) -> bool:
        """The same of a delta of which only the head was seen, if it is not the `same` whole. Those
        that are to be compared are read."""
        symbol, venue_time, last_id = glimpse
        sync = self.books.syncs.get(symbol)
        if sync is None or not (same or last_id & SAMPLED) or not sync.skips(last_id):
            return False
        copy.measure(venue_time, now)
        return True

    def merge(self, event: Any, copy: Copy, frame: bytes = b"") -> Sequence[Event]:
        """The same where several copies bring everything; `frame` is all that the event came in."""
        # The steady states of the commonest events, written out flat: the next one, or an old one.
        kind = event.__class__
        if kind is Trade:
            number: int = event.trade_id
            due = self._steady.get(event.symbol)
            if due is not None and number <= due and not self.early:
                if not number & SAMPLED:  # the same ones of every copy
                    copy.measure(event.venue_time, event.received)
                ring = self._told_trades.get(event.symbol) or self.conflicts.ring(event)
                if number < due:
                    self._trades.dropped += 1
                    had: Any = ring[number & MASK]
                    return self.conflicts.late_trade(had, event, copy.name)
                self._steady[event.symbol] = number + 1
                copy.wins += 1
                ring[number & MASK] = event
                remember(self.told, frame, event)
                return (event,)
            told = self._merge_trade(event, self._trades, copy)
        elif kind is BookDelta:
            told = self._merge_delta(event, copy, frame)
        elif kind is Quote:
            lane = self.quotes.get(event.symbol)
            number = event.update_id
            if lane is not None and number and not self.held:
                verdict = lane.goes_on(number, copy)
                if verdict is not None:
                    ring = self._told_quotes.get(event.symbol) or self.conflicts.ring(event)
                    if not verdict:
                        return self.conflicts.late_quote(ring[number & MASK], event, copy.name)
                    copy.wins += 1
                    ring[number & MASK] = event
                    remember(self.told, frame, event)
                    return (event,)
            told = self._merge_other(event, copy)
        elif kind in self._chains:
            told = self._merge_trade(event, self._chains[kind], copy)
        else:
            copy.measure(event.venue_time, event.received)
            told = self._merge_other(event, copy)
        if told:
            copy.wins += 1
        return told

    def _late_delta(self, delta: BookDelta, sync: BookSync, copy: Copy) -> Sequence[Event]:
        """A book of which two copies tell different stories is fetched again."""
        told = sync.count_old(delta)
        if told:
            self.books.broken(delta.symbol, delta.received)
            self.stirred = True
            return told
        if delta.last_id & SAMPLED:
            copy.cuts = CUTS
            return ()
        found = self.conflicts.late_delta(self._told_deltas.get(delta.symbol), delta, copy.name)
        if found:
            self.stirred = True
            found += tuple(self.books.resync(delta.symbol, "copies differ", delta.received))
        return found

    def _merge_trade(self, trade: AnyTrade, chain: TradeChain, copy: Copy) -> Sequence[Event]:
        number = trade.trade_id if trade.__class__ is Trade else trade_number(trade)
        if not number & SAMPLED or not chain.judges:  # the same ones of every copy
            copy.measure(trade.venue_time, trade.received)
        if not chain.judges:  # their ids put them in order, and show no gap
            return self._merge_other(trade, copy)
        ahead = chain.ahead(trade, number)
        if ahead < 0:
            return chain.late(trade)
        if ahead > 0 or (chain.begins(trade.symbol) and not self._leads(trade, copy)):
            return self._too_early(trade, number, copy)
        told = chain.accept(trade, number)
        return self._followed(told, trade) if self.early else told

    def _merge_delta(self, delta: BookDelta, copy: Copy, frame: bytes) -> Sequence[Event]:
        sync = self.books.syncs.get(delta.symbol)
        copy.measure(delta.venue_time, delta.received)
        if sync is None:
            return ()
        if sync.live:
            if delta.first_id == sync.next_id <= delta.last_id and not self.early:
                if not delta.last_id & SAMPLED:
                    self._told_deltas[delta.symbol] = delta
                if frame:
                    remember_delta(self.told, self._head, frame, delta)
                return sync.accept(delta)
            if sync.has(delta):
                return self._late_delta(delta, sync, copy)
            if not sync.follows(delta) and sync.verdict(delta) is Verdict.GAP:
                return self._too_early(delta, delta.last_id, copy)
        told = self._accept_delta(delta)
        return self._followed(told, delta) if self.early else told

    def _merge_other(self, event: Event, copy: Copy) -> Sequence[Event]:
        number = number_of(event)
        if not number:  # nothing tells one from another: the copy that stands longest speaks
            return (event,) if self._leads(event, copy) else ()
        kind, symbol = event.__class__, event.symbol
        key = (kind, symbol, variant_of(event))
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(unique=kind in UNIQUE)
            if kind is Quote:
                self.quotes[symbol] = lane
        if not lane.has_joined(copy) and not self._may_join(lane, event, number, copy):
            return self._wait(key, lane, event, number, copy)
        news = lane.admit(event, number, copy)
        if not self.held or key not in self.held:
            return (event,) if news else ()
        return self._caught_up(key, lane, event, news=news)

    # ── what is fetched over HTTP ──

    def due(self, now: int) -> list[HttpRequest]:
        """The requests that may leave now: trades while they can be waited for, then books."""
        return [*self.backfill.due(now), *self.books.due(now), *self.audit.due(now)]

    def next_request(self, now: int) -> int | None:
        """When `due` or `overdue` will next have something to say about them."""
        if self.backfill.is_idle and self.books.is_idle:  # nearly always
            return self.audit.next_deadline(now)
        parts = (self.backfill, self.books, self.audit)
        times = [at for part in parts if (at := part.next_deadline(now)) is not None]
        return min(times, default=None)

    def answered(
        self,
        request: HttpRequest,
        found: Sequence[Event],
        error: PitwireError | None,
        now: int,
        *,
        until: int = 0,
    ) -> list[Event]:
        """The answer to a request; what failed is not asked for again before `until`."""
        told: list[Event] = []
        trades: list[AnyTrade] = []
        for event in found:
            if isinstance(event, BookSnapshot):
                told += self.books.fetched(request, event, now)
                told += self.audit.fetched(request, event, now)
            elif isinstance(event, Trade | AggregateTrade):
                trades.append(event)
            else:
                told.append(event)
        self.books.failed(request, now, until=until)  # only if no snapshot was among it
        self.audit.failed(request)
        return told + self.backfill.answered(request, trades, error, now, until=until)

    def give_back(self, request: HttpRequest, now: int) -> None:
        """A request was not carried after all."""
        self.books.failed(request, now)
        self.audit.failed(request)
        self.backfill.give_back(request, now)

    # ── what follows one after another by number: trades, books ──

    def _too_early(self, event: Event, number: int, copy: Copy) -> Sequence[Event]:
        key = (event.__class__, event.symbol)
        early = self.early.get(key)
        able = [one for one in self._bearers(*key) if one is not copy]
        if early is None:
            if not able:
                return self._pass_on(event)
            chain = self._chains.get(key[0])
            begins = chain is not None and chain.begins(key[1])
            early = self.early[key] = Early(self._patience(event, copy, begins=begins))
            self.stirred = True
        early.add(number, event, copy)
        if len(early) > HELD or all(early.is_past(one) for one in able):
            return self._release(key, event.received)
        return ()

    def _followed(self, told: Sequence[Event], event: Event) -> Sequence[Event]:
        """Something was accepted; what was early and follows it goes along."""
        key = (event.__class__, event.symbol)
        early = self.early.get(key)
        if early is None or not told:
            return told
        early.patience.renew(event.received, self._hold)
        whole = list(told)
        while len(early) and self._follows(early.first):
            whole += all_stamped(self._pass_on(early.take()), event.received)
        if not len(early):
            del self.early[key]
        return whole

    def _follows(self, event: Event) -> bool:
        if isinstance(event, Trade | AggregateTrade):
            due = self._chains[event.__class__].due(event.symbol)
            return due is None or trade_number(event) <= due
        assert isinstance(event, BookDelta)
        sync = self.books.syncs.get(event.symbol)
        return sync is None or not sync.live or sync.verdict(event) is not Verdict.GAP

    def _pass_on(self, event: Event) -> Sequence[Event]:
        if isinstance(event, BookDelta):
            return self._accept_delta(event)
        return self._pass_trade(event)

    def _pass_trade(self, event: Event) -> Sequence[Event]:
        assert isinstance(event, Trade | AggregateTrade)
        return self._chains[event.__class__].accept(event, trade_number(event))

    def _stir(self) -> None:
        self.stirred = True

    def _accept_delta(self, delta: BookDelta) -> Sequence[Event]:
        told = self.books.accept(delta, delta.received)
        if self.books.wants(delta.symbol):
            self.stirred = True
        return told

    def _release(self, key: tuple[type[Event], str], now: int) -> list[Event]:
        """Nobody brings what is missing: on with what there is, the gap is told."""
        early = self.early.pop(key)
        told: list[Event] = []
        while len(early):
            told += all_stamped(self._pass_on(early.take()), now)
        return told

    # ── what has no dense numbers: a copy joins where the others have reached it ──

    def _may_join(self, lane: Lane, event: Event, number: int, copy: Copy) -> bool:
        if not lane.reaches(number) and any(
            lane.has_joined(one) or (not lane.begun and one.precedes(copy, event))
            for one in self._bearers(event.__class__, event.symbol)
            if one is not copy
        ):
            return False
        lane.join(copy)
        return True

    def _wait(
        self,
        key: tuple[type[Event], str, str | int],
        lane: Lane,
        event: Event,
        number: int,
        copy: Copy,
    ) -> Sequence[Event]:
        lane.wait(event, number, copy)
        if lane.is_full():
            self.held.pop(key, None)
            return all_stamped(lane.give_in(), event.received)
        if lane.patience is None:
            lane.patience = self._patience(event, copy)
            self.held[key] = lane
            self.stirred = True
        return ()

    def _caught_up(
        self, key: tuple[type[Event], str, str | int], lane: Lane, event: Event, *, news: bool
    ) -> Sequence[Event]:
        told = [event] if news else []
        told += all_stamped(lane.caught_up(), event.received)
        if lane.patience is None:
            del self.held[key]
        elif news:
            lane.patience.renew(event.received, self._hold)
        return told

    def _patience(self, event: Event, copy: Copy, *, begins: bool = False) -> Patience:
        """How long the others may take to bring what comes before this event."""
        behind = max((one.behind((copy,)) for one in self._others(copy)), default=0)
        return Patience(event.received, PATIENCE if begins else self._hold, behind)

    def _leads(self, event: Event, copy: Copy) -> bool:
        bearers = self._bearers(event.__class__, event.symbol)
        return not any(one.precedes(copy, event) for one in bearers)

    # ── time ──

    def next_deadline(self) -> int | None:
        """When `overdue` must be called next."""
        if not (self.early or self.held):
            return self._alone_at
        times = [] if self._alone_at is None else [self._alone_at]
        times += [early.patience.until for early in self.early.values()]
        times += [lane.patience.until for lane in self.held.values() if lane.patience]
        return min(times, default=None)

    def overdue(self, now: int) -> list[Event]:
        """What was held for too long; those who are behind bring it no more."""
        if self._alone_at is not None and now >= self._alone_at:
            self._alone_at, self.copies[0].shared = None, False
            self._forget_lanes()
        self.doubts.overdue(now)
        return self._give_in(now) + self.backfill.overdue(now) + self.audit.overdue(now)

    def _give_in(self, now: int) -> list[Event]:
        """End what was waited for too long, or for nobody."""
        told: list[Event] = []
        for key, early in list(self.early.items()):
            if now >= early.patience.until or all(map(early.is_past, self._bearers(*key))):
                told += self._release(key, now)
        for (kind, symbol, variant), lane in list(self.held.items()):
            due = lane.patience is None or now >= lane.patience.until
            if due or all(map(lane.is_waiting, self._bearers(kind, symbol))):
                del self.held[kind, symbol, variant]
                told += all_stamped(lane.give_in(), now)
        return told

    def _forget_lanes(self) -> None:
        self._lanes.clear()
        self.quotes.clear()

    def _bearers(self, kind: type[Event], symbol: str) -> Collection[Copy]:
        """The copies on which such events come."""
        return [one for one in self.copies if one.may_bring(kind.__name__, symbol)]

    def _is_kept(self, kind: str, symbol: str) -> bool:
        return any(one.may_bring(kind, symbol) for one in self.copies)

    def _others(self, copy: Copy) -> list[Copy]:
        return [one for one in self.copies if one is not copy and one.stands]
