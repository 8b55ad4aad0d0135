"""What must hold in every world, whatever goes wrong in it (architecture §14).

House rules: an oracle compares the desk with what the venue's witness saw and notes a complaint;
it never raises, so that a world always runs to its end and tells everything. A complaint begins
with the letter of its oracle:

* A  every book equals the venue's at the same id, or says that it is not to be used;
* B  every fill of ours is booked, and money conserved to the last digit, or the difference named;
* C  nothing is sent twice, nothing lives at the venue that the ledger does not know or calls over;
* D  no limit of the venue is ever broken;
* E  trades come in order, none twice, none missing unless it is named, backfilled or not; the
     journal of the same world is the same to the byte (compared by whoever runs it twice);
* F  what is wanted is subscribed once per connection, and is there in the end;
* G  no rule is benched, and calm returns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import blake2b

import msgspec

from pitwire.desk.desk import Desk
from pitwire.market.book import NOTHING, BookSide
from pitwire.model import events as ev
from pitwire.model.clock import SECOND
from pitwire.model.orders import OrderState
from pitwire.sim.facts import Status
from pitwire.sim.truth import Sizes
from pitwire.trading.journal import Benched, Record
from pitwire.trading.rules import Watch
from pitwire.trading.state import BOOK, State
from pitwire.trading.tracked import ZERO, Origin, Tracked
from pitwire.trading.wishes import Wish
from tests.worlds.witness import STREAMS, Witness

MOST_COMPLAINTS = 20
_ENCODE = msgspec.json.Encoder(decimal_format="string").encode
_ENDS = {
    OrderState.FILLED: (Status.FILLED,),
    OrderState.CANCELED: (Status.CANCELED,),
    OrderState.EXPIRED: (Status.EXPIRED, Status.EXPIRED_IN_MATCH),
}
"""How the ledger calls an end, and what the venue may call it."""


class Complaints:
    """What was found wrong, the first ones only."""

    def __init__(self, start: int) -> None:
        self._start = start
        self.found: list[str] = []

    def note(self, letter: str, now: int, text: str) -> None:
        """Something does not hold."""
        if len(self.found) < MOST_COMPLAINTS:
            self.found.append(f"{letter} at {(now - self._start) / SECOND:+.3f} s: {text}")


class Inspector:
    """Sits in the desk as a rule that wishes for nothing, and looks at every event there is."""

    name = "inspector"

    def __init__(self, witness: Witness, complaints: Complaints) -> None:
        self.watches: Sequence[Watch] = tuple(Watch(kind, history=True) for kind in ev.EVENTS)
        self.seen: Counter[str] = Counter()
        self.compared = 0
        self.worst_lag = 0.0
        """The longest that a book was behind the venue and called ready, in seconds."""
        self.losses: list[ev.Lost] = []
        self._witness, self._complaints = witness, complaints
        self._digest = blake2b(digest_size=16)
        self._last_trade: dict[str, int] = {}
        self.backfilled: Counter[str] = Counter()
        """By symbol."""
        self._fills: Counter[tuple[str, str, str]] = Counter()

    @property
    def digest(self) -> str:
        """Of every event that was delivered, in order."""
        return self._digest.hexdigest()

    def react(self, state: State, now: int) -> Iterable[Wish]:
        """See one event, after the state has taken it."""
        event = state.event
        assert event is not None
        self._digest.update(_ENCODE(event))
        self.seen[type(event).__name__] += 1
        match event:
            case ev.BookSnapshot() | ev.BookDelta():
                self.compare(state, event.symbol, now)
            case ev.Trade():
                self._trade(event, now)
            case ev.TradeGap():
                self._gap(event, now)
            case ev.Lost():
                self.losses.append(event)
        return ()

    def sample(self, state: State, now: int) -> None:
        """What holds between events too."""
        for symbol in state.books:
            self.compare(state, symbol, now)
        self._living_orders(state, now)

    # ── A: books ──────────────────────────────────────────────────────────────────────────────

    def compare(self, state: State, symbol: str, now: int) -> None:
        """Hold one book against the venue's at the same id."""
        book = state.books[symbol]
        if not book.ready:
            if BOOK not in state.stale.get(symbol, {}):
                self._complaints.note("A", now, f"{symbol} has no book and is not called stale")
            return
        truth = self._witness.books[symbol]
        sides = truth.at(book.last_id)
        if sides is None:
            self._complaints.note("A", now, f"{symbol} stands at {book.last_id}, which never was")
            return
        self.compared += 1
        for name, ours, theirs in (("bids", book.bids, sides[0]), ("asks", book.asks, sides[1])):
            wrong = _differences(ours, theirs)
            if wrong:
                text = f"{symbol} {name} at id {book.last_id}: {wrong}"
                self._complaints.note("A", now, text)
        since = truth.outdated_since(book.last_id)
        if since is not None and not state.stale.get(symbol):
            self.worst_lag = max(self.worst_lag, (now - since) / SECOND)

    # ── C: orders ─────────────────────────────────────────────────────────────────────────────

    def _living_orders(self, state: State, now: int) -> None:
        witness = self._witness
        for order in witness.world.exchange.open_orders(witness.account):
            name = witness.first_names.get((order.symbol, order.order_id), order.client_id)
            tracked = state.ledger.find(name, str(order.order_id), order.symbol)
            if tracked is not None and not tracked.is_open:
                text = f"{name} lives at the venue, the ledger says {tracked.state}"
                self._complaints.note("C", now, text)

    # ── E: trades ─────────────────────────────────────────────────────────────────────────────

    def _gap(self, gap: ev.TradeGap, now: int) -> None:
        symbol, last = gap.symbol, self._last_trade.get(gap.symbol)
        if gap.since:
            if last is not None:
                text = f"{symbol} misses what its ids would name after {last}"
                self._complaints.note("E", now, text)
            return
        if last is not None and gap.first_missing != last + 1:
            text = f"{symbol} misses {gap.first_missing} on, but the last one was {last}"
            self._complaints.note("E", now, text)
        self._last_trade[symbol] = gap.last_missing

    def _trade(self, trade: ev.Trade, now: int) -> None:
        symbol, found = trade.symbol, trade.trade_id
        last = self._last_trade.get(symbol)
        if last is not None and found <= last:
            self._complaints.note("E", now, f"{symbol} trade {found} came after {last}")
        elif last is not None and found > last + 1:
            text = f"{symbol} trades {last + 1} to {found - 1} never came and nobody said so"
            self._complaints.note("E", now, text)
        self.backfilled[symbol] += trade.backfilled
        self._last_trade[symbol] = max(found, last or 0)
        price, size, side = trade.price, trade.size, trade.side
        if not self._witness.is_same(symbol, found, price=price, size=size, side=side):
            truth = self._witness.trades[symbol].get(found)
            self._complaints.note("E", now, f"{trade} is not the venue's {truth}")


def _differences(ours: BookSide, theirs: Sizes) -> str:
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
    told = f"{first}: ours {held.get(first)}, theirs {known.get(first)}"
    return f"{len(wrong)} levels differ, such as {told}"


# ── at the end of a world, when the faults are over and nothing is on its way ────────────────


class Verdict:
    """The oracles that need a quiet moment; each notes its complaints."""

    def __init__(self, desk: Desk, witness: Witness, complaints: Complaints, now: int) -> None:
        self._desk, self._witness, self._now = desk, witness, now
        self._complaints = complaints
        self.missing_fills = 0
        """Orders whose fills the desk knows in sum and not one by one."""

    def _note(self, letter: str, text: str) -> None:
        self._complaints.note(letter, self._now, text)

    def reach(
        self, journal: Iterable[Record], wanted: Sequence[tuple[str, str]], *, copies: int = 1
    ) -> None:
        """All of them; `wanted` is (channel, symbol), on so many connections."""
        self._orders()
        self._money()
        self._limits()
        self._subscriptions(wanted, copies)
        for record in journal:
            if isinstance(record, Benched):
                self._note("G", f"{record.rule} was benched: {record.error}: {record.text}")

    # ── C ─────────────────────────────────────────────────────────────────────────────────────

    def _orders(self) -> None:
        ledger = self._desk.engine.state.ledger
        theirs = self._witness.orders()
        for name, times in self._witness.names.items():
            if times > 1:
                self._note("C", f"{name} was placed {times} times")
        for name, order in theirs.items():
            tracked = ledger.find(name, str(order.order_id), order.symbol)
            if tracked is not None:
                self._order(tracked, order.status, self._witness.filled(order))
            elif self._is_ours(name):
                self._note("C", f"{name} ({order.status}) is not in the ledger")
        for tracked in ledger.open_of(""):
            if tracked.id not in theirs:
                self._note("C", f"{tracked.id} is {tracked.state} for us, the venue never had it")

    def _is_ours(self, name: str) -> bool:
        return self._desk.engine.state.ledger.is_ours(name)

    def _order(self, tracked: Tracked, status: Status, filled: object) -> None:
        if tracked.is_open:
            if status not in (Status.NEW, Status.PARTIALLY_FILLED):
                self._note("C", f"{tracked.id} is {tracked.state} for us, {status} at the venue")
        elif status not in _ENDS.get(tracked.state, ()):
            self._note("C", f"{tracked.id} ended as {tracked.state} for us, {status} at the venue")
        if tracked.done != filled:
            text = f"{tracked.id}: we know of {tracked.done} filled, the venue of {filled}"
            self._note("B", text)
        self.missing_fills += tracked.missing > ZERO
        if tracked.missing and tracked.origin is Origin.OURS:
            self._note("B", f"{tracked.id}: {tracked.missing} traded and no fill of it was booked")

    # ── B ─────────────────────────────────────────────────────────────────────────────────────

    def _money(self) -> None:
        portfolio, witness = self._desk.engine.state.portfolio, self._witness
        named = {one.asset: one.amount for one in portfolio.differences()}
        for asset, after in witness.balances().items():
            told = portfolio.balances.get(asset)
            if told is None or told.free + told.locked != after:
                self._note("B", f"{asset}: the venue holds {after}, we were told {told}")
            change = after - witness.opening.get(asset, ZERO)
            rest = change - portfolio.flow(asset)
            if rest != named.get(asset, ZERO):
                text = f"{asset}: {rest} is not in our fills and not named ({named.get(asset)})"
                self._note("B", text)
            elif rest and not self.missing_fills:
                self._note("B", f"{asset}: {rest} is missing though no fill is")

    # ── D, F ──────────────────────────────────────────────────────────────────────────────────

    def _limits(self) -> None:
        for refusal in self._witness.refusals:
            self._note("D", refusal)

    def _subscriptions(self, wanted: Sequence[tuple[str, str]], copies: int) -> None:
        for twice in self._witness.asked_twice:
            self._note("F", f"asked twice: {twice}")
        names = [
            STREAMS[channel].format(symbol.replace("-", "").lower()) for channel, symbol in wanted
        ]
        found = self._witness.subscriptions()
        if found != [tuple(sorted(names))] * copies:
            self._note("F", f"subscribed are {found}, wanted {sorted(names)}")
        watchers = self._witness.watchers()
        if watchers != [(self._witness.account,)]:
            self._note("F", f"order updates go to {watchers}")
