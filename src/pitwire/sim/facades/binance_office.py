"""What every request works on: the exchange, the symbols, the keys, the counters, the streams.

House rules: facts are taken from the exchange in one place and published in one place, so that
an answer can leave before or after the events it causes.
"""

from __future__ import annotations

from collections.abc import Callable

from pitwire.model.entropy import Entropy
from pitwire.sim.facades.binance_archive import Archive
from pitwire.sim.facades.binance_auth import Keyring
from pitwire.sim.facades.binance_board import Board
from pitwire.sim.facades.binance_limits import Limits
from pitwire.sim.facades.binance_options import BinanceOptions
from pitwire.sim.facades.binance_sbe_streams import SbeHub
from pitwire.sim.facades.binance_streams import StreamHub
from pitwire.sim.facades.binance_text import ApiError, Scale
from pitwire.sim.facades.binance_users import UserStreams
from pitwire.sim.facades.facade import Action, Market
from pitwire.sim.facts import (
    Amended,
    Ended,
    Fact,
    LevelChanged,
    Listing,
    Prevented,
    PublicTrade,
    Recorded,
    SimOrder,
    Status,
    StatusChanged,
    Traded,
)

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

_COMMON = frozenset((LevelChanged, PublicTrade))
_COMMONEST = _COMMON | {Traded}
"""Facts that need no look; of trades only where no order waits for its first fill."""


class Office:
    """The inside of the simulated Binance."""

    def __init__(
        self,
        market: Market,
        *,
        entropy: Entropy,
        options: BinanceOptions,
        send: Callable[[int, Action], None],
        replaying: bool = False,
    ) -> None:
        self.market = market
        self.replaying = replaying
        self.options = options
        self.scales = {name: self._scale(listing) for name, listing in market.listings.items()}
        self._by_name = {scale.symbol: scale for scale in self.scales.values()}
        self.keyring = Keyring()
        self.limits = Limits(options)
        self.boards: dict[str, Board] = {}
        self._unpublished: list[Fact] = list(market.take_facts())
        self._unpublished.clear()  # what happened before anybody could listen
        for name, scale in self.scales.items():
            self.boards[name] = Board(scale, market)
        self.hub = self._hub(send)
        self.sbe = SbeHub(
            market,
            self.boards,
            send,
            native=options.sbe_native_exponents,
            replaying=replaying,
        )
        self.users = self._users(send)
        self.users.emit_raw = self.hub.emit
        self.statuses: dict[str, str] = {}
        self.archive = Archive()
        self._unfilled: set[tuple[str, int]] = set()
        self._is_hushed = False
        self._ids = entropy.stream("binance/ids")
        self._uuids = entropy.stream("binance/uuids")

    def relist(self, listing: Listing) -> None:
        """Tell these rules of a symbol to whoever asks from now on; its units are as they were."""
        scale = self.scales[listing.symbol] = self._scale(listing)
        self._by_name[scale.symbol] = scale

    def _scale(self, listing: Listing) -> Scale:
        return Scale(listing)

    def _hub(self, send: Callable[[int, Action], None]) -> StreamHub:
        return StreamHub(self.market, self.boards, send, replaying=self.replaying)

    def _users(self, send: Callable[[int, Action], None]) -> UserStreams:
        return UserStreams(self.scales, self.options, send)

    def scale(self, symbol: str) -> Scale:
        """The symbol in the venue's spelling; raises -1121."""
        found = self._by_name.get(symbol)
        if found is None:
            raise ApiError(-1121, "Invalid symbol.")
        return found

    def board(self, symbol: str) -> Board:
        return self.boards[self.scale(symbol).listing.symbol]

    def reword(self, error: ApiError) -> ApiError:
        """A refusal in the words that it is to leave in."""
        return error

    def new_id(self, length: int = 22) -> str:
        """An id as the venue makes them up: alphanumerics."""
        return "".join(self._ids.choices(_ALPHABET, k=length))

    def uid_of(self, account: str) -> int:
        """The number that every key of this account is told, and no key of another (§5.13)."""
        return self.options.uid + self.keyring.accounts().index(account)

    def new_hex(self, length: int) -> str:
        """Hexadecimal digits for a request's own id."""
        return f"{self._uuids.getrandbits(4 * length):0{length}x}"

    def take(self, now: int) -> list[Fact]:
        """What happened since the last time, to be published later."""
        facts = self.market.take_facts()
        common = _COMMON if self._unfilled else _COMMONEST  # by far the most
        for fact in [fact for fact in facts if type(fact) not in common]:
            self._note(fact, now)
        self._unpublished = [*self._unpublished, *facts] if self._unpublished else facts
        return facts

    def _note(self, fact: Fact, now: int) -> None:
        if isinstance(fact, Traded):
            self._first_fill(fact.taker, now)
            self._first_fill(fact.maker, now)
        elif isinstance(fact, StatusChanged):
            self.statuses[fact.symbol] = fact.status
        elif isinstance(fact, Amended):
            self.archive.note(fact)
        elif isinstance(fact, Ended | Prevented):
            if isinstance(fact, Prevented):
                self.archive.note(fact)
            if isinstance(fact, Ended) or fact.order.status is Status.EXPIRED_IN_MATCH:
                self._unfilled.discard((fact.symbol, fact.order.order_id))

    def publish(self, now: int) -> None:
        """Tell streams and users everything that was taken."""
        self.take(now)
        if self._unpublished:
            self._tell(now)
        if self._is_hushed:
            self._is_hushed = False
            self.market.hush(False)
            for board in self.boards.values():
                board.come_up()

    def _tell(self, now: int) -> None:
        facts, self._unpublished = self._unpublished, []
        self.hub.note(facts, now)
        self.sbe.note(facts, now)
        self.users.note(facts, now)
        if self.replaying:
            for fact in facts:
                if isinstance(fact, Recorded):
                    self.hub.replay(fact)

    @property
    def may_wait(self) -> bool:
        """Whether what happens may be published a little later, as long as nobody is connected."""
        return not (self.replaying or self._unfilled or self._unpublished)

    def hush(self) -> None:
        """Nobody hears: until something is published the exchange need not tell all."""
        self._is_hushed = True
        self.market.hush(True)

    def placed(self, order: SimOrder) -> None:
        """An order counts as unfilled until its first fill (binance §8)."""
        self._unfilled.add((order.symbol, order.order_id))

    def _first_fill(self, order: SimOrder, now: int) -> None:
        key = (order.symbol, order.order_id)
        if key in self._unfilled:
            self._unfilled.discard(key)
            self.limits.orders(order.account).add(-1, now)
