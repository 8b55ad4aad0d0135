"""A small client for tests of the simulated gateway: REST in one call, and a socket."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from pitwire.model.orders import Side
from pitwire.sim.facades.facade import HttpReply
from pitwire.sim.facades.ibkr import SOCKET, IbkrFacade, gateway
from pitwire.sim.facades.ibkr_options import IbkrOptions
from pitwire.sim.facades.ibkr_rest import PREFIX
from pitwire.sim.facts import Kind, NewOrder, SimOrder, Tif
from pitwire.sim.shares import SHARE_STAKES, SHARES
from pitwire.sim.world import World
from tests.sim.binance_client import Ear

ACCOUNT = "DU1234567"
AAPL, IBM, SPY = 265598, 8314, 756733
SHEET: dict[str, Any] = json.loads(
    (Path(__file__).parent / "facades" / "ibkr_sheet.json").read_text(encoding="utf-8")
)
"""What the fact sheet shows of the gateway, word by word, by a name of ours."""
UNPACED = IbkrOptions(is_paced=False)


def quiet_gateway(options: IbkrOptions = UNPACED, **more: Any) -> World:
    """A login with one account, somebody to trade with, and nobody else."""
    return World(
        **{
            "scenario": None,
            "listings": SHARES,
            "accounts": {"main": SHARE_STAKES, "rival": SHARE_STAKES},
            "facade": gateway(options=options),
        }
        | more
    )


class Gateway:
    """A client of the gateway of a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        facade: Any = world.facade
        self.facade: IbkrFacade = facade
        world.advance()

    # -- REST

    def http(self, method: str, path: str, body: Any = None) -> HttpReply:
        """One request; time stands still."""
        sent = b"" if body is None else json.dumps(body).encode()
        reply = self.world.stage.http(
            method, f"{PREFIX}{path}", headers={}, body=sent, now=self.world.clock.now()
        )
        self.world.carrier.run(self.world.clock.now())
        return reply

    def get(self, path: str, status: int = 200) -> Any:
        reply = self.http("GET", path)
        assert reply.status == status, reply
        return json.loads(reply.body)

    def post(self, path: str, body: Any = None, status: int = 200) -> Any:
        reply = self.http("POST", path, body)
        assert reply.status == status, reply
        return json.loads(reply.body)

    def delete(self, path: str, status: int = 200) -> Any:
        reply = self.http("DELETE", path)
        assert reply.status == status, reply
        return json.loads(reply.body)

    @property
    def session(self) -> str:
        return str(self.post("/tickle")["session"])

    # -- the socket

    def socket(self, cookie: str | None = None) -> Phone:
        """Connect with the session's cookie, or with this one."""
        shown = f"api={self.session}" if cookie is None else cookie
        return Phone(self.world, {"Cookie": shown} if shown else {})

    # -- orders

    def ready(self) -> Gateway:
        """The accounts and the list of orders were asked for: nothing is left to begin with."""
        self.get("/iserver/accounts")
        self.get("/iserver/account/orders")
        return self

    def submit(self, status: int = 200, **ticket: Any) -> Any:
        """One ticket: buy a share of AAPL at 189.00 for the day, unless said otherwise."""
        order = {"conid": AAPL, "orderType": "LMT", "side": "BUY", "price": 189.0, "quantity": 1,
                 "tif": "DAY"} | ticket  # fmt: skip
        sent = {name: value for name, value in order.items() if value is not None}
        return self.post(f"/iserver/account/{ACCOUNT}/orders", {"orders": [sent]}, status)

    def orders(self) -> list[Any]:
        """The list of orders."""
        rows: list[Any] = self.get("/iserver/account/orders")["orders"]
        return rows

    # -- others

    def rival(self, side: Side, *, lots: int, price: int, symbol: str = "AAPL-USD",
              tif: Tif = Tif.GTC) -> SimOrder:  # fmt: skip
        """Somebody else places an order; prices in cents."""
        request = NewOrder(account="rival", symbol=symbol, side=side, kind=Kind.LIMIT, tif=tif,
                           lots=lots, price=price)  # fmt: skip
        order = self.world.exchange.place(request, self.world.clock.now())
        self.world.act()
        return order

    def cash(self, account: str = "main") -> Decimal:
        free, locked = self.world.exchange.balances(account)["USD"]
        return free + locked


class Phone(Ear):
    """A socket; what comes of itself is taken with `hear`."""

    def __init__(self, world: World, headers: dict[str, str]) -> None:
        super().__init__()
        self.world = world
        self.link = world.open(f"ws://venue.test{SOCKET}", self, headers)
        world.advance()

    def say(self, text: str) -> list[Any]:
        """Send a command; what comes at once."""
        self.link.send(text.encode())
        self.world.advance()
        return self.take()

    def hear(self, seconds: float, topic: str = "") -> list[Any]:
        """What comes in so long, of topics that begin so."""
        self.world.advance(seconds)
        return [each for each in self.take() if each.get("topic", "").startswith(topic)]


def shape(value: Any) -> Any:
    """What of a JSON value is the same in each of its kind: keys in their order, and types."""
    if isinstance(value, dict):
        return [(name, shape(each)) for name, each in value.items()]
    if isinstance(value, list):
        return [shape(each) for each in value[:1]]
    return type(value).__name__
