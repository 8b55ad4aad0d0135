"""Levels as a binary frame packs them: none is an object before somebody reads it.

House rules: such levels equal the tuple of the same levels, in either order, and hash, print, add
and pickle as it does; nothing of them can be changed. A number is mantissa by power of ten, divided
once and as whole numbers, which gives the very float that its text would.
`_packed.c` beside this is the compiled twin (ADR 29): doubles side by side, which a compiled ladder
takes in one call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from struct import Struct
from typing import TYPE_CHECKING, Any, TypeAlias, overload

from pitwire.model.twins import twin

Level: TypeAlias = tuple[float, float]
"""Price, size. Size 0 in a delta removes the level."""
if TYPE_CHECKING:
    Levels: TypeAlias = Sequence[Level]
else:
    # What msgspec makes of those that it reads.
    Levels = tuple[Level, ...]


class Times:
    """Divides by less than one, exactly: of a mantissa whose exponent is above zero."""

    def __init__(self, factor: int) -> None:
        self._factor = factor

    def __rtruediv__(self, mantissa: int) -> float:
        return float(mantissa * self._factor)


Scale: TypeAlias = int | Times
SCALES: Mapping[int, Scale] = {
    exponent: 10**-exponent if exponent <= 0 else Times(10**exponent) for exponent in range(-18, 19)
}
"""Exponent → what a mantissa is divided by."""
_PAIRS = Struct("<qq").iter_unpack


class PackedLevels(Sequence[Level]):
    """Levels of one side: `packed` is a pair of little-endian int64 for each, price and size.

    Each is divided by its scale when the first level is read, all of them at once, and kept.
    """

    __slots__ = ("_packed", "_prices", "_read", "_sizes")

    def __init__(self, packed: bytes, prices: Scale, sizes: Scale) -> None:
        self._packed = packed
        self._prices = prices
        self._sizes = sizes
        self._read: tuple[Level, ...] | None = None

    def _levels(self) -> tuple[Level, ...]:
        if self._read is None:
            prices, sizes = self._prices, self._sizes
            self._read = tuple(
                [(price / prices, size / sizes) for price, size in _PAIRS(self._packed)]
            )
        return self._read

    def __len__(self) -> int:
        return len(self._packed) // 16

    @overload
    def __getitem__(self, at: int) -> Level: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Level, ...]: ...
    def __getitem__(self, at: int | slice) -> Level | tuple[Level, ...]:
        return self._levels()[at]

    def __iter__(self) -> Iterator[Level]:
        return iter(self._levels())

    def index(self, level: Level, /, *bounds: int) -> int:
        """Where this level is first; raises `ValueError` where it is not."""
        return self._levels().index(level, *bounds)

    def count(self, level: Level, /) -> int:
        """How often this level is there."""
        return self._levels().count(level)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, tuple | PackedLevels):
            return NotImplemented
        if (
            type(other) is PackedLevels
            and (self._prices, self._sizes) == (other._prices, other._sizes)
            and self._packed == other._packed
        ):
            return True  # without a look at their numbers: a second connection brings the same
        return self._levels() == tuple(other)

    def __hash__(self) -> int:
        return hash(self._levels())

    def __repr__(self) -> str:
        return repr(self._levels())

    def __add__(self, other: object) -> tuple[Level, ...]:
        if not isinstance(other, tuple | PackedLevels):
            return NotImplemented
        return self._levels() + tuple(other)

    def __radd__(self, other: object) -> tuple[Level, ...]:
        if not isinstance(other, tuple | PackedLevels):
            return NotImplemented
        return tuple(other) + self._levels()

    def __reduce__(self) -> tuple[type[tuple[Level, ...]], tuple[tuple[Level, ...]]]:
        return tuple, (self._levels(),)


COMPILED: Any = twin("pitwire.model._packed")
"""The compiled twin's module, where it was built; its levels are `PackedLevels` as well."""
if COMPILED is not None:
    PackedLevels.register(COMPILED.PackedLevels)


def unpacked(value: object) -> object:
    """Packed levels as a tuple, for msgspec, which writes no sequence that it does not know.

    `msgspec.json.encode(event, enc_hook=unpacked)`. Raises `NotImplementedError` for anything else.
    """
    if isinstance(value, PackedLevels):
        return tuple(value)
    raise NotImplementedError(f"cannot write {type(value).__name__}")
