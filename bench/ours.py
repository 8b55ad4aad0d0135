"""The job done with pitwire: session, engine, a rule in Python, risk on, the order by the session.

One synchronous path from the frame's bytes to the order's bytes; what is not pitwire here is the
few lines that a desk consists of, the venue's table with its waiting times stretched (idle clients
must not ping while another is measured) and the meter.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator, Sequence
from decimal import Decimal
from multiprocessing.connection import Connection
from typing import Any

import msgspec

from bench import client, traffic
from pitwire.desk.rehearsal import keep_warm
from pitwire.model.clock import SECOND, SystemClock
from pitwire.model.credentials import Credentials
from pitwire.model.entropy import Entropy
from pitwire.model.events import Event, Trade
from pitwire.model.orders import Command, Order
from pitwire.session import vigil
from pitwire.session.audience import OnEvents
from pitwire.session.session import Session
from pitwire.session.setup import Setup
from pitwire.trading import rules, wishes
from pitwire.trading.engine import Engine
from pitwire.trading.ids import OrderIds
from pitwire.trading.journal import MemoryJournal
from pitwire.trading.ledger import OrderLedger
from pitwire.trading.limits import Limits
from pitwire.trading.risk import Screen
from pitwire.trading.state import State
from pitwire.venues.binance import BINANCE
from pitwire.venues.venue import Endpoints, Heartbeat, Limit, Venue
from pitwire.wire.http import HttpClient
from pitwire.wire.websocket import WebSocketDialer

NEVER = 1e6
WITHIN_SECONDS = 10.0
KEPT = 1_000
"""Finished orders and journal records kept; small, so that a short run can show the bound."""

LIMITS = Limits(
    max_order_size=Decimal(1),
    max_order_notional=Decimal(1_000),
    max_position=Decimal(10),
    max_daily_loss=Decimal(10_000),
    # The race places hundreds of equal orders a second on quotes that may be minutes old.
    max_orders_per_second=1_000_000,
    max_orders_per_ten_seconds=1_000_000,
    max_quote_age_seconds=NEVER,
    duplicate_seconds=0.0,
)
"""Every check is on; those of pace and age are too wide to refuse what the race asks for."""


@rules.rule(rules.trades(traffic.TRIGGER_OURS), name="trigger")
def trigger(state: State, _now: int) -> Iterator[wishes.Wish]:
    """Buy when a trade reaches the price."""
    trade = state.event
    if isinstance(trade, Trade) and trade.price >= traffic.TRIGGER_PRICE:
        yield wishes.buy(
            traffic.TRIGGER_OURS,
            traffic.ORDER_SIZE,
            price=traffic.ORDER_PRICE,
            time_in_force="ioc",
        )


def credentials(auth: str) -> Credentials:
    """The key the client trades with: HMAC, or Ed25519 for a session that is logged on."""
    if auth == "hmac":
        return Credentials(client.HMAC_KEY, client.HMAC_SECRET)
    # PKCS#8 of an Ed25519 key is this prefix and the seed (RFC 8410 §7).
    der = bytes.fromhex("302e020100300506032b657004220420") + client.LOGON_SEED
    body = base64.b64encode(der).decode()
    pem = f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"
    return Credentials(client.LOGON_KEY, pem)


def patient_venue() -> Venue:
    """Binance with the same dialect, but without pings of ours and without its order limits."""
    return msgspec.structs.replace(
        BINANCE,
        limits=(
            Limit("streams", 1024, 0, per="market connection"),
            Limit("weight", 6000, 60, per="address"),
        ),
        heartbeat=Heartbeat(NEVER, NEVER, NEVER, NEVER),
        channels={
            name: msgspec.structs.replace(channel, busy=False)
            for name, channel in BINANCE.channels.items()
        },
    )


def engine(heard: Sequence[rules.Rule], clock: SystemClock) -> Engine:
    """State, these rules, an armed screen, a journal of bounded length."""
    ids = OrderIds("bench", clock.now() // 1_000_000_000)
    journal = MemoryJournal(limit=KEPT)
    screen = Screen(LIMITS, ids, journal, armed=True)
    state = State(ledger=OrderLedger(is_ours=ids.is_ours, keep_finished=KEPT))
    return Engine(heard, screen, state, journal)


def setup(
    port: int,
    auth: str,
    *,
    on_events: OnEvents,
    clock: SystemClock,
    lap: SystemClock | None = None,
) -> Setup:
    """A session with the bench's venue over real sockets; with `lap` it stamps each order."""
    http = HttpClient()
    return Setup(
        venue=patient_venue(),
        endpoints=Endpoints(
            market=f"ws://127.0.0.1:{port}",
            orders=f"ws://127.0.0.1:{port}",
            http=f"http://127.0.0.1:{port}",
        ),
        dial=WebSocketDialer(),
        fetch=http.fetch,
        clock=clock,
        lap=lap,
        entropy=Entropy(1),
        credentials=credentials(auth),
        on_events=on_events,
        keep_books=False,  # the engine's state keeps them
        asks_time=False,
        release=http.close,
    )


async def subscribe(session: Session, state: State) -> None:
    """Everything the job listens to; returns when every book is right."""
    await session.subscribe_to_trades(*traffic.OURS)
    await session.subscribe_to_book(*traffic.OURS)
    async with asyncio.timeout(WITHIN_SECONDS):
        while not all(_has_book(state, symbol) for symbol in traffic.OURS):
            await asyncio.sleep(0.01)


def _has_book(state: State, symbol: str) -> bool:
    book = state.books.get(symbol)
    return book is not None and book.ready


def tops(state: State) -> client.Tops:
    """Best five levels a side of every symbol."""
    found = {}
    for ours, symbol in zip(traffic.OURS, traffic.SYMBOLS, strict=True):
        bids, asks = state.books[ours].depth(5)
        found[symbol] = list(bids), list(asks)
    return found


def notes(engine: Engine, placed: int) -> dict[str, Any]:
    """Orders placed, wishes refused, rules benched."""
    dead = [] if engine.rules else ["the rule is benched"]
    if engine.screen.refused:
        dead.append(f"risk refused {engine.screen.refused} orders")
    return {"placed": placed, "dead": dead, "open": len(engine.state.ledger.open)}


class Ours:
    """A session, an engine, and the few lines between them."""

    def __init__(self, port: int, auth: str, meter: client.Meter) -> None:
        clock = SystemClock()
        self._engine = engine([trigger], clock)
        self._meter = meter
        self._setup = setup(port, auth, on_events=self._on_events, clock=clock)
        self._placed = 0

    async def start(self) -> None:
        """Connect, log on, subscribe, and wait until every book is right."""
        self._session = await Session(self._setup).open()
        self._engine.state.instruments.update(await self._session.load_instruments())
        await self._session.authenticate_websocket()
        await subscribe(self._session, self._engine.state)
        self._rehearsal = keep_warm(self._engine, self._session, self._setup.clock)

    def _on_events(self, events: Sequence[Event], now: int, drained: bool) -> None:
        apply = self._engine.apply
        for event in events:
            apply(event)
        if drained:
            for command in self._engine.decide(now):
                self._send(command, now)
        self._meter.count_all(events)

    def _send(self, command: Command, now: int) -> None:
        if not isinstance(command, Order):
            raise TypeError(f"command: found {command!r}, expected an order")
        self._session.place(command, now)
        self._engine.sent(command, now)
        self._placed += 1

    def tops(self) -> client.Tops:
        """Best five levels a side of every symbol."""
        return tops(self._engine.state)

    def notes(self) -> dict[str, Any]:
        """Orders placed, wishes refused, rules benched."""
        return notes(self._engine, self._placed)

    async def stop(self) -> None:
        """Hang up."""
        if self._rehearsal is not None:
            self._rehearsal.close()
        await self._session.close()


def be_patient() -> None:
    """Call no silence mute in this process: while others are measured, half a minute at a time, a
    client would dial again and fetch its books, on the core on which they are measured."""
    vigil._MUTE = round(NEVER * SECOND)


def serve(control: Connection, spec: client.Spec, port: int, seat: client.Seat) -> None:
    """The client's process."""
    be_patient()
    client.serve(spec, control, seat, lambda meter: Ours(port, spec.auth, meter))
