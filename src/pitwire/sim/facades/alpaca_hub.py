"""What is published on Alpaca's feeds, when, and in which frame (alpaca §2, §3).

House rules: a message is encoded once per codec, however many hear it; what happened in one moment
leaves in one array; a book is told whole first (`r`), then level by level.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from pitwire.model.orders import Side
from pitwire.sim.facades import alpaca_payloads as payloads
from pitwire.sim.facades.alpaca_board import MINUTE, Board
from pitwire.sim.facades.alpaca_feeds import STAR, Listener
from pitwire.sim.facades.alpaca_options import AlpacaOptions
from pitwire.sim.facades.alpaca_text import Scale
from pitwire.sim.facades.alpaca_wire import Message, Wire
from pitwire.sim.facades.binance_candles import opening
from pitwire.sim.facades.facade import Action, Market, SendText
from pitwire.sim.facts import Fact, LevelChanged, StatusChanged, Traded
from pitwire.sim.outside import Referenced

_STREAMS = {
    "trades": "trade", "quotes": "bookTicker", "orderbooks": "depth", "bars": "bar",
    "dailyBars": "dailyBar", "statuses": "status", "lulds": "luld",
}  # fmt: skip
"""Channel → how a fault script names it, after the symbol and an @."""


class Item:
    """A message that may be on its way to several."""

    __slots__ = ("_build", "_encoded", "_head", "channel", "label", "scale")

    def __init__(
        self, head: str, channel: str, scale: Scale, build: Callable[[Wire, str], Message]
    ) -> None:
        self.channel, self.scale = channel, scale
        self.label = f"{scale.label}@{_STREAMS[channel]}"
        self._head, self._build = head, build
        self._encoded: dict[tuple[str, str], bytes] = {}

    def encoded(self, wire: Wire, feed: str) -> bytes:
        """The message in a codec, as a feed tells it."""
        key = (wire.name, feed)
        found = self._encoded.get(key)
        if found is None:
            message = {"T": self._head, "S": self.scale.symbol, **self._build(wire, feed)}
            found = self._encoded[key] = wire.encode(message)
        return found


class Hub:
    """All market-data feeds of the venue."""

    def __init__(
        self,
        market: Market,
        scales: Mapping[str, Scale],
        options: AlpacaOptions,
        send: Callable[[int, Action], None],
    ) -> None:
        self.boards = {name: Board(scale, market) for name, scale in scales.items()}
        """By our own symbol."""
        self._market, self._options, self._send = market, options, send
        self._listeners: dict[int, Listener] = {}
        self._wanted: dict[str, set[str]] = {}
        """Channel → our symbols that somebody hears."""
        self._minute = 0
        """The end of the minute under way; 0 where nobody hears bars."""

    def add(self, listener: Listener) -> None:
        self._listeners[listener.link] = listener

    def drop(self, link: int) -> None:
        if self._listeners.pop(link, None) is not None:
            self._look()

    def changed(self, listener: Listener, fresh: set[tuple[str, str]], now: int) -> None:
        """A subscription is another; books that are `fresh` in it are told whole."""
        self._look()
        if not self._minute and (self._wanted.get("bars") or self._wanted.get("dailyBars")):
            self._minute = opening("1m", now) + MINUTE
        items = []
        for board in self.boards.values():
            name = board.scale.symbol
            is_new = ("orderbooks", name) in fresh or ("orderbooks", STAR) in fresh
            if is_new and listener.feed.has(board.scale) and listener.hears("orderbooks", name):
                items.append(self._whole(board, now))
        self._deliver(listener, items)

    def reset_books(self, symbol: str, now: int) -> None:
        """Tell a book whole, anew, to all who hear it, as the venue may at any time (§3.2)."""
        if symbol in self._wanted.get("orderbooks", ()):
            board = self.boards[symbol]
            for side in board.changed:
                side.clear()
            self._publish([self._whole(board, now)])

    # -- what happened

    def note(self, facts: Iterable[Fact], now: int) -> None:
        """Follow what happened at the exchange, in order, and tell it."""
        items: list[Item] = []
        moved: dict[str, Board] = {}
        trades = self._wanted.get("trades", ())
        for fact in facts:
            if isinstance(fact, LevelChanged):  # by far the most
                self._level(fact, moved)
            elif isinstance(fact, Traded) and fact.public:
                board = self.boards[fact.symbol]
                board.history.add(fact)
                if fact.symbol in trades:
                    build = partial(self._trade, board.scale, fact)
                    items.append(Item("t", "trades", board.scale, build))
            elif isinstance(fact, StatusChanged | Referenced):
                items += self._stock_news(fact)
        for symbol, board in moved.items():
            items += self._moved(symbol, board, now)
        if items:
            self._publish(items)

    def flush(self, now: int) -> None:
        """Send what is due: bars, when their minute is over."""
        while self._minute and self._minute <= now:
            items = []
            for symbol, board in self.boards.items():
                items += self._bars(symbol, board, self._minute - MINUTE)
            self._minute += MINUTE
            self._publish(items)

    def next_deadline(self) -> int | None:
        return self._minute or None

    # -- within

    def _level(self, fact: LevelChanged, moved: dict[str, Board]) -> None:
        board = self.boards[fact.symbol]
        wants_book = fact.symbol in self._wanted.get("orderbooks", ())
        if not wants_book and fact.symbol not in self._wanted.get("quotes", ()):
            board.leave()
            return
        board.follow(fact)
        moved[fact.symbol] = board
        if wants_book:
            board.changed[fact.side is Side.SELL][fact.price] = fact.lots

    def _moved(self, symbol: str, board: Board, now: int) -> list[Item]:
        """The best prices and the levels of a book that has moved."""
        items, top = [], board.top
        if top != board.told:
            board.told, board.quoted = top, now
            if symbol in self._wanted.get("quotes", ()):
                items.append(Item("q", "quotes", board.scale, self._quote(board, now)))
        bids, asks = board.changed
        if bids or asks:
            build = partial(_book, board.scale, list(bids.items()), list(asks.items()), now)
            items.append(Item("o", "orderbooks", board.scale, build))
            board.changed = ({}, {})
        return items

    @staticmethod
    def _trade(scale: Scale, fact: Traded, wire: Wire, feed: str) -> Message:
        return payloads.trade(scale, fact, wire, feed)

    @staticmethod
    def _quote(board: Board, now: int) -> Callable[[Wire, str], Message]:
        scale, (bid, ask) = board.scale, board.top
        return lambda wire, feed: payloads.quote(scale, bid, ask, now, wire, feed)

    @staticmethod
    def _whole(board: Board, now: int) -> Item:
        bids = board.bids.top(len(board.bids.lots))
        asks = board.asks.top(len(board.asks.lots))
        build = partial(_whole_book, board.scale, bids, asks, now)
        return Item("o", "orderbooks", board.scale, build)

    def _bars(self, symbol: str, board: Board, opened: int) -> list[Item]:
        """Of a minute in which something traded."""
        found = board.history.bar("1m", opened)
        if not found.trades:
            return []
        scale, items = board.scale, []
        if symbol in self._wanted.get("bars", ()):
            items.append(Item("b", "bars", scale, lambda wire, _: payloads.bar(scale, found, wire)))
        if symbol in self._wanted.get("dailyBars", ()):
            day = board.day(opened)
            items.append(
                Item("d", "dailyBars", scale, lambda wire, _: payloads.bar(scale, day, wire))
            )
        return items

    def _stock_news(self, fact: StatusChanged | Referenced) -> list[Item]:
        """A stock is halted or trades again, or its band is another."""
        board = self.boards.get(fact.symbol)
        if board is None or board.scale.is_crypto:
            return []
        scale, at = board.scale, fact.at
        if isinstance(fact, StatusChanged):
            trading = fact.status == "TRADING"
            return [
                Item("s", "statuses", scale,
                     lambda wire, _: payloads.status(scale, trading=trading, at=at, wire=wire))
            ]  # fmt: skip
        listing = scale.listing
        if fact.price is None or not (listing.range_up and listing.range_down):
            return []
        lower, upper = int(fact.price * listing.range_down), int(fact.price * listing.range_up)
        return [
            Item("l", "lulds", scale,
                 lambda wire, _: payloads.bands(scale, lower, upper, at, wire))
        ]  # fmt: skip

    def _publish(self, items: list[Item]) -> None:
        for listener in self._listeners.values():
            if listener.account:
                self._deliver(listener, items)

    def _deliver(self, listener: Listener, items: list[Item]) -> None:
        feed = listener.feed
        mine = [
            item for item in items
            if listener.hears(item.channel, item.scale.symbol) and feed.has(item.scale)
        ]  # fmt: skip
        if not mine:
            return
        if self._options.mixed_frames:
            self._frame(listener, " ".join(dict.fromkeys(item.label for item in mine)), mine)
            return
        apart: dict[str, list[Item]] = {}
        for item in mine:
            apart.setdefault(item.label, []).append(item)
        for label, together in apart.items():
            self._frame(listener, label, together)

    def _frame(self, listener: Listener, label: str, items: list[Item]) -> None:
        wire = listener.wire
        frame = wire.array([item.encoded(wire, listener.feed.kind) for item in items])
        self._send(listener.link, SendText(frame, label, binary=wire.binary))

    def _look(self) -> None:
        """Find out anew who is heard, and whether anybody waits for the end of a minute."""
        wanted: dict[str, set[str]] = {}
        for listener in self._listeners.values():
            for channel, symbols in listener.asked.items():
                if symbols:
                    wanted.setdefault(channel, set()).update(
                        name
                        for name, board in self.boards.items()
                        if listener.feed.has(board.scale)
                        and listener.hears(channel, board.scale.symbol)
                    )
        for symbol in self._wanted.get("orderbooks", set()) - wanted.get("orderbooks", set()):
            self.boards[symbol].changed = ({}, {})
        self._wanted = wanted
        if not (wanted.get("bars") or wanted.get("dailyBars")):
            self._minute = 0


def _book(
    scale: Scale, bids: list[tuple[int, int]], asks: list[tuple[int, int]], now: int,
    wire: Wire, _feed: str,
) -> Message:  # fmt: skip
    return payloads.book(scale, bids, asks, now, wire)


def _whole_book(
    scale: Scale, bids: list[tuple[int, int]], asks: list[tuple[int, int]], now: int,
    wire: Wire, _feed: str,
) -> Message:  # fmt: skip
    return {**payloads.book(scale, bids, asks, now, wire), "r": True}
