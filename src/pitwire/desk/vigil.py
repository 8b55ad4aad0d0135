"""Is the desk alive, and what of its orders must go: the watchdog's judgement.

House rules: pure. Silence is the desk's own whatever its cause, but for what we have slept through
ourselves; an order is cancelled only when its id says that it is ours, and an account is clear only
when the venue has said so twice, each time asked when no order that had left could be accepted any
more: as late as proves one dead (`docs/orders.md`, proof of death).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from pitwire.model.clock import SECOND
from pitwire.model.events import Event, OpenOrders, Update
from pitwire.model.orders import CancelOrder, UpdateKind
from pitwire.trading.ids import is_protective

LIST_EVERY = SECOND
"""How often the venue is asked what is open, while there is something to clear away."""
QUICK_LISTS = 20
"""So many times; from then on every `LIST_SELDOM`. A list of everything costs 80 of 6,000 a minute
at Binance, and a ban would keep back every cancel."""
LIST_SELDOM = 5 * SECOND
CLEAR_LISTS = 2
"""So many lists in a row without an order of ours: one list may lack what is open."""
CANCEL_AGAIN = 2 * SECOND
"""A cancel that the next lists do not confirm is sent again after this long, then after twice as
long each time, up to the cap."""
CANCEL_CAP = 30 * SECOND
AWAKE_AGAIN = SECOND
"""So long a desk has to be heard after we stood still ourselves: some of its beats."""


class Vigil:
    """Judges the desk by the beats it sends."""

    def __init__(self, silence: int, now: int) -> None:
        self.silence = silence
        """How long it may be quiet, in ns."""
        self._heard = now
        self._gone = ""
        self._excused = False

    def hear(self, now: int) -> None:
        """A beat came."""
        self._heard, self._excused = now, False

    def excuse(self, now: int) -> None:
        """We stood still ourselves: what was said meanwhile is not read yet, or all stood still.

        A beat is waited for once, and not again until one came.
        """
        if not self._excused:
            self._excused = True
            grace = min(AWAKE_AGAIN, self.silence)
            self._heard = max(self._heard, now - self.silence + grace)

    def lose(self, reason: str) -> None:
        """The desk's end of the line is closed without a goodbye."""
        self._gone = self._gone or reason

    @property
    def is_over(self) -> bool:
        """Whether nothing will ever be heard again."""
        return bool(self._gone)

    def alarm(self, now: int) -> str:
        """Why our orders must go; "" while the desk lives."""
        if self._gone:
            return self._gone
        quiet = now - self._heard
        return f"the desk has been silent for {quiet / SECOND:.1f} s" if self._is_late(now) else ""

    def next_deadline(self) -> int:
        """When silence becomes an alarm."""
        return self._heard + self.silence

    def _is_late(self, now: int) -> bool:
        return now >= self.next_deadline()


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a sweep has come to."""

    cancelled: tuple[str, ...] = ()
    """Orders that were told to go, and were not in the venue's last list."""
    spared: tuple[str, ...] = ()
    """Protective orders of ours, left open on purpose."""
    left: tuple[str, ...] = ()
    """Orders of ours that may still be open."""
    foreign: int = 0
    """Orders of others, and of a desk that was started since; not touched."""
    late: tuple[str, ...] = ()
    """Orders of ours that the venue took only after a list without any."""
    lists: int = 0
    """How often the venue has said what is open."""


class Sweep:
    """One clean-up of an account: list, cancel what is ours, list again until it is clear.

    `certain_from` is from when on a list proves something; None, until somebody knows: none does.
    """

    def __init__(
        self, is_ours: Callable[[str], bool], *, keep_protective: bool, begun: int
    ) -> None:
        self._is_ours, self._keep = is_ours, keep_protective
        self._list_at = begun
        self._told: dict[str, tuple[int, int]] = {}
        """Orders that were told to go → when they may be told again, how long after the last."""
        self._asked = 0
        self._spared: dict[str, None] = {}
        self._listed: tuple[str, ...] | None = None
        self._foreign = 0
        self._clear: list[int] = []
        """When the newest lists in a row without an order of ours were asked for."""
        self._late: dict[str, None] = {}
        self._lists = 0
        self.certain_from: int | None = None

    @property
    def looks_clear(self) -> bool:
        """Whether nothing of ours was listed lately; an order may still be on its way."""
        return len(self._clear) >= CLEAR_LISTS

    @property
    def is_clear(self) -> bool:
        """Whether the venue has proven that nothing of ours is open, or will be."""
        since = self.certain_from
        return since is not None and sum(at >= since for at in self._clear) >= CLEAR_LISTS

    def wants_list(self, now: int) -> bool:
        """Whether the venue is to be asked now what is open; it counts as asked then."""
        if self.is_clear or now < self._list_at:
            return False
        self._asked += 1
        self._list_at = now + (LIST_EVERY if self._asked <= QUICK_LISTS else LIST_SELDOM)
        return True

    def next_deadline(self) -> int:
        """When `wants_list` will next say yes."""
        return self._list_at

    def take(self, events: Sequence[Event], now: int) -> list[CancelOrder]:
        """What the venue says; the cancels that follow from it."""
        cancels: list[CancelOrder] = []
        for event in events:
            if isinstance(event, OpenOrders) and not event.symbol:
                self._list(event)
            elif isinstance(event, Update) and event.update is UpdateKind.STATUS_OPEN:
                cancels += self._judge(event, now)
        return cancels

    def outcome(self) -> Outcome:
        """How it stands by the venue's last list."""
        listed = set(self._listed or ())
        left = [one for one in listed if self._must_go(one)]
        if self._listed is None:
            left = list(self._told)
        return Outcome(
            cancelled=tuple(one for one in self._told if one not in left),
            spared=tuple(one for one in self._spared if one in listed),
            left=tuple(sorted(left)),
            foreign=self._foreign,
            late=tuple(self._late),
            lists=self._lists,
        )

    def _list(self, event: OpenOrders) -> None:
        self._listed = event.order_ids
        self._lists += 1
        self._foreign = sum(not self._is_ours(one) for one in event.order_ids)
        ours = [one for one in event.order_ids if self._must_go(one)]
        if ours and self._clear:
            self._late.update(dict.fromkeys(one for one in ours if one not in self._told))
        self._clear = [] if ours else [*self._clear, event.asked]

    def _judge(self, order: Update, now: int) -> list[CancelOrder]:
        if not self._is_ours(order.order_id):
            return []
        if not self._must_go(order.order_id):
            self._spared[order.order_id] = None
            return []
        again, pause = self._told.get(order.order_id, (now, CANCEL_AGAIN // 2))
        if now < again:
            return []
        pause = min(2 * pause, CANCEL_CAP)
        self._told[order.order_id] = now + pause, pause
        return [
            CancelOrder(
                order_id=order.order_id,
                symbol=order.symbol,
                venue_id=order.venue_id,
                rule="watchdog",
                decided=now,
                type=order.type,
            )
        ]

    def _must_go(self, order_id: str) -> bool:
        return self._is_ours(order_id) and not (self._keep and is_protective(order_id))
