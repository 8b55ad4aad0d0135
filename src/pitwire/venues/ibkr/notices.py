"""What the venue says of its own lines, as a table: which words mean what is done.

Codes are those of the broker's own notices; they come as the code of an error frame, or as the id
of a notification (§8.3). The state of the session comes as `sts` (§2.2).
"""

from __future__ import annotations

from collections.abc import Mapping

from pitwire.model.words import Word
from pitwire.venues.ibkr import frames as wire


class Remedy(Word):
    """What a notice calls for."""

    DROP = "drop"
    """The data are lost: the connection is dropped, so that all is stale, and asked for anew."""
    DOUBT = "doubt"
    """What is sent is not live: stale until it speaks again."""
    RENEW = "renew"
    """Live again: every stream is asked for once more, which harms nobody."""
    TELL = "tell"
    """Nothing is done."""


CODES: Mapping[int, tuple[Remedy, str]] = {
    1100: (Remedy.DOUBT, "the broker's line is lost"),
    1101: (Remedy.DROP, "the broker's line is restored, and the data are lost"),
    1102: (Remedy.RENEW, "the broker's line is restored, and the data are kept"),
    1300: (Remedy.DROP, "the broker's line moves to another port"),
    2103: (Remedy.DOUBT, "a market data farm is not connected"),
    2104: (Remedy.RENEW, "a market data farm is connected"),
    2105: (Remedy.TELL, "a farm of historical data is not connected"),
    2106: (Remedy.TELL, "a farm of historical data is connected"),
    2107: (Remedy.TELL, "a farm of historical data sleeps until it is asked"),
    2108: (Remedy.RENEW, "a market data farm sleeps until it is asked"),
    2110: (Remedy.DOUBT, "the line between gateway and broker is broken"),
    2119: (Remedy.TELL, "a market data farm is being connected"),
    2157: (Remedy.DOUBT, "the farm of contracts is not connected"),
    2158: (Remedy.RENEW, "the farm of contracts is connected"),
}
"""Code → what is done, and what it says."""

TAKEN = "another login has taken the brokerage session"
NOT_OPEN = "the brokerage session is not open"
NO_LINE = "the gateway has no line to the broker"


def trouble(status: wire.Status) -> str:
    """Why nothing can be done with such a session; "" where it is fine as far as it says.

    `established` is missing in older builds, and then unknown.
    """
    if status.competing:
        return TAKEN
    if status.connected is False:
        return NO_LINE
    if status.authenticated is False or status.established is False:
        return NOT_OPEN
    return ""


def code_of(value: object) -> int:
    """The code that a notice names; 0 where it names none."""
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0
