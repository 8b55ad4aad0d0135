"""Trades by their ids: a copy is dropped, what is missing is waited for, what never comes is named.

House rules: pure. Where the venue's table says that the ids of a symbol count by one
(`Channel.dense`), trades leave in the order of their ids; elsewhere nothing is judged. A lost
connection takes trades with it, and the first trade of the next one tells which. What came after
a gap is held until the gap is filled or given up, so the order holds; who fills it is not known
here. A past id is a copy of what was told, unless its trade is later than that: then the venue
counts anew, and no id can name what was missed meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from typing import TypeAlias

import msgspec

from pitwire.model.clock import SECOND
from pitwire.model.events import AggregateTrade, Event, Trade, TradeGap
from pitwire.session.anew import Anew
from pitwire.session.beginnings import AnyTrade, Beginnings, trade_number
from pitwire.session.spans import Spans
from pitwire.session.stamps import stamped
from pitwire.venues.venue import Channel

HOLD_SECONDS = 2.0
"""How long trades wait for those missing before them."""
HOLD_TRADES = 10_000
"""How many trades of a symbol may wait; beyond it the oldest gap is given up."""
MOST_MISSING = 20_000
"""A longer gap is named and not filled: twenty requests of a thousand, 500 weight on Binance."""


class Gap(msgspec.Struct, frozen=True):
    """Ids `first` to `last` of a symbol, seen to be missing at `since` and given up at `until`."""

    channel: str
    symbol: str
    first: int
    last: int
    since: int
    until: int


OnGap: TypeAlias = Callable[[Gap], None]


class _Room:
    """Where the trades of one symbol wait for those missing before them."""

    __slots__ = ("due", "forgotten", "gaps", "held", "newest")

    def __init__(self, due: int) -> None:
        self.due = due
        """The first id that is missing."""
        self.newest = due - 1
        self.held: dict[int, AnyTrade] = {}
        self.gaps: list[Gap] = []
        """Oldest first; part of one may have come meanwhile."""
        self.forgotten = False
        """Whether nobody wanted this symbol for a while."""


class TradeChain:
    """The next id of each symbol, on one channel. `on_gap` is told of a gap that can be filled."""

    def __init__(
        self, channel: Channel | None, *, on_gap: OnGap | None = None, venue: str = ""
    ) -> None:
        self.judges = channel is not None and channel.dense
        """Whether ids count by one here, so that a missing one shows."""
        self._channel = "" if channel is None else channel.name
        self._on_gap = on_gap
        self._spans = Spans() if channel is not None and channel.merges else None
        self.steady: dict[str, int] = {}
        """Symbol → the id that follows, once a trade has come on the connections that stand and
        while none is missing. The hot path reads it, and counts it on."""
        self._next: dict[str, int] = {}
        """The same of the symbols that are not steady, where it is known."""
        self._begun: dict[str, None] = {}
        self._doubted: dict[str, int] = {}
        """Symbol → the id that followed when something may have been lost."""
        self.ids = Anew()
        """Whether they go back."""
        self._newest = self.ids.newest
        self._fell = 0
        """When there was no connection last, by our clock."""
        self._rooms: dict[str, _Room] = {}
        self.beginnings = Beginnings(venue, self._channel)
        """The symbols of which no trade has come."""
        self.held: tuple[Sized, ...] = (self._rooms, self.beginnings.held)
        """Where trades wait; all of it empty while none does."""
        self.on_loss: Callable[[str, int], None] | None = None
        """Told of each symbol that skips an id on a connection that stands, and when."""
        self.dropped = 0
        """Trades that had come before, or came after a later one."""
        self.filled = 0
        """Trades that were missing and came by another way."""

    def due(self, symbol: str) -> int | None:
        """The id that follows, once a trade has come on the connections that stand.

        None while one is missing, too: then every trade is to be handed over.
        """
        return self.steady.get(symbol)

    def ahead(self, trade: AnyTrade, found: int) -> int:
        """How far an id is beyond the next, negative for one that is past and dropped.

        0 also where every trade is to be handed over: at the beginning, and while one is missing.
        """
        due = self.steady.get(trade.symbol)
        if due is None or found == due:
            return 0
        if found < due or self.ids.is_older(trade):
            self.dropped += 1
            return -1
        return found - due

    def begins(self, symbol: str) -> bool:
        """Whether a trade of this symbol would be the first of which anything is known."""
        return (
            self.judges
            and symbol not in self.steady
            and symbol not in self._next
            and symbol not in self._rooms
        )

    def skips(self, symbol: str, found: int) -> bool:
        """Drop a trade that is past, where none is missing; False where it must be seen whole."""
        due = self.steady.get(symbol)
        if due is None or found >= due:
            return False
        self.dropped += 1
        return True

    def accept(self, trade: AnyTrade, found: int) -> Sequence[Event]:
        """The trade with id `found`, and what it lets go; nothing for one that waits or is past."""
        symbol = trade.symbol
        # The steady state, and the only line that must be fast.
        if self.steady.get(symbol) == found:
            self.steady[symbol] = found + 1
            self._newest[symbol] = trade
            if self._spans is None:
                return (trade,)
            return self._spans.follow_one(trade)  # type: ignore[arg-type]  # only aggregates merge
        return self._spanned(self._judge(trade, found)) if self.judges else (trade,)

    def begin_again(self) -> None:
        """A new connection."""
        self._next |= self.steady
        self.steady.clear()
        self._begun.clear()
        self._doubted.clear()
        self.beginnings.doubt()

    def confirmed(self, symbol: str, now: int) -> None:
        """Trades of this symbol come from now on; what has come of it before is known here."""
        room = self._rooms.get(symbol)
        if self.begins(symbol) or (room is not None and room.forgotten):
            self.beginnings.confirmed(symbol, now)

    def begin(self, symbol: str, first: int, now: int) -> list[Event]:
        """This is the first trade since the symbol was confirmed. What waited for that goes on from
        there, or from what waited itself, of a connection that is behind."""
        held = self.beginnings.first(symbol)
        self._next[symbol] = first if held is None else min(first, trade_number(held))
        return self._released(symbol, now)

    def begin_anew(self, symbol: str, now: int) -> list[Event]:
        """Nobody can tell which was the first trade since then: a gap names the time."""
        if self.beginnings.is_forgotten(symbol):
            return [stamped(trade, now) for trade in self.beginnings.release(symbol)]
        first = self.beginnings.first(symbol)
        return [*self.beginnings.gap(symbol, now, first), *self._released(symbol, now)]

    def doubt(self, symbol: str = "") -> list[str]:
        """Trades of this symbol, or of all, may have been lost on a connection that stands; of
        which nobody knows until their next trade."""
        known = self._next | self.steady if self.judges else {}
        known |= {one: room.newest + 1 for one, room in self._rooms.items() if not room.forgotten}
        doubted = {one: due for one, due in known.items() if symbol in ("", one)}
        self._doubted |= doubted
        return list(doubted)

    def forget(self, symbol: str) -> None:
        """Nobody wants this symbol's trades any more; what is not sent is not missing."""
        self._unlearn(symbol)
        self._begun.pop(symbol, None)
        self._doubted.pop(symbol, None)
        self.ids.forget(symbol)
        self.beginnings.forget(symbol)
        if symbol in self._rooms:
            self._rooms[symbol].forgotten = True

    def quiet_since(self, symbol: str) -> int | None:
        """The id that follows, where it is known and no trade has come since a loss or a doubt:
        what traded since then would show only when the next one comes."""
        room = self._rooms.get(symbol)
        if room is None and symbol not in self._begun:
            return self._next.get(symbol)
        due = self.steady.get(symbol) if room is None else room.newest + 1
        return due if due == self._doubted.get(symbol) else None

    def go_on(self, trades: Iterable[AnyTrade], due: int, now: int) -> list[Event]:
        """Trades of one symbol from `due` on, brought by another way before any had come by this.

        Where one has come meanwhile, those that are missing before it are filled in.
        """
        found = sorted((one for one in trades if trade_number(one) >= due), key=trade_number)
        if not found:
            return []
        if self.quiet_since(found[0].symbol) != due:
            return self.fill(found, now)
        told: list[Event] = []
        for trade in found:
            told += self.accept(stamped(trade, now), trade_number(trade))
        self.filled += len(found)
        return told

    # ── ids that go back ──

    def hears(self, trade: AnyTrade, before: object) -> None:
        """A trade has come, and `before` is the newest of its symbol that came before it."""
        due = self.steady.get(trade.symbol)
        if due is not None and trade_number(trade) < due:
            self.ends(before)

    def ends(self, newest: object) -> None:
        """Nothing of its symbol has come after this one; if it was the last that was told, it says
        until when all is known."""
        if not isinstance(newest, Trade | AggregateTrade):
            return  # of one that was not read there are only times
        due = self.steady.get(newest.symbol, self._next.get(newest.symbol))
        if trade_number(newest) + 1 == due:
            self.ids.stands(newest, due - 1)

    def late(self, trade: AnyTrade) -> Sequence[Event]:
        """A past trade of one of several copies, dropped already: nothing, unless the venue counts
        anew."""
        found, due = trade_number(trade), self.steady.get(trade.symbol, 0)
        if found >= due or not self.ids.counts(trade, due, begun=True):
            return ()
        self.dropped -= 1
        return self._spanned(self._count_anew(trade, found, due))

    def _counts_anew(self, trade: AnyTrade, due: int) -> bool:
        """Whether a past id is no copy of a trade that was told."""
        return self.ids.counts(trade, due, begun=trade.symbol in self._begun)

    def _count_anew(self, trade: AnyTrade, found: int, due: int) -> Sequence[Event]:
        """Go on from this id; whatever traded since the last one told, nobody can tell by ids."""
        symbol, now = trade.symbol, trade.received
        at = self.ids.told_at(symbol, due)
        if at is None:
            at, _ = self.beginnings.span(self._fell or now, now)
        self.ids.begin(trade)
        self._unlearn(symbol)
        self._begun[symbol] = None
        self._go_on(trade, found)
        if self._spans is not None and isinstance(trade, AggregateTrade):
            self._spans.begin(trade)
        begin, end = min(at, trade.venue_time), trade.venue_time
        return TradeGap(trade.venue, symbol, end, now, 0, -1, self._channel, begin), trade

    # ── gaps ──

    def fill(self, trades: Iterable[AnyTrade], now: int) -> list[Event]:
        """Missing trades of one symbol, brought by another way; what they let go."""
        symbol = ""
        for trade in trades:
            symbol = trade.symbol
            room, found = self._rooms.get(symbol), trade_number(trade)
            if room is not None and room.due <= found <= room.newest and found not in room.held:
                room.held[found] = trade
                self.filled += 1
        return list(self._spanned(self._let_go(symbol, now))) if symbol in self._rooms else []

    def is_missing(self, symbol: str, first: int, last: int) -> bool:
        """Whether any of these ids is still waited for."""
        room = self._rooms.get(symbol)
        if room is None or last < room.due:
            return False
        return any(number not in room.held for number in range(max(first, room.due), last + 1))

    def give_up(self, symbol: str, now: int) -> list[Event]:
        """Wait no longer for the oldest gap of a symbol: name it, let go what waited for it."""
        room = self._rooms.get(symbol)
        if room is None:
            return []
        told = list(self._named(room, room.gaps[0].last, now))
        return list(self._spanned(told + self._let_go(symbol, now)))

    def give_up_all(self, now: int) -> list[Event]:
        """Wait no longer for anything: no connection is left."""
        told: list[Event] = []
        self._fell = now
        for symbol in list(self._rooms):
            while symbol in self._rooms:
                told += self.give_up(symbol, now)
        for symbol in self.beginnings.waiting():
            told += self.begin_anew(symbol, now)
            told += self._give_up_symbol(symbol, now)
        return told

    def overdue(self, now: int) -> list[Event]:
        """Give up the gaps that were waited for long enough."""
        told: list[Event] = []
        for symbol, room in list(self._rooms.items()):
            while symbol in self._rooms and room.gaps[0].until <= now:
                told += self.give_up(symbol, now)
        for symbol in self.beginnings.overdue(now):
            told += self.begin_anew(symbol, now)
        return told

    def next_deadline(self) -> int | None:
        """When `overdue` will next have something to say."""
        waiting = self.beginnings.next_deadline()
        if not self._rooms:
            return waiting
        times = [room.gaps[0].until for room in self._rooms.values()]
        return min(times if waiting is None else [*times, waiting], default=None)

    # ── within ──

    def _spanned(self, told: Sequence[Event]) -> Sequence[Event]:
        """What leaves, with what the aggregates among it lack."""
        return told if self._spans is None else self._spans.follow(told)

    def _judge(self, trade: AnyTrade, found: int) -> Sequence[Event]:
        symbol = trade.symbol
        if self.ids.is_older(trade):
            self.dropped += 1
            return ()
        room = self._rooms.get(symbol)
        if room is not None:
            return self._join(room, trade, found)
        due = self.steady.get(symbol, self._next.get(symbol))
        if due is None:
            return self._begin(trade, found)
        if found < due:
            if self._counts_anew(trade, due):
                return self._count_anew(trade, found, due)
            self.dropped += 1
            return ()
        self._begun[symbol] = None
        if found == due:
            self._go_on(trade, found)
            return (trade,)
        if symbol in self.steady:
            self._tell_loss(trade)
        return self._miss(trade, due, found)

    def _begin(self, trade: AnyTrade, found: int) -> Sequence[Event]:
        """Before this trade none of its symbol is known."""
        symbol = trade.symbol
        if self.beginnings.holds(trade, found):
            return ()
        gap = self.beginnings.gap(symbol, trade.received, trade)
        self.beginnings.spoke(symbol)
        if self._spans is not None and isinstance(trade, AggregateTrade):
            self._spans.begin(trade)
        self._begun[symbol] = None
        self._go_on(trade, found)
        return [*gap, trade] if gap else (trade,)

    def _released(self, symbol: str, now: int) -> list[Event]:
        """What waited for its beginning, and may not do so any more."""
        held = self.beginnings.release(symbol)
        if symbol in self._next or held:
            self.beginnings.spoke(symbol)
        told: list[Event] = []
        for trade in held:
            told += (stamped(one, now) for one in self.accept(trade, trade_number(trade)))
        return told

    def _go_on(self, trade: AnyTrade, found: int) -> None:
        """The id that follows this trade's is known, and none before it is missing."""
        symbol, due = trade.symbol, found + 1
        (self.steady if symbol in self._begun else self._next)[symbol] = due
        self.ids.stands(trade, found)

    def _unlearn(self, symbol: str) -> None:
        self.steady.pop(symbol, None)
        self._next.pop(symbol, None)

    def _tell_loss(self, trade: AnyTrade) -> None:
        if self.on_loss is not None:
            self.on_loss(trade.symbol, trade.received)

    def _miss(self, trade: AnyTrade, due: int, found: int) -> Sequence[Event]:
        symbol = trade.symbol
        if self._on_gap is None or found - due > MOST_MISSING:
            self._go_on(trade, found)
            return (self._gap(trade, due, found - 1), trade)
        room = self._rooms[symbol] = _Room(due)
        self._unlearn(symbol)
        self._put(room, trade, found)
        return ()

    def _join(self, room: _Room, trade: AnyTrade, found: int) -> Sequence[Event]:
        """Take in a trade while others of its symbol wait."""
        symbol, now = trade.symbol, trade.received
        past = found < room.due
        anew = past and symbol not in self._begun and self._counts_anew(trade, room.due)
        if not past:
            self._begun[symbol] = None
        beyond = found - room.newest - 1
        if anew or (room.forgotten and beyond > 0) or beyond > MOST_MISSING:
            told = self._give_up_symbol(symbol, now)
            if anew and not room.forgotten:
                return [*told, *self._count_anew(trade, found, room.due)]
            if room.forgotten:
                self._unlearn(symbol)
            return [*told, *self._judge(trade, found)]
        if found < room.due or found in room.held:
            self.dropped += 1
            return ()
        if beyond > 0:
            self._tell_loss(trade)
        self._put(room, trade, found)
        told = self._let_go(symbol, now)
        while symbol in self._rooms and len(room.held) > HOLD_TRADES:
            told += self.give_up(symbol, now)
        return told

    def _put(self, room: _Room, trade: AnyTrade, found: int) -> None:
        room.held[found] = trade
        if found <= room.newest:
            self.filled += 1
            return
        first, room.newest = room.newest + 1, found
        if first < found and self._on_gap is not None:
            since = trade.received
            until = since + round(HOLD_SECONDS * SECOND)
            gap = Gap(self._channel, trade.symbol, first, found - 1, since, until)
            room.gaps.append(gap)
            self._on_gap(gap)

    def _give_up_symbol(self, symbol: str, now: int) -> list[Event]:
        told: list[Event] = []
        while symbol in self._rooms:
            told += self.give_up(symbol, now)
        return told

    def _named(self, room: _Room, last: int, now: int) -> Iterator[Event]:
        """Everything up to `last`, present or missing, in order."""
        while room.due <= last:
            if room.due in room.held:
                yield stamped(room.held.pop(room.due), now)
                room.due += 1
                continue
            first = room.due
            while room.due <= last and room.due not in room.held:
                room.due += 1
            # The trade behind a gap is held for as long as the gap is there.
            yield self._gap(room.held[room.due], first, room.due - 1, now)

    def _let_go(self, symbol: str, now: int) -> list[Event]:
        """Whatever waits for nothing any more."""
        room = self._rooms[symbol]
        told: list[Event] = []
        last: AnyTrade | None = None
        while room.due in room.held:
            last = room.held.pop(room.due)
            told.append(stamped(last, now))
            room.due += 1
        while room.gaps and room.gaps[0].last < room.due:
            del room.gaps[0]
        if not room.gaps:
            del self._rooms[symbol]
            if last is not None and not room.forgotten:
                self._go_on(last, room.due - 1)
        return told

    def _gap(self, after: AnyTrade, first: int, last: int, now: int = 0) -> TradeGap:
        at, now = after.venue_time, now or after.received
        return TradeGap(after.venue, after.symbol, at, now, first, last, self._channel)
