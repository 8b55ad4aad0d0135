"""What every request works on: the exchange, the symbols, the keys, the feeds.

House rules: facts are taken from the exchange in one place and published in one place.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from pitwire.model.clock import SECOND
from pitwire.model.entropy import Entropy
from pitwire.sim.facades.alpaca_hub import Hub
from pitwire.sim.facades.alpaca_keys import Keyring
from pitwire.sim.facades.alpaca_options import AlpacaOptions
from pitwire.sim.facades.alpaca_text import Ids, Scale
from pitwire.sim.facades.facade import Action, HttpReply, Market
from pitwire.sim.facts import Listing

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
        send: Callable[[int, Action], None],
    ) -> None:
        self.market, self.options = market, options
        self.scales = {name: Scale(listing) for name, listing in market.listings.items()}
        self.keyring = Keyring(options)
        self.ids = Ids(entropy)
        market.take_facts()  # what happened before anybody could listen
        self.hub = Hub(market, self.scales, options, send)

    def relist(self, listing: Listing) -> None:
        """Tell these rules of a symbol to whoever asks from now on; its units are as they were."""
        self.scales[listing.symbol].listing = listing

    def publish(self, now: int) -> None:
        """Tell the feeds what happened since the last time."""
        facts = self.market.take_facts()
        if facts:
            self.hub.note(facts, now)

    def too_many(self, now: int) -> HttpReply:
        """What is answered beyond a limit (§5.2)."""
        reply = json_reply(
            429, {"code": self.options.rate_code, "message": self.options.rate_message}
        )
        reply.headers["x-ratelimit-reset"] = str(now // SECOND + 1)
        return reply
