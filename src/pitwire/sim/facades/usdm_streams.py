"""The futures' market streams: chains of `pu`, marks, liquidations, and the three paths (§11).

House rules: as in `binance_streams`, of which the beats are used; a stream on the wrong path is
accepted and stays silent, as on the venue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from pitwire.model.clock import SECOND
from pitwire.model.orders import Side
from pitwire.sim.facades import usdm_payloads as payloads
from pitwire.sim.facades.binance_board import Board
from pitwire.sim.facades.binance_candles import DAY, Aggregate, Bar, following, opening
from pitwire.sim.facades.binance_control import Listener
from pitwire.sim.facades.binance_names import StreamName
from pitwire.sim.facades.binance_payloads import Payload
from pitwire.sim.facades.binance_streams import Active, StreamHub, Subscriber, encode_payload
from pitwire.sim.facades.facade import SendText
from pitwire.sim.facades.usdm_coinm import NO_SIZES, as_coinm
from pitwire.sim.facades.usdm_names import PUBLIC, category_of
from pitwire.sim.facades.usdm_text import FuturesScale
from pitwire.sim.facts import Fact, LevelChanged, SimOrder, StatusChanged, Traded
from pitwire.sim.futures_facts import Liquidated, MarkChanged

_SHOWN_AT_ONCE = ("partial", "kline", "continuous", "miniTicker", "ticker")


class FuturesListener(Listener):
    """A stream connection on one of the paths."""

    def __init__(self, link: int, *, combined: bool, unit: int, category: str) -> None:
        super().__init__(link, combined=combined, unit=unit)
        self.category = category
        """"" for one that has no path."""
        self.events: dict[str, frozenset[str]] = {}
        """Listen key → the kinds of events that are wanted; all, where it is not named."""


class FuturesActive(Active):
    """A stream that somebody listens to, with the end of its chain."""

    __slots__ = ("at", "closed", "previous", "waiting")

    def __init__(self, name: StreamName) -> None:
        super().__init__(name)
        self.previous = 0
        """The last update id that was told."""
        self.at = 0
        self.waiting: list[tuple[Board, Aggregate]] = []
        self.closed: dict[str, SimOrder] = {}
        """Symbol → the newest liquidation that has not been told."""


class FuturesHub(StreamHub):
    """All market streams of the futures."""

    unrouted = PUBLIC
    """What flows where no path is named: `public`, or `all`."""
    both_universes = True
    """Whether streams of all symbols carry COIN-M contracts too."""

    def subscribe(self, listener: Subscriber, name: StreamName, now: int) -> None:
        category = listener.category if isinstance(listener, FuturesListener) else ""
        wanted = category_of(name)
        if category != wanted and (category or self.unrouted not in (wanted, "all")):
            return  # binance §11.1: acknowledged, and then nothing
        super().subscribe(listener, name, now)
        if name.kind in _SHOWN_AT_ONCE:
            active = self._active[name.text]
            active.last_sent = None
            self._mark(active, now)

    def note(self, facts: Iterable[Fact], now: int) -> None:
        facts = list(facts)
        super().note(facts, now)
        marks: list[Payload] = []
        for fact in facts:
            if isinstance(fact, MarkChanged):
                made = self._mark_price(fact, now)
                marks += self._both(self._boards[fact.symbol], made)
            elif isinstance(fact, Liquidated):
                self._forced(fact, now)
            elif isinstance(fact, StatusChanged):
                scale = _scale(self._boards[fact.symbol])
                self._emit_now("!contractInfo", payloads.contract_info(scale, fact.status, now))
        if marks:
            self._emit_now("!markPrice@arr@1s", marks)
            if now // SECOND % 3 == 0:
                self._emit_now("!markPrice@arr", marks)
        for active in list(self._active.values()):
            if active.name.kind == "depth" and not active.name.every and active.first_id:
                self._send_depth(active, self._by_stream[active.name.symbol], now)

    def emit_user(self, key: str, kind: str, event: Payload) -> None:
        """An event of a listen key, to those of its listeners who want that kind."""
        active = self._active.get(key)
        if active is None:
            return
        body = encode_payload(event)
        for listener in active.subscribers.values():
            assert isinstance(listener, FuturesListener)
            wanted = listener.events.get(key)
            if wanted is None or kind in wanted:
                whole = active.prefix + body + b"}" if listener.combined else body
                self._send(listener.link, SendText(whole, key))

    # -- what facts do

    def _make(self, name: StreamName) -> Active:
        made = FuturesActive(name)
        board = self._by_stream.get(name.symbol)
        made.previous = board.update_id if board else 0
        return made

    def _emit_now(self, name: str, payload: object) -> None:
        if name in self._active:
            self.emit(name, lambda _unit: payload)

    def _level(self, board: Board, fact: LevelChanged, now: int) -> None:
        moved = board.change(fact)
        name = board.names["bookTicker"]
        if moved and name in self._active:
            scale = _scale(board)
            made = payloads.book_ticker(scale, fact.update_id, board.top, fact.at, now)
            self._emit_now(name, made)
        for active in self._on_level[fact.symbol]:
            kind = active.name.kind
            if kind == "!bookTicker":
                if not moved:
                    continue
                active.changed[fact.symbol] = board
            elif kind == "depth":
                side = active.bids if fact.side is Side.BUY else active.asks
                side[fact.price] = fact.lots
                active.first_id = active.first_id or fact.update_id
            assert isinstance(active, FuturesActive)
            active.at = fact.at
            if active.name.every:
                self._mark(active, now)

    def _trade(self, board: Board, fact: Traded, now: int) -> None:
        self._aggregate(board, board.history.add(fact), now)
        name = board.names["trade"]
        if name in self._active:
            self._emit_now(name, payloads.trade(_scale(board), fact, now))
        for active in self._on_trade[fact.symbol]:
            active.changed[fact.symbol] = board
            self._mark(active, now)

    def _aggregate(self, board: Board, found: Aggregate | None, now: int) -> None:
        active = self._active.get(board.names["aggTrade"])
        if found is not None and isinstance(active, FuturesActive):
            active.waiting.append((board, found))
            self._mark(active, now)

    def _mark_price(self, fact: MarkChanged, now: int) -> Payload:
        board = self._boards[fact.symbol]
        made = payloads.mark_price(_scale(board), fact, now)
        name = f"{board.scale.symbol.lower()}@markPrice"
        self._emit_now(f"{name}@1s", made)
        if now // SECOND % 3 == 0:
            self._emit_now(name, made)
        return made

    def _forced(self, fact: Liquidated, now: int) -> None:
        symbol = self._boards[fact.symbol].scale.symbol.lower()
        for name in (f"{symbol}@forceOrder", "!forceOrder@arr"):
            active = self._active.get(name)
            if isinstance(active, FuturesActive):
                active.closed[fact.symbol] = fact.order
                self._mark(active, now)

    # -- paced streams

    def _attach(self, active: Active, now: int) -> None:
        name = active.name
        board = self._by_stream.get(name.symbol)
        symbols = [board.scale.listing.symbol] if board else []
        if name.kind.startswith("!"):
            symbols = list(self._boards)
        for symbol in symbols:
            if name.kind in ("depth", "partial", "!bookTicker"):
                self._on_level[symbol].append(active)
            elif name.kind.strip("!").removesuffix("@arr") in ("miniTicker", "ticker", "kline",
                                                                "continuous"):  # fmt: skip
                self._on_trade[symbol].append(active)
        if name.interval and board is not None:
            board.history.keep(name.interval, 0)
            active.opened = opening(name.interval, now, 0)
            self._push(following(name.interval, active.opened, 0), active, closing=True)

    def _send_paced(self, active: Active, at: int) -> None:
        assert isinstance(active, FuturesActive)
        kind, text = active.name.kind, active.name.text
        if kind in ("forceOrder", "!forceOrder@arr"):
            closed, active.closed = active.closed, {}
            for symbol, order in closed.items():
                made = payloads.force_order(_scale(self._boards[symbol]), order, at)
                self._emit_now(text, made)
        elif kind == "aggTrade":
            waiting, active.waiting = active.waiting, []
            for board, found in waiting:
                self._emit_now(text, payloads.aggregate(_scale(board), found, at))
        elif kind == "!bookTicker":
            boards, active.changed = active.changed, {}
            for board in boards.values():
                scale = _scale(board)
                made = payloads.book_ticker(scale, board.update_id, board.top, active.at, at)
                for row in self._both(board, made, contracts={"B": "b", "A": "a"}):
                    self._emit_now(text, row)
        else:
            super()._send_paced(active, at)

    def _send_depth(self, active: Active, board: Board, at: int) -> None:
        assert isinstance(active, FuturesActive)
        sides = (sorted(active.bids.items(), reverse=True), sorted(active.asks.items()))
        ids = (active.first_id, board.update_id, active.previous)
        active.bids, active.asks, active.first_id = {}, {}, 0
        active.previous = board.update_id
        made = payloads.depth(_scale(board), ids, sides, active.at, at)
        self._emit_now(active.name.text, made)

    def _send_partial(self, active: Active, board: Board, at: int) -> None:
        assert isinstance(active, FuturesActive)
        bids, asks = board.bids.top(active.name.depth), board.asks.top(active.name.depth)
        if (bids, asks) == active.last_sent:
            return
        active.last_sent = (bids, asks)
        last, previous = board.update_id, active.previous
        ids = (min(previous + 1, last), last, previous)
        active.previous = last
        made = payloads.depth(_scale(board), ids, (bids, asks), active.at or at, at)
        self._emit_now(active.name.text, made)

    def _send_figures(self, active: Active, board: Board, at: int) -> None:
        name, scale, history = active.name, _scale(board), board.history
        if name.interval:
            bar = history.bar(name.interval, at, 0)
            if bar.trades or active.last_sent is None:
                active.last_sent = at
                self._emit_now(name.text, _bar_of(name)(scale, bar, name.interval, at))
        elif name.kind == "ticker":
            day = history.window(at - DAY)
            self._emit_now(name.text, payloads.ticker(scale, day, history.last_lots, at))
        elif name.kind == "miniTicker":
            day = history.window(at - DAY)
            self._emit_now(name.text, payloads.mini_ticker(scale, day, at))

    def _send_array(self, active: Active, at: int) -> None:
        boards, active.changed = list(active.changed.values()), {}
        rows: list[Payload] = []
        for board in boards:
            day = board.history.window(at - DAY)
            if active.name.kind == "!ticker@arr":
                made = payloads.ticker(_scale(board), day, board.history.last_lots, at)
                rows += self._both(board, made, contracts={"Q": "c", "v": "w"}, coins="q")
            else:
                made = payloads.mini_ticker(_scale(board), day, at)
                rows += self._both(board, made, contracts={"v": "c"}, coins="q")
        if rows:
            self._emit_now(active.name.text, rows)

    def _both(
        self,
        board: Board,
        row: Payload,
        *,
        contracts: Mapping[str, str] = NO_SIZES,
        coins: str = "",
    ) -> list[Payload]:
        """A row of a stream of all symbols, and the same asset's in the other universe."""
        if not self.both_universes:
            return [row]
        return [row, as_coinm(_scale(board), row, contracts=contracts, coins=coins)]

    def _close_kline(self, active: Active, at: int) -> None:
        name, board = active.name, self._by_stream[active.name.symbol]
        bar = board.history.bar(name.interval, active.opened, 0)
        self._emit_now(name.text, _bar_of(name)(_scale(board), bar, name.interval, at))
        active.opened = at
        self._push(following(name.interval, at, 0), active, closing=True)


def _bar_of(name: StreamName) -> Callable[[FuturesScale, Bar, str, int], Payload]:
    return payloads.kline if name.kind == "kline" else payloads.continuous


def _scale(board: Board) -> FuturesScale:
    assert isinstance(board.scale, FuturesScale)
    return board.scale


__all__ = ["FuturesHub", "FuturesListener"]
