"""The human log: short sentences on the console, through stdlib logging, secrets masked.

The library itself only ever asks `logging` for a logger named `pitwire.…`; a host that has its own
handlers never calls `setup_console` and sees the same sentences in its own place.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.logging import RichHandler

from pitwire.desk.masking import Masker, MaskingFilter
from pitwire.model import events
from pitwire.model.numbers import plain
from pitwire.model.orders import AmendOrder, CancelOrder, Command, ReplaceOrder, UpdateKind
from pitwire.trading import journal

ROOT = "pitwire"


def setup_console(
    level: str = "info", *, masker: Masker | None = None, console: Console | None = None
) -> RichHandler:
    """Show `pitwire` loggers from `level` up on stderr; doing it again replaces what was there."""
    handler = RichHandler(
        console=console or Console(stderr=True),
        show_path=False,
        markup=False,
        highlighter=None,
        log_time_format="%H:%M:%S",
    )
    handler.addFilter(MaskingFilter(masker or Masker()))
    root = logging.getLogger(ROOT)
    for old in [each for each in root.handlers if isinstance(each, RichHandler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    root.propagate = False
    return handler


class Narrator:
    """Tells events as sentences, to one logger a venue; an interaction log takes it as `told`.

    A venue tells an order's fate twice, in its answer and on the private stream; a person hears it
    once.
    """

    def __init__(self) -> None:
        self._loggers: dict[str, logging.Logger] = {}
        self._lately: deque[object] = deque(maxlen=_LATELY)

    def __call__(self, record: object) -> None:
        known = SENTENCES.get(type(record))
        if known is None or self._is_repeat(record):
            return
        level, sentence = known
        if type(record) in _OFTEN_PLANNED and _is_planned(record):
            level = logging.INFO
        venue = getattr(record, "venue", "") or "desk"
        log = self._loggers.get(venue)
        if log is None:
            log = self._loggers[venue] = logging.getLogger(f"{ROOT}.{venue}")
        if log.isEnabledFor(level):
            log.log(level, "%s", sentence(record))

    def _is_repeat(self, record: object) -> bool:
        match record:
            case events.Update(order_id=order, update=update, filled=filled):
                said: object = (order, update, filled or 0)
            case events.Fill(order_id=order, trade_id=trade):
                said = (order, trade)
            case _:
                return False
        if said in self._lately:
            return True
        self._lately.append(said)
        return False


_LATELY = 256
_OFTEN_PLANNED = (events.Lost, journal.Halted)


def _is_planned(record: object) -> bool:
    """Whether this is our own goodbye rather than a misfortune."""
    match record:
        case events.Lost(reason=reason, retry_after_seconds=0):
            return "code 1000" in reason
        case journal.Halted(by=by):
            return by == "desk"
    return False


def _lost(event: events.Lost) -> str:
    again = event.retry_after_seconds
    return f"lost {event.link}: {event.reason}" + (f"; again in {again:.1f} s" if again else "")


def _short(number: Decimal | None) -> str:
    """Without the zeros that a venue pads with."""
    return "?" if number is None else plain(number.normalize())


def _update(event: events.Update) -> str:
    what = f"order {event.order_id} {event.update.value.replace('_', ' ')}"
    if event.update in (UpdateKind.REJECTED, UpdateKind.CANCEL_REJECTED):
        return f"{what}: {event.text or event.reason}"
    if event.filled:
        return f"{what}: {_short(event.filled)} of {_short(event.size)} {event.symbol}"
    return f"{what}: {event.symbol}" if event.symbol else what


def _command(command: Command) -> str:
    match command:
        case CancelOrder() | AmendOrder():
            verb = "cancel" if isinstance(command, CancelOrder) else "amend"
            return f"{verb} {command.order_id} {command.symbol}"
        case ReplaceOrder():
            return f"replace {command.order_id}: {_command(command.order)}"
    by_quote = command.size is None
    size = f"{_short(command.quote_size)} worth of" if by_quote else _short(command.size)
    price = f" at {_short(command.price)}" if command.price is not None else ""
    rule = f" ({command.rule})" if command.rule else ""
    words = f"{command.side.value} {size} {command.symbol} {command.type.value}{price}"
    return f"order {command.id}: {words}{rule}"


_Sentence = Callable[[Any], str]
SENTENCES: Mapping[type, tuple[int, _Sentence]] = {
    events.Opened: (
        logging.INFO,
        lambda e: f"connected ({e.link}{f', try {e.attempt}' if e.attempt > 1 else ''})",
    ),
    events.Authenticated: (logging.INFO, lambda e: f"logged on as {e.account} ({e.link})"),
    events.Subscribed: (logging.INFO, lambda e: f"subscribed to {e.channel} {e.symbol}".rstrip()),
    events.Unsubscribed: (logging.INFO, lambda e: f"left {e.channel} {e.symbol}".rstrip()),
    events.Rejected: (logging.WARNING, lambda e: f"refused {e.what}: {e.text} ({e.code})"),
    events.Lost: (
        logging.WARNING,
        _lost,
    ),
    events.VenueShutdown: (logging.WARNING, lambda e: f"the venue will drop {e.link}"),
    events.BookStale: (logging.WARNING, lambda e: f"book {e.symbol} is stale: {e.reason}"),
    events.FeedStale: (
        logging.WARNING,
        lambda e: f"{e.channel} {e.symbol} silent for {e.silent_seconds:.1f} s",
    ),
    events.FeedFresh: (logging.INFO, lambda e: f"{e.channel} {e.symbol} speaks"),
    events.TradeGap: (
        logging.WARNING,
        lambda e: f"trades {e.first_missing} to {e.last_missing} of {e.symbol} never came",
    ),
    events.Malformed: (logging.WARNING, lambda e: f"malformed {e.channel} frame: {e.path}"),
    events.Unhandled: (logging.DEBUG, lambda e: f"unknown message: {e.channel}"),
    events.Lagging: (logging.WARNING, lambda e: f"{e.what} is {e.behind_seconds:.3f} s behind"),
    events.StreamDropped: (logging.WARNING, lambda e: f"{e.stream} dropped {e.count} events"),
    events.Unanswered: (
        logging.WARNING,
        lambda e: f"no answer to {e.what} of {e.order_id} for {e.waited_seconds:.1f} s",
    ),
    events.Update: (logging.INFO, _update),
    events.Fill: (
        logging.INFO,
        lambda e: (
            f"fill {e.order_id}: {e.side.value} {_short(e.size)} {e.symbol} at {_short(e.price)}"
        ),
    ),
    journal.Decided: (logging.INFO, lambda r: _command(r.command)),
    journal.Dropped: (logging.WARNING, lambda r: f"not sent: {_command(r.command)}: {r.why}"),
    journal.Refusal: (
        logging.WARNING,
        lambda r: f"refused {r.rule} {r.symbol}: {r.limit} is {r.value}, allowed {r.allowed}",
    ),
    journal.Alerted: (logging.WARNING, lambda r: f"{r.rule or 'alert'}: {r.text}"),
    journal.Benched: (logging.ERROR, lambda r: f"rule {r.rule} benched: {r.error}: {r.text}"),
    journal.Halted: (logging.ERROR, lambda r: f"trading halted by {r.by}: {r.reason}"),
    journal.Resumed: (logging.INFO, lambda r: f"trading resumed by {r.by}"),
}
"""Type → level and sentence. What is not listed is not worth a person's attention."""
