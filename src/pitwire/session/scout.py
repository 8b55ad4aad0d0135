"""One dials for all while a venue cannot be reached.

House rules: no clock of its own; kept for each address. As long as dials succeed everybody
dials as they like; once one has failed, one connection goes on trying and the others wait for it.
"""

from __future__ import annotations

import asyncio

from pitwire.session.backoff import DEAD_VENUE
from pitwire.session.pacing import Pacing


class Scouts:
    """Who tries which address that failed last."""

    def __init__(self) -> None:
        self._trying: dict[str, object] = {}
        self._failures: dict[str, Pacing] = {}
        self._changed: asyncio.Event = asyncio.Event()

    def failures(self, address: str) -> Pacing:
        """What a dead venue at this address may see of all of us together."""
        return self._failures.setdefault(address, Pacing((DEAD_VENUE,)))

    async def await_turn(self, address: str, who: object) -> None:
        """Return at once unless somebody else is trying this address; else when that is over."""
        while self._trying.get(address, who) is not who:
            await self._changed.wait()

    def failed(self, address: str, who: object) -> None:
        """A dial failed: whoever it was tries again, unless somebody does already."""
        self._trying.setdefault(address, who)

    def stood(self, address: str) -> None:
        """A dial succeeded: everybody may."""
        if self._trying.pop(address, None) is not None:
            self._tell()

    def leave(self, who: object) -> None:
        """Somebody dials no more: another may try."""
        mine = [address for address, trying in self._trying.items() if trying is who]
        for address in mine:
            del self._trying[address]
        if mine:
            self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
