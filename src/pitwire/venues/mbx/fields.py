"""What may stand in a field of the family's frames.

House rules: a watched number is a bounded float, so that NaN, infinities and negative sizes are
refused while parsing; ids and times are bounded integers.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

HUGE = 1e300
"""No watched number comes near; the bound is what keeps infinity and NaN out."""
LAST_INSTANT = 9_223_372_036_854_775
"""The last µs that fits 63 bits of ns (the year 2262)."""

Price = Annotated[float, Meta(gt=0, lt=HUGE)]
PriceOrNone = Annotated[float, Meta(ge=0, lt=HUGE)]
"""Statistics write 0 where there was no trade or no quote."""
Size = Annotated[float, Meta(ge=0, lt=HUGE)]
Name = Annotated[str, Meta(min_length=1, max_length=40)]
Signed = Annotated[float, Meta(gt=-HUGE, lt=HUGE)]
Id = Annotated[int, Meta(ge=0, lt=2**62)]
IdOrNone = Annotated[int, Meta(ge=-1, lt=2**62)]
"""The venue writes -1 for "none" (§0.1)."""
Code = Annotated[int, Meta(ge=-(2**31), lt=2**31)]
Count = Annotated[int, Meta(ge=0, lt=2**31)]
Time = Annotated[int, Meta(ge=0, le=LAST_INSTANT)]
Levels = tuple[tuple[Price, Size], ...]
