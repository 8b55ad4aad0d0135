"""Positions, cost and result, in exact Decimals, from fills alone; balances as the venue says.

House rules: nothing is rounded but the share of cost that leaves with a partial close, and that
share is booked once on both sides, so for every symbol and any mark price exactly
`realised + open result = quote flow + size x mark`. A fee counts in the asset it was taken in; a
fee in a third asset is shown and not part of a result in quote units. What the venue's balance
and ours differ by is named, never folded in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal

import msgspec

from pitwire.model.clock import SECOND
from pitwire.model.events import Balance, ClockOffset, Fill, Position
from pitwire.model.instruments import Instrument
from pitwire.model.orders import Side
from pitwire.model.symbols import Symbol
from pitwire.trading.tracked import ZERO

_EXACT = Context(prec=60)
"""Digits enough that no sum of venue amounts (20 before and 16 after the point) is rounded."""
_CENT = Decimal("1e-18")
"""The share of cost of a partial close is kept to this many quote units."""
_SET_BACK = SECOND
"""A clock that seems to go back by less, beyond both errors, may only have drifted."""


class Holding(msgspec.Struct, kw_only=True, eq=False):
    """What our fills made of one symbol, counted from zero at the start.

    `size` is in base units, negative when more was sold than bought; `cost` is what that size cost
    (what it brought, negative, when short), in quote units; `flow` is quote money in and out.
    """

    symbol: str
    base: str
    quote: str
    size: Decimal = ZERO
    cost: Decimal = ZERO
    flow: Decimal = ZERO
    realised: Decimal = ZERO
    bought: Decimal = ZERO
    sold: Decimal = ZERO
    fills: int = 0
    fees: dict[str, Decimal] = {}

    @property
    def average_cost(self) -> Decimal | None:
        """Quote units per base unit; None when flat."""
        return self.cost / self.size if self.size else None

    def open_result(self, mark: Decimal) -> Decimal:
        """What closing at `mark` would add to the realised result, before fees."""
        return _EXACT.subtract(_EXACT.multiply(self.size, mark), self.cost)


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """The venue's balance of an asset and what our fills make of it do not agree."""

    asset: str
    ours: Decimal
    theirs: Decimal

    @property
    def amount(self) -> Decimal:
        """Theirs minus ours: what somebody else did to the account, or a fill we miss."""
        return self.theirs - self.ours


class Contents(msgspec.Struct, kw_only=True):
    """A portfolio as it is kept in a checkpoint."""

    holdings: list[Holding] = []
    flows: dict[str, Decimal] = {}
    fees: dict[str, Decimal] = {}
    balances: list[Balance] = []
    positions: list[Position] = []
    opening: dict[str, Decimal] = {}
    opened_at: dict[str, int] = {}
    counted_from: int = 0
    day: int = -1
    day_start: dict[str, Decimal] = {}
    unpriced: list[str] = []
    day_left: int = -1
    offset: int | None = None
    offset_error: int = 0
    stamps_from: int = 0


class Stake:
    """What a quick look at the day's result in one quote asset needs; floats, kept with fills."""

    __slots__ = ("held", "realised", "scale", "settled")

    def __init__(self) -> None:
        self.realised = ZERO
        """Of all symbols priced in it."""
        self.settled = 0.0
        """The same since the day began."""
        self.scale = 0.0
        """How large the numbers are that it comes from."""
        self.held: dict[str, tuple[float, float]] = {}
        """Symbol → size and cost, where either is not nothing."""


class Portfolio:
    """Everything owned on one account."""

    __slots__ = (
        "_day", "_day_start", "_instruments", "_left", "_offset", "_opened_at", "_opening",
        "_stamps_from", "balances", "counted_from", "fees", "flows", "holdings", "stakes",
        "unpriced", "venue_positions",
    )  # fmt: skip

    def __init__(self, instruments: Mapping[str, Instrument] | None = None) -> None:
        self.holdings: dict[str, Holding] = {}
        self.flows: dict[str, Decimal] = {}
        """Per asset, the sum of all our fills and fees since the start."""
        self.fees: dict[str, Decimal] = {}
        self.balances: dict[str, Balance] = {}
        self.venue_positions: dict[str, Position] = {}
        self._instruments = {} if instruments is None else instruments
        self.counted_from = 0
        """The venue's time of the first balances: what traded later is in our count. 0: none."""
        self._opening: dict[str, Decimal] = {}
        self._opened_at: dict[str, int] = {}
        """Asset → the venue's time of its first balance, which may be later; 0: not to be said."""
        self._day = -1
        self._day_start: dict[str, Decimal] = {}
        self._left = -1
        """The day that a clock set back has left: it has begun, and begins no second time."""
        self.unpriced: set[str] = set()
        """Symbols that were held when the day began and have had no mark since."""
        self._offset: tuple[int, int] | None = None
        """Of the venue's clock as it was told last, and its error, ns."""
        self._stamps_from = 0
        """When the venue's clock was found set back; stamps of before it say nothing since. ns"""
        self.stakes: dict[str, Stake] = {}
        """By quote asset; `stake` makes those that nobody has asked for yet."""

    # ── what comes ────────────────────────────────────────────────────────────────────────────

    def apply(self, fill: Fill) -> Holding:
        """Book one fill. It must not have been booked before: the ledger sees to that."""
        holding = self.holding(fill.symbol)
        size, paid = fill.size, _EXACT.multiply(fill.price, fill.size)
        if fill.side is Side.BUY:
            holding.bought = _EXACT.add(holding.bought, size)
        else:
            holding.sold = _EXACT.add(holding.sold, size)
            size, paid = _EXACT.minus(size), _EXACT.minus(paid)
        holding.fills += 1
        realised, held = holding.realised, holding.size
        self._trade(holding, size, paid)
        if self.unpriced and (not holding.size or holding.size.is_signed() != held.is_signed()):
            self.unpriced.discard(holding.symbol)  # what is held from here on began today
        self._flow(holding.base, size, fill.venue_time)
        self._flow(holding.quote, _EXACT.minus(paid), fill.venue_time)
        if fill.fee:
            self._fee(holding, fill)
        self._note(holding, _EXACT.subtract(holding.realised, realised))
        return holding

    def take_balance(self, balance: Balance) -> None:
        """Keep what the venue says. The first word about an asset is where our count begins.

        An answer that took its time says what was, and not what is.
        """
        known = self.balances.get(balance.asset)
        if (
            known is not None
            and known.received >= self._stamps_from
            and 0 < balance.venue_time < known.venue_time <= balance.received
        ):
            return
        self.balances[balance.asset] = balance
        self.counted_from = self.counted_from or balance.venue_time
        if balance.asset not in self._opening:
            total = _EXACT.add(balance.free, balance.locked)
            self._opening[balance.asset] = _EXACT.subtract(total, self.flow(balance.asset))
            self._opened_at[balance.asset] = balance.venue_time

    def take_offset(self, told: ClockOffset) -> None:
        """Where the venue's clock was set back, what it stamped before is no later than what
        comes."""
        if self._offset is not None:
            offset, error = self._offset
            if told.offset + told.error + _SET_BACK < offset - error:
                self._stamps_from = told.received
                self._opened_at.clear()  # what is stamped earlier may be what comes now
        self._offset = told.offset, told.error

    def take_position(self, position: Position) -> None:
        self.venue_positions[position.symbol] = position

    # ── reading ───────────────────────────────────────────────────────────────────────────────

    def holding(self, symbol: str) -> Holding:
        """The holding of this symbol, a flat one if there was none."""
        found = self.holdings.get(symbol)
        if found is None:
            base, quote = self._assets(symbol)
            found = self.holdings[symbol] = Holding(symbol=symbol, base=base, quote=quote)
        return found

    def position(self, symbol: str) -> Decimal:
        """Base units held of this symbol by our fills; negative when short."""
        found = self.holdings.get(symbol)
        return ZERO if found is None else found.size

    def stake(self, quote: str) -> Stake:
        """The day's result in this asset at a glance; `day_result` is the exact word on it."""
        found = self.stakes.get(quote)
        if found is None:
            found = self.stakes[quote] = Stake()
            self._settle(quote, found)
        return found

    def flow(self, asset: str) -> Decimal:
        """What our fills and fees did to this asset since the start."""
        return self.flows.get(asset, ZERO)

    def free(self, asset: str) -> Decimal | None:
        """What the venue says is free to trade; None when it has not said."""
        balance = self.balances.get(asset)
        return None if balance is None else balance.free

    def differences(self) -> list[Difference]:
        """Assets whose balance at the venue is not the opening balance plus our fills.

        Fills and balances travel apart, so ask when no order is open and nothing is in doubt.
        """
        found = []
        # What positions are held on moves with results and funding, as the venue reckons them:
        # there the positions are compared, and not the money.
        margins = {one.margin for one in self._instruments.values() if one.margin}
        for asset, balance in self.balances.items():
            if asset in margins:
                continue
            ours = _EXACT.add(self._opening[asset], self.flow(asset))
            theirs = _EXACT.add(balance.free, balance.locked)
            if ours != theirs:
                found.append(Difference(asset=asset, ours=ours, theirs=theirs))
        return found

    def contents(self) -> Contents:
        """Everything in it, to be kept."""
        return Contents(
            holdings=list(self.holdings.values()),
            flows=self.flows,
            fees=self.fees,
            balances=list(self.balances.values()),
            positions=list(self.venue_positions.values()),
            opening=self._opening,
            opened_at=self._opened_at,
            counted_from=self.counted_from,
            day=self._day,
            day_start=self._day_start,
            unpriced=sorted(self.unpriced),
            day_left=self._left,
            offset=None if self._offset is None else self._offset[0],
            offset_error=0 if self._offset is None else self._offset[1],
            stamps_from=self._stamps_from,
        )

    def restore(self, kept: Contents) -> None:
        """Go on from what was kept."""
        self.holdings = {holding.symbol: holding for holding in kept.holdings}
        self.flows, self.fees, self._opening = kept.flows, kept.fees, kept.opening
        self.counted_from, self._stamps_from = kept.counted_from, kept.stamps_from
        self._opened_at = kept.opened_at
        self._offset = None if kept.offset is None else (kept.offset, kept.offset_error)
        self.balances = {balance.asset: balance for balance in kept.balances}
        self.venue_positions = {position.symbol: position for position in kept.positions}
        self.stakes.clear()
        for holding in self.holdings.values():
            self._note(holding, holding.realised)
        self.day_started(kept.day, kept.day_start, kept.unpriced, kept.day_left)

    def accept(self, difference: Difference) -> None:
        """Count from the venue's balance on; whoever calls this writes the difference down."""
        self._opening[difference.asset] = _EXACT.subtract(
            difference.theirs, self.flow(difference.asset)
        )

    def result(self, quote: str, marks: Mapping[str, Decimal]) -> Decimal:
        """Realised and open result of all symbols priced in `quote`; no mark, no open result."""
        total = ZERO
        for holding in self.holdings.values():
            if holding.quote == quote:
                total = _EXACT.add(total, holding.realised)
                mark = marks.get(holding.symbol)
                if holding.size and mark is not None:
                    total = _EXACT.add(total, holding.open_result(mark))
        return total

    # ── the day ───────────────────────────────────────────────────────────────────────────────

    def start_day(self, day: int, marks: Mapping[str, Decimal]) -> bool:
        """Begin the UTC day `day` (days since 1970) unless it has begun; says whether it did.

        A day before the one that has begun is of a clock that was set back: what was counted goes
        on under its name; and where the day that it has left comes again, what was lost in it stays
        lost. A position without a mark counts from its first one on (`price_day`).
        """
        if day == self._day:
            return False
        before, self._day = self._day, day
        if day < before:
            self._left = max(self._left, before)
        if day == self._left:
            self._go_on(marks)
        if day < before or day == self._left:
            return True
        self.unpriced = {
            name for name, one in self.holdings.items() if one.size and name not in marks
        }
        quotes = {holding.quote: None for holding in self.holdings.values()}
        self._day_start = {quote: self.result(quote, marks) for quote in quotes}
        for quote, stake in self.stakes.items():
            self._settle(quote, stake)
        return True

    def _go_on(self, marks: Mapping[str, Decimal]) -> None:
        """A day comes again. A loss is of it, by whatever clock; a gain may be of the one before,
        and must hide no loss."""
        if any(one.size and name not in marks for name, one in self.holdings.items()):
            return  # what it is worth nobody knows
        for quote in {holding.quote: None for holding in self.holdings.values()}:
            self._day_start[quote] = max(self.day_start(quote), self.result(quote, marks))
            self._settle(quote, self.stake(quote))

    def price_day(self, marks: Mapping[str, Decimal]) -> bool:
        """What a position was worth that had no mark when the day began: what it is worth by its
        first. Says whether that changed how the day began."""
        changed = False
        for name in tuple(self.unpriced):
            holding, mark = self.holdings[name], marks.get(name)
            if holding.size and mark is None:
                continue
            self.unpriced.remove(name)
            if holding.size and mark is not None:
                changed, quote = True, holding.quote
                worth = _EXACT.add(self.day_start(quote), holding.open_result(mark))
                self._day_start[quote] = worth
                self._settle(quote, self.stake(quote))
        return changed

    def day_starts(self) -> dict[str, Decimal]:
        """The result by quote asset when the day began."""
        return dict(self._day_start)

    def day_started(
        self,
        day: int,
        results: Mapping[str, Decimal],
        unpriced: Iterable[str] = (),
        left: int = -1,
    ) -> None:
        """The UTC day `day` began with these results and these symbols without a mark, as a journal
        tells it; a clock that was set back has `left` a later one (-1: none)."""
        self._day, self._left = day, left
        self._day_start, self.unpriced = dict(results), set(unpriced)
        for quote, stake in self.stakes.items():
            self._settle(quote, stake)

    @property
    def left(self) -> int:
        """The latest day that a clock set back has left; -1: none."""
        return self._left

    @property
    def day(self) -> int:
        """The UTC day that has begun, in days since 1970; -1 before the first."""
        return self._day

    def day_result(self, quote: str, marks: Mapping[str, Decimal]) -> Decimal:
        """Result in `quote` since the day began: negative is a loss."""
        return _EXACT.subtract(self.result(quote, marks), self.day_start(quote))

    def day_start(self, quote: str) -> Decimal:
        """The result in `quote` with which the day began."""
        return self._day_start.get(quote, ZERO)

    # ── booking ───────────────────────────────────────────────────────────────────────────────

    def _trade(self, holding: Holding, size: Decimal, paid: Decimal) -> None:
        """Add `size` (signed) for `paid` (signed alike); what it closes becomes realised."""
        holding.flow = _EXACT.subtract(holding.flow, paid)
        there, here = _EXACT.abs(holding.size), _EXACT.abs(size)
        if holding.size.is_signed() != size.is_signed() and (closing := min(here, there)):
            # The part of this trade that closes, and the part of the cost that leaves with it.
            freed = _share(holding.cost, closing, there)
            got = _share(paid, closing, here)
            holding.cost = _EXACT.subtract(holding.cost, freed)
            holding.realised = _EXACT.subtract(holding.realised, _EXACT.add(freed, got))
            paid = _EXACT.subtract(paid, got)
        holding.size = _EXACT.add(holding.size, size)
        holding.cost = _EXACT.add(holding.cost, paid)

    def _note(self, holding: Holding, realised: Decimal) -> None:
        """So much more was realised in this holding, and it may be another size."""
        stake = self.stake(holding.quote)
        stake.realised = _EXACT.add(stake.realised, realised)
        if holding.size or holding.cost:
            stake.held[holding.symbol] = (float(holding.size), float(holding.cost))
        else:
            stake.held.pop(holding.symbol, None)
        self._settle(holding.quote, stake)

    def _settle(self, quote: str, stake: Stake) -> None:
        began = self.day_start(quote)
        stake.settled = float(_EXACT.subtract(stake.realised, began))
        stake.scale = abs(stake.settled)

    def _fee(self, holding: Holding, fill: Fill) -> None:
        asset = fill.fee_asset
        self._flow(asset, _EXACT.minus(fill.fee), fill.venue_time)
        self.fees[asset] = _EXACT.add(self.fees.get(asset, ZERO), fill.fee)
        holding.fees[asset] = _EXACT.add(holding.fees.get(asset, ZERO), fill.fee)
        if asset == holding.quote:
            holding.flow = _EXACT.subtract(holding.flow, fill.fee)
            holding.realised = _EXACT.subtract(holding.realised, fill.fee)
        elif asset == holding.base:
            # Base units given away for nothing: their cost is lost.
            self._trade(holding, _EXACT.minus(fill.fee), ZERO)

    def _flow(self, asset: str, amount: Decimal, at: int) -> None:
        self.flows[asset] = _EXACT.add(self.flows.get(asset, ZERO), amount)
        if 0 < at <= self._opened_at.get(asset, 0):
            # It came late: the balance with which this asset's count began has it already.
            self._opening[asset] = _EXACT.subtract(self._opening[asset], amount)

    def _assets(self, symbol: str) -> tuple[str, str]:
        instrument = self._instruments.get(symbol)
        if instrument is not None:
            return instrument.base, instrument.quote
        parsed = Symbol.parse(symbol)
        return parsed.base, parsed.quote


def _share(amount: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """`amount x part / whole`; all of it, unrounded, when the part is the whole."""
    if part == whole:
        return amount
    exact = _EXACT.divide(_EXACT.multiply(amount, part), whole)
    return exact.quantize(_CENT, rounding=ROUND_HALF_EVEN, context=_EXACT)
