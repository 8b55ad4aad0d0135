"""One request, whichever door it came through, and the stages it passes (binance §5.3–5.7).

House rules: parameters first, then the key, then time and signature, then the filters, then the
matching engine; a stage is not entered before the one ahead of it is content.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, Literal, TypeAlias, TypeVar

import msgspec

from pitwire.model.clock import SECOND
from pitwire.sim.facades.binance_auth import BAD_SIGNATURE, ApiKey, Stamp
from pitwire.sim.facades.binance_limits import OrderLimits
from pitwire.sim.facades.binance_office import Office
from pitwire.sim.facades.binance_params import Args
from pitwire.sim.facades.binance_text import ApiError

Ask = TypeVar("Ask")
Auth: TypeAlias = Literal["none", "key", "signed", "user", "trade"]
"""`key`: the key alone. `signed`: with a signature of its own, whatever the session."""


class Claim(msgspec.Struct, frozen=True):
    """Who a request says it is from. Without a signature the session vouches for the key."""

    key: str
    signature: str | None
    payload: bytes
    stamp: Stamp | None


class Call:
    """A request under way."""

    def __init__(
        self, office: Office, *, now: int, unit: int, address: str, rest: bool = False
    ) -> None:
        self.office = office
        self.now = now
        self.unit = unit
        self.address = address
        self.rest = rest
        self.account = ""
        self.key: ApiKey | None = None
        self.stamp: Stamp | None = None
        self.stale = 0
        """How old a book snapshot is to be, in ns."""
        self.kept = 1.0
        """How much of a list is to be told."""
        self.session: object = None
        """The connection's session, where there is one."""
        self.afterwards: list[Callable[[], None]] = []
        """What has to leave behind the answer."""
        self.placed = False
        """Whether the answer shows the ORDERS windows too."""

    @property
    def orders(self) -> OrderLimits:
        return self.office.limits.orders(self.account)

    def identify(self, claim: Claim, *, trading: bool) -> None:
        """Key, then time, then signature."""
        options = self.office.options
        key = self.office.keyring.find(claim.key, trading=trading, status=options.key_error_status)
        if claim.stamp is not None:
            claim.stamp.check_arrival(self.now)
        if claim.signature is not None and not key.verifies(claim.payload, claim.signature):
            raise ApiError(*BAD_SIGNATURE)
        self.key, self.account, self.stamp = key, key.account, claim.stamp

    def check_age(self) -> None:
        """The second and third look at the timestamp, at the engine's door."""
        if self.stamp is not None:
            delay = int(self.office.options.backend_delay_seconds * SECOND)
            self.stamp.check_age(self.now + delay)


class Method(msgspec.Struct, Generic[Ask], frozen=True, kw_only=True):
    """A row of the method table: how to read the request, what it costs, how to do it."""

    read: Callable[[Args], Ask]
    run: Callable[[Call, Ask], object]
    weight: int
    weigh: Callable[[Ask], int] | None = None
    """The weight of one particular request, where it depends on the parameters."""
    auth: Auth = "none"
    free: bool = False
    """Costs nothing when it succeeds (since 2026-04-02)."""
    orders: bool = False
    """Whether the answer shows ORDERS as well as REQUEST_WEIGHT."""


def perform(
    method: Method[Ask],
    args: Args,
    call: Call,
    claim: Callable[[Args, Auth], Claim | None],
) -> object:
    """Take a request through all stages; raises `ApiError` at the first that refuses."""
    limits = call.office.limits.address(call.address)
    try:
        who = claim(args, method.auth)
        ask = method.read(args)
        args.finish()
    except ApiError:
        limits.charge(method.weight, call.now)
        raise
    weight = method.weigh(ask) if method.weigh else method.weight
    limits.charge(weight, call.now)
    if who is not None:
        call.identify(who, trading=method.auth == "trade")
    call.placed = method.orders
    answer = method.run(call, ask)
    if method.free:
        limits.weight.add(-weight, call.now)
    return answer


def nothing(_args: Args) -> None:
    """The reader of a method without parameters."""


Table: TypeAlias = Mapping[str, Method[Any]]
