"""A desk that is started again counts its orders of the day on: limits by the day hold for all of
it, whichever run ordered.

House rules: the journal is read for it only where a limit asks, and before anything is dialled,
for it may be long; an order of this run counts once; one of the day ahead counts, too, for a clock
that is set back over midnight forgives none.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from pitwire.model.errors import ConfigError
from pitwire.model.symbols import Symbol
from pitwire.store.ordered import Ordered, ordered_since
from pitwire.trading.conduct import DAY, midnight
from pitwire.trading.engine import Engine
from pitwire.trading.risk import Screen
from pitwire.trading.tracked import ZERO


def read_the_day(folder: Path, screen: Screen, now: int) -> Ordered | None:
    """What runs before this one have ordered since midnight UTC, by the journal in `folder`; None
    where no limit asks. Raises `ConfigError` where that cannot be read."""
    limits = screen.limits
    if limits.max_day_orders is None and limits.max_day_notional is None:
        return None

    def is_of_this_run(order_id: str) -> bool:
        read = screen.ids.read(order_id)
        return read is not None and read[0] == screen.epoch

    try:
        since = midnight(now)
        return ordered_since(folder, since, since + 2 * DAY, but=is_of_this_run)
    except OSError as error:
        found = error.strerror or type(error).__name__
        expected = "a journal to count the day's orders by"
        raise ConfigError(where=str(folder), found=found, expected=expected) from None


def count_the_day_on(ordered: Ordered, engine: Engine, now: int) -> None:
    """Take what was ordered on the day of `now` before this run; the instruments are known."""
    instruments = engine.state.instruments
    notional: dict[str, Decimal] = {}
    for symbol, worth in ordered.worth.items():
        known = instruments.get(symbol)
        quote = Symbol.parse(symbol).quote if known is None else known.quote
        notional[quote] = notional.get(quote, ZERO) + worth
    engine.screen.conduct.carry_on(ordered.orders, notional, now, ordered.newest)
