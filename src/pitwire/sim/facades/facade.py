"""What every façade is: a venue's manners over an exchange, bytes in and bytes out.

House rules: nothing here touches a socket, a clock or a loop; time comes in as `now`; what is to
be sent is taken with `take_output`, in order, and carried by somebody else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Protocol, TypeAlias

import msgspec

from pitwire.sim.facts import Fact, Listing, NewOrder, PublicTrade, SimOrder, Status, Traded
from pitwire.sim.filters import Ceilings
from pitwire.sim.lists import Lists
from pitwire.sim.outside import Outside
from pitwire.sim.past import Past
from pitwire.sim.verdicts import AS_USUAL, Verdict

Level: TypeAlias = tuple[int, int]
"""(price in ticks, visible size in lots)."""


class SendText(msgspec.Struct, frozen=True, gc=False):
    """A frame to a client, text unless `binary`; `stream` says what it belongs to, for those who
    drop or delay."""

    frame: bytes
    stream: str
    binary: bool = False


class SendPing(msgspec.Struct, frozen=True, gc=False):
    """A ping that the client must answer."""

    payload: bytes


class SendPong(msgspec.Struct, frozen=True, gc=False):
    """The answer to a client's ping."""

    payload: bytes


class Close(msgspec.Struct, frozen=True, gc=False):
    """The venue says goodbye; the link is forgotten already."""

    code: int
    reason: str


Action: TypeAlias = SendText | SendPing | SendPong | Close


class HttpReply(msgspec.Struct, frozen=True):
    """An answer over HTTP, also to an upgrade that is refused."""

    status: int
    headers: dict[str, str]
    body: bytes
    delay: int = 0
    """ns to wait before it is sent."""
    answers: bool = True
    """False: it was done, and nothing is said."""


Judge: TypeAlias = Callable[[str, int], Verdict]
"""(kind of request, now) → what is to become of it; a fault plan's `request`."""


def no_fault(_kind: str, _now: int) -> Verdict:
    """The judge of a venue on a good day."""
    return AS_USUAL


class BookView(Protocol):
    """A book as the exchange shows it, best levels first."""

    @property
    def update_id(self) -> int: ...
    @property
    def bids(self) -> Sequence[Level]: ...
    @property
    def asks(self) -> Sequence[Level]: ...


class Market(Protocol):
    """What a façade asks of an exchange, invented or recorded."""

    @property
    def listings(self) -> Mapping[str, Listing]: ...
    @property
    def lists(self) -> Lists: ...
    @property
    def ceilings(self) -> Ceilings: ...
    @property
    def outside(self) -> Outside: ...

    def place(self, request: NewOrder, now: int) -> SimOrder: ...
    def check(self, request: NewOrder, now: int) -> None: ...
    def cancel(
        self,
        account: str,
        symbol: str,
        *,
        order_id: int | None = None,
        client_id: str = "",
        new_client_id: str = "",
        only: Status | None = None,
        now: int,
    ) -> SimOrder: ...
    def cancel_all(self, account: str, symbol: str, now: int) -> list[SimOrder]: ...
    def amend(
        self,
        account: str,
        symbol: str,
        *,
        order_id: int | None,
        client_id: str,
        lots: int,
        new_client_id: str,
        now: int,
    ) -> SimOrder: ...
    def order(
        self, account: str, symbol: str, *, order_id: int | None = None, client_id: str = ""
    ) -> SimOrder: ...
    def open_orders(self, account: str, symbol: str = "") -> list[SimOrder]: ...
    def all_orders(self, account: str, symbol: str) -> list[SimOrder]: ...
    def trades_of(self, account: str, symbol: str) -> list[Traded]: ...
    def recent_trades(self, symbol: str, count: int) -> list[PublicTrade]: ...
    def trades_from(self, symbol: str, trade_id: int, count: int) -> list[PublicTrade]: ...
    def balances(self, account: str) -> dict[str, tuple[Decimal, Decimal]]: ...
    def book(self, symbol: str, levels: int = 0) -> BookView: ...
    def last_price(self, symbol: str) -> int: ...
    def average_price(self, symbol: str, minutes: int, now: int) -> Decimal: ...
    def take_facts(self) -> list[Fact]: ...
    def hush(self, is_hushed: bool) -> None: ...
    def past(self, symbol: str) -> Past: ...


class Facade(Protocol):
    """A venue seen from the wire."""

    def connect(
        self, link: int, target: str, now: int, *, headers: Mapping[str, str] = ...
    ) -> HttpReply | None:
        """A client asks to upgrade on path and query; None accepts, an answer refuses.

        Names of headers are in lower case.
        """
        ...

    def receive(self, link: int, text: bytes, now: int) -> None: ...
    def receive_ping(self, link: int, payload: bytes, now: int) -> None: ...
    def receive_pong(self, link: int, payload: bytes, now: int) -> None: ...
    def lost(self, link: int, now: int) -> None:
        """The client has gone, politely or not."""
        ...

    def http(
        self, method: str, target: str, *, headers: Mapping[str, str], body: bytes, now: int
    ) -> HttpReply: ...
    def step(self, now: int) -> None:
        """Take what happened at the exchange and do whatever is due."""
        ...

    def skipped(self, duration: int) -> None:
        """So many ns of the venue's time were left out: what a client was to do within them, it
        has them for still."""
        ...

    def take_output(self) -> list[tuple[int, Action]]: ...
    def next_deadline(self) -> int | None: ...
    def role(self, target: str) -> str:
        """What a dial to this path and query would be: `market` or `orders`."""
        ...
