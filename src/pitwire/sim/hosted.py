"""A served venue in a thread of its own: for tests that block, in any client's own way.

House rules: the world is touched in its own thread alone; whatever is asked of it here waits for
the answer; leaving the `with` ends the thread, whatever happened inside.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from decimal import Decimal
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Self, TypeVar

from pitwire.model.clock import SystemClock
from pitwire.model.errors import ConfigError, StateError
from pitwire.model.orders import Side
from pitwire.sim.alpaca_listings import ALPACA_LISTINGS
from pitwire.sim.certificates import local_authority
from pitwire.sim.clocks import SteerableClock
from pitwire.sim.facts import Kind, Listing, NewOrder, Stp, Tif
from pitwire.sim.faults import Fault
from pitwire.sim.futures_listings import FUTURES
from pitwire.sim.scenario_files import Market, assets_of, contracts_of, load_market, shares_of
from pitwire.sim.scenarios import Scenario
from pitwire.sim.scenarios import scenario as scenario_named
from pitwire.sim.scripts import script
from pitwire.sim.serve import serve
from pitwire.sim.shares import SHARES
from pitwire.sim.world import ALPACA, IBKR, LISTINGS, SPOT, USDM, World

Answer = TypeVar("Answer")
Amounts = Mapping[str, Mapping[str, Decimal]]
PATIENCE = 30.0
"""Seconds that a question may take."""
COUNTERPARTY = "counterparty"
"""The account behind `HostedVenue.trade`; it owns as much as it takes."""
_LISTED = {USDM: FUTURES, ALPACA: ALPACA_LISTINGS, IBKR: SHARES}
"""World → what is listed there where nobody says; Binance's spot pairs at any other."""


class HostedVenue:
    """A simulated venue on local ports, alive between `with` and its end.

    `venue` is `binance`, `binance-usdm`, `alpaca` or `ibkr`.

    `scenario` is a name, a `Scenario`, the path of a TOML file, or None for a market in which
    nobody trades but you. `tls=True` serves `wss://` and `https://`; `authority` is what to trust.
    """

    def __init__(
        self,
        *,
        scenario: str | Scenario | Path | None = None,
        seed: int = 1,
        venue: str = SPOT,
        listings: Sequence[Listing] | None = None,
        accounts: Amounts | None = None,
        faults: str | Sequence[Fault] = (),
        listen_keys: bool = False,
        port: int = 0,
        tls: bool = False,
    ) -> None:
        clock = SteerableClock(SystemClock())
        ours = _LISTED.get(venue, LISTINGS)
        market = _market(scenario, ours if listings is None else listings, accounts)
        if venue == USDM and isinstance(scenario, Path):
            market = contracts_of(market)
        if venue == ALPACA and isinstance(scenario, Path):
            market = assets_of(market)
        if venue == IBKR and isinstance(scenario, Path):
            market = shares_of(market)
        self.world = World(
            seed=seed,
            venue=venue,
            listings=market.listings,
            scenario=None if scenario is None else market.scenario,
            crowded=market.crowded,
            accounts=market.accounts or None,
            ceilings=market.limits,
            faults=faults,
            listen_keys=listen_keys,
            clock=clock,
        )
        self.world.exchange.open_account(COUNTERPARTY, {}, unlimited=True)
        self._clock = clock
        self._tls = local_authority(clock.now()) if tls else None
        self.authority = self._tls.pem.decode() if self._tls else ""
        """The certificate to trust, in PEM."""
        self._venue = serve(self.world, port=port, ssl=self._tls.server if self._tls else None)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: Thread | None = None
        self._over: asyncio.Event | None = None

    # ── where it is ───────────────────────────────────────────────────────────────────────────

    @property
    def market_url(self) -> str:
        return self._venue.market_url

    @property
    def orders_url(self) -> str:
        return self._venue.orders_url

    @property
    def http_url(self) -> str:
        return self._venue.http_url

    def key(self, kind: str = "hmac", account: str = "") -> tuple[str, str]:
        """(API key, secret or private key in PEM) of an account, the first where none is named."""
        name = account or next(iter(self.world.pairs))
        return self.world.keys_of(name)[kind]

    # ── what a test does to it ────────────────────────────────────────────────────────────────

    def ask(self, question: Callable[[World], Answer]) -> Answer:
        """Have something done to the world, or read, in its own thread."""

        def act() -> Answer:
            answer = question(self.world)
            self._venue.act()
            return answer

        return self._call(act)

    def trade(self, side: Side, price: Decimal | str, size: Decimal | str, symbol: str = "BTC-USDT",
              tif: Tif = Tif.GTC) -> int:  # fmt: skip
        """Somebody else places a limit order; returns its id. What is left of it rests."""

        def place(world: World) -> int:
            listing = world.exchange.listings[symbol]
            request = NewOrder(
                account=COUNTERPARTY,
                symbol=symbol,
                side=side,
                kind=Kind.LIMIT,
                tif=tif,
                stp=Stp.NONE,
                price=_whole("price", Decimal(price), listing.tick),
                lots=_whole("size", Decimal(size), listing.lot),
            )
            return world.exchange.place(request, world.clock.now()).order_id

        return self.ask(place)

    def nudge(self, symbol: str, bips: float) -> None:
        """Push a price that a crowd makes."""
        self.ask(lambda world: world.crowds[symbol].nudge(bips, world.clock.now()))

    def set_status(self, symbol: str, status: str) -> None:
        """`HALT` a symbol, or let it be `TRADING` again."""
        self.ask(lambda world: world.exchange.set_status(symbol, status, world.clock.now()))

    def skip(self, seconds: float) -> None:
        """Move the venue's time ahead; its clients' clocks stay behind."""
        self.ask(lambda world: world.skip(seconds))

    def inject(self, faults: str | Sequence[Fault]) -> None:
        """Break it, by the name of a script or with faults; times count from now."""
        chosen = script(faults) if isinstance(faults, str) else faults
        self.ask(lambda world: world.plan.inject(chosen, world.clock.now()))

    def hang_up(self, role: str = "") -> int:
        """Close the connections of `market` or `orders` (or all); returns how many."""

        def close(world: World) -> int:
            links = [n for n, label in world.stage.links().items() if label.startswith(role)]
            for link in links:
                world.facade.close(link, 1001, "Going away")
            return len(links)

        return self.ask(close)

    # ── the truth ─────────────────────────────────────────────────────────────────────────────

    def book(self, symbol: str) -> tuple[dict[str, str], dict[str, str]]:
        """Bids and asks, price → size, as the exchange holds them."""
        _, bids, asks = self.ask(lambda world: world.truth_book(symbol))
        return dict(bids), dict(asks)

    def balances(self, account: str = "") -> dict[str, tuple[Decimal, Decimal]]:
        """Asset → (free, locked)."""
        name = account or next(iter(self.world.pairs))
        return self.ask(lambda world: world.exchange.balances(name))

    def open_orders(self, account: str = "") -> list[int]:
        """Ids of the orders that are open."""
        name = account or next(iter(self.world.pairs))
        return self.ask(
            lambda world: [order.order_id for order in world.exchange.open_orders(name)]
        )

    # ── its life ──────────────────────────────────────────────────────────────────────────────

    def __enter__(self) -> Self:
        started: Future[None] = Future()
        self._thread = Thread(target=self._live, args=(started,), daemon=True, name="pitwire venue")
        self._thread.start()
        started.result(PATIENCE)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._loop is not None and self._over is not None:
            self._loop.call_soon_threadsafe(self._over.set)
        if self._thread is not None:
            self._thread.join(PATIENCE)

    def _live(self, started: Future[None]) -> None:
        async def live() -> None:
            self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
            async with self._venue:
                started.set_result(None)
                await self._over.wait()

        try:
            asyncio.run(live())
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    def _call(self, act: Callable[[], Answer]) -> Answer:
        loop = self._loop
        if loop is None or self._thread is None or not self._thread.is_alive():
            raise StateError(verb="ask", state="not alive", expected="within its `with`")

        async def answer() -> Answer:
            return act()

        return asyncio.run_coroutine_threadsafe(answer(), loop).result(PATIENCE)


def _market(
    scenario: str | Scenario | Path | None, listings: Sequence[Listing], accounts: Amounts | None
) -> Market:
    """Everything a world needs, wherever it is said."""
    given = {name: dict(amounts) for name, amounts in (accounts or {}).items()}
    if isinstance(scenario, Path):
        found = load_market(scenario)
        return found._replace(accounts=given or found.accounts)
    chosen = scenario if isinstance(scenario, Scenario) else scenario_named(scenario or "calm")
    symbols = [listing.symbol for listing in listings]
    return Market(chosen, list(listings), symbols, given)


def _whole(name: str, value: Decimal, step: Decimal) -> int:
    count, rest = divmod(value, step)
    if rest or count <= 0:
        raise ConfigError(where=name, found=value, expected=f"a multiple of {step}")
    return int(count)
