"""A desk in a world with a rival: what order cards have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from decimal import ROUND_CEILING, Decimal
from typing import TypeAlias, TypeVar

from pitwire.conformance.cards import Exam
from pitwire.desk.config import parse_config
from pitwire.desk.desk import Desk
from pitwire.desk.opening import open_desk
from pitwire.model.credentials import Credentials
from pitwire.model.events import Event, Update
from pitwire.model.orders import OrderState, Side, UpdateKind
from pitwire.sim.facts import Kind, NewOrder, SimOrder, Status, Tif
from pitwire.sim.faults import Fault
from pitwire.trading.journal import Came, MemoryJournal
from pitwire.trading.ledger import OrderLedger
from pitwire.trading.tracked import Tracked
from pitwire.trading.wishes import Wish, order
from pitwire.venues.registry import lending

E = TypeVar("E", bound=Event)
_PATIENCE_SECONDS = 20.0
_TIMES = 10
"""Times the least size that an order of ours has, so that it can trade in parts."""
CONFIG = """
mode = "sim"
seed = {seed}
[venue]
name = "{venue}"
symbols = ["{symbol}"]
channels = [{channels}]
[log]
file = ""
[risk]
max_order_notional = 1_000_000_000
collar_percent = 100
"""


class Dealing:
    """One world, one desk, one story."""

    def __init__(
        self, exam: Exam, *, faults: tuple[Fault, ...] = (), by_hand: bool = False
    ) -> None:
        self.exam = exam
        self.symbol = exam.candidate.symbols[0]
        self.world = exam.world(faults=faults, scenario=None)
        self.listing = self.world.exchange.listings[self.symbol]
        self.journal = MemoryJournal()
        self._desk: Desk | None = None
        self._account = "main"
        self._middle = self.listing.start_price
        least = 2 * self.listing.min_notional / (self._middle * self.listing.tick)
        lots = (least / self.listing.lot).to_integral_value(ROUND_CEILING)
        self.lots = _TIMES * max(int(lots), self.listing.min_lots, 1)
        for side, away in ((Side.SELL, 100), (Side.BUY, -100)):
            self.rival(side, lots=100 * self.lots, price=self._middle + away)
        self.before = self.by_hand("by-hand-1") if by_hand else None

    # ── the story ─────────────────────────────────────────────────────────────────────────────

    @property
    def desk(self) -> Desk:
        """The desk, while the story goes on."""
        assert self._desk is not None, "a story has a desk"
        return self._desk

    @property
    def ledger(self) -> OrderLedger:
        """What it believes."""
        return self.desk.engine.state.ledger

    @property
    def now(self) -> int:
        """The right time."""
        return self.world.clock.now()

    def run(self, story: Story) -> str:
        """Open a desk, live the story, stop; the first thing that was wrong."""
        with lending(self.exam.venue):
            return self.world.run(self._live(story))

    async def _live(self, story: Story) -> str:
        candidate = self.exam.candidate
        channel = "ticker" if "ticker" in self.exam.venue.channels else "book"
        text = CONFIG.format(
            seed=self.exam.seed,
            venue=self.exam.venue.name,
            symbol=self.symbol,
            channels=f'"{channel}"',
        )
        self._desk = await open_desk(
            parse_config(text),
            endpoints=candidate.endpoints,
            credentials=Credentials(*self.world.keys_of("main")[candidate.keys]),
            dial=self.world.dial,
            fetch=self.world.fetch,
            clock=self.world.client_clock,
            journals=[self.journal],
        )
        try:
            self.stir()
            if not await self.until(lambda: self._sees_market(), 60.0):
                return "the market was never seen"
            return await story(self)
        finally:
            await self.desk.stop()

    def _sees_market(self) -> bool:
        touch = self.desk.engine.state.touch(self.symbol)
        if touch is None or not touch[0]:
            self.stir()
            return False
        return True

    async def until(self, test: Callable[[], object], seconds: float = _PATIENCE_SECONDS) -> bool:
        """Wait until something is so; whether it is."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not test():
                    await asyncio.sleep(0.05)
                return True
        return False

    # ── what we do ────────────────────────────────────────────────────────────────────────────

    def command(self, *wishes: Wish) -> list[str]:
        """Wish as a person would; ids of what left."""
        ids = []
        engine = self.desk.engine
        for one in engine.screen.admit(wishes, engine.state, self.now):
            ids.append(getattr(one, "id", getattr(one, "order_id", "")))
            self.desk.gateway.send(one, self.now)
        if not ids:
            raise AssertionError(f"risk refused: {self.journal.records[-1]}")
        return ids

    def rest(self) -> Tracked:
        """An order between the rival's, which rests."""
        return self._order(Side.SELL, self._middle * self.listing.tick, self.lots)

    async def resting(self) -> Tracked:
        """The same, and the venue has said so."""
        found = self.rest()
        await self.until(lambda: found.state is OrderState.OPEN)
        return found

    def take(self) -> Tracked:
        """An order that trades at once."""
        return self._order(Side.SELL, (self._middle - 100) * self.listing.tick, self.lots)

    def _order(self, side: Side, price: Decimal, lots: int) -> Tracked:
        size = lots * self.listing.lot
        [name] = self.command(order(self.symbol, side, size=size, price=price))
        found = self.ledger.find(name)
        assert found is not None, "what left is in the ledger"
        return found

    # ── what others do ────────────────────────────────────────────────────────────────────────

    def rival(self, side: Side, *, lots: int, price: int, tif: Tif = Tif.GTC) -> SimOrder:
        """The other account places an order."""
        return self._place("rival", side, lots=lots, price=price, tif=tif)

    def rival_takes(self, share: Decimal) -> None:
        """It trades against so much of an order of ours."""
        lots = int(share * self.lots)
        self.rival(Side.BUY, lots=lots, price=self._middle, tif=Tif.IOC)

    def by_hand(self, name: str) -> SimOrder:
        """Somebody else places an order on our account, that rests."""
        return self._place(
            self._account, Side.BUY, lots=self.lots, price=self._middle - 200, name=name
        )

    @contextmanager
    def halted(self) -> Iterator[None]:
        """Nothing trades meanwhile, and nobody was told."""
        self._set_status("HALT")
        yield
        self._set_status("TRADING")

    def _set_status(self, status: str) -> None:
        self.world.exchange.set_status(self.symbol, status, self.now)
        self.world.act()

    def inject(self, *faults: Fault) -> None:
        """From now on this goes wrong as well."""
        self.world.plan.inject(faults, self.now)

    def stir(self) -> None:
        """Something moves, so that streams have something to say."""
        lots = max(1, self.lots // _TIMES)
        self.rival(Side.SELL, lots=lots, price=self._middle + 100)

    def _place(
        self,
        account: str,
        side: Side,
        *,
        lots: int,
        price: int,
        tif: Tif = Tif.GTC,
        name: str = "",
    ) -> SimOrder:
        request = NewOrder(
            account=account,
            symbol=self.symbol,
            side=side,
            kind=Kind.LIMIT,
            tif=tif,
            lots=lots,
            price=price,
            client_id=name,
        )
        placed = self.world.exchange.place(request, self.now)
        self.world.act()
        return placed

    # ── what is so ────────────────────────────────────────────────────────────────────────────

    def orders(self) -> list[SimOrder]:
        """All of the account's."""
        return self.world.exchange.all_orders(self._account, self.symbol)

    def truth(self, one: Tracked) -> SimOrder | None:
        """The order as the exchange has it."""
        name = self.exam.candidate.known_as(self.world, one.symbol, one.id)
        for found in self.orders():
            if name in (found.client_id, found.original_client_id):
                return found
        return None

    def agree(self, one: Tracked, state: OrderState, status: Status) -> str:
        """What is wrong with an order, ours held against the venue's."""
        theirs = self.truth(one)
        if theirs is None:
            return f"{one.id} is {one.state} for us, and the venue never had it"
        if (one.state, theirs.status) != (state, status):
            return f"{one.id} is {one.state} for us, {theirs.status} at the venue, expected {state}"
        filled = theirs.filled_lots * self.listing.lot
        if one.filled != filled or one.filled_quote != theirs.filled_quote:
            ours = f"{one.filled} for {one.filled_quote}"
            return f"{one.id}: filled {ours}, at the venue {filled} for {theirs.filled_quote}"
        return ""

    def came(self, kind: type[E]) -> list[E]:
        """Events of this kind that the desk was told."""
        return [
            one.event
            for one in self.journal.records
            if isinstance(one, Came) and isinstance(one.event, kind)
        ]

    def told(self, one: Tracked, update: UpdateKind) -> bool:
        """Whether this was said of an order."""
        return any(each.update is update and each.order_id == one.id for each in self.came(Update))


Story: TypeAlias = Callable[[Dealing], Awaitable[str]]
"""What happens; returns what is wrong, "" for nothing."""
