"""Asking from where on a symbol's trades are missing when none of them is known.

House rules: pure. The venue is asked for the first aggregate trade since the symbol was confirmed;
it names its own id and those of the trades in it. For a trade that waits it is asked at once and
with the weight that gaps may have; otherwise a moment later and with what is left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from pitwire.model.clock import SECOND
from pitwire.model.errors import (
    MalformedFrame,
    PitwireError,
    RateLimited,
    VenueUnavailable,
    WireError,
)
from pitwire.model.events import AggregateTrade, Event
from pitwire.session.beginnings import AnyTrade
from pitwire.session.books import weight_limit
from pitwire.session.continuity import TradeChain
from pitwire.session.pacing import Pacing
from pitwire.venues.venue import Codec, DatedCodec, HttpRequest, Venue

PAGE = 1000
"""Trades a request (binance §5.8: a thousand at most)."""
RESERVED_PERCENT = 40
"""What pages leave of the weight limit: a book that is stale matters more than history."""
QUIET_RESERVED_PERCENT = 75
"""What is left of it by asking whether a quiet symbol has traded during a loss."""
QUIET_TRIES = 4
"""How often that is asked before the next trade has to tell."""
DOUBT_SECONDS = 1.0
"""A trade that comes so soon after something may have been lost tells whether it was."""
RETRY_SECONDS = 0.1
"""A page that did not come, or came short, is asked for again after this, doubled each time: what
traded a moment ago may not be in the venue's history yet."""
PASSING = (MalformedFrame, RateLimited, VenueUnavailable, WireError)
"""Errors that another try may not meet."""
Key = tuple[str, str]
"""Channel, symbol."""


class _Look(msgspec.Struct):
    """A symbol of which the first trade since it was confirmed is to be found."""

    at: int
    """Not to be asked for before this."""
    tries: int = 0


class Origins:
    """What is asked about the symbols that have not spoken."""

    def __init__(
        self,
        venue: Venue,
        codec: Codec,
        chains: Mapping[str, TradeChain],
        *,
        pacing: Pacing,
        stir: Callable[[], None],
        enabled: bool,
    ) -> None:
        self._codec = codec if enabled and isinstance(codec, DatedCodec) else None
        self._chains, self._pacing, self._stir = chains, pacing, stir
        self._limit = weight_limit(venue)
        self._weight = 0
        self._looks: dict[Key, _Look] = {}
        self._looking: dict[int, tuple[HttpRequest, Key, _Look]] = {}
        if self._codec is not None:
            for chain in chains.values():
                chain.beginnings.on_wait = self._at_once

    def __len__(self) -> int:
        """Requests under way."""
        return len(self._looking)

    @property
    def asks(self) -> bool:
        """Whether the venue can tell at all."""
        return self._codec is not None

    @property
    def waits(self) -> bool:
        """Whether anything waits to be asked for."""
        return bool(self._looks)

    def ask(self, channel: str, symbol: str, now: int) -> None:
        """Something of this symbol may be lost: unless a trade comes soon, ask."""
        at = now + round(DOUBT_SECONDS * SECOND)
        if self._codec is not None:
            self._looks.setdefault((channel, symbol), _Look(at))
            self._stir()

    def lost(self) -> None:
        """No connection is left, and nothing is asked any more."""
        self._looks.clear()
        self._looking.clear()

    def due(self, now: int, most: int) -> list[HttpRequest]:
        """The requests that may leave now, so many at most."""
        requests: list[HttpRequest] = []
        for key, look in sorted(self._looks.items(), key=self._rank) if self._looks else ():
            if self._since(key) is None:
                del self._looks[key]  # a trade has come, and tells
            elif look.at <= now and len(requests) < most:
                if self._ready_at(key, now) > now:
                    break  # nobody's turn comes before this one's
                del self._looks[key]
                request = self._request(key, now)
                self._pacing.spend("weight", now, cost=request.weight)
                self._looking[id(request)] = (request, key, look)
                requests.append(request)
        return requests

    def next_deadline(self, now: int) -> int | None:
        """When `due` will next have something to say."""
        if not self._looks:
            return None
        found: dict[bool, tuple[int, Key]] = {}
        for key, look in self._looks.items():
            waits = self._waits(key)
            if waits not in found or look.at < found[waits][0]:
                found[waits] = look.at, key
        return min((max(at, self._ready_at(key, now)) for at, key in found.values()), default=None)

    def take(self, request: HttpRequest) -> tuple[Key, _Look] | None:
        """Whose request this was, if it was ours; its answer is there."""
        found = self._looking.pop(id(request), None)
        return None if found is None else found[1:]

    def answered(
        self,
        key: Key,
        look: _Look,
        found: Sequence[AnyTrade],
        error: PitwireError | None,
        now: int,
        *,
        until: int,
        confirmed: bool,
    ) -> list[Event]:
        """The answer to a request of ours; what is not known yet is asked for again, not before
        `until`. Of a symbol that is not `confirmed` yet nothing is sure."""
        channel, symbol = key
        chain = self._chains[channel]
        since = self._since(key)
        if since is None:
            return []
        firsts = [one for one in found if isinstance(one, AggregateTrade) and one.symbol == symbol]
        if firsts and error is None:
            first = min(firsts, key=lambda one: one.aggregate_id)
            aggregates = channel == "aggregate_trades"
            told = chain.begin(symbol, first.aggregate_id if aggregates else first.first_id, now)
            return told + (chain.go_on(firsts, first.aggregate_id, now) if aggregates else [])
        if error is None and not self._waits(key):
            if confirmed and key not in self._looks:  # else more may have been lost since we asked
                chain.beginnings.sure(symbol)
            return []
        look.tries += 1
        if error is not None and not isinstance(error, PASSING):
            return chain.begin_anew(symbol, now)
        if not self._waits(key) and look.tries >= QUIET_TRIES:
            return chain.begin_anew(symbol, now)
        look.at = max(now + round(RETRY_SECONDS * 2.0 ** min(look.tries - 1, 16) * SECOND), until)
        self._looks[key] = look
        return []

    def give_back(self, key: Key, look: _Look, now: int) -> None:
        """A request was not carried after all."""
        look.at = now
        self._looks[key] = look

    # ── within ──

    def _at_once(self, channel: str, symbol: str, now: int) -> None:
        self._looks[channel, symbol] = _Look(now)
        self._stir()

    def _since(self, key: Key) -> int | None:
        return self._chains[key[0]].beginnings.since(key[1])

    def _waits(self, key: Key) -> bool:
        return self._chains[key[0]].beginnings.is_waiting(key[1])

    def _rank(self, item: tuple[Key, _Look]) -> tuple[bool, int]:
        return not self._waits(item[0]), item[1].at

    def _request(self, key: Key, now: int) -> HttpRequest:
        assert self._codec is not None, "nobody looks where nobody can be asked"
        channel, symbol = key
        beginnings = self._chains[channel].beginnings
        since = beginnings.since(symbol)
        assert since is not None, "it was looked for"
        count = PAGE if channel == "aggregate_trades" else 1
        request = self._codec.ask_aggregates_since(symbol, beginnings.span(since, now)[0], count)
        self._weight = request.weight
        return request

    def _ready_at(self, key: Key, now: int) -> int:
        weight = self._weight or self._request(key, now).weight
        percent = RESERVED_PERCENT if self._waits(key) else QUIET_RESERVED_PERCENT
        reserve = self._limit * percent // 100
        return self._pacing.ready_at("weight", now, cost=weight + reserve)
