"""The public way in: `connect_to_websocket`, with what the environment or a `.env` file says.

The session floor knows nothing of the environment; this floor does, so the look-ups are here: that
of keys is made only when `authenticate_websocket` is called without credentials, that of addresses
when nothing says where to go.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial, wraps
from typing import ParamSpec

from pitwire.desk.addresses import address_names, find_endpoints
from pitwire.desk.secrets import find_credentials
from pitwire.session import connect
from pitwire.session.connect import Connecting
from pitwire.venues.venue import Endpoints, Venue

logger = logging.getLogger("pitwire.door")
P = ParamSpec("P")
_PLACES = ("endpoints", "testnet", "dial", "fetch")
"""What says where a session goes; with any of them nothing is looked for."""


def _finding_out(make: Callable[P, Connecting]) -> Callable[P, Connecting]:
    """The same function, that looks for the venue's usual variables where it is told nothing."""

    @wraps(make)
    def made(*args: P.args, **kwargs: P.kwargs) -> Connecting:
        venue = args[0] if args else kwargs.get("venue", "binance")
        name = venue.name if isinstance(venue, Venue) else str(venue)
        if kwargs.get("credentials") is None:
            kwargs["credentials"] = partial(find_credentials, name)
        if not any(kwargs.get(place) for place in _PLACES):
            kwargs["endpoints"] = _looked_up(name)
        return make(*args, **kwargs)

    return made


def _looked_up(venue: str) -> Endpoints | None:
    """Where a venue is that is served here, if the environment says so; the log says it, too."""
    found = find_endpoints(venue)
    if found is not None:
        names = ", ".join(address_names(venue).values())
        logger.info("%s: at %s, as %s say", venue, found.http, names)
    return found


connect_to_websocket = _finding_out(connect.connect_to_websocket)
"""`pitwire.session.connect.connect_to_websocket`, with a look-up of keys and of addresses.

Without `credentials`, the usual variables (`BINANCE_API_KEY` and `BINANCE_API_SECRET`, say) are
looked for in the environment and in `.env` once `authenticate_websocket` needs them. Where neither
`endpoints` nor `testnet`, `dial` or `fetch` says where to go, `BINANCE_MARKET_URL`,
`BINANCE_ORDERS_URL` and `BINANCE_HTTP_URL` do, as `pitwire sim` prints them; addresses of this
machine alone.
"""
