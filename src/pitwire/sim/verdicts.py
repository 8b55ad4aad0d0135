"""What a plan decides: about links, dials and requests. Whoever serves them obeys.

House rules: frozen, and told in labels and ns.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from pitwire.sim.faults import SessionFault, Way


class CutLink(msgspec.Struct, frozen=True):
    """Abort every link whose label matches."""

    link: str


class CloseLink(msgspec.Struct, frozen=True):
    """Close every link whose label matches."""

    link: str
    code: int
    reason: str


class AnnounceShutdown(msgspec.Struct, frozen=True):
    """Tell every link whose label matches that the venue restarts, and close it then."""

    link: str
    lead: int
    """ns from the announcement to the end."""


class SwallowLink(msgspec.Struct, frozen=True):
    """Let nothing pass on every link whose label matches."""

    link: str
    way: Way
    until: int | None
    """When it is over; None: never."""


class Operate(msgspec.Struct, frozen=True):
    """Let the façade carry out what befalls a session, or end it."""

    fault: SessionFault
    is_over: bool = False


LinkAction: TypeAlias = CutLink | CloseLink | AnnounceShutdown | SwallowLink | Operate


class DialRefusal(msgspec.Struct, frozen=True):
    """Answer an upgrade with `status` (0: do not answer at all)."""

    status: int
    retry_after_seconds: float | None = None
    body: str = ""
    content_type: str = "text/plain"
    delay: int = 0
    """ns before the answer, or before the attempt ends without one."""


class Verdict(msgspec.Struct, frozen=True):
    """What is to become of a request; the default is nothing out of the ordinary."""

    delay: int = 0
    """ns between doing it and answering."""
    answers: bool = True
    """False: do it and stay silent."""
    events_first: bool = False
    """Send the account's events before the answer."""
    stale: int = 0
    """ns: answer with the book as it was that long ago."""
    share: float = 1.0
    """How much of a list is done, while all of it is acknowledged."""
    status: int = 0
    """Not 0, and no `code`: do not do it, answer with this HTTP status and `body`."""
    body: bytes = b""
    content_type: str = ""
    retry_after_seconds: float | None = None
    code: int = 0
    """Not 0: answer with this error of the venue's, status and `text`."""
    text: str = ""
    done: bool = True
    """False: do not do it, and answer with `code`."""
    kept: float = 1.0
    """How much of a list is told."""
    questions: tuple[str, ...] = ()
    """What the venue asks back before it does it: ids of its own, or texts that nobody knows."""

    def headers(self) -> dict[str, str]:
        """Of the answer that is given instead."""
        found = {"content-type": self.content_type}
        if self.retry_after_seconds is not None:
            found["retry-after"] = f"{self.retry_after_seconds:g}"
        return found


AS_USUAL = Verdict()
