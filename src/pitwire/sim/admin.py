"""The operator's door to a served venue: move its time and market, break it, read the truth.

House rules: loopback only, and only for who has the token; every answer is JSON, every refusal one
line that names field and value; what a client sees changes only as it would at a real venue.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from decimal import Decimal
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias, TypeVar

import msgspec
from aiohttp import web

from pitwire.model.clock import MILLISECOND
from pitwire.model.errors import ConfigError
from pitwire.model.orders import Side
from pitwire.sim.clocks import SteerableClock
from pitwire.sim.facts import Listing, Refused, SimOrder
from pitwire.sim.faults import Fault
from pitwire.sim.futures import FuturesExchange
from pitwire.sim.kit import find_scripts, kit
from pitwire.sim.scripts import SCRIPTS
from pitwire.sim.serve import Venue

HOST = "127.0.0.1"
MOST_SECONDS = 3_600.0
"""How far the venue's time is moved ahead in one request: the market has to catch up."""
_STRIDE_SECONDS = 1.0
_DIGITS = 18
"""Of a deposit, on either side of its point: what is added to it is still exact."""
_LARGEST_REQUEST = 1 << 16
Ask = TypeVar("Ask")
Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]
_encode = msgspec.json.Encoder(decimal_format="string").encode


class Advance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /advance."""

    seconds: float


class Inject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /faults: faults as in a script, or the name of one; times count from now."""

    faults: list[Fault] = []
    script: str = ""


class Nudge(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /nudge: push a price by basis points."""

    symbol: str
    bips: float


class SetStatus(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /status."""

    symbol: str
    status: Literal["TRADING", "HALT", "BREAK", "END_OF_DAY", "CANCEL_ONLY"]


class Deposit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /deposit; a negative amount is a withdrawal."""

    account: str
    asset: str
    amount: Decimal


class Encumber(Deposit, frozen=True, forbid_unknown_fields=True):
    """POST /encumber: another system locks what is free; negative frees that again."""


class Block(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /block: a trade beside the book; `side` is the aggressor's."""

    symbol: str
    side: Side
    price: Decimal
    size: Decimal


class Refer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /reference: a symbol's reference price from now on; null for none."""

    symbol: str
    price: Decimal | None


class Links(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /cut and /shutdown: `market`, `orders`, a link as GET /links names it, or all."""

    link: str = ""


class Admin:
    """The door, as an async context manager beside the venue it belongs to."""

    def __init__(self, venue: Venue, token: str, *, port: int = 0) -> None:
        if not token:
            raise ConfigError(where="admin.token", found=token, expected="a secret")
        self.token = token
        self._venue = venue
        self._world = venue.world
        self._port = port
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._port}"

    async def __aenter__(self) -> Self:
        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._guard(request, handler)

        application = web.Application(client_max_size=_LARGEST_REQUEST, middlewares=[guard])
        application.add_routes(
            [
                web.get("/links", self._links),
                web.get("/symbols", self._symbols),
                web.get("/books/{symbol}", self._book),
                web.get("/accounts", self._accounts),
                web.get("/orders/{account}", self._orders),
                web.get("/balances/{account}", self._balances),
                web.get("/positions/{account}", self._positions),
                web.get("/faults", self._faults),
                web.post("/faults", self._does(Inject, self._inject)),
                web.post("/advance", self._advance),
                web.post("/nudge", self._does(Nudge, self._nudge)),
                web.post("/status", self._does(SetStatus, self._set_status)),
                web.post("/deposit", self._does(Deposit, self._deposit)),
                web.post("/encumber", self._does(Encumber, self._encumber)),
                web.post("/block", self._does(Block, self._block)),
                web.post("/reference", self._does(Refer, self._refer)),
                web.post("/cut", self._does(Links, self._cut)),
                web.post("/shutdown", self._does(Links, self._shut_down)),
            ]
        )
        runner = web.AppRunner(application, access_log=None, handle_signals=False)
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, self._port).start()
        except OSError as error:
            await runner.cleanup()
            raise ConfigError(
                where="admin.port", found=self._port, expected=f"a free port ({error.strerror})"
            ) from error
        self._runner = runner
        self._port = runner.addresses[0][1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    # ── at the door ───────────────────────────────────────────────────────────────────────────

    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), self.token.encode()):
            return _answer({"error": "Authorization: expected Bearer and the token"}, 401)
        try:
            return await handler(request)
        except web.HTTPException as error:
            return _answer({"error": error.reason}, error.status)
        except (ConfigError, ValueError) as error:
            return _answer({"error": str(error)}, 400)
        except Refused as error:
            return _answer({"error": f"{error.refusal.value}: {error.detail}"}, 400)

    def _does(
        self, kind: type[Ask], act: Callable[[Ask], object]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            answer = act(await _read(request, kind))
            self._venue.act()
            return _answer(answer or {})

        return handle

    # ── what the operator does ────────────────────────────────────────────────────────────────

    async def _advance(self, request: web.Request) -> web.Response:
        """In strides, so that clients are served meanwhile."""
        seconds = (await _read(request, Advance)).seconds
        clock = self._world.clock
        if not isinstance(clock, SteerableClock):
            raise ConfigError(
                where="advance", found="a clock of the system's", expected="a SteerableClock"
            )
        if not 0 <= seconds <= MOST_SECONDS:
            raise ConfigError(where="seconds", found=seconds, expected=f"0 to {MOST_SECONDS:.0f}")
        while seconds > 0:
            self._world.skip(min(seconds, _STRIDE_SECONDS))
            seconds -= _STRIDE_SECONDS
            self._venue.act()
            await asyncio.sleep(0)
        return _answer({"now": clock.now() // MILLISECOND})

    def _inject(self, ask: Inject) -> object:
        faults = list(ask.faults)
        if ask.script in SCRIPTS:
            faults += SCRIPTS[ask.script]
        elif ask.script:
            faults += [fault for found in find_scripts([ask.script]) for fault in found.sim]
        if not faults:
            names = ", ".join([*SCRIPTS, *kit()])
            raise ConfigError(where="faults", found="none", expected=f"some, or one of {names}")
        self._world.plan.inject(faults, self._world.clock.now())
        return {"faults": len(faults)}

    def _nudge(self, ask: Nudge) -> object:
        crowd = self._world.crowds.get(ask.symbol)
        if crowd is None:
            known = ", ".join(self._world.crowds) or "none: nobody trades here"
            raise ConfigError(where="symbol", found=ask.symbol, expected=f"one of {known}")
        if not -5_000 <= ask.bips <= 5_000:
            raise ConfigError(where="bips", found=ask.bips, expected="-5000 to 5000")
        crowd.nudge(ask.bips, self._world.clock.now())
        return self._summary(ask.symbol)

    def _set_status(self, ask: SetStatus) -> object:
        self._world.exchange.set_status(ask.symbol, ask.status, self._world.clock.now())
        return {"symbol": ask.symbol, "status": ask.status}

    def _deposit(self, ask: Deposit) -> object:
        now = self._world.clock.now()
        self._world.exchange.deposit(ask.account, ask.asset, _exact(ask.amount), now)
        return self._amounts(ask.account)

    def _encumber(self, ask: Encumber) -> object:
        now, outside = self._world.clock.now(), self._world.exchange.outside
        outside.encumber(ask.account, ask.asset, _exact(ask.amount), now)
        return self._amounts(ask.account)

    def _block(self, ask: Block) -> object:
        listing = self._listing(ask.symbol)
        number = self._world.exchange.outside.trade_block(
            ask.symbol,
            ask.side,
            price=_steps("price", ask.price, listing.tick),
            lots=_steps("size", ask.size, listing.lot),
            now=self._world.clock.now(),
        )
        return {"id": number}

    def _refer(self, ask: Refer) -> object:
        listing = self._listing(ask.symbol)
        price = None if ask.price is None else _steps("price", ask.price, listing.tick)
        self._world.exchange.outside.refer(ask.symbol, price, self._world.clock.now())
        return {"symbol": ask.symbol, "price": ask.price}

    def _cut(self, ask: Links) -> object:
        chosen = self._chosen(ask.link)
        for link in chosen:
            self._world.stage.cut(link, self._world.clock.now())
        return {"links": len(chosen)}

    def _shut_down(self, ask: Links) -> object:
        chosen = self._chosen(ask.link)
        self._world.facade.announce_shutdown(self._world.clock.now(), chosen)
        return {"links": len(chosen)}

    def _chosen(self, wanted: str) -> list[int]:
        links = self._world.stage.links()
        return [link for link, label in links.items() if label.startswith(wanted)]

    # ── the truth ─────────────────────────────────────────────────────────────────────────────

    async def _links(self, _request: web.Request) -> web.Response:
        return _answer(sorted(self._world.stage.links().values()))

    async def _symbols(self, _request: web.Request) -> web.Response:
        return _answer([self._summary(symbol) for symbol in self._world.exchange.listings])

    async def _book(self, request: web.Request) -> web.Response:
        symbol = self._listing(request.match_info["symbol"]).symbol
        update_id, bids, asks = self._world.truth_book(symbol)
        return _answer({"updateId": update_id, "bids": bids, "asks": asks})

    async def _accounts(self, _request: web.Request) -> web.Response:
        return _answer(list(self._world.pairs))

    async def _orders(self, request: web.Request) -> web.Response:
        account = self._account(request)
        found = self._world.exchange.open_orders(account)
        return _answer([self._order(order) for order in found])

    async def _balances(self, request: web.Request) -> web.Response:
        return _answer(self._amounts(self._account(request)))

    async def _positions(self, request: web.Request) -> web.Response:
        """Of a futures market: what is open, and what stands behind it."""
        account, exchange = self._account(request), self._world.exchange
        if not isinstance(exchange, FuturesExchange):
            raise ConfigError(where="positions", found="a spot market", expected="futures")
        found = [at for at in exchange.positions(account) if at.lots]
        return _answer([msgspec.to_builtins(at) for at in found])

    async def _faults(self, _request: web.Request) -> web.Response:
        return _answer(
            [
                {"at": at // MILLISECOND, "fault": msgspec.to_builtins(fault)}
                for at, fault in self._world.plan.happened[-1_000:]
            ]
        )

    def _listing(self, symbol: str) -> Listing:
        found = self._world.exchange.listings.get(symbol)
        if found is None:
            known = ", ".join(self._world.exchange.listings)
            raise ConfigError(where="symbol", found=symbol, expected=f"one of {known}")
        return found

    def _account(self, request: web.Request) -> str:
        name = request.match_info["account"]
        if name not in self._world.pairs:
            known = ", ".join(self._world.pairs)
            raise ConfigError(where="account", found=name, expected=f"one of {known}")
        return name

    def _amounts(self, account: str) -> dict[str, dict[str, Decimal]]:
        found = self._world.exchange.balances(account)
        return {asset: {"free": free, "locked": held} for asset, (free, held) in found.items()}

    def _summary(self, symbol: str) -> dict[str, object]:
        exchange = self._world.exchange
        listing = exchange.listings[symbol]
        bid, _, ask, _ = exchange.top(symbol)
        return {
            "symbol": symbol,
            "status": listing.status,
            "bid": bid * listing.tick,
            "ask": ask * listing.tick,
            "last": exchange.last_price(symbol) * listing.tick,
        }

    def _order(self, order: SimOrder) -> dict[str, object]:
        listing = self._world.exchange.listings[order.symbol]
        return {
            "symbol": order.symbol,
            "orderId": order.order_id,
            "clientOrderId": order.client_id,
            "listId": order.list_id,
            "side": order.side.value,
            "type": order.kind.value,
            "status": order.status.value,
            "price": order.price * listing.tick,
            "stopPrice": order.stop_price * listing.tick,
            "size": order.lots * listing.lot,
            "filled": order.filled_lots * listing.lot,
        }


async def _read(request: web.Request, kind: type[Ask]) -> Ask:
    try:
        return msgspec.json.decode(await request.read() or b"{}", type=kind)
    except msgspec.DecodeError as error:
        raise ConfigError(
            where=request.path, found=str(error), expected=f"the fields of {kind.__name__}"
        ) from None


def _answer(body: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=_encode(body), content_type="application/json")


def _exact(amount: Decimal) -> Decimal:
    if not amount.is_finite() or amount.adjusted() >= _DIGITS or _places(amount) > _DIGITS:
        expected = f"a number of at most {_DIGITS} digits before the point and behind it"
        raise ConfigError(where="amount", found=str(amount), expected=expected)
    return amount


def _steps(name: str, value: Decimal, step: Decimal) -> int:
    """How many ticks or lots that is."""
    found, rest = divmod(_exact(value), step)
    if rest or found <= 0:
        raise ConfigError(where=name, found=str(value), expected=f"a multiple of {step} above zero")
    return int(found)


def _places(amount: Decimal) -> int:
    exponent = amount.as_tuple().exponent
    assert isinstance(exponent, int), "asked of finite numbers"
    return -exponent
