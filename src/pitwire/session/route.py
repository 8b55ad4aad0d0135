"""Where a line leads, and what carries it there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import msgspec

from pitwire.model.clock import Clock
from pitwire.session.ear import Tap, Witness
from pitwire.session.pacing import Pacing
from pitwire.session.scout import Scouts
from pitwire.session.writing import OnWritten
from pitwire.wire.link import Dial, Fetch


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """Where a line leads and what carries it there."""

    url: str
    http_root: str
    dial: Dial
    fetch: Fetch
    clock: Clock
    pacing: Pacing
    scouts: Scouts
    tap: Tap | None = None
    witness: Witness | None = None
    permission: Callable[[], Awaitable[None]] | None = None
    """Waited for before each dial."""
    on_written: OnWritten | None = None

    @property
    def shown(self) -> str:
        """The URL as it may be written down: that of the private stream ends in a key."""
        return self.url if self.permission is None else self.url.partition("?")[0]

    @property
    def address(self) -> str:
        """Host and port; for an address of another kind, all of it."""
        return urlsplit(self.url).netloc or self.url
