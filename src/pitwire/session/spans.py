"""What an aggregate merges follows on what the one before it did: what is between is missing.

House rules: pure. An aggregate names the first and the last of its trades (`Channel.merges`), and
the venue's ids of aggregates count by one whether or not it left a trade out; only these two ids
show that. Nobody can ask for what is in no aggregate, so it is named at once.
"""

from __future__ import annotations

from collections.abc import Sequence

from pitwire.model.events import MERGED, AggregateTrade, Event, TradeGap


class Spans:
    """The last trade of each symbol that an aggregate has told of."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._begin: dict[str, int] = {}
        """Of symbols that begin: the first trade of the aggregate that follows on nothing."""

    def begin(self, told: AggregateTrade) -> None:
        """This one follows on nothing, whatever leaves before it."""
        self._begin[told.symbol] = told.first_id

    def follow_one(self, told: AggregateTrade) -> Sequence[Event]:
        """The same for one that follows, as nearly all do."""
        last, symbol = self._last, told.symbol
        if last.get(symbol) == told.first_id - 1:
            last[symbol] = told.last_id
            return (told,)
        return self.follow((told,))

    def follow(self, told: Sequence[Event]) -> Sequence[Event]:
        """These, in the order in which they leave, with a gap before each that lacks trades.

        Going over the same once more adds nothing.
        """
        whole: list[Event] | None = None
        for place, event in enumerate(told):
            gap = self._gap_before(event)
            if gap is not None and whole is None:
                whole = list(told[:place])
            if whole is not None:
                whole += (event,) if gap is None else (gap, event)
        return told if whole is None else whole

    def _gap_before(self, event: Event) -> TradeGap | None:
        if isinstance(event, TradeGap):
            self._last.pop(event.symbol, None)  # aggregates are missing, and their trades with them
            return None
        if not isinstance(event, AggregateTrade) or not event.first_id:
            return None
        last, first = self._last.get(event.symbol), event.first_id
        self._last[event.symbol] = event.last_id
        begins = self._begin.get(event.symbol) == first
        if begins:
            del self._begin[event.symbol]
        if begins or last is None or first <= last + 1:
            return None
        at, now = event.venue_time, event.received
        return TradeGap(event.venue, event.symbol, at, now, last + 1, first - 1, MERGED)
