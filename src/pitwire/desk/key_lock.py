"""The locks of a key and of an account: one live desk on a machine uses either at a time, wherever
its folder is.

House rules: an account is known by where its orders go and by its key, and by the venue's own name
of it where there is one; never by how either is written: two addresses of one venue are one place,
and so are the names of its two encodings.
"""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from urllib.parse import urlsplit

from pitwire.desk.config import state_root
from pitwire.venues.venue import Endpoints, Venue
from pitwire.wire.names import is_on_this_machine

_PORTS = {"ws": 80, "wss": 443}


def key_lock(venue: Venue, endpoints: Endpoints, key: str) -> Path:
    """The file that the desk holds which trades there with this key."""
    return _lock(venue, endpoints, key)


def account_lock(venue: Venue, endpoints: Endpoints, name: str) -> Path:
    """The file that the desk holds which trades there on the account that the venue calls so."""
    return _lock(venue, endpoints, f"account {name}")


def _lock(venue: Venue, endpoints: Endpoints, who: str) -> Path:
    to = urlsplit(venue.orders_path(endpoints, "ms"))
    host = (to.hostname or "").rstrip(".")
    # A venue answers at several ports; on this machine each may be a venue of its own.
    port = to.port or _PORTS.get(to.scheme, 0) if is_on_this_machine(host) else ""
    text = f"{host} {port} {to.path} {who}"
    return state_root() / "keys" / blake2b(text.encode(), digest_size=16).hexdigest()
