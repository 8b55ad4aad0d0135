"""What the head of a depth diff says: whose it is, of when, and how far it goes (binance §3).

House rules: nothing is judged here but the head, which must be written to the letter; of any other
frame nothing is said, and whoever asks reads it whole. Nothing is raised.
"""

from __future__ import annotations

from pitwire.venues.binance.symbols import Symbols
from pitwire.venues.mbx.amounts import nanoseconds
from pitwire.venues.mbx.fields import LAST_INSTANT
from pitwire.venues.mbx.reading import WRAPPED
from pitwire.venues.venue import Buffer, Glimpse

_LONGEST = 160
"""No head is longer: so much is looked at, however many levels follow."""
_END = b"]}}"
_KIND, _TIME, _NAME, _FIRST, _LAST, _BIDS = (
    b'"data":{"e":"depthUpdate"', b'"E":', b'"s":"', b'"U":', b'"u":', b'"b":[',
)  # fmt: skip
HEAD_BYTES = 192
"""A head and the beginning of the levels; it is looked up whole, so it may be longer."""
_DIGITS = 18
"""Numbers of more digits are left to the typed reading and its bounds."""
_KEPT = 10_000


def head_of(frame: bytes, last_id: int) -> bytes | None:
    """The first bytes of a depth diff, if the symbol and this last id are among them."""
    head = frame[:HEAD_BYTES]
    is_whole = head.find(b'"u":%d,"b":[' % last_id) > head.find(_NAME) > 0
    return head if is_whole else None


class Glance:
    """Looks at the heads of one connection's frames, in the wrapper (`/stream`)."""

    def __init__(self, symbols: Symbols) -> None:
        self._symbols = symbols
        self._names: dict[bytes, str] = {}
        """The field with the venue's spelling → ours."""

    def at(self, frame: Buffer) -> Glimpse | None:
        """(symbol, venue time in ns, last id) of a depth diff; None where that is not plain."""
        if frame[-3:] != _END or frame.__class__ is not bytes:
            return None
        fields = frame[:_LONGEST].split(b",", 6)
        if len(fields) != 7:
            return None
        stream, kind, time, name, first, last, bids = fields
        if not stream.startswith(WRAPPED):
            return None
        if kind != _KIND or time[:4] != _TIME or last[:4] != _LAST or bids[:5] != _BIDS:
            return None
        at, number = time[4:], last[4:]
        if not at.isdigit() or not number.isdigit() or len(number) > _DIGITS or first[:4] != _FIRST:
            return None
        symbol = self._names.get(name) or self._learned(name)
        instant = int(at)
        if instant > LAST_INSTANT or not symbol:
            return None
        return symbol, nanoseconds(instant), int(number)

    def _learned(self, name: bytes) -> str:
        """Our spelling of a symbol not met before; "" where it takes more to read it."""
        spelt = name[len(_NAME) : -1]
        if name != _NAME + spelt + b'"' or not spelt.isalnum():
            return ""
        symbol = self._symbols[spelt.decode("ascii")]
        if len(self._names) < _KEPT:
            self._names[name] = symbol
        return symbol
