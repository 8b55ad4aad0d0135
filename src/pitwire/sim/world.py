"""A whole simulated venue as one object: exchange, crowd, façade, faults and links in memory.

House rules: everything follows from the seed; time moves only through `advance` or inside `run`;
the truth may be looked at, for tests, but only the venue's own frames reach a client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import TypeAlias, TypeVar, cast

from pitwire.model.clock import SECOND, Clock
from pitwire.model.entropy import Entropy
from pitwire.model.errors import ConfigError, StateError
from pitwire.sim.alpaca_listings import ALPACA_LISTINGS, ALPACA_STAKES
from pitwire.sim.clocks import FaultyClock, SteerableClock
from pitwire.sim.crowd import Crowd, Crowds
from pitwire.sim.deeds import Deeds
from pitwire.sim.exchange import Exchange
from pitwire.sim.express import Express, LongWay
from pitwire.sim.facades.alpaca import AlpacaFacade
from pitwire.sim.facades.alpaca_options import AlpacaOptions
from pitwire.sim.facades.binance import BinanceFacade
from pitwire.sim.facades.binance_auth import ApiKey
from pitwire.sim.facades.binance_options import BinanceOptions
from pitwire.sim.facades.binance_usdm import UsdmFacade
from pitwire.sim.facades.facade import Judge, Market
from pitwire.sim.facades.ibkr import IbkrFacade
from pitwire.sim.facades.ibkr_options import IbkrOptions
from pitwire.sim.facades.usdm_options import UsdmOptions
from pitwire.sim.facts import Listing
from pitwire.sim.faults import Fault, Pause
from pitwire.sim.filters import Ceilings
from pitwire.sim.futures import FuturesExchange
from pitwire.sim.futures_listings import FUTURES, STAKES
from pitwire.sim.history import RecordedMarket
from pitwire.sim.keys import KeyPair, ed25519_pair, hmac_pair
from pitwire.sim.latency import INSTANT, Latency
from pitwire.sim.links import HttpAnswer, Listener, MemoryCarrier, MemoryDialer, MemoryLink
from pitwire.sim.loop import START, PlayedLoop, SimLoop, Source
from pitwire.sim.marks import Marks
from pitwire.sim.plan import FaultPlan
from pitwire.sim.scenarios import Scenario
from pitwire.sim.scenarios import scenario as scenario_named
from pitwire.sim.scripts import script
from pitwire.sim.shares import SHARE_STAKES, SHARES
from pitwire.sim.stage import OperatedFacade, SecretiveFacade, Stage

Answer = TypeVar("Answer")

MARKET_URL = "ws://venue.test"
ORDERS_URL = "ws://venue.test/ws-api/v3"
FUTURES_ORDERS_URL = "ws://venue.test/ws-fapi/v1"
HTTP_URL = "http://venue.test"
MakeFacade: TypeAlias = Callable[[Market, Judge], OperatedFacade]
"""(exchange, judge of requests) → a façade of another venue over the same exchange."""
SPOT, USDM, ALPACA, IBKR = "binance", "binance-usdm", "alpaca", "ibkr"
VENUES = (SPOT, USDM, ALPACA, IBKR)
"""What a world can be."""

BTC_USDT = Listing(
    symbol="BTC-USDT",
    base="BTC",
    quote="USDT",
    tick=Decimal("0.01"),
    lot=Decimal("0.00001"),
    max_price=100_000_000,
    max_lots=900_000_000,
    market_max_lots=14_167_845,
    min_notional=Decimal(5),
    max_notional=Decimal(9_000_000),
    percent_up=Decimal(2),
    percent_down=Decimal("0.5"),
    start_price=6_000_000,
)
ETH_USDT = Listing(
    symbol="ETH-USDT",
    base="ETH",
    quote="USDT",
    tick=Decimal("0.01"),
    lot=Decimal("0.0001"),
    max_price=100_000_000,
    max_lots=90_000_000,
    market_max_lots=20_000_000,
    min_notional=Decimal(5),
    max_notional=Decimal(9_000_000),
    percent_up=Decimal(2),
    percent_down=Decimal("0.5"),
    start_price=300_000,
)
ETH_BTC = Listing(
    symbol="ETH-BTC",
    base="ETH",
    quote="BTC",
    tick=Decimal("0.00001"),
    lot=Decimal("0.0001"),
    max_price=92_233,
    max_lots=1_000_000_000,
    market_max_lots=20_000_000,
    min_notional=Decimal("0.0001"),
    max_notional=Decimal(9_000_000),
    percent_up=Decimal(2),
    percent_down=Decimal("0.5"),
    start_price=5_000,
)
LISTINGS = (BTC_USDT, ETH_USDT, ETH_BTC)
BALANCES: Mapping[str, Decimal] = {
    "BTC": Decimal(10),
    "ETH": Decimal(100),
    "USDT": Decimal(1_000_000),
}
_STAKES_OF: Mapping[str, Mapping[str, Decimal]] = {
    USDM: STAKES, ALPACA: ALPACA_STAKES, IBKR: SHARE_STAKES,
}  # fmt: skip
"""Venue → what an account begins with; `BALANCES` at any other."""


_LISTED: Mapping[str, Sequence[Listing]] = {ALPACA: ALPACA_LISTINGS, IBKR: SHARES}
"""Venue → what is listed there; `LISTINGS` at any other that is spot."""
Options: TypeAlias = BinanceOptions | AlpacaOptions | IbkrOptions
"""Of any venue's façade."""


class WorldClock:
    """The world's time: moved by hand, or by the loop that runs it."""

    def __init__(self, start: int) -> None:
        self._now = start
        self.loop: SimLoop | None = None

    def now(self) -> int:
        """ns since the epoch."""
        return self._now if self.loop is None else self.loop.now()

    @property
    def is_sleepless(self) -> bool:
        """Whether every timer comes at its time: no script that stands still is played."""
        return isinstance(self.loop, PlayedLoop)

    def reach(self, now: int) -> None:
        """Move by hand, unless it is later already."""
        self._now = max(self._now, now)

    def set(self, now: int) -> None:
        """Move by hand; backwards is refused."""
        if now < self._now:
            raise ValueError(f"now: found {now}, expected {self._now} or later")
        self._now = now


class World:
    """A simulated venue with everything around it: one of `VENUES`."""

    def __init__(
        self,
        *,
        seed: int = 1,
        venue: str = SPOT,
        listings: Sequence[Listing] | None = None,
        scenario: str | Scenario | None = "calm",
        crowded: Sequence[str] | None = None,
        faults: str | Sequence[Fault] = (),
        latency: Latency = INSTANT,
        start: int = START,
        clock: Clock | None = None,
        options: Options | None = None,
        listen_keys: bool = False,
        recording: RecordedMarket | None = None,
        ceilings: Ceilings | None = None,
        accounts: Mapping[str, Mapping[str, Decimal]] | None = None,
        may_withdraw: bool = False,
        facade: MakeFacade | None = None,
    ) -> None:
        self.entropy = Entropy(seed)
        start = start if clock is None else clock.now()
        self._virtual = WorldClock(start)
        self.clock: Clock = clock or self._virtual
        """Virtual unless a real one was given, as `serve` needs it."""
        self.recording = recording
        """A recorded market that our orders join; then there is no crowd."""
        self.venue = _demand_known(venue, recording)
        self.exchange: Exchange | RecordedMarket = recording or self._exchange(listings, ceilings)
        self.crowds = self._crowds(scenario, crowded)
        faults = script(faults) if isinstance(faults, str) else faults
        self.client_clock: Clock = FaultyClock(self.clock, faults)
        """What a client on this machine reads: the clock, with the script's faults upon it."""
        self._begun = start
        self.plan = FaultPlan(faults, entropy=self.entropy.child("faults"), start=start)
        for crowd in self.crowds.values():
            crowd.handle_deadline(start)
        stakes = _STAKES_OF.get(venue, BALANCES)
        balances = {"main": stakes} if accounts is None else accounts
        for name, amounts in balances.items():
            self.exchange.open_account(name, amounts)
        # Somebody else's façade has the manners of `OperatedFacade` and no operator's door.
        self.facade = (
            cast(BinanceFacade, facade(self.exchange, self.plan.request))
            if facade is not None
            else self._facade(options, listen_keys, tuple(balances))
        )
        self.pairs = {name: self._issue(name, may_withdraw) for name in balances}
        self.stage = Stage(
            self.facade,
            actors=(
                self.exchange,
                Crowds(self.crowds.values()),
                *self._deeds(faults),
                *self._marks(start),
            ),
            plan=self.plan,
            now=start,
        )
        self.carrier = MemoryCarrier(
            self.stage,
            latency=latency,
            entropy=self.entropy.child("latency"),
            now=self.clock.now,
            alarm=self._alarm,
        )
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0
        self._rings, self._is_ours = True, facade is None
        """Whether a timer tells the loop what is due later, or it looks by itself; whose façade."""

    @property
    def keys(self) -> dict[str, tuple[str, str]]:
        """`hmac` and `ed25519` → (API key, secret or private key in PEM) of the first account."""
        return self.keys_of(next(iter(self.pairs)))

    def keys_of(self, account: str) -> dict[str, tuple[str, str]]:
        """The same for any account."""
        return {kind: (pair.key, pair.secret) for kind, pair in self.pairs[account].items()}

    # -- a client's ways in

    async def dial(self, url: str, receiver: Listener) -> MemoryLink:
        """Connect within `run`; raises `DialFailed`."""
        return await self.carrier.dial(url, receiver)

    @property
    def dialer(self) -> MemoryDialer:
        """`dial` as a thing that can be given headers, as the SBE streams want them."""
        return MemoryDialer(self.carrier)

    async def fetch(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> HttpAnswer:
        """Ask over HTTP within `run`; raises `DialFailed`."""
        return await self.carrier.fetch(method, url, headers, body)

    def open(
        self, url: str, receiver: Listener, headers: Mapping[str, str] | None = None
    ) -> MemoryLink:
        """Connect outside any loop; move on with `advance`."""
        return self.carrier.open(url, receiver, headers or {})

    # -- time

    def advance(self, seconds: float = 0.0) -> int:
        """Let so much time pass, outside any loop; returns the new time."""
        clock = self._demand_virtual("advance")
        now = clock.now() + round(seconds * SECOND)
        self.carrier.run(now, pass_time=clock.reach)
        clock.set(now)
        self.carrier.run(now)
        return now

    def run(
        self, main: Coroutine[object, object, Answer], *, within_seconds: float = 3600.0
    ) -> Answer:
        """Run a coroutine in virtual time; `TimeoutError` when it takes longer than that."""
        clock = self._demand_virtual("run")
        source = self._source()
        loop = SimLoop(clock.now()) if source is None else PlayedLoop(clock.now(), source)
        self._rings = source is None
        clock.loop = loop
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                return runner.run(self._limited(main, within_seconds))
        finally:
            self._timer = None
            clock.loop = None
            clock.set(loop.now())

    def _source(self) -> Source | None:
        """What happens between two timers of a client; None where the venue has its own."""
        if self.recording is None:
            return None
        return self._express() or LongWay(self.carrier)

    def _express(self) -> Express | None:
        """The short way, where there is one: a recorded market, our own façade, and no faults."""
        if self.recording is None or self.plan.faults or not self._is_ours:
            return None
        return Express(self.recording, self.facade, self.stage, self.carrier)

    async def _limited(self, main: Coroutine[object, object, Answer], seconds: float) -> Answer:
        self.carrier.arm()
        self._plan_pauses()
        async with asyncio.timeout(seconds):
            return await main

    def _plan_pauses(self) -> None:
        """The client stands still: in virtual time, the loop wakes up late."""
        loop = self._virtual.loop
        assert loop is not None, "within `run` there is a loop"
        for pause in (fault for fault in self.plan.faults if isinstance(fault, Pause)):
            at = self._begun + round(pause.at_seconds * SECOND)
            if at >= loop.now():
                loop.call_at_ns(at, partial(loop.skip, round(pause.for_seconds * SECOND)))

    def act(self) -> None:
        """Publish what a test has just done to the exchange directly."""
        self.stage.act(self.clock.now())
        self.carrier.run(self.clock.now())

    def skip(self, seconds: float) -> None:
        """Leave out so much of a served venue's time, for who cannot wait: its clients live through
        none of it, and are cut off for nothing that they could not do.

        Raises `StateError` where the clock cannot be moved, `ValueError` for a time that is none.
        """
        if not isinstance(self.clock, SteerableClock):
            raise StateError(verb="skip", state="on another's clock", expected="a SteerableClock")
        self.clock.skip(seconds)
        self.facade.skipped(round(seconds * SECOND))

    # -- the truth

    def catch_up(self) -> None:
        """Let a venue that nobody hears publish what it has left out."""
        self.stage.catch_up(self.clock.now())

    def truth_book(self, symbol: str) -> tuple[int, list[tuple[str, str]], list[tuple[str, str]]]:
        """(update id, bids, asks) as the exchange holds them, prices and sizes as plain text."""
        self.catch_up()
        listing, book = self.exchange.listings[symbol], self.exchange.book(symbol)

        def text(levels: Sequence[tuple[int, int]]) -> list[tuple[str, str]]:
            return [
                (format(price * listing.tick, "f"), format(lots * listing.lot, "f"))
                for price, lots in levels
            ]

        return book.update_id, text(book.bids), text(book.asks)

    def nudge(self, symbol: str, bips: float) -> None:
        """Push a symbol's price."""
        self.crowds[symbol].nudge(bips, self.clock.now())
        self.act()

    # -- inside

    def _crowds(
        self, scenario: str | Scenario | None, crowded: Sequence[str] | None
    ) -> dict[str, Crowd]:
        """A crowd for each symbol (of `crowded`, where that is given)."""
        if scenario is None or not isinstance(self.exchange, Exchange):
            return {}
        chosen = scenario_named(scenario) if isinstance(scenario, str) else scenario
        entropy = self.entropy.child("crowd")
        return {
            symbol: Crowd(self.exchange, symbol, chosen, entropy)
            for symbol in self.exchange.listings
            if crowded is None or symbol in crowded
        }

    def _exchange(self, listings: Sequence[Listing] | None, ceilings: Ceilings | None) -> Exchange:
        entropy = self.entropy.child("exchange")
        if self.venue == USDM:
            return FuturesExchange(FUTURES if listings is None else listings, entropy=entropy)
        ours = _LISTED.get(self.venue, LISTINGS)
        chosen = ours if listings is None else listings
        return Exchange(chosen, entropy=entropy, ceilings=ceilings)

    def _facade(
        self, options: Options | None, listen_keys: bool, accounts: Sequence[str]
    ) -> BinanceFacade:
        entropy = self.entropy.child("facade")
        if self.venue == ALPACA:
            return cast(BinanceFacade, self._alpaca(options, entropy))
        if self.venue == IBKR:
            return cast(BinanceFacade, self._ibkr(options, entropy, accounts))
        if isinstance(options, AlpacaOptions | IbkrOptions):
            found = type(options).__name__
            raise ConfigError(where="options", found=found, expected="BinanceOptions")
        if isinstance(self.exchange, FuturesExchange):
            if options is not None and not isinstance(options, UsdmOptions):
                raise ConfigError(where="options", found="BinanceOptions", expected="UsdmOptions")
            return UsdmFacade(
                self.exchange, entropy=entropy, options=options, judge=self.plan.request
            )
        return BinanceFacade(
            self.exchange,
            entropy=entropy,
            options=options,
            listen_keys=listen_keys,
            replaying=self.recording is not None,
            judge=self.plan.request,
        )

    def _ibkr(
        self, options: Options | None, entropy: Entropy, accounts: Sequence[str]
    ) -> IbkrFacade:
        if options is not None and not isinstance(options, IbkrOptions):
            found = type(options).__name__
            raise ConfigError(where="options", found=found, expected="IbkrOptions")
        return IbkrFacade(
            self.exchange,
            entropy=entropy,
            accounts=accounts[:1],  # one login; the others are other people
            options=options,
            judge=self.plan.request,
        )

    def _alpaca(self, options: Options | None, entropy: Entropy) -> AlpacaFacade:
        if options is not None and not isinstance(options, AlpacaOptions):
            found = type(options).__name__
            raise ConfigError(where="options", found=found, expected="AlpacaOptions")
        # Where frames are to be broken, each is of one channel and symbol: one can be meant.
        options = options or AlpacaOptions(mixed_frames=not self.plan.may_touch_frames)
        return AlpacaFacade(
            self.exchange, entropy=entropy, options=options, judge=self.plan.request
        )

    def _marks(self, start: int) -> list[Marks]:
        """Whoever reckons marks and funding, where there are any."""
        return [Marks(self.exchange, start)] if isinstance(self.exchange, FuturesExchange) else []

    def _deeds(self, faults: Sequence[Fault]) -> list[Deeds]:
        if not isinstance(self.exchange, Exchange):
            return []
        begun, plan = self._begun, self.plan
        return [Deeds(faults, self.exchange, plan=plan, start=begun, revoke=self._revoke,
                      relist=self._relist)]  # fmt: skip

    def _relist(self, symbol: str) -> None:
        self.facade.office.relist(self.exchange.listings[symbol])

    def _revoke(self, account: str) -> None:
        for pair in self.pairs[account].values():
            self.facade.revoke_key(pair.key)

    def _issue(self, account: str, may_withdraw: bool) -> dict[str, KeyPair]:
        pairs = {
            "hmac": hmac_pair(self.entropy, account),
            "ed25519": ed25519_pair(self.entropy, account),
        }
        for pair in pairs.values():
            key = ApiKey(pair.key, account, pair.material, may_withdraw=may_withdraw)
            if isinstance(self.facade, BinanceFacade):
                self.facade.add_key(key)
        if isinstance(self.facade, SecretiveFacade):
            self.facade.admit(pairs["hmac"].key, pairs["hmac"].secret, account)
        return pairs

    def _demand_virtual(self, verb: str) -> WorldClock:
        if self.clock is not self._virtual:
            raise StateError(verb=verb, state="on a real clock", expected="a world of its own time")
        return self._virtual

    def _alarm(self, at: int) -> None:
        loop = self._virtual.loop
        if loop is None or (self._timer is not None and self._timer_at <= at):
            return
        if not self._rings and at > loop.now():
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        self._timer = loop.call_at_ns(max(at, loop.now()), self._ring)

    def _ring(self) -> None:
        self._timer = None
        try:
            self.carrier.run(self.clock.now())
        except BaseException:
            self.carrier.arm()  # a receiver that raises does not stop the world
            raise


def _demand_known(venue: str, recording: RecordedMarket | None) -> str:
    if venue not in VENUES:
        raise ConfigError(where="venue", found=venue, expected=f"one of {', '.join(VENUES)}")
    if venue != SPOT and recording is not None:
        raise ConfigError(where="venue", found=venue, expected=f"{SPOT} for a recorded market")
    return venue
