"""Market streams: who listens to what, what is owed to them, and when (binance §3, §4.2).

House rules: real-time streams follow each fact; paced streams are marked dirty by a fact and sent
at their next boundary, and nothing is sent when nothing changed; each payload is encoded once per
time unit, however many listen.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from heapq import heapify, heappop, heappush
from typing import Protocol

import msgspec

from pitwire.model.orders import Side
from pitwire.sim.facades import binance_payloads as payloads
from pitwire.sim.facades.binance_board import Board
from pitwire.sim.facades.binance_candles import (
    DAY,
    MINUTE,
    Aggregate,
    following,
    opening,
)
from pitwire.sim.facades.binance_names import WINDOWS, StreamName
from pitwire.sim.facades.binance_payloads import Payload
from pitwire.sim.facades.facade import Action, Level, Market, SendText
from pitwire.sim.facts import Fact, LevelChanged, PublicTrade, Recorded, Traded
from pitwire.sim.outside import BlockTraded, Referenced

encode_payload = msgspec.json.Encoder().encode
_SHOWN_AT_ONCE = (
    "partial", "kline", "miniTicker", "ticker", "rolling", "avgPrice", "referencePrice",
)  # fmt: skip
"""Kinds whose picture a new subscriber is shown at the next beat, changed or not."""


_BEATS_SWEPT = 256
"""From so many beats on, those of streams that nobody listens to are looked for and dropped."""


class Subscriber(Protocol):
    """A connection as the streams see it."""

    @property
    def link(self) -> int: ...
    @property
    def combined(self) -> bool: ...
    @property
    def unit(self) -> int: ...


class Active:
    """A stream that somebody listens to."""

    __slots__ = (
        "asks", "bids", "changed", "due", "first_id", "last_sent", "name", "opened", "phase",
        "prefix", "subscribers",
    )  # fmt: skip

    def __init__(self, name: StreamName) -> None:
        self.name = name
        self.prefix = b'{"stream":' + encode_payload(name.text) + b',"data":'
        self.subscribers: dict[int, Subscriber] = {}
        self.due: int | None = None
        # symbols have beats of their own, as on the venue; arrays fall on the full second
        paced = bool(name.symbol and name.every)
        self.phase = zlib.crc32(name.symbol.encode()) % name.every if paced else 0
        self.first_id = 0
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self.changed: dict[str, Board] = {}
        self.last_sent: object = None
        self.opened = 0

    def boundary(self, now: int) -> int:
        """The stream's next beat after `now`."""
        every = self.name.every
        return ((now - self.phase) // every + 1) * every + self.phase


class StreamHub:
    """All market streams of the venue."""

    def __init__(
        self,
        market: Market,
        boards: Mapping[str, Board],
        send: Callable[[int, Action], None],
        *,
        replaying: bool = False,
    ) -> None:
        self._market = market
        self._replaying = replaying
        """Nothing is made here then; recorded frames are all there is."""
        self._boards = boards
        self._by_stream = {board.scale.symbol.lower(): board for board in boards.values()}
        self._send = send
        self._active: dict[str, Active] = {}
        self._on_trade: dict[str, list[Active]] = {symbol: [] for symbol in boards}
        self._on_level: dict[str, list[Active]] = {symbol: [] for symbol in boards}
        self._heard: set[str] = set()
        """Symbols of whose book somebody wants to hear change by change."""
        self._followed: set[str] = set()
        """Those of whose trades somebody wants to hear one by one."""
        self._queue: list[tuple[int, int, bool, Active]] = []
        self._serial = 0

    def subscribe(self, listener: Subscriber, name: StreamName, now: int) -> None:
        """A name of a symbol that does not exist is accepted and stays silent (binance §1.3)."""
        active = self._active.get(name.text)
        if active is None:
            active = self._active[name.text] = self._make(name)
            if not self._replaying:
                self._attach(active, now)
                self._listen()
        active.subscribers[listener.link] = listener
        if not self._replaying and name.kind in _SHOWN_AT_ONCE:
            active.last_sent = None
            self._mark(active, now)

    def _make(self, name: StreamName) -> Active:
        return Active(name)

    def unsubscribe(self, listener: Subscriber, text: str) -> None:
        active = self._active.get(text)
        if active is None:
            return
        active.subscribers.pop(listener.link, None)
        if not active.subscribers:
            del self._active[text]
            for lists in (self._on_trade, self._on_level):
                for listening in lists.values():
                    if active in listening:
                        listening.remove(active)
            self._listen()
            # The close of a long bar may be a month ahead: do not keep its stream until then.
            if len(self._queue) > _BEATS_SWEPT + 4 * len(self._active):
                self._queue = [entry for entry in self._queue if entry[3].subscribers]
                heapify(self._queue)

    def _listen(self) -> None:
        """Find out anew who is heard."""
        self._heard = {
            symbol
            for symbol, board in self._boards.items()
            if self._on_level[symbol] or board.names["bookTicker"] in self._active
        }
        self._followed = {
            symbol
            for symbol, board in self._boards.items()
            if self._on_trade[symbol]
            or board.names["trade"] in self._active
            or board.names["aggTrade"] in self._active
        }

    def note(self, facts: Iterable[Fact], now: int) -> None:
        """Follow what happened at the exchange, in order."""
        if self._replaying:
            return
        touched: dict[str, Board] = {}
        unheard: dict[str, int] = {}
        untold: dict[str, list[PublicTrade]] = {}
        boards, heard, followed = self._boards, self._heard, self._followed
        for fact in facts:
            if isinstance(fact, LevelChanged):
                if fact.symbol in heard:
                    self._level(boards[fact.symbol], fact, now)
                else:
                    unheard[fact.symbol] = fact.update_id
            elif isinstance(fact, PublicTrade):  # of a hushed exchange: nobody is connected
                untold.setdefault(fact.symbol, []).append(fact)
            elif isinstance(fact, Traded) and fact.public:
                board = touched[fact.symbol] = boards[fact.symbol]
                if fact.symbol in untold:
                    board.history.add_untold(untold.pop(fact.symbol))
                if fact.symbol in followed:
                    self._trade(board, fact, now)
                else:
                    board.history.add(fact)
            elif isinstance(fact, BlockTraded | Referenced):
                self._outside(boards[fact.symbol], fact, now)
        for symbol, trades in untold.items():
            touched[symbol] = boards[symbol]
            boards[symbol].history.add_untold(trades)
        for board in touched.values():
            self._aggregate(board, board.history.close_aggregate(), now)
        for symbol, update_id in unheard.items():
            boards[symbol].reach(update_id)

    def emit(self, text: str, build: Callable[[int], object]) -> None:
        """Send a payload, made once per time unit, to all who listen to a stream."""
        active = self._active.get(text)
        if active is None:
            return
        if len(active.subscribers) == 1:  # nearly always
            (only,) = active.subscribers.values()
            said = build(only.unit)
            alone = said if isinstance(said, bytes) else encode_payload(said)
            framed = b"%b%b}" % (active.prefix, alone) if only.combined else alone
            self._send(only.link, SendText(framed, text))
            return
        bodies: dict[int, bytes] = {}
        frames: dict[int, SendText] = {}
        for listener in active.subscribers.values():
            unit, combined = listener.unit, listener.combined
            key = -unit if combined else unit
            frame = frames.get(key)
            if frame is None:
                body = bodies.get(unit)
                if body is None:
                    made = build(unit)
                    body = made if isinstance(made, bytes) else encode_payload(made)
                    bodies[unit] = body
                whole = b"%b%b}" % (active.prefix, body) if combined else body
                frame = frames[key] = SendText(whole, text)
            self._send(listener.link, frame)

    def hearers(self, text: str) -> list[tuple[int, bytes]]:
        """Links that hear a stream, and what stands before its payload on each; b"" bare."""
        active = self._active.get(text)
        if active is None:
            return []
        heard = active.subscribers.values()
        return [(each.link, active.prefix if each.combined else b"") for each in heard]

    def replay(self, fact: Recorded) -> None:
        """Pass on a frame of a recorded market, byte for byte."""
        self.emit(fact.stream, lambda _unit: fact.payload)

    def flush(self, now: int) -> None:
        """Send what is due."""
        while self._queue and self._queue[0][0] <= now:
            at, _, closing, active = heappop(self._queue)
            if not active.subscribers:
                continue
            if closing:
                self._close_kline(active, at)
            elif active.due == at:
                active.due = None
                self._send_paced(active, at)

    def next_deadline(self) -> int | None:
        return self._queue[0][0] if self._queue else None

    # -- what facts do

    def _level(self, board: Board, fact: LevelChanged, now: int) -> None:
        moved = board.change(fact)
        name = board.names["bookTicker"]
        if moved and name in self._active:
            payload = payloads.book_ticker(board.scale, fact.update_id, *board.top)
            ticker = encode_payload(payload)
            self.emit(name, lambda _unit: ticker)
        for active in self._on_level[fact.symbol]:
            if active.name.kind == "depth":
                side = active.bids if fact.side is Side.BUY else active.asks
                side[fact.price] = fact.lots
                active.first_id = active.first_id or fact.update_id
            elif active.name.kind == "ticker" and not moved:
                continue
            if active.due is None:
                self._mark(active, now)

    def _trade(self, board: Board, fact: Traded, now: int) -> None:
        scale = board.scale
        self._aggregate(board, board.history.add(fact), now)
        name = board.names["trade"]
        if name in self._active:
            self.emit(name, lambda unit: payloads.trade(scale, fact, now=now, unit=unit))
        for active in self._on_trade[fact.symbol]:
            active.changed[fact.symbol] = board
            if active.due is None:
                self._mark(active, now)

    def _aggregate(self, board: Board, found: Aggregate | None, now: int) -> None:
        name = board.names["aggTrade"]
        if found is not None and name in self._active:
            make = partial(payloads.aggregate, board.scale, found, now=now)
            self.emit(name, lambda unit: make(unit=unit))

    def _outside(self, board: Board, fact: BlockTraded | Referenced, now: int) -> None:
        """What happened without an order; a reference price waits for its beat."""
        symbol = board.scale.symbol.lower()
        if isinstance(fact, BlockTraded):
            make = partial(payloads.block_trade, board.scale, fact, now=now)
            self.emit(f"{symbol}@blockTrade", lambda unit: make(unit=unit))
        elif active := self._active.get(f"{symbol}@referencePrice"):
            self._mark(active, now)

    # -- paced streams

    def _attach(self, active: Active, now: int) -> None:
        name = active.name
        board = self._by_stream.get(name.symbol)
        symbols = [board.scale.listing.symbol] if board else []
        if name.kind.endswith("@arr"):
            symbols = list(self._boards)
        for symbol in symbols:
            if name.kind in ("depth", "partial", "ticker"):
                self._on_level[symbol].append(active)
            if name.every and name.kind not in ("depth", "partial", "referencePrice"):
                self._on_trade[symbol].append(active)
        if name.kind == "kline" and board is not None:
            board.history.keep(name.interval, name.offset)
            active.opened = opening(name.interval, now, name.offset)
            self._push(following(name.interval, active.opened, name.offset), active, closing=True)

    def _mark(self, active: Active, now: int) -> None:
        if active.due is None:
            active.due = active.boundary(now)
            self._push(active.due, active, closing=False)

    def _push(self, at: int, active: Active, *, closing: bool) -> None:
        self._serial += 1
        heappush(self._queue, (at, self._serial, closing, active))

    def _send_paced(self, active: Active, at: int) -> None:
        name = active.name
        if name.kind.endswith("@arr"):
            self._send_array(active, at)
            return
        board = self._by_stream.get(name.symbol)
        if board is None:
            return
        if name.kind == "depth":
            self._send_depth(active, board, at)
        elif name.kind == "partial":
            self._send_partial(active, board, at)
        else:
            self._send_figures(active, board, at)

    def _send_depth(self, active: Active, board: Board, at: int) -> None:
        sides = (
            sorted(active.bids.items(), reverse=True),
            sorted(active.asks.items()),
        )
        first, last = active.first_id, board.update_id
        active.bids, active.asks, active.first_id = {}, {}, 0
        make = partial(payloads.depth_update, board.scale, first, last, sides)
        self.emit(active.name.text, lambda unit: make(at // unit))

    def _send_partial(self, active: Active, board: Board, _at: int) -> None:
        bids, asks = board.bids.top(active.name.depth), board.asks.top(active.name.depth)
        picture: tuple[list[Level], list[Level]] = (bids, asks)
        if picture == active.last_sent:
            return
        active.last_sent = picture
        made = payloads.partial_depth(board.scale, board.update_id, bids, asks)
        self.emit(active.name.text, lambda _unit: made)

    def _send_figures(self, active: Active, board: Board, at: int) -> None:
        name, scale, history = active.name, board.scale, board.history
        if name.kind == "kline":
            bar = history.bar(name.interval, at, name.offset)
            if bar.trades or active.last_sent is None:
                active.last_sent = at
                make = partial(payloads.kline, scale, bar, name.interval, offset=name.offset)
                self.emit(name.text, lambda unit: make(now=at, unit=unit))
        elif name.kind == "avgPrice":
            self.emit(name.text, lambda unit: self._average_of(board, at, unit))
        elif name.kind == "ticker":
            self.emit(name.text, lambda unit: day_ticker(board, at, unit))
        elif name.kind == "miniTicker":
            day = history.window(at - DAY)
            self.emit(name.text, lambda unit: payloads.mini_ticker(scale, day, now=at, unit=unit))
        elif name.kind == "referencePrice":
            last = self._market.outside.reference(scale.listing.symbol)
            if last is not None:
                told = partial(payloads.reference_price, scale, last)
                self.emit(name.text, lambda unit: told(unit=unit))
        elif name.kind == "rolling":
            self.emit(name.text, lambda unit: window_ticker(board, name.interval, at, unit))

    def _average_of(self, board: Board, at: int, unit: int) -> Payload:
        price = self._market.average_price(board.scale.listing.symbol, 5, at)
        last_trade = board.history.last_time
        return payloads.average(board.scale, price, last_trade=last_trade, now=at, unit=unit)

    def _send_array(self, active: Active, at: int) -> None:
        boards, active.changed = list(active.changed.values()), {}
        interval = active.name.interval
        if not boards or active.name.text == "!ticker@arr":  # retired on 2026-03-26
            return

        def build(unit: int) -> object:
            if interval:
                return [window_ticker(board, interval, at, unit) for board in boards]
            days = [(board.scale, board.history.window(at - DAY)) for board in boards]
            return [payloads.mini_ticker(scale, day, now=at, unit=unit) for scale, day in days]

        self.emit(active.name.text, build)

    def _close_kline(self, active: Active, at: int) -> None:
        name, board = active.name, self._by_stream[active.name.symbol]
        bar = board.history.bar(name.interval, active.opened, name.offset)
        make = partial(payloads.kline, board.scale, bar, name.interval, offset=name.offset)
        self.emit(name.text, lambda unit: make(now=at, unit=unit))
        active.opened = at
        self._push(following(name.interval, at, name.offset), active, closing=True)


def day_ticker(board: Board, at: int, unit: int) -> Payload:
    """The 24-hour figures of a symbol."""
    history = board.history
    day = history.window(at - DAY)
    return payloads.ticker(
        board.scale,
        day,
        before=history.price_before(day.first_id),
        last_lots=history.last_lots,
        top=board.top,
        now=at,
        unit=unit,
    )


def window_ticker(board: Board, interval: str, at: int, unit: int) -> Payload:
    """Rolling figures; the window snaps to the start of a minute (binance §3)."""
    opened = (at - WINDOWS[interval]) // MINUTE * MINUTE
    bar = board.history.window(opened)
    return payloads.rolling_ticker(board.scale, bar, interval, opened=opened, now=at, unit=unit)
