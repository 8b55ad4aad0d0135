"""How one connection of a session is set up."""

from __future__ import annotations

import msgspec

from pitwire.session.commands import ORDER_DEADLINE_SECONDS
from pitwire.venues.venue import Role

PATIENCE_SECONDS = 5.0
"""How long an answer may take before it counts as not coming."""


class ConversationOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How one connection of a session is set up. `link` is its name in events."""

    link: str
    role: Role
    time_unit: str = "ms"
    book_option: str = ""
    patience_seconds: float = PATIENCE_SECONDS
    asks_time: bool = False
    """Whether a market connection asks the venue's clock over HTTP."""
    backfill: bool = True
    """Whether trades that are missing are asked for over HTTP."""
    order_deadline_seconds: float = ORDER_DEADLINE_SECONDS
