"""How long the addresses of a venue want silence, known to every session that was given the same
`Bans`.

House rules: pure, nothing global; a silence is only ever lengthened, and ends by itself. A ban is
for whoever comes from our address, so it is about all that a session dials and asks there; the
limit on orders is an account's own and stays with its session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import msgspec

from pitwire.session.pacing import Pacing
from pitwire.venues.venue import Endpoints

SHARED = ("dials", "weight")
"""What is silenced for an address: connections, and requests."""


class Ban(msgspec.Struct, frozen=True):
    """No dial (`dials`) or request (`weight`) to `address`, a host and port, before `until`, ns."""

    address: str
    scope: str
    until: int


Keep = Callable[[tuple[Ban, ...]], None]


class Bans:
    """Give one to each session of a process (`bans=`); what one is told, all of them obey.

    `keep` is called with all that is known whenever something new is.
    """

    def __init__(self, known: Iterable[Ban] = (), keep: Keep | None = None) -> None:
        self._until = {(ban.address, ban.scope): ban.until for ban in known}
        self._keep = keep
        self._sessions: WeakKeyDictionary[Pacing, frozenset[str]] = WeakKeyDictionary()

    @property
    def known(self) -> tuple[Ban, ...]:
        """Every ban that was ever told, those that are over included."""
        return tuple(Ban(*place, until) for place, until in sorted(self._until.items()))

    def until(self, endpoints: Endpoints, scope: str = "dials") -> int:
        """When the silence of these addresses ends, ns; in the past where there is none."""
        return max(self._until.get((one, scope), 0) for one in addresses_of(endpoints))

    def join(self, pacing: Pacing, endpoints: Endpoints) -> None:
        """Have a session that talks to these addresses obey, and tell."""
        addresses = addresses_of(endpoints)
        self._sessions[pacing] = addresses
        for scope in SHARED:
            pacing.block(scope, self.until(endpoints, scope))
        pacing.on_block = partial(self._told, addresses)

    def _told(self, addresses: frozenset[str], scope: str, until: int) -> None:
        if scope not in SHARED:
            return
        longer = {one for one in addresses if until > self._until.get((one, scope), 0)}
        if not longer:
            return
        self._until.update(dict.fromkeys(((one, scope) for one in longer), until))
        for pacing, theirs in tuple(self._sessions.items()):
            if not theirs.isdisjoint(longer):
                pacing.block(scope, until)
        if self._keep is not None:
            self._keep(self.known)


def addresses_of(endpoints: Endpoints) -> frozenset[str]:
    """Host and port of each; for an address of another kind, all of it."""
    urls = (getattr(endpoints, name) for name in endpoints.__struct_fields__)
    return frozenset(urlsplit(url).netloc or url for url in urls if url)
