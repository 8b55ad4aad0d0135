"""What really happened at a simulated venue: every trade, the book at any id, every refusal.

House rules: it listens at the exchange and at the façade's doors and changes nothing; it knows the
venue's spelling from the papers, never from a client.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from operator import itemgetter

from pitwire.model.clock import SECOND
from pitwire.model.orders import Side
from pitwire.sim.facades.facade import Action, Close, HttpReply, SendText
from pitwire.sim.facts import Accepted, Depth, Fact, LevelChanged, Listing, Traded
from pitwire.sim.faults import HttpError
from pitwire.sim.verdicts import DialRefusal
from pitwire.sim.world import World

Sizes = dict[float, float]
"""Price → size, as a client reads them from the wire."""

_TOO_MUCH = (b'"status":429', b'"status":418')
_CLOSED_FOR_IT = ("Too many requests", "IP banned")
NO_HEADERS: Mapping[str, str] = {}
_IN_VAIN = 2 * SECOND
"""A client that has waited this long for an answer may take it for lost."""


class BookTruth:
    """One symbol's book at any update id, rebuilt from the facts.

    `spell` makes of the exchange's ids those that the façade writes; they rise alike.
    """

    def __init__(
        self, listing: Listing, depth: Depth, *, spell: Callable[[int], int] = int
    ) -> None:
        self._spell, self._spelt = spell, [spell(depth.update_id)]
        self._tick, self._lot = listing.tick, listing.lot
        self._first = depth.update_id
        self._start = (self._sizes(depth.bids), self._sizes(depth.asks))
        self._changes: list[tuple[int, bool, float, float]] = []
        self._bids: Sizes = {}
        self._asks: Sizes = {}
        self._stands = self._first
        self._rewind()

    @property
    def last_id(self) -> int:
        """The newest id."""
        return self._first + len(self._changes)

    def note(self, fact: LevelChanged) -> None:
        """The next change; ids are dense."""
        assert fact.update_id == self.last_id + 1, "the exchange counts changes one by one"
        price, size = self._number(fact.price * self._tick), self._number(fact.lots * self._lot)
        self._changes.append((fact.at, fact.side is Side.BUY, price, size))
        self._spelt.append(self._spell(fact.update_id))

    def at(self, spelt: int) -> tuple[Sizes, Sizes] | None:
        """(bids, asks) as of this id; None when it never was. Not to be changed."""
        index = self._index(spelt)
        if index is None:
            return None
        update_id = self._first + index
        if update_id < self._stands:
            self._rewind()
        for _, buys, price, size in self._changes[
            self._stands - self._first : update_id - self._first
        ]:
            side = self._bids if buys else self._asks
            if size:
                side[price] = size
            else:
                side.pop(price, None)
        self._stands = update_id
        return self._bids, self._asks

    def outdated_since(self, spelt: int) -> int | None:
        """When the book first moved on from this id, ns; None while it has not."""
        index = self._index(spelt)
        return None if index is None or index == len(self._changes) else self._changes[index][0]

    def moved_at(self, spelt: int) -> int | None:
        """When the book came to this id, ns; None where it never did while it was watched."""
        index = self._index(spelt)
        return self._changes[index - 1][0] if index else None

    def moved_from(self, since: int) -> int | None:
        """When the book first moved from then on, ns; None while it has not."""
        index = bisect_left(self._changes, since, key=itemgetter(0))
        return None if index == len(self._changes) else self._changes[index][0]

    def _index(self, spelt: int) -> int | None:
        index = bisect_left(self._spelt, spelt)
        return index if index < len(self._spelt) and self._spelt[index] == spelt else None

    def _rewind(self) -> None:
        self._stands = self._first
        self._bids, self._asks = dict(self._start[0]), dict(self._start[1])

    def _sizes(self, levels: Iterable[tuple[int, int]]) -> Sizes:
        return {
            self._number(price * self._tick): self._number(lots * self._lot)
            for price, lots in levels
        }

    @staticmethod
    def _number(amount: Decimal) -> float:
        return float(amount)


class Truth:
    """Sees everything that a world's venue does, from before the first client on."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.catch_up()  # what is told from here on is what happens from here on
        exchange = world.exchange
        spell: Callable[[int], int] = getattr(world.facade, "spell_update_id", int)
        self.books = {
            symbol: BookTruth(listing, exchange.book(symbol), spell=spell)
            for symbol, listing in exchange.listings.items()
        }
        self.trades: dict[str, dict[int, Traded]] = {symbol: {} for symbol in self.books}
        self.times: dict[str, dict[int, int]] = {symbol: {} for symbol in self.books}
        """When each trade happened by the right clock; the venue's own may be wrong."""
        self.names: Counter[str] = Counter()
        """How many orders were placed under each client id."""
        self.refusals: list[str] = []
        """Answers of the venue that say that a limit was broken."""
        self.asked_twice: list[str] = []
        self.dials: list[int] = []
        """When each connection was let in or refused by the venue itself, by the right clock."""
        self.refused_dials: list[int] = []
        """When each was refused, or left without an answer, by the script."""
        self._streams: dict[int, dict[str, list[int]]] = {}
        """When each link asked for each stream that it has."""
        self._logins: Counter[int] = Counter()
        self._tap()
        self._tap_dials()

    def is_same(self, symbol: str, trade_id: int, *, price: float, size: float, side: Side) -> bool:
        """Whether a trade is the venue's own."""
        truth = self.trades[symbol].get(trade_id)
        if truth is None:
            return False
        listing = self.world.exchange.listings[symbol]
        found = float(truth.price * listing.tick), float(truth.lots * listing.lot)
        return (price, size, side) == (*found, truth.taker_side)

    def accepted(self, fact: Accepted) -> None:
        """An order was taken."""
        self.names[fact.order.client_id] += 1

    # ── listening ─────────────────────────────────────────────────────────────────────────────

    def _tap(self) -> None:
        world = self.world
        exchange, facade = world.exchange, world.facade
        take_facts, take_output = exchange.take_facts, facade.take_output
        receive, http, connect = facade.receive, facade.http, facade.connect

        def facts() -> list[Fact]:
            taken = take_facts()
            self._note(taken)
            return taken

        def output() -> list[tuple[int, Action]]:
            taken = take_output()
            for _, action in taken:
                self._hear(action)
            return taken

        # What the façade is handed is the venue's clock, which may be wrong.
        def received(link: int, text: bytes, now: int) -> None:
            self._overhear(link, text, world.clock.now())
            receive(link, text, now)

        def asked(method: str, target: str, *, headers: Mapping[str, str], body: bytes, now: int,
                  ) -> HttpReply:  # fmt: skip
            already = len(world.plan.happened)
            reply = http(method, target, headers=headers, body=body, now=now)
            if not any(isinstance(one, HttpError) for _, one in world.plan.happened[already:]):
                self._answered(f"{method} {target}", reply)
            return reply

        def connected(
            link: int, target: str, now: int, *, headers: Mapping[str, str] = NO_HEADERS
        ) -> HttpReply | None:
            reply = connect(link, target, now, headers=headers)
            self.dials.append(world.clock.now())
            self._streams[link] = {}
            self._logins.pop(link, None)
            if reply is not None:
                self._answered(f"upgrade {target}", reply)
            return reply

        exchange.hush = _never  # type: ignore[method-assign]
        exchange.take_facts = facts  # type: ignore[method-assign]
        facade.take_output = output  # type: ignore[method-assign]
        facade.receive = received  # type: ignore[method-assign]
        facade.http = asked  # type: ignore[method-assign,assignment]
        facade.connect = connected  # type: ignore[method-assign,assignment]

    def _tap_dials(self) -> None:
        plan = self.world.plan
        refusal_of = plan.dial

        def dialled(link: str, now: int) -> DialRefusal | None:
            refusal = refusal_of(link, now)
            if refusal is not None:
                self.refused_dials.append(now)
            return refusal

        plan.dial = dialled  # type: ignore[method-assign]

    def _note(self, facts: Iterable[Fact]) -> None:
        now, skewed = self.world.clock.now(), self.world.plan.may_skew
        for fact in facts:
            if isinstance(fact, LevelChanged):
                self.books[fact.symbol].note(fact)
            elif isinstance(fact, Traded):
                self.trades[fact.symbol][fact.trade_id] = fact
                # a venue that nobody listens to may tell of it a little later
                self.times[fact.symbol][fact.trade_id] = now if skewed else fact.at
            elif isinstance(fact, Accepted):
                self.accepted(fact)

    def _hear(self, action: Action) -> None:
        if isinstance(action, Close):
            if action.reason in _CLOSED_FOR_IT:
                self.refusals.append(f"closed with {action.code} {action.reason}")
        elif isinstance(action, SendText) and any(mark in action.frame for mark in _TOO_MUCH):
            self.refusals.append(f"{action.stream}: {action.frame[:200]!r}")

    def _answered(self, what: str, reply: HttpReply) -> None:
        if reply.status in (418, 429):
            self.refusals.append(f"{what}: {reply.status}")

    def _overhear(self, link: int, text: bytes, now: int) -> None:
        """Note what a client subscribes to, and whether it had it already.

        After a wait in vain each stream may be asked for once more: an answer may be lost.
        """
        try:
            request = json.loads(text)
        except ValueError:
            return
        method, params = request.get("method"), request.get("params")
        streams = self._streams.setdefault(link, {})
        if method == "SUBSCRIBE":
            for name in params:
                asked = streams.setdefault(name, [])
                if len(asked) > 1 or (asked and now - asked[0] < _IN_VAIN):
                    self.asked_twice.append(f"link {link}: SUBSCRIBE {name}")
                asked.append(now)
        elif method == "UNSUBSCRIBE":
            for name in params:
                streams.pop(name, None)
        elif str(method).startswith("userDataStream.subscribe"):
            self._logins[link] += 1
            if self._logins[link] > 1:
                self.asked_twice.append(f"link {link}: {method}")


def _never(is_hushed: bool) -> None:
    """Somebody hears everything."""
