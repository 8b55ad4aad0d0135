"""The public way in: `connect_to_websocket`, with keys from the environment or a `.env` file.

The session floor knows nothing of the environment; this floor does, so the look-up is here, and it
is made only when `authenticate_websocket` is called without credentials.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import ParamSpec

from pitwire.desk.secrets import find_credentials
from pitwire.session import connect
from pitwire.session.connect import Connecting
from pitwire.venues.venue import Venue

P = ParamSpec("P")


def _finding_keys(make: Callable[P, Connecting]) -> Callable[P, Connecting]:
    """The same function, that looks for the venue's usual variables when given no credentials."""

    @wraps(make)
    def made(*args: P.args, **kwargs: P.kwargs) -> Connecting:
        venue = args[0] if args else kwargs.get("venue", "binance")
        name = venue.name if isinstance(venue, Venue) else str(venue)
        if kwargs.get("credentials") is None:
            kwargs["credentials"] = partial(find_credentials, name)
        return make(*args, **kwargs)

    return made


connect_to_websocket = _finding_keys(connect.connect_to_websocket)
"""`pitwire.session.connect.connect_to_websocket`, with a look-up of keys.

Without `credentials`, the usual variables (`BINANCE_API_KEY` and `BINANCE_API_SECRET`, say) are
looked for in the environment and in `.env` once `authenticate_websocket` needs them.
"""
