"""What every request works on: the exchange, the symbols, the keys, the feeds, the orders.

House rules: facts are taken from the exchange in one place and published in one place.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from decimal import Decimal

import msgspec

from pitwire.model.clock import SECOND
from pitwire.model.entropy import Entropy
from pitwire.sim.facades.alpaca_board import Board
from pitwire.sim.facades.alpaca_desk import Desk
from pitwire.sim.facades.alpaca_hub import Hub
from pitwire.sim.facades.alpaca_keys import Keyring
from pitwire.sim.facades.alpaca_options import AlpacaOptions
from pitwire.sim.facades.alpaca_stream import Traders
from pitwire.sim.facades.alpaca_text import Ids, Scale
from pitwire.sim.facades.binance_candles import Bar
from pitwire.sim.facades.facade import Action, HttpReply, Judge, Market
from pitwire.sim.facts import Listing

KEPT_MINUTES = 1500
"""How far back bars go that are asked for."""
_encode = msgspec.json.Encoder().encode


def json_reply(status: int, body: object) -> HttpReply:
    """An answer of the venue's own."""
    return HttpReply(status, {"content-type": "application/json"}, _encode(body))


class Office:
    """The inside of the simulated Alpaca."""

    def __init__(
        self,
        market: Market,
        *,
        entropy: Entropy,
        options: AlpacaOptions,
        judge: Judge,
        send: Callable[[int, Action], None],
    ) -> None:
        self.market, self.options = market, options
        self.scales = {name: Scale(listing) for name, listing in market.listings.items()}
        self.keyring = Keyring(options)
        self.ids = Ids(entropy)
        market.take_facts()  # what happened before anybody could listen
        self.hub = Hub(market, self.scales, options, send)
        self.traders = Traders(self.keyring, self.ids, judge, send)
        self.desk = Desk(
            market,
            self.scales,
            options=options,
            ids=self.ids,
            traders=self.traders,
            publish=self.publish,
        )
        self._names = {
            name: scale
            for scale in self.scales.values()
            for name in (scale.symbol, scale.symbol.replace("/", ""), scale.asset_id)
        }

    def relist(self, listing: Listing) -> None:
        """Tell these rules of a symbol to whoever asks from now on; its units are as they were."""
        self.scales[listing.symbol].listing = listing

    def publish(self, now: int) -> None:
        """Tell feeds and traders what happened since the last time."""
        facts = self.market.take_facts()
        if facts:
            self.hub.note(facts, now)
            self.desk.note(facts)

    def find(self, name: str) -> Scale | None:
        """A symbol, with its slash or without, or by its asset's id."""
        return self._names.get(name)

    def held(self, account: str) -> list[Scale]:
        """What an account has a position in; the first market where an asset has several."""
        held = self.desk.holdings.of(account)
        first: dict[str, Scale] = {}
        for scale in self.scales.values():
            first.setdefault(scale.listing.base, scale)
        return [scale for asset, scale in first.items() if asset in held and held[asset].qty > 0]

    def cash(self, account: str) -> tuple[Decimal, Decimal]:
        """Dollars, free and locked."""
        nothing = (Decimal(0), Decimal(0))
        return self.market.balances(account).get("USD", nothing)

    @staticmethod
    def account_id(account: str) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"account.{account}"))

    @staticmethod
    def minutes(board: Board, now: int) -> list[Bar]:
        """The remembered minutes in which anything traded, oldest first; copies."""
        found = board.history.bars("1m", start=0, end=now, limit=KEPT_MINUTES, newest=True)
        return [msgspec.structs.replace(bar) for bar in found if bar.trades]

    def too_many(self, now: int) -> HttpReply:
        """What is answered beyond a limit (§5.2)."""
        reply = json_reply(
            429, {"code": self.options.rate_code, "message": self.options.rate_message}
        )
        reply.headers["x-ratelimit-reset"] = str(now // SECOND + 1)
        return reply
