"""The public way in: `connect_to_websocket`, with keys from the environment or a `.env` file.

The session floor knows nothing of the environment; this floor does, so the look-up is here, and it
is made only when `authenticate_websocket` is called without credentials.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from pitwire.desk.secrets import find_credentials
from pitwire.session import connect
from pitwire.session.connect import Connecting
from pitwire.venues.venue import Venue


def connect_to_websocket(venue: str | Venue = "binance", **options: Any) -> Connecting:
    """Connect to a venue: `await` it for an open `Session`, or use it with `async with`.

    Takes the options of `pitwire.session.connect.connect_to_websocket`. Without `credentials`, the
    usual variables (`BINANCE_API_KEY` and `BINANCE_API_SECRET`, say) are looked for in the
    environment and in `.env` once `authenticate_websocket` needs them.
    """
    name = venue if isinstance(venue, str) else venue.name
    if options.get("credentials") is None:
        options["credentials"] = partial(find_credentials, name)
    return connect.connect_to_websocket(venue, **options)
