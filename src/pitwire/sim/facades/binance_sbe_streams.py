"""The SBE market streams: four kinds, binary, behind a key (binance §10.2).

House rules: as in `binance_streams`; best quotes are culled: of what changes in one instant the
last alone is told, which no other kind does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from pitwire.model.clock import MILLISECOND
from pitwire.model.orders import Side
from pitwire.sim.facades import binance_sbe as sbe
from pitwire.sim.facades.binance_board import Board
from pitwire.sim.facades.binance_control import Listener
from pitwire.sim.facades.binance_names import StreamName
from pitwire.sim.facades.binance_options import BinanceOptions
from pitwire.sim.facades.binance_streams import Active, StreamHub
from pitwire.sim.facades.facade import Action, Market, SendText
from pitwire.sim.facts import Fact, LevelChanged, Traded

_KINDS = {"trade": "trade", "bestBidAsk": "bestBidAsk", "depth": "depth", "depth20": "partial"}
_LEVELS = 20


class SbeListener(Listener):
    """A connection that takes binary frames."""


def sbe_parser(options: BinanceOptions) -> Callable[[str], StreamName | None]:
    """The meaning of a stream's name, with the cadences that are configured."""
    every = {
        "depth": round(options.sbe_depth_milliseconds * MILLISECOND),
        "depth20": round(options.sbe_depth20_milliseconds * MILLISECOND),
    }

    def parse(text: str) -> StreamName | None:
        symbol, at, what = text.partition("@")
        if not at or not symbol or symbol.startswith("!") or what not in _KINDS:
            return None
        size = _LEVELS if what == "depth20" else 0
        return StreamName(text, symbol, _KINDS[what], every.get(what, 0), size)

    return parse


class SbeHub(StreamHub):
    """All SBE streams of the venue."""

    def __init__(
        self,
        market: Market,
        boards: Mapping[str, Board],
        send: Callable[[int, Action], None],
        *,
        native: bool,
        replaying: bool = False,
    ) -> None:
        super().__init__(market, boards, send, replaying=replaying)
        self._scales = {
            symbol: sbe.SbeScale(board.scale, native=native) for symbol, board in boards.items()
        }

    def note(self, facts: Iterable[Fact], now: int) -> None:
        if self._replaying or not self._active:
            return
        traded: dict[tuple[str, int, int], list[Traded]] = {}
        touched: dict[str, None] = {}
        for fact in facts:
            if isinstance(fact, LevelChanged):
                touched[fact.symbol] = None
                self._follow(fact, now)
            elif isinstance(fact, Traded) and fact.public:
                key = (fact.symbol, fact.at, fact.taker.order_id)
                traded.setdefault(key, []).append(fact)
        for (symbol, _, _), group in traded.items():
            name = f"{self._boards[symbol].scale.symbol.lower()}@trade"
            if name in self._active:
                self._tell(name, sbe.trades(self._scales[symbol], group, now))
        for symbol in touched:
            self._best(symbol, now)

    def _follow(self, fact: LevelChanged, now: int) -> None:
        for active in self._on_level[fact.symbol]:
            if active.name.kind == "depth":
                side = active.bids if fact.side is Side.BUY else active.asks
                side[fact.price] = fact.lots
                active.first_id = active.first_id or fact.update_id
            self._mark(active, now)

    def _best(self, symbol: str, now: int) -> None:
        board = self._boards[symbol]
        active = self._active.get(f"{board.scale.symbol.lower()}@bestBidAsk")
        if active is not None and active.last_sent != board.top:
            active.last_sent = board.top
            self._tell(
                active.name.text,
                sbe.best(self._scales[symbol], board.update_id, board.top, now),
            )

    def _attach(self, active: Active, now: int) -> None:
        board = self._by_stream.get(active.name.symbol)
        if board is None:
            return
        if active.name.every:
            self._on_level[board.scale.listing.symbol].append(active)
        if active.name.kind == "bestBidAsk":
            active.last_sent = board.top

    def _send_depth(self, active: Active, board: Board, at: int) -> None:
        sides = (sorted(active.bids.items(), reverse=True), sorted(active.asks.items()))
        ids = (active.first_id, board.update_id)
        active.bids, active.asks, active.first_id = {}, {}, 0
        scale = self._scales[board.scale.listing.symbol]
        self._tell(active.name.text, sbe.diff(scale, ids, sides, at))

    def _send_partial(self, active: Active, board: Board, at: int) -> None:
        picture = (board.bids.top(_LEVELS), board.asks.top(_LEVELS))
        if picture != active.last_sent:
            active.last_sent = picture
            scale = self._scales[board.scale.listing.symbol]
            self._tell(active.name.text, sbe.snapshot(scale, board.update_id, picture, at))

    def _tell(self, text: str, frame: bytes) -> None:
        """There is no wrapper around binary frames (unconfirmed)."""
        sending = SendText(frame, text, binary=True)
        for listener in self._active[text].subscribers.values():
            self._send(listener.link, sending)
