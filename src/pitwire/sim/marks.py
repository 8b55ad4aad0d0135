"""The venue's own prices: index, mark, funding; and what they do to accounts, once a second.

House rules: everything follows from the book and the seed; the model is small and stated here and
in docs/simulated-venue.md, and is not the venue's.

* index: the mean of the book's middle over the last minute, since there is no other market.
* mark: the middle one of the last price, the index, and the index with the premium on it.
* funding: the mean premium since the last payment, drawn towards the interest rate by at most
  0.05 %; paid at 00:00, 08:00 and 16:00 UTC.
* margin: below its maintenance a position is closed, the largest first; a fifth above it, the
  account is told.
"""

from __future__ import annotations

from collections import deque
from decimal import ROUND_DOWN, Decimal

from pitwire.model.clock import SECOND
from pitwire.sim.accounts import EXACT, ZERO
from pitwire.sim.facts import Contract, PositionSide
from pitwire.sim.futures import FuturesExchange
from pitwire.sim.futures_facts import MarginCalled, MarkChanged, Reason
from pitwire.sim.margin import FUNDING, MarginAccount

_STEP = Decimal("1e-8")
_HOUR = 3600 * SECOND
_MINUTE = 60
"""How many seconds an average is taken over."""
_DAMPER = Decimal("0.0005")
_CALL_AT = Decimal("1.2")
"""An account is warned when its margin is this many times what it must keep."""


class Mark:
    """One symbol's prices."""

    def __init__(self, start: Decimal) -> None:
        self.mark = self.index = self.average = start
        self.rate = ZERO
        self._middles: deque[Decimal] = deque(maxlen=_MINUTE)
        self._marks: deque[Decimal] = deque(maxlen=_MINUTE)
        self._premiums = ZERO
        self._count = 0

    def reckon(self, middle: Decimal, last: Decimal, contract: Contract) -> None:
        """Take in a second."""
        self._middles.append(middle)
        self.index = _cut(sum(self._middles, ZERO) / len(self._middles))
        premium = (middle - self.index) / self.index
        self._premiums += premium
        self._count += 1
        mean = self._premiums / self._count
        drawn = min(max(contract.interest_rate - mean, -_DAMPER), _DAMPER)
        self.rate = _cut(mean + drawn)
        self.mark = _cut(sorted((last, self.index, self.index * (1 + mean)))[1])
        self._marks.append(self.mark)
        self.average = _cut(sum(self._marks, ZERO) / len(self._marks))

    def paid(self) -> None:
        """Funding was paid: begin anew."""
        self._premiums, self._count = ZERO, 0


class Marks:
    """Whoever acts for the venue each second."""

    def __init__(self, exchange: FuturesExchange, start: int) -> None:
        self._exchange = exchange
        self._due = (start // SECOND + 1) * SECOND
        self.marks = {
            symbol: Mark(listing.start_price * listing.tick)
            for symbol, listing in exchange.listings.items()
        }
        self._funded = {symbol: self.funding_at(symbol, start) for symbol in self.marks}

    def funding_at(self, symbol: str, now: int) -> int:
        """When funding is paid next."""
        contract = self._exchange.listings[symbol].contract
        assert contract is not None
        every = contract.funding_hours * _HOUR
        return (now // every + 1) * every

    def next_deadline(self) -> int:
        return self._due

    def handle_deadline(self, now: int) -> None:
        """Reckon prices, pay funding, close what must be closed."""
        self._due = (now // SECOND + 1) * SECOND
        for symbol in self.marks:
            self._reckon(symbol, now)
            if self._funded[symbol] <= now:
                self._pay(symbol, now)
                self._funded[symbol] = self.funding_at(symbol, now)
        for account in list(self._exchange.margins.owners()):
            self._watch(account, now)

    def _reckon(self, symbol: str, now: int) -> None:
        exchange, mark = self._exchange, self.marks[symbol]
        pit = exchange.pit(symbol)
        contract = pit.listing.contract
        assert contract is not None
        bid, ask = pit.book.bids.best(), pit.book.asks.best()
        tick = pit.listing.tick
        last = pit.last * tick
        middle = (bid.price + ask.price) * tick / 2 if bid and ask else last
        mark.reckon(middle, last, contract)
        exchange.margins.marks[symbol] = mark.mark
        pit.mark = max(1, round(mark.mark / tick))
        exchange.execution.facts.append(
            MarkChanged(
                at=now,
                symbol=symbol,
                mark=mark.mark,
                index=mark.index,
                settle=mark.index,
                average=mark.average,
                rate=mark.rate,
                funding_at=self.funding_at(symbol, now),
            )
        )
        if exchange.conditionals.waiting:
            exchange.conditionals.touch(symbol, mark.mark / tick, now, by_mark=True)

    def _pay(self, symbol: str, now: int) -> None:
        """Who is long pays who is short, or the other way round (binance §11.3, `r`)."""
        exchange, mark = self._exchange, self.marks[symbol]
        margins, terms = exchange.margins, exchange.pit(symbol).terms
        for account in margins.owners():
            owed = ZERO
            for position in account.of(symbol):
                due = margins.value(terms, position) * mark.rate
                owed += due.quantize(_STEP, rounding=ROUND_DOWN)
                if due and account.setting(symbol).isolated:
                    margins.touch(account, symbol, position.side, terms.quote)
            if owed:
                margins.pay(account, terms.quote, EXACT.minus(owed), FUNDING)
            exchange.execution.facts += margins.take_changes(
                symbol, now, Reason.FUNDING_FEE, EXACT.minus(owed)
            )
        mark.paid()

    def _watch(self, account: MarginAccount, now: int) -> None:
        """Close by force what has too little behind it."""
        margins = self._exchange.margins
        for symbol in dict.fromkeys(symbol for symbol, _ in account.positions):
            if account.setting(symbol).isolated:
                for position in account.of(symbol):
                    state = margins.state_of(account, symbol, position.side)
                    if state.lots and state.wallet + state.unrealised < state.maintenance:
                        self._exchange.liquidate(account.name, symbol, position.side, now)
        asset = next(iter(account.free), "USDT")
        while (kept := self._kept(account)) is not None:
            backing, needed, worst = kept
            if backing >= needed:
                self._warn(account, backing < needed * _CALL_AT, asset, now)
                return
            before = account.position(*worst).lots
            self._exchange.liquidate(account.name, *worst, now)
            if account.position(*worst).lots == before:
                return  # nobody to trade with: again in a second

    def _kept(
        self, account: MarginAccount
    ) -> tuple[Decimal, Decimal, tuple[str, PositionSide]] | None:
        """What backs the shared positions, what they must keep, and the largest of them."""
        margins = self._exchange.margins
        largest, needed, backing = ZERO, ZERO, ZERO
        worst: tuple[str, PositionSide] | None = None
        for (symbol, side), position in account.positions.items():
            if not position.lots or account.setting(symbol).isolated:
                continue
            state = margins.state_of(account, symbol, side)
            needed += state.maintenance
            backing += state.unrealised
            if abs(state.value) > largest:
                largest, worst = abs(state.value), (symbol, side)
        if worst is None:
            return None
        asset = self._exchange.pit(worst[0]).terms.quote
        return backing + margins.cross(account, asset), needed, worst

    def _warn(self, account: MarginAccount, close: bool, asset: str, now: int) -> None:
        if close and not account.called:
            margins = self._exchange.margins
            self._exchange.execution.facts.append(
                MarginCalled(
                    at=now,
                    symbol="",
                    account=account.name,
                    cross=margins.cross(account, asset),
                    positions=tuple(
                        margins.state_of(account, *key)
                        for key, position in account.positions.items()
                        if position.lots
                    ),
                )
            )
        account.called = close


def _cut(value: Decimal) -> Decimal:
    return value.quantize(_STEP, rounding=ROUND_DOWN)
