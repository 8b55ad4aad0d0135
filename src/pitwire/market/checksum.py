"""Checksums: a venue's own sum over the levels of a book, and whether ours gives the same.

House rules: a rule is a frozen value with one pure method. The numbers are written as the venue
writes them, with its count of digits: up to fifteen of them a float gives the very same text.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Protocol
from zlib import crc32

import msgspec

if TYPE_CHECKING:
    from pitwire.market.book import BookSide, OrderBook


class Checksum(Protocol):
    """Sums up a book as a venue does."""

    def of(self, book: OrderBook) -> int: ...


class TopLevelsCrc(msgspec.Struct, frozen=True, kw_only=True):
    """CRC32 over the text of the best asks and then of the best bids (Kraken WebSocket v2, book).

    Of each level the price and then the size, without their point and leading zeros.
    """

    price_digits: int
    """Digits after the point in the venue's prices of this symbol."""
    size_digits: int
    levels: int = 10

    def of(self, book: OrderBook) -> int:
        """The sum of this book as it stands."""
        return crc32((self._side(book.asks) + self._side(book.bids)).encode())

    def _side(self, side: BookSide) -> str:
        return "".join(
            _digits(price, self.price_digits) + _digits(size, self.size_digits)
            for price, size in islice(side, self.levels)
        )


def _digits(number: float, digits: int) -> str:
    return f"{number:.{digits}f}".replace(".", "").lstrip("0")
